/* SPDX-License-Identifier: MIT */
/*
 * Files: tmpfs as a program sees it, and descriptors.
 */
#include "utest.h"

#include <sys/mount.h>

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif

TEST(create_flags, "O_CREAT, O_EXCL, O_TRUNC, O_APPEND and O_DIRECTORY taken for one another")
{
	struct stat st;

	CHECK_ERRNO(open("f", O_RDONLY), ENOENT);
	int fd = OK(open("f", O_CREAT | O_EXCL | O_RDWR, 0644));
	CHECK_ERRNO(open("f", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	OK(write(fd, "hello", 5));
	close(OK(open("f", O_CREAT | O_WRONLY, 0600)));
	OK(stat("f", &st));
	CHECK_EQ(st.st_size, 5);
	CHECK_EQ(st.st_mode & 07777, 0644);
	int ap = OK(open("f", O_WRONLY | O_APPEND));
	OK(lseek(ap, 0, SEEK_SET));
	OK(write(ap, " world", 6));
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 11);
	CHECK_EQ(lseek(ap, 0, SEEK_CUR), 11);
	close(OK(open("f", O_WRONLY | O_TRUNC)));
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 0);
	OK(mkdir("d", 0755));
	CHECK_ERRNO(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	close(OK(open("d", O_RDONLY | O_DIRECTORY)));
	CHECK_ERRNO(open("d", O_WRONLY), EISDIR);
	CHECK_ERRNO(open("d", O_RDWR), EISDIR);
	CHECK_ERRNO(open("d", O_RDONLY | O_CREAT, 0644), EISDIR);
	CHECK_ERRNO(open("f/x", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("nodir/x", O_CREAT | O_WRONLY, 0644), ENOENT);
	CHECK_ERRNO(open("new/", O_CREAT | O_WRONLY, 0644), EISDIR);
}

TEST(access_mode, "reading what was opened for writing, and the other way round")
{
	char c;
	int ro, wo;

	close(ut_file("f", "x", 1));
	ro = OK(open("f", O_RDONLY));
	wo = OK(open("f", O_WRONLY));
	CHECK_ERRNO(write(ro, "y", 1), EBADF);
	CHECK_ERRNO(read(wo, &c, 1), EBADF);
	CHECK_ERRNO(ftruncate(ro, 0), EINVAL);
	CHECK_EQ(fcntl(ro, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_EQ(fcntl(wo, F_GETFL) & O_ACCMODE, O_WRONLY);
}

TEST(read_write, "bytes lost at page borders, for sizes and offsets of every kind")
{
	enum { MAX = 5 * 4096 };
	static unsigned char model[MAX], buf[MAX];
	int fd = ut_file("f", NULL, 0);
	size_t size = 0;

	for (int step = 0; step < 3000; step++) {
		size_t off = ut_rand() % MAX, len = ut_rand() % (MAX - off);

		if (step & 1) {
			size_t want = off >= size ? 0 : len > size - off ? size - off : len;
			ssize_t n = pread(fd, buf, len, off);
			if (n != (ssize_t)want || memcmp(buf, model + off, want)) {
				FAIL("step %d: pread %zu at %zu of %zu: %zd", step, len, off, size,
				     n);
				return;
			}
		} else if (step % 50 == 0) {
			OK(ftruncate(fd, off));
			if (off < size)
				memset(model + off, 0, size - off);
			size = off;
		} else {
			for (size_t i = 0; i < len; i++)
				model[off + i] = buf[i] = ut_rand();
			CHECK_EQ(pwrite(fd, buf, len, off), len);
			if (len && off + len > size)
				size = off + len;
		}
	}
}

TEST(seek, "positions: beyond the end, negative, with bad whence, beyond what an off_t holds")
{
	const off_t last = 0x7fffffffffffffff;
	int fd = ut_file("f", "0123456789", 10);
	char c;

	CHECK_EQ(lseek(fd, 4, SEEK_SET), 4);
	CHECK_EQ(lseek(fd, -2, SEEK_CUR), 2);
	CHECK_EQ(lseek(fd, -1, SEEK_END), 9);
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, '9');
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	CHECK_EQ(read(fd, &c, 1), 0);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(fd, -101, SEEK_CUR), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, 77), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100);
	CHECK_ERRNO(pread(fd, &c, 1, -1), EINVAL);
	CHECK_ERRNO(pwrite(fd, &c, 1, -1), EINVAL);
	CHECK_ERRNO(lseek(fd, last, SEEK_CUR), EINVAL);
	CHECK_ERRNO(lseek(fd, last, SEEK_END), EINVAL);
	CHECK_ERRNO(pread(fd, &c, 2, last - 1), EINVAL);
	CHECK_ERRNO(pwrite(fd, "xy", 2, last - 1), EINVAL);
	CHECK_ERRNO(preadv(fd, &(struct iovec){&c, 2}, 1, last - 1), EINVAL);
	CHECK_ERRNO(pwritev(fd, &(struct iovec){&c, 2}, 1, last - 1), EINVAL);
	CHECK_EQ(pread(fd, &c, 1, last - 1), 0);
	CHECK_EQ(lseek(fd, last, SEEK_SET), last);
	CHECK_ERRNO(read(fd, &c, 1), EINVAL);
}

TEST(sparse, "holes that take memory, or are not zero; SEEK_DATA and SEEK_HOLE")
{
	int fd = ut_file("f", "start", 5);
	char buf[16];
	struct stat st;

	OK(pwrite(fd, "end", 3, 1 << 30));
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, (1 << 30) + 3);
	CHECK_EQ(st.st_blocks, 16); /* two pages of eight sectors */
	CHECK_EQ(pread(fd, buf, 16, 1 << 20), 16);
	for (int i = 0; i < 16; i++)
		CHECK_EQ(buf[i], 0);
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 4096);
	CHECK_EQ(lseek(fd, 4096, SEEK_DATA), 1 << 30);
	CHECK_EQ(lseek(fd, 1 << 30, SEEK_HOLE), (1 << 30) + 3);
	CHECK_ERRNO(lseek(fd, (1 << 30) + 3, SEEK_DATA), ENXIO);
	CHECK_ERRNO(lseek(fd, (1 << 30) + 4, SEEK_HOLE), ENXIO);
	OK(ftruncate(fd, 1L << 40));
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 1L << 40);
	CHECK_EQ(st.st_blocks, 16);
	CHECK_ERRNO(ftruncate(fd, -1), EINVAL);
}

