/* SPDX-License-Identifier: MIT */
/*
 * The numbers under /proc about memory: each is counted in several places, and the places have to
 * agree with one another and with what a program has just done.
 *
 * Linux folds per-CPU counts from time to time; a comparison of two files is tried again until both
 * were read in one state, and allows SLACK pages.
 */
#include "utest.h"

enum { SLACK = 64 };

static char text[1 << 18];

static void slurp(const char *path)
{
	if (ut_slurp(path, text, sizeof(text)) < 0) {
		FAIL("%s: %s", path, ut_errname(errno));
		ut_abort();
	}
}

/* "Name:  123 kB" of /proc/meminfo, in pages. */
static long meminfo(const char *name)
{
	char *p, key[40];

	slurp("/proc/meminfo");
	snprintf(key, sizeof(key), "%s:", name);
	for (p = text; p && strncmp(p, key, strlen(key)); p = strchr(p, '\n'), p += !!p)
		;
	REQUIRE(p != NULL);
	return strtol(p + strlen(key), NULL, 10) / 4;
}

static long vmstat(const char *name)
{
	char key[40];

	slurp("/proc/vmstat");
	snprintf(key, sizeof(key), "\n%s ", name);
	char *p = strstr(text, key);
	REQUIRE(p != NULL);
	return strtol(p + strlen(key), NULL, 10);
}

static long buddyinfo(void)
{
	long pages = 0;

	slurp("/proc/buddyinfo");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *q = strstr(line, "zone ") + 5;
		q += strspn(q, " ");
		q += strcspn(q, " ");
		for (int order = 0; order < 11; order++)
			pages += strtol(q, &q, 10) << order;
	}
	return pages;
}

/* The free pages by migrate type. Each row has the zone's name twice less than buddyinfo. */
static long pagetypeinfo(void)
{
	long pages = 0;

	slurp("/proc/pagetypeinfo");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *q = strstr(line, ", type ");
		if (!q)
			continue;
		q += 7 + strspn(q + 7, " ");
		q += strcspn(q, " ");
		for (int order = 0; order < 11; order++)
			pages += strtol(q, &q, 10) << order;
	}
	return pages;
}

static long zoneinfo(const char *field)
{
	long sum = 0, v;

	slurp("/proc/zoneinfo");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		line += strspn(line, " ");
		if (!strncmp(line, field, strlen(field)) &&
		    sscanf(line + strlen(field), " %ld", &v) == 1)
			sum += v;
	}
	return sum;
}

TEST(free_pages, "MemFree, buddyinfo, zoneinfo and pagetypeinfo that count different free pages")
{
	long worst = 0;

	for (int i = 0; i < 20; i++) {
		long free = meminfo("MemFree"), v[] = {buddyinfo(), zoneinfo("pages free"),
						       zoneinfo("nr_free_pages"), pagetypeinfo()};
		worst = 0;
		for (int k = 0; k < 4; k++)
			if (labs(v[k] - free) > worst)
				worst = labs(v[k] - free);
		if (worst <= SLACK)
			return;
	}
	FAIL("they differ by %ld pages", worst);
}

TEST(managed_pages, "MemTotal that is not the sum of what the zones manage; watermarks in disorder")
{
	CHECK_EQ(zoneinfo("managed"), meminfo("MemTotal"));
	CHECK(zoneinfo("managed") <= zoneinfo("present"));
	CHECK(zoneinfo("present") <= zoneinfo("spanned"));
	CHECK(zoneinfo("min") > 0 && zoneinfo("min") < zoneinfo("low"));
	CHECK(zoneinfo("low") < zoneinfo("high"));
	long free = meminfo("MemFree"), available = meminfo("MemAvailable");
	CHECK(available <= meminfo("MemTotal"));
	/* not less than what is free above the watermarks' reserve */
	CHECK(available > free - 3 * zoneinfo("high") - 1000);
}

/* How much of a field of meminfo, in pages, the statement makes of it. */
#define GROWTH(field, ...)                       \
	({                                       \
		long ut_before = meminfo(field); \
		__VA_ARGS__;                     \
		meminfo(field) - ut_before;      \
	})

