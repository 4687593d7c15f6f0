# SPDX-License-Identifier: MIT
"""Page tables: the entries that translate an address, level by level."""

import gdb

from . import names
from .core import Broken, Command, const, cr3, evaluate, num, read_physical, usage

LEVELS = (("pgd", "PGDIR_SHIFT"), ("pud", "PUD_SHIFT"), ("pmd", "PMD_SHIFT"), ("pte", "PAGE_SHIFT"))


class Entry:
    """One entry that was read: level, index, its own physical address, its value."""

    def __init__(self, level, shift, table, addr):
        self.level, self.shift = level, shift
        self.index = addr >> shift & (const("PTRS_PER_TABLE") - 1)
        self.where = table + 8 * self.index
        self.value = read_physical(self.where)

    @property
    def leaf(self):
        return self.level == "pte" or bool(self.value & const("_PAGE_PSE") and self.level in ("pud", "pmd"))

    @property
    def goes_on(self):
        return bool(self.value & const("_PAGE_PRESENT")) and not self.leaf

    def __str__(self):
        what = names.pte(self.value) if self.level == "pte" else names.table_entry(self.value, self.level)
        return f"{self.level}[{self.index:3}] at {self.where:#010x}  {self.value:#018x}  {what}"


def root_of(mm):
    """Physical address of an mm's root; without an mm, of the one that this CPU has loaded."""
    return num(mm["pgd"]) - const("PAGE_OFFSET") if mm is not None else cr3()


def walk(addr, root):
    """The entries from the root down to where the walk ends."""
    entries, table = [], root
    for level, shift in LEVELS:
        entry = Entry(level, const(shift), table, addr)
        entries.append(entry)
        if not entry.goes_on:
            break
        table = entry.value & const("PTE_PFN_MASK")
    return entries


def last_pte(entries):
    """The pte that the walk came to, 0 if a table on the way was missing; None: a larger leaf."""
    if entries[-1].level == "pte":
        return entries[-1].value
    return None if entries[-1].leaf and entries[-1].value & const("_PAGE_PRESENT") else 0


def physical(addr, entries):
    """(physical address, size of the mapping), or None."""
    end = entries[-1]
    if not end.value & const("_PAGE_PRESENT") or not end.leaf:
        return None
    size = 1 << end.shift
    return (end.value & const("PTE_PFN_MASK") & ~(size - 1)) | (addr & (size - 1)), size


def for_each_pte(root, lowest=0, slots=None):
    """(address, value) of each pte that is not none, in the user's half; and of the tables met:
    ("table", its pfn, its level)."""
    per = const("PTRS_PER_TABLE")
    page_size = const("PAGE_SIZE")

    def below(table, depth, base):
        level, shift = LEVELS[depth][0], const(LEVELS[depth][1])
        data = _table(table)
        for index in range(const("KERNEL_PGD_BOUNDARY") if depth == 0 else per):
            value = int.from_bytes(data[8 * index:8 * index + 8], "little")
            if not value:
                continue
            addr = base + (index << shift)
            if level == "pte" or value & const("_PAGE_PSE"):
                yield level, addr, value
            else:
                yield "table", addr, value
                yield from below(value & const("PTE_PFN_MASK"), depth + 1, addr)

    def _table(table):
        from .core import memory
        try:
            return memory(const("PAGE_OFFSET") + table, page_size)
        except gdb.MemoryError:
            raise Broken(f"a page table at physical {table:#x} cannot be read")

    yield from below(root, 0, 0)


class Walk(Command):
    """oct-walk ADDR [PID|NAME]: the page-table entries that translate ADDR, every bit named.

    Without a process: in the tables that this CPU has loaded (CR3). Works before the direct map is
    complete, too, by QEMU's monitor."""

    name = "oct-walk"

    def run(self, words):
        from . import tasks
        if not 1 <= len(words) <= 2:
            usage(self)
        addr = evaluate(words[0])
        mm = tasks.mm_of(words[1]) if len(words) > 1 else None
        root = root_of(mm)
        print(f"{addr:#x}, tables at {root:#x}" + (f" of {words[1]}" if mm is not None else " (CR3)"))
        entries = walk(addr, root)
        for entry in entries:
            print(f"  {entry}")
        found = physical(addr, entries)
        if found:
            print(f"  -> physical {found[0]:#x}, page of {found[1] >> 10} KiB")
        else:
            print("  -> not mapped")


def register():
    Walk()
