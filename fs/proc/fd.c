/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/fd and fdinfo: the open files of a process.
 *
 * The directories look into the descriptor table, pinned, under its lock, without taking references to
 * it or its files: dropping the last one of a file, while a directory is locked, could turn the order of
 * locks round. Nor is the table looked into under siglock, which finds it: interrupt handlers take that.
 * Only following the link itself takes references.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>

static struct files_struct *pin_files(struct task *t)
{
	guard_irq(&t->proc->siglock);
	if (t->files)
		files_pin(t->files);
	return t->files;
}

/* The first open descriptor of t that is at least *fd. */
static bool next_fd(struct task *t, int *fd, struct fd_info *info)
{
	struct files_struct *files = pin_files(t);
	bool found = files && files_peek(files, fd, info);

	if (files)
		files_unpin(files);
	return found;
}

static bool fd_is_open(struct task *t, int fd, struct fd_info *info)
{
	int n = fd;

	return fd >= 0 && next_fd(t, &n, info) && n == fd;
}

static int fd_link(struct proc_inode *pi, struct path *out)
{
	struct files_struct *files = task_get_files(pi->task);
	struct file *f;
	int fd = pi->fd;

	if (!files)
		return -ENOENT;
	f = files_next(files, &fd);
	if (f && fd == pi->fd) {
		*out = f->path;
		path_get(out);
	}
	if (f)
		fput(f);
	files_put(files);
	return f && fd == pi->fd ? 0 : -ENOENT;
}

static int fdinfo_show(struct seq_file *m, struct proc_inode *pi)
{
	struct fd_info info;

	if (!fd_is_open(pi->task, pi->fd, &info))
		return -ENOENT;
	seq_printf(m, "pos:\t%ld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%lu\n", info.pos, info.flags,
		   info.mnt_id, info.ino);
	return 0;
}

const struct proc_entry proc_fd_link_entry = {
	.name = "fd",
	.mode = S_IFLNK | 0700,
	.get_link = fd_link,
	.guarded = true,
};

const struct proc_entry proc_fdinfo_entry = {
	.name = "fdinfo",
	.mode = S_IFREG | 0444,
	.show = fdinfo_show,
	.guarded = true,
};

static struct inode *fd_lookup(struct inode *dir, struct dentry *parent __unused, const char *name)
{
	struct proc_inode *pi = proc_inode(dir);
	const struct proc_entry *e = pi->entry->data;
	int fd = proc_parse_id(name);
	struct fd_info info;
	struct inode *inode;

	if (!proc_may_access(pi->task))
		return ERR_PTR(-EACCES);
	if (!fd_is_open(pi->task, fd, &info))
		return ERR_PTR(-ENOENT);
	inode = proc_new_inode(dir->sb, e, pi->task, pi->group, fd);
	if (IS_ERR(inode))
		return inode;
	if (S_ISLNK(e->mode)) {
		inode->mode = S_IFLNK | (info.can_read ? 0500 : 0) | (info.can_write ? 0300 : 0);
		inode->mapping.size = 64;
	}
	return inode;
}

static int fd_iterate(struct file *f, struct dir_context *ctx)
{
	struct proc_inode *pi = proc_file_inode(f);
	const struct proc_entry *e = pi->entry->data;
	struct fd_info info;
	int fd;

	if (!proc_task_alive(pi->task))
		return -ENOENT;
	if (!proc_may_access(pi->task))
		return -EACCES;
	if (!proc_emit_table(f, ctx, NULL))
		return 0;
	for (fd = (int)max(ctx->pos - PROC_POS_DYNAMIC, (loff_t)0); next_fd(pi->task, &fd, &info);
	     fd++)
		if (!proc_emit_id(ctx, fd, proc_ino(e, pi->task, fd), e->mode, PROC_POS_DYNAMIC))
			break;
	return 0;
}

static int fd_permission(struct inode *inode, int mask)
{
	struct proc_inode *pi = proc_inode(inode);
	int err;

	if (!proc_task_alive(pi->task))
		return -ESRCH;
	err = generic_permission(inode, mask);
	return err && pi->task->proc == current->proc ? 0 : err;
}

const struct inode_operations proc_fd_iops = {
	.lookup = fd_lookup,
	.setattr = proc_setattr,
	.permission = fd_permission,
};
const struct file_operations proc_fd_fops = {
	.iterate = fd_iterate,
	.llseek = seq_lseek,
};
