/* SPDX-License-Identifier: MIT */
/*
 * /sys, as far as programs about memory look into it: which CPUs there are, what the node holds, that
 * there are no transparent huge pages, which disks there are, and how slow and faulty. Made by the same means as /proc (fs/proc/tree.c).
 */
#include <fs/proc/proc.h>
#include <kernel/acpi.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/page_owner.h>
#include <mm/section.h>
#include <mm/slab.h>
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

static unsigned int nr_present(void)
{
	return max(nr_cpu_ids, acpi_madt.nr_cpus);
}

static int show_range(struct seq_file *m, unsigned int first, unsigned int end)
{
	if (first < end)
		seq_printf(m, end - first > 1 ? "%u-%u" : "%u", first, end - 1);
	seq_putc(m, '\n');
	return 0;
}

static int cpus_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	return show_range(m, 0, nr_cpu_ids);
}

static int present_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	return show_range(m, 0, nr_present());
}

static int offline_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	return show_range(m, nr_cpu_ids, nr_present());
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

/* data: the CPU. */
static int own_id_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_printf(m, "%lu\n", (unsigned long)pi->entry->data);
	return 0;
}

static int own_map_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_printf(m, "%lx\n", BIT((unsigned long)pi->entry->data));
	return 0;
}

/* One package with all processors as its cores. */
static const struct proc_entry topology_entries[] = {
	PROC_FILE("core_cpus", 0444, own_map_show),
	PROC_FILE("core_cpus_list", 0444, own_id_show),
	PROC_FILE("core_id", 0444, own_id_show),
	PROC_FILE("core_siblings", 0444, cpumap_show),
	PROC_FILE("core_siblings_list", 0444, cpus_show),
	TEXT("die_id", "0\n"),
	PROC_FILE("package_cpus", 0444, cpumap_show),
	PROC_FILE("package_cpus_list", 0444, cpus_show),
	TEXT("physical_package_id", "0\n"),
	PROC_FILE("thread_siblings", 0444, own_map_show),
	PROC_FILE("thread_siblings_list", 0444, own_id_show),
	{},
};

#define CPU_FILES 6
static struct proc_entry cpu_entries[CPU_FILES + NR_CPUS + 1] = {
	TEXT("isolated", "\n"),
	PROC_FILE("kernel_max", 0444, kernel_max_show),
	PROC_FILE("offline", 0444, offline_show),
	PROC_FILE("online", 0444, cpus_show),
	PROC_FILE("possible", 0444, present_show),
	PROC_FILE("present", 0444, present_show),
};

/* The directory of one CPU. */
struct cpu_dir {
	char name[8];
	struct proc_entry entries[3];
	struct proc_entry topology[ARRAY_SIZE(topology_entries)];
};

static bool add_cpu_dir(unsigned int cpu)
{
	static const struct proc_entry online = TEXT("online", "1\n");
	struct cpu_dir *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return false;
	scnprintf(d->name, sizeof(d->name), "cpu%u", cpu);
	d->entries[0] = (struct proc_entry)SYS_DIR("topology", d->topology);
	if (cpu) /* the first cannot be taken offline, on Linux neither */
		d->entries[1] = online;
	memcpy(d->topology, topology_entries, sizeof(d->topology));
	for (struct proc_entry *e = d->topology; e->name; e++)
		if (e->show != text_show)
			e->data = (void *)(unsigned long)cpu;
	cpu_entries[CPU_FILES + cpu] = (struct proc_entry)SYS_DIR(d->name, d->entries);
	return true;
}

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
static const struct proc_entry virtual_entries[] = {SYS_DIR("block", block_virtual_entries), {}};
static const struct proc_entry devices_entries[] = {
	SYS_DIR("system", system_entries),
	SYS_DIR("virtual", virtual_entries),
	{},
};
static const struct proc_entry dev_entries[] = {SYS_DIR("block", block_number_entries), {}};
static const struct proc_entry ramdisk_entries[] = {
	SYS_DIR("parameters", ramdisk_param_entries),
	{},
};
static const struct proc_entry module_entries[] = {SYS_DIR("ramdisk", ramdisk_entries), {}};
static const struct proc_entry fs_entries[] = {SYS_DIR("cgroup", empty), {}};

static const struct proc_entry root_entries[] = {
	SYS_DIR("block", block_name_entries),
	SYS_DIR("bus", empty),
	SYS_DIR("class", empty),
	SYS_DIR("dev", dev_entries),
	SYS_DIR("devices", devices_entries),
	SYS_DIR("firmware", empty),
	SYS_DIR("fs", fs_entries),
	SYS_DIR("kernel", kernel_entries),
	SYS_DIR("module", module_entries),
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
	for_each_cpu(cpu)
		if (!add_cpu_dir(cpu))
			pr_err("sysfs: out of memory, no directory for CPU %u\n", cpu);
	sysfs_sb = proc_make_sb(&sysfs_type, &root_entry, SYSFS_MAGIC);
	if (IS_ERR(sysfs_sb)) {
		pr_err("sysfs: out of memory, no /sys\n");
		return;
	}
	register_filesystem(&sysfs_type);
}
initcall(sysfs_init);
