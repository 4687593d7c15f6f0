/* SPDX-License-Identifier: MIT */
/*
 * Faults on pages that are elsewhere: the cases fault_swap_in and fault_migrating of fault.c's picture.
 *
 *	not in the cache ......... read it with no lock held (fault_swap_read), and start again
 *	in the cache, locked ..... wait for the lock with no lock held, and start again
 *	in the cache ............. map it; a write goes on to copy it if others share it
 *
 * Whose is the page? An entry with the exclusive bit says that it was this space's alone when its pte
 * was taken away; fork clears the bit on both sides. Without the bit, the page is ours if ours was the
 * last entry and no pte maps it.
 *
 * Does the slot stay? After a read it does: should memory be short again soon, the page need not be
 * written. After a write the copy is worthless; and when slots are short, or the page is to stay
 * anyhow, it is given back too.
 *
 * Locking: the page lock (a trylock: the vma is locked) -> the table's lock. While the entry is in the
 * table, its slot cannot go; while the page is locked, it cannot leave the cache.
 */
#include <mm/fault_internal.h>
#include <mm/swap.h>

vm_fault_t fault_swap_read(struct fault *f)
{
	struct page *page = swap_read(f->swap, &f->major);

	if (IS_ERR(page))
		return PTR_ERR(page) == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	f->held = page; /* NULL: the entry is somebody else's news by now */
	return VM_FAULT_RETRY;
}

/* The table and the page are locked; the reference becomes the pte's. */
static bool map_swapped(struct fault *f, struct page *page)
{
	bool exclusive = f->orig.pte & _PTE_SWP_EXCLUSIVE, write = fault_is_write(f);
	pteval_t prot = vma_page_prot(f->vma->flags);

	swap_free(f->swap);
	if ((write || f->vma->flags & VM_LOCKED || swap_is_short()) && try_to_free_swap(page) &&
	    !page_mapped(page))
		exclusive = true;
	page_add_anon_rmap(page, f->vma, f->addr, exclusive);
	if (f->orig.pte & _PTE_SWP_SOFT_DIRTY)
		prot |= _PAGE_SOFT_DIRTY;
	if (write && exclusive)
		prot |= _PAGE_RW | _PAGE_DIRTY | _PAGE_SOFT_DIRTY;
	set_pte(f->pte, mk_pte(page, prot));
	lock_too(f, page);
	count_kind(f, MM_SWAP, -1);
	count_kind(f, MM_ANON, 1);
	return !write || exclusive;
}

static vm_fault_t fault_swap_cached(struct fault *f, struct page *page)
{
	bool done;

	f->again = AGAIN_NOW;
	if (unlikely(!PageSwapCache(page) || page->swap != f->swap.val) || !lock_same_pte(f)) {
		unlock_page(page);
		free_swap_cache(page); /* that entry may have been the last */
		put_page(page);
		return VM_FAULT_RETRY;
	}
	debug_assert(f->vma->anon_vma && PageUptodate(page));
	swap_read_ahead_hit(page);
	done = map_swapped(f, page);
	unlock_table(f);
	unlock_page(page);
	return done ? VM_FAULT_DONE : VM_FAULT_RETRY;
}

fault_case fault_swap_in(struct fault *f)
{
	struct page *page;

	f->kind = FAULT_KIND_SWAP_IN;
	f->swap = pte_to_swp(f->orig);
	page = swap_cache_get(f->swap);
	if (!page) {
		f->again = AGAIN_SWAP_IN;
		return VM_FAULT_RETRY;
	}
	if (likely(trylock_page(page)))
		return fault_swap_cached(f, page);
	drop_held(f);
	f->held = page;
	f->again = AGAIN_WAIT_PAGE;
	return VM_FAULT_RETRY;
}

/* The page is locked until the entry has become a pte again. The reference that is needed to wait must
 * not last: it would keep the page from being moved. While it is copied there is none to be had. */
fault_case fault_migrating(struct fault *f)
{
	struct page *page = pte_migration_page(f->orig);

	f->kind = FAULT_KIND_MIGRATING;
	drop_held(f);
	f->again = AGAIN_NOW;
	if (!lock_same_pte(f))
		return VM_FAULT_RETRY;
	if (get_page_unless_zero(page)) {
		f->held = page;
		f->again = AGAIN_MIGRATED;
	}
	unlock_table(f);
	return VM_FAULT_RETRY;
}
