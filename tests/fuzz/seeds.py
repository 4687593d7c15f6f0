#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write inputs that the fuzzers of tests/fuzz start from: seeds.py memmap|cpio DIR."""

import os
import struct
import sys

RAM, RESERVED, ACPI = 1, 2, 3
PC = [(0, 0x9fc00, RAM), (0x9fc00, 0x400, RESERVED), (0xf0000, 0x10000, RESERVED),
      (0x100000, 0x1ff00000, RAM), (0x1ffe0000, 0x20000, ACPI), (0xfffc0000, 0x40000, RESERVED)]
# unsorted, overlapping, empty, beyond the end
ODD = [(0x100000, 0x3000001, RAM), (0x200800, 0x10, RESERVED), (0x0, 0xa0000, RAM), (0x4000, 0, 20),
       (0x180000, 0x3000000, RAM), (0xfd00000000, 0x300000000, RESERVED), (1 << 63, 1 << 63, RAM),
       ((1 << 64) - 4096, 8192, RESERVED), ((1 << 64) - 1, (1 << 64) - 1, RAM)]


def tag(kind, body):
    data = struct.pack("<II", kind, 8 + len(body)) + body
    return data + bytes(-len(data) % 8)


def entries(regions):
    return b"".join(struct.pack("<QQII", base, size, kind, 0) for base, size, kind in regions)


def multiboot2(regions):
    tags = (tag(1, b"console=ttyS0 quiet\0") + tag(2, b"GRUB 2.06\0") +
            tag(3, struct.pack("<II", 0x1000000, 0x1100000) + b"initramfs\0") +
            tag(6, struct.pack("<II", 24, 0) + entries(regions)) +
            tag(8, struct.pack("<QIIIBBH", 0xb8000, 160, 80, 25, 16, 2, 0)) +
            tag(14, b"RSD PTR " + bytes(12)) + tag(15, b"RSD PTR " + bytes(28)) + tag(0, b""))
    return b"\0" + struct.pack("<II", 8 + len(tags), 0) + tags


def pvh(regions):
    base = 0x10000  # where the fuzzer puts it
    header = 56
    module = struct.pack("<QQQQ", 0x1000000, 0x100000, 0, 0)
    line = b"console=ttyS0 rdinit=/init\0"
    info = struct.pack("<IIIIQQQQII", 0x336ec578, 1, 0, 1, base + header, base + header + 32, 0xf0000,
                       base + header + 64, len(regions), 0)
    return b"\1" + info + module + line.ljust(32, b"\0") + entries(regions)


def cpio(files):
    out = b""
    for number, (name, mode, links, data) in enumerate(files + [("TRAILER!!!", 0, 1, b"")]):
        words = [number if links < 2 else 77, mode, 0, 0, links, 1700000000, len(data), 0, 0, 5, 1, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % w for w in words) + name.encode() + b"\0"
        head += bytes(-len(head) % 4)
        out += head + data + bytes(-len(data) % 4)
    return out


FILES = [("dir", 0o40755, 2, b""), ("dir/file", 0o100644, 1, b"hello\n"), ("dir/link", 0o120777, 1, b"file"),
         ("dev", 0o20600, 1, b""), ("a", 0o100644, 2, b""), ("b", 0o100644, 2, b"shared"), ("fifo", 0o10600, 1, b""),
         ("dir", 0o100600, 1, b"in the way")]

SEEDS = {
    "memmap": [multiboot2(PC), multiboot2(ODD), pvh(PC), pvh(ODD)],
    "cpio": [b"\0" + cpio(FILES), b"\7" + cpio(FILES[:3]), b"\0" + cpio(FILES[:2]) + bytes(512) + cpio(FILES[4:]),
             b"\0\x1f\x8b\x08", b"\0" + b"070707" + bytes(120)],
}


def main():
    which, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for number, data in enumerate(SEEDS[which]):
        with open(os.path.join(folder, f"seed-{number}"), "wb") as f:
            f.write(data)


main()
