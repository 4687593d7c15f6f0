/* SPDX-License-Identifier: MIT */
/*
 * File calls that programs use where they are there: copy_file_range, preadv2 and pwritev2, locks
 * of open files, files without a name, exchanging names, moving a mount.
 */
#include "utest.h"

#include <sys/mount.h>

static long copy(int in, off_t *ip, int out, off_t *op, size_t n, unsigned flags)
{
	return syscall(SYS_copy_file_range, in, ip, out, op, n, flags);
}

static void check_text(int fd, const char *want)
{
	char buf[64] = {0};

	CHECK_EQ(pread(fd, buf, sizeof(buf) - 1, 0), strlen(want));
	CHECK_STR(buf, want);
}

TEST(copy_file_range, "bytes copied from or to the wrong place, or a position that does not move")
{
	int in = ut_file("in", "0123456789", 10), out = ut_file("out", "abcdefgh", 8);
	off_t ip = 8, op = 1;

	NEEDS(copy(in, NULL, out, NULL, 0, 0));
	OK(lseek(in, 2, SEEK_SET));
	OK(lseek(out, 4, SEEK_SET));
	CHECK_EQ(copy(in, NULL, out, NULL, 3, 0), 3);
	check_text(out, "abcd234h");
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 5);
	CHECK_EQ(lseek(out, 0, SEEK_CUR), 7);
	CHECK_EQ(copy(in, &ip, out, &op, 100, 0), 2); /* to the end of the file */
	check_text(out, "a89d234h");
	CHECK_EQ(ip, 10);
	CHECK_EQ(op, 3);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 5);
	CHECK_EQ(copy(in, &ip, out, &op, 1, 0), 0);
	ip = 0, op = 10;
	CHECK_EQ(copy(out, &ip, out, &op, 3, 0), 3); /* within one file, leaving a hole */
	struct stat st;
	OK(fstat(out, &st));
	CHECK_EQ(st.st_size, 13);
}

TEST(copy_errors, "copy_file_range between files that it cannot copy")
{
	int in = ut_file("in", "0123456789", 10), out = ut_file("out", "", 0), pipes[2];
	int ro = OK(open("in", O_RDONLY)), wo = OK(open("out", O_WRONLY));
	int app = OK(open("out", O_WRONLY | O_APPEND)), dir = OK(open(".", O_RDONLY));
	off_t ip = 0, op = 5;

	NEEDS(copy(in, NULL, out, NULL, 0, 0));
	OK(pipe(pipes));
	CHECK_ERRNO(copy(in, NULL, out, NULL, 1, 1), EINVAL);
	CHECK_ERRNO(copy(-1, NULL, out, NULL, 1, 0), EBADF);
	CHECK_ERRNO(copy(in, NULL, 99, NULL, 1, 0), EBADF);
	CHECK_ERRNO(copy(wo, NULL, out, NULL, 1, 0), EBADF);
	CHECK_ERRNO(copy(in, NULL, ro, NULL, 1, 0), EBADF);
	CHECK_ERRNO(copy(in, NULL, app, NULL, 1, 0), EBADF);
	CHECK_ERRNO(copy(dir, NULL, out, NULL, 1, 0), EISDIR);
	CHECK_ERRNO(copy(in, NULL, dir, NULL, 1, 0), EISDIR);
	CHECK_ERRNO(copy(pipes[0], NULL, out, NULL, 1, 0), EINVAL);
	CHECK_ERRNO(copy(in, NULL, pipes[1], NULL, 1, 0), EINVAL);
	CHECK_ERRNO(copy(in, &ip, in, &op, 6, 0), EINVAL); /* overlap */
	CHECK_ERRNO(copy(in, BADPTR, out, NULL, 1, 0), EFAULT);
	ip = LONG_MAX;
	CHECK_EQ(copy(in, &ip, out, NULL, 1, 0), 0);
	CHECK_ERRNO(copy(in, &ip, out, NULL, LONG_MAX + 2UL, 0), EOVERFLOW);
}

