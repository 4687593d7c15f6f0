/* SPDX-License-Identifier: MIT */
/*
 * Data integrity under shortage: every byte of memory is what was written there, however often it went
 * out to swap and came back.
 *
 *	t_integrity [-m MIB] [-p PROCESSES] [-n STEPS] [-S SEED] [-b] [-d]
 *
 * Some processes fill more memory than there is and then take random steps: map, write, verify, fork,
 * lock, page out, discard, punch, move, unmap. Beside the memory each keeps a model of it, a version
 * for every page; the page's 512 words follow from its area's key, its number and its version, so that
 * a page that was lost, mixed up, not zeroed, shared by mistake or only damaged by a bit is seen.
 *
 *	private		anonymous, or of a file (unwritten pages are the file's): the model is the
 *			process's own and is copied by fork() together with what it describes
 *	shared		anonymous, or a file of tmpfs, written and read by all. The versions are shared,
 *			too, and the lowest bit of each says that the page is being written: a page
 *			is judged only if its version was the same, and even, before and after
 *
 * A common count of the pages that may be in use, those that a forked child may copy included, keeps
 * all within what RAM and swap hold, so that nothing here can end in an OOM kill: that would be a
 * failure. In the test the size follows from /proc/meminfo; integrity=STEPS or random=STEPS on the
 * kernel's command line is the long form, seed=N another one, and with faults=N of 1000 requests to the
 * ramdisks fail while the steps are taken, so that a SIGBUS is no failure. The test `random` has two areas; while the steps are taken, they come and go, and the
 * policy, read-ahead, swappiness and caches change; in the end no slot and no page may be missing.
 * Started with options it is a program: all is repeated exactly by the seed but for the order in which
 * processes run. -b: a SIGBUS ends a process and is no failure (the swap
 * device is faulty); -d: damage one bit, to see that it is noticed.
 */
#include "utest.h"

#include <assert.h>
#include <stdbool.h>
#include <sys/statfs.h>
#include <sys/swap.h>

enum { REGIONS = 96, LIBRARY = 64, BUS_EXIT = 42, WORDS = PAGE / 8 };
enum { HOLE = 1, LOCKED = 2, FREED = 4 }; /* a page's flags; FREED: may have become 0 */
enum { BUSY = 1, ZERO = 2, NEXT = 4 };    /* a shared page's version */

struct region {
	char *base;
	size_t pages;
	uint64_t key;
	bool file;      /* unwritten pages are the library's, else 0 */
	uint32_t *ver;  /* a page's version; 0: never written */
	uint8_t *flags; /* behind ver */
};

struct shared {
	char *base;
	size_t pages;
	uint64_t key;
	uint32_t *ver;
	int fd; /* -1: anonymous */
};

static struct control { /* seen by all */
	long used, locked, steps, forks, refused, lost;
} * ctl;
static long budget, lock_limit, steps_each; /* pages, pages, steps */
static bool ends_by_exec;
static int workers = 4;
static bool bus_is_clean, damage, can_pageout;
static uint64_t seed = 1, rng;
static struct shared areas[2];
static int library; /* a file of LIBRARY pages that nobody changes */
#define LIBRARY_KEY 0x6c696272617279UL

/* This process's own. */
static struct region regions[REGIONS];
static long private_pages, locked_pages;
static int step, depth;
static char stamp[64];

static uint64_t rnd(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % n;
}

static uint64_t first_word(uint64_t key, size_t page, uint32_t ver)
{
	uint64_t x = (key ^ page * 0xd6e8feb86659fd93ULL) + ver * 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
	return x ^ x >> 32;
}

#define STRIDE 0x9e3779b97f4a7c15ULL

static void fill(void *page, uint64_t word)
{
	for (uint64_t *p = page, *end = p + WORDS; p < end; word += STRIDE)
		*p++ = word;
}

/* The first word that is wrong, or WORDS. Of a page of zeros, stride is 0. */
static int first_wrong(const void *page, uint64_t word, uint64_t stride)
{
	const volatile uint64_t *p = page;

	for (int i = 0; i < WORDS; i++, word += stride)
		if (p[i] != word)
			return i;
	return WORDS;
}

/* Says all that may help to find out, and ends the process. */
static void wrong(const char *what, const void *at, size_t page, uint32_t ver, uint64_t word,
		  uint64_t stride)
{
	const uint64_t *p = at;
	int first = first_wrong(at, word, stride), bad = 0, zero = 0;

	for (int i = 0; i < WORDS; i++) {
		bad += p[i] != word + stride * (uint64_t)i;
		zero += p[i] == 0;
	}
	FAIL("%s step %d: %s page %zu at %p, version %u: %d words are wrong, %d are 0; word %d is %#lx, not %#lx; pagemap %#lx",
	     stamp, step, what, page, at, ver, bad, zero, first, p[first % WORDS],
	     word + stride * (uint64_t)first, ut_pagemap(at));
	ut_abort();
}

/* --- how much is in use ---- */

static bool take(long *count, long n, long limit)
{
	if (__atomic_add_fetch(count, n, __ATOMIC_SEQ_CST) <= limit)
		return true;
	__atomic_sub_fetch(count, n, __ATOMIC_SEQ_CST);
	return false;
}

