/* SPDX-License-Identifier: MIT */
/*
 * The machine's memory: meminfo, buddyinfo, zoneinfo, pagetypeinfo, vmstat, slabinfo, swaps, iomem.
 *
 * All are sums of counters that go on counting: a text is not a snapshot, and differences of a few
 * pages between its lines are normal. The formats are Linux 6.1's; a field about what Octavo does not
 * have is printed as 0, since tools look for it.
 */
#include <drivers/block/block.h>
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <mm/init.h>
#include <mm/memblock.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <mm/vmalloc.h>
#include <mm/vmstat.h>

#define PAGES_TO_KB(n) ((n) << (PAGE_SHIFT - 10))

/* --- meminfo ------------------------------------------------------------------------------------ */

static void show_number(struct seq_file *m, const char *label, unsigned long v, const char *unit)
{
	seq_printf(m, "%-16s%8lu%s\n", label, v, unit);
}

static void proc_show_kb(struct seq_file *m, const char *label, unsigned long pages)
{
	show_number(m, label, PAGES_TO_KB(pages), " kB");
}

/* label, then 0. For what does not exist here. */
static void show_absent(struct seq_file *m, const char *const *labels)
{
	for (; *labels; labels++)
		proc_show_kb(m, *labels, 0);
}

static void meminfo_totals(struct seq_file *m)
{
	unsigned long cached = vmstat_item(NR_FILE_PAGES), buffers = nr_blockdev_pages();

	proc_show_kb(m, "MemTotal:", totalram_pages());
	proc_show_kb(m, "MemFree:", nr_free_pages());
	proc_show_kb(m, "MemAvailable:", nr_available_pages());
	proc_show_kb(m, "Buffers:", buffers);
	proc_show_kb(m, "Cached:", cached - min(cached, buffers));
	proc_show_kb(m, "SwapCached:", vmstat_item(NR_SWAPCACHED));
}

static void meminfo_lru(struct seq_file *m)
{
	unsigned long active_anon = vmstat_item(NR_ACTIVE_ANON);
	unsigned long inactive_anon = vmstat_item(NR_INACTIVE_ANON);
	unsigned long active_file = vmstat_item(NR_ACTIVE_FILE);
	unsigned long inactive_file = vmstat_item(NR_INACTIVE_FILE);

	proc_show_kb(m, "Active:", active_anon + active_file);
	proc_show_kb(m, "Inactive:", inactive_anon + inactive_file);
	proc_show_kb(m, "Active(anon):", active_anon);
	proc_show_kb(m, "Inactive(anon):", inactive_anon);
	proc_show_kb(m, "Active(file):", active_file);
	proc_show_kb(m, "Inactive(file):", inactive_file);
	proc_show_kb(m, "Unevictable:", vmstat_item(NR_UNEVICTABLE));
	proc_show_kb(m, "Mlocked:", vmstat_item(NR_MLOCK));
}

static void meminfo_use(struct seq_file *m)
{
	unsigned long reclaimable = vmstat_item(NR_SLAB_RECLAIMABLE);
	unsigned long unreclaimable = vmstat_item(NR_SLAB_UNRECLAIMABLE);

	proc_show_kb(m, "Dirty:", vmstat_item(NR_FILE_DIRTY));
	proc_show_kb(m, "Writeback:", vmstat_item(NR_WRITEBACK));
	proc_show_kb(m, "AnonPages:", vmstat_item(NR_ANON_MAPPED));
	proc_show_kb(m, "Mapped:", vmstat_item(NR_FILE_MAPPED));
	proc_show_kb(m, "Shmem:", vmstat_item(NR_SHMEM));
	proc_show_kb(m, "KReclaimable:", reclaimable);
	proc_show_kb(m, "Slab:", reclaimable + unreclaimable);
	proc_show_kb(m, "SReclaimable:", reclaimable);
	proc_show_kb(m, "SUnreclaim:", unreclaimable);
	proc_show_kb(m, "KernelStack:", vmstat_item(NR_KSTACK));
	proc_show_kb(m, "PageTables:", vmstat_item(NR_PAGETABLE));
}

