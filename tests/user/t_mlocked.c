/* SPDX-License-Identifier: MIT */
/*
 * Locked pages, page by page: what Mlocked and Unevictable count, through all that happens to a mapping;
 * and where RLIMIT_MEMLOCK says no.
 */
#include "utest.h"

#include <pthread.h>

#define N  64
#define RW (PROT_READ | PROT_WRITE)
#define AP (MAP_PRIVATE | MAP_ANONYMOUS)

static long meminfo(const char *name)
{
	return ut_number("/proc/meminfo", name);
}

static long mlocked, unevictable;

static void start(void)
{
	mlocked = meminfo("Mlocked");
	unevictable = meminfo("Unevictable");
}

/* So many pages more than at the start. Linux moves them in batches, which may be left half full. */
static void check_pages(int line, long pages)
{
	long m, u;

	for (int i = 0; i < 100; i++) {
		m = (meminfo("Mlocked") - mlocked) / 4;
		u = (meminfo("Unevictable") - unevictable) / 4;
		if (m == pages && (u == pages || !ut_octavo()))
			return;
		ut_msleep(10);
	}
	ut_fail(__FILE__, line, "Mlocked %+ld, Unevictable %+ld pages, not %+ld", m, u, pages);
}
#define CHECK_PAGES(n) check_pages(__LINE__, n)

static void touch(volatile char *p, int pages)
{
	for (int i = 0; i < pages; i++)
		p[i * PAGE] = 1;
}

TEST(anon, "a locked page that is not counted, or one counted when it is not locked any more")
{
	char *p = ut_map_alone(N * PAGE), *q;

	start();
	touch(p, N / 2);
	OK(mlock(p, N * PAGE));
	CHECK_PAGES(N);
	OK(munlock(p, N / 2 * PAGE));
	CHECK_PAGES(N / 2);
	OK(mlock(p, N / 2 * PAGE));
	CHECK_PAGES(N);
	OK(munmap(p, PAGE));
	CHECK_PAGES(N - 1);
	CHECK_EQ(ut_status(0, "VmLck"), (N - 1) * 4);
	q = OK(mremap(p + PAGE, (N - 1) * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE));
	CHECK_PAGES(2 * N);
	q = OK(mremap(q, 2 * N * PAGE, N * PAGE, 0));
	CHECK_PAGES(N);
	OK(munlockall());
	CHECK_PAGES(0);
	OK(munmap(q, N * PAGE));
	CHECK_PAGES(0);
}

TEST(on_fault, "MLOCK_ONFAULT that marks what was never touched, or does not mark what is")
{
	char *p = ut_map_alone(N * PAGE);

	start();
	touch(p, 4);
	NEEDS(syscall(SYS_mlock2, p, N * PAGE, 1));
	CHECK_PAGES(4);
	touch(p, 10);
	CHECK_PAGES(10);
	OK(munmap(p, N * PAGE));
	CHECK_PAGES(0);
}

TEST(fork_exit, "a child that unlocks its parent's pages, or an exit that leaves them locked")
{
	char *p = ut_map_alone(N * PAGE);
	pid_t pid;

	start();
	OK(mlock(p, N * PAGE));
	CHECK_EXIT(CHILD({ CHECK(p[0] == 0); }), 0);
	CHECK_PAGES(N);
	pid = CHILD({
		CHECK_EQ(ut_status(getpid(), "VmLck"), 0);
		touch(p, N); /* copies of its own, not locked */
	});
	CHECK_EXIT(pid, 0);
	CHECK_PAGES(N);
	pid = CHILD({
		OK(mlock(ut_map(N * PAGE), N * PAGE));
		CHECK_PAGES(2 * N);
	});
	CHECK_EXIT(pid, 0);
	CHECK_PAGES(N);
	touch(p, N);
	CHECK_PAGES(N);
	OK(munlock(p, N * PAGE));
	CHECK_PAGES(0);
}

