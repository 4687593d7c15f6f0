/* SPDX-License-Identifier: MIT */
/*
 * What slab.c, slab_debug.c and kmalloc.c share: a cache, and where things are in a slab (drawn in
 * slab.c). Private to them.
 */
#pragma once

#include <kernel/lib/list.h>
#include <mm/internal.h>
#include <mm/slab.h>

#define SLAB_END 0xffffffffu

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

extern struct list_head slab_caches;
extern spinlock_t slab_list_lock;

struct obj_meta {
	u32 link;
#ifdef CONFIG_DEBUG
	u32 state;
	u32 req; /* bytes asked for */
	u32 pad;
	unsigned long ip; /* who allocated it, or freed it last */
#endif
};

static inline struct obj_meta *obj_meta(const struct kmem_cache *c, const void *slab, u32 off)
{
	return (struct obj_meta *)((char *)slab + c->meta_off) + off / c->stride;
}

static inline u32 *obj_link(const struct kmem_cache *c, void *slab, u32 off)
{
	return c->meta_off ? &obj_meta(c, slab, off)->link : (u32 *)((char *)slab + off);
}

static inline struct page *obj_slab(const void *obj)
{
	return compound_head(virt_to_page(obj));
}

static inline struct kmem_cache *slab_cache(const struct page *slab)
{
	return owner_to_ptr(slab->owner);
}

static inline struct page_list *slab_list(struct kmem_cache *c, const struct page *slab)
{
	if (slab->slab_use == 0)
		return &c->empty;
	return slab->slab_use == c->objs ? &c->full : &c->partial;
}

/* An object of which req bytes are to be used, on behalf of the code at ip; NULL on shortage. */
void *slab_alloc(struct kmem_cache *c, gfp_t gfp, size_t req, unsigned long ip);
void slab_free(struct kmem_cache *c, void *obj, unsigned long ip);
void kmalloc_init(void);

/* ---- slab_debug.c ---- */

/* The objects that are out, on the way to a failed destroy. */
void slab_report_leaks(const struct kmem_cache *c, const struct page_list *l);

#ifdef CONFIG_DEBUG
#define RED_ZONE_MIN 8
void slab_debug_alloc(struct kmem_cache *c, void *obj, size_t req, unsigned long ip);
void slab_debug_free(struct kmem_cache *c, void *obj, unsigned long ip);
void slab_debug_new_obj(struct kmem_cache *c, void *slab, u32 off);
#else
#define RED_ZONE_MIN 0
static inline void slab_debug_alloc(struct kmem_cache *c __unused, void *obj __unused,
				    size_t req __unused, unsigned long ip __unused)
{
}
static inline void slab_debug_free(struct kmem_cache *c __unused, void *obj __unused,
				   unsigned long ip __unused)
{
}
static inline void slab_debug_new_obj(struct kmem_cache *c __unused, void *slab __unused,
				      u32 off __unused)
{
}
#endif
