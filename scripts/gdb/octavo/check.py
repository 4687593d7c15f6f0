# SPDX-License-Identifier: MIT
"""The structure checkers, from outside: the kernel need not run for it, nor be able to. What the kernel's
own checkers assert (page_alloc_check(), lru_check(), slab_check(), mm_validate(), pgtable_check()) is
read here and told as messages; and rmap is compared with the page tables of all processes, which no
checker inside could do without stopping them.

The machine may stand in the middle of a change: where a lock is held, that is said first."""

import gdb

from . import names, pages, tables, tasks
from .core import (Broken, Command, Page, address_of, all_pages, at, const, cpus, enum, list_nodes, num, offset_of, on_cpu,
                   page_list, pfn_valid, signed, spin_held, text, usage, variable, zones)

MOST = 20  # messages of one check
NEVER_ON_LRU = ("buddy", "slab", "table", "kstack", "vmalloc", "reserved", "head", "tail")


class Report:
    def __init__(self, what):
        self.what, self.found, self.looked, self.during = what, [], 0, []

    def bad(self, message):
        self.found.append(message)

    def held(self, lock):
        self.during.append(lock)

    def show(self):
        for lock in self.during:
            print(f"  {self.what}: {lock} is held, the machine stands in the middle of a change")
        for message in self.found[:MOST]:
            print(f"  {self.what}: {message}")
        if len(self.found) > MOST:
            print(f"  {self.what}: and {len(self.found) - MOST} more")
        verdict = "ok" if not self.found else f"{len(self.found)} {'differences' if self.during else 'BROKEN'}"
        print(f"{self.what:6} {verdict}: {self.looked}")


# ---------------------------------------------------------------------------- the buddy


def check_buddy(r):
    blocks = total = 0
    kinds = pages.migrate_names()
    for zone in zones():
        name = text(zone["name"])
        if spin_held(zone["lock"]):
            r.held(f"zone {name}'s lock")
        free = num(zone["nr_deferred"]) << const("SECTION_PFN_SHIFT")
        for (order, mt), (head, nr) in pages.free_lists(zone).items():
            what = f"zone {name}, order {order}, {kinds[mt]}"
            count = 0
            for p in page_list(head, f"the list of {what}"):
                count += 1
                if not p.flag("buddy") or p.order != order or p.refcount:
                    r.bad(f"{what}: pfn {p.pfn:#x} is no free block of that order: {pages.summary(p)}")
                if p.pfn & ((1 << order) - 1):
                    r.bad(f"{what}: pfn {p.pfn:#x} is not aligned")
                if p.zone != num(zone["idx"]):
                    r.bad(f"{what}: pfn {p.pfn:#x} is of zone {pages.zone_name(p.zone)}")
            if count != nr:
                r.bad(f"{what}: {count} blocks, counted as {nr}")
            blocks += count
            free += count << order
        if free != num(zone["nr_free"]):
            r.bad(f"zone {name}: {free} pages in its blocks, counted as {num(zone['nr_free'])}")
        total += free
        for cpu in cpus():
            check_pcp(r, zone, cpu)
    r.looked = f"{blocks} free blocks of {total} pages"


def check_pcp(r, zone, cpu):
    lists = on_cpu("pcp_pages", cpu)[num(zone["idx"])]["list"]
    for mt in range(lists.type.range()[1] + 1):
        count = num(lists[mt]["count"])
        if count > const("PCP_MAX"):
            r.bad(f"CPU {cpu}'s list {mt} of zone {text(zone['name'])} claims {count} pages")
            continue
        for i in range(count):
            pfn = num(lists[mt]["pfn"][i])
            if not pfn_valid(pfn):
                r.bad(f"CPU {cpu}'s list {mt} has pfn {pfn:#x}, which does not exist")
                continue
            p = Page(pfn)
            if p.refcount or p.flags & ((1 << const("PAGE_ZONE_SHIFT")) - 1):
                r.bad(f"CPU {cpu}'s list {mt}: {pages.summary(p)} [{names.page_flags(p.flags)}]")


# ---------------------------------------------------------------------------- the LRU lists


