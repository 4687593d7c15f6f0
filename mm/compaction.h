/* SPDX-License-Identifier: MIT */
/*
 * Compaction: large free blocks out of small ones.
 */
#pragma once

#include <mm/gfp.h>

/* 0 to 1000: a zone whose fragmentation index is not above it is left to reclaim. 1000: all are. */
extern int sysctl_extfrag_threshold;

/* For an allocation of order > 0 that found no block: true if there is one now. Sleeps. */
bool try_to_compact(gfp_t gfp, unsigned int order);
/* All zones, as far as it goes. Sleeps. */
void compact_memory(void);
