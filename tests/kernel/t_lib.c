/* SPDX-License-Identifier: MIT */
/* The leaf code: trees, bitmaps, strings, numbers, printf. */
#include <kernel/lib/bitmap.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/kallsyms.h>
#include <kernel/lib/list.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/radix.h>
#include <kernel/lib/random.h>
#include <kernel/lib/rbtree.h>
#include <kernel/lib/string.h>
#include <mm/slab.h>
#include <tests/kernel/ktest.h>

/* ---- red-black trees ---- */

struct rb_item {
	struct rb_node rb;
	unsigned long key, value, subtree_max;
	bool in;
};

static unsigned long item_max(struct rb_item *i)
{
	unsigned long m = i->value;

	if (i->rb.rb_left)
		m = max(m, rb_entry(i->rb.rb_left, struct rb_item, rb)->subtree_max);
	if (i->rb.rb_right)
		m = max(m, rb_entry(i->rb.rb_right, struct rb_item, rb)->subtree_max);
	return m;
}

RB_DECLARE_CALLBACKS(static, item_augment, struct rb_item, rb, subtree_max, item_max);

static void item_insert(struct rb_root *root, struct rb_item *item)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = item->key < rb_entry(parent, struct rb_item, rb)->key ? &parent->rb_left :
									       &parent->rb_right;
	}
	rb_link_node(&item->rb, parent, link);
	item->subtree_max = item->value;
	item_augment.propagate(parent, NULL);
	rb_insert_augmented(&item->rb, root, &item_augment);
	item->in = true;
}

/* The black height, or -1 for a broken rule. */
static int check_subtree(const struct rb_node *n)
{
	const struct rb_node *parent;
	int left, right;
	bool red;

	if (!n)
		return 0;
	parent = rb_parent(n);
	red = !(n->__rb_parent_color & 1);
	if (red && (!parent || !(parent->__rb_parent_color & 1)))
		return -1;
	if (rb_entry(n, struct rb_item, rb)->subtree_max !=
	    item_max((struct rb_item *)rb_entry(n, struct rb_item, rb)))
		return -1;
	left = check_subtree(n->rb_left);
	right = check_subtree(n->rb_right);
	return left < 0 || left != right ? -1 : left + !red;
}

#define RB_ITEMS 200

KTEST(lib, rbtree_random, "a rotation or a recolouring that breaks order, balance or augmentation")
{
	struct rb_item *items = kzalloc(RB_ITEMS * sizeof(*items), GFP_KERNEL);
	struct rb_root root = RB_ROOT;
	unsigned int in_tree = 0;

	CHECK(items);
	for (int step = 0; step < 4000; step++) {
		struct rb_item *item = &items[ktest_random_below(RB_ITEMS)];

		if (item->in) {
			rb_erase_augmented(&item->rb, &root, &item_augment);
			item->in = false;
			in_tree--;
		} else {
			item->key = ktest_random_below(100);
			item->value = ktest_random();
			item_insert(&root, item);
			in_tree++;
		}
		if (step % 50 == 0) {
			unsigned long last = 0;
			unsigned int n = 0;
			struct rb_item *i;

			EXPECT(check_subtree(root.rb_node) >= 0);
			rb_for_each_entry(i, &root, rb) {
				EXPECT(i->key >= last);
				last = i->key;
				n++;
			}
			EXPECT_EQ(n, in_tree);
		}
	}
	kfree(items);
}

/* ---- the page cache's tree ---- */

static struct radix_node *test_node_alloc(gfp_t gfp)
{
	return kmalloc(sizeof(struct radix_node), gfp);
}

static void test_node_free(struct radix_node *node)
{
	kfree(node);
}

static const struct radix_tree_ops test_radix_ops = {.node_alloc = test_node_alloc,
						     .node_free = test_node_free};

static int radix_put(struct radix_tree *t, unsigned long index, void *entry)
{
	struct radix_preload pl = RADIX_PRELOAD_INIT;
	int err;

	for (;;) {
		err = radix_insert(t, index, entry, &pl);
		if (err != -EAGAIN)
			break;
		err = radix_preload(t, &pl, GFP_KERNEL);
		if (err)
			break;
	}
	radix_preload_end(t, &pl);
	return err;
}

#define RADIX_ITEMS 300

struct radix_model {
	unsigned long index;
	bool in, tag[RADIX_NR_TAGS];
};

static unsigned long scattered_index(unsigned int i)
{
	switch (i % 4) {
	case 0:
		return i;
	case 1:
		return i * 1000003UL;
	case 2:
		return ~0UL - i;
	default:
		return ktest_random() | i;
	}
}

/* The first index >= from that is in (tag < 0) or tagged, by looking at them all. */
static bool model_next(const struct radix_model *m, unsigned long from, int tag,
		       unsigned long *index)
{
	bool found = false;

	for (unsigned int i = 0; i < RADIX_ITEMS; i++)
		if (m[i].in && (tag < 0 || m[i].tag[tag]) && m[i].index >= from &&
		    (!found || m[i].index < *index)) {
			*index = m[i].index;
			found = true;
		}
	return found;
}

