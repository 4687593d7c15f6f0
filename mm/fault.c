/* SPDX-License-Identifier: MIT */
/*
 * Page faults.
 *
 * Problem: the hardware reports "this access to this address is not possible". Most often that is
 * how memory comes to be: tables are filled at the first touch, pages are copied at the first
 * write. Sometimes it is the program's mistake. Each fault is one of these cases, and each case is
 * one function (those of files: fault_file.c, of swap: fault_swap.c), so that a breakpoint on its
 * name stops there and nowhere else:
 *
 *	is there a vma?
 *	├─ no: below a stack that may grow? ── yes: fault_stack_growth, then start again
 *	│                                   └─ no: SIGSEGV, MAPERR
 *	└─ yes: does it allow the access? ── no: SIGSEGV, ACCERR
 *	   │
 *	   ├─ pte none ┬─ anonymous ┬─ read ............... fault_anon_read    the shared zero page
 *	   │           │            └─ write .............. fault_anon_write   a page of zeroes
 *	   │           └─ file ┬─ beyond its end .......... fault_beyond_eof   SIGBUS
 *	   │                   ├─ read .................... fault_file_read    and 15 around it
 *	   │                   ├─ write, private .......... fault_file_cow     a copy of the page
 *	   │                   └─ write, shared ........... fault_shared_write the page, dirty
 *	   ├─ pte not present, being migrated ............. fault_migrating    wait for its new place
 *	   ├─ pte not present, else ....................... fault_swap_in      read, or in the cache
 *	   └─ pte present ┬─ write, read-only pte ┬─ zero . fault_zero_cow     a page of zeroes
 *	                  │                       ├─ shared fault_shared_mkwrite
 *	                  │                       ├─ ours . fault_cow_reuse    just writable
 *	                  │                       └─ else . fault_cow_copy     a copy
 *	                  └─ allowed already .............. fault_spurious     another was faster
 *
 * Whose is a page (DESIGN.md 9.5)? PG_anon_exclusive says that an anonymous page is of this space
 * only: set when it is made, cleared by fork. When it is clear, mapcount 1 under the page lock says
 * the same, unless the swap cache has it. References do not count: anyone may hold one for a
 * moment.
 *
 * Locks: the vma lock, for reading, taken under tree_lock with a trylock: where that fails (a
 * writer is at it), where the vma is locked by mlock, and where a case needs the neighbours (an anon_vma, stack growth), the fault
 * starts again under mmap_lock. Entries change under their table's lock, after a second look: what
 * was read before (f->orig) must still be there; if not, somebody else has done something, and the
 * access is simply tried again.
 *
 * So what two threads' faults in different vmas have in common is: tree_lock, for one look-up; the page
 * table, if their addresses lie in the same 2 MiB, for the change of the entry; counters, each one
 * atomic instruction. Pages and tables come from the CPU's own lists. mmap_lock is not touched, so that
 * a long mmap or munmap holds up only the faults in the very vma that it changes, and the first write
 * to each vma. Two faults in one vma share its lock for reading. (tests/kernel/t_parallel.c holds one
 * thread in the middle and lets another pass.)
 *
 * Waiting: nothing that may take long is done with a lock held. A page that is not in the cache, or
 * locked, is waited for with no lock, and the fault starts again (fault_prepare_retry).
 *
 * Accessed and dirty are set in new ptes, so that the hardware need not come back to do it.
 *
 * Simplified against Linux: no userfaultfd, no NUMA hinting, no huge leaves yet. The vma lookup
 * takes a short spinlock where Linux uses RCU.
 */
#include <kernel/lib/string.h>
#include <kernel/sched/wait.h>
#include <kernel/x86/cpu.h>
#include <mm/fault_internal.h>
#include <mm/filemap.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/trace.h>
#include <mm/vmstat.h>

#define X(id, name) name,
const char *const fault_kind_name[NR_FAULT_KINDS] = {FAULT_KINDS(X)};
#undef X

/* --- anonymous memory, first touch ---- */

static fault_case fault_anon_read(struct fault *f)
{
	f->kind = FAULT_KIND_ANON_READ;
	if (!lock_same_pte(f))
		return VM_FAULT_DONE;
	set_pte(f->pte, zero_pte(f->vma->flags));
	unlock_table(f);
	count_event(ZERO_PAGE_MAP);
	return VM_FAULT_DONE;
}

