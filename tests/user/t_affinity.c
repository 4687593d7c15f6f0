/* SPDX-License-Identifier: MIT */
/*
 * Which processors a thread runs on: sched_setaffinity(2), placement and balancing, wake-ups and
 * signals across processors, and what /proc counts for each. With one processor what is left of it
 * is the calls themselves.
 */
#include "utest.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

/* The calls, on one word: more than 64 processors are not tested. */
static long set_mask(pid_t tid, unsigned long mask)
{
	return syscall(SYS_sched_setaffinity, tid, sizeof(mask), &mask);
}

static unsigned long get_mask(pid_t tid)
{
	unsigned long mask = 0;

	OK(syscall(SYS_sched_getaffinity, tid, sizeof(mask), &mask));
	return mask;
}

static int here(void)
{
	unsigned cpu = ~0u;

	OK(syscall(SYS_getcpu, &cpu, NULL, NULL));
	return (int)cpu;
}

static int nr_cpus(void)
{
	static int n; /* before anything is bound */

	if (!n)
		n = __builtin_popcountl(get_mask(getpid()));
	return n;
}

static unsigned long all_cpus(void)
{
	return (1UL << nr_cpus()) - 1;
}

static long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
}

/* The processor that /proc says. */
static int proc_cpu(pid_t tid)
{
	char path[64], buf[1024], *s;
	int cpu = -1;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	OK(ut_slurp(path, buf, sizeof(buf)));
	s = strrchr(buf, ')');
	for (int field = 2; s && field < 39; field++)
		s = strchr(s + 1, ' ');
	REQUIRE(s && sscanf(s, "%d", &cpu) == 1);
	return cpu;
}

/* --- the calls ------------------------------------------------------------------------------- */

TEST(errors, "a length, an address, a process or a mask that is not refused")
{
	unsigned long mask = 1, two[2] = {~0UL, ~0UL};

	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 7, &mask), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 12, &mask), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 0, &mask), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 8, BADPTR), EFAULT);
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, -1, 8, &mask), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0, 8, BADPTR), EFAULT);
	CHECK_ERRNO(syscall(SYS_sched_setaffinity, -1, 8, &mask), ESRCH);
	CHECK_ERRNO(set_mask(0, 0), EINVAL);
	CHECK_ERRNO(set_mask(0, ~all_cpus()), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0, 0, &mask), EINVAL); /* no bits at all */
	CHECK_EQ(get_mask(0), all_cpus());
	/* As many bytes as the kernel has, and not one more. */
	CHECK_EQ(syscall(SYS_sched_getaffinity, 0, sizeof(two), two), 8);
	CHECK_EQ(two[0], all_cpus());
	CHECK_EQ(two[1], ~0UL);
}

TEST(masks, "bits of processors that are not there kept, or a short or long mask misread")
{
	unsigned long last = 1UL << (nr_cpus() - 1), two[2] = {last, ~0UL};
	unsigned char one = 1;

	OK(set_mask(0, ~0UL));
	CHECK_EQ(get_mask(0), all_cpus());
	OK(set_mask(0, last | ~all_cpus()));
	CHECK_EQ(get_mask(0), last);
	OK(syscall(SYS_sched_setaffinity, 0, 1, &one));
	CHECK_EQ(get_mask(0), 1);
	OK(syscall(SYS_sched_setaffinity, 0, sizeof(two), two));
	CHECK_EQ(get_mask(0), last);
}

