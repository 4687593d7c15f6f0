/* SPDX-License-Identifier: MIT */
/*
 * Where exec puts a program's parts: the same picture each time, shifted at random (ASLR), so that
 * whoever finds a way to overwrite a pointer does not know what to write.
 *
 *	program	heap->  ...   <-mappings, interpreter | gap | <-stack | random | TASK_SIZE
 *	^ pie_base	                     mmap_base^		      ^stack_top
 *
 * Each place is drawn for itself: one address that leaks does not give away the others. The bits are
 * Linux 6.1's:
 *
 *	stack_top	22 bits of pages, below TASK_SIZE		16 GiB
 *	stack pointer	 9 bits of 16 bytes, below the strings		8 KiB
 *	mmap_base	28 bits of pages; mappings and the interpreter	1 TiB
 *	pie_base	28 bits of pages, from 2/3 of the space up	1 TiB
 *	brk		18 bits of pages, behind the program		1 GiB
 *
 * mmap_base leaves the stack its limit (at least 128 MiB, at most 5/6 of the space), the guard gap,
 * and, as stack_top is not asked, all that it may have moved by.
 *
 * A program with a fixed address (ET_EXEC) stays there; an ET_DYN without interpreter, which may be
 * the dynamic linker itself, goes among the mappings, and its heap to where a PIE would lie.
 *
 * sysctl_randomize_va_space (norandmaps: 0) and personality(ADDR_NO_RANDOMIZE) make the level that
 * exec passes: 0 nothing, 1 all but brk, 2 all.
 *
 * Simplified against Linux: no vdso, no legacy layout (mappings from a third of the space upwards),
 * and the number of bits is fixed (there vm.mmap_rnd_bits).
 */
#include <kernel/lib/cmdline.h>
#include <kernel/lib/init.h>
#include <kernel/lib/random.h>
#include <kernel/x86/uaccess.h>
#include <mm/vma.h>

#define STACK_RND_PAGES (1UL << 22)
#define STACK_RND_BYTES 8192
#define MMAP_RND_PAGES  (1UL << 28)
#define BRK_RND_PAGES   (1UL << 18)
#define MMAP_GAP_MIN    (128UL << 20)
#define MMAP_GAP_MAX    (TASK_SIZE / 6 * 5)
#define PIE_BASE        (TASK_SIZE / 3 * 2) /* not page aligned */

int sysctl_randomize_va_space = LAYOUT_RANDOM_BRK;

static void layout_init(void)
{
	if (cmdline_get("norandmaps", NULL, 0))
		sysctl_randomize_va_space = LAYOUT_FIXED;
}
initcall(layout_init);

/* A number of bytes: n is a power of two. */
static u64 random_pages(u64 n)
{
	return (get_random_u64() & (n - 1)) << PAGE_SHIFT;
}

vaddr_t layout_stack_top(int level)
{
	return TASK_SIZE - (level ? random_pages(STACK_RND_PAGES) : 0);
}

vaddr_t layout_stack_pointer(vaddr_t sp, int level)
{
	if (level)
		sp -= get_random_u64() % STACK_RND_BYTES;
	return ALIGN_DOWN(sp, 16UL);
}

size_t layout_stack_slack(int level)
{
	return level ? STACK_RND_BYTES : 0;
}

void layout_set_mmap_base(struct mm_struct *mm, int level)
{
	vaddr_t gap = min(mm->rlim_stack, MMAP_GAP_MAX) + STACK_GUARD_GAP, shift = 0;

	if (level) {
		gap += STACK_RND_PAGES << PAGE_SHIFT;
		shift = random_pages(MMAP_RND_PAGES);
	}
	gap = min(max(gap, MMAP_GAP_MIN), MMAP_GAP_MAX);
	mm->mmap_base = PAGE_ALIGN(TASK_SIZE - gap - shift);
	mm->gap_end = TASK_SIZE;
}

vaddr_t layout_pie_base(int level)
{
	return PAGE_ALIGN_DOWN(PIE_BASE) + (level ? random_pages(MMAP_RND_PAGES) : 0);
}

void layout_set_brk(struct mm_struct *mm, vaddr_t end, bool among_mappings, int level)
{
	if (among_mappings)
		end = PAGE_ALIGN(PIE_BASE);
	if (level >= LAYOUT_RANDOM_BRK)
		end += random_pages(BRK_RND_PAGES);
	mm->start_brk = mm->brk = end;
}
