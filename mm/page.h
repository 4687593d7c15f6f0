/* SPDX-License-Identifier: MIT */
/*
 * struct page: one per page frame, 32 bytes.
 *
 *   byte  0          4          8          12         16         20         24         28
 *        +----------+----------+----------+----------+----------+----------+----------+----------+
 *   any  | flags    | refcount | mapcount | next pfn | prev pfn | owner    | index    | swap     |
 *        +----------+----------+----------+----------+----------+----------+----------+----------+
 *   free | Buddy    | 0        | order    | next pfn | prev pfn | -        | -        | -        |
 *   slab | Slab     | 1        | -        | next pfn | prev pfn | cache    | freelist, in use    |
 *   table| Table    | 1        | sharers  | lock     | anon|file (u16 each), shmem|swap | ...      |
 *   tail | Tail     | 0        | mapcount | -        | -        | head pfn | -        | -        |
 *        +----------+----------+----------+----------+----------+----------+----------+----------+
 *
 * owner is a pointer to an anon_vma, address_space or kmem_cache, stored as (pointer - start of the
 * direct map) / 32: those objects live in the direct map, are 32-byte aligned, and 32 bits reach
 * 128 GiB. All fields are reached through the accessors below; only page_alloc.c, slab.c and
 * pgtable.c use their own views directly.
 *
 * Flags are changed atomically: different bits belong to different owners (page lock, allocator,
 * LRU). The zone and node never change after boot.
 */
#pragma once

#include <kernel/lib/atomic.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/types.h>
#include <kernel/x86/pte.h>

struct address_space;
struct anon_vma;
struct kmem_cache;

struct page {
	u32 flags;
	atomic_t refcount;
	union {
		atomic_t mapcount; /* ptes that map it; 0: none */
		u32 order;         /* of a free block's head, or of an allocated compound head */
		atomic_t sharers;  /* of a page-table page: upper-level entries that point at it */
	};
	union {
		struct {
			u32 next, prev; /* LRU, buddy or slab list: pfns; 0 is "none" */
		};
		struct {
			u32 pt_lock_word;     /* spinlock_t, class LOCK_PT */
			u16 pt_anon, pt_file; /* (p) present entries by kind, 0..512 */
		};
	};
	union {
		u32 owner;
		struct {
			u16 pt_shmem, pt_swap; /* (p) */
		};
	};
	union {
		u32 index; /* offset in pages within its mapping, or vaddr >> 12 (low 32 bits) if anonymous */
		u32 slab_free; /* slab.c */
	};
	union {
		u32 swap;     /* swap entry of a page in the swap cache */
		u32 slab_use; /* slab.c */
	};
};
static_assert_size(struct page, 32);
/* (p) the page table's own lock */

enum page_flag {
	PG_locked,   /* page lock: content and mapping/owner are stable (sleeping bit lock) */
	PG_waiters,  /* somebody sleeps on PG_locked or PG_writeback */
	PG_uptodate, /* content is valid */
	PG_dirty,
	PG_writeback,
	PG_referenced,
	PG_active,
	PG_lru,
	PG_unevictable,
	PG_mlocked,
	PG_swapcache,      /* swap field is valid, page is in the swap cache */
	PG_swapbacked,     /* anonymous or tmpfs */
	PG_anon,           /* owner is an anon_vma, else an address_space */
	PG_anon_exclusive, /* anonymous and of one process only: a write need not copy (DESIGN 9.5) */
	PG_reclaim,        /* to be freed when its writeback ends */
	PG_readahead = PG_reclaim, /* not being written: read from swap for its neighbour's sake */
	PG_buddy,                  /* head of a free block */
	PG_slab,
	PG_table, /* page-table page */
	PG_kstack,
	PG_vmalloc,
	PG_reserved, /* never handed out: kernel image, firmware, holes */
	PG_head,     /* compound head: its order stands in the first tail page */
	PG_tail,
	PG_workingset, /* was active once, before it was evicted or now */
	PG_pending,    /* on its way to an LRU list (lru.c) */
	NR_PAGE_FLAGS
};
/* flags: bits 0..24 page_flag, 25..26 zone, 27..28 node, 29..31 generation */
#define PAGE_ZONE_SHIFT 25
#define PAGE_NODE_SHIFT 27
#define PAGE_GEN_SHIFT  29
_Static_assert(NR_PAGE_FLAGS <= PAGE_ZONE_SHIFT, "page flags run into the zone");

