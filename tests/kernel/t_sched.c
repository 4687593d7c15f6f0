/* SPDX-License-Identifier: MIT */
/* Threads, wait queues, timers, mutex and rwsem. */
#include <kernel/lib/string.h>
#include <kernel/sched/wait.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <kernel/task.h>
#include <mm/slab.h>
#include <tests/kernel/ktest.h>

struct gang {
	atomic_t running;
	struct wait_queue wait;
	struct mutex mutex;
	struct rwsem sem;
	long a, b; /* always equal outside the lock */
	bool torn;
	int rounds;
};

static void gang_init(struct gang *g, int rounds)
{
	*g = (struct gang){.rounds = rounds};
	wait_queue_init(&g->wait);
	mutex_init(&g->mutex, LOCK_PIPE);
	rwsem_init(&g->sem, LOCK_INODE);
}

static void gang_done(struct gang *g)
{
	if (atomic_dec_and_test(&g->running))
		wake_up_all(&g->wait);
}

/* Starts n threads of fn and waits for all of them. */
static void gang_run(struct gang *g, int n, int (*fn)(void *))
{
	atomic_set(&g->running, n + 1);
	for (int i = 0; i < n; i++) {
		struct task *t = kthread_run(fn, g, "gang%d", i);

		if (!EXPECT(!IS_ERR(t)))
			atomic_dec(&g->running);
	}
	gang_done(g);
	wait_event(g->wait, atomic_read(&g->running) == 0);
	while (ticket_is_locked(&g->wait.lock))
		__builtin_ia32_pause();
}

static int mutex_worker(void *arg)
{
	struct gang *g = arg;

	for (int i = 0; i < g->rounds; i++) {
		mutex_lock(&g->mutex);
		if (g->a != g->b)
			g->torn = true;
		g->a++;
		sched_yield(); /* the lock must hold over a switch */
		g->b++;
		mutex_unlock(&g->mutex);
	}
	gang_done(g);
	return 0;
}

KTEST(sync, mutex_excludes, "two threads inside one mutex")
{
	struct gang g;

	gang_init(&g, 200);
	gang_run(&g, 8, mutex_worker);
	EXPECT(!g.torn);
	EXPECT_EQ(g.a, 8 * 200);
	EXPECT(mutex_trylock(&g.mutex));
	mutex_unlock(&g.mutex);
}

static int rwsem_reader(void *arg)
{
	struct gang *g = arg;

	for (int i = 0; i < g->rounds; i++) {
		down_read(&g->sem);
		if (g->a != g->b)
			g->torn = true;
		sched_yield();
		if (g->a != g->b)
			g->torn = true;
		up_read(&g->sem);
	}
	gang_done(g);
	return 0;
}

static int rwsem_mixed(void *arg)
{
	struct gang *g = arg;

	for (int i = 0; i < g->rounds; i++) {
		down_write(&g->sem);
		g->a++;
		sched_yield();
		g->b++;
		up_write(&g->sem);
	}
	return rwsem_reader(arg);
}

KTEST(sync, rwsem_excludes, "a reader inside with a writer, a lost wake-up, a starved writer")
{
	struct gang g;

	gang_init(&g, 100);
	gang_run(&g, 6, rwsem_mixed);
	EXPECT(!g.torn);
	EXPECT_EQ(g.a, 600);
	EXPECT_EQ(atomic_read(&g.sem.count), 0); /* else every later call takes the slow way */
	EXPECT(down_write_trylock(&g.sem));
	up_write(&g.sem);
}

KTEST(sync, trylock_fails_when_held, "a trylock that succeeds on a held lock")
{
	struct gang g;

	gang_init(&g, 0);
	down_read(&g.sem);
	EXPECT(!down_write_trylock(&g.sem));
	up_read(&g.sem);
	down_write(&g.sem);
	EXPECT(rwsem_is_write_held(&g.sem));
	EXPECT(!down_read_trylock(&g.sem));
	up_write(&g.sem);
	EXPECT(!rwsem_is_held(&g.sem));
	mutex_lock(&g.mutex);
	EXPECT(!mutex_trylock(&g.mutex));
	mutex_unlock(&g.mutex);
}

KTEST(sync, spin_irqsave_nests, "interrupts left on inside, or off after, a lock")
{
	spinlock_t l = SPINLOCK_INIT(LOCK_LEAF);
	unsigned long f;

	CHECK(!irqs_disabled());
	f = spin_lock_irqsave(&l);
	EXPECT(irqs_disabled());
	EXPECT(spin_is_locked(&l));
	EXPECT(!spin_trylock(&l));
	spin_unlock_irqrestore(&l, f);
	EXPECT(!irqs_disabled());
	EXPECT(!spin_is_locked(&l));
}

