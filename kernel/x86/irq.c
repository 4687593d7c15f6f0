/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines through the 8259 pair.
 *
 * The I/O APIC would spread lines over CPUs; for a serial line, a keyboard and a disk, the 8259
 * does on every PC and needs no ACPI tables. Its interrupts arrive as ExtINT through the boot CPU's
 * local APIC (apic.c).
 *
 * Handlers do not nest: interrupts stay off until the line has been acknowledged. Lines 7 and 15 may
 * fire for nothing (the request vanished before the processor asked which it was): the in-service
 * bit tells.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/x86/apic.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irq.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/smp.h>
#include <kernel/x86/trapframe.h>

#define PIC1_CMD     0x20
#define PIC1_DATA    0x21
#define PIC2_CMD     0xa0
#define PIC2_DATA    0xa1
#define PIC_EOI      0x20
#define PIC_READ_ISR 0x0b
#define PIC_CASCADE  2

#define HANDLERS_PER_LINE 4

static struct irq_line {
	struct {
		irq_handler_t fn;
		void *arg;
		const char *name;
	} handler[HANDLERS_PER_LINE];
	u64 count;
} lines[NR_IRQS]; /* changed with interrupts off */

static u16 pic_mask = 0xffff; /* as in the chips */
void (*timer_irq_handler)(struct trapframe *tf);
static u64 timer_count, spurious_count;

static void pic_write_mask(void)
{
	outb(PIC1_DATA, (u8)pic_mask);
	outb(PIC2_DATA, (u8)(pic_mask >> 8));
}

void pic_init(void)
{
	/* ICW1: edge, cascade, ICW4 follows; ICW2: vectors; ICW3: wiring; ICW4: 8086 mode. */
	outb(PIC1_CMD, 0x11);
	io_delay();
	outb(PIC2_CMD, 0x11);
	io_delay();
	outb(PIC1_DATA, IRQ_VECTOR_BASE);
	io_delay();
	outb(PIC2_DATA, IRQ_VECTOR_BASE + 8);
	io_delay();
	outb(PIC1_DATA, 1 << PIC_CASCADE);
	io_delay();
	outb(PIC2_DATA, PIC_CASCADE);
	io_delay();
	outb(PIC1_DATA, 1);
	io_delay();
	outb(PIC2_DATA, 1);
	io_delay();
	pic_mask = (u16) ~(1u << PIC_CASCADE);
	pic_write_mask();
}

void irq_enable_line(unsigned int irq)
{
	unsigned long flags = local_irq_save();

	pic_mask &= (u16) ~(1u << irq);
	pic_write_mask();
	local_irq_restore(flags);
}

int irq_register(unsigned int irq, const char *name, irq_handler_t fn, void *arg)
{
	unsigned long flags;
	int err = -ENOSPC;

	if (irq >= NR_IRQS || irq == PIC_CASCADE)
		return -EINVAL;
	flags = local_irq_save();
	for (int i = 0; i < HANDLERS_PER_LINE; i++) {
		if (lines[irq].handler[i].fn)
			continue;
		lines[irq].handler[i].arg = arg;
		lines[irq].handler[i].name = name;
		lines[irq].handler[i].fn = fn;
		err = 0;
		break;
	}
	local_irq_restore(flags);
	if (!err)
		irq_enable_line(irq);
	return err;
}

u64 irq_count(unsigned int irq)
{
	return READ_ONCE(lines[irq].count);
}

u64 timer_irq_count(void)
{
	return READ_ONCE(timer_count);
}

u64 spurious_irq_count(void)
{
	return READ_ONCE(spurious_count);
}

const char *irq_name(unsigned int irq)
{
	const char *name = READ_ONCE(lines[irq].handler[0].name);

	return name ? name : "";
}

u64 irq_count_total(void)
{
	u64 n = timer_irq_count();

	for (unsigned int i = 0; i < NR_IRQS; i++)
		n += irq_count(i);
	return n;
}

static bool pic_in_service(unsigned int irq)
{
	u16 cmd = irq < 8 ? PIC1_CMD : PIC2_CMD;

	outb(cmd, PIC_READ_ISR);
	return inb(cmd) >> (irq & 7) & 1;
}

static void pic_eoi(unsigned int irq)
{
	if (irq >= 8)
		outb(PIC2_CMD, PIC_EOI);
	outb(PIC1_CMD, PIC_EOI);
}

static void handle_line(unsigned int irq)
{
	struct irq_line *line = &lines[irq];
	bool handled = false;

	if ((irq == 7 || irq == 15) && !pic_in_service(irq)) {
		spurious_count++;
		if (irq == 15) /* the first chip saw its cascade line for real */
			outb(PIC1_CMD, PIC_EOI);
		return;
	}
	line->count++;
	for (int i = 0; i < HANDLERS_PER_LINE; i++)
		if (line->handler[i].fn)
			handled |= line->handler[i].fn(irq, line->handler[i].arg);
	/* A level-triggered line would still be up before that; an edge meanwhile is remembered. */
	pic_eoi(irq);
	if (!handled && line->count == 1)
		pr_warn("irq %u: nobody cared\n", irq);
}

void irq_dispatch(struct trapframe *tf)
{
	unsigned int vector = (unsigned int)tf->vector;

	if (vector == APIC_TIMER_VECTOR) {
		timer_count++;
		apic_eoi();
		timer_irq_handler(tf);
	} else if (vector == APIC_CALL_VECTOR) {
		apic_eoi();
		smp_call_interrupt();
	} else if (vector == APIC_RESCHEDULE_VECTOR) {
		this_cpu_inc(ipi_reschedule_count);
		apic_eoi();
	} else if (vector == IRQ_VECTOR_BASE && !apic_present()) {
		timer_count++;
		pic_eoi(0);
		timer_irq_handler(tf);
	} else if (vector - IRQ_VECTOR_BASE < NR_IRQS) {
		handle_line(vector - IRQ_VECTOR_BASE);
	} else if (vector != APIC_SPURIOUS_VECTOR) {
		pr_warn("unexpected interrupt vector %u\n", vector);
		if (apic_present())
			apic_eoi();
	}
}
