/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a page: its lock bit, and the end of its writeback.
 *
 * Problem. Every page needs a lock that one can sleep on, and 32 bytes have no room for a queue.
 *
 * Idea. The lock is a bit; the sleepers of all pages share a few queues, chosen by a hash of the
 * page. PG_waiters says that somebody may be asleep, so that an unlock which nobody waits for
 * touches no queue. A sleeper's entry names the page, and only those that match wake.
 *
 * No wake-up is lost: the sleeper queues itself, sets PG_waiters, and then looks at the bit again;
 * the waker clears the bit, then looks at PG_waiters (both with full barriers). The waker clears
 * PG_waiters and wakes all sleepers of that page, whichever bit they wait for: the mark is for both.
 * Those who go back to sleep set it again.
 *
 * Locking: the page lock is ordered after the vma lock and before i_mmap (lock_class.h). It may be
 * released by another thread than took it (the end of I/O), so the lock checker checks the order
 * when it is taken but does not remember it. Waking: any context.
 */
#include <kernel/lib/hash.h>
#include <kernel/sched/wait.h>
#include <kernel/sync/spinlock.h>
#include <mm/internal.h>

/* Enough that unrelated pages seldom meet; 24 bytes each. */
#define PAGE_WAIT_BITS 6

static struct wait_queue page_queues[1 << PAGE_WAIT_BITS];

struct page_wait {
	struct wait_entry entry;
	const struct page *page;
};

static struct wait_queue *page_queue(const struct page *p)
{
	return &page_queues[hash_ptr(p, PAGE_WAIT_BITS)];
}

static bool page_wake_func(struct wait_entry *we, unsigned long key)
{
	if ((unsigned long)container_of(we, struct page_wait, entry)->page != key)
		return false;
	thread_wake(we->thread);
	return true;
}

static void page_wake(struct page *p)
{
	ClearPageWaiters(p);
	wake_up_key(page_queue(p), 0, (unsigned long)p);
}

/* Sleeps until the bit is clear, or, with lock, until it was clear and is ours. */
static void page_wait_bit(struct page *p, enum page_flag bit, bool lock)
{
	struct wait_queue *q = page_queue(p);
	struct page_wait w = {.page = p};

	wait_entry_init(&w.entry, false);
	w.entry.func = page_wake_func;
	for (;;) {
		prepare_to_wait(q, &w.entry, THREAD_UNINTERRUPTIBLE);
		SetPageWaiters(p);
		if (lock ? trylock_page(p) : !(READ_ONCE(p->flags) & (1u << bit)))
			break;
		io_schedule();
	}
	finish_wait(q, &w.entry);
}

static void check_page_lock_order(const struct page *p)
{
	might_sleep();
	lock_check_acquire(LOCK_PAGE, p, 0);
	lock_check_release(LOCK_PAGE, p, 0);
}

void lock_page(struct page *p)
{
	check_page_lock_order(p);
	if (!trylock_page(p))
		page_wait_bit(p, PG_locked, true);
}

void unlock_page(struct page *p)
{
	u32 old = __atomic_fetch_and(&p->flags, ~(1u << PG_locked), __ATOMIC_SEQ_CST);

	assert(old & (1u << PG_locked));
	if (unlikely(old & (1u << PG_waiters)))
		page_wake(p);
}

void wait_on_page_locked(struct page *p)
{
	might_sleep();
	if (PageLocked(p))
		page_wait_bit(p, PG_locked, false);
}

void put_and_wait_on_page_locked(struct page *p)
{
	struct page_wait wait = {.page = p};
	bool locked;

	might_sleep();
	wait_entry_init(&wait.entry, false);
	wait.entry.func = page_wake_func;
	prepare_to_wait(page_queue(p), &wait.entry, THREAD_UNINTERRUPTIBLE);
	SetPageWaiters(p);
	locked = PageLocked(p);
	put_page(p); /* who has it locked has another */
	if (locked)
		io_schedule();
	finish_wait(page_queue(p), &wait.entry);
}

void wait_on_page_writeback(struct page *p)
{
	might_sleep();
	if (PageWriteback(p))
		page_wait_bit(p, PG_writeback, false);
}

void end_page_writeback(struct page *p)
{
	u32 old = __atomic_fetch_and(&p->flags, ~(1u << PG_writeback), __ATOMIC_SEQ_CST);

	assert(old & (1u << PG_writeback));
	if (old & (1u << PG_reclaim))
		lru_rotate(p);
	if (unlikely(old & (1u << PG_waiters)))
		page_wake(p);
}

void page_lock_init(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(page_queues); i++)
		wait_queue_init(&page_queues[i]);
}
