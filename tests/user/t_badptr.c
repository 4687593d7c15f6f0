/* SPDX-License-Identifier: MIT */
/*
 * Every system call with every pointer argument bad, in each way that a pointer can be bad.
 *
 * The table names, for each call, good arguments and which of them are pointers, and how they are
 * used: r = the kernel reads it, w = it writes it, s = a string. Each pointer in turn is replaced
 * by NULL, unmapped, kernel, non-canonical and (for w) read-only memory, and by an object that
 * ends with a page behind which nothing is mapped. The result has to be EFAULT, or what the table
 * says where NULL is allowed; what must never come is a crash, a write beyond the page, or a
 * success with a bad pointer.
 */
#include "utest.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <termios.h>

static char page[PAGE] __attribute__((aligned(4096)));
static int file_fd, other_fd, pipe_r, pipe_w, dir_fd, null_fd, tty_fd, self;
static char *edge; /* the end of a writable page, before a hole */
static char *read_only;

enum { A_NUM, A_FD, A_R, A_W, A_S };

struct arg {
	int kind;
	long value;  /* a number, a descriptor's variable, a string */
	int null_ok; /* NULL means "nothing here" */
	size_t size; /* of the object, in bytes; more than this the kernel must not touch */
};

struct call {
	const char *name;
	long nr;
	int fork; /* 1: in a child, since it changes the caller; 2: see BAD */
	struct arg arg[6];
};

#define NUM(v)                         \
	{                              \
		A_NUM, (long)(v), 0, 0 \
	}
#define FD(v)                                       \
	{                                           \
		A_FD, (long)(uintptr_t) & (v), 0, 0 \
	}
#define R(n)                 \
	{                    \
		A_R, 0, 0, n \
	}
#define W(n)                 \
	{                    \
		A_W, 0, 0, n \
	}
#define R0(n)                \
	{                    \
		A_R, 0, 1, n \
	}
#define W0(n)                \
	{                    \
		A_W, 0, 1, n \
	}
#define STR(s)                                  \
	{                                       \
		A_S, (long)(uintptr_t)(s), 0, 0 \
	}
#define CALL(n, ...)                \
	{                           \
#n, SYS_##n, 0,     \
		{                   \
			__VA_ARGS__ \
		}                   \
	}
/* In a child, and only with bad pointers: the call itself would do harm, or never come back. */
#define BAD(n, ...)                 \
	{                           \
#n, SYS_##n, 2,     \
		{                   \
			__VA_ARGS__ \
		}                   \
	}
#define FORK(n, ...)                \
	{                           \
#n, SYS_##n, 1,     \
		{                   \
			__VA_ARGS__ \
		}                   \
	}

#define STAT sizeof(struct stat)
#define TS   sizeof(struct timespec)

