/* SPDX-License-Identifier: MIT */
/* The local APIC: the timer, interrupts to other CPUs, and the way in for the 8259's. */
#pragma once

#include <kernel/lib/types.h>

/* Where its page of registers is; 0: there is none. */
paddr_t apic_paddr(void);
/* Enables the running (boot) CPU's, whose registers have been mapped. */
void apic_init(void *regs);
/* Enables that of another CPU, on it; the registers are at the same address. */
void apic_init_cpu(void);
u8 apic_id(void);            /* of the running CPU */
void apic_mask_extint(void); /* nothing comes from the 8259s any more */
bool apic_present(void);
void apic_eoi(void);
/* Interrupts to the CPU with that id; any context. */
void apic_send(u8 apic_id, u8 vector);
void apic_send_nmi(u8 apic_id);
/* INIT: it resets and waits for STARTUP, which makes it begin in real mode at the page (below 1 MiB). */
void apic_send_init(u8 apic_id);
void apic_send_startup(u8 apic_id, paddr_t page);
/* One interrupt in so many nanoseconds; 0: none. */
void apic_timer_start(u64 ns);
