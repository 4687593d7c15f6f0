/* SPDX-License-Identifier: MIT */
/*
 * Tests of kernel code as ordinary programs.
 *
 * HOST_TEST(suite, name, "the mistake it catches") registers a case; host.c runs each in a process
 * of its own, so that one starts from fresh static data and a crash costs one, and prints TAP.
 * SEED=n and LONG=1 in the environment.
 */
#pragma once

#include <kernel/lib/types.h>

#define HOST_PANIC_STATUS 42

struct host_test {
	const char *suite, *name, *catches;
	void (*fn)(void);
	struct host_test *next;
};
void host_test_register(struct host_test *t);

#define HOST_TEST(s, n, what)                                                               \
	static void test_##s##_##n(void);                                                   \
	static struct host_test host_test_##s##_##n = {#s, #n, what, test_##s##_##n, NULL}; \
	__attribute__((constructor)) static void register_##s##_##n(void)                   \
	{                                                                                   \
		host_test_register(&host_test_##s##_##n);                                   \
	}                                                                                   \
	static void test_##s##_##n(void)

/* Ends the case. */
void host_fail(const char *file, int line, const char *fmt, ...) __noreturn __printf(3, 4);
#define FAIL(...) host_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(e)                             \
	do {                                 \
		if (!(e))                    \
			FAIL("not: %s", #e); \
	} while (0)
#define CHECK_EQ(a, b)                                                \
	do {                                                          \
		long _x = (long)(a), _y = (long)(b);                  \
		if (_x != _y)                                         \
			FAIL("%s is %ld, %s is %ld", #a, _x, #b, _y); \
	} while (0)
/* Runs fn in a child: it must panic, with a message that contains what. */
void host_check_panics(void (*fn)(void), const char *what);

u64 rnd64(void);
/* 0 .. n - 1 */
static inline unsigned int rnd(unsigned int n)
{
	return (unsigned int)((rnd64() >> 32) * n >> 32);
}
/* How often a random test does its thing: n, or ten times as often in the long run. */
unsigned long rounds(unsigned long n);

/* Processors: more of them than one (before host_boot()), and which one runs now. */
void host_add_cpus(unsigned int nr);
void host_set_cpu(unsigned int cpu);

/* ---- a machine: RAM and page array at addresses of the host's choice (machine.c) ---- */

/* RAM ranges in bytes; ends with an empty one. */
struct ram {
	paddr_t start, end;
};
/* Boots memory: memblock, sections, zones, slab, vmalloc. Nothing but RAM can be touched, and no
 * struct page but those of present granules. */
void host_boot(const struct ram *ram);
/* Pages of the page array that have been touched. */
unsigned long host_touched_vmemmap(void);
