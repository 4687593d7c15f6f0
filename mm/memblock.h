/* SPDX-License-Identifier: MIT */
/*
 * Memory before the buddy: which physical ranges are RAM, and which of these are taken. Boot CPU
 * only, no locks. All sizes are bytes.
 *
 * Use: memblock_add() every RAM range of the firmware's map, then memblock_remove() every range
 * that it calls something else (they may overlap: what is not RAM wins), then memblock_reserve()
 * what is in use, then mm_init_early().
 */
#pragma once

#include <kernel/lib/types.h>

/* RAM: the whole pages inside the range. */
void memblock_add(paddr_t base, size_t size);
/* Not RAM after all: every page that the range touches. */
void memblock_remove(paddr_t base, size_t size);
/* In use: every page that the range touches. Need not be RAM. */
void memblock_reserve(paddr_t base, size_t size);
/* mem=: RAM from here on is mapped but not managed. 0: no limit. */
void memblock_set_limit(paddr_t limit);
/* memblock_alloc() stays below this address: what the running page tables map. */
void memblock_set_ceiling(paddr_t ceiling);

/* Reserves size bytes as high as possible below limit and ceiling; align: a power of two, at least
 * a page. 0: no room. The memory is not cleared. */
paddr_t memblock_alloc(size_t size, size_t align) __must_check;

/* Takes whole pages of RAM out of all accounts for good, as high as possible (above mem= too) but not
 * below low: still in the direct map, yet neither managed nor counted. keep: so many bytes of managed
 * RAM must be left free. 0: no room. */
paddr_t memblock_take(size_t size, size_t align, paddr_t low, size_t keep) __must_check;

/* The lowest range that ends above from, cut so that it starts there at the earliest. False: none.
 * ram: all there is (for the direct map); memory: below the limit; free: and not reserved. */
bool memblock_next_ram(paddr_t from, paddr_t *start, paddr_t *end);
bool memblock_next_memory(paddr_t from, paddr_t *start, paddr_t *end);
bool memblock_next_free(paddr_t from, paddr_t *start, paddr_t *end);
/* Bytes of managed RAM within [start, end), and of free RAM. */
size_t memblock_memory_size(paddr_t start, paddr_t end);
size_t memblock_free_size(paddr_t start, paddr_t end);
/* Where managed RAM ends. */
paddr_t memblock_memory_end(void);

#ifdef OCTAVO_HOST
void memblock_reset(void);
#endif
