/* SPDX-License-Identifier: MIT */
/*
 * The real vma, mmap, mprotect, mremap, mlock, madvise and commit code, on the host, against a
 * model that knows no ranges: one record a page of a small window of addresses.
 *
 * Random calls, some with an allocation made to fail, are applied to both. After each one:
 *   - each page's rights, file and offset are what the model says (after a failed call: the old or
 *     the wanted state, or unmapped, and nothing outside of the call's range has changed);
 *   - mm_validate(): order, list, gaps, totals;
 *   - no two neighbours that are alike are left apart (unless an allocation failed);
 *   - Committed_AS is the sum of the accounted pages;
 *   - every page that was touched is still reachable by reverse mapping: its vma has its anon_vma in
 *     the chain, and the offset from which rmap computes its address is right.
 * At the end nothing is leaked: no vma, chain or file reference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mm/vma.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/tlb.h>

/* --- the world that the code under test asks for ---- */

static unsigned long seed = 1;
static unsigned int rnd(unsigned int n)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned int)(seed >> 33) % n;
}

static unsigned int fail_in; /* the nth allocation from now fails; 0: none */
static bool failed;          /* it did */
static bool ever_failed;     /* since the space was last empty: pieces may be left apart */
static long live_objects;

static bool injected_failure(void)
{
	if (fail_in && --fail_in == 0)
		return failed = true;
	return false;
}

struct kmem_cache {
	size_t size;
	void (*ctor)(void *obj);
};

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned int flags, void (*ctor)(void *obj))
{
	static struct kmem_cache c;

	(void)name, (void)align, (void)flags;
	c = (struct kmem_cache){size, ctor};
	return &c;
}

void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp)
{
	void *p;

	(void)gfp;
	if (injected_failure())
		return NULL;
	p = malloc(c->size);
	memset(p, 0xa5, c->size);
	c->ctor(p);
	live_objects++;
	return p;
}

void kmem_cache_free(struct kmem_cache *c, void *p)
{
	(void)c;
	live_objects--;
	free(p);
}

static char last_call[120] = "none"; /* for the message */

static void fail(const char *what)
{
	printf("# %s (last call: %s)\n", what, last_call);
	abort();
}

void assert_failed(const char *e, const char *file, int line, const char *func)
{
	printf("# assertion %s failed at %s:%d (%s)\n", e, file, line, func);
	abort();
}

void rwsem_init(struct rwsem *s, enum lock_class cls)
{
	(void)cls;
	atomic_set(&s->count, 0);
}
void down_read(struct rwsem *s)
{
	if (atomic_read(&s->count) < 0)
		fail("read lock while written");
	atomic_inc(&s->count);
}
void up_read(struct rwsem *s)
{
	atomic_dec(&s->count);
}
void down_write(struct rwsem *s)
{
	if (atomic_read(&s->count))
		fail("write lock taken twice");
	atomic_set(&s->count, -1);
}
int down_write_killable(struct rwsem *s)
{
	down_write(s);
	return 0;
}
void up_write(struct rwsem *s)
{
	if (atomic_read(&s->count) != -1)
		fail("unlock of a free lock");
	atomic_set(&s->count, 0);
}
bool rwsem_is_write_held(const struct rwsem *s)
{
	return atomic_read(&s->count) == -1;
}
bool rwsem_is_held(const struct rwsem *s)
{
	return atomic_read(&s->count) != 0;
}
#ifdef CONFIG_DEBUG
void lock_check_acquire(enum lock_class cls, const void *l, unsigned int how)
{
	(void)cls, (void)l, (void)how;
}
void lock_check_release(enum lock_class cls, const void *l, unsigned int how)
{
	(void)cls, (void)l, (void)how;
}
bool lock_check_held(const void *l)
{
	(void)l;
	return true;
}
#endif

struct sched_hooks sched_hooks;
pteval_t pte_supported_mask = ~0UL;
const pteval_t protection_map[16];
unsigned long totalram_pages(void)
{
	return 1UL << 16;
}
unsigned long nr_free_pages(void)
{
	return 1UL << 15;
}
void mlock_vma_pages(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, bool lock __unused)
{
	assert(vma->start <= start && end <= vma->end);
}
void schedule(void)
{
}

/* --- reverse mapping and page tables, in small ---- */

#define PAGES 96
#define BASE  0x10000000UL

