#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom.

    deps.py          print every include that breaks the layering; exit 1 if there is one

The layers (docs: DESIGN, "Layout"):

    kernel/lib, kernel/x86  <-  kernel/sched  <-  kernel/sync  <-  mm  <-  kernel, fs

drivers plug in through registered operations; the one header of theirs that mm and fs may see is
drivers/block/block.h. mm/internal.h is for mm alone. user sees only the system-call interface.
Nothing includes tests.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BLOCK = "drivers/block/block.h"
LEAF = ["kernel/lib/", "kernel/x86/", "boot/boot.h"]

# A file belongs to the first prefix that matches; it may include what starts with one of these.
LAYERS = [
    ("kernel/lib/", ["kernel/lib/", "kernel/x86/"]),
    ("kernel/x86/", LEAF),
    ("kernel/sched/", LEAF + ["kernel/sched/"]),
    ("kernel/sync/", LEAF + ["kernel/sched/", "kernel/sync/"]),
    ("mm/", LEAF + ["kernel/sched/", "kernel/sync/", "mm/", BLOCK]),
    ("fs/", LEAF + ["kernel/", "mm/", "fs/", BLOCK]),
    ("kernel/", LEAF + ["kernel/", "mm/", "fs/", "drivers/"]),
    ("drivers/", LEAF + ["kernel/", "mm/", "fs/", "drivers/"]),
    ("boot/", ["boot/", "kernel/lib/", "kernel/x86/"]),
    ("tests/kernel/", ["boot/", "kernel/", "mm/", "fs/", "drivers/", "tests/kernel/"]),
    ("user/", ["user/"]),
    ("tests/user/", ["tests/user/"]),
]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
OURS = ("boot/", "kernel/", "mm/", "fs/", "drivers/", "tests/", "user/")
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "limits.h"}


def sources():
    for top in ("boot", "kernel", "mm", "fs", "drivers", "tests/kernel", "user", "tests/user"):
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for name in sorted(files):
                if name.endswith((".c", ".h", ".S")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def layer_of(path):
    for prefix, allowed in LAYERS:
        if path.startswith(prefix):
            return prefix, allowed
    return None, []


def problem(path, kind, target):
    prefix, allowed = layer_of(path)
    user_space = prefix in ("user/", "tests/user/")
    if not target.startswith(OURS):
        if kind == '"':
            # quotes: a neighbour's header; kernel code names it from the root instead
            return None if user_space else f'"{target}": write <path/from/root.h>'
        if not user_space and target not in FREESTANDING:
            return f"<{target}> is not a header of the kernel"
        return None
    if target == "mm/internal.h" and not path.startswith(("mm/", "tests/")):
        return "mm/internal.h is for mm/*.c alone"
    if not any(target.startswith(a) for a in allowed):
        return f"{prefix} may not include {target}"
    return None


def includes(lines):
    """(number, match) of each include, but for those of host builds (#ifdef OCTAVO_HOST)."""
    conditions = []
    for number, line in enumerate(lines, 1):
        directive = re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b(.*)", line)
        if directive:
            if directive[1].startswith("if"):
                conditions.append("OCTAVO_HOST" in directive[2])
            elif directive[1] == "endif" and conditions:
                conditions.pop()
        match = INCLUDE.match(line)
        if match and not any(conditions):
            yield number, match


def violations():
    for path in sources():
        with open(os.path.join(ROOT, path), errors="replace") as f:
            for number, match in includes(f):
                what = problem(path, match[1], match[2])
                if what:
                    yield f"{path}:{number}: {what}"


if __name__ == "__main__":
    found = list(violations())
    print("\n".join(found) if found else "layering: ok")
    sys.exit(1 if found else 0)
