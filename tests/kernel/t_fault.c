/* SPDX-License-Identifier: MIT */
/*
 * Address spaces in the running kernel: the fault matrix (mapping x history x access) cell by cell,
 * copy-on-write across fork, and every allocation failure on the way.
 */
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/failinject.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <tests/kernel/ktest.h>

#define PROT_NONE      0
#define PROT_READ      1
#define PROT_WRITE     2
#define PROT_EXEC      4
#define MAP_SHARED     0x01
#define MAP_PRIVATE    0x02
#define MAP_FIXED      0x10
#define MAP_ANONYMOUS  0x20
#define MAP_GROWSDOWN  0x100
#define MAP_NORESERVE  0x4000
#define MREMAP_MAYMOVE 1

static long map(int prot, int flags, size_t len)
{
	return do_mmap(current_mm(), NULL, 0, len, prot, flags | MAP_ANONYMOUS, 0);
}

static bool mapped(long addr)
{
	return addr > 0;
}

/* ---- the matrix ------------------------------------------------------------------------------ */

enum kind { HOLE, PRIVATE, SHARED, FILE_PRIVATE, FILE_SHARED, BEYOND_EOF, NR_KINDS };
static const char *const kind_name[] = {"hole",         "private",     "shared",
					"file private", "file shared", "beyond EOF"};
enum history { UNTOUCHED, WAS_READ, WAS_WRITTEN, NR_HISTORIES };
enum access { READ, WRITE, FETCH, NR_ACCESSES };

/* The rule, stated apart from the code under test: SDM vol. 3 4.6 and mmap(2). On x86 whatever is
 * mapped with any right can be read. */
static vm_fault_t expected(enum kind k, int prot, enum access a)
{
	if (k == HOLE)
		return VM_FAULT_SIGSEGV_MAPERR;
	if ((a == WRITE && !(prot & PROT_WRITE)) || (a == FETCH && !(prot & PROT_EXEC)) ||
	    prot == PROT_NONE)
		return VM_FAULT_SIGSEGV_ACCERR;
	return k == BEYOND_EOF ? VM_FAULT_SIGBUS : VM_FAULT_DONE;
}

static unsigned int access_flags(enum access a)
{
	return FAULT_FLAG_USER | (a == WRITE ? FAULT_FLAG_WRITE :
				  a == FETCH ? FAULT_FLAG_INSTR :
					       0);
}

/* Maps two pages; the cell's address is in the first, or in the second for BEYOND_EOF. */
static long map_kind(enum kind k, int prot)
{
	struct mappable *f;
	long addr;

	if (k == HOLE)
		return 0x10000000;
	if (k == PRIVATE || k == SHARED)
		return map(prot, k == PRIVATE ? MAP_PRIVATE : MAP_SHARED, 2 * PAGE_SIZE);
	f = shmem_file_setup(k == BEYOND_EOF ? PAGE_SIZE : 2 * PAGE_SIZE);
	if (IS_ERR(f))
		return PTR_ERR(f);
	f->access = MAPPABLE_READ | MAPPABLE_WRITE;
	addr = do_mmap(current_mm(), f, 0, 2 * PAGE_SIZE, prot,
		       k == FILE_PRIVATE ? MAP_PRIVATE : MAP_SHARED, 0);
	f->ops->put(f);
	return addr > 0 && k == BEYOND_EOF ? addr + (long)PAGE_SIZE : addr;
}

static pte_t pte_now(vaddr_t addr)
{
	spinlock_t *ptl;
	pmd_t *pmd;
	pte_t *ptep = pte_find_lock(current_mm(), addr, &pmd, &ptl), pte = {0};

	if (ptep) {
		pte = ptep_get(ptep);
		spin_unlock(ptl);
	}
	return pte;
}

