/* SPDX-License-Identifier: MIT */
/*
 * Swap areas, slots and the cache, on a ramdisk (ramdisk_size=4096 or more on the command line; else
 * these are skipped).
 */
#include <drivers/block/blkdev.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <mm/fault.h>
#include <mm/filemap.h>
#include <mm/gfp.h>
#include <mm/lru.h>
#include <mm/migrate.h>
#include <mm/page.h>
#include <mm/page_alloc.h>
#include <mm/rmap.h>
#include <mm/swap.h>
#include <mm/tlb.h>
#include <mm/vma.h>
#include <mm/vmscan.h>
#include <mm/vmstat.h>
#include <tests/kernel/ktest.h>

#define SLOTS 1000u /* of the area: four clusters, the last one short */

static struct block_device *disk(void)
{
	struct block_device *b = blkdev_get(MKDEV(1, 0));

	if (!b || blkdev_blocks(b) < 1024) {
		ktest_skip("no ramdisk: ramdisk_size=4096");
		return NULL;
	}
	return b;
}

/* The words of Linux's header. */
struct header {
	char boot[1024];
	u32 version, last_page, nr_bad, label[8], padding[117], bad[637];
	char pad[2], magic[10];
};

static int write_header(struct block_device *b, u32 version, u32 last, u32 nr_bad,
			const char *magic)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct bio bio = {.bdev = b, .write = true, .nr = 1, .pages = {page}};
	struct header *h = page ? page_address(page) : NULL;
	int err;

	if (!h)
		return -ENOMEM;
	h->version = version;
	h->last_page = last;
	h->nr_bad = nr_bad;
	for (u32 i = 0; i < min(nr_bad, 637u); i++)
		h->bad[i] = 10 + i;
	memcpy(h->magic, magic, 10);
	err = submit_bio_wait(&bio);
	put_page(page);
	return err;
}

static bool on(struct block_device *b, u32 slots, u32 nr_bad, int flags)
{
	return EXPECT_EQ(write_header(b, 1, slots - 1, nr_bad, "SWAPSPACE2"), 0) &&
	       EXPECT_EQ(do_swapon(b, flags, "/dev/test"), 0);
}

KTEST(swap, header, "a device without a swap area's header taken for one")
{
	struct block_device *b = disk();
	u32 blocks;

	if (!b)
		return;
	blocks = (u32)blkdev_blocks(b);
	CHECK_EQ(write_header(b, 1, SLOTS - 1, 0, "SWAPSPACE1"), 0);
	CHECK_EQ(do_swapon(b, 0, "x"), -EINVAL);
	CHECK_EQ(write_header(b, 2, SLOTS - 1, 0, "SWAPSPACE2"), 0);
	CHECK_EQ(do_swapon(b, 0, "x"), -EINVAL);
	CHECK_EQ(write_header(b, 1, 0, 0, "SWAPSPACE2"), 0);
	CHECK_EQ(do_swapon(b, 0, "x"), -EINVAL);
	CHECK_EQ(write_header(b, 1, blocks, 0, "SWAPSPACE2"), 0);
	CHECK_EQ(do_swapon(b, 0, "x"), -EINVAL);
	CHECK_EQ(write_header(b, 1, SLOTS - 1, 638, "SWAPSPACE2"), 0);
	CHECK_EQ(do_swapon(b, 0, "x"), -EINVAL);
	CHECK_EQ(write_header(b, 1, 15, 10, "SWAPSPACE2"), 0); /* bad slots beyond the end */
	CHECK_EQ(do_swapon(b, 0, "x"), -EINVAL);
	CHECK_EQ(do_swapoff(b), -EINVAL);
	CHECK_EQ(total_swap_pages, 0);
}

