/* SPDX-License-Identifier: MIT */
/*
 * The page allocator: asking for pages and giving them back.
 *
 * Problem. Hand out runs of 2^order page frames, aligned to their size; keep large runs whole; keep
 * some memory back for those who cannot wait; and do it in a few dozen instructions for one page.
 *
 * Idea. Three layers; a request goes down only as far as it must:
 *
 *	per-CPU list	pages of order 0, an array of pfns per migrate type; refilled and emptied
 *	   |		`batch` pages at a time, in chunks as large as the buddy has them
 *	zone		DMA | DMA32 | NORMAL, the highest that the request allows first; skipped when
 *	   |		taking the pages would leave it below its watermark plus what it reserves
 *	   |		for requests that have no other choice (lowmem_reserve): mm/zone.c
 *	buddy		lists of free blocks by order and migrate type: mm/buddy.c
 *
 * Who may go how far below the watermarks: ordinary requests to `low`, then, having reclaimed, to
 * `min`; __GFP_HIGH to half of it; __GFP_ATOMIC, which cannot wait, and the OOM killer's victim a
 * quarter further; reclaim itself to nothing at all.
 *
 * Invariants: a page on a per-CPU list has refcount 0 and no flag. A page that is freed is nobody's:
 * no reference, no pte, no lock, on no list; anything else is a panic.
 *
 * Locking: pcp->lock (own CPU's, taken by another only to drain) -> zone->lock. Interrupt handlers
 * do not allocate, so neither disables interrupts.
 *
 * Simplified: one node (the node id is carried along); pages that are freed while in use are a panic
 * and not a leak with a message.
 */
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>
#include <mm/compaction.h>
#include <mm/init.h>
#include <mm/internal.h>
#include <mm/oom.h>
#include <mm/page_owner.h>
#include <mm/vmscan.h>
#include <mm/trace.h>
#include <mm/vmstat.h>

#define PCP_INIT                                \
	{                                       \
		.lock = SPINLOCK_INIT(LOCK_PCP) \
	}
DEFINE_PER_CPU(struct per_cpu_pages, pcp_pages[MAX_NR_ZONES]) = {PCP_INIT, PCP_INIT, PCP_INIT};

/* Flags that a page must not have when its last reference goes. */
#define PAGE_FLAGS_BAD_AT_FREE                                                        \
	(1u << PG_locked | 1u << PG_writeback | 1u << PG_swapcache | 1u << PG_buddy | \
	 1u << PG_slab | 1u << PG_reserved | 1u << PG_head | 1u << PG_tail)
/* All but zone and node. */
#define PAGE_FLAGS_ALL (((1u << PAGE_ZONE_SHIFT) - 1) | ~0u << PAGE_GEN_SHIFT)

/* In debug builds a free page is filled with this, and its struct page says so in `swap`: pages
 * that were never allocated are not touched. */
#define PAGE_POISON   0xaa
#define PAGE_POISONED 0xaaaaaaaau

void bad_page(const struct page *p, const char *what)
{
	panic("page %lx: %s (flags %x refcount %d mapcount %x owner %x index %x)", page_to_pfn(p),
	      what, p->flags, page_count(p), p->order, p->owner, p->index);
}

/* ---- one zone ---- */

/* Would taking 2^order pages leave the zone above its mark, if it had `more` pages free than it has? idx:
 * the zone that the request names. */
static bool watermark_ok(const struct zone *z, unsigned int order, unsigned int idx,
			 unsigned int flags, unsigned long more)
{
	unsigned int wmark = flags & ALLOC_WMARK_MASK;
	long free = READ_ONCE(z->nr_free) + more - ((1L << order) - 1);
	long mark = 0;

	if (wmark != ALLOC_NO_WATERMARKS) {
		mark = z->watermark[wmark];
		if (flags & ALLOC_HIGH)
			mark -= mark / 2;
		if (flags & ALLOC_HARDER)
			mark -= mark / 4;
		else
			free -= z->nr_highatomic; /* at worst all of it is free and not for us */
		mark += z->lowmem_reserve[idx];
	}
	if (free <= mark)
		return false;
	if (order == 0 || z->nr_deferred)
		return true;
	for (unsigned int o = order; o <= MAX_ORDER; o++)
		for (unsigned int mt = 0; mt < MIGRATE_TYPES; mt++)
			if (z->free_area[o].head[mt] &&
			    (mt != MIGRATE_HIGHATOMIC || flags & (ALLOC_HIGHATOMIC | ALLOC_HARDER)))
				return true;
	return false;
}

