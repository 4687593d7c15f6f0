/* SPDX-License-Identifier: MIT */
/*
 * Signals: sending, queueing, choosing what to do.
 *
 *	sender                                   target, on its way to user mode
 *	------                                   -------------------------------
 *	prepare: SIGCONT undoes stops,           exit_to_user
 *	  stops undo SIGCONT, ignored ones go      get_signal: dequeue, default actions
 *	queue: one of each below SIGRTMIN,           ignore / stop / exit
 *	  all of them above                         handler: frame on the user's stack (sigframe.c)
 *	choose a thread, set TWORK_SIGNAL,       no handler: the interrupted call is restarted
 *	  wake it                                  or not by what it returned (ERESTART*)
 *
 * Pending signals stand in a mask and a queue of siginfos, one pair for each thread (tgkill, faults)
 * and one for the process (kill). TWORK_SIGNAL in thread->work is a cache of "something pending is
 * not blocked"; it is recomputed whenever a mask or a queue changes.
 *
 * A fatal signal is not delivered: at once, the sender sets group_exit and gives every thread a
 * SIGKILL, so that all of them leave wherever they sleep (killable waits end by SIGKILL alone).
 *
 * A group stop: the thread that takes the stop signal marks all others; each parks in THREAD_STOPPED
 * on its way to user mode; the last one tells the parent. SIGCONT clears the marks when it is sent.
 *
 * Locking: siglock of the process, interrupts off (timers and terminals send from handlers). The
 * parent is told under tasklist_lock, which comes before siglock: so siglock is dropped for it.
 * Nothing is copied to or from user memory under either.
 *
 * Simplified: RLIMIT_SIGPENDING counts per receiving process, not per user; no core dumps, hence no
 * WCOREDUMP; no ptrace, no signalfd.
 */
#include <kernel/internal.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

struct sigqueue {
	struct list_head link; /* (s) sigpending.queue */
	struct process *owner; /* whose nr_sigqueue counts it */
	siginfo_t info;
};

static struct kmem_cache *sigqueue_cache;

/* Faults come before what others sent: their handler must see the registers of the fault. */
#define SYNCHRONOUS_MASK                                                           \
	(sigmask(SIGSEGV) | sigmask(SIGBUS) | sigmask(SIGILL) | sigmask(SIGTRAP) | \
	 sigmask(SIGFPE) | sigmask(SIGSYS))

void signal_init(void)
{
	sigqueue_cache =
		kmem_cache_create("sigqueue", sizeof(struct sigqueue), 0, SLAB_PANIC, NULL);
}

/* ---- what is pending ------------------------------------------------------------------- */

static void work_set(struct task *t, u32 bits)
{
	__atomic_fetch_or(&t->thread.work, bits, __ATOMIC_SEQ_CST);
}

static void work_clear(struct task *t, u32 bits)
{
	__atomic_fetch_and(&t->thread.work, ~bits, __ATOMIC_SEQ_CST);
}

void recalc_sigpending(struct task *t)
{
	struct process *p = t->proc;

	assert_spin_held(&p->siglock);
	if (((t->pending.signal | p->shared_pending.signal) & ~t->blocked) || t->stop_pending ||
	    p->notify_cont)
		work_set(t, TWORK_SIGNAL);
	else
		work_clear(t, TWORK_SIGNAL);
}

bool signal_pending(void)
{
	return READ_ONCE(current_thread()->work) & TWORK_SIGNAL;
}

static bool fatal_pending(struct task *t)
{
	return READ_ONCE(t->pending.signal) & sigmask(SIGKILL);
}

bool fatal_signal_pending(void)
{
	return fatal_pending(current);
}

bool signal_pending_task(struct thread *t, bool fatal_only)
{
	if (!(READ_ONCE(t->work) & TWORK_SIGNAL))
		return false;
	return !fatal_only || fatal_pending(task_of(t));
}

void signal_wake_up(struct task *t, bool fatal)
{
	work_set(t, TWORK_SIGNAL);
	thread_wake_signal(&t->thread, fatal);
	if (fatal)
		thread_wake_mask(&t->thread, 1u << THREAD_STOPPED);
}

