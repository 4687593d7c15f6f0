/* SPDX-License-Identifier: MIT */
/*
 * Sending and delivering signals.
 */
#pragma once

#include <kernel/task.h>

/* To the running thread, for a fault it caused; a blocked or ignored one is made fatal (as Linux). */
void force_sig_fault(int sig, int code, void __user *addr);
void force_sig_info_kernel(int sig); /* si_code SI_KERNEL, si_addr 0 */
void force_sig_sigkill(void);        /* out of memory: the running process dies */

/* To a process or one thread. Any context that may take siglock (interrupts included). info NULL: from
 * the kernel. 0 or -EAGAIN (queue limit). No permission check. */
int send_sig_process(struct process *p, int sig, const siginfo_t *info);
int send_sig_task(struct task *t, int sig, const siginfo_t *info);
/* Every process of the group (kernel origin: tty). 0, -ESRCH. */
int send_sig_pgrp(pid_t pgid, int sig);
int send_sig_pgrp_locked(pid_t pgid, int sig); /* tasklist_lock held */
/* The three keys: a restart, or SIGINT to init if that wants it so (reboot(2)). In interrupts too. */
void ctrl_alt_del(void);

bool signal_pending(void); /* for the running task: an interruptible wait must end */
bool signal_pending_task(struct thread *t, bool fatal_only); /* sched_hooks.signal_pending */
bool fatal_signal_pending(void);
bool signal_ignored_or_blocked(int sig); /* by the running task (tty: SIGTTIN, SIGTTOU) */
bool is_orphaned_pgrp(pid_t pgid);

/* Called by entry.S's slow exit path with interrupts on: reschedules, delivers signals, restarts
 * system calls; loops until there is nothing left to do. */
void exit_to_user(struct trapframe *tf);

/* fork/exec/exit */
int set_user_sigmask(const sigset_t __user *mask,
		     size_t size);             /* ppoll, pselect: saves the old one */
void flush_signal_handlers(struct process *p); /* exec: handlers to default */
void signals_release_pending(struct sigpending *p);
