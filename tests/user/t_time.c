/* SPDX-License-Identifier: MIT */
/*
 * Clocks, sleeps and timers.
 */
#include "utest.h"

#include <sys/times.h>

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void catch (int sig)
{
	struct sigaction sa = {.sa_handler = on_alarm};

	OK(sigaction(sig, &sa, NULL));
}

static long ns(clockid_t c)
{
	struct timespec ts;

	OK(clock_gettime(c, &ts));
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

TEST(monotonic, "a clock that goes back, or that only moves with the tick")
{
	long prev = ns(CLOCK_MONOTONIC), steps = 0;

	for (int i = 0; i < 20000; i++) {
		long now = ns(CLOCK_MONOTONIC);
		if (now < prev) {
			FAIL("%ld ns back", prev - now);
			return;
		}
		steps += now != prev;
		prev = now;
	}
	CHECK(steps > 1000);
}

TEST(clocks, "clocks missing or in disagreement")
{
	static const clockid_t ids[] = {CLOCK_REALTIME,           CLOCK_MONOTONIC,
					CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
					CLOCK_MONOTONIC_RAW,      CLOCK_REALTIME_COARSE,
					CLOCK_MONOTONIC_COARSE,   CLOCK_BOOTTIME};
	struct timespec ts;

	for (unsigned i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		OK(clock_gettime(ids[i], &ts));
		OK(clock_getres(ids[i], &ts));
		CHECK(ts.tv_sec == 0 && ts.tv_nsec > 0);
	}
	CHECK_ERRNO(clock_gettime(77, &ts), EINVAL);
	CHECK_ERRNO(clock_getres(77, &ts), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_REALTIME, BADPTR), EFAULT);
	/* REALTIME, gettimeofday and time agree; the year is a sane one */
	struct timeval tv;
	long a = ns(CLOCK_REALTIME);
	OK(gettimeofday(&tv, NULL));
	long b = ns(CLOCK_REALTIME);
	long t = tv.tv_sec * 1000000000L + tv.tv_usec * 1000L;
	CHECK(t >= a - 1000 && t <= b + 1000);
	CHECK(labs((long)time(NULL) - tv.tv_sec) <= 1);
	CHECK(tv.tv_sec > 1577836800L && tv.tv_sec < 4102444800L);
	long r = ns(CLOCK_MONOTONIC), c = ns(CLOCK_MONOTONIC_COARSE);
	CHECK(labs(r - c) < 200000000);
}

TEST(clock_settime, "a clock that can be set to where its arithmetic overflows")
{
	struct timespec ts = {0x7fffffffffffffff, 0};

	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &ts), EINVAL);
	ts.tv_sec = 9223372036; /* all that nanoseconds can say: 292 years */
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &ts), EINVAL);
	ts.tv_sec = 0; /* before the machine was started */
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &ts), EINVAL);
	ts.tv_nsec = 1000000000;
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &ts), EINVAL);
	CHECK_ERRNO(clock_settime(CLOCK_MONOTONIC, &ts), EINVAL);
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, BADPTR), EFAULT);
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	CHECK(ts.tv_sec > 0 && ts.tv_sec < 9223372036);
}

TEST(nanosleep, "a sleep too short, or without end")
{
	static const long us[] = {0, 1, 100, 1000, 20000, 150000};

	for (unsigned i = 0; i < sizeof(us) / sizeof(*us); i++) {
		long start = ns(CLOCK_MONOTONIC);
		OK(nanosleep(&(struct timespec){0, us[i] * 1000}, NULL));
		long took = ns(CLOCK_MONOTONIC) - start;
		CHECK(took >= us[i] * 1000);
		CHECK(took < us[i] * 1000 + 2000000000L);
	}
}

TEST(nanosleep_errors, "impossible times accepted")
{
	CHECK_ERRNO(nanosleep(&(struct timespec){0, 1000000000}, NULL), EINVAL);
	CHECK_ERRNO(nanosleep(&(struct timespec){0, -1}, NULL), EINVAL);
	CHECK_ERRNO(nanosleep(&(struct timespec){-1, 0}, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_nanosleep, BADPTR, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_nanosleep, NULL, NULL), EFAULT);
	struct timespec ts = {0, 1};
	CHECK_ERRNO(syscall(SYS_clock_nanosleep, 77, 0, &ts, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL),
		    EOPNOTSUPP);
}

