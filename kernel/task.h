/* SPDX-License-Identifier: MIT */
/*
 * Processes and their threads.
 *
 * A struct task is one thread of execution (Linux's task_struct); the threads of a process share a
 * struct process (Linux's signal_struct + sighand): identity, family, signals, limits, timers.
 */
#pragma once

#include <kernel/capability.h>
#include <kernel/lib/atomic.h>
#include <kernel/lib/list.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>
#include <kernel/sched/wait.h>
#include <kernel/signal_types.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <kernel/x86/trapframe.h>
#include <mm/mm.h>

struct files_struct;
struct fs_struct;
struct file;
struct tty;
struct rseq;

#define RLIM_NLIMITS  16
#define RLIM_INFINITY (~0UL)
enum {
	RLIMIT_CPU,
	RLIMIT_FSIZE,
	RLIMIT_DATA,
	RLIMIT_STACK,
	RLIMIT_CORE,
	RLIMIT_RSS,
	RLIMIT_NPROC,
	RLIMIT_NOFILE,
	RLIMIT_MEMLOCK,
	RLIMIT_AS,
	RLIMIT_LOCKS,
	RLIMIT_SIGPENDING,
	RLIMIT_MSGQUEUE,
	RLIMIT_NICE,
	RLIMIT_RTPRIO,
	RLIMIT_RTTIME,
};
struct rlimit {
	unsigned long cur, max;
};

#define CRED_NGROUPS 32
/* Who a task acts as. Replaced as a whole under siglock of its process, read by the task itself
 * without a lock. "Capabilities" are: euid 0. */
/* Real, effective, saved, and for files: of users and of groups the same. */
struct ids {
	u32 real, effective, saved, files;
};
struct cred {
	union {
		struct ids user;
		struct {
			kuid_t uid, euid, suid, fsuid;
		};
	};
	union {
		struct ids group;
		struct {
			kgid_t gid, egid, sgid, fsgid;
		};
	};
	int ngroups;
	kgid_t groups[CRED_NGROUPS];
	struct capabilities caps;
};

struct io_counts {
	u64 rchar, wchar, syscr, syscw; /* bytes and calls, whatever was read or written */
};
static inline void io_counts_add(struct io_counts *sum, const struct io_counts *io)
{
	sum->rchar += io->rchar;
	sum->wchar += io->wchar;
	sum->syscr += io->syscr;
	sum->syscw += io->syscw;
}

struct process {
	atomic_t count;           /* tasks + holders */
	pid_t pid;                /* (c) = tgid */
	struct task *leader;      /* (T+s) */
	struct list_head threads; /* (T+s) task.thread_node */
	int nr_threads;           /* (T+s) on that list */
	atomic_t live;            /* threads that have not begun to exit */

	struct process *parent;     /* (T) NULL: pid 0 */
	pid_t ppid;                 /* (T) parent's pid; getppid() reads it without a lock */
	struct list_head children;  /* (T) process.sibling */
	struct list_head sibling;   /* (T) */
	struct list_head all_node;  /* (T) in all_processes */
	pid_t pgid, sid;            /* (T) */
	struct list_head pgrp_node; /* (T) by process group, hash in task.c */
	struct list_head sid_node;  /* (T) by session */
	struct tty *tty;            /* (T) controlling terminal of the session */
	bool leader_of_session;
	bool did_exec;
	bool child_subreaper; /* (T) orphans below it become its children */
	bool unkillable;      /* init: signals without a handler do nothing */

	spinlock_t siglock;               /* (s) LOCK_SIGHAND, irqsave */
	sigset_t action_set;              /* (s) signals whose action is perhaps not all zero */
	struct k_sigaction action[64];    /* (s) */
	struct sigpending shared_pending; /* (s) */
	bool group_exit;                  /* (s) all threads are to exit with group_exit_code */
	int group_exit_code;              /* (s) wait status word */
	bool dead;                        /* (s) no thread is left to take a signal */
	struct task *group_exec;   /* (s) the thread whose exec waits for all others to exit */
	unsigned int nr_sigqueue;  /* (s) queued siginfos, for RLIMIT_SIGPENDING */
	int group_stop_count;      /* (s) threads that have still to stop */
	bool notify_cont;          /* (s) the parent is to be told of SIGCONT */
	bool stopped;              /* (s) job control */
	int stop_sig, stop_report; /* (s) for WUNTRACED / WCONTINUED */
	bool cont_report;
	struct wait_queue wait_child; /* wait4 sleeps here */

	struct rlimit rlim[RLIM_NLIMITS]; /* (s) */
	struct timer real_timer;          /* ITIMER_REAL */
	ktime_t it_real_interval;
	struct cpu_timer {
		u64 expires; /* (s) in CPU time of the process; 0: not running */
		ktime_t interval;
	} it_virt, it_prof; /* (s) */
	/* the least that one without CAP_SYS_RESOURCE may set: what one with it has set last */
	int oom_score_adj, oom_score_adj_min, dumpable;

	/* of exited threads and waited-for children */
	u64 utime_ns, stime_ns, cutime_ns, cstime_ns;
	u64 min_flt, maj_flt, cmin_flt, cmaj_flt, nvcsw, nivcsw, cnvcsw, cnivcsw;
	struct io_counts io; /* the children's with them, as on Linux */
	unsigned long maxrss_kb, cmaxrss_kb;
	int exit_code; /* (T) status word once a zombie */
	bool zombie;   /* (T) */
	ktime_t start_time;
};
/* (T) tasklist_lock  (s) siglock  (c) constant; T+s: changed under both, read under either */

