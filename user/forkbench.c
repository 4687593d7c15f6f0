/* SPDX-License-Identifier: MIT */
/*
 * forkbench: what fork, exec, exit and wait cost.
 *
 *	forkbench [-n ROUNDS] [-m MIB]	-m: with that much touched memory in the parent
 *
 * Prints TSC ticks for a round. Under QEMU's -icount shift=0 one tick is one instruction of the
 * guest, user and kernel together, and the figures repeat to a fraction of a percent.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int rounds = 200;
static char *self;

static uint64_t ticks(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void fork_exit_wait(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	must(pid > 0, "fork");
	must(waitpid(pid, NULL, 0) == pid, "waitpid");
}

static void vfork_exit_wait(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	must(pid > 0, "vfork");
	must(waitpid(pid, NULL, 0) == pid, "waitpid");
}

static void fork_exec_wait(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(self, self, "-x", NULL);
		_exit(127);
	}
	must(pid > 0, "fork");
	int status = 0;
	must(waitpid(pid, &status, 0) == pid && status == 0, "exec");
}

static void measure(const char *name, void (*round)(void))
{
	uint64_t least = ~0ULL, sum = 0;
	double start;

	round(); /* once to warm up */
	start = seconds();
	for (int i = 0; i < rounds; i++) {
		uint64_t t = ticks();

		round();
		t = ticks() - t;
		sum += t;
		if (t < least)
			least = t;
	}
	printf("%-18s %10lu ticks a round, least %10lu, %8.1f us\n", name,
	       (unsigned long)(sum / (unsigned)rounds), (unsigned long)least,
	       (seconds() - start) * 1e6 / rounds);
}

int main(int argc, char **argv)
{
	size_t mib = 0;
	int opt;

	self = argv[0];
	while ((opt = getopt(argc, argv, "n:m:x")) != -1) {
		if (opt == 'x')
			return 0; /* the program under exec */
		if (opt == 'n')
			rounds = atoi(optarg);
		else if (opt == 'm')
			mib = strtoul(optarg, NULL, 0);
		else
			return 1;
	}
	if (rounds < 1)
		rounds = 1;
	if (access(self, X_OK))
		self = "/bin/forkbench";
	if (mib) {
		char *p = malloc(mib << 20);

		must(p != NULL, "malloc");
		memset(p, 1, mib << 20);
	}
	printf("forkbench: %d rounds, %zu MiB touched\n", rounds, mib);
	measure("fork+exit+wait", fork_exit_wait);
	measure("vfork+exit+wait", vfork_exit_wait);
	measure("fork+exec+wait", fork_exec_wait);
	return 0;
}
