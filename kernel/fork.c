/* SPDX-License-Identifier: MIT */
/*
 * fork, vfork, clone, clone3: a new thread, in a process of its own or in the caller's.
 *
 * Everything that can fail for lack of memory is made first, piece by piece, and unwound in reverse:
 *
 *	task, kernel stack, FPU state -> process -> files -> fs -> mm -> [tasklist_lock: pid, visible]
 *
 * From the moment it is visible others may signal it, so nothing fails after that. The child's first
 * steps (storing its id for the C library) run in the child.
 *
 * A vfork parent sleeps on a completion on its own stack until the child calls exec or exits. Only a
 * fatal signal ends the sleep early; the parent then takes its completion back under tasklist_lock.
 *
 * Simplified: CLONE_SIGHAND without CLONE_THREAD copies the handlers instead of sharing them (the
 * process holds them); no namespaces, pidfds or cgroups: EINVAL.
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/string.h>
#include <kernel/syscall.h>
#include <kernel/x86/fpu.h>
#include <kernel/x86/switch.h>
#include <kernel/x86/uaccess.h>
#include <mm/trace.h>

struct clone_request {
	u64 flags;
	u64 stack; /* 0: the caller's */
	pid_t __user *ptid, *ctid;
	u64 tls;
	int exit_signal;
};

#define CLONE_SUPPORTED                                                                           \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PTRACE | CLONE_VFORK |         \
	 CLONE_PARENT | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |       \
	 CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_UNTRACED | CLONE_CHILD_SETTID | CLONE_IO | \
	 CLONE_CLEAR_SIGHAND)

static int check_request(const struct clone_request *rq)
{
	u64 flags = rq->flags;

	if (flags & ~CLONE_SUPPORTED)
		return -EINVAL;
	if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND))
		return -EINVAL;
	if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))
		return -EINVAL;
	/* init's children would have a sibling that nobody waits for. */
	if ((flags & CLONE_PARENT) && current->proc->unkillable)
		return -EINVAL;
	/* A base that is not canonical would fault in the switch to the child. */
	return (flags & CLONE_SETTLS) && rq->tls >= TASK_SIZE ? -EPERM : 0;
}

/* ---- limits -------------------------------------------------------------------------------- */

static unsigned long user_threads_locked(kuid_t uid)
{
	unsigned long n = 0;
	struct process *p;

	assert_spin_held(&tasklist_lock);
	list_for_each_entry(p, &all_processes, all_node)
		if (p->leader->cred.uid == uid)
			n += (unsigned long)p->nr_threads;
	return n;
}

static int check_nproc_locked(void)
{
	unsigned long limit = rlimit(RLIMIT_NPROC);

	if (limit != RLIM_INFINITY && current->cred.uid != 0 && !capable(CAP_SYS_RESOURCE) &&
	    !capable(CAP_SYS_ADMIN) && user_threads_locked(current->cred.uid) >= limit)
		return -EAGAIN;
	return 0;
}

/* Before any work; publish() asks again, as others may have come meanwhile. */
static int check_limits(void)
{
	if (nr_threads_all() >= max_threads())
		return -EAGAIN;
	guard_irq(&tasklist_lock);
	return check_nproc_locked();
}

/* ---- the pieces ------------------------------------------------------------------------------ */

/* The running task is about to leave its mm: the high-water mark of its memory is the process's. */
void task_note_maxrss(struct task *t)
{
	struct mm_struct *mm = t->thread.mm;
	struct process *p = t->proc;
	unsigned long rss = mm->hiwater_rss, now;

	now = (unsigned long)(atomic_long_read(&mm->rss_anon) + atomic_long_read(&mm->rss_file) +
			      atomic_long_read(&mm->rss_shmem));
	rss = max(rss, now) << (PAGE_SHIFT - 10);
	if (rss > p->maxrss_kb)
		p->maxrss_kb = rss;
}

/* The running thread's registers, FPU and segment bases; it returns 0 from the system call. */
static void copy_thread(struct task *t, const struct clone_request *rq)
{
	struct thread *me = current_thread(), *th = &t->thread;

	th->cpus_allowed = me->cpus_allowed;
	th->nice = me->nice;
	memcpy(th->comm, me->comm, sizeof(th->comm));
	user_bases_get(&th->fsbase, &th->gsbase);
	if (rq->flags & CLONE_SETTLS)
		th->fsbase = rq->tls;
	fpu_copy(th->fpu, me->fpu);
	*t->tf = *current->tf;
	t->tf->rax = 0;
	t->tf->orig_rax = (u64)-1;
	tf_force_iret(t->tf);
	if (rq->stack)
		t->tf->rsp = rq->stack;
}

