/* SPDX-License-Identifier: MIT */
/*
 * Slab: objects of one size out of pages.
 *
 * Problem. The kernel allocates small objects of few kinds very often. They should cost a dozen
 * instructions, waste little, and a misuse should be named at once in a debug build.
 *
 * Idea. A cache cuts blocks of pages ("slabs") into objects. Free objects wait in three places:
 *
 *	magazine	one array of pointers per CPU and cache: alloc pops, free pushes
 *	   |		half a magazine at a time
 *	slab		a free list inside each slab; slabs are kept as partial, full and empty
 *	   |		at most MAX_EMPTY empty ones are kept
 *	page allocator
 *
 * A slab, a (compound) block of pages in the direct map:
 *
 *	[ object | object | object | ...        | unused | meta | meta | meta | ... ]
 *	          stride                                  one per object, if the cache has them
 *
 * The free list links objects by their offset in the slab. The link stands in the free object's
 * first word; a cache with a constructor keeps it in the meta array instead, because its objects
 * stay constructed while they are free. Debug builds keep meta for all: the link, whether the object
 * is free, who allocated or freed it last, and how many bytes were asked for. There, an object is
 * followed by a red zone of at least 8 bytes, the bytes of a kmalloc object that were not asked for
 * are part of it, and free objects are filled with poison.
 *
 * The slab's state is in its head's struct page: owner is the cache, slab_free the offset of the
 * first free object (SLAB_END: none), slab_use the objects that are out (magazines included).
 *
 * Invariants (slab_check): slab_use is 0 on the empty list, all objects on full, between on partial;
 * the free list's length is the rest; free objects carry intact poison and red zones.
 *
 * Locking: magazine->lock (its CPU; others only to drain) -> cache->lock -> zone. The list of caches
 * has a spinlock of its own, before these. Not for interrupt handlers.
 *
 * Simplified: no merging of similar caches, no colouring, no per-node lists.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/slab_internal.h>
#include <mm/vmstat.h>

#define SLAB_MAX_ORDER 3
#define MAX_EMPTY      1 /* kept per cache: an alloc-free cycle at the edge should not free a page */
#define CACHE_LINE     64

struct list_head slab_caches = LIST_HEAD_INIT(slab_caches);
spinlock_t slab_list_lock = SPINLOCK_INIT(LOCK_SLAB_LIST);
static struct kmem_cache *cache_cache, *magazine_cache;

/* ---- slabs ---- */

static void slab_account(const struct kmem_cache *c, long pages)
{
	mod_vmstat(c->flags & SLAB_RECLAIM_ACCOUNT ? NR_SLAB_RECLAIMABLE : NR_SLAB_UNRECLAIMABLE,
		   pages);
}

/* A slab with all objects free, on no list; or NULL. */
static struct page *slab_new(struct kmem_cache *c, gfp_t gfp)
{
	struct page *p;
	char *slab;

	gfp &= ~(__GFP_ZERO | __GFP_MOVABLE | __GFP_RECLAIMABLE);
	if (c->flags & SLAB_RECLAIM_ACCOUNT)
		gfp |= __GFP_RECLAIMABLE;
	p = alloc_pages(gfp | __GFP_COMP, c->order);
	if (!p)
		return NULL;
	slab = page_address(p);
	for (u32 i = c->objs; i-- > 0;) {
		u32 off = i * c->stride;

		if (c->ctor)
			c->ctor(slab + off);
		slab_debug_new_obj(c, slab, off);
		*obj_link(c, slab, off) = i + 1 < c->objs ? off + c->stride : SLAB_END;
	}
	SetPageSlab(p);
	p->owner = ptr_to_owner(c);
	p->slab_free = 0;
	p->slab_use = 0;
	slab_account(c, 1L << c->order);
	return p;
}

static void slab_free_pages(struct kmem_cache *c, struct page *p)
{
	assert(p->slab_use == 0);
	ClearPageSlab(p);
	p->owner = 0;
	slab_account(c, -(1L << c->order));
	free_pages_block(p, c->order);
}

/* Changes how many objects are out, and with it perhaps the list. */
static void slab_set_use_locked(struct kmem_cache *c, struct page *p, u32 use)
{
	struct page_list *from = slab_list(c, p), *to;

	assert_spin_held(&c->lock);
	p->slab_use = use;
	to = slab_list(c, p);
	if (from == to)
		return;
	page_list_del(from, p);
	page_list_add(to, p);
}

