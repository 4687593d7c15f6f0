/* SPDX-License-Identifier: MIT */
/*
 * Physical memory as a mapping of the host: a sparse range for the direct map, one for the page
 * array. Everything that is not RAM, and every struct page that should not exist, is inaccessible,
 * so that touching it is a crash and not a silent success.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <drivers/block/block.h>
#include <kernel/lib/bug.h>
#include <kernel/sched/sched.h>
#include <mm/compaction.h>
#include <mm/init.h>
#include <mm/internal.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/oom.h>
#include <mm/section.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <tests/host/host.h>

struct mm_struct init_mm;
static pgd_t host_pgd[PTRS_PER_TABLE] __aligned(4096);
static struct thread host_thread;
static size_t vmemmap_size;

__weak unsigned long drop_clean_cache(void)
{
	return 0;
}

__weak unsigned long reclaim_pages(gfp_t gfp __unused, unsigned int order __unused)
{
	return slab_shrink(100);
}

__weak bool try_to_compact(gfp_t gfp __unused, unsigned int order __unused)
{
	return false;
}

__weak unsigned long zone_reclaimable_pages(const struct zone *z __unused)
{
	return 0;
}

__weak void wakeup_kswapd(void)
{
}

__weak void workingset_age(void)
{
}

__weak void schedule(void)
{
}

/* Nobody can be killed here: what cannot be met fails. */
__weak bool oom_trylock(void)
{
	return true;
}

__weak void oom_unlock(void)
{
}

__weak bool out_of_memory(gfp_t gfp __unused, int order __unused)
{
	return false;
}

__weak void oom_wait(void)
{
}

__weak const char *gfp_names(unsigned int gfp __unused, char buf[GFP_NAMES_MAX])
{
	buf[0] = '\0';
	return buf;
}

static unsigned long reserve(size_t size)
{
	void *p = mmap(NULL, size + PMD_SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		FAIL("no address space");
	return ALIGN((unsigned long)p, PMD_SIZE);
}

static void allow(unsigned long start, size_t size)
{
	if (mprotect((void *)start, size, PROT_READ | PROT_WRITE))
		FAIL("mprotect");
}

/* In place of mm/init.c's: it sets memory aside as that does. */
void vmemmap_init(void)
{
	for (pfn_t pfn = 0; pfn < nr_sections << SECTION_PFN_SHIFT; pfn += GRANULE_PAGES) {
		size_t size = GRANULE_PAGES * sizeof(struct page);

		if (!(pfn_section(pfn)->present >> (pfn / GRANULE_PAGES % GRANULES_PER_SECTION) &
		      1))
			continue;
		CHECK(memblock_alloc(size, PAGE_SIZE));
		allow((unsigned long)pfn_to_page(pfn), size);
	}
}

unsigned long host_touched_vmemmap(void)
{
	static unsigned char vec[1 << 20];
	unsigned long n = 0;

	CHECK(vmemmap_size / PAGE_SIZE <= sizeof(vec));
	CHECK(mincore((void *)host_vmemmap_start, vmemmap_size, vec) == 0);
	for (size_t i = 0; i < vmemmap_size / PAGE_SIZE; i++)
		n += vec[i] & 1;
	return n;
}

void host_boot(const struct ram *ram)
{
	paddr_t end = 0;

	for (const struct ram *r = ram; r->end; r++)
		end = max(end, r->end);
	end = ALIGN(end, 1UL << SECTION_SHIFT);
	host_page_offset = reserve(end);
	vmemmap_size = (end >> PAGE_SHIFT) * sizeof(struct page);
	host_vmemmap_start = reserve(vmemmap_size);
	host_vmalloc_start = 0xffffc90000000000UL;
	host_vmalloc_end = host_vmalloc_start + (1UL << 30);
	for (const struct ram *r = ram; r->end; r++) {
		allow(host_page_offset + r->start, r->end - r->start);
		memblock_add(r->start, r->end - r->start);
	}
	memblock_reserve(0, PAGE_SIZE);
	host_thread.kstack = NULL;
	this_cpu_write(current_thread_ptr, &host_thread);
	sections_init();
	page_alloc_init();
	init_mm.pgd = host_pgd;
	/* a top-level table for vmalloc, as mm/init.c makes it */
	host_pgd[pgd_index(VMALLOC_START)] =
		__pgd(__pa(get_free_page(GFP_KERNEL | __GFP_ZERO)) | _PAGE_KERNEL_TABLE);
	slab_init();
	vmalloc_init();
}
