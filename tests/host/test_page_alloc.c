/* SPDX-License-Identifier: MIT */
/*
 * The real page allocator against a record of who was given what: each block is marked in its first
 * and last word, so that an overlap shows when it is freed, and in a map of pages; and the sums must
 * be right at every moment.
 */
#include <stdlib.h>
#include <string.h>

#include <mm/failinject.h>
#include <mm/memblock.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <tests/host/host.h>

#define MIB (1UL << 20)

static const struct ram pc16[] = {{0, 0x9f000}, {MIB, 16 * MIB - 0x20000}, {0, 0}};
static const struct ram pc64[] = {{0, 0x9f000}, {MIB, 64 * MIB}, {0, 0}};
/* a hole of odd size, and all three zones */
static const struct ram zones3[] = {{0, 0x9f000},
				    {MIB, 40 * MIB + 0x7000},
				    {41 * MIB + 0x3000, 64 * MIB},
				    {4096 * MIB, 4096 * MIB + 32 * MIB},
				    {0, 0}};
static const struct ram big[] = {{0, 0x9f000}, {MIB, 3072 * MIB}, {4096 * MIB, 6144 * MIB}, {0, 0}};

struct block {
	struct page *page;
	unsigned int order;
	gfp_t gfp;
	u64 mark;
};

#define MAX_BLOCKS 32768
static struct block blocks[MAX_BLOCKS];
static unsigned int nr_blocks;
static unsigned long nr_allocated; /* pages */
static unsigned long nr_outside;   /* allocated before the test: slab's and such */
static u8 *in_use;                 /* by pfn */

static u64 *first_word(const struct block *b)
{
	return page_address(b->page);
}
static u64 *last_word(const struct block *b)
{
	return (u64 *)((char *)page_address(b->page) + (PAGE_SIZE << b->order)) - 1;
}

static unsigned long pages_on_cpus(void)
{
	unsigned long n = 0;

	for_each_cpu(cpu)
		for (unsigned int i = 0; i < MAX_NR_ZONES; i++)
			for (unsigned int mt = 0; mt < MIGRATE_PCPTYPES; mt++)
				n += per_cpu_ptr(&pcp_pages[i], cpu)->list[mt].count;
	return n;
}

static void check_sums(void)
{
	CHECK_EQ(nr_free_pages() + pages_on_cpus() + nr_allocated + nr_outside, totalram_pages());
}

static void boot(const struct ram *ram, unsigned int cpus)
{
	host_add_cpus(cpus);
	host_boot(ram);
	in_use = calloc(1, memblock_memory_end() >> PAGE_SHIFT);
	nr_outside = totalram_pages() - nr_free_pages() - pages_on_cpus();
	page_alloc_check();
}

static bool zone_allowed(const struct page *p, gfp_t gfp)
{
	if (gfp & __GFP_DMA)
		return page_to_pfn(p) < ZONE_DMA_END_PFN;
	return !(gfp & __GFP_DMA32) || page_to_pfn(p) < ZONE_DMA32_END_PFN;
}

static void check_new_block(const struct block *b)
{
	pfn_t pfn = page_to_pfn(b->page);
	unsigned long n = 1UL << b->order;

	CHECK(IS_ALIGNED(pfn, n));
	CHECK(zone_allowed(b->page, b->gfp));
	for (unsigned long i = 0; i < n; i++) {
		CHECK(pfn_valid(pfn + i) && !PageReserved(b->page + i));
		CHECK_EQ(page_count(b->page + i), i == 0);
		if (in_use[pfn + i]++)
			FAIL("page %lx is handed out twice", pfn + i);
	}
	if (b->gfp & __GFP_COMP && b->order) {
		CHECK_EQ(compound_order(b->page), b->order);
		CHECK(compound_head(b->page + n - 1) == b->page);
	} else {
		CHECK(!PageHead(b->page));
	}
	if (b->gfp & __GFP_ZERO)
		for (u64 *w = first_word(b); w <= last_word(b); w++)
			CHECK(*w == 0);
}

