/* SPDX-License-Identifier: MIT */
/* The buddy allocator, zones and watermarks, in the running kernel. */
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/sched/timer.h>
#include <kernel/task.h>
#include <mm/failinject.h>
#include <mm/page_alloc.h>
#include <mm/page_owner.h>
#include <mm/slab.h>
#include <tests/kernel/ktest.h>

KTEST(page_alloc, orders_aligned, "a block that is not aligned to its size, or overlaps another")
{
	struct page *p[NR_ORDERS];

	for (unsigned int o = 0; o < NR_ORDERS; o++) {
		p[o] = alloc_pages(GFP_KERNEL | __GFP_NOWARN, o);
		if (!p[o]) /* a small machine may have no block of 4 MiB */
			continue;
		EXPECT(IS_ALIGNED(page_to_pfn(p[o]), 1UL << o));
		EXPECT_EQ(page_count(p[o]), 1);
		memset(page_address(p[o]), (int)o + 1, PAGE_SIZE << o);
	}
	for (unsigned int o = 0; o < NR_ORDERS; o++) {
		if (!p[o])
			continue;
		for (size_t i = 0; i < PAGE_SIZE << o; i += PAGE_SIZE)
			EXPECT_EQ(((u8 *)page_address(p[o]))[i], o + 1);
		free_pages_block(p[o], o);
	}
}

KTEST(page_alloc, zero_means_zero, "a page of __GFP_ZERO with old data in it")
{
	for (int i = 0; i < 64; i++) {
		unsigned int order = i % 4;
		struct page *p = alloc_pages(GFP_KERNEL | __GFP_ZERO, order);
		u8 *a;

		CHECK(p);
		a = page_address(p);
		for (size_t j = 0; j < PAGE_SIZE << order; j++)
			if (!EXPECT_EQ(a[j], 0))
				break;
		memset(a, 0xee, PAGE_SIZE << order);
		free_pages_block(p, order);
	}
}

KTEST(page_alloc, zones_respected, "a DMA request served from above 16 MiB")
{
	struct page *p = alloc_page(GFP_KERNEL | __GFP_DMA);
	struct page *q = alloc_page(GFP_KERNEL | __GFP_DMA32);

	if (EXPECT(p)) {
		EXPECT(page_to_phys(p) < 16UL << 20);
		free_page_struct(p);
	}
	if (EXPECT(q)) {
		EXPECT(page_to_phys(q) < 4UL << 30);
		free_page_struct(q);
	}
}

KTEST(page_alloc, counts_match, "free pages that are counted twice or not at all")
{
	unsigned long before, during, after;
	struct page *p[32];

	drain_all_pages();
	before = nr_free_pages();
	for (int i = 0; i < 32; i++)
		CHECK((p[i] = alloc_page(GFP_KERNEL)) != NULL);
	drain_all_pages();
	during = nr_free_pages();
	for (int i = 0; i < 32; i++)
		free_page_struct(p[i]);
	drain_all_pages();
	after = nr_free_pages();
	EXPECT_EQ(before - during, 32);
	EXPECT_EQ(before, after);
}

KTEST(page_alloc, buddyinfo_sum, "the free lists and the free counter disagree")
{
	struct zone_info zi;

	drain_all_pages();
	for (unsigned int n = 0; zone_info_get(n, &zi); n++) {
		unsigned long sum = 0, sum_mt = 0;

		for (unsigned int o = 0; o < NR_ORDERS; o++) {
			sum += zi.nr_free[o] << o;
			for (int m = 0; m < MIGRATE_TYPES; m++)
				sum_mt += zi.nr_free_mt[o][m] << o;
		}
		EXPECT_EQ(sum, zi.free);
		EXPECT_EQ(sum_mt + (sum - sum_mt), zi.free);
		EXPECT(sum_mt <= sum);
		if (zi.managed) {
			EXPECT(zi.min <= zi.low && zi.low <= zi.high);
			EXPECT(zi.managed <= zi.present && zi.present <= zi.spanned);
		}
	}
}

/* A block is split on the way down to an order and merged again on the way up. */
KTEST(page_alloc, split_and_merge, "buddies that are not merged when both are free")
{
	struct zone_info before, after;
	struct page *p[64];
	int n = 0;

	ledger_settle();
	zone_info_get(ZONE_DMA, &before);
	while (n < 64 && (p[n] = alloc_page(GFP_KERNEL | __GFP_DMA)) != NULL)
		n++;
	for (int i = 0; i < n; i += 2)
		free_page_struct(p[i]);
	for (int i = 1; i < n; i += 2)
		free_page_struct(p[i]);
	ledger_settle();
	zone_info_get(ZONE_DMA, &after);
	for (unsigned int o = 0; o < NR_ORDERS; o++)
		EXPECT_EQ(before.nr_free[o], after.nr_free[o]);
}

