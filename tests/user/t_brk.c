/* SPDX-License-Identifier: MIT */
/*
 * brk: the heap. (musl's sbrk always fails: the system call it is.)
 */
#include "utest.h"

static char *brk_now(void)
{
	return (char *)syscall(SYS_brk, 0);
}

static char *brk_to(void *p)
{
	return (char *)syscall(SYS_brk, p);
}

/* The page-aligned break: what follows is ours to grow into. */
static char *aligned_break(void)
{
	char *b = (char *)(((uintptr_t)brk_now() + PAGE - 1) & ~(PAGE - 1));

	REQUIRE(brk_to(b) == b);
	return b;
}

TEST(grow, "heap that is not zero, not there, or larger than asked")
{
	char *b = aligned_break();

	CHECK(brk_to(b + 4 * PAGE) == b + 4 * PAGE);
	for (unsigned i = 0; i < 4 * PAGE; i++)
		if (b[i]) {
			FAIL("byte %u not zero", i);
			break;
		}
	memset(b, 'h', 4 * PAGE);
	CHECK_FAULT(ut_read(b + 4 * PAGE), SIGSEGV, SEGV_MAPERR, b + 4 * PAGE);
}

TEST(shrink, "memory given back that can be reached, or that comes back with its old bytes")
{
	char *b = aligned_break();

	CHECK(brk_to(b + 4 * PAGE) == b + 4 * PAGE);
	memset(b, 's', 4 * PAGE);
	CHECK(brk_to(b + 2 * PAGE) == b + 2 * PAGE);
	CHECK_FAULT(ut_read(b + 2 * PAGE), SIGSEGV, SEGV_MAPERR, b + 2 * PAGE);
	CHECK_EQ(b[2 * PAGE - 1], 's');
	CHECK(brk_to(b + 4 * PAGE) == b + 4 * PAGE);
	CHECK_EQ(b[2 * PAGE], 0);
	CHECK_EQ(b[2 * PAGE - 1], 's');
}

TEST(within_a_page, "a break that moves by bytes and loses or clears the page")
{
	char *b = aligned_break();

	CHECK(brk_to(b + 1) == b + 1);
	b[0] = 'x';
	b[PAGE - 1] = 'y'; /* the page is there as a whole */
	CHECK(brk_to(b + 100) == b + 100);
	CHECK_EQ(b[0], 'x');
	CHECK(brk_to(b + PAGE) == b + PAGE);
	CHECK_EQ(b[PAGE - 1], 'y');
	CHECK(brk_to(b) == b);
	CHECK_FAULT(ut_read(b), SIGSEGV, SEGV_MAPERR, b);
}

TEST(refused, "an impossible break that moves it or returns -1")
{
	char *b = aligned_break();

	CHECK(brk_to(NULL) == b);
	CHECK(brk_to((void *)PAGE) == b); /* below the start of the heap */
	CHECK(brk_to((void *)0x7ffffffff000) == b);
	CHECK(brk_to(KERNPTR) == b);
	CHECK(brk_to((void *)-1) == b);
}

TEST(collision, "a heap that grows over a mapping")
{
	char *b = aligned_break();
	char *wall = b + 16 * PAGE;

	OK(mmap(wall, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		0));
	wall[0] = 'w';
	CHECK(brk_to(wall + PAGE) == b);
	CHECK(brk_to(wall + 1) == b);
	CHECK_EQ(wall[0], 'w');
	CHECK(brk_to(b + 8 * PAGE) == b + 8 * PAGE);
}

TEST(rlimit, "RLIMIT_DATA that does not hold for the heap")
{
	pid_t pid = CHILD({
		char *b = aligned_break();
		struct rlimit rl = {0, RLIM_INFINITY};
		OK(setrlimit(RLIMIT_DATA, &rl));
		CHECK(brk_to(b + 64 * PAGE) == b);
		CHECK(brk_now() == b);
	});
	CHECK_EXIT(pid, 0);
}

TEST(one_area, "a heap that falls into many areas, or is not called [heap]")
{
	char *b = aligned_break();
	char line[256];

	for (int i = 1; i <= 16; i++)
		CHECK(brk_to(b + i * PAGE) == b + i * PAGE);
	CHECK_EQ(ut_maps_count(b, b + 16 * PAGE), 1);
	REQUIRE(ut_maps_line(0, b, line, sizeof(line)));
	CHECK(strstr(line, " rw-p 00000000 00:00 0 ") != NULL);
	CHECK(strstr(line, " [heap]") != NULL);
}

TEST(fork_own, "a break that parent and child share")
{
	char *b = aligned_break();

	pid_t pid = CHILD({
		CHECK(brk_now() == b);
		CHECK(brk_to(b + 8 * PAGE) == b + 8 * PAGE);
		b[0] = 'c';
	});
	CHECK_EXIT(pid, 0);
	CHECK(brk_now() == b);
	CHECK_FAULT(ut_read(b), SIGSEGV, SEGV_MAPERR, b);
}

TEST(partly_unmapped, "a heap with a hole in it, then shrunk")
{
	char *b = aligned_break();

	CHECK(brk_to(b + 8 * PAGE) == b + 8 * PAGE);
	OK(munmap(b + 3 * PAGE, 2 * PAGE));
	CHECK(brk_to(b + PAGE) == b + PAGE);
	CHECK_FAULT(ut_read(b + 6 * PAGE), SIGSEGV, SEGV_MAPERR, b + 6 * PAGE);
	CHECK_NOFAULT(ut_write(b));
}

TEST_MEM(malloc_works, 32, "the allocator of the C library on top of it")
{
	enum { N = 500 };
	static unsigned char *p[N];
	static size_t len[N];

	for (int step = 0; step < 5000; step++) {
		int i = ut_rand() % N;

		if (p[i]) {
			for (size_t k = 0; k < len[i]; k += 97)
				if (p[i][k] != (unsigned char)i) {
					FAIL("block %d byte %zu", i, k);
					return;
				}
			free(p[i]);
			p[i] = NULL;
		} else {
			len[i] = 1 + ut_rand() % 20000;
			p[i] = malloc(len[i]);
			REQUIRE(p[i] != NULL);
			memset(p[i], i, len[i]);
		}
	}
}
