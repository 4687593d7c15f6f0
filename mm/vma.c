/* SPDX-License-Identifier: MIT */
/*
 * Virtual memory areas.
 *
 * Problem. A space has from ten to some 65,000 mapped ranges. A fault asks which range an address is
 * in; mmap asks where a range is free; munmap, mprotect and their like cut ranges and join them.
 *
 * Idea. One red-black tree by start, and a list through the same vmas in the order of addresses.
 * Each node also holds the largest free gap that lies before a vma of its subtree, so that a search
 * for free space skips subtrees that have none large enough:
 *
 *	0        A---A      B--B   C------C        D--D             TASK_SIZE
 *	| gap(A) |   |gap(B)|  |gap|      | gap(D) |  | the last gap |
 *
 * The gap before a stack (VM_GROWSDOWN) is counted smaller by STACK_GUARD_GAP: nothing is placed so
 * close below it that it could grow into its neighbour unnoticed.
 *
 * Two vmas that touch are alike, and become one, if their flags and file are equal, their offsets
 * go on, and they can share an anon_vma (anon_admits). All of Linux's eight cases of merging follow from three
 * steps: cut at both ends of the range, change the flags, join with the left and with the right
 * neighbour. Where only the border between two vmas moves, it is moved without the detour.
 *
 * Locking. Changes need mmap_lock for writing. A fault looks a vma up with tree_lock alone, so
 * everything that the search reads (tree, list, start, end) changes under tree_lock; and it works
 * with the vma under its vma lock, so bounds and flags change under that too. On the way from one
 * state to another two vmas may overlap for a moment (as a split inserts the upper part before it
 * shortens the lower one), but there is never a hole: neither a fault nor a reverse-map walk misses
 * a page. A walk may see a page twice, which does no harm.
 *
 * Simplified against Linux: a red-black tree, not a maple tree, as faults take tree_lock and not RCU.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/filemap.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/vma.h>

static struct kmem_cache *vma_cache;

/* --- objects ---- */

static void vma_construct(void *obj)
{
	struct vm_area_struct *vma = obj;

	rwsem_init(&vma->lock, LOCK_VMA);
	list_init(&vma->anon_vma_chain);
}

void vma_init_cache(void)
{
	vma_cache = kmem_cache_create("vm_area_struct", sizeof(struct vm_area_struct), 32,
				      SLAB_PANIC, vma_construct);
}

struct vm_area_struct *vma_alloc(struct mm_struct *mm)
{
	struct vm_area_struct *vma = kmem_cache_alloc(vma_cache, GFP_KERNEL);

	if (!vma)
		return NULL;
	vma->mm = mm;
	vma->flags = 0;
	vma->pgoff = 0;
	vma->file = NULL;
	vma->prev = vma->next = NULL;
	vma->subtree_gap = 0;
	vma->detached = true;
	vma->anon_vma = NULL;
	return vma;
}

struct vm_area_struct *vma_dup(const struct vm_area_struct *src, struct mm_struct *mm)
{
	struct vm_area_struct *vma = vma_alloc(mm);

	if (!vma)
		return NULL;
	vma->start = src->start;
	vma->end = src->end;
	vma->flags = src->flags;
	vma->pgoff = src->pgoff;
	vma->file = src->file;
	if (vma->file)
		vma->file->ops->get(vma->file);
	return vma;
}

void vma_free(struct vm_area_struct *vma)
{
	debug_assert(vma->detached && !vma->anon_vma && list_empty(&vma->anon_vma_chain));
	if (vma->file)
		vma->file->ops->put(vma->file);
	kmem_cache_free(vma_cache, vma);
}

/* --- the tree and its gaps ---- */

#define rb_to_vma(n) rb_entry(n, struct vm_area_struct, mm_node)

static vaddr_t gap_before(const struct vm_area_struct *vma)
{
	vaddr_t from = vma->prev ? vma->prev->end : 0, to = vma_start_gap(vma);

	return to > from ? to - from : 0;
}

