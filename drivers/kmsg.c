/* SPDX-License-Identifier: MIT */
/*
 * The kernel log for programs: /dev/kmsg, /proc/kmsg and syslog(2) (dmesg, klogd).
 *
 *	/dev/kmsg	each read gives one record, "level,sequence,microseconds,-;text\n", to each open
 *			file its own; what is written becomes a record
 *	/proc/kmsg,	"<level>[    1.234567] text\n" as a stream that is read once, by whoever comes
 *	syslog(2)	first; and the last so many bytes for dmesg, which leaves everything in place
 *
 * A reader that waits cannot be woken from printk(): that may be called with any lock held, also with
 * those that waking takes. So a waiter starts a timer, which looks every 50 ms whether there is
 * something new, for as long as somebody waits.
 *
 * Locking: stream_lock (a mutex, held over copies to the user) for the stream's place; each open
 * /dev/kmsg has its own.
 */
#include <fs/proc/proc.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

#define MEM_MAJOR  1
#define KMSG_MINOR 11
#define TEXT_MAX   512                 /* of one record: printk.c's LINE_MAX */
#define RECORD_MAX (64 + 4 * TEXT_MAX) /* in /dev/kmsg's form, with every byte escaped */
#define WRITE_MAX  976                 /* as Linux: longer writes are refused */
#define POLL_NS    (50 * NSEC_PER_MSEC)
/* The whole ring of 32 KiB in text form: a record of the least size, 24 bytes, takes 26. */
#define LOG_TEXT_MAX (64UL << 10)
#define RING_SIZE    (32 << 10)

/* --- waiting ------------------------------------------------------------------------------------- */

static DEFINE_WAIT_QUEUE(log_wait);
static struct timer log_timer;
static atomic_t watching; /* 1: the timer runs; who makes it that starts it */
static u64 timer_seen;    /* the sequence number up to which waiters have been woken */

static void watch_log(void)
{
	if (!atomic_xchg(&watching, 1))
		timer_start(&log_timer, ktime_get() + POLL_NS);
}

static void log_timer_fn(struct timer *t __unused)
{
	u64 next = printk_next_seq();

	if (next != READ_ONCE(timer_seen)) {
		WRITE_ONCE(timer_seen, next);
		wake_up_all(&log_wait);
	}
	(void)atomic_xchg(&watching, 0); /* then look: a waiter that came before found it running */
	if (waitqueue_active(&log_wait))
		watch_log();
}

/* Until there is a record seq. 0 or -ERESTARTSYS. */
static int wait_for_record(u64 seq)
{
	struct wait_entry we;
	int err = 0;

	wait_entry_init(&we, false);
	for (;;) {
		prepare_to_wait(&log_wait, &we, THREAD_INTERRUPTIBLE);
		if (printk_next_seq() > seq)
			break;
		if (signal_pending()) {
			err = -ERESTARTSYS;
			break;
		}
		watch_log();
		schedule();
	}
	finish_wait(&log_wait, &we);
	return err;
}

/* --- /dev/kmsg ------------------------------------------------------------------------------------- */

struct kmsg_reader {
	struct mutex lock;
	u64 seq; /* (lock) the next to read */
	char text[TEXT_MAX], out[RECORD_MAX];
};

static int kmsg_open(struct inode *inode __unused, struct file *f)
{
	struct kmsg_reader *r;

	f->private = NULL;
	if (!f->can_read)
		return 0;
	r = kmalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;
	mutex_init(&r->lock, LOCK_INODE);
	r->seq = printk_first_seq();
	f->private = r;
	return 0;
}

static void kmsg_release(struct file *f)
{
	kfree(f->private);
}

static size_t format_record(struct kmsg_reader *r, const struct log_record *rec, u64 seq)
{
	size_t n = (size_t)scnprintf(r->out, RECORD_MAX, "%d,%lu,%lu,-;", rec->level, seq,
				     rec->ns / 1000);

	for (size_t i = 0; i < rec->len; i++) {
		u8 c = (u8)r->text[i];

		if (c < ' ' || c >= 127 || c == '\\')
			n += (size_t)scnprintf(r->out + n, RECORD_MAX - n, "\\x%02x", c);
		else
			r->out[n++] = (char)c;
	}
	r->out[n++] = '\n';
	return n;
}

static ssize_t read_record_locked(struct kmsg_reader *r, void __user *ubuf, size_t n)
{
	struct log_record rec;
	u64 seq = r->seq;
	size_t len;

	if (!printk_get_record(&seq, &rec, r->text, TEXT_MAX))
		return -EAGAIN;
	if (seq != r->seq) { /* overwritten: say so once, then go on with the oldest */
		r->seq = seq;
		return -EPIPE;
	}
	len = format_record(r, &rec, seq);
	if (len > n)
		return -EINVAL;
	if (copy_to_user(ubuf, r->out, len))
		return -EFAULT;
	r->seq = seq + 1;
	return (ssize_t)len;
}

