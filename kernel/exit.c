/* SPDX-License-Identifier: MIT */
/*
 * The end of a thread and of a process.
 *
 *	do_exit: each thread gives up its mm, files and directory; then, under tasklist_lock,
 *
 *	  others are left         leaves the table (the leader stays, as a number and a place for
 *	                          the exit code, until the others are gone)
 *	  none is left            the process is a zombie: children go to a subreaper or init,
 *	                          stopped groups that lose their last link get SIGHUP and SIGCONT,
 *	                          the parent gets SIGCHLD
 *	  ... parent ignores it   nobody will wait: it leaves the table at once
 *
 * The last to begin is not always the last to come here, as each may have to wait on its way. The
 * kernel stack in use is freed by whoever runs next (task.c).
 *
 * exit_group and fatal signals set group_exit and SIGKILL for all threads; each comes here by itself
 * on its way to user mode.
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/printk.h>
#include <kernel/syscall.h>
#include <kernel/traps.h>
#include <kernel/x86/uaccess.h>
#include <mm/pgtable.h>
#include <mm/trace.h>

/* ---- the mm ------------------------------------------------------------------------------ */

/* Before a thread leaves its mm, by exec or exit: what others wait for in it. */
void exit_mm_release(struct task *t)
{
	if (t->robust_list)
		exit_robust_list(t);
	t->robust_list = NULL;
	if (t->clear_child_tid) {
		/* Only if somebody is left to see it. */
		if (atomic_read(&t->thread.mm->users) > 1) {
			(void)!put_user(0, t->clear_child_tid);
			futex_wake_addr((u32 __user *)t->clear_child_tid, 1);
		}
		t->clear_child_tid = NULL;
	}
	complete_vfork(t);
}

static void exit_mm(struct task *t)
{
	struct mm_struct *mm = t->thread.mm;

	if (!mm)
		return;
	exit_mm_release(t);
	trace(EXIT, t->exit_code, mm_rss(mm), mm_counter_read(mm, MM_SWAP));
	{
		guard_irq(&t->proc->siglock);
		task_note_maxrss(t);
		mm_activate(&init_mm);
		t->thread.mm = NULL;
	}
	mm_put_user(mm);
}

static void exit_files(struct task *t)
{
	struct files_struct *files = t->files;
	struct fs_struct *fs = t->fs;
	unsigned long irq = spin_lock_irqsave(&t->proc->siglock);

	t->files = NULL;
	t->fs = NULL;
	spin_unlock_irqrestore(&t->proc->siglock, irq);
	if (files)
		files_put(files);
	if (fs)
		fs_put(fs);
}

/* ---- children and groups ------------------------------------------------------------------- */

static struct process *find_reaper(struct process *p)
{
	for (struct process *q = p->parent; q && q != init_process; q = q->parent)
		if (q->child_subreaper && !q->zombie && atomic_read(&q->live))
			return q;
	return init_process;
}

static bool pgrp_has_stopped(pid_t pgid)
{
	struct process *p;

	for_each_in_pgrp(p, pgid) if (READ_ONCE(p->stopped)) return true;
	return false;
}

/* p exits (parent NULL), or loses its parent, who exits: if that was the last link of p's group to
 * its session and some of it is stopped, nobody could continue it. */
static void kill_orphaned_pgrp(struct process *p, struct process *parent)
{
	const struct process *ignored = p;

	if (!parent)
		parent = p->parent;
	else
		ignored = NULL;
	if (!parent || parent->pgid == p->pgid || parent->sid != p->sid)
		return;
	if (pgrp_is_orphaned_locked(p->pgid, ignored) && pgrp_has_stopped(p->pgid)) {
		send_sig_pgrp_locked(p->pgid, SIGHUP);
		send_sig_pgrp_locked(p->pgid, SIGCONT);
	}
}

/* Tells the parent of a zombie. True: nobody is going to wait for it. */
static bool notify_parent_exit(struct process *p)
{
	struct process *parent = p->parent;
	struct k_sigaction ka = get_action(parent, SIGCHLD);
	int sig = p->leader->exit_signal;
	bool autoreap = false;
	siginfo_t info;
	u64 u, s;

	siginfo_init(&info, sig, 0);
	info.si_code = exit_info(p->exit_code, &info.status);
	info.pid = p->pid;
	info.uid = p->leader->cred.uid;
	process_cpu_ns(p, &u, &s);
	info.utime = (s64)(u / TICK_NSEC);
	info.stime = (s64)(s / TICK_NSEC);
	if (sig == SIGCHLD && (ka.handler == SIG_IGN || (ka.flags & SA_NOCLDWAIT))) {
		autoreap = true;
		if (ka.handler == SIG_IGN)
			sig = 0;
	}
	if (sig > 0 && sig <= NSIG)
		send_sig_process(parent, sig, &info);
	wake_up_all(&parent->wait_child);
	return autoreap;
}

/* Collects processes whose last references are dropped after the lock. */
static void release_to(struct process *p, struct list_head *dead)
{
	process_release(p);
	list_add_tail(&p->all_node, dead);
}

static void put_released(struct list_head *dead)
{
	struct process *p, *next;

	list_for_each_entry_safe(p, next, dead, all_node) {
		list_del(&p->all_node);
		task_put(p->leader);
		process_put(p);
	}
}

