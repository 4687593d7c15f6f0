/* SPDX-License-Identifier: MIT */
/*
 * The system calls of signals: actions, masks, waiting, and who may send to whom.
 *
 * Permission (kill(2)): root, or the sender's real or effective uid equals the target's real or
 * saved uid; SIGCONT also within one session.
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

/* ---- actions and masks ------------------------------------------------------------------- */

static bool action_ignores(const struct k_sigaction *ka, int sig)
{
	return ka->handler == SIG_IGN ||
	       (ka->handler == SIG_DFL && (SIG_IGNORE_MASK & sigmask(sig)));
}

SYSCALL4(rt_sigaction, int, sig, const struct k_sigaction __user *, act,
	 struct k_sigaction __user *, oact, size_t, size)
{
	struct process *p = current->proc;
	struct k_sigaction new_, old;
	unsigned long flags;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (act && copy_from_user(&new_, act, sizeof(new_)))
		return -EFAULT;
	if (sig < 1 || sig > NSIG || (act && (sigmask(sig) & SIG_KERNEL_ONLY_MASK)))
		return -EINVAL;
	flags = spin_lock_irqsave(&p->siglock);
	old = p->action[sig - 1];
	if (act) {
		new_.mask &= ~SIG_KERNEL_ONLY_MASK;
		p->action[sig - 1] = new_;
		p->action_set |= sigmask(sig);
		if (action_ignores(&new_, sig))
			signal_drop_ignored(p, sigmask(sig));
	}
	spin_unlock_irqrestore(&p->siglock, flags);
	return oact && copy_to_user(oact, &old, sizeof(old)) ? -EFAULT : 0;
}

#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

