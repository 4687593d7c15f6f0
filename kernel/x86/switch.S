/* SPDX-License-Identifier: MIT */
/*
 * The stack switch. C sees an ordinary call: what it expects to survive one is pushed on the old
 * stack and popped from the new one; the stack pointers change in between.
 */
#include <kernel/x86/asm_offsets.h>
#include <kernel/x86/asm.h>

	.text

/* struct thread *switch_to(struct thread *prev, struct thread *next) */
	FUNC	switch_to
	PUSH	rbp, rbx, r12, r13, r14, r15
	movq	%rdi, %r12
	movq	%rsi, %r13
	call	switch_cpu_state
	movq	%rsp, THREAD_KSP(%r12)
	movq	THREAD_KSP(%r13), %rsp
	movq	THREAD_CANARY(%r13), %rax
	movq	%rax, %gs:PERCPU_CANARY
	movq	%r12, %rax
	POP	r15, r14, r13, r12, rbx, rbp
	ret
	ENDFUNC	switch_to

/* switch_initial_frame() made switch_to return here: rbx = fn, r12 = arg, rax = prev. */
	.globl	thread_start
	.type	thread_start, @function
thread_start:
	.cfi_startproc
	.cfi_undefined rip			/* the outermost frame */
	movq	%rax, %rdi
	call	schedule_tail
	movq	%r12, %rdi
	call	*%rbx
	ud2
	.cfi_endproc
	.size	thread_start, . - thread_start

	.section .note.GNU-stack, "", @progbits