KTEST(swap, area, "an area counted wrongly, taken twice, or left claimed")
{
	struct block_device *b = disk();
	struct swap_info si;

	if (!b)
		return;
	CHECK(on(b, SLOTS, 5, SWAP_FLAG_PREFER | 7));
	EXPECT_EQ(do_swapon(b, 0, "again"), -EBUSY);
	EXPECT_EQ(total_swap_pages, SLOTS - 6);
	EXPECT_EQ(nr_swap_pages(), SLOTS - 6);
	EXPECT(swap_info_get(0, &si));
	EXPECT_EQ(si.size, SLOTS - 6);
	EXPECT_EQ(si.used, 0);
	EXPECT_EQ(si.prio, 7);
	EXPECT(!strcmp(si.name, "/dev/test"));
	EXPECT(!swap_info_get(1, &si));
	CHECK_EQ(do_swapoff(b), 0);
	CHECK_EQ(total_swap_pages, 0);
	CHECK(on(b, SLOTS, 0, 0));
	EXPECT(swap_info_get(0, &si));
	EXPECT_EQ(si.prio, -2);
	CHECK_EQ(do_swapoff(b), 0);
}

/* A new page in the swap cache. */
static struct page *swapped_page(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	if (!EXPECT(page))
		return NULL;
	lock_page(page);
	SetPageUptodate(page);
	if (!add_to_swap(page)) {
		unlock_page(page);
		return page;
	}
	unlock_page(page);
	put_page(page);
	return NULL;
}

static swp_entry_t entry_of(const struct page *page)
{
	return (swp_entry_t){page->swap};
}

static void drop(struct page *page)
{
	lock_page(page);
	wait_on_page_writeback(page);
	EXPECT(try_to_free_swap(page));
	EXPECT(!PageSwapCache(page) && PageDirty(page));
	unlock_page(page);
	put_page(page);
}

/* Stale slots can be had, one for each page that wants one; those that somebody names cannot. */
static void all_taken(struct page **pages, unsigned int n)
{
	struct page *other = swapped_page();
	unsigned int lost = 0;

	EXPECT(other);
	for (unsigned int i = 0; i < n; i++) {
		if (PageSwapCache(pages[i]))
			continue;
		EXPECT(PageDirty(pages[i]));
		put_page(pages[i]);
		pages[i] = other;
		lost++;
	}
	EXPECT_EQ(lost, 1);
	for (unsigned int i = 0; i < n; i++)
		EXPECT_EQ(swap_duplicate(entry_of(pages[i])), 0);
	EXPECT(!swapped_page());
	for (unsigned int i = 0; i < n; i++)
		swap_free(entry_of(pages[i]));
}

KTEST(swap, slots, "a slot handed out twice or never, or not in sequence")
{
	struct block_device *b = disk();
	static struct page *pages[SLOTS];
	unsigned int n = 0, breaks = 0;
	static u8 seen[SLOTS];

	if (!b)
		return;
	memset(seen, 0, sizeof(seen));
	CHECK(on(b, SLOTS, 3, 0));
	for (; n < SLOTS - 4; n++) {
		u32 slot;

		pages[n] = swapped_page();
		if (!EXPECT(pages[n]))
			break;
		slot = swp_slot(entry_of(pages[n]));
		EXPECT(slot > 0 && slot < SLOTS && (slot < 10 || slot > 12) && !seen[slot]++);
		breaks += n && slot != swp_slot(entry_of(pages[n - 1])) + 1;
	}
	EXPECT(breaks <= 5); /* four clusters, and the bad ones */
	EXPECT_EQ(nr_swap_pages(), 0);
	if (n == SLOTS - 4)
		all_taken(pages, n);
	/* Every other one comes free, and is found again. */
	for (unsigned int i = 0; i < n; i += 2)
		drop(pages[i]);
	EXPECT_EQ(nr_swap_pages(), (SLOTS - 4) / 2);
	for (unsigned int i = 0; i < n; i += 2)
		EXPECT(pages[i] = swapped_page());
	EXPECT_EQ(nr_swap_pages(), 0);
	for (unsigned int i = 0; i < n; i++)
		drop(pages[i]);
	EXPECT_EQ(nr_swap_pages(), SLOTS - 4);
	CHECK_EQ(do_swapoff(b), 0);
}