/* Takes up to n objects out of a slab; returns how many. */
static u32 slab_take_locked(struct kmem_cache *c, struct page *p, void **objs, u32 n)
{
	char *slab = page_address(p);
	u32 off = p->slab_free, i;

	for (i = 0; i < n && off != SLAB_END; i++) {
		debug_assert(off < c->objs * c->stride);
		objs[i] = slab + off;
		off = *obj_link(c, slab, off);
	}
	p->slab_free = off;
	slab_set_use_locked(c, p, p->slab_use + i);
	c->nr_out += i;
	return i;
}

static void slab_put_locked(struct kmem_cache *c, void *obj)
{
	struct page *p = obj_slab(obj);
	char *slab = page_address(p);
	u32 off = (u32)((char *)obj - slab);

	debug_assert(PageSlab(p) && slab_cache(p) == c && p->slab_use > 0);
	*obj_link(c, slab, off) = p->slab_free;
	p->slab_free = off;
	slab_set_use_locked(c, p, p->slab_use - 1);
	c->nr_out--;
}

/* Up to n objects from the slabs that the cache has; returns how many. */
static u32 slab_take_any_locked(struct kmem_cache *c, void **objs, u32 n)
{
	u32 got = 0;

	while (got < n) {
		struct page *p = page_list_first(&c->partial);

		if (!p)
			p = page_list_first(&c->empty);
		if (!p)
			break;
		got += slab_take_locked(c, p, objs + got, n - got);
	}
	return got;
}

/* Gives empty slabs back until at most keep are left; returns pages. */
static size_t slab_trim_locked(struct kmem_cache *c, u32 keep)
{
	size_t freed = 0;

	assert_spin_held(&c->lock);
	while (c->empty.nr > keep) {
		struct page *p = page_list_first(&c->empty);

		page_list_del(&c->empty, p);
		slab_free_pages(c, p);
		freed += 1UL << c->order;
	}
	return freed;
}

/* ---- magazines ---- */

static void mag_flush_locked(struct kmem_cache *c, struct magazine *m, u32 n)
{
	assert_spin_held(&m->lock);
	n = min(n, m->count);
	spin_lock(&c->lock);
	/* the oldest */
	for (u32 i = 0; i < n; i++)
		slab_put_locked(c, m->obj[i]);
	slab_trim_locked(c, MAX_EMPTY);
	spin_unlock(&c->lock);
	m->count -= n;
	memmove(m->obj, m->obj + n, m->count * sizeof(m->obj[0]));
}

/* Makes a CPU's magazine, unless it has one, memory is short, or caches are being set up. */
static void mag_make(struct kmem_cache *c, unsigned int cpu, gfp_t gfp)
{
	struct magazine *m, *none = NULL;

	if (READ_ONCE(c->mag[cpu]) || !magazine_cache || c == magazine_cache)
		return;
	m = kmem_cache_alloc(magazine_cache, (gfp & ~__GFP_ZERO) | __GFP_NOWARN);
	if (!m)
		return;
	spin_lock_init(&m->lock, LOCK_SLAB_CPU);
	m->count = 0;
	if (!__atomic_compare_exchange_n(&c->mag[cpu], &none, m, false, __ATOMIC_RELEASE,
					 __ATOMIC_RELAXED))
		kmem_cache_free(magazine_cache, m);
}

/* Half a magazine from the slabs that there are; one object of it is the caller's. m may be NULL. */
static void *mag_refill(struct kmem_cache *c, struct magazine *m)
{
	void *obj = NULL;

	if (!m) {
		spin_lock(&c->lock);
		slab_take_any_locked(c, &obj, 1);
		spin_unlock(&c->lock);
		return obj;
	}
	spin_lock(&m->lock);
	if (!m->count) {
		spin_lock(&c->lock);
		m->count = slab_take_any_locked(c, m->obj, (c->mag_limit + 1) / 2);
		spin_unlock(&c->lock);
	}
	if (m->count)
		obj = m->obj[--m->count];
	spin_unlock(&m->lock);
	return obj;
}

static void *alloc_end(struct kmem_cache *c, void *obj, gfp_t gfp, size_t req, unsigned long ip)
{
	slab_debug_alloc(c, obj, req, ip);
	return gfp & __GFP_ZERO ? memset(obj, 0, req) : obj;
}

static __noinline void *slab_alloc_slow(struct kmem_cache *c, gfp_t gfp, size_t req,
					unsigned long ip)
{
	for (;;) {
		struct page *p;
		void *obj;

		mag_make(c, smp_processor_id(), gfp);
		obj = mag_refill(c, c->mag[smp_processor_id()]); /* another one if that slept */
		if (obj)
			return alloc_end(c, obj, gfp, req, ip);
		p = slab_new(c, gfp);
		if (!p)
			return NULL;
		spin_lock(&c->lock);
		page_list_add(&c->empty, p);
		spin_unlock(&c->lock);
	}
}

