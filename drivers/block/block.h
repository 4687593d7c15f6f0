/* SPDX-License-Identifier: MIT */
/*
 * Block devices, and requests to them: the one header of the drivers that mm and fs see.
 *
 * A device is a row of blocks of PAGE_SIZE bytes. A request (struct bio) moves up to BIO_MAX_PAGES
 * pages to or from blocks that follow each other. It is the submitter's memory, so that a request can
 * be made when there is none left: neither the layer nor a driver allocates for it.
 *
 *	submit_bio(bio) ---> driver ---> bio->error = 0 or -EIO; bio->end(bio)
 *
 * end() is called exactly once, in a thread (the submitter's own, before submit_bio() returns, if the
 * device is that fast, else the device's), with no lock held and interrupts on. It does not sleep, and
 * the bio is the submitter's again.
 */
#pragma once

#include <kernel/lib/list.h>
#include <kernel/lib/types.h>

struct address_space;
struct block_device;
struct file_operations;
struct page;

#define BIO_MAX_PAGES 32

struct bio {
	struct block_device *bdev;
	u64 block; /* the first on the device */
	bool write;
	unsigned int nr;                   /* pages, 1..BIO_MAX_PAGES */
	struct page *pages[BIO_MAX_PAGES]; /* each with a reference of the submitter's */
	void (*end)(struct bio *bio);
	void *private; /* the submitter's */
	int error;
	ktime_t start;         /* the layer's: when it was submitted */
	struct list_head link; /* the driver's, between submit and end */
};

/* Never fails: what goes wrong (a block beyond the end too) is told to end(). May sleep if the device's
 * queue is full; no spinlock held. */
void submit_bio(struct bio *bio);
/* Submits and sleeps until it is done: bio->error. bio->end and bio->private are overwritten. */
int submit_bio_wait(struct bio *bio);

/* The device of that number with a reference, or NULL. */
struct block_device *blkdev_get(u32 dev);
void blkdev_put(struct block_device *bdev);
/* One holder at a time may claim it (a swap area, later a mounted file system): 0 or -EBUSY. What was
 * written to it as a file before is on the device then, and its cached pages are gone. */
int blkdev_claim(struct block_device *bdev, const void *holder) __must_check;
void blkdev_release(struct block_device *bdev, const void *holder);
u64 blkdev_blocks(const struct block_device *bdev);
/* sync(2): what was written to any of them as a file. */
void blkdev_sync_all(void);
unsigned long nr_blockdev_pages(void);                    /* in the page cache: meminfo's Buffers */
extern const struct file_operations blkdev_fops;          /* of every block special file */
const char *blkdev_name(const struct block_device *bdev); /* "ram0" */
