/* SPDX-License-Identifier: MIT */
/*
 * mlock, page by page: PG_mlocked, and the list that reclaim does not look at.
 *
 * Each pte of a VM_LOCKED vma counts once for its page: as it is set by a fault, or, for those that are
 * there, when the vma becomes locked; and it counts back as it is cleared, or when the vma is unlocked. A
 * page that counts is marked and is not on the lists (lru.c); a page that is freed counts no more.
 *
 * What keeps a page in memory is not the mark but the vma: rmap_unmap.c leaves its ptes alone. The mark
 * spares reclaim the look at pages that it cannot have, and is what Mlocked and Unevictable count.
 *
 * Locking: the lock of the table that maps the page; for the count that of the list. What a vma has is
 * counted under mmap_lock for writing, before the flag goes and after it comes; faults in a VM_LOCKED vma
 * hold mmap_lock. So no pte counts twice, or back without having counted. (Truncation holds neither, but
 * its pages are going.) Migration makes a pte count back, notes that in its entry, and counts again; what
 * happens to the vma meanwhile changes the note.
 */
#include <mm/lru.h>
#include <mm/pgtable.h>
#include <mm/vma.h>
#include <mm/vmstat.h>

void mlock_page(struct page *page)
{
	if (!lru_mlock(page))
		return;
	mod_vmstat(NR_MLOCK, 1);
	count_event(UNEVICTABLE_PGMLOCKED);
}

void munlock_page(struct page *page)
{
	if (!lru_munlock(page))
		return;
	mod_vmstat(NR_MLOCK, -1);
	count_event(UNEVICTABLE_PGMUNLOCKED);
}

void mlock_vma_pages(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, bool lock)
{
	struct pt_walk w;

	debug_assert(vma->flags & VM_LOCKED && rwsem_is_write_held(&vma->mm->mmap_lock));
	for_each_pt_range(&w, vma->mm, start, end)
	{
		spinlock_t *ptl;
		pte_t *pte = pte_offset_lock(w.pmd, w.addr, &ptl);

		for (vaddr_t addr = w.addr; addr < w.end; addr += PAGE_SIZE, pte++) {
			pte_t e = ptep_get(pte);
			struct page *page = pte_present(e) ? pte_page(e) : NULL;

			if (page)
				(lock ? mlock_page : munlock_page)(page);
			else if (pte_is_migration(e))
				set_pte(pte, __pte(lock ? e.pte | _PTE_SWP_LOCKED :
							  e.pte & ~_PTE_SWP_LOCKED));
		}
		spin_unlock(ptl);
		cond_resched();
	}
}
