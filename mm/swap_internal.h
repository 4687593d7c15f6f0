/* SPDX-License-Identifier: MIT */
/*
 * A swap area, for mm/swap*.c and migrate.c alone.
 */
#pragma once

#include <drivers/block/block.h>
#include <kernel/sync/spinlock.h>
#include <mm/swap.h>

/* Slots that are allocated one after the other, so that what is swapped together lies together: 1 MiB,
 * as on Linux. */
#define SWAP_CLUSTER 256u

struct swap_area {
	struct block_device *bdev; /* (c) claimed, referenced */
	unsigned int nr;           /* (c) in the entries */
	u32 slots;                 /* (c) the header's, slot 0, included */
	u32 pages;                 /* (c) good slots */
	char name[64];             /* (c) */
	int prio;                  /* (s) */
	bool on;                   /* (s) may be allocated from, and is on the list by priority */
	u32 free;                  /* (s) */
	u32 stale;                 /* (s) slots that only the cache has */
	u32 nr_empty;              /* (s) clusters without a used slot */
	u32 cluster, next, end;    /* (s) allocation goes on in this cluster, at next */
	u32 hand;                  /* (s) the search for stale slots goes on here */
	u16 *count;                /* (s) a slot: SLOT_* */
	u32 *cached;               /* (s) a slot: pfn of the cached page, else its shadow or 0 */
	u16 *used;                 /* (s) a cluster: slots in use or bad */
	struct list_head by_prio;  /* (s) */
};
/* (c) constant (s) swap_lock */

#define SLOT_CACHED 0x8000u /* its page is in the cache */
#define SLOT_BAD    0x7fffu /* never used */
#define SLOT_MAX    0x7ffeu /* ptes and values that can be counted */

extern spinlock_t swap_lock;

/* The area of e, if there is one and it has such a slot. swap_lock held. */
struct swap_area *swap_area_locked(swp_entry_t e);
/* A slot that only the cache has from now on. False: there is none. */
bool slot_alloc_locked(swp_entry_t *e);
/* A slot that only the cache has comes free, if one is found soon. Under any lock but swap's. */
bool swap_free_stale(void);
/* The cache lets go of it, and leaves a shadow (or 0). */
void slot_uncache_locked(struct swap_area *a, u32 slot, u32 shadow);

/* The page at *slot or the next one above it that is cached, referenced; after many that are not, NULL.
 * False: the area ends. */
bool swap_next_cached(unsigned int area, u32 *slot, struct page **page);

/* Brings everything of the area back, and empties its cache: 0, -ENOMEM, -EIO, -EINTR (swapoff.c). */
int swap_unuse(struct swap_area *a);
int shmem_unuse(unsigned int area);
