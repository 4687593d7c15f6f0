/* SPDX-License-Identifier: MIT */
/*
 * What a pte holds that is neither empty nor present: where the page is instead.
 *
 *	63          44 43        28+12            12   9   8   7   6   5   4   3   2   1   0
 *	+-------------+--------+--------------------+---+---+---+---+---+---+---+---+---+---+
 *	| 0           | area   | slot               | L | 0 | Y | D | W | M | E | S | 0 | P |
 *	+-------------+--------+--------------------+---+---+---+---+---+---+---+---+---+---+
 *	P = 0 (and bit 8, PROTNONE, is 0); S soft-dirty; E the page was this space's alone;
 *	M it is being migrated (mm/migrate.c): bits 12..43 are its pfn, and W, D, Y and L say that the
 *	pte was writable, dirty, young, and counted as locked (mm/mlock_pages.c).
 *
 * Slot 0 of an area is its header, so that no entry of a swapped page is 0.
 */
#pragma once

#include <kernel/x86/pte.h>
#include <mm/page.h>

/* As struct page and the page-cache tree hold it: 4 bits of area, 28 of slot (1 TiB each). 0: none. */
typedef struct {
	u32 val;
} swp_entry_t;

#define SWP_SLOT_BITS  28
#define MAX_SWAP_AREAS 16
#define MAX_SWAP_SLOTS (1UL << SWP_SLOT_BITS)

#define _PTE_SWP_SOFT_DIRTY 0x004UL
#define _PTE_SWP_EXCLUSIVE  0x008UL
#define _PTE_SWP_MIGRATION  0x010UL
#define _PTE_SWP_WRITE      0x020UL
#define _PTE_SWP_DIRTY      0x040UL
#define _PTE_SWP_YOUNG      0x080UL
#define _PTE_SWP_LOCKED     0x200UL

static inline swp_entry_t swp_entry(unsigned int area, u32 slot)
{
	return (swp_entry_t){area << SWP_SLOT_BITS | slot};
}
static inline unsigned int swp_area(swp_entry_t e)
{
	return e.val >> SWP_SLOT_BITS;
}
static inline u32 swp_slot(swp_entry_t e)
{
	return e.val & (MAX_SWAP_SLOTS - 1);
}

static inline bool pte_is_swap(pte_t e)
{
	return !pte_none(e) && !pte_present(e) && !(e.pte & _PTE_SWP_MIGRATION);
}
static inline bool pte_is_migration(pte_t e)
{
	return !pte_present(e) && (e.pte & _PTE_SWP_MIGRATION);
}
static inline swp_entry_t pte_to_swp(pte_t e)
{
	return (swp_entry_t){(u32)(e.pte >> PAGE_SHIFT)};
}
/* flags: _PTE_SWP_SOFT_DIRTY | _PTE_SWP_EXCLUSIVE */
static inline pte_t swp_to_pte(swp_entry_t e, pteval_t flags)
{
	return __pte((pteval_t)e.val << PAGE_SHIFT | flags);
}
static inline struct page *pte_migration_page(pte_t e)
{
	return pfn_to_page((pfn_t)(e.pte & PTE_PFN_MASK) >> PAGE_SHIFT);
}
/* flags: any of those above but MIGRATION */
static inline pte_t migration_pte(const struct page *p, pteval_t flags)
{
	return __pte((pteval_t)page_to_pfn(p) << PAGE_SHIFT | _PTE_SWP_MIGRATION | flags);
}
