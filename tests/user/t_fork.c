/* SPDX-License-Identifier: MIT */
/*
 * fork, vfork and clone: what the child has from its parent, and what it has not.
 */
#include "utest.h"

#include <sched.h>

#define RW (PROT_READ | PROT_WRITE)

TEST(two_returns, "fork that returns the wrong number on either side")
{
	pid_t me = getpid(), fds[2];
	pid_t ids[2];

	OK(pipe(fds));
	pid_t pid = CHILD({
		ids[0] = getpid();
		ids[1] = getppid();
		OK(write(fds[1], ids, sizeof(ids)));
	});
	CHECK(pid > 0 && pid != me);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(read(fds[0], ids, sizeof(ids)), sizeof(ids));
	CHECK_EQ(ids[0], pid);
	CHECK_EQ(ids[1], me);
}

static int global = 1;

TEST(memory_is_private, "data, stack or heap shared after fork")
{
	volatile int local = 1;
	volatile int *heap = malloc(sizeof(int));

	*heap = 1;
	pid_t pid = CHILD({
		CHECK_EQ(global + local + *heap, 3);
		global = local = *heap = 2;
		CHECK_EQ(global + local + *heap, 6);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(global + local + *heap, 3);
}

TEST_MEM(large, 48, "one page among many lost or shared")
{
	size_t n = 2048;
	unsigned *p = ut_map(n * PAGE);

	for (size_t i = 0; i < n; i++)
		p[i * 1024] = i;
	pid_t pid = CHILD({
		for (size_t i = 0; i < n; i++) {
			if (p[i * 1024] != i) {
				FAIL("page %zu", i);
				break;
			}
			p[i * 1024] = ~i;
		}
	});
	for (size_t i = 0; i < n; i += 2)
		p[i * 1024] = i + 1000000;
	CHECK_EXIT(pid, 0);
	for (size_t i = 0; i < n; i++)
		if (p[i * 1024] != (i % 2 ? i : i + 1000000)) {
			FAIL("page %zu has %u", i, p[i * 1024]);
			break;
		}
}

TEST(mixed_rights, "areas of different rights and kinds mixed up in the copy")
{
	int fd = ut_file("f", "file", 4);
	char *ro = ut_map(PAGE), *none = ut_map_prot(PAGE, PROT_NONE);
	char *shared = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	char *file = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	char *sfile = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));

	ro[0] = 'r';
	OK(mprotect(ro, PAGE, PROT_READ));
	file[1] = 'I';
	pid_t pid = CHILD({
		CHECK_EQ(ro[0], 'r');
		CHECK_FAULT(ut_write(ro), SIGSEGV, SEGV_ACCERR, ro);
		CHECK_FAULT(ut_read(none), SIGSEGV, SEGV_ACCERR, none);
		CHECK(!memcmp(file, "fIle", 4));
		file[0] = 'F';
		shared[0] = 's';
		sfile[3] = 'E';
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(shared[0], 's');
	CHECK(!memcmp(file, "fIle", 4));
	CHECK(!memcmp(sfile, "filE", 4));
}

TEST(generations, "a page shared by a chain of forks, each of which writes it")
{
	volatile int *p = ut_map(PAGE);

	*p = 0;
	for (int depth = 1; depth <= 24; depth++) {
		pid_t pid = OK(fork());
		if (pid) {
			CHECK_EQ(*p, depth - 1);
			CHECK_EXIT(pid, 0);
			CHECK_EQ(*p, depth - 1);
			if (depth > 1)
				ut_child_exit();
			return;
		}
		CHECK_EQ(*p, depth - 1);
		*p = depth;
	}
	CHECK_EQ(*p, 24);
	ut_child_exit();
}

TEST_MEM(siblings, 32, "many children that share one page and write it all at once")
{
	enum { N = 30 };
	volatile int *p = ut_map(4 * PAGE);
	pid_t pid[N];

	p[0] = p[1024] = p[2048] = 7;
	for (int i = 0; i < N; i++)
		pid[i] = CHILD({
			for (int k = 0; k < 50; k++) {
				p[0] += i;
				p[1024] = i;
				if (k % 10 == 0)
					sched_yield();
			}
			CHECK_EQ(p[0], 7 + 50 * i);
			CHECK_EQ(p[1024], i);
			CHECK_EQ(p[2048], 7);
		});
	for (int i = 0; i < N; i++)
		CHECK_EXIT(pid[i], 0);
	CHECK_EQ(p[0], 7);
}

TEST(descriptors, "file offsets that are copied instead of shared, or a table that is shared")
{
	int fd = ut_file("f", "0123456789", 10);
	char c;

	OK(lseek(fd, 2, SEEK_SET));
	pid_t pid = CHILD({
		OK(read(fd, &c, 1));
		CHECK_EQ(c, '2');
		OK(lseek(fd, 7, SEEK_SET));
		close(fd);
	});
	CHECK_EXIT(pid, 0);
	OK(read(fd, &c, 1));
	CHECK_EQ(c, '7');
}

TEST(inherited, "attributes that the child does not have from its parent")
{
	OK(umask(026));
	OK(mkdir("d", 0755));
	OK(chdir("d"));
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &set, NULL));
	signal(SIGUSR2, SIG_IGN);
	OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){300, 400}));
	pid_t pgrp = getpgrp(), sid = getsid(0);

	pid_t pid = CHILD({
		char cwd[256];
		struct rlimit rl;
		sigset_t now;
		struct sigaction sa;
		CHECK_EQ(umask(0), 026);
		OK(getcwd(cwd, sizeof(cwd)) ? 0 : -1);
		CHECK_STR(strrchr(cwd, '/'), "/d");
		OK(sigprocmask(SIG_BLOCK, NULL, &now));
		CHECK(sigismember(&now, SIGUSR1));
		OK(sigaction(SIGUSR2, NULL, &sa));
		CHECK(sa.sa_handler == SIG_IGN);
		OK(getrlimit(RLIMIT_NOFILE, &rl));
		CHECK(rl.rlim_cur == 300 && rl.rlim_max == 400);
		CHECK_EQ(getpgrp(), pgrp);
		CHECK_EQ(getsid(0), sid);
	});
	CHECK_EXIT(pid, 0);
}

