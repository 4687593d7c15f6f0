/* SPDX-License-Identifier: MIT */
/*
 * MADV_COLD and MADV_PAGEOUT: a program says which of its pages it will not need soon.
 *
 * Cold pages lose their marks of use and become the next that reclaim looks at; pages to go are given
 * to reclaim at once. Only pages that this space alone maps: others may need theirs, as on Linux.
 *
 * Pages are isolated under the table's lock, a batch at a time; then their accessed bits, which were
 * cleared, are flushed; then they are reclaimed or put back, with no lock but mmap_lock.
 *
 * Locking: mmap_lock for reading. Reclaim takes page locks and those of reverse mapping.
 */
#include <mm/lru.h>
#include <mm/pgtable.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/vma.h>
#include <mm/vmscan.h>

/* The page is isolated, inactive and unused. */
static bool take_cold_page(pte_t *pte)
{
	struct page *page = pte_present(ptep_get(pte)) ? pte_page(ptep_get(pte)) : NULL;

	if (!page || page_mapcount(page) != 1 || !lru_isolate(page))
		return false;
	ptep_test_and_clear_young(pte);
	ClearPageReferenced(page);
	ClearPageActive(page);
	return true;
}

/* Up to a batch of one table's pages, from *addr on, which moves behind them. */
static unsigned int take_cold_pages(const struct pt_walk *w, vaddr_t *addr, struct page **pages)
{
	unsigned int n = 0;
	spinlock_t *ptl;
	pte_t *pte = pte_offset_lock(w->pmd, *addr, &ptl);

	for (; *addr < w->end && n < RECLAIM_BATCH; *addr += PAGE_SIZE, pte++)
		if (take_cold_page(pte))
			pages[n++] = pte_page(ptep_get(pte));
	spin_unlock(ptl);
	return n;
}

void advise_cold(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, bool pageout)
{
	struct page *pages[RECLAIM_BATCH];
	struct pt_walk w;

	for_each_pt_range(&w, vma->mm, start, end) for (vaddr_t addr = w.addr, from = addr;
							w.level == PT_PTE && addr < w.end;
							from = addr)
	{
		unsigned int n = take_cold_pages(&w, &addr, pages);

		if (!n)
			continue;
		tlb_flush_range(vma->mm, from, addr);
		if (pageout)
			reclaim_isolated(pages, n);
		else
			lru_putback_pages(pages, n);
		cond_resched();
	}
}
