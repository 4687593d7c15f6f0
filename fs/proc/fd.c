/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/fd and fdinfo: the open files of a process.
 *
 * The directories look into the descriptor table under siglock (which keeps it) and the table's own
 * lock, without taking references: dropping the last one of a file, while a directory is locked,
 * could turn the order of locks round. Only following the link itself takes references.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>

/* The first open descriptor of t that is at least *fd. */
static bool next_fd(struct task *t, int *fd, struct fd_info *info)
{
	unsigned long flags = spin_lock_irqsave(&t->proc->siglock);
	bool found = t->files && files_peek(t->files, fd, info);

	spin_unlock_irqrestore(&t->proc->siglock, flags);
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
	f = files_next(files, &fd, NULL);
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

static const struct proc_entry fd_link_entry = {
	.name = "fd",
	.mode = S_IFLNK | 0700,
	.get_link = fd_link,
	.guarded = true,
};

static const struct proc_entry fdinfo_entry = {
	.name = "fdinfo",
	.mode = S_IFREG | 0400,
	.show = fdinfo_show,
	.guarded = true,
};

static struct inode *fd_lookup_as(struct inode *dir, const char *name, const struct proc_entry *e)
{
	struct proc_inode *pi = proc_inode(dir);
	int fd = proc_parse_id(name);
	struct fd_info info;
	struct inode *inode;

	if (!proc_may_access(pi->task))
		return ERR_PTR(-EACCES);
	if (!fd_is_open(pi->task, fd, &info))
		return NULL;
	inode = proc_new_inode(dir->sb, e, pi->task, pi->group, fd);
	if (IS_ERR(inode))
		return inode;
	if (S_ISLNK(e->mode)) {
		inode->mode = S_IFLNK | (info.can_read ? 0500 : 0) | (info.can_write ? 0300 : 0);
		inode->mapping.size = 64;
	}
	return inode;
}

static struct inode *fd_lookup(struct inode *dir, struct dentry *parent __unused, const char *name)
{
	return fd_lookup_as(dir, name, &fd_link_entry);
}

static struct inode *fdinfo_lookup(struct inode *dir, struct dentry *parent __unused,
				   const char *name)
{
	return fd_lookup_as(dir, name, &fdinfo_entry);
}

static int fd_iterate_as(struct file *f, struct dir_context *ctx, const struct proc_entry *e)
{
	struct task *t = proc_file_inode(f)->task;
	struct fd_info info;
	int fd;

	if (!proc_may_access(t))
		return -EACCES;
	if (!proc_emit_table(f, ctx, NULL))
		return 0;
	for (fd = (int)max(ctx->pos - PROC_POS_DYNAMIC, (loff_t)0); next_fd(t, &fd, &info); fd++) {
		char name[16];
		int len = scnprintf(name, sizeof(name), "%d", fd);
		loff_t next = PROC_POS_DYNAMIC + fd + 1;

		if (!ctx->emit(ctx, name, (size_t)len, proc_ino(e, t, fd), DT_OF_MODE(e->mode),
			       next))
			return 0;
		ctx->pos = next;
	}
	return 0;
}

static int fd_iterate(struct file *f, struct dir_context *ctx)
{
	return fd_iterate_as(f, ctx, &fd_link_entry);
}

static int fdinfo_iterate(struct file *f, struct dir_context *ctx)
{
	return fd_iterate_as(f, ctx, &fdinfo_entry);
}

/* A process may always see its own, whoever it has become. */
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
const struct inode_operations proc_fdinfo_iops = {
	.lookup = fdinfo_lookup,
	.setattr = proc_setattr,
	.permission = fd_permission,
};
const struct file_operations proc_fd_fops = {
	.iterate = fd_iterate,
	.llseek = seq_lseek,
};
const struct file_operations proc_fdinfo_fops = {
	.iterate = fdinfo_iterate,
	.llseek = seq_lseek,
};
