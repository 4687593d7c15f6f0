/* SPDX-License-Identifier: MIT */
/*
 * read(2), write(2) and all their forms.
 *
 * The calls here check descriptor, rights, lengths and addresses once; a file's operations see a
 * user buffer that lies in user space (it may still be bad) and a length of at most MAX_RW_COUNT.
 * The position of a regular file or directory is used under f->pos_lock, so that two processes
 * that share a descriptor do not write over each other; pread and pwrite do not touch it.
 *
 * A write to a regular file is atomic towards other writes: the inode's lock is held over all its
 * parts, O_APPEND's position included. What was done before an error counts: errors are reported
 * only when nothing was transferred.
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

#define IOV_MAX  1024
#define IOV_FAST 8

#define RWF_HIPRI 1u
#define RWF_DSYNC 2u
#define RWF_SYNC  4u

/* --- position ----------------------------------------------------------------------------- */

loff_t no_llseek(struct file *f __unused, loff_t off __unused, int whence __unused)
{
	return -ESPIPE;
}

static bool is_seekable(const struct file *f)
{
	return f->ops->llseek != no_llseek;
}

static loff_t seek_data(struct file *f, loff_t off, bool data)
{
	loff_t size = f->inode->mapping.size;

	if (off < 0 || off >= size)
		return -ENXIO;
	if (!f->inode->mapping.ops)
		return data ? off : size;
	return filemap_seek(&f->inode->mapping, off, data);
}