KTEST(sched, sleep_until, "a timeout that comes early, or never")
{
	ktime_t start = ktime_get(), left;

	set_current_state(THREAD_UNINTERRUPTIBLE);
	left = schedule_timeout_until(start + 30 * NSEC_PER_MSEC);
	EXPECT(left <= 0);
	EXPECT(ktime_get() - start >= 30 * NSEC_PER_MSEC);
	EXPECT(ktime_get() - start < 60 * NSEC_PER_MSEC);
}

struct timer_probe {
	struct timer t;
	int fired;
	int order;
};
static int next_order;

static void probe_fn(struct timer *t)
{
	struct timer_probe *p = container_of(t, struct timer_probe, t);

	p->fired++;
	p->order = next_order++;
}

KTEST(sched, timers_fire_in_order, "timers that fire out of order, twice, or after cancel")
{
	static struct timer_probe p[64];
	ktime_t base = ktime_get() + 20 * NSEC_PER_MSEC;

	next_order = 0;
	for (int i = 0; i < 64; i++) {
		memset(&p[i], 0, sizeof(p[i]));
		timer_init(&p[i].t, probe_fn);
		timer_start(&p[i].t, base + ((i * 37) % 64) * 100 * NSEC_PER_USEC);
	}
	for (int i = 0; i < 64; i += 4)
		EXPECT(timer_cancel(&p[i].t));
	set_current_state(THREAD_UNINTERRUPTIBLE);
	schedule_timeout_until(base + 30 * NSEC_PER_MSEC);
	for (int i = 0; i < 64; i++)
		EXPECT_EQ(p[i].fired, i % 4 != 0);
	for (int i = 0; i < 64; i++)
		for (int j = 0; j < 64; j++)
			if (i % 4 && j % 4 && (i * 37) % 64 < (j * 37) % 64)
				EXPECT(p[i].order < p[j].order);
	EXPECT_EQ(next_order, 48);
}

static int spinner(void *arg)
{
	struct gang *g = arg;
	ktime_t end = ktime_get() + 200 * NSEC_PER_MSEC;

	while (ktime_get() < end)
		cond_resched();
	gang_done(g);
	return 0;
}

static int nice_spinner(void *arg)
{
	struct gang *g = arg;
	struct thread *self = current_thread();
	bool first = __atomic_fetch_add(&g->a, 1, __ATOMIC_SEQ_CST) == 0;
	u64 before;
	ktime_t end;

	set_user_nice(self, first ? 0 : 5);
	before = self->sum_exec_ns;
	end = ktime_get() + NSEC_PER_SEC;
	while (ktime_get() < end)
		cond_resched();
	if (first)
		g->rounds = (int)((self->sum_exec_ns - before) / 1000);
	else
		g->b = (long)((self->sum_exec_ns - before) / 1000);
	gang_done(g);
	return 0;
}

KTEST(sched, sharing_is_fair, "a runnable thread that starves")
{
	struct gang g;
	ktime_t start = ktime_get();

	gang_init(&g, 0);
	gang_run(&g, 5, spinner);
	EXPECT(ktime_get() - start < 400 * NSEC_PER_MSEC);
}

KTEST(sched, nice_weighs, "nice that does not change a thread's share")
{
	struct gang g;
	long ratio;

	gang_init(&g, 0);
	gang_run(&g, 2, nice_spinner);
	/* 1024 / 335 = 3.06 by the table of weights */
	ratio = g.b ? g.rounds * 100L / g.b : 0;
	EXPECT(ratio > 230 && ratio < 400);
}

struct pingpong {
	struct wait_queue wq[2];
	int turn;
	int left;
	atomic_t running;
	struct wait_queue done;
};
struct player {
	struct pingpong *pp;
	int me;
};

static int play(void *arg)
{
	struct player *p = arg;
	struct pingpong *pp = p->pp;

	while (pp->left > 0) {
		wait_event(pp->wq[p->me], READ_ONCE(pp->turn) == p->me || READ_ONCE(pp->left) <= 0);
		pp->left--;
		WRITE_ONCE(pp->turn, !p->me);
		wake_up(&pp->wq[!p->me]);
	}
	if (atomic_dec_and_test(&pp->running))
		wake_up_all(&pp->done);
	return 0;
}

KTEST(sched, no_lost_wakeup, "a wake-up between the look at the condition and the sleep is lost")
{
	struct pingpong pp = {.left = 20000, .running = ATOMIC_INIT(2)};
	struct player a = {&pp, 0}, b = {&pp, 1};

	wait_queue_init(&pp.wq[0]);
	wait_queue_init(&pp.wq[1]);
	wait_queue_init(&pp.done);
	CHECK(!IS_ERR(kthread_run(play, &a, "ping")));
	if (!EXPECT(!IS_ERR(kthread_run(play, &b, "pong"))))
		return;
	wait_event(pp.done, atomic_read(&pp.running) == 0);
	while (ticket_is_locked(&pp.done.lock))
		__builtin_ia32_pause();
	EXPECT(pp.left <= 0);
}
