/* SPDX-License-Identifier: MIT */
/*
 * The terminal emulator: TERM=linux, as far as vi, top, less, ash and programs of ncurses use it.
 *
 * Idea. A state machine takes characters, out of UTF-8 or of an escape sequence, and changes an array of
 * cells. All changes go through put_row(), which compares each cell with what is there and passes on to
 * the screen only the runs that differ: a device's memory is slow to write, slower to read, and most of
 * a screen is blank when it scrolls.
 *
 *	bytes -> vt_write -> UTF-8 -> state machine -> put_row -> cells[] -> ops->draw -> VGA or pixels
 *	                                    \-> reply[] -> the terminal's input
 *
 * Invariants: pen.x < cols, pen.y < rows, top + 1 < bottom <= rows. Numbers in a sequence are cut at
 * PARAM_MAX, so that sums of them and of a position do not overflow.
 *
 * Locking: the caller's (drivers/screen.c). Nothing here sleeps or allocates.
 *
 * Simplified against Linux's console: 8 colours and their bright forms (38;5;N and the like are
 * skipped), fixed tabs, no palette, no reverse screen, no mouse, no scroll-back; a character outside
 * code page 437 appears as a box and takes one column however wide it is, combining ones too. Where
 * Linux differs from a DEC terminal, this is as Linux.
 */
#include <drivers/font.h>
#include <drivers/vt.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>

#define PARAM_MAX   9999
#define ESC         033
#define REPLACEMENT 0xfffd
#define NO_GLYPH    0xfe /* a box */
#define DEFAULT     0x07 /* light grey on black */
/* Attributes that VGA cannot show stand out by a colour, as on Linux. */
#define COLOUR_ITALIC    0x02
#define COLOUR_UNDERLINE 0x03
#define COLOUR_DIM       0x08

enum vt_state {
	NORMAL,
	ESCAPE,     /* after ESC */
	SEQUENCE,   /* after ESC [: parameters */
	IGNORED,    /* the same, of a form nobody knows: up to its last byte */
	ONE_MORE,   /* one byte ends it, and nothing comes of it */
	OS_COMMAND, /* after ESC ] */
	PALETTE,    /* params[0] digits of ESC ] P */
	STRING,     /* ESC ] 0-9, ESC P, ESC _, ESC ^: text up to BEL or ESC \ */
};

/* ---- cells ------------------------------------------------------------------------------------ */

static cell_t *cell_at(const struct vt *vt, unsigned int y, unsigned int x)
{
	return vt->cells + y * vt->cols + x;
}

/* Row y from column x on becomes src[0..n), or blank if src is NULL. src does not overlap it. */
static void put_row(struct vt *vt, unsigned int y, unsigned int x, unsigned int n,
		    const cell_t *src)
{
	cell_t *row = cell_at(vt, y, x);
	unsigned int from = n; /* where a run of changed cells begins */

	for (unsigned int i = 0; i < n; i++) {
		cell_t c = src ? src[i] : vt->blank;

		if (row[i] != c) {
			row[i] = c;
			from = min(from, i);
		} else if (from < i) {
			vt->ops->draw(vt, y, x + from, i - from);
			from = n;
		}
	}
	if (from < n)
		vt->ops->draw(vt, y, x + from, n - from);
}

static void erase_rows(struct vt *vt, unsigned int from, unsigned int to)
{
	for (; from < to; from++)
		put_row(vt, from, 0, vt->cols, NULL);
}

/* Rows [top, bottom) move up by n, blank ones follow. As on Linux, one row of the old ones is left
 * however large n is. Nothing moves if top is below the region. */
static void scroll_up(struct vt *vt, unsigned int top, unsigned int n)
{
	n = min(n, vt->bottom - top - 1);
	for (unsigned int y = top; n && y < vt->bottom; y++)
		put_row(vt, y, 0, vt->cols, y + n < vt->bottom ? cell_at(vt, y + n, 0) : NULL);
}

static void scroll_down(struct vt *vt, unsigned int top, unsigned int n)
{
	n = min(n, vt->bottom - top - 1);
	for (unsigned int y = vt->bottom; n && y-- > top;)
		put_row(vt, y, 0, vt->cols, y >= top + n ? cell_at(vt, y - n, 0) : NULL);
}

