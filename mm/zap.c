/* SPDX-License-Identifier: MIT */
/*
 * Range operations on page tables: clearing entries (munmap, truncation, madvise, exit), changing
 * their rights (mprotect), moving them (mremap).
 *
 * Idea: the walker stops once for each table of ptes; each operation is a loop over one table under
 * its lock, which gathers its counter changes and applies them once at the end:
 *
 *	for each table in range:  lock, for each pte { ... }, apply counts, unlock, reschedule?
 *
 * Invariants:
 *  1. A page loses its pte, its table's count and its space's RSS under one hold of the table's lock;
 *     it loses its reference only after the flush (tlb.c).
 *  2. What the hardware noted in a pte is not lost with it: dirty goes to the shared file page,
 *     accessed to mark_page_accessed() of any file page (an anonymous page dies or is found through its
 *     other ptes).
 *  3. Until the flush another CPU may go on by what it remembers: it may write to a file page, so that
 *     is dirty only afterwards (before, it could be written back too early); and it may read a page
 *     that is shared since a fork, so that counts as mapped (who is left might take it for his alone,
 *     and write what the other should not see). Other pages leave the mapcount with the pte.
 *  4. A private pte is writable only if its page is anonymous and exclusive. mprotect may thus make
 *     an exclusive page writable at once; all others wait for their write fault.
 *
 * Locking: see pgtable.h. Every caller holds something that keeps the tables: mmap_lock, the vma
 * lock, or the lock of an rmap tree that the vma is in.
 */
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/vma.h>

/* Nothing makes leaves above the pte level for users yet. */
static bool leaf_unexpected(const struct pt_walk *w)
{
	return WARN_ON_ONCE(w->level != PT_PTE);
}

/* --- clearing ---- */

/* What a loop over one table took out, by kind. */
struct zap_counts {
	int gone[NR_MM_COUNTERS];
};

static void apply_counts(struct mm_struct *mm, struct page *table, const struct zap_counts *c)
{
	for (enum mm_counter i = 0; i < NR_MM_COUNTERS; i++) {
		if (!c->gone[i])
			continue;
		table_count_add(table, i, -c->gone[i]);
		mm_counter_add(mm, i, -c->gone[i]);
	}
}

struct zap_state {
	struct mm_struct *mm;
	struct mmu_gather *g;
	bool even_cows;
	bool locked; /* the vma */
	/* of one table: */
	struct zap_counts counts;
	vaddr_t first, last; /* cleared entries; first > last: none */
};

/* A swap or migration entry: no TLB knows it. The former is a private page's. */
static void zap_absent(struct zap_state *z, pte_t *pte, pte_t e)
{
	bool migrating = pte_is_migration(e);

	if (!z->even_cows && (!migrating || PageAnon(pte_migration_page(e))))
		return;
	set_pte(pte, __pte(0));
	z->counts.gone[pte_counter(e)]++;
	if (!migrating)
		swap_free_page(pte_to_swp(e));
}

/* The non-empty pte e. True: the gather is full. */
static __always_inline bool zap_pte(struct zap_state *z, pte_t *pte, pte_t e, vaddr_t addr)
{
	enum mm_counter kind;
	struct page *page;
	bool late;

	if (unlikely(!pte_present(e))) {
		zap_absent(z, pte, e);
		return false;
	}
	page = pte_page(e);
	if (!z->even_cows && (!page || PageAnon(page)))
		return false;
	e = ptep_get_and_clear(pte);
	if (addr < z->first)
		z->first = addr;
	z->last = addr;
	if (!page)
		return false;
	kind = page_counter(page);
	z->counts.gone[kind]++;
	/* What is ours alone is freed, at once if swap has no copy. */
	if (unlikely(z->locked) && (!PageAnonExclusive(page) || PageSwapCache(page)))
		munlock_page(page);
	late = kind == MM_ANON ? !PageAnonExclusive(page) : pte_dirty(e);
	if (kind != MM_ANON && pte_young(e))
		mark_page_accessed(page);
	if (!late)
		page_remove_rmap(page);
	return tlb_remove_page(z->g, page, late);
}

