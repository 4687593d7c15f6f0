/* SPDX-License-Identifier: MIT */
/*
 * Virtual memory areas: the ordered tree of a space's mappings, its free gaps, split and merge.
 */
#pragma once

#include <mm/mm.h>

/* Addresses kept free below a growing stack (Linux: stack_guard_gap). */
#define STACK_GUARD_GAP (256UL << PAGE_SHIFT)

#define VM_ACCESS      (VM_READ | VM_WRITE | VM_EXEC)
#define VM_MAYACCESS   (VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)
#define VM_LOCKED_MASK (VM_LOCKED | VM_LOCKONFAULT)
/* What a private data mapping gets beside its rights. */
#define VM_DATA_FLAGS (VM_READ | VM_WRITE | VM_MAYACCESS)

/* --- objects ------------------------------------------------------------------------------ */
/* A zeroed vma, in no tree, or NULL. Sleeps. */
struct vm_area_struct *vma_alloc(struct mm_struct *mm);
/* A copy for mm of src's range, flags, offset, name and file (a new reference), without its place
 * in trees and without its anon_vma. NULL on shortage. Sleeps. */
struct vm_area_struct *vma_dup(const struct vm_area_struct *src, struct mm_struct *mm);
/* Puts the file. The vma is in no tree and no reverse map any more. Sleeps, and where the file may be the
 * last one's: no mmap_lock held. */
void vma_free(struct vm_area_struct *vma);

/* --- the tree (mmap_lock held for writing, or the space is still private) ------------------- */
/* Puts vma, whose fields are set and whose range is free, into its mm, before next (NULL: as the last
 * one). rmap is the caller's. */
void vma_insert(struct vm_area_struct *vma, struct vm_area_struct *next);
/* Waits for faults that hold it, marks it detached and takes it out. It is the caller's now; rmap
 * still has it. */
void vma_remove(struct mm_struct *mm, struct vm_area_struct *vma);
/* Moves the edges, in the tree and in rmap. The new range must be free but for vma itself and for a
 * neighbour that moves next. */
void vma_set_bounds(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, u64 pgoff);
void vma_set_flags(struct vm_area_struct *vma, unsigned long flags);

/* Cuts vma at addr (inside it, page aligned): vma keeps the lower part; the upper one is returned.
 * ERR_PTR(-ENOMEM): nothing changed. vma_split_limited also minds map_count's limit. */
struct vm_area_struct *vma_split(struct vm_area_struct *vma, vaddr_t addr) __must_check;
struct vm_area_struct *vma_split_limited(struct vm_area_struct *vma, vaddr_t addr) __must_check;
/* Joins vma with its neighbours where they are alike: the one that then covers it. Cannot fail. */
struct vm_area_struct *vma_merge(struct vm_area_struct *vma);
/* Makes neighbours cover the free range [start, end) if they are alike: the vma, or NULL. */
struct vm_area_struct *vma_extend_over(struct mm_struct *mm, vaddr_t start, vaddr_t end,
				       unsigned long flags, struct mappable *file, u64 pgoff);
/* Moves vma's end up over free space; joins it with what begins there, if that is alike. */
void vma_extend_up(struct vm_area_struct *vma, vaddr_t end);
/* Makes [start, end) of vma a vma of its own: that one. ERR_PTR(-ENOMEM): nothing changed. */
struct vm_area_struct *vma_isolate(struct vm_area_struct *vma, vaddr_t start,
				   vaddr_t end) __must_check;
/* Gives [start, end) of vma other flags, splitting and merging as needed: the vma that covers it
 * then. ERR_PTR(-ENOMEM). */
struct vm_area_struct *vma_modify(struct vm_area_struct *vma, vaddr_t start, vaddr_t end,
				  unsigned long flags) __must_check;

