# SPDX-License-Identifier: MIT
"""The test groups screen and screen-uefi: what stands on the machine's screen, and its keyboard.

Keys come from QEMU's monitor (sendkey). The screen is read as a person would: in text mode out of VGA's
memory (xp), from a framebuffer by comparing each cell of a screenshot with the glyphs of the font. So
nothing that the kernel says about itself is believed.
"""

import os
import re
import socket
import tempfile
import time

import mkfont
from harness import ROOT, SILENCE, limit

VGA = 0xb8000
COLS, ROWS = 80, 25
ENDED = 0  # restarted, with -no-reboot
KEYS = dict(zip(" \n-=[];'`\\,./\t", "spc ret minus equal bracket_left bracket_right semicolon apostrophe "
                "grave_accent backslash comma dot slash tab".split()))
SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./"))
FONTS = ("/usr/share/grub/unicode.pf2", "/usr/share/grub2/unicode.pf2", "/boot/grub/fonts/unicode.pf2")


def key_name(char):
    if char in SHIFTED:
        return "shift-" + key_name(SHIFTED[char])
    if char.isupper():
        return "shift-" + char.lower()
    return KEYS.get(char, char)


class Monitor:
    """QEMU's, for people: a line in, text out, up to the next prompt."""

    def __init__(self, path, deadline):
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self.socket.settimeout(SILENCE)
        self.read()

    def read(self):
        text = b""
        while not text.endswith(b"(qemu) "):
            data = self.socket.recv(65536)
            if not data:
                break
            text += data
        return text.decode(errors="replace")

    def command(self, line):
        try:
            self.socket.sendall(line.encode() + b"\n")
            return self.read()
        except OSError:  # QEMU has ended
            return ""


class TextMode:
    """VGA's memory: a character of code page 437 and an attribute for each cell."""

    def __init__(self, monitor):
        self.monitor = monitor

    def cells(self):
        out = self.monitor.command(f"xp /{2 * COLS * ROWS}xb {VGA:#x}")
        data = bytes(int(b, 16) for b in re.findall(r"0x([0-9a-f]{2})\b", out.partition("\n")[2]))
        if len(data) != 2 * COLS * ROWS:
            return []
        return [[(mkfont.CP437[data[i]], data[i + 1]) for i in range(2 * COLS * y, 2 * COLS * (y + 1), 2)]
                for y in range(ROWS)]


class Framebuffer:
    """A screenshot, read by the font. The attribute of a cell is its ink, None where there is none."""

    def __init__(self, monitor, folder):
        self.monitor = monitor
        self.path = os.path.join(folder, "screen.ppm")
        font = mkfont.load(next(f for f in FONTS if os.path.exists(f)))
        self.glyphs = {bytes(lines): code for code, lines in sorted(font.items(), reverse=True)}
        self.known = {}

    def cells(self):
        self.monitor.command(f"screendump {self.path}")
        try:
            with open(self.path, "rb") as f:
                data = f.read()
        except OSError:
            return []
        head = re.match(rb"P6\s(\d+)\s(\d+)\s255\s", data)
        width, height = (int(n) for n in head.groups()) if head else (0, 0)
        if len(data) != (head.end() if head else 0) + 3 * width * height or width % 8:
            return []
        return [[self.cell(data, head.end() + 3 * (y * width + x), 3 * width) for x in range(0, width, 8)]
                for y in range(0, height - 15, 16)]

    def line(self, pixels, paper):
        """Eight of them: which are ink, and its colour. There are few different ones."""
        if (pixels, paper) not in self.known:
            each = [pixels[i:i + 3] for i in range(0, 24, 3)]
            bits = sum(0x80 >> i for i, p in enumerate(each) if p != paper)
            self.known[pixels, paper] = bits, next((p for p in each if p != paper), None)
        return self.known[pixels, paper]

    def cell(self, data, at, pitch):
        """The paper is the colour of the cell's upper right pixel: few glyphs have ink there."""
        paper = data[at + 21:at + 24]
        lines, ink = [], None
        for line in range(at, at + 16 * pitch, pitch):
            bits, colour = self.line(data[line:line + 24], paper)
            lines.append(bits)
            ink = colour or ink
        found = self.glyphs.get(bytes(lines))
        if found is None and lines[14] == lines[15] == 0xff:  # the cursor
            found = self.glyphs.get(bytes(lines[:14] + [0, 0]))
        return (0xfffd if found is None else found or 32, ink and (tuple(ink), tuple(paper)))


