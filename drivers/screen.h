/* SPDX-License-Identifier: MIT */
/*
 * The screen: one terminal (/dev/tty1), on VGA text or on a linear framebuffer.
 */
#pragma once

#include <drivers/vt.h>

/* Finds the screen and makes it a console of the log, if it is asked for. Before memory: everything
 * lies in the boot tables' direct map, and mm/ keeps it there (screen_memory()). */
void screen_early_init(void);

/* The device memory that the screen is in; size 0 if there is none. */
paddr_t screen_memory(size_t *size);

/* The two kinds. Each looks at boot_info.fb (and corrects it), and sets rows and cols if it can show
 * something. */
bool vga_text_probe(struct vt *vt);
bool framebuffer_probe(struct vt *vt);
