/* SPDX-License-Identifier: MIT */
/*
 * What each page frame is: kpagecount and kpageflags, two files with a 64-bit word for each frame as
 * Linux has them, and octavo/frames, a map with a letter for each:
 *
 *	.	free			a	a program's own (anonymous)
 *	T	page table		f	of a file
 *	S	slab			s	of a file that is only memory (tmpfs, shared memory)
 *	k	kernel stack		K	else in use by the kernel
 *	v	vmalloc			R	reserved: the kernel's image, what the firmware uses
 *	blank	no RAM
 *
 * Frames change while they are looked at: nothing is locked, and a word or letter is what was there
 * for a moment.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/x86/uaccess.h>
#include <mm/memblock.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>

/* Frames whose struct page has never been written are all free (section.h). */
static bool pfn_deferred(pfn_t pfn)
{
	return READ_ONCE(pfn_section(pfn)->state) != SECTION_ONLINE;
}

/* Does the word at mapcount count mappings? */
static bool counts_mappings(const struct page *p)
{
	return !(PageBuddy(p) || PageSlab(p) || PageTable(p) || PageReserved(p)) &&
	       page_count(p) > 0;
}

static u64 frame_count(pfn_t pfn)
{
	struct page *p = pfn_to_page(pfn);

	if (!pfn_valid(pfn) || pfn_deferred(pfn) || !counts_mappings(p))
		return 0;
	return (u64)max(page_mapcount(p), 0);
}

/* Is it in a free block? The head is the only page of one that says so. */
static bool in_free_block(pfn_t pfn)
{
	for (unsigned int order = 0; order <= MAX_ORDER; order++) {
		pfn_t head = ALIGN_DOWN(pfn, 1UL << order);
		const struct page *p = pfn_to_page(head);

		if (!pfn_valid(head))
			break;
		if (PageBuddy(p))
			return READ_ONCE(p->order) >= order;
	}
	return false;
}

enum kpf { /* bits of the ABI: linux/kernel-page-flags.h */
	   KPF_LOCKED = 0,
	   KPF_REFERENCED = 2,
	   KPF_UPTODATE = 3,
	   KPF_DIRTY = 4,
	   KPF_LRU = 5,
	   KPF_ACTIVE = 6,
	   KPF_SLAB = 7,
	   KPF_WRITEBACK = 8,
	   KPF_RECLAIM = 9,
	   KPF_BUDDY = 10,
	   KPF_MMAP = 11,
	   KPF_ANON = 12,
	   KPF_SWAPCACHE = 13,
	   KPF_SWAPBACKED = 14,
	   KPF_COMPOUND_HEAD = 15,
	   KPF_COMPOUND_TAIL = 16,
	   KPF_UNEVICTABLE = 18,
	   KPF_NOPAGE = 20,
	   KPF_ZERO_PAGE = 24,
	   KPF_PGTABLE = 26,
	   KPF_RESERVED = 32,
	   KPF_MLOCKED = 33,
};

static u64 frame_flags(pfn_t pfn)
{
	static const struct {
		u8 pg, kpf;
	} map[] = {
		{PG_locked, KPF_LOCKED},
		{PG_referenced, KPF_REFERENCED},
		{PG_uptodate, KPF_UPTODATE},
		{PG_dirty, KPF_DIRTY},
		{PG_lru, KPF_LRU},
		{PG_active, KPF_ACTIVE},
		{PG_slab, KPF_SLAB},
		{PG_writeback, KPF_WRITEBACK},
		{PG_reclaim, KPF_RECLAIM},
		{PG_anon, KPF_ANON},
		{PG_swapcache, KPF_SWAPCACHE},
		{PG_swapbacked, KPF_SWAPBACKED},
		{PG_head, KPF_COMPOUND_HEAD},
		{PG_tail, KPF_COMPOUND_TAIL},
		{PG_unevictable, KPF_UNEVICTABLE},
		{PG_table, KPF_PGTABLE},
		{PG_reserved, KPF_RESERVED},
		{PG_mlocked, KPF_MLOCKED},
	};
	const struct page *p = pfn_to_page(pfn);
	u64 flags = 0;

	if (!pfn_valid(pfn))
		return BIT(KPF_NOPAGE);
	if (pfn_deferred(pfn))
		return BIT(KPF_BUDDY);
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (READ_ONCE(p->flags) & BIT(map[i].pg))
			flags |= BIT(map[i].kpf);
	if (page_count(p) == 0 && !PageReserved(p) && in_free_block(pfn))
		flags |= BIT(KPF_BUDDY);
	if (counts_mappings(p) && page_mapped(p))
		flags |= BIT(KPF_MMAP);
	if (p == zero_page)
		flags |= BIT(KPF_ZERO_PAGE);
	return flags;
}

