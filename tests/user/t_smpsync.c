/* SPDX-License-Identifier: MIT */
/*
 * What threads on several processors agree by: futexes, memory barriers, and clocks.
 */
#include "smp.h"

#include <linux/membarrier.h>

enum { THREADS = 8 };

/*
 * Futexes: what the wakers were told must be what the waiters saw.
 */
static unsigned words[2];
static long slept, woken, moved, stop;

static void *wait_on(void *arg)
{
	unsigned long rand = 11 + (long)arg;

	while (!smp_get(&stop)) {
		unsigned *p = &words[smp_rand(&rand) % 2];

		if (smp_futex(p, FUTEX_WAIT_PRIVATE, smp_get(p), 0, NULL, 0) == 0)
			smp_add(&slept, 1);
		else
			CHECK_EQ(errno, EAGAIN);
	}
	return NULL;
}

static long wake(unsigned *p, int n)
{
	long r = smp_futex(p, FUTEX_WAKE_PRIVATE, n, 0, NULL, 0);

	CHECK(r >= 0 && r <= n);
	smp_add(&woken, r);
	return r;
}

/* Half of the words' values change before the wake, so waits are refused, too. */
static void *wake_on(void *arg)
{
	unsigned long rand = 22 + (long)arg;

	while (!smp_get(&stop)) {
		unsigned i = smp_rand(&rand) % 2, *p = &words[i], *q = &words[1 - i];

		if (smp_rand(&rand) % 2)
			smp_add(p, 1);
		if (smp_rand(&rand) % 4) {
			wake(p, 1 + smp_rand(&rand) % 3);
		} else {
			unsigned v = smp_get(p);
			long r = smp_futex(p, FUTEX_CMP_REQUEUE_PRIVATE, 1, 2, q, v);

			/* it counts those woken and those moved: at most one was woken */
			if (r > 0) {
				smp_add(&woken, 1);
				smp_add(&moved, r - 1);
			} else if (r < 0) {
				CHECK_EQ(errno, EAGAIN);
			}
		}
	}
	return NULL;
}

TEST(futex, "futexes: wakes that nobody had, waits that nobody ended, or one lost in a requeue")
{
	pthread_t t[THREADS], w[2];
	long end = ut_now_ms() + (smp_cpus() > 1 ? 3000 : 100);

	for (long i = 0; i < THREADS; i++)
		t[i] = smp_start(wait_on, (void *)i);
	for (long i = 0; i < 2; i++)
		w[i] = smp_start(wake_on, (void *)i);
	while (ut_now_ms() < end)
		ut_msleep(5);
	smp_set(&stop, 1);
	for (int i = 0; i < 2; i++)
		smp_join(w[i]);
	for (int alive = 1; alive;) {
		alive = 0;
		smp_add(&words[0], 1);
		smp_add(&words[1], 1);
		alive += wake(&words[0], 99) + wake(&words[1], 99) > 0;
		for (int i = 0; i < THREADS; i++)
			if (t[i]) {
				alive += pthread_tryjoin_np(t[i], NULL) != 0 || !(t[i] = 0);
				sched_yield();
			}
	}
	CHECK_EQ(slept, woken);
	CHECK(slept > 0);
}

/* Each waits for its turn by its own word, the next one is woken: a wake lost is a hang. */
static unsigned turns[THREADS];

static void *pass_on(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < 500; i++) {
		while (smp_get(&turns[me]) == 0)
			smp_futex(&turns[me], FUTEX_WAIT_PRIVATE, 0, 0, NULL, 0);
		smp_set(&turns[me], 0);
		smp_set(&turns[(me + 1) % THREADS], 1);
		smp_futex(&turns[(me + 1) % THREADS], FUTEX_WAKE_PRIVATE, 1, 0, NULL, 0);
	}
	return NULL;
}

TEST(ring, "a wake-up lost between the look at the word and the sleep")
{
	pthread_t t[THREADS];

	for (long i = 0; i < THREADS; i++)
		t[i] = smp_start(pass_on, (void *)i);
	smp_set(&turns[0], 1);
	smp_futex(&turns[0], FUTEX_WAKE_PRIVATE, 1, 0, NULL, 0);
	for (int i = 0; i < THREADS; i++)
		smp_join(t[i]);
}

/*
 * membarrier. Two threads each store to their word and then load the other's. A processor keeps
 * stores back, so both may load 0. If one of them has a membarrier in between, which also stands
 * in the other's place, never.
 */
static struct {
	_Alignas(64) int x;
	_Alignas(64) int y;
	_Alignas(64) int seen_x;
	_Alignas(64) int round;
	_Alignas(64) int ready;
} sb;

#define barrier() __asm__ volatile("" ::: "memory")

static void *fast_side(void *arg)
{
	smp_pin(1);
	for (int round = 1;; round++) {
		int go;

		smp_wait_until((go = smp_get(&sb.round)) == round || go < 0);
		if (go < 0)
			return arg;
		*(volatile int *)&sb.y = 1;
		barrier(); /* the compiler's only */
		sb.seen_x = *(volatile int *)&sb.x;
		smp_set(&sb.ready, round);
	}
}

