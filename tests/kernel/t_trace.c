/* SPDX-License-Identifier: MIT */
/*
 * The trace's rings (mm/trace.c), and what a fault leaves in them. The events that the machine itself
 * would write are off but where a test is about one: what is in the rings is the test's.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <kernel/task.h>
#include <mm/failinject.h>
#include <mm/fault.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/trace.h>
#include <mm/vma.h>
#include <tests/kernel/ktest.h>

#define PER_KB (1024 / sizeof(struct trace_record))

static bool rings(unsigned long kb)
{
	guard_mutex(&trace_control);
	return EXPECT_EQ(trace_set_size(kb), 0);
}

static bool events(u32 mask)
{
	guard_mutex(&trace_control);
	return EXPECT_EQ(trace_set_mask(mask), 0);
}

static bool next_until(ktime_t until, struct trace_record *r)
{
	guard_mutex(&trace_control);
	return trace_next(until, r);
}

static bool next(struct trace_record *r)
{
	return next_until(ktime_get(), r);
}

static void put(u64 n)
{
	trace_record(TRACE_COW, 0, (u64[6]){n, n, n, n, n, n});
}

static void all_off(void)
{
	trace_filter = 0;
	events(0);
	rings(0);
}

static u64 sum(int what)
{
	u64 all = 0, n[3];

	for_each_cpu(cpu) {
		trace_stats(cpu, &n[0], &n[1], &n[2]);
		all += n[what];
	}
	return all;
}
enum { WRITTEN, LOST, WAITING };

KTEST(trace, off_costs_nothing, "arguments made, or memory taken, for an event that is off")
{
	struct trace_record r;
	u64 made = 0;

	CHECK_EQ(trace_mask, 0);
	CHECK_EQ(trace_size_kb(), 0);
	trace(COW, ++made);
	EXPECT_EQ(made, 0);
	put(1); /* no ring: gone */
	EXPECT(!next(&r));
	EXPECT_EQ(sum(WRITTEN), 0);
	CHECK(events(BIT(TRACE_COW)));
	EXPECT(trace_size_kb() > 0);
	trace(COW, ++made);
	EXPECT_EQ(made, 1);
	EXPECT(next(&r) && r.arg[0] == 1 && r.event == TRACE_COW);
	all_off();
}

KTEST(trace, full_ring_says_what_it_lost, "a lost record that is not counted, or the newest lost")
{
	const u64 room = 4 * PER_KB;
	struct trace_record r;

	CHECK(rings(4));
	for (int round = 0; round < 2; round++) {
		u64 n = room + 5 + (u64)round;

		for (u64 i = 0; i < n; i++)
			put(i);
		EXPECT_EQ(sum(WAITING), room);
		EXPECT(next(&r));
		EXPECT_EQ(r.event, TRACE_LOST);
		EXPECT_EQ(r.arg[0], n - room);
		for (u64 i = n - room; i < n && next(&r); i++)
			if (r.event != TRACE_COW || !EXPECT_EQ(r.arg[0], i))
				break;
		EXPECT_EQ(sum(WAITING), 0);
		EXPECT(!next(&r));
	}
	EXPECT_EQ(sum(WRITTEN), 2 * room + 11);
	EXPECT_EQ(sum(LOST), 11);
	CHECK(rings(4)); /* what was in it is forgotten, counters too */
	EXPECT_EQ(sum(WRITTEN), 0);
	all_off();
}

KTEST(trace, record_says_who_and_when, "time that goes back, or the number of another thread")
{
	ktime_t before = ktime_get();
	struct trace_record r;

	CHECK(rings(4));
	trace_record(TRACE_COW, 0x1234, (u64[6]){1, 2, 3, 4, 5, 6});
	EXPECT(!next_until(before, &r)); /* later than that moment */
	CHECK(next(&r));
	EXPECT((ktime_t)r.time_ns >= before && (ktime_t)r.time_ns <= ktime_get());
	EXPECT_EQ(r.pid, current->pid);
	EXPECT_EQ(r.cpu, smp_processor_id());
	EXPECT_EQ(r.event, TRACE_COW);
	EXPECT_EQ(r.code, 0x34);
	EXPECT_EQ(r.flags, 0x12);
	EXPECT(r.arg[0] == 1 && r.arg[5] == 6);
	all_off();
}

