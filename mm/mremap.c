/* SPDX-License-Identifier: MIT */
/*
 * mremap: a mapping becomes shorter, longer, or goes elsewhere with its pages.
 *
 *	shrink		unmap the tail
 *	grow in place	if the vma ends where the range ends and what follows is free
 *	move		a second vma over the same pages of the same object; the page-table entries
 *			are carried over, no page is copied; then the old range is unmapped (or with
 *			MREMAP_DONTUNMAP stays, empty)
 *	duplicate	old_len 0 on a shared mapping: move without anything to carry
 *
 * An anonymous page is found through its anon_vma by its offset, so a vma that has pages keeps its
 * pgoff when it moves; one that has none yet takes the offset of its new address, so that it can
 * merge there.
 *
 * The new vma is in the tree, and in the reverse map, before the first entry moves (a reverse-map
 * walk must meet a page in the one place or the other). Both vma locks are held until all have
 * arrived: a fault in the new range would find nothing and map an empty page; one in the old range
 * could be in the way when a shortage sends the entries back, or name an anon_vma that is about to
 * go. A thread that touches the old range after that faults in a page that the unmapping throws
 * away: it raced with mremap.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/x86/uaccess.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/vma.h>

struct mremap_request {
	struct mm_struct *mm;
	vaddr_t old, new;
	size_t old_len, new_len; /* page aligned */
	int flags;
	struct vma_graveyard dead;
	bool populate; /* locked: fault in what was added */
	vaddr_t populate_from;
	size_t populate_len;
};

/* The vma at r->old if it may become new_len long; the pages added are charged (if it is accounted:
 * *charged). ERR_PTR otherwise. */
static struct vm_area_struct *resizable_vma(struct mremap_request *r, unsigned long *charged)
{
	struct vm_area_struct *vma = vma_lookup(r->mm, r->old);
	unsigned long grow = (r->new_len - r->old_len) >> PAGE_SHIFT;
	u64 pgoff;

	*charged = 0;
	if (!vma)
		return ERR_PTR(-EFAULT);
	if (!r->old_len && !(vma->flags & (VM_SHARED | VM_MAYSHARE)))
		return ERR_PTR(-EINVAL);
	if ((r->flags & MREMAP_DONTUNMAP) && (vma->flags & VM_DONTEXPAND))
		return ERR_PTR(-EINVAL);
	if (r->old_len > vma->end - r->old)
		return ERR_PTR(-EFAULT);
	if (r->new_len == r->old_len)
		return vma;
	pgoff = vma->pgoff + ((r->old - vma->start) >> PAGE_SHIFT);
	if (pgoff + (r->new_len >> PAGE_SHIFT) < pgoff)
		return ERR_PTR(-EINVAL);
	if (vma->flags & VM_DONTEXPAND)
		return ERR_PTR(-EFAULT);
	if (vm_may_lock(r->mm, vma->flags, r->new_len - r->old_len))
		return ERR_PTR(-EAGAIN);
	if (!vm_may_expand(r->mm, vma->flags, grow))
		return ERR_PTR(-ENOMEM);
	if (vma->flags & VM_ACCOUNT) {
		if (commit_charge(r->mm, grow))
			return ERR_PTR(-ENOMEM);
		*charged = grow;
	}
	return vma;
}

static void note_growth(struct mremap_request *r, unsigned long vm_flags, vaddr_t at, long pages)
{
	vm_account(r->mm, vm_flags, pages);
	if (!(vm_flags & VM_LOCKED))
		return;
	r->mm->locked_vm += pages;
	if (r->new_len > r->old_len) {
		r->populate = true;
		r->populate_from = at + r->old_len;
		r->populate_len = r->new_len - r->old_len;
	}
}

/* --- in place ---- */

static bool can_grow_in_place(struct mremap_request *r, struct vm_area_struct *vma)
{
	vaddr_t end = r->old + r->new_len;

	return r->old + r->old_len == vma->end && end > r->old && end <= TASK_SIZE &&
	       (!vma->next || end <= vma->next->start);
}

static void grow_in_place(struct mremap_request *r, struct vm_area_struct *vma)
{
	unsigned long flags = vma->flags;

	vma_extend_up(vma, r->old + r->new_len);
	note_growth(r, flags, r->old, (r->new_len - r->old_len) >> PAGE_SHIFT);
}