static int store_buffering(int cmd)
{
	pthread_t t = smp_start(fast_side, NULL);
	int weak = 0;

	smp_pin(0);
	for (int i = 1; smp_more(i, 200, 3000); i++) {
		sb.x = sb.y = 0;
		smp_set(&sb.round, i);
		*(volatile int *)&sb.x = 1;
		OK(syscall(SYS_membarrier, cmd, 0, 0));
		int seen_y = *(volatile int *)&sb.y;
		smp_wait_until(smp_get(&sb.ready) == i);
		weak += !seen_y && !sb.seen_x;
	}
	smp_set(&sb.round, -1);
	smp_join(t);
	return weak;
}

TEST(membarrier_private, "membarrier(PRIVATE_EXPEDITED) without a barrier on another processor")
{
	NEEDS(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	CHECK_EQ(store_buffering(MEMBARRIER_CMD_PRIVATE_EXPEDITED), 0);
}

TEST(membarrier_global, "membarrier(GLOBAL_EXPEDITED) without a barrier on another processor")
{
	NEEDS(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	CHECK_EQ(store_buffering(MEMBARRIER_CMD_GLOBAL_EXPEDITED), 0);
}

/*
 * Clocks: one thread reads the time and passes it on; no other may then read less.
 */
static long long last_time;

static long long now(int clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void *read_clock(void *cpu)
{
	smp_pin((int)(long)cpu);
	for (int i = 0; i < 3000; i++) {
		long long before = smp_get(&last_time), t = now(CLOCK_MONOTONIC);

		if (t < before) {
			FAIL("%lld ns after %lld ns", t, before);
			break;
		}
		smp_set(&last_time, t); /* an older one may be written: it is a smaller demand */
		if (i % 256 == 0)
			sched_yield();
	}
	return NULL;
}

TEST(clock, "time that runs backwards from one processor to another")
{
	int n = smp_cpus();
	pthread_t t[64];

	for (long i = 0; i < n; i++)
		t[i] = smp_start(read_clock, (void *)i);
	for (int i = 0; i < n; i++)
		smp_join(t[i]);
}

/*
 * Processors
 */
static void *runs_where(void *arg)
{
	for (int i = 0; smp_more(i, 5, 50); i++) {
		cpu_set_t set;
		int cpu;

		smp_pin(i + (int)(long)arg);
		cpu = smp_cpu();
		OK(syscall(SYS_sched_getaffinity, 0, sizeof(set), &set));
		CHECK(CPU_ISSET(cpu, &set));
		CHECK_EQ(CPU_COUNT(&set), 1);
	}
	return NULL;
}

TEST(affinity, "a thread that runs where it may not")
{
	pthread_t t[THREADS];

	smp_cpus();
	for (long i = 0; i < THREADS; i++)
		t[i] = smp_start(runs_where, (void *)i);
	for (int i = 0; i < THREADS; i++)
		smp_join(t[i]);
}

/* A thread that spins is moved by another: away at once, without a call of its own. */
static int mover_tid, where;

static void *spin_where(void *arg)
{
	smp_set(&mover_tid, gettid());
	while (!smp_get(&stop))
		smp_set(&where, smp_cpu());
	return arg;
}

TEST(moved, "a running thread that stays where it is when its mask says elsewhere")
{
	pthread_t t;

	if (smp_cpus() < 2)
		SKIP("needs 2 processors");
	t = smp_start(spin_where, NULL);
	smp_wait_until(smp_get(&mover_tid));
	for (int i = 0; smp_more(i, 5, 100); i++)
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
			cpu_set_t set;

			if (!CPU_ISSET(cpu, &smp_allowed))
				continue;
			CPU_ZERO(&set);
			CPU_SET(cpu, &set);
			OK(sched_setaffinity(mover_tid, sizeof(set), &set));
			smp_wait_until(smp_get(&where) == cpu);
		}
	smp_set(&stop, 1);
	smp_join(t);
}

/* Threads that only compute spread over all processors. */
static unsigned long seen_cpus;

static void *compute(void *arg)
{
	while (!smp_get(&stop)) {
		for (volatile int i = 0; i < 10000; i++)
			;
		__atomic_fetch_or(&seen_cpus, 1UL << smp_cpu(), __ATOMIC_SEQ_CST);
	}
	return arg;
}

TEST(spread, "a processor that stays idle while others have two threads to run")
{
	pthread_t t[64];
	int n = smp_cpus();

	for (int i = 0; i < n; i++)
		t[i] = smp_start(compute, NULL);
	while (__builtin_popcountl(smp_get(&seen_cpus)) < n)
		ut_msleep(1);
	smp_set(&stop, 1);
	for (int i = 0; i < n; i++)
		smp_join(t[i]);
}
