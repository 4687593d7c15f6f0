/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What the kernel learns from whoever loaded it.
 *
 * Two loaders are supported: GRUB by multiboot2, and QEMU's -kernel (or any other PVH loader).
 * boot/bootinfo.c copies everything either of them says into one structure before kernel_main()
 * runs, so afterwards no loader memory has to be kept, except the initrd itself.
 *
 * The assembly in entry.S includes this file for the layout constants.
 */

/* The kernel image: physical 0 appears here; the image itself is linked at 1 MiB. */
#define BOOT_KERNEL_BASE 0xffffffff80000000
/* The direct map: boot tables cover its first 4 GiB, mm/ replaces them. */
#define BOOT_DIRECT_BASE 0xffff888000000000

#define BOOT_STACK_SIZE 16384

#define BOOT_MAX_REGIONS  128
#define BOOT_CMDLINE_SIZE 2048

#define BOOT_MAGIC_MULTIBOOT2 0x36d76289
#define BOOT_MAGIC_PVH        0x336ec578

/* entry.S's segments. */
#define BOOT_GDT_SIZE 32
#define BOOT_CS32     0x18

/* struct ap_boot, below; kernel/smp.c asserts that it agrees. */
#define AP_BOOT_STATE     0
#define AP_BOOT_APIC_ID   4
#define AP_BOOT_CR3       8
#define AP_BOOT_PERCPU    16
#define AP_BOOT_STACK_TOP 24

/* ap_boot.state */
#define AP_NONE     0
#define AP_EXPECTED 1
#define AP_ARRIVED  2
#define AP_ONLINE   3

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

enum boot_how {
	BOOT_MULTIBOOT2,
	BOOT_PVH,
};

/* E820 types; a loader may report others (UEFI firmware does): treat those as reserved. */
enum boot_region_type {
	BOOT_REGION_RAM = 1,
	BOOT_REGION_RESERVED = 2,
	BOOT_REGION_ACPI = 3,
	BOOT_REGION_NVS = 4,
	BOOT_REGION_BAD = 5,
};

struct boot_region {
	uint64_t base;
	uint64_t len; /* bytes, never 0 */
	uint32_t type;
};

struct boot_colour_field {
	uint8_t pos, size; /* bits */
};

struct boot_framebuffer {
	uint64_t paddr; /* 0: none */
	uint32_t pitch, width, height;
	uint8_t bpp;
	uint8_t type; /* multiboot2: 0 indexed, 1 RGB, 2 EGA text: width and height in characters */
	struct boot_colour_field red, green, blue; /* of RGB */
};

struct boot_info {
	enum boot_how how;
	char loader[64];

	/* The kernel's own command line, always terminated. */
	char cmdline[BOOT_CMDLINE_SIZE];
	bool cmdline_cut; /* the loader's was longer */

	/* As the loader gave it: unsorted, may overlap; only empty regions are dropped. */
	unsigned int nr_regions;
	unsigned int nr_regions_lost; /* beyond BOOT_MAX_REGIONS */
	struct boot_region regions[BOOT_MAX_REGIONS];

	/* The first module. Size 0: none arrived. It may lie anywhere, also below 1 MiB. */
	uint64_t initrd_paddr;
	uint64_t initrd_size;

	/* ACPI root pointer: an address, or (multiboot2) a copy; size 0 means no copy. */
	uint64_t rsdp_paddr;
	uint32_t rsdp_size;
	uint8_t rsdp[36];

	struct boot_framebuffer fb;
};

extern struct boot_info boot_info;

/* The stack kernel_main() starts on: [boot_stack, boot_stack_top). */
extern char boot_stack[], boot_stack_top[];

/* The page tables kernel_main() starts on; in .bss, one page each. */
extern uint64_t boot_pml4[512];

/* What the processor that is being started finds (ap_entry.S, kernel/smp.c). */
struct ap_boot {
	uint32_t state; /* atomic; who moves it away from AP_EXPECTED decides */
	uint32_t apic_id;
	uint64_t cr3;
	uint64_t percpu; /* its area */
	uint64_t stack_top;
};
extern struct ap_boot ap_boot;
/* The real-mode code, to be copied to a page below 1 MiB. */
extern const char ap_trampoline[], ap_trampoline_end[];
/* kernel/smp.c; on the new processor, in the kernel's page tables, interrupts off. */
void ap_main(void) __attribute__((noreturn));

/* kernel/main.c; runs at its linked address, interrupts off, never returns. */
void kernel_main(void) __attribute__((noreturn));

#endif /* !__ASSEMBLER__ */
