/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own reach into an address space, not necessarily the loaded one: exec fills a new
 * stack, /proc reads another process.
 *
 * The page that is wanted is looked up; if it is not there with the right that is asked for, the
 * fault is handled as if the access had happened, and the look-up repeated: between the two the
 * page may be gone again. The bytes then go through the direct map, with mmap_lock held for reading: a
 * fork in between would make the page shared, and what is written to it would then be the child's
 * alone, if the parent has got a copy meanwhile.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>

/* The page if it is there already, with the right to do so; referenced but for the zero page.
 * mmap_lock held. */
static struct page *present_page(struct mm_struct *mm, vaddr_t addr, bool write)
{
	struct page *page = NULL;
	spinlock_t *ptl;
	pte_t *pte, e;

	debug_assert(lock_check_held(&mm->mmap_lock));
	pte = addr < TASK_SIZE ? pte_find_lock(mm, addr, NULL, &ptl) : NULL;
	if (!pte)
		return NULL;
	e = ptep_get(pte);
	if (pte_present(e) && !pte_protnone(e) && (!write || pte_write(e))) {
		page = pte_page(e);
		if (page)
			get_page(page);
		else
			page = zero_page;
	}
	spin_unlock(ptl);
	return page;
}

static int fault_in(struct mm_struct *mm, vaddr_t addr, bool write)
{
	unsigned int flags = FAULT_FLAG_REMOTE | FAULT_FLAG_KILLABLE |
			     (write ? FAULT_FLAG_WRITE : 0);

	if (addr >= TASK_SIZE)
		return -EFAULT;
	return vm_fault_errno(handle_mm_fault(mm, addr, flags));
}

struct page *fault_in_page(struct mm_struct *mm, vaddr_t addr, bool write)
{
	for (;;) {
		struct page *page;
		int err;

		down_read(&mm->mmap_lock);
		page = present_page(mm, addr, write);
		up_read(&mm->mmap_lock);
		if (page)
			return page;
		err = fault_in(mm, addr, write);
		if (err)
			return ERR_PTR(err);
	}
}

void put_faulted_page(struct page *page)
{
	if (page != zero_page)
		put_page(page);
}

static void copy_part(struct page *page, vaddr_t addr, char *buf, size_t n, bool write)
{
	char *kaddr = (char *)page_address(page) + (addr & ~PAGE_MASK);

	if (write)
		memcpy(kaddr, buf, n);
	else
		memcpy(buf, kaddr, n);
}

size_t mm_access(struct mm_struct *mm, vaddr_t addr, void *buf, size_t n, bool write)
{
	size_t done = 0;

	while (done < n) {
		vaddr_t at = addr + done;
		size_t len = min(n - done, PAGE_SIZE - (at & ~PAGE_MASK));
		struct page *page;

		down_read(&mm->mmap_lock);
		page = present_page(mm, at, write);
		if (page)
			copy_part(page, at, (char *)buf + done, len, write);
		/* The pte need not be dirty, and then the page would be dropped for its copy in swap. */
		if (page && write)
			set_page_dirty(page);
		up_read(&mm->mmap_lock);
		if (page) {
			put_faulted_page(page);
			done += len;
		} else if (fault_in(mm, at, write)) {
			break;
		}
	}
	return done;
}
