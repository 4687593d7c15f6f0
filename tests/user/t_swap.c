/* SPDX-License-Identifier: MIT */
/*
 * Swap as programs see it: areas come and go, and what was swapped out comes back right, through fork,
 * copy-on-write, mremap, mprotect, shared memory and swapoff. Needs ramdisks: ramdisk_size=16384 or so,
 * for some ramdisk.count=2; without, these tests are skipped.
 */
#include <sys/swap.h>
#include <sys/sysinfo.h>

#include "utest.h"

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
	char line[256];

	if (dev_pages(dev) < 1024)
		SKIP("no ramdisk of 4 MiB or more");
	OK(ut_slurp("/proc/cmdline", line, sizeof(line)));
	if (strstr(line, "utest.swap") && !strcmp(dev, RAM0)) {
		kept_on = (int)dev_pages(dev);
		swapoff(dev);
	}
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

/* --- the tests ---- */

TEST(errors, "misuse of swapon and swapoff")
{
	int fd = ut_file("f", "file", 4);

	close(fd);
	CHECK_ERRNO(swapon("no", 0), ENOENT);
	CHECK_ERRNO(swapon((void *)8, 0), EFAULT);
	CHECK_ERRNO(swapon("f", 0), EINVAL);
	CHECK_ERRNO(swapon("/dev/null", 0), EINVAL);
	CHECK_ERRNO(swapon("/tmp", 0), EINVAL);
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
