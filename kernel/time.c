/* SPDX-License-Identifier: MIT */
/*
 * The system calls that read clocks and sleep.
 *
 * A relative sleep that a signal interrupts reports what is left; if no handler runs, it goes on to
 * its original end through restart_syscall. An absolute one is simply started again.
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

enum {
	CLOCK_REALTIME,
	CLOCK_MONOTONIC,
	CLOCK_PROCESS_CPUTIME_ID,
	CLOCK_THREAD_CPUTIME_ID,
	CLOCK_MONOTONIC_RAW,
	CLOCK_REALTIME_COARSE,
	CLOCK_MONOTONIC_COARSE,
	CLOCK_BOOTTIME,
	CLOCK_REALTIME_ALARM,
	CLOCK_BOOTTIME_ALARM,
	CLOCK_TAI = 11,
};
#define TIMER_ABSTIME 1

static ktime_t add_saturated(ktime_t a, ktime_t b)
{
	return a > KTIME_MAX - b ? KTIME_MAX : a + b;
}

int timespec_to_ktime(const struct timespec64 *ts, ktime_t *t)
{
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	*t = ts->tv_sec >= KTIME_MAX / NSEC_PER_SEC ? KTIME_MAX :
						      ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
	return 0;
}

int get_user_ktime(const struct timespec64 __user *uts, ktime_t *t)
{
	struct timespec64 ts;

	return copy_from_user(&ts, uts, sizeof(ts)) ? -EFAULT : timespec_to_ktime(&ts, t);
}

ktime_t deadline_after(ktime_t ns)
{
	return ns ? add_saturated(ktime_get(), ns) : 0;
}

int get_user_deadline(const struct timespec64 __user *uts, ktime_t *expires)
{
	ktime_t ns = KTIME_MAX;
	int err = uts ? get_user_ktime(uts, &ns) : 0;

	*expires = deadline_after(ns);
	return err;
}

/* Negative ids name the CPU clock of a process or thread: ~id << 3 | 4 for a thread | 2. */
static int cpu_clock(int id, ktime_t *now)
{
	pid_t pid = ~(id >> 3);
	struct task *t;
	u64 u, s;

	if ((id & 3) != 2)
		return -EINVAL;
	t = task_find_get(pid ? pid : current->pid);
	if (!t)
		return -EINVAL;
	if (id & 4)
		*now = (ktime_t)task_cpu_ns(t, &u, &s);
	else
		*now = (ktime_t)process_cpu_ns(t->proc, &u, &s);
	task_put(t);
	return 0;
}

static int clock_now(int id, ktime_t *now)
{
	u64 u, s;

	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*now = ktime_get_real();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*now = ktime_get();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*now = (ktime_t)process_cpu_ns(current->proc, &u, &s);
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*now = (ktime_t)task_cpu_ns(current, &u, &s);
		return 0;
	default:
		return id < 0 ? cpu_clock(id, now) : -EINVAL;
	}
}

SYSCALL2(clock_gettime, int, id, struct timespec64 __user *, uts)
{
	struct timespec64 ts;
	ktime_t now;
	int err = clock_now(id, &now);

	if (err)
		return err;
	ts = ns_to_timespec64(now);
	return copy_to_user(uts, &ts, sizeof(ts)) ? -EFAULT : 0;
}

SYSCALL2(clock_getres, int, id, struct timespec64 __user *, uts)
{
	struct timespec64 ts = {0, 1};
	ktime_t now;
	int err = clock_now(id, &now);

	if (err)
		return err;
	if (id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE)
		ts.tv_nsec = TICK_NSEC;
	return uts && copy_to_user(uts, &ts, sizeof(ts)) ? -EFAULT : 0;
}

/* To a time of which 30 more years still can be counted, and not before the machine was started. */
static int set_realtime(ktime_t now)
{
	if (now >= KTIME_MAX - 30LL * 365 * 86400 * NSEC_PER_SEC)
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (now < ktime_get())
		return -EINVAL;
	ktime_set_real(now);
	return 0;
}

SYSCALL2(clock_settime, int, id, const struct timespec64 __user *, uts)
{
	ktime_t now;
	int err = id == CLOCK_REALTIME ? get_user_ktime(uts, &now) : -EINVAL;

	if (id < 0)
		return cpu_clock(id, &now) ? -EINVAL : -EPERM; /* there, but nobody sets it */
	return err ? err : set_realtime(now);
}

struct timezone {
	s32 minuteswest, dsttime;
};
static struct timezone timezone;

SYSCALL2(gettimeofday, struct timeval64 __user *, utv, struct timezone __user *, utz)
{
	ktime_t now = ktime_get_real();
	struct timeval64 tv = {now / NSEC_PER_SEC, now % NSEC_PER_SEC / NSEC_PER_USEC};

	if (utv && copy_to_user(utv, &tv, sizeof(tv)))
		return -EFAULT;
	return utz && copy_to_user(utz, &timezone, sizeof(timezone)) ? -EFAULT : 0;
}

