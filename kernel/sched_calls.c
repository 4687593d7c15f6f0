/* SPDX-License-Identifier: MIT */
/*
 * The system calls of scheduling: nice values, CPU affinity, and the policies by name.
 *
 * There is one policy. Its names SCHED_OTHER, BATCH and IDLE are accepted; the real-time ones are
 * refused with EPERM, as Linux does to whoever lacks the right.
 */
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

enum { SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE = 5, SCHED_DEADLINE };
#define SCHED_RESET_ON_FORK 0x40000000

enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

SYSCALL0(sched_yield)
{
	sched_yield();
	return 0;
}

/* ---- nice ---------------------------------------------------------------------------------- */

/* Calls fn for every thread that (which, who) names; tasklist_lock held inside. -ESRCH if none. */
static int for_each_named(int which, int who, int (*fn)(struct task *t, int arg, int sofar),
			  int arg)
{
	const struct task *me = current;
	struct process *p;
	struct task *t;
	int ret = -ESRCH;

	guard_irq(&tasklist_lock);
	if (which == PRIO_PROCESS) {
		t = who ? task_find_locked(who) : current;
		return t ? fn(t, arg, ret) : ret;
	}
	list_for_each_entry(p, &all_processes, all_node) {
		if (which == PRIO_PGRP && p->pgid != (who ? who : me->proc->pgid))
			continue;
		if (which == PRIO_USER && p->leader->cred.uid != (who ? (kuid_t)who : me->cred.uid))
			continue;
		list_for_each_entry(t, &p->threads, thread_node)
			ret = fn(t, arg, ret);
	}
	return ret;
}

static int get_best_nice(struct task *t, int arg __unused, int sofar)
{
	return max(20 - t->thread.nice, sofar); /* 1..40, as the call returns it */
}

static int set_one_nice(struct task *t, int nice, int sofar)
{
	const struct cred *c = &current->cred;

	if (!capable(CAP_SYS_NICE) && c->euid != t->cred.euid && c->euid != t->cred.uid)
		return -EPERM;
	if (nice < t->thread.nice && !capable(CAP_SYS_NICE) &&
	    (unsigned long)(20 - nice) > t->proc->rlim[RLIMIT_NICE].cur)
		return -EACCES;
	set_user_nice(&t->thread, nice);
	return sofar == -ESRCH ? 0 : sofar;
}

SYSCALL2(getpriority, int, which, int, who)
{
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	return for_each_named(which, who, get_best_nice, 0);
}

SYSCALL3(setpriority, int, which, int, who, int, nice)
{
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	return for_each_named(which, who, set_one_nice, min(max(nice, -20), 19));
}

/* ---- affinity ------------------------------------------------------------------------------ */

static u64 online_mask(void)
{
	return (1UL << nr_cpu_ids) - 1;
}

SYSCALL3(sched_getaffinity, pid_t, pid, unsigned int, len, u64 __user *, umask)
{
	struct task *t;
	u64 mask;

	if (len < sizeof(mask) || len % sizeof(mask))
		return -EINVAL;
	t = task_find_get(pid ? pid : current->pid);
	if (!t)
		return -ESRCH;
	mask = t->thread.cpus_allowed & online_mask();
	task_put(t);
	return copy_to_user(umask, &mask, sizeof(mask)) ? -EFAULT : (long)sizeof(mask);
}

SYSCALL3(sched_setaffinity, pid_t, pid, unsigned int, len, const u64 __user *, umask)
{
	struct task *t;
	u64 mask = 0;
	int err = 0;

	if (copy_from_user(&mask, umask, min((size_t)len, sizeof(mask))))
		return -EFAULT;
	t = task_find_get(pid ? pid : current->pid);
	if (!t)
		return -ESRCH;
	if (!user_owns_task(t, CAP_SYS_NICE))
		err = -EPERM;
	else if (!(mask & online_mask()))
		err = -EINVAL;
	else
		thread_set_affinity(&t->thread, mask & online_mask());
	task_put(t);
	return err;
}

/* ---- policies ------------------------------------------------------------------------------ */

static int task_exists(pid_t pid)
{
	struct task *t;

	if (pid < 0)
		return -EINVAL;
	t = task_find_get(pid ? pid : current->pid);
	if (!t)
		return -ESRCH;
	task_put(t);
	return 0;
}

SYSCALL1(sched_getscheduler, pid_t, pid)
{
	int err = task_exists(pid);

	return err ? err : SCHED_OTHER;
}

static int check_policy(int policy, int prio)
{
	switch (policy & ~SCHED_RESET_ON_FORK) {
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		return prio ? -EINVAL : 0;
	case SCHED_FIFO:
	case SCHED_RR:
		return prio < 1 || prio > 99 ? -EINVAL : -EPERM;
	default:
		return -EINVAL;
	}
}

static long set_policy(pid_t pid, int policy, const int __user *uprio)
{
	struct task *t;
	int prio, err;

	if (policy < 0 || !uprio || pid < 0)
		return -EINVAL;
	if (copy_from_user(&prio, uprio, sizeof(prio)))
		return -EFAULT;
	err = check_policy(policy, prio);
	t = task_find_get(pid ? pid : current->pid);
	if (!t)
		return -ESRCH;
	if (!err && !user_owns_task(t, CAP_SYS_NICE))
		err = -EPERM;
	task_put(t);
	return err;
}

SYSCALL3(sched_setscheduler, pid_t, pid, int, policy, const int __user *, uprio)
{
	return set_policy(pid, policy, uprio);
}

SYSCALL2(sched_setparam, pid_t, pid, const int __user *, uprio)
{
	return set_policy(pid, SCHED_OTHER, uprio);
}

SYSCALL2(sched_getparam, pid_t, pid, int __user *, uprio)
{
	int err;

	if (!uprio)
		return -EINVAL;
	err = task_exists(pid);
	return err ? err : put_user(0, uprio);
}

static bool has_no_priority(int policy)
{
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ||
	       policy == SCHED_DEADLINE;
}

SYSCALL1(sched_get_priority_max, int, policy)
{
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return 99;
	return has_no_priority(policy) ? 0 : -EINVAL;
}

SYSCALL1(sched_get_priority_min, int, policy)
{
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return 1;
	return has_no_priority(policy) ? 0 : -EINVAL;
}

SYSCALL2(sched_rr_get_interval, pid_t, pid, s64 __user *, uts)
{
	s64 ts[2] = {0, TICK_NSEC};
	int err = task_exists(pid);

	if (err)
		return err;
	return copy_to_user(uts, ts, sizeof(ts)) ? -EFAULT : 0;
}
