/* SPDX-License-Identifier: MIT */
/*
 * From the loader to kernel_main().
 *
 * Both loaders enter in 32-bit protected mode with flat segments and paging off:
 *
 *	multiboot2	eax = 0x36d76289, ebx = boot information	-> _start
 *	PVH		ebx = start_info (its first word is its magic)	-> pvh_start
 *
 * The image is linked at its high virtual address but runs here at its physical one, so every
 * address in the 32-bit part is written PA(symbol). Its page tables live for a moment only: mm/
 * builds the real ones, with W^X and without the identity map.
 *
 *	0x0000000000000000	4 GiB identity	this code, and loader data anywhere below 4 GiB
 *	0xffff888000000000	4 GiB direct	the same page directories
 *	0xffffffff80000000	1 GiB image	the first of them
 *
 * The way up: check CPUID, fill the tables, PAE + EFER.LME + paging, a 64-bit code segment, jump
 * to the high half, GSBASE to the boot CPU's per-CPU area (its load image, used in place), and C.
 */
#include <boot/boot.h>

#define PA(sym) ((sym) - BOOT_KERNEL_BASE)

#define COM1 0x3f8

#define PTE_P	 0x001
#define PTE_RW	 0x002
#define PTE_PS	 0x080
#define PML4_DIRECT 273	/* bits 39..47 of BOOT_DIRECT_BASE */
#define PML4_KERNEL 511
#define PDPT_KERNEL 510

#define CR0_PE		(1 << 0)
#define CR0_MP		(1 << 1)
#define CR0_NE		(1 << 5)
#define CR0_WP		(1 << 16)
#define CR0_PG		(1 << 31)
#define CR4_PAE		(1 << 5)
#define MSR_EFER	0xc0000080
#define MSR_GS_BASE	0xc0000101
#define EFER_SCE	(1 << 0)
#define EFER_LME	(1 << 8)
#define EFER_NXE	(1 << 11)

/* CPUID 0x80000001 edx */
#define CPUID_SYSCALL	11
#define CPUID_NX	20
#define CPUID_LM	29

	/* ---------------------------------------------------------------- headers */

	.section .multiboot2, "a"
	.balign 8
mb2_header:
	.long	0xe85250d6			/* multiboot2 */
	.long	0				/* i386, protected mode */
	.long	mb2_end - mb2_header
	.long	-(0xe85250d6 + 0 + (mb2_end - mb2_header))
	/* Under UEFI the screen has no text mode: a framebuffer, this large if there is a choice. It is
	 * not required. */
	.short	5, 1
	.long	20
	.long	1024, 768, 32
	.balign 8
	.short	0, 0
	.long	8
mb2_end:

	.section .note.Xen, "a", @note
	.balign 4
	.long	4, 4, 18			/* name, descriptor: XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	PA(pvh_start)

	/* ---------------------------------------------------------------- 32 bits */

	.section .boot.text, "ax"
	.code32
	.globl	_start, pvh_start
	.type	_start, @function
	.type	pvh_start, @function
pvh_start:
	movl	$BOOT_MAGIC_PVH, %eax
_start:
	cli
	cld
	movl	%eax, %edi			/* rdi, rsi: the arguments of boot_main() */
	movl	%ebx, %esi
	movl	$PA(boot_stack_top), %esp
	call	check_cpu
	call	fill_tables

	/* Every processor; the others come from ap_entry.S, with edi = 0. */
	.globl	enter_long_mode
	.type	enter_long_mode, @function
enter_long_mode:
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$PA(boot_pml4), %eax
	movl	%eax, %cr3

	/* ebp: CPUID 0x80000001 edx */
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	btl	$CPUID_SYSCALL, %ebp
	jnc	1f
	orl	$EFER_SCE, %eax
1:	btl	$CPUID_NX, %ebp
	jnc	2f
	orl	$EFER_NXE, %eax
2:	wrmsr

	/* The caches on (CD, NW clear); the kernel itself never touches the FPU. */
	movl	$(CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG), %eax
	movl	%eax, %cr0

	lgdtl	PA(boot_gdt_ptr)
	ljmpl	$0x08, $PA(start64)

/* Long mode or a plain word about it on the serial port. Returns its feature bits in ebp. */
	.type	check_cpu, @function
