/* SPDX-License-Identifier: MIT */
/*
 * The block layer: which devices there are, requests to them, who has one for himself, and what each
 * has done.
 *
 *	submit_bio()	counts and checks the request and hands it to the driver
 *	bio_endio()	the driver's answer: counts, logs an error, tells the submitter
 *
 * There is no queue here and no merging: who wants large requests makes them (swap's clusters), and
 * a device that takes time has a queue of its own (ramdisk.c). Nothing on the way allocates memory,
 * as the way is needed when there is none.
 *
 * Devices are never unregistered, so a reference needs no count; the list is read without a lock.
 *
 * Locking: bdev->lock for the figures, held for a few instructions, nothing inside. bdev->open_lock
 * (sleeping) for who holds the device.
 */
#include <drivers/block/blkdev.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/pte.h>
#include <mm/vmstat.h>

#define SECTORS         (PAGE_SIZE / SECTOR_SIZE)
#define ERRORS_A_WINDOW 10 /* lines in the log, as Linux limits them */
#define ERROR_WINDOW    (5 * NSEC_PER_SEC)

static struct block_device *devices;
static spinlock_t devices_lock = SPINLOCK_INIT(LOCK_FS); /* to add */

/* --- devices ------------------------------------------------------------------------------ */

struct block_device *blkdev_next(const struct block_device *bdev)
{
	return bdev ? smp_load_acquire(&bdev->next) : smp_load_acquire(&devices);
}

struct block_device *blkdev_get(u32 dev)
{
	struct block_device *b = blkdev_next(NULL);

	while (b && b->dev != dev)
		b = blkdev_next(b);
	return b;
}

void blkdev_put(struct block_device *bdev __unused)
{
}

int blkdev_register(struct block_device *bdev)
{
	struct block_device **last = &devices;
	int err = 0;

	spin_lock_init(&bdev->lock, LOCK_PROC);
	mutex_init(&bdev->open_lock, LOCK_BLKDEV);
	blkdev_file_init(bdev);
	spin_lock(&devices_lock);
	while (*last && (*last)->dev != bdev->dev)
		last = &(*last)->next;
	if (*last)
		err = -EBUSY;
	else
		smp_store_release(last, bdev);
	spin_unlock(&devices_lock);
	if (!err)
		err = blkdev_add_info(bdev);
	return err ? err : devtmpfs_add(bdev->name, S_IFBLK | 0600, bdev->dev);
}

int blkdev_claim(struct block_device *bdev, const void *holder)
{
	guard_write(&bdev->write_lock); /* a write that has begun ends before, or sees the claim */
	guard_mutex(&bdev->open_lock);
	if (bdev->holder)
		return -EBUSY;
	bdev->holder = holder;
	WRITE_ONCE(bdev->mapping.claimed, true);
	blkdev_flush_and_drop(bdev);
	return 0;
}

void blkdev_release(struct block_device *bdev, const void *holder)
{
	guard_mutex(&bdev->open_lock);
	assert(bdev->holder == holder && bdev->mapping.claimed);
	blkdev_flush_and_drop(bdev); /* who read it meanwhile has old bytes there */
	bdev->holder = NULL;
	WRITE_ONCE(bdev->mapping.claimed, false);
}

u64 blkdev_blocks(const struct block_device *bdev)
{
	return bdev->blocks;
}

void blkdev_sync_all(void)
{
	for (struct block_device *b = NULL; (b = blkdev_next(b));)
		(void)blkdev_flush(b);
}

unsigned long nr_blockdev_pages(void)
{
	unsigned long n = 0;

	for (const struct block_device *b = NULL; (b = blkdev_next(b));)
		n += READ_ONCE(b->mapping.nrpages);
	return n;
}

const char *blkdev_name(const struct block_device *bdev)
{
	return bdev->name;
}

/* --- figures ------------------------------------------------------------------------------ */

/* Brings busy_ns up to now. */
static ktime_t stat_update(struct block_device *b)
{
	ktime_t now = ktime_get();

	assert_spin_held(&b->lock);
	if (b->stat[0].in_flight + b->stat[1].in_flight)
		b->busy_ns += (u64)(now - b->stamp);
	b->stamp = now;
	return now;
}

static void stat_start(struct bio *bio)
{
	struct block_device *b = bio->bdev;

	spin_lock(&b->lock);
	bio->start = stat_update(b);
	b->stat[bio->write].in_flight++;
	spin_unlock(&b->lock);
	/* Linux counts kB here. */
	count_events(bio->write ? PGPGOUT : PGPGIN, bio->nr * (PAGE_SIZE / 1024));
}

/* May its error be logged? */
static bool stat_end(struct bio *bio)
{
	struct block_device *b = bio->bdev;
	struct block_stat *s = &b->stat[bio->write];
	bool log = false;
	ktime_t now;

	spin_lock(&b->lock);
	now = stat_update(b);
	s->in_flight--;
	s->ios++;
	s->pages += bio->nr;
	s->ns += (u64)(now - bio->start);
	if (bio->error) {
		if (!b->err_logged || now - b->err_window > ERROR_WINDOW) {
			b->err_window = now;
			b->err_logged = 0;
		}
		log = b->err_logged < ERRORS_A_WINDOW;
		b->err_logged += log;
	}
	spin_unlock(&b->lock);
	return log;
}

void blkdev_stat(struct block_device *b, struct block_stat s[2], u64 *busy_ns)
{
	spin_lock(&b->lock);
	stat_update(b);
	s[0] = b->stat[0];
	s[1] = b->stat[1];
	*busy_ns = b->busy_ns;
	spin_unlock(&b->lock);
}

/* --- requests ----------------------------------------------------------------------------- */

void bio_endio(struct bio *bio, int error)
{
	bio->error = error;
	if (stat_end(bio))
		pr_err("I/O error, dev %s, sector %lu op 0x%x:(%s) flags 0x0 phys_seg %u\n",
		       bio->bdev->name, bio->block * SECTORS, bio->write,
		       bio->write ? "WRITE" : "READ", bio->nr);
	bio->end(bio);
}

void submit_bio(struct bio *bio)
{
	const struct block_device *b = bio->bdev;

	might_sleep();
	assert(bio->nr && bio->nr <= BIO_MAX_PAGES);
	stat_start(bio);
	if (bio->block < b->blocks && bio->nr <= b->blocks - bio->block)
		b->submit(bio);
	else
		bio_endio(bio, -EIO);
}

/* On the waiter's stack: done is set under the queue's lock, and who saw it waits for that lock. */
struct bio_wait {
	struct wait_queue queue;
	bool done;
};

static void bio_wait_end(struct bio *bio)
{
	struct bio_wait *w = bio->private;
	unsigned long flags = local_irq_save();

	ticket_lock(&w->queue.lock);
	WRITE_ONCE(w->done, true);
	wake_up_locked(&w->queue, 0, 0);
	ticket_unlock(&w->queue.lock);
	local_irq_restore(flags);
}

int submit_bio_wait(struct bio *bio)
{
	struct bio_wait w = {.done = false};

	wait_queue_init(&w.queue);
	bio->end = bio_wait_end;
	bio->private = &w;
	submit_bio(bio);
	wait_event_io(w.queue, READ_ONCE(w.done));
	while (ticket_is_locked(&w.queue.lock))
		cpu_relax();
	return bio->error;
}