static void give(long *count, long n)
{
	__atomic_sub_fetch(count, n, __ATOMIC_SEQ_CST);
}

static void tally(long *count)
{
	__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

/* A call that may be refused for want of memory, and for nothing else. */
static bool refused(const char *call)
{
	if (errno != ENOMEM && errno != EAGAIN) {
		FAIL("%s step %d: %s: %s", stamp, step, call, ut_errname(errno));
		ut_abort();
	}
	tally(&ctl->refused);
	return true;
}

static void on_bus(int sig)
{
	(void)sig;
	if (!bus_is_clean) {
		signal(SIGBUS, SIG_DFL); /* and comes again */
		return;
	}
	give(&ctl->used, private_pages);
	give(&ctl->locked, locked_pages);
	tally(&ctl->lost);
	_exit(BUS_EXIT);
}

/* --- private memory ---- */

static int children;

static void expected(const struct region *r, size_t i, uint64_t *word, uint64_t *stride)
{
	*stride = STRIDE;
	if (r->ver[i])
		*word = first_word(r->key, i, r->ver[i]);
	else if (r->file)
		*word = first_word(LIBRARY_KEY, i, 1);
	else
		*word = *stride = 0;
}

static void verify(struct region *r, size_t i, size_t n)
{
	uint64_t word, stride;

	assert(i + n <= r->pages);
	for (; n--; i++) {
		const char *p = r->base + i * PAGE;

		if (r->flags[i] & HOLE)
			continue;
		expected(r, i, &word, &stride);
		if (first_wrong(p, word, stride) == WORDS)
			continue;
		if (r->flags[i] & FREED && first_wrong(p, 0, 0) == WORDS) {
			r->ver[i] = 0;
			continue;
		}
		wrong(r->file ? "private file" : "private", p, i, r->ver[i], word, stride);
	}
}

static void write_pages(struct region *r, size_t i, size_t n)
{
	assert(i + n <= r->pages);
	for (; n--; i++) {
		if (r->flags[i] & HOLE)
			continue;
		r->ver[i] = (uint32_t)rnd(1UL << 31) + 1;
		r->flags[i] &= (uint8_t)~FREED;
		fill(r->base + i * PAGE, first_word(r->key, i, r->ver[i]));
	}
}

/* Mostly of the first few, so that there is a working set. */
static struct region *some_region(void)
{
	for (int tries = 0; tries < 20; tries++) {
		struct region *r = &regions[rnd(rnd(10) < 6 ? REGIONS / 8 : REGIONS)];

		if (r->base)
			return r;
	}
	return NULL;
}

/* Up to max pages of a region of which none has one of the flags. */
static struct region *some_run(size_t *i, size_t *n, size_t max, int without)
{
	struct region *r = some_region();

	if (!r)
		return NULL;
	*i = rnd(r->pages);
	max = 1 + rnd(max);
	for (*n = 0; *n < max && *i + *n < r->pages && !(r->flags[*i + *n] & without); ++*n)
		;
	return *n ? r : NULL;
}

static bool map_region(struct region *r, size_t pages, bool file)
{
	if (file && pages > LIBRARY)
		pages = LIBRARY;
	if (!take(&ctl->used, (long)pages, budget))
		return false;
	r->ver = calloc(pages, 5);
	r->base = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | (file ? 0 : MAP_ANONYMOUS), file ? library : -1, 0);
	if (!r->ver || r->base == MAP_FAILED) {
		refused("mmap");
		free(r->ver);
		r->base = NULL;
		give(&ctl->used, (long)pages);
		return false;
	}
	r->flags = (uint8_t *)(r->ver + pages);
	r->pages = pages;
	r->file = file;
	r->key = rnd(1UL << 50);
	private_pages += (long)pages;
	return true;
}

/* What is no longer locked, or no longer there. */
static void forget(struct region *r, size_t i, size_t n, uint8_t flag)
{
	long locked = 0, gone = 0;

	for (; n--; i++) {
		locked += (r->flags[i] & LOCKED) != 0;
		gone += !(r->flags[i] & HOLE) && flag == HOLE;
		r->flags[i] = (uint8_t)((r->flags[i] & ~LOCKED) | flag);
	}
	give(&ctl->locked, locked);
	give(&ctl->used, gone);
	locked_pages -= locked;
	private_pages -= gone;
}

static void unmap_region(struct region *r)
{
	OK(munmap(r->base, r->pages * PAGE));
	forget(r, 0, r->pages, HOLE);
	free(r->ver);
	r->base = NULL;
}

static void op_map(void)
{
	struct region *r = &regions[rnd(REGIONS)];
	bool small = rnd(3);

	if (r->base && small) {
		verify(r, 0, r->pages);
		unmap_region(r);
	}
	if (!r->base && map_region(r, 1 + rnd(small ? 32 : 256), !rnd(4)))
		write_pages(r, 0, rnd(r->pages));
}

static void op_write(void)
{
	size_t i, n;
	struct region *r = some_run(&i, &n, 32, HOLE);

	if (r)
		write_pages(r, i, n);
}

static void op_verify(void)
{
	size_t i, n;
	struct region *r = some_run(&i, &n, 48, HOLE);

	if (r)
		verify(r, i, n);
}