#define DEFINE_PAGE_FLAG(Name, bit)                                                      \
	static inline bool Page##Name(const struct page *p)                              \
	{                                                                                \
		return READ_ONCE(p->flags) & (1u << (bit));                              \
	}                                                                                \
	static inline void SetPage##Name(struct page *p)                                 \
	{                                                                                \
		__atomic_fetch_or(&p->flags, 1u << (bit), __ATOMIC_SEQ_CST);             \
	}                                                                                \
	static inline void ClearPage##Name(struct page *p)                               \
	{                                                                                \
		__atomic_fetch_and(&p->flags, ~(1u << (bit)), __ATOMIC_SEQ_CST);         \
	}                                                                                \
	static inline bool TestSetPage##Name(struct page *p)                             \
	{                                                                                \
		return __atomic_fetch_or(&p->flags, 1u << (bit), __ATOMIC_SEQ_CST) &     \
		       (1u << (bit));                                                    \
	}                                                                                \
	static inline bool TestClearPage##Name(struct page *p)                           \
	{                                                                                \
		return __atomic_fetch_and(&p->flags, ~(1u << (bit)), __ATOMIC_SEQ_CST) & \
		       (1u << (bit));                                                    \
	}

DEFINE_PAGE_FLAG(Locked, PG_locked)
DEFINE_PAGE_FLAG(Waiters, PG_waiters)
DEFINE_PAGE_FLAG(Uptodate, PG_uptodate)
DEFINE_PAGE_FLAG(Dirty, PG_dirty)
DEFINE_PAGE_FLAG(Writeback, PG_writeback)
DEFINE_PAGE_FLAG(Referenced, PG_referenced)
DEFINE_PAGE_FLAG(Active, PG_active)
DEFINE_PAGE_FLAG(LRU, PG_lru)
DEFINE_PAGE_FLAG(Unevictable, PG_unevictable)
DEFINE_PAGE_FLAG(Mlocked, PG_mlocked)
DEFINE_PAGE_FLAG(SwapCache, PG_swapcache)
DEFINE_PAGE_FLAG(SwapBacked, PG_swapbacked)
DEFINE_PAGE_FLAG(Anon, PG_anon)
DEFINE_PAGE_FLAG(AnonExclusive, PG_anon_exclusive)
DEFINE_PAGE_FLAG(Buddy, PG_buddy)
DEFINE_PAGE_FLAG(Slab, PG_slab)
DEFINE_PAGE_FLAG(Table, PG_table)
DEFINE_PAGE_FLAG(Kstack, PG_kstack)
DEFINE_PAGE_FLAG(Vmalloc, PG_vmalloc)
DEFINE_PAGE_FLAG(Reserved, PG_reserved)
DEFINE_PAGE_FLAG(Head, PG_head)
DEFINE_PAGE_FLAG(Tail, PG_tail)
DEFINE_PAGE_FLAG(Workingset, PG_workingset)
DEFINE_PAGE_FLAG(Pending, PG_pending)
DEFINE_PAGE_FLAG(Reclaim, PG_reclaim)
DEFINE_PAGE_FLAG(Readahead, PG_readahead)

