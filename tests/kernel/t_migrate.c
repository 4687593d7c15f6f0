/* SPDX-License-Identifier: MIT */
/*
 * Pages that move to other frames while they are in use, and compaction, which lives on that.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/sched/wait.h>
#include <kernel/task.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/uaccess.h>
#include <mm/compaction.h>
#include <mm/failinject.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/lru.h>
#include <mm/migrate.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/tlb.h>
#include <mm/vma.h>
#include <mm/vmscan.h>
#include <tests/kernel/ktest.h>

/* ---- moving a page, and doing things while it is on its way -------------------------------------- */

struct dest {
	struct migrate_target to;
	void (*meanwhile)(void *arg); /* called when pages but the last have lost their ptes */
	void *arg;
	unsigned int given, all;
};

static struct page *dest_get(struct migrate_target *to)
{
	struct dest *d = container_of(to, struct dest, to);

	if (++d->given == d->all && d->meanwhile)
		d->meanwhile(d->arg);
	return alloc_page(GFP_HIGHUSER_MOVABLE);
}

/* n pages from addr on, and how many of them did. */
static unsigned int move_range(struct mm_struct *mm, vaddr_t addr, unsigned int n,
			       void (*meanwhile)(void *), void *arg)
{
	struct dest d = {{dest_get}, meanwhile, arg, 0, n};
	struct page *pages[MIGRATE_BATCH];

	lru_add_drain_all();
	for (unsigned int i = 0; i < n; i++) {
		pages[i] = fault_in_page(mm, addr + i * PAGE_SIZE, false);
		if (!EXPECT(!IS_ERR(pages[i])) || !EXPECT(lru_isolate(pages[i])))
			return 0;
		put_page(pages[i]);
	}
	return migrate_pages(pages, n, &d.to);
}

static bool move_at(struct mm_struct *mm, vaddr_t addr)
{
	return move_range(mm, addr, 1, NULL, NULL) == 1;
}

/* Only a name: not referenced. */
static struct page *page_at(struct mm_struct *mm, vaddr_t addr)
{
	struct page *page = fault_in_page(mm, addr, false);

	if (!EXPECT(!IS_ERR(page)))
		return NULL;
	put_faulted_page(page);
	return page;
}

static u8 byte_at(struct mm_struct *mm, vaddr_t addr)
{
	struct page *page = page_at(mm, addr);

	return page ? *(u8 *)page_address(page) : 0;
}

static bool set_byte(struct mm_struct *mm, vaddr_t addr, u8 value)
{
	struct page *page = fault_in_page(mm, addr, true);

	if (!EXPECT(!IS_ERR(page)))
		return false;
	*(u8 *)page_address(page) = value;
	put_page(page);
	return true;
}

static pte_t pte_at(struct mm_struct *mm, vaddr_t addr)
{
	spinlock_t *ptl;
	pte_t *pte = pte_find_lock(mm, addr, NULL, &ptl), e = __pte(0);

	if (pte) {
		e = ptep_get(pte);
		spin_unlock(ptl);
	}
	return e;
}

static vaddr_t map_anon(unsigned long pages)
{
	long a = do_mmap(current_mm(), NULL, 0, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, 0);

	return EXPECT(a > 0) ? (vaddr_t)a : 0;
}

#define FORKS 6

struct family {
	struct mm_struct *mm[FORKS];
	int n;
};

static void family_free(struct family *f)
{
	while (f->n)
		mm_put_user(f->mm[--f->n]);
}

static bool family_make(struct family *f)
{
	for (f->n = 0; f->n < FORKS; f->n++) {
		/* of the first, of the second ... */
		f->mm[f->n] = mm_fork(f->n ? f->mm[f->n / 2] : current_mm());
		if (!EXPECT(!IS_ERR(f->mm[f->n])))
			return false;
	}
	return true;
}

static void check_tables(struct mm_struct *mm)
{
	down_write(&mm->mmap_lock);
	pgtable_check(mm);
	up_write(&mm->mmap_lock);
}