class Screen:
    def __init__(self, group, options, folder, device, **environment):
        path = os.path.join(folder, "monitor")
        self.group = group
        self.deadline = limit(options)
        self.process = group.start(["scripts/qemu", "test"], {
            "SEED": str(options.seed), "QEMU_ARGS": f"-vga std -monitor unix:{path},server,nowait", **environment})
        self.monitor = Monitor(path, time.monotonic() + 20)
        self.device = device(self.monitor)
        self.alive = True

    def rows(self):
        return ["".join(chr(c) for c, _ in row).rstrip() for row in self.device.cells()]

    def wait(self, seen, seconds=30):
        """Until seen(cells) is true; the cells then, else None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.process.drain()
            cells = self.device.cells()
            if cells and seen(cells):
                return cells
            time.sleep(0.05)
        return None

    def shows(self, pattern, seconds=30):
        def seen(cells):
            return re.search(pattern, "\n".join("".join(chr(c) for c, _ in row).rstrip() for row in cells))

        return self.wait(seen, seconds)

    def key(self, name):
        self.monitor.command(f"sendkey {name} 5")
        time.sleep(0.01)

    def type(self, text):
        """The keyboard's buffer holds eight keys: no more are sent ahead of their echo."""
        line = ""
        for i, char in enumerate(text):
            self.key(key_name(char))
            line = "" if char == "\n" else line + char
            if line and (i % 4 == 3 or text[i + 1:i + 2] in ("", "\n")):
                # it may wrap
                if not self.wait(lambda cells: line.rstrip() in "".join(chr(c) for row in cells for c, _ in row)):
                    return

    def case(self, name, ok):
        """Once something is wrong, what follows would only wait."""
        if not self.alive:
            return
        why = [] if ok else ["# the screen:"] + ["# |" + row for row in self.rows() if row]
        self.group.verdict(f"{self.group.name}: {name}", why)
        self.alive = bool(ok)

    def step(self, name, keys, pattern):
        """keys: text, or a list of names of keys."""
        if not self.alive:
            return
        for key in keys if isinstance(keys, list) else []:
            self.key(key)
        if isinstance(keys, str):
            self.type(keys)
        self.case(name, self.shows(pattern))

    def attributes(self, word):
        """Of a row that consists of the word, all the same; None if there is none."""
        for row in self.device.cells():
            if "".join(chr(c) for c, _ in row).rstrip() == word:
                found = {a for _, a in row[:len(word)]}
                return found.pop() if len(found) == 1 else None
        return None


