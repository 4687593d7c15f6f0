/* SPDX-License-Identifier: MIT */
/*
 * madvise: the advice that has an effect that can be seen, and misuse.
 */
#include "utest.h"

#define RW                   (PROT_READ | PROT_WRITE)
#define sys_madvise(a, l, h) syscall(SYS_madvise, a, l, h)

TEST(dontneed_anon, "pages that stay, or that come back with their old bytes")
{
	char *p = ut_map_alone(16 * PAGE);

	memset(p, 'x', 16 * PAGE);
	OK(madvise(p + 2 * PAGE, 4 * PAGE, MADV_DONTNEED));
	CHECK_EQ(ut_smaps(0, p, "Rss"), 48);
	for (int i = 0; i < 16; i++)
		CHECK_EQ(p[i * PAGE], i >= 2 && i < 6 ? 0 : 'x');
	CHECK_EQ(ut_maps_count(p, p + 16 * PAGE), 1);
}

TEST(dontneed_file, "a private change kept, a shared one lost")
{
	int fd = ut_file("f", "file", 4);
	char *p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	char *s = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));

	p[0] = 'P';
	s[1] = 'S';
	OK(madvise(p, PAGE, MADV_DONTNEED));
	OK(madvise(s, PAGE, MADV_DONTNEED));
	CHECK(!memcmp(p, "fSle", 4));
	CHECK(!memcmp(s, "fSle", 4));
}

TEST(dontneed_shared, "shared anonymous memory thrown away by one of its users")
{
	char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	p[0] = 's';
	OK(madvise(p, PAGE, MADV_DONTNEED));
	CHECK_EQ(p[0], 's');
}

