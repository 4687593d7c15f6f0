/* SPDX-License-Identifier: MIT */
/*
 * mmap, brk and the stack: where mappings come from (munmap.c: how they end).
 *
 * mmap: check the request, choose a place, derive the vma's flags, then make the range empty, charge
 * the promise to Committed_AS, and either extend a neighbour that is alike or insert a new vma.
 * Nothing is allocated for the pages: they come with faults (or, for MAP_POPULATE and locked
 * mappings, with mm_populate() after the lock is dropped).
 *
 * Mappings are placed downwards from mmap_base, below the stack's room (layout.c has the picture).
 *
 * Locking: all under mmap_lock for writing. What each call returns for each misuse follows Linux
 * 6.1, in the order of its checks, as programs and tests notice the order.
 *
 * Simplified against Linux: no hugetlb.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/x86/uaccess.h>
#include <mm/filemap.h>
#include <mm/rmap.h>
#include <mm/vma.h>

int sysctl_max_map_count = 65530;
unsigned long sysctl_mmap_min_addr = 65536;

struct mappable *(*shmem_file_setup)(size_t size);

/* --- accounting ---- */

static bool is_data(unsigned long flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
}

void vm_account(struct mm_struct *mm, unsigned long flags, long pages)
{
	mm->total_vm += pages;
	if (flags & VM_GROWSDOWN)
		mm->stack_vm += pages;
	else if (is_data(flags))
		mm->data_vm += pages;
	else if ((flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
		mm->exec_vm += pages;
	if (mm->total_vm > mm->hiwater_vm)
		mm->hiwater_vm = mm->total_vm;
}

bool vm_may_expand(struct mm_struct *mm, unsigned long flags, unsigned long pages)
{
	if (mm->total_vm + pages > mm->rlim_as >> PAGE_SHIFT)
		return false;
	return !is_data(flags) || mm->data_vm + pages <= mm->rlim_data >> PAGE_SHIFT;
}

int vm_may_lock(struct mm_struct *mm, unsigned long flags, size_t len)
{
	if (!(flags & VM_LOCKED) || mm->may_lock)
		return 0;
	if (mm->locked_vm + (len >> PAGE_SHIFT) > mm->rlim_memlock >> PAGE_SHIFT)
		return -EAGAIN;
	return 0;
}

/* --- a place ---- */

static bool range_is_free(struct mm_struct *mm, vaddr_t addr, size_t len)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	return !vma || addr + len <= vma_start_gap(vma);
}

/* Linux: MAP_32BIT means the second GiB, for code models that need 31 bits, or a hint below. */
static vaddr_t address_limit(int flags)
{
	return (flags & (MAP_32BIT | MAP_FIXED)) == MAP_32BIT ? 1UL << 31 : TASK_SIZE;
}

static vaddr_t choose_address(struct mm_struct *mm, size_t len, int flags)
{
	vaddr_t addr, low = max(sysctl_mmap_min_addr, PAGE_SIZE);

	if (flags & MAP_32BIT)
		return vma_gap_bottomup(mm, 1UL << 30, address_limit(flags), len);
	addr = vma_gap_topdown(mm, low, len);
	if (!addr) /* the rest: from a third up, as Linux falls back */
		addr = vma_gap_bottomup(mm, PAGE_ALIGN(TASK_SIZE / 3), TASK_SIZE, len);
	return addr;
}

long get_unmapped_area(struct mm_struct *mm, vaddr_t addr, size_t len, int flags)
{
	vaddr_t limit = address_limit(flags);

	if (len > limit)
		return -ENOMEM;
	if (!(flags & MAP_FIXED)) {
		addr &= PAGE_MASK;
		if (addr && addr < sysctl_mmap_min_addr)
			addr = PAGE_ALIGN(sysctl_mmap_min_addr);
		if (!addr || addr > limit - len || !range_is_free(mm, addr, len))
			addr = choose_address(mm, len, flags);
		return addr ? (long)addr : -ENOMEM;
	}
	if (addr > limit - len)
		return -ENOMEM;
	if (!IS_ALIGNED(addr, PAGE_SIZE))
		return -EINVAL;
	return addr < sysctl_mmap_min_addr ? -EPERM : (long)addr;
}

/* --- mapping ---- */

struct mmap_request {
	struct mm_struct *mm;
	struct mappable *file; /* NULL: anonymous private */
	vaddr_t addr;
	size_t len; /* page aligned */
	int prot, flags;
	u64 pgoff;
	unsigned long vm_flags;
};

static unsigned long flags_of_prot(int prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) |
	       (prot & PROT_EXEC ? VM_EXEC : 0);
}

