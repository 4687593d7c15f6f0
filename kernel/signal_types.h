/* SPDX-License-Identifier: MIT */
/* Signal structures of the Linux x86-64 ABI (signal(7), sigaction(2)). */
#pragma once

#include <kernel/lib/list.h>
#include <kernel/lib/types.h>

typedef u64 sigset_t; /* bit n - 1: signal n */
#define NSIG       64
#define sigmask(n) (1UL << ((n)-1))

enum {
	SIGHUP = 1,
	SIGINT,
	SIGQUIT,
	SIGILL,
	SIGTRAP,
	SIGABRT,
	SIGBUS,
	SIGFPE,
	SIGKILL,
	SIGUSR1,
	SIGSEGV,
	SIGUSR2,
	SIGPIPE,
	SIGALRM,
	SIGTERM,
	SIGSTKFLT,
	SIGCHLD,
	SIGCONT,
	SIGSTOP,
	SIGTSTP,
	SIGTTIN,
	SIGTTOU,
	SIGURG,
	SIGXCPU,
	SIGXFSZ,
	SIGVTALRM,
	SIGPROF,
	SIGWINCH,
	SIGIO,
	SIGPWR,
	SIGSYS,
	SIGRTMIN = 32,
};

#define SA_NOCLDSTOP 0x1UL
#define SA_NOCLDWAIT 0x2UL
#define SA_SIGINFO   0x4UL
#define SA_RESTORER  0x04000000UL
#define SA_ONSTACK   0x08000000UL
#define SA_RESTART   0x10000000UL
#define SA_NODEFER   0x40000000UL
#define SA_RESETHAND 0x80000000UL
#define SIG_DFL      ((void __user *)0)
#define SIG_IGN      ((void __user *)1)

/* si_code */
#define SI_USER       0
#define SI_KERNEL     0x80
#define SI_QUEUE      (-1)
#define SI_TKILL      (-6)
#define ILL_ILLOPN    2
#define FPE_INTDIV    1
#define FPE_FLTDIV    3
#define SEGV_MAPERR   1
#define SEGV_ACCERR   2
#define BUS_ADRALN    1
#define BUS_ADRERR    2
#define TRAP_BRKPT    1
#define TRAP_TRACE    2
#define CLD_EXITED    1
#define CLD_KILLED    2
#define CLD_DUMPED    3
#define CLD_STOPPED   5
#define CLD_CONTINUED 6

struct k_sigaction { /* the kernel's struct sigaction, as rt_sigaction passes it */
	void __user *handler;
	unsigned long flags;
	void __user *restorer;
	sigset_t mask;
};

typedef struct siginfo {
	int si_signo, si_errno, si_code, pad0;
	union {
		struct {
			s32 pid;
			u32 uid;
			s32 status;
			u32 pad1;
			s64 utime, stime;
		}; /* SIGCHLD, kill: pid, uid */
		struct {
			s32 qpid;
			u32 quid;
			u64 value;
		}; /* sigqueue */
		struct {
			u64 addr;
			u64 addr_extra[2];
		}; /* faults */
		u8 raw[112];
	};
} siginfo_t;
_Static_assert(sizeof(siginfo_t) == 128, "siginfo_t is 128 bytes");

struct sigpending {
	sigset_t signal;
	struct list_head queue; /* struct sigqueue */
};
