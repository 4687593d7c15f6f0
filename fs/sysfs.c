/* SPDX-License-Identifier: MIT */
/*
 * /sys, as far as programs about memory look into it: which CPUs there are, what the node holds, and
 * that there are no transparent huge pages. Made by the same means as /proc (fs/proc/tree.c).
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/page_owner.h>
#include <mm/section.h>
#include <mm/vmstat.h>

#define SYSFS_MAGIC 0x62656572

static struct super_block *sysfs_sb;

/* data: the text. */
static int text_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_puts(m, pi->entry->data);
	return 0;
}

#define TEXT(n, t)                                                              \
	{                                                                       \
		.name = n, .mode = S_IFREG | 0444, .show = text_show, .data = t \
	}

#define SYS_DIR(n, d)                                       \
	{                                                   \
		.name = n, .mode = S_IFDIR | 0755, .dir = d \
	}

/* --- CPUs -------------------------------------------------------------------------------------- */

static int cpus_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, nr_cpu_ids > 1 ? "0-%u\n" : "%u\n", nr_cpu_ids - 1);
	return 0;
}

static int cpumap_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, "%lx\n", (1UL << nr_cpu_ids) - 1);
	return 0;
}

static int kernel_max_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, "%d\n", NR_CPUS - 1);
	return 0;
}

/* One package with all processors as its cores. */
static const struct proc_entry topology_entries[] = {
	TEXT("core_cpus", "1\n"),
	TEXT("core_cpus_list", "0\n"),
	TEXT("core_id", "0\n"),
	PROC_FILE("core_siblings", 0444, cpumap_show),
	PROC_FILE("core_siblings_list", 0444, cpus_show),
	TEXT("die_id", "0\n"),
	TEXT("physical_package_id", "0\n"),
	TEXT("thread_siblings", "1\n"),
	TEXT("thread_siblings_list", "0\n"),
	{},
};

static const struct proc_entry cpu0_entries[] = {SYS_DIR("topology", topology_entries), {}};

static const struct proc_entry cpu_entries[] = {
	SYS_DIR("cpu0", cpu0_entries),
	TEXT("isolated", "\n"),
	PROC_FILE("kernel_max", 0444, kernel_max_show),
	TEXT("offline", "\n"),
	PROC_FILE("online", 0444, cpus_show),
	PROC_FILE("possible", 0444, cpus_show),
	PROC_FILE("present", 0444, cpus_show),
	{},
};

/* --- the node ------------------------------------------------------------------------------------ */

static void node_kb(struct seq_file *m, const char *label, unsigned long pages)
{
	seq_printf(m, "Node 0 %-15s %8lu kB\n", label, pages << (PAGE_SHIFT - 10));
}

static int node_meminfo_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	unsigned long total = totalram_pages(), free = nr_free_pages();
	unsigned long reclaimable = vmstat_item(NR_SLAB_RECLAIMABLE);
	unsigned long unreclaimable = vmstat_item(NR_SLAB_UNRECLAIMABLE);

	node_kb(m, "MemTotal:", total);
	node_kb(m, "MemFree:", free);
	node_kb(m, "MemUsed:", total - min(free, total));
	node_kb(m, "SwapCached:", vmstat_item(NR_SWAPCACHED));
	node_kb(m, "Active:", vmstat_item(NR_ACTIVE_ANON) + vmstat_item(NR_ACTIVE_FILE));
	node_kb(m, "Inactive:", vmstat_item(NR_INACTIVE_ANON) + vmstat_item(NR_INACTIVE_FILE));
	node_kb(m, "Active(anon):", vmstat_item(NR_ACTIVE_ANON));
	node_kb(m, "Inactive(anon):", vmstat_item(NR_INACTIVE_ANON));
	node_kb(m, "Active(file):", vmstat_item(NR_ACTIVE_FILE));
	node_kb(m, "Inactive(file):", vmstat_item(NR_INACTIVE_FILE));
	node_kb(m, "Unevictable:", vmstat_item(NR_UNEVICTABLE));
	node_kb(m, "Mlocked:", vmstat_item(NR_MLOCK));
	node_kb(m, "Dirty:", vmstat_item(NR_FILE_DIRTY));
	node_kb(m, "Writeback:", vmstat_item(NR_WRITEBACK));
	node_kb(m, "FilePages:", vmstat_item(NR_FILE_PAGES));
	node_kb(m, "Mapped:", vmstat_item(NR_FILE_MAPPED));
	node_kb(m, "AnonPages:", vmstat_item(NR_ANON_MAPPED));
	node_kb(m, "Shmem:", vmstat_item(NR_SHMEM));
	node_kb(m, "KernelStack:", vmstat_item(NR_KSTACK));
	node_kb(m, "PageTables:", vmstat_item(NR_PAGETABLE));
	node_kb(m, "KReclaimable:", reclaimable);
	node_kb(m, "Slab:", reclaimable + unreclaimable);
	node_kb(m, "SReclaimable:", reclaimable);
	node_kb(m, "SUnreclaim:", unreclaimable);
	return 0;
}

