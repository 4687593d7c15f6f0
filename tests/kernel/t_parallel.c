/* SPDX-License-Identifier: MIT */
/*
 * What one thread may do while another is in the middle of something, step by step: the one is held at
 * the point in question, so that nothing rests on who is faster. The same at any number of CPUs.
 */
#include <kernel/lib/string.h>
#include <kernel/sched/timer.h>
#include <kernel/sched/wait.h>
#include <kernel/task.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/tlb.h>
#include <mm/vma.h>
#include <mm/vmalloc.h>
#include <tests/kernel/ktest.h>

/* ---- a thread beside the test's own ---------------------------------------------------------- */

struct beside {
	void (*fn)(void *arg);
	void *arg;
	struct task *task;
	bool go, begun, done;
	struct wait_queue wait;
};

static int beside_main(void *p)
{
	struct beside *b = p;

	wait_event(b->wait, smp_load_acquire(&b->go));
	smp_store_release(&b->begun, true);
	b->fn(b->arg);
	ktest_complete(&b->wait, &b->done);
	return 0;
}

/* It begins with beside_go(): a thread cannot be made with mmap_lock held. */
static bool beside_make(struct beside *b, void (*fn)(void *), void *arg)
{
	*b = (struct beside){.fn = fn, .arg = arg};
	wait_queue_init(&b->wait);
	b->task = kthread_run(beside_main, b, "beside");
	return EXPECT(!IS_ERR(b->task));
}

static void beside_go(struct beside *b)
{
	smp_store_release(&b->go, true);
	wake_up_all(&b->wait);
}

static bool beside_start(struct beside *b, void (*fn)(void *), void *arg)
{
	if (!beside_make(b, fn, arg))
		return false;
	beside_go(b);
	return true;
}

static void beside_join(struct beside *b)
{
	ktest_wait(&b->wait, &b->done);
}

static bool done_soon(struct beside *b)
{
	return SOON(smp_load_acquire(&b->done));
}

static bool asleep_soon(struct beside *b)
{
	const struct thread *t = &b->task->thread;

	/* Not where it waits, or was about to, for being sent. */
	return SOON(smp_load_acquire(&b->begun) && READ_ONCE(t->state) == THREAD_UNINTERRUPTIBLE &&
		    !READ_ONCE(t->on_cpu));
}

struct touch {
	struct mm_struct *mm;
	vaddr_t addr;
	unsigned int flags;
	vm_fault_t result;
};

static void touch_fn(void *arg)
{
	struct touch *t = arg;

	t->result = handle_mm_fault(t->mm, t->addr, FAULT_FLAG_REMOTE | t->flags);
}

static vaddr_t map_anon(int prot, unsigned long pages)
{
	long addr = do_mmap(current_mm(), NULL, 0, pages * PAGE_SIZE, prot,
			    MAP_PRIVATE | MAP_ANONYMOUS, 0);

	return EXPECT(addr > 0) ? (vaddr_t)addr : 0;
}

static vm_fault_t fault(vaddr_t addr, unsigned int flags)
{
	return handle_mm_fault(current_mm(), addr, FAULT_FLAG_REMOTE | flags);
}

static struct vm_area_struct *vma_at(vaddr_t addr)
{
	struct vm_area_struct *vma;

	down_read(&current_mm()->mmap_lock);
	vma = vma_lookup(current_mm(), addr);
	up_read(&current_mm()->mmap_lock);
	return vma;
}

/* ---- faults ------------------------------------------------------------------------------------ */

