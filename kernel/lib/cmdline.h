/* SPDX-License-Identifier: MIT */
/*
 * The kernel command line: words separated by spaces, `key`, `key=value` or `key="a value"`. Words
 * behind `--` are init's. Of several with the same key the last counts.
 */
#pragma once

#include <kernel/lib/types.h>

/* Keeps a pointer; called once before anything asks. */
void cmdline_init(const char *cmdline);
/* The whole line as it was given. */
const char *boot_cmdline(void);

/* Is the key there, with or without a value? The value ("" if it has none), cut to n - 1 bytes,
 * goes to buf, which may be NULL with n = 0. */
bool cmdline_get(const char *key, char *buf, size_t n);
/* A number as strtoull(3) with base 0, or the default if the key is missing or no number. */
long cmdline_long(const char *key, long def);
/* A size with an optional K, M, G. */
u64 cmdline_size(const char *key, u64 def);
/* key, key=1, key=y, key=on: true; key=0, key=n, key=off: false. */
bool cmdline_bool(const char *key, bool def);

/* Walks the words: *pos starts as NULL. Copies the next word, without its quotes, to buf (cut to
 * n - 1 bytes) and sets *for_init if it stands behind `--`; false at the end. */
bool cmdline_next_word(const char **pos, char *buf, size_t n, bool *for_init);
