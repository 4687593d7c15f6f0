/* SPDX-License-Identifier: MIT */
/*
 * Virtual memory areas.
 *
 * Problem. A space has from ten to some 65,000 mapped ranges. A fault asks which range an address is
 * in; mmap asks where a range is free; munmap, mprotect and their like cut ranges and join them.
 *
 * Idea. One red-black tree by start, and a list through the same vmas in the order of addresses.
 * Each node also holds a bound on the free gaps that lie before the vmas of its subtree, so that a
 * search for free space skips subtrees that have none large enough:
 *
 *	0        A---A      B--B   C------C        D--D             TASK_SIZE
 *	| gap(A) |   |gap(B)|  |gap|      | gap(D) |  | the last gap |
 *
 * The bound is never too low: a gap that grows raises it on the way up, as far as it has to. It may be
 * too high: a gap that is filled leaves it alone, so that what maps and unmaps at one place changes it
 * once. A search that finds nothing below a node lowers it to what it saw there, and so pays no more
 * often for a gap that is gone than there were ancestors that knew of it.
 *
 * Most searches go downwards from mmap_base, and often for what the one before was for: gap_end says
 * where that one came to, as no gap of gap_len bytes lies above it and below mmap_base. The next one
 * for as much or more looks there first. A gap that grows above raises gap_end to its end.
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

static struct vm_area_struct *vma_last(struct mm_struct *mm)
{
	return rb_entry_safe(rb_last(&mm->vma_tree), struct vm_area_struct, mm_node);
}

/* The vma that ends at or before start, given the first one behind it. */
static struct vm_area_struct *vma_before(struct mm_struct *mm, struct vm_area_struct *next)
{
	return next ? next->prev : vma_last(mm);
}

static vaddr_t gap_start(const struct vm_area_struct *vma)
{
	return vma->prev ? vma->prev->end : 0;
}

static vaddr_t gap_before(const struct vm_area_struct *vma)
{
	vaddr_t from = gap_start(vma), to = vma_start_gap(vma);

	return to > from ? to - from : 0;
}

static vaddr_t compute_gap_bound(const struct vm_area_struct *vma)
{
	const struct rb_node *l = vma->mm_node.rb_left, *r = vma->mm_node.rb_right;
	vaddr_t gap = gap_before(vma);

	if (l && rb_to_vma(l)->gap_bound > gap)
		gap = rb_to_vma(l)->gap_bound;
	if (r && rb_to_vma(r)->gap_bound > gap)
		gap = rb_to_vma(r)->gap_bound;
	return gap;
}

static void bound_copy(struct rb_node *old, struct rb_node *new_)
{
	rb_to_vma(new_)->gap_bound = rb_to_vma(old)->gap_bound;
}

static void bound_rotate(struct rb_node *old, struct rb_node *new_)
{
	bound_copy(old, new_);
	rb_to_vma(old)->gap_bound = compute_gap_bound(rb_to_vma(old));
}

/* What leaves a subtree lowers no bound. */
static const struct rb_augment_callbacks vma_gap_callbacks = {
	.copy = bound_copy,
	.rotate = bound_rotate,
};

/* vma and its ancestors learn of the gap before it. */
static void raise_bounds(struct vm_area_struct *vma)
{
	vaddr_t gap = gap_before(vma);

	for (; vma && vma->gap_bound < gap;
	     vma = rb_entry_safe(rb_parent(&vma->mm_node), struct vm_area_struct, mm_node))
		vma->gap_bound = gap;
}

/* The gap before vma (NULL: the last gap) has grown. */
static void gap_grown(struct mm_struct *mm, struct vm_area_struct *vma)
{
	mm->gap_end = max(mm->gap_end, vma ? vma_start_gap(vma) : TASK_SIZE);
	if (vma)
		raise_bounds(vma);
}

/* One of two neighbours is below the other, on the side of it where nothing is between them: either
 * next has no left child, or prev has no right one. */
static void tree_link(struct mm_struct *mm, struct vm_area_struct *vma, struct vm_area_struct *next)
{
	struct vm_area_struct *prev = vma_before(mm, next);
	struct rb_node **link = &mm->vma_tree.rb_node, *parent = NULL;

	assert_spin_held(&mm->tree_lock);
	vma->prev = prev;
	vma->next = next;
	if (prev) {
		assert(prev->start < vma->start);
		prev->next = vma;
		parent = &prev->mm_node;
		link = &parent->rb_right;
	}
	if (next) {
		assert(vma->start < next->start);
		next->prev = vma;
		if (!next->mm_node.rb_left) {
			parent = &next->mm_node;
			link = &parent->rb_left;
		}
	}
	assert(!*link);
	rb_link_node(&vma->mm_node, parent, link);
	vma->gap_bound = 0;
	raise_bounds(vma);
	rb_insert_augmented(&vma->mm_node, &mm->vma_tree, &vma_gap_callbacks);
}

static void tree_unlink(struct mm_struct *mm, struct vm_area_struct *vma)
{
	assert_spin_held(&mm->tree_lock);
	if (vma->prev)
		vma->prev->next = vma->next;
	if (vma->next)
		vma->next->prev = vma->prev;
	gap_grown(mm, vma->next);
	rb_erase_augmented(&vma->mm_node, &mm->vma_tree, &vma_gap_callbacks);
	if (mm->mmap_cache == vma)
		mm->mmap_cache = vma->next;
	vma->prev = vma->next = NULL;
}

