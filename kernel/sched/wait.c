/* SPDX-License-Identifier: MIT */
/*
 * Wait queues (contract in wait.h). A waker may find a sleeper's entry after the sleeper has already
 * woken for another reason: waking a running thread is harmless, so entries need no more state than
 * their link. finish_wait() takes the lock only if the entry is still queued.
 */
#include <kernel/sched/wait.h>
#include <kernel/x86/irqflags.h>

void wait_queue_init(struct wait_queue *wq)
{
	wq->lock = (struct ticket_lock){0, 0};
	list_init(&wq->head);
}

void wait_entry_init(struct wait_entry *we, bool exclusive)
{
	list_init(&we->link);
	we->thread = current_thread();
	we->exclusive = exclusive;
	we->func = NULL;
}

/* Exclusive sleepers stand behind all others, first come first served. */
static void queue_locked(struct wait_queue *wq, struct wait_entry *we)
{
	if (we->exclusive)
		list_add_tail(&we->link, &wq->head);
	else
		list_add(&we->link, &wq->head);
}

void add_wait_queue(struct wait_queue *wq, struct wait_entry *we)
{
	unsigned long flags = local_irq_save();

	ticket_lock(&wq->lock);
	queue_locked(wq, we);
	ticket_unlock(&wq->lock);
	local_irq_restore(flags);
}

void remove_wait_queue(struct wait_queue *wq, struct wait_entry *we)
{
	unsigned long flags = local_irq_save();

	ticket_lock(&wq->lock);
	list_del(&we->link);
	ticket_unlock(&wq->lock);
	local_irq_restore(flags);
}

void prepare_to_wait(struct wait_queue *wq, struct wait_entry *we, enum thread_state state)
{
	unsigned long flags = local_irq_save();

	ticket_lock(&wq->lock);
	if (list_empty(&we->link))
		queue_locked(wq, we);
	set_current_state(state);
	ticket_unlock(&wq->lock);
	local_irq_restore(flags);
}

void finish_wait(struct wait_queue *wq, struct wait_entry *we)
{
	set_current_state(THREAD_RUNNING);
	if (!list_empty(&we->link))
		remove_wait_queue(wq, we);
}

int wake_up_locked(struct wait_queue *wq, int nr_exclusive, unsigned long key)
{
	struct wait_entry *we, *next;
	int woken = 0;

	list_for_each_entry_safe(we, next, &wq->head, link) {
		/* The entry may be gone once its thread runs: read it before. */
		bool exclusive = we->exclusive;
		bool did = we->func ? we->func(we, key) : thread_wake(we->thread);

		if (!did)
			continue;
		woken++;
		if (exclusive && nr_exclusive && --nr_exclusive == 0)
			break;
	}
	return woken;
}

int wake_up_key(struct wait_queue *wq, int nr_exclusive, unsigned long key)
{
	unsigned long flags = local_irq_save();
	int woken;

	ticket_lock(&wq->lock);
	woken = wake_up_locked(wq, nr_exclusive, key);
	ticket_unlock(&wq->lock);
	local_irq_restore(flags);
	return woken;
}

bool current_signal_pending(void)
{
	return sched_hooks.signal_pending && sched_hooks.signal_pending(current_thread(), false);
}

bool current_fatal_signal_pending(void)
{
	return sched_hooks.signal_pending && sched_hooks.signal_pending(current_thread(), true);
}
