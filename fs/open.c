/* SPDX-License-Identifier: MIT */
/*
 * open(2) and its relatives, and the calls that change what a file is (chmod, chown, truncate,
 * utimensat).
 *
 * An open resolves the path to its last component and then has two cases: the file exists, or it
 * does not and is created under its directory's lock. What follows is common: may it be opened so (may_open), opened by its operations, truncated.
 *
 * A file created by this very call is not checked again: open("f", O_CREAT|O_WRONLY, 0444) works.
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>

#define OPEN_FLAGS                                                                            \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | \
	 O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | \
	 __O_TMPFILE)
#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u
#define FALLOC_FL_ALL       0x7f
#define UTIME_NOW           0x3fffffff
#define UTIME_OMIT          0x3ffffffe

struct open_how {
	unsigned int flags;
	kmode_t mode;
	int acc; /* MAY_* the caller must have */
	bool created;
	struct file *file; /* what it is to become: had before anything is created */
};

/* --- changing attributes ------------------------------------------------------------------ */

static bool is_owner(const struct inode *i)
{
	return current->cred.fsuid == i->uid || capable(CAP_FOWNER);
}

/* The set-id bits that must go when someone else's hand is on the file. */
static kmode_t without_privs(kmode_t mode)
{
	if (!S_ISREG(mode))
		return mode;
	mode &= ~(kmode_t)S_ISUID;
	if (mode & 0010) /* without group execution it means mandatory locking */
		mode &= ~(kmode_t)S_ISGID;
	return mode;
}

/* Whether the caller may depends on what the attributes are: he looked under the same hold of the lock. */
static int change_locked(struct inode *i, struct iattr *a)
{
	if (!(a->valid & ATTR_CTIME)) {
		a->ctime = current_time();
		a->valid |= ATTR_CTIME;
	}
	if ((a->valid & ATTR_KILL_PRIVS) && without_privs(i->mode) != i->mode) {
		a->valid |= ATTR_MODE;
		a->mode = without_privs(i->mode);
	}
	return i->ops && i->ops->setattr ? i->ops->setattr(i, a) : simple_setattr(i, a);
}

int notify_change(struct dentry *d, struct iattr *a)
{
	guard_write(&d->inode->lock);
	return change_locked(d->inode, a);
}

int file_remove_privs(struct inode *i)
{
	if (likely(!(i->mode & (S_ISUID | S_ISGID))) || capable(CAP_FSETID))
		return 0;
	i->mode = without_privs(i->mode);
	return 0;
}

static int truncate_dentry(struct dentry *d, loff_t size)
{
	struct iattr a = {
		.valid = ATTR_SIZE | ATTR_MTIME | ATTR_CTIME,
		.size = size,
	};

	a.mtime = a.ctime = current_time();
	if (!capable(CAP_FSETID))
		a.valid |= ATTR_KILL_PRIVS;
	return notify_change(d, &a);
}

int check_size_limit(const struct inode *i, loff_t size)
{
	if (size > i->mapping.size && (unsigned long)size > rlimit(RLIMIT_FSIZE)) {
		send_sig_task(current, SIGXFSZ, NULL);
		return -EFBIG;
	}
	return 0;
}

static int vfs_truncate(struct path *p, loff_t size)
{
	struct inode *i = p->dentry->inode;
	int err;

	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode))
		return -EINVAL;
	err = mnt_want_write(p->mnt);
	if (!err)
		err = inode_permission(i, MAY_WRITE);
	if (!err)
		err = get_write_access(i);
	if (err)
		return err;
	err = check_size_limit(i, size);
	if (!err)
		err = truncate_dentry(p->dentry, size);
	put_write_access(i);
	return err;
}

static int chmod_path(const struct path *p, kmode_t mode)
{
	struct inode *i = p->dentry->inode;
	struct iattr a = {.valid = ATTR_MODE, .mode = mode & 07777};
	int err = mnt_want_write(p->mnt);

	if (err)
		return err;
	if (S_ISLNK(i->mode))
		return -EOPNOTSUPP;
	guard_write(&i->lock);
	if (!is_owner(i))
		return -EPERM;
	if (!in_group(i->gid) && !capable(CAP_FSETID))
		a.mode &= ~(kmode_t)S_ISGID;
	return change_locked(i, &a);
}

