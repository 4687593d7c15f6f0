/* SPDX-License-Identifier: MIT */
/*
 * Page tables of user spaces: the walker, tables made on demand and freed, the root.
 *
 * A space is a tree of tables, four levels deep, that the hardware walks from CR3:
 *
 *	mm->pgd ─┬─ 0..255 ──> pud table ──> pmd table ─┬─> pte table ──> pages
 *	         │                                      └─> a 2 MiB leaf
 *	         └─ 256..511: the kernel's, the same in every space
 *
 * Invariants:
 *  1. A table exists only where a vma reaches into the range that it maps.
 *  2. The struct page of a pte table counts its entries by kind (DESIGN.md 9.6); their sums over
 *     all tables are the space's RSS counters. Zero-page entries are not counted.
 *  3. A table page has sharers = 1: one upper entry points at it. (fork in constant time will make
 *     it more; everything that changes a table asserts it meanwhile.)
 *
 * Locking: tables are attached under mm->pgd_lock, after they were filled with zeroes; so a walk
 * down needs no lock, it sees "none" or a whole table. Tables are detached by free_pgtables() only,
 * whose caller holds mmap_lock for writing and has taken the vmas out of the tree and out of rmap:
 * then nobody can come by that part of the tree. The entries of a pte table change under its lock.
 *
 * Simplified: pmd leaves are yielded by the walker, but nothing makes them for users yet, so the
 * range operations in zap.c and fork.c only report them.
 */
#include <kernel/lib/string.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/tlb.h>
#include <mm/vmstat.h>

/* Rights by VM_READ | VM_WRITE | VM_EXEC | VM_SHARED. On x86 whatever is accessible is readable.
 * Accessed is set from the start: a page is mapped because it is being used. */
#define PROT_BASE     (_PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED)
#define PROT_R        (PROT_BASE | _PAGE_NX)
#define PROT_RX       PROT_BASE
#define PROT_RW       (PROT_BASE | _PAGE_NX | _PAGE_RW)
#define PROT_RWX      (PROT_BASE | _PAGE_RW)
#define PROT_NONE_PTE (_PAGE_PROTNONE | _PAGE_USER | _PAGE_ACCESSED | _PAGE_NX)

const pteval_t protection_map[16] = {
	[0] = PROT_NONE_PTE,
	[VM_READ] = PROT_R,
	[VM_WRITE] = PROT_R,
	[VM_WRITE | VM_READ] = PROT_R,
	[VM_EXEC] = PROT_RX,
	[VM_EXEC | VM_READ] = PROT_RX,
	[VM_EXEC | VM_WRITE] = PROT_RX,
	[VM_EXEC | VM_WRITE | VM_READ] = PROT_RX,
	[VM_SHARED] = PROT_NONE_PTE,
	[VM_SHARED | VM_READ] = PROT_R,
	[VM_SHARED | VM_WRITE] = PROT_RW,
	[VM_SHARED | VM_WRITE | VM_READ] = PROT_RW,
	[VM_SHARED | VM_EXEC] = PROT_RX,
	[VM_SHARED | VM_EXEC | VM_READ] = PROT_RX,
	[VM_SHARED | VM_EXEC | VM_WRITE] = PROT_RWX,
	[VM_SHARED | VM_EXEC | VM_WRITE | VM_READ] = PROT_RWX,
};

struct page *zero_page;

bool vma_tracks_dirty(const struct vm_area_struct *vma)
{
	if (!(vma->flags & VM_SHARED))
		return false;
	return !(vma->flags & VM_SOFTDIRTY) ||
	       (vma->file && vma->file->mapping->ops && vma->file->mapping->ops->writepage);
}

pteval_t vma_pte_prot(const struct vm_area_struct *vma)
{
	pteval_t prot = vma_page_prot(vma->flags);

	return vma_tracks_dirty(vma) ? prot & ~_PAGE_RW : prot;
}

