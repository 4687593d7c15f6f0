/* SPDX-License-Identifier: MIT */
/*
 * The trace: a ring of records for each CPU.
 *
 * Problem: to see what memory management does, in order and with its cost, without changing it. So a
 * record is written where it happens, with whatever locks are held there: writing allocates nothing,
 * waits for nobody, and takes one leaf lock, its own CPU's.
 *
 *	written by the CPU ──> [ . . r r r r r r . . ] ──> taken by the reader, the oldest first
 *	                             first   first + count
 *
 * A full ring overwrites its oldest record. What was lost is counted, and told to the reader in the
 * place where it is missing.
 *
 * Order. A record's time is read under its ring's lock. The reader takes records up to a moment that
 * was before it first looked: then, once it has had a CPU's lock, that CPU can only add later ones, and
 * the least of the oldest ones is the next one of all. Where it was overwritten before it could be
 * taken, the reader looks again, which ends at the latest when all that is left is after that moment.
 *
 * Memory: none until an event is turned on, none after the size was set to 0.
 *
 * Who is recorded: a process is marked by a number in its address space, which fork and exec carry on.
 * Another choice of processes is another number, so marks are never taken away. An address space, not a
 * task, as mm knows no tasks; of the thread it knows only the number, for the record.
 *
 * Locking: trace_control, a mutex, for who changes something or reads; each ring's lock, innermost of
 * all, with interrupts off, for the ring. trace_mask and trace_filter are read without a lock: a change
 * is noticed a moment later, and a writer that comes too late finds no ring.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/string.h>
#include <kernel/sched/timer.h>
#include <mm/pgtable.h>
#include <mm/trace.h>
#include <mm/vmalloc.h>

struct trace_ring {
	spinlock_t lock;
	u32 size, first, count;      /* (l) in records */
	struct trace_record *record; /* (l) NULL: no ring */
	u64 written, lost;           /* (l) */
	u64 untold;                  /* (l) of lost, what the reader does not know yet */
};
/* (l) lock */

static DEFINE_PER_CPU(struct trace_ring, rings) = {.lock = SPINLOCK_INIT(LOCK_TRACE)};
struct mutex trace_control;
static unsigned long size_kb; /* (c) of each ring */

u32 trace_mask, trace_filter; /* (c) */
/* (c) changed under trace_control */

static void trace_init(void)
{
	mutex_init(&trace_control, LOCK_INODE);
}
initcall(trace_init);

/* ---- writing ---- */

static bool wanted(const struct thread *t, enum trace_event event)
{
	u32 filter = READ_ONCE(trace_filter);

	return !filter || !t->mm || t->mm->trace_mark == filter || event == TRACE_OOM;
}

/* A place for a record, if need be that of the oldest. */
static struct trace_record *next_place(struct trace_ring *ring)
{
	u32 at = ring->first + ring->count;

	ring->written++;
	if (ring->count < ring->size) {
		ring->count++;
	} else {
		ring->first = (ring->first + 1) % ring->size;
		ring->lost++;
		ring->untold++;
	}
	return &ring->record[at % ring->size];
}

void trace_record(enum trace_event event, u32 extra, const u64 arg[6])
{
	const struct thread *t = current_thread();
	struct trace_ring *ring = this_cpu_ptr(&rings);
	struct trace_record *r;

	if (!wanted(t, event))
		return;
	guard_irq(&ring->lock);
	if (!ring->record)
		return;
	r = next_place(ring);
	*r = (struct trace_record){
		.time_ns = (u64)ktime_get(),
		.pid = t->id,
		.event = (u8)event,
		.cpu = (u8)smp_processor_id(),
		.code = (u8)extra,
		.flags = (u8)(extra >> 8),
	};
	memcpy(r->arg, arg, sizeof(r->arg));
}

u64 trace_memory(struct mm_struct *mm)
{
	return min(nr_free_pages(), BIT(24) - 1) | min(mm_rss(mm), BIT(20) - 1) << 24 |
	       min((unsigned long)mm_counter_read(mm, MM_SWAP), BIT(20) - 1) << 44;
}

/* ---- reading ---- */

/* When the oldest record of the ring was written; ~0: there is none. */
static u64 oldest(struct trace_ring *ring)
{
	guard_irq(&ring->lock);
	return ring->count ? ring->record[ring->first].time_ns : ~0UL;
}

/* The oldest record, if it still is the one of that time. */
static bool take(struct trace_ring *ring, u64 time, unsigned int cpu, struct trace_record *r)
{
	guard_irq(&ring->lock);
	if (!ring->count || ring->record[ring->first].time_ns != time)
		return false;
	*r = ring->record[ring->first];
	if (ring->untold) {
		*r = (struct trace_record){.time_ns = time,
					   .event = TRACE_LOST,
					   .cpu = (u8)cpu,
					   .arg = {ring->untold}};
		ring->untold = 0;
		return true;
	}
	ring->first = (ring->first + 1) % ring->size;
	ring->count--;
	return true;
}

bool trace_next(ktime_t until, struct trace_record *r)
{
	unsigned int from;
	u64 least;

	do {
		least = (u64)until + 1;
		from = NR_CPUS;
		for_each_cpu(cpu) {
			u64 time = oldest(per_cpu_ptr(&rings, cpu));

			if (time < least) {
				least = time;
				from = cpu;
			}
		}
		if (from == NR_CPUS)
			return false;
	} while (!take(per_cpu_ptr(&rings, from), least, from, r));
	return true;
}

void trace_stats(unsigned int cpu, u64 *written, u64 *lost, u64 *waiting)
{
	struct trace_ring *ring = per_cpu_ptr(&rings, cpu);

	guard_irq(&ring->lock);
	*written = ring->written;
	*lost = ring->lost;
	*waiting = ring->count;
}

/* ---- control ---- */

/* New memory for a ring, or NULL; the old is freed. */
static void replace(struct trace_ring *ring, struct trace_record *record, u32 size)
{
	unsigned long flags = spin_lock_irqsave(&ring->lock);

	swap(ring->record, record);
	ring->size = size;
	ring->first = ring->count = 0;
	ring->written = ring->lost = ring->untold = 0;
	spin_unlock_irqrestore(&ring->lock, flags);
	vfree(record);
}

/* A size is refused that would leave others less than half of what is free. */
int trace_set_size(unsigned long kb)
{
	struct trace_record *record[NR_CPUS] = {};
	unsigned long cpus = nr_cpu_ids;

	if (kb > (nr_free_pages() / 2 << (PAGE_SHIFT - 10)) / cpus)
		return -ENOMEM;
	for_each_cpu(cpu) {
		if (kb && !(record[cpu] = vmalloc(kb << 10))) {
			while (cpu--)
				vfree(record[cpu]);
			return -ENOMEM;
		}
	}
	if (!kb)
		WRITE_ONCE(trace_mask, 0);
	for_each_cpu(cpu)
		replace(per_cpu_ptr(&rings, cpu), record[cpu],
			(u32)((kb << 10) / sizeof(struct trace_record)));
	size_kb = kb;
	return 0;
}

int trace_set_mask(u32 mask)
{
	if (mask && !size_kb && trace_set_size(TRACE_DEFAULT_KB))
		return -ENOMEM;
	WRITE_ONCE(trace_mask, mask);
	return 0;
}

unsigned long trace_size_kb(void)
{
	return READ_ONCE(size_kb);
}
