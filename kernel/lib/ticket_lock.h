/* SPDX-License-Identifier: MIT */
/*
 * The bare ticket lock under every spinlock: fair, two bytes, no checking. Used as it is only by the
 * scheduler, wait queues and timers (which the lock checker itself stands on) and by the log;
 * everything else takes a spinlock_t (kernel/sync/spinlock.h).
 */
#pragma once

#include <kernel/lib/types.h>

struct ticket_lock {
	u8 next;  /* the next ticket to hand out */
	u8 owner; /* the ticket that may enter */
};

static inline void ticket_lock(struct ticket_lock *l)
{
	u8 ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_ACQUIRE);

	while (unlikely(__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket))
		__builtin_ia32_pause();
}

static inline __must_check bool ticket_trylock(struct ticket_lock *l)
{
	u8 ticket = __atomic_load_n(&l->owner, __ATOMIC_RELAXED);

	return __atomic_compare_exchange_n(&l->next, &ticket, (u8)(ticket + 1), false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void ticket_unlock(struct ticket_lock *l)
{
	__atomic_store_n(&l->owner, (u8)(l->owner + 1), __ATOMIC_RELEASE);
}

static inline bool ticket_is_locked(const struct ticket_lock *l)
{
	return READ_ONCE(l->next) != READ_ONCE(l->owner);
}