/* The place is kept, so that nothing else is mapped there. */
static void op_hole(void)
{
	size_t i, n;
	struct region *r = some_run(&i, &n, 16, HOLE);

	if (!r)
		return;
	if (munmap(r->base + i * PAGE, n * PAGE) < 0) {
		refused("munmap"); /* too many areas */
		return;
	}
	OK(mmap(r->base + i * PAGE, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		-1, 0));
	forget(r, i, n, HOLE);
}

/* New memory where there was a hole: nothing of the old may come back. */
static void op_mend(void)
{
	struct region *r = some_region();
	size_t i = 0, n = 0;

	while (r && i < r->pages && !(r->flags[i] & HOLE))
		i++;
	while (r && i + n < r->pages && r->flags[i + n] & HOLE)
		n++;
	if (!n || !take(&ctl->used, (long)n, budget))
		return;
	if (mmap(r->base + i * PAGE, n * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | (r->file ? 0 : MAP_ANONYMOUS), r->file ? library : -1,
		 r->file ? (off_t)(i * PAGE) : 0) == MAP_FAILED) {
		refused("mmap");
		give(&ctl->used, (long)n);
		return;
	}
	private_pages += (long)n;
	memset(r->flags + i, 0, n);
	memset(r->ver + i, 0, n * sizeof(*r->ver));
	verify(r, i, n < 4 ? n : 4);
}

/*
 * Linux 6.1 may take a page also from the forked child that shares it and never gave it up: one that a
 * read brought in from a device without latency is neither dirty nor in the swap cache, and then
 * madvise_free_pte_range() does not ask who else maps it. There only pages that nobody shares are
 * given up.
 */
static bool may_free(void)
{
	return ut_octavo() || (depth == 0 && children == 0);
}

static void op_advise(void)
{
	static const int advices[] = {MADV_PAGEOUT,  MADV_PAGEOUT,  MADV_PAGEOUT, MADV_COLD,
				      MADV_WILLNEED, MADV_DONTNEED, MADV_FREE};
	int advice = advices[rnd(7)];
	size_t i, n;
	struct region *r = some_run(&i, &n, 64, HOLE | LOCKED);

	if (!r || (advice == MADV_FREE && (r->file || !may_free())) ||
	    (advice == MADV_PAGEOUT && !can_pageout))
		return;
	if (madvise(r->base + i * PAGE, n * PAGE, advice) < 0) {
		FAIL("%s step %d: madvise %d: %s", stamp, step, advice, ut_errname(errno));
		ut_abort();
	}
	if (advice == MADV_DONTNEED)
		memset(r->ver + i, 0, n * sizeof(*r->ver));
	for (size_t k = i; k < i + n && advice == MADV_FREE; k++)
		r->flags[k] |= FREED;
	if (advice >= MADV_COLD && rnd(2))
		verify(r, i, n);
}

/* A locked page is there, and is not to be in swap. For a moment it may be nowhere, as compaction moves it:
 * that is a type of "swap" beyond the areas. */
static void check_locked(const struct region *r, size_t i, size_t n)
{
	for (; n--; i++) {
		uint64_t map = r->flags[i] & LOCKED ? ut_pagemap(r->base + i * PAGE) : PM_PRESENT;

		if (!(map & PM_PRESENT) && !(map & PM_SWAP && (map & 31) > 22)) {
			FAIL("%s step %d: the locked page at %p is not present: pagemap %#lx",
			     stamp, step, r->base + i * PAGE, map);
			ut_abort();
		}
	}
}

static void op_lock(void)
{
	size_t i, n;
	struct region *r = some_run(&i, &n, 12, HOLE | LOCKED);

	if (!r || !take(&ctl->locked, (long)n, lock_limit))
		return;
	if (mlock(r->base + i * PAGE, n * PAGE) < 0) {
		refused("mlock");
		give(&ctl->locked, (long)n);
		OK(munlock(r->base + i * PAGE, n * PAGE));
		return;
	}
	locked_pages += (long)n;
	for (size_t k = i; k < i + n; k++)
		r->flags[k] |= LOCKED;
	check_locked(r, i, n);
}

static void op_unlock(void)
{
	size_t i, n;
	struct region *r = some_run(&i, &n, 48, HOLE);

	if (!r)
		return;
	check_locked(r, i, n);
	if (munlock(r->base + i * PAGE, n * PAGE) < 0)
		refused("munlock");
	else
		forget(r, i, n, 0);
}

static void op_protect(void)
{
	size_t i, n;
	struct region *r = some_run(&i, &n, 24, HOLE);
	bool none = rnd(2);

	if (!r)
		return;
	if (mprotect(r->base + i * PAGE, n * PAGE, none ? PROT_NONE : PROT_READ) < 0) {
		refused("mprotect");
		return;
	}
	if (none && can_pageout) /* refused where some of it is locked */
		madvise(r->base + i * PAGE, n * PAGE, MADV_PAGEOUT);
	if (!none)
		verify(r, i, n);
	OK(mprotect(r->base + i * PAGE, n * PAGE, PROT_READ | PROT_WRITE));
}

