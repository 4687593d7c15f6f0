/* SPDX-License-Identifier: MIT */
/*
 * Advisory locks: flock(2), and fcntl's record locks.
 *
 * A lock is a byte range of an inode with an owner: flock's belong to the open file, fcntl's (POSIX)
 * to the process (its descriptor table), which loses them with its first close of any
 * descriptor of that file, or (F_OFD_) to the open file as well. flock's and fcntl's locks do not see
 * each other, as on Linux.
 *
 * An owner's own locks never overlap: a new one cuts the old ones down to what remains left and
 * right of it, so setting a lock needs at most two new structures; they are allocated before the
 * spinlock is taken.
 *
 * All inodes share one spinlock and one queue of waiters. That is a few locks on a teaching machine;
 * a server would want them per inode. Processes that wait for one another in a circle are found when the
 * last one begins to wait (EDEADLK): each waiter is listed with what it wants, and who holds that is
 * looked up anew.
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

enum { F_RDLCK, F_WRLCK, F_UNLCK };
enum lock_kind { LOCK_KIND_FLOCK, LOCK_KIND_POSIX };

#define LOCK_NB    4
#define LOCK_MAND  32
#define OFFSET_MAX INT64_MAX

struct file_lock {
	struct list_head node; /* (file_lock_lock) in inode->locks */
	const void *owner;
	enum lock_kind kind;
	int type;
	loff_t start, end; /* inclusive */
	pid_t pid;
};

struct flock { /* the ABI's */
	s16 type, whence;
	loff_t start, len;
	pid_t pid;
};

static spinlock_t file_lock_lock = SPINLOCK_INIT(LOCK_FS);
static DEFINE_WAIT_QUEUE(file_lock_wait);

struct lock_wait {
	struct list_head node;
	struct inode *inode;
	const struct file_lock *want;
};
static LIST_HEAD(lock_waits); /* (file_lock_lock) */