KTEST(swap, count, "a slot's count that overflows, or a slot freed while it is named")
{
	struct block_device *b = disk();
	struct page *page;
	unsigned int n = 0;
	swp_entry_t e;

	if (!b)
		return;
	CHECK(on(b, SLOTS, 0, 0));
	page = swapped_page();
	CHECK(page);
	e = entry_of(page);
	while (!swap_duplicate(e))
		n++;
	EXPECT_EQ(n, 32766);
	EXPECT_EQ(swap_count(e), n);
	lock_page(page);
	EXPECT(!try_to_free_swap(page));
	EXPECT(PageSwapCache(page));
	unlock_page(page);
	while (n-- > 1)
		swap_free(e);
	EXPECT_EQ(swap_count(e), 1);
	swap_free_page(e);
	EXPECT(!PageSwapCache(page));
	EXPECT_EQ(swap_count(e), 0);
	EXPECT_EQ(nr_swap_pages(), SLOTS - 1);
	put_page(page);
	CHECK_EQ(do_swapoff(b), 0);
}

/* As if it had been read ahead: so that doing so is worth while. */
static void was_wanted(struct page *page)
{
	SetPageReadahead(page);
	swap_read_ahead_hit(page);
}

KTEST(swap, round_trip, "bytes lost on the way to the device and back, or read more than once")
{
	struct block_device *b = disk();
	static swp_entry_t e[40];
	struct page *before;
	unsigned long in, out;
	bool major = false;

	if (!b)
		return;
	CHECK(on(b, SLOTS, 0, 0));
	before = swapped_page(); /* so that the first do not begin a cluster */
	CHECK(before);
	out = vmstat_event(PSWPOUT);
	for (u32 i = 0; i < ARRAY_SIZE(e); i++) {
		struct page *page = swapped_page();

		CHECK(page);
		memset(page_address(page), (int)i + 1, PAGE_SIZE);
		e[i] = entry_of(page);
		EXPECT_EQ(swap_duplicate(e[i]), 0);
		lock_page(page);
		EXPECT_EQ(swap_writepage(page), 0);
		wait_on_page_writeback(page);
		lock_page(page);
		EXPECT(!PageDirty(page));
		delete_from_swap_cache(page);
		unlock_page(page);
		was_wanted(page);
		put_page(page);
	}
	EXPECT_EQ(vmstat_event(PSWPOUT) - out, ARRAY_SIZE(e));
	drop(before);
	in = vmstat_event(PSWPIN);
	for (u32 n = 0; n < ARRAY_SIZE(e); n++) {
		u32 i = (n * 7 + 5) % ARRAY_SIZE(e); /* out of the middle of what comes along */
		struct page *page = swap_read(e[i], &major);

		CHECK(!IS_ERR_OR_NULL(page));
		EXPECT(PageSwapCache(page) && PageUptodate(page) && page->swap == e[i].val);
		EXPECT(!memchr_inv(page_address(page), (int)i + 1, PAGE_SIZE));
		put_page(page);
	}
	EXPECT(major);
	EXPECT_EQ(vmstat_event(PSWPIN) - in, ARRAY_SIZE(e));
	for (u32 i = 0; i < ARRAY_SIZE(e); i++)
		swap_free_page(e[i]);
	EXPECT_EQ(nr_swap_pages(), SLOTS - 1);
	EXPECT(!swap_read(e[0], NULL));
	CHECK_EQ(do_swapoff(b), 0);
}

