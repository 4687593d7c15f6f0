/* SPDX-License-Identifier: MIT */
/*
 * Red-black trees.
 *
 * Each node is red or black; the root is black; a red node has black children; every way from the
 * root to a missing child passes the same number of black nodes. So the longest way is at most
 * twice the shortest. Insertion links a red node and repairs "red below red" on the way up; erasing
 * a black node leaves one side a black short and repairs that on the way up. Both mirror images of
 * each case are one piece of code: a side is 0 (left) or 1 (right), rb_child[side] and
 * rb_child[!side].
 *
 * The parent pointer and the colour share a word (nodes are 8-byte aligned).
 */
#include <kernel/lib/rbtree.h>

#define RB_BLACK 1UL

static bool is_black(const struct rb_node *n)
{
	return !n || (n->__rb_parent_color & RB_BLACK);
}

static void set_black(struct rb_node *n)
{
	n->__rb_parent_color |= RB_BLACK;
}

static void set_red(struct rb_node *n)
{
	n->__rb_parent_color &= ~RB_BLACK;
}

static void set_parent(struct rb_node *n, struct rb_node *parent)
{
	n->__rb_parent_color = (n->__rb_parent_color & RB_BLACK) | (unsigned long)parent;
}

/* Makes new_ the child of parent that old was. */
static void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *old,
			  struct rb_node *new_)
{
	if (!parent)
		root->rb_node = new_;
	else
		parent->rb_child[parent->rb_right == old] = new_;
}

/*
 * Rotates towards side; for side 0:
 *
 *	  n              c
 *	 / \            / \
 *	a   c    ->    n   e
 *	   / \        / \
 *	  d   e      a   d
 */
static void rotate(struct rb_root *root, struct rb_node *n, int side,
		   const struct rb_augment_callbacks *augment)
{
	struct rb_node *c = n->rb_child[!side], *d = c->rb_child[side];
	struct rb_node *parent = rb_parent(n);

	n->rb_child[!side] = d;
	if (d)
		set_parent(d, n);
	c->rb_child[side] = n;
	set_parent(n, c);
	set_parent(c, parent);
	replace_child(root, parent, n, c);
	if (augment)
		augment->rotate(n, c);
}

static __noinline void insert_fixup(struct rb_node *n, struct rb_root *root,
				    const struct rb_augment_callbacks *augment)
{
	struct rb_node *parent;

	/* n is red. The only invariant that may be broken: its parent may be red too. */
	while ((parent = rb_parent(n)) && !is_black(parent)) {
		struct rb_node *grand = rb_parent(parent); /* black, as parent is red: not NULL */
		int side = grand->rb_right == parent;
		struct rb_node *uncle = grand->rb_child[!side];

		if (!is_black(uncle)) { /* push the grandparent's black down; it may clash above */
			set_black(parent);
			set_black(uncle);
			set_red(grand);
			n = grand;
			continue;
		}
		if (parent->rb_child[!side] == n) { /* inner grandchild: make it the outer one */
			rotate(root, parent, side, augment);
			parent = n;
		}
		set_black(parent);
		set_red(grand);
		rotate(root, grand, !side, augment);
		break;
	}
	set_black(root->rb_node);
}

/* The side of parent where n stood (n may be NULL, and is missing there) is one black short. */
static __noinline void erase_fixup(struct rb_node *n, struct rb_node *parent, struct rb_root *root,
				   const struct rb_augment_callbacks *augment)
{
	while (parent && is_black(n)) {
		int side = parent->rb_left != n; /* only one child can be short */
		struct rb_node *sibling = parent->rb_child[!side];

		if (!is_black(sibling)) { /* turn it, to have a black sibling */
			set_black(sibling);
			set_red(parent);
			rotate(root, parent, side, augment);
			sibling = parent->rb_child[!side];
		}
		if (is_black(sibling->rb_left) && is_black(sibling->rb_right)) {
			set_red(sibling); /* both sides are short now: go on above */
			n = parent;
			parent = rb_parent(n);
			continue;
		}
		if (is_black(sibling->rb_child[!side])) { /* its red child is the inner one */
			set_black(sibling->rb_child[side]);
			set_red(sibling);
			rotate(root, sibling, !side, augment);
			sibling = parent->rb_child[!side];
		}
		if (is_black(parent))
			set_black(sibling);
		else
			set_red(sibling);
		set_black(parent);
		set_black(sibling->rb_child[!side]);
		rotate(root, parent, side, augment);
		return;
	}
	if (n)
		set_black(n);
}