/* What reclaim knows of a page. */
#define MARKS (1u << PG_referenced | 1u << PG_workingset | 5u << PAGE_GEN_SHIFT)

/* ---- anonymous pages ------------------------------------------------------------------------------ */

static void anon_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	vaddr_t a = map_anon(4);
	struct family f = {};
	struct page *old, *held;
	pte_t was, is;

	(void)arg;
	CHECK(a && set_byte(mm, a, 0x55));
	old = page_at(mm, a);
	__atomic_fetch_or(&old->flags, MARKS, __ATOMIC_RELAXED);
	was = pte_at(mm, a);
	EXPECT(pte_write(was) && pte_dirty(was) && PageAnonExclusive(old));
	EXPECT(move_at(mm, a));
	is = pte_at(mm, a);
	EXPECT(pte_pfn(is) != pte_pfn(was));
	EXPECT_EQ(pte_val(is) & PTE_FLAGS_MASK, pte_val(was) & PTE_FLAGS_MASK);
	EXPECT_EQ(page_count(old), 0);
	EXPECT(PageAnonExclusive(page_at(mm, a)) && PageUptodate(page_at(mm, a)));
	EXPECT_EQ(page_at(mm, a)->flags & MARKS, MARKS);
	EXPECT_EQ(byte_at(mm, a), 0x55);
	/* shared, by children and theirs */
	if (family_make(&f)) {
		old = page_at(mm, a);
		EXPECT(move_at(f.mm[3], a));
		EXPECT_EQ(page_count(old), 0);
		for (int i = 0; i < FORKS; i++)
			EXPECT(page_at(f.mm[i], a) == page_at(mm, a));
		EXPECT_EQ(page_mapcount(page_at(mm, a)), FORKS + 1);
		EXPECT(!pte_write(pte_at(mm, a)) && !PageAnonExclusive(page_at(mm, a)));
		EXPECT_EQ(byte_at(f.mm[5], a), 0x55);
		/* somebody has it in hand: all stays */
		held = fault_in_page(mm, a, false);
		EXPECT(!move_at(mm, a));
		EXPECT(held == page_at(f.mm[4], a) && PageLRU(held));
		EXPECT_EQ(page_mapcount(held), FORKS + 1);
		put_page(held);
		/* still found by who wants to have it alone */
		EXPECT(set_byte(f.mm[1], a, 0x66) && byte_at(f.mm[1], a) == 0x66);
		EXPECT_EQ(byte_at(mm, a), 0x55);
		EXPECT_EQ(page_mapcount(page_at(mm, a)), FORKS);
	}
	family_free(&f);
	check_tables(mm);
}

KTEST(migrate, anon, "a pte that keeps the old page, or comes back with other rights and marks")
{
	ktest_with_mm(anon_body, NULL);
}

#ifdef CONFIG_DEBUG
/* Of a batch, the nth page finds no frame to go to: it stays, and the others move. */
static void no_frame_body(void *arg)
{
	struct mm_struct *mm = current_mm(), *child;
	const unsigned int n = 8;
	vaddr_t a = map_anon(n);

	(void)arg;
	for (unsigned int i = 0; i < n; i++)
		CHECK(a && set_byte(mm, a + i * PAGE_SIZE, (u8)(0x40 + i)));
	child = mm_fork(mm);
	CHECK(!IS_ERR(child));
	for (unsigned int nth = 1; nth <= n; nth++) {
		struct page *stays = page_at(mm, a + (nth - 1) * PAGE_SIZE);

		lru_add_drain_all();
		fail_inject_set(FAIL_PAGE, nth, 1);
		EXPECT_EQ(move_range(mm, a, n, NULL, NULL), n - 1);
		EXPECT_EQ(fail_inject_hits(), 1);
		fail_inject_set(FAIL_PAGE, 0, 0);
		EXPECT(page_at(mm, a + (nth - 1) * PAGE_SIZE) == stays && PageLRU(stays));
		for (unsigned int i = 0; i < n; i++) {
			EXPECT_EQ(byte_at(mm, a + i * PAGE_SIZE), 0x40 + i);
			EXPECT(page_at(mm, a + i * PAGE_SIZE) == page_at(child, a + i * PAGE_SIZE));
			EXPECT_EQ(page_mapcount(page_at(mm, a + i * PAGE_SIZE)), 2);
		}
	}
	check_tables(child);
	mm_put_user(child);
}