/* The ptes of one table from addr on. Returns where it had to stop because the gather is full. */
static vaddr_t zap_table_part(struct zap_state *z, pmd_t *pmd, vaddr_t addr, vaddr_t end)
{
	struct page *table = pmd_page(pmdp_get(pmd));
	spinlock_t *ptl;
	pte_t *pte = pte_offset_lock(pmd, addr, &ptl);

	z->counts = (struct zap_counts){{0}};
	z->first = end;
	z->last = 0;
	for (bool full = false; addr < end && !full; addr += PAGE_SIZE, pte++) {
		pte_t e = ptep_get(pte);

		if (!pte_none(e))
			full = zap_pte(z, pte, e, addr);
	}
	apply_counts(z->mm, table, &z->counts);
	if (z->first <= z->last)
		tlb_remove_pte(z->g, z->first, z->last + PAGE_SIZE - z->first);
	spin_unlock(ptl);
	return addr;
}

void zap_range_cows(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, struct mmu_gather *g,
		    bool even_cows)
{
	struct zap_state z = {
		.mm = vma->mm, .g = g, .even_cows = even_cows, .locked = vma->flags & VM_LOCKED};
	struct pt_walk w;

	debug_assert(vma->start <= start && end <= vma->end && g->mm == vma->mm);
	for_each_pt_range(&w, vma->mm, start, end)
	{
		if (leaf_unexpected(&w))
			continue;
		mm_update_hiwater_rss(vma->mm);
		g->tables_met = true;
		for (vaddr_t addr = w.addr; addr < w.end;) {
			addr = zap_table_part(&z, w.pmd, addr, w.end);
			if (tlb_gather_full(g))
				tlb_gather_flush(g);
		}
		cond_resched();
	}
}

void zap_range(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, struct mmu_gather *g)
{
	zap_range_cows(vma, start, end, g, true);
}

void zap_vma_range(struct vm_area_struct *vma, vaddr_t start, vaddr_t end)
{
	struct mmu_gather g;

	tlb_gather_start(&g, vma->mm);
	zap_range(vma, start, end, &g);
	tlb_gather_finish(&g);
}

/* --- rights ---- */

struct protect_state {
	pteval_t prot;
	bool private_write; /* exclusive pages may be written at once */
	bool tracks_dirty;  /* only pages that are dirty already may */
	pteval_t lost;      /* what any entry allowed and does not now: flush */
	int changed;
};

static pte_t new_rights(const struct protect_state *s, pte_t e)
{
	pte_t n = pte_modify(e, s->prot);
	struct page *page;

	if (s->private_write) {
		page = pte_page(e);
		if (page && PageAnonExclusive(page) && pte_soft_dirty(e)) {
			debug_assert(PageAnon(page));
			n = pte_mkwrite(n);
		}
	} else if (s->tracks_dirty && !(pte_write(e) && pte_dirty(e))) {
		n = pte_wrprotect(n);
	}
	return n;
}

static void protect_pte(struct protect_state *s, pte_t *pte)
{
	pte_t e, n;

	do {
		e = ptep_get(pte);
		if (!pte_present(e))
			return; /* none, or an entry that gets its rights with its page, from the vma */
		n = new_rights(s, e);
		if (pte_same(e, n))
			return;
	} while (!ptep_cmpxchg(pte, e, n)); /* the hardware may set A or D meanwhile */
	/* A right is a bit that is set, but for _PAGE_NX. */
	s->lost |= (pte_val(e) ^ pte_val(n)) & (pte_val(e) ^ _PAGE_NX);
	s->changed++;
}

static void protect_table(struct protect_state *s, const struct pt_walk *w)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_lock(w->pmd, w->addr, &ptl);

	for (vaddr_t addr = w->addr; addr < w->end; addr += PAGE_SIZE, pte++)
		protect_pte(s, pte);
	spin_unlock(ptl);
}

