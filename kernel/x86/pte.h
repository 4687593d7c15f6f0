/* SPDX-License-Identifier: MIT */
/*
 * Page-table entries and the map of the machine's memory. Data only, no privileged instruction:
 * this header is also compiled on the host.
 *
 * Four levels, with Linux's names for the manual's:
 *
 *	virtual address	 47..39	 38..30	 29..21	 20..12	 11..0
 *			 pgd	 pud	 pmd	 pte	 offset
 *			 PML4	 PDPT	 PD	 PT
 *	one entry maps	 512 GiB 1 GiB	 2 MiB	 4 KiB
 *
 * A present entry (SDM vol. 3, 4.5):
 *
 *	63 NX | 62..52 ignored | 51..12 page frame | 11 soft dirty  10 free  9 special
 *	8 G | 7 PS/PAT | 6 D | 5 A | 4 PCD | 3 PWT | 2 U | 1 RW | 0 P
 *
 * A pte that is not present but not zero is one of two things, told apart by bit 8:
 *
 *	bit 8 set	a page of a PROT_NONE mapping: all else as in a present entry; the
 *			hardware sees P = 0 and faults, pte_present() says true
 *	bit 8 clear	an entry that says where the page is instead: mm/swapops.h
 */
#pragma once

#include <kernel/lib/types.h>

#define PAGE_SHIFT         12
#define PMD_SHIFT          21
#define PUD_SHIFT          30
#define PGDIR_SHIFT        39
#define PAGE_SIZE          (1UL << PAGE_SHIFT)
#define PMD_SIZE           (1UL << PMD_SHIFT)
#define PUD_SIZE           (1UL << PUD_SHIFT)
#define PGDIR_SIZE         (1UL << PGDIR_SHIFT)
#define PAGE_MASK          (~(PAGE_SIZE - 1))
#define PTRS_PER_TABLE     512
#define PAGE_ALIGN(x)      (((x) + PAGE_SIZE - 1) & PAGE_MASK)
#define PAGE_ALIGN_DOWN(x) ((x)&PAGE_MASK)

/* DESIGN.md 4. On the host, tests put the direct map and the page array where they can. */
#ifndef OCTAVO_HOST
#define PAGE_OFFSET      0xffff888000000000UL /* the direct map of RAM */
#define VMEMMAP_START    0xffffea0000000000UL /* struct page of every frame */
#define PAGE_OWNER_START 0xffffea4000000000UL /* debug builds: mm/page_owner.h */
#define VMALLOC_START    0xffffc90000000000UL
#define VMALLOC_END      0xffffc98000000000UL /* one pgd slot, 512 GiB: a table page at boot, no more */
#else
extern unsigned long host_page_offset, host_vmemmap_start, host_vmalloc_start, host_vmalloc_end;
#define PAGE_OFFSET   host_page_offset
#define VMEMMAP_START host_vmemmap_start
#define VMALLOC_START host_vmalloc_start
#define VMALLOC_END   host_vmalloc_end
#endif
#define KERNEL_BASE 0xffffffff80000000UL /* physical 0; the image is linked from 1 MiB up */
/* The first pgd slot that belongs to the kernel; all from here on are the same in every space. */
#define KERNEL_PGD_BOUNDARY 256

#define _PAGE_PRESENT    0x001UL
#define _PAGE_RW         0x002UL
#define _PAGE_USER       0x004UL
#define _PAGE_PWT        0x008UL
#define _PAGE_PCD        0x010UL
#define _PAGE_ACCESSED   0x020UL
#define _PAGE_DIRTY      0x040UL
#define _PAGE_PSE        0x080UL /* in a pud or pmd: a leaf */
#define _PAGE_GLOBAL     0x100UL
#define _PAGE_PROTNONE   0x100UL /* with P = 0: a PROT_NONE page */
#define _PAGE_SPECIAL    0x200UL /* bit 9: no struct page behind it is counted (zero page) */
#define _PAGE_SOFTW1     0x400UL /* bit 10: free for mm/ */
#define _PAGE_SOFT_DIRTY 0x800UL /* bit 11: written since clear_refs */
#define _PAGE_NX         0x8000000000000000UL

#define PTE_PFN_MASK   0x000ffffffffff000UL
#define PTE_FLAGS_MASK (~PTE_PFN_MASK)

/* Attributes of kernel mappings, NX where CPUID has it: `& pte_supported_mask` where written. */
#define PAGE_KERNEL \
	(_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_GLOBAL | _PAGE_NX)
#define PAGE_KERNEL_RO      (PAGE_KERNEL & ~(_PAGE_RW | _PAGE_DIRTY))
#define PAGE_KERNEL_ROX     (PAGE_KERNEL_RO & ~_PAGE_NX)
#define PAGE_KERNEL_NOCACHE (PAGE_KERNEL | _PAGE_PCD | _PAGE_PWT)
/* A pgd, pud or pmd entry that points to a table: rights are decided in the leaf. */
#define _PAGE_TABLE        (_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)
#define _PAGE_KERNEL_TABLE (_PAGE_TABLE & ~_PAGE_USER)