/* From the cursor on, n cells come in or go away; the rest of the row follows. */
static void shift_row(struct vt *vt, unsigned int n, bool insert)
{
	unsigned int x = vt->pen.x, left = vt->cols - x;
	cell_t copy[VT_MAX_COLS];

	n = min(n, left);
	memcpy(copy, cell_at(vt, vt->pen.y, x), left * sizeof(cell_t));
	put_row(vt, vt->pen.y, insert ? x + n : x, left - n, insert ? copy : copy + n);
	put_row(vt, vt->pen.y, insert ? x : x + left - n, n, NULL);
}

/* ---- pen and cursor ----------------------------------------------------------------------------- */

static void update_attr(struct vt *vt)
{
	const struct vt_pen *p = &vt->pen;
	u8 a = p->colour;

	if (p->italic)
		a = (a & 0xf0) | COLOUR_ITALIC;
	else if (p->underline)
		a = (a & 0xf0) | COLOUR_UNDERLINE;
	else if (p->dim)
		a = (a & 0xf0) | COLOUR_DIM;
	if (p->reverse)
		a = (u8)((a & 0x88) | (a >> 4 & 0x07) | (a << 4 & 0x70));
	a ^= (u8)(p->blink << 7 | p->bold << 3);
	vt->attr = (cell_t)(a << 8);
	vt->blank = (cell_t)((p->colour ^ p->blink << 7) << 8 | ' ');
}

static void default_pen(struct vt *vt)
{
	vt->pen = (struct vt_pen){.x = vt->pen.x, .y = vt->pen.y, .colour = DEFAULT};
}

/* The position may lie outside: it is cut. */
static void go_to(struct vt *vt, int x, int y)
{
	int low = vt->origin ? (int)vt->top : 0;
	int high = vt->origin ? (int)vt->bottom : (int)vt->rows;

	vt->pen.x = (unsigned int)max(0, min(x, (int)vt->cols - 1));
	vt->pen.y = (unsigned int)max(low, min(y, high - 1));
	vt->wrap_pending = false;
}

static void carriage_return(struct vt *vt)
{
	vt->pen.x = 0;
	vt->wrap_pending = false;
}

static void line_feed(struct vt *vt)
{
	if (vt->pen.y + 1 == vt->bottom)
		scroll_up(vt, vt->top, 1);
	else if (vt->pen.y + 1 < vt->rows)
		vt->pen.y++;
	vt->wrap_pending = false;
}

static void reverse_line_feed(struct vt *vt)
{
	if (vt->pen.y == vt->top)
		scroll_down(vt, vt->top, 1);
	else if (vt->pen.y > 0)
		vt->pen.y--;
	vt->wrap_pending = false;
}

static void print(struct vt *vt, u8 ch)
{
	cell_t c = vt->attr | ch;

	if (vt->wrap_pending) {
		carriage_return(vt);
		line_feed(vt);
	}
	if (vt->insert)
		shift_row(vt, 1, true);
	put_row(vt, vt->pen.y, vt->pen.x, 1, &c);
	if (vt->pen.x < vt->cols - 1)
		vt->pen.x++;
	else
		vt->wrap_pending = !vt->no_wrap;
}

static void restore_pen(struct vt *vt)
{
	vt->pen = vt->saved;
	go_to(vt, (int)vt->pen.x, (int)vt->pen.y);
	update_attr(vt);
}

static void reset(struct vt *vt)
{
	vt->insert = vt->origin = vt->no_wrap = vt->cursor_hidden = vt->app_cursor = false;
	vt->top = 0;
	vt->bottom = vt->rows;
	go_to(vt, 0, 0);
	default_pen(vt);
	update_attr(vt);
	vt->saved = vt->pen;
	erase_rows(vt, 0, vt->rows);
}

/* ---- sequences ---------------------------------------------------------------------------------- */

static void reply(struct vt *vt, const char *s)
{
	size_t n = strlen(s);

	if (vt->reply_len + n > VT_REPLY_MAX)
		return;
	memcpy(vt->reply + vt->reply_len, s, n);
	vt->reply_len += (unsigned int)n;
}

static void report(struct vt *vt)
{
	char text[VT_REPLY_MAX] = "\033[0n"; /* 5: well */

	if (vt->params[0] == 6)
		scnprintf(text, sizeof(text), "\033[%u;%uR",
			  vt->pen.y + 1 - (vt->origin ? vt->top : 0), vt->pen.x + 1);
	if (vt->params[0] == 5 || vt->params[0] == 6)
		reply(vt, text);
}