static const struct call calls[] = {
	CALL(read, FD(file_fd), W(100), NUM(100)),
	CALL(write, FD(pipe_w), R(100), NUM(100)),
	CALL(pread64, FD(file_fd), W(100), NUM(100), NUM(0)),
	CALL(pwrite64, FD(file_fd), R(100), NUM(100), NUM(5000)),
	CALL(readv, FD(file_fd), R(32), NUM(2)),
	CALL(writev, FD(file_fd), R(32), NUM(2)),
	CALL(open, STR("/dev/null"), NUM(0)),
	CALL(openat, NUM(AT_FDCWD), STR("/dev/null"), NUM(0)),
	CALL(creat, STR("created"), NUM(0644)),
	CALL(stat, STR("/"), W(STAT)),
	CALL(lstat, STR("/"), W(STAT)),
	CALL(fstat, FD(file_fd), W(STAT)),
	CALL(newfstatat, NUM(AT_FDCWD), STR("/"), W(STAT), NUM(0)),
	CALL(access, STR("/"), NUM(0)),
	CALL(faccessat, NUM(AT_FDCWD), STR("/"), NUM(0)),
	CALL(chdir, STR("/tmp")),
	CALL(chmod, STR("f"), NUM(0644)),
	CALL(fchmodat, NUM(AT_FDCWD), STR("f"), NUM(0644)),
	CALL(chown, STR("f"), NUM(0), NUM(0)),
	CALL(lchown, STR("f"), NUM(0), NUM(0)),
	CALL(fchownat, NUM(AT_FDCWD), STR("f"), NUM(0), NUM(0), NUM(0)),
	CALL(mkdir, STR("d1"), NUM(0755)),
	CALL(mkdirat, NUM(AT_FDCWD), STR("d2"), NUM(0755)),
	CALL(rmdir, STR("d1")),
	CALL(link, STR("f"), STR("l1")),
	CALL(linkat, NUM(AT_FDCWD), STR("f"), NUM(AT_FDCWD), STR("l2"), NUM(0)),
	CALL(symlink, STR("f"), STR("s3")),
	CALL(symlinkat, STR("f"), NUM(AT_FDCWD), STR("s2")),
	CALL(readlink, STR("s1"), W(1), NUM(1)),
	CALL(readlinkat, NUM(AT_FDCWD), STR("s1"), W(1), NUM(1)),
	CALL(rename, STR("l1"), STR("l3")),
	CALL(renameat, NUM(AT_FDCWD), STR("l2"), NUM(AT_FDCWD), STR("l4")),
	CALL(unlink, STR("l3")),
	CALL(unlinkat, NUM(AT_FDCWD), STR("l4"), NUM(0)),
	CALL(truncate, STR("f"), NUM(8000)),
	CALL(mknod, STR("n1"), NUM(S_IFREG | 0644), NUM(0)),
	CALL(statfs, STR("/"), W(sizeof(struct statfs))),
	CALL(fstatfs, FD(file_fd), W(sizeof(struct statfs))),
	CALL(utimensat, NUM(AT_FDCWD), STR("f"), R0(2 * TS), NUM(0)),
	CALL(getcwd, W(200), NUM(200)),
	CALL(getdents64, FD(dir_fd), W(1024), NUM(1024)),
	CALL(pipe, W(8)),
	CALL(pipe2, W(8), NUM(0)),
	CALL(poll, W(8), NUM(1), NUM(0)),
	CALL(select, NUM(8), W0(8), W0(8), W0(8), W0(sizeof(struct timeval))),
	CALL(sendfile, FD(null_fd), FD(file_fd), W0(8), NUM(5)),
	CALL(clock_gettime, NUM(CLOCK_MONOTONIC), W(TS)),
	CALL(clock_getres, NUM(CLOCK_MONOTONIC), W0(TS)),
	CALL(clock_nanosleep, NUM(CLOCK_MONOTONIC), NUM(0), R(TS), W0(TS)),
	CALL(nanosleep, R(TS), W0(TS)),
	CALL(gettimeofday, W0(sizeof(struct timeval)), W0(8)),
	CALL(time, W0(8)),
	CALL(times, W0(sizeof(struct tms))),
	CALL(getitimer, NUM(ITIMER_REAL), W(sizeof(struct itimerval))),
	FORK(setitimer, NUM(ITIMER_REAL), R0(sizeof(struct itimerval)),
	     W0(sizeof(struct itimerval))),
	CALL(getrusage, NUM(RUSAGE_SELF), W(sizeof(struct rusage))),
	CALL(getrlimit, NUM(RLIMIT_NOFILE), W(sizeof(struct rlimit))),
	CALL(prlimit64, NUM(0), NUM(RLIMIT_NOFILE), NUM(0), W0(sizeof(struct rlimit))),
	CALL(uname, W(sizeof(struct utsname) - 0)),
	CALL(sysinfo, W(sizeof(struct sysinfo) > 112 ? 112 : sizeof(struct sysinfo))),
	CALL(getrandom, W(64), NUM(64), NUM(0)),
	CALL(getgroups, NUM(64), W(4)),
	CALL(getresuid, W(4), W(4), W(4)),
	CALL(getresgid, W(4), W(4), W(4)),
	CALL(rt_sigaction, NUM(SIGUSR1), R0(32), W0(32), NUM(8)),
	FORK(rt_sigprocmask, NUM(SIG_BLOCK), R0(8), W0(8), NUM(8)),
	CALL(rt_sigpending, W(8), NUM(8)),
	CALL(rt_sigtimedwait, R(8), W0(128), R(TS), NUM(8)),
	FORK(sigaltstack, R0(24), W0(24)),
	CALL(mincore, NUM(page), NUM(PAGE), W(1)),
	CALL(sched_getaffinity, NUM(0), NUM(8), W(8)),
	CALL(sched_setaffinity, NUM(0), NUM(8), R(8)),
	CALL(ioctl, FD(tty_fd), NUM(TCGETS), W(36)),
	CALL(ioctl, FD(tty_fd), NUM(TIOCGWINSZ), W(8)),
	CALL(ioctl, FD(pipe_r), NUM(0x541b /* FIONREAD */), W(4)),
	CALL(getcpu, W0(4), W0(4), NUM(0)),
	CALL(arch_prctl, NUM(0x1003), W(8)),
	CALL(prctl, NUM(16 /* GET_NAME */), W(16)),
	CALL(prctl, NUM(15 /* SET_NAME */), R(16)),
	CALL(memfd_create, STR("m"), NUM(0)),
	CALL(waitid, NUM(0), NUM(0), W0(128), NUM(WEXITED | WNOHANG), W0(sizeof(struct rusage))),
	CALL(getgroups, NUM(64), W(4)),
	CALL(execve, STR("/no/such/file"), R0(8), R0(8)),
	CALL(wait4, NUM(-1), W0(4), NUM(0), W0(sizeof(struct rusage))),
	CALL(fcntl, FD(file_fd), NUM(F_GETLK), W(sizeof(struct flock))),
	CALL(fcntl, FD(file_fd), NUM(F_SETLK), R(sizeof(struct flock))),
	FORK(setgroups, NUM(1), R(4)),
	CALL(capget, W(8), W0(24)),
	BAD(capset, R(8), R(24)),
	CALL(rt_sigqueueinfo, FD(self), NUM(0), R(48)),
	BAD(rt_sigsuspend, R(8), NUM(8)),
	CALL(utime, STR("f"), R0(16)),
	CALL(utimes, STR("f"), R0(32)),
	CALL(futimesat, NUM(AT_FDCWD), STR("f"), R0(32)),
	CALL(sched_setparam, NUM(0), R(4)),
	CALL(sched_getparam, NUM(0), W(4)),
	CALL(sched_setscheduler, NUM(0), NUM(0), R(4)),
	CALL(sched_rr_get_interval, NUM(0), W(TS)),
	FORK(setrlimit, NUM(RLIMIT_CORE), R(16)),
	FORK(chroot, STR(".")),
	BAD(mount, STR("none"), STR("d3"), STR("tmpfs"), NUM(0), R0(8)),
	BAD(umount2, STR("d3"), NUM(0)),
	BAD(sethostname, R(8), NUM(8)),
	BAD(setdomainname, R(8), NUM(8)),
	CALL(getxattr, STR("f"), STR("user.x"), NUM(0), NUM(0)),
	CALL(lgetxattr, STR("f"), STR("user.x"), NUM(0), NUM(0)),
	CALL(fgetxattr, FD(file_fd), STR("user.x"), NUM(0), NUM(0)),
	CALL(futex, R(4), NUM(0), NUM(1), R0(TS)),
	CALL(get_robust_list, NUM(0), W(8), W(8)),
	CALL(pselect6, NUM(8), W0(8), W0(8), W0(8), W0(TS), R0(16)),
	CALL(ppoll, W(8), NUM(1), W0(TS), R0(8), NUM(8)),
	CALL(preadv, FD(file_fd), R(32), NUM(2), NUM(0)),
	CALL(pwritev, FD(file_fd), R(32), NUM(2), NUM(0)),
	CALL(preadv2, FD(file_fd), R(32), NUM(2), NUM(0), NUM(0), NUM(0)),
	CALL(pwritev2, FD(file_fd), R(32), NUM(2), NUM(0), NUM(0), NUM(0)),
	CALL(statx, NUM(AT_FDCWD), STR("f"), NUM(0), NUM(0x7ff), W(256)),
	CALL(faccessat2, NUM(AT_FDCWD), STR("f"), NUM(0), NUM(0)),
	CALL(mknodat, NUM(AT_FDCWD), STR("n2"), NUM(S_IFREG | 0644), NUM(0)),
	CALL(renameat2, NUM(AT_FDCWD), STR("n2"), NUM(AT_FDCWD), STR("n3"), NUM(0)),
	CALL(execveat, NUM(AT_FDCWD), STR("/no/such/file"), R0(8), R0(8), NUM(0)),
	CALL(copy_file_range, FD(file_fd), W0(8), FD(other_fd), W0(8), NUM(5), NUM(0)),
	BAD(clone3, R(88), NUM(88)),
	CALL(shmctl, NUM(0), NUM(3 /* IPC_INFO */), W(72)),
	CALL(shmctl, NUM(0), NUM(14 /* SHM_INFO */), W(48)),
	BAD(clock_settime, NUM(CLOCK_REALTIME), R(TS)),
	BAD(settimeofday, R0(16), R0(8)),
	CALL(prctl, NUM(2 /* GET_PDEATHSIG */), W(4)),
	CALL(prctl, NUM(37 /* GET_CHILD_SUBREAPER */), W(4)),
	CALL(arch_prctl, NUM(0x1004), W(8)),
	BAD(ioctl, FD(tty_fd), NUM(TCSETS), R(36)),
	BAD(ioctl, FD(tty_fd), NUM(TIOCSWINSZ), R(8)),
	BAD(ioctl, FD(pipe_r), NUM(0x5421 /* FIONBIO */), R(4)),
	CALL(getdents, FD(dir_fd), W(1024), NUM(1024)),
	CALL(timer_create, NUM(CLOCK_MONOTONIC), NUM(0), W(4)),
	CALL(epoll_ctl, FD(file_fd), NUM(1), FD(pipe_r), R(12)),
	CALL(truncate, STR("f"), NUM(8000)),
	CALL(name_to_handle_at, NUM(AT_FDCWD), STR("f"), W(8), W(4), NUM(0)),
};

