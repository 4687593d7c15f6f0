/* SPDX-License-Identifier: MIT */
/*
 * Overcommit: how much memory may be promised.
 *
 * Problem. A private writable page costs nothing until it is touched, so programs are promised more
 * than there is. Somebody has to say how much more.
 *
 * Idea. Every promise (a private writable mapping, a shared memory object, a page of tmpfs) is
 * charged in pages to one sum, Committed_AS, and vm.overcommit_memory says when to refuse:
 *	0	only a single request that exceeds all of RAM and swap together
 *	1	never
 *	2	when the sum would reach CommitLimit = RAM * overcommit_ratio / 100 (or
 *		overcommit_kbytes, if that was written last) + swap, less what is kept for root
 *		(admin_reserve_kbytes) and for others to recover with (1/32 of the asking space, at
 *		most user_reserve_kbytes)
 *
 * The sum is kept as one atomic and a delta a CPU, which is folded in when it passes
 * COMMIT_BATCH pages; whoever needs the sum adds the deltas of all CPUs. A charge is added first and
 * taken back if the sum is then too high: two that come at once may both be refused, but not
 * both pass, give or take a batch that a CPU is just folding in.
 *
 * mm->committed is the space's part; at its end all of that is given back.
 */
#include <kernel/lib/atomic.h>
#include <kernel/lib/errno.h>
#include <kernel/x86/percpu.h>
#include <mm/mm.h>

int sysctl_overcommit_memory, sysctl_overcommit_ratio = 50;
unsigned long sysctl_overcommit_kbytes, sysctl_admin_reserve_kbytes, sysctl_user_reserve_kbytes;
unsigned long total_swap_pages;

/* As Linux's least batch; with 16 CPUs the global word is off by 2 MiB at most. */
#define COMMIT_BATCH 32

static atomic_long_t committed_total;
static DEFINE_PER_CPU(long, committed_delta);

static void committed_add(long pages)
{
	long delta = this_cpu_read(committed_delta) + pages;

	if (delta > COMMIT_BATCH || delta < -COMMIT_BATCH) {
		atomic_long_add(delta, &committed_total);
		delta = 0;
	}
	this_cpu_write(committed_delta, delta);
}

unsigned long commit_committed(void)
{
	long sum = atomic_long_read(&committed_total);

	for_each_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(&committed_delta, cpu));
	return sum > 0 ? sum : 0;
}

#define KB_TO_PAGES(kb) ((kb) >> (PAGE_SHIFT - 10))

unsigned long commit_limit(void)
{
	unsigned long kb = READ_ONCE(sysctl_overcommit_kbytes);
	unsigned long ratio = (unsigned int)READ_ONCE(sysctl_overcommit_ratio);

	return (kb ? KB_TO_PAGES(kb) : totalram_pages() * ratio / 100) + total_swap_pages;
}

void commit_ratio_chosen(void)
{
	sysctl_overcommit_kbytes = 0;
}

void commit_kbytes_chosen(void)
{
	sysctl_overcommit_ratio = 0;
}

/* As Linux: 3 % of what is free at boot, as far as that is more than enough for a shell and top. */
void commit_init(void)
{
	unsigned long share = nr_free_pages() << (PAGE_SHIFT - 10) >> 5;

	sysctl_admin_reserve_kbytes = min(share, 8UL << 10);
	sysctl_user_reserve_kbytes = min(share, 128UL << 10);
}

static bool strict_allows(const struct mm_struct *mm)
{
	unsigned long kept = 0;

	if (mm && !mm->may_use_reserve)
		kept += KB_TO_PAGES(READ_ONCE(sysctl_admin_reserve_kbytes));
	if (mm)
		kept += min(mm->total_vm / 32, KB_TO_PAGES(READ_ONCE(sysctl_user_reserve_kbytes)));
	return commit_committed() + kept < commit_limit();
}

/* The pages are in the sum already. */
static bool policy_allows(const struct mm_struct *mm, unsigned long pages)
{
	switch (sysctl_overcommit_memory) {
	case 1:
		return true;
	case 2:
		return strict_allows(mm);
	default:
		return pages <= totalram_pages() + total_swap_pages;
	}
}

void commit_charge_always(struct mm_struct *mm, long pages)
{
	committed_add(pages);
	if (mm)
		atomic_long_add(pages, &mm->committed);
}

int commit_charge(struct mm_struct *mm, long pages)
{
	commit_charge_always(mm, pages);
	if (policy_allows(mm ? mm : current_mm(), pages)) /* who asks for a shared object */
		return 0;
	commit_uncharge(mm, pages);
	return -ENOMEM;
}

void commit_uncharge(struct mm_struct *mm, long pages)
{
	commit_charge_always(mm, -pages);
}
