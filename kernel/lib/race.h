/* SPDX-License-Identifier: MIT */
/*
 * Where another CPU may come in between: before a lock or an atomic decides, after a lock was let go,
 * before and after an interrupt to another CPU. With race=SEED on the command line of a debug build
 * each such point sometimes waits for a little, which makes rare orders of events common.
 */
#pragma once

#include <kernel/lib/types.h>

#ifdef CONFIG_DEBUG
extern bool race_enabled; /* (c) */
void race_delay(void);
static inline void race_point(void)
{
	if (unlikely(race_enabled))
		race_delay();
}
#else
static inline void race_point(void)
{
}
#endif

void race_init(void); /* race=SEED */
