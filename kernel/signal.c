/* SPDX-License-Identifier: MIT */
/*
 * Signals: sending, queueing, taking from the queues (sigdeliver.c: what then happens).
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
 * Locking: siglock of the process, interrupts off (timers and terminals send from handlers). The
 * parent is told under tasklist_lock, which comes before siglock: so siglock is dropped for it.
 * Nothing is copied to or from user memory under either.
 *
 * Simplified: RLIMIT_SIGPENDING counts per receiving process, not per user; no core dumps, hence no
 * WCOREDUMP; no ptrace, no signalfd.
 */
#include <kernel/internal.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

struct sigqueue {
	struct list_head link; /* (s) sigpending.queue */
	struct process *owner; /* whose nr_sigqueue counts it */
	siginfo_t info;
};

static struct kmem_cache *sigqueue_cache;

/* Signals are sent under siglock, which interrupt handlers take. What such a lock is held over must not
 * wait for locks that a handler can find taken on its own CPU, and the allocator's are. So sigqueues are
 * taken from here, and senders fill it up before they take the lock. Between that and the sending a CPU
 * does nothing else, and two is the most that a sender needs (exit: for its parent, and for who takes
 * its children), but for a group's: so none is ever short because of another. */
#define SPARE_KEPT (2u * NR_CPUS)
static spinlock_t spare_lock = SPINLOCK_INIT(LOCK_SIGQUEUE);
static LIST_HEAD(spare_sigqueues); /* (spare_lock) */
static unsigned int nr_spare;      /* (spare_lock) */

/* Faults come before what others sent: their handler must see the registers of the fault. */
#define SYNCHRONOUS_MASK                                                           \
	(sigmask(SIGSEGV) | sigmask(SIGBUS) | sigmask(SIGILL) | sigmask(SIGTRAP) | \
	 sigmask(SIGFPE) | sigmask(SIGSYS))

void signal_init(void)
{
	sigqueue_cache =
		kmem_cache_create("sigqueue", sizeof(struct sigqueue), 0, SLAB_PANIC, NULL);
}

static void spare_put(struct sigqueue *q)
{
	guard_irq(&spare_lock);
	list_add(&q->link, &spare_sigqueues);
	nr_spare++;
}

static struct sigqueue *spare_take(void)
{
	struct sigqueue *q;

	guard_irq(&spare_lock);
	if (list_empty(&spare_sigqueues))
		return NULL;
	q = list_first_entry(&spare_sigqueues, struct sigqueue, link);
	list_del(&q->link);
	nr_spare--;
	return q;
}

static void spare_trim(unsigned int to)
{
	struct sigqueue *q;

	while (READ_ONCE(nr_spare) > to && (q = spare_take()))
		kmem_cache_free(sigqueue_cache, q);
}

void signal_prepare(unsigned int n)
{
	struct sigqueue *q;

	while (READ_ONCE(nr_spare) < SPARE_KEPT + n &&
	       (q = kmem_cache_alloc(sigqueue_cache, GFP_ATOMIC | __GFP_NOWARN)))
		spare_put(q);
	spare_trim(2 * SPARE_KEPT + n);
}

void signals_settle(void)
{
	spare_trim(0);
}

/* ---- what is pending ------------------------------------------------------------------- */

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
	assert_spin_held(&t->proc->siglock);
	work_set(t, TWORK_SIGNAL);
	/* Itself, as by a fault, and not about to sleep: it looks when it returns to user mode. */
	if (t == current && t->thread.state == THREAD_RUNNING)
		return;
	if (!thread_wake_signal(&t->thread, fatal))
		thread_kick(&t->thread);
	if (fatal)
		thread_wake_mask(&t->thread, 1u << THREAD_STOPPED);
}

static void sigqueue_free(struct sigqueue *q)
{
	list_del(&q->link);
	__atomic_fetch_sub(&q->owner->nr_sigqueue, 1, __ATOMIC_RELAXED);
	spare_put(q);
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

	assert_spin_held(&p->siglock);
	remove_everywhere(p, mask);
	list_for_each_entry(t, &p->threads, thread_node)
		recalc_sigpending(t);
}

/* ---- sending ----------------------------------------------------------------------------- */

void siginfo_init(siginfo_t *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
}