KTEST(migrate, no_frame, "a page that is lost, or left with entries, when there is nowhere to go")
{
	ktest_with_mm(no_frame_body, NULL);
}
#endif

/* ---- files ------------------------------------------------------------------------------------------ */

struct file {
	struct address_space m;
	struct mappable f;
	u8 disk; /* what is written back of page 0 */
};

static void no_ref(struct mappable *f)
{
	(void)f;
}

static const struct mappable_ops file_mappable_ops = {.get = no_ref, .put = no_ref};

static int file_read(struct address_space *m, struct page *page)
{
	memset(page_address(page), container_of(m, struct file, m)->disk, PAGE_SIZE);
	SetPageUptodate(page);
	return 0;
}

static int file_write(struct address_space *m, struct page *page)
{
	container_of(m, struct file, m)->disk = *(u8 *)page_address(page);
	return 0;
}

static const struct address_space_operations file_ops = {.readpage = file_read,
							 .writepage = file_write};

static struct file *file_new(unsigned long pages, bool shmem)
{
	struct file *f = get_free_page(GFP_KERNEL | __GFP_ZERO); /* aligned, in the direct map */

	if (!EXPECT(f))
		return NULL;
	mapping_init(&f->m, shmem ? NULL : &file_ops, NULL, shmem);
	f->m.size = (loff_t)(pages * PAGE_SIZE);
	f->f = (struct mappable){&file_mappable_ops, &f->m, MAPPABLE_READ | MAPPABLE_WRITE};
	return f;
}

static void file_free(struct file *f)
{
	truncate_all(&f->m);
	free_page(f);
}

static vaddr_t map_file(struct file *f, int flags)
{
	long a = do_mmap(current_mm(), &f->f, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, flags, 0);

	return EXPECT(a > 0) ? (vaddr_t)a : 0;
}

static void file_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	struct file *f = arg;
	vaddr_t a = map_file(f, MAP_SHARED), b = map_file(f, MAP_PRIVATE);
	unsigned long dirty = vmstat_item(NR_FILE_DIRTY);
	struct family fam = {};
	struct page *old, *new;

	CHECK(a && b && set_byte(mm, a, 0x11) && byte_at(mm, b) == 0x11);
	CHECK(family_make(&fam));
	for (int i = 0; i < FORKS; i++)
		EXPECT_EQ(byte_at(fam.mm[i], a), 0x11);
	old = page_at(mm, a);
	EXPECT(PageDirty(old));
	EXPECT(move_at(mm, a));
	new = find_get_page(&f->m, 0);
	CHECK(new);
	EXPECT(new != old &&page_count(old) == 0);
	EXPECT(PageDirty(new) && PageUptodate(new) && page_mapping(new) == &f->m);
	EXPECT_EQ(page_mapcount(new), FORKS + 2);
	EXPECT(!!pte_write(pte_at(mm, a)) && pte_dirty(pte_at(mm, a)));
	for (int i = 0; i < FORKS; i++)
		EXPECT(page_at(fam.mm[i], a) == new);
	put_page(new);
	if (f->m.ops) {
		EXPECT_EQ(vmstat_item(NR_FILE_DIRTY), dirty + 1);
		EXPECT_EQ(filemap_fsync_range(&f->m, 0, PAGE_SIZE), 0);
		EXPECT_EQ(f->disk, 0x11);
		EXPECT_EQ(vmstat_item(NR_FILE_DIRTY), dirty);
		/* its first write is seen again, also after it has moved */
		EXPECT(move_at(mm, a));
		EXPECT(!pte_write(pte_at(mm, a)));
	}
	EXPECT(set_byte(fam.mm[0], a, 0x22) && byte_at(mm, b) == 0x22);
	family_free(&fam);
}

