/* SPDX-License-Identifier: MIT */
/*
 * The page allocator's interface: how memory is asked for.
 */
#pragma once

#include <kernel/lib/types.h>
#include <mm/page.h>

/* Where from: */
#define __GFP_DMA         0x01u
#define __GFP_DMA32       0x02u
#define __GFP_MOVABLE     0x08u /* can be migrated: user pages, page cache */
#define __GFP_RECLAIMABLE 0x10u /* slab that can shrink */
/* What may be done to get it: */
#define __GFP_HIGH           0x20u /* may go below the min watermark */
#define __GFP_IO             0x40u
#define __GFP_FS             0x80u
#define __GFP_DIRECT_RECLAIM 0x400u /* may sleep */
#define __GFP_KSWAPD_RECLAIM 0x800u
#define __GFP_ZERO           0x100u
#define __GFP_ATOMIC         0x200u
#define __GFP_NOWARN         0x2000u
#define __GFP_NORETRY        0x10000u
#define __GFP_COMP           0x40000u /* order > 0: one compound page */
#define __GFP_MEMALLOC       0x20000u

#define __GFP_RECLAIM        (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define GFP_ATOMIC           (__GFP_HIGH | __GFP_ATOMIC | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL           (__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_NOWAIT           (__GFP_KSWAPD_RECLAIM)
#define GFP_NOIO             (__GFP_RECLAIM)
#define GFP_NOFS             (__GFP_RECLAIM | __GFP_IO)
#define GFP_USER             GFP_KERNEL
#define GFP_HIGHUSER_MOVABLE (GFP_KERNEL | __GFP_MOVABLE)

#define MAX_ORDER 10 /* the largest: 4 MiB */
/* Up to here a request that may sleep (and has no __GFP_NORETRY) fails only for who is dying: others
 * wait, and the OOM killer makes room. */
#define PAGE_ALLOC_COSTLY_ORDER 3

/* Owner classes of the ledger (DESIGN 9.13): every allocation says whose it is; counted per class. */
enum page_owner {
	PGO_KERNEL,
	PGO_ANON,
	PGO_FILE,
	PGO_SHMEM,
	PGO_TABLE,
	PGO_SLAB,
	PGO_KSTACK,
	PGO_VMALLOC,
	PGO_NR
};

/* Returns a block of 2^order pages (head page with refcount 1, others 0; contents undefined unless
 * __GFP_ZERO), or NULL. Sleeps only with __GFP_DIRECT_RECLAIM. nid: the preferred node (0). */
struct page *alloc_pages_node(int nid, gfp_t gfp, unsigned int order);
static inline struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	return alloc_pages_node(0, gfp, order);
}
static inline struct page *alloc_page(gfp_t gfp)
{
	return alloc_pages_node(0, gfp, 0);
}
/* Frees a block whose head has refcount 1 (order as allocated). Not in interrupt handlers; does not
 * sleep. */
void free_pages_block(struct page *p, unsigned int order);
static inline void free_page_struct(struct page *p)
{
	free_pages_block(p, 0);
}
/* Frees n order-0 pages whose refcount has reached 0 (the gather's batch). */
void free_pages_bulk(struct page **pages, size_t n);

/* One zeroed or raw page by address; NULL if none. */
void *get_free_page(gfp_t gfp);
void free_page(void *kaddr);

/* Ledger: attribute an allocated page to a class (page tables, anon ...), kept in vmstat counters. */
unsigned long nr_free_pages(void);
unsigned long totalram_pages(void);
unsigned long nr_available_pages(void); /* MemAvailable's estimate */
void drain_local_pages(void);           /* this CPU's lists back to the buddy */
void drain_all_pages(void);
/* fn gives free pages back that its owner keeps for quick reuse; called by drain_all_pages(). */
void register_drain(void (*fn)(void));
/* Whole-structure checker: every free list, bit, count, pageblock. Panics on a broken one. */
void page_alloc_check(void);
