# SPDX-License-Identifier: MIT
"""Frames: what a page is, who maps it, and the lists that it can be on."""

import gdb

from . import names, tables, tasks
from .core import (Command, at, const, cpus, enum, evaluate, layout, list_entries, memory, num, on_cpu, page,
                   page_list, pfn_valid, signed, spin_held, text, tree_entries, usage, variable, zones)


# ---------------------------------------------------------------------------- one page


def state(p):
    """One line: whose is it?"""
    if p.flag("buddy"):
        return f"free, in the buddy: head of a block of order {p.order}"
    if num(variable("zero_page")) == p.address:
        return "the shared page of zeroes"
    if p.flag("reserved"):
        return "reserved: never handed out (kernel image, firmware)"
    if p.flag("tail"):
        return f"tail of the compound page at pfn {p.owner:#x}"
    if p.flag("slab"):
        cache = at(p.owner_ptr, "struct kmem_cache")
        return f"slab of cache {text(cache['name'])}, {p.slab_use} of {num(cache['objs'])} objects out"
    if p.flag("table"):
        return (f"page table, {p.sharers} sharer: {p.pt_anon} anonymous, {p.pt_file} file, {p.pt_shmem} shmem, "
                f"{p.pt_swap} swap entries")
    if p.flag("kstack"):
        return "kernel stack"
    if p.flag("vmalloc"):
        return "vmalloc"
    if not p.refcount:
        return "free: on a per-CPU list, or inside a free block"
    if p.flag("anon"):
        alone = "one space's alone" if p.flag("anon_exclusive") else "perhaps shared"
        return f"anonymous, {alone}, at page {p.index:#x}" + swap_part(p)
    if p.owner:
        mapping = at(p.owner_ptr, "struct address_space")
        kind = "tmpfs or shared memory" if num(mapping["shmem"]) else "file"
        return f"{kind}, page {p.index} of the address_space at {p.owner_ptr:#x}" + swap_part(p)
    return "the kernel's own"


def swap_part(p):
    if not p.flag("swapcache"):
        return ""
    area, slot = names.swap_entry(p.swap)
    return f", in the swap cache (area {area} slot {slot:#x})"


def summary(p):
    return (f"pfn {p.pfn:#x}: {state(p)}; refcount {signed32(p.refcount)}"
            + ("" if p.flag("buddy") or p.flag("table") or p.flag("slab") else f", mapcount {signed32(p.mapcount)}"))


def signed32(n):
    return n - (1 << 32) if n >> 31 else n


def list_of(p):
    """The LRU list that its flags name."""
    if p.flag("pending"):
        return "on its way to an LRU list (in a CPU's batch)"
    if not p.flag("lru"):
        return ""
    if p.flag("unevictable"):
        return f"unevictable, locked by {p.next} mappings: counted, and on no list"
    kind = f"LRU_{'ACTIVE' if p.flag('active') else 'INACTIVE'}_{'ANON' if p.flag('swapbacked') else 'FILE'}"
    return f"on the list {kind.lower()} of zone {zone_name(p.zone)}"


def zone_name(index):
    return text(variable("node_data")[0]["zones"][index]["name"])


def pfn_argument(word, process=None):
    """A pfn, a struct page *, an address of the direct map or the kernel image, or a user address."""
    value = evaluate(word)
    shift, size = const("PAGE_SHIFT"), layout("struct page").size
    vmemmap, direct, image = const("VMEMMAP_START"), const("PAGE_OFFSET"), const("KERNEL_BASE")
    if process is None and value < 1 << 34 and pfn_valid(value):
        return value
    if vmemmap <= value < vmemmap + (1 << 42):
        return (value - vmemmap) // size
    if value >= image:
        return (value - image) >> shift
    if direct <= value < direct + (1 << 46):
        return (value - direct) >> shift
    mm = tasks.mm_of(process) if process else None
    found = tables.physical(value, tables.walk(value, tables.root_of(mm)))
    if not found:
        raise gdb.GdbError(f"{value:#x} is no pfn with a struct page, and no address that is mapped (oct-walk)")
    return found[0] >> shift


class PageCommand(Command):
    """oct-page PFN|ADDR [PID|NAME]: a page frame: flags, counts, owner, list.

    A number that is a valid pfn is one; else it is an address: of the direct map, of the kernel
    image, of a struct page, or the user's (of a process, or of who runs on this CPU)."""

    name = "oct-page"

    def run(self, words):
        if not 1 <= len(words) <= 2:
            usage(self)
        p = page(pfn_argument(*words))
        print(f"pfn {p.pfn:#x}, physical {p.pfn << const('PAGE_SHIFT'):#x}, (struct page *){p.address:#x}, "
              f"zone {zone_name(p.zone)}, node {p.flags >> const('PAGE_NODE_SHIFT') & 3}")
        print(f"  flags     {p.flags:#010x}  {names.page_flags(p.flags)}")
        print(f"  is        {state(p)}")
        if not p.flag("buddy"):
            print(f"  refcount  {signed32(p.refcount)}")
        if not (p.flag("buddy") or p.flag("table") or p.flag("slab")):
            print(f"  mapcount  {signed32(p.mapcount)}")
        if list_of(p):
            print(f"  list      {list_of(p)}")
        if (p.flag("lru") or p.flag("buddy")) and not p.flag("pending") and not p.flag("unevictable"):
            print(f"  between   pfn {p.prev:#x} and pfn {p.next:#x} (0: the end)")


