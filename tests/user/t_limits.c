/* SPDX-License-Identifier: MIT */
/*
 * Resource limits: read, set, inherited, and in force.
 */
#include "utest.h"

TEST(get_set, "a limit that does not keep what was set, for each resource")
{
	for (int r = 0; r < 16; r++) {
		struct rlimit old, new, now;

		OK(getrlimit(r, &old));
		CHECK(old.rlim_cur <= old.rlim_max);
		new = old;
		if (new.rlim_cur == RLIM_INFINITY || new.rlim_cur > 1 << 20)
			new.rlim_cur = r == RLIMIT_NICE || r == RLIMIT_RTPRIO ? 1 : 1UL << 30;
		if (new.rlim_cur > new.rlim_max)
			continue;
		OK(setrlimit(r, &new));
		OK(getrlimit(r, &now));
		CHECK(now.rlim_cur == new.rlim_cur &&now.rlim_max == new.rlim_max);
		OK(setrlimit(r, &old));
	}
}

TEST(errors, "bad resources, soft above hard, hard raised by an ordinary user")
{
	struct rlimit rl = {10, 5};

	CHECK_ERRNO(syscall(SYS_setrlimit, RLIMIT_NOFILE, &rl), EINVAL);
	CHECK_ERRNO(syscall(SYS_getrlimit, 16, &rl), EINVAL);
	CHECK_ERRNO(syscall(SYS_getrlimit, -1, &rl), EINVAL);
	CHECK_ERRNO(syscall(SYS_getrlimit, RLIMIT_CORE, BADPTR), EFAULT);
	CHECK_ERRNO(syscall(SYS_setrlimit, RLIMIT_CORE, BADPTR), EFAULT);
	pid_t pid = CHILD({
		OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){300, 300}));
		OK(setuid(1000));
		CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &(struct rlimit){300, 400}), EPERM);
		OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){260, 300}));
		OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){300, 300}));
	});
	CHECK_EXIT(pid, 0);
}

TEST(prlimit, "prlimit64 of oneself and of another")
{
	struct rlimit old, new = {111, 222};

	pid_t pid = CHILD({ pause(); });
	OK(syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, &new, &old));
	OK(syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, NULL, &old));
	CHECK(old.rlim_cur == 111 && old.rlim_max == 222);
	OK(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &old));
	CHECK(old.rlim_cur != 111);
	CHECK_ERRNO(syscall(SYS_prlimit64, 999999999, RLIMIT_NOFILE, NULL, &old), ESRCH);
	CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, BADPTR), EFAULT);
	pid_t other = CHILD({
		OK(setuid(1000));
		CHECK_ERRNO(syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, NULL, &old), EPERM);
	});
	CHECK_EXIT(other, 0);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(nofile, "RLIMIT_NOFILE not in force, in every call that makes a descriptor")
{
	pid_t pid = CHILD({
		int fds[2];
		OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){20, 20}));
		int fd;
		int last = -1;
		while ((fd = open("/dev/null", O_RDONLY)) >= 0)
			last = fd;
		CHECK_EQ(errno, EMFILE);
		CHECK_EQ(last, 19);
		CHECK_ERRNO(open("new", O_CREAT | O_RDWR, 0644), EMFILE);
		CHECK_ERRNO(access("new", F_OK), ENOENT);
		CHECK_ERRNO(dup(0), EMFILE);
		CHECK_ERRNO(pipe(fds), EMFILE);
		CHECK_ERRNO(fcntl(0, F_DUPFD, 0), EMFILE);
		CHECK_ERRNO(fcntl(0, F_DUPFD, 20), EINVAL);
		CHECK_ERRNO(dup2(0, 20), EBADF);
		CHECK_ERRNO(dup3(0, 20, 0), EBADF);
		close(19);
		CHECK_ERRNO(pipe(fds), EMFILE);
		CHECK_EQ(dup(0), 19);
	});
	CHECK_EXIT(pid, 0);
}

TEST(fsize, "RLIMIT_FSIZE: SIGXFSZ, EFBIG, and a write that is cut at the limit")
{
	pid_t pid = CHILD({
		char buf[200];
		memset(buf, 'x', sizeof(buf));
		OK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, 1000}));
		signal(SIGXFSZ, SIG_IGN);
		int fd = ut_file("f", NULL, 0);
		for (int i = 0; i < 4; i++)
			OK(write(fd, buf, 200));
		OK(lseek(fd, 900, SEEK_SET));
		CHECK_EQ(write(fd, buf, 200), 100);
		CHECK_ERRNO(write(fd, buf, 1), EFBIG);
		CHECK_ERRNO(ftruncate(fd, 1001), EFBIG);
		OK(ftruncate(fd, 1000));
		signal(SIGXFSZ, SIG_DFL);
		write(fd, buf, 1);
	});
	CHECK_SIGNALED(pid, SIGXFSZ);
}

TEST(stack_at_exec, "RLIMIT_STACK of the new program: its stack cannot grow beyond it")
{
	pid_t pid = CHILD({
		OK(setrlimit(RLIMIT_STACK, &(struct rlimit){256 << 10, 256 << 10}));
		execl("/bin/sh", "sh", "-c", "[ $(ulimit -s) = 256 ]", NULL);
		_exit(99);
	});
	CHECK_EXIT(pid, 0);
}

TEST(cpu, "RLIMIT_CPU: SIGXCPU at the soft limit")
{
	pid_t pid = CHILD({
		OK(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
		if (setrlimit(RLIMIT_CPU, &(struct rlimit){1, 30}) < 0)
			_exit(0);
		for (volatile unsigned long i = 0;; i++)
			;
	});
	int st;
	OK(waitpid(pid, &st, 0));
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGXCPU);
}

