/* SPDX-License-Identifier: MIT */
/*
 * Interval timers (setitimer, alarm) and the limit on CPU time.
 *
 * ITIMER_REAL is a kernel timer in the process; it sends SIGALRM from the timer interrupt and arms
 * itself again. ITIMER_VIRTUAL and ITIMER_PROF count CPU time and are looked at in the tick, so they
 * are as exact as the tick is. RLIMIT_CPU too.
 *
 * Locking: siglock for the fields of the CPU timers. ITIMER_REAL is set and read under real_lock,
 * which its function does not take: who sets it waits for the function on another CPU.
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

static spinlock_t real_lock = SPINLOCK_INIT(LOCK_TIMER);

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

struct setting {
	ktime_t value, interval;
};

/* One that comes again and is not armed is in its function now. */
static struct setting real_get_locked(struct process *p)
{
	struct setting s = {.interval = p->it_real_interval, .value = p->it_real_interval ? 1 : 0};

	assert_spin_held(&real_lock);
	if (READ_ONCE(p->real_timer.queued))
		s.value = max(READ_ONCE(p->real_timer.expires) - ktime_get(), (ktime_t)1);
	return s;
}

static void real_set_locked(struct process *p, const struct setting *s)
{
	assert_spin_held(&real_lock);
	/* So that it does not come back while being cancelled. */
	WRITE_ONCE(p->it_real_interval, 0);
	timer_cancel(&p->real_timer);
	if (s->value) {
		WRITE_ONCE(p->it_real_interval, s->interval);
		timer_start(&p->real_timer, ktime_get() + s->value);
	}
}

static struct setting exchange_real(struct process *p, const struct setting *new_)
{
	guard_spin(&real_lock);
	struct setting old = real_get_locked(p);

	if (new_)
		real_set_locked(p, new_);
	return old;
}

static struct setting exchange_cpu(struct process *p, int which, const struct setting *new_)
{
	struct cpu_timer *ct = which == ITIMER_PROF ? &p->it_prof : &p->it_virt;
	u64 u, s, total = process_cpu_ns(p, &u, &s), now = which == ITIMER_PROF ? total : u;
	struct setting old;

	guard_irq(&p->siglock);
	old.value = ct->expires ? max((ktime_t)(ct->expires - now), (ktime_t)1) : 0;
	old.interval = ct->interval;
	if (new_)
		*ct = (struct cpu_timer){new_->value ? now + (u64)new_->value : 0, new_->interval};
	return old;
}

/* The setting before; NULL: it stays. */
static struct itimerval exchange(int which, const struct setting *new_)
{
	struct process *p = current->proc;
	struct setting old = which == ITIMER_REAL ? exchange_real(p, new_) :
						    exchange_cpu(p, which, new_);

	return (struct itimerval){to_timeval(old.interval), to_timeval(old.value)};
}

SYSCALL2(getitimer, int, which, struct itimerval __user *, uit)
{
	struct itimerval it;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	it = exchange(which, NULL);
	return copy_to_user(uit, &it, sizeof(it)) ? -EFAULT : 0;
}

SYSCALL3(setitimer, int, which, const struct itimerval __user *, unew, struct itimerval __user *,
	 uold)
{
	struct itimerval it = {0}, old;
	struct setting s;

	if (unew && copy_from_user(&it, unew, sizeof(it)))
		return -EFAULT;
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	if (!from_timeval(&it.value, &s.value) || !from_timeval(&it.interval, &s.interval))
		return -EINVAL;
	old = exchange(which, &s);
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL1(alarm, unsigned int, seconds)
{
	struct setting s = {.value = (ktime_t)seconds * NSEC_PER_SEC};
	ktime_t value = exchange_real(current->proc, &s).value;
	s64 left = (value + NSEC_PER_SEC / 2) / NSEC_PER_SEC;

	/* Rounded to the nearest second, but never to 0 while it runs. */
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
