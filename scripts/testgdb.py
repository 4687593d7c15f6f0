#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The test group gdb: the commands of scripts/gdb, driven in gdb against a running kernel.

    scripts/testgdb.py [--write]     only docs/gdb.md: compare (or put what comes into) its transcripts

The machine is deterministic (-icount, norandmaps, one seed), so a fault comes where it came before.
What each part is there to catch: CASES, a command that says something else than the handler does; BREAK,
a walk that hangs or believes what is corrupt; replay, a way back that arrives elsewhere; the documents,
a command that says something else than its description.
"""

import os
import pty
import re
import select
import socket
import subprocess
import sys
import time

import transcripts
from harness import LOGS, OUT, ROOT, SILENCE, Group, limit

PROMPT = "(gdb) "
FENCE, REPLAY_FENCE = "```gdb", "```gdb-replay"
DOC = os.path.join(ROOT, "docs/gdb.md")
FAULTS = {"RUN": "faults -d /dev/ram1", "SWAP": "16", "APPEND": "norandmaps ramdisk.count=2 quiet"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


class Debugger:
    """QEMU and a gdb that is attached to it. Variables: scripts/qemu's. replay: record that run, and
    replay it."""

    count = 0

    def __init__(self, group, variables, replay=False):
        Debugger.count += 1
        self.qemu = self.gdb = None
        port = free_port()
        environment = {"BUILD": "debug", "MEM": "64", "SMP": "1", "ICOUNT": "1", "SEED": "1", "ISO": "", "UEFI": "",
                       "RUN": "", "SWAP": "", "APPEND": "", "GDB_PORT": port, **variables}
        mode = "debug"
        if replay:
            mode = "replay"
            recording = group.start(["scripts/qemu", "record"], environment, case="record")
            recording.child.stdin.close()
            if recording.end(SILENCE, limit_of()):
                raise RuntimeError(f"recording failed: {recording.log.name}")
        self.qemu = group.start(["scripts/qemu", mode], environment, case=f"qemu{Debugger.count}")
        # as scripts/debug starts it
        folder = os.path.join(OUT, "debug")
        command = [os.environ.get("GDB") or "gdb", "-q", "-nx", "-iex", f"add-auto-load-safe-path {os.path.abspath(folder)}",
                   os.path.join(folder, "octavo.elf"), "-ex", "set pagination off", "-ex", "set width 0", "-ex",
                   "set confirm off", "-ex", "set style enabled off"]
        self.gdb = group.start(command, {"GDB_PORT": port}, case=f"gdb{Debugger.count}")
        self.wait()
        for line in self.type(f"target remote 127.0.0.1:{port}"):
            if "could not connect" in line.lower() or "timed out" in line:
                raise RuntimeError(line)

    def wait(self):
        """What came before the next prompt."""
        if not self.gdb.expect_end(PROMPT):
            raise RuntimeError(f"no prompt of gdb: see {self.gdb.log.name}")
        text, self.gdb.tail = self.gdb.tail[:-len(PROMPT)], ""
        return text

    def type(self, command):
        self.gdb.send(command + "\n")
        said = self.wait().strip("\n")
        return said.split("\n") if said else []

    def stop(self):
        for process in (self.gdb, self.qemu):
            if process:
                process.stop()


def limit_of():
    return time.monotonic() + 1800


# ---------------------------------------------------------------------------- a fault of each case

PTE_NONE = r"pte\[ *\d+\] at 0x[0-9a-f]+  0x0{16}  none"
NOW_WRITABLE = r"now  0x[0-9a-f]+  pfn 0x[0-9a-f]+  PRESENT RW USER ACCESSED DIRTY SOFT_DIRTY NX"
OURS = r"now  pfn 0x[0-9a-f]+: anonymous, one space's alone"

# (case, address, what oct-fault says, what finish says, what it does not say). In the order of user/faults.c.
CASES = [
    ("anon_read", 0x10000000,
     ["read at 0x10000000 by the program \\(faults", "anon_read\\+\\d+", "error code   0x4 USER: no present entry",
      "vma          000010000000-000010004000 rw-p  anonymous", "case         fault_anon_read"],
     ["Done: fault_anon_read; handle_mm_fault\\(\\) said VM_FAULT_DONE", "pte          there was no table",
      "now  0x[0-9a-f]+  pfn 0x[0-9a-f]+  PRESENT USER ACCESSED SPECIAL NX", "the shared page of zeroes",
      "zero_page_map +\\d+ -> \\d+", "mm.pgtables_bytes +(\\d+) -> \\d+"], "rss_anon"),
    ("anon_write", 0x10100000,
     ["write at 0x10100000", "error code   0x6 WRITE USER", PTE_NONE, "case         fault_anon_write"],
     ["Done: fault_anon_write;", NOW_WRITABLE, OURS, "mm.rss_anon +\\d+ -> \\d+", "thread.min_flt"], "cow_copy"),
    ("zero_cow", 0x10200000,
     ["error code   0x7 PRESENT WRITE USER: not allowed", "PRESENT USER ACCESSED SPECIAL NX", "case         fault_zero_cow"],
     ["Done: fault_zero_cow;", NOW_WRITABLE, OURS, "old  pfn 0x[0-9a-f]+: the shared page of zeroes"], "cow_copy"),
    ("file_read", 0x10300000,
     ["r--p  /tmp/faults\\w+ from page 0", PTE_NONE, "case         fault_file_read"],
     ["Done: fault_file_read;", "now  0x[0-9a-f]+  pfn 0x[0-9a-f]+  PRESENT USER ACCESSED NX", "tmpfs or shared memory, page 0",
      "mm.rss_shmem"], "rss_anon"),
    ("file_cow", 0x10400000,
     ["rw-p  /tmp/faults\\w+ from page 0", "case         fault_file_cow"],
     ["Done: fault_file_cow;", NOW_WRITABLE, OURS, "cow_copy +\\d+ -> \\d+"], "rss_shmem"),
    ("shared_write", 0x10500000,
     ["rw-s  /tmp/faults\\w+ from page 0", "READ WRITE SHARED", "case         fault_shared_write"],
     ["Done: fault_shared_write;", NOW_WRITABLE, "tmpfs or shared memory, page 0", "mm.rss_shmem"], "cow_copy"),
    ("shared_mkwrite", 0x10600000,
     ["rw-s  /dev/ram1 from page 0", "PRESENT USER ACCESSED NX", "case         fault_shared_mkwrite"],
     ["Done: fault_shared_mkwrite;", NOW_WRITABLE, "nr_dirty +\\d+ -> \\d+"], "rss_"),
    ("cow_copy", 0x10700000,
     ["error code   0x7", "anonymous, perhaps shared, at page 0x10700; refcount 2, mapcount 2", "case         fault_cow_copy"],
     ["Done: fault_cow_copy;", NOW_WRITABLE, OURS + ", at page 0x10700; refcount 1, mapcount 1",
      "old  pfn 0x[0-9a-f]+: anonymous, perhaps shared, at page 0x10700; refcount 1, mapcount 1", "cow_copy +\\d+ -> \\d+"],
     "rss_anon"),
    ("cow_reuse", 0x10800000,
     ["anonymous, perhaps shared, at page 0x10800; refcount 1, mapcount 1", "case         fault_cow_reuse"],
     ["Done: fault_cow_reuse;", NOW_WRITABLE, OURS, "cow_reuse +\\d+ -> \\d+"], "cow_copy|old  pfn|pgalloc"),
    ("swap_in", 0x10900000,
     ["0x[0-9a-f]+  swap area 0 slot 0x[0-9a-f]+  SOFT_DIRTY EXCLUSIVE", "case         fault_swap_in"],
     ["Done: fault_swap_in -> fault_swap_in; handle_mm_fault\\(\\) said VM_FAULT_MAJOR", OURS,
      "in the swap cache \\(area 0 slot", "mm.swap_ents +1 -> 0", "thread.maj_flt +\\d+ -> \\d+", "pswpin +0 -> 1"], "min_flt"),
    ("stack_growth", None,
     ["vma          none; the next above is 7ff\\w+-7ffffffff000 rw-p  \\[stack\\]", "case         fault_stack_growth"],
     ["Done: fault_stack_growth -> fault_anon_write; handle_mm_fault\\(\\) said VM_FAULT_DONE", "now  7ff\\w+-7ffffffff000 rw-p",
      "stack_grow +\\d+ -> \\d+"], "cow_copy"),
    ("accerr", 0x10b00000,
     ["r--p  anonymous", "case         SIGSEGV, ACCERR"],
     ["said VM_FAULT_SIGSEGV_ACCERR", "every entry is as it was"], "frame|min_flt"),
    ("maperr", 0x10c00000,
     ["vma          none", "case         SIGSEGV, MAPERR"],
     ["said VM_FAULT_SIGSEGV_MAPERR", "every entry is as it was"], "frame|min_flt"),
    ("beyond_eof", 0x10d01000,
     ["r--p  /tmp/faults\\w+ from page 0", "case         fault_beyond_eof"],
     ["Done: fault_beyond_eof; handle_mm_fault\\(\\) said VM_FAULT_SIGBUS"], "frame|min_flt"),
    ("anon_read", 0x10e00000,
     ["read at 0x10e00000 by the kernel \\(faults", "__copy_user", "error code   0x0: no present entry",
      "case         fault_anon_read"],
     ["Done: fault_anon_read;", "the shared page of zeroes"], "goes on at"),
    ("fixup", 0x10f00000,
     ["by the kernel", "case         extable_fixup"],
     ["goes on at   __copy_user", "every entry is as it was"], "frame"),
]


def missing(said, wanted, unwanted=None):
    text = "\n".join(said)
    problems = [f"not said: {w}" for w in wanted if not re.search(w, text, re.M)]
    if unwanted and re.search(unwanted, text, re.M):
        problems.append(f"said, and wrong: {re.search(unwanted, text, re.M)[0]}")
    return problems + ([f"| {line}" for line in said] if problems else [])


def check_cases(group, machine):
    for case, addr, before, after, never in CASES:
        name = f"case.{case}" + (f".{addr:#x}" if addr else "")
        said = machine.type(f"oct-fault faults case {case}" + (f" at {addr:#x}" if addr else ""))
        problems = missing(said, before)
        if not problems and addr == 0x10700000:
            problems = check_around(machine)
        problems = problems or missing(machine.type("oct-fault finish"), after, never)
        group.verdict(name, problems)
        if problems and "Page fault" not in "\n".join(said):
            return  # the program is gone


def steps(group, name, machine, script):
    """Commands, and what each has to say, up to the first that does not."""
    problems = []
    for command, wanted in script:
        problems = problems or missing(machine.type(command), wanted)
    group.verdict(name, problems)


def check_two_processors(group):
    """The cases that take a second processor: gdb lets one of them run while the other stands."""
    at = "at 0x11000000"
    machine = Debugger(group, {"RUN": "faults spurious", "APPEND": "norandmaps quiet", "SMP": "2", "ICOUNT": "0"})
    steps(group, "case.spurious", machine, (
        (f"oct-fault faults case anon_write {at}", ["case         fault_anon_write"]),
        ("set scheduler-locking on", []),
        ("set $first = $_thread", []),
        ("set $other = 3 - $_thread", []),
        ("thread $other", ["Switching to thread"]),
        (f"oct-fault {at}", ["write at 0x11000000", "pmd.*none", "case         fault_anon_write"]),
        ("thread $first", ["page_fault"]),
        ("oct-fault finish", ["Done: fault_anon_write;", OURS]),
        ("thread $other", ["page_fault"]),
        ("oct-fault show", [r"error code   0x6 WRITE USER: no present entry", r"pte\[  0\] .* PRESENT RW USER",
                            "case         fault_spurious"]),
        ("oct-fault finish", ["Done: fault_spurious;", "every entry is as it was", "fault_spurious +0 -> 1"])))
    machine.stop()
    machine = Debugger(group, {"RUN": "faults migrating", "APPEND": "norandmaps quiet", "SMP": "2", "ICOUNT": "0"})
    steps(group, "case.migrating", machine, (
        ("tbreak migrate_pages", []),
        ("continue", ["migrate_pages"]),
        ("oct-fault faults case migrating", [r"pte\[ *\d+\] .* migration of pfn 0x[0-9a-f]+ ", "case         fault_migrating"]),
        ("oct-fault finish", ["Done: (fault_migrating -> )*fault_spurious; handle_mm_fault", "pte .* migration of pfn",
                              "now  0x[0-9a-f]+  pfn 0x[0-9a-f]+  PRESENT RW USER", OURS, "pgmigrate_success"])))
    machine.stop()


def check_around(machine):
    """At the COW fault of the child, stopped on the handler's first instruction: what else is there to see."""
    problems = []
    frames = ["#0 .* in page_fault|#0  page_fault", "<signal handler called>", "in_child .*at user/faults.c", "main .*at user/faults.c"]
    for command, wanted in (
            ("bt", frames),
            ("oct-bt", ["fault_common at kernel/x86/entry.S", "---- page fault from user mode: error 0x7 PRESENT WRITE USER",
                        "cow_copy at user/faults.c", "main at user/faults.c"]),
            ("oct-walk 0x10700000", ["CR3", "pgd\\[  0\\]", "pud\\[  0\\]", "pmd\\[131\\]", "pte\\[256\\] .*PRESENT USER", "-> physical"]),
            ("oct-walk 0x10700000 1", ["not mapped"]),
            ("oct-walk page_fault", ["PRESENT ACCESSED GLOBAL|PRESENT RW ACCESSED", "-> physical 0x1"]),
            ("oct-page 0x10700000", ["swapbacked anon", "perhaps shared", "refcount  2", "mapcount  2"]),
            ("oct-rmap 0x10700000", ["faults +0x000010700000 .*\n.*faults +0x000010700000 ", "2 ptes map it", "mapcount 2$"]),
            ("oct-vmas", ["000010700000-000010704000 rw-p  anonymous", "\\[stack\\]", "/bin/faults from page", "tables \\d+ KiB"]),
            ("oct-ps", ["^ +1 +0 S .* init$", "R cpu0 .* faults$", "kswapd0 \\(kernel\\)"]),
            ("oct-bt 1", ["init, pid 1, sleeps", "schedule at kernel/sched/sched.c", "---- system call 61, wait4"]),
            ("oct-locks", ["pages are locked"]),
            ("oct-lru 1", ["lru_inactive_anon", "batch of CPU 0"]),
            ("oct-swap", ["area 0: /dev/ram0, .*4095 slots"]),
            ("oct-slabs anon_vma", ["anon_vma +\\d+", "partial +pfn|full +pfn"]),
            ("oct-e820", ["RAM"]),
            ("print $_streq(\"a\", \"a\") ? *(struct page *)0xffffea0000000000 : *(struct page *)0xffffea0000000000",
             ["reserved: never handed out"]),
            ("print (gfp_t)0xdc0", ["GFP_KERNEL\\|__GFP_ZERO"]),
            ("print (swp_entry_t){0x10000005}", ["area 1 slot 0x5"]),
            ("print slab_caches", ["\\d+ elements"]),
            ("oct-check", ["^buddy +ok", "^lru +ok", "^rmap +ok: \\d+ ptes", "^slab +ok", "^vma +ok"])):
        problems += [f"{command}: {p}" for p in missing(machine.type(command), wanted)]
    return problems


