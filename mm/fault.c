/* SPDX-License-Identifier: MIT */
/*
 * Page faults.
 *
 * Problem: the hardware reports "this access to this address is not possible". Most often that is
 * how memory comes to be: tables are filled at the first touch, pages are copied at the first
 * write. Sometimes it is the program's mistake. Each fault is one of these cases, and each case is
 * one function, so that a breakpoint on its name stops there and nowhere else:
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
 *	   ├─ pte not present ............................. fault_swap_in
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
 * writer is at it) and where a case needs the neighbours (an anon_vma, stack growth), the fault
 * starts again under mmap_lock. Entries change under their table's lock, after a second look: what
 * was read before (f->orig) must still be there; if not, somebody else has done something, and the
 * access is simply tried again.
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
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/tlb.h>
#include <mm/vma.h>
#include <mm/vmstat.h>

/* Cached pages of a file that one read fault maps: an aligned 64 KiB. Mapping one costs some 60
 * instructions, a fault of its own several hundred; Linux chose the same. */
#define FAULT_AROUND_PAGES 16
#define FAULT_AROUND_SIZE  (FAULT_AROUND_PAGES * PAGE_SIZE)

/* What to do before the fault starts again. */
enum fault_again {
	AGAIN_NOW,
	AGAIN_PAGE_IN,   /* bring page `index` of `file` into the cache */
	AGAIN_WAIT_PAGE, /* wait for the lock of `held` */
};

struct fault {
	struct mm_struct *mm;
	struct vm_area_struct *vma;
	vaddr_t addr; /* of the page */
	unsigned int flags;
	bool need_mmap;   /* start again with mmap_lock */
	bool mmap_locked; /* and so it is: neighbours may be looked at */
	bool major;
	enum fault_again again;
	struct page *table; /* the page table that maps addr, and the entry in it */
	pte_t *pte;
	pte_t orig; /* *pte as read without lock */
	/* across a new start: */
	struct mappable *file; /* referenced */
	u64 index;
	struct page *held; /* referenced, so that what was waited for is not gone again */
};

#define fault_case static __noinline vm_fault_t

static inline bool fault_is_write(const struct fault *f)
{
	return f->flags & FAULT_FLAG_WRITE;
}

static void drop_held(struct fault *f)
{
	if (f->held)
		put_page(f->held);
	f->held = NULL;
}

static inline void unlock_table(struct fault *f)
{
	spin_unlock(table_lock(f->table));
}

/* Locks the table, and looks whether the entry still is what the decision was based on. */
static inline bool lock_same_pte(struct fault *f)
{
	spin_lock(table_lock(f->table));
	if (likely(pte_same(ptep_get(f->pte), f->orig)))
		return true;
	unlock_table(f);
	return false;
}

static void count_kind(struct fault *f, enum mm_counter kind, int n)
{
	table_count_add(f->table, kind, n);
	mm_counter_add(f->mm, kind, n);
}

/* Another CPU's walker may set A or D at the same moment. */
static void ptep_set_flags(pte_t *pte, pteval_t bits)
{
	__atomic_fetch_or(&pte->pte, bits, __ATOMIC_SEQ_CST);
}

static pte_t mk_pte(struct page *page, pteval_t prot)
{
	return pfn_pte(page_to_pfn(page), prot);
}

/* Of a private page in a writable vma. */
static pte_t anon_pte(const struct fault *f, struct page *page)
{
	return mk_pte(page,
		      vma_page_prot(f->vma->flags) | _PAGE_RW | _PAGE_DIRTY | _PAGE_SOFT_DIRTY);
}

/* --- anonymous memory, first touch ---- */

fault_case fault_anon_read(struct fault *f)
{
	if (!lock_same_pte(f))
		return VM_FAULT_DONE;
	set_pte(f->pte, zero_pte(f->vma->flags));
	unlock_table(f);
	count_event(ZERO_PAGE_MAP);
	return VM_FAULT_DONE;
}

/* Where nothing was, a page that only we know, which is consumed. Unlocks the locked table. */
static inline vm_fault_t install_anon(struct fault *f, struct page *page)
{
	page_add_new_anon_rmap(page, f->vma, f->addr);
	pte_install(f->mm, f->table, f->pte, anon_pte(f, page), MM_ANON);
	unlock_table(f);
	return VM_FAULT_DONE;
}

