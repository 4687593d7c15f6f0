/* SPDX-License-Identifier: MIT */
/*
 * What a thread or a process has used: processor time and page faults.
 *
 * The time that a thread ran is exact, counted by the scheduler. How much of it was spent in user mode
 * is estimated from the ticks: the exact total is split in the ratio of those seen. Faults are
 * counted in the address space, which a process may change by exec: the counts at that moment are
 * its base.
 *
 * Locking: siglock for the list of threads; the counts themselves are read without.
 */
#include <kernel/internal.h>

/* Splits the exact total in the ratio of the ticks seen (in ms, so that products fit 64 bits). */
static void split_time(u64 total, u64 u, u64 s, u64 *utime, u64 *stime)
{
	u64 sum;

	u /= NSEC_PER_MSEC;
	sum = u + s / NSEC_PER_MSEC;
	*utime = sum ? total / sum * u + total % sum * u / sum : total;
	*stime = total - *utime;
}

u64 task_cpu_ns(struct task *t, u64 *utime, u64 *stime)
{
	u64 total = thread_cpu_ns(&t->thread);

	split_time(total, t->thread.utime_ns, t->thread.stime_ns, utime, stime);
	return total;
}

u64 process_cpu_ns(struct process *p, u64 *utime, u64 *stime)
{
	struct task *t;
	u64 u, s;

	guard_irq(&p->siglock);
	*utime = p->utime_ns;
	*stime = p->stime_ns;
	list_for_each_entry(t, &p->threads, thread_node) {
		if (t->exit_done)
			continue; /* already in the process's own sum */
		task_cpu_ns(t, &u, &s);
		*utime += u;
		*stime += s;
	}
	return *utime + *stime;
}

void process_faults(struct process *p, u64 *min_flt, u64 *maj_flt)
{
	struct task *t;

	guard_irq(&p->siglock);
	*min_flt = p->min_flt;
	*maj_flt = p->maj_flt;
	list_for_each_entry(t, &p->threads, thread_node) {
		if (t->exit_done)
			continue;
		*min_flt += t->thread.min_flt;
		*maj_flt += t->thread.maj_flt;
	}
}