# ---------------------------------------------------------------------------- broken structures

ANON = "((struct page *)0xffffea0000000000 + $pfn)"
VMA = "(&(*(struct vm_area_struct *)$vma))"
# (what, the lvalue that is spoiled, by which value, what is asked, what must be said)
BREAK = [
    ("a list that bites its tail", "slab_caches.next->next->next", "slab_caches.next", "oct-slabs", "broken: .*slab_caches|broken: the list"),
    ("a list that leads nowhere", "slab_caches.next->next", "0x8", "oct-check slab", "where no memory is"),
    ("a list printed", "slab_caches.next->next->next", "slab_caches.next", "print slab_caches", "broken after"),
    ("a pfn list that bites its tail", "node_data[0].zones[1].lru.list[0].head", "0x7fffffff", "oct-check lru", "does not exist"),
    ("a link back that is wrong", ANON + "->prev", "3", "oct-check lru buddy", "before it, not"),
    ("a mapcount", ANON + "->mapcount.counter", "7", "oct-check rmap", "mapcount 7, the tables have \\d"),
    ("a block's order", "((struct page *)0xffffea0000000000 + $free)->order", "30", "oct-check buddy", "no free block of that order"),
    ("a free count", "node_data[0].zones[1].nr_free", "5", "oct-check buddy", "counted as 5"),
    ("a slab's use", "((struct kmem_cache *)$cache)->nr_out", "100000", "oct-check slab", "counted as 100000"),
    ("a tree that bites its tail", VMA + "->mm_node.rb_child[1]", "$vma_root", "oct-vmas", "broken: .*(twice|another parent)"),
    ("a vma's end", VMA + "->end", "0x10000", "oct-check vma", "does not lie behind"),
    ("a gap", VMA + "->gap_bound", "0x1000", "oct-check vma", "than 0x1000 as noted"),
    ("the number of vmas", VMA + "->mm->map_count", "1", "oct-check vma", "counted as 1"),
    ("a table's entry", "*(unsigned long *)$pte", "0x7fff000067", "oct-check rmap", "which does not exist"),
    ("an entry printed", "*(unsigned long *)$pte", "0x8000000000200109", "print *(pte_t *)$pte", "PWT|pfn 0x200"),
    ("rss", VMA + "->mm->rss_anon.counter", "999", "oct-check rmap", "rss_anon is 999"),
    ("processes that bite their tail", "all_processes.next->next->next", "all_processes.next", "oct-ps", "broken: the list"),
]
FIND = """
import gdb
import octavo.core as c, octavo.fault as f, octavo.pages as p, octavo.tasks as t, octavo.tables as b
fault = f._last["fault"]
vma = t.vma_around(fault.mm, 0x10100000)
gdb.set_convenience_variable("vma", c.num(vma.address))
gdb.set_convenience_variable("vma_root", c.num(fault.mm["vma_tree"]["rb_node"]))
gdb.set_convenience_variable("pfn", c.num(c.variable("node_data")[0]["zones"][1]["lru"]["list"][0]["tail"]))
gdb.set_convenience_variable("free", next(h for (o, m), (h, n) in p.free_lists(list(c.zones())[1]).items() if n))
gdb.set_convenience_variable("cache", c.num(next(p.caches()).address))
gdb.set_convenience_variable("pte", c.const("PAGE_OFFSET") + b.walk(0x10100000, b.root_of(fault.mm))[-1].where)
"""