loff_t generic_llseek(struct file *f, loff_t off, int whence)
{
	loff_t base = 0;

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		off = seek_data(f, off, whence == SEEK_DATA);
		if (off < 0)
			return off;
	}
	if (whence == SEEK_CUR)
		base = f->pos;
	else if (whence == SEEK_END)
		base = f->inode->mapping.size;
	if (__builtin_add_overflow(base, off, &off) || off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

/* A directory's position: what getdents said, nothing else. */
loff_t dir_llseek(struct file *f, loff_t off, int whence)
{
	return whence == SEEK_SET || whence == SEEK_CUR ? generic_llseek(f, off, whence) : -EINVAL;
}

/* True if the position is shared and has to be locked. */
static bool pos_locked(struct file *f)
{
	if (!S_ISREG(f->inode->mode) && !S_ISDIR(f->inode->mode))
		return false;
	mutex_lock(&f->pos_lock);
	return true;
}

SYSCALL3(lseek, int, fd, loff_t, off, unsigned int, whence)
{
	struct file *f __put(file) = fget(fd);
	loff_t ret;
	bool locked;

	if (!f)
		return -EBADF;
	if (whence > SEEK_HOLE)
		return -EINVAL;
	locked = pos_locked(f);
	ret = (f->ops->llseek ? f->ops->llseek : generic_llseek)(f, off, (int)whence);
	if (locked)
		mutex_unlock(&f->pos_lock);
	return ret;
}

/* --- one buffer --------------------------------------------------------------------------- */

static bool is_relatime_due(const struct inode *i, const struct timespec64 *now)
{
	return i->atime.tv_sec < i->mtime.tv_sec || i->atime.tv_sec < i->ctime.tv_sec ||
	       (i->atime.tv_sec == i->mtime.tv_sec && i->atime.tv_nsec <= i->mtime.tv_nsec) ||
	       (i->atime.tv_sec == i->ctime.tv_sec && i->atime.tv_nsec <= i->ctime.tv_nsec) ||
	       now->tv_sec - i->atime.tv_sec >= 24 * 3600;
}

void file_accessed(struct file *f)
{
	struct inode *i = f->inode;
	unsigned long flags = f->path.mnt->flags;
	struct timespec64 now;

	if ((f->flags & O_NOATIME) || (flags & MS_NOATIME) || mnt_want_write(f->path.mnt) ||
	    ((flags & MS_NODIRATIME) && S_ISDIR(i->mode)))
		return;
	now = current_time();
	if ((flags & MS_STRICTATIME) || is_relatime_due(i, &now))
		i->atime = now;
}

ssize_t generic_file_read(struct file *f, void __user *buf, size_t n, loff_t *pos)
{
	ssize_t ret = filemap_read(&f->inode->mapping, *pos, buf, n);

	if (ret > 0)
		*pos += ret;
	file_accessed(f);
	return ret;
}

static ssize_t generic_write_checks(struct file *f, loff_t *pos, size_t n)
{
	unsigned long limit = rlimit(RLIMIT_FSIZE);
	struct inode *i = f->inode;

	if (f->flags & O_APPEND)
		*pos = i->mapping.size;
	if ((unsigned long)*pos >= limit) {
		send_sig_task(current, SIGXFSZ, NULL);
		return -EFBIG;
	}
	n = min(n, limit - (unsigned long)*pos);
	if (*pos == MAX_LFS_FILESIZE)
		return -EFBIG;
	n = min(n, (size_t)(MAX_LFS_FILESIZE - *pos));
	if (unlikely(i->seals)) {
		if (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EPERM;
		if ((i->seals & F_SEAL_GROW) && *pos + (loff_t)n > i->mapping.size)
			return -EPERM;
	}
	return (ssize_t)n;
}

/* The parts of at most n bytes in all, from *pos on. The inode is locked. */
static ssize_t write_parts(struct address_space *m, const struct iovec *iov, unsigned int nr,
			   size_t n, loff_t pos)
{
	size_t done = 0;

	for (unsigned int i = 0; i < nr && done < n; i++) {
		size_t len = min(iov[i].len, n - done);
		ssize_t ret;

		if (!len)
			continue;
		ret = filemap_write(m, pos + (loff_t)done, iov[i].base, len);
		if (ret < 0)
			return done ? (ssize_t)done : ret;
		done += (size_t)ret;
		if ((size_t)ret < len)
			break;
	}
	return (ssize_t)done;
}

ssize_t generic_file_writev(struct file *f, const struct iovec *iov, unsigned int nr, loff_t *pos)
{
	struct inode *i = f->inode;
	size_t total = 0;
	ssize_t ret;

	for (unsigned int k = 0; k < nr; k++)
		total += iov[k].len;
	if (!total)
		return 0;
	down_write(&i->lock);
	ret = generic_write_checks(f, pos, total);
	if (ret > 0) {
		file_remove_privs(i);
		touch_mtime(i);
		ret = write_parts(&i->mapping, iov, nr, (size_t)ret, *pos);
	}
	up_write(&i->lock);
	if (ret <= 0)
		return ret;
	*pos += ret;
	if (f->flags & (O_SYNC | O_DSYNC)) {
		int err = filemap_fsync_range(&i->mapping, *pos - ret, *pos);

		if (err)
			return err;
	}
	return ret;
}

ssize_t generic_file_write(struct file *f, const void __user *buf, size_t n, loff_t *pos)
{
	struct iovec iov = {(void __user *)buf, n};

	return generic_file_writev(f, &iov, 1, pos);
}

ssize_t count_io(ssize_t ret, bool write)
{
	struct io_counts *io = &current->io;

	*(write ? &io->syscw : &io->syscr) += 1;
	*(write ? &io->wchar : &io->rchar) += ret > 0 ? (u64)ret : 0;
	return ret;
}

/* Neither the length nor where the transfer ends may be negative numbers. */
static bool range_valid(loff_t pos, size_t n)
{
	return pos >= 0 && (ssize_t)n >= 0 && (loff_t)((u64)pos + n) >= 0;
}

/* For the operations, a length within user space and a position that it does not overflow. A
 * directory cannot be open for writing. */
static __always_inline ssize_t vfs_rw(struct file *f, void __user *buf, size_t n, loff_t *pos,
				      bool write)
{
	if (write ? !f->can_write : !f->can_read)
		return -EBADF;
	if (!access_ok(buf, n))
		return -EFAULT;
	if (write ? !f->ops->write : !f->ops->read)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	if (!range_valid(*pos, n))
		return -EINVAL;
	n = min(n, MAX_RW_COUNT);
	return write ? f->ops->write(f, buf, n, pos) : f->ops->read(f, buf, n, pos);
}

/* pos NULL: at the file's own position. */
static __always_inline ssize_t do_rw(int fd, void __user *buf, size_t n, loff_t *pos, bool write)
{
	struct file *f __put(file) = fget(fd);
	ssize_t ret;
	bool locked;

	if (!f)
		return -EBADF;
	if (pos)
		return is_seekable(f) ? count_io(vfs_rw(f, buf, n, pos, write), write) : -ESPIPE;
	locked = pos_locked(f);
	ret = count_io(vfs_rw(f, buf, n, &f->pos, write), write);
	if (locked)
		mutex_unlock(&f->pos_lock);
	return ret;
}

ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t pos)
{
	if (!S_ISREG(f->inode->mode) || !f->inode->mapping.ops)
		return -EINVAL;
	return filemap_read_kernel(&f->inode->mapping, pos, buf, n);
}

ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos)
{
	struct inode *i = f->inode;
	ssize_t ret;

	if (!S_ISREG(i->mode) || !i->mapping.ops)
		return -EINVAL;
	guard_write(&i->lock);
	ret = generic_write_checks(f, &pos, n);
	if (ret <= 0)
		return ret;
	file_remove_privs(i);
	touch_mtime(i);
	return filemap_write_kernel(&i->mapping, pos, buf, (size_t)ret);
}