TEST(proc_limits, "/proc/self/limits that does not show what was set")
{
	static char buf[4096];

	OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){321, 654}));
	OK(ut_slurp("/proc/self/limits", buf, sizeof(buf)));
	CHECK(!strncmp(
		buf,
		"Limit                     Soft Limit           Hard Limit           Units     \n",
		79));
	CHECK(strstr(buf,
		     "Max open files            321                  654                  files     \n") !=
	      NULL);
	CHECK(strstr(buf,
		     "Max address space         unlimited            unlimited            bytes     \n") !=
	      NULL);
}

TEST(memlock_hole, "mlock or munlock over a hole: another answer than ENOMEM")
{
	char *p = ut_map_alone(3 * PAGE);

	NEEDS(mlock(p, PAGE));
	OK(munlock(p, PAGE));
	OK(munmap(p + PAGE, PAGE));
	CHECK_ERRNO(mlock(p, 3 * PAGE), ENOMEM);
	CHECK_ERRNO(munlock(p, 3 * PAGE), ENOMEM);
	CHECK_ERRNO(mlock(p + PAGE, PAGE), ENOMEM);
	OK(mlock(p + 2 * PAGE, PAGE));
	CHECK_EQ(ut_status(getpid(), "VmLck"), 4);
}

TEST(memlock, "RLIMIT_MEMLOCK not in force for an ordinary user")
{
	pid_t pid = CHILD({
		char *p = ut_map(64 * PAGE);
		OK(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){16 * PAGE, 16 * PAGE}));
		OK(setuid(1000));
		NEEDS(mlock(p, PAGE));
		CHECK_ERRNO(mlock(p, 64 * PAGE), ENOMEM);
		OK(mlock(p, 16 * PAGE));
		CHECK_ERRNO(mlock(p + 16 * PAGE, PAGE), ENOMEM);
		OK(munlock(p, PAGE));
		OK(mlock(p + 16 * PAGE, PAGE));
	});
	int st;
	OK(waitpid(pid, &st, 0));
	if (WEXITSTATUS(st) == 77)
		_exit(77);
	CHECK_EQ(st, 0);
}

TEST_MEM(address_space, 128, "RLIMIT_AS passed by mmap, mremap, brk, or a stack that grows")
{
	struct rlimit r = {64 << 20, 64 << 20};
	char *p = ut_map(PAGE);
	void *brk0 = (void *)syscall(SYS_brk, 0);

	OK(setrlimit(RLIMIT_AS, &r));
	CHECK_ERRNO(sys_mmap(NULL, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		    ENOMEM);
	CHECK_ERRNO(sys_mmap(NULL, 64 << 20, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK_ERRNO(mremap(p, PAGE, 64 << 20, MREMAP_MAYMOVE), ENOMEM);
	CHECK_EQ(syscall(SYS_brk, (char *)brk0 + (64 << 20)), brk0);
	OK(sys_mmap(NULL, 8 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	/* What is replaced does not count twice. */
	char *q = OK(ut_map(40 << 20));
	OK(mmap(q, 40 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

TEST(data, "RLIMIT_DATA passed by brk or a private writable mapping, or in force for others")
{
	struct rlimit r = {8 << 20, 8 << 20};
	void *brk0 = (void *)syscall(SYS_brk, 0), *ro;
	const int anon = MAP_PRIVATE | MAP_ANONYMOUS;

	OK(setrlimit(RLIMIT_DATA, &r));
	CHECK_ERRNO(sys_mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, anon, -1, 0), ENOMEM);
	CHECK_EQ(syscall(SYS_brk, (char *)brk0 + (8 << 20)), brk0);
	ro = OK(sys_mmap(NULL, 8 << 20, PROT_READ, anon, -1, 0));
	CHECK_ERRNO(sys_mprotect(ro, 8 << 20, PROT_READ | PROT_WRITE), ENOMEM);
	OK(sys_mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

TEST(fsize_calls, "RLIMIT_FSIZE passed by ftruncate, truncate or fallocate, or by a smaller file")
{
	int fd = ut_file("f", "0123456789", 10);

	OK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){5, 5}));
	signal(SIGXFSZ, SIG_IGN);
	CHECK_ERRNO(ftruncate(fd, 11), EFBIG);
	CHECK_ERRNO(truncate("f", 11), EFBIG);
	CHECK_ERRNO(syscall(SYS_fallocate, fd, 0, 0L, 11L), EFBIG);
	OK(ftruncate(fd, 8)); /* it only shrinks */
	CHECK_EQ(pwrite(fd, "abcdef", 6, 2), 3);
	CHECK_ERRNO(pwrite(fd, "abc", 3, 5), EFBIG);
	signal(SIGXFSZ, SIG_DFL);
	CHECK_SIGNALED(CHILD({ (void)ftruncate(fd, 11); }), SIGXFSZ);
}

static volatile sig_atomic_t xcpu;

static void count_xcpu(int sig)
{
	(void)sig;
	xcpu++;
}

TEST(cpu_hard, "SIGXCPU not sent again each second, or no SIGKILL at the hard limit of RLIMIT_CPU")
{
	int result[2];
	char n = 0;

	OK(pipe(result));
	pid_t pid = CHILD({
		signal(SIGXCPU, count_xcpu);
		OK(setrlimit(RLIMIT_CPU, &(struct rlimit){1, 3}));
		for (int seen = 0;;)
			if (xcpu != seen) {
				seen = xcpu;
				(void)!write(result[1], "x", 1);
			}
	});
	CHECK_SIGNALED(pid, SIGKILL);
	OK(close(result[1]));
	int times = 0;
	while (read(result[0], &n, 1) == 1)
		times++;
	CHECK_EQ(times, 2); /* at 1 s and at 2 s */
}