KTEST(swap, refault, "a swapped page that comes back soon is not kept, or one never evicted is")
{
	struct block_device *b = disk();
	unsigned long refault = vmstat_item(WORKINGSET_REFAULT_ANON);
	unsigned long activate = vmstat_item(WORKINGSET_ACTIVATE_ANON);
	struct page *page, *other;
	swp_entry_t e;

	if (!b)
		return;
	CHECK(on(b, SLOTS, 0, 0));
	page = swapped_page();
	other = alloc_page(GFP_KERNEL);
	CHECK(page && other);
	SetPageActive(other); /* whose place it might have had */
	lru_add(other);
	lru_add_drain_all();
	e = entry_of(page);
	for (int round = 0; round < 2; round++) {
		EXPECT_EQ(swap_duplicate(e), 0);
		lock_page(page);
		EXPECT_EQ(swap_writepage(page), 0);
		lock_page(page);
		wait_on_page_writeback(page);
		if (round) /* for another reason */
			delete_from_swap_cache(page);
		else
			evict_from_swap_cache(page);
		unlock_page(page);
		put_page(page);
		EXPECT(!swap_cache_get(e));
		page = swap_read(e, NULL);
		CHECK(!IS_ERR_OR_NULL(page));
		EXPECT_EQ(PageActive(page), !round);
		EXPECT_EQ(vmstat_item(WORKINGSET_REFAULT_ANON) - refault, 1);
		EXPECT_EQ(vmstat_item(WORKINGSET_ACTIVATE_ANON) - activate, 1);
		swap_free(e);
	}
	drop(page);
	put_page(other);
	CHECK_EQ(do_swapoff(b), 0);
}

KTEST(swap, shmem_held, "a page of tmpfs swapped out under who has just looked it up")
{
	struct address_space *m = get_free_page(GFP_KERNEL | __GFP_ZERO); /* aligned */
	struct block_device *b = disk();
	struct page *page, *again;

	if (!b)
		goto free;
	CHECK(m && on(b, SLOTS, 0, 0));
	mapping_init(m, NULL, NULL, true);
	m->size = PAGE_SIZE;
	EXPECT_EQ(filemap_write_kernel(m, 0, "swap", 4), 4);
	page = find_lock_page(m, 0);
	CHECK(!IS_ERR_OR_NULL(page));
	again = find_get_page(m, 0);
	EXPECT_EQ(shmem_swap_out(page), -EBUSY);
	EXPECT(page_mapping(page) == m);
	put_page(again);
	EXPECT_EQ(shmem_swap_out(page), 0);
	EXPECT(!page_mapping(page) && PageSwapCache(page));
	EXPECT_EQ(m->nrswapped, 1);
	EXPECT_EQ(shmem_swapped(m, 0, 1), 1);
	unlock_page(page);
	put_page(page);
	EXPECT(!find_get_page(m, 0));
	page = find_lock_page(m, 0);
	CHECK(!IS_ERR_OR_NULL(page));
	EXPECT(!memcmp(page_address(page), "swap", 4));
	EXPECT(page_mapping(page) == m && !PageSwapCache(page) && PageDirty(page));
	EXPECT_EQ(m->nrswapped, 0);
	EXPECT_EQ(nr_swap_pages(), SLOTS - 1);
	EXPECT_EQ(shmem_swap_out(page), 0);
	unlock_page(page);
	put_page(page);
	truncate_all(m); /* of a swapped page */
	EXPECT_EQ(nr_swap_pages(), SLOTS - 1);
	CHECK_EQ(do_swapoff(b), 0);
free:
	free_page(m);
}

/* --- what goes first ---- */

static int zero_read(struct address_space *m __unused, struct page *page)
{
	clear_page(page_address(page));
	SetPageUptodate(page);
	return 0;
}

static const struct address_space_operations zero_ops = {.readpage = zero_read};

/* Clean pages of a file, or pages of shared memory; on their list. */
static struct address_space *new_pages(bool shmem, u64 n)
{
	struct address_space *m = get_free_page(GFP_KERNEL | __GFP_ZERO);

	if (!EXPECT(m))
		return NULL;
	mapping_init(m, shmem ? NULL : &zero_ops, NULL, shmem);
	m->size = (loff_t)(n * PAGE_SIZE);
	for (u64 i = 0; i < n; i++) {
		struct page *page = filemap_get_page(m, i, true, NULL);

		if (EXPECT(!IS_ERR_OR_NULL(page)))
			put_page(page);
	}
	lru_add_drain_all();
	return m;
}

