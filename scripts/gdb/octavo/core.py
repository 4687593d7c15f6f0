# SPDX-License-Identifier: MIT
"""Reading the kernel. Addresses are Python integers; structures are gdb.Value where a few fields are
wanted, and Layout where thousands are (one read of memory for many struct pages)."""

import os
import re

import gdb

MASK64 = (1 << 64) - 1
LIMIT = 1 << 20  # elements of any list, steps of any walk
M = {}           # macros of the kernel's headers
_state = {"kernel": None, "registered": False}


class Broken(Exception):
    """What was read cannot be right."""


def start(objfile, macros):
    M.clear()
    M.update(macros)
    _state["kernel"] = os.path.realpath(objfile.filename) if objfile else None
    _types.clear()
    _layouts.clear()
    _enums.clear()


def register_once():
    first = not _state["registered"]
    _state["registered"] = True
    return first


def build_dir():
    """Where make put things: $(O)."""
    here = os.path.dirname(_state["kernel"] or "build/octavo.elf")
    return os.path.dirname(here) if os.path.basename(here) == "debug" else here


def kernel_file():
    return _state["kernel"]


# ---------------------------------------------------------------------------- commands


class Command(gdb.Command):
    """A command whose failures are messages. The class's docstring is what `help` shows."""

    name = None
    kind = gdb.COMMAND_DATA
    complete_as = gdb.COMPLETE_EXPRESSION

    def __init__(self):
        super().__init__(self.name, self.kind, self.complete_as)

    def run(self, words):
        raise NotImplementedError

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        try:
            self.run(split(argument))
        except Broken as error:
            raise gdb.GdbError(f"broken: {error}")
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"{error} (before the kernel has mapped itself? break kernel_main, continue)")
        except gdb.error as error:
            raise gdb.GdbError(str(error))


def split(argument):
    """Words; parentheses and quotes keep one together."""
    return re.findall(r"(?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\"[^\"]*\"|[^\s()]|\(|\))+", argument or "")


def usage(command):
    raise gdb.GdbError(command.__doc__.strip().splitlines()[0])


def evaluate(expression):
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)({expression})")) & MASK64
    except gdb.error as error:
        raise gdb.GdbError(str(error))


# ---------------------------------------------------------------------------- types and constants

_types = {}
_layouts = {}
_enums = {}


def lookup(name):
    if name not in _types:
        _types[name] = gdb.lookup_type(name)
    return _types[name]


def enum(name):
    """{value: enumerator} of `enum name`, the first of equal ones."""
    if name not in _enums:
        _enums[name] = {}
        for field in lookup(f"enum {name}").fields():
            _enums[name].setdefault(field.enumval, field.name)
    return _enums[name]


def const(name):
    """A macro or an enumerator."""
    if name not in M:
        M[name] = int(gdb.parse_and_eval(name)) & MASK64
    return M[name]


class Layout:
    """Where the fields of a structure are, those of anonymous members included."""

    def __init__(self, name):
        kind = lookup(name).strip_typedefs()
        self.size = kind.sizeof
        self.fields = {}
        self._add(kind, 0)

    def _add(self, kind, base):
        for field in kind.fields():
            at = base + field.bitpos // 8
            inner = field.type.strip_typedefs()
            if not field.name:
                self._add(inner, at)
            else:
                self.fields[field.name] = (at, inner.sizeof)

    def get(self, data, name, base=0):
        at, size = self.fields[name]
        return int.from_bytes(data[base + at:base + at + size], "little")


def layout(name):
    if name not in _layouts:
        _layouts[name] = Layout(name)
    return _layouts[name]


def offset_of(struct, path):
    """Of a member, or of a member's member: "interval.rb"."""
    kind, at = lookup(struct).strip_typedefs(), 0
    for part in path.split("."):
        found = _find_member(kind, part)
        if not found:
            raise Broken(f"{struct} has no member {path}")
        at, kind = at + found[0], found[1].strip_typedefs()
    return at


def _find_member(kind, name):
    for field in kind.fields():
        if field.name == name:
            return field.bitpos // 8, field.type
        if not field.name:
            inner = _find_member(field.type.strip_typedefs(), name)
            if inner:
                return field.bitpos // 8 + inner[0], inner[1]
    return None


# ---------------------------------------------------------------------------- values and memory


def num(value):
    """Of an integer or pointer, without sign; an atomic's number."""
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        value = value[value.type.strip_typedefs().fields()[0]]
    return int(value) & MASK64


