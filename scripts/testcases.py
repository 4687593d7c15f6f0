# SPDX-License-Identifier: MIT
"""Test groups whose cases are played from outside the machine; one boot a case, or one dialogue.

crash       each kind of deliberate breakage (tests/kernel/crash.c) must end in the right report
boot-args   the kernel file is started as a Linux kernel is: initramfs, parameters, endings
serial      the terminal: large pastes, control keys, job control, full-screen programs
smp         1 to 16 processors: all come up, all work, none is taken for another
timeline    a trace leaves by the second serial line while its command runs; the picture shows what it did
tlb-drop    the kernel keeps its TLB flushes to itself: each test for stale translations must fail
"""

import collections
import hashlib
import os
import random
import re
import shutil
import subprocess
import time

import testtimeline
from harness import LOGS, PASS_STATUS, ROOT, SILENCE, Results, limit

FAIL_STATUS = 35  # a panic under test
ENDED = 0  # QEMU ended by itself: restarted (-no-reboot) or switched off
HALTED = "halted"  # it must fall silent and stay
QUIET = 4  # seconds of silence that prove it

PROMPT = r"(?:^|\n|\r)\S* ?[#$] (?:\x1b\[6n)?$"


def play(group, options, case, wanted, patterns, absent=(), silence=SILENCE, **environment):
    """One boot that nobody talks to; its end and its log are what is checked."""
    environment["SEED"] = str(options.seed)
    process = group.start(["scripts/qemu", "test"], environment, case=case)
    process.child.stdin.close()
    status = process.end(silence, limit(options))
    status = HALTED if process.hung else status
    with open(process.log.name, errors="replace") as f:
        text = Results.NOISE.sub("", f.read())
    problems = [] if status == wanted else [f"exit status {status}, not {wanted}"]
    problems += [f"the log lacks {p!r}" for p in patterns if not re.search(p, text, re.M)]
    problems += [f"the log has {p!r}" for p in absent if re.search(p, text, re.M)]
    group.verdict(case, problems)


# ---------------------------------------------------------------------------- crash

WALK = [r"#PF: supervisor \w+ ?\w* in kernel mode", r"#PF: error_code\(0x[0-9a-f]{4}\) - \w+",
        r"Page walk of [0-9a-f]{16}", r"  pgd\[ *\d+\] = "]
LEAF = WALK + [r"  pte\[ *\d+\] = [0-9a-f]{16} present .*-> page"]
READ_ONLY = ["kernel write to read-only memory", r"#PF: supervisor write access",
             r"error_code\(0x0003\) - permissions violation", r"pte.* present ro kernel"] + LEAF

