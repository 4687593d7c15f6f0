/* SPDX-License-Identifier: MIT */
/*
 * swapoff: everything of an area comes back into memory.
 *
 * Problem. A slot does not know who names it. So all who may are asked: the page tables of every space,
 * and the trees of the shmem mappings.
 *
 * Idea. For each space: find the next entry of the area, with the tables locked; then, with no lock at
 * all, do what a read fault at that address does. The fault knows how to wait, what to read ahead and
 * what to do if the entry has changed meanwhile. When no entry is left anywhere, what remains are pages
 * in the cache that nobody names any more, and these are dropped.
 *
 * The area is off already, so no new slots are taken. But fork may still copy entries from a space that
 * was not searched yet to one that is found later, or a page's write may just end: so all of it is
 * repeated until the area is empty.
 *
 * Out of memory, an unreadable slot and a signal end it; what came back stays in memory, the rest where
 * it is.
 *
 * Locking: mmap_lock for reading while one space is searched.
 */
#include <kernel/lib/errno.h>
#include <mm/fault.h>
#include <mm/pgtable.h>
#include <mm/swap_internal.h>

/* An entry of the area in the part of one table; *addr moves to it, or to the end. */
static bool find_in_table(const struct pt_walk *w, unsigned int area, vaddr_t *addr)
{
	bool found = false;
	spinlock_t *ptl;
	pte_t *pte = pte_offset_lock(w->pmd, w->addr, &ptl);

	*addr = w->end;
	if (pmd_page(pmdp_get(w->pmd))->pt_swap)
		for (vaddr_t a = w->addr; a < w->end && !found; a += PAGE_SIZE, pte++) {
			found = pte_is_swap(ptep_get(pte)) &&
				swp_area(pte_to_swp(ptep_get(pte))) == area;
			if (found)
				*addr = a;
		}
	spin_unlock(ptl);
	return found;
}

/* The next entry of the area from *addr on. */
static bool find_entry(struct mm_struct *mm, unsigned int area, vaddr_t *addr)
{
	bool found = false;
	struct pt_walk w;

	guard_read(&mm->mmap_lock);
	for_each_pt_range(&w, mm, *addr, TASK_SIZE)
	{
		if (w.level != PT_PTE)
			continue;
		found = find_in_table(&w, area, addr);
		if (found)
			break;
		cond_resched();
	}
	return found;
}

static int unuse_mm(struct mm_struct *mm, unsigned int area)
{
	vaddr_t addr = 0;

	while (mm_counter_read(mm, MM_SWAP) && find_entry(mm, area, &addr)) {
		vm_fault_t ret = handle_mm_fault(
			mm, addr, FAULT_FLAG_REMOTE | FAULT_FLAG_FORCE | FAULT_FLAG_KILLABLE);

		if (ret == VM_FAULT_SIGBUS)
			return -EIO;
		/* SIGSEGV: it has been unmapped meanwhile. */
		if (ret == VM_FAULT_OOM || ret == VM_FAULT_SIGKILL)
			return vm_fault_errno(ret);
		if (current_signal_pending())
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int unuse_spaces(unsigned int area)
{
	struct mm_struct *mm = NULL;
	int err = 0;

	while ((mm = mm_next(mm)) != NULL) {
		err = unuse_mm(mm, area);
		if (err) {
			mm_put_user(mm);
			break;
		}
	}
	return err;
}

static void empty_cache(unsigned int area)
{
	struct page *page;

	for (u32 slot = 1; swap_next_cached(area, &slot, &page); slot++) {
		if (!page)
			continue;
		lock_page(page);
		wait_on_page_writeback(page);
		try_to_free_swap(page);
		unlock_page(page);
		put_page(page);
		cond_resched();
	}
}

int swap_unuse(struct swap_area *a)
{
	while (READ_ONCE(a->free) != a->pages) {
		int err = unuse_spaces(a->nr);

		if (!err)
			err = shmem_unuse(a->nr);
		if (!err && current_signal_pending())
			err = -EINTR;
		if (err)
			return err;
		empty_cache(a->nr);
		cond_resched();
	}
	return 0;
}
