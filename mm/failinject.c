/* SPDX-License-Identifier: MIT */
/*
 * Fault injection: a countdown per class of allocation. Only the thread that armed it is hit, so a
 * test stays repeatable whatever other threads do. Unlocked: each countdown has one user.
 */
#include <kernel/sched/sched.h>
#include <mm/failinject.h>

#ifdef CONFIG_DEBUG
static struct countdown {
	struct thread *thread;
	unsigned long wait; /* allocations that still succeed */
	unsigned long times;
	unsigned long hits;
} countdown[NR_FAIL_CLASSES];

bool fail_inject_on;

void fail_inject_set(enum fail_class c, unsigned long nth, unsigned long times)
{
	countdown[c] = (struct countdown){
		.thread = current_thread(),
		.wait = nth ? nth - 1 : 0,
		.times = nth ? times : 0,
	};
	fail_inject_on = false;
	for (int i = 0; i < NR_FAIL_CLASSES; i++)
		fail_inject_on |= countdown[i].times > 0;
}

unsigned long fail_inject_hits(enum fail_class c)
{
	return countdown[c].hits;
}

bool __should_fail(enum fail_class c)
{
	struct countdown *d = &countdown[c];

	if (!d->times || d->thread != current_thread())
		return false;
	if (d->wait) {
		d->wait--;
		return false;
	}
	d->times--;
	d->hits++;
	return true;
}
#endif
