/* SPDX-License-Identifier: MIT */
/*
 * The page cache in the running kernel: reads, writes, truncation and holes against a plain array of
 * bytes, limits and failures on the way, and files that shrink under a mapping.
 */
#include <kernel/lib/string.h>
#include <mm/failinject.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/pgtable.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/vma.h>
#include <mm/vmstat.h>
#include <tests/kernel/ktest.h>

#define PAGES 24UL
#define BYTES (PAGES * PAGE_SIZE)

/* A file system of one file, with room for `room` pages. */
static long room;

static int count_page(struct address_space *m)
{
	(void)m;
	if (!room)
		return -ENOSPC;
	room--;
	return 0;
}

static void uncount_page(struct address_space *m)
{
	(void)m;
	room++;
}

static const struct address_space_operations ops = {
	.page_charge = count_page,
	.page_uncharge = uncount_page,
};

struct file_model {
	struct address_space *m;
	u8 *bytes;        /* BYTES of them; zero beyond size */
	bool data[PAGES]; /* a page is there */
	u8 *buf;
};

static bool model_init(struct file_model *f)
{
	memset(f, 0, sizeof(*f));
	room = 1000;
	f->m = get_free_page(GFP_KERNEL | __GFP_ZERO); /* aligned */
	f->bytes = kvmalloc(BYTES, GFP_KERNEL);
	f->buf = kvmalloc(BYTES, GFP_KERNEL);
	if (!f->m || !f->bytes || !f->buf)
		return false;
	memset(f->bytes, 0, BYTES);
	mapping_init(f->m, &ops, NULL, true);
	return true;
}

static void model_exit(struct file_model *f)
{
	if (f->m)
		truncate_all(f->m);
	EXPECT_EQ(room, 1000);
	if (f->m)
		free_page(f->m);
	kvfree(f->bytes);
	kvfree(f->buf);
}

static void do_write(struct file_model *f, size_t pos, size_t n)
{
	u8 fill = (u8)ktest_random();

	for (size_t i = 0; i < n; i++)
		f->bytes[pos + i] = (u8)(fill + i * 7);
	for (size_t i = pos / PAGE_SIZE; i * PAGE_SIZE < pos + n; i++)
		f->data[i] = true;
	EXPECT_EQ(filemap_write_kernel(f->m, (loff_t)pos, f->bytes + pos, n), n);
}

static void do_truncate(struct file_model *f, size_t size)
{
	EXPECT_EQ(truncate_setsize(f->m, (loff_t)size), 0);
	memset(f->bytes + size, 0, BYTES - size);
	for (size_t i = DIV_ROUND_UP(size, PAGE_SIZE); i < PAGES; i++)
		f->data[i] = false;
}

static void do_punch(struct file_model *f, size_t pos, size_t n)
{
	EXPECT_EQ(truncate_range(f->m, (loff_t)pos, (loff_t)(pos + n)), 0);
	memset(f->bytes + pos, 0, n);
	for (size_t i = DIV_ROUND_UP(pos, PAGE_SIZE); (i + 1) * PAGE_SIZE <= pos + n; i++)
		f->data[i] = false;
}

static void check_read(struct file_model *f, size_t pos, size_t n)
{
	size_t size = (size_t)f->m->size, want = pos >= size ? 0 : min(n, size - pos);

	memset(f->buf, 0xee, n);
	EXPECT_EQ(filemap_read_kernel(f->m, (loff_t)pos, f->buf, n), want);
	EXPECT(!memcmp(f->buf, f->bytes + pos, want));
	EXPECT(n == want || f->buf[want] == 0xee);
}

static loff_t model_seek(struct file_model *f, size_t pos, bool data)
{
	size_t size = (size_t)f->m->size, i = pos / PAGE_SIZE;

	if (pos >= size)
		return -ENXIO;
	while (i * PAGE_SIZE < size && f->data[i] != data)
		i++;
	if (i * PAGE_SIZE >= size)
		return data ? -ENXIO : (loff_t)size;
	return (loff_t)max(pos, i * PAGE_SIZE);
}

static void check_seek(struct file_model *f, size_t pos)
{
	EXPECT_EQ(filemap_seek(f->m, (loff_t)pos, true), model_seek(f, pos, true));
	EXPECT_EQ(filemap_seek(f->m, (loff_t)pos, false), model_seek(f, pos, false));
}