static int chown_path(const struct path *p, kuid_t uid, kgid_t gid)
{
	struct inode *i = p->dentry->inode;
	struct iattr a = {.valid = ATTR_KILL_PRIVS, .uid = uid, .gid = gid};
	int err = mnt_want_write(p->mnt);

	if (err)
		return err;
	guard_write(&i->lock);
	bool may = capable(CAP_CHOWN), owner = current->cred.fsuid == i->uid;

	if (uid != (kuid_t)-1) {
		if (!may && !(owner && uid == i->uid))
			return -EPERM;
		a.valid |= ATTR_UID;
	}
	if (gid != (kgid_t)-1) {
		if (!may && !(owner && (gid == i->gid || in_group(gid))))
			return -EPERM;
		a.valid |= ATTR_GID;
	}
	return change_locked(i, &a);
}

/* --- open --------------------------------------------------------------------------------- */

static int may_open(const struct path *p, struct open_how *how)
{
	struct inode *i = p->dentry->inode;
	int err;

	if (S_ISLNK(i->mode))
		return -ELOOP;
	if (S_ISDIR(i->mode) && (how->acc & MAY_WRITE))
		return -EISDIR;
	if ((S_ISCHR(i->mode) || S_ISBLK(i->mode)) && (p->mnt->flags & MS_NODEV))
		return -EACCES;
	if (S_ISREG(i->mode) && (how->acc & MAY_EXEC) && (p->mnt->flags & MS_NOEXEC))
		return -EACCES;
	if (!S_ISREG(i->mode))
		how->flags &= ~O_TRUNC;
	err = inode_permission(i, how->acc);
	if (err)
		return err;
	if ((how->flags & O_NOATIME) && !is_owner(i))
		return -EPERM;
	if ((how->acc & MAY_WRITE) && (S_ISREG(i->mode) || S_ISDIR(i->mode)))
		return mnt_want_write(p->mnt);
	return 0;
}

static struct file *how_file(struct open_how *how)
{
	struct file *f = how->file;

	how->file = NULL;
	return f;
}

/* O_TMPFILE: a file in the directory dir, but without a name there. */
static struct file *open_tmpfile(const struct path *dir, struct open_how *how)
{
	struct inode *di = dir->dentry->inode;
	struct dentry *d __put(dentry) = NULL;
	int err = mnt_want_write(dir->mnt);

	if (!err)
		err = inode_permission(di, MAY_WRITE | MAY_EXEC);
	if (!err && (!di->ops || !di->ops->tmpfile))
		err = -EOPNOTSUPP;
	if (err)
		return ERR_PTR(err);
	d = d_alloc(dir->dentry, "#", 1);
	err = d ? di->ops->tmpfile(di, d, S_IFREG | masked(how->mode & 07777)) : -ENOMEM;
	if (err)
		return ERR_PTR(err);
	d->len = (u32)scnprintf(d->name, sizeof(d->name_inline), "#%lu", d->inode->ino);
	d->unlinked = true;
	d->inode->linkable = !(how->flags & O_EXCL);
	return file_open_path(how_file(how), &(struct path){dir->mnt, d}, how->flags);
}

static struct file *open_found(const struct path *p, struct open_how *how)
{
	struct inode *i = p->dentry->inode;
	struct file *f;
	int err = 0;

	if ((how->flags & O_CREAT) && !how->created && S_ISDIR(i->mode))
		return ERR_PTR(-EISDIR);
	if ((how->flags & O_DIRECTORY) && !S_ISDIR(i->mode))
		return ERR_PTR(-ENOTDIR);
	if (how->flags & __O_TMPFILE)
		return open_tmpfile(p, how);
	if (how->flags & O_PATH)
		return file_open_path(how_file(how), p, how->flags);
	if (how->created)
		how->flags &= ~O_TRUNC;
	else
		err = may_open(p, how);
	if (err)
		return ERR_PTR(err);
	f = file_open_path(how_file(how), p, how->flags);
	if (!IS_ERR(f) && (how->flags & O_TRUNC)) {
		err = get_write_access(i); /* also with O_RDONLY|O_TRUNC */
		if (!err) {
			err = truncate_dentry(p->dentry, 0);
			put_write_access(i);
		}
		if (err) {
			fput(f);
			return ERR_PTR(err);
		}
	}
	return f;
}

/* The last component does not exist, or did not a moment ago: the dentry, created or found. */
static struct dentry *open_create(struct walk *w, struct open_how *how)
{
	struct inode *dir = w->path.dentry->inode;
	struct dentry *d;
	int err;

