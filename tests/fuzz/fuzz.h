/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzers inside the guest share: numbers that follow from a seed, words of the kernel's
 * command line, and the question whether the kernel is as it was.
 */
#pragma once

#include "utest.h"

#include <sys/klog.h>
#include <sys/prctl.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t state;

static inline uint64_t rnd(void)
{
	state += 0x9e3779b97f4a7c15;
	uint64_t z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline uint64_t below(uint64_t n)
{
	return rnd() % n;
}

static inline int chance(unsigned percent)
{
	return below(100) < percent;
}

#define PICK(array) (array)[below(sizeof(array) / sizeof((array)[0]))]

static char was[8192], is[8192];
static int said; /* complaints */

/* What may grow: where objects lie, and what is kept for speed. */
static inline int may_change(const char *line)
{
	static const char *const names[] = {"free ", "slab ", "file ", "magazine ", "anon "};

	for (size_t i = 0; i < N(names); i++)
		if (!strncmp(line, names[i], strlen(names[i])))
			return 1;
	return 0;
}

/* Pages of those who were here before: the tests' runner and ourselves. */
static inline long rss_anon(void)
{
	return (ut_status(1, "RssAnon") + ut_status(0, "RssAnon")) / 4;
}

/* Runs the checkers; the text holds what must be the same. */
static inline size_t ledger(char *buf, size_t len)
{
	static char text[8192];
	size_t at = 0;
	ssize_t n = ut_slurp("/proc/octavo/ledger", text, sizeof(text));
	char *line;

	for (line = text; n > 0 && *line; line += strcspn(line, "\n") + 1)
		if (!may_change(line))
			at += (size_t)snprintf(buf + at, len - at, "%.*s\n",
					       (int)strcspn(line, "\n"), line);
	if (n > 0 && (line = strstr(text, "\nanon ")))
		at += (size_t)snprintf(buf + at, len - at, "anon of nobody %ld\n",
				       atol(line + 6) - rss_anon());
	return at;
}

static inline int complaints(void)
{
	static const char *const words[] = {"BUG:", "Oops", "kernel BUG", "WARNING:", "UBSAN"};
	static char log[1 << 18];
	int n = klogctl(3, log, sizeof(log) - 1), found = 0;

	log[n > 0 ? n : 0] = 0;
	for (size_t i = 0; i < N(words); i++)
		for (char *p = log; (p = strstr(p, words[i])); p++)
			found++;
	return found;
}

static inline uint64_t option(const char *name, uint64_t otherwise)
{
	char cmdline[4096] = "", *p;

	(void)ut_slurp("/proc/cmdline", cmdline, sizeof(cmdline));
	p = strstr(cmdline, name);
	return p ? strtoull(p + strlen(name), NULL, 0) : otherwise;
}

/* Says which lines differ: how many. */
static inline int show_difference(void)
{
	char *a = was, *b = is;
	int n = 0;

	for (; *a && *b; a += strcspn(a, "\n") + 1, b += strcspn(b, "\n") + 1) {
		size_t len = strcspn(a, "\n");

		if (len == strcspn(b, "\n") && !memcmp(a, b, len))
			continue;
		ut_note("left behind: was \"%.*s\", is \"%.*s\"", (int)len, a,
			(int)strcspn(b, "\n"), b);
		n++;
	}
	return n;
}

/* From here on nothing may be left behind. Caches have grown, pages of our own are ours. */
static inline void ledger_begin(void)
{
	OK(mlockall(MCL_CURRENT));
	OK(munlockall());
	said = complaints();
	ledger(is, sizeof(is));
	ledger(was, sizeof(was));
}

/* Says what is different: memory, or a new complaint in the log. */
static inline int ledger_differs(void)
{
	ledger(is, sizeof(is));
	if (complaints() > said) {
		ut_note("the log has a new complaint");
		return 1;
	}
	return show_difference();
}