static void sigqueue_free(struct sigqueue *q)
{
	list_del(&q->link);
	__atomic_fetch_sub(&q->owner->nr_sigqueue, 1, __ATOMIC_RELAXED);
	kmem_cache_free(sigqueue_cache, q);
}

void signals_release_pending(struct sigpending *p)
{
	struct sigqueue *q, *next;

	p->signal = 0;
	list_for_each_entry_safe(q, next, &p->queue, link)
		sigqueue_free(q);
}

static void remove_signals(struct sigpending *p, sigset_t mask)
{
	struct sigqueue *q, *next;

	if (!(p->signal & mask))
		return;
	p->signal &= ~mask;
	list_for_each_entry_safe(q, next, &p->queue, link)
		if (sigmask(q->info.si_signo) & mask)
			sigqueue_free(q);
}

static void remove_everywhere(struct process *p, sigset_t mask)
{
	struct task *t;

	remove_signals(&p->shared_pending, mask);
	list_for_each_entry(t, &p->threads, thread_node)
		remove_signals(&t->pending, mask);
}

/* rt_sigaction to "ignore": what of it is pending goes. */
void signal_drop_ignored(struct process *p, sigset_t mask)
{
	struct task *t;

	remove_everywhere(p, mask);
	list_for_each_entry(t, &p->threads, thread_node)
		recalc_sigpending(t);
}

/* ---- sending ----------------------------------------------------------------------------- */

static void fill_info(siginfo_t *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
}

siginfo_t siginfo_kill(int sig, int code)
{
	siginfo_t info;

	fill_info(&info, sig, code);
	info.pid = current->proc->pid;
	info.uid = current->cred.uid;
	return info;
}

static bool handler_ignores(struct process *p, int sig, bool force)
{
	const void __user *h = p->action[sig - 1].handler;

	if (p->unkillable && h == SIG_DFL && !force)
		return true;
	return h == SIG_IGN || (h == SIG_DFL && (SIG_IGNORE_MASK & sigmask(sig)));
}

/* An ignored signal is not even queued, unless it is blocked: the action may change by then. */
static bool sig_ignored(struct process *p, struct task *t, int sig, bool force)
{
	if (t->thread.flags & THREAD_KTHREAD)
		return true;
	if ((t->blocked | t->real_blocked) & sigmask(sig))
		return false;
	return handler_ignores(p, sig, force);
}

/* SIGCONT: whatever stops the process ends, whether or not SIGCONT itself is ignored. */
static void cancel_stops(struct process *p)
{
	bool was_stopping = p->group_stop_count > 0 || p->stopped;
	struct task *t;

	remove_everywhere(p, SIG_STOP_MASK);
	list_for_each_entry(t, &p->threads, thread_node) {
		t->stop_dequeued = t->stop_pending = false;
		recalc_sigpending(t);
		thread_wake_mask(&t->thread, 1u << THREAD_STOPPED);
	}
	if (!was_stopping)
		return;
	if (p->stopped) {
		p->cont_report = true;
		p->notify_cont = true;
		list_for_each_entry(t, &p->threads, thread_node)
			work_set(t, TWORK_SIGNAL);
	}
	p->stopped = false;
	p->stop_report = 0;
	p->group_stop_count = 0;
}

/* False: the signal is to be dropped. */
static bool prepare_signal(struct process *p, struct task *t, int sig, bool force)
{
	if (p->dead)
		return false;
	if (p->group_exit)
		return sig == SIGKILL && !p->dead;
	if (sigmask(sig) & SIG_STOP_MASK)
		remove_everywhere(p, sigmask(SIGCONT));
	else if (sig == SIGCONT)
		cancel_stops(p);
	return !sig_ignored(p, t, sig, force);
}

static bool wants_signal(struct task *t, int sig)
{
	if (t->exiting || (t->blocked & sigmask(sig)))
		return false;
	if (sig == SIGKILL)
		return true;
	return READ_ONCE(t->thread.state) != THREAD_STOPPED;
}

