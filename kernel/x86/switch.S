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
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	movq	%rdi, %r12
	movq	%rsi, %r13
	call	switch_cpu_state
	movq	%rsp, THREAD_KSP(%r12)
	movq	THREAD_KSP(%r13), %rsp
	movq	THREAD_CANARY(%r13), %rax
	movq	%rax, %gs:PERCPU_CANARY
	movq	%r12, %rax
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
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
