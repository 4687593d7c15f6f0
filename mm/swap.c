/* SPDX-License-Identifier: MIT */
/*
 * Swap areas and their slots.
 *
 * Problem. Pages that nobody has used for long are to lie on a block device. Somebody has to know which
 * blocks are free, and when the last one who wants a page is gone.
 *
 * Idea. A device with Linux's header (mkswap writes it) is an area: a row of slots of a page. A slot is
 * named by an entry, area and number, in ptes and, for tmpfs, in the page-cache tree. It has a count of
 * those, and one flag for the swap cache:
 *
 *	slot      0       1       2       3       4    ...
 *	       +-------+-------+-------+-------+-------+
 *	count  | bad   | 1     | 2     | 0     | 0     |	ptes and values that name it
 *	cached | -     | yes   | no    | yes   | no    |	is its page in memory too? If not, and it was
 *	       +-------+-------+-------+-------+-------+	evicted, its shadow (workingset.c)
 *	        header  in both on disk being   free
 *	                        shared  written or read in vain
 *
 * It is free when both are gone. A count has 15 bits: each space names a page's slot at most once, and
 * a machine with that many spaces has other troubles first. A duplicate beyond that is refused, and the
 * fork fails with ENOMEM: no table for overflows, which nobody would ever see at work.
 *
 * Six bytes a slot, 0.15 % of the area, are taken at swapon. In return nothing that reclaim does with
 * slots or the cache allocates memory.
 *
 * Where the next slot is taken from: from the area with the highest priority; SWAP_TURN slots of one,
 * then as many of the next with the same priority. Within an area cluster after cluster, empty ones
 * first, so that pages swapped one after the other are neighbours, are written in order and can be read
 * together.
 *
 * A page that came back keeps its slot as long as it is not written: it need not be written out again
 * then. Such slots are stale. From half of all swap on they are not kept; and where no slot is free, a
 * stale one is taken from its page.
 *
 * Locking: swap_lock guards all of it, the cache too. Everything done under it is short, but for the
 * search for a cluster with room. swapon_mutex: swapon and swapoff, one at a time.
 *
 * Simplified against Linux: devices only, no swap files; no discard; one lock for all areas.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sync/mutex.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/swap_internal.h>

/* Runs long enough to be read together, short enough that two devices are at work at once. */
#define SWAP_TURN 64
/* So many are looked at under one hold of the lock. */
#define SCAN 4096u

spinlock_t swap_lock = SPINLOCK_INIT(LOCK_SWAP);
static struct swap_area *areas[MAX_SWAP_AREAS]; /* (s) */
static LIST_HEAD(areas_by_prio);                /* (s) highest first */
static unsigned long free_slots;                /* (s) of the areas on it */
static unsigned long stale_slots;               /* (s) of these areas, that only the cache has */
static int lowest_prio = -1;                    /* (s) given to an area without a wish */

struct swap_area *swap_area_locked(swp_entry_t e)
{
	struct swap_area *a = areas[swp_area(e)];

	assert_spin_held(&swap_lock);
	return a && swp_slot(e) < a->slots ? a : NULL;
}

unsigned long nr_swap_pages(void)
{
	return READ_ONCE(free_slots);
}

bool swap_is_short(void)
{
	return nr_swap_pages() * 2 < total_swap_pages;
}

bool swap_has_room(void)
{
	return nr_swap_pages() || READ_ONCE(stale_slots);
}

static void set_count_locked(struct swap_area *a, u32 slot, u16 count)
{
	u32 was = a->stale;

	assert_spin_held(&swap_lock);
	a->stale += (u32)(count == SLOT_CACHED) - (a->count[slot] == SLOT_CACHED);
	a->count[slot] = count;
	if (a->on)
		stale_slots += (unsigned long)a->stale - was;
}

/* --- slots: taking ---- */

static void slot_use_locked(struct swap_area *a, u32 slot)
{
	if (a->used[slot / SWAP_CLUSTER]++ == 0)
		a->nr_empty--;
	a->free--;
	if (a->on)
		free_slots--;
}

static void slot_release_locked(struct swap_area *a, u32 slot)
{
	debug_assert(!a->count[slot]);
	a->cached[slot] = 0;
	if (--a->used[slot / SWAP_CLUSTER] == 0)
		a->nr_empty++;
	a->free++;
	if (a->on)
		free_slots++;
}

static u32 nr_clusters(const struct swap_area *a)
{
	return DIV_ROUND_UP(a->slots, SWAP_CLUSTER);
}