fault_case fault_anon_write(struct fault *f)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_ZERO);

	if (unlikely(!page))
		return VM_FAULT_OOM;
	if (likely(lock_same_pte(f)))
		return install_anon(f, page);
	put_page(page);
	return VM_FAULT_DONE;
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
	if (!old || !PageAnon(old))
		count_kind(f, MM_ANON, 1);
	if (old && !PageAnon(old))
		count_kind(f, page_counter(old), -1);
	if (old)
		page_remove_rmap(old);
	unlock_table(f);
	if (old)
		put_page(old); /* the pte's */
out:
	if (old)
		put_page(old);
	return VM_FAULT_DONE;
}

fault_case fault_zero_cow(struct fault *f)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_ZERO);

	return page ? replace_by_anon(f, page, NULL) : VM_FAULT_OOM;
}

/* old comes with a reference. */
fault_case fault_cow_copy(struct fault *f, struct page *old)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

	if (!page) {
		put_page(old);
		return VM_FAULT_OOM;
	}
	copy_page(page_address(page), page_address(old));
	count_event(COW_COPY);
	return replace_by_anon(f, page, old);
}

/* The table's lock is held. The fault has dropped this CPU's read-only translation (SDM vol. 3,
 * 4.10.4.1). */
static void make_writable(pte_t *pte)
{
	ptep_set_flags(pte, _PAGE_RW | _PAGE_DIRTY | _PAGE_SOFT_DIRTY | _PAGE_ACCESSED);
}

/* The table is locked; unlocks it. */
fault_case fault_cow_reuse(struct fault *f)
{
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
	ours = page_mapcount(page) == 1 && !PageSwapCache(page);
	if (ours)
		page_move_anon_rmap(page, vma);
	unlock_page(page);
	return ours;
}

/* --- files ---- */

/* May be changed by truncation at any moment; who maps a page makes sure with page_still_in(). */
static bool beyond_eof(const struct address_space *mapping, u64 index)
{
	return index >= DIV_ROUND_UP((u64)READ_ONCE(mapping->size), PAGE_SIZE);
}

fault_case fault_beyond_eof(void)
{
	return VM_FAULT_SIGBUS;
}

/* The page is to come into the cache; no lock may be held for that. */
static vm_fault_t need_page(struct fault *f, u64 index)
{
	f->file = f->vma->file;
	f->file->ops->get(f->file);
	f->index = index;
	f->again = AGAIN_PAGE_IN;
	return VM_FAULT_RETRY;
}

/* Truncation takes a page out of the cache and then unmaps it once more. So if, with the table
 * locked, it is still there, whatever is mapped now will be found. */
static bool page_still_in(const struct page *page, const struct address_space *mapping)
{
	return page_mapping(page) == mapping;
}

/* A range of pages of the file to map: the window around the address, within its vma. */
struct around {
	vaddr_t start;
	u64 first;
	unsigned int n, mine; /* pages; which of them is the faulting one */
	struct page *pages[FAULT_AROUND_PAGES];
};

static void around_init(struct around *a, const struct fault *f)
{
	const struct vm_area_struct *vma = f->vma;
	vaddr_t end = f->addr + PAGE_SIZE;
	u64 eof = DIV_ROUND_UP((u64)READ_ONCE(vma->file->mapping->size), PAGE_SIZE);

	a->start = f->addr;
	if (!(vma->flags & VM_RAND_READ)) {
		a->start = max(ALIGN_DOWN(f->addr, FAULT_AROUND_SIZE), vma->start);
		end = min(ALIGN_DOWN(f->addr, FAULT_AROUND_SIZE) + FAULT_AROUND_SIZE, vma->end);
	}
	a->first = vma_index(vma, a->start);
	a->mine = (f->addr - a->start) >> PAGE_SHIFT;
	a->n = (end - a->start) >> PAGE_SHIFT;
	if (a->first + a->n > eof)
		a->n = max((u64)a->mine + 1, eof - min(eof, a->first));
}

