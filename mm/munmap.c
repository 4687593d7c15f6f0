/* SPDX-License-Identifier: MIT */
/*
 * munmap, and the end of an address space.
 *
 * Unmapping takes a range out of the space, in an order that matters:
 *	1. cut at both ends, so that whole vmas go;
 *	2. detach them: no fault finds them any more, and those under way have ended;
 *	3. zap their pages into a gather; the reverse map still knows the vmas, so that a truncation
 *	   or reclaim meanwhile misses no page;
 *	4. take them out of the reverse map; only then
 *	5. free the page tables, as a reverse-map walk looks at tables without mmap_lock;
 *	6. flush, then free pages and tables;
 *	7. drop mmap_lock, then put the files: the last put of a file takes the file system's locks,
 *	   which come before mmap_lock.
 *
 * Locking: all under mmap_lock for writing.
 *
 * Simplified against Linux: no mmap_lock downgrade while unmapping.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/tlb.h>
#include <mm/vma.h>

/* Cuts so that [start, end) consists of whole vmas; *first: the first of them. */
static int cut_edges(struct mm_struct *mm, vaddr_t start, vaddr_t end,
		     struct vm_area_struct **first)
{
	struct vm_area_struct *vma = *first, *last, *upper;

	if (vma->start < start) {
		/* Only a hole in the middle makes the count grow for good. */
		if (end < vma->end && mm->map_count >= sysctl_max_map_count)
			return -ENOMEM;
		vma = vma_split(vma, start);
		if (IS_ERR(vma))
			return PTR_ERR(vma);
		*first = vma;
	}
	last = end <= vma->end ? vma : find_vma(mm, end - 1);
	if (last && last->start < end && end < last->end) {
		upper = vma_split(last, end);
		if (IS_ERR(upper)) {
			vma_merge(vma);
			return PTR_ERR(upper);
		}
	}
	return 0;
}

/* Takes the vmas from first up to end out of the space: a list through next. */
static struct vm_area_struct *detach(struct mm_struct *mm, struct vm_area_struct *first,
				     vaddr_t end)
{
	struct vm_area_struct *vma = first, **link = &first, *next;
	long pages, charged = 0;

	for (; vma && vma->start < end; vma = next) {
		next = vma->next;
		pages = (long)vma_pages(vma);
		vm_account(mm, vma->flags, -pages);
		if (vma->flags & VM_LOCKED)
			mm->locked_vm -= pages;
		if (vma->flags & VM_ACCOUNT)
			charged += pages;
		vma_remove(mm, vma);
		*link = vma;
		link = &vma->next;
	}
	*link = NULL;
	if (charged)
		commit_uncharge(mm, charged);
	return first;
}

/* The pages and tables of detached vmas, between the neighbours that stay. */
static void tear_down(struct mm_struct *mm, struct vm_area_struct *list, vaddr_t floor,
		      vaddr_t ceiling)
{
	struct mmu_gather g;

	tlb_gather_start(&g, mm);
	for (struct vm_area_struct *vma = list; vma; vma = vma->next)
		zap_range(vma, vma->start, vma->end, &g);
	for (struct vm_area_struct *vma = list; vma; vma = vma->next) {
		unlink_anon_vmas(vma);
		vma_unlink_file(vma);
	}
	free_vma_tables(&g, list, floor, ceiling);
	tlb_gather_finish(&g);
}

void bury(struct vma_graveyard *dead)
{
	struct vm_area_struct *vma;

	while ((vma = dead->first)) {
		dead->first = vma->next;
		vma_free(vma);
	}
}

static void to_graveyard(struct vma_graveyard *dead, struct vm_area_struct *list)
{
	struct vm_area_struct *last = list;

	while (last->next)
		last = last->next;
	last->next = dead->first;
	dead->first = list;
}

int munmap_locked(struct mm_struct *mm, vaddr_t addr, size_t len, struct vma_graveyard *dead)
{
	struct vm_area_struct *first, *prev, *next;
	vaddr_t end;
	int err;

	debug_assert(rwsem_is_write_held(&mm->mmap_lock));
	if (!IS_ALIGNED(addr, PAGE_SIZE) || addr > TASK_SIZE || len > TASK_SIZE - addr || !len)
		return -EINVAL;
	end = addr + PAGE_ALIGN(len);
	first = find_vma_intersection(mm, addr, end);
	if (!first)
		return 0;
	err = cut_edges(mm, addr, end, &first);
	if (err)
		return err;
	prev = first->prev;
	first = detach(mm, first, end);
	next = prev ? prev->next : vma_first(mm);
	tear_down(mm, first, prev ? prev->end : 0, next ? next->start : TASK_SIZE);
	to_graveyard(dead, first);
	return 0;
}

long do_munmap(struct mm_struct *mm, vaddr_t addr, size_t len)
{
	struct vma_graveyard dead = {NULL};
	long err;

	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = munmap_locked(mm, addr, len, &dead);
	up_write(&mm->mmap_lock);
	bury(&dead);
	return err;
}

/* No user is left, so no fault and no lookup but through the reverse map: the tree need not be
 * taken apart node by node. */
void exit_mmap(struct mm_struct *mm)
{
	struct vm_area_struct *first, *vma;
	struct vma_graveyard dead;

	down_write(&mm->mmap_lock);
	first = vma_first(mm);
	for (vma = first; vma; vma = vma->next)
		vma->detached = true;
	spin_lock(&mm->tree_lock);
	mm->vma_tree = RB_ROOT;
	mm->mmap_cache = NULL;
	spin_unlock(&mm->tree_lock);
	if (first)
		tear_down(mm, first, 0, TASK_SIZE);
	mm->map_count = 0;
	mm->total_vm = mm->locked_vm = mm->data_vm = mm->exec_vm = mm->stack_vm = 0;
	commit_uncharge(mm, atomic_long_read(&mm->committed));
	up_write(&mm->mmap_lock);
	dead.first = first;
	bury(&dead);
}
