/* SPDX-License-Identifier: MIT */
/* Waiting for a bare lock: ticket_lock.h. */
#include <kernel/lib/ticket_lock.h>

bool ticket_line = true;

__noinline void ticket_lock_wait(struct ticket_lock *l)
{
	u8 ticket;

	while (!ticket_line) {
		__builtin_ia32_pause();
		if (ticket_trylock(l))
			return;
	}
	ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_ACQUIRE);
	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket)
		__builtin_ia32_pause();
}