SYSCALL3(read, int, fd, void __user *, buf, size_t, n)
{
	return do_rw(fd, buf, n, NULL, false);
}

SYSCALL3(write, int, fd, const void __user *, buf, size_t, n)
{
	return do_rw(fd, (void __user *)buf, n, NULL, true);
}

SYSCALL4(pread64, int, fd, void __user *, buf, size_t, n, loff_t, pos)
{
	return pos < 0 ? -EINVAL : do_rw(fd, buf, n, &pos, false);
}

SYSCALL4(pwrite64, int, fd, const void __user *, buf, size_t, n, loff_t, pos)
{
	return pos < 0 ? -EINVAL : do_rw(fd, (void __user *)buf, n, &pos, true);
}

/* --- several buffers ---------------------------------------------------------------------- */

/* Each part lies in user space, the total fits a result. Cut to MAX_RW_COUNT. */
static ssize_t check_iovec(struct iovec *iov, unsigned int nr)
{
	size_t total = 0;

	for (unsigned int i = 0; i < nr; i++) {
		if ((ssize_t)iov[i].len < 0)
			return -EINVAL;
		if (!access_ok(iov[i].base, iov[i].len))
			return -EFAULT;
		iov[i].len = min(iov[i].len, MAX_RW_COUNT - total);
		total += iov[i].len;
	}
	return (ssize_t)total;
}

static ssize_t import_iovec(const struct iovec __user *uiov, unsigned int nr, struct iovec *fast,
			    struct iovec **out)
{
	struct iovec *iov = fast;
	ssize_t ret;

	*out = fast;
	if (nr > IOV_MAX)
		return -EINVAL;
	if (nr > IOV_FAST) {
		iov = kmalloc(nr * sizeof(*iov), GFP_KERNEL);
		if (!iov)
			return -ENOMEM;
	}
	ret = copy_from_user(iov, uiov, nr * sizeof(*iov)) ? -EFAULT : check_iovec(iov, nr);
	if (ret < 0 && iov != fast)
		kfree(iov);
	else
		*out = iov;
	return ret;
}

