/* SPDX-License-Identifier: MIT */
/*
 * kmalloc: memory of any size.
 *
 * Sizes up to 8 KiB come from one slab cache for each class: powers of two, and 96 and 192, which
 * halve the waste where most requests are. Larger ones are compound blocks of pages. kfree() tells
 * the two apart by the page's slab flag. kvmalloc() goes to vmalloc where no such block is free.
 */
#include <kernel/lib/string.h>
#include <mm/slab_internal.h>
#include <mm/vmalloc.h>
#include <mm/vmstat.h>

static const u32 kmalloc_sizes[] = {8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192};
static const char *const kmalloc_names[] = {
	"kmalloc-8",   "kmalloc-16",  "kmalloc-32",  "kmalloc-64",  "kmalloc-96",
	"kmalloc-128", "kmalloc-192", "kmalloc-256", "kmalloc-512", "kmalloc-1k",
	"kmalloc-2k",  "kmalloc-4k",  "kmalloc-8k",
};
#define NR_KMALLOC        ARRAY_SIZE(kmalloc_sizes)
#define KMALLOC_MAX_CACHE 8192
static struct kmem_cache *kmalloc_caches[NR_KMALLOC];

/* Index into kmalloc_caches of sizes up to 192, by (size - 1) / 8. */
static const u8 small_index[24] = {0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4,
				   5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6};

static unsigned int kmalloc_index(size_t size)
{
	if (size <= 192)
		return small_index[(size - 1) / 8];
	return ilog2(size - 1); /* 129..256 -> 7, 257..512 -> 8, ... 8192 -> 12 */
}

static void *kmalloc_large(size_t size, gfp_t gfp)
{
	unsigned int order = 0;
	struct page *p;

	while (PAGE_SIZE << order < size)
		if (++order > MAX_ORDER)
			return NULL;
	p = alloc_pages(gfp | __GFP_COMP, order);
	if (!p)
		return NULL;
	mod_vmstat(NR_SLAB_UNRECLAIMABLE, 1L << order);
	return page_address(p);
}

static __always_inline void *kmalloc_at(size_t size, gfp_t gfp, unsigned long ip)
{
	if (unlikely(!size))
		return NULL;
	if (unlikely(size > KMALLOC_MAX_CACHE))
		return should_fail(FAIL_SLAB) ? NULL : kmalloc_large(size, gfp);
	return slab_alloc(kmalloc_caches[kmalloc_index(size)], gfp, size, ip);
}

#define CALLER ((unsigned long)__builtin_return_address(0))

void *kmalloc(size_t size, gfp_t gfp)
{
	return kmalloc_at(size, gfp, CALLER);
}

void *kzalloc(size_t size, gfp_t gfp)
{
	return kmalloc_at(size, gfp | __GFP_ZERO, CALLER);
}

void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return kmalloc_at(bytes, gfp | __GFP_ZERO, CALLER);
}

void kfree(const void *p)
{
	struct page *page;

	if (!p)
		return;
	page = obj_slab(p);
	if (likely(PageSlab(page))) {
		slab_free(slab_cache(page), (void *)p, CALLER);
		return;
	}
	/* A large one: always compound, and named by its start. */
	assert(PageHead(page) && p == page_address(page));
	mod_vmstat(NR_SLAB_UNRECLAIMABLE, -(1L << compound_order(page)));
	free_pages_block(page, compound_order(page));
}

/* Bytes that may be used. In debug builds no more than were asked for: the rest is red zone. */
size_t ksize(const void *p)
{
	struct page *page;

	if (!p)
		return 0;
	page = obj_slab(p);
	if (!PageSlab(page))
		return PAGE_SIZE << compound_order(page);
#ifdef CONFIG_DEBUG
	const char *slab = page_address(page);

	return obj_meta(slab_cache(page), slab, (u32)((const char *)p - slab))->req;
#else
	return slab_cache(page)->size;
#endif
}

void *krealloc(void *p, size_t size, gfp_t gfp)
{
	size_t old = ksize(p);
	void *q;

	if (!size) {
		kfree(p);
		return NULL;
	}
	if (p && size <= old)
		return p;
	q = kmalloc_at(size, gfp, CALLER);
	if (q && p) {
		memcpy(q, p, old);
		kfree(p);
	}
	return q;
}

void *kmemdup(const void *p, size_t n, gfp_t gfp)
{
	void *q = kmalloc_at(n, gfp, CALLER);

	return q ? memcpy(q, p, n) : NULL;
}

char *kstrdup(const char *s, gfp_t gfp)
{
	return s ? kmemdup(s, strlen(s) + 1, gfp) : NULL;
}

void *kvmalloc(size_t size, gfp_t gfp)
{
	gfp_t optional = size > PAGE_SIZE ? __GFP_NOWARN | __GFP_NORETRY : 0;
	void *p = kmalloc_at(size, gfp | optional, CALLER);

	if (p || size <= PAGE_SIZE || !(gfp & __GFP_DIRECT_RECLAIM))
		return p;
	return gfp & __GFP_ZERO ? vzalloc(size) : vmalloc(size);
}

void kvfree(const void *p)
{
	if (is_vmalloc_addr(p))
		vfree(p);
	else
		kfree(p);
}

void kmalloc_init(void)
{
	for (unsigned int i = 0; i < NR_KMALLOC; i++) {
		size_t size = kmalloc_sizes[i];
		size_t align = is_power_of_2(size) ? min(size, PAGE_SIZE) : 0;

		kmalloc_caches[i] =
			kmem_cache_create(kmalloc_names[i], size, align, SLAB_PANIC, NULL);
	}
}
