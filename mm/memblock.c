/* SPDX-License-Identifier: MIT */
/*
 * memblock: memory before there is an allocator.
 *
 * Problem. The firmware's map is unsorted, may overlap itself and may hold holes anywhere; page
 * tables and the page array have to be allocated from it before any allocator exists.
 *
 * Idea. Two lists of ranges, "RAM" and "reserved", each sorted and without overlap or adjacency.
 * Free memory is their difference, computed when it is asked for:
 *
 *	memory    [=========]    [==========================]
 *	reserved      [--]          [-----]              [-------]
 *	free      [==]    [=]    [=]       [============]
 *
 * Allocation is top-down, so that the scarce low zones stay free. What a device keeps for good (the
 * ramdisk) is "taken" from memory into a third list: mapped, but no part of what is managed.
 *
 * Invariants: for each list, regions[i].end < regions[i + 1].base; all bounds are whole pages.
 *
 * Locking: none, one CPU runs. The buddy takes the free ranges over once; afterwards the lists
 * only serve as a record.
 *
 * Simplified: fixed arrays. The firmware's map is at most 128 entries (boot/boot.h), and removing
 * one can split one, so 256 RAM ranges are enough; boot reserves a few dozen ranges.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/x86/pte.h>
#include <mm/memblock.h>

#define MAX_REGIONS 256

struct region {
	paddr_t base, end;
};

struct region_list {
	const char *name;
	unsigned int nr;
	struct region regions[MAX_REGIONS];
};

static struct region_list memory = {.name = "memory"};
static struct region_list reserved = {.name = "reserved"};
static struct region_list taken = {.name = "taken"}; /* RAM that nobody manages: memblock_take() */
static paddr_t memory_limit = ~0UL;
static paddr_t alloc_ceiling = ~0UL;

/* Makes room for n entries at i, or closes a gap of -n. */
static bool list_shift(struct region_list *l, unsigned int i, int n)
{
	if ((int)l->nr + n > MAX_REGIONS)
		return false;
	if (n < 0)
		memmove(&l->regions[i], &l->regions[i - n],
			(l->nr - i + n) * sizeof(struct region));
	else
		memmove(&l->regions[i + n], &l->regions[i], (l->nr - i) * sizeof(struct region));
	l->nr += n;
	return true;
}

static bool list_insert(struct region_list *l, paddr_t base, paddr_t end)
{
	unsigned int i = 0, j;

	while (i < l->nr && l->regions[i].end < base)
		i++;
	for (j = i; j < l->nr && l->regions[j].base <= end; j++) {
		base = min(base, l->regions[j].base);
		end = max(end, l->regions[j].end);
	}
	if (!list_shift(l, i, 1 - (int)(j - i)))
		return false;
	l->regions[i] = (struct region){base, end};
	return true;
}

static bool list_remove(struct region_list *l, paddr_t base, paddr_t end)
{
	for (unsigned int i = 0; i < l->nr; i++) {
		struct region *r = &l->regions[i];
		paddr_t old_end = r->end;

		if (r->end <= base || r->base >= end)
			continue;
		if (r->base < base && old_end > end) {
			if (!list_shift(l, i + 1, 1))
				return false;
			r->end = base;
			l->regions[i + 1] = (struct region){end, old_end};
			return true;
		}
		if (r->base < base)
			r->end = base;
		else if (old_end > end)
			r->base = end;
		else
			list_shift(l, i--, -1);
	}
	return true;
}

/* Nothing lies beyond: whole pages, and sums of them do not wrap. */
#define PADDR_TOP (PAGE_MASK - PAGE_SIZE)

/* The end of a range that may claim to go beyond the address space. */
static paddr_t range_end(paddr_t base, size_t size)
{
	return base > PADDR_TOP || size > PADDR_TOP - base ? PADDR_TOP : base + size;
}

void memblock_add(paddr_t base, size_t size)
{
	paddr_t end = PAGE_ALIGN_DOWN(range_end(base, size));

	base = base > PADDR_TOP ? PADDR_TOP : PAGE_ALIGN(base);
	if (base < end && !list_insert(&memory, base, end))
		pr_warn("memblock: too many ranges, RAM %lx-%lx is not used\n", base, end);
}

void memblock_remove(paddr_t base, size_t size)
{
	paddr_t end = PAGE_ALIGN(range_end(base, size));

	base = PAGE_ALIGN_DOWN(base);
	if (size && base < end && !list_remove(&memory, base, end))
		panic("memblock: too many ranges in the memory map");
}

void memblock_reserve(paddr_t base, size_t size)
{
	paddr_t end = PAGE_ALIGN(range_end(base, size));

	base = PAGE_ALIGN_DOWN(base);
	if (size && base < end && !list_insert(&reserved, base, end))
		panic("memblock: too many reserved ranges");
}

