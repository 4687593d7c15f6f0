/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own reach into an address space, not necessarily the loaded one: exec fills a new
 * stack, /proc reads another process.
 *
 * The page that is wanted is looked up; if it is not there with the right that is asked for, the
 * fault is handled as if the access had happened, and the look-up repeated: between the two the
 * page may be gone again. The bytes then go through the direct map, with no lock held.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <mm/fault.h>
#include <mm/pgtable.h>

/* The page if it is there already, with the right to do so; referenced but for the zero page. */
static struct page *present_page(struct mm_struct *mm, vaddr_t addr, bool write)
{
	struct page *page = NULL;
	spinlock_t *ptl;
	pte_t *pte, e;

	down_read(&mm->mmap_lock);
	pte = pte_find_lock(mm, addr, NULL, &ptl);
	if (!pte)
		goto out;
	e = ptep_get(pte);
	if (pte_present(e) && !pte_protnone(e) && (!write || pte_write(e))) {
		page = pte_page(e);
		if (page)
			get_page(page);
		else
			page = zero_page;
	}
	spin_unlock(ptl);
out:
	up_read(&mm->mmap_lock);
	return page;
}

struct page *fault_in_page(struct mm_struct *mm, vaddr_t addr, bool write)
{
	unsigned int flags = FAULT_FLAG_REMOTE | FAULT_FLAG_KILLABLE |
			     (write ? FAULT_FLAG_WRITE : 0);
	struct page *page;

	if (addr >= TASK_SIZE)
		return ERR_PTR(-EFAULT);
	while (!(page = present_page(mm, addr, write))) {
		switch (handle_mm_fault(mm, addr, flags)) {
		case VM_FAULT_DONE:
		case VM_FAULT_MAJOR:
			break;
		case VM_FAULT_OOM:
			return ERR_PTR(-ENOMEM);
		case VM_FAULT_SIGKILL:
			return ERR_PTR(-EINTR);
		default:
			return ERR_PTR(-EFAULT);
		}
	}
	return page;
}

void put_faulted_page(struct page *page)
{
	if (page != zero_page)
		put_page(page);
}

size_t mm_access(struct mm_struct *mm, vaddr_t addr, void *buf, size_t n, bool write)
{
	size_t done = 0;

	while (done < n) {
		size_t offset = (addr + done) & ~PAGE_MASK;
		size_t len = min(n - done, PAGE_SIZE - offset);
		struct page *page = fault_in_page(mm, addr + done, write);
		char *kaddr;

		if (IS_ERR(page))
			break;
		kaddr = (char *)page_address(page) + offset;
		if (write)
			memcpy(kaddr, (char *)buf + done, len);
		else
			memcpy((char *)buf + done, kaddr, len);
		put_faulted_page(page);
		done += len;
	}
	return done;
}
