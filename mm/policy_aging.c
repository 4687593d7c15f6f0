/* SPDX-License-Identifier: MIT */
/*
 * Aging: each page has a counter of three bits, its generation. At each look it is shifted right, and
 * a use since the last look comes in from the left:
 *
 *	used, not, not, not      000 -> 100 -> 010 -> 001 -> 000: goes
 *	used, used, not ...      000 -> 100 -> 110 -> 011 -> 001 -> 000
 *
 * A page goes when nothing of its past is left. So recent use weighs more than old, and often more than
 * seldom, where the clock knows only one bit; for that a page is looked at up to four times.
 */
#include <mm/page_alloc.h>
#include <mm/vmscan.h>

#define GEN_TOP 4u

static enum verdict judge(struct page *page, int refs, unsigned long vm_flags __unused)
{
	bool used = refs || PageReferenced(page);
	u32 old = READ_ONCE(page->flags), gen;

	do
		gen = old >> PAGE_GEN_SHIFT >> 1 | (used ? GEN_TOP : 0);
	while (!__atomic_compare_exchange_n(
		&page->flags, &old,
		(old & ~(~0u << PAGE_GEN_SHIFT) & ~(1u << PG_referenced)) | gen << PAGE_GEN_SHIFT,
		false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return gen ? PAGE_KEEP : PAGE_TAKE;
}

const struct reclaim_policy policy_aging = {
	.name = "aging",
	.steal = PGSTEAL_AGING,
	.judge = judge,
	.age = policy_one_list,
};
