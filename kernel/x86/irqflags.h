/* SPDX-License-Identifier: MIT */
/* The running CPU's interrupt flag. */
#pragma once

#include <kernel/lib/types.h>

#define __RFLAGS_IF 0x200UL

static inline unsigned long local_save_flags(void)
{
	unsigned long flags;

	__asm__ __volatile__("pushfq; popq %0" : "=r"(flags) : : "memory");
	return flags;
}
static inline void local_irq_disable(void)
{
	__asm__ __volatile__("cli" : : : "memory");
}
static inline void local_irq_enable(void)
{
	__asm__ __volatile__("sti" : : : "memory");
}
static inline unsigned long local_irq_save(void)
{
	unsigned long flags = local_save_flags();

	local_irq_disable();
	return flags;
}
static inline void local_irq_restore(unsigned long flags)
{
	if (flags & __RFLAGS_IF)
		local_irq_enable();
	else
		local_irq_disable();
}
static inline bool irqs_disabled_flags(unsigned long flags)
{
	return !(flags & __RFLAGS_IF);
}
static inline bool irqs_disabled(void)
{
	return irqs_disabled_flags(local_save_flags());
}