static vaddr_t compute_subtree_gap(const struct vm_area_struct *vma)
{
	const struct rb_node *l = vma->mm_node.rb_left, *r = vma->mm_node.rb_right;
	vaddr_t gap = vma->gap;

	if (l && rb_to_vma(l)->subtree_gap > gap)
		gap = rb_to_vma(l)->subtree_gap;
	if (r && rb_to_vma(r)->subtree_gap > gap)
		gap = rb_to_vma(r)->subtree_gap;
	return gap;
}

RB_DECLARE_CALLBACKS(static, vma_gap_callbacks, struct vm_area_struct, mm_node, subtree_gap,
		     compute_subtree_gap);

/* Looks again at the gap before vma (may be NULL), and tells its ancestors. */
static void gap_changed(struct vm_area_struct *vma)
{
	if (!vma)
		return;
	assert_spin_held(&vma->mm->tree_lock);
	vma->gap = gap_before(vma);
	vma_gap_callbacks_propagate(&vma->mm_node, NULL);
}

static void tree_link(struct mm_struct *mm, struct vm_area_struct *vma)
{
	struct rb_node **link = &mm->vma_tree.rb_node, *parent = NULL;

	assert_spin_held(&mm->tree_lock);
	vma->prev = vma->next = NULL;
	while (*link) {
		struct vm_area_struct *v = rb_to_vma(*link);

		parent = *link;
		assert(v->start != vma->start);
		if (vma->start < v->start) {
			vma->next = v;
			link = &parent->rb_left;
		} else {
			vma->prev = v;
			link = &parent->rb_right;
		}
	}
	if (vma->prev)
		vma->prev->next = vma;
	if (vma->next) {
		vma->next->prev = vma;
		vma->next->gap = gap_before(vma->next);
	}
	rb_link_node(&vma->mm_node, parent, link);
	vma->gap = vma->subtree_gap = gap_before(vma);
	if (parent) /* most often this is next: then one way up does for both */
		vma_gap_callbacks_propagate(parent, NULL);
	if (vma->next)
		vma_gap_callbacks_propagate(&vma->next->mm_node, NULL);
	rb_insert_augmented(&vma->mm_node, &mm->vma_tree, &vma_gap_callbacks);
}

/* The values are put right before the tree is rebalanced, which relies on them. Of vma and its
 * successor the lower one goes first: most often one way up the tree does for both. */
static void forget_gap(struct vm_area_struct *vma)
{
	struct rb_node *node = &vma->mm_node, *next = vma->next ? &vma->next->mm_node : NULL;

	vma->gap = 0;
	if (node->rb_right) /* next is below */
		swap(node, next);
	vma_gap_callbacks_propagate(node, NULL);
	if (next)
		vma_gap_callbacks_propagate(next, NULL);
}

static void tree_unlink(struct mm_struct *mm, struct vm_area_struct *vma)
{
	assert_spin_held(&mm->tree_lock);
	if (vma->prev)
		vma->prev->next = vma->next;
	if (vma->next) {
		vma->next->prev = vma->prev;
		vma->next->gap = gap_before(vma->next);
	}
	forget_gap(vma);
	rb_erase_augmented(&vma->mm_node, &mm->vma_tree, &vma_gap_callbacks);
	if (mm->mmap_cache == vma)
		mm->mmap_cache = NULL;
	vma->prev = vma->next = NULL;
}

void vma_insert(struct mm_struct *mm, struct vm_area_struct *vma)
{
	debug_assert(vma->start < vma->end && vma->end <= TASK_SIZE && vma->mm == mm);
	vma->detached = false;
	spin_lock(&mm->tree_lock);
	tree_link(mm, vma);
	mm->mmap_cache = vma; /* what is new is used next */
	spin_unlock(&mm->tree_lock);
	mm->map_count++;
}

void vma_remove(struct mm_struct *mm, struct vm_area_struct *vma)
{
	down_write(&vma->lock);
	vma->detached = true;
	spin_lock(&mm->tree_lock);
	tree_unlink(mm, vma);
	spin_unlock(&mm->tree_lock);
	up_write(&vma->lock);
	mm->map_count--;
}

