/* SPDX-License-Identifier: MIT */
/*
 * The calls that change an address space, at random, with pages behind them: each page of a window
 * is to hold what the model says, after every step the vmas and the page tables are checked whole,
 * and reverse mapping is asked for each page.
 */
#include <kernel/lib/string.h>
#include <mm/failinject.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/vma.h>
#include <tests/kernel/ktest.h>

#define PAGES 64UL
/* Across a border between page tables. */
#define BASE (0x40000000UL + PMD_SIZE - PAGES / 2 * PAGE_SIZE)

struct model_page {
	bool mapped, shared;
	int prot;
	u32 word; /* at the start of the page */
};
struct space_model {
	struct mm_struct *mm;
	struct model_page p[PAGES];
	bool failed; /* an allocation was made to fail: the state is read back, not compared */
};

struct range {
	unsigned long first, n;
	vaddr_t addr;
};

static struct range random_range(void)
{
	struct range r;

	r.n = 1 + ktest_random_below(ktest_random_below(3) ? 5 : 24);
	r.first = ktest_random_below(PAGES - r.n + 1);
	r.addr = BASE + r.first * PAGE_SIZE;
	return r;
}

static int random_prot(void)
{
	static const int prots[] = {0, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};

	return prots[ktest_random_below(4)];
}

static void op_map(struct space_model *s)
{
	struct range r = random_range();
	bool shared = !ktest_random_below(3);
	int prot = random_prot();
	long addr = do_mmap(s->mm, NULL, r.addr, r.n * PAGE_SIZE, prot,
			    MAP_FIXED | MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), 0);

	if (!EXPECT(addr > 0 || s->failed))
		return;
	for (unsigned long i = r.first; i < r.first + r.n; i++)
		s->p[i] = (struct model_page){true, shared, prot, 0};
}

static void op_unmap(struct space_model *s)
{
	struct range r = random_range();

	EXPECT(do_munmap(s->mm, r.addr, r.n * PAGE_SIZE) == 0 || s->failed);
	memset(&s->p[r.first], 0, r.n * sizeof(s->p[0]));
}

static void op_protect(struct space_model *s)
{
	struct range r = random_range();
	int prot = random_prot();
	long err = do_mprotect(s->mm, r.addr, r.n * PAGE_SIZE, prot);
	unsigned long i;

	for (i = r.first; i < r.first + r.n && s->p[i].mapped; i++)
		s->p[i].prot = prot;
	EXPECT(err == (i < r.first + r.n ? -ENOMEM : 0) || s->failed);
}

static void op_dontneed(struct space_model *s)
{
	struct range r = random_range();

	(void)do_madvise(s->mm, r.addr, r.n * PAGE_SIZE, MADV_DONTNEED);
	for (unsigned long i = r.first; i < r.first + r.n; i++)
		if (!s->p[i].shared)
			s->p[i].word = 0;
}

/* A move within one mapping's pages, to a place that does not overlap. */
static void op_move(struct space_model *s)
{
	struct range r = random_range(), to = random_range();
	struct model_page moved[PAGES];
	unsigned long n = min(r.n, to.n);
	long addr;

	if (r.first < to.first + n && to.first < r.first + n)
		return;
	addr = do_mremap(s->mm, r.addr, n * PAGE_SIZE, n * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			 to.addr);
	if (addr == -EFAULT) { /* more than one vma, but if there is one the target was cleared */
		if (s->p[r.first].mapped)
			memset(&s->p[to.first], 0, n * sizeof(s->p[0]));
		return;
	}
	EXPECT_EQ(s->failed ? (long)to.addr : addr, to.addr);
	memcpy(moved, &s->p[r.first], n * sizeof(s->p[0]));
	memset(&s->p[r.first], 0, n * sizeof(s->p[0]));
	memcpy(&s->p[to.first], moved, n * sizeof(s->p[0]));
}

static void op_touch(struct space_model *s)
{
	unsigned long i = ktest_random_below(PAGES);
	u32 word = (u32)ktest_random() | 1;
	bool can = s->p[i].mapped && (s->p[i].prot & PROT_WRITE);
	size_t done = mm_access(s->mm, BASE + i * PAGE_SIZE, &word, sizeof(word), true);

	if (s->failed && !done)
		return;
	EXPECT_EQ(done, can ? sizeof(word) : 0);
	if (can)
		s->p[i].word = word;
}