struct touched { /* an anonymous page: where reverse mapping believes it to be */
	struct anon_vma *av;
	u64 index;
	unsigned int token;
};
static struct touched table[PAGES];
static unsigned int next_token;

static bool in_window(vaddr_t addr)
{
	return addr >= BASE && addr < BASE + PAGES * PAGE_SIZE;
}
static unsigned int page_no(vaddr_t addr)
{
	return (unsigned int)((addr - BASE) >> PAGE_SHIFT);
}

static void chain_add(struct vm_area_struct *vma, struct anon_vma *av)
{
	struct anon_vma_chain *c = malloc(sizeof(*c));

	c->vma = vma;
	c->anon_vma = av;
	list_add_tail(&c->same_vma, &vma->anon_vma_chain);
	live_objects++;
}

int anon_vma_clone(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	struct anon_vma_chain *c;

	if (!list_empty(&src->anon_vma_chain) && injected_failure()) {
		dst->anon_vma = NULL;
		return -ENOMEM;
	}
	list_for_each_entry(c, &src->anon_vma_chain, same_vma)
		chain_add(dst, c->anon_vma);
	return 0;
}

int anon_vma_prepare(struct vm_area_struct *vma)
{
	static struct anon_vma families[64];
	static unsigned int next;

	if (vma->anon_vma)
		return 0;
	if (injected_failure())
		return -ENOMEM;
	vma->anon_vma = &families[next++ % 64];
	chain_add(vma, vma->anon_vma);
	if (!rnd(4)) /* inherited from a parent as well */
		chain_add(vma, &families[next++ % 64]);
	ever_failed = true; /* what could merge now did not touch before */
	return 0;
}

void unlink_anon_vmas(struct vm_area_struct *vma)
{
	struct anon_vma_chain *c, *n;

	list_for_each_entry_safe(c, n, &vma->anon_vma_chain, same_vma) {
		list_del(&c->same_vma);
		free(c);
		live_objects--;
	}
	vma->anon_vma = NULL;
}

static int links; /* vmas in their files' i_mmap */

void vma_link_file(struct vm_area_struct *vma)
{
	links += vma->file != NULL;
}
void vma_unlink_file(struct vm_area_struct *vma)
{
	links -= vma->file != NULL;
}
void rmap_vma_change_begin(struct vm_area_struct *vma)
{
	(void)vma;
}
void rmap_vma_change_end(struct vm_area_struct *vma)
{
	(void)vma;
}

static void zap(vaddr_t start, vaddr_t end)
{
	for (; start < end; start += PAGE_SIZE)
		if (in_window(start))
			table[page_no(start)] = (struct touched){0};
}
void zap_range(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, struct mmu_gather *g)
{
	(void)g;
	if (!vma->detached)
		fail("unmapping a vma that faults still find");
	if (vma->start > start || vma->end < end)
		fail("unmapping beyond the vma");
	zap(start, end);
}
void advise_cold(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, bool pageout)
{
	(void)vma, (void)start, (void)end, (void)pageout;
}
void zap_vma_range(struct vm_area_struct *vma, vaddr_t start, vaddr_t end)
{
	(void)vma;
	zap(start, end);
}
void free_vma_tables(struct mmu_gather *g, const struct vm_area_struct *list, vaddr_t floor,
		     vaddr_t ceiling)
{
	vaddr_t start = list->start, end = list->end;
	struct vm_area_struct *v;

	for (; list; list = list->next) {
		end = list->end;
		if (!list->detached || list->anon_vma)
			fail("tables freed before the vma left rmap");
	}
	for_each_vma(g->mm, v) {
		if (v->start < end && v->end > start)
			fail("tables freed under a mapping");
		if ((v->end <= start && v->end > floor) || (v->start >= end && v->start < ceiling))
			fail("floor or ceiling ignores a neighbour");
	}
}
void tlb_gather_start(struct mmu_gather *g, struct mm_struct *mm)
{
	g->mm = mm;
}
void tlb_gather_finish(struct mmu_gather *g)
{
	(void)g;
}
int change_protection(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, pteval_t prot)
{
	(void)prot;
	if (vma->start > start || vma->end < end)
		fail("protection changed outside of the vma");
	return 0;
}
size_t move_page_tables(struct vm_area_struct *vma, vaddr_t old, struct vm_area_struct *to,
			vaddr_t new, size_t len)
{
	size_t done;

	(void)vma, (void)to;
	for (done = 0; done < len; done += PAGE_SIZE) {
		if (injected_failure())
			break;
		if (!in_window(old + done) || !in_window(new + done))
			continue;
		table[page_no(new + done)] = table[page_no(old + done)];
		table[page_no(old + done)] = (struct touched){0};
	}
	return done;
}
vm_fault_t fault_ahead(struct mm_struct *mm, vaddr_t *addr, vaddr_t end, unsigned int flags)
{
	(void)mm, (void)flags;
	*addr = end;
	return VM_FAULT_DONE;
}
struct page *fault_in_page(struct mm_struct *mm, vaddr_t addr, bool write)
{
	(void)mm, (void)addr, (void)write;
	return NULL;
}
void put_faulted_page(struct page *page)
{
	(void)page;
}
int filemap_fsync_range(struct address_space *m, loff_t start, loff_t end)
{
	(void)m, (void)start, (void)end;
	return 0;
}
int truncate_range(struct address_space *m, loff_t start, loff_t end)
{
	(void)m, (void)start, (void)end;
	return 0;
}