def signed(value):
    n = num(value)
    return n - (1 << 64) if n >> 63 else n - (1 << 32) if value.type.sizeof == 4 and n >> 31 else n


def at(address, struct):
    """The structure at an address."""
    return gdb.Value(address).cast(lookup(struct).pointer()).dereference()


def address_of(value):
    return num(value.address)


def variable(name):
    """A variable of the kernel; static ones too."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        raise gdb.GdbError(f"the kernel has no {name}: is its symbol file loaded?")
    return symbol.value()


def have(name):
    return bool(gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name))


def memory(address, size):
    return gdb.selected_inferior().read_memory(address, size).tobytes()


def read_u64(address):
    return int.from_bytes(memory(address, 8), "little")


def text(value, limit=64):
    """A char * or char[] as a string; never fails."""
    try:
        return value.string(errors="replace", length=-1)[:limit] if value.type.code == gdb.TYPE_CODE_ARRAY \
            else (value.string(errors="replace")[:limit] if num(value) else "")
    except (gdb.error, UnicodeDecodeError):
        return "?"


def symbol_at(address):
    """function+offset, or the number."""
    found = gdb.execute(f"info symbol {address:#x}", to_string=True)
    return found.split(" in section")[0].strip() if "in section" in found else f"{address:#x}"


def monitor(command):
    return gdb.execute(f"monitor {command}", to_string=True)


def read_physical(paddr):
    """One entry of a table: by the direct map, and before that is complete by QEMU's monitor."""
    try:
        return read_u64(const("PAGE_OFFSET") + paddr)
    except gdb.MemoryError:
        found = re.search(r":\s*0x([0-9a-f]+)", monitor(f"xp /1gx {paddr:#x}"))
        if not found:
            raise Broken(f"physical address {paddr:#x} cannot be read")
        return int(found[1], 16)


def register(name):
    return num(gdb.parse_and_eval(f"(unsigned long)${name}"))


def cr3():
    return register("cr3") & const("PTE_PFN_MASK")


# ---------------------------------------------------------------------------- per-CPU data


def percpu_base():
    """Of the CPU that gdb looks at (`thread N`). In user mode GS is the program's."""
    base = next((b for b in (register("gs_base"), register("k_gs_base")) if b >> 63), None)
    if base is None:
        raise gdb.GdbError("this CPU has not begun yet: break kernel_main, continue")
    return base


def this_cpu(name):
    value = variable(name)
    return at_type(percpu_base() + address_of(value), value.type)


def cpus():
    return range(max(1, num(variable("nr_cpu_ids"))))


def on_cpu(name, cpu, struct=None):
    """struct: the type of one that other files have under the same name."""
    value = variable(name)
    if struct:
        found = [s.value() for s in gdb.lookup_static_symbols(name) if str(s.type.unqualified()) == struct]
        if not found:
            raise gdb.GdbError(f"the kernel has no {struct} {name}")
        value = found[0]
    base = num(variable("__per_cpu_offset")[cpu])
    return at_type((base + address_of(value)) & MASK64, value.type)


def at_type(address, kind):
    return gdb.Value(address & MASK64).cast(kind.pointer()).dereference()


def current_thread():
    """The struct thread * that runs here, as a value; 0 before there are threads."""
    value = this_cpu("current_thread_ptr")
    value.fetch_lazy()
    return value


# ---------------------------------------------------------------------------- lists and trees


def list_nodes(head):
    """Addresses of the nodes of a struct list_head; head: its address."""
    seen, last = {head}, head
    node = read_u64(head)
    while node != head:
        if node in seen:
            raise Broken(f"the list at {head:#x} comes back to {node:#x} after {len(seen) - 1} elements")
        if len(seen) > LIMIT:
            raise Broken(f"the list at {head:#x} has no end")
        try:
            following, before = (int.from_bytes(b, "little") for b in _halves(memory(node, 16)))
        except gdb.MemoryError:
            raise Broken(f"the list at {head:#x} goes to {node:#x}, where no memory is, after {len(seen) - 1} elements")
        if before != last:
            raise Broken(f"in the list at {head:#x}, {node:#x} has {before:#x} before it, not {last:#x}")
        yield node
        seen.add(node)
        last, node = node, following


def _halves(data):
    return data[:8], data[8:]


def list_entries(head, struct, member):
    """The structures (values) that a list (a value) links."""
    offset = offset_of(struct, member)
    for node in list_nodes(address_of(head)):
        yield at(node - offset, struct)