# ---------------------------------------------------------------------------- rmap


def rmap_vmas(p):
    """The vmas that may map the page: (vma, address)."""
    if p.flag("anon"):
        root = at(p.owner_ptr, "struct anon_vma")["tree"]
        for chain in tree_entries(root, "struct anon_vma_chain", "node.rb"):
            yield from _at_index(p, chain["vma"].dereference())
    elif p.owner_ptr:
        root = at(p.owner_ptr, "struct address_space")["i_mmap"]
        for vma in tree_entries(root, "struct vm_area_struct", "i_mmap_node.rb"):
            yield from _at_index(p, vma)


def _at_index(p, vma):
    shift = const("PAGE_SHIFT")
    offset = (p.index - num(vma["pgoff"])) & 0xffffffff
    addr = num(vma["start"]) + (offset << shift)
    if addr < num(vma["end"]):
        yield vma, addr


def rmap(p):
    """Those that do: (vma, address, pte)."""
    for vma, addr in rmap_vmas(p):
        entry = tables.last_pte(tables.walk(addr, tables.root_of(vma["mm"].dereference())))
        if entry and names.entry_kind(entry) in ("present", "protnone") and names.pfn_of(entry) == p.pfn:
            yield vma, addr, entry


class Rmap(Command):
    """oct-rmap PFN|ADDR [PID|NAME]: every pte that maps a page, found the way reclaim finds them."""

    name = "oct-rmap"

    def run(self, words):
        if not 1 <= len(words) <= 2:
            usage(self)
        p = page(pfn_argument(*words))
        print(summary(p))
        if not (p.flag("anon") or p.owner) or any(p.flag(f) for f in ("slab", "table", "tail", "buddy")):
            print("  nobody's: neither anonymous nor a file's")
            return
        who = {num(mm.address): f"{pid} {name}" for mm, pid, name in tasks.spaces()}
        looked = count = 0
        for vma, addr in rmap_vmas(p):
            looked += 1
        for vma, addr, entry in rmap(p):
            count += 1
            print(f"  {who.get(num(vma['mm']), '?'):20} {addr:#014x}  {names.pte(entry)}")
        print(f"  {count} ptes map it, found in {looked} vmas; mapcount {signed32(p.mapcount)}"
              + ("" if count == signed32(p.mapcount) else ": THEY DIFFER"))


# ---------------------------------------------------------------------------- the buddy and zones


def free_lists(zone):
    """{(order, type): (head pfn, number)}."""
    areas = zone["free_area"]
    return {(o, mt): (num(areas[o]["head"][mt]), num(areas[o]["nr"][mt]))
            for o in range(areas.type.range()[1] + 1) for mt in range(const("MIGRATE_TYPES"))}


def migrate_names():
    table = variable("migratetype_names")
    return [text(table[i]) for i in range(const("MIGRATE_TYPES"))]


class Buddy(Command):
    """oct-buddy [ORDER]: free blocks by zone, order and migrate type; with ORDER the blocks themselves."""

    name = "oct-buddy"

    def run(self, words):
        order = evaluate(words[0]) if words else None
        kinds = migrate_names()
        for zone in zones():
            lists = free_lists(zone)
            lock = ", its lock is held: in the middle of a change" if spin_held(zone["lock"]) else ""
            print(f"zone {text(zone['name'])}: {num(zone['nr_free'])} pages free in the buddy, "
                  f"{per_cpu_free(zone)} on per-CPU lists{lock}")
            if order is None:
                orders = sorted({o for o, _ in lists})
                print("  order        " + "".join(f"{o:6}" for o in orders))
                for mt, kind in enumerate(kinds):
                    print(f"  {kind:12} " + "".join(f"{lists[o, mt][1]:6}" for o in orders))
                continue
            for mt, kind in enumerate(kinds):
                head, nr = lists.get((order, mt), (0, 0))
                if nr:
                    blocks = [p.pfn for p in page_list(head, f"the list of order {order}, {kind}")]
                    shown = " ".join(f"{b:#x}" for b in blocks[:16])
                    print(f"  order {order}, {kind}: {len(blocks)} blocks: {shown}{' ...' if len(blocks) > 16 else ''}")


def per_cpu_free(zone):
    total = 0
    for cpu in cpus():
        lists = on_cpu("pcp_pages", cpu)[num(zone["idx"])]["list"]
        total += sum(num(lists[i]["count"]) for i in range(lists.type.range()[1] + 1))
    return total


