/* SPDX-License-Identifier: MIT */
/*
 * The real page tables, faults, fork, reverse mapping, TLB gathers, vmas and page cache, driven by
 * a processor made of C: it translates through the tables that the code builds, has a TLB that
 * forgets only what it is told to, and faults into handle_mm_fault().
 *
 * Random operations on a family of address spaces are applied to it and to a model that knows
 * nothing of pages being shared: each space is an array of values. Whatever a program reads must be
 * what the model says; so a page shared too long, a copy made too early, a translation that
 * outlives its page (freed pages are poisoned) all show as a wrong value. Now and then everything
 * is checked: the tables by pgtable_check(), and for every page, that reverse mapping finds
 * as many ptes as mapcount says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kernel/x86/tlb.h>
#include <mm/failinject.h>
#include <mm/fault_internal.h>
#include <mm/filemap.h>
#include <mm/internal.h>
#include <mm/interval.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/vma.h>
#include <mm/vmstat.h>
#include <tests/host/host.h>

/* ---- what the code under test asks of the rest of the kernel ---- */

struct sched_hooks sched_hooks;

void schedule(void)
{
	panic("nobody to switch to");
}
void wait_queue_init(struct wait_queue *wq)
{
	(void)wq;
}
void wait_entry_init(struct wait_entry *we, bool exclusive)
{
	(void)we, (void)exclusive;
}
void prepare_to_wait(struct wait_queue *wq, struct wait_entry *we, enum thread_state state)
{
	(void)wq, (void)we, (void)state;
}
void finish_wait(struct wait_queue *wq, struct wait_entry *we)
{
	(void)wq, (void)we;
}
int wake_up_key(struct wait_queue *wq, int nr_exclusive, unsigned long key)
{
	(void)wq, (void)nr_exclusive, (void)key;
	return 0;
}
int wake_up_locked(struct wait_queue *wq, int nr_exclusive, unsigned long key)
{
	(void)wq, (void)nr_exclusive, (void)key;
	return 0;
}
bool current_fatal_signal_pending(void)
{
	return false;
}
void lock_page(struct page *p)
{
	if (!trylock_page(p))
		panic("a page lock is waited for for ever");
}
void unlock_page(struct page *p)
{
	assert(PageLocked(p));
	ClearPageLocked(p);
}
void put_and_wait_on_page_locked(struct page *p)
{
	debug_assert(!PageLocked(p));
	put_page(p);
}

void wait_on_page_locked(struct page *p)
{
	assert(!PageLocked(p));
}
void wait_on_page_writeback(struct page *p)
{
	assert(!PageWriteback(p));
}

/* Nothing is swapped here. */
void advise_cold(struct vm_area_struct *vma __unused, vaddr_t start __unused, vaddr_t end __unused,
		 bool pageout __unused)
{
}

int shmem_swap_in(struct address_space *m __unused, u64 index __unused, bool *major __unused)
{
	return -ENOENT;
}

void shmem_forget(struct address_space *m __unused)
{
}

unsigned int swap_count(swp_entry_t e __unused)
{
	return 0;
}

int swap_duplicate(swp_entry_t e __unused)
{
	abort();
}

unsigned long nr_swap_pages(void)
{
	return 0;
}

void swap_free_page(swp_entry_t e __unused)
{
	abort();
}

void free_swap_cache(struct page *page __unused)
{
	abort();
}

bool try_to_free_swap(struct page *page __unused)
{
	abort();
}

vm_fault_t fault_swap_in(struct fault *f __unused)
{
	abort();
}

vm_fault_t fault_migrating(struct fault *f __unused)
{
	abort();
}

vm_fault_t fault_swap_read(struct fault *f __unused)
{
	abort();
}

struct mm_struct *mm_alloc(void)
{
	struct mm_struct *mm = calloc(1, sizeof(*mm));

	mm->pgd = pgd_alloc();
	if (!mm->pgd) {
		free(mm);
		return NULL;
	}
	spin_lock_init(&mm->tree_lock, LOCK_VMA_TREE);
	rwsem_init(&mm->mmap_lock, LOCK_MMAP);
	spin_lock_init(&mm->pgd_lock, LOCK_PGD);
	atomic_set(&mm->users, 1);
	atomic_set(&mm->count, 1);
	mm->rlim_as = mm->rlim_data = mm->rlim_stack = mm->rlim_memlock = ~0UL;
	mm->mmap_base = 0x700000000000UL;
	mm->gap_end = TASK_SIZE;
	return mm;
}

