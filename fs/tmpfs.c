/* SPDX-License-Identifier: MIT */
/*
 * tmpfs: files that live in the page cache and directories that live in the dentry tree.
 *
 * It is the root file system, /tmp, /dev/shm, devtmpfs, memfd_create(2) and what lies under shared
 * anonymous mappings. A page that is not in the cache is a hole and reads as zeroes; one that is
 * there exists nowhere else, so it is dirty for life and only truncation removes it.
 *
 * A file system may be limited (size=, nr_blocks=, nr_inodes=; by default half of RAM each): a page
 * is charged before it enters the cache (page_charge) and a full file system says ENOSPC, or SIGBUS
 * to a mapping. The mount for unnamed files has no limit.
 *
 * Seals (memfd): checked where a size changes or a write begins, under the inode's lock; the seal
 * against writing also needs that no shared writable mapping exists, which mapping->writable_maps
 * decides atomically: sealing turns 0 into -1.
 *
 * Locking: the directory's inode lock is held for writing in all directory operations (vfs); counts
 * of the super block are atomic.
 */
#include <fs/internal.h>
#include <fs/tmpfs.h>
#include <fs/vfs.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/mm.h>
#include <mm/page.h>
#include <mm/slab.h>

#define TMPFS_MAGIC       0x01021994
#define BOGO_DIRENT_SIZE  20 /* what an entry adds to its directory's size, as on Linux */
#define MFD_CLOEXEC       1u
#define MFD_ALLOW_SEALING 2u
#define MEMFD_NAME_MAX    249

struct tmpfs_sb {
	unsigned long max_blocks;     /* pages; 0: no limit */
	unsigned long max_inodes;     /* 0: no limit */
	atomic_long_t blocks, inodes; /* in use */
	bool show_size;
	kmode_t mode;
	kuid_t uid;
	kgid_t gid;
};

static struct super_block *shm_sb; /* of unnamed files */

static const struct inode_operations tmpfs_file_ops, tmpfs_dir_ops, tmpfs_link_ops;
static const struct file_operations tmpfs_file_fops;

static struct tmpfs_sb *tmpfs_of(const struct super_block *sb)
{
	return sb->private;
}

/* --- limits ------------------------------------------------------------------------------- */

/* Counts one more, unless that exceeds max. */
static bool charge(atomic_long_t *used, unsigned long max)
{
	if (atomic_long_inc_return(used) <= (long)max || !max)
		return true;
	atomic_long_dec(used);
	return false;
}

static int tmpfs_page_charge(struct address_space *m)
{
	struct tmpfs_sb *ts = tmpfs_of(((struct inode *)m->host)->sb);

	return charge(&ts->blocks, READ_ONCE(ts->max_blocks)) ? 0 : -ENOSPC;
}

static void tmpfs_page_uncharge(struct address_space *m)
{
	atomic_long_dec(&tmpfs_of(((struct inode *)m->host)->sb)->blocks);
}

const struct address_space_operations tmpfs_aops = {
	.page_charge = tmpfs_page_charge,
	.page_uncharge = tmpfs_page_uncharge,
};

/* --- inodes ------------------------------------------------------------------------------- */

static struct inode *tmpfs_inode(struct super_block *sb, const struct inode *dir, kmode_t mode,
				 kdev_t rdev)
{
	struct tmpfs_sb *ts = tmpfs_of(sb);
	struct inode *i;

	if (!charge(&ts->inodes, ts->max_inodes))
		return ERR_PTR(-ENOSPC);
	i = inode_alloc(sb, mode);
	if (!i) {
		atomic_long_dec(&ts->inodes);
		return ERR_PTR(-ENOMEM);
	}
	inode_init_owner(i, dir, mode);
	i->ops = &tmpfs_file_ops;
	if (S_ISREG(mode)) {
		mapping_init(&i->mapping, &tmpfs_aops, i, true);
		i->fops = &tmpfs_file_fops;
		i->seals = F_SEAL_SEAL;
	} else if (S_ISDIR(mode)) {
		i->nlink = 2;
		i->ops = &tmpfs_dir_ops;
		i->fops = &simple_dir_fops;
		i->mapping.size = 2 * BOGO_DIRENT_SIZE;
	} else if (S_ISLNK(mode)) {
		i->ops = &tmpfs_link_ops;
	} else {
		init_special_inode(i, mode, rdev);
	}
	return i;
}

static void tmpfs_evict(struct inode *i)
{
	if (S_ISLNK(i->mode))
		kfree(i->private);
	atomic_long_dec(&tmpfs_of(i->sb)->inodes);
}

