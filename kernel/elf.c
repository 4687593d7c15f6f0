/* SPDX-License-Identifier: MIT */
/*
 * Loading ELF-64 programs: static ones, position-independent ones, and those that name an
 * interpreter (the dynamic linker), which is loaded beside the program and started in its place.
 *
 *	file	|hdr| text      |data|            |
 *	memory	|---PT_LOAD r-x-|----PT_LOAD rw---|~~~~~~~~~|	~ .bss: first the rest of the page
 *		^ bias + vaddr			  ^filesz    ^memsz	(zeroed), then anonymous
 *
 * Each segment is one private mapping of the file: nothing is read here, pages come by faults out
 * of the page cache, and clean ones are shared by all who run the program.
 *
 * Headers are the user's data: every number is checked before it is used, sums for wrapping first.
 * Segments may touch in a page (the later one wins, as on Linux) but may not leave the lower half or
 * reach the stack.
 */
#include <fs/vfs.h>
#include <kernel/elf.h>
#include <kernel/exec.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/fault.h>
#include <mm/slab.h>
#include <mm/vma.h>

#define ELF_MAX_PHDRS (PAGE_SIZE / sizeof(struct elf64_phdr))

struct elf_image {
	struct elf64_ehdr eh;
	struct elf64_phdr *ph;
	u64 min, max, align; /* of the PT_LOADs: [min, max) page aligned */
};

/* ---- headers ----------------------------------------------------------------------------- */

static bool ehdr_valid(const struct elf64_ehdr *eh)
{
	return memcmp(eh->ident, "\177ELF\2\1", 6) == 0 &&
	       (eh->type == ET_EXEC || eh->type == ET_DYN) && eh->machine == EM_X86_64 &&
	       eh->phentsize == sizeof(struct elf64_phdr) && eh->phnum &&
	       eh->phnum <= ELF_MAX_PHDRS;
}

static bool load_valid(const struct elf64_phdr *ph)
{
	return ph->filesz <= ph->memsz && ph->memsz <= TASK_SIZE &&
	       ph->vaddr <= TASK_SIZE - ph->memsz && ph->offset <= INT64_MAX - ph->filesz &&
	       (!ph->filesz || ((ph->vaddr ^ ph->offset) & ~PAGE_MASK) == 0);
}

/* Checks the PT_LOADs and finds the range that they cover. */
static int survey(struct elf_image *img)
{
	img->min = ~0UL;
	img->align = PAGE_SIZE;
	for (unsigned int i = 0; i < img->eh.phnum; i++) {
		const struct elf64_phdr *ph = &img->ph[i];

		if (ph->type != PT_LOAD || !ph->memsz)
			continue;
		if (!load_valid(ph))
			return -ENOEXEC;
		img->min = min(img->min, ALIGN_DOWN(ph->vaddr, PAGE_SIZE));
		img->max = max(img->max, PAGE_ALIGN(ph->vaddr + ph->memsz));
		if (is_power_of_2(ph->align) && ph->align <= 1UL << 30)
			img->align = max(img->align, ph->align);
	}
	return img->min < img->max ? 0 : -ENOEXEC;
}

static int read_exact(struct file *f, void *buf, size_t n, u64 pos)
{
	ssize_t got;

	if (pos > INT64_MAX - n)
		return -ENOEXEC;
	got = kernel_read(f, buf, n, (loff_t)pos);
	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -ENOEXEC;
}

static void image_free(struct elf_image *img)
{
	if (img)
		kfree(img->ph);
	kfree(img);
}

/* head: the file's first EXEC_HEAD_SIZE bytes, zero padded. */
static struct elf_image *image_read(struct file *f, const char *head)
{
	struct elf_image *img = kzalloc(sizeof(*img), GFP_KERNEL);
	size_t bytes;
	int err;

	if (!img)
		return ERR_PTR(-ENOMEM);
	memcpy(&img->eh, head, sizeof(img->eh));
	err = ehdr_valid(&img->eh) && f->mappable.mapping ? 0 : -ENOEXEC;
	if (err)
		goto fail;
	bytes = img->eh.phnum * sizeof(struct elf64_phdr);
	img->ph = kmalloc(bytes, GFP_KERNEL);
	err = img->ph ? read_exact(f, img->ph, bytes, img->eh.phoff) : -ENOMEM;
	if (!err)
		err = survey(img);
	if (!err)
		return img;
fail:
	image_free(img);
	return ERR_PTR(err);
}

