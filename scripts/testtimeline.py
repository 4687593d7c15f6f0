# SPDX-License-Identifier: MIT
"""scripts/timeline, given traces that are made up: for scripts/check.py."""

import importlib.machinery
import importlib.util
import os
import struct
import time
import xml.dom.minidom

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ["none", "anon_write", "swap_in"]
EVENTS = ["fault", "oom", "kswapd_wake", "kswapd_sleep", "exec", "fork"]


def load():
    loader = importlib.machinery.SourceFileLoader("timeline", os.path.join(HERE, "timeline"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("timeline", loader))
    loader.exec_module(module)
    return module


def record(ns, pid, event, arg, code=0, flags=0):
    return struct.pack("<QIBBBB6Q", ns, pid, event, 0, code, flags, *(list(arg) + [0] * 6)[:6])


def meta(number, code, text, part=0):
    return record(0, number, 255, struct.unpack("<6Q", text.encode().ljust(48, b"\0")), code, part)


def head():
    out = meta(0, 0, "OCTTRACE\1")
    for i, name in enumerate(EVENTS):
        out += meta(i, 1, (name + " " + "x=%lu " * 20)[:48]) + meta(i, 1, "y=%lu", 1)
    return out + b"".join(meta(i, 2, name) for i, name in enumerate(KINDS))


def fault(ns, pid, address, kind=1, result=0, free=1000, rss=10, swap=0):
    return record(ns, pid, 0, [address, 0, 1, 0, 500 | result << 56, free | rss << 24 | swap << 44], kind, 5)


def problems():
    t = load()
    found = []

    def check(ok, what):
        if not ok:
            found.append(f"scripts/timeline: {what}")

    def draw(data, **options):
        picture = t.draw(*t.parse(data), **options)
        xml.dom.minidom.parseString(picture)
        return picture

    def refused(data):
        try:
            draw(data)
        except t.BadTrace:
            return True
        return False

    few = head() + record(500, 7, 4, struct.unpack("<2Q", b"pro<gram".ljust(16, b"\0")))
    few += b"".join(fault(1000 + i * 1000, 7, 0x400000 + i * 4096) for i in range(50))
    few += b"".join(fault(60000 + i, 8, 0x700000, 2) for i in range(10))
    few += record(90000, 3, 254, [77]) + record(95000, 9, 1, [7, 100, 0])
    few += record(60000, 2, 2, [10]) + record(70000, 2, 3, [20])
    records, lost, kinds = t.parse(few)
    check(len(records) == 64 and lost == 77, "records or losses are miscounted")
    check(t.kind_of(records[1], kinds) == "anon_write" and t.memory(records[1]) == (1000, 10, 0),
          "a record's fields are not what was written")
    picture = draw(few)
    check("pro&lt;gram (pid 7)" in picture, "does not say whose picture it is")
    check("60 faults" in picture and "77 records were lost" in picture, "does not say how much it shows")
    check(picture.count(t.COLOURS["anon_write"]) >= 40, "a fault has no dot")
    check("OOM: process 7 killed" in picture and "kswapd at work" in picture, "OOM or kswapd is missing")
    check(t.LABELS["swap_in"] in picture and t.LABELS["swap_in"] not in draw(few, pid=7), "shows another's faults")
    early = head() + fault(10, 7, 0x900000) + few[len(head()):]
    check("60 faults" in draw(early), "shows what was before the command")
    check("10 faults" in draw(few, pid=8), "--pid is not obeyed")
    low, high = 0x400000, 0x7fff00000000
    apart = t.Strips([t.parse(head() + fault(1, 1, a))[0][0] for a in (low, low + 4096, high)], 0, 400)
    check(apart.y(high) < apart.y(low + 4096) < apart.y(low), "higher addresses are not higher up")
    check(apart.y(low + (1 << 30)) is None, "an address between the strips has a place")

    check(refused(b"") and refused(b"x" * 1000) and refused(head()), "draws where there is nothing")
    check(len(t.parse(few[100:] + few)[0]) == 64, "does not find the stream's beginning")
    check(len(t.parse(few + b"junk" + few)[0]) >= 127, "does not find the next stream behind a gap")
    check(len(t.parse(few[:-5])[0]) == 63, "takes a part of a record for a record")
    began = fault(1, 7, 0x400000, 1 | 2 << 4)
    check(t.kind_of(t.parse(head() + began)[0][0], kinds) == "swap_in", "a fault that began again has lost its case")

    start = time.time()
    many = head() + b"".join(fault(i * 1000, 7, 0x400000 + i % 5000 * 4096, 1 + i % 2, free=i % 9999, rss=i % 777)
                             for i in range(100000))
    picture = draw(many)
    check(len(picture) < 3 << 20, f"100,000 records make {len(picture)} bytes")
    check(time.time() - start < 30, "100,000 records take long")
    return found
