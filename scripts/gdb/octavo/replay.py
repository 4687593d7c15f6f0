# SPDX-License-Identifier: MIT
"""Backwards, in a run that `make record` has recorded and `make replay` plays.

QEMU counts instructions; a point of the run is its number. To go to an earlier one, the state of the
beginning is loaded (the snapshot "init", which the recording begins with) and the run is played up to
that number. That always arrives, and takes as long as the run up to there; gdb's own reverse-stepi
asks QEMU for the same. QEMU's reverse-continue often does not come back: oct-prev-fault is what it
would be wanted for."""

import os
import re
import signal
import threading
import time

import gdb

from . import fault
from .core import Command, evaluate, monitor, register as reg

_known = {"from": 0, "to": -1, "at": []}  # the page faults of a stretch of the run: their counts


def count():
    """Where the replay stands; None outside of one."""
    found = re.search(r"instruction count = (\d+)", monitor("info replay"))
    playing = "Replaying" in monitor("info replay") if found else False
    return int(found[1]) if playing else None


def need_count():
    now = count()
    if now is None:
        raise gdb.GdbError("this is no replay: make record, then make replay (docs/gdb.md)")
    return now


def rewind():
    """To the beginning. QEMU 7.2 hangs in loadvm if its CPU's thread has not gone back to sleep after the last
    thing that it was asked for: that cannot be asked, but it needs some microseconds of a processor."""
    time.sleep(0.3)
    monitor("info replay")
    monitor("loadvm init")
    _forget()


def seek(target):
    """Go to that instruction count, from wherever the replay stands."""
    for _ in range(3):
        if target < need_count():
            rewind()
        if target > need_count():
            forward(target)
        if need_count() == target:
            return
        rewind()
    raise gdb.GdbError(f"the replay came to instruction {need_count()}, not to {target}")


class Undisturbed:
    """The user's breakpoints stay off meanwhile, and gdb does not tell of stops that are not theirs (it
    writes that itself, past what to_string catches). What the guest prints once more is not shown."""

    HUSH = os.environ.get("OCTAVO_HUSH")  # scripts/debug looks whether it exists

    def __enter__(self):
        if self.HUSH:
            open(self.HUSH, "w").close()
        self.off = [b for b in gdb.breakpoints() if b.number > 0 and b.enabled]
        for b in self.off:
            b.enabled = False
        gdb.flush(gdb.STDOUT)
        self.stdout = os.dup(1)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)

    def __exit__(self, *_):
        gdb.flush(gdb.STDOUT)
        os.dup2(self.stdout, 1)
        os.close(self.stdout)
        if self.HUSH:
            time.sleep(0.1)  # what is on its way
            os.unlink(self.HUSH)
        for b in self.off:
            b.enabled = True


PATIENCE = 100  # seconds, after which a replay that does not arrive is begun again


class Alarm:
    """Ctrl-C, after a while."""

    def __enter__(self):
        self.timer = threading.Timer(PATIENCE, lambda: os.kill(os.getpid(), signal.SIGINT))
        self.timer.daemon = True
        self.timer.start()

    def __exit__(self, *_):
        self.timer.cancel()


def forward(target):
    with Undisturbed(), Alarm():
        monitor(f"replay_break {target}")
        try:
            gdb.execute("continue", to_string=True)
        except KeyboardInterrupt:
            pass
        finally:
            monitor("replay_delete_break")


def _forget():
    """gdb does not know that the machine is elsewhere now."""
    gdb.execute("maintenance flush register-cache", to_string=True)
    gdb.execute("maintenance flush dcache", to_string=True)
    gdb.invalidate_cached_frames()


def stops_before(where, limit):
    """The counts at which an instruction is about to be executed, from here to limit."""
    found, stop = [], fault.Stop(where)
    with Undisturbed():
        try:
            while True:
                monitor(f"replay_break {limit}")  # each time: QEMU forgets it at another stop
                if not fault.resume([stop]) or need_count() >= limit:
                    return found
                found.append(need_count())
        finally:
            fault.delete([stop])
            monitor("replay_delete_break")


def faults_before(limit):
    """The counts of all page faults before that one: the run is played from its beginning."""
    seek(0)
    return stops_before(fault.first_instruction("page_fault"), limit)


def last_fault_before(limit):
    """The run never changes, so what was seen once need not be played again."""
    if _known["from"] <= limit <= _known["to"]:
        found = [n for n in _known["at"] if n < limit]
    else:
        found = faults_before(limit)
        _known.update({"from": 0, "to": limit, "at": found})
    return max(found) if found else None


def before_fault():
    """Go to where the instruction that faulted is about to be tried, in the fault that is being handled.
    It lies a short stretch back, which is played once more and watched. As it did not retire, QEMU counts
    the same for it and for the first instruction of the handler's stub, and would go to that: so the way
    leads over the instruction before."""
    f, now = fault.find_fault(), need_count()
    for stretch in (256, 1 << 14, 1 << 20):
        seek(max(0, now - stretch))
        here = [need_count()] if reg("rip") == f.rip else []
        found = (here + stops_before(f"*{f.rip:#x}", now))[-1:]
        if found:
            seek(found[0] - 1)
            with Undisturbed():
                gdb.execute("stepi", to_string=True)
            return
    seek(now)
    raise gdb.GdbError("the instruction that faulted lies too far back")


class Back(Command):
    """oct-back [N]: N instructions back (1) in a replay. Takes as long as the run up to there.
oct-back fault: from inside the page-fault handler to the instruction that faulted."""

    name = "oct-back"
    kind = gdb.COMMAND_RUNNING

    def run(self, words):
        now = need_count()
        if words == ["fault"]:
            before_fault()
        else:
            seek(max(0, now - (evaluate(words[0]) if words else 1)))
        print(f"instruction {need_count()}, {now - need_count()} back:  {fault.place(reg('rip'))}")


class PrevFault(Command):
    """oct-prev-fault: in a replay, back to the page fault before this point; says all about it."""

    name = "oct-prev-fault"
    kind = gdb.COMMAND_RUNNING

    def run(self, words):
        now = need_count()
        last = last_fault_before(now)
        seek(now if last is None else last)
        if last is None:
            print("there was no page fault before")
            return
        f = fault.Fault(*fault.entered())
        fault._last["fault"] = f
        print(f"instruction {last}, {now - last} back:")
        fault.describe(f)


def register():
    Back()
    PrevFault()
