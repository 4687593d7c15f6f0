/* SPDX-License-Identifier: MIT */
/*
 * LRU lists, and the states of a page.
 *
 * Problem. When memory is short, the pages that nobody will miss are to be found at once: without a
 * walk over all of memory, and without much work for each page while memory is not short.
 *
 * Idea. Each zone has two lists for each kind of page, active and inactive. A page comes in at the
 * head of inactive; reclaim takes from its tail, and puts what has been used since at the head of
 * active; from the tail of active pages go to inactive. So a page that is used once leaves without
 * having pushed out one that is used again and again (vmscan.c). Locked pages lie
 * nowhere, as nobody looks for them: of their list there is but the number, and the link of each
 * counts the vmas that lock it.
 *
 * The states of a page that can be reclaimed, by flags, references and place:
 *
 *	        alloc_page           gets an owner: lru_add            lru_add_drain
 *	 free ------------> allocated ----------------> pending ----------------> on LRU <--+
 *	  ^                    |                         |    |                   |   |     |
 *	  |    put_page        |         put_page        |    |  lru_isolate      |   |     | lru_putback
 *	  +--------------------+-------------------------+    +-----> isolated <--+   |     |
 *	  |                                                             |  |          |     |
 *	  |  put_page: the free path unlinks it                         |  +----------|-----+
 *	  +-------------------------------------------------------------|-------------+
 *	                                                                v
 *	 reclaim, all isolated and locked: in swap cache -> unmapped -> under I/O -> freed, or put back
 *
 *	free		no reference, no flag, or PG_buddy: page_alloc.c
 *	allocated	a reference; neither PG_pending nor PG_lru
 *	pending		PG_pending; its number may be in some CPU's batch
 *	on LRU		PG_lru, linked into the list that PG_swapbacked, PG_active name, or PG_unevictable
 *	isolated	neither flag, a reference of the isolator's
 *	locked		PG_locked, in any of them: content and owner do not change
 *	in swap cache	PG_swapcache, PG_swapbacked; a reference of the cache's; locked when it changes
 *	under I/O	PG_writeback; references of the cache and of the request; not locked any more
 *
 * Batches. A new page's number goes into an array of its CPU; when that is full, all of them go to
 * the lists under one hold of the lock. A batch holds no references (DESIGN 9.5 says that it does):
 * a page that is freed while it is pending is freed at once, so that short-lived pages, the most of
 * all, never see a list nor its lock, and nobody has to drain batches to free memory or to find a
 * page unshared. A number in a batch is thus no more than a hint. What counts is PG_pending, which
 * the drain turns into PG_lru by compare-and-exchange: if the page was freed meanwhile, or isolated,
 * or used anew by someone who did not ask, that fails and the number is forgotten; if it was freed
 * and is pending again, it stands in two batches, and the first one drained takes it.
 *
 * Freeing takes all flags off by one exchange (page_alloc.c). PG_lru among them means that the page
 * is linked, or that the drain, which holds the lock, is just linking it: so the lock is taken and
 * the page unlinked before it goes to the allocator. Until then others find it in the list with no
 * reference to be had, and pass by.
 *
 * Invariants: PG_lru is set and cleared under the list's lock, but for the free path's exchange;
 * PG_active and PG_unevictable change under the lock or while isolated; PG_swapbacked never changes
 * while pending or on a list. Hence the flags name the list. Page 0 is on none (0 ends a list).
 *
 * Locking: zone->lru.lock, after page-table locks and tree_lock, before the allocator's.
 *
 * Simplified against Linux: activation takes the lock for its one page, where Linux collects them
 * in batches as well; a page is activated but once in a long while.
 */
#include <mm/lru.h>
#include <mm/page_alloc.h>
#include <mm/vmstat.h>

DEFINE_PER_CPU(struct lru_batch, lru_batch);

#define PG(f) (1u << PG_##f)

static inline struct lruvec *page_lruvec(const struct page *p)
{
	return &page_zone(p)->lru;
}

/* The list that flags name. */
static inline enum lru_kind lru_kind_of(u32 flags)
{
	if (unlikely(flags & PG(unevictable)))
		return LRU_UNEVICTABLE;
	return (flags & PG(swapbacked) ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE) +
	       (flags & PG(active) ? LRU_ACTIVE : 0);
}

