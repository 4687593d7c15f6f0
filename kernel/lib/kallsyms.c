/* SPDX-License-Identifier: MIT */
/*
 * Names for addresses: a binary search in a sorted table that the second link puts into the image.
 * During the first link the table is empty, and then nothing has a name.
 */
#include <kernel/lib/kallsyms.h>

#define KALLSYMS_BASE 0xffffffff80000000UL

extern const u32 kallsyms_count;
extern const u32 kallsyms_addrs[], kallsyms_name_off[];
extern const char kallsyms_names[];
extern const char __text_start[], __text_end[];

const char *kallsyms_lookup(unsigned long addr, unsigned long *offset, unsigned long *size)
{
	u32 lo = 0, hi = kallsyms_count;
	unsigned long rel = addr - KALLSYMS_BASE, next;

	if (addr < (unsigned long)__text_start || addr >= (unsigned long)__text_end)
		return NULL;
	if (!hi || rel < kallsyms_addrs[0])
		return NULL;
	/* invariant: addrs[lo] <= rel < addrs[hi] */
	while (hi - lo > 1) {
		u32 mid = lo + (hi - lo) / 2;

		if (kallsyms_addrs[mid] <= rel)
			lo = mid;
		else
			hi = mid;
	}
	next = hi < kallsyms_count ? kallsyms_addrs[hi] : (unsigned long)__text_end - KALLSYMS_BASE;
	if (offset)
		*offset = rel - kallsyms_addrs[lo];
	if (size)
		*size = next - kallsyms_addrs[lo];
	return kallsyms_names + kallsyms_name_off[lo];
}

const char *kallsyms_get(u32 i, unsigned long *addr)
{
	if (i >= kallsyms_count)
		return NULL;
	*addr = KALLSYMS_BASE + kallsyms_addrs[i];
	return kallsyms_names + kallsyms_name_off[i];
}