static char string_area[256];

/* The argument as it should be. */
static long good(const struct arg *a, int i)
{
	switch (a->kind) {
	case A_FD:
		return *(int *)(uintptr_t)a->value;
	case A_S:
		return a->value;
	case A_R:
	case A_W:
		return (long)(uintptr_t)(page + 512 * (i + 1));
	default:
		return a->value;
	}
}

static int has_vector(const struct call *c)
{
	static const int nr[] = {SYS_readv,   SYS_writev,  SYS_preadv,
				 SYS_pwritev, SYS_preadv2, SYS_pwritev2};

	for (size_t i = 0; i < sizeof(nr) / sizeof(*nr); i++)
		if (c->nr == nr[i])
			return 1;
	return 0;
}

/* Which timeout, if it is not there, means for ever. */
static int timeout_of(const struct call *c)
{
	return c->nr == SYS_select || c->nr == SYS_pselect6       ? 4 :
	       c->nr == SYS_rt_sigtimedwait || c->nr == SYS_ppoll ? 2 :
								    -1;
}

static long invoke(const struct call *c, int bad, long value)
{
	long v[6];

	for (int i = 0; i < 6; i++)
		v[i] = i == bad ? value : good(&c->arg[i], i);
	memset(page, 0, sizeof(page));
	/* what the vector calls find in their vector */
	if (has_vector(c)) {
		struct iovec *iov = (void *)(page + 512 * 2);
		iov[0] = iov[1] = (struct iovec){string_area, 4};
	}
	/* a clean affinity mask, a descriptor that is not there */
	if (c->nr == SYS_sched_setaffinity)
		memset(page + 512 * 3, 0xff, 8);
	if (c->nr == SYS_sigaltstack)
		((stack_t *)(page + 512))->ss_flags = SS_DISABLE;
	if (c->nr == SYS_poll || c->nr == SYS_ppoll)
		*(int *)(page + 512) = -1;
	if (c->nr == SYS_capget || c->nr == SYS_capset)
		*(int *)(page + 512) = 0x20080522;
	if (c->nr == SYS_fcntl)
		((struct flock *)(page + 512 * 3))->l_type = F_WRLCK;
	if ((c->nr == SYS_wait4 || c->nr == SYS_waitid) && fork() == 0)
		_exit(0);
	errno = 0;
	return syscall(c->nr, v[0], v[1], v[2], v[3], v[4], v[5]);
}