static void check_rmap(struct page *page)
{
	lock_page(page);
	EXPECT_EQ(page_count_ptes(page), page_mapcount(page));
	unlock_page(page);
}

static void check_page(struct space_model *s, unsigned long i)
{
	struct model_page *p = &s->p[i];
	bool readable = p->mapped && p->prot;
	struct page *page = fault_in_page(s->mm, BASE + i * PAGE_SIZE, false);

	if (!readable) {
		if (!EXPECT(IS_ERR(page)))
			put_faulted_page(page);
		return;
	}
	if (!EXPECT(!IS_ERR(page)))
		return;
	EXPECT_EQ(*(u32 *)page_address(page), p->word);
	if (page != zero_page)
		check_rmap(page);
	put_faulted_page(page);
}

static void check_space(struct space_model *s)
{
	down_write(&s->mm->mmap_lock);
	mm_validate(s->mm);
	pgtable_check(s->mm);
	up_write(&s->mm->mmap_lock);
	for (unsigned long i = 0; i < PAGES; i++)
		check_page(s, i);
}

static void one_op(struct space_model *s)
{
	switch (ktest_random_below(8)) {
	case 0:
		return op_map(s);
	case 1:
		return op_unmap(s);
	case 2:
		return op_protect(s);
	case 3:
		return op_dontneed(s);
	case 4:
		return op_move(s);
	default:
		return op_touch(s);
	}
}

static void random_ops(void *arg)
{
	struct space_model s = {.mm = current_mm()};

	(void)arg;
	for (int i = 0; i < 1500 && !ktest_failed(); i++) {
		one_op(&s);
		if (i % 4 == 0)
			check_space(&s);
	}
}

KTEST(mmap, random_ops, "a page lost, kept, or found elsewhere after a chain of calls")
{
	ktest_with_mm(random_ops, NULL);
}

/* The child sees what the parent had, whatever the parent does afterwards, and the other way round. */
static void forks(void *arg)
{
	struct space_model s = {.mm = current_mm()}, child;

	(void)arg;
	for (int round = 0; round < 20 && !ktest_failed(); round++) {
		for (int i = 0; i < 40; i++)
			one_op(&s);
		child = s;
		child.mm = mm_fork(s.mm);
		CHECK(!IS_ERR(child.mm));
		for (int i = 0; i < 20; i++) {
			unsigned long n = ktest_random_below(PAGES);

			if (!s.p[n].shared) { /* private pages go apart */
				op_touch(&s);
				op_dontneed(&child);
			}
		}
		for (unsigned long i = 0; i < PAGES; i++) /* shared ones were written by both */
			if (s.p[i].shared)
				child.p[i].word = s.p[i].word;
		check_space(&child);
		check_space(&s);
		mm_put_user(child.mm);
	}
}

KTEST(mmap, forks, "a write after fork that the other side sees, or a page that the child lost")
{
	ktest_with_mm(forks, NULL);
}

#ifdef CONFIG_DEBUG
/* After an injected failure: what is there is right as long as the checkers find nothing. */
static void read_back(struct space_model *s)
{
	for (unsigned long i = 0; i < PAGES; i++) {
		vaddr_t addr = BASE + i * PAGE_SIZE;
		struct vm_area_struct *vma;
		struct model_page *p = &s->p[i];

		down_read(&s->mm->mmap_lock);
		vma = vma_lookup(s->mm, addr);
		p->mapped = vma;
		p->shared = vma && (vma->flags & VM_SHARED);
		p->prot = vma ? (int)(vma->flags & VM_ACCESS) : 0;
		up_read(&s->mm->mmap_lock);
		p->word = 0;
		if (vma && !p->prot) { /* its content cannot be asked for */
			EXPECT_EQ(do_munmap(s->mm, addr, PAGE_SIZE), 0);
			p->mapped = false;
		}
		if (p->prot)
			EXPECT_EQ(mm_access(s->mm, addr, &p->word, sizeof(p->word), false),
				  sizeof(p->word));
	}
}

