/* SPDX-License-Identifier: MIT */
/*
 * The screen as a terminal and as a console of the log. The terminal emulator (vt.c) draws on whatever
 * screen was found; keys come from keyboard.c. There is one terminal, /dev/tty1, which /dev/tty0 ("the
 * one in front") means too.
 *
 * Locking: tty->lock over what the line discipline sends, inside it screen_lock over the emulator and
 * the device, which the log's console takes too. screen_lock is a bare one and the innermost of all,
 * since printk() may come anywhere; an oops does not wait for it for ever.
 *
 * Everything is drawn at once, with interrupts off: a program's output comes in pieces of 256 bytes.
 */
#include <boot/boot.h>
#include <drivers/keyboard.h>
#include <drivers/screen.h>
#include <drivers/termios.h>
#include <drivers/tty.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/x86/uaccess.h>

#define TTY_MAJOR 4

static struct vt vt;
static cell_t cells[VT_MAX_ROWS * VT_MAX_COLS];
static struct ticket_lock screen_lock;
static struct tty screen_tty;
static bool sending; /* under screen_tty.lock */

/* ---- the log's console -------------------------------------------------------------------------- */

static void console_write(struct console *con __unused, const char *s, size_t n)
{
	console_lock(&screen_lock);
	vt_write_log(&vt, s, n);
	ticket_unlock(&screen_lock);
}

static struct console screen_console = {.name = "tty0", .write = console_write};

void screen_early_init(void)
{
	if (!framebuffer_probe(&vt) && !vga_text_probe(&vt)) {
		boot_info.fb = (struct boot_framebuffer){.paddr = 0};
		return;
	}
	vt_init(&vt, vt.ops, cells, vt.rows, vt.cols);
	console_register(&screen_console);
}

paddr_t screen_memory(size_t *size)
{
	*size = (size_t)boot_info.fb.pitch * boot_info.fb.height;
	return boot_info.fb.paddr;
}

/* ---- the terminal ------------------------------------------------------------------------------- */

/* Answers to a program's questions are input, echo and all: so this comes back to us. */
static void screen_start_tx(struct tty *tty)
{
	char reply[VT_REPLY_MAX];
	unsigned int len;
	u8 buf[64];
	size_t n;

	assert_spin_held(&tty->lock);
	if (sending)
		return;
	sending = true;
	do {
		for (n = 0; n < sizeof(buf) && tty_tx_next(tty, &buf[n]);)
			n++;
		ticket_lock(&screen_lock);
		vt_write(&vt, buf, n);
		len = vt_take_reply(&vt, reply);
		ticket_unlock(&screen_lock);
		for (unsigned int i = 0; i < len; i++)
			tty_receive_locked(tty, (u8)reply[i]);
	} while (n);
	sending = false;
}

/* Keys that found no room are lost. */
static void screen_unthrottle(struct tty *tty __unused)
{
}

/* Programs tell by them that this is no serial line: busybox's init sets TERM accordingly. */
static long screen_ioctl(unsigned int cmd, void __user *arg)
{
	switch (cmd) {
	case VT_OPENQRY:
		return put_user(-1, (int __user *)arg); /* no further one is free */
	case KDGKBTYPE:
		return put_user(KB_101, (u8 __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct tty_driver screen_driver = {
	.start_tx = screen_start_tx,
	.unthrottle = screen_unthrottle,
	.ioctl = screen_ioctl,
};

static void screen_init(void)
{
	if (!vt.ops)
		return;
	tty_setup(&screen_tty, &screen_driver);
	screen_tty.termios.c_iflag |= IUTF8;
	screen_tty.winsize = (struct winsize){.ws_row = (u16)vt.rows, .ws_col = (u16)vt.cols};
	tty_register(&screen_tty, "tty0", TTY_MAJOR, 0);
	tty_register(&screen_tty, "tty1", TTY_MAJOR, 1);
	keyboard_init(&screen_tty, &vt.app_cursor);
}
initcall(screen_init);