static void check_cell(enum kind k, int prot, enum history h, enum access a)
{
	vaddr_t addr, page;
	vm_fault_t want = expected(k, prot, a), got;
	bool touch = h != UNTOUCHED && k != HOLE && k != BEYOND_EOF;
	int first_prot = !touch ? 0 : h == WAS_READ ? PROT_READ : PROT_WRITE;
	long base = map_kind(k, prot | first_prot);
	unsigned int present;

	if (!EXPECT(base > 0))
		return;
	addr = (vaddr_t)base + 123;
	page = (vaddr_t)base;
	if (touch) {
		EXPECT_EQ(handle_mm_fault(current_mm(), addr,
					  access_flags(h == WAS_READ ? READ : WRITE)),
			  VM_FAULT_DONE);
		EXPECT_EQ(do_mprotect(current_mm(), page, PAGE_SIZE, prot), 0);
	}
	present = pte_present(pte_now(page)) ? FAULT_FLAG_PRESENT : 0;
	got = handle_mm_fault(current_mm(), addr, access_flags(a) | present);
	if (got == VM_FAULT_MAJOR)
		got = VM_FAULT_DONE;
	if (got != want)
		ktest_fail(__FILE__, __LINE__, "%s prot %d history %d access %d: %d, expected %d",
			   kind_name[k], prot, h, a, got, want);
	if (got == VM_FAULT_DONE) {
		pte_t pte = pte_now(page);

		EXPECT(pte_present(pte));
		EXPECT(a != WRITE || pte_write(pte));
		EXPECT(prot & PROT_WRITE || !pte_write(pte));
		EXPECT(prot & PROT_EXEC || !(pte_supported_mask & _PAGE_NX) ||
		       pte_val(pte) & _PAGE_NX);
	}
	if (k != HOLE)
		EXPECT_EQ(do_munmap(current_mm(), k == BEYOND_EOF ? page - PAGE_SIZE : page,
				    2 * PAGE_SIZE),
			  0);
}

static void matrix(void *arg)
{
	enum kind k = *(enum kind *)arg;

	for (int prot = 0; prot < 8; prot++)
		for (int h = 0; h < NR_HISTORIES; h++)
			for (int a = 0; a < NR_ACCESSES; a++)
				check_cell(k, prot, h, a);
}

static void run_matrix(enum kind k)
{
	ktest_with_mm(matrix, &k);
}

KTEST(fault_matrix, hole, "an address without a mapping that is given one, or reported as ACCERR")
{
	run_matrix(HOLE);
}
KTEST(fault_matrix, private_anon,
      "a right granted that the mapping does not have, or a legal access refused")
{
	run_matrix(PRIVATE);
}
KTEST(fault_matrix, shared_anon, "rights of shared anonymous memory taken for those of private")
{
	run_matrix(SHARED);
}
KTEST(fault_matrix, file_private,
      "a private file mapping that lets a write through to the cache's page")
{
	run_matrix(FILE_PRIVATE);
}
KTEST(fault_matrix, file_shared, "a shared file mapping without write access after a legal write")
{
	run_matrix(FILE_SHARED);
}
KTEST(fault_matrix, beyond_eof,
      "a page beyond the end of the file that reads as zeroes instead of SIGBUS")
{
	run_matrix(BEYOND_EOF);
}

/* ---- single cases ------------------------------------------------------------------------------ */

static void put_u64(long addr, u64 v)
{
	EXPECT_EQ(put_user(v, (u64 __user *)addr), 0);
}

static u64 read_u64(long addr)
{
	u64 v = ~0UL;

	EXPECT_EQ(get_user(v, (u64 __user *)addr), 0);
	return v;
}

/* Where the first mapping that ends above addr begins; ~0 if there is none. */
static vaddr_t vma_start_of(struct mm_struct *mm, vaddr_t addr)
{
	struct vm_area_struct *vma;
	vaddr_t start;

	down_read(&mm->mmap_lock);
	vma = find_vma(mm, addr);
	start = vma ? vma->start : ~0UL;
	up_read(&mm->mmap_lock);
	return start;
}

static void zero_page_body(void *arg)
{
	long a = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 4 * PAGE_SIZE);

	(void)arg;
	CHECK(mapped(a));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(read_u64(a + i * (long)PAGE_SIZE), 0);
	EXPECT_EQ(pte_pfn(pte_now((vaddr_t)a)), page_to_pfn(zero_page));
	EXPECT_EQ(mm_rss(current_mm()), 0);
	put_u64(a, 42);
	EXPECT(pte_pfn(pte_now((vaddr_t)a)) != page_to_pfn(zero_page));
	EXPECT_EQ(read_u64(a), 42);
	EXPECT_EQ(read_u64(a + (long)PAGE_SIZE), 0);
	EXPECT_EQ(mm_rss(current_mm()), 1);
	for (size_t i = 0; i < PAGE_SIZE; i++)
		if (!EXPECT_EQ(((u8 *)page_address(zero_page))[i], 0))
			break;
}
KTEST(fault, zero_page_shared_until_written,
      "a write that reaches the shared zero page; zero pages counted in RSS")
{
	ktest_with_mm(zero_page_body, NULL);
}