/* A vfork parent sleeps on it until the child has execed or exited. */
struct completion_vfork {
	bool done; /* (T) */
	struct wait_queue wait;
};

struct task {
	struct thread thread;         /* first: current is the same pointer */
	pid_t pid;                    /* (c) thread id */
	struct process *proc;         /* (c) */
	struct list_head thread_node; /* (T) */
	struct list_head pid_hash;    /* (T) */
	atomic_t count;
	struct files_struct *files;
	struct fs_struct *fs;
	struct cred cred;
	sigset_t blocked;    /* own, written under siglock */
	sigset_t saved_mask; /* sigsuspend, ppoll: restored after the handler is set up */
	bool restore_mask;
	sigset_t real_blocked;     /* (s) the mask around sigtimedwait, which lifts part of it */
	bool stop_pending;         /* (s) is to take part in a group stop */
	bool stop_dequeued;        /* (s) a stop signal is being acted on; SIGCONT clears it */
	bool exiting;              /* (s) */
	bool exit_done;            /* (T) has left the process for good; only the leader stays on */
	int exit_code;             /* status word it left with */
	struct sigpending pending; /* (s) */
	struct stack_info {
		unsigned long sp, size;
		int flags;
	} altstack;
	int exit_signal; /* to the parent; 17 */
	pid_t __user *set_child_tid, *clear_child_tid;
	struct rseq __user *rseq; /* registered: rseq.c */
	u32 rseq_sig;
	void __user *robust_list;
	size_t robust_len;
	struct restart_block {
		long (*fn)(struct restart_block *rb);
		u64 arg[5];
	} restart;
	struct completion_vfork *vfork_done; /* (T) whom to wake at exec or exit */
	u32 personality;
	bool randomized; /* at exec */
	int pdeath_signal;
	bool no_new_privs;
	struct io_counts io;
	u64 trap_nr, trap_err, trap_cr2; /* of the last fault that became a signal (sigcontext) */
	bool in_execve;
	struct trapframe *tf; /* user registers at the last entry: the top of the kernel stack */
};

static inline struct task *task_of(struct thread *t)
{
	return container_of(t, struct task, thread);
}
#define current (task_of(current_thread()))

extern spinlock_t tasklist_lock; /* class LOCK_TASK; taken with interrupts off */
extern struct list_head all_processes;
extern struct process *init_process;

/* A reference to the task / process with that id, or NULL. */
struct task *task_find_get(pid_t tid);
void task_put(struct task *t);
void process_put(struct process *p);
/* The mm of a process with its users count raised, or NULL (kernel thread, zombie); _locked: as long
 * as siglock is held. */
struct mm_struct *process_get_mm(struct process *p);
struct mm_struct *process_mm_locked(struct process *p);
/* A task's descriptor table and file-system context, referenced; NULL once it exits (/proc). */
struct files_struct *task_get_files(struct task *t);
struct fs_struct *task_get_fs(struct task *t);
/* The next process in pid order with pid >= *pid, referenced, *pid set; NULL at the end (/proc). */
struct process *process_next_get(pid_t *pid);

/* Starts a kernel thread. ERR_PTR(-ENOMEM). fn's return ends it. */
struct task *kthread_run(int (*fn)(void *arg), void *arg, const char *fmt, ...) __printf(3, 4);

void task_init(void); /* the boot thread becomes pid 0 */
/* Creates pid 1 and returns; it runs the init program, or panics with Linux's message if there is
 * none. The boot thread then goes to cpu_idle(). */
void start_init(void);
/* Frees what exited threads left behind; the ledger calls it before it compares. */
void task_reap_dead(void);
void signals_settle(void); /* the same for what is kept for signals to come */
/* A session's leader exits: the terminal's driver gives the terminal up (SIGHUP to its foreground). */
extern void (*tty_session_exit_hook)(struct process *leader);
/* A terminal's device number and foreground group, for /proc/PID/stat. tasklist_lock held. NULL if
 * there are no terminals. */
extern void (*tty_info_hook)(const struct tty *tty, kdev_t *dev, pid_t *pgrp);
void do_exit(int status_word) __noreturn;       /* this thread */
void do_group_exit(int status_word) __noreturn; /* the process */

/* Has the running task this capability (CAP_*)? */
static inline bool capable(int cap)
{
	return current->cred.caps.effective & BIT(cap);
}
static inline unsigned long rlimit(int which)
{
	return READ_ONCE(current->proc->rlim[which].cur);
}
bool in_group(kgid_t gid);
void caps_for_access(struct cred *c); /* as far as the real user id gives them: access(2) */
/* CPU time of one thread, or of a process with the threads it has lost; split as ticks saw it. */
u64 task_cpu_ns(struct task *t, u64 *utime, u64 *stime);
u64 process_cpu_ns(struct process *p, u64 *utime, u64 *stime);
/* Minor and major faults of the process so far. */
void process_faults(struct process *p, u64 *min_flt, u64 *maj_flt);
unsigned int max_threads(void);
/* For /proc/stat and loadavg: tasks made since boot, and the last pid that was given out. */
u64 nr_forks(void);
pid_t last_pid_used(void);
