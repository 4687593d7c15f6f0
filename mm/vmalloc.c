/* SPDX-License-Identifier: MIT */
/*
 * vmalloc: pages that are contiguous in virtual memory only; guarded kernel stacks; device registers.
 *
 * Problem. A large buffer need not be contiguous in physical memory, and a kernel stack should be
 * fenced off on both sides, which the direct map cannot do.
 *
 * Idea. Address ranges ("areas") are handed out of VMALLOC_START..END, each with an unmapped guard
 * page behind it (a stack's also before it), backed by single pages and mapped by mm/kmap.c.
 *
 *	| page page page (guard) | free ... | (guard) stack stack stack stack (guard) | page ...
 *	^ start              end ^          ^ start                              end ^
 *
 * Areas are in a tree by address. Each knows the free gap before it, and the largest such gap of
 * its subtree, so that the lowest gap that is large enough is found in one descent. Lowest first
 * keeps the tables that map the areas few.
 *
 * Freeing: unmap, flush, free the pages, and only then forget the area, so that its addresses are
 * not used again while a stale translation could exist.
 *
 * A few stacks are kept per CPU, mapped, because fork and exit follow each other closely.
 *
 * Locking: area_lock for the tree; what an area maps belongs to whoever allocated it. kstack_cache
 * has a lock per CPU, so that others can drain it.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/rbtree.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <mm/internal.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <mm/vmstat.h>

enum area_kind { AREA_VMALLOC, AREA_KSTACK, AREA_IOREMAP };

struct vmap_area {
	struct rb_node node; /* (a) by start */
	vaddr_t start, end;  /* (c) guard pages included */
	size_t gap;          /* (a) free bytes before start */
	size_t max_gap;      /* (a) largest gap of the subtree */
	vaddr_t first;       /* (c) first mapped address */
	size_t nr_pages;     /* (c) mapped, or to be */
	enum area_kind kind; /* (c) */
};
/* (a) area_lock (c) constant */

#define KSTACK_PAGES  (KSTACK_SIZE / PAGE_SIZE)
#define KSTACK_CACHED 2 /* per CPU: parent and child of one fork */

struct kstack_cache {
	spinlock_t lock;
	unsigned int nr;
	void *stack[KSTACK_CACHED];
};
static DEFINE_PER_CPU(struct kstack_cache, kstack_cache) = {.lock = SPINLOCK_INIT(LOCK_VMAP)};

static spinlock_t area_lock = SPINLOCK_INIT(LOCK_VMAP);
static struct rb_root area_tree = RB_ROOT;
static struct kmem_cache *area_cache;

/* ---- the tree of areas ---- */

static struct vmap_area *area_of(struct rb_node *n)
{
	return rb_entry_safe(n, struct vmap_area, node);
}

static size_t subtree_gap(const struct rb_node *n)
{
	return n ? rb_entry(n, struct vmap_area, node)->max_gap : 0;
}

static size_t area_compute_gap(const struct vmap_area *a)
{
	return max(a->gap, max(subtree_gap(a->node.rb_left), subtree_gap(a->node.rb_right)));
}

RB_DECLARE_CALLBACKS(static, area_augment, struct vmap_area, node, max_gap, area_compute_gap);

static void area_set_gap(struct vmap_area *a, size_t gap)
{
	a->gap = gap;
	area_augment_propagate(&a->node, NULL);
}

/* The lowest address with size free bytes, or 0. */
static vaddr_t area_find_locked(size_t size)
{
	struct rb_node *n = area_tree.rb_node;
	struct vmap_area *last;
	vaddr_t end;

	assert_spin_held(&area_lock);
	if (subtree_gap(n) >= size) {
		for (;;) {
			struct vmap_area *a = area_of(n);

			if (subtree_gap(n->rb_left) >= size)
				n = n->rb_left;
			else if (a->gap >= size)
				return a->start - a->gap;
			else
				n = n->rb_right;
		}
	}
	last = area_of(rb_last(&area_tree));
	end = last ? last->end : VMALLOC_START;
	return VMALLOC_END - end >= size ? end : 0;
}

static void area_insert_locked(struct vmap_area *a)
{
	struct rb_node **link = &area_tree.rb_node, *parent = NULL;
	struct vmap_area *next, *prev;

	assert_spin_held(&area_lock);
	while (*link) {
		parent = *link;
		link = a->start < area_of(parent)->start ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&a->node, parent, link);
	prev = area_of(rb_prev(&a->node));
	next = area_of(rb_next(&a->node));
	a->gap = a->max_gap = a->start - (prev ? prev->end : VMALLOC_START);
	area_augment_propagate(parent, NULL);
	rb_insert_augmented(&a->node, &area_tree, &area_augment);
	if (next)
		area_set_gap(next, next->start - a->end);
}