static void cow_body(void *arg)
{
	struct mm_struct *mm = current_mm(), *child;
	long a = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 3 * PAGE_SIZE);
	pfn_t shared;
	u64 v;

	(void)arg;
	CHECK(mapped(a));
	put_u64(a, 1);
	put_u64(a + (long)PAGE_SIZE, 2);
	child = mm_fork(mm);
	CHECK(!IS_ERR(child));
	shared = pte_pfn(pte_now((vaddr_t)a));
	EXPECT(!pte_write(pte_now((vaddr_t)a)));
	EXPECT_EQ(page_mapcount(pfn_to_page(shared)), 2);
	v = 100;
	EXPECT_EQ(mm_access(child, (vaddr_t)a, &v, 8, true), 8);
	EXPECT_EQ(read_u64(a), 1);
	EXPECT_EQ(page_mapcount(pfn_to_page(shared)), 1);
	EXPECT_EQ(mm_access(child, (vaddr_t)a, &v, 8, false), 8);
	EXPECT_EQ(v, 100);
	/* The other side is gone from this page: reused, not copied. */
	put_u64(a, 3);
	EXPECT_EQ(pte_pfn(pte_now((vaddr_t)a)), shared);
	/* The second page is still shared: the parent's write copies. */
	shared = pte_pfn(pte_now((vaddr_t)a + PAGE_SIZE));
	put_u64(a + (long)PAGE_SIZE, 4);
	EXPECT(pte_pfn(pte_now((vaddr_t)a + PAGE_SIZE)) != shared);
	EXPECT_EQ(mm_access(child, (vaddr_t)a + PAGE_SIZE, &v, 8, false), 8);
	EXPECT_EQ(v, 2);
	down_write(&child->mmap_lock);
	mm_validate(child);
	pgtable_check(child);
	up_write(&child->mmap_lock);
	mm_put_user(child);
}
KTEST(fault, cow_across_fork,
      "a write seen by the other side; a copy where reuse was possible; a lost reference")
{
	ktest_with_mm(cow_body, NULL);
}

/* §9.5: an extra reference (an LRU batch, a reader) must not turn reuse into a copy, nor a page that
 * two spaces map into an exclusive one. */
static void cow_refcount_body(void *arg)
{
	struct mm_struct *child;
	long a = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE_SIZE);
	struct page *page;

	(void)arg;
	CHECK(mapped(a));
	put_u64(a, 7);
	page = pfn_to_page(pte_pfn(pte_now((vaddr_t)a)));
	get_page(page);
	child = mm_fork(current_mm());
	CHECK(!IS_ERR(child));
	mm_put_user(child);
	put_u64(a, 8);
	EXPECT_EQ(pte_pfn(pte_now((vaddr_t)a)), page_to_pfn(page));
	EXPECT(PageAnonExclusive(page));
	put_page(page);
}
KTEST(fault, cow_ignores_refcount, "reuse decided by the reference count instead of the map count")
{
	ktest_with_mm(cow_refcount_body, NULL);
}

static void deep_fork_body(void *arg)
{
	struct mm_struct *mm[8];
	long a = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 16 * PAGE_SIZE);
	u64 v;

	(void)arg;
	CHECK(mapped(a));
	for (int i = 0; i < 16; i++)
		put_u64(a + i * (long)PAGE_SIZE, (u64)i);
	mm[0] = current_mm();
	for (int g = 1; g < 8; g++) {
		mm[g] = mm_fork(mm[g - 1]);
		CHECK(!IS_ERR(mm[g]));
		v = 1000 + (u64)g;
		EXPECT_EQ(mm_access(mm[g], (vaddr_t)a + (vaddr_t)g * PAGE_SIZE, &v, 8, true), 8);
	}
	for (int g = 0; g < 8; g++)
		for (int i = 0; i < 16; i++) {
			u64 want = i >= 1 && i <= g ? 1000 + (u64)i : (u64)i;

			EXPECT_EQ(mm_access(mm[g], (vaddr_t)a + (vaddr_t)i * PAGE_SIZE, &v, 8,
					    false),
				  8);
			EXPECT_EQ(v, want);
		}
	for (int i = 0; i < 16; i++) {
		struct page *p = pfn_to_page(pte_pfn(pte_now((vaddr_t)a + (vaddr_t)i * PAGE_SIZE)));

		lock_page(p);
		EXPECT_EQ(page_count_ptes(p), page_mapcount(p));
		unlock_page(p);
	}
	/* The middle of the line goes first: what it leaves must still be found. */
	mm_put_user(mm[4]);
	mm_put_user(mm[2]);
	for (int g = 1; g < 8; g++)
		if (g != 2 && g != 4)
			mm_put_user(mm[g]);
}
KTEST(fault, deep_fork_and_rmap,
      "a generation that sees another's write; reverse mapping that misses a space")
{
	ktest_with_mm(deep_fork_body, NULL);
}