typedef unsigned long pteval_t;
typedef struct {
	pteval_t pte;
} pte_t;
typedef struct {
	pteval_t pmd;
} pmd_t;
typedef struct {
	pteval_t pud;
} pud_t;
typedef struct {
	pteval_t pgd;
} pgd_t;

/* All ones, or without _PAGE_NX (and _PAGE_GLOBAL) on processors that lack them. cpufeature.c. */
extern pteval_t pte_supported_mask;

/* ---- addresses ---- */

static inline void *phys_to_virt(paddr_t pa)
{
	return (void *)(pa + PAGE_OFFSET);
}

/* Of an address in the direct map or in the kernel image. */
static inline paddr_t virt_to_phys(const volatile void *va)
{
	unsigned long v = (unsigned long)va;

#ifndef OCTAVO_HOST
	if (v >= KERNEL_BASE)
		return v - KERNEL_BASE;
#endif
	return v - PAGE_OFFSET;
}
#define __va(pa) phys_to_virt(pa)
#define __pa(va) virt_to_phys((const volatile void *)(va))

static inline void *pfn_to_virt(pfn_t pfn)
{
	return phys_to_virt((paddr_t)pfn << PAGE_SHIFT);
}
static inline pfn_t phys_to_pfn(paddr_t pa)
{
	return pa >> PAGE_SHIFT;
}
static inline paddr_t pfn_to_phys(pfn_t pfn)
{
	return (paddr_t)pfn << PAGE_SHIFT;
}

static inline unsigned int pte_index(vaddr_t va)
{
	return (va >> PAGE_SHIFT) & (PTRS_PER_TABLE - 1);
}
static inline unsigned int pmd_index(vaddr_t va)
{
	return (va >> PMD_SHIFT) & (PTRS_PER_TABLE - 1);
}
static inline unsigned int pud_index(vaddr_t va)
{
	return (va >> PUD_SHIFT) & (PTRS_PER_TABLE - 1);
}
static inline unsigned int pgd_index(vaddr_t va)
{
	return (va >> PGDIR_SHIFT) & (PTRS_PER_TABLE - 1);
}
/* Bits 63..47 all the same. */
static inline bool vaddr_is_canonical(vaddr_t va)
{
	return (unsigned long)((long)(va << 16) >> 16) == va;
}

/* The first address behind the entry that maps addr, but not beyond end. */
#define __addr_end(addr, end, size)                                   \
	({                                                            \
		vaddr_t _boundary = ((addr) + (size)) & ~((size)-1);  \
		_boundary - 1 < (end)-1 ? _boundary : (vaddr_t)(end); \
	})
#define pmd_addr_end(addr, end) __addr_end(addr, end, PMD_SIZE)
#define pud_addr_end(addr, end) __addr_end(addr, end, PUD_SIZE)
#define pgd_addr_end(addr, end) __addr_end(addr, end, PGDIR_SIZE)

/* ---- making and reading entries ---- */

