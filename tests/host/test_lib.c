/* SPDX-License-Identifier: MIT */
/* Trees, maps and bits of kernel/lib against arrays. */
#include <stdlib.h>
#include <string.h>

#include <kernel/lib/bitmap.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/radix.h>
#include <kernel/lib/rbtree.h>
#include <kernel/lib/string.h>
#include <tests/host/host.h>

/* ---- red-black trees, with the sum of each subtree as the augmented value ---- */

#define ITEMS 300

struct item {
	struct rb_node rb;
	unsigned long key, sum;
	bool in;
};
static struct item items[ITEMS];

static unsigned long item_sum(const struct item *i)
{
	const struct item *l = rb_entry_safe(i->rb.rb_left, struct item, rb);
	const struct item *r = rb_entry_safe(i->rb.rb_right, struct item, rb);

	return i->key + (l ? l->sum : 0) + (r ? r->sum : 0);
}
RB_DECLARE_CALLBACKS(static, sum_augment, struct item, rb, sum, item_sum);

/* Colours, order, parents and sums below n; returns the number of black nodes on each way down. */
static int check_subtree(const struct rb_node *n, bool red_parent, bool augmented)
{
	const struct item *i = rb_entry(n, struct item, rb);
	bool black;
	int l, r;

	if (!n)
		return 1;
	black = n->__rb_parent_color & 1;
	CHECK(black || !red_parent);
	if (n->rb_left)
		CHECK(rb_parent(n->rb_left) == n &&
		      rb_entry(n->rb_left, struct item, rb)->key <= i->key);
	if (n->rb_right)
		CHECK(rb_parent(n->rb_right) == n &&
		      rb_entry(n->rb_right, struct item, rb)->key >= i->key);
	if (augmented)
		CHECK_EQ(i->sum, item_sum(i));
	l = check_subtree(n->rb_left, !black, augmented);
	r = check_subtree(n->rb_right, !black, augmented);
	CHECK_EQ(l, r);
	return l + black;
}

static void check_tree(const struct rb_root *root, int nr, bool augmented)
{
	const struct item *prev = NULL;
	struct item *i;
	int n = 0;

	if (root->rb_node)
		CHECK(!rb_parent(root->rb_node) && root->rb_node->__rb_parent_color & 1);
	check_subtree(root->rb_node, false, augmented);
	rb_for_each_entry(i, root, rb) {
		CHECK(i->in && (!prev || prev->key <= i->key));
		CHECK(rb_prev(&i->rb) == (prev ? &prev->rb : NULL));
		prev = i;
		n++;
	}
	CHECK_EQ(n, nr);
	CHECK(rb_last(root) == (prev ? &prev->rb : NULL));
}

static void item_insert(struct rb_root *root, struct item *i, bool augmented)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = i->key < rb_entry(parent, struct item, rb)->key ? &parent->rb_left :
									 &parent->rb_right;
	}
	rb_link_node(&i->rb, parent, link);
	if (!augmented) {
		rb_insert_color(&i->rb, root);
		return;
	}
	i->sum = i->key;
	sum_augment.propagate(parent, NULL);
	rb_insert_augmented(&i->rb, root, &sum_augment);
}

static void random_tree(bool augmented)
{
	struct rb_root root = RB_ROOT;
	int nr = 0;

	memset(items, 0, sizeof(items));
	for (unsigned long n = 0; n < rounds(20000); n++) {
		struct item *i = &items[rnd(ITEMS)];

		if (!i->in) {
			i->key = rnd(500);
			i->in = true;
			nr++;
			item_insert(&root, i, augmented);
		} else {
			i->in = false;
			nr--;
			if (augmented)
				rb_erase_augmented(&i->rb, &root, &sum_augment);
			else
				rb_erase(&i->rb, &root);
		}
		check_tree(&root, nr, augmented);
	}
}

HOST_TEST(rbtree, random, "a rotation or recolouring that breaks order, balance or a parent link")
{
	random_tree(false);
}

HOST_TEST(rbtree, augmented, "a rotation, insertion or removal that leaves a stale augmented value")
{
	random_tree(true);
}

/* ---- the page cache's tree ---- */

#define KEYS 400
static struct {
	unsigned long index;
	void *entry;
	bool tag[RADIX_NR_TAGS];
} model[KEYS];
static long live_nodes;
static unsigned int node_fail; /* one in so many allocations fails */

static struct radix_node *node_alloc(gfp_t gfp)
{
	struct radix_node *n;

