/* SPDX-License-Identifier: MIT */
/*
 * Forgetting translations: a gather collects cleared ptes and the pages behind them, then flushes
 * the TLBs once, and only then lets go of the pages.
 *
 *	struct mmu_gather g;
 *	tlb_gather_start(&g, mm);
 *	zap_range(vma, start, end, &g);
 *	free_vma_tables(&g, vma, floor, ceiling);
 *	tlb_gather_finish(&g);
 */
#pragma once

#include <mm/mm.h>
#include <mm/page.h>
#include <mm/pgtable.h>

/* Pages held until the flush. More batches mean more flushes: with 128 pages a full flush (about
 * ten instructions, and the refills behind it) costs nothing a page; 1 KiB of the 16 KiB stack. */
#define GATHER_PAGES 128

struct mmu_gather {
	struct mm_struct *mm;
	vaddr_t start, end; /* what to flush; start >= end: nothing */
	unsigned int nr;
	bool tables;           /* some of the pages are tables */
	bool tables_met;       /* some of what was zapped had a table of ptes */
	unsigned long batches; /* flushed so far (for tests) */
	struct page
		*pages[GATHER_PAGES]; /* some with GATHER_LATE, in a bit that pointers have clear */
};
#define GATHER_LATE 1UL

void tlb_gather_start(struct mmu_gather *g, struct mm_struct *mm);
/* A pte (or size bytes of them) from addr on was cleared or lost rights. */
static inline void tlb_remove_pte(struct mmu_gather *g, vaddr_t addr, size_t size)
{
	if (addr < g->start)
		g->start = addr;
	if (addr + size > g->end)
		g->end = addr + size;
}
/* One reference to page is dropped after the flush. late: and so is its entry in the mapcount, and a
 * page of a file is dirty then. True: the gather is now full, so call tlb_gather_flush() before the
 * next (not under a page-table lock). */
static inline __must_check bool tlb_remove_page(struct mmu_gather *g, struct page *page, bool late)
{
	debug_assert(g->nr < GATHER_PAGES);
	g->pages[g->nr++] = (struct page *)((unsigned long)page | (late ? GATHER_LATE : 0));
	return g->nr == GATHER_PAGES;
}
static inline bool tlb_gather_full(const struct mmu_gather *g)
{
	return g->nr == GATHER_PAGES;
}
/* An emptied, detached table, freed after the flush. No spinlock held. */
void tlb_remove_table(struct mmu_gather *g, struct page *table);
/* Flushes and frees what is there, and goes on. No spinlock held. */
void tlb_gather_flush(struct mmu_gather *g);
void tlb_gather_finish(struct mmu_gather *g);

/* Makes all CPUs that use mm forget [start, end). Interrupts on; no spinlock held unless stated. */
void tlb_flush_range(struct mm_struct *mm, vaddr_t start, vaddr_t end);
void tlb_flush_mm(struct mm_struct *mm);
/* One page; may be called under its page-table lock. */
void tlb_flush_page(struct mm_struct *mm, vaddr_t addr);
/* Only this CPU's entry, after rights were added (others fault spuriously, once). */
void tlb_fix_spurious(struct mm_struct *mm, vaddr_t addr);

/* Reclaim and migration take ptes out of many spaces, a page at a time: the CPUs that may remember them
 * are collected, and all forget everything at once. {} at first. Names no space: it may go before. */
struct unmap_batch {
	u64 cpus;
};
/* A pte of mm was cleared, or lost a right or its accessed bit. Its table is locked. */
void unmap_batch_add(struct unmap_batch *b, struct mm_struct *mm);
/* Before any of the pages is written, copied or freed. No spinlock held. Waits. */
void unmap_batch_flush(struct unmap_batch *b);

/* Every CPU that has mm loaded without using it leaves it. Waits. Nobody runs in mm any more. */
void tlb_leave_lazy(struct mm_struct *mm);

/* What a CPU's TLB is about. Changed by that CPU, with interrupts off; lazy is read by all. */
struct tlb_state {
	struct mm_struct *mm; /* the space whose tables are loaded */
	long gen;             /* the flushes of mm (mm->tlb_gen) that this CPU has followed */
	bool lazy;            /* a kernel thread runs on them */
};
DECLARE_PER_CPU(struct tlb_state, tlb_state);
/* The running CPU, lazily on some space, goes to the kernel's tables (mm.c). Interrupts off. */
void mm_leave_lazy(void);
