/* SPDX-License-Identifier: MIT */
/*
 * Pages that move to other frames under a program's hands: by vm.compact_memory, of every kind of memory,
 * while threads write to it. Nothing of it may be seen but the frame's number.
 */
#include <pthread.h>

#include "utest.h"

#define RW     (PROT_READ | PROT_WRITE)
#define EACH   64u /* pages of a kind, which stay; between two of them a piece of others ... */
#define STEPS  8u /* ... that are dropped in so many steps, so that there is somewhere to move to */
#define MEM_OF 8u

static char *filler;
static size_t
	piece; /* pages: the kept ones lie all over a half of what is free, not just at one end */

static void compact(void)
{
	int fd = OK(open("/proc/sys/vm/compact_memory", O_WRONLY));

	CHECK_EQ(write(fd, "1", 1), 1);
	OK(close(fd));
}

/* Makes kept pages, a few at a time, between those that will go. */
static void lay_out(char **kept, unsigned kinds)
{
	long half = sysconf(_SC_AVPHYS_PAGES) / 2;

	piece = (size_t)half / EACH / STEPS * STEPS;
	filler = ut_map(EACH * piece * PAGE);
	OK(madvise(filler, EACH * piece * PAGE, MADV_DONTFORK)); /* or children would keep it */
	for (unsigned i = 0; i < EACH; i++) {
		for (unsigned k = 0; k < kinds; k++)
			memset(kept[k] + i * PAGE, (int)(i + k), PAGE);
		memset(filler + i * piece * PAGE, 1, piece * PAGE);
	}
}

/* A few pages of each piece go. */
static void step(unsigned n)
{
	size_t some = piece / STEPS * PAGE;

	for (unsigned i = 0; i < EACH; i++)
		OK(madvise(filler + i * piece * PAGE + n * some, some, MADV_DONTNEED));
	compact();
}

static void note_frames(const char *p, uint64_t *pfn)
{
	for (unsigned i = 0; i < EACH; i++)
		pfn[i] = PM_PFN(ut_pagemap(p + i * PAGE));
}

static unsigned moved(const char *p, const uint64_t *pfn)
{
	unsigned n = 0;

	for (unsigned i = 0; i < EACH; i++)
		n += PM_PFN(ut_pagemap(p + i * PAGE)) != pfn[i];
	return n;
}

static int is_right(const char *p, unsigned k)
{
	for (unsigned i = 0; i < EACH; i++)
		for (unsigned at = 0; at < PAGE; at += 512)
			if (p[i * PAGE + at] != (char)(i + k))
				return 0;
	return 1;
}

enum {
	PRIVATE,
	SHARED,
	FILE_SHARED,
	FILE_PRIVATE,
	LOCKED,
	KINDS,
};

/* A line of descendants, each with the same pages, waits for the word and then looks. */
static void descend(char **kept, int depth, int wait_fd)
{
	char c;

	if (!depth)
		return;
	CHECK_EXIT(CHILD({
			   descend(kept, depth - 1, wait_fd);
			   CHECK_EQ(read(wait_fd, &c, 1), 0);
			   for (unsigned k = 0; k < KINDS; k++)
				   CHECK(is_right(kept[k], k));
			   for (unsigned i = 0; i < EACH; i++)
				   kept[PRIVATE][i * PAGE] = (char)depth;
			   CHECK_EQ(kept[PRIVATE][PAGE], (char)depth);
		   }),
		   0);
}