int change_protection(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, pteval_t pgprot)
{
	struct protect_state s = {
		.prot = pgprot,
		.private_write = (vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE,
		.tracks_dirty = vma_tracks_dirty(vma),
	};
	struct pt_walk w;

	debug_assert(rwsem_is_write_held(&vma->mm->mmap_lock));
	debug_assert(vma->start <= start && end <= vma->end);
	for_each_pt_range(&w, vma->mm, start, end)
	{
		if (leaf_unexpected(&w))
			continue;
		protect_table(&s, &w);
		cond_resched();
	}
	if (s.lost & (_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_NX))
		tlb_flush_range(vma->mm, start, end);
	return s.changed;
}

/* --- moving ---- */

/* An rmap walk that has already passed the new place must not come to the old one after its ptes
 * have left: so no walk goes on meanwhile. */
static void lock_rmap(struct vm_area_struct *vma)
{
	if (vma->file)
		down_write(&vma->file->mapping->i_mmap_lock);
	if (vma->anon_vma)
		down_write(&vma->anon_vma->root->lock);
}

static void unlock_rmap(struct vm_area_struct *vma)
{
	if (vma->anon_vma)
		up_write(&vma->anon_vma->root->lock);
	if (vma->file)
		up_write(&vma->file->mapping->i_mmap_lock);
}

/* Both locks, which may be one. The order does not matter: only the holder of mmap_lock for writing
 * ever takes two of one space. */
static void lock_two_tables(struct page *a, struct page *b)
{
	spin_lock(table_lock(a));
	if (b != a)
		spin_lock(table_lock(b));
}

static void unlock_two_tables(struct page *a, struct page *b)
{
	if (b != a)
		spin_unlock(table_lock(b));
	spin_unlock(table_lock(a));
}

/* n ptes from one table to another. */
static void move_ptes(pmd_t *old_pmd, vaddr_t old, pmd_t *new_pmd, vaddr_t new_, unsigned int n)
{
	struct page *from = pmd_page(pmdp_get(old_pmd)), *to = pmd_page(pmdp_get(new_pmd));
	pte_t *src = pte_offset(old_pmd, old), *dst = pte_offset(new_pmd, new_);

	lock_two_tables(from, to);
	for (; n; n--, src++, dst++) {
		enum mm_counter kind;
		pte_t e;

		if (pte_none(ptep_get(src)))
			continue;
		e = ptep_get_and_clear(src);
		debug_assert(pte_none(ptep_get(dst)));
		set_pte(dst,
			pte_present(e) ? pte_mksoft_dirty(e) : __pte(e.pte | _PTE_SWP_SOFT_DIRTY));
		if (from == to || (pte_present(e) && !pte_page(e)))
			continue;
		kind = pte_counter(e);
		table_count_add(from, kind, -1);
		table_count_add(to, kind, 1);
	}
	unlock_two_tables(from, to);
}

size_t move_page_tables(struct vm_area_struct *vma, vaddr_t old_addr,
			struct vm_area_struct *new_vma, vaddr_t new_addr, size_t len)
{
	struct mm_struct *mm = vma->mm;
	vaddr_t end = old_addr + len;
	vaddr_t delta = new_addr - old_addr;
	struct pt_walk w;

	debug_assert(rwsem_is_write_held(&mm->mmap_lock) && new_vma->mm == mm);
	debug_assert(rwsem_is_write_held(&vma->lock) && rwsem_is_write_held(&new_vma->lock));
	for_each_pt_range(&w, mm, old_addr, end)
	{
		vaddr_t to = w.addr + delta;
		pmd_t *new_pmd;

		if (leaf_unexpected(&w))
			continue;
		/* A stop ends with the old table; cut it where the new one ends. */
		w.end = min(w.end, pmd_addr_end(to, end + delta) - delta);
		new_pmd = pmd_alloc(mm, to);
		if (!new_pmd || pte_table_alloc(mm, new_pmd, 0))
			return w.addr - old_addr;
		lock_rmap(vma);
		move_ptes(w.pmd, w.addr, new_pmd, to, (w.end - w.addr) >> PAGE_SHIFT);
		tlb_flush_range(mm, w.addr, w.end);
		unlock_rmap(vma);
		cond_resched();
	}
	return len;
}