/* --- files ---- */

#define FILES 3
struct test_file {
	struct mappable f;
	struct address_space mapping;
	int refs;
};
static struct test_file files[FILES];

static void file_get(struct mappable *f)
{
	container_of(f, struct test_file, f)->refs++;
}
static void file_put(struct mappable *f)
{
	if (container_of(f, struct test_file, f)->refs-- <= 1)
		fail("file put too often");
}
static const struct mappable_ops file_ops = {.get = file_get, .put = file_put};

/* --- the model ---- */

#define SEEN_FLAGS (VM_ACCESS | VM_SHARED | VM_LOCKED | VM_RAND_READ | VM_DONTCOPY)
struct model_page {
	bool mapped;
	unsigned long flags;
	struct mappable *file;
	u64 index;          /* of a file page */
	unsigned int token; /* what was put there by touching, 0: nothing */
};
static struct model_page model[PAGES], want[PAGES];
static bool involved[PAGES]; /* in a range of the call */
static struct mm_struct mm;

static struct model_page real_page(unsigned int i)
{
	vaddr_t addr = BASE + i * PAGE_SIZE;
	struct vm_area_struct *vma = vma_lookup(&mm, addr);
	struct model_page p = {0};

	if (!vma)
		return p;
	p.mapped = true;
	p.flags = vma->flags & SEEN_FLAGS;
	p.file = vma->file;
	p.index = vma->file ? vma_index(vma, addr) : 0;
	p.token = table[i].token;
	return p;
}

static bool same_page(const struct model_page *a, const struct model_page *b)
{
	return a->mapped == b->mapped && a->flags == b->flags && a->file == b->file &&
	       a->index == b->index && a->token == b->token;
}

/* ok: all pages as wanted. Not: each as before, as wanted, or gone; the model follows. */
static void compare(bool ok)
{
	static const struct model_page gone;

	for (unsigned int i = 0; i < PAGES; i++) {
		struct model_page real = real_page(i);
		bool fine = same_page(&real, &want[i]);

		if (!fine && !ok) {
			bool touched_by_call = involved[i] || !same_page(&model[i], &want[i]);

			fine = same_page(&real, &model[i]) ||
			       (touched_by_call && same_page(&real, &gone));
			if (touched_by_call && real.mapped && !real.token)
				fine = true; /* moved back, or replaced by an empty piece */
		}
		if (!fine) {
			printf("# page %u: mapped %d flags %lx index %lu token %u, want %d %lx %lu %u\n",
			       i, real.mapped, real.flags, real.index, real.token, want[i].mapped,
			       want[i].flags, want[i].index, want[i].token);
			fail("a page differs from the model");
		}
		model[i] = real;
	}
}

static bool chain_has(const struct vm_area_struct *vma, const struct anon_vma *av)
{
	struct anon_vma_chain *c;

	list_for_each_entry(c, &vma->anon_vma_chain, same_vma)
		if (c->anon_vma == av && c->vma == vma)
			return true;
	return false;
}

static void check_rmap(void)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		vaddr_t addr = BASE + i * PAGE_SIZE;
		struct vm_area_struct *vma = vma_lookup(&mm, addr);

		if (!table[i].token)
			continue;
		if (!vma || !chain_has(vma, table[i].av))
			fail("a page's anon_vma does not lead to its vma");
		if (vma_index(vma, addr) != table[i].index)
			fail("a page's index does not lead to its address");
	}
}

