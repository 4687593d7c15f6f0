/* SPDX-License-Identifier: MIT */
/*
 * The swap cache: pages that have a slot and are in memory; and their way to the device and back.
 *
 * Problem. A page that a hundred processes share may be swapped out and come back one pte at a time.
 * All of them must get the same page, it must be read once, and who touches it while it is being written
 * must not read an old copy.
 *
 * Idea. As long as a page has both, its slot's entry in the area's table `cached` leads to it:
 *
 *	add_to_swap        ptes become        swap_writepage      written: reclaim
 *	gives it a slot    entries            to the device       drops it
 *	------------------> in the cache -------------------------------------------> only on disk
 *	<------------------             <-------------------------------------------
 *	try_to_free_swap    a pte for each     swap_read, with its neighbours
 *	(written again, or  entry, by faults
 *	nobody else's)
 *
 * A page in the cache is clean if the device has the same bytes: then it can be dropped without being
 * written again. It becomes dirty by add_to_swap, by a failed write, and by what is found in a pte that
 * is taken away.
 *
 * Invariants: PG_swapcache, page->swap, the table's entry, the slot's SLOT_CACHED and one reference to
 * the page go together; they change with the page locked, under swap_lock. A page that is being read is
 * locked and not uptodate; one whose reading failed has left the cache before it is unlocked.
 *
 * Who has looked a page up has to lock it and look again whether it still is what he wants.
 *
 * Writing takes its requests from a fixed pool and waits when that is empty: when memory is short, that
 * is the way to get some, so that it must not ask for any.
 *
 * Reading takes along what lies around the slot: up to 1 << page-cluster slots, aligned, as far as they
 * follow each other without a gap and are in use and not in memory, in one request. How many depends on
 * how many of the last ones were wanted: who jumps about soon gets single pages. Nobody else waits
 * meanwhile, and memory for the neighbours is taken only where it is free. If the request fails, the
 * wanted page is read once more alone: a bad neighbour costs nobody.
 *
 * Locking: page lock -> swap_lock. Lookups take only swap_lock.
 *
 * Simplified against Linux: no read-ahead that follows the addresses of the process, no request that
 * goes on while the fault returns.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/wait.h>
#include <mm/gfp.h>
#include <mm/lru.h>
#include <mm/page_alloc.h>
#include <mm/swap_internal.h>
#include <mm/trace.h>

int sysctl_page_cluster = 3;

/* --- coming and going ---- */

static void cache_add_locked(struct swap_area *a, u32 slot, struct page *page)
{
	u32 shadow = a->cached[slot];

	debug_assert(PageLocked(page) && !PageSwapCache(page));
	get_page(page);
	a->count[slot] |= SLOT_CACHED;
	a->cached[slot] = (u32)page_to_pfn(page);
	page->swap = swp_entry(a->nr, slot).val;
	__atomic_fetch_or(&page->flags, 1u << PG_swapcache | 1u << PG_swapbacked, __ATOMIC_RELEASE);
	mod_vmstat(NR_SWAPCACHED, 1);
	if (shadow)
		workingset_refault(page, shadow);
}

int add_to_swap(struct page *page)
{
	swp_entry_t e;
	bool found;

	debug_assert(PageLocked(page) && PageUptodate(page));
	do {
		spin_lock(&swap_lock);
		found = slot_alloc_locked(&e);
		if (found)
			cache_add_locked(swap_area_locked(e), swp_slot(e), page);
		spin_unlock(&swap_lock);
	} while (!found && swap_free_stale());
	if (!found)
		return -ENOSPC;
	SetPageDirty(page);
	return 0;
}

static void leave_cache(struct page *page, u32 shadow)
{
	swp_entry_t e = {page->swap};

	debug_assert(PageLocked(page) && PageSwapCache(page) && !PageWriteback(page));
	spin_lock(&swap_lock);
	ClearPageSwapCache(page);
	page->swap = 0;
	slot_uncache_locked(swap_area_locked(e), swp_slot(e), shadow);
	spin_unlock(&swap_lock);
	mod_vmstat(NR_SWAPCACHED, -1);
	put_page(page);
}

void delete_from_swap_cache(struct page *page)
{
	leave_cache(page, 0);
}

void evict_from_swap_cache(struct page *page)
{
	leave_cache(page, workingset_eviction(page));
}

bool try_to_free_swap(struct page *page)
{
	debug_assert(PageLocked(page));
	if (!PageSwapCache(page) || PageWriteback(page) || swap_count((swp_entry_t){page->swap}))
		return false;
	delete_from_swap_cache(page);
	SetPageDirty(page);
	return true;
}