/* --- gaps ----------------------------------------------------------------------------------- */
static inline vaddr_t vma_start_gap(const struct vm_area_struct *vma)
{
	if (!(vma->flags & VM_GROWSDOWN))
		return vma->start;
	return vma->start > STACK_GUARD_GAP ? vma->start - STACK_GUARD_GAP : 0;
}
/* The highest free range of len bytes within [low, mmap_base), or the lowest within [low, high): its
 * start, or 0. mmap_lock held for writing. */
vaddr_t vma_gap_topdown(struct mm_struct *mm, vaddr_t low, size_t len);
vaddr_t vma_gap_bottomup(struct mm_struct *mm, vaddr_t low, vaddr_t high, size_t len);

/* --- looking up (mmap_lock, or tree_lock for find_vma) ---------------------------------------- */
/* The first vma that has something in common with [start, end), or NULL. */
struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, vaddr_t start, vaddr_t end);
/* The vma that contains addr, or NULL. */
struct vm_area_struct *vma_lookup(struct mm_struct *mm, vaddr_t addr);

#define for_each_vma(mm, vma) for (vma = vma_first(mm); vma; vma = vma->next)

/* --- accounting (mm/mmap.c) -------------------------------------------------------------------- */
/* total_vm and its parts grow (or shrink) by pages of such a mapping. mmap_lock held for writing. */
void vm_account(struct mm_struct *mm, unsigned long flags, long pages);
/* Do RLIMIT_AS and RLIMIT_DATA allow pages more? */
bool vm_may_expand(struct mm_struct *mm, unsigned long flags, unsigned long pages);
/* -EAGAIN if len bytes more would be locked than RLIMIT_MEMLOCK allows. */
int vm_may_lock(struct mm_struct *mm, unsigned long flags, size_t len);
/* The stack fault below vma->start: grows vma down to addr if RLIMIT_STACK, RLIMIT_AS, the guard
 * gap and commit allow it. mmap_lock held for writing. 0 or -ENOMEM. */
int vma_grow_down(struct vm_area_struct *vma, vaddr_t addr);
/* May a mapping like this be charged to Committed_AS? */
static inline bool vm_accountable(unsigned long flags)
{
	return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE;
}

/* --- mmap.c, munmap.c and populate.c, for their siblings ------------------------------------ */
/* Where len bytes may be mapped (MAP_FIXED, MAP_32BIT, hint addr): address or -errno. mmap_lock held
 * for writing. */
long get_unmapped_area(struct mm_struct *mm, vaddr_t addr, size_t len, int flags);
/* Unmapped vmas whose files are put once mmap_lock is released. */
struct vma_graveyard {
	struct vm_area_struct *first;
};
/* mmap_lock held for writing. 0 or -errno. */
int munmap_locked(struct mm_struct *mm, vaddr_t addr, size_t len, struct vma_graveyard *dead);
void bury(struct vma_graveyard *dead); /* mmap_lock not held */
/* Unmaps all and frees all vmas and tables below the root; the space has no user left. */
void exit_mmap(struct mm_struct *mm);
/* Faults in [start, start + len) (best effort unless it returns -errno: -ENOMEM unmapped, -EFAULT,
 * -EAGAIN no memory). No lock held. ignore: go on where it fails (mmap's MAP_POPULATE). */
long mm_populate(struct mm_struct *mm, vaddr_t start, size_t len, bool ignore);

/* --- mm/layout.c: where exec puts what ------------------------------------------------------------- */
/* level: how much of it is random. */
enum {
	LAYOUT_FIXED = 0,
	LAYOUT_RANDOM = 1,     /* stack, mappings, interpreter, position-independent program */
	LAYOUT_RANDOM_BRK = 2, /* and the heap */
};
extern int sysctl_randomize_va_space;
/* The stack's end, page aligned; the first stack pointer, 16-byte aligned, at or below sp; by how
 * many bytes at most that is lower than sp but for the alignment. */