static fault_case fault_anon_write(struct fault *f)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_ZERO);

	f->kind = FAULT_KIND_ANON_WRITE;
	if (unlikely(!page))
		return VM_FAULT_OOM;
	if (likely(lock_same_pte(f)))
		return install_anon(f, page);
	put_page(page);
	return VM_FAULT_DONE;
}

/* Ahead of use (populate.c): what follows in the same vma and table, as long as nothing is there. */
static __noinline vm_fault_t fault_anon_ahead(struct fault *f)
{
	vaddr_t stop = min(pmd_addr_end(f->addr, f->stop), f->vma->end);
	vm_fault_t ret;

	while ((ret = fault_anon_write(f)) == VM_FAULT_DONE && f->addr + PAGE_SIZE < stop) {
		f->orig = ptep_get(++f->pte);
		if (!pte_none(f->orig) || READ_ONCE(f->mm->oom_unstable))
			break;
		f->addr += PAGE_SIZE;
		count_event(PGFAULT);
		current_thread()->min_flt++;
	}
	return ret;
}

/* --- private pages, first write ---- */

/* A page that only we know takes the place of the one (or the zero page) in f->orig. Both the new
 * page and the caller's reference to the old one are consumed. */
static vm_fault_t replace_by_anon(struct fault *f, struct page *page, struct page *old)
{
	if (!lock_same_pte(f)) {
		put_page(page);
		goto out;
	}
	/* No CPU may still read the old page when the first write goes to the new one. */
	ptep_get_and_clear(f->pte);
	tlb_flush_page(f->mm, f->addr);
	page_add_new_anon_rmap(page, f->vma, f->addr);
	set_pte(f->pte, anon_pte(f, page));
	lock_too(f, page);
	trace(COW, f->addr, pte_pfn(f->orig), page_to_pfn(page));
	if (!old) {
		count_kind(f, MM_ANON, 1);
		unlock_table(f);
		return VM_FAULT_DONE;
	}
	if (!PageAnon(old)) {
		count_kind(f, MM_ANON, 1);
		count_kind(f, page_counter(old), -1);
	}
	if (unlikely(f->vma->flags & VM_LOCKED))
		munlock_page(old);
	page_remove_rmap(old);
	unlock_table(f);
	if (unlikely(PageSwapCache(old)))
		free_swap_cache(old);
	put_page(old); /* the pte's */
out:
	if (old)
		put_page(old);
	return VM_FAULT_DONE;
}

static fault_case fault_zero_cow(struct fault *f)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_ZERO);

	f->kind = FAULT_KIND_ZERO_COW;
	return page ? replace_by_anon(f, page, NULL) : VM_FAULT_OOM;
}

/* old comes with a reference. */
static fault_case fault_cow_copy(struct fault *f, struct page *old)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

	f->kind = FAULT_KIND_COW_COPY;
	if (!page) {
		put_page(old);
		return VM_FAULT_OOM;
	}
	copy_page(page_address(page), page_address(old));
	count_event(COW_COPY);
	return replace_by_anon(f, page, old);
}

/* The table is locked; unlocks it. */
static fault_case fault_cow_reuse(struct fault *f)
{
	f->kind = FAULT_KIND_COW_REUSE;
	make_writable(f->pte);
	unlock_table(f);
	count_event(COW_REUSE);
	return VM_FAULT_DONE;
}

/* Is the anonymous page ours alone? The table's lock is held: nobody can add our pte to another. */
static bool anon_page_is_ours(struct page *page, struct vm_area_struct *vma)
{
	bool ours;

	if (PageAnonExclusive(page))
		return true;
	/* A trylock, as a spinlock is held. Who has it may be about to map the page: then copy. */
	if (page_mapcount(page) != 1 || !trylock_page(page))
		return false;
	ours = page_mapcount(page) == 1 && (!PageSwapCache(page) || try_to_free_swap(page));
	if (ours)
		page_move_anon_rmap(page, vma);
	unlock_page(page);
	return ours;
}

/* --- the rest ---- */