/* There is a free slot. */
static void next_cluster_locked(struct swap_area *a)
{
	u32 limit = a->nr_empty ? 0 : SWAP_CLUSTER - 1;

	do
		a->cluster = (a->cluster + 1) % nr_clusters(a);
	while (a->used[a->cluster] > limit);
	a->next = a->cluster * SWAP_CLUSTER;
	a->end = min(a->next + SWAP_CLUSTER, a->slots);
}

static u32 take_slot_locked(struct swap_area *a)
{
	for (;; next_cluster_locked(a))
		for (; a->next < a->end; a->next++)
			if (!a->count[a->next])
				return a->next++;
}

/* Behind those with the same priority. */
static void insert_by_prio_locked(struct swap_area *a)
{
	struct swap_area *other;

	list_for_each_entry(other, &areas_by_prio, by_prio)
		if (other->prio < a->prio)
			break;
	list_add_tail(&a->by_prio, &other->by_prio);
}

bool slot_alloc_locked(swp_entry_t *e)
{
	struct swap_area *a;

	assert_spin_held(&swap_lock);
	list_for_each_entry(a, &areas_by_prio, by_prio) {
		u32 slot;

		if (!a->free)
			continue;
		slot = take_slot_locked(a);
		slot_use_locked(a, slot);
		set_count_locked(a, slot, SLOT_CACHED);
		*e = swp_entry(a->nr, slot);
		if (a->next % SWAP_TURN == 0) {
			list_del(&a->by_prio);
			insert_by_prio_locked(a);
		}
		return true;
	}
	return false;
}

/* --- slots: counting ---- */

void slot_uncache_locked(struct swap_area *a, u32 slot, u32 shadow)
{
	debug_assert(a->count[slot] & SLOT_CACHED);
	a->cached[slot] = shadow;
	set_count_locked(a, slot, a->count[slot] & (u16)~SLOT_CACHED);
	if (!a->count[slot])
		slot_release_locked(a, slot);
}

unsigned int swap_count(swp_entry_t e)
{
	struct swap_area *a;
	unsigned int n = 0;

	spin_lock(&swap_lock);
	a = swap_area_locked(e);
	if (a)
		n = a->count[swp_slot(e)] & ~SLOT_CACHED;
	spin_unlock(&swap_lock);
	return n == SLOT_BAD ? 0 : n;
}

/* The caller, or the cache on its behalf, has it: so it is there. */
int swap_duplicate(swp_entry_t e)
{
	struct swap_area *a;
	int err = -ENOMEM;
	u16 count;

	spin_lock(&swap_lock);
	a = swap_area_locked(e);
	assert(a);
	count = a->count[swp_slot(e)];
	assert(count && count != SLOT_BAD);
	if ((count & ~SLOT_CACHED) < SLOT_MAX) {
		set_count_locked(a, swp_slot(e), count + 1);
		err = 0;
	}
	spin_unlock(&swap_lock);
	return err;
}

bool swap_free(swp_entry_t e)
{
	struct swap_area *a;
	u16 count;

	spin_lock(&swap_lock);
	a = swap_area_locked(e);
	assert(a);
	count = a->count[swp_slot(e)];
	assert(count & ~SLOT_CACHED && count != SLOT_BAD);
	set_count_locked(a, swp_slot(e), --count);
	if (!count)
		slot_release_locked(a, swp_slot(e));
	spin_unlock(&swap_lock);
	return count == SLOT_CACHED;
}

void swap_free_page(swp_entry_t e)
{
	struct page *page = swap_free(e) ? swap_cache_get(e) : NULL;

	if (!page)
		return;
	free_swap_cache(page);
	put_page(page);
}

bool swap_next_cached(unsigned int area, u32 *slot, struct page **page)
{
	const struct swap_area *a;
	bool more;

	*page = NULL;
	spin_lock(&swap_lock);
	a = areas[area];
	for (u32 n = 0; a && n < SCAN && *slot < a->slots && !(a->count[*slot] & SLOT_CACHED); n++)
		++*slot;
	more = a && *slot < a->slots;
	if (more && a->count[*slot] & SLOT_CACHED) {
		*page = pfn_to_page(a->cached[*slot]);
		get_page(*page);
	}
	spin_unlock(&swap_lock);
	return more;
}

/* A page that is in memory again, and only keeps its slot in case it goes once more. */
static struct page *next_stale(void)
{
	struct page *page = NULL;
	struct swap_area *a;

	spin_lock(&swap_lock);
	list_for_each_entry(a, &areas_by_prio, by_prio)
		for (u32 n = 0; !page && n < min(SCAN, a->slots); n++) {
			a->hand = (a->hand + 1) % a->slots;
			if (a->count[a->hand] != SLOT_CACHED)
				continue;
			page = pfn_to_page(a->cached[a->hand]);
			get_page(page);
		}
	spin_unlock(&swap_lock);
	return page;
}

