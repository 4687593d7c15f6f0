/* SPDX-License-Identifier: MIT */
/*
 * Block devices as files: /dev/ram0, and whatever else mknod(2) gives that number.
 *
 * All of them show one page cache, the device's own: its mapping, filled and cleaned by requests of
 * one page. What is written stays there until fsync(2), sync(2), BLKFLSBUF, until a fifth of RAM is
 * dirty (the writer cleans up then), or until the last one closes the device: then all is written and
 * the pages are dropped, for nobody looks.
 *
 * Who claims a device (a swap area, a mounted file system) does requests of his own, past this cache.
 * So it is written and emptied when he begins; and while he holds it, nothing is written to it as a
 * file (write, a shared writable mmap: ETXTBSY; a store to such a mapping that was there before:
 * SIGBUS). O_EXCL is a claim, too, of the open file's.
 *
 * Locking: open_lock -> page lock. The mapping's size never changes; write_lock is what the inode's
 * lock is to a regular file: one write at a time.
 */
#include <drivers/block/blkdev.h>
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/capability.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/signal.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/page_alloc.h>
#include <mm/vmstat.h>

#define BLKROGET     0x125e
#define BLKGETSIZE   0x1260
#define BLKFLSBUF    0x1261
#define BLKSSZGET    0x1268
#define BLKIOMIN     0x1278
#define BLKIOOPT     0x1279
#define BLKALIGNOFF  0x127a
#define BLKPBSZGET   0x127b
#define BLKBSZGET    0x80081270
#define BLKGETSIZE64 0x80081272

/* Between two looks at how much is dirty; and how much may be, as Linux's vm.dirty_ratio. */
#define WRITE_STEP  (256UL << 10)
#define DIRTY_RATIO 20

static struct block_device *file_bdev(const struct file *f)
{
	return f->private;
}

/* --- the page cache ----------------------------------------------------------------------- */

static int page_io(struct address_space *m, struct page *page, bool write)
{
	struct bio bio = {
		.bdev = m->host,
		.block = page->index,
		.write = write,
		.nr = 1,
		.pages = {page},
	};

	return submit_bio_wait(&bio);
}

static int blkdev_readpage(struct address_space *m, struct page *page)
{
	int err = page_io(m, page, false);

	if (!err)
		SetPageUptodate(page);
	return err;
}

static int blkdev_writepage(struct address_space *m, struct page *page)
{
	return page_io(m, page, true);
}

static const struct address_space_operations blkdev_aops = {
	.readpage = blkdev_readpage,
	.writepage = blkdev_writepage,
};

void blkdev_file_init(struct block_device *b)
{
	mapping_init(&b->mapping, &blkdev_aops, b, false);
	b->mapping.size = (loff_t)(b->blocks << PAGE_SHIFT);
	rwsem_init(&b->write_lock, LOCK_INODE);
}

int blkdev_flush(struct block_device *b)
{
	return filemap_fsync_range(&b->mapping, 0, b->mapping.size);
}

void blkdev_flush_and_drop(struct block_device *b)
{
	int err;

	if (blkdev_flush(b))
		pr_err("Buffer I/O error on dev %s, lost page write\n", b->name);
	err = truncate_range(&b->mapping, 0, b->mapping.size);
	assert(!err); /* it has no edges */
}

/* --- opening ------------------------------------------------------------------------------ */

static int blkdev_open(struct inode *inode, struct file *f)
{
	struct block_device *b = blkdev_get((u32)inode->rdev);
	int err = 0;

	if (!b)
		return -ENXIO;
	guard_mutex(&b->open_lock);
	if (f->flags & O_EXCL) {
		err = b->holder ? -EBUSY : 0;
		b->holder = b->holder ?: f;
		f->private_flag = true;
	}
	if (err)
		return err;
	b->openers++;
	f->private = b;
	f->mappable.mapping = &b->mapping;
	return 0;
}

static void blkdev_close(struct file *f)
{
	struct block_device *b = file_bdev(f);

	guard_mutex(&b->open_lock);
	if (f->private_flag)
		b->holder = NULL;
	if (--b->openers == 0)
		blkdev_flush_and_drop(b);
}

