/* SPDX-License-Identifier: MIT */
/*
 * Files whose text is generated when they are read (/proc, /sys).
 *
 *	static int show(struct seq_file *m, void *private)
 *	{
 *		seq_printf(m, "%lu\n", value);
 *		return 0;
 *	}
 *	static int open(struct inode *inode, struct file *f)
 *	{
 *		return seq_open(f, show, inode->private);
 *	}
 *	static const struct file_operations fops = {
 *		.open = open, .read = seq_read, .llseek = seq_lseek, .release = seq_release,
 *	};
 *
 * The text is made as a whole by the first read, and again by every read at position 0. A buffer
 * that turns out to be too small is doubled and show() is called again from the start, so show()
 * may hold spinlocks while it prints, must not change anything, and need not look for overflow.
 *
 * A long text is made in pieces of a page, if its show() says where a record ends:
 *
 *	for (i = m->cursor; i < n; i++) {
 *		seq_printf(m, "%lu\n", record[i]);
 *		if (!seq_mark(m, i + 1))
 *			break;
 *	}
 *
 * What follows the last mark is thrown away when the buffer is full, and the next piece begins
 * there. Between two pieces everything may change: the cursor has to be something to go on from
 * whatever became of the record, such as an address. A read behind the position before starts again
 * from the beginning.
 */
#pragma once

#include <fs/vfs.h>

struct seq_file {
	char *buf;
	size_t size, count; /* of buf; bytes in it */
	loff_t from;        /* where in the text buf begins */
	u64 cursor;    /* which record the next piece begins with: show()'s own number, first 0 */
	size_t marked; /* bytes in buf before the last mark */
	bool overflow; /* something did not fit: show() will be called again */
	bool valid;    /* from, cursor and buf belong together */
	bool more;     /* the text goes on after buf */
	int (*show)(struct seq_file *m, void *private); /* 0 or -errno, which read() returns */
	void *private;
	struct mm_struct *mm; /* for the opener; pinned */
	struct file *file;
	struct mutex lock;
};

/* In a file's open(): 0 or -ENOMEM. f->private is the seq_file afterwards. */
int seq_open(struct file *f, int (*show)(struct seq_file *m, void *private), void *private);
static inline struct seq_file *seq_of_file(const struct file *f)
{
	return f->private;
}
ssize_t seq_read(struct file *f, void __user *buf, size_t n, loff_t *pos);
loff_t seq_lseek(struct file *f, loff_t off, int whence);
/* Frees the seq_file; private is the caller's own business (seq_private() before). */
void seq_release(struct file *f);

void seq_printf(struct seq_file *m, const char *fmt, ...) __printf(2, 3);
void seq_puts(struct seq_file *m, const char *s);
void seq_putc(struct seq_file *m, char c);
void seq_write(struct seq_file *m, const void *p, size_t n);
/* Spaces until the text is width characters past start (a count noted earlier), at least one. */
void seq_pad_to(struct seq_file *m, size_t start, size_t width);
/* A record is complete, and next is the cursor of the one after it. False: it did not fit. */
static inline bool seq_mark(struct seq_file *m, u64 next)
{
	if (m->overflow)
		return false;
	m->marked = m->count;
	m->cursor = next;
	return true;
}
/* s with \n, \t, space and backslash as octal escapes (mounts, maps); esc: which characters. */
void seq_escape(struct seq_file *m, const char *s, const char *esc);
