/* SPDX-License-Identifier: MIT */
/*
 * Signals at their target: the last thing before a thread returns to user mode.
 *
 * get_signal() takes one signal after the other from the queues. Those without a handler are acted
 * upon here: ignored, the process stopped, or the process left for good. One with a handler gets a
 * frame on the user's stack (sigframe.c). The system call that it interrupted, if it returned one of
 * the ERESTART codes, either starts again or fails with EINTR:
 *
 *	                       no handler    handler       handler with SA_RESTART
 *	ERESTARTNOINTR         again         again         again
 *	ERESTARTSYS            again         EINTR         again
 *	ERESTARTNOHAND         again         EINTR         EINTR
 *	ERESTART_RESTARTBLOCK  by restart_syscall   EINTR  EINTR
 *
 * A group stop: the thread that takes the stop signal marks all others; each parks in THREAD_STOPPED
 * on its way to user mode; the last one tells the parent. SIGCONT clears the marks when it is sent.
 *
 * Locking: siglock, interrupts off. The parent is told under tasklist_lock, which comes before
 * siglock: so siglock is dropped for it.
 */
#include <kernel/internal.h>

/* ---- stop and continue ----------------------------------------------------------------------- */

/* Has the group, `ignored` (who exits) left out, no member whose parent, in the same session but
 * another group, could continue it? init does not. tasklist_lock held. */
bool pgrp_is_orphaned_locked(pid_t pgid, const struct process *ignored)
{
	struct process *p;

	for_each_in_pgrp(p, pgid)
	{
		const struct process *parent = p->parent;

		if (p == ignored || p->zombie || !parent || parent == init_process)
			continue;
		if (parent->pgid != pgid && parent->sid == p->sid)
			return false;
	}
	return true;
}

bool is_orphaned_pgrp(pid_t pgid)
{
	guard_irq(&tasklist_lock);
	return pgrp_is_orphaned_locked(pgid, NULL);
}

/* SIGCHLD and a wake-up for the parent. why: CLD_STOPPED or CLD_CONTINUED. */
void notify_parent_stopped(struct process *p, int why)
{
	struct process *parent;
	struct k_sigaction ka;
	siginfo_t info;

	signal_prepare(1);
	guard_irq(&tasklist_lock);
	parent = p->parent;
	if (!parent || p->zombie)
		return;
	siginfo_init(&info, SIGCHLD, why);
	info.pid = p->pid;
	info.uid = p->leader->cred.uid;
	info.status = why == CLD_STOPPED ? p->stop_sig : SIGCONT;
	ka = get_action(parent, SIGCHLD);
	if (ka.handler != SIG_IGN && !(ka.flags & SA_NOCLDSTOP))
		send_sig_process(parent, SIGCHLD, &info);
	wake_up_all(&parent->wait_child);
}

/* The process as a whole has stopped once the last thread is parked (or gone). */
static bool stop_participate(struct task *t)
{
	struct process *p = t->proc;

	assert_spin_held(&p->siglock);
	t->stop_pending = false;
	if (p->group_stop_count > 0 && --p->group_stop_count == 0) {
		p->stopped = true;
		p->stop_report = p->stop_sig;
		p->cont_report = false;
		return true;
	}
	return false;
}

/* An exiting thread is not waited for. */
void exit_group_stop_locked(struct task *t, bool *notify)
{
	*notify = t->stop_pending && stop_participate(t);
}

/* The running thread took a stop signal: all threads are to stop. siglock held. */
static void start_group_stop(struct process *p, int sig)
{
	struct task *t;

	assert_spin_held(&p->siglock);
	if (!current->stop_dequeued || p->group_exit || p->group_exec)
		return; /* SIGCONT or SIGKILL came in between */
	if (p->group_stop_count > 0 || p->stopped)
		return;
	p->stop_sig = sig;
	list_for_each_entry(t, &p->threads, thread_node) {
		if (t->exiting)
			continue;
		t->stop_pending = true;
		p->group_stop_count++;
		if (t != current)
			signal_wake_up(t, false);
	}
}

/* Parks the running thread. siglock held on entry, not on return. */
static void park(struct process *p, unsigned long flags)
{
	bool last = stop_participate(current);

	set_current_state(THREAD_STOPPED);
	recalc_sigpending(current);
	spin_unlock_irqrestore(&p->siglock, flags);
	if (last)
		notify_parent_stopped(p, CLD_STOPPED);
	schedule();
}

/* ---- delivery ------------------------------------------------------------------------------ */

/* The default action of sig. True: it has been taken, look for the next one; false: die of it. */
static bool default_action(struct process *p, int sig, unsigned long *flags)
{
	if (SIG_IGNORE_MASK & sigmask(sig))
		return true;
	if (p->unkillable && !p->group_exit)
		return true;
	if (!(SIG_STOP_MASK & sigmask(sig)))
		return false;
	if (sig != SIGSTOP) {
		bool orphaned;

		/* tasklist_lock comes first; a SIGCONT meanwhile clears stop_dequeued. */
		spin_unlock_irqrestore(&p->siglock, *flags);
		orphaned = is_orphaned_pgrp(READ_ONCE(p->pgid));
		*flags = spin_lock_irqsave(&p->siglock);
		if (orphaned)
			return true;
	}
	start_group_stop(p, sig);
	return true;
}

