/* SPDX-License-Identifier: MIT */
/* The way to a bare lock's waiting, for callers that do not know that they call: ticket_lock.h. */
#include <kernel/x86/asm.h>

	.text

/* rdi = the lock, al = the ticket. No register is changed. */
	FUNC	ticket_lock_save_wait
	PUSH	rbp
	movq	%rsp, %rbp			/* for backtraces */
	PUSH	rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
	movzbl	%al, %esi
	call	ticket_lock_wait
	POP	r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax, rbp
	ret
	ENDFUNC	ticket_lock_save_wait

	.section .note.GNU-stack, "", @progbits
