/* SPDX-License-Identifier: MIT */
/*
 * Spinlocks: ticket locks of four bytes, with or without lock checking.
 *
 * The kernel is not preempted, so a plain spin_lock disables nothing; a lock that an interrupt
 * handler also takes is taken with spin_lock_irqsave everywhere else. Every lock has a class
 * (lock_class.h); in debug builds acquiring checks the order of classes, that the lock is not held
 * already, and that nothing sleeps while one is held.
 */
#pragma once

#include <kernel/lib/bug.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/lib/types.h>
#include <kernel/sync/lock_class.h>
#include <kernel/x86/irqflags.h>

typedef struct spinlock {
	struct ticket_lock ticket;
	u8 class; /* enum lock_class */
	u8 pad;
} spinlock_t;

static_assert_size(spinlock_t, 4);

#define SPINLOCK_INIT(cls)     \
	{                      \
		.class = (cls) \
	}

static inline void spin_lock_init(spinlock_t *l, enum lock_class cls)
{
	*l = (spinlock_t)SPINLOCK_INIT(cls);
}

/* How a lock is taken, for the checker. */
#define LOCK_SPIN 0x1u /* else a sleeping lock */
#define LOCK_TRY  0x2u /* cannot wait: exempt from the order */

#ifdef CONFIG_DEBUG
void lock_check_acquire(enum lock_class cls, const void *lock, unsigned int how);
void lock_check_release(enum lock_class cls, const void *lock, unsigned int how);
bool lock_check_held(const void *lock);
void lock_check_none_held(void); /* at the end of a system call */
void lock_check_call(void);      /* other CPUs are about to be called */
#else
static inline void lock_check_acquire(enum lock_class cls, const void *lock, unsigned int how)
{
	(void)cls, (void)lock, (void)how;
}
static inline void lock_check_release(enum lock_class cls, const void *lock, unsigned int how)
{
	(void)cls, (void)lock, (void)how;
}
static inline void lock_check_none_held(void)
{
}
static inline bool lock_check_held(const void *lock)
{
	(void)lock;
	return true;
}
#endif

static inline void spin_lock(spinlock_t *l)
{
	lock_check_acquire(l->class, l, LOCK_SPIN);
	ticket_lock(&l->ticket);
}

/* True if taken. */
static inline __must_check bool spin_trylock(spinlock_t *l)
{
	if (!ticket_trylock(&l->ticket))
		return false;
	lock_check_acquire(l->class, l, LOCK_SPIN | LOCK_TRY);
	return true;
}

static inline void spin_unlock(spinlock_t *l)
{
	lock_check_release(l->class, l, LOCK_SPIN);
	ticket_unlock(&l->ticket);
}

static inline bool spin_is_locked(const spinlock_t *l)
{
	return ticket_is_locked(&l->ticket);
}

static inline unsigned long spin_lock_irqsave(spinlock_t *l)
{
	unsigned long flags = local_irq_save();
	spin_lock(l);
	return flags;
}
static inline void spin_unlock_irqrestore(spinlock_t *l, unsigned long flags)
{
	spin_unlock(l);
	local_irq_restore(flags);
}

/* guard_spin(&l); guard_irq(&l); the lock is held (with interrupts off) from here to the end of the
 * block, whichever way that is left. A returned expression is evaluated before. */
struct spin_guard {
	spinlock_t *lock;
	unsigned long flags;
};
static inline void spin_guard_end(struct spin_guard *g)
{
	spin_unlock(g->lock);
}
static inline void irq_guard_end(struct spin_guard *g)
{
	spin_unlock_irqrestore(g->lock, g->flags);
}
#define guard_spin(l)                                                                 \
	struct spin_guard JOIN(guard, __LINE__) __cleanup(spin_guard_end) = {(l), 0}; \
	spin_lock(JOIN(guard, __LINE__).lock)
#define guard_irq(l)                                                                 \
	struct spin_guard JOIN(guard, __LINE__) __cleanup(irq_guard_end) = {(l), 0}; \
	JOIN(guard, __LINE__).flags = spin_lock_irqsave(JOIN(guard, __LINE__).lock)

/* For the first line of an x_locked() function. In debug builds: held by the running thread. */
static inline void assert_spin_held(const spinlock_t *l)
{
	debug_assert(spin_is_locked(l) && lock_check_held(l));
	(void)l;
}