void mm_update_hiwater_rss(struct mm_struct *mm)
{
	unsigned long rss = mm_rss(mm), high = READ_ONCE(mm->hiwater_rss);

	while (rss > high && !__atomic_compare_exchange_n(&mm->hiwater_rss, &high, rss, false,
							  __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* --- tables ---- */

/* Tables come back empty, as zap clears every entry: so some are kept for each CPU, and the next
 * one wanted need not be zeroed again (512 instructions). A small process has seven. */
#define TABLES_KEPT 16

struct table_stock {
	spinlock_t lock; /* of its CPU; others only to drain */
	unsigned int nr;
	struct page *table[TABLES_KEPT];
};
static DEFINE_PER_CPU(struct table_stock, table_stock) = {.lock = SPINLOCK_INIT(LOCK_LEAF)};

static struct page *stock_take(void)
{
	struct table_stock *s = this_cpu_ptr(&table_stock);
	struct page *table;

	spin_lock(&s->lock);
	table = s->nr ? s->table[--s->nr] : NULL;
	spin_unlock(&s->lock);
	return table;
}

static bool stock_put(struct page *table)
{
	struct table_stock *s = this_cpu_ptr(&table_stock);
	bool kept;

	spin_lock(&s->lock);
	kept = s->nr < TABLES_KEPT;
	if (kept)
		s->table[s->nr++] = table;
	spin_unlock(&s->lock);
	return kept;
}

void pgtable_drain(void)
{
	for_each_cpu(cpu) {
		struct table_stock *s = per_cpu_ptr(&table_stock, cpu), full;

		spin_lock(&s->lock);
		full = *s;
		s->nr = 0;
		spin_unlock(&s->lock);
		for (unsigned int i = 0; i < full.nr; i++)
			free_page_struct(full.table[i]);
	}
}

void table_release(struct page *table)
{
#ifdef CONFIG_DEBUG
	const pteval_t *e = page_address(table);

	for (unsigned int i = 0; i < PTRS_PER_TABLE; i++)
		assert(!e[i]);
#endif
	if (!stock_put(table))
		free_page_struct(table);
}

/* All zeroes. NULL: no memory. */
static inline struct page *table_page(int nid)
{
	struct page *table = stock_take();

	return likely(table) ? table : alloc_pages_node(nid, GFP_KERNEL | __GFP_ZERO, 0);
}

static struct page *table_alloc(struct mm_struct *mm, int nid)
{
	struct page *table = table_page(nid);

	if (!table)
		return NULL;
	SetPageTable(table);
	atomic_set(&table->sharers, 1);
	spin_lock_init(table_lock(table), LOCK_PT);
	table->pt_anon = table->pt_file = table->pt_shmem = table->pt_swap = 0;
	mod_vmstat(NR_PAGETABLE, 1);
	atomic_long_add(PAGE_SIZE, &mm->pgtables_bytes);
	return table;
}

/* Detached: what it was counted as. It stays marked as a table until it is released. */
static void table_uncount(struct mm_struct *mm, struct page *table)
{
	assert(PageTable(table) && atomic_read(&table->sharers) == 1);
	assert(!(table->pt_anon | table->pt_file | table->pt_shmem | table->pt_swap));
	mod_vmstat(NR_PAGETABLE, -1);
	atomic_long_sub(PAGE_SIZE, &mm->pgtables_bytes);
}

/* Makes a none entry (of any upper level: all are one word) point to a new table, unless somebody
 * else does so first. False: no memory. */
static bool table_attach(struct mm_struct *mm, pteval_t *entry, int nid)
{
	struct page *table = table_alloc(mm, nid);
	bool lost;

	if (!table)
		return false;
	spin_lock(&mm->pgd_lock);
	lost = READ_ONCE(*entry) != 0;
	if (!lost)
		__atomic_store_n(entry, page_to_phys(table) | _PAGE_TABLE, __ATOMIC_RELEASE);
	spin_unlock(&mm->pgd_lock);
	if (lost) {
		table_uncount(mm, table);
		table_release(table);
	}
	return true;
}

pmd_t *pmd_alloc(struct mm_struct *mm, vaddr_t addr)
{
	pgd_t *pgd = mm->pgd + pgd_index(addr);
	pud_t *pud;

	if (unlikely(pgd_none(pgdp_get(pgd))) && !table_attach(mm, &pgd->pgd, 0))
		return NULL;
	pud = pud_offset(pgd, addr);
	if (unlikely(pud_none(pudp_get(pud))) && !table_attach(mm, &pud->pud, 0))
		return NULL;
	debug_assert(!pud_leaf(pudp_get(pud)));
	return pmd_offset(pud, addr);
}

int pte_table_alloc(struct mm_struct *mm, pmd_t *pmd, int nid)
{
	if (likely(!pmd_none(pmdp_get(pmd))))
		return 0;
	return table_attach(mm, &pmd->pmd, nid) ? 0 : -ENOMEM;
}

/* --- walking ---- */

pte_t *pte_find_lock(const struct mm_struct *mm, vaddr_t addr, pmd_t **pmdp, spinlock_t **ptl)
{
	pmd_t *pmd = pmd_find(mm, addr);

	if (!pmd || !pmd_present(pmdp_get(pmd)) || pmd_leaf(pmdp_get(pmd)))
		return NULL;
	if (pmdp)
		*pmdp = pmd;
	return pte_offset_lock(pmd, addr, ptl);
}

static bool walk_stop(struct pt_walk *w, vaddr_t addr, vaddr_t end, enum pt_level level)
{
	w->addr = addr;
	w->end = end;
	w->level = level;
	return true;
}

bool pt_walk_next(struct pt_walk *w)
{
	vaddr_t addr = w->end, end = w->limit, stop;

	while (addr < end) {
		pgd_t pgd = pgdp_get(w->mm->pgd + pgd_index(addr));
		pud_t pud;
		pmd_t *pmd;

		if (unlikely(!pgd_present(pgd))) {
			addr = pgd_addr_end(addr, end);
			continue;
		}
		w->pud = pgd_table(pgd) + pud_index(addr);
		pud = pudp_get(w->pud);
		if (unlikely(pud_none(pud))) {
			addr = pud_addr_end(addr, end);
			continue;
		}
		if (unlikely(pud_leaf(pud)))
			return walk_stop(w, addr, pud_addr_end(addr, end), PT_PUD);
		pmd = pud_table(pud) + pmd_index(addr);
		if (likely(!pmd_none(pmdp_get(pmd)))) {
			w->pmd = pmd;
			return walk_stop(w, addr, pmd_addr_end(addr, end),
					 pmd_leaf(pmdp_get(pmd)) ? PT_PMD : PT_PTE);
		}
		addr = ALIGN_DOWN(addr, PMD_SIZE);
		stop = pud_addr_end(addr, end);
		do {
			addr += PMD_SIZE;
			pmd++;
		} while (addr < stop && pmd_none(pmdp_get(pmd)));
	}
	return false;
}

/* --- freeing ---- */

struct free_range {
	struct mmu_gather *g;
	vaddr_t floor, ceiling;
};

/* May the table go that maps size bytes around addr? Only if all of them are between the two
 * neighbouring mappings. */
static bool table_unused(const struct free_range *r, vaddr_t addr, vaddr_t size)
{
	vaddr_t start = addr & ~(size - 1);

	return start >= r->floor && start + size <= r->ceiling;
}

static void detach_table(const struct free_range *r, pteval_t *entry)
{
	struct page *table = pfn_to_page(phys_to_pfn(*entry & PTE_PFN_MASK));

	__atomic_store_n(entry, 0, __ATOMIC_RELEASE);
	table_uncount(r->g->mm, table);
	tlb_remove_table(r->g, table);
}

/* pmd: of addr, or NULL. */
static void free_pmds(const struct free_range *r, pmd_t *pmd, vaddr_t addr, vaddr_t end)
{
	for (; pmd && addr < end; addr = ALIGN_DOWN(addr, PMD_SIZE) + PMD_SIZE, pmd++) {
		if (pmd_none(pmdp_get(pmd)) || !table_unused(r, addr, PMD_SIZE))
			continue;
		assert(!pmd_leaf(pmdp_get(pmd)));
		detach_table(r, &pmd->pmd);
	}
}

static void free_puds(const struct free_range *r, pgd_t *pgd, vaddr_t addr, vaddr_t end)
{
	for (; addr < end; addr = pud_addr_end(addr, end)) {
		pud_t *pud = pud_offset(pgd, addr);

		if (pud_none(pudp_get(pud)))
			continue;
		assert(!pud_leaf(pudp_get(pud)));
		free_pmds(r, pmd_offset(pud, addr), addr, pud_addr_end(addr, end));
		if (table_unused(r, addr, PUD_SIZE))
			detach_table(r, &pud->pud);
	}
}

/* Those of [start, end), where vmas were; none is left between floor and ceiling. */
static void free_pgtables(struct mmu_gather *g, vaddr_t start, vaddr_t end, vaddr_t floor,
			  vaddr_t ceiling)
{
	struct free_range r = {g, floor, ceiling};

	/* Nothing of a user lies in the last page of the lower half. */
	if (!ceiling || ceiling >= TASK_SIZE)
		r.ceiling = (vaddr_t)KERNEL_PGD_BOUNDARY << PGDIR_SHIFT;
	debug_assert(floor <= start && start < end && end <= r.ceiling);
	/* Most are short, and the table above stays; and many were never touched. */
	if ((start ^ (end - 1)) < PUD_SIZE && !table_unused(&r, start, PUD_SIZE)) {
		if (g->tables_met)
			free_pmds(&r, pmd_find(g->mm, start), start, end);
		return;
	}
	for (vaddr_t addr = start; addr < end; addr = pgd_addr_end(addr, end)) {
		pgd_t *pgd = g->mm->pgd + pgd_index(addr);

		if (pgd_none(pgdp_get(pgd)))
			continue;
		free_puds(&r, pgd, addr, pgd_addr_end(addr, end));
		if (table_unused(&r, addr, PGDIR_SIZE))
			detach_table(&r, &pgd->pgd);
	}
}

/* A table that several of them share stays until the last one, whose ceiling is beyond it. */
void free_vma_tables(struct mmu_gather *g, const struct vm_area_struct *list, vaddr_t floor,
		     vaddr_t ceiling)
{
	for (const struct vm_area_struct *first = list, *vma = list; vma; first = vma = vma->next) {
		/* Neighbours in one pass: nothing that stays is between them. */
		while (vma->next && vma->next->start - vma->end < PMD_SIZE)
			vma = vma->next;
		free_pgtables(g, first->start, vma->end, floor,
			      vma->next ? vma->next->start : ceiling);
	}
}

/* --- the root ---- */

/* The upper half is the same in all spaces and never changes after boot: of its entries a few are in
 * use (direct map, struct pages, vmalloc, image). */
static u16 kernel_entry[PTRS_PER_TABLE - KERNEL_PGD_BOUNDARY];
static unsigned int nr_kernel_entries;

pgd_t *pgd_alloc(void)
{
	struct page *page = table_page(0);
	pgd_t *pgd;

	if (!page)
		return NULL;
	SetPageTable(page);
	mod_vmstat(NR_PAGETABLE, 1);
	pgd = page_address(page);
	for (unsigned int i = 0; i < nr_kernel_entries; i++)
		pgd[kernel_entry[i]] = init_mm.pgd[kernel_entry[i]];
	return pgd;
}

void pgd_free(pgd_t *pgd)
{
	for (unsigned int i = 0; i < nr_kernel_entries; i++)
		pgd[kernel_entry[i]] = __pgd(0);
	mod_vmstat(NR_PAGETABLE, -1);
	table_release(virt_to_page(pgd));
}

void pgtable_init(void)
{
	zero_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!zero_page)
		panic("no memory for the zero page");
	SetPageReserved(zero_page);
	for (u16 i = KERNEL_PGD_BOUNDARY; i < PTRS_PER_TABLE; i++)
		if (pgd_present(init_mm.pgd[i]))
			kernel_entry[nr_kernel_entries++] = i;
	register_drain(pgtable_drain);
}
