/* SPDX-License-Identifier: MIT */
/*
 * Zones: setting them up, watermarks, sums, the tables of /proc, the ledger, and the checker.
 *
 * Watermarks. min_free_kbytes is 4 * sqrt(lowmem kB), as in Linux: a sixteenfold machine keeps four
 * times as much. Each zone gets its share as `min`; only GFP_ATOMIC and reclaim itself go below.
 * low and high lie a quarter of min above each other, or watermark_scale_factor / 10000 of the zone
 * if that is more: kswapd works between them.
 *
 *	free   ------- high   kswapd stops
 *	       ------- low    kswapd starts
 *	       ------- min    direct reclaim; the reserve begins
 *
 * lowmem_reserve. A request that could be met by a higher zone leaves managed pages of the zones
 * above divided by the ratio in a lower one, for those who need the lower.
 *
 * The ledger says whose every page is (DESIGN.md 9.13). It is read from counters that the owners
 * keep and walks nothing; what nobody claims shows as `kernel`, and a leak as its growth.
 *
 * Locking: zone->lock for what is marked (z).
 */
#include <kernel/lib/string.h>
#include <mm/filemap.h>
#include <mm/internal.h>
#include <mm/memblock.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <mm/vmstat.h>

struct pglist_data node_data[MAX_NUMNODES];
unsigned long totalreserve_pages;

static const char *const zone_names[MAX_NR_ZONES] = {"DMA", "DMA32", "Normal"};

unsigned long sysctl_min_free_kbytes;
unsigned int sysctl_watermark_scale_factor = 10;
unsigned int sysctl_lowmem_reserve_ratio[MAX_NR_ZONES] = {256, 256, 32};

static unsigned long int_sqrt(unsigned long n)
{
	unsigned long root = 0;

	for (unsigned long bit = 1UL << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= n)
			root |= bit;
	return root;
}

static void zone_set_reserve(struct zone *z)
{
	unsigned long above = 0;

	for (unsigned int j = 0; j < MAX_NR_ZONES; j++) {
		z->lowmem_reserve[j] = 0;
		if (j <= z->idx)
			continue;
		above += node_data[z->nid].zones[j].managed;
		if (z->managed && sysctl_lowmem_reserve_ratio[z->idx])
			z->lowmem_reserve[j] = above / sysctl_lowmem_reserve_ratio[z->idx];
	}
}

static void zone_set_wmarks(struct zone *z, unsigned long min_pages, unsigned long total)
{
	unsigned long min = min_pages * z->managed / total;
	unsigned long gap = max(min / 4, z->managed * sysctl_watermark_scale_factor / 10000);

	z->watermark[WMARK_MIN] = min;
	z->watermark[WMARK_LOW] = min + gap;
	z->watermark[WMARK_HIGH] = min + 2 * gap;
}

/* What no ordinary request will get: for MemAvailable and overcommit. */
static unsigned long zone_reserve_pages(const struct zone *z)
{
	unsigned long reserve = 0;

	for (unsigned int j = 0; j < MAX_NR_ZONES; j++)
		reserve = max(reserve, z->lowmem_reserve[j]);
	return min(reserve + z->watermark[WMARK_HIGH], z->managed);
}

void setup_per_zone_wmarks(void)
{
	unsigned long total = totalram_pages(), reserve = 0, min_pages;
	static bool chosen;
	struct zone *z;

	if (!total)
		return;
	/* The formula's value, until somebody writes another. */
	if (!chosen)
		sysctl_min_free_kbytes =
			min(max(int_sqrt(total * (PAGE_SIZE >> 10) * 16), 128UL), 262144UL);
	chosen = true;
	min_pages = sysctl_min_free_kbytes >> (PAGE_SHIFT - 10);
	for_each_zone(z) {
		spin_lock(&z->lock);
		zone_set_reserve(z);
		zone_set_wmarks(z, min_pages, total);
		reserve += zone_reserve_pages(z);
		spin_unlock(&z->lock);
	}
	totalreserve_pages = reserve;
}

/* ---- boot: memblock's free memory into zones ---- */

/* Gives whole free pages [start, end) of zone z to the buddy in the largest blocks that fit. */
static void free_range_locked(struct zone *z, pfn_t start, pfn_t end)
{
	while (start < end) {
		unsigned int order = min((unsigned int)__builtin_ctzl(start | 1UL << MAX_ORDER),
					 ilog2(end - start));

		buddy_free_locked(z, pfn_to_page(start), order);
		start += 1UL << order;
	}
}