void group_kill_locked(struct process *p, int status)
{
	struct task *t;

	assert_spin_held(&p->siglock);
	p->group_exit = true;
	p->group_exit_code = status;
	p->group_stop_count = 0;
	list_for_each_entry(t, &p->threads, thread_node) {
		if (t->exiting)
			continue;
		t->stop_pending = t->stop_dequeued = false;
		t->pending.signal |= sigmask(SIGKILL);
		signal_wake_up(t, true);
	}
}

static bool sig_fatal(struct process *p, int sig)
{
	return p->action[sig - 1].handler == SIG_DFL &&
	       !(sigmask(sig) & (SIG_IGNORE_MASK | SIG_STOP_MASK));
}

static struct task *choose_thread(struct process *p, struct task *t, int sig, bool group)
{
	if (wants_signal(t, sig))
		return t;
	if (!group)
		return NULL;
	list_for_each_entry(t, &p->threads, thread_node)
		if (wants_signal(t, sig))
			return t;
	return NULL;
}

/* The signal is pending: somebody is to look at it. */
static void complete_signal(struct process *p, struct task *t, int sig, bool group, bool force)
{
	t = choose_thread(p, t, sig, group);
	if (!t)
		return;
	if (sig_fatal(p, sig) && !p->group_exit && !(t->real_blocked & sigmask(sig)) &&
	    (!p->unkillable || force)) {
		group_kill_locked(p, sig);
		return;
	}
	signal_wake_up(t, sig == SIGKILL);
}

/* Queues the siginfo. Below SIGRTMIN it may get lost (the bit alone says that the signal came).
 * Signals of the kernel itself have nothing to queue: they come from interrupt handlers too, which
 * allocate nothing. */
static int queue_info(struct process *p, struct sigpending *pending, int sig, const siginfo_t *info)
{
	struct sigqueue *q = NULL;
	bool from_kernel = info && info->si_code >= 0;

	if (!info)
		return 0;
	if (p->nr_sigqueue < p->rlim[RLIMIT_SIGPENDING].cur || (sig < SIGRTMIN && from_kernel))
		q = kmem_cache_alloc(sigqueue_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!q)
		return sig >= SIGRTMIN && info && info->si_code != SI_USER ? -EAGAIN : 0;
	q->owner = p;
	q->info = *info;
	__atomic_fetch_add(&p->nr_sigqueue, 1, __ATOMIC_RELAXED);
	list_add_tail(&q->link, &pending->queue);
	return 0;
}

/* t: the thread, or any of the group. info NULL: from the kernel. */
static int send_signal_locked(struct process *p, struct task *t, int sig, const siginfo_t *info,
			      bool group, bool force)
{
	struct sigpending *pending = group ? &p->shared_pending : &t->pending;
	int err;

	assert_spin_held(&p->siglock);
	if (!prepare_signal(p, t, sig, force))
		return 0;
	if (sig < SIGRTMIN && (pending->signal & sigmask(sig)))
		return 0;
	if (sig != SIGKILL) {
		err = queue_info(p, pending, sig, info);
		if (err)
			return err;
	}
	pending->signal |= sigmask(sig);
	complete_signal(p, t, sig, group, force);
	return 0;
}

int send_sig_process(struct process *p, int sig, const siginfo_t *info)
{
	unsigned long flags = spin_lock_irqsave(&p->siglock);
	int err = 0;

	if (!list_empty(&p->threads))
		err = send_signal_locked(p, p->leader, sig, info, true, false);
	spin_unlock_irqrestore(&p->siglock, flags);
	return err;
}

int send_sig_task(struct task *t, int sig, const siginfo_t *info)
{
	unsigned long flags = spin_lock_irqsave(&t->proc->siglock);
	int err = 0;

	if (!t->exiting)
		err = send_signal_locked(t->proc, t, sig, info, false, false);
	spin_unlock_irqrestore(&t->proc->siglock, flags);
	return err;
}

int send_sig_pgrp_locked(pid_t pgid, int sig)
{
	struct process *p;
	int ret = -ESRCH;

	for_each_in_pgrp(p, pgid)
	{
		send_sig_process(p, sig, NULL);
		ret = 0;
	}
	return ret;
}

