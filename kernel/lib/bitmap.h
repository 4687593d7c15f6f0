/* SPDX-License-Identifier: MIT */
/*
 * Arrays of bits. Not atomic: the caller holds whatever guards the map (atomic single bits are in
 * atomic.h). find_* return the size when there is none.
 */
#pragma once

#include <kernel/lib/atomic.h>
#include <kernel/lib/types.h>

#define BITS_PER_LONG    64
#define BITS_TO_LONGS(n) DIV_ROUND_UP(n, BITS_PER_LONG)

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