bool swap_free_stale(void)
{
	struct page *page = READ_ONCE(stale_slots) ? next_stale() : NULL;
	bool freed = false;

	if (!page)
		return false;
	if (trylock_page(page)) {
		freed = try_to_free_swap(page);
		unlock_page(page);
	}
	put_page(page);
	return freed;
}

/* --- swapon: the header ---- */

/* Linux's, version 1, in slot 0. */
struct swap_header {
	char boot[1024];
	u32 version, last_page, nr_bad;
	u8 uuid[16];
	char label[16];
	u32 padding[117];
	u32 bad[637]; /* as many as fit */
	char unused[2];
	char magic[10];
};
static_assert_size(struct swap_header, PAGE_SIZE);

/* A machine of the other byte order may have written it. */
static void swap_bytes(struct swap_header *h)
{
	for (u32 *word = &h->version; word <= &h->nr_bad; word++)
		*word = __builtin_bswap32(*word);
	for (u32 i = 0; i < min(h->nr_bad, (u32)ARRAY_SIZE(h->bad)); i++)
		h->bad[i] = __builtin_bswap32(h->bad[i]);
}

static int check_header(struct swap_area *a, struct swap_header *h)
{
	u64 blocks = blkdev_blocks(a->bdev);

	if (memcmp(h->magic, "SWAPSPACE2", sizeof(h->magic))) {
		pr_err("Unable to find swap-space signature\n");
		return -EINVAL;
	}
	if (h->version == __builtin_bswap32(1))
		swap_bytes(h);
	if (h->version != 1) {
		pr_warn("Unable to handle swap header version %u\n", h->version);
		return -EINVAL;
	}
	a->slots = (u32)min((u64)h->last_page + 1, (u64)MAX_SWAP_SLOTS);
	if (!h->last_page || !a->slots) {
		pr_warn("Empty swap-file\n");
		return -EINVAL;
	}
	if (a->slots > blocks) {
		pr_warn("Swap area shorter than signature indicates\n");
		return -EINVAL;
	}
	return h->nr_bad > ARRAY_SIZE(h->bad) ? -EINVAL : 0;
}

static void *zeroed_table(size_t n, size_t size)
{
	void *p = kvmalloc(n * size, GFP_KERNEL);

	return p ? memset(p, 0, n * size) : NULL;
}

static int make_slots(struct swap_area *a, const struct swap_header *h)
{
	a->count = zeroed_table(a->slots, sizeof(*a->count));
	a->cached = zeroed_table(a->slots, sizeof(*a->cached));
	a->used = zeroed_table(nr_clusters(a), sizeof(*a->used));
	if (!a->count || !a->cached || !a->used)
		return -ENOMEM;
	a->count[0] = SLOT_BAD;
	for (u32 i = 0; i < h->nr_bad; i++) {
		if (!h->bad[i] || h->bad[i] > h->last_page)
			return -EINVAL;
		if (h->bad[i] < a->slots)
			a->count[h->bad[i]] = SLOT_BAD;
	}
	/* What the last cluster lacks counts as used: that limits the search. */
	a->used[nr_clusters(a) - 1] = (u16)(nr_clusters(a) * SWAP_CLUSTER - a->slots);
	a->nr_empty = nr_clusters(a) - (a->slots % SWAP_CLUSTER != 0);
	a->free = a->slots;
	for (u32 i = 0; i < a->slots; i++)
		if (a->count[i])
			slot_use_locked(a, i);
	a->pages = a->free;
	if (!a->pages) {
		pr_warn("Empty swap-file\n");
		return -EINVAL;
	}
	return 0;
}

static int read_header(struct swap_area *a)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct bio bio = {.bdev = a->bdev, .nr = 1, .pages = {page}};
	int err;

	if (!page)
		return -ENOMEM;
	err = submit_bio_wait(&bio);
	if (!err)
		err = check_header(a, page_address(page));
	if (!err)
		err = make_slots(a, page_address(page));
	put_page(page);
	return err;
}

/* --- swapon ---- */

static struct mutex swapon_mutex;

static void swap_init(void)
{
	mutex_init(&swapon_mutex, LOCK_SWAPON);
}
initcall(swap_init);

static void area_on_locked(struct swap_area *a)
{
	insert_by_prio_locked(a);
	a->on = true;
	free_slots += a->free;
	stale_slots += a->stale;
	total_swap_pages += a->pages;
}

