/* SPDX-License-Identifier: MIT */
/*
 * /proc/sys: the kernel's variables as files (sysctl(8)).
 *
 * Most are one integer with limits: an entry names it, and two functions serve them all. What is
 * written has to be a number within the limits, as a whole, or nothing changes (EINVAL). A few are
 * strings, or do something when they are written.
 *
 * Variables are single words, written and read without a lock: readers take the old or the new value.
 */
#include <fs/proc/proc.h>
#include <kernel/internal.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/shm.h>
#include <kernel/utsname.h>
#include <mm/compaction.h>
#include <mm/oom.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <mm/vma.h>
#include <mm/vmscan.h>

/* --- integers ---------------------------------------------------------------------------------- */

struct sysctl_int {
	void *var;
	unsigned int size; /* 4: int, 8: long */
	long min, max;
	void (*changed)(void); /* after a write; may be NULL */
};

static long int_get(const struct sysctl_int *s)
{
	return s->size == 4 ? *(volatile int *)s->var : *(volatile long *)s->var;
}

static int int_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_printf(m, "%ld\n", int_get(pi->entry->data));
	return 0;
}

static int parse_long(char *text, long min, long max, long *v)
{
	int err = kstrtol(strim(text), 0, v);

	return err ? -EINVAL : *v < min || *v > max ? -EINVAL : 0;
}

static int int_store(struct proc_inode *pi, char *text)
{
	const struct sysctl_int *s = pi->entry->data;
	long v;
	int err = parse_long(text, s->min, s->max, &v);

	if (err)
		return err;
	if (s->size == 4)
		WRITE_ONCE(*(int *)s->var, (int)v);
	else
		WRITE_ONCE(*(long *)s->var, v);
	if (s->changed)
		s->changed();
	return 0;
}

#define INT_ENTRY(n, v, lo, hi, fn)                                                      \
	{                                                                                \
		.name = n, .mode = S_IFREG | 0644, .show = int_show, .store = int_store, \
		.data = &(struct sysctl_int)                                             \
		{                                                                        \
			&(v), sizeof(v), lo, hi, fn                                      \
		}                                                                        \
	}
#define CONST_ENTRY(n, value)                                          \
	{                                                              \
		.name = n, .mode = S_IFREG | 0444, .show = const_show, \
		.data = (void *)(long)(value)                          \
	}

static int const_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_printf(m, "%ld\n", (long)pi->entry->data);
	return 0;
}

/* --- rights ------------------------------------------------------------------------------------ */

/* What the mode allows nobody, root may not do either. */
static int sysctl_permission(struct inode *inode, int mask)
{
	if (((mask & MAY_READ) && !(inode->mode & 0444)) ||
	    ((mask & MAY_WRITE) && !(inode->mode & 0222)))
		return -EACCES;
	return generic_permission(inode, mask);
}

static const struct inode_operations sysctl_iops = {
	.setattr = proc_setattr,
	.permission = sysctl_permission,
};

static struct inode *sysctl_lookup(struct inode *dir, struct dentry *parent, const char *name)
{
	struct inode *inode = proc_lookup(dir, parent, name);

	if (!IS_ERR_OR_NULL(inode) && S_ISREG(inode->mode))
		inode->ops = &sysctl_iops;
	return inode;
}

static const struct inode_operations sysctl_dir_iops = {
	.lookup = sysctl_lookup,
	.setattr = proc_setattr,
};

#define DIR_ENTRY(n, entries)                                                               \
	{                                                                                   \
		.name = n, .mode = S_IFDIR | 0555, .dir = entries, .iops = &sysctl_dir_iops \
	}

/* --- vm ------------------------------------------------------------------------------------------ */

static int reserve_ratio_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	for (int i = 0; i < MAX_NR_ZONES; i++)
		seq_printf(m, "%s%u", i ? "\t" : "", sysctl_lowmem_reserve_ratio[i]);
	seq_putc(m, '\n');
	return 0;
}

