/* SPDX-License-Identifier: MIT */
/*
 * Atomic integers and bits. Read-modify-write operations that return a value are full barriers, as
 * they are on x86; atomic_read/atomic_set are relaxed.
 */
#pragma once

#include <kernel/lib/race.h>
#include <kernel/lib/types.h>

typedef struct {
	int counter;
} atomic_t;
typedef struct {
	long counter;
} atomic_long_t;

#define ATOMIC_INIT(i) \
	{              \
		(i)    \
	}

#define DEFINE_ATOMIC_OPS(prefix, atype, itype)                                              \
	static inline itype prefix##_read(const atype *v)                                    \
	{                                                                                    \
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);                       \
	}                                                                                    \
	static inline void prefix##_set(atype *v, itype i)                                   \
	{                                                                                    \
		__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);                          \
	}                                                                                    \
	static inline void prefix##_add(itype i, atype *v)                                   \
	{                                                                                    \
		__atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST);                        \
	}                                                                                    \
	static inline void prefix##_sub(itype i, atype *v)                                   \
	{                                                                                    \
		__atomic_fetch_sub(&v->counter, i, __ATOMIC_SEQ_CST);                        \
	}                                                                                    \
	static inline void prefix##_or(itype i, atype *v)                                    \
	{                                                                                    \
		__atomic_fetch_or(&v->counter, i, __ATOMIC_SEQ_CST);                         \
	}                                                                                    \
	static inline void prefix##_and(itype i, atype *v)                                   \
	{                                                                                    \
		__atomic_fetch_and(&v->counter, i, __ATOMIC_SEQ_CST);                        \
	}                                                                                    \
	static inline void prefix##_inc(atype *v)                                            \
	{                                                                                    \
		prefix##_add(1, v);                                                          \
	}                                                                                    \
	static inline void prefix##_dec(atype *v)                                            \
	{                                                                                    \
		prefix##_sub(1, v);                                                          \
	}                                                                                    \
	static inline itype prefix##_add_return(itype i, atype *v)                           \
	{                                                                                    \
		race_point();                                                                \
		return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);                 \
	}                                                                                    \
	static inline itype prefix##_inc_return(atype *v)                                    \
	{                                                                                    \
		return prefix##_add_return(1, v);                                            \
	}                                                                                    \
	static inline itype prefix##_dec_return(atype *v)                                    \
	{                                                                                    \
		return prefix##_add_return(-1, v);                                           \
	}                                                                                    \
	static inline bool prefix##_dec_and_test(atype *v)                                   \
	{                                                                                    \
		race_point();                                                                \
		return __atomic_sub_fetch(&v->counter, 1, __ATOMIC_SEQ_CST) == 0;            \
	}                                                                                    \
	static inline bool prefix##_cmpxchg(atype *v, itype old, itype new_)                 \
	{                                                                                    \
		race_point();                                                                \
		return __atomic_compare_exchange_n(&v->counter, &old, new_, false,           \
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
	}                                                                                    \
	static inline itype prefix##_xchg(atype *v, itype new_)                              \
	{                                                                                    \
		race_point();                                                                \
		return __atomic_exchange_n(&v->counter, new_, __ATOMIC_SEQ_CST);             \
	}                                                                                    \
	/* Takes a reference unless the count has already reached 0. */                      \
	static inline __must_check bool prefix##_inc_not_zero(atype *v)                      \
	{                                                                                    \
		itype old = prefix##_read(v);                                                \
		race_point();                                                                \
		while (old)                                                                  \
			if (__atomic_compare_exchange_n(&v->counter, &old, old + 1, false,   \
							__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) \
				return true;                                                 \
		return false;                                                                \
	}

DEFINE_ATOMIC_OPS(atomic, atomic_t, int)
DEFINE_ATOMIC_OPS(atomic_long, atomic_long_t, long)

/* Bits of an array of unsigned long. The plain forms are atomic, the __ forms are not. */
static inline bool test_bit(unsigned int nr, const unsigned long *addr)
{
	return (READ_ONCE(addr[nr / 64]) >> (nr % 64)) & 1;
}
static inline bool test_and_set_bit(unsigned int nr, unsigned long *addr)
{
	return (__atomic_fetch_or(&addr[nr / 64], 1UL << (nr % 64), __ATOMIC_SEQ_CST) >>
		(nr % 64)) &
	       1;
}
static inline void __set_bit(unsigned int nr, unsigned long *addr)
{
	addr[nr / 64] |= 1UL << (nr % 64);
}
static inline void __clear_bit(unsigned int nr, unsigned long *addr)
{
	addr[nr / 64] &= ~(1UL << (nr % 64));
}

static inline void smp_mb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
#define smp_load_acquire(p)     __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
