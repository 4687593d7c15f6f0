/* SPDX-License-Identifier: MIT */
/*
 * Swap as programs see it: areas come and go, and what was swapped out comes back right, through fork,
 * copy-on-write, mremap, mprotect, shared memory and swapoff. Needs ramdisks: ramdisk_size=16384 or so,
 * for some ramdisk.count=2; without, these tests are skipped.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>

#include "utest.h"

#define RW   (PROT_READ | PROT_WRITE)
#define RAM0 "/dev/ram0"
#define RAM1 "/dev/ram1"

/* --- areas ---- */

static void mkswap(const char *dev, unsigned pages, unsigned version, const char *magic)
{
	static unsigned char page[PAGE];
	unsigned *words = (unsigned *)(page + 1024);
	int fd = OK(open(dev, O_WRONLY));

	memset(page, 0, sizeof(page));
	words[0] = version;
	words[1] = pages - 1;
	memcpy(page + 4086, magic, 10);
	CHECK_EQ(write(fd, page, PAGE), PAGE);
	OK(fsync(fd));
	OK(close(fd));
}

static int kept_on; /* the runner has swap on the first one */

static void restore(void)
{
	swapoff(RAM0);
	swapoff(RAM1);
	if (kept_on) {
		mkswap(RAM0, kept_on, 1, "SWAPSPACE2");
		swapon(RAM0, 0);
	}
}

static unsigned dev_pages(const char *dev)
{
	int fd = open(dev, O_RDONLY);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

	if (fd >= 0)
		close(fd);
	return (unsigned)(size / (off_t)PAGE);
}

static void need_disk(const char *dev)
{
	char line[512];

	if (dev_pages(dev) < 1024)
		SKIP("no ramdisk of 4 MiB or more");
	OK(ut_slurp("/proc/cmdline", line, sizeof(line)));
	if (strstr(line, "SWAP=") && !strcmp(dev, RAM0)) {
		kept_on = (int)dev_pages(dev);
		swapoff(dev);
	}
}

/* All of RAM0 is swap. */
static void swap_on(void)
{
	need_disk(RAM0);
	mkswap(RAM0, dev_pages(RAM0), 1, "SWAPSPACE2");
	OK(swapon(RAM0, 0));
}

static long swap_free(void)
{
	return ut_number("/proc/meminfo", "SwapFree");
}

/* All slots but a few of other programs. One that is being written when its page goes comes free a moment
 * later; and Linux keeps up to 128 for each processor. */
static int came_free(long before)
{
	long least = before - (ut_octavo() ? 64 : 640);

	for (int i = 0; i < 200 && swap_free() < least; i++)
		ut_msleep(10);
	return swap_free() >= least;
}

#define DELAY "/sys/module/ramdisk/parameters/delay_us"

static void delay_us(const char *us)
{
	ut_spew(DELAY, us);
}

/* --- pages ---- */

static void fill(char *p, size_t pages, int seed)
{
	for (size_t i = 0; i < pages; i++)
		for (size_t w = 0; w < PAGE / sizeof(long); w += 64)
			((long *)(p + i * PAGE))[w] = (long)((i + 1) * 1000003 + w) * seed;
}

static unsigned wrong(const char *p, size_t pages, int seed)
{
	unsigned n = 0;

	for (size_t i = 0; i < pages; i++)
		for (size_t w = 0; w < PAGE / sizeof(long); w += 64)
			n += ((const long *)(p + i * PAGE))[w] !=
			     (long)((i + 1) * 1000003 + w) * seed;
	return n;
}

static unsigned swapped(const char *p, size_t pages)
{
	unsigned n = 0;

	for (size_t i = 0; i < pages; i++)
		n += (ut_pagemap(p + i * PAGE) & PM_SWAP) != 0;
	return n;
}

/* How many are in memory; those are touched if so wished. */
static unsigned resident(const char *p, size_t pages, int touch)
{
	unsigned n = 0;

	for (size_t i = 0; i < pages; i++) {
		unsigned char there;

		OK(mincore((void *)(p + i * PAGE), PAGE, &there));
		n += there & 1;
		if (there & 1 && touch)
			CHECK_NOFAULT(ut_read(p + i * PAGE));
	}
	return n;
}

/* Out of memory, too, and not only of the tables. While a slow disk writes it a page is in the swap cache,
 * and stays there: it has to be mapped for another call to find it, which then has nothing to write. But
 * one of tmpfs loses its slot when it is mapped, as do all while half of swap is taken: these go, if there
 * is no end to it, while the disk is fast. */
static void page_out(char *p, size_t pages)
{
	char old[16] = "";

	for (int i = 0; i < 8; i++) {
		OK(madvise(p, pages * PAGE, MADV_PAGEOUT));
		if (!resident(p, pages, 0))
			break;
		while (ut_number("/proc/meminfo", "Writeback") > 0)
			ut_msleep(1);
		resident(p, pages, 1);
		if (i == 1 && ut_slurp(DELAY, old, sizeof(old)) > 0)
			delay_us("0");
	}
	if (*old)
		delay_us(old);
	CHECK_EQ(resident(p, pages, 0), 0);
}

/* Private pages of their own that are out. */
static char *out_pages(size_t pages, int seed)
{
	char *p = ut_map_alone(pages * PAGE);

	fill(p, pages, seed);
	page_out(p, pages);
	CHECK_EQ(swapped(p, pages), pages);
	return p;
}

/* --- the tests ---- */

TEST(errors, "misuse of swapon and swapoff")
{
	int fd = ut_file("f", "file", 4);

	close(fd);
	CHECK_ERRNO(swapon("no", 0), ENOENT);
	CHECK_ERRNO(swapon((void *)8, 0), EFAULT);
	CHECK_ERRNO(swapon("f", 0), EINVAL);
	CHECK_ERRNO(swapon("/dev/null", 0), EINVAL);
	CHECK_ERRNO(swapon("/tmp", 0), EISDIR);
	CHECK_ERRNO(swapon("f", 0x80000), EINVAL);
	CHECK_ERRNO(swapoff("no"), ENOENT);
	CHECK_ERRNO(swapoff("f"), EINVAL);
	CHECK_ERRNO(swapoff((void *)8), EFAULT);
	pid_t pid = CHILD({
		OK(setuid(1000));
		CHECK_ERRNO(swapon("no", 0), EPERM);
		CHECK_ERRNO(swapon("no", 0x80000), EINVAL);
		CHECK_ERRNO(swapoff("no"), EPERM);
	});
	CHECK_EXIT(pid, 0);
}

TEST(header, "a device without a good header taken for swap")
{
	unsigned n;

	need_disk(RAM0);
	n = dev_pages(RAM0);
	mkswap(RAM0, n, 1, "SWAPSPACE3");
	CHECK_ERRNO(swapon(RAM0, 0), EINVAL);
	mkswap(RAM0, n, 2, "SWAPSPACE2");
	CHECK_ERRNO(swapon(RAM0, 0), EINVAL);
	mkswap(RAM0, n + 1, 1, "SWAPSPACE2");
	CHECK_ERRNO(swapon(RAM0, 0), EINVAL);
	mkswap(RAM0, 1, 1, "SWAPSPACE2");
	CHECK_ERRNO(swapon(RAM0, 0), EINVAL);
	CHECK_ERRNO(swapoff(RAM0), EINVAL);
	restore();
}