static void around_put(struct around *a)
{
	for (unsigned int i = 0; i < a->n; i++)
		if (a->pages[i])
			put_page(a->pages[i]);
}

/* Maps what fits; the references of what was mapped become the ptes'. Is ours mapped then? */
static bool around_map(struct around *a, struct fault *f)
{
	struct address_space *mapping = f->vma->file->mapping;
	pteval_t prot = vma_pte_prot(f->vma);
	pte_t *pte = f->pte - a->mine;
	int mapped = 0;
	bool done;

	spin_lock(table_lock(f->table));
	for (unsigned int i = 0; i < a->n; i++) {
		struct page *page = a->pages[i];

		if (!page || !pte_none(ptep_get(pte + i)) || !page_still_in(page, mapping))
			continue;
		page_add_file_rmap(page);
		set_pte(pte + i, mk_pte(page, prot));
		a->pages[i] = NULL;
		mapped++;
	}
	if (mapped)
		count_kind(f, mapping->shmem ? MM_SHMEM : MM_FILE, mapped);
	done = !pte_none(ptep_get(f->pte));
	unlock_table(f);
	return done;
}

fault_case fault_file_read(struct fault *f)
{
	struct address_space *mapping = f->vma->file->mapping;
	struct around a;
	bool done = false;

	around_init(&a, f);
	filemap_get_cached(mapping, a.first, a.n, a.pages);
	if (a.pages[a.mine])
		done = around_map(&a, f);
	around_put(&a);
	return done ? VM_FAULT_DONE : need_page(f, a.first + a.mine);
}

/* The cached page, referenced and whole; NULL: need_page(). */
static struct page *cached_page(struct address_space *mapping, u64 index)
{
	struct page *page = find_get_page(mapping, index);

	if (page && unlikely(!PageUptodate(page))) {
		put_page(page);
		return NULL;
	}
	return page;
}

/* A private page in the place of nothing, with the contents of the file's page. */
fault_case fault_file_cow(struct fault *f, u64 index)
{
	struct address_space *mapping = f->vma->file->mapping;
	struct page *from = cached_page(mapping, index), *page;
	vm_fault_t ret = VM_FAULT_DONE;
	bool same;

	if (!from)
		return need_page(f, index);
	page = alloc_page(GFP_HIGHUSER_MOVABLE);
	if (!page) {
		put_page(from);
		return VM_FAULT_OOM;
	}
	copy_page(page_address(page), page_address(from));
	count_event(COW_COPY);
	same = lock_same_pte(f);
	if (likely(same && page_still_in(from, mapping))) {
		ret = install_anon(f, page);
	} else {
		if (same) /* truncated meanwhile: there may be no such page any more */
			unlock_table(f);
		put_page(page);
	}
	put_page(from);
	return ret;
}

/* Locks a referenced page of the mapping, or arranges to wait for it; consumes the reference if
 * not. The page lock keeps truncation and writeback away while a page becomes dirty. */
static bool lock_for_write(struct fault *f, struct page *page, struct address_space *mapping)
{
	if (!trylock_page(page)) {
		drop_held(f);
		f->held = page;
		f->again = AGAIN_WAIT_PAGE;
		return false;
	}
	if (likely(page_still_in(page, mapping)))
		return true;
	unlock_page(page);
	put_page(page);
	f->again = AGAIN_NOW;
	return false;
}

fault_case fault_shared_write(struct fault *f, u64 index)
{
	struct address_space *mapping = f->vma->file->mapping;
	struct page *page = cached_page(mapping, index);
	bool same;

	if (!page)
		return need_page(f, index);
	if (!lock_for_write(f, page, mapping))
		return VM_FAULT_RETRY;
	same = lock_same_pte(f);
	if (same) {
		page_add_file_rmap(page);
		pte_install(f->mm, f->table, f->pte,
			    mk_pte(page, vma_page_prot(f->vma->flags) | _PAGE_RW | _PAGE_DIRTY |
						 _PAGE_SOFT_DIRTY),
			    mapping->shmem ? MM_SHMEM : MM_FILE);
		unlock_table(f);
		set_page_dirty(page);
	}
	unlock_page(page);
	if (!same)
		put_page(page);
	return VM_FAULT_DONE;
}

