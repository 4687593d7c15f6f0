/* SPDX-License-Identifier: MIT */
/*
 * Swapped pages of tmpfs and of shared anonymous memory.
 *
 * Problem. Such a page is named by no pte when it is not mapped, but by its place in the file; so the
 * entry of its slot has to stand there.
 *
 *	mapping.pages   [ page | value: slot 17 | - | page ]
 *	                   ^ |          | ^
 *	                   | |          v | shmem_swap_out: the value counts as one that names the slot
 *	                   | +--------> swap cache -> device
 *	                   +-- shmem_swap_in: out of the cache, or read
 *
 * The page stays charged to its file system and its promise meanwhile: it still exists.
 *
 * Who has looked the page up in the file holds a reference, taken under tree_lock; and under that lock
 * shmem_swap_out() goes on only if there are no references but the file's and its caller's. So nobody is
 * left with a page in hand that is not the file's any more, and truncation, which takes references of
 * what it found before it locks the pages, cannot miss one that has just become a value.
 *
 * swapoff needs all mappings that may have values. One that ever had is on a list until it is emptied
 * for good (shmem_forget). While swapoff is at one of them that has to wait: `unusing` says so.
 *
 * Locking: page lock -> tree_lock -> swap_lock. list_lock: for the list and `unusing`; it may be taken
 * under tree_lock.
 */
#include <kernel/lib/errno.h>
#include <kernel/sched/wait.h>
#include <mm/filemap.h>
#include <mm/swap_internal.h>
#include <mm/vmstat.h>

static LIST_HEAD(swapped_mappings); /* (list_lock) */
static spinlock_t list_lock = SPINLOCK_INIT(LOCK_LEAF);
static struct address_space *unusing; /* (list_lock) */
static DEFINE_WAIT_QUEUE(unuse_wait);

static void list_mapping(struct address_space *m)
{
	spin_lock(&list_lock);
	if (!m->swapped.next)
		list_add(&m->swapped, &swapped_mappings);
	spin_unlock(&list_lock);
}

static bool is_being_unused(const struct address_space *m)
{
	bool is;

	spin_lock(&list_lock);
	is = unusing == m;
	spin_unlock(&list_lock);
	return is;
}

void shmem_forget(struct address_space *m)
{
	if (!m->swapped.next)
		return;
	spin_lock(&list_lock);
	list_del(&m->swapped);
	m->swapped.next = NULL;
	spin_unlock(&list_lock);
	wait_event(unuse_wait, !is_being_unused(m));
}

/* --- out ---- */

int shmem_swap_out(struct page *page)
{
	struct address_space *m = page_mapping(page);
	swp_entry_t e;
	int err;

	debug_assert(PageLocked(page) && m && m->shmem && !page_mapped(page));
	if (!PageUptodate(page)) /* set aside by fallocate(): nothing to keep */
		return -EBUSY;
	list_mapping(m);
	spin_lock(&m->tree_lock);
	err = page_count(page) == 2 ? 0 : -EBUSY;
	if (!err)
		err = add_to_swap(page);
	if (!err) {
		e.val = page->swap;
		err = swap_duplicate(e); /* the first: never refused */
		assert(!err);
		(void)radix_replace(&m->pages, page->index, radix_mk_value(e.val));
		WRITE_ONCE(page->owner, 0);
		m->nrpages--;
		m->nrswapped++;
	}
	spin_unlock(&m->tree_lock);
	if (err)
		return err;
	mod_vmstat(NR_FILE_PAGES, -1);
	mod_vmstat(NR_SHMEM, -1);
	put_page(page); /* the file's */
	return 0;
}

/* --- in ---- */

static bool value_at_locked(struct address_space *m, u64 index, swp_entry_t *e)
{
	void *entry = radix_lookup(&m->pages, index);

	assert_spin_held(&m->tree_lock);
	if (!radix_is_value(entry))
		return false;
	e->val = (u32)radix_to_value(entry);
	return true;
}

struct page *shmem_swap_cached(struct address_space *m, u64 index)
{
	struct page *page = NULL;
	swp_entry_t e;

	spin_lock(&m->tree_lock);
	if (value_at_locked(m, index, &e))
		page = swap_cache_get(e);
	spin_unlock(&m->tree_lock);
	return page;
}

static bool value_at(struct address_space *m, u64 index, swp_entry_t *e)
{
	bool is;

	spin_lock(&m->tree_lock);
	is = value_at_locked(m, index, e);
	spin_unlock(&m->tree_lock);
	return is;
}