static int reserve_ratio_store(struct proc_inode *pi __unused, char *text)
{
	unsigned int v[MAX_NR_ZONES];
	int n = 0;
	char *word;

	while (n < MAX_NR_ZONES && (word = strsep(&text, " \t")) != NULL) {
		if (!*word)
			continue;
		if (kstrtouint(word, 0, &v[n]))
			return -EINVAL;
		n++;
	}
	if (n == 0)
		return -EINVAL;
	for (int i = 0; i < n; i++)
		WRITE_ONCE(sysctl_lowmem_reserve_ratio[i], v[i]);
	setup_per_zone_wmarks();
	return 0;
}

/* 1: the page cache, 2: slabs, 3: both; 4 beside it only stops Linux from logging it. */
static int drop_caches_store(struct proc_inode *pi __unused, char *text)
{
	long v;
	int err = parse_long(text, 1, 4, &v);

	if (err)
		return err;
	if (v & 1)
		drop_clean_cache();
	if (v & 2)
		slab_shrink(100);
	return 0;
}

static int compact_memory_store(struct proc_inode *pi __unused, char *text)
{
	long v;

	if (parse_long(text, 1, 1, &v))
		return -EINVAL;
	compact_memory();
	return 0;
}

/* There is no pool: any number may be asked for, and none is got. */
static int nr_hugepages_store(struct proc_inode *pi __unused, char *text)
{
	long v;

	return parse_long(text, 0, INT64_MAX, &v);
}

/* All the policies, the one in force in brackets; a name is written. */
static int oom_policy_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	const struct oom_policy *p;

	for (unsigned int n = 0; (p = oom_policy_nth(n)); n++)
		seq_printf(m, p == oom_policy ? "%s[%s]" : "%s%s", n ? " " : "", p->name);
	seq_putc(m, '\n');
	return 0;
}

static int oom_policy_store(struct proc_inode *pi __unused, char *text)
{
	const struct oom_policy *p;

	text = strim(text);
	for (unsigned int n = 0; (p = oom_policy_nth(n)); n++) {
		if (strcmp(p->name, text) == 0) {
			WRITE_ONCE(oom_policy, p);
			return 0;
		}
	}
	return -EINVAL;
}

static int policy_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, "%s\n", reclaim_policy_name());
	return 0;
}

static int policy_store(struct proc_inode *pi __unused, char *text)
{
	return reclaim_policy_set(strim(text));
}

static const struct proc_entry vm_entries[] = {
	INT_ENTRY("admin_reserve_kbytes", sysctl_admin_reserve_kbytes, 0, INT64_MAX, NULL),
	PROC_WO("compact_memory", compact_memory_store),
	PROC_WO("drop_caches", drop_caches_store),
	INT_ENTRY("extfrag_threshold", sysctl_extfrag_threshold, 0, 1000, NULL),
	PROC_RW("lowmem_reserve_ratio", reserve_ratio_show, reserve_ratio_store),
	INT_ENTRY("max_map_count", sysctl_max_map_count, 0, INT32_MAX, NULL),
	INT_ENTRY("min_free_kbytes", sysctl_min_free_kbytes, 0, INT32_MAX, setup_per_zone_wmarks),
	INT_ENTRY("mmap_min_addr", sysctl_mmap_min_addr, PAGE_SIZE, INT32_MAX, NULL),
	PROC_RW("nr_hugepages", const_show, nr_hugepages_store),
	INT_ENTRY("oom_dump_tasks", sysctl_oom_dump_tasks, INT32_MIN, INT32_MAX, NULL),
	INT_ENTRY("oom_kill_allocating_task", sysctl_oom_kill_allocating_task, INT32_MIN, INT32_MAX,
		  NULL),
	PROC_RW("oom_policy", oom_policy_show, oom_policy_store),
	INT_ENTRY("overcommit_kbytes", sysctl_overcommit_kbytes, 0, INT64_MAX,
		  commit_kbytes_chosen),
	INT_ENTRY("overcommit_memory", sysctl_overcommit_memory, 0, 2, NULL),
	INT_ENTRY("overcommit_ratio", sysctl_overcommit_ratio, 0, INT32_MAX, commit_ratio_chosen),
	INT_ENTRY("page-cluster", sysctl_page_cluster, 0, 31, NULL),
	INT_ENTRY("panic_on_oom", sysctl_panic_on_oom, 0, 2, NULL),
	PROC_RW("reclaim_policy", policy_show, policy_store),
	INT_ENTRY("swappiness", sysctl_swappiness, 0, 200, NULL),
	INT_ENTRY("vfs_cache_pressure", sysctl_vfs_cache_pressure, 0, INT32_MAX, NULL),
	INT_ENTRY("watermark_scale_factor", sysctl_watermark_scale_factor, 1, 3000,
		  setup_per_zone_wmarks),
	INT_ENTRY("user_reserve_kbytes", sysctl_user_reserve_kbytes, 0, INT64_MAX, NULL),
	{},
};