static void failures(void *arg)
{
	struct space_model s = {.mm = current_mm()};

	(void)arg;
	for (int i = 0; i < 1000 && !ktest_failed(); i++) {
		enum fail_class c = ktest_random_below(2) ? FAIL_PAGE : FAIL_SLAB;

		s.failed = false;
		if (!ktest_random_below(3)) {
			fail_inject_set(c, 1 + ktest_random_below(6), 1);
			s.failed = true;
			one_op(&s);
			fail_inject_set(c, 0, 0);
			read_back(&s);
		} else {
			one_op(&s);
		}
		if (i % 4 == 0)
			check_space(&s);
	}
}

KTEST(mmap, failing_allocations, "a call that breaks the space or leaks when memory runs out in it")
{
	ktest_with_mm(failures, NULL);
}
#endif

/* ---- promises ---- */

static void strict_overcommit(void *arg)
{
	int mode = sysctl_overcommit_memory;
	size_t too_much = (commit_limit() + 1) << PAGE_SHIFT;
	long addr;

	(void)arg;
	sysctl_overcommit_memory = 2;
	EXPECT_EQ(do_mmap(current_mm(), NULL, 0, too_much, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0),
		  -ENOMEM);
	addr = do_mmap(current_mm(), NULL, 0, too_much, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	EXPECT(addr > 0); /* nothing is promised for what cannot be written */
	EXPECT_EQ(do_mprotect(current_mm(), addr, too_much, PROT_READ | PROT_WRITE), -ENOMEM);
	EXPECT_EQ(do_mprotect(current_mm(), addr, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	EXPECT_EQ(atomic_long_read(&current_mm()->committed), 1);
	sysctl_overcommit_memory = mode;
}

KTEST(mmap, strict_overcommit,
      "mode 2 that promises more than CommitLimit, or charges what needs no memory")
{
	ktest_with_mm(strict_overcommit, NULL);
}

static void limits(void *arg)
{
	struct mm_struct *mm = current_mm();
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	(void)arg;
	mm->rlim_as = 10 * PAGE_SIZE;
	mm->rlim_data = 4 * PAGE_SIZE;
	EXPECT_EQ(do_mmap(mm, NULL, 0, 11 * PAGE_SIZE, PROT_READ, flags, 0), -ENOMEM);
	EXPECT(do_mmap(mm, NULL, BASE, 10 * PAGE_SIZE, PROT_READ, flags | MAP_FIXED, 0) > 0);
	EXPECT_EQ(do_mmap(mm, NULL, 0, PAGE_SIZE, PROT_READ, flags, 0), -ENOMEM);
	/* What replaces a mapping needs no more room. */
	EXPECT(do_mmap(mm, NULL, BASE, 10 * PAGE_SIZE, PROT_READ, flags | MAP_FIXED, 0) > 0);
	mm->rlim_as = 100 * PAGE_SIZE;
	EXPECT_EQ(do_mprotect(mm, BASE, 5 * PAGE_SIZE, PROT_READ | PROT_WRITE), -ENOMEM);
	EXPECT_EQ(do_mprotect(mm, BASE, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	mm->rlim_memlock = 2 * PAGE_SIZE;
	mm->may_lock = false;
	EXPECT_EQ(do_mlock(mm, BASE, 3 * PAGE_SIZE, 0), -ENOMEM);
	EXPECT_EQ(do_mlock(mm, BASE, 2 * PAGE_SIZE, 0), 0);
	EXPECT_EQ(do_mlock(mm, BASE, 2 * PAGE_SIZE, 0), 0); /* again: nothing more */
	EXPECT_EQ(mm->locked_vm, 2);
	EXPECT_EQ(mm_counter_read(mm, MM_ANON), 2);
	EXPECT_EQ(do_munlockall(mm), 0);
	EXPECT_EQ(mm->locked_vm, 0);
}

KTEST(mmap, limits, "RLIMIT_AS, RLIMIT_DATA or RLIMIT_MEMLOCK that counts too much or too little")
{
	ktest_with_mm(limits, NULL);
}