static void check_merged(void)
{
	struct vm_area_struct *v;

	for_each_vma(&mm, v) {
		struct vm_area_struct *p = v->prev;

		if (!ever_failed && p && p->end == v->start &&
		    !((p->flags ^ v->flags) & ~VM_SOFTDIRTY) && p->file == v->file &&
		    p->pgoff + vma_pages(p) == v->pgoff && p->anon_vma == v->anon_vma)
			fail("alike neighbours are not merged");
	}
}

static void check_books(void)
{
	unsigned long charged = 0, linked = 0;
	struct vm_area_struct *v;

	down_read(&mm.mmap_lock);
	mm_validate(&mm);
	for_each_vma(&mm, v) {
		charged += v->flags & VM_ACCOUNT ? vma_pages(v) : 0;
		linked += v->file != NULL;
	}
	up_read(&mm.mmap_lock);
	if (commit_committed() != charged || atomic_long_read(&mm.committed) != (long)charged)
		fail("Committed_AS is not the sum of the accounted vmas");
	if ((unsigned long)links != linked)
		fail("i_mmap links do not match the vmas");
}

static void check_all(bool ok)
{
	if (failed)
		ever_failed = true;
	down_read(&mm.mmap_lock);
	compare(ok);
	check_rmap();
	check_merged();
	up_read(&mm.mmap_lock);
	check_books();
}

/* --- random calls ---- */

struct range {
	unsigned int first, n;
	vaddr_t addr;
	size_t len;
};

static void note_call(const char *name, const struct range *r, long a, long b)
{
	snprintf(last_call, sizeof(last_call), "%s page %u, %u pages, %lx, %lx, fail_in %u", name,
		 r->first, r->n, a, b, fail_in);
	memset(&involved[r->first], true, r->n);
}

static struct range random_range(void)
{
	struct range r;

	r.n = 1 + rnd(rnd(4) ? 6 : 30);
	r.first = rnd(PAGES - r.n + 1);
	r.addr = BASE + r.first * PAGE_SIZE;
	r.len = r.n * PAGE_SIZE - rnd(2) * rnd(PAGE_SIZE);
	return r;
}

static int random_prot(void)
{
	static const int prots[] = {0, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC,
				    PROT_READ | PROT_WRITE | PROT_EXEC};

	return prots[rnd(5)];
}

static unsigned long prot_flags(int prot)
{
	return (unsigned long)prot; /* VM_READ, VM_WRITE, VM_EXEC have the same values */
}

static bool range_mapped(const struct range *r)
{
	for (unsigned int i = 0; i < r->n; i++)
		if (!model[r->first + i].mapped)
			return false;
	return true;
}

static void want_unmapped(unsigned int first, unsigned int n)
{
	memset(&want[first], 0, n * sizeof(want[0]));
}

static void expect(bool ok, const char *what)
{
	if (!ok && !failed)
		fail(what);
}

static void op_mmap(void)
{
	struct range r = random_range();
	int prot = random_prot(), flags = rnd(3) ? MAP_FIXED : 0;
	struct test_file *file = rnd(2) ? &files[rnd(FILES)] : NULL;
	u64 pgoff = rnd(2) ? r.first : rnd(PAGES); /* often such that neighbours continue */
	bool shared = file && rnd(2);
	long addr;

	flags |= shared ? MAP_SHARED : MAP_PRIVATE;
	note_call("mmap", &r, prot, flags);
	addr = do_mmap(&mm, file ? &file->f : NULL, r.addr, r.len, prot,
		       flags | (file ? 0 : MAP_ANONYMOUS), pgoff);
	expect(addr >= 0, "mmap failed without a reason");
	if (addr > 0 && !in_window((vaddr_t)addr)) { /* the window has no such gap */
		if (addr == -ENOMEM || do_munmap(&mm, (vaddr_t)addr, r.len))
			expect(false, "munmap failed");
		check_all(true);
		return;
	}
	if (addr > 0)
		r.first = page_no((vaddr_t)addr);
	for (unsigned int i = 0; i < r.n; i++) {
		if (!(flags & MAP_FIXED) && addr > 0 && model[r.first + i].mapped)
			fail("mmap without MAP_FIXED replaced a page");
		if (addr > 0 || (flags & MAP_FIXED))
			want[r.first + i] = (struct model_page){
				.mapped = true,
				.flags = prot_flags(prot) | (shared ? VM_SHARED : 0),
				.file = file ? &file->f : NULL,
				.index = file ? pgoff + i : 0,
			};
	}
	check_all(addr > 0);
}

