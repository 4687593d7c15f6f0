/* SPDX-License-Identifier: MIT */
/* Threads, wait queues, timers, mutex and rwsem. */
#include <kernel/lib/string.h>
#include <kernel/sched/wait.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <kernel/task.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irq.h>
#include <mm/slab.h>
#include <tests/kernel/ktest.h>

struct gang {
	int running;
	bool over;
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
	if (__atomic_sub_fetch(&g->running, 1, __ATOMIC_SEQ_CST) == 0)
		ktest_complete(&g->wait, &g->over);
}

/* Starts n threads of fn, each of which ends with gang_done(). */
static void gang_start(struct gang *g, int n, int (*fn)(void *))
{
	g->over = false;
	g->running = n + 1;
	for (int i = 0; i < n; i++)
		if (!EXPECT(!IS_ERR(kthread_run(fn, g, "gang%d", i))))
			gang_done(g);
}

static void gang_join(struct gang *g)
{
	gang_done(g);
	ktest_wait(&g->wait, &g->over);
}

static void gang_run(struct gang *g, int n, int (*fn)(void *))
{
	gang_start(g, n, fn);
	gang_join(g);
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
	/* With several CPUs time is the host's, which has other things to do. */
	EXPECT(ktime_get() - start < (nr_cpu_ids > 1 ? 6000 : 60) * NSEC_PER_MSEC);
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

/* ---- shares of a CPU, measured in CPU time: the host's other work slows all alike ---- */

#define SPINNERS 6
struct spinners {
	struct gang gang;
	u64 mask;
	int nice[SPINNERS];
	int nr, arrived;
	ktime_t length, end;
	long ran_us[SPINNERS];
};

static int spinner(void *arg)
{
	struct spinners *s = container_of(arg, struct spinners, gang);
	struct thread *self = current_thread();
	u64 before;
	int me;

	thread_set_affinity(self, s->mask);
	me = __atomic_fetch_add(&s->arrived, 1, __ATOMIC_SEQ_CST);
	if (me == s->nr - 1)
		WRITE_ONCE(s->end, ktime_get() + s->length);
	while (!READ_ONCE(s->end))
		cond_resched();
	set_user_nice(self, s->nice[me]);
	before = thread_cpu_ns(self);
	while (ktime_get() < READ_ONCE(s->end))
		cond_resched();
	s->ran_us[me] = (long)((thread_cpu_ns(self) - before) / NSEC_PER_USEC);
	gang_done(&s->gang);
	return 0;
}

static void spinners_run(struct spinners *s, int n, u64 mask, ktime_t length)
{
	gang_init(&s->gang, 0);
	s->mask = mask;
	s->nr = n;
	s->length = length;
	gang_run(&s->gang, n, spinner);
}

/* The host may stop a CPU for long while it runs one of the threads, and the shares are wrong: so many
 * times they may be. A scheduler that shares wrongly does so each time. */
#define ATTEMPTS 8

/* Each of n spinners on the CPUs of mask runs for least to most us of length. */
static bool shares_between(int n, u64 mask, ktime_t length, long least, long most)
{
	bool right = false;

	for (int attempt = 0; attempt < ATTEMPTS && !right; attempt++) {
		struct spinners s = {};

		spinners_run(&s, n, mask, length);
		right = true;
		for (int i = 0; i < n; i++)
			right &= s.ran_us[i] >= least && s.ran_us[i] <= most;
	}
	return right;
}

KTEST(sched, sharing_is_fair, "a runnable thread that starves")
{
	EXPECT(shares_between(5, 1, NSEC_PER_SEC, 140000, 260000)); /* a fifth */
}

KTEST(sched, nice_weighs, "nice that does not change a thread's share")
{
	long ratio = 0;

	/* 1024 / 335 = 3.06 by the table of weights */
	for (int attempt = 0; attempt < ATTEMPTS && (ratio <= 230 || ratio >= 400); attempt++) {
		struct spinners s = {.nice = {0, 5}};

		spinners_run(&s, 2, 1, NSEC_PER_SEC);
		ratio = s.ran_us[1] ? s.ran_us[0] * 100 / s.ran_us[1] : 0;
	}
	EXPECT(ratio > 230 && ratio < 400);
}

/* ---- several CPUs ---- */

KTEST(sched, uneven_threads_take_turns,
      "of three threads on two CPUs, one keeps one of them to itself")
{
	if (nr_cpu_ids < 2) {
		ktest_skip("needs two CPUs");
		return;
	}
	/* two thirds of two seconds */
	EXPECT(shares_between(3, 3, 2 * NSEC_PER_SEC, 1000000, 1750000));
}

/* Threads that note where they run. */
struct rovers {
	struct gang gang;
	u64 mask;    /* while not 0: elsewhere is wrong */
	u64 seen;    /* CPUs they were on since this was last 0 */
	int wrong;   /* times they were elsewhere */
	bool sleepy; /* they sleep in between */
	bool end;
	int nr;
	struct thread *thread[NR_CPUS];
};

static int rover(void *arg)
{
	struct rovers *r = container_of(arg, struct rovers, gang);
	int me = __atomic_fetch_add(&r->nr, 1, __ATOMIC_SEQ_CST);

	smp_store_release(&r->thread[me], current_thread());
	while (!READ_ONCE(r->end)) {
		u64 mask = READ_ONCE(r->mask), bit = BIT(smp_processor_id());

		if (mask && !(mask & bit))
			r->wrong++;
		__atomic_fetch_or(&r->seen, bit, __ATOMIC_SEQ_CST);
		if (READ_ONCE(r->sleepy)) {
			set_current_state(THREAD_UNINTERRUPTIBLE);
			schedule_timeout_until(ktime_get() + 50 * NSEC_PER_USEC);
		} else {
			cond_resched();
		}
	}
	gang_done(&r->gang);
	return 0;
}

static bool rovers_start(struct rovers *r, int n)
{
	*r = (struct rovers){};
	gang_init(&r->gang, 0);
	gang_start(&r->gang, n, rover);
	for (int i = 0; i < n; i++)
		if (!EXPECT(SOON(smp_load_acquire(&r->thread[i]))))
			return false;
	return true;
}

static void rovers_end(struct rovers *r)
{
	WRITE_ONCE(r->end, true);
	gang_join(&r->gang);
}

KTEST(sched, affinity_moves,
      "a running, waiting or sleeping thread that stays where it may not run")
{
	struct rovers r;
	bool started = rovers_start(&r, 1);

	for (unsigned int round = 0; started && round < 60; round++) {
		u64 bit = BIT(round % nr_cpu_ids);

		WRITE_ONCE(r.mask, 0);
		WRITE_ONCE(r.sleepy, round / nr_cpu_ids & 1);
		thread_set_affinity(r.thread[0], bit);
		__atomic_store_n(&r.seen, 0, __ATOMIC_SEQ_CST);
		WRITE_ONCE(r.mask, bit);
		EXPECT(SOON(READ_ONCE(r.seen)));
	}
	rovers_end(&r);
	EXPECT_EQ(r.wrong, 0);
}

KTEST(sched, affinity_of_itself, "a thread that goes on where it was after it has left that CPU")
{
	for (int round = 0; round < 50; round++) {
		for_each_cpu(cpu) {
			thread_set_affinity(current_thread(), BIT(cpu));
			CHECK_EQ(smp_processor_id(), cpu);
		}
	}
}

/* Whether all CPUs come to run some of them. */
static bool seen_everywhere(struct rovers *r)
{
	__atomic_store_n(&r->seen, 0, __ATOMIC_SEQ_CST);
	return SOON(READ_ONCE(r->seen) == BIT(nr_cpu_ids) - 1);
}

KTEST(sched, new_threads_spread, "a CPU that is idle while others have threads waiting")
{
	struct rovers r;

	if (rovers_start(&r, (int)nr_cpu_ids))
		EXPECT(seen_everywhere(&r));
	rovers_end(&r);
}

KTEST(sched, balancing_spreads, "threads that all stay on one CPU when they may leave it")
{
	struct rovers r;

	if (rovers_start(&r, (int)nr_cpu_ids)) {
		for_each_cpu(cpu)
			thread_set_affinity(r.thread[cpu], 1);
		__atomic_store_n(&r.seen, 0, __ATOMIC_SEQ_CST);
		WRITE_ONCE(r.mask, 1);
		EXPECT(SOON(READ_ONCE(r.seen)));
		WRITE_ONCE(r.mask, 0);
		/* That moves none; the other CPUs halt or run this thread. */
		for_each_cpu(cpu)
			thread_set_affinity(r.thread[cpu], ~0UL);
		EXPECT(seen_everywhere(&r));
	}
	rovers_end(&r);
	EXPECT_EQ(r.wrong, 0);
}

/* ---- everything at once ---- */

struct mill {
	struct gang gang;
	int nr, arrived, ready, left;
	struct wait_queue wait;
	struct thread *thread[2 * NR_CPUS];
	u64 random[2 * NR_CPUS];
	int backwards; /* times that a thread's CPU time was less than before */
};

static u64 mill_random(u64 *state, u64 n)
{
	*state = *state * 6364136223846793005UL + 1442695040888963407UL;
	return (*state >> 33) % n;
}

static void mill_step(struct mill *m, int me)
{
	struct thread *other = m->thread[mill_random(&m->random[me], (u64)m->nr)];
	u64 r = mill_random(&m->random[me], 1000), was;

	switch (r % 8) {
	case 0:
		set_current_state(THREAD_UNINTERRUPTIBLE);
		schedule_timeout_until(ktime_get() + (ktime_t)r * 200);
		break;
	case 1:
		thread_set_affinity(other, r % (BIT(nr_cpu_ids) - 1) + 1);
		break;
	case 2:
		set_user_nice(other, (int)(r % 40) - 20);
		break;
	case 3:
		thread_wake(other); /* for no reason: sleepers look again */
		break;
	case 4:
		was = thread_cpu_ns(other);
		m->backwards += thread_cpu_ns(other) < was;
		break;
	case 5:
		for (ktime_t end = ktime_get() + (ktime_t)r * 100; ktime_get() < end;)
			cond_resched();
		break;
	case 6:
		sched_check();
		break;
	default:
		sched_yield();
	}
}

static int mill_worker(void *arg)
{
	struct mill *m = container_of(arg, struct mill, gang);
	int me = __atomic_fetch_add(&m->arrived, 1, __ATOMIC_SEQ_CST);

	m->random[me] += (u64)me * 977;
	m->thread[me] = current_thread();
	__atomic_fetch_add(&m->ready, 1, __ATOMIC_SEQ_CST);
	while (smp_load_acquire(&m->ready) < m->nr)
		sched_yield();
	for (int i = 0; i < m->gang.rounds; i++)
		mill_step(m, me);
	/* None is gone while others may still take hold of it. */
	if (__atomic_sub_fetch(&m->left, 1, __ATOMIC_SEQ_CST) == 0)
		wake_up_all(&m->wait);
	wait_event(m->wait, READ_ONCE(m->left) == 0);
	gang_done(&m->gang);
	return 0;
}

KTEST(sched, mill,
      "a thread lost, queued twice or run twice while it wakes, moves and changes its weight")
{
	static struct mill m;

	memset(&m, 0, sizeof(m));
	m.nr = m.left = (int)nr_cpu_ids * 2;
	wait_queue_init(&m.wait);
	for (int i = 0; i < m.nr; i++)
		m.random[i] = ktest_random();
	gang_init(&m.gang, 400);
	gang_run(&m.gang, m.nr, mill_worker);
	EXPECT_EQ(m.backwards, 0);
}

#define SHARED_TIMERS 4
struct clockwork {
	struct gang gang;
	int arrived;
	u64 random[NR_CPUS];
	bool end;
	struct ticker {
		struct timer t;
		struct clockwork *cw;
		bool inside;
		int fired, twice; /* runs, and those that met another */
	} shared[SHARED_TIMERS], own[NR_CPUS];
	int late; /* own timers that ran after they were cancelled */
};

static void ticker_fn(struct timer *t)
{
	struct ticker *k = container_of(t, struct ticker, t);
	ktime_t end = ktime_get() + 50 * NSEC_PER_USEC;

	if (__atomic_exchange_n(&k->inside, true, __ATOMIC_SEQ_CST))
		k->twice++;
	while (ktime_get() < end)
		cpu_relax();
	if (k->fired++ % 4 == 0 && !READ_ONCE(k->cw->end))
		timer_start(t, ktime_get() + 30 * NSEC_PER_USEC);
	__atomic_store_n(&k->inside, false, __ATOMIC_SEQ_CST);
}

static int clockwork_worker(void *arg)
{
	struct clockwork *cw = container_of(arg, struct clockwork, gang);
	int me = __atomic_fetch_add(&cw->arrived, 1, __ATOMIC_SEQ_CST);
	struct ticker *own = &cw->own[me];

	for (int i = 0; i < cw->gang.rounds; i++) {
		u64 r = mill_random(&cw->random[me], 1000);
		struct ticker *k = &cw->shared[r % SHARED_TIMERS];
		int fired;

		thread_set_affinity(current_thread(), BIT((r + (u64)me) % nr_cpu_ids));
		timer_start(&own->t, ktime_get() + (ktime_t)r * 50);
		if (r % 3)
			timer_start(&k->t, ktime_get() + (ktime_t)r * 10);
		else
			timer_cancel(&k->t);
		thread_set_affinity(current_thread(),
				    BIT(mill_random(&cw->random[me], nr_cpu_ids)));
		for (ktime_t end = ktime_get() + (ktime_t)r * 60; ktime_get() < end;)
			cond_resched();
		timer_cancel(&own->t);
		fired = READ_ONCE(own->fired);
		if (READ_ONCE(own->inside))
			cw->late++;
		cond_resched();
		if (READ_ONCE(own->fired) != fired)
			cw->late++;
	}
	gang_done(&cw->gang);
	return 0;
}

KTEST(sched, timers_of_all,
      "a timer that runs on two CPUs, or is still running when it was cancelled")
{
	static struct clockwork cw;
	int fired = 0;

	memset(&cw, 0, sizeof(cw));
	for (int i = 0; i < SHARED_TIMERS; i++)
		timer_init(&cw.shared[i].t, ticker_fn);
	for (int i = 0; i < NR_CPUS; i++) {
		timer_init(&cw.own[i].t, ticker_fn);
		cw.own[i].cw = cw.shared[i % SHARED_TIMERS].cw = &cw;
		cw.random[i] = ktest_random();
	}
	gang_init(&cw.gang, 300);
	gang_run(&cw.gang, (int)max(nr_cpu_ids, 2u), clockwork_worker);
	WRITE_ONCE(cw.end, true);
	for (int i = 0; i < SHARED_TIMERS; i++) {
		timer_cancel(&cw.shared[i].t);
		fired += cw.shared[i].fired;
		EXPECT_EQ(cw.shared[i].twice, 0);
	}
	set_current_state(THREAD_UNINTERRUPTIBLE);
	schedule_timeout_until(ktime_get() + 2 * NSEC_PER_MSEC);
	for (int i = 0; i < SHARED_TIMERS; i++)
		fired -= cw.shared[i].fired;
	EXPECT_EQ(fired, 0);
	EXPECT_EQ(cw.late, 0);
}

/* Its first run is held until it has been started again. */
struct held_timer {
	struct timer t;
	bool inside, go;
	int fired, twice;
};

static void held_fn(struct timer *t)
{
	struct held_timer *h = container_of(t, struct held_timer, t);

	h->twice += __atomic_exchange_n(&h->inside, true, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&h->fired, 1, __ATOMIC_SEQ_CST);
	while (!READ_ONCE(h->go) && h->fired == 1)
		cpu_relax(); /* a second run does not wait: it is wrong already */
	__atomic_store_n(&h->inside, false, __ATOMIC_SEQ_CST);
}

KTEST(sched, timer_restarted_elsewhere, "a timer's function on two CPUs at once")
{
	static struct held_timer h;
	ktime_t end;

	if (nr_cpu_ids < 2) {
		ktest_skip("needs two CPUs");
		return;
	}
	memset(&h, 0, sizeof(h));
	timer_init(&h.t, held_fn);
	thread_set_affinity(current_thread(), 1);
	timer_start(&h.t, ktime_get() + 20 * NSEC_PER_MSEC);
	thread_set_affinity(current_thread(), 2);
	EXPECT(SOON(READ_ONCE(h.inside)));
	timer_start(&h.t, ktime_get()); /* the first CPU's next, not this one's */
	for (end = ktime_get() + 30 * NSEC_PER_MSEC; ktime_get() < end;)
		cpu_relax();
	WRITE_ONCE(h.go, true);
	EXPECT(SOON(READ_ONCE(h.fired) == 2));
	timer_cancel(&h.t);
	EXPECT_EQ(h.twice, 0);
}

KTEST(sched, idle_cpus_halt, "a CPU with nothing to do that goes on ticking")
{
	u64 ticks = 0;

	set_current_state(THREAD_UNINTERRUPTIBLE);
	schedule_timeout_until(ktime_get() + 50 * NSEC_PER_MSEC); /* who was moved has ended */
	for_each_cpu(cpu)
		ticks -= timer_irq_count(cpu);
	set_current_state(THREAD_UNINTERRUPTIBLE);
	schedule_timeout_until(ktime_get() + 500 * NSEC_PER_MSEC);
	for_each_cpu(cpu)
		ticks += timer_irq_count(cpu);
	EXPECT(ticks < 20); /* each one that ticks: 50 */
}

struct pingpong {
	struct wait_queue wq[2];
	int turn;
	int left;
	int running;
	bool over;
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
	if (__atomic_sub_fetch(&pp->running, 1, __ATOMIC_SEQ_CST) == 0)
		ktest_complete(&pp->done, &pp->over);
	return 0;
}

KTEST(sched, no_lost_wakeup, "a wake-up between the look at the condition and the sleep is lost")
{
	struct pingpong pp = {.left = 20000, .running = 2};
	struct player a = {&pp, 0}, b = {&pp, 1};

	wait_queue_init(&pp.wq[0]);
	wait_queue_init(&pp.wq[1]);
	wait_queue_init(&pp.done);
	CHECK(!IS_ERR(kthread_run(play, &a, "ping")));
	if (!EXPECT(!IS_ERR(kthread_run(play, &b, "pong"))))
		return;
	ktest_wait(&pp.done, &pp.over);
	EXPECT(pp.left <= 0);
}