/* --- kernel -------------------------------------------------------------------------------------- */

static int string_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_printf(m, "%s\n", (const char *)pi->entry->data);
	return 0;
}

/* data: a buffer of UTS_LEN bytes. What is too long is cut, as on Linux. */
static int uts_store(struct proc_inode *pi, char *text)
{
	char name[UTS_LEN] = {};

	strscpy(name, text, sizeof(name));
	memcpy(pi->entry->data, name, sizeof(name));
	return 0;
}

static char core_pattern[128] = "core"; /* there are no core dumps */

static int core_pattern_store(struct proc_inode *pi __unused, char *text)
{
	strscpy(core_pattern, text, sizeof(core_pattern));
	return 0;
}

static int printk_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, "%d\t%d\t%d\t%d\n", console_loglevel, LOG_WARNING, LOG_ALERT, LOG_DEBUG);
	return 0;
}

/* Only the first of the four means something here. */
static int printk_store(struct proc_inode *pi __unused, char *text)
{
	long v;
	int err;

	text = strim(text);
	text[strcspn(text, " \t")] = '\0';
	err = parse_long(text, 0, 15, &v);
	if (!err)
		console_loglevel = (int)v;
	return err;
}

static int threads_max_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, "%u\n", max_threads());
	return 0;
}

#define STRING_ENTRY(n, text)                                                        \
	{                                                                            \
		.name = n, .mode = S_IFREG | 0444, .show = string_show, .data = text \
	}
#define UTS_ENTRY(n, field)                                                                 \
	{                                                                                   \
		.name = n, .mode = S_IFREG | 0644, .show = string_show, .store = uts_store, \
		.data = utsname.field                                                       \
	}

static const struct proc_entry kernel_entries[] = {
	CONST_ENTRY("cap_last_cap", 40),
	{
		.name = "core_pattern",
		.mode = S_IFREG | 0644,
		.show = string_show,
		.store = core_pattern_store,
		.data = core_pattern,
	},
	UTS_ENTRY("domainname", domainname),
	UTS_ENTRY("hostname", nodename),
	CONST_ENTRY("ngroups_max", CRED_NGROUPS),
	STRING_ENTRY("osrelease", utsname.release),
	STRING_ENTRY("ostype", utsname.sysname),
	CONST_ENTRY("overflowgid", 65534),
	CONST_ENTRY("overflowuid", 65534),
	INT_ENTRY("pid_max", sysctl_pid_max, RESERVED_PIDS + 1, PID_MAX_LIMIT, NULL),
	PROC_RW("printk", printk_show, printk_store),
	INT_ENTRY("randomize_va_space", sysctl_randomize_va_space, INT32_MIN, INT32_MAX, NULL),
	CONST_ENTRY("tainted", 0),
	PROC_FILE("threads-max", 0444, threads_max_show),
	INT_ENTRY("shmall", shm_all, 0, INT64_MAX, NULL),
	INT_ENTRY("shmmax", shm_max, 0, INT64_MAX, NULL),
	INT_ENTRY("shmmni", shm_mni, 0, INT32_MAX, NULL),
	STRING_ENTRY("version", utsname.version),
	{},
};

/* --- fs ------------------------------------------------------------------------------------------- */

static const struct proc_entry fs_entries[] = {
	CONST_ENTRY("file-max", INT64_MAX),
	CONST_ENTRY("nr_open", 1 << 20),
	INT_ENTRY("pipe-max-size", pipe_max_size, PAGE_SIZE, INT32_MAX, NULL),
	{},
};

const struct proc_entry proc_sys_entries[] = {
	DIR_ENTRY("fs", fs_entries),
	DIR_ENTRY("kernel", kernel_entries),
	DIR_ENTRY("vm", vm_entries),
	{},
};