/* 0: from the cursor on; 1: up to and with it; 2: all (3: what has scrolled off too). */
static void erase_line(struct vt *vt, unsigned int how)
{
	unsigned int from = how == 0 ? vt->pen.x : 0, to = how == 1 ? vt->pen.x + 1 : vt->cols;

	if (how <= 2)
		put_row(vt, vt->pen.y, from, to - from, NULL);
}

static void erase_display(struct vt *vt, unsigned int how)
{
	if (how <= 3)
		erase_rows(vt, how == 0 ? vt->pen.y + 1 : 0, how == 1 ? vt->pen.y : vt->rows);
	if (how <= 1)
		erase_line(vt, how);
}

/* ANSI has red in the lowest bit, VGA blue. */
static void set_colour(struct vt *vt, bool background, unsigned int ansi)
{
	unsigned int c = (ansi & 1) << 2 | (ansi & 2) | (ansi >> 2 & 1);

	vt->pen.colour =
		(u8)(background ? (vt->pen.colour & 0x0f) | c << 4 : (vt->pen.colour & 0xf0) | c);
}

static void set_rendition(struct vt *vt, unsigned int n)
{
	struct vt_pen *p = &vt->pen;

	switch (n) {
	case 0:
		default_pen(vt);
		break;
	case 1:
	case 2:
	case 22:
		p->bold = n == 1;
		p->dim = n == 2;
		break;
	case 3:
	case 23:
		p->italic = n == 3;
		break;
	case 4:
	case 21:
	case 24:
		p->underline = n != 24;
		break;
	case 5:
	case 25:
		p->blink = n == 5;
		break;
	case 7:
	case 27:
		p->reverse = n == 7;
		break;
	case 30 ... 37:
	case 40 ... 47:
		set_colour(vt, n >= 40, n % 10);
		break;
	case 39:
	case 49:
		set_colour(vt, n == 49, n == 49 ? DEFAULT >> 4 : DEFAULT & 7);
		break;
	case 90 ... 97:
		p->bold = true;
		p->dim = false;
		set_colour(vt, false, n % 10);
		break;
	case 100 ... 107:
		set_colour(vt, true, n % 10);
		break;
	}
}

static void select_renditions(struct vt *vt)
{
	for (unsigned int i = 0; i < vt->nr_params; i++) {
		unsigned int n = vt->params[i];

		if ((n == 38 || n == 48) && i + 1 < vt->nr_params)
			i += vt->params[i + 1] == 5 ? 2 : vt->params[i + 1] == 2 ? 4 : 0;
		else
			set_rendition(vt, n);
	}
	update_attr(vt);
}

static void set_mode(struct vt *vt, unsigned int mode, bool on)
{
	switch ((unsigned int)vt->prefix << 16 | mode) {
	case 4:
		vt->insert = on;
		break;
	case '?' << 16 | 1:
		vt->app_cursor = on;
		break;
	case '?' << 16 | 6:
		vt->origin = on;
		go_to(vt, 0, on ? (int)vt->top : 0);
		break;
	case '?' << 16 | 7:
		vt->no_wrap = !on;
		break;
	case '?' << 16 | 25:
		vt->cursor_hidden = !on;
		break;
	}
}

static void set_scroll_region(struct vt *vt)
{
	unsigned int top = max(vt->params[0], 1u);
	unsigned int bottom = vt->params[1] ? vt->params[1] : vt->rows;

	if (top >= bottom || bottom > vt->rows)
		return;
	vt->top = top - 1;
	vt->bottom = bottom;
	go_to(vt, 0, vt->origin ? (int)vt->top : 0);
}

/* The cursor's movements. In origin mode rows count from the scrolled part's top. */
static void move_by_sequence(struct vt *vt, u8 c)
{
	int n = (int)max(vt->params[0], 1u), m = (int)max(vt->params[1], 1u);
	int x = (int)vt->pen.x, y = (int)vt->pen.y, origin = vt->origin ? (int)vt->top : 0;

	switch (c) {
	case 'A':
		return go_to(vt, x, y - n);
	case 'B':
	case 'e':
		return go_to(vt, x, y + n);
	case 'C':
	case 'a':
		return go_to(vt, x + n, y);
	case 'D':
		return go_to(vt, x - n, y);
	case 'E':
		return go_to(vt, 0, y + n);
	case 'F':
		return go_to(vt, 0, y - n);
	case 'G':
	case '`':
		return go_to(vt, n - 1, y);
	case 'd':
		return go_to(vt, x, origin + n - 1);
	case 'H':
	case 'f':
		return go_to(vt, m - 1, origin + n - 1);
	}
}

