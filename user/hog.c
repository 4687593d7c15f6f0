/* SPDX-License-Identifier: MIT */
/*
 * hog: takes memory, a mebibyte at a time, and keeps it.
 *
 *	hog [-s SECONDS] [-w] [-l] MIB
 *
 *	-s	keep it that long (default: until a key or a signal ends the program)
 *	-w	while it is kept, write all of it again and again, so that none of it is idle
 *	-l	lock it (mlockall), so that it cannot be swapped
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB (1UL << 20)

static void touch(char **chunk, size_t n, int round)
{
	for (size_t i = 0; i < n; i++)
		for (size_t at = 0; at < MIB; at += 4096)
			chunk[i][at] = (char)(i + round);
}

int main(int argc, char **argv)
{
	long seconds = -1;
	int rewrite = 0, opt;
	size_t want, have = 0;
	char **chunk;

	while ((opt = getopt(argc, argv, "s:wl")) != -1) {
		if (opt == 's')
			seconds = atol(optarg);
		else if (opt == 'w')
			rewrite = 1;
		else if (opt == 'l' && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
			perror("mlockall");
		else if (opt == '?')
			return 1;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: hog [-s SECONDS] [-w] [-l] MIB\n");
		return 1;
	}
	want = strtoul(argv[optind], NULL, 0);
	chunk = calloc(want ? want : 1, sizeof(*chunk));
	while (chunk && have < want) {
		chunk[have] =
			mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (chunk[have] == MAP_FAILED) {
			perror("mmap");
			break;
		}
		touch(chunk + have, 1, (int)have);
		have++;
		if (have % 16 == 0 || have == want) {
			printf("hog: pid %d has %zu MiB\n", getpid(), have);
			fflush(stdout);
		}
	}
	time_t end = time(NULL) + seconds;
	for (int round = 1; seconds < 0 || time(NULL) < end; round++) {
		if (rewrite)
			touch(chunk, have, round);
		else
			sleep(1);
	}
	return have < want;
}
