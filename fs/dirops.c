/* SPDX-License-Identifier: MIT */
/*
 * Calls that change directories: mknod, mkdir, symlink, link, unlink, rmdir, rename.
 *
 * Each resolves the directory, locks it, looks the last component up under the lock, checks, and
 * asks the file system. What a file system does is only its own books (inode, link counts, times);
 * the dentries are changed here, after it agreed.
 *
 * Lock order among inodes: a directory before what lies in it; a rename between two directories
 * holds the rename lock (so that "lies in" stands still), then locks the upper one first, or by
 * address if neither lies in the other. The victim of a removal is locked last, so that nobody mounts
 * on it or creates in it while it goes.
 *
 * Creating in a directory that was removed meanwhile is ENOENT: dentry->unlinked is looked at under
 * the directory's lock.
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/syscall.h>
#include <kernel/task.h>

static struct mutex rename_mutex; /* LOCK_VFS_RENAME */

void dirops_init(void)
{
	mutex_init(&rename_mutex, LOCK_VFS_RENAME);
}

void touch_mtime(struct inode *i)
{
	i->mtime = i->ctime = current_time();
}

/* --- creating ----------------------------------------------------------------------------- */

/* In the locked directory: the new negative dentry. */
static struct dentry *new_entry(struct path *dir, const struct walk *w, bool is_dir)
{
	struct dentry *d = lookup_one(dir->dentry, w->last, w->last_len, true);
	int err;

	if (IS_ERR(d))
		return d;
	if (d) {
		dput(d);
		return ERR_PTR(-EEXIST);
	}
	if (w->slash && !is_dir)
		return ERR_PTR(-ENOENT);
	err = mnt_want_write(dir->mnt);
	if (!err)
		err = may_create_in(dir);
	if (err)
		return ERR_PTR(err);
	d = d_alloc(dir->dentry, w->last, w->last_len);
	return d ? d : ERR_PTR(-ENOMEM);
}

/* An entry to be created; its directory is locked for writing. */
struct create_ctx {
	struct path parent;    /* referenced, locked */
	struct dentry *dentry; /* referenced: the negative dentry */
};

/* Begins the creation of the path: resolves, locks, checks that it does not exist (-EEXIST) and that
 * it may be created. create_end() with the operation's result undoes all. */
static int create_begin(int dfd, const char *name, bool is_dir, struct create_ctx *c)
{
	struct walk w;
	int err = walk_begin(&w, dfd, name, 0);

	if (err)
		return err;
	err = walk_parent(&w);
	if (!err && walk_last_is_dot(&w))
		err = w.last_len || S_ISDIR(w.path.dentry->inode->mode) ? -EEXIST : -ENOTDIR;
	if (!err) {
		c->parent = w.path;
		path_get(&c->parent);
		down_write(&c->parent.dentry->inode->lock);
		c->dentry = new_entry(&c->parent, &w, is_dir);
		if (IS_ERR(c->dentry)) {
			err = (int)PTR_ERR(c->dentry);
			up_write(&c->parent.dentry->inode->lock);
			path_put(&c->parent);
		}
	}
	walk_end(&w);
	return err;
}

static int create_end(struct create_ctx *c, int err)
{
	up_write(&c->parent.dentry->inode->lock);
	dput(c->dentry);
	path_put(&c->parent);
	return err;
}

kmode_t masked(kmode_t mode)
{
	return mode & ~READ_ONCE(current_fs()->umask);
}

int vfs_mknod_path(int dfd, const char *name, kmode_t mode, kdev_t rdev)
{
	struct create_ctx c;
	int err = create_begin(dfd, name, false, &c);

	if (err)
		return err;
	struct inode *dir = c.parent.dentry->inode;

	/* A character device 0:0 is nobody's: overlays mark with it what was removed. */
	if (((S_ISCHR(mode) && rdev) || S_ISBLK(mode)) && !capable(CAP_MKNOD))
		err = -EPERM;
	else
		err = dir->ops && dir->ops->create ?
			      dir->ops->create(dir, c.dentry, masked(mode), rdev) :
			      -EPERM;
	return create_end(&c, err);
}

