/* SPDX-License-Identifier: MIT */
/*
 * For the .c files of mm alone.
 */
#pragma once

#include <mm/failinject.h>
#include <mm/page.h>
#include <mm/page_alloc.h>

/* ---- lists of struct page, linked by pfn (page 0 is never on one) ---- */

struct page_list {
	u32 head; /* pfn of the first; 0: empty */
	u32 nr;
};

static inline struct page *page_list_first(const struct page_list *l)
{
	return l->head ? pfn_to_page(l->head) : NULL;
}
static inline struct page *page_list_next(const struct page *p)
{
	return p->next ? pfn_to_page(p->next) : NULL;
}
static inline void page_list_add(struct page_list *l, struct page *p)
{
	u32 pfn = (u32)page_to_pfn(p);

	p->next = l->head;
	p->prev = 0;
	if (l->head)
		pfn_to_page(l->head)->prev = pfn;
	l->head = pfn;
	l->nr++;
}
static inline void page_list_del(struct page_list *l, struct page *p)
{
	debug_assert(l->nr > 0);
	if (p->prev)
		pfn_to_page(p->prev)->next = p->next;
	else
		l->head = p->next;
	if (p->next)
		pfn_to_page(p->next)->prev = p->prev;
	p->next = p->prev = 0;
	l->nr--;
}

/* ---- the buddy (mm/buddy.c), under zone->lock ---- */

/* How far a request may go. */
#define ALLOC_WMARK_MASK    0x3u  /* an enum zone_watermark ... */
#define ALLOC_NO_WATERMARKS 0x3u  /* ... or none at all */
#define ALLOC_HIGH          0x4u  /* half of min */
#define ALLOC_HARDER        0x8u  /* and a quarter less */
#define ALLOC_HIGHATOMIC    0x10u /* may use, and then sets aside, high-atomic pageblocks */

/* Puts a block whose pages are free and without flags back, merging it upwards. */
void buddy_free_locked(struct zone *z, struct page *p, unsigned int order);
/* The smallest free block of that type that suffices, or NULL. */
struct page *buddy_find(const struct zone *z, unsigned int order, unsigned int mt);
/* Takes a free block off its list and gives back all but its first 2^order pages. */
struct page *buddy_take_locked(struct zone *z, struct page *p, unsigned int order);
/* A block from any list that the request may use; or NULL. */
struct page *rmqueue_locked(struct zone *z, unsigned int order, unsigned int mt,
			    unsigned int flags);
/* An atomic request got p: sets its pageblock aside. */
void reserve_highatomic_locked(struct zone *z, const struct page *p, unsigned int order);
/* Gives such pageblocks of one zone back to type mt; takes zone->lock. False: there were none. */
bool unreserve_highatomic(unsigned int mt);

/* A single page that was taken from the buddy becomes one in use, with a reference (compaction.c). */
struct page *prep_taken_page(struct page *p);
void bad_page(const struct page *p, const char *what) __noreturn;

static inline unsigned int gfp_migratetype(gfp_t gfp)
{
	_Static_assert(__GFP_MOVABLE == 8 && __GFP_RECLAIMABLE == 16, "shifted down below");
	return gfp >> 3 & 3;
}

/* ---- boot ---- */

void vmemmap_init(void);    /* mm/init.c: maps the page array of all present granules */
void page_alloc_init(void); /* zones, and the free memory of memblock into them */
void page_lock_init(void);

/* ---- kernel mappings (mm/kmap.c) ---- */

/* Maps one page at a kernel address whose page is not mapped; prot: PAGE_KERNEL... 0 or -ENOMEM (a
 * table could not be allocated). May sleep. */
int kernel_map_page(vaddr_t va, paddr_t pa, pteval_t prot) __must_check;
/* Clears the entry; the page that was mapped, or -1 if none. The caller flushes. */
pfn_t kernel_unmap_page(vaddr_t va);
/* Forgets [start, end) on all CPUs. */
void kernel_flush_range(vaddr_t start, vaddr_t end);
/* The entry that maps va, of any level, or 0; *shift: 12, 21 or 30. */
pteval_t kernel_lookup(vaddr_t va, unsigned int *shift);
