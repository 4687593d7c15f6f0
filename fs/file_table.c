/* SPDX-License-Identifier: MIT */
/*
 * Open files, and the tables in which processes keep them.
 *
 * A struct file is one open(): position, flags, how to do things. It is counted: descriptors (dup,
 * fork), mappings and calls in progress each hold a reference; the last fput() closes it. A file
 * needs no reference on its inode of its own: its dentry holds one.
 *
 * A table is an array of pointers and two bitmaps, `open` (taken, perhaps not installed yet) and
 * `cloexec`. It starts with 64 entries inside the structure and doubles.
 *
 * Locking: files->lock for every change. The owner of a table that nobody shares may look things up
 * without it, because only the owner changes it; others (/proc) and sharers take the lock. An fput
 * may sleep, so it comes after the lock is dropped.
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/bitmap.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/task.h>
#include <mm/slab.h>

#define NR_INLINE   64
#define NR_OPEN_MAX (1u << 20) /* /proc/sys/fs/nr_open's default */

struct files_struct {
	atomic_t count; /* users; the last one closes all */
	atomic_t pins;  /* what keeps the structure: all users together, and /proc */
	spinlock_t lock;
	unsigned int max;              /* (lock) entries, a multiple of 64 */
	unsigned int next;             /* (lock) no free entry below */
	struct file **fd;              /* (lock) */
	unsigned long *open, *cloexec; /* (lock) */
	struct file *fd_inline[NR_INLINE];
	unsigned long bits_inline[2];
};

static struct kmem_cache *file_cache, *files_cache;

struct super_block pseudo_sb = {.count = ATOMIC_INIT(1)};
static struct mount pseudo_mount = {
	.sb = &pseudo_sb,
	.node = LIST_HEAD_INIT(pseudo_mount.node),
	.count = ATOMIC_INIT(1),
};

/* --- open files --------------------------------------------------------------------------- */

static void mappable_get(struct mappable *m)
{
	get_file(file_of_mappable(m));
}

static void mappable_put(struct mappable *m)
{
	fput(file_of_mappable(m));
}

static int mappable_mmap(struct mappable *m, struct vm_area_struct *vma)
{
	struct file *f = file_of_mappable(m);

	return f->ops->mmap ? f->ops->mmap(f, vma) : 0;
}

static int mappable_punch(struct mappable *m, loff_t from, loff_t to)
{
	return (int)vfs_fallocate(file_of_mappable(m), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  from, to - from);
}

const struct mappable_ops file_mappable_ops = {
	.get = mappable_get,
	.put = mappable_put,
	.mmap = mappable_mmap,
	.punch = mappable_punch,
};

static unsigned int mappable_access(const struct file *f)
{
	unsigned int access = 0;

	if (f->can_read)
		access |= MAPPABLE_READ;
	if (f->can_write)
		access |= MAPPABLE_WRITE;
	if (f->path.mnt->flags & MS_NOEXEC)
		access |= MAPPABLE_NOEXEC;
	return access;
}

struct file *file_alloc_empty(void)
{
	struct file *f = kmem_cache_alloc(file_cache, GFP_KERNEL);

	if (f)
		memset(f, 0, sizeof(*f));
	return f;
}

void file_free_empty(struct file *f)
{
	if (f)
		kmem_cache_free(file_cache, f);
}

/* Takes references of its own on p. */
static void file_init(struct file *f, const struct path *p, unsigned int flags,
		      const struct file_operations *ops)
{
	struct inode *inode = p->dentry->inode;

	f->path = *p;
	path_get(p);
	f->inode = inode;
	f->ops = ops;
	f->flags = flags;
	if (!(flags & O_PATH)) {
		f->can_read = (flags & O_ACCMODE) == O_RDONLY || (flags & O_ACCMODE) == O_RDWR;
		f->can_write = (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR;
	}
	atomic_set(&f->count, 1);
	mutex_init(&f->pos_lock, LOCK_FILE_POS);
	f->mappable.ops = &file_mappable_ops;
	f->mappable.mapping = S_ISREG(inode->mode) && inode->mapping.ops ? &inode->mapping : NULL;
	f->mappable.access = mappable_access(f);
}

struct file *file_alloc(const struct path *p, unsigned int flags, const struct file_operations *ops)
{
	struct file *f = file_alloc_empty();

	if (f)
		file_init(f, p, flags, ops);
	return f;
}

static void file_free(struct file *f)
{
	if (f->wrote)
		put_write_access(f->inode);
	if (f->denies_write)
		allow_write_access(f->inode);
	path_put(&f->path);
	kmem_cache_free(file_cache, f);
}

void fput(struct file *f)
{
	debug_assert(atomic_read(&f->count) > 0);
	if (!atomic_dec_and_test(&f->count))
		return;
	if (!list_empty(&f->inode->locks))
		file_locks_release(f);
	if (f->ops && f->ops->release)
		f->ops->release(f);
	file_free(f);
}

struct file *file_open_path(struct file *f, const struct path *p, unsigned int flags)
{
	struct inode *inode = p->dentry->inode;
	static const struct file_operations no_ops = {};
	int err = 0;

	if (!f)
		return ERR_PTR(-ENOMEM);
	if (flags & O_PATH) {
		file_init(f, p, flags, &no_ops);
		return f;
	}
	file_init(f, p, flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC),
		  inode->fops ? inode->fops : &no_ops);
	if (flags & O_DIRECT) /* no file system here reads past the cache */
		err = -EINVAL;
	f->flags |= flags & (O_NOCTTY | O_EXCL); /* for open() of a terminal, of a disk */
	if (!err && f->can_write && S_ISREG(inode->mode)) {
		err = get_write_access(inode);
		f->wrote = !err;
	}
	if (!err && f->ops->open)
		err = f->ops->open(inode, f);
	if (err) {
		file_free(f);
		return ERR_PTR(err);
	}
	f->flags &= ~(O_NOCTTY | O_EXCL);
	return f;
}