/* The entry allows the access: another thread was faster, or this CPU remembered less rights. */
static fault_case fault_spurious(struct fault *f)
{
	pteval_t bits = _PAGE_ACCESSED | (fault_is_write(f) ? _PAGE_DIRTY | _PAGE_SOFT_DIRTY : 0);

	f->kind = FAULT_KIND_SPURIOUS;
	count_event(FAULT_SPURIOUS);
	if (!lock_same_pte(f))
		return VM_FAULT_DONE;
	debug_assert(!pte_protnone(f->orig));
	ptep_set_flags(f->pte, bits);
	unlock_table(f);
	tlb_fix_spurious(f->mm, f->addr);
	return VM_FAULT_DONE;
}

/* A write to a present, read-only pte of a vma that allows writing. */
static vm_fault_t fault_write_protected(struct fault *f)
{
	struct page *page = pte_page(f->orig);

	if (!page)
		return fault_zero_cow(f);
	if (!lock_same_pte(f))
		return VM_FAULT_DONE;
	if (!(f->vma->flags & VM_SHARED) && PageAnon(page) && anon_page_is_ours(page, f->vma))
		return fault_cow_reuse(f);
	get_page(page); /* the pte holds it only as long as the table is locked */
	unlock_table(f);
	if (f->vma->flags & VM_SHARED)
		return fault_shared_mkwrite(f, page);
	return fault_cow_copy(f, page);
}

static vm_fault_t fault_none(struct fault *f)
{
	/* Read after the entry: one that the reaper has emptied is seen as its. */
	if (unlikely(READ_ONCE(f->mm->oom_unstable)))
		return VM_FAULT_SIGBUS;
	if (f->vma->file)
		return fault_file(f);
	if (!fault_is_write(f))
		return fault_anon_read(f);
	return unlikely(f->flags & FAULT_FLAG_AHEAD) ? fault_anon_ahead(f) : fault_anon_write(f);
}

static bool access_allowed(const struct fault *f)
{
	unsigned long vm = f->vma->flags;

	if (fault_is_write(f))
		return vm & VM_WRITE;
	if (f->flags & FAULT_FLAG_INSTR)
		return vm & VM_EXEC;
	if (f->flags & FAULT_FLAG_FORCE)
		return true;
	return vm & VM_ACCESS; /* x86 cannot forbid reading alone */
}

static vm_fault_t again_with_mmap_lock(struct fault *f)
{
	f->need_mmap = true;
	f->again = AGAIN_NOW;
	return VM_FAULT_RETRY;
}

/* What a write to private memory needs beforehand: the anon_vma that its pages will name. It may be a
 * neighbour's. */
static __noinline vm_fault_t prepare_anon(struct fault *f)
{
	int err;

	if (!f->mmap_locked && !down_read_trylock(&f->mm->mmap_lock))
		return again_with_mmap_lock(f);
	err = anon_vma_prepare(f->vma);
	if (!f->mmap_locked)
		up_read(&f->mm->mmap_lock);
	return err ? VM_FAULT_OOM : VM_FAULT_DONE;
}

/* Sets table, pte and orig. */
static inline vm_fault_t find_pte(struct fault *f)
{
	pmd_t *pmd = pmd_find(f->mm, f->addr), e;

	if (unlikely(!pmd || (e = pmdp_get(pmd), pmd_none(e)))) {
		pmd = pmd_alloc(f->mm, f->addr);
		if (!pmd || pte_table_alloc(f->mm, pmd, 0))
			return VM_FAULT_OOM;
		e = pmdp_get(pmd);
	}
	if (WARN_ON_ONCE(pmd_leaf(e)))
		return VM_FAULT_SIGBUS;
	f->table = pmd_page(e);
	f->pte = pmd_table(e) + pte_index(f->addr);
	f->orig = ptep_get(f->pte);
	return VM_FAULT_DONE;
}

/* The vma is locked for reading and contains the address. */
static vm_fault_t fault_in_vma(struct fault *f)
{
	vm_fault_t ret;

	if (unlikely(!access_allowed(f)))
		return VM_FAULT_SIGSEGV_ACCERR;
	if (fault_is_write(f) && !(f->vma->flags & VM_SHARED) && unlikely(!f->vma->anon_vma)) {
		ret = prepare_anon(f);
		if (unlikely(ret != VM_FAULT_DONE))
			return ret;
	}
	ret = find_pte(f);
	if (unlikely(ret != VM_FAULT_DONE))
		return ret;
	if (unlikely(f->flags & FAULT_FLAG_FORCE) && !pte_is_swap(f->orig))
		return VM_FAULT_DONE; /* somebody else was here since swapoff() saw an entry */
	if (pte_none(f->orig))
		return fault_none(f);
	if (unlikely(!pte_present(f->orig)))
		return pte_is_migration(f->orig) ? fault_migrating(f) : fault_swap_in(f);
	/* mprotect has changed the vma and not yet the entries: it has mmap_lock. */
	if (unlikely(pte_protnone(f->orig)) && !WARN_ON_ONCE(f->mmap_locked))
		return again_with_mmap_lock(f);
	if (fault_is_write(f) && !pte_write(f->orig))
		return fault_write_protected(f);
	return fault_spurious(f);
}