SYSCALL4(rt_sigprocmask, int, how, const sigset_t __user *, uset, sigset_t __user *, uoset, size_t,
	 size)
{
	sigset_t set, old = current->blocked;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (uset) {
		if (copy_from_user(&set, uset, sizeof(set)))
			return -EFAULT;
		if (how == SIG_BLOCK)
			set |= old;
		else if (how == SIG_UNBLOCK)
			set = old & ~set;
		else if (how != SIG_SETMASK)
			return -EINVAL;
		set_current_blocked(set);
	}
	return uoset && copy_to_user(uoset, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL2(rt_sigpending, sigset_t __user *, uset, size_t, size)
{
	struct task *t = current;
	sigset_t set;

	if (size > sizeof(set))
		return -EINVAL;
	{
		guard_irq(&t->proc->siglock);
		set = (t->pending.signal | t->proc->shared_pending.signal) & t->blocked;
	}
	return copy_to_user(uset, &set, size) ? -EFAULT : 0;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static long wait_for_signal(void)
{
	for (;;) {
		set_current_state(THREAD_INTERRUPTIBLE);
		if (signal_pending())
			break;
		schedule();
	}
	set_current_state(THREAD_RUNNING);
	return -ERESTARTNOHAND;
}

SYSCALL2(rt_sigsuspend, const sigset_t __user *, uset, size_t, size)
{
	int err;

	if (!uset)
		return size == sizeof(sigset_t) ? -EFAULT : -EINVAL;
	err = set_user_sigmask(uset, size);
	return err ? err : wait_for_signal();
}

SYSCALL0(pause)
{
	return wait_for_signal();
}

/* Sleeps until one of those signals is there or the time is over: the signal, 0 or -EINTR. */
static int sigtimedwait(sigset_t these, siginfo_t *info, ktime_t expires)
{
	struct task *t = current;
	struct process *p = t->proc;
	unsigned long flags = spin_lock_irqsave(&p->siglock);
	int sig = dequeue_signal_locked(~these, info);
	bool timed_out;

	if (!sig && expires) {
		/* Lifted from the mask, so that their arrival wakes; real_blocked keeps them from acting. */
		t->real_blocked = t->blocked;
		t->blocked &= ~these;
		recalc_sigpending(t);
		spin_unlock_irqrestore(&p->siglock, flags);

		set_current_state(THREAD_INTERRUPTIBLE);
		timed_out = schedule_timeout_until(expires) <= 0;

		flags = spin_lock_irqsave(&p->siglock);
		sig = dequeue_signal_locked(~these, info);
		set_blocked_locked(t, t->real_blocked);
		t->real_blocked = 0;
		if (!sig && !timed_out)
			sig = -EINTR;
	}
	spin_unlock_irqrestore(&p->siglock, flags);
	return sig ? sig : -EAGAIN;
}

SYSCALL4(rt_sigtimedwait, const sigset_t __user *, uset, siginfo_t __user *, uinfo,
	 const struct timespec64 __user *, uts, size_t, size)
{
	ktime_t expires;
	siginfo_t info;
	sigset_t these;
	int sig;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (copy_from_user(&these, uset, sizeof(these)))
		return -EFAULT;
	sig = get_user_deadline(uts, &expires);
	if (!sig)
		sig = sigtimedwait(these & ~SIG_KERNEL_ONLY_MASK, &info, expires);
	if (sig > 0 && uinfo && copy_to_user(uinfo, &info, sizeof(info)))
		return -EFAULT;
	return sig;
}

/* ---- sending ----------------------------------------------------------------------------------- */

static int may_signal(int sig, const struct cred *target, const struct process *p)
{
	const struct cred *c = &current->cred;

	if (capable(CAP_KILL) || c->euid == target->suid || c->euid == target->uid ||
	    c->uid == target->suid || c->uid == target->uid)
		return 0;
	if (sig == SIGCONT && p->sid == current->proc->sid)
		return 0;
	return -EPERM;
}

int check_kill_permission(int sig, struct process *p)
{
	return p == current->proc ? 0 : may_signal(sig, &p->leader->cred, p);
}

static int kill_one(struct process *p, int sig, const siginfo_t *info)
{
	int err = check_kill_permission(sig, p);

	return err || !sig ? err : send_sig_process(p, sig, info);
}

static int kill_pid(pid_t pid, int sig, const siginfo_t *info)
{
	signal_prepare(1);
	guard_irq(&tasklist_lock);
	struct task *t = task_find_locked(pid); /* a thread's id means its process */

	return t ? kill_one(t->proc, sig, info) : -ESRCH;
}

static unsigned int pgrp_size(pid_t pgid)
{
	unsigned int n = 0;
	struct process *p;

	guard_irq(&tasklist_lock);
	for_each_in_pgrp(p, pgid) n++;
	return n;
}

static int kill_pgrp(pid_t pgid, int sig, const siginfo_t *info)
{
	bool success = false;
	struct process *p;
	int err = -ESRCH;

	signal_prepare(pgrp_size(pgid));
	guard_irq(&tasklist_lock);
	for_each_in_pgrp(p, pgid)
	{
		err = kill_one(p, sig, info);
		success |= !err;
	}
	return success ? 0 : err;
}

/* All but init, kernel threads and the sender's own process. */
static int kill_all(int sig, const siginfo_t *info)
{
	int ret = 0, tried = 0;
	struct process *p;

	signal_prepare(nr_threads_all());
	guard_irq(&tasklist_lock);
	list_for_each_entry(p, &all_processes, all_node) {
		int err;

		if (p->pid <= 1 || p == current->proc || (p->leader->thread.flags & THREAD_KTHREAD))
			continue;
		err = kill_one(p, sig, info);
		tried++;
		if (err != -EPERM)
			ret = err;
	}
	return tried ? ret : -ESRCH;
}

SYSCALL2(kill, pid_t, pid, int, sig)
{
	siginfo_t info;

	if (pid == INT32_MIN)
		return -ESRCH;
	if (sig < 0 || sig > NSIG) {
		/* The target is looked up first, as on Linux. */
		if (pid > 0) {
			struct task *t = task_find_get(pid);

			if (!t)
				return -ESRCH;
			task_put(t);
		}
		return -EINVAL;
	}
	info = siginfo_kill(sig, SI_USER);
	if (pid > 0)
		return kill_pid(pid, sig, &info);
	if (pid == -1)
		return kill_all(sig, &info);
	return kill_pgrp(pid ? -pid : current->proc->pgid, sig, &info);
}

/* tgid <= 0: any. */
static int send_specific(pid_t tgid, pid_t tid, int sig, const siginfo_t *info)
{
	struct task *t = task_find_get(tid);
	int err = -ESRCH;

	if (!t)
		return -ESRCH;
	if (tgid <= 0 || t->proc->pid == tgid) {
		err = t->proc == current->proc ? 0 : may_signal(sig, &t->cred, t->proc);
		signal_prepare(1);
		if (!err && sig)
			err = send_sig_task(t, sig, info);
	}
	task_put(t);
	return err;
}

static int do_tkill(pid_t tgid, pid_t tid, int sig)
{
	siginfo_t info;

	if (sig < 0 || sig > NSIG)
		return -EINVAL;
	info = siginfo_kill(sig, SI_TKILL);
	return send_specific(tgid, tid, sig, &info);
}

SYSCALL3(tgkill, pid_t, tgid, pid_t, tid, int, sig)
{
	return tid <= 0 || tgid <= 0 ? -EINVAL : do_tkill(tgid, tid, sig);
}

SYSCALL2(tkill, pid_t, tid, int, sig)
{
	return tid <= 0 ? -EINVAL : do_tkill(0, tid, sig);
}

/* Only to itself may a process pretend that the kernel or kill() is the sender. */
static int get_user_siginfo(siginfo_t *info, const siginfo_t __user *uinfo, int sig, pid_t pid)
{
	if (copy_from_user(info, uinfo, sizeof(*info)))
		return -EFAULT;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && current->proc->pid != pid)
		return -EPERM;
	return 0;
}

SYSCALL3(rt_sigqueueinfo, pid_t, pid, int, sig, const siginfo_t __user *, uinfo)
{
	siginfo_t info;
	int err = get_user_siginfo(&info, uinfo, sig, pid);

	if (err)
		return err;
	return sig < 0 || sig > NSIG ? -EINVAL : kill_pid(pid, sig, &info);
}

SYSCALL4(rt_tgsigqueueinfo, pid_t, tgid, pid_t, tid, int, sig, const siginfo_t __user *, uinfo)
{
	siginfo_t info;
	int err = tid <= 0 || tgid <= 0 ? -EINVAL : get_user_siginfo(&info, uinfo, sig, tgid);

	if (err)
		return err;
	return sig < 0 || sig > NSIG ? -EINVAL : send_specific(tgid, tid, sig, &info);
}

/* ---- restart ----------------------------------------------------------------------------------- */

SYSCALL0(restart_syscall)
{
	struct restart_block *rb = &current->restart;
	long (*fn)(struct restart_block * rb) = rb->fn;

	rb->fn = NULL; /* once, unless it asks for it again */
	return fn ? fn(rb) : -EINTR;
}
