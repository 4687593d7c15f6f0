/* SPDX-License-Identifier: MIT */
/*
 * Process groups and sessions: what a shell's job control stands on.
 *
 * A session is a set of groups with (perhaps) one terminal; a group is a job, signalled as one. Ids
 * are the pid of whoever founded them. A process may be moved by its parent until it execs, by
 * itself at any time, and only within its session; a session's leader cannot be moved.
 */
#include <kernel/internal.h>
#include <kernel/syscall.h>

SYSCALL0(getpid)
{
	return current->proc->pid;
}
SYSCALL0(getppid)
{
	return READ_ONCE(current->proc->ppid);
}
SYSCALL0(gettid)
{
	return current->pid;
}

static int check_setpgid(const struct process *p, pid_t pgid)
{
	struct process *me = current->proc;
	struct process *in_group;

	if (p != me) {
		if (p->parent != me)
			return -ESRCH;
		if (p->sid != me->sid)
			return -EPERM;
		if (p->did_exec)
			return -EACCES;
	}
	if (p->leader_of_session)
		return -EPERM;
	if (pgid == p->pid)
		return 0;
	in_group = pgrp_first(pgid);
	return in_group && in_group->sid == me->sid ? 0 : -EPERM;
}

SYSCALL2(setpgid, pid_t, pid, pid_t, pgid)
{
	struct process *p;
	int err;

	if (!pid)
		pid = current->proc->pid;
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	guard_irq(&tasklist_lock);
	p = process_find_locked(pid);
	err = p ? check_setpgid(p, pgid) : -ESRCH;
	if (!err && p->pgid != pgid)
		process_set_pgrp(p, pgid);
	return err;
}

static int group_or_session(pid_t pid, bool session)
{
	guard_irq(&tasklist_lock);
	struct task *t = pid ? task_find_locked(pid) : current;

	if (!t)
		return -ESRCH;
	return session ? t->proc->sid : t->proc->pgid;
}

SYSCALL1(getpgid, pid_t, pid)
{
	return group_or_session(pid, false);
}
SYSCALL1(getsid, pid_t, pid)
{
	return group_or_session(pid, true);
}

SYSCALL0(setsid)
{
	struct process *p = current->proc;

	guard_irq(&tasklist_lock);
	/* A group of that number, the caller's own or left over from a child of his, stays as it is. */
	if (p->leader_of_session || pgrp_exists(p->pid))
		return -EPERM;
	process_set_session(p, p->pid);
	process_set_pgrp(p, p->pid);
	p->leader_of_session = true;
	p->tty = NULL;
	return p->pid;
}
