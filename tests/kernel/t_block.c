/* SPDX-License-Identifier: MIT */
/*
 * Requests to a ramdisk (ramdisk_size=1024 or more on the command line; else these are skipped).
 */
#include <drivers/block/blkdev.h>
#include <drivers/block/ramdisk.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/task.h>
#include <mm/gfp.h>
#include <mm/page.h>
#include <mm/slab.h>
#include <tests/kernel/ktest.h>

#define BLOCKS 128 /* of the disk that tests write to */

static struct block_device *disk(void)
{
	struct block_device *b = blkdev_get(MKDEV(1, 0));

	if (!b || blkdev_blocks(b) < BLOCKS) {
		ktest_skip("no ramdisk: ramdisk_size=1024");
		return NULL;
	}
	return b;
}

static bool bio_alloc(struct bio *bio, struct block_device *b, unsigned int nr)
{
	*bio = (struct bio){.bdev = b, .nr = nr};
	for (unsigned int i = 0; i < nr; i++)
		if (!EXPECT(bio->pages[i] = alloc_page(GFP_KERNEL)))
			return false;
	return true;
}

static void bio_free(struct bio *bio)
{
	for (unsigned int i = 0; i < BIO_MAX_PAGES && bio->pages[i]; i++)
		put_page(bio->pages[i]);
}

static u64 stamp(u64 block, u64 turn, unsigned int word)
{
	return (block << 32 | turn << 16 | word) * 0x9e3779b97f4a7c15UL;
}

static void fill(struct bio *bio, u64 turn)
{
	for (unsigned int i = 0; i < bio->nr; i++) {
		u64 *p = page_address(bio->pages[i]);

		for (unsigned int w = 0; w < PAGE_SIZE / 8; w++)
			p[w] = stamp(bio->block + i, turn, w);
	}
}

/* Words that are not as filled. */
static unsigned int wrong_words(struct bio *bio, u64 turn)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < bio->nr; i++) {
		u64 *p = page_address(bio->pages[i]);

		for (unsigned int w = 0; w < PAGE_SIZE / 8; w++)
			wrong += p[w] != stamp(bio->block + i, turn, w);
	}
	return wrong;
}

static int transfer(struct bio *bio, u64 block, unsigned int nr, bool write)
{
	bio->block = block;
	bio->nr = nr;
	bio->write = write;
	return submit_bio_wait(bio);
}

KTEST(block, every_size, "a page of a request that goes to another block, or is left out")
{
	struct block_device *b = disk();
	struct bio bio;

	if (!b)
		return;
	if (bio_alloc(&bio, b, BIO_MAX_PAGES)) {
		for (unsigned int nr = 1; nr <= BIO_MAX_PAGES; nr++) {
			u64 block = ktest_random_below(BLOCKS - nr);

			bio.block = block;
			bio.nr = nr;
			fill(&bio, nr);
			EXPECT_EQ(transfer(&bio, block, nr, true), 0);
			fill(&bio, 99);
			EXPECT_EQ(transfer(&bio, block, nr, false), 0);
			EXPECT_EQ(wrong_words(&bio, nr), 0);
			/* its neighbours are not touched by one of a single block */
			fill(&bio, 99);
			EXPECT_EQ(transfer(&bio, block + nr / 2, 1, true), 0);
			EXPECT_EQ(transfer(&bio, block, nr, false), 0);
			for (unsigned int i = 0; i < nr; i++) {
				struct bio one = {.nr = 1, .block = block + i};

				one.pages[0] = bio.pages[i];
				if (i != nr / 2)
					EXPECT_EQ(wrong_words(&one, nr), 0);
				else
					EXPECT(wrong_words(&one, nr) > 500);
			}
		}
	}
	bio_free(&bio);
}

KTEST(block, beyond_the_end,
      "a request over the end that is done in part, or writes what lies there")
{
	struct block_device *b = disk();
	struct bio bio;

	if (!b)
		return;
	if (bio_alloc(&bio, b, 2)) {
		u64 end = blkdev_blocks(b);

		EXPECT_EQ(transfer(&bio, end - 2, 2, false), 0);
		EXPECT_EQ(transfer(&bio, end - 1, 2, false), -EIO);
		EXPECT_EQ(transfer(&bio, end - 1, 2, true), -EIO);
		EXPECT_EQ(transfer(&bio, end, 1, true), -EIO);
		EXPECT_EQ(transfer(&bio, ~0UL, 2, true), -EIO);
		EXPECT_EQ(transfer(&bio, 1UL << 52, 1, false), -EIO);
		EXPECT_EQ(transfer(&bio, end - 1, 1, true), 0);
	}
	bio_free(&bio);
}

KTEST(block, claim, "two holders of one device, or pages written to it as a file that are lost")
{
	struct block_device *b = disk();
	struct bio bio;
	int one, two;
	u64 word = ktest_random();

	if (!b)
		return;
	EXPECT(!blkdev_get(MKDEV(1, 200)));
	EXPECT_EQ(filemap_write_kernel(&b->mapping, 3 * PAGE_SIZE + 8, &word, 8), 8);
	EXPECT_EQ(b->mapping.nrpages, 1);
	CHECK_EQ(blkdev_claim(b, &one), 0);
	EXPECT_EQ(b->mapping.nrpages, 0);
	EXPECT_EQ(blkdev_claim(b, &two), -EBUSY);
	EXPECT_EQ(blkdev_claim(b, &one), -EBUSY);
	if (bio_alloc(&bio, b, 1)) {
		EXPECT_EQ(transfer(&bio, 3, 1, false), 0);
		EXPECT_EQ(((u64 *)page_address(bio.pages[0]))[1], word);
	}
	bio_free(&bio);
	blkdev_release(b, &one);
	CHECK_EQ(blkdev_claim(b, &two), 0);
	blkdev_release(b, &two);
	blkdev_put(b);
}