/* mmap_lock and one vma are held, as by a long munmap there: a fault in another vma comes through. */
static void two_vmas_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	vaddr_t a = map_anon(PROT_READ | PROT_WRITE, 4);
	vaddr_t b = map_anon(PROT_READ | PROT_WRITE | PROT_EXEC, 4);
	struct touch in_a = {mm, a + PAGE_SIZE, FAULT_FLAG_WRITE, VM_FAULT_RETRY};
	struct touch in_b = {mm, b + PAGE_SIZE, FAULT_FLAG_WRITE, VM_FAULT_RETRY};
	struct vm_area_struct *vma = vma_at(a);
	struct beside ta, tb;

	(void)arg;
	CHECK(a && b && vma && vma != vma_at(b));
	CHECK_EQ(fault(a, FAULT_FLAG_WRITE), VM_FAULT_DONE);
	CHECK_EQ(fault(b, FAULT_FLAG_WRITE), VM_FAULT_DONE);
	CHECK(beside_make(&ta, touch_fn, &in_a) && beside_make(&tb, touch_fn, &in_b));
	down_write(&mm->mmap_lock);
	down_write(&vma->lock);
	beside_go(&ta);
	beside_go(&tb);
	EXPECT(done_soon(&tb));
	EXPECT(asleep_soon(&ta) && !ta.done);
	up_write(&vma->lock);
	up_write(&mm->mmap_lock);
	beside_join(&ta);
	beside_join(&tb);
	EXPECT_EQ(in_a.result, VM_FAULT_DONE);
	EXPECT_EQ(in_b.result, VM_FAULT_DONE);
}
KTEST(parallel, faults_in_two_vmas, "faults of two vmas that wait for one lock")
{
	ktest_with_mm(two_vmas_body, NULL);
}

/* mprotect, stopped after the vma and before the entries. */
static void during_mprotect_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	vaddr_t a = map_anon(PROT_READ | PROT_WRITE, 1);
	struct touch read = {mm, a, 0, VM_FAULT_RETRY};
	struct vm_area_struct *vma = vma_at(a);
	unsigned long none;
	struct beside t;

	(void)arg;
	CHECK(a && vma);
	CHECK_EQ(fault(a, FAULT_FLAG_WRITE), VM_FAULT_DONE);
	CHECK_EQ(do_mprotect(mm, a, PAGE_SIZE, 0), 0);
	none = vma->flags;
	CHECK(beside_make(&t, touch_fn, &read));
	down_write(&mm->mmap_lock);
	vma_set_flags(vma, none | VM_READ);
	beside_go(&t);
	EXPECT(asleep_soon(&t) && !t.done);
	EXPECT_EQ(change_protection(vma, a, a + PAGE_SIZE, vma_page_prot(vma->flags)), 1);
	up_write(&mm->mmap_lock);
	beside_join(&t);
	EXPECT_EQ(read.result, VM_FAULT_DONE);
	down_write(&mm->mmap_lock);
	vma_set_flags(vma, none);
	EXPECT_EQ(change_protection(vma, a, a + PAGE_SIZE, vma_page_prot(none)), 1);
	up_write(&mm->mmap_lock);
}
KTEST(parallel, fault_during_mprotect,
      "an entry that mprotect has yet to change, taken for one that allows the access")
{
	ktest_with_mm(during_mprotect_body, NULL);
}

/* A file of 8 pages; reading its first one takes until somebody says so. */
struct slow_file {
	struct mappable f;
	struct address_space m;
	atomic_t refs;
	bool go;
	struct wait_queue wait;
	unsigned int written; /* pages */
};

static void slow_get(struct mappable *f)
{
	atomic_inc(&container_of(f, struct slow_file, f)->refs);
}

static void slow_put(struct mappable *f)
{
	atomic_dec(&container_of(f, struct slow_file, f)->refs);
}

static const struct mappable_ops slow_mappable_ops = {.get = slow_get, .put = slow_put};

static int slow_readpage(struct address_space *m, struct page *page)
{
	struct slow_file *s = container_of(m, struct slow_file, m);

	if (page->index == 0)
		wait_event(s->wait, smp_load_acquire(&s->go));
	memset(page_address(page), 0, PAGE_SIZE);
	SetPageUptodate(page);
	return 0;
}

static int slow_writepage(struct address_space *m, struct page *page)
{
	(void)page;
	container_of(m, struct slow_file, m)->written++;
	return 0;
}

