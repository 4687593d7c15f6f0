/* SPDX-License-Identifier: MIT */
/*
 * Failing allocations on purpose (debug builds): the nth from now on fails, for the thread that
 * asked for it, so that a test can walk every error path of an operation by counting n up until
 * the operation succeeds without a failure having been injected.
 */
#pragma once

#include <kernel/lib/types.h>

enum fail_class { FAIL_PAGE, FAIL_SLAB, FAIL_VMALLOC, NR_FAIL_CLASSES };

#ifdef CONFIG_DEBUG
/* nth: 1 is the next one; times: how many then fail in a row. nth 0: off. */
void fail_inject_set(enum fail_class c, unsigned long nth, unsigned long times);
/* How many were failed since it was set. */
unsigned long fail_inject_hits(enum fail_class c);
bool __should_fail(enum fail_class c);
extern bool fail_inject_on;
static inline bool should_fail(enum fail_class c)
{
	return __builtin_expect(fail_inject_on, 0) && __should_fail(c);
}
#else
static inline bool should_fail(enum fail_class c)
{
	(void)c;
	return false;
}
#endif
