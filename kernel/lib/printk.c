/* SPDX-License-Identifier: MIT */
/*
 * The kernel log.
 *
 * A ring of bytes holds records of a small header and a text without its newline; the oldest give
 * way to new ones. Each record has a sequence number, by which readers (dmesg, /dev/kmsg) keep their
 * place: one that fell behind goes on at the oldest that is left.
 *
 * Locking: log_lock, a bare ticket lock with interrupts off, over the ring and the consoles' writes, so
 * that lines do not mix. The report of an oops or a panic has it from its first line to its last. A
 * CPU that died inside printk must not silence the obituary: a report waits for the lock no longer
 * than a living holder could need, and then takes it over; letting go of it is the same either way.
 */
#include <kernel/lib/cmdline.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/percpu.h>
#include <kernel/x86/tsc.h>

/* Boot prints some 60 lines of 60 bytes; the rest is room for oopses and OOM reports. */
#define LOG_SIZE (32 * 1024)
#define LINE_MAX 512
/* A line takes 50 ms at 115200 baud, another CPU's whole report less than a second. */
#define REPORT_PATIENCE (2 * NSEC_PER_SEC)

struct record {
	u64 ns;
	u16 size; /* of header and text, rounded up to 8; 0: the ring wraps here */
	u16 len;  /* of the text */
	u8 level;
};

int console_loglevel = LOG_DEBUG;

static char ring[LOG_SIZE] __aligned(8);
static u64 first_seq, next_seq;     /* (l) [first, next) are in the ring */
static size_t first_off, next_off;  /* (l) where they begin */
static struct ticket_lock log_lock; /* (l) */
static struct console *consoles;    /* (l) */
static u64 (*log_clock)(void);      /* (c) */
static u32 log_owner;               /* the CPU that has log_lock, + 1 */
static u32 report_owner;            /* the same, if it has it for a report */
static bool report_alone;           /* (l) */

static struct record *record_at(size_t off)
{
	return (struct record *)(ring + off);
}

/* Steps over a record, and over the unused end of the ring. */
static size_t record_next(size_t off)
{
	off += record_at(off)->size;
	if (off + sizeof(struct record) > LOG_SIZE || record_at(off)->size == 0)
		return 0;
	return off;
}

static void drop_first(void)
{
	first_off = record_next(first_off);
	first_seq++;
}

/* Room for size bytes in one piece at next_off; drops the oldest that are in the way. */
static struct record *make_room(size_t size)
{
	if (next_off + size > LOG_SIZE) {
		while (first_seq < next_seq && first_off >= next_off)
			drop_first();
		if (next_off + sizeof(struct record) <= LOG_SIZE)
			record_at(next_off)->size = 0;
		next_off = 0;
	}
	while (first_seq < next_seq && first_off >= next_off && first_off < next_off + size)
		drop_first();
	if (first_seq == next_seq)
		first_off = next_off;
	return record_at(next_off);
}

static void log_store(enum log_level level, u64 ns, const char *text, size_t len)
{
	size_t size = ALIGN(sizeof(struct record) + len, 8);
	struct record *r = make_room(size);

	*r = (struct record){.ns = ns, .size = (u16)size, .len = (u16)len, .level = (u8)level};
	memcpy(r + 1, text, len);
	next_off += size;
	next_seq++;
}

static size_t format_stamp(char *buf, size_t n, u64 ns)
{
	return (size_t)scnprintf(buf, n, "[%5lu.%06lu] ", (unsigned long)(ns / 1000000000),
				 (unsigned long)(ns / 1000 % 1000000));
}

static void write_consoles(const char *s, size_t n)
{
	for (struct console *con = consoles; con; con = con->next)
		con->write(con, s, n);
}

/* In one piece, or what a program sends to the same line would come in between. log_lock held. */
static void write_line(struct console *con, u64 ns, const char *text, size_t len)
{
	static char line[LINE_MAX + 32]; /* (l) */
	size_t n = format_stamp(line, sizeof(line), ns);

	memcpy(line + n, text, len);
	line[n + len] = '\n';
	con->write(con, line, n + len + 1);
}

/* One record a line. */
static void log_text(enum log_level level, u64 ns, const char *text, size_t len)
{
	while (len) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) : len;

		log_store(level, ns, text, n);
		for (struct console *con = consoles; con; con = con->next)
			if (log_severity(level) < console_loglevel)
				write_line(con, ns, text, n);
		text += nl ? n + 1 : n;
		len -= nl ? n + 1 : n;
	}
}

/* ---- the lock ---- */

static bool is_mine(const u32 *owner)
{
	return READ_ONCE(*owner) == smp_processor_id() + 1;
}

/* Afterwards it may be unlocked, whoever had it. False: somebody has it still. */
static bool seize(struct ticket_lock *l)
{
	u64 start = rdtsc(), patience = report_alone ? 0 : ns_to_tsc_ticks(REPORT_PATIENCE);

	while (!ticket_trylock(l)) {
		if (rdtsc() - start >= patience)
			return false;
		cpu_relax();
	}
	return true;
}

