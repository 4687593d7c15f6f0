/* SPDX-License-Identifier: MIT */
/*
 * The real slab allocator: every object is filled with a pattern of its own, which must still be
 * there when it is freed; addresses are aligned; all pages come back.
 */
#include <string.h>

#include <mm/failinject.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmstat.h>
#include <tests/host/host.h>

#define MIB (1UL << 20)
static const struct ram pc64[] = {{0, 0x9f000}, {MIB, 64 * MIB}, {0, 0}};

struct obj {
	u8 *p;
	size_t size;
	u8 fill;
};

#define MAX_OBJS 6000
static struct obj objs[MAX_OBJS];

static void boot(unsigned int cpus)
{
	host_add_cpus(cpus);
	host_boot(pc64);
	slab_check();
}

static unsigned long slab_pages(void)
{
	return vmstat_item(NR_SLAB_RECLAIMABLE) + vmstat_item(NR_SLAB_UNRECLAIMABLE);
}

static void fill(struct obj *o, void *p, size_t size)
{
	*o = (struct obj){p, size, (u8)rnd(256)};
	memset(p, o->fill, size);
}

static void check_fill(const struct obj *o, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (o->p[i] != o->fill)
			FAIL("object of %zu bytes: byte %zu was changed", o->size, i);
}

static size_t random_size(void)
{
	switch (rnd(20)) {
	case 0:
		return 1 + rnd(100000);
	case 1:
	case 2:
		return 1 + rnd(9000);
	case 3:
		return 1UL << rnd(14);
	default:
		return 1 + rnd(300);
	}
}

static bool zeroed(const u8 *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

static void kmalloc_one(struct obj *o)
{
	size_t size = random_size();
	bool zero = !rnd(3);
	u8 *p = zero ? kzalloc(size, GFP_KERNEL) : kmalloc(size, GFP_KERNEL);

	if (!p)
		return;
	CHECK(IS_ALIGNED((unsigned long)p, 8));
	if (is_power_of_2(size) && size >= 8)
		CHECK(IS_ALIGNED((unsigned long)p, min(size, PAGE_SIZE)));
	CHECK(ksize(p) >= size);
	CHECK(!zero || zeroed(p, size));
	fill(o, p, size);
}

static void krealloc_one(struct obj *o)
{
	size_t size = random_size();
	u8 *p = krealloc(o->p, size, GFP_KERNEL);

	if (!p)
		return; /* the old one is still there */
	o->p = p;
	check_fill(o, min(size, o->size));
	fill(o, p, size);
}

static void kfree_one(struct obj *o)
{
	check_fill(o, o->size);
	kfree(o->p);
	o->p = NULL;
}

static void random_kmalloc(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		struct obj *o = &objs[rnd(MAX_OBJS)];

		if (!o->p)
			kmalloc_one(o);
		else if (!rnd(8))
			krealloc_one(o);
		else
			kfree_one(o);
		if (nr_cpu_ids > 1 && !rnd(50))
			host_set_cpu(rnd(nr_cpu_ids));
		if (!rnd(20000))
			slab_shrink(100);
		if (!rnd(20000))
			slab_check();
	}
}

static void kfree_all(void)
{
	for (unsigned int i = 0; i < MAX_OBJS; i++)
		if (objs[i].p)
			kfree_one(&objs[i]);
	slab_shrink(100);
	slab_check();
	page_alloc_check();
}

HOST_TEST(slab, random_kmalloc,
	  "objects that overlap, lose their content or their alignment; pages leaked")
{
	unsigned long before, warm;

	boot(2);
	random_kmalloc(1000); /* each cache gets its magazines, which stay */
	kfree_all();
	host_set_cpu(0);
	before = slab_pages();
	random_kmalloc(rounds(500000));
	kfree_all();
	warm = slab_pages();
	/* both processors' magazines of all kmalloc caches: one page holds 16 */
	CHECK(warm <= before + 2);
	random_kmalloc(rounds(100000));
	kfree_all();
	CHECK_EQ(slab_pages(), warm);
}

#define CTOR_MAGIC 0x600dc0ffee
struct made {
	u64 magic;
	u64 data[7];
};
static unsigned long ctor_calls;
static void made_ctor(void *p)
{
	struct made *m = p;

	memset(m, 0, sizeof(*m));
	m->magic = CTOR_MAGIC;
	ctor_calls++;
}

HOST_TEST(slab, constructor, "objects that are not, or more than once per slab, constructed")
{
	struct kmem_cache *c;
	struct made *m[500] = {NULL};

	boot(1);
	c = kmem_cache_create("made", sizeof(struct made), 32, 0, made_ctor);
	CHECK(c);
	for (unsigned long i = 0; i < rounds(100000); i++) {
		unsigned int n = rnd(ARRAY_SIZE(m));

		if (!m[n]) {
			m[n] = kmem_cache_alloc(c, GFP_KERNEL);
			CHECK(m[n] && m[n]->magic == CTOR_MAGIC && m[n]->data[n % 7] == 0);
			CHECK(IS_ALIGNED((unsigned long)m[n], 32));
			m[n]->data[n % 7] = i;
		} else {
			m[n]->data[n % 7] = 0; /* back to the constructed state */
			kmem_cache_free(c, m[n]);
			m[n] = NULL;
		}
	}
	/* once per object of a slab: far fewer than allocations */
	CHECK(ctor_calls > 0 && ctor_calls < 5000);
	slab_check();
}

