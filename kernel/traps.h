/* SPDX-License-Identifier: MIT */
/* Exceptions, and what the kernel does when it is itself at fault. */
#pragma once

#include <kernel/lib/printk.h>
#include <kernel/lib/types.h>
#include <kernel/x86/trapframe.h>

/* From entry.S: page faults, and every other exception and interrupt. */
void page_fault(struct trapframe *tf);
void trap_dispatch(struct trapframe *tf);
/* From entry.S: the iretq to user mode faulted with this frame; rebuilds the user's and returns it. */
struct trapframe *trap_rebuild_user_frame(struct trapframe *fault);

/* ---- panic.c ---- */

/* The kernel made a mistake in tf: prints all about it, then ends the process, or the machine where
 * there is no process to blame (interrupts, idle, init) or `oops=panic` is set. */
void oops(struct trapframe *tf, const char *fmt, ...) __noreturn __printf(2, 3);
/* Prints registers, code, stack and backtrace. */
void show_regs(const struct trapframe *tf);
/* What a CPU that is held (kernel/x86/nmi.h) was doing; NULL: it did not answer. */
void show_cpu(unsigned int cpu, const struct trapframe *tf);
/* The entries that lead to addr in the tables that are loaded, level by level. */
void show_page_walk(vaddr_t addr);
/* The running thread's backtrace from here. */
void dump_stack(enum log_level level);
/* If the address is in a guard page of a kernel stack. */
bool is_stack_overflow(vaddr_t addr);

/* kernel/exit.c: the running process dies of the kernel's mistake, as by SIGKILL, but without going
 * back through what it was doing. */
void do_exit_oops(void) __noreturn;