/* ---- the interpreter ----------------------------------------------------------------------- */

static int interp_open(struct elf_program *p, const char *path)
{
	char head[EXEC_HEAD_SIZE] = {0};
	struct file *f = open_exec(AT_FDCWD, path, LOOKUP_FOLLOW);
	ssize_t n;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	p->interp_file = f;
	n = kernel_read(f, head, sizeof(head), 0);
	if (n < 0)
		return (int)n;
	p->interp = image_read(f, head);
	if (IS_ERR(p->interp)) {
		int err = (int)PTR_ERR(p->interp);

		p->interp = NULL;
		return err == -ENOEXEC ? -ELIBBAD : err;
	}
	return 0;
}

static int interp_find(struct elf_program *p, struct file *file, const struct elf64_phdr *ph)
{
	char *path;
	int err;

	if (ph->filesz < 2 || ph->filesz > PATH_MAX)
		return -ENOEXEC;
	path = kmalloc(ph->filesz, GFP_KERNEL);
	if (!path)
		return -ENOMEM;
	err = read_exact(file, path, ph->filesz, ph->offset);
	if (!err)
		err = path[ph->filesz - 1] == '\0' ? interp_open(p, path) : -ENOEXEC;
	kfree(path);
	return err;
}

int elf_open(struct elf_program *p, struct file *file, const char *head)
{
	struct elf_image *img = image_read(file, head);
	int err = 0;

	if (IS_ERR(img))
		return (int)PTR_ERR(img);
	p->image = img;
	for (unsigned int i = 0; !err && i < img->eh.phnum; i++) {
		const struct elf64_phdr *ph = &img->ph[i];

		if (ph->type == PT_GNU_STACK)
			p->exec_stack = ph->flags & PF_X;
		else if (ph->type == PT_INTERP && !p->interp_file)
			err = interp_find(p, file, ph);
	}
	return err;
}

void elf_close(struct elf_program *p)
{
	image_free(p->image);
	image_free(p->interp);
	if (p->interp_file)
		fput(p->interp_file);
	p->image = p->interp = NULL;
	p->interp_file = NULL;
}

/* ---- mapping --------------------------------------------------------------------------------- */

static int segment_prot(const struct elf64_phdr *ph)
{
	return (ph->flags & PF_R ? PROT_READ : 0) | (ph->flags & PF_W ? PROT_WRITE : 0) |
	       (ph->flags & PF_X ? PROT_EXEC : 0);
}

/* From the end of the file's bytes to the end of their page. */
static int zero_tail(struct mm_struct *mm, vaddr_t from, const struct elf64_phdr *ph)
{
	size_t n = PAGE_ALIGN(from) - from;
	struct page *page;

	if (!n || !(ph->flags & PF_W))
		return 0; /* Linux too leaves the tail of a read-only page as the file has it */
	page = fault_in_page(mm, from, true);
	if (IS_ERR(page))
		return (int)PTR_ERR(page);
	memset((char *)page_address(page) + (from & ~PAGE_MASK), 0, n);
	put_faulted_page(page);
	return 0;
}

static int map_segment(struct mm_struct *mm, struct file *file, const struct elf64_phdr *ph,
		       u64 bias)
{
	vaddr_t start = ALIGN_DOWN(bias + ph->vaddr, PAGE_SIZE);
	vaddr_t file_end = bias + ph->vaddr + ph->filesz;
	vaddr_t end = PAGE_ALIGN(bias + ph->vaddr + ph->memsz);
	vaddr_t anon = ph->filesz ? PAGE_ALIGN(file_end) : start;
	int prot = segment_prot(ph);
	long ret;

	if (ph->filesz) {
		ret = do_mmap(mm, file_mappable(file), start, anon - start, prot,
			      MAP_PRIVATE | MAP_FIXED,
			      ALIGN_DOWN(ph->offset, PAGE_SIZE) >> PAGE_SHIFT);
		if (ret < 0)
			return (int)ret;
		ret = ph->memsz > ph->filesz ? zero_tail(mm, file_end, ph) : 0;
		if (ret)
			return (int)ret;
	}
	if (anon < end) {
		ret = do_mmap(mm, NULL, anon, end - anon, prot,
			      MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, 0);
		if (ret < 0)
			return (int)ret;
	}
	return 0;
}

/* By the stack, or by the program that the interpreter is for. */
static bool range_taken(struct mm_struct *mm, vaddr_t start, vaddr_t end)
{
	bool taken;

	down_read(&mm->mmap_lock);
	taken = find_vma_intersection(mm, start, end);
	up_read(&mm->mmap_lock);
	return taken;
}