static void op_munmap(void)
{
	struct range r = random_range();
	long err;

	note_call("munmap", &r, 0, 0);
	err = do_munmap(&mm, r.addr, r.len);

	expect(!err, "munmap failed");
	want_unmapped(r.first, r.n);
	check_all(!err);
}

static void op_mprotect(void)
{
	struct range r = random_range();
	int prot = random_prot();
	bool all = range_mapped(&r);
	long err;

	note_call("mprotect", &r, prot, 0);
	err = do_mprotect(&mm, r.addr, r.len, prot);

	if (!all && !err)
		fail("mprotect over a hole succeeded");
	expect(!err || !all, "mprotect failed");
	for (unsigned int i = 0; i < r.n && model[r.first + i].mapped; i++)
		want[r.first + i].flags = (want[r.first + i].flags & ~VM_ACCESS) | prot_flags(prot);
	check_all(!failed);
}

static void op_flags(void)
{
	static const struct {
		int advice;
		unsigned long clear, set;
	} kinds[] = {{MADV_RANDOM, 0, VM_RAND_READ},
		     {MADV_NORMAL, VM_RAND_READ, 0},
		     {MADV_DONTFORK, 0, VM_DONTCOPY},
		     {MADV_DOFORK, VM_DONTCOPY, 0}};
	struct range r = random_range();
	unsigned int k = rnd(4);
	bool all = range_mapped(&r);
	long err;

	note_call("madvise", &r, kinds[k].advice, 0);
	err = do_madvise(&mm, r.addr, r.len, kinds[k].advice);

	expect(err == (all ? 0 : -ENOMEM), "madvise: wrong result");
	for (unsigned int i = 0; i < r.n; i++)
		if (model[r.first + i].mapped)
			want[r.first + i].flags = (want[r.first + i].flags & ~kinds[k].clear) |
						  kinds[k].set;
	check_all(!failed);
}

static void op_lock(void)
{
	struct range r = random_range();
	bool lock = rnd(2), all = range_mapped(&r);
	bool access = true;
	long err;

	note_call("mlock", &r, lock, 0);
	err = lock ? do_mlock(&mm, r.addr, r.len, 0) : do_munlock(&mm, r.addr, r.len);

	for (unsigned int i = 0; i < r.n && model[r.first + i].mapped; i++) {
		access &= model[r.first + i].flags & VM_ACCESS ? true : false;
		want[r.first + i].flags = (want[r.first + i].flags & ~VM_LOCKED) |
					  (lock ? VM_LOCKED : 0);
	}
	expect(err == (all && (access || !lock) ? 0 : -ENOMEM), "mlock: wrong result");
	check_all(!failed);
}

static void op_dontneed(void)
{
	struct range r = random_range();
	bool stop = false;

	note_call("madvise", &r, MADV_DONTNEED, 0);
	(void)do_madvise(&mm, r.addr, r.len, MADV_DONTNEED);
	for (unsigned int i = 0; i < r.n && !stop; i++) {
		struct model_page *p = &want[r.first + i];

		if (p->mapped && (p->flags & VM_LOCKED))
			stop = true; /* -EINVAL at this vma */
		else
			p->token = 0;
	}
	check_all(true);
}

