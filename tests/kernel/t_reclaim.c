/* SPDX-License-Identifier: MIT */
/*
 * LRU lists and the states of a page; which pages are in use; taking pages away from those who map them.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/task.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/uaccess.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/lru.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/tlb.h>
#include <mm/vma.h>
#include <mm/vmscan.h>
#include <tests/kernel/ktest.h>

#define PROT_RW       3
#define MAP_SHARED    0x01
#define MAP_PRIVATE   0x02
#define MAP_ANONYMOUS 0x20

/* ---- a file whose disk is an array ----------------------------------------------------------- */

#define PAGES 64UL

struct disk_file {
	struct address_space m;
	struct mappable f;
	int reads, writes;
	u8 disk[PAGES]; /* what each page is full of */
};

static void no_ref(struct mappable *f)
{
	(void)f;
}

static const struct mappable_ops disk_mappable_ops = {.get = no_ref, .put = no_ref};

static int disk_read(struct address_space *m, struct page *page)
{
	struct disk_file *d = container_of(m, struct disk_file, m);

	memset(page_address(page), d->disk[page->index], PAGE_SIZE);
	SetPageUptodate(page);
	d->reads++;
	return 0;
}

static int disk_write(struct address_space *m, struct page *page)
{
	struct disk_file *d = container_of(m, struct disk_file, m);

	d->disk[page->index] = *(u8 *)page_address(page);
	d->writes++;
	return 0;
}

static const struct address_space_operations disk_ops = {.readpage = disk_read,
							 .writepage = disk_write};

/* In a page of its own: an address_space is aligned, and in the direct map. */
static struct disk_file *disk_new(void)
{
	struct disk_file *d = get_free_page(GFP_KERNEL | __GFP_ZERO);

	if (!EXPECT(d))
		return NULL;
	mapping_init(&d->m, &disk_ops, NULL, false);
	d->m.size = PAGES * PAGE_SIZE;
	d->f = (struct mappable){&disk_mappable_ops, &d->m, MAPPABLE_READ | MAPPABLE_WRITE};
	for (unsigned long i = 0; i < PAGES; i++)
		d->disk[i] = (u8)(i + 1);
	return d;
}

static void disk_free(struct disk_file *d)
{
	truncate_all(&d->m);
	free_page(d);
}

/* Read in, and on its list; referenced. */
static struct page *disk_page(struct disk_file *d, u64 index)
{
	struct page *page = filemap_get_page(&d->m, index, true, NULL);

	if (!EXPECT(!IS_ERR_OR_NULL(page)))
		return NULL;
	lru_add_drain_all();
	return page;
}

static enum lru_kind on_list(const struct page *p)
{
	if (!PageLRU(p))
		return NR_LRU_KINDS;
	return (PageSwapBacked(p) ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE) + PageActive(p);
}

/* ---- lists ----------------------------------------------------------------------------------- */

KTEST(lru, states, "a page on a wrong list, on two, or on none")
{
	struct disk_file *d = disk_new();
	struct page *page, *again;

	CHECK(d);
	page = filemap_get_page(&d->m, 0, true, NULL);
	EXPECT(PagePending(page) && !PageLRU(page));
	/* out of the batch, then on the list */
	EXPECT(lru_isolate(page) && !PagePending(page) && page_count(page) == 3);
	EXPECT(!lru_isolate(page));
	lru_add_drain_all();
	EXPECT(!PageLRU(page));
	lru_putback(page);
	EXPECT_EQ(on_list(page), LRU_INACTIVE_FILE);
	EXPECT_EQ(page_count(page), 2);
	mark_page_accessed(page);
	EXPECT_EQ(on_list(page), LRU_INACTIVE_FILE);
	mark_page_accessed(page);
	EXPECT_EQ(on_list(page), LRU_ACTIVE_FILE);
	lru_check();
	EXPECT(lru_isolate(page));
	SetPageMlocked(page);
	lru_putback(page);
	EXPECT(PageUnevictable(page));
	lru_check();
	EXPECT(lru_isolate(page));
	ClearPageMlocked(page);
	lru_putback(page);
	EXPECT_EQ(on_list(page), LRU_ACTIVE_FILE);
	/* its last reference goes while it is isolated: freed at the putback */
	EXPECT(lru_isolate(page));
	again = disk_page(d, 1);
	EXPECT_EQ(truncate_setsize(&d->m, 0), 0);
	EXPECT_EQ(page_count(page), 2);
	put_page(page);
	lru_putback(page);
	EXPECT_EQ(page_count(page), 0);
	put_page(again);
	lru_check();
	disk_free(d);
}

