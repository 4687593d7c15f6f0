/* SPDX-License-Identifier: MIT */
/*
 * Migration: a page in use moves to another frame, and who uses it does not notice.
 *
 *	isolated, locked       its owner cannot change, and reclaim does not see it
 *	     |   every pte becomes a migration entry (swapops.h), which names the old frame
 *	     |   all CPUs forget the ptes: nobody reads or writes the page by an address any more
 *	frozen                 its references are those that we know of, and there are none to be had
 *	     |   copied; the new page takes its place in the file or in the swap cache
 *	     |   every migration entry becomes a pte of the new page
 *	unlocked               whoever touched it meanwhile waits for this; the old one is free
 *
 * If the references are more than we know of, somebody has the page in hand: it stays, and the entries
 * become ptes of the old page again. So does one that is locked by another, or under I/O.
 *
 * A migration entry stands for a pte in all but access: it is counted as the page is (RSS, the table's
 * counts), and keeps what the pte knew: written, used, soft-dirty, its right to write, whether the page
 * is this space's alone. But it is no mapping: the page's mapcount falls to 0, and with it go the
 * references. It lives only as long as the page is locked. Who finds one meanwhile:
 *
 *	fault, kernel access	waits, with no lock held, and starts again (fault_swap.c)
 *	munmap, exit, truncate	clears it; the page's end is ours then
 *	fork			copies it; on both sides it may no longer write. The second walk finds the
 *				child's, as it comes after its parent in the interval tree
 *	mremap			moves it, with no walk going on; the second walk finds it at the new place
 *	mprotect		leaves it: the new pte gets its rights from the vma, looked at under the
 *				table's lock, which mprotect takes after it has changed that
 *	mlock, munlock		note in it whether the new pte shall count as locked
 *	clear_refs		clears soft-dirty, and with it the right to write
 *
 * A dirty pte makes the page dirty here already, as in rmap_unmap.c, so that nothing depends on the
 * entry's coming back.
 *
 * The anon_vma is held from before the first walk to after the second: between the two the page is
 * mapped nowhere, and its last vma may go.
 *
 * Locking: page lock (a trylock, so that whoever has one may allocate) -> as rmap_walk(); freezing and
 * replacing under tree_lock or swap_lock, with the copy between them: nobody finds a page half copied.
 *
 * Simplified against Linux: no asynchronous mode that waits less, no wait for I/O, no migratepage
 * operation of file systems (none keeps anything else by the page).
 */
#include <kernel/lib/string.h>
#include <mm/filemap.h>
#include <mm/migrate.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/swap_internal.h>
#include <mm/tlb.h>
#include <mm/vma.h>

struct move {
	struct page *old, *new;
	struct anon_vma *av; /* referenced; NULL: a file's, or mapped by none */
};

/* ---- ptes to entries and back ---- */

static pteval_t entry_flags(struct page *page, pte_t e)
{
	pteval_t flags = (pte_soft_dirty(e) ? _PTE_SWP_SOFT_DIRTY : 0) |
			 (pte_write(e) ? _PTE_SWP_WRITE : 0) | (pte_dirty(e) ? _PTE_SWP_DIRTY : 0) |
			 (pte_young(e) ? _PTE_SWP_YOUNG : 0);

	if (PageAnonExclusive(page)) {
		ClearPageAnonExclusive(page);
		flags |= _PTE_SWP_EXCLUSIVE;
	}
	return flags;
}

/* Does a pte of the vma count as locked? False: that is just changing. Its table is locked. */
static bool counts_as_locked(struct vm_area_struct *vma, pteval_t *flags)
{
	*flags = 0;
	if (!(vma->flags & VM_LOCKED))
		return true;
	if (!down_read_trylock(&vma->mm->mmap_lock))
		return false;
	if (vma->flags & VM_LOCKED)
		*flags = _PTE_SWP_LOCKED;
	up_read(&vma->mm->mmap_lock);
	return true;
}

static bool unmap_one(struct page *page, struct vm_area_struct *vma, vaddr_t addr, void *arg)
{
	spinlock_t *ptl;
	pte_t *pte = page_check_address(page, vma->mm, addr, &ptl);
	pteval_t locked;
	pte_t e;

	if (!pte)
		return true;
	if (!counts_as_locked(vma, &locked)) {
		spin_unlock(ptl);
		return false;
	}
	e = ptep_get_and_clear(pte);
	unmap_batch_add(arg, vma->mm);
	if (pte_dirty(e))
		set_page_dirty(page);
	set_pte(pte, migration_pte(page, entry_flags(page, e) | locked));
	if (locked)
		munlock_page(page);
	page_remove_rmap(page);
	spin_unlock(ptl);
	put_page(page);
	return true;
}

static pte_t new_pte(struct page *page, const struct vm_area_struct *vma, pteval_t flags)
{
	pteval_t prot = vma_page_prot(vma->flags) & ~(_PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY);

	if (flags & _PTE_SWP_WRITE && vma->flags & VM_WRITE)
		prot |= _PAGE_RW;
	prot |= (flags & _PTE_SWP_DIRTY ? _PAGE_DIRTY : 0) |
		(flags & _PTE_SWP_YOUNG ? _PAGE_ACCESSED : 0) |
		(flags & _PTE_SWP_SOFT_DIRTY ? _PAGE_SOFT_DIRTY : 0);
	return pfn_pte(page_to_pfn(page), prot);
}