/* How much of the direct map each page size covers, in kB. */
static void meminfo_direct_map(struct seq_file *m)
{
	vaddr_t end = PAGE_OFFSET + ALIGN(memblock_memory_end(), PUD_SIZE);
	unsigned long kb[3] = {};
	struct pt_walk w;

	for_each_pt_range(&w, &init_mm, PAGE_OFFSET, end)
	{
		const pte_t *pte;

		if (w.level != PT_PTE) {
			kb[w.level] += (w.end - w.addr) >> 10;
			continue;
		}
		pte = pte_offset(w.pmd, w.addr);
		for (vaddr_t a = w.addr; a < w.end; a += PAGE_SIZE, pte++)
			kb[PT_PTE] += pte_present(ptep_get(pte)) ? PAGE_SIZE >> 10 : 0;
	}
	show_number(m, "DirectMap4k:", kb[PT_PTE], " kB");
	show_number(m, "DirectMap2M:", kb[PT_PMD], " kB");
	show_number(m, "DirectMap1G:", kb[PT_PUD], " kB");
}

int proc_meminfo_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	static const char *const before_commit[] = {
		"SecPageTables:", "NFS_Unstable:", "Bounce:", "WritebackTmp:", NULL};
	static const char *const huge[] = {
		"AnonHugePages:", "ShmemHugePages:", "ShmemPmdMapped:",
		"FileHugePages:", "FilePmdMapped:",  NULL,
	};

	meminfo_totals(m);
	meminfo_lru(m);
	proc_show_kb(m, "SwapTotal:", total_swap_pages);
	proc_show_kb(m, "SwapFree:", nr_swap_pages());
	meminfo_use(m);
	show_absent(m, before_commit);
	proc_show_kb(m, "CommitLimit:", commit_limit());
	proc_show_kb(m, "Committed_AS:", commit_committed());
	show_number(m, "VmallocTotal:", 34359738367, " kB"); /* 32 TiB less one byte */
	proc_show_kb(m, "VmallocUsed:", vmalloc_used_pages());
	show_absent(m, (const char *const[]){"VmallocChunk:", "Percpu:", NULL});
	seq_puts(m, "HardwareCorrupted:     0 kB\n"); /* the name leaves less room */
	show_absent(m, huge);
	show_number(m, "HugePages_Total:", 0, "");
	show_number(m, "HugePages_Free:", 0, "");
	show_number(m, "HugePages_Rsvd:", 0, "");
	show_number(m, "HugePages_Surp:", 0, "");
	show_number(m, "Hugepagesize:", PMD_SIZE >> 10, " kB");
	show_number(m, "Hugetlb:", 0, " kB");
	meminfo_direct_map(m);
	return 0;
}

/* --- zones ---------------------------------------------------------------------------------------- */

/* A zone_info is too large for the stack beside all else. */
static int for_each_zone_info(struct seq_file *m, bool populated,
			      void (*show)(struct seq_file *, const struct zone_info *))
{
	struct zone_info *zi = kmalloc(sizeof(*zi), GFP_KERNEL);

	if (!zi)
		return -ENOMEM;
	for (unsigned int n = 0; zone_info_get(n, zi); n++)
		if (zi->present || !populated)
			show(m, zi);
	kfree(zi);
	return 0;
}

static void show_buddyinfo(struct seq_file *m, const struct zone_info *zi)
{
	seq_printf(m, "Node %d, zone %8s ", zi->nid, zi->name);
	for (int order = 0; order < NR_ORDERS; order++)
		seq_printf(m, "%6lu ", zi->nr_free[order]);
	seq_putc(m, '\n');
}

int proc_buddyinfo_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	return for_each_zone_info(m, true, show_buddyinfo);
}

