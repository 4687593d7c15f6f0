/* SPDX-License-Identifier: MIT */
/*
 * Reclaim: when memory is short, pages that can be had again from elsewhere are taken.
 *
 *	free pages
 *	  high -------- kswapd sleeps
 *	  low  -------- an allocation that finds less wakes kswapd
 *	  min  -------- an allocation that finds less reclaims itself, and waits for it (direct reclaim)
 *	  0    -------- of the rest only those who reclaim may take (THREAD_MEMALLOC), and the atomic
 *
 * Both do the same: they look at the tails of the inactive lists, first at a 4096th of each, then, if
 * that was not enough, at twice as much, in the end at all. RECLAIM_BATCH pages at a time are
 *
 *	isolated -> locked -> not in use? -> given a slot -> unmapped      one after the other
 *	all CPUs forget them                                               once
 *	-> written, if dirty -> out of their cache -> freed                one after the other
 *
 * What hinders that, another's lock or reference, a slot that cannot be had, is not waited for: the page
 * is put back. A written page is put back as well, marked PG_reclaim; when its I/O ends it moves to the
 * tail, where the next look finds it clean. If a whole look freed nothing, but met pages under I/O, one
 * of these is waited for: that is what the machine's speed then is.
 *
 * Which pages are in use is for a policy to say (vmscan.h). How much of each list is looked at: anonymous
 * pages and those of files as vm.swappiness to 200 less that, in the end both to the last; only the
 * latter if there is no swap, or the allocation forbids I/O. Whose share is 0 is left alone until the
 * others are nearly gone.
 *
 * kswapd works from the first allocation below low until some zone is above high. If it finds nothing
 * to free, again and again, it is left asleep until somebody else did.
 *
 * Nothing here allocates. Locking: none is held on entry but what the allocation's caller holds. Pages
 * are locked by trylock, so that whoever has one may allocate; a batch has many.
 *
 * Simplified against Linux: lists are a zone's; no throttling of those who write; a file's dirty pages
 * are written right here, one at a time.
 */
#include <kernel/lib/cmdline.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/wait.h>
#include <mm/filemap.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/trace.h>
#include <mm/vmscan.h>

#define FIRST_PRIORITY 12

int sysctl_swappiness = 60;
int sysctl_vfs_cache_pressure = 100;

static const struct reclaim_policy *const policies[] = {&policy_two_list, &policy_clock,
							&policy_fifo, &policy_aging};
static const struct reclaim_policy *policy = &policy_two_list;

const char *reclaim_policy_name(void)
{
	return READ_ONCE(policy)->name;
}

int reclaim_policy_set(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(policies); i++)
		if (!strcmp(policies[i]->name, name)) {
			WRITE_ONCE(policy, policies[i]);
			return 0;
		}
	return -EINVAL;
}

static void policy_from_cmdline(void)
{
	char name[16];

	if (cmdline_get("reclaim_policy", name, sizeof(name)) && reclaim_policy_set(name))
		pr_warn("reclaim_policy=%s: there is no such policy\n", name);
}
initcall(policy_from_cmdline);

/* ---- one page ---- */

static bool may_swap(const struct scan *s)
{
	return s->gfp & __GFP_IO && swap_has_room();
}

/* Unmaps the locked page, if it may and can go. Without a policy all may go that are not locked. */
static enum verdict unmap_page(struct page *page, struct scan *s, const struct reclaim_policy *pol,
			       struct unmap_batch *b)
{
	enum verdict v = PAGE_TAKE;
	unsigned long vm_flags;

	if (PageWriteback(page)) {
		if (!s->writeback) {
			get_page(page);
			s->writeback = page;
		}
		return PAGE_KEEP;
	}
	if (PageMlocked(page) || !PageUptodate(page))
		return PAGE_KEEP; /* the former on the unevictable list */
	if (pol) {
		int refs = page_referenced(page, &vm_flags, b);

		v = vm_flags & VM_LOCKED ? PAGE_ACTIVATE : pol->judge(page, refs, vm_flags);
	}
	if (v != PAGE_TAKE)
		return v;
	if (PageSwapBacked(page) && !PageSwapCache(page) &&
	    (page_mapped(page) || page_mapping(page))) {
		if (!may_swap(s) || (!page_mapping(page) && add_to_swap(page)))
			return PAGE_ACTIVATE;
	}
	if (try_to_unmap(page, b))
		return PAGE_TAKE;
	unmap_batch_flush(b); /* some of its ptes may be gone, and it will not stay locked */
	return PAGE_ACTIVATE;
}

/* The dirty, unmapped, locked page is written and unlocked. True: that is done already, and it is
 * locked again. */
