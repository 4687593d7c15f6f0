/* SPDX-License-Identifier: MIT */
/*
 * The kernel's page tables.
 *
 * Problem. The boot tables map 4 GiB three times, all of it writable and executable. The kernel
 * wants what DESIGN.md promises: no page both writable and executable, only RAM in the direct map,
 * nothing at user addresses.
 *
 * Idea. Build the final tables once, out of memblock, and switch:
 *
 *	0x0000000000000000	users; empty
 *	PAGE_OFFSET		direct map: each RAM range with the largest pages that fit, NX, RW;
 *				but read-only 4 KiB pages where text and rodata lie; and the screen's
 *				memory, so that not even a panic in here goes unseen
 *	VMALLOC_START		one upper table, filled by mm/kmap.c
 *	VMEMMAP_START		the page array, where there is RAM: 2 MiB pages where 256 MiB of RAM
 *				are present, else the eight 4 KiB pages of each granule
 *	KERNEL_BASE		the image: text R-X, rodata R--, data and bss RW-, 4 KiB pages
 *
 * Invariants: every top-level slot that the kernel will ever use is filled here, so a new address
 * space copies the upper half once and no kernel mapping has to be propagated. All leaves are
 * global. The tables of the upper half are never freed.
 *
 * Locking: boot CPU only.
 *
 * Order: direct map and image first, with tables from memory that the boot tables reach (below
 * 4 GiB); after the switch the page array is allocated from the top of RAM and mapped.
 */
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/x86/tlb.h>
#include <mm/init.h>
#include <mm/internal.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/page_owner.h>
#include <mm/slab.h>
#include <mm/tlb.h>
#include <mm/vmalloc.h>
#include <mm/vmstat.h>

extern char __kernel_start[], __text_start[], __text_end[], __rodata_start[], __rodata_end[];
extern char __data_start[], __bss_start[], __bss_end[], __kernel_end[];

/* What the boot tables map: boot/entry.S. */
#define BOOT_MAPPED (4UL << 30)

static pgd_t *kernel_pgd;
static unsigned int largest_leaf = PMD_SHIFT;

static paddr_t early_table(void)
{
	paddr_t pa = memblock_alloc(PAGE_SIZE, PAGE_SIZE);

	if (!pa)
		panic("not enough memory for the kernel's page tables");
	clear_page(__va(pa));
	return pa;
}

static pud_t *early_pud(vaddr_t va)
{
	pgd_t *pgd = kernel_pgd + pgd_index(va);

	if (!pgd_present(pgdp_get(pgd)))
		set_pgd(pgd, __pgd(early_table() | _PAGE_KERNEL_TABLE));
	return pud_offset(pgd, va);
}

static pmd_t *early_pmd(vaddr_t va)
{
	pud_t *pud = early_pud(va);

	if (!pud_present(pudp_get(pud)))
		set_pud(pud, __pud(early_table() | _PAGE_KERNEL_TABLE));
	return pmd_offset(pud, va);
}

static pte_t *early_pte(vaddr_t va)
{
	pmd_t *pmd = early_pmd(va);

	if (!pmd_present(pmdp_get(pmd)))
		set_pmd(pmd, __pmd(early_table() | _PAGE_KERNEL_TABLE));
	return pte_offset(pmd, va);
}

/* The largest page that va, pa and what is left allow. */
static unsigned int leaf_shift(vaddr_t va, paddr_t pa, size_t size)
{
	for (unsigned int shift = largest_leaf; shift > PAGE_SHIFT; shift -= 9)
		if (IS_ALIGNED(va | pa, 1UL << shift) && size >= 1UL << shift)
			return shift;
	return PAGE_SHIFT;
}

static void map_range(vaddr_t va, paddr_t pa, size_t size, pteval_t prot)
{
	prot &= pte_supported_mask;
	while (size) {
		unsigned int shift = leaf_shift(va, pa, size);

		switch (shift) {
		case PUD_SHIFT:
			set_pud(early_pud(va), __pud(pa | prot | _PAGE_PSE));
			break;
		case PMD_SHIFT:
			set_pmd(early_pmd(va), __pmd(pa | prot | _PAGE_PSE));
			break;
		default:
			set_pte(early_pte(va), __pte(pa | prot));
		}
		va += 1UL << shift;
		pa += 1UL << shift;
		size -= 1UL << shift;
	}
}

static void map_direct(paddr_t start, paddr_t end, pteval_t prot)
{
	if (start < end)
		map_range((vaddr_t)__va(start), start, end - start, prot);
}

/* A RAM range, with the alias of text and rodata read-only. */
static void map_ram(paddr_t start, paddr_t end)
{
	paddr_t ro_start = __pa(__text_start), ro_end = __pa(__rodata_end);

	map_direct(start, min(end, ro_start), PAGE_KERNEL);
	map_direct(max(start, ro_start), min(end, ro_end), PAGE_KERNEL_RO);
	map_direct(max(start, ro_end), end, PAGE_KERNEL);
}

static void map_image(const char *start, const char *end, pteval_t prot)
{
	unsigned int leaf = largest_leaf;

	largest_leaf = PAGE_SHIFT;
	map_range((vaddr_t)start, __pa(start), (size_t)(end - start), prot);
	largest_leaf = leaf;
}