/* With one node every allocation was a hit. */
static int numastat_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	unsigned long n = vmstat_event(PGALLOC_DMA) + vmstat_event(PGALLOC_DMA32) +
			  vmstat_event(PGALLOC_NORMAL);

	seq_printf(m,
		   "numa_hit %lu\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node %lu\n"
		   "other_node 0\n",
		   n, n);
	return 0;
}

static const struct proc_entry node0_entries[] = {
	PROC_FILE("cpulist", 0444, cpus_show),
	PROC_FILE("cpumap", 0444, cpumap_show),
	TEXT("distance", "10\n"),
	PROC_FILE("meminfo", 0444, node_meminfo_show),
	PROC_FILE("numastat", 0444, numastat_show),
	PROC_FILE("vmstat", 0444, proc_node_vmstat_show),
	{},
};

static const struct proc_entry node_entries[] = {
	TEXT("has_cpu", "0\n"),
	TEXT("has_memory", "0\n"),
	TEXT("has_normal_memory", "0\n"),
	SYS_DIR("node0", node0_entries),
	TEXT("online", "0\n"),
	TEXT("possible", "0\n"),
	{},
};

/* --- huge pages ------------------------------------------------------------------------------------ */

/* Only what is in force may be chosen. */
static int thp_store(struct proc_inode *pi __unused, char *text)
{
	return strcmp(text, "never") == 0 ? 0 : -EINVAL;
}

static const struct proc_entry thp_entries[] = {
	{
		.name = "enabled",
		.mode = S_IFREG | 0644,
		.show = text_show,
		.store = thp_store,
		.data = "always madvise [never]\n",
	},
	TEXT("hpage_pmd_size", "2097152\n"),
	{},
};

/* --- what debug builds tell ----------------------------------------------------------------------- */

#ifdef PAGE_OWNER
static int page_owner_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	char text[PAGE_OWNER_TEXT];

	for (pfn_t pfn = m->cursor; pfn < nr_sections << SECTION_PFN_SHIFT; pfn++) {
		seq_write(m, text, page_owner_text(pfn, 0, text, sizeof(text)));
		if (!seq_mark(m, pfn + 1))
			break;
		if (!(pfn & 511))
			cond_resched();
	}
	return 0;
}

static const struct proc_entry debug_entries[] = {
	PROC_FILE("page_owner", 0400, page_owner_show),
	{},
};
#endif

/* --- the tree ---------------------------------------------------------------------------------------- */

static const struct proc_entry empty[] = {{}};
static const struct proc_entry mm_entries[] = {SYS_DIR("transparent_hugepage", thp_entries), {}};
static const struct proc_entry kernel_entries[] = {
#ifdef PAGE_OWNER
	SYS_DIR("debug", debug_entries), /* Linux: debugfs, which would be mounted there */
#endif
	SYS_DIR("mm", mm_entries),
	{},
};
static const struct proc_entry system_entries[] = {
	SYS_DIR("cpu", cpu_entries),
	SYS_DIR("node", node_entries),
	{},
};
static const struct proc_entry devices_entries[] = {SYS_DIR("system", system_entries), {}};
static const struct proc_entry fs_entries[] = {SYS_DIR("cgroup", empty), {}};

static const struct proc_entry root_entries[] = {
	SYS_DIR("block", empty),
	SYS_DIR("bus", empty),
	SYS_DIR("class", empty),
	SYS_DIR("dev", empty),
	SYS_DIR("devices", devices_entries),
	SYS_DIR("firmware", empty),
	SYS_DIR("fs", fs_entries),
	SYS_DIR("kernel", kernel_entries),
	SYS_DIR("module", empty),
	{},
};

static const struct proc_entry root_entry = PROC_DIR("/", root_entries);

static struct super_block *sysfs_mount(const struct file_system_type *t __unused,
				       const char *source __unused, const char *options __unused)
{
	sb_get(sysfs_sb);
	return sysfs_sb;
}

static struct file_system_type sysfs_type = {
	.name = "sysfs",
	.nodev = true,
	.mount = sysfs_mount,
};

static void sysfs_init(void)
{
	sysfs_sb = proc_make_sb(&sysfs_type, &root_entry, SYSFS_MAGIC);
	if (IS_ERR(sysfs_sb)) {
		pr_err("sysfs: out of memory, no /sys\n");
		return;
	}
	register_filesystem(&sysfs_type);
}
initcall(sysfs_init);
