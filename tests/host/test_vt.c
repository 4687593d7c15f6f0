/* SPDX-License-Identifier: MIT */
/*
 * The terminal emulator and the keyboard's map. What is expected is what Linux 6.1's console shows for
 * the same bytes (/dev/vcsa1), and what it sends for the same keys.
 */
#include <stdio.h>
#include <string.h>

#include <drivers/keymap.h>
#include <drivers/vt.h>
#include <kernel/lib/printf.h>
#include <tests/host/host.h>

#define ROWS 4
#define COLS 10

/* What the device shows: only what was drawn. */
static struct vt vt;
static cell_t cells[VT_MAX_ROWS * VT_MAX_COLS], shown[VT_MAX_ROWS * VT_MAX_COLS];
static unsigned long drawn;
static unsigned int cursor_x, cursor_y;

static void draw(struct vt *v, unsigned int y, unsigned int x, unsigned int n)
{
	CHECK(y < v->rows && n && x + n <= v->cols);
	memcpy(shown + y * v->cols + x, v->cells + y * v->cols + x, n * sizeof(cell_t));
	drawn += n;
}

static void cursor(struct vt *v)
{
	cursor_x = v->pen.x;
	cursor_y = v->pen.y;
}

static const struct vt_ops ops = {.draw = draw, .cursor = cursor};

static void start(unsigned int rows, unsigned int cols)
{
	memset(shown, 0xff, sizeof(shown));
	vt_init(&vt, &ops, cells, rows, cols);
}

static void type(const char *s)
{
	vt_write(&vt, (const u8 *)s, strlen(s));
}

/* The rows without the blanks at their ends, each ended by '|', and those at the end left out. */
static const char *screen(void)
{
	static char text[VT_MAX_ROWS * (VT_MAX_COLS + 1) + 1];
	size_t n = 0, end = 0;

	for (unsigned int y = 0; y < vt.rows; y++) {
		size_t row = n; /* where its text ends */

		for (unsigned int x = 0; x < vt.cols; x++) {
			text[n++] = (char)shown[y * vt.cols + x];
			if (text[n - 1] != ' ')
				end = row = n;
		}
		n = row;
		text[n++] = '|';
	}
	if (end)
		text[end++] = '|';
	text[end] = '\0';
	return text;
}

static void expect(const char *in, const char *text, unsigned int x, unsigned int y)
{
	start(ROWS, COLS);
	type(in);
	if (strcmp(screen(), text) != 0)
		FAIL("after '%s': '%s', not '%s'", in + 1, screen(), text);
	if (cursor_x != x || cursor_y != y)
		FAIL("after '%s': the cursor is at %u,%u, not %u,%u", in + 1, cursor_x, cursor_y, x,
		     y);
}

/* A full screen to work on, the cursor in the middle of it. */
#define FULL "0123456789abcdefghijABCDEFGHIJ+-*/=%<>()"
#define MID  FULL "\033[2;4H"

HOST_TEST(vt, moves, "a cursor movement that goes the wrong way, too far, or over an edge")
{
	expect("ab\r\ncd", "ab|cd|", 2, 1);
	expect("abc\bX\tY", "abX     Y|", 9, 0);
	expect("\033[3;5HX", "||    X|", 5, 2);
	expect("\033[3;5fX\033[2AY", "     Y||    X|", 6, 0);
	expect("\033[99;99HX", "|||         X|", 9, 3);
	expect("\033[3;5H\033[HX", "X|", 1, 0);
	expect("\033[2;5H\033[AX\033[3BY\033[9CZ\033[2Dv", "    X|||     Y v Z|", 8, 3);
	expect("\033[2;5H\033[EX\033[2FY", "Y||X|", 1, 0);
	expect("abc\033[5GX\033[3dY\033[`Z", "abc X||Z    Y|", 1, 2);
	expect("ab\0337\033[3;3Hx\0338c", "abc||  x|", 3, 0);
	expect("ab\033[s\033[3;3Hx\033[uc", "abc||  x|", 3, 0);
	expect("\033[99999999999Cx", "         x|", 9, 0);
}