KTEST(migrate, file, "a file's page that is lost to the file, to those who map it, or to its disk")
{
	struct file *f = file_new(1, false);

	CHECK(f);
	ktest_with_mm(file_body, f);
	file_free(f);
}

KTEST(migrate, shmem, "a page of shared memory that moves away from the file, or from who maps it")
{
	struct file *f = file_new(1, true);

	CHECK(f);
	ktest_with_mm(file_body, f);
	file_free(f);
}

/* ---- what happens while a page is on its way --------------------------------------------------------- */

enum {
	UNTOUCHED,
	UNMAPPED,
	MOVED,
	READ_ONLY,
	NO_ACCESS,
	LOCKED,
	UNLOCKED,
	DROPPED,
	NR_FATES,
};

struct journey {
	struct mm_struct *mm, *child;
	vaddr_t a, moved;
	struct task *task;
	bool ended;
	int woken; /* the fault on the way has been answered */
	struct wait_queue wait;
};

static int fault_main(void *arg)
{
	struct journey *j = arg;

	EXPECT_EQ(handle_mm_fault(j->mm, j->a, FAULT_FLAG_REMOTE | FAULT_FLAG_WRITE),
		  VM_FAULT_DONE);
	smp_store_release(&j->woken, 1);
	ktest_complete(&j->wait, &j->ended);
	return 0;
}

static bool is_asleep(const struct task *t)
{
	return READ_ONCE(t->thread.state) == THREAD_UNINTERRUPTIBLE && !READ_ONCE(t->thread.on_cpu);
}

