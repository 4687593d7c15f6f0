/* SPDX-License-Identifier: MIT */
/*
 * Kernel memory that is contiguous only virtually, with an unmapped guard page after each area.
 */
#pragma once

#include <mm/gfp.h>

/* Rounded up to pages; NULL on shortage. Sleeps (GFP_KERNEL). */
void *vmalloc(size_t size);
void *vzalloc(size_t size);
void vfree(const void *p); /* NULL is fine; not in interrupts */

/* A kernel stack of KSTACK_SIZE with guard pages on both sides; its pages are counted as stacks.
 * A few are cached per CPU. */
void *kstack_alloc(int nid);
void kstack_free(void *stack); /* does not sleep */
/* Frees the cached ones. */
void kstack_drain(void);
/* If addr is in a stack's guard page: that stack's lowest address, else NULL (for the oops). */
void *kstack_guard_hit(vaddr_t addr);

/* Device registers, uncached, NX. NULL on shortage. */
void *ioremap(paddr_t pa, size_t size);
void iounmap(void *p);

bool is_vmalloc_addr(const void *p);
unsigned long vmalloc_used_pages(void);
void vmalloc_init(void);