/* Changes of the text around the cursor. */
static void edit_by_sequence(struct vt *vt, u8 c)
{
	unsigned int n = max(vt->params[0], 1u);

	switch (c) {
	case 'J':
		erase_display(vt, vt->params[0]);
		break;
	case 'K':
		erase_line(vt, vt->params[0]);
		break;
	case 'L':
		scroll_down(vt, vt->pen.y, n);
		break;
	case 'M':
		scroll_up(vt, vt->pen.y, n);
		break;
	case 'P':
	case '@':
		shift_row(vt, n, c == '@');
		break;
	case 'X':
		put_row(vt, vt->pen.y, vt->pen.x, min(n, vt->cols - vt->pen.x), NULL);
		break;
	default:
		return;
	}
	vt->wrap_pending = false;
}

static void end_sequence(struct vt *vt, u8 c)
{
	if (c == 'h' || c == 'l')
		for (unsigned int i = 0; i < vt->nr_params; i++)
			set_mode(vt, vt->params[i], c == 'h');
	if (vt->prefix)
		return;
	switch (c) {
	case 'c':
		if (!vt->params[0])
			reply(vt, "\033[?6c");
		break;
	case 'm':
		select_renditions(vt);
		break;
	case 'n':
		report(vt);
		break;
	case 'r':
		set_scroll_region(vt);
		break;
	case 's':
		vt->saved = vt->pen;
		break;
	case 'u':
		restore_pen(vt);
		break;
	default:
		move_by_sequence(vt, c);
		edit_by_sequence(vt, c);
	}
}

/* ---- the state machine -------------------------------------------------------------------------- */

static void sequence_byte(struct vt *vt, u8 c)
{
	unsigned int *last = &vt->params[vt->nr_params - 1];
	bool first = vt->nr_params == 1 && !*last && !vt->prefix;

	if (c >= '0' && c <= '9') {
		*last = min(*last * 10 + (c - '0'), (unsigned int)PARAM_MAX);
	} else if (c == ';' && vt->nr_params < VT_MAX_PARAMS) {
		vt->nr_params++;
	} else if (c == '[' && first) { /* what a function key sends, echoed */
		vt->state = ONE_MORE;
	} else if (c >= '<' && c <= '?' && first) {
		vt->prefix = c;
	} else if (c >= ' ' && c <= '?') {
		vt->state = IGNORED;
	} else {
		vt->state = NORMAL;
		end_sequence(vt, c);
	}
}

static void escape_byte(struct vt *vt, u8 c)
{
	vt->state = NORMAL;
	switch (c) {
	case '[':
		vt->state = SEQUENCE;
		vt->prefix = 0;
		vt->nr_params = 1;
		memset(vt->params, 0, sizeof(vt->params));
		break;
	case ']':
		vt->state = OS_COMMAND;
		break;
	case 'P':
	case '_':
	case '^':
		vt->state = STRING;
		break;
	case '(':
	case ')':
	case '#':
	case '%':
		vt->state = ONE_MORE;
		break;
	case 'E':
		carriage_return(vt);
		line_feed(vt);
		break;
	case 'D':
		line_feed(vt);
		break;
	case 'M':
		reverse_line_feed(vt);
		break;
	case '7':
		vt->saved = vt->pen;
		break;
	case '8':
		restore_pen(vt);
		break;
	case 'c':
		reset(vt);
		break;
	}
}

/* A character within a sequence. */
static void state_byte(struct vt *vt, u8 c)
{
	switch (vt->state) {
	case ESCAPE:
		escape_byte(vt, c);
		break;
	case SEQUENCE:
		sequence_byte(vt, c);
		break;
	case IGNORED:
		if (c < ' ' || c > '?')
			vt->state = NORMAL;
		break;
	case ONE_MORE:
		vt->state = NORMAL;
		break;
	case OS_COMMAND:
		vt->params[0] = 7;
		vt->state = c == 'P' ? PALETTE : c >= '0' && c <= '9' ? STRING : NORMAL;
		break;
	case PALETTE:
		if (--vt->params[0] == 0)
			vt->state = NORMAL;
		break;
	}
}

