/* SPDX-License-Identifier: MIT */
/* Changing from one thread to another, and a thread's first steps. */
#pragma once

#include <kernel/x86/trapframe.h>

struct thread;

/* The running CPU leaves prev for next: stack, canary, FPU and the user's segment bases. Interrupts
 * off. Returns, in next, the thread that was left there. */
struct thread *switch_to(struct thread *prev, struct thread *next);

/* Prepares a new stack so that the first switch_to() to it calls schedule_tail(prev) and then
 * fn(arg), which must not return. Below kstack_top room is left for the user's frame. Returns the
 * value for thread->ksp. */
u64 switch_initial_frame(u64 kstack_top, void (*fn)(void *arg), void *arg);

/* kernel/sched/sched.c: the first thing that runs in a new thread; turns interrupts on. */
void schedule_tail(struct thread *prev);

/* Where the frame of a thread that came from user mode stands, and has to stand. */
static inline struct trapframe *user_frame(u64 kstack_top)
{
	return (struct trapframe *)kstack_top - 1;
}

/* Enters user mode with the frame tf = user_frame(current_thread()->kstack_top); work first. */
void return_to_user(struct trapframe *tf) __noreturn;

/* The user's segment bases of the running thread (arch_prctl, exec: both 0). */
void user_bases_get(u64 *fsbase, u64 *gsbase);
void user_bases_set(u64 fsbase, u64 gsbase);
