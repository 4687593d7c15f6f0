/* SPDX-License-Identifier: MIT */
/*
 * What is told about block devices: /proc/partitions, /proc/diskstats, /sys/block, /sys/dev/block.
 *
 * Each device has a directory of its own below /sys/devices/virtual/block, made when it registers; the
 * two others hold links to these.
 */
#include <drivers/block/blkdev.h>
#include <fs/proc/proc.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <mm/slab.h>

#define SECTORS (PAGE_SIZE / SECTOR_SIZE)

/* --- /proc -------------------------------------------------------------------------------- */

int proc_partitions_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	struct block_device *b = blkdev_next(NULL);

	if (b)
		seq_puts(m, "major minor  #blocks  name\n\n");
	for (; b; b = blkdev_next(b))
		seq_printf(m, "%4u  %7u %10lu %s\n", MAJOR(b->dev), MINOR(b->dev),
			   b->blocks * (PAGE_SIZE / 1024), b->name);
	return 0;
}

static u64 ms(u64 ns)
{
	return ns / (u64)NSEC_PER_MSEC;
}

/* The 17 fields, each behind a space and at least that wide, of diskstats and of a disk's stat. */
static void show_stat(struct seq_file *m, struct block_device *b, int width)
{
	struct block_stat s[2];
	u64 busy;

	blkdev_stat(b, s, &busy);
	for (int w = 0; w < 2; w++)
		seq_printf(m, " %*lu %*u %*lu %*lu", width, s[w].ios, width, 0, width,
			   s[w].pages * SECTORS, width, ms(s[w].ns));
	seq_printf(m, " %*u %*lu %*lu", width, s[0].in_flight + s[1].in_flight, width, ms(busy),
		   width, ms(s[0].ns + s[1].ns));
	for (int i = 0; i < 6; i++) /* discards and flushes: there are none */
		seq_printf(m, " %*u", width, 0);
	seq_putc(m, '\n');
}

int proc_diskstats_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	for (struct block_device *b = NULL; (b = blkdev_next(b));) {
		seq_printf(m, "%4u %7u %s", MAJOR(b->dev), MINOR(b->dev), b->name);
		show_stat(m, b, 0);
	}
	return 0;
}

/* --- /sys --------------------------------------------------------------------------------- */

static int text_show(struct seq_file *m, struct proc_inode *pi)
{
	seq_puts(m, pi->entry->data);
	return 0;
}

static int dev_show(struct seq_file *m, struct proc_inode *pi)
{
	const struct block_device *b = pi->entry->data;

	seq_printf(m, "%u:%u\n", MAJOR(b->dev), MINOR(b->dev));
	return 0;
}

static int size_show(struct seq_file *m, struct proc_inode *pi)
{
	const struct block_device *b = pi->entry->data;

	seq_printf(m, "%lu\n", b->blocks * SECTORS);
	return 0;
}

static int stat_show(struct seq_file *m, struct proc_inode *pi)
{
	show_stat(m, pi->entry->data, 8);
	return 0;
}

static int inflight_show(struct seq_file *m, struct proc_inode *pi)
{
	struct block_stat s[2];
	u64 busy;

	blkdev_stat(pi->entry->data, s, &busy);
	seq_printf(m, "%8u %8u\n", s[0].in_flight, s[1].in_flight);
	return 0;
}

#define TEXT(n, t)                                                              \
	{                                                                       \
		.name = n, .mode = S_IFREG | 0444, .show = text_show, .data = t \
	}

static const struct proc_entry empty[] = {{}};

static const struct proc_entry queue_entries[] = {
	TEXT("discard_granularity", "0\n"),
	TEXT("discard_max_bytes", "0\n"),
	TEXT("hw_sector_size", "512\n"),
	TEXT("iostats", "1\n"),
	TEXT("logical_block_size", "512\n"),
	TEXT("max_sectors_kb", "128\n"), /* BIO_MAX_PAGES */
	TEXT("minimum_io_size", "4096\n"),
	TEXT("optimal_io_size", "0\n"),
	TEXT("physical_block_size", "4096\n"),
	TEXT("read_ahead_kb", "0\n"),
	TEXT("rotational", "0\n"),
	TEXT("scheduler", "none\n"),
	TEXT("write_cache", "write through\n"),
	{},
};

/* data NULL: the disk goes there. */
static const struct proc_entry disk_entries[] = {
	TEXT("alignment_offset", "0\n"),
	PROC_FILE("dev", 0444, dev_show),
	PROC_DIR("holders", empty),
	TEXT("hidden", "0\n"),
	PROC_FILE("inflight", 0444, inflight_show),
	PROC_DIR("queue", queue_entries),
	TEXT("range", "1\n"),
	TEXT("removable", "0\n"),
	TEXT("ro", "0\n"),
	PROC_FILE("size", 0444, size_show),
	PROC_DIR("slaves", empty),
	PROC_FILE("stat", 0444, stat_show),
	{},
};

struct disk_dir {
	char number[12];
	struct proc_entry entries[ARRAY_SIZE(disk_entries)];
};

#define MAX_DIRS 16
struct proc_entry block_virtual_entries[MAX_DIRS + 1]; /* grow at the end */
struct proc_entry block_name_entries[MAX_DIRS + 1];
struct proc_entry block_number_entries[MAX_DIRS + 1];

static int name_link(struct proc_inode *pi, char *buf, size_t n)
{
	return scnprintf(buf, n, "../devices/virtual/block/%s", pi->entry->name);
}

static int number_link(struct proc_inode *pi, char *buf, size_t n)
{
	const struct block_device *b = pi->entry->data;

	return scnprintf(buf, n, "../../devices/virtual/block/%s", b->name);
}

#define LINK(n, r, b)                                                        \
	(struct proc_entry)                                                  \
	{                                                                    \
		.name = n, .mode = S_IFLNK | 0777, .readlink = r, .data = b, \
	}

int blkdev_add_info(struct block_device *b)
{
	struct disk_dir *d = kzalloc(sizeof(*d), GFP_KERNEL);
	unsigned int i = 0;

	while (i < MAX_DIRS && block_virtual_entries[i].name)
		i++;
	if (!d || i == MAX_DIRS) {
		kfree(d);
		return -ENOMEM;
	}
	memcpy(d->entries, disk_entries, sizeof(d->entries));
	for (struct proc_entry *e = d->entries; e->name; e++)
		if (S_ISREG(e->mode) && !e->data)
			e->data = b;
	scnprintf(d->number, sizeof(d->number), "%u:%u", MAJOR(b->dev), MINOR(b->dev));
	block_virtual_entries[i] = (struct proc_entry)PROC_DIR(b->name, d->entries);
	block_name_entries[i] = LINK(b->name, name_link, b);
	block_number_entries[i] = LINK(d->number, number_link, b);
	return 0;
}
