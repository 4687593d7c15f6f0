/* SPDX-License-Identifier: MIT */
/*
 * Sections: where the page array has entries, and when they are written.
 *
 * Problem. The page array is indexed by pfn, and physical memory has holes; and writing 32 bytes
 * for every page of a large machine takes long and touches memory that may never be used (64 GiB
 * of RAM need 512 MiB of struct page).
 *
 * Idea. Physical memory is cut into sections of 128 MiB, 1 MiB of struct page each. The array is
 * mapped only where there is RAM, by granules of 4 MiB of RAM (eight pages of struct page):
 *
 *	RAM          |   section 0   |   section 1   | hole |  section 32   | ...
 *	page array   [1 MiB of struct page][   1 MiB    ]  -- [ 1 MiB         ]
 *
 * A section above the first GiB that is RAM throughout and entirely free is deferred: its struct
 * pages are reserved and mapped but not written. The buddy counts it as 32 free blocks of order 10
 * and brings it online when it needs it. So a machine that uses little of its memory touches
 * little, and boot time hardly depends on the size.
 *
 * Invariants: the page array of a section with state ONLINE is initialised wherever its granule is
 * present; a DEFERRED section has all granules present and lies in one zone.
 *
 * Locking: the zone's lock; setting up is the boot CPU's.
 */
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/internal.h>
#include <mm/memblock.h>
#include <mm/section.h>

/* Struct pages up to here are always written at boot: they will be needed at once. */
#define BOOT_ONLINE_END (1UL << 30)

struct mem_section *mem_sections;
unsigned long nr_sections;

bool pfn_valid(pfn_t pfn)
{
	const struct mem_section *s;

	if (pfn >> SECTION_PFN_SHIFT >= nr_sections)
		return false;
	s = pfn_section(pfn);
	return READ_ONCE(s->state) == SECTION_ONLINE &&
	       (s->present >> (pfn / GRANULE_PAGES % GRANULES_PER_SECTION) & 1);
}

void init_struct_pages(pfn_t start, pfn_t end, unsigned int zone, unsigned int nid, bool reserved)
{
	u64 flags = (u64)zone << PAGE_ZONE_SHIFT | (u64)nid << PAGE_NODE_SHIFT;

	/* Eight bytes a store: this loop is most of what a section costs. A reserved page has one
	 * reference, so that nobody ever frees it. */
	flags |= reserved ? 1u << PG_reserved | 1ULL << 32 : 0;
	for (u64 *w = (u64 *)pfn_to_page(start); w < (u64 *)pfn_to_page(end); w += 4) {
		w[0] = flags;
		w[1] = w[2] = w[3] = 0;
	}
}

static void mark_present(paddr_t start, paddr_t end)
{
	pfn_t pfn = ALIGN_DOWN(start >> PAGE_SHIFT, GRANULE_PAGES);

	for (; pfn < end >> PAGE_SHIFT; pfn += GRANULE_PAGES)
		pfn_section(pfn)->present |= 1u << (pfn / GRANULE_PAGES % GRANULES_PER_SECTION);
}

static bool section_deferrable(unsigned long nr)
{
	paddr_t start = nr << SECTION_SHIFT, end = start + (1UL << SECTION_SHIFT);

	return start >= BOOT_ONLINE_END && memblock_free_size(start, end) == end - start;
}

void sections_init(void)
{
	paddr_t start, end;
	size_t size;

	nr_sections = DIV_ROUND_UP(memblock_memory_end(), 1UL << SECTION_SHIFT);
	size = PAGE_ALIGN(nr_sections * sizeof(*mem_sections));
	start = memblock_alloc(size, PAGE_SIZE);
	if (!start)
		panic("no memory for the section table");
	mem_sections = __va(start);
	memset(mem_sections, 0, size);
	for (paddr_t from = 0; memblock_next_memory(from, &start, &end); from = end)
		mark_present(start, end);

	/* Mapping the page array reserves memory, so only afterwards is it known who is all free. */
	vmemmap_init();
	for (unsigned long i = 0; i < nr_sections; i++) {
		struct mem_section *s = &mem_sections[i];

		memset(s->mt, MIGRATE_MOVABLE, sizeof(s->mt));
		if (s->present)
			s->state = section_deferrable(i) ? SECTION_DEFERRED : SECTION_ONLINE;
	}
}
