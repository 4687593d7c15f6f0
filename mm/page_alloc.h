/* SPDX-License-Identifier: MIT */
/*
 * Zones and the buddy's structures; and the views of them that /proc and the tests read.
 */
#pragma once

#include <kernel/sync/spinlock.h>
#include <kernel/x86/percpu.h>
#include <mm/gfp.h>
#include <mm/lru.h>
#include <mm/section.h>
#include <mm/vmstat.h>

#define MAX_NUMNODES 1
#define NR_ORDERS    (MAX_ORDER + 1)

enum zone_type { ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, MAX_NR_ZONES };
#define ZONE_DMA_END_PFN   (16UL << 20 >> PAGE_SHIFT) /* ISA DMA reaches 24 bits */
#define ZONE_DMA32_END_PFN (4UL << 30 >> PAGE_SHIFT)  /* PCI devices with 32 bits */

/* The highest zone that the request allows. */
static inline unsigned int gfp_zone_idx(gfp_t gfp)
{
	if (gfp & __GFP_DMA)
		return ZONE_DMA;
	return gfp & __GFP_DMA32 ? ZONE_DMA32 : ZONE_NORMAL;
}

/* What the pages of a pageblock are used for, so that pages which cannot be moved do not spread
 * over all of memory. In the order in which /proc/pagetypeinfo prints them. */
enum migratetype {
	MIGRATE_UNMOVABLE,
	MIGRATE_MOVABLE,
	MIGRATE_RECLAIMABLE,
	MIGRATE_PCPTYPES,                      /* these have per-CPU lists */
	MIGRATE_HIGHATOMIC = MIGRATE_PCPTYPES, /* set aside for atomic allocations of order > 0 */
	MIGRATE_TYPES
};
extern const char *const migratetype_names[MIGRATE_TYPES];

enum zone_watermark { WMARK_MIN, WMARK_LOW, WMARK_HIGH, NR_WMARK };

struct free_area {
	u32 head[MIGRATE_TYPES]; /* (z) first free block, a pfn; 0: none */
	u32 nr[MIGRATE_TYPES];   /* (z) */
};

struct zone {
	spinlock_t lock;
	u8 idx, nid;      /* (c) */
	const char *name; /* (c) */
	/* (z), read without: free pages in the buddy, those of deferred sections included, those on
	 * per-CPU lists not */
	unsigned long nr_free;
	unsigned long watermark[NR_WMARK];          /* (z) pages */
	unsigned long lowmem_reserve[MAX_NR_ZONES]; /* (z) pages kept from requests for zone [i] */
	unsigned long nr_highatomic;                /* (z) pages in highatomic pageblocks */
	atomic_long_t write_pending;                /* (a) dirty pages of files, pages under I/O */
	unsigned int pcp_batch, pcp_high;           /* (z) pages, per list */
	struct free_area free_area[NR_ORDERS];
	struct lruvec lru;
	pfn_t start_pfn, spanned;    /* (c) */
	unsigned long present;       /* (c) RAM */
	unsigned long managed;       /* (z) what the buddy was given */
	unsigned long next_deferred; /* (z) no deferred section of this zone lies below */
	unsigned long nr_deferred;   /* (z) sections */
	/* Hints of compaction.c, without a lock. */
	pfn_t compact_migrate, compact_free; /* where its scanners go on; 0: at the ends */
	unsigned int compact_order_failed; /* 0, or the least order for which it failed lately ... */
	unsigned int compact_shift, compact_skipped; /* ... so that it skips 2^shift requests */
};
/* (z) zone->lock (c) constant after boot */

struct pglist_data {
	int nid;
	struct zone zones[MAX_NR_ZONES];
	/* (c) by gfp & (__GFP_DMA | __GFP_DMA32): the highest zone with pages that this allows */
	u8 first_zone[4];
};
extern struct pglist_data node_data[MAX_NUMNODES];

