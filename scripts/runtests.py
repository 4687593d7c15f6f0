#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run Octavo's tests. One boot a group, so that a crash loses only its group.

A boot passes when all of these hold: QEMU ends with status 33 (written by the guest; a triple
fault ends with 0), every announced plan was kept, the summary line came and agrees with what was
counted, and no case failed. A group that prints nothing for two minutes is hung. Whatever goes
wrong, the group is named, the end of its log is shown, and the command that repeats it.
"""

import argparse
import concurrent.futures
import glob
import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SILENCE = 120  # seconds without output: hung
TAIL = 40  # log lines shown of a failed group
PASS_STATUS = 33
EXPLAIN = {
    0: "QEMU ended by itself: a triple fault, or a power-off without a result",
    35: "the guest reported failure",
    124: "stopped by the watchdog",
}


# ---------------------------------------------------------------------------- results


class Results:
    """Reads TAP and KTAP line by line and counts the leaves."""

    RESULT = re.compile(r"^( *)(ok|not ok) +(\d+)(?: +-)? *(.*?)\s*(?:# *SKIP\b *(.*))?$")
    PLAN = re.compile(r"^( *)1\.\.(\d+)\b")
    SUMMARY = re.compile(r"^ *# (ktest|utest): (\d+) passed, (\d+) failed, (\d+) skipped")
    # escape sequences and carriage returns come from the console
    NOISE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")

    def __init__(self):
        self.passed = []
        self.failed = []
        self.skipped = []
        self.problems = []
        self.summary = None
        self.levels = {}  # indent -> [planned or None, seen, failed]
        self.notes = []  # comments since the last result: why the next one fails
        self.why = {}  # failed case -> its notes

    def feed(self, line):
        line = self.NOISE.sub("", line.rstrip("\n"))
        summary = self.SUMMARY.match(line)
        if summary:
            self.summary = tuple(int(n) for n in summary.groups()[1:])
            return
        plan = self.PLAN.match(line)
        if plan:
            self.plan(len(plan[1]), int(plan[2]))
            return
        result = self.RESULT.match(line)
        if result:
            # number 0: a verdict outside of any plan, of a program that ended early
            self.result(len(result[1]), result[2] == "ok", result[4], result[5], result[3] != "0")
            self.notes = []
        elif line.lstrip().startswith("#"):
            self.notes.append(line.strip())

    def plan(self, indent, number):
        """A second plan at the same level: the next program's, so the first must be complete."""
        level = self.level(indent)
        if level[0] is not None and level[0] != level[1]:
            self.problems.append(f"{level[1]} of {level[0]} planned results")
        if level[0] is not None:
            level[1] = 0
        level[0] = number

    def level(self, indent):
        return self.levels.setdefault(indent, [None, 0, 0])

    def result(self, indent, ok, name, skip, planned):
        children_failed, had_children = self.close_below(indent, name)
        level = self.level(indent)
        level[1] += planned
        level[2] += not ok
        if not ok:
            self.why[name] = self.notes[-6:]
        if had_children:
            # a suite's own verdict counts only if its cases do not explain it
            if not ok and not children_failed:
                self.failed.append(name)
        elif not ok:
            self.failed.append(name)
        elif skip is not None:
            self.skipped.append((name, skip or "no reason given"))
        else:
            self.passed.append(name)

    def close_below(self, indent, name):
        failed, had = 0, False
        for deeper in sorted(i for i in self.levels if i > indent):
            planned, seen, bad = self.levels.pop(deeper)
            if seen:
                had = True
            failed += bad
            if planned is None and seen:
                self.problems.append(f"{name}: no plan")
            elif planned is not None and planned != seen:
                self.problems.append(f"{name}: {seen} of {planned} planned results")
        return failed, had

    def finish(self, need_summary):
        self.close_below(0, "cut off")
        planned, seen, _ = self.levels.get(0, [None, 0, 0])
        if planned is None:
            self.problems.append("no plan was printed")
        elif planned != seen:
            self.problems.append(f"{seen} of {planned} planned results")
        if need_summary:
            counted = (len(self.passed), len(self.failed), len(self.skipped))
            if self.summary is None:
                self.problems.append("no summary line")
            elif self.summary != counted:
                self.problems.append(f"the summary says {self.summary}, {counted} were counted")


