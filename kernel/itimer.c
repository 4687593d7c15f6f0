/* SPDX-License-Identifier: MIT */
/*
 * Interval timers (setitimer, alarm) and the limit on CPU time.
 *
 * ITIMER_REAL is a kernel timer in the process; it sends SIGALRM from the timer interrupt and arms
 * itself again. ITIMER_VIRTUAL and ITIMER_PROF count CPU time and are looked at in the tick, so they
 * are as exact as the tick is. RLIMIT_CPU too.
 *
 * Locking: siglock for the fields. The timer's function takes it, so the timer is cancelled without.
 */
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

enum { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };

struct itimerval {
	struct timeval64 interval, value;
};

static struct timeval64 to_timeval(ktime_t t)
{
	/* Rounded up: a running timer never shows 0. */
	t = (t + NSEC_PER_USEC - 1) / NSEC_PER_USEC;
	return (struct timeval64){t / 1000000, t % 1000000};
}

static bool from_timeval(const struct timeval64 *tv, ktime_t *t)
{
	if (tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec >= 1000000)
		return false;
	*t = tv->tv_sec >= KTIME_MAX / NSEC_PER_SEC / 2 ?
		     KTIME_MAX / 2 :
		     tv->tv_sec * NSEC_PER_SEC + tv->tv_usec * NSEC_PER_USEC;
	return true;
}

/* From the timer interrupt. */
void itimer_real_fn(struct timer *tm)
{
	struct process *p = container_of(tm, struct process, real_timer);
	ktime_t interval = READ_ONCE(p->it_real_interval);

	send_sig_process(p, SIGALRM, NULL);
	if (interval) {
		/* Periods that went by unseen are lost, as their signals would have been. */
		ktime_t now = ktime_get(), next = tm->expires + interval;

		if (next <= now)
			next = now + interval - (now - next) % interval;
		timer_start(tm, next);
	}
}

static void real_get(struct process *p, ktime_t *value, ktime_t *interval)
{
	*interval = p->it_real_interval;
	*value = 0;
	if (p->real_timer.queued)
		*value = max(p->real_timer.expires - ktime_get(), (ktime_t)1);
}

static void real_set(struct process *p, ktime_t value, ktime_t interval)
{
	WRITE_ONCE(p->it_real_interval,
		   0); /* so that it does not come back while being cancelled */
	timer_cancel(&p->real_timer);
	if (value) {
		WRITE_ONCE(p->it_real_interval, interval);
		timer_start(&p->real_timer, ktime_get() + value);
	}
}

/* The timer of the running process, and the CPU time that it counts. */
static struct cpu_timer *cpu_timer(int which, u64 *now)
{
	struct process *p = current->proc;
	u64 u, s, total = process_cpu_ns(p, &u, &s);

	*now = which == ITIMER_PROF ? total : u;
	return which == ITIMER_PROF ? &p->it_prof : &p->it_virt;
}

static void itimer_get(int which, struct itimerval *it)
{
	struct process *p = current->proc;
	ktime_t value, interval;
	struct cpu_timer *ct;
	u64 now;

	if (which == ITIMER_REAL) {
		real_get(p, &value, &interval);
	} else {
		ct = cpu_timer(which, &now);
		guard_irq(&p->siglock);
		value = ct->expires ? max((ktime_t)(ct->expires - now), (ktime_t)1) : 0;
		interval = ct->interval;
	}
	it->value = to_timeval(value);
	it->interval = to_timeval(interval);
}

static void itimer_set(int which, ktime_t value, ktime_t interval)
{
	struct process *p = current->proc;
	struct cpu_timer *ct;
	u64 now;

	if (which == ITIMER_REAL) {
		real_set(p, value, interval);
		return;
	}
	ct = cpu_timer(which, &now);
	guard_irq(&p->siglock);
	*ct = (struct cpu_timer){value ? now + (u64)value : 0, interval};
}

SYSCALL2(getitimer, int, which, struct itimerval __user *, uit)
{
	struct itimerval it;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	itimer_get(which, &it);
	return copy_to_user(uit, &it, sizeof(it)) ? -EFAULT : 0;
}

SYSCALL3(setitimer, int, which, const struct itimerval __user *, unew, struct itimerval __user *,
	 uold)
{
	struct itimerval it = {0}, old;
	ktime_t value, interval;

	if (unew && copy_from_user(&it, unew, sizeof(it)))
		return -EFAULT;
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	if (!from_timeval(&it.value, &value) || !from_timeval(&it.interval, &interval))
		return -EINVAL;
	itimer_get(which, &old);
	itimer_set(which, value, interval);
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL1(alarm, unsigned int, seconds)
{
	struct process *p = current->proc;
	ktime_t value, interval;
	s64 left;

	real_get(p, &value, &interval);
	real_set(p, (ktime_t)seconds * NSEC_PER_SEC, 0);
	/* Rounded to the nearest second, but never to 0 while it runs. */
	left = (value + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
	return value && !left ? 1 : left;
}

/* ---- the tick ------------------------------------------------------------------------------ */

static void check_timer(struct process *p, struct cpu_timer *ct, u64 now, int sig)
{
	{
		guard_irq(&p->siglock);
		if (!ct->expires || ct->expires > now)
			return;
		ct->expires = ct->interval ? max(ct->expires + (u64)ct->interval, now + 1) : 0;
	}
	send_sig_process(p, sig, NULL);
}

/* SIGXCPU at the soft limit and each second after it (Linux moves the limit, too), SIGKILL at the
 * hard one. */
static void check_cpu_limit(struct process *p, u64 total)
{
	struct rlimit *r = &p->rlim[RLIMIT_CPU];
	unsigned long flags;
	int sig = 0;

	flags = spin_lock_irqsave(&p->siglock);
	if (total / NSEC_PER_SEC >= r->max) {
		sig = SIGKILL;
	} else if (total / NSEC_PER_SEC >= r->cur) {
		sig = SIGXCPU;
		r->cur++;
	}
	spin_unlock_irqrestore(&p->siglock, flags);
	if (sig)
		send_sig_process(p, sig, NULL);
}

void task_tick(struct thread *thread)
{
	struct process *p = task_of(thread)->proc;
	u64 u, s, total;

	if (thread->flags & THREAD_KTHREAD ||
	    (!READ_ONCE(p->it_virt.expires) && !READ_ONCE(p->it_prof.expires) &&
	     READ_ONCE(p->rlim[RLIMIT_CPU].cur) == RLIM_INFINITY))
		return;
	total = process_cpu_ns(p, &u, &s);
	check_timer(p, &p->it_virt, u, SIGVTALRM);
	check_timer(p, &p->it_prof, total, SIGPROF);
	check_cpu_limit(p, total);
}