	down_write(&dir->lock);
	d = lookup_one(w->path.dentry, w->last, w->last_len, true);
	if (d)
		goto out;
	err = mnt_want_write(w->path.mnt);
	if (!err)
		err = may_create_in(&w->path);
	if (!err && (!dir->ops || !dir->ops->create))
		err = -EACCES;
	d = ERR_PTR(err);
	if (err)
		goto out;
	d = d_alloc(w->path.dentry, w->last, w->last_len);
	if (!d) {
		d = ERR_PTR(-ENOMEM);
		goto out;
	}
	err = dir->ops->create(dir, d, S_IFREG | masked(how->mode & 07777), 0);
	if (err) {
		dput(d);
		d = ERR_PTR(err);
	} else {
		how->created = true;
	}
out:
	up_write(&dir->lock);
	return d;
}

/* O_CREAT at the last component. 1: it was a link and has been followed. */
static int open_last_create(struct walk *w, struct open_how *how)
{
	struct path p;
	struct dentry *d;

	if (walk_last_is_dot(w) && (how->flags & O_EXCL))
		return -EEXIST;
	if (w->slash || walk_last_is_dot(w)) {
		if (w->last_len || w->links == 0 || S_ISDIR(w->path.dentry->inode->mode))
			return -EISDIR;
		return 0; /* a magic link ended here */
	}
	if (w->dir_only)
		return -EISDIR;
	d = lookup_one(w->path.dentry, w->last, w->last_len, false);
	if (!d)
		d = open_create(w, how);
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	if (!how->created && (how->flags & O_EXCL)) {
		dput(d);
		return -EEXIST;
	}
	if (!how->created && S_ISLNK(d->inode->mode) && !(how->flags & O_NOFOLLOW)) {
		dput(d);
		return walk_last(w, true);
	}
	p = (struct path){mount_get(w->path.mnt), d};
	follow_mounts(&p);
	path_put(&w->path);
	w->path = p;
	return 0;
}

