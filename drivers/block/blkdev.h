/* SPDX-License-Identifier: MIT */
/*
 * What a driver of block devices sees of the layer; mm and fs see block.h.
 */
#pragma once

#include <drivers/block/block.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <mm/filemap.h>

#define SECTOR_SIZE 512 /* what sizes and ranges are told in, as by Linux */

/* Of reads ([0]) and writes ([1]). */
struct block_stat {
	u64 ios, pages, ns;
	unsigned int in_flight;
};

/* Lives in the direct map, 32-byte aligned, for ever. */
struct block_device {
	/* the driver's, set before it registers */
	u32 dev;       /* (c) its number, MKDEV() */
	char name[12]; /* (c) */
	u64 blocks;    /* (c) of PAGE_SIZE */
	/* Takes the checked request and sees to it that bio_endio() is called. No lock held. */
	void (*submit)(struct bio *bio); /* (c) */

	/* the layer's */
	spinlock_t lock;
	struct block_stat stat[2]; /* (l) */
	ktime_t stamp;             /* (l) when busy_ns was brought up to date */
	u64 busy_ns;               /* (l) with something in flight */
	ktime_t err_window;        /* (l) and errors logged since it began */
	unsigned int err_logged;   /* (l) */
	struct mutex open_lock;
	const void *holder;           /* (o) who claimed it, by blkdev_claim() or O_EXCL */
	unsigned int openers;         /* (o) open files */
	struct address_space mapping; /* its pages as a file; claimed (o): by blkdev_claim() */
	struct rwsem write_lock;
	struct block_device *next; /* (c) */
};
/* (c) constant after registration  (l) lock, LOCK_PROC  (o) open_lock */

/* Publishes the device: 0 or -errno. */
int blkdev_register(struct block_device *bdev) __must_check;
/* The request is done: 0 or -EIO. In a thread, no lock held; calls bio->end(). */
void bio_endio(struct bio *bio, int error);
/* All devices: NULL gives the first. */
struct block_device *blkdev_next(const struct block_device *bdev);

/* Its figures, reads in s[0]; and how long it was busy. */
void blkdev_stat(struct block_device *bdev, struct block_stat s[2], u64 *busy_ns);

/* info.c: its directory under /sys. 0 or -ENOMEM. */
int blkdev_add_info(struct block_device *bdev);

/* file.c */
void blkdev_file_init(struct block_device *bdev);
int blkdev_flush(struct block_device *bdev); /* writes the dirty pages: 0 or -EIO */
/* The same, then no page is left, mapped or not. */
void blkdev_flush_and_drop(struct block_device *bdev);
