/* SPDX-License-Identifier: MIT */
/* What the firmware's ACPI tables say about processors and interrupt controllers: the MADT. */
#pragma once

#include <kernel/lib/types.h>
#include <kernel/x86/percpu.h>

#define ACPI_ISA_IRQS 16

struct acpi_madt {
	bool found;
	paddr_t lapic; /* registers of the local APICs */
	/* Processors that can be started, the first NR_CPUS of them. */
	unsigned int nr_cpus, nr_cpus_lost;
	u8 apic_id[NR_CPUS];
	/* The I/O APIC that serves the ISA lines; 0: there is none. */
	paddr_t ioapic;
	u32 ioapic_gsi_base;
	/* Where each ISA line arrives, and how: identity and bus default (flags 0) unless overridden. */
	struct {
		u32 gsi;
		u16 flags; /* bits 0-1 polarity: 1 high, 3 low; bits 2-3 trigger: 1 edge, 3 level */
	} isa[ACPI_ISA_IRQS];
};

extern struct acpi_madt acpi_madt;

/* Fills acpi_madt, from the root pointer that the loader gave or from the BIOS's area. Sleeps. */
void acpi_init(void);
