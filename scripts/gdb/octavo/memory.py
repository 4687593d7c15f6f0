# SPDX-License-Identifier: MIT
"""The machine: its memory map, its keyboard."""

import os

import gdb

from .core import Command, num, variable

KINDS = {1: "RAM", 2: "reserved", 3: "ACPI", 4: "ACPI NVS", 5: "bad"}


class E820(Command):
    """oct-e820: the memory map that the loader gave."""

    name = "oct-e820"

    def run(self, words):
        info = variable("boot_info")
        for i in range(num(info["nr_regions"])):
            region = info["regions"][i]
            base, length, kind = num(region["base"]), num(region["len"]), num(region["type"])
            print(f"{base:#014x}-{base + length - 1:#014x} {length >> 10:10} KiB {KINDS.get(kind, kind)}")


class Type(Command):
    """oct-type TEXT: type TEXT and Enter at the guest's terminal (of a gdb that make debug has started)."""

    name = "oct-type"
    kind = gdb.COMMAND_RUNNING
    complete_as = gdb.COMPLETE_NONE

    def invoke(self, argument, from_tty):
        keyboard = os.environ.get("OCTAVO_KEYBOARD")
        if not keyboard:
            raise gdb.GdbError("the guest has a terminal of its own: type there")
        with open(keyboard, "w") as f:
            f.write(argument + "\n")


def register():
    E820()
    Type()
