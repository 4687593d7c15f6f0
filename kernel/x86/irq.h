/* SPDX-License-Identifier: MIT */
/*
 * Device interrupts: the 16 lines of ISA. Handlers run with interrupts off on the stack of
 * whatever was interrupted; they wake threads, and neither allocate nor take mm's locks.
 */
#pragma once

#include <kernel/lib/types.h>

struct trapframe;

#define IRQ_VECTOR_BASE        0x20 /* ISA lines at 0x20 to 0x2f */
#define NR_IRQS                16
#define APIC_TIMER_VECTOR      0xf0
#define APIC_RESCHEDULE_VECTOR 0xf1
#define APIC_CALL_VECTOR       0xf2
#define APIC_SPURIOUS_VECTOR   0xff

/* Where a line arrives at the I/O APIC, and how, as the MADT has it: bits 0-1 polarity, 3: low; bits
 * 2-3 trigger, 3: level. Else it is as ISA's are: high, edge. */
struct ioapic_line {
	u32 pin;
	u16 flags;
};

/* Returns true if its device had raised the line: lines can be shared (PCI). */
typedef bool (*irq_handler_t)(unsigned int irq, void *arg);

/* Adds a handler to a line and enables it; name, a constant, is the device's. 0, -EINVAL, or -ENOSPC
 * (four handlers a line). */
int irq_register(unsigned int irq, const char *name, irq_handler_t fn, void *arg) __must_check;
void irq_enable_line(unsigned int irq);
/* How often each line has fired, for /proc/interrupts and /proc/stat. */
u64 irq_count(unsigned int irq);
u64 irq_count_total(void); /* with the timers' and those between CPUs */
u64 timer_irq_count(unsigned int cpu);
u64 spurious_irq_count(void);
const char *irq_name(unsigned int irq); /* of the first device; "" if there is none */

void pic_init(void); /* remapped and all masked */
/* From now on the lines come through the I/O APIC. Before the first is enabled. */
void irq_use_ioapic(void *regs, const struct ioapic_line line[NR_IRQS]);

/* kernel/sched/tick.c. */
extern void (*timer_irq_handler)(struct trapframe *tf);

/* From kernel/traps.c: an interrupt has come on vector tf->vector. */
void irq_dispatch(struct trapframe *tf);
