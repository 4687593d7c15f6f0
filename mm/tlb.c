/* SPDX-License-Identifier: MIT */
/*
 * Forgetting translations.
 *
 * Problem: a processor remembers translations (TLB) and upper-level entries (paging-structure
 * caches). After a pte was cleared it may still use the page, and after a table was detached it may
 * still walk it, until it is told to forget. So a page or table must not be given away before.
 *
 * Idea: a gather. Whoever clears ptes notes the range, and puts the pages and tables there; when
 * the gather is full, or at the end, one flush is done and only then are the pages let go:
 *
 *	clear ptes -> note range, collect pages -> flush every CPU that has the space -> free pages
 *
 * Invariants:
 *  1. A page in the gather still has the reference that its pte held.
 *  2. mm->cpu_mask has the bit of every CPU whose CR3 holds mm's root. A CPU sets its bit before it
 *     loads CR3 and clears it after it has loaded another: a CPU that is not in the mask holds no
 *     translation of the space, because loading CR3 drops them all (there are no PCIDs here).
 *
 * A kernel thread goes on with the tables of whoever ran before (lazy TLB). It holds no reference
 * for that: the last mm_put() makes the CPU that is still on them leave (mm.c).
 *
 * Simplified: with one processor the mask never names another; tlb_shootdown() is the one place
 * where the interrupt to others belongs.
 */
#include <kernel/x86/tlb.h>
#include <mm/pgtable.h>
#include <mm/tlb.h>
#include <mm/vmstat.h>

/* Above so many pages all is flushed. An invlpg costs 100 to 200 cycles, a refill after a full
 * flush some 20 to 30 for each of the (up to 64 + 1536) entries that are used again, of which a
 * program that has just unmapped memory uses a few hundred: the two meet at 30 to 40 pages, which
 * is also where Linux measured it (33). */
#define TLB_SINGLE_PAGES_MAX 33

DEFINE_PER_CPU(struct mm_struct *, loaded_mm);

static void flush_local(vaddr_t start, vaddr_t end)
{
	if ((end - start) >> PAGE_SHIFT > TLB_SINGLE_PAGES_MAX) {
		tlb_flush_local_all();
		count_event(TLB_LOCAL_FLUSH_ALL);
		return;
	}
	count_events(TLB_LOCAL_FLUSH_ONE, (end - start) >> PAGE_SHIFT);
	for (; start < end; start += PAGE_SIZE)
		tlb_flush_local_page(start);
}

/* Other CPUs that have mm loaded forget [start, end). Waits until they have. */
static void tlb_shootdown(struct mm_struct *mm, vaddr_t start __unused, vaddr_t end __unused)
{
	u64 others = READ_ONCE(mm->cpu_mask) & ~BIT(smp_processor_id());

	if (likely(!others))
		return;
	panic("TLB shootdown of CPUs %lx, which do not run yet", (unsigned long)others);
}

void tlb_flush_range(struct mm_struct *mm, vaddr_t start, vaddr_t end)
{
	atomic_long_inc(&mm->tlb_gen);
	if (this_cpu_read(loaded_mm) == mm)
		flush_local(start, end);
	tlb_shootdown(mm, start, end);
}

void tlb_flush_mm(struct mm_struct *mm)
{
	tlb_flush_range(mm, 0, TASK_SIZE);
}

void tlb_flush_page(struct mm_struct *mm, vaddr_t addr)
{
	tlb_flush_range(mm, addr, addr + PAGE_SIZE);
}

void tlb_fix_spurious(struct mm_struct *mm, vaddr_t addr)
{
	if (this_cpu_read(loaded_mm) == mm)
		tlb_flush_local_page(addr);
}

static void gather_reset(struct mmu_gather *g)
{
	g->start = ~0UL;
	g->end = 0;
	g->nr = 0;
}

void tlb_gather_start(struct mmu_gather *g, struct mm_struct *mm)
{
	g->mm = mm;
	g->batches = 0;
	gather_reset(g);
}

void tlb_remove_table(struct mmu_gather *g, struct page *table)
{
	if (tlb_gather_full(g))
		tlb_gather_flush(g);
	/* One invlpg, of any address, also empties the paging-structure caches (SDM vol. 3,
	 * 4.10.4.1): that the range is not empty is enough. */
	if (g->start >= g->end)
		tlb_remove_pte(g, 0, PAGE_SIZE);
	g->pages[g->nr++] = table;
}

/* Drops the references; frees the pages of which that was the last. */
static void release_pages(struct page **pages, unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++) {
		if (unlikely(PageTable(pages[i])))
			table_release(pages[i]);
		else if (atomic_dec_and_test(&pages[i]->refcount))
			pages[n++] = pages[i];
	}
	free_pages_bulk(pages, n);
}

void tlb_gather_flush(struct mmu_gather *g)
{
	if (g->start < g->end)
		tlb_flush_range(g->mm, g->start, g->end);
	if (g->nr) {
		release_pages(g->pages, g->nr);
		g->batches++;
	}
	gather_reset(g);
}

void tlb_gather_finish(struct mmu_gather *g)
{
	tlb_gather_flush(g);
}
