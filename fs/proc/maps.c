/* SPDX-License-Identifier: MIT */
/*
 * A process's address space: maps, smaps, smaps_rollup, pagemap, clear_refs.
 *
 * maps lists the areas; smaps also walks the page tables of each and adds up what is there. For every
 * page that is present:
 *
 *	Rss	its size			Shared/Private	mapped by others too, or not
 *	Pss	its size / number of mappers	Clean/Dirty	by the pte's or the page's dirty bit
 *
 * Pss is summed in fixed point with 12 more bits, so that a thousand shares of a page do not vanish.
 * The shared zero page is nobody's and is not counted, as on Linux.
 *
 * Texts are made a page at a time (seq_file.h), so that a process with thousands of areas costs no
 * more than one, and each piece begins behind the address where the one before ended.
 *
 * Locking: mmap_lock for reading. maps holds it for a piece, which so is a snapshot; smaps takes it
 * for one area at a time, since a walk may be long. Nothing is copied to the user under it: the text
 * is made first.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/page.h>
#include <mm/pgtable.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/vma.h>

#define NAME_COLUMN 73 /* where the name begins, as in Linux's maps */
#define PSS_SHIFT   12

/* --- maps ---------------------------------------------------------------------------------------- */

static const char *special_name(const struct vm_area_struct *vma)
{
	const struct mm_struct *mm = vma->mm;

	if (vma->start <= mm->brk && vma->end >= mm->start_brk)
		return "[heap]";
	if (vma->start <= mm->start_stack && vma->end >= mm->start_stack)
		return "[stack]";
	return NULL;
}

static void show_vma_name(struct seq_file *m, const struct vm_area_struct *vma, size_t line,
			  char *buf)
{
	const char *name;

	if (vma->file) {
		name = d_path(&file_of_mappable(vma->file)->path, buf, PATH_MAX);
		if (IS_ERR(name))
			name = "?";
	} else {
		name = special_name(vma);
	}
	if (!name)
		return;
	seq_pad_to(m, line, NAME_COLUMN);
	seq_escape(m, name, "\n");
}

/* The area from start on. buf: PATH_MAX bytes for the name. */
static void show_map_line(struct seq_file *m, const struct vm_area_struct *vma, vaddr_t start,
			  char *buf)
{
	unsigned long flags = vma->flags;
	size_t line = m->count;
	u64 offset = 0, ino = 0;
	kdev_t dev = 0;

	if (vma->file) {
		const struct inode *inode = file_of_mappable(vma->file)->inode;

		dev = inode->sb ? inode->sb->dev : 0;
		ino = inode->ino;
		offset = (vma->pgoff << PAGE_SHIFT) + (start - vma->start);
	}
	seq_printf(m, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", start, vma->end,
		   flags & VM_READ ? 'r' : '-', flags & VM_WRITE ? 'w' : '-',
		   flags & VM_EXEC ? 'x' : '-', flags & VM_MAYSHARE ? 's' : 'p', offset, MAJOR(dev),
		   MINOR(dev), ino);
	show_vma_name(m, vma, line, buf);
	seq_putc(m, '\n');
}

/* The areas from the cursor, an address, on. What grew together with an area that was shown already
 * is shown from there on: addresses never go back. */
static void show_maps(struct seq_file *m, struct mm_struct *mm, char *buf)
{
	struct vm_area_struct *vma;

	down_read(&mm->mmap_lock);
	for (vma = find_vma(mm, m->cursor); vma; vma = vma->next) {
		show_map_line(m, vma, max(vma->start, m->cursor), buf);
		if (!seq_mark(m, vma->end))
			break;
	}
	up_read(&mm->mmap_lock);
}

static int show_areas(struct seq_file *m,
		      void (*show)(struct seq_file *m, struct mm_struct *mm, char *buf))
{
	struct mm_struct *mm __put(mm) = proc_use_mm(m->mm);
	char *buf = mm ? kmalloc(PATH_MAX, GFP_KERNEL) : NULL;

	if (!mm)
		return 0;
	if (!buf)
		return -ENOMEM;
	show(m, mm, buf);
	kfree(buf);
	return 0;
}

int proc_maps_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	return show_areas(m, show_maps);
}