def tree_nodes(root):
    """Addresses of the rb_nodes below a root (a value), in order; checks parents and depth."""
    lay = layout("struct rb_node")
    stack, node, parent, seen = [], num(root["rb_node"]), 0, set()
    while stack or node:
        while node:
            if node in seen or len(stack) > 128:
                raise Broken(f"the tree at {address_of(root):#x} meets {node:#x} twice")
            seen.add(node)
            try:
                data = memory(node, lay.size)
            except gdb.MemoryError:
                raise Broken(f"the tree at {address_of(root):#x} goes to {node:#x}, where no memory is")
            if lay.get(data, "__rb_parent_color") & ~3 != parent:
                raise Broken(f"in the tree at {address_of(root):#x}, {node:#x} has another parent than {parent:#x}")
            stack.append((node, lay.get(data, "rb_right")))
            parent, node = node, lay.get(data, "rb_left")
        parent, node = stack.pop()
        yield parent


def tree_entries(root, struct, member):
    offset = offset_of(struct, member)
    for node in tree_nodes(root):
        yield at(node - offset, struct)


# ---------------------------------------------------------------------------- struct page


class Page:
    """A struct page, read once."""

    def __init__(self, pfn, data=None):
        self.pfn = pfn
        self.lay = layout("struct page")
        self.data = data if data is not None else memory(self.address, self.lay.size)

    @property
    def address(self):
        return const("VMEMMAP_START") + self.pfn * self.lay.size

    def __getattr__(self, name):
        if name.startswith("_") or name not in self.lay.fields:
            raise AttributeError(name)
        return self.lay.get(self.data, name)

    def flag(self, name):
        """Page.flag("anon") is PageAnon()."""
        return bool(self.flags >> const(f"PG_{name}") & 1)

    @property
    def zone(self):
        return self.flags >> const("PAGE_ZONE_SHIFT") & 3

    @property
    def owner_ptr(self):
        return const("PAGE_OFFSET") + (self.owner << 5) if self.owner else 0


def pfn_valid(pfn):
    """Has it a struct page that has been filled in?"""
    if pfn >> const("SECTION_PFN_SHIFT") >= num(variable("nr_sections")):
        return False
    section = variable("mem_sections")[pfn >> const("SECTION_PFN_SHIFT")]
    granule = pfn % (1 << const("SECTION_PFN_SHIFT")) // const("GRANULE_PAGES")
    return num(section["state"]) == const("SECTION_ONLINE") and bool(num(section["present"]) >> granule & 1)


def page(pfn):
    if not pfn_valid(pfn):
        raise Broken(f"there is no struct page for pfn {pfn:#x}")
    return Page(pfn)


def all_pages():
    """All struct pages that are filled in, granule by granule."""
    lay, granule = layout("struct page"), const("GRANULE_PAGES")
    shift = const("SECTION_PFN_SHIFT")
    sections = variable("mem_sections")
    for number in range(num(variable("nr_sections"))):
        section = sections[number]
        if num(section["state"]) != const("SECTION_ONLINE"):
            continue
        present = num(section["present"])
        for g in range((1 << shift) // granule):
            if not present >> g & 1:
                continue
            first = (number << shift) + g * granule
            data = memory(const("VMEMMAP_START") + first * lay.size, granule * lay.size)
            for i in range(granule):
                yield Page(first + i, data[i * lay.size:(i + 1) * lay.size])


def page_list(head, what):
    """The pages of a list linked by pfns, from the first one's pfn on."""
    seen, pfn, last = set(), head, 0
    while pfn:
        if pfn in seen:
            raise Broken(f"{what} comes back to pfn {pfn:#x} after {len(seen)} pages")
        if not pfn_valid(pfn):
            raise Broken(f"{what} goes to pfn {pfn:#x}, which does not exist, after {len(seen)} pages")
        p = Page(pfn)
        if p.prev != last:
            raise Broken(f"{what}: pfn {pfn:#x} has {p.prev:#x} before it, not {last:#x}")
        yield p
        seen.add(pfn)
        last, pfn = pfn, p.next


def zones():
    array = variable("node_data")[0]["zones"]
    for i in range(array.type.range()[1] + 1):
        if num(array[i]["present"]):
            yield array[i]


def spin_held(value):
    """Is a spinlock_t (or ticket_lock) held?"""
    ticket = value["ticket"] if any(f.name == "ticket" for f in value.type.strip_typedefs().fields()) else value
    return num(ticket["owner"]) != num(ticket["next"])