# kind: what its report must contain, beside a symbolised backtrace
CRASHES = {
    "stack_overflow": ["kernel stack overflow", r"^.*  pte\[ *\d+\]", r" recurse\+0x"],
    "null_read": ["kernel NULL pointer dereference, address: 10", "supervisor read access"] + WALK,
    "write_rodata": READ_ONLY,
    "write_text_alias": READ_ONLY,
    "exec_data": ["NX-protected page", r"error_code\(0x0011\)", "instruction fetch", r"pte.* nx -> page"] + LEAF,
    "non_canonical": ["general protection fault"],
    "double_fault": ["PANIC: double fault", r"Page walk of [0-9a-f]{16}"],
    "assert": [r"assertion failed: zero == 1, at tests/kernel/crash\.c:\d+ in crash_assert"],
    "divide": ["divide error"],
    "stack_smash": ["stack-protector: Kernel stack is corrupted in: crash_stack_smash", r" crash_stack_smash\+0x"],
    "page_double_free": ["is freed twice"],
    "page_use_after_free": ["written after it was freed: 01 at offset 64"],
    "slab_double_free": ["kmalloc-64.* is freed twice; last freed by crash_slab_double_free"],
    "slab_use_after_free": ["kmalloc-64.* written while free; last freed by crash_slab_use_after_free"],
    "slab_overflow": ["kmalloc-64.* written beyond its end; last allocated by crash_slab_overflow"],
    "lock_order": ["lock order"],
    "lock_twice": ["is taken twice"],
    "lock_not_held": ["is released but not held"],
    "lock_irq": ["is taken in an interrupt handler and with interrupts on"],
    "lock_irq_inside": ["is taken in an interrupt handler and with interrupts on"],
    "lock_call": ["is waited for with interrupts off, and held while other CPUs are called"],
    "sleep_atomic": ["sleeping in atomic context"],
    "kernel_touches_user": [r"\(SMAP\)", r"error_code\(0x0001\)", r"pte.* present rw user"] + LEAF,
    "undefined": ["a sanitizer check failed"],
    "panic": ["Kernel panic - not syncing: on request"],
    "oom_deadlock": [r"crash invoked oom-killer: gfp_mask=0xcc0\(GFP_KERNEL\), order=0, oom_score_adj=0",
                     r"Out of memory and no killable processes\.\.\.", "System is deadlocked on memory"],
    "panic_on_oom": [r"crash invoked oom-killer", "Mem-Info:",
                     "Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled"],
    "panic_on_oom_2": ["Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled"],
    "softlockup": [r"watchdog: BUG: soft lockup - CPU#\d+ stuck for \d+s! \[crash:\d+\]", " crash_softlockup\\+0x",
                   "Kernel panic - not syncing: watchdog: soft lockup"],
    "panic_everywhere": ["Kernel panic - not syncing: on request"],
    "panic_among_printers": ["Kernel panic - not syncing: on request"],
}
# on two CPUs: what the report says of the other one
IDLE = r"CPU: \d+ PID: 0 Comm: swapper/\d+\n.*RIP: 0010:cpu_idle\+0x"
OTHER = r"CPU: \d+ PID: \d+ Comm: \S+\n.*RIP: 0010:.*\n.*Call Trace:\n"
CRASHES_SMP = {
    "null_read": CRASHES["null_read"] + [IDLE],
    "double_fault": CRASHES["double_fault"] + [IDLE],
    "softlockup": CRASHES["softlockup"] + [IDLE],
    "panic_everywhere": CRASHES["panic_everywhere"] + [OTHER],
    "panic_among_printers": CRASHES["panic_among_printers"] + [OTHER + r"(?:.*\n)*.* print_for_ever\+0x"],
    "hang": [r"watchdog: BUG: hard lockup - CPU#\d+ stuck for \d+s! \[crash:\d+\]",
             r"CPU: \d+ PID: \d+ Comm: crash\n.*RIP: 0010:crash_hang\+0x"],
}
# there is one report, and it ends
REPORT = r"(?s)\A(?:(?!Kernel panic).)*Kernel panic - not syncing: (?:(?!Kernel panic).)*---\[ end Kernel panic[^\n]*\s*\Z"
TRACE = r"(?s)Call Trace:\n.*crash_thread\+0x[0-9a-f]+/?.*kthread_entry\+0x"


def run_crash(group, options):
    with open(os.path.join(ROOT, "tests/kernel/crash.c")) as f:
        kinds = set(re.findall(r'^\t\{"(\w+)", crash_\w+\},$', f.read(), re.M))
    for kind in sorted(kinds ^ {*CRASHES, "hang"}):
        group.verdict(kind, ["tests/kernel/crash.c and scripts/testcases.py do not agree that it exists"])
    for kind, patterns in CRASHES.items():
        # a chain of more frames than are printed ends before crash_thread(), and so does a broken one
        trace = [] if kind in ("stack_overflow", "double_fault", "stack_smash") else [TRACE]
        play(group, options, kind, FAIL_STATUS, patterns + trace, ["crash survived"],
             APPEND=f"octavo.crash={kind} watchdog=1")
    # a test that loses a page fails, and is told who had asked for it
    play(group, options, "leak", FAIL_STATUS, [r"the ledger does not balance: kernel was \d+ pages, is \d+",
         r"Page allocated via order 0, mask 0x[0-9a-f]+, pid \d+, tgid \d+ \(\S+\), ts \d+ ns, free_ts 0 ns\n"
         r"(.*\n)?.*PFN \d+ type Movable Block \d+ type \w+ Flags 0x[0-9a-f]+\n.* owner_test_alloc\+0x.*\n"
         r".* ktest_deliberate_leak\+0x"], APPEND="ktest=deliberate.leak")
    # the watchdog of this driver: a kernel that says nothing must not be waited for
    play(group, options, "hang", HALTED, ["crash test: hang"], silence=QUIET, APPEND="octavo.crash=hang")


def run_crash_smp(group, options):
    """On several CPUs: the others stop, the report names what they did and is in one piece."""
    stamp = r"\[ *\d+\.\d{6}\] "
    whole = [REPORT, rf"Kernel panic - .*\n(?:{stamp}.*\n)+\Z"]
    for kind, patterns in CRASHES_SMP.items():
        play(group, options, kind, FAIL_STATUS, patterns + whole, ["crash survived", rf"{stamp}.*{stamp}"],
             APPEND=f"octavo.crash={kind} watchdog=1")


