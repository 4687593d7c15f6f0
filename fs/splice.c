/* SPDX-License-Identifier: MIT */
/*
 * Copying between two files inside the kernel: sendfile(2) and copy_file_range(2).
 *
 * Through one page of bounce buffer: from the page cache of a regular file into a regular file, or
 * into what takes kernel memory (kwrite: pipes, /dev/null). Other targets get EINVAL, upon which
 * every program falls back to read and write (as it must on Linux, where not every file can be a
 * target either).
 */
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

static bool in_page_cache(const struct file *f)
{
	return S_ISREG(f->inode->mode) && f->inode->mapping.ops;
}

static ssize_t put_bytes(struct file *out, const char *buf, size_t n, loff_t *pos)
{
	size_t done = 0;

	while (done < n) {
		ssize_t ret = out->ops->kwrite ? out->ops->kwrite(out, buf + done, n - done) :
						 kernel_write(out, buf + done, n - done, *pos);

		if (ret <= 0)
			return done ? (ssize_t)done : ret;
		done += (size_t)ret;
		*pos += ret;
	}
	return (ssize_t)done;
}

static ssize_t copy_bytes(struct file *in, loff_t *ipos, struct file *out, loff_t *opos, size_t n)
{
	char *buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	size_t done = 0;
	ssize_t ret = 0;

	if (!buf)
		return -ENOMEM;
	while (done < n) {
		ret = kernel_read(in, buf, min(n - done, (size_t)PAGE_SIZE), *ipos);
		if (ret <= 0)
			break;
		size_t got = (size_t)ret;

		ret = put_bytes(out, buf, got, opos);
		if (ret <= 0)
			break;
		*ipos += ret;
		done += (size_t)ret;
		if ((size_t)ret < got)
			break;
		cond_resched();
		if (signal_pending()) {
			ret = -ERESTARTSYS;
			break;
		}
	}
	kfree(buf);
	file_accessed(in);
	return done ? (ssize_t)done : ret;
}

static ssize_t sendfile_files(struct file *out, struct file *in, loff_t *pos, size_t n)
{
	loff_t ipos = pos ? *pos : in->pos, opos = out->pos;
	ssize_t ret;

	if (!in->can_read || !out->can_write)
		return -EBADF;
	if (pos && in->ops->llseek == no_llseek)
		return -ESPIPE;
	if (!in_page_cache(in) || (out->flags & O_APPEND))
		return -EINVAL;
	if (!in_page_cache(out) && !out->ops->kwrite)
		return -EINVAL;
	if (ipos < 0 || (ssize_t)n < 0 || (loff_t)((u64)ipos + n) < 0)
		return -EINVAL;
	ret = copy_bytes(in, &ipos, out, &opos, min(n, MAX_RW_COUNT));
	count_io(ret, false);
	count_io(ret, true);
	if (ret > 0) {
		if (pos)
			*pos = ipos;
		else
			in->pos = ipos;
		if (!out->ops->kwrite)
			out->pos = opos;
	}
	return ret;
}

SYSCALL4(sendfile, int, out_fd, int, in_fd, loff_t __user *, upos, size_t, n)
{
	struct file *in __put(file) = NULL, *out __put(file) = NULL;
	loff_t pos = 0;
	ssize_t ret;

	if (upos && get_user(pos, upos))
		return -EFAULT;
	in = fget(in_fd);
	out = fget(out_fd);
	if (!in || !out)
		return -EBADF;
	ret = sendfile_files(out, in, upos ? &pos : NULL, n);
	return upos && ret >= 0 && put_user(pos, upos) ? -EFAULT : ret;
}

/* --- copy_file_range ---------------------------------------------------------------------- */

static int check_copy_files(const struct file *in, const struct file *out)
{
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	if (!in->can_read || !out->can_write || (out->flags & O_APPEND))
		return -EBADF;
	return in->inode->sb == out->inode->sb ? 0 : -EXDEV;
}

static ssize_t copy_range(struct file *in, loff_t *ipos, struct file *out, loff_t *opos, size_t n)
{
	u64 size = (u64)in->inode->mapping.size, from = (u64)*ipos, to = (u64)*opos;
	int err = check_copy_files(in, out);

	if (err)
		return err;
	if (from + n < from || to + n < to)
		return -EOVERFLOW;
	n = from < size ? min(n, size - from) : 0;
	if (in->inode == out->inode && to < from + n && from < to + n)
		return -EINVAL;
	if (*ipos < 0 || *opos < 0)
		return -EINVAL;
	if (!n)
		return 0;
	return in_page_cache(in) && in_page_cache(out) ?
		       copy_bytes(in, ipos, out, opos, min(n, MAX_RW_COUNT)) :
		       -EINVAL;
}

SYSCALL6(copy_file_range, int, in_fd, loff_t __user *, uin, int, out_fd, loff_t __user *, uout,
	 size_t, n, unsigned int, flags)
{
	struct file *in __put(file) = fget(in_fd), *out __put(file) = fget(out_fd);
	loff_t ipos, opos;
	ssize_t ret;

	if (!in || !out)
		return -EBADF;
	ipos = in->pos;
	opos = out->pos;
	if ((uin && get_user(ipos, uin)) || (uout && get_user(opos, uout)))
		return -EFAULT;
	if (flags)
		return -EINVAL;
	ret = copy_range(in, &ipos, out, &opos, n);
	if (ret <= 0)
		return ret;
	if (!uin)
		in->pos = ipos;
	if (!uout)
		out->pos = opos;
	return (uin && put_user(ipos, uin)) || (uout && put_user(opos, uout)) ? -EFAULT : ret;
}
