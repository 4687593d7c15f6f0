/* SPDX-License-Identifier: MIT */
/*
 * Resource limits. They belong to the process; those that mm has to enforce are copied into its
 * mm_struct whenever they change, because mm does not look at tasks.
 */
#include <kernel/internal.h>
#include <kernel/rusage.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

#define NR_OPEN_DEFAULT 1024
#define NR_OPEN_MAX     1048576 /* Linux's fs.nr_open */

/* Linux's limits of a booted system (INIT_RLIMITS). */
void rlimits_init(struct process *p)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		p->rlim[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	p->rlim[RLIMIT_STACK].cur = 8UL << 20;
	p->rlim[RLIMIT_CORE].cur = 0;
	p->rlim[RLIMIT_NPROC] = (struct rlimit){max_threads() / 2, max_threads() / 2};
	p->rlim[RLIMIT_NOFILE] = (struct rlimit){NR_OPEN_DEFAULT, 4096};
	p->rlim[RLIMIT_MEMLOCK] = (struct rlimit){8UL << 20, 8UL << 20};
	p->rlim[RLIMIT_SIGPENDING] = p->rlim[RLIMIT_NPROC];
	p->rlim[RLIMIT_MSGQUEUE] = (struct rlimit){819200, 819200};
	p->rlim[RLIMIT_NICE] = p->rlim[RLIMIT_RTPRIO] = (struct rlimit){0, 0};
}

void rlimits_to_mm(struct process *p, struct mm_struct *mm)
{
	WRITE_ONCE(mm->rlim_as, p->rlim[RLIMIT_AS].cur);
	WRITE_ONCE(mm->rlim_data, p->rlim[RLIMIT_DATA].cur);
	WRITE_ONCE(mm->rlim_stack, p->rlim[RLIMIT_STACK].cur);
	WRITE_ONCE(mm->rlim_memlock, p->rlim[RLIMIT_MEMLOCK].cur);
}

static int set_limit(struct process *p, unsigned int which, const struct rlimit *new_,
		     struct rlimit *old)
{
	struct rlimit *r = &p->rlim[which];