static void area_erase_locked(struct vmap_area *a)
{
	struct vmap_area *next = area_of(rb_next(&a->node));
	size_t gap = a->gap + (a->end - a->start);

	assert_spin_held(&area_lock);
	rb_erase_augmented(&a->node, &area_tree, &area_augment);
	if (next)
		area_set_gap(next, next->gap + gap);
}

/* The area that contains addr (guard pages too), or NULL. The lock may be missing in an oops. */
static struct vmap_area *area_lookup(vaddr_t addr)
{
	struct rb_node *n = area_tree.rb_node;

	while (n) {
		struct vmap_area *a = area_of(n);

		if (addr < a->start)
			n = n->rb_left;
		else if (addr >= a->end)
			n = n->rb_right;
		else
			return a;
	}
	return NULL;
}

/* Addresses for nr_pages and their guards, nothing mapped; NULL on shortage. */
static struct vmap_area *area_alloc(size_t nr_pages, enum area_kind kind)
{
	size_t before = kind == AREA_KSTACK ? PAGE_SIZE : 0;
	size_t size = before + nr_pages * PAGE_SIZE + PAGE_SIZE;
	struct vmap_area *a = kmem_cache_alloc(area_cache, GFP_KERNEL);

	if (!a)
		return NULL;
	*a = (struct vmap_area){.nr_pages = nr_pages, .kind = kind};
	spin_lock(&area_lock);
	a->start = area_find_locked(size);
	if (a->start) {
		a->end = a->start + size;
		a->first = a->start + before;
		area_insert_locked(a);
	}
	spin_unlock(&area_lock);
	if (!a->start) {
		kmem_cache_free(area_cache, a);
		return NULL;
	}
	return a;
}

static void area_free(struct vmap_area *a)
{
	spin_lock(&area_lock);
	area_erase_locked(a);
	spin_unlock(&area_lock);
	kmem_cache_free(area_cache, a);
}

/* The area that begins with this mapped address; anything else is a caller's bug. */
static struct vmap_area *area_by_addr(const void *p)
{
	struct vmap_area *a;

	spin_lock(&area_lock);
	a = area_lookup((vaddr_t)p);
	spin_unlock(&area_lock);
	assert(a && a->first == (vaddr_t)p);
	return a;
}

/* ---- pages behind an area ---- */

static enum vmstat_item area_item(const struct vmap_area *a)
{
	return a->kind == AREA_KSTACK ? NR_KSTACK : NR_VMALLOC;
}

/* Unmaps all, flushes, and frees the pages (of a device: only forgets them). */
static void area_unmap(struct vmap_area *a)
{
	struct page_list pages = {0, 0};
	vaddr_t end = a->first + a->nr_pages * PAGE_SIZE;
	struct page *p;

	for (vaddr_t va = a->first; va < end; va += PAGE_SIZE) {
		pfn_t pfn = kernel_unmap_page(va);

		if (pfn != (pfn_t)-1 && a->kind != AREA_IOREMAP)
			page_list_add(&pages, pfn_to_page(pfn));
	}
	kernel_flush_range(a->first, end);
	mod_vmstat(area_item(a), -(long)pages.nr);
	while ((p = page_list_first(&pages))) {
		page_list_del(&pages, p);
		free_page_struct(p);
	}
}

/* Pages for the whole area; 0 or -ENOMEM (then what was mapped stays for area_unmap). */
static int area_populate(struct vmap_area *a, gfp_t gfp)
{
	for (size_t i = 0; i < a->nr_pages; i++) {
		struct page *p = alloc_page(gfp);

		if (!p)
			return -ENOMEM;
		if (kernel_map_page(a->first + i * PAGE_SIZE, page_to_phys(p), PAGE_KERNEL)) {
			free_page_struct(p);
			return -ENOMEM;
		}
		if (a->kind == AREA_KSTACK)
			SetPageKstack(p);
		else
			SetPageVmalloc(p);
		mod_vmstat(area_item(a), 1);
	}
	return 0;
}

