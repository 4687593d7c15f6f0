# SPDX-License-Identifier: MIT
"""A program's symbols, loaded when it is executed.

The kernel calls files_close_on_exec() once an exec can no longer fail: the new space is the running
thread's then. The program's name says where make left the original, which has its symbols. A program
that depends on where it was put (static PIE, dynamic) is found by its vma. Symbols stay until another
program of the build tree is executed whose addresses overlap, or the same one at another address."""

import os
import struct

import gdb

from . import tasks
from .core import Broken, Command, build_dir, have, num

HOOK = "files_close_on_exec"
_state = {"hook": None, "loaded": {}}


class Auto(gdb.Parameter):
    """Load a program's symbols when the guest executes it (docs/gdb.md)."""

    set_doc = "Set whether a program's symbols are loaded when it is executed."
    show_doc = "Show whether a program's symbols are loaded when it is executed."

    def __init__(self):
        super().__init__("octavo-programs", gdb.COMMAND_FILES, gdb.PARAM_BOOLEAN)
        self.value = True

    def get_set_string(self):
        if _state["hook"]:
            _state["hook"].enabled = self.value
        return ""

    def get_show_string(self, value):
        return f"Symbols of programs are loaded when they are executed: {value}."


def host_file(path):
    """Where the original of a file of the image is."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    for folder in (os.path.join(build_dir(), "user"), os.path.join(root, "rootfs")):
        found = os.path.join(folder, path.lstrip("/"))
        if os.path.isfile(found):
            return found
    return None


def load_segments(path):
    """(type, [(offset, vaddr, size)]) of an ELF64 file's loadable segments."""
    with open(path, "rb") as f:
        head = f.read(64)
        if head[:5] != b"\x7fELF\x02":
            return None, []
        kind, = struct.unpack_from("<H", head, 16)
        offset, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        f.seek(offset)
        data = f.read(size * count)
    found = []
    for i in range(count):
        seg_type, _, at, vaddr, _, _, length = struct.unpack_from("<IIQQQQQ", data, i * size)
        if seg_type == 1:
            found.append((at, vaddr, length))
    return kind, found


def bias(path, mm):
    """What to add to the file's addresses."""
    kind, segments = load_segments(path)
    if not segments or kind != 3:  # ET_DYN
        return 0
    mapping = num(mm["exe_file"]["mapping"])
    for vma in tasks.vmas(mm):
        if num(vma["file"]) and num(vma["file"]["mapping"]) == mapping and num(vma["pgoff"]) == segments[0][0] >> 12:
            return num(vma["start"]) - (segments[0][1] & ~0xfff)
    return 0


def load(mm, quiet=False):
    """The symbols of what runs in mm, if the build tree has them: its name, or None."""
    path = tasks.file_name(mm["exe_file"])
    found = host_file(path)
    if not found:
        return None
    base = bias(found, mm)
    if _state["loaded"].get(found) == base:
        return path
    _, segments = load_segments(found)
    ours = [(base + v, base + v + n) for _, v, n in segments]
    for other, at in list(_state["loaded"].items()):
        theirs = [(at + v, at + v + n) for _, v, n in load_segments(other)[1]]
        if other == found or any(a < d and c < b for a, b in ours for c, d in theirs):
            unload(other)
    where = f" -o {base:#x}" if base else ""
    gdb.execute(f"add-symbol-file {found}{where}", to_string=True)
    _state["loaded"][found] = base
    if not quiet:
        print(f"[{path}: symbols of {os.path.relpath(found)}" + (f" at {base:#x}]" if base else "]"))
    return path


def unload(path):
    for objfile in gdb.objfiles():
        if objfile.is_valid() and objfile.filename and os.path.realpath(objfile.filename) == os.path.realpath(path):
            _, segments = load_segments(path)
            gdb.execute(f"remove-symbol-file -a {_state['loaded'][path] + segments[0][1]:#x}", to_string=True)
            break
    _state["loaded"].pop(path, None)


class ExecHook(gdb.Breakpoint):
    """Stops for nobody."""

    def __init__(self):
        super().__init__(HOOK, internal=True)
        self.silent = True

    def stop(self):
        try:
            mm = tasks.current_mm()
            if mm is not None and host_file(tasks.file_name(mm["exe_file"])):
                load(mm)
        except (gdb.error, Broken, OSError):
            pass
        return False


class Program(Command):
    """oct-program [PID|NAME]: load the symbols of the program that runs here, or in a process."""

    name = "oct-program"
    kind = gdb.COMMAND_FILES

    def run(self, words):
        mm = tasks.mm_of(words[0]) if words else tasks.current_mm()
        name = load(mm) if mm is not None else None
        print(f"{name}: its symbols are loaded" if name else "no symbols: it is not a program of this tree")


def hook():
    """The kernel file has been read (again)."""
    for old in (_state["hook"],):
        if old is not None and old.is_valid():
            old.delete()
    _state["hook"] = ExecHook() if have(HOOK) else None


def register():
    Auto()
    Program()
