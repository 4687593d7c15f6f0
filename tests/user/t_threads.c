/* SPDX-License-Identifier: MIT */
/*
 * Threads of one process that do things to it at the same moment: exit, exec, take signals, set its
 * timers. Most of what is tried here goes wrong only now and then, and with several processors.
 */
#include "utest.h"

#include <dirent.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>

static void start(pthread_t *t, void *(*fn)(void *), void *arg)
{
	if (pthread_create(t, NULL, fn, arg)) {
		FAIL("pthread_create");
		ut_abort();
	}
}

static long futex(void *word, int op, int val)
{
	return syscall(SYS_futex, word, op, val, NULL, NULL, 0);
}

static long now_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
}

static void burn_us(long us)
{
	for (long end = now_us(CLOCK_MONOTONIC) + us; now_us(CLOCK_MONOTONIC) < end;)
		;
}

static int nr_cpus(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* The calling thread runs on that processor. */
static void pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	OK(sched_setaffinity(0, sizeof(one), &one));
}

/* ---- exit ---- */

/* A list of one lock that goes in circles: the kernel walks it 2048 times when its thread ends. */
static struct {
	void *next;
	long offset;
	void *pending;
	void *entry;
	int word;
} robust;

/* Ends, but slowly, and wakes at the start who waits for its lock. */
static void exit_slowly(int code)
{
	robust.entry = &robust.entry;
	robust.next = &robust.entry;
	robust.offset = (char *)&robust.word - (char *)&robust.entry;
	OK(syscall(SYS_set_robust_list, &robust, 24));
	burn_us(3000);
	syscall(SYS_exit, code);
}

static void exit_at_once(int code)
{
	while (!(robust.word & FUTEX_OWNER_DIED))
		futex(&robust.word, FUTEX_WAIT, robust.word);
	syscall(SYS_exit, code);
}

static void *thread_exits(void *leader_is_slow)
{
	if (leader_is_slow) {
		exit_at_once(3);
	} else {
		robust.word = (int)(syscall(SYS_gettid) | (int)FUTEX_WAITERS);
		exit_slowly(3);
	}
	return NULL;
}

static pid_t last_overtakes(int leader_is_slow)
{
	return CHILD({
		pthread_t t;

		robust.word = leader_is_slow ? (int)(getpid() | (int)FUTEX_WAITERS) : 1;
		start(&t, thread_exits, leader_is_slow ? &robust : NULL);
		if (leader_is_slow)
			exit_slowly(7);
		exit_at_once(7);
	});
}

TEST(exit_order, "a process that is over while one of its threads is still on its way out")
{
	for (int i = 0; i < 20; i++)
		CHECK_EXIT(last_overtakes(i & 1), i & 1 ? 3 : 7); /* the last to begin */
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 20; i++)
		last_overtakes(i & 1);
	CHECK_ERRNO(wait(NULL), ECHILD);
}

static void *exits_when_told(void *fd)
{
	char c;

	CHECK_EQ(read(*(int *)fd, &c, 1), 1);
	syscall(SYS_exit, 3);
	return NULL;
}

static pid_t leader_exits(int fd)
{
	return CHILD({
		pthread_t t;

		start(&t, exits_when_told, &fd);
		syscall(SYS_exit, 5);
	});
}

TEST(leader_first,
     "a process that is over when its first thread is, or that cannot be signalled then")
{
	int fd[2];
	pid_t pid;

	OK(pipe(fd));
	pid = leader_exits(fd[0]);
	ut_wait_state(pid, 'Z');
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	CHECK_EQ(write(fd[1], "", 1), 1);
	CHECK_EXIT(pid, 3);

	pid = leader_exits(fd[0]);
	ut_wait_state(pid, 'Z');
	OK(kill(pid, SIGTERM));
	CHECK_SIGNALED(pid, SIGTERM);
}

/* Shares the memory, and is killed before it has ever touched the page its id is cleared in. */
static int sleeper(void *arg)
{
	for (;;)
		pause();
	return arg != NULL;
}