static void radix_step(struct radix_tree *t, struct radix_model *all)
{
	struct radix_model *m = &all[ktest_random_below(RADIX_ITEMS)];
	int tag = (int)ktest_random_below(RADIX_NR_TAGS);
	unsigned long from = ktest_random_below(2) ? m->index : 0, want = 0, got = from;

	switch (ktest_random_below(6)) {
	case 0:
	case 1:
		EXPECT_EQ(radix_put(t, m->index, radix_mk_value(m->index >> 1)),
			  m->in ? -EEXIST : 0);
		m->in = true;
		break;
	case 2:
		EXPECT_EQ(radix_erase(t, m->index) != NULL, m->in);
		m->in = m->tag[0] = m->tag[1] = false;
		break;
	case 3:
		radix_tag_set(t, m->index, tag);
		m->tag[tag] |= m->in;
		break;
	case 4:
		radix_tag_clear(t, m->index, tag);
		m->tag[tag] = false;
		break;
	case 5:
		EXPECT_EQ(radix_lookup(t, m->index) != NULL, m->in);
		EXPECT_EQ(radix_tag_get(t, m->index, tag), m->tag[tag]);
		EXPECT_EQ(radix_next(t, &got) != NULL, model_next(all, from, -1, &want));
		if (want)
			EXPECT_EQ(got, want);
		got = from;
		want = 0;
		EXPECT_EQ(radix_next_tagged(t, &got, tag) != NULL,
			  model_next(all, from, tag, &want));
		if (want)
			EXPECT_EQ(got, want);
		break;
	}
}

KTEST(lib, radix_random, "an entry or a tag lost, or found again, when nodes come and go")
{
	struct radix_model *m = kzalloc(RADIX_ITEMS * sizeof(*m), GFP_KERNEL);
	struct radix_tree t;

	CHECK(m);
	radix_tree_init(&t, &test_radix_ops);
	for (unsigned int i = 0; i < RADIX_ITEMS; i++)
		m[i].index = scattered_index(i);
	for (int step = 0; step < 5000 && !ktest_failed(); step++) {
		radix_step(&t, m);
		if (step % 100 == 0)
			radix_check(&t);
	}
	for (unsigned int i = 0; i < RADIX_ITEMS; i++)
		radix_erase(&t, m[i].index);
	EXPECT(radix_empty(&t));
	EXPECT_EQ(t.nr_entries, 0);
	kfree(m);
}

KTEST(lib, radix_needs_no_memory, "an allocation under the tree's lock")
{
	struct radix_tree t;
	struct radix_preload pl = RADIX_PRELOAD_INIT;
	static int thing __aligned(8);

	radix_tree_init(&t, &test_radix_ops);
	EXPECT_EQ(radix_insert(&t, 5, &thing, NULL), -EAGAIN);
	EXPECT_EQ(radix_insert(&t, 5, &thing, &pl), -EAGAIN);
	EXPECT_EQ(pl.want, 1);
	EXPECT_EQ(radix_put(&t, 5, &thing), 0);
	EXPECT_EQ(radix_insert(&t, 6, &thing, NULL), 0);
	/* growing by two levels, and down again on another way */
	EXPECT_EQ(radix_insert(&t, 64 * 64, &thing, &pl), -EAGAIN);
	EXPECT_EQ(pl.want, 4);
	EXPECT(radix_replace(&t, 6, radix_mk_value(7)) == &thing);
	EXPECT_EQ(t.nr_values, 1);
	EXPECT_EQ(radix_to_value(radix_erase(&t, 6)), 7);
	EXPECT(radix_erase(&t, 5) == &thing);
	EXPECT(radix_empty(&t));
}

/* ---- the rest ---- */

KTEST(lib, bitmap, "an edge at a word boundary that is off by one")
{
	unsigned long map[4] = {[0] = 0xfUL << 60, [1] = 0x3f};

	EXPECT_EQ(find_first_bit(map, 200), 60);
	EXPECT_EQ(find_last_bit(map, 200), 69);
	EXPECT_EQ(find_next_zero_bit(map, 200, 60), 70);
	map[0] &= ~BIT(63);
	map[1] &= ~BIT(0);
	EXPECT_EQ(find_next_bit(map, 200, 63), 65);
	EXPECT_EQ(find_next_bit(map, 200, 200), 200);
	EXPECT_EQ(find_next_bit(map, 200, 70), 200);
}

KTEST(lib, memory, "memmove over itself, in either direction and at any distance")
{
	u8 buf[96], want[96];

	for (unsigned int from = 0; from < 24; from++)
		for (unsigned int to = 0; to < 24; to++)
			for (unsigned int n = 0; n < 40; n += 7) {
				for (unsigned int i = 0; i < sizeof(buf); i++)
					buf[i] = want[i] = (u8)(i * 7);
				for (unsigned int i = 0; i < n; i++)
					want[to + i] = (u8)((from + i) * 7);
				memmove(buf + to, buf + from, n);
				CHECK(memcmp(buf, want, sizeof(buf)) == 0);
			}
	memset(buf, 0xa5, sizeof(buf));
	EXPECT(!memchr_inv(buf, 0xa5, sizeof(buf)));
	buf[77] = 0;
	EXPECT(memchr_inv(buf, 0xa5, sizeof(buf)) == &buf[77]);
	EXPECT(memchr(buf, 0, sizeof(buf)) == &buf[77]);
}