def check_broken(group, machine):
    """Spoil, ask, put it back: the next one finds it whole."""
    path = os.path.join(ROOT, LOGS, "find.py")
    with open(path, "w") as f:
        f.write(FIND)
    machine.type(f"source {path}")
    for name, where, value, command, wanted in BREAK:
        machine.type(f"set $was = {where}")
        machine.type(f"set var {where} = {value}")
        started = time.monotonic()
        problems = missing(machine.type(command), [wanted])
        if time.monotonic() - started > 60:
            problems.append("it took a minute")
        machine.type(f"set var {where} = $was")
        group.verdict(f"broken.{name}", problems)
    group.verdict("broken.whole again", missing(machine.type("oct-check"), [f"^{n} +ok" for n in ("buddy", "lru", "rmap", "slab", "vma")]))


EARLY = ["oct-ps", "oct-vmas", "oct-walk page_fault", "oct-page 5", "oct-rmap 5", "oct-buddy", "oct-zones", "oct-lru 1", "oct-slabs",
         "oct-swap", "oct-locks", "oct-check", "oct-bt", "oct-bt 1", "oct-fault show", "oct-fault finish", "oct-fault x at", "oct-e820",
         "oct-program", "oct-back", "oct-prev-fault", "oct-trace", "oct-walk", "oct-page nonsense", "oct-vmas nobody",
         "print slab_caches", "print all_processes", "print node_data[0].zones[0]", "oct-type x"]


