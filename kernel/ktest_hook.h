/* SPDX-License-Identifier: MIT */
/*
 * Where the in-kernel tests plug in, so that nothing includes them: tests/kernel/ktest.c sets
 * ktest_run_hook from an initcall, tests/kernel/crash.c crash_run_hook. NULL in a kernel without tests.
 */
#pragma once

#include <kernel/lib/types.h>

typedef void ktest_out_fn(void *arg, const char *s, size_t n);

/* Runs what matches filter ("all", "SUITE", "SUITE.CASE", "*", comma separated), writing KTAP to
 * out. Returns 0 if everything passed and something ran. Sleeps. */
extern int (*ktest_run_hook)(const char *filter, u64 seed, bool shuffle, int repeat,
			     ktest_out_fn *out, void *arg);

/* Breaks the kernel on purpose, as tests/kernel/crash.c lists the kinds; -ENOENT: no such kind. */
extern int (*crash_run_hook)(const char *kind);
