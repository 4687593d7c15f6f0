/* SPDX-License-Identifier: MIT */
/*
 * From a STARTUP interrupt to ap_main(): how every processor but the first comes up.
 *
 * It begins in real mode at the page that the interrupt names, below 1 MiB: kernel/smp.c copies
 * ap_trampoline there. That is only as much as it takes to leave real mode; the rest runs in the
 * image. One processor is started at a time, and ap_boot (kernel/smp.h) says what is prepared for it.
 *
 * A processor that answers late, when it was given up already, must not take what was prepared for
 * another: it compares its APIC id, and then competes for ap_boot.state.
 */
#include <boot/boot.h>

#define PA(sym) ((sym) - BOOT_KERNEL_BASE)

#define CR0_PE	    (1 << 0)
#define MSR_GS_BASE 0xc0000101

	.section .rodata.boot, "a"
	.code16
	.globl	ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	trampoline_gdt_ptr - ap_trampoline
	movl	%cr0, %eax
	orl	$CR0_PE, %eax
	movl	%eax, %cr0
	ljmpl	$BOOT_CS32, $PA(ap_start32)
	.balign	4
trampoline_gdt_ptr:
	.word	BOOT_GDT_SIZE - 1
	.long	PA(boot_gdt)
ap_trampoline_end:

	.section .boot.text, "ax"
	.code32
	.type	ap_start32, @function
ap_start32:
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss

	movl	$1, %eax
	cpuid
	shrl	$24, %ebx			/* the initial APIC id */
	cmpl	PA(ap_boot) + AP_BOOT_APIC_ID, %ebx
	jne	ap_unwanted
	movl	$AP_EXPECTED, %eax
	movl	$AP_ARRIVED, %ecx
	lock cmpxchgl %ecx, PA(ap_boot) + AP_BOOT_STATE
	jne	ap_unwanted

	movl	$0x80000001, %eax
	cpuid
	movl	%edx, %ebp
	xorl	%edi, %edi			/* no loader's magic: ap_start_high */
	jmp	enter_long_mode

ap_unwanted:
	hlt
	jmp	ap_unwanted

	.code64
	.globl	ap_start_high
	.type	ap_start_high, @function
ap_start_high:
	movq	ap_boot + AP_BOOT_CR3, %rax
	movq	%rax, %cr3
	movq	ap_boot + AP_BOOT_PERCPU, %rax
	movq	%rax, %rdx
	shrq	$32, %rdx
	movl	$MSR_GS_BASE, %ecx
	wrmsr
	movq	ap_boot + AP_BOOT_STACK_TOP, %rsp
	xorl	%ebp, %ebp			/* the backtrace ends here */
	pushq	$0
	jmp	ap_main

	.section .note.GNU-stack, "", @progbits
