# SPDX-License-Identifier: MIT
"""Numbers as the words that the headers have for them."""

from .core import M, const, enum

RIGHTS = (("VM_READ", "r"), ("VM_WRITE", "w"), ("VM_EXEC", "x"))


def bits(value, prefix, skip=()):
    """[(bit, name)] of the single bits in value that macros PREFIX... name, and what is left over."""
    table = {}
    for name, mask in M.items():
        if name.startswith(prefix) and name not in skip and mask and not mask & (mask - 1):
            table.setdefault(mask, name[len(prefix):])
    found = [(mask, table[mask]) for mask in sorted(table) if value & mask]
    rest = value
    for mask, _ in found:
        rest &= ~mask
    return found, rest


def words(value, prefix, skip=()):
    found, rest = bits(value, prefix, skip)
    names = [name for _, name in found] + ([f"{rest:#x}"] if rest else [])
    return " ".join(names) or "0"


def vm_flags(value):
    return words(value, "VM_")


def vm_rights(value):
    return "".join(c if value & const(name) else "-" for name, c in RIGHTS) + ("s" if value & const("VM_SHARED") else "p")


def gfp(value):
    """As Linux prints it: the largest combination first, then single flags."""
    names = {m: n for n, m in M.items() if n.startswith("GFP_") and n != "GFP_USER"}
    for mask in sorted(names, key=lambda m: -bin(m).count("1")):
        if mask and bin(mask).count("1") > 1 and value & mask == mask:
            rest = words(value & ~mask, "__GFP_").split()
            return "|".join([names[mask]] + [f"__GFP_{n}" for n in rest if n != "0"])
    return "|".join(f"__GFP_{n}" for n in words(value, "__GFP_").split()) if value else "0"


def page_flags(value):
    names = enum("page_flag")
    count = const("NR_PAGE_FLAGS")
    return " ".join(names[b][3:] for b in range(count) if value >> b & 1) or "no flag"


def error_code(error):
    """Of a page fault."""
    return f"{error:#x} {words(error, 'PF_ERR_')}" if error else "0x0"


def entry_bits(value, leaf):
    """Every bit of a present (or PROT_NONE) entry but the frame's."""
    present = bool(value & const("_PAGE_PRESENT"))
    skip = {"_PAGE_TABLE", "_PAGE_KERNEL_TABLE", "_PAGE_PROTNONE" if present else "_PAGE_GLOBAL"}
    if not leaf:
        skip |= {"_PAGE_PSE"}
    return words(value & const("PTE_FLAGS_MASK"), "_PAGE_", skip)


def entry_kind(value):
    """none, present, protnone, swap, migration: a pte."""
    if not value:
        return "none"
    if value & const("_PAGE_PRESENT"):
        return "present"
    if value & const("_PAGE_PROTNONE"):
        return "protnone"
    return "migration" if value & M.get("_PTE_SWP_MIGRATION", 0) else "swap"


def swap_entry(val):
    """swp_entry_t's number: (area, slot)."""
    return val >> const("SWP_SLOT_BITS"), val & ((1 << const("SWP_SLOT_BITS")) - 1)


def pfn_of(value):
    return (value & const("PTE_PFN_MASK")) >> const("PAGE_SHIFT")


def pte(value):
    """A whole pte in words."""
    kind = entry_kind(value)
    if kind == "none":
        return "none"
    if kind in ("present", "protnone"):
        return f"pfn {pfn_of(value):#x}  {entry_bits(value, False)}"
    low = words(value & 0xfff, "_PTE_SWP_")
    low = "" if low == "0" else f"  {low}"
    if kind == "migration":
        return f"migration of pfn {pfn_of(value):#x}{low}"
    area, slot = swap_entry(value >> const("PAGE_SHIFT") & 0xffffffff)
    return f"swap area {area} slot {slot:#x}{low}"


def table_entry(value, level):
    """An entry of a level above the pte."""
    if not value:
        return "none"
    if value & const("_PAGE_PSE") and level in ("pud", "pmd"):
        return f"leaf, pfn {pfn_of(value):#x}  {entry_bits(value, True)}"
    return f"table {pfn_of(value):#x}  {entry_bits(value, False)}"