static void copy_task_fields(struct task *t, const struct clone_request *rq)
{
	struct task *me = current;

	t->cred = me->cred;
	t->blocked = me->restore_mask ? me->saved_mask : me->blocked;
	t->personality = me->personality;
	t->randomized = me->randomized;
	t->no_new_privs = me->no_new_privs;
	/* Whose child it is not may not choose what its parent is sent. */
	t->exit_signal = rq->flags & CLONE_PARENT && !(rq->flags & CLONE_THREAD) ?
				 me->proc->leader->exit_signal :
				 rq->exit_signal;
	/* A thread or a sharer of the memory gets no alternate stack; a vfork child may use ours. */
	if (!(rq->flags & CLONE_VM) || (rq->flags & CLONE_VFORK))
		t->altstack = me->altstack;
	t->set_child_tid = rq->flags & CLONE_CHILD_SETTID ? rq->ctid : NULL;
	t->clear_child_tid = rq->flags & CLONE_CHILD_CLEARTID ? rq->ctid : NULL;
	if (!(rq->flags & CLONE_VM))
		rseq_set(t, me->rseq, me->rseq_sig);
}

static struct process *copy_process_struct(u64 flags)
{
	struct process *me = current->proc, *p;
	unsigned long irq;

	if (flags & CLONE_THREAD) {
		atomic_inc(&me->count);
		return me;
	}
	p = process_alloc();
	if (!p)
		return NULL;
	irq = spin_lock_irqsave(&me->siglock);
	p->action_set = me->action_set;
	for (sigset_t set = me->action_set; set; set &= set - 1)
		p->action[__builtin_ctzl(set)] = me->action[__builtin_ctzl(set)];
	memcpy(p->rlim, me->rlim, sizeof(p->rlim));
	spin_unlock_irqrestore(&me->siglock, irq);
	p->oom_score_adj = me->oom_score_adj;
	p->oom_score_adj_min = me->oom_score_adj_min;
	p->dumpable = me->dumpable;
	if (flags & CLONE_CLEAR_SIGHAND)
		flush_signal_handlers(p);
	return p;
}

static int copy_files(struct task *t, u64 flags)
{
	struct files_struct *files = current->files;

	if (!files)
		return 0;
	files = flags & CLONE_FILES ? files_get(files) : files_dup(files);
	if (IS_ERR(files))
		return (int)PTR_ERR(files);
	t->files = files;
	return 0;
}

static int copy_fs(struct task *t, u64 flags)
{
	struct fs_struct *fs = current->fs;

	fs = flags & CLONE_FS ? fs_get(fs) : fs_dup(fs);
	if (IS_ERR_OR_NULL(fs))
		return -ENOMEM;
	t->fs = fs;
	return 0;
}

static int copy_mm(struct task *t, u64 flags)
{
	struct mm_struct *mm = current_mm();

	if (flags & CLONE_VM) {
		mm_get_user(mm);
	} else {
		mm = mm_fork(mm);
		if (IS_ERR(mm))
			return (int)PTR_ERR(mm);
	}
	t->thread.mm = mm;
	return 0;
}

static void drop_pieces(struct task *t)
{
	if (t->thread.mm) {
		mm_put_user(t->thread.mm);
		t->thread.mm = NULL;
	}
	if (t->fs)
		fs_put(t->fs);
	if (t->files)
		files_put(t->files);
	t->fs = NULL;
	t->files = NULL;
	if (t->proc && t->proc != current->proc)
		process_put(t->proc); /* the table's reference, never used */
	task_free(t);                 /* with the task's own reference to the process */
}

/* ---- the child ------------------------------------------------------------------------------- */

void thread_enter_user(struct task *t)
{
	return_to_user(t->tf);
}

static void child_start(void *arg)
{
	struct task *t = arg;

	if (t->set_child_tid)
		(void)!put_user(t->pid, t->set_child_tid);
	thread_enter_user(t);
}

/* Makes it visible. A signal that came meanwhile goes first, so that none to the group is missed by
 * the child: the call is restarted afterwards. (Signals to the caller's threads come under siglock:
 * task_publish() looks for them again.) */
static int publish(struct task *t, const struct clone_request *rq)
{
	struct process *me = current->proc, *p = t->proc, *parent = NULL;

	guard_irq(&tasklist_lock);
	if (signal_pending())
		return -ERESTARTNOINTR;
	if (check_nproc_locked())
		return -EAGAIN;
	if (!(rq->flags & CLONE_THREAD)) {
		parent = rq->flags & CLONE_PARENT ? me->parent : me;
		p->pgid = me->pgid;
		p->sid = me->sid;
		p->tty = me->tty;
	}
	return task_publish(t, parent, 0);
}

static struct task *copy_task(const struct clone_request *rq)
{
	struct task *t = task_alloc();
	int err = -ENOMEM;

	if (!t)
		return ERR_PTR(-ENOMEM);
	t->thread.fpu = fpu_state_alloc();
	if (!t->thread.fpu)
		goto fail;
	t->proc = copy_process_struct(rq->flags);
	if (!t->proc)
		goto fail;
	if (!(rq->flags & CLONE_THREAD))
		atomic_inc(&t->proc->count); /* the task's; the first is the table's */
	copy_task_fields(t, rq);
	err = copy_files(t, rq->flags);
	if (!err)
		err = copy_fs(t, rq->flags);
	if (!err)
		err = copy_mm(t, rq->flags);
	if (err)
		goto fail;
	thread_init(&t->thread, child_start, t);
	copy_thread(t, rq);
	err = publish(t, rq);
	if (!err)
		return t;
fail:
	drop_pieces(t);
	return ERR_PTR(err);
}

