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
 * Locking: rq->lock with interrupts off guards the queue and the (r) fields of its threads; a
 * thread's rq is that of thread->cpu. The lock is handed over across the switch: taken by the
 * previous thread in schedule(), released by the next in finish_switch().
 *
 * Simplified: a thread stays on the CPU it was placed on (balancing comes with several CPUs, as does
 * locking the queues of two CPUs); one queue for all policies.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/tick.h>
#include <kernel/sched/timer.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/switch.h>

/* A waking thread preempts one that is ahead of it by this much: about the cost of some thirty
 * switches, so that switching stays under 3 % of the time. */
#define WAKEUP_GRANULARITY (1 * NSEC_PER_MSEC)
/* All runnable threads should have run once in this time: two ticks. */
#define SCHED_LATENCY (2 * TICK_NSEC)

struct run_queue {
	struct ticket_lock lock;
	struct rb_root_cached tree; /* (r) runnable threads but the running one */
	unsigned int nr_running;    /* (r) with the running one, without idle */
	u64 min_vruntime;           /* (r) never decreases */
	struct thread *curr;        /* (r) */
	struct thread *idle;        /* (c) */
	u64 nr_switches;            /* (r) */
	u64 idle_ns;                /* (r) */
};
/* (r) lock  (c) constant */

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

static struct run_queue *rq_of(const struct thread *t)
{
	return per_cpu_ptr(&run_queue, t->cpu);
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
	return t->nice == 0 ? ns : ns * 1024 / nice_weight[t->nice + 20];
}

/* Charges the running thread for the time since it was last charged. */
static void account_curr(struct run_queue *rq, u64 now)
{
	struct thread *t = rq->curr;
	u64 delta = now - t->exec_start;

	t->exec_start = now;
	if (t == rq->idle) {
		rq->idle_ns += delta;
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

static void resched_cpu(struct run_queue *rq)
{
	/* With several CPUs, another one's flag will need an interrupt too. */
	if (rq == this_cpu_ptr(&run_queue))
		this_cpu_write(need_resched_flag, true);
}

static void activate(struct run_queue *rq, struct thread *t)
{
	u64 floor = rq->min_vruntime - SCHED_LATENCY / 2;

	if ((s64)(t->vruntime - floor) < 0)
		t->vruntime = floor;
	t->on_rq = true;
	rq->nr_running++;
	enqueue(rq, t);
	if (rq->curr == rq->idle ||
	    (s64)(rq->curr->vruntime - t->vruntime) > (s64)weighted(t, WAKEUP_GRANULARITY))
		resched_cpu(rq);
}

bool thread_wake_mask(struct thread *t, unsigned int mask)
{
	unsigned long flags = local_irq_save();
	struct run_queue *rq = rq_of(t);
	bool woken = false;

	ticket_lock(&rq->lock);
	if (mask & (1u << READ_ONCE(t->state))) {
		WRITE_ONCE(t->state, THREAD_RUNNING);
		if (!t->on_rq)
			activate(rq, t);
		woken = true;
	}
	ticket_unlock(&rq->lock);
	local_irq_restore(flags);
	return woken;
}

/* ---- switching --------------------------------------------------------------------------- */

/* Runs on the next thread's stack: the previous one is off the CPU now. */
static void finish_switch(struct thread *prev)
{
	struct run_queue *rq = this_cpu_ptr(&run_queue);
	bool dead = prev->state == THREAD_DEAD;

	prev->on_cpu = false;
	ticket_unlock(&rq->lock);
	if (dead)
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
	if (prev->state == THREAD_RUNNING) {
		prev->nivcsw++;
		enqueue(rq, prev);
	} else {
		prev->nvcsw++;
		prev->on_rq = false;
		rq->nr_running--;
	}
}

#ifdef CONFIG_DEBUG
void might_sleep(void)
{
	const struct thread *t = current_thread();

	if (t && (t->nr_spin_held || in_irq()))
		panic("sleeping in atomic context: %d spinlocks held%s", t->nr_spin_held,
		      in_irq() ? ", in an interrupt handler" : "");
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

/* Lets every other runnable thread of this CPU go first. */
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
	schedule();
}

void set_user_nice(struct thread *t, int nice)
{
	unsigned long flags = local_irq_save();
	struct run_queue *rq = rq_of(t);

	ticket_lock(&rq->lock);
	if (rq->curr == t)
		account_curr(rq, (u64)ktime_get());
	t->nice = nice;
	ticket_unlock(&rq->lock);
	local_irq_restore(flags);
}

/* ---- tick and statistics ----------------------------------------------------------------- */

#define LOAD_FREQ (5 * NSEC_PER_SEC)
#define FIXED_1   2048UL

static unsigned long avenrun[3];

/* Exponential averages over 1, 5 and 15 minutes; the factors are e^(-5/60k) in 1/2048. */
static void loadavg_tick(ktime_t now)
{
	static const unsigned long decay[3] = {1884, 2014, 2037};
	static ktime_t next = LOAD_FREQ;
	unsigned long active = nr_running() * FIXED_1;

	for (; now >= next; next += LOAD_FREQ)
		for (int i = 0; i < 3; i++)
			avenrun[i] =
				(avenrun[i] * decay[i] + active * (FIXED_1 - decay[i])) / FIXED_1;
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
		resched_cpu(rq);
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
	if (smp_processor_id() == 0)
		loadavg_tick((ktime_t)now);
}

unsigned long nr_running(void)
{
	unsigned long n = 0;

	for_each_cpu(cpu)
		n += READ_ONCE(per_cpu_ptr(&run_queue, cpu)->nr_running);
	return n;
}

u64 nr_context_switches(void)
{
	u64 n = 0;

	for_each_cpu(cpu)
		n += READ_ONCE(per_cpu_ptr(&run_queue, cpu)->nr_switches);
	return n;
}

u64 cpu_idle_ns(unsigned int cpu)
{
	const struct run_queue *rq = per_cpu_ptr(&run_queue, cpu);
	u64 ns = READ_ONCE(rq->idle_ns);

	if (READ_ONCE(rq->curr) == rq->idle)
		ns += (u64)ktime_get() - READ_ONCE(rq->idle->exec_start);
	return ns;
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
	idle->exec_start = (u64)ktime_get();
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
	t->vruntime = READ_ONCE(rq_of(t)->min_vruntime);
}

void cpu_idle(void)
{
	struct run_queue *rq = this_cpu_ptr(&run_queue);

	for (;;) {
		local_irq_disable();
		if (READ_ONCE(rq->nr_running) || need_resched()) {
			local_irq_enable();
			schedule();
		} else {
			tick_stop_idle();
			safe_halt(); /* sti; hlt: no interrupt can come in between */
			local_irq_disable();
			tick_restart();
		}
	}
}
