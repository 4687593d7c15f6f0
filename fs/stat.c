/* SPDX-License-Identifier: MIT */
/*
 * What a file is: stat(2), statx(2), statfs(2), readlink(2); and the calls that bring data to a
 * disk, of which only block devices as files have any.
 */
#include <drivers/block/block.h>
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

#define AT_NO_AUTOMOUNT    0x800
#define AT_STATX_SYNC_TYPE 0x6000
#define STATX_BASIC_STATS  0x7ffu
#define STATX_RESERVED     0x80000000u

struct stat { /* x86-64 */
	u64 dev, ino, nlink;
	u32 mode, uid, gid, pad0;
	u64 rdev;
	s64 size, blksize, blocks;
	struct timespec64 atime, mtime, ctime;
	s64 unused[3];
};
static_assert_size(struct stat, 144);

struct statx_time {
	s64 sec;
	u32 nsec;
	s32 reserved;
};
struct statx {
	u32 mask, blksize;
	u64 attributes;
	u32 nlink, uid, gid;
	u16 mode, pad0;
	u64 ino, size, blocks, attributes_mask;
	struct statx_time atime, btime, ctime, mtime;
	u32 rdev_major, rdev_minor, dev_major, dev_minor;
	u64 spare[14];
};
static_assert_size(struct statx, 256);

int vfs_getattr(const struct path *p, struct kstat *st)
{
	struct inode *i = p->dentry->inode;

	fill_kstat(i, st);
	return i->ops && i->ops->getattr ? i->ops->getattr(i, st) : 0;
}

static int getattr_at(int dfd, const char __user *name, int flags, struct kstat *st)
{
	struct path p __put(path) = {};
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	err = copy_path_at(dfd, name, lookup_flags_of(flags), &p);
	return err ? err : vfs_getattr(&p, st);
}

static long put_stat(struct stat __user *ust, const struct kstat *st)
{
	struct stat s = {
		.dev = st->dev,
		.ino = st->ino,
		.nlink = st->nlink,
		.mode = st->mode,
		.uid = st->uid,
		.gid = st->gid,
		.rdev = st->rdev,
		.size = st->size,
		.blksize = st->blksize,
		.blocks = (s64)st->blocks,
		.atime = st->atime,
		.mtime = st->mtime,
		.ctime = st->ctime,
	};

	return copy_to_user(ust, &s, sizeof(s)) ? -EFAULT : 0;
}

SYSCALL2(fstat, int, fd, struct stat __user *, ust)
{
	struct file *f __put(file) = fget_raw(fd);
	struct kstat st;
	int err = f ? vfs_getattr(&f->path, &st) : -EBADF;

	return err ? err : put_stat(ust, &st);
}

SYSCALL4(newfstatat, int, dfd, const char __user *, name, struct stat __user *, ust, int, flags)
{
	struct kstat st;
	int err = getattr_at(dfd, name, flags, &st);

	return err ? err : put_stat(ust, &st);
}

static struct statx_time statx_time(struct timespec64 t)
{
	return (struct statx_time){t.tv_sec, (u32)t.tv_nsec, 0};
}

SYSCALL5(statx, int, dfd, const char __user *, name, unsigned int, flags, unsigned int, mask,
	 struct statx __user *, ux)
{
	struct kstat st;
	int err;

