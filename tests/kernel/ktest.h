/* SPDX-License-Identifier: MIT */
/*
 * Tests inside the kernel.
 *
 *	KTEST(slab, double_free, "a freed object handed out twice")
 *	{
 *		void *p = kmalloc(64, GFP_KERNEL);
 *		CHECK(p);
 *		...
 *	}
 *
 * Every test says which mistake it is there to catch. It runs in a kernel thread of its own, twice;
 * after the second run the ledger of memory by owner (DESIGN.md 9.13) must be what it was after the
 * first, and the structure checkers must find nothing. Run by ktest= on the command line, or from the prompt through
 * /proc/octavo/ktest.
 */
#pragma once

#include <kernel/lib/bug.h>
#include <kernel/lib/types.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>

struct ktest {
	const char *suite, *name;
	const char *catches; /* the mistake */
	void (*fn)(void);
	unsigned int min_mb; /* skipped with less RAM than this */
};

#define KTEST_MIN(s, n, mb, why)                                                           \
	static void ktest_##s##_##n(void);                                                 \
	static const struct ktest __ktest_##s##_##n __used __section("__ktests")           \
		__aligned(__alignof__(struct ktest)) = {/* an array: no padding between */ \
							#s, #n, why, ktest_##s##_##n, mb}; \
	static void ktest_##s##_##n(void)
#define KTEST(s, n, why) KTEST_MIN(s, n, 0, why)

void ktest_fail(const char *file, int line, const char *fmt, ...) __printf(3, 4);
void ktest_skip(const char *reason);
bool ktest_failed(void); /* the running test, so far */

/* A failed CHECK ends the test function; a failed EXPECT lets it go on (to clean up). */
#define EXPECT(e)                                                 \
	({                                                        \
		bool _ok = !!(e);                                 \
		if (!_ok)                                         \
			ktest_fail(__FILE__, __LINE__, "%s", #e); \
		_ok;                                              \
	})
#define CHECK(e)                \
	do {                    \
		if (!EXPECT(e)) \
			return; \
	} while (0)
#define EXPECT_EQ(a, b)                                                                            \
	({                                                                                         \
		long _a = (long)(a), _b = (long)(b);                                               \
		if (_a != _b)                                                                      \
			ktest_fail(__FILE__, __LINE__,                                             \
				   "%s is %ld (0x%lx), expected %s = %ld (0x%lx)", #a, _a, _a, #b, \
				   _b, _b);                                                        \
		_a == _b;                                                                          \
	})
#define CHECK_EQ(a, b)                \
	do {                          \
		if (!EXPECT_EQ(a, b)) \
			return;       \
	} while (0)

/* Deterministic for a given ktest.seed=, different for each test. */
u64 ktest_random(void);
static inline u64 ktest_random_below(u64 n)
{
	return ktest_random() % n;
}

/* For what lies on the stack of the one who waits: *done becomes true with the queue's lock held, and
 * who saw it waits for the lock, so that nothing touches either afterwards. */
struct wait_queue;
void ktest_complete(struct wait_queue *wq, bool *done);
void ktest_wait(struct wait_queue *wq, const bool *done);

/* Comes true within ten seconds, which is never needed where things are right. */
#define SOON(cond)                                              \
	({                                                      \
		ktime_t _end = ktime_get() + 10 * NSEC_PER_SEC; \
		bool _is;                                       \
		while (!(_is = (cond)) && ktime_get() < _end)   \
			sched_yield();                          \
		_is;                                            \
	})

/* Runs fn(arg) in a thread that has a fresh, empty user address space. */
void ktest_with_mm(void (*fn)(void *arg), void *arg);