int send_sig_pgrp(pid_t pgid, int sig)
{
	unsigned long flags = spin_lock_irqsave(&tasklist_lock);
	int ret = send_sig_pgrp_locked(pgid, sig);

	spin_unlock_irqrestore(&tasklist_lock, flags);
	return ret;
}

/* ---- faults of the running thread ---------------------------------------------------------- */

/* It cannot go on: a signal that it blocks or ignores kills it, init too. */
void force_sig_info(int sig, siginfo_t *info)
{
	struct task *t = current;
	struct process *p = t->proc;
	unsigned long flags = spin_lock_irqsave(&p->siglock);
	struct k_sigaction *ka = &p->action[sig - 1];
	bool blocked = t->blocked & sigmask(sig);

	if (blocked || ka->handler == SIG_IGN) {
		ka->handler = SIG_DFL;
		t->blocked &= ~sigmask(sig);
		recalc_sigpending(t);
	}
	if (ka->handler == SIG_DFL)
		p->unkillable = false;
	/* Twice the same fault cannot be pending: it would not have returned to user mode. */
	remove_signals(&t->pending, sigmask(sig));
	send_signal_locked(p, t, sig, info, false, true);
	spin_unlock_irqrestore(&p->siglock, flags);
}

/* The handler will see these in its sigcontext. */
static void note_trap(u64 addr)
{
	struct task *t = current;

	if (t->tf->vector >= TRAP_SYSCALL)
		return;
	t->trap_nr = t->tf->vector;
	t->trap_err = t->tf->error;
	if (t->trap_nr == X86_TRAP_PF)
		t->trap_cr2 = addr;
}

void force_sig_fault(int sig, int code, void __user *addr)
{
	siginfo_t info;

	note_trap((u64)addr);
	fill_info(&info, sig, code);
	info.addr = (u64)addr;
	force_sig_info(sig, &info);
}

void force_sig_info_kernel(int sig)
{
	siginfo_t info;

	note_trap(0);
	fill_info(&info, sig, SI_KERNEL);
	force_sig_info(sig, &info);
}

void force_sig_sigkill(void)
{
	struct process *p = current->proc;
	unsigned long flags = spin_lock_irqsave(&p->siglock);

	p->unkillable = false;
	send_signal_locked(p, current, SIGKILL, NULL, false, true);
	spin_unlock_irqrestore(&p->siglock, flags);
}

/* The frame of a handler did not fit on the stack. */
void force_sigsegv(int sig)
{
	if (sig == SIGSEGV) {
		struct process *p = current->proc;
		unsigned long flags = spin_lock_irqsave(&p->siglock);

		p->action[SIGSEGV - 1].handler = SIG_DFL;
		spin_unlock_irqrestore(&p->siglock, flags);
	}
	force_sig_info_kernel(SIGSEGV);
}

/* ---- masks ------------------------------------------------------------------------------- */

void set_current_blocked(sigset_t newmask)
{
	struct task *t = current;
	unsigned long flags;

	newmask &= ~SIG_KERNEL_ONLY_MASK;
	if (t->blocked == newmask)
		return;
	flags = spin_lock_irqsave(&t->proc->siglock);
	t->blocked = newmask;
	recalc_sigpending(t);
	spin_unlock_irqrestore(&t->proc->siglock, flags);
}

int set_user_sigmask(const sigset_t __user *mask, size_t size)
{
	struct task *t = current;
	sigset_t set;

	if (!mask)
		return 0;
	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (copy_from_user(&set, mask, sizeof(set)))
		return -EFAULT;
	t->saved_mask = t->blocked;
	t->restore_mask = true;
	work_set(t, TWORK_RESTORE);
	set_current_blocked(set);
	return 0;
}

/* The system call is over, and no handler's frame took the old mask. */
void restore_saved_sigmask(void)
{
	struct task *t = current;

	work_clear(t, TWORK_RESTORE);
	if (!t->restore_mask)
		return;
	t->restore_mask = false;
	set_current_blocked(t->saved_mask);
}

bool signal_ignored_or_blocked(int sig)
{
	struct task *t = current;

	return (t->blocked & sigmask(sig)) || t->proc->action[sig - 1].handler == SIG_IGN;
}

