/* SPDX-License-Identifier: MIT */
/*
 * What entry.S leaves on the kernel stack for every way into the kernel. The order is that of
 * Linux's struct user_regs_struct up to ss, so that it can be handed out as it is.
 */
#pragma once

#include <kernel/lib/types.h>

struct trapframe {
	u64 r15, r14, r13, r12, rbp, rbx;
	u64 r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 orig_rax;                 /* system call number, or -1 once it must not be restarted */
	u64 vector;                   /* exception or interrupt vector; TRAP_SYSCALL for syscall */
	u64 error;                    /* error code, or 0 */
	u64 rip, cs, rflags, rsp, ss; /* the hardware's part */
};

#define TRAP_SYSCALL    0x100
#define TRAP_FORCE_IRET 0x101

/*
 * The way back from a system call is short: it does not reload rbx, r12 to r15 (C kept them, and they
 * need not even be in the frame) and leaves by sysret, with rip in rcx and rflags in r11, unless
 * thread->work says otherwise. So whoever writes a register of the user other than rdi, rsi, rdx, r8, r9,
 * r10, rbp into a frame during a system call (exec, sigreturn) calls this and sets TWORK_IRET. Not so
 * signal delivery in exit_to_user(), and a new thread: behind them the frame is reloaded whole, by iretq.
 */
static inline void tf_force_iret(struct trapframe *tf)
{
	tf->vector = TRAP_FORCE_IRET;
}

static inline bool user_mode(const struct trapframe *tf)
{
	return tf->cs & 3;
}

/* Selectors. syscall/sysret dictate the order: STAR[47:32] = KERNEL_CS, STAR[63:48] = USER_CS32. */
#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define USER_CS32 (0x20 | 3)
#define USER_DS   (0x28 | 3)
#define USER_CS   (0x30 | 3)
#define TSS_SEL   0x40

#define X86_TRAP_DE  0
#define X86_TRAP_DB  1
#define X86_TRAP_NMI 2
#define X86_TRAP_BP  3
#define X86_TRAP_OF  4
#define X86_TRAP_BR  5
#define X86_TRAP_UD  6
#define X86_TRAP_NM  7
#define X86_TRAP_DF  8
#define X86_TRAP_TS  10
#define X86_TRAP_NP  11
#define X86_TRAP_SS  12
#define X86_TRAP_GP  13
#define X86_TRAP_PF  14
#define X86_TRAP_MF  16
#define X86_TRAP_AC  17
#define X86_TRAP_MC  18
#define X86_TRAP_XM  19

/* Page-fault error code (SDM vol. 3, 4.7). */
#define PF_ERR_PRESENT 0x01
#define PF_ERR_WRITE   0x02
#define PF_ERR_USER    0x04
#define PF_ERR_RSVD    0x08
#define PF_ERR_INSTR   0x10

#define X86_EFLAGS_FIXED 0x2
#define X86_EFLAGS_TF    0x100
#define X86_EFLAGS_IF    0x200
#define X86_EFLAGS_DF    0x400
#define X86_EFLAGS_IOPL  0x3000
#define X86_EFLAGS_NT    0x4000
#define X86_EFLAGS_RF    0x10000
#define X86_EFLAGS_AC    0x40000