static const struct address_space_operations slow_ops = {
	.readpage = slow_readpage,
	.writepage = slow_writepage,
};

/* In a page of its own: an address_space is aligned, and in the direct map. */
static struct slow_file *slow_file_new(void)
{
	struct slow_file *s = get_free_page(GFP_KERNEL | __GFP_ZERO);

	if (!EXPECT(s))
		return NULL;
	mapping_init(&s->m, &slow_ops, NULL, false);
	s->m.size = 8 * PAGE_SIZE;
	s->f = (struct mappable){&slow_mappable_ops, &s->m, MAPPABLE_READ | MAPPABLE_WRITE};
	wait_queue_init(&s->wait);
	return s;
}

static void slow_file_free(struct slow_file *s)
{
	EXPECT_EQ(atomic_read(&s->refs), 0);
	truncate_all(&s->m);
	free_page(s);
}

static void slow_file_go(struct slow_file *s)
{
	smp_store_release(&s->go, true);
	wake_up_all(&s->wait);
}

static vaddr_t map_slow(struct slow_file *s)
{
	long addr = do_mmap(current_mm(), &s->f, 0, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, 0);

	return EXPECT(addr > 0) ? (vaddr_t)addr : 0;
}

/* A fault waits for its page: other faults of the vma go on, and it can even be unmapped. */
static void slow_fault_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	struct slow_file *s = arg;
	vaddr_t a = map_slow(s);
	struct touch slow = {mm, a, 0, VM_FAULT_RETRY};
	struct touch other = {mm, a + PAGE_SIZE, FAULT_FLAG_WRITE, VM_FAULT_RETRY};
	struct beside ts, to;
	bool both;

	CHECK(a);
	both = beside_start(&ts, touch_fn, &slow) && EXPECT(asleep_soon(&ts)) &&
	       beside_start(&to, touch_fn, &other);
	if (both && EXPECT(done_soon(&to))) {
		EXPECT_EQ(other.result, VM_FAULT_MAJOR);
		if (EXPECT(down_write_trylock(&mm->mmap_lock)))
			up_write(&mm->mmap_lock);
		EXPECT_EQ(do_munmap(mm, a, 8 * PAGE_SIZE), 0);
		EXPECT(!ts.done);
	}
	slow_file_go(s);
	beside_join(&ts);
	if (both)
		beside_join(&to);
	EXPECT_EQ(slow.result, VM_FAULT_SIGSEGV_MAPERR);
}
KTEST(parallel, fault_waits_without_locks,
      "a fault that holds its vma or mmap_lock while a page is read")
{
	struct slow_file *s = slow_file_new();

	CHECK(s);
	ktest_with_mm(slow_fault_body, s);
	slow_file_free(s);
}

/* ---- changes wait for faults ------------------------------------------------------------------- */

enum change { UNMAP, UNMAP_PART, MAP_OVER, PROTECT, ADVISE, MOVE, FORK, NR_CHANGES };
static const char *const change_name[] = {"munmap",  "munmap of a part", "mmap over", "mprotect",
					  "madvise", "mremap",           "fork"};

struct change_request {
	struct mm_struct *mm;
	enum change what;
	vaddr_t addr; /* of 2 pages */
	long result;
};

static long change_by_fork(struct mm_struct *mm)
{
	struct mm_struct *child = mm_fork(mm);

	if (IS_ERR(child))
		return PTR_ERR(child);
	mm_put_user(child);
	return 0;
}

