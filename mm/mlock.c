/* SPDX-License-Identifier: MIT */
/*
 * mlock: pages that stay.
 *
 * A lock is a flag of the vma (VM_LOCKED), counted in mm->locked_vm against RLIMIT_MEMLOCK, and a
 * promise that its pages are there: the call faults them in before it returns, and a mapping that is
 * locked from the start, or grows while locked, is faulted in by whoever makes or grows it. With
 * VM_LOCKONFAULT pages stay from the time when they are first touched. mm->def_flags holds what
 * mlockall(MCL_FUTURE) wants for mappings to come.
 *
 * Locking: flags under mmap_lock for writing; faulting in without locks, so that another thread may
 * unmap meanwhile, and is told so by -ENOMEM.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/x86/uaccess.h>
#include <mm/vma.h>

static bool may_lock_at_all(const struct mm_struct *mm)
{
	return mm->may_lock || mm->rlim_memlock;
}

static int lock_piece(struct vm_area_struct **vmap, vaddr_t start, vaddr_t end, unsigned long lock)
{
	struct vm_area_struct *vma = *vmap;
	unsigned long old = vma->flags, flags = (old & ~VM_LOCKED_MASK) | lock;
	long pages = (end - start) >> PAGE_SHIFT;
	struct mm_struct *mm = vma->mm;

	if (flags == old || (old & VM_DONTEXPAND))
		return 0;
	if (!lock)
		mlock_vma_pages(vma, start, end, false);
	vma = vma_modify(vma, start, end, flags);
	if (IS_ERR(vma)) {
		if (!lock)
			mlock_vma_pages(*vmap, start, end, true);
		return PTR_ERR(vma);
	}
	*vmap = vma;
	if (!lock)
		mm->locked_vm -= pages;
	if (lock && !(old & VM_LOCKED)) {
		mm->locked_vm += pages;
		mlock_vma_pages(vma, start, end, true);
	}
	return 0;
}

/* All vmas of the range get the flags; -ENOMEM at the first hole. */
static int lock_range(struct mm_struct *mm, vaddr_t start, vaddr_t end, unsigned long lock)
{
	struct vm_area_struct *vma = vma_lookup(mm, start);

	while (start < end) {
		vaddr_t stop;
		int err;

		if (!vma || vma->start > start)
			return -ENOMEM;
		stop = min(vma->end, end);
		err = lock_piece(&vma, start, stop, lock);
		if (err)
			return err;
		start = stop;
		if (start >= vma->end)
			vma = vma->next;
	}
	return 0;
}

static unsigned long locked_pages(struct mm_struct *mm, vaddr_t start, vaddr_t end)
{
	struct vm_area_struct *vma = find_vma_intersection(mm, start, end);
	unsigned long pages = 0;

	for (; vma && vma->start < end; vma = vma->next)
		if (vma->flags & VM_LOCKED)
			pages += (min(end, vma->end) - max(start, vma->start)) >> PAGE_SHIFT;
	return pages;
}

static bool within_memlock(struct mm_struct *mm, vaddr_t start, size_t len)
{
	unsigned long pages = mm->locked_vm + (len >> PAGE_SHIFT);
	unsigned long limit = mm->rlim_memlock >> PAGE_SHIFT;

	return mm->may_lock || pages <= limit ||
	       pages - locked_pages(mm, start, start + len) <= limit;
}

long do_mlock(struct mm_struct *mm, vaddr_t start, size_t len, unsigned long lock_flags)
{
	unsigned long lock = VM_LOCKED | (lock_flags & MLOCK_ONFAULT ? VM_LOCKONFAULT : 0);
	long err;

	if (lock_flags & ~(unsigned long)MLOCK_ONFAULT)
		return -EINVAL;
	if (!may_lock_at_all(mm))
		return -EPERM;
	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	if (start + len < start)
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = within_memlock(mm, start, len) ? lock_range(mm, start, start + len, lock) : -ENOMEM;
	up_write(&mm->mmap_lock);
	if (err)
		return err;
	err = mm_populate(mm, start, len, false);
	/* POSIX's words: memory that is not there, or no memory to lock it in. */
	return err == -EFAULT ? -ENOMEM : err == -ENOMEM ? -EAGAIN : err;
}

long do_munlock(struct mm_struct *mm, vaddr_t start, size_t len)
{
	long err;

	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	if (start + len < start)
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = lock_range(mm, start, start + len, 0);
	up_write(&mm->mmap_lock);
	return err;
}

static void lock_all(struct mm_struct *mm, unsigned long lock)
{
	struct vm_area_struct *vma = vma_first(mm);

	while (vma) {
		(void)lock_piece(&vma, vma->start, vma->end,
				 lock); /* whole vmas: nothing can fail */
		vma = vma->next;
	}
}

static unsigned long mcl_to_vm(int flags)
{
	return VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
}

long do_mlockall(struct mm_struct *mm, int flags)
{
	long err = 0;

	if (!(flags & (MCL_CURRENT | MCL_FUTURE)) ||
	    (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)))
		return -EINVAL;
	if (!may_lock_at_all(mm))
		return -EPERM;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	if ((flags & MCL_CURRENT) && !mm->may_lock && mm->total_vm > mm->rlim_memlock >> PAGE_SHIFT)
		err = -ENOMEM;
	if (!err) {
		mm->def_flags &= ~VM_LOCKED_MASK;
		if (flags & MCL_FUTURE)
			mm->def_flags |= mcl_to_vm(flags);
		if (flags & MCL_CURRENT)
			lock_all(mm, mcl_to_vm(flags));
	}
	up_write(&mm->mmap_lock);
	if (!err && (flags & MCL_CURRENT))
		(void)mm_populate(mm, 0, TASK_SIZE, true);
	return err;
}

long do_munlockall(struct mm_struct *mm)
{
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	mm->def_flags &= ~VM_LOCKED_MASK;
	lock_all(mm, 0);
	up_write(&mm->mmap_lock);
	return 0;
}
