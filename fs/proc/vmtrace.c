/* SPDX-License-Identifier: MIT */
/*
 * /proc/vmtrace: the records of mm/trace.c, and what is recorded. For root only.
 *
 *	events		reads: each event, "+" if it is on, "-" if not. Write names for just these, or
 *			names with "+" and "-" to turn some on and off; "all", "none". What is unknown is
 *			EINVAL, and nothing changes.
 *	pid		whose: numbers of processes, whose children are recorded too, or "all". Kernel
 *			threads and the OOM killer always are.
 *	buffer_size_kb	of each CPU's ring; 0: there is none. The first event that is turned on makes
 *			them. A write empties them.
 *	trace		the records as text. What was read is gone; the end is where there is no more
 *			at the moment.
 *	binary		the same as they are: 64 bytes each (struct trace_record), never a part of one.
 *	stats		for each CPU: written, lost (overwritten before they were read), still waiting
 *
 * The binary stream explains itself, so that it can be kept, or sent over a line. It begins with records
 * of event 255:
 *
 *	code 0		arg: "OCTTRACE", version 1, kHz of the counter that costs are in, bytes of a
 *			page, number of CPUs, time of day (ns) at time_ns
 *	code 1, 2	pid: the number of an event, or of a case of a fault; arg: 48 bytes of its name and,
 *			of an event, the text of its arguments; flags: 0, 1 ... for its parts. NULs follow
 *			what is shorter.
 *
 * and an event 254 says how many records of its CPU (arg 0) are missing at its place. Streams may follow
 * each other; one that was cut is found again at the next "OCTTRACE".
 *
 * Locking: an open file has a mutex for what it is about to give; trace_control is held for each record.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/sched/timer.h>
#include <kernel/x86/tsc.h>
#include <kernel/x86/uaccess.h>
#include <mm/fault.h>
#include <mm/slab.h>
#include <mm/trace.h>

#define X(id, name, text) name,
static const char *const event_name[NR_TRACE_EVENTS] = {TRACE_EVENTS(X)};
#undef X
#define X(id, name, text) text,
static const char *const event_text[NR_TRACE_EVENTS] = {TRACE_EVENTS(X)};
#undef X

/* ---- which events ---- */

static int events_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	for (unsigned int e = 0; e < NR_TRACE_EVENTS; e++)
		seq_printf(m, "%c%s\n", READ_ONCE(trace_mask) & BIT(e) ? '+' : '-', event_name[e]);
	return 0;
}

static int mask_of(const char *name, u32 *mask)
{
	*mask = 0;
	if (!strcmp(name, "all"))
		*mask = BIT(NR_TRACE_EVENTS) - 1;
	for (unsigned int e = 0; e < NR_TRACE_EVENTS; e++)
		if (!strcmp(name, event_name[e]))
			*mask = BIT(e);
	return *mask || !strcmp(name, "none") ? 0 : -EINVAL;
}

static int events_store(struct proc_inode *pi __unused, char *text)
{
	char *word = strim(text);
	bool relative = *word == '+' || *word == '-';
	u32 mask, bits;

	guard_mutex(&trace_control);
	mask = relative ? trace_mask : 0;
	while ((word = strsep(&text, " ,\t\n"))) {
		bool sign = *word == '+' || *word == '-';

		if (!*word)
			continue;
		if (sign != relative || mask_of(word + sign, &bits))
			return -EINVAL;
		mask = *word == '-' ? mask & ~bits : mask | bits;
	}
	return trace_set_mask(mask);
}

/* ---- whose ---- */

#define MAX_PIDS 32

static int pid_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	u32 filter = READ_ONCE(trace_filter);
	struct process *p;

	if (!filter) {
		seq_puts(m, "all\n");
		return 0;
	}
	for (pid_t pid = 1; (p = process_next_get(&pid)); pid++) {
		struct mm_struct *mm = process_get_mm(p);

		if (mm && READ_ONCE(mm->trace_mark) == filter)
			seq_printf(m, "%d\n", pid);
		if (mm)
			mm_put_user(mm);
		process_put(p);
	}
	return 0;
}

static struct mm_struct *mm_of_pid(const char *text)
{
	struct mm_struct *mm;
	struct task *t;
	int pid = proc_parse_id(text);