/* To another place: what is in swap moves too. An area in pieces cannot be moved at once. */
static void op_move(void)
{
	struct region *r = some_region();
	char *to;

	if (!r)
		return;
	to = mmap(NULL, r->pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (to == MAP_FAILED) {
		refused("mmap");
	} else if (mremap(r->base, r->pages * PAGE, r->pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			  to) != MAP_FAILED) {
		r->base = to;
		verify(r, rnd(r->pages), 1);
	} else {
		if (errno != EFAULT)
			refused("mremap");
		munmap(to, r->pages * PAGE);
	}
}

/* --- shared memory ---- */

/* The version before, or BUSY if another process has the page. */
static uint32_t shared_lock(struct shared *s, size_t i)
{
	uint32_t v = __atomic_load_n(&s->ver[i], __ATOMIC_SEQ_CST);

	if (v & BUSY || !__atomic_compare_exchange_n(&s->ver[i], &v, v | BUSY, false,
						     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return BUSY;
	return v;
}

static void shared_unlock(struct shared *s, size_t i, uint32_t v, uint32_t zero)
{
	__atomic_store_n(&s->ver[i], ((v & ~3U) + NEXT) | zero, __ATOMIC_SEQ_CST);
}

/* A failed read or write of a page that the device lost. */
static void file_io(ssize_t done, const char *call)
{
	if (done == (ssize_t)PAGE)
		return;
	if (bus_is_clean && done < 0 && (errno == EIO || errno == EFAULT))
		on_bus(SIGBUS);
	FAIL("%s step %d: %s: %zd, %s", stamp, step, call, done, ut_errname(errno));
	ut_abort();
}

static void op_shared_write(void)
{
	struct shared *s = &areas[rnd(2)];
	size_t i = rnd(s->pages), n = 1 + rnd(8);
	static uint64_t page[WORDS];

	for (; n-- && i < s->pages; i++) {
		uint32_t v = shared_lock(s, i);
		bool hole = !rnd(16), by_call = s->fd >= 0 && rnd(2);

		if (v == BUSY)
			continue;
		uint64_t word = first_word(s->key, i, (v & ~3U) + NEXT);
		if (hole)
			OK(madvise(s->base + i * PAGE, PAGE, MADV_REMOVE));
		else if (!by_call)
			fill(s->base + i * PAGE, word);
		else {
			fill(page, word);
			file_io(pwrite(s->fd, page, PAGE, (off_t)(i * PAGE)), "pwrite");
		}
		shared_unlock(s, i, v, hole ? ZERO : 0);
	}
}

static void shared_verify(struct shared *s, size_t i, const void *at)
{
	uint32_t v = __atomic_load_n(&s->ver[i], __ATOMIC_SEQ_CST);
	uint64_t word = v & ZERO ? 0 : first_word(s->key, i, v), stride = v & ZERO ? 0 : STRIDE;

	if (v & BUSY || first_wrong(at, word, stride) == WORDS)
		return;
	if (__atomic_load_n(&s->ver[i], __ATOMIC_SEQ_CST) == v)
		wrong(s->fd < 0 ? "shared" : "shared file", at, i, v, word, stride);
}

/* The file through a mapping of its own, as a program does that opens it. */
static void verify_window(struct shared *s, size_t i, size_t n)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ, rnd(2) ? MAP_SHARED : MAP_PRIVATE, s->fd,
		       (off_t)(i * PAGE));

	if (p == MAP_FAILED) {
		refused("mmap");
		return;
	}
	for (size_t k = 0; k < n; k++)
		shared_verify(s, i + k, p + k * PAGE);
	munmap(p, n * PAGE);
}

/* What read() gives may be half of the old and half of the new only while it is written. */
static void verify_read(struct shared *s, size_t i)
{
	static uint64_t page[WORDS];
	uint32_t v = __atomic_load_n(&s->ver[i], __ATOMIC_SEQ_CST);

	file_io(pread(s->fd, page, PAGE, (off_t)(i * PAGE)), "pread");
	if (__atomic_load_n(&s->ver[i], __ATOMIC_SEQ_CST) == v)
		shared_verify(s, i, page);
}

static void op_shared_verify(void)
{
	struct shared *s = &areas[rnd(2)];
	size_t i = rnd(s->pages), n = 1 + rnd(16), how = rnd(4);

	if (i + n > s->pages)
		n = s->pages - i;
	if (how == 0 && can_pageout)
		OK(madvise(s->base + i * PAGE, n * PAGE, MADV_PAGEOUT));
	else if (how == 1) /* out of this process's tables only */
		OK(madvise(s->base + i * PAGE, n * PAGE, MADV_DONTNEED));
	if (how == 2 && s->fd >= 0)
		verify_window(s, i, n);
	else
		for (size_t k = i; k < i + n; k++)
			if (how == 3 && s->fd >= 0)
				verify_read(s, k);
			else
				shared_verify(s, k, s->base + k * PAGE);
}

/* --- processes ---- */

static void take_steps(long n);

static void verify_all(void)
{
	for (int i = 0; i < REGIONS; i++)
		if (regions[i].base) {
			verify(&regions[i], 0, regions[i].pages);
			check_locked(&regions[i], 0, regions[i].pages < 64 ? regions[i].pages : 64);
		}
}

static void end_process(void)
{
	verify_all();
	for (int i = 0; i < REGIONS; i++)
		if (regions[i].base && rnd(2)) /* the others are left to exit */
			unmap_region(&regions[i]);
	give(&ctl->used, private_pages);
	give(&ctl->locked, locked_pages);
	if (ends_by_exec && rnd(4) == 0)
		execl("/bin/busybox", "true", NULL); /* gives back the rest as well */
	ut_child_exit();
}

/* What the device lost may also be the stack that the handler needs. */
static bool ended_by_bus(int status)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig == SIGBUS || sig == SIGSEGV)
		tally(&ctl->lost);
	return bus_is_clean && (status == BUS_EXIT << 8 || sig == SIGBUS || sig == SIGSEGV);
}