static void random_op(struct file_model *f)
{
	size_t pos = ktest_random_below(BYTES), n = 1 + ktest_random_below(BYTES - pos);

	if (ktest_random_below(2))
		n = 1 + n % 5000;
	n = min(n, BYTES - pos);
	switch (ktest_random_below(5)) {
	case 0:
	case 1:
		do_write(f, pos, n);
		break;
	case 2:
		do_truncate(f, pos);
		break;
	case 3:
		do_punch(f, pos, n);
		break;
	}
	check_read(f, pos, n);
	check_read(f, 0, BYTES);
	check_seek(f, pos);
}

KTEST(filemap, random_io, "a byte lost, kept or made up by a write, a truncation or a hole")
{
	struct file_model f;

	if (EXPECT(model_init(&f)))
		for (int i = 0; i < 400 && !ktest_failed(); i++)
			random_op(&f);
	model_exit(&f);
}

KTEST(filemap, no_space, "a full file system that loses pages it had, or writes beyond its limit")
{
	struct file_model f;

	if (EXPECT(model_init(&f))) {
		room = 3;
		memset(f.bytes, 'x', BYTES);
		EXPECT_EQ(filemap_write_kernel(f.m, 100, f.bytes, BYTES - 200),
			  3 * PAGE_SIZE - 100);
		EXPECT_EQ(f.m->size, 3 * PAGE_SIZE);
		EXPECT_EQ(filemap_write_kernel(f.m, 3 * PAGE_SIZE, f.bytes, 10), -ENOSPC);
		EXPECT(PTR_ERR(filemap_get_page(f.m, 3, true, NULL)) == -ENOSPC);
		EXPECT_EQ(filemap_write_kernel(f.m, 5, f.bytes, 10), 10);
		room += 997;
	}
	model_exit(&f);
}

KTEST(filemap, huge_offsets,
      "an offset near the end of the range that wraps, or meets a wrong page")
{
	struct file_model f;
	u8 byte = 7;

	if (EXPECT(model_init(&f))) {
		loff_t far = (loff_t)1 << 43; /* a 4 KiB index of 31 bits */

		EXPECT_EQ(filemap_write_kernel(f.m, far, &byte, 1), 1);
		EXPECT_EQ(filemap_seek(f.m, 0, true), far);
		EXPECT_EQ(filemap_write_kernel(f.m, (loff_t)1 << 44, &byte, 1), -EFBIG);
		EXPECT_EQ(filemap_read_kernel(f.m, far, f.buf, 10), 1);
		EXPECT_EQ(f.buf[0], 7);
		EXPECT_EQ(truncate_setsize(f.m, 1), 0);
		EXPECT_EQ(f.m->nrpages, 0);
	}
	model_exit(&f);
}

/* ---- under a mapping ---- */

static struct mappable *shared_file(size_t size)
{
	struct mappable *f = shmem_file_setup(size);

	if (!IS_ERR(f))
		f->access = MAPPABLE_READ | MAPPABLE_WRITE;
	return f;
}

static vm_fault_t touch(vaddr_t addr, bool write)
{
	vm_fault_t r = handle_mm_fault(current_mm(), addr,
				       FAULT_FLAG_USER | (write ? FAULT_FLAG_WRITE : 0));

	return r == VM_FAULT_MAJOR ? VM_FAULT_DONE : r;
}

