/* SPDX-License-Identifier: MIT */
/* The kernel's own symbols, for backtraces. scripts/kallsyms.py makes the table from the link. */
#pragma once

#include <kernel/lib/types.h>

/* The function that addr lies in, its offset there and the function's size (to the next symbol);
 * NULL if addr is not kernel text. Either pointer may be NULL. */
const char *kallsyms_lookup(unsigned long addr, unsigned long *offset, unsigned long *size);
/* The i-th function by address and its address; NULL: no more. */
const char *kallsyms_get(u32 i, unsigned long *addr);