	(void)gfp;
	if (node_fail && !rnd(node_fail))
		return NULL;
	n = malloc(sizeof(*n));
	memset(n, 0xa5, sizeof(*n));
	live_nodes++;
	return n;
}
static void node_free(struct radix_node *n)
{
	live_nodes--;
	free(n);
}
/* Linked: exactly the leaves with nothing but values. */
static void node_update(struct radix_tree *t, struct radix_node *leaf)
{
	bool only = leaf->count && leaf->count == leaf->nr_values;

	leaf->link.next = only ? &leaf->link : NULL;
	leaf->tree = t;
}
static const struct radix_tree_ops node_ops = {node_alloc, node_free, node_update};

static struct radix_node *leaf_of(const struct radix_tree *t, unsigned long index)
{
	struct radix_node *n = t->root;

	if (n && n->shift < 58 && index >> n->shift >> RADIX_SHIFT)
		return NULL;
	while (n && n->shift)
		n = n->slots[index >> n->shift & (RADIX_SLOTS - 1)];
	return n;
}

static void *random_entry(void)
{
	static u64 objects[64];

	return rnd(4) ? (void *)&objects[rnd(64)] : radix_mk_value(rnd64() >> 1);
}

static void radix_put(struct radix_tree *t, int k)
{
	struct radix_preload pl = RADIX_PRELOAD_INIT;
	void *entry = random_entry();
	int err;

	for (;;) {
		err = radix_insert(t, model[k].index, entry, &pl);
		if (err != -EAGAIN)
			break;
		err = radix_preload(t, &pl, 0);
		if (err)
			break;
	}
	radix_preload_end(t, &pl);
	if (model[k].entry) {
		CHECK(err == -EEXIST || err == -ENOMEM);
		return;
	}
	CHECK(err == 0 || (err == -ENOMEM && node_fail));
	if (!err)
		model[k].entry = entry;
	memset(model[k].tag, 0, sizeof(model[k].tag));
}

