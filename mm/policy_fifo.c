/* SPDX-License-Identifier: MIT */
/*
 * First in, first out: the oldest page goes, whether it is in use or not. What every other policy has to
 * beat; and where Belady's anomaly can be seen, more memory with more faults.
 */
#include <mm/page_alloc.h>
#include <mm/vmscan.h>

static enum verdict judge(struct page *page __unused, int refs __unused,
			  unsigned long vm_flags __unused)
{
	return PAGE_TAKE;
}

const struct reclaim_policy policy_fifo = {
	.name = "fifo",
	.steal = PGSTEAL_FIFO,
	.judge = judge,
	.age = policy_one_list,
};