KTEST(swap, swappiness, "anonymous pages that go for vm.swappiness 0, or those of files for 200")
{
	struct block_device *b = disk();
	struct address_space *file, *shmem;
	unsigned long out, scanned;
	int before = sysctl_swappiness;

	if (!b)
		return;
	CHECK(on(b, SLOTS, 0, 0));
	file = new_pages(false, 128);
	shmem = new_pages(true, 128);
	CHECK(file && shmem);
	out = vmstat_event(PSWPOUT);
	sysctl_swappiness = 0;
	EXPECT(reclaim_pages(GFP_KERNEL, 5) > 0);
	EXPECT_EQ(vmstat_event(PSWPOUT), out);
	scanned = vmstat_event(PGSCAN_FILE);
	sysctl_swappiness = 200;
	EXPECT(reclaim_pages(GFP_KERNEL, 5) > 0);
	EXPECT_EQ(vmstat_event(PGSCAN_FILE), scanned);
	EXPECT(vmstat_event(PSWPOUT) > out);
	sysctl_swappiness = before;
	/* Who has reclaimed may no longer use what is set aside for that. */
	EXPECT(!(current_thread()->flags & THREAD_MEMALLOC));
	truncate_all(file);
	truncate_all(shmem);
	free_page(file);
	free_page(shmem);
	CHECK_EQ(do_swapoff(b), 0);
}

/* --- devices of our own ---- */

static struct block_device fakes[MAX_SWAP_AREAS + 1];
static void (*while_read)(struct bio *bio); /* called in the middle of a request */
static u32 bad_block;                       /* requests with it fail; 0: none */
static bool hold;                           /* the answer to the next request waits ... */
static struct bio *held;                    /* ... of this one */

static void fake_end(struct bio *bio)
{
	bool bad = bad_block && bad_block >= bio->block && bad_block < bio->block + bio->nr;

	bio_endio(bio, bad ? -EIO : 0);
}

/* Holds a header and nothing else. */
static void fake_submit(struct bio *bio)
{
	struct header *h = page_address(bio->pages[0]);

	for (unsigned int i = 0; i < bio->nr && !bio->write; i++)
		memset(page_address(bio->pages[i]), 0, PAGE_SIZE);
	if (bio->block == 0) {
		h->version = 1;
		h->last_page = (u32)bio->bdev->blocks - 1;
		memcpy(h->magic, "SWAPSPACE2", 10);
	} else if (while_read) {
		while_read(bio);
	}
	if (hold)
		held = bio;
	else
		fake_end(bio);
}

static struct block_device *fake(unsigned int n)
{
	struct block_device *b = &fakes[n];

	memset(b, 0, sizeof(*b));
	b->blocks = SLOTS;
	b->submit = fake_submit;
	strscpy(b->name, "fake", sizeof(b->name));
	spin_lock_init(&b->lock, LOCK_PROC);
	mutex_init(&b->open_lock, LOCK_BLKDEV);
	blkdev_file_init(b);
	return b;
}

KTEST(swap, many_areas, "more areas than there are numbers, or a number that stays taken")
{
	u32 on = 0;

	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < MAX_SWAP_AREAS; i++)
			if (EXPECT_EQ(do_swapon(fake(i), 0, "/dev/fake"), 0))
				on |= 1u << i;
		EXPECT_EQ(do_swapon(fake(MAX_SWAP_AREAS), 0, "/dev/fake"), -EPERM);
		EXPECT(!fakes[MAX_SWAP_AREAS].holder && !fakes[MAX_SWAP_AREAS].mapping.claimed);
		EXPECT_EQ(total_swap_pages, MAX_SWAP_AREAS * (SLOTS - 1));
		for (unsigned int i = 0; i < MAX_SWAP_AREAS; i++)
			if (on & 1u << i)
				EXPECT_EQ(do_swapoff(&fakes[i]), 0);
		EXPECT_EQ(total_swap_pages, 0);
	}
}

