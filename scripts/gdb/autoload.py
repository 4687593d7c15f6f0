#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes build/octavo.elf-gdb.py, which gdb loads with build/octavo.elf (its auto-load convention).

    autoload.py COMPILER [FLAG...] > build/octavo.elf-gdb.py

DWARF tells gdb of types, enums and variables, but not of macros. So the compiler is asked for the
numbers that the headers define, and they are written down for scripts/gdb/octavo: what a header says
today is what the commands know.
"""

import os
import re
import subprocess
import sys

HEADERS = ("mm/gfp.h", "mm/mm.h", "mm/vma.h", "mm/page.h", "mm/page_alloc.h", "mm/swapops.h", "mm/swap_internal.h",
           "mm/slab_internal.h", "mm/lru.h", "mm/fault.h", "kernel/x86/pte.h", "kernel/x86/trapframe.h",
           "kernel/x86/uaccess.h", "kernel/sched/sched.h", "kernel/task.h")
WANTED = re.compile(r"VM_|__GFP_|GFP_|_PAGE_|_PTE_|PF_ERR_|FAULT_FLAG_|PAGE_|PTE_|PMD_|PUD_|PGD|PTRS_|PG_|LRU_|SLOT_|SWP_|"
                    r"MAX_|NR_|SECTION_|GRANULE|VMEMMAP|VMALLOC|KERNEL_|THREAD_|TASK_SIZE|TRAP_|X86_|SLAB_|KSTACK|ZONE_|RWSEM_|"
                    r"TWORK_|PCP_|USER_|STACK_GUARD")


def number(text, known):
    """The value of a macro that is a number or a sum of such; else None."""
    text = re.sub(r"/\*.*?\*/", "", text)
    text = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", text)
    text = re.sub(r"\b(0)(\d+)\b", r"0o\2", text)
    text = re.sub(r"\b[A-Za-z_]\w*", lambda m: str(known.get(m[0], m[0])), text)
    if re.fullmatch(r"[0-9a-fxo()|&~<>+\-*/ \t]+", text):
        try:
            return int(eval(text.replace("/", "//"), {"__builtins__": {}}))
        except (SyntaxError, TypeError, NameError, ValueError, ZeroDivisionError):
            pass
    return None


def main():
    source = "".join(f"#include <{h}>\n" for h in HEADERS)
    done = subprocess.run(sys.argv[1:] + ["-E", "-dM", "-"], input=source.encode(), stdout=subprocess.PIPE, check=True)
    texts = dict(re.findall(r"^#define (\w+) (.+)$", done.stdout.decode(), re.M))
    known = {}
    for _ in range(6):  # macros of macros
        for name, text in texts.items():
            value = number(text, known) if name not in known else None
            if value is not None:
                known[name] = value
    chosen = {name: value & (1 << 64) - 1 for name, value in sorted(known.items()) if WANTED.match(name)}
    here = os.path.dirname(os.path.abspath(__file__))
    print("# Made by scripts/gdb/autoload.py. gdb loads this with the kernel: docs/gdb.md.")
    print("import sys\n\nimport gdb\n")
    print(f"sys.path[:0] = [] if {here!r} in sys.path else [{here!r}]")
    print("MACROS = {")
    for name, value in chosen.items():
        print(f"    {name!r}: {value:#x},")
    print("}\n")
    print("import octavo\n\noctavo.start(gdb.current_objfile(), MACROS)")


main()