static bool write_page(struct page *page, const struct scan *s)
{
	if (!(s->gfp & __GFP_IO)) {
		unlock_page(page);
		return false;
	}
	if (PageSwapCache(page)) {
		SetPageReclaim(page);
		if (swap_writepage(page))
			return false;
	} else {
		if (s->gfp & __GFP_FS)
			(void)filemap_write_locked(page);
		unlock_page(page);
	}
	return !PageWriteback(page) && !PageDirty(page) && trylock_page(page);
}

/* The unmapped, locked page, which no CPU remembers, leaves its cache, and is unlocked. True: nobody has
 * it but the caller. */
static bool free_unmapped(struct page *page, const struct scan *s)
{
	bool cached = PageSwapCache(page) || page_mapping(page), alone;

	if (page_count(page) != 1 + cached)
		goto keep;
	if (cached && PageSwapBacked(page) && !PageSwapCache(page) && shmem_swap_out(page))
		goto keep;
	if (cached && PageDirty(page) && !write_page(page, s))
		return false;
	/* If it was unlocked, a write may have taken it out of the swap cache, or truncation out of its file. */
	cached = PageSwapCache(page) || page_mapping(page);
	/* Nobody can have mapped it without a reference. Who finds it in the swap cache right now has
	 * to lock it, and to look whether it is still there; a read fault on a file maps what it found
	 * without its lock, so there the count is looked at with the tree locked. */
	if (PageWriteback(page) || page_count(page) != 1 + cached)
		goto keep;
	if (PageSwapCache(page))
		evict_from_swap_cache(page);
	else if (cached && !delete_unused_page(page, !s->drop))
		goto keep;
	alone = page_count(page) == 1;
	unlock_page(page);
	return alone;
keep:
	unlock_page(page);
	return false;
}

/* ---- a batch ---- */

/* Isolated pages: how many were freed. The others are put back. */
static unsigned long shrink_batch(struct page **pages, unsigned int n, struct scan *s,
				  const struct reclaim_policy *pol)
{
	struct unmap_batch b = {};
	unsigned int taken = 0, kept = 0;
	struct page *take[RECLAIM_BATCH];

	debug_assert(n <= RECLAIM_BATCH);
	for (unsigned int i = 0; i < n; i++) {
		struct page *page = pages[i];
		enum verdict v = PAGE_KEEP;

		if (trylock_page(page)) {
			v = unmap_page(page, s, pol, &b);
			if (v == PAGE_TAKE) {
				take[taken++] = page;
				continue;
			}
			unlock_page(page);
		}
		if (v == PAGE_ACTIVATE && !PageActive(page)) {
			SetPageActive(page);
			count_event(PGACTIVATE);
			workingset_age();
		}
		pages[kept++] = page;
	}
	unmap_batch_flush(&b);
	n = taken;
	for (unsigned int i = 0; i < n; i++) {
		if (free_unmapped(take[i], s)) {
			trace(EVICT, page_to_pfn(take[i]), PageSwapBacked(take[i]));
			put_page(take[i]);
		} else {
			pages[kept++] = take[i];
			taken--;
		}
	}
	lru_putback_pages(pages, kept);
	return taken;
}

unsigned long reclaim_isolated(struct page **pages, unsigned int n)
{
	struct scan s = {.gfp = GFP_KERNEL};
	unsigned long freed = 0;

	for (unsigned int i = 0; i < n; i += RECLAIM_BATCH)
		freed += shrink_batch(pages + i, min(n - i, (unsigned int)RECLAIM_BATCH), &s, NULL);
	if (s.writeback)
		put_page(s.writeback);
	return freed;
}

void deactivate_pages(struct zone *z, enum lru_kind active, unsigned long nr)
{
	struct page *pages[RECLAIM_BATCH];

	while (nr) {
		struct unmap_batch b = {};
		unsigned int scanned,
			n = lru_isolate_tail(z, active, min(nr, (unsigned long)RECLAIM_BATCH),
					     pages, RECLAIM_BATCH, &scanned);

		for (unsigned int i = 0; i < n; i++) {
			unsigned long vm_flags = 0;
			int refs = 0;

			if (trylock_page(pages[i])) {
				refs = page_referenced(pages[i], &vm_flags, &b);
				unlock_page(pages[i]);
			}
			if (refs && vm_flags & VM_EXEC && !PageSwapBacked(pages[i]))
				continue;
			ClearPageActive(pages[i]);
			SetPageWorkingset(pages[i]);
			count_event(PGDEACTIVATE);
		}
		unmap_batch_flush(&b);
		lru_putback_pages(pages, n);
		if (!scanned)
			break;
		nr -= min(nr, (unsigned long)scanned);
		cond_resched();
	}
}

