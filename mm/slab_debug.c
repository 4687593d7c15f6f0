/* SPDX-License-Identifier: MIT */
/*
 * What watches over slabs: marks of debug builds, the whole-structure checker, statistics.
 *
 * In debug builds an object's meta data says whether it is free, who allocated or freed it last and
 * how many bytes were asked for. What lies behind those bytes is a red zone of at least RED_ZONE_MIN
 * bytes; a free object is filled with poison (unless it has a constructor, whose work must last).
 * Both are looked at when the object changes hands and by slab_check(). A fresh object has another
 * filling, so that nobody takes it for zeroes.
 *
 * Locking: the marks belong to whoever holds the object; lists and counts: cache->lock. So the checker
 * looks at the objects that are out, and at what the magazines hold, only where no other CPU may be
 * changing them at that moment.
 */
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/slab_internal.h>

#ifdef CONFIG_DEBUG
#define OBJ_FREE    0xf4ee0b1eu
#define OBJ_USED    0xa110ca7eu
#define POISON_FREE 0x6b
#define POISON_NEW  0x5a
#define RED_ZONE    0xbb

static void __noreturn slab_bug(const struct kmem_cache *c, const void *obj, const char *what)
{
	struct page *slab = obj_slab(obj);
	u32 off = (u32)((const char *)obj - (const char *)page_address(slab));
	struct obj_meta *m = obj_meta(c, page_address(slab), off);

	panic("slab %s: object %p: %s; last %s by %pS", c->name, obj, what,
	      m->state == OBJ_USED ? "allocated" : "freed", (void *)m->ip);
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

void slab_debug_alloc(struct kmem_cache *c, void *obj, size_t req, unsigned long ip)
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

void slab_debug_free(struct kmem_cache *c, void *obj, unsigned long ip)
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

void slab_debug_new_obj(struct kmem_cache *c, void *slab, u32 off)
{
	obj_make_free(c, (char *)slab + off, obj_meta(c, slab, off), 0);
}
#endif

void slab_report_leaks(const struct kmem_cache *c, const struct page_list *l)
{
	for (struct page *p = page_list_first(l); p; p = page_list_next(p)) {
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
		obj_check(c, slab + off, obj_meta(c, slab, off));
#endif
	}
	assert(n + p->slab_use == c->objs);
#ifdef CONFIG_DEBUG
	for (u32 off = 0; nr_cpu_ids == 1 && off < c->objs * c->stride; off += c->stride)
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
		assert(nr_cpu_ids > 1 || magazine_objs(c) <= c->nr_out);
		spin_unlock(&c->lock);
	}
	spin_unlock(&slab_list_lock);
}
