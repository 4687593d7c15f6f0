/* SPDX-License-Identifier: MIT */
/*
 * Changing kernel mappings after boot: vmalloc, kernel stacks, device registers.
 *
 * Idea. The owner of a kernel address range is whoever reserved it (mm/vmalloc.c), so its entries
 * need no lock. Only the tables above them are shared between neighbours: a missing one is
 * installed by compare-and-swap, and the loser frees its own. Tables are never freed: they are few
 * (vmalloc hands out the lowest free addresses), and so a walker never meets a table that goes away.
 *
 * An entry that was absent is not cached by the processor, so mapping needs no flush (SDM vol. 3,
 * 4.10.4.3); unmapping needs one before the page or the address is used again.
 *
 * Simplified: 4 KiB pages only.
 */
#include <kernel/lib/errno.h>
#include <kernel/x86/smp.h>
#include <kernel/x86/tlb.h>
#include <mm/internal.h>
#include <mm/mm.h>
#include <mm/vmstat.h>

/* Beyond this many pages one full flush is cheaper than an invlpg for each. */
#define KERNEL_FLUSH_ALL_PAGES 64

/* Fills an absent entry with a new table. 0 or -ENOMEM. */
static int entry_fill(pteval_t *entry)
{
	pteval_t old = 0;
	void *table;

	if (READ_ONCE(*entry))
		return 0;
	table = get_free_page(GFP_KERNEL | __GFP_ZERO);
	if (!table)
		return -ENOMEM;
	if (__atomic_compare_exchange_n(entry, &old, __pa(table) | _PAGE_KERNEL_TABLE, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		SetPageTable(virt_to_page(table));
		mod_vmstat(NR_PAGETABLE, 1);
	} else {
		free_page(table);
	}
	return 0;
}

/* The pte slot of va, tables made on the way if alloc; NULL: no memory, or not there. */
static pte_t *kernel_pte(vaddr_t va, bool alloc)
{
	pgd_t *pgd = init_mm.pgd + pgd_index(va);
	pud_t *pud;
	pmd_t *pmd;

	assert(pgd_present(pgdp_get(pgd)));
	pud = pud_offset(pgd, va);
	if (alloc && entry_fill(&pud->pud))
		return NULL;
	if (!pud_present(pudp_get(pud)) || pud_leaf(pudp_get(pud)))
		return NULL;
	pmd = pmd_offset(pud, va);
	if (alloc && entry_fill(&pmd->pmd))
		return NULL;
	if (!pmd_present(pmdp_get(pmd)) || pmd_leaf(pmdp_get(pmd)))
		return NULL;
	return pte_offset(pmd, va);
}

int kernel_map_page(vaddr_t va, paddr_t pa, pteval_t prot)
{
	pte_t *pte = kernel_pte(va, true);

	if (!pte)
		return -ENOMEM;
	assert(pte_none(ptep_get(pte)));
	set_pte(pte, __pte(pa | (prot & pte_supported_mask)));
	return 0;
}

pfn_t kernel_unmap_page(vaddr_t va)
{
	pte_t *pte = kernel_pte(va, false);
	pte_t old = pte ? ptep_get_and_clear(pte) : __pte(0);

	return pte_present(old) ? pte_pfn(old) : (pfn_t)-1;
}

struct kernel_range {
	vaddr_t start, end;
};

static void kernel_flush_local(void *arg)
{
	const struct kernel_range *r = arg;

	if ((r->end - r->start) >> PAGE_SHIFT > KERNEL_FLUSH_ALL_PAGES) {
		tlb_flush_local_global();
		return;
	}
	for (vaddr_t va = r->start; va < r->end; va += PAGE_SIZE)
		tlb_flush_local_page(va);
}

void kernel_flush_range(vaddr_t start, vaddr_t end)
{
	struct kernel_range r = {start, end};

	kernel_flush_local(&r);
	if (other_cpus())
		smp_call_mask(other_cpus(), kernel_flush_local, &r);
}

pteval_t kernel_lookup(vaddr_t va, unsigned int *shift)
{
	pgd_t *pgd = init_mm.pgd + pgd_index(va);
	pud_t *pud;
	pmd_t *pmd;

	*shift = PGDIR_SHIFT;
	if (!pgd_present(pgdp_get(pgd)))
		return 0;
	pud = pud_offset(pgd, va);
	*shift = PUD_SHIFT;
	if (!pud_present(pudp_get(pud)) || pud_leaf(pudp_get(pud)))
		return pud_val(pudp_get(pud));
	pmd = pmd_offset(pud, va);
	*shift = PMD_SHIFT;
	if (!pmd_present(pmdp_get(pmd)) || pmd_leaf(pmdp_get(pmd)))
		return pmd_val(pmdp_get(pmd));
	*shift = PAGE_SHIFT;
	return pte_val(ptep_get(pte_offset(pmd, va)));
}
