/* SPDX-License-Identifier: MIT */
/*
 * Compaction: pages in use move to one end of a zone, so that at the other end free pages become
 * neighbours, and the buddy joins them to large blocks.
 *
 *	free pages are everywhere, and no two of them are buddies:
 *	  [x.x.|.xx.|x..x|.x.x|xx..|.x.x]
 *	   migrate scanner ->     <- free scanner
 *	   isolates what is        takes free pages
 *	   on an LRU list          of movable pageblocks
 *	pages go from the one to the other until the block is there, or the scanners meet:
 *	  [....|....|....|xxxx|xxxx|xxxx]
 *
 * When: an allocation of order > 0 that found no block, before it reclaims and after each round of that;
 * and all zones for a write to vm.compact_memory. Not where it cannot help:
 *
 *	- less is free than the watermark and the block twice: then memory is short, not scattered;
 *	- the fragmentation index says the same. From 0, a lack of memory, to 1000, enough of it but in
 *	  pieces, it must be above vm.extfrag_threshold (as on Linux, but there for orders > 3 only);
 *	- it failed for this order or a lower one lately: then 1, 2, 4 ... 64 requests go by without.
 *
 * The scanners go on where the last run stopped; one that began in the middle and found nothing begins
 * again at the ends, once.
 *
 * What it needs is what it moves: pages that the free scanner has taken are used at once or given back,
 * and the zone is never brought below its lowest mark for it. It allocates nothing; its thread is
 * THREAD_MEMALLOC, for which neither reclaim nor compaction is begun.
 *
 * Locking: zone->lock for a pageblock's free pages, at most; the LRU lock for a page; else as migrate.c.
 * The zone's hints are written without a lock: a lost one costs a scan.
 *
 * Simplified against Linux: no kcompactd, no proactive compaction, no mode that skips what it might have
 * to wait for (nothing waits), no marks for pageblocks that are not worth a look.
 */
#include <kernel/sched/sched.h>
#include <kernel/sched/wait.h>
#include <mm/compaction.h>
#include <mm/internal.h>
#include <mm/migrate.h>
#include <mm/trace.h>
#include <mm/vmstat.h>

int sysctl_extfrag_threshold = 500;

struct compact {
	struct migrate_target to;
	struct zone *z;
	unsigned int order;     /* wanted; 0: whatever comes of it */
	unsigned long moved;    /* pages */
	pfn_t migrate, free;    /* what lies below, above, has been scanned */
	struct page_list taken; /* by the free scanner */
};

/* ---- the scanners ---- */

static bool in_zone(const struct compact *c, pfn_t pfn)
{
	return pfn_valid(pfn) && page_zone(pfn_to_page(pfn)) == c->z;
}

static bool met(const struct compact *c)
{
	return c->free <= ALIGN(c->migrate + 1, PAGEBLOCK_PAGES);
}

/* Up to a batch of pages in use, of one pageblock. */
static unsigned int isolate_pages(struct compact *c, struct page **pages)
{
	pfn_t start = c->migrate, end = ALIGN(start + 1, PAGEBLOCK_PAGES);
	unsigned int n = 0;

	if (!in_zone(c, start)) {
		c->migrate = end;
		return 0;
	}
	while (c->migrate < end && n < MIGRATE_BATCH) {
		struct page *p = pfn_to_page(c->migrate);
		unsigned int order = PageBuddy(p) ? READ_ONCE(p->order) : 0;

		if (PageLRU(p) && lru_isolate_listed(p))
			pages[n++] = p;
		c->migrate += order <= MAX_ORDER ? 1UL << order : 1;
	}
	count_events(COMPACT_MIGRATE_SCANNED, c->migrate - start);
	count_events(COMPACT_ISOLATED, n);
	return n;
}

/* Takes the free block at pfn, or as much of it as is needed; the rest comes next. */
static void take_block_locked(struct compact *c, pfn_t pfn, unsigned int order)
{
	unsigned int take = min(order, ilog2(MIGRATE_BATCH));

	buddy_take_locked(c->z, pfn_to_page(pfn), take);
	for (pfn_t i = pfn; i < pfn + (1UL << take); i++)
		page_list_add(&c->taken, pfn_to_page(i));
	if (take < order)
		c->free = pfn + (1UL << order);
}

/* Goes down to the start of one pageblock, or until there are enough. */
static void take_from_pageblock(struct compact *c, pfn_t start)
{
	unsigned long reserve = c->z->watermark[WMARK_MIN] / 2;
	pfn_t from = c->free;

	guard_spin(&c->z->lock);
	/* A pageblock that is free as a whole is what others look for. */
	if (pageblock_mt(start) != MIGRATE_MOVABLE ||
	    (PageBuddy(pfn_to_page(start)) && pfn_to_page(start)->order >= PAGEBLOCK_ORDER))
		c->free = start;
	while (c->free > start && c->taken.nr < MIGRATE_BATCH && c->z->nr_free > reserve) {
		const struct page *p = pfn_to_page(--c->free);

		if (PageBuddy(p))
			take_block_locked(c, c->free, p->order);
	}
	count_events(COMPACT_FREE_SCANNED, from - min(c->free, from));
}

static void take_free_pages(struct compact *c)
{
	while (c->taken.nr < MIGRATE_BATCH && !met(c)) {
		pfn_t start = ALIGN_DOWN(c->free - 1, PAGEBLOCK_PAGES), before = c->free;

		if (in_zone(c, start))
			take_from_pageblock(c, start);
		else
			c->free = start;
		if (c->free == before) /* the zone has no more to give */
			break;
		cond_resched();
	}
	count_events(COMPACT_ISOLATED, c->taken.nr);
}