/* Takes up to batch pages out of the buddy, whole blocks where they fit: the first page off the
 * list is the lowest of the last block. */
static void pcp_refill_locked(struct zone *z, struct pcp_list *l, unsigned int mt,
			      unsigned int flags)
{
	unsigned int want = z->pcp_batch;

	spin_lock(&z->lock);
	while (want) {
		struct page *p = buddy_find(z, 0, mt);
		unsigned int order = 0;

		if (p) {
			order = min(p->order, ilog2(want));
			p = buddy_take_locked(z, p, order);
		} else if (l->count == 0) {
			p = rmqueue_locked(z, 0, mt, flags);
		}
		if (!p)
			break;
		for (u32 i = 1u << order; i-- > 0;)
			l->pfn[l->count++] = (u32)page_to_pfn(p) + i;
		want -= 1u << order;
	}
	spin_unlock(&z->lock);
}

/* A page of order 0 from zone z. refill: go to the buddy if this CPU has none. */
static struct page *pcp_alloc(struct zone *z, unsigned int mt, bool refill, unsigned int flags)
{
	struct per_cpu_pages *pcp = this_cpu_ptr(&pcp_pages[z->idx]);
	struct pcp_list *l = &pcp->list[mt];
	struct page *p = NULL;

	spin_lock(&pcp->lock);
	if (unlikely(!l->count) && refill)
		pcp_refill_locked(z, l, mt, flags);
	if (likely(l->count))
		p = pfn_to_page(l->pfn[--l->count]);
	spin_unlock(&pcp->lock);
	return p;
}

static struct page *zone_alloc(struct zone *z, unsigned int order, unsigned int mt,
			       unsigned int flags)
{
	struct page *p;

	if (order == 0)
		return pcp_alloc(z, mt, true, flags);
	spin_lock(&z->lock);
	p = rmqueue_locked(z, order, mt, flags);
	if (p && flags & ALLOC_HIGHATOMIC)
		reserve_highatomic_locked(z, p, order);
	spin_unlock(&z->lock);
	return p;
}

/* ---- pages coming and going ---- */

#ifdef CONFIG_DEBUG
static void poison_page(struct page *p)
{
	memset(page_address(p), PAGE_POISON, PAGE_SIZE);
	p->swap = PAGE_POISONED;
}

static void unpoison_page(const struct page *p)
{
	const u8 *bad;

	if (page_count(p) || p->flags & PAGE_FLAGS_ALL)
		bad_page(p, "is in use, yet the allocator has it");
	if (p->swap != PAGE_POISONED)
		return;
	bad = memchr_inv(page_address(p), PAGE_POISON, PAGE_SIZE);
	if (bad)
		panic("page %lx was written after it was freed: %02x at offset %lx", page_to_pfn(p),
		      *bad, (unsigned long)bad & ~PAGE_MASK);
}
#else
static inline void poison_page(struct page *p __unused)
{
}
static inline void unpoison_page(const struct page *p __unused)
{
}
#endif

/* One block of 2^order pages as one: the tails know their head. */
static void make_compound(struct page *p, unsigned int order)
{
	u32 head = (u32)page_to_pfn(p);

	p->flags |= 1u << PG_head;
	for (unsigned long i = 1; i < 1UL << order; i++) {
		p[i].flags |= 1u << PG_tail;
		p[i].owner = head;
	}
	p[1].order = order;
}

static void unmake_compound(struct page *p, unsigned int order)
{
	if (p[1].order != order)
		bad_page(p, "compound page is freed with another order");
	p->flags &= ~(1u << PG_head);
	p[1].order = 0;
	for (unsigned long i = 1; i < 1UL << order; i++) {
		if (!PageTail(&p[i]) || p[i].owner != (u32)page_to_pfn(p))
			bad_page(&p[i], "is not a tail page of its compound page");
		p[i].flags &= ~(1u << PG_tail);
		p[i].owner = 0;
	}
}

