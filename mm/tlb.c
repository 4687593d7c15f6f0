/* SPDX-License-Identifier: MIT */
/*
 * Forgetting translations.
 *
 * Problem: a processor remembers translations (TLB) and upper-level entries (paging-structure
 * caches). After a pte was cleared it may still use the page, and after a table was detached it may
 * still walk it, until it is told to forget. So a page or table must not be given away before.
 *
 * Idea: a gather. Whoever clears ptes notes the range, and puts the pages and tables there; when
 * the gather is full, or at the end, one flush is done and only then are the pages let go:
 *
 *	clear ptes -> note range, collect pages -> flush every CPU that has the space -> free pages
 *
 * Invariants:
 *  1. A page in the gather still has the reference that its pte held.
 *  2. mm->cpu_mask has the bit of every CPU whose CR3 holds mm's root. A CPU sets its bit before it
 *     loads CR3 and clears it after it has loaded another: a CPU that is not in the mask holds no
 *     translation of the space, because loading CR3 drops them all (there are no PCIDs here).
 *  3. mm->tlb_gen counts the flushes of the space; a CPU's tlb_state.gen says up to which of them it
 *     has forgotten. It is never ahead of what the TLB holds.
 *
 * Lazy TLB. A kernel thread goes on with the tables of whoever ran before: its CPU is lazy. It does
 * not look at user addresses, so it is not interrupted for a flush; when it returns to the space it
 * compares generations and, if it is behind, forgets all:
 *
 *	who flushes			who returns
 *	clear ptes			lazy = false
 *	tlb_gen++  (full barrier)	(full barrier)
 *	lazy? no: interrupt it		tlb_gen == own gen? no: flush all
 *
 * One of the two sees the other. But a processor may walk tables of its own accord, so where tables
 * are freed lazy CPUs are interrupted too, and leave the space. The same is how the last mm_put()
 * makes them leave: being lazy is no reference (mm.c).
 *
 * Who is interrupted forgets the range, if that is the one flush it is behind by, else everything.
 * Two CPUs that flush at once are thus served right in whatever order their interrupts come.
 *
 * Locking: none is taken. tlb_flush_* waits for other CPUs with interrupts on, so it may be called
 * under spinlocks that are never waited for with interrupts off: page-table locks are (smp.h).
 */
#include <kernel/lib/cmdline.h>
#include <kernel/lib/init.h>
#include <kernel/x86/smp.h>
#include <kernel/x86/tlb.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/trace.h>
#include <mm/vmstat.h>

/* Above so many pages all is flushed. An invlpg costs 100 to 200 cycles, a refill after a full
 * flush some 20 to 30 for each of the (up to 64 + 1536) entries that are used again, of which a
 * program that has just unmapped memory uses a few hundred: the two meet at 30 to 40 pages, which
 * is also where Linux measured it (33). */
#define TLB_SINGLE_PAGES_MAX 33

DEFINE_PER_CPU(struct tlb_state, tlb_state);

/* ---- one CPU ---- */

static __noinline void flush_all(void)
{
	tlb_flush_local_all();
	count_event(TLB_LOCAL_FLUSH_ALL);
}

static __always_inline void flush_local(vaddr_t start, vaddr_t end)
{
	if ((end - start) >> PAGE_SHIFT > TLB_SINGLE_PAGES_MAX) {
		flush_all();
		return;
	}
	count_events(TLB_LOCAL_FLUSH_ONE, (end - start) >> PAGE_SHIFT);
	for (size_t left = end - start; left; left -= PAGE_SIZE)
		tlb_flush_local_page(end - left);
}

/* The running CPU, which has mm loaded, is to be at least at gen, of which the range was [start, end).
 * A request that interrupts this may leave a gen behind that is too low, never one that is too high: it
 * is written before the flush, and the request flushes what it is about itself. */
static __always_inline void catch_up(struct mm_struct *mm, long gen, vaddr_t start, vaddr_t end)
{
	long at = this_cpu_read(tlb_state.gen);

	if (likely(at == gen - 1)) {
		this_cpu_write(tlb_state.gen, gen);
		flush_local(start, end);
	} else if (at < gen) {
		this_cpu_write(tlb_state.gen, atomic_long_read(&mm->tlb_gen));
		flush_all();
	}
}

/* ---- other CPUs ---- */

struct tlb_request {
	struct mm_struct *mm;
	vaddr_t start, end;
	long gen;
};

#ifdef CONFIG_DEBUG
/* tlb.drop=1: a fault to inject, which tests must notice: others are not told. */
static bool drop_requests;

static void tlb_debug_init(void)
{
	drop_requests = cmdline_bool("tlb.drop", false);
}
initcall(tlb_debug_init);
#else
#define drop_requests false
#endif

static void tlb_request_run(void *arg)
{
	const struct tlb_request *r = arg;

	count_event(TLB_REMOTE_FLUSH_RECEIVED);
	if (this_cpu_read(tlb_state.mm) != r->mm) /* it has left: nothing is remembered */
		return;
	if (this_cpu_read(tlb_state.lazy))
		mm_leave_lazy();
	else
		catch_up(r->mm, r->gen, r->start, r->end);
}

static inline u64 loaded_elsewhere(const struct mm_struct *mm)
{
	return __atomic_load_n(&mm->cpu_mask, __ATOMIC_SEQ_CST) & ~BIT(smp_processor_id());
}

/* The CPUs other than this one that must be told: all that have mm loaded, or only those that use it. */
static u64 cpus_to_tell(const struct mm_struct *mm, bool lazy_too)
{
	u64 mask = loaded_elsewhere(mm);

	if (lazy_too)
		return mask;
	for_each_cpu(cpu)
		if ((mask & BIT(cpu)) && READ_ONCE(per_cpu_ptr(&tlb_state, cpu)->lazy))
			mask &= ~BIT(cpu);
	return mask;
}