/* Control characters work also amid a sequence, but not in its text. */
static void control(struct vt *vt, u32 c)
{
	bool text = vt->state == STRING || vt->state == OS_COMMAND;

	if (text && c >= '\b' && c <= '\r')
		return;
	switch (c) {
	case '\a':
		if (text)
			vt->state = NORMAL;
		break;
	case '\b':
		if (vt->pen.x)
			go_to(vt, (int)vt->pen.x - 1, (int)vt->pen.y);
		break;
	case '\t':
		vt->pen.x = min((vt->pen.x | 7) + 1, vt->cols - 1);
		break;
	case '\n':
	case '\v':
	case '\f':
		line_feed(vt);
		break;
	case '\r':
		carriage_return(vt);
		break;
	case 016: /* SO, SI */
	case 017:
		vt->pen.graphics = c == 016;
		break;
	case 030: /* CAN, SUB */
	case 032:
		vt->state = NORMAL;
		break;
	case ESC:
		vt->state = ESCAPE;
		break;
	}
}

/* What the VT100 drew lines with, from '`' to '~'. */
static const u16 graphics[] = {
	0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0, 0x00b1, 0x2424, 0x240b, 0x2518,
	0x2510, 0x250c, 0x2514, 0x253c, 0x23ba, 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524,
	0x2534, 0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7,
};

static u8 glyph_of(u32 c)
{
	if (c >= ' ' && c < 0x7f)
		return (u8)c;
	for (unsigned int i = 1; i < ARRAY_SIZE(font_unicode); i++)
		if (font_unicode[i] == c)
			return (u8)i;
	return NO_GLYPH;
}

static void character(struct vt *vt, u32 c)
{
	if (c < ' ' || c == 0x7f)
		control(vt, c);
	else if (vt->state != NORMAL)
		state_byte(vt, c < 0x80 ? (u8)c : 0x7f);
	else if (vt->pen.graphics && c - '`' < ARRAY_SIZE(graphics))
		print(vt, glyph_of(graphics[c - '`']));
	else
		print(vt, glyph_of(c));
}

/* A byte of UTF-8. What is no part of a character appears as a box. */
static void utf8_byte(struct vt *vt, u8 c)
{
	if (vt->utf8_left && (c & 0xc0) == 0x80) {
		vt->utf8 = vt->utf8 << 6 | (c & 0x3f);
		if (--vt->utf8_left == 0)
			character(vt, vt->utf8);
		return;
	}
	if (vt->utf8_left)
		character(vt, REPLACEMENT);
	vt->utf8_left = c < 0xc2 || c > 0xf4 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	vt->utf8 = c & (0x3fu >> vt->utf8_left);
	if (c < 0x80)
		character(vt, c);
	else if (!vt->utf8_left)
		character(vt, REPLACEMENT);
}

void vt_write(struct vt *vt, const u8 *s, size_t n)
{
	while (n--)
		utf8_byte(vt, *s++);
	assert(vt->pen.x < vt->cols && vt->pen.y < vt->rows);
	assert(vt->top + 1 < vt->bottom && vt->bottom <= vt->rows);
	vt->ops->cursor(vt);
}

unsigned int vt_take_reply(struct vt *vt, char reply[VT_REPLY_MAX])
{
	unsigned int n = vt->reply_len;

	memcpy(reply, vt->reply, n);
	vt->reply_len = 0;
	return n;
}

void vt_write_log(struct vt *vt, const char *s, size_t n)
{
	for (; n; n--, s++) {
		if (*s == '\n') {
			carriage_return(vt);
			line_feed(vt);
		} else {
			print(vt, glyph_of((u8)*s));
		}
	}
	vt->ops->cursor(vt);
}

void vt_init(struct vt *vt, const struct vt_ops *ops, cell_t *cells, unsigned int rows,
	     unsigned int cols)
{
	assert(rows > 1 && rows <= VT_MAX_ROWS && cols > 1 && cols <= VT_MAX_COLS);
	*vt = (struct vt){.ops = ops, .cells = cells, .rows = rows, .cols = cols};
	memset(cells, 0, rows * cols * sizeof(cell_t)); /* nothing is like it: all of it is drawn */
	reset(vt);
	ops->cursor(vt);
}
