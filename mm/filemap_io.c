/* SPDX-License-Identifier: MIT */
/*
 * read() and write() on the page cache, and the search for data and holes.
 *
 * Reading holds no lock while it copies: a reference keeps the page in memory, and what a concurrent
 * write or truncation does to its bytes may be seen or not, as POSIX leaves it.
 *
 * Writing holds the page lock, so that nobody sees a new page half filled. The copy may fault, and
 * the fault may need this very page (write(fd, mapping of fd)) or memory, so it must not be handled
 * under the lock: the source is touched first, then copied with page faults disabled, and when that
 * falls short all the same (the source was evicted in between) the loop starts again for the rest.
 *
 * A new page of a mapping without readpage is a hole's: the bytes not written are zero, so only they
 * are cleared and the page is complete whatever the copy achieved. A page that must be read from the
 * file first is read unless the write covers it whole.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <kernel/x86/uaccess.h>
#include <mm/filemap.h>
#include <mm/lru.h>
#include <mm/page.h>

static size_t chunk_of(loff_t pos, size_t n)
{
	return min((size_t)(PAGE_SIZE - (pos & (PAGE_SIZE - 1))), n);
}

static u64 index_of(loff_t pos)
{
	return (u64)pos >> PAGE_SHIFT;
}

/* --- reading ---- */

/* Bytes not copied. */
typedef size_t (*copy_out_fn)(void *to, const void *from, size_t n);
typedef size_t (*zero_out_fn)(void *to, size_t n);

static size_t kernel_copy_out(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return 0;
}

static size_t kernel_zero_out(void *to, size_t n)
{
	memset(to, 0, n);
	return 0;
}

static size_t user_copy_out(void *to, const void *from, size_t n)
{
	return copy_to_user((void __user *)to, from, n);
}

static size_t user_zero_out(void *to, size_t n)
{
	return clear_user((void __user *)to, n);
}

/* One use of a page, in however many pieces it is read: its first piece, or whatever comes first. */
static void note_use(struct page *page, loff_t pos)
{
	if (!(pos & (PAGE_SIZE - 1)) || !PageReferenced(page))
		mark_page_accessed(page);
}

static __always_inline ssize_t do_read(struct address_space *m, loff_t pos, void *to, size_t n,
				       copy_out_fn copy, zero_out_fn zero)
{
	ssize_t done = 0;
	long err = 0;

	while (n && !err) {
		loff_t size = READ_ONCE(m->size);
		size_t chunk, left;
		struct page *page;

		if (pos < 0 || pos >= size)
			break;
		chunk = min(chunk_of(pos, n), (size_t)(size - pos));
		page = find_get_page(m, index_of(pos));
		if (!page || !PageUptodate(page)) {
			if (page)
				put_page(page);
			page = filemap_get_page(m, index_of(pos), false, NULL);
			if (IS_ERR(page)) {
				err = PTR_ERR(page);
				break;
			}
		}
		if (page) {
			left = copy(to, (char *)page_address(page) + (pos & (PAGE_SIZE - 1)),
				    chunk);
			note_use(page, pos);
			put_page(page);
		} else {
			left = zero(to, chunk);
		}
		if (left)
			err = -EFAULT;
		chunk -= left;
		pos += chunk;
		to = (char *)to + chunk;
		n -= chunk;
		done += chunk;
		cond_resched();
	}
	return done ? done : err;
}

ssize_t filemap_read(struct address_space *m, loff_t pos, void __user *buf, size_t n)
{
	return do_read(m, pos, buf, n, user_copy_out, user_zero_out);
}

ssize_t filemap_read_kernel(struct address_space *m, loff_t pos, void *buf, size_t n)
{
	return do_read(m, pos, buf, n, kernel_copy_out, kernel_zero_out);
}

/* --- writing ---- */

/* The locked page for [pos, pos + n) within it, with all bytes outside of that valid. *fresh: it was
 * a hole, and the bytes inside are not yet. */
static struct page *page_for_write(struct address_space *m, loff_t pos, size_t n, bool *fresh)
{
	struct page *page = find_or_create_page(m, index_of(pos), GFP_USER);
	size_t off = pos & (PAGE_SIZE - 1);
	int err = 0;

	*fresh = false;
	if (IS_ERR(page) || PageUptodate(page))
		return page;
	if (m->ops && m->ops->readpage) {
		if (n < PAGE_SIZE)
			err = m->ops->readpage(m, page);
		else
			*fresh = true;
		if (!err)
			return page;
		unlock_page(page);
		put_page(page);
		return ERR_PTR(err);
	}
	if (n < PAGE_SIZE) {
		memset(page_address(page), 0, off);
		memset((char *)page_address(page) + off + n, 0, PAGE_SIZE - off - n);
	}
	*fresh = true;
	return page;
}

