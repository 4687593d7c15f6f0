/* SPDX-License-Identifier: MIT */
/*
 * munmap: whole areas, their heads, tails and middles, and several at once.
 */
#include "utest.h"

TEST(basic, "memory that can still be reached after munmap (a stale table or TLB entry)")
{
	char *p = ut_map(3 * PAGE);

	memset(p, 1, 3 * PAGE);
	OK(munmap(p, 3 * PAGE));
	for (int i = 0; i < 3; i++) {
		CHECK_FAULT(ut_read(p + i * PAGE), SIGSEGV, SEGV_MAPERR, p + i * PAGE);
		CHECK_FAULT(ut_write(p + i * PAGE), SIGSEGV, SEGV_MAPERR, p + i * PAGE);
	}
}

TEST(errors, "bad ranges accepted")
{
	char *p = ut_map(PAGE);

	CHECK_ERRNO(munmap(p + 1, PAGE), EINVAL);
	CHECK_ERRNO(munmap(p, 0), EINVAL);
	CHECK_ERRNO(munmap(KERNPTR, PAGE), EINVAL);
	CHECK_ERRNO(munmap((void *)0x7ffffffff000, PAGE), EINVAL);
	CHECK_ERRNO(munmap((void *)0x7fffffffe000, 2 * PAGE), EINVAL);
	CHECK_ERRNO(munmap(p, SIZE_MAX), EINVAL);
	CHECK_ERRNO(munmap(p, -PAGE), EINVAL);
	CHECK_NOFAULT(ut_write(p));
}

TEST(nothing_there, "unmapping a hole called an error")
{
	char *p = ut_map(4 * PAGE);

	OK(munmap(p, 4 * PAGE));
	OK(munmap(p, 4 * PAGE));
}

static void cut(int first, int n, int parts)
{
	char *p = ut_map_prot(10 * PAGE, PROT_NONE);

	OK(munmap(p, 10 * PAGE));
	p += PAGE;
	OK(mmap(p, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		0));
	for (int i = 0; i < 8; i++)
		p[i * PAGE] = 'a' + i;
	OK(munmap(p + first * PAGE, n * PAGE));
	CHECK_EQ(ut_maps_count(p, p + 8 * PAGE), parts);
	for (int i = 0; i < 8; i++) {
		char *q = p + i * PAGE;
		if (i >= first && i < first + n)
			CHECK_FAULT(ut_read(q), SIGSEGV, SEGV_MAPERR, q);
		else
			CHECK_EQ(*q, 'a' + i);
	}
}

TEST(head, "a cut at the front that moves the rest")
{
	cut(0, 3, 1);
}

TEST(tail, "a cut at the end that takes too much")
{
	cut(5, 3, 1);
}

TEST(middle, "a split whose halves share one end")
{
	cut(3, 2, 2);
}

TEST(one_page_left, "single pages at both ends lost")
{
	cut(1, 6, 2);
}

TEST(across_areas, "a range over several areas and holes of which only the first goes")
{
	char *p = ut_map_alone(9 * PAGE);

	for (int i = 0; i < 9; i++)
		p[i * PAGE] = i;
	OK(munmap(p + PAGE, PAGE));
	OK(mprotect(p + 3 * PAGE, PAGE, PROT_READ));
	OK(munmap(p + 5 * PAGE, PAGE));
	OK(munmap(p, 8 * PAGE));
	CHECK_EQ(ut_maps_count(p, p + 8 * PAGE), 0);
	CHECK_EQ(p[8 * PAGE], 8);
}

TEST_MEM(frees_memory, 32,
	 "frames that do not come back: 64 MiB through 4 MiB at a time, many times")
{
	for (int i = 0; i < 64; i++) {
		size_t len = 4 << 20;
		char *p = ut_map(len);

		for (size_t k = 0; k < len; k += PAGE)
			p[k] = 1;
		OK(munmap(p, len));
	}
	CHECK(ut_status(0, "VmRSS") < 4096);
}

TEST_MEM(rss_back, 32, "counters that do not go down")
{
	long rss = ut_status(0, "VmRSS"), pte = ut_status(0, "VmPTE"),
	     size = ut_status(0, "VmSize");
	char *p = ut_map(1024 * PAGE);

	memset(p, 1, 1024 * PAGE);
	CHECK(ut_status(0, "RssAnon") >= 4096 - 256); /* Linux counts in batches */
	CHECK_EQ(ut_status(0, "VmSize"), size + 4096);
	OK(munmap(p, 1024 * PAGE));
	CHECK(ut_status(0, "VmRSS") <= rss + 512);
	CHECK(ut_status(0, "VmPTE") <= pte + 8);
	CHECK_EQ(ut_status(0, "VmSize"), size);
}

TEST(fork_keeps_child, "a parent's munmap that takes the child's memory")
{
	char *p = ut_map(16 * PAGE);
	int fds[2];
	char c;

	memset(p, 'p', 16 * PAGE);
	OK(pipe(fds));
	pid_t pid = CHILD({
		close(fds[1]);
		CHECK_EQ(read(fds[0], &c, 1), 0);
		for (unsigned i = 0; i < 16 * PAGE; i++)
			if (p[i] != 'p') {
				FAIL("byte %u changed", i);
				break;
			}
	});
	OK(munmap(p, 16 * PAGE));
	/* take the frames if they were freed */
	char *q = ut_map(64 * PAGE);
	memset(q, 'q', 64 * PAGE);
	close(fds[0]);
	close(fds[1]);
	CHECK_EXIT(pid, 0);
}
