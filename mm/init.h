/* SPDX-License-Identifier: MIT */
/*
 * Bringing memory up.
 */
#pragma once

#include <kernel/lib/types.h>

/*
 * From memblock to kmalloc: builds the kernel's own page tables and loads them (the identity map is
 * gone afterwards, and the direct map covers all RAM), then the page array, zones, slab and vmalloc.
 * On entry: boot CPU, interrupts off, boot page tables, processor features detected, memblock told
 * of RAM, of what is not RAM, and of the initramfs. The kernel image and page 0 are reserved here.
 *
 * [device, device + size): memory of a device that is in use already (the screen), at its address in
 * the direct map; it stays there, uncached. No RAM. Size 0: none.
 */
void mm_init_early(paddr_t device, size_t size);

/* Before another CPU starts, whose per-CPU area is as it was linked: no pages, no stacks, no counts. */
void mm_init_cpu(unsigned int cpu);
void mm_print_usage(void);
/* The nth part of the kernel's image, from 0 up: "code", "rodata" ..., or NULL behind the last. */
const char *kernel_part(unsigned int n, paddr_t *start, paddr_t *end);
void show_mem(void); /* Linux's report on memory, into the log; sleeps */
/* A request's flags by name, as "GFP_KERNEL|__GFP_ZERO"; returns buf. */
#define GFP_NAMES_MAX 160
const char *gfp_names(unsigned int gfp, char buf[GFP_NAMES_MAX]);
