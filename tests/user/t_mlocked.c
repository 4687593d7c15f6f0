/* SPDX-License-Identifier: MIT */
/*
 * Locked pages, page by page: what Mlocked and Unevictable count, through all that happens to a mapping;
 * and where RLIMIT_MEMLOCK says no.
 */
#include "utest.h"

#define N  64
#define RW (PROT_READ | PROT_WRITE)
#define AP (MAP_PRIVATE | MAP_ANONYMOUS)

static long meminfo(const char *name)
{
	static char text[8192];
	const char *p;

	OK(ut_slurp("/proc/meminfo", text, sizeof(text)));
	p = strstr(text, name);
	return p ? atol(p + strlen(name)) : -1;
}

static long mlocked, unevictable;

static void start(void)
{
	mlocked = meminfo("Mlocked:");
	unevictable = meminfo("Unevictable:");
}

/* So many pages more than at the start. Linux moves them in batches: it gets a while. */
static void check_pages(int line, long pages)
{
	long m, u;

	for (int i = 0; i < 100; i++) {
		m = (meminfo("Mlocked:") - mlocked) / 4;
		u = (meminfo("Unevictable:") - unevictable) / 4;
		if (m == pages && u == pages)
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