static ssize_t kmsg_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos __unused)
{
	struct kmsg_reader *r = f->private;
	ssize_t ret;

	for (;;) {
		mutex_lock(&r->lock);
		ret = read_record_locked(r, ubuf, n);
		u64 seq = r->seq;

		mutex_unlock(&r->lock);
		if (ret != -EAGAIN || (f->flags & O_NONBLOCK))
			return ret;
		ret = wait_for_record(seq);
		if (ret)
			return ret;
	}
}

/* "<N>text": N is 8 times the facility plus the level. Nobody but the kernel has facility 0. */
static enum log_level parse_level(char **text)
{
	enum log_level level = LOG_USER | LOG_WARNING;
	char *end;

	if (**text == '<') {
		unsigned long long v = simple_strtoull(*text + 1, &end, 10);

		if (end != *text + 1 && *end == '>') {
			level = (enum log_level)(u8)(v < LOG_USER ? v | LOG_USER : v);
			*text = end + 1;
		}
	}
	return level;
}

static ssize_t kmsg_write(struct file *f __unused, const void __user *ubuf, size_t n,
			  loff_t *pos __unused)
{
	char *buf, *text;
	enum log_level level;

	if (n > WRITE_MAX)
		return -EINVAL;
	buf = text = kmalloc(n + 1, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	if (copy_from_user(buf, ubuf, n)) {
		kfree(buf);
		return -EFAULT;
	}
	buf[n] = '\0';
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	level = parse_level(&text);
	for (size_t len; (len = strlen(text)) != 0; text += min(len, (size_t)TEXT_MAX - 2))
		printk(level, "%.*s\n", TEXT_MAX - 2, text);
	kfree(buf);
	return (ssize_t)n;
}

static u64 clear_seq; /* records before it are not shown by dmesg any more */

static loff_t kmsg_llseek(struct file *f, loff_t off, int whence)
{
	struct kmsg_reader *r = f->private;

	if (!r)
		return -EBADF;
	if (off)
		return -ESPIPE;
	mutex_lock(&r->lock);
	switch (whence) {
	case SEEK_SET:
		r->seq = printk_first_seq();
		break;
	case SEEK_DATA:
		r->seq = READ_ONCE(clear_seq);
		break;
	case SEEK_END:
		r->seq = printk_next_seq();
		break;
	default:
		off = -EINVAL;
	}
	mutex_unlock(&r->lock);
	return off;
}

static u32 kmsg_poll(struct file *f, struct poll_table *pt)
{
	const struct kmsg_reader *r = f->private;
	u64 seq;

	if (!r)
		return POLLERR | POLLNVAL;
	poll_wait(f, &log_wait, pt);
	watch_log();
	seq = READ_ONCE(r->seq);
	if (printk_next_seq() <= seq)
		return 0;
	return POLLIN | POLLRDNORM | (seq < printk_first_seq() ? POLLERR | POLLPRI : 0);
}

static const struct file_operations kmsg_fops = {
	.open = kmsg_open,
	.release = kmsg_release,
	.read = kmsg_read,
	.write = kmsg_write,
	.llseek = kmsg_llseek,
	.poll = kmsg_poll,
};

/* --- the stream ------------------------------------------------------------------------------- */

/* What is left of the records that were taken last. There is one stream for all readers. */
static struct {
	struct mutex lock;
	u64 seq; /* (lock) the next record to take */
	char text[2 * TEXT_MAX];
	size_t from, len; /* (lock) of text */
} stream;

static bool stream_empty(void)
{
	return !READ_ONCE(stream.len) && printk_next_seq() <= READ_ONCE(stream.seq);
}

static ssize_t stream_copy(char __user *ubuf, size_t n)
{
	size_t done = 0, left = 0;

	mutex_lock(&stream.lock);
	while (done < n && !left) {
		size_t part;

		if (!stream.len) {
			stream.from = 0;
			stream.len =
				printk_read(&stream.seq, stream.text, sizeof(stream.text), true);
		}
		part = min(n - done, stream.len);
		if (!part)
			break;
		left = copy_to_user(ubuf + done, stream.text + stream.from, part);
		part -= left;
		stream.from += part;
		stream.len -= part;
		done += part;
	}
	mutex_unlock(&stream.lock);
	return left && !done ? -EFAULT : (ssize_t)done;
}

static ssize_t stream_read(char __user *ubuf, size_t n, bool wait)
{
	ssize_t ret = 0;

	while (n && !ret) {
		if (stream_empty() && !wait)
			return -EAGAIN;
		ret = stream_empty() ? wait_for_record(READ_ONCE(stream.seq)) : 0;
		if (!ret)
			ret = stream_copy(ubuf, n);
	}
	return ret;
}

/* Bytes that stream_read() would still give. */
static long stream_unread(void)
{
	char *text = kvmalloc(LOG_TEXT_MAX, GFP_KERNEL);
	long n = -ENOMEM;
	u64 seq;

	if (text) {
		mutex_lock(&stream.lock);
		seq = stream.seq;
		n = (long)(stream.len + printk_read(&seq, text, LOG_TEXT_MAX, true));
		mutex_unlock(&stream.lock);
	}
	kvfree(text);
	return n;
}

static ssize_t proc_kmsg_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos __unused)
{
	return stream_read(ubuf, n, !(f->flags & O_NONBLOCK));
}

