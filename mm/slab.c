/* SPDX-License-Identifier: MIT */
/*
 * Slab: objects of one size out of pages, and kmalloc.
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
#include <kernel/lib/list.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/internal.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <mm/vmstat.h>

#define SLAB_END       0xffffffffu
#define SLAB_MAX_ORDER 3
#define MAX_EMPTY      1 /* kept per cache: an alloc-free cycle at the edge should not free a page */
#define CACHE_LINE     64

/* 256 bytes with its header. */
#define MAGAZINE_MAX 31
struct magazine {
	spinlock_t lock;
	u32 count;
	void *obj[MAGAZINE_MAX];
};

struct kmem_cache {
	const char *name;
	u32 size;           /* (c) of an object as asked for */
	u32 stride;         /* (c) from one object to the next */
	u32 objs;           /* (c) per slab */
	u32 order;          /* (c) of a slab */
	u32 meta_off;       /* (c) of the meta array within a slab; 0: links in the objects */
	u32 mag_limit;      /* (c) objects that a magazine may hold */
	unsigned int flags; /* (c) SLAB_* */
	void (*ctor)(void *obj);
	struct magazine *mag[NR_CPUS]; /* NULL until a CPU first allocates */
	spinlock_t lock;
	struct page_list partial, full, empty; /* (l) */
	unsigned long nr_out;                  /* (l) objects out of slabs */
	struct list_head link;                 /* (slab_list_lock) */
};
/* (l) lock (c) constant after creation. Allocated 32-byte aligned: struct page names it. */

static LIST_HEAD(slab_caches);
static spinlock_t slab_list_lock = SPINLOCK_INIT(LOCK_SLAB_LIST);
static struct kmem_cache *cache_cache, *magazine_cache;

/* ---- where things are ---- */

struct obj_meta {
	u32 link;
#ifdef CONFIG_DEBUG
	u32 state;
	u32 req; /* bytes asked for */
	u32 pad;
	unsigned long ip; /* who allocated it, or freed it last */
#endif
};

static struct obj_meta *obj_meta(const struct kmem_cache *c, const void *slab, u32 off)
{
	return (struct obj_meta *)((char *)slab + c->meta_off) + off / c->stride;
}

static u32 *obj_link(const struct kmem_cache *c, void *slab, u32 off)
{
	return c->meta_off ? &obj_meta(c, slab, off)->link : (u32 *)((char *)slab + off);
}

static struct page *obj_slab(const void *obj)
{
	return compound_head(virt_to_page(obj));
}

static struct kmem_cache *slab_cache(const struct page *slab)
{
	return owner_to_ptr(slab->owner);
}

/* ---- debug: poison, red zones, owners ---- */

#ifdef CONFIG_DEBUG
#define OBJ_FREE     0xf4ee0b1eu
#define OBJ_USED     0xa110ca7eu
#define POISON_FREE  0x6b
#define POISON_NEW   0x5a
#define RED_ZONE     0xbb
#define RED_ZONE_MIN 8

static void __noreturn slab_bug(const struct kmem_cache *c, const void *obj, const char *what)
{
	struct page *slab = obj_slab(obj);
	u32 off = (u32)((const char *)obj - (const char *)page_address(slab));
	struct obj_meta *m = obj_meta(c, page_address(slab), off);

	panic("slab %s: object %p: %s; last %s by %pS", c->name, obj, what,
	      m->state == OBJ_USED ? "allocated" : "freed", (void *)m->ip);
}

static u32 red_zone_size(void)
{
	return RED_ZONE_MIN;
}

static void obj_make_free(struct kmem_cache *c, void *obj, struct obj_meta *m, unsigned long ip)
{
	m->state = OBJ_FREE;
	m->ip = ip;
	m->req = c->size;
	if (!c->ctor)
		memset(obj, POISON_FREE, c->size);
	memset((char *)obj + c->size, RED_ZONE, c->stride - c->size);
}

static void obj_check(const struct kmem_cache *c, const void *obj, const struct obj_meta *m)
{
	if (m->state == OBJ_FREE && !c->ctor && memchr_inv(obj, POISON_FREE, c->size))
		slab_bug(c, obj, "was written while free");
	if (m->state != OBJ_FREE && m->state != OBJ_USED)
		slab_bug(c, obj, "meta data overwritten");
	if (memchr_inv((const char *)obj + m->req, RED_ZONE, c->stride - m->req))
		slab_bug(c, obj, "was written beyond its end");
}

static void debug_alloc(struct kmem_cache *c, void *obj, size_t req, unsigned long ip)
{
	void *slab = page_address(obj_slab(obj));
	struct obj_meta *m = obj_meta(c, slab, (u32)((char *)obj - (char *)slab));

	if (m->state != OBJ_FREE)
		slab_bug(c, obj, "is on a free list but not free");
	obj_check(c, obj, m);
	m->state = OBJ_USED;
	m->ip = ip;
	m->req = (u32)req;
	if (!c->ctor)
		memset(obj, POISON_NEW, req);
	memset((char *)obj + req, RED_ZONE, c->stride - req);
}

