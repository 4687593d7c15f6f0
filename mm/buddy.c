/* SPDX-License-Identifier: MIT */
/*
 * The buddy system: free blocks of 2^order pages.
 *
 * Problem. Find a free run of any power of two quickly, and put runs together again as they are
 * freed, so that large ones do not run out.
 *
 * Idea. The block of order o at pfn p and the one at p ^ (1 << o) are buddies: the halves of a block
 * of order o + 1. Freeing merges as long as the other half is free, too; allocating splits the
 * smallest block that suffices:
 *
 *	order 2  [               ]	allocate order 0:  [ 0 ][ 1 ][    2    ]
 *						            use  free    free
 *
 * Migrate types: each 2 MiB pageblock has a type, and its free blocks are on the lists of that type.
 * When the lists of a type are empty, a block of another type is taken, the largest first, and if
 * enough of its pageblock is free or of our kind, the whole pageblock changes type; thus unmovable
 * pages gather in few pageblocks instead of spoiling one each. The order of preference is the table
 * `fallbacks`. High-atomic pageblocks are set aside, at most 1 % of a zone, after an atomic request
 * of order > 0 succeeded, so that the next one does too; they are given back before a request fails.
 *
 * Invariants (page_alloc_check):
 *  - a free block's head has PG_buddy, refcount 0 and its order; all others of it no flag;
 *  - a free block is on the list of its pageblock's type; an order-10 block's two pageblocks agree;
 *  - two free buddies of the same order below 10 do not exist (but a pageblock that is set aside
 *    does not merge with one that is not);
 *  - zone->nr_free is the sum of the lists and the deferred sections (mm/section.c).
 *
 * Locking: zone->lock, for everything here.
 *
 * Simplified: no watermark boosting after a fallback.
 */
#include <mm/internal.h>
#include <mm/trace.h>
#include <mm/vmstat.h>

const char *const migratetype_names[MIGRATE_TYPES] = {"Unmovable", "Movable", "Reclaimable",
						      "HighAtomic"};
static const u8 fallbacks[MIGRATE_PCPTYPES][MIGRATE_PCPTYPES - 1] = {
	[MIGRATE_UNMOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE},
	[MIGRATE_MOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE},
	[MIGRATE_RECLAIMABLE] = {MIGRATE_UNMOVABLE, MIGRATE_MOVABLE},
};

/* ---- free lists ---- */

static struct page_list area_list(const struct free_area *a, unsigned int mt)
{
	return (struct page_list){a->head[mt], a->nr[mt]};
}

static void free_list_add(struct zone *z, struct page *p, unsigned int order, unsigned int mt)
{
	struct free_area *a = &z->free_area[order];
	struct page_list l = area_list(a, mt);

	assert_spin_held(&z->lock);
	page_list_add(&l, p);
	a->head[mt] = l.head;
	a->nr[mt] = l.nr;
	p->order = order;
	p->flags |= 1u << PG_buddy;
}

static void free_list_del(struct zone *z, struct page *p, unsigned int mt)
{
	struct free_area *a = &z->free_area[p->order];
	struct page_list l = area_list(a, mt);

	assert_spin_held(&z->lock);
	page_list_del(&l, p);
	a->head[mt] = l.head;
	a->nr[mt] = l.nr;
	p->order = 0;
	p->flags &= ~(1u << PG_buddy);
}

static bool is_free_buddy(const struct page *p, unsigned int order)
{
	return PageBuddy(p) && p->order == order;
}

/* Whole pageblocks that are set aside stay apart from others: they are counted. */
static bool may_merge(pfn_t buddy_pfn, unsigned int order, unsigned int mt)
{
	unsigned int buddy_mt;

	if (likely(order < PAGEBLOCK_ORDER))
		return true;
	buddy_mt = pageblock_mt(buddy_pfn);
	return buddy_mt == mt || (buddy_mt != MIGRATE_HIGHATOMIC && mt != MIGRATE_HIGHATOMIC);
}

/* Frees a block into the buddy, merging it upwards. */
void buddy_free_locked(struct zone *z, struct page *p, unsigned int order)
{
	pfn_t pfn = page_to_pfn(p);
	unsigned int mt = pageblock_mt(pfn);

	assert_spin_held(&z->lock);
	debug_assert(IS_ALIGNED(pfn, 1UL << order) && page_zone(p) == z);
	z->nr_free += 1UL << order;
	for (; order < MAX_ORDER; order++) {
		pfn_t buddy_pfn = pfn ^ (1UL << order);
		struct page *buddy = pfn_to_page(buddy_pfn);

		if (!is_free_buddy(buddy, order) || !may_merge(buddy_pfn, order, mt))
			break;
		free_list_del(z, buddy, pageblock_mt(buddy_pfn));
		/* Two whole pageblocks become one block: it has one type. */
		if (order >= PAGEBLOCK_ORDER)
			set_pageblock_mt(buddy_pfn, mt);
		pfn &= buddy_pfn;
	}
	free_list_add(z, pfn_to_page(pfn), order, mt);
}