static int map_image(struct mm_struct *mm, struct file *file, const struct elf_image *img, u64 bias)
{
	int err = 0;
	vaddr_t start = bias + img->min, end = bias + img->max;

	if (end > TASK_SIZE || end < start || range_taken(mm, start, end))
		return -ENOMEM;
	for (unsigned int i = 0; !err && i < img->eh.phnum; i++)
		if (img->ph[i].type == PT_LOAD && img->ph[i].memsz)
			err = map_segment(mm, file, &img->ph[i], bias);
	return err;
}

/* A free place as any mapping would get it, as high as the image's alignment allows. */
static long mapping_place(struct mm_struct *mm, const struct elf_image *img)
{
	size_t len = img->max - img->min, slack = img->align - PAGE_SIZE;
	long addr;

	down_write(&mm->mmap_lock);
	addr = get_unmapped_area(mm, 0, len + slack, MAP_PRIVATE);
	up_write(&mm->mmap_lock);
	return addr < 0 ? addr : (long)ALIGN_DOWN((vaddr_t)addr + slack, img->align);
}

static int load_interp(struct elf_program *p, struct mm_struct *mm)
{
	const struct elf_image *img = p->interp;
	u64 bias = 0;
	int err;

	if (img->eh.type == ET_DYN) {
		long base = mapping_place(mm, img);

		if (base < 0)
			return (int)base;
		bias = (u64)base - img->min;
	}
	err = map_image(mm, p->interp_file, img, bias);
	if (err)
		return err;
	p->interp_base = bias;
	p->start = bias + img->eh.entry;
	return p->start < TASK_SIZE ? 0 : -EINVAL;
}

/* Where the program headers lie in memory: by PT_PHDR, or inside the segment that has their bytes. */
static vaddr_t find_phdrs(const struct elf_image *img, u64 bias)
{
	vaddr_t addr = 0;

	for (unsigned int i = 0; i < img->eh.phnum; i++) {
		const struct elf64_phdr *ph = &img->ph[i];

		if (ph->type == PT_PHDR)
			return bias + ph->vaddr;
		if (ph->type == PT_LOAD && ph->offset <= img->eh.phoff &&
		    img->eh.phoff < ph->offset + ph->filesz)
			addr = bias + ph->vaddr + (img->eh.phoff - ph->offset);
	}
	return addr;
}

/* What /proc shows. */
static void set_layout(struct mm_struct *mm, const struct elf_image *img, u64 bias)
{
	mm->start_code = ~0UL;
	for (unsigned int i = 0; i < img->eh.phnum; i++) {
		const struct elf64_phdr *ph = &img->ph[i];
		vaddr_t start = bias + ph->vaddr, end = start + ph->filesz;

		if (ph->type != PT_LOAD)
			continue;
		if ((ph->flags & PF_X) && start < mm->start_code)
			mm->start_code = start;
		if ((ph->flags & PF_X) && end > mm->end_code)
			mm->end_code = end;
		if (start > mm->start_data)
			mm->start_data = start;
		if (end > mm->end_data)
			mm->end_data = end;
	}
	if (mm->start_code == ~0UL)
		mm->start_code = 0;
}

/* Without an interpreter it may be one: among the mappings, where it is out of a program's way. */
static long program_place(const struct elf_program *p, struct mm_struct *mm)
{
	if (!p->interp)
		return mapping_place(mm, p->image);
	return (long)ALIGN_DOWN(layout_pie_base(p->layout), p->image->align);
}

int elf_load(struct elf_program *p, struct mm_struct *mm, struct file *file)
{
	const struct elf_image *img = p->image;
	u64 bias = 0;
	int err;

	if (img->eh.type == ET_DYN) {
		long base = program_place(p, mm);

		if (base < 0)
			return (int)base;
		bias = (u64)base - img->min;
	}
	err = map_image(mm, file, img, bias);
	if (err)
		return err;
	p->entry = p->start = bias + img->eh.entry;
	p->phdr_addr = find_phdrs(img, bias);
	p->phnum = img->eh.phnum;
	set_layout(mm, img, bias);
	layout_set_brk(mm, bias + img->max, img->eh.type == ET_DYN && !p->interp, p->layout);
	if (p->interp)
		return load_interp(p, mm);
	return p->start < TASK_SIZE ? 0 : -EINVAL;
}
