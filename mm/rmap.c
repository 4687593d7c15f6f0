/* SPDX-License-Identifier: MIT */
/*
 * Reverse mapping.
 *
 * Problem: given a page, find every pte that maps it: to unmap it, to move it, to see whether it is
 * used. A list of ptes per page would cost more than the page tables themselves.
 *
 * Idea: a page names a set of vmas, and its offset says where in each of them it would be; whether
 * it is there is seen by looking at the pte.
 *
 * For a file page the set is the file's i_mmap. For an anonymous page it is an anon_vma. Each vma
 * that has anonymous pages has its own anon_vma, in whose name its new pages are made; and a vma
 * that was copied by fork stays linked to those of its ancestors, as it may still share their
 * pages:
 *
 *	process        vma      anon_vma_chain        anon_vma
 *	parent          P ───────────o──────────────────> A     pages from before the fork name A:
 *	  └─ child      C ───────────o──────────────────> A     look in P, C and G
 *	      │           └──────────o──────────────────> B     pages that the child wrote name B:
 *	      └─ grand  G ───────────o──────────────────> A     look in C and G only
 *	                  ├──────────o──────────────────> B
 *	                  └──────────o──────────────────> D
 *
 * Thus a walk for a page of a process that never shared it looks at one vma however many processes
 * came of its family. With one anon_vma for a whole family a server with a thousand children would
 * have every private page looked for a thousand times.
 *
 * Invariants:
 *  1. A page mapped by a vma names an anon_vma that the vma is linked to, or the vma's file.
 *  2. All anon_vmas of one vma's chain have the same root, and the root's lock guards them all.
 *  3. page->mapcount is the number of ptes that a walk finds (page_count_ptes() checks it).
 *  4. A childless anon_vma with no active vma may be taken over by a new child (anon_vma_clone), so
 *     that a shell that forks again and again from its newest child does not grow the chain without
 *     end.
 *
 * From a page to its anon_vma without a reference: page->owner is only a hint that may outlive the
 * anon_vma. But while the page is mapped, some vma is linked to it. page_get_anon_vma() looks at
 * both under anon_vma_free_lock; whoever drops the last reference passes through that lock before
 * the memory goes. So a walker either sees mapcount 0, or finds the object whole.
 *
 * Locking: page lock -> i_mmap_lock or root->lock -> page-table lock. A chain changes with
 * mmap_lock held for writing, but for its first link, which is made by a fault with mmap_lock held
 * for reading and serialised by tree_lock.
 */
#include <kernel/lib/errno.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/tlb.h>
#include <mm/vma.h>

static struct kmem_cache *anon_vma_cache, *chain_cache;
static spinlock_t anon_vma_free_lock = SPINLOCK_INIT(LOCK_LEAF);

static void anon_vma_construct(void *obj)
{
	struct anon_vma *av = obj;

	rwsem_init(&av->lock, LOCK_ANON_VMA);
}

void rmap_init_caches(void)
{
	anon_vma_cache = kmem_cache_create("anon_vma", sizeof(struct anon_vma), 32, SLAB_PANIC,
					   anon_vma_construct);
	chain_cache = kmem_cache_create("anon_vma_chain", sizeof(struct anon_vma_chain), 0,
					SLAB_PANIC, NULL);
}

/* --- the objects ---- */

/* A root, with one reference. */
static struct anon_vma *anon_vma_alloc(void)
{
	struct anon_vma *av = kmem_cache_alloc(anon_vma_cache, GFP_KERNEL);

	if (!av)
		return NULL;
	atomic_set(&av->refcount, 1);
	av->root = av->parent = av;
	av->num_children = av->num_active_vmas = 0;
	av->tree = RB_ROOT;
	return av;
}

void put_anon_vma(struct anon_vma *av)
{
	struct anon_vma *root = av->root;

	if (!atomic_dec_and_test(&av->refcount))
		return;
	debug_assert(RB_EMPTY_ROOT(&av->tree));
	spin_lock(&anon_vma_free_lock);
	spin_unlock(&anon_vma_free_lock);
	kmem_cache_free(anon_vma_cache, av);
	if (root != av)
		put_anon_vma(root);
}

struct anon_vma *page_get_anon_vma(struct page *page)
{
	struct anon_vma *av = NULL;

