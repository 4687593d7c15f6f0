/* SPDX-License-Identifier: MIT */
/*
 * A file becomes shorter, or loses a range: its pages leave the cache and every mapping.
 *
 *	size                 first whole page gone
 *	  v                  v
 *	| xxxx000000000000 | gone | gone | ...
 *	  the rest of this page is zeroed
 *
 * The order (and why it is safe against faults) is told at the top of filemap.c: the size first,
 * unmap, remove, unmap again. The first unmapping is there for speed: one pass over the mappings
 * instead of one for each page. Before all that comes the rest of the last page: it may be in swap, and
 * if it cannot be read back nothing has happened yet but an error. (A mapping may write there again, so
 * it is zeroed once more when the file grows.)
 *
 * Pages are taken from the tree in batches with a reference each, then locked one after the other;
 * whatever else holds a page (a read that copies, I/O) keeps it alive, not in the file.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <mm/filemap.h>
#include <mm/mm.h>
#include <mm/page.h>
#include <mm/rmap.h>
#include <mm/swap.h>

#define BATCH 16

/* Up to BATCH pages from *index on, below end, referenced: *n. Values on the way are erased, TREE_SCAN at
 * most. False: that is all. */
static bool take_batch(struct address_space *m, unsigned long *index, unsigned long end,
		       struct page **pages, unsigned int *n)
{
	bool more = true;

	*n = 0;
	spin_lock(&m->tree_lock);
	for (unsigned int seen = 0; more && *n < BATCH && seen < TREE_SCAN; seen++) {
		void *entry = radix_next(&m->pages, index);

		more = entry && *index < end;
		if (!more)
			break;
		if (radix_is_value(entry)) {
			delete_value_locked(m, *index);
		} else {
			pages[*n] = entry;
			get_page(pages[(*n)++]);
		}
		++*index;
	}
	spin_unlock(&m->tree_lock);
	return more;
}

static void remove_page(struct address_space *m, struct page *page)
{
	lock_page(page);
	wait_on_page_writeback(page);
	if (page_mapping(page) == m)
		delete_from_page_cache(page);
	unlock_page(page);
	put_page(page);
}

static void remove_pages(struct address_space *m, u64 first, u64 end)
{
	struct page *pages[BATCH];
	unsigned long index = first;
	unsigned int n;
	bool more;

	do {
		more = take_batch(m, &index, end, pages, &n);
		for (unsigned int i = 0; i < n; i++)
			remove_page(m, pages[i]);
		cond_resched();
	} while (more);
}

/* Zeroes [from, to) of the file, which lie in one page, if that page is (or has to be) in memory: 0, or
 * why it cannot be brought there. */
static int zero_part(struct address_space *m, u64 from, u64 to)
{
	u64 index = from >> PAGE_SHIFT;
	struct page *page;

	if (from >= to)
		return 0;
	if (m->ops && m->ops->readpage) { /* the file's copy is to change too */
		page = filemap_get_page(m, index, false, NULL);
		if (IS_ERR(page))
			return PTR_ERR(page);
		if (page)
			put_page(page);
	}
	page = find_lock_page(m, index);
	if (IS_ERR_OR_NULL(page))
		return (int)PTR_ERR(page);
	if (PageUptodate(page)) {
		memset((char *)page_address(page) + (from & (PAGE_SIZE - 1)), 0, to - from);
		set_page_dirty(page);
	}
	unlock_page(page);
	put_page(page);
	return 0;
}

int filemap_zero_tail(struct address_space *m, loff_t size)
{
	return zero_part(m, (u64)size, ALIGN((u64)size, PAGE_SIZE));
}

static void unmap_and_remove(struct address_space *m, u64 first, u64 end, bool even_cows)
{
	u64 nr = end == ~0UL ? 0 : end - first;

	unmap_mapping_pages(m, first, nr, even_cows);
	remove_pages(m, first, end);
	unmap_mapping_pages(m, first, nr, even_cows);
}

int truncate_setsize(struct address_space *m, loff_t size)
{
	loff_t old = m->size;
	int err = filemap_zero_tail(m, min(old, size));

	if (err)
		return err;
	WRITE_ONCE(m->size, size);
	if (size <= old) /* the same: for pages that fallocate() set aside beyond the end */
		unmap_and_remove(m, DIV_ROUND_UP((u64)size, PAGE_SIZE), ~0UL, true);
	return 0;
}

int truncate_range(struct address_space *m, loff_t start, loff_t end)
{
	u64 from = start, to = end;
	u64 first = DIV_ROUND_UP(from, PAGE_SIZE), last = to >> PAGE_SHIFT;
	int err;

	if (from >= to)
		return 0;
	if (first > last) /* within one page */
		return zero_part(m, from, to);
	err = zero_part(m, from, first << PAGE_SHIFT);
	if (!err)
		err = zero_part(m, last << PAGE_SHIFT, to);
	if (!err && first < last)
		unmap_and_remove(m, first, last, false);
	return err;
}

static bool invalidate_page(struct address_space *m, struct page *page)
{
	bool dropped;

	if (!trylock_page(page))
		return false;
	dropped = page_mapping(page) == m && delete_unused_page(page, false);
	unlock_page(page);
	return dropped;
}

unsigned long invalidate_mapping(struct address_space *m)
{
	struct page *pages[BATCH];
	unsigned long index = 0, dropped = 0;
	unsigned int n;
	bool more;

	debug_assert(!m->shmem); /* its values are data */
	do {
		more = take_batch(m, &index, ~0UL, pages, &n);
		for (unsigned int i = 0; i < n; i++) {
			dropped += invalidate_page(m, pages[i]);
			put_page(pages[i]);
		}
		cond_resched();
	} while (more);
	return dropped;
}

void truncate_all(struct address_space *m)
{
	remove_pages(m, 0, ~0UL);
	assert(m->nrpages == 0 && radix_empty(&m->pages));
	if (m->committed)
		commit_uncharge(NULL, (long)m->committed);
	m->committed = 0;
	shmem_forget(m);
}
