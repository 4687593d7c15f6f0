/* SPDX-License-Identifier: MIT */
/*
 * Arrays of bits. Not atomic: the caller holds whatever guards the map (atomic single bits are in
 * atomic.h). find_* return the size when there is none.
 */
#pragma once

#include <kernel/lib/atomic.h>
#include <kernel/lib/types.h>

#define BITS_PER_LONG              64
#define BITS_TO_LONGS(n)           DIV_ROUND_UP(n, BITS_PER_LONG)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]

/* The first bit from start on that is set in (word ^ invert). */
static inline unsigned long __find_next(const unsigned long *map, unsigned long size,
					unsigned long start, unsigned long invert)
{
	if (start >= size)
		return size;
	unsigned long i = start / BITS_PER_LONG;
	unsigned long word = (map[i] ^ invert) & (~0UL << (start % BITS_PER_LONG));
	while (!word) {
		if (++i * BITS_PER_LONG >= size)
			return size;
		word = map[i] ^ invert;
	}
	unsigned long bit = i * BITS_PER_LONG + (unsigned long)__builtin_ctzl(word);
	return bit < size ? bit : size;
}
static inline unsigned long find_next_bit(const unsigned long *map, unsigned long size,
					  unsigned long start)
{
	return __find_next(map, size, start, 0);
}
static inline unsigned long find_next_zero_bit(const unsigned long *map, unsigned long size,
					       unsigned long start)
{
	return __find_next(map, size, start, ~0UL);
}
static inline unsigned long find_first_bit(const unsigned long *map, unsigned long size)
{
	return find_next_bit(map, size, 0);
}
static inline unsigned long find_first_zero_bit(const unsigned long *map, unsigned long size)
{
	return find_next_zero_bit(map, size, 0);
}
/* The highest set bit, or size. */
static inline unsigned long find_last_bit(const unsigned long *map, unsigned long size)
{
	for (unsigned long i = BITS_TO_LONGS(size); i-- > 0;) {
		unsigned long word = map[i];

		if (i == size / BITS_PER_LONG && size % BITS_PER_LONG)
			word &= (1UL << (size % BITS_PER_LONG)) - 1;
		if (word)
			return i * BITS_PER_LONG + ilog2(word);
	}
	return size;
}
#define for_each_set_bit(bit, map, size)                        \
	for ((bit) = find_first_bit(map, size); (bit) < (size); \
	     (bit) = find_next_bit(map, size, (bit) + 1))

static inline void bitmap_zero(unsigned long *map, unsigned long size)
{
	for (unsigned long i = 0; i < BITS_TO_LONGS(size); i++)
		map[i] = 0;
}
/* The bits of word number i that lie in [start, start + n). */
static inline unsigned long __bitmap_mask(unsigned long i, unsigned long start, unsigned long n)
{
	unsigned long base = i * BITS_PER_LONG, end = start + n, mask = ~0UL;

	if (start > base)
		mask &= ~0UL << (start - base);
	if (end < base + BITS_PER_LONG)
		mask &= (1UL << (end - base)) - 1;
	return mask;
}
static inline void bitmap_set(unsigned long *map, unsigned long start, unsigned long n)
{
	for (unsigned long i = start / BITS_PER_LONG; n && i <= (start + n - 1) / BITS_PER_LONG;
	     i++)
		map[i] |= __bitmap_mask(i, start, n);
}
static inline void bitmap_clear(unsigned long *map, unsigned long start, unsigned long n)
{
	for (unsigned long i = start / BITS_PER_LONG; n && i <= (start + n - 1) / BITS_PER_LONG;
	     i++)
		map[i] &= ~__bitmap_mask(i, start, n);
}
static inline bool bitmap_empty(const unsigned long *map, unsigned long size)
{
	return find_first_bit(map, size) == size;
}
static inline bool bitmap_full(const unsigned long *map, unsigned long size)
{
	return find_first_zero_bit(map, size) == size;
}
static inline unsigned long bitmap_weight(const unsigned long *map, unsigned long size)
{
	unsigned long n = 0;

	for (unsigned long i = 0; i < BITS_TO_LONGS(size); i++) {
		unsigned long w = map[i] & __bitmap_mask(i, 0, size);

		for (; w; w &= w - 1)
			n++;
	}
	return n;
}
/* The first run of n zero bits from start on, or size. */
static inline unsigned long bitmap_find_zero_area(const unsigned long *map, unsigned long size,
						  unsigned long start, unsigned long n)
{
	for (;;) {
		start = find_next_zero_bit(map, size, start);
		if (start + n > size || start + n < start)
			return size;
		unsigned long end = find_next_bit(map, start + n, start);
		if (end == start + n)
			return start;
		start = end;
	}
}