static bool ended_well(int status)
{
	return status == 0 || ended_by_bus(status);
}

static void reap(int flags)
{
	int status;

	while (children && waitpid(-1, &status, flags) > 0) {
		children--;
		if (!ended_well(status)) {
			FAIL("%s step %d: a child ended with wait status %#x", stamp, step, status);
			ut_abort();
		}
	}
}

/* The child has everything that the parent has; each changes its own. */
static void op_fork(void)
{
	long pages = private_pages;
	pid_t pid;

	reap(WNOHANG);
	if (depth == 2 || children == 2 || !take(&ctl->used, pages, budget))
		return;
	pid = fork();
	if (pid < 0) {
		refused("fork");
		give(&ctl->used, pages);
		return;
	}
	tally(&ctl->forks);
	if (pid > 0) {
		children++;
		return;
	}
	depth++;
	children = 0;
	rng = (rng ^ (uint64_t)depth << 40) * STRIDE | 1;
	locked_pages = 0; /* locks are not inherited */
	for (int i = 0; i < REGIONS; i++)
		for (size_t k = 0; regions[i].base && k < regions[i].pages; k++)
			regions[i].flags[k] &= (uint8_t)~LOCKED;
	take_steps(8 + (long)rnd(40));
	reap(0);
	end_process();
}

static void take_steps(long n)
{
	static void (*const ops[])(void) = {
		op_map,           op_write,        op_write,         op_write,
		op_verify,        op_verify,       op_verify,        op_verify,
		op_hole,          op_mend,         op_advise,        op_advise,
		op_advise,        op_advise,       op_lock,          op_unlock,
		op_protect,       op_move,         op_shared_write,  op_shared_write,
		op_shared_write,  op_shared_write, op_shared_verify, op_shared_verify,
		op_shared_verify,
	};

	while (n-- > 0) {
		step++;
		if (rnd(60) == 0)
			op_fork();
		else
			ops[rnd(sizeof(ops) / sizeof(*ops))]();
		tally(&ctl->steps);
	}
}

/* Its share of half of all, written; the other half is for what forks copy and for new areas. */
static void worker(int number, int life)
{
	size_t share = (size_t)(budget / 2 / workers), have = 0, n;

	rng = (seed * 1000003 + (uint64_t)number * 8191 + (uint64_t)life) * STRIDE | 1;
	snprintf(stamp, sizeof(stamp), "seed %lu, process %d.%d", (unsigned long)seed, number,
		 life);
	for (int i = 0; i < REGIONS * 2 / 3 && have < share; i++, have += n) {
		n = share / (REGIONS / 2) + 1;
		if (!map_region(&regions[i], n, false))
			break;
		write_pages(&regions[i], 0, n);
	}
	take_steps(steps_each);
	reap(0);
	for (int i = 0; damage && number == 0 && i < REGIONS; i++)
		if (regions[i].base && !(regions[i].flags[0] & (HOLE | FREED))) {
			regions[i].base[rnd(PAGE)] ^= (char)(1 << rnd(8));
			if (can_pageout && !(regions[i].flags[0] & LOCKED))
				madvise(regions[i].base, PAGE, MADV_PAGEOUT);
			break;
		}
	end_process();
}

/* --- a run ---- */

static long field(const char *path, const char *name)
{
	static char text[1 << 16];
	size_t n = strlen(name);

	OK(ut_slurp(path, text, sizeof(text)));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, name, n) && strchr(": ", line[n]))
			return strtol(line + n + 1, NULL, 10);
	return 0;
}

static long meminfo(const char *name)
{
	return field("/proc/meminfo", name);
}

static void *map_shared(size_t pages, int fd)
{
	return OK(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0));
}

static void make_area(struct shared *s, size_t pages, int fd, uint64_t key)
{
	if (fd >= 0)
		OK(ftruncate(fd, (off_t)(pages * PAGE)));
	*s = (struct shared){map_shared(pages, fd), pages, key,
			     map_shared(pages * 4 / PAGE + 1, -1), fd};
	for (size_t i = 0; i < pages; i++)
		s->ver[i] = ZERO;
}

static int open_file(const char *name)
{
	int fd = OK(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));

	unlink(name);
	return fd;
}