/* The array lies at VMEMMAP_START, indexed by pfn; only sections with RAM are mapped. */
static inline struct page *pfn_to_page(pfn_t pfn)
{
	return (struct page *)VMEMMAP_START + pfn;
}
static inline pfn_t page_to_pfn(const struct page *p)
{
	return (pfn_t)(p - (struct page *)VMEMMAP_START);
}
/* True if pfn has a struct page (RAM; not a hole). */
bool pfn_valid(pfn_t pfn);

static inline paddr_t page_to_phys(const struct page *p)
{
	return page_to_pfn(p) << PAGE_SHIFT;
}
static inline void *page_address(const struct page *p)
{
	return __va(page_to_phys(p));
}
/* kaddr: in the direct map. */
static inline struct page *virt_to_page(const void *kaddr)
{
	return pfn_to_page(__pa(kaddr) >> PAGE_SHIFT);
}
static inline unsigned int page_zonenum(const struct page *p)
{
	return (p->flags >> PAGE_ZONE_SHIFT) & 3;
}
static inline unsigned int page_nid(const struct page *p)
{
	return (p->flags >> PAGE_NODE_SHIFT) & 3;
}

/* Pointers as 32-bit words (see owner above); NULL is 0. RAM beyond their reach is not used. */
#define OWNER_REACH (32UL << 32)
static inline u32 object_to_owner(const void *p)
{
	return (u32)(((unsigned long)p - PAGE_OFFSET) >> 5);
}
static inline u32 ptr_to_owner(const void *p)
{
	return p ? object_to_owner(p) : 0;
}
static inline void *owner_to_ptr(u32 w)
{
	return w ? (void *)(PAGE_OFFSET + ((unsigned long)w << 5)) : NULL;
}

/* The file mapping a page belongs to, or NULL. Stable under the page lock. */
static inline struct address_space *page_mapping(const struct page *p)
{
	return PageAnon(p) || PageSlab(p) ? NULL : owner_to_ptr(READ_ONCE(p->owner));
}
static inline struct anon_vma *page_anon_vma(const struct page *p)
{
	return PageAnon(p) ? owner_to_ptr(READ_ONCE(p->owner)) : NULL;
}
static inline int page_mapcount(const struct page *p)
{
	return atomic_read(&p->mapcount);
}
static inline bool page_mapped(const struct page *p)
{
	return page_mapcount(p) > 0;
}

static inline struct page *compound_head(struct page *p)
{
	return PageTail(p) ? pfn_to_page(p->owner) : p;
}
/* Order of a compound page's head; 0 for a single page. */
static inline unsigned int compound_order(const struct page *p)
{
	return PageHead(p) ? p[1].order : 0;
}

static inline int page_count(const struct page *p)
{
	return atomic_read(&p->refcount);
}
static inline void get_page(struct page *p)
{
	p = compound_head(p);
	debug_assert(page_count(p) > 0);
	atomic_inc(&p->refcount);
}
/* For finders that hold no reference (page cache lookup, rmap): false if it is being freed. */
static inline __must_check bool get_page_unless_zero(struct page *p)
{
	return atomic_inc_not_zero(&p->refcount);
}
void __put_page(struct page *p); /* the last reference is gone: page_alloc.c */
static inline void put_page(struct page *p)
{
	p = compound_head(p);
	debug_assert(page_count(p) > 0);
	if (atomic_dec_and_test(&p->refcount))
		__put_page(p);
}

/* The page lock (DESIGN 9.3): a sleeping bit lock with hashed wait queues. mm/page_lock.c.
 * lock order: after vma lock, before i_mmap. Not taken by interrupt handlers. */
void lock_page(struct page *p);
static inline __must_check bool trylock_page(struct page *p)
{
	return !TestSetPageLocked(p);
}
void unlock_page(struct page *p);
void wait_on_page_locked(struct page *p);
/* Waits for the next unlock, and drops the caller's reference before it sleeps. */
void put_and_wait_on_page_locked(struct page *p);
void wait_on_page_writeback(struct page *p);
void end_page_writeback(struct page *p);
