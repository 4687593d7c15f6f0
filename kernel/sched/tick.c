/* SPDX-License-Identifier: MIT */
/*
 * The timer interrupt, one-shot: it is armed for whichever is next, the tick (sched_tick(), every
 * TICK_NSEC) or the first timer (timers_run()). Ticks stay on a grid, so that a late one does not
 * shift those after it; several that were missed (the machine stood still) are one.
 *
 * The device is the local APIC's timer, or the PIT where there is none. While the CPU idles the tick
 * may be stopped: only timers wake it.
 *
 * All per-CPU, with interrupts off.
 */
#include <kernel/lib/printk.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/tick.h>
#include <kernel/sched/timer.h>
#include <kernel/x86/apic.h>
#include <kernel/x86/irq.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/percpu.h>
#include <kernel/x86/pit.h>
#include <kernel/x86/trapframe.h>

struct clockevent {
	bool running;
	bool tick_stopped;
	ktime_t next_tick;
	ktime_t next_timer;
	ktime_t armed; /* what the device is set to */
};

static DEFINE_PER_CPU(struct clockevent, clockevent);

static void device_start(u64 ns)
{
	if (apic_present())
		apic_timer_start(ns);
	else if (ns)
		pit_start_oneshot((u32)min(ns * PIT_HZ / NSEC_PER_SEC + 1, (u64)65535));
	else
		pit_stop();
}

/* Sets the device to the earlier of tick and timer. */
static void arm(struct clockevent *ce, ktime_t now)
{
	ktime_t next = ce->tick_stopped ? ce->next_timer : min(ce->next_tick, ce->next_timer);

	ce->armed = next;
	if (next == KTIME_MAX)
		device_start(0);
	else
		device_start(next > now ? (u64)(next - now) : 1);
}

/* timer_hw_program: a timer became the first of this CPU. */
static void program(ktime_t next)
{
	struct clockevent *ce = this_cpu_ptr(&clockevent);

	ce->next_timer = next;
	if (ce->running && next < ce->armed)
		arm(ce, ktime_get());
}

static void timer_interrupt(struct trapframe *tf)
{
	struct clockevent *ce = this_cpu_ptr(&clockevent);
	ktime_t now = ktime_get();

	ce->next_timer = timers_run(now);
	if (!ce->tick_stopped && now >= ce->next_tick) {
		sched_tick(user_mode(tf));
		now = ktime_get();
		ce->next_tick += TICK_NSEC;
		if (ce->next_tick <= now)
			ce->next_tick = now - now % TICK_NSEC + TICK_NSEC;
	}
	arm(ce, ktime_get());
}

void tick_stop_idle(void)
{
	struct clockevent *ce = this_cpu_ptr(&clockevent);

	if (!ce->running || ce->tick_stopped)
		return;
	ce->tick_stopped = true;
	if (ce->armed != ce->next_timer)
		arm(ce, ktime_get());
}

void tick_restart(void)
{
	struct clockevent *ce = this_cpu_ptr(&clockevent);
	ktime_t now;

	if (!ce->tick_stopped)
		return;
	now = ktime_get();
	ce->tick_stopped = false;
	if (ce->next_tick <= now)
		ce->next_tick = now - now % TICK_NSEC + TICK_NSEC;
	if (ce->next_tick < ce->armed)
		arm(ce, now);
}

void clockevent_init(void)
{
	struct clockevent *ce = this_cpu_ptr(&clockevent);
	unsigned long flags = local_irq_save();
	ktime_t now;

	timer_irq_handler = timer_interrupt;
	if (!apic_present()) {
		pr_info("time: no local APIC, ticking by the PIT\n");
		pit_stop();
		irq_enable_line(PIT_IRQ);
	}
	now = ktime_get();
	ce->next_timer = timers_run(now);
	ce->next_tick = now - now % TICK_NSEC + TICK_NSEC;
	ce->running = true;
	timer_hw_program = program;
	arm(ce, now);
	local_irq_restore(flags);
}
