/* SPDX-License-Identifier: MIT */
/*
 * The whole-structure checker of page tables: run after every in-kernel test, and by whoever hunts
 * a broken space. It walks all tables of one space, and panics at the first entry that should not
 * be:
 *
 *   - a table that is not marked as one, is shared, or serves no vma;
 *   - an entry outside of all vmas, without the user bit, or with a right that its vma denies;
 *   - a private writable entry whose page is not anonymous and exclusive;
 *   - a page that is free, or not counted as mapped, or an anonymous page that names no anon_vma of
 *     its vma's;
 *   - a swap entry whose slot is free, or that is exclusive and shared;
 *   - counts of a table, RSS of the space, or bytes of tables that do not add up.
 */
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/swap.h>
#include <mm/vma.h>

struct check {
	struct mm_struct *mm;
	struct vm_area_struct *vma; /* contains the address, or the first above it */
	long sum[NR_MM_COUNTERS];
	long tables;
};

#define BROKEN(c, addr, e, what)                                                 \
	panic("pgtable_check: mm %p address %lx entry %lx: %s", (void *)(c)->mm, \
	      (unsigned long)(addr), (unsigned long)(e), what)

static bool vma_linked_to(const struct vm_area_struct *vma, const struct anon_vma *av)
{
	const struct anon_vma_chain *avc;

	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma)
		if (avc->anon_vma == av)
			return true;
	return false;
}

static void check_page(struct check *c, vaddr_t addr, pte_t e, struct page *page)
{
	const struct vm_area_struct *vma = c->vma;

	if (!pfn_valid(pte_pfn(e)))
		BROKEN(c, addr, pte_val(e), "no such page");
	if (page->flags & (1u << PG_buddy | 1u << PG_slab | 1u << PG_table | 1u << PG_reserved))
		BROKEN(c, addr, pte_val(e), "the page is not a user's");
	if (page_mapcount(page) < 1 || page_count(page) < page_mapcount(page))
		BROKEN(c, addr, pte_val(e), "mapcount below 1, or references below mapcount");
	if (!PageAnon(page))
		return;
	if (!vma_linked_to(vma, page_anon_vma(page)))
		BROKEN(c, addr, pte_val(e), "the anonymous page names no anon_vma of its vma");
	if (page_address_in_vma(page, vma) != addr)
		BROKEN(c, addr, pte_val(e), "the anonymous page has another index");
	if (PageAnonExclusive(page) && page_mapcount(page) != 1)
		BROKEN(c, addr, pte_val(e), "an exclusive page is mapped twice");
}

static void check_rights(struct check *c, vaddr_t addr, pte_t e, const struct page *page)
{
	unsigned long vm = c->vma->flags;

	if (!pte_user(e))
		BROKEN(c, addr, pte_val(e), "no user bit");
	if (!pte_protnone(e) && !(vm & VM_ACCESS))
		BROKEN(c, addr, pte_val(e), "accessible in an inaccessible vma");
	if (pte_exec(e) && !pte_protnone(e) && !(vm & VM_EXEC) && pte_supported_mask & _PAGE_NX)
		BROKEN(c, addr, pte_val(e), "executable, which the vma is not");
	if (!pte_write(e))
		return;
	if (!(vm & VM_WRITE))
		BROKEN(c, addr, pte_val(e), "writable, which the vma is not");
	if (!page)
		BROKEN(c, addr, pte_val(e), "the zero page is writable");
	if (!(vm & VM_SHARED) && !(PageAnon(page) && PageAnonExclusive(page)))
		BROKEN(c, addr, pte_val(e), "a private page is writable but not exclusive");
}

static void check_absent(struct check *c, vaddr_t addr, pte_t e)
{
	unsigned int n;

	if (pte_is_migration(e)) {
		if (!PageLocked(pte_migration_page(e)))
			BROKEN(c, addr, pte_val(e), "waits for a page that nobody migrates");
		return;
	}
	n = swap_count(pte_to_swp(e));
	if (!pte_is_swap(e) || !n)
		BROKEN(c, addr, pte_val(e), "names no slot that is in use");
	if (!c->vma->anon_vma)
		BROKEN(c, addr, pte_val(e), "swapped from a vma that has no anon_vma");
	if (e.pte & _PTE_SWP_EXCLUSIVE && n != 1)
		BROKEN(c, addr, pte_val(e), "exclusive, but the slot is named elsewhere too");
}