KTEST(lru, pending_freed, "a page freed or used anew while its number is in a batch, then linked")
{
	unsigned long before, round = 0;

	lru_add_drain_all();
	before = lru_pages(LRU_INACTIVE_ANON) + lru_pages(LRU_INACTIVE_FILE);
	for (; round < 5 * LRU_BATCH; round++) {
		struct page *p = alloc_page(GFP_KERNEL);

		CHECK(p);
		if (round % 3)
			lru_add(p);
		if (round % 5 == 0)
			lru_add_drain();
		if (round % 7 == 0)
			lru_add_drain_all();
		put_page(p);
		lru_check();
	}
	lru_add_drain_all();
	EXPECT_EQ(lru_pages(LRU_INACTIVE_ANON) + lru_pages(LRU_INACTIVE_FILE), before);
}

/* ---- pages mapped by many --------------------------------------------------------------------- */

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
		struct mm_struct *mm = mm_fork(f->n ? f->mm[f->n / 2] : current_mm());

		if (!EXPECT(!IS_ERR(mm)))
			return false;
		f->mm[f->n] = mm;
	}
	return true;
}

static vm_fault_t touch(struct mm_struct *mm, vaddr_t addr, unsigned int flags)
{
	return handle_mm_fault(mm, addr, FAULT_FLAG_REMOTE | flags);
}

static long map_file(struct disk_file *d, int flags)
{
	return do_mmap(current_mm(), &d->f, 0, PAGES * PAGE_SIZE, PROT_RW, flags, 0);
}

static int referenced(struct page *page)
{
	struct unmap_batch b = {};
	unsigned long vm_flags;
	int n;

	lock_page(page);
	n = page_referenced(page, &vm_flags, &b);
	unlock_page(page);
	unmap_batch_flush(&b);
	return n;
}

static void referenced_body(void *arg)
{
	struct family f = {};
	long a = do_mmap(current_mm(), NULL, 0, 4 * PAGE_SIZE, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS,
			 0);
	struct page *page;
	char c;

	(void)arg;
	CHECK(a > 0);
	page = fault_in_page(current_mm(), (vaddr_t)a, true);
	CHECK(!IS_ERR(page));
	if (family_make(&f)) {
		EXPECT_EQ(page_mapcount(page), FORKS + 1);
		EXPECT_EQ(copy_from_user(&c, (void __user *)a, 1), 0);
		EXPECT_EQ(referenced(page), FORKS + 1);
		EXPECT_EQ(referenced(page), 0);
		/* The flush has made the processor set the bit again, which knew the page before. */
		EXPECT_EQ(copy_from_user(&c, (void __user *)a, 1), 0);
		EXPECT_EQ(referenced(page), 1);
		EXPECT_EQ(do_munmap(f.mm[2], (vaddr_t)a, PAGE_SIZE), 0);
		EXPECT_EQ(page_mapcount(page), FORKS);
		EXPECT_EQ(referenced(page), 0);
	}
	family_free(&f);
	put_page(page);
}

KTEST(reclaim, referenced, "a use of a page that reclaim does not see, or sees twice")
{
	ktest_with_mm(referenced_body, NULL);
}

static unsigned long reclaim_one(struct page *page)
{
	lru_add_drain_all();
	if (!EXPECT(lru_isolate(page)))
		return 0;
	put_page(page); /* the isolation's is left */
	return reclaim_isolated(&page, 1);
}