#define for_each_zone(z) for (z = node_data[0].zones; z < node_data[0].zones + MAX_NR_ZONES; z++)

static inline struct zone *page_zone(const struct page *p)
{
	return &node_data[page_nid(p)].zones[page_zonenum(p)];
}
static inline bool zone_populated(const struct zone *z)
{
	return z->present != 0;
}

/* Pages of order 0, most recently freed last. */
#define PCP_MAX 128
struct pcp_list {
	u32 count;
	u32 pfn[PCP_MAX];
};
struct per_cpu_pages {
	spinlock_t lock; /* so that another CPU can drain it */
	u32 high;        /* (c) pages of one list; a quarter of it is a batch */
	struct pcp_list list[MIGRATE_PCPTYPES]; /* (lock) */
};
DECLARE_PER_CPU(struct per_cpu_pages, pcp_pages[MAX_NR_ZONES]);

/* NR_FILE_DIRTY or NR_WRITEBACK, and the zone's share of them. */
static inline void mod_write_pending(const struct page *p, enum vmstat_item i, long n)
{
	mod_vmstat(i, n);
	atomic_long_add(n, &page_zone(p)->write_pending);
}

/* ---- tunables of /proc/sys/vm; after a change call setup_per_zone_wmarks() ---- */
extern unsigned long sysctl_min_free_kbytes;
extern unsigned int sysctl_watermark_scale_factor;
extern unsigned int sysctl_lowmem_reserve_ratio[MAX_NR_ZONES];
void setup_per_zone_wmarks(void);
extern unsigned long totalreserve_pages;

/* Reserved RAM that is no longer needed (the initramfs): its whole pages become managed memory.
 * Returns how many. Sleeping is not needed; no locks held. */
unsigned long free_reserved_area(paddr_t start, paddr_t end);

/* The place of reclaim: frees what can be freed for an allocation that failed; returns pages
 * freed. May sleep. */
unsigned long reclaim_pages(gfp_t gfp, unsigned int order);
/* All that it might free, were it worth the trouble. */
unsigned long zone_reclaimable_pages(const struct zone *z);

/* ---- what /proc/{buddyinfo,zoneinfo,pagetypeinfo} print; pages unless said otherwise ---- */
struct zone_info {
	int nid;
	const char *name;
	unsigned long free, min, low, high, spanned, present, managed;
	pfn_t start_pfn;
	unsigned long protection[MAX_NR_ZONES];
	unsigned long nr_free[NR_ORDERS];                   /* blocks */
	unsigned long nr_free_mt[NR_ORDERS][MIGRATE_TYPES]; /* blocks */
	unsigned long pageblocks[MIGRATE_TYPES];            /* pageblocks */
	unsigned long nr_highatomic;
	unsigned long lru[NR_LRU_KINDS]; /* pages on each list */
	unsigned long write_pending;
	unsigned long
		deferred; /* pages whose struct page is not written yet; in free and nr_free[10] */
	unsigned int nr_cpus, pcp_high, pcp_batch;
	unsigned int pcp_count[NR_CPUS];
};
/* The nth zone, from 0 up (unpopulated ones too: present == 0). False: no more. */
bool zone_info_get(unsigned int n, struct zone_info *zi);

/* ---- the ledger: whose every page is ---- */
struct ledger {
	unsigned long total; /* managed pages; the sum of all the others */
	unsigned long free;  /* in the buddy */
	unsigned long pcp;   /* on per-CPU lists */
	unsigned long slab, table, kstack, vmalloc;
	unsigned long anon; /* mapped anonymous pages */
	unsigned long file; /* page cache without shmem */
	unsigned long shmem;
	unsigned long kernel; /* the rest: allocated by the kernel for itself, or lost */
};
void ledger_read(struct ledger *l);
/* Gives back what is only kept for speed, so that two readings can be compared: per-CPU lists, empty
 * slabs, cached stacks, clean cache pages. Sleeps. */
void ledger_settle(void);
