/* SPDX-License-Identifier: MIT */
/*
 * scale: how costs grow with size, for the plots of docs/costs.md (scripts/plots).
 *
 *	scale [--wait SECONDS] PLOT...		prints "scale: PLOT SIZE TICKS"
 *
 * Each figure is the least of some rounds, as in bench.c.
 */
#include "bench.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 3, STEP = 16 };
static const size_t MIB = 1 << 20;

static void result(const char *plot, long size, double cost)
{
	printf("scale: %s %ld %.1f\n", plot, size, cost);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a && a < b ? a : b;
}

/* fork() and what the parent waits for after it, by MiB touched before. */
static void fork_by_memory(void)
{
	for (long mib = 1; mib <= 256; mib *= 4) {
		volatile char *p = map(mib * MIB, -1, MAP_PRIVATE);
		uint64_t best = 0;

		write_pages(p, mib * MIB, 1);
		for (int i = 0; i < ROUNDS; i++)
			best = less(best, TICKS({
					    pid_t pid = fork();
					    if (pid == 0)
						    _exit(0);
					    reap(pid);
				    }));
		result("fork_by_memory", mib, best);
		unmap(p, mib * MIB);
	}
}

static void munmap_by_pages(void)
{
	for (long pages = 1; pages <= 65536; pages *= 4) {
		uint64_t best = 0;

		for (int i = 0; i < ROUNDS; i++) {
			volatile char *p = map(pages * PAGE, -1, MAP_PRIVATE);
			write_pages(p, pages * PAGE, 1);
			best = less(best, TICKS(unmap(p, pages * PAGE)));
		}
		result("munmap_by_pages", pages, best);
	}
}

/* That many vmas: every second page may not be written. */
static volatile char *many_vmas(long n)
{
	volatile char *p = map((n + 1) * PAGE, -1, MAP_PRIVATE);

	for (long i = 1; i < n; i += 2)
		MUST(mprotect((void *)(p + i * PAGE), PAGE, PROT_READ) == 0);
	return p;
}

static const long counts[] = {1, 10, 100, 1000, 10000, 60000};
enum { COUNTS = sizeof(counts) / sizeof(counts[0]), FAULTS = 400 };

/* One first write in each of up to FAULTS vmas, all over the space. */
static void fault_by_vmas(void)
{
	for (int c = 0; c < COUNTS; c++) {
		long n = counts[c], half = (n + 1) / 2, times = half < FAULTS ? half : FAULTS;
		uint64_t best = 0;
		volatile char *p = many_vmas(n);

		for (int i = 0; i < ROUNDS; i++) {
			MUST(madvise((void *)p, (n + 1) * PAGE, MADV_DONTNEED) == 0);
			for (long j = 0; j < times; j++) /* the anon_vma and the tables are there */
				p[half * j / times * 2 * PAGE] = 1;
			for (long j = 0; j < times; j++)
				MUST(madvise((void *)(p + half * j / times * 2 * PAGE), PAGE,
					     MADV_DONTNEED) == 0);
			/* 197 is prime to all counts: not one after the other */
			best = less(best,
				    TICKS(for (long j = 0; j < times; j++)
						  p[half * (j * 197 % times) / times * 2 * PAGE] =
							  2));
		}
		result("fault_by_vmas", n, best / (double)times);
		unmap(p, (n + 1) * PAGE);
	}
}

static void mmap_by_vmas(void)
{
	for (int c = 0; c < COUNTS; c++) {
		long n = counts[c];
		volatile char *p = many_vmas(n), *q;
		uint64_t best = 0;

		for (int i = 0; i < ROUNDS; i++)
			best = less(best, TICKS(for (int j = 0; j < STEP; j++) {
					    q = map(PAGE, -1, MAP_SHARED | MAP_NORESERVE);
					    unmap(q, PAGE);
				    }));
		result("mmap_by_vmas", n, best / (double)STEP);
		unmap(p, (n + 1) * PAGE);
	}
}