static unsigned area_size(const char *dev)
{
	char text[1024], *at;
	unsigned kb = 0;

	OK(ut_slurp("/proc/swaps", text, sizeof(text)));
	at = strstr(text, dev);
	if (at)
		sscanf(at, "%*s %*s %u", &kb);
	return kb;
}

TEST(bad_slots, "a slot that the header calls bad in use, or one that cannot be refused not")
{
	static const unsigned two[] = {2}, bad[] = {10, 999}, zero[] = {10, 0}, high[] = {10, 1000};
	static const unsigned many[] = {638}, all[] = {637};

	need_disk(RAM0);
	for (int i = 0; i < 5; i++) {
		const unsigned *slots = i == 0 ? bad : i == 1 ? zero : high;
		const unsigned *nr = i == 3 ? many : i == 4 ? all : two;
		char header[PAGE];
		int fd;

		mkswap(RAM0, 1000, 1, "SWAPSPACE2");
		fd = OK(open(RAM0, O_RDWR));
		CHECK_EQ(pread(fd, header, PAGE, 0), PAGE);
		memcpy(header + 1032, nr, 4);
		memcpy(header + 1536, slots, 8);
		CHECK_EQ(pwrite(fd, header, PAGE, 0), PAGE);
		OK(fsync(fd));
		OK(close(fd));
		if (i) {
			CHECK_ERRNO(swapon(RAM0, 0), EINVAL);
			continue;
		}
		OK(swapon(RAM0, 0));
		CHECK_EQ(area_size(RAM0), (999 - 2) * 4);
		OK(swapoff(RAM0));
	}
	restore();
}

TEST(byte_order, "an area of a machine with the other byte order or page size taken wrongly")
{
	unsigned swapped[3] = {1, 999, 1}, bad = __builtin_bswap32(10);
	char header[2 * PAGE] = "";
	int fd;

	need_disk(RAM0);
	for (int i = 0; i < 3; i++)
		swapped[i] = __builtin_bswap32(swapped[i]);
	memcpy(header + 1024, swapped, sizeof(swapped));
	memcpy(header + 1536, &bad, sizeof(bad));
	memcpy(header + 4086, "SWAPSPACE2", 10);
	fd = OK(open(RAM0, O_RDWR));
	CHECK_EQ(pwrite(fd, header, PAGE, 0), PAGE);
	OK(fsync(fd));
	OK(close(fd));
	OK(swapon(RAM0, 0));
	CHECK_EQ(area_size(RAM0), (999 - 1) * 4);
	OK(swapoff(RAM0));
	memcpy(header + 8182, "SWAPSPACE2", 10); /* pages of 8 KiB */
	memset(header + 4086, 0, 10);
	fd = OK(open(RAM0, O_RDWR));
	CHECK_EQ(pwrite(fd, header, 2 * PAGE, 0), 2 * PAGE);
	OK(fsync(fd));
	OK(close(fd));
	CHECK_ERRNO(swapon(RAM0, 0), EINVAL);
	mkswap(RAM0, 1000, 1, "SWAP-SPACE");
	CHECK_ERRNO(swapon(RAM0, 0), EINVAL);
	restore();
}

TEST(busybox, "mkswap, swapon and swapoff of the distribution that do not work, or a flag refused")
{
	need_disk(RAM0);
	CHECK_EQ(system("mkswap " RAM0 " >/dev/null && swapon " RAM0), 0);
	CHECK_EQ(area_size(RAM0), (dev_pages(RAM0) - 1) * 4);
	CHECK_EQ(system("swapoff " RAM0), 0);
	CHECK_EQ(area_size(RAM0), 0);
	OK(swapon(RAM0, SWAP_FLAG_PREFER | 32767));
	OK(swapoff(RAM0));
	OK(swapon(RAM0, 0x70000)); /* discard, all three: accepted where nothing can be discarded */
	OK(swapoff(RAM0));
	restore();
}

TEST(claimed, "an area written to through its device file, by a mapping that is older or not")
{
	struct ut_fault f;
	char *p, *q, c = 1;
	int fd, excl;

	need_disk(RAM0);
	mkswap(RAM0, 1000, 1, "SWAPSPACE2");
	fd = OK(open(RAM0, O_RDWR));
	p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 500 * PAGE));
	p[0] = 5;
	OK(msync(p, 4 * PAGE, MS_SYNC));
	p[PAGE] = 6; /* Octavo: swapon writes it */
	if (!ut_octavo())
		OK(fsync(fd));
	excl = OK(open(RAM0, O_RDONLY | O_EXCL));
	CHECK_ERRNO(swapon(RAM0, 0), EBUSY);
	OK(close(excl));
	OK(swapon(RAM0, 0));
	CHECK_ERRNO(open(RAM0, O_RDONLY | O_EXCL), EBUSY);
	CHECK_ERRNO(pwrite(fd, &c, 1, 500 * PAGE), ETXTBSY);
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), ETXTBSY);
	CHECK_EQ(p[0], 5);
	CHECK_FAULT(ut_write(p), SIGBUS, BUS_ADRERR, p);
	CHECK_EQ(p[PAGE], 6);
	CHECK_FAULT(ut_write(p + PAGE), SIGBUS, BUS_ADRERR, p + PAGE);
	CHECK_FAULT(ut_write(p + 2 * PAGE), SIGBUS, BUS_ADRERR, p + 2 * PAGE);
	excl = OK(open("/dev/zero", O_RDONLY));
	CHECK_ERRNO(read(excl, p, 1), EFAULT);
	OK(close(excl));
	q = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 500 * PAGE));
	CHECK_EQ(q[0], 5);
	f = ut_write(q);
	CHECK_EQ(f.sig, SIGSEGV);
	OK(mprotect(q, PAGE, RW));
	CHECK_FAULT(ut_write(q), SIGBUS, BUS_ADRERR, q);
	OK(munmap(q, PAGE));
	q = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 500 * PAGE));
	q[0] = 7;
	CHECK_EQ(p[0], 5);
	OK(swapoff(RAM0));
	p[0] = 8;
	CHECK_EQ(pread(fd, &c, 1, 500 * PAGE), 1);
	CHECK_EQ(c, 8);
	OK(munmap(q, PAGE));
	OK(munmap(p, 4 * PAGE));
	OK(close(fd));
	restore();
}

