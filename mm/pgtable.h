/* SPDX-License-Identifier: MIT */
/*
 * The page tables of user address spaces: walking, allocating, filling, clearing, freeing.
 *
 * Locks: a table of ptes has its own lock, in its struct page (class LOCK_PT), which guards its
 * entries and its counts. Tables are attached under mm->pgd_lock, and detached only with mmap_lock
 * held for writing and after the vmas that they served have left rmap: who holds mmap_lock, a vma
 * lock, or the lock of an rmap tree over the address may walk down without another lock.
 */
#pragma once

#include <kernel/x86/uaccess.h>
#include <mm/mm.h>
#include <mm/page.h>
#include <mm/swapops.h>

struct mmu_gather;

/* --- counters ------------------------------------------------------------------------------ */
/* What a present (or swap) entry counts as, in its table and in its space. Entries for the shared
 * zero page count as nothing. */
enum mm_counter { MM_FILE, MM_ANON, MM_SHMEM, MM_SWAP, NR_MM_COUNTERS };

static inline atomic_long_t *mm_counter(struct mm_struct *mm, enum mm_counter c)
{
	switch (c) {
	case MM_FILE:
		return &mm->rss_file;
	case MM_ANON:
		return &mm->rss_anon;
	case MM_SHMEM:
		return &mm->rss_shmem;
	default:
		return &mm->swap_ents;
	}
}
static inline void mm_counter_add(struct mm_struct *mm, enum mm_counter c, long n)
{
	atomic_long_add(n, mm_counter(mm, c));
}
static inline long mm_counter_read(struct mm_struct *mm, enum mm_counter c)
{
	return max(atomic_long_read(mm_counter(mm, c)), 0L);
}
static inline unsigned long mm_rss(struct mm_struct *mm)
{
	return mm_counter_read(mm, MM_FILE) + mm_counter_read(mm, MM_ANON) +
	       mm_counter_read(mm, MM_SHMEM);
}
void mm_update_hiwater_rss(struct mm_struct *mm);

static inline enum mm_counter page_counter(const struct page *page)
{
	u32 flags = READ_ONCE(page->flags);

	if (flags & (1u << PG_anon))
		return MM_ANON;
	return flags & (1u << PG_swapbacked) ? MM_SHMEM : MM_FILE;
}

/* --- tables --------------------------------------------------------------------------------- */
/* The struct page of the table that a pmd points to: its lock and counts. */
static inline struct page *pmd_page(pmd_t pmd)
{
	return pfn_to_page(pmd_pfn(pmd));
}
static inline spinlock_t *table_lock(struct page *table)
{
	return (spinlock_t *)&table->pt_lock_word;
}
static inline spinlock_t *pte_lockptr(const pmd_t *pmd)
{
	return table_lock(pmd_page(pmdp_get(pmd)));
}
/* n entries more (or less) of kind c in this table. Its lock held. */
static inline void table_count_add(struct page *table, enum mm_counter c, int n)
{
	u16 *count = c == MM_FILE  ? &table->pt_file :
		     c == MM_ANON  ? &table->pt_anon :
		     c == MM_SHMEM ? &table->pt_shmem :
				     &table->pt_swap;

	assert_spin_held(table_lock(table));
	*count = (u16)(*count + n);
	debug_assert(*count <= PTRS_PER_TABLE);
}

/* The pmd that maps addr, or NULL if there is none (or a larger leaf). Its value may be none, a
 * table, or a leaf. */
static inline pmd_t *pmd_find(const struct mm_struct *mm, vaddr_t addr)
{
	pgd_t pgd = pgdp_get(mm->pgd + pgd_index(addr));
	pud_t pud;

	if (unlikely(!pgd_present(pgd)))
		return NULL;
	pud = pudp_get(pgd_table(pgd) + pud_index(addr));
	if (unlikely(!pud_present(pud) || pud_leaf(pud)))
		return NULL;
	return pud_table(pud) + pmd_index(addr);
}
/* The same, made if needed: NULL on shortage. Sleeps. */
pmd_t *pmd_alloc(struct mm_struct *mm, vaddr_t addr);
/* Gives a pmd that is none a table of ptes: 0 (also if another was faster) or -ENOMEM. Sleeps. */
int pte_table_alloc(struct mm_struct *mm, pmd_t *pmd, int nid) __must_check;

/* The locked pte of addr under a pmd that points to a table; *ptl is what to unlock. */
static inline pte_t *pte_offset_lock(pmd_t *pmd, vaddr_t addr, spinlock_t **ptl)
{
	*ptl = pte_lockptr(pmd);
	spin_lock(*ptl);
	return pte_offset(pmd, addr);
}
/* Finds and locks, or NULL: no table there. */
pte_t *pte_find_lock(const struct mm_struct *mm, vaddr_t addr, pmd_t **pmdp, spinlock_t **ptl);

/*
 * The walker. It goes through a range and stops at each table of ptes and at each leaf higher up;
 * holes are passed over. At a stop:
 *	addr, end	the part of the range that the table or leaf maps
 *	level		PT_PTE: *pmd points to a table; take its lock and loop over its ptes
 *			PT_PMD, PT_PUD: *pmd or *pud is a leaf
 */
