/* SPDX-License-Identifier: MIT */
/*
 * The bare ticket lock under every spinlock: two bytes, no checking. Used as it is only by the
 * scheduler, wait queues and timers (which the lock checker itself stands on) and by the log;
 * everything else takes a spinlock_t (kernel/sync/spinlock.h).
 *
 * Who comes draws a number, and is served by it: fair and bounded. But under a hypervisor nobody stands
 * in line, as in Linux (virt_spin_lock()): there the next in line is often not running, and all behind
 * it would wait for the host's scheduler (4 processors on 2 busy ones: threads that map and unmap were
 * five to ten times slower). So who finds that it must wait gives its number back, from the last in
 * line on, and takes the lock when it sees it free.
 */
#pragma once

#include <kernel/lib/race.h>
#include <kernel/lib/types.h>

struct ticket_lock {
	u8 owner; /* the ticket that may enter */
	u8 next;  /* the ticket for the next who comes */
} __aligned(2);

#define TICKET_NEXT_ONE 0x100 /* next is the upper byte */

/* Both halves at once: the lock may be taken and released 256 times between a look and the exchange,
 * and by one half alone it would look as before. */
static inline __must_check bool ticket_trylock(struct ticket_lock *l)
{
	u16 was = __atomic_load_n((u16 *)l, __ATOMIC_RELAXED);

	race_point();
	return (u8)was == (u8)(was >> 8) &&
	       __atomic_compare_exchange_n((u16 *)l, &was, (u16)(was + TICKET_NEXT_ONE), false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Does who must wait stand in line? Set once at boot (kernel/x86/cpufeature.c). */
extern bool ticket_line;
void ticket_lock_wait(struct ticket_lock *l, u8 ticket);

/* ticket_lock_wait(), of which the compiler need not know that it is a call: the way there saves every
 * register (kernel/x86/ticket_lock.S). Locks are taken often and seldom waited for, and a function that
 * calls nothing else needs no frame. */
static __always_inline void ticket_lock_slow(struct ticket_lock *l, u8 ticket)
{
#ifdef __OCTAVO__
	__asm__ __volatile__("call ticket_lock_save_wait" : : "D"(l), "a"(ticket) : "memory", "cc");
#else
	ticket_lock_wait(l, ticket);
#endif
}

static inline void ticket_lock(struct ticket_lock *l)
{
	u32 was = TICKET_NEXT_ONE;
	bool wait;

	race_point();
#ifdef __OCTAVO__ /* the compiler would take the bytes apart to compare them */
	__asm__ __volatile__("lock xaddw %w1, %2\n\tcmpb %b1, %h1"
			     : "=@ccne"(wait), "+Q"(was), "+m"(*l)
			     :
			     : "memory");
#else
	was = __atomic_fetch_add((u16 *)l, (u16)was, __ATOMIC_ACQUIRE);
	wait = (u8)was != (u8)(was >> 8);
#endif
	if (unlikely(wait))
		ticket_lock_slow(l, (u8)(was >> 8));
}

static inline void ticket_unlock(struct ticket_lock *l)
{
#ifdef __OCTAVO__
	/* Only the holder writes it. One instruction, of which the compiler would make three. */
	__asm__ __volatile__("incb %0" : "+m"(l->owner) : : "memory", "cc");
#else
	__atomic_store_n(&l->owner, (u8)(l->owner + 1), __ATOMIC_RELEASE);
#endif
	race_point();
}

static inline bool ticket_is_locked(const struct ticket_lock *l)
{
	u16 both = __atomic_load_n((const u16 *)l, __ATOMIC_RELAXED);

	return (u8)both != (u8)(both >> 8);
}