# What happens in a process's context costs that process only, unless it says oops=panic.
OOPS = [
    ("an oops ends its process", "sh -c 'echo null_read >/proc/octavo/crash'; echo code $?\n",
     r"(?s)NULL pointer dereference.*code 139\b"),
    ("a second one", "sh -c 'echo write_rodata >/proc/octavo/crash'; echo code $?\n",
     r"(?s)read-only memory.*Oops: 0003 \[#2\].*code 139\b"),
    ("its parent lives", "echo still $$ $((6 * 7))\n", r"still \d+ 42"),
    ("processes start", "ls / | sort | head -n 1\n", r"(?m)^bin\b"),
    ("ktest: a suite", "ktest lib; echo code $?\n", r"(?s)# Subtest: lib.*# ktest: \d+ passed, 0 failed.*code 0\b"),
    ("ktest: a case", "ktest page_alloc.split* fault; echo code $?\n", r"(?s)Subtest: fault.*0 failed.*code 0\b"),
    ("ktest: no such case", "ktest nosuch; echo code $?\n", r"code 1\b"),
]


# ---------------------------------------------------------------------------- a dialogue


class Shell:
    """Talks to the prompt of one boot."""

    def __init__(self, group, options, label="", **environment):
        """label: which of several boots of the group."""
        self.group = group
        self.label = label and label + ": "
        self.process = group.start(["scripts/qemu", "test"], {"SEED": str(options.seed), **environment},
                                   case=label or None)
        self.deadline = limit(options)
        self.alive = self.case("prompt", self.expect(PROMPT, SILENCE))

    def case(self, name, ok):
        if not ok:
            seen = repr(self.process.tail[-300:])
        self.group.verdict(f"{self.group.name}: {self.label}{name}", [] if ok else [f"# the last output: {seen}"])
        return ok

    def expect(self, pattern, silence=20):
        return self.process.expect(pattern, silence, self.deadline)

    def send(self, keys):
        self.process.send(keys)

    def step(self, name, keys, answer, prompt=True, silence=20):
        """Type keys; the answer must come, then the prompt if the command ends."""
        if not self.alive:
            return
        self.process.tail = ""
        self.send(keys)
        self.alive = self.case(name, self.expect(answer, silence) and (not prompt or self.expect(PROMPT)))

    def silent(self, seconds):
        """Nothing comes for so long (what was under way may still come, once)."""
        end = time.monotonic() + 10 * seconds
        while self.process.selector.select(seconds):
            self.process.drain()
            if time.monotonic() > end:
                return False
        return True

    def finish(self):
        if self.alive:
            self.send("poweroff\n")
        hung_before = self.process.hung
        status = self.process.stop() if hung_before else self.process.end(SILENCE if self.alive else 1, self.deadline)
        if self.alive:
            self.case("poweroff", status == PASS_STATUS)
        self.group.check_status(status, PASS_STATUS, self.process.hung)


def run_dialogue(steps, words=""):
    def run(group, options):
        shell = Shell(group, options, **({"APPEND": words} if words else {}))
        for step in steps:
            shell.step(*step)
        shell.finish()

    return run


# ---------------------------------------------------------------------------- several processors

# label: (environment, CPUs that run, what the log has)
SMP_BOOTS = {
    "smp-1": ({"SMP": "1"}, 1, r"Brought up 1 node, 1 CPU "),
    "smp-2": ({"SMP": "2"}, 2, r"Brought up 1 node, 2 CPUs "),
    "smp-4": ({"SMP": "4"}, 4, r"Brought up 1 node, 4 CPUs "),
    "smp-4-q35": ({"SMP": "4", "MACHINE": "q35"}, 4, r"Brought up 1 node, 4 CPUs "),
    "smp-4-threads": ({"SMP": "4,sockets=1,cores=2,threads=2"}, 4, r"Brought up 1 node, 4 CPUs "),
    "smp-16": ({"SMP": "16"}, 16, r"Brought up 1 node, 16 CPUs "),
    "maxcpus-1": ({"SMP": "4", "APPEND": "maxcpus=1"}, 1, r"Brought up 1 node, 1 CPU "),
    "maxcpus-3": ({"SMP": "4", "APPEND": "maxcpus=3"}, 3, r"Brought up 1 node, 3 CPUs "),
    "maxcpus-0": ({"SMP": "2", "APPEND": "maxcpus=0"}, 1, r"Brought up 1 node, 1 CPU "),
    "maxcpus-99": ({"SMP": "2", "APPEND": "maxcpus=99"}, 2, r"Brought up 1 node, 2 CPUs "),
    "mute": ({"SMP": "4", "APPEND": "smp.mute=2"}, 3, r"CPU with APIC id 2 does not answer(?s:.*)3 CPUs "),
}
# A loop on each processor: after a while each has worked.
ALL_WORK = ("for i in $(seq {n}); do sh -c 'while :; do :; done' & done; until [ $(awk '/^cpu[0-9]/ && $2 > 4' /proc/stat "
            "| wc -l) -eq {n} ]; do sleep 0.1; done; kill $(jobs -p); wait; echo all $((40 + 2)) work\n")


