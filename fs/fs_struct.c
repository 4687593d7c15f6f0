/* SPDX-License-Identifier: MIT */
/*
 * Where a process is: its root, its working directory, its umask. Threads (CLONE_FS) share one.
 *
 * Locking: fs->lock, a spinlock, around the exchange of a path and around taking references to it.
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

struct fs_struct init_fs = {
	.count = ATOMIC_INIT(1),
	.lock = SPINLOCK_INIT(LOCK_FS),
	.umask = 0022,
};

void path_get(const struct path *p)
{
	mount_get(p->mnt);
	dget(p->dentry);
}

void path_put(const struct path *p)
{
	dput(p->dentry);
	mount_put(p->mnt);
}

struct fs_struct *current_fs(void)
{
	return current->fs ? current->fs : &init_fs;
}

void fs_get_place(struct fs_struct *fs, const struct path *place, struct path *out)
{
	guard_spin(&fs->lock);
	*out = *place;
	path_get(out);
}

void get_fs_root(struct path *out)
{
	fs_get_place(current_fs(), &current_fs()->root, out);
}

void get_fs_pwd(struct path *out)
{
	fs_get_place(current_fs(), &current_fs()->pwd, out);
}

struct fs_struct *fs_dup(struct fs_struct *old)
{
	struct fs_struct *fs = kmalloc(sizeof(*fs), GFP_KERNEL);

	if (!fs)
		return NULL;
	atomic_set(&fs->count, 1);
	spin_lock_init(&fs->lock, LOCK_FS);
	guard_spin(&old->lock);
	fs->root = old->root;
	fs->pwd = old->pwd;
	fs->umask = old->umask;
	path_get(&fs->root);
	path_get(&fs->pwd);
	return fs;
}

struct fs_struct *fs_get(struct fs_struct *f)
{
	atomic_inc(&f->count);
	return f;
}

void fs_put(struct fs_struct *f)
{
	if (!f || !atomic_dec_and_test(&f->count))
		return;
	path_put(&f->root);
	path_put(&f->pwd);
	kfree(f);
}

/* Eats to's references. */
static void set_path(struct path *slot, struct path *to)
{
	struct fs_struct *fs = current_fs();
	struct path old;

	spin_lock(&fs->lock);
	old = *slot;
	*slot = *to;
	spin_unlock(&fs->lock);
	path_put(&old);
}

static int change_to(struct path *p)
{
	int err = S_ISDIR(p->dentry->inode->mode) ? inode_permission(p->dentry->inode, MAY_EXEC) :
						    -ENOTDIR;

	if (err)
		path_put(p);
	else
		set_path(&current_fs()->pwd, p);
	return err;
}

SYSCALL1(chdir, const char __user *, name)
{
	struct path p;
	int err = copy_path_at(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	return err ? err : change_to(&p);
}

SYSCALL1(fchdir, int, fd)
{
	struct file *f = fget_raw(fd);

	if (!f)
		return -EBADF;
	struct path p = f->path;

	path_get(&p);
	fput(f);
	return change_to(&p);
}

SYSCALL1(chroot, const char __user *, name)
{
	struct path p;
	int err = copy_path_at(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->inode, MAY_EXEC);
	if (!err && !capable(CAP_SYS_CHROOT))
		err = -EPERM;
	if (err)
		path_put(&p);
	else
		set_path(&current_fs()->root, &p);
	return err;
}

SYSCALL2(getcwd, char __user *, ubuf, unsigned long, size)
{
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL);
	struct path root, pwd;
	bool reached = true;
	long ret;

	if (!buf)
		return -ENOMEM;
	get_fs_root(&root);
	get_fs_pwd(&pwd);
	/* Room for "(unreachable)" is kept in front. */
	char *s = pwd.dentry->unlinked ?
			  ERR_PTR(-ENOENT) :
			  path_from_root(&pwd, &root, buf + 16, PATH_MAX - 16, &reached);
	path_put(&pwd);
	path_put(&root);
	if (IS_ERR(s)) {
		ret = PTR_ERR(s);
		goto out;
	}
	if (!reached) {
		s -= 13;
		memcpy(s, "(unreachable)", 13);
	}
	ret = buf + PATH_MAX - s;
	if ((unsigned long)ret > size)
		ret = -ERANGE;
	else if (copy_to_user(ubuf, s, (size_t)ret))
		ret = -EFAULT;
out:
	kfree(buf);
	return ret;
}

SYSCALL1(umask, int, mask)
{
	struct fs_struct *fs = current_fs();

	guard_spin(&fs->lock);
	kmode_t old = fs->umask;

	fs->umask = (kmode_t)mask & 0777;
	return (long)old;
}