/* A file page mapped by seven spaces, in pieces, some of them moved. */
static void unmap_file_body(void *arg)
{
	struct disk_file *d = arg;
	struct mm_struct *mm = current_mm();
	long a = map_file(d, MAP_SHARED);
	struct family f = {};
	struct page *page;

	CHECK(a > 0);
	CHECK(family_make(&f));
	CHECK_EQ(do_mprotect(f.mm[1], (vaddr_t)a + 3 * PAGE_SIZE, PAGE_SIZE, 1), 0);
	for (int i = 0; i < FORKS; i++)
		EXPECT(touch(f.mm[i], (vaddr_t)a + 3 * PAGE_SIZE, 0) <= VM_FAULT_MAJOR);
	EXPECT(do_mremap(f.mm[2], (vaddr_t)a, PAGES * PAGE_SIZE, 2 * PAGES * PAGE_SIZE, 1, 0) > 0);
	EXPECT(touch(mm, (vaddr_t)a + 3 * PAGE_SIZE, FAULT_FLAG_WRITE) <= VM_FAULT_MAJOR);
	page = find_get_page(&d->m, 3);
	CHECK(page);
	EXPECT_EQ(page_mapcount(page), FORKS + 1);
	*(u8 *)page_address(page) = 0x77;
	EXPECT_EQ(reclaim_one(page), 1);
	EXPECT(!find_get_page(&d->m, 3));
	EXPECT_EQ(d->disk[3], 0x77);
	EXPECT_EQ(d->writes, 1);
	/* Another's reference keeps it. */
	page = disk_page(d, 3);
	get_page(page);
	EXPECT_EQ(reclaim_one(page), 0);
	EXPECT(PageLRU(page) && page_mapping(page) == &d->m);
	put_page(page);
	/* So does one who has locked it in memory. */
	mm->may_lock = true;
	EXPECT_EQ(do_mlock(mm, (vaddr_t)a + 3 * PAGE_SIZE, PAGE_SIZE, 0), 0);
	page = find_get_page(&d->m, 3);
	EXPECT_EQ(reclaim_one(page), 0);
	EXPECT_EQ(page_mapcount(page), 1);
	EXPECT_EQ(do_munlock(mm, (vaddr_t)a + 3 * PAGE_SIZE, PAGE_SIZE), 0);
	page = find_get_page(&d->m, 3);
	EXPECT(!PageMlocked(page));
	EXPECT_EQ(reclaim_one(page), 1);
	family_free(&f);
}

KTEST(reclaim, file_pages, "a mapping that is left, a change that is lost, a locked page taken")
{
	struct disk_file *d = disk_new();

	CHECK(d);
	ktest_with_mm(unmap_file_body, d);
	disk_free(d);
}

KTEST(reclaim, drop_caches, "a clean page that stays, or a dirty or mapped one that goes")
{
	struct disk_file *d = disk_new();
	struct page *page;

	CHECK(d);
	for (u64 i = 0; i < PAGES; i++)
		put_page(disk_page(d, i));
	page = find_lock_page(&d->m, 5);
	set_page_dirty(page);
	unlock_page(page);
	put_page(page);
	EXPECT_EQ(d->m.nrpages, PAGES);
	drop_clean_cache();
	EXPECT_EQ(d->m.nrpages, 1);
	EXPECT_EQ(d->reads, PAGES);
	EXPECT_EQ(filemap_fsync_range(&d->m, 0, PAGES * PAGE_SIZE), 0);
	drop_clean_cache();
	EXPECT_EQ(d->m.nrpages, 0);
	disk_free(d);
}

static void allocate_all(void)
{
	struct disk_file *d = disk_new();
	struct page *pages = NULL, *p;
	unsigned long n = 0;

	CHECK(d);
	for (u64 i = 0; i < PAGES; i++)
		put_page(disk_page(d, i));
	while (d->m.nrpages && (p = alloc_page(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY))) {
		p->index = (u32)page_to_pfn(pages ? pages : p);
		p->owner = pages != NULL;
		pages = p;
		n++;
	}
	EXPECT_EQ(d->m.nrpages, 0);
	while (pages) {
		p = pages;
		pages = p->owner ? pfn_to_page(p->index) : NULL;
		put_page(p);
	}
	EXPECT(n);
	disk_free(d);
}

KTEST(reclaim, allocation, "an allocation that fails although clean pages could make room")
{
	allocate_all();
}

KTEST(reclaim, only_files, "clean pages of files kept for swappiness's sake, with no swap")
{
	int before = sysctl_swappiness;

	sysctl_swappiness = 200;
	allocate_all();
	sysctl_swappiness = before;
}

/* ---- refault distance ------------------------------------------------------------------------ */

struct refaults {
	unsigned long refault, activate, restore;
};