/* An online section's part [start, end) that lies in zone z. */
static void online_range(struct zone *z, pfn_t start, pfn_t end)
{
	paddr_t s, e;

	for (pfn_t pfn = start; pfn < end; pfn += GRANULE_PAGES)
		if (pfn_valid(pfn))
			init_struct_pages(pfn, pfn + GRANULE_PAGES, z->idx, z->nid, true);
	for (paddr_t from = pfn_to_phys(start);
	     memblock_next_free(from, &s, &e) && s < pfn_to_phys(end); from = e) {
		e = min(e, pfn_to_phys(end));
		init_struct_pages(s >> PAGE_SHIFT, e >> PAGE_SHIFT, z->idx, z->nid, false);
		spin_lock(&z->lock);
		free_range_locked(z, s >> PAGE_SHIFT, e >> PAGE_SHIFT);
		spin_unlock(&z->lock);
		z->managed += (e - s) >> PAGE_SHIFT;
	}
}

static void zone_add_sections(struct zone *z, pfn_t start, pfn_t end)
{
	while (start < end) {
		unsigned long nr = start >> SECTION_PFN_SHIFT;
		pfn_t next = min((nr + 1) << SECTION_PFN_SHIFT, end);

		switch (mem_sections[nr].state) {
		case SECTION_ONLINE:
			online_range(z, start, next);
			break;
		case SECTION_DEFERRED:
			z->nr_deferred++;
			z->nr_free += PAGES_PER_SECTION;
			z->managed += PAGES_PER_SECTION;
			break;
		}
		start = next;
	}
}

/* First and last RAM of [start, end), as pfns. */
static void zone_span(struct zone *z, pfn_t start, pfn_t end)
{
	paddr_t s, e, first = 0, last = 0;

	for (paddr_t from = pfn_to_phys(start);
	     memblock_next_memory(from, &s, &e) && s < pfn_to_phys(end); from = e) {
		if (!last)
			first = s;
		last = min(e, pfn_to_phys(end));
		e = last;
	}
	z->start_pfn = first >> PAGE_SHIFT;
	z->spanned = (last - first) >> PAGE_SHIFT;
	z->present = memblock_memory_size(first, last) >> PAGE_SHIFT;
}

/* An amount worth one trip to the buddy: a power of two, so that it is one block; of which PCP_MAX
 * holds four; and less in a small zone, where four times that on each list would be missed. */
static void zone_set_pcp(struct zone *z)
{
	unsigned long batch = z->managed / 2048;

	batch = min(max(batch, 4UL), PCP_MAX / 4UL);
	z->pcp_batch = 1u << ilog2(batch);
	z->pcp_high = 4 * z->pcp_batch;
	for_each_cpu(cpu)
		per_cpu_ptr(&pcp_pages[z->idx], cpu)->high = z->pcp_high;
}

void page_alloc_init(void)
{
	static const pfn_t bounds[MAX_NR_ZONES + 1] = {0, ZONE_DMA_END_PFN, ZONE_DMA32_END_PFN,
						       ~0UL};
	struct pglist_data *node = &node_data[0];
	pfn_t max_pfn = memblock_memory_end() >> PAGE_SHIFT;

	for (unsigned int i = 0; i < MAX_NR_ZONES; i++) {
		struct zone *z = &node->zones[i];

		*z = (struct zone){.idx = i, .name = zone_names[i]};
		spin_lock_init(&z->lock, LOCK_ZONE);
		lruvec_init(&z->lru);
		if (bounds[i] < max_pfn)
			zone_span(z, bounds[i], min(bounds[i + 1], max_pfn));
		if (!z->present)
			continue;
		z->next_deferred = z->start_pfn >> SECTION_PFN_SHIFT;
		zone_add_sections(z, bounds[i], min(bounds[i + 1], ALIGN(max_pfn, GRANULE_PAGES)));
		zone_set_pcp(z);
	}
	for (gfp_t gfp = 0; gfp <= (__GFP_DMA | __GFP_DMA32); gfp++) {
		unsigned int i = gfp_zone_idx(gfp);

		while (i && !node->zones[i].present)
			i--;
		node->first_zone[gfp] = i;
	}
	setup_per_zone_wmarks();
}

/* A reserved page of RAM becomes a free one. */
static bool free_reserved_page(struct page *p)
{
	struct zone *z = page_zone(p);

	if (!PageReserved(p))
		return false;
	ClearPageReserved(p);
	atomic_set(&p->refcount, 0);
	spin_lock(&z->lock);
	buddy_free_locked(z, p, 0);
	z->managed++;
	spin_unlock(&z->lock);
	return true;
}