static void op_mremap(void)
{
	struct range r = random_range(), to = random_range();
	unsigned int old_n = r.n, new_n = rnd(3) ? to.n : r.n;
	int flags = rnd(3) ? MREMAP_MAYMOVE | (rnd(2) ? MREMAP_FIXED : 0) : 0;
	struct model_page moved[PAGES] = {{0}};
	bool all = range_mapped(&r), fixed = flags & MREMAP_FIXED;
	unsigned int keep = min(old_n, new_n), at;
	long addr;

	if (fixed && to.first + new_n > PAGES)
		new_n = keep = min(old_n, PAGES - to.first);
	memcpy(moved, &model[r.first], old_n * sizeof(moved[0]));
	note_call("mremap", &r, flags, to.first * 1000 + new_n);
	addr = do_mremap(&mm, r.addr, old_n * PAGE_SIZE, new_n * PAGE_SIZE, flags, to.addr);
	if (addr < 0) { /* many reasons; but what was to move must still be there */
		memset(involved, false, sizeof(involved));
		memset(&involved[r.first + keep], true, old_n - keep);
		if (fixed)
			memset(&involved[to.first], true, new_n);
		check_all(false);
		return;
	}
	if (!all && (new_n > old_n || fixed) && !(fixed && new_n < old_n))
		fail("mremap over a hole succeeded");
	if (!in_window((vaddr_t)addr) || !in_window((vaddr_t)addr + (new_n - 1) * PAGE_SIZE)) {
		if (do_munmap(&mm, (vaddr_t)addr, new_n * PAGE_SIZE))
			expect(false, "munmap failed");
		if (!failed)
			want_unmapped(r.first, old_n);
		else
			memset(&want[r.first], 0, old_n * sizeof(want[0]));
		check_all(!failed);
		return;
	}
	at = page_no((vaddr_t)addr);
	if (at != r.first) {
		want_unmapped(r.first, old_n);
		want_unmapped(at, new_n);
	}
	for (unsigned int i = 0; i < new_n; i++) {
		want[at + i] = moved[min(i, keep - 1)];
		if (i >= keep) {
			want[at + i].token = 0;
			want[at + i].index += want[at + i].file ? i - (keep - 1) : 0;
		}
	}
	if (new_n < old_n && at == r.first)
		want_unmapped(r.first + new_n, old_n - new_n);
	check_all(!failed);
}

/* A private page is written: it becomes anonymous. */
static void op_touch(void)
{
	unsigned int i = rnd(PAGES);
	vaddr_t addr = BASE + i * PAGE_SIZE;
	struct vm_area_struct *vma;

	down_read(&mm.mmap_lock);
	vma = vma_lookup(&mm, addr);
	if (vma && (vma->flags & VM_WRITE) && !(vma->flags & VM_SHARED) && !table[i].token &&
	    !anon_vma_prepare(vma)) {
		table[i] = (struct touched){vma->anon_vma, vma_index(vma, addr), ++next_token};
		want[i].token = next_token;
	}
	up_read(&mm.mmap_lock);
	check_all(true);
}

static void one_call(void)
{
	memcpy(want, model, sizeof(want));
	memset(involved, false, sizeof(involved));
	failed = false;
	fail_in = rnd(16) ? 0 : 1 + rnd(8);
	switch (rnd(12)) {
	case 0 ... 2:
		return op_mmap();
	case 3:
		return op_munmap();
	case 4:
	case 5:
		return op_mprotect();
	case 6:
		return op_flags();
	case 7:
		return op_lock();
	case 8:
		return op_dontneed();
	case 9:
		return op_mremap();
	default:
		return op_touch();
	}
}

static void reset(bool check)
{
	fail_in = 0;
	failed = false;
	memset(want, 0, sizeof(want));
	if (do_munmap(&mm, BASE, PAGES * PAGE_SIZE))
		fail("munmap of all failed");
	if (check)
		check_all(true);
	ever_failed = false;
}

static void set_up(void)
{
	static bool once;

	if (!once)
		vma_init_cache();
	once = true;
	memset(&mm, 0, sizeof(mm));
	rwsem_init(&mm.mmap_lock, LOCK_MMAP);
	mm.rlim_as = mm.rlim_data = mm.rlim_memlock = mm.rlim_stack = ~0UL;
	mm.may_lock = true;
	mm.mmap_base = BASE + PAGES * PAGE_SIZE;
	mm.gap_end = TASK_SIZE;
	sysctl_mmap_min_addr = BASE;
	for (int i = 0; i < FILES; i++) {
		files[i].mapping = (struct address_space){.shmem = true};
		files[i].f = (struct mappable){&file_ops, &files[i].mapping,
					       MAPPABLE_READ | MAPPABLE_WRITE};
		files[i].refs = 1;
	}
}

/* Catches: any split, merge or accounting that loses, keeps or misplaces a page. */
static void test_random(void)
{
	const char *n = getenv("VMA_OPS");
	unsigned long ops = n ? strtoul(n, NULL, 0) : 400000;

	set_up();
	for (unsigned long i = 0; i < ops; i++) {
		one_call();
		if (!rnd(200))
			reset(true);
	}
	reset(true);
	for (int i = 0; i < FILES; i++)
		if (files[i].refs != 1)
			fail("a file reference is leaked");
	if (live_objects || links || mm.map_count)
		fail("a vma or a chain is leaked");
}

static unsigned int count_vmas(void)
{
	return (unsigned int)mm.map_count;
}

