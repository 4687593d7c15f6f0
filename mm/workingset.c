/* SPDX-License-Identifier: MIT */
/*
 * Refault distance: was it a mistake to evict this page?
 *
 * Problem. A page becomes active if it is used twice while it is inactive. One that is used again and
 * again, but at distances longer than the inactive list, is evicted each time before its second use,
 * though the active list may be full of pages that nobody has used for hours.
 *
 * Idea (Linux's). Look at a page only when it comes back. A clock ticks with each page that leaves
 * inactive, evicted or activated. Its value at the eviction stays behind, in the page's place, as a
 * shadow; when the page comes back, the difference is how many pages went past inactive meanwhile:
 *
 *	inactive                       |  past its end
 *	in -> [ . . . . . . . . . . X ]|->  .  .  .  . X
 *	                               |   <- distance ->
 *
 * So many more places would have kept it. The other lists have places: if these are as many as the
 * distance, the page might have stayed had one of theirs gone, and it is given the chance: it comes back
 * as an active page, and whatever is not used there sinks. If they are not, all of it does not fit into
 * memory, and it had better pass through inactive once more.
 *
 *	shadow	31        30 ............ 1   0
 *		1 always  the clock           had the page been active before?
 *
 * 30 bits of a clock of pages: it comes round after 4 TiB, and a page that long away is then judged
 * wrongly once.
 *
 * Where they are. Of a page that has a slot: in the slot's entry for a cached page, which is free then.
 * That is all anonymous and tmpfs pages. Of another file's page: in the file's tree. A leaf of a tree
 * that has nothing but shadows is memory in use for nothing else, so those leaves are in a list, and the
 * oldest go when they are too many; all of them when reclaim finds nothing else.
 *
 * Locking: tree_lock -> list_lock. Who comes by the list takes tree_lock by trylock. A mapping whose leaf
 * is in the list cannot go: that empties its tree first, with tree_lock held (mapping_in_use).
 */
#include <kernel/x86/cpu.h>
#include <mm/filemap.h>
#include <mm/lru.h>
#include <mm/mm.h>
#include <mm/swap.h>
#include <mm/vmstat.h>

#define SHADOW_VALID (1u << 31)
#define CLOCK_MASK   ((1u << 30) - 1)

static u32 clock; /* (a) */

void workingset_age(void)
{
	__atomic_fetch_add(&clock, 1, __ATOMIC_RELAXED);
}

u32 workingset_eviction(const struct page *page)
{
	u32 now = __atomic_fetch_add(&clock, 1, __ATOMIC_RELAXED);

	return SHADOW_VALID | (now & CLOCK_MASK) << 1 | PageWorkingset(page);
}

/* Places of other lists, which a page of this kind could take. */
static unsigned long other_places(bool file)
{
	unsigned long n = lru_pages(LRU_ACTIVE_FILE);

	if (!file)
		n += lru_pages(LRU_INACTIVE_FILE);
	if (nr_swap_pages())
		n += lru_pages(LRU_ACTIVE_ANON) + (file ? lru_pages(LRU_INACTIVE_ANON) : 0);
	return n;
}

void workingset_refault(struct page *page, u32 shadow)
{
	u32 distance = (READ_ONCE(clock) - (shadow >> 1)) & CLOCK_MASK;
	bool file = !PageSwapBacked(page);

	debug_assert(shadow & SHADOW_VALID && !(page->flags & (1u << PG_lru | 1u << PG_pending)));
	mod_vmstat(WORKINGSET_REFAULT_ANON + file, 1);
	if (distance > other_places(file))
		return;
	SetPageActive(page);
	workingset_age();
	mod_vmstat(WORKINGSET_ACTIVATE_ANON + file, 1);
	if (shadow & 1) {
		SetPageWorkingset(page);
		mod_vmstat(WORKINGSET_RESTORE_ANON + file, 1);
	}
}

/* ---- leaves with nothing but shadows ---- */

static LIST_HEAD(shadow_leaves); /* (list_lock) oldest first */
static spinlock_t list_lock = SPINLOCK_INIT(LOCK_LEAF);
static unsigned long nr_leaves; /* (list_lock) */

void workingset_update_node(struct radix_tree *t, struct radix_node *leaf)
{
	bool only = leaf->count && leaf->count == leaf->nr_values;

	if (only == (leaf->link.next != NULL) ||
	    container_of(t, struct address_space, pages)->shmem)
		return;
	spin_lock(&list_lock);
	if (only) {
		leaf->tree = t;
		list_add_tail(&leaf->link, &shadow_leaves);
	} else {
		list_del(&leaf->link);
		leaf->link.next = NULL;
	}
	nr_leaves += only ? 1 : -1UL;
	spin_unlock(&list_lock);
	mod_vmstat(WORKINGSET_NODES, only ? 1 : -1);
}

/* False: there is none. One whose tree is in use has its turn later. */
static bool forget_leaf(void)
{
	struct radix_node *leaf;
	struct address_space *m;

	spin_lock(&list_lock);
	if (list_empty(&shadow_leaves)) {
		spin_unlock(&list_lock);
		return false;
	}
	leaf = list_first_entry(&shadow_leaves, struct radix_node, link);
	m = container_of(leaf->tree, struct address_space, pages);
	if (!spin_trylock(&m->tree_lock)) {
		list_move_tail(&leaf->link, &shadow_leaves);
		spin_unlock(&list_lock);
		cpu_relax();
		return true;
	}
	spin_unlock(&list_lock);
	radix_erase_leaf(&m->pages, leaf);
	spin_unlock(&m->tree_lock);
	mod_vmstat(WORKINGSET_NODERECLAIM, 1);
	return true;
}

void workingset_forget(bool all)
{
	unsigned long max = 0;

	for (enum lru_kind kind = 0; kind < NR_LRU_KINDS && !all; kind++)
		max += lru_pages(kind) / 8;
	while (READ_ONCE(nr_leaves) > max && forget_leaf())
		continue;
}
