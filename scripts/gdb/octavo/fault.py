# SPDX-License-Identifier: MIT
"""A page fault, before and after.

oct-fault stops where the handler begins, says what the hardware said, what the tables and the vma hold,
and which case of the picture in mm/fault.c will be taken. `oct-fault finish` lets the handler run and
says what it did: the cases that it really took, and each thing that is different now."""

import gdb

from . import names, pages, tables, tasks
from .core import (Broken, Command, Page, at, const, cpus, enum, evaluate, have, memory, num, on_cpu, pfn_valid,
                   read_u64, register as reg, signed, symbol_at, text, this_cpu, usage, variable)

# The functions of mm/fault.c's picture, and what they do. tests: every `fault_case` of mm/ is here.
CASES = {
    "fault_anon_read": "the shared page of zeroes is mapped, read-only",
    "fault_anon_write": "a new page of zeroes",
    "fault_beyond_eof": "the page lies beyond the end of the file: SIGBUS",
    "fault_file_read": "the file's page is mapped, with those around it that are cached",
    "fault_file_cow": "a private copy of the file's page",
    "fault_shared_write": "the file's page itself, dirty",
    "fault_swap_in": "the page is in swap: read, or found in the swap cache",
    "fault_migrating": "the page is being moved to another frame: waits for that",
    "fault_zero_cow": "a new page of zeroes takes the place of the shared one",
    "fault_shared_mkwrite": "the file's page becomes writable, and dirty",
    "fault_cow_reuse": "the page is this space's alone: just writable",
    "fault_cow_copy": "the page is not this space's alone: copied",
    "fault_spurious": "the entry allows the access already: another was faster",
    "fault_stack_growth": "the stack grows down to the address, then the fault starts again",
}
# Other ends.
MAPERR, ACCERR, FIXUP, OOPS, RETRY = "SIGSEGV, MAPERR", "SIGSEGV, ACCERR", "extable_fixup", "oops", "start again"
ENDS = {
    MAPERR: "no vma there, and no stack that may grow so far",
    ACCERR: "the vma does not allow it",
    FIXUP: "a kernel instruction with a fixup: the call fails with EFAULT",
    OOPS: "a kernel instruction without a fixup: a bug",
    RETRY: "an mprotect is under way: waits for mmap_lock",
}


# ---------------------------------------------------------------------------- what the hardware said


class Fault:
    """Of the thread that gdb looks at, at the first instruction of page_fault(), or deeper in it."""

    def __init__(self, tf, stack):
        self.tf = tf                       # struct trapframe
        self.stack = stack                 # where page_fault()'s return address lies
        self.addr = reg("cr2")
        self.error = num(tf["error"])
        self.rip = num(tf["rip"])
        self.user = bool(num(tf["cs"]) & 3)
        self.task = tasks.current_task()
        mm = self.task["thread"]["mm"] if self.task is not None else None
        self.mm = mm.dereference() if mm is not None and num(mm) else None
        self.cpu = num(this_cpu("cpu_number"))
        self.vma = tasks.vma_around(self.mm, self.addr) if self.mm is not None else None
        self.entries = tables.walk(self.addr, tables.root_of(self.mm))
        self.case = predict(self)
        self.before = snapshot(self)

    def write(self):
        return bool(self.error & const("PF_ERR_WRITE"))

    def fetch(self):
        return bool(self.error & const("PF_ERR_INSTR"))

    def inside(self):
        """Does the vma contain the address?"""
        return self.vma is not None and num(self.vma["start"]) <= self.addr


def find_fault():
    """The fault that this CPU's thread is handling, from its frames."""
    frame = gdb.newest_frame()
    for _ in range(64):
        if frame is None:
            break
        if frame.name() == "page_fault" and frame.older() is not None:
            tf = num(frame.older().read_register("rsp"))
            return Fault(at(tf, "struct trapframe"), tf - 8)
        frame = frame.older()
    raise gdb.GdbError("this CPU is not in the page-fault handler: oct-fault waits for the next fault")