void memblock_set_limit(paddr_t limit)
{
	memory_limit = limit ? PAGE_ALIGN_DOWN(limit) : ~0UL;
}

void memblock_set_ceiling(paddr_t ceiling)
{
	alloc_ceiling = ceiling;
}

/* The highest aligned block of size bytes in [low, high) that is not reserved, or 0. */
static paddr_t find_top_down(paddr_t low, paddr_t high, size_t size, size_t align)
{
	for (unsigned int i = reserved.nr + 1; i-- > 0;) {
		/* the gap between reserved range i - 1 and i */
		paddr_t gap_low = i ? reserved.regions[i - 1].end : 0;
		paddr_t gap_high = i < reserved.nr ? reserved.regions[i].base : ~0UL;
		paddr_t start;

		gap_low = max(gap_low, low);
		gap_high = min(gap_high, high);
		if (gap_low >= gap_high || gap_high - gap_low < size)
			continue;
		start = ALIGN_DOWN(gap_high - size, align);
		if (start >= gap_low && start)
			return start;
	}
	return 0;
}

paddr_t memblock_alloc(size_t size, size_t align)
{
	paddr_t top = min(memory_limit, alloc_ceiling);

	assert(is_power_of_2(align) && align >= PAGE_SIZE);
	size = PAGE_ALIGN(size);
	for (unsigned int i = memory.nr; i-- > 0;) {
		struct region *r = &memory.regions[i];
		paddr_t start = find_top_down(r->base, min(r->end, top), size, align);

		if (start) {
			memblock_reserve(start, size);
			return start;
		}
	}
	return 0;
}

paddr_t memblock_take(size_t size, size_t align, paddr_t low, size_t keep)
{
	for (unsigned int i = memory.nr; i-- > 0;) {
		struct region *r = &memory.regions[i];
		paddr_t start = find_top_down(max(r->base, low), r->end, size, align);
		paddr_t end = start + size;

		if (!start)
			continue;
		if (memblock_free_size(0, ~0UL) < memblock_free_size(start, end) + keep ||
		    !list_insert(&taken, start, end))
			break;
		memblock_remove(start, size);
		return start;
	}
	return 0;
}

static bool list_next(const struct region_list *l, paddr_t from, paddr_t *start, paddr_t *end)
{
	for (unsigned int i = 0; i < l->nr; i++) {
		if (l->regions[i].end <= from)
			continue;
		*start = max(l->regions[i].base, from);
		*end = l->regions[i].end;
		return true;
	}
	return false;
}

bool memblock_next_ram(paddr_t from, paddr_t *start, paddr_t *end)
{
	bool found = list_next(&memory, from, start, end);
	paddr_t s, e;

	if (!list_next(&taken, from, &s, &e) || (found && *start < s))
		return found;
	*start = s;
	*end = e;
	return true;
}

bool memblock_next_memory(paddr_t from, paddr_t *start, paddr_t *end)
{
	if (!list_next(&memory, from, start, end) || *start >= memory_limit)
		return false;
	*end = min(*end, memory_limit);
	return true;
}

bool memblock_next_free(paddr_t from, paddr_t *start, paddr_t *end)
{
	while (memblock_next_memory(from, start, end)) {
		unsigned int i = 0;

		while (i < reserved.nr && reserved.regions[i].end <= *start)
			i++;
		if (i == reserved.nr || reserved.regions[i].base >= *end)
			return true;
		if (reserved.regions[i].base > *start) {
			*end = reserved.regions[i].base;
			return true;
		}
		from = reserved.regions[i].end;
	}
	return false;
}

static size_t sum_ranges(bool (*next)(paddr_t, paddr_t *, paddr_t *), paddr_t start, paddr_t end)
{
	size_t sum = 0;
	paddr_t s, e;

	for (; next(start, &s, &e) && s < end; start = e)
		sum += min(e, end) - s;
	return sum;
}

size_t memblock_memory_size(paddr_t start, paddr_t end)
{
	return sum_ranges(memblock_next_memory, start, end);
}

size_t memblock_free_size(paddr_t start, paddr_t end)
{
	return sum_ranges(memblock_next_free, start, end);
}

paddr_t memblock_memory_end(void)
{
	paddr_t last = 0, s, e;

	for (paddr_t from = 0; memblock_next_memory(from, &s, &e); from = e)
		last = e;
	return last;
}

#ifdef OCTAVO_HOST
void memblock_reset(void)
{
	memory.nr = reserved.nr = taken.nr = 0;
	memory_limit = alloc_ceiling = ~0UL;
}
#endif