class Zones(Command):
    """oct-zones: sizes, watermarks, reserves and free pages of each zone."""

    name = "oct-zones"

    def run(self, words):
        for zone in zones():
            free = num(zone["nr_free"])
            marks = {n: num(zone["watermark"][const(f"WMARK_{n.upper()}")]) for n in ("min", "low", "high")}
            level = next((f"below {n}" for n in ("min", "low", "high") if free < marks[n]), "above high")
            start = num(zone["start_pfn"])
            print(f"zone {text(zone['name'])}: pfn {start:#x}-{start + num(zone['spanned']) - 1:#x}, present "
                  f"{num(zone['present'])}, managed {num(zone['managed'])}")
            print(f"  free {free} ({level})  " + "  ".join(f"{n} {v}" for n, v in marks.items())
                  + f"  highatomic {num(zone['nr_highatomic'])}  per-CPU {per_cpu_free(zone)}")
            reserve = zone["lowmem_reserve"]
            print("  lowmem_reserve " + " ".join(str(num(reserve[i])) for i in range(reserve.type.range()[1] + 1))
                  + (f"  deferred {num(zone['nr_deferred'])} sections" if num(zone["nr_deferred"]) else ""))


# ---------------------------------------------------------------------------- LRU


class Lru(Command):
    """oct-lru [N]: the LRU lists of each zone, with the N pages that reclaim would look at next."""

    name = "oct-lru"

    def run(self, words):
        wanted = evaluate(words[0]) if words else 0
        for zone in zones():
            print(f"zone {text(zone['name'])}" + (": its LRU lock is held" if spin_held(zone["lru"]["lock"]) else ""))
            for kind in range(const("NR_LRU_KINDS")):
                lru = zone["lru"]["list"][kind]
                print(f"  {enum('lru_kind')[kind].lower():18} {num(lru['nr']):7} pages")
                if wanted:
                    show_tail(num(lru["tail"]), wanted)
        for cpu in cpus():
            batch = on_cpu("lru_batch", cpu)
            print(f"batch of CPU {cpu}: {num(batch['nr'])} pages on their way")


def show_tail(pfn, wanted):
    for _ in range(wanted):
        if not pfn:
            return
        p = page(pfn)
        print(f"      {summary(p)}")
        pfn = p.prev


# ---------------------------------------------------------------------------- slabs


def caches():
    yield from list_entries(variable("slab_caches"), "struct kmem_cache", "link")


def magazine_objects(cache):
    total = 0
    for cpu in cpus():
        magazine = cache["mag"][cpu]
        total += num(magazine["count"]) if num(magazine) else 0
    return total


class Slabs(Command):
    """oct-slabs [NAME]: object caches: objects in use, in magazines, slabs; with NAME its slabs."""

    name = "oct-slabs"

    def run(self, words):
        print("cache                  size  objs/slab  pages  in use  in magazines  partial  full  empty")
        for cache in caches():
            name = text(cache["name"])
            if words and name != words[0]:
                continue
            kept = magazine_objects(cache)
            print(f"{name:20} {num(cache['size']):6} {num(cache['objs']):10} {1 << num(cache['order']):6} "
                  f"{num(cache['nr_out']) - kept:7} {kept:13} {num(cache['partial']['nr']):8} {num(cache['full']['nr']):5} "
                  f"{num(cache['empty']['nr']):6}")
            for which in ("partial", "full", "empty") if words else ():
                for p in page_list(num(cache[which]["head"]), f"the {which} slabs of {name}"):
                    print(f"    {which:8} pfn {p.pfn:#x}: {p.slab_use} objects out")


# ---------------------------------------------------------------------------- swap


def swap_areas():
    array = variable("areas")
    for i in range(array.type.range()[1] + 1):
        if num(array[i]):
            yield array[i].dereference()


def slot_counts(area):
    data = memory(num(area["count"]), 2 * num(area["slots"]))
    return [int.from_bytes(data[i:i + 2], "little") for i in range(0, len(data), 2)]


class Swap(Command):
    """oct-swap [AREA]: swap areas: slots free, used, cached, shared; with AREA the first slots in use."""

    name = "oct-swap"

    def run(self, words):
        wanted = evaluate(words[0]) if words else None
        found = False
        for area in swap_areas():
            found = True
            counts = slot_counts(area)
            mask, bad = const("SLOT_CACHED") - 1, const("SLOT_BAD")
            used = [(slot, c) for slot, c in enumerate(counts) if c and c & mask != bad]
            print(f"area {num(area['nr'])}: {text(area['name'])}, priority {signed(area['prio'])}, "
                  f"{'on' if num(area['on']) else 'going off'}: {num(area['pages'])} slots, {num(area['free'])} free, "
                  f"{len(used)} used, {sum(1 for _, c in used if c & ~mask)} cached, "
                  f"{sum(1 for _, c in used if c & mask > 1)} shared")
            if wanted == num(area["nr"]):
                cached = num(area["cached"])
                for slot, count in used[:32]:
                    pfn = int.from_bytes(memory(cached + 4 * slot, 4), "little")
                    print(f"    slot {slot:#x}: named {count & mask} times" + (f", cached in pfn {pfn:#x}" if pfn else ""))
        if not found:
            print("no swap area (swapon)")


def register():
    for command in (PageCommand, Rmap, Buddy, Zones, Lru, Slabs, Swap):
        command()