/* The first write to a page that was mapped for reading. page comes with a reference. */
fault_case fault_shared_mkwrite(struct fault *f, struct page *page)
{
	if (!lock_for_write(f, page, f->vma->file->mapping))
		return VM_FAULT_RETRY;
	if (lock_same_pte(f)) {
		make_writable(f->pte);
		unlock_table(f);
		set_page_dirty(page);
	}
	unlock_page(page);
	put_page(page);
	return VM_FAULT_DONE;
}

/* --- the rest ---- */

/* Nothing writes such entries before there are swap areas. */
fault_case fault_swap_in(struct fault *f __unused)
{
	WARN_ON_ONCE(true);
	return VM_FAULT_SIGBUS;
}

/* The entry allows the access: another thread was faster, or this CPU remembered less rights. */
fault_case fault_spurious(struct fault *f)
{
	pteval_t bits = _PAGE_ACCESSED | (fault_is_write(f) ? _PAGE_DIRTY | _PAGE_SOFT_DIRTY : 0);

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
	u64 index;

	if (!f->vma->file)
		return fault_is_write(f) ? fault_anon_write(f) : fault_anon_read(f);
	index = vma_index(f->vma, f->addr);
	if (unlikely(beyond_eof(f->vma->file->mapping, index)))
		return fault_beyond_eof();
	if (!fault_is_write(f))
		return fault_file_read(f);
	if (f->vma->flags & VM_SHARED)
		return fault_shared_write(f, index);
	return fault_file_cow(f, index);
}

static bool access_allowed(const struct fault *f)
{
	unsigned long vm = f->vma->flags;

	if (fault_is_write(f))
		return vm & VM_WRITE;
	if (f->flags & FAULT_FLAG_INSTR)
		return vm & VM_EXEC;
	return vm & VM_ACCESS; /* x86 cannot forbid reading alone */
}

/* What a write to private memory needs beforehand: the anon_vma that its pages will name. */
static vm_fault_t prepare_anon(struct fault *f)
{
	if (likely(f->vma->anon_vma))
		return VM_FAULT_DONE;
	if (!f->mmap_locked) { /* it may share its neighbours' */
		f->need_mmap = true;
		f->again = AGAIN_NOW;
		return VM_FAULT_RETRY;
	}
	return anon_vma_prepare(f->vma) ? VM_FAULT_OOM : VM_FAULT_DONE;
}

/* Sets table, pte and orig. */
static inline vm_fault_t find_pte(struct fault *f)
{
	pmd_t *pmd = pmd_find(f->mm, f->addr);

	if (unlikely(!pmd || pmd_none(pmdp_get(pmd)))) {
		pmd = pmd_alloc(f->mm, f->addr);
		if (!pmd || pte_table_alloc(f->mm, pmd, 0))
			return VM_FAULT_OOM;
	}
	if (WARN_ON_ONCE(pmd_leaf(pmdp_get(pmd))))
		return VM_FAULT_SIGBUS;
	f->table = pmd_page(pmdp_get(pmd));
	f->pte = pte_offset(pmd, f->addr);
	f->orig = ptep_get(f->pte);
	return VM_FAULT_DONE;
}

/* The vma is locked for reading and contains the address. */
static vm_fault_t fault_in_vma(struct fault *f)
{
	vm_fault_t ret;

	if (unlikely(!access_allowed(f)))
		return VM_FAULT_SIGSEGV_ACCERR;
	if (fault_is_write(f) && !(f->vma->flags & VM_SHARED)) {
		ret = prepare_anon(f);
		if (unlikely(ret != VM_FAULT_DONE))
			return ret;
	}
	ret = find_pte(f);
	if (unlikely(ret != VM_FAULT_DONE))
		return ret;
	if (pte_none(f->orig))
		return fault_none(f);
	if (unlikely(!pte_present(f->orig)))
		return fault_swap_in(f);
	if (fault_is_write(f) && !pte_write(f->orig))
		return fault_write_protected(f);
	return fault_spurious(f);
}

/* --- finding the vma ---- */

/* The vma of addr, locked for reading, or NULL: none, or a writer is at it. It cannot be freed:
 * while it is in the tree, taking it out needs its lock for writing. */
