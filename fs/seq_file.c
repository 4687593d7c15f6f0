/* SPDX-License-Identifier: MIT */
/*
 * Generated files: a buffer that show() fills and that is read in pieces.
 *
 * Linux has an iterator for each file; here show() prints as much as there is, and marks where
 * records end if the text may be long:
 *
 *	text	|.....................|===record===|===record===|==rec|........
 *		0                     from                      marked, cursor
 *
 * A buffer that is full is cut at the last mark and read, and the next is filled from there on. If
 * not one record fits, or there are no marks, the buffer is doubled.
 *
 * Locking: seq->lock (class LOCK_INODE: inside the position lock, outside of everything that a
 * show() takes).
 */
#include <fs/seq_file.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

#define SEQ_MAX_SIZE (64UL << 20) /* a text that outgrows this has a bug in its show() */

void seq_write(struct seq_file *m, const void *p, size_t n)
{
	if (m->overflow || n > m->size - m->count) {
		m->overflow = true;
		return;
	}
	memcpy(m->buf + m->count, p, n);
	m->count += n;
}

void seq_puts(struct seq_file *m, const char *s)
{
	seq_write(m, s, strlen(s));
}

void seq_putc(struct seq_file *m, char c)
{
	seq_write(m, &c, 1);
}

void seq_printf(struct seq_file *m, const char *fmt, ...)
{
	size_t room = m->size - m->count;
	va_list ap;

	if (m->overflow)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(m->buf + m->count, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		m->overflow = true;
	else
		m->count += (size_t)n;
}

void seq_pad_to(struct seq_file *m, size_t start, size_t width)
{
	do
		seq_putc(m, ' ');
	while (!m->overflow && m->count < start + width);
}

void seq_escape(struct seq_file *m, const char *s, const char *esc)
{
	for (; *s; s++) {
		if (strchr(esc, *s))
			seq_printf(m, "\\%03o", (unsigned char)*s);
		else
			seq_putc(m, *s);
	}
}

int seq_open(struct file *f, int (*show)(struct seq_file *m, void *private), void *private)
{
	struct seq_file *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return -ENOMEM;
	m->show = show;
	m->private = private;
	m->file = f;
	mutex_init(&m->lock, LOCK_INODE);
	f->private = m;
	return 0;
}

void seq_release(struct file *f)
{
	struct seq_file *m = f->private;

	kvfree(m->buf);
	kfree(m);
}

static int seq_resize(struct seq_file *m, size_t size)
{
	if (m->buf && m->size == size)
		return 0;
	kvfree(m->buf);
	m->size = 0;
	m->buf = size <= SEQ_MAX_SIZE ? kvmalloc(size, GFP_KERNEL) : NULL;
	if (!m->buf)
		return -ENOMEM;
	m->size = size;
	return 0;
}

/* The piece after what is in buf. */
static int seq_generate(struct seq_file *m)
{
	size_t size = m->buf ? m->size : PAGE_SIZE;

	m->valid = false;
	m->from += (loff_t)m->count;
	for (;; size *= 2) {
		int err = seq_resize(m, size);

		if (err)
			return err;
		m->count = m->marked = 0;
		m->overflow = false;
		err = m->show(m, m->private);
		if (err)
			return err;
		m->more = m->overflow;
		if (!m->overflow || m->marked)
			break;
	}
	if (m->overflow)
		m->count = m->marked;
	m->valid = true;
	return 0;
}

/* Makes buf reach beyond pos, if the text does. */
static int seq_seek(struct seq_file *m, loff_t pos)
{
	int err = 0;

	if (!m->valid || pos == 0 || pos < m->from) {
		m->from = 0;
		m->count = 0;
		m->cursor = 0;
		m->more = true;
	}
	while (!err && m->more && pos >= m->from + (loff_t)m->count) {
		err = current_fatal_signal_pending() ? -EINTR : seq_generate(m);
		cond_resched();
	}
	return err;
}

/* What buf has of the text at pos, up to n bytes. 0: the end. */
static ssize_t seq_copy(struct seq_file *m, void __user *to, size_t n, loff_t pos)
{
	int err = seq_seek(m, pos);
	size_t skip, left;

	if (err || pos >= m->from + (loff_t)m->count)
		return err;
	skip = (size_t)(pos - m->from);
	n = min(n, m->count - skip);
	left = copy_to_user(to, m->buf + skip, n);
	return left == n && n ? -EFAULT : (ssize_t)(n - left);
}

ssize_t seq_read(struct file *f, void __user *buf, size_t n, loff_t *pos)
{
	struct seq_file *m = f->private;
	size_t done = 0;
	ssize_t len;

	guard_mutex(&m->lock);
	do {
		len = seq_copy(m, (char __user *)buf + done, n - done, *pos);
		if (len > 0) {
			done += (size_t)len;
			*pos += len;
		}
	} while (len > 0 && done < n);
	return done ? (ssize_t)done : len;
}

loff_t seq_lseek(struct file *f, loff_t off, int whence)
{
	return whence == SEEK_SET || whence == SEEK_CUR ? generic_llseek(f, off, whence) : -EINVAL;
}
