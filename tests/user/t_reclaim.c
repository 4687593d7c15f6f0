/* SPDX-License-Identifier: MIT */
/*
 * Reclaim as programs see it: which pages stay, and what /proc says of it. Some tests read a file that
 * is larger than memory: the first ramdisk (ramdisk_size=, or SWAP= of scripts/qemu, whose swap area is
 * rebuilt afterwards).
 */
#include <sys/swap.h>
#include <sys/sysinfo.h>

#include "utest.h"

#define DISK "/dev/ram0"
#define MIB  (1UL << 20)

static long number(const char *file, const char *label)
{
	static char text[32768];
	char *at;

	OK(ut_slurp(file, text, sizeof(text)));
	at = strstr(text, label);
	return at ? atol(at + strlen(label)) : -1;
}

static long vmstat(const char *label)
{
	return number("/proc/vmstat", label);
}

/* --- the disk ---- */

static int was_swap;

/* Opened; at least so large. */
static int disk(size_t bytes)
{
	unsigned char head[PAGE];
	int fd = open(DISK, O_RDWR | O_CLOEXEC);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < (off_t)bytes)
		SKIP("no ramdisk of %zu MiB", bytes / MIB);
	if (geteuid() != 0)
		SKIP("for root");
	CHECK_EQ(pread(fd, head, PAGE, 0), PAGE);
	was_swap = !memcmp(head + 4086, "SWAPSPACE2", 10) && swapoff(DISK) == 0;
	OK(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM));
	return fd;
}

static void disk_done(int fd)
{
	close(fd);
	if (was_swap)
		OK(swapon(DISK, 0));
}

/* Leaves so much memory to the others. */
static void take_memory_but(size_t bytes)
{
	size_t there = (size_t)number("/proc/meminfo", "MemAvailable:") << 10;
	char *p;

	REQUIRE(there > bytes);
	p = ut_map(there - bytes);
	if (mlock(p, there - bytes))
		SKIP("cannot lock memory: %s", ut_errname(errno));
}

/* The disk's pages [from, from + n), one after the other. */
static void read_pages(int fd, size_t from, size_t n)
{
	char page[PAGE];

	for (size_t i = from; i < from + n; i++)
		CHECK_EQ(pread(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
}

/* Those that had been evicted. */
static long refaults(int fd, size_t from, size_t n)
{
	long before = vmstat("workingset_refault_file");

	read_pages(fd, from, n);
	return vmstat("workingset_refault_file") - before;
}

#define ROOM (24 * MIB)

TEST_MEM(
	refault, 56,
	"a working set that would fit and is read from the disk for ever, behind pages that nobody uses")
{
	size_t stale = ROOM / 2 / PAGE, set = ROOM * 3 / 4 / PAGE;
	int fd = disk(2 * ROOM);
	long activated, first, last = 0;

	take_memory_but(ROOM);
	/* Twice each, so that they are active; then never again. */
	for (size_t i = 0; i < stale; i += 16) {
		read_pages(fd, i, 16);
		read_pages(fd, i, 16);
	}
	activated = vmstat("workingset_activate_file");
	read_pages(fd, stale, set);
	first = refaults(fd, stale, set);
	for (int round = 0; round < 6; round++)
		last = refaults(fd, stale, set);
	CHECK(first > (long)set / 8);
	CHECK(vmstat("workingset_activate_file") - activated > (long)set / 4);
	CHECK(last < (long)set / 10);
	ut_note("%zu pages: %ld came back in the second round, %ld in the last", set, first, last);
	disk_done(fd);
}

TEST_MEM(stream, 56, "pages in use pushed out by a stream that does not fit anyhow")
{
	size_t used = ROOM / 4 / PAGE, stream = ROOM * 7 / 4 / PAGE;
	int fd = disk(2 * ROOM);
	long activated, back = 0, lost = 0;

	take_memory_but(ROOM);
	for (int i = 0; i < 3; i++)
		read_pages(fd, 0, used);
	read_pages(fd, used, stream);
	activated = vmstat("workingset_activate_file");
	for (int round = 0; round < 4; round++)
		for (size_t i = 0; i < 16; i++) {
			back += refaults(fd, used + i * (stream / 16), stream / 16);
			lost += refaults(fd, 0, used);
		}
	CHECK(back > 2 * (long)stream);
	CHECK(lost < (long)used / 2);
	CHECK(vmstat("workingset_activate_file") - activated < back / 10);
	ut_note("%ld pages of the stream came back, %ld of %zu in use", back, lost, used);
	disk_done(fd);
}