KTEST(block, errors, "a failed request that reports success, or was done all the same")
{
	struct block_device *b = disk();
	unsigned int failed = 0;
	struct bio bio;

	if (!b)
		return;
	if (bio_alloc(&bio, b, 4)) {
		bio.block = 8;
		fill(&bio, 1);
		EXPECT_EQ(transfer(&bio, 8, 4, true), 0);
		WRITE_ONCE(ramdisk_error_rate, 1000);
		fill(&bio, 2);
		EXPECT_EQ(transfer(&bio, 8, 4, true), -EIO);
		EXPECT_EQ(transfer(&bio, 8, 4, false), -EIO);
		EXPECT_EQ(wrong_words(&bio, 2), 0);
		WRITE_ONCE(ramdisk_error_rate, 250);
		for (int i = 0; i < 400; i++)
			failed += transfer(&bio, 8, 1, false) != 0;
		EXPECT(failed > 50 && failed < 150); /* 100 on average; 5.8 standard deviations */
		WRITE_ONCE(ramdisk_error_rate, 0);
		EXPECT_EQ(transfer(&bio, 8, 4, false), 0);
		EXPECT_EQ(wrong_words(&bio, 1), 0);
	}
	WRITE_ONCE(ramdisk_error_rate, 0);
	bio_free(&bio);
}

/* --- slow disks and many threads ---------------------------------------------------------- */

#define QUEUED 6

static struct slow {
	struct bio bio[QUEUED];
	atomic_t done;
	int place[QUEUED]; /* in which each was done, from 1 on */
	struct wait_queue wait;
	bool ended;
} slow;

static void slow_end(struct bio *bio)
{
	int n = atomic_inc_return(&slow.done);

	slow.place[bio - slow.bio] = n;
	if (n == QUEUED)
		ktest_complete(&slow.wait, &slow.ended);
}

KTEST(block, slow, "a slow request done at once or out of turn, or one that keeps the CPU")
{
	struct block_device *b = disk();
	ktime_t start;

	if (!b)
		return;
	memset(&slow, 0, sizeof(slow));
	wait_queue_init(&slow.wait);
	WRITE_ONCE(ramdisk_delay_us, 2000);
	start = ktime_get();
	for (int i = 0; i < QUEUED && bio_alloc(&slow.bio[i], b, 2); i++) {
		slow.bio[i].block = (u64)i;
		slow.bio[i].write = i & 1;
		slow.bio[i].end = slow_end;
		if (i == QUEUED - 1)
			WRITE_ONCE(ramdisk_delay_us, 0); /* waits for its turn all the same */
		submit_bio(&slow.bio[i]);
	}
	EXPECT(atomic_read(&slow.done) == 0 || ktime_get() - start >= 4000000);
	WRITE_ONCE(ramdisk_delay_us, 2000);
	ktest_wait(&slow.wait, &slow.ended);
	EXPECT(ktime_get() - start >= (QUEUED - 1) * 4000000LL);
	for (int i = 0; i < QUEUED; i++) {
		EXPECT_EQ(slow.place[i], i + 1);
		EXPECT_EQ(slow.bio[i].error, 0);
		bio_free(&slow.bio[i]);
	}
	WRITE_ONCE(ramdisk_delay_us, 0);
}

#define THREADS 6

static struct many {
	struct block_device *b;
	atomic_t left, wrong;
	struct wait_queue wait;
	bool done;
} many;

static int many_thread(void *arg)
{
	u64 first = (u64)arg * (BLOCKS / THREADS), turn = 0;
	struct bio *bio = kmalloc(sizeof(*bio), GFP_KERNEL);

	if (!bio || !bio_alloc(bio, many.b, BLOCKS / THREADS)) {
		atomic_inc(&many.wrong);
	} else {
		for (unsigned int nr = BLOCKS / THREADS; nr; nr--) {
			bio->block = first;
			bio->nr = nr;
			fill(bio, ++turn);
			if (transfer(bio, first, nr, true))
				atomic_inc(&many.wrong);
			fill(bio, 0);
			if (transfer(bio, first, nr, false) || wrong_words(bio, turn))
				atomic_inc(&many.wrong);
			cond_resched();
		}
		bio_free(bio);
	}
	kfree(bio);
	if (atomic_dec_and_test(&many.left))
		ktest_complete(&many.wait, &many.done);
	return 0;
}

static void run_many(struct block_device *b)
{
	memset(&many, 0, sizeof(many));
	many.b = b;
	wait_queue_init(&many.wait);
	atomic_set(&many.left, THREADS);
	for (u64 i = 0; i < THREADS; i++)
		if (IS_ERR(kthread_run(many_thread, (void *)i, "disk%lu", i))) {
			atomic_inc(&many.wrong);
			if (atomic_dec_and_test(&many.left))
				ktest_complete(&many.wait, &many.done);
		}
	ktest_wait(&many.wait, &many.done);
	EXPECT_EQ(atomic_read(&many.wrong), 0);
}

KTEST(block, many_threads, "requests of several threads that get into each other's way")
{
	struct block_device *b = disk();
	struct block_stat s[2];
	u64 busy, before;

	if (!b)
		return;
	blkdev_stat(b, s, &before);
	run_many(b);
	WRITE_ONCE(ramdisk_delay_us, 5);
	run_many(b);
	WRITE_ONCE(ramdisk_delay_us, 0);
	run_many(b);
	blkdev_stat(b, s, &busy);
	EXPECT(busy > before);
	EXPECT_EQ(s[0].in_flight + s[1].in_flight, 0);
}