HOST_TEST(slab, alignment, "a cache that ignores the alignment it was made with")
{
	boot(1);
	for (unsigned int align = 8; align <= 4096; align *= 2)
		for (int i = 0; i < 4; i++) {
			struct kmem_cache *c =
				kmem_cache_create("aligned", 1 + rnd(5000), align, 0, NULL);
			void *p[20];

			CHECK(c);
			for (int j = 0; j < 20; j++) {
				p[j] = kmem_cache_alloc(c, GFP_KERNEL);
				CHECK(p[j] && IS_ALIGNED((unsigned long)p[j], align));
			}
			for (int j = 0; j < 20; j++)
				kmem_cache_free(c, p[j]);
			CHECK_EQ(kmem_cache_destroy(c), 0);
		}
	slab_check();
}

HOST_TEST(slab, destroy,
	  "a cache that is destroyed with objects out, or whose slabs are not given back")
{
	struct kmem_cache *c;
	unsigned long before;
	void *p;

	boot(2);
	c = kmem_cache_create("warm", 100, 0, 0, NULL);
	kmem_cache_free(c, kmem_cache_alloc(c, GFP_KERNEL));
	kmem_cache_destroy(c);
	slab_shrink(100);
	before = slab_pages();
	c = kmem_cache_create("gone", 100, 0, SLAB_HWCACHE_ALIGN, NULL);
	p = kmem_cache_alloc(c, GFP_KERNEL);
	CHECK_EQ(kmem_cache_destroy(c), -16); /* EBUSY */
	host_set_cpu(1);
	kmem_cache_free(c, p);
	CHECK_EQ(kmem_cache_destroy(c), 0);
	slab_shrink(100);
	slab_check();
	CHECK(slab_pages() <= before + 1); /* CPU 1's first magazines */
}

HOST_TEST(slab, sizes, "size 0, overflow of n * size, and sizes that nothing can hold")
{
	boot(1);
	CHECK(!kmalloc(0, GFP_KERNEL));
	CHECK(!kcalloc(1UL << 33, 1UL << 33, GFP_KERNEL));
	CHECK(!kmalloc((PAGE_SIZE << MAX_ORDER) + 1, GFP_KERNEL));
	CHECK(!kmalloc(~0UL, GFP_KERNEL));
	kfree(NULL);
	for (size_t size = 1; size <= 20000; size += 1 + size / 50) {
		void *p = kmalloc(size, GFP_KERNEL);

		CHECK(p && ksize(p) >= size);
		kfree(p);
	}
}

#ifdef CONFIG_DEBUG
HOST_TEST(slab, injected_failures, "a failed page or object allocation that corrupts or leaks")
{
	unsigned long before;

	boot(1);
	random_kmalloc(3000);
	kfree_all();
	before = slab_pages();
	for (unsigned int nth = 1; nth < 200; nth++) {
		fail_inject_set(nth % 2 ? FAIL_PAGE : FAIL_SLAB, 1 + nth / 2, 1 + rnd(5));
		random_kmalloc(500);
		slab_check();
	}
	fail_inject_set(FAIL_PAGE, 0, 0);
	kfree_all();
	CHECK_EQ(slab_pages(), before);
}

static void double_free(void)
{
	void *p = kmalloc(40, GFP_KERNEL);

	kfree(p);
	kfree(p);
}
static void overrun(void)
{
	u8 *p = kmalloc(40, GFP_KERNEL);

	p[40] = 0;
	kfree(p);
}
static void use_after_free(void)
{
	u8 *p = kmalloc(64, GFP_KERNEL);

	kfree(p);
	p[3] = 1;
	for (int i = 0; i < 200; i++)
		kmalloc(64, GFP_KERNEL);
}
static void wrong_pointer(void)
{
	u8 *p = kmalloc(64, GFP_KERNEL);

	kfree(p + 8);
}
static struct kmem_cache *other;
static void wrong_cache(void)
{
	kmem_cache_free(other, kmalloc(64, GFP_KERNEL));
}

HOST_TEST(slab, misuse, "a double free, overrun or use after free that goes unnoticed")
{
	boot(1);
	other = kmem_cache_create("other", 64, 0, 0, NULL);
	host_check_panics(double_free, "freed twice");
	host_check_panics(overrun, "beyond its end");
	host_check_panics(use_after_free, "while free");
	host_check_panics(wrong_pointer, "not the start");
	host_check_panics(wrong_cache, "not its object");
}
#endif
