/* SPDX-License-Identifier: MIT */
/*
 * Generated trees.
 *
 * Problem: hundreds of small files, most of them once per process, that hold nothing themselves.
 *
 * Idea: a directory is a constant table, so a tree costs no memory until it is walked: lookup() makes
 * an inode for a table entry, for the one who asked (a passing dentry, see dcache.c), and it goes with
 * him. An inode's number is made of the entry's address and the process's id, so that it is the same
 * each time.
 *
 *	inode->private = struct proc_inode ─┬─ entry ──> { "maps", 0444, show = proc_maps_show, ... }
 *					    └─ task  ──> whose
 *
 * Inodes below /proc/PID hold a reference on the task. It keeps the structure, not the process: once
 * the task has left the table of tasks every read says ESRCH, and a walk through the directory too.
 *
 * Locking: directories are read and walked under their inode's lock (LOCK_INODE), so nothing in
 * lookup and iterate may drop the last reference of a file or an address space: they look at what
 * belongs to a task under its siglock. Text is made in show(), under the seq_file's lock only.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

static const struct inode_operations proc_file_iops, proc_link_iops, proc_magic_iops;
static const struct file_operations proc_text_fops, proc_table_fops;

/* --- inodes ------------------------------------------------------------------------------ */

u64 proc_ino(const struct proc_entry *e, const struct task *task, int fd)
{
	u64 ino = (u32)(unsigned long)e;

	if (task)
		ino |= (u64)(u32)task->pid << 32;
	if (fd >= 0)
		ino += (u64)(fd + 1) << 48;
	return ino;
}

static const struct inode_operations *default_iops(const struct proc_entry *e)
{
	if (S_ISDIR(e->mode))
		return &proc_dir_iops;
	if (S_ISLNK(e->mode))
		return e->get_link ? &proc_magic_iops : &proc_link_iops;
	return &proc_file_iops;
}

static u32 count_links(const struct proc_entry *e)
{
	u32 n = S_ISDIR(e->mode) ? 2 : 1;

	for (const struct proc_entry *sub = e->dir; sub && sub->name; sub++)
		n += S_ISDIR(sub->mode);
	return n;
}

/* Files of a process belong to who it acts as; to root, if it must not be looked into. Directories
 * that everybody may enter always belong to the former. */
static void set_owner(struct inode *inode, const struct task *task)
{
	bool open_dir = inode->mode == (S_IFDIR | 0555);

	if (!open_dir && task->proc->dumpable != 1)
		return;
	inode->uid = task->cred.euid;
	inode->gid = task->cred.egid;
}

struct inode *proc_new_inode(struct super_block *sb, const struct proc_entry *e, struct task *task,
			     bool group, int fd)
{
	struct proc_inode *pi = kmalloc(sizeof(*pi), GFP_KERNEL);
	struct inode *inode = pi ? inode_alloc(sb, e->mode) : NULL;

	if (!inode) {
		kfree(pi);
		return ERR_PTR(-ENOMEM);
	}
	*pi = (struct proc_inode){.entry = e, .task = task, .group = group, .fd = fd};
	inode->ino = proc_ino(e, task, fd);
	inode->nlink = count_links(e);
	inode->ops = e->iops ? e->iops : default_iops(e);
	inode->fops = e->fops ? e->fops : S_ISDIR(e->mode) ? &proc_table_fops : &proc_text_fops;
	inode->private = pi;
	if (task) {
		atomic_inc(&task->count);
		set_owner(inode, task);
	}
	return inode;
}

static void proc_evict(struct inode *inode)
{
	struct proc_inode *pi = proc_inode(inode);

	if (pi && pi->task)
		task_put(pi->task);
	kfree(pi);
}