/* A shared mapping of a file: what the descriptor was opened for bounds it for ever. */
static int shared_file_rights(struct mmap_request *r)
{
	if ((r->prot & PROT_WRITE) && !(r->file->access & MAPPABLE_WRITE))
		return -EACCES;
	if ((r->prot & PROT_WRITE) && r->file->mapping && READ_ONCE(r->file->mapping->claimed))
		return -ETXTBSY;
	r->vm_flags |= VM_SHARED | VM_MAYSHARE;
	if (!(r->file->access & MAPPABLE_WRITE))
		r->vm_flags &= ~(VM_MAYWRITE | VM_SHARED);
	return 0;
}

static int check_file_request(struct mmap_request *r)
{
	int type = r->flags & MAP_TYPE, err = 0;

	if (r->len > INT64_MAX || r->pgoff > (INT64_MAX - r->len) >> PAGE_SHIFT)
		return -EOVERFLOW;
	if (type == MAP_SHARED_VALIDATE && (r->flags & ~MAP_KNOWN))
		return -EOPNOTSUPP;
	if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE)
		err = shared_file_rights(r);
	else if (type != MAP_PRIVATE)
		return -EINVAL;
	if (err)
		return err;
	if (!(r->file->access & MAPPABLE_READ))
		return -EACCES;
	if (r->file->access & MAPPABLE_NOEXEC) {
		if (r->vm_flags & VM_EXEC)
			return -EPERM;
		r->vm_flags &= ~VM_MAYEXEC;
	}
	if (!r->file->mapping && !(r->file->access & MAPPABLE_ZERO))
		return -ENODEV;
	if (r->vm_flags & VM_GROWSDOWN)
		return -EINVAL;
	return 0;
}