/* poll and execve see other faults first or not at all; what they may answer instead. */
static int excused(const struct call *c, int i, long r, int err)
{
	if (r == -1 && err == ENOSYS)
		return 1;
	if (c->nr == SYS_execveat)
		return i == 1 ? err == EFAULT : err == EFAULT || err == ENOENT;
	if (c->nr == SYS_execve)
		return i == 0 ? err == EFAULT : err == EFAULT || err == ENOENT;
	/* NULL where a wait has nothing to report, or the sleep was not interrupted */
	if ((c->nr == SYS_nanosleep && i == 1) || (c->nr == SYS_clock_nanosleep && i == 3) ||
	    c->nr == SYS_rt_sigtimedwait || c->nr == SYS_waitid)
		return 1;
	/* the rest of the time is written if it can be */
	if (c->nr == SYS_select && i == 4)
		return r == 0;
	if ((c->nr == SYS_pselect6 && i == 4) || (c->nr == SYS_ppoll && i == 2))
		return r == 0;
	/* what is looked at before the pointer: NULL, its alignment, what it points to */
	if (c->nr == SYS_sched_setparam || c->nr == SYS_sched_getparam ||
	    c->nr == SYS_sched_setscheduler || (c->nr == SYS_futex && i == 0) ||
	    ((c->nr == SYS_capget || c->nr == SYS_capset) && i == 0))
		return err == EINVAL;
	if (c->nr == SYS_mount)
		return err == ENOENT;
	/* nothing is written, since there are no groups */
	if (c->nr == SYS_getgroups)
		return r == 0;
	return 0;
}

