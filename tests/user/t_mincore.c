/* SPDX-License-Identifier: MIT */
/*
 * mincore: which pages are there.
 */
#include "utest.h"

#define RW (PROT_READ | PROT_WRITE)

TEST(anonymous, "pages called resident before they are touched, or not after")
{
	char *p = ut_map_alone(8 * PAGE);
	unsigned char v[8];

	memset(v, 0xff, 8);
	OK(mincore(p, 8 * PAGE, v));
	for (int i = 0; i < 8; i++)
		CHECK_EQ(v[i] & 1, 0);
	p[0] = p[3 * PAGE] = p[7 * PAGE] = 1;
	OK(mincore(p, 8 * PAGE, v));
	for (int i = 0; i < 8; i++)
		CHECK_EQ(v[i] & 1, i == 0 || i == 3 || i == 7);
	OK(madvise(p, 8 * PAGE, MADV_DONTNEED));
	OK(mincore(p, 8 * PAGE, v));
	CHECK_EQ(v[3] & 1, 0);
}

TEST(file, "cached pages that nobody has mapped: resident as well")
{
	int fd = ut_file("f", NULL, 0);
	unsigned char v[4];

	OK(ftruncate(fd, 4 * PAGE));
	OK(pwrite(fd, "x", 1, PAGE));
	char *p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	OK(mincore(p, 4 * PAGE, v));
	CHECK_EQ(v[0] & 1, 0);
	CHECK_EQ(v[1] & 1, 1);
	CHECK_EQ(v[2] & 1, 0);
}

TEST(errors, "misuse accepted")
{
	char *p = ut_map_alone(4 * PAGE);
	unsigned char v[4];

	CHECK_ERRNO(mincore(p + 1, PAGE, v), EINVAL);
	CHECK_ERRNO(mincore(p, PAGE, BADPTR), EFAULT);
	CHECK_ERRNO(syscall(SYS_mincore, p, SIZE_MAX & ~(PAGE - 1), v), ENOMEM);
	OK(munmap(p + 2 * PAGE, PAGE));
	CHECK_ERRNO(mincore(p, 4 * PAGE, v), ENOMEM);
	OK(mincore(p, 2 * PAGE, v));
	OK(mincore(p, 0, v));
	OK(mincore(p, 1, v));
	/* an address that cannot be the user's is ENOMEM, not EFAULT */
	CHECK_ERRNO(mincore(KERNPTR, PAGE, v), ENOMEM);
}

TEST_MEM(long_range, 24, "a result longer than the kernel's buffer")
{
	size_t n = 10000;
	char *p = ut_map_alone(n * PAGE);
	unsigned char *v = malloc(n + 1);

	v[n] = 0x77;
	for (size_t i = 0; i < n; i += 1000)
		p[i * PAGE] = 1;
	OK(mincore(p, n * PAGE, v));
	for (size_t i = 0; i < n; i++)
		if ((v[i] & 1) != (i % 1000 == 0)) {
			FAIL("page %zu: %d", i, v[i]);
			break;
		}
	CHECK_EQ(v[n], 0x77);
}

TEST(vector_is_the_range, "a result written into the range itself: a deadlock on the area lock")
{
	unsigned char *p = ut_map_alone(16 * PAGE);

	OK(mincore(p, 16 * PAGE, p + 8 * PAGE));
	CHECK_EQ(p[8 * PAGE] & 1, 0);
}
