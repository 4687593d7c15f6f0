/* SPDX-License-Identifier: MIT */
/*
 * mremap: grow, shrink and move.
 */
#include "utest.h"

#define RW                        (PROT_READ | PROT_WRITE)
#define sys_mremap(a, o, n, f, t) ((void *)syscall(SYS_mremap, a, o, n, f, t))

static void fill(char *p, int pages)
{
	for (int i = 0; i < pages; i++)
		p[i * PAGE] = 'a' + i;
}

static void check_fill(const char *p, int pages)
{
	for (int i = 0; i < pages; i++)
		CHECK_EQ(p[i * PAGE], 'a' + i);
}

TEST(shrink, "a tail that stays")
{
	char *p = ut_map(8 * PAGE);

	fill(p, 8);
	CHECK(sys_mremap(p, 8 * PAGE, 3 * PAGE, 0, 0) == p);
	check_fill(p, 3);
	CHECK_FAULT(ut_read(p + 3 * PAGE), SIGSEGV, SEGV_MAPERR, p + 3 * PAGE);
}

TEST(grow_in_place, "growth into free space that moves, or that shows old bytes")
{
	char *p = ut_map_alone(8 * PAGE);

	memset(p, 'x', 8 * PAGE);
	OK(munmap(p + 4 * PAGE, 4 * PAGE));
	CHECK(sys_mremap(p, 4 * PAGE, 8 * PAGE, 0, 0) == p);
	CHECK_EQ(p[4 * PAGE - 1], 'x');
	CHECK_EQ(p[4 * PAGE], 0);
	CHECK_EQ(ut_maps_count(p, p + 8 * PAGE), 1);
}

TEST(grow_blocked, "growth over a neighbour without MAYMOVE")
{
	char *p = ut_map_alone(8 * PAGE);

	fill(p, 8);
	OK(mprotect(p + 4 * PAGE, PAGE, PROT_READ));
	CHECK_ERRNO(sys_mremap(p, 4 * PAGE, 5 * PAGE, 0, 0), ENOMEM);
	check_fill(p, 8);
}

TEST(move, "contents lost or copied, or the old place still there")
{
	char *p = ut_map_alone(8 * PAGE);
	uint64_t pfn[4];

	fill(p, 8);
	OK(mprotect(p + 4 * PAGE, PAGE, PROT_READ));
	for (int i = 0; i < 4; i++)
		pfn[i] = PM_PFN(ut_pagemap(p + i * PAGE));
	char *q = OK(sys_mremap(p, 4 * PAGE, 100 * PAGE, MREMAP_MAYMOVE, 0));
	CHECK(q != p);
	check_fill(q, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(PM_PFN(ut_pagemap(q + i * PAGE)), pfn[i]);
	CHECK_EQ(q[4 * PAGE], 0);
	CHECK_NOFAULT(ut_write(q + 99 * PAGE));
	CHECK_FAULT(ut_read(p), SIGSEGV, SEGV_MAPERR, p);
	CHECK_EQ(p[5 * PAGE], 'f');
}

TEST(fixed, "MREMAP_FIXED that does not replace what is there")
{
	char *p = ut_map(4 * PAGE), *to = ut_map_alone(8 * PAGE);

	fill(p, 4);
	memset(to, 'o', 8 * PAGE);
	CHECK(sys_mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 2 * PAGE) ==
	      to + 2 * PAGE);
	check_fill(to + 2 * PAGE, 4);
	CHECK_EQ(to[0], 'o');
	CHECK_EQ(to[6 * PAGE], 'o');
	CHECK_EQ(to[2 * PAGE + 1], 0);
	CHECK_FAULT(ut_read(p), SIGSEGV, SEGV_MAPERR, p);
}

TEST(errors, "misuse accepted")
{
	char *p = ut_map_alone(4 * PAGE), *q = ut_map_alone(4 * PAGE);

	CHECK_ERRNO(sys_mremap(p + 1, PAGE, PAGE, 0, 0), EINVAL);
	CHECK_ERRNO(sys_mremap(p, PAGE, 0, 0, 0), EINVAL);
	CHECK_ERRNO(sys_mremap(p, PAGE, PAGE, 0x100, 0), EINVAL);
	CHECK_ERRNO(sys_mremap(p, PAGE, PAGE, MREMAP_FIXED, q), EINVAL);
	CHECK_ERRNO(sys_mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + 1), EINVAL);
	CHECK_ERRNO(sys_mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE),
		    EINVAL);
	CHECK_ERRNO(sys_mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), EINVAL);
	CHECK_ERRNO(sys_mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, KERNPTR), EINVAL);
	/* 0 as the old length is for shared maps only */
	CHECK_ERRNO(sys_mremap(p, 0, PAGE, MREMAP_MAYMOVE, 0), EINVAL);
	OK(munmap(q, 4 * PAGE));
	CHECK_ERRNO(sys_mremap(q, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0), EFAULT);
	/* a range that runs past the area */
	CHECK_ERRNO(sys_mremap(p, 5 * PAGE, 6 * PAGE, MREMAP_MAYMOVE, 0), EFAULT);
	CHECK_ERRNO(sys_mremap(p, 4 * PAGE, 1UL << 48, MREMAP_MAYMOVE, 0), ENOMEM);
	CHECK_NOFAULT(ut_write(p + 3 * PAGE));
}

