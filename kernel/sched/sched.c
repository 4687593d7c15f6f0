/* SPDX-License-Identifier: MIT */
/*
 * The scheduler.
 *
 * Problem: share each CPU among runnable threads in proportion to their weights, give a thread that
 * has slept the CPU soon, and cost little per switch.
 *
 * Idea: every thread carries a virtual run time, the time it ran divided by its weight. Each CPU's
 * run queue is a tree ordered by it, and the least one runs next. A thread that wakes is placed no
 * further back than half a latency before the queue's minimum: it gets the CPU soon, but cannot hoard the
 * time it slept.
 *
 *	     run queue (by vruntime)
 *	  +----+----+----+----+
 *	  | t3 | t1 | t7 | t2 |  <- t->on_rq, not on_cpu      rq->curr: on_rq and on_cpu,
 *	  +----+----+----+----+                               not in the tree
 *
 * The kernel is not preempted: need_resched only asks, and the thread answers on its way to user
 * mode, in cond_resched(), or when it blocks.
 *
 * Several CPUs. The load of a queue is the sum of its threads' weights. A thread changes its CPU
 *
 *	when it wakes	to its last CPU if that is idle, else to an idle one, else to the least loaded
 *	when a CPU has	nothing to do: before it halts it takes a waiting thread from another queue
 *	at a tick	a CPU whose queue has waiting threads sends one to the least loaded CPU, if that
 *			makes the loads more alike; if it only swaps them, at every eighth tick, so
 *			that three threads on two CPUs take turns at having one alone
 *	when its mask	(affinity) no longer has its CPU
 *
 * and always with its lead over the queue's minimum, not with its virtual run time: queues' clocks
 * differ. A CPU that halts has its tick stopped, so the busy ones look after it.
 *
 * Locking: rq->lock with interrupts off guards the queue and the (r) fields of its threads; a
 * thread's rq is that of thread->cpu. The lock is handed over across the switch: taken by the
 * previous thread in schedule(), released by the next in finish_switch(). So whoever holds it and
 * finds a thread not on_rq knows that its stack is not in use any more.
 *
 * No two queues are ever locked together. A thread on its way (send_to()) is THREAD_RUNNING but
 * in no queue: a waker has nothing to do with it, nobody can pick it, and it belongs to whoever took
 * it out. thread->cpu is already its new CPU's, where its mask is looked at again. A running thread
 * that must leave its CPU is put on its way by the next one, in finish_switch().
 *
 * Simplified: one queue for all policies; all CPUs are alike (no caches, no nodes).
 */
#include <kernel/lib/atomic.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/tick.h>
#include <kernel/sched/timer.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/smp.h>
#include <kernel/x86/switch.h>
#include <kernel/x86/uaccess.h>

/* A waking thread preempts one that is ahead of it by this much: about the cost of some thirty
 * switches, so that switching stays under 3 % of the time. */
#define WAKEUP_GRANULARITY (1 * NSEC_PER_MSEC)
/* All runnable threads should have run once in this time: two ticks. */
#define SCHED_LATENCY (2 * TICK_NSEC)
/* Ticks after which threads that cannot be shared out evenly take turns: the move costs some ten
 * switches, which is nothing in 80 ms. */
#define ROTATE_TICKS 8
/* So many waiting threads are looked at for one that may run elsewhere, with the queue locked. */
#define BALANCE_SCAN_MAX 32

struct run_queue {
	struct ticket_lock lock;
	struct rb_root_cached tree; /* (r) runnable threads but the running one */
	unsigned int nr_running;    /* (r) with the running one, without idle */
	unsigned int ticks;         /* own */
	unsigned long load;         /* (r) the weights of these nr_running */
	u64 min_vruntime;           /* (r) never decreases */
	struct thread *curr;        /* (r) */
	struct thread *idle;        /* (c) */
	u64 nr_switches;            /* (r) */
	u64 idle_ns, iowait_ns;     /* (r) iowait: while one of its threads waits for I/O */
	atomic_t nr_iowait;
};
/* (r) lock  (c) constant  own: only its CPU */