int proc_setattr(struct inode *inode __unused, const struct iattr *a)
{
	/* O_TRUNC and touch are welcome and mean nothing. */
	return a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

static int proc_permission(struct inode *inode, int mask)
{
	struct proc_inode *pi = proc_inode(inode);

	if (pi->task && !proc_task_alive(pi->task))
		return -ESRCH;
	return generic_permission(inode, mask);
}

/* --- directories --------------------------------------------------------------------------- */

static const struct proc_entry *proc_find(const struct proc_entry *table, const char *name)
{
	for (; table && table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

struct inode *proc_lookup(struct inode *dir, struct dentry *parent __unused, const char *name)
{
	struct proc_inode *pi = proc_inode(dir);
	const struct proc_entry *e = proc_find(pi->entry->dir, name);

	/* not "may be made": nothing can be, and "no such file" is what a misspelt name should say */
	return e ? proc_new_inode(dir->sb, e, pi->task, pi->group, -1) : ERR_PTR(-ENOENT);
}

bool proc_emit_table(struct file *f, struct dir_context *ctx, const struct proc_entry *table)
{
	struct task *task = proc_file_inode(f)->task;
	loff_t pos = 2;

	if (!dir_emit_dots(f, ctx))
		return false;
	for (; table && table->name; table++, pos++) {
		if (pos < ctx->pos)
			continue;
		if (!ctx->emit(ctx, table->name, strlen(table->name), proc_ino(table, task, -1),
			       DT_OF_MODE(table->mode), pos + 1))
			return false;
		ctx->pos = pos + 1;
	}
	return true;
}

bool proc_emit_id(struct dir_context *ctx, int id, u64 ino, kmode_t mode, loff_t base)
{
	char name[16];
	int len = scnprintf(name, sizeof(name), "%d", id);

	if (!ctx->emit(ctx, name, (size_t)len, ino, DT_OF_MODE(mode), base + id + 1))
		return false;
	ctx->pos = base + id + 1;
	return true;
}

static int proc_iterate(struct file *f, struct dir_context *ctx)
{
	struct proc_inode *pi = proc_file_inode(f);

	if (pi->task && !proc_task_alive(pi->task))
		return -ENOENT;
	proc_emit_table(f, ctx, pi->entry->dir);
	return 0;
}

int proc_parse_id(const char *name)
{
	unsigned int n;

	if (!isdigit_ascii(*name) || (*name == '0' && name[1]) || strchr(name, '\n') ||
	    kstrtouint(name, 10, &n) || n > INT32_MAX)
		return -1;
	return (int)n;
}

const struct inode_operations proc_dir_iops = {
	.lookup = proc_lookup,
	.setattr = proc_setattr,
	.permission = proc_permission,
};

static const struct file_operations proc_table_fops = {
	.iterate = proc_iterate,
	.llseek = seq_lseek,
};

/* --- links --------------------------------------------------------------------------------- */

static int link_permitted(struct proc_inode *pi)
{
	if (!pi->task)
		return 0;
	if (!proc_task_alive(pi->task))
		return -ENOENT;
	return pi->entry->guarded && !proc_may_access(pi->task) ? -EACCES : 0;
}

static int text_readlink(struct inode *inode, char *buf, size_t n)
{
	struct proc_inode *pi = proc_inode(inode);

	return pi->entry->readlink(pi, buf, n);
}

static int magic_get_link(struct inode *inode, struct path *out)
{
	struct proc_inode *pi = proc_inode(inode);
	int err = link_permitted(pi);

	return err ? err : pi->entry->get_link(pi, out);
}

static int magic_readlink(struct inode *inode, char *buf, size_t n)
{
	struct path p;
	int err = magic_get_link(inode, &p);
	size_t len;
	char *s;

	if (err)
		return err;
	s = d_path(&p, buf, n);
	path_put(&p);
	if (IS_ERR(s))
		return (int)PTR_ERR(s);
	len = strlen(s);
	memmove(buf, s, len);
	return (int)len;
}

static const struct inode_operations proc_link_iops = {
	.readlink = text_readlink,
	.setattr = proc_setattr,
};

static const struct inode_operations proc_magic_iops = {
	.readlink = magic_readlink,
	.get_link = magic_get_link,
	.setattr = proc_setattr,
};

/* --- files --------------------------------------------------------------------------------- */

static int text_show(struct seq_file *m, void *private)
{
	struct proc_inode *pi = private;

	if (!pi->entry->show)
		return -EIO;
	if (pi->task && !proc_task_alive(pi->task))
		return -ESRCH;
	return pi->entry->show(m, pi);
}

static int text_open(struct inode *inode, struct file *f)
{
	struct proc_inode *pi = proc_inode(inode);
	struct mm_struct *mm = NULL;
	int err = 0;

	if (pi->task && !proc_task_alive(pi->task))
		return -ESRCH;
	if (pi->entry->pins_mm)
		err = proc_pin_mm(pi, &mm);
	else if (pi->entry->guarded && !proc_may_access(pi->task))
		return -EACCES;
	if (!err)
		err = seq_open(f, text_show, pi);
	if (err)
		proc_unpin_mm(mm);
	else
		seq_of_file(f)->mm = mm;
	return err;
}

static void text_release(struct file *f)
{
	proc_unpin_mm(seq_of_file(f)->mm);
	seq_release(f);
}

/* What a tool writes to such a file fits into a page. */
static ssize_t text_write(struct file *f, const void __user *ubuf, size_t n, loff_t *pos)
{
	struct proc_inode *pi = proc_file_inode(f);
	size_t len;
	char *text;
	int err;

	if (!pi->entry->store)
		return -EIO;
	if (pi->task && !proc_task_alive(pi->task))
		return -ESRCH;
	if (n == 0)
		return 0;
	if (n >= PAGE_SIZE)
		return -EINVAL;
	text = kmalloc(n + 1, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	err = copy_from_user(text, ubuf, n) ? -EFAULT : 0;
	text[err ? 0 : n] = '\0';
	for (len = strlen(text); len && isspace_ascii(text[len - 1]); len--)
		text[len - 1] = '\0';
	if (!err)
		err = pi->entry->store(pi, text);
	kfree(text);
	if (err)
		return err;
	*pos += (loff_t)n;
	return (ssize_t)n;
}

static const struct inode_operations proc_file_iops = {
	.setattr = proc_setattr,
	.permission = proc_permission,
};

static const struct file_operations proc_text_fops = {
	.open = text_open,
	.read = seq_read,
	.write = text_write,
	.llseek = seq_lseek,
	.release = text_release,
};

/* --- super blocks -------------------------------------------------------------------------- */

static int proc_statfs(struct super_block *sb, struct kstatfs *st)
{
	st->type = (s64)(unsigned long)sb->private;
	return 0;
}

static const struct super_operations proc_super_ops = {
	.evict_inode = proc_evict,
	.statfs = proc_statfs,
};

struct super_block *proc_make_sb(const struct file_system_type *t, const struct proc_entry *e,
				 s64 magic)
{
	struct super_block *sb = sb_alloc(t, &proc_super_ops);
	struct inode *root;

	if (!sb)
		return ERR_PTR(-ENOMEM);
	sb->private = (void *)(unsigned long)magic;
	root = proc_new_inode(sb, e, NULL, false, -1);
	if (!IS_ERR(root)) {
		root->ino = 1;
		sb->root = d_make_root(sb, root);
	}
	if (!sb->root) {
		sb_put(sb);
		return ERR_PTR(-ENOMEM);
	}
	return sb;
}