# ---------------------------------------------------------------------------- the case


def has_fixup(rip):
    start, stop = (num(gdb.parse_and_eval(f"(unsigned long)&__{w}___ex_table")) for w in ("start", "stop"))
    data = memory(start, stop - start)
    for i in range(0, len(data), 8):
        if start + i + int.from_bytes(data[i:i + 4], "little", signed=True) == rip:
            return start + i + 4 + int.from_bytes(data[i + 4:i + 8], "little", signed=True)
    return 0


def predict(f):
    """The branch of page_fault() and then of mm/fault.c's picture. Looked at without locks, as the
    handler's own first look is."""
    if f.user and (f.addr >= const("TASK_SIZE") or f.error & const("PF_ERR_RSVD")):
        return MAPERR
    if not f.user:
        if not has_fixup(f.rip) or f.error & (const("PF_ERR_RSVD") | const("PF_ERR_INSTR")):
            return OOPS
        if f.addr >= const("TASK_SIZE") or f.mm is None or not kernel_may_fault(f):
            return FIXUP
    case = predict_in_space(f)
    return case if f.user or case in CASES and case != "fault_beyond_eof" or case == RETRY else FIXUP


def kernel_may_fault(f):
    return (not num(this_cpu("pagefault_disabled")) and not num(this_cpu("irq_depth"))
            and bool(num(f.tf["rflags"]) & const("X86_EFLAGS_IF")))


def predict_in_space(f):
    if not f.inside():
        return "fault_stack_growth" if f.vma is not None and may_grow(f) else MAPERR
    vm = num(f.vma["flags"])
    wanted = "VM_WRITE" if f.write() else "VM_EXEC" if f.fetch() else "VM_ACCESS"
    if not vm & const(wanted):
        return ACCERR
    pte = tables.last_pte(f.entries)
    if pte is None:
        return OOPS
    kind = names.entry_kind(pte)
    if kind == "none":
        return predict_none(f, vm)
    if kind == "swap":
        return "fault_swap_in"
    if kind == "migration":
        return "fault_migrating"
    if kind == "protnone":
        return RETRY
    if f.write() and not pte & const("_PAGE_RW"):
        return predict_write_protected(pte, vm)
    return "fault_spurious"


def may_grow(f):
    """As far as RLIMIT_STACK and what lies below let it. (fault_stack_growth() is asked in any case.)"""
    if not num(f.vma["flags"]) & const("VM_GROWSDOWN"):
        return False
    below = num(f.vma["prev"]["end"]) + const("STACK_GUARD_GAP") if num(f.vma["prev"]) else 0
    return num(f.vma["end"]) - f.addr <= num(f.mm["rlim_stack"]) and f.addr >= below


def predict_none(f, vm):
    if not num(f.vma["file"]):
        return "fault_anon_write" if f.write() else "fault_anon_read"
    size = signed(f.vma["file"]["mapping"]["size"])
    shift = const("PAGE_SHIFT")
    index = num(f.vma["pgoff"]) + ((f.addr - num(f.vma["start"])) >> shift)
    if index >= (size + (1 << shift) - 1) >> shift:
        return "fault_beyond_eof"
    if not f.write():
        return "fault_file_read"
    return "fault_shared_write" if vm & const("VM_SHARED") else "fault_file_cow"


def predict_write_protected(pte, vm):
    if pte & const("_PAGE_SPECIAL"):
        return "fault_zero_cow"
    if vm & const("VM_SHARED"):
        return "fault_shared_mkwrite"
    p = Page(names.pfn_of(pte))
    alone = p.flag("anon") and (p.flag("anon_exclusive") or (
        p.mapcount == 1 and not p.flag("locked") and (not p.flag("swapcache") or only_cached(p))))
    return "fault_cow_reuse" if alone else "fault_cow_copy"