TEST(nanosleep_remainder, "the rest of an interrupted sleep not told")
{
	struct itimerval it = {.it_value = {0, 100000}};
	struct timespec rem = {99, 99};

	catch (SIGALRM);
	OK(setitimer(ITIMER_REAL, &it, NULL));
	CHECK_ERRNO(nanosleep(&(struct timespec){2, 0}, &rem), EINTR);
	CHECK_EQ(alarms, 1);
	CHECK_EQ(rem.tv_sec, 1);
	CHECK(rem.tv_nsec > 0 && rem.tv_nsec <= 990000000);
}

TEST(clock_nanosleep, "absolute sleeps: wrong length, past times, a remainder that is written")
{
	struct timespec ts, rem = {5, 5};

	OK(clock_gettime(CLOCK_MONOTONIC, &ts));
	ts.tv_nsec += 50000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
	CHECK(ns(CLOCK_MONOTONIC) >= ts.tv_sec * 1000000000L + ts.tv_nsec);
	long start = ns(CLOCK_MONOTONIC);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
	CHECK(ns(CLOCK_MONOTONIC) - start < 1000000000);
	CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, 0, &(struct timespec){0, 1000000}, NULL), 0);
	catch (SIGALRM);
	struct itimerval it = {.it_value = {0, 50000}};
	OK(setitimer(ITIMER_REAL, &it, NULL));
	ts.tv_sec += 20;
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &rem), EINTR);
	CHECK_EQ(rem.tv_sec, 5);
}

TEST(itimer_real, "an interval timer that fires too early, too rarely, or after it was stopped")
{
	struct itimerval it = {{0, 20000}, {0, 20000}}, old;

	catch (SIGALRM);
	long start = ut_now_ms();
	OK(setitimer(ITIMER_REAL, &it, NULL));
	while (alarms < 5)
		pause();
	CHECK(ut_now_ms() - start >= 99);
	OK(getitimer(ITIMER_REAL, &old));
	CHECK_EQ(old.it_interval.tv_usec, 20000);
	CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec <= 20000);
	memset(&it, 0, sizeof(it));
	OK(setitimer(ITIMER_REAL, &it, &old));
	CHECK_EQ(old.it_interval.tv_usec, 20000);
	int n = alarms;
	ut_msleep(60);
	CHECK_EQ(alarms, n);
	OK(getitimer(ITIMER_REAL, &old));
	CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
}

