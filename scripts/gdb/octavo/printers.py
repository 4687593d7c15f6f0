# SPDX-License-Identifier: MIT
"""Pretty-printers: what `print` shows of the kernel's types."""

import gdb
import gdb.printing

from . import names
from .core import Broken, Page, address_of, const, list_nodes, num, read_u64, tree_nodes


class Words:
    """A value that is best said in one line."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        try:
            return self.say()
        except (gdb.error, Broken) as error:
            return f"<{error}>"


class WithFields(Words):
    """The line, and the fields below it."""

    def children(self):
        address = gdb.lookup_type("void").pointer()
        for field in self.value.type.strip_typedefs().fields():
            if field.name:
                value = self.value[field.name]
                yield field.name, value.cast(address) if field.type.name in ("vaddr_t", "paddr_t") else value


class Pte(Words):
    def say(self):
        return names.pte(num(self.value))


class Upper(Words):
    def say(self):
        return names.table_entry(num(self.value), self.value.type.name.split("_")[0])


class Gfp(Words):
    def say(self):
        return f"{int(self.value):#x} {names.gfp(int(self.value))}"


class SwapEntry(Words):
    def say(self):
        area, slot = names.swap_entry(num(self.value))
        return f"area {area} slot {slot:#x}" if num(self.value) else "none"


class PagePrinter(WithFields):
    def say(self):
        from . import pages
        at, size = address_of(self.value), self.value.type.sizeof
        return pages.summary(Page((at - const("VMEMMAP_START")) // size)) + f" [{names.page_flags(num(self.value['flags']))}]"

    def children(self):
        return iter(())


class Vma(WithFields):
    def say(self):
        from . import tasks
        return f"{tasks.vma_line(self.value)} [{names.vm_flags(num(self.value['flags']))}]"


class Flags(Words):
    def say(self):
        return names.vm_flags(num(self.value))


class List(Words):
    def say(self):
        head = address_of(self.value)
        if read_u64(head) == 0:
            return "a list_head that was never used"
        nodes = []
        try:
            for node in list_nodes(head):
                nodes.append(node)
        except Broken as error:
            return f"broken after {len(nodes)} elements: {error}"
        shown = " ".join(f"{n:#x}" for n in nodes[:8]) + (" ..." if len(nodes) > 8 else "")
        return f"{len(nodes)} elements: {shown}" if nodes else "empty"


class Tree(Words):
    def say(self):
        count = 0
        try:
            for _ in tree_nodes(self.value):
                count += 1
        except Broken as error:
            return f"broken after {count} nodes: {error}"
        return f"a tree of {count} nodes, root {num(self.value['rb_node']):#x}" if count else "an empty tree"


class Atomic(Words):
    def say(self):
        return str(int(self.value[self.value.type.strip_typedefs().fields()[0]]))


BY_NAME = {"pte_t": Pte, "pmd_t": Upper, "pud_t": Upper, "pgd_t": Upper, "gfp_t": Gfp, "swp_entry_t": SwapEntry,
           "atomic_t": Atomic, "atomic_long_t": Atomic, "page": PagePrinter, "vm_area_struct": Vma, "list_head": List,
           "rb_root": Tree}


class Printers(gdb.printing.PrettyPrinter):
    def __init__(self):
        super().__init__("octavo")

    def __call__(self, value):
        kind = value.type.unqualified()
        while kind.code == gdb.TYPE_CODE_TYPEDEF and kind.name not in BY_NAME:
            kind = kind.target().unqualified()
        printer = BY_NAME.get(kind.name)
        if printer and (value.address is not None or printer not in (PagePrinter, List, Tree)):
            return printer(value)
        return None


def register(objfile):
    gdb.execute("set print symbol off")  # a per-CPU variable lies at address 0, and is not what NULL points to
    gdb.printing.register_pretty_printer(objfile, Printers(), replace=True)