static void set_up(void)
{
	struct sigaction sa = {.sa_handler = on_bus};
	struct statfs fs;
	uint64_t page[WORDS];
	char *probe = ut_map(PAGE);
	size_t pages = (size_t)budget / 8, on_disk;

	ctl = map_shared(1, -1);
	library = open_file("library");
	for (size_t i = 0; i < LIBRARY; i++) {
		fill(page, first_word(LIBRARY_KEY, i, 1));
		file_io(pwrite(library, page, PAGE, (off_t)(i * PAGE)), "pwrite");
	}
	int fd = open_file("shared");
	OK(fstatfs(fd, &fs));
	on_disk = (size_t)fs.f_bavail / 2;
	make_area(&areas[0], pages, -1, 0x616e6f6e);
	make_area(&areas[1], on_disk < pages ? on_disk : pages, fd, 0x66696c65);
	ctl->used = (long)(areas[0].pages + areas[1].pages + LIBRARY);
	can_pageout = madvise(probe, PAGE, MADV_PAGEOUT) == 0;
	munmap(probe, PAGE);
	sigaction(SIGBUS, &sa, NULL);
}

static void tear_down(void)
{
	int status;
	pid_t pid = CHILD({
		for (int a = 0; a < 2; a++)
			for (size_t i = 0; i < areas[a].pages; i++)
				shared_verify(&areas[a], i, areas[a].base + i * PAGE);
		_exit(0);
	});

	OK(waitpid(pid, &status, 0));
	if (!ended_well(status))
		FAIL("the last look at what is shared: wait status %#x", status);
	for (int a = 0; a < 2; a++) {
		munmap(areas[a].base, areas[a].pages * PAGE);
		munmap(areas[a].ver, (areas[a].pages * 4 / PAGE + 1) * PAGE);
	}
	close(areas[1].fd);
	close(library);
}

static void start(pid_t *pid, int number, int life)
{
	*pid = OK(fork());
	if (*pid == 0)
		worker(number, life);
}

/* Any child's end; meanwhile a line now and then, since a silent machine passes for a dead one. */
static pid_t wait_and_tell(int *status)
{
	static long told;
	pid_t pid;

	while (!(pid = OK(waitpid(-1, status, WNOHANG)))) {
		ut_msleep(20);
		if (ut_now_ms() - told > 20000) {
			if (told)
				ut_note("%ld steps, %ld forks so far", ctl->steps, ctl->forks);
			told = ut_now_ms();
		}
	}
	return pid;
}

/* While processes run, the caller's own work. */
static void run(long pages, long steps, void (*meanwhile)(void))
{
	long in = field("/proc/vmstat", "pswpin"), out = field("/proc/vmstat", "pswpout");
	int status, life = 0, alive = 0;
	pid_t pids[64];

	if (bus_is_clean)
		mlockall(MCL_CURRENT);
	budget = pages;
	lock_limit = meminfo("MemTotal") / 4 / 20;
	steps_each = steps / workers;
	set_up();
	ut_note("%ld MiB of patterns, %ld MiB of RAM, %ld MiB of swap; %d processes, %ld steps each, seed %lu",
		pages / 256, meminfo("MemTotal") / 1024, meminfo("SwapTotal") / 1024, workers,
		steps_each, (unsigned long)seed);
	for (; alive < workers; alive++)
		start(&pids[alive], alive, 0);
	if (meanwhile)
		meanwhile();
	while (alive) {
		pid_t pid = wait_and_tell(&status);
		bool lost = status && ended_by_bus(status);
		int number = 0;

		while (number < workers && pids[number] != pid)
			number++;
		if (number == workers)
			continue;
		if (lost && ctl->steps < steps && ++life < 1000) {
			start(&pids[number], number, life);
			continue;
		}
		if (status && !lost)
			FAIL("process %d ended with wait status %#x", number, status);
		alive--;
	}
	tear_down();
	CHECK(ctl->lost || ctl->locked == 0);
	CHECK(ctl->lost || ctl->steps >= steps_each * workers);
	ut_note("%ld steps, %ld forks, %ld calls refused, %ld ends by SIGBUS; %ld pages swapped out, %ld in",
		ctl->steps, ctl->forks, ctl->refused, ctl->lost,
		field("/proc/vmstat", "pswpout") - out, field("/proc/vmstat", "pswpin") - in);
}

#define POLICY "/proc/sys/vm/reclaim_policy"

static void need_swap(void)
{
	if (meminfo("SwapTotal") < 16 << 10)
		SKIP("needs 16 MiB of swap: mkswap and swapon a device first");
}

/* The number behind a word on the kernel's command line; 0 without. */
static long from_cmdline(const char *word)
{
	char text[4096] = "", *p;

	ut_slurp("/proc/cmdline", text, sizeof(text));
	p = strstr(text, word);
	return p && (p == text || p[-1] == ' ') ? atol(p + strlen(word)) : 0;
}

static long long_steps(void)
{
	return from_cmdline("integrity=");
}

/* A faulty device must not take the test itself: locks are its own, its children inherit none. */
static __attribute__((constructor)) void start_up(void)
{
	long steps = long_steps() + from_cmdline("random=");

	if (steps > 2000)
		ut_seconds = (unsigned)steps / 10;
	if (from_cmdline("faults=")) {
		bus_is_clean = true;
		mlockall(MCL_CURRENT);
	}
}

/* run() on disks that fail as faults= says: not before and not after it, where a failure would be ours. */
static void run_with_faults(long pages, long steps, void (*meanwhile)(void))
{
	static const char rate[] = "/sys/module/ramdisk/parameters/error_rate";
	long faults = from_cmdline("faults=");
	char text[24];

	if (faults) {
		snprintf(text, sizeof(text), "%ld", faults);
		ut_spew(rate, text);
	}
	run(pages, steps, meanwhile);
	if (faults)
		ut_spew(rate, "0");
}

