# SPDX-License-Identifier: MIT
"""Backtraces that go on where the kernel was entered: plain `bt` does by the assembly's CFI; oct-bt says
what each way in was, and does the same for threads that sleep.

A sleeping thread's registers lie on its stack, where switch_to() put them. An unwinder of our own
claims the innermost frame and says that it was called from there; from then on gdb unwinds as always.
Nothing of the machine is written."""

import gdb
import gdb.unwinder

from . import names, tasks
from .core import Command, M, at, const, num, read_u64, register as reg, symbol_at, usage

# pushed by switch_to(), from the stack pointer up; then the return address
SAVED = ("r15", "r14", "r13", "r12", "rbx", "rbp")
MAX_FRAMES = 64


class _Id:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Impersonator(gdb.unwinder.Unwinder):
    """While .registers are set, the frame of the machine's own registers is said to have been called by
    that sleeping thread."""

    def __init__(self):
        super().__init__("octavo-sleeping-thread")
        self.registers, self.live = None, {}

    def __call__(self, pending):
        if self.registers is None or any(num(pending.read_register(r)) != v for r, v in self.live.items()):
            return None
        info = pending.create_unwind_info(_Id(gdb.Value(self.registers["rsp"] - 8), gdb.Value(self.registers["rip"])))
        kind = gdb.lookup_type("unsigned long")
        for name, value in self.registers.items():
            info.add_saved_register(name, gdb.Value(value).cast(kind))
        return info


_impersonator = Impersonator()


def saved_registers(task):
    """What a thread that does not run will have when it runs again."""
    sp = num(task["thread"]["ksp"])
    values = {name: read_u64(sp + 8 * i) for i, name in enumerate(SAVED)}
    values["rip"] = read_u64(sp + 8 * len(SAVED))
    values["rsp"] = sp + 8 * (len(SAVED) + 1)
    return values


def saved_chain(task):
    """Return addresses on a sleeping thread's stack, by its frame pointers."""
    low, high = num(task["thread"]["kstack"]), num(task["thread"]["kstack_top"])
    if not low <= num(task["thread"]["ksp"]) < high:
        return []
    values = saved_registers(task)
    chain, rbp = [values["rip"]], values["rbp"]
    while low <= rbp < high - 16 and len(chain) < MAX_FRAMES:
        following, pc = read_u64(rbp), read_u64(rbp + 8)
        chain.append(pc)
        if following <= rbp:
            break
        rbp = following
    return chain


def trap_line(tf):
    """Why the kernel was entered, from a struct trapframe (value)."""
    vector = num(tf["vector"])
    user = num(tf["cs"]) & 3
    came = "from user mode" if user else "from the kernel"
    if vector in (const("TRAP_SYSCALL"), const("TRAP_FORCE_IRET")):
        number = num(tf["orig_rax"])
        if number >= 1 << 63:
            return "system call (its number is no longer noted)"
        args = ", ".join(f"{num(tf[r]):#x}" for r in ("rdi", "rsi", "rdx"))
        return f"system call {number}, {syscall_name(number)}({args}, ...)"
    if vector == const("X86_TRAP_PF"):
        return f"page fault {came}: error {names.error_code(num(tf['error']))}"
    if vector >= 32:
        return f"interrupt, vector {vector}, {came}"
    found = [n[9:] for n, v in _traps() if v == vector]
    return f"exception #{found[0] if found else vector} {came}, error {num(tf['error']):#x}"


def _traps():
    return [(n, v) for n, v in M.items() if n.startswith("X86_TRAP_")]


def syscall_name(number):
    try:
        table = gdb.parse_and_eval("(unsigned long *)&syscall_table")
        name = symbol_at(num(table[number])).split(" ")[0] if number < const("NR_SYSCALLS") else ""
        return name.split("_", 1)[1] if name.startswith(("sys_", "whole_")) else "?"
    except gdb.error:
        return "?"


def frame_line(number, frame):
    pc = frame.pc()
    name = frame.name()
    where = ""
    line = frame.find_sal()
    if line.symtab:
        where = f" at {line.symtab.filename}:{line.line}"
    return f"#{number:<2} {pc:#018x} {name or '??'}{where}"


def show_frames(frame, mm, skip_first=False):
    number = 0
    if skip_first:  # the machine's own frame, with what is inlined there
        while frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
        frame = frame.older()
    while frame is not None and number < MAX_FRAMES:
        print(frame_line(number, frame))
        number += 1
        if frame.pc() >> 63 and frame.type() == gdb.SIGTRAMP_FRAME:
            show_entry(frame)
        try:
            older = frame.older()
        except gdb.error as error:
            print(f"    ({error})")
            break
        if older is not None and not may_run(older.pc(), mm):
            print("    (the end: without the program's symbols, and with what was built without frames, no further)")
            break
        frame = older


def may_run(pc, mm):
    """Is it an address of the kernel, or one that the program may execute?"""
    if pc >> 63:
        return True
    vma = tasks.vma_around(mm, pc) if mm is not None else None
    return vma is not None and num(vma["start"]) <= pc and bool(num(vma["flags"]) & const("VM_EXEC"))


def show_entry(frame):
    """Between an assembly frame and what it interrupted: why. The trapframe lies at the frame's stack
    pointer once it is complete."""
    tf = at(num(frame.read_register("rsp")), "struct trapframe")
    if num(tf["cs"]) in (const("KERNEL_CS"), const("USER_CS")):
        print(f"    ---- {trap_line(tf)}")


class Bt(Command):
    """oct-bt [PID|NAME]: the stack of this CPU's thread, or of a sleeping one, through interrupts, faults
    and system calls into the program."""

    name = "oct-bt"
    kind = gdb.COMMAND_STACK

    def run(self, words):
        if len(words) > 1:
            usage(self)
        task = tasks.find_task(words[0]) if words else None
        if task is None:
            show_frames(gdb.newest_frame(), tasks.current_mm())
            return
        if num(task["thread"]["on_cpu"]):
            cpu = num(task["thread"]["cpu"])
            print(f"runs on CPU {cpu}: thread {cpu + 1}, then oct-bt")
            return
        print(f"{tasks.name_of(task)}, pid {num(task['pid'])}, sleeps:")
        _impersonator.live = {name: reg(name) for name in ("rip", "rsp")}
        _impersonator.registers = saved_registers(task)
        mm = task["thread"]["mm"]
        past_main = gdb.parameter("backtrace past-main")
        try:
            gdb.execute("set backtrace past-main on")  # the machine's own frame may be a main()
            gdb.invalidate_cached_frames()
            show_frames(gdb.newest_frame(), mm.dereference() if num(mm) else None, skip_first=True)
        finally:
            _impersonator.registers = None
            gdb.execute(f"set backtrace past-main {'on' if past_main else 'off'}")
            gdb.invalidate_cached_frames()


def register():
    gdb.unwinder.register_unwinder(None, _impersonator, replace=True)
    Bt()
