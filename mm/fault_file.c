/* SPDX-License-Identifier: MIT */
/*
 * Faults on file mappings: the cases of fault.c's picture whose page comes from the page cache.
 *
 * A read maps what is cached around the address as well; a private write copies the cached page; a
 * shared write maps the page itself, dirty, and holds its lock meanwhile: that keeps truncation and
 * writeback away while a page becomes dirty.
 *
 * Truncation takes a page out of the cache first and unmaps it afterwards. So a page that is found
 * in the cache once the table is locked (page_still_in) will be found by the truncation too.
 *
 * A page that is not cached, or locked by another, is never waited for here: the case says what is
 * wanted (f->again), and the fault starts again when that is done.
 */
#include <kernel/lib/string.h>
#include <mm/fault_internal.h>
#include <mm/filemap.h>
#include <mm/trace.h>
#include <mm/vmstat.h>

/* Cached pages of a file that one read fault maps: an aligned 64 KiB. Mapping one costs some 60
 * instructions, a fault of its own several hundred; Linux chose the same. */
#define FAULT_AROUND_PAGES 16
#define FAULT_AROUND_SIZE  (FAULT_AROUND_PAGES * PAGE_SIZE)

/* May be changed by truncation at any moment; who maps a page makes sure with page_still_in(). */
static bool beyond_eof(const struct address_space *mapping, u64 index)
{
	return index >= DIV_ROUND_UP((u64)READ_ONCE(mapping->size), PAGE_SIZE);
}

static fault_case fault_beyond_eof(struct fault *f)
{
	f->kind = FAULT_KIND_BEYOND_EOF;
	return VM_FAULT_SIGBUS;
}

/* The page is to come into the cache; no lock may be held for that. */
static vm_fault_t need_page(struct fault *f, u64 index)
{
	f->file = f->vma->file;
	f->file->ops->get(f->file);
	f->index = index;
	f->again = AGAIN_PAGE_IN;
	return VM_FAULT_RETRY;
}

/* Truncation takes a page out of the cache and then unmaps it once more. So if, with the table
 * locked, it is still there, whatever is mapped now will be found. */
static bool page_still_in(const struct page *page, const struct address_space *mapping)
{
	return page_mapping(page) == mapping;
}

/* A range of pages of the file to map: the window around the address, within its vma. */
struct around {
	vaddr_t start;
	u64 first;
	unsigned int n, mine; /* pages; which of them is the faulting one */
	struct page *pages[FAULT_AROUND_PAGES];
};

static void around_init(struct around *a, const struct fault *f)
{
	const struct vm_area_struct *vma = f->vma;
	vaddr_t end = f->addr + PAGE_SIZE;
	u64 eof = DIV_ROUND_UP((u64)READ_ONCE(vma->file->mapping->size), PAGE_SIZE);

	a->start = f->addr;
	if (!(vma->flags & VM_RAND_READ)) {
		a->start = max(ALIGN_DOWN(f->addr, FAULT_AROUND_SIZE), vma->start);
		end = min(ALIGN_DOWN(f->addr, FAULT_AROUND_SIZE) + FAULT_AROUND_SIZE, vma->end);
	}
	a->first = vma_index(vma, a->start);
	a->mine = (f->addr - a->start) >> PAGE_SHIFT;
	a->n = (end - a->start) >> PAGE_SHIFT;
	if (a->first + a->n > eof)
		a->n = max((u64)a->mine + 1, eof - min(eof, a->first));
}

static void around_put(struct around *a)
{
	for (unsigned int i = 0; i < a->n; i++)
		if (a->pages[i])
			put_page(a->pages[i]);
}

/* Maps what fits; the references of what was mapped become the ptes'. Is ours mapped then? */
static bool around_map(struct around *a, struct fault *f)
{
	struct address_space *mapping = f->vma->file->mapping;
	pteval_t prot = vma_pte_prot(f->vma);
	pte_t *pte = f->pte - a->mine;
	int mapped = 0;
	bool done;

	spin_lock(table_lock(f->table));
	for (unsigned int i = 0; i < a->n; i++) {
		struct page *page = a->pages[i];

		if (!page || !pte_none(ptep_get(pte + i)) || !page_still_in(page, mapping))
			continue;
		page_add_file_rmap(page);
		set_pte(pte + i, mk_pte(page, prot));
		lock_too(f, page);
		a->pages[i] = NULL;
		mapped++;
	}
	if (mapped)
		count_kind(f, mapping->shmem ? MM_SHMEM : MM_FILE, mapped);
	done = !pte_none(ptep_get(f->pte));
	unlock_table(f);
	return done;
}

