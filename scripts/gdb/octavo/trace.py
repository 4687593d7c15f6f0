# SPDX-License-Identifier: MIT
"""The trace ring: what memory management has noted (mm/trace.h), also of a kernel that does not run."""

import re

from .core import Command, const, cpus, enum, evaluate, num, on_cpu, spin_held, text, usage, variable


def ring_of(cpu):
    return on_cpu("rings", cpu, "struct trace_ring")


def records(cpu):
    """The records of one CPU, oldest first; none are taken away."""
    ring = ring_of(cpu)
    first, count, size = num(ring["first"]), num(ring["count"]), num(ring["size"])
    if not num(ring["record"]) or count > size:
        return
    for i in range(count):
        yield ring["record"][(first + i) % size]


def words_of(record):
    event = num(record["event"])
    args = [num(record["arg"][i]) for i in range(6)]
    if event == const("TRACE_EXEC"):
        name = b"".join(a.to_bytes(8, "little") for a in args[:2]).split(b"\0")[0]
        return f"name={name.decode(errors='replace')}"
    if event == const("TRACE_FAULT"):
        return fault_words(record, args)
    return printf(text(variable("event_text")[event]), args)


def fault_words(record, args):
    """As mm/fault.c packs them."""
    code, flags = num(record["code"]), num(record["flags"])
    kinds = [text(variable("fault_kind_name")[k]) for k in (code >> 4, code & 15) if k]
    access = "write" if flags & const("FAULT_FLAG_WRITE") else "exec" if flags & const("FAULT_FLAG_INSTR") else "read"
    result = enum("vm_fault").get(args[4] >> 56, "?").replace("VM_FAULT_", "").lower()
    return (f"addr={args[0]:#x} case={','.join(kinds)} by={'user' if flags & const('FAULT_FLAG_USER') else 'kernel'} "
            f"access={access} pte={args[1]:#x}->{args[2]:#x} cost={args[4] & (1 << 56) - 1} result={result}")


def printf(form, args):
    """The kernel's format with u64 arguments: %lu %ld %#lx."""
    values = iter(args)

    def one(found):
        value = next(values)
        if found[1] == "d":
            return str(value - (1 << 64) if value >> 63 else value)
        return f"{value:#x}" if found[1] == "x" else str(value)

    return re.sub(r"%#?l?([udx])", one, form)


class Trace(Command):
    """oct-trace [N]: the last N (20) trace records of all CPUs, in the order of time; how many were lost.

    They are what /proc/vmtrace would give to its reader next, and stay there."""

    name = "oct-trace"

    def run(self, words):
        if len(words) > 1:
            usage(self)
        wanted = evaluate(words[0]) if words else 20
        found, known = [], const("NR_TRACE_EVENTS")
        for cpu in cpus():
            ring = ring_of(cpu)
            print(f"CPU {cpu}: {num(ring['count'])} records of {num(ring['written'])}, {num(ring['lost'])} lost"
                  + (", its lock is held" if spin_held(ring["lock"]) else ""))
            found += [(num(r["time_ns"]), r) for r in records(cpu)]
        if not num(variable("trace_mask")):
            print("no event is on (echo all >/proc/vmtrace/events)")
        for time, record in sorted(found, key=lambda f: f[0])[-wanted:]:
            event = num(record["event"])
            name = text(variable("event_name")[event]) if event < known else f"event {event}"
            print(f"{time / 1e9:12.6f} {num(record['pid']):5} cpu{num(record['cpu'])} {name:14} "
                  + (words_of(record) if event < known else ""))


def register():
    Trace()
