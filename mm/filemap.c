/* SPDX-License-Identifier: MIT */
/*
 * The page cache.
 *
 * Problem. The content of files is kept in memory, page by page, once for all: what read() copies,
 * what write() fills and what every mapping shows is the same page.
 *
 * Idea. Each file (address_space) has a radix tree from page index to struct page:
 *
 *	inode.mapping --pages--> [ 0 | 1 | - | 3 | ... ]     "-": a hole (tmpfs), or not yet read
 *	                           |
 *	                      struct page: owner = mapping, index = 0, one reference held by the tree
 *
 * A page is in one of these states, each named by its flags and lock:
 *	new		locked, not uptodate: somebody fills it; all others wait for the lock
 *	uptodate	may be read and mapped
 *	dirty		newer than the file
 *	gone		owner is not the mapping any more (truncated): whoever got here through an old
 *			lookup sees it after taking the page lock, and looks again
 *
 * Invariants: a page in the tree has owner and index that say so, and a reference; owner changes only
 * under page lock and tree lock. A tmpfs page (shmem) has no other copy, so it is dirty from birth
 * and counts as swap-backed.
 *
 * Truncation against faults: truncation first lowers the size, unmaps, then removes each page under
 * its lock, then unmaps once more. A fault that found a page before looks, under the page-table lock
 * in which it installs the pte, whether the page is still the file's: either it sees that it is
 * gone, or the second unmapping comes later and finds the pte.
 *
 * Locking: page lock -> tree_lock. A lookup needs only tree_lock, for as long as it takes to get a
 * reference. Memory for tree nodes is set aside before the lock is taken (radix.h).
 *
 * In place of a shmem page that is swapped out the tree holds a value, the entry of its slot. Lookups
 * that want the page bring it back first (swap_shmem.c); the others pass over it. In place of another
 * file's page that reclaim took it may hold one, too, the page's shadow (workingset.c), which is no more
 * than a remark: to lookups there is nothing.
 *
 * Simplified against Linux: no RCU, no large folios. A file ends at 16 TiB, as struct
 * page's index has 32 bits.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <mm/filemap.h>
#include <mm/lru.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/page.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/vma.h>

#define MAX_INDEX 0xffffffffUL

static struct kmem_cache *radix_node_cache;

static struct radix_node *node_alloc(gfp_t gfp)
{
	return kmem_cache_alloc(radix_node_cache, gfp);
}

static void node_free(struct radix_node *node)
{
	kmem_cache_free(radix_node_cache, node);
}

static const struct radix_tree_ops node_ops = {
	.node_alloc = node_alloc,
	.node_free = node_free,
	.update = workingset_update_node,
};

void filemap_init(void)
{
	radix_node_cache = kmem_cache_create("radix_tree_node", sizeof(struct radix_node), 0,
					     SLAB_PANIC | SLAB_RECLAIM_ACCOUNT, NULL);
}

void mapping_init(struct address_space *m, const struct address_space_operations *ops, void *host,
		  bool shmem)
{
	memset(m, 0, sizeof(*m));
	radix_tree_init(&m->pages, &node_ops);
	spin_lock_init(&m->tree_lock, LOCK_MAPPING_TREE);
	rwsem_init(&m->i_mmap_lock, LOCK_I_MMAP);
	m->i_mmap = RB_ROOT;
	m->ops = ops;
	m->host = host;
	m->shmem = shmem;
}

/* --- looking up ---- */

/* A page with a reference, a value, or NULL. */
static void *find_get_entry(struct address_space *m, u64 index)
{
	void *entry;

	spin_lock(&m->tree_lock);
	entry = radix_lookup(&m->pages, index);
	if (entry && !radix_is_value(entry))
		get_page(entry);
	spin_unlock(&m->tree_lock);
	return entry;
}

struct page *find_get_page(struct address_space *m, u64 index)
{
	void *entry = find_get_entry(m, index);

	return radix_is_value(entry) ? NULL : entry;
}

static bool page_is_at(const struct page *page, struct address_space *m, u64 index)
{
	return page_mapping(page) == m && page->index == (u32)index;
}

/* What the tree holds, as find_get_entry(), but for values: there is nothing, or it comes back first.
 * Another may have brought it back: so one that has gone is looked for again. ERR_PTR(-ENOMEM, -EIO). */
static struct page *find_swap_page(struct address_space *m, u64 index, bool *major)
{
	for (;;) {
		void *entry = find_get_entry(m, index);
		int err;

		if (!radix_is_value(entry))
			return entry;
		if (!m->shmem)
			return NULL;
		err = shmem_swap_in(m, index, major);
		if (err && err != -ENOENT)
			return ERR_PTR(err);
	}
}