/* ---- the processor ---- */

/* Two windows of user memory: one over the border of two pte tables, one over that of two pmd
 * tables and far from the first. */
#define WINDOW_PAGES 48
#define NR_PAGES     (2 * WINDOW_PAGES)
static const vaddr_t window[2] = {0x10000000UL - 20 * PAGE_SIZE,
				  (5UL << PUD_SHIFT) - 30 * PAGE_SIZE};

static vaddr_t page_addr(unsigned int i)
{
	return window[i / WINDOW_PAGES] + i % WINDOW_PAGES * PAGE_SIZE;
}

static struct tlb_entry {
	bool valid, write;
	pfn_t pfn;
} tlb[NR_PAGES];

static void tlb_drop(vaddr_t va, bool all)
{
	for (unsigned int i = 0; i < NR_PAGES; i++)
		if (all || page_addr(i) == (va & PAGE_MASK))
			tlb[i].valid = false;
}

static void load_mm(struct mm_struct *mm)
{
	struct mm_struct *old = this_cpu_read(tlb_state.mm);

	if (old == mm)
		return;
	if (old)
		old->cpu_mask = 0;
	mm->cpu_mask = 1;
	this_cpu_write(tlb_state.mm, mm);
	this_cpu_write(tlb_state.gen, atomic_long_read(&mm->tlb_gen));
	tlb_drop(0, true);
}

void mm_leave_lazy(void)
{
	FAIL("the only CPU is not lazy");
}

bool cmdline_bool(const char *key __unused, bool def)
{
	return def;
}

void mm_put_user(struct mm_struct *mm)
{
	assert(atomic_dec_and_test(&mm->users));
	exit_mmap(mm);
	for (enum mm_counter c = 0; c < NR_MM_COUNTERS; c++)
		CHECK_EQ(atomic_long_read(mm_counter(mm, c)), 0);
	CHECK_EQ(atomic_long_read(&mm->pgtables_bytes), 0);
	if (this_cpu_read(tlb_state.mm) == mm)
		load_mm(&init_mm);
	pgd_free(mm->pgd);
	free(mm);
}

static bool translate(struct mm_struct *mm, unsigned int i, bool write)
{
	spinlock_t *ptl;
	pte_t *pte, e;

	if (tlb[i].valid && (tlb[i].write || !write))
		return true;
	pte = pte_find_lock(mm, page_addr(i), NULL, &ptl);
	if (!pte)
		return false;
	e = ptep_get(pte);
	spin_unlock(ptl);
	if (!(pte_val(e) & _PAGE_PRESENT) || (write && !pte_write(e)))
		return false;
	/* A and D, as the hardware sets them; only what is dirty is written without a walk. */
	set_pte(pte, write ? pte_mkdirty(pte_mkyoung(e)) : pte_mkyoung(e));
	tlb[i] = (struct tlb_entry){true, pte_write(e) && (write || pte_dirty(e)), pte_pfn(e)};
	return true;
}

/* Reads or writes the first word of page i as a program of mm would. */
static vm_fault_t access_word(struct mm_struct *mm, unsigned int i, bool write, u64 *value)
{
	unsigned int flags = FAULT_FLAG_USER | (write ? FAULT_FLAG_WRITE : 0);

	load_mm(mm);
	for (int tries = 0; tries < 4; tries++) {
		u64 *word;

		if (!translate(mm, i, write)) {
			vm_fault_t ret = handle_mm_fault(mm, page_addr(i) + 8, flags);

			tlb[i].valid = false; /* as a fault does */
			if (ret > VM_FAULT_MAJOR)
				return ret;
			continue;
		}
		word = pfn_to_virt(tlb[i].pfn);
		if (write)
			*word = *value;
		else
			*value = *word;
		return VM_FAULT_DONE;
	}
	FAIL("the fault is repaired again and again");
}

/* ---- the model ---- */

#define NR_SPACES  5
#define NR_FILES   2
#define FILE_PAGES 40

struct mpage {
	bool mapped, shared, own; /* own: a private value, not the file's (or zero) */
	int prot, file;           /* -1: anonymous */
	unsigned int index;
	u64 value;
};
struct space {
	struct mm_struct *mm;
	struct mpage page[NR_PAGES];
};
struct file {
	struct mappable mappable;
	struct address_space mapping;
	int refs;
	unsigned int pages;
	u64 value[FILE_PAGES];
};
static struct space space[NR_SPACES];
static struct file *file; /* in the direct map: struct page names the mapping */
static u64 stamp;

