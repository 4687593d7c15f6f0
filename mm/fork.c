/* SPDX-License-Identifier: MIT */
/*
 * fork: a copy of an address space.
 *
 * Idea: the child gets copies of the vmas and of the page tables, but not of the pages. Both sides
 * lose the right to write to private pages; whoever writes first gets a copy then (fault.c).
 *
 *	before                        after
 *	parent pte ──rw──> page       parent pte ──r──> page <──r── child pte
 *	                   exclusive                    mapcount 2, not exclusive
 *
 * Not copied at all:
 *   - entries of a vma without anonymous pages: what a file (or shared memory) holds is found again
 *     by a fault, 16 pages at a time, if the child touches it;
 *   - VM_DONTCOPY vmas, and the contents of VM_WIPEONFORK ones.
 *
 * The copy goes table by table under the locks of both tables, parent's outside; cost per page: one
 * mapcount, one reference, and for a writable page one atomic clearing of the right.
 *
 * TLB: while the parent's other threads may still write through what their CPUs remember, no fault
 * of theirs may copy such a page: the copy would miss the write. So each vma's lock is held for
 * writing until its flush is done. With one thread that is one flush for a vma with private pages.
 *
 * Unwinding: every step leaves the child a complete, if partial, space; on a failure it is put like
 * any other, and the parent has merely lost some write rights, which its next faults give back.
 *
 * Locking: both mmap_locks for writing, the parent's first.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/vma.h>

/* --- tables ---- */

struct copy_state {
	struct mm_struct *dst_mm;
	int copied[NR_MM_COUNTERS];
	bool private;   /* vma: not VM_SHARED */
	bool protected; /* the parent lost write rights: flush */
};

/* One more space names the slot, or waits for the page's new place; so the page is neither's alone. */
static int copy_absent(struct copy_state *s, pte_t *dst, pte_t *src)
{
	pte_t e = __pte(ptep_get(src).pte & ~(_PTE_SWP_EXCLUSIVE | _PTE_SWP_WRITE));
	int err = pte_is_migration(e) ? 0 : swap_duplicate(pte_to_swp(e));

	if (err)
		return err;
	set_pte(src, e);
	set_pte(dst, __pte(e.pte & ~_PTE_SWP_LOCKED)); /* as mlock(2) says */
	s->copied[pte_counter(e)]++;
	return 0;
}

/* One non-empty pte; both tables locked. */
static int copy_pte(struct copy_state *s, pte_t *dst, pte_t *src)
{
	pte_t e = ptep_get(src);
	struct page *page;

	if (unlikely(!pte_present(e)))
		return copy_absent(s, dst, src);
	page = pte_page(e);
	if (s->private && pte_write(e)) {
		ptep_set_wrprotect(src);
		e = pte_wrprotect(ptep_get(src));
		s->protected = true;
	}
	if (page) {
		enum mm_counter kind = page_counter(page);

		get_page(page);
		if (kind == MM_ANON)
			page_dup_anon_rmap(page);
		else
			page_add_file_rmap(page);
		s->copied[kind]++;
	}
	set_pte(dst, e);
	return 0;
}

static int copy_table(struct copy_state *s, pmd_t *dst_pmd, const struct pt_walk *w)
{
	struct page *to = pmd_page(pmdp_get(dst_pmd));
	spinlock_t *src_ptl;
	pte_t *src = pte_offset_lock(w->pmd, w->addr, &src_ptl);
	pte_t *dst = pte_offset(dst_pmd, w->addr);
	int err = 0;

	memset(s->copied, 0, sizeof(s->copied));
	spin_lock(table_lock(to)); /* the child's: nobody faults there yet, but rmap may come by */
	for (vaddr_t addr = w->addr; addr < w->end && !err; addr += PAGE_SIZE, src++, dst++)
		if (!pte_none(ptep_get(src)))
			err = copy_pte(s, dst, src);
	for (enum mm_counter c = 0; c < NR_MM_COUNTERS; c++) {
		if (!s->copied[c])
			continue;
		table_count_add(to, c, s->copied[c]);
		mm_counter_add(s->dst_mm, c, s->copied[c]);
	}
	spin_unlock(table_lock(to));
	spin_unlock(src_ptl);
	return err;
}