static struct refaults refaults(bool file)
{
	return (struct refaults){vmstat_item(WORKINGSET_REFAULT_ANON + file),
				 vmstat_item(WORKINGSET_ACTIVATE_ANON + file),
				 vmstat_item(WORKINGSET_RESTORE_ANON + file)};
}

static void expect_refaults(bool file, struct refaults before, unsigned long refault,
			    unsigned long activate, unsigned long restore)
{
	struct refaults now = refaults(file);

	EXPECT_EQ(now.refault - before.refault, refault);
	EXPECT_EQ(now.activate - before.activate, activate);
	EXPECT_EQ(now.restore - before.restore, restore);
}

/* Out, and after so many others that went, in again. */
static void there_and_back(struct disk_file *d, u64 index, unsigned long others, bool active)
{
	struct page *page = disk_page(d, index), *around[4];

	EXPECT_EQ(reclaim_one(page), 1);
	EXPECT(!find_get_page(&d->m, index));
	EXPECT(!find_lock_page(&d->m, index));
	filemap_get_cached(&d->m, index, 1, around);
	EXPECT(!around[0]);
	while (others--)
		workingset_age();
	page = disk_page(d, index);
	EXPECT_EQ(*(u8 *)page_address(page), d->disk[index]);
	EXPECT_EQ(on_list(page), active ? LRU_ACTIVE_FILE : LRU_INACTIVE_FILE);
	put_page(page);
}

KTEST(reclaim, refault, "a page that comes back soon is not kept, or one that comes back late is")
{
	struct disk_file *d = disk_new();
	struct refaults before = refaults(true);
	struct page *page;

	CHECK(d);
	for (u64 i = 0; i < 40; i++) {
		page = disk_page(d, i);
		mark_page_accessed(page);
		mark_page_accessed(page);
		put_page(page);
	}
	there_and_back(d, 50, 30, true);
	expect_refaults(true, before, 1, 1, 0);
	there_and_back(d, 51, lru_pages(LRU_ACTIVE_FILE) - 1, true);
	there_and_back(d, 52, lru_pages(LRU_ACTIVE_FILE), false);
	expect_refaults(true, before, 3, 2, 0);
	/* One that had been active, and sunk. */
	deactivate_pages(page_zone(page), LRU_ACTIVE_FILE, 1);
	EXPECT(!PageActive(page = disk_page(d, 0)) && PageWorkingset(page));
	put_page(page);
	there_and_back(d, 0, 0, true);
	expect_refaults(true, before, 4, 3, 1);
	/* Nothing is remembered of what went for another reason. */
	EXPECT_EQ(truncate_setsize(&d->m, 0), 0);
	EXPECT(radix_empty(&d->m.pages));
	d->m.size = PAGES * PAGE_SIZE;
	put_page(disk_page(d, 60));
	drop_clean_cache();
	EXPECT(radix_empty(&d->m.pages));
	put_page(disk_page(d, 60));
	EXPECT_EQ(invalidate_mapping(&d->m), 1);
	EXPECT(radix_empty(&d->m.pages));
	expect_refaults(true, before, 4, 3, 1);
	disk_free(d);
}

static int zero_read(struct address_space *m __unused, struct page *page)
{
	clear_page(page_address(page));
	SetPageUptodate(page);
	return 0;
}

static const struct address_space_operations zero_ops = {.readpage = zero_read};

/* n pages, a leaf of the tree each, read and evicted. */
static void evict_sparse(struct disk_file *d, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		EXPECT_EQ(reclaim_one(disk_page(d, i * RADIX_SLOTS)), 1);
		if (i % 64 == 0)
			workingset_forget(false);
	}
}