static unsigned long vmstat_shown(enum vmstat_item i)
{
	unsigned long v = vmstat_item(i);

	if (i == NR_FILE_PAGES) /* as on Linux, with the swap cache */
		return v + vmstat_item(NR_SWAPCACHED);
	return i == NR_KSTACK ? PAGES_TO_KB(v) : v; /* in kB, as on Linux */
}

static const char *const zone_lru_names[NR_LRU_KINDS] = {
	"nr_zone_inactive_anon", "nr_zone_active_anon", "nr_zone_inactive_file",
	"nr_zone_active_file",   "nr_zone_unevictable",
};

/* The node's counters stand below its first populated zone. */
static void zoneinfo_node(struct seq_file *m)
{
	seq_puts(m, "\n  per-node stats");
	for (unsigned int i = 0; i < NR_VMSTAT_ITEMS; i++)
		seq_printf(m, "\n      %-12s %lu", vmstat_item_name[i], vmstat_shown(i));
}

static void zoneinfo_pages(struct seq_file *m, const struct zone_info *zi)
{
	seq_printf(m,
		   "\n  pages free     %lu"
		   "\n        boost    0"
		   "\n        min      %lu"
		   "\n        low      %lu"
		   "\n        high     %lu"
		   "\n        spanned  %lu"
		   "\n        present  %lu"
		   "\n        managed  %lu"
		   "\n        cma      0",
		   zi->free, zi->min, zi->low, zi->high, zi->spanned, zi->present, zi->managed);
	seq_printf(m, "\n        protection: (%lu", zi->protection[0]);
	for (int i = 1; i < MAX_NR_ZONES; i++)
		seq_printf(m, ", %lu", zi->protection[i]);
	seq_puts(m, ")");
}

static void zoneinfo_pagesets(struct seq_file *m, const struct zone_info *zi)
{
	seq_printf(m, "\n      %-12s %lu", "nr_free_pages", zi->free);
	for (enum lru_kind kind = 0; kind < NR_LRU_KINDS; kind++)
		seq_printf(m, "\n      %-12s %lu", zone_lru_names[kind], zi->lru[kind]);
	seq_printf(m, "\n      %-12s %lu", "nr_zone_write_pending", zi->write_pending);
	seq_puts(m, "\n  pagesets");
	for (unsigned int cpu = 0; cpu < zi->nr_cpus; cpu++)
		seq_printf(m,
			   "\n    cpu: %u"
			   "\n              count: %u"
			   "\n              high:  %u"
			   "\n              batch: %u",
			   cpu, zi->pcp_count[cpu], zi->pcp_high, zi->pcp_batch);
	seq_printf(m, "\n  node_unreclaimable:  0\n  start_pfn:           %lu", zi->start_pfn);
}

static void show_zoneinfo(struct seq_file *m, const struct zone_info *zi)
{
	const struct zone *first = node_data[zi->nid].zones;

	while (!zone_populated(first))
		first++;
	seq_printf(m, "Node %d, zone %8s", zi->nid, zi->name);
	if (first->name == zi->name)
		zoneinfo_node(m);
	zoneinfo_pages(m, zi);
	if (zi->present)
		zoneinfo_pagesets(m, zi);
	seq_putc(m, '\n');
}

int proc_zoneinfo_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	return for_each_zone_info(m, false, show_zoneinfo);
}

static void show_free_by_type(struct seq_file *m, const struct zone_info *zi)
{
	for (int mt = 0; mt < MIGRATE_TYPES; mt++) {
		seq_printf(m, "Node %4d, zone %8s, type %12s ", zi->nid, zi->name,
			   migratetype_names[mt]);
		for (int order = 0; order < NR_ORDERS; order++)
			seq_printf(m, "%6lu ", zi->nr_free_mt[order][mt]);
		seq_putc(m, '\n');
	}
}

