/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID: what is in it, who may see it, and its small files.
 *
 * The same tables serve a process and each of its threads (task/TID): an inode names a task, and
 * `group` says whether the whole process is meant.
 *
 * Who may look into a process (maps, memory, open files ...) is decided as by ptrace(2): itself,
 * root, and whoever has all its ids while it is dumpable. Other files are for everybody, with
 * addresses shown as 0.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <mm/pgtable.h>

bool proc_task_alive(struct task *t)
{
	guard_irq(&tasklist_lock);
	return !list_empty(&t->pid_hash);
}

bool proc_may_access(struct task *t)
{
	const struct cred *me = &current->cred, *c = &t->cred;

	if (t->proc == current->proc || capable(CAP_SYS_PTRACE))
		return true;
	if (c->caps.permitted & ~me->caps.effective)
		return false;
	if (me->fsuid != c->euid || me->fsuid != c->suid || me->fsuid != c->uid ||
	    me->fsgid != c->egid || me->fsgid != c->sgid || me->fsgid != c->gid)
		return false;
	barrier(); /* set_ids() */
	return READ_ONCE(t->proc->dumpable) == 1;
}

struct mm_struct *proc_get_mm(struct proc_inode *pi)
{
	return process_get_mm(pi->task->proc);
}

int proc_pin_mm(struct proc_inode *pi, struct mm_struct **mm)
{
	if (!proc_task_alive(pi->task))
		return -ESRCH;
	/* exec exchanges the space and who may look into it in one step. */
	guard_irq(&pi->task->proc->siglock);
	if (!proc_may_access(pi->task))
		return -EACCES;
	*mm = process_mm_locked(pi->task->proc);
	if (*mm)
		mm_get(*mm);
	return 0;
}

void proc_unpin_mm(struct mm_struct *mm)
{
	if (mm)
		mm_put(mm);
}

int proc_mm_open(struct inode *inode, struct file *f)
{
	struct mm_struct *mm = NULL;
	int err = proc_pin_mm(proc_inode(inode), &mm);

	f->private = mm;
	return err;
}

void proc_mm_release(struct file *f)
{
	proc_unpin_mm(f->private);
}

/* --- links ----------------------------------------------------------------------------------- */

static int exe_link(struct proc_inode *pi, struct path *out)
{
	struct mm_struct *mm __put(mm) = proc_get_mm(pi);

	if (!mm)
		return -ENOENT;
	guard_read(&mm->mmap_lock);
	if (!mm->exe_file)
		return -ENOENT;
	*out = file_of_mappable(mm->exe_file)->path;
	path_get(out);
	return 0;
}

static int fs_link(struct proc_inode *pi, struct path *out, bool root)
{
	struct fs_struct *fs = task_get_fs(pi->task);

	if (!fs)
		return -ENOENT;
	fs_get_place(fs, root ? &fs->root : &fs->pwd, out);
	fs_put(fs);
	return 0;
}

static int cwd_link(struct proc_inode *pi, struct path *out)
{
	return fs_link(pi, out, false);
}

static int root_link(struct proc_inode *pi, struct path *out)
{
	return fs_link(pi, out, true);
}

/* --- comm ------------------------------------------------------------------------------------ */

static int comm_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_printf(m, "%s\n", pi->task->thread.comm);
	return 0;
}

static int comm_store(struct proc_inode *pi, char *text)
{
	if (pi->task->proc != current->proc)
		return -EINVAL;
	strscpy(pi->task->thread.comm, text, sizeof(pi->task->thread.comm));
	return 0;
}

/* --- others ---------------------------------------------------------------------------------- */

static int personality_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_printf(m, "%08x\n", pi->task->personality);
	return 0;
}

static int pid_mounts_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	return mounts_show(m, NULL);
}

static int pid_mountinfo_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	return mountinfo_show(m, NULL);
}

/* --- task/ ------------------------------------------------------------------------------------ */

static const struct proc_entry tid_entry = {
	.name = "tid",
	.mode = S_IFDIR | 0555,
	.dir = proc_task_entries,
};

static struct inode *task_lookup(struct inode *dir, struct dentry *parent __unused,
				 const char *name)
{
	struct proc_inode *pi = proc_inode(dir);
	int tid = proc_parse_id(name);
	struct task *t = tid > 0 ? task_find_get(tid) : NULL;
	struct inode *inode = ERR_PTR(-ENOENT);

	if (!t)
		return inode;
	if (t->proc == pi->task->proc)
		inode = proc_new_inode(dir->sb, &tid_entry, t, false, -1);
	task_put(t);
	return inode;
}

