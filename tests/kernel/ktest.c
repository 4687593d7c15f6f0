/* SPDX-License-Identifier: MIT */
/*
 * The runner of the in-kernel tests: selects, orders, runs each in its own thread, reports as KTAP.
 * Only one run at a time (run_lock), so the state of the running test is static.
 */
#include <kernel/ktest_hook.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/timer.h>
#include <kernel/sched/wait.h>
#include <kernel/sync/mutex.h>
#include <kernel/task.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irqflags.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/page_owner.h>
#include <mm/pgtable.h>
#include <mm/slab.h>
#include <tests/kernel/ktest.h>

extern const struct ktest __start___ktests[], __stop___ktests[];

struct run {
	ktest_out_fn *out;
	void *arg;
	u64 seed;
	bool shuffle;
	int repeat;
	int passed, failed, skipped;
};

static struct mutex run_lock;
static struct run *run; /* the present one */

static bool test_failed;
static const char *test_skip;
static u64 test_rng;

static void emit(const char *fmt, ...) __printf(1, 2);
static void emit(const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vscnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	run->out(run->arg, buf, (size_t)n);
}

void ktest_fail(const char *file, int line, const char *fmt, ...)
{
	char buf[192];
	va_list ap;

	va_start(ap, fmt);
	vscnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	test_failed = true;
	emit("    # %s:%d: %s\n", file, line, buf);
}

void ktest_skip(const char *reason)
{
	test_skip = reason;
}

bool ktest_failed(void)
{
	return test_failed;
}