/* One page as the caller gets it. Its struct page, but for the flags, may hold anything: all of it is
 * written, eight bytes a store. */
static __always_inline void prep_page(struct page *p, gfp_t gfp, u32 refcount)
{
	u64 *w = (u64 *)p;

	unpoison_page(p);
	w[0] = p->flags | (u64)refcount << 32;
	w[1] = w[2] = w[3] = 0;
	if (gfp & __GFP_ZERO)
		clear_page(page_address(p));
}

static struct page *prep_block(struct page *p, unsigned int order, gfp_t gfp)
{
	for (unsigned long i = 0; i < 1UL << order; i++)
		prep_page(p + i, gfp, i == 0);
	if (order && gfp & __GFP_COMP)
		make_compound(p, order);
	page_owner_set(page_to_pfn(p), gfp, order);
	count_events(PGALLOC_DMA + page_zonenum(p), 1UL << order);
	return p;
}

struct page *prep_taken_page(struct page *p)
{
	return prep_block(p, 0, GFP_HIGHUSER_MOVABLE);
}

static void __noinline check_freed_page(struct page *p, struct lru_run *lru)
{
	if (p->flags & PAGE_FLAGS_BAD_AT_FREE)
		bad_page(p, "is freed in use");
	if (PageMlocked(p)) {
		lru_freed_end(lru); /* it has the lock */
		*lru = (struct lru_run){};
		lru_del_mlocked(p);
		mod_vmstat(NR_MLOCK, -1);
		count_event(UNEVICTABLE_PGCLEARED);
	}
	if (page_count(p))
		bad_page(p, "is freed with references");
	if (page_mapped(p) && !PageTable(p))
		bad_page(p, "is freed while mapped");
}

/* The last reference is gone (refcount 0): checks that nobody else uses the page and takes off what
 * its owner left on it, its place in an LRU list too: lru is what several have in common. */
static __always_inline void free_prepare(struct page *p, struct lru_run *lru)
{
	u32 flags = READ_ONCE(p->flags);

	if (unlikely(flags & (PAGE_FLAGS_BAD_AT_FREE | 1u << PG_mlocked) || page_count(p) ||
		     page_mapcount(p)))
		check_freed_page(p, lru);
	/* Only PG_pending may still change, into PG_lru. */
	flags = __atomic_exchange_n(&p->flags, flags & ~PAGE_FLAGS_ALL, __ATOMIC_SEQ_CST);
	if (flags & 1u << PG_lru)
		lru_del_freed(lru, p, flags);
	poison_page(p);
}

/* The largest aligned block that begins with pfns[0] and goes on in ascending order; n >= 1. */
static unsigned int ascending_order(const u32 *pfns, u32 n)
{
	unsigned int order = 0;
	u32 i = 1;

	while (2u << order <= n && IS_ALIGNED(pfns[0], 2u << order)) {
		for (; i < 2u << order; i++)
			if (pfns[i] != pfns[0] + i)
				return order;
		order++;
	}
	return order;
}

/* Gives the n oldest pages of a list back; what munmap freed in one go, as blocks. */
static void pcp_flush_locked(struct zone *z, struct pcp_list *l, u32 n)
{
	n = min(n, l->count);
	spin_lock(&z->lock);
	for (u32 i = 0; i < n;) {
		unsigned int order = ascending_order(l->pfn + i, n - i);

		buddy_free_locked(z, pfn_to_page(l->pfn[i]), order);
		i += 1u << order;
	}
	spin_unlock(&z->lock);
	l->count -= n;
	memmove(l->pfn, l->pfn + n, l->count * sizeof(l->pfn[0]));
}

static __noinline void buddy_free(struct page *p, unsigned int order)
{
	struct zone *z = page_zone(p);

	spin_lock(&z->lock);
	buddy_free_locked(z, p, order);
	spin_unlock(&z->lock);
}