def check_early(group):
    """Before the first instruction, with paging off, and before there are threads: each command answers, and
    none with a mistake of its own."""
    machine = Debugger(group, {"APPEND": "quiet"})
    for place in ("reset", "kernel_main"):
        if place != "reset":
            machine.type(f"tbreak {place}")
            machine.type("continue")
        problems = []
        for command in EARLY:
            text = "\n".join(machine.type(command))
            if re.search(r"Python Exception|Traceback|Error occurred in Python", text):
                problems += [f"{command}:", *text.splitlines()[:8]]
        group.verdict(f"early.{place}", problems)
    machine.stop()


# ---------------------------------------------------------------------------- static, the documents, the terminal


def check_names(group):
    """The commands know each case of the picture in mm/fault.c."""
    found = set()
    for name in os.listdir(os.path.join(ROOT, "mm")):
        if name.endswith(".c"):
            with open(os.path.join(ROOT, "mm", name)) as f:
                found |= set(re.findall(r"^(?:static )?fault_case (fault_\w+)\(", f.read(), re.M))
    with open(os.path.join(ROOT, "scripts/gdb/octavo/fault.py")) as f:
        text = f.read()
    known = set(re.findall(r'^    "(fault_\w+)": ', text[text.index("CASES = {"):text.index("# Other ends")], re.M))
    group.verdict("names", [f"scripts/gdb/octavo/fault.py: {n} is not in CASES" for n in sorted(found - known)]
                  + ([] if found else ["mm: no fault_case was found"]))


