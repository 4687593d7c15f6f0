/* SPDX-License-Identifier: MIT */
/* Object caches, kmalloc, vmalloc and kernel stacks, in the running kernel. */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <mm/failinject.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <tests/kernel/ktest.h>

KTEST(slab, kmalloc_sizes, "a size class that is too small, misaligned, or overlaps")
{
	static const size_t sizes[] = {1,    7,    8,    9,    16,   31,   33,   64,    65,
				       96,   97,   128,  192,  193,  256,  500,  512,   1000,
				       1024, 2048, 2049, 4096, 4097, 8192, 8193, 20000, 65536};
	void *p[ARRAY_SIZE(sizes)];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		p[i] = kmalloc(sizes[i], GFP_KERNEL);
		CHECK(p[i]);
		EXPECT(ksize(p[i]) >= sizes[i]);
		EXPECT(IS_ALIGNED((unsigned long)p[i], 8));
		if (is_power_of_2(sizes[i]) && sizes[i] >= 8 && sizes[i] <= PAGE_SIZE)
			EXPECT(IS_ALIGNED((unsigned long)p[i], sizes[i]));
		memset(p[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_EQ(((u8 *)p[i])[0], i + 1);
		EXPECT_EQ(((u8 *)p[i])[sizes[i] - 1], i + 1);
		kfree(p[i]);
	}
	kfree(NULL);
}

KTEST(slab, kmalloc_limits, "an absurd size or an overflowing product that succeeds")
{
	EXPECT(!kmalloc(SIZE_MAX, GFP_KERNEL | __GFP_NOWARN));
	EXPECT(!kmalloc((4UL << 20) + 1, GFP_KERNEL | __GFP_NOWARN));
	EXPECT(!kcalloc(SIZE_MAX / 2, 3, GFP_KERNEL | __GFP_NOWARN));
}

KTEST(slab, kzalloc_zeroes, "an object with its predecessor's bytes in it")
{
	for (int i = 0; i < 100; i++) {
		u8 *p = kzalloc(300, GFP_KERNEL);

		CHECK(p);
		for (int j = 0; j < 300; j++)
			if (!EXPECT_EQ(p[j], 0))
				break;
		memset(p, 0xff, 300);
		kfree(p);
	}
}

KTEST(slab, krealloc_keeps, "contents lost when a block grows")
{
	char *p = kmalloc(20, GFP_KERNEL), *q;

	CHECK(p);
	strcpy(p, "nineteen characters");
	q = krealloc(p, 5000, GFP_KERNEL);
	CHECK(q);
	EXPECT(!strcmp(q, "nineteen characters"));
	kfree(q);
}

static int constructed;
static void count_ctor(void *obj)
{
	constructed++;
	memset(obj, 0x5c, 48);
}

KTEST(slab, constructor_once,
      "a constructor that runs per allocation, or an object not in its constructed state")
{
	struct kmem_cache *c;
	u8 *p[200];

	constructed = 0;
	c = kmem_cache_create("ktest_ctor", 48, 32, 0, count_ctor);
	CHECK(c);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 200; i++) {
			p[i] = kmem_cache_alloc(c, GFP_KERNEL);
			CHECK(p[i]);
			EXPECT(IS_ALIGNED((unsigned long)p[i], 32));
			EXPECT_EQ(p[i][47], 0x5c);
		}
		for (int i = 0; i < 200; i++)
			kmem_cache_free(c, p[i]);
	}
	EXPECT(constructed >= 200 && constructed < 600);
	EXPECT_EQ(kmem_cache_destroy(c), 0);
}

KTEST(slab, destroy_reports_leak, "a cache destroyed under a live object")
{
	struct kmem_cache *c = kmem_cache_create("ktest_leak", 100, 0, 0, NULL);
	void *p;

	CHECK(c);
	p = kmem_cache_alloc(c, GFP_KERNEL);
	EXPECT_EQ(kmem_cache_destroy(c), -EBUSY);
	kmem_cache_free(c, p);
	EXPECT_EQ(kmem_cache_destroy(c), 0);
}

