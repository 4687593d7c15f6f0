/* SPDX-License-Identifier: MIT */
/*
 * The root of /proc: its table of files, the processes behind it, and the links to oneself.
 *
 * There is one super block, which every mount shows. Processes are not entries of a table: they are
 * looked up by number, and listed behind the table in the order of their ids.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/shm.h>

#define PROC_SUPER_MAGIC 0x9fa0

static struct super_block *proc_sb;

static int self_readlink(struct proc_inode *pi __unused, char *buf, size_t n)
{
	return scnprintf(buf, n, "%d", current->proc->pid);
}

static int thread_self_readlink(struct proc_inode *pi __unused, char *buf, size_t n)
{
	return scnprintf(buf, n, "%d/task/%d", current->proc->pid, current->pid);
}

static int mounts_readlink(struct proc_inode *pi __unused, char *buf, size_t n)
{
	return (int)strscpy(buf, "self/mounts", n);
}

#define LINK(n, r)                                               \
	{                                                        \
		.name = n, .mode = S_IFLNK | 0777, .readlink = r \
	}

static const struct proc_entry sysvipc_entries[] = {
	PROC_FILE("shm", 0444, shm_show),
	{},
};

static const struct proc_entry root_entries[] = {
	PROC_FILE("buddyinfo", 0444, proc_buddyinfo_show),
	PROC_FILE("cmdline", 0444, proc_kcmdline_show),
	PROC_FILE("cpuinfo", 0444, proc_cpuinfo_show),
	PROC_FILE("devices", 0444, proc_devices_show),
	PROC_FILE("diskstats", 0444, proc_diskstats_show),
	PROC_FILE("filesystems", 0444, proc_filesystems_show),
	PROC_FILE("interrupts", 0444, proc_interrupts_show),
	PROC_FILE("iomem", 0444, proc_iomem_show),
	PROC_FILE("kallsyms", 0444, proc_kallsyms_show),
	PROC_OPS("kmsg", 0400, proc_kmsg_fops),
	PROC_OPS("kpagecount", 0400, proc_kpagecount_fops),
	PROC_OPS("kpageflags", 0400, proc_kpageflags_fops),
	PROC_FILE("loadavg", 0444, proc_loadavg_show),
	PROC_FILE("meminfo", 0444, proc_meminfo_show),
	PROC_FILE("modules", 0444, proc_nothing_show),
	LINK("mounts", mounts_readlink),
	PROC_DIR("octavo", proc_octavo_entries),
	PROC_FILE("pagetypeinfo", 0400, proc_pagetypeinfo_show),
	PROC_FILE("partitions", 0444, proc_partitions_show),
	LINK("self", self_readlink),
	PROC_FILE("slabinfo", 0400, proc_slabinfo_show),
	PROC_FILE("stat", 0444, proc_kstat_show),
	PROC_FILE("swaps", 0444, proc_swaps_show),
	PROC_DIR("sys", proc_sys_entries),
	PROC_WO("sysrq-trigger", proc_sysrq_store),
	PROC_DIR("sysvipc", sysvipc_entries),
	LINK("thread-self", thread_self_readlink),
	PROC_FILE("uptime", 0444, proc_uptime_show),
	PROC_FILE("version", 0444, proc_version_show),
	PROC_FILE("vmstat", 0444, proc_vmstat_show),
	PROC_DIR("vmtrace", proc_vmtrace_entries),
	PROC_FILE("zoneinfo", 0444, proc_zoneinfo_show),
	{},
};

static struct inode *root_lookup(struct inode *dir, struct dentry *parent, const char *name)
{
	struct inode *inode = proc_lookup(dir, parent, name);
	struct task *t;
	int pid;

	if (!IS_ERR(inode) || PTR_ERR(inode) != -ENOENT)
		return inode;
	pid = proc_parse_id(name);
	t = pid > 0 ? task_find_get(pid) : NULL;
	if (!t)
		return inode;
	/* A thread's number leads to a directory, too, though it is not listed. */
	inode = proc_new_inode(dir->sb, &proc_pid_entry, t, true, -1);
	task_put(t);
	return inode;
}

static void emit_pids(struct dir_context *ctx)
{
	pid_t pid = (pid_t)max(ctx->pos - PROC_POS_DYNAMIC, (loff_t)1);
	struct process *p;

	for (; (p = process_next_get(&pid)) != NULL; pid++) {
		u64 ino = (u32)(unsigned long)&proc_pid_entry | (u64)(u32)pid << 32;
		bool room = proc_emit_id(ctx, pid, ino, S_IFDIR, PROC_POS_DYNAMIC);

		process_put(p);
		if (!room)
			return;
	}
}

static int root_iterate(struct file *f, struct dir_context *ctx)
{
	if (proc_emit_table(f, ctx, root_entries))
		emit_pids(ctx);
	return 0;
}

static const struct inode_operations root_iops = {
	.lookup = root_lookup,
	.setattr = proc_setattr,
};

static const struct file_operations root_fops = {
	.iterate = root_iterate,
	.llseek = seq_lseek,
};

static const struct proc_entry root_entry = {
	.name = "/",
	.mode = S_IFDIR | 0555,
	.dir = root_entries,
	.iops = &root_iops,
	.fops = &root_fops,
};

static struct super_block *proc_mount(const struct file_system_type *t __unused,
				      const char *source __unused, const char *options __unused)
{
	sb_get(proc_sb);
	return proc_sb;
}

static struct file_system_type proc_type = {
	.name = "proc",
	.nodev = true,
	.mount = proc_mount,
};

static void proc_init(void)
{
	proc_sb = proc_make_sb(&proc_type, &root_entry, PROC_SUPER_MAGIC);
	if (IS_ERR(proc_sb)) {
		pr_err("proc: out of memory, no /proc\n");
		return;
	}
	register_filesystem(&proc_type);
}
initcall(proc_init);