HOST_TEST(vt, wraps, "a line that wraps one character early or late, or at a cursor movement")
{
	expect("0123456789", "0123456789|", 9, 0);
	expect("0123456789a", "0123456789|a|", 1, 1);
	expect("0123456789\bX", "01234567X9|", 9, 0);
	expect("0123456789\rX", "X123456789|", 1, 0);
	expect("0123456789\nX", "0123456789|         X|", 9, 1);
	expect("\033[?7l0123456789ab", "012345678b|", 9, 0);
	expect(FULL "x", "abcdefghij|ABCDEFGHIJ|+-*/=%<>()|x|", 1, 3);
}

HOST_TEST(vt, erases, "an erase that takes a cell too many or too few")
{
	expect(MID "\033[K", "0123456789|abc|ABCDEFGHIJ|+-*/=%<>()|", 3, 1);
	expect(MID "\033[1K", "0123456789|    efghij|ABCDEFGHIJ|+-*/=%<>()|", 3, 1);
	expect(MID "\033[2K", "0123456789||ABCDEFGHIJ|+-*/=%<>()|", 3, 1);
	expect(MID "\033[J", "0123456789|abc|", 3, 1);
	expect(MID "\033[1J", "|    efghij|ABCDEFGHIJ|+-*/=%<>()|", 3, 1);
	expect(MID "\033[2J", "", 3, 1);
	expect(MID "\033[3X", "0123456789|abc   ghij|ABCDEFGHIJ|+-*/=%<>()|", 3, 1);
	expect(MID "\033[2P", "0123456789|abcfghij|ABCDEFGHIJ|+-*/=%<>()|", 3, 1);
	expect(MID "\033[2@", "0123456789|abc  defgh|ABCDEFGHIJ|+-*/=%<>()|", 3, 1);
	expect(MID "\033[4hxy\033[4lz", "0123456789|abcxyzefgh|ABCDEFGHIJ|+-*/=%<>()|", 6, 1);
}

HOST_TEST(vt, scrolls, "scrolling that moves rows outside its region, or by the wrong number")
{
	expect(FULL "\n", "abcdefghij|ABCDEFGHIJ|+-*/=%<>()|", 9, 3);
	expect(MID "\033[L", "0123456789||abcdefghij|ABCDEFGHIJ|", 3, 1);
	expect(MID "\033[M", "0123456789|ABCDEFGHIJ|+-*/=%<>()|", 3, 1);
	expect(FULL "\033[H\033M", "|0123456789|abcdefghij|ABCDEFGHIJ|", 0, 0);
	expect(FULL "\033[2;3r\033[3;1H\n", "0123456789|ABCDEFGHIJ||+-*/=%<>()|", 0, 2);
	expect(FULL "\033[2;3r\033[2;1H\033M", "0123456789||abcdefghij|+-*/=%<>()|", 0, 1);
	expect(FULL "\033[2;3r\033[4;1H\n", "0123456789|abcdefghij|ABCDEFGHIJ|+-*/=%<>()|", 0, 3);
	expect(FULL "\033[2;3r\033[?6hX\033[9;2HY", "0123456789|Xbcdefghij|AYCDEFGHIJ|+-*/=%<>()|",
	       2, 2);
	expect(FULL "\033[1;2r\033[4;1H\033[L\033[9M",
	       "0123456789|abcdefghij|ABCDEFGHIJ|+-*/=%<>()|", 0, 3);
	expect(FULL "\033[H\033[9M", "+-*/=%<>()|", 0, 0); /* Linux's: one row is left */
}

static void expect_attr(const char *in, unsigned int attr)
{
	start(ROWS, COLS);
	type(in);
	type("x");
	if (shown[0] >> 8 != attr)
		FAIL("after '%s': attribute %02x, not %02x", in + 1, shown[0] >> 8, attr);
}

HOST_TEST(vt, colours, "an attribute that does not come, does not go, or is another's")
{
	expect_attr("\033[m", 0x07);
	expect_attr("\033[1m", 0x0f);
	expect_attr("\033[1;22m", 0x07);
	expect_attr("\033[2m", 0x08);
	expect_attr("\033[3m", 0x02);
	expect_attr("\033[4m", 0x03);
	expect_attr("\033[4;24m", 0x07);
	expect_attr("\033[5m", 0x87);
	expect_attr("\033[7m", 0x70);
	expect_attr("\033[7;27m", 0x07);
	expect_attr("\033[31m", 0x04);
	expect_attr("\033[34;43m", 0x61);
	expect_attr("\033[31;44;39;49m", 0x07);
	expect_attr("\033[94;101m", 0x49);
	expect_attr("\033[38;5;3;44m", 0x17);
	expect_attr("\033[48;2;1;4;7;32m", 0x02);
	expect_attr("\033[1;31;44;7m\033[0m", 0x07);
	expect_attr("\0337\033[31m\0338", 0x07);
	start(ROWS, COLS); /* erased cells have the background, and nothing else */
	type("\033[1;7;31;44m\033[2J");
	CHECK_EQ(shown[0], 0x1420);
}