/* --- smaps: what an area holds --------------------------------------------------------------------- */

struct mem_size {
	u64 rss, shared_clean, shared_dirty, private_clean, private_dirty; /* bytes */
	u64 referenced, anonymous, anon_huge, swap;
	u64 pss, pss_dirty, pss_anon, pss_file, pss_shmem, pss_locked, swap_pss; /* << PSS_SHIFT */
};

static void count_page(struct mem_size *s, struct page *page, u64 size, bool young, bool dirty,
		       bool locked)
{
	unsigned int mappers = (unsigned int)max(page_mapcount(page), 1);
	u64 pss = (size << PSS_SHIFT) / mappers;

	dirty |= PageDirty(page);
	s->rss += size;
	if (young || PageReferenced(page))
		s->referenced += size;
	if (PageAnon(page))
		s->anonymous += size;
	if (mappers > 1)
		*(dirty ? &s->shared_dirty : &s->shared_clean) += size;
	else
		*(dirty ? &s->private_dirty : &s->private_clean) += size;
	s->pss += pss;
	if (dirty)
		s->pss_dirty += pss;
	if (locked)
		s->pss_locked += pss;
	*(PageAnon(page)       ? &s->pss_anon :
	  PageSwapBacked(page) ? &s->pss_shmem :
				 &s->pss_file) += pss;
}

static void count_pte(struct mem_size *s, pte_t e, bool locked)
{
	if (pte_present(e)) {
		struct page *page = pte_page(e);

		if (page)
			count_page(s, page, PAGE_SIZE, pte_young(e), pte_dirty(e), locked);
	} else if (pte_is_migration(e)) {
		count_page(s, pte_migration_page(e), PAGE_SIZE, e.pte & _PTE_SWP_YOUNG,
			   e.pte & _PTE_SWP_DIRTY, locked);
	} else if (pte_is_swap(e)) {
		s->swap += PAGE_SIZE;
		s->swap_pss += (PAGE_SIZE << PSS_SHIFT) / max(swap_count(pte_to_swp(e)), 1u);
	}
}

static void count_table(struct mem_size *s, const struct pt_walk *w, bool locked)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_lock(w->pmd, w->addr, &ptl);

	for (vaddr_t addr = w->addr; addr < w->end; addr += PAGE_SIZE, pte++)
		count_pte(s, ptep_get(pte), locked);
	spin_unlock(ptl);
}

static void count_huge(struct mem_size *s, const struct pt_walk *w, bool locked)
{
	pmd_t e = pmdp_get(w->pmd);
	struct page *page;

	if (!pmd_leaf(e))
		return;
	page = pfn_to_page(pmd_pfn(e));
	count_page(s, page, w->end - w->addr, pmd_young(e), pmd_dirty(e), locked);
	if (PageAnon(page))
		s->anon_huge += w->end - w->addr;
}

/* Adds up one area from start on. mmap_lock held. */
static void measure_vma(const struct vm_area_struct *vma, vaddr_t start, struct mem_size *s)
{
	bool locked = vma->flags & VM_LOCKED;
	struct pt_walk w;

	if (vma->file && vma->file->mapping && vma->file->mapping->shmem)
		s->swap += shmem_swapped(vma->file->mapping, vma_index(vma, start),
					 (vma->end - start) >> PAGE_SHIFT)
			   << PAGE_SHIFT;
	for_each_pt_range(&w, vma->mm, start, vma->end)
	{
		if (w.level == PT_PTE)
			count_table(s, &w, locked);
		else if (w.level == PT_PMD)
			count_huge(s, &w, locked);
		cond_resched();
	}
}

static void size_line(struct seq_file *m, const char *label, u64 bytes)
{
	seq_printf(m, "%-16s%8lu kB\n", label, bytes >> 10);
}

static void pss_line(struct seq_file *m, const char *label, u64 pss)
{
	size_line(m, label, pss >> PSS_SHIFT);
}

