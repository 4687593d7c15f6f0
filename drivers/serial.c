/* SPDX-License-Identifier: MIT */
/*
 * COM1: a 16550 UART, interrupt-driven both ways, and the log's console on the same line.
 *
 * Nothing is lost when much is pasted: while the terminal's buffer is full, the receive interrupt is
 * off and bytes stay in the UART's FIFO; when that is full, the sender waits (QEMU's backend does, a
 * real line would need RTS, which is dropped meanwhile).
 *
 * Locking: tty->lock guards the interrupt-enable register. The console writes by polling, under the
 * log's own lock. tx_lock, a bare one and innermost, is held from where the transmitter is found empty
 * until it is fed, so no byte is lost; and for all of a line of the log, so it stays in one piece. An
 * oops does not wait for it for ever.
 */
#include <drivers/serial.h>
#include <drivers/tty.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irq.h>

#define COM1     0x3f8
#define COM1_IRQ 4

enum uart_reg { UART_DATA, UART_IER, UART_FCR, UART_LCR, UART_MCR, UART_LSR };
#define UART_IIR     UART_FCR
#define IIR_NONE     0x01
#define IER_RX       0x01
#define IER_TX       0x02
#define LSR_DATA     0x01
#define LSR_BREAK    0x10
#define LSR_TX_EMPTY 0x20
#define MCR_DTR      0x01
#define MCR_RTS      0x02
#define MCR_OUT2     0x08 /* lets the interrupt through to the PIC */
#define FIFO_SIZE    16

static struct tty serial_tty;
static u8 ier;                     /* what UART_IER holds; under tty->lock */
static struct ticket_lock tx_lock; /* interrupts off */

static u8 uart_in(enum uart_reg r)
{
	return inb(COM1 + r);
}

static void uart_out(enum uart_reg r, u8 v)
{
	outb(COM1 + r, v);
}

/* ---- the log's console ------------------------------------------------------------------- */

static void put_polled(u8 c)
{
	while (!(uart_in(UART_LSR) & LSR_TX_EMPTY))
		cpu_relax();
	uart_out(UART_DATA, c);
}

/* At most FIFO_SIZE bytes: empty is the transmitter when all of it is. */
static void put_fifo(const u8 *s, int n)
{
	ticket_lock(&tx_lock);
	put_polled(*s);
	while (--n)
		uart_out(UART_DATA, *++s);
	ticket_unlock(&tx_lock);
}

static void console_write(struct console *con __unused, const char *s, size_t n)
{
	console_lock(&tx_lock);
	for (; n; n--, s++) {
		if (*s == '\n')
			put_polled('\r');
		put_polled((u8)*s);
	}
	ticket_unlock(&tx_lock);
}

static struct console serial_console = {.name = "ttyS0", .write = console_write};

/* 115200 8N1, FIFOs on, interrupts off. */
void serial_early_init(void)
{
	uart_out(UART_IER, 0);
	uart_out(UART_LCR, 0x80);
	uart_out(UART_DATA, 1);
	uart_out(UART_IER, 0);
	uart_out(UART_LCR, 0x03);
	uart_out(UART_FCR, 0x07);
	uart_out(UART_MCR, MCR_DTR | MCR_RTS);
	console_register(&serial_console);
}

/* ---- the terminal's line ------------------------------------------------------------------- */

static void set_ier(u8 v)
{
	if (v == ier)
		return;
	ier = v;
	uart_out(UART_IER, v);
}

static void serial_start_tx(struct tty *tty)
{
	assert_spin_held(&tty->lock);
	set_ier(ier | IER_TX); /* an empty transmitter interrupts at once */
}

static void serial_unthrottle(struct tty *tty)
{
	assert_spin_held(&tty->lock);
	uart_out(UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	set_ier(ier | IER_RX);
}

static const struct tty_driver serial_driver = {
	.start_tx = serial_start_tx,
	.unthrottle = serial_unthrottle,
};

static void serial_rx(void)
{
	u8 lsr;

	while ((lsr = uart_in(UART_LSR)) & LSR_DATA) {
		if (!tty_can_receive(&serial_tty)) {
			unsigned long flags = spin_lock_irqsave(&serial_tty.lock);

			if (serial_tty.throttled) {
				set_ier(ier & (u8)~IER_RX);
				uart_out(UART_MCR, MCR_DTR | MCR_OUT2);
			}
			spin_unlock_irqrestore(&serial_tty.lock, flags);
			return;
		}
		if (lsr & LSR_BREAK) {
			uart_in(UART_DATA);
			tty_hangup_char(&serial_tty);
		} else {
			tty_receive(&serial_tty, uart_in(UART_DATA));
		}
	}
}

static void serial_tx(void)
{
	unsigned long flags = spin_lock_irqsave(&serial_tty.lock);
	u8 out[FIFO_SIZE];
	int n = 0;

	if (uart_in(UART_LSR) & LSR_TX_EMPTY) {
		while (n < FIFO_SIZE && tty_tx_next(&serial_tty, &out[n]))
			n++;
		if (n)
			put_fifo(out, n);
		else
			set_ier(ier & (u8)~IER_TX);
	}
	spin_unlock_irqrestore(&serial_tty.lock, flags);
}

static bool serial_interrupt(unsigned int irq __unused, void *arg __unused)
{
	bool ours = false;

	/* The line is edge-triggered: it must have fallen before we leave, or no edge will ever come
	 * again. Reading IIR acknowledges a transmit interrupt. */
	while (!(uart_in(UART_IIR) & IIR_NONE)) {
		ours = true;
		serial_rx();
		serial_tx();
	}
	return ours;
}

static void serial_init(void)
{
	unsigned long flags;

	tty_setup(&serial_tty, &serial_driver);
	tty_register(&serial_tty, "ttyS0", 4, 64);
	if (irq_register(COM1_IRQ, "ttyS0", serial_interrupt, NULL)) {
		pr_err("serial: IRQ %d is taken, no terminal\n", COM1_IRQ);
		return;
	}
	flags = spin_lock_irqsave(&serial_tty.lock);
	serial_unthrottle(&serial_tty);
	spin_unlock_irqrestore(&serial_tty.lock, flags);
}
initcall(serial_init);
