# SPDX-License-Identifier: MIT
"""Processes, threads, address spaces, and who holds which lock."""

import gdb

from . import names
from .core import (Broken, Command, all_pages, at, const, current_thread, enum, evaluate, have, list_entries, memory,
                   num, offset_of, on_cpu, signed, spin_held, symbol_at, text, tree_entries, usage, variable)

STATES = {"THREAD_RUNNING": "R", "THREAD_INTERRUPTIBLE": "S", "THREAD_UNINTERRUPTIBLE": "D", "THREAD_KILLABLE": "K",
          "THREAD_STOPPED": "T", "THREAD_DEAD": "X"}


# ---------------------------------------------------------------------------- finding


def processes():
    yield from list_entries(variable("all_processes"), "struct process", "all_node")


def threads(process):
    yield from list_entries(process["threads"], "struct task", "thread_node")


def kernel_process():
    return variable("boot_process")


def all_threads():
    for process in processes():
        for task in threads(process):
            yield process, task
    for task in threads(kernel_process()):
        yield kernel_process(), task


def name_of(task):
    return text(task["thread"]["comm"])


def current_task():
    thread = current_thread()
    return at(num(thread), "struct task") if num(thread) else None


def find_task(word):
    """By pid, by name (the newest of that name), or a struct task *."""
    pid = int(word) if word.isdigit() else None
    found = None
    for process, task in all_threads():
        if pid == num(task["pid"]) or (pid is None and name_of(task) == word):
            found = task
    if found is None and pid is None and not word.replace("_", "").isalnum():
        return at(evaluate(word), "struct task")
    if found is None:
        raise gdb.GdbError(f"there is no process {word} (oct-ps)")
    return found


def mm_of(word):
    """The address space (a value) of a process; word: pid, name or a struct mm_struct *."""
    if word.startswith(("0x", "(", "$")) or word == "init_mm":
        return variable("init_mm") if word == "init_mm" else at(evaluate(word), "struct mm_struct")
    mm = find_task(word)["thread"]["mm"]
    if not num(mm):
        raise gdb.GdbError(f"{word} has no address space: a kernel thread, or it has exited")
    return mm.dereference()


def current_mm():
    thread = current_thread()
    mm = thread["mm"] if num(thread) else 0
    return mm.dereference() if num(thread) and num(mm) else None


def spaces():
    """(mm, pid of one who runs in it, name), each mm once."""
    seen = set()
    for process, task in all_threads():
        mm = num(task["thread"]["mm"])
        if mm and mm not in seen:
            seen.add(mm)
            yield at(mm, "struct mm_struct"), num(task["pid"]), name_of(task)


# ---------------------------------------------------------------------------- vmas


def vmas(mm):
    """In the order of the tree."""
    yield from tree_entries(mm["vma_tree"], "struct vm_area_struct", "mm_node")


def vma_around(mm, addr):
    """The vma that contains addr, or the next above it, or None."""
    return next((v for v in vmas(mm) if num(v["end"]) > addr), None)


def file_name(mappable):
    """The path of a struct mappable *, "" if there is none."""
    if not num(mappable):
        return ""
    try:
        path = at(num(mappable) - offset_of("struct file", "mappable"), "struct file")["path"]
        return path_of(path["mnt"], path["dentry"])
    except gdb.error:
        return "?"


def path_of(mount, dentry):
    parts = []
    for _ in range(64):
        if num(mount) and num(dentry) == num(mount["root"]):
            if not num(mount["mountpoint"]):
                break
            mount, dentry = mount["parent"], mount["mountpoint"]
        elif num(dentry["parent"]) == num(dentry):
            break
        else:
            parts.append(text(dentry["name"]))
            dentry = dentry["parent"]
    return "/" + "/".join(reversed(parts))


def vma_kind(vma, mm=None):
    if num(vma["file"]):
        return file_name(vma["file"])
    if mm is not None and num(vma["start"]) < num(mm["brk"]) and num(vma["end"]) > num(mm["start_brk"]):
        return "[heap]"
    if mm is not None and num(vma["start"]) <= num(mm["start_stack"]) < num(vma["end"]):
        return "[stack]"
    return "anonymous"


def vma_line(vma, mm=None):
    line = f"{num(vma['start']):012x}-{num(vma['end']):012x} {names.vm_rights(num(vma['flags']))}  {vma_kind(vma, mm)}"
    return line + (f" from page {num(vma['pgoff'])}" if num(vma["file"]) else "")


class Vmas(Command):
    """oct-vmas [PID|NAME|MM]: the mappings of an address space; without one, of who runs on this CPU."""

    name = "oct-vmas"

    def run(self, words):
        if len(words) > 1:
            usage(self)
        mm = mm_of(words[0]) if words else current_mm()
        if mm is None:
            print("a kernel thread: no address space of its own (oct-vmas PID looks at another's)")
            return
        count = 0
        for vma in vmas(mm):
            count += 1
            print(f"{vma_line(vma, mm)}  (struct vm_area_struct *){num(vma.address):#x}")
        rss = ", ".join(f"{what} {signed(mm[f'rss_{what}'])}" for what in ("anon", "file", "shmem"))
        print(f"{count} vmas; pages: {rss}, swap {signed(mm['swap_ents'])}; tables {num(mm['pgtables_bytes']) >> 10} KiB")


