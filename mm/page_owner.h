/* SPDX-License-Identifier: MIT */
/*
 * Page owner: who asked for a page frame. Debug builds only; elsewhere nothing of it is left.
 */
#pragma once

#include <kernel/lib/types.h>
#include <mm/gfp.h>

#if defined(CONFIG_DEBUG) && !defined(OCTAVO_HOST)
#define PAGE_OWNER 1

/* One record a frame, at the same pfn as its struct page; of a block only the first frame's counts. */
struct page_owner_record {
	u64 ts; /* ns since boot */
	u32 gfp, order;
	int pid, tgid;
	char comm[16];
#define PAGE_OWNER_DEPTH 6
	u32 ret[PAGE_OWNER_DEPTH]; /* return addresses: kernel text lies in the last 2 GiB */
};

/* 2^order pages from pfn on are handed out. */
void page_owner_set(pfn_t pfn, gfp_t gfp, unsigned int order);

/* The text for the block in use that begins at pfn, or 0 if none does, or one from before `since`. */
#define PAGE_OWNER_TEXT 768
size_t page_owner_text(pfn_t pfn, u64 since, char *buf, size_t n);
/* Logs the owners of what was allocated since then and is still in use, max of them. */
void page_owner_report(u64 since, unsigned int max);

/* The running thread's; mm knows no processes. Set once by the kernel. */
extern void (*page_owner_ids)(int *pid, int *tgid);
#else
static inline void page_owner_set(pfn_t pfn __unused, gfp_t gfp __unused,
				  unsigned int order __unused)
{
}
static inline void page_owner_report(u64 since __unused, unsigned int max __unused)
{
}
#endif