KTEST(reclaim, shadows, "shadows that pin memory, or are left when their file has gone")
{
	struct disk_file *d = disk_new(), *other = disk_new();
	unsigned long max = 0, n;

	CHECK(d && other);
	for (u64 i = 0; i < PAGES; i++)
		put_page(disk_page(other, i));
	workingset_forget(true);
	EXPECT_EQ(vmstat_item(WORKINGSET_NODES), 0);
	mapping_init(&d->m, &zero_ops, NULL, false);
	d->m.size = 1L << 40;
	for (enum lru_kind kind = 0; kind < NR_LRU_KINDS; kind++)
		max += lru_pages(kind) / 8;
	evict_sparse(d, max + 100);
	workingset_forget(false);
	n = vmstat_item(WORKINGSET_NODES);
	EXPECT(n > max / 2 && n <= max);
	/* The oldest were forgotten, the newest not. */
	EXPECT(!radix_lookup(&d->m.pages, 0));
	EXPECT(radix_is_value(radix_lookup(&d->m.pages, (max + 99) * RADIX_SLOTS)));
	/* A leaf with a page is not one that shadows pin. */
	put_page(disk_page(d, (max + 99) * RADIX_SLOTS + 1));
	EXPECT_EQ(vmstat_item(WORKINGSET_NODES), n - 1);
	radix_check(&d->m.pages);
	EXPECT_EQ(truncate_setsize(&d->m, 0), 0);
	EXPECT_EQ(vmstat_item(WORKINGSET_NODES), 0);
	d->m.size = 1L << 40;
	evict_sparse(d, 8);
	EXPECT_EQ(vmstat_item(WORKINGSET_NODES), 8);
	EXPECT(mapping_in_use(&d->m));
	disk_free(d);
	EXPECT_EQ(vmstat_item(WORKINGSET_NODES), 0);
	disk_free(other);
}

/* ---- other CPUs -------------------------------------------------------------------------------- */

/* Reads a user address from a CPU that has the space loaded; waits there for the next order without
 * leaving it, so that whatever its TLB holds stays. */
struct reader {
	struct mm_struct *mm;
	vaddr_t addr;
	int order, done; /* numbers of reads */
	u8 value;
	struct wait_queue wait;
	bool ended;
};

static int reader_main(void *p)
{
	struct reader *r = p;
	struct thread *t = current_thread();
	unsigned long flags;

	mm_get_user(r->mm);
	mm_activate(r->mm);
	for (int i = 1; i <= 2; i++) {
		while (smp_load_acquire(&r->order) < i)
			cpu_relax();
		if (copy_from_user(&r->value, (void __user *)r->addr, 1))
			r->value = 0xff;
		smp_store_release(&r->done, i);
	}
	t->mm = NULL;
	flags = local_irq_save();
	mm_leave_lazy();
	local_irq_restore(flags);
	mm_put_user(r->mm);
	ktest_complete(&r->wait, &r->ended);
	return 0;
}

static void flush_body(void *arg)
{
	struct disk_file *d = arg;
	long a = map_file(d, MAP_SHARED);
	struct reader r = {.mm = current_mm(), .addr = (vaddr_t)a};
	struct page *page;
	struct task *t;

	CHECK(a > 0);
	wait_queue_init(&r.wait);
	t = kthread_run(reader_main, &r, "reader");
	CHECK(!IS_ERR(t));
	smp_store_release(&r.order, 1);
	while (smp_load_acquire(&r.done) < 1)
		sched_yield();
	EXPECT_EQ(r.value, 1);
	page = find_get_page(&d->m, 0);
	get_page(page); /* so that its memory stays what it was */
	lru_add_drain_all();
	if (EXPECT(lru_isolate(page))) {
		put_page(page);
		EXPECT_EQ(reclaim_isolated(&page, 1), 0); /* unmapped, but not freed */
		EXPECT_EQ(page_mapcount(page), 0);
		d->disk[0] = 99;
		EXPECT(lru_isolate(page));
		put_page(page);
		EXPECT_EQ(reclaim_isolated(&page, 1), 1);
	} else {
		put_page(page);
	}
	smp_store_release(&r.order, 2);
	ktest_wait(&r.wait, &r.ended);
	EXPECT_EQ(r.value, 99);
}

KTEST(reclaim, other_cpus_forget, "a CPU that still reads a page which reclaim has taken")
{
	struct disk_file *d;

	if (nr_cpu_ids < 2) {
		ktest_skip("one CPU");
		return;
	}
	d = disk_new();
	CHECK(d);
	ktest_with_mm(flush_body, d);
	disk_free(d);
}

static const char *const policy_names[] = {"clock", "fifo", "aging", "two-list"};

