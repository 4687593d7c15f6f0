/* SPDX-License-Identifier: MIT */
/* What the assembly files share. */
/* clang-format off */
#pragma once

	/* gdb unwinds by .debug_frame; the kernel needs no .eh_frame. */
	.cfi_sections .debug_frame

	.macro FUNC name
	.globl	\name
	.type	\name, @function
	.balign	16
\name:
	.cfi_startproc
	.endm

	.macro ENDFUNC name
	.cfi_endproc
	.size	\name, . - \name
	.endm

/* What C keeps (but for rbp), into a trapframe that lies so far above rsp. */
	.macro STORE_KEPT above=0
	movq	%rbx, TF_RBX + \above(%rsp)
	movq	%r12, TF_R12 + \above(%rsp)
	movq	%r13, TF_R13 + \above(%rsp)
	movq	%r14, TF_R14 + \above(%rsp)
	movq	%r15, TF_R15 + \above(%rsp)
	.endm

/* Registers onto the stack and back, with what an unwinder needs to know. */
	.macro PUSH regs:vararg
	.irp	reg, \regs
	pushq	%\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endr
	.endm

	.macro POP regs:vararg
	.irp	reg, \regs
	popq	%\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endr
	.endm

/*
 * stac and clac, where the processor has SMAP: three-byte NOPs that smap_patch() overwrites at
 * boot. The sites of a file are a table between SMAP_SITES_BEGIN and SMAP_SITES_END.
 */
	.macro SMAP_SITES_BEGIN name
	.pushsection .rodata.smap_\name, "a"
	.balign	8
	.globl	smap_sites_\name
smap_sites_\name:
	.popsection
	.macro STAC
771:	.byte	0x0f, 0x1f, 0x00
	.pushsection .rodata.smap_\name, "a"
	.quad	771b, 0xcb010f			/* 0f 01 cb: stac */
	.popsection
	.endm
	.macro CLAC
771:	.byte	0x0f, 0x1f, 0x00
	.pushsection .rodata.smap_\name, "a"
	.quad	771b, 0xca010f			/* 0f 01 ca: clac */
	.popsection
	.endm
	.endm

	.macro SMAP_SITES_END name
	.pushsection .rodata.smap_\name, "a"
	.globl	smap_sites_\name\()_end
smap_sites_\name\()_end:
	.popsection
	.endm

/* A fault at `insn` goes on at `fixup`. */
	.macro EX_TABLE insn, fixup
	.pushsection __ex_table, "a"
	.balign	4
	.long	\insn - .
	.long	\fixup - .
	.popsection
	.endm