/* --- moving ---- */

/* The second vma, in the reverse map but not yet in the tree. */
static struct vm_area_struct *make_target(struct mremap_request *r, struct vm_area_struct *vma)
{
	struct vm_area_struct *target = vma_dup(vma, r->mm);

	if (!target)
		return NULL;
	target->start = r->new;
	target->end = r->new + r->new_len;
	target->pgoff = vma->pgoff + ((r->old - vma->start) >> PAGE_SHIFT);
	if (!vma->file && !vma->anon_vma)
		target->pgoff = r->new >> PAGE_SHIFT;
	target->anon_vma = vma->anon_vma;
	if (anon_vma_clone(target, vma)) {
		vma_free(target);
		return NULL;
	}
	vma_link_file(target);
	return target;
}

/* Will the old vma stay, with nothing left that needs its anon_vma? */
static bool leaves_empty(const struct mremap_request *r, const struct vm_area_struct *vma)
{
	return (r->flags & MREMAP_DONTUNMAP) && vma->start == r->old &&
	       vma->end == r->old + r->old_len;
}

/* Carries the entries over. False if a table could not be allocated: all are back at home, and the
 * target is empty but still there. */
static bool carry_over(struct mremap_request *r, struct vm_area_struct *vma,
		       struct vm_area_struct *target)
{
	size_t moved;
	bool all;

	down_write(&vma->lock);
	down_write(&target->lock);
	vma_insert(target, find_vma(r->mm, r->new));
	moved = move_page_tables(vma, r->old, target, r->new, r->old_len);
	all = moved == r->old_len;
	if (!all) /* the tables there still exist: this cannot fail */
		move_page_tables(target, r->new, vma, r->old, moved);
	else if (leaves_empty(r, vma))
		unlink_anon_vmas(vma);
	up_write(&target->lock);
	up_write(&vma->lock);
	return all;
}

static void drop_target(struct mremap_request *r, struct vm_area_struct *target)
{
	unsigned long charged = target->flags & VM_ACCOUNT ? vma_pages(target) : 0;

	/* munmap_locked takes it out of the books, where it never was. */
	vm_account(r->mm, target->flags, vma_pages(target));
	if (target->flags & VM_LOCKED)
		r->mm->locked_vm += vma_pages(target);
	if (charged)
		commit_charge_always(r->mm, charged);
	(void)munmap_locked(r->mm, r->new, r->new_len, &r->dead);
}

/* What new_len is longer is in Committed_AS already, if it counts there. */
static long move_vma(struct mremap_request *r, struct vm_area_struct *vma)
{
	unsigned long flags = vma->flags, pages = r->new_len >> PAGE_SHIFT;
	bool keep = r->flags & MREMAP_DONTUNMAP, cut = keep && (flags & VM_LOCKED);
	/* As on Linux what stays does not merge with what went. */
	bool merge = !keep || (vma->end != r->new && vma->start != r->new + r->new_len);
	struct vm_area_struct *target;

	/* Cuts of the old one and the new one: three more at most. */
	if (r->mm->map_count >= sysctl_max_map_count - 3)
		return -ENOMEM;
	if (keep && (flags & VM_ACCOUNT) && commit_charge(r->mm, pages))
		return -ENOMEM;
	if (cut) {
		vma = vma_isolate(vma, r->old, r->old + r->old_len);
		if (IS_ERR(vma))
			goto nomem;
	}
	target = make_target(r, vma);
	if (!target)
		goto rejoin;
	if (!carry_over(r, vma, target)) {
		drop_target(r, target);
		goto rejoin;
	}
	note_growth(r, flags, r->new, pages);
	if (cut) {
		/* What stays is not locked any more. */
		vma_set_flags(vma, flags & ~VM_LOCKED_MASK);
		r->mm->locked_vm -= vma_pages(vma);
	} else if (!keep && r->old_len) {
		/* Both ranges count until the old one goes. If it cannot be cut out for lack of memory,
		 * it stays, empty and counted. */
		if (flags & VM_ACCOUNT)
			commit_charge_always(r->mm, r->old_len >> PAGE_SHIFT);
		(void)munmap_locked(r->mm, r->old, r->old_len, &r->dead);
	}
	if (merge)
		vma_merge(target);
	return r->new;
rejoin:
	if (cut)
		vma_merge(vma);
nomem:
	if (keep && (flags & VM_ACCOUNT))
		commit_uncharge(r->mm, pages);
	return -ENOMEM;
}

