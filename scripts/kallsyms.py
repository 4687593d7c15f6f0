#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn `nm -n vmlinux` into an assembly file with the kernel's symbol table.

    kallsyms.py [NM-OUTPUT] > kallsyms.S

Only code symbols are listed: the table is linked behind all code, so the second link, which adds
it, moves none of the addresses in it. Without an argument the table is empty (first link).

    kallsyms_count     u32
    kallsyms_addrs     u32[count]   offsets from 0xffffffff80000000, ascending
    kallsyms_name_off  u32[count]   offsets into kallsyms_names
    kallsyms_names     NUL-terminated names
"""

import sys

KERNEL_BASE = 0xFFFFFFFF80000000


def read_symbols(path):
    seen = {}
    with open(path) as nm:
        for line in nm:
            fields = line.split()
            if len(fields) != 3 or fields[1] not in "tTwW":
                continue
            addr, name = int(fields[0], 16), fields[2]
            if addr < KERNEL_BASE or name.startswith((".L", "$")):
                continue
            if name in ("__text_start", "__text_end", "__kernel_start"):
                continue
            # one name an address: prefer the one without leading underscores
            if addr not in seen or seen[addr].startswith("_"):
                seen[addr] = name
    return sorted(seen.items())


def emit(symbols, out):
    def label(name):
        out.append(f"\t.balign 4\n\t.globl {name}\n\t.type {name}, @object\n{name}:")

    out.append('\t.section .kallsyms, "a"')
    label("kallsyms_count")
    out.append(f"\t.long {len(symbols)}")
    label("kallsyms_addrs")
    out.extend(f"\t.long {addr - KERNEL_BASE:#x}" for addr, _ in symbols)
    label("kallsyms_name_off")
    offset = 0
    for _, name in symbols:
        out.append(f"\t.long {offset}")
        offset += len(name) + 1
    label("kallsyms_names")
    out.extend(f'\t.asciz "{name}"' for _, name in symbols)
    out.append('\t.byte 0\n\t.section .note.GNU-stack, "", @progbits')


def main():
    out = []
    emit(read_symbols(sys.argv[1]) if len(sys.argv) > 1 else [], out)
    print("\n".join(out))


main()
