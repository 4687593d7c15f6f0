# SPDX-License-Identifier: MIT
"""gdb commands for Octavo.

    make debug                                   in one terminal
    gdb build/debug/octavo.elf -x scripts/gdb/octavo.py -ex 'target remote :1234'

    octavo-pgwalk ADDR    the page tables under ADDR, level by level, from CR3
    octavo-maps           the vmas of the address space that runs on this CPU (or of: octavo-maps MM)
    octavo-e820           the memory map as the loader gave it

gdb reads the kernel's own memory; page tables are read as physical memory through QEMU's monitor,
so the walk also works before the direct map is complete.
"""

import re

import gdb

LEVELS = [("pgd", 39), ("pud", 30), ("pmd", 21), ("pte", 12)]
FLAGS = [(0, "P"), (1, "W"), (2, "U"), (3, "PWT"), (4, "PCD"), (5, "A"), (6, "D"), (8, "G"), (63, "NX")]
ADDRESS = 0x000FFFFFFFFFF000
VM = [(0x1, "r"), (0x2, "w"), (0x4, "x")]


def monitor(command):
    return gdb.execute(f"monitor {command}", to_string=True)


def read_physical(paddr):
    found = re.search(r":\s*0x([0-9a-f]+)", monitor(f"xp /1gx {paddr:#x}"))
    if not found:
        raise gdb.GdbError(f"physical address {paddr:#x} cannot be read")
    return int(found[1], 16)


def cr3():
    found = re.search(r"CR3=([0-9a-f]+)", monitor("info registers"))
    if not found:
        raise gdb.GdbError("no CR3: is this QEMU?")
    return int(found[1], 16) & ADDRESS


def need_mapping(value):
    """Read it, so that whoever asks too early is told so."""
    try:
        value.fetch_lazy()
    except gdb.MemoryError:
        raise gdb.GdbError("the kernel has not mapped itself yet: break kernel_main, continue")
    return value


def evaluate(expression):
    try:
        return gdb.parse_and_eval(expression)
    except gdb.error as error:
        raise gdb.GdbError(str(error))


def per_cpu(variable):
    """Its address on the CPU that gdb looks at (`thread N`). In user mode GS is the program's."""
    bases = [int(gdb.parse_and_eval(f"(unsigned long){r}")) for r in ("$gs_base", "$k_gs_base")]
    base = next((b for b in bases if b >> 63), None)
    if base is None:
        raise gdb.GdbError("this CPU has not begun yet: break kernel_main, continue")
    return (base + int(gdb.parse_and_eval(f"(unsigned long)&{variable}"))) % 2**64


def flags_of(entry, leaf_level):
    names = [name for bit, name in FLAGS if entry >> bit & 1]
    if leaf_level:
        names.append("PS")
    return " ".join(names) or "-"


class PageWalk(gdb.Command):
    """octavo-pgwalk ADDR: the page-table entries that translate ADDR."""

    def __init__(self):
        super().__init__("octavo-pgwalk", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("octavo-pgwalk ADDR")
        addr = int(evaluate(f"(unsigned long)({argument})"))
        table = cr3()
        print(f"cr3  {table:#018x}")
        for name, shift in LEVELS:
            index = addr >> shift & 511
            entry = read_physical(table + 8 * index)
            large = name in ("pud", "pmd") and bool(entry >> 7 & 1)
            print(f"{name}[{index:3}] {entry:#018x}  {flags_of(entry, large)}")
            if not entry & 1:
                print("not present")
                return
            if large or name == "pte":
                mask = (1 << shift) - 1
                print(f"-> physical {(entry & ADDRESS & ~mask) | (addr & mask):#x}, {1 << shift >> 10} KiB page")
                return
            table = entry & ADDRESS


def walk_rbtree(node):
    if node:
        yield from walk_rbtree(node["rb_left"])
        yield node
        yield from walk_rbtree(node["rb_right"])


def container(pointer, struct, member):
    outer = gdb.lookup_type(f"struct {struct}")
    offset = next(f.bitpos // 8 for f in outer.fields() if f.name == member)
    return gdb.Value(int(pointer) - offset).cast(outer.pointer())


class Maps(gdb.Command):
    """octavo-maps [MM]: the vmas of an address space; without MM, of the thread that runs on this CPU."""

    def __init__(self):
        super().__init__("octavo-maps", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if argument:
            mm = evaluate(argument)
        else:
            address = per_cpu("current_thread_ptr")
            thread = need_mapping(gdb.parse_and_eval(f"*(struct thread **){address:#x}"))
            mm = thread["mm"] if thread else 0  # 0: the boot CPU before there are threads
        if not mm:
            print("a kernel thread: no address space of its own (octavo-maps MM looks at another)")
            return
        for node in walk_rbtree(mm["vma_tree"]["rb_node"]):
            vma = container(node, "vm_area_struct", "mm_node")
            flags = int(vma["flags"])
            rights = "".join(c if flags & bit else "-" for bit, c in VM) + ("s" if flags & 8 else "p")
            what = ""
            if vma["file"]:
                name = container(vma["file"], "file", "mappable")["path"]["dentry"]["name"].string()
                what = f"  {name}, from page {int(vma['pgoff'])}"
            print(f"{int(vma['start']):012x}-{int(vma['end']):012x} {rights}  "
                  f"(struct vm_area_struct *){int(vma):#x}{what}")


class E820(gdb.Command):
    """octavo-e820: the memory map that the loader gave."""

    NAMES = {1: "RAM", 2: "reserved", 3: "ACPI", 4: "ACPI NVS", 5: "bad"}

    def __init__(self):
        super().__init__("octavo-e820", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        info = gdb.parse_and_eval("boot_info")
        need_mapping(info)
        for i in range(int(info["nr_regions"])):
            r = info["regions"][i]
            base, length, kind = int(r["base"]), int(r["len"]), int(r["type"])
            print(f"{base:#014x}-{base + length - 1:#014x} {length >> 10:10} KiB {self.NAMES.get(kind, kind)}")


PageWalk()
Maps()
E820()