static struct vm_area_struct *lock_vma_fast(struct mm_struct *mm, vaddr_t addr)
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

/* Below a vma that grows down: makes it reach the address, if limits and the guard gap allow. */
fault_case fault_stack_growth(struct fault *f)
{
	struct mm_struct *mm = f->mm;
	struct vm_area_struct *vma;
	int err = -ENOMEM;

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
static vm_fault_t fault_with_mmap_lock(struct fault *f)
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

static vm_fault_t fault_once(struct fault *f)
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
static __noinline vm_fault_t fault_prepare_retry(struct fault *f)
{
	struct page *wait = f->again == AGAIN_WAIT_PAGE ? f->held : NULL;

	count_event(FAULT_RETRY);
	if (wait) {
		wait_on_page_locked(wait);
	} else {
		drop_held(f);
		if (f->again == AGAIN_PAGE_IN) {
			vm_fault_t ret = page_in(f);

			if (ret != VM_FAULT_RETRY)
				return ret;
		}
	}
	if ((f->flags & (FAULT_FLAG_USER | FAULT_FLAG_KILLABLE)) && current_fatal_signal_pending())
		return VM_FAULT_SIGKILL;
	return VM_FAULT_RETRY;
}

vm_fault_t handle_mm_fault(struct mm_struct *mm, vaddr_t addr, unsigned int fault_flags)
{
	struct fault f;
	vm_fault_t ret;

	if (unlikely(addr >= TASK_SIZE))
		return VM_FAULT_SIGSEGV_MAPERR;
	/* The rest is set on the way. */
	f.mm = mm;
	f.addr = addr & PAGE_MASK;
	f.flags = fault_flags;
	f.need_mmap = f.mmap_locked = f.major = false;
	f.held = NULL;
	count_event(PGFAULT);
	ret = fault_once(&f);
	while (unlikely(ret == VM_FAULT_RETRY)) {
		ret = fault_prepare_retry(&f);
		if (ret == VM_FAULT_RETRY)
			ret = fault_once(&f);
	}
	drop_held(&f);
	if (unlikely(ret != VM_FAULT_DONE))
		return ret;
	if (f.major) {
		count_event(PGMAJFAULT);
		atomic_long_inc(&mm->maj_flt);
		return VM_FAULT_MAJOR;
	}
	atomic_long_inc(&mm->min_flt);
	return VM_FAULT_DONE;
}

/* --- the kernel reaches into a space ---- */

/* The page if it is there already, with the right to do so; referenced but for the zero page. */
static struct page *present_page(struct mm_struct *mm, vaddr_t addr, bool write)
{
	struct page *page = NULL;
	spinlock_t *ptl;
	pte_t *pte, e;

	down_read(&mm->mmap_lock);
	pte = pte_find_lock(mm, addr, NULL, &ptl);
	if (!pte)
		goto out;
	e = ptep_get(pte);
	if (pte_present(e) && !pte_protnone(e) && (!write || pte_write(e))) {
		page = pte_page(e);
		if (page)
			get_page(page);
		else
			page = zero_page;
	}
	spin_unlock(ptl);
out:
	up_read(&mm->mmap_lock);
	return page;
}

struct page *fault_in_page(struct mm_struct *mm, vaddr_t addr, bool write)
{
	unsigned int flags = FAULT_FLAG_REMOTE | FAULT_FLAG_KILLABLE |
			     (write ? FAULT_FLAG_WRITE : 0);
	struct page *page;

	if (addr >= TASK_SIZE)
		return ERR_PTR(-EFAULT);
	while (!(page = present_page(mm, addr, write))) {
		switch (handle_mm_fault(mm, addr, flags)) {
		case VM_FAULT_DONE:
		case VM_FAULT_MAJOR:
			break;
		case VM_FAULT_OOM:
			return ERR_PTR(-ENOMEM);
		case VM_FAULT_SIGKILL:
			return ERR_PTR(-EINTR);
		default:
			return ERR_PTR(-EFAULT);
		}
	}
	return page;
}

void put_faulted_page(struct page *page)
{
	if (page != zero_page)
		put_page(page);
}
