/* SPDX-License-Identifier: MIT */
/*
 * Interval trees.
 *
 * Problem: find all ranges that overlap [start, last] without looking at the others.
 *
 * Idea: a red-black tree by start; each node also knows the highest `last` of its subtree. Going
 * down, a left subtree whose highest last lies before the wanted start is passed over whole:
 *
 *	            [20,29] 60                 first [40,45]?
 *	           /          \                  [10,..]'s subtree ends at 19: skip it
 *	     [10,15] 19     [30,60] 60           [20,29] ends before 40
 *	       /                                 [30,60] overlaps: found
 *	   [5,19] 19
 *
 * Locking is the caller's.
 */
#include <kernel/lib/bug.h>
#include <mm/interval.h>

#define rb_to_interval(n) rb_entry(n, struct interval_node, rb)

static u64 compute_subtree_last(const struct interval_node *node)
{
	const struct rb_node *l = node->rb.rb_left, *r = node->rb.rb_right;
	u64 last = node->last;

	if (l)
		last = max(last, rb_to_interval(l)->subtree_last);
	if (r)
		last = max(last, rb_to_interval(r)->subtree_last);
	return last;
}

RB_DECLARE_CALLBACKS(static, interval_augment, struct interval_node, rb, subtree_last,
		     compute_subtree_last);

void interval_insert(struct interval_node *node, u64 start, u64 last, struct rb_root *root)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	assert(start <= last);
	while (*link) {
		struct interval_node *n = rb_to_interval(*link);

		parent = *link;
		n->subtree_last = max(n->subtree_last, last);
		link = start < n->start ? &parent->rb_left : &parent->rb_right;
	}
	node->start = start;
	node->last = node->subtree_last = last;
	rb_link_node(&node->rb, parent, link);
	rb_insert_augmented(&node->rb, root, &interval_augment);
}

void interval_remove(struct interval_node *node, struct rb_root *root)
{
	rb_erase_augmented(&node->rb, root, &interval_augment);
}

/* The leftmost overlapping node of this subtree, whose subtree_last reaches start. */
static struct interval_node *subtree_first(struct rb_node *rb, u64 start, u64 last)
{
	for (;;) {
		struct interval_node *n = rb_to_interval(rb);

		/* If the left subtree reaches start, then it holds the answer or there is none: its
		 * starts are lower than all others. */
		if (rb->rb_left && rb_to_interval(rb->rb_left)->subtree_last >= start) {
			rb = rb->rb_left;
			continue;
		}
		if (n->start > last)
			return NULL;
		if (n->last >= start)
			return n;
		rb = rb->rb_right;
		if (!rb || rb_to_interval(rb)->subtree_last < start)
			return NULL;
	}
}

struct interval_node *interval_first(const struct rb_root *root, u64 start, u64 last)
{
	if (!root->rb_node || rb_to_interval(root->rb_node)->subtree_last < start)
		return NULL;
	return subtree_first(root->rb_node, start, last);
}

struct interval_node *interval_next(const struct interval_node *node, u64 start, u64 last)
{
	const struct rb_node *rb = &node->rb;

	for (;;) {
		struct interval_node *n;

		if (rb->rb_right && rb_to_interval(rb->rb_right)->subtree_last >= start)
			return subtree_first(rb->rb_right, start, last);
		/* Up to the first ancestor to whose left we are. */
		for (;;) {
			const struct rb_node *child = rb;

			rb = rb_parent(child);
			if (!rb)
				return NULL;
			if (child == rb->rb_left)
				break;
		}
		n = rb_to_interval(rb);
		if (n->start > last)
			return NULL;
		if (n->last >= start)
			return n;
	}
}
