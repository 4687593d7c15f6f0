/* SPDX-License-Identifier: MIT */
/*
 * mprotect: other rights for a range.
 *
 * The range may cover several vmas and parts of them; each piece is handled on its own, from low to
 * high, and a hole or a refused piece ends the call with what was done before in force, as on Linux.
 * For one piece: is it allowed (VM_MAY*), does it make a private mapping writable that was not
 * (then its pages are promised now: Committed_AS, RLIMIT_DATA), then cut, change the flags, join
 * with neighbours, and at last rewrite the present entries with one flush.
 *
 * A fault on another CPU between the change of the flags and of the entries sees the new flags, and
 * what it maps is right; what it could still do by an old entry ends with the flush, before the call
 * returns.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/x86/uaccess.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/vma.h>

/* Becoming writable: the promise. *flags gets VM_ACCOUNT if pages were charged. */
static int charge_writable(struct vm_area_struct *vma, unsigned long *flags, unsigned long pages)
{
	unsigned long old = vma->flags;
	struct mm_struct *mm = vma->mm;

	if (!(*flags & VM_WRITE))
		return 0;
	if (!vm_may_expand(mm, *flags, pages) && vm_may_expand(mm, old, pages))
		return -ENOMEM; /* only RLIMIT_DATA tells the two apart */
	if (old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE))
		return 0;
	if (commit_charge(mm, pages))
		return -ENOMEM;
	*flags |= VM_ACCOUNT;
	return 0;
}

static int protect_piece(struct vm_area_struct **vmap, vaddr_t start, vaddr_t end,
			 unsigned long flags)
{
	struct vm_area_struct *vma = *vmap;
	unsigned long old = vma->flags;
	long pages = (end - start) >> PAGE_SHIFT;
	int err;

	if (flags == old)
		return 0;
	err = charge_writable(vma, &flags, pages);
	if (err)
		return err;
	vma = vma_modify(vma, start, end, flags);
	if (IS_ERR(vma)) {
		if ((flags ^ old) & VM_ACCOUNT)
			commit_uncharge((*vmap)->mm, pages);
		return PTR_ERR(vma);
	}
	*vmap = vma;
	vm_account(vma->mm, old, -pages);
	vm_account(vma->mm, flags, pages);
	change_protection(vma, start, end, vma_page_prot(flags));
	return 0;
}

static unsigned long flags_with_prot(unsigned long flags, int prot)
{
	return (flags & ~VM_ACCESS) | (prot & PROT_READ ? VM_READ : 0) |
	       (prot & PROT_WRITE ? VM_WRITE : 0) | (prot & PROT_EXEC ? VM_EXEC : 0);
}

/* Rights wanted that the mapping may never have: VM_MAYx is VM_x << 4. */
static bool exceeds_may(unsigned long flags)
{
	return flags & ~(flags >> 4) & VM_ACCESS;
}

/* PROT_GROWSDOWN: from the start of the growing mapping. */
static int range_start(struct vm_area_struct *vma, vaddr_t *start, vaddr_t end, int grows)
{
	if (!vma)
		return -ENOMEM;
	if (grows & PROT_GROWSDOWN) {
		if (vma->start >= end)
			return -ENOMEM;
		if (!(vma->flags & VM_GROWSDOWN))
			return -EINVAL;
		*start = vma->start;
		return 0;
	}
	if (vma->start > *start)
		return -ENOMEM;
	return grows & PROT_GROWSUP ? -EINVAL : 0; /* nothing grows upwards here */
}

/* Locked pages that become private ones by a write: from the first such piece to the last. */
struct to_populate {
	vaddr_t start, end;
};

static void note_populate(struct to_populate *p, struct vm_area_struct *vma, unsigned long old,
			  vaddr_t start, vaddr_t end)
{
	if ((old & (VM_LOCKED_MASK | VM_WRITE | VM_SHARED)) != VM_LOCKED ||
	    !(vma->flags & VM_WRITE))
		return;
	/* Now, so that the next piece can share it, and merge. */
	if (anon_vma_prepare(vma))
		return; /* without memory populating would not get far */
	if (!p->end)
		p->start = start;
	p->end = end;
}

static int protect_range(struct mm_struct *mm, vaddr_t start, vaddr_t end, int prot, int grows,
			 struct to_populate *populate)
{
	struct vm_area_struct *vma = find_vma(mm, start);
	int err = range_start(vma, &start, end, grows);

	while (!err) {
		unsigned long old = vma->flags, flags = flags_with_prot(old, prot);
		vaddr_t stop = min(vma->end, end);

		if (exceeds_may(flags))
			return -EACCES;
		err = protect_piece(&vma, start, stop, flags);
		if (err)
			return err;
		note_populate(populate, vma, old, start, stop);
		start = stop;
		if (start >= end)
			return 0;
		if (start >= vma->end)
			vma = vma->next;
		if (!vma || vma->start > start)
			return -ENOMEM;
	}
	return err;
}

long do_mprotect(struct mm_struct *mm, vaddr_t addr, size_t len, int prot)
{
	int grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	vaddr_t end = addr + PAGE_ALIGN(len);
	struct to_populate populate = {0};
	long err;

	prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || !IS_ALIGNED(addr, PAGE_SIZE))
		return -EINVAL;
	if (!len)
		return 0;
	if (end <= addr)
		return -ENOMEM;
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM))
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = protect_range(mm, addr, end, prot, grows, &populate);
	up_write(&mm->mmap_lock);
	if (populate.end)
		(void)mm_populate(mm, populate.start, populate.end - populate.start, true);
	return err;
}