TEST_MEM(shmem, 24, "tmpfs and shared memory that Cached, Shmem or Mapped do not count")
{
	size_t len = 1024 * PAGE;
	char *p;
	int fd = ut_file("f", NULL, 0);

	OK(ftruncate(fd, len));
	long cached = meminfo("Cached"), shmem = meminfo("Shmem"), mapped = meminfo("Mapped");
	p = OK(mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	memset(p, 1, len);
	CHECK(labs(meminfo("Cached") - cached - 1024) <= SLACK);
	CHECK(labs(meminfo("Shmem") - shmem - 1024) <= SLACK);
	CHECK(labs(meminfo("Mapped") - mapped - 1024) <= SLACK);
	CHECK(labs(vmstat("nr_shmem") - meminfo("Shmem")) <= SLACK);
	CHECK(labs(vmstat("nr_file_pages") - meminfo("Cached") - meminfo("Buffers")) <= SLACK);
	OK(munmap(p, len));
	CHECK(labs(meminfo("Shmem") - shmem - 1024) <= SLACK);
	CHECK(labs(meminfo("Mapped") - mapped) <= SLACK);
	OK(ftruncate(fd, 0));
	CHECK(labs(meminfo("Shmem") - shmem) <= SLACK);
	CHECK(labs(meminfo("Cached") - cached) <= SLACK);
	long grown = GROWTH("Shmem", {
		p = OK(mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		memset(p, 1, len);
	});
	CHECK(labs(grown - 1024) <= SLACK);
}

TEST_MEM(slab, 48, "objects that neither Slab nor slabinfo counts")
{
	long files = 3000, dentries[2], active, v;
	char name[32];

	for (int pass = 0; pass < 2; pass++) {
		slurp("/proc/slabinfo");
		CHECK(!strncmp(text, "slabinfo - version: 2.1\n# name ", 31));
		char *p = strstr(text, "\ndentry ");
		REQUIRE(p != NULL);
		CHECK_EQ(sscanf(p, " dentry %ld %ld", &active, &dentries[pass]), 2);
		CHECK(active <= dentries[pass]);
		if (pass)
			break;
		long before = meminfo("Slab");
		for (int i = 0; i < files; i++) {
			sprintf(name, "file%d", i);
			close(ut_file(name, NULL, 0));
		}
		v = meminfo("Slab") - before;
		CHECK(v >= files * 300 / 4096); /* at least 300 bytes for an inode and a name */
		CHECK(v < files);
	}
	CHECK(dentries[1] - dentries[0] > files / 2);
	CHECK(labs(vmstat("nr_slab_reclaimable") - meminfo("SReclaimable")) <= SLACK);
	CHECK(labs(vmstat("nr_slab_unreclaimable") - meminfo("SUnreclaim")) <= SLACK);
}

TEST(kernel_stack, "KernelStack that does not count the processes there are")
{
	pid_t pid[32];
	long grown = GROWTH("KernelStack", {
		for (int i = 0; i < 32; i++)
			pid[i] = CHILD({ pause(); });
	});

	CHECK(grown >= 32 * 2 && grown <= 32 * 8); /* 8 to 32 KiB each */
	for (int i = 0; i < 32; i++)
		OK(kill(pid[i], SIGKILL));
	for (int i = 0; i < 32; i++)
		CHECK_SIGNALED(pid[i], SIGKILL);
}

/* Far from all else, and within one GiB: wherever a neighbour lies that it shares tables with, they
 * would stay for that one's sake. */
TEST_MEM(page_tables, 128, "PageTables and VmPTE that do not count tables, or count them for ever")
{
	size_t span = 2 << 20;
	long pte = ut_status(0, "VmPTE"), all = meminfo("PageTables");
	char *p = OK(mmap((void *)0x600000000000, 64 * span, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));

	madvise(p, 64 * span, MADV_NOHUGEPAGE);
	for (int i = 0; i < 64; i++)
		p[i * span] = 1;
	/* and one on each of two levels above */
	CHECK_EQ(ut_status(0, "VmPTE"), pte + (64 + 2) * 4);
	CHECK(labs(meminfo("PageTables") - all - 64) <= SLACK / 4);
	OK(munmap(p, 64 * span));
	CHECK_EQ(ut_status(0, "VmPTE"), pte);
	CHECK(labs(meminfo("PageTables") - all) <= SLACK / 4);
}

TEST_MEM(committed, 48, "Committed_AS that counts what is no promise, or misses one")
{
	size_t len = 4096 * PAGE;
	void *p = NULL;

	CHECK(labs(GROWTH("Committed_AS", p = ut_map(len)) - 4096) <= SLACK);
	CHECK(labs(GROWTH("Committed_AS", memset(p, 1, len))) <= SLACK);
	CHECK(labs(GROWTH("Committed_AS", munmap(p, len)) + 4096) <= SLACK);
	CHECK(labs(GROWTH("Committed_AS", p = ut_map_prot(len, PROT_READ))) <= SLACK);
	CHECK(labs(GROWTH("Committed_AS", mprotect(p, len, PROT_READ | PROT_WRITE)) - 4096) <=
	      SLACK);
	/* once promised, always promised: the pages may hold data */
	CHECK(labs(GROWTH("Committed_AS", mprotect(p, len, PROT_READ))) <= SLACK);
	CHECK(labs(GROWTH("Committed_AS", munmap(p, len)) + 4096) <= SLACK);
	CHECK(labs(GROWTH("Committed_AS",
			  p = mmap(NULL, len, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) <= SLACK);
	OK(munmap(p, len));
	CHECK(labs(GROWTH("Committed_AS", p = mmap(NULL, len, PROT_READ | PROT_WRITE,
						   MAP_SHARED | MAP_ANONYMOUS, -1, 0)) -
		   4096) <= SLACK);
	CHECK(labs(GROWTH("Committed_AS", munmap(p, len)) + 4096) <= SLACK);
	/* fork promises the child its copies */
	p = ut_map(len);
	pid_t pid = 0;
	long grown = GROWTH("Committed_AS", pid = CHILD({ pause(); }));
	CHECK(grown >= 4096 - SLACK && grown < 4096 + 1024);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(resident, "smaps, smaps_rollup, pagemap, statm and status that count different resident pages")
{
	char *p = ut_map_alone(300 * PAGE);
	long rss = 0, present = 0, v, rollup = 0, resident, total;
	unsigned long s, e;
	static uint64_t map[1 << 16];
	int pm = OK(open("/proc/self/pagemap", O_RDONLY));

	/* nothing may become resident between the files */
	memset(text, 1, sizeof(text));
	memset(map, 1, sizeof(map));
	memset(p, 1, 200 * PAGE);
	CHECK_EQ(((volatile char *)p)[250 * PAGE], 0);
	uint64_t zero = PM_PFN(ut_pagemap(p + 250 * PAGE)); /* the zero page is nobody's */
	if (!zero)
		SKIP("for root");
	slurp("/proc/self/smaps");
	int counted = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "%lx-%lx ", &s, &e) == 2) {
			counted = !strstr(line, "[v"); /* vvar, vdso, vsyscall */
			size_t n = counted ? (e - s) / PAGE : 0;
			REQUIRE(n <= sizeof(map) / sizeof(map[0]));
			CHECK_EQ(pread(pm, map, n * 8, s / PAGE * 8), n * 8);
			for (size_t i = 0; i < n; i++)
				present += (map[i] & PM_PRESENT) && PM_PFN(map[i]) != zero;
		} else if (counted && sscanf(line, "Rss: %ld kB", &v) == 1) {
			rss += v / 4;
		}
	}
	/* this process reads its stack and data between: give or take a few */
	if (labs(present - rss) > 4)
		FAIL("pagemap has %ld pages, smaps %ld", present, rss);
	slurp("/proc/self/smaps_rollup");
	char *at = strstr(text, "\nRss:");
	REQUIRE(at != NULL);
	CHECK_EQ(sscanf(at, " Rss: %ld", &rollup), 1);
	CHECK(labs(rollup / 4 - rss) <= 8);
	slurp("/proc/self/statm");
	CHECK_EQ(sscanf(text, "%ld %ld", &total, &resident), 2);
	CHECK(labs(resident - rss) <= 3 * SLACK);
	CHECK(labs(ut_status(0, "VmRSS") / 4 - rss) <= 3 * SLACK);
	CHECK(ut_status(0, "VmHWM") >= ut_status(0, "VmRSS") - 4 * SLACK);
}

TEST(pss, "a page shared by n processes that is not 1/n of a page to each")
{
	char *p = ut_map_alone(120 * PAGE);
	pid_t pid[3];

	memset(p, 1, 120 * PAGE);
	CHECK_EQ(ut_smaps(0, p, "Pss"), 480);
	for (int i = 0; i < 3; i++)
		pid[i] = CHILD({ pause(); });
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(ut_smaps(pid[i], p, "Rss"), 480);
		CHECK_EQ(ut_smaps(pid[i], p, "Pss"), 120);
		CHECK_EQ(ut_smaps(pid[i], p, "Shared_Dirty"), 480);
	}
	p[0] = 2; /* its own now: 119 / 4 + 1 pages */
	CHECK_EQ(ut_smaps(0, p, "Pss"), 119 + 4);
	CHECK_EQ(ut_smaps(0, p, "Private_Dirty"), 4);
	CHECK_EQ(ut_smaps(pid[0], p, "Pss"), 119 + 1); /* one page is a third's */
	for (int i = 0; i < 3; i++) {
		OK(kill(pid[i], SIGKILL));
		CHECK_SIGNALED(pid[i], SIGKILL);
	}
	CHECK_EQ(ut_smaps(0, p, "Pss"), 480);
}

TEST(times, "user and system time in /proc/PID/stat that stand still, or are mixed up")
{
	long u[3], s[3];

	for (int i = 0; i < 3; i++) {
		slurp("/proc/self/stat");
		CHECK_EQ(sscanf(strrchr(text, ')') + 2,
				"%*c %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %ld %ld", &u[i],
				&s[i]),
			 2);
		struct timespec t0, t;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
		do {
			for (volatile int k = 0; i == 0 && k < 10000; k++)
				;
			for (int k = 0; i == 1 && k < 100; k++)
				ut_pagemap(u);
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
		} while (i < 2 &&
			 (t.tv_sec - t0.tv_sec) * 1000 + (t.tv_nsec - t0.tv_nsec) / 1000000 < 300);
	}
	CHECK(u[1] - u[0] >= 20);
	CHECK(s[1] - s[0] <= 8);
	CHECK(s[2] - s[1] >= 10);
}

/* --- frames --------------------------------------------------------------------------------------- */

enum {
	KPF_LRU = 5,
	KPF_SLAB = 7,
	KPF_BUDDY = 10,
	KPF_MMAP = 11,
	KPF_ANON = 12,
	KPF_SWAPBACKED = 14,
	KPF_NOPAGE = 20,
	KPF_ZERO_PAGE = 24,
	KPF_PGTABLE = 26,
};

static uint64_t frame(const char *file, uint64_t pfn)
{
	uint64_t v = 0;
	int fd = OK(open(file, O_RDONLY));

	CHECK_EQ(pread(fd, &v, 8, (off_t)pfn * 8), 8);
	close(fd);
	return v;
}

static void check_frame(const volatile void *p, uint64_t set, uint64_t clear, uint64_t count)
{
	uint64_t e = ut_pagemap(p), flags = frame("/proc/kpageflags", PM_PFN(e));

	CHECK(e & PM_PRESENT);
	CHECK(PM_PFN(e) != 0);
	if ((flags & set) != set || (flags & clear))
		FAIL("kpageflags is %llx: wanted %llx, and not %llx", (unsigned long long)flags,
		     (unsigned long long)set, (unsigned long long)clear);
	CHECK_EQ(frame("/proc/kpagecount", PM_PFN(e)), count);
}

#define BIT(n) (1ULL << (n))

TEST(frame_flags, "kpageflags and kpagecount that do not say what a frame is")
{
	if (geteuid() != 0)
		SKIP("for root");
	char *p = ut_map_alone(4 * PAGE);
	p[0] = 1;
	check_frame(p, BIT(KPF_ANON) | BIT(KPF_MMAP) | BIT(KPF_SWAPBACKED),
		    BIT(KPF_BUDDY) | BIT(KPF_SLAB) | BIT(KPF_PGTABLE), 1);
	pid_t pid = CHILD({ pause(); });
	check_frame(p, BIT(KPF_ANON) | BIT(KPF_MMAP), BIT(KPF_BUDDY), 2);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	check_frame(p, BIT(KPF_ANON), 0, 1);

	int fd = ut_file("f", "data", 4);
	volatile char *m = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	CHECK_EQ(m[0], 'd');
	check_frame(m, BIT(KPF_MMAP) | BIT(KPF_SWAPBACKED), BIT(KPF_ANON) | BIT(KPF_BUDDY), 1);

	CHECK_EQ(((volatile char *)p)[2 * PAGE], 0);
	CHECK(frame("/proc/kpageflags", PM_PFN(ut_pagemap(p + 2 * PAGE))) & BIT(KPF_ZERO_PAGE));

	uint64_t pfn = PM_PFN(ut_pagemap(p));
	OK(munmap(p, 4 * PAGE));
	CHECK_EQ(frame("/proc/kpageflags", pfn) & (BIT(KPF_MMAP) | BIT(KPF_ZERO_PAGE)), 0);
}

TEST(frame_sums, "free pages, slabs and page tables: as many frames as /proc/meminfo counts")
{
	static uint64_t flags[512];
	long buddy = 0, slab = 0, tables = 0, free = 0, slabs = 0, pts = 0;

	if (geteuid() != 0)
		SKIP("for root");
	for (int i = 0; i < 5; i++) {
		ssize_t n;
		int fd = OK(open("/proc/kpageflags", O_RDONLY));
		buddy = slab = tables = 0;
		while ((n = OK(read(fd, flags, sizeof(flags)))) > 0)
			for (ssize_t k = 0; k < n / 8; k++) {
				buddy += !!(flags[k] & BIT(KPF_BUDDY));
				slab += !!(flags[k] & BIT(KPF_SLAB));
				tables += !!(flags[k] & BIT(KPF_PGTABLE));
			}
		close(fd);
		free = meminfo("MemFree"), slabs = meminfo("Slab"), pts = meminfo("PageTables");
		if (labs(free - buddy) <= SLACK && slab <= slabs + SLACK && slab >= slabs / 2 &&
		    labs(pts - tables) <= SLACK)
			return;
	}
	FAIL("free %ld and %ld, slab %ld and %ld, page tables %ld and %ld", buddy, free, slab,
	     slabs, tables, pts);
}