/* The next signal that has a handler. Signals without one are dealt with here; the fatal ones do
 * not return. False: none left. */
bool get_signal(struct ksignal *ks)
{
	struct task *t = current;
	struct process *p = t->proc;
	unsigned long flags = spin_lock_irqsave(&p->siglock);
	struct k_sigaction *ka;

	for (;;) {
		if (p->notify_cont) {
			p->notify_cont = false;
			spin_unlock_irqrestore(&p->siglock, flags);
			notify_parent_stopped(p, CLD_CONTINUED);
			flags = spin_lock_irqsave(&p->siglock);
			continue;
		}
		if (p->group_exit || (t->pending.signal & sigmask(SIGKILL)) ||
		    (p->group_exec && p->group_exec != t)) {
			ks->sig = SIGKILL;
			break;
		}
		if (t->stop_pending) {
			park(p, flags);
			flags = spin_lock_irqsave(&p->siglock);
			continue;
		}
		ks->sig = dequeue_signal_locked(t->blocked, &ks->info);
		if (!ks->sig) {
			recalc_sigpending(t);
			spin_unlock_irqrestore(&p->siglock, flags);
			return false;
		}
		ka = &p->action[ks->sig - 1];
		if (ka->handler == SIG_IGN)
			continue;
		if (ka->handler != SIG_DFL) {
			ks->ka = *ka;
			if (ka->flags & SA_RESETHAND)
				ka->handler = SIG_DFL;
			spin_unlock_irqrestore(&p->siglock, flags);
			return true;
		}
		if (!default_action(p, ks->sig, &flags))
			break;
	}
	spin_unlock_irqrestore(&p->siglock, flags);
	do_group_exit(ks->sig);
}

static bool in_syscall(const struct trapframe *tf)
{
	return (tf->vector == TRAP_SYSCALL || tf->vector == TRAP_FORCE_IRET) &&
	       tf->orig_rax != (u64)-1;
}

/* Back to the syscall instruction (2 bytes), with the number that it shall find. */
static void restart_syscall_at(struct trapframe *tf, u64 nr)
{
	tf->rax = nr;
	tf->rip -= 2;
}

static void restart_before_handler(struct trapframe *tf, const struct k_sigaction *ka)
{
	switch ((s64)tf->rax) {
	case -ERESTART_RESTARTBLOCK:
	case -ERESTARTNOHAND:
		tf->rax = (u64)-EINTR;
		break;
	case -ERESTARTSYS:
		if (!(ka->flags & SA_RESTART)) {
			tf->rax = (u64)-EINTR;
			break;
		}
		restart_syscall_at(tf, tf->orig_rax);
		break;
	case -ERESTARTNOINTR:
		restart_syscall_at(tf, tf->orig_rax);
		break;
	}
}

static void restart_without_handler(struct trapframe *tf)
{
	switch ((s64)tf->rax) {
	case -ERESTART_RESTARTBLOCK:
		restart_syscall_at(tf, 219 /* restart_syscall */);
		break;
	case -ERESTARTNOHAND:
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
		restart_syscall_at(tf, tf->orig_rax);
		break;
	}
}

static void handle_signal(struct ksignal *ks, struct trapframe *tf)
{
	struct task *t = current;
	sigset_t oldset = t->restore_mask ? t->saved_mask : t->blocked;
	sigset_t mask = t->blocked | ks->ka.mask;

	if (in_syscall(tf))
		restart_before_handler(tf, &ks->ka);
	tf->orig_rax = (u64)-1; /* further signals must not restart it again */
	if (rseq_signal(tf) || setup_rt_frame(ks, &oldset, tf)) {
		force_sigsegv(ks->sig);
		return;
	}
	t->restore_mask = false;
	work_clear(t, TWORK_RESTORE);
	if (!(ks->ka.flags & SA_NODEFER))
		mask |= sigmask(ks->sig);
	set_current_blocked(mask);
}

static void do_signal(struct trapframe *tf)
{
	struct ksignal ks;

	if (get_signal(&ks)) {
		handle_signal(&ks, tf);
		return;
	}
	if (in_syscall(tf)) {
		restart_without_handler(tf);
		tf->orig_rax = (u64)-1;
	}
	restore_saved_sigmask();
}

void exit_to_user(struct trapframe *tf)
{
	struct thread *thread = current_thread();

	for (;;) {
		if (need_resched())
			schedule();
		if (READ_ONCE(thread->work) & TWORK_SIGNAL)
			do_signal(tf);
		else if (thread->work & TWORK_RESTORE)
			restore_saved_sigmask();
		else if (thread->work & TWORK_RSEQ)
			rseq_resume(tf);
		else if (thread->work & TWORK_IRET)
			work_clear(current, TWORK_IRET);
		else if (!need_resched())
			return;
	}
}