TEST(killed_sharer, "a killed thread whose end does not clear the word that others wait for")
{
	static char stack[16384] __attribute__((aligned(16)));
	int fd = OK(memfd_create("word", 0)), id = 0x1234;
	volatile int *word;
	pid_t pid;

	OK(pwrite(fd, &id, sizeof(id), 0));
	for (int type = MAP_SHARED; type <= MAP_PRIVATE; type++) {
		word = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, type, fd, 0));
		pid = OK((pid_t)clone(sleeper, stack + sizeof(stack),
				      CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL,
				      (void *)word));
		ut_wait_state(pid, 'S');
		OK(kill(pid, SIGKILL));
		CHECK_SIGNALED(pid, SIGKILL);
		CHECK_EQ(*word, 0);
		OK(pwrite(fd, &id, sizeof(id), 0));
	}
}

/* ---- exec ---- */

static int pipe_ends[2];

static void *works(void *arg)
{
	static volatile int nobody;
	char c;

	for (unsigned i = (unsigned)(long)arg;; i++) {
		char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
		pid_t pid;

		if (p != MAP_FAILED)
			p[i % 4 * PAGE] = 1, munmap(p, 4 * PAGE);
		switch (i % 5) {
		case 0:
			pid = fork();
			if (!pid)
				_exit(0);
			if (pid > 0)
				waitpid(pid, NULL, 0);
			break;
		case 1:
			ut_msleep(1);
			break;
		case 2:
			syscall(SYS_futex, &nobody, FUTEX_WAIT, 0, &(struct timespec){0, 500000},
				NULL, 0);
			break;
		case 3:
			if ((long)arg % 2)
				(void)!read(pipe_ends[0], &c, 1); /* until the end */
			break;
		}
	}
	return NULL;
}

static void *execs(void *arg)
{
	ut_msleep(1 + (int)(long)arg % 7);
	execl("/bin/sh", "sh", "-c", "exit 9", NULL);
	return NULL;
}

TEST(exec_among_threads, "exec while other threads fault, fork, sleep, exec or exit")
{
	long end = now_us(CLOCK_MONOTONIC) + 8000000;

	for (int round = 0; round < 24 && now_us(CLOCK_MONOTONIC) < end; round++) {
		pid_t pid = CHILD({
			pthread_t t;

			OK(pipe(pipe_ends));
			for (long i = 0; i < 4; i++)
				start(&t, works, (void *)(i + round));
			start(&t, execs, (void *)(long)round);
			if (round % 3 == 0)
				syscall(SYS_exit, 1);
			if (round % 3 == 1)
				execs((void *)3L);
			works(NULL);
		});
		CHECK_EXIT(pid, 9);
	}
}

static void *exits_group(void *arg)
{
	ut_msleep(1 + (int)(long)arg % 5);
	_exit(8);
	return NULL;
}

TEST(exit_group_among_threads, "exit_group or SIGKILL while other threads fault, fork and sleep")
{
	long end = now_us(CLOCK_MONOTONIC) + 8000000;

	for (int round = 0; round < 24 && now_us(CLOCK_MONOTONIC) < end; round++) {
		pid_t pid = CHILD({
			pthread_t t;

			OK(pipe(pipe_ends));
			for (long i = 0; i < 4; i++)
				start(&t, works, (void *)(i + round));
			if (round % 3)
				start(&t, exits_group, (void *)(long)round);
			if (round % 3 == 1)
				start(&t, exits_group, (void *)(long)(round + 5));
			works(NULL);
		});

		if (round % 3) {
			CHECK_EXIT(pid, 8);
		} else {
			ut_msleep(round % 9);
			OK(kill(pid, SIGKILL));
			CHECK_SIGNALED(pid, SIGKILL);
		}
	}
}

static void read_all(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return;
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

/* Whatever it meets: processes and threads come and go meanwhile. */
static void look_at(pid_t pid)
{
	static const char *const files[] = {"stat",    "status",  "statm",   "maps",   "smaps",
					    "cmdline", "environ", "io",      "limits", "auxv",
					    "wchan",   "stack",   "syscall", "comm"};
	static const char *const links[] = {"exe", "cwd", "root", "fd/0", "fd/3"};
	static const char *const dirs[] = {"fd", "fdinfo", "task"};
	char path[320], target[128];
	struct dirent *e;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		read_all(path);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, links[i]);
		(void)!readlink(path, target, sizeof(target));
	}
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, dirs[i]);
		DIR *d = opendir(path);
		while (d && (e = readdir(d))) {
			snprintf(path, sizeof(path), "/proc/%d/%s/%s/%s", pid, dirs[i], e->d_name,
				 "status");
			read_all(path);
		}
		if (d)
			closedir(d);
	}
}