static bool block_alloc(gfp_t gfp, unsigned int order)
{
	struct block *b = &blocks[nr_blocks];

	if (nr_blocks == MAX_BLOCKS)
		return false;
	*b = (struct block){alloc_pages(gfp | __GFP_NOWARN, order), order, gfp, rnd64()};
	if (!b->page)
		return false;
	check_new_block(b);
	*first_word(b) = *last_word(b) = b->mark;
	nr_allocated += 1UL << order;
	nr_blocks++;
	return true;
}

static void block_free(unsigned int i)
{
	struct block b = blocks[i];

	if (*first_word(&b) != b.mark || *last_word(&b) != b.mark)
		FAIL("page %lx order %u was overwritten", page_to_pfn(b.page), b.order);
	memset(in_use + page_to_pfn(b.page), 0, 1UL << b.order);
	blocks[i] = blocks[--nr_blocks];
	nr_allocated -= 1UL << b.order;
	if (b.order == 0 || b.gfp & __GFP_COMP) {
		put_page(b.page + (b.order ? rnd(1u << b.order) : 0)); /* any tail will do */
		return;
	}
	free_pages_block(b.page, b.order);
}

static gfp_t random_gfp(void)
{
	static const gfp_t kinds[] = {
		GFP_KERNEL,
		GFP_HIGHUSER_MOVABLE,
		GFP_HIGHUSER_MOVABLE,
		GFP_KERNEL | __GFP_RECLAIMABLE,
		GFP_ATOMIC,
		GFP_NOWAIT,
		GFP_KERNEL | __GFP_DMA,
		GFP_KERNEL | __GFP_DMA32,
	};

	return kinds[rnd(ARRAY_SIZE(kinds))] | (rnd(2) ? __GFP_COMP : 0) |
	       (rnd(4) ? 0 : __GFP_ZERO);
}

static void random_ops(unsigned long n, unsigned int max_order)
{
	unsigned int bias = 50;

	for (unsigned long i = 0; i < n; i++) {
		if (i % 5000 == 0)
			bias = 20 + rnd(60); /* percent of allocations: fill and empty in turn */
		if (rnd(100) < bias)
			block_alloc(random_gfp(), rnd(4) ? 0 : rnd(max_order + 1));
		else if (nr_blocks)
			block_free(rnd(nr_blocks));
		if (nr_cpu_ids > 1 && !rnd(50))
			host_set_cpu(rnd(nr_cpu_ids));
		if (!rnd(5000))
			drain_all_pages();
		if (i % 20000 == 0)
			page_alloc_check();
		if (i % 1000 == 0)
			check_sums();
	}
}

static void free_everything(void)
{
	while (nr_blocks)
		block_free(nr_blocks - 1);
	drain_all_pages();
	page_alloc_check();
	check_sums();
}

/* All free again means: all merged again. */
static void check_merged(const struct zone_info *before)
{
	struct zone_info zi;

	for (unsigned int i = 0; zone_info_get(i, &zi); i++)
		for (unsigned int o = 0; o < NR_ORDERS; o++)
			if (zi.nr_free[o] != before[i].nr_free[o])
				FAIL("zone %s order %u: %lu blocks, before %lu", zi.name, o,
				     zi.nr_free[o], before[i].nr_free[o]);
}

static void random_test(const struct ram *ram, unsigned int cpus, unsigned long n,
			unsigned int max_order)
{
	struct zone_info before[MAX_NR_ZONES];

	boot(ram, cpus);
	drain_all_pages();
	for (unsigned int i = 0; i < MAX_NR_ZONES; i++)
		zone_info_get(i, &before[i]);
	random_ops(n, max_order);
	free_everything();
	check_merged(before);
}

HOST_TEST(page_alloc, random_16M,
	  "a bad split or merge, a page given twice, a wrong zone, lost pages")
{
	random_test(pc16, 1, rounds(400000), 4);
}