static int open_check_flags(struct open_how *how)
{
	static const int acc_of[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
				      MAY_READ | MAY_WRITE};

	how->flags &= OPEN_FLAGS;
	how->acc |= acc_of[how->flags & O_ACCMODE];
	if (how->flags & O_PATH) {
		how->flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
		how->acc = 0;
		return 0;
	}
	if ((how->flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT))
		return -EINVAL;
	if ((how->flags & __O_TMPFILE) && (!(how->flags & O_DIRECTORY) || !(how->acc & MAY_WRITE)))
		return -EINVAL;
	if (how->flags & O_TRUNC)
		how->acc |= MAY_WRITE;
	if ((how->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		how->flags |= O_NOFOLLOW;
	return 0;
}

static struct file *open_how(int dfd, const char *name, struct open_how *how)
{
	struct file *f;
	struct walk w;
	int err = open_check_flags(how);

	if (!err)
		err = walk_begin(&w, dfd, name, how->flags & O_DIRECTORY ? LOOKUP_DIRECTORY : 0);
	if (err)
		return ERR_PTR(err);
	do {
		err = walk_parent(&w);
		if (err)
			break;
		err = how->flags & O_CREAT ? open_last_create(&w, how) :
					     walk_last(&w, !(how->flags & O_NOFOLLOW));
	} while (err > 0);
	f = err ? ERR_PTR(err) : open_found(&w.path, how);
	walk_end(&w);
	return f;
}

static struct file *do_filp_open(int dfd, const char *name, unsigned int flags, kmode_t mode)
{
	struct open_how how = {.flags = flags, .mode = mode, .file = file_alloc_empty()};
	struct file *f = how.file ? open_how(dfd, name, &how) : ERR_PTR(-ENOMEM);

	file_free_empty(how.file);
	return f;
}

struct file *filp_open(const char *name, unsigned int flags, kmode_t mode)
{
	return do_filp_open(AT_FDCWD, name, flags, mode);
}

struct file *open_exec(int dfd, const char *name, unsigned int lookup_flags)
{
	struct open_how how = {.flags = O_RDONLY, .acc = MAY_EXEC};
	struct path p __put(path) = {};
	int err = path_lookup(dfd, name, lookup_flags, &p);

	if (!err)
		err = may_open(&p, &how);
	if (!err && !S_ISREG(p.dentry->inode->mode))
		err = -EACCES;
	return err ? ERR_PTR(err) : file_open_path(file_alloc_empty(), &p, O_RDONLY);
}

SYSCALL4(openat, int, dfd, const char __user *, uname, unsigned int, flags, kmode_t, mode)
{
	char *name __put(name) = getname(uname, 0);
	struct file *f;
	int fd;

	if (IS_ERR(name))
		return PTR_ERR(name);
	fd = get_unused_fd(0, flags);
	if (fd < 0)
		return fd;
	f = do_filp_open(dfd, name, flags | O_LARGEFILE, mode);
	if (IS_ERR(f)) {
		put_unused_fd(fd);
		return PTR_ERR(f);
	}
	fd_install(fd, f);
	return fd;
}

SYSCALL1(close, int, fd)
{
	int err = close_fd(fd);

	/* The descriptor is gone already: it must not be closed again. */
	return err == -ERESTARTSYS ? -EINTR : err;
}

SYSCALL3(close_range, unsigned int, first, unsigned int, last, unsigned int, flags)
{
	int err = 0;

	if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE)
		err = files_unshare();
	if (!err)
		fd_close_range(first, last, flags & CLOSE_RANGE_CLOEXEC);
	return err;
}

/* --- access ------------------------------------------------------------------------------- */

static int access_path(const struct path *p, int mode)
{
	struct inode *i = p->dentry->inode;

	if ((mode & MAY_EXEC) && S_ISREG(i->mode) && (p->mnt->flags & MS_NOEXEC))
		return -EACCES;
	int err = inode_permission(i, mode);

	if (!err && (mode & MAY_WRITE) &&
	    (S_ISREG(i->mode) || S_ISDIR(i->mode) || S_ISLNK(i->mode)))
		err = mnt_want_write(p->mnt);
	return err;
}

SYSCALL4(faccessat2, int, dfd, const char __user *, name, int, mode, int, flags)
{
	struct cred *c = &current->cred;
	struct cred saved = *c;
	struct path p __put(path) = {};
	long err;

	if (mode & ~7)
		return -EINVAL;
	if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!(flags & AT_EACCESS)) { /* by the real ids, for the path as well */
		c->fsuid = c->uid;
		c->fsgid = c->gid;
		caps_for_access(c);
	}
	err = copy_path_at(dfd, name, lookup_flags_of(flags), &p);
	if (!err)
		err = access_path(&p, mode);
	*c = saved;
	return err;
}

/* --- chmod, chown ------------------------------------------------------------------------- */

SYSCALL3(fchmodat, int, dfd, const char __user *, name, kmode_t, mode)
{
	struct path p __put(path) = {};
	long err = copy_path_at(dfd, name, LOOKUP_FOLLOW, &p);

	return err ? err : chmod_path(&p, mode);
}

SYSCALL2(fchmod, int, fd, kmode_t, mode)
{
	struct file *f __put(file) = fget(fd);

	return f ? chmod_path(&f->path, mode) : -EBADF;
}

SYSCALL5(fchownat, int, dfd, const char __user *, name, kuid_t, uid, kgid_t, gid, int, flags)
{
	struct path p __put(path) = {};
	long err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = copy_path_at(dfd, name, lookup_flags_of(flags), &p);
	return err ? err : chown_path(&p, uid, gid);
}

SYSCALL3(fchown, int, fd, kuid_t, uid, kgid_t, gid)
{
	struct file *f __put(file) = fget(fd);

	return f ? chown_path(&f->path, uid, gid) : -EBADF;
}

/* --- truncate, fallocate ------------------------------------------------------------------ */

SYSCALL2(truncate, const char __user *, name, loff_t, size)
{
	struct path p __put(path) = {};
	long err;

	if (size < 0)
		return -EINVAL;
	err = copy_path_at(AT_FDCWD, name, LOOKUP_FOLLOW, &p);
	return err ? err : vfs_truncate(&p, size);
}

SYSCALL2(ftruncate, int, fd, loff_t, size)
{
	struct file *f __put(file) = size < 0 ? NULL : fget(fd);
	long err;

	if (!f)
		return size < 0 ? -EINVAL : -EBADF;
	if (!S_ISREG(f->inode->mode) || !f->can_write)
		return -EINVAL;
	err = check_size_limit(f->inode, size);
	return err ? err : truncate_dentry(f->path.dentry, size);
}

