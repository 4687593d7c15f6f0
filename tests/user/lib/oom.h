/* SPDX-License-Identifier: MIT */
/*
 * For tests that run out of memory. The program makes itself, and so each test's parent, no target of the
 * OOM killer; the children that a test is about are targets again.
 */
#ifndef OOM_H
#define OOM_H

#include "utest.h"

#define MIB (1024 * 1024UL)

static inline void set_adj(int adj)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", adj);
	ut_spew("/proc/self/oom_score_adj", text);
}

/* Before a test runs, in the process that the test's are children of. */
__attribute__((constructor)) static void no_target(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	if (fd >= 0) {
		(void)!write(fd, "-1000", 5);
		close(fd);
	}
}

static inline size_t meminfo(const char *name)
{
	return (size_t)ut_number("/proc/meminfo", name) * 1024;
}

/* What can be had without a kill, more or less. */
static inline size_t available(void)
{
	return meminfo("MemAvailable") + meminfo("SwapFree");
}

static inline long kills(void)
{
	return ut_number("/proc/vmstat", "oom_kill");
}

static inline char *reserve(size_t len)
{
	return OK(mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

/* Touches [0, len), and says in *done how far it has come. */
static inline void touch(char *p, size_t len, volatile size_t *done)
{
	for (size_t at = 0; at < len; at += PAGE) {
		p[at] = 1;
		if (done)
			*done = at + PAGE;
	}
}

/* For ever: what does not end by itself. */
static inline void run_away(void)
{
	for (;;)
		touch(reserve(16 * MIB), 16 * MIB, NULL);
}

static inline volatile size_t *shared_words(void)
{
	return OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

static inline void wait_for(volatile size_t *word, size_t value)
{
	while (*word < value)
		ut_msleep(1);
}

/* A child that holds len bytes and waits; it has them on return. */
static inline pid_t holder(size_t len, int adj)
{
	volatile size_t *done = shared_words();
	pid_t pid = CHILD({
		set_adj(adj);
		touch(reserve(len), len, done);
		for (;;)
			pause();
	});

	wait_for(done, len);
	OK(munmap((void *)done, PAGE));
	return pid;
}

static inline int alive(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static inline void end(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

/* The machine works: processes, memory, files. */
static inline void check_machine(void)
{
	pid_t pid = CHILD({
		touch(ut_map(MIB), MIB, NULL);
		CHECK(ut_file("after", "x", 1) >= 0);
	});

	CHECK_EXIT(pid, 0);
}

/* Each line of what Octavo says of memory by owner, but for what moves by itself. What a CPU keeps for
 * quick reuse may differ by a few; a leak is one a kill. */
static inline void check_ledger(char *was, char *is, long slack)
{
	for (char *a = was, *b = is; *a && *b;
	     a += strcspn(a, "\n") + 1, b += strcspn(b, "\n") + 1) {
		size_t name = strcspn(a, " \n");
		long change = atol(b + name) - atol(a + name);

		if (strncmp(a, "free ", 5) && strncmp(a, "slab ", 5) &&
		    (strncmp(a, b, name) || change > slack || change < -slack))
			FAIL("was \"%.*s\", is \"%.*s\"", (int)strcspn(a, "\n"), a,
			     (int)strcspn(b, "\n"), b);
	}
}

#endif