/* --- directories -------------------------------------------------------------------------- */

static void entry_added(struct inode *dir)
{
	dir->mapping.size += BOGO_DIRENT_SIZE;
	touch_mtime(dir);
}

static void entry_removed(struct inode *dir)
{
	dir->mapping.size -= BOGO_DIRENT_SIZE;
	touch_mtime(dir);
}

static int tmpfs_create(struct inode *dir, struct dentry *d, kmode_t mode, kdev_t rdev)
{
	struct inode *i = tmpfs_inode(dir->sb, dir, mode, rdev);

	if (IS_ERR(i))
		return (int)PTR_ERR(i);
	d_add(d, i);
	entry_added(dir);
	return 0;
}

static int tmpfs_tmpfile(struct inode *dir, struct dentry *d, kmode_t mode)
{
	struct inode *i = tmpfs_inode(dir->sb, dir, mode, 0);

	if (IS_ERR(i))
		return (int)PTR_ERR(i);
	i->nlink = 0;
	d_set_inode(d, i);
	return 0;
}

static int tmpfs_mkdir(struct inode *dir, struct dentry *d, kmode_t mode)
{
	int err = tmpfs_create(dir, d, mode, 0);

	if (!err)
		dir->nlink++;
	return err;
}

static int tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct inode *i = tmpfs_inode(dir->sb, dir, S_IFLNK | 0777, 0);

	if (IS_ERR(i))
		return (int)PTR_ERR(i);
	i->private = kstrdup(target, GFP_KERNEL);
	if (!i->private) {
		inode_put(i);
		return -ENOMEM;
	}
	i->mapping.size = (loff_t)strlen(target);
	d_add(d, i);
	entry_added(dir);
	return 0;
}

static int tmpfs_link(struct inode *dir, struct dentry *d, struct inode *target)
{
	inode_get(target);
	target->nlink++;
	target->ctime = current_time();
	d_add(d, target);
	entry_added(dir);
	return 0;
}

static int tmpfs_unlink(struct inode *dir, struct dentry *d)
{
	d->inode->nlink--;
	d->inode->ctime = current_time();
	entry_removed(dir);
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
	if (!d_is_empty(d))
		return -ENOTEMPTY;
	d->inode->nlink = 0;
	dir->nlink--;
	entry_removed(dir);
	return 0;
}

static int tmpfs_rename(struct inode *od, struct dentry *old, struct inode *nd, struct dentry *new_)
{
	bool is_dir = S_ISDIR(old->inode->mode);

	if (new_->inode) {
		int err = is_dir ? tmpfs_rmdir(nd, new_) : tmpfs_unlink(nd, new_);

		if (err)
			return err;
	}
	if (is_dir) {
		od->nlink--;
		nd->nlink++;
	}
	entry_removed(od);
	entry_added(nd);
	old->inode->ctime = nd->ctime;
	return 0;
}

static int tmpfs_exchange(struct inode *od, struct dentry *old, struct inode *nd,
			  struct dentry *new_)
{
	int moved = S_ISDIR(old->inode->mode) - S_ISDIR(new_->inode->mode);

	od->nlink -= (u32)moved;
	nd->nlink += (u32)moved;
	touch_mtime(od);
	touch_mtime(nd);
	old->inode->ctime = new_->inode->ctime = nd->ctime;
	return 0;
}

static int tmpfs_readlink(struct inode *i, char *buf, size_t n)
{
	size_t len = min((size_t)i->mapping.size, n);

	memcpy(buf, i->private, len);
	return (int)len;
}

static const struct inode_operations tmpfs_dir_ops = {
	.create = tmpfs_create,
	.mkdir = tmpfs_mkdir,
	.tmpfile = tmpfs_tmpfile,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.exchange = tmpfs_exchange,
};

static const struct inode_operations tmpfs_link_ops = {
	.readlink = tmpfs_readlink,
};

/* --- files -------------------------------------------------------------------------------- */

static int tmpfs_setattr(struct inode *i, const struct iattr *a)
{
	if (a->valid & ATTR_SIZE) {
		if (a->size < i->mapping.size && (i->seals & F_SEAL_SHRINK))
			return -EPERM;
		if (a->size > i->mapping.size && (i->seals & F_SEAL_GROW))
			return -EPERM;
	}
	return simple_setattr(i, a);
}

static const struct inode_operations tmpfs_file_ops = {
	.setattr = tmpfs_setattr,
};

static int tmpfs_mmap(struct file *f, struct vm_area_struct *vma)
{
	if (!(f->inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) || !(vma->flags & VM_SHARED))
		return 0;
	if (vma->flags & VM_WRITE)
		return -EPERM;
	vma->flags &= ~VM_MAYWRITE;
	return 0;
}

