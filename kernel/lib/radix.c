/* SPDX-License-Identifier: MIT */
/*
 * The page cache's tree.
 *
 * Problem. A file's pages are found by index, densely from 0 up or scattered, by the million; the
 * dirty ones among them must be found without looking at the clean ones; and memory must not be
 * needed while the tree's spinlock is held.
 *
 * Idea. A node has 64 slots and stands for 6 bits of the index; the root's shift says how many bits
 * remain below it, so a small file has one node and the tree grows at the top:
 *
 *	root shift 6	[ 0 | 1 | ... ]		index 0..4095
 *			  |
 *	leaf shift 0	[ e | e | ... ]		index 0..63
 *
 * Each node holds a 64-bit word a tag; a bit is set if the slot's entry, or anything below it, has
 * the tag: a search skips whole subtrees.
 *
 * Invariants (radix_check): no node is empty; a root above a leaf has something outside its slot 0;
 * a tag bit is set in an inner node exactly if the child's word is not 0; counts are right.
 *
 * Locking is the caller's (radix.h). Simplified against Linux's xarray: no entry without a node
 * (568 bytes for a file of one page), no multi-index entries, no lockless readers.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/radix.h>

#define RADIX_MASK (RADIX_SLOTS - 1)

void radix_tree_init(struct radix_tree *t, const struct radix_tree_ops *ops)
{
	*t = (struct radix_tree)RADIX_TREE_INIT(ops);
}

/* ---- nodes set aside ---- */

int radix_preload(const struct radix_tree *t, struct radix_preload *pl, gfp_t gfp)
{
	while (pl->nr < pl->want) {
		struct radix_node *node = t->ops->node_alloc(gfp);

		if (!node)
			return -ENOMEM;
		node->parent = pl->free;
		pl->free = node;
		pl->nr++;
	}
	return 0;
}

void radix_preload_end(const struct radix_tree *t, struct radix_preload *pl)
{
	while (pl->free) {
		struct radix_node *node = pl->free;

		pl->free = node->parent;
		t->ops->node_free(node);
	}
	pl->nr = pl->want = 0;
}

static struct radix_node *take_node(struct radix_preload *pl, unsigned int shift)
{
	struct radix_node *node = pl->free;

	pl->free = node->parent;
	pl->nr--;
	__builtin_memset(node, 0, sizeof(*node));
	node->shift = (u8)shift;
	return node;
}

/* ---- finding ---- */

static unsigned int slot_of(const struct radix_node *node, unsigned long index)
{
	return (index >> node->shift) & RADIX_MASK;
}

/* Is index beyond what a tree with this root can hold? */
static bool beyond(const struct radix_node *root, unsigned long index)
{
	unsigned int bits = root->shift + RADIX_SHIFT;

	return bits < 64 && index >> bits;
}

/* The leaf whose range holds index, or NULL. */
static __always_inline struct radix_node *find_leaf(const struct radix_tree *t, unsigned long index)
{
	struct radix_node *node = t->root;

	if (!node || beyond(node, index))
		return NULL;
	while (node && node->shift)
		node = node->slots[slot_of(node, index)];
	return node;
}

void *radix_lookup(const struct radix_tree *t, unsigned long index)
{
	struct radix_node *leaf = find_leaf(t, index);

	return leaf ? leaf->slots[index & RADIX_MASK] : NULL;
}

void *const *radix_slots(const struct radix_tree *t, unsigned long index)
{
	struct radix_node *leaf = find_leaf(t, index);

	return leaf ? leaf->slots : NULL;
}

/* The first slot from i on that leads to something (tag < 0: to anything), else RADIX_SLOTS. */
static unsigned int next_slot(const struct radix_node *node, unsigned int i, int tag)
{
	u64 bits;

	if (tag < 0) {
		while (i < RADIX_SLOTS && !node->slots[i])
			i++;
		return i;
	}
	bits = node->tags[tag] & (~0ULL << i);
	return bits ? (unsigned int)__builtin_ctzll(bits) : RADIX_SLOTS;
}

/* The first index below slot i of the node on the way to index. */
static unsigned long first_index(const struct radix_node *node, unsigned long index, unsigned int i)
{
	index >>= node->shift;
	return ((index & ~(unsigned long)RADIX_MASK) | i) << node->shift;
}

/*
 * Down towards *index; where its slot leads nowhere, on to the next one that does, after which the
 * lowest index below that is wanted; where a node has none left, back up.
 */