static void truncate_mapped(void *arg)
{
	struct mappable *f = shared_file(4 * PAGE_SIZE);
	long shared, private;
	u8 byte = 0;

	(void)arg;
	if (!EXPECT(!IS_ERR(f)))
		return;
	shared = do_mmap(current_mm(), f, 0, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	private =
		do_mmap(current_mm(), f, 0, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(touch(shared + i * PAGE_SIZE, true), VM_FAULT_DONE);
		EXPECT_EQ(touch(private + i * PAGE_SIZE, i & 1), VM_FAULT_DONE);
	}
	EXPECT_EQ(mm_counter_read(current_mm(), MM_SHMEM), 6);
	EXPECT_EQ(mm_counter_read(current_mm(), MM_ANON), 2);
	EXPECT_EQ(truncate_setsize(f->mapping, PAGE_SIZE + 1),
		  0); /* pages 2, 3 go, the private copy of 3 too */
	EXPECT_EQ(mm_counter_read(current_mm(), MM_SHMEM), 3);
	EXPECT_EQ(mm_counter_read(current_mm(), MM_ANON), 1);
	EXPECT_EQ(touch(shared + PAGE_SIZE, true), VM_FAULT_DONE);
	EXPECT_EQ(touch(shared + 2 * PAGE_SIZE, false), VM_FAULT_SIGBUS);
	EXPECT_EQ(touch(private + 3 * PAGE_SIZE, true), VM_FAULT_SIGBUS);
	/* What a mapping writes behind the end is not seen when the file grows. */
	EXPECT_EQ(mm_access(current_mm(), shared + PAGE_SIZE + 100, "\x55", 1, true), 1);
	EXPECT_EQ(truncate_setsize(f->mapping, 4 * PAGE_SIZE), 0);
	EXPECT_EQ(filemap_read_kernel(f->mapping, PAGE_SIZE + 100, &byte, 1), 1);
	EXPECT_EQ(byte, 0);
	EXPECT_EQ(touch(shared + 2 * PAGE_SIZE, false), VM_FAULT_DONE);
	down_write(&current_mm()->mmap_lock);
	pgtable_check(current_mm());
	up_write(&current_mm()->mmap_lock);
	f->ops->put(f);
}

KTEST(filemap, truncate_mapped,
      "a page of a truncated file that is still mapped; data behind the end that comes back")
{
	ktest_with_mm(truncate_mapped, NULL);
}

static void punch_mapped(void *arg)
{
	struct mappable *f = shared_file(4 * PAGE_SIZE);
	u8 byte = 1;
	long addr;

	(void)arg;
	if (!EXPECT(!IS_ERR(f)))
		return;
	addr = do_mmap(current_mm(), f, 0, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	EXPECT_EQ(filemap_write_kernel(f->mapping, 2 * PAGE_SIZE, "abc", 3), 3);
	EXPECT_EQ(touch(addr + 2 * PAGE_SIZE, true), VM_FAULT_DONE);
	EXPECT_EQ(do_madvise(current_mm(), addr + PAGE_SIZE, 2 * PAGE_SIZE, MADV_REMOVE), 0);
	EXPECT_EQ(mm_counter_read(current_mm(), MM_SHMEM), 0);
	EXPECT_EQ(mm_access(current_mm(), addr + 2 * PAGE_SIZE, &byte, 1, false), 1);
	EXPECT_EQ(byte, 0);
	f->ops->put(f);
}

KTEST(filemap, punch_mapped, "MADV_REMOVE that leaves the page in the mapping or in the file")
{
	ktest_with_mm(punch_mapped, NULL);
}

static int hook_error;

/* The seal against writing, at the worst moment: the file has just said that it may be mapped. */
static int seal_meanwhile(struct mappable *f, struct vm_area_struct *vma)
{
	(void)vma;
	EXPECT(atomic_cmpxchg(&f->mapping->writable_maps, 0, -1));
	return hook_error;
}

static void seal_race(void *arg)
{
	struct mappable *f = shared_file(PAGE_SIZE);
	const struct mappable_ops *fs_ops;
	struct mappable_ops slow;
	long addr;

	(void)arg;
	if (!EXPECT(!IS_ERR(f)))
		return;
	fs_ops = f->ops;
	slow = *fs_ops;
	slow.mmap = seal_meanwhile;
	f->ops = &slow;
	hook_error = -EACCES;
	addr = do_mmap(current_mm(), f, 0, PAGE_SIZE, PROT_WRITE, MAP_SHARED, 0);
	EXPECT_EQ(addr, -EACCES);
	EXPECT_EQ(atomic_read(&f->mapping->writable_maps), -1);
	atomic_set(&f->mapping->writable_maps, 0);
	hook_error = 0;
	addr = do_mmap(current_mm(), f, 0, PAGE_SIZE, PROT_WRITE, MAP_SHARED, 0);
	EXPECT_EQ(addr, -EPERM);
	EXPECT_EQ(atomic_read(&f->mapping->writable_maps), -1);
	f->ops = fs_ops;
	atomic_set(&f->mapping->writable_maps, 0);
	addr = do_mmap(current_mm(), f, 0, PAGE_SIZE, PROT_WRITE, MAP_SHARED, 0);
	EXPECT(addr > 0);
	EXPECT_EQ(atomic_read(&f->mapping->writable_maps), 1);
	EXPECT(!atomic_cmpxchg(&f->mapping->writable_maps, 0, -1));
	EXPECT_EQ(do_munmap(current_mm(), addr, PAGE_SIZE), 0);
	EXPECT_EQ(atomic_read(&f->mapping->writable_maps), 0);
	f->ops->put(f);
}

KTEST(filemap, seal_race, "F_SEAL_WRITE that slips in while a writable mapping is being made")
{
	ktest_with_mm(seal_race, NULL);
}

/* ---- promises ---- */

static void shared_memory_charge(void *arg)
{
	unsigned long before = commit_committed();
	long addr = do_mmap(current_mm(), NULL, 0, 100 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, 0);

	(void)arg;
	CHECK(addr > 0);
	EXPECT_EQ(commit_committed(), before + 100);
	EXPECT_EQ(touch(addr, true), VM_FAULT_DONE);
	EXPECT_EQ(commit_committed(), before + 100);
	EXPECT_EQ(do_munmap(current_mm(), addr, 50 * PAGE_SIZE), 0);
	EXPECT_EQ(commit_committed(), before + 100); /* the object is still whole */
	EXPECT_EQ(do_munmap(current_mm(), addr + 50 * PAGE_SIZE, 50 * PAGE_SIZE), 0);
	EXPECT_EQ(commit_committed(), before);
}

KTEST(filemap, shared_memory_charge,
      "shared anonymous memory charged twice, by the page, or for ever")
{
	ktest_with_mm(shared_memory_charge, NULL);
}

KTEST(filemap, page_charge,
      "tmpfs pages that are not in Committed_AS, Cached or Shmem, or stay there")
{
	unsigned long committed = commit_committed(), pages = vmstat_item(NR_FILE_PAGES);
	unsigned long shmem = vmstat_item(NR_SHMEM);
	struct file_model f;

	if (EXPECT(model_init(&f))) {
		do_write(&f, 0, 5 * PAGE_SIZE + 1);
		EXPECT_EQ(commit_committed(), committed + 6);
		EXPECT_EQ(vmstat_item(NR_FILE_PAGES), pages + 6);
		EXPECT_EQ(vmstat_item(NR_SHMEM), shmem + 6);
		do_truncate(&f, PAGE_SIZE);
		EXPECT_EQ(commit_committed(), committed + 1);
	}
	model_exit(&f);
	EXPECT_EQ(commit_committed(), committed);
	EXPECT_EQ(vmstat_item(NR_FILE_PAGES), pages);
	EXPECT_EQ(vmstat_item(NR_SHMEM), shmem);
}

#ifdef CONFIG_DEBUG
/* Each allocation of a write fails once: the write stops short, and what was written is there. */
static void failing_write(struct file_model *f, enum fail_class class)
{
	for (unsigned long nth = 1;; nth++) {
		ssize_t done;
		bool hit;

		fail_inject_set(class, nth, 1);
		done = filemap_write_kernel(f->m, 10, f->bytes, BYTES - 10);
		hit = fail_inject_hits();
		fail_inject_set(class, 0, 0);
		if (!hit)
			break;
		EXPECT(done == -ENOMEM || (done > 0 && (size_t)done < BYTES - 10));
		if (done > 0) {
			EXPECT_EQ(f->m->size, done + 10);
			EXPECT_EQ(filemap_read_kernel(f->m, 10, f->buf, BYTES), done);
			EXPECT(!memcmp(f->buf, f->bytes, (size_t)done));
		}
		EXPECT_EQ(truncate_setsize(f->m, 0), 0);
	}
	EXPECT_EQ(f->m->size, BYTES);
	EXPECT_EQ(truncate_setsize(f->m, 0), 0);
}

KTEST(filemap, failing_allocations,
      "a write that loses data, leaks or crashes when memory runs out in it")
{
	struct file_model f;

	if (EXPECT(model_init(&f))) {
		for (size_t i = 0; i < BYTES; i++)
			f.bytes[i] = (u8)(i * 13);
		failing_write(&f, FAIL_PAGE);
		failing_write(&f, FAIL_SLAB);
	}
	model_exit(&f);
}
#endif
