/* SPDX-License-Identifier: MIT */
/*
 * The I/O APIC (Intel 82093AA), in place of the 8259s: a table with an entry for each pin says which
 * vector it becomes, at which CPU. All ISA lines go to the boot CPU, as they did; another one is a
 * matter of one number.
 *
 *	register select, window		0: id, 1: version and number of pins, 0x10 + 2n: entry n
 *	entry		63..56 APIC id	16 masked  15 level  13 low  7..0 vector
 *
 * An edge that comes while its line is handled waits in the local APIC. A level is looked at again when
 * the handlers are through and the local APIC is told so (EOI), which tells the I/O APIC.
 *
 * Locking: ioapic_lock, a bare one with interrupts off, over the two steps of an access.
 */
#include <kernel/lib/printk.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/x86/apic.h>
#include <kernel/x86/ioapic.h>
#include <kernel/x86/irqflags.h>

#define REG_VERSION 0x01
#define REG_ENTRY   0x10
#define WINDOW      (0x10 / 4)

#define ENTRY_LOW    BIT(13)
#define ENTRY_LEVEL  BIT(15)
#define ENTRY_MASKED BIT(16)
#define ENTRY_TO     24 /* in the upper half */

#define MADT_LOW   0x3u
#define MADT_LEVEL 0xcu

static volatile u32 *ioapic; /* NULL: not used */
static struct ioapic_line lines[NR_IRQS];
static u8 target; /* APIC id */
static struct ticket_lock ioapic_lock;

static void write_locked(unsigned int reg, u32 v)
{
	ioapic[0] = reg;
	ioapic[WINDOW] = v;
}

/* Masked it is while it is half written. */
static void write_entry(unsigned int pin, u32 low)
{
	unsigned long flags = local_irq_save();

	ticket_lock(&ioapic_lock);
	write_locked(REG_ENTRY + 2 * pin, ENTRY_MASKED);
	write_locked(REG_ENTRY + 2 * pin + 1, (u32)target << ENTRY_TO);
	write_locked(REG_ENTRY + 2 * pin, low);
	ticket_unlock(&ioapic_lock);
	local_irq_restore(flags);
}

bool ioapic_init(void *regs, const struct ioapic_line line[NR_IRQS])
{
	unsigned int nr_pins;

	ioapic = regs;
	target = apic_id();
	ioapic[0] = REG_VERSION;
	nr_pins = (ioapic[WINDOW] >> 16 & 0xff) + 1;
	for (unsigned int pin = 0; pin < nr_pins; pin++)
		write_entry(pin, ENTRY_MASKED);
	for (unsigned int irq = 0; irq < NR_IRQS; irq++) {
		if (line[irq].pin >= nr_pins) {
			pr_warn("ioapic: line %u is said to be at pin %u of %u\n", irq,
				line[irq].pin, nr_pins);
			ioapic = NULL;
			return false;
		}
		lines[irq] = line[irq];
	}
	pr_info("ioapic: %u pins, all ISA lines to APIC id %u\n", nr_pins, target);
	return true;
}

bool ioapic_present(void)
{
	return ioapic != NULL;
}

unsigned int ioapic_pin(unsigned int irq)
{
	return lines[irq].pin;
}

bool ioapic_is_level(unsigned int irq)
{
	return (lines[irq].flags & MADT_LEVEL) == MADT_LEVEL;
}

void ioapic_unmask(unsigned int irq)
{
	u32 low = IRQ_VECTOR_BASE + irq;

	if ((lines[irq].flags & MADT_LOW) == MADT_LOW)
		low |= ENTRY_LOW;
	if (ioapic_is_level(irq))
		low |= ENTRY_LEVEL;
	write_entry(lines[irq].pin, low);
}
