/* SPDX-License-Identifier: MIT */
/*
 * Copies that may fault. Each returns in rax the number of bytes NOT done. Words first, then the
 * odd bytes; if a word faults, the rest is done bytewise, so that the count is exact, and ends at the
 * bad byte itself. rcx holds at each moment what is left, so the fixups need no other bookkeeping.
 *
 * The faults themselves are handled like any other (the page is brought in and the instruction is
 * run again); the exception table is asked only when that fails. C saves nothing here: these are
 * ordinary functions.
 */
#include <kernel/x86/asm.h>

	SMAP_SITES_BEGIN usercopy
	.text

/* Behind 1: the words and 2: the bytes. */
	.macro END_WORDS_AND_BYTES
3:	CLAC
	movq	%rcx, %rax
	ret
4:	leaq	(%rdx, %rcx, 8), %rcx
	jmp	2b
	EX_TABLE 1b, 4b
	EX_TABLE 2b, 3b
	.endm

/* Behind 1: the access. eax is 0, or -14 (EFAULT). */
	.macro END_TOUCH
2:	CLAC
	ret
3:	movl	$-14, %eax
	jmp	2b
	EX_TABLE 1b, 3b
	.endm

/* size_t __copy_user(void *dst, const void *src, size_t n): either side may be the user's. */
	FUNC	__copy_user
	movq	%rdx, %rcx
	andl	$7, %edx
	shrq	$3, %rcx
	STAC
1:	rep movsq
	movl	%edx, %ecx
2:	rep movsb
	END_WORDS_AND_BYTES
	ENDFUNC	__copy_user

/* size_t __clear_user(void *dst, size_t n) */
	FUNC	__clear_user
	movq	%rsi, %rcx
	movl	%esi, %edx
	andl	$7, %edx
	shrq	$3, %rcx
	xorl	%eax, %eax
	STAC
1:	rep stosq
	movl	%edx, %ecx
2:	rep stosb
	END_WORDS_AND_BYTES
	ENDFUNC	__clear_user

/* size_t __copy_kernel(void *dst, const void *src, size_t n): the same without opening user memory. */
	FUNC	__copy_kernel
	movq	%rdx, %rcx
1:	rep movsb
2:	movq	%rcx, %rax
	ret
	EX_TABLE 1b, 2b
	ENDFUNC	__copy_kernel

/* long __copy_user_string(char *dst, const char *src, long n): copies up to and with the NUL, at
 * most n bytes. Returns the number of bytes before the NUL, n if there was none, -14 (EFAULT). */
	FUNC	__copy_user_string
	xorl	%eax, %eax
	STAC
1:	cmpq	%rdx, %rax
	jae	3f
2:	movb	(%rsi, %rax), %cl
	movb	%cl, (%rdi, %rax)
	testb	%cl, %cl
	jz	3f
	incq	%rax
	jmp	1b
3:	CLAC
	ret
4:	movq	$-14, %rax
	jmp	3b
	EX_TABLE 2b, 4b
	ENDFUNC	__copy_user_string

/* long __user_string_length(const char *s, long n): with the NUL; n + 1 if there is none within n
 * bytes; 0 on a fault. */
	FUNC	__user_string_length
	xorl	%eax, %eax
	STAC
1:	incq	%rax
	cmpq	%rsi, %rax
	ja	3f
2:	cmpb	$0, -1(%rdi, %rax)
	jne	1b
3:	CLAC
	ret
4:	xorl	%eax, %eax
	jmp	3b
	EX_TABLE 2b, 4b
	ENDFUNC	__user_string_length

/* int __touch_read(const void *p): reads a byte. 0 or -14. */
	FUNC	__touch_read
	xorl	%eax, %eax
	STAC
1:	movb	(%rdi), %cl
	END_TOUCH
	ENDFUNC	__touch_read

/* int __touch_write(void *p): writes a byte without changing it, even against another thread. */
	FUNC	__touch_write
	xorl	%eax, %eax
	STAC
1:	lock orb $0, (%rdi)
	END_TOUCH
	ENDFUNC	__touch_write

/* int __cmpxchg_user_u32(u32 *p, u32 expect, u32 val, u32 *old): 0 or -14. */
	FUNC	__cmpxchg_user_u32
	movl	%esi, %eax
	xorl	%esi, %esi
	STAC
1:	lock cmpxchgl %edx, (%rdi)
2:	CLAC
	movl	%eax, (%rcx)
	movl	%esi, %eax
	ret
3:	movl	$-14, %esi
	jmp	2b
	EX_TABLE 1b, 3b
	ENDFUNC	__cmpxchg_user_u32

	SMAP_SITES_END usercopy
	.section .note.GNU-stack, "", @progbits
