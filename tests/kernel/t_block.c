/* SPDX-License-Identifier: MIT */
/*
 * Requests to a ramdisk (ramdisk_size=1024 or more on the command line; else these are skipped).
 */
#include <drivers/block/block.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <mm/gfp.h>
#include <mm/page.h>
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

KTEST(block, claim, "two holders of one device")
{
	struct block_device *b = disk();
	int one, two;

	if (!b)
		return;
	EXPECT(!blkdev_get(MKDEV(1, 200)));
	CHECK_EQ(blkdev_claim(b, &one), 0);
	EXPECT_EQ(blkdev_claim(b, &two), -EBUSY);
	EXPECT_EQ(blkdev_claim(b, &one), -EBUSY);
	blkdev_release(b, &one);
	CHECK_EQ(blkdev_claim(b, &two), 0);
	blkdev_release(b, &two);
	blkdev_put(b);
}