#define PROT_R  PROT_READ
#define PROT_RW (PROT_READ | PROT_WRITE)

static void file_get(struct mappable *m)
{
	container_of(m, struct file, mappable)->refs++;
}
static void file_put(struct mappable *m)
{
	container_of(m, struct file, mappable)->refs--;
}
static const struct mappable_ops file_ops = {.get = file_get, .put = file_put};
static const struct address_space_operations mapping_ops;

static u64 expected_value(const struct mpage *p)
{
	if (p->own)
		return p->value;
	return p->file < 0 ? 0 : file[p->file].value[p->index];
}

static vm_fault_t expected_result(const struct mpage *p, bool write)
{
	if (!p->mapped)
		return VM_FAULT_SIGSEGV_MAPERR;
	if (!(p->prot & (write ? PROT_WRITE : PROT_READ)))
		return VM_FAULT_SIGSEGV_ACCERR;
	if (p->file >= 0 && !p->own && p->index >= file[p->file].pages)
		return VM_FAULT_SIGBUS;
	return VM_FAULT_DONE;
}

static void do_access(struct space *s, unsigned int i, bool write)
{
	struct mpage *p = &s->page[i];
	vm_fault_t want = expected_result(p, write), got;
	u64 value = write ? ++stamp : 0;

	if (rnd(20) == 0)
		fail_inject_set(rnd(2) ? FAIL_PAGE : FAIL_SLAB, 1 + rnd(4), 1);
	got = access_word(s->mm, i, write, &value);
	fail_inject_set(FAIL_PAGE, 0, 0);
	if (got == VM_FAULT_OOM) /* as the trap does once there is memory again */
		got = access_word(s->mm, i, write, &value);
	if (got != want)
		FAIL("page %u, %s: result %d, expected %d", i, write ? "write" : "read", got, want);
	if (got != VM_FAULT_DONE)
		return;
	if (!write) {
		if (value != expected_value(p))
			FAIL("space %d page %u reads %#lx, expected %#lx", (int)(s - space), i,
			     (unsigned long)value, (unsigned long)expected_value(p));
		return;
	}
	if (p->shared) {
		file[p->file].value[p->index] = value;
	} else {
		p->own = true;
		p->value = value;
	}
}

/* ---- operations ---- */

static struct space *pick(void)
{
	struct space *s;

	do
		s = &space[rnd(NR_SPACES)];
	while (!s->mm);
	return s;
}

/* A range within one window. */
static unsigned int pick_range(unsigned int *n)
{
	unsigned int first = rnd(WINDOW_PAGES);

	*n = 1 + rnd(min(WINDOW_PAGES - first, 24u));
	return rnd(2) * WINDOW_PAGES + first;
}

static void op_mmap(struct space *s)
{
	static const int prots[] = {PROT_RW, PROT_RW, PROT_R, 0};
	unsigned int n, i = pick_range(&n), index = rnd(FILE_PAGES);
	int prot = prots[rnd(4)], f = (int)rnd(NR_FILES + 2) - 2;
	bool shared = f >= 0 && rnd(2);

	n = f >= 0 ? min(n, FILE_PAGES - index) : n;
	CHECK_EQ(do_mmap(s->mm, f >= 0 ? &file[f].mappable : NULL, page_addr(i), n * PAGE_SIZE,
			 prot,
			 MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE) |
				 (f < 0 ? MAP_ANONYMOUS : 0),
			 index),
		 page_addr(i));
	for (unsigned int k = 0; k < n; k++)
		s->page[i + k] = (struct mpage){.mapped = true,
						.shared = shared,
						.prot = prot,
						.file = f < 0 ? -1 : f,
						.index = index + k};
}

static void op_munmap(struct space *s)
{
	unsigned int n, i = pick_range(&n);

	CHECK_EQ(do_munmap(s->mm, page_addr(i), n * PAGE_SIZE), 0);
	memset(&s->page[i], 0, n * sizeof(s->page[0]));
}

static bool all_mapped(const struct space *s, unsigned int i, unsigned int n)
{
	for (unsigned int k = 0; k < n; k++)
		if (!s->page[i + k].mapped)
			return false;
	return true;
}

static void op_mprotect(struct space *s)
{
	unsigned int n, i = pick_range(&n);
	int prot = rnd(3) ? PROT_RW : rnd(2) ? PROT_R : 0;

	if (!all_mapped(s, i, n))
		return;
	CHECK_EQ(do_mprotect(s->mm, page_addr(i), n * PAGE_SIZE, prot), 0);
	for (unsigned int k = 0; k < n; k++)
		s->page[i + k].prot = prot;
}