/* Each frees what nobody uses; all but one spare, once, what is in use. */
static void policy_body(void *arg)
{
	struct disk_file *d = arg;
	long a = map_file(d, MAP_SHARED);
	char c;

	CHECK(a > 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(policy_names); i++) {
		bool fifo = !strcmp(policy_names[i], "fifo");
		struct page *page;

		CHECK_EQ(reclaim_policy_set(policy_names[i]), 0);
		EXPECT(!strcmp(reclaim_policy_name(), policy_names[i]));
		for (u64 n = 0; n < PAGES; n++) {
			page = disk_page(d, n);
			for (int use = 0; n > 60 && use < 3; use++)
				mark_page_accessed(page); /* active: no policy keeps it for ever */
			put_page(page);
		}
		CHECK_EQ(copy_from_user(&c, (void __user *)a, 1), 0);
		/* 32 pages, of 64; the fault has mapped 16 */
		reclaim_pages(GFP_KERNEL, 5);
		page = find_get_page(&d->m, 0);
		EXPECT(fifo || page);
		if (page)
			put_page(page);
		for (int round = 0; round < 50 && d->m.nrpages; round++)
			reclaim_pages(GFP_KERNEL, 5);
		EXPECT_EQ(d->m.nrpages, 0);
	}
}

KTEST(reclaim, policies, "a policy that frees nothing, or takes what is in use first")
{
	struct disk_file *d = disk_new();

	CHECK(d);
	EXPECT_EQ(reclaim_policy_set("none"), -EINVAL);
	EXPECT_EQ(reclaim_policy_set(""), -EINVAL);
	ktest_with_mm(policy_body, d);
	EXPECT_EQ(reclaim_policy_set("two-list"), 0);
	disk_free(d);
}

static struct page *judged;

/* As often as there are figures (of uses since the last look), which verdict? */
static void judge(const struct reclaim_policy *pol, unsigned long vm_flags, const char *uses,
		  const char *verdicts)
{
	for (; *uses; uses++, verdicts++)
		EXPECT_EQ("KAT"[pol->judge(judged, *uses - '0', vm_flags)], *verdicts);
}

KTEST(reclaim, judges, "a policy that forgets a use, or remembers it for ever")
{
	judged = alloc_page(GFP_KERNEL);
	CHECK(judged);
	judge(&policy_two_list, 0, "0100", "TKTT"); /* one use is remembered until the next look */
	judge(&policy_two_list, 0, "11", "KA");
	judge(&policy_two_list, 0, "02", "TA");
	judge(&policy_two_list, VM_EXEC, "01", "TA");
	SetPageSwapBacked(judged);
	ClearPageReferenced(judged);
	judge(&policy_two_list, VM_EXEC, "1", "K"); /* not of a program's file */
	ClearPageReferenced(judged);
	judge(&policy_clock, 0, "0110", "TKKT");
	SetPageReferenced(judged); /* by read() */
	judge(&policy_clock, 0, "00", "KT");
	judge(&policy_aging, 0, "010000", "TKKKTT");
	judge(&policy_aging, 0, "110000", "KKKKTT");
	SetPageReferenced(judged);
	judge(&policy_aging, 0, "00000", "KKKTT");
	judge(&policy_fifo, 0, "093", "TTT");
	put_page(judged);
}

static void exec_body(void *arg)
{
	struct disk_file *d = arg;
	long a = do_mmap(current_mm(), &d->f, 0, PAGES * PAGE_SIZE, PROT_EXEC, MAP_PRIVATE, 0);
	struct page *page = disk_page(d, 0);

	CHECK(a > 0 && page);
	SetPageReferenced(page);
	mark_page_accessed(page);
	EXPECT_EQ(on_list(page), LRU_ACTIVE_FILE);
	CHECK(touch(current_mm(), (vaddr_t)a, 0) <= VM_FAULT_MAJOR);
	deactivate_pages(page_zone(page), LRU_ACTIVE_FILE, lru_pages(LRU_ACTIVE_FILE));
	EXPECT_EQ(on_list(page), LRU_ACTIVE_FILE);
	deactivate_pages(page_zone(page), LRU_ACTIVE_FILE, lru_pages(LRU_ACTIVE_FILE));
	EXPECT_EQ(on_list(page), LRU_INACTIVE_FILE);
	put_page(page);
}

KTEST(reclaim, executed,
      "a page of a running program that sinks like data, or one not run any more that stays")
{
	struct disk_file *d = disk_new();

	CHECK(d);
	ktest_with_mm(exec_body, d);
	disk_free(d);
}