/* 4 kB pages that processes may have in use: some of what is there for the asking. */
static long fitting(int percent)
{
	return (meminfo("MemAvailable") + meminfo("SwapFree")) / 4 * percent / 100;
}

TEST_MEM(in_ram, 24, "pages mixed up by forks, discards, moves and unmaps, though memory suffices")
{
	long ram = meminfo("MemAvailable") / 8;

	run(ram < 8192 ? ram : 8192, 1200, NULL);
}

TEST(shortage, "a byte that was lost on the way to swap and back")
{
	long out, steps = long_steps();

	need_swap();
	out = field("/proc/vmstat", "pswpout");
	run_with_faults(fitting(70), steps ? steps : 2000, NULL);
	CHECK(can_pageout);
	CHECK(field("/proc/vmstat", "pswpout") > out);
}

/* A run with a damaged bit: it is found, and said. Else the disk must have lost a page of the process. */
static bool finds_damage(const char *with_seed)
{
	char text[8192];
	int fd, status;
	pid_t pid;

	fd = ut_file("out", NULL, 0);
	pid = OK(fork());
	if (pid == 0) {
		OK(dup2(fd, 1));
		execl("/tests/t_integrity", "t_integrity", "-d", "-m", "4", "-n", "200", "-S",
		      with_seed, NULL);
		_exit(127);
	}
	OK(waitpid(pid, &status, 0));
	OK(ut_slurp("out", text, sizeof(text)));
	if (status == 1 << 8 && strstr(text, "1 words are wrong"))
		return true;
	if (!bus_is_clean || status || strstr(text, " 0 ends by SIGBUS"))
		FAIL("wait status %#x, and it said: %s", status, text);
	return false;
}

