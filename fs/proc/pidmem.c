/* SPDX-License-Identifier: MIT */
/*
 * Memory of a process as a file: cmdline, environ, auxv, mem.
 *
 * The first two are ranges of the process's own stack, which it may change: what is read is what is
 * there now. Everything goes through mm_access() a page at a time, into a kernel page and from there
 * to the reader, so that no lock of either space is held over the access to the other.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

/* Copies [addr, end) of mm, from offset *pos within it on, to the user. */
static ssize_t read_range(struct mm_struct *mm, vaddr_t addr, vaddr_t end, void __user *ubuf,
			  size_t n, loff_t *pos)
{
	size_t done = 0, len = end > addr ? end - addr : 0;
	char *page;

	if ((size_t)*pos >= len)
		return 0;
	n = min(n, len - (size_t)*pos);
	page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	while (done < n) {
		size_t part = min(n - done, (size_t)PAGE_SIZE);
		size_t got = mm_access(mm, addr + (size_t)*pos, page, part, false);

		if (!got || copy_to_user((char __user *)ubuf + done, page, got))
			break;
		done += got;
		*pos += (loff_t)got;
		cond_resched();
	}
	kfree(page);
	return done || !n ? (ssize_t)done : -EFAULT;
}

/* --- cmdline -------------------------------------------------------------------------------------- */

/* A program that writes over its arguments (setproctitle) may run on into the environment: if the
 * last byte of the arguments is no NUL, the text is one string that ends with the first NUL. */
static vaddr_t find_title_end(struct mm_struct *mm, vaddr_t arg_start, vaddr_t arg_end,
			      vaddr_t env_end)
{
	vaddr_t addr = arg_start, limit = min(env_end, arg_start + PAGE_SIZE);
	char c = 'x', chunk[128];

	if (arg_end <= arg_start || mm_access(mm, arg_end - 1, &c, 1, false) != 1 || !c)
		return arg_end;
	while (addr < limit) {
		size_t got = mm_access(mm, addr, chunk, min(limit - addr, sizeof(chunk)), false);
		const char *nul = memchr(chunk, '\0', got);

		if (nul)
			return addr + (vaddr_t)(nul - chunk);
		if (!got)
			break;
		addr += got;
	}
	return addr;
}

static ssize_t cmdline_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos)
{
	struct proc_inode *pi = proc_file_inode(f);
	struct mm_struct *mm __put(mm) = proc_get_mm(pi);
	vaddr_t start, end, env_end;
	ssize_t ret;

	if (!mm)
		return proc_task_alive(pi->task) ? 0 : -ESRCH;
	down_read(&mm->mmap_lock);
	start = mm->arg_start;
	end = mm->arg_end;
	env_end = mm->env_end;
	up_read(&mm->mmap_lock);
	ret = read_range(mm, start, find_title_end(mm, start, end, env_end), ubuf, n, pos);
	return ret == -EFAULT ? 0 : ret;
}

/* --- environ, auxv ---------------------------------------------------------------------------------- */

static ssize_t environ_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos)
{
	struct mm_struct *mm __put(mm) = proc_use_mm(f->private);
	vaddr_t start, end;
	ssize_t ret;

	if (!mm)
		return 0;
	down_read(&mm->mmap_lock);
	start = mm->env_start;
	end = mm->env_end;
	up_read(&mm->mmap_lock);
	ret = read_range(mm, start, end, ubuf, n, pos);
	return ret;
}

static ssize_t auxv_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos)
{
	const struct mm_struct *mm = f->private; /* also when nobody lives in it any more */
	u64 auxv[ARRAY_SIZE(mm->auxv)];
	size_t len = 0;

	if (!mm)
		return 0;
	memcpy(auxv, mm->auxv, sizeof(auxv));
	while (len + 2 < ARRAY_SIZE(auxv) && auxv[len])
		len += 2;
	len = (len + 2) * sizeof(u64); /* with AT_NULL */
	if ((size_t)*pos >= len)
		return 0;
	n = min(n, len - (size_t)*pos);
	if (copy_to_user(ubuf, (const char *)auxv + *pos, n))
		return -EFAULT;
	*pos += (loff_t)n;
	return (ssize_t)n;
}

/* --- mem --------------------------------------------------------------------------------------------- */

static ssize_t mem_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos)
{
	struct mm_struct *mm __put(mm) = proc_use_mm(f->private);
	ssize_t ret = mm ? read_range(mm, 0, TASK_SIZE, ubuf, n, pos) : 0;

	return ret == -EFAULT ? -EIO : ret;
}

static ssize_t write_range(struct mm_struct *mm, const void __user *ubuf, size_t n, loff_t *pos,
			   char *page)
{
	size_t done = 0;

	while (done < n) {
		size_t part = min(n - done, (size_t)PAGE_SIZE), got;

		if (copy_from_user(page, (const char __user *)ubuf + done, part))
			return done ? (ssize_t)done : -EFAULT;
		got = mm_access(mm, (vaddr_t)*pos, page, part, true);
		done += got;
		*pos += (loff_t)got;
		if (got < part)
			break;
		cond_resched();
	}
	return done ? (ssize_t)done : -EIO;
}

static ssize_t mem_write(struct file *f, const void __user *ubuf, size_t n, loff_t *pos)
{
	struct mm_struct *mm __put(mm) = proc_use_mm(f->private);
	ssize_t ret;
	char *page;

	if (!mm || n == 0)
		return 0;
	page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	ret = page ? write_range(mm, ubuf, n, pos, page) : -ENOMEM;
	kfree(page);
	return ret;
}

const struct file_operations proc_cmdline_fops = {
	.read = cmdline_read,
	.llseek = seq_lseek,
};
const struct file_operations proc_environ_fops = {
	.open = proc_mm_open,
	.read = environ_read,
	.llseek = seq_lseek,
	.release = proc_mm_release,
};
const struct file_operations proc_auxv_fops = {
	.open = proc_mm_open,
	.read = auxv_read,
	.llseek = seq_lseek,
	.release = proc_mm_release,
};
const struct file_operations proc_mem_fops = {
	.open = proc_mm_open,
	.read = mem_read,
	.write = mem_write,
	.llseek = seq_lseek,
	.release = proc_mm_release,
};