void vma_set_bounds(struct vm_area_struct *vma, vaddr_t start, vaddr_t end, u64 pgoff)
{
	struct mm_struct *mm = vma->mm;

	debug_assert(rwsem_is_write_held(&mm->mmap_lock));
	debug_assert(start < end && IS_ALIGNED(start | end, PAGE_SIZE));
	down_write(&vma->lock);
	rmap_vma_change_begin(vma);
	spin_lock(&mm->tree_lock);
	vma->start = start;
	vma->end = end;
	vma->pgoff = pgoff;
	gap_changed(vma);
	gap_changed(vma->next);
	spin_unlock(&mm->tree_lock);
	rmap_vma_change_end(vma);
	up_write(&vma->lock);
}

void vma_set_flags(struct vm_area_struct *vma, unsigned long flags)
{
	debug_assert(rwsem_is_write_held(&vma->mm->mmap_lock));
	debug_assert(!((vma->flags ^ flags) & (VM_GROWSDOWN | VM_SHARED)));
	down_write(&vma->lock);
	vma->flags = flags;
	up_write(&vma->lock);
}

/* --- looking up ---- */

struct vm_area_struct *find_vma(struct mm_struct *mm, vaddr_t addr)
{
	struct vm_area_struct *found = READ_ONCE(mm->mmap_cache);
	struct rb_node *n = mm->vma_tree.rb_node;

	debug_assert(lock_check_held(&mm->mmap_lock) || lock_check_held(&mm->tree_lock));
	if (found && found->start <= addr && addr < found->end)
		return found;
	found = NULL;
	while (n) {
		struct vm_area_struct *vma = rb_to_vma(n);

		if (addr >= vma->end) {
			n = n->rb_right;
			continue;
		}
		found = vma;
		if (addr >= vma->start)
			break;
		n = n->rb_left;
	}
	if (found)
		WRITE_ONCE(mm->mmap_cache, found);
	return found;
}

struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, vaddr_t start, vaddr_t end)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	return vma && vma->start < end ? vma : NULL;
}

struct vm_area_struct *vma_lookup(struct mm_struct *mm, vaddr_t addr)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	return vma && vma->start <= addr ? vma : NULL;
}

struct vm_area_struct *vma_next(struct vm_area_struct *vma)
{
	return vma->next;
}

struct vm_area_struct *vma_first(struct mm_struct *mm)
{
	return rb_entry_safe(rb_first(&mm->vma_tree), struct vm_area_struct, mm_node);
}

static struct vm_area_struct *vma_last(struct mm_struct *mm)
{
	return rb_entry_safe(rb_last(&mm->vma_tree), struct vm_area_struct, mm_node);
}

/* The vma that ends at or before start, given the first one behind it. */
static struct vm_area_struct *vma_before(struct mm_struct *mm, struct vm_area_struct *next)
{
	return next ? next->prev : vma_last(mm);
}

/* --- free space ---- */

struct gap_search {
	vaddr_t low, high;
	size_t len;
};

/* The highest place in the gap [from, to) that suits: its address, or 0. */
static vaddr_t top_of_gap(const struct gap_search *s, vaddr_t from, vaddr_t to)
{
	from = max(from, s->low);
	to = min(to, s->high);
	return to > from && to - from >= s->len ? to - s->len : 0;
}

static vaddr_t bottom_of_gap(const struct gap_search *s, vaddr_t from, vaddr_t to)
{
	from = max(from, s->low);
	to = min(to, s->high);
	return to > from && to - from >= s->len ? from : 0;
}

static vaddr_t gap_start(const struct vm_area_struct *vma)
{
	return vma->prev ? vma->prev->end : 0;
}

/* Recursion is as deep as the tree: at most 34 levels for 65,530 vmas. Only subtrees with a gap
 * large enough are entered, so what costs more than one path is at the edges of [low, high). */
