/* SPDX-License-Identifier: MIT */
/*
 * Sleeping locks. Not for interrupt handlers; never acquired with a spinlock held.
 */
#pragma once

#include <kernel/lib/atomic.h>
#include <kernel/sched/wait.h>
#include <kernel/sync/lock_class.h>

struct mutex {
	atomic_t locked; /* 0 free, 1 held, 2 held and perhaps waited for */
	u8 class;
	struct thread *owner;
	struct wait_queue wait;
};

void mutex_init(struct mutex *m, enum lock_class cls);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m) __must_check;
void mutex_unlock(struct mutex *m);

/* guard_mutex(&m); held to the end of the block, whichever way that is left. */
static inline void mutex_guard_end(struct mutex **m)
{
	mutex_unlock(*m);
}
#define guard_mutex(m)                                                        \
	struct mutex *JOIN(guard, __LINE__) __cleanup(mutex_guard_end) = (m); \
	mutex_lock(JOIN(guard, __LINE__))

/* Many readers or one writer; writers do not starve. A reader must not acquire it twice. */
struct rwsem {
	atomic_t count; /* who is in, and whether anybody waits: mutex.c; 0: free */
	atomic_t writers_waiting;
	u8 class;
	struct thread *owner; /* the writer */
	struct wait_queue wait;
};

void rwsem_init(struct rwsem *s, enum lock_class cls);
void down_read(struct rwsem *s);
bool down_read_trylock(struct rwsem *s) __must_check;
void up_read(struct rwsem *s);
void down_write(struct rwsem *s);
/* 0, or -EINTR if a fatal signal is pending for the running thread. */
int down_write_killable(struct rwsem *s) __must_check;
bool down_write_trylock(struct rwsem *s) __must_check;
void up_write(struct rwsem *s);
/* guard_read(&s); guard_write(&s); as guard_mutex(). */
static inline void read_guard_end(struct rwsem **s)
{
	up_read(*s);
}
static inline void write_guard_end(struct rwsem **s)
{
	up_write(*s);
}
#define guard_read(s)                                                        \
	struct rwsem *JOIN(guard, __LINE__) __cleanup(read_guard_end) = (s); \
	down_read(JOIN(guard, __LINE__))
#define guard_write(s)                                                        \
	struct rwsem *JOIN(guard, __LINE__) __cleanup(write_guard_end) = (s); \
	down_write(JOIN(guard, __LINE__))
bool rwsem_is_write_held(const struct rwsem *s); /* by the running thread */
bool rwsem_is_held(const struct rwsem *s);       /* by anyone, either way */