/* done of n bytes at pos are in the page. A fresh hole's rest is zero; a fresh page of a real file
 * that was not covered after all stays not uptodate, to be read by the next user. */
static void finish_write(struct address_space *m, struct page *page, loff_t pos, size_t n,
			 size_t done, bool fresh)
{
	char *at = (char *)page_address(page) + (pos & (PAGE_SIZE - 1));
	bool reads = m->ops && m->ops->readpage;

	if (fresh && !reads && unlikely(done < n))
		memset(at + done, 0, n - done);
	if (fresh && (!reads || done == n))
		SetPageUptodate(page);
	if (done && PageUptodate(page)) {
		set_page_dirty(page);
		if (pos + (loff_t)done > m->size)
			WRITE_ONCE(m->size, pos + (loff_t)done);
	}
	unlock_page(page);
	put_page(page);
}

/* One page's part. Bytes written (0: try again), or -errno. */
static ssize_t write_chunk(struct address_space *m, loff_t pos, const void *from, size_t n,
			   bool user)
{
	struct page *page;
	size_t left = 0;
	bool fresh;
	char *at;

	if (user && fault_in_readable((const void __user *)from, n))
		return -EFAULT;
	page = page_for_write(m, pos, n, &fresh);
	if (IS_ERR(page))
		return PTR_ERR(page);
	at = (char *)page_address(page) + (pos & (PAGE_SIZE - 1));
	if (user)
		left = copy_from_user_nofault(at, (const void __user *)from, n);
	else
		memcpy(at, from, n);
	if (left && fresh && m->ops && m->ops->readpage)
		left = n; /* the page is not complete: none of it counts */
	finish_write(m, page, pos, n, n - left, fresh);
	return (ssize_t)(n - left);
}

/* The bytes before a bad one are still to be written: as far as the page boundary of the source. */
static size_t readable_part(const void __user *from, size_t n)
{
	size_t to_boundary = PAGE_SIZE - ((unsigned long)from & (PAGE_SIZE - 1));

	if (to_boundary < n && !fault_in_readable(from, to_boundary))
		return to_boundary;
	return 0;
}

static ssize_t do_write(struct address_space *m, loff_t pos, const void *from, size_t n, bool user)
{
	ssize_t done = 0, r = 0;

	if (pos > m->size)
		r = filemap_zero_tail(m, m->size);
	while (n && r >= 0) {
		size_t chunk = chunk_of(pos, n);

		r = write_chunk(m, pos, from, chunk, user);
		if (r == -EFAULT && user) {
			chunk = readable_part((const void __user *)from, chunk);
			if (chunk)
				r = write_chunk(m, pos, from, chunk, user);
		}
		if (r < 0)
			break;
		pos += r;
		from = (const char *)from + r;
		n -= r;
		done += r;
		cond_resched();
	}
	return done ? done : r;
}

ssize_t filemap_write(struct address_space *m, loff_t pos, const void __user *buf, size_t n)
{
	return do_write(m, pos, buf, n, true);
}

ssize_t filemap_write_kernel(struct address_space *m, loff_t pos, const void *buf, size_t n)
{
	return do_write(m, pos, buf, n, false);
}

/* --- data and holes ---- */

/* Swapped out, or a page that somebody filled. */
static bool is_data(void *entry)
{
	return entry && (radix_is_value(entry) || PageUptodate((struct page *)entry));
}

/* The first index from `index` on that has data, or has none (hole). */
static unsigned long next_data(struct address_space *m, unsigned long index, bool *found)
{
	void *entry;

	spin_lock(&m->tree_lock);
	while ((entry = radix_next(&m->pages, &index)) && !is_data(entry))
		if (!(++index % TREE_SCAN)) {
			spin_unlock(&m->tree_lock);
			cond_resched();
			spin_lock(&m->tree_lock);
		}
	*found = entry;
	spin_unlock(&m->tree_lock);
	return index;
}

static unsigned long next_hole(struct address_space *m, unsigned long index, unsigned long end)
{
	for (; index < end; index++) {
		bool there;

		spin_lock(&m->tree_lock);
		there = is_data(radix_lookup(&m->pages, index));
		spin_unlock(&m->tree_lock);
		if (!there)
			break;
		if (!(index & 511))
			cond_resched();
	}
	return index;
}

loff_t filemap_seek(struct address_space *m, loff_t pos, bool data)
{
	loff_t size = READ_ONCE(m->size), at;
	unsigned long index, end = DIV_ROUND_UP((u64)size, PAGE_SIZE);
	bool found = true;

	if (pos < 0 || pos >= size)
		return -ENXIO;
	if (m->ops && m->ops->readpage)
		return data ? pos : size; /* no holes known */
	index = index_of(pos);
	index = data ? next_data(m, index, &found) : next_hole(m, index, end);
	if (!found || index >= end)
		return data ? -ENXIO : size;
	at = (loff_t)(index << PAGE_SHIFT);
	return max(at, pos);
}
