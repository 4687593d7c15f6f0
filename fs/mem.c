/* SPDX-License-Identifier: MIT */
/*
 * The devices that are only memory: null, zero, full, random, urandom.
 */
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/random.h>
#include <kernel/signal.h>
#include <kernel/x86/uaccess.h>

#define MEM_MAJOR 1

static ssize_t read_null(struct file *f __unused, void __user *buf __unused, size_t n __unused,
			 loff_t *pos __unused)
{
	return 0;
}

static ssize_t write_null(struct file *f __unused, const void __user *buf __unused, size_t n,
			  loff_t *pos __unused)
{
	return (ssize_t)n;
}

static ssize_t kwrite_null(struct file *f __unused, const void *buf __unused, size_t n)
{
	return (ssize_t)n;
}

static ssize_t write_full(struct file *f __unused, const void __user *buf __unused,
			  size_t n __unused, loff_t *pos __unused)
{
	return -ENOSPC;
}

static loff_t null_llseek(struct file *f, loff_t off __unused, int whence __unused)
{
	return f->pos = 0;
}

/* In pieces, so that a huge read can be interrupted. */
static ssize_t read_zero(struct file *f __unused, void __user *buf, size_t n, loff_t *pos __unused)
{
	size_t done = 0;

	while (done < n) {
		size_t len = min(n - done, (size_t)PAGE_SIZE);
		size_t left = clear_user((char __user *)buf + done, len);

		done += len - left;
		if (left)
			return done ? (ssize_t)done : -EFAULT;
		if (signal_pending())
			break;
		cond_resched();
	}
	return done || !n ? (ssize_t)done : -ERESTARTSYS;
}

static ssize_t read_random(struct file *f __unused, void __user *buf, size_t n,
			   loff_t *pos __unused)
{
	char chunk[256];
	size_t done = 0;

	while (done < n) {
		size_t len = min(n - done, sizeof(chunk));

		get_random_bytes(chunk, len);
		size_t left = copy_to_user((char __user *)buf + done, chunk, len);

		done += len - left;
		if (left)
			return done ? (ssize_t)done : -EFAULT;
		if (done % PAGE_SIZE == 0) {
			if (signal_pending())
				break;
			cond_resched();
		}
	}
	return (ssize_t)done;
}

static int open_zero(struct inode *inode __unused, struct file *f)
{
	f->mappable.access |= MAPPABLE_ZERO;
	return 0;
}

static const struct file_operations null_fops = {
	.read = read_null,
	.write = write_null,
	.kwrite = kwrite_null,
	.llseek = null_llseek,
};
static const struct file_operations zero_fops = {
	.open = open_zero,
	.read = read_zero,
	.write = write_null,
	.kwrite = kwrite_null,
	.llseek = null_llseek,
};
static const struct file_operations full_fops = {
	.read = read_zero,
	.write = write_full,
	.llseek = null_llseek,
};
static const struct file_operations random_fops = {
	.read = read_random,
	.write = write_null,
	.kwrite = kwrite_null,
	.llseek = null_llseek,
};

void mem_devices_init(void)
{
	static const struct {
		unsigned int minor;
		const char *name;
		const struct file_operations *fops;
	} devices[] = {
		{3, "null", &null_fops},     {5, "zero", &zero_fops},      {7, "full", &full_fops},
		{8, "random", &random_fops}, {9, "urandom", &random_fops},
	};

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (chrdev_register(MEM_MAJOR, devices[i].minor, devices[i].name, 0666,
				    devices[i].fops, NULL))
			pr_warn("cannot register /dev/%s\n", devices[i].name);
}
