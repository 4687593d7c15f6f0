/* SPDX-License-Identifier: MIT */
/*
 * Fault injection: a countdown in each thread. Only the thread that armed it is hit, so a test
 * stays repeatable whatever other threads do, and needs no lock.
 */
#include <kernel/sched/sched.h>
#include <mm/failinject.h>

#ifdef CONFIG_DEBUG
void fail_inject_arm(unsigned int classes, unsigned long nth, unsigned long times)
{
	current_thread()->fail = (struct fail_countdown){
		.classes = nth ? classes : 0,
		.wait = nth ? nth - 1 : 0,
		.times = nth ? times : 0,
	};
}

unsigned long fail_inject_hits(void)
{
	return current_thread()->fail.hits;
}

unsigned long fail_inject_left(void)
{
	const struct fail_countdown *d = &current_thread()->fail;

	return d->times && !d->hits ? d->wait + 1 : 0;
}

bool should_fail(enum fail_class c)
{
	struct thread *t = current_thread();
	struct fail_countdown *d;

	if (!t || !(t->fail.classes & 1u << c) || !t->fail.times)
		return false;
	d = &t->fail;
	if (d->wait) {
		d->wait--;
		return false;
	}
	d->times--;
	d->hits++;
	return true;
}
#endif