void vma_insert(struct vm_area_struct *vma, struct vm_area_struct *next)
{
	struct mm_struct *mm = vma->mm;

	debug_assert(vma->start < vma->end && vma->end <= TASK_SIZE);
	vma->detached = false;
	spin_lock(&mm->tree_lock);
	tree_link(mm, vma, next);
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
	bool up = start > vma->start, down = end < vma->end;

	debug_assert(rwsem_is_write_held(&mm->mmap_lock));
	debug_assert(start < end && IS_ALIGNED(start | end, PAGE_SIZE));
	down_write(&vma->lock);
	rmap_vma_change_begin(vma);
	spin_lock(&mm->tree_lock);
	vma->start = start;
	vma->end = end;
	vma->pgoff = pgoff;
	if (up)
		gap_grown(mm, vma);
	if (down)
		gap_grown(mm, vma->next);
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
	if (found && addr < found->end && (found->start <= addr || gap_start(found) <= addr))
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

/* --- free space ---- */

struct gap_search {
	struct mm_struct *mm;
	vaddr_t low, high;
	size_t len;
	int first; /* the side to look at first: 1 for the highest place, 0 for the lowest */
};

/* The first place in the gap [from, to) that suits: its address, or 0. */
static vaddr_t place_in_gap(const struct gap_search *s, vaddr_t from, vaddr_t to)
{
	from = max(from, s->low);
	to = min(to, s->high);
	if (to <= from || to - from < s->len)
		return 0;
	return s->first ? to - s->len : from;
}

static vaddr_t search_gaps(const struct gap_search *s, struct rb_node *n);

static vaddr_t search_side(const struct gap_search *s, const struct vm_area_struct *vma, int side)
{
	if (side ? vma->end >= s->high : gap_start(vma) <= s->low)
		return 0;
	return search_gaps(s, vma->mm_node.rb_child[side]);
}

/* Recursion is as deep as the tree: at most 34 levels for 65,530 vmas. Only subtrees that may have a
 * gap large enough are entered, so what costs more than one path, but for bounds that are too high, is
 * at the edges of [low, high). */
static vaddr_t search_gaps(const struct gap_search *s, struct rb_node *n)
{
	struct vm_area_struct *vma = rb_entry_safe(n, struct vm_area_struct, mm_node);
	vaddr_t addr;

	debug_assert(rwsem_is_write_held(&s->mm->mmap_lock));
	if (!vma || vma->gap_bound < s->len)
		return 0;
	addr = search_side(s, vma, s->first);
	if (addr)
		return addr;
	addr = place_in_gap(s, gap_start(vma), vma_start_gap(vma));
	if (addr) {
		WRITE_ONCE(s->mm->mmap_cache, vma); /* it is asked for next */
		return addr;
	}
	addr = search_side(s, vma, !s->first);
	if (!addr)
		vma->gap_bound = compute_gap_bound(vma);
	return addr;
}

static vaddr_t search_last_gap(const struct gap_search *s)
{
	const struct vm_area_struct *last = vma_last(s->mm);

	return place_in_gap(s, last ? last->end : 0, TASK_SIZE);
}

/* In the gap before the first vma that reaches up to gap_end; what is above it is too small. */
static vaddr_t search_below_last(const struct gap_search *s)
{
	const struct vm_area_struct *vma;

	if (s->len < s->mm->gap_len)
		return 0;
	vma = find_vma(s->mm, s->mm->gap_end - 1);
	return vma ? place_in_gap(s, gap_start(vma), vma_start_gap(vma)) : 0;
}

vaddr_t vma_gap_topdown(struct mm_struct *mm, vaddr_t low, size_t len)
{
	struct gap_search s = {.mm = mm, .low = low, .high = mm->mmap_base, .len = len, .first = 1};
	vaddr_t addr = search_below_last(&s);

	if (!addr) {
		addr = search_last_gap(&s);
		if (!addr)
			addr = search_gaps(&s, mm->vma_tree.rb_node);
		if (!addr)
			return 0;
		mm->gap_len = len;
	}
	mm->gap_end = addr + len;
	return addr;
}

vaddr_t vma_gap_bottomup(struct mm_struct *mm, vaddr_t low, vaddr_t high, size_t len)
{
	struct gap_search s = {.mm = mm, .low = low, .high = high, .len = len};
	vaddr_t addr = search_gaps(&s, mm->vma_tree.rb_node);

	return addr ? addr : search_last_gap(&s);
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
	vma_insert(upper, vma->next);
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
	if (start > vma->start || end < vma->end) {
		if (end == vma->end && next_admits(vma, flags))
			return move_border_down(vma, start);
		if (start == vma->start && prev_admits(vma, flags))
			return move_border_up(vma, end);
		vma = vma_isolate(vma, start, end);
		if (IS_ERR(vma))
			return vma;
	}
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
	const struct gap_search above = {
		.low = mm->gap_end, .high = mm->mmap_base, .len = mm->gap_len};
	const struct rb_node *prev = rb_prev(&vma->mm_node);

	assert(vma->mm == mm && !vma->detached);
	assert(vma->start < vma->end && vma->end <= TASK_SIZE);
	assert(IS_ALIGNED(vma->start | vma->end, PAGE_SIZE));
	assert(vma->prev == (prev ? rb_to_vma(prev) : NULL));
	assert(!vma->prev || (vma->prev->next == vma && vma->prev->end <= vma->start));
	assert(vma->gap_bound >= compute_gap_bound(vma));
	assert(!place_in_gap(&above, gap_start(vma), vma_start_gap(vma)));
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