static DEFINE_PER_CPU(struct run_queue, run_queue);
DEFINE_PER_CPU(struct thread *, current_thread_ptr);
DEFINE_PER_CPU(bool, need_resched_flag);
DEFINE_PER_CPU(int, irq_depth);
struct sched_hooks sched_hooks;
static struct thread boot_thread = {.comm = "swapper/0", .cpus_allowed = 1};

/* Weight of nice -20..19; each step is a factor of 1.25, nice 0 is 1024: the table of Linux. */
static const u32 nice_weight[40] = {
	88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
	9548,  7620,  6100,  4904,  3906,  3121,  2501,  1991,  1586,  1277,
	1024,  820,   655,   526,   423,   335,   272,   215,   172,   137,
	110,   87,    70,    56,    45,    36,    29,    23,    18,    15,
};

void irq_enter(void)
{
	struct thread *t = current_thread();

	this_cpu_inc(irq_depth);
	t->irq_held_base = t->nr_held;
}

void irq_exit(void)
{
	this_cpu_dec(irq_depth);
	debug_assert(current_thread()->nr_held == current_thread()->irq_held_base);
}

void set_current_state(enum thread_state s)
{
	__atomic_store_n(&current_thread()->state, s, __ATOMIC_SEQ_CST);
}

/* ---- the queue ------------------------------------------------------------------------- */

static struct run_queue *cpu_rq(int cpu)
{
	return per_cpu_ptr(&run_queue, cpu);
}

/* Interrupts off. t may be sent elsewhere until the lock is held. */
static struct run_queue *lock_rq_of(const struct thread *t)
{
	for (;;) {
		int cpu = READ_ONCE(t->cpu);
		struct run_queue *rq = cpu_rq(cpu);

		ticket_lock(&rq->lock);
		if (likely(cpu == READ_ONCE(t->cpu)))
			return rq;
		ticket_unlock(&rq->lock);
	}
}

static bool may_run_on(const struct thread *t, int cpu)
{
	return t->cpus_allowed >> cpu & 1;
}

static u32 weight_of(const struct thread *t)
{
	return nice_weight[t->nice + 20];
}

static void enqueue(struct run_queue *rq, struct thread *t)
{
	struct rb_node **link = &rq->tree.rb_root.rb_node, *parent = NULL;
	bool leftmost = true;

	while (*link) {
		parent = *link;
		if ((s64)(t->vruntime - rb_entry(parent, struct thread, rq_node)->vruntime) < 0) {
			link = &parent->rb_left;
		} else {
			link = &parent->rb_right;
			leftmost = false;
		}
	}
	rb_link_node(&t->rq_node, parent, link);
	rb_insert_color_cached(&t->rq_node, &rq->tree, leftmost);
}

static struct thread *first_thread(const struct run_queue *rq)
{
	struct rb_node *n = rb_first_cached(&rq->tree);

	return n ? rb_entry(n, struct thread, rq_node) : NULL;
}

static u64 weighted(const struct thread *t, u64 ns)
{
	return t->nice == 0 ? ns : ns * 1024 / weight_of(t);
}

/* Charges the running thread for the time since it was last charged. (By another CPU, whose clock may
 * be behind by a little.) */
static void account_curr(struct run_queue *rq, u64 now)
{
	struct thread *t = rq->curr;
	u64 delta = now - t->exec_start;

	if (unlikely((s64)delta < 0))
		return;
	t->exec_start = now;
	if (t == rq->idle) {
		*(atomic_read(&rq->nr_iowait) ? &rq->iowait_ns : &rq->idle_ns) += delta;
		return;
	}
	t->sum_exec_ns += delta;
	t->vruntime += weighted(t, delta);
	if ((s64)(t->vruntime - rq->min_vruntime) > 0) {
		const struct thread *first = first_thread(rq);
		u64 least = first && (s64)(first->vruntime - t->vruntime) < 0 ? first->vruntime :
										t->vruntime;
		if ((s64)(least - rq->min_vruntime) > 0)
			rq->min_vruntime = least;
	}
}

