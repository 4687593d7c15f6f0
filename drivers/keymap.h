/* SPDX-License-Identifier: MIT */
/* The keys of a PC's keyboard. */
#pragma once

#include <kernel/lib/types.h>

/* What keys are down, and what the next scan code belongs to. */
struct keyboard {
	u8 shift, ctrl, alt; /* bits: left, right */
	bool caps, num;
	bool extended; /* after 0xe0 */
	u8 skip;       /* codes left of Pause, which begins with 0xe1 */
};

#define KEY_TEXT_MAX 8
/* One byte of scan code set 1: what it types, at most KEY_TEXT_MAX - 1 bytes; returns how many. *reboot:
 * it was Ctrl-Alt-Del. */
unsigned int keyboard_decode(struct keyboard *kbd, u8 code, bool app_cursor, char *text,
			     bool *reboot);