TEST(fallocate, "fallocate that does not extend, or does not punch")
{
	int fd = ut_file("f", NULL, 0);
	struct stat st;
	char c;

	if (fallocate(fd, 0, 0, 3 * PAGE) < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		SKIP_LINUX("fallocate is not there");
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 3 * PAGE);
	CHECK_EQ(st.st_blocks, 24);
	OK(pwrite(fd, "x", 1, PAGE));
	OK(fallocate(fd, 3 /* PUNCH_HOLE | KEEP_SIZE */, PAGE, PAGE));
	OK(pread(fd, &c, 1, PAGE));
	CHECK_EQ(c, 0);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 16);
	CHECK_ERRNO(fallocate(fd, 0, -1, 5), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
}

TEST(fallocate_beyond, "pages set aside beyond the end that no truncation drops")
{
	int fd = ut_file("f", NULL, 0);
	struct stat st;

	OK(fallocate(fd, 1 /* KEEP_SIZE */, 0, 4 * PAGE));
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_blocks, 32);
	OK(ftruncate(fd, 0));
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 0);
}

TEST(fallocate_fails, "a failed fallocate that keeps its pages, or takes others'")
{
	struct stat st;
	char c = 0;

	if (getuid() != 0)
		SKIP("for root");
	OK(mkdir("m", 0755));
	OK(syscall(SYS_mount, "tmpfs", "m", "tmpfs", 0, "size=64k"));
	int fd = ut_file("m/f", NULL, 0);
	for (int i = 0; i < 6;
	     i++) /* outside of what is asked for below, so that it seems to fit */
		CHECK_EQ(pwrite(fd, "o", 1, (20 + i) * PAGE), 1);
	OK(pwrite(fd, "i", 1, 3 * PAGE));
	OK(ftruncate(fd, 30 * PAGE));
	char *p = OK(mmap(NULL, 30 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	OK(fallocate(fd, 0, 10 * PAGE, 2 * PAGE));
	CHECK_EQ(lseek(fd, 4 * PAGE, SEEK_DATA), 20 * PAGE); /* not data before it is used */
	CHECK_EQ(p[10 * PAGE], 0);
	CHECK_EQ(lseek(fd, 4 * PAGE, SEEK_DATA), 10 * PAGE);
	p[10 * PAGE] = 'm';
	OK(pread(fd, &c, 1, 11 * PAGE));
	CHECK_EQ(c, 0);
	OK(pwrite(fd, "w", 1, 11 * PAGE + 7));
	CHECK_EQ(p[11 * PAGE + 6], 0);
	CHECK_EQ(p[11 * PAGE + 8], 0);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 9 * 8);
	CHECK_ERRNO(fallocate(fd, 0, 0, 16 * PAGE), ENOSPC);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 9 * 8);
	CHECK_EQ(p[3 * PAGE], 'i');
	CHECK_EQ(p[10 * PAGE], 'm');
	CHECK_EQ(p[11 * PAGE + 7], 'w');
	CHECK_EQ(p[25 * PAGE], 'o');
	OK(munmap(p, 30 * PAGE));
	close(fd);
	OK(syscall(SYS_umount2, "m", 0));
}

TEST(truncate_path, "truncate by name, and its errors")
{
	struct stat st;

	close(ut_file("f", "0123456789", 10));
	OK(truncate("f", 3));
	OK(stat("f", &st));
	CHECK_EQ(st.st_size, 3);
	OK(truncate("f", 10));
	char buf[16];
	OK(ut_slurp("f", buf, sizeof(buf)));
	CHECK(!memcmp(buf, "012\0\0\0\0\0\0\0", 10));
	OK(mkdir("d", 0755));
	CHECK_ERRNO(truncate("d", 0), EISDIR);
	CHECK_ERRNO(truncate("missing", 0), ENOENT);
	CHECK_ERRNO(truncate("f", -1), EINVAL);
}

TEST(mapped_coherence, "read, write and both kinds of mapping that see different bytes")
{
	int fd = ut_file("f", NULL, 0);
	char buf[8] = "";

	OK(ftruncate(fd, 4 * PAGE));
	char *s = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	/* into a page that nobody has touched, by write, then seen by all */
	OK(pwrite(fd, "write", 5, 2 * PAGE - 2));
	CHECK(!memcmp(s + 2 * PAGE - 2, "write", 5));
	CHECK(!memcmp(p + 2 * PAGE - 2, "write", 5));
	strcpy(s + 3 * PAGE, "mapped");
	OK(pread(fd, buf, 6, 3 * PAGE));
	CHECK_STR(buf, "mapped");
	/* truncation and growth: old bytes must not come back */
	OK(ftruncate(fd, 10));
	OK(ftruncate(fd, 4 * PAGE));
	CHECK_EQ(s[3 * PAGE], 0);
	CHECK_EQ(p[2 * PAGE - 2], 0);
	/* read and write whose buffer is the mapping of the very file */
	memcpy(s, "abcdefgh", 8);
	CHECK_EQ(pwrite(fd, s, 8, PAGE), 8);
	CHECK(!memcmp(s + PAGE, "abcdefgh", 8));
	CHECK_EQ(pread(fd, s + 2 * PAGE, 8, PAGE), 8);
	CHECK(!memcmp(s + 2 * PAGE, "abcdefgh", 8));
	CHECK_EQ(pwrite(fd, s, PAGE, 0), PAGE);
}

