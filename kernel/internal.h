/* SPDX-License-Identifier: MIT */
/* What the files of kernel/ share about processes and signals among themselves. */
#pragma once

#include <kernel/lib/errno.h>
#include <kernel/signal.h>
#include <kernel/task.h>

/* clone(2) */
#define CSIGNAL              0x000000ffUL
#define CLONE_VM             0x00000100UL
#define CLONE_FS             0x00000200UL
#define CLONE_FILES          0x00000400UL
#define CLONE_SIGHAND        0x00000800UL
#define CLONE_PTRACE         0x00002000UL
#define CLONE_VFORK          0x00004000UL
#define CLONE_PARENT         0x00008000UL
#define CLONE_THREAD         0x00010000UL
#define CLONE_SYSVSEM        0x00040000UL
#define CLONE_SETTLS         0x00080000UL
#define CLONE_PARENT_SETTID  0x00100000UL
#define CLONE_CHILD_CLEARTID 0x00200000UL
#define CLONE_DETACHED       0x00400000UL
#define CLONE_UNTRACED       0x00800000UL
#define CLONE_CHILD_SETTID   0x01000000UL
#define CLONE_IO             0x80000000UL
#define CLONE_CLEAR_SIGHAND  0x100000000UL

#define WNOHANG     0x1
#define WUNTRACED   0x2
#define WSTOPPED    WUNTRACED
#define WEXITED     0x4
#define WCONTINUED  0x8
#define WNOWAIT     0x01000000
#define __WNOTHREAD 0x20000000
#define __WALL      0x40000000
#define __WCLONE    0x80000000

#define PID_MAX_LIMIT 4194304 /* what kernel.pid_max may be set to */
#define RESERVED_PIDS 300     /* pids below it are not used again once the numbers wrapped */
extern int sysctl_pid_max;    /* new pids are below it; 32768 */

/* struct timespec and timeval of the ABI; timespec64 is fs/vfs.h's. */
struct timeval64 {
	s64 tv_sec, tv_usec;
};

/* --- task.c: the table. All with tasklist_lock held. */
struct task *task_find_locked(pid_t tid);
struct process *process_find_locked(pid_t pid);
/* Gives t a pid (fixed_pid, or 0: the next free one) and enters it, and its process if it is the
 * first thread. siglock taken inside. 0, -EAGAIN, or -ERESTARTNOINTR if a new thread of the caller's
 * process could miss a signal. */
int task_publish(struct task *t, struct process *parent, pid_t fixed_pid) __must_check;
void task_unhash(struct task *t);
void task_change_pid(struct task *t, pid_t pid); /* exec of a thread that is not the leader */
void process_set_parent(struct process *p, struct process *parent);
void process_set_pgrp(struct process *p, pid_t pgid);
void process_set_session(struct process *p, pid_t sid);
bool pgrp_exists(pid_t pgid);
/* Walks the processes of a group. */
struct process *pgrp_first(pid_t pgid);
struct process *pgrp_next(struct process *p);
#define for_each_in_pgrp(p, pgid) for (p = pgrp_first(pgid); p; p = pgrp_next(p))
/* A zombie leaves the table: afterwards, without locks, task_put(leader) and process_put(p). */
void process_release(struct process *p);

struct task *task_alloc(void); /* zeroed, with a kernel stack, count 1 (running) + 1 (table) */
struct process *process_alloc(void);
/* What task_alloc() gave, with all that was attached to it dropped but its process. */
void task_free(struct task *t);
extern struct process boot_process; /* pid 0 */
/* What task_alloc() gave becomes the idle thread of a CPU that is going to be started: another pid 0. */
void idle_task_init(struct task *t, unsigned int cpu);
unsigned int nr_threads_all(void);
struct fpu_state *fpu_state_alloc(void);

/* --- fork.c, exit.c, exec.c */
void exit_mm_release(struct task *t); /* robust list, clear_child_tid, vfork parent */
void task_note_maxrss(struct task *t);
int kernel_execve(const char *path, const char *const *argv, const char *const *envp);
void complete_vfork(struct task *t);
void thread_enter_user(struct task *t) __noreturn;

/* --- signal.c, sigdeliver.c. siglock held for those that say _locked. */
struct ksignal {
	struct k_sigaction ka;
	siginfo_t info;
	int sig;
};
#define SIG_KERNEL_ONLY_MASK (sigmask(SIGKILL) | sigmask(SIGSTOP))
#define SIG_STOP_MASK        (sigmask(SIGSTOP) | sigmask(SIGTSTP) | sigmask(SIGTTIN) | sigmask(SIGTTOU))
#define SIG_IGNORE_MASK      (sigmask(SIGCONT) | sigmask(SIGCHLD) | sigmask(SIGWINCH) | sigmask(SIGURG))