	spin_lock(&anon_vma_free_lock);
	if (page_mapped(page))
		av = page_anon_vma(page);
	if (av && !atomic_inc_not_zero(&av->refcount))
		av = NULL;
	spin_unlock(&anon_vma_free_lock);
	return av;
}

static struct anon_vma_chain *chain_alloc(struct anon_vma *av)
{
	struct anon_vma_chain *avc = kmem_cache_alloc(chain_cache, GFP_KERNEL);

	if (avc)
		avc->anon_vma = av;
	return avc;
}

static void chain_tree_insert(struct anon_vma_chain *avc)
{
	const struct vm_area_struct *vma = avc->vma;

	debug_assert(rwsem_is_write_held(&avc->anon_vma->root->lock));
	interval_insert(&avc->node, vma->pgoff, vma->pgoff + vma_pages(vma) - 1,
			&avc->anon_vma->tree);
}

static void chain_tree_remove(struct anon_vma_chain *avc)
{
	debug_assert(rwsem_is_write_held(&avc->anon_vma->root->lock));
	interval_remove(&avc->node, &avc->anon_vma->tree);
}

/* anon_vma locked. */
static void chain_link(struct anon_vma_chain *avc, struct vm_area_struct *vma)
{
	avc->vma = vma;
	list_add(&avc->same_vma, &vma->anon_vma_chain);
	chain_tree_insert(avc);
}

/* --- the first anonymous page of a vma ---- */

/* Could the two be one vma but for their rights, which mprotect may yet make the same? */
static bool anon_vma_shareable(const struct vm_area_struct *l, const struct vm_area_struct *r)
{
	return l->end == r->start && l->file == r->file &&
	       !((l->flags ^ r->flags) & ~(VM_ACCESS | VM_SOFTDIRTY)) &&
	       l->pgoff + vma_pages(l) == r->pgoff;
}

static struct anon_vma *neighbour_anon_vma(struct vm_area_struct *near, struct vm_area_struct *l,
					   struct vm_area_struct *r)
{
	/* One that has inherited others from a parent keeps to itself. */
	if (!near || !near->anon_vma || near->anon_vma_chain.next != near->anon_vma_chain.prev)
		return NULL;
	return anon_vma_shareable(l, r) ? near->anon_vma : NULL;
}

/* tree_lock held. */
static struct anon_vma *find_mergeable_anon_vma(struct vm_area_struct *vma)
{
	struct anon_vma *av = neighbour_anon_vma(vma->next, vma, vma->next);

	assert_spin_held(&vma->mm->tree_lock);
	return av ? av : neighbour_anon_vma(vma->prev, vma->prev, vma);
}

/* A neighbour's cannot go away while mmap_lock is held: no reference needed. */
int anon_vma_prepare(struct vm_area_struct *vma)
{
	struct anon_vma *av, *fresh = NULL;
	struct anon_vma_chain *avc;
	struct mm_struct *mm = vma->mm;

	debug_assert(rwsem_is_held(&mm->mmap_lock));
	if (likely(vma->anon_vma))
		return 0;
	avc = chain_alloc(NULL);
	if (!avc)
		return -ENOMEM;
	spin_lock(&mm->tree_lock);
	av = find_mergeable_anon_vma(vma);
	spin_unlock(&mm->tree_lock);
	if (!av) {
		av = fresh = anon_vma_alloc();
		if (!av) {
			kmem_cache_free(chain_cache, avc);
			return -ENOMEM;
		}
		av->num_children = 1; /* itself */
	}
	anon_vma_lock_write(av);
	spin_lock(&mm->tree_lock);
	if (!vma->anon_vma) {
		avc->anon_vma = av;
		chain_link(avc, vma);
		av->num_active_vmas++;
		smp_store_release(&vma->anon_vma, av);
		avc = NULL;
		fresh = NULL;
	}
	spin_unlock(&mm->tree_lock);
	anon_vma_unlock_write(av);
	/* Another thread's fault was faster. */
	if (avc)
		kmem_cache_free(chain_cache, avc);
	if (fresh)
		put_anon_vma(fresh);
	return 0;
}

/* --- copies and the end ---- */

