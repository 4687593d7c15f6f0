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

static long vmstat(const char *label)
{
	return ut_number("/proc/vmstat", label);
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

/* Leaves so much memory to the others, without what slabs say that they can give. */
static void take_memory_but(size_t bytes)
{
	size_t there = (size_t)(ut_number("/proc/meminfo", "MemAvailable") -
				ut_number("/proc/meminfo", "SReclaimable"))
		       << 10;
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

/* --- /proc ---- */

/* The sum of what follows label in each zone's part. */
static long zones_sum(const char *label)
{
	static char text[32768];
	long sum = 0;

	OK(ut_slurp("/proc/zoneinfo", text, sizeof(text)));
	for (char *at = text; (at = strstr(at, label)); at += strlen(label))
		sum += atol(at + strlen(label));
	return sum;
}

static int near(long a, long b)
{
	return labs(a - b) <= 256;
}

TEST(zones, "lists of a zone that zoneinfo, vmstat and meminfo count differently")
{
	static const char *const lists[][3] = {
		{"nr_zone_inactive_anon", "nr_inactive_anon", "Inactive(anon)"},
		{"nr_zone_active_anon", "nr_active_anon", "Active(anon)"},
		{"nr_zone_inactive_file", "nr_inactive_file", "Inactive(file)"},
		{"nr_zone_active_file", "nr_active_file", "Active(file)"},
		{"nr_zone_unevictable", "nr_unevictable", "Unevictable"},
	};
	char *p = ut_map(4 * MIB);

	memset(p, 1, 4 * MIB);
	if (mlock(p, MIB))
		SKIP("cannot lock memory");
	for (size_t i = 0; i < 5; i++) {
		long sum = zones_sum(lists[i][0]);

		CHECK(near(sum, vmstat(lists[i][0])));
		CHECK(near(sum, vmstat(lists[i][1])));
		CHECK(near(sum * 4, ut_number("/proc/meminfo", lists[i][2])));
	}
	CHECK(zones_sum("nr_zone_unevictable ") >= (long)(MIB / PAGE));
	CHECK(zones_sum("nr_zone_inactive_anon ") + zones_sum("nr_zone_active_anon ") >=
	      (long)(2 * MIB / PAGE));
}

/* Of the process of that name. */
static char state_of(const char *comm)
{
	char path[32], text[512];

	for (int pid = 2; pid < 200; pid++) {
		char *at;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (access(path, R_OK) || ut_slurp(path, text, sizeof(text)) < 0)
			continue;
		at = strstr(text, comm);
		if (at)
			return at[strlen(comm) + 1]; /* behind a blank */
	}
	return 0;
}

TEST(idle, "a kernel thread without work that seems to wait for a device")
{
	for (int i = 0; i < 50 && state_of("(kswapd0)") != 'S'; i++)
		ut_msleep(20);
	CHECK_EQ(state_of("(kswapd0)"), 'S');
	CHECK_EQ(state_of("(oom_reaper)"), 'S');
}

TEST(buffers, "pages of a block device that are not in Buffers, or in Cached as well")
{
	long buffers, cached;
	struct sysinfo si;
	int fd = disk(4 * MIB);

	buffers = ut_number("/proc/meminfo", "Buffers");
	cached = ut_number("/proc/meminfo", "Cached");
	read_pages(fd, 0, 4 * MIB / PAGE);
	CHECK(ut_number("/proc/meminfo", "Buffers") - buffers >= 4000);
	CHECK(labs(ut_number("/proc/meminfo", "Cached") - cached) < 2000);
	OK(sysinfo(&si));
	CHECK(near((long)(si.bufferram * si.mem_unit) >> 12,
		   ut_number("/proc/meminfo", "Buffers") / 4));
	disk_done(fd);
}

TEST(read_ahead,
     "pages read from swap ahead of their use that are not counted, or counted as used twice")
{
	long ra, hit, in;
	char *p;

	if (!ut_octavo())
		SKIP("a ramdisk is not read ahead there");
	if (ut_number("/proc/meminfo", "SwapFree") < 1 << 10)
		SKIP("needs swap");
	p = ut_map(64 * PAGE);
	memset(p, 1, 64 * PAGE);
	OK(madvise(p, 64 * PAGE, MADV_PAGEOUT));
	ut_msleep(50);
	in = vmstat("pswpin");
	ra = vmstat("swap_ra");
	hit = vmstat("swap_ra_hit");
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < 64; i++)
			CHECK_EQ(p[i * PAGE], 1);
	ra = vmstat("swap_ra") - ra;
	hit = vmstat("swap_ra_hit") - hit;
	CHECK(ra >= 32 && hit >= 32 && hit <= ra);
	CHECK(ra < vmstat("pswpin") - in);
}

/* What is written to it is refused, and changes nothing. */
static void refuses(const char *name, const char *text)
{
	char path[64], before[64], after[64];

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
	int fd = OK(open(path, O_WRONLY));
	int readable = ut_slurp(path, before, sizeof(before)) >= 0;

	errno = 0;
	if (write(fd, text, strlen(text)) >= 0 || errno != EINVAL)
		FAIL("%s takes \"%s\": %s", name, text, ut_errname(errno));
	if (readable) {
		OK(ut_slurp(path, after, sizeof(after)));
		if (strcmp(before, after))
			FAIL("%s was %s and is %s", name, before, after);
	}
	close(fd);
}

TEST(sysctls, "a variable of reclaim that takes what it cannot be")
{
	const char *const bad[][4] = {
		{"swappiness", "-1", "201", "high"},
		{"vfs_cache_pressure", "-1", "x", " "},
		{"min_free_kbytes", "-1", "1k", "\n"},
		{"watermark_scale_factor", "0", "3001", "-5"},
		{"page-cluster", "-1", ut_octavo() ? "32" : "-2", "3x"}, /* Linux 6.1: no limit */
		{"drop_caches", "0", "5", "-1"},
		{"overcommit_memory", "-1", "3", "yes"},
		{"panic_on_oom", "-1", "3", "."},
		{"max_map_count", "-1", "99999999999", "many"},
		{"overcommit_kbytes", "-", "0x", "1.5k"},
	};
	char was[64], now[64];

	if (geteuid() != 0)
		SKIP("for root");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (int k = 1; k < 4; k++)
			refuses(bad[i][0], bad[i][k]);
	/* As many watermarks as were asked for, whatever the formula says. */
	OK(ut_slurp("/proc/sys/vm/min_free_kbytes", was, sizeof(was)));
	ut_spew("/proc/sys/vm/min_free_kbytes", "0");
	OK(ut_slurp("/proc/sys/vm/min_free_kbytes", now, sizeof(now)));
	CHECK_EQ(atol(now), 0);
	CHECK_EQ(zones_sum("        min      "), 0);
	ut_spew("/proc/sys/vm/min_free_kbytes", "4000");
	CHECK(near(zones_sum("        min      "), 1000));
	ut_spew("/proc/sys/vm/min_free_kbytes", was);
}

/* --- slow disks ---- */

#define DELAY "/sys/module/ramdisk/parameters/delay_us"

/* More than memory, each page written and read again. */
static void fill_and_check(size_t pages)
{
	char *p = ut_map(pages * PAGE);

	for (size_t i = 0; i < pages; i++)
		*(size_t *)(p + i * PAGE) = i;
	for (size_t i = 0; i < pages; i++)
		REQUIRE(*(size_t *)(p + i * PAGE) == i);
}

TEST_MEM(
	slow, 40,
	"a process ended because all memory is on its way to a slow disk; what was looked at counted wrongly")
{
	static const char *const names[] = {"pgscan_kswapd", "pgscan_direct",  "pgscan_anon",
					    "pgscan_file",   "pgsteal_kswapd", "pgsteal_direct",
					    "pgsteal_anon",  "pgsteal_file",   "oom_kill"};
	long n[9];
	pid_t pid;

	if (ut_number("/proc/meminfo", "SwapFree") < 32 << 10)
		SKIP("needs 32 MiB of swap");
	if (access(DELAY, W_OK))
		SKIP("no disk that can be slow");
	ut_spew(DELAY, "3000");
	for (int i = 0; i < 9; i++)
		n[i] = vmstat(names[i]);
	take_memory_but(12 * MIB);
	pid = CHILD({ fill_and_check(16 * MIB / PAGE); });
	CHECK_EXIT(pid, 0);
	ut_spew(DELAY, "0");
	for (int i = 0; i < 9; i++)
		n[i] = vmstat(names[i]) - n[i];
	CHECK(n[0] + n[1] > (long)(4 * MIB / PAGE));
	CHECK(labs(n[0] + n[1] - n[2] - n[3]) <= 64);
	CHECK(labs(n[4] + n[5] - n[6] - n[7]) <= 64);
	CHECK(n[4] + n[5] <= n[0] + n[1]);
	CHECK_EQ(n[8], 0);
	ut_note("scanned %ld + %ld, freed %ld + %ld", n[0], n[1], n[4], n[5]);
}
