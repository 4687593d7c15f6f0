/* SPDX-License-Identifier: MIT */
/*
 * Two lists, as Linux does it.
 *
 *	first use          used again              not used when it came to the tail
 *	---------> inactive ---------> active ---------------------------------+
 *	              ^ |                                                      |
 *	              | | not used: freed                                      |
 *	              +-|------------------------------------------------------+
 *
 * Whatever is read once (a backup, a large copy) passes through inactive and is gone; what is used twice
 * while it is there is kept among the active pages, which are not looked at as long as inactive is the
 * larger list. All pages come with the accessed bit of the fault that made them, so one use in a pte is
 * only remembered, and the second activates. What executes is worth more than what is read: it goes
 * straight to active.
 *
 * Simplified against Linux: both lists are kept equally long on a machine of any size.
 */
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/vmscan.h>

static enum verdict judge(struct page *page, int refs, unsigned long vm_flags)
{
	bool before = PageReferenced(page);

	if (!refs) { /* a use by read() was one, too, but no reason to keep it from the disk for longer */
		if (before)
			ClearPageReferenced(page);
		return PAGE_TAKE;
	}
	if (!before)
		SetPageReferenced(page);
	if (before || refs > 1 || (vm_flags & VM_EXEC && !PageSwapBacked(page)))
		return PAGE_ACTIVATE;
	return PAGE_KEEP;
}

static void age(struct zone *z, enum lru_kind inactive, struct scan *s)
{
	unsigned long active = READ_ONCE(z->lru.list[inactive + LRU_ACTIVE].nr);

	if (READ_ONCE(z->lru.list[inactive].nr) < active)
		deactivate_pages(z, inactive + LRU_ACTIVE,
				 max(active >> s->priority, (unsigned long)RECLAIM_BATCH));
}

const struct reclaim_policy policy_two_list = {
	.name = "two-list",
	.steal = PGSTEAL_TWO_LIST,
	.judge = judge,
	.age = age,
};