	if (pid <= 0)
		return ERR_PTR(-EINVAL);
	t = task_find_get(pid);
	if (!t)
		return ERR_PTR(-ESRCH);
	mm = process_get_mm(t->proc);
	task_put(t);
	return mm ? mm : ERR_PTR(-ESRCH);
}

static int pid_store(struct proc_inode *pi __unused, char *text)
{
	static u32 last;
	struct mm_struct *mm[MAX_PIDS], *one;
	unsigned int n = 0;
	int err = 0;
	char *word;

	guard_mutex(&trace_control);
	if (!strcmp(text, "all")) {
		WRITE_ONCE(trace_filter, 0);
		return 0;
	}
	while (!err && (word = strsep(&text, " ,\t\n"))) {
		if (!*word)
			continue;
		one = n == MAX_PIDS ? ERR_PTR(-EINVAL) : mm_of_pid(word);
		if (IS_ERR(one))
			err = (int)PTR_ERR(one);
		else
			mm[n++] = one;
	}
	if (!err && !n)
		err = -EINVAL;
	if (!err)
		last++;
	while (n--) {
		if (!err)
			WRITE_ONCE(mm[n]->trace_mark, last);
		mm_put_user(mm[n]);
	}
	if (!err)
		WRITE_ONCE(trace_filter, last);
	return err;
}

/* ---- how much ---- */

static int size_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, "%lu\n", trace_size_kb());
	return 0;
}

static int size_store(struct proc_inode *pi __unused, char *text)
{
	unsigned int kb;

	if (kstrtouint(strim(text), 0, &kb))
		return -EINVAL;
	guard_mutex(&trace_control);
	return trace_set_size(kb);
}

static int stats_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	u64 written, lost, waiting;

	for_each_cpu(cpu) {
		trace_stats(cpu, &written, &lost, &waiting);
		seq_printf(m, "cpu%u written %lu lost %lu waiting %lu\n", cpu, written, lost,
			   waiting);
	}
	return 0;
}

/* ---- reading ---- */

#define TRACE_MAGIC 0x454341525454434fUL /* "OCTTRACE" */

struct reader {
	struct mutex lock;
	bool binary;
	unsigned int item,
		part;    /* (l) of what the stream has to say about itself: what comes next */
	size_t len, off; /* (l) of the line or record that has been taken */
	char piece[320]; /* (l) */
};
/* (l) lock */

static size_t fault_text(char *buf, size_t n, const struct trace_record *r)
{
	static const char *const result[] = {"done",   "major", "maperr", "accerr",
					     "sigbus", "oom",   "sigkill"};
	unsigned int kind = r->code & 0xf, first = r->code >> 4;

	return (size_t)scnprintf(
		buf, n,
		"addr=%#lx case=%s%s%s by=%s access=%s pte=%#lx->%#lx vma=%#lx cost=%lu result=%s "
		"free=%lu rss=%lu swap=%lu",
		r->arg[0], first ? fault_kind_name[first] : "", first ? "," : "",
		fault_kind_name[kind], r->flags & FAULT_FLAG_USER ? "user" : "kernel",
		r->flags & FAULT_FLAG_WRITE ? "write" :
		r->flags & FAULT_FLAG_INSTR ? "exec" :
					      "read",
		r->arg[1], r->arg[2], r->arg[3], r->arg[4] & (BIT(56) - 1), result[r->arg[4] >> 56],
		r->arg[5] & (BIT(24) - 1), r->arg[5] >> 24 & (BIT(20) - 1), r->arg[5] >> 44);
}

static size_t record_text(char *buf, size_t n, const struct trace_record *r)
{
	const u64 *a = r->arg;
	size_t len = (size_t)scnprintf(buf, n, "%6u [%02u] %5llu.%09llu: ", r->pid, r->cpu,
				       r->time_ns / NSEC_PER_SEC, r->time_ns % NSEC_PER_SEC);

	if (r->event == TRACE_LOST)
		len += (size_t)scnprintf(buf + len, n - len, "lost: records=%lu", a[0]);
	else
		len += (size_t)scnprintf(buf + len, n - len, "%s: ", event_name[r->event]);
	if (r->event == TRACE_FAULT)
		len += fault_text(buf + len, n - len, r);
	else if (r->event == TRACE_EXEC)
		len += (size_t)scnprintf(buf + len, n - len, event_text[TRACE_EXEC], (char *)a);
	else if (r->event != TRACE_LOST)
		len += (size_t)scnprintf(buf + len, n - len, event_text[r->event], a[0], a[1], a[2],
					 a[3], a[4], a[5]);
	return len + (size_t)scnprintf(buf + len, n - len, "\n");
}

