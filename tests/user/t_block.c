/* SPDX-License-Identifier: MIT */
/*
 * A block device as a file: /dev/ram1, which nobody else uses. On Linux it is brd's.
 */
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "utest.h"

#define BLKPBSZGET 0x127b
#define DISK       "/dev/ram1"
#define PARAMS     "/sys/module/ramdisk/parameters/"

static int disk(int flags)
{
	int fd = open(DISK, flags | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENXIO))
		SKIP("no second ramdisk (ramdisk_size= ramdisk.count=2)");
	return OK(fd);
}

static void fill(unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)((i * 131 + i / 4096 + seed) ^ seed >> 8);
}

/* The nth number of the disk's stat file, from 0 up. */
static long stat_field(int n)
{
	FILE *f = fopen("/sys/block/ram1/stat", "r");
	long v = -1;

	while (f && n-- >= 0 && fscanf(f, "%ld", &v) == 1)
		;
	if (f)
		fclose(f);
	return v;
}

TEST(geometry, "a size that depends on who asks")
{
	int fd = disk(O_RDONLY), sector = 0, physical = 0, ro = 1, ours = 0;
	unsigned long long bytes = 0, n;
	unsigned long sectors = 0;
	unsigned int ma, mi;
	size_t block = 0;
	struct stat st;
	char line[100];

	OK(ioctl(fd, BLKGETSIZE64, &bytes));
	OK(ioctl(fd, BLKGETSIZE, &sectors));
	OK(ioctl(fd, BLKSSZGET, &sector));
	OK(ioctl(fd, BLKPBSZGET, &physical));
	OK(ioctl(fd, BLKBSZGET, &block));
	OK(ioctl(fd, BLKROGET, &ro));
	CHECK(bytes >= 16 * PAGE && bytes % PAGE == 0);
	CHECK_EQ(sectors, bytes / 512);
	CHECK_EQ(sector, 512);
	CHECK_EQ(physical, 4096);
	CHECK_EQ(block, 4096);
	CHECK_EQ(ro, 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), bytes);
	CHECK_EQ(lseek(fd, -10, SEEK_CUR), bytes - 10);
	CHECK_ERRNO(lseek(fd, bytes + 1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, SEEK_DATA), EINVAL);
	CHECK_ERRNO(ioctl(fd, 0x5401, line), ENOTTY);
	CHECK_ERRNO(ioctl(fd, BLKGETSIZE64, BADPTR), EFAULT);
	OK(fstat(fd, &st));
	CHECK(S_ISBLK(st.st_mode));
	CHECK_EQ(st.st_rdev, makedev(1, 1));
	CHECK_EQ(st.st_size, 0);

	FILE *f = fopen("/proc/partitions", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%u %u %llu ram%d", &ma, &mi, &n, &ours) == 4 && ours == 1)
			CHECK(ma == 1 && mi == 1 && n == bytes / 1024);
	CHECK_EQ(ours, 1);
	fclose(f);
	f = fopen("/sys/dev/block/1:1/size", "r");
	CHECK(f && fscanf(f, "%llu", &n) == 1 && n == sectors);
	if (f)
		fclose(f);
}