HOST_TEST(page_alloc, random_zones,
	  "the same over three zones, holes, two processors' lists, all orders")
{
	random_test(zones3, 2, rounds(100000), MAX_ORDER);
}

HOST_TEST(page_alloc, random_order0,
	  "per-CPU lists that lose or duplicate pages in bulk refill and flush")
{
	random_test(pc64, 3, rounds(600000), 0);
}

/* How many pages of order 0 this request gets before it fails; and gives them back. */
static unsigned long exhaust(gfp_t gfp)
{
	unsigned long n = 0;
	struct page *list = NULL, *p;

	while ((p = alloc_page(gfp | __GFP_NOWARN))) {
		*(struct page **)page_address(p) = list;
		list = p;
		n++;
	}
	while ((p = list)) {
		list = *(struct page **)page_address(p);
		put_page(p);
	}
	drain_all_pages();
	return n;
}

HOST_TEST(page_alloc, exhaustion,
	  "requests that ignore the watermarks, or a reserve that nobody can use")
{
	unsigned long total, normal, atomic, memalloc;
	struct zone_info zi;

	boot(pc16, 1);
	total = nr_free_pages() + pages_on_cpus();
	CHECK(zone_info_get(0, &zi));
	normal = exhaust(GFP_KERNEL);
	atomic = exhaust(GFP_ATOMIC);
	memalloc = exhaust(GFP_KERNEL | __GFP_MEMALLOC);
	CHECK_EQ(memalloc, total);
	/* a refill may go below the mark by a batch, as it is checked before */
	CHECK(normal + zi.min <= total + zi.pcp_batch && normal + zi.min + zi.pcp_batch >= total);
	CHECK(atomic > normal && atomic < memalloc);
	CHECK_EQ(nr_free_pages(), total);
	page_alloc_check();
}

HOST_TEST(page_alloc, lowmem_reserve,
	  "ordinary requests that eat up the zones which others depend on")
{
	struct zone_info dma;

	boot(zones3, 1);
	while (block_alloc(GFP_HIGHUSER_MOVABLE, 0))
		;
	CHECK(nr_blocks < MAX_BLOCKS);
	drain_all_pages();
	CHECK(zone_info_get(ZONE_DMA, &dma));
	CHECK(dma.protection[ZONE_NORMAL] > 0);
	CHECK(dma.free + dma.pcp_batch >= dma.min + dma.protection[ZONE_NORMAL]);
	CHECK(block_alloc(GFP_KERNEL | __GFP_DMA, 0));
	free_everything();
}

static unsigned int count_unmovable(unsigned int *pageblocks)
{
	u8 spoilt[64] = {0};
	unsigned int nr = 0;

	*pageblocks = 0;
	for (unsigned int i = 0; i < nr_blocks; i++) {
		u8 *s = &spoilt[page_to_pfn(blocks[i].page) >> PAGEBLOCK_ORDER];

		if (blocks[i].gfp & __GFP_MOVABLE)
			continue;
		nr++;
		*pageblocks += !*s;
		*s = 1;
	}
	return nr;
}

HOST_TEST(page_alloc, grouping,
	  "unmovable pages spread over all pageblocks: memory fragments for good")
{
	unsigned int nr, spoilt;

	boot(pc64, 1);
	while (nr_blocks < 8192 && block_alloc(GFP_HIGHUSER_MOVABLE, 0))
		;
	for (int i = 0; i < 20000; i++) {
		if (nr_blocks && rnd(2))
			block_free(rnd(nr_blocks));
		else
			block_alloc(rnd(10) ? GFP_HIGHUSER_MOVABLE : GFP_KERNEL, 0);
	}
	nr = count_unmovable(&spoilt);
	/* twice as many pageblocks as they would fill, and two */
	if (spoilt > 2 + 2 * nr / PAGEBLOCK_PAGES)
		FAIL("%u unmovable pages in %u pageblocks", nr, spoilt);
	free_everything();
}

