/* SPDX-License-Identifier: MIT */
/*
 * The function of each system call, by number, for entry.S: an array of ASM_NR_SYSCALLS pointers, none of
 * them NULL.
 *
 * They are called with what entry.S has saved right above their return address: a frame without rbx and
 * r12 to r15, which C keeps. Those that copy the frame complete it first.
 */
#include <kernel/x86/asm_offsets.h>
#include <kernel/x86/asm.h>

	.text

	FUNC	syscall_missing
	movl	8 + TF_ORIG_RAX(%rsp), %edi
	jmp	no_such_call
	ENDFUNC	syscall_missing

	.irp	name, clone, fork, vfork, clone3
	FUNC	whole_\name
	STORE_KEPT 8
	jmp	sys_\name
	ENDFUNC	whole_\name
	.endr

	.macro SLOT nr, name
	.rept	\nr - slots
	.quad	syscall_missing
	.endr
	.set	slots, \nr + 1
	.ifdef	whole_\name
	.quad	whole_\name
	.else
	.quad	sys_\name
	.endif
	.endm

	.section .rodata, "a"
	.balign	8
	.globl	syscall_table
	.type	syscall_table, @object
syscall_table:
	.set	slots, 0
#define S(nr, name)               SLOT nr, name
#define OLD(nr, name, newer, ...) SLOT nr, name
#include <kernel/syscall_list.h>
	.rept	ASM_NR_SYSCALLS - slots
	.quad	syscall_missing
	.endr
	.size	syscall_table, . - syscall_table

	.section .note.GNU-stack, "", @progbits
