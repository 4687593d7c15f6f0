/* SPDX-License-Identifier: MIT */
/*
 * The kernel log: levels, a ring buffer that dmesg, syslog(2) and /dev/kmsg read, and consoles.
 */
#pragma once

#include <kernel/lib/types.h>

struct ticket_lock;

enum log_level {
	LOG_EMERG,
	LOG_ALERT,
	LOG_CRIT,
	LOG_ERR,
	LOG_WARNING,
	LOG_NOTICE,
	LOG_INFO,
	LOG_DEBUG,
	LOG_USER =
		1 << 3, /* added to a level: the text comes from a program (syslog(3)'s facility) */
};
static inline int log_severity(int level)
{
	return level & 7;
}

/* Any context, interrupts on or off, any lock held (a console must not take other locks than its
 * own raw one). Adds "\n"-terminated lines with a timestamp to the log, and to the consoles when
 * level < console_loglevel. A message must end with a newline. */
void printk(enum log_level level, const char *fmt, ...) __printf(2, 3);
void vprintk(enum log_level level, const char *fmt, va_list ap);

#define pr_emerg(...)  printk(LOG_EMERG, __VA_ARGS__)
#define pr_err(...)    printk(LOG_ERR, __VA_ARGS__)
#define pr_warn(...)   printk(LOG_WARNING, __VA_ARGS__)
#define pr_notice(...) printk(LOG_NOTICE, __VA_ARGS__)
#define pr_info(...)   printk(LOG_INFO, __VA_ARGS__)

extern int console_loglevel; /* messages below it reach the consoles; loglevel=, quiet */

/* A place where the log is printed. write() is called with interrupts off and must not sleep. */
struct console {
	const char *name; /* "ttyS0" */
	void (*write)(struct console *con, const char *s, size_t n);
	struct console *next;
};
void console_register(struct console *con); /* prints to it what is in the log already */

/* console=NAME[,OPTIONS], several allowed: is name one of them (*last: the last)? Without any, all are;
 * tty and tty1 mean tty0. */
bool console_named(const char *name, bool *last);

/* Straight to the consoles, not into the log and without a timestamp: the test runner's report. */
void console_puts(const char *s, size_t n);

/* From here to the end the log is the running CPU's: for a report that may come anywhere, also where
 * this CPU, or one that does not run any more, holds the log's lock. Interrupts off. A second begin
 * counts for nothing. alone: no other CPU runs. */
void printk_report_begin(bool alone);
void printk_report_end(void);

/* A console's own lock; interrupts off. A report does not wait for it for ever. */
void console_lock(struct ticket_lock *l);

/* Where the timestamps come from; 0 before it is set. */
void printk_set_clock(u64 (*ns)(void));

/* syslog(2)'s view of the ring: "<level>[    0.000000] text\n" records. Reads whole records from
 * sequence *seq on into buf (kernel memory), advances *seq; returns bytes (0: nothing newer).
 * with_prefix: keep "<level>". */
size_t printk_read(u64 *seq, char *buf, size_t n, bool with_prefix);
/* One record by its number (or the oldest one left: *seq is then set to it). False: nothing newer. */
struct log_record {
	u64 ns;
	int level;
	size_t len; /* of the text, which has no newline */
};
bool printk_get_record(u64 *seq, struct log_record *out, char *text, size_t n);
u64 printk_first_seq(void);
u64 printk_next_seq(void);
