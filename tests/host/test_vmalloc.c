/* SPDX-License-Identifier: MIT */
/*
 * The real vmalloc.c and kmap.c, with page tables in the fake RAM: the mappings are read back by
 * walking them, as nothing runs at those addresses.
 */
#include <mm/failinject.h>
#include <mm/internal.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <mm/vmstat.h>
#include <kernel/sched/sched.h>
#include <tests/host/host.h>

#define MIB (1UL << 20)
static const struct ram pc64[] = {{0, 0x9f000}, {MIB, 64 * MIB}, {0, 0}};

struct area {
	vaddr_t start;
	size_t pages;
	bool stack;
};
#define MAX_AREAS 200
static struct area areas[MAX_AREAS];

static bool mapped(vaddr_t va)
{
	unsigned int shift;

	return kernel_lookup(va, &shift) & _PAGE_PRESENT && shift == PAGE_SHIFT;
}

static pfn_t pfn_at(vaddr_t va)
{
	unsigned int shift;

	return (kernel_lookup(va, &shift) & PTE_PFN_MASK) >> PAGE_SHIFT;
}

/* Mapped throughout, to pages of the right kind; nothing before and behind. */
static void check_area(const struct area *a)
{
	for (size_t i = 0; i < a->pages; i++) {
		vaddr_t va = a->start + i * PAGE_SIZE;
		const struct page *p = pfn_to_page(pfn_at(va));

		CHECK(mapped(va));
		CHECK_EQ(page_count(p), 1);
		CHECK(a->stack ? PageKstack(p) : PageVmalloc(p));
	}
	CHECK(!mapped(a->start + a->pages * PAGE_SIZE));
	CHECK(a->start == VMALLOC_START || !mapped(a->start - PAGE_SIZE));
	if (a->stack) {
		CHECK(kstack_guard_hit(a->start - 8) == (void *)a->start);
		CHECK(kstack_guard_hit(a->start + KSTACK_SIZE) == (void *)a->start);
		CHECK(!kstack_guard_hit(a->start + 100));
	}
}

static void area_get(struct area *a)
{
	void *p;

	a->stack = rnd(2);
	a->pages = a->stack ? KSTACK_SIZE / PAGE_SIZE : 1 + rnd(40);
	p = a->stack ? kstack_alloc(0) : vmalloc(a->pages * PAGE_SIZE - rnd(PAGE_SIZE));
	a->start = (vaddr_t)p;
	if (p)
		check_area(a);
}

static void area_put(struct area *a)
{
	check_area(a);
	if (a->stack)
		kstack_free((void *)a->start);
	else
		vfree((void *)a->start);
	a->start = 0;
}

static void random_areas(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		struct area *a = &areas[rnd(MAX_AREAS)];

		if (a->start)
			area_put(a);
		else
			area_get(a);
	}
}

static void put_all(struct ledger *l)
{
	for (int i = 0; i < MAX_AREAS; i++)
		if (areas[i].start)
			area_put(&areas[i]);
	ledger_settle();
	slab_check();
	page_alloc_check();
	ledger_read(l);
	CHECK_EQ(l->vmalloc, 0);
	CHECK_EQ(l->kstack, 0);
}

HOST_TEST(vmalloc, random, "areas that overlap, lack a guard page, or leak pages or addresses")
{
	struct ledger first, again;
	void *low;

	host_boot(pc64);
	random_areas(rounds(30000));
	put_all(&first);
	random_areas(rounds(30000));
	put_all(&again);
	CHECK_EQ(again.free, first.free);
	CHECK_EQ(again.table, first.table);
	/* all forgotten: the lowest address is free again */
	low = vmalloc(1);
	CHECK_EQ((vaddr_t)low, VMALLOC_START);
	vfree(low);
}

HOST_TEST(vmalloc, injected_failures, "a half-built area that is not taken down, at every step")
{
	struct ledger before, after;

	host_boot(pc64);
	random_areas(2000);
	put_all(&before);
	for (int c = 0; c < NR_FAIL_CLASSES; c++)
		for (unsigned int nth = 1; nth < 60; nth++) {
			fail_inject_set(c, nth, 1 + rnd(3));
			random_areas(30);
			fail_inject_set(c, 0, 0);
		}
	put_all(&after);
	CHECK_EQ(after.free, before.free);
}

HOST_TEST(vmalloc, limits, "a size that cannot be met and takes everything before it fails")
{
	unsigned long free;
	void *p;

	host_boot(pc64);
	vfree(vmalloc(PAGE_SIZE));
	ledger_settle();
	free = nr_free_pages();
	CHECK(!vmalloc(0));
	CHECK(!vmalloc(~0UL));
	CHECK(!vmalloc(128 * MIB));
	ledger_settle();
	CHECK_EQ(nr_free_pages(), free);
	CHECK(!vmalloc(64 * MIB -
		       2 * MIB)); /* fewer pages than there are, but more than are free */
	ledger_settle();
	CHECK(nr_free_pages() + 40 >= free); /* the tables stay */
	vfree(NULL);
	p = kvmalloc(6 * MIB, GFP_KERNEL);
	CHECK(is_vmalloc_addr(p));
	kvfree(p);
	p = kvmalloc(100, GFP_KERNEL);
	CHECK(p && !is_vmalloc_addr(p));
	kvfree(p);
}

HOST_TEST(vmalloc, ioremap, "device registers mapped cached, or their offset lost, or freed as RAM")
{
	unsigned int shift;
	u8 *p;

	host_boot(pc64);
	p = ioremap(0xfee00ff0, 0x20); /* crosses a page */
	CHECK(p && ((vaddr_t)p & 0xfff) == 0xff0);
	CHECK_EQ(pfn_at((vaddr_t)p), 0xfee00);
	CHECK_EQ(pfn_at((vaddr_t)p + 0x10), 0xfee01);
	CHECK(!mapped((vaddr_t)p + 0x1010));
	CHECK((kernel_lookup((vaddr_t)p, &shift) & (_PAGE_PCD | _PAGE_NX)) ==
	      (_PAGE_PCD | _PAGE_NX));
	iounmap(p);
	CHECK(!mapped((vaddr_t)p));
	CHECK(!ioremap(0xfee00000, 0));
	CHECK(!ioremap(~0UL - 100, 200));
	page_alloc_check();
}
