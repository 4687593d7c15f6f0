/* SPDX-License-Identifier: MIT */
/*
 * Memory from all CPUs at once: the buddy, slab, vmalloc, page tables and the page cache, each used at
 * random by one thread on each CPU (and by three where there are fewer). Whatever they get they stamp,
 * and look at the stamp before they give it back, often on another CPU: what two had at once, or what
 * somebody still reached through an old translation, has the wrong one. The structure checkers and the
 * ledger of each test (ktest.h) say whether anything was lost.
 */
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/sched/wait.h>
#include <kernel/sync/mutex.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/filemap.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/slab.h>
#include <mm/vma.h>
#include <mm/vmalloc.h>
#include <tests/kernel/ktest.h>

#define WORDS (PAGE_SIZE / sizeof(u64))

/* ---- the threads -------------------------------------------------------------------------------- */

struct torture;
struct worker {
	struct torture *t;
	unsigned int id;
	u64 rng;
	u64 serial;
};

struct torture {
	void (*fn)(struct worker *w);
	unsigned int rounds;
	atomic_t running, bad;
	struct wait_queue wait;
	bool done;
	struct worker worker[NR_CPUS];
	unsigned int nr;
	void *slot[32]; /* what is handed on: taken and put by exchange */
	struct kmem_cache *cache;
	struct mm_struct *mm;
	vaddr_t shared; /* area of all */
	struct address_space *mapping;
	struct mutex inode;
};

