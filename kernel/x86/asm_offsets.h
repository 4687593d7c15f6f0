/* SPDX-License-Identifier: MIT */
/* Offsets that assembly uses. kernel/sched/switch.c asserts that the C structures agree. */
#pragma once

/* struct trapframe */
#define TF_R15      0
#define TF_R14      8
#define TF_R13      16
#define TF_R12      24
#define TF_RBP      32
#define TF_RBX      40
#define TF_R11      48
#define TF_R10      56
#define TF_R9       64
#define TF_R8       72
#define TF_RAX      80
#define TF_RCX      88
#define TF_RDX      96
#define TF_RSI      104
#define TF_RDI      112
#define TF_ORIG_RAX 120
#define TF_VECTOR   128
#define TF_ERROR    136
#define TF_RIP      144
#define TF_CS       152
#define TF_RFLAGS   160
#define TF_RSP      168
#define TF_SS       176
#define TF_SIZE     184

/* struct thread */
#define THREAD_KSP    0
#define THREAD_CANARY 16
#define THREAD_WORK   24

#define ASM_TWORK_IRET 0x8

#define PERCPU_CANARY 40

/* As in trapframe.h, which assembly cannot include. */
#define ASM_TRAP_SYSCALL 0x100
#define ASM_KERNEL_DS    0x18
#define ASM_USER_DS      0x2b
#define ASM_USER_CS      0x33
#define ASM_ENOSYS       38
#define ASM_NR_SYSCALLS  512 /* kernel/syscall.c */

#define IST_DF  1
#define IST_NMI 2
#define IST_MC  3
#define IST_NR  3
