/* SPDX-License-Identifier: MIT */
/*
 * Sections: the page array, 128 MiB of RAM at a time.
 */
#pragma once

#include <kernel/lib/types.h>
#include <mm/page.h>

#define SECTION_SHIFT     27
#define SECTION_PFN_SHIFT (SECTION_SHIFT - PAGE_SHIFT)
#define PAGES_PER_SECTION (1UL << SECTION_PFN_SHIFT)

/* A granule is what one block of the highest order covers; its struct pages exist all or none, so
 * that merging buddies never meets a hole in the page array. */
#define GRANULE_PAGES        1024UL
#define GRANULES_PER_SECTION (PAGES_PER_SECTION / GRANULE_PAGES)

#define PAGEBLOCK_ORDER        9 /* 2 MiB: what a huge page needs */
#define PAGEBLOCK_PAGES        (1UL << PAGEBLOCK_ORDER)
#define PAGEBLOCKS_PER_SECTION (PAGES_PER_SECTION / PAGEBLOCK_PAGES)

enum section_state {
	SECTION_NONE,     /* no RAM: no struct pages */
	SECTION_DEFERRED, /* all of it free; its struct pages have never been touched */
	SECTION_ONLINE,
};

struct mem_section {
	u32 present;                   /* (c) granules that hold RAM, one bit each */
	u8 state;                      /* (z) enum section_state; once online it stays so */
	u8 mt[PAGEBLOCKS_PER_SECTION]; /* (z) enum migratetype of each pageblock */
};

extern struct mem_section *mem_sections; /* (c) [nr_sections] */
extern unsigned long nr_sections;

static inline struct mem_section *pfn_section(pfn_t pfn)
{
	return &mem_sections[pfn >> SECTION_PFN_SHIFT];
}
static inline unsigned int pageblock_mt(pfn_t pfn)
{
	return READ_ONCE(
		pfn_section(pfn)->mt[pfn >> PAGEBLOCK_ORDER & (PAGEBLOCKS_PER_SECTION - 1)]);
}
static inline void set_pageblock_mt(pfn_t pfn, unsigned int mt)
{
	WRITE_ONCE(pfn_section(pfn)->mt[pfn >> PAGEBLOCK_ORDER & (PAGEBLOCKS_PER_SECTION - 1)], mt);
}

/* At boot, after memblock is complete: finds the sections, maps their part of the page array, and
 * decides which are left for later. Panics when RAM does not suffice. */
void sections_init(void);
/* Fills in the struct pages of [start, end) as free or reserved pages of that zone. */
void init_struct_pages(pfn_t start, pfn_t end, unsigned int zone, unsigned int nid, bool reserved);