SYSCALL2(settimeofday, const struct timeval64 __user *, utv, const struct timezone __user *, utz)
{
	struct timezone tz = timezone;
	struct timeval64 tv = {};
	struct timespec64 ts;
	ktime_t now;

	if (utv && copy_from_user(&tv, utv, sizeof(tv)))
		return -EFAULT;
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EINVAL;
	if (utz && copy_from_user(&tz, utz, sizeof(tz)))
		return -EFAULT;
	ts = (struct timespec64){tv.tv_sec, tv.tv_usec * NSEC_PER_USEC};
	if (timespec_to_ktime(&ts, &now))
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (tz.minuteswest > 15 * 60 || tz.minuteswest < -15 * 60)
		return -EINVAL;
	timezone = tz;
	return utv ? set_realtime(now) : 0;
}

SYSCALL1(time, s64 __user *, ut)
{
	s64 now = ktime_get_real() / NSEC_PER_SEC;

	return ut && put_user(now, ut) ? -EFAULT : now;
}

struct tms {
	s64 utime, stime, cutime, cstime;
};

SYSCALL1(times, struct tms __user *, utms)
{
	struct process *p = current->proc;
	struct tms tms;
	u64 u, s;

	if (utms) {
		process_cpu_ns(p, &u, &s);
		tms = (struct tms){(s64)(u / TICK_NSEC), (s64)(s / TICK_NSEC),
				   (s64)(p->cutime_ns / TICK_NSEC),
				   (s64)(p->cstime_ns / TICK_NSEC)};
		if (copy_to_user(utms, &tms, sizeof(tms)))
			return -EFAULT;
	}
	return ktime_get() / TICK_NSEC;
}

/* ---- sleeping ------------------------------------------------------------------------------ */

/* Until the end or a signal: ns left. */
static ktime_t sleep_until(ktime_t end)
{
	ktime_t left;

	do {
		set_current_state(THREAD_INTERRUPTIBLE);
		left = schedule_timeout_until(end);
	} while (left > 0 && !signal_pending());
	return left;
}

/* rb->arg: the end, and where to report what is left. */
static long nanosleep_restart(struct restart_block *rb)
{
	ktime_t left = sleep_until((ktime_t)rb->arg[0]);
	struct timespec64 __user *urem = (struct timespec64 __user *)rb->arg[1];
	struct timespec64 rem;

	if (left <= 0)
		return 0;
	if (urem) {
		rem = ns_to_timespec64(left);
		if (copy_to_user(urem, &rem, sizeof(rem)))
			return -EFAULT;
	}
	rb->fn = nanosleep_restart;
	return -ERESTART_RESTARTBLOCK;
}

static long sleep_relative(ktime_t ns, struct timespec64 __user *urem)
{
	struct restart_block *rb = &current->restart;

	rb->arg[0] = (u64)deadline_after(ns);
	rb->arg[1] = (u64)urem;
	return nanosleep_restart(rb);
}

SYSCALL2(nanosleep, const struct timespec64 __user *, ureq, struct timespec64 __user *, urem)
{
	ktime_t ns;
	int err = get_user_ktime(ureq, &ns);

	return err ? err : sleep_relative(ns, urem);
}

/* A process's CPU clock does not advance steadily: looked at again after what is missing at least. */
static long sleep_cpu_clock(ktime_t end)
{
	ktime_t now;
	int err;

	for (;;) {
		err = clock_now(CLOCK_PROCESS_CPUTIME_ID, &now);
		if (err || now >= end)
			return err;
		if (sleep_until(deadline_after(max(end - now, (ktime_t)TICK_NSEC))) > 0)
			return -ERESTARTNOHAND;
	}
}

static long sleep_absolute(int id, ktime_t end)
{
	if (id == CLOCK_PROCESS_CPUTIME_ID)
		return sleep_cpu_clock(end);
	if (id == CLOCK_REALTIME || id == CLOCK_TAI || id == CLOCK_REALTIME_ALARM)
		end = end == KTIME_MAX ? end : end - (ktime_get_real() - ktime_get());
	return sleep_until(end) > 0 ? -ERESTARTNOHAND : 0;
}

SYSCALL4(clock_nanosleep, int, id, int, flags, const struct timespec64 __user *, ureq,
	 struct timespec64 __user *, urem)
{
	ktime_t now, t;
	int err;

	if (id == CLOCK_THREAD_CPUTIME_ID || id == CLOCK_MONOTONIC_RAW ||
	    id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE)
		return -EOPNOTSUPP;
	err = clock_now(id, &now);
	if (!err)
		err = get_user_ktime(ureq, &t);
	if (err)
		return err;
	if (flags & TIMER_ABSTIME)
		return sleep_absolute(id, t);
	if (id == CLOCK_PROCESS_CPUTIME_ID)
		return sleep_cpu_clock(add_saturated(now, t));
	return sleep_relative(t, urem);
}