/* The locked page takes the place of its value, if that is still there. */
static void page_back(struct address_space *m, u64 index, swp_entry_t e, struct page *page)
{
	swp_entry_t now;
	bool same;

	spin_lock(&m->tree_lock);
	same = value_at_locked(m, index, &now) && now.val == e.val;
	if (same) {
		page->index = (u32)index;
		WRITE_ONCE(page->owner, object_to_owner(m));
		SetPageDirty(page);
		get_page(page);
		(void)radix_replace(&m->pages, index, page);
		m->nrpages++;
		m->nrswapped--;
	}
	spin_unlock(&m->tree_lock);
	if (!same)
		return;
	mod_vmstat(NR_FILE_PAGES, 1);
	mod_vmstat(NR_SHMEM, 1);
	delete_from_swap_cache(page);
	swap_free(e);
}

int shmem_swap_in(struct address_space *m, u64 index, bool *major)
{
	struct page *page;
	swp_entry_t e;

	if (!value_at(m, index, &e))
		return -ENOENT;
	page = swap_read(e, major);
	if (IS_ERR_OR_NULL(page))
		return (int)PTR_ERR(page); /* NULL: the value has gone */
	lock_page(page);
	wait_on_page_writeback(page);
	swap_read_ahead_hit(page);
	if (PageSwapCache(page) && page->swap == e.val)
		page_back(m, index, e, page);
	unlock_page(page);
	free_swap_cache(page); /* the value may have gone meanwhile */
	put_page(page);
	return 0;
}

unsigned long shmem_swapped(struct address_space *m, u64 first, u64 n)
{
	unsigned long index = first, found = 0;
	bool more = READ_ONCE(m->nrswapped);

	while (more) {
		spin_lock(&m->tree_lock);
		for (unsigned int seen = 0; more && seen < TREE_SCAN; seen++, index++) {
			void *entry = radix_next(&m->pages, &index);

			more = entry && index - first < n;
			found += more && radix_is_value(entry);
		}
		spin_unlock(&m->tree_lock);
		cond_resched();
	}
	return found;
}

/* --- swapoff ---- */

/* Moves *index to the first value of the area from there on (*found), or past many that are none. False:
 * there are no more. */
static bool next_value(struct address_space *m, unsigned int area, unsigned long *index,
		       bool *found)
{
	void *entry = m;

	*found = false;
	spin_lock(&m->tree_lock);
	for (unsigned int seen = 0; seen < TREE_SCAN && (entry = radix_next(&m->pages, index));
	     seen++) {
		swp_entry_t e = {(u32)radix_to_value(entry)};

		*found = radix_is_value(entry) && swp_area(e) == area;
		if (*found)
			break;
		++*index;
	}
	spin_unlock(&m->tree_lock);
	return entry;
}

static int unuse_mapping(struct address_space *m, unsigned int area)
{
	unsigned long index = 0;
	int err = 0;
	bool found;

	while ((!err || err == -ENOENT) && next_value(m, area, &index, &found)) {
		if (found)
			err = shmem_swap_in(m, index, NULL);
		if (current_signal_pending())
			err = -EINTR;
		cond_resched();
	}
	return err == -ENOENT ? 0 : err;
}

/* The one that was looked at longest ago (NULL: there is none, or that was all) becomes `unusing`. */
static struct address_space *next_mapping(bool more)
{
	struct address_space *m = NULL;

	spin_lock(&list_lock);
	if (more && !list_empty(&swapped_mappings)) {
		m = list_first_entry(&swapped_mappings, struct address_space, swapped);
		list_move_tail(&m->swapped, &swapped_mappings);
	}
	unusing = m;
	spin_unlock(&list_lock);
	wake_up_all(&unuse_wait);
	return m;
}

static unsigned int nr_mappings(void)
{
	struct list_head *at;
	unsigned int n = 0;

	spin_lock(&list_lock);
	for (at = swapped_mappings.next; at != &swapped_mappings; at = at->next)
		n++;
	spin_unlock(&list_lock);
	return n;
}

int shmem_unuse(unsigned int area)
{
	unsigned int left = nr_mappings();
	struct address_space *m;
	int err = 0;

	while ((m = next_mapping(left && !err)) != NULL) {
		err = unuse_mapping(m, area);
		left--;
		cond_resched();
	}
	return err;
}
