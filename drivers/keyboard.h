/* SPDX-License-Identifier: MIT */
/* The PS/2 keyboard. */
#pragma once

#include <drivers/tty.h>

/* Keys go to tty; *app_cursor: arrow keys send ESC O. Without a controller nothing happens. */
void keyboard_init(struct tty *tty, const bool *app_cursor);