#define RANDOM_SLOTS 256
KTEST(page_alloc, random_soak,
      "a sequence of sizes that corrupts the lists or hands out a page twice")
{
	struct slot {
		struct page *p;
		unsigned int order;
		u64 tag;
	} *s = kcalloc(RANDOM_SLOTS, sizeof(*s), GFP_KERNEL);

	CHECK(s);
	for (int i = 0; i < 5000; i++) {
		struct slot *x = &s[ktest_random_below(RANDOM_SLOTS)];

		if (x->p) {
			u64 *w = page_address(x->p);

			EXPECT_EQ(w[0], x->tag);
			EXPECT_EQ(w[(PAGE_SIZE << x->order) / 8 - 1], x->tag);
			free_pages_block(x->p, x->order);
			x->p = NULL;
			continue;
		}
		x->order = (unsigned int)ktest_random_below(4);
		x->p = alloc_pages(GFP_KERNEL | __GFP_NOWARN |
					   (ktest_random() & 1 ? __GFP_MOVABLE : 0),
				   x->order);
		if (x->p) {
			u64 *w = page_address(x->p);

			w[0] = w[(PAGE_SIZE << x->order) / 8 - 1] = x->tag = ktest_random();
		}
	}
	page_alloc_check();
	for (int i = 0; i < RANDOM_SLOTS; i++)
		if (s[i].p)
			free_pages_block(s[i].p, s[i].order);
	kfree(s);
}

KTEST(page_alloc, exhaust_returns_null,
      "running out of memory that panics, hangs or eats the reserve for GFP_ATOMIC")
{
	u32 first = 0;
	unsigned long n = 0;
	struct page *p, *atomic;

	if (totalram_pages() > 1UL << 18) {
		ktest_skip("filling and checking over 1 GiB takes minutes");
		return;
	}
	/* Chains the pages through their own first words: no other memory is needed. */
	while ((p = alloc_page(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY)) != NULL) {
		*(u32 *)page_address(p) = first;
		first = (u32)page_to_pfn(p);
		n++;
	}
	atomic = alloc_page(GFP_ATOMIC | __GFP_NOWARN);
	if (EXPECT(atomic))
		free_page_struct(atomic);
	EXPECT(n > totalram_pages() / 4);
	while (first) {
		p = pfn_to_page(first);
		first = *(u32 *)page_address(p);
		free_page_struct(p);
	}
}

KTEST(page_alloc, refcount_frees_at_zero, "a page freed while somebody holds a reference")
{
	struct page *p = alloc_page(GFP_KERNEL);

	CHECK(p);
	get_page(p);
	put_page(p);
	EXPECT_EQ(page_count(p), 1);
	put_page(p);
}

KTEST(page_alloc, bulk, "a batch that loses or repeats a page")
{
	struct page *p[50];
	size_t n;

	for (n = 0; n < ARRAY_SIZE(p); n++)
		CHECK(p[n] = alloc_page(GFP_KERNEL));
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			EXPECT(p[i] != p[j]);
	for (size_t i = 0; i < n; i++)
		EXPECT(atomic_dec_and_test(&p[i]->refcount));
	free_pages_bulk(p, n);
}

static __noinline struct page *owner_test_alloc(unsigned int order)
{
	struct page *p = alloc_pages(GFP_HIGHUSER_MOVABLE, order);

	asm volatile(""); /* not a tail call: it is to be in the backtrace */
	return p;
}

#ifdef PAGE_OWNER
static void check_owner(unsigned int order)
{
	ktime_t start = ktime_get();
	struct page *p = owner_test_alloc(order);
	char text[PAGE_OWNER_TEXT], want[64];
	pfn_t pfn;

	CHECK(p);
	pfn = page_to_pfn(p);
	EXPECT(page_owner_text(pfn, start, text, sizeof(text)));
	snprintf(want, sizeof(want), "via order %u, mask 0x%x, pid %d, tgid %d (%s), ts ", order,
		 GFP_HIGHUSER_MOVABLE, current->pid, current->proc->pid, current->thread.comm);
	EXPECT(strstr(text, want));
	snprintf(want, sizeof(want), "PFN %lu type Movable Block %lu ", (unsigned long)pfn,
		 (unsigned long)pfn >> 9);
	EXPECT(strstr(text, want));
	EXPECT(strstr(text, " owner_test_alloc+0x"));
	EXPECT(strstr(text, " check_owner+0x"));
	EXPECT(!strstr(text, "page_owner_set"));
	EXPECT(!page_owner_text(pfn, ktime_get() + 1, text, sizeof(text)));
	for (unsigned long i = 1; i < 1UL << order; i++)
		EXPECT(!page_owner_text(pfn + i, 0, text, sizeof(text)));
	free_pages_block(p, order);
	EXPECT(!page_owner_text(pfn, 0, text, sizeof(text)));
}

KTEST(page_alloc, owner,
      "a page whose record names another caller, or that has one while it is free")
{
	check_owner(0);
	check_owner(3);
}
#endif

KTEST(deliberate, leak, "(a lost page: the report has to name this function)")
{
	EXPECT(owner_test_alloc(0));
}
