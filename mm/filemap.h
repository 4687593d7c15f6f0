/* SPDX-License-Identifier: MIT */
/*
 * The page cache: one address_space a file, holding its cached pages; file faults; and what mm
 * knows of an open file. mm includes no file system: they plug in here.
 */
#pragma once

#include <kernel/lib/list.h>
#include <kernel/lib/radix.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <mm/gfp.h>

struct address_space;
struct vm_area_struct;

struct address_space_operations {
	/* Fills the locked page from the file (zeroes past the end) and sets it uptodate. Sleeps. 0 or
	 * -errno. NULL: pages that are not there are holes and read as zeroes (tmpfs). */
	int (*readpage)(struct address_space *mapping, struct page *page);
	/* Writes a locked dirty page out. NULL: never written (tmpfs). */
	int (*writepage)(struct address_space *mapping, struct page *page);
	/* Before a new page enters the cache (a size limit, ENOSPC), and after one left; may be NULL. */
	int (*page_charge)(struct address_space *mapping);
	void (*page_uncharge)(struct address_space *mapping);
};

/* The cached pages of one file (inode). 32-byte aligned: struct page names it. */
struct address_space {
	struct radix_tree pages; /* (t) index -> struct page, or a value entry (swap, shadow) */
	spinlock_t tree_lock;    /* (t) */
	unsigned long nrpages;   /* (t) */
	unsigned long nrswapped; /* (t) value entries that name a swap slot (shmem) */
	struct rwsem i_mmap_lock;
	struct rb_root i_mmap; /* (i_mmap_lock) interval tree of vmas, by pgoff */
	const struct address_space_operations *ops; /* (c) */
	loff_t size; /* of the file, bytes; written under the inode's lock, read freely */
	bool shadowed; /* (t) it has, or had, shadows: its end has to wait for those who forget them */
	bool shmem;    /* (c) swap-backed (tmpfs, shared anonymous): counts as Shmem */
	bool claimed; /* a disk that somebody uses past this cache: no mapping may write to it. Set before
		       * its pages are dropped */
	atomic_t writable_maps; /* shared writable mappings; < 0: denied */
	unsigned long
		committed; /* pages promised for the whole object (shared anonymous memory), given
				  * back with it; 0: tmpfs pages are charged one by one */
	void *host;        /* (c) the inode */
	struct list_head swapped; /* swap_shmem.c: it has, or had, pages in swap; next NULL: never */
} __aligned(32);

void mapping_init(struct address_space *m, const struct address_space_operations *ops, void *host,
		  bool shmem);

/* Until mapping_unmap_writable() shared writable mappings cannot be forbidden. False: they are. */
static inline bool mapping_map_writable(struct address_space *m)
{
	int n;

	while ((n = atomic_read(&m->writable_maps)) >= 0)
		if (atomic_cmpxchg(&m->writable_maps, n, n + 1))
			return true;
	return false;
}

static inline void mapping_unmap_writable(struct address_space *m)
{
	atomic_dec(&m->writable_maps);
}

/* Is there anything for truncate_all() to do? */
static inline bool mapping_in_use(const struct address_space *m)
{
	return m->nrpages || m->committed || m->swapped.next || m->shadowed;
}

/* What mm knows of an open file; embedded in struct file. */
struct mappable;
struct mappable_ops {
	void (*get)(struct mappable *f);
	void (*put)(struct mappable *f); /* sleeps */
	/* Asked by do_mmap before mapping: may veto (-ENODEV, -EACCES, -EPERM). May be NULL. */
	int (*mmap)(struct mappable *f, struct vm_area_struct *vma);
	/* Makes [from, to) bytes a hole, as fallocate() does: 0 or -errno. Sleeps. */
	int (*punch)(struct mappable *f, loff_t from, loff_t to);
};
#define MAPPABLE_READ   0x1u /* open for reading */
#define MAPPABLE_WRITE  0x2u /* open for writing */
#define MAPPABLE_NOEXEC 0x4u
#define MAPPABLE_ZERO   0x8u /* /dev/zero: map as anonymous */
struct mappable {
	const struct mappable_ops *ops;
	struct address_space *mapping; /* NULL: cannot be mapped (ENODEV) */
	unsigned int access;           /* MAPPABLE_* */
};

/* A new unnamed tmpfs-like file for MAP_SHARED|MAP_ANONYMOUS and /dev/zero; provided by fs/tmpfs.c
 * through this hook. ERR_PTR on failure; the caller owns the reference. */
extern struct mappable *(*shmem_file_setup)(size_t size);
/* Charges a new one of len bytes with the promise for all its pages: to the file, not to a space, as it
 * may outlive that; truncate_all() gives it back. 0 or -ENOMEM. */
