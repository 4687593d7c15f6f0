/* SPDX-License-Identifier: MIT */
/*
 * The PS/2 keyboard behind an i8042 (or what a chipset or QEMU offers in its place), US layout.
 *
 * The controller translates the keyboard's codes to set 1, the PC's first: a byte for each key that
 * goes down, with bit 7 set when it comes up, and 0xe0 before keys that the first keyboard did not
 * have. keyboard_decode() turns them into the bytes that Linux's console sends; the interrupt handler
 * hands these to the line discipline. What does not fit there is lost.
 *
 * Simplified: no lights, no compose or accents, no other layouts; the function keys ignore Shift and
 * Control, and there is only one terminal for Alt with them to choose.
 *
 * Locking: none. The state belongs to the interrupt handler.
 */
#include <drivers/keyboard.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/signal.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irq.h>
#include <kernel/x86/tsc.h>

#define KBC_DATA    0x60
#define KBC_STATUS  0x64 /* and, written, the command */
#define OUTPUT_FULL 0x01
#define INPUT_FULL  0x02
#define FROM_MOUSE  0x20

#define CMD_READ_CONFIG  0x20
#define CMD_WRITE_CONFIG 0x60
#define CMD_MOUSE_OFF    0xa7
#define CMD_KEYBOARD_OFF 0xad
#define CMD_KEYBOARD_ON  0xae
#define CFG_INTERRUPT    0x01
#define CFG_MOUSE_INT    0x02
#define CFG_KEYBOARD_OFF 0x10
#define CFG_TRANSLATE    0x40
#define SCANNING_ON      0xf4 /* to the keyboard itself */

#define KEYBOARD_IRQ 1
#define RELEASED     0x80

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

/* ---- what a key types --------------------------------------------------------------------------- */

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

/* ---- the controller ------------------------------------------------------------------------------ */

static struct tty *keyboard_tty;
static const bool *cursor_mode;
static struct keyboard state;

static bool keyboard_interrupt(unsigned int irq __unused, void *arg __unused)
{
	bool ours = false;
	u8 status;

	while ((status = inb(KBC_STATUS)) & OUTPUT_FULL) {
		u8 code = inb(KBC_DATA);
		char text[KEY_TEXT_MAX];
		bool reboot;
		unsigned int n;

		ours = true;
		if (status & FROM_MOUSE)
			continue;
		n = keyboard_decode(&state, code, READ_ONCE(*cursor_mode), text, &reboot);
		if (reboot)
			ctrl_alt_del();
		for (unsigned int i = 0; i < n; i++)
			(void)tty_receive(keyboard_tty, (u8)text[i]);
	}
	return ours;
}

/* Until the controller takes (or gives) a byte; a dead one must not stop the boot. */
static bool wait_status(u8 mask, u8 wanted)
{
	for (int i = 0; i < 10000; i++) {
		if ((inb(KBC_STATUS) & mask) == wanted)
			return true;
		udelay(10);
	}
	return false;
}

static bool kbc_write(u16 port, u8 v)
{
	if (!wait_status(INPUT_FULL, 0))
		return false;
	outb(port, v);
	return true;
}

static void drop_output(void)
{
	for (int i = 0; i < 16 && (inb(KBC_STATUS) & OUTPUT_FULL); i++)
		inb(KBC_DATA);
}

/* Both devices quiet while the configuration is changed: its byte comes the way that keys do. */
static bool controller_setup(void)
{
	u8 config;

	if (inb(KBC_STATUS) == 0xff || !kbc_write(KBC_STATUS, CMD_KEYBOARD_OFF) ||
	    !kbc_write(KBC_STATUS, CMD_MOUSE_OFF))
		return false;
	drop_output();
	if (!kbc_write(KBC_STATUS, CMD_READ_CONFIG) || !wait_status(OUTPUT_FULL, OUTPUT_FULL))
		return false;
	config = inb(KBC_DATA);
	config |= CFG_INTERRUPT | CFG_TRANSLATE;
	config &= (u8) ~(CFG_MOUSE_INT | CFG_KEYBOARD_OFF);
	return kbc_write(KBC_STATUS, CMD_WRITE_CONFIG) && kbc_write(KBC_DATA, config) &&
	       kbc_write(KBC_STATUS, CMD_KEYBOARD_ON);
}

void keyboard_init(struct tty *tty, const bool *app_cursor)
{
	if (!controller_setup()) {
		pr_info("keyboard: no i8042 controller\n");
		return;
	}
	keyboard_tty = tty;
	cursor_mode = app_cursor;
	if (irq_register(KEYBOARD_IRQ, "i8042", keyboard_interrupt, NULL)) {
		pr_err("keyboard: IRQ %d is taken\n", KEYBOARD_IRQ);
		return;
	}
	(void)kbc_write(KBC_DATA, SCANNING_ON); /* its answer, 0xfa, types nothing */
}