KTEST(swap, gap, "an area that keeps its priority when one without a wish, above it, is gone")
{
	struct swap_info si;

	for (unsigned int i = 0; i < 3; i++)
		CHECK_EQ(do_swapon(fake(i), 0, "/dev/fake"), 0);
	CHECK_EQ(do_swapon(fake(3), SWAP_FLAG_PREFER | 3, "/dev/fake"), 0);
	CHECK_EQ(do_swapoff(&fakes[1]), 0);
	CHECK_EQ(do_swapon(fake(1), 0, "/dev/fake"), 0);
	for (unsigned int i = 0; i < 4; i++) {
		static const int prio[] = {-2, -4, -3, 3};

		EXPECT(swap_info_get(i, &si));
		EXPECT_EQ(si.prio, prio[i]);
	}
	for (unsigned int i = 0; i < 4; i++)
		CHECK_EQ(do_swapoff(&fakes[i]), 0);
}

#define AHEAD 8u
static swp_entry_t ahead[AHEAD];

/* Slots that are named, and whose pages are on the device only. */
static bool name_ahead(void)
{
	for (unsigned int i = 0; i < AHEAD; i++) {
		struct page *page = swapped_page();

		if (!EXPECT(page))
			return false;
		ahead[i] = entry_of(page);
		EXPECT_EQ(swap_duplicate(ahead[i]), 0);
		lock_page(page);
		delete_from_swap_cache(page);
		unlock_page(page);
		was_wanted(page);
		put_page(page);
	}
	return EXPECT_EQ(nr_swap_pages(), SLOTS - 1 - AHEAD);
}

/* The last names of the neighbours go while their pages are locked. */
static void abandon(struct bio *bio)
{
	EXPECT_EQ(bio->nr, AHEAD);
	for (unsigned int i = 1; i < AHEAD; i++) {
		struct page *page = swap_cache_get(ahead[i]);

		EXPECT(page && PageLocked(page) && !PageUptodate(page));
		put_page(page);
		swap_free_page(ahead[i]);
	}
}

KTEST(swap, abandoned,
      "a page read ahead for somebody who has gone that keeps its slot, or is not counted")
{
	struct block_device *b = fake(0);
	struct page *page;
	unsigned long ra;

	CHECK_EQ(do_swapon(b, 0, "/dev/fake"), 0);
	CHECK(name_ahead());
	ra = vmstat_event(SWAP_RA);
	while_read = abandon;
	page = swap_read(ahead[0], NULL);
	while_read = NULL;
	CHECK(!IS_ERR_OR_NULL(page));
	EXPECT_EQ(vmstat_event(SWAP_RA) - ra, AHEAD - 1);
	EXPECT_EQ(nr_swap_pages(), SLOTS - 2);
	EXPECT(PageSwapCache(page));
	put_page(page);
	swap_free_page(ahead[0]);
	EXPECT_EQ(nr_swap_pages(), SLOTS - 1);
	CHECK_EQ(do_swapoff(b), 0);
}

KTEST(swap, bad_neighbour, "a page lost to a bad slot beside its own, or an error that lasts")
{
	struct block_device *b = fake(0);
	struct page *page;

	CHECK_EQ(do_swapon(b, 0, "/dev/fake"), 0);
	CHECK(name_ahead());
	bad_block = swp_slot(ahead[3]);
	page = swap_read(ahead[0], NULL);
	if (EXPECT(!IS_ERR_OR_NULL(page)))
		put_page(page);
	EXPECT_EQ(PTR_ERR(swap_read(ahead[3], NULL)), -EIO);
	EXPECT(!swap_cache_get(ahead[3]));
	bad_block = 0;
	page = swap_read(ahead[3], NULL);
	CHECK(!IS_ERR_OR_NULL(page));
	put_page(page);
	for (unsigned int i = 0; i < AHEAD; i++)
		swap_free_page(ahead[i]);
	EXPECT_EQ(nr_swap_pages(), SLOTS - 1);
	CHECK_EQ(do_swapoff(b), 0);
}