static void op_dontneed(struct space *s)
{
	unsigned int n, i = pick_range(&n);

	if (!all_mapped(s, i, n))
		return;
	CHECK_EQ(do_madvise(s->mm, page_addr(i), n * PAGE_SIZE, MADV_DONTNEED), 0);
	for (unsigned int k = 0; k < n; k++)
		if (!s->page[i + k].shared)
			s->page[i + k].own = false;
}

/* From one window to the other, so that no part overlaps. */
static void op_mremap(struct space *s)
{
	unsigned int n, i = pick_range(&n), to;
	long r;

	to = (i / WINDOW_PAGES ? 0 : WINDOW_PAGES) + rnd(WINDOW_PAGES - n + 1);
	if (!all_mapped(s, i, n))
		return;
	r = do_mremap(s->mm, page_addr(i), n * PAGE_SIZE, n * PAGE_SIZE,
		      MREMAP_MAYMOVE | MREMAP_FIXED, page_addr(to));
	/* It refuses a range of several vmas, after it has unmapped the target. */
	memset(&s->page[to], 0, n * sizeof(s->page[0]));
	if (r == -EFAULT)
		return;
	CHECK_EQ(r, page_addr(to));
	memcpy(&s->page[to], &s->page[i], n * sizeof(s->page[0]));
	memset(&s->page[i], 0, n * sizeof(s->page[0]));
}

static void op_fork(struct space *parent)
{
	struct space *child = &space[rnd(NR_SPACES)];
	struct mm_struct *mm;

	if (child->mm)
		return;
	if (rnd(3) == 0)
		fail_inject_set(rnd(2) ? FAIL_PAGE : FAIL_SLAB, 1 + rnd(20), 1);
	mm = mm_fork(parent->mm);
	fail_inject_set(FAIL_PAGE, 0, 0);
	if (IS_ERR(mm)) {
		CHECK_EQ(PTR_ERR(mm), -ENOMEM);
		return;
	}
	*child = *parent;
	child->mm = mm;
}

static void end_space(struct space *s)
{
	mm_put_user(s->mm);
	memset(s, 0, sizeof(*s));
}

static void op_exit(struct space *s)
{
	int others = 0;

	for (int i = 0; i < NR_SPACES; i++)
		others += space[i].mm && &space[i] != s;
	if (others)
		end_space(s);
}

static void op_truncate(void)
{
	unsigned int n = rnd(NR_FILES), pages = rnd(FILE_PAGES + 1);
	struct file *f = &file[n];

	CHECK_EQ(truncate_setsize(&f->mapping, (loff_t)pages << PAGE_SHIFT), 0);
	f->pages = pages;
	for (unsigned int i = pages; i < FILE_PAGES; i++)
		f->value[i] = 0;
	for (int s = 0; s < NR_SPACES; s++)
		for (unsigned int i = 0; i < NR_PAGES; i++) {
			struct mpage *p = &space[s].page[i];

			if (p->mapped && p->file == (int)n && p->index >= pages)
				p->own = false;
		}
}

static void op_punch(void)
{
	struct file *f = &file[rnd(NR_FILES)];
	unsigned int first = rnd(FILE_PAGES), n = 1 + rnd(FILE_PAGES - first);

	CHECK_EQ(truncate_range(&f->mapping, (loff_t)first << PAGE_SHIFT,
				(loff_t)(first + n) << PAGE_SHIFT),
		 0);
	for (unsigned int i = first; i < first + n; i++)
		f->value[i] = 0;
}

/* ---- checks ---- */

static void check_rmap(struct mm_struct *mm, unsigned int i)
{
	struct page *page = NULL;
	spinlock_t *ptl;
	pte_t *pte = pte_find_lock(mm, page_addr(i), NULL, &ptl);

	if (!pte)
		return;
	if (pte_present(ptep_get(pte)))
		page = pte_page(ptep_get(pte));
	spin_unlock(ptl);
	if (!page)
		return;
	lock_page(page);
	CHECK_EQ(page_count_ptes(page), page_mapcount(page));
	unlock_page(page);
}

