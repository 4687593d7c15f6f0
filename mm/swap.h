/* SPDX-License-Identifier: MIT */
/*
 * Swap: areas of slots on block devices, the pages that lie there, and the cache of those pages that
 * are also in memory. The pictures are in swap.c (slots) and swap_cache.c (pages).
 */
#pragma once

#include <mm/mm.h>
#include <mm/swapops.h>

struct address_space;
struct block_device;

/* --- areas (swap.c, swapoff.c) ---------------------------------------------------------------- */
/* swapon(2)'s flags. */
#define SWAP_FLAG_PRIO_MASK 0x7fff
#define SWAP_FLAG_PREFER    0x8000
#define SWAP_FLAGS_VALID    0x7ffff /* the discards are accepted; nothing is discarded */

/* The device becomes a swap area, called name in /proc/swaps: 0; -EINVAL (no good header), -EBUSY (in
 * use), -ENOMEM, -EIO, -EPERM (there are MAX_SWAP_AREAS). The area takes over the caller's reference to
 * bdev then. Sleeps. */
int do_swapon(struct block_device *bdev, int flags, const char *name) __must_check;
/* All its pages come back, and it is no swap area any more: 0; -EINVAL (it is none); -ENOMEM, -EIO,
 * -EINTR: it stays on. Sleeps. */
int do_swapoff(const struct block_device *bdev) __must_check;

/* What /proc/swaps prints; pages. False: there is no area n, but maybe others above. */
struct swap_info {
	char name[64];
	unsigned long size, used;
	int prio;
};
bool swap_info_get(unsigned int n, struct swap_info *si);
unsigned long nr_swap_pages(void); /* free slots */
bool swap_has_room(void); /* a slot is free, or can be had from a page that is in memory, too */
bool swap_is_short(void); /* more than half of it is used: keep no copies of what is in memory */

/* --- slots ------------------------------------------------------------------------------------- */
/* How many ptes and shmem values name the slot; 0 too if it is no slot. Just a look. */
unsigned int swap_count(swp_entry_t e);
/* One more names it: 0, or -ENOMEM (it has as many as can be counted). Any lock but swap's. */
int swap_duplicate(swp_entry_t e) __must_check;
/* One less. True: only the cache has it now. swap_free_page() also lets go of the cached page then, if no
 * one else wants that. */
bool swap_free(swp_entry_t e);
void swap_free_page(swp_entry_t e);

/* --- the cache (swap_cache.c) ------------------------------------------------------------------- */
/* A locked page that is in no cache gets a slot, and is dirty: 0 or -ENOSPC. Allocates no memory. */
int add_to_swap(struct page *page) __must_check;
/* The locked page leaves the cache, whatever names its slot. The caller has a reference of its own. */
void delete_from_swap_cache(struct page *page);
/* The same by reclaim: a shadow takes its place (workingset.c). */
void evict_from_swap_cache(struct page *page);
/* The same if nothing but the cache has the slot and the page is not being written: true. It is dirty
 * then. Locked. */
bool try_to_free_swap(struct page *page);
/* The same for a page whose pte went away, from any context that may take LOCK_SWAP; not locked. */
void free_swap_cache(struct page *page);
/* The cached page with a reference, or NULL. */
struct page *swap_cache_get(swp_entry_t e);
/* The page, read if need be with its neighbours: with a reference, uptodate, not locked, so that it may
 * have left the cache again. NULL: no such slot is in use. ERR_PTR(-ENOMEM, -EIO). *major: I/O was done
 * (may be NULL). Sleeps; no locks but mmap_lock. */
struct page *swap_read(swp_entry_t e, bool *major);
/* Begins to write the locked page out, and unlocks it; PG_writeback until that is done. On an error it
 * is dirty again. Sleeps if many are being written; allocates nothing. */
int swap_writepage(struct page *page);
extern int sysctl_page_cluster;
/* Somebody wanted the locked page of the cache: was it there before he asked? */
void swap_read_ahead_hit(struct page *page);

/* --- swapped pages of shmem mappings (swap_shmem.c) ----------------------------------------------- */
/* The locked, unmapped page, of which the caller has the only reference but the cache's, moves to a
 * slot, and a value entry takes its place: 0 (write it out now), or -EBUSY, -ENOSPC. */
int shmem_swap_out(struct page *page) __must_check;
/* What is swapped out at index comes back into the cache: 0 (or it was gone: look again); -ENOENT:
 * nothing is swapped out there; -ENOMEM, -EIO. Sleeps. */
int shmem_swap_in(struct address_space *m, u64 index, bool *major) __must_check;
/* How many of n pages from first on are swapped out. */
/* The page at index if the swap cache has it, referenced, or NULL. */
struct page *shmem_swap_cached(struct address_space *m, u64 index);
unsigned long shmem_swapped(struct address_space *m, u64 first, u64 n);
/* The mapping, which is empty, goes. Sleeps. */
void shmem_forget(struct address_space *m);

/* MADV_COLD, MADV_PAGEOUT for a part of a vma (pageout.c); mmap_lock held for reading. */
void advise_cold(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, bool pageout);
