/* SPDX-License-Identifier: MIT */
/*
 * The PS/2 keyboard behind an i8042, or what a chipset or QEMU offers in its place.
 *
 * The controller translates the keyboard's codes to set 1; the interrupt handler hands what they type
 * (keymap.c) to the line discipline. What does not fit there is lost.
 *
 * Simplified: no lights, no mouse.
 *
 * Locking: none. The state belongs to the interrupt handler.
 */
#include <drivers/keyboard.h>
#include <drivers/keymap.h>
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
