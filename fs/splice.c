/* SPDX-License-Identifier: MIT */
/*
 * Copying between two files inside the kernel: sendfile(2), copy_file_range(2).
 *
 * Through one page of bounce buffer: from the page cache of a regular file into a regular file, or
 * into what takes kernel memory (kwrite: pipes, /dev/null). Other targets get EINVAL, upon which
 * every program falls back to read and write (as it must on Linux, where not every file can be a
 * target either).
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
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
	if (ipos < 0)
		return -EINVAL;
	ret = copy_bytes(in, &ipos, out, &opos, min(n, MAX_RW_COUNT));
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
	struct file *in, *out;
	loff_t pos = 0;
	ssize_t ret = -EBADF;

	if (upos && get_user(pos, upos))
		return -EFAULT;
	in = fget(in_fd);
	if (!in)
		return -EBADF;
	out = fget(out_fd);
	if (out) {
		ret = sendfile_files(out, in, upos ? &pos : NULL, n);
		fput(out);
	}
	fput(in);
	if (upos && ret >= 0 && put_user(pos, upos))
		ret = -EFAULT;
	return ret;
}

static ssize_t copy_range(struct file *in, loff_t *ipos, struct file *out, loff_t *opos, size_t n)
{
	if (!in->can_read || !out->can_write || (out->flags & O_APPEND))
		return -EBADF;
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!in_page_cache(in) || !in_page_cache(out) || *ipos < 0 || *opos < 0)
		return -EINVAL;
	n = min(n, MAX_RW_COUNT);
	if (*ipos > MAX_LFS_FILESIZE - (loff_t)n || *opos > MAX_LFS_FILESIZE - (loff_t)n)
		return -EOVERFLOW;
	if (in->inode == out->inode && *ipos < *opos + (loff_t)n && *opos < *ipos + (loff_t)n)
		return -EINVAL;
	return n ? copy_bytes(in, ipos, out, opos, n) : 0;
}

SYSCALL6(copy_file_range, int, in_fd, loff_t __user *, uipos, int, out_fd, loff_t __user *, uopos,
	 size_t, n, unsigned int, flags)
{
	struct file *in, *out;
	loff_t ipos, opos;
	ssize_t ret = -EBADF;

	if (flags)
		return -EINVAL;
	in = fget(in_fd);
	if (!in)
		return -EBADF;
	out = fget(out_fd);
	if (!out)
		goto put_in;
	ipos = in->pos;
	opos = out->pos;
	ret = -EFAULT;
	if ((uipos && get_user(ipos, uipos)) || (uopos && get_user(opos, uopos)))
		goto put_out;
	ret = copy_range(in, &ipos, out, &opos, n);
	if (ret > 0) {
		if (uipos ? put_user(ipos, uipos) : (in->pos = ipos, 0))
			ret = -EFAULT;
		if (uopos ? put_user(opos, uopos) : (out->pos = opos, 0))
			ret = -EFAULT;
	}
put_out:
	fput(out);
put_in:
	fput(in);
	return ret;
}