static vaddr_t search_topdown(const struct gap_search *s, const struct rb_node *n)
{
	while (n) {
		const struct vm_area_struct *vma = rb_to_vma(n);
		vaddr_t addr;

		if (vma->subtree_gap < s->len)
			return 0;
		if (vma->end < s->high) {
			addr = search_topdown(s, n->rb_right);
			if (addr)
				return addr;
		}
		addr = top_of_gap(s, gap_start(vma), vma_start_gap(vma));
		if (addr)
			return addr;
		if (gap_start(vma) <= s->low)
			return 0;
		n = n->rb_left;
	}
	return 0;
}

static vaddr_t search_bottomup(const struct gap_search *s, const struct rb_node *n)
{
	while (n) {
		const struct vm_area_struct *vma = rb_to_vma(n);
		vaddr_t addr;

		if (vma->subtree_gap < s->len)
			return 0;
		if (gap_start(vma) > s->low) {
			addr = search_bottomup(s, n->rb_left);
			if (addr)
				return addr;
		}
		addr = bottom_of_gap(s, gap_start(vma), vma_start_gap(vma));
		if (addr)
			return addr;
		if (vma->end >= s->high)
			return 0;
		n = n->rb_right;
	}
	return 0;
}

vaddr_t vma_gap_topdown(struct mm_struct *mm, vaddr_t low, vaddr_t high, size_t len)
{
	struct gap_search s = {.low = low, .high = high, .len = len};
	struct vm_area_struct *last = vma_last(mm);
	vaddr_t addr = top_of_gap(&s, last ? last->end : 0, TASK_SIZE);

	return addr ? addr : search_topdown(&s, mm->vma_tree.rb_node);
}

vaddr_t vma_gap_bottomup(struct mm_struct *mm, vaddr_t low, vaddr_t high, size_t len)
{
	struct gap_search s = {.low = low, .high = high, .len = len};
	vaddr_t addr = search_bottomup(&s, mm->vma_tree.rb_node);
	struct vm_area_struct *last = vma_last(mm);

	return addr ? addr : bottom_of_gap(&s, last ? last->end : 0, TASK_SIZE);
}

/* --- split ---- */

/* dst gets the same anonymous family as src. 0 or -ENOMEM (then dst has none). */
static int share_anon_vma(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	dst->anon_vma = src->anon_vma;
	return anon_vma_clone(dst, src);
}

struct vm_area_struct *vma_split(struct vm_area_struct *vma, vaddr_t addr)
{
	struct vm_area_struct *upper = vma_dup(vma, vma->mm);
	int err;

	if (!upper)
		return ERR_PTR(-ENOMEM);
	assert(vma->start < addr && addr < vma->end);
	upper->start = addr;
	upper->pgoff = vma->pgoff + ((addr - vma->start) >> PAGE_SHIFT);
	err = share_anon_vma(upper, vma);
	if (err) {
		vma_free(upper);
		return ERR_PTR(err);
	}
	vma_link_file(upper);
	vma_insert(vma->mm, upper);
	vma_set_bounds(vma, vma->start, addr, vma->pgoff);
	return upper;
}

struct vm_area_struct *vma_split_limited(struct vm_area_struct *vma, vaddr_t addr)
{
	if (vma->mm->map_count >= sysctl_max_map_count)
		return ERR_PTR(-ENOMEM);
	return vma_split(vma, addr);
}

/* --- merge ---- */

/* May pages of anon_vma av come to vma? Not if vma would have to take av over, nor if it has inherited
 * anon_vmas from a parent: the chain of what is merged would grow with every fork. As Linux decides it,
 * which asks the neighbour that grows, so that two vmas may merge in one order of calls only. */
static bool anon_admits(const struct vm_area_struct *vma, const struct anon_vma *av)
{
	return vma->anon_vma == av || (!av && vma->anon_vma_chain.next == vma->anon_vma_chain.prev);
}

static bool flags_mergeable(unsigned long a, unsigned long b)
{
	return !((a ^ b) & ~VM_SOFTDIRTY) && !(a & VM_DONTEXPAND);
}

