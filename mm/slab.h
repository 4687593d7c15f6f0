/* SPDX-License-Identifier: MIT */
/*
 * Object caches and kmalloc.
 */
#pragma once

#include <mm/gfp.h>

struct kmem_cache;

#define SLAB_HWCACHE_ALIGN   0x1u
#define SLAB_RECLAIM_ACCOUNT 0x2u
#define SLAB_PANIC           0x4u /* creation at boot cannot fail */

/* A cache of objects of size bytes at align (0: natural, at least 8). ctor, if any, runs once when a
 * slab is made: objects are freed in their constructed state. NULL on shortage. Sleeps. */
/* name is kept, not copied. */
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned int flags, void (*ctor)(void *obj));
/* All objects must have been freed: otherwise they are reported and -EBUSY is returned. */
int kmem_cache_destroy(struct kmem_cache *c);
void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *c, void *obj);
/* Gives empty slabs back to the page allocator; returns pages freed. */
size_t kmem_cache_shrink(struct kmem_cache *c);
/* The same for all caches; pressure: what part of those that can be had again (inodes, dentries ...), in
 * percent; 100 and more is all. */
size_t slab_shrink(unsigned int pressure);
/* Makes every CPU's magazines, so that a first use on another CPU takes no memory. */
void slab_make_magazines(void);

/* Any size: size classes up to 8 KiB, page blocks up to 4 MiB, NULL above. Alignment: 8, or the
 * size if a power of two up to PAGE_SIZE. Size 0: NULL. */
void *kmalloc(size_t size, gfp_t gfp);
void *kzalloc(size_t size, gfp_t gfp);
void *kcalloc(size_t n, size_t size, gfp_t gfp); /* checks n * size for overflow */
void *krealloc(void *p, size_t size, gfp_t gfp);
void kfree(const void *p); /* NULL is fine */
size_t ksize(const void *p);
char *kstrdup(const char *s, gfp_t gfp);
void *kmemdup(const void *p, size_t n, gfp_t gfp);

/* kmalloc, falling back to vmalloc. */
void *kvmalloc(size_t size, gfp_t gfp);
void kvfree(const void *p);

/* For /proc/slabinfo and the ledger. */
struct slab_stats {
	const char *name;
	unsigned long active_objs, num_objs, obj_size, objs_per_slab, pages_per_slab;
	unsigned long active_slabs, num_slabs;
};
/* Calls fn for each cache until it returns non-zero, with the list of caches locked: fn neither
 * sleeps nor allocates. */
int slab_for_each(int (*fn)(const struct slab_stats *s, void *arg), void *arg);
void slab_check(void); /* whole-structure checker */
void slab_init(void);