static bool ranges_overlap(const struct mremap_request *r)
{
	return r->old + r->old_len > r->new && r->new + r->new_len > r->old;
}

static long move_charged(struct mremap_request *r, struct vm_area_struct *vma,
			 unsigned long charged)
{
	long ret = move_vma(r, vma);

	if (ret < 0 && charged)
		commit_uncharge(r->mm, charged);
	return ret;
}

/* MREMAP_FIXED or MREMAP_DONTUNMAP. */
static long mremap_to(struct mremap_request *r)
{
	struct mm_struct *mm = r->mm;
	struct vm_area_struct *vma;
	unsigned long charged;
	long addr, err = 0;

	if (!IS_ALIGNED(r->new, PAGE_SIZE) || r->new_len > TASK_SIZE ||
	    r->new > TASK_SIZE - r->new_len || ranges_overlap(r))
		return -EINVAL;
	if (mm->map_count + 2 >= sysctl_max_map_count)
		return -ENOMEM;
	if (r->flags & MREMAP_FIXED)
		err = munmap_locked(mm, r->new, r->new_len, &r->dead);
	if (!err && r->old_len > r->new_len) {
		err = munmap_locked(mm, r->old + r->new_len, r->old_len - r->new_len, &r->dead);
		r->old_len = r->new_len;
	}
	if (err)
		return err;
	vma = resizable_vma(r, &charged);
	if (IS_ERR(vma))
		return PTR_ERR(vma);
	addr = -ENOMEM;
	if (!(r->flags & MREMAP_DONTUNMAP) ||
	    vm_may_expand(mm, vma->flags, r->old_len >> PAGE_SHIFT))
		addr = get_unmapped_area(mm, r->new, r->new_len,
					 r->flags & MREMAP_FIXED ? MAP_FIXED : 0);
	if (addr < 0) {
		if (charged)
			commit_uncharge(mm, charged);
		return addr;
	}
	r->new = addr;
	return move_charged(r, vma, charged);
}

static long mremap_resize(struct mremap_request *r)
{
	struct vm_area_struct *vma;
	unsigned long charged;
	long addr;

	if (r->old_len >= r->new_len) {
		long err = 0;

		if (r->old_len > r->new_len)
			err = munmap_locked(r->mm, r->old + r->new_len, r->old_len - r->new_len,
					    &r->dead);
		return err ? err : (long)r->old;
	}
	vma = resizable_vma(r, &charged);
	if (IS_ERR(vma))
		return PTR_ERR(vma);
	if (can_grow_in_place(r, vma)) {
		grow_in_place(r, vma);
		return r->old;
	}
	addr = -ENOMEM;
	if (r->flags & MREMAP_MAYMOVE)
		addr = get_unmapped_area(r->mm, 0, r->new_len, 0);
	if (addr < 0) {
		if (charged)
			commit_uncharge(r->mm, charged);
		return addr;
	}
	r->new = addr;
	return move_charged(r, vma, charged);
}

static long mremap_locked(struct mremap_request *r)
{
	if (!vma_lookup(r->mm, r->old))
		return -EFAULT;
	if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		return mremap_to(r);
	return mremap_resize(r);
}

long do_mremap(struct mm_struct *mm, vaddr_t old, size_t old_len, size_t new_len, int flags,
	       vaddr_t new_addr)
{
	struct mremap_request r = {
		.mm = mm,
		.old = old,
		.new = new_addr,
		.flags = flags,
		.old_len = PAGE_ALIGN(old_len),
		.new_len = PAGE_ALIGN(new_len),
	};
	long ret;

	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && old_len != new_len)
		return -EINVAL;
	if (!IS_ALIGNED(old, PAGE_SIZE) || !r.new_len)
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	ret = mremap_locked(&r);
	up_write(&mm->mmap_lock);
	bury(&r.dead);
	if (ret >= 0 && r.populate)
		(void)mm_populate(mm, r.populate_from, r.populate_len, true);
	return ret;
}