# ---------------------------------------------------------------------------- processes


class Process:
    """A child whose output goes to a log and, by line, to a function."""

    def __init__(self, command, environment, log_path, on_line=None):
        self.log = open(log_path, "w", errors="replace")
        self.on_line = on_line or (lambda line: None)
        self.buffer = ""
        self.tail = ""  # what came since the last expect()
        self.hung = False
        self.child = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.child.stdout, selectors.EVENT_READ)
        with LOCK:
            RUNNING.add(self)

    def pump(self, silence, deadline):
        """One piece of output; False at the end or when it hangs."""
        timeout = min(silence, deadline - time.monotonic())
        if timeout <= 0 or not self.selector.select(timeout):
            self.hung = True
            return False
        data = os.read(self.child.stdout.fileno(), 65536)
        if not data:
            return False
        text = data.decode(errors="replace")
        self.log.write(text)
        self.log.flush()
        self.tail += text
        self.buffer += text
        *lines, self.buffer = self.buffer.split("\n")
        for line in lines:
            self.on_line(line)
        return True

    def expect(self, pattern, silence, deadline):
        """Wait until the output matches; drops it up to there."""
        while True:
            found = re.search(pattern, self.tail)
            if found:
                self.tail = self.tail[found.end():]
                return True
            if not self.pump(silence, deadline):
                return False

    def send(self, text):
        self.child.stdin.write(text.encode())
        self.child.stdin.flush()

    def end(self, silence, deadline):
        """Read to the end; the exit status."""
        while self.pump(silence, deadline):
            self.tail = ""
        return self.stop() if self.hung else self.reap(self.child.wait())

    def stop(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()
        return self.reap(124)

    def reap(self, status):
        if self.buffer:
            self.on_line(self.buffer)
            self.buffer = ""
        self.log.close()
        with LOCK:
            RUNNING.discard(self)
        return status


LOCK = threading.Lock()
RUNNING = set()


# ---------------------------------------------------------------------------- groups


class Group:
    def __init__(self, name, what, run, environment=None, builds=(), long_only=False):
        self.name = name
        self.what = what
        self.run = run
        self.environment = {**({"O": os.environ["O"]} if os.environ.get("O") else {}), **(environment or {})}
        self.builds = builds
        self.long_only = long_only
        self.results = Results()
        self.status = None
        self.log = os.path.join(ROOT, LOGS, name + ".log")
        self.command = []  # what repeats it

    def fail(self, why):
        self.results.problems.append(why)

    def start(self, command, environment=None, on_line=None):
        environment = {**self.environment, **(environment or {})}
        self.command = [f"{k}={shlex.quote(v)}" for k, v in environment.items()] + [shlex.join(command)]
        return Process(command, environment, self.log, on_line)

    def check_status(self, status, wanted, hung):
        self.status = status
        if hung:
            self.fail(f"no output for {SILENCE} s, or far too long in all: hung")
        elif status != wanted:
            self.fail(f"exit status {status}, not {wanted}" +
                      (f": {EXPLAIN[status]}" if status in EXPLAIN else ""))

    def bad(self):
        return bool(self.results.problems or self.results.failed)


def limit(options):
    return time.monotonic() + (7200 if options.long else 1800)


def run_tap(command, wanted=0):
    """A program on the host that prints TAP."""

    def run(group, options):
        process = group.start(command, on_line=group.results.feed)
        process.child.stdin.close()
        status = process.end(600, limit(options))
        if not group.results.failed:
            group.check_status(status, wanted, process.hung)
        group.results.finish(need_summary=False)

    return run


def ktest_words(options):
    words = ["ktest=" + (options.filter or "all"), f"ktest.seed={options.seed}"]
    if options.shuffle:
        words.append("ktest.shuffle=1")
    if options.repeat > 1:
        words.append(f"ktest.repeat={options.repeat}")
    if options.long:
        words.append("ktest.long=1")
    return " ".join(words)


def utest_words(options):
    words = ["rdinit=/tests/run"]
    if options.filter:
        words.append("utest=" + re.sub(r"\bt_", "", options.filter))
    if options.long:
        words.append("ktest.long=1")
    return " ".join(words)


def run_boot(words):
    """A boot that runs tests by itself and ends QEMU with its result."""

    def run(group, options):
        environment = {"APPEND": words(options) if words else "", "SEED": str(options.seed)}
        process = group.start(["scripts/qemu", "test"], environment, group.results.feed)
        process.child.stdin.close()
        status = process.end(SILENCE, limit(options))
        group.check_status(status, PASS_STATUS, process.hung)
        group.results.finish(need_summary=True)

    return run


# What a boot to the prompt types, what must come back (something that the echo of what was typed
# does not contain), and whether the prompt follows.
DIALOGUE = [
    ("arithmetic", "echo sum $((40 + 2))\n", r"sum 42\b", True),
    ("proc", "cat /proc/uptime | wc -w\n", r"(?m)^2\b", True),
    ("meminfo", "awk '/MemTotal/ { print \"total\", $3 }' /proc/meminfo\n", r"total kB\b", True),
    ("pipeline", "ls / | sort | head -n 1\n", r"(?m)^bin\b", True),
    ("sha256sum", "dd if=/dev/zero bs=4096 count=16 2>/dev/null | sha256sum\n",
     r"(?m)^de2f256064a0af797747c2b97505dc0b", True),
    ("status", "false || echo status $?\n", r"status 1\b", True),
    ("background job", "sleep 100000 & jobs; kill %1; echo killed $?\n", r"killed 0\b", True),
    ("foreground job", "sh -c 'echo re\"\"ady; exec cat'\n", r"(?m)^ready", False),
    ("terminal input", "meow\n", r"meow\s+meow\b", False),
    ("Ctrl-Z", "\x1a", r"Stopped", True),
    ("fg", "fg\n", r"exec cat", False),
    ("after fg", "purr\n", r"purr\s+purr\b", False),
    ("Ctrl-C", "\x03", r"\^C|\n", True),
    ("its status", "echo code $?\n", r"code 130\b", True),
]
PROMPT = r"(?:^|\n|\r)\S* ?[#$] (?:\x1b\[6n)?$"


def run_prompt(group, options):
    """Boot to the shell, use it as a person would, power off."""
    process = group.start(["scripts/qemu", "test"], {"SEED": str(options.seed)})
    deadline = limit(options)

    def step(name, ok):
        (group.results.passed if ok else group.results.failed).append(f"{group.name}: {name}")
        return ok

    alive = step("prompt", process.expect(PROMPT, SILENCE, deadline))
    for name, keys, answer, prompt in DIALOGUE:
        if not alive:
            break
        process.tail = ""
        process.send(keys)
        alive = step(name, process.expect(answer, SILENCE, deadline) and
                     (not prompt or process.expect(PROMPT, SILENCE, deadline)))
    if alive:
        process.send("poweroff\n")
        status = process.end(SILENCE, deadline)
        step("poweroff", status == PASS_STATUS)
        group.check_status(status, PASS_STATUS, process.hung)
    else:
        hung = process.hung
        group.check_status(process.stop() if hung else process.end(1, deadline), PASS_STATUS, hung)


def run_line(group, options):
    """Before there is a prompt: the kernel says its name and leaves."""
    lines = []
    environment = {} if "ISO" in group.environment else {"APPEND": "octavo.exit"}
    process = group.start(["scripts/qemu", "test"], environment, lines.append)
    process.child.stdin.close()
    status = process.end(SILENCE, limit(options))
    group.check_status(status, PASS_STATUS, process.hung)
    ok = any("Octavo" in line for line in lines)
    (group.results.passed if ok else group.results.failed).append(f"{group.name}: says its name")


def have(*patterns):
    return all(glob.glob(os.path.join(ROOT, p), recursive=True) for p in patterns)


def all_groups():
    groups = [Group("check", "format, layering, size budgets", run_tap(["python3", "scripts/check.py"]))]
    if have("tests/host/Makefile"):
        groups.append(Group("host", "mm code on the host, under sanitizers",
                            run_tap(["make", "-s", "-C", "tests/host", "test"])))
    if have("tests/kernel/**/*.c"):
        for name, mem, extra, slow in (
                ("kernel", "512", {}, False), ("kernel-16M", "16", {"INITRD": "none"}, False),
                ("kernel-6G", "6144", {}, False),
                ("kernel-normal", "128", {"MACHINE": "q35,max-ram-below-4g=64M"}, True)):
            groups.append(Group(
                name, f"in-kernel suites, {mem} MiB", run_boot(ktest_words),
                {"MEM": mem, "BUILD": "debug", **extra}, ["debug"], slow))
    if have("tests/user/run.c", "fs/*.c"):
        for name, mem in (("user", "512"), ("user-64M", "64"), ("user-16M", "16")):
            groups.append(Group(name, f"user suites, {mem} MiB", run_boot(utest_words),
                                {"MEM": mem, "BUILD": "debug"}, ["debug"]))
    boot = run_prompt if have("fs/*.c") else run_line
    for name, what, environment, builds in (
            ("boot", "release build to the prompt", {}, ["release"]),
            ("boot-16M", "the same in 16 MiB", {"MEM": "16"}, ["release"]),
            ("boot-64M", "the same in 64 MiB", {"MEM": "64"}, ["release"]),
            ("boot-6G", "the same in 6 GiB", {"MEM": "6144"}, ["release"]),
            ("boot-iso-pc", "the ISO under GRUB, i440fx", {"ISO": TEST_ISO, "MACHINE": "pc"}, ["iso"]),
            ("boot-iso-q35", "the ISO under GRUB, q35", {"ISO": TEST_ISO, "MACHINE": "q35"}, ["iso"])):
        groups.append(Group(name, what, boot, environment, builds))
    groups.append(Group("boot-clang", "the kernel as clang builds it", boot, {"O": CLANG}, ["clang"], True))
    return groups


# ---------------------------------------------------------------------------- the run


def build(kind):
    target = {"debug": ["BUILD=debug", "all"], "release": ["all"], "iso": ["iso"],
              "clang": ["CLANG=1", "all"]}[kind]
    if kind == "iso":
        # GRUB's command line is part of the image, so tests have one of their own
        target.append("ISO=" + TEST_ISO)
        target.append("APPEND=octavo.test" + ("" if have("fs/*.c") else " octavo.exit"))
    command = ["make", "--no-print-directory", "-j2", "O=" + (CLANG if kind == "clang" else OUT)] + target
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        print(f"build failed: {shlex.join(command)}")
        print("\n".join(done.stdout.decode(errors="replace").splitlines()[-TAIL:]))
    return done.returncode == 0


def run_group(group, options):
    started = time.monotonic()
    try:
        group.run(group, options)
    except Exception as error:  # a driver's own failure is a failure of the group
        group.fail(f"the driver failed: {error!r}")
    report(group, time.monotonic() - started, options)


def report(group, seconds, options):
    r = group.results
    counts = f"{len(r.passed)} passed, {len(r.failed)} failed"
    if r.skipped:
        counts += f", {len(r.skipped)} skipped"
    lines = [f"{'FAIL' if group.bad() else 'ok  '} {group.name:14} {counts} ({seconds:.1f} s)"]
    if options.verbose:
        lines += [f"       ok      {name}" for name in r.passed]
    for name, why in r.skipped:
        if options.verbose:
            lines.append(f"       skipped {name}: {why}")
    for name in r.failed:
        lines.append(f"       not ok  {name}")
        lines += [f"               {note}" for note in r.why.get(name, [])]
    for problem in r.problems:
        lines.append(f"       {problem}")
    if group.bad():
        lines.append(f"       the end of {os.path.relpath(group.log, ROOT)}:")
        try:
            with open(group.log, errors="replace") as f:
                lines += ["       | " + line.rstrip() for line in f.readlines()[-TAIL:]]
        except OSError:
            pass
        lines.append(f"       repeat: {' '.join(group.command)}")
    with LOCK:
        print("\n".join(lines), flush=True)


def skips(groups):
    """Each reason once, with how many cases it kept from running."""
    reasons = {}
    for group in groups:
        for _, why in group.results.skipped:
            reasons[why] = reasons.get(why, 0) + 1
    return [f"skipped {count}: {why}" for why, count in sorted(reasons.items())]


def choose(options):
    groups = all_groups()
    if options.group:
        known = {g.name for g in groups}
        for name in options.group:
            if name not in known:
                sys.exit(f"no group {name}; there are: {' '.join(sorted(known))}")
        return [g for g in groups if g.name in options.group]
    if options.filter:
        # user programs are called t_something
        name = "user" if options.filter.startswith("t_") else "kernel"
        return [g for g in groups if g.name == name]
    return [g for g in groups if options.long or not g.long_only]


def parse():
    parser = argparse.ArgumentParser(
        description="Run Octavo's tests.", epilog="Logs are left in build/test/.")
    parser.add_argument("--list", action="store_true", help="name the groups and end")
    parser.add_argument("--group", action="append", metavar="NAME", help="only this group (repeatable)")
    parser.add_argument("--filter", metavar="SUITE.CASE",
                        help="only these cases (* and comma lists allowed; t_… is a user program)")
    parser.add_argument("--seed", type=int, default=1, help="for random sequences and --shuffle (1)")
    parser.add_argument("--shuffle", action="store_true", help="kernel cases in an order by seed")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="kernel cases N times")
    parser.add_argument("--long", action="store_true", help="long random sequences, more machines")
    parser.add_argument("--jobs", type=int, default=2, help="groups at a time (2)")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every case")
    return parser.parse_args()