static void *next_entry(const struct radix_tree *t, unsigned long *index, int tag)
{
	struct radix_node *node = t->root;
	unsigned long i = *index;

	if (!node || beyond(node, i))
		return NULL;
	for (;;) {
		unsigned int want = slot_of(node, i);
		unsigned int found = next_slot(node, want, tag);
		unsigned long old = i;

		if (found == RADIX_SLOTS) {
			/* Nothing left here: the first index behind this node, in its parent. */
			do {
				found = node->offset + 1u;
				node = node->parent;
			} while (node && found == RADIX_SLOTS);
			if (!node)
				return NULL;
			i = first_index(node, i, found);
			if (i < old) /* behind the last slot of an index of 64 bits */
				return NULL;
			continue;
		}
		if (found != want)
			i = first_index(node, i, found);
		if (!node->shift) {
			*index = i;
			return node->slots[found];
		}
		node = node->slots[found];
	}
}

void *radix_next(const struct radix_tree *t, unsigned long *index)
{
	return next_entry(t, index, -1);
}

void *radix_next_tagged(const struct radix_tree *t, unsigned long *index, enum radix_tag tag)
{
	return next_entry(t, index, (int)tag);
}

/* ---- insertion ---- */

static void changed(struct radix_tree *t, struct radix_node *leaf)
{
	if ((leaf->nr_values || leaf->link.next) && t->ops->update)
		t->ops->update(t, leaf);
}

/* The shift of a root that reaches index. */
static unsigned int shift_for(unsigned long index)
{
	unsigned int shift = 0;

	while (shift + RADIX_SHIFT < 64 && index >> (shift + RADIX_SHIFT))
		shift += RADIX_SHIFT;
	return shift;
}

/* How many nodes insertion at index needs: new roots, then the missing way down. */
static unsigned int nodes_needed(const struct radix_tree *t, unsigned long index)
{
	const struct radix_node *node = t->root;
	unsigned int needed = 0;

	if (!node)
		return shift_for(index) / RADIX_SHIFT + 1;
	if (beyond(node, index)) {
		unsigned int top = shift_for(index);

		/* Roots from just above the old one to top, then all from top down. */
		return (top - node->shift) / RADIX_SHIFT + top / RADIX_SHIFT;
	}
	while (node->shift) {
		const struct radix_node *child = node->slots[slot_of(node, index)];

		if (!child) {
			needed = node->shift / RADIX_SHIFT;
			break;
		}
		node = child;
	}
	return needed;
}

/* Puts new roots above the old one, which becomes slot 0 of the lowest, until index is reached. */
static void grow(struct radix_tree *t, unsigned long index, struct radix_preload *pl)
{
	while (beyond(t->root, index)) {
		struct radix_node *old = t->root;
		struct radix_node *root = take_node(pl, old->shift + RADIX_SHIFT);

		root->slots[0] = old;
		root->count = 1;
		for (int tag = 0; tag < RADIX_NR_TAGS; tag++)
			root->tags[tag] = old->tags[tag] != 0;
		old->parent = root;
		old->offset = 0;
		t->root = root;
	}
}

int radix_insert(struct radix_tree *t, unsigned long index, void *entry, struct radix_preload *pl)
{
	struct radix_node *node = find_leaf(t, index);

	assert(entry);
	if (!node) {
		unsigned int needed = nodes_needed(t, index);

		if (!pl || pl->nr < needed) {
			if (pl)
				pl->want = needed;
			return -EAGAIN;
		}
		if (!t->root)
			t->root = take_node(pl, shift_for(index));
		grow(t, index, pl);
		for (node = t->root; node->shift;) {
			unsigned int i = slot_of(node, index);
			struct radix_node *child = node->slots[i];

			if (!child) {
				child = take_node(pl, node->shift - RADIX_SHIFT);
				child->parent = node;
				child->offset = (u8)i;
				node->slots[i] = child;
				node->count++;
			}
			node = child;
		}
	}
	if (node->slots[index & RADIX_MASK])
		return -EEXIST;
	node->slots[index & RADIX_MASK] = entry;
	node->count++;
	t->nr_entries++;
	if (radix_is_value(entry)) {
		node->nr_values++;
		t->nr_values++;
	}
	changed(t, node);
	return 0;
}

void *radix_replace(struct radix_tree *t, unsigned long index, void *entry)
{
	struct radix_node *leaf = find_leaf(t, index);
	void *old;
	int delta;

	assert(entry && leaf && leaf->slots[index & RADIX_MASK]);
	old = leaf->slots[index & RADIX_MASK];
	leaf->slots[index & RADIX_MASK] = entry;
	delta = (int)radix_is_value(entry) - (int)radix_is_value(old);
	leaf->nr_values = (u8)(leaf->nr_values + delta);
	t->nr_values += (unsigned long)(long)delta;
	changed(t, leaf);
	return old;
}

/* ---- tags ---- */

