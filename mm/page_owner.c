/* SPDX-License-Identifier: MIT */
/*
 * Page owner.
 *
 * Problem: the ledger says that a page was lost, not who lost it.
 *
 * Idea: a second array beside the page array, 64 bytes a frame, in which each allocation notes itself:
 * flags, order, process, time, and the innermost return addresses. Nothing is noted when a page is
 * freed: whether a frame is in use is in its struct page. So the array is never cleared either, and
 * a frame that was never handed out costs no memory that is touched.
 *
 *	VMEMMAP_START      [struct page ...]	32 bytes each
 *	PAGE_OWNER_START   [struct page_owner_record]	64 bytes each, mapped where the page array is
 *
 * The text is Linux's (/sys/kernel/debug/page_owner), so that its tools can sort it; free_ts is not
 * kept and always 0.
 *
 * Locking: none. A record is written by who gets the page, before anybody else knows it; a reader
 * may see half of one that is just being made.
 */
#include <mm/page_owner.h>

#ifdef PAGE_OWNER
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>
#include <kernel/x86/uaccess.h>
#include <mm/internal.h>
#include <mm/section.h>

void (*page_owner_ids)(int *pid, int *tgid);

static struct page_owner_record *record_of(pfn_t pfn)
{
	return (struct page_owner_record *)PAGE_OWNER_START + pfn;
}

/* Follows the frame pointers, as far as they lead up on one stack. The innermost return address, into
 * the page allocator, is left out. */
static void save_stack(u32 *ret, const u64 *rbp)
{
	const u64 *limit = rbp + KSTACK_SIZE / sizeof(u64);
	u64 frame[2]; /* saved rbp, return address */
	int n = -1;

	memset(ret, 0, PAGE_OWNER_DEPTH * sizeof(*ret));
	while (n < PAGE_OWNER_DEPTH && IS_ALIGNED((u64)rbp, 8) &&
	       !copy_from_kernel_nofault(frame, rbp, sizeof(frame)) && frame[1] >= KERNEL_BASE) {
		if (n >= 0)
			ret[n] = (u32)frame[1];
		n++;
		if (frame[0] <= (u64)rbp || frame[0] >= (u64)limit)
			break;
		rbp = (const u64 *)frame[0];
	}
}

void __noinline page_owner_set(pfn_t pfn, gfp_t gfp, unsigned int order)
{
	const struct thread *t = current_thread();
	struct page_owner_record *o = record_of(pfn);

	o->ts = ktime_get();
	o->gfp = gfp;
	o->order = order;
	o->pid = o->tgid = 0;
	if (t && page_owner_ids)
		page_owner_ids(&o->pid, &o->tgid);
	strscpy(o->comm, t ? t->comm : "boot", sizeof(o->comm));
	save_stack(o->ret, __builtin_frame_address(0));
}

/* In use, by an allocation: not free, on no per-CPU list, not set aside at boot, not a tail. */
static bool has_owner(pfn_t pfn)
{
	const struct page *p;

	if (!pfn_valid(pfn))
		return false;
	p = pfn_to_page(pfn);
	return page_count(p) > 0 && !PageReserved(p) && !PageTail(p);
}

size_t page_owner_text(pfn_t pfn, u64 since, char *buf, size_t n)
{
	const struct page_owner_record *o = record_of(pfn);
	const struct page *p = pfn_to_page(pfn);
	size_t len;

	if (!has_owner(pfn) || o->ts < since)
		return 0;
	len = (size_t)scnprintf(
		buf, n,
		"Page allocated via order %u, mask 0x%x, pid %d, tgid %d (%s), ts %lu ns, free_ts 0 ns\n"
		"PFN %lu type %s Block %lu type %s Flags 0x%x\n",
		o->order, o->gfp, o->pid, o->tgid, o->comm, (unsigned long)o->ts,
		(unsigned long)pfn, migratetype_names[gfp_migratetype(o->gfp)],
		(unsigned long)pfn >> PAGEBLOCK_ORDER, migratetype_names[pageblock_mt(pfn)],
		p->flags);
	for (int i = 0; i < PAGE_OWNER_DEPTH && o->ret[i]; i++)
		len += (size_t)scnprintf(buf + len, n - len, " %pS\n",
					 (void *)(0xffffffff00000000UL | o->ret[i]));
	return len + (size_t)scnprintf(buf + len, n - len, "\n");
}

void page_owner_report(u64 since, unsigned int max)
{
	char text[PAGE_OWNER_TEXT];

	for (pfn_t pfn = 0; max && pfn < nr_sections << SECTION_PFN_SHIFT; pfn++) {
		if (!page_owner_text(pfn, since, text, sizeof(text)))
			continue;
		for (char *line = text, *end; (end = strchr(line, '\n')) > line; line = end + 1) {
			*end = '\0';
			pr_err("%s\n", line);
		}
		max--;
	}
}
#endif
