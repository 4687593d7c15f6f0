/* SPDX-License-Identifier: MIT */
/*
 * The ramdisk: /dev/ram0 and up, disks that are memory.
 *
 *	ramdisk_size=KIB	how large each is; without it there are none
 *	ramdisk.count=N		how many (1)
 *	ramdisk.delay_us=N	how long each page of a request takes (0)
 *	ramdisk.error_rate=N	how many of 1000 requests fail, at random (0)
 *
 * The last two can be changed at any time, in /sys/module/ramdisk/parameters.
 *
 * The memory is set aside at boot, before anything is counted (memblock_take): what is swapped out to
 * here has really left RAM, as a student sees it. Zone DMA is left alone, and if there is not enough
 * for the kernel besides, there is no disk and a line in the log.
 *
 *	[ disk 0: header | bitmap | blocks ... ][ disk 1: ... ]
 *
 * The bitmap says which blocks were ever written; the others read as zeroes without being touched, so
 * that a large disk costs the host nothing and nothing old can be read from it.
 *
 * Time. With delay_us 0 a request is done by its submitter at once. Else the disk's thread does one
 * after the other in the order of their arrival, sleeping delay_us per page before each: who needs the
 * data sleeps, others run. When the delay is taken away while some are waiting, those that come now
 * wait behind them.
 *
 * Locking: r->lock (LOCK_PROC) for the queue. The data have no lock: two requests for one block at
 * the same time may mix, as on any disk.
 */
#include <drivers/block/blkdev.h>
#include <drivers/block/ramdisk.h>
#include <fs/proc/proc.h>
#include <kernel/lib/atomic.h>
#include <kernel/lib/bitmap.h>
#include <kernel/lib/cmdline.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/random.h>
#include <kernel/lib/string.h>
#include <kernel/task.h>
#include <mm/gfp.h>
#include <mm/memblock.h>

#define RAMDISK_MAJOR 1
#define MAX_DISKS     16
#define LOWEST        (16UL << 20) /* below is zone DMA */
#define KEEP          (16UL << 20) /* the least that a machine boots with */
#define MAX_SIZE      (64UL << 30)
#define MAX_DELAY_US  1000000
#define ALL           1000 /* of error_rate */

struct ramdisk {
	struct block_device bdev;
	u8 *data;               /* (c) */
	unsigned long *written; /* (a) a bit for each block */
	spinlock_t lock;
	struct list_head queue; /* (r) bios in the order of arrival */
	bool busy;              /* (r) the thread has one in hand */
	struct wait_queue wait; /* the thread's */
};
/* (c) constant (a) atomic (r) lock */

unsigned int ramdisk_delay_us, ramdisk_error_rate; /* read without a lock */

/* What ramdisk_reserve() found. */
static paddr_t first_disk;
static unsigned int nr_disks;
static size_t disk_pages, disk_bytes; /* blocks of one; memory that one takes */

/* --- requests ----------------------------------------------------------------------------- */

static void copy_block(struct ramdisk *r, u64 block, void *page, bool write)
{
	u8 *data = r->data + block * PAGE_SIZE;

	if (write) {
		copy_page(data, page);
		(void)test_and_set_bit((unsigned int)block, r->written);
	} else if (test_bit((unsigned int)block, r->written)) {
		copy_page(page, data);
	} else {
		clear_page(page);
	}
}

static void serve(struct ramdisk *r, struct bio *bio)
{
	unsigned int rate = READ_ONCE(ramdisk_error_rate);
	int err = rate && get_random_u64() % ALL < rate ? -EIO : 0;

	for (unsigned int i = 0; !err && i < bio->nr; i++)
		copy_block(r, bio->block + i, page_address(bio->pages[i]), bio->write);
	bio_endio(bio, err);
}

static void ramdisk_submit(struct bio *bio)
{
	struct ramdisk *r = container_of(bio->bdev, struct ramdisk, bdev);
	bool queued;

	spin_lock(&r->lock);
	queued = READ_ONCE(ramdisk_delay_us) || r->busy || !list_empty(&r->queue);
	if (queued)
		list_add_tail(&bio->link, &r->queue);
	spin_unlock(&r->lock);
	if (queued)
		wake_up(&r->wait);
	else
		serve(r, bio);
}

static struct bio *next_bio(struct ramdisk *r)
{
	struct bio *bio = NULL;

	spin_lock(&r->lock);
	if (!list_empty(&r->queue)) {
		bio = list_first_entry(&r->queue, struct bio, link);
		list_del(&bio->link);
	}
	r->busy = bio;
	spin_unlock(&r->lock);
	return bio;
}