/* Would so many more pages fit? Only a forecast: each page is charged when it comes. */
static bool room_for(const struct inode *i, unsigned long pages)
{
	struct tmpfs_sb *ts = tmpfs_of(i->sb);
	unsigned long used = (unsigned long)atomic_long_read(&ts->blocks);

	return !ts->max_blocks || (used <= ts->max_blocks && pages <= ts->max_blocks - used);
}

/* A page where there is none; also beyond the end of the file. It stays not uptodate, by which
 * undo_range() tells it from one that is in use; who needs its zeroes makes them. One that an earlier
 * call left so gets them now, as it is not this call's to undo. */
static int allocate_page(struct address_space *m, u64 index)
{
	struct page *page = find_lock_page(m, index);

	if (!page) {
		page = find_or_create_page(m, index, GFP_USER);
	} else if (!IS_ERR(page) && !PageUptodate(page)) {
		clear_page(page_address(page));
		SetPageUptodate(page);
	}
	if (IS_ERR(page))
		return (int)PTR_ERR(page);
	unlock_page(page);
	put_page(page);
	return signal_pending() ? -EINTR : 0;
}

static void undo_range(struct address_space *m, u64 first, u64 end)
{
	for (u64 index = first; index < end; index++) {
		struct page *page = find_lock_page(m, index);

		if (IS_ERR_OR_NULL(page))
			continue;
		if (!PageUptodate(page))
			delete_from_page_cache(page);
		unlock_page(page);
		put_page(page);
		if ((index & 511) == 511)
			cond_resched();
	}
}

static int allocate_range(struct inode *i, u64 first, u64 end)
{
	struct address_space *m = &i->mapping;

	unsigned long there = m->nrpages + m->nrswapped;

	if (end - first > there && !room_for(i, end - first - there))
		return -ENOSPC;
	for (u64 index = first; index < end; index++) {
		int err = allocate_page(m, index);

		if (err) {
			undo_range(m, first, index + 1);
			return err;
		}
		if ((index & 511) == 511)
			cond_resched();
	}
	return 0;
}

static int fallocate_locked(struct inode *i, int mode, loff_t off, loff_t len)
{
	loff_t end = off + len;
	int err;

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EPERM;
		err = truncate_range(&i->mapping, off, end);
		if (!err)
			touch_mtime(i);
		return err;
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > i->mapping.size) {
		err = check_size_limit(i, end);
		if (err)
			return err;
		if (i->seals & F_SEAL_GROW)
			return -EPERM;
	}
	err = allocate_range(i, (u64)off >> PAGE_SHIFT, DIV_ROUND_UP((u64)end, PAGE_SIZE));
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && end > i->mapping.size)
		err = truncate_setsize(&i->mapping, end);
	if (!err)
		touch_mtime(i);
	return err;
}

static int tmpfs_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	guard_write(&f->inode->lock);
	return fallocate_locked(f->inode, mode, off, len);
}

static int tmpfs_fsync(struct file *f __unused)
{
	return 0;
}

static const struct file_operations tmpfs_file_fops = {
	.read = generic_file_read,
	.write = generic_file_write,
	.writev = generic_file_writev,
	.llseek = generic_llseek,
	.mmap = tmpfs_mmap,
	.fsync = tmpfs_fsync,
	.fallocate = tmpfs_fallocate,
};

/* --- unnamed files ------------------------------------------------------------------------ */

struct file *shmem_file(const char *name, loff_t size, unsigned int seals)
{
	struct inode *i = tmpfs_inode(shm_sb, NULL, S_IFREG | 0777, 0);

	if (IS_ERR(i))
		return ERR_PTR(PTR_ERR(i));
	i->nlink = 0;
	i->seals = seals;
	i->mapping.size = size;
	return file_alloc_pseudo(i, name, O_RDWR | O_LARGEFILE, &tmpfs_file_fops);
}

static struct mappable *shmem_setup(size_t size)
{
	struct file *f = shmem_file("/dev/zero", (loff_t)size, F_SEAL_SEAL);

	return IS_ERR(f) ? ERR_PTR(PTR_ERR(f)) : file_mappable(f);
}