static void show_sizes(struct seq_file *m, const struct mem_size *s, bool rollup)
{
	size_line(m, "Rss:", s->rss);
	pss_line(m, "Pss:", s->pss);
	pss_line(m, "Pss_Dirty:", s->pss_dirty);
	if (rollup) {
		pss_line(m, "Pss_Anon:", s->pss_anon);
		pss_line(m, "Pss_File:", s->pss_file);
		pss_line(m, "Pss_Shmem:", s->pss_shmem);
	}
	size_line(m, "Shared_Clean:", s->shared_clean);
	size_line(m, "Shared_Dirty:", s->shared_dirty);
	size_line(m, "Private_Clean:", s->private_clean);
	size_line(m, "Private_Dirty:", s->private_dirty);
	size_line(m, "Referenced:", s->referenced);
	size_line(m, "Anonymous:", s->anonymous);
	size_line(m, "LazyFree:", 0);
	size_line(m, "AnonHugePages:", s->anon_huge);
	size_line(m, "ShmemPmdMapped:", 0);
	size_line(m, "FilePmdMapped:", 0);
	size_line(m, "Shared_Hugetlb:", 0);
	size_line(m, "Private_Hugetlb:", 0);
	size_line(m, "Swap:", s->swap);
	pss_line(m, "SwapPss:", s->swap_pss);
	pss_line(m, "Locked:", s->pss_locked);
}

/* Two letters a flag, in the order of the bits. Linux 6.1 has none for VM_LOCKONFAULT. */
static void show_vm_flags(struct seq_file *m, unsigned long flags)
{
	static const char names[32][3] = {
		[0] = "rd",  [1] = "wr",  [2] = "ex",  [3] = "sh",  [4] = "mr",  [5] = "mw",
		[6] = "me",  [7] = "ms",  [8] = "gd",  [10] = "pf", [13] = "lo", [14] = "io",
		[15] = "sr", [16] = "rr", [17] = "dc", [18] = "de", [19] = "??", [20] = "ac",
		[21] = "nr", [22] = "ht", [23] = "sf", [24] = "ar", [25] = "wf", [26] = "dd",
		[27] = "sd", [28] = "mm", [29] = "hg", [30] = "nh", [31] = "mg",
	};

	seq_puts(m, "VmFlags: ");
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & BIT(i) && names[i][0])
			seq_printf(m, "%s ", names[i]);
	seq_putc(m, '\n');
}

static void show_smap(struct seq_file *m, const struct vm_area_struct *vma, vaddr_t start,
		      char *buf)
{
	struct mem_size s = {};

	measure_vma(vma, start, &s);
	show_map_line(m, vma, start, buf);
	size_line(m, "Size:", vma->end - start);
	size_line(m, "KernelPageSize:", PAGE_SIZE);
	size_line(m, "MMUPageSize:", PAGE_SIZE);
	show_sizes(m, &s, false);
	seq_puts(m, "THPeligible:    0\n");
	show_vm_flags(m, vma->flags);
}

static void show_smaps(struct seq_file *m, struct mm_struct *mm, char *buf)
{
	for (bool more = true; more; cond_resched()) {
		struct vm_area_struct *vma;

		down_read(&mm->mmap_lock);
		vma = find_vma(mm, m->cursor);
		if (vma)
			show_smap(m, vma, max(vma->start, m->cursor), buf);
		more = vma && seq_mark(m, vma->end);
		up_read(&mm->mmap_lock);
	}
}

int proc_smaps_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	return show_areas(m, show_smaps);
}

int proc_smaps_rollup_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	struct mm_struct *mm __put(mm) = proc_use_mm(m->mm);
	struct vm_area_struct *vma;
	struct mem_size s = {};
	vaddr_t start, end = 0;
	size_t line = m->count;

	if (!mm)
		return -ESRCH;
	down_read(&mm->mmap_lock);
	vma = vma_first(mm);
	start = vma ? vma->start : 0;
	for (; vma; vma = vma->next) {
		measure_vma(vma, vma->start, &s);
		end = vma->end;
	}
	up_read(&mm->mmap_lock);
	seq_printf(m, "%08lx-%08lx ---p 00000000 00:00 0 ", start, end);
	seq_pad_to(m, line, NAME_COLUMN);
	seq_puts(m, "[rollup]\n");
	show_sizes(m, &s, true);
	return 0;
}

/* --- pagemap: one 64-bit word a page ----------------------------------------------------------------- */