static void free_unlinked_chain(struct vm_area_struct *vma)
{
	struct anon_vma_chain *avc, *n;

	list_for_each_entry_safe(avc, n, &vma->anon_vma_chain, same_vma)
		kmem_cache_free(chain_cache, avc);
	list_init(&vma->anon_vma_chain);
}

int anon_vma_clone(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	struct anon_vma_chain *avc, *copy;
	struct anon_vma *root;

	debug_assert(list_empty(&dst->anon_vma_chain));
	if (list_empty(&src->anon_vma_chain))
		return 0;
	/* Nothing is allocated under the lock that reclaim will want. */
	list_for_each_entry(avc, &src->anon_vma_chain, same_vma) {
		copy = chain_alloc(avc->anon_vma);
		if (!copy) {
			free_unlinked_chain(dst);
			dst->anon_vma = NULL;
			return -ENOMEM;
		}
		copy->vma = dst;
		list_add_tail(&copy->same_vma, &dst->anon_vma_chain);
	}
	root = src->anon_vma->root;
	down_write(&root->lock);
	list_for_each_entry(copy, &dst->anon_vma_chain, same_vma) {
		struct anon_vma *av = copy->anon_vma;

		assert(av->root == root);
		chain_tree_insert(copy);
		if (!dst->anon_vma && av->num_children < 2 && av->num_active_vmas == 0)
			dst->anon_vma = av;
	}
	if (dst->anon_vma)
		dst->anon_vma->num_active_vmas++;
	up_write(&root->lock);
	return 0;
}

int anon_vma_fork(struct vm_area_struct *child, struct vm_area_struct *parent)
{
	struct anon_vma *av, *root;
	struct anon_vma_chain *avc;
	int err;

	child->anon_vma = NULL;
	if (!parent->anon_vma)
		return 0;
	err = anon_vma_clone(child, parent);
	if (err || child->anon_vma)
		return err;
	av = anon_vma_alloc();
	avc = av ? chain_alloc(av) : NULL;
	if (!avc) {
		if (av)
			put_anon_vma(av);
		unlink_anon_vmas(child);
		return -ENOMEM;
	}
	root = parent->anon_vma->root;
	av->root = root;
	av->parent = parent->anon_vma;
	av->num_active_vmas = 1;
	atomic_inc(&root->refcount);
	down_write(&root->lock);
	chain_link(avc, child);
	av->parent->num_children++;
	child->anon_vma = av;
	up_write(&root->lock);
	return 0;
}

void unlink_anon_vmas(struct vm_area_struct *vma)
{
	struct anon_vma_chain *avc, *n;
	struct anon_vma *root;

	if (list_empty(&vma->anon_vma_chain)) {
		vma->anon_vma = NULL;
		return;
	}
	root = list_first_entry(&vma->anon_vma_chain, struct anon_vma_chain, same_vma)
		       ->anon_vma->root;
	down_write(&root->lock);
	list_for_each_entry_safe(avc, n, &vma->anon_vma_chain, same_vma) {
		struct anon_vma *av = avc->anon_vma;

		chain_tree_remove(avc);
		if (RB_EMPTY_ROOT(&av->tree)) {
			av->parent->num_children--;
			continue; /* freed below, without the lock */
		}
		list_del(&avc->same_vma);
		kmem_cache_free(chain_cache, avc);
	}
	if (vma->anon_vma)
		vma->anon_vma->num_active_vmas--;
	vma->anon_vma = NULL;
	up_write(&root->lock);
	/* The order does not matter: each of them holds its root. */
	list_for_each_entry_safe(avc, n, &vma->anon_vma_chain, same_vma) {
		put_anon_vma(avc->anon_vma);
		kmem_cache_free(chain_cache, avc);
	}
	list_init(&vma->anon_vma_chain);
}

/* --- files ---- */

static struct address_space *vma_mapping(const struct vm_area_struct *vma)
{
	return vma->file ? vma->file->mapping : NULL;
}

static void i_mmap_insert(struct vm_area_struct *vma, struct address_space *mapping)
{
	debug_assert(rwsem_is_write_held(&mapping->i_mmap_lock));
	interval_insert(&vma->i_mmap_node, vma->pgoff, vma->pgoff + vma_pages(vma) - 1,
			&mapping->i_mmap);
}