HOST_TEST(vt, text, "UTF-8 cut in two, an unknown sequence that leaves something on the screen")
{
	expect("a\xc3\xa9z", "a\x82z|", 3, 0);
	expect("\xe2\x94\x80\xe2\x96\x88", "\xc4\xdb|", 2, 0);
	expect("\xe4\xb8\xad\xff", "\xfe\xfe|", 2, 0);
	expect("\xe2\x94x", "\xfex|", 2, 0);
	expect("\016lqk\017q", "\xda\xc4\xbfq|", 4, 0);
	expect("a\033]0;title\ab\033]2;x\033\\c", "abc|", 3, 0);
	expect("a\033Pq#0;1\033\\b\033]P0112233c", "abc|", 3, 0);
	expect("a\033(0b\033%Gc\033#3d", "abcd|", 4, 0);
	expect("a\033[>1cb\033[?1;2$pc\033[1 qd\033[[Ae", "abcde|", 5, 0);
	expect("a\033[3\0301b", "a1b|", 3, 0);
	expect("a\033[1\r;3Hb", "a b|", 3, 0);
	expect("ab\033cc", "c|", 1, 0);
	start(ROWS, COLS);
	type("\xc3");
	type("\xa9");
	CHECK(!strcmp(screen(), "\x82|"));
	vt_write_log(&vt, "\nl\n", 3);
	CHECK(!strcmp(screen(), "\x82|l|"));
}

HOST_TEST(vt, answers, "a program that asks where the cursor is and waits for ever")
{
	char reply[VT_REPLY_MAX + 1];

	start(ROWS, COLS);
	type("\033[3;4H\033[6n");
	reply[vt_take_reply(&vt, reply)] = '\0';
	CHECK(!strcmp(reply, "\033[3;4R"));
	CHECK_EQ(vt_take_reply(&vt, reply), 0);
	type("\033[5n\033[c");
	reply[vt_take_reply(&vt, reply)] = '\0';
	CHECK(!strcmp(reply, "\033[0n\033[?6c"));
	type("\033[6n\033[6n\033[6n\033[6n"); /* more than there is room for */
	CHECK(vt_take_reply(&vt, reply) <= VT_REPLY_MAX);
}

/* Half of what is written is made of pieces of sequences. */
static size_t random_output(u8 *buf, size_t n)
{
	static const char pieces[] = "[;?0123456789HABCDJKLMPX@mrhlsu78\033\n\r\b\t()]";

	for (size_t i = 0; i < n; i++)
		buf[i] = rnd(2) ? (u8)pieces[rnd(sizeof(pieces) - 1)] : (u8)rnd(256);
	return n;
}

HOST_TEST(vt, random, "bytes that lead outside the screen, or change a cell that is not drawn")
{
	for (unsigned long round = 0; round < rounds(300); round++) {
		unsigned int rows = 2 + rnd(VT_MAX_ROWS - 1), cols = 2 + rnd(VT_MAX_COLS - 1);
		char reply[VT_REPLY_MAX];
		u8 buf[500];

		start(rows, cols);
		for (int i = 0; i < 20; i++) {
			vt_write(&vt, buf, random_output(buf, rnd(sizeof(buf))));
			CHECK(vt_take_reply(&vt, reply) <= VT_REPLY_MAX);
			CHECK(!memcmp(shown, cells, rows * cols * sizeof(cell_t)));
		}
	}
}

HOST_TEST(vt, draws_little, "a scroll that draws every cell of a screen that is mostly blank")
{
	start(25, 80);
	for (int i = 0; i < 25; i++)
		type("\r\nx");
	drawn = 0;
	type("\r\nx");
	CHECK(drawn <= 2);
}