TEST(dontneed_fork, "the child's advice that takes the parent's page")
{
	volatile char *p = ut_map(PAGE);

	p[0] = 'p';
	pid_t pid = CHILD({
		OK(madvise((void *)p, PAGE, MADV_DONTNEED));
		CHECK_EQ(p[0], 0);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(p[0], 'p');
}

TEST(free, "MADV_FREE refused or taking effect on a page that was written after it")
{
	char *p = ut_map(4 * PAGE);
	int fd = ut_file("f", "x", 1);

	memset(p, 'f', 4 * PAGE);
	OK(madvise(p, 4 * PAGE, MADV_FREE));
	p[0] = 'w';
	CHECK_EQ(p[0], 'w');
	CHECK(p[PAGE] == 'f' || p[PAGE] == 0);
	char *m = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	CHECK_ERRNO(madvise(m, PAGE, MADV_FREE), EINVAL);
}

TEST(errors, "misuse accepted")
{
	char *p = ut_map_alone(8 * PAGE);

	CHECK_ERRNO(sys_madvise(p + 1, PAGE, MADV_NORMAL), EINVAL);
	CHECK_ERRNO(sys_madvise(p, PAGE, 12345), EINVAL);
	CHECK_ERRNO(sys_madvise(p, PAGE, -1), EINVAL);
	CHECK_ERRNO(sys_madvise(p, -1L, MADV_NORMAL), EINVAL);
	OK(sys_madvise(p, 0, MADV_NORMAL));
	OK(sys_madvise(p, 1, MADV_DONTNEED)); /* rounded up */
	OK(munmap(p + 2 * PAGE, PAGE));
	CHECK_ERRNO(sys_madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED), ENOMEM);
}

TEST(hole, "a hole: the rest is done, the result is ENOMEM")
{
	char *p = ut_map_alone(8 * PAGE);

	memset(p, 'x', 8 * PAGE);
	OK(munmap(p + 3 * PAGE, PAGE));
	CHECK_ERRNO(madvise(p, 8 * PAGE, MADV_DONTNEED), ENOMEM);
	CHECK_EQ(p[0], 0);
	CHECK_EQ(p[7 * PAGE], 0);
}

TEST(hints, "harmless advice refused")
{
	char *p = ut_map(4 * PAGE);
	static const int advice[] = {MADV_NORMAL,   MADV_RANDOM,   MADV_SEQUENTIAL,
				     MADV_WILLNEED, MADV_DONTDUMP, MADV_DODUMP};

	memset(p, 'h', 4 * PAGE);
	for (unsigned i = 0; i < sizeof(advice) / sizeof(*advice); i++)
		OK(madvise(p, 4 * PAGE, advice[i]));
	CHECK_EQ(p[0], 'h');
	CHECK_EQ(p[3 * PAGE], 'h');
}

TEST(dontfork, "MADV_DONTFORK inherited, or DOFORK not undoing it")
{
	char *p = ut_map_alone(2 * PAGE);

	p[0] = p[PAGE] = 'd';
	OK(madvise(p, PAGE, MADV_DONTFORK));
	pid_t pid = CHILD({
		CHECK_FAULT(ut_read(p), SIGSEGV, SEGV_MAPERR, p);
		CHECK_EQ(p[PAGE], 'd');
	});
	CHECK_EXIT(pid, 0);
	OK(madvise(p, PAGE, MADV_DOFORK));
	pid = CHILD({ CHECK_EQ(p[0], 'd'); });
	CHECK_EXIT(pid, 0);
}

TEST(wipeonfork, "MADV_WIPEONFORK that shows the parent's bytes to the child")
{
	char *p = ut_map_alone(2 * PAGE);
	int fd = ut_file("f", "x", 1);

	p[0] = p[PAGE] = 'w';
	OK(madvise(p, PAGE, 18 /* MADV_WIPEONFORK */));
	pid_t pid = CHILD({
		CHECK_EQ(p[0], 0);
		CHECK_EQ(p[PAGE], 'w');
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(p[0], 'w');
	OK(madvise(p, PAGE, 19 /* MADV_KEEPONFORK */));
	pid = CHILD({ CHECK_EQ(p[0], 'w'); });
	CHECK_EXIT(pid, 0);
	char *m = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	CHECK_ERRNO(madvise(m, PAGE, 18), EINVAL);
}

TEST(populate, "MADV_POPULATE_* that maps nothing, or the wrong kind of page")
{
	char *p = ut_map_alone(16 * PAGE);

	if (madvise(p, PAGE, MADV_POPULATE_READ) < 0 && errno == EINVAL)
		SKIP_LINUX("MADV_POPULATE_READ is not there");
	OK(madvise(p, 8 * PAGE, MADV_POPULATE_READ));
	OK(madvise(p + 8 * PAGE, 8 * PAGE, MADV_POPULATE_WRITE));
	CHECK_EQ(ut_smaps(0, p, "Anonymous"), 32);
	CHECK(ut_pagemap(p) & PM_PRESENT);
	CHECK(ut_pagemap(p + 8 * PAGE) & PM_PRESENT);
	OK(mprotect(p, 16 * PAGE, PROT_READ));
	CHECK_ERRNO(madvise(p, PAGE, MADV_POPULATE_WRITE), EINVAL);
	OK(munmap(p + PAGE, PAGE));
	CHECK_ERRNO(madvise(p, 4 * PAGE, MADV_POPULATE_READ), ENOMEM);
}

TEST(remove, "MADV_REMOVE that does not punch a hole into a tmpfs file")
{
	int fd = ut_file("f", NULL, 0);
	struct stat st;
	char c;

	OK(ftruncate(fd, 4 * PAGE));
	char *p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	memset(p, 'r', 4 * PAGE);
	if (madvise(p + PAGE, PAGE, MADV_REMOVE) < 0 && (errno == EOPNOTSUPP || errno == EINVAL))
		SKIP_LINUX("MADV_REMOVE is not there");
	CHECK_EQ(p[PAGE], 0);
	CHECK_EQ(p[0], 'r');
	CHECK_EQ(p[2 * PAGE], 'r');
	OK(pread(fd, &c, 1, PAGE));
	CHECK_EQ(c, 0);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 4 * PAGE);
	CHECK_ERRNO(madvise(ut_map(PAGE), PAGE, MADV_REMOVE), EINVAL);
}

TEST(remove_sealed, "MADV_REMOVE that changes a sealed file, or leaves its times as they were")
{
	int fd = OK((int)syscall(SYS_memfd_create, "m", 2 /* MFD_ALLOW_SEALING */));
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct stat st;

	OK(ftruncate(fd, 4 * PAGE));
	char *p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	memset(p, 's', 4 * PAGE);
	OK(futimens(fd, old));
	OK(madvise(p, PAGE, MADV_REMOVE));
	OK(fstat(fd, &st));
	CHECK(st.st_mtim.tv_sec != 1000);
	CHECK_EQ(st.st_blocks, 24);
	OK(fcntl(fd, 1033 /* F_ADD_SEALS */, 0x10 /* F_SEAL_FUTURE_WRITE */));
	CHECK_ERRNO(madvise(p + PAGE, PAGE, MADV_REMOVE), EPERM);
	CHECK_EQ(p[PAGE], 's');
}