/* ---- waiting ----------------------------------------------------------------------------------- */

struct waiter {
	bool done, stop, ended;
	struct wait_queue wait;
};

static int reclaim_main(void *arg)
{
	struct waiter *w = arg;

	reclaim_pages(GFP_KERNEL, 0);
	smp_store_release(&w->done, true);
	while (!smp_load_acquire(&w->stop))
		sched_yield();
	ktest_complete(&w->wait, &w->ended);
	return 0;
}

static bool is_asleep(const struct task *t)
{
	return READ_ONCE(t->thread.state) == THREAD_UNINTERRUPTIBLE && !READ_ONCE(t->thread.on_cpu);
}

KTEST(reclaim, waits_for_io, "reclaim in vain that does not wait for what is on its way to a disk")
{
	struct disk_file *d = disk_new();
	struct waiter w = {};
	struct page *page;
	struct task *t;

	CHECK(d);
	wait_queue_init(&w.wait);
	drop_clean_cache();
	page = disk_page(d, 0);
	CHECK(page);
	lock_page(page);
	SetPageWriteback(page);
	unlock_page(page);
	t = kthread_run(reclaim_main, &w, "reclaim");
	CHECK(!IS_ERR(t));
	EXPECT(SOON(is_asleep(t) || smp_load_acquire(&w.done)));
	EXPECT(!w.done);
	end_page_writeback(page);
	EXPECT(SOON(smp_load_acquire(&w.done)));
	smp_store_release(&w.stop, true);
	ktest_wait(&w.wait, &w.ended);
	put_page(page);
	disk_free(d);
}

/* ---- kswapd ------------------------------------------------------------------------------------ */

#define NOW (GFP_NOWAIT | __GFP_NOWARN)

/* All blocks of the order, chained. */
static u32 take_blocks(unsigned int order)
{
	struct page *p;
	u32 first = 0;

	while ((p = alloc_pages(NOW, order)) != NULL) {
		p->index = first;
		first = (u32)page_to_pfn(p);
	}
	return first;
}

static void free_blocks(u32 first, unsigned int order)
{
	while (first) {
		struct page *p = pfn_to_page(first);

		first = p->index;
		free_pages_block(p, order);
	}
}

static unsigned long stalls(void)
{
	return vmstat_event(ALLOCSTALL_DMA) + vmstat_event(ALLOCSTALL_DMA32) +
	       vmstat_event(ALLOCSTALL_NORMAL);
}

static bool above_high(void)
{
	struct zone_info zi;
	bool is = false;

	for (unsigned int n = 0; zone_info_get(n, &zi); n++)
		is |= zi.managed && zi.free > zi.high + zi.protection[ZONE_NORMAL];
	return is;
}

KTEST(reclaim, background,
      "kswapd that is not woken, stops too early, or not again after it gave up in vain")
{
	struct disk_file *d = disk_new();
	unsigned long before, stolen;
	u32 blocks, pages;

	CHECK(d);
	if (totalram_pages() > 1UL << 18) {
		ktest_skip("filling over 1 GiB takes minutes");
		goto free;
	}
	mapping_init(&d->m, &zero_ops, NULL, false);
	d->m.size = 1L << 40;
	blocks = take_blocks(MAX_ORDER);
	pages = take_blocks(0);
	EXPECT(SOON(kswapd_gave_up())); /* nothing is to be had */
	free_blocks(pages, 0);
	put_page(disk_page(d, 0));
	EXPECT(reclaim_pages(GFP_KERNEL, 0) > 0); /* now there is */
	EXPECT(!kswapd_gave_up());
	before = stalls();
	stolen = vmstat_event(PGSTEAL_KSWAPD);
	for (u64 i = 0; i < 16384 && vmstat_event(PGSTEAL_KSWAPD) == stolen; i++) {
		put_page(disk_page(d, i));
		sched_yield();
	}
	EXPECT(vmstat_event(PGSTEAL_KSWAPD) > stolen);
	EXPECT(SOON(above_high()));
	if (nr_cpu_ids == 1) /* else another may be late, in real time */
		EXPECT_EQ(stalls(), before);
	free_blocks(blocks, MAX_ORDER);
free:
	disk_free(d);
}
