/* SPDX-License-Identifier: MIT */
/* Random bytes: getrandom(2), /dev/urandom, stack canaries, AT_RANDOM. */
#pragma once

#include <kernel/lib/types.h>

/* Any context. */
void get_random_bytes(void *buf, size_t n);
u64 get_random_u64(void);