static void send_pdeath(struct process *child)
{
	struct task *t;

	list_for_each_entry(t, &child->threads, thread_node)
		if (t->pdeath_signal)
			send_sig_task(t, t->pdeath_signal, NULL);
}

static void forget_children(struct process *p, struct list_head *dead)
{
	struct process *reaper = find_reaper(p), *c, *next;

	list_for_each_entry_safe(c, next, &p->children, sibling) {
		send_pdeath(c);
		process_set_parent(c, reaper);
		c->leader->exit_signal = SIGCHLD;
		if (c->zombie) {
			if (notify_parent_exit(c))
				release_to(c, dead);
		} else {
			kill_orphaned_pgrp(c, p);
		}
	}
}

/* ---- the end of the thread ------------------------------------------------------------------- */

/* Its times and switches go into the process's sums. siglock held. */
static void add_to_process(struct task *t, struct process *p)
{
	u64 u, s;

	task_cpu_ns(t, &u, &s);
	p->utime_ns += u;
	p->stime_ns += s;
	p->nvcsw += t->thread.nvcsw;
	p->nivcsw += t->thread.nivcsw;
	p->min_flt += t->thread.min_flt;
	p->maj_flt += t->thread.maj_flt;
	io_counts_add(&p->io, &t->io);
	t->exit_done = true;
}

/* An exec waits until it is alone. */
static void wake_group_exec(struct process *p)
{
	if (p->group_exec)
		wake_up_all(&p->wait_child);
}

static void process_becomes_zombie(struct process *p, struct list_head *dead)
{
	forget_children(p, dead);
	kill_orphaned_pgrp(p, NULL);
	spin_lock(&p->siglock);
	p->exit_code = p->group_exit_code;
	p->dead = true;
	p->stopped = false;
	p->stop_report = 0;
	signals_release_pending(&p->shared_pending);
	spin_unlock(&p->siglock);
	p->zombie = true;
	if (notify_parent_exit(p))
		release_to(p, dead);
}

/* The last step under locks. The running task keeps the reference that its stack is in use. */
static void exit_notify(struct task *t)
{
	struct process *p = t->proc;
	bool is_leader;
	unsigned long irq;
	LIST_HEAD(dead);

	signal_prepare(2);
	irq = spin_lock_irqsave(&tasklist_lock);
	is_leader = p->leader == t;
	spin_lock(&p->siglock);
	add_to_process(t, p);
	spin_unlock(&p->siglock);
	if (!is_leader)
		task_unhash(t);
	if (p->nr_threads == 1 && p->leader->exit_done)
		process_becomes_zombie(p, &dead);
	else
		wake_group_exec(p);
	spin_unlock_irqrestore(&tasklist_lock, irq);
	if (!is_leader)
		task_put(t); /* the table's */
	put_released(&dead);
}

/* From here on no signal is for this thread, nor does one that was end its waits: what others wait for
 * has to be done. True: it is the last of the process to begin. */
static bool begin_exit(struct task *t)
{
	struct process *p = t->proc;
	bool stopped_now, last;
	unsigned long irq = spin_lock_irqsave(&p->siglock);

	t->exiting = true;
	exit_group_stop_locked(t, &stopped_now);
	last = atomic_dec_and_test(&p->live);
	if (last && !p->group_exit) {
		p->group_exit = true;
		p->group_exit_code = t->exit_code;
	}
	signals_release_pending(&t->pending);
	work_clear(t, TWORK_SIGNAL);
	retarget_signals_locked(t, ~0UL);
	spin_unlock_irqrestore(&p->siglock, irq);
	if (stopped_now)
		notify_parent_stopped(p, CLD_STOPPED);
	return last;
}

void do_exit(int status)
{
	struct task *t = current;
	struct process *p = t->proc;
	bool last;

	if (!t->pid)
		panic("Attempted to kill the idle task!");
	assert(!t->exiting);
	t->exit_code = status;
	last = begin_exit(t);
	if (last && p == init_process)
		panic("Attempted to kill init! exitcode=0x%08x", (unsigned int)p->group_exit_code);
	if (last)
		timer_cancel(&p->real_timer);
	exit_mm(t);
	exit_files(t);
	if (last && p->leader_of_session && tty_session_exit_hook)
		tty_session_exit_hook(p);
	complete_vfork(t);
	task_reap_dead();
	exit_notify(t);
	schedule_dead();
}

void do_group_exit(int status)
{
	struct process *p = current->proc;
	unsigned long irq = spin_lock_irqsave(&p->siglock);

	if (p->group_exit)
		status = p->group_exit_code;
	else if (p->group_exec && p->group_exec != current)
		status = SIGKILL; /* only this thread: another one's exec goes on */
	else
		group_kill_locked(p, status);
	spin_unlock_irqrestore(&p->siglock, irq);
	do_exit(status);
}

/* The kernel made a mistake while it worked for this thread. What it holds stays held. */
void do_exit_oops(void)
{
	struct task *t = current;

	if (t->exiting) {
		pr_emerg("Fixing recursive fault but reboot is needed!\n");
		for (;;) {
			set_current_state(THREAD_UNINTERRUPTIBLE);
			schedule();
		}
	}
	do_exit(SIGSEGV);
}

SYSCALL1(exit, int, code)
{
	do_exit((code & 0xff) << 8);
}

SYSCALL1(exit_group, int, code)
{
	do_group_exit((code & 0xff) << 8);
}
