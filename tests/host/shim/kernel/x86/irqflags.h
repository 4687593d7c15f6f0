/* SPDX-License-Identifier: MIT */
/* Interrupts on the host: there are none. */
#pragma once

#include <kernel/lib/types.h>

static inline unsigned long local_irq_save(void)
{
	return 0;
}
static inline void local_irq_restore(unsigned long flags)
{
	(void)flags;
}
static inline void local_irq_disable(void)
{
}
static inline void local_irq_enable(void)
{
}
static inline bool irqs_disabled(void)
{
	return false;
}

/* A test that links the lock checker sees sleeping under a spinlock. */
void host_might_sleep(void);
#define might_sleep() host_might_sleep()
