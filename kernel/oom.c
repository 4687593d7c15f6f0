/* SPDX-License-Identifier: MIT */
/*
 * What the OOM killer (mm/oom.c) asks the table of processes: who is there, who must not go, and to
 * kill all who run in a space.
 *
 * A space may be shared by several processes (vfork, clone with CLONE_VM): it goes with all of them or
 * stays with all. So each is described with what the others say.
 *
 * Locking: tasklist_lock, and under it each process's siglock, in which its space stays. What is handed
 * out is a copy, with a reference to the space.
 */
#include <kernel/internal.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/oom.h>
#include <kernel/traps.h>
#include <kernel/version.h>

/* The child of a vfork runs in its parent's space for a moment: the parent is who may be chosen. */
static bool in_vfork(struct process *p)
{
	return READ_ONCE(p->leader->vfork_done);
}

/* Who calls swapoff goes first, whatever its oom_score_adj, as on Linux. */
static bool must_live(struct process *p, const struct mm_struct *mm)
{
	return p->unkillable || p->leader->thread.flags & THREAD_KTHREAD ||
	       (READ_ONCE(p->oom_score_adj) == OOM_SCORE_ADJ_MIN && !READ_ONCE(mm->oom_origin));
}

static bool runs_in(struct process *p, const struct mm_struct *mm)
{
	guard_irq(&p->siglock);
	return process_mm_locked(p) == mm;
}

static void describe_locked(struct process *p, struct oom_task *t)
{
	struct process *q;

	assert_spin_held(&tasklist_lock);
	*t = (struct oom_task){
		.pid = p->pid,
		.uid = p->leader->cred.uid,
		.adj = p->oom_score_adj,
		.start = p->start_time,
		.dying = p->group_exit,
	};
	strscpy(t->comm, p->leader->thread.comm, sizeof(t->comm));
	{
		guard_spin(&p->siglock);
		t->mm = process_mm_locked(p);
		if (!t->mm)
			return;
		mm_get(t->mm);
		t->never = must_live(p, t->mm) || in_vfork(p);
		if (atomic_read(&t->mm->users) <= p->nr_threads)
			return;
	}
	list_for_each_entry(q, &all_processes, all_node) {
		if (q == p || !runs_in(q, t->mm))
			continue;
		t->never |= must_live(q, t->mm);
		t->dying &= q->group_exit;
	}
}

void oom_describe(struct process *p, struct oom_task *t)
{
	guard_irq(&tasklist_lock);
	describe_locked(p, t);
}

static bool next_process(pid_t from, struct oom_task *t)
{
	struct process *p;

	guard_irq(&tasklist_lock);
	list_for_each_entry(p, &all_processes, all_node) {
		if (p->pid < from)
			continue;
		describe_locked(p, t);
		if (t->mm)
			return true;
	}
	return false;
}

static void describe_self(struct oom_task *t)
{
	oom_describe(current->proc, t);
}

static void mark_threads(struct process *p)
{
	struct task *t;

	guard_irq(&p->siglock);
	list_for_each_entry(t, &p->threads, thread_node)
		WRITE_ONCE(t->thread.oom_victim, true);
}

/* The signal first: who may use the reserves does not come back to user mode any more. */
static void kill_users(struct mm_struct *mm)
{
	struct process *p;

	guard_irq(&tasklist_lock);
	list_for_each_entry(p, &all_processes, all_node) {
		if (!runs_in(p, mm))
			continue;
		send_sig_process(p, SIGKILL, NULL);
		mark_threads(p);
	}
}

static void show_self(void)
{
	pr_warn("CPU: %u PID: %d Comm: %s Not tainted %s\n", smp_processor_id(), current->pid,
		current->thread.comm, UTS_RELEASE);
	dump_stack(LOG_WARNING);
}

void oom_init(void)
{
	static const struct oom_hooks hooks = {
		.next = next_process,
		.self = describe_self,
		.kill = kill_users,
		.show_self = show_self,
	};

	if (IS_ERR(kthread_run(oom_reaper, NULL, "oom_reaper")))
		panic("no memory for the OOM reaper");
	oom_register(&hooks);
}

/* ---- oom_score_adj ---------------------------------------------------------------------------- */

static void set_adj(struct process *p, int adj, bool set_min)
{
	WRITE_ONCE(p->oom_score_adj, adj);
	if (set_min)
		p->oom_score_adj_min = adj;
}

int oom_set_adj(struct process *p, int adj, bool legacy)
{
	bool may = capable(CAP_SYS_RESOURCE);
	struct mm_struct *mm = NULL;
	struct process *q;

	guard_irq(&tasklist_lock);
	if (!may && adj < (legacy ? p->oom_score_adj : p->oom_score_adj_min))
		return -EACCES;
	set_adj(p, adj, may && !legacy);
	if (!in_vfork(p)) {
		guard_spin(&p->siglock);
		mm = process_mm_locked(p);
	}
	if (!mm)
		return 0;
	list_for_each_entry(q, &all_processes, all_node)
		if (q != p && !q->unkillable && !in_vfork(q) && runs_in(q, mm))
			set_adj(q, adj, may && !legacy);
	return 0;
}