static inline void work_set(struct task *t, u32 bits)
{
	__atomic_fetch_or(&t->thread.work, bits, __ATOMIC_SEQ_CST);
}
static inline void work_clear(struct task *t, u32 bits)
{
	__atomic_fetch_and(&t->thread.work, ~bits, __ATOMIC_SEQ_CST);
}
void siginfo_init(siginfo_t *info, int sig, int code); /* the rest, padding too, is zero */
/* si_code and si_status for a wait status word. */
static inline int exit_info(int status, int *si_status)
{
	*si_status = status & 0x7f ? status & 0x7f : status >> 8 & 0xff;
	if (!(status & 0x7f))
		return CLD_EXITED;
	return status & 0x80 ? CLD_DUMPED : CLD_KILLED;
}
/* Before locks are taken under which n signals with a siginfo are sent; not if their sender is NULL. */
void signal_prepare(unsigned int n);
void recalc_sigpending(struct task *t); /* _locked: TWORK_SIGNAL from what is pending */
struct k_sigaction get_action(struct process *p, int sig);
void set_current_blocked(sigset_t newmask);
bool get_signal(struct ksignal *ks);
void force_sig_info(int sig, siginfo_t *info);
void force_sigsegv(int sig); /* a frame could not be written */
/* Removes the next signal outside mask from the queues of the running task; 0: none. _locked */
int dequeue_signal_locked(sigset_t mask, siginfo_t *info);
void restore_saved_sigmask(void);
void notify_parent_stopped(struct process *p, int why);     /* takes tasklist_lock */
void signal_drop_ignored(struct process *p, sigset_t mask); /* _locked */
/* May the running task send sig to p? 0 or -EPERM. tasklist_lock held. */
int check_kill_permission(int sig, struct process *p);
void group_kill_locked(struct process *p, int status); /* all its threads get SIGKILL */
void signal_wake_up(struct task *t, bool fatal);       /* _locked */
/* t no longer takes those: what of them was for any thread may have been left to it. */
void retarget_signals_locked(struct task *t, sigset_t which);
void set_blocked_locked(struct task *t, sigset_t newmask);
void exit_group_stop_locked(struct task *t, bool *notify);
bool pgrp_is_orphaned_locked(pid_t pgid, const struct process *ignored);
siginfo_t siginfo_kill(int sig, int code); /* from the running task */

void signal_init(void);
void task_tick(struct thread *t); /* itimer.c: sched_hooks.tick */

/* --- sigframe.c */
int setup_rt_frame(struct ksignal *ks, sigset_t *oldset, struct trapframe *tf);

/* --- rseq.c */
void rseq_set(struct task *t, struct rseq __user *r, u32 sig); /* NULL: none */
int rseq_signal(struct trapframe *tf);  /* before a handler's frame; -errno: SIGSEGV */
void rseq_resume(struct trapframe *tf); /* TWORK_RSEQ */

/* --- futex.c */
void futex_init(void); /* at boot, by task_init() */
void exit_robust_list(struct task *t);
void futex_wake_addr(u32 __user *uaddr, int nr);

/* --- time.c. Times of the user's in ns, saturated at KTIME_MAX; -EFAULT, or -EINVAL if it is none. */
struct timespec64;
int timespec_to_ktime(const struct timespec64 *ts, ktime_t *t) __must_check;
int get_user_ktime(const struct timespec64 __user *uts, ktime_t *t) __must_check;
ktime_t deadline_after(ktime_t ns); /* as ktime_get(); 0 stays 0: do not wait */
/* A relative timeout; NULL: KTIME_MAX, for ever. */
int get_user_deadline(const struct timespec64 __user *uts, ktime_t *expires) __must_check;

/* --- itimer.c */
void itimer_real_fn(struct timer *tm);

/* --- others */
void rlimits_init(struct process *p);
struct mm_struct *own_mm(void); /* with the limits of this moment: sys_mm.c */
void rlimits_to_mm(struct process *p, struct mm_struct *mm);
bool user_owns_task(const struct task *t, int cap); /* euid matches, or the capability */

/* --- capability.c: what follows from a change of ids, exec, and access(2) by the real ids */
extern const struct capabilities root_caps; /* of the kernel's own threads, and so of init */
void caps_after_setuid(struct cred *c, const struct ids *old);
void caps_after_setfsuid(struct cred *c, kuid_t old);
void caps_at_exec(struct cred *c);
/* What mm/ asks about, as it does not look at tasks. */
void caps_to_mm(const struct cred *c, struct mm_struct *mm);
int cap_bounding_drop(unsigned long cap); /* -EPERM, -EINVAL */