/* No pageblock is all free, but each is so for the most part. */
HOST_TEST(page_alloc, claiming,
	  "small requests that take from a pageblock each instead of claiming one")
{
	unsigned int nr, spoilt;

	boot(pc64, 1);
	while (block_alloc(GFP_HIGHUSER_MOVABLE, 0))
		;
	for (unsigned int i = nr_blocks; i-- > 0;)
		if (rnd(10) < 7)
			block_free(i);
	drain_all_pages();
	for (int i = 0; i < 1200; i++)
		CHECK(block_alloc(GFP_KERNEL, 0));
	nr = count_unmovable(&spoilt);
	CHECK_EQ(nr, 1200);
	if (spoilt > 2 + 2 * nr / (PAGEBLOCK_PAGES / 2))
		FAIL("%u unmovable pages in %u pageblocks", nr, spoilt);
	page_alloc_check();
	free_everything();
}

HOST_TEST(page_alloc, deferred, "boot or a small load that touches the page array of unused memory")
{
	unsigned long at_boot, after;
	struct zone_info zi;

	boot(big, 1);
	at_boot = host_touched_vmemmap();
	/* 1 GiB is 8192 KiB of page array; the array itself and the tables lie in one or two more */
	CHECK(at_boot * PAGE_SIZE <= 11 * MIB);
	CHECK(zone_info_get(ZONE_NORMAL, &zi) && zi.deferred > 300000);
	CHECK(zi.nr_free[MAX_ORDER] << MAX_ORDER > zi.deferred);
	for (int i = 0; i < 2000; i++)
		CHECK(block_alloc(random_gfp() & ~(__GFP_DMA | __GFP_ZERO), rnd(3)));
	after = host_touched_vmemmap();
	CHECK(after <= at_boot + 2 * 256);
	check_sums();
	/* all of NORMAL, in large blocks: every section comes online */
	while (block_alloc(GFP_KERNEL, MAX_ORDER) &&
	       page_to_pfn(blocks[nr_blocks - 1].page) >= ZONE_DMA32_END_PFN)
		;
	CHECK(zone_info_get(ZONE_NORMAL, &zi));
	CHECK_EQ(zi.deferred, 0);
	page_alloc_check();
	check_sums(); /* and not freed: poison would touch it all */
}

/* Pages set aside, as the pageblocks say and as the zones count them. */
static unsigned long check_highatomic(void)
{
	struct zone_info zi;
	unsigned long sum = 0;

	for (unsigned int i = 0; zone_info_get(i, &zi); i++) {
		CHECK(zi.nr_highatomic <= zi.managed / 100);
		CHECK_EQ(zi.nr_highatomic, zi.pageblocks[MIGRATE_HIGHATOMIC] * PAGEBLOCK_PAGES);
		sum += zi.nr_highatomic;
	}
	page_alloc_check();
	check_sums();
	return sum;
}

/* Requests of order > 0 reach the reserve only when the zone is below its low mark. */
HOST_TEST(page_alloc, highatomic,
	  "pageblocks set aside for atomic requests that are lost or never given back")
{
	static const struct ram pc400[] = {{0, 0x9f000}, {MIB, 400 * MIB}, {0, 0}};
	unsigned long reserved = 0, free;

	boot(pc400, 1);
	drain_all_pages();
	free = nr_free_pages();
	for (int round = 0; round < 4; round++) {
		while (block_alloc(GFP_NOWAIT, 5))
			;
		for (int i = 0; i < 20; i++)
			block_alloc(GFP_ATOMIC, 1 + rnd(3));
		reserved += check_highatomic();
		for (int i = 0; i < 200 && nr_blocks; i++)
			block_free(rnd(nr_blocks));
		check_highatomic();
		/* who may reclaim gets them back before it fails */
		while (block_alloc(GFP_KERNEL, 2))
			;
		check_highatomic();
		free_everything();
		check_highatomic();
	}
	CHECK(reserved > 0);
	CHECK_EQ(nr_free_pages(), free);
}

