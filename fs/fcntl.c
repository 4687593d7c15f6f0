/* SPDX-License-Identifier: MIT */
/*
 * fcntl(2), the dup family, ioctl(2).
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>

enum {
	F_DUPFD,
	F_GETFD,
	F_SETFD,
	F_GETFL,
	F_SETFL,
	F_GETLK,
	F_SETLK,
	F_SETLKW,
	F_SETOWN,
	F_GETOWN,
	F_SETSIG,
	F_GETSIG,
	F_OFD_GETLK = 36,
	F_OFD_SETLK,
	F_OFD_SETLKW,
	F_GETLEASE = 1025,
	F_DUPFD_CLOEXEC = 1030,
	F_SETPIPE_SZ,
	F_GETPIPE_SZ,
	F_ADD_SEALS,
	F_GET_SEALS,
};
#define FD_CLOEXEC 1
#define F_UNLCK    2
#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

#define FIOCLEX  0x5451
#define FIONCLEX 0x5450
#define FIONBIO  0x5421
#define FIONREAD 0x541b
#define FIGETBSZ 2

static long set_flags(struct file *f, unsigned int flags)
{
	if ((flags & O_NOATIME) && !(f->flags & O_NOATIME) && !capable(CAP_FOWNER) &&
	    current->cred.fsuid != f->inode->uid)
		return -EPERM;
	if ((flags & O_DIRECT) && !S_ISFIFO(f->inode->mode))
		return -EINVAL;
	/* In two steps, so that nothing is lost that another thread does to a bit outside of the mask. */
	__atomic_fetch_or(&f->flags, flags & SETFL_MASK, __ATOMIC_RELAXED);
	__atomic_fetch_and(&f->flags, flags | ~SETFL_MASK, __ATOMIC_RELAXED);
	return 0;
}

static long dup_from(struct file *f, unsigned int from, unsigned int flags)
{
	return from < rlimit(RLIMIT_NOFILE) ? fd_dup(f, (int)from, flags) : -EINVAL;
}

static long fcntl_file(int fd, struct file *f, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case F_DUPFD:
		return dup_from(f, (unsigned int)arg, 0);
	case F_DUPFD_CLOEXEC:
		return dup_from(f, (unsigned int)arg, O_CLOEXEC);
	case F_GETFD:
		return fd_get_cloexec(fd);
	case F_SETFD:
		return fd_set_cloexec(fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return f->flags;
	case F_SETFL:
		return set_flags(f, (unsigned int)arg);
	case F_GETLK:
	case F_OFD_GETLK:
		return fcntl_getlk(f, (void __user *)arg, cmd == F_OFD_GETLK);
	case F_SETLK:
	case F_SETLKW:
		return fcntl_setlk(fd, f, (void __user *)arg, cmd == F_SETLKW, false);
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_setlk(fd, f, (void __user *)arg, cmd == F_OFD_SETLKW, true);
	case F_GETOWN: /* nobody is told of anything */
	case F_GETSIG:
		return 0;
	case F_GETLEASE:
		return F_UNLCK;
	case F_SETPIPE_SZ:
		return pipe_set_size(f, arg);
	case F_GETPIPE_SZ:
		return pipe_get_size(f);
	case F_ADD_SEALS:
		return tmpfs_add_seals(f, (unsigned int)arg);
	case F_GET_SEALS:
		return tmpfs_get_seals(f);
	}
	return -EINVAL;
}

static bool allowed_on_o_path(unsigned int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD || cmd == F_SETFD ||
	       cmd == F_GETFL;
}

SYSCALL3(fcntl, int, fd, unsigned int, cmd, unsigned long, arg)
{
	struct file *f __put(file) = fget_raw(fd);

	if (!f || ((f->flags & O_PATH) && !allowed_on_o_path(cmd)))
		return -EBADF;
	return fcntl_file(fd, f, cmd, arg);
}

/* --- dup ---------------------------------------------------------------------------------- */

SYSCALL1(dup, int, fd)
{
	struct file *f __put(file) = fget_raw(fd);

	return f ? fd_dup(f, 0, 0) : -EBADF;
}

static long dup_to(int old, unsigned int new_, unsigned int flags)
{
	struct file *f __put(file) = fget_raw(old);

	if (!f || (unsigned long)new_ >= rlimit(RLIMIT_NOFILE))
		return -EBADF;
	return fd_replace(f, new_, flags);
}

SYSCALL2(dup2, int, old, unsigned int, new_)
{
	struct file *f __put(file) = fget_raw(old);

	return f && (unsigned int)old == new_ ? old : dup_to(old, new_, 0);
}

SYSCALL3(dup3, int, old, unsigned int, new_, unsigned int, flags)
{
	if ((flags & ~O_CLOEXEC) || (unsigned int)old == new_)
		return -EINVAL;
	return dup_to(old, new_, flags);
}

/* --- ioctl -------------------------------------------------------------------------------- */

static long set_nonblock(struct file *f, int __user *uon)
{
	int on;

	if (get_user(on, uon))
		return -EFAULT;
	if (on)
		__atomic_fetch_or(&f->flags, O_NONBLOCK, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&f->flags, ~(unsigned int)O_NONBLOCK, __ATOMIC_RELAXED);
	return 0;
}

static long ioctl_regular(struct file *f, unsigned int cmd, unsigned long arg)
{
	loff_t left = f->inode->mapping.size - f->pos;

	return cmd == FIONREAD ? put_user((int)left, (int __user *)arg) : -ENOTTY;
}

static long ioctl_file(int fd, struct file *f, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case FIOCLEX:
		return fd_set_cloexec(fd, true);
	case FIONCLEX:
		return fd_set_cloexec(fd, false);
	case FIONBIO:
		return set_nonblock(f, (int __user *)arg);
	case FIGETBSZ:
		return put_user((int)PAGE_SIZE, (int __user *)arg);
	}
	if (f->ops->ioctl)
		return f->ops->ioctl(f, cmd, arg);
	return S_ISREG(f->inode->mode) ? ioctl_regular(f, cmd, arg) : -ENOTTY;
}

SYSCALL3(ioctl, int, fd, unsigned int, cmd, unsigned long, arg)
{
	struct file *f __put(file) = fget(fd);

	return f ? ioctl_file(fd, f, cmd, arg) : -EBADF;
}
