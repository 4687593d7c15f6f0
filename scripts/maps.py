#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The maps in docs/layout.md and docs/layout.svg are what the kernel's constants and page tables say.

    scripts/maps.py [--write]

A fenced block ```maps NAME is made here. `virtual`, `user` and `physical` come from the constants: the compiler
is asked for them, with the kernel's headers and flags (so `make` comes first). `tables` is what the
page tables of a machine at its prompt say, by QEMU's monitor (`info tlb`). A plain run compares, --write
puts what came in place of what stood there. docs/reading.md says how long its files are: that may be 10 %
off before it counts. In `tables` sizes are not compared, nor addresses that are
no constants: they change with every line of code.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile

from harness import ROOT
from transcripts import Machine

DOCUMENT = "docs/layout.md"
PICTURE = "docs/layout.svg"
READING = "docs/reading.md"

# The .c files are here for what they keep to themselves.
PROBE = """
#include <boot/boot.h>
#include <mm/layout.c>
#include <mm/section.c>
#define CONSTANT(x) __asm__ volatile("\\n@" #x " %0" : : "i"((unsigned long)(x)));
#define STRUCT_PAGE sizeof(struct page)
void probe(void);
void probe(void)
{
CONSTANTS
}
"""
NAMES = """TASK_SIZE PIE_BASE MMAP_GAP_MIN STACK_RND_PAGES MMAP_RND_PAGES BRK_RND_PAGES STACK_GUARD_GAP
PAGE_OFFSET VMALLOC_START VMALLOC_END VMEMMAP_START PAGE_OWNER_START KERNEL_BASE KERNEL_PGD_BOUNDARY
PGDIR_SHIFT BOOT_DIRECT_BASE BOOT_KERNEL_BASE ZONE_DMA_END_PFN ZONE_DMA32_END_PFN BOOT_ONLINE_END PAGE_SIZE
SECTION_SHIFT GRANULE_PAGES PAGEBLOCK_PAGES STRUCT_PAGE OWNER_REACH""".split()
SECTIONS = "text rodata data bss".split()


def build_dir():
    return os.path.join(ROOT, os.environ.get("O") or "build")


def constants():
    """Name -> value."""
    with open(os.path.join(build_dir(), "flags")) as f:
        flags = f.read().split()
    flags = flags[:flags.index("-D__OCTAVO__") + 1]
    probe = PROBE.replace("CONSTANTS", "\n".join(f"CONSTANT({name})" for name in NAMES))
    done = subprocess.run(flags + ["-x", "c", "-S", "-o", "-", "-"], cwd=ROOT, input=probe.encode(),
                          stdout=subprocess.PIPE)
    found = dict(re.findall(r"^\s*@(\w+) \$?(-?\d+)$", done.stdout.decode(), re.M))
    if done.returncode or len(found) != len(NAMES):
        sys.exit("maps: the compiler does not know these constants (see NAMES in scripts/maps.py)")
    return {name: int(value) % 2**64 for name, value in found.items()}


def symbols():
    """Where the linker put the image: name -> address."""
    out = subprocess.run(["nm", os.path.join(build_dir(), "octavo.elf")], stdout=subprocess.PIPE, check=True)
    return {name: int(value, 16) for value, name in re.findall(r"^(\w+) \w (__\w+)$", out.stdout.decode(), re.M)}


def size(n):
    for unit, name in ((50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB")):
        if n >= 1 << unit:
            return f"{n / (1 << unit):.4g} {name}"
    return f"{n / 1024:.4g} KiB"


def kernel_parts(c):
    """(start, end, name) upwards; nobody has what lies between."""
    return [(c["PAGE_OFFSET"], c["VMALLOC_START"], "direct map: all RAM, at PAGE_OFFSET + physical"),
            (c["VMALLOC_START"], c["VMALLOC_END"], "vmalloc, kernel stacks, device registers"),
            (c["VMEMMAP_START"], c["PAGE_OWNER_START"], "page array: a struct page for each frame"),
            (c["PAGE_OWNER_START"], c["VMEMMAP_START"] + (1 << c["PGDIR_SHIFT"]),
             "who asked for each page (debug builds)"),
            (c["KERNEL_BASE"], c["KERNEL_BASE"] + (1 << 30), "kernel image, linked from 1 MiB up")]


def slot(c, address):
    return address >> c["PGDIR_SHIFT"] & 511


def map_virtual(c):
    lines = [f"{'from':16} {'to':16} {'size':>9}  {'pgd slots':9}  what"]

    def row(start, end, what):
        slots = f"{slot(c, start)}" + (f"-{slot(c, end - 1)}" if slot(c, end - 1) > slot(c, start) else "")
        lines.append(f"{start:016x} {end - 1:016x} {size(end - start):>9}  {slots:9}  {what}")

    row(0, c["TASK_SIZE"], "user programs")
    row(c["TASK_SIZE"], 1 << 47, "never mapped: sysret must not meet a rip behind the end")
    lines.append(f"{'':38}{'':9}  not canonical: an access is #GP")
    last = -1 << 47 & 2**64 - 1
    for start, end, what in kernel_parts(c):
        if start > last:
            row(last, start, "-")
        row(start, end, what)
        last = end
    if last < 2**64:
        row(last, 2**64, "-")
    return lines


def map_user(c):
    page = c["PAGE_SIZE"]
    rows = [(c["TASK_SIZE"], "stack_top", "the stack begins here, downwards", c["STACK_RND_PAGES"] * page),
            (c["TASK_SIZE"] - c["MMAP_GAP_MIN"], "mmap_base", "mappings, each below the last; the stack's gap is"
             f" at least {size(c['MMAP_GAP_MIN'])}", c["MMAP_RND_PAGES"] * page),
            (c["PIE_BASE"] & -page, "pie_base", "a position-independent program", c["MMAP_RND_PAGES"] * page),
            (None, "brk", "behind the program, upwards", c["BRK_RND_PAGES"] * page)]
    return [f"{'address':12}  {'name':9}  {'random by':>9}  what"] + \
        [f"{f'{a:012x}' if a else '':12}  {name:9}  {size(by):>9}  {what}" for a, name, what, by in rows]


def map_physical(c):
    page = c["PAGE_SIZE"]
    dma, dma32 = c["ZONE_DMA_END_PFN"] * page, c["ZONE_DMA32_END_PFN"] * page
    lines = [f"{'from':>12} {'to':>12}  {'zone':6}"]
    for start, end, zone in ((0, dma, "DMA"), (dma, dma32, "DMA32"), (dma32, None, "NORMAL")):
        lines.append(f"{start:12x} {f'{end - 1:x}' if end else '':>12}  {zone:6}")
    lines += ["", f"{'unit':30} {'size':>8}  its struct pages"]
    for what, n in (("page", page), ("pageblock (migrate type)", c["PAGEBLOCK_PAGES"] * page),
                    ("granule (there or not)", c["GRANULE_PAGES"] * page),
                    ("section (written or not yet)", 1 << c["SECTION_SHIFT"]),
                    ("RAM written at boot", c["BOOT_ONLINE_END"]),
                    ("what page->owner can reach", c["OWNER_REACH"])):
        array = n // page * c["STRUCT_PAGE"]
        lines.append(f"{what:30} {size(n):>8}  {size(array) if array >= 1024 else f'{array} bytes'}")
    return lines


# ---- what the machine's own tables say ----

def leaves():
    """(virtual, physical, flags) of every leaf of the kernel's half, upwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "monitor")
        Machine.name = "maps"  # its log's
        machine = Machine({"MEM": "64", "APPEND": "quiet", "QEMU_ARGS": f"-monitor unix:{path},server=on,wait=off"})
        monitor = socket.socket(socket.AF_UNIX)
        monitor.connect(path)
        monitor.settimeout(60)
        text = b""
        monitor.sendall(b"info tlb\n")
        while text.count(b"(qemu)") < 2:
            text += monitor.recv(1 << 20)
        machine.stop()
    found = re.findall(r"^([0-9a-f]{16}): ([0-9a-f]{16}) (\S{9})\r?$", text.decode(), re.M)
    return sorted((int(va, 16), int(pa, 16), flags) for va, pa, flags in found if int(va, 16) >> 63)


def what_is(c, symbol, va):
    for start, end, what in kernel_parts(c):
        if start <= va < end:
            what = re.split("[:,]", what)[0]
            break
    else:
        return "?"
    if va >= c["KERNEL_BASE"]:
        return next(name for name in SECTIONS if va < symbol[f"__{name}_end"])
    if va < c["VMALLOC_START"]:
        pa = va - c["PAGE_OFFSET"] + c["KERNEL_BASE"]
        if symbol["__text_start"] <= pa < symbol["__rodata_end"]:
            return "direct map of text and rodata"
    return what


def map_tables(c):
    symbol = symbols()
    runs = []
    for va, pa, flags in leaves():
        nx, g, ps, _, _, cd, _, user, write = flags
        leaf = 1 << 21 if ps == "P" else c["PAGE_SIZE"]
        rights = "R" + ("W" if write == "W" else "-") + ("-" if nx == "X" else "X")
        rights += (" global" if g == "G" else "") + (" USER" if user == "U" else "")
        rights += " uncached" if cd == "C" else ""
        what = what_is(c, symbol, va)
        # Guard pages lie between vmalloc's areas.
        loose = c["VMALLOC_START"] <= va < c["PAGE_OWNER_START"]
        last = runs[-1] if runs else None
        if last and last[3] == (leaf, rights, what) and (loose or (last[1] == va and last[2] + va - last[0] == pa)):
            last[1] = va + leaf
        else:
            runs.append([va, va + leaf, pa, (leaf, rights, what)])
    lines = [f"{'from':16} {'to':16} {'physical':>9}  {'leaf':6} {'rights':20} what"]
    for start, end, pa, (leaf, rights, what) in runs:
        loose = c["VMALLOC_START"] <= start < c["PAGE_OWNER_START"]
        lines.append(f"{start:016x} {end - 1:016x} {'any' if loose else f'{pa:x}':>9}  {size(leaf):6} {rights:20} "
                     + what)
    return lines


# ---- the documents ----

LINES_A_MINUTE = 15


def reading(text):
    """docs/reading.md with files as long as they are, and which have changed much."""
    changed = []

    def row(match):
        with open(os.path.join(ROOT, match[1])) as f:
            lines = len(f.readlines())
        if abs(lines - int(match[2])) <= max(20, lines // 10):
            return match[0]
        changed.append(f"{match[1]} has {lines} lines")
        return f"| `{match[1]}` | {lines} | {round(lines / LINES_A_MINUTE)} |"

    return re.sub(r"^\| `([\w/.]+)` \| (\d+) \| \d+ \|", row, text, flags=re.M), changed


def kinds(c, lines):
    """What is compared of `tables`: each kind of line, once."""
    keep = {f"{value:016x}" for name, value in c.items() if value >> 63}
    return {re.sub(r"\b[0-9a-f]{16}\b", lambda m: m[0] if m[0] in keep else "#",
                   re.sub(r"(?<= )[0-9a-f]+(?=  )", "#", line)) for line in lines}


def picture(c):
    """Both spaces, bottom up and not to scale."""
    out = []

    def text(x, y, s, extra=""):
        s = s.replace("&", "&amp;").replace("<", "&lt;")
        out.append(f'<text x="{x}" y="{y}" {extra}>{s}</text>')

    def box(x, y, w, h, colour, label, low, note=""):
        out.append(f'<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{colour}" stroke="#333"/>')
        text(x + 10, y + h // 2 + 5, label)
        text(x - 8, y + h, low, 'text-anchor="end" class="a"')
        if note:
            text(x + w - 8, y + h // 2 + 5, note, 'text-anchor="end" class="a"')

    colours = ["#cfe2f3", "#d9ead3", "#fff2cc", "#eeeeee", "#f4cccc"]
    parts = kernel_parts(c)
    text(160, 28, "virtual", 'class="h"')
    y = 40
    for i in range(len(parts) - 1, -1, -1):
        start, end, what = parts[i]
        box(160, y, 460, 44, colours[i], what, f"{start:016x}", size(end - start))
        y += 44 if i and parts[i - 1][1] == start else 54
    direct = y - 54  # its upper edge
    box(160, y, 460, 30, "#bbbbbb", "not canonical", f"{1 << 47:016x}")
    box(160, y + 40, 460, 120, "#ffffff", "user programs", f"{0:016x}", size(1 << 47))
    for i, line in enumerate(("stack", "mappings", "heap", "program")):
        text(330, y + 65 + 28 * i, line, 'class="a"')
    y = bottom = y + 160
    page = c["PAGE_SIZE"]
    text(780, 28, "physical", 'class="h"')
    for start, height, zone, colour in ((0, 80, "DMA", "#eeeeee"),
                                        (c["ZONE_DMA_END_PFN"] * page, 110, "DMA32", "#e0e0ff"),
                                        (c["ZONE_DMA32_END_PFN"] * page, bottom - 230, "NORMAL", "#d0f0d0")):
        y -= height
        box(780, y, 200, height, colour, f"zone {zone}", f"{start:x}")
    out.append(f'<path d="M620 {direct} L780 {y} M620 {direct + 44} L780 {bottom}" '
               'stroke="#3d85c6" stroke-dasharray="4 3" fill="none"/>')
    return [f'<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="{bottom + 20}" '
            'font-family="sans-serif" font-size="14">',
            "<style>.a{font-family:monospace;font-size:12px;fill:#555}.h{font-size:18px}</style>",
            f'<rect width="1000" height="{bottom + 20}" fill="white"/>', *out, "</svg>"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="put what came into the files")
    args = parser.parse_args()
    c = constants()
    assert c["BOOT_DIRECT_BASE"] == c["PAGE_OFFSET"] and c["BOOT_KERNEL_BASE"] == c["KERNEL_BASE"]
    maps = {"virtual": map_virtual, "user": map_user, "physical": map_physical, "tables": map_tables}
    wrong = count = 0

    def report(name, old, new, same):
        nonlocal wrong, count
        count += 1
        problem = not same and not args.write
        wrong += problem
        if problem:
            print(f"# {name} is not up to date (make transcripts)")
            for line in new:
                if line not in old:
                    print(f"#   {line}")
        print(f"{'not ok' if problem else 'ok'} {count} maps: {name}", flush=True)

    with open(os.path.join(ROOT, DOCUMENT)) as f:
        document = f.read()

    def block(match):
        name, old = match[1], match[2].split("\n")[:-1]
        new = maps[name](c)
        same = kinds(c, old) == kinds(c, new) if name == "tables" else old == new
        report(f"{DOCUMENT}, {name}", old, new, same)
        return match[0] if same else f"```maps {name}\n" + "\n".join(new) + "\n```"

    result = re.sub(r"```maps (\w+)\n(.*?)```", block, document, flags=re.S)
    with open(os.path.join(ROOT, PICTURE)) as f:
        old = f.read().split("\n")[:-1]
    new = picture(c)
    report(PICTURE, old, new, old == new)
    with open(os.path.join(ROOT, READING)) as f:
        path, changed = reading(f.read())
    report(f"{READING}, lines", [], changed, not changed)
    print(f"1..{count}")
    if args.write:
        with open(os.path.join(ROOT, READING), "w") as f:
            f.write(path)
        with open(os.path.join(ROOT, DOCUMENT), "w") as f:
            f.write(result)
        with open(os.path.join(ROOT, PICTURE), "w") as f:
            f.write("\n".join(new) + "\n")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