def only_cached(p):
    """Would try_to_free_swap() do it: does nothing but the cache name its slot?"""
    area, slot = names.swap_entry(p.swap)
    if p.flag("writeback"):
        return False
    counts = num(variable("areas")[area]["count"])
    return int.from_bytes(memory(counts + 2 * slot, 2), "little") == const("SLOT_CACHED")


def case_of(word):
    """A case by name, with or without fault_; the ends: maperr, accerr, fixup, oops, again."""
    known = {**{name: name for name in CASES}, **{name[6:]: name for name in CASES},
             "maperr": MAPERR, "accerr": ACCERR, "fixup": FIXUP, "oops": OOPS, "again": RETRY}
    if word not in known:
        raise gdb.GdbError(f"no such case; there are: {' '.join(n for n in known if not n.startswith('fault_'))}")
    return known[word]


def explain(case):
    return CASES.get(case) or ENDS.get(case, "")


# ---------------------------------------------------------------------------- before and after


def counters(f):
    """Everything that counts faults and pages: {name: number}."""
    found = {}
    if f.mm is not None:
        for name in ("rss_anon", "rss_file", "rss_shmem", "swap_ents", "pgtables_bytes"):
            found[f"mm.{name}"] = signed(f.mm[name])
    for name in ("min_flt", "maj_flt"):
        found[f"thread.{name}"] = num(f.task["thread"][name])
    for array, kind in (("item", "vmstat_item"), ("event", "vmstat_event")):
        names_of = variable(f"{kind}_name")
        per = [on_cpu("vmstat_cpu", cpu)[array] for cpu in cpus()]
        for i in range(names_of.type.range()[1] + 1):
            found[text(names_of[i])] = sum(signed(values[i]) for values in per)
    return found


def page_of(entry):
    """The frame behind a pte, as one line."""
    if entry and names.entry_kind(entry) in ("present", "protnone") and pfn_valid(names.pfn_of(entry)):
        return pages.summary(Page(names.pfn_of(entry)))
    return ""


def snapshot(f):
    entries = tables.walk(f.addr, tables.root_of(f.mm)) if f.mm is not None else []
    pte = tables.last_pte(entries) if entries else 0
    vma = tasks.vma_around(f.mm, f.addr) if f.mm is not None else None
    line = tasks.vma_line(vma, f.mm) if vma is not None and num(vma["start"]) <= f.addr else "none"
    return {"entries": {e.level: e for e in entries}, "page": page_of(pte), "pte": pte or 0, "counters": counters(f),
            "vma": line}


# ---------------------------------------------------------------------------- saying it


def place(address):
    """Symbol, instruction, source line of an address of the program or the kernel."""
    try:
        found = gdb.execute(f"x/i {address:#x}", to_string=True).replace("=>", "").strip().replace("\t", " ")
    except gdb.error:
        return f"{address:#x}"
    sal = gdb.find_pc_line(address)
    return found + (f"   {sal.symtab.filename}:{sal.line}" if sal.symtab else "")


def describe(f):
    what = "write" if f.write() else "instruction fetch" if f.fetch() else "read"
    who = f"{tasks.name_of(f.task)}, pid {num(f.task['pid'])}" if f.task is not None else "before there are threads"
    why = "not allowed by a present entry" if f.error & const("PF_ERR_PRESENT") else "no present entry"
    print(f"Page fault: {what} at {f.addr:#x} by {'the program' if f.user else 'the kernel'} ({who}, CPU {f.cpu})")
    print(f"  instruction  {place(f.rip)}")
    print(f"  error code   {names.error_code(f.error)}: {why}")
    if f.mm is None:
        print("  space        none: a kernel thread")
    elif f.inside():
        print(f"  vma          {tasks.vma_line(f.vma, f.mm)}")
        print(f"               {names.vm_flags(num(f.vma['flags']))}")
    else:
        above = f"; the next above is {tasks.vma_line(f.vma, f.mm)}" if f.vma is not None else ""
        print(f"  vma          none{above}")
    for i, entry in enumerate(f.entries):
        print(f"  {'tables' if not i else '':11}  {entry}")
    if f.before["page"]:
        print(f"  frame        {f.before['page']}")
    print(f"  case         {f.case}: {explain(f.case)}")