	if (new_ && new_->cur > new_->max)
		return -EINVAL;
	if (new_ && which == RLIMIT_NOFILE && new_->max > NR_OPEN_MAX)
		return -EPERM;
	guard_irq(&p->siglock);
	*old = *r;
	if (!new_)
		return 0;
	if (new_->max > r->max && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	*r = *new_;
	if (which == RLIMIT_CPU && r->cur == 0)
		r->cur = 1; /* 0 means at once: a second is the least that the tick sees */
	return 0;
}

static void limits_changed(struct process *p)
{
	struct mm_struct *mm = process_get_mm(p);

	if (mm) {
		rlimits_to_mm(p, mm);
		mm_put_user(mm);
	}
}

static int do_prlimit(struct process *p, unsigned int which, const struct rlimit *new_,
		      struct rlimit *old)
{
	int err;

	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	err = set_limit(p, which, new_, old);
	if (!err && new_)
		limits_changed(p);
	return err;
}

SYSCALL2(getrlimit, unsigned int, which, struct rlimit __user *, ulim)
{
	struct rlimit old;
	int err = do_prlimit(current->proc, which, NULL, &old);

	if (err)
		return err;
	return copy_to_user(ulim, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL2(setrlimit, unsigned int, which, const struct rlimit __user *, ulim)
{
	struct rlimit new_, old;

	if (copy_from_user(&new_, ulim, sizeof(new_)))
		return -EFAULT;
	return do_prlimit(current->proc, which, &new_, &old);
}

/* Another process's limits: all of its uids and gids are the caller's real ones, or a capability. */
static bool may_prlimit(const struct task *t)
{
	const struct cred *me = &current->cred, *c = &t->cred;

	return t->proc == current->proc || capable(CAP_SYS_RESOURCE) ||
	       (me->uid == c->euid && me->uid == c->suid && me->uid == c->uid &&
		me->gid == c->egid && me->gid == c->sgid && me->gid == c->gid);
}

SYSCALL4(prlimit64, pid_t, pid, unsigned int, which, const struct rlimit __user *, unew,
	 struct rlimit __user *, uold)
{
	struct rlimit new_, old;
	struct task *t;
	int err;

	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	if (unew && copy_from_user(&new_, unew, sizeof(new_)))
		return -EFAULT;
	t = task_find_get(pid ? pid : current->pid);
	if (!t)
		return -ESRCH;
	err = may_prlimit(t) ? do_prlimit(t->proc, which, unew ? &new_ : NULL, &old) : -EPERM;
	task_put(t);
	if (err)
		return err;
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

/* ---- what was used --------------------------------------------------------------------------- */

static void put_times(struct rusage *ru, u64 u, u64 s)
{
	ru->utime_sec = (s64)(u / NSEC_PER_SEC);
	ru->utime_usec = (s64)(u % NSEC_PER_SEC / NSEC_PER_USEC);
	ru->stime_sec = (s64)(s / NSEC_PER_SEC);
	ru->stime_usec = (s64)(s % NSEC_PER_SEC / NSEC_PER_USEC);
}

static void add_switches(struct process *p, struct rusage *ru)
{
	struct task *t;

	guard_irq(&p->siglock);
	ru->nvcsw += (s64)p->nvcsw;
	ru->nivcsw += (s64)p->nivcsw;
	list_for_each_entry(t, &p->threads, thread_node) {
		if (t->exit_done)
			continue;
		ru->nvcsw += (s64)t->thread.nvcsw;
		ru->nivcsw += (s64)t->thread.nivcsw;
	}
}

static s64 mm_maxrss_kb(struct mm_struct *mm)
{
	unsigned long rss =
		(unsigned long)(atomic_long_read(&mm->rss_anon) + atomic_long_read(&mm->rss_file) +
				atomic_long_read(&mm->rss_shmem));

	return (s64)(max(rss, mm->hiwater_rss) << (PAGE_SHIFT - 10));
}

/* Without the mm of a living process: that must not be looked up under tasklist_lock. */
static void usage_self(struct process *p, struct rusage *ru, u64 *u, u64 *s)
{
	u64 min_flt, maj_flt;

	process_cpu_ns(p, u, s);
	process_faults(p, &min_flt, &maj_flt);
	ru->minflt = (s64)min_flt;
	ru->majflt = (s64)maj_flt;
	ru->maxrss = (s64)p->maxrss_kb;
	add_switches(p, ru);
}

static void usage_children(struct process *p, struct rusage *ru, u64 *u, u64 *s)
{
	*u = p->cutime_ns;
	*s = p->cstime_ns;
	ru->minflt += (s64)p->cmin_flt;
	ru->majflt += (s64)p->cmaj_flt;
	ru->nvcsw += (s64)p->cnvcsw;
	ru->nivcsw += (s64)p->cnivcsw;
	ru->maxrss = max(ru->maxrss, (s64)p->cmaxrss_kb);
}

void process_rusage(struct process *p, struct rusage *ru)
{
	u64 u, s, cu, cs;

	*ru = (struct rusage){0};
	usage_self(p, ru, &u, &s);
	usage_children(p, ru, &cu, &cs);
	put_times(ru, u + cu, s + cs);
}

SYSCALL2(getrusage, int, who, struct rusage __user *, uru)
{
	struct process *p = current->proc;
	struct rusage ru = {0};
	u64 u, s;

	switch (who) {
	case 0: /* RUSAGE_SELF */
		usage_self(p, &ru, &u, &s);
		ru.maxrss = max(ru.maxrss, mm_maxrss_kb(current_mm()));
		break;
	case 1: /* RUSAGE_THREAD */
		usage_self(p, &ru, &u, &s);
		ru.maxrss = max(ru.maxrss, mm_maxrss_kb(current_mm()));
		ru.nvcsw = (s64)current->thread.nvcsw;
		ru.nivcsw = (s64)current->thread.nivcsw;
		ru.minflt = (s64)current->thread.min_flt;
		ru.majflt = (s64)current->thread.maj_flt;
		task_cpu_ns(current, &u, &s);
		break;
	case -1: /* RUSAGE_CHILDREN */
		usage_children(p, &ru, &u, &s);
		break;
	default:
		return -EINVAL;
	}
	put_times(&ru, u, s);
	return copy_to_user(uru, &ru, sizeof(ru)) ? -EFAULT : 0;
}