/* Interruptible, as no signal reaches it: a disk that waits is no load. */
static __noreturn int ramdisk_thread(void *arg)
{
	struct ramdisk *r = arg;
	struct bio *bio;

	for (;;) {
		(void)wait_event_interruptible(r->wait, (bio = next_bio(r)));
		ktime_t end = ktime_get() + (ktime_t)READ_ONCE(ramdisk_delay_us) * bio->nr * 1000;

		while (ktime_get() < end) {
			set_current_state(THREAD_INTERRUPTIBLE);
			schedule_timeout_until(end);
		}
		serve(r, bio);
		cond_resched();
	}
}

/* --- /sys/module/ramdisk/parameters ------------------------------------------------------- */

struct param {
	unsigned int *var, max;
};
static struct param delay_param = {&ramdisk_delay_us, MAX_DELAY_US},
		    error_param = {&ramdisk_error_rate, ALL};

static int param_show(struct seq_file *m, struct proc_inode *pi)
{
	const struct param *p = pi->entry->data;

	seq_printf(m, "%u\n", READ_ONCE(*p->var));
	return 0;
}

static int param_store(struct proc_inode *pi, char *text)
{
	const struct param *p = pi->entry->data;
	unsigned int v;

	if (kstrtouint(text, 0, &v) || v > p->max)
		return -EINVAL;
	WRITE_ONCE(*p->var, v);
	return 0;
}

#define PARAM(n, p)                                                                          \
	{                                                                                    \
		.name = n, .mode = S_IFREG | 0644, .show = param_show, .store = param_store, \
		.data = &(p),                                                                \
	}

const struct proc_entry ramdisk_param_entries[] = {
	PARAM("delay_us", delay_param),
	PARAM("error_rate", error_param),
	{},
};

/* --- boot --------------------------------------------------------------------------------- */

static long number(const char *key, long min, long max, long def)
{
	char text[32];
	long v;

	if (!cmdline_get(key, text, sizeof(text)))
		return def;
	if (!kstrtol(text, 0, &v) && v >= min && v <= max)
		return v;
	pr_err("ramdisk: %s=%s is not a number from %ld to %ld: ignored\n", key, text, min, max);
	return def;
}

static size_t header_bytes(size_t pages)
{
	return PAGE_ALIGN(sizeof(struct ramdisk) + BITS_TO_LONGS(pages) * sizeof(long));
}

void ramdisk_reserve(void)
{
	long kib = number("ramdisk_size", 0, MAX_SIZE >> 10, 0);

	nr_disks = (unsigned int)number("ramdisk.count", 0, MAX_DISKS, 1);
	ramdisk_delay_us = (unsigned int)number("ramdisk.delay_us", 0, MAX_DELAY_US, 0);
	ramdisk_error_rate = (unsigned int)number("ramdisk.error_rate", 0, ALL, 0);
	disk_pages = (size_t)kib / (PAGE_SIZE / 1024);
	if (!disk_pages || !nr_disks)
		return;
	disk_bytes = header_bytes(disk_pages) + disk_pages * PAGE_SIZE;
	first_disk = memblock_take(nr_disks * disk_bytes, PMD_SIZE, LOWEST, KEEP);
	if (!first_disk)
		pr_err("ramdisk: no room for %u of %ld kB: none is there\n", nr_disks, kib);
}

static int ramdisk_make(struct ramdisk *r, unsigned int minor)
{
	memset(r, 0, header_bytes(disk_pages));
	r->written = (unsigned long *)(r + 1);
	r->data = (u8 *)r + header_bytes(disk_pages);
	spin_lock_init(&r->lock, LOCK_PROC);
	list_init(&r->queue);
	wait_queue_init(&r->wait);
	r->bdev.dev = MKDEV(RAMDISK_MAJOR, minor);
	r->bdev.blocks = disk_pages;
	r->bdev.submit = ramdisk_submit;
	scnprintf(r->bdev.name, sizeof(r->bdev.name), "ram%u", minor);
	if (IS_ERR(kthread_run(ramdisk_thread, r, "ramdisk%u", minor)))
		return -ENOMEM;
	return blkdev_register(&r->bdev);
}

static void ramdisk_init(void)
{
	if (!first_disk)
		return;
	for (unsigned int i = 0; i < nr_disks; i++)
		if (ramdisk_make(__va(first_disk + i * disk_bytes), i))
			pr_err("ramdisk: out of memory, no ram%u\n", i);
	pr_info("ramdisk: %u of %lu kB, %u us a page, %u of 1000 requests fail\n", nr_disks,
		disk_pages << (PAGE_SHIFT - 10), ramdisk_delay_us, ramdisk_error_rate);
}
initcall(ramdisk_init);
