/* SPDX-License-Identifier: MIT */
/* What one CPU can make another do: look again, call a function, stop. */
#pragma once

#include <kernel/lib/types.h>
#include <kernel/x86/percpu.h>

/* The other CPUs that run, one bit each. */
static inline u64 other_cpus(void)
{
	return (BIT(nr_cpu_ids) - 1) & ~BIT(smp_processor_id());
}

/* The APIC id of each CPU, in the order of their numbers; set before the CPU is started. */
extern u8 cpu_apic_id[NR_CPUS];

/* An interrupt that does nothing else: the CPU leaves HLT, or user mode by way of the look at
 * need_resched and thread->work. Any context. */
void smp_send_reschedule(unsigned int cpu);

/* Runs fn(arg) on every CPU of mask (the running one not among them), in an interrupt, and returns
 * when all have done it. What they did is then visible here, and what was done here before, to
 * them. Interrupts must be on, and no spinlock held that is ever waited for with interrupts off: the
 * CPU that waits for it would never answer. Not in interrupt handlers. fn takes no lock but such as handlers
 * may take. */
void smp_call_mask(u64 mask, void (*fn)(void *arg), void *arg);

#ifdef CONFIG_DEBUG
/* The lock checker's look at each call (kernel/sync/lock_check.c). */
extern void (*smp_call_check)(void);
#endif

/* A non-maskable interrupt to all others, which kernel/traps.c gets. */
void smp_send_nmi_others(void);
void smp_send_nmi(unsigned int cpu);

/* From irq.c: a call has come. */
void smp_call_interrupt(void);

/* How many of each this CPU has received, for /proc/interrupts. */
DECLARE_PER_CPU(u64, ipi_reschedule_count);
DECLARE_PER_CPU(u64, ipi_call_count);
