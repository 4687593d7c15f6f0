/* SPDX-License-Identifier: MIT */
/*
 * Is the kernel's memory what it was? /proc/octavo/ledger says whose each page is; there is none on Linux,
 * where all is equal.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "utest.h"

#define LEDGER_SIZE 8192

static inline void take_signals(void)
{
	struct timespec none = {0, 0};
	sigset_t s;

	sigfillset(&s);
	while (sigtimedwait(&s, NULL, &none) > 0)
		;
}

/* The classes but for those that depend on how objects lie in slabs. */
static inline void ledger(char *buf)
{
	static char text[LEDGER_SIZE];
	size_t at = 0;

	take_signals(); /* each of those that are blocked is an object */
	*buf = *text = 0;
	ut_slurp("/proc/octavo/ledger", text, sizeof(text));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, "free ", 5) && strncmp(line, "slab ", 5))
			at += (size_t)snprintf(buf + at, LEDGER_SIZE - at, "%s\n", line);
}

/* Once it stands still: what earlier programs have left is reaped, which may take pid 1 100 ms. */
static inline void ledger_still(char *buf)
{
	static char again[LEDGER_SIZE];

	do {
		ledger(buf);
		ut_msleep(250);
		ledger(again);
	} while (strcmp(buf, again));
}

/* A thread that exits on another CPU may be waited for before that CPU has left its stack: what is gone
 * after a second at the latest is no leak. What is lost is named once: was becomes what is. */
static inline void ledger_compare(const char *name, char *was)
{
	static char is[LEDGER_SIZE];
	char *a = was, *b = is;

	ledger(is);
	for (int i = 0; strcmp(was, is) && i < 40; i++) {
		ut_msleep(25);
		ledger(is);
	}
	while (*a && *a == *b)
		a++, b++;
	if (*a == *b)
		return;
	while (a > was && a[-1] != '\n')
		a--, b--;
	FAIL("%s leaks: was \"%.*s\", is \"%.*s\"", name, (int)strcspn(a, "\n"), a,
	     (int)strcspn(b, "\n"), b);
	strcpy(was, is);
}

#endif
