/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines: the sixteen of ISA, through the I/O APIC (ioapic.c), or through the 8259 pair where
 * there is none, or by noapic. The 8259s' interrupts arrive as ExtINT through the boot CPU's local APIC
 * (apic.c). Either way all lines come to the boot CPU, so a handler is never there twice.
 *
 * Handlers do not nest: interrupts stay off until the line has been acknowledged. Lines 7 and 15 of
 * the 8259s may fire for nothing (the request vanished before the processor asked which it was): the
 * in-service bit tells.
 *
 * Locking: irq_lock, a bare one with interrupts off, to add a handler and for the 8259s' mask. The
 * dispatcher takes none: a handler is there when its function is.
 */
#include <kernel/lib/atomic.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/x86/apic.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/ioapic.h>
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
} lines[NR_IRQS]; /* (l) but for count, the boot CPU's */

static struct ticket_lock irq_lock; /* (l) */
static u16 pic_mask = 0xffff;       /* (l) as in the chips */
void (*timer_irq_handler)(struct trapframe *tf);
static DEFINE_PER_CPU(u64, timer_count);
static u64 spurious_count;

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

void irq_use_ioapic(void *regs, const struct ioapic_line line[NR_IRQS])
{
	if (!ioapic_init(regs, line))
		return;
	apic_mask_extint();
	pic_mask = 0xffff;
	pic_write_mask();
}

void irq_enable_line(unsigned int irq)
{
	unsigned long flags;

	if (ioapic_present()) {
		ioapic_unmask(irq);
		return;
	}
	flags = local_irq_save();
	ticket_lock(&irq_lock);
	pic_mask &= (u16) ~(1u << irq);
	pic_write_mask();
	ticket_unlock(&irq_lock);
	local_irq_restore(flags);
}

int irq_register(unsigned int irq, const char *name, irq_handler_t fn, void *arg)
{
	unsigned long flags;
	int err = -ENOSPC;

	if (irq >= NR_IRQS || irq == PIC_CASCADE)
		return -EINVAL;
	flags = local_irq_save();
	ticket_lock(&irq_lock);
	for (int i = 0; i < HANDLERS_PER_LINE; i++) {
		if (lines[irq].handler[i].fn)
			continue;
		lines[irq].handler[i].arg = arg;
		lines[irq].handler[i].name = name;
		smp_store_release(&lines[irq].handler[i].fn, fn);
		err = 0;
		break;
	}
	ticket_unlock(&irq_lock);
	local_irq_restore(flags);
	if (!err)
		irq_enable_line(irq);
	return err;
}

u64 irq_count(unsigned int irq)
{
	return READ_ONCE(lines[irq].count);
}

u64 timer_irq_count(unsigned int cpu)
{
	return READ_ONCE(*per_cpu_ptr(&timer_count, cpu));
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
	u64 n = 0;

	for_each_cpu(cpu)
		n += timer_irq_count(cpu) + READ_ONCE(*per_cpu_ptr(&ipi_reschedule_count, cpu)) +
		     READ_ONCE(*per_cpu_ptr(&ipi_call_count, cpu));
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

/* True if the 8259 does not know of a request. */
static bool pic_spurious(unsigned int irq)
{
	if ((irq != 7 && irq != 15) || pic_in_service(irq))
		return false;
	spurious_count++;
	if (irq == 15) /* the first chip saw its cascade line for real */
		outb(PIC1_CMD, PIC_EOI);
	return true;
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

	if (!ioapic_present() && pic_spurious(irq))
		return;
	line->count++;
	for (int i = 0; i < HANDLERS_PER_LINE; i++) {
		irq_handler_t fn = smp_load_acquire(&line->handler[i].fn);

		if (fn)
			handled |= fn(irq, line->handler[i].arg);
	}
	/* A level-triggered line would still be up before that; an edge meanwhile is remembered. */
	if (ioapic_present())
		apic_eoi();
	else
		pic_eoi(irq);
	if (!handled && line->count == 1)
		pr_warn("irq %u: nobody cared\n", irq);
}

void irq_dispatch(struct trapframe *tf)
{
	unsigned int vector = (unsigned int)tf->vector;

	if (vector == APIC_TIMER_VECTOR) {
		this_cpu_inc(timer_count);
		apic_eoi();
		timer_irq_handler(tf);
	} else if (vector == APIC_CALL_VECTOR) {
		apic_eoi();
		smp_call_interrupt();
	} else if (vector == APIC_RESCHEDULE_VECTOR) {
		this_cpu_inc(ipi_reschedule_count);
		apic_eoi();
	} else if (vector == IRQ_VECTOR_BASE && !apic_present()) {
		this_cpu_inc(timer_count);
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