TEST(itimer_errors, "bad timers accepted")
{
	struct itimerval it = {.it_value = {0, 1000000}};

	CHECK_ERRNO(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	it.it_value.tv_usec = -1;
	CHECK_ERRNO(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	it.it_value.tv_usec = 0;
	CHECK_ERRNO(setitimer(9, &it, NULL), EINVAL);
	CHECK_ERRNO(getitimer(9, &it), EINVAL);
	CHECK_ERRNO(syscall(SYS_getitimer, ITIMER_REAL, BADPTR), EFAULT);
	CHECK_ERRNO(syscall(SYS_setitimer, ITIMER_REAL, BADPTR, NULL), EFAULT);
}

TEST(itimer_virtual, "time in the program and in the kernel not told apart")
{
	struct itimerval it = {.it_value = {0, 20000}};

	catch (SIGVTALRM);
	catch (SIGPROF);
	OK(setitimer(ITIMER_VIRTUAL, &it, NULL));
	ut_msleep(80);
	CHECK_EQ(alarms, 0); /* sleeping is not running */
	long start = ut_now_ms();
	while (!alarms && ut_now_ms() - start < 30000)
		for (volatile int i = 0; i < 100000; i++)
			;
	CHECK_EQ(alarms, 1);
	OK(setitimer(ITIMER_PROF, &it, NULL));
	start = ut_now_ms();
	while (alarms < 2 && ut_now_ms() - start < 30000)
		getppid();
	CHECK_EQ(alarms, 2);
}

TEST(alarm_call, "alarm's rest, and an alarm that cannot be cancelled")
{
	catch (SIGALRM);
	CHECK_EQ(alarm(100), 0);
	CHECK_EQ(alarm(50), 100);
	CHECK_EQ(alarm(0), 50);
	CHECK_EQ(alarm(0), 0);
	CHECK_EQ(alarm(1), 0);
	long start = ut_now_ms();
	CHECK_ERRNO(pause(), EINTR);
	CHECK(ut_now_ms() - start >= 990);
	CHECK_EQ(alarms, 1);
}

TEST(alarm_kills, "SIGALRM that is not sent to a program busy in user mode")
{
	pid_t pid = CHILD({
		struct itimerval it = {.it_value = {0, 30000}};
		OK(setitimer(ITIMER_REAL, &it, NULL));
		for (volatile int i = 0;; i++)
			;
	});
	CHECK_SIGNALED(pid, SIGALRM);
}

TEST(cpu_time, "time of a process that runs while it sleeps, or stands while it runs")
{
	long a = ns(CLOCK_PROCESS_CPUTIME_ID);
	ut_msleep(100);
	long b = ns(CLOCK_PROCESS_CPUTIME_ID);
	CHECK(b - a < 80000000);
	long start = ns(CLOCK_MONOTONIC);
	while (ns(CLOCK_MONOTONIC) - start < 100000000)
		;
	long c = ns(CLOCK_PROCESS_CPUTIME_ID);
	CHECK(c - b > 5000000);
	/* Not more than has passed, which is more than 100 ms where the host is slow. */
	CHECK(c - b <= ns(CLOCK_MONOTONIC) - start + 40000000);
}

TEST(times_call, "times and getrusage that do not add up")
{
	struct tms t;
	struct rusage ru;
	clock_t r1 = times(&t);

	CHECK(r1 != (clock_t)-1);
	long start = ut_now_ms();
	while (ut_now_ms() - start < 200)
		for (volatile int i = 0; i < 10000; i++)
			;
	clock_t r2 = times(&t);
	CHECK(r2 - r1 >= 19 && r2 - r1 < 1000);
	CHECK(t.tms_utime + t.tms_stime >= 2);
	OK(getrusage(RUSAGE_SELF, &ru));
	long us = ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec +
		  ru.ru_stime.tv_sec * 1000000 + ru.ru_stime.tv_usec;
	CHECK(us >= 20000);
	pid_t pid = CHILD({
		start = ut_now_ms();
		while (ut_now_ms() - start < 100)
			;
	});
	CHECK_EQ(t.tms_cutime, 0);
	CHECK_EXIT(pid, 0);
	times(&t);
	CHECK(t.tms_cutime + t.tms_cstime >= 1);
}

TEST(fairness, "a busy process that keeps others from running")
{
	volatile long *n =
		OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t pid[3];

	for (int i = 0; i < 3; i++)
		pid[i] = CHILD({
			for (;;)
				n[i * 8]++;
		});
	ut_msleep(600);
	for (int i = 0; i < 3; i++) {
		OK(kill(pid[i], SIGKILL));
		CHECK_SIGNALED(pid[i], SIGKILL);
	}
	long least = n[0], most = n[0];
	for (int i = 1; i < 3; i++) {
		least = n[i * 8] < least ? n[i * 8] : least;
		most = n[i * 8] > most ? n[i * 8] : most;
	}
	CHECK(least > 0);
	CHECK(most < least * 20);
}

TEST(uptime, "uptime that does not follow the clock")
{
	char buf[64];
	double a, b;

	OK(ut_slurp("/proc/uptime", buf, sizeof(buf)));
	a = strtod(buf, NULL);
	ut_msleep(120);
	OK(ut_slurp("/proc/uptime", buf, sizeof(buf)));
	b = strtod(buf, NULL);
	CHECK(b - a >= 0.1 && b - a < 10);
	CHECK(labs((long)(b * 1000) - ns(CLOCK_BOOTTIME) / 1000000) < 5000);
}

/* Two processes that switch at each byte: neither is ever found running for long. */
static pid_t ping_pong(void (*setup)(void))
{
	return CHILD({
		int a[2];
		int b[2];
		char c = 0;

		OK(pipe(a));
		OK(pipe(b));
		if (fork() == 0) {
			close(a[1]);
			while (read(a[0], &c, 1) == 1 && write(b[1], &c, 1) == 1)
				;
			_exit(0);
		}
		setup();
		for (;;)
			if (write(a[1], &c, 1) != 1 || read(b[0], &c, 1) != 1)
				_exit(3);
	});
}

static void set_prof(void)
{
	struct itimerval it = {{0, 0}, {0, 300000}};

	OK(setitimer(ITIMER_PROF, &it, NULL));
}

static void set_cpu_limit(void)
{
	struct rlimit r = {1, 2};

	OK(setrlimit(RLIMIT_CPU, &r));
}

TEST(cpu_of_switchers,
     "CPU time that counts for no timer and no limit when it comes in small pieces")
{
	long start = ut_now_ms(), took;

	CHECK_SIGNALED(ping_pong(set_prof), SIGPROF);
	took = ut_now_ms() - start;
	if (took < 290 || took > 3000)
		FAIL("300 ms of CPU time took %ld ms", took);
	CHECK_SIGNALED(ping_pong(set_cpu_limit), SIGXCPU);
}