static fault_case fault_file_read(struct fault *f)
{
	struct address_space *mapping = f->vma->file->mapping;
	struct around a;
	bool done = false;

	f->kind = FAULT_KIND_FILE_READ;
	around_init(&a, f);
	filemap_get_cached(mapping, a.first, a.n, a.pages);
	if (a.pages[a.mine])
		done = around_map(&a, f);
	around_put(&a);
	return done ? VM_FAULT_DONE : need_page(f, a.first + a.mine);
}

/* The cached page, referenced and whole; NULL: need_page(). */
static struct page *cached_page(struct address_space *mapping, u64 index)
{
	struct page *page = find_get_page(mapping, index);

	if (page && unlikely(!PageUptodate(page))) {
		put_page(page);
		return NULL;
	}
	return page;
}

/* A private page in the place of nothing, with the contents of the file's page. */
static fault_case fault_file_cow(struct fault *f, u64 index)
{
	struct address_space *mapping = f->vma->file->mapping;
	struct page *from = cached_page(mapping, index), *page;
	vm_fault_t ret = VM_FAULT_DONE;
	bool same;

	f->kind = FAULT_KIND_FILE_COW;
	if (!from)
		return need_page(f, index);
	page = alloc_page(GFP_HIGHUSER_MOVABLE);
	if (!page) {
		put_page(from);
		return VM_FAULT_OOM;
	}
	copy_page(page_address(page), page_address(from));
	count_event(COW_COPY);
	same = lock_same_pte(f);
	if (likely(same && page_still_in(from, mapping))) {
		trace(COW, f->addr, page_to_pfn(from), page_to_pfn(page));
		ret = install_anon(f, page);
	} else {
		if (same) /* truncated meanwhile: there may be no such page any more */
			unlock_table(f);
		put_page(page);
	}
	put_page(from);
	return ret;
}

/* VM_FAULT_DONE: the referenced page of the mapping is locked. Else the reference is consumed. The page
 * lock keeps truncation and writeback away while a page becomes dirty. */
static vm_fault_t lock_for_write(struct fault *f, struct page *page, struct address_space *mapping)
{
	vm_fault_t ret = VM_FAULT_RETRY;

	if (!trylock_page(page)) {
		drop_held(f);
		f->held = page;
		f->again = AGAIN_WAIT_PAGE;
		return ret;
	}
	if (likely(page_still_in(page, mapping))) {
		if (likely(!READ_ONCE(mapping->claimed)))
			return VM_FAULT_DONE;
		ret = VM_FAULT_SIGBUS;
	}
	unlock_page(page);
	put_page(page);
	f->again = AGAIN_NOW;
	return ret;
}

static fault_case fault_shared_write(struct fault *f, u64 index)
{
	struct address_space *mapping = f->vma->file->mapping;
	struct page *page = cached_page(mapping, index);
	vm_fault_t ret;
	bool same;

	f->kind = FAULT_KIND_SHARED_WRITE;
	if (!page)
		return need_page(f, index);
	ret = lock_for_write(f, page, mapping);
	if (ret != VM_FAULT_DONE)
		return ret;
	same = lock_same_pte(f);
	if (same) {
		page_add_file_rmap(page);
		pte_install(f->mm, f->table, f->pte,
			    mk_pte(page, vma_page_prot(f->vma->flags) | _PAGE_RW | _PAGE_DIRTY |
						 _PAGE_SOFT_DIRTY),
			    mapping->shmem ? MM_SHMEM : MM_FILE);
		lock_too(f, page);
		unlock_table(f);
		set_page_dirty(page);
	}
	unlock_page(page);
	if (!same)
		put_page(page);
	return VM_FAULT_DONE;
}

/* The first write to a page that was mapped for reading. page comes with a reference. */
fault_case fault_shared_mkwrite(struct fault *f, struct page *page)
{
	vm_fault_t ret;

	f->kind = FAULT_KIND_SHARED_MKWRITE;
	ret = lock_for_write(f, page, f->vma->file->mapping);
	if (ret != VM_FAULT_DONE)
		return ret;
	if (lock_same_pte(f)) {
		make_writable(f->pte);
		unlock_table(f);
		set_page_dirty(page);
	}
	unlock_page(page);
	put_page(page);
	return VM_FAULT_DONE;
}

vm_fault_t fault_file(struct fault *f)
{
	u64 index = vma_index(f->vma, f->addr);

	if (unlikely(beyond_eof(f->vma->file->mapping, index)))
		return fault_beyond_eof(f);
	if (!fault_is_write(f))
		return fault_file_read(f);
	if (f->vma->flags & VM_SHARED)
		return fault_shared_write(f, index);
	return fault_file_cow(f, index);
}
