/* SPDX-License-Identifier: MIT */
/*
 * The page cache's tree: a map from unsigned long to a non-NULL value, 64 ways a level, as high as
 * its highest index asks for, with two tags a value that can be searched for.
 *
 * A value is a pointer (low bit clear) or a number marked by the low bit (a swap entry, the shadow
 * of an evicted page): radix_mk_value(). The tree tells them apart for nobody but counts them.
 *
 * Locking is the caller's: writers exclude all others, readers writers. As the lock is a spinlock,
 * insertion never allocates by itself; it takes nodes from a preload, and says how many it lacks:
 *
 *	struct radix_preload pl = RADIX_PRELOAD_INIT;
 *	for (;;) {
 *		spin_lock(&lock);
 *		err = radix_insert(tree, index, value, &pl);
 *		spin_unlock(&lock);
 *		if (err != -EAGAIN)
 *			break;
 *		err = radix_preload(tree, &pl, gfp);
 *		if (err)
 *			break;
 *	}
 *	radix_preload_end(tree, &pl);
 *
 * Replacing a value and erasing never need memory.
 */
#pragma once

#include <kernel/lib/list.h>
#include <kernel/lib/types.h>

#define RADIX_SHIFT 6
#define RADIX_SLOTS (1u << RADIX_SHIFT)

enum radix_tag {
	RADIX_TAG_DIRTY,
	RADIX_TAG_WRITEBACK,
	RADIX_NR_TAGS,
};

struct radix_node {
	u8 shift;     /* of the index bits that choose a slot: 0 in a leaf */
	u8 offset;    /* this node's slot in its parent */
	u8 count;     /* slots in use */
	u8 nr_values; /* leaf: of them, how many are values, not pointers */
	struct radix_node *parent;
	struct list_head link;   /* leaf: for the tree's owner; next NULL: unused */
	struct radix_tree *tree; /* the same */
	u64 tags[RADIX_NR_TAGS]; /* bit i: slot i, or something below it, has the tag */
	void *slots[RADIX_SLOTS];
};

struct radix_tree_ops {
	/* A node, contents don't care, or NULL. */
	struct radix_node *(*node_alloc)(gfp_t gfp);
	void (*node_free)(struct radix_node *node);
	/* A leaf that has values or is linked was changed, maybe emptied; under the tree's lock. May be
	 * NULL. */
	void (*update)(struct radix_tree *t, struct radix_node *leaf);
};

struct radix_tree {
	struct radix_node *root; /* NULL: empty */
	const struct radix_tree_ops *ops;
	unsigned long nr_entries; /* pointers and values */
	unsigned long nr_values;
};

#define RADIX_TREE_INIT(o)               \
	{                                \
		.root = NULL, .ops = (o) \
	}
void radix_tree_init(struct radix_tree *t, const struct radix_tree_ops *ops);

static inline bool radix_is_value(const void *entry)
{
	return (unsigned long)entry & 1;
}
/* v < 2^63 */
static inline void *radix_mk_value(unsigned long v)
{
	return (void *)(v << 1 | 1);
}
static inline unsigned long radix_to_value(const void *entry)
{
	return (unsigned long)entry >> 1;
}
static inline bool radix_empty(const struct radix_tree *t)
{
	return t->root == NULL;
}

struct radix_preload {
	struct radix_node *free; /* linked through parent */
	unsigned int nr;
	unsigned int want; /* set by a radix_insert() that found too few */
};
#define RADIX_PRELOAD_INIT \
	{                  \
		NULL, 0, 0 \
	}

/* Fills pl up to pl->want nodes: 0 or -ENOMEM (what it has, it keeps). May sleep if gfp may. */
int radix_preload(const struct radix_tree *t, struct radix_preload *pl, gfp_t gfp) __must_check;
/* Frees what is left. */
void radix_preload_end(const struct radix_tree *t, struct radix_preload *pl);

void *radix_lookup(const struct radix_tree *t, unsigned long index);
/* The RADIX_SLOTS entries (or NULL) of all that shares index / RADIX_SLOTS; NULL: there are none. */
void *const *radix_slots(const struct radix_tree *t, unsigned long index);
/* 0; -EEXIST (the tree is unchanged); -EAGAIN: pl has too few nodes, pl->want are needed. pl may be
 * NULL: then any lack is -EAGAIN. */
int radix_insert(struct radix_tree *t, unsigned long index, void *entry,
		 struct radix_preload *pl) __must_check;
/* Swaps what is there (there must be something) for entry (not NULL), and returns it. Tags stay. */
void *radix_replace(struct radix_tree *t, unsigned long index, void *entry);
/* Removes and returns what was there, or NULL. Empty nodes are freed, the tree shrinks. */
void *radix_erase(struct radix_tree *t, unsigned long index);

/* The same for all of a leaf that has nothing but values, and no tag. */
void radix_erase_leaf(struct radix_tree *t, struct radix_node *leaf);

/* The first entry at *index or above, and its index; NULL if none. */
void *radix_next(const struct radix_tree *t, unsigned long *index);
void *radix_next_tagged(const struct radix_tree *t, unsigned long *index, enum radix_tag tag);

/* Nothing happens where there is no entry. */
void radix_tag_set(struct radix_tree *t, unsigned long index, enum radix_tag tag);
void radix_tag_clear(struct radix_tree *t, unsigned long index, enum radix_tag tag);
bool radix_tag_get(const struct radix_tree *t, unsigned long index, enum radix_tag tag);

/* Checks every invariant; panics. For tests. */
void radix_check(const struct radix_tree *t);