/* The caller has a reference. While it is being written it stays; end_write() comes back to it. */
void free_swap_cache(struct page *page)
{
	if (!PageSwapCache(page) || page_mapped(page) || !trylock_page(page))
		return;
	if (!page_mapped(page))
		try_to_free_swap(page);
	unlock_page(page);
}

struct page *swap_cache_get(swp_entry_t e)
{
	struct page *page = NULL;
	struct swap_area *a;

	spin_lock(&swap_lock);
	a = swap_area_locked(e);
	if (a && a->count[swp_slot(e)] & SLOT_CACHED) {
		page = pfn_to_page(a->cached[swp_slot(e)]);
		get_page(page);
	}
	spin_unlock(&swap_lock);
	return page;
}

/* --- reading ---- */

static struct page *locked_page(gfp_t gfp)
{
	struct page *page = alloc_page(gfp);

	if (page)
		SetPageLocked(page); /* nobody else knows it */
	return page;
}

/* A new page for a slot that is in use and not cached, locked and in the cache, with the bio's
 * reference. -ENOENT: it is not in use. -EEXIST: it is cached. */
static int add_for_read(struct bio *bio, struct page **where, swp_entry_t e, gfp_t gfp)
{
	struct page *page = locked_page(gfp);
	struct swap_area *a;
	int err = 0;

	if (!page)
		return -ENOMEM;
	spin_lock(&swap_lock);
	a = swap_area_locked(e);
	if (!a || !a->count[swp_slot(e)] || a->count[swp_slot(e)] == SLOT_BAD)
		err = -ENOENT;
	else if (a->count[swp_slot(e)] & SLOT_CACHED)
		err = -EEXIST;
	else
		cache_add_locked(a, swp_slot(e), page);
	if (!err)
		bio->bdev = a->bdev; /* which stays, as the cache has the slot */
	spin_unlock(&swap_lock);
	if (err) {
		ClearPageLocked(page);
		put_page(page);
		return err;
	}
	*where = page;
	return 0;
}

#define READ_AHEAD (GFP_NOWAIT | __GFP_MOVABLE | __GFP_NOWARN)

/* The wanted slot and those around it that can come along, as one request. */
static int collect(struct bio *bio, swp_entry_t e, unsigned int cluster)
{
	u32 first = ALIGN_DOWN(swp_slot(e), cluster), lo = swp_slot(e) - first, hi = lo;
	swp_entry_t base = swp_entry(swp_area(e), first);
	int err = add_for_read(bio, &bio->pages[lo], e, GFP_HIGHUSER_MOVABLE);

	if (err)
		return err;
	while (hi + 1 < cluster && !add_for_read(bio, &bio->pages[hi + 1],
						 (swp_entry_t){base.val + hi + 1}, READ_AHEAD))
		hi++;
	while (lo > 0 && !add_for_read(bio, &bio->pages[lo - 1], (swp_entry_t){base.val + lo - 1},
				       READ_AHEAD))
		lo--;
	bio->block = first + lo;
	bio->nr = hi - lo + 1;
	memmove(bio->pages, bio->pages + lo, bio->nr * sizeof(bio->pages[0]));
	return 0;
}

static void end_read(struct page *page, int err)
{
	if (err) {
		delete_from_swap_cache(page);
	} else {
		SetPageUptodate(page);
		lru_add(page);
		count_event(PSWPIN);
	}
	unlock_page(page);
	free_swap_cache(page); /* its last user may have gone meanwhile */
	put_page(page);
}

static int read_slots(swp_entry_t e, unsigned int cluster)
{
	struct bio bio = {.write = false};
	int err = collect(&bio, e, cluster);

	if (err)
		return err;
	trace(SWAP_IN, e.val, bio.nr);
	err = submit_bio_wait(&bio);
	for (unsigned int i = 0; i < bio.nr; i++) {
		if (bio.pages[i]->swap != e.val) {
			SetPageReadahead(bio.pages[i]);
			count_event(SWAP_RA);
		}
		end_read(bio.pages[i], err);
	}
	if (err && bio.nr > 1)
		return read_slots(e, 1);
	if (err)
		pr_err("Read-error on swap-device (%s:%u)\n", blkdev_name(bio.bdev), swp_slot(e));
	return err;
}

/* Of the last read: pages ahead that were wanted since, slots, and where. A lost update costs a guess. */
static u32 ra_hits, ra_window, ra_slot;

/* How many slots to read. As Linux: two more than the hits, rounded up, and not less than half of the
 * last time; without any, one, but for the next slot after the last one. */