/* No magazine, or one that is full, and locked. */
static __noinline void slab_free_slow(struct kmem_cache *c, struct magazine *m, void *obj)
{
	if (m) {
		mag_flush_locked(c, m, (c->mag_limit + 1) / 2);
		m->obj[m->count++] = obj;
		spin_unlock(&m->lock);
		return;
	}
	spin_lock(&c->lock);
	slab_put_locked(c, obj);
	slab_trim_locked(c, MAX_EMPTY);
	spin_unlock(&c->lock);
}

/* What is rare is called last, so that these two need no frame. */
static __always_inline void *cache_alloc(struct kmem_cache *c, gfp_t gfp, size_t req,
					 unsigned long ip)
{
	struct magazine *m = c->mag[smp_processor_id()];
	void *obj = NULL;

	if (should_fail(FAIL_SLAB))
		return NULL;
	if (likely(m)) {
		spin_lock(&m->lock);
		if (likely(m->count))
			obj = m->obj[--m->count];
		spin_unlock(&m->lock);
	}
	return likely(obj) ? alloc_end(c, obj, gfp, req, ip) : slab_alloc_slow(c, gfp, req, ip);
}

static __always_inline void cache_free(struct kmem_cache *c, void *obj, unsigned long ip)
{
	struct magazine *m = c->mag[smp_processor_id()];

	slab_debug_free(c, obj, ip);
	if (likely(m)) {
		spin_lock(&m->lock);
		if (likely(m->count < c->mag_limit)) {
			m->obj[m->count++] = obj;
			spin_unlock(&m->lock);
			return;
		}
	}
	slab_free_slow(c, m, obj);
}

void *slab_alloc(struct kmem_cache *c, gfp_t gfp, size_t req, unsigned long ip)
{
	return cache_alloc(c, gfp, req, ip);
}

void slab_free(struct kmem_cache *c, void *obj, unsigned long ip)
{
	cache_free(c, obj, ip);
}

void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp)
{
	debug_assert(!c->ctor || !(gfp & __GFP_ZERO));
	return cache_alloc(c, gfp, c->size, (unsigned long)__builtin_return_address(0));
}

void kmem_cache_free(struct kmem_cache *c, void *obj)
{
	cache_free(c, obj, (unsigned long)__builtin_return_address(0));
}

/* ---- caches ---- */

/* How many objects fit into a slab of that order, and where the meta array then starts. Returns the
 * bytes that stay unused. */
static u32 slab_fit(struct kmem_cache *c, u32 order, bool meta)
{
	u32 bytes = (u32)PAGE_SIZE << order, meta_size = meta ? sizeof(struct obj_meta) : 0;

	c->objs = bytes / (c->stride + meta_size);
	c->order = order;
	c->meta_off = meta ? ALIGN_DOWN(bytes - c->objs * meta_size, 8u) : 0;
	/* the meta array may start up to 7 bytes early */
	if (meta && c->meta_off < c->objs * c->stride)
		c->meta_off = ALIGN_DOWN(bytes - --c->objs * meta_size, 8u);
	return bytes - c->objs * (c->stride + meta_size);
}

/* The least order that wastes at most an eighth, else the one that wastes the smallest share. */
static bool cache_set_order(struct kmem_cache *c)
{
	bool meta = c->ctor || RED_ZONE_MIN;
	u32 best = 0, best_waste = ~0u;

	for (u32 order = 0; order <= SLAB_MAX_ORDER; order++) {
		/* waste in terms of the largest slab, to compare shares */
		u32 waste = slab_fit(c, order, meta) << (SLAB_MAX_ORDER - order);

		if (!c->objs)
			continue;
		if (waste <= ((u32)PAGE_SIZE << SLAB_MAX_ORDER) / 8)
			return true;
		if (waste < best_waste) {
			best_waste = waste;
			best = order;
		}
	}
	slab_fit(c, best, meta);
	return c->objs != 0;
}

/* A magazine holds at most about two pages' worth of objects. */
static u32 magazine_limit(u32 stride)
{
	return max(2u, min((u32)MAGAZINE_MAX, 2 * (u32)PAGE_SIZE / stride));
}