/* A byte goes around a ring of pipes: ticks from one process to the next. */
static void switch_by_processes(void)
{
	static const int sizes[] = {2, 10, 30, 100, 300, 1000};
	static pid_t children[1000];

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		int n = sizes[s], first[2], from, next[2];
		uint64_t best = 0;
		char c = 0;

		MUST(pipe(first) == 0);
		from = first[0];
		for (int i = 1; i < n; i++) {
			MUST(pipe(next) == 0);
			children[i] = fork();
			MUST(children[i] >= 0);
			if (children[i] == 0) {
				close(first[1]), close(next[0]);
				while (read(from, &c, 1) == 1)
					MUST(write(next[1], &c, 1) == 1);
				_exit(0);
			}
			close(from), close(next[1]);
			from = next[0];
		}
		for (int i = 0; i < ROUNDS; i++)
			best = less(best, TICKS(MUST(write(first[1], &c, 1) == 1);
						MUST(read(from, &c, 1) == 1)));
		result("switch_by_processes", n, best / (double)n);
		close(first[1]), close(from);
		for (int i = 1; i < n; i++)
			reap(children[i]);
	}
}

static uint64_t pages_stolen(void)
{
	static char text[16384];
	int fd = open("/proc/vmstat", O_RDONLY), n = read(fd, text, sizeof(text) - 1);
	uint64_t sum = 0;

	MUST(n > 0);
	text[n] = 0;
	close(fd);
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, "pgsteal_kswapd ", 15) || !strncmp(line, "pgsteal_direct ", 15))
			sum += strtoull(line + 15, NULL, 10);
	}
	return sum;
}

/* Memory that so many processes share and nobody uses goes to make room for what one writes: the
 * writer's ticks by pages that went. */
/* Linux's ramdisk takes memory for what is written to it for the first time, and keeps it: before that is
 * done, to swap makes no room. */
static void write_all_swap(void)
{
	size_t len = (size_t)proc_kb("/proc/meminfo", "SwapFree") << 10, part = 8 * MIB;
	volatile char *p = map(len, -1, MAP_PRIVATE);

	for (size_t i = 0; i + part <= len; i += part) {
		write_pages(p + i, part, 1);
		MUST(madvise((void *)(p + i), part, MADV_PAGEOUT) == 0);
	}
	unmap(p, len);
}

static void reclaim_by_sharers(void)
{
	static pid_t children[64];
	const size_t len = 16 * MIB;
	size_t want;

	write_all_swap();
	for (int n = 1; n <= 64; n *= 2) {
		volatile char *cold = map(len, -1, MAP_PRIVATE), *p;
		uint64_t stolen, t;

		write_pages(cold, len, 1);
		for (int i = 1; i < n; i++) {
			children[i] = fork();
			MUST(children[i] >= 0);
			while (children[i] == 0)
				pause();
		}
		want = ((size_t)proc_kb("/proc/meminfo", "MemAvailable") << 10) + len / 2;
		p = map(want, -1, MAP_PRIVATE);
		want &= -(size_t)PAGE;
		write_pages(p, want - len / 2, 1);
		stolen = pages_stolen();
		t = TICKS(write_pages(p + want - len / 2, len / 2, 1));
		stolen = pages_stolen() - stolen;
		MUST(stolen > 1000);
		result("reclaim_by_sharers", n, t / (double)stolen);
		unmap(p, want);
		for (int i = 1; i < n; i++)
			kill(children[i], SIGKILL);
		for (int i = 1; i < n; i++)
			MUST(waitpid(children[i], NULL, 0) == children[i]);
		unmap(cold, len);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} plots[] = {
	{"fork_by_memory", fork_by_memory},
	{"munmap_by_pages", munmap_by_pages},
	{"fault_by_vmas", fault_by_vmas},
	{"mmap_by_vmas", mmap_by_vmas},
	{"switch_by_processes", switch_by_processes},
	{"reclaim_by_sharers", reclaim_by_sharers},
};

int main(int argc, char **argv)
{
	int seconds = argc > 2 && !strcmp(argv[1], "--wait") ? atoi(argv[2]) : 0;

	if (getpid() == 1)
		first_process(seconds);
	for (size_t i = 0; i < sizeof(plots) / sizeof(plots[0]); i++)
		for (char **name = argv + 1; *name; name++)
			if (!strcmp(plots[i].name, *name))
				plots[i].run();
	return 0;
}
