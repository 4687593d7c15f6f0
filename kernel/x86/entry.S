/* SPDX-License-Identifier: MIT */
/*
 * All ways into the kernel and back.
 *
 * Each builds a struct trapframe on the kernel stack and calls C, all but system calls with it:
 *
 *	syscall instruction	-> syscall_entry	-> syscall_table[number](arguments)
 *	page faults		-> trap_stubs[14]	-> page_fault(tf)
 *	exceptions, interrupts	-> trap_stubs[vector]	-> trap_dispatch(tf)
 *	NMI, #DF, #MC		-> the same, on an IST stack each
 *
 * GSBASE. In the kernel it is the CPU's per-CPU area, in user mode the user's; swapgs exchanges them
 * on each change of mode, which the saved CS tells. Two kinds of entry cannot tell by CS:
 *
 *	- NMI, #DF and #MC may come between the change of mode and swapgs. They save GSBASE, load the
 *	  area's address from the top of their IST stack, and put the old value back at the end. (The
 *	  sign of GSBASE says nothing where FSGSBASE lets users write it.)
 *	- The iretq that leaves the kernel may fault, if the frame it was given is bad; GSBASE is then
 *	  the user's already. That fault is made one of the user: the frame is put together again.
 *
 * The way back to user mode, with interrupts off, looks at thread->work and need_resched; if there
 * is anything, exit_to_user(tf) does it with interrupts on, and it is looked again. A system call
 * behind which there is nothing to do returns by sysret (trapframe.h says what that rests on); all
 * else returns by iretq with every register reloaded.
 *
 * RFLAGS: syscall clears what SFMASK says (IF TF DF AC NT IOPL ...); other entries execute cld and,
 * with SMAP, clac. rbp is 0 in C called from user mode: there the kernel's backtrace ends.
 */
#include <kernel/x86/asm_offsets.h>
#include <kernel/x86/asm.h>

	SMAP_SITES_BEGIN entry
	.section .text.entry, "ax"

/* ---- frames ---- */

/* The hardware has pushed ss, rsp, rflags, cs, rip; the stub the error code and the vector. */
	.macro CFI_TRAP
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 7 * 8
	.cfi_offset rip, -5 * 8
	.cfi_offset rsp, -2 * 8
	.endm

/* What lies below the vector. orig_rax -1: nothing to restart. */
	.macro SAVE_REGS orig_rax=$-1, rax=%rax
	pushq	\orig_rax
	.cfi_adjust_cfa_offset 8
	PUSH	rdi, rsi, rdx, rcx
	pushq	\rax
	.cfi_adjust_cfa_offset 8
	.ifc	\rax, %rax
	.cfi_rel_offset rax, 0
	.endif
	PUSH	r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	.endm

	.macro RESTORE_REGS
	POP	r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	addq	$24, %rsp			/* orig_rax, vector, error */
	.cfi_adjust_cfa_offset -24
	.endm

/* A frame that is complete. */
	.macro CFI_FRAME
	.cfi_startproc simple
	.cfi_signal_frame
	CFI_FRAME_RULES
	.endm

	.macro CFI_FRAME_RULES
	.cfi_def_cfa rsp, TF_SIZE
	.cfi_offset rip, -5 * 8
	.cfi_offset rsp, -2 * 8
	.set	saved_at, TF_RDI
	.irp	reg, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	.cfi_rel_offset \reg, saved_at
	.set	saved_at, saved_at - 8
	.endr
	.endm

/* Jumps to slow, with interrupts off, if there is work before user mode. Spoils rdx. */
	.macro CHECK_WORK slow
	movq	%gs:current_thread_ptr, %rdx
	movl	THREAD_WORK(%rdx), %edx		/* its bits are in the lowest byte */
	orb	%gs:need_resched_flag, %dl
	jne	\slow
	.endm

/* ---- system calls ---- */

	.globl	syscall_entry
	.type	syscall_entry, @function
	.balign	16