TEST_MEM(damage, 24, "a checker that does not see one damaged bit")
{
	static const char *const seeds[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
	size_t i = 0;

	while (i < 8 && !finds_damage(seeds[i]))
		i++;
	CHECK(i < 8);
}

/* The policies in turn, and faster than a page gets through a list. */
static void switch_policies(void)
{
	static const char *const names[] = {"clock", "fifo", "aging", "two-list"};
	char was[32];

	OK(ut_slurp(POLICY, was, sizeof(was)));
	for (int i = 0; i < 100; i++) {
		ut_spew(POLICY, names[i % 4]);
		ut_msleep(1 + i % 32);
	}
	ut_spew(POLICY, was);
}

TEST(policies, "a page that is lost when the policy of reclaim is changed under load")
{
	need_swap();
	if (access(POLICY, W_OK))
		SKIP("one policy only");
	run(fitting(60), 2000, switch_policies);
}

static void switch_swap(const char *what, char names[][64], int n)
{
	char cmd[128];

	for (int i = 0; i < n; i++) {
		snprintf(cmd, sizeof(cmd), "%s %s", what, names[i]);
		CHECK_EQ(system(cmd), 0);
	}
}

/* While the processes run in a third of RAM, all swap goes and comes back. */
static void swap_off_and_on(void)
{
	char text[4096], names[16][64];
	int n = 0;

	OK(ut_slurp("/proc/swaps", text, sizeof(text)));
	for (char *line = strchr(text, '\n'); line && n < 16; line = strchr(line + 1, '\n'))
		n += sscanf(line, "\n%63s", names[n]) == 1;
	REQUIRE(n > 0);
	for (int round = 0; round < 4; round++) {
		ut_msleep(200);
		switch_swap("swapoff", names, n);
		CHECK_EQ(meminfo("SwapTotal"), 0);
		ut_msleep(50);
		switch_swap("swapon", names, n);
		CHECK(meminfo("SwapTotal") > 0);
	}
}

TEST(swapoff, "a page that swapoff forgets, or brings to the wrong place")
{
	need_swap();
	if (geteuid() != 0)
		SKIP("for root");
	run(meminfo("MemAvailable") / 4 / 3, 2000, swap_off_and_on);
}

/* --- any sequence at all ---- */

#define SECOND "/dev/ram1"

/* A faulty disk may not read the area's header at once. */
static void swap_comes(const char *dev, int flags)
{
	int error;

	do {
		error = swapon(dev, flags);
	} while (error < 0 && errno == EIO && bus_is_clean);
	OK(error);
}

/* As often as not it fails for want of room, or who asks is the OOM killer's choice: then it stays on. */
static void swap_goes_and_comes(const char *dev)
{
	int status;
	pid_t pid = OK(fork());

	if (pid == 0)
		_exit(swapoff(dev) < 0 ? errno : 0);
	OK(waitpid(pid, &status, 0));
	if (status == 0)
		swap_comes(dev, rnd(2) ? 0 : SWAP_FLAG_PREFER | (int)rnd(3));
	else if (status != ENOMEM << 8 && status != SIGKILL &&
		 !(bus_is_clean && status == EIO << 8))
		FAIL("swapoff %s: wait status %#x", dev, status);
}

/* A setting that the kernel may not have. */
static void set(const char *name, const char *value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return;
	CHECK_EQ(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

/* What only root may do, while the others take their steps. */
static void turmoil(void)
{
	static const char *const policies[] = {"two-list", "clock", "fifo", "aging"};
	static const char *const numbers[] = {"0", "1", "2", "3", "5"};
	pid_t pid = OK(fork());

	if (pid)
		return;
	rng = (seed * 77003 + 5) * STRIDE | 1;
	while (ctl->steps < steps_each * workers && ctl->lost < 500) {
		switch (rnd(8)) {
		case 0:
		case 1:
			swap_goes_and_comes(rnd(3) ? SECOND : "/dev/ram0");
			break;
		case 2:
			set("reclaim_policy", policies[rnd(4)]);
			break;
		case 3:
			set("drop_caches", numbers[1 + rnd(3)]);
			break;
		case 4:
			set("compact_memory", "1");
			break;
		case 5:
			set("page-cluster", numbers[rnd(5)]);
			break;
		case 6:
			set("swappiness", rnd(2) ? "60" : rnd(2) ? "200" : "0");
			break;
		}
		ut_msleep(5 + (long)rnd(40));
	}
	set("reclaim_policy", "two-list");
	set("page-cluster", "3");
	set("swappiness", "60");
	ut_child_exit();
}

/* kB that /proc/swaps says are in use of a device; -1: it is not there. */
static long used(const char *dev)
{
	char text[1024], *line;
	long kb = -1;

	OK(ut_slurp("/proc/swaps", text, sizeof(text)));
	line = strstr(text, dev);
	if (line)
		sscanf(line, "%*s %*s %*s %ld", &kb);
	return kb;
}

/* kB that programs have, and kB that nobody has: the checkers run first, where there are any. */
static void memory_held(long *theirs, long *nobodys)
{
	static const char *const others[] = {"MemFree", "Cached", "Slab", "KernelStack"};
	static char text[8192];

	if (!access("/proc/octavo/ledger", R_OK))
		OK(ut_slurp("/proc/octavo/ledger", text, sizeof(text)));
	*theirs = meminfo("AnonPages") + meminfo("Shmem") + meminfo("PageTables");
	*nobodys = meminfo("MemTotal") - meminfo("AnonPages") - meminfo("PageTables");
	for (int i = 0; i < 4; i++)
		*nobodys -= meminfo(others[i]);
}

/* Both areas go, so that what was swapped counts as well, and come back. */
static void without_swap(long *theirs, long *nobodys)
{
	OK(swapoff(SECOND)); /* would never end if a slot were lost */
	OK(swapoff("/dev/ram0"));
	CHECK_EQ(meminfo("SwapTotal"), 0);
	memory_held(theirs, nobodys);
	OK(swapon("/dev/ram0", 0));
	OK(swapon(SECOND, 0));
}

static void second_area(void)
{
	if (used(SECOND) >= 0)
		return;
	if (access(SECOND, F_OK) || system("mkswap " SECOND " >/dev/null && swapon " SECOND))
		SKIP("needs a second disk: ramdisk.count=2");
}

TEST(random,
     "anything at all that a sequence of calls loses, mixes up or leaks: a byte, a slot, a page")
{
	long steps = from_cmdline("random="), disk, had[2], have[2];

	need_swap();
	if (geteuid() != 0)
		SKIP("for root");
	second_area();
	without_swap(&had[0], &had[1]);
	ends_by_exec = true;
	disk = meminfo("SwapTotal") / 2;
	if (from_cmdline("seed="))
		seed = (uint64_t)from_cmdline("seed=");
	run_with_faults((meminfo("MemAvailable") + meminfo("SwapFree") - disk) / 4 * 70 / 100,
			steps ? steps : 4000, turmoil);
	without_swap(&have[0], &have[1]);
	ut_note("in use before and after: %ld and %ld kB; without an owner: %ld and %ld kB", had[0],
		have[0], had[1], have[1]);
	CHECK(have[0] <= had[0] + 512);
	CHECK(have[1] <= had[1] + 1024);
	OK(swapoff(SECOND));
}

/* By hand: any option makes it a program. */
int ut_helper(int argc, char **argv)
{
	long mib = 0, steps = 4000;
	int opt, status;
	pid_t pid;

	if (argc < 2 || argv[1][0] != '-' || argv[1][1] == 'l')
		return -1;
	while ((opt = getopt(argc, argv, "m:p:n:S:bd")) != -1) {
		if (opt == 'm')
			mib = atol(optarg);
		else if (opt == 'p')
			workers = atoi(optarg);
		else if (opt == 'n')
			steps = atol(optarg);
		else if (opt == 'S')
			seed = strtoul(optarg, NULL, 0);
		else if (opt == 'b')
			bus_is_clean = true;
		else if (opt == 'd')
			damage = true;
		else
			return 2;
	}
	if (workers < 1 || workers > 64)
		return 2;
	pid = OK(fork()); /* FAIL counts in one process */
	if (pid == 0) {
		run(mib ? mib * 256 : fitting(60), steps, NULL);
		ut_child_exit();
	}
	OK(waitpid(pid, &status, 0));
	printf("t_integrity: %s\n", status ? "FAILED" : "every byte was as it should be");
	return status != 0;
}
