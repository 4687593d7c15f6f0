/* SPDX-License-Identifier: MIT */
/*
 * Heapsort: O(n log n) whatever the input, no recursion on a 16 KiB stack, no memory.
 */
#include <kernel/lib/sort.h>

static void swap_bytes(u8 *a, u8 *b, size_t n)
{
	while (n--) {
		u8 t = *a;

		*a++ = *b;
		*b++ = t;
	}
}

/* Restores the heap below element i, whose children are heaps. */
static void sift_down(u8 *base, size_t i, size_t n, size_t size,
		      int (*cmp)(const void *a, const void *b))
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= n)
			return;
		if (child + 1 < n && cmp(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (cmp(base + i * size, base + child * size) >= 0)
			return;
		swap_bytes(base + i * size, base + child * size, size);
		i = child;
	}
}

void sort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b))
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(base, i, n, size, cmp);
	for (size_t end = n; end-- > 1;) {
		swap_bytes(base, (u8 *)base + end * size, size);
		sift_down(base, 0, end, size, cmp);
	}
}