static void area_off_locked(struct swap_area *a)
{
	list_del(&a->by_prio);
	a->on = false;
	free_slots -= a->free;
	stale_slots -= a->stale;
	total_swap_pages -= a->pages;
}

static void area_free(struct swap_area *a)
{
	kvfree(a->count);
	kvfree(a->cached);
	kvfree(a->used);
	kfree(a);
}

/* Gives it a number; from then on it is found. */
static int area_enter(struct swap_area *a, int flags)
{
	unsigned int nr = 0;

	spin_lock(&swap_lock);
	while (nr < MAX_SWAP_AREAS && areas[nr])
		nr++;
	if (nr < MAX_SWAP_AREAS) {
		a->nr = nr;
		a->prio = flags & SWAP_FLAG_PREFER ? flags & SWAP_FLAG_PRIO_MASK : --lowest_prio;
		areas[nr] = a;
		area_on_locked(a);
	}
	spin_unlock(&swap_lock);
	return nr < MAX_SWAP_AREAS ? 0 : -EPERM;
}

int do_swapon(struct block_device *bdev, int flags, const char *name)
{
	struct swap_area *a = kzalloc(sizeof(*a), GFP_KERNEL);
	int err;

	if (!a)
		return -ENOMEM;
	guard_mutex(&swapon_mutex);
	a->bdev = bdev;
	strscpy(a->name, name, sizeof(a->name));
	err = blkdev_claim(bdev, a);
	if (err)
		goto free;
	err = read_header(a);
	if (!err)
		err = area_enter(a, flags);
	if (err)
		goto release;
	pr_info("Adding %luk swap on %s.  Priority:%d\n",
		(unsigned long)a->pages << (PAGE_SHIFT - 10), a->name, a->prio);
	return 0;
release:
	blkdev_release(bdev, a);
free:
	area_free(a);
	return err;
}

/* --- swapoff ---- */

/* As Linux: those below an area without a wish move up. */
static void close_gap_locked(const struct swap_area *gone)
{
	struct swap_area *a;

	if (gone->prio >= 0)
		return;
	list_for_each_entry(a, &areas_by_prio, by_prio)
		if (a->prio < gone->prio)
			a->prio++;
	lowest_prio++;
}

/* Under swapon_mutex, which keeps it. */
static struct swap_area *area_of(const struct block_device *bdev)
{
	for (unsigned int nr = 0; nr < MAX_SWAP_AREAS; nr++)
		if (areas[nr] && areas[nr]->bdev == bdev)
			return areas[nr];
	return NULL;
}

/* Is there room for what comes back, by the rules for memory that is promised? While the area still
 * counts, as on Linux: swap may be larger than RAM. */
static int room_without(const struct swap_area *a)
{
	int err = commit_charge(current_mm(), (long)a->pages);

	if (!err)
		commit_uncharge(current_mm(), (long)a->pages);
	return err;
}

/* Who asks for more than there is room for is the one to go, before it has cost another his life. */
static int unuse_as_victim(struct swap_area *a)
{
	struct mm_struct *mm = current_mm();
	int err;

	if (mm)
		WRITE_ONCE(mm->oom_origin, true);
	err = swap_unuse(a);
	if (mm)
		WRITE_ONCE(mm->oom_origin, false);
	return err;
}

int do_swapoff(const struct block_device *bdev)
{
	struct swap_area *a;
	int err;

	guard_mutex(&swapon_mutex);
	a = area_of(bdev);
	if (!a)
		return -EINVAL;
	err = room_without(a);
	if (err)
		return err;
	spin_lock(&swap_lock);
	area_off_locked(a);
	spin_unlock(&swap_lock);
	err = unuse_as_victim(a);
	spin_lock(&swap_lock);
	if (err) {
		area_on_locked(a);
	} else {
		assert(a->free == a->pages);
		areas[a->nr] = NULL;
		close_gap_locked(a);
	}
	spin_unlock(&swap_lock);
	if (err)
		return err;
	blkdev_release(a->bdev, a);
	blkdev_put(a->bdev);
	area_free(a);
	return 0;
}

/* --- what there is ---- */

bool swap_info_get(unsigned int n, struct swap_info *si)
{
	const struct swap_area *a;

	spin_lock(&swap_lock);
	a = n < MAX_SWAP_AREAS ? areas[n] : NULL;
	if (a) {
		*si = (struct swap_info){
			.size = a->pages, .used = a->pages - a->free, .prio = a->prio};
		strscpy(si->name, a->name, sizeof(si->name));
	}
	spin_unlock(&swap_lock);
	return a;
}