/* ---- vfork ----------------------------------------------------------------------------------- */

void complete_vfork(struct task *t)
{
	struct completion_vfork *v;

	if (!READ_ONCE(t->vfork_done))
		return;
	guard_irq(&tasklist_lock);
	v = t->vfork_done;
	t->vfork_done = NULL;
	if (v) {
		v->done = true;
		wake_up_all(&v->wait);
	}
}

/* The lock also waits for a child that is still inside complete_vfork(). */
static void wait_for_vfork(struct task *child, struct completion_vfork *v)
{
	(void)wait_event_killable(v->wait, READ_ONCE(v->done));
	guard_irq(&tasklist_lock);
	child->vfork_done = NULL;
}

static long do_clone(const struct clone_request *rq)
{
	struct completion_vfork vfork;
	struct task *t;
	pid_t pid;
	int err;

	task_reap_dead();
	err = check_request(rq);
	if (!err)
		err = check_limits();
	if (err)
		return err;
	t = copy_task(rq);
	if (IS_ERR(t))
		return PTR_ERR(t);
	pid = t->pid;
	trace(FORK, pid, rq->flags);
	if (rq->flags & CLONE_PARENT_SETTID)
		(void)!put_user(pid, rq->ptid);
	if (rq->flags & CLONE_VFORK) {
		vfork.done = false;
		wait_queue_init(&vfork.wait);
		t->vfork_done = &vfork;
		atomic_inc(&t->count);
	}
	thread_wake(&t->thread);
	if (rq->flags & CLONE_VFORK) {
		wait_for_vfork(t, &vfork);
		task_put(t);
	}
	return pid;
}

static long kernel_clone(unsigned long flags, unsigned long stack, pid_t __user *ptid,
			 pid_t __user *ctid, unsigned long tls, int exit_signal)
{
	struct clone_request rq = {
		.flags = flags,
		.stack = stack,
		.ptid = ptid,
		.ctid = ctid,
		.tls = tls,
		.exit_signal = flags & CLONE_THREAD ? -1 : exit_signal,
	};

	return do_clone(&rq);
}

SYSCALL5(clone, unsigned long, flags, unsigned long, stack, pid_t __user *, ptid, pid_t __user *,
	 ctid, unsigned long, tls)
{
	/* Upper bits and the CSIGNAL byte are not flags here. */
	return kernel_clone((u32)flags & ~CSIGNAL, stack, ptid, ctid, tls, (int)(flags & CSIGNAL));
}

/* ---- clone3 ---------------------------------------------------------------------------------- */

struct clone_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	u64 set_tid, set_tid_size, cgroup; /* later versions */
};
#define CLONE_ARGS_SIZE_VER0 64

/* A longer structure is fine as long as what this kernel does not know is zero. */
static int get_clone_args(struct clone_args *a, const void __user *u, size_t size)
{
	u8 rest[64];
	size_t n;

	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	memset(a, 0, sizeof(*a));
	if (copy_from_user(a, u, min(size, sizeof(*a))))
		return -EFAULT;
	for (size_t off = sizeof(*a); off < size; off += n) {
		n = min(size - off, sizeof(rest));
		if (copy_from_user(rest, (const char __user *)u + off, n))
			return -EFAULT;
		if (memchr_inv(rest, 0, n))
			return -E2BIG;
	}
	return 0;
}

static int check_clone_args(const struct clone_args *a)
{
	if (a->flags & (CLONE_DETACHED | CSIGNAL))
		return -EINVAL;
	if (a->set_tid || a->set_tid_size || a->exit_signal > NSIG)
		return -EINVAL;
	if ((a->flags & (CLONE_SIGHAND | CLONE_CLEAR_SIGHAND)) ==
	    (CLONE_SIGHAND | CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((a->flags & (CLONE_THREAD | CLONE_PARENT)) && a->exit_signal)
		return -EINVAL;
	if (!a->stack != !a->stack_size)
		return -EINVAL;
	if (a->stack && !access_ok((void __user *)a->stack, a->stack_size))
		return -EINVAL;
	return 0;
}

SYSCALL2(clone3, const void __user *, uargs, size_t, size)
{
	struct clone_args a;
	int err = get_clone_args(&a, uargs, size);

	if (!err)
		err = check_clone_args(&a);
	if (err)
		return err;
	return kernel_clone(a.flags, a.stack ? a.stack + a.stack_size : 0,
			    (pid_t __user *)a.parent_tid, (pid_t __user *)a.child_tid, a.tls,
			    (int)a.exit_signal);
}

SYSCALL1(set_tid_address, pid_t __user *, tidptr)
{
	current->clear_child_tid = tidptr;
	return current->pid;
}
