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

static void cpu_timer_fields(struct process *p, int which, ktime_t **left, ktime_t **interval)
{
	*left = which == ITIMER_PROF ? &p->it_prof_left : &p->it_virt_left;
	*interval = which == ITIMER_PROF ? &p->it_prof_interval : &p->it_virt_interval;
}

static void itimer_get(int which, struct itimerval *it)
{
	struct process *p = current->proc;
	ktime_t value, interval, *left, *every;
	unsigned long flags;

	if (which == ITIMER_REAL) {
		real_get(p, &value, &interval);
	} else {
		cpu_timer_fields(p, which, &left, &every);
		flags = spin_lock_irqsave(&p->siglock);
		value = *left;
		interval = *every;
		spin_unlock_irqrestore(&p->siglock, flags);
	}
	it->value = to_timeval(value);
	it->interval = to_timeval(interval);
}

static void itimer_set(int which, ktime_t value, ktime_t interval)
{
	struct process *p = current->proc;
	ktime_t *left, *every;
	unsigned long flags;

	if (which == ITIMER_REAL) {
		real_set(p, value, interval);
		return;
	}
	cpu_timer_fields(p, which, &left, &every);
	flags = spin_lock_irqsave(&p->siglock);
	*left = value;
	*every = interval;
	spin_unlock_irqrestore(&p->siglock, flags);
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

static void count_down(struct process *p, ktime_t *left, ktime_t interval, u64 delta_ns, int sig)
{
	unsigned long flags;
	bool fired = false;

	if (!READ_ONCE(*left))
		return;
	flags = spin_lock_irqsave(&p->siglock);
	if (*left) {
		*left -= (ktime_t)delta_ns;
		fired = *left <= 0;
		if (fired)
			*left = interval ? max(*left + interval, (ktime_t)1) : 0;
	}
	spin_unlock_irqrestore(&p->siglock, flags);
	if (fired)
		send_sig_process(p, sig, NULL);
}

/* SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one. */
static void check_cpu_limit(struct process *p, u64 delta_ns)
{
	unsigned long soft = READ_ONCE(p->rlim[RLIMIT_CPU].cur),
		      hard = READ_ONCE(p->rlim[RLIMIT_CPU].max);
	u64 u, s, total, before;

	if (soft == RLIM_INFINITY)
		return;
	total = process_cpu_ns(p, &u, &s);
	before = (total - min(delta_ns, total)) / NSEC_PER_SEC;
	total /= NSEC_PER_SEC;
	if (total == before || total < soft)
		return;
	send_sig_process(p, hard != RLIM_INFINITY && total >= hard ? SIGKILL : SIGXCPU, NULL);
}

void task_tick(struct thread *thread, bool user, u64 delta_ns)
{
	struct process *p = task_of(thread)->proc;

	if (thread->flags & THREAD_KTHREAD)
		return;
	if (user)
		count_down(p, &p->it_virt_left, p->it_virt_interval, delta_ns, SIGVTALRM);
	count_down(p, &p->it_prof_left, p->it_prof_interval, delta_ns, SIGPROF);
	check_cpu_limit(p, delta_ns);
}