void console_lock(struct ticket_lock *l)
{
	if (is_mine(&report_owner))
		(void)seize(l);
	else
		ticket_lock(l);
}

static unsigned long log_acquire(void)
{
	unsigned long flags = local_irq_save();

	if (!is_mine(&report_owner)) {
		ticket_lock(&log_lock);
		WRITE_ONCE(log_owner, smp_processor_id() + 1);
	}
	return flags;
}

static void log_release(unsigned long flags)
{
	if (!is_mine(&report_owner)) {
		WRITE_ONCE(log_owner, 0);
		ticket_unlock(&log_lock);
	}
	local_irq_restore(flags);
}

void printk_report_begin(bool alone)
{
	bool torn;

	report_alone |= alone;
	if (is_mine(&report_owner))
		return;
	torn = is_mine(&log_owner) || !seize(&log_lock);
	WRITE_ONCE(log_owner, smp_processor_id() + 1);
	WRITE_ONCE(report_owner, smp_processor_id() + 1);
	if (torn)
		write_consoles("\n", 1);
}

void printk_report_end(void)
{
	WRITE_ONCE(report_owner, 0);
	WRITE_ONCE(log_owner, 0);
	ticket_unlock(&log_lock);
}

/* ---- printing ---- */

void vprintk(enum log_level level, const char *fmt, va_list ap)
{
	char buf[LINE_MAX];
	int len = vscnprintf(buf, sizeof(buf), fmt, ap);
	unsigned long flags = log_acquire();

	log_text(level, log_clock ? log_clock() : 0, buf, (size_t)len);
	log_release(flags);
}

void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(level, fmt, ap);
	va_end(ap);
}

static void replay(struct console *con)
{
	size_t off = first_off;

	for (u64 seq = first_seq; seq < next_seq; seq++, off = record_next(off)) {
		const struct record *r = record_at(off);

		if (log_severity(r->level) < console_loglevel)
			write_line(con, r->ns, (const char *)(r + 1), r->len);
	}
}

static bool names_console(const char *word, const char *name)
{
	size_t n = strcspn(word, ",");

	if ((n == 3 && !strncmp(word, "tty", n)) || (n == 4 && !strncmp(word, "tty1", n)))
		return !strcmp(name, "tty0");
	return n == strlen(name) && !strncmp(word, name, n);
}

bool console_named(const char *name, bool *last)
{
	bool any = false, found = false, for_init;
	const char *pos = NULL;
	char word[32];

	*last = false;
	while (cmdline_next_word(&pos, word, sizeof(word), &for_init) && !for_init) {
		if (strncmp(word, "console=", 8) != 0)
			continue;
		any = true;
		*last = names_console(word + 8, name);
		found |= *last;
	}
	return found || !any;
}

void console_register(struct console *con)
{
	unsigned long flags;
	bool last;

	if (!console_named(con->name, &last))
		return;
	flags = log_acquire();
	replay(con);
	con->next = consoles;
	consoles = con;
	log_release(flags);
}

void console_puts(const char *s, size_t n)
{
	unsigned long flags = log_acquire();

	write_consoles(s, n);
	log_release(flags);
}

void printk_set_clock(u64 (*ns)(void))
{
	log_clock = ns;
}

u64 printk_first_seq(void)
{
	return READ_ONCE(first_seq);
}

u64 printk_next_seq(void)
{
	return READ_ONCE(next_seq);
}

/* The record's place, or of the first that is left if seq is gone; sets *seq. lock held. */
static const struct record *record_find(u64 *seq)
{
	size_t off = first_off;

	if (*seq < first_seq)
		*seq = first_seq;
	if (*seq >= next_seq)
		return NULL;
	for (u64 s = first_seq; s < *seq; s++)
		off = record_next(off);
	return record_at(off);
}

bool printk_get_record(u64 *seq, struct log_record *out, char *text, size_t n)
{
	unsigned long flags = log_acquire();
	const struct record *r = record_find(seq);

	if (r) {
		*out = (struct log_record){
			.ns = r->ns, .level = r->level, .len = min(n, (size_t)r->len)};
		memcpy(text, r + 1, out->len);
	}
	log_release(flags);
	return r != NULL;
}

size_t printk_read(u64 *seq, char *buf, size_t n, bool with_prefix)
{
	char text[LINE_MAX];
	struct log_record rec;
	size_t done = 0;

	while (printk_get_record(seq, &rec, text, sizeof(text))) {
		char head[40];
		size_t h = with_prefix ? (size_t)scnprintf(head, sizeof(head), "<%d>", rec.level) :
					 0;

		h += format_stamp(head + h, sizeof(head) - h, rec.ns);
		if (done + h + rec.len + 1 > n)
			break;
		memcpy(buf + done, head, h);
		memcpy(buf + done + h, text, rec.len);
		buf[done + h + rec.len] = '\n';
		done += h + rec.len + 1;
		(*seq)++;
	}
	return done;
}
