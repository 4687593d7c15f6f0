/* SPDX-License-Identifier: MIT */
/*
 * Reverse mapping: from a page to all ptes that map it.
 *
 * A file page knows its address_space, whose i_mmap holds the vmas of the file. An anonymous page
 * knows an anon_vma, whose tree holds the vmas that may map it: those of the process that first
 * wrote it, and of its descendants (picture in rmap.c).
 */
#pragma once

#include <kernel/lib/list.h>
#include <kernel/sync/mutex.h>
#include <mm/interval.h>
#include <mm/lru.h>
#include <mm/mm.h>
#include <mm/page.h>
#include <mm/vmstat.h>

struct address_space;

/* The vmas that may hold the anonymous pages of one vma and of its copies by fork. */
struct anon_vma {
	struct rwsem lock;         /* of the root only: the whole family's */
	struct anon_vma *root;     /* (c) */
	struct anon_vma *parent;   /* (r) of the vma that ours was copied from; the root: itself */
	atomic_t refcount;         /* the tree, if not empty; children's root pointers; walkers */
	unsigned int num_children; /* (r) anon_vmas whose parent this is; the root: itself too */
	unsigned int num_active_vmas; /* (r) vmas whose anon_vma this is */
	struct rb_root tree;          /* (r) interval tree of anon_vma_chain by page offset */
} __aligned(32);
/* (r) root->lock */

/* One link of the many-to-many relation between vmas and anon_vmas. */
struct anon_vma_chain {
	struct vm_area_struct *vma;
	struct anon_vma *anon_vma;
	struct list_head same_vma; /* (m + r) vma->anon_vma_chain */
	struct interval_node node; /* (r) anon_vma->tree */
};

static inline void anon_vma_lock_write(struct anon_vma *av)
{
	down_write(&av->root->lock);
}
static inline void anon_vma_unlock_write(struct anon_vma *av)
{
	up_write(&av->root->lock);
}
static inline void anon_vma_lock_read(struct anon_vma *av)
{
	down_read(&av->root->lock);
}
static inline void anon_vma_unlock_read(struct anon_vma *av)
{
	up_read(&av->root->lock);
}

/* --- vmas ----------------------------------------------------------------------------------- */
/* Gives vma an anon_vma if it has none: 0 or -ENOMEM. mmap_lock held (either way). Sleeps. */
int anon_vma_prepare(struct vm_area_struct *vma) __must_check;
/* Links dst to all anon_vmas of src (split, merge, move; dst->anon_vma is set by the caller). 0, or
 * -ENOMEM with dst linked to none and dst->anon_vma NULL. mmap_lock held for writing. */
int anon_vma_clone(struct vm_area_struct *dst, struct vm_area_struct *src) __must_check;
/* fork: the same, and an anon_vma of its own for what the child will write. */
int anon_vma_fork(struct vm_area_struct *child, struct vm_area_struct *parent) __must_check;
/* Takes vma out of all anon_vmas; sets vma->anon_vma NULL. mmap_lock held for writing. */
void unlink_anon_vmas(struct vm_area_struct *vma);

/* Is it one of its file's shared writable mappings, or can mprotect make it one? */
static inline bool vma_may_dirty_file(const struct vm_area_struct *vma)
{
	return (vma->flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE);
}

/* Puts vma into (out of) its file's i_mmap and the count of writable mappings; nothing if it has
 * no file. */
void vma_link_file(struct vm_area_struct *vma);
void vma_unlink_file(struct vm_area_struct *vma);

/* Around a change of start, end or pgoff: takes vma out of the interval trees, with their locks
 * held until the end. mmap_lock and the vma lock held for writing. */
void rmap_vma_change_begin(struct vm_area_struct *vma);
void rmap_vma_change_end(struct vm_area_struct *vma);