/* --- reading and writing ------------------------------------------------------------------ */

static ssize_t blkdev_read(struct file *f, void __user *buf, size_t n, loff_t *pos)
{
	ssize_t ret = filemap_read(&file_bdev(f)->mapping, *pos, buf, n);

	if (ret > 0)
		*pos += ret;
	file_accessed(f);
	return ret;
}

static bool too_much_dirty(void)
{
	return vmstat_item(NR_FILE_DIRTY) > totalram_pages() * DIRTY_RATIO / 100;
}

static ssize_t write_steps(struct block_device *b, const void __user *buf, size_t n, loff_t pos)
{
	size_t done = 0;

	while (done < n) {
		size_t step = min(n - done, WRITE_STEP);
		ssize_t ret = filemap_write(&b->mapping, pos + (loff_t)done,
					    (const char __user *)buf + done, step);

		if (ret <= 0)
			return done ? (ssize_t)done : ret;
		done += (size_t)ret;
		if (too_much_dirty())
			(void)blkdev_flush(b); /* an error is fsync's to tell: it stays dirty */
		if ((size_t)ret < step || current_fatal_signal_pending())
			break;
	}
	return (ssize_t)done;
}

static ssize_t blkdev_write(struct file *f, const void __user *buf, size_t n, loff_t *pos)
{
	struct block_device *b = file_bdev(f);
	ssize_t ret;
	int err = 0;

	if (READ_ONCE(b->mapping.claimed))
		return -ETXTBSY;
	if (!n)
		return 0;
	if (*pos >= b->mapping.size)
		return -ENOSPC;
	touch_mtime(f->inode);
	down_write(&b->write_lock);
	ret = b->mapping.claimed ?
		      -ETXTBSY :
		      write_steps(b, buf, min(n, (size_t)(b->mapping.size - *pos)), *pos);
	up_write(&b->write_lock);
	if (ret > 0 && (f->flags & (O_SYNC | O_DSYNC)))
		err = filemap_fsync_range(&b->mapping, *pos, *pos + ret);
	if (ret > 0)
		*pos += ret;
	return err ? err : ret;
}

static loff_t blkdev_llseek(struct file *f, loff_t off, int whence)
{
	loff_t size = file_bdev(f)->mapping.size;

	if (whence > SEEK_END)
		return -EINVAL;
	if (whence != SEEK_SET &&
	    __builtin_add_overflow(off, whence == SEEK_CUR ? f->pos : size, &off))
		return -EINVAL;
	if (off < 0 || off > size)
		return -EINVAL;
	return f->pos = off;
}

static int blkdev_fsync(struct file *f)
{
	return blkdev_flush(file_bdev(f));
}

/* --- ioctl -------------------------------------------------------------------------------- */

static long blkdev_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct block_device *b = file_bdev(f);
	u64 size = (u64)b->mapping.size;
	void __user *to = (void __user *)arg;
	int err;

	switch (cmd) {
	case BLKGETSIZE:
		return put_user(size / SECTOR_SIZE, (unsigned long __user *)to);
	case BLKGETSIZE64:
		return put_user(size, (u64 __user *)to);
	case BLKSSZGET:
		return put_user((int)SECTOR_SIZE, (int __user *)to);
	case BLKPBSZGET:
	case BLKBSZGET:
	case BLKIOMIN:
		return put_user((int)PAGE_SIZE, (int __user *)to);
	case BLKIOOPT:
	case BLKALIGNOFF:
	case BLKROGET:
		return put_user(0, (int __user *)to);
	case BLKFLSBUF:
		if (!capable(CAP_SYS_ADMIN))
			return -EACCES;
		err = blkdev_flush(b);
		invalidate_mapping(&b->mapping);
		return err;
	}
	return -ENOTTY;
}

const struct file_operations blkdev_fops = {
	.open = blkdev_open,
	.release = blkdev_close,
	.read = blkdev_read,
	.write = blkdev_write,
	.llseek = blkdev_llseek,
	.ioctl = blkdev_ioctl,
	.fsync = blkdev_fsync,
};
