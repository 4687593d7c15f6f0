/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: a CPU that got stuck is named, with what it is doing.
 *
 * Problem: a kernel that spins says nothing. It may take interrupts still (a loop without
 * cond_resched(), a wait for a lock that nobody holds), or none (the same with interrupts off).
 *
 * Idea: every CPU has a timer, four times in watchdog= seconds, idle or not. It looks at two things:
 *
 *	this CPU	has the running thread been in schedule() since the last time? If not, the timer
 *			asks for it (need_resched), which user mode and every cond_resched() answer at
 *			once. One that does not answer in four turns: soft lockup.
 *	the next CPU	has its timer run? If not for four turns: hard lockup. What that CPU does is
 *			seen by stopping it with an NMI (kernel/x86/nmi.h).
 *
 *	CPU 0 --watches--> CPU 1 --watches--> ... --watches--> CPU 0
 *
 * A timer that comes late itself says nothing of others: perhaps the whole machine stood still, as
 * virtual ones may. With one CPU nobody sees a hard lockup.
 *
 * watchdog=SECONDS (20; 0: none), watchdog.panic: stop the machine then (default under test).
 */
#include <kernel/internal.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/cmdline.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/sched/timer.h>
#include <kernel/traps.h>
#include <kernel/x86/nmi.h>
#include <kernel/x86/smp.h>

#define DEFAULT_SECONDS 20 /* Linux's, for soft lockups */
#define TURNS           4

struct watchdog {
	struct timer timer;
	ktime_t ran;                 /* when the timer ran last; read by another CPU */
	const struct thread *thread; /* that ran then */
	u64 switches;                /* how often it had been in schedule() */
	ktime_t since;               /* when that was seen first */
	bool soft, hard;             /* reported: this CPU, the next */
};

static DEFINE_PER_CPU(struct watchdog, watchdog);
static ktime_t limit; /* (c) */

static void report(const char *what, unsigned int cpu, ktime_t ns)
{
	struct thread *t = *per_cpu_ptr(&current_thread_ptr, cpu);

	printk_report_begin(false);
	pr_emerg("watchdog: BUG: %s lockup - CPU#%u stuck for %lds! [%s:%d]\n", what, cpu,
		 (long)(ns / NSEC_PER_SEC), t->comm, container_of(t, struct task, thread)->pid);
	if (cmdline_bool("watchdog.panic", cmdline_bool("octavo.test", false)))
		panic("watchdog: %s lockup", what);
	if (cpu == smp_processor_id()) {
		dump_stack(LOG_EMERG);
	} else {
		show_cpu(cpu, cpu_hold(cpu));
		cpu_release(cpu);
	}
	printk_report_end();
}

static bool has_scheduled(struct watchdog *w)
{
	const struct thread *t = current_thread();
	bool has = container_of(t, struct task, thread)->pid == 0 || t != w->thread ||
		   t->nvcsw + t->nivcsw != w->switches;

	w->thread = t;
	w->switches = t->nvcsw + t->nivcsw;
	return has;
}

static void check_self(struct watchdog *w, ktime_t now, bool late)
{
	if (has_scheduled(w) || late) {
		w->since = now;
		w->soft = false;
		return;
	}
	this_cpu_write(need_resched_flag, true);
	if (now - w->since >= limit && !w->soft) {
		w->soft = true;
		report("soft", smp_processor_id(), now - w->since);
	}
}

static void check_next(struct watchdog *w, ktime_t now)
{
	unsigned int cpu = (smp_processor_id() + 1) % nr_cpu_ids;
	ktime_t ran = READ_ONCE(per_cpu_ptr(&watchdog, cpu)->ran);

	if (!ran || now - ran <= limit) {
		w->hard = false;
	} else if (!w->hard) {
		w->hard = true;
		report("hard", cpu, now - ran);
	}
}

static void watchdog_fn(struct timer *t)
{
	struct watchdog *w = container_of(t, struct watchdog, timer);
	ktime_t now = ktime_get(), turn = limit / TURNS;
	bool late = now - w->ran > 2 * turn;

	WRITE_ONCE(w->ran, now);
	check_self(w, now, late);
	if (!late)
		check_next(w, now);
	timer_start(t, now + turn);
}

static void start(void *unused __unused)
{
	struct watchdog *w = this_cpu_ptr(&watchdog);

	timer_init(&w->timer, watchdog_fn);
	WRITE_ONCE(w->ran, ktime_get());
	timer_start(&w->timer, w->ran + limit / TURNS);
}

static void watchdog_init(void)
{
	unsigned long flags;

	limit = cmdline_long("watchdog", DEFAULT_SECONDS) * NSEC_PER_SEC;
	if (limit <= 0)
		return;
	smp_call_mask(other_cpus(), start, NULL);
	flags = local_irq_save();
	start(NULL);
	local_irq_restore(flags);
}
initcall(watchdog_init);