siginfo_t siginfo_kill(int sig, int code)
{
	siginfo_t info;

	siginfo_init(&info, sig, code);
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
		q = spare_take();
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
	guard_irq(&p->siglock);
	return list_empty(&p->threads) ? 0 :
					 send_signal_locked(p, p->leader, sig, info, true, false);
}

int send_sig_task(struct task *t, int sig, const siginfo_t *info)
{
	guard_irq(&t->proc->siglock);
	return t->exiting ? 0 : send_signal_locked(t->proc, t, sig, info, false, false);
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
	guard_irq(&tasklist_lock);
	return send_sig_pgrp_locked(pgid, sig);
}

struct k_sigaction get_action(struct process *p, int sig)
{
	guard_irq(&p->siglock);
	return p->action[sig - 1];
}

/* ---- faults of the running thread ---------------------------------------------------------- */

/* It cannot go on: a signal that it blocks or ignores kills it, init too. */
void force_sig_info(int sig, siginfo_t *info)
{
	struct task *t = current;
	struct process *p = t->proc;
	struct k_sigaction *ka = &p->action[sig - 1];

	signal_prepare(1);
	guard_irq(&p->siglock);
	if ((t->blocked & sigmask(sig)) || ka->handler == SIG_IGN) {
		ka->handler = SIG_DFL;
		t->blocked &= ~sigmask(sig);
		recalc_sigpending(t);
	}
	if (ka->handler == SIG_DFL)
		p->unkillable = false;
	/* Twice the same fault cannot be pending: it would not have returned to user mode. */
	remove_signals(&t->pending, sigmask(sig));
	send_signal_locked(p, t, sig, info, false, true);
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
	siginfo_init(&info, sig, code);
	info.addr = (u64)addr;
	force_sig_info(sig, &info);
}

void force_sig_info_kernel(int sig)
{
	siginfo_t info;

	note_trap(0);
	siginfo_init(&info, sig, SI_KERNEL);
	force_sig_info(sig, &info);
}

void force_sig_sigkill(void)
{
	struct process *p = current->proc;

	guard_irq(&p->siglock);
	p->unkillable = false;
	send_signal_locked(p, current, SIGKILL, NULL, false, true);
}

/* The frame of a handler did not fit on the stack. */
void force_sigsegv(int sig)
{
	struct process *p = current->proc;

	if (sig == SIGSEGV) {
		guard_irq(&p->siglock);
		p->action[SIGSEGV - 1].handler = SIG_DFL;
	}
	force_sig_info_kernel(SIGSEGV);
}

/* ---- masks ------------------------------------------------------------------------------- */

void retarget_signals_locked(struct task *t, sigset_t which)
{
	struct process *p = t->proc;
	struct task *other;

	assert_spin_held(&p->siglock);
	which &= p->shared_pending.signal;
	if (!which)
		return;
	list_for_each_entry(other, &p->threads, thread_node)
		if (other != t && !other->exiting && (which & ~other->blocked))
			signal_wake_up(other, false);
}

void set_blocked_locked(struct task *t, sigset_t newmask)
{
	if (t->proc->shared_pending.signal)
		retarget_signals_locked(t, newmask & ~t->blocked);
	t->blocked = newmask;
	recalc_sigpending(t);
}

void set_current_blocked(sigset_t newmask)
{
	struct task *t = current;

	newmask &= ~SIG_KERNEL_ONLY_MASK;
	if (t->blocked == newmask)
		return;
	guard_irq(&t->proc->siglock);
	set_blocked_locked(t, newmask);
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
	sigset_t ignored = 0;

	guard_irq(&p->siglock);
	for (sigset_t set = p->action_set; set; set &= set - 1) {
		struct k_sigaction *ka = &p->action[__builtin_ctzl(set)];
		bool ignore = ka->handler == SIG_IGN;

		*ka = (struct k_sigaction){.handler = ignore ? SIG_IGN : SIG_DFL};
		if (ignore)
			ignored |= set & -set;
	}
	p->action_set = ignored;
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
		siginfo_init(info, sig, SI_KERNEL); /* or its siginfo found no memory */
	}
}

int dequeue_signal_locked(sigset_t mask, siginfo_t *info)
{
	struct task *t = current;
	struct sigpending *pending = &t->pending;
	int sig = first_signal(pending->signal & ~mask);

	assert_spin_held(&t->proc->siglock);
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
