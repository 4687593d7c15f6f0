/* SPDX-License-Identifier: MIT */
/*
 * remap_file_pages: other pages of the same file at the same addresses. Linux has only mapped them
 * over the old ones since 4.0.
 */
#include "utest.h"

#define RW (PROT_READ | PROT_WRITE)
#define N  6

static long remap(char *p, size_t len, int prot, unsigned long pgoff, int flags)
{
	return syscall(SYS_remap_file_pages, p, len, prot, pgoff, flags);
}

/* N pages of a shared object between holes, "abcdef". */
static char *lettered(int fd)
{
	char *p = ut_map_alone(N * PAGE);

	OK(mmap(p, N * PAGE, RW, MAP_SHARED | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0));
	for (int i = 0; i < N; i++)
		p[i * PAGE] = (char)('a' + i);
	return p;
}

static const char *letters(const char *p)
{
	static char s[N + 1];

	for (int i = 0; i < N; i++)
		s[i] = p[i * PAGE];
	return s;
}

TEST(places_change, "another page than asked for, or one that is not the file's")
{
	int fd = ut_file("f", NULL, 0);

	for (int i = 0; i < 2; i++) {
		OK(ftruncate(fd, N * PAGE));
		char *p = lettered(i ? fd : -1);

		OK(remap(p, PAGE, 0, 5, 0));
		OK(remap(p + 5 * PAGE, PAGE, 0, 0, MAP_NONBLOCK));
		CHECK_STR(letters(p), "fbcdea");
		OK(remap(p + PAGE, 2 * PAGE, 0, 3, 0)); /* d and e twice */
		CHECK_STR(letters(p), "fdedea");
		p[PAGE] = 'D';
		CHECK_STR(letters(p), "fDeDea");
		CHECK_EQ(ut_maps_count(p, p + N * PAGE), 4);
		OK(remap(p, N * PAGE, 0, 0, 0)); /* over all of them: one again */
		CHECK_STR(letters(p), "abcDef");
		CHECK_EQ(ut_maps_count(p, p + N * PAGE), 1);
		OK(munmap(p, N * PAGE));
	}
}

TEST(there_at_once, "pages that are faulted in later, or against MAP_NONBLOCK")
{
	char *p = lettered(-1);

	OK(remap(p, 2 * PAGE, 0, 2, 0));
	CHECK_EQ(ut_smaps(0, p, "Rss"), 8);
	OK(remap(p, 2 * PAGE, 0, 4, MAP_NONBLOCK));
	CHECK_EQ(ut_smaps(0, p, "Rss"), 0);
	CHECK_STR(letters(p), "efcdef");
}

TEST(rights_stay, "rights, locks or the part around that change")
{
	char *p = lettered(-1), line[256];

	OK(mprotect(p, 3 * PAGE, PROT_READ));
	OK(remap(p + PAGE, PAGE, 0, 4, 0));
	CHECK_FAULT(ut_write(p + PAGE), SIGSEGV, SEGV_ACCERR, p + PAGE);
	CHECK(ut_maps_line(0, p + PAGE, line, sizeof(line)));
	CHECK(strstr(line, "r--s"));
	CHECK_STR(letters(p), "aecdef");
	CHECK_ERRNO(remap(p, N * PAGE, 0, 0, 0), EINVAL); /* two kinds of rights */
	NEEDS(mlock(p + 4 * PAGE, PAGE));
	OK(remap(p + 4 * PAGE, PAGE, 0, 0, MAP_NONBLOCK));
	CHECK_EQ(ut_smaps(0, p + 4 * PAGE, "Locked"), 2); /* its share of page 0, as Pss counts */
	CHECK_EQ(ut_smaps(0, p + 4 * PAGE, "Rss"), 4);
}

TEST(lengths, "an unaligned address or length refused, or rounded up")
{
	char *p = lettered(-1);

	OK(remap(p + 100, PAGE + 4095, 0, 3, 0));
	CHECK_STR(letters(p), "dbcdef");
	CHECK_ERRNO(remap(p, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap(p, 4095, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap(p, -PAGE, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap(p, (size_t)-1, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap(p, PAGE, 0, ~0UL, 0), EINVAL);
	CHECK_ERRNO(remap(p, PAGE, 0, 1UL << 51, 0), EOVERFLOW);
	OK(remap(p, PAGE, 0, 100, 0)); /* beyond the end: as mmap allows it */
	CHECK_FAULT(ut_read(p), SIGBUS, BUS_ADRERR, p);
}

TEST(errors, "private, read-only or missing memory accepted")
{
	char *p = lettered(-1), *q = ut_map_alone(2 * PAGE);
	int fd = ut_file("f", "x", 1), ro = OK(open("f", O_RDONLY));

	CHECK_ERRNO(remap(p, PAGE, PROT_READ, 0, 0), EINVAL);
	CHECK_ERRNO(remap(q, PAGE, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap(BADPTR, PAGE, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap(KERNPTR, PAGE, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap(p + 5 * PAGE, 2 * PAGE, 0, 0, 0), EINVAL);
	OK(mmap(q, 2 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 0));
	CHECK_ERRNO(remap(q, PAGE, 0, 0, 0), EINVAL);
	/* what a read-only descriptor maps is shared in name only */
	OK(mmap(q, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, ro, 0));
	CHECK_ERRNO(remap(q, PAGE, 0, 1, 0), EINVAL);
	OK(munmap(p + 2 * PAGE, PAGE));
	CHECK_ERRNO(remap(p + PAGE, 3 * PAGE, 0, 0, 0), EINVAL);
	OK(mmap(p + 2 * PAGE, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	CHECK_ERRNO(remap(p + PAGE, 3 * PAGE, 0, 0, 0), EINVAL); /* another object */
}