/* CPUID 0x80000001 edx bit 26 (SDM vol. 2). */
static bool cpu_has_1gib_pages(void)
{
	return cpuid(0x80000001).edx & (1u << 26);
}

static void paging_init(paddr_t device, size_t device_size)
{
	paddr_t start, end;

	memblock_set_ceiling(BOOT_MAPPED);
	if (cpu_has_1gib_pages())
		largest_leaf = PUD_SHIFT;
	kernel_pgd = __va(early_table());
	for (paddr_t from = 0; memblock_next_ram(from, &start, &end); from = end)
		map_ram(start, end);
	map_direct(device & PAGE_MASK, PAGE_ALIGN(device + device_size), PAGE_KERNEL_NOCACHE);
	map_image(__text_start, __text_end, PAGE_KERNEL_ROX);
	map_image(__rodata_start, __rodata_end, PAGE_KERNEL_RO);
	map_image(__data_start, __bss_end, PAGE_KERNEL);
	early_pud(VMALLOC_START);
	early_pud(VMEMMAP_START);

	init_mm.pgd = kernel_pgd;
	write_cr3(__pa(kernel_pgd));
	tlb_flush_local_global();
	memblock_set_ceiling(~0UL);
}

static bool granule_present(pfn_t pfn)
{
	return pfn >> SECTION_PFN_SHIFT < nr_sections &&
	       (pfn_section(pfn)->present >> (pfn / GRANULE_PAGES % GRANULES_PER_SECTION) & 1);
}

static bool all_present(pfn_t pfn, pfn_t end)
{
	while (pfn < end && granule_present(pfn))
		pfn += GRANULE_PAGES;
	return pfn >= end;
}

/* The part of an array at base with `each` bytes a page for [pfn, end), if memory can be had. */
static bool map_array_part(vaddr_t base, size_t each, pfn_t pfn, pfn_t end)
{
	size_t size = (end - pfn) * each;
	paddr_t pa = memblock_alloc(size, size);

	if (pa)
		map_range(base + pfn * each, pa, size, PAGE_KERNEL);
	return pa;
}

/* Where there is RAM. The content is not touched here. */
static void map_array(vaddr_t base, size_t each)
{
	const pfn_t step = PMD_SIZE / each;
	pfn_t max_pfn = nr_sections << SECTION_PFN_SHIFT;

	for (pfn_t pfn = 0; pfn < max_pfn; pfn += step) {
		if (all_present(pfn, pfn + step) && map_array_part(base, each, pfn, pfn + step))
			continue;
		for (pfn_t g = pfn; g < pfn + step; g += GRANULE_PAGES)
			if (granule_present(g) && !map_array_part(base, each, g, g + GRANULE_PAGES))
				panic("not enough memory for the page array");
	}
}

/* 2 MiB of page array are 256 MiB of RAM. */
void vmemmap_init(void)
{
	map_array(VMEMMAP_START, sizeof(struct page));
#ifdef PAGE_OWNER
	map_array(PAGE_OWNER_START, sizeof(struct page_owner_record));
#endif
}

const char *kernel_part(unsigned int n, paddr_t *start, paddr_t *end)
{
	const struct {
		const char *name, *start, *end;
	} parts[] = {
		{"code", __text_start, __text_end},
		{"rodata", __rodata_start, __rodata_end},
		{"data", __data_start, __bss_start},
		{"bss", __bss_start, __bss_end},
	};

	if (n >= ARRAY_SIZE(parts))
		return NULL;
	*start = __pa(parts[n].start);
	*end = __pa(parts[n].end);
	return parts[n].name;
}

void mm_print_usage(void)
{
	unsigned long ram = memblock_memory_size(0, ~0UL) >> 10;
	unsigned long managed = totalram_pages() << (PAGE_SHIFT - 10);

	pr_info("Memory: %luK/%luK available (%luK kernel code, %luK rodata, %luK rwdata, %luK bss, "
		"%luK reserved)\n",
		nr_free_pages() << (PAGE_SHIFT - 10), ram,
		(unsigned long)(__text_end - __text_start) >> 10,
		(unsigned long)(__rodata_end - __rodata_start) >> 10,
		(unsigned long)(__bss_start - __data_start) >> 10,
		(unsigned long)(__bss_end - __bss_start) >> 10, ram - managed);
}

void mm_init_cpu(unsigned int cpu)
{
	for (unsigned int zone = 0; zone < MAX_NR_ZONES; zone++)
		per_cpu_ptr(&pcp_pages[zone], cpu)->high = node_data[0].zones[zone].pcp_high;
	*per_cpu_ptr(&tlb_state, cpu) = (struct tlb_state){.mm = &init_mm, .lazy = true};
}

void mm_init_early(paddr_t device, size_t device_size)
{
	/* Page 0: pfn 0 ends lists, and a bug's favourite address should not be anyone's. */
	memblock_reserve(0, PAGE_SIZE);
	memblock_reserve(__pa(__kernel_start), (size_t)(__kernel_end - __kernel_start));
	paging_init(device, device_size);
	sections_init();
	page_alloc_init();
	page_lock_init();
	slab_init();
	vmalloc_init();
	mm_print_usage();
}