static u32 proc_kmsg_poll(struct file *f, struct poll_table *pt)
{
	poll_wait(f, &log_wait, pt);
	watch_log();
	return stream_empty() ? 0 : POLLIN | POLLRDNORM;
}

static int proc_kmsg_open(struct inode *inode __unused, struct file *f __unused)
{
	return capable(CAP_SYSLOG) ? 0 : -EPERM;
}

const struct file_operations proc_kmsg_fops = {
	.open = proc_kmsg_open,
	.read = proc_kmsg_read,
	.poll = proc_kmsg_poll,
	.llseek = generic_llseek,
};

/* --- syslog(2) -------------------------------------------------------------------------------- */

enum syslog_action {
	SYSLOG_CLOSE,
	SYSLOG_OPEN,
	SYSLOG_READ,
	SYSLOG_READ_ALL,
	SYSLOG_READ_CLEAR,
	SYSLOG_CLEAR,
	SYSLOG_CONSOLE_OFF,
	SYSLOG_CONSOLE_ON,
	SYSLOG_CONSOLE_LEVEL,
	SYSLOG_SIZE_UNREAD,
	SYSLOG_SIZE_BUFFER,
};

/* The last n bytes of the log since it was cleared, in whole records. */
static long read_all(char __user *ubuf, size_t n, bool clear)
{
	char *text = kvmalloc(LOG_TEXT_MAX, GFP_KERNEL), *from = text;
	u64 seq = READ_ONCE(clear_seq);
	size_t len;

	if (!text)
		return -ENOMEM;
	len = printk_read(&seq, text, LOG_TEXT_MAX, true);
	while (len > n) {
		const char *nl = memchr(from, '\n', len);
		size_t drop = nl ? (size_t)(nl - from) + 1 : len;

		from += drop;
		len -= drop;
	}
	long ret = copy_to_user(ubuf, from, len) ? -EFAULT : (long)len;

	if (ret >= 0 && clear)
		WRITE_ONCE(clear_seq, seq);
	kvfree(text);
	return ret;
}

/* Off: only what panics; on: as it was before. */
static long console_switch(bool on)
{
	static int before = -1; /* (log level's own races: a word) */

	if (!on && before < 0)
		before = console_loglevel;
	if (on && before < 0)
		return 0;
	console_loglevel = on ? before : 1;
	if (on)
		before = -1;
	return 0;
}

static long console_level(int level)
{
	if (level < 1 || level > 8)
		return -EINVAL;
	console_loglevel = level;
	return 0;
}

SYSCALL3(syslog, int, type, char __user *, ubuf, int, len)
{
	if (type != SYSLOG_READ_ALL && type != SYSLOG_SIZE_BUFFER && !capable(CAP_SYSLOG))
		return -EPERM;
	if (type == SYSLOG_READ || type == SYSLOG_READ_ALL || type == SYSLOG_READ_CLEAR) {
		if (!ubuf || len < 0)
			return -EINVAL;
		if (!len)
			return 0;
		if (!access_ok(ubuf, (size_t)len))
			return -EFAULT;
	}
	switch (type) {
	case SYSLOG_CLOSE:
	case SYSLOG_OPEN:
		return 0;
	case SYSLOG_READ:
		return stream_read(ubuf, (size_t)len, true);
	case SYSLOG_SIZE_UNREAD:
		return stream_unread();
	case SYSLOG_READ_ALL:
	case SYSLOG_READ_CLEAR:
		return read_all(ubuf, (size_t)len, type == SYSLOG_READ_CLEAR);
	case SYSLOG_CLEAR:
		WRITE_ONCE(clear_seq, printk_next_seq());
		return 0;
	case SYSLOG_CONSOLE_OFF:
	case SYSLOG_CONSOLE_ON:
		return console_switch(type == SYSLOG_CONSOLE_ON);
	case SYSLOG_CONSOLE_LEVEL:
		return console_level(len);
	case SYSLOG_SIZE_BUFFER:
		return RING_SIZE;
	default:
		return -EINVAL;
	}
}

static void kmsg_init(void)
{
	timer_init(&log_timer, log_timer_fn);
	mutex_init(&stream.lock, LOCK_INODE);
	if (chrdev_register(MEM_MAJOR, KMSG_MINOR, "kmsg", 0644, &kmsg_fops, NULL))
		pr_warn("cannot register /dev/kmsg\n");
}
initcall(kmsg_init);