static u64 rnd(struct worker *w, u64 n)
{
	u64 z = (w->rng += 0x9e3779b97f4a7c15UL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
	return (z ^ (z >> 27)) % n;
}

/* Never the same twice, nor another's. */
static u64 new_stamp(struct worker *w)
{
	return ((u64)w->id + 1) << 40 | ++w->serial;
}

static bool good(struct worker *w, bool ok, const char *what, u64 got, u64 want)
{
	if (!ok && atomic_inc_return(&w->t->bad) == 1)
		ktest_fail(__FILE__, __LINE__, "worker %u: %s: %lx, expected %lx", w->id, what,
			   (unsigned long)got, (unsigned long)want);
	return ok;
}
#define GOOD_EQ(w, what, got, want)                    \
	({                                             \
		u64 _g = (u64)(got), _w = (u64)(want); \
		good(w, _g == _w, what, _g, _w);       \
	})

static void torture_leave(struct torture *t)
{
	if (atomic_dec_and_test(&t->running))
		ktest_complete(&t->wait, &t->done);
}

static int worker_main(void *arg)
{
	struct worker *w = arg;
	struct torture *t = w->t;

	for (unsigned int i = 0; i < t->rounds && !atomic_read(&t->bad); i++) {
		t->fn(w);
		if (rnd(w, 8) == 0)
			sched_yield();
	}
	if (t->mm) {
		mm_activate(&init_mm);
		current_thread()->mm = NULL;
		mm_put_user(t->mm);
	}
	torture_leave(t);
	return 0;
}

static int worker_start(void *arg)
{
	struct worker *w = arg;

	thread_set_affinity(current_thread(), BIT(w->id % nr_cpu_ids));
	if (w->t->mm)
		mm_activate(w->t->mm);
	return worker_main(w);
}

/* rounds: of all together. */
static void torture_run(struct torture *t, void (*fn)(struct worker *w), unsigned int rounds)
{
	t->fn = fn;
	t->nr = max(nr_cpu_ids, 3u);
	t->rounds = rounds / t->nr;
	t->done = false;
	wait_queue_init(&t->wait);
	atomic_set(&t->bad, 0);
	atomic_set(&t->running, (int)t->nr + 1);
	for (unsigned int i = 0; i < t->nr; i++) {
		struct worker *w = &t->worker[i];

		*w = (struct worker){.t = t, .id = i, .rng = ktest_random()};
		if (t->mm)
			mm_get_user(t->mm);
		if (!EXPECT(!IS_ERR(kthread_run(worker_start, w, "torture%u", i)))) {
			if (t->mm)
				mm_put_user(t->mm);
			atomic_dec(&t->running);
		}
	}
	torture_leave(t);
	ktest_wait(&t->wait, &t->done);
}

static struct torture *torture_new(void)
{
	struct torture *t = kzalloc(sizeof(*t), GFP_KERNEL);

	EXPECT(t);
	return t;
}

/* Puts p in a slot at random: what was there is the caller's. */
static void *hand_on(struct worker *w, void *p)
{
	return __atomic_exchange_n(&w->t->slot[rnd(w, ARRAY_SIZE(w->t->slot))], p,
				   __ATOMIC_ACQ_REL);
}

/* ---- the buddy ------------------------------------------------------------------------------------ */

/* A block's first page knows what it is. */
struct block {
	u64 stamp;
	u64 order;
};

static void stamp_block(struct page *p, unsigned int order, u64 stamp)
{
	struct block *b = page_address(p);

	for (unsigned long i = 0; i < 1UL << order; i++) {
		u64 *word = page_address(p + i);

		word[0] = word[WORDS - 1] = stamp + i;
	}
	b->order = order;
}

static void check_and_free(struct worker *w, struct block *b)
{
	struct page *p = virt_to_page(b);
	u64 stamp = b->stamp;
	unsigned int order = (unsigned int)b->order;

	if (!good(w, order <= 4, "order of a block", order, 4))
		return;
	for (unsigned long i = 0; i < 1UL << order; i++) {
		const u64 *word = page_address(p + i);

		if (!GOOD_EQ(w, "a page of a block", word[0], stamp + i) ||
		    !GOOD_EQ(w, "the end of a page", word[WORDS - 1], stamp + i))
			return;
	}
	free_pages_block(p, order);
}

static void bulk(struct worker *w)
{
	struct page *pages[24];
	u64 stamp = new_stamp(w);
	size_t n = 0;

	while (n < ARRAY_SIZE(pages) &&
	       (pages[n] = alloc_page(GFP_KERNEL | __GFP_NOWARN | __GFP_MOVABLE)))
		n++;
	for (size_t i = 0; i < n; i++)
		stamp_block(pages[i], 0, stamp + i);
	sched_yield();
	for (size_t i = 0; i < n; i++) {
		GOOD_EQ(w, "a page of a bulk", *(u64 *)page_address(pages[i]), stamp + i);
		atomic_set(&pages[i]->refcount, 0);
	}
	free_pages_bulk(pages, n);
	w->serial += n;
}

static void buddy_round(struct worker *w)
{
	static const gfp_t gfp[] = {GFP_KERNEL, GFP_KERNEL | __GFP_MOVABLE, GFP_KERNEL | __GFP_DMA,
				    GFP_ATOMIC, GFP_KERNEL | __GFP_RECLAIMABLE};
	unsigned int order = (unsigned int)rnd(w, 5) * (unsigned int)rnd(w, 2);
	struct page *p =
		alloc_pages(gfp[rnd(w, ARRAY_SIZE(gfp))] | __GFP_NOWARN | __GFP_NORETRY, order);
	struct block *b = NULL;

	if (p) {
		stamp_block(p, order, new_stamp(w));
		w->serial += 1UL << order;
		b = page_address(p);
	}
	b = hand_on(w, b);
	if (b)
		check_and_free(w, b);
	if (rnd(w, 32) == 0)
		bulk(w);
	if (rnd(w, 64) == 0)
		drain_all_pages();
	if (rnd(w, 256) == 0)
		page_alloc_check();
}

KTEST(torture, buddy, "a page handed to two CPUs, or lost from another CPU's lists")
{
	struct torture *t = torture_new();

	CHECK(t);
	torture_run(t, buddy_round, 3000);
	for (unsigned int i = 0; i < ARRAY_SIZE(t->slot); i++)
		if (t->slot[i])
			check_and_free(&t->worker[0], t->slot[i]);
	kfree(t);
}

/* ---- slab ------------------------------------------------------------------------------------------ */

struct object {
	u64 stamp;
	u64 size; /* 0: of the test's own cache */
	u64 word[];
};
#define OWN_SIZE 208

static u64 *last_word(struct object *o)
{
	return (u64 *)((char *)o + ALIGN_DOWN(o->size ? o->size : OWN_SIZE, 8UL)) - 1;
}

static void check_and_kfree(struct worker *w, struct object *o)
{
	if (!good(w, o->size <= 3000, "an object's size", o->size, 3000) ||
	    !GOOD_EQ(w, "the end of an object", *last_word(o), o->stamp))
		return;
	if (o->size)
		kfree(o);
	else
		kmem_cache_free(w->t->cache, o);
}

static void slab_round(struct worker *w)
{
	size_t size = rnd(w, 3) ? 24 + rnd(w, 200 + 2700 * (rnd(w, 8) == 0)) : 0;
	struct object *o = size ? kmalloc(size, GFP_KERNEL) :
				  kmem_cache_alloc(w->t->cache, GFP_KERNEL);

	if (o) {
		o->size = size;
		o->stamp = new_stamp(w);
		*last_word(o) = o->stamp;
	}
	o = hand_on(w, o);
	if (o)
		check_and_kfree(w, o);
	if (rnd(w, 128) == 0)
		kmem_cache_shrink(w->t->cache);
	if (rnd(w, 512) == 0)
		slab_shrink(100);
	if (rnd(w, 1024) == 0)
		slab_check();
}

KTEST(torture, slab, "an object handed to two CPUs, or lost from another CPU's magazine")
{
	struct torture *t = torture_new();

	CHECK(t);
	t->cache = kmem_cache_create("torture", OWN_SIZE, 0, 0, NULL);
	if (EXPECT(t->cache)) {
		torture_run(t, slab_round, 9000);
		for (unsigned int i = 0; i < ARRAY_SIZE(t->slot); i++)
			if (t->slot[i])
				check_and_kfree(&t->worker[0], t->slot[i]);
		EXPECT_EQ(kmem_cache_destroy(t->cache), 0);
	}
	kfree(t);
}

/* ---- vmalloc ----------------------------------------------------------------------------------------- */

/* What is known of an area beside it: its contents may be seen through an old translation. */
struct area_note {
	u64 *p;
	size_t pages; /* 0: a kernel stack */
	u64 stamp;
};

static size_t note_pages(const struct area_note *n)
{
	return n->pages ? n->pages : KSTACK_SIZE / PAGE_SIZE;
}

static void check_and_vfree(struct worker *w, struct area_note *n)
{
	bool ok = true;

	for (size_t i = 0; ok && i < note_pages(n); i++)
		ok = GOOD_EQ(w, "a page of an area", n->p[i * WORDS], n->stamp + i);
	if (n->pages)
		vfree(n->p);
	else
		kstack_free(n->p);
	kfree(n);
}

static struct area_note *new_area(struct worker *w)
{
	struct area_note *n = kmalloc(sizeof(*n), GFP_KERNEL);

	if (!n)
		return NULL;
	n->pages = rnd(w, 5);
	n->p = n->pages ? vmalloc(n->pages * PAGE_SIZE) : kstack_alloc(0);
	if (!n->p) {
		kfree(n);
		return NULL;
	}
	n->stamp = new_stamp(w);
	w->serial += note_pages(n);
	for (size_t i = 0; i < note_pages(n); i++)
		n->p[i * WORDS] = n->stamp + i;
	return n;
}

static void vmalloc_round(struct worker *w)
{
	struct area_note *n = hand_on(w, new_area(w));

	if (n)
		check_and_vfree(w, n);
	if (rnd(w, 256) == 0)
		kstack_drain();
}

KTEST(torture, vmalloc,
      "one address given out twice; a CPU that still reaches what was there before")
{
	struct torture *t = torture_new();

	CHECK(t);
	torture_run(t, vmalloc_round, 600);
	for (unsigned int i = 0; i < ARRAY_SIZE(t->slot); i++)
		if (t->slot[i])
			check_and_vfree(&t->worker[0], t->slot[i]);
	kfree(t);
}

/* ---- page tables -------------------------------------------------------------------------------------- */

#define OWN_PAGES    24UL
#define SHARED_PAGES 8UL

/* A worker's own area, and its own words in the area of all. */
struct own {
	vaddr_t base;
	u64 page[OWN_PAGES];
	u64 word[SHARED_PAGES];
};
static struct own own[NR_CPUS];

static bool put_word(vaddr_t addr, u64 v)
{
	return !copy_to_user((void __user *)addr, &v, sizeof(v));
}

static bool get_word(vaddr_t addr, u64 *v)
{
	return !copy_from_user(v, (void __user *)addr, sizeof(*v));
}

static vaddr_t page_of(struct worker *w, unsigned int i)
{
	return own[w->id].base + i * PAGE_SIZE;
}

static void check_own(struct worker *w, unsigned int i)
{
	u64 v = 0;

	if (good(w, get_word(page_of(w, i), &v), "a page of one's own cannot be read", i, 0))
		GOOD_EQ(w, "a page of one's own", v, own[w->id].page[i]);
}

static void protect_and_look(struct worker *w, unsigned int i, int prot)
{
	struct mm_struct *mm = w->t->mm;
	vaddr_t a = page_of(w, i);
	u64 v;

	if (!GOOD_EQ(w, "mprotect", do_mprotect(mm, a, PAGE_SIZE, prot), 0))
		return;
	good(w, !put_word(a, 1), "a write that mprotect has forbidden", i, 0);
	good(w, get_word(a, &v) == (prot != 0), "reading after mprotect", i, 0);
	GOOD_EQ(w, "mprotect", do_mprotect(mm, a, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	check_own(w, i);
}

static void map_anew(struct worker *w, unsigned int i)
{
	struct mm_struct *mm = w->t->mm;
	vaddr_t a = page_of(w, i);

	GOOD_EQ(w, "mmap over a page",
		do_mmap(mm, NULL, a, PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0),
		a);
	own[w->id].page[i] = 0;
}

static void move_all(struct worker *w)
{
	struct mm_struct *mm = w->t->mm;
	struct own *o = &own[w->id];
	size_t len = OWN_PAGES * PAGE_SIZE;
	long to = do_mmap(mm, NULL, 0, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0);

	if (to < 0)
		return;
	/* The area may be several mappings by now, which do not move as one. Then the new place is free
	 * again, or even another's. */
	if (do_mremap(mm, o->base, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (vaddr_t)to) == to)
		o->base = (vaddr_t)to;
}

/* The child has what was there at the fork, whatever is written afterwards. */
static void fork_and_look(struct worker *w, unsigned int i)
{
	struct mm_struct *child = mm_fork(w->t->mm);
	struct own *o = &own[w->id];
	unsigned int s = (unsigned int)rnd(w, SHARED_PAGES);
	vaddr_t word = w->t->shared + s * PAGE_SIZE + w->id * sizeof(u64);
	u64 v = 0, before = o->page[i], shared = o->word[s];

	if (IS_ERR(child))
		return;
	o->page[i] = new_stamp(w);
	o->word[s] = new_stamp(w);
	good(w, put_word(page_of(w, i), o->page[i]), "a write after a fork", i, 0);
	good(w, put_word(word, o->word[s]), "a write after a fork", s, 0);
	if (mm_access(child, page_of(w, i), &v, sizeof(v), false) == sizeof(v))
		GOOD_EQ(w, "a page of the child", v, before);
	if (mm_access(child, word, &v, sizeof(v), false) == sizeof(v))
		GOOD_EQ(w, "a word of the child", v, shared);
	mm_put_user(child);
}

static void shared_round(struct worker *w)
{
	unsigned int s = (unsigned int)rnd(w, SHARED_PAGES);
	vaddr_t addr = w->t->shared + s * PAGE_SIZE + w->id * sizeof(u64);
	u64 *want = &own[w->id].word[s], v = 0;

	good(w, get_word(addr, &v), "the area of all cannot be read", s, 0);
	if (!GOOD_EQ(w, "one's word in a page of all", v, *want))
		return;
	*want = new_stamp(w);
	good(w, put_word(addr, *want), "the area of all cannot be written", s, 0);
}

static void tables_round(struct worker *w)
{
	struct mm_struct *mm = w->t->mm;
	struct own *o = &own[w->id];
	unsigned int i = (unsigned int)rnd(w, OWN_PAGES);

	for (int n = 0; n < 4; n++)
		shared_round(w);
	check_own(w, i);
	switch (rnd(w, 16)) {
	case 0:
		protect_and_look(w, i, 0);
		break;
	case 1:
		protect_and_look(w, i, PROT_READ);
		break;
	case 2:
		GOOD_EQ(w, "madvise", do_madvise(mm, page_of(w, i), PAGE_SIZE, MADV_DONTNEED), 0);
		o->page[i] = 0;
		break;
	case 3:
		map_anew(w, i);
		break;
	case 4:
		move_all(w);
		break;
	case 5:
		fork_and_look(w, i);
		break;
	case 6:
		GOOD_EQ(w, "munmap", do_munmap(mm, page_of(w, i), PAGE_SIZE), 0);
		map_anew(w, i);
		break;
	default:
		o->page[i] = new_stamp(w);
		good(w, put_word(page_of(w, i), o->page[i]), "a write", i, 0);
	}
}

static void tables_body(void *arg)
{
	struct torture *t = arg;
	long area;

	t->mm = current_mm();
	memset(own, 0, sizeof(own));
	area = do_mmap(t->mm, NULL, 0, SHARED_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	CHECK(area > 0);
	t->shared = (vaddr_t)area;
	for (unsigned int i = 0; i < NR_CPUS; i++) {
		area = do_mmap(t->mm, NULL, 0, OWN_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, 0);
		CHECK(area > 0);
		own[i].base = (vaddr_t)area;
	}
	torture_run(t, tables_round, 500);
}

KTEST(torture, page_tables, "a write lost in a fork, a right or a page that outlives its mapping")
{
	struct torture *t = torture_new();

	CHECK(t);
	ktest_with_mm(tables_body, t);
	kfree(t);
}

/* ---- the page cache --------------------------------------------------------------------------------------- */

#define FILE_PAGES 32UL
#define FILE_BYTES ((loff_t)(FILE_PAGES * PAGE_SIZE))

static void no_ref(struct mappable *f)
{
	(void)f;
}
static const struct mappable_ops file_ops = {.get = no_ref, .put = no_ref};

/* Each word of page i is 0 or says i. */
static u64 file_word(struct worker *w, unsigned int i)
{
	return ((u64)i + 1) << 48 | (new_stamp(w) & ((1UL << 48) - 1));
}

static void check_file_word(struct worker *w, unsigned int i, u64 v)
{
	if (v)
		GOOD_EQ(w, "a word of the file", v >> 48, i + 1);
}

static void file_write(struct worker *w, unsigned int i, u64 *buf)
{
	for (unsigned int n = 0; n < WORDS; n++)
		buf[n] = file_word(w, i);
	mutex_lock(&w->t->inode);
	GOOD_EQ(w, "write", filemap_write_kernel(w->t->mapping, i * PAGE_SIZE, buf, PAGE_SIZE),
		PAGE_SIZE);
	mutex_unlock(&w->t->inode);
}

static void file_read(struct worker *w, unsigned int i, u64 *buf)
{
	ssize_t n = filemap_read_kernel(w->t->mapping, i * PAGE_SIZE, buf, PAGE_SIZE);

	for (ssize_t k = 0; k < n / 8; k++)
		check_file_word(w, i, buf[k]);
}

static void file_cut(struct worker *w, unsigned int i)
{
	struct address_space *m = w->t->mapping;

	mutex_lock(&w->t->inode);
	if (rnd(w, 2)) {
		EXPECT_EQ(truncate_setsize(m, (loff_t)(i * PAGE_SIZE + rnd(w, WORDS) * 8)), 0);
		if (rnd(w, 4))
			EXPECT_EQ(truncate_setsize(m, FILE_BYTES), 0);
	} else {
		EXPECT_EQ(truncate_range(m, i * PAGE_SIZE,
					 (loff_t)(i + 1 + rnd(w, 8)) * (loff_t)PAGE_SIZE),
			  0);
	}
	mutex_unlock(&w->t->inode);
}

static void cache_round(struct worker *w)
{
	unsigned int i = (unsigned int)rnd(w, FILE_PAGES);
	vaddr_t addr = w->t->shared + i * PAGE_SIZE + rnd(w, WORDS) * 8;
	u64 *buf = get_free_page(GFP_KERNEL), v = 0;

	if (!buf)
		return;
	switch (rnd(w, 8)) {
	case 0:
		file_write(w, i, buf);
		break;
	case 1:
	case 2:
		file_read(w, i, buf);
		break;
	case 3:
		file_cut(w, i);
		break;
	case 4:
	case 5:
		(void)put_word(addr, file_word(w, i)); /* or it is beyond the end */
		break;
	default:
		if (get_word(addr, &v))
			check_file_word(w, i, v);
	}
	free_page(buf);
}

static void cache_body(void *arg)
{
	struct torture *t = arg;
	struct mappable file = {&file_ops, t->mapping, MAPPABLE_READ | MAPPABLE_WRITE};
	struct mm_struct *mm = current_mm();
	long area = do_mmap(mm, &file, 0, FILE_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, 0);
	u64 v;

	CHECK(area > 0);
	t->mm = mm;
	t->shared = (vaddr_t)area;
	torture_run(t, cache_round, 2000);
	/* Whatever of it is mapped still will be found. */
	EXPECT_EQ(truncate_setsize(t->mapping, 0), 0);
	EXPECT_EQ(mm_counter_read(mm, MM_FILE), 0);
	for (unsigned int i = 0; i < FILE_PAGES; i++)
		EXPECT(!get_word(t->shared + i * PAGE_SIZE, &v));
	EXPECT_EQ(do_munmap(mm, t->shared, FILE_PAGES * PAGE_SIZE), 0);
}

KTEST(torture, page_cache,
      "a page that stays mapped or cached when its file is cut; another page's words")
{
	struct torture *t = torture_new();

	CHECK(t);
	t->mapping = get_free_page(GFP_KERNEL | __GFP_ZERO); /* aligned */
	if (EXPECT(t->mapping)) {
		mapping_init(t->mapping, NULL, NULL, false);
		t->mapping->size = FILE_BYTES;
		mutex_init(&t->inode, LOCK_INODE);
		ktest_with_mm(cache_body, t);
		truncate_all(t->mapping);
		free_page(t->mapping);
	}
	kfree(t);
}