PROMPT = r"(?m)^/ # *$"
STEPS = [
    ("the prompt", "", PROMPT),
    ("letters, digits, Shift", "echo Ab$((6*7))'~!@#%^&*()_+{}|:<>?'\n", r"(?m)^Ab42~!@#%\^&\*\(\)_\+\{\}\|:<>\?$"),
    ("the terminal", "clear; tty; stty size\n", r"(?m)^/dev/tty1\n{rows} {cols}$"),
    ("TERM", "echo $TERM\n", r"(?m)^linux$"),
    ("history by arrow", ["up", "up", "home", "ctrl-k", "e", "c", "h", "o", "spc", "5", "left", "4", "delete",
                          "6", "ret"], r"(?m)^46$"),
    ("a line edited by words", ["e", "c", "h", "o", "spc", "x", "y", "ctrl-w", "z", "backspace", "q", "ret"], r"(?m)^q$"),
    ("Caps Lock", ["e", "c", "h", "o", "spc", "caps_lock", "u", "1", "caps_lock", "d", "ret"], r"(?m)^U1d$"),
    ("scrolling", "clear; seq 1 {long}\n", r"(?m)^{last}\n/ #$"),
    ("Ctrl-C", "sleep 1000\n", r"sleep 1000\n*$"),
    ("ends a program", ["ctrl-c"], r"sleep 1000\n\^C\n/ #"),
    ("a scrolled region", "clear; printf '1\\n2\\n3\\n4\\033[2;3r\\033[3;1H\\n5\\033[r\\033[9H'\n", r"^1\n3\n5\n4\n"),
    ("lines", "printf '\\033[2J\\033[H\\016lqqk\\017 \\342\\224\\202\\n'\n", "^┌──┐ │\n"),
    ("erasing and inserting", "printf '\\033[2J\\033[Habcdefg\\033[1;4H\\033[K\\033[1;2H\\033[2@XY\\n'\n", r"^aXYbc\n"),
    ("a cursor report", "printf '\\033[2J\\033[4;7H\\033[6n'; read -t 9 -n 6 -s a; echo \\\"${{a#?}}\\\"\n", r'(?m)"\[4;7R"$'),
    ("vi", "clear; vi /tmp/v\n", r"(?s)^\n~\n~\n.*- /tmp/v 1/1"),
    ("inserting", ["i"], r"I /tmp/v 1/1"),
    ("text", "one two\nthree", r"(?s)^one two\nthree\n~\n.*Modified"),
    ("arrow keys", ["up", "home", "right", "delete", "end", "s", "esc"], r"^oe twos\nthree\n~"),
    ("saved", ":wq\n", r"(?m)^/ # *$"),
    ("the file", "clear; cat /tmp/v\n", r"^oe twos\nthree\n/ #"),
    ("top", "clear; top -n 1\n", r"(?s)Mem: \d+K used.*PID +PPID.*COMMAND.*top -n 1\n.*/ #"),
]
COLOURS = [("printf '\\033[2J\\033[H\\033[31;44mred\\033[0m\\n\\033[1;32mgreen\\033[m\\n\\033[7mback\\033[m\\n'\n")]
VGA_COLOURS = {"red": 0x14, "green": 0x0a, "back": 0x70}
RGB = {"red": ((0xaa, 0, 0), (0, 0, 0xaa)), "green": ((0x55, 0xff, 0x55), (0, 0, 0)), "back": ((0, 0, 0), (0xaa,) * 3)}


def play(screen, rows, cols, colours):
    words = {"rows": rows, "cols": cols, "long": 3 * rows, "last": 3 * rows}
    for name, keys, pattern in STEPS:
        if isinstance(keys, str):
            keys = re.sub(r"\{(\w+)\}", lambda m: str(words[m[1]]) if m[1] in words else m[0], keys)
            keys = keys.replace("{{", "{").replace("}}", "}")
        pattern = re.sub(r"\{(rows|cols|last)\}", lambda m: str(words[m[1]]), pattern)
        screen.step(name, keys, pattern)
    screen.step("colours", COLOURS[0], r"^red\ngreen\nback\n")
    for word, wanted in colours.items():
        found = screen.attributes(word) if screen.alive else None
        screen.case(f"colours: {word}", found == wanted)


def finish(screen):
    if not screen.alive:
        screen.process.stop()
        return
    screen.key("ctrl-alt-delete")
    status = screen.process.end(SILENCE, screen.deadline)
    screen.case("Ctrl-Alt-Del restarts", status == ENDED)


def early_panic(group, options):
    """While the page tables are made: the old ones have gone, nothing is allocated yet."""
    with tempfile.TemporaryDirectory() as folder:
        screen = Screen(group, options, folder, TextMode, APPEND="octavo.test=0 console=tty0 mem=64K")
        screen.case("a panic before there is memory", screen.shows(r"(?m)^\[ +0\.0+\] Kernel panic - not syncing: "
                                                                   r"(.*\n)*.*Call Trace:(.*\n)*.*\bmm_init_early"))
        screen.process.stop()


def run_vga(group, options):
    early_panic(group, options)
    with tempfile.TemporaryDirectory() as folder:
        screen = Screen(group, options, folder, TextMode, APPEND="console=tty0 quiet")
        play(screen, ROWS, COLS, VGA_COLOURS)
        finish(screen)


def run_uefi(group, options):
    with tempfile.TemporaryDirectory() as folder:
        screen = Screen(group, options, folder, lambda monitor: Framebuffer(monitor, folder))
        screen.case("the log from its first line", screen.shows(r"(?m)^\[ +0\.000000\] Octavo version", SILENCE))
        play(screen, 48, 128, RGB)
        finish(screen)