TEST(not_inherited, "pending signals, alarms, timers or times that the child has from its parent")
{
	sigset_t set, pend;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &set, NULL));
	OK(raise(SIGUSR1));
	alarm(50);
	for (volatile int i = 0; i < 1000000; i++)
		;
	pid_t pid = CHILD({
		OK(sigpending(&pend));
		CHECK(!sigismember(&pend, SIGUSR1));
		CHECK_EQ(alarm(0), 0);
		struct rusage ru;
		OK(getrusage(RUSAGE_CHILDREN, &ru));
		CHECK_EQ(ru.ru_utime.tv_sec, 0);
	});
	CHECK_EXIT(pid, 0);
	CHECK(alarm(0) > 0);
	OK(sigpending(&pend));
	CHECK(sigismember(&pend, SIGUSR1));
}

TEST(locks_not_inherited, "memory that the child has locked because its parent has")
{
	char *p = ut_map_alone(4 * PAGE);

	OK(mlock(p, 4 * PAGE));
	CHECK_EQ(ut_smaps(getpid(), p, "Locked"), 16);
	pid_t pid = CHILD({
		CHECK_EQ(ut_smaps(getpid(), p, "Locked"), 0);
		CHECK_EQ(ut_status(getpid(), "VmLck"), 0);
		OK(munmap(p, PAGE));
		CHECK_EQ(ut_status(getpid(), "VmLck"), 0);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(ut_status(getpid(), "VmLck"), 16);
}

TEST(vfork_waits, "a parent that goes on before its vfork child has ended")
{
	volatile int *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t pid = vfork();

	if (pid == 0) {
		for (volatile int i = 0; i < 3000000; i++)
			;
		*p = 1;
		_exit(5);
	}
	CHECK_EQ(*p, 1);
	CHECK_EXIT(pid, 5);
}

TEST(vfork_shares, "a vfork child with a copy of the memory")
{
	volatile int *p = ut_map(PAGE);
	pid_t pid = vfork();

	if (pid == 0) {
		*p = 42;
		_exit(0);
	}
	CHECK_EQ(*p, 42);
	CHECK_EXIT(pid, 0);
}

TEST(vfork_exec, "a parent not let go by its vfork child's exec")
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 6", NULL);
		_exit(127);
	}
	CHECK_EXIT(pid, 6);
}

static long sys_clone(unsigned long flags, void *stack, int *ptid, int *ctid)
{
	return syscall(SYS_clone, flags, stack, ptid, ctid, 0);
}

TEST(clone_tids, "CLONE_PARENT_SETTID, CHILD_SETTID, CHILD_CLEARTID left undone")
{
	volatile int *s = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	s[0] = s[1] = -1;
	long pid = OK(sys_clone(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL,
				(int *)&s[0], (int *)&s[1]));
	if (pid == 0) {
		CHECK_EQ(s[1], getpid());
		ut_child_exit();
	}
	CHECK_EQ(s[0], pid);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(s[1], pid);
}

TEST(clone_no_signal, "a child without an exit signal, that plain wait must not see")
{
	long pid = OK(sys_clone(0, NULL, NULL, NULL));

	if (pid == 0)
		_exit(3);
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
	int st;
	CHECK_EQ(waitpid(pid, &st, __WALL), pid);
	CHECK_EQ(WEXITSTATUS(st), 3);
}

TEST(clone_errors, "combinations that make no sense accepted")
{
	CHECK_ERRNO(sys_clone(CLONE_SIGHAND | SIGCHLD, NULL, NULL, NULL), EINVAL);
	CHECK_ERRNO(sys_clone(CLONE_THREAD | SIGCHLD, NULL, NULL, NULL), EINVAL);
	CHECK_ERRNO(sys_clone(CLONE_FS | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL), EINVAL);
}

static int stack_child(void *arg)
{
	*(volatile int *)arg = 77;
	return 9;
}

