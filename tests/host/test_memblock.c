/* SPDX-License-Identifier: MIT */
/* The real mm/memblock.c against one byte a page. */
#include <string.h>

#include <mm/memblock.h>
#include <tests/host/host.h>

#define PAGES    2048
#define RAM      1
#define RESERVED 2
#define PG       4096UL

static u8 model[PAGES];

/* Every page seen through next must be what want says, and no other. */
static void check_iterator(bool (*next)(paddr_t, paddr_t *, paddr_t *), pfn_t limit, u8 mask,
			   u8 want)
{
	u8 seen[PAGES] = {0};
	paddr_t s, e, last = 0;

	for (paddr_t from = 0; next(from, &s, &e); from = e) {
		CHECK(s >= last && s < e && e <= PAGES * PG);
		CHECK(s % PG == 0 && e % PG == 0);
		memset(seen + s / PG, 1, (e - s) / PG);
		last = e;
	}
	for (pfn_t i = 0; i < PAGES; i++)
		if (seen[i] != (i < limit && (model[i] & mask) == want))
			FAIL("page %lu: iterated %d, model %d", i, seen[i], model[i]);
}

static void check_all(pfn_t limit)
{
	check_iterator(memblock_next_ram, PAGES, RAM, RAM);
	check_iterator(memblock_next_memory, limit, RAM, RAM);
	check_iterator(memblock_next_free, limit, RAM | RESERVED, RAM);
}

static void model_set(paddr_t base, size_t size, bool inward, u8 set, u8 clear)
{
	pfn_t first = inward ? (base + PG - 1) / PG : base / PG;
	pfn_t end = inward ? (base + size) / PG : (base + size + PG - 1) / PG;

	for (pfn_t i = first; i < end; i++)
		model[i] = (model[i] & ~clear) | set;
}

/* The highest place from low on for n pages at that alignment, by trying all. */
static paddr_t model_alloc(pfn_t low, pfn_t limit, size_t n, size_t align)
{
	for (pfn_t start = limit - n; start > 0 && start >= low; start--) {
		size_t i = 0;

		if (start % align)
			continue;
		while (i < n && (model[start + i] & (RAM | RESERVED)) == RAM)
			i++;
		if (i == n)
			return start * PG;
	}
	return 0;
}

static size_t model_free(pfn_t first, pfn_t end)
{
	size_t n = 0;

	for (pfn_t i = first; i < end; i++)
		n += (model[i] & (RAM | RESERVED)) == RAM;
	return n;
}

/* Taken: RAM for the direct map, nothing for anybody else; and above the limit first. */
static void check_take(pfn_t limit)
{
	size_t n = 1 + rnd(30), align = 1UL << rnd(4), low = rnd(PAGES), keep = rnd(PAGES / 2);
	paddr_t got = memblock_take(n * PG, align * PG, low * PG, keep * PG);
	paddr_t want = model_alloc(low, PAGES, n, align);
	pfn_t first = want / PG;

	if (want &&
	    model_free(0, limit) < model_free(first, min(first + n, max(first, limit))) + keep)
		want = 0;
	CHECK_EQ(got, want);
	check_iterator(memblock_next_ram, PAGES, RAM, RAM);
	if (got)
		model_set(got, n * PG, true, 0, RAM);
	check_iterator(memblock_next_memory, limit, RAM, RAM);
	check_iterator(memblock_next_free, limit, RAM | RESERVED, RAM);
}

HOST_TEST(memblock, random, "a wrong merge or split of ranges, a block handed out twice or not RAM")
{
	for (unsigned long round = 0; round < rounds(300); round++) {
		pfn_t limit = PAGES;

		memblock_reset();
		memset(model, 0, sizeof(model));
		for (int op = 0; op < 60; op++) {
			/* odd bytes at the edges: RAM shrinks to whole pages, the rest grows */
			size_t size = rnd(8) ? rnd(40) * PG + rnd(PG) : rnd(3) * PG;
			paddr_t base = (u64)rnd(PAGES - 50) * PG + (rnd(2) ? rnd(PG) : 0);
			size_t n = 1 + rnd(8), align = 1UL << rnd(4);
			paddr_t got;

			switch (rnd(5)) {
			case 0:
			case 1:
				memblock_add(base, size);
				model_set(base, size, true, RAM, 0);
				break;
			case 2:
				memblock_remove(base, size);
				if (size)
					model_set(base, size, false, 0, RAM);
				break;
			case 3:
				memblock_reserve(base, size);
				if (size)
					model_set(base, size, false, RESERVED, 0);
				break;
			case 4:
				got = memblock_alloc(n * PG, align * PG);
				CHECK_EQ(got, model_alloc(0, limit, n, align));
				if (got)
					model_set(got, n * PG, true, RESERVED, 0);
				break;
			}
			if (!rnd(40)) {
				limit = 64 + rnd(PAGES - 64);
				memblock_set_limit(limit * PG);
			}
			check_all(limit);
		}
		check_take(limit);
	}
}

HOST_TEST(memblock, edges, "a range that wraps around the address space, or holds no whole page")
{
	paddr_t s, e;

	memblock_reset();
	memblock_add(100, 8000); /* no whole page */
	memblock_add(3 * PG, 0);
	CHECK(!memblock_next_ram(0, &s, &e));
	memblock_add(16 * PG, ~0UL);
	CHECK(memblock_next_ram(0, &s, &e) && s == 16 * PG && e > s);
	memblock_remove(32 * PG, ~0UL);
	CHECK(memblock_next_ram(0, &s, &e) && s == 16 * PG && e == 32 * PG);
	CHECK_EQ(memblock_memory_end(), 32 * PG);
	CHECK_EQ(memblock_memory_size(0, ~0UL), 16 * PG);
	memblock_reserve(20 * PG, PG);
	CHECK_EQ(memblock_free_size(18 * PG, 24 * PG), 5 * PG);
	CHECK_EQ(memblock_alloc(17 * PG, PG), 0);
}
