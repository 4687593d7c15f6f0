# SPDX-License-Identifier: MIT
"""What the test driver is made of: a reader of TAP, a child process that one can talk to, a group.

scripts/runtests.py has the list of groups and the run, scripts/testcases.py the cases that are played
on the host's side of the machine: deliberate crashes, boot parameters, the terminal.
"""

import os
import re
import select
import selectors
import shlex
import signal
import subprocess
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
OUT = os.environ.get("O") or "build"
LOGS = os.path.join(OUT, "test")
CLANG = os.path.join(OUT, "clang")
CROSS = os.path.join(OUT, "cross")
TEST_ISO = os.path.join(LOGS, "octavo.iso")


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
        with LOCK:  # whoever holds it knows all that runs
            self.child = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
            RUNNING.add(self)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.child.stdout, selectors.EVENT_READ)

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

    def expect_end(self, text, silence=SILENCE):
        """Wait until the output ends with it, and no more comes at once: a prompt."""
        while True:
            if self.tail.endswith(text):
                self.drain()
                if self.tail.endswith(text):
                    return True
            if not self.pump(silence, time.monotonic() + silence):
                return False

    def writable(self, fd, silence):
        """Room in the pipe; False if the guest takes nothing for so long."""
        end = time.monotonic() + silence
        while not select.select([], [fd], [], 0.05)[1]:
            if time.monotonic() > end:
                self.hung = True
                return False
            self.drain()
        self.drain()
        return True

    def drain(self):
        """Take what has come, without waiting."""
        while self.selector.select(0) and self.pump(0.1, time.monotonic() + 1):
            pass

    def send(self, text, silence=SILENCE):
        """Bytes or text. What comes back is read meanwhile, or both sides would wait."""
        data = text if isinstance(text, bytes) else text.encode()
        fd = self.child.stdin.fileno()
        for i in range(0, len(data), 512):
            if not self.writable(fd, silence):
                return
            os.write(fd, data[i:i + 512])

    def end(self, silence, deadline):
        """Read to the end; the exit status."""
        while self.pump(silence, deadline):
            self.tail = ""
        return self.stop() if self.hung else self.reap(self.child.wait())

    def kill(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def stop(self):
        self.kill()
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
        self.processes = []

    def fail(self, why):
        self.results.problems.append(why)

    def start(self, command, environment=None, on_line=None, case=None):
        """case: one of several processes of this group, with a log of its own."""
        environment = {**self.environment, **(environment or {})}
        log = os.path.join(ROOT, LOGS, self.name + (f".{case}" if case else "") + ".log")
        if not self.bad():  # what is shown at the end is what went wrong first
            self.log = log
            self.command = [f"{k}={shlex.quote(v)}" for k, v in environment.items()] + [shlex.join(command)]
        process = Process(command, environment, log, on_line)
        self.processes.append(process)
        return process

    def stop(self):
        """What still runs, and has nobody left who waits for it."""
        for process in self.processes:
            if process in RUNNING:
                process.on_line = lambda line: None
                process.stop()

    def verdict(self, case, problems):
        (self.results.failed if problems else self.results.passed).append(case)
        if problems:
            self.results.why[case] = problems

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