/* Its queue is locked. */
static void resched_cpu(int cpu)
{
	bool *flag = per_cpu_ptr(&need_resched_flag, cpu);

	if (*flag)
		return;
	WRITE_ONCE(*flag, true);
	if (cpu != (int)smp_processor_id())
		smp_send_reschedule((unsigned int)cpu);
}

static void activate(struct run_queue *rq, struct thread *t)
{
	u64 floor = rq->min_vruntime - SCHED_LATENCY / 2;

	if ((s64)(t->vruntime - floor) < 0)
		t->vruntime = floor;
	t->on_rq = true;
	rq->nr_running++;
	rq->load += weight_of(t);
	enqueue(rq, t);
	if (rq->curr == rq->idle ||
	    (s64)(rq->curr->vruntime - t->vruntime) > (s64)weighted(t, WAKEUP_GRANULARITY))
		resched_cpu(t->cpu);
}

/* t, running or taken from the tree, is no longer the queue's. */
static void deactivate(struct run_queue *rq, struct thread *t)
{
	t->on_rq = false;
	rq->nr_running--;
	rq->load -= weight_of(t);
}

/* ---- which CPU --------------------------------------------------------------------------- */

/* The first idle CPU that t may use, from its last one on, or the least loaded. */
static int find_cpu(const struct thread *t)
{
	unsigned long least = ~0UL;
	int best = t->cpu;

	for (unsigned int i = 0; i < nr_cpu_ids && least; i++) {
		int cpu = (int)(((unsigned int)t->cpu + i) % nr_cpu_ids);
		unsigned long load = READ_ONCE(cpu_rq(cpu)->load);

		if (may_run_on(t, cpu) && load < least) {
			least = load;
			best = cpu;
		}
	}
	return best;
}

static int select_cpu(const struct thread *t)
{
	return nr_cpu_ids == 1 ? t->cpu : find_cpu(t);
}

/* Makes t, which is THREAD_RUNNING and in no queue, runnable on cpu. rq is t's so far; unlocks it. */
static void send_to(struct run_queue *rq, struct thread *t, int cpu)
{
	while (unlikely(cpu != t->cpu)) {
		struct run_queue *to = cpu_rq(cpu);

		t->vruntime += READ_ONCE(to->min_vruntime) - rq->min_vruntime;
		smp_store_release(&t->cpu, cpu);
		ticket_unlock(&rq->lock);
		ticket_lock(&to->lock);
		rq = to;
		if (!may_run_on(t, cpu))
			cpu = find_cpu(t);
	}
	activate(rq, t);
	ticket_unlock(&rq->lock);
}

static void send_waiting(struct run_queue *rq, struct thread *t, int cpu)
{
	rb_erase_cached(&t->rq_node, &rq->tree);
	deactivate(rq, t);
	send_to(rq, t, cpu);
}

/* At a tick with waiting threads: one of them goes where there is less to do. Unlocks rq. */
static void push_waiting(struct run_queue *rq)
{
	struct rb_node *n = rb_first_cached(&rq->tree);
	bool rotate = ++rq->ticks % ROTATE_TICKS == 0;

	for (int i = 0; n && i < BALANCE_SCAN_MAX; i++, n = rb_next(n)) {
		struct thread *t = rb_entry(n, struct thread, rq_node);
		int cpu = find_cpu(t);
		long more = (long)(rq->load - READ_ONCE(cpu_rq(cpu)->load)) - (long)weight_of(t);

		if (more > 0 || (more == 0 && rotate)) {
			send_waiting(rq, t, cpu);
			return;
		}
	}
	ticket_unlock(&rq->lock);
}