TEST(shared_duplicate, "old length 0: a second view of a shared mapping")
{
	char *p = OK(mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	p[0] = 's';
	char *q = OK(sys_mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE, 0));
	CHECK(q != p);
	CHECK_EQ(q[0], 's');
	q[PAGE] = 't';
	CHECK_EQ(p[PAGE], 't');
}

TEST(file, "the file offset lost by a move")
{
	int fd = ut_file("f", NULL, 0);

	OK(ftruncate(fd, 8 * PAGE));
	OK(pwrite(fd, "three", 5, 3 * PAGE));
	OK(pwrite(fd, "five", 4, 5 * PAGE));
	char *p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 2 * PAGE));
	char *q = OK(sys_mremap(p + PAGE, PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0));
	CHECK(!memcmp(q, "three", 5));
	CHECK(!memcmp(q + 2 * PAGE, "five", 4));
}

TEST(cow_kept, "a page shared by fork that a move makes writable")
{
	volatile char *p = ut_map_alone(2 * PAGE);
	int go[2];
	char c;

	p[0] = 'p';
	OK(pipe(go));
	pid_t pid = CHILD({
		close(go[1]);
		CHECK_EQ(read(go[0], &c, 1), 0);
		CHECK_EQ(p[0], 'p');
	});
	close(go[0]);
	volatile char *to = ut_map_alone(PAGE);
	volatile char *q = OK(sys_mremap((void *)p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	q[0] = 'q';
	close(go[1]);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(q[0], 'q');
}

TEST(across_tables, "a move between offsets that are different in the page table")
{
	size_t n = 1500;
	char *p = ut_map_alone(n * PAGE);
	char *to = ut_map_alone((n + 1200) * PAGE);

	for (size_t i = 0; i < n; i += 3)
		*(size_t *)(p + i * PAGE) = i + 1;
	char *q = OK(
		sys_mremap(p, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 777 * PAGE));
	for (size_t i = 0; i < n; i++)
		if (*(size_t *)(q + i * PAGE) != (i % 3 ? 0 : i + 1)) {
			FAIL("page %zu has %zu", i, *(size_t *)(q + i * PAGE));
			break;
		}
}

TEST(dontunmap, "MREMAP_DONTUNMAP that leaves the pages behind, or unmaps the area")
{
	char *p = ut_map_alone(4 * PAGE);

	fill(p, 4);
	char *q = sys_mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	if (q == MAP_FAILED && errno == EINVAL)
		SKIP_LINUX("MREMAP_DONTUNMAP is not there");
	REQUIRE(q != MAP_FAILED);
	check_fill(q, 4);
	CHECK_EQ(p[0], 0);
	CHECK_NOFAULT(ut_write(p + 3 * PAGE));
}

TEST(part_of_an_area, "only a piece from the middle moves")
{
	char *p = ut_map_alone(8 * PAGE);

	fill(p, 8);
	char *q = OK(sys_mremap(p + 3 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE, 0));
	CHECK_EQ(q[0], 'd');
	CHECK_EQ(q[PAGE], 'e');
	CHECK_EQ(q[2 * PAGE], 0);
	CHECK_EQ(p[2 * PAGE], 'c');
	CHECK_EQ(p[5 * PAGE], 'f');
	CHECK_FAULT(ut_read(p + 3 * PAGE), SIGSEGV, SEGV_MAPERR, p + 3 * PAGE);
	CHECK_FAULT(ut_read(p + 4 * PAGE), SIGSEGV, SEGV_MAPERR, p + 4 * PAGE);
}

TEST_MEM(realloc_large, 64, "the C library's realloc of large blocks")
{
	size_t len = 200 << 10;
	unsigned char *p = malloc(len);

	for (size_t i = 0; i < len; i++)
		p[i] = i * 7;
	for (int round = 0; round < 6; round++) {
		size_t old = len;
		len *= 2;
		p = realloc(p, len);
		REQUIRE(p != NULL);
		memset(p + old, 1, len - old);
	}
	for (size_t i = 0; i < 200 << 10; i++)
		if (p[i] != (unsigned char)(i * 7)) {
			FAIL("byte %zu", i);
			break;
		}
}

static long committed(void)
{
	static char buf[8192];
	char *p;

	OK(ut_slurp("/proc/meminfo", buf, sizeof(buf)));
	REQUIRE((p = strstr(buf, "Committed_AS:")));
	return atol(p + 13);
}

TEST_MEM(commit, 48, "what mremap adds or gives back not promised, or promised for ever")
{
	char *p = ut_map(PAGE);
	long before = committed(), grown;

	p = OK(mremap(p, PAGE, 32 << 20, MREMAP_MAYMOVE));
	grown = committed() - before;
	CHECK(grown > (30 << 10) && grown < (34 << 10)); /* the counter may lag a little behind */
	p = OK(mremap(p, 32 << 20, PAGE, 0));
	grown = committed() - before;
	CHECK(grown > -(2 << 10) && grown < (2 << 10));
	OK(munmap(p, PAGE));
}