static void stack_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	vaddr_t top = 0x7ffff0000000UL;

	(void)arg;
	mm->rlim_stack = 1UL << 20;
	CHECK(mm_map_stack(mm, top, 4 * PAGE_SIZE, false) >= 0);
	CHECK(vma_start_of(mm, top - PAGE_SIZE) == top - 4 * PAGE_SIZE);
	put_u64((long)top - 12 * (long)PAGE_SIZE, 5);
	EXPECT(vma_start_of(mm, top - PAGE_SIZE) <= top - 12 * PAGE_SIZE);
	EXPECT_EQ(read_u64((long)top - 12 * (long)PAGE_SIZE), 5);
	/* RLIMIT_STACK ends it. */
	EXPECT(handle_mm_fault(mm, top - (1UL << 20) - 2 * PAGE_SIZE,
			       FAULT_FLAG_USER | FAULT_FLAG_WRITE) == VM_FAULT_SIGSEGV_MAPERR);
}
KTEST(fault, stack_grows_to_its_limit, "a stack that does not grow, or grows past RLIMIT_STACK")
{
	ktest_with_mm(stack_body, NULL);
}

static void stale_body(void *arg)
{
	long a = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 64 * PAGE_SIZE);

	(void)arg;
	CHECK(mapped(a));
	for (int i = 0; i < 64; i++)
		put_u64(a + i * (long)PAGE_SIZE, (u64)i);
	EXPECT_EQ(do_mprotect(current_mm(), (vaddr_t)a, 64 * PAGE_SIZE, PROT_READ), 0);
	for (int i = 0; i < 64; i++) {
		u64 v = 1;

		EXPECT(copy_to_user((void __user *)(a + i * (long)PAGE_SIZE), &v, 8) == 8);
	}
	EXPECT_EQ(do_munmap(current_mm(), (vaddr_t)a, 64 * PAGE_SIZE), 0);
	for (int i = 0; i < 64; i++) {
		u64 v;

		EXPECT(copy_from_user(&v, (void __user *)(a + i * (long)PAGE_SIZE), 8) == 8);
	}
}
KTEST(fault, no_stale_translation, "a missing TLB flush after mprotect or munmap")
{
	ktest_with_mm(stale_body, NULL);
}

static void disabled_body(void *arg)
{
	long a = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE_SIZE);
	u64 v = 1;

	(void)arg;
	CHECK(mapped(a));
	EXPECT_EQ(copy_to_user_nofault((void __user *)a, &v, 8), 8);
	EXPECT(pte_none(pte_now((vaddr_t)a)));
	EXPECT_EQ(fault_in_writeable((void __user *)a, 8), 0);
	EXPECT_EQ(copy_to_user_nofault((void __user *)a, &v, 8), 0);
	EXPECT_EQ(read_u64(a), 1);
	EXPECT(copy_from_user(&v, (void __user *)0x8000000000000000UL, 8) == 8);
	EXPECT(copy_to_user((void __user *)PAGE_OFFSET, &v, 8) == 8);
	EXPECT(copy_from_user(&v, (void __user *)(TASK_SIZE - 4), 8) == 8);
}
KTEST(fault, nofault_copies,
      "a copy with faults disabled that sleeps; a kernel address accepted from a user")
{
	ktest_with_mm(disabled_body, NULL);
}

static void mremap_body(void *arg)
{
	struct mm_struct *mm = current_mm();
	long a = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 8 * PAGE_SIZE), b;
	pfn_t pfn[8];

	(void)arg;
	CHECK(mapped(a));
	for (int i = 0; i < 8; i++) {
		put_u64(a + i * (long)PAGE_SIZE, 50 + (u64)i);
		pfn[i] = pte_pfn(pte_now((vaddr_t)a + (vaddr_t)i * PAGE_SIZE));
	}
	/* Something right behind it: growing has to move. */
	CHECK(mapped(do_mmap(mm, NULL, (vaddr_t)a + 8 * PAGE_SIZE, PAGE_SIZE, PROT_READ,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0)));
	b = do_mremap(mm, (vaddr_t)a, 8 * PAGE_SIZE, 600 * PAGE_SIZE, MREMAP_MAYMOVE, 0);
	CHECK(mapped(b) && b != a);
	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(pte_pfn(pte_now((vaddr_t)b + (vaddr_t)i * PAGE_SIZE)), pfn[i]);
		EXPECT_EQ(read_u64(b + i * (long)PAGE_SIZE), 50 + i);
		lock_page(pfn_to_page(pfn[i]));
		EXPECT_EQ(page_count_ptes(pfn_to_page(pfn[i])), 1);
		unlock_page(pfn_to_page(pfn[i]));
	}
	EXPECT(vma_start_of(mm, (vaddr_t)a) > (vaddr_t)a);
}
KTEST(fault, mremap_moves_pages,
      "a move that copies, loses a page, or hides it from reverse mapping")
{
	ktest_with_mm(mremap_body, NULL);
}