# ---------------------------------------------------------------------------- oct-ps


def state_of(process, task):
    if num(process["zombie"]):
        return "Z"
    return STATES.get(enum("thread_state").get(num(task["thread"]["state"])), "?")


def on_cpu_mark(task):
    return f"cpu{num(task['thread']['cpu'])}" if num(task["thread"]["on_cpu"]) else ""


class Ps(Command):
    """oct-ps: processes and threads: state, CPU, pages in memory and in swap, faults, name."""

    name = "oct-ps"

    def run(self, words):
        print("  PID  PPID S CPU     RSS   SWAP  MINFLT MAJFLT  NAME")
        for process, task in all_threads():
            thread, mm = task["thread"], task["thread"]["mm"]
            rss = swap = "-"
            if num(mm):
                rss = sum(signed(mm[f"rss_{k}"]) for k in ("anon", "file", "shmem"))
                swap = signed(mm["swap_ents"])
            leader = num(process["leader"]) == num(task.address) or num(process["pid"]) == 0
            print(f"{num(task['pid']):5} {signed(process['ppid']):5} {state_of(process, task)} {on_cpu_mark(task):4} {rss:>6} "
                  f"{swap:>6} {num(thread['min_flt']):7} {num(thread['maj_flt']):6}  "
                  f"{'' if leader else '  thread of ' + str(num(process['pid'])) + ': '}{name_of(task)}"
                  f"{'' if num(mm) else ' (kernel)' if num(thread['flags']) & const('THREAD_KTHREAD') else ''}")


# ---------------------------------------------------------------------------- oct-locks


def class_name(number):
    return enum("lock_class").get(number, str(number)).replace("LOCK_", "")


def rwsem_state(sem):
    count = num(sem["count"]) & 0xffffffff
    waiting = " and somebody waits" if count & const_or("RWSEM_WAITERS", 1) else ""
    if count & const_or("RWSEM_WRITER", 2):
        owner = num(sem["owner"])
        return f"held for writing by {name_of(at(owner, 'struct task')) if owner else '?'}{waiting}"
    readers = count // const_or("RWSEM_READER", 4)
    return f"held for reading, {readers} times{waiting}" if readers else f"free{waiting}"


def const_or(name, default):
    try:
        return const(name)
    except gdb.error:
        return default  # a macro of a .c file


class Locks(Command):
    """oct-locks: which thread holds which lock (debug builds note it), who waits, which pages are locked."""

    name = "oct-locks"

    def run(self, words):
        debug = have("class_use")
        if not debug:
            print("a release build: threads do not note what they hold (make BUILD=debug)")
        for process, task in all_threads():
            thread = task["thread"]
            count = num(thread["nr_held"])
            size = thread["held"].type.range()[1] + 1
            if count > size:
                raise Broken(f"{name_of(task)} holds {count} locks, of {size} at most")
            for i in range(count):
                held = thread["held"][i]
                where = num(held["lock"])
                print(f"{num(task['pid']):5} {name_of(task):15} holds {class_name(num(held['class'])):12} "
                      f"{'spin ' if num(held['spin']) else 'sleep'} {lock_place(where)}")
        for task, waits in waiters():
            print(f"{num(task['pid']):5} {name_of(task):15} waits in {waits}")
        for mm, pid, name in spaces():
            state = rwsem_state(mm["mmap_lock"])
            spins = [s for s in ("tree_lock", "pgd_lock") if spin_held(mm[s])]
            if state != "free" or spins:
                print(f"{pid:5} {name:15} mmap_lock {state}" + "".join(f", {s} held" for s in spins))
        locked = [p for p in all_pages() if p.flag("locked")]
        print(f"{len(locked)} pages are locked" + (": pfn " + " ".join(f"{p.pfn:#x}" for p in locked[:16]) if locked else ""))


def lock_place(where):
    symbol = symbol_at(where)
    if not symbol.startswith("0x"):
        return f"{symbol} ({where:#x})"
    size = const("VMEMMAP_START")
    if size <= where < size + (1 << 40):
        from .core import layout
        return f"{where:#x} (of the page table at pfn {(where - size) // layout('struct page').size:#x})"
    return symbol


WAITING = ("mutex_lock", "down_read", "down_write", "down_write_killable", "wait_to_read", "wait_to_write", "lock_page",
           "lock_page_killable", "wait_on_page_locked", "wait_on_page_writeback")


def waiters():
    """Blocked threads that sleep for a lock, by the functions on their stacks."""
    from . import frames
    for process, task in all_threads():
        if num(task["thread"]["on_cpu"]) or num(task["thread"]["state"]) == const("THREAD_RUNNING"):
            continue
        functions = [symbol_at(pc).split(" ")[0] for pc in frames.saved_chain(task)]
        found = [f for f in functions if f in WAITING]
        if found:
            yield task, " < ".join(functions[functions.index(found[-1]):][:3])


def register():
    Vmas()
    Ps()
    Locks()