/* Kinds of pages that are never on a list. */
#define PG_NEVER_ON_LRU                                                                          \
	(PG(buddy) | PG(slab) | PG(table) | PG(kstack) | PG(vmalloc) | PG(reserved) | PG(head) | \
	 PG(tail))

/* n pages come to the list, or go. True: of the unevictable ones only the number is kept. */
static bool count_locked(struct lruvec *v, enum lru_kind kind, long n)
{
	assert_spin_held(&v->lock);
	debug_assert((long)v->list[kind].nr + n >= 0);
	v->list[kind].nr += (unsigned long)n;
	mod_vmstat(NR_INACTIVE_ANON + kind, n);
	return kind == LRU_UNEVICTABLE;
}

static void link_locked(struct lruvec *v, struct page *p, enum lru_kind kind)
{
	struct lru_list *l = &v->list[kind];
	u32 pfn = (u32)page_to_pfn(p), head = l->head;

	debug_assert((p->flags & (PG(lru) | PG(pending) | PG_NEVER_ON_LRU)) == PG(lru));
	if (count_locked(v, kind, 1))
		return;
	p->next = head;
	p->prev = 0;
	*(head ? &pfn_to_page(head)->prev : &l->tail) = pfn;
	l->head = pfn;
}

static void link_tail_locked(struct lruvec *v, struct page *p, enum lru_kind kind)
{
	struct lru_list *l = &v->list[kind];
	u32 pfn = (u32)page_to_pfn(p), tail = l->tail;

	if (count_locked(v, kind, 1))
		return;
	p->prev = tail;
	p->next = 0;
	*(tail ? &pfn_to_page(tail)->next : &l->head) = pfn;
	l->tail = pfn;
}

static void unlink_locked(struct lruvec *v, struct page *p, enum lru_kind kind)
{
	struct lru_list *l = &v->list[kind];
	u32 next = p->next, prev = p->prev;

	if (count_locked(v, kind, -1))
		return;
	debug_assert((prev ? pfn_to_page(prev)->next : l->head) == page_to_pfn(p));
	*(prev ? &pfn_to_page(prev)->next : &l->head) = next;
	*(next ? &pfn_to_page(next)->prev : &l->tail) = prev;
}

/* ---- coming and going, many at once ---- */

/* Ends what was done to the list of r; the lock stays. */
static void end_list(struct lru_run *r, int sign)
{
	long n = sign * (long)r->n;

	if (!r->key)
		return;
	r->list->nr += (unsigned long)n;
	mod_vmstat(NR_INACTIVE_ANON + (r->list - r->v->list), n);
	r->n = 0;
}

static void run_list(struct lru_run *r, const struct page *p, u32 flags, int sign)
{
	struct lruvec *v = page_lruvec(p);

	end_list(r, sign);
	if (v != r->v) {
		if (r->v)
			spin_unlock(&r->v->lock);
		r->v = v;
		spin_lock(&v->lock);
	}
	r->key = flags & LRU_KEY;
	r->list = &v->list[lru_kind_of(flags)];
}

static void end_run(struct lru_run *r, int sign)
{
	end_list(r, sign);
	if (r->v)
		spin_unlock(&r->v->lock);
}

void lru_freed_list(struct lru_run *r, const struct page *p, u32 flags)
{
	run_list(r, p, flags, -1);
}

void lru_freed_end(struct lru_run *r)
{
	end_run(r, -1);
}

/* A chain of n pages, whose head is pfn first, goes to the head of the list. end stands behind its
 * tail: end->prev. */
static void splice(struct lru_run *r, u32 first, const struct page *end, unsigned int n)
{
	struct lru_list *l = r->list;

	if (!n)
		return;
	pfn_to_page(end->prev)->next = l->head;
	*(l->head ? &pfn_to_page(l->head)->prev : &l->tail) = end->prev;
	pfn_to_page(first)->prev = 0;
	l->head = first;
	r->n += n;
}

/* The pages that are (still) pending go to the heads of their lists, chained in registers as long as
 * they belong to the same. Most have the flags of the one before, so that is what is tried first; no
 * pending page has those of the first try. */