static vaddr_t map_anon(unsigned int first, unsigned int n, int prot)
{
	long a = do_mmap(&mm, NULL, BASE + first * PAGE_SIZE, n * PAGE_SIZE, prot,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);

	if (a < 0)
		fail("mmap");
	return (vaddr_t)a;
}

#define RW (PROT_READ | PROT_WRITE)
static void want_vmas(unsigned int n, const char *what)
{
	if (count_vmas() != n) {
		printf("# %s: %u vmas, want %u\n", what, count_vmas(), n);
		fail("wrong number of vmas");
	}
	check_books();
}

/* Catches: one of the eight ways in which a changed range meets its neighbours is not merged.
 * P and N are the neighbours' rights, X the range's. */
static void test_merge_cases(void)
{
	set_up();
	map_anon(0, 4, RW); /*		PPPP			alone */
	want_vmas(1, "one");
	map_anon(4, 4, RW); /*		PPPPXXXX -> PPPPPPPP	grows upwards */
	want_vmas(1, "after");
	map_anon(12, 4, RW); /*		PPPPPPPP....NNNN */
	want_vmas(2, "apart");
	map_anon(11, 1, RW); /*		PPPPPPPP...XNNNN	grows downwards */
	want_vmas(2, "before");
	map_anon(8, 3, RW); /*		PPPPPPPPXXXNNNNN	fills the hole: all one */
	want_vmas(1, "both");
	(void)do_mprotect(&mm, BASE + 4 * PAGE_SIZE, 4 * PAGE_SIZE,
			  PROT_READ); /* PPPPRRRRPPPPPPPP */
	want_vmas(3, "middle");
	(void)do_mprotect(&mm, BASE + 4 * PAGE_SIZE, 2 * PAGE_SIZE, RW); /*	 PPPPPPRRPPPPPPPP */
	want_vmas(3, "border moves up");
	(void)do_mprotect(&mm, BASE + 7 * PAGE_SIZE, PAGE_SIZE, RW); /*		 PPPPPPRPPPPPPPPP */
	want_vmas(3, "border moves down");
	(void)do_mprotect(&mm, BASE + 6 * PAGE_SIZE, PAGE_SIZE, RW);
	want_vmas(1, "healed");
	(void)do_munmap(&mm, BASE + 5 * PAGE_SIZE, PAGE_SIZE);
	want_vmas(2, "a hole");
	reset(false);
	want_vmas(0, "empty");
}

/* Catches: the border moves (no allocation needed) although no memory is left, or a split does not
 * undo itself. */
static void test_failed_split(void)
{
	set_up();
	map_anon(0, 8, RW);
	fail_in = 1;
	if (do_mprotect(&mm, BASE + PAGE_SIZE, PAGE_SIZE, PROT_READ) != -ENOMEM)
		fail("mprotect without memory succeeded");
	fail_in = 2; /* the second cut */
	if (do_mprotect(&mm, BASE + PAGE_SIZE, PAGE_SIZE, PROT_READ) != -ENOMEM)
		fail("mprotect without memory succeeded");
	want_vmas(1, "undone");
	fail_in = 2;
	if (do_munmap(&mm, BASE + PAGE_SIZE, PAGE_SIZE) != -ENOMEM)
		fail("munmap without memory succeeded");
	want_vmas(1, "undone");
	fail_in = 0;
	reset(false);
}

/* Catches: the gap search overlooks a gap, or finds one that is too small, too low or too high. */
static void test_gaps(void)
{
	set_up();
	for (int round = 0; round < 20000; round++) {
		struct range r = random_range();
		unsigned int n = 1 + rnd(8), best = ~0u, worst = ~0u;
		vaddr_t top, bottom, low = BASE, high = BASE + PAGES * PAGE_SIZE;

		if (rnd(3))
			map_anon(r.first, 1 + rnd(3) % r.n, rnd(2) ? RW : PROT_READ);
		else
			(void)do_munmap(&mm, r.addr, r.len);
		down_write(&mm.mmap_lock);
		for (unsigned int i = 0; i + n <= PAGES; i++) {
			vaddr_t a = BASE + i * PAGE_SIZE;

			if (find_vma_intersection(&mm, a, a + n * PAGE_SIZE))
				continue;
			best = i;
			worst = worst == ~0u ? i : worst;
		}
		top = vma_gap_topdown(&mm, low, n * PAGE_SIZE);
		bottom = vma_gap_bottomup(&mm, low, high, n * PAGE_SIZE);
		up_write(&mm.mmap_lock);
		if (top != (best == ~0u ? 0 : BASE + best * PAGE_SIZE))
			fail("topdown search is wrong");
		if (bottom != (worst == ~0u ? 0 : BASE + worst * PAGE_SIZE))
			fail("bottomup search is wrong");
	}
	reset(false);
}

