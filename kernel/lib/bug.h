/* SPDX-License-Identifier: MIT */
/*
 * What to do about a broken invariant. Shortage and bad user input are results, never reasons for
 * these.
 */
#pragma once

#include <kernel/lib/types.h>

/* Prints the message, the backtrace and the CPU's state, then stops (or, under test, exits QEMU; or
 * restarts after panic= seconds). May be called from any context. */
void panic(const char *fmt, ...) __noreturn __printf(1, 2);

/* Prints a message and a backtrace and goes on. */
void warn_slow(const char *file, int line, const char *fmt, ...) __printf(3, 4);

void assert_failed(const char *expr, const char *file, int line, const char *func) __noreturn;

/* An invariant of the kernel, checked in every build. */
#define assert(e) (likely(e) ? (void)0 : assert_failed(#e, __FILE__, __LINE__, __func__))

/* An invariant that is too dear to check on a release build's hot path. */
#ifdef CONFIG_DEBUG
#define debug_assert(e) assert(e)
#else
#define debug_assert(e) ((void)sizeof(!(e)))
#endif

#define static_assert_size(type, n) \
	_Static_assert(sizeof(type) == (n), #type " must be " #n " bytes")

/* Debug builds: panics if the running thread may not sleep here: it holds a spinlock, or this is an
 * interrupt handler. */
#ifndef OCTAVO_HOST
#ifdef CONFIG_DEBUG
void might_sleep(void);
#else
static inline void might_sleep(void)
{
}
#endif
#endif

#define WARN_ON(e)                                                        \
	({                                                                \
		bool _w = !!(e);                                          \
		if (unlikely(_w))                                         \
			warn_slow(__FILE__, __LINE__, "WARN_ON(%s)", #e); \
		_w;                                                       \
	})
#define WARN_ON_ONCE(e)                                                   \
	({                                                                \
		static bool _once;                                        \
		bool _w = !!(e);                                          \
		if (unlikely(_w && !_once)) {                             \
			_once = true;                                     \
			warn_slow(__FILE__, __LINE__, "WARN_ON(%s)", #e); \
		}                                                         \
		_w;                                                       \
	})
