/* SPDX-License-Identifier: MIT */
/*
 * Swap as programs see it: areas come and go, and what was swapped out comes back right, through fork,
 * copy-on-write, mremap, mprotect, shared memory and swapoff. Needs ramdisks: ramdisk_size=16384 or so,
 * for some ramdisk.count=2; without, these tests are skipped.
 */
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

static long number(const char *file, const char *label)
{
	static char text[16384];
	char *at;

	OK(ut_slurp(file, text, sizeof(text)));
	at = strstr(text, label);
	return at ? atol(at + strlen(label)) : -1;
}

static long swap_free(void)
{
	return number("/proc/meminfo", "SwapFree:");
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

/* A disk that takes time: what was just sent out may still be in memory, being written. */
static int slow(void)
{
	char line[512];

	OK(ut_slurp("/proc/cmdline", line, sizeof(line)));
	return strstr(line, "delay_us") != NULL;
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

/* Private pages of their own that are out. */
static char *out_pages(size_t pages, int seed)
{
	char *p = ut_map_alone(pages * PAGE);

	fill(p, pages, seed);
	OK(madvise(p, pages * PAGE, MADV_PAGEOUT));
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

TEST(area, "an area missing in /proc, wrongly counted, or taken twice")
{
	char text[1024], line[200];
	struct sysinfo si;
	long total;

	need_disk(RAM0);
	total = number("/proc/meminfo", "SwapTotal:");
	mkswap(RAM0, 1000, 1, "SWAPSPACE2");
	OK(swapon(RAM0, SWAP_FLAG_PREFER | 5));
	CHECK_ERRNO(swapon(RAM0, 0), EBUSY);
	OK(ut_slurp("/proc/swaps", text, sizeof(text)));
	snprintf(line, sizeof(line), "%-39s partition\t3996\t\t0\t\t5\n", RAM0);
	CHECK(!strncmp(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n", 39));
	CHECK(strstr(text, line));
	CHECK_EQ(number("/proc/meminfo", "SwapTotal:") - total, 3996);
	OK(sysinfo(&si));
	CHECK_EQ(si.totalswap * si.mem_unit >> 10, (unsigned long)total + 3996);
	CHECK_EQ(si.freeswap * si.mem_unit >> 10, (unsigned long)swap_free());
	OK(swapoff(RAM0));
	CHECK_EQ(number("/proc/meminfo", "SwapTotal:"), total);
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
	out = number("/proc/vmstat", "pswpout ");
	p = out_pages(100, 3);
	CHECK_EQ(ut_smaps(0, p, "Swap"), 400);
	CHECK_EQ(ut_smaps(0, p, "SwapPss"), 400);
	CHECK_EQ(ut_smaps(0, p, "Rss"), 0);
	CHECK(ut_status(0, "VmSwap") >= 400);
	CHECK(before - swap_free() >= 400);
	CHECK(number("/proc/vmstat", "pswpout ") - out >= 100);
	in = number("/proc/vmstat", "pswpin ");
	major = ut_majflt();
	CHECK_EQ(wrong(p, 100, 3), 0);
	major = ut_majflt() - major;
	CHECK(slow() || (major >= 1 && major <= 100));
	CHECK(slow() || number("/proc/vmstat", "pswpin ") - in >= 100);
	CHECK_EQ(swapped(p, 100), 0);
	/* Read only: they still have their slots, and go without being written once more. */
	OK(madvise(p, 100 * PAGE, MADV_PAGEOUT));
	CHECK_EQ(swapped(p, 100), 100);
	CHECK_EQ(wrong(p, 100, 3), 0);
	fill(p, 100, 5);
	OK(madvise(p, 100 * PAGE, MADV_PAGEOUT));
	CHECK_EQ(wrong(p, 100, 5), 0);
	OK(munmap(p, 100 * PAGE));
	CHECK(came_free(before));
	restore();
}

TEST(poke, "what is written through /proc/PID/mem lost, to a page of which swap has a copy")
{
	int fd, seed = 5;
	char *p;

	swap_on();
	fd = OK(open("/proc/self/mem", O_RDWR));
	p = ut_map_alone(16 * PAGE);
	fill(p, 16, 3);
	OK(madvise(p, 16 * PAGE, MADV_PAGEOUT));
	CHECK_EQ(wrong(p, 16, 3), 0);
	/* Writable at once, and not dirty. */
	OK(mprotect(p, 16 * PAGE, PROT_READ));
	OK(mprotect(p, 16 * PAGE, RW));
	for (size_t i = 0; i < 16; i++)
		CHECK_EQ(pwrite(fd, &seed, sizeof(seed), (off_t)(p + i * PAGE)), sizeof(seed));
	OK(madvise(p, 16 * PAGE, MADV_PAGEOUT));
	for (size_t i = 0; i < 16; i++)
		CHECK_EQ(*(int *)(p + i * PAGE), seed);
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
	OK(madvise(p, 1000 * PAGE, MADV_PAGEOUT));
	CHECK(number("/proc/self/status", "VmHWM:") >= 4000);
	OK(munmap(p, 1000 * PAGE));
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
	OK(madvise(p, 64 * PAGE, MADV_PAGEOUT));
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

TEST(mincore, "a page in swap that mincore calls resident")
{
	unsigned char vec[8] = {9, 9, 9, 9, 9, 9, 9, 9};
	char *p;

	swap_on();
	p = out_pages(8, 17);
	OK(swapoff(RAM0)); /* everything is back */
	CHECK_EQ(swapped(p, 8), 0);
	CHECK_EQ(wrong(p, 8, 17), 0);
	OK(swapon(RAM0, 0));
	OK(madvise(p, 4 * PAGE, MADV_PAGEOUT));
	OK(mincore(p, 8 * PAGE, vec));
	for (int i = 0; i < 8; i++)
		CHECK(vec[i] == (i >= 4) || slow());
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
	OK(madvise(p, 64 * PAGE, MADV_PAGEOUT));
	CHECK_EQ(ut_smaps(0, p, "Rss"), 0);
	CHECK_EQ(ut_smaps(0, p, "Swap"), 256);
	pid_t pid = CHILD({
		CHECK_EQ(wrong(p, 64, 19), 0);
		fill(p, 32, 21);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(wrong(p, 32, 21), 0);
	OK(madvise(p, 64 * PAGE, MADV_PAGEOUT));
	OK(swapoff(RAM0));
	CHECK_EQ(wrong(p, 32, 21), 0);
	OK(swapon(RAM0, 0));
	OK(madvise(p, 64 * PAGE, MADV_PAGEOUT));
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
	OK(madvise(p, 16 * PAGE, MADV_PAGEOUT));
	CHECK(before - swap_free() >= 64);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 128);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 16 * PAGE);
	CHECK_EQ(lseek(fd, 5 * PAGE, SEEK_DATA), 5 * PAGE);
	memset(buf, 0, sizeof(buf));
	CHECK_EQ(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	CHECK_EQ(wrong(buf, 16, 23), 0);
	OK(madvise(p, 16 * PAGE, MADV_PAGEOUT));
	CHECK_EQ(pwrite(fd, "xyz", 3, 2 * PAGE), 3); /* a part of a swapped page */
	CHECK(!memcmp(p + 2 * PAGE, "xyz", 3));
	CHECK_EQ(*(long *)(p + 2 * PAGE + 512), (3 * 1000003 + 64) * 23);
	OK(madvise(p, 16 * PAGE, MADV_PAGEOUT));
	OK(ftruncate(fd, 8 * PAGE + 100));
	OK(ftruncate(fd, 16 * PAGE));
	CHECK_EQ(*(long *)(p + 8 * PAGE + 512), 0); /* beyond the end, in a swapped page */
	CHECK_EQ(*(long *)(p + 8 * PAGE), 9 * 1000003 * 23);
	CHECK_EQ(p[9 * PAGE], 0);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 10 * 8);
	OK(madvise(p, 16 * PAGE, MADV_PAGEOUT));
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

static long used(const char *dev)
{
	char text[1024], *at;

	OK(ut_slurp("/proc/swaps", text, sizeof(text)));
	at = strstr(text, dev);
	return at ? (strtok(at, " \t\n"), strtok(NULL, " \t\n"), strtok(NULL, " \t\n"),
		     atol(strtok(NULL, " \t\n"))) :
		    -1;
}

/* All of RAM but the last few MiB, locked. */
static void lock_memory(void)
{
	while (number("/proc/meminfo", "MemAvailable:") > 5 * 1024)
		OK(mlock(ut_map_alone(128 * PAGE), 128 * PAGE));
}

TEST(no_room, "swapoff without room that ends another process, or an area off that is in use")
{
	pid_t hog, off;
	int done[2];
	char *p, c;

	swap_on();
	p = out_pages(2500, 29);
	OK(pipe(done));
	hog = CHILD({
		lock_memory();
		CHECK_EQ(write(done[1], "x", 1), 1);
		for (;;)
			pause();
	});
	CHECK_EQ(read(done[0], &c, 1), 1);
	off = CHILD({ swapoff(RAM0); });
	CHECK_SIGNALED(off, SIGKILL);
	CHECK_EQ(waitpid(hog, NULL, WNOHANG), 0);
	CHECK(used(RAM0) > 0);
	OK(kill(hog, SIGKILL));
	CHECK_SIGNALED(hog, SIGKILL);
	CHECK_EQ(wrong(p, 2500, 29), 0);
	OK(munmap(p, 2500 * PAGE));
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
			(size_t)number("/proc/meminfo", "MemAvailable:") * 1024 / PAGE + 1500;
		char *p = ut_map_alone(pages * PAGE);

		fill(p, pages, 31);
		CHECK_EQ(wrong(p, pages, 31), 0);
	});
	CHECK_EXIT(pid, 0);
	ut_spew("/proc/sys/vm/swappiness", "60");
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
		in = number("/proc/vmstat", "pswpin ");
		for (int i = 0; i < 4; i++)
			OK(pthread_create(&t[i], NULL, read_all, NULL));
		for (int i = 0; i < 4; i++) {
			void *bad;

			OK(pthread_join(t[i], &bad));
			CHECK_EQ((long)bad, 0);
		}
		in = number("/proc/vmstat", "pswpin ") - in;
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
	OK(madvise(s, 16 * PAGE, MADV_PAGEOUT));
	ut_msleep(slow() ? 200 : 0);
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
	OK(madvise(q, 16 * PAGE, MADV_PAGEOUT));
	CHECK_EQ(swapped(q, 16), 16);
	OK(swapoff(RAM0));
	CHECK_EQ(wrong(p, 16, 51), 0);
	CHECK_EQ(wrong(q, 16, 55), 0);
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

static long do_swapoff(void)
{
	return swapoff(RAM0);
}

static long do_swapon(void)
{
	return swapon(RAM0, 0);
}

/* The call with the nth allocation failing, and with all from then on: until none fails. */
static void fail_all(int fd, const char *how, const char *name, long (*call)(void))
{
	int n = 1, failed = 0;

	for (int hit = 1; hit && n < 200; n++) {
		char text[32], left[32] = "";
		int err, len;
		long r;

		swapon(RAM0, 0);
		if (call == do_swapon)
			OK(swapoff(RAM0));
		CHECK_EQ(wrong(area, 32, 41) + wrong(file_map, 32, 43), 0); /* maps them all */
		if (call != do_swapon && call != do_pageout)
			do_pageout();
		len = snprintf(text, sizeof(text), how, n);
		OK(write(fd, text, (size_t)len));
		r = call();
		err = errno;
		OK(pread(fd, left, sizeof(left) - 1, 0));
		OK(write(fd, "0", 1));
		hit = atol(left) == 0;
		failed += r < 0;
		if (r < 0 && err != ENOMEM && err != EFAULT && err != EAGAIN)
			FAIL("%s, allocation %d: errno %d", name, n, err);
		if (r > 0)
			CHECK_EXIT((pid_t)r, 0);
		if (r < 0 && call == do_swapoff)
			CHECK(used(RAM0) >= 0);
	}
	ut_note("%s: %d allocations, %d calls failed", name, n - 2, failed);
	CHECK(n < 200);
}

TEST(failnth, "bytes or slots lost when there is no memory for a step")
{
	static const struct {
		const char *name;
		long (*call)(void);
	} calls[] = {
		{"read in", do_populate}, {"write", do_write_populate}, {"fork", do_fork},
		{"file", do_pread},       {"pageout", do_pageout},      {"swapoff", do_swapoff},
		{"swapon", do_swapon},
	};
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
		fail_all(fd, "%d", calls[i].name, calls[i].call);
		fail_all(fd, "%d+", calls[i].name, calls[i].call);
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