static unsigned int read_window(u32 slot)
{
	u32 most = 1u << min((u32)READ_ONCE(sysctl_page_cluster), ilog2(BIO_MAX_PAGES));
	u32 hits = __atomic_exchange_n(&ra_hits, 0, __ATOMIC_RELAXED);
	u32 step = slot - READ_ONCE(ra_slot), n = step == 1 || step == -1u ? 2 : 1;

	if (hits)
		n = 2u << ilog2(hits + 1);
	n = min(max(n, READ_ONCE(ra_window) / 2), most);
	WRITE_ONCE(ra_window, n);
	WRITE_ONCE(ra_slot, slot);
	return n;
}

struct page *swap_read(swp_entry_t e, bool *major)
{
	for (;;) {
		struct page *page = swap_cache_get(e);
		int err;

		if (page) {
			wait_on_page_locked(page);
			if (PageUptodate(page))
				return page;
			put_page(page); /* whoever read it failed: see for ourselves */
		}
		err = read_slots(e, read_window(swp_slot(e)));
		if (!err && major)
			*major = true;
		if (err == -ENOENT)
			return NULL;
		if (err && err != -EEXIST)
			return ERR_PTR(err);
	}
}

void swap_read_ahead_hit(struct page *page)
{
	if (PageReadahead(page) && !PageWriteback(page)) {
		ClearPageReadahead(page);
		__atomic_fetch_add(&ra_hits, 1, __ATOMIC_RELAXED);
		count_event(SWAP_RA_HIT);
	}
}

/* --- writing ---- */

/* As many as a device may sensibly have to choose from. */
#define NR_WRITES 32

static struct bio write_bios[NR_WRITES];
static LIST_HEAD(free_bios); /* (free_lock) */
static spinlock_t free_lock = SPINLOCK_INIT(LOCK_LEAF);
static DEFINE_WAIT_QUEUE(bio_wait);

static struct bio *bio_take(void)
{
	struct bio *bio = NULL;

	spin_lock(&free_lock);
	if (!list_empty(&free_bios)) {
		bio = list_first_entry(&free_bios, struct bio, link);
		list_del(&bio->link);
	}
	spin_unlock(&free_lock);
	return bio;
}

static void bio_return(struct bio *bio)
{
	spin_lock(&free_lock);
	list_add(&bio->link, &free_bios);
	spin_unlock(&free_lock);
	wake_up(&bio_wait);
}

static void end_write(struct bio *bio)
{
	struct page *page = bio->pages[0];

	if (bio->error)
		SetPageDirty(page); /* the block layer has logged it */
	mod_write_pending(page, NR_WRITEBACK, -1);
	end_page_writeback(page);
	free_swap_cache(page); /* its last user may have gone meanwhile */
	put_page(page);
	bio_return(bio);
}

int swap_writepage(struct page *page)
{
	swp_entry_t e = {page->swap};
	struct bio *bio;

	debug_assert(PageLocked(page) && PageSwapCache(page) && !PageWriteback(page));
	if (!page_mapped(page) && try_to_free_swap(page)) {
		unlock_page(page);
		return 0;
	}
	wait_event_io(bio_wait, (bio = bio_take()));
	spin_lock(&swap_lock);
	bio->bdev = swap_area_locked(e)->bdev;
	spin_unlock(&swap_lock);
	bio->block = swp_slot(e);
	bio->write = true;
	bio->nr = 1;
	bio->pages[0] = page;
	bio->end = end_write;
	get_page(page);
	SetPageWriteback(page);
	ClearPageDirty(page);
	unlock_page(page);
	mod_write_pending(page, NR_WRITEBACK, 1);
	count_event(PSWPOUT);
	trace(SWAP_OUT, page_to_pfn(page), e.val);
	submit_bio(bio);
	return 0;
}

/* --- at boot, and for the ledger ---- */

/* Drops pages that nothing names any more and that nobody has come by since. */
static void swap_cache_drain(void)
{
	if (!vmstat_item(NR_SWAPCACHED))
		return;
	for (unsigned int nr = 0; nr < MAX_SWAP_AREAS; nr++) {
		struct page *page;

		for (u32 slot = 1; swap_next_cached(nr, &slot, &page); slot++) {
			if (!page)
				continue;
			free_swap_cache(page);
			put_page(page);
		}
	}
}

static void swap_cache_init(void)
{
	for (unsigned int i = 0; i < NR_WRITES; i++)
		list_add(&write_bios[i].link, &free_bios);
	register_drain(swap_cache_drain);
}
initcall(swap_cache_init);
