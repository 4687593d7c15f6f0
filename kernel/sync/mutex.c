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
 */
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>

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

static bool read_enter(struct rwsem *s)
{
	int c = atomic_read(&s->count);

	while (c >= 0 && !atomic_read(&s->writers_waiting)) {
		if (atomic_cmpxchg(&s->count, c, c + 1))
			return true;
		c = atomic_read(&s->count);
	}
	return false;
}

static bool write_enter(struct rwsem *s)
{
	return atomic_cmpxchg(&s->count, 0, -1);
}

void down_read(struct rwsem *s)
{
	might_sleep();
	lock_check_acquire(s->class, s, 0);
	if (!read_enter(s))
		wait_event(s->wait, read_enter(s));
}

bool down_read_trylock(struct rwsem *s)
{
	if (!read_enter(s))
		return false;
	lock_check_acquire(s->class, s, LOCK_TRY);
	return true;
}

static void rwsem_wake(struct rwsem *s)
{
	smp_mb();
	if (waitqueue_active(&s->wait))
		wake_up_all(&s->wait);
}

void up_read(struct rwsem *s)
{
	debug_assert(atomic_read(&s->count) > 0);
	lock_check_release(s->class, s, 0);
	if (atomic_dec_and_test(&s->count))
		rwsem_wake(s);
}

static void write_entered(struct rwsem *s)
{
	s->owner = current_thread();
}

void down_write(struct rwsem *s)
{
	might_sleep();
	lock_check_acquire(s->class, s, 0);
	if (!write_enter(s)) {
		atomic_inc(&s->writers_waiting);
		wait_event(s->wait, write_enter(s));
		atomic_dec(&s->writers_waiting);
	}
	write_entered(s);
}

int down_write_killable(struct rwsem *s)
{
	int err = 0;

	might_sleep();
	lock_check_acquire(s->class, s, 0);
	if (!write_enter(s)) {
		atomic_inc(&s->writers_waiting);
		err = wait_event_killable(s->wait, write_enter(s));
		atomic_dec(&s->writers_waiting);
	}
	if (err) {
		lock_check_release(s->class, s, 0);
		rwsem_wake(s); /* readers that stayed out for this writer */
		return err;
	}
	write_entered(s);
	return 0;
}

bool down_write_trylock(struct rwsem *s)
{
	if (!write_enter(s))
		return false;
	lock_check_acquire(s->class, s, LOCK_TRY);
	write_entered(s);
	return true;
}

void up_write(struct rwsem *s)
{
	assert(s->owner == current_thread());
	s->owner = NULL;
	lock_check_release(s->class, s, 0);
	atomic_set(&s->count, 0);
	rwsem_wake(s);
}

void downgrade_write(struct rwsem *s)
{
	assert(s->owner == current_thread());
	s->owner = NULL;
	atomic_set(&s->count, 1);
	rwsem_wake(s);
}

bool rwsem_is_write_held(const struct rwsem *s)
{
	return s->owner == current_thread();
}

bool rwsem_is_held(const struct rwsem *s)
{
	return atomic_read(&s->count) != 0;
}