enum pt_level { PT_PTE, PT_PMD, PT_PUD, PT_PGD };
struct pt_walk {
	const struct mm_struct *mm;
	vaddr_t addr, end, limit;
	enum pt_level level;
	pud_t *pud;
	pmd_t *pmd;
};
bool pt_walk_next(struct pt_walk *w); /* needs end < limit */
#define for_each_pt_range(w, space, from, to)                                          \
	for ((w)->mm = (space), (w)->end = (from), (w)->limit = (to), (w)->pud = NULL, \
	    (w)->pmd = NULL;                                                           \
	     (w)->end < (w)->limit && pt_walk_next(w);)

/* --- entries --------------------------------------------------------------------------------- */
extern const pteval_t protection_map[16];
/* The attributes of a pte of a mapping with these VM_* flags. Private ptes come without write
 * access, shared ones with it: whoever knows that a write needs no more work adds or removes it. */
static inline pteval_t vma_page_prot(unsigned long vm_flags)
{
	return protection_map[vm_flags & (VM_READ | VM_WRITE | VM_EXEC | VM_SHARED)] &
	       pte_supported_mask;
}
/* The same, minding that the first write to a page of a shared mapping must be seen where the file
 * is to be written back, and where someone asked which pages are written (clear_refs took
 * VM_SOFTDIRTY away). */
pteval_t vma_pte_prot(const struct vm_area_struct *vma);
bool vma_tracks_dirty(const struct vm_area_struct *vma);

/* A page of zeroes, mapped wherever anonymous memory is read before it is written. */
extern struct page *zero_page;
static inline pte_t zero_pte(unsigned long vm_flags)
{
	return pfn_pte(page_to_pfn(zero_page), vma_page_prot(vm_flags) | _PAGE_SPECIAL);
}
/* The counted page behind a present pte, or NULL (the zero page). */
static inline struct page *pte_page(pte_t e)
{
	return pte_special(e) ? NULL : pfn_to_page(pte_pfn(e));
}
/* As what a non-empty entry of a user's table counts; not for the zero page's. Table lock held. */
static inline enum mm_counter pte_counter(pte_t e)
{
	if (pte_present(e))
		return page_counter(pte_page(e));
	return pte_is_migration(e) ? page_counter(pte_migration_page(e)) : MM_SWAP;
}
static inline bool pte_same(pte_t a, pte_t b)
{
	return pte_val(a) == pte_val(b);
}
/* Writes what was none, and counts it. Table lock held. */
static inline void pte_install(struct mm_struct *mm, struct page *table, pte_t *ptep, pte_t pte,
			       enum mm_counter c)
{
	debug_assert(pte_none(ptep_get(ptep)));
	set_pte(ptep, pte);
	table_count_add(table, c, 1);
	mm_counter_add(mm, c, 1);
}

/* The offset of addr in its file (or its anonymous offset), in pages. */
static inline u64 vma_index(const struct vm_area_struct *vma, vaddr_t addr)
{
	return vma->pgoff + ((addr - vma->start) >> PAGE_SHIFT);
}

/* --- ranges ----------------------------------------------------------------------------------- */
/* Clears all entries of [start, end) of one vma into the gather. Lock: mmap_lock, or the vma lock,
 * or i_mmap. May reschedule. even_cows: private copies of file pages too. */
void zap_range(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, struct mmu_gather *g);
void zap_range_cows(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, struct mmu_gather *g,
		    bool even_cows);
/* The same with a gather of its own, flushed on return (madvise). */
void zap_vma_range(struct vm_area_struct *vma, vaddr_t start, vaddr_t end);
/* Frees the tables that served a list of detached vmas (through next, ascending). floor: the end of
 * the mapping before (0: none); ceiling: the start of the one after (0 or TASK_SIZE: none): tables
 * shared with these stay. The vmas were zapped into g and have left rmap. mmap_lock held for writing. */
void free_vma_tables(struct mmu_gather *g, const struct vm_area_struct *list, vaddr_t floor,
		     vaddr_t ceiling);

/* Gives the ptes of [start, end) the rights pgprot = vma_page_prot(new flags); vma->flags are the
 * new ones already. Flushes. Returns the number of ptes changed. mmap_lock held for writing. */
int change_protection(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, pteval_t pgprot);
/* Moves ptes (mremap): old_addr in vma to new_addr in new_vma, both in rmap. Returns bytes moved,
 * less than len only for lack of memory for tables. Flushes. mmap_lock and both vma locks held for
 * writing. */
size_t move_page_tables(struct vm_area_struct *vma, vaddr_t old_addr,
			struct vm_area_struct *new_vma, vaddr_t new_addr, size_t len);
/* fork: src's entries for its whole range into dst_vma (same range, another space). 0 or -ENOMEM.
 * Both mmap_locks held for writing. */
int copy_page_tables(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma);

/* The root: kernel half filled, user half empty; NULL on shortage. */
pgd_t *pgd_alloc(void);
void pgd_free(pgd_t *pgd);

/* Whole-structure checker: every entry, right, count and table. Panics on a broken one. No one else
 * uses the space meanwhile (or mmap_lock is held for writing). */
void pgtable_check(struct mm_struct *mm);
/* A detached table, emptied and flushed, goes back; so do the ones kept for the next use. */
void table_release(struct page *table);
void pgtable_drain(void);
void pgtable_init(void); /* at boot, by mm_init_caches() */