static char frame_letter(pfn_t pfn)
{
	static const struct {
		u8 pg;
		char letter;
	} map[] = {
		{PG_reserved, 'R'}, {PG_slab, 'S'}, {PG_table, 'T'},      {PG_kstack, 'k'},
		{PG_vmalloc, 'v'},  {PG_anon, 'a'}, {PG_swapbacked, 's'},
	};
	struct page *p = pfn_to_page(pfn);

	if (!pfn_valid(pfn))
		return ' ';
	if (pfn_deferred(pfn))
		return '.';
	p = compound_head(p);
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (READ_ONCE(p->flags) & BIT(map[i].pg))
			return map[i].letter;
	if (page_count(p) == 0)
		return '.';
	return page_mapping(p) ? 'f' : 'K';
}

/* --- reading ------------------------------------------------------------------------------------- */

/* size bytes a frame, which put() stores. */
static ssize_t read_frames(void __user *ubuf, size_t n, loff_t *pos, size_t size,
			   void (*put)(void *out, pfn_t pfn))
{
	pfn_t pfn = (pfn_t)*pos / size, end = memblock_memory_end() >> PAGE_SHIFT;
	size_t done = 0;

	if ((size_t)*pos % size || n % size)
		return -EINVAL;
	while (done < n && pfn < end) {
		char chunk[512];
		size_t len = 0;

		for (; len < sizeof(chunk) && done + len < n && pfn < end; pfn++, len += size)
			put(chunk + len, pfn);
		if (copy_to_user((char __user *)ubuf + done, chunk, len))
			return done ? (ssize_t)done : -EFAULT;
		done += len;
		*pos += (loff_t)len;
		cond_resched();
	}
	return (ssize_t)done;
}

static void put_count(void *out, pfn_t pfn)
{
	*(u64 *)out = frame_count(pfn);
}

static void put_flags(void *out, pfn_t pfn)
{
	*(u64 *)out = frame_flags(pfn);
}

static void put_letter(void *out, pfn_t pfn)
{
	*(char *)out = frame_letter(pfn);
}

static ssize_t kpagecount_read(struct file *f __unused, void __user *ubuf, size_t n, loff_t *pos)
{
	return read_frames(ubuf, n, pos, sizeof(u64), put_count);
}

static ssize_t kpageflags_read(struct file *f __unused, void __user *ubuf, size_t n, loff_t *pos)
{
	return read_frames(ubuf, n, pos, sizeof(u64), put_flags);
}

static ssize_t frames_read(struct file *f __unused, void __user *ubuf, size_t n, loff_t *pos)
{
	return read_frames(ubuf, n, pos, 1, put_letter);
}

const struct file_operations proc_kpagecount_fops = {
	.read = kpagecount_read,
	.llseek = seq_lseek,
};
const struct file_operations proc_kpageflags_fops = {
	.read = kpageflags_read,
	.llseek = seq_lseek,
};
const struct file_operations proc_frames_fops = {
	.read = frames_read,
	.llseek = seq_lseek,
};