syscall_entry:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	swapgs
	movq	%rsp, %gs:cpu_user_rsp
	movq	%gs:cpu_kstack_top, %rsp
	pushq	$ASM_USER_DS
	pushq	%gs:cpu_user_rsp
	pushq	%r11
	pushq	$ASM_USER_CS
	pushq	%rcx
	pushq	$0				/* error */
	pushq	$ASM_TRAP_SYSCALL
	.cfi_def_cfa rsp, 7 * 8
	.cfi_offset rip, -5 * 8
	.cfi_offset rsp, -2 * 8
	pushq	%rax				/* orig_rax */
	.cfi_adjust_cfa_offset 8
	PUSH	rdi, rsi, rdx, rcx
	pushq	$-ASM_ENOSYS
	.cfi_adjust_cfa_offset 8
	PUSH	r8, r9, r10, r11
	/* C keeps rbx and r12 to r15: STORE_KEPT puts them into the frame where it is needed whole. */
	subq	$TF_R11, %rsp
	.cfi_adjust_cfa_offset TF_R11
	movq	%rbp, TF_RBP(%rsp)
	.cfi_rel_offset rbp, TF_RBP
	xorl	%ebp, %ebp
	sti
	/* The arguments are where C has them, but for the fourth. */
	cmpl	$ASM_NR_SYSCALLS, %eax
	jae	.Lno_such_syscall
	movl	%eax, %eax
	movq	%r10, %rcx
	call	*syscall_table(, %rax, 8)
.Lsyscall_called:
#ifdef CONFIG_DEBUG
	movq	%rax, TF_RAX(%rsp)
	call	lock_check_none_held
	movq	TF_RAX(%rsp), %rax
#endif
	cli
	CHECK_WORK .Lsyscall_work

#ifdef CONFIG_DEBUG
	cmpl	$ASM_TRAP_SYSCALL, TF_VECTOR(%rsp)
	je	1f
	ud2					/* a frame that was changed, without TWORK_IRET */
1:
#endif
	movq	TF_RIP(%rsp), %rcx
	movq	TF_RFLAGS(%rsp), %r11
	movq	TF_RBP(%rsp), %rbp
	.cfi_restore rbp
	movq	TF_R10(%rsp), %r10
	movq	TF_R9(%rsp), %r9
	movq	TF_R8(%rsp), %r8
	movq	TF_RDX(%rsp), %rdx
	movq	TF_RSI(%rsp), %rsi
	movq	TF_RDI(%rsp), %rdi
	movq	TF_RSP(%rsp), %rsp
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	swapgs
	sysretq

	CFI_FRAME_RULES
	.irp	reg, rbx, r12, r13, r14, r15
	.cfi_same_value \reg
	.endr
.Lno_such_syscall:
	movl	TF_ORIG_RAX(%rsp), %edi
	call	no_such_call
	jmp	.Lsyscall_called
.Lsyscall_work:
	movq	%rax, TF_RAX(%rsp)
	cmpl	$ASM_TRAP_SYSCALL, TF_VECTOR(%rsp)
	jne	1f
	STORE_KEPT
	jmp	ret_to_user_work
1:	/* The frame is as exec or sigreturn wrote it. */
	movq	%gs:current_thread_ptr, %rdx
	lock andl $~ASM_TWORK_IRET, THREAD_WORK(%rdx)
	CHECK_WORK ret_to_user_work
	jmp	ret_to_user_regs
	.cfi_endproc
	.size	syscall_entry, . - syscall_entry

/* ---- exceptions and interrupts ---- */

/* Calls handler(tf). From the kernel, goes on at from_kernel. */
	.macro TRAP_ENTRY name, handler, from_kernel
	.type	\name, @function
	.balign	16
\name:
	CFI_TRAP
	cld
	CLAC
	testb	$3, 24(%rsp)			/* cs, above vector, error, rip */
	jz	\from_kernel
	swapgs
	SAVE_REGS
	movq	%rsp, %rdi
	xorl	%ebp, %ebp
	call	\handler
	cli
	CHECK_WORK ret_to_user_work
	RESTORE_REGS
	swapgs
	jmp	iretq_to_user
	.cfi_endproc
	.size	\name, . - \name
	.endm

	TRAP_ENTRY fault_common, page_fault, fault_from_kernel
	TRAP_ENTRY trap_common, trap_dispatch, trap_from_kernel

	.balign	16
