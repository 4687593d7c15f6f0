/* SPDX-License-Identifier: MIT */
/*
 * A process's address space: mm_struct, its vmas, and the calls that change them.
 */
#pragma once

#include <kernel/lib/atomic.h>
#include <kernel/lib/list.h>
#include <kernel/lib/rbtree.h>
#include <kernel/sched/sched.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <kernel/x86/pte.h>
#include <mm/gfp.h>
#include <mm/interval.h>

struct anon_vma;
struct mappable;
struct seq_buf;

/* vma->flags; the values are Linux's. */
#define VM_READ        0x00000001UL
#define VM_WRITE       0x00000002UL
#define VM_EXEC        0x00000004UL
#define VM_SHARED      0x00000008UL
#define VM_MAYREAD     0x00000010UL /* what mprotect may grant */
#define VM_MAYWRITE    0x00000020UL
#define VM_MAYEXEC     0x00000040UL
#define VM_MAYSHARE    0x00000080UL
#define VM_GROWSDOWN   0x00000100UL
#define VM_LOCKED      0x00002000UL
#define VM_SEQ_READ    0x00008000UL
#define VM_RAND_READ   0x00010000UL
#define VM_DONTCOPY    0x00020000UL
#define VM_DONTEXPAND  0x00040000UL
#define VM_LOCKONFAULT 0x00080000UL
#define VM_ACCOUNT     0x00100000UL /* its private writable pages count in Committed_AS */
#define VM_NORESERVE   0x00200000UL
#define VM_WIPEONFORK  0x02000000UL
#define VM_DONTDUMP    0x04000000UL
#define VM_SOFTDIRTY   0x08000000UL
#define VM_HUGEPAGE    0x20000000UL
#define VM_NOHUGEPAGE  0x40000000UL
#define VM_MERGEABLE   0x80000000UL

struct vm_area_struct;
enum vm_fault; /* mm/fault.h */

/* One mapped range. Its bounds and flags change only with mmap_lock and the vma lock held for
 * writing (m+v); a fault reads them holding the vma lock for reading. */
struct vm_area_struct {
	vaddr_t start, end;   /* (m+v) page aligned, end exclusive */
	struct mm_struct *mm; /* (c) */
	unsigned long flags;  /* (m+v) VM_* */
	u64 pgoff; /* (m+v) of start, in pages: within the file, or start >> 12 when first mapped if anonymous */
	struct mappable *file;              /* (c) referenced; NULL: anonymous private */
	struct rb_node mm_node;             /* (t) in mm->vma_tree, by start */
	struct vm_area_struct *prev, *next; /* (t) in the order of addresses */
	vaddr_t gap_bound;                  /* (m) no gap before a vma of this subtree is larger */
	struct rwsem lock;                  /* the vma lock */
	bool detached;                      /* (v) in no tree */

	struct anon_vma *anon_vma;       /* (m, tree_lock) NULL until the first anonymous page */
	struct list_head anon_vma_chain; /* (m + anon_vma lock) */

	struct interval_node i_mmap_node; /* (i_mmap) interval tree of the file's mappings */
};

/* One address space. Shared by threads; kept by references: users (threads: the last one out tears
 * the mappings down) and count (everybody else; not CPUs that have it loaded lazily: tlb.c). */
struct mm_struct {
	struct rb_root vma_tree; /* (m, tree_lock) */
	spinlock_t tree_lock;    /* short lock around a lookup in a fault (DESIGN 9.8) */
	struct rwsem mmap_lock;
	pgd_t *pgd;          /* (c) kernel half filled at creation */
	spinlock_t pgd_lock; /* attaching tables */
	atomic_t users;
	atomic_t count;
	struct vm_area_struct *mmap_cache; /* (tree_lock) last lookup */
	int map_count;                     /* (m) number of vmas */

	/* counters, in pages but for the last: atomic, readable without locks */
	atomic_long_t rss_anon, rss_file, rss_shmem, swap_ents, pgtables_bytes;
	unsigned long total_vm, locked_vm, data_vm, exec_vm, stack_vm; /* (m) */
	atomic_long_t committed; /* pages this mm has charged in Committed_AS */
	unsigned long hiwater_rss, hiwater_vm;

	/* layout, set by exec (m) */
	vaddr_t start_code, end_code, start_data, end_data;
	vaddr_t start_brk, brk, start_stack, arg_start, arg_end, env_start, env_end;
	vaddr_t mmap_base;
	vaddr_t gap_end;         /* (m) between it and mmap_base no gap has ... */
	size_t gap_len;          /* ... so many bytes */
	unsigned long def_flags; /* VM_LOCKED after mlockall(MCL_FUTURE) */
	u64 auxv[48];
	struct mappable *exe_file; /* (m) referenced */

	/* limits in bytes, copied from the process's rlimits so that mm does not look at tasks */
	unsigned long rlim_as, rlim_data, rlim_stack, rlim_memlock;
	bool may_lock;        /* CAP_IPC_LOCK */
	bool may_use_reserve; /* CAP_SYS_ADMIN: what overcommit keeps back for an administrator */
	u32 membarrier;       /* (a) the registrations of membarrier(2) */
	u32 trace_mark;       /* (a) whether it is traced: mm/trace.c */

