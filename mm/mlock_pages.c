/* SPDX-License-Identifier: MIT */
/*
 * mlock, page by page: PG_mlocked, and the list that reclaim does not look at.
 *
 * A page that a VM_LOCKED vma maps is marked and goes to the unevictable list: when the vma becomes locked
 * (its present pages), and at each fault in one. The mark goes when such a vma lets go of the page, and
 * with the page itself (page_alloc.c).
 *
 * What keeps a page in memory is not the mark but the vma: rmap_unmap.c leaves its ptes alone. The mark
 * spares reclaim the look at pages that it cannot have, and is what Mlocked and Unevictable count.
 *
 * Locking: the mark changes under the lock of a table that maps the page, after the vma's flag: whoever
 * marks for a fault holds the vma lock, so that no mark follows the end of the flag.
 *
 * Simplified against Linux: no count of the vmas that lock a page. When the first of several lets go, the
 * page goes back to the other lists until it is marked again; reclaim then finds it in the way, but does
 * not get it.
 */
#include <mm/lru.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/vma.h>
#include <mm/vmstat.h>

/* To the list that the mark now says. Whoever has isolated the page does that at its end. */
static void change_list(struct page *page, enum vmstat_event e)
{
	if (!lru_isolate(page))
		return;
	count_event(e);
	lru_putback(page);
}

static void mlock_page(struct page *page)
{
	if (TestSetPageMlocked(page))
		return;
	mod_vmstat(NR_MLOCK, 1);
	count_event(UNEVICTABLE_PGMLOCKED);
	change_list(page, UNEVICTABLE_PGCULLED);
}

void munlock_page(struct page *page)
{
	if (!TestClearPageMlocked(page))
		return;
	mod_vmstat(NR_MLOCK, -1);
	count_event(UNEVICTABLE_PGMUNLOCKED);
	change_list(page, UNEVICTABLE_PGRESCUED);
}

void mlock_vma_pages(struct vm_area_struct *vma, vaddr_t start, vaddr_t end)
{
	bool lock = vma->flags & VM_LOCKED;
	struct pt_walk w;

	for_each_pt_range(&w, vma->mm, start, end)
	{
		spinlock_t *ptl;
		pte_t *pte = pte_offset_lock(w.pmd, w.addr, &ptl);

		for (vaddr_t addr = w.addr; addr < w.end; addr += PAGE_SIZE, pte++) {
			pte_t e = ptep_get(pte);
			struct page *page = pte_present(e) ? pte_page(e) : NULL;

			if (page)
				(lock ? mlock_page : munlock_page)(page);
		}
		spin_unlock(ptl);
		cond_resched();
	}
}
