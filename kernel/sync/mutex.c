/* SPDX-License-Identifier: MIT */
/*
 * Sleeping locks: mutex and rwsem.
 *
 * Idea: one atomic word decides; the wait queue only parks those who lost. A sleeper queues itself
 * before it looks at the word again, and the releaser changes the word before it looks at the
 * queue, so no wake-up is lost. The woken one competes again: a running thread may overtake it,
 * which is what makes the uncontended case one atomic operation.
 *
 * rwsem: a reader also stays out while a writer waits (writers_waiting), so writers do not starve.
 * Hence a thread must not read-lock one rwsem twice: a writer in between would deadlock it; the
 * lock checker reports the attempt.
 *
 * An rwsem may be freed by the writer that has it, though readers had it without a reference to what
 * it lies in (a vma's lock, mm/vma.c): so whoever lets go must not touch it once another can enter.
 * Bit 0 of the word says whether anybody queues. If not, letting go is one atomic operation and
 * nothing else. If so, it is done under the queue's lock together with the waking; and a writer
 * enters past that bit only as one of the queue, which it leaves under the same lock before it goes
 * on. Only who is inside, or never gets in, takes the bit away.
 */
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <kernel/x86/irqflags.h>

void mutex_init(struct mutex *m, enum lock_class cls)
{
	atomic_set(&m->locked, 0);
	m->class = cls;
	m->owner = NULL;
	wait_queue_init(&m->wait);
}

bool mutex_trylock(struct mutex *m)
{
	if (!atomic_cmpxchg(&m->locked, 0, 1))
		return false;
	lock_check_acquire(m->class, m, LOCK_TRY);
	m->owner = current_thread();
	return true;
}

void mutex_lock(struct mutex *m)
{
	might_sleep();
	lock_check_acquire(m->class, m, 0);
	/* Whoever had to wait takes it as 2, since others may still be waiting behind it. */
	if (!atomic_cmpxchg(&m->locked, 0, 1))
		wait_event(m->wait, atomic_xchg(&m->locked, 2) == 0);
	m->owner = current_thread();
}

void mutex_unlock(struct mutex *m)
{
	assert(m->owner == current_thread());
	m->owner = NULL;
	lock_check_release(m->class, m, 0);
	if (atomic_xchg(&m->locked, 0) == 2)
		wake_up(&m->wait);
}

void rwsem_init(struct rwsem *s, enum lock_class cls)
{
	atomic_set(&s->count, 0);
	atomic_set(&s->writers_waiting, 0);
	s->class = cls;
	s->owner = NULL;
	wait_queue_init(&s->wait);
}

/* The word: */
#define RWSEM_WAITERS 1 /* the queue is (or was) not empty */
#define RWSEM_WRITER  2
#define RWSEM_READER  4 /* times the number of readers */

static __always_inline bool read_enter(struct rwsem *s)
{
	int c = atomic_read(&s->count);

	while (!(c & RWSEM_WRITER) && !atomic_read(&s->writers_waiting)) {
		if (atomic_cmpxchg(&s->count, c, c + RWSEM_READER))
			return true;
		c = atomic_read(&s->count);
	}
	return false;
}

static bool write_enter(struct rwsem *s)
{
	return atomic_cmpxchg(&s->count, 0, RWSEM_WRITER);
}

/* --- those who wait ---- */

static bool read_enter_queued(struct rwsem *s)
{
	atomic_or(RWSEM_WAITERS, &s->count);
	return read_enter(s);
}

static bool write_enter_queued(struct rwsem *s)
{
	atomic_or(RWSEM_WAITERS, &s->count);
	return atomic_cmpxchg(&s->count, RWSEM_WAITERS, RWSEM_WAITERS | RWSEM_WRITER);
}

static unsigned long lock_queue(struct rwsem *s)
{
	unsigned long flags = local_irq_save();

	ticket_lock(&s->wait.lock);
	return flags;
}

static void unlock_queue(struct rwsem *s, unsigned long flags)
{
	ticket_unlock(&s->wait.lock);
	local_irq_restore(flags);
}

/* Out of the queue. wake: those who stayed out for the running thread. */
static void leave_queue(struct rwsem *s, bool wake)
{
	unsigned long flags = lock_queue(s);

	if (!waitqueue_active(&s->wait))
		atomic_and(~RWSEM_WAITERS, &s->count);
	else if (wake)
		wake_up_locked(&s->wait, 0, 0);
	unlock_queue(s, flags);
}

static __noinline void wait_to_read(struct rwsem *s)
{
	(void)__wait_event(s->wait, read_enter_queued(s), THREAD_UNINTERRUPTIBLE, false, 0);
	leave_queue(s, false);
}

static __noinline int wait_to_write(struct rwsem *s, enum thread_state state)
{
	int err;

	atomic_inc(&s->writers_waiting);
	err = __wait_event(s->wait, write_enter_queued(s), state,
			   state == THREAD_KILLABLE && current_fatal_signal_pending(), -EINTR);
	atomic_dec(&s->writers_waiting);
	leave_queue(s, err);
	return err;
}

static __noinline void release_queued(struct rwsem *s, int held)
{
	unsigned long flags = lock_queue(s);

	if (atomic_add_return(-held, &s->count) == RWSEM_WAITERS)
		wake_up_locked(&s->wait, 0, 0);
	unlock_queue(s, flags);
}

static void release(struct rwsem *s, int held)
{
	int c = atomic_read(&s->count);

	while (!(c & RWSEM_WAITERS)) {
		if (likely(atomic_cmpxchg(&s->count, c, c - held)))
			return;
		c = atomic_read(&s->count);
	}
	release_queued(s, held);
}

/* --- the calls ---- */

void down_read(struct rwsem *s)
{
	might_sleep();
	lock_check_acquire(s->class, s, 0);
	if (!read_enter(s))
		wait_to_read(s);
}

bool down_read_trylock(struct rwsem *s)
{
	if (!read_enter(s))
		return false;
	lock_check_acquire(s->class, s, LOCK_TRY);
	return true;
}

void up_read(struct rwsem *s)
{
	debug_assert(atomic_read(&s->count) >= RWSEM_READER);
	lock_check_release(s->class, s, 0);
	release(s, RWSEM_READER);
}

void down_write(struct rwsem *s)
{
	might_sleep();
	lock_check_acquire(s->class, s, 0);
	if (!write_enter(s))
		(void)wait_to_write(s, THREAD_UNINTERRUPTIBLE);
	s->owner = current_thread();
}

int down_write_killable(struct rwsem *s)
{
	might_sleep();
	lock_check_acquire(s->class, s, 0);
	if (!write_enter(s) && wait_to_write(s, THREAD_KILLABLE)) {
		lock_check_release(s->class, s, 0);
		return -EINTR;
	}
	s->owner = current_thread();
	return 0;
}

bool down_write_trylock(struct rwsem *s)
{
	if (!write_enter(s))
		return false;
	lock_check_acquire(s->class, s, LOCK_TRY);
	s->owner = current_thread();
	return true;
}

void up_write(struct rwsem *s)
{
	assert(s->owner == current_thread());
	s->owner = NULL;
	lock_check_release(s->class, s, 0);
	release(s, RWSEM_WRITER);
}

bool rwsem_is_write_held(const struct rwsem *s)
{
	return s->owner == current_thread();
}

bool rwsem_is_held(const struct rwsem *s)
{
	return atomic_read(&s->count) & ~RWSEM_WAITERS;
}