static int by_index(const void *a, const void *b)
{
	const unsigned long *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void check_radix(const struct radix_tree *t)
{
	unsigned long index = 0, nr = 0, values = 0;
	void *e;

	radix_check(t);
	for (int k = 0; k < KEYS; k++) {
		CHECK(radix_lookup(t, model[k].index) == model[k].entry);
		for (int tag = 0; tag < RADIX_NR_TAGS; tag++)
			CHECK_EQ(radix_tag_get(t, model[k].index, tag),
				 model[k].entry && model[k].tag[tag]);
		nr += model[k].entry != NULL;
		values += radix_is_value(model[k].entry);
		struct radix_node *leaf = leaf_of(t, model[k].index);
		CHECK(!leaf || !leaf->link.next == (leaf->count != leaf->nr_values));
	}
	CHECK_EQ(t->nr_entries, nr);
	CHECK_EQ(t->nr_values, values);
	/* model[] is sorted */
	for (int k = 0; k < KEYS; k++) {
		if (!model[k].entry)
			continue;
		e = radix_next(t, &index);
		CHECK(e == model[k].entry && index == model[k].index);
		if (index++ == ~0UL)
			return;
	}
	CHECK(!radix_next(t, &index));
}

static void check_tagged(const struct radix_tree *t, enum radix_tag tag)
{
	unsigned long index = 0;

	for (int k = 0; k < KEYS; k++) {
		if (!model[k].entry || !model[k].tag[tag])
			continue;
		CHECK(radix_next_tagged(t, &index, tag) == model[k].entry);
		CHECK_EQ(index, model[k].index);
		if (index++ == ~0UL)
			break;
	}
}

static void erase_leaf(struct radix_tree *t, struct radix_node *leaf, unsigned long at)
{
	if (!leaf || !leaf->link.next || leaf->tags[0] || leaf->tags[1])
		return;
	radix_erase_leaf(t, leaf);
	for (int k = 0; k < KEYS; k++)
		if (model[k].index / RADIX_SLOTS == at)
			model[k].entry = NULL;
}

HOST_TEST(radix, random, "a lost entry, a wrong height or neighbour, a stale tag, a leaked node")
{
	static unsigned long keys[KEYS];
	struct radix_tree t = RADIX_TREE_INIT(&node_ops);

	/* dense, sparse and at the very end */
	for (int k = 0; k < KEYS; k++)
		keys[k] = k < 150 ? (unsigned long)k :
			  k < 390 ? rnd64() >> rnd(60) | 256 :
				    ~0UL - (unsigned long)(KEYS - 1 - k);
	qsort(keys, KEYS, sizeof(keys[0]), by_index);
	for (int k = 0; k < KEYS; k++)
		model[k].index = k && keys[k] <= model[k - 1].index ? model[k - 1].index + 1 :
								      keys[k];
	for (unsigned long n = 0; n < rounds(200000); n++) {
		int k = (int)rnd(KEYS), tag = (int)rnd(RADIX_NR_TAGS);
		void *e;

		node_fail = n % 7 ? 0 : 3;
		switch (rnd(7)) {
		case 0:
		case 1:
			radix_put(&t, k);
			break;
		case 2:
			CHECK(radix_erase(&t, model[k].index) == model[k].entry);
			model[k].entry = NULL;
			break;
		case 3:
			if (!model[k].entry)
				break;
			e = random_entry();
			CHECK(radix_replace(&t, model[k].index, e) == model[k].entry);
			model[k].entry = e;
			break;
		case 4:
			radix_tag_set(&t, model[k].index, tag);
			model[k].tag[tag] = true;
			break;
		case 5:
			radix_tag_clear(&t, model[k].index, tag);
			model[k].tag[tag] = false;
			break;
		case 6:
			erase_leaf(&t, leaf_of(&t, model[k].index), model[k].index / RADIX_SLOTS);
			break;
		}
		if (!model[k].entry)
			memset(model[k].tag, 0, sizeof(model[k].tag));
		if (n % 100 == 0) {
			check_radix(&t);
			check_tagged(&t, (enum radix_tag)tag);
		}
	}
	for (int k = 0; k < KEYS; k++)
		radix_erase(&t, model[k].index);
	CHECK(radix_empty(&t));
	CHECK_EQ(live_nodes, 0);
}

/* ---- bits ---- */

HOST_TEST(bitmap, random, "a search that misses a bit, or finds one beyond the end")
{
	unsigned long map[6] = {0};
	u8 bits[333] = {0};

	for (unsigned long n = 0; n < rounds(20000); n++) {
		unsigned long bit = rnd(333), from = rnd(340), set, zero;

		bits[bit] ^= 1;
		map[bit / 64] ^= 1UL << bit % 64;
		for (set = from; set < 333 && !bits[set]; set++)
			;
		for (zero = from; zero < 333 && bits[zero]; zero++)
			;
		CHECK_EQ(find_next_bit(map, 333, from), min(set, 333UL));
		CHECK_EQ(find_next_zero_bit(map, 333, from), min(zero, 333UL));
		for (set = 333; set > 0 && !bits[set - 1]; set--)
			;
		CHECK_EQ(find_last_bit(map, 333), set ? set - 1 : 333);
	}
}

/* ---- strings ---- */

HOST_TEST(string, numbers, "an overflow, a sign or a trailing letter that passes for a number")
{
	unsigned long long ul;
	long l;
	int i;
	char *end;

	CHECK(kstrtoull("18446744073709551615\n", 10, &ul) == 0 && ul == ~0UL);
	CHECK_EQ(kstrtoull("18446744073709551616", 10, &ul), -ERANGE);
	CHECK_EQ(kstrtoull("12x", 10, &ul), -EINVAL);
	CHECK_EQ(kstrtoull("", 0, &ul), -EINVAL);
	CHECK_EQ(kstrtoull("-1", 0, &ul), -EINVAL);
	CHECK(kstrtoull("0x1fF", 0, &ul) == 0 && ul == 0x1ff);
	CHECK(kstrtol("-9223372036854775808", 10, &l) == 0 && l == INT64_MIN);
	CHECK_EQ(kstrtol("9223372036854775808", 10, &l), -ERANGE);
	CHECK_EQ(kstrtoint("2147483648", 10, &i), -ERANGE);
	CHECK_EQ(memparse("16M,", &end), 16ULL << 20);
	CHECK(*end == ',');
}

HOST_TEST(string, memchr_inv, "poison that is checked only in part")
{
	u8 buf[100];

	for (unsigned int n = 1; n < sizeof(buf); n++)
		for (unsigned int bad = 0; bad < n; bad++) {
			memset(buf, 0x6b, sizeof(buf));
			CHECK(!memchr_inv(buf, 0x6b, n));
			buf[bad] ^= 1u << rnd(8);
			CHECK(memchr_inv(buf, 0x6b, n) == &buf[bad]);
		}
}