HOST_TEST(page_alloc, free_reserved, "an initramfs whose memory is lost, or freed beyond its end")
{
	unsigned long managed;

	memblock_reserve(8 * MIB + 100, MIB);
	boot(pc16, 1);
	managed = totalram_pages();
	CHECK_EQ(free_reserved_area(8 * MIB + 100, 9 * MIB + 100), 255);
	CHECK_EQ(totalram_pages(), managed + 255);
	CHECK_EQ(free_reserved_area(8 * MIB + 100, 9 * MIB + 100), 0);
	CHECK_EQ(free_reserved_area(0xa0000, MIB), 0);
	page_alloc_check();
	check_sums();
}

HOST_TEST(page_alloc, tiny_machines, "sizes at which a zone or a granule is empty, odd or cut")
{
	static const size_t ends[] = {3 * MIB + 0x5000,  4 * MIB,  16 * MIB,
				      16 * MIB + 0x1000, 17 * MIB, 128 * MIB - 0x1000,
				      128 * MIB + 0x1000};

	struct ram ram[] = {{0, 0x9f000}, {MIB, ends[rnd(ARRAY_SIZE(ends))]}, {0, 0}};

	boot(ram, 1);
	random_ops(20000, 5);
	free_everything();
}

/* ---- misuse ---- */

static void free_twice(void)
{
	struct page *p = alloc_page(GFP_KERNEL);

	free_page_struct(p);
	free_page_struct(p);
}
static void free_block_twice(void)
{
	struct page *p = alloc_pages(GFP_KERNEL, 3);

	free_pages_block(p, 3);
	free_pages_block(p, 3);
}
static void free_referenced(void)
{
	struct page *p = alloc_page(GFP_KERNEL);

	get_page(p);
	free_page_struct(p);
}
static void free_locked(void)
{
	struct page *p = alloc_page(GFP_KERNEL);

	SetPageLocked(p);
	free_page_struct(p);
}
static void free_mapped(void)
{
	struct page *p = alloc_page(GFP_KERNEL);

	atomic_set(&p->mapcount, 1);
	free_page_struct(p);
}
static void free_wrong_order(void)
{
	free_pages_block(alloc_pages(GFP_KERNEL | __GFP_COMP, 3), 2);
}
static void free_reserved_page(void)
{
	free_page_struct(pfn_to_page(0));
}

HOST_TEST(page_alloc, misuse, "a double free, or a free of a page in use, that goes unnoticed")
{
	boot(pc16, 1);
	host_check_panics(free_twice, "freed twice");
	host_check_panics(free_block_twice, "freed twice");
	host_check_panics(free_referenced, "with references");
	host_check_panics(free_locked, "freed in use");
	host_check_panics(free_mapped, "while mapped");
	host_check_panics(free_wrong_order, "another order");
	host_check_panics(free_reserved_page, "freed in use");
}

#ifdef CONFIG_DEBUG
HOST_TEST(page_alloc, injected_failures, "an allocation failure that leaks or is not reported")
{
	boot(pc16, 1);
	for (unsigned int nth = 1; nth < 30; nth++) {
		unsigned int got = 0;

		fail_inject_set(FAIL_PAGE, nth, 2);
		for (int i = 0; i < 40; i++)
			got += block_alloc(GFP_KERNEL, rnd(3));
		CHECK_EQ(got, 38);
		CHECK_EQ(fail_inject_hits(), 2);
		fail_inject_set(FAIL_PAGE, 0, 0);
		free_everything();
	}
}

static void write_after_free(void)
{
	struct page *p = alloc_page(GFP_KERNEL);

	free_page_struct(p);
	((u8 *)page_address(p))[1234] = 0;
	while (alloc_page(GFP_KERNEL | __GFP_NOWARN))
		;
}

HOST_TEST(page_alloc, poison, "a write to a freed page that goes unnoticed")
{
	boot(pc16, 1);
	host_check_panics(write_after_free, "was written after it was freed");
}
#endif