/* splitmix64 */
u64 ktest_random(void)
{
	u64 z = (test_rng += 0x9e3779b97f4a7c15UL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
	return z ^ (z >> 31);
}

void ktest_complete(struct wait_queue *wq, bool *done)
{
	unsigned long flags = local_irq_save();

	ticket_lock(&wq->lock);
	WRITE_ONCE(*done, true);
	wake_up_locked(wq, 0, 0);
	ticket_unlock(&wq->lock);
	local_irq_restore(flags);
}

void ktest_wait(struct wait_queue *wq, const bool *done)
{
	wait_event(*wq, READ_ONCE(*done));
	while (ticket_is_locked(&wq->lock))
		cpu_relax();
}

struct child {
	void (*fn)(void *arg);
	void *arg;
	bool done;
	struct wait_queue wait;
};

static int child_main(void *arg)
{
	struct child *c = arg;

	c->fn(c->arg);
	ktest_complete(&c->wait, &c->done);
	return 0;
}

static void run_in_thread(void (*fn)(void *), void *arg)
{
	struct child c = {.fn = fn, .arg = arg};
	struct task *t;

	wait_queue_init(&c.wait);
	t = kthread_run(child_main, &c, "ktest");
	if (IS_ERR(t)) {
		ktest_fail(__FILE__, __LINE__, "no memory for the test's thread");
		return;
	}
	ktest_wait(&c.wait, &c.done);
}

struct mm_child {
	void (*fn)(void *arg);
	void *arg;
};

static void mm_child_main(void *arg)
{
	struct mm_child *c = arg;
	struct mm_struct *mm = mm_alloc();

	if (!mm) {
		ktest_fail(__FILE__, __LINE__, "no memory for the test's address space");
		return;
	}
	/* Kernel threads have root's limits, i.e. none. */
	mm_activate(mm);
	c->fn(c->arg);
	down_write(&mm->mmap_lock);
	mm_validate(mm);
	pgtable_check(mm);
	up_write(&mm->mmap_lock);
	current_thread()->mm =
		NULL; /* a kernel thread again; the tables stay loaded until the put */
	mm_put_user(mm);
}

void ktest_with_mm(void (*fn)(void *arg), void *arg)
{
	struct mm_child c = {fn, arg};

	run_in_thread(mm_child_main, &c);
}

static void call_test(void *arg)
{
	const struct ktest *t = arg;

	t->fn();
}

static u64 hash_name(const struct ktest *t)
{
	u64 h = run->seed;

	for (const char *s = t->suite; *s; s++)
		h = h * 131 + (u64)*s;
	for (const char *s = t->name; *s; s++)
		h = h * 131 + (u64)*s;
	return h;
}

static void run_once(const struct ktest *t)
{
	test_rng = hash_name(t);
	run_in_thread(call_test, (void *)t);
	page_alloc_check();
	lru_check();
	slab_check();
	sched_check();
}

/* Pages by owner, and the objects in use of each slab cache. */
struct holdings {
	struct ledger pages;
	struct slab_stats caches[64];
	size_t nr_caches;
};

static int note_cache(const struct slab_stats *s, void *arg)
{
	struct holdings *h = arg;

	assert(h->nr_caches < ARRAY_SIZE(h->caches));
	h->caches[h->nr_caches++] = *s;
	return 0;
}

/* The first cache with more objects than before; caches come and go at the list's end. */
static const struct slab_stats *grown_cache(const struct holdings *before,
					    const struct holdings *after)
{
	for (size_t i = 0; i < min(before->nr_caches, after->nr_caches); i++)
		if (after->caches[i].active_objs > before->caches[i].active_objs)
			return &after->caches[i];
	return NULL;
}

/* Reads them when there are no more than so many stacks, and objects than before (NULL: any number): a thread
 * that has said that it is done may still be on its way out on another CPU. */
static void settle(struct holdings *h, unsigned long kstack, const struct holdings *before)
{
	ktime_t end = ktime_get() + NSEC_PER_SEC;

	for (;;) {
		task_reap_dead();
		signals_settle();
		ledger_settle();
		ledger_read(&h->pages);
		h->nr_caches = 0;
		slab_for_each(note_cache, h);
		if (ktime_get() >= end ||
		    (h->pages.kstack <= kstack && !(before && grown_cache(before, h))))
			return;
		sched_yield();
	}
}

/* Compares class by class; describes the first that differs. */
static bool ledger_equal(const struct ledger *a, const struct ledger *b, char *diff, size_t n)
{
	static const struct {
		const char *name;
		size_t off;
	} classes[] = {
#define CLASS(f) {#f, offsetof(struct ledger, f)}
		CLASS(total), CLASS(slab), CLASS(table), CLASS(kstack), CLASS(vmalloc),
		CLASS(anon),  CLASS(file), CLASS(shmem), CLASS(kernel), CLASS(free),
#undef CLASS
	};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		unsigned long x = *(const unsigned long *)((const char *)a + classes[i].off);
		unsigned long y = *(const unsigned long *)((const char *)b + classes[i].off);

		if (x != y) {
			snprintf(diff, n, "%s was %lu pages, is %lu", classes[i].name, x, y);
			return false;
		}
	}
	return true;
}

/* Of lost pages; they are often alike. */
#define OWNERS_SHOWN 4

/* Twice: what the first run leaves behind in caches, the second must not add to. */
static void run_balanced(const struct ktest *t)
{
	static struct holdings before, after;
	const struct slab_stats *grown;
	char diff[160];
	ktime_t start;

	settle(&before, ~0UL, NULL);
	run_once(t);
	if (test_failed || test_skip)
		return;
	settle(&before, before.pages.kstack, NULL);
	start = ktime_get();
	run_once(t);
	settle(&after, before.pages.kstack, &before);
	grown = grown_cache(&before, &after);
	if (grown)
		ktest_fail(t->suite, 0, "there are %lu objects in use in the cache %s",
			   grown->active_objs, grown->name);
	if (ledger_equal(&before.pages, &after.pages, diff, sizeof(diff)))
		return;
	ktest_fail(t->suite, 0, "the ledger does not balance: %s", diff);
	page_owner_report(start, OWNERS_SHOWN);
}

