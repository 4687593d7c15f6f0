/* SPDX-License-Identifier: MIT */
/*
 * Wait queues. The sleeper puts itself on the queue and sets its state before it looks at its
 * condition; the waker changes the condition before it looks at the queue: no wake-up is lost.
 */
#pragma once

#include <kernel/lib/errno.h>
#include <kernel/lib/list.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>

struct wait_queue {
	struct ticket_lock lock; /* innermost but for the run queues; interrupts off */
	struct list_head head;
};

struct wait_entry {
	struct list_head link;
	struct thread *thread;
	bool exclusive;
	/* NULL: wake the thread. Else called under the queue's lock with the waker's key; returns
	 * true if it counts as woken (poll, futex). */
	bool (*func)(struct wait_entry *we, unsigned long key);
};

#define WAIT_QUEUE_INIT(name)                                       \
	{                                                           \
		.lock = {0, 0}, .head = LIST_HEAD_INIT((name).head) \
	}
#define DEFINE_WAIT_QUEUE(name) struct wait_queue name = WAIT_QUEUE_INIT(name)
void wait_queue_init(struct wait_queue *wq);

void wait_entry_init(struct wait_entry *we, bool exclusive);
/* Queues we (unless queued) and sets the running thread's state. */
void prepare_to_wait(struct wait_queue *wq, struct wait_entry *we, enum thread_state state);
void finish_wait(struct wait_queue *wq, struct wait_entry *we);
/* Only queues or unqueues (poll). */
void add_wait_queue(struct wait_queue *wq, struct wait_entry *we);
void remove_wait_queue(struct wait_queue *wq, struct wait_entry *we);

/* Wake all non-exclusive sleepers and up to nr exclusive ones (0: all). Any context. Returns how many. */
int wake_up_key(struct wait_queue *wq, int nr_exclusive, unsigned long key);
/* The same for who holds wq->lock, with interrupts off. */
int wake_up_locked(struct wait_queue *wq, int nr_exclusive, unsigned long key);
static inline void wake_up(struct wait_queue *wq)
{
	wake_up_key(wq, 1, 0);
}
static inline void wake_up_all(struct wait_queue *wq)
{
	wake_up_key(wq, 0, 0);
}
static inline bool waitqueue_active(const struct wait_queue *wq)
{
	return !list_empty(&wq->head);
}

/* True if a signal would end an interruptible sleep of the running thread. */
bool current_signal_pending(void);
bool current_fatal_signal_pending(void);

/* Sleep until cond; 0, or -ERESTARTSYS (interruptible; kernel/lib/errno.h) / -EINTR (killable). */
#define __wait_event_by(sleep, wq, cond, tstate, sigcheck, sigret) \
	({                                                         \
		int _ret = 0;                                      \
		struct wait_entry _we;                             \
		wait_entry_init(&_we, false);                      \
		for (;;) {                                         \
			prepare_to_wait(&(wq), &_we, (tstate));    \
			if (cond)                                  \
				break;                             \
			if (sigcheck) {                            \
				_ret = (sigret);                   \
				break;                             \
			}                                          \
			sleep();                                   \
		}                                                  \
		finish_wait(&(wq), &_we);                          \
		_ret;                                              \
	})
#define __wait_event(...) __wait_event_by(schedule, __VA_ARGS__)
#define wait_event(wq, cond) \
	((void)((cond) ? 0 : __wait_event(wq, cond, THREAD_UNINTERRUPTIBLE, false, 0)))
#define wait_event_io(wq, cond) \
	((void)((cond) ?        \
			0 :     \
			__wait_event_by(io_schedule, wq, cond, THREAD_UNINTERRUPTIBLE, false, 0)))
#define wait_event_interruptible(wq, cond)                                               \
	((cond) ? 0 :                                                                    \
		  __wait_event(wq, cond, THREAD_INTERRUPTIBLE, current_signal_pending(), \
			       -ERESTARTSYS))
#define wait_event_killable(wq, cond) \
	((cond) ? 0 :                 \
		  __wait_event(wq, cond, THREAD_KILLABLE, current_fatal_signal_pending(), -EINTR))
