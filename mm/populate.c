/* SPDX-License-Identifier: MIT */
/*
 * Faulting in ahead of use: MAP_POPULATE, and mappings that are locked.
 *
 * Pages are faulted as if the program had touched them, untouched anonymous ones of one table in one go,
 * without a lock in between; mmap_lock is held only to find the next vma, which may be another one by the
 * time its pages are faulted in.
 */
#include <kernel/lib/errno.h>
#include <mm/fault.h>
#include <mm/vma.h>

static long populate_pages(struct mm_struct *mm, vaddr_t start, vaddr_t end,
			   unsigned int fault_flags)
{
	for (vaddr_t addr = start; addr < end;) {
		int err = vm_fault_errno(fault_ahead(mm, &addr, end, fault_flags));

		if (err)
			return err;
		if (!(addr & (PMD_SIZE - 1))) { /* every 512 pages */
			cond_resched();
			if (sched_hooks.signal_pending &&
			    sched_hooks.signal_pending(current_thread(), true))
				return -EINTR;
		}
	}
	return 0;
}

/* A private writable page is made by a write, so that the first one of the program costs nothing;
 * a shared one is only read in, as a write would dirty it. */
static unsigned int populate_fault_flags(unsigned long vm_flags)
{
	bool write = (vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;

	return FAULT_FLAG_REMOTE | FAULT_FLAG_KILLABLE | (write ? FAULT_FLAG_WRITE : 0);
}

long mm_populate(struct mm_struct *mm, vaddr_t start, size_t len, bool ignore)
{
	vaddr_t addr = start, end = start + len, stop;
	unsigned long flags = 0;
	long err = 0;

	for (; addr < end; addr = stop) {
		struct vm_area_struct *vma;

		down_read(&mm->mmap_lock);
		vma = find_vma_intersection(mm, addr, end);
		if (vma) {
			addr = max(addr, vma->start);
			stop = min(end, vma->end);
			flags = vma->flags;
		}
		up_read(&mm->mmap_lock);
		if (!vma)
			break;
		if (flags & VM_LOCKONFAULT)
			continue;
		if (!(flags & VM_ACCESS)) {
			if (ignore)
				continue;
			return -EFAULT;
		}
		err = populate_pages(mm, addr, stop, populate_fault_flags(flags));
		if (err && !(ignore && err == -EFAULT))
			return err;
	}
	return ignore ? 0 : err;
}