/* In the cache, named once, and on its list. */
static struct page *listed_page(swp_entry_t *e)
{
	struct page *page = swapped_page();

	if (!EXPECT(page))
		return NULL;
	*e = entry_of(page);
	EXPECT_EQ(swap_duplicate(*e), 0);
	memset(page_address(page), 0x5a, PAGE_SIZE);
	lru_add(page);
	lru_add_drain_all();
	return page;
}

KTEST(swap, under_io,
      "a page that is being written and loses its last name, or is kept by who met it")
{
	struct block_device *b = fake(0);
	struct page *page;
	swp_entry_t e;

	CHECK_EQ(do_swapon(b, 0, "/dev/fake"), 0);
	page = listed_page(&e);
	CHECK(page);
	lock_page(page);
	hold = true;
	EXPECT_EQ(swap_writepage(page), 0);
	hold = false;
	EXPECT(PageWriteback(page));
	EXPECT_EQ(page_count(page), 3); /* mine, the cache's, the request's */
	CHECK(lru_isolate(page));
	EXPECT_EQ(reclaim_isolated(&page, 1), 0);
	EXPECT_EQ(page_count(page), 3);
	swap_free_page(e);
	EXPECT(PageSwapCache(page));
	fake_end(held);
	EXPECT(!PageWriteback(page) && !PageSwapCache(page));
	EXPECT_EQ(nr_swap_pages(), SLOTS - 1);
	put_page(page);
	CHECK_EQ(do_swapoff(b), 0);
}

static swp_entry_t moving;
static bool last_name_goes;

static struct page *move_to(struct migrate_target *to __unused)
{
	if (last_name_goes)
		swap_free_page(moving);
	return alloc_page(GFP_KERNEL);
}

KTEST(swap, moved,
      "a page of the cache that is not found where it moved, or keeps its slot for nobody")
{
	struct migrate_target to = {move_to};
	struct block_device *b = fake(0);
	struct page *page, *moved;

	CHECK_EQ(do_swapon(b, 0, "/dev/fake"), 0);
	page = listed_page(&moving);
	CHECK(page);
	put_page(page); /* the cache has it */
	CHECK(lru_isolate(page));
	EXPECT_EQ(migrate_pages(&page, 1, &to), 1);
	moved = swap_cache_get(moving);
	CHECK(moved && moved != page);
	EXPECT(PageSwapCache(moved) && PageDirty(moved) && moved->swap == moving.val);
	EXPECT(!memchr_inv(page_address(moved), 0x5a, PAGE_SIZE));
	put_page(moved);
	last_name_goes = true;
	CHECK(lru_isolate(moved));
	EXPECT_EQ(migrate_pages(&moved, 1, &to), 1);
	last_name_goes = false;
	EXPECT(!swap_cache_get(moving));
	EXPECT_EQ(nr_swap_pages(), SLOTS - 1);
	CHECK_EQ(do_swapoff(b), 0);
}

static struct page *any_frame(struct migrate_target *to __unused)
{
	return alloc_page(GFP_KERNEL);
}