def main():
    options = parse()
    groups = choose(options)
    if options.list:
        for group in groups if options.group else all_groups():
            print(f"{group.name:14} {group.what}{' (--long)' if group.long_only else ''}")
        return 0
    if not groups:
        print("no such tests yet")
        return 1
    os.makedirs(os.path.join(ROOT, LOGS), exist_ok=True)
    for name in ("MEM", "SMP", "APPEND", "ISO", "MACHINE", "BUILD", "INITRD"):
        os.environ.pop(name, None)

    built = {kind: build(kind) for kind in ("debug", "release", "iso", "clang")
             if any(kind in g.builds for g in groups)}
    ready = []
    for group in groups:
        if all(built[b] for b in group.builds):
            ready.append(group)
        else:
            group.fail("its build failed")
            group.results.failed.append(f"{group.name}: build")
            print(f"FAIL {group.name:14} its build failed")

    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        list(pool.map(lambda group: run_group(group, options), ready))
    for line in skips(groups):
        print(line)

    passed = sum(len(g.results.passed) for g in groups)
    # a group that went wrong as a whole counts as one failure beside its cases
    failed = sum(len(g.results.failed) or bool(g.results.problems) for g in groups)
    skipped = sum(len(g.results.skipped) for g in groups)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


OUT = os.environ.get("O") or "build"
LOGS = os.path.join(OUT, "test")
CLANG = os.path.join(OUT, "clang")
TEST_ISO = os.path.join(LOGS, "octavo.iso")

if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        for process in list(RUNNING):
            process.stop()
        sys.exit("\ninterrupted")