/* The vma that contains addr, going on from the last one. */
static bool find_next_vma(struct check *c, vaddr_t addr)
{
	while (c->vma && c->vma->end <= addr)
		c->vma = c->vma->next;
	return c->vma && c->vma->start <= addr;
}

static void check_pte(struct check *c, vaddr_t addr, pte_t e, long *count)
{
	struct page *page;

	if (!find_next_vma(c, addr))
		BROKEN(c, addr, pte_val(e), "outside of all vmas");
	if (!pte_present(e)) {
		check_absent(c, addr, e);
		count[pte_counter(e)]++;
		return;
	}
	page = pte_page(e);
	check_rights(c, addr, e, page);
	if (page) {
		check_page(c, addr, e, page);
		count[page_counter(page)]++;
	} else if (pte_pfn(e) != page_to_pfn(zero_page)) {
		BROKEN(c, addr, pte_val(e), "special, but not the zero page");
	}
}

static void check_table_page(struct check *c, vaddr_t addr, pteval_t entry)
{
	const struct page *table = pfn_to_page((entry & PTE_PFN_MASK) >> PAGE_SHIFT);

	if (!PageTable(table) || page_count(table) != 1 || atomic_read(&table->sharers) != 1)
		BROKEN(c, addr, entry, "points to what is not a table of one sharer");
	c->tables++;
}

static void check_pte_table(struct check *c, const struct pt_walk *w)
{
	struct page *table = pmd_page(pmdp_get(w->pmd));
	long count[NR_MM_COUNTERS] = {0};
	spinlock_t *ptl;
	pte_t *pte = pte_offset_lock(w->pmd, w->addr, &ptl);

	for (vaddr_t addr = w->addr; addr < w->end; addr += PAGE_SIZE, pte++)
		if (!pte_none(ptep_get(pte)))
			check_pte(c, addr, ptep_get(pte), count);
	if (count[MM_FILE] != table->pt_file || count[MM_ANON] != table->pt_anon ||
	    count[MM_SHMEM] != table->pt_shmem || count[MM_SWAP] != table->pt_swap)
		BROKEN(c, w->addr, pmd_val(pmdp_get(w->pmd)), "the table's counts are wrong");
	spin_unlock(ptl);
	for (enum mm_counter i = 0; i < NR_MM_COUNTERS; i++)
		c->sum[i] += count[i];
}

/* Does any vma reach into the range? */
static void check_table_serves(struct check *c, vaddr_t start, vaddr_t size, pteval_t entry)
{
	if (!find_vma_intersection(c->mm, start, min(start + size, TASK_SIZE)))
		BROKEN(c, start, entry, "the table serves no vma");
	check_table_page(c, start, entry);
}

/* The upper levels, which the walker passes through silently. */
static void check_upper(struct check *c)
{
	for (vaddr_t g = 0; g < TASK_SIZE; g += PGDIR_SIZE) {
		pgd_t *pgd = c->mm->pgd + pgd_index(g);

		if (pgd_none(pgdp_get(pgd)))
			continue;
		check_table_serves(c, g, PGDIR_SIZE, pgd_val(*pgd));
		for (vaddr_t u = g; u < g + PGDIR_SIZE; u += PUD_SIZE) {
			pud_t pud = pudp_get(pud_offset(pgd, u));

			if (!pud_none(pud) && !pud_leaf(pud))
				check_table_serves(c, u, PUD_SIZE, pud_val(pud));
		}
	}
}

void pgtable_check(struct mm_struct *mm)
{
	struct check c = {.mm = mm, .vma = vma_first(mm)};
	struct pt_walk w;

	for_each_pt_range(&w, mm, 0, (vaddr_t)KERNEL_PGD_BOUNDARY << PGDIR_SHIFT)
	{
		assert(w.level == PT_PTE);
		check_table_serves(&c, w.addr, PMD_SIZE, pmd_val(pmdp_get(w.pmd)));
		check_pte_table(&c, &w);
	}
	check_upper(&c);
	for (enum mm_counter i = 0; i < NR_MM_COUNTERS; i++)
		if (c.sum[i] != atomic_long_read(mm_counter(mm, i)))
			panic("pgtable_check: mm %p counter %d is %ld, the tables hold %ld",
			      (void *)mm, (int)i, atomic_long_read(mm_counter(mm, i)), c.sum[i]);
	if (c.tables * (long)PAGE_SIZE != atomic_long_read(&mm->pgtables_bytes))
		panic("pgtable_check: mm %p has %ld bytes of tables, counted as %ld", (void *)mm,
		      c.tables * (long)PAGE_SIZE, atomic_long_read(&mm->pgtables_bytes));
}