def check_lru(r):
    linked = set()
    for zone in zones():
        if spin_held(zone["lru"]["lock"]):
            r.held(f"zone {text(zone['name'])}'s LRU lock")
        for kind in range(const("LRU_UNEVICTABLE")):
            check_lru_list(r, zone, kind, linked)
    locked = {}  # the unevictable ones are only counted
    for p in all_pages():
        if p.flag("lru") and p.flag("unevictable"):
            locked[p.zone] = locked.get(p.zone, 0) + 1
        elif p.flag("lru") and p.pfn not in linked:
            r.bad(f"pfn {p.pfn:#x} has PG_lru and is on no list")
        if p.flag("lru") and p.flag("pending"):
            r.bad(f"pfn {p.pfn:#x} is on a list and pending")
    for zone in zones():
        noted, found = num(zone["lru"]["list"][const("LRU_UNEVICTABLE")]["nr"]), locked.get(num(zone["idx"]), 0)
        if noted != found:
            r.bad(f"zone {text(zone['name'])}: {found} unevictable pages, counted as {noted}")
    r.looked = f"{len(linked)} pages on lists, {sum(locked.values())} unevictable"


def check_lru_list(r, zone, kind, linked):
    lru = zone["lru"]["list"][kind]
    what = f"zone {text(zone['name'])}, {enum('lru_kind')[kind].lower()}"
    last = count = 0
    for p in page_list(num(lru["head"]), f"the list of {what}"):
        count += 1
        last = p.pfn
        linked.add(p.pfn)
        if p.refcount and (not p.flag("lru") or any(p.flag(f) for f in NEVER_ON_LRU)
                           or enum("lru_kind")[kind].lower() not in pages.list_of(p)):
            r.bad(f"{what}: pfn {p.pfn:#x} is not of that list: {names.page_flags(p.flags)}")
        if p.zone != num(zone["idx"]):
            r.bad(f"{what}: pfn {p.pfn:#x} is of zone {pages.zone_name(p.zone)}")
    if last != num(lru["tail"]):
        r.bad(f"{what}: ends at pfn {last:#x}, its tail is {num(lru['tail']):#x}")
    if count != num(lru["nr"]):
        r.bad(f"{what}: {count} pages, counted as {num(lru['nr'])}")


# ---------------------------------------------------------------------------- rmap against page tables


