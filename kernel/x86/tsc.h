/* SPDX-License-Identifier: MIT */
/* The time-stamp counter as the clock. */
#pragma once

#include <kernel/lib/types.h>
#include <kernel/x86/cpu.h>

/* Finds the counter's frequency; from here on tsc_to_ns() works. */
void tsc_init(void);

extern u64 tsc_khz;
extern u64 tsc_base; /* the counter at tsc_init(): time 0 */
extern u64 tsc_mult; /* ns = (ticks * tsc_mult) >> 32 */

/* Nanoseconds from tsc_init() to a reading of the counter. */
static inline u64 tsc_to_ns(u64 tsc)
{
	return (u64)(((unsigned __int128)(tsc - tsc_base) * tsc_mult) >> 32);
}
/* The other way: counter ticks in so many nanoseconds. */
u64 ns_to_tsc_ticks(u64 ns);

/* Waits, spinning. */
void udelay(u64 usec);
