/* SPDX-License-Identifier: MIT */
/* Waiting for a bare lock: ticket_lock.h. */
#include <kernel/lib/ticket_lock.h>

bool ticket_line = true;

/* The last in line leaves it. False: there is one behind, or it is our turn. */
static bool give_back(struct ticket_lock *l, u8 ticket)
{
	u16 was = __atomic_load_n((u16 *)l, __ATOMIC_RELAXED);
	u8 owner = (u8)was, next = (u8)(was >> 8);

	return owner != ticket && next == (u8)(ticket + 1) &&
	       __atomic_compare_exchange_n((u16 *)l, &was, (u16)(was - TICKET_NEXT_ONE), false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

__noinline void ticket_lock_wait(struct ticket_lock *l, u8 ticket)
{
	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket) {
		if (!ticket_line && give_back(l, ticket)) {
			while (!ticket_trylock(l))
				__builtin_ia32_pause();
			return;
		}
		__builtin_ia32_pause();
	}
}