/* This CPU's lists for pages of p's zone, locked; NULL if pages of its type have none. */
static __always_inline struct per_cpu_pages *pcp_lock(const struct page *p, unsigned int mt)
{
	struct per_cpu_pages *pcp = this_cpu_ptr(&pcp_pages[page_zonenum(p)]);

	if (unlikely(mt >= MIGRATE_PCPTYPES))
		return NULL;
	spin_lock(&pcp->lock);
	return pcp;
}

static __always_inline void pcp_add_locked(struct per_cpu_pages *pcp, struct page *p, pfn_t pfn,
					   unsigned int mt)
{
	struct pcp_list *l = &pcp->list[mt];

	assert_spin_held(&pcp->lock);
	l->pfn[l->count++] = (u32)pfn;
	if (unlikely(l->count >= pcp->high))
		pcp_flush_locked(page_zone(p), l, pcp->high / 4);
}

/* A page, or a block, whose last reference is gone. */
static __always_inline void free_one(struct page *p)
{
	pfn_t pfn = page_to_pfn(p);
	unsigned int mt = pageblock_mt(pfn);
	struct per_cpu_pages *pcp;
	struct lru_run lru = {};

	free_prepare(p, &lru);
	lru_freed_end(&lru);
	count_event(PGFREE);
	pcp = pcp_lock(p, mt);
	if (unlikely(!pcp)) {
		buddy_free(p, 0);
		return;
	}
	pcp_add_locked(pcp, p, pfn, mt);
	spin_unlock(&pcp->lock);
}

static void free_block(struct page *p, unsigned int order)
{
	struct lru_run lru = {};

	if (PageHead(p))
		unmake_compound(p, order);
	for (unsigned long i = 0; i < 1UL << order; i++)
		free_prepare(p + i, &lru);
	debug_assert(!lru.v); /* only single pages are ever on a list */
	count_events(PGFREE, 1UL << order);
	buddy_free(p, order);
}

void free_pages_block(struct page *p, unsigned int order)
{
	assert(order <= MAX_ORDER);
	if (unlikely(page_count(p) != 1))
		bad_page(p, page_count(p) ? "is freed with references" : "is freed twice");
	atomic_set(&p->refcount, 0);
	if (likely(order == 0 && !PageHead(p)))
		free_one(p);
	else
		free_block(p, order);
}

void __put_page(struct page *p)
{
	if (likely(!PageHead(p)))
		free_one(p);
	else
		free_block(p, compound_order(p));
}

/* Pages of one pageblock in a row, as unmapping gives them, share the way to their list. */
void free_pages_bulk(struct page **pages, size_t n)
{
	struct per_cpu_pages *pcp = NULL;
	struct lru_run lru = {};
	pfn_t block = ~0UL;
	unsigned int mt = 0;

	for (size_t i = 0; i < n; i++)
		free_prepare(pages[i], &lru);
	lru_freed_end(&lru);
	for (size_t i = 0; i < n; i++) {
		struct page *p = pages[i];
		pfn_t pfn = page_to_pfn(p);

		if (pfn >> PAGEBLOCK_ORDER != block) {
			if (pcp)
				spin_unlock(&pcp->lock);
			block = pfn >> PAGEBLOCK_ORDER;
			mt = pageblock_mt(pfn);
			pcp = pcp_lock(p, mt);
		}
		if (likely(pcp))
			pcp_add_locked(pcp, p, pfn, mt);
		else
			buddy_free(p, 0);
	}
	if (pcp)
		spin_unlock(&pcp->lock);
	count_events(PGFREE, n);
}

/* ---- asking for pages ---- */

/* The zones from the highest that the request allows down. */
static struct page *alloc_from_zones(gfp_t gfp, unsigned int order, unsigned int flags)
{
	unsigned int idx = gfp_zone_idx(gfp), mt = gfp_migratetype(gfp);

	for (unsigned int i = idx + 1; i-- > 0;) {
		struct zone *z = &node_data[0].zones[i];
		struct page *p = NULL;

		if (!zone_populated(z))
			continue;
		/* What is on a list is no longer counted as free. */
		if (order == 0)
			p = pcp_alloc(z, mt, false, flags);
		if (!p && watermark_ok(z, order, idx, flags, 0))
			p = zone_alloc(z, order, mt, flags);
		if (p)
			return p;
	}
	return NULL;
}