static void check_all(void)
{
	for (int s = 0; s < NR_SPACES; s++) {
		struct mm_struct *mm = space[s].mm;

		if (!mm)
			continue;
		down_write(&mm->mmap_lock);
		mm_validate(mm);
		pgtable_check(mm);
		up_write(&mm->mmap_lock);
		for (unsigned int i = 0; i < NR_PAGES; i++)
			check_rmap(mm, i);
	}
}

static void boot(void)
{
	static const struct ram ram[] = {{0, 32UL << 20}, {0, 0}};

	host_boot(ram);
	host_tlb_hook = tlb_drop;
	rwsem_init(&init_mm.mmap_lock, LOCK_MMAP);
	vma_init_cache();
	rmap_init_caches();
	pgtable_init();
	filemap_init();
	this_cpu_write(tlb_state.mm, &init_mm);
	file = kzalloc(NR_FILES * sizeof(struct file), GFP_KERNEL);
	for (int i = 0; i < NR_FILES; i++) {
		struct file *f = &file[i];

		mapping_init(&f->mapping, &mapping_ops, f, true);
		f->mappable =
			(struct mappable){&file_ops, &f->mapping, MAPPABLE_READ | MAPPABLE_WRITE};
		f->mapping.size = (loff_t)FILE_PAGES << PAGE_SHIFT;
		f->pages = FILE_PAGES;
	}
}

static unsigned long free_memory(void)
{
	slab_shrink(100);
	drain_all_pages();
	return nr_free_pages();
}

static void random_op(void)
{
	struct space *s = pick();

	switch (rnd(40)) {
	case 0 ... 1:
		op_mmap(s);
		break;
	case 2:
		op_munmap(s);
		break;
	case 3 ... 4:
		op_mprotect(s);
		break;
	case 5:
		op_dontneed(s);
		break;
	case 6:
		op_mremap(s);
		break;
	case 7:
		op_fork(s);
		break;
	case 8:
		if (rnd(3) == 0)
			op_exit(s);
		break;
	case 9:
		if (rnd(4) == 0)
			op_truncate();
		break;
	case 10:
		if (rnd(4) == 0)
			op_punch();
		break;
	default:
		do_access(s, rnd(NR_PAGES), rnd(2));
	}
}

HOST_TEST(pgtable, random_family, "a wrong value read through stale, shared or lost pages; a leak")
{
	unsigned long before;

	boot();
	before = free_memory();
	space[0].mm = mm_alloc();
	for (unsigned long n = 0; n < rounds(300000); n++) {
		random_op();
		if (n % 500 == 0)
			check_all();
	}
	check_all();
	for (int i = 0; i < NR_SPACES; i++)
		if (space[i].mm)
			end_space(&space[i]);
	for (int i = 0; i < NR_FILES; i++) {
		truncate_all(&file[i].mapping);
		CHECK_EQ(file[i].refs, 0);
		CHECK_EQ(atomic_read(&file[i].mapping.writable_maps), 0);
	}
	CHECK_EQ(free_memory(), before);
	CHECK_EQ(vmstat_item(NR_ANON_MAPPED), 0);
	CHECK_EQ(vmstat_item(NR_FILE_MAPPED), 0);
	CHECK_EQ(vmstat_item(NR_PAGETABLE), 0);
	CHECK_EQ(commit_committed(), 0);
}

/* ---- interval trees ---- */

#define NR_INTERVALS 200
static struct interval_node node[NR_INTERVALS];
static bool in_tree[NR_INTERVALS];

static void check_query(struct rb_root *root, u64 start, u64 last)
{
	struct interval_node *n;
	u64 previous = 0;
	int found = 0, want = 0;

	for_each_interval(n, root, start, last)
	{
		CHECK(in_tree[n - node] && n->start <= last && n->last >= start);
		CHECK(n->start >= previous);
		previous = n->start;
		found++;
	}
	for (int i = 0; i < NR_INTERVALS; i++)
		want += in_tree[i] && node[i].start <= last && node[i].last >= start;
	CHECK_EQ(found, want);
}

HOST_TEST(pgtable, interval_tree, "a subtree passed over that holds an answer, or one found twice")
{
	struct rb_root root = RB_ROOT;

	for (unsigned long k = 0; k < rounds(200000); k++) {
		int i = (int)rnd(NR_INTERVALS);
		u64 start = rnd(1000);

		if (in_tree[i])
			interval_remove(&node[i], &root);
		else
			interval_insert(&node[i], start, start + rnd(rnd(10) ? 20 : 900), &root);
		in_tree[i] = !in_tree[i];
		if (k % 8 == 0)
			check_query(&root, start, start + rnd(100));
	}
}