#define PM_PFN_MASK    (BIT(55) - 1)
#define PM_SOFT_DIRTY  BIT(55)
#define PM_EXCLUSIVE   BIT(56)
#define PM_FILE        BIT(61)
#define PM_SWAP        BIT(62)
#define PM_PRESENT     BIT(63)
#define PM_BATCH       (PAGE_SIZE / sizeof(u64)) /* words made under one hold of mmap_lock */
#define PM_SWAP_OFFSET 5                         /* type in bits 0 to 4 */
#define PM_MIGRATION   24 /* in the place of the area: the page moves, and is at the frame `offset` */

static u64 pagemap_page(struct page *page, pfn_t pfn, bool show_pfn)
{
	u64 v = PM_PRESENT | (show_pfn ? pfn & PM_PFN_MASK : 0);

	if (page && !PageAnon(page))
		v |= PM_FILE;
	if (page && page_mapcount(page) == 1)
		v |= PM_EXCLUSIVE;
	return v;
}

static u64 pagemap_pte(pte_t e, bool show_pfn)
{
	u64 v = 0;

	if (pte_present(e)) {
		v = pagemap_page(pte_page(e), pte_pfn(e), show_pfn);
		if (pte_soft_dirty(e))
			v |= PM_SOFT_DIRTY;
	} else if (!pte_none(e)) {
		swp_entry_t swp = pte_to_swp(e);

		v = PM_SWAP | (e.pte & _PTE_SWP_SOFT_DIRTY ? PM_SOFT_DIRTY : 0);
		if (show_pfn && pte_is_migration(e))
			v |= PM_MIGRATION | (u64)swp.val << PM_SWAP_OFFSET;
		else if (show_pfn)
			v |= swp_area(swp) | (u64)swp_slot(swp) << PM_SWAP_OFFSET;
	}
	return v;
}

/* Words of one stop of the walker; out[0] is that of base. */
static void pagemap_stop(const struct pt_walk *w, vaddr_t base, u64 *out, bool show_pfn)
{
	u64 *v = out + ((w->addr - base) >> PAGE_SHIFT);
	vaddr_t addr = w->addr;
	spinlock_t *ptl;

	if (w->level == PT_PTE) {
		pte_t *pte = pte_offset_lock(w->pmd, addr, &ptl);

		for (; addr < w->end; addr += PAGE_SIZE)
			*v++ |= pagemap_pte(ptep_get(pte++), show_pfn);
		spin_unlock(ptl);
	} else if (w->level == PT_PMD) {
		pmd_t e = pmdp_get(w->pmd);
		pfn_t pfn = pmd_pfn(e) + pte_index(addr);

		for (; pmd_leaf(e) && addr < w->end; addr += PAGE_SIZE, pfn++)
			*v++ |= pagemap_page(pfn_to_page(pmd_pfn(e)), pfn, show_pfn);
	}
}

/* Fills out for [start, end). mmap_lock held. */
static void pagemap_fill(struct mm_struct *mm, vaddr_t start, vaddr_t end, u64 *out, bool show_pfn)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	memset(out, 0, ((end - start) >> PAGE_SHIFT) * sizeof(*out));
	for (; vma && vma->start < end; vma = vma->next) {
		vaddr_t from = max(start, vma->start), to = min(end, vma->end);
		struct pt_walk w;

		if (vma->flags & VM_SOFTDIRTY)
			for (vaddr_t a = from; a < to; a += PAGE_SIZE)
				out[(a - start) >> PAGE_SHIFT] = PM_SOFT_DIRTY;
		for_each_pt_range(&w, mm, from, to) pagemap_stop(&w, start, out, show_pfn);
	}
}

static ssize_t pagemap_copy(struct mm_struct *mm, u64 __user *ubuf, size_t n, loff_t *pos,
			    u64 *words, bool show_pfn)
{
	size_t done = 0;

	while (done < n) {
		u64 first = (u64)*pos / sizeof(u64);
		u64 count = min((n - done) / sizeof(u64), PM_BATCH);

		if (first >= TASK_SIZE >> PAGE_SHIFT || current_fatal_signal_pending())
			break;
		count = min(count, (TASK_SIZE >> PAGE_SHIFT) - first);
		down_read(&mm->mmap_lock);
		pagemap_fill(mm, first << PAGE_SHIFT, (first + count) << PAGE_SHIFT, words,
			     show_pfn);
		up_read(&mm->mmap_lock);
		if (copy_to_user((char __user *)ubuf + done, words, count * sizeof(u64)))
			return done ? (ssize_t)done : -EFAULT;
		done += count * sizeof(u64);
		*pos += (loff_t)(count * sizeof(u64));
		cond_resched();
	}
	return (ssize_t)done;
}