void flush_signal_handlers(struct process *p)
{
	unsigned long flags = spin_lock_irqsave(&p->siglock);
	sigset_t ignored = 0;

	for (sigset_t set = p->action_set; set; set &= set - 1) {
		struct k_sigaction *ka = &p->action[__builtin_ctzl(set)];
		bool ignore = ka->handler == SIG_IGN;

		*ka = (struct k_sigaction){.handler = ignore ? SIG_IGN : SIG_DFL};
		if (ignore)
			ignored |= set & -set;
	}
	p->action_set = ignored;
	spin_unlock_irqrestore(&p->siglock, flags);
}

/* ---- dequeueing ---------------------------------------------------------------------------- */

static int first_signal(sigset_t set)
{
	if (set & SYNCHRONOUS_MASK)
		set &= SYNCHRONOUS_MASK;
	return set ? __builtin_ctzl(set) + 1 : 0;
}

/* Takes the oldest siginfo of sig; the bit goes with the last one. */
static void take_info(struct sigpending *pending, int sig, siginfo_t *info)
{
	struct sigqueue *q, *first = NULL;
	bool more = false;

	list_for_each_entry(q, &pending->queue, link) {
		if (q->info.si_signo != sig)
			continue;
		if (first) {
			more = true;
			break;
		}
		first = q;
	}
	if (!more)
		pending->signal &= ~sigmask(sig);
	if (first) {
		*info = first->info;
		sigqueue_free(first);
	} else {
		fill_info(info, sig, SI_KERNEL); /* or its siginfo found no memory */
	}
}

int dequeue_signal_locked(sigset_t mask, siginfo_t *info)
{
	struct task *t = current;
	struct sigpending *pending = &t->pending;
	int sig = first_signal(pending->signal & ~mask);

	if (!sig) {
		pending = &t->proc->shared_pending;
		sig = first_signal(pending->signal & ~mask);
	}
	if (!sig)
		return 0;
	take_info(pending, sig, info);
	if (sigmask(sig) & SIG_STOP_MASK)
		t->stop_dequeued = true;
	recalc_sigpending(t);
	return sig;
}

/* ---- stop and continue ----------------------------------------------------------------------- */

/* Has the group a member whose parent, in the same session, could continue it (and is no init)? */
static bool orphaned_pgrp_locked(pid_t pgid)
{
	struct process *p;

	for_each_in_pgrp(p, pgid)
	{
		const struct process *parent = p->parent;

		if (p->zombie || !parent || parent == init_process)
			continue;
		if (parent->pgid != pgid && parent->sid == p->sid)
			return false;
	}
	return true;
}

bool is_orphaned_pgrp(pid_t pgid)
{
	unsigned long flags = spin_lock_irqsave(&tasklist_lock);
	bool orphaned = orphaned_pgrp_locked(pgid);

	spin_unlock_irqrestore(&tasklist_lock, flags);
	return orphaned;
}

/* SIGCHLD and a wake-up for the parent. why: CLD_STOPPED or CLD_CONTINUED. */
void notify_parent_stopped(struct process *p, int why)
{
	unsigned long flags = spin_lock_irqsave(&tasklist_lock);
	struct process *parent = p->parent;
	const struct k_sigaction *ka;
	siginfo_t info;

	if (!parent || p->zombie)
		goto out;
	fill_info(&info, SIGCHLD, why);
	info.pid = p->pid;
	info.uid = p->leader->cred.uid;
	info.status = why == CLD_STOPPED ? p->stop_sig : SIGCONT;
	ka = &parent->action[SIGCHLD - 1];
	if (ka->handler != SIG_IGN && !(ka->flags & SA_NOCLDSTOP))
		send_sig_process(parent, SIGCHLD, &info);
	wake_up_all(&parent->wait_child);
out:
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

/* The process as a whole has stopped once the last thread is parked (or gone). */
static bool stop_participate(struct task *t)
{
	struct process *p = t->proc;

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
	if (setup_rt_frame(ks, &oldset, tf)) {
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
		else if (!need_resched())
			return;
	}
}
