/* SPDX-License-Identifier: MIT */
/*
 * Clock, or second chance: one ring for all pages. The hand is the list's tail; a page that was used
 * since the hand last came by goes round once more, at the head, and all others go.
 *
 *	hand -> [ used ] [ not ] [ used ] ...        one use counts as much as a hundred
 *
 * The active list is not needed: what mark_page_accessed() puts there comes back at once.
 */
#include <mm/page_alloc.h>
#include <mm/vmscan.h>

static enum verdict judge(struct page *page, int refs, unsigned long vm_flags __unused)
{
	bool used = refs || PageReferenced(page);

	ClearPageReferenced(page);
	return used ? PAGE_KEEP : PAGE_TAKE;
}

const struct reclaim_policy policy_clock = {
	.name = "clock",
	.steal = PGSTEAL_CLOCK,
	.judge = judge,
	.age = policy_one_list,
};