/* What the stream says about itself. False: that was all. */
static bool meta_next(struct reader *rd, struct trace_record *r)
{
	unsigned int n = rd->item - 1;
	char text[192] = "";
	u64 about[6] = {TRACE_MAGIC, 1, tsc_khz, PAGE_SIZE, nr_cpu_ids, (u64)ktime_get_real()};

	*r = (struct trace_record){.event = TRACE_META, .time_ns = (u64)ktime_get()};
	if (!rd->item) {
		memcpy(text, about, sizeof(about));
	} else if (n < NR_TRACE_EVENTS) {
		r->code = 1;
		scnprintf(text, sizeof(text), "%s %s", event_name[n], event_text[n]);
	} else if ((n -= NR_TRACE_EVENTS) < NR_FAULT_KINDS) {
		r->code = 2;
		strscpy(text, fault_kind_name[n], sizeof(text));
	} else {
		return false;
	}
	r->pid = rd->item ? n : 0;
	r->flags = (u8)rd->part;
	memcpy(r->arg, text + rd->part++ * sizeof(r->arg), sizeof(r->arg));
	if (!rd->item || strlen(text) <= rd->part * sizeof(r->arg)) {
		rd->item++;
		rd->part = 0;
	}
	return true;
}

static bool next_piece(struct reader *rd, ktime_t until)
{
	struct trace_record r;

	if (!rd->binary || !meta_next(rd, &r)) {
		guard_mutex(&trace_control);
		if (!trace_next(until, &r))
			return false;
	}
	rd->off = 0;
	rd->len = rd->binary ? sizeof(r) : record_text(rd->piece, sizeof(rd->piece), &r);
	if (rd->binary)
		memcpy(rd->piece, &r, sizeof(r));
	return true;
}

static ssize_t trace_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos)
{
	struct reader *rd = f->private;
	ktime_t until = ktime_get();
	size_t done = 0;

	if (rd->binary && n < sizeof(struct trace_record))
		return -EINVAL;
	guard_mutex(&rd->lock);
	while (done < n && (rd->off < rd->len || next_piece(rd, until))) {
		size_t part = min(rd->len - rd->off, n - done);

		if (rd->binary && part < rd->len)
			break;
		if (copy_to_user((char __user *)ubuf + done, rd->piece + rd->off, part))
			return done ? (ssize_t)done : -EFAULT;
		rd->off += part;
		done += part;
		cond_resched();
	}
	*pos += (loff_t)done;
	return (ssize_t)done;
}

static int trace_open(struct inode *inode, struct file *f)
{
	struct reader *rd = kzalloc(sizeof(*rd), GFP_KERNEL);

	if (!rd)
		return -ENOMEM;
	mutex_init(&rd->lock, LOCK_INODE);
	rd->binary = !strcmp(proc_inode(inode)->entry->name, "binary");
	f->private = rd;
	return 0;
}

static void trace_release(struct file *f)
{
	kfree(f->private);
}

static const struct file_operations trace_fops = {
	.open = trace_open,
	.read = trace_read,
	.release = trace_release,
	.llseek = no_llseek,
};

#define VMTRACE_ENTRY(n, s, w)                                           \
	{                                                                \
		.name = n, .mode = S_IFREG | 0600, .show = s, .store = w \
	}
const struct proc_entry proc_vmtrace_entries[] = {
	VMTRACE_ENTRY("events", events_show, events_store),
	VMTRACE_ENTRY("pid", pid_show, pid_store),
	VMTRACE_ENTRY("buffer_size_kb", size_show, size_store),
	VMTRACE_ENTRY("stats", stats_show, NULL),
	PROC_OPS("trace", 0400, trace_fops),
	PROC_OPS("binary", 0400, trace_fops),
	{},
};
