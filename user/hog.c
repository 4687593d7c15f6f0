/* SPDX-License-Identifier: MIT */
/*
 * hog: takes memory, a mebibyte at a time, keeps it, and tells where it is: in RAM or in swap.
 *
 *	hog [-s SECONDS] [-w] [-l] [-q] MIB
 *
 *	-s	keep it that long (default: until a key or a signal ends the program)
 *	-w	while it is kept, write all of it again and again, so that none of it is idle
 *	-l	lock it (mlockall), so that it cannot be swapped
 *	-q	report at the end only
 *
 * A report is made every 16 MiB, with -w once a second, and in the end. A machine with less memory than that ends the
 * program by its OOM killer; where promises are kept strictly (see overcommit) mmap() fails before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

#define MIB (1UL << 20)

static int quiet;

static void report(const char *what, size_t have)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	printf("hog: pid %d %s %zu MiB: RSS %ld kB, swap %ld kB, locked %ld kB, faults %ld minor %ld major\n",
	       getpid(), what, have, proc_value("/proc/self/status", "VmRSS"),
	       proc_value("/proc/self/status", "VmSwap"), proc_value("/proc/self/status", "VmLck"),
	       ru.ru_minflt, ru.ru_majflt);
	fflush(stdout);
}

static void touch(char **chunk, size_t n, int round)
{
	for (size_t i = 0; i < n; i++)
		for (size_t at = 0; at < MIB; at += 4096)
			chunk[i][at] = (char)(i + round);
}

static size_t take(char **chunk, size_t want)
{
	size_t have = 0;

	while (have < want) {
		chunk[have] =
			mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (chunk[have] == MAP_FAILED) {
			perror("hog: mmap");
			break;
		}
		touch(chunk + have, 1, (int)have);
		have++;
		if (!quiet && have % 16 == 0 && have < want)
			report("has", have);
	}
	return have;
}

int main(int argc, char **argv)
{
	long seconds = -1;
	int rewrite = 0, opt;
	size_t want, have;
	char **chunk;

	while ((opt = getopt(argc, argv, "s:wlq")) != -1) {
		if (opt == 's')
			seconds = atol(optarg);
		else if (opt == 'w')
			rewrite = 1;
		else if (opt == 'q')
			quiet = 1;
		else if (opt == 'l' && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
			perror("hog: mlockall");
		else if (opt == '?')
			return 1;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: hog [-s SECONDS] [-w] [-l] [-q] MIB\n");
		return 1;
	}
	want = strtoul(argv[optind], NULL, 0);
	chunk = calloc(want + 1, sizeof(*chunk));
	if (!chunk)
		return 1;
	have = take(chunk, want);
	report("has", have);
	time_t end = time(NULL) + seconds, told = time(NULL);
	for (int round = 1; seconds < 0 || time(NULL) < end; round++) {
		if (rewrite)
			touch(chunk, have, round);
		else
			sleep(1);
		if (!quiet && rewrite && time(NULL) != told) {
			told = time(NULL);
			report("keeps", have);
		}
	}
	report("had", have);
	return have < want;
}
