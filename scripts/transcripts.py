#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The transcripts in README.md and docs/*.md are what the machine says.

    scripts/transcripts.py [--write] [FILE.md ...]

A fenced block whose language is `octavo` is a piece of a session:

    ```octavo MEM=64 SWAP=256
    / # free -m
                  total  ...

One whose language is `gdb` is the same in gdb, on the debug build, with the prompt "(gdb) "
(scripts/testgdb.py --write; the group gdb compares those).

With variables (those of scripts/qemu) it begins a new machine, without any it goes on in the last one.
Lines that begin with the prompt are typed, the lines below are what must come back. A plain run
compares, --write puts what came in place of what stood there. Numbers, addresses and times differ from
run to run: what is compared is which kinds of lines come (numbers as #, spaces as one), not how many of
each and in which order. A line "..." stands for any lines that are left out, and stays where it is only
if the block is unchanged: a block with one is not rewritten while it still fits.
"""

import argparse
import glob
import os
import re
import shlex
import sys
import time

from harness import LOGS, ROOT, Process, Results

PROMPT = "/ # "
FENCE = "```octavo"
# what the shell prints when it waits for a command, with the cursor's position asked for
WAITING = re.compile(r"(?:^|[\r\n])(/ # )\x1b\[6n$")
SILENCE = 100


class Machine:
    """One boot to the prompt."""

    name, count = "transcripts", 0

    def __init__(self, variables):
        Machine.count += 1
        words = "rdinit=/init " + variables.pop("APPEND", "")
        os.makedirs(os.path.join(ROOT, LOGS), exist_ok=True)
        log = os.path.join(ROOT, LOGS, f"{Machine.name}.{Machine.count}.log")
        self.process = Process(["scripts/qemu", "test"], {"SEED": "1", **variables, "APPEND": words}, log)
        self.wait()
        self.type("stty cols 300")  # or the shell would break long lines

    def wait(self):
        """What came before the next prompt."""
        text = self.process.tail
        end = time.monotonic() + 20 * SILENCE
        while True:
            found = WAITING.search(self.process.tail)
            if found:
                text = self.process.tail[:found.start(1)]
                self.process.tail = ""
                return Results.NOISE.sub("", text)
            if not self.process.pump(SILENCE, end):
                raise RuntimeError(f"no prompt came: see {self.process.log.name}")

    def type(self, command):
        self.process.send(command + "\n")
        lines = self.wait().rstrip("\n").split("\n")
        return lines[1:]  # without the echo

    def stop(self):
        self.process.stop()


def blocks(lines, fence=FENCE):
    """(index of the first line inside, index of the closing fence, variables) of each block."""
    inside = None
    for i, line in enumerate(lines):
        if inside is None and (line == fence or line.startswith(fence + " ")):
            inside = i + 1, dict(word.split("=", 1) for word in shlex.split(line[len(fence):]))
        elif inside is not None and line == "```":
            yield inside[0], i, inside[1]
            inside = None


def pieces(lines, prompt=PROMPT):
    """[command, output lines] of a block."""
    result = []
    for line in lines:
        if line.startswith(prompt):
            result.append((line[len(prompt):], []))
        elif result:
            result[-1][1].append(line)
    return result


def kind(line):
    line = re.sub(r"\b0x[0-9a-f]+", "#", line)
    if re.fullmatch(r"[.TSkvafsKR ]{64,}", line):
        return "FRAMES"  # of /proc/octavo/frames
    line = re.sub(r"[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+", "FUNCTION", line.strip())
    line = re.sub(r"\b0x[0-9a-f]+|\b[0-9a-f-]{8,}\b|-?\b\d+(\.\d+)?", "#", line)
    line = re.sub(r"(#\*#kB)( \([A-Z]+\))?", "BLOCKS", line)  # of free memory, by migrate type
    line = re.sub(r"(?<![A-Za-z])#[kKMG]?(?![A-Za-z])", "#", line)
    return re.sub(r"[\s-]+", " ", re.sub(r"\[ +", "[", line))


def differences(old, new):
    """What the text lacks or has too much of; a text with "..." may lack anything."""
    said, came = {kind(x) for x in old}, {kind(x) for x in new}
    problems = [f"no line like: {x}" for x in sorted(said - came) if x != "..."]
    if "..." not in said:
        problems += [f"a line more: {x}" for x in sorted(came - said)]
    return problems


def run_file(path, write, report, fence=FENCE, prompt=PROMPT, machine_of=Machine):
    """Tells report(name, problems) of each command; the file is rewritten if wanted."""
    with open(path) as f:
        lines = f.read().split("\n")
    machine, result, done = None, [], 0
    for first, last, variables in blocks(lines, fence):
        if variables or not machine:
            if machine:
                machine.stop()
            machine = machine_of(variables)
        result += lines[done:first]
        for command, old in pieces(lines[first:last], prompt):
            new = machine.type(command)
            problems = differences(old, new)
            report(f"{os.path.basename(path)}: {command.replace('#', 'number')}", problems)
            result += [prompt + command] + (old if "..." in old and not problems else new)
        done = last
    if machine:
        machine.stop()
    result += lines[done:]
    if write and result != lines:
        with open(path, "w") as f:
            f.write("\n".join(result))


def documents():
    found = [os.path.join(ROOT, "README.md"), *glob.glob(os.path.join(ROOT, "docs", "*.md"))]
    return sorted(path for path in found if FENCE in open(path).read())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="put what came into the files")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    wrong = []

    def report(name, problems):
        report.count += 1
        wrong.extend(problems)
        for problem in problems:
            print(f"# {problem}")
        print(f"{'not ok' if problems else 'ok'} {report.count} {name}", flush=True)

    report.count = 0
    for path in args.files or documents():
        run_file(path, args.write, report)
    print(f"1..{report.count}")
    return bool(wrong and not args.write)


if __name__ == "__main__":
    sys.exit(main())