static bool overlaps(const struct file_lock *a, const struct file_lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

static struct file_lock *find_conflict_locked(struct inode *inode, const struct file_lock *want)
{
	struct file_lock *l;

	assert_spin_held(&file_lock_lock);
	list_for_each_entry(l, &inode->locks, node)
		if (l->kind == want->kind && l->owner != want->owner && overlaps(l, want) &&
		    (l->type == F_WRLCK || want->type == F_WRLCK))
			return l;
	return NULL;
}

/* Makes room for `want` among its owner's locks. *spare is used for a split. */
static void cut_own_locked(struct inode *inode, const struct file_lock *want,
			   struct file_lock **spare, struct list_head *dead)
{
	struct file_lock *l, *next;

	list_for_each_entry_safe(l, next, &inode->locks, node) {
		if (l->kind != want->kind || l->owner != want->owner || !overlaps(l, want))
			continue;
		if (l->start < want->start && l->end > want->end) {
			struct file_lock *right = *spare;

			*spare = NULL;
			*right = *l;
			right->start = want->end + 1;
			l->end = want->start - 1;
			list_add(&right->node, &l->node);
			break; /* none other can overlap */
		}
		if (l->start < want->start)
			l->end = want->start - 1;
		else if (l->end > want->end)
			l->start = want->end + 1;
		else
			list_move(&l->node, dead);
	}
}

/* Joins the new lock with its owner's neighbours of the same type. */
static void merge_locked(struct inode *inode, struct file_lock *l, struct list_head *dead)
{
	struct file_lock *o, *next;

	list_for_each_entry_safe(o, next, &inode->locks, node) {
		if (o == l || o->kind != l->kind || o->owner != l->owner || o->type != l->type)
			continue;
		if (o->end != OFFSET_MAX && o->end + 1 == l->start)
			l->start = o->start;
		else if (l->end != OFFSET_MAX && l->end + 1 == o->start)
			l->end = o->end;
		else
			continue;
		list_move(&o->node, dead);
	}
}

static void free_dead(struct list_head *dead)
{
	struct file_lock *l, *next;

	list_for_each_entry_safe(l, next, dead, node)
		kfree(l);
}

/* Tries to set the lock: 0, or -EAGAIN if another one is in the way. */
static int try_lock(struct inode *inode, const struct file_lock *want, struct file_lock **fresh,
		    struct file_lock **spare)
{
	LIST_HEAD(dead);

	spin_lock(&file_lock_lock);
	if (want->type != F_UNLCK && find_conflict_locked(inode, want)) {
		spin_unlock(&file_lock_lock);
		return -EAGAIN;
	}
	cut_own_locked(inode, want, spare, &dead);
	if (want->type != F_UNLCK) {
		struct file_lock *l = *fresh;

		*fresh = NULL;
		*l = *want;
		list_add_tail(&l->node, &inode->locks);
		merge_locked(inode, l, &dead);
	}
	spin_unlock(&file_lock_lock);
	free_dead(&dead);
	if (want->type != F_WRLCK)
		wake_up_all(&file_lock_wait);
	return 0;
}

static bool has_conflict(struct inode *inode, const struct file_lock *want)
{
	guard_spin(&file_lock_lock);
	return find_conflict_locked(inode, want);
}

static const struct lock_wait *wait_of_locked(const void *owner)
{
	const struct lock_wait *w;

	list_for_each_entry(w, &lock_waits, node)
		if (w->want->owner == owner)
			return w;
	return NULL;
}

/* Linux follows a circle ten steps, too; locks of open files (pid -1) have no owner that waits. */
static bool would_deadlock_locked(const struct lock_wait *w)
{
	const struct lock_wait *at = w;

	if (w->want->kind != LOCK_KIND_POSIX || w->want->pid < 0)
		return false;
	for (int i = 0; at && i < 10; i++) {
		const struct file_lock *l = find_conflict_locked(at->inode, at->want);

		if (!l || l->owner == w->want->owner)
			return l;
		at = wait_of_locked(l->owner);
	}
	return false;
}

static int wait_for_lock(struct inode *inode, const struct file_lock *want)
{
	struct lock_wait w = {.inode = inode, .want = want};
	int err;

	spin_lock(&file_lock_lock);
	bool deadlock = would_deadlock_locked(&w);
	if (!deadlock)
		list_add(&w.node, &lock_waits);
	spin_unlock(&file_lock_lock);
	if (deadlock)
		return -EDEADLK;
	err = wait_event_interruptible(file_lock_wait, !has_conflict(inode, want));
	spin_lock(&file_lock_lock);
	list_del(&w.node);
	spin_unlock(&file_lock_lock);
	return err;
}

static int set_lock(struct inode *inode, const struct file_lock *want, bool wait)
{
	struct file_lock *fresh = kmalloc(sizeof(*fresh), GFP_KERNEL);
	struct file_lock *spare = kmalloc(sizeof(*spare), GFP_KERNEL);
	int err = fresh && spare ? 0 : -ENOLCK;

	while (!err) {
		err = try_lock(inode, want, &fresh, &spare);
		if (err != -EAGAIN || !wait)
			break;
		err = wait_for_lock(inode, want);
	}
	kfree(fresh);
	kfree(spare);
	return err;
}

static void drop_locks(struct inode *inode, const void *owner, enum lock_kind kind)
{
	struct file_lock *l, *next;
	LIST_HEAD(dead);

	spin_lock(&file_lock_lock);
	list_for_each_entry_safe(l, next, &inode->locks, node)
		if (l->owner == owner && l->kind == kind)
			list_move(&l->node, &dead);
	spin_unlock(&file_lock_lock);
	if (list_empty(&dead))
		return;
	free_dead(&dead);
	wake_up_all(&file_lock_wait);
}

void file_locks_release(struct file *f)
{
	drop_locks(f->inode, f, LOCK_KIND_FLOCK);
	drop_locks(f->inode, f, LOCK_KIND_POSIX); /* OFD locks */
}

void posix_locks_release(struct file *f, struct files_struct *owner)
{
	drop_locks(f->inode, owner, LOCK_KIND_POSIX);
}

/* --- fcntl -------------------------------------------------------------------------------- */

/* The range that the user means. */
static int lock_from_user(struct file *f, const struct flock *u, bool ofd, struct file_lock *l)
{
	loff_t base = u->whence == SEEK_CUR ? f->pos : f->inode->mapping.size;

	if (ofd && u->pid)
		return -EINVAL;
	if (u->whence == SEEK_SET)
		base = 0;
	else if (u->whence != SEEK_CUR && u->whence != SEEK_END)
		return -EINVAL;
	if (__builtin_add_overflow(base, u->start, &l->start))
		return -EOVERFLOW;
	if (l->start < 0)
		return -EINVAL;
	l->end = OFFSET_MAX;
	if (u->len > 0) {
		if (__builtin_add_overflow(l->start, u->len - 1, &l->end))
			return -EOVERFLOW;
	} else if (u->len < 0) { /* what lies before */
		l->end = l->start - 1;
		l->start += u->len;
		if (l->start < 0)
			return -EINVAL;
	}
	l->kind = LOCK_KIND_POSIX;
	l->owner = ofd ? (void *)f : (void *)current->files;
	l->type = u->type;
	l->pid = ofd ? -1 : current->proc->pid;
	return 0;
}

long fcntl_getlk(struct file *f, void __user *arg, bool ofd)
{
	struct file_lock want, *c;
	struct flock u;
	int err;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	if (u.type != F_RDLCK && u.type != F_WRLCK)
		return -EINVAL;
	err = lock_from_user(f, &u, ofd, &want);
	if (err)
		return err;
	spin_lock(&file_lock_lock);
	c = find_conflict_locked(f->inode, &want);
	u.type = F_UNLCK;
	if (c) {
		u.type = (s16)c->type;
		u.whence = SEEK_SET;
		u.start = c->start;
		u.len = c->end == OFFSET_MAX ? 0 : c->end - c->start + 1;
		u.pid = c->pid;
	}
	spin_unlock(&file_lock_lock);
	return copy_to_user(arg, &u, sizeof(u)) ? -EFAULT : 0;
}

/* Another thread may close fd while the lock is being set, and find none to release. */
static int check_still_open(int fd, struct file *f)
{
	struct file *now __put(file) = fget_raw(fd);

	if (now == f)
		return 0;
	posix_locks_release(f, current->files);
	return -EBADF;
}

long fcntl_setlk(int fd, struct file *f, void __user *arg, bool wait, bool ofd)
{
	struct file_lock want;
	struct flock u;
	int err;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	err = lock_from_user(f, &u, ofd, &want);
	if (err)
		return err;
	if (u.type == F_RDLCK ? !f->can_read : u.type == F_WRLCK ? !f->can_write : false)
		return -EBADF;
	if (u.type != F_RDLCK && u.type != F_WRLCK && u.type != F_UNLCK)
		return -EINVAL;
	err = set_lock(f->inode, &want, wait);
	return err || ofd || u.type == F_UNLCK ? err : check_still_open(fd, f);
}

/* --- flock -------------------------------------------------------------------------------- */

SYSCALL2(flock, int, fd, unsigned int, op)
{
	/* By LOCK_SH (1), LOCK_EX (2), LOCK_UN (8). */
	static const s8 type_of[] = {-1, F_RDLCK, F_WRLCK, -1, -1, -1, -1, -1, F_UNLCK};
	unsigned int what = op & ~(unsigned int)LOCK_NB;
	struct file *f __put(file) = NULL;

	if (op & LOCK_MAND)
		return 0; /* once mandatory locks; ignored, as on Linux */
	if (what >= ARRAY_SIZE(type_of) || type_of[what] < 0)
		return -EINVAL;
	f = fget(fd);
	if (!f)
		return -EBADF;
	struct file_lock want = {
		.owner = f,
		.kind = LOCK_KIND_FLOCK,
		.type = type_of[what],
		.end = OFFSET_MAX,
		.pid = current->proc->pid,
	};
	return set_lock(f->inode, &want, !(op & LOCK_NB));
}