TEST(looked_at, "/proc shows who exits or execs, and follows what is gone")
{
	long end = now_us(CLOCK_MONOTONIC) + 3000000;

	for (int round = 0; round < 40 && now_us(CLOCK_MONOTONIC) < end; round++) {
		pid_t pid = CHILD({
			pthread_t t;

			OK(pipe(pipe_ends));
			for (long i = 0; i < 3; i++)
				start(&t, works, (void *)(i + round));
			start(&t, round % 2 ? exits_group : execs, (void *)(long)round);
			if (round % 4 == 1)
				syscall(SYS_exit, 1);
			works(NULL);
		});

		while (!waitpid(pid, NULL, WNOHANG) && now_us(CLOCK_MONOTONIC) < end + 20000000)
			for (pid_t p = pid; p < pid + 8; p++)
				look_at(p);
	}
}

/* ---- signals ---- */

static volatile sig_atomic_t taken;

static void take(int sig)
{
	(void)sig;
	taken++;
}

static void *takes_what_is_left(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	*(volatile int *)arg = 1;
	for (int i = 0; i < 2000 && !taken; i++)
		ut_msleep(1);
	return NULL;
}

TEST(signal_passed_on, "a signal left with a thread that blocks it, while another would take it")
{
	sigset_t set;
	volatile int ready;
	pthread_t t;

	signal(SIGUSR2, take);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Of the two signals that wake it, the thread in sigwaitinfo() takes one; then it blocks both
	 * again, and the other one is for who sleeps with it unblocked. */
	for (int i = 0; i < 20; i++) {
		pid_t pid;

		taken = ready = 0;
		start(&t, takes_what_is_left, (void *)&ready);
		while (!ready)
			ut_msleep(1);
		setpriority(PRIO_PROCESS, 0, 19);
		pid = CHILD({
			setpriority(PRIO_PROCESS, 0, -20);
			ut_msleep(5);
			kill(getppid(), SIGUSR1);
			kill(getppid(), SIGUSR2);
		});
		CHECK_EQ(sigwaitinfo(&set, NULL), SIGUSR1);
		pthread_join(t, NULL);
		CHECK_EQ(taken, 1);
		CHECK_EXIT(pid, 0);
		/* Had it still waited for USR1 alone, the signal would have gone to the other one. */
		sigpending(&set);
		CHECK(!sigismember(&set, SIGUSR2));
		sigaddset(&set, SIGUSR1);
		sigaddset(&set, SIGUSR2);
	}
}

static void *sets_timers(void *arg)
{
	unsigned seed = (unsigned)(long)arg;
	struct itimerval it, old;
	long end = now_us(CLOCK_MONOTONIC) + 1000000;

	for (int i = 0; i < 3000 && now_us(CLOCK_MONOTONIC) < end; i++) {
		it.it_value = (struct timeval){0, 1 + rand_r(&seed) % 300};
		it.it_interval = (struct timeval){0, rand_r(&seed) % 2 * 100};
		CHECK_EQ(setitimer(ITIMER_REAL, &it, &old), 0);
		CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec < 1000);
	}
	return NULL;
}

TEST(timers, "one timer set by several threads at once that is then lost, or goes on for ever")
{
	struct itimerval none = {{0, 0}, {0, 0}}, soon = {{0, 0}, {0, 5000}}, it;
	pthread_t t[4];

	signal(SIGALRM, take);
	for (long i = 0; i < 4; i++)
		start(&t[i], sets_timers, (void *)i);
	for (long i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	OK(setitimer(ITIMER_REAL, &none, NULL));
	taken = 0;
	ut_msleep(20);
	CHECK_EQ(taken, 0);
	OK(getitimer(ITIMER_REAL, &it));
	CHECK(!it.it_value.tv_sec && !it.it_value.tv_usec);
	OK(setitimer(ITIMER_REAL, &soon, NULL));
	for (int i = 0; i < 1000 && !taken; i++)
		ut_msleep(1);
	CHECK_EQ(taken, 1);
}

static volatile int spinning, stop_spinning;

static void *spins(void *arg)
{
	pin((int)(long)arg);
	spinning = 1;
	while (!stop_spinning)
		;
	return NULL;
}

/* What /proc/interrupts says of processor 1; -1 if there is no such line. */
static long interrupts(const char *name)
{
	char line[512];
	long n = -1;
	FILE *f = fopen("/proc/interrupts", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, name))
			sscanf(strstr(line, name) + strlen(name), "%*d %ld", &n);
	if (f)
		fclose(f);
	return n;
}