/* But for what lies in the flags and the anon_vmas. */
static bool vmas_continue(const struct vm_area_struct *l, const struct vm_area_struct *r)
{
	return l && r && l->end == r->start && l->file == r->file &&
	       l->pgoff + vma_pages(l) == r->pgoff;
}

/* Could the edge of vma's neighbour move over it, if vma had these flags? */
static bool prev_admits(const struct vm_area_struct *vma, unsigned long flags)
{
	return vmas_continue(vma->prev, vma) && flags_mergeable(vma->prev->flags, flags) &&
	       anon_admits(vma->prev, vma->anon_vma);
}

static bool next_admits(const struct vm_area_struct *vma, unsigned long flags)
{
	return vmas_continue(vma, vma->next) && flags_mergeable(vma->next->flags, flags) &&
	       anon_admits(vma->next, vma->anon_vma);
}

/* Could vma have pages more of this kind, at pgoff in its object, and perhaps of av? */
static bool vma_admits(const struct vm_area_struct *vma, unsigned long flags,
		       const struct mappable *file, u64 at, u64 pgoff, const struct anon_vma *av)
{
	return vma->file == file && at == pgoff && flags_mergeable(vma->flags, flags) &&
	       anon_admits(vma, av);
}

/* dst is to have pages of src. A fault in dst must not use the anon_vma before it is linked. */
static int borrow_anon_vma(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	int err;

	if (dst->anon_vma || !src->anon_vma)
		return 0;
	down_write(&dst->lock);
	err = share_anon_vma(dst, src);
	up_write(&dst->lock);
	return err;
}

/* l and r, alike, become one. True if they did: it is l, and r is gone. */
static bool vma_join(struct vm_area_struct *l, struct vm_area_struct *r)
{
	if (borrow_anon_vma(l, r))
		return false;
	if ((l->flags ^ r->flags) & VM_SOFTDIRTY)
		vma_set_flags(l, l->flags | VM_SOFTDIRTY);
	vma_set_bounds(l, l->start, r->end, l->pgoff);
	vma_remove(l->mm, r);
	unlink_anon_vmas(r);
	vma_unlink_file(r);
	vma_free(r);
	return true;
}

struct vm_area_struct *vma_merge(struct vm_area_struct *vma)
{
	struct vm_area_struct *prev = vma->prev, *next = vma->next;
	bool with_prev = prev_admits(vma, vma->flags), with_next = next_admits(vma, vma->flags);

	if (with_next && with_prev && prev->anon_vma && next->anon_vma &&
	    prev->anon_vma != next->anon_vma)
		with_next = false;
	if (with_next)
		vma_join(vma, next);
	return with_prev && vma_join(prev, vma) ? prev : vma;
}

struct vm_area_struct *vma_extend_over(struct mm_struct *mm, vaddr_t start, vaddr_t end,
				       unsigned long flags, struct mappable *file, u64 pgoff)
{
	struct vm_area_struct *next = find_vma(mm, start), *prev = vma_before(mm, next);
	u64 pgend = pgoff + ((end - start) >> PAGE_SHIFT);

	if (!next || next->start != end || !vma_admits(next, flags, file, next->pgoff, pgend, NULL))
		next = NULL;
	if (prev && prev->end == start &&
	    vma_admits(prev, flags, file, prev->pgoff + vma_pages(prev), pgoff,
		       next ? next->anon_vma : NULL)) {
		vma_set_bounds(prev, prev->start, end, prev->pgoff);
		if (next)
			vma_join(prev, next);
		return prev;
	}
	if (next)
		vma_set_bounds(next, start, next->end, pgoff);
	return next;
}

void vma_extend_up(struct vm_area_struct *vma, vaddr_t end)
{
	vma_set_bounds(vma, vma->start, end, vma->pgoff);
	if (next_admits(vma, vma->flags))
		(void)vma_join(vma, vma->next);
}

/* --- other flags for a part ---- */

/* [start, vma's end) goes from vma to its right neighbour. */
static struct vm_area_struct *move_border_down(struct vm_area_struct *vma, vaddr_t start)
{
	struct vm_area_struct *next = vma->next;