bool proc_next_tid(struct process *p, pid_t *tid)
{
	pid_t best = 0;
	struct task *t;

	guard_irq(&p->siglock);
	list_for_each_entry(t, &p->threads, thread_node)
		if (t->pid >= *tid && (!best || t->pid < best))
			best = t->pid;
	*tid = best;
	return best != 0;
}

static int task_iterate(struct file *f, struct dir_context *ctx)
{
	struct process *p = proc_file_inode(f)->task->proc;
	pid_t tid;

	if (!proc_task_alive(proc_file_inode(f)->task))
		return -ENOENT;
	if (!proc_emit_table(f, ctx, NULL))
		return 0;
	for (tid = (pid_t)max(ctx->pos - PROC_POS_DYNAMIC, (loff_t)1); proc_next_tid(p, &tid);
	     tid++) {
		u64 ino = (u32)(unsigned long)&tid_entry | (u64)(u32)tid << 32;

		if (!proc_emit_id(ctx, tid, ino, S_IFDIR, PROC_POS_DYNAMIC))
			break;
	}
	return 0;
}

static const struct inode_operations task_iops = {
	.lookup = task_lookup,
	.setattr = proc_setattr,
};

static const struct file_operations task_fops = {
	.iterate = task_iterate,
	.llseek = seq_lseek,
};

/* --- tables ----------------------------------------------------------------------------------- */

#define OF_MM(n, s)                                                                            \
	{                                                                                      \
		.name = n, .mode = S_IFREG | 0444, .show = s, .guarded = true, .pins_mm = true \
	}
#define SECRET(n, s)                                                          \
	{                                                                     \
		.name = n, .mode = S_IFREG | 0400, .show = s, .guarded = true \
	}
#define LINK(n, l)                                                                \
	{                                                                         \
		.name = n, .mode = S_IFLNK | 0777, .get_link = l, .guarded = true \
	}

#define FD_DIR(n, m, e)                                                                         \
	{                                                                                       \
		.name = n, .mode = S_IFDIR | (m), .iops = &proc_fd_iops, .fops = &proc_fd_fops, \
		.data = (void *)&(e)                                                            \
	}

#ifdef CONFIG_DEBUG
#define DEBUG_ENTRIES PROC_OPS("fail-nth", 0600, proc_fail_nth_fops),
#else
#define DEBUG_ENTRIES
#endif

#define COMMON_ENTRIES                                                                             \
	PROC_OPS("auxv", 0400, proc_auxv_fops), PROC_WO("clear_refs", proc_clear_refs_store),      \
		PROC_OPS("cmdline", 0444, proc_cmdline_fops),                                      \
		PROC_RW("comm", comm_show, comm_store), LINK("cwd", cwd_link),                     \
		PROC_OPS("environ", 0400, proc_environ_fops), LINK("exe", exe_link),               \
		FD_DIR("fd", 0500, proc_fd_link_entry), FD_DIR("fdinfo", 0555, proc_fdinfo_entry), \
		SECRET("io", proc_io_show), PROC_FILE("limits", 0444, proc_limits_show),           \
		OF_MM("maps", proc_maps_show), PROC_OPS("mem", 0600, proc_mem_fops),               \
		PROC_FILE("mountinfo", 0444, pid_mountinfo_show),                                  \
		PROC_FILE("mounts", 0444, pid_mounts_show),                                        \
		PROC_RW("oom_adj", proc_oom_adj_show, proc_oom_adj_store),                         \
		PROC_FILE("oom_score", 0444, proc_oom_score_show),                                 \
		PROC_RW("oom_score_adj", proc_oom_score_adj_show, proc_oom_score_adj_store),       \
		PROC_OPS("pagemap", 0400, proc_pagemap_fops),                                      \
		SECRET("personality", personality_show), LINK("root", root_link),                  \
		OF_MM("smaps", proc_smaps_show), OF_MM("smaps_rollup", proc_smaps_rollup_show),    \
		SECRET("stack", proc_stack_show), PROC_FILE("stat", 0444, proc_stat_show),         \
		PROC_FILE("statm", 0444, proc_statm_show),                                         \
		PROC_FILE("status", 0444, proc_status_show), SECRET("syscall", proc_syscall_show), \
		PROC_FILE("wchan", 0444, proc_wchan_show)

const struct proc_entry proc_task_entries[] = {DEBUG_ENTRIES COMMON_ENTRIES, {}};

static const struct proc_entry pid_entries[] = {
	DEBUG_ENTRIES COMMON_ENTRIES,
	{.name = "task", .mode = S_IFDIR | 0555, .iops = &task_iops, .fops = &task_fops},
	{},
};

const struct proc_entry proc_pid_entry = {
	.name = "pid",
	.mode = S_IFDIR | 0555,
	.dir = pid_entries,
};