/* The parent has the page mapped, the child its slot's entry; then both the page. */
static void moved_mapped_body(void *arg)
{
	struct mm_struct *mm = current_mm(), *child;
	struct migrate_target to = {any_frame};
	struct block_device *b = fake(0);
	long a = do_mmap(mm, NULL, 0, PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	struct unmap_batch batch = {};
	struct page *page, *moved;
	unsigned long vm_flags;
	swp_entry_t e;

	(void)arg;
	CHECK(a > 0);
	CHECK_EQ(do_swapon(b, 0, "/dev/fake"), 0);
	page = fault_in_page(mm, (vaddr_t)a, true);
	CHECK(!IS_ERR(page));
	memset(page_address(page), 0x5a, PAGE_SIZE);
	child = mm_fork(mm);
	CHECK(!IS_ERR(child));
	lock_page(page);
	EXPECT_EQ(add_to_swap(page), 0);
	EXPECT(try_to_unmap(page, &batch));
	unmap_batch_flush(&batch);
	unlock_page(page);
	e = entry_of(page);
	EXPECT_EQ(swap_count(e), 2);
	put_page(fault_in_page(mm, (vaddr_t)a, false));
	EXPECT_EQ(page_mapcount(page), 1);
	EXPECT_EQ(swap_count(e), 1);
	put_page(page);
	lru_add_drain_all();
	CHECK(lru_isolate(page));
	EXPECT_EQ(migrate_pages(&page, 1, &to), 1);
	moved = swap_cache_get(e);
	CHECK(moved && moved != page);
	EXPECT(PageSwapCache(moved) && moved->swap == e.val && PageAnon(moved));
	EXPECT(!PageSwapCache(page) && page_count(page) == 0);
	EXPECT_EQ(page_mapcount(moved), 1);
	EXPECT_EQ(swap_count(e), 1);
	EXPECT(fault_in_page(mm, (vaddr_t)a, false) == moved);
	EXPECT(fault_in_page(child, (vaddr_t)a, false) == moved);
	put_page(moved);
	put_page(moved);
	EXPECT_EQ(page_mapcount(moved), 2);
	EXPECT(!memchr_inv(page_address(moved), 0x5a, PAGE_SIZE));
	/* Both are found from the new page. */
	lock_page(moved);
	page_referenced(moved, &vm_flags, &batch);
	EXPECT(try_to_unmap(moved, &batch));
	unmap_batch_flush(&batch);
	unlock_page(moved);
	EXPECT_EQ(page_mapcount(moved), 0);
	put_page(moved);
	EXPECT_EQ(swap_count(e), 2);
	mm_put_user(child);
	EXPECT_EQ(swap_count(e), 1);
	EXPECT_EQ(do_munmap(mm, (vaddr_t)a, PAGE_SIZE), 0);
	EXPECT_EQ(nr_swap_pages(), SLOTS - 1);
	CHECK_EQ(do_swapoff(b), 0);
}

KTEST(swap, moved_mapped,
      "a page of the cache that moves, and whose slot, or one of its ptes, keeps the old frame")
{
	ktest_with_mm(moved_mapped_body, NULL);
}

static void origin_body(void *arg)
{
	struct block_device *b = fake(0);

	(void)arg;
	CHECK_EQ(do_swapon(b, 0, "/dev/fake"), 0);
	CHECK_EQ(do_swapoff(b), 0);
	EXPECT(!current_mm()->oom_origin);
}

KTEST(swap, origin, "who has called swapoff is the first to go ever after")
{
	ktest_with_mm(origin_body, NULL);
}

#define LOOK 4096u /* slots that are looked at under one hold of the lock */

KTEST(swap, shadow,
      "what an evicted page left behind taken for a page, where a look at many slots pauses")
{
	struct block_device *b = fake(0);
	struct page *page, *cached;
	swp_entry_t e = {0};

	b->blocks = 2 * LOOK;
	CHECK_EQ(do_swapon(b, 0, "/dev/fake"), 0);
	for (u32 n = 0; n < LOOK && swp_slot(e) != 1 + LOOK; n++) {
		page = swapped_page();
		CHECK(page);
		e = entry_of(page);
		if (swp_slot(e) != 1 + LOOK)
			drop(page);
	}
	CHECK_EQ(swp_slot(e), 1 + LOOK);
	EXPECT_EQ(swap_duplicate(e), 0);
	lock_page(page);
	evict_from_swap_cache(page);
	unlock_page(page);
	put_page(page);
	cached = swapped_page();
	CHECK(cached);
	drain_all_pages(); /* of pages that nobody names, too */
	EXPECT(!PageSwapCache(cached));
	put_page(cached);
	EXPECT_EQ(swap_count(e), 1);
	swap_free(e);
	EXPECT_EQ(nr_swap_pages(), 2 * LOOK - 1);
	CHECK_EQ(do_swapoff(b), 0);
}