static void run_test(const struct ktest *t, int nr)
{
	test_failed = false;
	test_skip = NULL;
	if (t->min_mb > totalram_pages() / 256 + 8)
		test_skip = "needs more memory";
	else
		run_balanced(t);
	if (test_failed) {
		run->failed++;
		emit("    # catches: %s\n", t->catches);
		emit("    not ok %d %s\n", nr, t->name);
	} else if (test_skip) {
		run->skipped++;
		emit("    ok %d %s # SKIP %s\n", nr, t->name, test_skip);
	} else {
		run->passed++;
		emit("    ok %d %s\n", nr, t->name);
	}
}

/* "*" stands for any run of characters. */
static bool glob(const char *pat, size_t n, const char *s)
{
	if (n == 0)
		return *s == 0;
	if (*pat == '*')
		return glob(pat + 1, n - 1, s) || (*s && glob(pat, n, s + 1));
	return *s == *pat && glob(pat + 1, n - 1, s + 1);
}

/* filter: comma list of SUITE, SUITE.CASE, all (but the suite `deliberate`, whose tests fail); with "*". */
static bool selected(const char *filter, const struct ktest *t)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", t->suite, t->name);
	while (*filter) {
		size_t n = strcspn(filter, ",");

		if ((n == 3 && !memcmp(filter, "all", 3) && strcmp(t->suite, "deliberate")) ||
		    glob(filter, n, t->suite) || glob(filter, n, full))
			return true;
		filter += n + (filter[n] == ',');
	}
	return false;
}

#define MAX_TESTS 1024
static u16 order[MAX_TESTS];

/* Fills order[] with the selected tests, suites together; returns how many. */
static size_t select_tests(const char *filter)
{
	size_t all = (size_t)(__stop___ktests - __start___ktests), n = 0;

	assert(all <= MAX_TESTS);
	for (size_t i = 0; i < all; i++)
		if (selected(filter, &__start___ktests[i]))
			order[n++] = (u16)i;
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j > 0 && strcmp(__start___ktests[order[j - 1]].suite,
						   __start___ktests[order[j]].suite) > 0;
		     j--)
			swap(order[j - 1], order[j]);
	return n;
}

static size_t suite_end(size_t i, size_t n)
{
	size_t e = i;

	while (e < n && !strcmp(__start___ktests[order[e]].suite, __start___ktests[order[i]].suite))
		e++;
	return e;
}

static void shuffle_suite(size_t i, size_t e)
{
	test_rng = run->seed;
	for (size_t j = e - 1; j > i; j--)
		swap(order[j], order[i + ktest_random_below(j - i + 1)]);
}

static void run_suites(size_t n)
{
	int suites = 0, nr = 0;

	for (size_t i = 0; i < n; i = suite_end(i, n))
		suites++;
	emit("KTAP version 1\n1..%d\n", suites);
	for (size_t i = 0, e; i < n; i = e) {
		const char *suite = __start___ktests[order[i]].suite;
		int failed = run->failed;

		e = suite_end(i, n);
		if (run->shuffle)
			shuffle_suite(i, e);
		emit("    KTAP version 1\n    # Subtest: %s\n    1..%zu\n", suite, e - i);
		for (size_t j = i; j < e; j++)
			run_test(&__start___ktests[order[j]], (int)(j - i + 1));
		emit("%sok %d %s\n", run->failed == failed ? "" : "not ", ++nr, suite);
	}
}

static int ktest_run(const char *filter, u64 seed, bool shuffle, int repeat, ktest_out_fn *out,
		     void *arg)
{
	struct run r = {.out = out, .arg = arg, .seed = seed, .shuffle = shuffle};
	size_t n;

	mutex_lock(&run_lock);
	run = &r;
	n = select_tests(filter);
	for (int i = 0; i < repeat; i++, r.seed++)
		run_suites(n);
	if (n == 0)
		emit("# no test matches %s\n", filter);
	emit("# ktest: %d passed, %d failed, %d skipped (seed %lu)\n", r.passed, r.failed,
	     r.skipped, seed);
	run = NULL;
	mutex_unlock(&run_lock);
	return n == 0 || r.failed ? -EINVAL : 0;
}

static void ktest_init(void)
{
	mutex_init(&run_lock, LOCK_KTEST);
	ktest_run_hook = ktest_run;
}
initcall(ktest_init);
