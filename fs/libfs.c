/* SPDX-License-Identifier: MIT */
/*
 * Inodes, and what simple file systems share.
 *
 * An inode lives as long as something refers to it: its names (dentries) and its open files. There
 * is no inode cache behind that: a file system without a disk has nothing to read back. The last
 * reference drops the file's pages and tells the file system (evict_inode).
 *
 * Locking: inode->lock for attributes, size and directory contents; counts are atomic.
 */
#include <drivers/block/block.h>
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/task.h>
#include <mm/slab.h>

static struct kmem_cache *inode_cache;
static atomic_long_t last_ino = ATOMIC_INIT(0);
static atomic_long_t last_dev = ATOMIC_INIT(0);

static u64 get_next_ino(void)
{
	return (u64)atomic_long_inc_return(&last_ino);
}

/* Major 0, in the ABI's encoding: the minor's upper bits lie above the major. */
kdev_t get_anon_dev(void)
{
	u64 minor = (u64)atomic_long_inc_return(&last_dev) & 0xfffff;

	return (minor & 0xff) | (minor & ~0xffUL) << 12;
}

struct timespec64 ns_to_timespec64(ktime_t ns)
{
	struct timespec64 ts = {ns / NSEC_PER_SEC, ns % NSEC_PER_SEC};

	if (ts.tv_nsec < 0) {
		ts.tv_nsec += NSEC_PER_SEC;
		ts.tv_sec--;
	}
	return ts;
}

struct timespec64 current_time(void)
{
	return ns_to_timespec64(ktime_get_real());
}

struct inode *inode_alloc(struct super_block *sb, kmode_t mode)
{
	struct inode *i = kmem_cache_alloc(inode_cache, GFP_KERNEL);

	if (!i)
		return NULL;
	memset(i, 0, sizeof(*i));
	i->ino = get_next_ino();
	i->mode = mode;
	i->nlink = 1;
	i->sb = sb;
	i->atime = i->mtime = i->ctime = current_time();
	mapping_init(&i->mapping, NULL, i, false);
	rwsem_init(&i->lock, LOCK_INODE);
	list_init(&i->locks);
	atomic_set(&i->count, 1);
	return i;
}

void inode_get(struct inode *i)
{
	atomic_inc(&i->count);
}

void inode_put(struct inode *i)
{
	debug_assert(atomic_read(&i->count) > 0);
	if (!atomic_dec_and_test(&i->count))
		return;
	assert(!i->pipe && list_empty(&i->locks) && atomic_read(&i->write_count) == 0);
	if (mapping_in_use(&i->mapping))
		truncate_all(&i->mapping);
	if (i->sb && i->sb->ops && i->sb->ops->evict_inode)
		i->sb->ops->evict_inode(i);
	kmem_cache_free(inode_cache, i);
}

void inode_init_owner(struct inode *i, const struct inode *dir, kmode_t mode)
{
	i->uid = current->cred.fsuid;
	i->gid = current->cred.fsgid;
	if (dir && (dir->mode & S_ISGID)) {
		i->gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
		else if ((mode & (S_ISGID | 0010)) == (S_ISGID | 0010) && !in_group(dir->gid) &&
			 !capable(CAP_FSETID))
			mode &= ~(kmode_t)S_ISGID;
	}
	i->mode = mode;
}

static int no_dev_open(struct inode *inode __unused, struct file *f __unused)
{
	return -ENXIO;
}

/* Sockets cannot be opened. */
const struct file_operations no_dev_fops = {
	.open = no_dev_open,
};

void init_special_inode(struct inode *i, kmode_t mode, kdev_t rdev)
{
	if (S_ISCHR(mode)) {
		i->fops = &chrdev_fops;
		i->rdev = rdev;
	} else if (S_ISBLK(mode)) {
		i->fops = &blkdev_fops;
		i->rdev = rdev;
	} else if (S_ISFIFO(mode)) {
		i->fops = &fifo_fops;
	} else {
		i->fops = &no_dev_fops;
	}
}

const struct file_operations simple_dir_fops = {
	.iterate = dcache_readdir,
	.llseek = dir_llseek,
};

int simple_setattr(struct inode *i, const struct iattr *a)
{
	if (a->valid & ATTR_SIZE) {
		/* Without page cache there is nothing to cut (O_TRUNC on /proc files). */
		int err = i->mapping.ops ? truncate_setsize(&i->mapping, a->size) : 0;

		if (err)
			return err;
	}
	if (a->valid & ATTR_UID)
		i->uid = a->uid;
	if (a->valid & ATTR_GID)
		i->gid = a->gid;
	if (a->valid & ATTR_MODE)
		i->mode = (i->mode & S_IFMT) | (a->mode & 07777);
	if (a->valid & ATTR_ATIME)
		i->atime = a->atime;
	if (a->valid & ATTR_MTIME)
		i->mtime = a->mtime;
	if (a->valid & ATTR_CTIME)
		i->ctime = a->ctime;
	return 0;
}

void fill_kstat(struct inode *i, struct kstat *st)
{
	*st = (struct kstat){
		.dev = i->sb ? i->sb->dev : 0,
		.rdev = i->rdev,
		.ino = i->ino,
		.mode = i->mode,
		.nlink = i->nlink,
		.uid = i->uid,
		.gid = i->gid,
		.size = i->mapping.size,
		.blocks = (i->mapping.nrpages + i->mapping.nrswapped) * (PAGE_SIZE / 512),
		.blksize = PAGE_SIZE,
		.atime = i->atime,
		.mtime = i->mtime,
		.ctime = i->ctime,
	};
}

/* --- writers and executers ---------------------------------------------------------------- */

int get_write_access(struct inode *inode)
{
	for (;;) {
		int n = atomic_read(&inode->write_count);

		if (n < 0)
			return -ETXTBSY;
		if (atomic_cmpxchg(&inode->write_count, n, n + 1))
			return 0;
	}
}

void put_write_access(struct inode *inode)
{
	debug_assert(atomic_read(&inode->write_count) > 0);
	atomic_dec(&inode->write_count);
}

int deny_write_access(struct inode *inode)
{
	for (;;) {
		int n = atomic_read(&inode->write_count);

		if (n > 0)
			return -ETXTBSY;
		if (atomic_cmpxchg(&inode->write_count, n, n - 1))
			return 0;
	}
}

void allow_write_access(struct inode *inode)
{
	debug_assert(atomic_read(&inode->write_count) < 0);
	atomic_inc(&inode->write_count);
}

void inode_init(void)
{
	inode_cache = kmem_cache_create("inode_cache", sizeof(struct inode), 64,
					SLAB_RECLAIM_ACCOUNT | SLAB_PANIC, NULL);
}