static void debug_free(struct kmem_cache *c, void *obj, unsigned long ip)
{
	struct page *page = obj_slab(obj);
	void *slab = page_address(page);
	u32 off = (u32)((char *)obj - (char *)slab);
	struct obj_meta *m;

	if (!PageSlab(page) || slab_cache(page) != c)
		panic("slab %s: %p is freed here but is not its object", c->name, obj);
	if (off % c->stride || off / c->stride >= c->objs)
		panic("slab %s: %p is freed but is not the start of an object", c->name, obj);
	m = obj_meta(c, slab, off);
	if (m->state == OBJ_FREE)
		slab_bug(c, obj, "is freed twice");
	obj_check(c, obj, m);
	obj_make_free(c, obj, m, ip);
}

static void debug_new_obj(struct kmem_cache *c, void *slab, u32 off)
{
	obj_make_free(c, (char *)slab + off, obj_meta(c, slab, off), 0);
}
#else
static inline u32 red_zone_size(void)
{
	return 0;
}
static inline void debug_alloc(struct kmem_cache *c __unused, void *obj __unused,
			       size_t req __unused, unsigned long ip __unused)
{
}
static inline void debug_free(struct kmem_cache *c __unused, void *obj __unused,
			      unsigned long ip __unused)
{
}
static inline void debug_new_obj(struct kmem_cache *c __unused, void *slab __unused,
				 u32 off __unused)
{
}
#endif

/* ---- slabs ---- */

static struct page_list *slab_list(struct kmem_cache *c, const struct page *slab)
{
	if (slab->slab_use == 0)
		return &c->empty;
	return slab->slab_use == c->objs ? &c->full : &c->partial;
}

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
		debug_new_obj(c, slab, off);
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

/* This CPU's magazine, made if need be; NULL if that fails, or while caches are being set up. */
static struct magazine *mag_get(struct kmem_cache *c, gfp_t gfp)
{
	struct magazine *m = c->mag[smp_processor_id()];