int vfs_mkdir_path(int dfd, const char *name, kmode_t mode)
{
	struct create_ctx c;
	int err = create_begin(dfd, name, true, &c);

	if (err)
		return err;
	struct inode *dir = c.parent.dentry->inode;

	mode = masked(mode & (0777 | S_ISVTX)) | S_IFDIR;
	err = dir->ops && dir->ops->mkdir ? dir->ops->mkdir(dir, c.dentry, mode) : -EPERM;
	return create_end(&c, err);
}

int vfs_symlink_path(int dfd, const char *target, const char *name)
{
	struct create_ctx c;
	int err = create_begin(dfd, name, false, &c);

	if (err)
		return err;
	struct inode *dir = c.parent.dentry->inode;

	err = dir->ops && dir->ops->symlink ? dir->ops->symlink(dir, c.dentry, target) : -EPERM;
	return create_end(&c, err);
}

int vfs_link_path(const struct path *old, int dfd, const char *name)
{
	struct inode *inode = old->dentry->inode, *dir;
	struct create_ctx c;
	int err = create_begin(dfd, name, false, &c);

	if (err)
		return err;
	dir = c.parent.dentry->inode;
	if (old->mnt != c.parent.mnt || inode->sb != dir->sb) {
		err = -EXDEV;
	} else if (S_ISDIR(inode->mode) || !dir->ops || !dir->ops->link) {
		err = -EPERM;
	} else {
		down_write(&inode->lock);
		err = inode->nlink || inode->linkable ? dir->ops->link(dir, c.dentry, inode) :
							-ENOENT;
		inode->linkable = inode->linkable && err;
		up_write(&inode->lock);
	}
	return create_end(&c, err);
}

SYSCALL4(mknodat, int, dfd, const char __user *, uname, kmode_t, mode, unsigned int, dev)
{
	char *name __put(name) = NULL;

	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	if (S_ISDIR(mode))
		return -EPERM;
	if (!S_ISREG(mode) && !S_ISCHR(mode) && !S_ISBLK(mode) && !S_ISFIFO(mode) &&
	    !S_ISSOCK(mode))
		return -EINVAL;
	name = getname(uname, 0);
	return IS_ERR(name) ? PTR_ERR(name) :
			      vfs_mknod_path(dfd, name, mode & (S_IFMT | 07777), dev);
}

SYSCALL3(mkdirat, int, dfd, const char __user *, uname, kmode_t, mode)
{
	char *name __put(name) = getname(uname, 0);

	return IS_ERR(name) ? PTR_ERR(name) : vfs_mkdir_path(dfd, name, mode);
}

SYSCALL3(symlinkat, const char __user *, utarget, int, dfd, const char __user *, uname)
{
	char *target __put(name) = getname(utarget, 0), *name __put(name) = NULL;

	if (IS_ERR(target))
		return PTR_ERR(target);
	name = getname(uname, 0);
	return IS_ERR(name) ? PTR_ERR(name) : vfs_symlink_path(dfd, target, name);
}

SYSCALL5(linkat, int, odfd, const char __user *, uold, int, ndfd, const char __user *, unew, int,
	 flags)
{
	unsigned int how = flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0;
	struct path old __put(path) = {};
	char *name __put(name) = NULL;
	long err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH) {
		if (!capable(CAP_DAC_READ_SEARCH))
			return -ENOENT;
		how |= LOOKUP_EMPTY;
	}
	err = copy_path_at(odfd, uold, how, &old);
	if (err)
		return err;
	name = getname(unew, 0);
	return IS_ERR(name) ? PTR_ERR(name) : vfs_link_path(&old, ndfd, name);
}

/* --- removing ----------------------------------------------------------------------------- */

/* Removes d, which exists, from the locked directory dir. */
static int remove_dentry(const struct path *dir, struct dentry *d, bool is_dir)
{
	struct inode *di = dir->dentry->inode;
	int (*remove)(struct inode *, struct dentry *) = NULL;
	int err = may_delete(dir, d, is_dir);

	if (err)
		return err;
	if (di->ops)
		remove = is_dir ? di->ops->rmdir : di->ops->unlink;
	if (!remove)
		return -EPERM;
	down_write(&d->inode->lock);
	err = READ_ONCE(d->mounted) ? -EBUSY : remove(di, d);
	if (!err)
		d_delete(d);
	up_write(&d->inode->lock);
	return err;
}