static ssize_t pagemap_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos)
{
	struct mm_struct *mm __put(mm) = proc_use_mm(f->private);
	ssize_t ret = -ENOMEM;
	u64 *words;

	if (*pos % sizeof(u64) || n % sizeof(u64))
		return -EINVAL;
	if (!mm || n == 0)
		return 0;
	words = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (words)
		ret = pagemap_copy(mm, ubuf, n, pos, words, f->private_flag);
	kfree(words);
	return ret;
}

/* Where a page lies is for root only, and decided when the file is opened. */
static int pagemap_open(struct inode *inode, struct file *f)
{
	f->private_flag = capable(CAP_SYS_ADMIN);
	return proc_mm_open(inode, f);
}

const struct file_operations proc_pagemap_fops = {
	.open = pagemap_open,
	.read = pagemap_read,
	.llseek = seq_lseek,
	.release = proc_mm_release,
};

/* --- clear_refs --------------------------------------------------------------------------------------- */

enum clear_refs {
	CLEAR_REFS_ALL = 1,
	CLEAR_REFS_ANON,
	CLEAR_REFS_MAPPED,
	CLEAR_REFS_SOFT_DIRTY,
	CLEAR_REFS_MM_HIWATER_RSS,
};

/* The next write is a fault, which sets the bit again. */
static void clear_soft_dirty(pte_t *pte)
{
	pte_t e = ptep_get(pte);

	if (pte_present(e))
		ptep_clear_flags(pte, _PAGE_RW | _PAGE_SOFT_DIRTY);
	else if (!pte_none(e))
		set_pte(pte, __pte(e.pte & ~(_PTE_SWP_SOFT_DIRTY | _PTE_SWP_WRITE)));
}

static void clear_table_refs(const struct pt_walk *w, enum clear_refs what)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_lock(w->pmd, w->addr, &ptl);

	for (vaddr_t addr = w->addr; addr < w->end; addr += PAGE_SIZE, pte++) {
		struct page *page = pte_present(ptep_get(pte)) ? pte_page(ptep_get(pte)) : NULL;

		if (what == CLEAR_REFS_SOFT_DIRTY)
			clear_soft_dirty(pte);
		if (!page || what == CLEAR_REFS_SOFT_DIRTY)
			continue;
		ptep_test_and_clear_young(pte);
		ClearPageReferenced(page);
	}
	spin_unlock(ptl);
}

static void clear_refs(struct mm_struct *mm, enum clear_refs what)
{
	struct vm_area_struct *vma;
	struct pt_walk w;

	down_write(&mm->mmap_lock);
	for_each_vma(mm, vma) {
		if (what == CLEAR_REFS_SOFT_DIRTY)
			vma_set_flags(vma, vma->flags & ~VM_SOFTDIRTY);
		if (what == (vma->file ? CLEAR_REFS_ANON : CLEAR_REFS_MAPPED))
			continue;
		for_each_pt_range(&w, mm, vma->start, vma->end) if (w.level == PT_PTE)
			clear_table_refs(&w, what);
		cond_resched();
	}
	tlb_flush_mm(mm);
	up_write(&mm->mmap_lock);
}

int proc_clear_refs_store(struct proc_inode *pi, char *text)
{
	unsigned int what;
	struct mm_struct *mm;
	int err = kstrtouint(strim(text), 10, &what);

	if (err)
		return err;
	if (what < CLEAR_REFS_ALL || what > CLEAR_REFS_MM_HIWATER_RSS)
		return -EINVAL;
	mm = proc_get_mm(pi);
	if (!mm)
		return 0;
	if (what == CLEAR_REFS_MM_HIWATER_RSS)
		WRITE_ONCE(mm->hiwater_rss, mm_rss(mm));
	else
		clear_refs(mm, what);
	mm_put_user(mm);
	return 0;
}