static void try(const struct call *c, int i, const char *how, long value)
{
	/* no time limit: they would wait for ever */
	if (!value && i == timeout_of(c))
		return;

	long r = invoke(c, i, value);
	int err = errno;

	if (r == -1 && err == EFAULT)
		return;
	if (c->arg[i].null_ok && !value)
		return;
	if (!excused(c, i, r, err))
		FAIL("%s, argument %d %s: %ld, %s", c->name, i + 1, how, r,
		     r == -1 ? ut_errname(err) : "");
}

/* A list that is shorter than the buffer, or an empty set, need not be touched to its end. */
static int used_in_part(const struct call *c)
{
	static const int nr[] = {SYS_getcwd, SYS_getdents64, SYS_getdents, SYS_getrandom,
				 SYS_read,   SYS_pread64,    SYS_write,    SYS_pwrite64,
				 SYS_prctl,  SYS_execve,     SYS_mount,    SYS_syslog};

	for (size_t i = 0; i < sizeof(nr) / sizeof(*nr); i++)
		if (c->nr == nr[i])
			return 1;
	return has_vector(c);
}

static void try_all_ways(const struct call *c, int i)
{
	int kind = c->arg[i].kind;
	char *last = edge - (kind == A_S ? 3 : c->arg[i].size > 1 ? c->arg[i].size / 2 : 0);

	try(c, i, "NULL", 0);
	try(c, i, "unmapped", (long)(uintptr_t)BADPTR);
	try(c, i, "in the kernel", (long)(uintptr_t)KERNPTR);
	try(c, i, "in the kernel's text", (long)0xffffffff80100000);
	try(c, i, "not canonical", (long)(uintptr_t)NONCANON);
	try(c, i, "at the end of user memory", 0x7ffffffff000L);
	try(c, i, "at -1", -1L);
	/* half of it is there */
	memset(edge - 8, kind == A_S ? 'x' : 0, 8);
	if (!used_in_part(c))
		try(c, i, "cut by the end of a page", (long)(uintptr_t)last);
	if (kind == A_W)
		try(c, i, "read-only", (long)(uintptr_t)read_only);
}

