/* SPDX-License-Identifier: MIT */
/*
 * The life of an address space, and which one a CPU has loaded.
 *
 * A space has two counts. users: the threads that run in it, and whoever looks at its mappings; the
 * last one out takes the mappings down. count: everybody who needs the structure and the root, the
 * users together being one of them.
 *
 * CR3 and lazy TLB. A kernel thread has no space of its own and touches only the kernel's half,
 * which is the same everywhere: so switching to it loads nothing, and if the next thread is again
 * of the space that is loaded, nothing was lost. tlb_state.mm says what a CPU has. It is no reference:
 * instead, the last mm_put() of a space makes the CPUs that still have it loaded go to init_mm's
 * root. That costs at most once a space, where counting would cost twice a switch.
 *
 * Locking: switching runs with interrupts off. Each CPU changes its own bit of cpu_mask, atomically.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/tlb.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/tlb.h>
#include <mm/vma.h>

struct mm_struct init_mm = {
	.tree_lock = SPINLOCK_INIT(LOCK_VMA_TREE),
	.pgd_lock = SPINLOCK_INIT(LOCK_PGD),
	.users = ATOMIC_INIT(1),
	.count = ATOMIC_INIT(1),
};

static struct kmem_cache *mm_cache;
static LIST_HEAD(all_spaces); /* (all_lock) by age */
static spinlock_t all_lock = SPINLOCK_INIT(LOCK_LEAF);

void mm_init_caches(void)
{
	mm_cache = kmem_cache_create("mm_struct", sizeof(struct mm_struct), 64, SLAB_PANIC, NULL);
	rwsem_init(&init_mm.mmap_lock, LOCK_MMAP);
	init_mm.cpu_mask = BIT(smp_processor_id());
	this_cpu_write(tlb_state.mm, &init_mm);
	this_cpu_write(tlb_state.lazy, true);
	commit_init();
	vma_init_cache();
	rmap_init_caches();
	filemap_init();
	pgtable_init();
}

/* --- life ---- */

struct mm_struct *mm_alloc(void)
{
	struct mm_struct *mm = kmem_cache_alloc(mm_cache, GFP_KERNEL);

	if (!mm)
		return NULL;
	memset(mm, 0, sizeof(*mm));
	mm->pgd = pgd_alloc();
	if (!mm->pgd) {
		kmem_cache_free(mm_cache, mm);
		return NULL;
	}
	mm->vma_tree = RB_ROOT;
	spin_lock_init(&mm->tree_lock, LOCK_VMA_TREE);
	rwsem_init(&mm->mmap_lock, LOCK_MMAP);
	spin_lock_init(&mm->pgd_lock, LOCK_PGD);
	atomic_set(&mm->users, 1);
	atomic_set(&mm->count, 1);
	mm->gap_end = TASK_SIZE;
	mm->rlim_as = mm->rlim_data = mm->rlim_stack = mm->rlim_memlock = ~0UL;
	spin_lock(&all_lock);
	list_add_tail(&mm->all, &all_spaces);
	spin_unlock(&all_lock);
	return mm;
}

/* A user's reference keeps prev on the list; one whose users are gone may still be on it. */
struct mm_struct *mm_next(struct mm_struct *prev)
{
	struct list_head *at;
	struct mm_struct *mm = NULL;

	spin_lock(&all_lock);
	at = prev ? prev->all.next : all_spaces.next;
	for (; at != &all_spaces && !mm; at = at->next) {
		mm = container_of(at, struct mm_struct, all);
		if (!atomic_inc_not_zero(&mm->users))
			mm = NULL;
	}
	spin_unlock(&all_lock);
	if (prev)
		mm_put_user(prev);
	return mm;
}

void mm_put_user(struct mm_struct *mm)
{
	might_sleep();
	debug_assert(mm != &init_mm && atomic_read(&mm->users) > 0);
	if (!atomic_dec_and_test(&mm->users))
		return;
	exit_mmap(mm);
	if (mm->exe_file)
		mm->exe_file->ops->put(mm->exe_file);
	mm->exe_file = NULL;
	mm_put(mm);
}

/* Interrupts off. The new bit is set before the first translation can be made, the old one goes
 * after the last is forgotten. The generation is read after the bit is set: a flush that it does not
 * count will find the bit. */
static void load_mm(struct mm_struct *mm)
{
	struct tlb_state *ts = this_cpu_ptr(&tlb_state);
	struct mm_struct *old = ts->mm;
	u64 bit = BIT(smp_processor_id());

	debug_assert(old && old != mm);
	__atomic_fetch_or(&mm->cpu_mask, bit, __ATOMIC_SEQ_CST);
	ts->mm = mm;
	ts->gen = atomic_long_read(&mm->tlb_gen);
	write_cr3(__pa(mm->pgd));
	__atomic_fetch_and(&old->cpu_mask, ~bit, __ATOMIC_SEQ_CST);
}

/* This CPU comes back to the space that it still has loaded: see tlb.c. */
static void end_lazy(struct mm_struct *mm)
{
	struct tlb_state *ts = this_cpu_ptr(&tlb_state);
	long gen;

	__atomic_store_n(&ts->lazy, false, __ATOMIC_SEQ_CST);
	gen = atomic_long_read(&mm->tlb_gen);
	if (unlikely(ts->gen != gen)) {
		ts->gen = gen;
		tlb_flush_local_all();
	}
}

void mm_leave_lazy(void)
{
	debug_assert(irqs_disabled());
	if (this_cpu_read(tlb_state.mm) != &init_mm)
		load_mm(&init_mm);
}

/* Nobody runs in mm any more, but CPUs may have kept it loaded for their kernel threads. */
static void leave_lazy(struct mm_struct *mm)
{
	unsigned long flags = local_irq_save();

	if (this_cpu_read(tlb_state.mm) == mm)
		load_mm(&init_mm);
	local_irq_restore(flags);
	tlb_leave_lazy(mm);
	assert(READ_ONCE(mm->cpu_mask) == 0);
}

static void check_counters(struct mm_struct *mm)
{
	for (enum mm_counter c = 0; c < NR_MM_COUNTERS; c++)
		assert(atomic_long_read(mm_counter(mm, c)) == 0);
	assert(atomic_long_read(&mm->pgtables_bytes) == 0);
}

void mm_put(struct mm_struct *mm)
{
	debug_assert(mm != &init_mm);
	if (!atomic_dec_and_test(&mm->count))
		return;
	spin_lock(&all_lock);
	list_del(&mm->all);
	spin_unlock(&all_lock);
	leave_lazy(mm);
	check_counters(mm);
	pgd_free(mm->pgd);
	kmem_cache_free(mm_cache, mm);
}

/* --- what is loaded ---- */

void mm_switch(struct thread *prev __unused, struct thread *next)
{
	struct mm_struct *mm = next->mm;

	debug_assert(irqs_disabled());
	if (!mm) {
		this_cpu_write(tlb_state.lazy, true);
	} else if (mm != this_cpu_read(tlb_state.mm)) {
		this_cpu_write(tlb_state.lazy, false);
		load_mm(mm);
	} else if (this_cpu_read(tlb_state.lazy)) {
		end_lazy(mm);
	}
}

void mm_activate(struct mm_struct *mm)
{
	struct thread *t = current_thread();
	unsigned long flags = local_irq_save();

	t->mm = mm;
	mm_switch(t, t);
	local_irq_restore(flags);
}
