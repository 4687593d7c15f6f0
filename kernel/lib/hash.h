/* SPDX-License-Identifier: MIT */
/* Multiplicative hashing (Knuth 6.4): 2^64 divided by the golden ratio; the top bits are best. */
#pragma once

#include <kernel/lib/types.h>

#define GOLDEN_RATIO_64 0x9e3779b97f4a7c15ULL

/* bits: 1..64; the result is below 1 << bits. */
static inline unsigned long hash_long(unsigned long v, unsigned int bits)
{
	return (unsigned long)(v * GOLDEN_RATIO_64) >> (64 - bits);
}
static inline unsigned long hash_ptr(const void *p, unsigned int bits)
{
	return hash_long((unsigned long)p, bits);
}
/* FNV-1a, for names. */
static inline u32 hash_bytes(const void *p, size_t n)
{
	const u8 *b = p;
	u32 h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 16777619u;
	return h;
}