/* A shared anonymous mapping has a file of its own, made by shared_anon_file(). */
static int check_anon_request(struct mmap_request *r)
{
	switch (r->flags & MAP_TYPE) {
	case MAP_SHARED:
		if (r->vm_flags & VM_GROWSDOWN)
			return -EINVAL;
		r->pgoff = 0;
		r->vm_flags |= VM_SHARED | VM_MAYSHARE;
		return 0;
	case MAP_PRIVATE:
		r->pgoff = r->addr >> PAGE_SHIFT;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Chooses the place and the flags. */
static int prepare_request(struct mmap_request *r, bool anon)
{
	struct mm_struct *mm = r->mm;
	long addr;
	int err;

	if (mm->map_count > sysctl_max_map_count)
		return -ENOMEM;
	addr = get_unmapped_area(mm, r->addr, r->len, r->flags);
	if (addr < 0)
		return addr;
	r->addr = addr;
	if ((r->flags & MAP_FIXED_NOREPLACE) && find_vma_intersection(mm, addr, addr + r->len))
		return -EEXIST;
	r->vm_flags = flags_of_prot(r->prot) | (r->flags & MAP_GROWSDOWN ? VM_GROWSDOWN : 0) |
		      (r->flags & MAP_LOCKED ? VM_LOCKED : 0) | mm->def_flags | VM_MAYACCESS;
	if ((r->flags & MAP_LOCKED) && !mm->rlim_memlock && !mm->may_lock)
		return -EPERM;
	err = vm_may_lock(mm, r->vm_flags, r->len);
	if (err)
		return err;
	err = anon ? check_anon_request(r) : check_file_request(r);
	if (err)
		return err;
	if ((r->flags & MAP_NORESERVE) && sysctl_overcommit_memory != 2)
		r->vm_flags |= VM_NORESERVE;
	r->vm_flags |= VM_SOFTDIRTY;
	return 0;
}

static unsigned long mapped_pages(struct mm_struct *mm, vaddr_t start, vaddr_t end)
{
	struct vm_area_struct *vma = find_vma_intersection(mm, start, end);
	unsigned long pages = 0;

	for (; vma && vma->start < end; vma = vma->next)
		pages += (min(end, vma->end) - max(start, vma->start)) >> PAGE_SHIFT;
	return pages;
}

static int insert_new(struct mmap_request *r)
{
	struct vm_area_struct *vma = vma_alloc(r->mm);
	struct mappable *file = r->file;
	bool dirties = false;
	int err = 0;

	if (!vma)
		return -ENOMEM;
	vma->start = r->addr;
	vma->end = r->addr + r->len;
	vma->flags = r->vm_flags;
	vma->pgoff = r->pgoff;
	if (file && file->ops->mmap)
		err = file->ops->mmap(file, vma);
	if (!err && file) {
		/* No seal against writing may come before vma_link_file(), which counts. */
		dirties = vma_may_dirty_file(vma);
		if (dirties && !mapping_map_writable(file->mapping))
			err = -EPERM;
	}
	if (err) {
		vma_free(vma);
		return err;
	}
	vma->file = file;
	if (file)
		file->ops->get(file);
	vma_link_file(vma);
	if (dirties)
		mapping_unmap_writable(file->mapping);
	vma_insert(vma, find_vma(r->mm, r->addr));
	return 0;
}

static int map_region(struct mmap_request *r, struct vma_graveyard *dead)
{
	struct mm_struct *mm = r->mm;
	unsigned long pages = r->len >> PAGE_SHIFT;
	vaddr_t end = r->addr + r->len;
	int err;

	if (!vm_may_expand(mm, r->vm_flags, pages) &&
	    !vm_may_expand(mm, r->vm_flags, pages - mapped_pages(mm, r->addr, end)))
		return -ENOMEM;
	if (r->flags & MAP_FIXED) {
		err = munmap_locked(mm, r->addr, r->len, dead);
		if (err)
			return err;
	}
	if (vm_accountable(r->vm_flags)) {
		err = commit_charge(mm, pages);
		if (err)
			return err;
		r->vm_flags |= VM_ACCOUNT;
	}
	if (!vma_extend_over(mm, r->addr, end, r->vm_flags, r->file, r->pgoff)) {
		err = insert_new(r);
		if (err) {
			if (r->vm_flags & VM_ACCOUNT)
				commit_uncharge(mm, pages);
			return err;
		}
	}
	vm_account(mm, r->vm_flags, pages);
	if (r->vm_flags & VM_LOCKED)
		mm->locked_vm += pages;
	return 0;
}

int shmem_promise(struct mappable *file, size_t len)
{
	if (commit_charge(NULL, (long)(len >> PAGE_SHIFT)))
		return -ENOMEM;
	file->mapping->committed = len >> PAGE_SHIFT;
	return 0;
}

/* The object behind a shared anonymous mapping. */
static struct mappable *shared_anon_file(size_t len, int flags)
{
	struct mappable *file;

	if (!shmem_file_setup)
		return ERR_PTR(-ENODEV);
	file = shmem_file_setup(len);
	if (IS_ERR(file) || ((flags & MAP_NORESERVE) && sysctl_overcommit_memory != 2))
		return file;
	if (shmem_promise(file, len)) {
		file->ops->put(file);
		return ERR_PTR(-ENOMEM);
	}
	return file;
}

/* Which file the request maps in the end: shmem's own for shared memory without a name, none for a
 * private map of /dev/zero. */
static int resolve_file(struct mmap_request *r, bool *anon, struct mappable **own)
{
	int type = r->flags & MAP_TYPE;

	*anon = !r->file;
	if (r->file && (r->file->access & MAPPABLE_ZERO)) {
		if (type == MAP_PRIVATE) {
			if (!(r->file->access & MAPPABLE_READ))
				return -EACCES;
			r->file = NULL;
			*anon = true;
			return 0;
		}
	} else if (r->file || type != MAP_SHARED) {
		return 0;
	}
	if (r->len > TASK_SIZE)
		return -ENOMEM;
	*own = shared_anon_file(r->len, r->flags);
	if (IS_ERR(*own)) {
		int err = PTR_ERR(*own);

		*own = NULL;
		return err;
	}
	if (r->file) /* /dev/zero: the rights of the descriptor, the pages of the new object */
		(*own)->access = r->file->access & ~MAPPABLE_ZERO;
	r->file = *own;
	r->pgoff = 0;
	return 0;
}

static long map_request(struct mmap_request *r, bool anon)
{
	struct vma_graveyard dead = {NULL};
	struct mm_struct *mm = r->mm;
	long err;

	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = prepare_request(r, anon);
	if (!err)
		err = map_region(r, &dead);
	up_write(&mm->mmap_lock);
	bury(&dead);
	return err;
}

long do_mmap(struct mm_struct *mm, struct mappable *file, vaddr_t addr, size_t len, int prot,
	     int flags, u64 pgoff)
{
	struct mmap_request r = {
		.mm = mm,
		.file = file,
		.addr = addr,
		.prot = prot,
		.flags = flags,
		.pgoff = pgoff,
	};
	struct mappable *own = NULL;
	bool anon;
	long err;

	if (!len)
		return -EINVAL;
	r.len = PAGE_ALIGN(len);
	if (!r.len)
		return -ENOMEM;
	if (pgoff + (r.len >> PAGE_SHIFT) < pgoff)
		return -EOVERFLOW;
	if (flags & MAP_FIXED_NOREPLACE)
		r.flags |= MAP_FIXED;
	err = resolve_file(&r, &anon, &own);
	if (err)
		return err;
	err = map_request(&r, anon);
	if (own)
		own->ops->put(own);
	if (err)
		return err;
	if ((r.vm_flags & VM_LOCKED) || (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)
		(void)mm_populate(mm, r.addr, r.len, true);
	return r.addr;
}

/* Does [vma's start, end) consist of parts of one mapping, with other offsets at most? */
static bool alike_up_to(const struct vm_area_struct *vma, vaddr_t end)
{
	const struct vm_area_struct *first = vma;

	for (; vma->end < end; vma = vma->next)
		if (!vma->next || vma->next->start != vma->end || vma->next->file != first->file ||
		    vma->next->flags != first->flags)
			return false;
	return true;
}

/* As Linux does it since 4.0: another part of the same file is mapped over the range. The file stays
 * with the buried vmas until that is done. */
long do_remap_file_pages(struct mm_struct *mm, vaddr_t start, size_t size, int prot, u64 pgoff,
			 int flags)
{
	struct mmap_request r = {
		.mm = mm,
		.addr = start & PAGE_MASK,
		.len = size & PAGE_MASK,
		.flags = MAP_SHARED | MAP_FIXED,
		.pgoff = pgoff,
	};
	struct vma_graveyard dead = {NULL};
	struct vm_area_struct *vma;
	long err = -EINVAL;

	if (prot || r.addr + r.len <= r.addr || pgoff + (r.len >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	vma = vma_lookup(mm, r.addr);
	if (vma && (vma->flags & VM_SHARED) && alike_up_to(vma, r.addr + r.len)) {
		r.file = vma->file;
		r.prot = (int)(vma->flags & VM_ACCESS); /* PROT_x is VM_x */
		r.flags |= vma->flags & VM_LOCKED ? MAP_LOCKED : 0;
		err = prepare_request(&r, false);
		if (!err)
			err = map_region(&r, &dead);
	}
	up_write(&mm->mmap_lock);
	bury(&dead);
	if (!err && ((r.vm_flags & VM_LOCKED) || !(flags & MAP_NONBLOCK)))
		(void)mm_populate(mm, r.addr, r.len, true);
	return err;
}

/* --- the program break ---- */

/* A heap that was unmapped by other means does not shrink, as on Linux. */
static int brk_shrink(struct mm_struct *mm, vaddr_t from, vaddr_t to, struct vma_graveyard *dead)
{
	if (!find_vma_intersection(mm, from, to))
		return -ENOMEM;
	return munmap_locked(mm, from, to - from, dead);
}

static int brk_grow(struct mm_struct *mm, vaddr_t from, vaddr_t to, bool *locked)
{
	struct mmap_request r = {
		.mm = mm,
		.addr = from,
		.len = to - from,
		.flags = MAP_PRIVATE,
		.pgoff = from >> PAGE_SHIFT,
		.vm_flags = VM_DATA_FLAGS | VM_SOFTDIRTY | mm->def_flags,
	};
	struct vm_area_struct *next = find_vma(mm, from);

	/* A page stays free between the heap and what follows, as on Linux. */
	if (to > TASK_SIZE || (next && to + PAGE_SIZE > vma_start_gap(next)))
		return -ENOMEM;
	if (vm_may_lock(mm, r.vm_flags, r.len) || mm->map_count > sysctl_max_map_count)
		return -ENOMEM;
	*locked = r.vm_flags & VM_LOCKED;
	return map_region(&r, NULL);
}

static bool brk_within_limit(struct mm_struct *mm, vaddr_t brk)
{
	return mm->rlim_data == ~0UL ||
	       (brk - mm->start_brk) + (mm->end_data - mm->start_data) <= mm->rlim_data;
}

long do_brk(struct mm_struct *mm, vaddr_t brk)
{
	struct vma_graveyard dead = {NULL};
	vaddr_t from, to = PAGE_ALIGN(brk), result;
	bool locked = false;
	int err = 0;

	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	from = PAGE_ALIGN(mm->brk);
	if (brk < mm->start_brk || brk > TASK_SIZE || !brk_within_limit(mm, brk))
		err = -ENOMEM;
	else if (to < from)
		err = brk_shrink(mm, to, from, &dead);
	else if (to > from)
		err = brk_grow(mm, from, to, &locked);
	if (!err)
		mm->brk = brk;
	result = mm->brk;
	up_write(&mm->mmap_lock);
	bury(&dead);
	if (!err && locked)
		(void)mm_populate(mm, from, to - from, true);
	return result;
}

/* --- the stack ---- */

long mm_map_stack(struct mm_struct *mm, vaddr_t top, size_t size, bool executable)
{
	struct mmap_request r = {
		.mm = mm,
		.addr = top - size,
		.len = size,
		.flags = MAP_PRIVATE,
		.pgoff = (top - size) >> PAGE_SHIFT,
		.vm_flags = VM_DATA_FLAGS | VM_GROWSDOWN | VM_SOFTDIRTY | mm->def_flags |
			    (executable ? VM_EXEC : 0),
	};
	long err = -ENOMEM;

	assert(IS_ALIGNED(top | size, PAGE_SIZE) && size && size < top && top <= TASK_SIZE);
	down_write(&mm->mmap_lock);
	if (!find_vma_intersection(mm, r.addr, top))
		err = map_region(&r, NULL);
	up_write(&mm->mmap_lock);
	return err;
}

/* The neighbour below must be a gap away, unless nobody can touch it anyway. */
static bool guard_gap_kept(const struct vm_area_struct *vma, vaddr_t addr)
{
	const struct vm_area_struct *prev = vma->prev;

	if (!prev || (prev->flags & VM_GROWSDOWN) || !(prev->flags & VM_ACCESS))
		return !prev || prev->end <= addr;
	return addr >= prev->end && addr - prev->end >= STACK_GUARD_GAP;
}

int vma_grow_down(struct vm_area_struct *vma, vaddr_t addr)
{
	struct mm_struct *mm = vma->mm;
	unsigned long pages;

	addr = PAGE_ALIGN_DOWN(addr);
	if (addr >= vma->start)
		return 0; /* another thread was faster */
	pages = (vma->start - addr) >> PAGE_SHIFT;
	if (!(vma->flags & VM_GROWSDOWN) || addr < sysctl_mmap_min_addr ||
	    !guard_gap_kept(vma, addr) || pages > vma->pgoff)
		return -ENOMEM;
	if (!vm_may_expand(mm, vma->flags, pages) || vma->end - addr > mm->rlim_stack ||
	    vm_may_lock(mm, vma->flags, pages << PAGE_SHIFT))
		return -ENOMEM;
	/* For the write that most often comes next; and how the vma merges later depends on it. */
	if (anon_vma_prepare(vma))
		return -ENOMEM;
	if ((vma->flags & VM_ACCOUNT) && commit_charge(mm, pages))
		return -ENOMEM;
	vma_set_bounds(vma, addr, vma->end, vma->pgoff - pages);
	vm_account(mm, vma->flags, pages);
	if (vma->flags & VM_LOCKED)
		mm->locked_vm += pages;
	return 0;
}
