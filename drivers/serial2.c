/* SPDX-License-Identifier: MIT */
/*
 * COM2, one way: /dev/ttyS1 sends what is written to it, byte for byte, beside the terminal on COM1. It is
 * for a stream out of the machine, such as the trace's (vmtrace -o /dev/ttyS1, with QEMU's second -serial
 * going into a file), that must not go through the machine's own memory. No terminal: nothing is
 * translated, nothing is read.
 *
 * Simplified: no interrupts. Who writes fills the UART's FIFO, and gives way while it is full; under QEMU it
 * never is for long.
 *
 * Locking: line_lock, so that writes do not mix; the user's bytes are copied before.
 */
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/sync/mutex.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/uaccess.h>

#define COM2         0x2f8
#define UART_DATA    (COM2 + 0)
#define UART_IER     (COM2 + 1)
#define UART_FCR     (COM2 + 2)
#define UART_LCR     (COM2 + 3)
#define UART_MCR     (COM2 + 4)
#define UART_LSR     (COM2 + 5)
#define UART_SCRATCH (COM2 + 7)
#define LSR_TX_EMPTY 0x20
#define FIFO_SIZE    16

static struct mutex line_lock;

static ssize_t line_write(struct file *f __unused, const void __user *ubuf, size_t n,
			  loff_t *pos __unused)
{
	u8 buf[16 * FIFO_SIZE];
	size_t done = 0;

	while (done < n) {
		size_t part = min(n - done, sizeof(buf));

		if (copy_from_user(buf, (const char __user *)ubuf + done, part))
			return done ? (ssize_t)done : -EFAULT;
		guard_mutex(&line_lock);
		for (size_t i = 0; i < part; i++) {
			while (i % FIFO_SIZE == 0 && !(inb(UART_LSR) & LSR_TX_EMPTY))
				sched_yield();
			outb(UART_DATA, buf[i]);
		}
		done += part;
	}
	return (ssize_t)n;
}

static const struct file_operations line_fops = {.write = line_write, .llseek = no_llseek};

static void serial2_init(void)
{
	outb(UART_SCRATCH, 0x5a);
	if (inb(UART_SCRATCH) != 0x5a)
		return; /* there is none */
	mutex_init(&line_lock, LOCK_TTY);
	outb(UART_IER, 0);
	outb(UART_LCR, 0x80); /* 115200 8N1, FIFOs on */
	outb(UART_DATA, 1);
	outb(UART_IER, 0);
	outb(UART_LCR, 0x03);
	outb(UART_FCR, 0x07);
	outb(UART_MCR, 0x03);
	if (chrdev_register(4, 65, "ttyS1", 0200, &line_fops, NULL))
		pr_err("serial: no memory for ttyS1\n");
}
initcall(serial2_init);