static void show_pageblocks(struct seq_file *m, const struct zone_info *zi)
{
	seq_printf(m, "Node %d, zone %8s ", zi->nid, zi->name);
	for (int mt = 0; mt < MIGRATE_TYPES; mt++)
		seq_printf(m, "%12lu ", zi->pageblocks[mt]);
	seq_putc(m, '\n');
}

int proc_pagetypeinfo_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	int err;

	seq_printf(m, "Page block order: %d\nPages per block:  %lu\n\n", PAGEBLOCK_ORDER,
		   PAGEBLOCK_PAGES);
	seq_printf(m, "%-43s ", "Free pages count per migrate type at order");
	for (int order = 0; order < NR_ORDERS; order++)
		seq_printf(m, "%6d ", order);
	seq_putc(m, '\n');
	err = for_each_zone_info(m, true, show_free_by_type);
	if (err)
		return err;
	seq_printf(m, "\n%-23s", "Number of blocks type ");
	for (int mt = 0; mt < MIGRATE_TYPES; mt++)
		seq_printf(m, "%12s ", migratetype_names[mt]);
	seq_putc(m, '\n');
	return for_each_zone_info(m, true, show_pageblocks);
}

/* --- counters ---------------------------------------------------------------------------------------- */

int proc_node_vmstat_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, "nr_free_pages %lu\n", nr_free_pages());
	for (enum lru_kind kind = 0; kind < NR_LRU_KINDS; kind++)
		seq_printf(m, "%s %lu\n", zone_lru_names[kind], lru_pages(kind));
	for (unsigned int i = 0; i < NR_VMSTAT_ITEMS; i++)
		seq_printf(m, "%s %lu\n", vmstat_item_name[i], vmstat_shown(i));
	return 0;
}

int proc_vmstat_show(struct seq_file *m, struct proc_inode *pi)
{
	proc_node_vmstat_show(m, pi);
	for (unsigned int i = 0; i < NR_VMSTAT_EVENTS; i++)
		seq_printf(m, "%s %lu\n", vmstat_event_name[i], vmstat_event(i));
	return 0;
}

static int show_cache(const struct slab_stats *s, void *arg)
{
	seq_printf(
		arg,
		"%-17s %6lu %6lu %6lu %4lu %4lu : tunables %4u %4u %4u : slabdata %6lu %6lu %6lu\n",
		s->name, s->active_objs, s->num_objs, s->obj_size, s->objs_per_slab,
		s->pages_per_slab, 0, 0, 0, s->active_slabs, s->num_slabs, 0UL);
	return 0;
}

int proc_slabinfo_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_puts(m,
		 "slabinfo - version: 2.1\n"
		 "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> "
		 ": tunables <limit> <batchcount> <sharedfactor> "
		 ": slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	return slab_for_each(show_cache, m);
}

int proc_swaps_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	struct swap_info si;

	seq_puts(m, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	for (unsigned int n = 0; n < MAX_SWAP_AREAS; n++) {
		unsigned long size, used;

		if (!swap_info_get(n, &si))
			continue;
		size = si.size << (PAGE_SHIFT - 10);
		used = si.used << (PAGE_SHIFT - 10);
		seq_printf(m, "%-39s partition\t%lu\t%s%lu\t%s%d\n", si.name, size,
			   size < 10000000 ? "\t" : "", used, used < 10000000 ? "\t" : "", si.prio);
	}
	return 0;
}

/* Where RAM lies, and in it the kernel. Addresses are for root. */
int proc_iomem_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	bool open = capable(CAP_SYS_ADMIN);
	paddr_t start, end = 0, from, to;
	const char *name;

	while (memblock_next_memory(end, &start, &end)) {
		seq_printf(m, "%08lx-%08lx : System RAM\n", open ? start : 0, open ? end - 1 : 0);
		for (unsigned int n = 0; (name = kernel_part(n, &from, &to)) != NULL; n++)
			if (from >= start && to <= end)
				seq_printf(m, "  %08lx-%08lx : Kernel %s\n", open ? from : 0,
					   open ? to - 1 : 0, name);
	}
	return 0;
}
