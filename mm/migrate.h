/* SPDX-License-Identifier: MIT */
/*
 * Moving pages in use to other frames.
 */
#pragma once

#include <mm/page.h>

#define MIGRATE_BATCH 32 /* pages between two flushes of all CPUs */

/* Where to: get() gives a page that nobody knows, with a reference, or NULL. What is not used is put. */
struct migrate_target {
	struct page *(*get)(struct migrate_target *to);
};

/* Moves up to MIGRATE_BATCH isolated pages: returns how many. What cannot be moved (it is locked, under
 * I/O, or somebody has a reference) is put back, at once and for good. Sleeps; waits for no page lock. */
unsigned int migrate_pages(struct page **pages, unsigned int n, struct migrate_target *to);