struct file *file_alloc_pseudo(struct inode *inode, const char *name, unsigned int flags,
			       const struct file_operations *ops)
{
	struct path p = {&pseudo_mount, d_alloc(NULL, name, strlen(name))};
	struct file *f;

	if (!p.dentry) {
		inode_put(inode);
		return ERR_PTR(-ENOMEM);
	}
	p.dentry->pseudo = true;
	p.dentry->unlinked = *name == '/'; /* "/memfd:x (deleted)", but "pipe:[1]" */
	p.dentry->inode = inode;
	p.dentry->sb = inode->sb;
	f = file_alloc(&p, flags, ops);
	dput(p.dentry);
	if (!f)
		return ERR_PTR(-ENOMEM);
	f->wrote = f->can_write && S_ISREG(inode->mode) && get_write_access(inode) == 0;
	return f;
}

/* --- looking up --------------------------------------------------------------------------- */

static struct file *file_at(const struct files_struct *files, int fd)
{
	return fd >= 0 && (unsigned int)fd < files->max ? files->fd[fd] : NULL;
}

struct file *fget_raw(int fd)
{
	struct files_struct *files = current->files;
	struct file *f;

	if (!files)
		return NULL;
	if (likely(atomic_read(&files->count) == 1)) {
		f = file_at(files, fd);
		return f ? get_file(f) : NULL;
	}
	guard_spin(&files->lock);
	f = file_at(files, fd);
	return f ? get_file(f) : NULL;
}

struct file *fget(int fd)
{
	struct file *f = fget_raw(fd);

	if (f && unlikely(f->flags & O_PATH)) {
		fput(f);
		return NULL;
	}
	return f;
}

struct file *files_next(struct files_struct *files, int *fd)
{
	guard_spin(&files->lock);
	for (; *fd >= 0 && (unsigned int)*fd < files->max; (*fd)++)
		if (files->fd[*fd])
			return get_file(files->fd[*fd]);
	return NULL;
}

bool files_peek(struct files_struct *files, int *fd, struct fd_info *info)
{
	guard_spin(&files->lock);
	for (; *fd >= 0 && (unsigned int)*fd < files->max; (*fd)++) {
		const struct file *f = files->fd[*fd];

		if (!f)
			continue;
		*info = (struct fd_info){
			.can_read = f->can_read,
			.can_write = f->can_write,
			.flags = f->flags,
			.pos = f->pos,
			.ino = f->inode->ino,
			.mnt_id = f->path.mnt->id,
		};
		if (test_bit((unsigned int)*fd, files->cloexec))
			info->flags |= O_CLOEXEC;
		return true;
	}
	return false;
}

unsigned int files_size(struct files_struct *files)
{
	return READ_ONCE(files->max);
}

/* --- descriptors -------------------------------------------------------------------------- */

static void table_free(struct files_struct *files)
{
	if (files->fd != files->fd_inline)
		kvfree(files->fd);
}

/* Makes room for at least nr entries. The bitmaps lie behind the array. */
static int table_grow(struct files_struct *files, unsigned int nr)
{
	unsigned int max = NR_INLINE;
	struct file **fd, **old = NULL;
	unsigned long *bits;
	size_t bytes;

	while (max < nr)
		max *= 2;
	bytes = max * sizeof(*fd) + 2 * (max / 8);
	fd = kvmalloc(bytes, GFP_KERNEL);
	if (!fd)
		return -ENOMEM;
	memset(fd, 0, bytes);
	bits = (unsigned long *)(fd + max);
	spin_lock(&files->lock);
	if (max > files->max) {
		old = files->fd;
		memcpy(fd, old, files->max * sizeof(*fd));
		memcpy(bits, files->open, files->max / 8);
		memcpy(bits + max / 64, files->cloexec, files->max / 8);
		files->fd = fd;
		files->open = bits;
		files->cloexec = bits + max / 64;
		files->max = max;
		fd = old == files->fd_inline ? NULL : old;
	}
	spin_unlock(&files->lock);
	kvfree(fd);
	return 0;
}