class Tables:
    """What the page tables of all processes hold."""

    def __init__(self, r):
        self.maps, self.slots, self.ptes = {}, {}, 0
        zero = num(variable("zero_page"))
        for mm, pid, name in tasks.spaces():
            self.read(r, mm, f"{name} ({pid})", zero)

    def read(self, r, mm, who, zero):
        areas = list(tasks.vmas(mm))
        sums = {"rss_anon": 0, "rss_file": 0, "rss_shmem": 0, "swap_ents": 0}
        tables_met = place = 0
        for level, addr, value in tables.for_each_pte(tables.root_of(mm)):
            if level == "table":
                tables_met += 1
                self.check_table(r, who, addr, value)
                continue
            while place < len(areas) and num(areas[place]["end"]) <= addr:
                place += 1
            if place == len(areas) or num(areas[place]["start"]) > addr:
                r.bad(f"{who}: {addr:#x} is mapped outside of all vmas: {names.pte(value)}")
                continue
            if level == "pte":
                self.note(r, who, areas[place], addr, value, sums, zero)
        for name, count in sums.items():
            if count != signed(mm[name]):
                r.bad(f"{who}: {name} is {signed(mm[name])}, the tables hold {count}")
        if tables_met * const("PAGE_SIZE") != num(mm["pgtables_bytes"]):
            r.bad(f"{who}: {tables_met} tables, counted as {num(mm['pgtables_bytes'])} bytes")

    def check_table(self, r, who, addr, value):
        pfn = names.pfn_of(value)
        if not pfn_valid(pfn) or not Page(pfn).flag("table"):
            r.bad(f"{who}: at {addr:#x} the entry {value:#x} points to what is no page table")
        elif spin_held(at(Page(pfn).address + offset_of("struct page", "pt_lock_word"), "struct spinlock")):
            r.held(f"the lock of {who}'s page table at pfn {pfn:#x}")

    def note(self, r, who, vma, addr, value, sums, zero):
        self.ptes += 1
        kind = names.entry_kind(value)
        if kind == "swap":
            entry = value >> const("PAGE_SHIFT") & 0xffffffff
            self.slots[entry] = self.slots.get(entry, 0) + 1
            sums["swap_ents"] += 1
            return
        if kind == "migration":
            return
        if value & const("_PAGE_SPECIAL"):
            if const("VMEMMAP_START") + names.pfn_of(value) * Page(names.pfn_of(value)).lay.size != zero:
                r.bad(f"{who}: {addr:#x} is special, and not the page of zeroes")
            return
        self.check_rights(r, who, vma, addr, value, kind)
        pfn = names.pfn_of(value)
        if not pfn_valid(pfn):
            r.bad(f"{who}: {addr:#x} maps pfn {pfn:#x}, which does not exist")
            return
        first = self.maps.setdefault(pfn, [])
        first.append((who, num(vma.address), addr))
        p = Page(pfn)
        sums["rss_anon" if p.flag("anon") else "rss_shmem" if p.flag("swapbacked") else "rss_file"] += 1

    def check_rights(self, r, who, vma, addr, value, kind):
        vm = num(vma["flags"])
        if value & const("_PAGE_RW") and not vm & const("VM_WRITE"):
            r.bad(f"{who}: {addr:#x} is writable, which its vma is not")
        if kind == "present" and not vm & const("VM_ACCESS"):
            r.bad(f"{who}: {addr:#x} is accessible, which its vma is not")
        if not value & const("_PAGE_USER"):
            r.bad(f"{who}: {addr:#x} has no user bit")


def check_rmap(r):
    found = Tables(r)
    for p in all_pages():
        if any(p.flag(f) for f in ("buddy", "slab", "table", "tail", "reserved")):
            continue
        mapped = found.maps.get(p.pfn, [])
        if len(mapped) != pages.signed32(p.mapcount):
            where = ", ".join(f"{who} {addr:#x}" for who, _, addr in mapped[:4]) or "none"
            r.bad(f"pfn {p.pfn:#x}: mapcount {pages.signed32(p.mapcount)}, the tables have {len(mapped)} ({where})")
        if mapped:
            check_reached(r, p, mapped)
        if len(mapped) > 1 and p.flag("anon") and p.flag("anon_exclusive"):
            r.bad(f"pfn {p.pfn:#x} is marked as one space's alone, and mapped {len(mapped)} times")
    check_slots(r, found)
    r.looked = f"{found.ptes} ptes, {len(found.maps)} pages mapped, {len(found.slots)} slots named"


def check_reached(r, p, mapped):
    """Does the way from the page lead to each pte that maps it?"""
    try:
        reached = {(num(vma.address), addr) for vma, addr in pages.rmap_vmas(p)}
    except (gdb.error, Broken) as error:
        r.bad(f"pfn {p.pfn:#x}: its rmap cannot be walked: {error}")
        return
    for who, vma, addr in mapped:
        if (vma, addr) not in reached:
            r.bad(f"pfn {p.pfn:#x}: rmap does not find the pte of {who} at {addr:#x}")


def check_slots(r, found):
    """A slot is named by at least the ptes that do (and by shared memory)."""
    counts = {num(a["nr"]): pages.slot_counts(a) for a in pages.swap_areas()}
    for entry, n in found.slots.items():
        area, slot = names.swap_entry(entry)
        have_count = counts.get(area, [])
        if slot >= len(have_count) or have_count[slot] & (const("SLOT_CACHED") - 1) < n:
            r.bad(f"swap area {area} slot {slot:#x} is named by {n} ptes, and counted less often")


# ---------------------------------------------------------------------------- slabs