TEST(data, "bytes that come back wrong, from the cache or from the disk, by whatever name")
{
	static unsigned char a[5 * 4096], b[sizeof(a)];
	int fd = disk(O_RDWR), other = disk(O_RDONLY);

	for (unsigned i = 0; i < 20; i++) {
		off_t at = i * 1777 % 20000;
		size_t n = sizeof(a) - i * 511;

		fill(a, n, i * 7919);
		CHECK_EQ(pwrite(fd, a, n, at), n);
		CHECK_EQ(pread(other, b, n, at), n);
		CHECK(memcmp(a, b, n) == 0);
		OK(i & 1 ? fsync(fd) : fdatasync(fd));
		OK(ioctl(fd, BLKFLSBUF, 0));
		CHECK_EQ(pread(other, b, n, at), n);
		CHECK(memcmp(a, b, n) == 0);
		OK(close(fd));
		OK(close(other)); /* the last: nothing stays in memory */
		fd = disk(O_RDWR);
		OK(mknod("node", S_IFBLK | 0600, makedev(1, 1)));
		other = OK(open("node", O_RDONLY | O_CLOEXEC));
		OK(unlink("node"));
		CHECK_EQ(pread(other, b, n, at), n);
		CHECK(memcmp(a, b, n) == 0);
	}
	CHECK_ERRNO(open(DISK, O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(ftruncate(fd, 0), EINVAL);
	OK(close(OK(open(DISK, O_RDWR | O_TRUNC)))); /* means nothing */
	CHECK_EQ(pread(other, b, 1, 0), 1);
}

TEST(end, "a write beyond the end that is accepted, or one up to it that is not")
{
	unsigned char buf[3 * 4096];
	int fd = disk(O_RDWR);
	off_t end = OK(lseek(fd, 0, SEEK_END));

	CHECK_EQ(read(fd, buf, 1), 0);
	CHECK_ERRNO(write(fd, buf, 1), ENOSPC);
	CHECK_EQ(write(fd, buf, 0), 0);
	CHECK_ERRNO(pwrite(fd, buf, 1, end + 100000), ENOSPC);
	CHECK_EQ(pread(fd, buf, 1, end + 100000), 0);
	fill(buf, sizeof(buf), 5);
	CHECK_EQ(pwrite(fd, buf, sizeof(buf), end - 5000), 5000);
	memset(buf, 0, sizeof(buf));
	CHECK_EQ(pread(fd, buf, sizeof(buf), end - 5000), 5000);
	CHECK_EQ(buf[4999], (unsigned char)((4999 * 131 + 1 + 5) ^ 0));
	int again = disk(O_RDWR | O_APPEND);
	CHECK_EQ(write(again, buf, 1), 1); /* means nothing */
}

TEST(mapping, "a page written through a mapping that does not reach the disk, the second time too")
{
	int fd = disk(O_RDWR), reader;
	volatile char *p =
		OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8 * PAGE));
	volatile char *q = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 8 * PAGE));
	long before, first;
	char c;

	p[0] = 'a';
	CHECK_EQ(q[0], 'a');
	q[0] = 'x';
	OK(pread(fd, &c, 1, 8 * PAGE));
	CHECK_EQ(c, 'a');
	OK(msync((void *)p, PAGE, MS_SYNC));
	before = stat_field(4);
	p[0] = 'b';
	OK(msync((void *)p, PAGE, MS_SYNC));
	first = stat_field(4);
	OK(msync((void *)p, PAGE, MS_SYNC));
	if (ut_octavo()) { /* brd counts nothing */
		CHECK_EQ(first - before, 1);
		CHECK_EQ(stat_field(4), first);
	}
	p[3 * PAGE] = 'c'; /* and without msync */
	OK(munmap((void *)p, 4 * PAGE));
	OK(munmap((void *)q, PAGE));
	OK(close(fd));
	reader = disk(O_RDONLY);
	OK(pread(reader, &c, 1, 8 * PAGE));
	CHECK_EQ(c, 'b');
	OK(pread(reader, &c, 1, 11 * PAGE));
	CHECK_EQ(c, 'c');
}

TEST(exclusive, "two who have it for themselves")
{
	int plain = disk(O_RDWR), one = disk(O_RDONLY | O_EXCL);

	CHECK_ERRNO(open(DISK, O_RDWR | O_EXCL), EBUSY);
	OK(close(disk(O_RDONLY)));
	OK(close(one));
	one = disk(O_RDWR | O_EXCL);
	OK(close(one));
	OK(close(plain));
	OK(mknod("node", S_IFBLK | 0600, makedev(240, 7)));
	CHECK_ERRNO(open("node", O_RDONLY), ENXIO);
}