static void set_tag(struct radix_node *node, unsigned int i, int tag)
{
	while (node) {
		bool had = node->tags[tag] != 0;

		node->tags[tag] |= 1ULL << i;
		if (had) /* then all above know already */
			break;
		i = node->offset;
		node = node->parent;
	}
}

static void clear_tag(struct radix_node *node, unsigned int i, int tag)
{
	while (node) {
		if (!(node->tags[tag] & 1ULL << i))
			break;
		node->tags[tag] &= ~(1ULL << i);
		if (node->tags[tag])
			break;
		i = node->offset;
		node = node->parent;
	}
}

void radix_tag_set(struct radix_tree *t, unsigned long index, enum radix_tag tag)
{
	struct radix_node *leaf = find_leaf(t, index);

	if (leaf && leaf->slots[index & RADIX_MASK])
		set_tag(leaf, index & RADIX_MASK, (int)tag);
}

void radix_tag_clear(struct radix_tree *t, unsigned long index, enum radix_tag tag)
{
	struct radix_node *leaf = find_leaf(t, index);

	if (leaf)
		clear_tag(leaf, index & RADIX_MASK, (int)tag);
}

bool radix_tag_get(const struct radix_tree *t, unsigned long index, enum radix_tag tag)
{
	struct radix_node *leaf = find_leaf(t, index);

	return leaf && (leaf->tags[tag] >> (index & RADIX_MASK) & 1);
}

/* ---- erasing ---- */

/* Frees node and its ancestors as far as they are empty. */
static void free_empty(struct radix_tree *t, struct radix_node *node)
{
	while (node && !node->count) {
		struct radix_node *parent = node->parent;

		if (parent) {
			parent->slots[node->offset] = NULL;
			parent->count--;
		} else {
			t->root = NULL;
		}
		t->ops->node_free(node);
		node = parent;
	}
}

/* A root with nothing but its slot 0 is not needed. */
static void shrink(struct radix_tree *t)
{
	struct radix_node *root;

	while ((root = t->root) && root->shift && root->count == 1 && root->slots[0]) {
		t->root = root->slots[0];
		t->root->parent = NULL;
		t->root->offset = 0;
		t->ops->node_free(root);
	}
}

void *radix_erase(struct radix_tree *t, unsigned long index)
{
	struct radix_node *leaf = find_leaf(t, index);
	void *old = leaf ? leaf->slots[index & RADIX_MASK] : NULL;

	if (!old)
		return NULL;
	for (int tag = 0; tag < RADIX_NR_TAGS; tag++)
		clear_tag(leaf, index & RADIX_MASK, tag);
	leaf->slots[index & RADIX_MASK] = NULL;
	leaf->count--;
	t->nr_entries--;
	if (radix_is_value(old)) {
		leaf->nr_values--;
		t->nr_values--;
	}
	changed(t, leaf);
	if (!leaf->count)
		free_empty(t, leaf);
	shrink(t);
	return old;
}

void radix_erase_leaf(struct radix_tree *t, struct radix_node *leaf)
{
	assert(!leaf->shift && leaf->count == leaf->nr_values);
	for (int tag = 0; tag < RADIX_NR_TAGS; tag++)
		assert(!leaf->tags[tag]);
	t->nr_entries -= leaf->count;
	t->nr_values -= leaf->count;
	leaf->count = leaf->nr_values = 0;
	changed(t, leaf);
	free_empty(t, leaf);
	shrink(t);
}

/* ---- checking ---- */

static void check_node(const struct radix_node *node, unsigned long *entries, unsigned long *values)
{
	unsigned int count = 0, nr_values = 0;

	assert(node->count > 0 && node->shift % RADIX_SHIFT == 0);
	for (unsigned int i = 0; i < RADIX_SLOTS; i++) {
		const struct radix_node *child = node->slots[i];

		for (int tag = 0; tag < RADIX_NR_TAGS; tag++) {
			bool tagged = node->tags[tag] >> i & 1;

			if (node->shift)
				assert(tagged == (child && child->tags[tag] != 0));
			else
				assert(!tagged || child);
		}
		if (!child)
			continue;
		count++;
		if (node->shift) {
			assert(child->parent == node && child->offset == i);
			assert(child->shift == node->shift - RADIX_SHIFT);
			check_node(child, entries, values);
		} else {
			nr_values += radix_is_value(child);
		}
	}
	assert(count == node->count && nr_values == node->nr_values);
	if (!node->shift) {
		*entries += count;
		*values += nr_values;
	}
}

void radix_check(const struct radix_tree *t)
{
	unsigned long entries = 0, values = 0;

	if (t->root) {
		assert(!t->root->parent && !t->root->offset);
		assert(!t->root->shift || t->root->count > 1 || !t->root->slots[0]);
		check_node(t->root, &entries, &values);
	}
	assert(entries == t->nr_entries && values == t->nr_values);
}