	struct list_head all; /* (all_lock, mm.c) */
	u64 cpu_mask;         /* CPUs that have it loaded (atomic bits) */
	atomic_long_t tlb_gen;
	/* (a) the OOM killer's: its private pages are being taken away, so that a fault must not make
	 * new ones; there is no more to be had from it; to be the victim rather than any other */
	bool oom_unstable, oom_skip, oom_origin;
};

extern struct mm_struct init_mm; /* the kernel's own; owner of the kernel page tables */

static inline struct mm_struct *current_mm(void)
{
	return current_thread()->mm;
}

/* --- life (mm/mmap.c, mm/fork.c) --------------------------------------------------------- */
/* A new empty space with users = count = 1, or NULL. Sleeps. */
struct mm_struct *mm_alloc(void);
/* A copy for fork: private pages become copy-on-write. ERR_PTR(-ENOMEM, -EINTR). Takes src's
 * mmap_lock for writing. */
struct mm_struct *mm_fork(struct mm_struct *src);
static inline void mm_get_user(struct mm_struct *mm)
{
	atomic_inc(&mm->users);
}
/* The last user's put unmaps everything; sleeps. */
void mm_put_user(struct mm_struct *mm);
static inline void mm_get(struct mm_struct *mm)
{
	atomic_inc(&mm->count);
}
void mm_put(struct mm_struct *mm); /* any context: the last one frees the page-table root */
/* For all spaces in use: the one after prev (NULL: the first) with a user's reference, or NULL. prev's
 * reference is given back. What is made meanwhile comes at the end. Sleeps. */
struct mm_struct *mm_next(struct mm_struct *prev);
/* sched_hooks.switch_mm. */
void mm_switch(struct thread *prev, struct thread *next);
/* exec: the running thread leaves its old space (not put) and runs in mm. */
void mm_activate(struct mm_struct *mm);

/* --- looking up -------------------------------------------------------------------------- */
/* The first vma with end > addr, or NULL. mmap_lock held. */
struct vm_area_struct *find_vma(struct mm_struct *mm, vaddr_t addr);
struct vm_area_struct *vma_next(struct vm_area_struct *vma);
struct vm_area_struct *vma_first(struct mm_struct *mm);
static inline unsigned long vma_pages(const struct vm_area_struct *vma)
{
	return (vma->end - vma->start) >> PAGE_SHIFT;
}
void mm_validate(struct mm_struct *mm); /* whole-structure checker; mmap_lock held */

/* --- changing (mm/mmap.c, mprotect.c, mremap.c, madvise.c). mmap_lock is taken inside. All
 * return 0/address or -errno exactly as the system call of that name. prot/flags: the ABI's. ---- */
/* file: referenced by the caller, who keeps the reference (a new one is taken); NULL if anonymous.
 * may_write: the file is open for writing; noexec: on a noexec mount. */
long do_mmap(struct mm_struct *mm, struct mappable *file, vaddr_t addr, size_t len, int prot,
	     int flags, u64 pgoff);
long do_munmap(struct mm_struct *mm, vaddr_t addr, size_t len);
long do_mprotect(struct mm_struct *mm, vaddr_t addr, size_t len, int prot);
long do_brk(struct mm_struct *mm, vaddr_t brk); /* new break, or the old one on failure */
long do_mremap(struct mm_struct *mm, vaddr_t old, size_t old_len, size_t new_len, int flags,
	       vaddr_t new_addr);
long do_remap_file_pages(struct mm_struct *mm, vaddr_t start, size_t size, int prot, u64 pgoff,
			 int flags);
long do_madvise(struct mm_struct *mm, vaddr_t addr, size_t len, int advice);
long do_msync(struct mm_struct *mm, vaddr_t addr, size_t len, int flags);
/* Fills vec (kernel memory, one byte a page) for n pages from addr, or as many as the vma there has:
 * their number. -ENOMEM: unmapped. */
long do_mincore(struct mm_struct *mm, vaddr_t addr, size_t n, u8 *vec);
/* exec's stack: a VM_GROWSDOWN vma of size bytes ending at top. */
long mm_map_stack(struct mm_struct *mm, vaddr_t top, size_t size, bool executable);

/* Copies between kernel memory and any space (exec's stack, /proc/PID/cmdline, environ), faulting
 * pages in. Returns bytes copied, short at the first bad page. Sleeps; no lock held. */
size_t mm_access(struct mm_struct *mm, vaddr_t addr, void *buf, size_t n, bool write);

/* Overcommit (mm/commit.c): */
int commit_charge(struct mm_struct *mm, long pages) __must_check; /* 0 or -ENOMEM */
void commit_charge_always(struct mm_struct *mm, long pages);      /* what was checked elsewhere */
void commit_uncharge(struct mm_struct *mm, long pages);
unsigned long commit_limit(void);     /* pages */
unsigned long commit_committed(void); /* pages: Committed_AS */
void commit_init(void);               /* at boot */
void commit_ratio_chosen(void); /* of the two that set the limit, the one written last counts */
void commit_kbytes_chosen(void);
extern int sysctl_overcommit_memory, sysctl_overcommit_ratio, sysctl_max_map_count;
extern unsigned long sysctl_overcommit_kbytes, sysctl_admin_reserve_kbytes,
	sysctl_user_reserve_kbytes;
extern unsigned long sysctl_mmap_min_addr, total_swap_pages;

void mm_init_caches(void); /* at boot: vma, mm_struct, anon_vma caches */
