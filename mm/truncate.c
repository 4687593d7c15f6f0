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
 * instead of one for each page.
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

/* Up to BATCH pages from *index on, below end, referenced. Values on the way are erased. */
static unsigned int take_batch(struct address_space *m, unsigned long *index, unsigned long end,
			       struct page **pages)
{
	unsigned int n = 0;
	void *entry;

	spin_lock(&m->tree_lock);
	while (n < BATCH && (entry = radix_next(&m->pages, index)) && *index < end) {
		if (radix_is_value(entry)) {
			delete_value_locked(m, *index);
		} else {
			pages[n] = entry;
			get_page(pages[n++]);
		}
		++*index;
	}
	spin_unlock(&m->tree_lock);
	return n;
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

	while ((n = take_batch(m, &index, end, pages))) {
		for (unsigned int i = 0; i < n; i++)
			remove_page(m, pages[i]);
		cond_resched();
	}
}

/* Zeroes [from, to) of the file, which lie in one page, if that page is (or has to be) in memory. */
static void zero_part(struct address_space *m, u64 from, u64 to)
{
	u64 index = from >> PAGE_SHIFT;
	struct page *page;

	if (from >= to)
		return;
	if (m->ops && m->ops->readpage) { /* the file's copy is to change too */
		page = filemap_get_page(m, index, false, NULL);
		if (!IS_ERR_OR_NULL(page))
			put_page(page);
	}
	page = find_lock_page(m, index);
	if (IS_ERR_OR_NULL(page)) /* what cannot be read back from swap will never be read */
		return;
	if (PageUptodate(page)) {
		memset((char *)page_address(page) + (from & (PAGE_SIZE - 1)), 0, to - from);
		set_page_dirty(page);
	}
	unlock_page(page);
	put_page(page);
}

void filemap_zero_tail(struct address_space *m)
{
	u64 size = m->size;

	zero_part(m, size, ALIGN(size, PAGE_SIZE));
}

static void unmap_and_remove(struct address_space *m, u64 first, u64 end, bool even_cows)
{
	u64 nr = end == ~0UL ? 0 : end - first;

	unmap_mapping_pages(m, first, nr, even_cows);
	remove_pages(m, first, end);
	unmap_mapping_pages(m, first, nr, even_cows);
}

void truncate_setsize(struct address_space *m, loff_t size)
{
	loff_t old = m->size;

	if (size > old)
		filemap_zero_tail(m);
	WRITE_ONCE(m->size, size);
	if (size <= old) { /* the same: for pages that fallocate() set aside beyond the end */
		unmap_and_remove(m, DIV_ROUND_UP((u64)size, PAGE_SIZE), ~0UL, true);
		filemap_zero_tail(m);
	}
}

void truncate_range(struct address_space *m, loff_t start, loff_t end)
{
	u64 from = start, to = end;
	u64 first = DIV_ROUND_UP(from, PAGE_SIZE), last = to >> PAGE_SHIFT;

	if (from >= to)
		return;
	if (first > last) { /* within one page */
		zero_part(m, from, to);
		return;
	}
	zero_part(m, from, first << PAGE_SHIFT);
	zero_part(m, last << PAGE_SHIFT, to);
	if (first < last)
		unmap_and_remove(m, first, last, false);
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

	debug_assert(!m->shmem); /* its values are data */
	while ((n = take_batch(m, &index, ~0UL, pages))) {
		for (unsigned int i = 0; i < n; i++) {
			dropped += invalidate_page(m, pages[i]);
			put_page(pages[i]);
		}
		cond_resched();
	}
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
