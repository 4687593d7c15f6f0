/* SPDX-License-Identifier: MIT */
/*
 * Red-black trees with the node inside the element and the search written by the user:
 *
 *	struct rb_node **link = &root->rb_node, *parent = NULL;
 *	while (*link) {
 *		parent = *link;
 *		link = key < rb_entry(parent, struct thing, rb)->key ? &parent->rb_left
 *								     : &parent->rb_right;
 *	}
 *	rb_link_node(&thing->rb, parent, link);
 *	rb_insert_color(&thing->rb, root);
 *
 * Names are Linux's. An augmented tree keeps in each node a value computed from its subtree (the
 * highest end of an interval, the largest gap): see struct rb_augment_callbacks.
 */
#pragma once

#include <kernel/lib/types.h>

struct rb_node {
	unsigned long __rb_parent_color; /* parent | 1 if black */
	union {
		struct {
			struct rb_node *rb_left, *rb_right;
		};
		struct rb_node *rb_child[2];
	};
} __aligned(8);

struct rb_root {
	struct rb_node *rb_node;
};

#define RB_ROOT             ((struct rb_root){NULL})
#define RB_EMPTY_ROOT(root) ((root)->rb_node == NULL)
/* A node that says of itself that it is in no tree. */

#define rb_entry(ptr, type, member) container_of(ptr, type, member)
#define rb_entry_safe(ptr, type, member)                \
	({                                              \
		__typeof__(ptr) _p = (ptr);             \
		_p ? rb_entry(_p, type, member) : NULL; \
	})

static inline struct rb_node *rb_parent(const struct rb_node *n)
{
	return (struct rb_node *)(n->__rb_parent_color & ~3UL);
}

static inline void rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	node->__rb_parent_color = (unsigned long)parent;
	node->rb_left = node->rb_right = NULL;
	*link = node;
}

void rb_insert_color(struct rb_node *node, struct rb_root *root);
void rb_erase(struct rb_node *node, struct rb_root *root);

struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/* pos: a pointer to the element. The tree must not change meanwhile. */
#define rb_for_each_entry(pos, root, member)                                     \
	for (pos = rb_entry_safe(rb_first(root), __typeof__(*pos), member); pos; \
	     pos = rb_entry_safe(rb_next(&pos->member), __typeof__(*pos), member))
/* A tree that remembers its first node. */
struct rb_root_cached {
	struct rb_root rb_root;
	struct rb_node *rb_leftmost;
};
#define rb_first_cached(root) ((root)->rb_leftmost)

static inline void rb_insert_color_cached(struct rb_node *node, struct rb_root_cached *root,
					  bool leftmost)
{
	if (leftmost)
		root->rb_leftmost = node;
	rb_insert_color(node, &root->rb_root);
}
static inline void rb_erase_cached(struct rb_node *node, struct rb_root_cached *root)
{
	if (root->rb_leftmost == node)
		root->rb_leftmost = rb_next(node);
	rb_erase(node, &root->rb_root);
}

/*
 * Augmented trees.
 *	propagate(node, stop)	recompute node and its ancestors up to stop (exclusive; NULL: the
 *				root), and may end as soon as a value stays the same. NULL if a
 *				value stays right when its subtree loses a node (a bound)
 *	copy(old, new)		new takes old's place with all below it: take over old's value
 *	rotate(old, new)	new, a child of old, has become its parent: it takes over old's
 *				value, and old is recomputed
 * To insert: on the way down widen the value of each node passed by that of the new one (or call
 * propagate(parent, NULL) after linking), rb_link_node(), give the node its own, then
 * rb_insert_augmented().
 */
struct rb_augment_callbacks {
	void (*propagate)(struct rb_node *node, struct rb_node *stop);
	void (*copy)(struct rb_node *old, struct rb_node *new_);
	void (*rotate)(struct rb_node *old, struct rb_node *new_);
};

void rb_insert_augmented(struct rb_node *node, struct rb_root *root,
			 const struct rb_augment_callbacks *augment);
void rb_erase_augmented(struct rb_node *node, struct rb_root *root,
			const struct rb_augment_callbacks *augment);

/* Defines the three for elements `type` with the node `field` and the value `value`, where
 * compute(struct type *) returns the value from the element and its children. */
#define RB_DECLARE_CALLBACKS(storage, name, type, field, value, compute)           \
	static void name##_propagate(struct rb_node *rb, struct rb_node *stop)     \
	{                                                                          \
		while (rb != stop) {                                               \
			type *_e = rb_entry(rb, type, field);                      \
			__typeof__(_e->value) _v = compute(_e);                    \
			if (_e->value == _v)                                       \
				break;                                             \
			_e->value = _v;                                            \
			rb = rb_parent(&_e->field);                                \
		}                                                                  \
	}                                                                          \
	static void name##_copy(struct rb_node *o, struct rb_node *n)              \
	{                                                                          \
		rb_entry(n, type, field)->value = rb_entry(o, type, field)->value; \
	}                                                                          \
	static void name##_rotate(struct rb_node *o, struct rb_node *n)            \
	{                                                                          \
		type *_o = rb_entry(o, type, field);                               \
		rb_entry(n, type, field)->value = _o->value;                       \
		_o->value = compute(_o);                                           \
	}                                                                          \
	storage const struct rb_augment_callbacks name = {                         \
		.propagate = name##_propagate,                                     \
		.copy = name##_copy,                                               \
		.rotate = name##_rotate,                                           \
	}
