/* SPDX-License-Identifier: MIT */
/*
 * Interval trees: which of many ranges of numbers overlap a given one? Reverse mapping asks it of
 * the vmas of a file and of an anon_vma, by page offset.
 */
#pragma once

#include <kernel/lib/rbtree.h>

/* Embedded in the element. start and last (inclusive) are copies: an element whose range changes is
 * removed first and inserted again. */
struct interval_node {
	struct rb_node rb;
	u64 start, last;
	u64 subtree_last; /* the highest last in this subtree */
};

void interval_insert(struct interval_node *node, u64 start, u64 last, struct rb_root *root);
void interval_remove(struct interval_node *node, struct rb_root *root);
/* Nodes that have something in common with [start, last], by rising start; NULL: no more. */
struct interval_node *interval_first(const struct rb_root *root, u64 start, u64 last);
struct interval_node *interval_next(const struct interval_node *node, u64 start, u64 last);

#define for_each_interval(node, root, start, last)           \
	for (node = interval_first(root, start, last); node; \
	     node = interval_next(node, start, last))
