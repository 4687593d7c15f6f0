/* SPDX-License-Identifier: MIT */
/*
 * getdents64(2).
 *
 * The directory is read under its lock into a kernel buffer of at most a page, and copied out when
 * the lock is gone. What does not fit comes with the next call: d_off of an entry is the position
 * of the one behind it, and stays good while entries come and go.
 */
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

struct dirent64 {
	u64 ino;
	s64 off;
	u16 reclen;
	u8 type;
	char name[];
} __packed;

#define DIRENT_HEAD offsetof(struct dirent64, name)

struct getdents_buf {
	struct dir_context ctx;
	char *buf;
	size_t size, used;
	bool cut; /* an entry did not fit */
};

static bool emit_dirent(struct dir_context *ctx, const char *name, size_t len, u64 ino,
			unsigned int type, loff_t next)
{
	struct getdents_buf *b = container_of(ctx, struct getdents_buf, ctx);
	size_t reclen = ALIGN(DIRENT_HEAD + len + 1, 8UL);
	struct dirent64 *d = (struct dirent64 *)(b->buf + b->used);

	if (reclen > b->size - b->used) {
		b->cut = true;
		return false;
	}
	memset(d, 0, reclen);
	d->ino = ino;
	d->off = next;
	d->reclen = (u16)reclen;
	d->type = (u8)type;
	memcpy(d->name, name, len);
	b->used += reclen;
	return true;
}

static long read_entries(struct file *f, struct getdents_buf *b)
{
	struct inode *dir = f->inode;
	int err;

	if (!f->ops->iterate)
		return -ENOTDIR;
	down_read(&dir->lock);
	if (f->path.dentry->unlinked) {
		err = -ENOENT;
	} else {
		b->ctx.pos = f->pos;
		err = f->ops->iterate(f, &b->ctx);
	}
	up_read(&dir->lock);
	if (err && !b->used)
		return err;
	if (b->cut && !b->used)
		return -EINVAL; /* not even one fits */
	return (long)b->used;
}

SYSCALL3(getdents64, int, fd, void __user *, ubuf, unsigned int, count)
{
	struct file *f = fget(fd);
	struct getdents_buf b = {
		.ctx.emit = emit_dirent,
		.size = min((size_t)count, (size_t)PAGE_SIZE),
	};
	long ret;

	if (!f)
		return -EBADF;
	b.buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!b.buf) {
		fput(f);
		return -ENOMEM;
	}
	mutex_lock(&f->pos_lock);
	ret = read_entries(f, &b);
	if (ret > 0 && copy_to_user(ubuf, b.buf, (size_t)ret))
		ret = -EFAULT;
	if (ret >= 0) {
		f->pos = b.ctx.pos;
		file_accessed(f);
	}
	mutex_unlock(&f->pos_lock);
	kfree(b.buf);
	fput(f);
	return ret;
}
