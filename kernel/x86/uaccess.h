/* SPDX-License-Identifier: MIT */
/*
 * Access to user memory. Each access may fault: the page is then brought in (which may sleep), and
 * only if that fails does the access stop short. With page faults disabled (pagefault_disable())
 * nothing is brought in and nothing sleeps.
 *
 * DESIGN.md 9.4: never call the sleeping forms with mmap_lock, a page lock or a spinlock held.
 */
#pragma once

#include <kernel/lib/errno.h>
#include <kernel/lib/types.h>
#include <kernel/x86/percpu.h>

/* The first address that no user may have: one page under the end of the lower half, so that a
 * sysret never meets a non-canonical rip. */
#define TASK_SIZE 0x00007ffffffff000UL

static inline bool access_ok(const void __user *p, size_t n)
{
	return n <= TASK_SIZE && (unsigned long)p <= TASK_SIZE - n;
}

/* While it is above 0, a fault on user memory fails at once. A per-CPU count will do: nothing sleeps
 * meanwhile (might_sleep() looks). */
DECLARE_PER_CPU(int, pagefault_disabled);

static inline void pagefault_disable(void)
{
	this_cpu_inc(pagefault_disabled);
	barrier();
}
static inline void pagefault_enable(void)
{
	barrier();
	this_cpu_dec(pagefault_disabled);
}

/* Return the number of bytes NOT copied (0: all). A short copy_from_user leaves the rest of dst as
 * it was: callers return -EFAULT or the partial count. */
size_t copy_from_user(void *dst, const void __user *src, size_t n) __must_check;
size_t copy_to_user(void __user *dst, const void *src, size_t n) __must_check;
size_t clear_user(void __user *dst, size_t n) __must_check;

/* The same with page faults disabled; safe under any lock. */
size_t copy_from_user_nofault(void *dst, const void __user *src, size_t n) __must_check;
size_t copy_to_user_nofault(void __user *dst, const void *src, size_t n) __must_check;
/* Reads n bytes at a kernel address that may be bad (for backtraces and oopses). */
size_t copy_from_kernel_nofault(void *dst, const void *src, size_t n) __must_check;

/* Touches one byte of every page of the range (write: also dirties it, without changing it), so
 * that a following _nofault copy is likely to succeed. 0 or -EFAULT. Sleeps. */
int fault_in_readable(const void __user *p, size_t n) __must_check;
int fault_in_writeable(void __user *p, size_t n) __must_check;

/* Copies a NUL-terminated string of at most n bytes with its NUL. Returns its length without the
 * NUL, n if there was none within n bytes, -EFAULT. */
long strncpy_from_user(char *dst, const char __user *src, long n) __must_check;
/* Length with the NUL, n + 1 or more if longer than n, 0 on a fault. */
long strnlen_user(const char __user *s, long n);

/* Atomic compare-exchange of a user word, faults disabled (futexes): 0 and *old filled, or -EFAULT. */
int cmpxchg_user_u32_nofault(u32 __user *p, u32 expect, u32 val, u32 *old) __must_check;
int get_user_u32_nofault(u32 *val, const u32 __user *p) __must_check;

/* x = *p and *p = x for scalars: 0 or -EFAULT. */
#define get_user(x, p)                                                               \
	({                                                                           \
		union {                                                              \
			__typeof__(*(p)) v; /* may be const */                       \
			char bytes[sizeof(*(p))];                                    \
		} _gu = {.bytes = {0}};                                              \
		int _ge = copy_from_user(_gu.bytes, (p), sizeof(_gu)) ? -EFAULT : 0; \
		(x) = _gu.v;                                                         \
		_ge;                                                                 \
	})
#define put_user(x, p)                                              \
	({                                                          \
		__typeof__(*(p)) _pu = (x);                         \
		copy_to_user((p), &_pu, sizeof(_pu)) ? -EFAULT : 0; \
	})