static void meanwhile(void *arg)
{
	struct journey *j = arg;
	struct mm_struct *mm = j->mm;
	long rss = mm_rss(mm);
	u8 vec[LOCKED];
	vaddr_t a = j->a;

	for (int i = 0; i < NR_FATES; i++)
		EXPECT(pte_is_migration(pte_at(mm, a + i * PAGE_SIZE)));
	EXPECT_EQ(do_mincore(mm, a, LOCKED, vec), LOCKED);
	EXPECT(!memchr_inv(vec, 1, LOCKED));
	check_tables(mm);
	j->child = mm_fork(mm);
	EXPECT_EQ(do_munmap(mm, a + UNMAPPED * PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(mm_rss(mm), rss - 1);
	j->moved = (vaddr_t)do_mremap(mm, a + MOVED * PAGE_SIZE, PAGE_SIZE, 2 * PAGE_SIZE, 1, 0);
	EXPECT_EQ(do_mprotect(mm, a + READ_ONLY * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	EXPECT_EQ(do_mprotect(mm, a + NO_ACCESS * PAGE_SIZE, PAGE_SIZE, 0), 0);
	EXPECT_EQ(do_munlock(mm, a + UNLOCKED * PAGE_SIZE, PAGE_SIZE), 0);
	EXPECT_EQ(do_madvise(mm, a + DROPPED * PAGE_SIZE, PAGE_SIZE, 4), 0);
	EXPECT_EQ(mm_rss(mm), rss - 2);
	check_tables(mm);
	/* A fault waits, and holds nothing that others need. */
	j->task = kthread_run(fault_main, j, "fault");
	if (EXPECT(!IS_ERR(j->task)))
		EXPECT(SOON(is_asleep(j->task)) && !smp_load_acquire(&j->woken));
	if (EXPECT(down_write_trylock(&mm->mmap_lock)))
		up_write(&mm->mmap_lock);
}

static void journey_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	struct journey j = {.mm = mm, .a = map_anon(NR_FATES + 1)};
	vaddr_t a = j.a;

	(void)arg;
	wait_queue_init(&j.wait);
	mm->may_lock = true;
	for (int i = 0; i <= NR_FATES; i++)
		CHECK(set_byte(mm, a + i * PAGE_SIZE, (u8)(0x80 + i)));
	EXPECT_EQ(do_mlock(mm, a + UNLOCKED * PAGE_SIZE, PAGE_SIZE, 0), 0);
	EXPECT_EQ(do_mlock(mm, a + LOCKED * PAGE_SIZE, PAGE_SIZE, 0), 0);
	EXPECT_EQ(move_range(mm, a, NR_FATES + 1, meanwhile, &j), NR_FATES + 1);
	CHECK(j.task && !IS_ERR(j.task) && !IS_ERR(j.child));
	ktest_wait(&j.wait, &j.ended);
	check_tables(mm);
	check_tables(j.child);
	for (int i = 0; i < NR_FATES; i++)
		EXPECT_EQ(byte_at(j.child, a + i * PAGE_SIZE), 0x80 + i);
	EXPECT_EQ(byte_at(mm, a), 0x80);
	EXPECT_EQ(byte_at(mm, j.moved), 0x80 + MOVED);
	EXPECT(pte_none(pte_at(mm, a + UNMAPPED * PAGE_SIZE)));
	EXPECT(!pte_write(pte_at(mm, a + READ_ONLY * PAGE_SIZE)));
	EXPECT(pte_protnone(pte_at(mm, a + NO_ACCESS * PAGE_SIZE)));
	EXPECT(PageMlocked(page_at(mm, a + LOCKED * PAGE_SIZE)));
	EXPECT(PageUnevictable(page_at(mm, a + LOCKED * PAGE_SIZE)));
	EXPECT(!PageMlocked(page_at(mm, a + UNLOCKED * PAGE_SIZE)));
	EXPECT_EQ(byte_at(mm, a + DROPPED * PAGE_SIZE), 0);
	/* neither side writes what the other reads */
	EXPECT(set_byte(mm, j.moved, 1) && set_byte(j.child, a + LOCKED * PAGE_SIZE, 2));
	EXPECT_EQ(byte_at(j.child, a + MOVED * PAGE_SIZE), 0x80 + MOVED);
	EXPECT_EQ(byte_at(mm, a + LOCKED * PAGE_SIZE), 0x80 + LOCKED);
	mm_put_user(j.child);
}

KTEST(migrate, meanwhile,
      "a call that stumbles over a migration entry, or a fault that does not wait")
{
	ktest_with_mm(journey_body, NULL);
}

/* The whole space goes while its page is on its way. */
static void end_space(void *arg)
{
	mm_put_user(arg);
}

static void killed_body(void *arg)
{
	vaddr_t a = map_anon(2);
	struct mm_struct *child;

	(void)arg;
	CHECK(a && set_byte(current_mm(), a, 1) && set_byte(current_mm(), a + PAGE_SIZE, 2));
	child = mm_fork(current_mm());
	CHECK(!IS_ERR(child));
	CHECK(set_byte(child, a, 3)); /* its own, in its own anon_vma */
	EXPECT_EQ(move_range(child, a, 2, end_space, child), 2);
	EXPECT_EQ(byte_at(current_mm(), a), 1);
	EXPECT_EQ(byte_at(current_mm(), a + PAGE_SIZE), 2);
}

KTEST(migrate, killed, "a page, or the way back to its ptes, lost when its process ends meanwhile")
{
	ktest_with_mm(killed_body, NULL);
}

/* ---- other CPUs -------------------------------------------------------------------------------------- */

#define ROUNDS 300

/* Counts up in a page by its address, from a CPU that has the space loaded, without a fault if it can. */
struct counter {
	struct mm_struct *mm;
	vaddr_t addr;
	u32 count, lost;
	bool stop, ended;
	struct wait_queue wait;
};

static int counter_main(void *p)
{
	struct counter *c = p;
	struct thread *t = current_thread();
	unsigned long flags;

	mm_get_user(c->mm);
	mm_activate(c->mm);
	while (!smp_load_acquire(&c->stop)) {
		u32 v = 0;

		if (copy_from_user(&v, (void __user *)c->addr, sizeof(v)) || v != c->count)
			WRITE_ONCE(c->lost, c->lost + 1);
		v = c->count + 1;
		if (!copy_to_user((void __user *)c->addr, &v, sizeof(v)))
			WRITE_ONCE(c->count, v);
		cond_resched();
	}
	t->mm = NULL;
	flags = local_irq_save();
	mm_leave_lazy();
	local_irq_restore(flags);
	mm_put_user(c->mm);
	ktest_complete(&c->wait, &c->ended);
	return 0;
}

static void smp_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	struct counter c = {.mm = mm, .addr = map_anon(1)};
	unsigned int moved = 0;
	u32 v = ~0u;

	(void)arg;
	CHECK(c.addr && set_byte(mm, c.addr, 0));
	wait_queue_init(&c.wait);
	CHECK(!IS_ERR(kthread_run(counter_main, &c, "counter")));
	for (int i = 0; i < ROUNDS; i++) {
		u32 seen = READ_ONCE(c.count);

		moved += move_at(mm, c.addr);
		EXPECT(SOON(READ_ONCE(c.count) != seen));
	}
	smp_store_release(&c.stop, true);
	ktest_wait(&c.wait, &c.ended);
	EXPECT_EQ(copy_from_user(&v, (void __user *)c.addr, sizeof(v)), 0);
	EXPECT_EQ(v, c.count);
	EXPECT_EQ(c.lost, 0);
	EXPECT(moved > ROUNDS / 4);
}

KTEST(migrate, other_cpus_write,
      "a byte that another CPU wrote into the old page, and that is lost")
{
	if (nr_cpu_ids < 2) {
		ktest_skip("one CPU");
		return;
	}
	ktest_with_mm(smp_body, NULL);
}

/* ---- compaction ---------------------------------------------------------------------------------------- */

#define ORDER 3
#define NOW   (GFP_NOWAIT | __GFP_NOWARN)
#define WAIT  (GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

/* Chained by their indices; 0 ends it. */
static void push(u32 *list, struct page *p)
{
	p->index = *list;
	*list = (u32)page_to_pfn(p);
}

static struct page *pop(u32 *list)
{
	struct page *p = *list ? pfn_to_page(*list) : NULL;

	if (p)
		*list = p->index;
	return p;
}

/* Memory is free, but of each eight neighbours one is in use, by the file; what is left of blocks goes
 * to *rest. How many pages the file has. */
static u64 fragment(struct address_space *m, u32 *rest)
{
	u32 all = 0, keep = 0;
	struct page *p;
	u64 n = 0;

	drop_clean_cache();
	slab_shrink(100);
	drain_all_pages();
	while ((p = alloc_page(NOW | __GFP_MOVABLE)) != NULL)
		push(&all, p);
	while ((p = pop(&all)) != NULL)
		if (page_to_pfn(p) % (1 << ORDER))
			put_page(p);
		else
			push(&keep, p);
	while ((p = pop(&keep)) != NULL) {
		SetPageLocked(p);
		memset(page_address(p), (int)n, PAGE_SIZE);
		SetPageUptodate(p);
		if (EXPECT_EQ(add_to_page_cache(p, m, n, GFP_KERNEL), 0))
			n++;
		unlock_page(p);
		put_page(p);
	}
	drain_all_pages();
	while ((p = alloc_pages(NOW, ORDER)) != NULL)
		push(rest, p);
	return n;
}

/* Whatever a request asks for itself may fail while it compacts. */
static void fail_each(u32 *rest __unused)
{
#ifdef CONFIG_DEBUG
	for (unsigned int nth = 1, hits = 1; hits && EXPECT(nth < 8); nth++) {
		struct page *p;

		fail_inject_arm(FAIL_ANY, nth, 1);
		p = alloc_pages(WAIT, ORDER);
		hits = (unsigned int)fail_inject_hits();
		fail_inject_arm(0, 0, 0);
		if (p)
			push(rest, p);
		EXPECT(p || hits);
	}
#endif
}

KTEST(compaction, order_3,
      "a large block that is not made although all of its pages could move away")
{
	struct file *f = totalram_pages() > 1UL << 17 ? NULL : file_new(0, true);
	unsigned long success, moved;
	int before = sysctl_extfrag_threshold;
	struct zone *z;
	struct page *p;
	u32 rest = 0;
	u64 n;

	if (!f) {
		ktest_skip("filling over 512 MiB takes minutes");
		return;
	}
	n = fragment(&f->m, &rest);
	EXPECT(n > 100);
	for (u64 i = 0; i < n; i += 16) /* some are in somebody's hand, and stay */
		EXPECT(find_get_page(&f->m, i));
	EXPECT(!alloc_pages(NOW, ORDER));
	/* without it: there is nothing to reclaim */
	sysctl_extfrag_threshold = 1000;
	success = vmstat_event(COMPACT_STALL);
	EXPECT(!alloc_pages(WAIT, ORDER));
	EXPECT_EQ(vmstat_event(COMPACT_STALL), success);
	sysctl_extfrag_threshold = before;
	/* with it, also where the last run was nearly through */
	for_each_zone(z)
		z->compact_migrate = z->start_pfn + z->spanned - 1;
	success = vmstat_event(COMPACT_SUCCESS);
	moved = vmstat_event(PGMIGRATE_SUCCESS);
	for (int i = 0; i < 8 && (p = alloc_pages(WAIT, ORDER)); i++)
		push(&rest, p);
	EXPECT(p);
	fail_each(&rest);
	EXPECT(vmstat_event(COMPACT_SUCCESS) > success);
	EXPECT(vmstat_event(PGMIGRATE_SUCCESS) > moved);
	lru_check();
	while ((p = pop(&rest)) != NULL)
		free_pages_block(p, ORDER);
	for (u64 i = 0; i < n; i++) {
		p = find_get_page(&f->m, i);
		EXPECT(p && !memchr_inv(page_address(p), (int)(u8)i, PAGE_SIZE));
		put_page(p);
		if (i % 16 == 0)
			put_page(p);
	}
	file_free(f);
}

KTEST(compaction, in_vain, "pages that cannot move, and each request that tries it once more")
{
	u32 all = 0, keep = 0;
	unsigned long stalls;
	struct zone *z;
	struct page *p;

	if (totalram_pages() > 1UL << 17) {
		ktest_skip("filling over 512 MiB takes minutes");
		return;
	}
	drop_clean_cache();
	slab_shrink(100);
	drain_all_pages();
	while ((p = alloc_page(NOW)) != NULL)
		push(&all, p);
	while ((p = pop(&all)) != NULL)
		if (page_to_pfn(p) % (1 << ORDER))
			put_page(p);
		else
			push(&keep, p);
	drain_all_pages();
	while ((p = alloc_pages(NOW, ORDER)) != NULL)
		push(&all, p);
	stalls = vmstat_event(COMPACT_STALL);
	for (int i = 0; i < 32; i++)
		EXPECT(!alloc_pages(WAIT, ORDER));
	stalls = vmstat_event(COMPACT_STALL) - stalls;
	EXPECT(stalls > 0 && stalls < 12); /* 5, or 10 in two zones by turns */
	while ((p = pop(&all)) != NULL)
		free_pages_block(p, ORDER);
	while ((p = pop(&keep)) != NULL)
		put_page(p);
	for_each_zone(z)
		z->compact_order_failed = z->compact_shift = 0;
}

KTEST(compaction, all, "vm.compact_memory that leaves the pieces where they are")
{
	unsigned long total = totalram_pages(), large = 0, larger = 0;
	struct file *f = total < 6000 || total > 1UL << 17 ? NULL : file_new(0, true);
	struct zone_info zi;
	u32 rest = 0;
	struct page *p;

	if (!f) {
		ktest_skip(
			"needs 32 to 512 MiB: enough large blocks, and not minutes to fill them");
		return;
	}
	fragment(&f->m, &rest);
	for (unsigned int z = 0; zone_info_get(z, &zi); z++)
		large += zi.nr_free[MAX_ORDER];
	compact_memory();
	for (unsigned int z = 0; zone_info_get(z, &zi); z++)
		larger += zi.nr_free[MAX_ORDER];
	EXPECT_EQ(large, 0);
	EXPECT(larger * (1UL << MAX_ORDER) > totalram_pages() / 8);
	while ((p = pop(&rest)) != NULL)
		free_pages_block(p, ORDER);
	file_free(f);
}
