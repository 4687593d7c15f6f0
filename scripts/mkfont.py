#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print drivers/font.h's tables as C: code page 437 in Unicode, and its glyphs out of a font.

    mkfont.py [FILE]    a PF2 font (GRUB's; its package brings unicode.pf2) or a PSF font of 8x16,
                        gzipped or not; without a FILE the glyphs are empty, and a kernel that finds
                        only a framebuffer shows nothing there
"""

import gzip
import struct
import sys

HEIGHT = 16
# What the text mode shows for the codes below 32 and for 127; the rest is in Python's codec.
LOW = "\0☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
CP437 = [ord(c) for c in LOW] + [ord(bytes([i]).decode("cp437")) for i in range(32, 127)] + [0x2302] + \
    [ord(bytes([i]).decode("cp437")) for i in range(128, 256)]


def pf2_glyph(data, at, baseline):
    """A glyph's box of bits, not padded to bytes, into 8x16."""
    width, height, x, y, _ = struct.unpack_from(">HHhhh", data, at)
    lines = [0] * HEIGHT
    for bit in range(width * height):
        if data[at + 10 + bit // 8] & 0x80 >> bit % 8:
            row, column = baseline - y - height + bit // width, x + bit % width
            if 0 <= row < HEIGHT and 0 <= column < 8:
                lines[row] |= 0x80 >> column
    return lines


def pf2(data):
    """Sections of a name and a length; CHIX has a code point, flags and a place in the file for each."""
    glyphs, index, ascent, at = {}, b"", HEIGHT - 2, 0
    while at + 8 <= len(data):
        name, size = data[at:at + 4], struct.unpack_from(">I", data, at + 4)[0]
        if name == b"DATA":
            break
        if name == b"CHIX":
            index = data[at + 8:at + 8 + size]
        elif name == b"ASCE":
            ascent = struct.unpack_from(">H", data, at + 8)[0]
        at += 8 + size
    for i in range(0, len(index), 9):
        code, _, place = struct.unpack_from(">IBI", index, i)
        if code in CP437:
            glyphs[code] = pf2_glyph(data, place, ascent)
    return glyphs


def psf2(data):
    """A header, the glyphs, and for each the characters it stands for in UTF-8, ended by 0xff."""
    _, start, _, count, size, height, width = struct.unpack_from("<7I", data, 4)
    if (width, height) != (8, HEIGHT):
        sys.exit("mkfont.py: a PSF font must be 8x16")
    tables = data[start + count * size:].split(b"\xff")
    glyphs = {}
    for i in range(count):
        lines = list(data[start + i * size:start + (i + 1) * size])
        for c in tables[i].split(b"\xfe")[0].decode(errors="replace"):
            glyphs[ord(c)] = lines
    return glyphs


def psf1(data):
    """As PSF2, with 256 or 512 glyphs and a table of 16-bit characters."""
    mode, height = data[2], data[3]
    if height != HEIGHT:
        sys.exit("mkfont.py: a PSF font must be 8x16")
    count, at, glyphs = 512 if mode & 1 else 256, 4, {}
    table = iter(struct.unpack_from(f"<{(len(data) - 4 - count * 16) // 2}H", data, 4 + count * 16))
    for i in range(count):
        sequence = False
        for c in iter(lambda: next(table, 0xffff), 0xffff):
            sequence = sequence or c == 0xfffe
            if not sequence:
                glyphs[c] = list(data[at + i * 16:at + i * 16 + 16])
    return glyphs


def load(path):
    with open(path, "rb") as f:
        data = f.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    for magic, reader in ((b"FILE\0\0\0\4PFF2", pf2), (b"\x72\xb5\x4a\x86", psf2), (b"\x36\x04", psf1)):
        if data.startswith(magic):
            return reader(data)
    sys.exit(f"mkfont.py: {path} is neither a PF2 nor a PSF font")


def table(rows):
    return "".join(f"\t{row},\n" for row in rows)


def main():
    glyphs = load(sys.argv[1]) if len(sys.argv) > 1 else {}
    empty = [0] * HEIGHT
    print("#include <drivers/font.h>\n")
    print(f"const bool font_present = {'true' if glyphs else 'false'};\n")
    print("const u16 font_unicode[256] = {\n" + table(f"0x{c:04x}" for c in CP437) + "};\n")
    print("const u8 font_glyphs[256][FONT_HEIGHT] = {\n" +
          table("{" + ", ".join(f"0x{b:02x}" for b in glyphs.get(c, empty)) + "}" for c in CP437) + "};")


if __name__ == "__main__":
    main()
