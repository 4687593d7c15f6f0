/* SPDX-License-Identifier: MIT */
/*
 * msync: what can be seen of it without a disk, and misuse.
 */
#include "utest.h"

#define RW (PROT_READ | PROT_WRITE)

TEST(file, "shared bytes not in the file after msync")
{
	int fd = ut_file("f", NULL, 0);
	char c;

	OK(ftruncate(fd, 2 * PAGE));
	char *p = OK(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
	p[PAGE] = 'm';
	OK(msync(p, 2 * PAGE, MS_SYNC));
	OK(msync(p, 2 * PAGE, MS_ASYNC));
	OK(msync(p, 2 * PAGE, MS_SYNC | MS_INVALIDATE));
	OK(pread(fd, &c, 1, PAGE));
	CHECK_EQ(c, 'm');
	OK(fsync(fd));
	OK(fdatasync(fd));
}

TEST(errors, "misuse accepted")
{
	char *p = ut_map_alone(4 * PAGE);

	CHECK_ERRNO(msync(p + 1, PAGE, MS_SYNC), EINVAL);
	CHECK_ERRNO(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERRNO(msync(p, PAGE, 0x100), EINVAL);
	CHECK_ERRNO(syscall(SYS_msync, p, -2 * PAGE, MS_SYNC), ENOMEM);
	OK(msync(p, 0, MS_SYNC));
	OK(msync(p, PAGE, 0));
	OK(msync(p, 4 * PAGE, MS_SYNC)); /* anonymous: nothing to do */
	OK(munmap(p + PAGE, PAGE));
	CHECK_ERRNO(msync(p, 4 * PAGE, MS_SYNC), ENOMEM);
	CHECK_ERRNO(msync(p + PAGE, PAGE, MS_ASYNC), ENOMEM);
}

TEST(private, "a private change that msync writes")
{
	int fd = ut_file("f", "abc", 3);
	char *p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	char c;

	p[0] = 'X';
	OK(msync(p, PAGE, MS_SYNC));
	OK(pread(fd, &c, 1, 0));
	CHECK_EQ(c, 'a');
}

TEST(locked_invalidate, "MS_INVALIDATE of locked memory is EBUSY")
{
	char *p = ut_map_alone(PAGE);

	NEEDS(mlock(p, PAGE));
	CHECK_ERRNO(msync(p, PAGE, MS_INVALIDATE), EBUSY);
	OK(munlock(p, PAGE));
	OK(msync(p, PAGE, MS_INVALIDATE));
}