SYSCALL2(memfd_create, const char __user *, uname, unsigned int, flags)
{
	char name[MEMFD_NAME_MAX + 8] = "/memfd:";
	long len;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	len = strncpy_from_user(name + 7, uname, MEMFD_NAME_MAX + 1);
	if (len < 0)
		return len;
	if (len > MEMFD_NAME_MAX)
		return -EINVAL;
	return fd_of_new_file(shmem_file(name, 0, flags & MFD_ALLOW_SEALING ? 0 : F_SEAL_SEAL),
			      flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
}

long tmpfs_get_seals(struct file *f)
{
	return f->ops == &tmpfs_file_fops ? (long)f->inode->seals : -EINVAL;
}

static long add_seals_locked(struct inode *i, unsigned int seals)
{
	if (i->seals & F_SEAL_SEAL)
		return -EPERM;
	if ((seals & F_SEAL_WRITE) && !(i->seals & F_SEAL_WRITE)) {
		/* From now on no shared writable mapping can be made. */
		if (!atomic_cmpxchg(&i->mapping.writable_maps, 0, -1))
			return -EBUSY;
	}
	i->seals |= seals;
	return 0;
}

long tmpfs_add_seals(struct file *f, unsigned int seals)
{
	const unsigned int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
				 F_SEAL_FUTURE_WRITE;

	if (!f->can_write)
		return -EPERM;
	if (f->ops != &tmpfs_file_fops || (seals & ~all))
		return -EINVAL;
	guard_write(&f->inode->lock);
	return add_seals_locked(f->inode, seals);
}

/* --- super blocks ------------------------------------------------------------------------- */

static int tmpfs_statfs(struct super_block *sb, struct kstatfs *st)
{
	struct tmpfs_sb *ts = tmpfs_of(sb);
	unsigned long blocks = (unsigned long)atomic_long_read(&ts->blocks);
	unsigned long inodes = (unsigned long)atomic_long_read(&ts->inodes);

	st->type = TMPFS_MAGIC;
	if (ts->max_blocks) {
		st->blocks = ts->max_blocks;
		st->bfree = st->bavail = ts->max_blocks > blocks ? ts->max_blocks - blocks : 0;
	}
	if (ts->max_inodes) {
		st->files = ts->max_inodes;
		st->ffree = ts->max_inodes > inodes ? ts->max_inodes - inodes : 0;
	}
	return 0;
}

static int parse_size(const char *s, unsigned long *pages)
{
	char *end;
	unsigned long long n = memparse(s, &end);

	if (end != s && *end == '%') {
		n = n * totalram_pages() / 100 * PAGE_SIZE;
		end++;
	}
	if (end == s || *end)
		return -EINVAL;
	*pages = DIV_ROUND_UP(n, PAGE_SIZE);
	return 0;
}

static int parse_count(const char *s, unsigned long *n)
{
	char *end;

	*n = memparse(s, &end);
	return end == s || *end ? -EINVAL : 0;
}

static int parse_option(struct tmpfs_sb *ts, const char *key, const char *value)
{
	static const char *const ignored[] = {"huge", "mpol", "inode32", "inode64"};

	for (size_t k = 0; k < ARRAY_SIZE(ignored); k++)
		if (strcmp(key, ignored[k]) == 0)
			return 0;
	if (!value)
		return -EINVAL;
	if (strcmp(key, "size") == 0) {
		ts->show_size = true;
		return parse_size(value, &ts->max_blocks);
	}
	if (strcmp(key, "nr_blocks") == 0) {
		ts->show_size = true;
		return parse_count(value, &ts->max_blocks);
	}
	if (strcmp(key, "nr_inodes") == 0)
		return parse_count(value, &ts->max_inodes);
	if (strcmp(key, "mode") == 0) {
		unsigned int mode;
		int err = kstrtouint(value, 8, &mode);

		ts->mode = err ? ts->mode : mode & 07777;
		return err;
	}
	if (strcmp(key, "uid") == 0)
		return kstrtouint(value, 10, &ts->uid);
	if (strcmp(key, "gid") == 0)
		return kstrtouint(value, 10, &ts->gid);
	return -EINVAL;
}

static int parse_options(struct tmpfs_sb *ts, const char *options)
{
	char *copy, *rest, *word;
	int err = 0;

	if (!options || !*options)
		return 0;
	copy = rest = kstrdup(options, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	while (!err && (word = strsep(&rest, ",")) != NULL) {
		char *value = strchr(word, '=');

		if (!*word)
			continue;
		if (value)
			*value++ = '\0';
		err = parse_option(ts, word, value);
	}
	kfree(copy);
	return err;
}

static int tmpfs_show_options(struct super_block *sb, char *buf, size_t n)
{
	struct tmpfs_sb *ts = tmpfs_of(sb);
	int len = 0;

	buf[0] = '\0';
	if (ts->show_size)
		len += scnprintf(buf, n, ",size=%luk", ts->max_blocks * (PAGE_SIZE / 1024));
	if (ts->mode != (0777 | S_ISVTX))
		len += scnprintf(buf + len, n - (size_t)len, ",mode=%03o", ts->mode);
	if (ts->uid)
		len += scnprintf(buf + len, n - (size_t)len, ",uid=%u", ts->uid);
	if (ts->gid)
		len += scnprintf(buf + len, n - (size_t)len, ",gid=%u", ts->gid);
	return len;
}

static int tmpfs_remount(struct super_block *sb, const char *options)
{
	struct tmpfs_sb *ts = tmpfs_of(sb), new_ = *ts;
	int err = parse_options(&new_, options);

	if (err)
		return err;
	if (new_.max_blocks && (unsigned long)atomic_long_read(&ts->blocks) > new_.max_blocks)
		return -EINVAL;
	if (new_.max_inodes && (unsigned long)atomic_long_read(&ts->inodes) > new_.max_inodes)
		return -EINVAL;
	ts->max_blocks = new_.max_blocks;
	ts->max_inodes = new_.max_inodes;
	ts->show_size = new_.show_size;
	return 0;
}

static void tmpfs_kill_sb(struct super_block *sb)
{
	kfree(sb->private);
}

static const struct super_operations tmpfs_super_ops = {
	.evict_inode = tmpfs_evict,
	.statfs = tmpfs_statfs,
	.kill_sb = tmpfs_kill_sb,
	.show_options = tmpfs_show_options,
	.remount = tmpfs_remount,
};

void tmpfs_default_limits(struct super_block *sb)
{
	struct tmpfs_sb *ts = tmpfs_of(sb);
	unsigned long half = totalram_pages() / 2, free_half = nr_free_pages() / 2;

	ts->max_blocks = max(half, (unsigned long)atomic_long_read(&ts->blocks) + free_half);
	ts->max_inodes = max(half, (unsigned long)atomic_long_read(&ts->inodes) + free_half);
	ts->show_size = false;
}

static int fill_super(struct super_block *sb, const char *options)
{
	struct tmpfs_sb *ts = kzalloc(sizeof(*ts), GFP_KERNEL);
	struct inode *root;
	int err;

	if (!ts)
		return -ENOMEM;
	sb->private = ts;
	ts->max_blocks = ts->max_inodes = totalram_pages() / 2;
	ts->mode = 0777 | S_ISVTX;
	err = parse_options(ts, options);
	if (err)
		return err;
	root = tmpfs_inode(sb, NULL, S_IFDIR | ts->mode, 0);
	if (IS_ERR(root))
		return (int)PTR_ERR(root);
	root->uid = ts->uid;
	root->gid = ts->gid;
	sb->root = d_make_root(sb, root);
	return sb->root ? 0 : -ENOMEM;
}

struct super_block *tmpfs_mount_options(const struct file_system_type *t, const char *options)
{
	struct super_block *sb = sb_alloc(t, &tmpfs_super_ops);
	int err;

	if (!sb)
		return ERR_PTR(-ENOMEM);
	err = fill_super(sb, options);
	if (err) {
		sb_put(sb);
		return ERR_PTR(err);
	}
	return sb;
}

static struct super_block *tmpfs_mount(const struct file_system_type *t,
				       const char *source __unused, const char *options)
{
	return tmpfs_mount_options(t, options);
}

/* A node in a tmpfs made by the kernel itself (devtmpfs): mode exactly, owner root. */
int tmpfs_add_node(struct dentry *dir, const char *name, size_t len, kmode_t mode, kdev_t rdev)
{
	struct inode *di = dir->inode;
	struct dentry *d;
	int err;

	guard_write(&di->lock);
	d = d_lookup(dir, name, len);
	if (d) {
		dput(d);
		return -EEXIST;
	}
	d = d_alloc(dir, name, len);
	if (!d)
		return -ENOMEM;
	err = S_ISDIR(mode) ? tmpfs_mkdir(di, d, mode) : tmpfs_create(di, d, mode, rdev);
	if (!err) {
		d->inode->uid = 0;
		d->inode->gid = 0;
	}
	dput(d);
	return err;
}

static struct file_system_type tmpfs_type = {
	.name = "tmpfs",
	.nodev = true,
	.mount = tmpfs_mount,
};

void tmpfs_init(void)
{
	register_filesystem(&tmpfs_type);
	shm_sb = tmpfs_mount_options(&tmpfs_type, "size=0,nr_inodes=0");
	if (IS_ERR(shm_sb))
		panic("cannot set up shared memory: error %ld\n", PTR_ERR(shm_sb));
	shmem_file_setup = shmem_setup;
}