TEST(preadv2, "the position -1, a flag that is not there, a half of the position that counts")
{
	int fd = ut_file("f", "0123456789", 10);
	char a[3] = {0}, b[3] = {0};
	struct iovec v[2] = {{a, 2}, {b, 2}};

	NEEDS(syscall(SYS_preadv2, fd, v, 0, 0L, 0L, 0));
	OK(lseek(fd, 3, SEEK_SET));
	CHECK_EQ(syscall(SYS_preadv2, fd, v, 2, -1L, 0L, 0), 4);
	CHECK_STR(a, "34");
	CHECK_STR(b, "56");
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 7);
	CHECK_EQ(syscall(SYS_preadv2, fd, v, 2, 1L, 0L, 1 /* HIPRI */), 4);
	CHECK_STR(a, "12");
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 7);
	CHECK_EQ(syscall(SYS_pwritev2, fd, v, 2, 0L, 0L, 2 /* DSYNC */), 4);
	check_text(fd, "1234456789");
	CHECK_EQ(syscall(SYS_pwritev2, fd, v, 1, -1L, 0L, 4 /* SYNC */), 2);
	check_text(fd, "1234456129");
	CHECK_ERRNO(syscall(SYS_preadv2, fd, v, 2, 0L, 0L, 0x80), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_pwritev2, fd, v, 2, 0L, 0L, 0x80), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_preadv2, fd, v, 2, -2L, 0L, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_preadv2, -1, v, 2, 0L, 0L, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_preadv2, fd, BADPTR, 2, 0L, 0L, 0), EFAULT);
}

#ifndef F_OFD_GETLK
#define F_OFD_GETLK  36
#define F_OFD_SETLK  37
#define F_OFD_SETLKW 38
#endif

static int ofd(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = {.l_type = type, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &l);
}

TEST(ofd_locks, "a lock of an open file that the process shares, or that ends with any close")
{
	int a = ut_file("f", "0123456789", 10), b = OK(open("f", O_RDWR)),
	    c = OK(open("f", O_RDWR));
	struct flock l = {.l_type = F_WRLCK, .l_pid = 1};

	CHECK_ERRNO(fcntl(a, F_OFD_SETLK, &l), EINVAL);
	OK(ofd(a, F_OFD_SETLK, F_WRLCK, 0, 5));
	CHECK_ERRNO(ofd(b, F_OFD_SETLK, F_RDLCK, 4, 1), EAGAIN);
	CHECK_ERRNO(ofd(b, F_SETLK, F_RDLCK, 4, 1), EAGAIN); /* the process's own kind, too */
	OK(ofd(b, F_OFD_SETLK, F_WRLCK, 5, 5));
	l = (struct flock){.l_type = F_RDLCK};
	OK(fcntl(b, F_OFD_GETLK, &l));
	CHECK_EQ(l.l_type, F_WRLCK);
	CHECK_EQ(l.l_len, 5);
	CHECK_EQ(l.l_pid, -1);
	OK(close(c));
	CHECK_ERRNO(ofd(b, F_OFD_SETLK, F_RDLCK, 0, 1), EAGAIN);
	int d = OK(dup(a));
	OK(close(a));
	CHECK_ERRNO(ofd(b, F_OFD_SETLK, F_RDLCK, 0, 1), EAGAIN);
	pid_t pid = CHILD({
		OK(ofd(d, F_OFD_SETLK, F_WRLCK, 0, 5)); /* the same open file */
		OK(close(d));
		OK(ofd(b, F_OFD_SETLKW, F_RDLCK, 0, 1)); /* waits for the parent's close */
	});
	ut_wait_state(pid, 'S');
	OK(close(d));
	CHECK_EXIT(pid, 0);
}

static int lock_byte(int fd, int cmd, off_t at)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = at, .l_len = 1};

	return fcntl(fd, cmd, &l);
}

TEST(deadlock, "processes that wait for one another's locks for ever, or are told so without need")
{
	int fd = ut_file("f", "0123456789", 10);

	OK(lock_byte(fd, F_SETLK, 0));
	pid_t pid = CHILD({
		OK(lock_byte(fd, F_SETLK, 1));
		OK(lock_byte(fd, F_SETLKW, 0)); /* until the parent lets go of it */
	});
	ut_wait_state(pid, 'S');
	pid_t third = CHILD({
		OK(lock_byte(fd, F_SETLK, 2));
		OK(lock_byte(fd, F_SETLKW, 1)); /* no circle, only a queue */
	});
	ut_wait_state(third, 'S');
	CHECK_ERRNO(lock_byte(fd, F_SETLKW, 1), EDEADLK);
	CHECK_ERRNO(lock_byte(fd, F_SETLKW, 2), EDEADLK); /* by two steps */
	CHECK_ERRNO(lock_byte(fd, F_SETLK, 1), EAGAIN);
	struct flock un = {.l_type = F_UNLCK};
	OK(fcntl(fd, F_SETLK, &un));
	CHECK_EXIT(pid, 0);
	CHECK_EXIT(third, 0);
	OK(lock_byte(fd, F_SETLKW, 1));
}

