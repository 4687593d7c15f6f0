/* SPDX-License-Identifier: MIT */
#pragma once

#include <kernel/lib/types.h>

/* Sorts n elements of the given size in place, without recursion or memory (heapsort; not stable).
 * cmp as qsort's. */
void sort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b));