/* Its owner stays what it was, so that later walks are as short as before. */
static void add_rmap(struct page *page, bool exclusive)
{
	if (exclusive)
		SetPageAnonExclusive(page);
	if (atomic_inc_return(&page->mapcount) == 1)
		mod_vmstat(PageAnon(page) ? NR_ANON_MAPPED : NR_FILE_MAPPED, 1);
}

/* arg: the page that the entry names. */
static bool map_one(struct page *page, struct vm_area_struct *vma, vaddr_t addr, void *arg)
{
	spinlock_t *ptl;
	pte_t *pte = pte_find_lock(vma->mm, addr, NULL, &ptl);
	pte_t e;

	if (!pte)
		return true;
	e = ptep_get(pte);
	if (pte_is_migration(e) && pte_migration_page(e) == arg) {
		get_page(page);
		add_rmap(page, e.pte & _PTE_SWP_EXCLUSIVE);
		set_pte(pte, new_pte(page, vma, e.pte));
		if (e.pte & _PTE_SWP_LOCKED)
			mlock_page(page);
	}
	spin_unlock(ptl);
	return true;
}

static void map_again(struct page *page, struct move *m)
{
	if (!PageAnon(page))
		rmap_walk(page, map_one, m->old);
	else if (m->av)
		rmap_walk_anon(page, m->av, map_one, m->old);
	if (m->av)
		put_anon_vma(m->av);
}

/* ---- the page ---- */

/* What goes along. Marks of its place and of who waits for the old frame do not. */
#define FLAGS_MOVED                                                                       \
	(1u << PG_uptodate | 1u << PG_dirty | 1u << PG_referenced | 1u << PG_active |     \
	 1u << PG_workingset | 1u << PG_swapcache | 1u << PG_swapbacked | 1u << PG_anon | \
	 ~0u << PAGE_GEN_SHIFT)

static void copy_to_new(struct page *new, const struct page *old)
{
	copy_page(page_address(new), page_address(old));
	new->owner = old->owner;
	new->index = old->index;
	new->swap = old->swap;
	__atomic_fetch_or(&new->flags, old->flags & FLAGS_MOVED, __ATOMIC_RELEASE);
}

static void replace_in_file(struct address_space *m, struct page *new, struct page *old)
{
	(void)radix_replace(&m->pages, old->index, new);
	WRITE_ONCE(old->owner, 0);
	get_page(new);
}

static void replace_in_swap_cache(struct page *new, struct page *old)
{
	swp_entry_t e = {old->swap};

	swap_area_locked(e)->cached[swp_slot(e)] = (u32)page_to_pfn(new);
	ClearPageSwapCache(old);
	old->swap = 0;
	get_page(new);
}

/* Both are locked, and no pte has the old one. False: somebody has it in hand. */
static bool move_content(struct page *new, struct page *old)
{
	struct address_space *m = page_mapping(old);
	spinlock_t *lock = m ? &m->tree_lock : PageSwapCache(old) ? &swap_lock : NULL;
	bool frozen;

	if (lock)
		spin_lock(lock);
	frozen = !page_mapped(old) && atomic_cmpxchg(&old->refcount, lock ? 2 : 1, 0);
	if (frozen) {
		copy_to_new(new, old);
		if (m)
			replace_in_file(m, new, old);
		else if (lock)
			replace_in_swap_cache(new, old);
		atomic_set(&old->refcount, 1);
	}
	if (lock)
		spin_unlock(lock);
	return frozen;
}

/* ---- a batch ---- */

/* The isolated page gets locked and loses its ptes. */
static bool begin_move(struct move *m, struct page *page, struct unmap_batch *b,
		       struct migrate_target *to)
{
	int refs = 1 + (page_mapping(page) || PageSwapCache(page)) + page_mapcount(page);

	/* A look that saves the work; what counts is seen when it is frozen. */
	if (page_count(page) > refs || !trylock_page(page))
		return false;
	m->new = PageWriteback(page) ? NULL : to->get(to);
	if (!m->new) {
		unlock_page(page);
		return false;
	}
	m->old = page;
	SetPageLocked(m->new);
	m->av = page_get_anon_vma(page);
	rmap_walk(page, unmap_one, b);
	return true;
}

/* No CPU knows the ptes any more. */
static bool finish_move(struct move *m)
{
	bool moved = move_content(m->new, m->old);
	struct page *stays = moved ? m->new : m->old, *goes = moved ? m->old : m->new;

	map_again(stays, m);
	unlock_page(m->new);
	unlock_page(m->old);
	free_swap_cache(stays); /* its last user may have gone meanwhile */
	lru_putback(stays);
	put_page(goes);
	count_event(moved ? PGMIGRATE_SUCCESS : PGMIGRATE_FAIL);
	return moved;
}

unsigned int migrate_pages(struct page **pages, unsigned int n, struct migrate_target *to)
{
	struct move moves[MIGRATE_BATCH];
	struct unmap_batch b = {};
	unsigned int begun = 0, moved = 0;

	debug_assert(n <= MIGRATE_BATCH);
	for (unsigned int i = 0; i < n; i++) {
		if (begin_move(&moves[begun], pages[i], &b, to)) {
			begun++;
		} else {
			lru_putback(pages[i]);
			count_event(PGMIGRATE_FAIL);
		}
	}
	unmap_batch_flush(&b);
	for (unsigned int i = 0; i < begun; i++)
		moved += finish_move(&moves[i]);
	return moved;
}