static int rmdir_last_error(const struct walk *w)
{
	if (w->last_len == 0)
		return -EBUSY; /* the root */
	return w->last_len == 1 ? -EINVAL : -ENOTEMPTY;
}

/* The entry to remove, in the locked directory. */
static int remove_entry(const struct path *dir, const struct walk *w, bool is_dir)
{
	struct dentry *d = lookup_one(dir->dentry, w->last, w->last_len, true);
	int err;

	if (IS_ERR_OR_NULL(d))
		return d ? (int)PTR_ERR(d) : -ENOENT;
	if (w->slash && !is_dir)
		err = S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
	else
		err = remove_dentry(dir, d, is_dir);
	dput(d);
	return err;
}

static int remove_path(int dfd, const char *name, bool is_dir)
{
	struct walk w;
	int err = walk_begin(&w, dfd, name, 0);

	if (err)
		return err;
	err = walk_parent(&w);
	if (!err && walk_last_is_dot(&w))
		err = is_dir ? rmdir_last_error(&w) : -EISDIR;
	if (!err)
		err = mnt_want_write(w.path.mnt);
	if (!err) {
		down_write(&w.path.dentry->inode->lock);
		err = remove_entry(&w.path, &w, is_dir);
		up_write(&w.path.dentry->inode->lock);
	}
	walk_end(&w);
	return err;
}

int vfs_unlink_path(int dfd, const char *name)
{
	return remove_path(dfd, name, false);
}

int vfs_rmdir_path(int dfd, const char *name)
{
	return remove_path(dfd, name, true);
}

SYSCALL3(unlinkat, int, dfd, const char __user *, uname, int, flags)
{
	char *name __put(name) = NULL;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	name = getname(uname, 0);
	return IS_ERR(name) ? PTR_ERR(name) : remove_path(dfd, name, flags & AT_REMOVEDIR);
}

/* --- rename ------------------------------------------------------------------------------- */

struct rename {
	struct walk from, to;
	struct dentry *old, *new_; /* referenced; new_ may be negative */
	unsigned int flags;
};

static void lock_dirs(struct dentry *a, struct dentry *b)
{
	if (a == b) {
		down_write(&a->inode->lock);
		return;
	}
	mutex_lock(&rename_mutex);
	if (d_is_ancestor(b, a) || (!d_is_ancestor(a, b) && b < a))
		swap(a, b);
	down_write(&a->inode->lock);
	down_write(&b->inode->lock);
}

static void unlock_dirs(struct dentry *a, struct dentry *b)
{
	up_write(&a->inode->lock);
	if (a == b)
		return;
	up_write(&b->inode->lock);
	mutex_unlock(&rename_mutex);
}

static int rename_lookup(struct rename *r)
{
	struct dentry *d = lookup_one(r->from.path.dentry, r->from.last, r->from.last_len, true);

	if (IS_ERR_OR_NULL(d))
		return d ? (int)PTR_ERR(d) : -ENOENT;
	r->old = d;
	d = lookup_one(r->to.path.dentry, r->to.last, r->to.last_len, true);
	if (!d) {
		if (r->flags & RENAME_EXCHANGE)
			return -ENOENT;
		d = d_alloc(r->to.path.dentry, r->to.last, r->to.last_len);
		if (!d)
			return -ENOMEM;
	}
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	r->new_ = d;
	return d->inode && (r->flags & RENAME_NOREPLACE) ? -EEXIST : 0;
}

