/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/oom_score, oom_score_adj and oom_adj: how near a process is to being the OOM killer's victim.
 *
 * The score is Linux's: 0 to 2000 for what the killer compares in pages. oom_adj is the old name, in
 * seventeenths; what is written to either is seen in both.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/oom.h>

#define OOM_DISABLE    (-17)
#define OOM_ADJUST_MIN (-16)
#define OOM_ADJUST_MAX 15

int proc_oom_score_show(struct seq_file *m, struct proc_inode *pi)
{
	long total = (long)(totalram_pages() + total_swap_pages), score = 0;
	struct oom_task t;

	oom_describe(pi->task->proc, &t);
	if (t.mm && !t.never && !READ_ONCE(t.mm->oom_skip))
		score = (1000 + oom_badness(t.mm, t.adj) * 1000 / total) * 2 / 3;
	if (t.mm)
		mm_put(t.mm);
	seq_printf(m, "%ld\n", max(score, 0L));
	return 0;
}

int proc_oom_score_adj_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_printf(m, "%d\n", pi->task->proc->oom_score_adj);
	return 0;
}

int proc_oom_score_adj_store(struct proc_inode *pi, char *text)
{
	int adj, err = kstrtoint(strim(text), 0, &adj);

	if (err)
		return err;
	if (adj < OOM_SCORE_ADJ_MIN || adj > OOM_SCORE_ADJ_MAX)
		return -EINVAL;
	return oom_set_adj(pi->task->proc, adj, false);
}

int proc_oom_adj_show(struct seq_file *m, struct proc_inode *pi)
{
	int adj = pi->task->proc->oom_score_adj;

	adj = adj == OOM_SCORE_ADJ_MAX ? OOM_ADJUST_MAX : adj * -OOM_DISABLE / OOM_SCORE_ADJ_MAX;
	seq_printf(m, "%d\n", min(adj, OOM_ADJUST_MAX));
	return 0;
}

int proc_oom_adj_store(struct proc_inode *pi, char *text)
{
	int adj, err = kstrtoint(strim(text), 0, &adj);
	static bool told;

	if (err)
		return err;
	if ((adj < OOM_ADJUST_MIN || adj > OOM_ADJUST_MAX) && adj != OOM_DISABLE)
		return -EINVAL;
	if (!told)
		pr_warn("%s (%d): /proc/%d/oom_adj is deprecated, please use "
			"/proc/%d/oom_score_adj instead.\n",
			current->thread.comm, current->pid, pi->task->pid, pi->task->pid);
	told = true;
	/* So that the highest is the highest there, too. */
	adj = adj == OOM_ADJUST_MAX ? OOM_SCORE_ADJ_MAX : adj * OOM_SCORE_ADJ_MAX / -OOM_DISABLE;
	return oom_set_adj(pi->task->proc, adj, true);
}
