/* SPDX-License-Identifier: MIT */
/*
 * thrash: a working set that may be larger than memory, gone through again and again.
 *
 *	thrash [-r ROUNDS] [-R] [-S SEED] MIB
 *
 *	-r	so many rounds after the one that fills it (default 3)
 *	-R	in random order, so that no read-ahead helps
 *
 * Each page holds a pattern that follows from its number and from the round in which it was written.
 * A round reads every page, verifies all of it, and writes the next round's pattern. What a round
 * cost is printed: faults, how many of them had to wait for a device (major), and pages swapped in and
 * out by the whole machine. While the set fits in memory there are none but in the first round; once it
 * does not, and pages are evicted in the order in which they were used, going through in that order
 * needs each page just after it has gone.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

enum { WORDS = 512 };

static uint64_t *memory;
static size_t pages;
static uint64_t seed = 1;
static int scattered;
static unsigned long bad;

static uint64_t pattern(size_t page, int round, int word)
{
	return (seed + page * WORDS + (uint64_t)word) * 0x9e3779b97f4a7c15ULL + (uint64_t)round;
}

static void write_page(size_t page, int round)
{
	uint64_t *p = memory + page * WORDS;

	for (int i = 0; i < WORDS; i++)
		p[i] = pattern(page, round, i);
}

static void verify_page(size_t page, int round)
{
	const uint64_t *p = memory + page * WORDS;

	for (int i = 0; i < WORDS; i++)
		if (p[i] != pattern(page, round, i)) {
			if (bad++ < 10)
				printf("thrash: page %zu word %d is %#lx, not %#lx\n", page, i,
				       (unsigned long)p[i], (unsigned long)pattern(page, round, i));
			return;
		}
}

static size_t gcd(size_t a, size_t b)
{
	return b ? gcd(b, a % b) : a;
}

/* The n-th page to visit: each once, in order or by a step that jumps about. */
static size_t visit(size_t n, size_t jump)
{
	return scattered ? n * jump % pages : n;
}

static size_t some_jump(int round)
{
	size_t jump = (size_t)((seed + (uint64_t)round) * 0x9e3779b97f4a7c15ULL % pages) | 1;

	while (gcd(jump, pages) != 1)
		jump += 2;
	return jump;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void go_through(int round)
{
	long in = proc_value("/proc/vmstat", "pswpin"), out = proc_value("/proc/vmstat", "pswpout");
	struct rusage was, is;
	size_t jump = some_jump(round);
	double start = now(), took;

	getrusage(RUSAGE_SELF, &was);
	for (size_t n = 0; n < pages; n++) {
		size_t page = visit(n, jump);

		if (round)
			verify_page(page, round - 1);
		write_page(page, round);
	}
	getrusage(RUSAGE_SELF, &is);
	took = now() - start;
	long minor = is.ru_minflt - was.ru_minflt, major = is.ru_majflt - was.ru_majflt;
	if (in >= 0)
		in = proc_value("/proc/vmstat", "pswpin") - in;
	if (out >= 0)
		out = proc_value("/proc/vmstat", "pswpout") - out;
	printf("%5d %8.2f %9.0f %8ld %8ld %8ld %8ld %8ld %8ld\n", round, took,
	       (double)(minor + major) / (took > 0 ? took : 1e-9), minor, major, in, out,
	       proc_value("/proc/self/status", "VmRSS") / 1024,
	       proc_value("/proc/self/status", "VmSwap") / 1024);
	fflush(stdout);
}

static void explain(size_t mib)
{
	long free_mib = proc_value("/proc/meminfo", "MemAvailable") / 1024;
	long swap = proc_value("/proc/meminfo", "SwapFree") / 1024;

	printf("thrash: pid %d, a working set of %zu MiB; available: %ld MiB of RAM, %ld MiB of swap\n",
	       getpid(), mib, free_mib, swap);
	if ((long)mib > free_mib + swap)
		printf("thrash: that is more than both together: a refusal or the OOM killer will follow%s\n",
		       swap ? "" : " (no swap: mkswap /dev/ram0; swapon /dev/ram0)");
	if (proc_value("/proc/vmstat", "pswpin") < 0)
		printf("thrash: /proc/vmstat has no pswpin here: swap-ins are shown as -1\n");
	fflush(stdout);
}

static void heading(void)
{
	printf("%5s %8s %9s %8s %8s %8s %8s %8s %8s\n", "round", "seconds", "faults/s", "minor",
	       "major", "swap-in", "swap-out", "RSS/MiB", "swap/MiB");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int rounds = 3, opt;
	size_t mib;

	while ((opt = getopt(argc, argv, "r:RS:")) != -1) {
		if (opt == 'r')
			rounds = atoi(optarg);
		else if (opt == 'R')
			scattered = 1;
		else if (opt == 'S')
			seed = strtoul(optarg, NULL, 0);
		else
			return 1;
	}
	mib = optind + 1 == argc ? strtoul(argv[optind], NULL, 0) : 0;
	if (!mib) {
		fprintf(stderr, "usage: thrash [-r ROUNDS] [-R] [-S SEED] MIB\n");
		return 1;
	}
	pages = mib << 8;
	explain(mib);
	memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("thrash: mmap refuses (see overcommit)");
		return 1;
	}
	heading();
	for (int round = 0; round <= rounds; round++)
		go_through(round);
	for (size_t page = 0; page < pages; page++)
		verify_page(page, rounds);
	if (bad)
		printf("thrash: FAILED: %lu pages were not as they were written\n", bad);
	else
		printf("thrash: %d rounds, every byte was as it was written\n", rounds);
	return bad != 0;
}