#define __DEFINE_LEVEL(lvl)                                                          \
	static inline lvl##_t __##lvl(pteval_t v)                                    \
	{                                                                            \
		return (lvl##_t){v};                                                 \
	}                                                                            \
	static inline pteval_t lvl##_val(lvl##_t e)                                  \
	{                                                                            \
		return e.lvl;                                                        \
	}                                                                            \
	static inline bool lvl##_none(lvl##_t e)                                     \
	{                                                                            \
		return e.lvl == 0;                                                   \
	}                                                                            \
	static inline lvl##_t pfn_##lvl(pfn_t pfn, pteval_t prot)                    \
	{                                                                            \
		return __##lvl(((pteval_t)pfn << PAGE_SHIFT) | prot);                \
	}                                                                            \
	static inline pfn_t lvl##_pfn(lvl##_t e)                                     \
	{                                                                            \
		return (e.lvl & PTE_PFN_MASK) >> PAGE_SHIFT;                         \
	}                                                                            \
	/* Entries are read and written whole: the hardware walks them meanwhile. */ \
	static inline lvl##_t lvl##p_get(const lvl##_t *p)                           \
	{                                                                            \
		return __##lvl(*(const volatile pteval_t *)&p->lvl);                 \
	}                                                                            \
	static inline void set_##lvl(lvl##_t *p, lvl##_t e)                          \
	{                                                                            \
		__atomic_store_n(&p->lvl, e.lvl, __ATOMIC_RELEASE);                  \
	}

__DEFINE_LEVEL(pte)
__DEFINE_LEVEL(pmd)
__DEFINE_LEVEL(pud)
__DEFINE_LEVEL(pgd)
#undef __DEFINE_LEVEL

static inline bool pte_present(pte_t e)
{
	return e.pte & (_PAGE_PRESENT | _PAGE_PROTNONE);
}
static inline bool pte_protnone(pte_t e)
{
	return (e.pte & (_PAGE_PRESENT | _PAGE_PROTNONE)) == _PAGE_PROTNONE;
}
static inline bool pmd_present(pmd_t e)
{
	return e.pmd & (_PAGE_PRESENT | _PAGE_PROTNONE);
}
static inline bool pud_present(pud_t e)
{
	return e.pud & _PAGE_PRESENT;
}
static inline bool pgd_present(pgd_t e)
{
	return e.pgd & _PAGE_PRESENT;
}
static inline bool pmd_leaf(pmd_t e)
{
	return pmd_present(e) && (e.pmd & _PAGE_PSE);
}
static inline bool pud_leaf(pud_t e)
{
	return pud_present(e) && (e.pud & _PAGE_PSE);
}
/* A pointer to the next table, in the direct map. */
static inline pte_t *pmd_table(pmd_t e)
{
	return phys_to_virt(e.pmd & PTE_PFN_MASK);
}
static inline pmd_t *pud_table(pud_t e)
{
	return phys_to_virt(e.pud & PTE_PFN_MASK);
}
static inline pud_t *pgd_table(pgd_t e)
{
	return phys_to_virt(e.pgd & PTE_PFN_MASK);
}
static inline pud_t *pud_offset(pgd_t *pgd, vaddr_t va)
{
	return pgd_table(pgdp_get(pgd)) + pud_index(va);
}
static inline pmd_t *pmd_offset(pud_t *pud, vaddr_t va)
{
	return pud_table(pudp_get(pud)) + pmd_index(va);
}
static inline pte_t *pte_offset(pmd_t *pmd, vaddr_t va)
{
	return pmd_table(pmdp_get(pmd)) + pte_index(va);
}

#define __DEFINE_FLAG(lvl, test, mk, clear, bit)       \
	static inline bool lvl##_##test(lvl##_t e)     \
	{                                              \
		return e.lvl & (bit);                  \
	}                                              \
	static inline lvl##_t lvl##_##mk(lvl##_t e)    \
	{                                              \
		return __##lvl(e.lvl | (bit));         \
	}                                              \
	static inline lvl##_t lvl##_##clear(lvl##_t e) \
	{                                              \
		return __##lvl(e.lvl & ~(bit));        \
	}

__DEFINE_FLAG(pte, write, mkwrite, wrprotect, _PAGE_RW)
__DEFINE_FLAG(pte, dirty, mkdirty, mkclean, _PAGE_DIRTY)
__DEFINE_FLAG(pte, young, mkyoung, mkold, _PAGE_ACCESSED)
__DEFINE_FLAG(pte, user, mkuser, mkkernel, _PAGE_USER)
__DEFINE_FLAG(pte, special, mkspecial, mknormal, _PAGE_SPECIAL)
__DEFINE_FLAG(pte, soft_dirty, mksoft_dirty, clear_soft_dirty, _PAGE_SOFT_DIRTY)
__DEFINE_FLAG(pmd, write, mkwrite, wrprotect, _PAGE_RW)
__DEFINE_FLAG(pmd, dirty, mkdirty, mkclean, _PAGE_DIRTY)
__DEFINE_FLAG(pmd, young, mkyoung, mkold, _PAGE_ACCESSED)
__DEFINE_FLAG(pmd, soft_dirty, mksoft_dirty, clear_soft_dirty, _PAGE_SOFT_DIRTY)
#undef __DEFINE_FLAG

static inline bool pte_exec(pte_t e)
{
	return !(e.pte & _PAGE_NX);
}
/* The same page with other rights: what the hardware and mm/ noted about it stays. */
static inline pte_t pte_modify(pte_t e, pteval_t prot)
{
	pteval_t keep = PTE_PFN_MASK | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_SPECIAL | _PAGE_SOFTW1 |
			_PAGE_SOFT_DIRTY | _PAGE_PCD | _PAGE_PWT;

	return __pte((e.pte & keep) | (prot & ~PTE_PFN_MASK));
}

/* ---- atomic changes: another CPU's walker may set A and D at the same moment ---- */

static inline pte_t ptep_get_and_clear(pte_t *p)
{
	return __pte(__atomic_exchange_n(&p->pte, 0, __ATOMIC_SEQ_CST));
}
static inline bool ptep_cmpxchg(pte_t *p, pte_t old, pte_t new_)
{
	return __atomic_compare_exchange_n(&p->pte, &old.pte, new_.pte, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}
/* Clears bits and returns the entry as it was. */
static inline pte_t ptep_clear_flags(pte_t *p, pteval_t bits)
{
	return __pte(__atomic_fetch_and(&p->pte, ~bits, __ATOMIC_SEQ_CST));
}
static inline void ptep_set_wrprotect(pte_t *p)
{
	ptep_clear_flags(p, _PAGE_RW);
}
static inline bool ptep_test_and_clear_young(pte_t *p)
{
	return pte_young(ptep_get(p)) && pte_young(ptep_clear_flags(p, _PAGE_ACCESSED));
}
