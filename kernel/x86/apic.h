/* SPDX-License-Identifier: MIT */
/* The local APIC: the timer, and the way in for the 8259's interrupts. */
#pragma once

#include <kernel/lib/types.h>

/* Where its page of registers is; 0: there is none. */
paddr_t apic_paddr(void);
/* Enables the running (boot) CPU's, whose registers have been mapped. */
void apic_init(void *regs);
bool apic_present(void);
void apic_eoi(void);
/* One interrupt in so many nanoseconds; 0: none. */
void apic_timer_start(u64 ns);
