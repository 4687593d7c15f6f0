/* SPDX-License-Identifier: MIT */
/*
 * Time and timers. ktime_get() counts nanoseconds from boot by the TSC; timers run their function
 * from the timer interrupt of the CPU that armed them (interrupts off: it may wake threads and send
 * signals under spinlocks that are taken with interrupts off, and nothing else).
 */
#pragma once

#include <kernel/lib/rbtree.h>
#include <kernel/lib/types.h>

struct timer {
	struct rb_node node;
	ktime_t expires; /* ns of ktime_get() */
	void (*fn)(struct timer *t);
	bool queued;
	unsigned int cpu;
};

#define TICK_NSEC 10000000LL /* the periodic tick: 100 Hz, as USER_HZ */
#define HZ        100

ktime_t ktime_get(void);      /* CLOCK_MONOTONIC */
ktime_t ktime_get_real(void); /* CLOCK_REALTIME: RTC at boot + ktime_get() */
void ktime_set_real(ktime_t now);

void timer_init(struct timer *t, void (*fn)(struct timer *t));
/* (Re)arms t. A time in the past fires at the next interrupt. */
void timer_start(struct timer *t, ktime_t expires);
/* Disarms t; true if it was armed. On return its function is not running on another CPU. */
bool timer_cancel(struct timer *t);
/* From the timer interrupt: runs what is due, returns when the next one is (KTIME_MAX: none). */
ktime_t timers_run(ktime_t now);
#define KTIME_MAX INT64_MAX
/* Set by the machine: makes the running CPU's timer interrupt come at `next` at the latest. */
extern void (*timer_hw_program)(ktime_t next);
/* Sets CLOCK_REALTIME's distance from CLOCK_MONOTONIC at boot: seconds since 1970 from the RTC. */
void timekeeping_init(s64 rtc_seconds);

/* Sleeps in the state that the caller set with set_current_state(), until woken or until the
 * absolute time. Returns ns left (<= 0: timed out). KTIME_MAX: no limit. */
ktime_t schedule_timeout_until(ktime_t expires);