TEST_MEM(kinds, 3 * MEM_OF,
	 "a page that moves and is lost to one of its processes, or not seen there")
{
	static uint64_t pfn[KINDS][EACH];
	unsigned n[KINDS] = {0};
	char *kept[KINDS];
	int fd, fds[2];
	pid_t pid;

	fd = ut_file("file", "", 0);
	OK(ftruncate(fd, EACH * PAGE));
	kept[PRIVATE] = ut_map(EACH * PAGE);
	kept[SHARED] = OK(mmap(NULL, EACH * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	kept[FILE_SHARED] = OK(mmap(NULL, EACH * PAGE, RW, MAP_SHARED, fd, 0));
	kept[FILE_PRIVATE] = OK(mmap(NULL, EACH * PAGE, RW, MAP_PRIVATE, fd, 0));
	kept[LOCKED] = ut_map(EACH * PAGE);
	lay_out(kept, KINDS);
	OK(mlock(kept[LOCKED], EACH * PAGE));
	OK(pipe(fds));
	pid = CHILD({
		OK(close(fds[1]));
		descend(kept, 4, fds[0]);
	});
	OK(close(fds[0]));
	for (unsigned s = 0; s < STEPS; s++) {
		for (unsigned k = 0; k < KINDS; k++)
			note_frames(kept[k], pfn[k]);
		step(s);
		for (unsigned k = 0; k < KINDS; k++) {
			n[k] += moved(kept[k], pfn[k]);
			CHECK(is_right(kept[k], k));
		}
	}
	OK(close(fds[1]));
	CHECK_EXIT(pid, 0);
	for (unsigned k = 0; k < KINDS; k++) {
		CHECK(is_right(kept[k], k));
		if (!n[k])
			FAIL("no page of kind %u has moved", k);
	}
	for (unsigned i = 0; i < EACH; i++) {
		char byte;

		CHECK_EQ(pread(fd, &byte, 1, (off_t)(i * PAGE)), 1);
		CHECK_EQ(byte, (char)(i + FILE_SHARED));
	}
	OK(munlock(kept[LOCKED], EACH * PAGE));
}

#define THREADS 4u

static volatile int stop;
static unsigned long rounds[THREADS], lost[THREADS];
static char *written;

/* Counts up in its part of the pages; what it reads must be what it wrote. */
static void *count_up(void *arg)
{
	unsigned t = (unsigned)(uintptr_t)arg;
	unsigned long n = 0;

	for (; !stop; n++)
		for (unsigned i = t; i < EACH; i += THREADS) {
			volatile unsigned long *w = (volatile unsigned long *)(written + i * PAGE);

			lost[t] += *w != n;
			*w = n + 1;
		}
	for (unsigned i = t; i < EACH; i += THREADS)
		lost[t] += *(unsigned long *)(written + i * PAGE) != n;
	rounds[t] = n;
	return NULL;
}

static void written_by_threads(char *p)
{
	static uint64_t pfn[EACH];
	pthread_t threads[THREADS];
	unsigned n = 0;

	written = p;
	lay_out(&written, 1);
	memset(written, 0, EACH * PAGE);
	for (unsigned t = 0; t < THREADS; t++)
		CHECK_EQ(pthread_create(&threads[t], NULL, count_up, (void *)(uintptr_t)t), 0);
	for (unsigned s = 0; s < STEPS; s++) {
		note_frames(written, pfn);
		step(s);
		n += moved(written, pfn);
		ut_msleep(5);
	}
	stop = 1;
	for (unsigned t = 0; t < THREADS; t++) {
		CHECK_EQ(pthread_join(threads[t], NULL), 0);
		CHECK_EQ(lost[t], 0);
		CHECK(rounds[t] > 0);
	}
	CHECK(n > 0);
}

TEST_MEM(writers, 3 * MEM_OF, "what one thread writes while another's call moves the page, lost")
{
	written_by_threads(ut_map(EACH * PAGE));
}

TEST_MEM(shared_writers, 3 * MEM_OF, "the same for shared memory")
{
	written_by_threads(OK(mmap(NULL, EACH * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0)));
}

TEST_MEM(killed, 3 * MEM_OF,
	 "a process that dies while its pages move, and takes them from its parent")
{
	char *kept = ut_map(EACH * PAGE);

	lay_out(&kept, 1);
	for (unsigned s = 0; s < STEPS; s++) {
		pid_t pid = CHILD({
			for (;;)
				for (unsigned i = 0; i < EACH; i++)
					kept[i * PAGE + 8] = 1;
		});
		pid_t mover = CHILD({
			for (int i = 0; i < 3; i++)
				compact();
		});

		step(s);
		OK(kill(pid, SIGKILL));
		CHECK_SIGNALED(pid, SIGKILL);
		CHECK_EXIT(mover, 0);
		CHECK(is_right(kept, 0));
	}
}