def changes(f, taken, result):
    after = snapshot(f)
    print(f"Done: {' -> '.join(taken) or 'no case was reached'}" + (f"; handle_mm_fault() said {result}" if result else ""))
    if num(f.tf["rip"]) != f.rip:
        print(f"  goes on at   {symbol_at(num(f.tf['rip']))}: the fixup, not the instruction that faulted")
    if after["vma"] != f.before["vma"]:
        print(f"  vma          {f.before['vma']}\n          now  {after['vma']}")
    show_entries(f.before["entries"], after["entries"])
    if after["page"] != f.before["page"]:
        print(f"  frame        {f.before['page'] or 'none'}\n          now  {after['page'] or 'none'}")
        old = names.pfn_of(f.before["pte"]) if f.before["page"] else None
        if old is not None and old != (names.pfn_of(after["pte"]) if after["page"] else None):
            print(f"          old  {pages.summary(Page(old))}")
    for name, value in after["counters"].items():
        was = f.before["counters"].get(name, 0)
        if value != was:
            print(f"  {name:24} {was} -> {value}")


def show_entries(before, after):
    """Each entry that is different, or new."""
    changed = False
    for level, _ in tables.LEVELS:
        old, new = before.get(level), after.get(level)
        if new is None or (old is not None and old.value == new.value):
            continue
        changed = True
        print(f"  {level:11}  {old.value:#018x}  {describe_entry(old)}" if old else f"  {level:11}  there was no table")
        print(f"          now  {new.value:#018x}  {describe_entry(new)}")
    if not changed:
        print("  tables       every entry is as it was")


def describe_entry(entry):
    return names.pte(entry.value) if entry.level == "pte" else names.table_entry(entry.value, entry.level)


# ---------------------------------------------------------------------------- running


class Stop(gdb.Breakpoint):
    """A breakpoint of ours at an instruction, with a condition in Python; says whether it was hit."""

    def __init__(self, where, wanted=lambda: True):
        super().__init__(where, internal=True)
        self.silent = True
        self.wanted = wanted
        self.hit, self.error = False, None

    def stop(self):
        try:
            self.hit = bool(self.wanted())
        except (gdb.error, Broken) as error:  # tell it, or the stop would be missed in silence
            self.hit, self.error = True, str(error)
        return self.hit


def resume(stops):
    """Continue until one of ours stops it: that one; None: something else did (a breakpoint of the
    user's, Ctrl-C, the end)."""
    for stop in stops:
        stop.hit = False
    said = gdb.execute("continue", to_string=True).strip()
    hit = next((s for s in stops if s.hit), None)
    if hit is not None:  # what our own hook has said remains
        said = "\n".join(line for line in said.split("\n") if line.startswith("["))
    if said:
        print(said)
    if hit is not None and hit.error:
        raise gdb.GdbError(hit.error)
    return hit


def delete(stops):
    for stop in stops:
        try:
            stop.delete()
        except RuntimeError:
            pass


def on_stack(stack):
    """Only where the stack pointer says that it is that thread, and that frame."""
    return lambda: reg("rsp") == stack


def first_instruction(function):
    return f"*{num(gdb.parse_and_eval(f'(unsigned long)&{function}')):#x}"


_last = {"fault": None}


