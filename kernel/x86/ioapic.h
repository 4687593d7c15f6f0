/* SPDX-License-Identifier: MIT */
/* The I/O APIC that the ISA lines arrive at. */
#pragma once

#include <kernel/x86/irq.h>

/* Takes the lines over, all masked, towards the running CPU. regs: its registers, mapped. False if it
 * has not all the pins: then it stays masked and unused. */
bool ioapic_init(void *regs, const struct ioapic_line line[NR_IRQS]);
bool ioapic_present(void);
void ioapic_unmask(unsigned int irq);
/* For /proc/interrupts. */
unsigned int ioapic_pin(unsigned int irq);
bool ioapic_is_level(unsigned int irq);