TEST(file, "a file's page that stays unevictable when its last locker is gone")
{
	static char data[N * PAGE];
	int fd = ut_file("file", data, sizeof(data));
	char *p;

	p = OK(mmap(NULL, N * PAGE, RW, MAP_SHARED, fd, 0));
	start();
	OK(mlock(p, N * PAGE));
	CHECK_PAGES(N);
	OK(munmap(p, N * PAGE));
	CHECK_PAGES(0);
	/* a private copy takes the place of a locked page */
	p = OK(mmap(NULL, N * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	OK(mlock(p, N * PAGE));
	CHECK_PAGES(N);
	OK(mprotect(p, N * PAGE, RW));
	touch(p, N);
	CHECK_PAGES(N);
	CHECK_EXIT(CHILD({ OK(ftruncate(fd, 0)); }), 0);
	CHECK_PAGES(0);
}

static char *map_file(int fd, int pages)
{
	return OK(mmap(NULL, (size_t)pages * PAGE, RW, MAP_SHARED, fd, 0));
}

static int present(const char *p, int pages)
{
	int n = 0;

	for (int i = 0; i < pages; i++)
		n += (ut_pagemap(p + i * PAGE) & PM_PRESENT) != 0;
	return n;
}

TEST(two_lockers, "a page that is unlocked by the first of two who let go, or by neither")
{
	static char data[N * PAGE];
	int fd = ut_file("file", data, sizeof(data)), go[2], done[2];
	char *p = map_file(fd, N), *q = map_file(fd, N), c = 0;
	pid_t pid;

	start();
	OK(mlock(p, N * PAGE));
	OK(mlock(q, N / 2 * PAGE));
	CHECK_PAGES(N);
	OK(munmap(p, N * PAGE));
	CHECK_PAGES(N / 2);
	OK(mlock(q, N * PAGE));
	OK(mlock(q, N * PAGE)); /* counts once */
	CHECK_PAGES(N);
	/* in another process; who exits unlocks */
	OK(pipe(go));
	OK(pipe(done));
	pid = CHILD({
		OK(mlock(q, N * PAGE));
		OK(write(done[1], &c, 1));
		OK(read(go[0], &c, 1));
	});
	OK(read(done[0], &c, 1));
	CHECK_PAGES(N);
	OK(munlock(q, N * PAGE));
	CHECK_PAGES(N);
	OK(write(go[1], &c, 1));
	CHECK_EXIT(pid, 0);
	CHECK_PAGES(0);
	/* both, and then the file has no such pages */
	OK(mlock(q, N * PAGE));
	p = map_file(fd, N);
	OK(mlock(p, N * PAGE));
	OK(ftruncate(fd, PAGE));
	CHECK_PAGES(1);
	OK(munmap(p, N * PAGE));
	CHECK_PAGES(1);
	OK(munmap(q, N * PAGE));
	CHECK_PAGES(0);
}

TEST(around, "pages that a fault maps beside its own, in a locked mapping, and that are not locked")
{
	static char data[N * PAGE];
	int fd = ut_file("file", data, sizeof(data)), n;
	char *p = map_file(fd, N);

	start();
	NEEDS(syscall(SYS_mlock2, p, N * PAGE, 1));
	CHECK_EQ(*(volatile char *)(p + 20 * PAGE), 0);
	n = present(p, N);
	CHECK(n >= 1);
	CHECK_PAGES(n);
	p[20 * PAGE] = 1; /* the same page: counts no more */
	p[40 * PAGE] = 1;
	n = present(p, N);
	CHECK_PAGES(n);
	OK(munlock(p, N * PAGE));
	CHECK_PAGES(0);
}

TEST(what_happens, "a count that is wrong after mremap, mprotect, madvise, brk, MCL_FUTURE or exec")
{
	char *p = ut_map_alone(N * PAGE), *q, *brk;
	pid_t pid;

	start();
	OK(mlock(p, N * PAGE));
	CHECK_ERRNO(madvise(p, N * PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(madvise(p, N * PAGE, MADV_PAGEOUT), EINVAL);
	OK(sys_mprotect(p, N / 2 * PAGE, PROT_READ));
	OK(sys_mprotect(p, N / 2 * PAGE, RW));
	CHECK_PAGES(N);
	q = OK(mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	CHECK_PAGES(N);
	touch(p, N); /* which is not locked any more */
	CHECK_PAGES(N);
	OK(munmap(p, N * PAGE));
	if (madvise(q, N / 2 * PAGE, 24 /* MADV_DONTNEED_LOCKED */) == 0) {
		CHECK_PAGES(N / 2);
		touch(q, N);
		CHECK_PAGES(N);
	}
	OK(munmap(q, N * PAGE));
	CHECK_PAGES(0);
	pid = CHILD({
		OK(mlockall(MCL_FUTURE));
		start();
		p = ut_map(N * PAGE);
		CHECK_PAGES(N);
		brk = (char *)syscall(SYS_brk, 0);
		brk += -(unsigned long)brk % PAGE;
		syscall(SYS_brk, brk);
		start();
		syscall(SYS_brk, brk + 8 * PAGE);
		CHECK_PAGES(8);
		syscall(SYS_brk, brk + 2 * PAGE);
		CHECK_PAGES(2);
		OK(munmap(p, N * PAGE));
		CHECK_PAGES(2 - N);
		OK(munlockall());
		start();
		touch(ut_map(N * PAGE), N);
		CHECK_PAGES(0);
	});
	CHECK_EXIT(pid, 0);
	CHECK_PAGES(0);
	pid = CHILD({
		p = ut_map(N * PAGE);
		OK(mlockall(MCL_CURRENT | MCL_FUTURE));
		execl("/bin/busybox", "true", (char *)NULL);
	});
	waitpid(pid, NULL, 0);
	CHECK_PAGES(0);
}

TEST(no_memory, "a munlock that fails for lack of memory, and leaves locked pages unmarked")
{
	int fd = open("/proc/self/fail-nth", O_RDWR), n = 0, failed;
	char *p = ut_map_alone(N * PAGE), text[8];

	if (fd < 0)
		SKIP("no fail-nth");
	start();
	OK(mlock(p, N * PAGE));
	do {
		int len = snprintf(text, sizeof(text), "%d", ++n), err;

		OK(write(fd, text, (size_t)len));
		failed = munlock(p + 8 * PAGE, 8 * PAGE);
		err = errno;
		OK(write(fd, "0", 1));
		CHECK(!failed || err == ENOMEM);
		CHECK_PAGES(failed ? N : N - 8);
	} while (failed && n < 20);
	CHECK(n > 1 && n < 20);
	OK(munmap(p, N * PAGE));
	CHECK_PAGES(0);
	close(fd);
}

static volatile int race_ends;
static char *race_map;

static void *race_touch(void *arg)
{
	unsigned seed = (unsigned)(size_t)arg;

	while (!race_ends)
		(void)*(volatile char *)(race_map + (rand_r(&seed) % N) * PAGE);
	return NULL;
}

TEST(race, "a fault and mlock that count a page twice, or a munlock that counts it back unasked")
{
	static char data[N * PAGE];
	int fd = ut_file("file", data, sizeof(data));
	char *other = map_file(fd, N);
	pthread_t t[2];

	race_map = map_file(fd, N);
	start();
	for (size_t i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, race_touch, (void *)(i + 1)), 0);
	for (int i = 0; i < 300; i++) {
		OK(mmap(race_map + i % N * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd,
			(off_t)(i % N * PAGE)));
		OK(madvise(race_map + N / 2 * PAGE, N / 2 * PAGE, MADV_DONTNEED));
		OK(syscall(SYS_mlock2, race_map, N * PAGE, i & 1));
		OK(munlock(race_map, N * PAGE));
	}
	CHECK_PAGES(0);
	OK(mlock(other, N * PAGE));
	for (int i = 0; i < 300; i++) {
		OK(madvise(race_map, N * PAGE, MADV_DONTNEED));
		OK(syscall(SYS_mlock2, race_map, N * PAGE, i & 1));
		OK(munlock(race_map, N * PAGE));
	}
	CHECK_PAGES(N);
	OK(munlock(other, N * PAGE));
	CHECK_PAGES(0);
	race_ends = 1;
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

TEST(limit, "RLIMIT_MEMLOCK that is not minded, or the wrong errno, by each call that locks")
{
	pid_t pid = CHILD({
		struct rlimit rl = {8 * PAGE, 8 * PAGE};
		char *p = ut_map(16 * PAGE);
		char *brk;
		OK(setrlimit(RLIMIT_MEMLOCK, &rl));
		OK(setuid(1000));
		CHECK_ERRNO(mlock(p, 9 * PAGE), ENOMEM);
		CHECK_ERRNO(syscall(SYS_mlock2, p, 9 * PAGE, 1), ENOMEM);
		OK(mlock(p, 8 * PAGE));
		OK(mlock(p, 8 * PAGE)); /* the same again is no more */
		CHECK_ERRNO(mlock(p + 8 * PAGE, PAGE), ENOMEM);
		CHECK_ERRNO(mlockall(MCL_CURRENT), ENOMEM);
		CHECK_ERRNO(mmap(NULL, PAGE, RW, AP | MAP_LOCKED, -1, 0), EAGAIN);
		OK(munmap(p + 8 * PAGE, 8 * PAGE));
		CHECK_ERRNO(mremap(p, 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE), EAGAIN);
		OK(munlock(p, 8 * PAGE));
		OK(mlockall(MCL_FUTURE));
		CHECK_ERRNO(mmap(NULL, 9 * PAGE, RW, AP, -1, 0), EAGAIN);
		brk = (char *)syscall(SYS_brk, 0);
		CHECK_EQ(syscall(SYS_brk, brk + 16 * PAGE), brk);
		OK(munlockall());
		rl.rlim_cur = rl.rlim_max = 0;
		OK(setrlimit(RLIMIT_MEMLOCK, &rl));
		CHECK_ERRNO(mlock(p, PAGE), EPERM);
		CHECK_ERRNO(mlockall(MCL_FUTURE), EPERM);
	});

	CHECK_EXIT(pid, 0);
}