unsigned long free_reserved_area(paddr_t start, paddr_t end)
{
	unsigned long freed = 0;
	paddr_t s, e;

	start = PAGE_ALIGN(start);
	end = PAGE_ALIGN_DOWN(end);
	/* holes are reserved pages, too: only RAM */
	for (; memblock_next_memory(start, &s, &e) && s < end; start = e)
		for (pfn_t pfn = s >> PAGE_SHIFT; pfn < min(e, end) >> PAGE_SHIFT; pfn++)
			if (pfn_valid(pfn))
				freed += free_reserved_page(pfn_to_page(pfn));
	setup_per_zone_wmarks();
	return freed;
}

/* ---- sums ---- */

unsigned long totalram_pages(void)
{
	unsigned long sum = 0;
	const struct zone *z;

	for_each_zone(z)
		sum += READ_ONCE(z->managed);
	return sum;
}

unsigned long nr_free_pages(void)
{
	unsigned long sum = 0;
	const struct zone *z;

	for_each_zone(z)
		sum += READ_ONCE(z->nr_free);
	return sum;
}

static unsigned long pcp_pages_of(unsigned int cpu, unsigned int zone)
{
	const struct per_cpu_pages *pcp = per_cpu_ptr(&pcp_pages[zone], cpu);
	unsigned long sum = 0;

	for (unsigned int mt = 0; mt < MIGRATE_PCPTYPES; mt++)
		sum += READ_ONCE(pcp->list[mt].count);
	return sum;
}

static unsigned long nr_pcp_pages(void)
{
	unsigned long sum = 0;

	for_each_cpu(cpu)
		for (unsigned int i = 0; i < MAX_NR_ZONES; i++)
			sum += pcp_pages_of(cpu, i);
	return sum;
}

/* Free, plus what reclaim can get without hurting: half of the cache, or all but the low mark. */
unsigned long nr_available_pages(void)
{
	unsigned long low = 0, cache, slab;
	long available = (long)nr_free_pages() - (long)totalreserve_pages;
	const struct zone *z;

	for_each_zone(z)
		low += z->watermark[WMARK_LOW];
	cache = vmstat_item(NR_FILE_PAGES);
	cache -= min(cache, vmstat_item(NR_SHMEM));
	slab = vmstat_item(NR_SLAB_RECLAIMABLE);
	available += cache - min(cache / 2, low);
	available += slab - min(slab / 2, low);
	return available > 0 ? available : 0;
}

/* ---- for /proc ---- */

static void count_pageblocks(const struct zone *z, unsigned long *counts)
{
	for (pfn_t pfn = ALIGN_DOWN(z->start_pfn, PAGEBLOCK_PAGES); pfn < z->start_pfn + z->spanned;
	     pfn += PAGEBLOCK_PAGES) {
		const struct mem_section *s = pfn_section(pfn);

		if (s->present >> (pfn / GRANULE_PAGES % GRANULES_PER_SECTION) & 1)
			counts[pageblock_mt(pfn)]++;
	}
}

bool zone_info_get(unsigned int n, struct zone_info *zi)
{
	struct zone *z;

	if (n >= MAX_NR_ZONES * MAX_NUMNODES)
		return false;
	z = &node_data[n / MAX_NR_ZONES].zones[n % MAX_NR_ZONES];
	*zi = (struct zone_info){.nid = z->nid, .name = z->name};
	spin_lock(&z->lock);
	zi->free = z->nr_free;
	zi->min = z->watermark[WMARK_MIN];
	zi->low = z->watermark[WMARK_LOW];
	zi->high = z->watermark[WMARK_HIGH];
	zi->start_pfn = z->start_pfn;
	zi->spanned = z->spanned;
	zi->present = z->present;
	zi->managed = z->managed;
	zi->nr_highatomic = z->nr_highatomic;
	for (unsigned int i = 0; i < NR_LRU_KINDS; i++)
		zi->lru[i] = READ_ONCE(z->lru.list[i].nr);
	zi->write_pending = (unsigned long)max(atomic_long_read(&z->write_pending), 0L);
	zi->deferred = z->nr_deferred * PAGES_PER_SECTION;
	zi->pcp_batch = z->pcp_batch;
	zi->pcp_high = z->pcp_high;
	memcpy(zi->protection, z->lowmem_reserve, sizeof(zi->protection));
	for (unsigned int o = 0; o < NR_ORDERS; o++)
		for (unsigned int mt = 0; mt < MIGRATE_TYPES; mt++)
			zi->nr_free_mt[o][mt] = z->free_area[o].nr[mt];
	/* A deferred section is so many blocks that have not been written down yet. */
	zi->nr_free_mt[MAX_ORDER][MIGRATE_MOVABLE] += zi->deferred >> MAX_ORDER;
	count_pageblocks(z, zi->pageblocks);
	spin_unlock(&z->lock);
	for (unsigned int o = 0; o < NR_ORDERS; o++)
		for (unsigned int mt = 0; mt < MIGRATE_TYPES; mt++)
			zi->nr_free[o] += zi->nr_free_mt[o][mt];
	zi->nr_cpus = nr_cpu_ids;
	for_each_cpu(cpu)
		zi->pcp_count[cpu] = pcp_pages_of(cpu, z->idx);
	return true;
}