/* Takes the free block p off its list and gives back all but its first 2^order pages. */
struct page *buddy_take_locked(struct zone *z, struct page *p, unsigned int order)
{
	unsigned int have = p->order, mt = pageblock_mt(page_to_pfn(p));

	assert_spin_held(&z->lock);
	free_list_del(z, p, mt);
	while (have > order) {
		have--;
		free_list_add(z, p + (1UL << have), have, mt);
	}
	z->nr_free -= 1UL << order;
	return p;
}

/* The smallest free block of that type that suffices, or NULL. */
struct page *buddy_find(const struct zone *z, unsigned int order, unsigned int mt)
{
	for (; order <= MAX_ORDER; order++)
		if (z->free_area[order].head[mt])
			return pfn_to_page(z->free_area[order].head[mt]);
	return NULL;
}

/* ---- pageblocks that change their type ---- */

/* Moves the free blocks of a pageblock to the lists of type mt and marks it. */
static void pageblock_set_type_locked(struct zone *z, pfn_t pfn, unsigned int mt)
{
	pfn_t end;
	unsigned int old;

	pfn = ALIGN_DOWN(pfn, PAGEBLOCK_PAGES);
	end = pfn + PAGEBLOCK_PAGES;
	old = pageblock_mt(pfn);
	for (pfn_t i = pfn; i < end;) {
		struct page *p = pfn_to_page(i);
		unsigned int order;

		if (!PageBuddy(p)) {
			i++;
			continue;
		}
		order = p->order;
		assert(order <= PAGEBLOCK_ORDER);
		free_list_del(z, p, old);
		free_list_add(z, p, order, mt);
		i += 1UL << order;
	}
	set_pageblock_mt(pfn, mt);
}

/* Does a page in use look movable: anonymous memory or page cache? */
static bool page_looks_movable(const struct page *p)
{
	return READ_ONCE(p->flags) & (1u << PG_lru | 1u << PG_anon | 1u << PG_swapbacked);
}

/* Is enough of the pageblock free, or of the kind that wants it, to give it the new type? */
static bool pageblock_worth_claiming(pfn_t pfn, unsigned int mt)
{
	unsigned int old, good = 0;

	pfn = ALIGN_DOWN(pfn, PAGEBLOCK_PAGES);
	old = pageblock_mt(pfn);
	for (pfn_t i = pfn; i < pfn + PAGEBLOCK_PAGES;) {
		const struct page *p = pfn_to_page(i);

		if (PageBuddy(p)) {
			good += 1u << p->order;
			i += 1UL << p->order;
			continue;
		}
		if (mt == MIGRATE_MOVABLE)
			good += page_looks_movable(p);
		else if (old == MIGRATE_MOVABLE)
			good += !page_looks_movable(p) && !PageReserved(p);
		i++;
	}
	return good >= PAGEBLOCK_PAGES / 2;
}

/* May a request of that type claim pageblocks when it takes a block of that order? A large block
 * always; and pages that cannot move rather claim than spread. */
static bool may_claim(unsigned int order, unsigned int mt)
{
	return order >= PAGEBLOCK_ORDER / 2 || mt != MIGRATE_MOVABLE;
}

/* Takes a block that is on another type's list; its pageblock changes sides if that pays. */
static struct page *steal_block_locked(struct zone *z, struct page *p, unsigned int order,
				       unsigned int mt)
{
	pfn_t pfn = page_to_pfn(p);
	unsigned int have = p->order;

	count_event(PGALLOC_FALLBACK);
	trace(ALLOC_FALLBACK, pfn, order, mt, pageblock_mt(pfn));
	if (have >= PAGEBLOCK_ORDER) {
		free_list_del(z, p, pageblock_mt(pfn));
		for (pfn_t i = pfn; i < pfn + (1UL << have); i += PAGEBLOCK_PAGES)
			set_pageblock_mt(i, mt);
		free_list_add(z, p, have, mt);
	} else if (may_claim(have, mt) && pageblock_worth_claiming(pfn, mt)) {
		pageblock_set_type_locked(z, pfn, mt);
	}
	return buddy_take_locked(z, p, order);
}

/* From another type's lists: the largest block, so that one theft lasts; but a movable request that
 * could not claim a pageblock takes the smallest, so as not to break large ones. */
static struct page *buddy_fallback_locked(struct zone *z, unsigned int order, unsigned int mt)
{
	for (unsigned int o = MAX_ORDER + 1; o-- > order;) {
		if (!may_claim(o, mt))
			break;
		for (unsigned int i = 0; i < ARRAY_SIZE(fallbacks[mt]); i++)
			if (z->free_area[o].head[fallbacks[mt][i]])
				return steal_block_locked(
					z, pfn_to_page(z->free_area[o].head[fallbacks[mt][i]]),
					order, mt);
	}
	for (unsigned int o = order; o <= MAX_ORDER; o++)
		for (unsigned int i = 0; i < ARRAY_SIZE(fallbacks[mt]); i++)
			if (z->free_area[o].head[fallbacks[mt][i]])
				return steal_block_locked(
					z, pfn_to_page(z->free_area[o].head[fallbacks[mt][i]]),
					order, mt);
	return NULL;
}