static bool cache_setup(struct kmem_cache *c, const char *name, size_t size, size_t align,
			unsigned int flags, void (*ctor)(void *))
{
	*c = (struct kmem_cache){.name = name, .flags = flags, .ctor = ctor};
	align = max(align, 8UL);
	if (flags & SLAB_HWCACHE_ALIGN) {
		size_t line = CACHE_LINE;

		while (line / 2 >= size && line > 8)
			line /= 2;
		align = max(align, line);
	}
	c->size = (u32)size;
	c->stride = ALIGN(c->size + RED_ZONE_MIN, (u32)align);
	c->mag_limit = magazine_limit(c->stride);
	spin_lock_init(&c->lock, LOCK_SLAB);
	return cache_set_order(c);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned int flags, void (*ctor)(void *obj))
{
	struct kmem_cache *c = NULL;

	assert(is_power_of_2(align) || align == 0);
	assert(align <= PAGE_SIZE);
	if (size && size <= (PAGE_SIZE << SLAB_MAX_ORDER) / 2)
		c = kmem_cache_alloc(cache_cache, GFP_KERNEL);
	if (c && !cache_setup(c, name, size, align, flags, ctor)) {
		kmem_cache_free(cache_cache, c);
		c = NULL;
	}
	if (!c) {
		if (flags & SLAB_PANIC)
			panic("cannot create the slab cache %s", name);
		return NULL;
	}
	spin_lock(&slab_list_lock);
	list_add_tail(&c->link, &slab_caches);
	spin_unlock(&slab_list_lock);
	return c;
}

/* A share of each CPU's objects. */
static void cache_drain(struct kmem_cache *c, unsigned int percent)
{
	for_each_cpu(cpu) {
		struct magazine *m = READ_ONCE(c->mag[cpu]);

		if (!m)
			continue;
		spin_lock(&m->lock);
		if (m->count)
			mag_flush_locked(c, m, m->count * percent / 100);
		spin_unlock(&m->lock);
	}
}

static size_t cache_shrink(struct kmem_cache *c, unsigned int percent)
{
	size_t freed;

	cache_drain(c, percent);
	spin_lock(&c->lock);
	freed = slab_trim_locked(c, c->empty.nr * (100 - percent) / 100);
	spin_unlock(&c->lock);
	return freed;
}

size_t kmem_cache_shrink(struct kmem_cache *c)
{
	return cache_shrink(c, 100);
}

size_t slab_shrink(unsigned int pressure)
{
	struct kmem_cache *c;
	size_t freed = 0;

	/* Waits for another CPU that shrinks them: what that one frees is there then. */
	spin_lock(&slab_list_lock);
	list_for_each_entry(c, &slab_caches, link)
		freed += cache_shrink(c,
				      c->flags & SLAB_RECLAIM_ACCOUNT ? min(pressure, 100u) : 100);
	spin_unlock(&slab_list_lock);
	return freed;
}

void slab_make_magazines(void)
{
	struct kmem_cache *c;

	spin_lock(&slab_list_lock);
	list_for_each_entry(c, &slab_caches, link)
		for_each_cpu(cpu)
			mag_make(c, cpu, GFP_NOWAIT);
	spin_unlock(&slab_list_lock);
}

int kmem_cache_destroy(struct kmem_cache *c)
{
	kmem_cache_shrink(c);
	if (c->nr_out) {
		pr_err("slab %s: destroyed with %lu objects in use:\n", c->name, c->nr_out);
		slab_report_leaks(c, &c->partial);
		slab_report_leaks(c, &c->full);
		return -EBUSY;
	}
	spin_lock(&slab_list_lock);
	list_del(&c->link);
	spin_unlock(&slab_list_lock);
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		if (c->mag[cpu])
			kmem_cache_free(magazine_cache, c->mag[cpu]);
	kmem_cache_free(cache_cache, c);
	return 0;
}

/* The first cache is the one that caches come from: it is set up outside of itself, allocates
 * itself, and moves in. */
void slab_init(void)
{
	static struct kmem_cache boot;

	if (!cache_setup(&boot, "kmem_cache", sizeof(struct kmem_cache), 32, SLAB_PANIC, NULL))
		panic("slab: a cache does not fit its own slab");
	cache_cache = slab_alloc(&boot, GFP_KERNEL, sizeof(boot), 0);
	if (!cache_cache)
		panic("slab: no memory for the first cache");
	*cache_cache = boot;
	virt_to_page(cache_cache)->owner = ptr_to_owner(cache_cache);
	list_add_tail(&cache_cache->link, &slab_caches);
	magazine_cache =
		kmem_cache_create("magazine", sizeof(struct magazine), 0, SLAB_PANIC, NULL);
	kmalloc_init();
}