TEST(reaches_user_mode, "a signal to who runs on another processor that waits for the tick there")
{
	const int rounds = 40;
	long before, after;
	pthread_t t;

	if (nr_cpus() < 2)
		SKIP("one processor");
	signal(SIGUSR1, take);
	pin(0);
	start(&t, spins, (void *)1L);
	while (!spinning)
		ut_msleep(1);
	before = interrupts("RES:");
	for (int i = 1; i <= rounds; i++) {
		CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
		while (taken < i)
			sched_yield();
	}
	after = interrupts("RES:");
	stop_spinning = 1;
	pthread_join(t, NULL);
	if (before < 0 || after < before + rounds / 2)
		FAIL("%ld rescheduling interrupts, then %ld", before, after);
}

/* ---- clocks ---- */

static pthread_mutex_t clock_lock = PTHREAD_MUTEX_INITIALIZER;
static long last_cpu;

static void *reads_cpu_clock(void *arg)
{
	pin((int)(long)arg % nr_cpus());
	for (int i = 0; i < 3000; i++) {
		pthread_mutex_lock(&clock_lock);
		long t = now_us(CLOCK_PROCESS_CPUTIME_ID);
		if (t < last_cpu)
			FAIL("from %ld back to %ld", last_cpu, t);
		last_cpu = t;
		pthread_mutex_unlock(&clock_lock);
		for (volatile int k = 0; k < 500; k++)
			;
	}
	return NULL;
}

TEST(cpu_clock,
     "CPU time that goes back when another thread reads it, or leaves out who is running")
{
	long wall, cpu;
	pthread_t t[2];

	for (long i = 0; i < 2; i++)
		start(&t[i], reads_cpu_clock, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);

	start(&t[0], spins, (void *)(long)(nr_cpus() > 1));
	ut_msleep(50);
	cpu = now_us(CLOCK_PROCESS_CPUTIME_ID);
	wall = now_us(CLOCK_MONOTONIC);
	ut_msleep(3);
	wall = now_us(CLOCK_MONOTONIC) - wall;
	cpu = now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	stop_spinning = 1;
	pthread_join(t[0], NULL);
	if (cpu <= 0 || cpu > 4 * wall)
		FAIL("%ld us of CPU time in %ld us", cpu, wall);
}

/* ---- membarrier ---- */

static volatile int x, y, seen_x, seen_y, go_on, arrived;

static void *stores_x(void *arg)
{
	pin(1);
	for (int i = 1; i <= *(volatile int *)arg; i++) {
		while (go_on < i)
			;
		x = i;
		__asm__ volatile("" ::: "memory");
		seen_y = y;
		__atomic_store_n(&arrived, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

TEST(membarrier_pairs, "a barrier of all threads that one of them did not pass")
{
	static const int commands[] = {
		MEMBARRIER_CMD_PRIVATE_EXPEDITED,
		MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
		MEMBARRIER_CMD_GLOBAL_EXPEDITED,
	};
	int rounds = 100000, lost = 0;
	long end = now_us(CLOCK_MONOTONIC) + 2000000;
	pthread_t t;

	if (nr_cpus() < 2)
		SKIP("one processor");
	NEEDS(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	pin(0);
	start(&t, stores_x, &rounds);
	for (int i = 1; i <= rounds; i++) {
		if (now_us(CLOCK_MONOTONIC) > end)
			rounds = i;
		go_on = i;
		y = i;
		OK(syscall(SYS_membarrier, commands[i % 3], 0, 0));
		seen_x = x;
		while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < i)
			;
		lost += seen_x != i && seen_y != i;
	}
	pthread_join(t, NULL);
	CHECK_EQ(lost, 0);
}
