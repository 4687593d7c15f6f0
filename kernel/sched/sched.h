/* SPDX-License-Identifier: MIT */
/*
 * Threads as the scheduler sees them. A process or kernel thread (kernel/task.h) embeds a struct
 * thread; the scheduler knows nothing else of it.
 *
 * Policy: each CPU runs the runnable thread with the least virtual run time (weighted by nice).
 * The kernel itself is not preempted: a thread leaves the CPU in schedule(), which it calls to
 * block, or on its way back to user mode (or in cond_resched()) when need_resched is set.
 */
#pragma once

#include <kernel/lib/bug.h>
#include <kernel/lib/list.h>
#include <kernel/lib/rbtree.h>
#include <kernel/lib/types.h>
#include <kernel/x86/percpu.h>

struct mm_struct;
struct fpu_state;

enum thread_state {
	THREAD_RUNNING,         /* running or on a run queue */
	THREAD_INTERRUPTIBLE,   /* blocked; a signal wakes it */
	THREAD_UNINTERRUPTIBLE, /* blocked; only its event wakes it */
	THREAD_KILLABLE,        /* blocked; a fatal signal wakes it */
	THREAD_STOPPED,         /* by a job-control signal */
	THREAD_DEAD,            /* has run for the last time */
};

/* thread->flags; only the thread itself changes its own. */
#define THREAD_KTHREAD  0x1
#define THREAD_MEMALLOC 0x2 /* may dip into the reserves (reclaim itself) */
#define THREAD_NOIO     0x4 /* scope: allocations must not start I/O */
#define THREAD_NOFS     0x8 /* scope: allocations must not enter a file system */

/* thread->work; set by anyone, atomically. */
#define TWORK_SIGNAL  0x1 /* signals to look at: also what ends an interruptible sleep */
#define TWORK_RESTORE 0x2 /* a system call's temporary signal mask ends */
#define TWORK_RSEQ    0x4 /* a restartable sequence was left alone: kernel/rseq.c */
#define TWORK_IRET    0x8 /* a system call has changed its frame: trapframe.h */

struct thread {
	/* used by assembly: offsets are checked in kernel/sched/switch.c */
	u64 ksp;              /* saved kernel stack pointer while not running */
	u64 kstack_top;       /* (c) */
	unsigned long canary; /* (c) stack protector's */
	u32 work;             /* (a) TWORK_*: to do before user mode; entry.S tests it for 0 */
	u32 switch_work;      /* own: what of it each switch to another thread sets */

	int state;              /* (r) enum thread_state */
	unsigned int flags;     /* THREAD_*, own */
	int cpu;                /* (r) the CPU it runs on or ran last */
	bool on_rq;             /* (r) queued or running */
	bool on_cpu;            /* (r) running: its stack is in use */
	int nice;               /* (r) -20..19 */
	u64 cpus_allowed;       /* (r) mask */
	u64 vruntime;           /* (r) weighted ns */
	u64 exec_start;         /* (r) when it was last put on a CPU or accounted */
	u64 sum_exec_ns;        /* CPU time in all */
	u64 utime_ns, stime_ns; /* split by ticks */
	u64 nvcsw, nivcsw;
	u64 min_flt, maj_flt;   /* page faults */
	struct rb_node rq_node; /* (r) */
	bool in_user;           /* the tick charges utime if it found user mode */
	bool oom_victim;        /* (a) set by the OOM killer: may use part of the reserves */

	void *kstack;          /* (c) vmalloc'ed with a guard page, KSTACK_SIZE */
	struct mm_struct *mm;  /* own space; NULL for a kernel thread */
	struct fpu_state *fpu; /* NULL for a kernel thread */
	u64 fsbase, gsbase;    /* the user's */
	char comm[16];
	u32 id; /* its task's number, for trace records */

	/* lock checker, own */
	int nr_held;
	int nr_spin_held;
	int irq_held_base; /* locks held when the present interrupt came */
	struct held_lock {
		const void *lock;
		short class;
		bool spin;
	} held[16];

#ifdef CONFIG_DEBUG
	struct fail_countdown { /* own: which of its allocations fails (mm/failinject.h) */
		unsigned int classes;
		unsigned long wait, times, hits;
	} fail;
#endif
};
/* (r) the run-queue lock of thread->cpu */

#define KSTACK_SIZE 16384

DECLARE_PER_CPU(struct thread *, current_thread_ptr);
DECLARE_PER_CPU(bool, need_resched_flag);

