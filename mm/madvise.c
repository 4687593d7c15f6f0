/* SPDX-License-Identifier: MIT */
/*
 * madvise, msync: what a program tells about, and wants done with, the pages of a range.
 *
 * The advices fall into three kinds, and each kind walks the vmas of the range in its own way:
 *	about the mapping	a flag of the vma changes (split and merge): mmap_lock for writing
 *	about the pages		pages are dropped or noted: mmap_lock for reading
 *	faulting in		MADV_POPULATE_*: no lock over the faults
 * A hole in the range is reported as -ENOMEM, but only after the rest has been done, as on Linux.
 *
 * Simplified against Linux: MADV_FREE drops at once what Linux may drop at any later moment (a
 * program cannot rely on the difference); there is no same-page merging and no huge page behind
 * MADV_MERGEABLE and MADV_HUGEPAGE: the flag is kept and shown.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/x86/uaccess.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/swap.h>
#include <mm/vma.h>

/* --- advice about the mapping ---- */

/* The flags that vma is to have. -EINVAL: not this vma. */
static int advised_flags(const struct vm_area_struct *vma, int advice, unsigned long *flags)
{
	unsigned long f = vma->flags;

	switch (advice) {
	case MADV_NORMAL:
		f &= ~(VM_RAND_READ | VM_SEQ_READ);
		break;
	case MADV_SEQUENTIAL:
		f = (f & ~VM_RAND_READ) | VM_SEQ_READ;
		break;
	case MADV_RANDOM:
		f = (f & ~VM_SEQ_READ) | VM_RAND_READ;
		break;
	case MADV_DONTFORK:
		f |= VM_DONTCOPY;
		break;
	case MADV_DOFORK:
		f &= ~VM_DONTCOPY;
		break;
	case MADV_WIPEONFORK:
		if (vma->file || (f & VM_SHARED))
			return -EINVAL;
		f |= VM_WIPEONFORK;
		break;
	case MADV_KEEPONFORK:
		f &= ~VM_WIPEONFORK;
		break;
	case MADV_DONTDUMP:
		f |= VM_DONTDUMP;
		break;
	case MADV_DODUMP:
		if (f & VM_DONTEXPAND)
			return -EINVAL;
		f &= ~VM_DONTDUMP;
		break;
	case MADV_HUGEPAGE:
		f = (f & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
		break;
	case MADV_NOHUGEPAGE:
		f = (f & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
		break;
	case MADV_MERGEABLE:
		if (!(f & (VM_SHARED | VM_MAYSHARE | VM_DONTEXPAND)))
			f |= VM_MERGEABLE;
		break;
	case MADV_UNMERGEABLE:
		f &= ~VM_MERGEABLE;
		break;
	}
	*flags = f;
	return 0;
}

static int advise_mapping(struct vm_area_struct **vma, vaddr_t start, vaddr_t end, int advice)
{
	unsigned long flags;
	struct vm_area_struct *v;
	int err = advised_flags(*vma, advice, &flags);

	if (err || flags == (*vma)->flags)
		return err;
	v = vma_modify(*vma, start, end, flags);
	if (IS_ERR(v))
		return -EAGAIN; /* as Linux says it here */
	*vma = v;
	return 0;
}

/* --- advice about the pages ---- */

static int advise_pages(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, int advice)
{
	switch (advice) {
	case MADV_FREE:
		if (vma->file)
			return -EINVAL;
		if (vma->flags & VM_LOCKED)
			return -EINVAL;
		zap_vma_range(vma, start, end);
		return 0;
	case MADV_DONTNEED:
		if (vma->flags & VM_LOCKED)
			return -EINVAL;
		zap_vma_range(vma, start, end);
		return 0;
	case MADV_DONTNEED_LOCKED:
		zap_vma_range(vma, start, end);
		return 0;
	case MADV_COLD:
	case MADV_PAGEOUT:
		if (vma->flags & VM_LOCKED)
			return -EINVAL;
		advise_cold(vma, start, end, advice == MADV_PAGEOUT);
		return 0;
	default: /* MADV_WILLNEED: what is cached is there, a hole has nothing to read */
		return 0;
	}
}

/* --- the walk ---- */

static bool changes_mapping(int advice)
{
	switch (advice) {
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return false;
	default:
		return true;
	}
}

static int advise_range(struct mm_struct *mm, vaddr_t start, vaddr_t end, int advice)
{
	struct vm_area_struct *vma = find_vma(mm, start);
	int hole = 0, err;

	while (start < end) {
		vaddr_t stop;

		if (!vma)
			return -ENOMEM;
		if (start < vma->start) {
			hole = -ENOMEM;
			start = vma->start;
			if (start >= end)
				break;
		}
		stop = min(vma->end, end);
		if (changes_mapping(advice))
			err = advise_mapping(&vma, start, stop, advice);
		else
			err = advise_pages(vma, start, stop, advice);
		if (err)
			return err;
		start = stop;
		if (start >= vma->end)
			vma = vma->next;
	}
	return hole;
}

/* --- MADV_REMOVE: a hole in the file ---- */

static int remove_piece(struct mm_struct *mm, vaddr_t *start, vaddr_t end, int *hole)
{
	struct vm_area_struct *vma;
	struct mappable *file;
	loff_t from, to;
	int err = 0;

	down_read(&mm->mmap_lock);
	vma = find_vma_intersection(mm, *start, end);
	if (!vma || *start < vma->start)
		*hole = -ENOMEM;
	if (!vma) {
		*start = end;
		goto out;
	}
	if ((vma->flags & VM_LOCKED) || !vma->file || !vma->file->mapping)
		err = -EINVAL;
	else if ((vma->flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE))
		err = -EACCES;
	if (err)
		goto out;
	from = (loff_t)(vma_index(vma, max(*start, vma->start)) << PAGE_SHIFT);
	*start = min(end, vma->end);
	to = (loff_t)(vma->pgoff << PAGE_SHIFT) + (loff_t)(*start - vma->start);
	file = vma->file;
	file->ops->get(file);
	up_read(&mm->mmap_lock);
	err = file->ops->punch(file, from, to);
	file->ops->put(file);
	return err;
out:
	up_read(&mm->mmap_lock);
	return err;
}

static int advise_remove(struct mm_struct *mm, vaddr_t start, vaddr_t end)
{
	int hole = 0, err = 0;

	while (start < end && !err)
		err = remove_piece(mm, &start, end, &hole);
	return err ? err : hole;
}

/* --- MADV_POPULATE_READ, MADV_POPULATE_WRITE ---- */

static int populate_fault(struct mm_struct *mm, vaddr_t addr, bool write)
{
	struct page *page = fault_in_page(mm, addr, write);

	if (!IS_ERR(page)) {
		put_faulted_page(page);
		return 0;
	}
	return PTR_ERR(page);
}

static int advise_populate(struct mm_struct *mm, vaddr_t start, vaddr_t end, bool write)
{
	unsigned long need = write ? VM_WRITE : VM_READ;
	int hole = 0;

	while (start < end) {
		struct vm_area_struct *vma;
		vaddr_t stop = end;
		int err = 0;

		down_read(&mm->mmap_lock);
		vma = find_vma_intersection(mm, start, end);
		if (!vma || start < vma->start)
			hole = -ENOMEM;
		if (vma) {
			start = max(start, vma->start);
			stop = min(end, vma->end);
			err = vma->flags & need ? 0 : -EINVAL;
		}
		up_read(&mm->mmap_lock);
		if (!vma)
			break;
		for (; !err && start < stop; start += PAGE_SIZE) {
			err = populate_fault(mm, start, write);
			cond_resched();
		}
		if (err)
			return err;
	}
	return hole;
}

static bool advice_known(int advice)
{
	return (advice >= MADV_NORMAL && advice <= MADV_DONTNEED) ||
	       (advice >= MADV_FREE && advice <= MADV_DONTNEED_LOCKED);
}

long do_madvise(struct mm_struct *mm, vaddr_t addr, size_t len_in, int advice)
{
	size_t len = PAGE_ALIGN(len_in);
	vaddr_t end = addr + len;
	int err;

	if (!advice_known(advice) || !IS_ALIGNED(addr, PAGE_SIZE))
		return -EINVAL;
	if ((len_in && !len) || end < addr)
		return -EINVAL;
	if (end == addr)
		return 0;
	switch (advice) {
	case MADV_REMOVE:
		return advise_remove(mm, addr, end);
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return advise_populate(mm, addr, end, advice == MADV_POPULATE_WRITE);
	}
	if (changes_mapping(advice)) {
		if (down_write_killable(&mm->mmap_lock))
			return -EINTR;
		err = advise_range(mm, addr, end, advice);
		up_write(&mm->mmap_lock);
	} else {
		down_read(&mm->mmap_lock);
		err = advise_range(mm, addr, end, advice);
		up_read(&mm->mmap_lock);
	}
	return err;
}

/* --- msync ---- */

/* Writes what of the file lies in [*start, end) of one vma; *start moves on. */
static int sync_piece(struct mm_struct *mm, vaddr_t *start, vaddr_t end, int flags, int *hole)
{
	struct vm_area_struct *vma;
	struct mappable *file = NULL;
	loff_t from = 0, to = 0;
	int err = 0;

	down_read(&mm->mmap_lock);
	vma = find_vma_intersection(mm, *start, end);
	if (!vma || *start < vma->start)
		*hole = -ENOMEM;
	if (!vma) {
		*start = end;
	} else if ((flags & MS_INVALIDATE) && (vma->flags & VM_LOCKED)) {
		err = -EBUSY;
	} else {
		vaddr_t at = max(*start, vma->start);

		*start = min(end, vma->end);
		from = (loff_t)(vma_index(vma, at) << PAGE_SHIFT);
		to = from + (loff_t)(*start - at);
		if ((flags & MS_SYNC) && (vma->flags & VM_SHARED) && vma->file->mapping) {
			file = vma->file;
			file->ops->get(file);
		}
	}
	up_read(&mm->mmap_lock);
	if (file) {
		err = filemap_fsync_range(file->mapping, from, to);
		file->ops->put(file);
	}
	return err;
}

long do_msync(struct mm_struct *mm, vaddr_t addr, size_t len, int flags)
{
	vaddr_t end = addr + PAGE_ALIGN(len);
	int hole = 0, err = 0;

	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || !IS_ALIGNED(addr, PAGE_SIZE) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (end < addr)
		return -ENOMEM;
	while (addr < end && !err)
		err = sync_piece(mm, &addr, end, flags, &hole);
	return err ? err : hole;
}