/* --- finding the vma ---- */

/* The vma of addr, locked for reading, or NULL: none, or a writer is at it. It cannot be freed:
 * while it is in the tree, taking it out needs its lock for writing. */
static __always_inline struct vm_area_struct *lock_vma(struct mm_struct *mm, vaddr_t addr)
{
	struct vm_area_struct *vma;

	spin_lock(&mm->tree_lock);
	vma = find_vma(mm, addr);
	if (vma && (addr < vma->start || !down_read_trylock(&vma->lock)))
		vma = NULL;
	spin_unlock(&mm->tree_lock);
	debug_assert(!vma || !vma->detached);
	return vma;
}

/* Nor is it VM_LOCKED: mlock's count of pages is for one at a time (mlock_pages.c). */
static __always_inline struct vm_area_struct *lock_vma_fast(struct mm_struct *mm, vaddr_t addr)
{
	struct vm_area_struct *vma = lock_vma(mm, addr);

	if (vma && unlikely(vma->flags & VM_LOCKED)) {
		up_read(&vma->lock);
		return NULL;
	}
	return vma;
}

/* Below a vma that grows down: makes it reach the address, if limits and the guard gap allow. */
static fault_case fault_stack_growth(struct fault *f)
{
	struct mm_struct *mm = f->mm;
	struct vm_area_struct *vma;
	int err = -ENOMEM;

	f->kind = FAULT_KIND_STACK_GROWTH;
	down_write(&mm->mmap_lock);
	vma = find_vma(mm, f->addr); /* it was looked up under another lock */
	if (vma && vma->start <= f->addr)
		err = 0;
	else if (vma && (vma->flags & VM_GROWSDOWN))
		err = vma_grow_down(vma, f->addr);
	up_write(&mm->mmap_lock);
	if (err)
		return VM_FAULT_SIGSEGV_MAPERR;
	count_event(STACK_GROW);
	f->again = AGAIN_NOW;
	return VM_FAULT_RETRY;
}

/* With mmap_lock no vma changes, so its lock is free of writers. */
static __noinline vm_fault_t fault_with_mmap_lock(struct fault *f)
{
	struct mm_struct *mm = f->mm;
	vm_fault_t ret = VM_FAULT_SIGSEGV_MAPERR;
	bool grow = false;

	down_read(&mm->mmap_lock);
	f->vma = find_vma(mm, f->addr);
	if (f->vma && f->addr < f->vma->start) {
		grow = f->vma->flags & VM_GROWSDOWN;
	} else if (f->vma) {
		f->mmap_locked = true;
		down_read(&f->vma->lock);
		ret = fault_in_vma(f);
		up_read(&f->vma->lock);
		f->mmap_locked = false;
	}
	up_read(&mm->mmap_lock);
	return grow ? fault_stack_growth(f) : ret;
}

static __always_inline vm_fault_t fault_once(struct fault *f)
{
	vm_fault_t ret;

	f->vma = f->need_mmap ? NULL : lock_vma_fast(f->mm, f->addr);
	if (unlikely(!f->vma))
		return fault_with_mmap_lock(f);
	ret = fault_in_vma(f);
	up_read(&f->vma->lock);
	return ret;
}

/* --- starting again ---- */

static vm_fault_t page_in(struct fault *f)
{
	struct page *page = filemap_get_page(f->file->mapping, f->index, true, &f->major);

	f->file->ops->put(f->file);
	f->file = NULL;
	if (IS_ERR_OR_NULL(page))
		return PTR_ERR(page) == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	f->held = page;
	return VM_FAULT_RETRY;
}

