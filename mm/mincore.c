/* SPDX-License-Identifier: MIT */
/*
 * mincore: which pages of a range could be touched without I/O?
 *
 * A present entry says yes. Where there is none, the page may still be in the file's cache: the
 * question is about memory, not about this space's tables. An anonymous page that has no entry is in
 * no memory; a swapped one, tmpfs's too, is if the swap cache has it. Each table is looked at once, under
 * its lock; the file's cache is asked afterwards.
 *
 * Locking: mmap_lock for reading.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/swap.h>
#include <mm/vma.h>

static bool put_uptodate(struct page *page)
{
	bool uptodate = page && PageUptodate(page);

	if (page)
		put_page(page);
	return uptodate;
}

static bool page_is_cached(const struct vm_area_struct *vma, vaddr_t addr)
{
	struct address_space *m = vma->file ? vma->file->mapping : NULL;
	u64 index = vma_index(vma, addr);

	return m && (put_uptodate(find_get_page(m, index)) ||
		     (m->shmem && put_uptodate(shmem_swap_cached(m, index))));
}

/* Not present, but the answer is not in the file's cache either. */
#define ELSEWHERE 2

static u8 residency(pte_t e)
{
	if (!pte_is_swap(e))
		return !pte_none(e);
	return put_uptodate(swap_cache_get(pte_to_swp(e))) ? 1 : ELSEWHERE;
}

static void note_present(struct pt_walk *w, vaddr_t base, u8 *vec)
{
	spinlock_t *ptl;
	pte_t *pte;

	if (w->level != PT_PTE) {
		memset(vec + ((w->addr - base) >> PAGE_SHIFT), 1, (w->end - w->addr) >> PAGE_SHIFT);
		return;
	}
	pte = pte_offset_lock(w->pmd, w->addr, &ptl);
	for (vaddr_t addr = w->addr; addr < w->end; addr += PAGE_SIZE, pte++)
		vec[(addr - base) >> PAGE_SHIFT] = residency(ptep_get(pte));
	spin_unlock(ptl);
}

static void mincore_vma(const struct vm_area_struct *vma, vaddr_t start, vaddr_t end, u8 *vec)
{
	struct pt_walk w;

	memset(vec, 0, (end - start) >> PAGE_SHIFT);
	for_each_pt_range(&w, vma->mm, start, end) note_present(&w, start, vec);
	for (vaddr_t addr = start; addr < end; addr += PAGE_SIZE, vec++)
		*vec = *vec == ELSEWHERE ? 0 : *vec || page_is_cached(vma, addr);
}

long do_mincore(struct mm_struct *mm, vaddr_t addr, size_t n, u8 *vec)
{
	struct vm_area_struct *vma;
	long done = -ENOMEM;

	down_read(&mm->mmap_lock);
	vma = vma_lookup(mm, addr);
	if (vma) {
		vaddr_t end = min(vma->end, addr + (n << PAGE_SHIFT));

		mincore_vma(vma, addr, end, vec);
		done = (long)((end - addr) >> PAGE_SHIFT);
	}
	up_read(&mm->mmap_lock);
	return done;
}