KTEST(trace, under_any_lock, "a record that waits for a lock, or turns interrupts on")
{
	static spinlock_t leaf = SPINLOCK_INIT(LOCK_LEAF);
	unsigned long flags = spin_lock_irqsave(&leaf);
	struct trace_record r;

	put(1);
	spin_unlock_irqrestore(&leaf, flags);
	CHECK(rings(4));
	flags = spin_lock_irqsave(&leaf);
	put(2);
	EXPECT(irqs_disabled());
	spin_unlock_irqrestore(&leaf, flags);
	EXPECT(!irqs_disabled());
	EXPECT(next(&r) && r.arg[0] == 2);
	all_off();
}

#ifdef CONFIG_DEBUG
KTEST(trace, no_memory, "rings of some CPUs only, or the old ones gone, where memory is short")
{
	struct trace_record r;
	int err;

	for (unsigned long n = 1; n <= nr_cpu_ids; n++) {
		fail_inject_set(FAIL_VMALLOC, n, 1);
		mutex_lock(&trace_control);
		err = trace_set_mask(BIT(TRACE_COW));
		mutex_unlock(&trace_control);
		fail_inject_set(FAIL_VMALLOC, 0, 0);
		EXPECT_EQ(err, -ENOMEM);
		EXPECT_EQ(trace_mask, 0);
		EXPECT_EQ(trace_size_kb(), 0);
	}
	CHECK(rings(4));
	put(7);
	fail_inject_set(FAIL_VMALLOC, 1, 1);
	mutex_lock(&trace_control);
	err = trace_set_size(8);
	mutex_unlock(&trace_control);
	fail_inject_set(FAIL_VMALLOC, 0, 0);
	EXPECT_EQ(err, -ENOMEM);
	EXPECT_EQ(trace_size_kb(), 4);
	EXPECT(next(&r) && r.arg[0] == 7);
	all_off();
}
#endif

KTEST(trace, more_than_there_is, "a size that takes all memory, and kills for it")
{
	int err;

	mutex_lock(&trace_control);
	err = trace_set_size((nr_free_pages() << 1) / nr_cpu_ids + 64);
	EXPECT_EQ(trace_set_size(~0UL), -ENOMEM);
	mutex_unlock(&trace_control);
	EXPECT_EQ(err, -ENOMEM);
	all_off();
}

/* ---- writers and a reader at once ---- */

#define WRITERS 4
#define EACH    20000

struct writer {
	u64 id;
	bool done;
	struct wait_queue wait;
};

static int writer_main(void *arg)
{
	struct writer *w = arg;

	for (u64 i = 1; i <= EACH; i++) {
		put(w->id << 32 | i);
		if (i % 64 == 0)
			sched_yield();
	}
	ktest_complete(&w->wait, &w->done);
	return 0;
}

struct seen {
	u64 last[WRITERS], time, records, lost;
};

/* False: it is not what was written. */
static bool look(struct seen *s, const struct trace_record *r)
{
	u64 id = r->arg[0] >> 32, n = r->arg[0] & 0xffffffff;

	if (!EXPECT(r->time_ns >= s->time))
		return false;
	s->time = r->time_ns;
	if (r->event == TRACE_LOST) {
		s->lost += r->arg[0];
		return true;
	}
	for (int i = 1; i < 6; i++)
		if (!EXPECT_EQ(r->arg[i], r->arg[0]))
			return false;
	if (!EXPECT(id < WRITERS) || !EXPECT(n > s->last[id]))
		return false;
	s->last[id] = n;
	s->records++;
	return true;
}

static bool drain(struct seen *s)
{
	ktime_t until = ktime_get();
	struct trace_record r;

	while (next_until(until, &r))
		if (!look(s, &r))
			return false;
	return true;
}

KTEST(trace, writers_and_a_reader, "a torn record, one out of order, one lost and not counted")
{
	static struct writer w[WRITERS];
	struct seen s = {};
	bool ok = true, all = false;

	CHECK(rings(4));
	for (u64 i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){.id = i};
		wait_queue_init(&w[i].wait);
		CHECK(!IS_ERR(kthread_run(writer_main, &w[i], "writer")));
	}
	while (ok && !all) {
		ok = drain(&s);
		all = true;
		for (int i = 0; i < WRITERS; i++)
			all &= smp_load_acquire(&w[i].done);
		sched_yield();
	}
	for (int i = 0; i < WRITERS; i++)
		ktest_wait(&w[i].wait, &w[i].done);
	if (ok && drain(&s)) {
		EXPECT_EQ(s.records + s.lost, WRITERS * EACH);
		EXPECT_EQ(sum(LOST), s.lost);
		EXPECT_EQ(sum(WRITTEN), WRITERS * EACH);
	}
	all_off();
}