TEST(area, "an area missing in /proc, wrongly counted, or taken twice")
{
	char text[1024], line[200];
	struct sysinfo si;
	long total;

	need_disk(RAM0);
	total = ut_number("/proc/meminfo", "SwapTotal");
	mkswap(RAM0, 1000, 1, "SWAPSPACE2");
	OK(swapon(RAM0, SWAP_FLAG_PREFER | 5));
	CHECK_ERRNO(swapon(RAM0, 0), EBUSY);
	OK(ut_slurp("/proc/swaps", text, sizeof(text)));
	snprintf(line, sizeof(line), "%-39s partition\t3996\t\t0\t\t5\n", RAM0);
	CHECK(!strncmp(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n", 39));
	CHECK(strstr(text, line));
	CHECK_EQ(ut_number("/proc/meminfo", "SwapTotal") - total, 3996);
	OK(sysinfo(&si));
	CHECK_EQ(si.totalswap * si.mem_unit >> 10, (unsigned long)total + 3996);
	CHECK_EQ(si.freeswap * si.mem_unit >> 10, (unsigned long)swap_free());
	OK(swapoff(RAM0));
	CHECK_EQ(ut_number("/proc/meminfo", "SwapTotal"), total);
	OK(ut_slurp("/proc/swaps", text, sizeof(text)));
	CHECK(!strstr(text, RAM0));
	restore();
}

TEST(round_trip, "bytes lost in swap, or counted wrongly")
{
	long before, out, in, major;
	char *p;

	swap_on();
	before = swap_free();
	out = ut_number("/proc/vmstat", "pswpout");
	p = out_pages(100, 3);
	CHECK_EQ(ut_smaps(0, p, "Swap"), 400);
	CHECK_EQ(ut_smaps(0, p, "SwapPss"), 400);
	CHECK_EQ(ut_smaps(0, p, "Rss"), 0);
	CHECK(ut_status(0, "VmSwap") >= 400);
	CHECK(before - swap_free() >= 400);
	CHECK(ut_number("/proc/vmstat", "pswpout") - out >= 100);
	in = ut_number("/proc/vmstat", "pswpin");
	major = ut_majflt();
	CHECK_EQ(wrong(p, 100, 3), 0);
	major = ut_majflt() - major;
	CHECK(major >= 1 && major <= 100);
	CHECK(ut_number("/proc/vmstat", "pswpin") - in >= 100);
	CHECK_EQ(swapped(p, 100), 0);
	/* Read only: they still have their slots, and go without being written once more. */
	page_out(p, 100);
	CHECK_EQ(swapped(p, 100), 100);
	CHECK_EQ(wrong(p, 100, 3), 0);
	fill(p, 100, 5);
	page_out(p, 100);
	CHECK_EQ(wrong(p, 100, 5), 0);
	OK(munmap(p, 100 * PAGE));
	CHECK(came_free(before));
	restore();
}

TEST(poke, "what is written by a program or /proc/PID/mem lost, to a page of which swap has a copy")
{
	int fd, seed = 5;
	char *p;

	swap_on();
	fd = OK(open("/proc/self/mem", O_RDWR));
	p = ut_map_alone(16 * PAGE);
	fill(p, 16, 3);
	page_out(p, 16);
	CHECK_EQ(wrong(p, 16, 3), 0);
	/* Writable at once, and not dirty. */
	OK(mprotect(p, 16 * PAGE, PROT_READ));
	OK(mprotect(p, 16 * PAGE, RW));
	for (size_t i = 0; i < 16; i++)
		CHECK_EQ(pwrite(fd, &seed, sizeof(seed), (off_t)(p + i * PAGE)), sizeof(seed));
	page_out(p, 16);
	for (size_t i = 0; i < 16; i++)
		CHECK_EQ(*(int *)(p + i * PAGE), seed);
	/* And by the program itself: nobody but the pte knows of it. */
	OK(mprotect(p, 16 * PAGE, PROT_READ));
	OK(mprotect(p, 16 * PAGE, RW));
	for (size_t i = 0; i < 16; i++)
		*(volatile int *)(p + i * PAGE) = ++seed;
	page_out(p, 16);
	for (size_t i = 16; i-- > 0;)
		CHECK_EQ(*(int *)(p + i * PAGE), seed--);
	OK(munmap(p, 16 * PAGE));
	OK(close(fd));
	restore();
}

TEST(peak, "pages that reclaim took forgotten in VmHWM")
{
	char *p;

	swap_on();
	p = ut_map_alone(1000 * PAGE);
	fill(p, 1000, 3);
	page_out(p, 1000);
	CHECK(ut_number("/proc/self/status", "VmHWM") >= 4000);
	OK(munmap(p, 1000 * PAGE));
	restore();
}

static unsigned soft_dirty(const char *p, size_t pages)
{
	unsigned n = 0;

	for (size_t i = 0; i < pages; i++)
		n += ut_pagemap(p + i * PAGE) >> 55 & 1;
	return n;
}

TEST(soft_dirty, "a page that forgets in swap that it was written since clear_refs, or claims it")
{
	char *p;

	swap_on();
	p = ut_map_alone(32 * PAGE);
	fill(p, 32, 3);
	ut_spew("/proc/self/clear_refs", "4");
	if (ut_pagemap(p) >> 55 & 1) {
		restore();
		SKIP_LINUX("a kernel without CONFIG_MEM_SOFT_DIRTY");
	}
	fill(p, 16, 5);
	for (int round = 0; round < 2; round++) { /* out, and in again to be read */
		page_out(p, 32);
		CHECK_EQ(swapped(p, 32), 32);
		CHECK_EQ(soft_dirty(p, 16), 16);
		CHECK_EQ(soft_dirty(p + 16 * PAGE, 16), 0);
		CHECK_EQ(wrong(p, 16, 5), 0);
		CHECK_EQ(swapped(p, 16), 0);
		CHECK_EQ(soft_dirty(p, 16), 16);
	}
	OK(munmap(p, 32 * PAGE));
	restore();
}

TEST(locked, "a page that comes back from swap into locked memory, and does not count as locked")
{
	long locked, n = 0;
	char *p;

	swap_on();
	p = out_pages(64, 3);
	locked = ut_number("/proc/meminfo", "Mlocked");
	NEEDS(syscall(SYS_mlock2, p, 64 * PAGE, 1)); /* MLOCK_ONFAULT */
	CHECK_EQ(wrong(p, 64, 3), 0);
	for (int i = 0; i < 100 && n < 64 * 4; i++, ut_msleep(10))
		n = ut_number("/proc/meminfo", "Mlocked") - locked;
	CHECK(ut_octavo() ? n == 64 * 4 : n > 48 * 4); /* Linux: but for a batch */
	OK(munlock(p, 64 * PAGE));
	OK(munmap(p, 64 * PAGE));
	restore();
}

static volatile unsigned *lock_word;
static int told[2];

static void *hold_lock(void *arg)
{
	struct robust_list_head *list = (void *)ut_map_alone(PAGE);

	(void)arg;
	list->list.next = &list->list;
	list->list_op_pending = (void *)lock_word;
	*lock_word = (unsigned)syscall(SYS_gettid);
	OK(syscall(SYS_set_robust_list, list, sizeof(*list)));
	page_out((char *)list, 1);
	OK(write(told[1], "x", 1));
	pause();
	return NULL;
}

TEST(robust, "a lock of a killed thread that nobody hears of, as its list of locks was in swap")
{
	pid_t pid;
	char c;

	swap_on();
	lock_word = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	OK(pipe(told));
	pid = CHILD({
		pthread_t t;
		CHECK_EQ(pthread_create(&t, NULL, hold_lock, NULL), 0);
		for (;;)
			pause();
	});
	CHECK_EQ(read(told[0], &c, 1), 1);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	CHECK_EQ(*lock_word, FUTEX_OWNER_DIED);
	restore();
}

TEST(fork, "a swapped page shared by fork that is not copied, or copied wrongly")
{
	long before;
	char *p;

	swap_on();
	before = swap_free();
	p = out_pages(64, 7);
	pid_t pid = CHILD({
		CHECK_EQ(swapped(p, 64), 64);
		CHECK_EQ(wrong(p, 32, 7), 0);
		fill(p, 64, 9);
		CHECK_EQ(wrong(p, 64, 9), 0);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(wrong(p, 64, 7), 0);
	page_out(p, 64);
	pid = CHILD({
		CHECK_EQ(ut_smaps(0, p, "SwapPss"), 128);
		OK(madvise(p, 64 * PAGE, MADV_DONTNEED));
		CHECK_EQ(p[0], 0);
	});
	CHECK_EXIT(pid, 0);
	fill(p, 16, 11); /* the only one again: without a copy */
	CHECK_EQ(wrong(p, 16, 11), 0);
	CHECK_EQ(wrong(p + 16 * PAGE, 1, 7) != 0, 1); /* the 17th has another number */
	OK(munmap(p, 64 * PAGE));
	CHECK(came_free(before));
	restore();
}

TEST(others, "MADV_PAGEOUT that takes a page from another process, or a wrong call accepted")
{
	int go[2];
	char *p, c;

	swap_on();
	p = ut_map_alone(32 * PAGE);
	fill(p, 32, 61);
	OK(pipe(go));
	pid_t pid = CHILD({ CHECK_EQ(read(go[0], &c, 1), 1); });
	OK(madvise(p, 32 * PAGE, MADV_PAGEOUT));
	CHECK_EQ(swapped(p, 32), 0);
	OK(madvise(p, 32 * PAGE, MADV_COLD));
	CHECK_EQ(write(go[1], "x", 1), 1);
	CHECK_EXIT(pid, 0);
	OK(mlock(p + 8 * PAGE, PAGE));
	CHECK_ERRNO(madvise(p, 32 * PAGE, MADV_PAGEOUT), EINVAL);
	CHECK_EQ(swapped(p, 8), 8); /* those before the locked one */
	CHECK_EQ(swapped(p + 8 * PAGE, 24), 0);
	CHECK_ERRNO(madvise(p + 8 * PAGE, PAGE, MADV_COLD), EINVAL);
	OK(munlock(p, 32 * PAGE));
	OK(munmap(p + 30 * PAGE, PAGE));
	CHECK_ERRNO(madvise(p + 29 * PAGE, 3 * PAGE, MADV_PAGEOUT), ENOMEM);
	CHECK_EQ(swapped(p + 29 * PAGE, 1), 1);
	CHECK_EQ(swapped(p + 31 * PAGE, 1), 1); /* behind the hole */
	CHECK_EQ(wrong(p, 30, 61), 0);
	OK(munmap(p, 32 * PAGE));
	restore();
}

TEST(remap, "swapped pages lost by mremap or mprotect")
{
	char *p, *q;

	swap_on();
	p = out_pages(64, 13);
	q = ut_map_alone(64 * PAGE);
	q = OK(mremap(p, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q));
	CHECK_EQ(swapped(q, 64), 64);
	CHECK_EQ(wrong(q, 32, 13), 0);
	OK(mprotect(q, 64 * PAGE, PROT_NONE));
	CHECK_FAULT(ut_read(q + 40 * PAGE), SIGSEGV, SEGV_ACCERR, q + 40 * PAGE);
	OK(mprotect(q, 64 * PAGE, PROT_READ));
	CHECK_EQ(wrong(q, 48, 13), 0);
	CHECK_FAULT(ut_write(q + 50 * PAGE), SIGSEGV, SEGV_ACCERR, q + 50 * PAGE);
	OK(mprotect(q, 64 * PAGE, RW));
	CHECK_EQ(wrong(q, 64, 13), 0);
	fill(q, 64, 15);
	CHECK_EQ(wrong(q, 64, 15), 0);
	OK(munmap(q, 64 * PAGE));
	restore();
}

TEST(mincore,
     "a page in swap that mincore calls resident, or one on its way there that it does not")
{
	unsigned char vec[8] = {9, 9, 9, 9, 9, 9, 9, 9};
	char old[16], *p, *s;

	swap_on();
	p = out_pages(8, 17);
	OK(swapoff(RAM0)); /* everything is back */
	CHECK_EQ(swapped(p, 8), 0);
	CHECK_EQ(wrong(p, 8, 17), 0);
	OK(swapon(RAM0, 0));
	page_out(p, 4);
	OK(mincore(p, 8 * PAGE, vec));
	for (int i = 0; i < 8; i++)
		CHECK_EQ(vec[i], i >= 4);
	if (ut_slurp(DELAY, old, sizeof(old)) >= 0) {
		s = OK(mmap(NULL, 8 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		fill(s, 8, 18);
		fill(p, 8, 17);
		delay_us("100000");
		OK(madvise(s, 8 * PAGE, MADV_PAGEOUT));
		OK(madvise(p, 8 * PAGE, MADV_PAGEOUT));
		CHECK_EQ(ut_smaps(0, s, "Rss"), 0);
		CHECK_EQ(resident(s, 8, 0), 8);
		CHECK_EQ(resident(p, 8, 0), 8);
		delay_us(old);
		page_out(s, 8);
		CHECK_EQ(wrong(s, 8, 18), 0);
		OK(munmap(s, 8 * PAGE));
	}
	restore();
}

TEST(shared, "shared memory that loses its bytes in swap, or shows two versions")
{
	long before;
	char *p;

	swap_on();
	before = swap_free();
	p = OK(mmap(NULL, 64 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	fill(p, 64, 19);
	page_out(p, 64);
	CHECK_EQ(ut_smaps(0, p, "Rss"), 0);
	CHECK_EQ(ut_smaps(0, p, "Swap"), 256);
	pid_t pid = CHILD({
		CHECK_EQ(wrong(p, 64, 19), 0);
		fill(p, 32, 21);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(wrong(p, 32, 21), 0);
	page_out(p, 64);
	OK(swapoff(RAM0));
	CHECK_EQ(wrong(p, 32, 21), 0);
	OK(swapon(RAM0, 0));
	page_out(p, 64);
	OK(munmap(p, 64 * PAGE));
	CHECK(came_free(before));
	restore();
}

TEST(tmpfs, "a file in tmpfs whose swapped pages are holes, or outlive it")
{
	int fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	static char buf[16 * PAGE];
	struct stat st;
	long before;
	char *p;

	swap_on();
	before = swap_free();
	fill(buf, 16, 23);
	CHECK_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	p = OK(mmap(NULL, 16 * PAGE, RW, MAP_SHARED, fd, 0));
	CHECK_EQ(wrong(p, 16, 23), 0);
	page_out(p, 16);
	CHECK(before - swap_free() >= 64);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 128);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 16 * PAGE);
	CHECK_EQ(lseek(fd, 5 * PAGE, SEEK_DATA), 5 * PAGE);
	memset(buf, 0, sizeof(buf));
	CHECK_EQ(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	CHECK_EQ(wrong(buf, 16, 23), 0);
	page_out(p, 16);
	CHECK_EQ(pwrite(fd, "xyz", 3, 2 * PAGE), 3); /* a part of a swapped page */
	CHECK(!memcmp(p + 2 * PAGE, "xyz", 3));
	CHECK_EQ(*(long *)(p + 2 * PAGE + 512), (3 * 1000003 + 64) * 23);
	page_out(p, 16);
	OK(ftruncate(fd, 8 * PAGE + 100));
	OK(ftruncate(fd, 16 * PAGE));
	CHECK_EQ(*(long *)(p + 8 * PAGE + 512), 0); /* beyond the end, in a swapped page */
	CHECK_EQ(*(long *)(p + 8 * PAGE), 9 * 1000003 * 23);
	CHECK_EQ(p[9 * PAGE], 0);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 10 * 8);
	page_out(p, 16);
	OK(munmap(p, 16 * PAGE));
	OK(close(fd));
	OK(unlink("file"));
	CHECK(came_free(before));
	restore();
}

TEST(off, "swapoff that leaves a page of some process behind")
{
	int go[2], done[2];
	char *p, c = 0;
	pid_t pid;

	swap_on();
	p = out_pages(200, 25);
	OK(pipe(go));
	OK(pipe(done));
	pid = CHILD({
		char *mine = out_pages(100, 27);

		OK(mprotect(mine, 100 * PAGE, PROT_NONE));
		CHECK_EQ(write(done[1], "x", 1), 1);
		CHECK_EQ(read(go[0], &c, 1), 1);
		CHECK_EQ(swapped(mine, 100), 0);
		OK(mprotect(mine, 100 * PAGE, RW));
		CHECK_EQ(wrong(mine, 100, 27), 0);
		CHECK_EQ(wrong(p, 200, 25), 0);
	});
	CHECK_EQ(read(done[0], &c, 1), 1);
	OK(swapoff(RAM0));
	CHECK_EQ(write(go[1], "x", 1), 1);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(swapped(p, 200), 0);
	CHECK_EQ(wrong(p, 200, 25), 0);
	restore();
}

TEST(once, "a swapped page that two share read twice, or more than vm.page-cluster says")
{
	char old[16], cluster[] = "0";
	long in;
	char *p;

	swap_on();
	OK(ut_slurp("/proc/sys/vm/page-cluster", old, sizeof(old)));
	for (; *cluster <= '3'; cluster[0] = (char)(cluster[0] + 3)) {
		unsigned there;

		ut_spew("/proc/sys/vm/page-cluster", cluster);
		p = out_pages(64, 37); /* reading ahead is worth it */
		CHECK_EQ(wrong(p, 64, 37), 0);
		OK(munmap(p, 64 * PAGE));
		p = out_pages(32, 39);
		in = ut_number("/proc/vmstat", "pswpin");
		CHECK(ut_read(p + 16 * PAGE).sig == 0);
		in = ut_number("/proc/vmstat", "pswpin") - in;
		there = resident(p, 32, 0);
		/* Linux reads nothing ahead from a disk that takes no time. Some may be other programs'. */
		if (ut_octavo())
			CHECK(*cluster == '0' ? there == 1 : there > 1 && there <= 8);
		CHECK(in >= 1 && in <= (*cluster == '0' ? 1 : 8) + 8);
		OK(munmap(p, 32 * PAGE));
	}
	p = out_pages(64, 41);
	in = ut_number("/proc/vmstat", "pswpin");
	for (int i = 0; i < 3; i++) {
		pid_t pid = CHILD({ CHECK_EQ(wrong(p, 64, 41), 0); });

		CHECK_EXIT(pid, 0);
	}
	CHECK_EQ(wrong(p, 64, 41), 0);
	in = ut_number("/proc/vmstat", "pswpin") - in;
	CHECK(in >= 64 && in <= 64 + 32); /* 256, if each child read for himself */
	ut_spew("/proc/sys/vm/page-cluster", old);
	OK(munmap(p, 64 * PAGE));
	restore();
}

TEST(jumping, "pages read ahead for who jumps about, or none for who goes on straight")
{
	long in, major;
	char *p;

	if (!ut_octavo())
		SKIP("a ramdisk is not read ahead there");
	swap_on();
	p = out_pages(512, 53);
	in = ut_number("/proc/vmstat", "pswpin");
	for (size_t i = 0; i < 64; i++)
		CHECK(ut_read(p + i * 67 % 512 * PAGE).sig == 0);
	CHECK(ut_number("/proc/vmstat", "pswpin") - in <= 64 + 24);
	OK(munmap(p, 512 * PAGE));
	p = out_pages(512, 55);
	major = ut_majflt();
	CHECK_EQ(wrong(p, 512, 55), 0);
	CHECK(ut_majflt() - major <= 512 / 8 + 16);
	OK(munmap(p, 512 * PAGE));
	restore();
}

static long used(const char *dev)
{
	char text[1024], *at;

	OK(ut_slurp("/proc/swaps", text, sizeof(text)));
	at = strstr(text, dev);
	return at ? (strtok(at, " \t\n"), strtok(NULL, " \t\n"), strtok(NULL, " \t\n"),
		     atol(strtok(NULL, " \t\n"))) :
		    -1;
}

/* All of RAM but the last few MiB, locked. Slabs do not shrink as far as they say. */
static void lock_memory(void)
{
	while (ut_number("/proc/meminfo", "MemAvailable") >
	       ut_number("/proc/meminfo", "SReclaimable") + 4 * 1024)
		OK(mlock(ut_map_alone(128 * PAGE), 128 * PAGE));
}

TEST(no_room, "swapoff without room that ends another process, or an area off that is in use")
{
	pid_t hog, off;
	int done[2];
	char *p, c;

	swap_on();
	p = out_pages(1900, 29);
	OK(pipe(done));
	hog = CHILD({
		lock_memory();
		CHECK_EQ(write(done[1], "x", 1), 1);
		for (;;)
			pause();
	});
	OK(close(done[1]));
	REQUIRE(read(done[0], &c, 1) == 1); /* or it was ended */
	off = CHILD({
		ut_spew("/proc/self/oom_score_adj", "-1000"); /* does not help it */
		swapoff(RAM0);
	});
	CHECK_SIGNALED(off, SIGKILL);
	CHECK_EQ(waitpid(hog, NULL, WNOHANG), 0);
	CHECK(used(RAM0) > 0);
	OK(kill(hog, SIGKILL));
	CHECK_SIGNALED(hog, SIGKILL);
	CHECK_EQ(wrong(p, 1900, 29), 0);
	OK(munmap(p, 1900 * PAGE));
	restore();
}

TEST(promised, "swapoff that breaks a promise of memory instead of saying ENOMEM")
{
	char mode[16], ratio[16];
	char *p;

	swap_on();
	p = out_pages(100, 43);
	OK(ut_slurp("/proc/sys/vm/overcommit_memory", mode, sizeof(mode)));
	OK(ut_slurp("/proc/sys/vm/overcommit_ratio", ratio, sizeof(ratio)));
	ut_spew("/proc/sys/vm/overcommit_ratio", "0");
	ut_spew("/proc/sys/vm/overcommit_memory", "2");
	CHECK_ERRNO(swapoff(RAM0), ENOMEM);
	ut_spew("/proc/sys/vm/overcommit_memory", mode);
	ut_spew("/proc/sys/vm/overcommit_ratio", ratio);
	CHECK(used(RAM0) >= 400);
	CHECK_EQ(swapped(p, 100), 100);
	CHECK_EQ(wrong(p, 100, 43), 0);
	OK(munmap(p, 100 * PAGE));
	restore();
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(interrupted, "swapoff that a signal does not end, or that leaves half an area then")
{
	struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	struct itimerval soon = {.it_value.tv_usec = 60000};
	char old[16], *p, *s;

	if (ut_slurp(DELAY, old, sizeof(old)) < 0)
		SKIP_LINUX("the ramdisk cannot be slow");
	swap_on();
	p = out_pages(200, 45);
	s = OK(mmap(NULL, 200 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	fill(s, 200, 47);
	page_out(s, 200);
	OK(sigaction(SIGALRM, &sa, NULL));
	delay_us("2000");
	for (int i = 0; i < 3; i++) {
		OK(setitimer(ITIMER_REAL, &soon, NULL));
		CHECK_ERRNO(swapoff(RAM0), EINTR);
		CHECK(used(RAM0) > 0);
		CHECK(swapped(p, 200) > 20);
	}
	/* The file's turn comes after that of all spaces. */
	delay_us(old);
	CHECK_EQ(wrong(p, 200, 45), 0);
	delay_us("2000");
	fill(p, 200, 46); /* gives all its slots back */
	for (int i = 0; i < 2; i++) {
		OK(setitimer(ITIMER_REAL, &soon, NULL));
		CHECK_ERRNO(swapoff(RAM0), EINTR);
		CHECK(used(RAM0) > 0);
	}
	delay_us(old);
	out_pages(100, 44); /* it is still on */
	OK(swapoff(RAM0));
	CHECK_EQ(wrong(p, 200, 46), 0);
	CHECK_EQ(wrong(s, 200, 47), 0);
	OK(munmap(p, 200 * PAGE));
	OK(munmap(s, 200 * PAGE));
	restore();
}

TEST(far, "a page not found by its 32 bits of offset: the vma lies across a border of 2^32 pages")
{
	char *p = (char *)(1UL << 44) - 4 * PAGE;
	int status;
	pid_t pid;

	swap_on();
	OK(mmap(p, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	fill(p, 8, 54);
	pid = OK(fork());
	if (pid == 0) { /* a second vma to look at, without the pages */
		madvise(p, 8 * PAGE, MADV_DONTNEED);
		raise(SIGSTOP);
		_exit(0);
	}
	OK(waitpid(pid, &status, WUNTRACED));
	page_out(p, 8);
	CHECK_EQ(swapped(p, 8), 8);
	CHECK_EQ(wrong(p, 8, 54), 0);
	OK(kill(pid, SIGKILL));
	OK(waitpid(pid, &status, 0));
	OK(munmap(p, 8 * PAGE));
	restore();
}

static long iowait(void)
{
	char text[4096];
	long ticks;

	OK(ut_slurp("/proc/stat", text, sizeof(text)));
	CHECK_EQ(sscanf(text, "cpu %*s %*s %*s %*s %ld", &ticks), 1);
	return ticks;
}

TEST(iowait,
     "a processor that waits for the disk, and says that it has nothing to do; or the other way round")
{
	long before, after;
	char old[16], *p;

	if (ut_slurp(DELAY, old, sizeof(old)) < 0)
		SKIP_LINUX("the ramdisk cannot be slow");
	swap_on();
	p = out_pages(16, 53);
	before = iowait();
	delay_us("10000");
	CHECK_EQ(wrong(p, 16, 53), 0);
	delay_us(old);
	after = iowait();
	CHECK(after - before >= 12); /* of 16, in ticks of 10 ms */
	ut_msleep(200);
	CHECK(iowait() - after <= 1);
	OK(munmap(p, 16 * PAGE));
	restore();
}

TEST(killed, "a process that locks what is on a slow disk, and goes on with it after SIGKILL")
{
	struct timespec from, to;
	char old[16], *p;
	pid_t pid;

	if (ut_slurp("/sys/module/ramdisk/parameters/delay_us", old, sizeof(old)) < 0)
		SKIP_LINUX("the ramdisk cannot be slow");
	swap_on();
	p = out_pages(400, 51);
	pid = CHILD({ mlock(p, 400 * PAGE); });
	delay_us("10000");
	usleep(100000);
	OK(clock_gettime(CLOCK_MONOTONIC, &from));
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	OK(clock_gettime(CLOCK_MONOTONIC, &to));
	CHECK(to.tv_sec - from.tv_sec <= 1); /* all of it is four */
	delay_us(old);
	CHECK_EQ(wrong(p, 400, 51), 0);
	OK(munmap(p, 400 * PAGE));
	restore();
}

TEST(kept_space, "a process that swapoff was at when it failed, and whose memory stays for ever")
{
	long had = ut_number("/proc/slabinfo", "mm_struct"), now = 0;

	if (access("/sys/module/ramdisk/parameters/error_rate", W_OK))
		SKIP_LINUX("the ramdisk cannot be made to fail");
	swap_on();
	pid_t pid = CHILD({
		char *p = out_pages(16, 49);

		ut_spew("/sys/module/ramdisk/parameters/error_rate", "1000");
		CHECK_ERRNO(swapoff(RAM0), EIO);
		ut_spew("/sys/module/ramdisk/parameters/error_rate", "0");
		CHECK_EQ(wrong(p, 16, 49), 0);
	});
	CHECK_EXIT(pid, 0);
	for (int i = 0; i < 100; i++, ut_msleep(10)) {
		now = ut_number("/proc/slabinfo", "mm_struct");
		if (now <= had)
			break;
	}
	CHECK(now <= had);
	restore();
}

TEST(priority, "the area with the lower priority taken first, or equal ones not in turn")
{
	char *p;

	need_disk(RAM0);
	need_disk(RAM1);
	mkswap(RAM0, 1000, 1, "SWAPSPACE2");
	mkswap(RAM1, 1000, 1, "SWAPSPACE2");
	OK(swapon(RAM0, SWAP_FLAG_PREFER | 1));
	OK(swapon(RAM1, SWAP_FLAG_PREFER | 2));
	p = out_pages(300, 29);
	CHECK(used(RAM1) >= 1200);
	CHECK_EQ(used(RAM0), 0);
	OK(swapoff(RAM1)); /* into memory, or to the other */
	CHECK_EQ(wrong(p, 300, 29), 0);
	OK(munmap(p, 300 * PAGE));
	OK(swapoff(RAM0));
	OK(swapon(RAM0, SWAP_FLAG_PREFER | 3));
	OK(swapon(RAM1, SWAP_FLAG_PREFER | 3));
	p = out_pages(600, 31);
	CHECK(used(RAM0) >= 400);
	CHECK(used(RAM1) >= 400);
	CHECK_EQ(wrong(p, 600, 31), 0);
	restore();
}

TEST(full, "a full swap area that loses a page")
{
	char *p = ut_map_alone(900 * PAGE);

	need_disk(RAM0);
	mkswap(RAM0, 600, 1, "SWAPSPACE2");
	OK(swapon(RAM0, 0));
	fill(p, 900, 33);
	OK(madvise(p, 900 * PAGE, MADV_PAGEOUT));
	CHECK(swapped(p, 900) < 600);
	CHECK(swapped(p, 900) > 400);
	CHECK_EQ(wrong(p, 900, 33), 0);
	OK(munmap(p, 900 * PAGE));
	restore();
}

static char *racing;
static pthread_barrier_t barrier;

static void *read_all(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	return (void *)(long)wrong(racing, 64, 35);
}

TEST(swappiness, "a process ended for vm.swappiness 0 although there is swap")
{
	pid_t pid;

	swap_on();
	ut_spew("/proc/sys/vm/swappiness", "0");
	pid = CHILD({
		size_t pages =
			(size_t)ut_number("/proc/meminfo", "MemAvailable") * 1024 / PAGE + 1500;
		char *p = ut_map_alone(pages * PAGE);

		fill(p, pages, 31);
		CHECK_EQ(wrong(p, pages, 31), 0);
	});
	CHECK_EXIT(pid, 0);
	ut_spew("/proc/sys/vm/swappiness", "60");
	restore();
}

TEST(stale, "slots kept for pages that are back in memory, while others find none")
{
	size_t half = dev_pages(RAM0) * 5 / 8, rest;
	char *p, *q;

	swap_on();
	if (!ut_octavo())
		SKIP("Linux keeps slots of its own for each processor");
	p = ut_map_alone(half * PAGE);
	fill(p, half, 63);
	OK(madvise(p, half * PAGE, MADV_PAGEOUT));
	CHECK_EQ(swapped(p, half), half);
	/* The first few give theirs back, until there is half of it. */
	CHECK_EQ(wrong(p, half, 63), 0);
	rest = (size_t)(ut_number("/proc/meminfo", "MemAvailable") + dev_pages(RAM0) * 4) * 1024 /
	       PAGE;
	pid_t pid = CHILD({
		size_t n = rest - 768;

		q = ut_map_alone(n * PAGE);
		for (size_t i = 0; i < n; i += 64) {
			size_t some = n - i < 64 ? n - i : 64;

			fill(q + i * PAGE, some, (int)i + 1);
			CHECK(ut_read(p + i * 7 % half * PAGE).sig == 0); /* in use */
		}
		for (size_t i = 0; i < n; i += 64)
			CHECK_EQ(wrong(q + i * PAGE, n - i < 64 ? n - i : 64, (int)i + 1), 0);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(wrong(p, half, 63), 0);
	restore();
}

TEST(threads, "a page read twice, or half read, when threads want it at once")
{
	pthread_t t[4];
	long in;

	swap_on();
	OK(pthread_barrier_init(&barrier, NULL, 4));
	for (int round = 0; round < 5; round++) {
		racing = out_pages(64, 35);
		in = ut_number("/proc/vmstat", "pswpin");
		for (int i = 0; i < 4; i++)
			OK(pthread_create(&t[i], NULL, read_all, NULL));
		for (int i = 0; i < 4; i++) {
			void *bad;

			OK(pthread_join(t[i], &bad));
			CHECK_EQ((long)bad, 0);
		}
		in = ut_number("/proc/vmstat", "pswpin") - in;
		CHECK(in <= 64 + 16); /* and what the C library had there */
		OK(munmap(racing, 64 * PAGE));
	}
	restore();
}

TEST(exec, "slots that an exec'ed or killed process keeps")
{
	long before;

	swap_on();
	before = swap_free();
	pid_t pid = CHILD({
		out_pages(64, 37);
		execl("/bin/busybox", "true", NULL);
		_exit(3);
	});
	CHECK_EXIT(pid, 0);
	pid = CHILD({
		out_pages(64, 37);
		kill(getpid(), SIGKILL);
	});
	CHECK_SIGNALED(pid, SIGKILL);
	CHECK(came_free(before));
	restore();
}

/* --- a bad disk ---- */

static void error_rate(const char *rate)
{
	ut_spew("/sys/module/ramdisk/parameters/error_rate", rate);
}

TEST(faulty, "a page lost because the disk failed for a while, or an error that nobody is told")
{
	int fd, null = OK(open("file", O_RDWR | O_CREAT, 0600));
	char *p, *q, *s, c;

	if (access("/sys/module/ramdisk/parameters/error_rate", W_OK))
		SKIP("the ramdisk cannot be made to fail");
	swap_on();
	p = out_pages(16, 51);
	s = OK(mmap(NULL, 16 * PAGE, RW, MAP_SHARED, null, 0));
	OK(ftruncate(null, 16 * PAGE));
	fill(s, 16, 53);
	page_out(s, 16);
	fd = OK(open("other", O_RDWR | O_CREAT, 0600));
	q = ut_map_alone(16 * PAGE);
	fill(q, 16, 55);
	error_rate("1000");
	CHECK_FAULT(ut_read(p + 8 * PAGE), SIGBUS, BUS_ADRERR, p + 8 * PAGE);
	CHECK_FAULT(ut_write(p), SIGBUS, BUS_ADRERR, p);
	CHECK_ERRNO(write(fd, p, 10), EFAULT);
	CHECK_FAULT(ut_read(s), SIGBUS, BUS_ADRERR, s);
	CHECK_ERRNO(pread(null, &c, 1, 0), EIO);
	CHECK_ERRNO(swapoff(RAM0), EIO);
	OK(madvise(q, 16 * PAGE, MADV_PAGEOUT)); /* not written: all of it stays */
	CHECK_EQ(wrong(q, 16, 55), 0);
	error_rate("0");
	CHECK_EQ(wrong(p, 16, 51), 0);
	CHECK_EQ(wrong(q, 16, 55), 0);
	CHECK_EQ(wrong(s, 16, 53), 0);
	page_out(q, 16);
	CHECK_EQ(swapped(q, 16), 16);
	OK(swapoff(RAM0));
	CHECK_EQ(wrong(p, 16, 51), 0);
	CHECK_EQ(wrong(q, 16, 55), 0);
	restore();
}

/* Has the log had it since? */
static int logged(int log, const char *what)
{
	char *record;

	while ((record = ut_kmsg_next(log)) != NULL)
		if (strstr(record, what))
			return 1;
	return 0;
}

TEST(truncated, "what a file had before it was cut off comes back, if swap fails for a while then")
{
	int fd = OK(open("file", O_RDWR | O_CREAT, 0600)), log;
	static char buf[8 * PAGE];
	struct stat st;
	char *p, c;

	if (access("/sys/module/ramdisk/parameters/error_rate", W_OK))
		SKIP_LINUX("the ramdisk cannot be made to fail");
	swap_on();
	log = ut_kmsg();
	fill(buf, 8, 57);
	CHECK_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	OK(ftruncate(fd, 7 * PAGE + 100));
	p = OK(mmap(NULL, 8 * PAGE, RW, MAP_SHARED, fd, 0));
	CHECK_EQ(wrong(p, 7, 57), 0);
	p[7 * PAGE + 200] = 77; /* beyond the end, and in swap, too */
	page_out(p, 8);
	error_rate("1000");
	CHECK_ERRNO(ftruncate(fd, 3 * PAGE + 8), EIO);
	CHECK_ERRNO(ftruncate(fd, 8 * PAGE), EIO);
	CHECK_ERRNO(pwrite(fd, "x", 1, 9 * PAGE), EIO);
	CHECK_ERRNO(fallocate(fd, 0, 0, 8 * PAGE), EIO);
	CHECK_ERRNO(fallocate(fd, 3, PAGE + 8, 16), EIO); /* PUNCH_HOLE | KEEP_SIZE */
	CHECK_ERRNO(fallocate(fd, 3, PAGE + 8, 2 * PAGE), EIO);
	error_rate("0");
	CHECK(logged(log, "Read-error on swap-device (ram0:"));
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 7 * PAGE + 100);
	CHECK_EQ(wrong(p, 7, 57), 0);
	page_out(p, 8);
	OK(ftruncate(fd, 8 * PAGE));
	CHECK_EQ(pread(fd, &c, 1, 7 * PAGE + 200), 1);
	CHECK_EQ(c, 0);
	page_out(p, 8);
	OK(ftruncate(fd, 3 * PAGE + 8));
	CHECK_EQ(*(long *)(p + 3 * PAGE), 4 * 1000003L * 57);
	CHECK_EQ(*(long *)(p + 3 * PAGE + 512), 0);
	CHECK_EQ(wrong(p, 3, 57), 0);
	OK(munmap(p, 8 * PAGE));
	OK(close(fd));
	OK(close(log));
	restore();
}

/* --- no memory ---- */

static char *area; /* private, 32 pages of seed 41 */
static int file;   /* tmpfs, 32 pages of seed 43 */
static char *file_map;
static char buffer[32 * PAGE];

static long do_populate(void)
{
	return madvise(area, 32 * PAGE, MADV_POPULATE_READ);
}

static long do_write_populate(void)
{
	return madvise(area, 32 * PAGE, MADV_POPULATE_WRITE);
}

static long do_fork(void)
{
	long pid = syscall(SYS_fork);

	if (pid == 0)
		syscall(SYS_exit_group, 0);
	return pid;
}

static long do_pread(void)
{
	ssize_t n = pread(file, buffer, sizeof(buffer), 0);

	if (n >= 0 && n < (ssize_t)sizeof(buffer)) {
		errno = ENOMEM; /* some of it had been read */
		n = -1;
	}
	return n < 0 ? -1 : 0;
}

static long do_pageout(void)
{
	return madvise(area, 32 * PAGE, MADV_PAGEOUT) | madvise(file_map, 32 * PAGE, MADV_PAGEOUT);
}

static long do_cold(void)
{
	return madvise(area, 32 * PAGE, MADV_COLD) | madvise(file_map, 32 * PAGE, MADV_COLD);
}

static long do_compact(void)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, "1", 1);
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	return n < 0 ? -1 : 0;
}

static long do_swapoff(void)
{
	return swapoff(RAM0);
}

static long do_swapon(void)
{
	return swapon(RAM0, 0);
}

static const struct call {
	const char *name;
	long (*call)(void);
	int in; /* the pages are in memory, and mapped */
} calls[] = {
	{"read in", do_populate, 0}, {"write", do_write_populate, 0}, {"fork", do_fork, 0},
	{"file", do_pread, 0},       {"pageout", do_pageout, 1},      {"cold", do_cold, 1},
	{"compact", do_compact, 1},  {"swapoff", do_swapoff, 0},      {"swapon", do_swapon, 1},
};

/* The call with the nth allocation failing, and with all from then on: until none fails. */
static void fail_all(int fd, const char *how, const struct call *c)
{
	int n = 1, failed = 0;

	for (int hit = 1; hit && n < 200; n++) {
		char text[32], left[32] = "";
		int err, len;
		long r;

		swapon(RAM0, 0);
		if (c->call == do_swapon)
			OK(swapoff(RAM0));
		CHECK_EQ(wrong(area, 32, 41) + wrong(file_map, 32, 43), 0); /* maps them all */
		if (!c->in) {
			page_out(area, 32);
			page_out(file_map, 32);
		}
		len = snprintf(text, sizeof(text), how, n);
		OK(write(fd, text, (size_t)len));
		r = c->call();
		err = errno;
		OK(pread(fd, left, sizeof(left) - 1, 0));
		OK(write(fd, "0", 1));
		hit = atol(left) == 0;
		failed += r < 0;
		if (r < 0 && err != ENOMEM && err != EFAULT && err != EAGAIN)
			FAIL("%s, allocation %d: errno %d", c->name, n, err);
		if (r > 0)
			CHECK_EXIT((pid_t)r, 0);
		if (r < 0 && c->call == do_swapoff)
			CHECK(used(RAM0) >= 0);
	}
	ut_note("%s: %d allocations, %d calls failed", c->name, n - 2, failed);
	CHECK(n < 200);
}

TEST(failnth, "bytes or slots lost when there is no memory for a step")
{
	int fd = open("/proc/self/fail-nth", O_RDWR);
	long before;

	if (fd < 0)
		SKIP("no fail-nth");
	swap_on();
	before = swap_free();
	area = ut_map_alone(32 * PAGE);
	file = OK(open("file", O_RDWR | O_CREAT, 0600));
	OK(ftruncate(file, 32 * PAGE));
	file_map = OK(mmap(NULL, 32 * PAGE, RW, MAP_SHARED, file, 0));
	fill(area, 32, 41);
	fill(file_map, 32, 43);
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		fail_all(fd, "%d", &calls[i]);
		fail_all(fd, "%d+", &calls[i]);
		CHECK_EQ(wrong(area, 32, 41), 0);
		CHECK_EQ(wrong(file_map, 32, 43), 0);
	}
	swapon(RAM0, 0);
	OK(munmap(area, 32 * PAGE));
	OK(munmap(file_map, 32 * PAGE));
	OK(close(file));
	OK(unlink("file"));
	CHECK(came_free(before));
	restore();
}