static void drain_batch(struct lru_batch *b)
{
	u32 first = 0, expect = PG(pending) | PG(buddy), flags = 0;
	struct page end, *next = &end;
	struct lru_run r = {};
	unsigned int n = 0;

	for (u32 *slot = b->pfn; slot < b->pfn + LRU_BATCH; slot++) {
		u32 pfn = __atomic_exchange_n(slot, 0, __ATOMIC_SEQ_CST), old = expect;
		struct page *p = pfn_to_page(pfn);

		if (!pfn)
			continue;
		while (unlikely(!__atomic_compare_exchange_n(&p->flags, &old, flags, false,
							     __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))) {
			if (!(old & PG(pending)))
				goto forget;
			debug_assert(!(old & (PG(lru) | PG_NEVER_ON_LRU)));
			expect = old;
			flags = old ^ PG(pending) ^ PG(lru);
			if ((flags & LRU_KEY) == r.key)
				continue;
			splice(&r, first, &end, n);
			run_list(&r, p, flags, 1);
			next = &end;
			n = 0;
		}
		p->next = first;
		next->prev = first = pfn;
		next = p;
		n++;
forget:;
	}
	splice(&r, first, &end, n);
	end_run(&r, 1);
}

/* Nobody runs on this CPU in between, and others only empty entries. */
void lru_add_drain(void)
{
	struct lru_batch *b = this_cpu_ptr(&lru_batch);

	drain_batch(b);
	b->nr = 0;
}

void lru_add_drain_all(void)
{
	lru_add_drain();
	for_each_cpu(cpu)
		drain_batch(per_cpu_ptr(&lru_batch, cpu));
}

/* ---- isolated ---- */

/* On a list, of which the lock is held, and referenced. */
static void isolate_locked(struct lruvec *v, struct page *p)
{
	assert_spin_held(&v->lock);
	debug_assert(page_count(p) > 0);
	unlink_locked(v, p, lru_kind_of(p->flags));
	ClearPageLRU(p);
}

bool lru_isolate(struct page *p)
{
	struct lruvec *v = page_lruvec(p);
	bool got = true;

	debug_assert(page_count(p) > 0);
	if (!TestClearPagePending(p)) {
		guard_spin(&v->lock);
		/* Pending no longer, it may have been linked meanwhile. */
		got = PageLRU(p);
		if (got)
			isolate_locked(v, p);
	}
	if (got)
		get_page(p);
	return got;
}

/* PG_lru, seen under the lock, keeps the frame from becoming something else. */
bool lru_isolate_listed(struct page *p)
{
	struct lruvec *v = page_lruvec(p);

	guard_spin(&v->lock);
	if (!PageLRU(p) || !get_page_unless_zero(p))
		return false;
	isolate_locked(v, p);
	return true;
}

unsigned int lru_isolate_tail(struct zone *z, enum lru_kind kind, unsigned int nr_scan,
			      struct page **pages, unsigned int n, unsigned int *scanned)
{
	struct lruvec *v = &z->lru;
	unsigned int got = 0, seen = 0;
	u32 pfn, prev;

	guard_spin(&v->lock);
	for (pfn = v->list[kind].tail; pfn && seen < nr_scan && got < n; pfn = prev, seen++) {
		struct page *p = pfn_to_page(pfn);

		prev = p->prev;
		if (!get_page_unless_zero(p)) /* it is being freed */
			continue;
		isolate_locked(v, p);
		pages[got++] = p;
	}
	*scanned = seen;
	return got;
}

static void putback_locked(struct lruvec *v, struct page *p)
{
	assert_spin_held(&v->lock);
	debug_assert(page_count(p) > 0 && !(p->flags & (PG(lru) | PG(pending))));
	if (PageMlocked(p))
		SetPageUnevictable(p);
	else
		ClearPageUnevictable(p);
	SetPageLRU(p);
	/* Its writeback ended before it had a place. */
	if (PageReclaim(p) && !PageWriteback(p)) {
		ClearPageReclaim(p);
		link_tail_locked(v, p, lru_kind_of(p->flags));
	} else {
		link_locked(v, p, lru_kind_of(p->flags));
	}
}

void lru_putback_pages(struct page **pages, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct lruvec *v = page_lruvec(pages[i]);

		spin_lock(&v->lock);
		putback_locked(v, pages[i]);
		spin_unlock(&v->lock);
		put_page(pages[i]);
	}
}

void lru_putback(struct page *p)
{
	lru_putback_pages(&p, 1);
}

/* ---- locked pages ---- */

