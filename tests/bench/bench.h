/* SPDX-License-Identifier: MIT */
/*
 * What the programs of tests/bench share: the clock, the marks, and being the first process.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

enum { PAGE = 4096 };

/* Under -icount shift=0 one tick is one instruction. */
static inline uint64_t ticks(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* Empty. `make profile` counts what runs from begin to end since the last reset: it knows their addresses. */
void bench_begin(void);
void bench_end(void);
void bench_reset(void);

#define TICKS(...)                          \
	({                                  \
		bench_begin();              \
		uint64_t ticks_0 = ticks(); \
		__VA_ARGS__;                \
		uint64_t ticks_1 = ticks(); \
		bench_end();                \
		ticks_1 - ticks_0;          \
	})
#define MUST(cond)                                                                          \
	do {                                                                                \
		if (!(cond)) {                                                              \
			printf("bench: %s:%d: %s failed: %m\n", __func__, __LINE__, #cond); \
			exit(1);                                                            \
		}                                                                           \
	} while (0)

extern char *self;    /* a path of this program, for exec */
extern int have_swap; /* as process 1 it found a ramdisk and swaps to it */

/* /proc/self/pagemap's word for the page at p; 0 if it is neither there nor swapped. */
uint64_t pagemap(const volatile void *p);
enum { PM_PFN_BITS = 55 };
#define PM_SWAPPED (1ull << 62)
#define PM_PRESENT (1ull << 63)

/* The figure in kB that follows the word in a file below /proc; -1 if there is none. */
long proc_kb(const char *file, const char *word);

volatile char *map(size_t len, int fd, int flags);
void unmap(volatile char *p, size_t len);
void write_pages(volatile char *p, size_t len, char c); /* c into each page's first byte */
long read_pages(volatile char *p, size_t len);          /* the sum of these bytes */
void reap(pid_t pid);                                   /* it must have ended with 0 */

/*
 * As process 1: mounts, waits so many seconds, swaps to /dev/ram0 if there is one, and returns in a child,
 * since process 1 is not like others (Linux logs each of its segmentation faults, handled or not). When
 * the child ends the machine is switched off.
 */
void first_process(int seconds);

#endif