def check_slab(r):
    slabs = 0
    for cache in pages.caches():
        name = text(cache["name"])
        if spin_held(cache["lock"]):
            r.held(f"cache {name}'s lock")
        objs, out = num(cache["objs"]), 0
        for which, fits in (("partial", lambda n: 0 < n < objs), ("full", lambda n: n == objs), ("empty", lambda n: n == 0)):
            count = 0
            for p in page_list(num(cache[which]["head"]), f"the {which} slabs of {name}"):
                count += 1
                out += p.slab_use
                if not p.flag("slab") or p.owner_ptr != num(cache.address):
                    r.bad(f"{name}: pfn {p.pfn:#x} on its {which} list is not its slab: {names.page_flags(p.flags)}")
                elif not fits(p.slab_use):
                    r.bad(f"{name}: pfn {p.pfn:#x} with {p.slab_use} of {objs} objects out is on the {which} list")
            if count != num(cache[which]["nr"]):
                r.bad(f"{name}: {count} {which} slabs, counted as {num(cache[which]['nr'])}")
            slabs += count
        if out != num(cache["nr_out"]):
            r.bad(f"{name}: {out} objects out of its slabs, counted as {num(cache['nr_out'])}")
        if pages.magazine_objects(cache) > out:
            r.bad(f"{name}: {pages.magazine_objects(cache)} objects in magazines, {out} out of slabs")
    r.looked = f"{slabs} slabs"


# ---------------------------------------------------------------------------- vma trees


def check_vma(r):
    count = 0
    for mm, pid, name in tasks.spaces():
        who = f"{name} ({pid})"
        if tasks.rwsem_state(mm["mmap_lock"]).startswith("held for writing"):
            r.held(f"{who}'s mmap_lock")
        count += check_space(r, mm, who)
    r.looked = f"{count} vmas"


def check_space(r, mm, who):
    end = count = last = 0
    for vma in tasks.vmas(mm):
        count += 1
        start = num(vma["start"])
        line = tasks.vma_line(vma)
        if num(vma["mm"]) != num(mm.address):
            r.bad(f"{who}: {line} says that it is of another space")
        if start < end or num(vma["end"]) <= start or (start | num(vma["end"])) & (const("PAGE_SIZE") - 1):
            r.bad(f"{who}: {line} does not lie behind the one before, which ends at {end:#x}")
        if num(vma["prev"]) != last:
            r.bad(f"{who}: {line} has {num(vma['prev']):#x} before it, the tree {last:#x}")
        if num(vma["detached"]):
            r.bad(f"{who}: {line} is in the tree, and marked as detached")
        if num(vma["gap_bound"]) < gap_below(vma, start - end):
            r.bad(f"{who}: {line}: a gap below it is {gap_below(vma, start - end):#x}, none larger than {num(vma['gap_bound']):#x} as noted")
        try:
            for _ in list_nodes(address_of(vma["anon_vma_chain"])):
                pass
        except Broken as error:
            r.bad(f"{who}: {line}: {error}")
        end, last = num(vma["end"]), num(vma.address)
    if count != num(mm["map_count"]):
        r.bad(f"{who}: {count} vmas in the tree, counted as {num(mm['map_count'])}")
    return count


def gap_below(vma, before):
    guard = 256 << 12 if num(vma["flags"]) & const("VM_GROWSDOWN") else 0
    gaps = [before - guard]
    for side in ("rb_left", "rb_right"):
        child = num(vma["mm_node"][side])
        if child:
            gaps.append(num(at(child - offset_of("struct vm_area_struct", "mm_node"), "struct vm_area_struct")["gap_bound"]))
    return max(gaps)


CHECKS = {"buddy": check_buddy, "lru": check_lru, "rmap": check_rmap, "slab": check_slab, "vma": check_vma}


class Check(Command):
    """oct-check [buddy|lru|rmap|slab|vma ...]: check the kernel's structures from outside (all of them)."""

    name = "oct-check"

    def run(self, words):
        if any(w not in CHECKS for w in words):
            usage(self)
        for name in words or CHECKS:
            report = Report(name)
            try:
                CHECKS[name](report)
            except (Broken, gdb.MemoryError) as error:
                report.bad(str(error))
                report.looked = "not looked at to the end"
            report.show()


def register():
    Check()