vaddr_t layout_stack_top(int level);
vaddr_t layout_stack_pointer(vaddr_t sp, int level);
size_t layout_stack_slack(int level);
/* Sets mm->mmap_base by mm->rlim_stack. */
void layout_set_mmap_base(struct mm_struct *mm, int level);
vaddr_t layout_pie_base(int level);
/* Sets mm->start_brk and brk; the program ends at end (page aligned). */
void layout_set_brk(struct mm_struct *mm, vaddr_t end, bool among_mappings, int level);

/* --- mm/mlock.c -------------------------------------------------------------------------------------- */
#define MLOCK_ONFAULT 0x1
#define MCL_CURRENT   0x1
#define MCL_FUTURE    0x2
#define MCL_ONFAULT   0x4
long do_mlock(struct mm_struct *mm, vaddr_t start, size_t len, unsigned long lock_flags);
long do_munlock(struct mm_struct *mm, vaddr_t start, size_t len);
long do_mlockall(struct mm_struct *mm, int flags);
long do_munlockall(struct mm_struct *mm);
/* mm/mlock_pages.c: counts the vma's lock for the pages that are there, or no longer. mmap_lock for
 * writing, the vma VM_LOCKED. May reschedule. */
void mlock_vma_pages(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, bool lock);
/* A VM_LOCKED vma gets a page, or lets go of one; under the table's lock, with a reference. */
void mlock_page(struct page *page);
void munlock_page(struct page *page);

void vma_init_cache(void); /* at boot, by mm_init_caches() */

/* The system calls' constants (mman.h). */
#define PROT_READ      0x1
#define PROT_WRITE     0x2
#define PROT_EXEC      0x4
#define PROT_SEM       0x8
#define PROT_GROWSDOWN 0x01000000
#define PROT_GROWSUP   0x02000000

#define MAP_SHARED          0x01
#define MAP_PRIVATE         0x02
#define MAP_SHARED_VALIDATE 0x03
#define MAP_TYPE            0x0f
#define MAP_FIXED           0x10
#define MAP_ANONYMOUS       0x20
#define MAP_32BIT           0x40
#define MAP_GROWSDOWN       0x0100
#define MAP_DENYWRITE       0x0800
#define MAP_EXECUTABLE      0x1000
#define MAP_LOCKED          0x2000
#define MAP_NORESERVE       0x4000
#define MAP_POPULATE        0x8000
#define MAP_NONBLOCK        0x10000
#define MAP_STACK           0x20000
#define MAP_HUGETLB         0x40000
#define MAP_SYNC            0x80000
#define MAP_FIXED_NOREPLACE 0x100000
#define MAP_HUGE_MASK       0x7c000000 /* page sizes: 2 MiB, 1 GiB */
/* What MAP_SHARED_VALIDATE knows: the flags that were there before it. So Linux leaves out
 * MAP_FIXED_NOREPLACE, and MAP_SYNC, as no file here is persistent memory. */
#define MAP_KNOWN                                                                                \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE |      \
	 MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | \
	 MAP_HUGETLB | MAP_HUGE_MASK)

#define MREMAP_MAYMOVE   1
#define MREMAP_FIXED     2
#define MREMAP_DONTUNMAP 4

#define MS_ASYNC      1
#define MS_INVALIDATE 2
#define MS_SYNC       4

#define MADV_NORMAL          0
#define MADV_RANDOM          1
#define MADV_SEQUENTIAL      2
#define MADV_WILLNEED        3
#define MADV_DONTNEED        4
#define MADV_FREE            8
#define MADV_REMOVE          9
#define MADV_DONTFORK        10
#define MADV_DOFORK          11
#define MADV_MERGEABLE       12
#define MADV_UNMERGEABLE     13
#define MADV_HUGEPAGE        14
#define MADV_NOHUGEPAGE      15
#define MADV_DONTDUMP        16
#define MADV_DODUMP          17
#define MADV_WIPEONFORK      18
#define MADV_KEEPONFORK      19
#define MADV_COLD            20
#define MADV_PAGEOUT         21
#define MADV_POPULATE_READ   22
#define MADV_POPULATE_WRITE  23
#define MADV_DONTNEED_LOCKED 24
#define MADV_COLLAPSE        25