struct page *find_lock_page(struct address_space *m, u64 index)
{
	for (;;) {
		struct page *page = find_swap_page(m, index, NULL);

		if (IS_ERR_OR_NULL(page))
			return page;
		lock_page(page);
		if (page_is_at(page, m, index))
			return page;
		unlock_page(page);
		put_page(page);
	}
}

void filemap_get_cached(struct address_space *m, u64 first, unsigned int n, struct page **pages)
{
	void *const *slots = NULL;

	spin_lock(&m->tree_lock);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int slot = (first + i) % RADIX_SLOTS;
		void *entry;

		if (!i || !slot)
			slots = radix_slots(&m->pages, first + i);
		entry = slots ? slots[slot] : NULL;
		pages[i] = NULL;
		if (!entry || radix_is_value(entry) || !PageUptodate((struct page *)entry))
			continue;
		pages[i] = entry;
		get_page(entry);
	}
	spin_unlock(&m->tree_lock);
}

/* --- coming and going ---- */

/* The promise and the file system's limit for one page more. */
static int charge_page(struct address_space *m)
{
	bool promise = m->shmem && !m->committed;
	int err = 0;

	if (promise && commit_charge(NULL, 1))
		return -ENOSPC; /* not -ENOMEM: killing somebody for it would be wrong */
	if (m->ops && m->ops->page_charge)
		err = m->ops->page_charge(m);
	if (err && promise)
		commit_uncharge(NULL, 1);
	return err;
}

static void uncharge_page(struct address_space *m)
{
	if (m->ops && m->ops->page_uncharge)
		m->ops->page_uncharge(m);
	if (m->shmem && !m->committed)
		commit_uncharge(NULL, 1);
}

static void become_cache_page(struct page *page, struct address_space *m, u64 index)
{
	assert_spin_held(&m->tree_lock);
	page->owner = ptr_to_owner(m);
	page->index = (u32)index;
	__atomic_fetch_or(&page->flags,
			  1u << PG_pending | (m->shmem ? 1u << PG_swapbacked | 1u << PG_dirty : 0),
			  __ATOMIC_RELAXED);
	get_page(page);
}

/* A shadow gives its place, and says where in its list the page belongs. */
static int insert_locked(struct page *page, struct address_space *m, u64 index,
			 struct radix_preload *pl)
{
	void *old = m->pages.nr_values && !m->shmem ? radix_lookup(&m->pages, index) : NULL;

	if (!radix_is_value(old))
		return radix_insert(&m->pages, index, page, pl);
	workingset_refault(page, (u32)radix_to_value(old));
	(void)radix_replace(&m->pages, index, page);
	return 0;
}

static int insert_page(struct page *page, struct address_space *m, u64 index, gfp_t gfp)
{
	struct radix_preload pl = RADIX_PRELOAD_INIT;
	int err;

	for (;;) {
		spin_lock(&m->tree_lock);
		err = insert_locked(page, m, index, &pl);
		if (!err) {
			become_cache_page(page, m, index);
			m->nrpages++;
		}
		spin_unlock(&m->tree_lock);
		if (err != -EAGAIN)
			break;
		err = radix_preload(&m->pages, &pl, gfp);
		if (err)
			break;
	}
	if (unlikely(pl.free))
		radix_preload_end(&m->pages, &pl);
	return err;
}

int add_to_page_cache(struct page *page, struct address_space *m, u64 index, gfp_t gfp)
{
	int err;

	debug_assert(PageLocked(page));
	if (index > MAX_INDEX)
		return -EFBIG;
	err = charge_page(m);
	if (err)
		return err;
	err = insert_page(page, m, index, gfp);
	if (err) {
		uncharge_page(m);
		return err;
	}
	mod_vmstat(NR_FILE_PAGES, 1);
	if (m->shmem)
		mod_vmstat(NR_SHMEM, 1);
	lru_add_pending(page);
	return 0;
}

/* PG_swapbacked stays: a pte that still maps the page is uncounted by it. shadow: what stays, or 0. */
static void leave_cache(struct address_space *m, struct page *page, u32 shadow)
{
	assert_spin_held(&m->tree_lock);
	if (shadow)
		(void)radix_replace(&m->pages, page->index, radix_mk_value(shadow));
	else
		(void)radix_erase(&m->pages, page->index);
	WRITE_ONCE(page->owner, 0);
	m->nrpages--;
	if (TestClearPageDirty(page) && !m->shmem)
		mod_write_pending(page, NR_FILE_DIRTY, -1);
}