bool lru_mlock(struct page *p)
{
	struct lruvec *v = page_lruvec(p);

	guard_spin(&v->lock);
	if (TestSetPageMlocked(p)) {
		p->next++;
		return false;
	}
	if (PageLRU(p))
		unlink_locked(v, p, lru_kind_of(p->flags));
	else if (TestClearPagePending(p))
		SetPageLRU(p);
	p->next = 1;
	if (PageLRU(p)) { /* else whoever has isolated it puts it there */
		SetPageUnevictable(p);
		link_locked(v, p, LRU_UNEVICTABLE);
		count_event(UNEVICTABLE_PGCULLED);
	}
	return true;
}

bool lru_munlock(struct page *p)
{
	struct lruvec *v = page_lruvec(p);

	guard_spin(&v->lock);
	debug_assert(!PageMlocked(p) || !PageLRU(p) || PageUnevictable(p));
	if (!PageMlocked(p) || p->next-- > 1)
		return false;
	ClearPageMlocked(p);
	if (PageLRU(p)) {
		unlink_locked(v, p, LRU_UNEVICTABLE);
		ClearPageUnevictable(p);
		link_locked(v, p, lru_kind_of(p->flags));
		count_event(UNEVICTABLE_PGRESCUED);
	}
	return true;
}

void lru_del_mlocked(struct page *p)
{
	struct lruvec *v = page_lruvec(p);

	guard_spin(&v->lock);
	if (PageLRU(p))
		unlink_locked(v, p, lru_kind_of(p->flags));
	ClearPageLRU(p);
}

/* ---- use ---- */

/* A pending page has no place yet, but cannot get one while the lock is held. */
static void activate_page(struct page *p)
{
	struct lruvec *v = page_lruvec(p);
	u32 flags;

	guard_spin(&v->lock);
	flags = READ_ONCE(p->flags);
	if (!(flags & (PG(lru) | PG(pending))) || flags & (PG(active) | PG(unevictable)))
		return;
	if (flags & PG(lru))
		unlink_locked(v, p, lru_kind_of(flags));
	SetPageActive(p);
	ClearPageReferenced(p);
	if (flags & PG(lru))
		link_locked(v, p, lru_kind_of(flags | PG(active)));
	count_event(PGACTIVATE);
	workingset_age();
}

void __mark_page_accessed(struct page *p)
{
	debug_assert(page_count(p) > 0);
	if (!PageReferenced(p))
		SetPageReferenced(p);
	else if (!PageActive(p))
		activate_page(p);
}

void lru_rotate(struct page *p)
{
	struct lruvec *v = page_lruvec(p);

	guard_spin(&v->lock);
	if (!PageLRU(p))
		return; /* lru_putback() will see to it */
	ClearPageReclaim(p);
	if (PageActive(p) || PageUnevictable(p))
		return;
	unlink_locked(v, p, lru_kind_of(p->flags));
	link_tail_locked(v, p, lru_kind_of(p->flags));
	count_event(PGROTATED);
}

/* ---- the whole ---- */

unsigned long lru_pages(enum lru_kind kind)
{
	unsigned long sum = 0;
	const struct zone *z;

	for_each_zone(z)
		sum += READ_ONCE(z->lru.list[kind].nr);
	return sum;
}

void lruvec_init(struct lruvec *v)
{
	*v = (struct lruvec){};
	spin_lock_init(&v->lock, LOCK_LRU);
}

static void check_list(const struct zone *z, enum lru_kind kind)
{
	const struct lru_list *l = &z->lru.list[kind];
	unsigned long nr = 0;
	u32 prev = 0;

	for (u32 pfn = l->head; pfn; prev = pfn, pfn = pfn_to_page(pfn)->next) {
		const struct page *p = pfn_to_page(pfn);

		assert(pfn_valid(pfn) && page_zone(p) == z && p->prev == prev);
		/* With no flags it is just being freed. */
		if (page_count(p))
			assert((p->flags & (PG(lru) | PG(pending) | PG_NEVER_ON_LRU)) == PG(lru) &&
			       lru_kind_of(p->flags) == kind);
		assert(++nr <= l->nr);
	}
	assert(l->tail == prev && l->nr == nr);
}

void lru_check(void)
{
	struct zone *z;

	for_each_zone(z) {
		guard_spin(&z->lru.lock);
		for (enum lru_kind kind = 0; kind < LRU_UNEVICTABLE; kind++)
			check_list(z, kind);
	}
}