TEST(tmpfile, "O_TMPFILE: a file with a name, or one that cannot be given a name")
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);
	char path[64], name[128] = {0};
	struct stat st;

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		SKIP_LINUX("no O_TMPFILE");
	OK(fd);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	CHECK_EQ(write(fd, "nameless", 8), 8);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(readlink(path, name, sizeof(name) - 1));
	CHECK(strstr(name, "/#") && strstr(name, " (deleted)"));
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	check_text(OK(open("named", O_RDONLY)), "nameless");
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 1);
	OK(unlink("named")); /* now it had one: not again */
	CHECK_ERRNO(linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW), ENOENT);

	fd = OK(open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_ERRNO(linkat(AT_FDCWD, path, AT_FDCWD, "excl", AT_SYMLINK_FOLLOW), ENOENT);
	CHECK_ERRNO(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	CHECK_ERRNO(open(".", O_TMPFILE | O_RDWR | O_CREAT, 0600), EINVAL);
	CHECK_ERRNO(open("absent", O_TMPFILE | O_RDWR, 0600), ENOENT);
	CHECK_ERRNO(open("/proc", O_TMPFILE | O_RDWR, 0600), EOPNOTSUPP);
	close(ut_file("f", "", 0));
	CHECK_ERRNO(open("f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	OK(mkdir("closed", 0755));
	CHECK_EXIT(CHILD({
			   OK(setuid(1000));
			   CHECK_ERRNO(open("closed", O_TMPFILE | O_RDWR, 0600), EACCES);
		   }),
		   0);
}

#define EXCHANGE       2
#define exchange(a, b) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, EXCHANGE)

static nlink_t links_of(const char *name)
{
	struct stat st;

	OK(stat(name, &st));
	return st.st_nlink;
}

TEST(exchange, "RENAME_EXCHANGE: a name lost, link counts of directories, a loop of directories")
{
	struct stat st;

	close(ut_file("f", "f", 1));
	close(ut_file("g", "g", 1));
	OK(mkdir("d", 0755));
	OK(mkdir("d/sub", 0755));
	OK(mkdir("e", 0755));
	if (exchange("f", "g") < 0 && errno == EINVAL)
		SKIP_LINUX("no RENAME_EXCHANGE");
	check_text(OK(open("f", O_RDONLY)), "g");
	check_text(OK(open("g", O_RDONLY)), "f");
	CHECK_EQ(links_of("d"), 3);
	CHECK_EQ(links_of("."), 4);
	OK(exchange("f", "d/sub"));
	CHECK_EQ(links_of("d"), 2);
	CHECK_EQ(links_of("."), 5);
	check_text(OK(open("d/sub", O_RDONLY)), "g");
	OK(stat("f", &st));
	CHECK(S_ISDIR(st.st_mode));
	OK(stat("f/..", &st));
	ino_t ino = st.st_ino;
	OK(stat(".", &st));
	CHECK_EQ(st.st_ino, ino);
	OK(exchange("d", "e"));
	check_text(OK(open("e/sub", O_RDONLY)), "g");
	CHECK_ERRNO(exchange("f", "absent"), ENOENT);
	CHECK_ERRNO(exchange("absent", "f"), ENOENT);
	CHECK_ERRNO(exchange("e", "e/sub"), EINVAL);
	CHECK_ERRNO(exchange("e/sub", "e"), EINVAL);
	CHECK_ERRNO(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", EXCHANGE | 1), EINVAL);
	OK(exchange("g", "g"));
}

TEST(move_mount, "MS_MOVE: files at the old place, a mount moved into itself")
{
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mount("none", "a", "tmpfs", 0, NULL));
	close(ut_file("a/f", "moved", 5));
	OK(mkdir("a/below", 0755));
	if (mount("a", "b", NULL, MS_MOVE, NULL) < 0) {
		umount("a");
		if (errno == EINVAL)
			SKIP_LINUX("no MS_MOVE");
	}
	int fd = OK(open("b/f", O_RDONLY));
	check_text(fd, "moved");
	OK(close(fd));
	CHECK_ERRNO(open("a/f", O_RDONLY), ENOENT);
	CHECK_ERRNO(mount("b", "b/below", NULL, MS_MOVE, NULL), ELOOP);
	CHECK_ERRNO(mount("b/below", "a", NULL, MS_MOVE, NULL), EINVAL); /* no mount */
	CHECK_ERRNO(mount("/", "a", NULL, MS_MOVE, NULL), EINVAL);
	CHECK_ERRNO(mount("b", "absent", NULL, MS_MOVE, NULL), ENOENT);
	OK(umount("b"));
	OK(rmdir("b"));
}
