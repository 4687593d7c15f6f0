/* SPDX-License-Identifier: MIT */
/*
 * The report on memory that sysrq-trigger asks for ("echo m > /proc/sysrq-trigger") and the OOM killer
 * gives, in the form and at the level in which Linux writes it to its log: the machine's counters, the
 * node's, then for each zone its watermarks and pages, what the zones above leave to it, and its free
 * blocks by order with the types that have some:
 *
 *	Node 0 DMA32: 2*4kB (UM) 0*8kB ... 103*4096kB (M) = 423256kB
 *
 * Counters go on counting while they are read; nothing is locked for longer than one zone's copy.
 */
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <mm/init.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/swap.h>
#include <mm/vmscan.h>
#include <mm/vmstat.h>

#define K(pages) ((pages) << (PAGE_SHIFT - 10))

static void show_counters(unsigned long free_pcp)
{
	pr_warn("active_anon:%lu inactive_anon:%lu isolated_anon:0\n"
		" active_file:%lu inactive_file:%lu isolated_file:0\n"
		" unevictable:%lu dirty:%lu writeback:%lu\n",
		vmstat_item(NR_ACTIVE_ANON), vmstat_item(NR_INACTIVE_ANON),
		vmstat_item(NR_ACTIVE_FILE), vmstat_item(NR_INACTIVE_FILE),
		vmstat_item(NR_UNEVICTABLE), vmstat_item(NR_FILE_DIRTY), vmstat_item(NR_WRITEBACK));
	pr_warn(" slab_reclaimable:%lu slab_unreclaimable:%lu\n mapped:%lu shmem:%lu pagetables:%lu\n"
		" sec_pagetables:0 bounce:0\n kernel_misc_reclaimable:0\n"
		" free:%lu free_pcp:%lu free_cma:0\n",
		vmstat_item(NR_SLAB_RECLAIMABLE), vmstat_item(NR_SLAB_UNRECLAIMABLE),
		vmstat_item(NR_FILE_MAPPED), vmstat_item(NR_SHMEM), vmstat_item(NR_PAGETABLE),
		nr_free_pages(), free_pcp);
}

static void show_node(int nid)
{
	pr_warn("Node %d active_anon:%lukB inactive_anon:%lukB active_file:%lukB inactive_file:%lukB "
		"unevictable:%lukB isolated(anon):0kB isolated(file):0kB mapped:%lukB dirty:%lukB "
		"writeback:%lukB shmem:%lukB writeback_tmp:0kB kernel_stack:%lukB pagetables:%lukB "
		"sec_pagetables:0kB all_unreclaimable? %s\n",
		nid, K(vmstat_item(NR_ACTIVE_ANON)), K(vmstat_item(NR_INACTIVE_ANON)),
		K(vmstat_item(NR_ACTIVE_FILE)), K(vmstat_item(NR_INACTIVE_FILE)),
		K(vmstat_item(NR_UNEVICTABLE)), K(vmstat_item(NR_FILE_MAPPED)),
		K(vmstat_item(NR_FILE_DIRTY)), K(vmstat_item(NR_WRITEBACK)),
		K(vmstat_item(NR_SHMEM)), K(vmstat_item(NR_KSTACK)), K(vmstat_item(NR_PAGETABLE)),
		kswapd_gave_up() ? "yes" : "no");
}

static unsigned long zone_pcp(const struct zone_info *zi)
{
	unsigned long n = 0;

	for (unsigned int cpu = 0; cpu < zi->nr_cpus; cpu++)
		n += zi->pcp_count[cpu];
	return n;
}

/* What is unevictable is so because it is locked. */
static void show_zone(const struct zone_info *zi)
{
	const unsigned long *lru = zi->lru;

	pr_warn("Node %d %s free:%lukB boost:0kB min:%lukB low:%lukB high:%lukB "
		"reserved_highatomic:%luKB active_anon:%lukB inactive_anon:%lukB active_file:%lukB "
		"inactive_file:%lukB unevictable:%lukB writepending:%lukB present:%lukB managed:%lukB "
		"mlocked:%lukB bounce:0kB free_pcp:%lukB local_pcp:%lukB free_cma:0kB\n",
		zi->nid, zi->name, K(zi->free), K(zi->min), K(zi->low), K(zi->high),
		K(zi->nr_highatomic), K(lru[LRU_ACTIVE_ANON]), K(lru[LRU_INACTIVE_ANON]),
		K(lru[LRU_ACTIVE_FILE]), K(lru[LRU_INACTIVE_FILE]), K(lru[LRU_UNEVICTABLE]),
		K(zi->write_pending), K(zi->present), K(zi->managed), K(lru[LRU_UNEVICTABLE]),
		K(zone_pcp(zi)), K((unsigned long)zi->pcp_count[smp_processor_id()]));
	_Static_assert(MAX_NR_ZONES == 3, "one number each");
	pr_warn("lowmem_reserve[]: %lu %lu %lu\n", zi->protection[0], zi->protection[1],
		zi->protection[2]);
}