/* A trailing slash promises a directory; a directory must not go into itself. */
static int rename_check_shape(const struct rename *r)
{
	bool exchange = r->flags & RENAME_EXCHANGE;

	if (exchange && r->to.slash && !S_ISDIR(r->new_->inode->mode))
		return -ENOTDIR;
	if (!S_ISDIR(r->old->inode->mode) && (r->from.slash || (r->to.slash && !exchange)))
		return -ENOTDIR;
	if (d_is_ancestor(r->old, r->to.path.dentry))
		return -EINVAL;
	if (r->new_->inode && d_is_ancestor(r->new_, r->from.path.dentry))
		return exchange ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int rename_check_permission(const struct rename *r)
{
	bool is_dir = S_ISDIR(r->old->inode->mode), new_is_dir = is_dir;
	bool exchange = r->flags & RENAME_EXCHANGE;
	int err = may_delete(&r->from.path, r->old, is_dir);

	if (err)
		return err;
	if (exchange)
		new_is_dir = S_ISDIR(r->new_->inode->mode);
	err = r->new_->inode ? may_delete(&r->to.path, r->new_, new_is_dir) :
			       may_create_in(&r->to.path);
	/* A directory that moves gets another "..": it must be writable itself. */
	if (!err && is_dir && r->from.path.dentry != r->to.path.dentry)
		err = inode_permission(r->old->inode, MAY_WRITE);
	if (!err && exchange && new_is_dir && r->from.path.dentry != r->to.path.dentry)
		err = inode_permission(r->new_->inode, MAY_WRITE);
	return err;
}

static int do_exchange(struct rename *r, struct inode *from, struct inode *to)
{
	int err = from->ops && from->ops->exchange ?
			  from->ops->exchange(from, r->old, to, r->new_) :
			  -EINVAL;

	if (!err)
		d_exchange(r->old, r->new_);
	return err;
}

static int rename_locked(struct rename *r)
{
	struct inode *from = r->from.path.dentry->inode, *to = r->to.path.dentry->inode;
	struct inode *target;
	int err = rename_lookup(r);

	if (!err)
		err = rename_check_shape(r);
	if (err)
		return err;
	target = r->new_->inode;
	if (target == r->old->inode)
		return 0; /* two names of one file: nothing happens */
	err = rename_check_permission(r);
	if (err)
		return err;
	if (r->flags & RENAME_EXCHANGE)
		return do_exchange(r, from, to);
	if (!from->ops || !from->ops->rename)
		return -EPERM;
	if (target)
		down_write(&target->lock);
	err = from->ops->rename(from, r->old, to, r->new_);
	if (!err) {
		if (target)
			d_delete(r->new_);
		d_move(r->old, r->new_);
	}
	if (target)
		up_write(&target->lock);
	return err;
}

static int rename_walked(struct rename *r)
{
	struct dentry *a = r->from.path.dentry, *b = r->to.path.dentry;
	int err;

	if (r->from.path.mnt != r->to.path.mnt)
		return -EXDEV;
	if (walk_last_is_dot(&r->from))
		return -EBUSY;
	if (walk_last_is_dot(&r->to))
		return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	err = mnt_want_write(r->from.path.mnt);
	if (err)
		return err;
	lock_dirs(a, b);
	err = rename_locked(r);
	unlock_dirs(a, b);
	dput(r->old);
	dput(r->new_);
	return err;
}

int vfs_rename_path(int odfd, const char *old, int ndfd, const char *new_, unsigned int flags)
{
	struct rename r = {.flags = flags};
	int err;

	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL; /* for whiteouts, too: as file systems without them say */
	err = walk_begin(&r.from, odfd, old, 0);
	if (err)
		return err;
	err = walk_parent(&r.from);
	if (err)
		goto end_from;
	err = walk_begin(&r.to, ndfd, new_, 0);
	if (err)
		goto end_from;
	err = walk_parent(&r.to);
	if (!err)
		err = rename_walked(&r);
	walk_end(&r.to);
end_from:
	walk_end(&r.from);
	return err;
}

SYSCALL5(renameat2, int, odfd, const char __user *, uold, int, ndfd, const char __user *, unew,
	 unsigned int, flags)
{
	char *old __put(name) = getname(uold, 0), *new_ __put(name) = NULL;

	if (IS_ERR(old))
		return PTR_ERR(old);
	new_ = getname(unew, 0);
	return IS_ERR(new_) ? PTR_ERR(new_) : vfs_rename_path(odfd, old, ndfd, new_, flags);
}