/* Does without locks what the fault could not do with them. VM_FAULT_RETRY: now go on. */
static vm_fault_t fault_prepare_retry(struct fault *f)
{
	vm_fault_t ret = VM_FAULT_RETRY;

	count_event(FAULT_RETRY);
	if (!f->first)
		f->first = f->kind;
	if (f->again == AGAIN_WAIT_PAGE) {
		wait_on_page_locked(f->held);
	} else if (f->again == AGAIN_MIGRATED) {
		put_and_wait_on_page_locked(f->held);
		f->held = NULL;
	} else {
		drop_held(f);
		if (f->again == AGAIN_PAGE_IN)
			ret = page_in(f);
		else if (f->again == AGAIN_SWAP_IN)
			ret = fault_swap_read(f);
		if (ret != VM_FAULT_RETRY)
			return ret;
	}
	if ((f->flags & (FAULT_FLAG_USER | FAULT_FLAG_KILLABLE)) && current_fatal_signal_pending())
		return VM_FAULT_SIGKILL;
	return VM_FAULT_RETRY;
}

static __noinline vm_fault_t fault_again(struct fault *f)
{
	vm_fault_t ret;

	do
		ret = fault_prepare_retry(f);
	while (ret == VM_FAULT_RETRY && (ret = fault_once(f)) == VM_FAULT_RETRY);
	drop_held(f);
	return ret;
}

static __always_inline vm_fault_t handle_fault(struct fault *f)
{
	vm_fault_t ret = fault_once(f);

	if (unlikely(ret == VM_FAULT_RETRY))
		ret = fault_again(f);
	if (unlikely(ret != VM_FAULT_DONE))
		return ret;
	if (f->major) {
		count_event(PGMAJFAULT);
		current_thread()->maj_flt++;
		return VM_FAULT_MAJOR;
	}
	current_thread()->min_flt++;
	return VM_FAULT_DONE;
}

/* The entry as it is at the moment, and where the vma begins; 0: none, or somebody is changing it. */
static __noinline u64 peek(struct fault *f, u64 *start)
{
	u64 pte = 0;
	pmd_t *pmd;

	f->vma = lock_vma(f->mm, f->addr);
	*start = f->vma ? f->vma->start : 0;
	if (!f->vma)
		return 0;
	pmd = pmd_find(f->mm, f->addr);
	if (pmd && !pmd_none(pmdp_get(pmd)))
		pte = ptep_get(pmd_table(pmdp_get(pmd)) + pte_index(f->addr)).pte;
	up_read(&f->vma->lock);
	return pte;
}

static __noinline vm_fault_t handle_fault_traced(struct fault *f, vaddr_t addr)
{
	u64 start, before = peek(f, &start), tsc = rdtsc();
	vm_fault_t ret = handle_fault(f);
	u64 cost = rdtsc() - tsc, after = peek(f, &start);

	trace_record(TRACE_FAULT, f->kind | (u32)f->first << 4 | f->flags << 8,
		     (u64[6]){addr, before, after, start, cost | (u64)ret << 56,
			      trace_memory(f->mm)});
	return ret;
}

static __always_inline void fault_init(struct fault *f, struct mm_struct *mm, vaddr_t addr,
				       unsigned int fault_flags)
{
	/* The rest is set on the way. */
	f->mm = mm;
	f->addr = addr & PAGE_MASK;
	f->flags = fault_flags;
	f->need_mmap = f->mmap_locked = f->major = false;
	f->kind = f->first = FAULT_KIND_NONE;
	f->held = NULL;
	count_event(PGFAULT);
}

vm_fault_t handle_mm_fault(struct mm_struct *mm, vaddr_t addr, unsigned int fault_flags)
{
	struct fault f;

	if (unlikely(addr >= TASK_SIZE))
		return VM_FAULT_SIGSEGV_MAPERR;
	fault_init(&f, mm, addr, fault_flags);
	return trace_on(FAULT) ? handle_fault_traced(&f, addr) : handle_fault(&f);
}

vm_fault_t fault_ahead(struct mm_struct *mm, vaddr_t *addr, vaddr_t end, unsigned int fault_flags)
{
	vm_fault_t ret;
	struct fault f;

	/* If faults are traced, one at a time: each is a record. */
	fault_init(&f, mm, *addr, fault_flags | (trace_on(FAULT) ? 0 : FAULT_FLAG_AHEAD));
	f.stop = end;
	ret = trace_on(FAULT) ? handle_fault_traced(&f, *addr) : handle_fault(&f);
	*addr = f.addr + PAGE_SIZE;
	return ret;
}