check_cpu:
	pushfl				/* is there a CPUID at all? EFLAGS.ID can change */
	popl	%eax
	movl	%eax, %ecx
	xorl	$(1 << 21), %eax
	pushl	%eax
	popfl
	pushfl
	popl	%eax
	cmpl	%eax, %ecx
	je	no_long_mode

	movl	$0x80000000, %eax
	pushl	%edi
	pushl	%esi
	cpuid
	cmpl	$0x80000001, %eax
	jb	no_long_mode
	movl	$0x80000001, %eax
	cpuid
	popl	%esi
	popl	%edi
	btl	$CPUID_LM, %edx
	jnc	no_long_mode
	movl	%edx, %ebp
	ret

no_long_mode:
	movl	$PA(msg_no_long_mode), %esi
1:	lodsb
	testb	%al, %al
	jz	3f
	movb	%al, %ah
	movw	$(COM1 + 5), %dx
2:	inb	%dx, %al
	testb	$0x20, %al
	jz	2b
	movw	$COM1, %dx
	movb	%ah, %al
	outb	%al, %dx
	jmp	1b
3:	movw	$0xf4, %dx		/* QEMU's debug exit, if there is one: a failure */
	movb	$0x11, %al
	outb	%al, %dx
4:	hlt
	jmp	4b

	.type	fill_tables, @function
fill_tables:
	/* Four page directories of 512 entries: 2048 pages of 2 MiB from 0 up. */
	movl	$PA(boot_pd), %ebx
	movl	$(PTE_P | PTE_RW | PTE_PS), %eax
	movl	$2048, %ecx
1:	movl	%eax, (%ebx)
	addl	$0x200000, %eax
	addl	$8, %ebx
	loop	1b

	movl	$PA(boot_pdpt), %ebx
	movl	$(PA(boot_pd) + PTE_P + PTE_RW), %eax
	movl	$4, %ecx
2:	movl	%eax, (%ebx)
	addl	$4096, %eax
	addl	$8, %ebx
	loop	2b

	movl	$(PA(boot_pd) + PTE_P + PTE_RW), PA(boot_pdpt_kernel) + 8 * PDPT_KERNEL
	movl	$(PA(boot_pdpt) + PTE_P + PTE_RW), PA(boot_pml4)
	movl	$(PA(boot_pdpt) + PTE_P + PTE_RW), PA(boot_pml4) + 8 * PML4_DIRECT
	movl	$(PA(boot_pdpt_kernel) + PTE_P + PTE_RW), PA(boot_pml4) + 8 * PML4_KERNEL
	ret

	/* ---------------------------------------------------------------- 64 bits */

	.code64
	.type	start64, @function
start64:
	movabsq	$start_high, %rax
	jmp	*%rax
	.type	start_high, @function
start_high:
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	testl	%edi, %edi
	jz	ap_start_high

	movq	$__per_cpu_load, %rax
	movq	%rax, %rdx
	shrq	$32, %rdx
	movl	$MSR_GS_BASE, %ecx
	wrmsr

	movq	$boot_stack_top, %rsp
	xorl	%ebp, %ebp		/* the backtrace ends here */
	movl	%edi, %edi		/* the upper halves are undefined after the switch */
	movl	%esi, %esi
	pushq	$0			/* a return address of 0, and the alignment of a call */
	jmp	boot_main

	.section .rodata.boot, "a"
	.balign 8
	.globl	boot_gdt
boot_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 0x08: 64-bit code */
	.quad	0x00cf93000000ffff	/* 0x10: data */
	.quad	0x00cf9b000000ffff	/* BOOT_CS32: 32-bit code */
boot_gdt_ptr:
	.word	BOOT_GDT_SIZE - 1
	.long	PA(boot_gdt)
msg_no_long_mode:
	.asciz	"\r\nOctavo needs a 64-bit processor: CPUID reports no long mode.\r\n"

	/* ---------------------------------------------------------------- .bss */

	.section .bss..page_aligned, "aw", @nobits
	.balign 4096
	.globl	boot_pml4, boot_stack, boot_stack_top
boot_pml4:
	.skip	4096
boot_pdpt:
	.skip	4096
boot_pdpt_kernel:
	.skip	4096
boot_pd:
	.skip	4 * 4096
boot_stack:
	.skip	BOOT_STACK_SIZE
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