static inline struct thread *current_thread(void)
{
	return this_cpu_read(current_thread_ptr);
}

void sched_init(void); /* the boot thread becomes CPU 0's idle thread */
/* Another CPU's queue, before it starts; idle is the thread that it starts as. */
void sched_init_cpu(unsigned int cpu, struct thread *idle);

/* The boot thread goes on as *t (a zeroed thread that lives for ever). */
void sched_adopt_boot_thread(struct thread *t);

/* What changes when the CPU goes from one thread to another; set once by the kernel. Called with
 * interrupts off. */
struct sched_hooks {
	void (*switch_mm)(struct thread *prev, struct thread *next);
	/* a dead thread has left its stack for good: free it (may not sleep; defers if needed) */
	void (*thread_dead)(struct thread *t);
	/* true if t has a signal that ends an interruptible (or, fatal_only, a killable) sleep */
	bool (*signal_pending)(struct thread *t, bool fatal_only);
	/* called from the tick, interrupts off, for itimers and rlimits */
	void (*tick)(struct thread *t);
};
extern struct sched_hooks sched_hooks;

/* Prepares t (zeroed by the caller, kstack set) to start in fn(arg) on its own stack when first
 * woken. fn must not return. t->state is THREAD_UNINTERRUPTIBLE until thread_wake(). */
void thread_init(struct thread *t, void (*fn)(void *arg), void *arg);

/* Gives up the CPU. If the running thread's state is not THREAD_RUNNING (and no wake-up came in
 * between, and no signal is pending that the state admits), it sleeps until woken. Interrupts are
 * on, no spinlock is held. */
void schedule(void);
/* Ends the running thread: THREAD_DEAD, never returns; thread_dead hook is called from the next one. */
void schedule_dead(void) __noreturn;
void sched_yield(void);

/* Makes t runnable if its state is in mask (bits 1 << enum thread_state). Any context. True if it was woken. */
bool thread_wake_mask(struct thread *t, unsigned int mask);
static inline bool thread_wake(struct thread *t)
{
	return thread_wake_mask(t, 1u << THREAD_INTERRUPTIBLE | 1u << THREAD_UNINTERRUPTIBLE |
					   1u << THREAD_KILLABLE);
}
/* As by a signal: interruptible sleeps, and killable ones if fatal. */
static inline bool thread_wake_signal(struct thread *t, bool fatal)
{
	return thread_wake_mask(t,
				1u << THREAD_INTERRUPTIBLE | (fatal ? 1u << THREAD_KILLABLE : 0));
}
/* If t runs on another CPU, it comes into the kernel soon, and looks at its work. */
void thread_kick(const struct thread *t);

/* Sets the running thread's state, with the barrier that a wait loop needs before it looks again
 * at its condition. */
void set_current_state(enum thread_state s);

static inline bool need_resched(void)
{
	return this_cpu_read(need_resched_flag);
}
/* schedule() of a thread that waits for I/O: what its CPU idles meanwhile is iowait. */
void io_schedule(void);
/* In long loops, every 512 pages or so; sleeps. */
static inline void cond_resched(void)
{
	if (need_resched())
		schedule();
}
void set_user_nice(struct thread *t, int nice);
/* t runs on the CPUs of mask, of which one at least is there, from the return on. Sleeps. */
void thread_set_affinity(struct thread *t, u64 mask);
/* The time that t has run, up to now. */
u64 thread_cpu_ns(struct thread *t);
void sched_tick(bool user); /* from the timer interrupt */
unsigned long nr_running(void);
u64 nr_context_switches(void);
/* The time that cpu was idle: while threads that last ran there waited for I/O (*iowait), and else. */
u64 cpu_idle_ns(unsigned int cpu, u64 *iowait);
/* Ticks that found a CPU in user mode, and in the kernel but not idle; times TICK_NSEC. */
void cpu_busy_ns(unsigned int cpu, u64 *user, u64 *system);
void loadavg_get(unsigned long avg[3]); /* fixed point, << 11 */

/* Asserts that every queue holds what it counts; after each in-kernel test. */
void sched_check(void);

/* Runs for ever as the idle loop. */
void cpu_idle(void) __noreturn;

/* Around every interrupt handler (not exceptions). */
DECLARE_PER_CPU(int, irq_depth);
static inline bool in_irq(void)
{
	return this_cpu_read(irq_depth) > 0;
}
void irq_enter(void);
void irq_exit(void);