static void set_up(void)
{
	int fds[2];

	file_fd = ut_file("f", string_area, sizeof(string_area));
	OK(pipe2(fds, O_NONBLOCK));
	pipe_r = fds[0];
	pipe_w = fds[1];
	OK(symlink("f", "s1"));
	dir_fd = OK(open(".", O_RDONLY | O_DIRECTORY));
	null_fd = OK(open("/dev/null", O_RDWR));
	other_fd = ut_file("other", "", 0);
	self = getpid();
	tty_fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_NONBLOCK);
	char *p = ut_map_alone(PAGE);
	memset(p, 1, PAGE);
	edge = p + PAGE;
	read_only = ut_map_prot(PAGE, PROT_READ);
}

static int needs_terminal(const struct call *c)
{
	return c->nr == SYS_ioctl && c->arg[0].value == (long)(uintptr_t)&tty_fd && tty_fd < 0;
}

TEST(every_call, "a bad pointer that is an oops, a success, or another error than EFAULT")
{
	set_up();
	for (size_t n = 0; n < sizeof(calls) / sizeof(*calls); n++) {
		const struct call *c = &calls[n];

		if (needs_terminal(c))
			continue;
		for (int i = 0; i < 6; i++) {
			if (c->arg[i].kind < A_R)
				continue;
			lseek(file_fd, 0, SEEK_SET);
			lseek(dir_fd, 0, SEEK_SET);
			if (!c->fork) {
				try_all_ways(c, i);
				continue;
			}
			pid_t pid = CHILD({ try_all_ways(c, i); });
			int status = -1;

			if (waitpid(pid, &status, 0) != pid || status)
				FAIL("%s, argument %d: wait status %#x", c->name, i + 1, status);
		}
	}
}

TEST(good_ones, "the table itself: with good pointers nothing is EFAULT")
{
	set_up();
	for (size_t n = 0; n < sizeof(calls) / sizeof(*calls); n++) {
		const struct call *c = &calls[n];
		if (c->fork == 2 || needs_terminal(c))
			continue;
		pid_t pid = CHILD({
			if (invoke(c, -1, 0) == -1 && errno == EFAULT)
				FAIL("%s is EFAULT", c->name);
		});
		CHECK_EXIT(pid, 0);
	}
}

TEST(partial_io, "reads and writes over the end of memory: what fits is moved, then EFAULT")
{
	char big[300];

	set_up();
	memset(big, 'q', sizeof(big));
	OK(pwrite(file_fd, big, 300, 0));
	ssize_t n = pread(file_fd, edge - 100, 300, 0);
	CHECK(n == 100 || (n == -1 && errno == EFAULT));
	if (n == 100)
		CHECK(edge[-1] == 'q' && edge[-100] == 'q');
	n = pwrite(file_fd, edge - 100, 300, 0);
	CHECK(n == 100 || (n == -1 && errno == EFAULT));
	n = write(pipe_w, edge - 100, 300);
	CHECK(n == 100 || (n == -1 && errno == EFAULT));
}