static ssize_t rw_part_by_part(struct file *f, const struct iovec *iov, unsigned int nr,
			       loff_t *pos, bool write)
{
	ssize_t done = 0;

	for (unsigned int i = 0; i < nr; i++) {
		ssize_t ret;

		if (!iov[i].len && nr > 1)
			continue;
		ret = vfs_rw(f, iov[i].base, iov[i].len, pos, write);
		if (ret < 0)
			return done ? done : ret;
		done += ret;
		if ((size_t)ret < iov[i].len)
			break;
	}
	return done;
}

static ssize_t rw_iovec(struct file *f, const struct iovec __user *uiov, unsigned int nr,
			loff_t *pos, bool write)
{
	struct iovec fast[IOV_FAST], *iov;
	ssize_t ret;

	ret = import_iovec(uiov, nr, fast, &iov);
	if (ret < 0)
		return ret;
	if (write ? !f->can_write : !f->can_read)
		ret = -EBADF;
	else if (ret && !range_valid(*pos, (size_t)ret))
		ret = -EINVAL;
	else if (ret && (write ? !f->ops->write : !f->ops->read))
		ret = S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	if (ret <= 0)
		goto out;
	if (write && f->ops->writev)
		ret = f->ops->writev(f, iov, nr, pos);
	else if (!write && f->ops->readv)
		ret = f->ops->readv(f, iov, nr, pos);
	else
		ret = rw_part_by_part(f, iov, nr, pos, write);
out:
	if (iov != fast)
		kfree(iov);
	return count_io(ret, write);
}

/* pos NULL: at the file's own position. */
static ssize_t do_rwv(int fd, const struct iovec __user *iov, unsigned int nr, loff_t *pos,
		      bool write)
{
	struct file *f __put(file) = fget(fd);
	ssize_t ret;
	bool locked;

	if (!f)
		return -EBADF;
	if (pos)
		return is_seekable(f) ? rw_iovec(f, iov, nr, pos, write) : -ESPIPE;
	locked = pos_locked(f);
	ret = rw_iovec(f, iov, nr, &f->pos, write);
	if (locked)
		mutex_unlock(&f->pos_lock);
	return ret;
}

SYSCALL3(readv, int, fd, const struct iovec __user *, iov, unsigned int, nr)
{
	return do_rwv(fd, iov, nr, NULL, false);
}

SYSCALL3(writev, int, fd, const struct iovec __user *, iov, unsigned int, nr)
{
	return do_rwv(fd, iov, nr, NULL, true);
}

/* Position -1 is the file's own. Of the flags those mean nothing here that ask for storage or for
 * polling it; RWF_NOWAIT and RWF_APPEND are refused, as Linux refuses them where a file cannot. */
static ssize_t do_rwv2(int fd, const struct iovec __user *iov, unsigned int nr, loff_t pos,
		       unsigned int flags, bool write)
{
	if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC))
		return -EOPNOTSUPP;
	if (pos < -1)
		return -EINVAL;
	return do_rwv(fd, iov, nr, pos == -1 ? NULL : &pos, write);
}

SYSCALL4(preadv, int, fd, const struct iovec __user *, iov, unsigned int, nr, loff_t, pos)
{
	return pos < 0 ? -EINVAL : do_rwv(fd, iov, nr, &pos, false);
}

SYSCALL4(pwritev, int, fd, const struct iovec __user *, iov, unsigned int, nr, loff_t, pos)
{
	return pos < 0 ? -EINVAL : do_rwv(fd, iov, nr, &pos, true);
}

SYSCALL6(preadv2, int, fd, const struct iovec __user *, iov, unsigned int, nr, loff_t, pos,
	 unsigned long, unused __unused, unsigned int, flags)
{
	return do_rwv2(fd, iov, nr, pos, flags, false);
}

SYSCALL6(pwritev2, int, fd, const struct iovec __user *, iov, unsigned int, nr, loff_t, pos,
	 unsigned long, unused __unused, unsigned int, flags)
{
	return do_rwv2(fd, iov, nr, pos, flags, true);
}