def check_documented(group):
    """Each command has its transcript."""
    with open(DOC) as f:
        typed = {line[len(PROMPT):].split()[0] for line in f if line.startswith(PROMPT + "oct-")}
    names = set()
    folder = os.path.join(ROOT, "scripts/gdb/octavo")
    for module in os.listdir(folder):
        if module.endswith(".py"):
            with open(os.path.join(folder, module)) as f:
                names |= set(re.findall(r'^    name = "(oct-[\w-]+)"', f.read(), re.M))
    names.discard("oct-type")  # needs a terminal: check_terminal
    group.verdict("documented", [f"docs/gdb.md: no transcript of {n}" for n in sorted(names - typed)])


def check_document(group, write=False, replay=False):
    seen = {}

    def report(name, problems):
        command = name.split(": ", 1)[1]
        seen[command] = seen.get(command, 0) + 1
        group.verdict(f"docs.{command}" + (f" ({seen[command]})" if seen[command] > 1 else ""), problems)

    transcripts.run_file(DOC, write, report, REPLAY_FENCE if replay else FENCE, PROMPT,
                         lambda variables: Debugger(group, variables, replay))


class Terminal:
    """scripts/debug on a terminal of its own."""

    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.environ.update({"BUILD": "debug", "MEM": "64", "GDB_PORT": free_port(), "RUN": "", "SWAP": "", "TERM": "dumb",
                               "APPEND": "quiet", "GDB_ARGS": "-ex 'set pagination off' -ex 'set confirm off'", "DEBUG_TMUX": ""})
            os.execvp("scripts/debug", ["scripts/debug"])
        self.text = ""

    def expect(self, pattern, seconds=90):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            if time.monotonic() > end or not select.select([self.fd], [], [], 1)[0] and time.monotonic() > end:
                return False
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    return bool(re.search(pattern, self.text))
        self.text = self.text[re.search(pattern, self.text).end():]
        return True

    def send(self, text):
        os.write(self.fd, text.encode())

    def stop(self):
        self.send("\x03kill\nquit\n")
        self.expect("\0", 3)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def check_terminal(group):
    """make debug on a terminal: gdb comes by itself, has its commands, and can type to the guest."""
    terminal = Terminal()
    problems = []
    try:
        for typed, wanted in (("", r"\(gdb\) "), ("tbreak kernel_main\ncontinue\n", r"Temporary breakpoint 1, (0x\w+ in )?kernel_main"),
                              ("continue\n", r"/ # "), ("\x03", r"\(gdb\) "), ("oct-type echo a$((6*7))b\ncontinue\n", "a42b")):
            terminal.send(typed)
            if not terminal.expect(wanted):
                problems = [f"after {typed!r} no {wanted}", *("| " + line for line in terminal.text.splitlines()[-20:])]
                break
    finally:
        terminal.stop()
    group.verdict("terminal", problems)
    # without one: the line to type elsewhere
    environment = {**os.environ, "BUILD": "debug", "GDB_PORT": free_port(), "QEMU_ARGS": "-version", "DEBUG_TMUX": ""}
    said = subprocess.run(["scripts/debug"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          timeout=60).stdout.decode()
    group.verdict("no terminal", missing(said.splitlines(), [r"In another terminal:\n    gdb .*octavo.elf .*target remote :\d+"]))


def run(group, options):
    check_names(group)
    check_documented(group)
    machine = Debugger(group, FAULTS)
    check_cases(group, machine)
    machine.stop()
    machine = Debugger(group, FAULTS)
    machine.type("oct-fault faults case zero_cow")
    check_broken(group, machine)
    machine.stop()
    check_two_processors(group)
    check_early(group)
    check_document(group)
    check_terminal(group)


def run_replay(group, options):
    check_document(group, replay=True)


def main():
    os.makedirs(os.path.join(ROOT, LOGS), exist_ok=True)
    group = Group("gdb-docs", "", None)
    try:
        for replay in (False, True):
            check_document(group, sys.argv[1:] == ["--write"], replay)
    finally:
        group.stop()
    for name in group.results.failed:
        print(f"{name}: " + "\n    ".join(group.results.why[name]))
    return bool(group.results.failed) and sys.argv[1:] != ["--write"]


if __name__ == "__main__":
    sys.exit(main())