TEST(huge_counts, "counts that wrap round the address space")
{
	char c[16];

	set_up();
	lseek(file_fd, 0, SEEK_SET);
	CHECK_EQ(read(file_fd, c, 16), 16);
	/* more than LONG_MAX */
	CHECK_ERRNO(syscall(SYS_read, file_fd, c, -1L), EFAULT);
	CHECK_ERRNO(syscall(SYS_write, file_fd, c, -1L), EFAULT);
	CHECK_ERRNO(syscall(SYS_write, null_fd, c, 1L << 62), EFAULT);
}

TEST(long_strings, "paths without an end")
{
	set_up();
	char *p = ut_map_alone(2 * PAGE);
	memset(p, 'a', 2 * PAGE);
	CHECK_ERRNO(open(p, O_RDONLY), ENAMETOOLONG);
	p = ut_map_alone(PAGE);
	memset(p, '/', PAGE);
	CHECK_ERRNO(open(p + 100, O_RDONLY), EFAULT);
	p[PAGE - 1] = 0;
	OK(open(p + 100, O_RDONLY));
}

TEST(unmapped_while_used, "a buffer that another system call's page tables have just lost")
{
	set_up();
	for (int i = 0; i < 200; i++) {
		char *p = ut_map(2 * PAGE);
		p[0] = 1;
		OK(munmap(p + PAGE, PAGE));
		CHECK_EQ(pread(file_fd, p, 16, 0), 16);
		CHECK_ERRNO(pread(file_fd, p + PAGE, 16, 0), EFAULT);
		OK(mprotect(p, PAGE, PROT_READ));
		CHECK_ERRNO(pread(file_fd, p, 16, 0), EFAULT);
		OK(munmap(p, PAGE));
	}
}

TEST(smap, "the kernel reading user memory that is PROT_NONE")
{
	set_up();
	char *p = ut_map_prot(PAGE, PROT_NONE);
	CHECK_ERRNO(write(pipe_w, p, 10), EFAULT);
	CHECK_ERRNO(open(p, O_RDONLY), EFAULT);
	CHECK_ERRNO(pread(file_fd, p, 10, 0), EFAULT);
}

/* What the kernel's memory looks like where nothing was written: the stack that we had stained, and a
 * debug build's free objects and pages. */
static int is_kernel_memory(const unsigned char *p)
{
	static const unsigned char markers[] = {0xa5, 0x6b, 0xaa};
	uint64_t word;

	for (size_t i = 0; i < sizeof(markers); i++)
		if (p[0] == markers[i] && p[1] == markers[i] && p[2] == markers[i])
			return 1;
	if ((uintptr_t)p % 8)
		return 0;
	memcpy(&word, p, 8);
	return (word >= 0xffff888000000000 && word < 0xfffffffffffff000 &&
		word >> 32 != 0xffffffff) ||
	       (word >= 0xffffffff80000000 && word < 0xffffffffa0000000);
}

TEST(leaks, "a structure with bytes in it that the kernel has not written")
{
	int stain = open("/proc/octavo/stain", O_WRONLY);

	set_up();
	for (size_t n = 0; n < sizeof(calls) / sizeof(*calls); n++) {
		const struct call *c = &calls[n];

		if (c->fork || needs_terminal(c) || c->nr == SYS_getrandom)
			continue;
		if (stain >= 0)
			CHECK_EQ(write(stain, "", 1), 1);
		lseek(dir_fd, 0, SEEK_SET);
		invoke(c, -1, 0);
		for (int i = 0; i < 6; i++)
			for (size_t at = 0; c->arg[i].kind == A_W && at < 510; at++) {
				char *p = page + 512 * (i + 1) + at;

				if (is_kernel_memory((unsigned char *)p)) {
					FAIL("%s, argument %d: byte %zu is the kernel's: %02x%02x%02x",
					     c->name, i + 1, at, p[0] & 255, p[1] & 255,
					     p[2] & 255);
					break;
				}
			}
	}
}