/* For this CPU, which is idle, interrupts off. True: there is something to do now. */
static bool pull_waiting(void)
{
	unsigned int self = smp_processor_id();

	for (unsigned int other = 1; other < nr_cpu_ids; other++) {
		struct run_queue *rq = cpu_rq((int)((self + other) % nr_cpu_ids));
		struct rb_node *n;

		if (READ_ONCE(rq->nr_running) < 2)
			continue;
		ticket_lock(&rq->lock);
		n = rb_first_cached(&rq->tree);
		for (int i = 0; n && i < BALANCE_SCAN_MAX; i++, n = rb_next(n)) {
			struct thread *t = rb_entry(n, struct thread, rq_node);

			if (may_run_on(t, (int)self)) {
				send_waiting(rq, t, (int)self);
				return true;
			}
		}
		ticket_unlock(&rq->lock);
	}
	return false;
}

void thread_set_affinity(struct thread *t, u64 mask)
{
	unsigned long flags = local_irq_save();
	struct run_queue *rq = lock_rq_of(t);

	WRITE_ONCE(t->cpus_allowed, mask);
	if (!t->on_rq || may_run_on(t, t->cpu)) {
		ticket_unlock(&rq->lock);
	} else if (rq->curr == t) {
		resched_cpu(t->cpu);
		ticket_unlock(&rq->lock);
	} else {
		send_waiting(rq, t, find_cpu(t));
	}
	local_irq_restore(flags);
	/* A running one goes by itself: this one here, another when it is interrupted. */
	while (READ_ONCE(t->on_cpu) && !may_run_on(t, READ_ONCE(t->cpu)))
		schedule();
}

/* ---- waking ------------------------------------------------------------------------------ */

bool thread_wake_mask(struct thread *t, unsigned int mask)
{
	unsigned long flags = local_irq_save();
	struct run_queue *rq = lock_rq_of(t);
	int state = READ_ONCE(t->state);
	/* t itself may change it meanwhile, and THREAD_DEAD must not be overwritten. */
	bool woken = (mask & (1u << state)) &&
		     __atomic_compare_exchange_n(&t->state, &state, THREAD_RUNNING, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);

	if (woken && !t->on_rq)
		send_to(rq, t, select_cpu(t));
	else
		ticket_unlock(&rq->lock);
	local_irq_restore(flags);
	return woken;
}

void thread_kick(const struct thread *t)
{
	int cpu = READ_ONCE(t->cpu);

	if (READ_ONCE(t->on_cpu) && cpu != (int)smp_processor_id())
		smp_send_reschedule((unsigned int)cpu);
}

/* ---- switching --------------------------------------------------------------------------- */

/* Runs on the next thread's stack: the previous one is off the CPU now. */
static void finish_switch(struct thread *prev)
{
	struct run_queue *rq = this_cpu_ptr(&run_queue);
	int state = prev->state;

	prev->on_cpu = false;
	if (unlikely(state == THREAD_RUNNING && !prev->on_rq)) {
		send_to(rq, prev, find_cpu(prev)); /* its mask has changed */
		return;
	}
	ticket_unlock(&rq->lock);
	if (state == THREAD_DEAD)
		sched_hooks.thread_dead(prev);
}

/* The first code of a new thread, called by switch.S with what switch_to() returned. */
void schedule_tail(struct thread *prev)
{
	finish_switch(prev);
	local_irq_enable();
}

static struct thread *pick_next(struct run_queue *rq)
{
	struct thread *t = first_thread(rq);

	if (!t)
		return rq->idle;
	rb_erase_cached(&t->rq_node, &rq->tree);
	return t;
}

