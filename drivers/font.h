/* SPDX-License-Identifier: MIT */
/*
 * Code page 437, the character set of the PC's text mode: what each of its 256 characters is in Unicode,
 * and how it looks. scripts/mkfont.py makes both tables when the kernel is built.
 */
#pragma once

#include <kernel/lib/types.h>

#define FONT_WIDTH  8
#define FONT_HEIGHT 16

extern const u16 font_unicode[256];
/* One byte a line, its top bit leftmost. */
extern const u8 font_glyphs[256][FONT_HEIGHT];
/* False: no font was there to be converted, all glyphs are empty. */
extern const bool font_present;