static void *area_new(size_t nr_pages, enum area_kind kind, gfp_t gfp)
{
	struct vmap_area *a;

	might_sleep();
	if (should_fail(FAIL_VMALLOC))
		return NULL;
	a = area_alloc(nr_pages, kind);
	if (!a)
		return NULL;
	if (area_populate(a, gfp)) {
		area_unmap(a);
		area_free(a);
		return NULL;
	}
	return (void *)a->first;
}

static void area_delete(const void *p)
{
	struct vmap_area *a = area_by_addr(p);

	area_unmap(a);
	area_free(a);
}

/* ---- vmalloc ---- */

static void *vmalloc_gfp(size_t size, gfp_t gfp)
{
	size_t nr_pages = size / PAGE_SIZE + (size % PAGE_SIZE != 0);

	/* More than there is fails before it takes everything. */
	if (!nr_pages || nr_pages > totalram_pages())
		return NULL;
	return area_new(nr_pages, AREA_VMALLOC, gfp);
}

void *vmalloc(size_t size)
{
	return vmalloc_gfp(size, GFP_KERNEL);
}

void *vzalloc(size_t size)
{
	return vmalloc_gfp(size, GFP_KERNEL | __GFP_ZERO);
}

void vfree(const void *p)
{
	if (p)
		area_delete(p);
}

bool is_vmalloc_addr(const void *p)
{
	return (vaddr_t)p >= VMALLOC_START && (vaddr_t)p < VMALLOC_END;
}

unsigned long vmalloc_used_pages(void)
{
	return vmstat_item(NR_VMALLOC);
}

/* ---- kernel stacks ---- */

static void *kstack_pop(struct kstack_cache *c)
{
	void *stack = NULL;

	spin_lock(&c->lock);
	if (c->nr)
		stack = c->stack[--c->nr];
	spin_unlock(&c->lock);
	return stack;
}

void *kstack_alloc(int nid __unused)
{
	void *stack = kstack_pop(this_cpu_ptr(&kstack_cache));

	if (stack && !should_fail(FAIL_VMALLOC))
		return stack;
	if (stack)
		kstack_free(stack);
	return stack ? NULL : area_new(KSTACK_PAGES, AREA_KSTACK, GFP_KERNEL);
}

void kstack_free(void *stack)
{
	struct kstack_cache *c = this_cpu_ptr(&kstack_cache);
	bool kept = false;

	if (!stack)
		return;
	spin_lock(&c->lock);
	if (c->nr < KSTACK_CACHED) {
		c->stack[c->nr++] = stack;
		kept = true;
	}
	spin_unlock(&c->lock);
	if (!kept)
		area_delete(stack);
}

void kstack_drain(void)
{
	for_each_cpu(cpu) {
		void *stack;

		while ((stack = kstack_pop(per_cpu_ptr(&kstack_cache, cpu))))
			area_delete(stack);
	}
}

/* For the oops: whoever holds the lock may be the one who crashed, so it is only tried. */
void *kstack_guard_hit(vaddr_t addr)
{
	bool locked = spin_trylock(&area_lock);
	struct vmap_area *a = area_lookup(addr);
	void *stack = NULL;

	if (a && a->kind == AREA_KSTACK &&
	    (addr < a->first || addr >= a->first + a->nr_pages * PAGE_SIZE))
		stack = (void *)a->first;
	if (locked)
		spin_unlock(&area_lock);
	return stack;
}

/* ---- device registers ---- */

void *ioremap(paddr_t pa, size_t size)
{
	size_t offset = pa & ~PAGE_MASK, nr_pages;
	struct vmap_area *a;

	if (!size || pa + size < pa || PAGE_ALIGN(pa + size) < pa)
		return NULL;
	nr_pages = PAGE_ALIGN(offset + size) >> PAGE_SHIFT;
	a = area_alloc(nr_pages, AREA_IOREMAP);
	if (!a)
		return NULL;
	for (size_t i = 0; i < nr_pages; i++)
		if (kernel_map_page(a->first + i * PAGE_SIZE, (pa & PAGE_MASK) + i * PAGE_SIZE,
				    PAGE_KERNEL_NOCACHE)) {
			area_unmap(a);
			area_free(a);
			return NULL;
		}
	return (char *)a->first + offset;
}

void iounmap(void *p)
{
	if (p)
		area_delete((void *)((vaddr_t)p & PAGE_MASK));
}

void vmalloc_init(void)
{
	area_cache = kmem_cache_create("vmap_area", sizeof(struct vmap_area), 0, SLAB_PANIC, NULL);
}