/*
 * Takes node, which has two children, out of the tree: its successor s (the leftmost on the right,
 * so without a left child) leaves its own place to its right child and takes node's, with node's
 * colour. Returns the child that moved up, *parent its parent, *black_lost whether a black was lost.
 */
static struct rb_node *unlink_inner(struct rb_node *node, struct rb_root *root,
				    struct rb_node **parentp, bool *black_lost,
				    const struct rb_augment_callbacks *augment)
{
	struct rb_node *s = node->rb_right, *child, *parent;

	while (s->rb_left)
		s = s->rb_left;
	child = s->rb_right;
	parent = rb_parent(s);
	*black_lost = is_black(s);

	if (parent == node) {
		parent = s;
	} else {
		parent->rb_left = child;
		if (child)
			set_parent(child, parent);
		s->rb_right = node->rb_right;
		set_parent(s->rb_right, s);
	}
	s->rb_left = node->rb_left;
	set_parent(s->rb_left, s);
	replace_child(root, rb_parent(node), node, s);
	s->__rb_parent_color = node->__rb_parent_color;

	if (augment)
		augment->copy(node, s);
	if (augment && augment->propagate) {
		augment->propagate(parent, s);
		augment->propagate(s, NULL);
	}
	*parentp = parent;
	return child;
}

static void erase(struct rb_node *node, struct rb_root *root,
		  const struct rb_augment_callbacks *augment)
{
	struct rb_node *child, *parent;
	bool black_lost;

	if (node->rb_left && node->rb_right) {
		child = unlink_inner(node, root, &parent, &black_lost, augment);
	} else {
		child = node->rb_left ? node->rb_left : node->rb_right;
		parent = rb_parent(node);
		black_lost = is_black(node);
		replace_child(root, parent, node, child);
		if (child)
			set_parent(child, parent);
		if (augment && augment->propagate)
			augment->propagate(parent, NULL);
	}
	if (black_lost && root->rb_node)
		erase_fixup(child, parent, root, augment);
}

void rb_insert_color(struct rb_node *node, struct rb_root *root)
{
	insert_fixup(node, root, NULL);
}

void rb_insert_augmented(struct rb_node *node, struct rb_root *root,
			 const struct rb_augment_callbacks *augment)
{
	insert_fixup(node, root, augment);
}

void rb_erase(struct rb_node *node, struct rb_root *root)
{
	erase(node, root, NULL);
}

void rb_erase_augmented(struct rb_node *node, struct rb_root *root,
			const struct rb_augment_callbacks *augment)
{
	erase(node, root, augment);
}

/* ---- walking ---- */

static struct rb_node *outermost(struct rb_node *n, int side)
{
	while (n && n->rb_child[side])
		n = n->rb_child[side];
	return n;
}

static struct rb_node *neighbour(const struct rb_node *n, int side)
{
	struct rb_node *parent;

	if (n->rb_child[side])
		return outermost(n->rb_child[side], !side);
	while ((parent = rb_parent(n)) && parent->rb_child[side] == n)
		n = parent;
	return parent;
}

struct rb_node *rb_first(const struct rb_root *root)
{
	return outermost(root->rb_node, 0);
}

struct rb_node *rb_last(const struct rb_root *root)
{
	return outermost(root->rb_node, 1);
}

struct rb_node *rb_next(const struct rb_node *node)
{
	return neighbour(node, 1);
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	return neighbour(node, 0);
}