KTEST(slab, shrink_gives_back, "empty slabs kept for ever")
{
	struct kmem_cache *c = kmem_cache_create("ktest_shrink", 512, 0, 0, NULL);
	unsigned long before, during, after;
	void *p[256];

	CHECK(c);
	drain_all_pages();
	before = nr_free_pages();
	for (int i = 0; i < 256; i++)
		CHECK((p[i] = kmem_cache_alloc(c, GFP_KERNEL)) != NULL);
	drain_all_pages();
	during = nr_free_pages();
	for (int i = 0; i < 256; i++)
		kmem_cache_free(c, p[i]);
	kmem_cache_shrink(c);
	drain_all_pages();
	after = nr_free_pages();
	EXPECT(before - during >= 256 * 512 / PAGE_SIZE);
	EXPECT_EQ(after, before);
	EXPECT_EQ(kmem_cache_destroy(c), 0);
}

#define SOAK 400
KTEST(slab, random_soak, "an object handed out twice, or written by its neighbour")
{
	struct {
		u8 *p;
		u16 n;
		u8 tag;
	} *s = kcalloc(SOAK, sizeof(*s), GFP_KERNEL);

	CHECK(s);
	for (int i = 0; i < 20000; i++) {
		size_t k = ktest_random_below(SOAK);

		if (s[k].p) {
			for (int j = 0; j < s[k].n; j++)
				if (!EXPECT_EQ(s[k].p[j], s[k].tag))
					break;
			kfree(s[k].p);
			s[k].p = NULL;
		} else {
			s[k].n = (u16)(1 + ktest_random_below(1500));
			s[k].tag = (u8)ktest_random();
			s[k].p = kmalloc(s[k].n, GFP_KERNEL);
			if (EXPECT(s[k].p))
				memset(s[k].p, s[k].tag, s[k].n);
		}
	}
	slab_check();
	for (int k = 0; k < SOAK; k++)
		kfree(s[k].p);
	kfree(s);
}

KTEST(vmalloc, contiguous_and_guarded, "areas that touch, or pages that are mapped twice")
{
	u8 *a = vmalloc(5 * PAGE_SIZE), *b = vmalloc(3 * PAGE_SIZE + 1);

	CHECK(a && b);
	EXPECT(is_vmalloc_addr(a) && is_vmalloc_addr(b));
	memset(a, 1, 5 * PAGE_SIZE);
	memset(b, 2, 4 * PAGE_SIZE);
	for (size_t i = 0; i < 5 * PAGE_SIZE; i += 512)
		EXPECT_EQ(a[i], 1);
	if (b > a)
		EXPECT((size_t)(b - a) >= 6 * PAGE_SIZE);
	else
		EXPECT((size_t)(a - b) >= 5 * PAGE_SIZE);
	vfree(a);
	vfree(b);
	vfree(NULL);
}

KTEST(vmalloc, too_much_fails, "a size beyond memory that panics or succeeds")
{
	EXPECT(!vmalloc(1UL << 45));
	EXPECT(!vmalloc(SIZE_MAX));
	EXPECT(!vmalloc((totalram_pages() + 1000) * PAGE_SIZE));
}

KTEST(vmalloc, kstack_guard, "a kernel stack without a guard page below it")
{
	u8 *s = kstack_alloc(0);

	CHECK(s);
	memset(s, 0xcd, KSTACK_SIZE);
	EXPECT(kstack_guard_hit((vaddr_t)s - 8) == s);
	EXPECT(kstack_guard_hit((vaddr_t)s + 8) == NULL);
	kstack_free(s);
}

#ifdef CONFIG_DEBUG
KTEST(slab, every_failure, "an allocation failure inside the allocator that leaks or crashes")
{
	for (unsigned long n = 1; n < 50; n++) {
		void *p, *v;
		bool hit;

		fail_inject_set(FAIL_PAGE, n, 1);
		p = kmalloc(3000, GFP_KERNEL | __GFP_NOWARN);
		v = vmalloc(8 * PAGE_SIZE);
		hit = fail_inject_hits() != 0;
		fail_inject_set(FAIL_PAGE, 0, 0);
		kfree(p);
		vfree(v);
		if (!hit) {
			EXPECT(p && v);
			break;
		}
	}
}
#endif
