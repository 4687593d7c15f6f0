# SPDX-License-Identifier: MIT
"""gdb's commands for Octavo: docs/gdb.md shows each at work.

    core.py      reading the kernel: types, constants, lists, trees, per-CPU data, pages
    names.py     numbers as words: flags, error codes, page-table entries
    printers.py  pretty-printers
    tasks.py     processes, threads, address spaces: oct-ps, oct-vmas, oct-locks
    tables.py    page tables: oct-walk
    pages.py     frames: oct-page, oct-rmap, oct-buddy, oct-zones, oct-lru, oct-slabs, oct-swap
    fault.py     oct-fault: a page fault before and after
    frames.py    oct-bt: from the kernel into the program, of any thread
    check.py     oct-check: the structure checkers, from outside
    programs.py  a program's symbols, loaded when it is executed
    replay.py    backwards: oct-prev-fault, oct-back
    trace.py     oct-trace
    memory.py    oct-e820, oct-type

build/octavo.elf-gdb.py (autoload.py makes it) calls start() when gdb has read the kernel file.
Offsets come from DWARF, numbers of macros from the headers: nothing is written down twice. What is
read may be broken or in the middle of a change, so each walk is bounded and looks at what it reads.
"""

from . import core


def start(objfile, macros):
    core.start(objfile, macros)
    from . import check, fault, frames, memory, pages, printers, programs, replay, tables, tasks, trace
    printers.register(objfile)
    if core.register_once():
        for module in (tasks, tables, pages, fault, frames, check, programs, replay, trace, memory):
            module.register()
    programs.hook()