int shmem_promise(struct mappable *file, size_t len) __must_check;

/* The cached page at index, referenced, or NULL (also if it is swapped out). */
struct page *find_get_page(struct address_space *m, u64 index);
/* The same, locked; checked again after the lock is held; swapped in: ERR_PTR(-ENOMEM, -EIO). */
struct page *find_lock_page(struct address_space *m, u64 index);
/* Finds it or makes it: referenced, locked; a new page is not uptodate. ERR_PTR(-ENOMEM, ...). */
struct page *find_or_create_page(struct address_space *m, u64 index, gfp_t gfp);
/* Referenced, unlocked, uptodate; read in if needed. A hole of a mapping without readpage: a new zeroed page if create, else
 * NULL; so is what lies beyond the end of the file. ERR_PTR on errors. *major is set if it did I/O (may be NULL). */
struct page *filemap_get_page(struct address_space *m, u64 index, bool create, bool *major);
/* Puts the new page (refcount held by the caller, locked) in at index: 0, -EEXIST, -ENOMEM. */
int add_to_page_cache(struct page *page, struct address_space *m, u64 index, gfp_t gfp);

/* The referenced, uptodate pages among [first, first + n), each at pages[index - first], NULL for
 * those that are not there or not ready: how many there are. n <= 64. Does not sleep. */
void filemap_get_cached(struct address_space *m, u64 first, unsigned int n, struct page **pages);
/* Removes a locked page: it is no file's any more. The caller keeps its own reference. */
void delete_from_page_cache(struct page *page);
/* The same for a page that is clean and that only the cache and the caller have a reference to: then
 * no pte has one either, and nobody gets one. False: it stays. evicted: for want of memory, so that a
 * shadow takes its place. */
bool delete_unused_page(struct page *page, bool evicted);
/* Erases the value at index: of a slot, that and what the page was charged are given back. tree_lock
 * held. */
void delete_value_locked(struct address_space *m, u64 index);
/* Marks a cached page dirty and counts it (a page that has left the cache: only the flag). Called under
 * a page-table lock, from fault.c and zap.c; takes tree_lock. */
void set_page_dirty(struct page *page);
void filemap_init(void); /* at boot, before the first mapping_init() */

/* Copying file data, a page at a time, never holding a lock over a user access. The inode's lock is
 * the caller's business (held for write). Return bytes done, or -errno if none. */
ssize_t filemap_read(struct address_space *m, loff_t pos, void __user *buf, size_t n);
ssize_t filemap_write(struct address_space *m, loff_t pos, const void __user *buf,
		      size_t n); /* grows m->size */
/* Kernel buffers (exec, initramfs, symlinks). */
ssize_t filemap_read_kernel(struct address_space *m, loff_t pos, void *buf, size_t n);
ssize_t filemap_write_kernel(struct address_space *m, loff_t pos, const void *buf, size_t n);

/* The file shrinks or grows to size: unmaps and drops what lies beyond, zeroes the last page's tail: 0;
 * -EIO, -ENOMEM: that is in swap and does not come back; all is as before. Caller holds the inode's lock
 * for writing. */
int truncate_setsize(struct address_space *m, loff_t size) __must_check;
/* Drops [start, end) bytes (punch hole): edges zeroed, whole pages removed. 0 or as above, but the first
 * edge may be zero already. The same lock is held. */
int truncate_range(struct address_space *m, loff_t start, loff_t end) __must_check;
/* Drops the pages that are clean, unmapped and in nobody's hand; how many. Waits for none. */
unsigned long invalidate_mapping(struct address_space *m);
/* All pages; at inode eviction: no mappings, no users left. */
void truncate_all(struct address_space *m);
/* What lies between size and the end of its page becomes zeroes, whatever a mapping wrote there: 0,
 * -EIO, -ENOMEM. Before m->size grows beyond that page's part. */
int filemap_zero_tail(struct address_space *m, loff_t size) __must_check;
/* So many entries are looked at under one hold of tree_lock. */
#define TREE_SCAN 512
/* SEEK_DATA / SEEK_HOLE over cached pages of a mapping without readpage: offset or -ENXIO. */
loff_t filemap_seek(struct address_space *m, loff_t pos, bool data);
/* Writes dirty pages of the range out and waits. 0 or -EIO. */
/* Writes a locked page that is not under I/O, if it is dirty and its file can be written: 0 or -EIO.
 * Sleeps. */
int filemap_write_locked(struct page *page);
int filemap_fsync_range(struct address_space *m, loff_t start, loff_t end);
unsigned long drop_clean_cache(void); /* drop_caches: pages freed */