/* ---- high-atomic pageblocks ---- */

/* An atomic request of order > 0 got p: sets its pageblock aside. */
void reserve_highatomic_locked(struct zone *z, const struct page *p, unsigned int order)
{
	pfn_t pfn = page_to_pfn(p);
	unsigned int mt = pageblock_mt(pfn);

	if (mt == MIGRATE_HIGHATOMIC || order > PAGEBLOCK_ORDER ||
	    z->nr_highatomic + PAGEBLOCK_PAGES > z->managed / 100)
		return;
	pageblock_set_type_locked(z, pfn, MIGRATE_HIGHATOMIC);
	z->nr_highatomic += PAGEBLOCK_PAGES;
}

/* Gives a pageblock with free pages back to type mt. A block of order 10 takes its second pageblock
 * with it; both were counted. */
bool unreserve_highatomic(unsigned int mt)
{
	struct zone *z;

	for_each_zone(z) {
		bool found = false;

		spin_lock(&z->lock);
		for (unsigned int o = MAX_ORDER + 1; !found && o-- > 0;) {
			pfn_t pfn = z->free_area[o].head[MIGRATE_HIGHATOMIC];
			struct page *p = pfn_to_page(pfn);

			if (!pfn)
				continue;
			found = true;
			if (o <= PAGEBLOCK_ORDER) {
				pageblock_set_type_locked(z, pfn, mt);
				z->nr_highatomic -= min(z->nr_highatomic, PAGEBLOCK_PAGES);
				continue;
			}
			free_list_del(z, p, MIGRATE_HIGHATOMIC);
			for (pfn_t i = pfn; i < pfn + (1UL << o); i += PAGEBLOCK_PAGES)
				set_pageblock_mt(i, mt);
			free_list_add(z, p, o, mt);
			z->nr_highatomic -= min(z->nr_highatomic, 1UL << o);
		}
		spin_unlock(&z->lock);
		if (found)
			return true;
	}
	return false;
}

/* ---- deferred sections ---- */

/* Writes the struct pages of the zone's next deferred section and puts its blocks on the lists. They
 * were counted as free already. Under the lock, though it takes about 0.2 ms: whoever came meanwhile
 * would find no memory and go on to another zone. */
static bool zone_grow_locked(struct zone *z)
{
	pfn_t pfn, end;

	assert_spin_held(&z->lock);
	if (!z->nr_deferred)
		return false;
	while (mem_sections[z->next_deferred].state != SECTION_DEFERRED)
		z->next_deferred++;
	pfn = z->next_deferred << SECTION_PFN_SHIFT;
	end = pfn + PAGES_PER_SECTION;
	init_struct_pages(pfn, end, z->idx, z->nid, false);
	/* from the end, so that the lowest block is handed out first */
	for (pfn_t block = end; block > pfn;) {
		block -= 1UL << MAX_ORDER;
		free_list_add(z, pfn_to_page(block), MAX_ORDER, MIGRATE_MOVABLE);
	}
	WRITE_ONCE(mem_sections[z->next_deferred].state, SECTION_ONLINE);
	z->nr_deferred--;
	return true;
}

/* ---- taking a block, whatever it takes ---- */

/* Below this many pages on the lists, bring a section online rather than break up other types'
 * pageblocks. */
#define GROW_BELOW_PAGES (4 * PAGEBLOCK_PAGES)

struct page *rmqueue_locked(struct zone *z, unsigned int order, unsigned int mt, unsigned int flags)
{
	struct page *p = NULL;

	if (flags & ALLOC_HIGHATOMIC)
		p = buddy_find(z, order, MIGRATE_HIGHATOMIC);
	if (!p)
		p = buddy_find(z, order, mt);
	if (!p && z->nr_deferred &&
	    z->nr_free - z->nr_deferred * PAGES_PER_SECTION < GROW_BELOW_PAGES &&
	    zone_grow_locked(z))
		p = buddy_find(z, order, mt);
	if (p)
		return buddy_take_locked(z, p, order);
	do {
		p = buddy_fallback_locked(z, order, mt);
	} while (!p && zone_grow_locked(z));
	/* The last resort of those who must not fail. */
	if (!p && (flags & ALLOC_HARDER || (flags & ALLOC_WMARK_MASK) == ALLOC_NO_WATERMARKS)) {
		p = buddy_find(z, order, MIGRATE_HIGHATOMIC);
		p = p ? buddy_take_locked(z, p, order) : NULL;
	}
	return p;
}