void policy_one_list(struct zone *z, enum lru_kind inactive, struct scan *s __unused)
{
	deactivate_pages(z, inactive + LRU_ACTIVE,
			 READ_ONCE(z->lru.list[inactive + LRU_ACTIVE].nr));
}

/* ---- a zone ---- */

static void scan_list(struct zone *z, enum lru_kind kind, unsigned long nr, struct scan *s)
{
	const struct reclaim_policy *pol = READ_ONCE(policy);
	struct page *pages[RECLAIM_BATCH];

	while (nr && s->freed < s->want) {
		unsigned long freed;
		unsigned int scanned,
			n = lru_isolate_tail(z, kind, min(nr, (unsigned long)RECLAIM_BATCH), pages,
					     RECLAIM_BATCH, &scanned);

		if (!scanned)
			break;
		nr -= min(nr, (unsigned long)scanned);
		count_events(s->kswapd ? PGSCAN_KSWAPD : PGSCAN_DIRECT, scanned);
		count_events(kind == LRU_INACTIVE_ANON ? PGSCAN_ANON : PGSCAN_FILE, scanned);
		freed = shrink_batch(pages, n, s, pol);
		count_events(s->kswapd ? PGSTEAL_KSWAPD : PGSTEAL_DIRECT, freed);
		count_events(kind == LRU_INACTIVE_ANON ? PGSTEAL_ANON : PGSTEAL_FILE, freed);
		count_events(pol->steal, freed);
		s->freed += freed;
		cond_resched();
	}
}

static unsigned long both_lists(const struct zone *z, enum lru_kind inactive)
{
	return READ_ONCE(z->lru.list[inactive].nr) +
	       READ_ONCE(z->lru.list[inactive + LRU_ACTIVE].nr);
}

/* How many pages of an inactive list to look at. */
static unsigned long scan_count(const struct zone *z, enum lru_kind kind, const struct scan *s)
{
	enum lru_kind other = LRU_INACTIVE_ANON + LRU_INACTIVE_FILE - kind;
	unsigned long nr = both_lists(z, kind);
	unsigned long share = kind == LRU_INACTIVE_ANON ? (unsigned long)sysctl_swappiness :
							  200 - (unsigned long)sysctl_swappiness;

	if (!may_swap(s)) /* then there is no choice */
		share = kind == LRU_INACTIVE_ANON ? 0 : 200;
	else if (!share && both_lists(z, other) + READ_ONCE(z->nr_free) <= z->watermark[WMARK_HIGH])
		share = 200; /* as on Linux: what is ruled out goes before a process does */
	if (!share || !s->priority)
		return share ? nr : 0;
	return (nr >> s->priority) * share / 100;
}

static void shrink_zone(struct zone *z, struct scan *s)
{
	for (enum lru_kind kind = LRU_INACTIVE_ANON; kind <= LRU_INACTIVE_FILE;
	     kind += LRU_INACTIVE_FILE - LRU_INACTIVE_ANON) {
		unsigned long nr = scan_count(z, kind, s);

		if (!nr)
			continue;
		READ_ONCE(policy)->age(z, kind, s);
		scan_list(z, kind, nr, s);
		trace(RECLAIM, z->idx, kind, nr, s->freed, s->priority, nr_free_pages());
	}
}

/* Waits for the I/O of a page that was met. */
static void wait_for_io(struct scan *s, bool wait)
{
	if (!s->writeback)
		return;
	if (wait)
		wait_on_page_writeback(s->writeback);
	put_page(s->writeback);
	s->writeback = NULL;
}

static bool above_high(const struct zone *z)
{
	return !z->managed || READ_ONCE(z->nr_free) > z->watermark[WMARK_HIGH];
}

/* Looks at more and more of the zones up to idx (kswapd: that are short) until enough is freed. */
static void shrink_zones(struct scan *s, unsigned int idx)
{
	lru_add_drain_all();
	for (s->priority = FIRST_PRIORITY + 1; s->priority-- > 0 && s->freed < s->want;) {
		unsigned long before = s->freed;

		for (unsigned int i = idx + 1; i-- > 0;) {
			struct zone *z = &node_data[0].zones[i];

			if (zone_populated(z) && !(s->kswapd && above_high(z)))
				shrink_zone(z, s);
		}
		wait_for_io(s, s->freed == before);
	}
	workingset_forget(!s->freed);
}

/* ---- who reclaims ---- */

static bool kswapd_wanted;           /* (wait) */
static unsigned int kswapd_failures; /* times in a row that it freed nothing */
static DEFINE_WAIT_QUEUE(kswapd_wait);
#define MAX_KSWAPD_FAILURES 16 /* Linux's */