static void left_cache(struct address_space *m, struct page *page)
{
	mod_vmstat(NR_FILE_PAGES, -1);
	if (m->shmem)
		mod_vmstat(NR_SHMEM, -1);
	uncharge_page(m);
	put_page(page);
}

void delete_from_page_cache(struct page *page)
{
	struct address_space *m = page_mapping(page);

	debug_assert(PageLocked(page) && m);
	spin_lock(&m->tree_lock);
	leave_cache(m, page, 0);
	spin_unlock(&m->tree_lock);
	left_cache(m, page);
}

bool delete_unused_page(struct page *page, bool evicted)
{
	struct address_space *m = page_mapping(page);
	bool unused;

	debug_assert(PageLocked(page) && m);
	spin_lock(&m->tree_lock);
	unused = atomic_read(&page->refcount) == 2 && !PageDirty(page) && !PageWriteback(page);
	if (unused)
		leave_cache(m, page, evicted ? workingset_eviction(page) : 0);
	m->shadowed |= unused && evicted;
	spin_unlock(&m->tree_lock);
	if (unused)
		left_cache(m, page);
	return unused;
}

void delete_value_locked(struct address_space *m, u64 index)
{
	swp_entry_t e = {(u32)radix_to_value(radix_erase(&m->pages, index))};

	assert_spin_held(&m->tree_lock);
	if (!m->shmem)
		return; /* a shadow */
	m->nrswapped--;
	swap_free_page(e);
	uncharge_page(m);
}

/* The flag and the count change together under the tree lock. */
void set_page_dirty(struct page *page)
{
	struct address_space *m = page_mapping(page);

	if (PageDirty(page))
		return;
	if (!m || m->shmem) {
		SetPageDirty(page);
		return;
	}
	spin_lock(&m->tree_lock);
	if (!TestSetPageDirty(page) && page_mapping(page) == m) {
		radix_tag_set(&m->pages, page->index, RADIX_TAG_DIRTY);
		mod_write_pending(page, NR_FILE_DIRTY, 1);
	}
	spin_unlock(&m->tree_lock);
}

/* --- finding or making ---- */

static struct page *alloc_cache_page(struct address_space *m, gfp_t gfp)
{
	struct page *page = alloc_page(gfp | (m->shmem ? __GFP_MOVABLE : 0));

	if (page)
		SetPageLocked(page); /* nobody else knows it */
	return page;
}

static void drop_new_page(struct page *page)
{
	ClearPageLocked(page);
	put_page(page);
}

/* A new locked page in the cache, or ERR_PTR(-EEXIST, ...). */
static struct page *create_page(struct address_space *m, u64 index, gfp_t gfp)
{
	struct page *page = alloc_cache_page(m, gfp);
	int err;

	if (!page)
		return ERR_PTR(-ENOMEM);
	err = add_to_page_cache(page, m, index, gfp & ~(__GFP_ZERO | __GFP_MOVABLE));
	if (err) {
		drop_new_page(page);
		return ERR_PTR(err);
	}
	return page;
}

struct page *find_or_create_page(struct address_space *m, u64 index, gfp_t gfp)
{
	for (;;) {
		struct page *page = find_lock_page(m, index);

		if (page)
			return page;
		page = create_page(m, index, gfp);
		if (!IS_ERR(page) || PTR_ERR(page) != -EEXIST)
			return page;
	}
}

static u64 size_in_pages(struct address_space *m)
{
	return DIV_ROUND_UP((u64)READ_ONCE(m->size), PAGE_SIZE);
}

/* Fills a locked page that is not uptodate. Unlocks it. Without a readpage it is one that
 * fallocate() set aside: a hole with memory. */
static int read_page(struct address_space *m, struct page *page, bool *major)
{
	int err = 0;

	if (m->ops && m->ops->readpage) {
		err = m->ops->readpage(m, page);
		if (major)
			*major = true;
	} else {
		clear_page(page_address(page));
		SetPageUptodate(page);
	}
	unlock_page(page);
	return err;
}

/* A page that another thread fills, or failed to fill. The reference is given back on an error.
 * NULL: it is gone, look again. */
static struct page *wait_uptodate(struct address_space *m, u64 index, struct page *page,
				  bool *major)
{
	int err;

	lock_page(page);
	if (!page_is_at(page, m, index)) {
		unlock_page(page);
		put_page(page);
		return NULL;
	}
	if (PageUptodate(page)) {
		unlock_page(page);
		return page;
	}
	err = read_page(m, page, major);
	if (!err)
		return page;
	put_page(page);
	return ERR_PTR(err);
}

