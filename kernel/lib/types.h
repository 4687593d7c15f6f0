/* SPDX-License-Identifier: MIT */
/*
 * Integer and address types, attributes and the few macros that everything uses. Leaf header: it
 * is also compiled on the host, by tests/host.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef unsigned long paddr_t; /* a physical address */
typedef unsigned long vaddr_t; /* a virtual address as a number, user or kernel */
typedef unsigned long pfn_t;   /* a physical address / PAGE_SIZE */
typedef unsigned int gfp_t;    /* allocation flags: mm/gfp.h */

typedef s64 loff_t;
typedef s64 ktime_t; /* nanoseconds */
typedef u32 kuid_t;
typedef u32 kgid_t;
typedef u32 kmode_t;
typedef u64 kdev_t; /* major << 8 | minor, as Linux's new_encode_dev() for small numbers */

#ifdef OCTAVO_HOST
#include <sys/types.h>
#else
typedef long ssize_t;
typedef int pid_t;
#endif

#define __user       /* a user pointer: touched through kernel/x86/uaccess.h only */
#define __must_check __attribute__((warn_unused_result))
#define __packed     __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __section(s) __attribute__((section(s)))
#define __used       __attribute__((used))
#define __unused     __attribute__((unused))
#define __noreturn   __attribute__((noreturn))
#define __noinline   __attribute__((noinline))
#undef __always_inline /* the host's C library has one */
#define __always_inline inline __attribute__((always_inline))
#define __weak          __attribute__((weak))
/* fn(&variable) when the variable goes out of scope, whichever way. */
#define __cleanup(fn)  __attribute__((cleanup(fn)))
#define __printf(f, a) __attribute__((format(printf, f, a)))

#define likely(x)        __builtin_expect(!!(x), 1)
#define unlikely(x)      __builtin_expect(!!(x), 0)
#define barrier()        __asm__ __volatile__("" ::: "memory")
#define READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#define __JOIN(a, b)  a##b
#define JOIN(a, b)    __JOIN(a, b)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)((char *)(__typeof__(((type *)0)->member) *)(ptr)-offsetof(type, member)))
#define min(a, b)                       \
	({                              \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a < _b ? _a : _b;      \
	})
#define max(a, b)                       \
	({                              \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a > _b ? _a : _b;      \
	})
#define swap(a, b)                      \
	do {                            \
		__typeof__(a) _t = (a); \
		(a) = (b);              \
		(b) = _t;               \
	} while (0)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define ALIGN_DOWN(x, a)   ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN(x, a)        ALIGN_DOWN((x) + ((__typeof__(x))(a)-1), a)
#define IS_ALIGNED(x, a)   (((x) & ((__typeof__(x))(a)-1)) == 0)
#define BIT(n)             (1UL << (n))

#define NSEC_PER_SEC  1000000000LL
#define NSEC_PER_USEC 1000LL
#define NSEC_PER_MSEC 1000000LL

/* Pointers that may hold a negative errno in their last 4095 values. */
#define MAX_ERRNO 4095
static inline bool IS_ERR(const void *p)
{
	return (unsigned long)p >= (unsigned long)-MAX_ERRNO;
}
static inline bool IS_ERR_OR_NULL(const void *p)
{
	return !p || IS_ERR(p);
}
static inline void *ERR_PTR(long error)
{
	return (void *)error;
}
static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}
static inline unsigned int ilog2(unsigned long n)
{
	return 63 - (unsigned int)__builtin_clzl(n);
}
