/* SPDX-License-Identifier: MIT */
/*
 * wait4 and waitid: what became of the children.
 *
 * One pass over the children under tasklist_lock looks for one that is a zombie, has stopped or has
 * gone on, and takes its report; a waiter without luck sleeps on its process's wait_child, where
 * children report. The report leaves the lock as a value: user memory is written without locks.
 *
 * A zombie that is waited for passes its times on to the parent (RUSAGE_CHILDREN) and is released.
 *
 * Simplified: children belong to the process, not to the thread that forked them: __WNOTHREAD
 * changes nothing.
 */
#include <kernel/internal.h>
#include <kernel/lib/string.h>
#include <kernel/rusage.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

enum wait_type { WAIT_ANY, WAIT_PID, WAIT_PGRP };

struct wait_request {
	enum wait_type type;
	pid_t id;
	int options;
	bool usage; /* somebody wants to know what the child used */
};

struct wait_result {
	pid_t pid; /* 0: nothing yet */
	kuid_t uid;
	int status; /* as wait4 reports it */
	int code;   /* CLD_* */
	int si_status;
	struct rusage ru;
	struct process *release; /* a zombie that was taken */
};

static bool eligible(const struct wait_request *rq, const struct process *c)
{
	if (rq->type == WAIT_PID && c->pid != rq->id)
		return false;
	if (rq->type == WAIT_PGRP && c->pgid != rq->id)
		return false;
	if (rq->options & __WALL)
		return true;
	return (c->leader->exit_signal != SIGCHLD) == !!(rq->options & (int)__WCLONE);
}

static void add_child_usage(struct process *p, struct process *c)
{
	guard_irq(&p->siglock);
	p->cutime_ns += c->utime_ns + c->cutime_ns;
	p->cstime_ns += c->stime_ns + c->cstime_ns;
	p->cmin_flt += c->min_flt + c->cmin_flt;
	p->cmaj_flt += c->maj_flt + c->cmaj_flt;
	p->cnvcsw += c->nvcsw + c->cnvcsw;
	p->cnivcsw += c->nivcsw + c->cnivcsw;
	io_counts_add(&p->io, &c->io);
	p->cmaxrss_kb = max(p->cmaxrss_kb, max(c->maxrss_kb, c->cmaxrss_kb));
}

static bool take_zombie(const struct wait_request *rq, struct process *c, struct wait_result *r)
{
	if (!c->zombie || !(rq->options & WEXITED))
		return false;
	r->status = c->exit_code;
	r->code = exit_info(c->exit_code, &r->si_status);
	if (!(rq->options & WNOWAIT)) {
		add_child_usage(c->parent, c);
		process_release(c);
		r->release = c;
	}
	return true;
}

static bool take_stopped(const struct wait_request *rq, struct process *c, struct wait_result *r)
{
	guard_irq(&c->siglock);
	int sig = rq->options & WSTOPPED && c->stopped ? c->stop_report : 0;

	if (!sig)
		return false;
	if (!(rq->options & WNOWAIT))
		c->stop_report = 0;
	r->status = sig << 8 | 0x7f;
	r->code = CLD_STOPPED;
	r->si_status = sig;
	return true;
}

static bool take_continued(const struct wait_request *rq, struct process *c, struct wait_result *r)
{
	guard_irq(&c->siglock);
	if (!(rq->options & WCONTINUED) || !c->cont_report)
		return false;
	if (!(rq->options & WNOWAIT))
		c->cont_report = false;
	r->status = 0xffff;
	r->code = CLD_CONTINUED;
	r->si_status = SIGCONT;
	return true;
}

/* True: r is filled. *any: there are children to wait for. */
static bool scan_children(const struct wait_request *rq, struct wait_result *r, bool *any)
{
	struct process *c;

	guard_irq(&tasklist_lock);
	*any = false;
	list_for_each_entry(c, &current->proc->children, sibling) {
		if (!eligible(rq, c))
			continue;
		*any = true;
		if (!take_zombie(rq, c, r) && !take_stopped(rq, c, r) && !take_continued(rq, c, r))
			continue;
		r->pid = c->pid;
		r->uid = c->leader->cred.uid;
		if (rq->usage)
			process_rusage(c, &r->ru);
		return true;
	}
	return false;
}