static void switch_threads(struct run_queue *rq, struct thread *prev, struct thread *next)
{
	rq->nr_switches++;
	if (unlikely(prev->switch_work))
		__atomic_fetch_or(&prev->work, prev->switch_work, __ATOMIC_SEQ_CST);
	rq->curr = next;
	next->on_cpu = true;
	if (sched_hooks.switch_mm)
		sched_hooks.switch_mm(prev, next);
	this_cpu_write(current_thread_ptr, next);
	finish_switch(switch_to(prev, next));
}

/* A sleep that a signal has already ended is no sleep. */
static bool sleep_interrupted(struct thread *t)
{
	if (t->state != THREAD_INTERRUPTIBLE && t->state != THREAD_KILLABLE)
		return false;
	return sched_hooks.signal_pending &&
	       sched_hooks.signal_pending(t, t->state == THREAD_KILLABLE);
}

static void put_prev(struct run_queue *rq, struct thread *prev)
{
	if (prev == rq->idle)
		return;
	if (prev->state != THREAD_RUNNING && sleep_interrupted(prev))
		prev->state = THREAD_RUNNING;
	if (prev->state != THREAD_RUNNING) {
		prev->nvcsw++;
		deactivate(rq, prev);
		return;
	}
	prev->nivcsw++;
	if (likely(may_run_on(prev, prev->cpu)))
		enqueue(rq, prev);
	else
		deactivate(rq, prev); /* finish_switch() sends it away */
}

#ifdef CONFIG_DEBUG
void might_sleep(void)
{
	const struct thread *t = current_thread();
	/* While it boots, the idle thread has them off. */
	bool off = irqs_disabled() && t != this_cpu_ptr(&run_queue)->idle;

	if (t && (t->nr_spin_held || in_irq() || off || this_cpu_read(pagefault_disabled)))
		panic("sleeping in atomic context: %d spinlocks held, interrupts %s%s%s",
		      t->nr_spin_held, off ? "off" : "on", in_irq() ? ", in a handler" : "",
		      this_cpu_read(pagefault_disabled) ? ", page faults disabled" : "");
}
#endif

void schedule(void)
{
	struct thread *prev = current_thread(), *next;
	unsigned long flags;
	struct run_queue *rq;

	might_sleep();
	flags = local_irq_save();
	rq = this_cpu_ptr(&run_queue);
	ticket_lock(&rq->lock);
	this_cpu_write(need_resched_flag, false);
	account_curr(rq, (u64)ktime_get());
	put_prev(rq, prev);
	next = pick_next(rq);
	next->exec_start = prev->exec_start;
	if (next == prev)
		ticket_unlock(&rq->lock);
	else
		switch_threads(rq, prev, next);
	local_irq_restore(flags);
}

void schedule_dead(void)
{
	current_thread()->state = THREAD_DEAD;
	schedule();
	panic("a dead thread runs");
}

/* Lets every other runnable thread of this CPU go first. With none, the caller most likely waits for
 * another CPU: pause lets it go first where both share a core, or an emulator's thread. */
void sched_yield(void)
{
	unsigned long flags = local_irq_save();
	struct run_queue *rq = this_cpu_ptr(&run_queue);
	struct rb_node *last;

	ticket_lock(&rq->lock);
	account_curr(rq, (u64)ktime_get());
	last = rb_last(&rq->tree.rb_root);
	if (last) {
		u64 v = rb_entry(last, struct thread, rq_node)->vruntime + 1;

		if ((s64)(v - rq->curr->vruntime) > 0)
			rq->curr->vruntime = v;
	}
	ticket_unlock(&rq->lock);
	local_irq_restore(flags);
	if (!last)
		cpu_relax();
	schedule();
}

void set_user_nice(struct thread *t, int nice)
{
	unsigned long flags = local_irq_save();
	struct run_queue *rq = lock_rq_of(t);

	if (rq->curr == t)
		account_curr(rq, (u64)ktime_get());
	if (t->on_rq)
		rq->load -= weight_of(t);
	t->nice = nice;
	if (t->on_rq)
		rq->load += weight_of(t);
	ticket_unlock(&rq->lock);
	local_irq_restore(flags);
}