/* ---- faults ---- */

static bool next_fault(struct trace_record *r)
{
	while (next(r))
		if (r->event == TRACE_FAULT && r->pid == (u32)current->pid)
			return true;
	return false;
}

static void check_fault(vaddr_t addr, vaddr_t vma, enum fault_kind kind, u64 before, u64 after)
{
	struct trace_record r;

	CHECK(next_fault(&r));
	EXPECT_EQ(r.arg[0], addr);
	EXPECT_EQ(r.code, kind);
	EXPECT_EQ(r.arg[1], before);
	EXPECT_EQ(r.arg[2], after);
	EXPECT_EQ(r.arg[3], vma);
	EXPECT((r.arg[4] & (BIT(56) - 1)) > 50);
	EXPECT((r.arg[5] & (BIT(24) - 1)) > 0);
	EXPECT_EQ(r.arg[5] >> 24 & (BIT(20) - 1), mm_rss(current_mm()));
}

static u64 entry(vaddr_t addr)
{
	pmd_t *pmd = pmd_find(current_mm(), addr);

	return pmd && !pmd_none(pmdp_get(pmd)) ?
		       ptep_get(pmd_table(pmdp_get(pmd)) + pte_index(addr)).pte :
		       0;
}

static void fault_body(void *arg __unused)
{
	struct mm_struct *mm = current_mm();
	long vma = do_mmap(mm, NULL, 0, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, 0);
	vaddr_t addr = (vaddr_t)vma + PAGE_SIZE;
	u64 read;

	if (!EXPECT(vma > 0) || !events(BIT(TRACE_FAULT)))
		return;
	EXPECT_EQ(handle_mm_fault(mm, addr + 8, FAULT_FLAG_USER), VM_FAULT_DONE);
	read = entry(addr);
	EXPECT(read != 0);
	check_fault(addr + 8, (vaddr_t)vma, FAULT_KIND_ANON_READ, 0, read);
	EXPECT_EQ(handle_mm_fault(mm, addr, FAULT_FLAG_USER | FAULT_FLAG_WRITE), VM_FAULT_DONE);
	EXPECT(entry(addr) != read);
	check_fault(addr, (vaddr_t)vma, FAULT_KIND_NONE << 4 | FAULT_KIND_ZERO_COW, read,
		    entry(addr));
	EXPECT_EQ(handle_mm_fault(mm, PAGE_SIZE, FAULT_FLAG_USER), VM_FAULT_SIGSEGV_MAPERR);
	check_fault(PAGE_SIZE, 0, FAULT_KIND_NONE, 0, 0);
}

KTEST(trace, faults, "a fault that is not recorded, or with another's case or entries")
{
	ktest_with_mm(fault_body, NULL);
	all_off();
}

/* ---- whose ---- */

static void filter_body(void *arg __unused)
{
	struct mm_struct *mm = current_mm(), *child;
	struct trace_record r;

	if (!rings(4))
		return;
	trace_filter = 77;
	put(1);
	EXPECT(!next(&r));
	trace_record(TRACE_OOM, 0, (u64[6]){2});
	EXPECT(next(&r) && r.arg[0] == 2);
	mm->trace_mark = 77;
	put(3);
	EXPECT(next(&r) && r.arg[0] == 3);
	trace_filter = 78; /* another choice: the old mark means nothing */
	put(4);
	EXPECT(!next(&r));
	child = mm_fork(mm);
	if (EXPECT(!IS_ERR(child))) {
		EXPECT_EQ(child->trace_mark, 77);
		mm_put_user(child);
	}
}

KTEST(trace, filter, "the records of one who was not asked for, or a child forgotten")
{
	struct trace_record r;

	ktest_with_mm(filter_body, NULL);
	put(5); /* a kernel thread */
	EXPECT(next(&r) && r.arg[0] == 5);
	all_off();
}
