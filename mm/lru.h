/* SPDX-License-Identifier: MIT */
/*
 * LRU lists: the pages that reclaim may take, in each zone, in the order in which it looks at them.
 * What a page may be, and how it becomes something else, is drawn in lru.c.
 */
#pragma once

#include <kernel/sync/spinlock.h>
#include <kernel/x86/percpu.h>
#include <mm/page.h>

struct zone;

/* In the order of NR_INACTIVE_ANON and its followers; "anon" is all that only swap could hold:
 * anonymous pages and those of tmpfs (PG_swapbacked). */
enum lru_kind {
	LRU_INACTIVE_ANON,
	LRU_ACTIVE_ANON,
	LRU_INACTIVE_FILE,
	LRU_ACTIVE_FILE,
	LRU_UNEVICTABLE,
	NR_LRU_KINDS
};
#define LRU_ACTIVE 1 /* added to an inactive list's kind */

struct lru_list {
	u32 head, tail; /* pfns; pages come in at the head */
	unsigned long nr;
};
/* Of one zone. (l) its lock */
struct lruvec {
	spinlock_t lock;
	struct lru_list list[NR_LRU_KINDS]; /* (l) */
};

/* Pages that a CPU has seen become reclaimable, on their way to a list: names, not references. With
 * 32 of them a page's share of the lock is less than an instruction. */
#define LRU_BATCH 32
struct lru_batch {
	u32 nr;             /* own */
	u32 pfn[LRU_BATCH]; /* written by its CPU; taken (set to 0) by any, atomically */
};
DECLARE_PER_CPU(struct lru_batch, lru_batch);

void lru_add_drain(void);     /* this CPU's batch goes to the lists */
void lru_add_drain_all(void); /* and every other's */

/* The same for a page whose PG_pending the caller has just set, together with other flags. */
static inline void lru_add_pending(struct page *p)
{
	struct lru_batch *b = this_cpu_ptr(&lru_batch);

	WRITE_ONCE(b->pfn[b->nr], (u32)page_to_pfn(p));
	if (unlikely(++b->nr == LRU_BATCH))
		lru_add_drain();
}
/* A page that now has its owner (an anon_vma, a file) may be reclaimed from here on. No lock of class
 * LRU or later is held. */
static inline void lru_add(struct page *p)
{
	debug_assert(!(p->flags & (1u << PG_lru | 1u << PG_pending)));
	__atomic_fetch_or(&p->flags, 1u << PG_pending, __ATOMIC_SEQ_CST);
	lru_add_pending(p);
}

/* Takes a referenced page off its list (or out of a batch), with a reference of the isolation's own:
 * nobody else changes its place until lru_putback(). False: it is on none, or another has it. */
bool lru_isolate(struct page *p) __must_check;
/* The same for any page frame of a zone, of which nothing is known: if it is on a list. */
bool lru_isolate_listed(struct page *p) __must_check;
/* To the list that its flags now name (PG_mlocked: unevictable); drops the isolation's reference. */
void lru_putback(struct page *p);
void lru_putback_pages(struct page **pages, unsigned int n);
/* Isolates from the tail of a list, looking at no more than nr_scan pages, n of them at most. Returns
 * how many it has; *scanned: how many it looked at. */
unsigned int lru_isolate_tail(struct zone *z, enum lru_kind kind, unsigned int nr_scan,
			      struct page **pages, unsigned int n, unsigned int *scanned);

/* One vma more locks the referenced page, or one less: PG_mlocked, and its place. True: the first, the
 * last. A vma's lock counts once for each of its ptes. */
bool lru_mlock(struct page *p);
bool lru_munlock(struct page *p);
void lru_del_mlocked(struct page *p); /* page_alloc.c: a locked page is free */

/* Somebody has used a page that he holds a reference to: once, referenced; twice, active. */
void __mark_page_accessed(struct page *p);
static inline void mark_page_accessed(struct page *p)
{
	if ((READ_ONCE(p->flags) & (1u << PG_referenced | 1u << PG_active)) !=
	    (1u << PG_referenced | 1u << PG_active))
		__mark_page_accessed(p);
}

/* Many pages one after the other that most often are of one list: {} at first; then its lock is held
 * from the first page to the end. */
struct lru_run {
	u32 key;        /* flags & LRU_KEY of the pages of list; 0: none yet */
	unsigned int n; /* pages not counted yet */
	struct lruvec *v;
	struct lru_list *list;
};
/* The flags that say on which list of which zone a page is. */
#define LRU_KEY                                                                        \
	(1u << PG_lru | 1u << PG_unevictable | 1u << PG_swapbacked | 1u << PG_active | \
	 ((1u << PAGE_GEN_SHIFT) - (1u << PAGE_ZONE_SHIFT)))
void lru_freed_list(struct lru_run *r, const struct page *p, u32 flags);
void lru_freed_end(struct lru_run *r);
/* page_alloc.c: a page is free; flags are what it had, with PG_lru. */
static __always_inline void lru_del_freed(struct lru_run *r, const struct page *p, u32 flags)
{
	u32 next, prev;

	if (unlikely((flags & LRU_KEY) != r->key))
		lru_freed_list(r, p, flags);
	next = p->next;
	prev = p->prev;
	debug_assert((prev ? pfn_to_page(prev)->next : r->list->head) == page_to_pfn(p));
	*(likely(prev) ? &pfn_to_page(prev)->next : &r->list->head) = next;
	*(likely(next) ? &pfn_to_page(next)->prev : &r->list->tail) = prev;
	r->n++;
}

/* The inactive page has been written: reclaim looks at it next. */
void lru_rotate(struct page *p);

/* ---- refault distance (workingset.c) ---- */
struct radix_node;
struct radix_tree;
/* A page is evicted: what is to stand in its place until it comes back, not 0. */
u32 workingset_eviction(const struct page *page) __must_check;
/* It is back: a new page, which belongs to its owner, but to no list yet. Any lock. */
void workingset_refault(struct page *page, u32 shadow);
void workingset_age(void); /* a page became active */
/* The page cache's trees tell of leaves with shadows. tree_lock held. */
void workingset_update_node(struct radix_tree *t, struct radix_node *leaf);
/* Forgets the oldest shadows until no more leaves have nothing else than there are pages to eight of
 * them (all: until there is none). No spinlock held. */
void workingset_forget(bool all);

unsigned long lru_pages(enum lru_kind kind); /* of all zones */
void lruvec_init(struct lruvec *v);
/* Whole-structure checker: links, counts, flags. */
void lru_check(void);