static void warn_alloc_failed(gfp_t gfp, unsigned int order)
{
	static ktime_t next;
	const struct thread *t = current_thread();
	ktime_t now = ktime_get();
	char names[GFP_NAMES_MAX];

	if (gfp & __GFP_NOWARN || now < next)
		return;
	next = now + NSEC_PER_SEC;
	pr_warn("%s: page allocation failure: order:%u, mode:%#x(%s)\n", t ? t->comm : "boot",
		order, gfp, gfp_names(gfp, names));
}

/* Rounds of reclaim that may be in vain before somebody is killed. Linux's number. */
#define MAX_RECLAIM_RETRIES 16

static unsigned int slow_alloc_flags(gfp_t gfp, unsigned int order)
{
	const struct thread *t = current_thread();
	unsigned int flags = WMARK_MIN;

	if (gfp & __GFP_MEMALLOC || (t && t->flags & THREAD_MEMALLOC))
		return ALLOC_NO_WATERMARKS;
	/* It has to get out, and not to take what reclaim needs. */
	if (t && READ_ONCE(t->oom_victim))
		flags |= ALLOC_HIGH | ALLOC_HARDER;
	if (gfp & __GFP_HIGH)
		flags |= ALLOC_HIGH;
	if (gfp & __GFP_ATOMIC)
		flags |= ALLOC_HARDER | (order ? ALLOC_HIGHATOMIC : 0);
	return flags;
}

/* Another round of reclaim, rather than a kill? As long as all that could be reclaimed would suffice. A
 * large block may never come of it, so there each round is one in vain. */
static bool should_retry(gfp_t gfp, unsigned int order, bool progress, unsigned int *in_vain)
{
	unsigned int idx = gfp_zone_idx(gfp);

	*in_vain = progress && !order ? 0 : *in_vain + 1;
	if (*in_vain > MAX_RECLAIM_RETRIES)
		return false;
	for (unsigned int i = idx + 1; i-- > 0;) {
		struct zone *z = &node_data[0].zones[i];

		if (zone_populated(z) &&
		    watermark_ok(z, 0, idx, slow_alloc_flags(gfp, 0), zone_reclaimable_pages(z)))
			return true;
	}
	return false;
}

/* Reclaim is at its end. A kill does not help low memory, and who is to die has had his reserves.
 * *again: somebody is giving memory up. */
static struct page *alloc_may_oom(gfp_t gfp, unsigned int order, bool *again)
{
	const struct thread *t = current_thread();
	struct page *p;

	*again = false;
	if (gfp & (__GFP_DMA | __GFP_DMA32) || (t && READ_ONCE(t->oom_victim)))
		return NULL;
	*again = true;
	if (!oom_trylock()) {
		oom_wait();
		return NULL;
	}
	/* Another may have killed while this one came here: then there is plenty. */
	p = alloc_from_zones(gfp, order, WMARK_HIGH);
	if (!p)
		*again = out_of_memory(gfp, (int)order);
	oom_unlock();
	if (!p && *again)
		oom_wait();
	return p;
}

/* One round; for a block first without it. What it freed may lie on the list of some CPU, or be set aside. */
static struct page *alloc_reclaim(gfp_t gfp, unsigned int order, bool *progress)
{
	struct page *p = NULL;

	if (order && try_to_compact(gfp, order))
		p = alloc_from_zones(gfp, order, slow_alloc_flags(gfp, order));
	if (p)
		return p;
	*progress = reclaim_pages(gfp, order);
	p = alloc_from_zones(gfp, order, slow_alloc_flags(gfp, order));
	if (p)
		return p;
	*progress |= unreserve_highatomic(gfp_migratetype(gfp));
	drain_all_pages();
	return alloc_from_zones(gfp, order, slow_alloc_flags(gfp, order));
}

/* By reclaim, and then by a kill; large blocks, and requests that have another way, do without. */
static struct page *alloc_wait(gfp_t gfp, unsigned int order)
{
	bool once = order > PAGE_ALLOC_COSTLY_ORDER || gfp & __GFP_NORETRY, progress, again = true;
	unsigned int in_vain = 0;
	struct page *p;

