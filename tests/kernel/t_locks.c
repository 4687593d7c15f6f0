/* SPDX-License-Identifier: MIT */
/* Locks, wait queues and the log between CPUs: one thread on each, three at least. */
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/wait.h>
#include <kernel/sync/spinlock.h>
#include <kernel/task.h>
#include <mm/slab.h>
#include <tests/kernel/ktest.h>

#define MAX_THREADS NR_CPUS

struct crew {
	atomic_t left, ids;
	bool done;
	struct wait_queue wait; /* of the test, for the last */
	unsigned int threads, rounds;
	spinlock_t lock;
	unsigned long a, b, torn; /* (lock) a and b are equal outside */
};

static void crew_init(struct crew *c, unsigned int rounds)
{
	c->threads = max(nr_cpu_ids, 3u);
	c->rounds = rounds / c->threads;
	spin_lock_init(&c->lock, LOCK_LEAF);
	wait_queue_init(&c->wait);
	atomic_set(&c->left, (int)c->threads);
}

static void crew_leave(struct crew *c)
{
	if (atomic_dec_and_test(&c->left))
		ktest_complete(&c->wait, &c->done);
}

static void crew_run(struct crew *c, unsigned int rounds, int (*fn)(void *))
{
	*c = (struct crew){0};
	crew_init(c, rounds);
	for (unsigned int i = 0; i < c->threads; i++)
		if (!EXPECT(!IS_ERR(kthread_run(fn, c, "crew%u", i))))
			crew_leave(c);
	ktest_wait(&c->wait, &c->done);
}

/* All three ways in. */
static unsigned long enter(struct crew *c, unsigned int way)
{
	if (way == 0)
		return spin_lock_irqsave(&c->lock);
	if (way == 1)
		while (!spin_trylock(&c->lock))
			sched_yield();
	else
		spin_lock(&c->lock);
	return local_save_flags();
}

static int spin_worker(void *arg)
{
	struct crew *c = arg;

	for (unsigned int i = 0; i < c->rounds; i++) {
		unsigned long flags = enter(c, i % 3);
		unsigned long a = READ_ONCE(c->a), b = READ_ONCE(c->b);

		c->torn += a != b;
		WRITE_ONCE(c->a, a + 1);
		race_point();
		WRITE_ONCE(c->b, b + 1);
		spin_unlock_irqrestore(&c->lock, flags);
		if (i % 64 == 0)
			sched_yield();
	}
	crew_leave(c);
	return 0;
}

KTEST(locks, spin_excludes, "two CPUs inside one spinlock")
{
	struct crew c;

	crew_run(&c, 24000, spin_worker);
	EXPECT_EQ(c.torn, 0);
	EXPECT_EQ(c.a, c.rounds * c.threads);
	EXPECT_EQ(c.b, c.a);
	EXPECT(!spin_is_locked(&c.lock));
}

/* ---- a wake-up goes to whoever sleeps ------------------------------------------------------------ */

struct ring {
	struct crew crew;
	struct wait_queue wait[MAX_THREADS];
	unsigned int turn;
	unsigned long steps; /* by whose turn it is */
	bool stop;
};

static int ring_worker(void *arg)
{
	struct ring *r = arg;
	unsigned int me = (unsigned int)atomic_inc_return(&r->crew.ids) - 1, next;

	next = (me + 1) % r->crew.threads;
	for (unsigned int i = 0; i < r->crew.rounds; i++) {
		wait_event(r->wait[me], READ_ONCE(r->turn) == me || READ_ONCE(r->stop));
		WRITE_ONCE(r->steps, r->steps + 1);
		WRITE_ONCE(r->turn, next);
		wake_up(&r->wait[next]);
	}
	crew_leave(&r->crew);
	return 0;
}

/* Five seconds without a step: somebody sleeps whose turn it is. */
static void ring_watch(struct ring *r)
{
	unsigned long seen = 0;
	ktime_t since = ktime_get();

	while (!READ_ONCE(r->crew.done)) {
		unsigned long steps = READ_ONCE(r->steps);

		if (steps != seen) {
			seen = steps;
			since = ktime_get();
		} else if (ktime_get() - since > 5 * NSEC_PER_SEC) {
			EXPECT(!"a wake-up is lost");
			WRITE_ONCE(r->stop, true);
			return;
		}
		sched_yield();
	}
}

KTEST(locks, wakeups_arrive, "a wake-up from another CPU between the look and the sleep is lost")
{
	struct ring *r = kzalloc(sizeof(*r), GFP_KERNEL);

	CHECK(r);
	crew_init(&r->crew, 12000);
	for (unsigned int i = 0; i < r->crew.threads; i++)
		wait_queue_init(&r->wait[i]);
	for (unsigned int i = 0; i < r->crew.threads; i++)
		if (!EXPECT(!IS_ERR(kthread_run(ring_worker, r, "ring%u", i)))) {
			WRITE_ONCE(r->stop, true);
			crew_leave(&r->crew);
		}
	ring_watch(r);
	for (unsigned int i = 0; r->stop && i < r->crew.threads; i++)
		wake_up(&r->wait[i]);
	ktest_wait(&r->crew.wait, &r->crew.done);
	kfree(r);
}

/* ---- the log -------------------------------------------------------------------------------------- */

#define LOG_LINES 40
#define LOG_TEXT  60

static int log_worker(void *arg)
{
	struct crew *c = arg;
	char text[LOG_TEXT + 1] = {0};

	memset(text, 'a' + atomic_inc_return(&c->ids), LOG_TEXT);
	for (int i = 0; i < LOG_LINES; i++) {
		printk(LOG_DEBUG, "locks: %s\n", text); /* not for the console */
		if (i % 8 == 0)
			sched_yield();
	}
	crew_leave(c);
	return 0;
}

static bool all_same(const char *s, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (s[i] != s[0])
			return false;
	return true;
}

KTEST(locks, log_lines_are_whole, "records of the log that mix what two CPUs print, or get lost")
{
	u64 seq = printk_next_seq();
	unsigned int lines = 0;
	struct log_record rec;
	char text[128];
	struct crew c;
	u64 last = 0;

	crew_run(&c, 0, log_worker);
	for (; printk_get_record(&seq, &rec, text, sizeof(text)); seq++) {
		EXPECT(rec.ns >= last); /* in the order in which they came */
		last = rec.ns;
		if (rec.len != 7 + LOG_TEXT || memcmp(text, "locks: ", 7))
			continue;
		lines += EXPECT(all_same(text + 7, LOG_TEXT));
	}
	if (c.threads <= 4) /* more would not fit the ring */
		EXPECT_EQ(lines, c.threads * LOG_LINES);
}