unsigned long zone_reclaimable_pages(const struct zone *z)
{
	return both_lists(z, LRU_INACTIVE_FILE) +
	       (swap_has_room() ? both_lists(z, LRU_INACTIVE_ANON) : 0);
}

unsigned long reclaim_pages(gfp_t gfp, unsigned int order)
{
	struct scan s = {.gfp = gfp, .want = max((unsigned long)RECLAIM_BATCH, 1UL << order)};
	struct thread *t = current_thread();

	count_event(ALLOCSTALL_DMA + node_data[0].first_zone[gfp & (__GFP_DMA | __GFP_DMA32)]);
	if (t) { /* at boot there is nothing on the lists */
		t->flags |= THREAD_MEMALLOC;
		shrink_zones(&s, gfp_zone_idx(gfp));
		t->flags &= ~(unsigned int)THREAD_MEMALLOC;
	}
	s.freed += slab_shrink((unsigned int)sysctl_vfs_cache_pressure);
	if (s.freed)
		WRITE_ONCE(kswapd_failures, 0);
	return s.freed;
}

bool kswapd_gave_up(void)
{
	return READ_ONCE(kswapd_failures) >= MAX_KSWAPD_FAILURES;
}

void wakeup_kswapd(void)
{
	if (READ_ONCE(kswapd_wanted) || kswapd_gave_up())
		return;
	WRITE_ONCE(kswapd_wanted, true);
	trace(KSWAPD_WAKE, nr_free_pages());
	wake_up(&kswapd_wait);
}

/* An ordinary request finds some zone above high. The others may hold nothing that can be freed. */
static bool balanced(void)
{
	unsigned int idx = node_data[0].first_zone[0];
	const struct zone *z;

	for_each_zone(z)
		if (z->managed &&
		    READ_ONCE(z->nr_free) > z->watermark[WMARK_HIGH] + z->lowmem_reserve[idx])
			return true;
	return false;
}

/* One round of a few batches, so that the marks are looked at now and then. */
static bool kswapd_round(void)
{
	struct scan s = {.gfp = GFP_KERNEL, .kswapd = true, .want = 4 * RECLAIM_BATCH};

	shrink_zones(&s, MAX_NR_ZONES - 1);
	if (!s.freed || sysctl_vfs_cache_pressure > 100)
		s.freed += slab_shrink((unsigned int)sysctl_vfs_cache_pressure);
	drain_local_pages();
	return s.freed;
}

int kswapd(void *unused __unused)
{
	current_thread()->flags |= THREAD_MEMALLOC;
	for (;;) {
		(void)wait_event_interruptible(kswapd_wait, READ_ONCE(kswapd_wanted));
		/* Who wants it from now on is heard even if he comes when all is looked at. */
		WRITE_ONCE(kswapd_wanted, false);
		smp_mb();
		count_event(PAGEOUTRUN);
		while (!balanced() && !kswapd_gave_up()) {
			if (kswapd_round())
				WRITE_ONCE(kswapd_failures, 0);
			else
				WRITE_ONCE(kswapd_failures, kswapd_failures + 1);
			cond_resched();
		}
		trace(KSWAPD_SLEEP, nr_free_pages());
	}
	return 0;
}

/* ---- drop_caches ---- */

static bool drop_clean(struct page *page)
{
	const struct scan s = {.drop = true}; /* no I/O */
	struct address_space *m;

	if (!trylock_page(page))
		return false;
	m = page_mapping(page);
	if (m && !m->shmem && !PageDirty(page) && !page_mapped(page))
		return free_unmapped(page, &s);
	unlock_page(page);
	return false;
}

static unsigned long drop_list(struct zone *z, enum lru_kind kind)
{
	unsigned long nr = READ_ONCE(z->lru.list[kind].nr), freed = 0;
	struct page *pages[RECLAIM_BATCH];
	unsigned int scanned, n;

	for (; nr; nr -= min(nr, (unsigned long)scanned)) {
		unsigned int kept = 0;

		n = lru_isolate_tail(z, kind, RECLAIM_BATCH, pages, RECLAIM_BATCH, &scanned);
		if (!scanned)
			break;
		for (unsigned int i = 0; i < n; i++) {
			if (drop_clean(pages[i])) {
				put_page(pages[i]);
				freed++;
			} else {
				pages[kept++] = pages[i];
			}
		}
		lru_putback_pages(pages, kept);
		cond_resched();
	}
	return freed;
}

unsigned long drop_clean_cache(void)
{
	unsigned long freed = 0;
	struct zone *z;

	lru_add_drain_all();
	for_each_zone(z)
		freed += drop_list(z, LRU_INACTIVE_FILE) + drop_list(z, LRU_ACTIVE_FILE);
	workingset_forget(true);
	return freed;
}