	while (!(p = alloc_reclaim(gfp, order, &progress)) && again && !once) {
		cond_resched();
		if (should_retry(gfp, order, progress, &in_vain))
			continue;
		in_vain = 0;
		p = alloc_may_oom(gfp, order, &again);
		if (p)
			break;
	}
	return p;
}

static __noinline struct page *alloc_slow(gfp_t gfp, unsigned int order)
{
	const struct thread *t = current_thread();
	struct page *p = alloc_from_zones(gfp, order, WMARK_LOW);

	if (!p) {
		trace(ALLOC_SLOW, order, gfp, nr_free_pages());
		if (gfp & __GFP_KSWAPD_RECLAIM)
			wakeup_kswapd();
		p = alloc_from_zones(gfp, order, slow_alloc_flags(gfp, order));
	}
	if (!p && gfp & __GFP_DIRECT_RECLAIM && !(t && t->flags & THREAD_MEMALLOC)) {
		if (t && t->flags & THREAD_NOIO)
			gfp &= ~(__GFP_IO | __GFP_FS);
		if (t && t->flags & THREAD_NOFS)
			gfp &= ~__GFP_FS;
		p = alloc_wait(gfp, order);
	}
	if (!p)
		warn_alloc_failed(gfp, order);
	return p ? prep_block(p, order, gfp) : NULL;
}

/* This CPU's list of the highest zone that the request allows, if it has a page. */
static __always_inline struct page *pcp_pop(gfp_t gfp)
{
	unsigned int zone = node_data[0].first_zone[gfp & (__GFP_DMA | __GFP_DMA32)];
	struct per_cpu_pages *pcp = this_cpu_ptr(&pcp_pages[zone]);
	struct pcp_list *l = &pcp->list[gfp_migratetype(gfp)];
	struct page *p = NULL;

	spin_lock(&pcp->lock);
	if (likely(l->count))
		p = pfn_to_page(l->pfn[--l->count]);
	spin_unlock(&pcp->lock);
	return p;
}

struct page *alloc_pages_node(int nid __unused, gfp_t gfp, unsigned int order)
{
	struct page *p;

	if (gfp & __GFP_DIRECT_RECLAIM)
		might_sleep();
	if (should_fail(FAIL_PAGE) || unlikely(order > MAX_ORDER))
		return NULL;
	p = order == 0 ? pcp_pop(gfp) : NULL;
	if (unlikely(!p))
		return alloc_slow(gfp, order);
	prep_page(p, gfp, 1);
	page_owner_set(page_to_pfn(p), gfp, 0);
	count_event(PGALLOC_DMA + page_zonenum(p));
	return p;
}

void *get_free_page(gfp_t gfp)
{
	struct page *p = alloc_page(gfp);

	return p ? page_address(p) : NULL;
}

void free_page(void *kaddr)
{
	if (kaddr)
		free_page_struct(virt_to_page(kaddr));
}

/* ---- draining ---- */

static void drain_cpu(unsigned int cpu)
{
	struct zone *z;

	for_each_zone(z) {
		struct per_cpu_pages *pcp = per_cpu_ptr(&pcp_pages[z->idx], cpu);

		spin_lock(&pcp->lock);
		for (unsigned int mt = 0; mt < MIGRATE_PCPTYPES; mt++)
			if (pcp->list[mt].count)
				pcp_flush_locked(z, &pcp->list[mt], PCP_MAX);
		spin_unlock(&pcp->lock);
	}
}

void drain_local_pages(void)
{
	drain_cpu(smp_processor_id());
}

/* (c) after boot */
static void (*drain_fns[4])(void);

void register_drain(void (*fn)(void))
{
	unsigned int i = 0;

	while (drain_fns[i])
		assert(++i < ARRAY_SIZE(drain_fns));
	drain_fns[i] = fn;
}

void drain_all_pages(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(drain_fns) && drain_fns[i]; i++)
		drain_fns[i]();
	for_each_cpu(cpu)
		drain_cpu(cpu);
}