long vfs_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
	kmode_t type = f->inode->mode;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~FALLOC_FL_ALL)
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!f->can_write)
		return -EBADF;
	if (S_ISFIFO(type))
		return -ESPIPE;
	if (S_ISDIR(type))
		return -EISDIR;
	if (!S_ISREG(type))
		return -ENODEV;
	if (off > MAX_LFS_FILESIZE - len)
		return -EFBIG;
	return f->ops->fallocate ? f->ops->fallocate(f, mode, off, len) : -EOPNOTSUPP;
}

SYSCALL4(fallocate, int, fd, int, mode, loff_t, off, loff_t, len)
{
	struct file *f __put(file) = fget(fd);

	return f ? vfs_fallocate(f, mode, off, len) : -EBADF;
}

/* --- times -------------------------------------------------------------------------------- */

/* ts NULL: both now. */
static long utimes_path(const struct path *p, const struct timespec64 *ts)
{
	struct inode *i = p->dentry->inode;
	struct iattr a = {.valid = ATTR_ATIME | ATTR_MTIME};
	bool now = !ts || (ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW);
	long err = mnt_want_write(p->mnt);

	if (err)
		return err;
	a.atime = a.mtime = current_time();
	if (ts) {
		if (ts[0].tv_nsec == UTIME_OMIT)
			a.valid &= ~ATTR_ATIME;
		else if (ts[0].tv_nsec != UTIME_NOW)
			a.atime = ts[0];
		if (ts[1].tv_nsec == UTIME_OMIT)
			a.valid &= ~ATTR_MTIME;
		else if (ts[1].tv_nsec != UTIME_NOW)
			a.mtime = ts[1];
	}
	guard_write(&i->lock);
	if (!is_owner(i)) {
		/* Whoever may write it may say that it was written now, nothing else. */
		err = now ? inode_permission(i, MAY_WRITE) : -EPERM;
		if (err)
			return err;
	}
	return change_locked(i, &a);
}

static bool nsec_valid(const struct timespec64 *ts)
{
	return ts->tv_nsec == UTIME_NOW || ts->tv_nsec == UTIME_OMIT ||
	       (ts->tv_nsec >= 0 && ts->tv_nsec < NSEC_PER_SEC);
}

static long do_utimes(int dfd, const char __user *name, const struct timespec64 *ts, int flags)
{
	struct path p __put(path) = {};
	long err;

	if (ts) {
		if (!nsec_valid(&ts[0]) || !nsec_valid(&ts[1]))
			return -EINVAL;
		if (ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
			return 0;
	}
	if (!name && dfd != AT_FDCWD) {
		struct file *f __put(file) = flags ? NULL : fget(dfd);

		return f ? utimes_path(&f->path, ts) : flags ? -EINVAL : -EBADF;
	}
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = copy_path_at(dfd, name, lookup_flags_of(flags), &p);
	return err ? err : utimes_path(&p, ts);
}

SYSCALL4(utimensat, int, dfd, const char __user *, name, const struct timespec64 __user *, uts, int,
	 flags)
{
	struct timespec64 ts[2];

	if (uts && copy_from_user(ts, uts, sizeof(ts)))
		return -EFAULT;
	return do_utimes(dfd, name, uts ? ts : NULL, flags);
}

/* struct timeval has the same shape as timespec, with microseconds. */
SYSCALL3(futimesat, int, dfd, const char __user *, name, const struct timespec64 __user *, utv)
{
	struct timespec64 ts[2];

	if (utv && copy_from_user(ts, utv, sizeof(ts)))
		return -EFAULT;
	for (int i = 0; utv && i < 2; i++) {
		if (ts[i].tv_nsec < 0 || ts[i].tv_nsec >= 1000000)
			return -EINVAL;
		ts[i].tv_nsec *= NSEC_PER_USEC;
	}
	return do_utimes(dfd, name, utv ? ts : NULL, 0);
}

SYSCALL2(utime, const char __user *, name, const s64 __user *, utimbuf)
{
	struct timespec64 ts[2] = {};
	s64 t[2];

	if (utimbuf && copy_from_user(t, utimbuf, sizeof(t)))
		return -EFAULT;
	for (int i = 0; utimbuf && i < 2; i++)
		ts[i].tv_sec = t[i];
	return do_utimes(AT_FDCWD, name, utimbuf ? ts : NULL, 0);
}