void vma_link_file(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma_mapping(vma);

	if (!mapping)
		return;
	down_write(&mapping->i_mmap_lock);
	if (vma_may_dirty_file(vma))
		atomic_inc(&mapping->writable_maps);
	i_mmap_insert(vma, mapping);
	up_write(&mapping->i_mmap_lock);
}

void vma_unlink_file(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma_mapping(vma);

	if (!mapping)
		return;
	down_write(&mapping->i_mmap_lock);
	interval_remove(&vma->i_mmap_node, &mapping->i_mmap);
	if (vma_may_dirty_file(vma))
		atomic_dec(&mapping->writable_maps);
	up_write(&mapping->i_mmap_lock);
}

void rmap_vma_change_begin(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma_mapping(vma);
	struct anon_vma_chain *avc;

	if (mapping) {
		down_write(&mapping->i_mmap_lock);
		interval_remove(&vma->i_mmap_node, &mapping->i_mmap);
	}
	if (!vma->anon_vma)
		return;
	anon_vma_lock_write(vma->anon_vma);
	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma)
		chain_tree_remove(avc);
}

void rmap_vma_change_end(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma_mapping(vma);
	struct anon_vma_chain *avc;

	if (vma->anon_vma) {
		list_for_each_entry(avc, &vma->anon_vma_chain, same_vma)
			chain_tree_insert(avc);
		anon_vma_unlock_write(vma->anon_vma);
	}
	if (mapping) {
		i_mmap_insert(vma, mapping);
		up_write(&mapping->i_mmap_lock);
	}
}

/* --- pages ---- */

void page_add_anon_rmap(struct page *page, struct vm_area_struct *vma, vaddr_t addr, bool exclusive)
{
	if (atomic_inc_return(&page->mapcount) > 1) {
		debug_assert(!exclusive && PageAnon(page));
		return;
	}
	/* Not exclusive: others of the family may hold its swap entry, so that the page belongs to
	 * all of them, which only the root's set covers. */
	page->owner = ptr_to_owner(exclusive ? vma->anon_vma : vma->anon_vma->root);
	page->index = (u32)vma_index(vma, addr);
	__atomic_fetch_or(&page->flags,
			  1u << PG_anon | 1u << PG_swapbacked |
				  (exclusive ? 1u << PG_anon_exclusive : 0),
			  __ATOMIC_RELEASE);
	mod_vmstat(NR_ANON_MAPPED, 1);
}

void page_move_anon_rmap(struct page *page, struct vm_area_struct *vma)
{
	debug_assert(PageLocked(page) && PageAnon(page) && page_mapcount(page) == 1);
	WRITE_ONCE(page->owner, ptr_to_owner(vma->anon_vma));
	SetPageAnonExclusive(page);
}

/* --- walking ---- */

/* page->index holds the low 32 bits of an offset of up to 35; a vma is far smaller than 2^32 pages,
 * so that the distance from its start is known. */
vaddr_t page_address_in_vma(const struct page *page, const struct vm_area_struct *vma)
{
	u32 delta = READ_ONCE(page->index) - (u32)vma->pgoff;

	if (delta >= vma_pages(vma))
		return (vaddr_t)-EFAULT;
	return vma->start + ((vaddr_t)delta << PAGE_SHIFT);
}

pte_t *page_check_address(struct page *page, struct mm_struct *mm, vaddr_t addr, spinlock_t **ptl)
{
	pte_t *pte = pte_find_lock(mm, addr, NULL, ptl);
	pte_t e;

	if (!pte)
		return NULL;
	e = ptep_get(pte);
	if (pte_present(e) && !pte_special(e) && pte_pfn(e) == page_to_pfn(page))
		return pte;
	spin_unlock(*ptl);
	return NULL;
}

/* page->index is the low half of the offset; the vmas say which the other may be. */
static bool walk_anon_vmas(struct page *page, struct anon_vma *av, rmap_fn fn, void *arg)
{
	const struct rb_node *low = rb_first(&av->tree), *top = av->tree.rb_node;
	struct interval_node *node;
	u64 i = low ? rb_entry(low, struct interval_node, rb)->start >> 32 << 32 | page->index : 0;

	for (; low && i <= rb_entry(top, struct interval_node, rb)->subtree_last; i += 1ULL << 32)
		for_each_interval(node, &av->tree, i, i)
		{
			struct vm_area_struct *vma =
				container_of(node, struct anon_vma_chain, node)->vma;

			if (!fn(page, vma, vma->start + ((i - vma->pgoff) << PAGE_SHIFT), arg))
				return false;
		}
	return true;
}