/* Other CPUs that have mm loaded, if any uses it (or if the lazy ones count), forget the range. Waits
 * until they have. */
static __noinline void tlb_shootdown(struct mm_struct *mm, vaddr_t start, vaddr_t end, long gen,
				     bool lazy_too)
{
	struct tlb_request r = {mm, start, end, gen};
	u64 others = cpus_to_tell(mm, lazy_too);

	if (!others || drop_requests)
		return;
	count_event(TLB_REMOTE_FLUSH);
	trace(SHOOTDOWN, start, end, others);
	smp_call_mask(others, tlb_request_run, &r);
}

void tlb_leave_lazy(struct mm_struct *mm)
{
	struct tlb_request r = {.mm = mm};
	u64 others = cpus_to_tell(mm, true);

	if (unlikely(others))
		smp_call_mask(others, tlb_request_run, &r);
}

/* ---- the calls ---- */

static __always_inline void flush_range(struct mm_struct *mm, vaddr_t start, vaddr_t end,
					bool tables)
{
	long gen = atomic_long_add_return(1, &mm->tlb_gen);

	if (this_cpu_read(tlb_state.mm) == mm)
		catch_up(mm, gen, start, end);
	if (unlikely(loaded_elsewhere(mm)))
		tlb_shootdown(mm, start, end, gen, tables);
}

void tlb_flush_range(struct mm_struct *mm, vaddr_t start, vaddr_t end)
{
	flush_range(mm, start, end, false);
}

void tlb_flush_mm(struct mm_struct *mm)
{
	flush_range(mm, 0, TASK_SIZE, false);
}

void tlb_flush_page(struct mm_struct *mm, vaddr_t addr)
{
	flush_range(mm, addr, addr + PAGE_SIZE, false);
}

void tlb_fix_spurious(struct mm_struct *mm, vaddr_t addr)
{
	if (this_cpu_read(tlb_state.mm) == mm)
		tlb_flush_local_page(addr);
}

/* ---- the batch ---- */

/* The generation makes the lazy CPUs forget when they return; they need not be told. Whoever loads the
 * space from here on finds the pte as it is now. */
void unmap_batch_add(struct unmap_batch *b, struct mm_struct *mm)
{
	atomic_long_inc(&mm->tlb_gen);
	b->cpus |= __atomic_load_n(&mm->cpu_mask, __ATOMIC_SEQ_CST);
}

/* This CPU forgets all that it knows of the space it has, whichever that is. As in catch_up(), the
 * generation is read first. */
static void forget_all(void *arg __unused)
{
	const struct mm_struct *mm = this_cpu_read(tlb_state.mm);

	if (this_cpu_read(tlb_state.lazy))
		return;
	this_cpu_write(tlb_state.gen, atomic_long_read(&mm->tlb_gen));
	flush_all();
}

static void forget_all_told(void *arg)
{
	count_event(TLB_REMOTE_FLUSH_RECEIVED);
	forget_all(arg);
}

void unmap_batch_flush(struct unmap_batch *b)
{
	u64 others = b->cpus & ~BIT(smp_processor_id());

	if (b->cpus & BIT(smp_processor_id()))
		forget_all(NULL);
	for_each_cpu(cpu)
		if (READ_ONCE(per_cpu_ptr(&tlb_state, cpu)->lazy))
			others &= ~BIT(cpu);
	if (others && !drop_requests) {
		count_event(TLB_REMOTE_FLUSH);
		trace(SHOOTDOWN, 0, TASK_SIZE, others);
		smp_call_mask(others, forget_all_told, NULL);
	}
	b->cpus = 0;
}

/* ---- the gather ---- */

static void gather_reset(struct mmu_gather *g)
{
	g->start = ~0UL;
	g->end = 0;
	g->nr = 0;
	g->tables = false;
}

void tlb_gather_start(struct mmu_gather *g, struct mm_struct *mm)
{
	g->mm = mm;
	g->batches = 0;
	g->tables_met = false;
	gather_reset(g);
}

void tlb_remove_table(struct mmu_gather *g, struct page *table)
{
	if (tlb_gather_full(g))
		tlb_gather_flush(g);
	/* One invlpg, of any address, also empties the paging-structure caches (SDM vol. 3,
	 * 4.10.4.1): that the range is not empty is enough. */
	if (g->start >= g->end)
		tlb_remove_pte(g, 0, PAGE_SIZE);
	g->tables = true;
	g->pages[g->nr++] = table;
}

/* No CPU reads or writes the page by its old entry any more. */
static void end_late(struct page *page)
{
	if (!PageAnon(page))
		set_page_dirty(page);
	page_remove_rmap(page);
}

/* Drops the references; frees the pages of which that was the last. */
static void release_pages(struct page **pages, unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct page *page = pages[i];

		if ((unsigned long)page & GATHER_LATE) {
			page = (struct page *)((unsigned long)page - GATHER_LATE);
			end_late(page);
		}
		if (unlikely(page->flags & (1u << PG_table | 1u << PG_swapcache))) {
			if (PageTable(page)) {
				table_release(page);
				continue;
			}
			free_swap_cache(page);
		}
		if (atomic_dec_and_test(&page->refcount))
			pages[n++] = page;
	}
	free_pages_bulk(pages, n);
}

void tlb_gather_finish(struct mmu_gather *g)
{
	if (g->start < g->end)
		flush_range(g->mm, g->start, g->end, g->tables);
	if (g->nr) {
		release_pages(g->pages, g->nr);
		g->batches++;
	}
}

void tlb_gather_flush(struct mmu_gather *g)
{
	tlb_gather_finish(g);
	gather_reset(g);
}