TEST(rights, "another user's process bound without the right to")
{
	pid_t pid;

	if (geteuid())
		SKIP("needs root");
	pid = CHILD(pause(););
	OK(set_mask(pid, all_cpus()));
	CHECK_EXIT(CHILD({
			   OK(setuid(1000));
			   CHECK_ERRNO(set_mask(pid, 1), EPERM);
			   CHECK_EQ(get_mask(pid), all_cpus());
			   OK(set_mask(getpid(), 1)); /* its own */
		   }),
		   0);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

static void *mask_of_thread(void *unused)
{
	(void)unused;
	return (void *)get_mask(0);
}

TEST(inherited,
     "a mask that a child or a new thread does not have, or that a thread's call changes for all")
{
	unsigned long last = 1UL << (nr_cpus() - 1);
	pthread_t t;
	void *mask;

	OK(set_mask(0, last));
	CHECK_EXIT(CHILD(CHECK_EQ(get_mask(0), last); CHECK_EQ(1UL << here(), last);), 0);
	CHECK_EQ(pthread_create(&t, NULL, mask_of_thread, NULL), 0);
	pthread_join(t, &mask);
	CHECK_EQ((unsigned long)mask, last);
	CHECK_EXIT(CHILD({
			   char want[64];

			   snprintf(want, sizeof(want),
				    "grep -q '^Cpus_allowed_list:.%d$' /proc/self/status",
				    nr_cpus() - 1);
			   execl("/bin/sh", "sh", "-c", want, (char *)NULL);
		   }),
		   0);
	OK(set_mask(0, all_cpus()));
	OK(set_mask(getpid(), 1)); /* this thread, the first: not the process */
	CHECK_EQ(get_mask(0), 1);
}

/* --- moving ------------------------------------------------------------------------------------ */

struct rseq_area {
	uint32_t cpu_id_start, cpu_id;
	uint64_t rseq_cs;
	uint32_t flags, pad[3];
} __attribute__((aligned(32)));

TEST(itself, "a thread that is told one processor by one call and another by the next")
{
	static struct rseq_area area;

	OK(syscall(SYS_rseq, &area, sizeof(area), 0, 0x53053053));
	for (int i = 0; i < 40; i++) {
		int cpu = i % nr_cpus();

		OK(set_mask(0, 1UL << cpu));
		CHECK_EQ(here(), cpu);
		CHECK_EQ(*(volatile uint32_t *)&area.cpu_id, cpu);
		CHECK_EQ(proc_cpu(gettid()), cpu);
	}
}

/* A thread that notes where it is. */
static struct {
	volatile pid_t tid;
	volatile int end, sleepy;
	volatile unsigned long seen; /* since this was last 0 */
} rover;

static void *rove(void *unused)
{
	(void)unused;
	rover.tid = gettid();
	while (!rover.end) {
		__atomic_fetch_or(&rover.seen, 1UL << here(), __ATOMIC_SEQ_CST);
		if (rover.sleepy)
			usleep(100);
	}
	return NULL;
}

static pthread_t rover_start(void)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, rove, NULL), 0);
	while (!rover.tid)
		sched_yield();
	return t;
}

static void rover_end(pthread_t t)
{
	rover.end = 1;
	pthread_join(t, NULL);
}

TEST(another, "a running or sleeping thread that is still where it was when the call is over")
{
	pthread_t t = rover_start();

	for (int i = 0; i < 60; i++) {
		int cpu = i % nr_cpus();

		rover.sleepy = i / nr_cpus() & 1;
		OK(set_mask(rover.tid, 1UL << cpu));
		for (int k = 0; k < 2; k++) { /* the first may have been found before the call */
			__atomic_store_n(&rover.seen, 0, __ATOMIC_SEQ_CST);
			while (!rover.seen)
				sched_yield();
		}
		ut_msleep(1);
		CHECK_EQ(rover.seen, 1UL << cpu);
		CHECK_EQ(proc_cpu(rover.tid), cpu);
	}
	rover_end(t);
}

static void *spin(void *unused)
{
	(void)unused;
	for (long end = ut_now_ms() + 20000; !rover.end && ut_now_ms() < end;)
		__atomic_fetch_or(&rover.seen, 1UL << here(), __ATOMIC_SEQ_CST);
	return NULL;
}

static int seen_everywhere(void)
{
	__atomic_store_n(&rover.seen, 0, __ATOMIC_SEQ_CST);
	for (long end = ut_now_ms() + 5000; rover.seen != all_cpus() && ut_now_ms() < end;)
		ut_msleep(10);
	return rover.seen == all_cpus();
}

TEST(spread, "threads that share a processor while another has nothing to do")
{
	pthread_t t[64];
	int n = nr_cpus();

	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, spin, NULL), 0);
	CHECK(seen_everywhere());
	rover.end = 1;
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

TEST(released, "threads that were bound to one processor and stay there when they may leave")
{
	pid_t pid[64];
	int n = nr_cpus();
	volatile unsigned long *seen;

	seen = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	OK(set_mask(0, 1));
	for (int i = 0; i < n; i++)
		pid[i] = CHILD(for (;;) __atomic_fetch_or(seen, 1UL << here(), __ATOMIC_SEQ_CST););
	ut_msleep(50);
	CHECK_EQ(*seen, 1);
	for (int i = 0; i < n; i++)
		OK(set_mask(pid[i], all_cpus()));
	for (long end = ut_now_ms() + 5000; *seen != all_cpus() && ut_now_ms() < end;)
		ut_msleep(10);
	CHECK_EQ(*seen, all_cpus());
	for (int i = 0; i < n; i++) {
		OK(kill(pid[i], SIGKILL));
		CHECK_SIGNALED(pid[i], SIGKILL);
	}
}

/* --- from one processor to another ---------------------------------------------------------------- */

#define ROUNDS 60

static volatile int answered, asked;

static void on_signal(int sig)
{
	(void)sig;
	answered = 1;
}

/* How often the processor was interrupted by another, to look at what it runs. That it was is what
 * makes it answer before its next tick; how soon that is, only the machine below QEMU knows. */