/* ---- the ledger ---- */

void ledger_read(struct ledger *l)
{
	unsigned long used;

	*l = (struct ledger){
		.total = totalram_pages(),
		.free = nr_free_pages(),
		.pcp = nr_pcp_pages(),
		.slab = vmstat_item(NR_SLAB_RECLAIMABLE) + vmstat_item(NR_SLAB_UNRECLAIMABLE),
		.table = vmstat_item(NR_PAGETABLE),
		.kstack = vmstat_item(NR_KSTACK),
		.vmalloc = vmstat_item(NR_VMALLOC),
		.anon = vmstat_item(NR_ANON_MAPPED),
		.shmem = vmstat_item(NR_SHMEM),
	};
	l->file = vmstat_item(NR_FILE_PAGES);
	l->file -= min(l->file, l->shmem);
	used = l->free + l->pcp + l->slab + l->table + l->kstack + l->vmalloc + l->anon + l->file +
	       l->shmem;
	l->kernel = l->total - min(l->total, used);
}

void ledger_settle(void)
{
	drop_clean_cache();
	kstack_drain();
	slab_make_magazines();
	slab_shrink(100);
	drain_all_pages();
}

/* ---- the checker ---- */

static void check_free_block(const struct zone *z, struct page *p, unsigned int order,
			     unsigned int mt)
{
	pfn_t pfn = page_to_pfn(p), buddy = pfn ^ (1UL << order);

	assert(pfn_valid(pfn) && page_zone(p) == z);
	assert(PageBuddy(p) && p->order == order);
	assert(IS_ALIGNED(pfn, 1UL << order));
	assert(pageblock_mt(pfn) == mt);
	assert(page_count(p) == 0);
	if (order < PAGEBLOCK_ORDER)
		assert(!PageBuddy(pfn_to_page(buddy)) || pfn_to_page(buddy)->order != order);
	else if (order == MAX_ORDER)
		assert(pageblock_mt(pfn + PAGEBLOCK_PAGES) == mt);
	for (unsigned long i = 1; i < 1UL << order; i++)
		assert(!(p[i].flags & ((1u << PAGE_ZONE_SHIFT) - 1)) && page_count(&p[i]) == 0);
}

static unsigned long check_free_list(const struct zone *z, unsigned int order, unsigned int mt)
{
	struct free_area a = z->free_area[order];
	u32 nr = 0, prev = 0;

	for (u32 pfn = a.head[mt]; pfn; pfn = pfn_to_page(pfn)->next) {
		assert(pfn_to_page(pfn)->prev == prev);
		check_free_block(z, pfn_to_page(pfn), order, mt);
		prev = pfn;
		nr++;
		assert(nr <= a.nr[mt]);
	}
	assert(nr == a.nr[mt]);
	return (unsigned long)nr << order;
}

static void check_pcp(const struct zone *z, struct per_cpu_pages *pcp)
{
	spin_lock(&pcp->lock);
	for (unsigned int mt = 0; mt < MIGRATE_PCPTYPES; mt++) {
		const struct pcp_list *l = &pcp->list[mt];

		assert(l->count <= PCP_MAX);
		for (u32 i = 0; i < l->count; i++) {
			const struct page *p = pfn_to_page(l->pfn[i]);

			assert(page_zone(p) == z && page_count(p) == 0);
			assert(!(p->flags & ((1u << PAGE_ZONE_SHIFT) - 1)));
		}
	}
	spin_unlock(&pcp->lock);
}

void page_alloc_check(void)
{
	struct zone *z;

	for_each_zone(z) {
		unsigned long sum;

		for_each_cpu(cpu)
			check_pcp(z, per_cpu_ptr(&pcp_pages[z->idx], cpu));
		spin_lock(&z->lock);
		sum = z->nr_deferred * PAGES_PER_SECTION;
		for (unsigned int o = 0; o < NR_ORDERS; o++)
			for (unsigned int mt = 0; mt < MIGRATE_TYPES; mt++)
				sum += check_free_list(z, o, mt);
		assert(sum == z->nr_free && z->nr_free <= z->managed);
		assert(z->managed <= z->present && z->present <= z->spanned);
		spin_unlock(&z->lock);
	}
}