TEST(rights, "BLKFLSBUF for everybody, or a node for who may not make one")
{
	int fd = disk(O_RDWR);

	pid_t pid = CHILD({
		OK(setuid(1000));
		CHECK_ERRNO(ioctl(fd, BLKFLSBUF, 0), EACCES);
		CHECK_ERRNO(open(DISK, O_RDONLY), EACCES);
		CHECK_ERRNO(mknod("node", S_IFBLK | 0600, makedev(1, 1)), EPERM);
	});
	CHECK_EXIT(pid, 0);
}

/* --- a slow and a faulty disk: Octavo's alone ---------------------------------------------- */

static void set_param(const char *name, const char *value)
{
	char path[100];

	snprintf(path, sizeof(path), PARAMS "%s", name);
	ut_spew(path, value);
}

TEST(parameters, "a parameter that takes anything")
{
	static const char *const bad[] = {"", "-1", "5x", "1000001", "1 2", "99999999999999999999"};
	int fd;

	if (!ut_octavo())
		SKIP("brd has no such parameters");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		fd = OK(open(PARAMS "delay_us", O_WRONLY));
		if (*bad[i])
			CHECK_ERRNO(write(fd, bad[i], strlen(bad[i])), EINVAL);
		close(fd);
	}
	fd = OK(open(PARAMS "error_rate", O_WRONLY));
	CHECK_ERRNO(write(fd, "1001", 4), EINVAL);
	CHECK_EQ(write(fd, "0", 1), 1);
	close(fd);
}

TEST(errors, "an I/O error that nobody hears of, or one that never ends")
{
	int fd, r, w, m;
	char c = 'e';

	if (!ut_octavo())
		SKIP("brd has no errors");
	fd = disk(O_RDWR);
	char *p = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 5 * PAGE));
	set_param("error_rate", "1000");
	CHECK_EQ(pwrite(fd, &c, 1, 0) < 0 ? errno : 0, EIO); /* reads the rest of the page */
	CHECK_ERRNO(pread(fd, &c, 1, PAGE), EIO);
	static char page[4096] = {1};
	CHECK_EQ(pwrite(fd, page, PAGE, 2 * PAGE), PAGE);
	CHECK_ERRNO(fsync(fd), EIO);
	CHECK_FAULT(ut_read(p), SIGBUS, BUS_ADRERR, p);
	set_param("error_rate", "0");
	r = pread(fd, &c, 1, PAGE) == 1;
	w = fsync(fd) == 0;
	m = *p == 0 || *p != 0;
	CHECK(r && w && m);
	OK(ioctl(fd, BLKFLSBUF, 0));
	CHECK_EQ(pread(fd, &c, 1, 2 * PAGE), 1);
	CHECK_EQ(c, 1);
}

TEST(slow, "a disk that keeps the CPU while it works, or a delay that is none")
{
	struct timespec a, b;
	unsigned long n = 0;
	pid_t pid;
	int fd;

	if (!ut_octavo())
		SKIP("brd is as fast as memory");
	fd = disk(O_RDONLY);
	OK(ioctl(fd, BLKFLSBUF, 0));
	set_param("delay_us", "20000");
	pid = CHILD({
		char c;

		for (int i = 0; i < 10; i++)
			CHECK_EQ(pread(fd, &c, 1, i * PAGE), 1);
	});
	ut_wait_state(pid, 'D');
	clock_gettime(CLOCK_MONOTONIC, &a);
	b = a;
	while (waitpid(pid, NULL, WNOHANG) == 0 && b.tv_sec - a.tv_sec < 10) {
		n++;
		clock_gettime(CLOCK_MONOTONIC, &b);
	}
	set_param("delay_us", "0");
	long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	CHECK(ms >= 150 && ms < 10000);
	CHECK(n > 1000); /* we ran meanwhile */
}
