/* SPDX-License-Identifier: MIT */
/*
 * Reclaim: making free pages of such as are not worth their place. The mechanism is in vmscan.c; which
 * pages go is decided by a policy, one short file each (policy_*.c).
 */
#pragma once

#include <mm/gfp.h>
#include <mm/lru.h>
#include <mm/vmstat.h>

struct unmap_batch;

/* One attempt to free pages. */
struct scan {
	gfp_t gfp;
	bool kswapd;
	bool drop; /* not for want of memory */
	unsigned int
		priority; /* a list's size >> priority is looked at: 12 at first, 0 is all of it */
	unsigned long want;     /* pages: then it is enough */
	unsigned long freed;    /* so far */
	struct page *writeback; /* referenced: one that was met under I/O */
};

enum verdict {
	PAGE_KEEP,     /* back to the head of inactive */
	PAGE_ACTIVATE, /* to active */
	PAGE_TAKE,     /* it may go */
};

struct reclaim_policy {
	const char *name;
	enum vmstat_event steal; /* counts what it freed */
	/* A page from the tail of inactive, locked; refs: ptes through which it was used since the last
	 * look; vm_flags: of the vmas that map it, or'ed. */
	enum verdict (*judge)(struct page *page, int refs, unsigned long vm_flags);
	/* Before the inactive list of that kind is scanned: brings it pages from the active one. */
	void (*age)(struct zone *z, enum lru_kind inactive, struct scan *s);
};
extern const struct reclaim_policy policy_two_list, policy_clock, policy_fifo, policy_aging;
/* An age() for those that have no use for active lists. */
void policy_one_list(struct zone *z, enum lru_kind inactive, struct scan *s);

#define RECLAIM_BATCH 32 /* pages between two flushes, and to a hold of the list's lock */

/* nr pages from the tail of an active list become inactive, but for executable file pages in use. */
void deactivate_pages(struct zone *z, enum lru_kind active, unsigned long nr);

extern int sysctl_swappiness;         /* 0..200: anonymous pages rather than those of files */
extern int sysctl_vfs_cache_pressure; /* percent of slabs' reserves that go with pages; 0: none */
const char *reclaim_policy_name(void);
int reclaim_policy_set(const char *name) __must_check; /* 0 or -EINVAL */

/* One isolated page after the other goes, if it can: those that stay are put back. How many went. */
unsigned long reclaim_isolated(struct page **pages, unsigned int n);
void wakeup_kswapd(void); /* memory is below the low mark. No lock of class WAITQ or later is held */
bool kswapd_gave_up(void); /* it frees nothing, and waits until somebody else does */
int kswapd(void *unused);  /* a thread's main function */