TEST(clone_vm, "CLONE_VM with a stack of its own: memory not shared, or the stack not used")
{
	static char stack[65536] __attribute__((aligned(16)));
	volatile int *v = ut_map(PAGE);
	int pid = clone(stack_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD,
			(void *)v);

	if (pid < 0 && errno == ENOSYS)
		SKIP_LINUX("ENOSYS: clone with CLONE_VM");
	REQUIRE(pid > 0);
	CHECK_EXIT(pid, 9);
	CHECK_EQ(*v, 77);
}

struct clone_args_v0 {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

TEST(clone3, "clone3 with its structure, and with bad ones")
{
	struct clone_args_v0 a = {.exit_signal = SIGCHLD};

	long pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid < 0 && errno == ENOSYS)
		SKIP_LINUX("ENOSYS: clone3");
	REQUIRE(pid >= 0);
	if (pid == 0)
		_exit(4);
	CHECK_EXIT(pid, 4);
	CHECK_ERRNO(syscall(SYS_clone3, &a, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone3, BADPTR, sizeof(a)), EFAULT);
	a.exit_signal = 100;
	CHECK_ERRNO(syscall(SYS_clone3, &a, sizeof(a)), EINVAL);
}

TEST(many, "processes that leak: 2000 forks one after the other")
{
	for (int i = 0; i < 2000; i++) {
		pid_t pid = fork();
		if (pid < 0) {
			FAIL("fork %d: %s", i, ut_errname(errno));
			return;
		}
		if (pid == 0)
			_exit(i & 63);
		int st;
		if (waitpid(pid, &st, 0) != pid || WEXITSTATUS(st) != (i & 63)) {
			FAIL("fork %d: status %#x", i, st);
			return;
		}
	}
}

TEST(limit, "RLIMIT_NPROC that does not hold for an ordinary user")
{
	pid_t pid = CHILD({
		OK(setrlimit(RLIMIT_NPROC, &(struct rlimit){5, 5}));
		OK(setgid(1234));
		OK(setuid(1234));
		int n = 0;
		pid_t kid;
		while (n < 20 && (kid = fork()) >= 0) {
			if (kid == 0) {
				pause();
				_exit(0);
			}
			n++;
		}
		CHECK(kid < 0 && errno == EAGAIN);
		CHECK(n >= 3 && n <= 5);
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
	});
	/* SIGTERM went to the whole group: the test's own process ignores it. */
	signal(SIGTERM, SIG_IGN);
	CHECK_EXIT(pid, 0);
}

TEST_MEM(many_at_once, 64, "200 processes alive together")
{
	enum { N = 200 };
	pid_t pid[N];
	int go[2];
	char c;

	OK(pipe(go));
	for (int i = 0; i < N; i++)
		pid[i] = CHILD({
			close(go[1]);
			CHECK_EQ(read(go[0], &c, 1), 0);
		});
	for (int i = 0; i < N; i++)
		for (int k = 0; k < i; k++)
			if (pid[i] == pid[k])
				FAIL("the pid %d was given twice", pid[i]);
	close(go[1]);
	for (int i = 0; i < N; i++)
		CHECK_EXIT(pid[i], 0);
}

TEST(fork_while_faulting, "a fork in the middle of a sequence of writes that loses one of them")
{
	unsigned *p = ut_map(256 * PAGE);

	for (int round = 0; round < 20; round++) {
		for (unsigned i = round % 3; i < 256; i += 3)
			p[i * 1024] = round;
		pid_t pid = CHILD({
			for (unsigned i = round % 3; i < 256; i += 3)
				CHECK_EQ(p[i * 1024], round);
			for (unsigned i = 0; i < 256; i++)
				p[i * 1024] = 9999;
		});
		CHECK_EXIT(pid, 0);
		for (unsigned i = round % 3; i < 256; i += 3)
			CHECK_EQ(p[i * 1024], round);
	}
}

TEST_MEM(out_of_memory, 48,
	 "a fork that cannot get memory for tables and takes the machine with it")
{
	/* 64 GiB of touched places a gigabyte apart: 128 tables each time, freed each time. */
	char *p = mmap(NULL, 64UL << 30, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	REQUIRE(p != MAP_FAILED);
	for (int i = 0; i < 64; i++)
		p[(unsigned long)i << 30] = i;
	for (int round = 0; round < 20; round++) {
		pid_t pid = CHILD({
			for (int i = 0; i < 64; i++) {
				CHECK_EQ(p[(unsigned long)i << 30], i);
				p[(unsigned long)i << 30]++;
			}
		});
		CHECK_EXIT(pid, 0);
	}
}

TEST(clone_parent, "a child of one's parent that chooses the signal that the parent gets")
{
	signal(SIGTERM, SIG_DFL);
	CHECK_EXIT(CHILD({
			   long r =
				   syscall(SYS_clone, CLONE_PARENT | SIGTERM, NULL, NULL, NULL, 0L);
			   if (r == 0)
				   _exit(0);
			   CHECK(r > 0);
		   }),
		   0);
	OK(wait(NULL)); /* as an ordinary child: its exit signal is SIGCHLD */
}
