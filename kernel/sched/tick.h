/* SPDX-License-Identifier: MIT */
/* The timer interrupt. */
#pragma once

#include <kernel/lib/types.h>

/* Chooses the timer device (after apic_init()), starts the tick, and gives timer.c its
 * timer_hw_program. */
void clockevent_init(void);

/* Around the idle loop's halt, interrupts off: the tick stops while there is nothing to account. */
void tick_stop_idle(void);
void tick_restart(void);
