/* SPDX-License-Identifier: MIT */
/*
 * /proc/octavo: what Linux does not have.
 *
 *	ktest	write the names of in-kernel tests ("all", "SUITE", "SUITE.CASE", comma separated):
 *		the write runs them and returns when they are done; reads then give their report.
 *	frames	a letter for each page frame (frames.c)
 *	crash	write a kind of breakage (tests/kernel/crash.c): an oops in the writer's context.
 *	ledger	whose memory is, and
 *	stain	marks the stack, in debug builds: debug.c.
 *
 * The report's buffer is allocated before the first test starts: a test's memory is compared before
 * and after it, and a buffer that grew meanwhile would look like a leak.
 *
 * Locking: report->lock for the buffer of one open file; it is not held while tests run.
 */
#include <fs/proc/proc.h>
#include <kernel/ktest_hook.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

/* Some 300 tests print 100 bytes each; what does not fit is an error of the read. */
#define REPORT_SIZE (256UL << 10)
#define FILTER_MAX  1024

struct report {
	struct mutex lock;
	char *text; /* (l) */
	size_t len; /* (l) */
	bool cut;   /* (l) it was longer */
};

struct output {
	char *text;
	size_t len;
	bool cut;
};

static void append(void *arg, const char *s, size_t n)
{
	struct output *out = arg;

	if (n >= REPORT_SIZE - out->len) {
		out->cut = true;
		return;
	}
	memcpy(out->text + out->len, s, n);
	out->len += n;
}

static int ktest_open(struct inode *inode __unused, struct file *f)
{
	struct report *r = kzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return -ENOMEM;
	mutex_init(&r->lock, LOCK_INODE);
	f->private = r;
	return 0;
}

static void ktest_release(struct file *f)
{
	struct report *r = f->private;

	kvfree(r->text);
	kfree(r);
}

static int run_tests(struct report *r, const char *filter)
{
	struct output out = {.text = kvmalloc(REPORT_SIZE, GFP_KERNEL)};
	int err;

	if (!out.text)
		return -ENOMEM;
	err = ktest_run_hook(filter, 1, false, 1, append, &out);
	out.text[out.len] = '\0';
	/* Failures are in the report and the write has succeeded; but nothing to run is an error. */
	if (err && !out.cut && !strstr(out.text, "not ok ")) {
		kvfree(out.text);
		return -ENOENT;
	}
	mutex_lock(&r->lock);
	swap(r->text, out.text);
	r->len = out.len;
	r->cut = out.cut;
	mutex_unlock(&r->lock);
	kvfree(out.text);
	return 0;
}

static ssize_t ktest_write(struct file *f, const void __user *ubuf, size_t n, loff_t *pos)
{
	char *filter;
	int err;

	if (!ktest_run_hook)
		return -ENODEV;
	if (n == 0 || n >= FILTER_MAX)
		return -EINVAL;
	filter = kzalloc(FILTER_MAX, GFP_KERNEL);
	if (!filter)
		return -ENOMEM;
	err = copy_from_user(filter, ubuf, n) ? -EFAULT : run_tests(f->private, strim(filter));
	kfree(filter);
	if (!err)
		*pos = 0; /* the report is read from its beginning */
	return err ? err : (ssize_t)n;
}

static ssize_t ktest_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos)
{
	struct report *r = f->private;
	ssize_t ret = 0;

	mutex_lock(&r->lock);
	if ((size_t)*pos < r->len) {
		n = min(n, r->len - (size_t)*pos);
		ret = copy_to_user(ubuf, r->text + *pos, n) ? -EFAULT : (ssize_t)n;
	} else if (r->cut) {
		ret = -EOVERFLOW;
	}
	mutex_unlock(&r->lock);
	if (ret > 0)
		*pos += ret;
	return ret;
}

static const struct file_operations ktest_fops = {
	.open = ktest_open,
	.read = ktest_read,
	.write = ktest_write,
	.llseek = seq_lseek,
	.release = ktest_release,
};

static ssize_t crash_write(struct file *f __unused, const void __user *ubuf, size_t n,
			   loff_t *pos __unused)
{
	char kind[32] = "";
	int err;

	if (!crash_run_hook)
		return -ENODEV;
	if (n >= sizeof(kind))
		return -EINVAL;
	if (copy_from_user(kind, ubuf, n))
		return -EFAULT;
	err = crash_run_hook(strim(kind));
	return err ? err : (ssize_t)n;
}

static const struct file_operations crash_fops = {.write = crash_write};

const struct proc_entry proc_octavo_entries[] = {
	PROC_OPS("frames", 0400, proc_frames_fops),
	PROC_OPS("ktest", 0600, ktest_fops),
	PROC_OPS("crash", 0200, crash_fops),
#ifdef CONFIG_DEBUG
	PROC_OPS("ledger", 0400, proc_ledger_fops),
	PROC_OPS("stain", 0200, proc_stain_fops),
#endif
	{},
};