/* 0 with r->pid 0 (WNOHANG) or set; -ECHILD, -ERESTARTSYS. */
static int do_wait(const struct wait_request *rq, struct wait_result *r)
{
	struct process *p = current->proc;
	struct wait_entry we;
	bool any;
	int err = 0;

	memset(r, 0, sizeof(*r));
	wait_entry_init(&we, false);
	for (;;) {
		prepare_to_wait(&p->wait_child, &we, THREAD_INTERRUPTIBLE);
		if (scan_children(rq, r, &any))
			break;
		if (!any) {
			err = -ECHILD;
			break;
		}
		if (rq->options & WNOHANG)
			break;
		if (signal_pending()) {
			err = -ERESTARTSYS;
			break;
		}
		schedule();
	}
	finish_wait(&p->wait_child, &we);
	if (r->release) {
		struct task *leader = r->release->leader;

		task_put(leader);
		process_put(r->release);
	}
	return err;
}

SYSCALL4(wait4, pid_t, pid, int __user *, ustatus, int, options, struct rusage __user *, uru)
{
	struct wait_request rq = {.id = pid, .usage = uru};
	struct wait_result r;
	int err;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WALL | (int)__WCLONE))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	rq.options = options | WEXITED;
	if (pid > 0) {
		rq.type = WAIT_PID;
	} else if (pid != -1) {
		rq.type = WAIT_PGRP;
		rq.id = pid ? -pid : current->proc->pgid;
	}
	err = do_wait(&rq, &r);
	if (err || !r.pid)
		return err;
	if (ustatus && put_user(r.status, ustatus))
		return -EFAULT;
	if (uru && copy_to_user(uru, &r.ru, sizeof(r.ru)))
		return -EFAULT;
	return r.pid;
}

#define P_ALL   0
#define P_PID   1
#define P_PGID  2
#define P_PIDFD 3

static int waitid_request(struct wait_request *rq, int which, pid_t id, int options)
{
	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WALL |
			(int)__WCLONE))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	*rq = (struct wait_request){.id = id, .options = options};
	switch (which) {
	case P_ALL:
		rq->type = WAIT_ANY;
		return 0;
	case P_PID:
		rq->type = WAIT_PID;
		return id > 0 ? 0 : -EINVAL;
	case P_PGID:
		rq->type = WAIT_PGRP;
		if (id == 0)
			rq->id = current->proc->pgid;
		return id >= 0 ? 0 : -EINVAL;
	case P_PIDFD:
		return id < 0 ? -EINVAL : -EBADF; /* there are no pidfds */
	default:
		return -EINVAL;
	}
}

SYSCALL5(waitid, int, which, pid_t, id, siginfo_t __user *, uinfo, int, options,
	 struct rusage __user *, uru)
{
	struct wait_request rq;
	struct wait_result r;
	siginfo_t info;
	int err = waitid_request(&rq, which, id, options);

	if (err)
		return err;
	rq.usage = uru;
	err = do_wait(&rq, &r);
	if (err)
		return err;
	if (r.pid && uru && copy_to_user(uru, &r.ru, sizeof(r.ru)))
		return -EFAULT;
	if (!uinfo)
		return 0;
	memset(&info, 0, sizeof(info));
	if (r.pid) {
		info.si_signo = SIGCHLD;
		info.si_code = r.code;
		info.pid = r.pid;
		info.uid = r.uid;
		info.status = r.si_status;
	}
	/* Linux writes only these fields; times and padding stay as they were. */
	return copy_to_user(uinfo, &info, offsetof(siginfo_t, pad1)) ? -EFAULT : 0;
}