int copy_page_tables(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma)
{
	struct copy_state s = {.dst_mm = dst_vma->mm, .private = !(src_vma->flags & VM_SHARED)};
	struct pt_walk w;
	int err = 0;

	debug_assert(rwsem_is_write_held(&src_vma->lock));
	for_each_pt_range(&w, src_vma->mm, src_vma->start, src_vma->end)
	{
		pmd_t *pmd;

		if (WARN_ON_ONCE(w.level != PT_PTE))
			continue;
		pmd = pmd_alloc(s.dst_mm, w.addr);
		if (!pmd || pte_table_alloc(s.dst_mm, pmd, 0)) {
			err = -ENOMEM;
			break;
		}
		err = copy_table(&s, pmd, &w);
		if (err)
			break;
		cond_resched();
	}
	if (s.protected)
		tlb_flush_range(src_vma->mm, src_vma->start, src_vma->end);
	return err;
}

/* --- vmas ---- */

/* Pages whose contents no file has. */
static bool needs_copy(const struct vm_area_struct *vma)
{
	return vma->anon_vma && !(vma->flags & VM_WIPEONFORK);
}

static int copy_contents(struct vm_area_struct *copy, struct vm_area_struct *vma)
{
	int err;

	if (!needs_copy(vma))
		return 0;
	down_write(&vma->lock);
	err = copy_page_tables(copy, vma);
	up_write(&vma->lock);
	return err;
}

static int copy_vma(struct mm_struct *dst, struct vm_area_struct *vma)
{
	long pages = (long)vma_pages(vma);
	struct vm_area_struct *copy;
	int err;

	if (vma->flags & VM_ACCOUNT) {
		err = commit_charge(dst, pages);
		if (err)
			return err;
	}
	err = -ENOMEM;
	copy = vma_dup(vma, dst);
	if (!copy)
		goto uncharge;
	copy->flags &= ~VM_LOCKED_MASK; /* mlock(2): not inherited */
	if (needs_copy(vma)) {
		err = anon_vma_fork(copy, vma);
		if (err)
			goto put;
	}
	vma_link_file(copy);
	vma_insert(copy, NULL);
	vm_account(dst, copy->flags, pages);
	/* From here on the child's teardown undoes it all. */
	return copy_contents(copy, vma);
put:
	vma_free(copy);
uncharge:
	if (vma->flags & VM_ACCOUNT)
		commit_uncharge(dst, pages);
	return err;
}

static int copy_vmas(struct mm_struct *dst, struct mm_struct *src)
{
	struct vm_area_struct *vma;

	for_each_vma(src, vma) {
		int err;

		if (vma->flags & VM_DONTCOPY)
			continue;
		err = copy_vma(dst, vma);
		if (err)
			return err;
	}
	return 0;
}

/* --- the space ---- */

static void copy_layout(struct mm_struct *dst, const struct mm_struct *src)
{
	dst->start_code = src->start_code;
	dst->end_code = src->end_code;
	dst->start_data = src->start_data;
	dst->end_data = src->end_data;
	dst->start_brk = src->start_brk;
	dst->brk = src->brk;
	dst->start_stack = src->start_stack;
	dst->arg_start = src->arg_start;
	dst->arg_end = src->arg_end;
	dst->env_start = src->env_start;
	dst->env_end = src->env_end;
	dst->mmap_base = src->mmap_base;
	memcpy(dst->auxv, src->auxv, sizeof(dst->auxv));
	dst->rlim_as = src->rlim_as;
	dst->rlim_data = src->rlim_data;
	dst->rlim_stack = src->rlim_stack;
	dst->rlim_memlock = src->rlim_memlock;
	dst->may_lock = src->may_lock;
	dst->may_use_reserve = src->may_use_reserve;
	dst->membarrier = src->membarrier;
	dst->exe_file = src->exe_file;
	if (dst->exe_file)
		dst->exe_file->ops->get(dst->exe_file);
}

struct mm_struct *mm_fork(struct mm_struct *src)
{
	struct mm_struct *dst = mm_alloc();
	int err;

	if (!dst)
		return ERR_PTR(-ENOMEM);
	err = down_write_killable(&src->mmap_lock);
	if (err)
		goto fail;
	down_write(&dst->mmap_lock);
	copy_layout(dst, src);
	dst->trace_mark = src->trace_mark;
	err = copy_vmas(dst, src);
	dst->hiwater_rss = mm_rss(dst);
	dst->hiwater_vm = dst->total_vm;
	up_write(&dst->mmap_lock);
	up_write(&src->mmap_lock);
	if (!err)
		return dst;
fail:
	mm_put_user(dst);
	return ERR_PTR(err);
}