static unsigned int nofile_limit(void)
{
	unsigned long limit = rlimit(RLIMIT_NOFILE);

	return limit < NR_OPEN_MAX ? (unsigned int)limit : NR_OPEN_MAX;
}

static void set_cloexec_locked(struct files_struct *files, unsigned int fd, bool on)
{
	if (on)
		__set_bit(fd, files->cloexec);
	else
		__clear_bit(fd, files->cloexec);
}

static void take_fd_locked(struct files_struct *files, unsigned int fd, unsigned int flags)
{
	__set_bit(fd, files->open);
	set_cloexec_locked(files, fd, flags & O_CLOEXEC);
}

static void drop_fd_locked(struct files_struct *files, unsigned int fd)
{
	files->fd[fd] = NULL;
	__clear_bit(fd, files->open);
	if (fd < files->next)
		files->next = fd;
}

int get_unused_fd(int from, unsigned int flags)
{
	struct files_struct *files = current->files;
	unsigned int limit = nofile_limit(), fd;

	for (;;) {
		spin_lock(&files->lock);
		fd = max((unsigned int)from, files->next);
		fd = fd < files->max ?
			     (unsigned int)find_next_zero_bit(files->open, files->max, fd) :
			     fd;
		if (fd < files->max && fd < limit) {
			take_fd_locked(files, fd, flags);
			if ((unsigned int)from <= files->next)
				files->next = fd + 1;
			spin_unlock(&files->lock);
			return (int)fd;
		}
		spin_unlock(&files->lock);
		if (fd >= limit)
			return -EMFILE;
		int err = table_grow(files, fd + 1);

		if (err)
			return err;
	}
}

void put_unused_fd(int fd)
{
	struct files_struct *files = current->files;

	guard_spin(&files->lock);
	drop_fd_locked(files, (unsigned int)fd);
}

void fd_install(int fd, struct file *f)
{
	struct files_struct *files = current->files;

	guard_spin(&files->lock);
	debug_assert(!files->fd[fd]);
	files->fd[fd] = f;
}

int fd_of_new_file(struct file *f, unsigned int flags)
{
	int fd;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	fd = get_unused_fd(0, flags);
	if (fd < 0)
		fput(f);
	else
		fd_install(fd, f);
	return fd;
}

int fd_dup(struct file *f, int from, unsigned int flags)
{
	int fd = get_unused_fd(from, flags);

	if (fd >= 0)
		fd_install(fd, get_file(f));
	return fd;
}

/* What every close of a descriptor does, then the reference goes. */
static int file_close(struct file *f, struct files_struct *files)
{
	int err = 0;

	if (!(f->flags & O_PATH)) {
		if (!list_empty(&f->inode->locks))
			posix_locks_release(f, files);
		if (f->ops->flush)
			err = f->ops->flush(f);
	}
	fput(f);
	return err;
}

int close_fd(int fd)
{
	struct files_struct *files = current->files;
	struct file *f;

	spin_lock(&files->lock);
	f = file_at(files, fd);
	if (f)
		drop_fd_locked(files, (unsigned int)fd);
	spin_unlock(&files->lock);
	return f ? file_close(f, files) : -EBADF;
}

/* dup2: f at exactly fd, which is closed first if open. Takes its own reference. */
int fd_replace(struct file *f, unsigned int fd, unsigned int flags)
{
	struct files_struct *files = current->files;
	struct file *old;

	if (fd >= nofile_limit())
		return -EBADF;
	if (fd >= files->max) {
		int err = table_grow(files, fd + 1);

		if (err)
			return err;
	}
	spin_lock(&files->lock);
	old = files->fd[fd];
	if (!old && test_bit(fd, files->open)) {
		spin_unlock(&files->lock);
		return -EBUSY; /* another thread is about to install it */
	}
	files->fd[fd] = get_file(f);
	take_fd_locked(files, fd, flags);
	spin_unlock(&files->lock);
	if (old)
		file_close(old, files);
	return (int)fd;
}

int fd_get_cloexec(int fd)
{
	struct files_struct *files = current->files;

	guard_spin(&files->lock);
	return file_at(files, fd) ? test_bit((unsigned int)fd, files->cloexec) : -EBADF;
}

int fd_set_cloexec(int fd, bool on)
{
	struct files_struct *files = current->files;

	guard_spin(&files->lock);
	if (!file_at(files, fd))
		return -EBADF;
	set_cloexec_locked(files, (unsigned int)fd, on);
	return 0;
}