	if (mask & STATX_RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	err = getattr_at(dfd, name, (int)flags, &st);
	if (err)
		return err;
	struct statx x = {
		.mask = STATX_BASIC_STATS,
		.blksize = st.blksize,
		.nlink = st.nlink,
		.uid = st.uid,
		.gid = st.gid,
		.mode = (u16)st.mode,
		.ino = st.ino,
		.size = (u64)st.size,
		.blocks = st.blocks,
		.atime = statx_time(st.atime),
		.mtime = statx_time(st.mtime),
		.ctime = statx_time(st.ctime),
		.rdev_major = MAJOR(st.rdev),
		.rdev_minor = MINOR(st.rdev),
		.dev_major = MAJOR(st.dev),
		.dev_minor = MINOR(st.dev),
	};

	return copy_to_user(ux, &x, sizeof(x)) ? -EFAULT : 0;
}

/* --- readlink ----------------------------------------------------------------------------- */

static long readlink_path(const struct path *p, char __user *ubuf, int size, bool empty)
{
	struct inode *i = p->dentry->inode;
	char *buf;
	long n;

	if (!S_ISLNK(i->mode) || !i->ops || !i->ops->readlink)
		return empty ? -ENOENT : -EINVAL;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	n = i->ops->readlink(i, buf, PATH_MAX);
	if (n > size)
		n = size;
	if (n > 0 && copy_to_user(ubuf, buf, (size_t)n))
		n = -EFAULT;
	kfree(buf);
	return n;
}

SYSCALL4(readlinkat, int, dfd, const char __user *, uname, char __user *, buf, int, size)
{
	struct path p __put(path) = {};
	char *name __put(name) = NULL;
	long err;

	if (size <= 0)
		return -EINVAL;
	name = getname(uname, LOOKUP_EMPTY);
	if (IS_ERR(name))
		return PTR_ERR(name);
	err = !*name && dfd == AT_FDCWD ? -ENOENT : path_lookup(dfd, name, 0, &p);
	return err ? err : readlink_path(&p, buf, size, !*name);
}

/* --- extended attributes: ls(1) asks for each file, and takes this for "there are none" ------- */

#define XATTR_NAME_MAX 255

static long no_xattr(const char __user *uname)
{
	char name[XATTR_NAME_MAX + 1];
	long n = strncpy_from_user(name, uname, sizeof(name));

	if (n < 0)
		return n;
	return n == 0 || n > XATTR_NAME_MAX ? -ERANGE : -EOPNOTSUPP;
}

SYSCALL2(getxattr, const char __user *, file, const char __user *, name)
{
	struct path p __put(path) = {};
	int err = copy_path_at(AT_FDCWD, file, LOOKUP_FOLLOW, &p);

	return err ? err : no_xattr(name);
}

SYSCALL2(lgetxattr, const char __user *, file, const char __user *, name)
{
	struct path p __put(path) = {};
	int err = copy_path_at(AT_FDCWD, file, 0, &p);

	return err ? err : no_xattr(name);
}

SYSCALL2(fgetxattr, int, fd, const char __user *, name)
{
	struct file *f __put(file) = fget(fd);

	return f ? no_xattr(name) : -EBADF;
}

/* --- statfs ------------------------------------------------------------------------------- */

#define ANON_INODE_MAGIC 0x09041934 /* anything without numbers of its own */
#define ST_VALID         0x20
#define ST_RELATIME      0x1000

static int vfs_statfs(struct super_block *sb, struct kstatfs *st)
{
	*st = (struct kstatfs){
		.type = ANON_INODE_MAGIC,
		.bsize = PAGE_SIZE,
		.namelen = NAME_MAX,
	};
	int err = sb->ops && sb->ops->statfs ? sb->ops->statfs(sb, st) : 0;

	if (!st->frsize)
		st->frsize = st->bsize;
	st->fsid[0] = (s32)sb->dev;
	return err;
}

static long statfs_path(const struct path *p, struct kstatfs __user *ust)
{
	unsigned long flags = p->mnt->flags;
	struct kstatfs st;
	int err = vfs_statfs(p->dentry->inode->sb, &st);

	if (err)
		return err;
	/* The low bits are those of mount(2), but for atime's. */
	st.flags = ST_VALID | (s64)(flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC |
					     MS_NOATIME | MS_NODIRATIME));
	if (flags & MS_RELATIME)
		st.flags |= ST_RELATIME;
	if (mnt_want_write(p->mnt))
		st.flags |= MS_RDONLY;
	return copy_to_user(ust, &st, sizeof(st)) ? -EFAULT : 0;
}

SYSCALL2(statfs, const char __user *, name, struct kstatfs __user *, ust)
{
	struct path p __put(path) = {};
	long err = copy_path_at(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	return err ? err : statfs_path(&p, ust);
}

SYSCALL2(fstatfs, int, fd, struct kstatfs __user *, ust)
{
	struct file *f __put(file) = fget_raw(fd);

	return f ? statfs_path(&f->path, ust) : -EBADF;
}

/* --- sync --------------------------------------------------------------------------------- */

SYSCALL1(fsync, int, fd)
{
	struct file *f __put(file) = fget(fd);

	if (!f)
		return -EBADF;
	if (f->ops->fsync)
		return f->ops->fsync(f);
	return S_ISDIR(f->inode->mode) ? 0 : -EINVAL;
}

SYSCALL0(sync)
{
	blkdev_sync_all();
	return 0;
}

SYSCALL1(syncfs, int, fd)
{
	struct file *f __put(file) = fget(fd);

	return f ? 0 : -EBADF;
}

/* Advice is taken and, with every page in memory already, means nothing. */
SYSCALL4(fadvise64, int, fd, loff_t, off __unused, loff_t, len, int, advice)
{
	struct file *f __put(file) = fget(fd);

	if (!f)
		return -EBADF;
	if (S_ISFIFO(f->inode->mode))
		return -ESPIPE;
	return len < 0 || advice < 0 || advice > 5 ? -EINVAL : 0;
}

SYSCALL3(readahead, int, fd, loff_t, off __unused, size_t, n)
{
	struct file *f __put(file) = fget(fd);

	if (!f || !f->can_read)
		return -EBADF;
	return S_ISREG(f->inode->mode) && f->inode->mapping.ops && (ssize_t)n >= 0 ? 0 : -EINVAL;
}