/* ---- the keyboard -------------------------------------------------------------------------------- */

int scnprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return len < (int)n ? len : (int)n - 1;
}

static struct keyboard kbd;

static void expect_keys(const char *codes, size_t n, const char *wanted, size_t wanted_n)
{
	char text[256];
	size_t got = 0;
	bool reboot;

	for (size_t i = 0; i < n; i++) {
		got += keyboard_decode(&kbd, (u8)codes[i], false, text + got, &reboot);
		CHECK(!reboot && got < sizeof(text) - KEY_TEXT_MAX);
	}
	if (got != wanted_n || memcmp(text, wanted, got) != 0)
		FAIL("codes %02x %02x ... type '%.*s', not '%s'", (u8)codes[0], (u8)codes[1],
		     (int)got, text, wanted);
}
#define KEYS(codes, text) expect_keys(codes, sizeof(codes) - 1, text, sizeof(text) - 1)

HOST_TEST(keyboard, characters, "a key that types another's character, a Shift that sticks")
{
	KEYS("\x1e\x9e\x30\xb0\x02\x0b\x39\x1c\x0e\x0f\x01", "ab10 \r\177\t\033");
	KEYS("\x2a\x1e\x02\x29\xaa\x1e", "A!~a");
	KEYS("\x36\x33\x34\x35\x2b\x1a\xb6\x33", "<>?|{,");
	KEYS("\x3a\xba\x1e\x02\x2a\x1e\xaa\x3a\xba\x1e", "A1aa"); /* Caps Lock */
	KEYS("\x2a\x36\xaa\x1e\xb6\x1e", "Aa");                   /* both Shifts */
}

HOST_TEST(keyboard, modifiers, "Control or Alt that types the plain character")
{
	KEYS("\x1d\x2e\x2c\x20\x2b\x9d\x2e", "\003\032\004\034c");
	KEYS("\xe0\x1d\x1e\xe0\x9d\x1e", "\001a"); /* the right one */
	KEYS("\x1d\x39\x1a\x0e\x35\x0c\x9d", "\0\033\b\177\037");
	KEYS("\x1d\x33\x9d", ""); /* Control with a comma is nothing */
	KEYS("\x38\x1e\xb8", "\033a");
	KEYS("\x2a\x0f\xaa", "\033\t");
}

HOST_TEST(keyboard, functions, "a function key or an arrow that programs do not know")
{
	KEYS("\x3b\x3f\x40\x44\x57\x58", "\033[[A\033[[E\033[17~\033[21~\033[23~\033[24~");
	KEYS("\xe0\x48\xe0\xc8\xe0\x50\xe0\x4d\xe0\x4b", "\033[A\033[B\033[C\033[D");
	KEYS("\xe0\x47\xe0\x4f\xe0\x49\xe0\x51\xe0\x52\xe0\x53",
	     "\033[1~\033[4~\033[5~\033[6~\033[2~\033[3~");
	KEYS("\x48\x45\xc5\x48\x53\x37\x4a\x4e\xe0\x35\xe0\x1c\x45",
	     "\033[A8.*-+/\r");                         /* Num Lock */
	KEYS("\xe1\x1d\x45\xe1\x9d\xc5\x48", "\033[A"); /* Pause is not Control, nor Num Lock */
	KEYS("\xe0\x2a\xe0\x37\x1e", "a");              /* PrintScreen and its Shift that is none */
}

HOST_TEST(keyboard, application_mode,
	  "arrows in vi; Ctrl-Alt-Del that does not restart, or Del alone that does")
{
	char text[KEY_TEXT_MAX];
	bool reboot;

	keyboard_decode(&kbd, 0xe0, true, text, &reboot);
	CHECK_EQ(keyboard_decode(&kbd, 0x48, true, text, &reboot), 3);
	CHECK(!memcmp(text, "\033OA", 3) && !reboot);
	keyboard_decode(&kbd, 0x1d, false, text, &reboot);
	keyboard_decode(&kbd, 0x53, false, text, &reboot);
	CHECK(!reboot);
	keyboard_decode(&kbd, 0x38, false, text, &reboot);
	keyboard_decode(&kbd, 0xe0, false, text, &reboot);
	CHECK_EQ(keyboard_decode(&kbd, 0x53, false, text, &reboot), 0);
	CHECK(reboot);
}