static struct page *get_taken(struct migrate_target *to)
{
	struct compact *c = container_of(to, struct compact, to);
	struct page *p = page_list_first(&c->taken);

	if (!p)
		return NULL;
	page_list_del(&c->taken, p);
	return prep_taken_page(p);
}

static void give_back(struct compact *c)
{
	struct page *p;

	guard_spin(&c->z->lock);
	while ((p = page_list_first(&c->taken)) != NULL) {
		page_list_del(&c->taken, p);
		buddy_free_locked(c->z, p, 0);
	}
}

/* ---- a zone ---- */

static bool has_block(const struct zone *z, unsigned int order)
{
	for (unsigned int mt = 0; mt < MIGRATE_HIGHATOMIC; mt++)
		if (buddy_find(z, order, mt))
			return true;
	return false;
}

static void compact_step(struct compact *c)
{
	struct page *pages[MIGRATE_BATCH];
	unsigned int n = isolate_pages(c, pages);

	if (n) {
		take_free_pages(c);
		c->moved += migrate_pages(pages, n, &c->to);
		drain_local_pages(); /* what has become free to the buddy */
	}
	cond_resched();
}

/* From where the scanners are until they meet. True: there is a block of the order now. */
static bool scan_zone(struct compact *c)
{
	bool done = false;

	while (!done && !met(c) && !current_fatal_signal_pending()) {
		compact_step(c);
		done = c->order && has_block(c->z, c->order);
	}
	give_back(c);
	return done;
}

static bool compact_zone(struct zone *z, unsigned int order)
{
	struct compact c = {.to.get = get_taken, .z = z, .order = order};
	struct thread *t = current_thread();
	pfn_t end = z->start_pfn + z->spanned;
	bool done = false;

	c.migrate = order ? READ_ONCE(z->compact_migrate) : 0;
	c.free = READ_ONCE(z->compact_free);
	t->flags |= THREAD_MEMALLOC;
	if (c.migrate)
		done = scan_zone(&c);
	if (!done) {
		c.migrate = z->start_pfn;
		c.free = ALIGN_DOWN(end, PAGEBLOCK_PAGES);
		done = scan_zone(&c);
	}
	t->flags &= ~(unsigned int)THREAD_MEMALLOC;
	WRITE_ONCE(z->compact_migrate, done ? c.migrate : 0);
	WRITE_ONCE(z->compact_free, c.free);
	trace(COMPACT, z->idx, order, c.moved, done);
	return done;
}

void compact_memory(void)
{
	struct zone *z;

	lru_add_drain_all();
	drain_all_pages();
	for_each_zone(z)
		if (z->managed)
			compact_zone(z, 0);
	drain_all_pages();
}

/* ---- for an allocation ---- */

/* How much of its failure is due to pieces that are too small: 0 to 1000; -1000: there is a block. */
static int fragmentation_index(const struct zone *z, unsigned int order)
{
	unsigned long blocks = 0, pages = 0;

	if (has_block(z, order))
		return -1000;
	for (unsigned int o = 0; o < order; o++)
		for (unsigned int mt = 0; mt < MIGRATE_TYPES; mt++) {
			blocks += z->free_area[o].nr[mt];
			pages += (unsigned long)z->free_area[o].nr[mt] << o;
		}
	return blocks ? 1000 - (int)((1000 + (pages * 1000 >> order)) / blocks) : 0;
}

static bool may_help(const struct zone *z, unsigned int order, unsigned int idx)
{
	return z->managed && !z->nr_deferred &&
	       READ_ONCE(z->nr_free) >
		       z->watermark[WMARK_MIN] + z->lowmem_reserve[idx] + (2UL << order) &&
	       fragmentation_index(z, order) > READ_ONCE(sysctl_extfrag_threshold);
}

#define MAX_SHIFT 6 /* Linux's */

static bool is_deferred(struct zone *z, unsigned int order)
{
	return z->compact_order_failed && order >= z->compact_order_failed &&
	       ++z->compact_skipped < 1U << z->compact_shift;
}

static void note_result(struct zone *z, unsigned int order, bool done)
{
	unsigned int failed = z->compact_order_failed;

	z->compact_skipped = 0;
	if (done) {
		z->compact_shift = 0;
		z->compact_order_failed = order >= failed ? 0 : failed;
	} else {
		z->compact_shift = min(z->compact_shift + 1, (unsigned int)MAX_SHIFT);
		z->compact_order_failed = failed ? min(failed, order) : order;
	}
}

bool try_to_compact(gfp_t gfp, unsigned int order)
{
	unsigned int idx = gfp_zone_idx(gfp);
	bool tried = false, done = false;

	if (!current_thread()) /* at boot */
		return false;
	for (unsigned int i = idx + 1; i-- > 0 && !done;) {
		struct zone *z = &node_data[0].zones[i];

		if (!may_help(z, order, idx) || is_deferred(z, order))
			continue;
		if (!tried) {
			lru_add_drain_all();
			drain_all_pages();
		}
		tried = true;
		done = compact_zone(z, order);
		note_result(z, order, done);
	}
	if (tried) {
		count_event(COMPACT_STALL);
		count_event(done ? COMPACT_SUCCESS : COMPACT_FAIL);
	}
	return done;
}