/* Catches: more vmas than vm.max_map_count, or a munmap refused that needs no more of them. */
static void test_map_count(void)
{
	set_up();
	sysctl_max_map_count = 4;
	map_anon(0, 9, RW);
	for (int i = 1; i <= 3; i += 2)
		if (do_mprotect(&mm, BASE + i * PAGE_SIZE, PAGE_SIZE, PROT_READ) !=
		    (i == 1 ? 0 : -ENOMEM))
			fail("mprotect at the limit");
	if (do_munmap(&mm, BASE, PAGE_SIZE))
		fail("munmap of an end at the limit");
	sysctl_max_map_count = count_vmas();
	if (do_munmap(&mm, BASE + 6 * PAGE_SIZE, PAGE_SIZE) != -ENOMEM)
		fail("munmap made a hole at the limit");
	sysctl_max_map_count = 65530;
	reset(false);
}

/* Catches: a stack that grows into its guard gap, past its limit, or without being counted. */
static void test_stack_growth(void)
{
	struct vm_area_struct *vma;
	vaddr_t top = BASE + (1UL << 24);

	set_up();
	mm.rlim_stack = 1UL << 23;
	if (mm_map_stack(&mm, top, 4 * PAGE_SIZE, false))
		fail("no stack");
	map_anon(0, 1, RW);
	down_write(&mm.mmap_lock);
	vma = vma_lookup(&mm, top - 1);
	if (vma_grow_down(vma, top - (1UL << 23)) || vma_pages(vma) != 1UL << 11)
		fail("the stack does not grow to its limit");
	if (vma_grow_down(vma, top - (1UL << 23) - 1) != -ENOMEM)
		fail("the stack grows past its limit");
	mm.rlim_stack = ~0UL;
	if (vma_grow_down(vma, BASE + STACK_GUARD_GAP) != -ENOMEM)
		fail("the stack grows into the guard gap");
	if (vma_grow_down(vma, BASE + PAGE_SIZE + STACK_GUARD_GAP))
		fail("the stack does not grow to the guard gap");
	up_write(&mm.mmap_lock);
	check_books();
	if (do_munmap(&mm, BASE, 1UL << 24))
		fail("munmap");
	want_vmas(0, "empty");
}

/* Catches: the break moves into a mapping, past RLIMIT_DATA, or leaves its vma behind. */
static void test_brk(void)
{
	set_up();
	mm.start_brk = mm.brk = BASE + 100;
	if (do_brk(&mm, 0) != (long)mm.brk || do_brk(&mm, BASE + 5000) != (long)BASE + 5000)
		fail("brk");
	want_vmas(1, "heap");
	map_anon(8, 1, RW);
	if (do_brk(&mm, BASE + 7 * PAGE_SIZE + 1) != (long)BASE + 5000)
		fail("brk into the page before a mapping");
	if (do_brk(&mm, BASE + 7 * PAGE_SIZE) != (long)(BASE + 7 * PAGE_SIZE))
		fail("brk up to a page before a mapping");
	mm.rlim_data = 8 * PAGE_SIZE;
	if (do_brk(&mm, BASE + 200) != (long)BASE + 200)
		fail("brk down");
	mm.rlim_data = 1000;
	if (do_brk(&mm, BASE + 1101) != (long)BASE + 200)
		fail("brk past RLIMIT_DATA");
	mm.rlim_data = ~0UL;
	reset(false);
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = {
	{"vma.merge_cases", test_merge_cases},
	{"vma.failed_split", test_failed_split},
	{"vma.gaps", test_gaps},
	{"vma.map_count", test_map_count},
	{"vma.stack_growth", test_stack_growth},
	{"vma.brk", test_brk},
	{"vma.random", test_random},
};

int main(void)
{
	const char *s = getenv("SEED");

	setvbuf(stdout, NULL, _IOLBF, 0);

	if (s)
		seed = strtoul(s, NULL, 0);
	printf("TAP version 13\n1..%zu\n", ARRAY_SIZE(tests));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		tests[i].fn();
		printf("ok %zu %s\n", i + 1, tests[i].name);
	}
	return 0;
}