static long rescheduled(int cpu)
{
	char buf[16384], *s;

	OK(ut_slurp("/proc/interrupts", buf, sizeof(buf)));
	s = strstr(buf, "RES:");
	REQUIRE(s);
	for (s += 4; cpu; cpu--)
		strtol(s, &s, 10);
	return strtol(s, NULL, 10);
}

static void *spin_bound(void *cpu)
{
	OK(set_mask(0, 1UL << (long)cpu));
	rover.tid = gettid();
	while (!rover.end)
		;
	return NULL;
}

static pthread_t spinner_start(long cpu)
{
	pthread_t t;

	rover.tid = 0;
	rover.end = 0;
	CHECK_EQ(pthread_create(&t, NULL, spin_bound, (void *)cpu), 0);
	while (!rover.tid)
		sched_yield();
	return t;
}

static void two_cpus(void)
{
	if (nr_cpus() < 2)
		SKIP("needs two processors");
}

TEST(signal_arrives, "a signal for a thread that runs on another processor, seen at its next tick")
{
	pthread_t t;
	long n;

	two_cpus();
	OK(set_mask(0, 1));
	signal(SIGUSR1, on_signal);
	t = spinner_start(1);
	n = rescheduled(1);
	for (int i = 0; i < ROUNDS; i++) {
		answered = 0;
		CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
		while (!answered)
			;
	}
	n = rescheduled(1) - n;
	rover_end(t);
	if (n < ROUNDS * 3 / 4)
		FAIL("%ld interrupts for %d signals", n, ROUNDS);
}

static void *sleeper(void *unused)
{
	(void)unused;
	OK(set_mask(0, 2));
	while (asked >= 0) {
		syscall(SYS_futex, &asked, FUTEX_WAIT, 0, NULL, NULL, 0);
		if (asked > 0) {
			asked = 0;
			answered = 1;
		}
	}
	return NULL;
}

static void ask(int what)
{
	asked = what;
	syscall(SYS_futex, &asked, FUTEX_WAKE, 1, NULL, NULL, 0);
}

TEST(wakeup_preempts, "a thread that is woken on a busy processor and runs at the next tick")
{
	pthread_t spinner, waiter;
	long n;

	two_cpus();
	OK(set_mask(0, 1));
	CHECK_EQ(pthread_create(&waiter, NULL, sleeper, NULL), 0);
	spinner = spinner_start(1);
	n = rescheduled(1);
	for (int i = 0; i < ROUNDS; i++) {
		usleep(12000); /* it sleeps, and falls behind the spinner */
		answered = 0;
		ask(1);
		while (!answered)
			;
	}
	n = rescheduled(1) - n;
	ask(-1);
	pthread_join(waiter, NULL);
	rover_end(spinner);
	if (n < ROUNDS * 3 / 4)
		FAIL("%ld interrupts for %d wake-ups", n, ROUNDS);
}

/* --- time ------------------------------------------------------------------------------------------ */

static long cpu_us(void)
{
	struct timespec ts;

	OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
}

TEST(cpu_time, "the time of a thread that runs on another processor, seen only at its ticks")
{
	int exact = 0;
	pthread_t t;

	two_cpus();
	OK(set_mask(0, 1));
	t = spinner_start(1);
	for (int i = 0; i < ROUNDS; i++) {
		long was = cpu_us(), start = now_us(), ran;

		usleep(2000);
		ran = cpu_us() - was;
		CHECK(ran >= 0);
		exact += ran > (now_us() - start) / 2;
	}
	rover_end(t);
	if (exact < ROUNDS / 2)
		FAIL("%d of %d times were right", exact, ROUNDS);
}

/* Ticks of user time and of idle time. */
static void stat_of(int cpu, long *user, long *idle)
{
	char buf[8192], name[32], *s;

	OK(ut_slurp("/proc/stat", buf, sizeof(buf)));
	snprintf(name, sizeof(name), "\ncpu%d ", cpu);
	s = strstr(buf, name);
	REQUIRE(s && sscanf(s + strlen(name), "%ld %*d %*d %ld", user, idle) == 2);
}

TEST(stat, "/proc/stat: the time of one processor counted for another")
{
	long user, idle, user0, idle0, other, other0, unused;
	int last = nr_cpus() - 1;
	pthread_t t;

	two_cpus();
	OK(set_mask(0, 1));
	t = spinner_start(last);
	stat_of(last, &user0, &idle0);
	stat_of(0, &other0, &unused);
	do { /* a busy host takes some of it */
		ut_msleep(100);
		stat_of(last, &user, &idle);
	} while (user - user0 < 40);
	stat_of(0, &other, &unused);
	rover_end(t);
	CHECK(idle - idle0 <= 8);
	CHECK(other - other0 <= 20);
}
