/* SPDX-License-Identifier: MIT */
/*
 * The system calls on the own address space. The work is mm's, which knows neither descriptors nor
 * tasks: here descriptors become files, and the process's limits and privilege are copied to where
 * mm looks at them, so that a limit changed a moment ago counts.
 */
#include <drivers/block/block.h>
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <mm/trace.h>
#include <mm/vma.h>

struct mm_struct *own_mm(void)
{
	const struct task *t = current;
	struct mm_struct *mm = t->thread.mm;

	mm->rlim_as = READ_ONCE(t->proc->rlim[RLIMIT_AS].cur);
	mm->rlim_data = READ_ONCE(t->proc->rlim[RLIMIT_DATA].cur);
	mm->rlim_stack = READ_ONCE(t->proc->rlim[RLIMIT_STACK].cur);
	mm->rlim_memlock = READ_ONCE(t->proc->rlim[RLIMIT_MEMLOCK].cur);
	caps_to_mm(&t->cred, mm);
	return mm;
}

static long mmap_file(unsigned long addr, size_t len, int prot, int flags, int fd, u64 pgoff)
{
	struct file *file = fget(fd);
	long ret;

	if (!file)
		return -EBADF;
	if (flags & MAP_HUGETLB)
		ret = -EINVAL; /* not a file of huge pages */
	else
		ret = do_mmap(own_mm(), file_mappable(file), addr, len, prot, flags, pgoff);
	fput(file);
	return ret;
}

static long map(unsigned long addr, size_t len, int prot, int flags, int fd, unsigned long off)
{
	if (off & ~PAGE_MASK)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS))
		return mmap_file(addr, len, prot, flags, fd, off >> PAGE_SHIFT);
	if (flags & MAP_HUGETLB)
		return -ENOMEM; /* as Linux with an empty pool */
	return do_mmap(own_mm(), NULL, addr, len, prot, flags, off >> PAGE_SHIFT);
}

SYSCALL6(mmap, unsigned long, addr, size_t, len, int, prot, int, flags, int, fd, unsigned long, off)
{
	long ret = map(addr, len, prot, flags, fd, off);

	trace(MMAP, addr, len, prot, flags, fd, ret);
	return ret;
}

SYSCALL2(munmap, unsigned long, addr, size_t, len)
{
	long ret = do_munmap(current_mm(), addr, len);

	trace(MUNMAP, addr, len, ret);
	return ret;
}

SYSCALL3(mprotect, unsigned long, addr, size_t, len, int, prot)
{
	long ret = do_mprotect(own_mm(), addr, len, prot);

	trace(MPROTECT, addr, len, prot, ret);
	return ret;
}

SYSCALL1(brk, unsigned long, brk)
{
	long ret = do_brk(own_mm(), brk);

	trace(BRK, brk, ret);
	return ret;
}

SYSCALL5(mremap, unsigned long, old, size_t, old_len, size_t, new_len, unsigned long, flags,
	 unsigned long, new_addr)
{
	long ret;

	if (flags >> 31)
		return -EINVAL;
	ret = do_mremap(own_mm(), old, old_len, new_len, (int)flags, new_addr);
	trace(MREMAP, old, old_len, new_len, flags, ret);
	return ret;
}

SYSCALL5(remap_file_pages, unsigned long, start, size_t, size, int, prot, unsigned long, pgoff, int,
	 flags)
{
	return do_remap_file_pages(own_mm(), start, size, prot, pgoff, flags);
}

SYSCALL3(madvise, unsigned long, addr, size_t, len, int, advice)
{
	long ret = do_madvise(own_mm(), addr, len, advice);

	trace(MADVISE, addr, len, advice, ret);
	return ret;
}

SYSCALL3(msync, unsigned long, addr, size_t, len, int, flags)
{
	return do_msync(current_mm(), addr, len, flags);
}

/* A page of answers at a time. */
static long mincore_chunks(unsigned long addr, size_t pages, u8 __user *vec, u8 *buf)
{
	while (pages) {
		long n = do_mincore(current_mm(), addr, min(pages, (size_t)PAGE_SIZE), buf);

		if (n < 0)
			return n;
		if (copy_to_user(vec, buf, n))
			return -EFAULT;
		addr += n << PAGE_SHIFT;
		vec += n;
		pages -= n;
		cond_resched();
	}
	return 0;
}

SYSCALL3(mincore, unsigned long, addr, size_t, len, u8 __user *, vec)
{
	size_t pages = (len >> PAGE_SHIFT) + !!(len & ~PAGE_MASK);
	u8 *buf;
	long ret;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (!access_ok((void __user *)addr, len))
		return -ENOMEM;
	if (!access_ok(vec, pages))
		return -EFAULT;
	buf = get_free_page(GFP_USER);
	if (!buf)
		return -EAGAIN;
	ret = mincore_chunks(addr, pages, vec, buf);
	free_page(buf);
	return ret;
}

SYSCALL3(mlock2, unsigned long, addr, size_t, len, int, flags)
{
	long ret = do_mlock(own_mm(), addr, len, (unsigned int)flags);

	trace(MLOCK, addr, len, flags, ret);
	return ret;
}

SYSCALL2(munlock, unsigned long, addr, size_t, len)
{
	long ret = do_munlock(current_mm(), addr, len);

	trace(MUNLOCK, addr, len, ret);
	return ret;
}

SYSCALL1(mlockall, int, flags)
{
	long ret = do_mlockall(own_mm(), flags);

	trace(MLOCK, 0, TASK_SIZE, flags, ret);
	return ret;
}

SYSCALL0(munlockall)
{
	trace(MUNLOCK, 0, TASK_SIZE, 0);
	return do_munlockall(current_mm());
}

/* The block device of that name, with a reference; its full name in buf. */
static struct block_device *swap_device(const char __user *name, char *buf, char **full)
{
	struct block_device *bdev = ERR_PTR(-EINVAL);
	struct path p;
	char *s = getname(name, 0);
	int err;

	if (IS_ERR(s))
		return (void *)s;
	err = path_lookup(AT_FDCWD, s, LOOKUP_FOLLOW, &p);
	putname(s);
	if (err)
		return ERR_PTR(err);
	if (S_ISDIR(p.dentry->inode->mode)) {
		bdev = ERR_PTR(-EISDIR);
	} else if (S_ISBLK(p.dentry->inode->mode)) {
		bdev = blkdev_get(p.dentry->inode->rdev);
		if (!bdev)
			bdev = ERR_PTR(-ENXIO);
		*full = d_path(&p, buf, PATH_MAX);
	}
	path_put(&p);
	return bdev;
}

SYSCALL2(swapon, const char __user *, name, int, flags)
{
	struct block_device *bdev;
	char *buf, *full;
	int err;

	if (flags & ~SWAP_FLAGS_VALID)
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	bdev = swap_device(name, buf, &full);
	err = IS_ERR(bdev) ? (int)PTR_ERR(bdev) : do_swapon(bdev, flags, full);
	if (err && !IS_ERR(bdev))
		blkdev_put(bdev);
	kfree(buf);
	return err;
}

SYSCALL1(swapoff, const char __user *, name)
{
	struct block_device *bdev;
	char *buf, *full;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	bdev = swap_device(name, buf, &full);
	kfree(buf);
	if (IS_ERR(bdev))
		return (int)PTR_ERR(bdev);
	err = do_swapoff(bdev);
	blkdev_put(bdev);
	return err;
}