/* ---- failures -------------------------------------------------------------------------------------- */

#ifdef CONFIG_DEBUG
struct op {
	long (*fn)(struct mm_struct *mm, long base);
};

static long op_fault(struct mm_struct *mm, long base)
{
	return handle_mm_fault(mm, (vaddr_t)base + 100 * PMD_SIZE,
			       FAULT_FLAG_USER | FAULT_FLAG_WRITE) == VM_FAULT_DONE ?
		       0 :
		       -ENOMEM;
}
static long op_fork(struct mm_struct *mm, long base)
{
	struct mm_struct *child = mm_fork(mm);

	(void)base;
	if (IS_ERR(child))
		return PTR_ERR(child);
	mm_put_user(child);
	return 0;
}
static long op_split(struct mm_struct *mm, long base)
{
	return do_munmap(mm, (vaddr_t)base + 10 * PAGE_SIZE, PAGE_SIZE);
}
static long op_mprotect(struct mm_struct *mm, long base)
{
	return do_mprotect(mm, (vaddr_t)base + 20 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ);
}
static long op_mremap(struct mm_struct *mm, long base)
{
	long a = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 2 * PAGE_SIZE), r;

	(void)base;
	if (a < 0)
		return a;
	if (handle_mm_fault(mm, (vaddr_t)a, FAULT_FLAG_USER | FAULT_FLAG_WRITE) == VM_FAULT_OOM)
		r = -ENOMEM;
	else
		r = do_mremap(mm, (vaddr_t)a, 2 * PAGE_SIZE, 300 * PAGE_SIZE, MREMAP_MAYMOVE, 0);
	/* The injected failure may hit here instead (a split): it comes only once. */
	if (do_munmap(mm, (vaddr_t)(r > 0 ? r : a), 300 * PAGE_SIZE))
		EXPECT_EQ(do_munmap(mm, (vaddr_t)(r > 0 ? r : a), 300 * PAGE_SIZE), 0);
	return r < 0 ? r : 0;
}
static long op_mmap(struct mm_struct *mm, long base)
{
	long r = do_mmap(mm, NULL, 0, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, 0);

	(void)base;
	return r < 0 ? r : 0;
}

/* A space worth forking: 256 MiB of which some pages in several tables are touched; not accounted, so
 * that it fits into any machine. */
static long build(void)
{
	long a = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, 128 * PMD_SIZE);

	if (!EXPECT(mapped(a)))
		return 0;
	for (int i = 0; i < 40; i++)
		put_u64(a + i * (long)PAGE_SIZE, (u64)i);
	put_u64(a + 50 * (long)PMD_SIZE, 1);
	return a;
}

static void fail_body(void *arg)
{
	const struct op *op = arg;
	long base = build();

	if (!base)
		return;
	for (int class = 0; class <= FAIL_SLAB; class ++) {
		for (unsigned long n = 1;; n++) {
			bool hit;
			long err;

			fail_inject_set(class, n, 1);
			err = op->fn(current_mm(), base);
			hit = fail_inject_hits() != 0;
			fail_inject_set(class, 0, 0);
			for (int i = 0; i < 5; i++)
				EXPECT_EQ(read_u64(base + i * (long)PAGE_SIZE), i);
			if (!hit) {
				EXPECT_EQ(err, 0);
				break;
			}
			EXPECT(err == 0 || err == -ENOMEM);
			if (!EXPECT(n < 500))
				return;
		}
	}
}

#define FAIL_TEST(name)                                                                        \
	KTEST(fail, name, "an allocation failure that leaks, corrupts or gives a wrong errno") \
	{                                                                                      \
		struct op op = {op_##name};                                                    \
		ktest_with_mm(fail_body, &op);                                                 \
	}
FAIL_TEST(fault)
FAIL_TEST(fork)
FAIL_TEST(split)
FAIL_TEST(mprotect)
FAIL_TEST(mremap)
FAIL_TEST(mmap)
#endif