KTEST(lib, strings, "a terminator that is missing or one too far")
{
	char buf[8], words[] = "a,,bc", *p = words;

	EXPECT_EQ(strscpy(buf, "seven77", sizeof(buf)), 7);
	EXPECT_EQ(strscpy(buf, "eight888", sizeof(buf)), -E2BIG);
	EXPECT(strcmp(buf, "eight88") == 0);
	EXPECT_EQ(strnlen(buf, 3), 3);
	EXPECT_EQ(strnlen(buf, 7), 7);
	EXPECT_EQ(strnlen(buf, 8), 7);
	EXPECT(strcmp(strsep(&p, ","), "a") == 0);
	EXPECT(strcmp(strsep(&p, ","), "") == 0);
	EXPECT(strcmp(strsep(&p, ","), "bc") == 0);
	EXPECT(!strsep(&p, ","));
	EXPECT(strstr("the page cache", "page"));
	EXPECT(!strstr("the page cache", "pages"));
	EXPECT(!strchr("abc", 'd') && *strchr("abc", 0) == 0);
}

KTEST(lib, numbers, "an overflow or trailing rubbish that is taken for a number")
{
	unsigned long long ul;
	long l;
	int i;

	EXPECT_EQ(kstrtoull("18446744073709551615\n", 10, &ul), 0);
	EXPECT(ul == ~0UL);
	EXPECT_EQ(kstrtoull("18446744073709551616", 10, &ul), -ERANGE);
	EXPECT_EQ(kstrtoull("12x", 10, &ul), -EINVAL);
	EXPECT_EQ(kstrtoull("", 10, &ul), -EINVAL);
	EXPECT_EQ(kstrtoull("-1", 10, &ul), -EINVAL);
	EXPECT_EQ(kstrtol("-9223372036854775808", 10, &l), 0);
	EXPECT_EQ(l, INT64_MIN);
	EXPECT_EQ(kstrtoint("2147483648", 10, &i), -ERANGE);
	EXPECT_EQ(kstrtol("0x1f", 0, &l), 0);
	EXPECT_EQ(l, 31);
	EXPECT_EQ(kstrtol("017", 0, &l), 0);
	EXPECT_EQ(l, 15);
	EXPECT_EQ(memparse("64M", NULL), 64UL << 20);
	EXPECT_EQ(memparse("1g", NULL), 1UL << 30);
}

static __noinline void expect_format(const char *want, const char *fmt, ...)
{
	char buf[64];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (strcmp(buf, want) != 0 || n != (int)strlen(want))
		ktest_fail(__FILE__, __LINE__, "\"%s\" gave \"%s\", expected \"%s\"", fmt, buf,
			   want);
}

KTEST(lib, printf, "a width, a sign or a cut that /proc's readers would stumble over")
{
	char buf[4];

	expect_format("[   42|-42  |-0042|+7]", "[%5d|%-5d|%05d|%+d]", 42, -42, -42, 7);
	expect_format("ff 0xff FF 377 0", "%x %#x %X %o %x", 255, 255, 255, 255, 0);
	expect_format("ffffffffffffffff -1 44", "%lx %ld %hhd", ~0UL, -1L, 300);
	expect_format("     abc|xy      |c|%|(null)", "%8.3s|%-8s|%c|%%|%s", "abcdef", "xy", 'c',
		      (char *)NULL);
	expect_format("     9|hel|00007f00", "%*d|%.*s|%08lx", 6, 9, 3, "hello", 0x7f00UL);
	expect_format("00000000deadbeef", "%p", (void *)0xdeadbeefUL);
	EXPECT_EQ(snprintf(buf, sizeof(buf), "%s", "toolong"), 7);
	EXPECT(strcmp(buf, "too") == 0);
	EXPECT_EQ(scnprintf(buf, sizeof(buf), "%s", "toolong"), 3);
	EXPECT_EQ(snprintf(NULL, 0, "%d", 12345), 5);
}

KTEST(lib, kallsyms, "a backtrace that names the neighbour")
{
	unsigned long offset, size, addr = (unsigned long)strscpy;
	const char *name = kallsyms_lookup(addr + 1, &offset, &size);

	CHECK(name);
	EXPECT(strcmp(name, "strscpy") == 0);
	EXPECT_EQ(offset, 1);
	EXPECT(!kallsyms_lookup(0x1000, NULL, NULL));
}

KTEST(lib, random, "a generator that repeats itself or is stuck")
{
	u8 a[100], b[100];
	unsigned int ones = 0;

	get_random_bytes(a, sizeof(a));
	get_random_bytes(b, sizeof(b));
	EXPECT(memcmp(a, b, sizeof(a)) != 0);
	for (size_t i = 0; i < 8 * sizeof(a); i++)
		ones += a[i / 8] >> i % 8 & 1;
	EXPECT(ones > 300 && ones < 500); /* of 800; 7 standard deviations */
}