/* --- pages: all under the lock of the page table that gains or loses the pte ------------------ */
static inline void page_add_file_rmap(struct page *page)
{
	if (atomic_inc_return(&page->mapcount) == 1)
		mod_vmstat(NR_FILE_MAPPED, 1);
}
/* A new page, seen by nobody yet, becomes vma's: exclusive, mapped once. */
static inline void page_add_new_anon_rmap(struct page *page, struct vm_area_struct *vma,
					  vaddr_t addr)
{
	debug_assert(vma->anon_vma && !page_mapped(page));
	page->owner = object_to_owner(vma->anon_vma);
	page->index = (u32)(vma->pgoff + ((addr - vma->start) >> PAGE_SHIFT));
	atomic_set(&page->mapcount, 1);
	__atomic_fetch_or(&page->flags,
			  1u << PG_anon | 1u << PG_anon_exclusive | 1u << PG_swapbacked |
				  1u << PG_uptodate | 1u << PG_pending,
			  __ATOMIC_RELEASE);
	lru_add_pending(page);
	mod_vmstat(NR_ANON_MAPPED, 1);
}
/* One more space maps an anonymous page: nobody's alone any more. */
static inline void page_dup_anon_rmap(struct page *page)
{
	if (PageAnonExclusive(page))
		ClearPageAnonExclusive(page);
	atomic_inc(&page->mapcount);
}
/* Maps an anonymous page that was not mapped (swap-in) or is mapped elsewhere. */
void page_add_anon_rmap(struct page *page, struct vm_area_struct *vma, vaddr_t addr,
			bool exclusive);
static inline void page_remove_rmap(struct page *page)
{
	debug_assert(page_mapped(page));
	if (atomic_dec_and_test(&page->mapcount))
		mod_vmstat(PageAnon(page) ? NR_ANON_MAPPED : NR_FILE_MAPPED, -1);
}
/* The page is vma's alone from now on: future walks look only at vma's family. Page lock held. */
void page_move_anon_rmap(struct page *page, struct vm_area_struct *vma);

/* --- walking ---------------------------------------------------------------------------------- */
/* Called for each vma that may map the page, with the address at which it would. Locks held: page
 * lock, i_mmap or anon_vma for reading. Returns false to end the walk. */
typedef bool (*rmap_fn)(struct page *page, struct vm_area_struct *vma, vaddr_t addr, void *arg);
/* Page lock held. Sleeps. False if fn ended it. */
bool rmap_walk(struct page *page, rmap_fn fn, void *arg);
/* The same for an anonymous page that may not be mapped just now: av is its, with a reference. */
bool rmap_walk_anon(struct page *page, struct anon_vma *av, rmap_fn fn, void *arg);
/* Where vma maps (or would map) the page; -EFAULT as a number if outside. */
vaddr_t page_address_in_vma(const struct page *page, const struct vm_area_struct *vma);
/* The pte of addr if it maps this very page: locked, else NULL. */
pte_t *page_check_address(struct page *page, struct mm_struct *mm, vaddr_t addr, spinlock_t **ptl);
/* How many ptes map the page, by walking: mapcount must agree. Page lock held. */
int page_count_ptes(struct page *page);

/* The anon_vma of a mapped page with a reference, or NULL if it is no longer mapped. */
struct anon_vma *page_get_anon_vma(struct page *page);
void put_anon_vma(struct anon_vma *av);

/* --- for reclaim (rmap_unmap.c): page lock held; sleep ---------------------------------------- */
struct unmap_batch;
/* How many ptes have been used since the last call; clears that. *vm_flags: of all the vmas that map
 * the page, or'ed; if VM_LOCKED is among them, not all were asked. */
int page_referenced(struct page *page, unsigned long *vm_flags, struct unmap_batch *b);
/* Takes the page out of all spaces. An anonymous one is in the swap cache. The caller has a reference.
 * False: it is still mapped somewhere (locked in memory, too often shared for its slot). The page may
 * be in use until the batch is flushed. */
bool try_to_unmap(struct page *page, struct unmap_batch *b);

/* Unmaps nr pages of the file from index first on (nr 0: to the end), from all spaces; private
 * copies too, if even_cows. Sleeps; no page-table lock, no i_mmap lock held. */
void unmap_mapping_pages(struct address_space *mapping, u64 first, u64 nr, bool even_cows);

void rmap_init_caches(void); /* at boot, by mm_init_caches() */