/* ---- tick and statistics ----------------------------------------------------------------- */

#define LOAD_FREQ (5 * NSEC_PER_SEC)
#define FIXED_1   2048UL

static struct ticket_lock load_lock;
static unsigned long avenrun[3]; /* (load_lock) */

/* Exponential averages over 1, 5 and 15 minutes; the factors are e^(-5/60k) in 1/2048. Whichever CPU
 * ticks does it; of periods in which none did, all were idle. */
static void loadavg_tick(ktime_t now)
{
	static const unsigned long decay[3] = {1884, 2014, 2037};
	static ktime_t next = LOAD_FREQ;

	if (now < READ_ONCE(next) || !ticket_trylock(&load_lock))
		return;
	while (now >= next) {
		unsigned long active;

		WRITE_ONCE(next, next + LOAD_FREQ);
		active = now >= next ? 0 : nr_running() * FIXED_1;
		for (int i = 0; i < 3; i++)
			avenrun[i] =
				(avenrun[i] * decay[i] + active * (FIXED_1 - decay[i])) / FIXED_1;
	}
	ticket_unlock(&load_lock);
}

void loadavg_get(unsigned long avg[3])
{
	for (int i = 0; i < 3; i++)
		avg[i] = READ_ONCE(avenrun[i]);
}

static DEFINE_PER_CPU(u64, user_ticks);
static DEFINE_PER_CPU(u64, system_ticks);

void cpu_busy_ns(unsigned int cpu, u64 *user, u64 *system)
{
	*user = READ_ONCE(*per_cpu_ptr(&user_ticks, cpu)) * (u64)TICK_NSEC;
	*system = READ_ONCE(*per_cpu_ptr(&system_ticks, cpu)) * (u64)TICK_NSEC;
}

void sched_tick(bool user)
{
	struct run_queue *rq = this_cpu_ptr(&run_queue);
	struct thread *t = rq->curr;
	u64 now = (u64)ktime_get();
	const struct thread *first;

	ticket_lock(&rq->lock);
	account_curr(rq, now);
	first = first_thread(rq);
	if (first && (t == rq->idle || (s64)(t->vruntime - first->vruntime) > 0))
		resched_cpu(t->cpu);
	if (first && nr_cpu_ids > 1)
		push_waiting(rq);
	else
		ticket_unlock(&rq->lock);
	if (t != rq->idle) {
		/* The time since the last tick goes to where the tick found the thread. */
		if (user) {
			t->utime_ns += TICK_NSEC;
			this_cpu_inc(user_ticks);
		} else {
			t->stime_ns += TICK_NSEC;
			this_cpu_inc(system_ticks);
		}
		if (sched_hooks.tick)
			sched_hooks.tick(t);
	}
	loadavg_tick((ktime_t)now);
}

unsigned long nr_running(void)
{
	unsigned long n = 0;

	for_each_cpu(cpu)
		n += READ_ONCE(cpu_rq((int)cpu)->nr_running);
	return n;
}

u64 nr_context_switches(void)
{
	u64 n = 0;

	for_each_cpu(cpu)
		n += READ_ONCE(cpu_rq((int)cpu)->nr_switches);
	return n;
}

void io_schedule(void)
{
	struct run_queue *rq = cpu_rq(current_thread()->cpu);

	atomic_inc(&rq->nr_iowait);
	schedule();
	atomic_dec(&rq->nr_iowait);
}

u64 cpu_idle_ns(unsigned int cpu, u64 *iowait)
{
	unsigned long flags = local_irq_save();
	struct run_queue *rq = cpu_rq((int)cpu);
	u64 ns;

	ticket_lock(&rq->lock);
	account_curr(rq, (u64)ktime_get());
	ns = rq->idle_ns;
	*iowait = rq->iowait_ns;
	ticket_unlock(&rq->lock);
	local_irq_restore(flags);
	return ns;
}