/* Most pages are of a space that has not forked since: then there is but one vma to look at. */
static struct vm_area_struct *only_vma(const struct anon_vma *av)
{
	const struct rb_node *n = av->tree.rb_node;

	if (!n || n->rb_left || n->rb_right)
		return NULL;
	return rb_entry(n, struct anon_vma_chain, node.rb)->vma;
}

bool rmap_walk_anon(struct page *page, struct anon_vma *av, rmap_fn fn, void *arg)
{
	struct vm_area_struct *only;
	bool go_on = true;

	anon_vma_lock_read(av);
	only = only_vma(av);
	if (!only)
		go_on = walk_anon_vmas(page, av, fn, arg);
	else if (page_address_in_vma(page, only) != (vaddr_t)-EFAULT)
		go_on = fn(page, only, page_address_in_vma(page, only), arg);
	anon_vma_unlock_read(av);
	return go_on;
}

static bool rmap_walk_file(struct page *page, rmap_fn fn, void *arg)
{
	struct address_space *mapping = page_mapping(page);
	struct interval_node *node;
	bool go_on = true;

	if (!mapping)
		return true;
	down_read(&mapping->i_mmap_lock);
	for_each_interval(node, &mapping->i_mmap, page->index, page->index)
	{
		struct vm_area_struct *vma = container_of(node, struct vm_area_struct, i_mmap_node);

		go_on = fn(page, vma, vma->start + ((page->index - vma->pgoff) << PAGE_SHIFT), arg);
		if (!go_on)
			break;
	}
	up_read(&mapping->i_mmap_lock);
	return go_on;
}

bool rmap_walk(struct page *page, rmap_fn fn, void *arg)
{
	struct anon_vma *av;
	bool go_on = true;

	debug_assert(PageLocked(page));
	if (!PageAnon(page))
		return rmap_walk_file(page, fn, arg);
	av = page_get_anon_vma(page);
	if (av) {
		go_on = rmap_walk_anon(page, av, fn, arg);
		put_anon_vma(av);
	}
	return go_on;
}

static bool count_pte(struct page *page, struct vm_area_struct *vma, vaddr_t addr, void *arg)
{
	spinlock_t *ptl;

	if (page_check_address(page, vma->mm, addr, &ptl)) {
		(*(int *)arg)++;
		spin_unlock(ptl);
	}
	return true;
}

int page_count_ptes(struct page *page)
{
	int n = 0;

	rmap_walk(page, count_pte, &n);
	return n;
}

/* --- unmapping a part of a file ---- */

static void unmap_file_part(struct vm_area_struct *vma, u64 first, u64 last, bool even_cows)
{
	u64 from = max(first, vma->pgoff), to = min(last, vma->pgoff + vma_pages(vma) - 1);
	struct mmu_gather g;

	tlb_gather_start(&g, vma->mm);
	zap_range_cows(vma, vma->start + ((from - vma->pgoff) << PAGE_SHIFT),
		       vma->start + ((to + 1 - vma->pgoff) << PAGE_SHIFT), &g, even_cows);
	tlb_gather_finish(&g);
}

void unmap_mapping_pages(struct address_space *mapping, u64 first, u64 nr, bool even_cows)
{
	u64 last = nr ? first + nr - 1 : ~0UL;
	struct interval_node *node;

	if (last < first)
		last = ~0UL;
	/* Most files are not mapped. A vma that appears now finds the file's new size: the caller
	 * has written it before, and a vma is linked before its first fault. */
	smp_mb();
	if (RB_EMPTY_ROOT(&mapping->i_mmap))
		return;
	down_read(&mapping->i_mmap_lock);
	for_each_interval(node, &mapping->i_mmap, first, last) unmap_file_part(
		container_of(node, struct vm_area_struct, i_mmap_node), first, last, even_cows);
	up_read(&mapping->i_mmap_lock);
}
