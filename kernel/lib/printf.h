/* SPDX-License-Identifier: MIT */
/*
 * Formatted text. The C library's printf without floating point and %n, and with:
 *
 *	%p	a pointer, 16 digits (%px is the same; addresses are no secret here)
 *	%pS	a kernel text address as symbol+0xoffset/0xsize; %ps: the name only
 *
 * Flags - 0 + space #; width and precision as numbers or *; h hh l ll z j t; d i u o x X c s %.
 */
#pragma once

#include <kernel/lib/types.h>

#ifdef OCTAVO_HOST
#include <stdio.h>
#else
/* The length the whole text would have; at most n bytes are written, with the NUL (n > 0). */
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap) __printf(3, 0);
int snprintf(char *buf, size_t n, const char *fmt, ...) __printf(3, 4);
#endif

/* The length that was written, without the NUL: for appending. */
int scnprintf(char *buf, size_t n, const char *fmt, ...) __printf(3, 4);
int vscnprintf(char *buf, size_t n, const char *fmt, va_list ap) __printf(3, 0);
