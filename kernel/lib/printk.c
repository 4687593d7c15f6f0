/* SPDX-License-Identifier: MIT */
/*
 * The kernel log.
 *
 * A ring of bytes holds records of a small header and a text without its newline; the oldest give
 * way to new ones. Each record has a sequence number, by which readers (dmesg, /dev/kmsg) keep their
 * place: one that fell behind goes on at the oldest that is left.
 *
 * Locking: log_lock, a bare ticket lock with interrupts off, over the ring and the consoles' writes, so
 * that lines do not mix. An oops breaks it (printk_oops_begin): a CPU that died inside printk must
 * not silence its own obituary.
 */
#include <kernel/lib/cmdline.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/x86/irqflags.h>

/* Boot prints some 60 lines of 60 bytes; the rest is room for oopses and OOM reports. */
#define LOG_SIZE (32 * 1024)
#define LINE_MAX 512

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
static bool oops_in_progress;

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

static void console_line(u64 ns, const char *text, size_t len)
{
	char stamp[32];
	size_t n = format_stamp(stamp, sizeof(stamp), ns);

	for (struct console *con = consoles; con; con = con->next) {
		con->write(con, stamp, n);
		con->write(con, text, len);
		con->write(con, "\n", 1);
	}
}

/* One record a line. */
static void log_text(enum log_level level, u64 ns, const char *text, size_t len)
{
	while (len) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) : len;

		log_store(level, ns, text, n);
		if (log_severity(level) < console_loglevel)
			console_line(ns, text, n);
		text += nl ? n + 1 : n;
		len -= nl ? n + 1 : n;
	}
}

void vprintk(enum log_level level, const char *fmt, va_list ap)
{
	char buf[LINE_MAX];
	int len = vscnprintf(buf, sizeof(buf), fmt, ap);
	unsigned long flags = local_irq_save();
	u64 ns = log_clock ? log_clock() : 0;

	if (!READ_ONCE(oops_in_progress))
		ticket_lock(&log_lock);
	log_text(level, ns, buf, (size_t)len);
	if (!READ_ONCE(oops_in_progress))
		ticket_unlock(&log_lock);
	local_irq_restore(flags);
}

void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(level, fmt, ap);
	va_end(ap);
}

void printk_oops_begin(void)
{
	WRITE_ONCE(oops_in_progress, true);
}

void printk_oops_end(void)
{
	log_lock = (struct ticket_lock){0, 0};
	WRITE_ONCE(oops_in_progress, false);
}

bool printk_in_oops(void)
{
	return READ_ONCE(oops_in_progress);
}

static void replay(struct console *con)
{
	size_t off = first_off;

	for (u64 seq = first_seq; seq < next_seq; seq++, off = record_next(off)) {
		const struct record *r = record_at(off);
		char stamp[32];

		if (log_severity(r->level) >= console_loglevel)
			continue;
		con->write(con, stamp, format_stamp(stamp, sizeof(stamp), r->ns));
		con->write(con, (const char *)(r + 1), r->len);
		con->write(con, "\n", 1);
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
	unsigned long flags = local_irq_save();
	bool last;

	if (!console_named(con->name, &last)) {
		local_irq_restore(flags);
		return;
	}
	ticket_lock(&log_lock);
	replay(con);
	con->next = consoles;
	consoles = con;
	ticket_unlock(&log_lock);
	local_irq_restore(flags);
}

void console_puts(const char *s, size_t n)
{
	unsigned long flags = local_irq_save();

	ticket_lock(&log_lock);
	for (struct console *con = consoles; con; con = con->next)
		con->write(con, s, n);
	ticket_unlock(&log_lock);
	local_irq_restore(flags);
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
	unsigned long flags = local_irq_save();
	const struct record *r;

	ticket_lock(&log_lock);
	r = record_find(seq);
	if (r) {
		*out = (struct log_record){
			.ns = r->ns, .level = r->level, .len = min(n, (size_t)r->len)};
		memcpy(text, r + 1, out->len);
	}
	ticket_unlock(&log_lock);
	local_irq_restore(flags);
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