static void change_fn(void *arg)
{
	struct change_request *c = arg;
	size_t len = 2 * PAGE_SIZE;

	switch (c->what) {
	case UNMAP:
		c->result = do_munmap(c->mm, c->addr, len);
		break;
	case UNMAP_PART:
		c->result = do_munmap(c->mm, c->addr + PAGE_SIZE, PAGE_SIZE);
		break;
	case MAP_OVER:
		c->result = do_mmap(c->mm, NULL, c->addr, len, PROT_READ,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
		break;
	case PROTECT:
		c->result = do_mprotect(c->mm, c->addr, len, PROT_READ);
		break;
	case ADVISE:
		c->result = do_madvise(c->mm, c->addr, len, MADV_DONTFORK);
		break;
	case MOVE:
		c->result = do_mremap(c->mm, c->addr, len, 2 * len, MREMAP_MAYMOVE, 0);
		break;
	default:
		c->result = change_by_fork(c->mm);
	}
}

/* The test holds the vma as a fault does that is under way there. */
static void change_waits(enum change what)
{
	/* A neighbour above, so that growing means moving. */
	vaddr_t addr = map_anon(PROT_READ | PROT_WRITE, 3);
	struct change_request c = {current_mm(), what, addr, -1};
	struct vm_area_struct *vma;
	struct beside t;

	CHECK(addr);
	CHECK_EQ(do_mprotect(current_mm(), addr + 2 * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(fault(addr, FAULT_FLAG_WRITE), VM_FAULT_DONE);
	vma = vma_at(addr);
	CHECK(beside_make(&t, change_fn, &c));
	down_read(&vma->lock);
	beside_go(&t);
	if (!asleep_soon(&t) || smp_load_acquire(&t.done))
		ktest_fail(__FILE__, __LINE__, "%s does not wait for a fault", change_name[what]);
	if (!t.done) /* else it may be gone */
		up_read(&vma->lock);
	beside_join(&t);
	EXPECT(c.result >= 0);
	EXPECT_EQ(do_munmap(current_mm(), addr, 3 * PAGE_SIZE), 0);
}

static void changes_body(void *arg)
{
	(void)arg;
	for (enum change i = 0; i < NR_CHANGES && !ktest_failed(); i++)
		change_waits(i);
}
KTEST(parallel, changes_wait_for_faults,
      "a vma that changes, or goes, under a fault that is using it")
{
	ktest_with_mm(changes_body, NULL);
}

/* ---- between an entry's end and the flush ------------------------------------------------------ */

static void zap_one(struct mmu_gather *g, struct mm_struct *mm, vaddr_t addr)
{
	tlb_gather_start(g, mm);
	down_read(&mm->mmap_lock);
	zap_range(vma_lookup(mm, addr), addr, addr + PAGE_SIZE, g);
	up_read(&mm->mmap_lock);
}

/* Another CPU may write to the page until the flush: what fsync wrote before is not all. */
static void dirty_body(void *arg)
{
	struct slow_file *s = arg;
	vaddr_t a = map_slow(s) + PAGE_SIZE;
	struct mmu_gather g;
	struct page *page;

	CHECK(a > PAGE_SIZE);
	CHECK_EQ(fault(a, FAULT_FLAG_WRITE), VM_FAULT_MAJOR);
	page = find_get_page(&s->m, 1);
	CHECK(page);
	zap_one(&g, current_mm(), a);
	EXPECT_EQ(filemap_fsync_range(&s->m, 0, 8 * PAGE_SIZE), 0);
	EXPECT(!PageDirty(page));
	tlb_gather_finish(&g);
	EXPECT(PageDirty(page));
	EXPECT(!page_mapped(page));
	EXPECT_EQ(filemap_fsync_range(&s->m, 0, 8 * PAGE_SIZE), 0);
	EXPECT(!PageDirty(page));
	put_page(page);
	EXPECT_EQ(do_munmap(current_mm(), a - PAGE_SIZE, 8 * PAGE_SIZE), 0);
}
KTEST(parallel, dirty_until_flushed,
      "a write between unmapping and flush that is never written back")
{
	struct slow_file *s = slow_file_new();

	CHECK(s);
	ktest_with_mm(dirty_body, s);
	slow_file_free(s);
}

static struct page *page_at(vaddr_t addr)
{
	struct page *page = fault_in_page(current_mm(), addr, false);

	if (!EXPECT(!IS_ERR(page)))
		return NULL;
	put_page(page);
	return page;
}

/* The child has unmapped the page, but a CPU of it may still read it: the parent must not write there. */
static void cow_body(void *arg)
{
	vaddr_t a = map_anon(PROT_READ | PROT_WRITE, 1);
	struct mm_struct *child;
	struct page *shared;
	struct mmu_gather g;

	(void)arg;
	CHECK(a);
	CHECK_EQ(fault(a, FAULT_FLAG_WRITE), VM_FAULT_DONE);
	shared = page_at(a);
	child = mm_fork(current_mm());
	CHECK(!IS_ERR(child));
	zap_one(&g, child, a);
	EXPECT_EQ(fault(a, FAULT_FLAG_WRITE), VM_FAULT_DONE);
	EXPECT(page_at(a) != shared);
	tlb_gather_finish(&g);
	mm_put_user(child);
}
KTEST(parallel, shared_until_flushed, "a page taken for one's own that another CPU can still read")
{
	ktest_with_mm(cow_body, NULL);
}

/* ---- the page lock -------------------------------------------------------------------------------- */

static void take_page_lock(void *arg)
{
	lock_page(arg);
	unlock_page(arg);
}

static void wait_writeback(void *arg)
{
	wait_on_page_writeback(arg);
}

KTEST(parallel, page_waiters, "an unlock that takes the mark of those who wait for the writeback")
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct beside locker, waiter;

	CHECK(page);
	lock_page(page);
	SetPageWriteback(page);
	if (beside_start(&locker, take_page_lock, page)) {
		if (beside_start(&waiter, wait_writeback, page)) {
			EXPECT(asleep_soon(&locker) && asleep_soon(&waiter));
			unlock_page(page);
			EXPECT(done_soon(&locker));
			EXPECT(!waiter.done);
			end_page_writeback(page);
			if (!EXPECT(done_soon(&waiter)))
				thread_wake(&waiter.task->thread);
			beside_join(&waiter);
		}
		beside_join(&locker);
	}
	free_page_struct(page);
}

/* ---- kernel addresses ------------------------------------------------------------------------------ */

struct looker {
	const u64 *p;
	int step; /* odd: the looker's turn */
	u64 seen[2];
};

/* Does not sleep: what its CPU remembers stays. */
static void look_twice(void *arg)
{
	struct looker *l = arg;

	thread_set_affinity(current_thread(), BIT(1));
	for (int i = 0; i < 2; i++) {
		while (smp_load_acquire(&l->step) != 2 * i + 1)
			__builtin_ia32_pause();
		l->seen[i] = READ_ONCE(*l->p);
		smp_store_release(&l->step, 2 * i + 2);
	}
}

static void let_look(struct looker *l, int step)
{
	smp_store_release(&l->step, step);
	while (smp_load_acquire(&l->step) != step + 1)
		__builtin_ia32_pause();
}

KTEST(parallel, vfree_everywhere, "a CPU that still finds the freed page at a kernel address")
{
	struct looker l = {0};
	struct beside b;
	struct page *old;
	u64 *p, *again;

	if (nr_cpu_ids < 2) {
		ktest_skip("needs two CPUs");
		return;
	}
	thread_set_affinity(current_thread(), BIT(0));
	l.p = p = vmalloc(PAGE_SIZE);
	CHECK(p && beside_start(&b, look_twice, &l));
	*p = 1;
	let_look(&l, 1);
	vfree(p);
	old = alloc_page(GFP_KERNEL); /* most likely the same: so the next is another */
	again = vmalloc(PAGE_SIZE);   /* the lowest address that is free */
	if (EXPECT(again == p))
		*again = 2;
	else
		l.p = &l.seen[0];
	let_look(&l, 3);
	beside_join(&b);
	EXPECT_EQ(l.seen[0], 1);
	EXPECT_EQ(l.seen[1], again == p ? 2 : 1);
	vfree(again);
	if (old)
		free_page_struct(old);
}
