/* SPDX-License-Identifier: MIT */
/*
 * Time and timers.
 *
 * Each CPU has a tree of armed timers ordered by expiry. Its timer interrupt runs those that are
 * due (timers_run) and the machine is then set to the next. A timer runs on the CPU that armed it
 * last; but while its function runs it stays with that CPU, so that it never runs twice at a time.
 *
 * Locking: a base's ticket lock, interrupts off, guards the timers of which timer->cpu names it, also
 * those that are not armed: timer->cpu changes under the lock of the old base, and whoever waited for
 * that looks again. The function runs without the lock, so that it may arm the timer again;
 * base->running tells timer_cancel() on another CPU to wait for it.
 */
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/tsc.h>

struct timer_base {
	struct ticket_lock lock;
	struct rb_root_cached tree; /* (l) by expires */
	struct timer *running;      /* (l) */
};
/* (l) lock */

static DEFINE_PER_CPU(struct timer_base, timer_base);
void (*timer_hw_program)(ktime_t next);
static ktime_t realtime_offset; /* CLOCK_REALTIME - CLOCK_MONOTONIC; one aligned word: torn never */

ktime_t ktime_get(void)
{
	return (ktime_t)tsc_to_ns(rdtsc());
}

ktime_t ktime_get_real(void)
{
	return ktime_get() + READ_ONCE(realtime_offset);
}

void ktime_set_real(ktime_t now)
{
	WRITE_ONCE(realtime_offset, now - ktime_get());
}

void timekeeping_init(s64 rtc_seconds)
{
	ktime_set_real(rtc_seconds * NSEC_PER_SEC);
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	*t = (struct timer){.fn = fn};
}

static struct timer *first_timer(const struct timer_base *b)
{
	struct rb_node *n = rb_first_cached(&b->tree);

	return n ? rb_entry(n, struct timer, node) : NULL;
}

/* True if t became the first. */
static bool timer_insert(struct timer_base *b, struct timer *t)
{
	struct rb_node **link = &b->tree.rb_root.rb_node, *parent = NULL;
	bool leftmost = true;

	while (*link) {
		parent = *link;
		if (t->expires < rb_entry(parent, struct timer, node)->expires) {
			link = &parent->rb_left;
		} else {
			link = &parent->rb_right;
			leftmost = false;
		}
	}
	rb_link_node(&t->node, parent, link);
	rb_insert_color_cached(&t->node, &b->tree, leftmost);
	t->queued = true;
	return leftmost;
}

/* True if t was armed. */
static bool timer_remove(struct timer_base *b, struct timer *t)
{
	if (!t->queued)
		return false;
	rb_erase_cached(&t->node, &b->tree);
	t->queued = false;
	return true;
}

/* Interrupts off. */
static struct timer_base *lock_base_of(const struct timer *t)
{
	for (;;) {
		unsigned int cpu = READ_ONCE(t->cpu);
		struct timer_base *b = per_cpu_ptr(&timer_base, cpu);

		ticket_lock(&b->lock);
		if (likely(cpu == READ_ONCE(t->cpu)))
			return b;
		ticket_unlock(&b->lock);
	}
}

bool timer_cancel(struct timer *t)
{
	bool was = false;

	for (;;) {
		unsigned long flags = local_irq_save();
		struct timer_base *b = lock_base_of(t);
		bool running;

		was |= timer_remove(b, t);
		running = b->running == t && t->cpu != smp_processor_id();
		ticket_unlock(&b->lock);
		local_irq_restore(flags);
		if (!running)
			return was;
		cpu_relax();
	}
}

void timer_start(struct timer *t, ktime_t expires)
{
	unsigned long flags = local_irq_save();
	unsigned int self = smp_processor_id();
	struct timer_base *b;
	bool program;

	for (;;) {
		b = lock_base_of(t);
		(void)timer_remove(b, t);
		if (t->cpu == self || b->running == t)
			break;
		WRITE_ONCE(t->cpu, self);
		ticket_unlock(&b->lock);
	}
	t->expires = expires;
	/* Another CPU that runs its function is in timers_run(), which comes to it. */
	program = timer_insert(b, t) && t->cpu == self;
	ticket_unlock(&b->lock);
	if (program && timer_hw_program)
		timer_hw_program(expires);
	local_irq_restore(flags);
}

ktime_t timers_run(ktime_t now)
{
	struct timer_base *b = this_cpu_ptr(&timer_base);
	struct timer *t;

	ticket_lock(&b->lock);
	while ((t = first_timer(b)) && t->expires <= now) {
		(void)timer_remove(b, t);
		b->running = t;
		ticket_unlock(&b->lock);
		t->fn(t);
		ticket_lock(&b->lock);
		b->running = NULL;
	}
	now = t ? t->expires : KTIME_MAX;
	ticket_unlock(&b->lock);
	return now;
}

struct sleep_timer {
	struct timer timer;
	struct thread *thread;
};

static void sleep_timer_fn(struct timer *t)
{
	thread_wake(container_of(t, struct sleep_timer, timer)->thread);
}

ktime_t schedule_timeout_until(ktime_t expires)
{
	struct sleep_timer st = {.thread = current_thread()};

	if (expires == KTIME_MAX) {
		schedule();
		return KTIME_MAX;
	}
	timer_init(&st.timer, sleep_timer_fn);
	timer_start(&st.timer, expires);
	schedule();
	timer_cancel(&st.timer);
	return expires - ktime_get();
}
