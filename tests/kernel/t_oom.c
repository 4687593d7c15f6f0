/* SPDX-License-Identifier: MIT */
/*
 * Which requests may end in a kill. There are no processes here: a kill would be a panic, so that a
 * request which comes back empty-handed has not asked for one.
 */
#include <kernel/oom.h>
#include <kernel/sched/sched.h>
#include <kernel/lib/string.h>
#include <mm/init.h>
#include <mm/oom.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <tests/kernel/ktest.h>

/* All pages that an ordinary request of any zone gets, chained through their first words. */
static u32 take_all(void)
{
	static const gfp_t zone[] = {0, __GFP_DMA32, __GFP_DMA};
	struct page *p;
	u32 first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(zone); i++) {
		while ((p = alloc_page(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY | zone[i]))) {
			*(u32 *)page_address(p) = first;
			first = (u32)page_to_pfn(p);
		}
	}
	return first;
}

static void give_back(u32 first)
{
	while (first) {
		struct page *p = pfn_to_page(first);

		first = *(u32 *)page_address(p);
		free_page_struct(p);
	}
}

KTEST(oom, who_does_not_kill,
      "a kill for a large block, for low memory, or for who said that it can do without")
{
	static const struct {
		gfp_t gfp;
		unsigned int order;
	} tests[] = {
		{GFP_KERNEL, PAGE_ALLOC_COSTLY_ORDER + 1},
		{GFP_KERNEL | __GFP_NORETRY, 0},
		{GFP_KERNEL | __GFP_DMA, 0},
		{GFP_KERNEL | __GFP_DMA32, 0},
		{GFP_NOWAIT, 0},
	};
	u32 first;

	if (totalram_pages() > 1UL << 18) {
		ktest_skip("filling over 1 GiB takes minutes");
		return;
	}
	first = take_all();
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		struct page *p = alloc_pages(tests[i].gfp | __GFP_NOWARN, tests[i].order);

		EXPECT(!p);
		if (p)
			free_pages_block(p, tests[i].order);
	}
	give_back(first);
}

KTEST(oom, victim_uses_reserves, "a victim that gets nothing of the reserves, or all of them")
{
	struct thread *t = current_thread();
	struct page *p, *q;
	u32 first;

	if (totalram_pages() > 1UL << 18) {
		ktest_skip("filling over 1 GiB takes minutes");
		return;
	}
	first = take_all();
	t->oom_victim = true;
	p = alloc_page(GFP_KERNEL | __GFP_NOWARN);
	if (EXPECT(p)) {
		u32 more = (u32)page_to_pfn(p);

		*(u32 *)page_address(p) = 0;
		while ((q = alloc_page(GFP_KERNEL | __GFP_NOWARN)) != NULL) {
			*(u32 *)page_address(q) = more;
			more = (u32)page_to_pfn(q);
		}
		EXPECT(nr_free_pages() > 16);
		t->flags |= THREAD_MEMALLOC; /* reclaim itself still gets some */
		q = alloc_page(GFP_KERNEL | __GFP_NOWARN);
		t->flags &= ~(unsigned int)THREAD_MEMALLOC;
		if (EXPECT(q))
			free_page_struct(q);
		give_back(more);
	}
	t->oom_victim = false;
	give_back(first);
}

static void badness_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	long total = (long)(totalram_pages() + total_swap_pages), before = oom_badness(mm, 0);

	(void)arg;
	mm_counter_add(mm, MM_SWAP, 50);
	EXPECT_EQ(oom_badness(mm, 0), before + 50);
	mm_counter_add(mm, MM_SHMEM, 5);
	EXPECT_EQ(oom_badness(mm, 0), before + 55);
	atomic_long_add(7 * PAGE_SIZE, &mm->pgtables_bytes);
	EXPECT_EQ(oom_badness(mm, 0), before + 62);
	EXPECT_EQ(oom_badness(mm, -500), before + 62 - total / 1000 * 500);
	atomic_long_add(-7L * (long)PAGE_SIZE, &mm->pgtables_bytes);
	mm_counter_add(mm, MM_SHMEM, -5);
	mm_counter_add(mm, MM_SWAP, -50);
}

KTEST(oom, badness, "a part of what a process has that does not count against it")
{
	ktest_with_mm(badness_body, NULL);
}

KTEST(oom, names_of_flags, "a request whose flags are named twice, wrongly or not at all")
{
	char buf[GFP_NAMES_MAX];

	EXPECT(!strcmp(gfp_names(GFP_KERNEL, buf), "GFP_KERNEL"));
	EXPECT(!strcmp(gfp_names(GFP_HIGHUSER_MOVABLE | __GFP_ZERO, buf),
		       "GFP_HIGHUSER_MOVABLE|__GFP_ZERO"));
	EXPECT(!strcmp(gfp_names(GFP_NOFS | __GFP_COMP | __GFP_NOWARN, buf),
		       "GFP_NOFS|__GFP_NOWARN|__GFP_COMP"));
	EXPECT(!strcmp(gfp_names(0, buf), ""));
	EXPECT(strlen(gfp_names(~0U, buf)) < GFP_NAMES_MAX);
}
