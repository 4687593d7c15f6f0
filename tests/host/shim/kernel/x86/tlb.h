/* SPDX-License-Identifier: MIT */
/* The host's TLB is not ours: flushes are counted. */
#pragma once

#include <kernel/x86/pte.h>

extern unsigned long host_tlb_flushes;
/* A test's TLB, if it has one: forgets one page, or all. */
extern void (*host_tlb_hook)(vaddr_t va, bool all);

static inline void host_tlb_flush(vaddr_t va, bool all)
{
	host_tlb_flushes++;
	if (host_tlb_hook)
		host_tlb_hook(va, all);
}

static inline void tlb_flush_local_page(vaddr_t va)
{
	host_tlb_flush(va, false);
}
static inline void tlb_flush_local_all(void)
{
	host_tlb_flush(0, true);
}
static inline void tlb_flush_local_global(void)
{
	host_tlb_flush(0, true);
}