class FaultCommand(Command):
    """oct-fault [PID|NAME] [at ADDR] [case CASE]: run to the next page fault, and say all about it.
oct-fault show: the fault that is being handled.
oct-fault finish: complete it, and show what has changed.

    oct-fault                         the next one of all
    oct-fault cow                     of the processes called cow
    oct-fault 7 at 0x10000000         of pid 7, in the page of that address
    oct-fault cow case cow_copy       one that will take this case: a name of the picture in mm/fault.c,
                                      or maperr, accerr, fixup, oops
"""

    name = "oct-fault"
    kind = gdb.COMMAND_RUNNING
    complete_as = gdb.COMPLETE_NONE

    def run(self, words):
        if words == ["finish"]:
            finish()
        elif words == ["show"]:
            _last["fault"] = find_fault()
            describe(_last["fault"])
        else:
            self.wait(*self.parse(words))

    def parse(self, words):
        who = addr = case = None
        words = list(words)
        while words:
            word = words.pop(0)
            if word in ("at", "case") and words:
                value = words.pop(0)
                if word == "at":
                    addr = evaluate(value)
                else:
                    case = value
            elif who is None and word not in ("at", "case"):
                who = word
            else:
                usage(self)
        return who, addr, case and case_of(case)

    def wait(self, who, addr, case):
        page = ~(const("PAGE_SIZE") - 1)

        def wanted():
            if addr is not None and reg("cr2") & page != addr & page:
                return False
            if who is not None:
                task = tasks.current_task()
                if task is None or who not in (str(num(task["pid"])), tasks.name_of(task)):
                    return False
            return case is None or case == Fault(*entered()).case

        stop = Stop(first_instruction("page_fault"), wanted)
        try:
            hit = resume([stop])
        finally:
            delete([stop])
        if hit is None:
            print("no such fault came: the machine stopped for something else")
            return
        _last["fault"] = Fault(*entered())
        describe(_last["fault"])


def entered():
    """At page_fault()'s first instruction: its trapframe, and where its return address lies."""
    return at(reg("rdi"), "struct trapframe"), reg("rsp")


def finish():
    f = _last["fault"]
    try:
        now = find_fault()
    except gdb.GdbError:
        now = None
    if now is None and (f is None or reg("rsp") != f.stack or reg("rip") != num(variable_address("page_fault"))):
        raise gdb.GdbError("this CPU is not in the page-fault handler: oct-fault waits for the next fault")
    if f is None or (now is not None and now.stack != f.stack):
        f = now
    back = Stop(f"*{read_u64(f.stack):#x}", on_stack(f.stack + 8))
    low, high = num(f.task["thread"]["kstack"]), num(f.task["thread"]["kstack_top"])
    ours = lambda: low <= reg("rsp") < high
    steps = {Stop(first_instruction(name), ours): name for name in CASES if have(name)}
    ends = [Stop(first_instruction(name)) for name in ("oops", "panic") if have(name)]
    handler = Stop(first_instruction("handle_mm_fault"), ours)
    taken, returned = on_the_way()
    result, here = "", reg("rip") if taken else 0  # stopped on a case's first instruction: it is counted
    try:
        while True:
            stops = [back, handler, *steps, *ends] + ([returned] if returned else [])
            hit = resume(stops)
            if hit is None or hit in ends:
                print("the fault is not complete: " + ("the kernel gives up" if hit else "oct-fault finish goes on"))
                return
            if hit is back:
                break
            if hit is handler and returned is None:
                returned = Stop(f"*{read_u64(reg('rsp')):#x}", on_stack(reg("rsp") + 8))
            elif hit is returned:
                result = enum("vm_fault").get(reg("rax") & 0xffffffff, "?")
            elif hit in steps and reg("rip") != here:
                taken.append(steps[hit])
            here = 0
    finally:
        delete([back, handler, *steps, *ends] + ([returned] if returned else []))
    _last["fault"] = None
    changes(f, taken, result)


def on_the_way():
    """Of a fault that is being handled: the cases that it is in, and a stop where handle_mm_fault() returns."""
    taken, returned, frame = [], None, gdb.newest_frame()
    while frame is not None and frame.name() != "page_fault":
        if frame.name() in CASES:
            taken.insert(0, frame.name())
        older = frame.older()
        if frame.name() == "handle_mm_fault" and older is not None:
            returned = Stop(f"*{older.pc():#x}", on_stack(num(older.read_register("rsp"))))
        frame = older
    return (taken, returned) if frame is not None else ([], None)


def variable_address(function):
    return gdb.parse_and_eval(f"(unsigned long)&{function}")


def register():
    FaultCommand()
