/* SPDX-License-Identifier: MIT */
/*
 * A fault under way: what fault.c, fault_file.c and fault_swap.c share. Private to them.
 */
#pragma once

#include <mm/fault.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/swapops.h>
#include <mm/vma.h>

/* What to do before the fault starts again. */
enum fault_again {
	AGAIN_NOW,
	AGAIN_PAGE_IN,   /* bring page `index` of `file` into the cache */
	AGAIN_SWAP_IN,   /* bring the page of entry `swap` into the swap cache */
	AGAIN_WAIT_PAGE, /* wait for the lock of `held` */
	AGAIN_MIGRATED,  /* the same, without holding it */
};

struct fault {
	struct mm_struct *mm;
	struct vm_area_struct *vma;
	vaddr_t addr; /* of the page */
	vaddr_t stop; /* FAULT_FLAG_AHEAD: what follows up to here is wanted, too */
	unsigned int flags;
	bool need_mmap;   /* start again with mmap_lock */
	bool mmap_locked; /* and so it is: neighbours may be looked at */
	bool major;
	u8 kind;  /* enum fault_kind: the case that it is */
	u8 first; /* what it was before it had to start again (NONE: it had not) */
	enum fault_again again;
	struct page *table; /* the page table that maps addr, and the entry in it */
	pte_t *pte;
	pte_t orig; /* *pte as read without lock */
	/* across a new start: */
	struct mappable *file; /* referenced */
	u64 index;
	swp_entry_t swap;
	struct page *held; /* referenced, so that what was waited for is not gone again */
};

/* One case of the picture in fault.c: never inlined, so that a breakpoint on its name finds it. */
#define fault_case __noinline vm_fault_t

static inline bool fault_is_write(const struct fault *f)
{
	return f->flags & FAULT_FLAG_WRITE;
}

static inline void drop_held(struct fault *f)
{
	if (f->held) {
		put_page(f->held);
		f->held = NULL;
	}
}

static inline void unlock_table(struct fault *f)
{
	spin_unlock(table_lock(f->table));
}

/* Locks the table, and looks whether the entry still is what the decision was based on. */
static inline bool lock_same_pte(struct fault *f)
{
	spin_lock(table_lock(f->table));
	if (likely(pte_same(ptep_get(f->pte), f->orig)))
		return true;
	unlock_table(f);
	return false;
}

static inline void count_kind(struct fault *f, enum mm_counter kind, int n)
{
	table_count_add(f->table, kind, n);
	mm_counter_add(f->mm, kind, n);
}

/* Another CPU's walker may set A or D at the same moment. */
static inline void ptep_set_flags(pte_t *pte, pteval_t bits)
{
	__atomic_fetch_or(&pte->pte, bits, __ATOMIC_SEQ_CST);
}

static inline pte_t mk_pte(struct page *page, pteval_t prot)
{
	return pfn_pte(page_to_pfn(page), prot);
}

/* Of a private page in a writable vma. */
static inline pte_t anon_pte(const struct fault *f, struct page *page)
{
	return mk_pte(page,
		      vma_page_prot(f->vma->flags) | _PAGE_RW | _PAGE_DIRTY | _PAGE_SOFT_DIRTY);
}

/* The page has got a pte in our vma: if that is locked, so is the page. */
static inline void lock_too(const struct fault *f, struct page *page)
{
	if (unlikely(f->vma->flags & VM_LOCKED))
		mlock_page(page);
}

/* Where nothing was, a page that only we know, which is consumed. Unlocks the locked table. */
static inline vm_fault_t install_anon(struct fault *f, struct page *page)
{
	page_add_new_anon_rmap(page, f->vma, f->addr);
	pte_install(f->mm, f->table, f->pte, anon_pte(f, page), MM_ANON);
	lock_too(f, page);
	unlock_table(f);
	return VM_FAULT_DONE;
}

/* The table's lock is held. The fault has dropped this CPU's read-only translation (SDM vol. 3,
 * 4.10.4.1). */
static inline void make_writable(pte_t *pte)
{
	ptep_set_flags(pte, _PAGE_RW | _PAGE_DIRTY | _PAGE_SOFT_DIRTY | _PAGE_ACCESSED);
}

/* fault_file.c: the page table has no entry yet; a first write to a page mapped for reading, which
 * comes with a reference. */
vm_fault_t fault_file(struct fault *f);
vm_fault_t fault_shared_mkwrite(struct fault *f, struct page *page);
/* fault_swap.c: the entry says where the page lies; and what is to be done then without locks. */
vm_fault_t fault_swap_in(struct fault *f);
vm_fault_t fault_swap_read(struct fault *f);
vm_fault_t fault_migrating(struct fault *f);