/* The file was cut off before the new, locked page: its truncation may have looked before the page was
 * in, so nothing else would remove it. Nobody has used it, as it is not uptodate. */
static struct page *drop_beyond_end(struct page *page)
{
	delete_from_page_cache(page);
	unlock_page(page);
	put_page(page);
	return NULL;
}

static struct page *fill_missing(struct address_space *m, u64 index, bool *major)
{
	bool reads = m->ops && m->ops->readpage;
	struct page *page = create_page(m, index, GFP_USER | (reads ? 0 : __GFP_ZERO));
	int err;

	if (IS_ERR(page))
		return page;
	if (index >= size_in_pages(m))
		return drop_beyond_end(page);
	if (!reads) {
		SetPageUptodate(page);
		unlock_page(page);
		return page;
	}
	err = read_page(m, page, major);
	if (!err)
		return page;
	put_page(page);
	return ERR_PTR(err);
}

/* What somebody has written. A page that fallocate() set aside is a hole until it is used. */
static struct page *find_data_page(struct address_space *m, u64 index)
{
	struct page *page = find_lock_page(m, index);
	bool data;

	if (IS_ERR_OR_NULL(page))
		return page;
	data = PageUptodate(page);
	unlock_page(page);
	if (data)
		return page;
	put_page(page);
	return NULL;
}

struct page *filemap_get_page(struct address_space *m, u64 index, bool create, bool *major)
{
	for (;;) {
		struct page *page = find_swap_page(m, index, major);

		if (IS_ERR(page) || (page && PageUptodate(page)))
			return page;
		if (!create && !(m->ops && m->ops->readpage)) {
			if (page)
				put_page(page);
			return page ? find_data_page(m, index) : NULL;
		}
		if (page) {
			page = wait_uptodate(m, index, page, major);
			if (page)
				return page;
			continue;
		}
		page = fill_missing(m, index, major);
		if (!IS_ERR(page) || PTR_ERR(page) != -EEXIST)
			return page;
	}
}

/* --- writing back ---- */

/* A dirty page at *index or above, referenced; *index: its own. */
static struct page *find_get_dirty(struct address_space *m, unsigned long *index)
{
	struct page *page;

	spin_lock(&m->tree_lock);
	page = radix_next_tagged(&m->pages, index, RADIX_TAG_DIRTY);
	if (page)
		get_page(page);
	spin_unlock(&m->tree_lock);
	return page;
}

static bool clear_dirty(struct address_space *m, struct page *page)
{
	bool dirty;

	spin_lock(&m->tree_lock);
	dirty = page_mapping(page) == m && TestClearPageDirty(page);
	if (dirty) {
		radix_tag_clear(&m->pages, page->index, RADIX_TAG_DIRTY);
		mod_write_pending(page, NR_FILE_DIRTY, -1);
	}
	spin_unlock(&m->tree_lock);
	return dirty;
}

/* Who may write it through a mapping faults the next time, which makes it dirty again. */
static bool mkclean_pte(struct page *page, struct vm_area_struct *vma, vaddr_t addr,
			void *arg __unused)
{
	spinlock_t *ptl;
	pte_t *pte = page_check_address(page, vma->mm, addr, &ptl);

	if (!pte)
		return true;
	if (pte_write(ptep_clear_flags(pte, _PAGE_RW | _PAGE_DIRTY)))
		tlb_flush_page(vma->mm, addr);
	spin_unlock(ptl);
	return true;
}

int filemap_write_locked(struct page *page)
{
	struct address_space *m = page_mapping(page);
	int err = 0;

	if (m && m->ops && m->ops->writepage && clear_dirty(m, page)) {
		if (page_mapped(page))
			rmap_walk(page, mkclean_pte, NULL);
		err = m->ops->writepage(m, page);
		if (err)
			set_page_dirty(page);
	}
	return err;
}

static int write_dirty_page(struct page *page)
{
	int err;

	lock_page(page);
	wait_on_page_writeback(page);
	err = filemap_write_locked(page);
	unlock_page(page);
	return err;
}

int filemap_fsync_range(struct address_space *m, loff_t start, loff_t end)
{
	unsigned long index = (u64)start >> PAGE_SHIFT, stop = DIV_ROUND_UP((u64)end, PAGE_SIZE);
	struct page *page;
	int err = 0;

	if (m->shmem || !m->ops || !m->ops->writepage)
		return 0; /* memory is all there is */
	while ((page = find_get_dirty(m, &index)) && index < stop) {
		int e = write_dirty_page(page);

		put_page(page);
		if (e)
			err = e;
		index++;
		cond_resched();
	}
	if (page && index >= stop)
		put_page(page);
	return err;
}