static void show_free_lists(const struct zone_info *zi)
{
	static const char letters[MIGRATE_TYPES] = {
		[MIGRATE_UNMOVABLE] = 'U',
		[MIGRATE_MOVABLE] = 'M',
		[MIGRATE_RECLAIMABLE] = 'E',
		[MIGRATE_HIGHATOMIC] = 'H',
	};
	unsigned long total = 0;
	char line[400]; /* eleven of at most 33 characters */
	int len = 0;

	for (unsigned int order = 0; order < NR_ORDERS; order++) {
		char types[MIGRATE_TYPES + 1] = "";
		unsigned int n = 0;

		for (unsigned int mt = 0; mt < MIGRATE_TYPES; mt++)
			if (zi->nr_free_mt[order][mt])
				types[n++] = letters[mt];
		len += scnprintf(line + len, sizeof(line) - (size_t)len,
				 n ? " %lu*%lukB (%s)" : " %lu*%lukB%s", zi->nr_free[order],
				 K(1UL << order), types);
		total += zi->nr_free[order] << order;
	}
	pr_warn("Node %d %s:%s = %lukB\n", zi->nid, zi->name, line, K(total));
}

/* The larger names first: what they cover is not named again. */
const char *gfp_names(unsigned int gfp, char buf[GFP_NAMES_MAX])
{
#define NAME(flags)           \
	{                     \
		flags, #flags \
	}
	static const struct {
		gfp_t flags;
		const char *name;
	} names[] = {
		NAME(GFP_HIGHUSER_MOVABLE),
		NAME(GFP_KERNEL),
		NAME(GFP_NOFS),
		NAME(GFP_ATOMIC),
		NAME(GFP_NOIO),
		NAME(GFP_NOWAIT),
		NAME(__GFP_DMA),
		NAME(__GFP_DMA32),
		NAME(__GFP_HIGH),
		NAME(__GFP_ATOMIC),
		NAME(__GFP_IO),
		NAME(__GFP_FS),
		NAME(__GFP_NOWARN),
		NAME(__GFP_NORETRY),
		NAME(__GFP_COMP),
		NAME(__GFP_ZERO),
		NAME(__GFP_MEMALLOC),
		NAME(__GFP_RECLAIMABLE),
		NAME(__GFP_MOVABLE),
		NAME(__GFP_DIRECT_RECLAIM),
	};
	int len = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if ((gfp & names[i].flags) != names[i].flags)
			continue;
		gfp &= ~names[i].flags;
		len += scnprintf(buf + len, (size_t)(GFP_NAMES_MAX - len), "%s%s", len ? "|" : "",
				 names[i].name);
	}
	return buf;
}

void show_mem(void)
{
	unsigned long free_pcp = 0, present = 0, managed = 0;
	struct zone_info zi;

	for (unsigned int n = 0; zone_info_get(n, &zi); n++) {
		free_pcp += zone_pcp(&zi);
		present += zi.present;
		managed += zi.managed;
	}
	pr_warn("Mem-Info:\n");
	show_counters(free_pcp);
	show_node(0);
	for (unsigned int n = 0; zone_info_get(n, &zi); n++)
		if (zi.present)
			show_zone(&zi);
	for (unsigned int n = 0; zone_info_get(n, &zi); n++)
		if (zi.present)
			show_free_lists(&zi);
	pr_warn("%lu total pagecache pages\n%lu pages in swap cache\n", vmstat_item(NR_FILE_PAGES),
		vmstat_item(NR_SWAPCACHED));
	pr_warn("Free swap  = %lukB\nTotal swap = %lukB\n", K(nr_swap_pages()),
		K(total_swap_pages));
	pr_warn("%lu pages RAM\n0 pages HighMem/MovableOnly\n%lu pages reserved\n", present,
		present - managed);
}