	debug_assert(!vma->anon_vma || next->anon_vma == vma->anon_vma);
	vma_set_bounds(next, start, next->end, next->pgoff - ((next->start - start) >> PAGE_SHIFT));
	vma_set_bounds(vma, vma->start, start, vma->pgoff);
	return next;
}

/* [vma's start, end) goes to its left neighbour. */
static struct vm_area_struct *move_border_up(struct vm_area_struct *vma, vaddr_t end)
{
	struct vm_area_struct *prev = vma->prev;

	debug_assert(!vma->anon_vma || prev->anon_vma == vma->anon_vma);
	vma_set_bounds(prev, prev->start, end, prev->pgoff);
	vma_set_bounds(vma, end, vma->end, vma->pgoff + ((end - vma->start) >> PAGE_SHIFT));
	return prev;
}

struct vm_area_struct *vma_isolate(struct vm_area_struct *vma, vaddr_t start, vaddr_t end)
{
	struct vm_area_struct *upper;

	if (start > vma->start) {
		vma = vma_split_limited(vma, start);
		if (IS_ERR(vma))
			return vma;
	}
	if (end < vma->end) {
		upper = vma_split_limited(vma, end);
		if (IS_ERR(upper)) {
			vma_merge(vma); /* takes the first cut back */
			return upper;
		}
	}
	return vma;
}

struct vm_area_struct *vma_modify(struct vm_area_struct *vma, vaddr_t start, vaddr_t end,
				  unsigned long flags)
{
	debug_assert(vma->start <= start && start < end && end <= vma->end);
	if (start > vma->start && end == vma->end && next_admits(vma, flags))
		return move_border_down(vma, start);
	if (start == vma->start && end < vma->end && prev_admits(vma, flags))
		return move_border_up(vma, end);
	vma = vma_isolate(vma, start, end);
	if (IS_ERR(vma))
		return vma;
	vma_set_flags(vma, flags);
	return vma_merge(vma);
}

/* --- checking ---- */

struct vm_totals {
	unsigned long total, locked, data, exec, stack, count, accounted;
};

static void count_vma(struct vm_totals *t, const struct vm_area_struct *vma)
{
	unsigned long pages = vma_pages(vma);

	t->count++;
	t->total += pages;
	if (vma->flags & VM_LOCKED)
		t->locked += pages;
	if (vma->flags & VM_ACCOUNT)
		t->accounted += pages;
	if (vma->flags & VM_GROWSDOWN)
		t->stack += pages;
	else if ((vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
		t->data += pages;
	else if ((vma->flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
		t->exec += pages;
}

static void check_vma(struct mm_struct *mm, const struct vm_area_struct *vma)
{
	const struct rb_node *prev = rb_prev(&vma->mm_node);

	assert(vma->mm == mm && !vma->detached);
	assert(vma->start < vma->end && vma->end <= TASK_SIZE);
	assert(IS_ALIGNED(vma->start | vma->end, PAGE_SIZE));
	assert(vma->prev == (prev ? rb_to_vma(prev) : NULL));
	assert(!vma->prev || (vma->prev->next == vma && vma->prev->end <= vma->start));
	assert(vma->gap == gap_before(vma) && vma->subtree_gap == compute_subtree_gap(vma));
	assert(!(vma->flags & VM_SHARED) || vma->file);
	assert(!(vma->flags & VM_SHARED) || !(vma->flags & VM_ACCOUNT));
	assert(!vma->anon_vma || !list_empty(&vma->anon_vma_chain));
}

void mm_validate(struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	struct vm_totals t = {0};

	assert(rwsem_is_held(&mm->mmap_lock));
	for_each_vma(mm, vma) {
		check_vma(mm, vma);
		count_vma(&t, vma);
	}
	assert(t.count == (unsigned long)mm->map_count);
	assert(t.total == mm->total_vm && t.locked == mm->locked_vm);
	assert(t.accounted == (unsigned long)atomic_long_read(&mm->committed));
	assert(t.data == mm->data_vm && t.exec == mm->exec_vm && t.stack == mm->stack_vm);
}