def run_smp(group, options):
    for label, (environment, cpus, log) in SMP_BOOTS.items():
        shell = Shell(group, options, label, **environment)
        shell.step("cpuinfo", "echo cpus $(grep -c ^processor /proc/cpuinfo) $(nproc)\n", rf"cpus {cpus} {cpus}\b")
        online = "0" if cpus == 1 else f"0-{cpus - 1}"
        shell.step("online", "echo on''line $(cat /sys/devices/system/cpu/online)\n", rf"online {online}\s")
        shell.step("stat", "echo lines $(grep -c '^cpu[0-9]' /proc/stat)\n", rf"lines {cpus}\b")
        shell.step("all work", ALL_WORK.format(n=cpus), r"all 42 work", silence=SILENCE)
        shell.finish()
        with open(shell.process.log.name, errors="replace") as f:
            shell.case("log", re.search(log, f.read()))


def tlb_drop_boot(group, options, tests):
    """{test: did it fail?}, as far as the kernel comes: what is written to freed pages is its end, too."""
    lines = []
    words = "tlb.drop=1 rdinit=/tests/run utest=" + ",".join(f"tlb.{test}" for test in tests)
    process = group.start(["scripts/qemu", "test"], {"APPEND": words, "SEED": str(options.seed)}, lines.append,
                          case=tests[0])
    process.child.stdin.close()
    process.end(SILENCE, limit(options))
    found = (re.match(r"(not )?ok \d+ tlb\.(\w+)", line) for line in lines)
    return {m[2]: bool(m[1]) for m in found if m}


def run_tlb_drop(group, options):
    with open(os.path.join(ROOT, "tests/user/t_tlb.c")) as f:
        tests = re.findall(r"^TEST\((\w+),", f.read(), re.M)
    failed, left = set(), tests
    while left:
        results = tlb_drop_boot(group, options, left)
        if not results:
            results = {left[0]: True}  # the kernel did not survive it
        failed |= {test for test in results if results[test]}
        left = [test for test in left if test not in results]
    for test in tests:
        group.verdict(f"{group.name}: {test}", [] if test in failed else ["it passes though no flush is sent"])


def run_timeline(group, options):
    """A trace that leaves the guest by its second serial line, and the picture that is made of it."""
    path = os.path.join(ROOT, LOGS, f"{group.name}.bin")
    environment = {"APPEND": 'quiet rdinit=/etc/timeline CMD="thrash -r 1 60"', "QEMU_ARGS": f"-serial file:{path}"}
    lines = []
    process = group.start(["scripts/qemu", "test"], environment, lines.append)
    process.child.stdin.close()
    group.check_status(process.end(SILENCE, limit(options)), PASS_STATUS, process.hung)
    group.verdict(f"{group.name}: the command", [] if any("timeline: status 0" in l for l in lines) else lines[-5:])
    with open(path, "rb") as f:
        data = f.read()
    timeline = testtimeline.load()
    records, lost, kinds = timeline.parse(data)
    counts = collections.Counter(timeline.kind_of(r, kinds) for r in records if r.event == "fault")
    problems = [f"{n} faults {kind}" for kind, n, least in (("anon_write", counts["anon_write"], 60 * 256),
                                                          ("swap_in", counts["swap_in"], 1000)) if n < least]
    problems += [f"{lost} records are lost"] if lost else []
    problems += [f"{len(data) % 64} bytes too many"] if len(data) % 64 else []
    problems += [f"no {event}" for event in ("exec", "exit", "kswapd_wake", "kswapd_sleep")
                 if not any(r.event == event for r in records)]
    if any(a.time > b.time for a, b in zip(records, records[1:])):
        problems.append("time goes back")
    group.verdict(f"{group.name}: the trace", problems)
    picture = timeline.draw(records, lost, kinds)
    group.verdict(f"{group.name}: the picture", [] if timeline.LABELS["swap_in"] in picture else ["nothing came back"])


