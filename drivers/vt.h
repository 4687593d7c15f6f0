/* SPDX-License-Identifier: MIT */
/*
 * A terminal on a screen: bytes and escape sequences (console_codes(4)) in, character cells out.
 */
#pragma once

#include <kernel/lib/types.h>

#define VT_MAX_COLS   160
#define VT_MAX_ROWS   64
#define VT_MAX_PARAMS 16
/* An answer that a program asked for: at most "\e[65;160R". */
#define VT_REPLY_MAX 16

/* One cell as VGA has it: the character in code page 437, above it the attribute: blink, three bits of
 * background, four of foreground. */
typedef u16 cell_t;

struct vt;
struct vt_ops {
	/* Show the cells [x, x + n) of row y. */
	void (*draw)(struct vt *vt, unsigned int y, unsigned int x, unsigned int n);
	/* The cursor may have moved, and cells under it may have been drawn: to (vt->x, vt->y), or nowhere
	 * if vt->cursor_hidden. */
	void (*cursor)(struct vt *vt);
};

/* What ESC 7 saves and ESC 8 brings back. */
struct vt_pen {
	unsigned int x, y;
	u8 colour; /* background and foreground as in the attribute */
	bool bold, dim, italic, underline, blink, reverse;
	bool graphics; /* after SO: letters are lines and corners */
};

struct vt {
	const struct vt_ops *ops;
	unsigned int rows, cols;
	cell_t *cells; /* rows of cols */

	struct vt_pen pen, saved;
	cell_t attr, blank; /* of the pen: for what is printed; an erased cell */
	bool wrap_pending;  /* the last column was printed: the next character begins a line */
	unsigned int top, bottom; /* scrolled are the rows [top, bottom) */
	bool insert, origin, no_wrap, cursor_hidden;
	bool app_cursor; /* arrow keys send ESC O, not ESC [ */

	u8 state;  /* of the parser */
	u8 prefix; /* '?', '>' ... behind ESC [ */
	unsigned int nr_params, params[VT_MAX_PARAMS];
	u32 utf8;     /* bits of a character so far */
	u8 utf8_left; /* bytes that it lacks */

	char reply[VT_REPLY_MAX]; /* for the terminal's input */
	unsigned int reply_len;
};

/* cells: room for rows * cols; both at most the maxima above. Clears the screen. */
void vt_init(struct vt *vt, const struct vt_ops *ops, cell_t *cells, unsigned int rows,
	     unsigned int cols);
/* What a program prints. */
void vt_write(struct vt *vt, const u8 *s, size_t n);
/* Its answers to what was printed, once; how many bytes. */
unsigned int vt_take_reply(struct vt *vt, char reply[VT_REPLY_MAX]);
/* What the kernel prints: no escape sequences, and it may come amid a program's. */
void vt_write_log(struct vt *vt, const char *s, size_t n);
