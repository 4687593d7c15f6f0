/* SPDX-License-Identifier: MIT */
/*
 * Failing allocations on purpose (debug builds): the nth from now on fails, for the thread that
 * asked for it, so that a test can walk every error path of an operation by counting n up until
 * the operation succeeds without a failure having been injected. Programs ask by writing to
 * /proc/PID/fail-nth.
 */
#pragma once

#include <kernel/lib/types.h>

enum fail_class { FAIL_PAGE, FAIL_SLAB, FAIL_VMALLOC, NR_FAIL_CLASSES };
#define FAIL_ANY ((1u << NR_FAIL_CLASSES) - 1)

#ifdef CONFIG_DEBUG
/* Allocations of these classes (bits) count: nth 1 is the next one; times: how many then fail in a
 * row. nth 0: off. A thread has one countdown: setting it ends the one before. */
void fail_inject_arm(unsigned int classes, unsigned long nth, unsigned long times);
static inline void fail_inject_set(enum fail_class c, unsigned long nth, unsigned long times)
{
	fail_inject_arm(1u << c, nth, times);
}
/* How many were failed since it was set, and how far away the next one is (0: none is to fail). */
unsigned long fail_inject_hits(void);
unsigned long fail_inject_left(void);
bool should_fail(enum fail_class c);
#else
static inline bool should_fail(enum fail_class c)
{
	(void)c;
	return false;
}
#endif
