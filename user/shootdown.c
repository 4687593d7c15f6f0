/* SPDX-License-Identifier: MIT */
/*
 * shootdown: what it costs to make other CPUs forget a translation.
 *
 *	shootdown [-n ROUNDS] [-p PAGES]
 *
 * A thread on each CPU but the first does nothing. Meanwhile the first CPU takes the right to write
 * away from touched pages and gives it back, with one thread more at a time. Printed for each number
 * of threads: the ticks of one mprotect() that takes away, as the first CPU sees it (the median); and
 * what the interrupt cost another CPU in all (the least gap between two of its thread's readings of the
 * time-stamp counter).
 *
 * Under QEMU's -icount shift=0 one tick is one instruction. The CPUs then run in turn, and the
 * counter of each advances with the instructions of all: so the first figure is the sum of what all
 * CPUs did; less the interrupts, it is what the first CPU had to do.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_CPUS 16
/* Two readings with nothing in between are some ten ticks apart. */
#define GAP 60
/* The least of so many interrupts is without a tick, or a turn of another CPU, in it. */
#define GAP_ROUNDS 20

static struct spinner {
	pthread_t thread;
	int cpu;
	volatile int running;
	volatile uint64_t least;
	char pad[64];
} spinner[MAX_CPUS];
static volatile int stop, reading;

static uint64_t ticks(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	must(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
}

static void *spin(void *arg)
{
	struct spinner *s = arg;
	uint64_t last, now;

	run_on(s->cpu);
	s->running = 1;
	for (last = ticks(); !stop; last = now) {
		if (!reading) /* `pause' ends a CPU's turn where they run in turn */
			__builtin_ia32_pause();
		now = ticks();
		if (!reading || now - last < GAP)
			continue;
		if (now - last < s->least)
			s->least = now - last;
		now = ticks();
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The median of so many calls. */
static uint64_t protect(char *mem, size_t size, int rounds)
{
	uint64_t *t = calloc((size_t)rounds, sizeof(*t)), median;

	must(t != NULL, "calloc");
	for (int i = 0; i < rounds; i++) {
		memset(mem, i, size);
		t[i] = ticks();
		must(mprotect(mem, size, PROT_READ) == 0, "mprotect");
		t[i] = ticks() - t[i];
		must(mprotect(mem, size, PROT_READ | PROT_WRITE) == 0, "mprotect");
	}
	qsort(t, (size_t)rounds, sizeof(*t), compare);
	median = t[rounds / 2];
	free(t);
	return median;
}

static void start_spinner(int n)
{
	struct spinner *s = &spinner[n];

	s->cpu = n;
	s->least = UINT64_MAX;
	must(pthread_create(&s->thread, NULL, spin, s) == 0, "pthread_create");
	while (!s->running)
		sched_yield();
}

int main(int argc, char **argv)
{
	int rounds = 200, opt, cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	size_t pages = 1, size;
	char *mem;

	while ((opt = getopt(argc, argv, "n:p:")) != -1) {
		if (opt == 'n')
			rounds = atoi(optarg);
		else if (opt == 'p')
			pages = (size_t)atol(optarg);
		else
			return 2;
	}
	if (rounds < 1 || pages < 1) {
		fprintf(stderr, "shootdown: -n and -p are at least 1\n");
		return 2;
	}
	if (cpus > MAX_CPUS)
		cpus = MAX_CPUS;
	size = pages * 4096;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(mem != MAP_FAILED, "mmap");
	run_on(0);
	printf("%zu page%s, %d rounds\nother CPUs  mprotect  of one more  interrupt\n", pages,
	       pages > 1 ? "s" : "", rounds);
	for (uint64_t n = 0, before = 0; n < (uint64_t)cpus; n++) {
		uint64_t t;

		if (n)
			start_spinner((int)n);
		t = protect(mem, size, rounds);
		reading = 1;
		if (n)
			(void)protect(mem, size, GAP_ROUNDS);
		reading = 0;
		printf("%10d  %8llu", (int)n, (unsigned long long)t);
		if (n)
			printf("  %11lld  %9llu", (long long)(t - before),
			       (unsigned long long)spinner[n].least);
		printf("\n");
		before = t;
	}
	stop = 1;
	for (int n = 1; n < cpus; n++)
		pthread_join(spinner[n].thread, NULL);
	return 0;
}