fault_from_kernel:
	CFI_TRAP
	SAVE_REGS
	movq	%rsp, %rdi
	call	page_fault
	RESTORE_REGS
	iretq
	.cfi_endproc

	.balign	16
trap_from_kernel:
	CFI_TRAP
	cmpq	$iretq_to_user, 16(%rsp)	/* rip */
	je	bad_iret
	SAVE_REGS
	movq	%rsp, %rdi
	call	trap_dispatch
	RESTORE_REGS
	iretq
	.cfi_endproc

/* The user's registers have been reloaded, and are the ones saved here. */
	.balign	16
bad_iret:
	CFI_TRAP
	swapgs
	SAVE_REGS
	movq	%rsp, %rdi
	xorl	%ebp, %ebp
	call	trap_rebuild_user_frame
	movq	%rax, %rsp
	movq	%rax, %rdi
	call	trap_dispatch
	cli
	CHECK_WORK ret_to_user_work
	jmp	ret_to_user_regs
	.cfi_endproc

	.type	ret_to_user_work, @function
	.balign	16
ret_to_user_work:
	CFI_FRAME
	sti
	movq	%rsp, %rdi
	xorl	%ebp, %ebp
	call	exit_to_user
	cli
	CHECK_WORK ret_to_user_work
ret_to_user_regs:
	RESTORE_REGS
	swapgs
	.globl	iretq_to_user
iretq_to_user:
	iretq
	.cfi_endproc
	.size	ret_to_user_work, . - ret_to_user_work

/* void return_to_user(struct trapframe *tf): for a thread that has not been there before. */
	.globl	return_to_user
	.type	return_to_user, @function
	.balign	16
return_to_user:
	CFI_FRAME
	movq	%rdi, %rsp
	cli
	CHECK_WORK ret_to_user_work
	jmp	ret_to_user_regs
	.cfi_endproc
	.size	return_to_user, . - return_to_user

/* ---- NMI, #DF, #MC: any state of GSBASE, a stack of their own ---- */

	.type	trap_paranoid, @function
	.balign	16
trap_paranoid:
	CFI_TRAP
	cld
	CLAC
	SAVE_REGS
	movl	$0xc0000101, %ecx		/* MSR_GS_BASE */
	rdmsr
	shlq	$32, %rdx
	leaq	(%rdx, %rax), %rbx
	movq	TF_SIZE(%rsp), %rax		/* the area's address, at the top of the stack */
	movq	%rax, %rdx
	shrq	$32, %rdx
	wrmsr
	movq	%rsp, %rdi
	testb	$3, TF_CS(%rsp)
	jz	1f
	xorl	%ebp, %ebp
1:	call	trap_dispatch
	movl	$0xc0000101, %ecx
	movq	%rbx, %rax
	movq	%rbx, %rdx
	shrq	$32, %rdx
	wrmsr
	RESTORE_REGS
	iretq
	.cfi_endproc
	.size	trap_paranoid, . - trap_paranoid

/* ---- the 256 stubs, 16 bytes each ---- */

	.globl	trap_stubs
	.type	trap_stubs, @function
	.balign	16
trap_stubs:
	.set	vec, 0
	.rept	256
	.balign	16
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_offset rip, -5 * 8
	.cfi_offset rsp, -2 * 8
	/* #DF #TS #NP #SS #GP #PF #AC, and #CP #VC #SX: the processor pushes an error code */
	.if vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21 || vec == 29 || vec == 30
	.cfi_def_cfa rsp, 6 * 8
	.else
	.cfi_def_cfa rsp, 5 * 8
	pushq	$0
	.cfi_adjust_cfa_offset 8
	.endif
	pushq	$vec
	.cfi_adjust_cfa_offset 8
	.if vec == 2 || vec == 8 || vec == 18
	jmp	trap_paranoid
	.elseif vec == 14
	jmp	fault_common
	.else
	jmp	trap_common
	.endif
	.cfi_endproc
	.set	vec, vec + 1
	.endr
	.size	trap_stubs, . - trap_stubs

	SMAP_SITES_END entry
	.section .note.GNU-stack, "", @progbits
