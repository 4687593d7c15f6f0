#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that need no boot: format, layering, size budgets, house rules. Prints TAP.

    check.py [NAME...]     driver format layers sizes headers syscalls proc docs timeline mutants
"""

import os
import re
import shutil
import subprocess
import sys

import deps

ROOT = deps.ROOT
# Formatting differs between releases; this is the one the tree is formatted with.
CLANG_FORMAT_MAJOR = "14"
# Lines of code: neither blank nor only comment. The rest was meant to stay within 25,000; the screen
# and the keyboard, System V memory, capabilities, all that programs read under /proc, and several
# processors are the rest. mm was meant to stay within 12,000: swap, its policies, migration, compaction and
# the trace are the rest.
BUDGETS = [("mm", ["mm"], 13900), ("rest of the kernel", ["boot", "kernel", "fs", "drivers"], 31500)]


def c_files():
    files = [p for p in deps.sources() if not p.endswith(".S")]
    for tests in ("tests/host", "tests/fuzz", "tests/bench"):
        for folder, _, names in os.walk(os.path.join(ROOT, tests)):
            files += [os.path.relpath(os.path.join(folder, n), ROOT) for n in names if n.endswith((".c", ".h"))]
    return sorted(set(files))


def clang_format():
    for name in (f"clang-format-{CLANG_FORMAT_MAJOR}", "clang-format"):
        path = shutil.which(name)
        if path:
            out = subprocess.run([path, "--version"], stdout=subprocess.PIPE).stdout.decode()
            found = re.search(r"version (\d+)", out)
            if found and found[1] == CLANG_FORMAT_MAJOR:
                return path
    return None


def check_format():
    tool = clang_format()
    if not tool:
        return None, f"clang-format {CLANG_FORMAT_MAJOR} is not installed"
    files = c_files()
    bad = []
    for start in range(0, len(files), 50):
        out = subprocess.run([tool, "--dry-run", "--ferror-limit=1"] + files[start:start + 50],
                             cwd=ROOT, stderr=subprocess.PIPE).stderr.decode()
        bad += re.findall(r"^(\S+?:\d+):\d+: ", out, re.M)
    return [f"{where}: not as .clang-format says (make format)" for where in bad], None


def check_layers():
    return list(deps.violations()), None


def lines_below(tops):
    total = 0
    for top in tops:
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                if name.endswith((".c", ".h", ".S")):
                    with open(os.path.join(folder, name), errors="replace") as f:
                        text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), f.read(), flags=re.S)
                    total += sum(1 for line in text.split("\n") if line.strip())
    return total


def check_sizes():
    problems = []
    for name, tops, budget in BUDGETS:
        lines = lines_below(tops)
        print(f"# {name}: {lines} of {budget} lines")
        if lines > budget:
            problems.append(f"{name}: {lines} lines, the budget is {budget}")
    return problems, None


def check_headers():
    """Licence line first; kernel sources open with what they are about."""
    problems = []
    for path in c_files():
        with open(os.path.join(ROOT, path), errors="replace") as f:
            text = f.read(4096)
        if not text.startswith("/* SPDX-License-Identifier: MIT */\n"):
            problems.append(f"{path}:1: the first line must be the SPDX line")
        elif path.endswith(".c") and not text.split("\n", 1)[1].lstrip().startswith("/*"):
            problems.append(f"{path}:2: open with a comment: problem, idea, invariants, locking")
    return problems, None


def check_driver():
    """The test driver itself: what must be seen as a failure is."""
    import harness

    good = ["KTAP version 1", "1..1", "    1..2", "    ok 1 a", "    ok 2 b # SKIP too small", "ok 1 s",
            "# ktest: 1 passed, 0 failed, 1 skipped"]
    bad = {
        "a failed case": [good[0], good[1], good[2], "    not ok 1 a", *good[4:5], "not ok 1 s",
                          "# ktest: 0 passed, 1 failed, 1 skipped"],
        "a suite that fails by itself": good[:5] + ["not ok 1 s", good[6]],
        "a plan cut short": good[:3] + good[4:],
        "no plan": [good[0]] + good[2:],
        "no summary": good[:6],
        "a summary that lies": good[:6] + ["# ktest: 2 passed, 0 failed, 0 skipped"],
        "a crash in the middle": good[:4],
        "nothing at all": [],
        "a program that ended early": ["1..1", "ok 1 x.a", "not ok 0 t_y: ended early", "1..1", "ok 1 z.a",
                                       "# utest: 2 passed, 1 failed, 0 skipped"],
        "a lost result between programs": ["1..2", "ok 1 x.a", "1..1", "ok 1 z.a",
                                           "# utest: 2 passed, 0 failed, 0 skipped"],
    }

    def failing(lines):
        results = harness.Results()
        for line in lines:
            results.feed(line)
        results.finish(need_summary=True)
        return bool(results.failed or results.problems)

    problems = [f"scripts/harness.py: took {what} for a pass" for what, lines in bad.items()
                if not failing(lines)]
    if failing(good):
        problems.append("scripts/harness.py: took a pass for a failure")
    return problems, None


def user_tests():
    """The text of the user tests, without comments."""
    text = ""
    for folder, _, names in sorted(os.walk(os.path.join(ROOT, "tests/user"))):
        for name in sorted(names):
            if name.endswith((".c", ".def")):
                with open(os.path.join(folder, name)) as f:
                    text += re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    return text


def check_syscalls():
    """docs/syscalls.md names exactly the calls that the kernel has, and a user test calls each."""
    with open(os.path.join(ROOT, "kernel/syscall_list.h")) as f:
        calls = set(re.findall(r"^(?:S|OLD)\(\d+, (\w+)", f.read(), re.M))
    with open(os.path.join(ROOT, "docs/syscalls.md")) as f:
        rows = [line.split("|")[1] for line in f if line.startswith("| ") and not line.startswith("| call")]
    named = {name.strip() for row in rows for name in row.split(",")}
    tests = user_tests()
    untested = [n for n in sorted(calls) if not re.search(rf"\b{n}\(|\bSYS_{n}\b|^\t[EU]\(\S+ {n},", tests, re.M)]
    return [f"docs/syscalls.md: {name} is not in its tables" for name in sorted(calls - named)] + \
        [f"docs/syscalls.md: there is no call {name}" for name in sorted(named - calls)] + \
        [f"tests/user: no test calls {name}" for name in untested], None


def check_proc():
    """docs/proc.md has each file of the tables under fs/proc, and of /sys."""
    names = set()
    for path in c_files():
        if path.startswith(("fs/proc/", "fs/sysfs.c", "drivers/block/")):
            with open(os.path.join(ROOT, path)) as f:
                text = f.read()
            names |= set(re.findall(r'\b(?:PROC_\w+|\w*_ENTRY|\w*DIR|LINK|TEXT|OF_MM|SECRET)\("([\w-]+)"', text))
            names |= set(re.findall(r'\.name = "([\w-]+)", \.mode', text))
    with open(os.path.join(ROOT, "docs/proc.md")) as f:
        words = set(re.findall(r"[\w-]+", f.read()))
    # "and each _list"
    missing = {n for n in names if n not in words and re.sub("_list$", "", n) not in words}
    return [f"docs/proc.md: {name} is not in it" for name in sorted(missing)], None


# A function's or label's definition begins a line.
DEFINITION = re.compile(r"^(?:[A-Za-z_][\w \t*]*[ *])?(\w+)\([^;\n]*$|^#define (\w+)\(|^(\w+):|"
                        r"^\tTRAP_ENTRY (\w+),", re.M)


def check_docs():
    """What README.md and docs/*.md name as `folder/file.c` or `function()` is there; `f()` in `file` is in it."""
    defined = {}
    for path in deps.sources():
        with open(os.path.join(ROOT, path), errors="replace") as f:
            defined[path] = {name for found in DEFINITION.findall(f.read()) for name in found if name}
    known = {"malloc"}.union(*defined.values())
    with open(os.path.join(ROOT, "kernel/syscall_list.h")) as f:
        known |= set(re.findall(r"^(?:S|OLD)\(\d+, (\w+)", f.read(), re.M))
    problems = []
    texts = ["README.md"] + [f"docs/{n}" for n in sorted(os.listdir(os.path.join(ROOT, "docs"))) if n.endswith(".md")]
    for name in texts:
        with open(os.path.join(ROOT, name)) as f:
            text = re.sub(r"^```.*?^```", "", f.read(), flags=re.M | re.S)
        paths = re.findall(r"`(?!build/)([\w./-]+/[\w.-]+\.(?:[chS]|py|md))`", text)
        links = [os.path.join(os.path.dirname(name), p) for p in re.findall(r"\]\(([\w./-]+)\)", text)]
        problems += [f"{name}: there is no {p}" for p in paths + links if not os.path.exists(os.path.join(ROOT, p))]
        problems += [f"{name}: there is no {f}()" for f in re.findall(r"`(\w+)\(\)`", text) if f not in known]
        problems += [f"{name}: {f}() is not in {p}" for f, p in re.findall(r"`(\w+)\(\)`\s+in\s+`([\w./-]+)`", text)
                     if f not in defined.get(p, ())]
    return sorted(set(problems)), None


def check_timeline():
    """scripts/timeline draws what made-up traces say."""
    import testtimeline

    return testtimeline.problems(), None


def check_mutants():
    """Each patch of tests/mutants still applies."""
    done = subprocess.run([os.path.join(ROOT, "scripts/mutants"), "--check"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.stdout.decode().splitlines() if done.returncode else [], None


CHECKS = [("driver", check_driver), ("format", check_format), ("layers", check_layers), ("sizes", check_sizes),
          ("headers", check_headers), ("syscalls", check_syscalls), ("proc", check_proc),
          ("docs", check_docs), ("timeline", check_timeline), ("mutants", check_mutants)]


def main():
    chosen = [c for c in CHECKS if not sys.argv[1:] or c[0] in sys.argv[1:]]
    print(f"TAP version 13\n1..{len(chosen)}")
    failed = 0
    for number, (name, check) in enumerate(chosen, 1):
        problems, skip = check()
        for problem in problems or []:
            print(f"# {problem}")
        if skip:
            print(f"ok {number} check.{name} # SKIP {skip}")
        elif problems:
            failed += 1
            print(f"not ok {number} check.{name}")
        else:
            print(f"ok {number} check.{name}")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--format"]:
        sys.exit(subprocess.run([clang_format() or "clang-format", "-i"] + c_files(), cwd=ROOT).returncode)
    sys.exit(main())