/* Closes, or marks close-on-exec, all descriptors of [first, last]. */
void fd_close_range(unsigned int first, unsigned int last, bool cloexec)
{
	struct files_struct *files = current->files;

	for (unsigned int fd = first; fd <= last; fd++) {
		spin_lock(&files->lock);
		fd = fd < files->max ? (unsigned int)find_next_bit(files->open, files->max, fd) :
				       files->max;
		bool end = fd >= files->max || fd > last;
		if (!end && cloexec)
			__set_bit(fd, files->cloexec);
		spin_unlock(&files->lock);
		if (end)
			break;
		if (!cloexec)
			close_fd((int)fd);
		if (fd == UINT32_MAX)
			break;
	}
}

/* --- tables ------------------------------------------------------------------------------- */

struct files_struct *files_alloc(void)
{
	struct files_struct *files = kmem_cache_alloc(files_cache, GFP_KERNEL);

	if (!files)
		return NULL;
	memset(files, 0, sizeof(*files));
	atomic_set(&files->count, 1);
	atomic_set(&files->pins, 1);
	spin_lock_init(&files->lock, LOCK_FILES);
	files->max = NR_INLINE;
	files->fd = files->fd_inline;
	files->open = &files->bits_inline[0];
	files->cloexec = &files->bits_inline[1];
	return files;
}

/* Copies what is installed; old is locked and not larger than new. */
static void copy_table_locked(struct files_struct *new_, const struct files_struct *old)
{
	unsigned long fd;

	for_each_set_bit(fd, old->open, old->max) {
		struct file *f = old->fd[fd];

		if (!f)
			continue;
		new_->fd[fd] = get_file(f);
		__set_bit((unsigned int)fd, new_->open);
		if (test_bit((unsigned int)fd, old->cloexec))
			__set_bit((unsigned int)fd, new_->cloexec);
	}
}

struct files_struct *files_dup(struct files_struct *old)
{
	struct files_struct *files = files_alloc();
	unsigned int need;

	if (!files)
		return ERR_PTR(-ENOMEM);
	for (;;) {
		spin_lock(&old->lock);
		need = (unsigned int)find_last_bit(old->open, old->max);
		need = need == old->max ? 0 : need + 1;
		if (need <= files->max)
			break;
		spin_unlock(&old->lock);
		if (table_grow(files, need)) {
			files_put(files);
			return ERR_PTR(-ENOMEM);
		}
	}
	/* old->max may be larger than files->max; nothing is set beyond need. */
	copy_table_locked(files, old);
	spin_unlock(&old->lock);
	return files;
}

struct files_struct *files_get(struct files_struct *f)
{
	atomic_inc(&f->count);
	return f;
}

void files_pin(struct files_struct *files)
{
	atomic_inc(&files->pins);
}

void files_unpin(struct files_struct *files)
{
	if (!atomic_dec_and_test(&files->pins))
		return;
	table_free(files);
	kmem_cache_free(files_cache, files);
}

void files_put(struct files_struct *files)
{
	unsigned long fd, max;

	if (!files || !atomic_dec_and_test(&files->count))
		return;
	spin_lock(&files->lock);
	max = files->max;
	files->max = 0; /* who has pinned it finds nothing */
	spin_unlock(&files->lock);
	for_each_set_bit(fd, files->open, max)
		if (files->fd[fd])
			file_close(files->fd[fd], files);
	files_unpin(files);
}

void files_close_on_exec(struct files_struct *files)
{
	unsigned long fd;

	/* Nobody shares the table any more. */
	for_each_set_bit(fd, files->cloexec, files->max) {
		struct file *f;

		spin_lock(&files->lock);
		__clear_bit((unsigned int)fd, files->cloexec);
		f = files->fd[fd];
		if (f)
			drop_fd_locked(files, (unsigned int)fd);
		spin_unlock(&files->lock);
		if (f)
			file_close(f, files);
	}
}

int files_unshare(void)
{
	struct files_struct *old = current->files, *files;

	if (!old || atomic_read(&old->count) == 1)
		return 0;
	files = files_dup(old);
	if (IS_ERR(files))
		return (int)PTR_ERR(files);
	{
		guard_irq(&current->proc->siglock); /* task_get_files() */
		current->files = files;
	}
	files_put(old);
	return 0;
}

void file_table_init(void)
{
	static const struct file_system_type pseudo_type = {.name = "anon", .nodev = true};

	file_cache = kmem_cache_create("filp", sizeof(struct file), 32, SLAB_PANIC, NULL);
	files_cache =
		kmem_cache_create("files_cache", sizeof(struct files_struct), 0, SLAB_PANIC, NULL);
	pseudo_sb.type = &pseudo_type;
	pseudo_sb.dev = get_anon_dev();
}