	if (m || !magazine_cache || c == magazine_cache)
		return m;
	m = kmem_cache_alloc(magazine_cache, (gfp & ~__GFP_ZERO) | __GFP_NOWARN);
	if (!m)
		return NULL;
	spin_lock_init(&m->lock, LOCK_SLAB_CPU);
	m->count = 0;
	/* Another CPU now, or somebody was faster, if that allocation slept. */
	if (c->mag[smp_processor_id()])
		kmem_cache_free(magazine_cache, m);
	else
		c->mag[smp_processor_id()] = m;
	return c->mag[smp_processor_id()];
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

static __noinline void *slab_alloc_slow(struct kmem_cache *c, gfp_t gfp)
{
	for (;;) {
		void *obj = mag_refill(c, mag_get(c, gfp));
		struct page *p;

		if (obj)
			return obj;
		p = slab_new(c, gfp);
		if (!p)
			return NULL;
		spin_lock(&c->lock);
		page_list_add(&c->empty, p);
		spin_unlock(&c->lock);
	}
}

static __always_inline void *slab_alloc(struct kmem_cache *c, gfp_t gfp, size_t req,
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
	if (unlikely(!obj))
		obj = slab_alloc_slow(c, gfp);
	if (unlikely(!obj))
		return NULL;
	debug_alloc(c, obj, req, ip);
	if (gfp & __GFP_ZERO)
		memset(obj, 0, req);
	return obj;
}

static __always_inline void slab_free(struct kmem_cache *c, void *obj, unsigned long ip)
{
	struct magazine *m = c->mag[smp_processor_id()];

	debug_free(c, obj, ip);
	if (likely(m)) {
		spin_lock(&m->lock);
		if (unlikely(m->count >= c->mag_limit))
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

void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp)
{
	debug_assert(!c->ctor || !(gfp & __GFP_ZERO));
	return slab_alloc(c, gfp, c->size, (unsigned long)__builtin_return_address(0));
}

void kmem_cache_free(struct kmem_cache *c, void *obj)
{
	slab_free(c, obj, (unsigned long)__builtin_return_address(0));
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
	bool meta = c->ctor || red_zone_size();
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
	c->stride = ALIGN(c->size + red_zone_size(), (u32)align);
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

static void cache_drain(struct kmem_cache *c)
{
	for_each_cpu(cpu) {
		struct magazine *m = READ_ONCE(c->mag[cpu]);

		if (!m)
			continue;
		spin_lock(&m->lock);
		if (m->count)
			mag_flush_locked(c, m, MAGAZINE_MAX);
		spin_unlock(&m->lock);
	}
}

size_t kmem_cache_shrink(struct kmem_cache *c)
{
	size_t freed;

	cache_drain(c);
	spin_lock(&c->lock);
	freed = slab_trim_locked(c, 0);
	spin_unlock(&c->lock);
	return freed;
}

size_t slab_shrink_all(void)
{
	struct kmem_cache *c;
	size_t freed = 0;

	/* A shortage inside somebody's creation of a cache: that one's lock is not waited for. */
	if (!spin_trylock(&slab_list_lock))
		return 0;
	list_for_each_entry(c, &slab_caches, link)
		freed += kmem_cache_shrink(c);
	spin_unlock(&slab_list_lock);
	return freed;
}

static void report_slab_leaks(struct kmem_cache *c, struct page_list l)
{
	for (struct page *p = page_list_first(&l); p; p = page_list_next(p)) {
#ifdef CONFIG_DEBUG
		char *slab = page_address(p);

		for (u32 off = 0; off < c->objs * c->stride; off += c->stride)
			if (obj_meta(c, slab, off)->state == OBJ_USED)
				pr_err("  %p, %u bytes, allocated by %pS\n", slab + off,
				       obj_meta(c, slab, off)->req,
				       (void *)obj_meta(c, slab, off)->ip);
#else
		pr_err("  slab %p: %u of %u objects\n", page_address(p), p->slab_use, c->objs);
#endif
	}
}

int kmem_cache_destroy(struct kmem_cache *c)
{
	kmem_cache_shrink(c);
	if (c->nr_out) {
		pr_err("slab %s: destroyed with %lu objects in use:\n", c->name, c->nr_out);
		report_slab_leaks(c, c->partial);
		report_slab_leaks(c, c->full);
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

/* ---- kmalloc ---- */

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
	void *p = kmalloc_at(size, gfp | (size > PAGE_SIZE ? __GFP_NOWARN : 0), CALLER);

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

/* ---- statistics and the checker ---- */

static unsigned long magazine_objs(struct kmem_cache *c)
{
	unsigned long n = 0;

	for_each_cpu(cpu)
		if (c->mag[cpu])
			n += READ_ONCE(c->mag[cpu]->count);
	return n;
}

int slab_for_each(int (*fn)(const struct slab_stats *s, void *arg), void *arg)
{
	struct kmem_cache *c;
	int ret = 0;

	spin_lock(&slab_list_lock);
	list_for_each_entry(c, &slab_caches, link) {
		struct slab_stats s = {
			.name = c->name,
			.obj_size = c->stride,
			.objs_per_slab = c->objs,
			.pages_per_slab = 1UL << c->order,
		};

		spin_lock(&c->lock);
		s.active_slabs = c->partial.nr + c->full.nr;
		s.num_slabs = s.active_slabs + c->empty.nr;
		s.num_objs = s.num_slabs * c->objs;
		s.active_objs = c->nr_out - min(c->nr_out, magazine_objs(c));
		spin_unlock(&c->lock);
		ret = fn(&s, arg);
		if (ret)
			break;
	}
	spin_unlock(&slab_list_lock);
	return ret;
}

static unsigned long check_slab(struct kmem_cache *c, struct page *p)
{
	char *slab = page_address(p);
	u32 n = 0;

	assert(PageSlab(p) && slab_cache(p) == c && page_count(p) == 1);
	assert(compound_order(p) == c->order);
	for (u32 off = p->slab_free; off != SLAB_END; off = *obj_link(c, slab, off)) {
		assert(off % c->stride == 0 && off / c->stride < c->objs);
		n++;
		assert(n <= c->objs);
#ifdef CONFIG_DEBUG
		assert(obj_meta(c, slab, off)->state == OBJ_FREE);
#endif
	}
	assert(n + p->slab_use == c->objs);
#ifdef CONFIG_DEBUG
	for (u32 off = 0; off < c->objs * c->stride; off += c->stride)
		obj_check(c, slab + off, obj_meta(c, slab, off));
#endif
	return p->slab_use;
}

static unsigned long check_slab_list(struct kmem_cache *c, struct page_list *l)
{
	unsigned long out = 0;
	u32 n = 0;

	for (struct page *p = page_list_first(l); p; p = page_list_next(p)) {
		assert(slab_list(c, p) == l);
		out += check_slab(c, p);
		n++;
	}
	assert(n == l->nr);
	return out;
}

void slab_check(void)
{
	struct kmem_cache *c;

	spin_lock(&slab_list_lock);
	list_for_each_entry(c, &slab_caches, link) {
		spin_lock(&c->lock);
		assert(check_slab_list(c, &c->empty) + check_slab_list(c, &c->partial) +
			       check_slab_list(c, &c->full) ==
		       c->nr_out);
		assert(magazine_objs(c) <= c->nr_out);
		spin_unlock(&c->lock);
	}
	spin_unlock(&slab_list_lock);
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
	for (unsigned int i = 0; i < NR_KMALLOC; i++) {
		size_t size = kmalloc_sizes[i];
		size_t align = is_power_of_2(size) ? min(size, PAGE_SIZE) : 0;

		kmalloc_caches[i] =
			kmem_cache_create(kmalloc_names[i], size, align, SLAB_PANIC, NULL);
	}
}
