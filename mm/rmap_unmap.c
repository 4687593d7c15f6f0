/* SPDX-License-Identifier: MIT */
/*
 * What reclaim asks of reverse mapping: is a page in use, and can it be taken from all who map it.
 *
 * In use: the hardware sets the accessed bit of a pte when it loads it into a TLB. page_referenced()
 * counts and clears the bits of all ptes. As long as a translation stays in a TLB the bit stays clear,
 * so the CPUs concerned go into the batch, too: one flush for all the pages of a batch (DESIGN 9.15).
 *
 * Taken away: each pte becomes what leads back to the page,
 *
 *	anonymous, in the swap cache	the entry of its slot; E if it was this space's alone
 *	file, tmpfs			nothing: the next fault asks the file
 *
 * and its reference, its mapcount and its place in the counts of table and space go at once, under the
 * table's lock. Only the flush is late: other CPUs may read the page until then, and write it if the
 * pte was writable and dirty (a clean pte is looked at again before the first write). So a dirty pte
 * makes the page dirty here, and nobody may write the page out, copy or free it before the batch is
 * flushed. The caller holds the page lock until then, and that keeps all others from doing so.
 *
 * A page of a VM_LOCKED vma is left alone. Who locks memory sets the flag first and then looks at the
 * ptes with the table locked: either the flag is seen here, or the missing page there.
 *
 * Locking: as rmap_walk(); fork and mremap may go on meanwhile. A fork whose child is passed before it
 * has its ptes copies what its parent has by then: entries, or ptes that are still to come, as the
 * interval tree has the parent's vma first. What is left mapped in the end is not lost, but stays.
 */
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/swap.h>
#include <mm/tlb.h>

struct referenced {
	struct unmap_batch *b;
	int n;
	unsigned long vm_flags;
};

static bool referenced_one(struct page *page, struct vm_area_struct *vma, vaddr_t addr, void *arg)
{
	struct referenced *r = arg;
	spinlock_t *ptl;
	pte_t *pte = page_check_address(page, vma->mm, addr, &ptl);

	if (!pte)
		return true;
	r->vm_flags |= vma->flags;
	if (ptep_test_and_clear_young(pte)) {
		unmap_batch_add(r->b, vma->mm);
		if (!(vma->flags & VM_SEQ_READ))
			r->n++;
	}
	spin_unlock(ptl);
	return !(vma->flags & VM_LOCKED);
}

int page_referenced(struct page *page, unsigned long *vm_flags, struct unmap_batch *b)
{
	struct referenced r = {.b = b};

	*vm_flags = 0;
	if (!page_mapped(page))
		return 0;
	rmap_walk(page, referenced_one, &r);
	*vm_flags = r.vm_flags;
	return r.n;
}

/* The entry that takes the place of e, a pte of the anonymous page. */
static pte_t swapped_pte(struct page *page, pte_t e)
{
	pteval_t flags = pte_soft_dirty(e) ? _PTE_SWP_SOFT_DIRTY : 0;

	if (PageAnonExclusive(page)) {
		ClearPageAnonExclusive(page);
		flags |= _PTE_SWP_EXCLUSIVE;
	}
	return swp_to_pte((swp_entry_t){page->swap}, flags);
}

static bool unmap_one(struct page *page, struct vm_area_struct *vma, vaddr_t addr, void *arg)
{
	enum mm_counter kind = page_counter(page);
	struct mm_struct *mm = vma->mm;
	struct page *table;
	spinlock_t *ptl;
	pte_t *pte = page_check_address(page, mm, addr, &ptl);
	pte_t e;

	if (!pte)
		return true;
	if (vma->flags & VM_LOCKED ||
	    (kind == MM_ANON && swap_duplicate((swp_entry_t){page->swap}))) {
		spin_unlock(ptl);
		return false;
	}
	mm_update_hiwater_rss(mm);
	e = ptep_get_and_clear(pte);
	unmap_batch_add(arg, mm);
	if (pte_dirty(e))
		set_page_dirty(page);
	table = virt_to_page(pte);
	table_count_add(table, kind, -1);
	mm_counter_add(mm, kind, -1);
	if (kind == MM_ANON) {
		set_pte(pte, swapped_pte(page, e));
		table_count_add(table, MM_SWAP, 1);
		mm_counter_add(mm, MM_SWAP, 1);
	}
	page_remove_rmap(page);
	spin_unlock(ptl);
	put_page(page);
	return true;
}

bool try_to_unmap(struct page *page, struct unmap_batch *b)
{
	debug_assert(PageLocked(page) && page_count(page) > page_mapcount(page));
	if (!page_mapped(page))
		return true;
	debug_assert(!PageAnon(page) || PageSwapCache(page));
	rmap_walk(page, unmap_one, b);
	return !page_mapped(page);
}