# ---------------------------------------------------------------------------- 64 GiB

FACTOR = 3  # what 64 GiB may cost, compared with 1 GiB
HOST_KB = 1 << 20  # what QEMU may have touched by then


def resident_peak(process):
    with open(f"/proc/{process.child.pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1])


def run_sparse(group, options):
    """More memory than the host has: only what is used may be touched, at boot too."""
    took = {}
    for size in ("1G", "64G"):
        shell = Shell(group, options, MEM=size, MACHINE="pc,memory-backend=r",
                      QEMU_ARGS=f"-object memory-backend-ram,id=r,size={size},reserve=off")
        shell.step(f"{size}: MemTotal", "awk '/MemTotal/ { print \"GiB\", int($2 / 1035000) }' /proc/meminfo\n",
                   rf"GiB {size[:-1]}\b")
        peak = resident_peak(shell.process)
        shell.finish()
        with open(shell.process.log.name) as f:
            init = re.search(r"\[ *(\d+\.\d+)\] Run /init", f.read())
        took[size] = float(init[1]) if init else 0
        group.verdict(f"{group.name}: {size} touches little", [] if peak < HOST_KB else [f"{peak} kB of the host's"])
    cost = took["64G"] / took["1G"] if took["1G"] else 0
    group.verdict(f"{group.name}: the cost of 64 GiB", [] if 0 < cost <= FACTOR else [f"{cost:.2f} times that of 1 GiB"])


# ---------------------------------------------------------------------------- serial

PASTE = 64 << 10


def paste_lines(shell):
    """Canonical mode, echo on: 64 KiB of lines."""
    rng = random.Random(1)
    lines = "".join("".join(rng.choices("abcdefghij klmnopqrst", k=63)) + "\n" for _ in range(PASTE // 64))
    shell.step("start cat", "echo re''ady; cat >/tmp/x; echo sum $(sha256sum </tmp/x) $(wc -c </tmp/x)\n", r"ready\s", False)
    shell.step("64 KiB of lines pasted", lines + "\x04",
               rf"sum {hashlib.sha256(lines.encode()).hexdigest()}[ -]+{PASTE}\b")


def paste_raw(shell):
    """Raw mode: every byte value, so also those that are control keys otherwise."""
    data = random.Random(2).randbytes(PASTE)
    shell.step("start raw mode", "was=$(stty -g); stty raw -echo; echo re''ady; dd bs=64k count=1 iflag=fullblock 2>/dev/null | "
               "sha256sum; stty $was\n", r"(?m)^\r*ready", False)
    shell.step("64 KiB of any bytes pasted", data, hashlib.sha256(data).hexdigest())


def flow_control(shell):
    # a shell of its own: the one with the prompt may be between two children when the key comes
    shell.step("a program that prints", "sh -c 'while :; do echo ti\"\"ck; usleep 20000; done'\n", r"tick\s+tick", False)
    shell.send("\x13")
    shell.case("Ctrl-S stops output", shell.silent(1))
    shell.step("Ctrl-Q lets it go on", "\x11", r"tick\s+tick", False)
    shell.step("and Ctrl-C ends it", "\x03", r"\^C")


def ready(program):
    """Typed to start it; "ready" comes when it is about to read. A key that sends a signal may still
    meet the shell that becomes the program, which ignores some: for those use TAIL."""
    return f"sh -c 'echo re\"\"ady; exec {program}'\n"


# Prints its file and waits: once the text is there, its signals are its own.
TAIL = "tail -f /etc/motd\n"
TAIL_STARTED = r"poweroff\s"

SERIAL = [
    ("a reader", ready("cat"), r"ready\s", False),
    ("DEL erases a character", "abx\x7fc\n", r"(?m)^\r?abc\r?$", False),
    ("Ctrl-W erases a word", "one twx\x17three\n", r"(?m)^\r?one three\r?$", False),
    ("Ctrl-U erases the line", "junk\x15clean\n", r"(?m)^\r?clean\r?$", False),
    ("Ctrl-V quotes a control key", "q\x16\x03q\n", r"(?m)^\r?q\x03q\r?$", False),
    ("Ctrl-D ends the input", "\x04", ""),
    ("Ctrl-D hands over part of a line", "echo re''ady; dd bs=100 count=1 2>/dev/null | wc -c\n", r"ready\s", False),
    ("which has no newline", "part\x04", r"part4\b"),
    ("a line typed ahead", "echo re''ady; sleep 1; read a; read b; echo \"got <$a> <$b>\"\n", r"ready\s", False),
    ("is out of reach of DEL", "keep\n\x7f\x7f\x7f\x7fnext\n", r"got <keep> <next>"),
    ("Ctrl-\\ dumps", TAIL, TAIL_STARTED, False),
    ("with SIGQUIT", "\x1c", r"\^\\"),
    ("and status 131", "echo code $?\n", r"code 131\b"),
    ("stop", TAIL, TAIL_STARTED, False),
    ("a job", "\x1a", r"Stopped"),
    ("bg", "bg\n", r"tail -f"),
    ("it runs", "jobs\n", r"Running"),
    ("kill", "kill %1; wait; echo en''ded\n", r"ended"),
    ("another reader", ready("cat"), r"ready\s", False),
    ("reads", "once\n", r"once\s+once", False),
    ("is stopped", "\x1a", r"Stopped"),
    ("fg", "fg\n", r"cat", False),
    ("goes on reading", "twice\n", r"twice\s+twice", False),
    ("Ctrl-C", "\x03", r"\^C"),
    ("a background read", "cat &\n", r"cat"),
    ("stops the job", "sleep 1; jobs\n", r"Stopped \(tty input\)"),
    ("and it can go", "kill %1; kill -CONT %1; wait; echo go''ne\n", r"gone"),
    ("stty -a", "stty -a\n", r"(?s)speed \d+ baud.*intr = \^C.*susp = \^Z.*\bisig icanon\b.*\becho\b"),
    ("window size", "stty rows 50 cols 100; stty size\n", r"50 100"),
    ("SIGWINCH", "sh -c 'trap \"echo wi\"\"nch\" WINCH; stty rows 40 cols 80; echo after'\n", r"winch\s+after|after\s+winch"),
    ("no SIGWINCH without a change", "sh -c 'trap \"echo wi\"\"nch\" WINCH; stty rows 40 cols 80; echo af\"\"ter'\n",
     r"(?m)(?<!winch\r\n)^after"),
    ("vi", "vi /tmp/v\n", r"/tmp/v", False),
    ("edits", "ihello vi", r"i\x1b\[1;9H", False),
    ("Escape alone", "\x1b", r"Modified", False),
    ("saves", ":wq\r", r"1L, 9C"),
    ("the file", "cat /tmp/v\n", r"(?m)^\r?hello vi\r?$"),
    ("top", "top -n 1\n", r"(?s)Mem:.*PID.*COMMAND.*\btop -n 1"),
    ("arrow keys", "echo <xz\x1b[D\x1b[Cy\x1b[D\x1b[Dq\x7f\x1b[H\n".replace("<", ""), r"(?m)^\r?xzy\r?$"),
    ("insert in the line", "echo xz\x1b[Dy\n", r"(?m)^\r?xyz\r?$"),
    ("history", "\x1b[A\x1b[A\n", r"(?m)^\r?xzy\r?$"),
    ("no echo", "stty -echo; read a; stty echo; echo got $a\n", r"echo got", False),
    ("of what is typed", "secret\n", r"(?<!secret\r\n)got secret"),
]


def run_serial(group, options):
    shell = Shell(group, options)
    for play_it in (paste_lines, paste_raw, flow_control):
        play_it(shell)
    for step in SERIAL:
        shell.step(*step)
    shell.finish()


# ---------------------------------------------------------------------------- boot-args

SCRIPT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
for word in "$0" "$@"; do echo "arg <$word>"; done
/bin/busybox env | while read -r line; do echo "env <$line>"; done
/bin/busybox grep MemTotal /proc/meminfo
/bin/busybox grep stack /proc/self/maps
/bin/busybox grep ttyS0 /proc/interrupts
/bin/busybox {end} -f
"""


class Images:
    """Initramfs files as people make them: cpio -o -H newc over a folder."""

    def __init__(self):
        self.dir = os.path.join(ROOT, LOGS, "boot-args")
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(os.path.join(self.dir, "root/bin"))
        os.makedirs(os.path.join(self.dir, "root/proc"))
        busybox = next(b for b in ("/usr/bin/busybox", "/bin/busybox") if os.path.exists(b))
        shutil.copy(busybox, os.path.join(self.dir, "root/bin/busybox"))
        self.packer = ["cpio"] if shutil.which("cpio") else [busybox, "cpio"]
        for name, end in (("init", "poweroff"), ("other", "poweroff"), ("again", "reboot"), ("stop", "halt")):
            self.script("root", name, SCRIPT.format(end=end))
        self.script("root", "fail", "#!/bin/busybox sh\nexit 1\n")
        os.makedirs(os.path.join(self.dir, "more"))
        self.script("more", "init", "#!/bin/busybox sh\necho second archive\n/bin/busybox poweroff -f\n")

    def script(self, tree, name, text):
        path = os.path.join(self.dir, tree, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o755)

    def pack(self, tree):
        root = os.path.join(self.dir, tree)
        names = subprocess.run(["find", "."], cwd=root, check=True, stdout=subprocess.PIPE).stdout
        return subprocess.run([*self.packer, "-o", "-H", "newc"], cwd=root, input=names, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def write(self, name, data):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def make(self):
        """name: path"""
        plain = self.pack("root")
        made = {"plain": plain, "cut": plain[:len(plain) // 2], "double": plain + b"\0" * 512 + self.pack("more"),
                "junk": b"not an archive" * 100}
        for kind, command in (("gzip", ["gzip", "-1"]), ("xz", ["xz", "-0"]), ("zstd", ["zstd", "-1"])):
            if shutil.which(command[0]):
                made[kind] = subprocess.run(command, input=plain, check=True, stdout=subprocess.PIPE).stdout
        with open(os.path.join(self.dir, "root/large"), "wb") as f:
            f.write(b"x" * (40 << 20))
        made["large"] = self.pack("root")
        return {name: self.write(name + ".cpio", data) for name, data in made.items()}


NO_INIT = r"Kernel panic - not syncing: No working init found"
DIED = r"Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"
NOT_TEST = "octavo.test=0 "  # as for a user: a panic does what panic= says

# name, command line, expected end, what the log has, what it has not, other variables
BOOT_ARGS = [
    ("plain", "", PASS_STATUS, [r"^arg </init>", r"^env <HOME=/>", r"^env <TERM=linux>", r"IO-APIC +4-edge +ttyS0"],
     [r"^arg <.*octavo"], {}),
    ("noapic", "noapic", PASS_STATUS, [r"^arg </init>", r"XT-PIC +ttyS0"], [r"ioapic: \d+ pins", r"arg <noapic"], {}),
    ("rdinit", "rdinit=/other", PASS_STATUS, [r"^arg </other>"], [], {}),
    ("init", "rdinit=/absent init=/other", PASS_STATUS, [r"/absent is not there", r"^arg </other>"], [], {}),
    ("init-fails", "rdinit=/absent init=/proc", FAIL_STATUS, [r"Requested init /proc failed"], [], {}),
    ("words", "first name=value dotted.word=1 TERM=vt100 quoted=\"a b\" -- rest=1 last", PASS_STATUS,
     [r"^arg <first>", r"^arg <rest=1>\n.*^arg <last>".replace(".*", ""), r"^env <name=value>", r"^env <TERM=vt100>",
      r"^env <quoted=a b>"],
     [r"<dotted", r"TERM=linux", r"^env <rest", r"<name=value>\n(.*\n)*arg", r"arg <console"], {}),
    ("quiet", "quiet", PASS_STATUS, [r"^arg </init>"], [r"Octavo version", r"Run /init"], {}),
    ("loglevel-6", "loglevel=6", PASS_STATUS, [r"Octavo version"], [r"Command line"], {}),
    ("loglevel-7", "loglevel=7", PASS_STATUS, [r"Octavo version", r"Command line", r"Run /init"], [], {}),
    ("randmaps", "", PASS_STATUS, [r"\[stack\]"], [r"-7ffffffff000 rw-p", r"arg <norandmaps"], {}),
    ("norandmaps", "norandmaps", PASS_STATUS, [r"-7ffffffff000 rw-p.*\[stack\]"], [r"arg <norandmaps"], {}),
    ("mem", "mem=128M", PASS_STATUS, [r"MemTotal: +1(2\d|30)\d{3} kB"], [], {}),
    ("mem-huge", "", PASS_STATUS, [r"RAM above 128 GiB is not used", r"MemTotal: +13\d{7} kB"], [],
     {"MEM": "160G", "MACHINE": "pc,memory-backend=all",
      "QEMU_ARGS": "-object memory-backend-ram,id=all,size=160G,reserve=off"}),
    ("mem-large", "mem=100G", PASS_STATUS, [r"MemTotal: +51\d{4} kB"], [], {}),
    ("disk", "ramdisk_size=65536", PASS_STATUS, [r"MemTotal: +45\d{4} kB", r"ramdisk: 1 of 65536 kB, 0 us a page, 0 of 1000"],
     [r"<ramdisk"], {}),
    ("disks", "ramdisk_size=4096 ramdisk.count=3 ramdisk.delay_us=7 ramdisk.error_rate=20", PASS_STATUS,
     [r"MemTotal: +50\d{4} kB", r"ramdisk: 3 of 4096 kB, 7 us a page, 20 of 1000"], [], {}),
    ("disk-large", "ramdisk_size=520000", PASS_STATUS, [r"MemTotal: +51\d{4} kB", r"ramdisk: no room for 1 of 520000 kB"], [], {}),
    ("disk-bad", "ramdisk_size=12x ramdisk.count=17 ramdisk.delay_us=-1 ramdisk.error_rate=1001", PASS_STATUS,
     [r"MemTotal: +51\d{4} kB", r"ramdisk_size=12x is not a number from 0 to \d+: ignored", r"count=17 is not",
      r"delay_us=-1 is not", r"error_rate=1001 is not"], [], {}),
    ("disk-huge", "ramdisk_size=67108864 ramdisk.count=16", PASS_STATUS, [r"ramdisk: no room for 16 of 67108864 kB"], [], {}),
    ("disk-above-mem", "mem=128M ramdisk_size=262144", PASS_STATUS, [r"MemTotal: +1(2\d|30)\d{3} kB", r"ramdisk: 1 of 262144"], [], {}),
    ("long-line", "x" * 2100, PASS_STATUS, [r"command line is longer than \d+ bytes and was cut"], [], {}),
    ("no-initrd", "", FAIL_STATUS, [r"No initramfs arrived", NO_INIT], [], {"INITRD": "none"}),
    ("cut", "", FAIL_STATUS, [r"initramfs: the archive is cut off", r"not unpacked completely"], [], {"INITRD": "cut"}),
    ("junk", "", FAIL_STATUS, [r"initramfs: no cpio header at offset 0", NO_INIT], [], {"INITRD": "junk"}),
    ("gzip", "", FAIL_STATUS, [r"compressed initramfs \(gzip\) is not supported", NO_INIT], [], {"INITRD": "gzip"}),
    ("xz", "", FAIL_STATUS, [r"compressed initramfs \(xz\) is not supported"], [], {"INITRD": "xz"}),
    ("zstd", "", FAIL_STATUS, [r"compressed initramfs \(zstd\) is not supported"], [], {"INITRD": "zstd"}),
    ("double", "", PASS_STATUS, [r"^second archive"], [], {"INITRD": "double"}),
    ("too-big", "", FAIL_STATUS, [r"initramfs: no room for .*large"], [], {"INITRD": "large", "MEM": "64"}),
    ("init-exits", "rdinit=/fail", FAIL_STATUS, [DIED, r"end Kernel panic"], [], {}),
    ("panic-1", NOT_TEST + "panic=1 rdinit=/fail", ENDED, [DIED, r"Rebooting in 1 seconds\.\."], [],
     {"ICOUNT": "0"}),
    ("panic-minus-1", NOT_TEST + "panic=-1 rdinit=/fail", ENDED, [DIED], [r"Rebooting in"], {}),
    ("panic-0", NOT_TEST + "panic=0 rdinit=/fail", HALTED, [DIED], [r"Rebooting in"], {}),
    ("restart", "rdinit=/again", ENDED, [r"^arg </again>", r"reboot: Restarting system"], [], {}),
    ("power-off", NOT_TEST, ENDED, [r"^arg </init>", r"reboot: Power down"], [], {}),
    ("power-off-q35", NOT_TEST, ENDED, [r"^arg </init>"], [r"safe to switch off"], {"MACHINE": "q35"}),
    ("restart-q35", "rdinit=/again", ENDED, [r"^arg </again>"], [], {"MACHINE": "q35"}),
    ("halt", "rdinit=/stop", HALTED, [r"^arg </stop>", r"reboot: System halted"], [], {}),
]


def run_boot_args(group, options):
    images = Images().make()
    for name, words, wanted, has, has_not, variables in BOOT_ARGS:
        variables = dict(variables)
        initrd = variables.setdefault("INITRD", "plain")
        if initrd not in images and initrd != "none":
            group.results.skipped.append((f"{group.name}: {name}", f"no {initrd} on this host"))
            continue
        variables["INITRD"] = images.get(initrd, initrd)
        play(group, options, name, wanted, has, has_not, QUIET if wanted == HALTED else SILENCE,
             APPEND=words, **variables)