u64 thread_cpu_ns(struct thread *t)
{
	unsigned long flags = local_irq_save();
	struct run_queue *rq = lock_rq_of(t);
	u64 ns;

	if (rq->curr == t)
		account_curr(rq, (u64)ktime_get());
	ns = t->sum_exec_ns;
	ticket_unlock(&rq->lock);
	local_irq_restore(flags);
	return ns;
}

static void check_queue(const struct run_queue *rq, int cpu)
{
	bool busy = rq->curr != rq->idle;
	unsigned long load = busy ? weight_of(rq->curr) : 0;
	unsigned int nr = busy;

	assert(rq->curr->on_rq && rq->curr->on_cpu && rq->curr->cpu == cpu);
	for (struct rb_node *n = rb_first_cached(&rq->tree); n; n = rb_next(n)) {
		const struct thread *t = rb_entry(n, struct thread, rq_node);

		assert(t->on_rq && !t->on_cpu && t->cpu == cpu && t->state == THREAD_RUNNING);
		nr++;
		load += weight_of(t);
	}
	assert(nr == rq->nr_running && load == rq->load);
}

void sched_check(void)
{
	for_each_cpu(cpu) {
		unsigned long flags = local_irq_save();
		struct run_queue *rq = cpu_rq((int)cpu);

		ticket_lock(&rq->lock);
		check_queue(rq, (int)cpu);
		ticket_unlock(&rq->lock);
		local_irq_restore(flags);
	}
}

/* ---- start ------------------------------------------------------------------------------- */

void sched_init(void)
{
	struct run_queue *rq = this_cpu_ptr(&run_queue);

	boot_thread.on_rq = boot_thread.on_cpu = true;
	boot_thread.canary = fixed_percpu_canary();
	rq->curr = rq->idle = &boot_thread;
	this_cpu_write(current_thread_ptr, &boot_thread);
}

void sched_init_cpu(unsigned int cpu, struct thread *idle)
{
	struct run_queue *rq = per_cpu_ptr(&run_queue, cpu);

	idle->cpu = (int)cpu;
	idle->cpus_allowed = BIT(cpu);
	idle->state = THREAD_RUNNING;
	idle->on_rq = idle->on_cpu = true;
	rq->curr = rq->idle = idle;
	*per_cpu_ptr(&current_thread_ptr, cpu) = idle;
	per_cpu_ptr(&fixed_percpu_data, cpu)->stack_canary = idle->canary;
}

void sched_adopt_boot_thread(struct thread *t)
{
	unsigned long flags = local_irq_save();
	struct run_queue *rq = this_cpu_ptr(&run_queue);

	assert(rq->curr == &boot_thread);
	*t = boot_thread;
	rq->curr = rq->idle = t;
	this_cpu_write(current_thread_ptr, t);
	local_irq_restore(flags);
}

void thread_init(struct thread *t, void (*fn)(void *arg), void *arg)
{
	t->kstack_top = (u64)t->kstack + KSTACK_SIZE;
	t->ksp = switch_initial_frame(t->kstack_top, fn, arg);
	t->state = THREAD_UNINTERRUPTIBLE;
	t->cpu = (int)smp_processor_id();
	t->vruntime = READ_ONCE(cpu_rq(t->cpu)->min_vruntime);
}

void cpu_idle(void)
{
	struct run_queue *rq = this_cpu_ptr(&run_queue);

	for (;;) {
		local_irq_disable();
		if (READ_ONCE(rq->nr_running) || need_resched()) {
			local_irq_enable();
			schedule();
		} else if (!pull_waiting()) {
			tick_stop_idle();
			safe_halt(); /* sti; hlt: no interrupt can come in between */
			local_irq_disable();
			tick_restart();
		}
	}
}
