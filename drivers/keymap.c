/* SPDX-License-Identifier: MIT */
/*
 * What keys type: scan codes of set 1 into the bytes that Linux's console sends, US layout.
 *
 * Set 1 is the PC's first: a byte for each key that goes down, with bit 7 set when it comes up, and
 * 0xe0 before keys that the first keyboard did not have.
 *
 * Simplified: no compose or accents, no other layouts; the function keys ignore Shift and Control, and
 * there is only one terminal for Alt with them to choose.
 *
 * Locking: the caller's; nothing here is shared.
 */
#include <drivers/keymap.h>
#include <kernel/lib/printf.h>

#define RELEASED 0x80

enum {
	KEY_TAB = 0x0f,
	KEY_ENTER = 0x1c,
	KEY_CTRL = 0x1d,
	KEY_LEFT_SHIFT = 0x2a,
	KEY_SLASH = 0x35,
	KEY_RIGHT_SHIFT = 0x36,
	KEY_ALT = 0x38,
	KEY_CAPS = 0x3a,
	KEY_F1 = 0x3b,
	KEY_F10 = 0x44,
	KEY_NUM = 0x45,
	KEY_HOME = 0x47,
	KEY_DELETE = 0x53,
	KEY_F11 = 0x57,
	KEY_F12 = 0x58,
};

/* By scan code; 0: types nothing. */
static const char plain[] =
	"\0\0331234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] =
	"\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

/* The block from Home to Delete, on the keypad too: digits with Num Lock, else a cursor movement (one
 * letter) or ESC [ number ~. */
static const char keypad[] = "789-456+1230.";
static const char editing[] = "1A5\0DGC\0004B623";

static unsigned int function_key(u8 code, char *text)
{
	static const u8 number[] = {17, 18, 19, 20, 21, 23, 24}; /* F6 to F12 */
	unsigned int n = code <= KEY_F10 ? code - KEY_F1 + 0u : code - KEY_F11 + 10u;

	if (n < 5)
		return (unsigned int)scnprintf(text, KEY_TEXT_MAX, "\033[[%c", 'A' + n);
	return (unsigned int)scnprintf(text, KEY_TEXT_MAX, "\033[%u~", number[n - 5]);
}

static unsigned int editing_key(u8 code, bool app_cursor, char *text)
{
	char key = editing[code - KEY_HOME];

	if (key >= 'A')
		return (unsigned int)scnprintf(text, KEY_TEXT_MAX, "\033%c%c",
					       app_cursor && key != 'G' ? 'O' : '[', key);
	return key ? (unsigned int)scnprintf(text, KEY_TEXT_MAX, "\033[%c~", key) : 0;
}

/* The control character that c stands for; -1: none. As in Linux's default map. */
static int control_of(char c)
{
	if (c >= '@' && c <= '_')
		return c & 0x1f;
	if (c >= 'a' && c <= 'z')
		return c & 0x1f;
	switch (c) {
	case ' ':
	case '2':
	case '`':
		return 0;
	case '3':
		return 033;
	case '4' ... '7':
		return c - '4' + 034;
	case '-':
		return 037;
	case '8':
	case '/':
	case '?':
		return 0177;
	case 0177: /* Backspace */
		return '\b';
	case '\r':
		return '\r';
	default:
		return -1;
	}
}

static unsigned int character_key(const struct keyboard *kbd, u8 code, char *text)
{
	char c = kbd->shift ? shifted[code] : plain[code];
	unsigned int n = 0;

	if (kbd->caps && ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
		c ^= 0x20;
	if (!c)
		return 0;
	if (kbd->ctrl) {
		int control = control_of(c);

		if (control < 0)
			return 0;
		c = (char)control;
	}
	/* Alt, and Shift with Tab: the character behind an escape. */
	if (kbd->alt || (kbd->shift && code == KEY_TAB))
		text[n++] = '\033';
	text[n++] = c;
	return n;
}

static void hold(u8 *held, bool right, bool down)
{
	u8 bit = right ? 2 : 1;

	*held = down ? *held | bit : *held & (u8)~bit;
}

/* Shift, Control and the like. False: the key is another. */
static bool modifier(struct keyboard *kbd, u8 code, bool extended, bool down)
{
	switch (code) {
	case KEY_LEFT_SHIFT:
	case KEY_RIGHT_SHIFT:
		if (!extended) /* else a keyboard that makes its arrows look like the first one's */
			hold(&kbd->shift, code == KEY_RIGHT_SHIFT, down);
		return true;
	case KEY_CTRL:
		hold(&kbd->ctrl, extended, down);
		return true;
	case KEY_ALT:
		hold(&kbd->alt, extended, down);
		return true;
	case KEY_CAPS:
		kbd->caps ^= down;
		return true;
	case KEY_NUM:
		kbd->num ^= down;
		return true;
	default:
		return !down;
	}
}

unsigned int keyboard_decode(struct keyboard *kbd, u8 code, bool app_cursor, char *text,
			     bool *reboot)
{
	bool extended = kbd->extended;
	u8 key = code & (u8)~RELEASED;

	*reboot = false;
	if (kbd->skip) {
		kbd->skip--;
		return 0;
	}
	kbd->extended = code == 0xe0;
	if (code == 0xe1)
		kbd->skip = 2;
	if (code == 0xe0 || code == 0xe1 || modifier(kbd, key, extended, !(code & RELEASED)))
		return 0;
	if (key == KEY_DELETE && kbd->ctrl && kbd->alt) {
		*reboot = true;
		return 0;
	}
	if ((key >= KEY_F1 && key <= KEY_F10) || key == KEY_F11 || key == KEY_F12)
		return function_key(key, text);
	if (key >= KEY_HOME && key <= KEY_DELETE) {
		if (extended || !(kbd->num || keypad[key - KEY_HOME] < '.'))
			return editing_key(key, app_cursor, text);
		text[0] = keypad[key - KEY_HOME];
		return 1;
	}
	if (extended && key != KEY_ENTER && key != KEY_SLASH)
		return 0;
	return key < sizeof(plain) ? character_key(kbd, key, text) : 0;
}