TEST(rename_file, "rename: over another, over itself, into a directory, of an open file")
{
	struct stat a, b;
	char c;

	int fd = ut_file("a", "A", 1);
	close(ut_file("b", "B", 1));
	OK(rename("a", "b"));
	CHECK_ERRNO(stat("a", &a), ENOENT);
	OK(pread(fd, &c, 1, 0));
	CHECK_EQ(c, 'A');
	OK(fstat(fd, &a));
	OK(stat("b", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	OK(rename("b", "b"));
	OK(mkdir("d", 0755));
	OK(rename("b", "d/c"));
	OK(stat("d/c", &b));
	CHECK_ERRNO(rename("missing", "x"), ENOENT);
	CHECK_ERRNO(rename("d/c", "d"), ENOTEMPTY); /* it is the parent of the other */
	CHECK_ERRNO(rename("d", "d/c"), EINVAL);
	close(ut_file("plain", "", 0));
	CHECK_ERRNO(rename("d", "plain"), ENOTDIR);
	CHECK_ERRNO(rename("d/c", "nodir/x"), ENOENT);
	/* links to one file: nothing happens */
	OK(link("d/c", "l"));
	OK(rename("l", "d/c"));
	OK(stat("l", &b));
	CHECK_EQ(b.st_nlink, 2);
}

TEST(rename_dir, "a directory renamed into itself, over a full one; its link counts")
{
	struct stat st;

	OK(mkdir("a", 0755));
	OK(mkdir("a/sub", 0755));
	OK(mkdir("b", 0755));
	OK(stat("a", &st));
	CHECK_EQ(st.st_nlink, 3);
	CHECK_ERRNO(rename("a", "a/sub/x"), EINVAL);
	OK(rename("a/sub", "b/sub"));
	OK(stat("a", &st));
	CHECK_EQ(st.st_nlink, 2);
	OK(stat("b", &st));
	CHECK_EQ(st.st_nlink, 3);
	CHECK_ERRNO(rename("a", "b"), ENOTEMPTY);
	OK(rmdir("b/sub"));
	OK(rename("a", "b"));
	OK(chdir("b"));
	OK(rename("../b", "../c"));
	char cwd[256];
	REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	CHECK_STR(strrchr(cwd, '/'), "/c");
}

TEST(links, "hard links: count, same file, directories, across file systems")
{
	struct stat a, b;
	char c;

	int fd = ut_file("a", "x", 1);
	OK(link("a", "b"));
	OK(stat("a", &a));
	OK(stat("b", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_nlink, 2);
	OK(unlink("a"));
	OK(pwrite(fd, "y", 1, 0));
	int fb = OK(open("b", O_RDONLY));
	OK(read(fb, &c, 1));
	CHECK_EQ(c, 'y');
	OK(fstat(fd, &a));
	CHECK_EQ(a.st_nlink, 1);
	CHECK_ERRNO(link("b", "b"), EEXIST);
	CHECK_ERRNO(link("missing", "m"), ENOENT);
	OK(mkdir("d", 0755));
	CHECK_ERRNO(link("d", "e"), EPERM);
	CHECK_ERRNO(link("/proc/self/status", "s"), EXDEV);
}

TEST(symlinks, "symbolic links: followed, not followed, loops, through directories")
{
	char buf[64];
	struct stat st;

	close(ut_file("target", "T", 1));
	OK(symlink("target", "s"));
	ssize_t n = OK(readlink("s", buf, sizeof(buf)));
	CHECK(n == 6 && !memcmp(buf, "target", 6));
	CHECK_EQ(readlink("s", buf, 3), 3);
	CHECK_ERRNO(readlink("target", buf, 10), EINVAL);
	CHECK_ERRNO(syscall(SYS_readlink, "s", buf, 0), EINVAL);
	OK(lstat("s", &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(st.st_size, 6);
	OK(stat("s", &st));
	CHECK(S_ISREG(st.st_mode));
	CHECK_ERRNO(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
	OK(symlink("loop2", "loop1"));
	OK(symlink("loop1", "loop2"));
	CHECK_ERRNO(open("loop1", O_RDONLY), ELOOP);
	CHECK_ERRNO(stat("loop1/x", &st), ELOOP);
	OK(symlink("nowhere", "dangling"));
	CHECK_ERRNO(open("dangling", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
	close(OK(open("dangling", O_RDWR | O_CREAT, 0644)));
	OK(stat("nowhere", &st));
	OK(mkdir("d", 0755));
	OK(symlink("../target", "d/up"));
	OK(stat("d/up", &st));
	OK(symlink("d", "ds"));
	OK(stat("ds/up", &st));
	CHECK_ERRNO(symlink("x", "s"), EEXIST);
	CHECK_ERRNO(symlink("", "e"), ENOENT);
	OK(unlink("s"));
	OK(stat("target", &st));
	/* 40 links one behind the other are allowed, the next is not */
	close(ut_file("l0", "", 0));
	for (int i = 1; i <= 41; i++) {
		char a[8], b[8];
		sprintf(a, "l%d", i - 1);
		sprintf(b, "l%d", i);
		OK(symlink(a, b));
	}
	OK(stat("l40", &st));
	CHECK_ERRNO(stat("l41", &st), ELOOP);
}

TEST(unlink_open, "an unlinked file whose bytes go while it is open or mapped")
{
	int fd = ut_file("f", "bytes", 5);
	char *p = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	struct stat st;
	char buf[8] = "";

	OK(unlink("f"));
	CHECK_ERRNO(stat("f", &st), ENOENT);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	OK(pwrite(fd, "B", 1, 0));
	close(fd);
	CHECK(!memcmp(p, "Bytes", 5));
	fd = ut_file("f", "other", 5);
	OK(pread(fd, buf, 5, 0));
	CHECK_STR(buf, "other");
	CHECK(!memcmp(p, "Bytes", 5));
	CHECK_ERRNO(unlink("nothing"), ENOENT);
	OK(mkdir("d", 0755));
	CHECK_ERRNO(unlink("d"), EISDIR);
}

TEST(dirs, "directories: mkdir and rmdir misuse, a current directory that is removed")
{
	struct stat st;
	char cwd[256];

	OK(mkdir("d", 0755));
	CHECK_ERRNO(mkdir("d", 0755), EEXIST);
	CHECK_ERRNO(mkdir("x/y", 0755), ENOENT);
	close(ut_file("f", "", 0));
	CHECK_ERRNO(mkdir("f", 0755), EEXIST);
	CHECK_ERRNO(mkdir("f/d", 0755), ENOTDIR);
	CHECK_ERRNO(rmdir("f"), ENOTDIR);
	CHECK_ERRNO(rmdir("missing"), ENOENT);
	close(ut_file("d/f", "", 0));
	CHECK_ERRNO(rmdir("d"), ENOTEMPTY);
	OK(unlink("d/f"));
	CHECK_ERRNO(rmdir("d/."), EINVAL);
	CHECK_ERRNO(rmdir("d/.."), ENOTEMPTY);
	OK(chdir("d"));
	OK(rmdir("../d"));
	CHECK_ERRNO(open("x", O_CREAT | O_WRONLY, 0644), ENOENT);
	OK(stat(".", &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_ERRNO(syscall(SYS_getcwd, cwd, sizeof(cwd)), ENOENT);
	OK(chdir(".."));
	CHECK_ERRNO(chdir("f"), ENOTDIR);
	CHECK_ERRNO(chdir("missing"), ENOENT);
	CHECK_ERRNO(syscall(SYS_getcwd, cwd, 2), ERANGE);
	int fd = OK(open("/", O_RDONLY | O_DIRECTORY));
	OK(fchdir(fd));
	REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	CHECK_STR(cwd, "/");
	CHECK_EQ(syscall(SYS_getcwd, cwd, sizeof(cwd)), 2);
	OK(chdir("/.."));
	REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	CHECK_STR(cwd, "/");
}

TEST(readdir, "entries lost, doubled, of the wrong kind, or read with a small buffer")
{
	enum { N = 300 };
	char seen[N] = {0}, name[32];
	int dots = 0, others = 0;
	struct dirent *d;

	OK(mkdir("d", 0755));
	for (int i = 0; i < N; i++) {
		sprintf(name, "d/file%03d", i);
		close(ut_file(name, "", 0));
	}
	OK(mkdir("d/dir", 0755));
	OK(symlink("x", "d/link"));
	DIR *dir = opendir("d");
	REQUIRE(dir != NULL);
	while ((d = readdir(dir))) {
		int i;
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..")) {
			dots++;
			CHECK_EQ(d->d_type, DT_DIR);
		} else if (!strcmp(d->d_name, "dir")) {
			CHECK_EQ(d->d_type, DT_DIR);
		} else if (!strcmp(d->d_name, "link")) {
			CHECK_EQ(d->d_type, DT_LNK);
		} else if (sscanf(d->d_name, "file%d", &i) == 1 && i < N) {
			CHECK_EQ(seen[i]++, 0);
			CHECK_EQ(d->d_type, DT_REG);
		} else {
			others++;
		}
	}
	CHECK_EQ(dots, 2);
	CHECK_EQ(others, 0);
	for (int i = 0; i < N; i++)
		if (!seen[i])
			FAIL("file%03d is missing", i);
	/* again, and removing as we go */
	rewinddir(dir);
	int n = 0;
	while ((d = readdir(dir)))
		if (!strncmp(d->d_name, "file", 4)) {
			sprintf(name, "d/%.20s", d->d_name);
			OK(unlink(name));
			n++;
		}
	CHECK_EQ(n, N);
	closedir(dir);
	int fd = OK(open("d", O_RDONLY | O_DIRECTORY));
	char small[16];
	CHECK_ERRNO(syscall(SYS_getdents64, fd, small, sizeof(small)), EINVAL);
	CHECK_ERRNO(syscall(SYS_getdents64, fd, BADPTR, 4096), EFAULT);
	int f = ut_file("f", "", 0);
	CHECK_ERRNO(syscall(SYS_getdents64, f, small, sizeof(small)), ENOTDIR);
	CHECK_ERRNO(read(fd, small, 1), EISDIR);
}

TEST(names, "names and paths that are too long, or that hold dots and many slashes")
{
	static char path[5000];
	struct stat st;

	memset(path, 'a', 255);
	path[255] = 0;
	close(ut_file(path, "", 0));
	OK(stat(path, &st));
	path[255] = 'a';
	path[256] = 0;
	CHECK_ERRNO(open(path, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);
	CHECK_ERRNO(mkdir(path, 0755), ENAMETOOLONG);
	for (int i = 0; i < 4096; i++)
		path[i] = i % 2 ? '/' : '.';
	path[4096] = 0;
	CHECK_ERRNO(stat(path, &st), ENAMETOOLONG);
	path[4095] = 0;
	OK(stat(path, &st));
	OK(mkdir("d", 0755));
	close(ut_file(".//d/../d//./f", "", 0));
	OK(stat("d/f", &st));
	CHECK_ERRNO(stat("d/f/", &st), ENOTDIR);
	CHECK_ERRNO(stat("d/f/.", &st), ENOTDIR);
	OK(stat("d//", &st));
}

TEST(modes, "chmod, umask and chown: bits kept, cleared and refused")
{
	struct stat st;

	umask(027);
	close(OK(open("f", O_CREAT | O_WRONLY, 0777)));
	OK(mkdir("d", 0777));
	OK(stat("f", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0750);
	OK(stat("d", &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0750);
	CHECK_EQ(umask(077777), 027);
	CHECK_EQ(umask(022), 0777);
	OK(chmod("f", 04755));
	OK(stat("f", &st));
	CHECK_EQ(st.st_mode & 07777, 04755);
	OK(chown("f", 1000, 1001));
	OK(stat("f", &st));
	CHECK(st.st_uid == 1000 && st.st_gid == 1001);
	CHECK_EQ(st.st_mode & 07777, 0755); /* set-user-id goes */
	OK(chown("f", -1, 5));
	OK(stat("f", &st));
	CHECK(st.st_uid == 1000 && st.st_gid == 5);
	int fd = OK(open("f", O_RDONLY));
	OK(fchmod(fd, 0600));
	OK(fchown(fd, 7, 8));
	OK(fstat(fd, &st));
	CHECK(st.st_uid == 7 && st.st_gid == 8 && (st.st_mode & 07777) == 0600);
	OK(symlink("f", "s"));
	OK(lchown("s", 9, 9));
	OK(lstat("s", &st));
	CHECK_EQ(st.st_uid, 9);
	OK(stat("s", &st));
	CHECK_EQ(st.st_uid, 7);
	/* a write by an ordinary user clears set-user-id */
	OK(chown("f", 1000, 1000));
	OK(chmod("f", 04777));
	pid_t pid = CHILD({
		OK(setuid(1000));
		int w = OK(open("f", O_WRONLY));
		OK(write(w, "x", 1));
	});
	CHECK_EXIT(pid, 0);
	OK(stat("f", &st));
	CHECK_EQ(st.st_mode & 07777, 0777);
}

TEST(permissions, "an ordinary user who is let in or kept out: each bit for user, group, others")
{
	for (int who = 0; who < 3; who++)
		for (int bits = 0; bits < 8; bits++) {
			close(ut_file("f", "#!/bin/true\n", 12));
			OK(chown("f", who == 0 ? 1000 : 0, who == 1 ? 1000 : 0));
			OK(chmod("f", bits << (6 - 3 * who)));
			pid_t pid = CHILD({
				OK(setgid(1000));
				OK(setuid(1000));
				int r = open("f", O_RDONLY);
				int r_err = errno;
				int w = open("f", O_WRONLY);
				int w_err = errno;
				CHECK_EQ(r >= 0, !!(bits & 4));
				CHECK_EQ(w >= 0, !!(bits & 2));
				CHECK(r >= 0 || r_err == EACCES);
				CHECK(w >= 0 || w_err == EACCES);
				CHECK_EQ(access("f", R_OK) == 0, !!(bits & 4));
				CHECK_EQ(access("f", W_OK) == 0, !!(bits & 2));
				CHECK_EQ(access("f", X_OK) == 0, !!(bits & 1));
				CHECK_EQ(access("f", R_OK | W_OK) == 0, (bits & 6) == 6);
				OK(access("f", F_OK));
			});
			CHECK_EXIT(pid, 0);
			OK(unlink("f"));
		}
}

TEST(dir_permissions, "directories that an ordinary user may not search, list or change")
{
	struct stat st;

	OK(mkdir("d", 0755));
	close(ut_file("d/f", "x", 1));
	OK(chmod("d/f", 0666));
	pid_t pid;
#define AS_USER(mode, ...)        \
	OK(chmod("d", mode));     \
	pid = CHILD({             \
		OK(setgid(1000)); \
		OK(setuid(1000)); \
		__VA_ARGS__       \
	});                       \
	CHECK_EXIT(pid, 0)
	AS_USER(0744, {
		CHECK_ERRNO(stat("d/f", &st), EACCES);
		CHECK_ERRNO(chdir("d"), EACCES);
		OK(open("d", O_RDONLY));
	});
	AS_USER(0711, {
		OK(stat("d/f", &st));
		CHECK_ERRNO(open("d", O_RDONLY), EACCES);
	});
	AS_USER(0755, {
		CHECK_ERRNO(open("d/new", O_CREAT | O_WRONLY, 0644), EACCES);
		CHECK_ERRNO(unlink("d/f"), EACCES);
		CHECK_ERRNO(mkdir("d/new", 0755), EACCES);
		CHECK_ERRNO(rename("d/f", "d/g"), EACCES);
		CHECK_ERRNO(symlink("x", "d/s"), EACCES);
		CHECK_ERRNO(link("d/f", "d/l"), EACCES);
		CHECK_ERRNO(chmod("d/f", 0600), EPERM);
		CHECK_ERRNO(chown("d/f", 1000, 1000), EPERM);
	});
	AS_USER(01777, {
		CHECK_ERRNO(unlink("d/f"), EPERM); /* sticky: not the owner */
		CHECK_ERRNO(rename("d/f", "d/g"), EPERM);
		close(OK(open("d/mine", O_CREAT | O_WRONLY, 0644)));
		OK(unlink("d/mine"));
	});
	AS_USER(02777, {
		close(OK(open("d/grp", O_CREAT | O_WRONLY, 0644)));
		OK(stat("d/grp", &st));
		CHECK_EQ(st.st_gid, 0); /* set-group-id: the directory's group */
		OK(unlink("d/f"));
	});
}

TEST(times, "utimensat; times that a read, a write or a change of mode moves or leaves")
{
	struct timespec set[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
	struct stat a, b;

	int fd = ut_file("f", "x", 1);
	OK(utimensat(AT_FDCWD, "f", set, 0));
	OK(stat("f", &a));
	CHECK(a.st_atim.tv_sec == 1000000000 && a.st_atim.tv_nsec == 123456789);
	CHECK(a.st_mtim.tv_sec == 1100000000 && a.st_mtim.tv_nsec == 987654321);
	set[0].tv_nsec = UTIME_OMIT;
	set[1].tv_nsec = UTIME_NOW;
	OK(futimens(fd, set));
	OK(stat("f", &b));
	CHECK_EQ(b.st_atim.tv_sec, 1000000000);
	CHECK(b.st_mtim.tv_sec > 1100000000);
	set[0].tv_nsec = 2000000000;
	CHECK_ERRNO(futimens(fd, set), EINVAL);
	set[0] = set[1] = (struct timespec){1000000000, 0};
	OK(futimens(fd, set));
	OK(write(fd, "y", 1));
	OK(fstat(fd, &a));
	CHECK(a.st_mtim.tv_sec > 1000000000);
	CHECK(a.st_ctim.tv_sec > 1000000000);
	OK(mkdir("d", 0755));
	OK(utimensat(AT_FDCWD, "d", set, 0));
	close(ut_file("d/f", "", 0));
	OK(stat("d", &a));
	CHECK(a.st_mtim.tv_sec > 1000000000);
}

TEST(stat_fields, "stat, lstat, fstat and fstatat that disagree; fields that are nonsense")
{
	struct stat a, b;
	char *buf = calloc(1, 10000);

	int fd = ut_file("f", buf, 10000);
	OK(stat("f", &a));
	OK(fstat(fd, &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size);
	CHECK_EQ(a.st_size, 10000);
	CHECK_EQ(a.st_blksize, 4096);
	CHECK_EQ(a.st_blocks, 24);
	CHECK_EQ(a.st_nlink, 1);
	CHECK_EQ(a.st_uid, getuid());
	OK(fstatat(AT_FDCWD, "f", &b, 0));
	CHECK_EQ(a.st_ino, b.st_ino);
	OK(syscall(SYS_newfstatat, fd, "", &b, 0x1000 /* AT_EMPTY_PATH */));
	CHECK_EQ(a.st_ino, b.st_ino);
	int dir = OK(open(".", O_RDONLY | O_DIRECTORY));
	OK(fstatat(dir, "f", &b, 0));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_ERRNO(fstatat(dir, "missing", &b, 0), ENOENT);
	CHECK_ERRNO(fstatat(fd, "f", &b, 0), ENOTDIR);
	CHECK_ERRNO(fstatat(99, "f", &b, 0), EBADF);
	CHECK_ERRNO(fstatat(dir, "f", &b, 0x4), EINVAL);
	OK(stat("/dev/null", &a));
	CHECK(S_ISCHR(a.st_mode));
	CHECK_EQ(a.st_rdev, 0x103);
	OK(stat("/dev/zero", &a));
	CHECK_EQ(a.st_rdev, 0x105);
	OK(stat("/", &a));
	OK(stat("/..", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_mode & 0755, 0755); /* on Linux what the initramfs says of it */
}

TEST(at_calls, "openat, mkdirat, unlinkat, renameat and the like that ignore the directory")
{
	struct stat st;

	OK(mkdir("d", 0755));
	int d = OK(open("d", O_RDONLY | O_DIRECTORY));
	close(OK(openat(d, "f", O_CREAT | O_WRONLY, 0644)));
	OK(stat("d/f", &st));
	OK(mkdirat(d, "sub", 0755));
	OK(renameat(d, "f", AT_FDCWD, "g"));
	OK(stat("g", &st));
	OK(linkat(AT_FDCWD, "g", d, "h", 0));
	OK(symlinkat("h", d, "s"));
	char buf[8];
	CHECK_EQ(readlinkat(d, "s", buf, 8), 1);
	OK(fchmodat(d, "h", 0600, 0));
	OK(fchownat(d, "s", 1, 1, AT_SYMLINK_NOFOLLOW));
	OK(faccessat(d, "h", R_OK, 0));
	CHECK_ERRNO(unlinkat(d, "sub", 0), EISDIR);
	OK(unlinkat(d, "sub", AT_REMOVEDIR));
	CHECK_ERRNO(unlinkat(d, "h", AT_REMOVEDIR), ENOTDIR);
	OK(unlinkat(d, "h", 0));
	CHECK_ERRNO(openat(99, "x", O_RDONLY), EBADF);
	close(OK(openat(99, "/dev/null", O_RDONLY)));
	close(OK(openat(d, "/dev/null", O_RDONLY)));
}

TEST(descriptors, "dup, dup2, dup3 and fcntl: lowest number, shared offset, own flags")
{
	int fd = ut_file("f", "0123456789", 10);
	char c;

	int d = OK(dup(fd));
	CHECK_EQ(d, fd + 1);
	OK(lseek(fd, 5, SEEK_SET));
	OK(read(d, &c, 1));
	CHECK_EQ(c, '5');
	CHECK_EQ(dup2(fd, 50), 50);
	CHECK_EQ(dup2(50, 50), 50);
	OK(fcntl(50, F_SETFD, FD_CLOEXEC));
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_EQ(dup3(fd, 51, O_CLOEXEC), 51);
	CHECK_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(dup3(fd, fd, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_dup3, fd, 52, 1), EINVAL);
	CHECK_ERRNO(dup(99), EBADF);
	CHECK_ERRNO(dup2(99, 5), EBADF);
	CHECK_ERRNO(dup2(fd, -1), EBADF);
	CHECK_EQ(fcntl(fd, F_DUPFD, 60), 60);
	CHECK_EQ(fcntl(fd, F_DUPFD, 60), 61);
	CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 60), 62);
	CHECK_EQ(fcntl(62, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(dup2(fd, 62), 62); /* the number's flag goes with what it meant */
	CHECK_EQ(fcntl(62, F_GETFD), 0);
	OK(close(51));
	CHECK_EQ(fcntl(fd, F_DUPFD, 51), 51);
	CHECK_EQ(fcntl(51, F_GETFD), 0);
	OK(fcntl(d, F_SETFL, O_APPEND | O_NONBLOCK));
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
	OK(close(fd));
	CHECK_EQ(dup(d), fd);
	CHECK_ERRNO(close(99), EBADF);
	CHECK_ERRNO(close(-1), EBADF);
	CHECK_ERRNO(fcntl(d, 9999), EINVAL);
	CHECK_ERRNO(ioctl(d, TIOCGWINSZ, &c), ENOTTY);
}

TEST(vectors, "readv and writev across pages, with holes and with the end of the file")
{
	static char a[5000], b[5000];
	struct iovec io[3] = {{a, sizeof(a)}, {NULL, 0}, {b, sizeof(b)}};

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	int fd = ut_file("f", NULL, 0);
	CHECK_EQ(writev(fd, io, 3), 10000);
	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	CHECK_EQ(lseek(fd, 4000, SEEK_SET), 4000);
	CHECK_EQ(readv(fd, io, 3), 6000);
	CHECK_EQ(a[999], 'a');
	CHECK_EQ(a[1000], 'b');
	CHECK_EQ(b[999], 'b');
	CHECK_EQ(b[1000], 0);
	if (preadv(fd, io, 3, 9999) != 1 && errno != ENOSYS)
		FAIL("preadv");
}

TEST(sendfile, "sendfile: offsets, lengths, the end of the file")
{
	int in = ut_file("in", "0123456789", 10), out = ut_file("out", NULL, 0), fds[2];
	off_t off = 3;
	char buf[16];

	CHECK_EQ(sendfile(out, in, &off, 4), 4);
	CHECK_EQ(off, 7);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 10); /* where ut_file left it */
	OK(lseek(in, 0, SEEK_SET));
	CHECK_EQ(sendfile(out, in, NULL, 100), 10);
	CHECK_EQ(sendfile(out, in, NULL, 100), 0);
	CHECK_EQ(pread(out, buf, 16, 0), 14);
	CHECK(!memcmp(buf, "34560123456789", 14));
	OK(pipe(fds));
	off = 0;
	CHECK_EQ(sendfile(fds[1], in, &off, 10), 10);
	CHECK_EQ(read(fds[0], buf, 16), 10);
	CHECK_ERRNO(sendfile(in, 99, NULL, 1), EBADF);
}

TEST(statfs, "statfs that does not say tmpfs, or a size that is nonsense")
{
	struct statfs s;

	OK(statfs("/tmp", &s));
	CHECK_EQ(s.f_type, 0x01021994);
	CHECK_EQ(s.f_bsize, 4096);
	CHECK_EQ(s.f_namelen, 255);
	CHECK(s.f_bfree <= s.f_blocks);
	OK(statfs("/proc", &s));
	CHECK_EQ(s.f_type, 0x9fa0);
	CHECK_ERRNO(statfs("/nothing", &s), ENOENT);
	CHECK_ERRNO(syscall(SYS_statfs, "/tmp", BADPTR), EFAULT);
	int fd = OK(open("/tmp", O_RDONLY));
	OK(fstatfs(fd, &s));
	CHECK_EQ(s.f_type, 0x01021994);
}

TEST(devices, "null, zero, full, random, urandom: each its own behaviour")
{
	char buf[64], two[64];

	int fd = OK(open("/dev/null", O_RDWR));
	CHECK_EQ(read(fd, buf, 10), 0);
	CHECK_EQ(write(fd, buf, 10), 10);
	fd = OK(open("/dev/zero", O_RDWR));
	memset(buf, 1, sizeof(buf));
	CHECK_EQ(read(fd, buf, 64), 64);
	CHECK(!buf[0] && !buf[63]);
	CHECK_EQ(write(fd, buf, 10), 10);
	fd = OK(open("/dev/full", O_RDWR));
	CHECK_EQ(read(fd, buf, 10), 10);
	CHECK_ERRNO(write(fd, buf, 10), ENOSPC);
	fd = OK(open("/dev/urandom", O_RDONLY));
	CHECK_EQ(read(fd, buf, 64), 64);
	CHECK_EQ(read(fd, two, 64), 64);
	CHECK(memcmp(buf, two, 64));
	char *big = ut_map(1 << 20);
	fd = OK(open("/dev/zero", O_RDONLY));
	CHECK_EQ(read(fd, big, 1 << 20), 1 << 20);
}

TEST(mounts, "mount and umount of a tmpfs: what was under it, busy, twice, limits")
{
	struct stat st;

	if (getuid() != 0)
		SKIP("for root");
	OK(mkdir("m", 0755));
	close(ut_file("m/under", "", 0));
	if (syscall(SYS_mount, "tmpfs", "m", "tmpfs", 0, "size=64k,mode=0700") < 0)
		SKIP("mount: %s", ut_errname(errno));
	CHECK_ERRNO(stat("m/under", &st), ENOENT);
	OK(stat("m", &st));
	CHECK_EQ(st.st_mode & 07777, 0700);
	int fd = ut_file("m/f", "x", 1);
	CHECK_ERRNO(rename("m/f", "f"), EXDEV);
	CHECK_ERRNO(link("m/f", "f"), EXDEV);
	CHECK_ERRNO(rmdir("m"), EBUSY);
	static char buf[65536];
	ssize_t n = 0, w;
	while ((w = write(fd, buf, sizeof(buf))) > 0)
		n += w;
	CHECK_ERRNO(write(fd, buf, sizeof(buf)), ENOSPC);
	CHECK(n <= 65536);
	CHECK_ERRNO(syscall(SYS_umount2, "m", 0), EBUSY);
	close(fd);
	OK(syscall(SYS_umount2, "m", 0));
	OK(stat("m/under", &st));
	CHECK_ERRNO(syscall(SYS_umount2, "m", 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_mount, "x", "m", "nosuchfs", 0, NULL), ENODEV);
	CHECK_ERRNO(syscall(SYS_mount, "x", "missing", "tmpfs", 0, NULL), ENOENT);
	CHECK_ERRNO(syscall(SYS_mount, "x", "m/under", "tmpfs", 0, NULL), ENOTDIR);
	pid_t pid = CHILD({
		OK(setuid(1000));
		CHECK_ERRNO(syscall(SYS_mount, "x", "m", "tmpfs", 0, NULL), EPERM);
	});
	CHECK_EXIT(pid, 0);
}

TEST(mount_in_detached,
     "a mount inside of what is detached already, which nobody can take down again")
{
	OK(mkdir("mnt", 0755));
	OK(mount("none", "mnt", "tmpfs", 0, NULL));
	OK(chdir("mnt"));
	OK(mkdir("d", 0755));
	OK(umount2("../mnt", MNT_DETACH));
	CHECK_ERRNO(mount("none", "d", "tmpfs", 0, NULL), EINVAL);
	CHECK_ERRNO(mount("none", ".", "tmpfs", 0, NULL), EINVAL);
	CHECK_ERRNO(mount("d", "d", NULL, MS_BIND, NULL), EINVAL);
	OK(rmdir("d"));
}

TEST_MEM(memory_back, 48, "the memory of files that does not come back with unlink and truncate")
{
	static char buf[65536];
	char info[8192];

	for (int round = 0; round < 24; round++) {
		int fd = ut_file("big", NULL, 0);
		for (int i = 0; i < 128; i++)
			if (write(fd, buf, sizeof(buf)) != sizeof(buf)) {
				FAIL("round %d: %s", round, ut_errname(errno));
				return;
			}
		if (round & 1)
			OK(ftruncate(fd, 0));
		OK(unlink("big"));
		close(fd);
	}
	OK(ut_slurp("/proc/meminfo", info, sizeof(info)));
	CHECK(strtol(strstr(info, "MemFree:") + 8, NULL, 10) > 0);
}

TEST(no_direct, "O_DIRECT that a file system without direct I/O takes and then ignores")
{
	int fd = ut_file("f", "x", 1), p[2];

	CHECK_ERRNO(open("f", O_RDONLY | O_DIRECT), EINVAL);
	CHECK_ERRNO(open("new", O_CREAT | O_WRONLY | O_DIRECT, 0600), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_SETFL, O_DIRECT), EINVAL);
	OK(pipe(p));
	OK(fcntl(p[1], F_SETFL, O_DIRECT));
	CHECK_EQ(OK(fcntl(p[1], F_GETFL)) & O_DIRECT, O_DIRECT);
}

TEST(no_xattr, "ENOSYS for an attribute, which ls -l reports file by file")
{
	char buf[8];
	int fd = ut_file("f", "x", 1);

	CHECK_ERRNO(getxattr("f", "user.a", buf, sizeof(buf)), EOPNOTSUPP);
	CHECK_ERRNO(lgetxattr("f", "user.a", buf, sizeof(buf)), EOPNOTSUPP);
	CHECK_ERRNO(fgetxattr(fd, "user.a", buf, sizeof(buf)), EOPNOTSUPP);
	CHECK_ERRNO(getxattr("none", "user.a", buf, sizeof(buf)), ENOENT);
	CHECK_ERRNO(fgetxattr(-1, "user.a", buf, sizeof(buf)), EBADF);
	CHECK_ERRNO(getxattr("f", "", buf, sizeof(buf)), ERANGE);
}

TEST(lock_ranges, "a lock's range that overflows, or lies before the start")
{
	static const struct {
		long start, len;
		int err;
	} t[] = {
		{LONG_MIN, -1, EINVAL},
		{LONG_MIN, 0, EINVAL},
		{LONG_MIN, 1, EINVAL},
		{-1, 1, EINVAL},
		{0, -1, EINVAL},
		{5, -6, EINVAL},
		{5, LONG_MIN, EINVAL},
		{LONG_MAX, 2, EOVERFLOW},
		{1, LONG_MAX, 0},
		{2, LONG_MAX, EOVERFLOW},
		{LONG_MAX, 1, 0},
		{5, -5, 0},
		{LONG_MAX, LONG_MIN, EINVAL},
	};
	int fd = ut_file("f", "x", 1);

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct flock l = {.l_type = F_WRLCK, .l_start = t[i].start, .l_len = t[i].len};
		int r = fcntl(fd, F_SETLK, &l);

		if ((r ? errno : 0) != t[i].err)
			FAIL("start %ld, length %ld: %s, not %s", t[i].start, t[i].len,
			     ut_errname(r ? errno : 0), ut_errname(t[i].err));
	}
}

TEST(tools, "busybox's tools on files: sort, awk, gzip, sha256sum, dd, sed, find, tar")
{
	char buf[256];

#define SHELL(cmd, want)                                \
	do {                                            \
		CHECK_EQ(system(cmd " > out 2>&1"), 0); \
		OK(ut_slurp("out", buf, sizeof(buf)));  \
		CHECK_STR(buf, want);                   \
	} while (0)
	SHELL("printf '3\\n1\\n2\\n' | sort | tr -d '\\n'", "123");
	SHELL("seq 1 100 | awk '{ s += $1 } END { print s }'", "5050\n");
	SHELL("printf abc | sha256sum",
	      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n");
	SHELL("dd if=/dev/zero bs=4096 count=300 2>/dev/null | gzip | gunzip | wc -c", "1228800\n");
	SHELL("mkdir -p a/b && echo x > a/b/f && tar cf - a | tar tf - | wc -l", "3\n");
	SHELL("echo hello | sed s/l/L/g", "heLLo\n");
	SHELL("touch q && test -f q && ls q", "q\n");
	SHELL("x=$(echo $((6 * 7))); echo $x", "42\n");
}
