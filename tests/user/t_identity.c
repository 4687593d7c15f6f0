/* SPDX-License-Identifier: MIT */
/*
 * What the files of all processes say together has to be what the machine's files say: Pss sums to
 * the frames that are mapped, pagemaps to kpagecount, VmPTE to PageTables, what is accounted to
 * Committed_AS. A count that is lost or kept for ever in any corner shows here.
 *
 * Everybody else sleeps meanwhile, apart from Linux's own threads: SLACK pages are forgiven.
 */
#include "utest.h"

#include <dirent.h>

enum { SLACK = 64 };

static char text[1 << 18];

static void slurp(const char *path)
{
	if (ut_slurp(path, text, sizeof(text)) < 0) {
		FAIL("%s: %s", path, ut_errname(errno));
		ut_abort();
	}
}

static long meminfo(const char *name) /* in kB */
{
	char key[40];

	slurp("/proc/meminfo");
	snprintf(key, sizeof(key), "\n%s:", name);
	char *p = strstr(text, key);
	REQUIRE(p != NULL);
	return strtol(p + strlen(key), NULL, 10);
}

/* Calls fn with the number of each process that has a memory of its own. How many there are. */
static int for_each_process(void (*fn)(pid_t pid))
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;

	REQUIRE(d != NULL);
	while ((e = readdir(d)) != NULL) {
		pid_t pid = atoi(e->d_name);
		if (pid <= 0 || ut_status(pid, "VmSize") <= 0)
			continue;
		fn(pid);
		n++;
	}
	closedir(d);
	return n;
}

static char *pid_path(pid_t pid, const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return path;
}

/* Some that share memory with one another, copied or not. */
static pid_t children[6];

static void start_children(void)
{
	static char *p;
	size_t len = 100 * PAGE;
	int fd = ut_file("shared", NULL, 0);

	OK(ftruncate(fd, len));
	p = OK(mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	char *q = ut_map(len), *r = ut_map_alone(40 * PAGE);
	memset(q, 1, len);
	for (int i = 0; i < 6; i++)
		children[i] = CHILD({
			memset(p + i * 5 * PAGE, 1, 30 * PAGE);
			memset(q, 2, i * 10 * PAGE);
			for (int k = 0; k < 40; k++)
				(void)((volatile char *)r)[k * PAGE]; /* the zero page */
			OK(mprotect(q + 50 * PAGE, PAGE, PROT_READ));
			pause();
		});
	for (int i = 0; i < 6; i++)
		ut_wait_state(children[i], 'S');
}

static void stop_children(void)
{
	for (int i = 0; i < 6; i++) {
		OK(kill(children[i], SIGKILL));
		CHECK_SIGNALED(children[i], SIGKILL);
	}
}

/* --- Pss ----------------------------------------------------------------------------------------- */

static long sum_pss, sum_pte;

static void add_pss(pid_t pid)
{
	char *p;

	slurp(pid_path(pid, "smaps_rollup"));
	p = strstr(text, "\nPss: ");
	REQUIRE(p != NULL);
	sum_pss += atol(p + 6);
	sum_pte += ut_status(pid, "VmPTE");
}

TEST(pss, "the Pss of all processes that is not the memory that they map together")
{
	if (geteuid() != 0)
		SKIP("for root");
	start_children();
	long mapped = 0, wrong = 0;
	for (int i = 0; i < 3; i++) {
		sum_pss = 0;
		int n = for_each_process(add_pss);
		CHECK(n >= 8);
		/* each is rounded down to a kB */
		mapped = meminfo("AnonPages") + meminfo("Mapped");
		wrong = labs(sum_pss - mapped);
		if (wrong <= n + SLACK * 4)
			break;
	}
	if (wrong > 20 + SLACK * 4)
		FAIL("Pss sums to %ld kB, AnonPages and Mapped to %ld kB", sum_pss, mapped);
	stop_children();
}

/* What PageTables has beyond the VmPTE of all, in kB: one kernel counts the root of each, the other
 * leaves out two levels of it. */
static long table_excess(long *n)
{
	sum_pte = 0;
	*n = for_each_process(add_pss);
	return meminfo("PageTables") - sum_pte;
}

TEST(page_tables, "the page tables of all processes that are not PageTables")
{
	long n, excess;

	if (geteuid() != 0)
		SKIP("for root");
	start_children();
	excess = table_excess(&n);
	if (labs(excess) > n * 8 + 64)
		FAIL("VmPTE of %ld processes sums to %ld kB, PageTables is %ld kB", n, sum_pte,
		     sum_pte + excess);
	/* nor do those that have gone leave any */
	for (int i = 0; i < 64; i++)
		CHECK_EXIT(CHILD({}), 0);
	CHECK(labs(table_excess(&n) - excess) <= SLACK * 2);
	stop_children();
}

/* --- frames -------------------------------------------------------------------------------------- */

static uint16_t *mapped_by; /* how many entries of all pagemaps lead to a frame */
static uint64_t nr_frames;

static void add_range(int pm, unsigned long start, unsigned long end)
{
	static uint64_t e[512];

	for (size_t n; start < end; start += n * PAGE) {
		n = (end - start) / PAGE < 512 ? (end - start) / PAGE : 512;
		if (pread(pm, e, n * 8, start / PAGE * 8) != (ssize_t)(n * 8))
			return;
		for (size_t i = 0; i < n; i++)
			if ((e[i] & PM_PRESENT) && PM_PFN(e[i]) < nr_frames)
				mapped_by[PM_PFN(e[i])]++;
	}
}

static void add_pagemap(pid_t pid)
{
	static char maps[1 << 16];
	unsigned long start, end;
	int pm = OK(open(pid_path(pid, "pagemap"), O_RDONLY));

	OK(ut_slurp(pid_path(pid, "maps"), maps, sizeof(maps)));
	for (char *p = maps; p && sscanf(p, "%lx-%lx", &start, &end) == 2;) {
		char *next = strchr(p, '\n');
		/* Linux's pages of data beside the vdso are no pages that are counted */
		if (!next || !memmem(p, next - p, "[v", 2))
			add_range(pm, start, end);
		p = next ? next + 1 : NULL;
	}
	close(pm);
}

TEST_MEM(kpagecount, 32,
	 "a frame that kpagecount says is mapped more or less often than pagemaps do")
{
	enum { KPF_MMAP = 11, KPF_ANON = 12, KPF_BUDDY = 10, KPF_ZERO_PAGE = 24 };
	uint64_t count[512], flags[512], zero;
	long wrong = 0, mapped = 0;
	ssize_t n;

	if (geteuid() != 0)
		SKIP("for root");
	volatile char *z = ut_map(PAGE);
	(void)z[0];
	zero = PM_PFN(ut_pagemap(z));
	start_children();
	int fd = OK(open("/proc/kpagecount", O_RDONLY));
	int kf = OK(open("/proc/kpageflags", O_RDONLY));
	nr_frames = (ut_memtotal() + 128) * 1024 / 4;
	mapped_by = OK(mmap(NULL, nr_frames * 2, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for_each_process(add_pagemap);
	for (uint64_t pfn = 0; pfn < nr_frames; pfn += n / 8) {
		n = OK(pread(fd, count, sizeof(count), pfn * 8));
		if (n == 0)
			break;
		CHECK_EQ(pread(kf, flags, n, pfn * 8), n);
		for (ssize_t i = 0; i < n / 8 && pfn + i < nr_frames; i++) {
			int maps = mapped_by[pfn + i];
			mapped += maps > 0;
			if (pfn + i == zero)
				CHECK(flags[i] >> KPF_ZERO_PAGE & 1);
			else if ((uint64_t)maps != count[i] && maps)
				wrong++;
			else if (maps &&
				 ((flags[i] >> KPF_BUDDY & 1) || !(flags[i] >> KPF_MMAP & 1)))
				wrong++;
			else if (!maps && (flags[i] >> KPF_ANON & 1) && count[i])
				wrong++; /* mapped by nobody who is there */
		}
	}
	CHECK(mapped > 300);
	/* what this process, and the runner, touched meanwhile */
	if (wrong > 24)
		FAIL("%ld of %ld frames", wrong, mapped);
	stop_children();
}

/* Free pages that the CPUs keep on lists of their own. */
static long on_cpu_lists(void)
{
	long n = 0;

	slurp("/proc/zoneinfo");
	for (char *p = text; (p = strstr(p, " count: ")) != NULL; p++)
		n += atol(p + 8);
	return n;
}

TEST(frame_map, "/proc/octavo/frames: another number of frames of a kind than meminfo has pages")
{
	static const struct {
		char letter;
		const char *name;
	} kinds[] = {{'.', "MemFree"},     {'S', "Slab"},      {'T', "PageTables"},
		     {'k', "KernelStack"}, {'a', "AnonPages"}, {'s', "Shmem"}};
	long n[256] = {0};
	char map[4096];
	ssize_t len;

	if (geteuid() != 0)
		SKIP("for root");
	int fd = open("/proc/octavo/frames", O_RDONLY);
	if (fd < 0)
		SKIP("only Octavo has it");
	while ((len = OK(read(fd, map, sizeof(map)))) > 0)
		for (ssize_t i = 0; i < len; i++)
			n[(unsigned char)map[i]]++;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		long pages = meminfo(kinds[i].name) / 4 + (i == 0 ? on_cpu_lists() : 0);
		if (labs(pages - n[(int)kinds[i].letter]) > SLACK)
			FAIL("%ld frames are '%c', %s is %ld pages", n[(int)kinds[i].letter],
			     kinds[i].letter, kinds[i].name, pages);
	}
	CHECK(n['R'] > 50 && n['K'] > 0);
	/* this frame, before and after */
	volatile char *p = ut_map_alone(PAGE);
	p[0] = 1;
	uint64_t pfn = PM_PFN(ut_pagemap(p));
	CHECK_EQ(pread(fd, map, 1, pfn), 1);
	CHECK_EQ(map[0], 'a');
	OK(munmap((void *)p, PAGE));
	CHECK_EQ(pread(fd, map, 1, pfn), 1);
	CHECK(map[0] != 'a');
	CHECK_EQ(pread(fd, map, 1, 0), 1);
	CHECK_EQ(map[0], 'R');
}

/* --- one process's own ---------------------------------------------------------------------------- */

static const char *const fields[] = {"Rss",           "Shared_Clean",  "Shared_Dirty",
				     "Private_Clean", "Private_Dirty", "Referenced",
				     "Anonymous",     "Swap",          "Locked",
				     "Pss",           "Pss_Dirty"};

static long sum_of(const char *field, int *lines)
{
	char key[40];
	long sum = 0;

	*lines = 0;
	snprintf(key, sizeof(key), "\n%s:", field);
	for (char *p = text; (p = strstr(p, key)) != NULL; p++, ++*lines)
		sum += atol(p + strlen(key));
	return sum;
}

TEST(rollup, "smaps_rollup that is not the sum of smaps; parts that do not add up to Rss")
{
	long sum[11];
	int lines, one;

	start_children();
	for (int c = 0; c < 6; c += 5) {
		slurp(pid_path(children[c], "smaps"));
		for (int i = 0; i < 11; i++)
			sum[i] = sum_of(fields[i], &lines);
		CHECK(lines >= 8);
		CHECK_EQ(sum[1] + sum[2] + sum[3] + sum[4], sum[0]);
		CHECK(sum[9] <= sum[0] && sum[9] > 0);
		slurp(pid_path(children[c], "smaps_rollup"));
		for (int i = 0; i < 11; i++) {
			long v = sum_of(fields[i], &one);
			CHECK_EQ(one, 1);
			/* Pss is cut to a kB in each line */
			if (v < sum[i] || v - sum[i] > (i >= 8 ? lines : 0))
				FAIL("%s is %ld kB, and %ld kB in %d areas", fields[i], v, sum[i],
				     lines);
		}
		long pss = sum_of("Pss", &one), parts = sum_of("Pss_Anon", &one) +
							sum_of("Pss_File", &one) +
							sum_of("Pss_Shmem", &one);
		CHECK(parts <= pss && pss - parts <= 3);
	}
	stop_children();
}

/* --- slab, commitments ------------------------------------------------------------------------------ */

/* Pages that Slab counts and no cache has: what is too large for one, on Linux much of it. */
static long slab_excess(long *all)
{
	long slabs, per, sum = 0;

	slurp("/proc/slabinfo");
	for (char *p = text; (p = strchr(p, '\n')) != NULL && *++p;)
		if (sscanf(p, "%*s %*d %*d %*d %*d %ld : tunables %*d %*d %*d : slabdata %*d %ld",
			   &per, &slabs) == 2)
			sum += per * slabs;
	*all = meminfo("Slab") / 4;
	return *all - sum;
}

/* Objects of many kinds come and go, small ones and a large one at a time. */
static void use_slabs(void)
{
	static struct iovec v[1024];
	int null = OK(open("/dev/null", O_WRONLY));
	char name[32];

	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < 1000; i++) {
			snprintf(name, sizeof(name), "file-%d", i);
			if (pass == 0)
				close(ut_file(name, "", 0));
			else
				OK(unlink(name));
		}
	for (int i = 0; i < 1024; i++)
		v[i] = (struct iovec){name, 1};
	for (int i = 0; i < 100; i++)
		CHECK_EQ(writev(null, v, 1024), 1024);
	close(null);
}

TEST(slab, "caches that are together not what Slab counts")
{
	long all, before = 0, after = 0;

	if (geteuid() != 0)
		SKIP("for root");
	use_slabs();
	before = slab_excess(&all);
	if (before < -8 || before > (ut_octavo() ? 8 : all / 2))
		FAIL("Slab counts %ld pages, %ld more than the caches have", all, before);
	use_slabs();
	after = slab_excess(&all);
	if (labs(after - before) > SLACK)
		FAIL("Slab counted %ld pages more than the caches had, now %ld", before, after);
}

static long sum_accounted;

/* The areas that have the flag "ac". */
static void add_accounted(pid_t pid)
{
	long size = 0;

	slurp(pid_path(pid, "smaps"));
	for (char *p = text; p && *p; p = strchr(p, '\n'), p += !!p) {
		if (!strncmp(p, "Size:", 5))
			size = atol(p + 5);
		if (!strncmp(p, "VmFlags:", 8)) {
			char *end = strchr(p, '\n'), *ac = strstr(p, " ac");
			if (ac && ac < end)
				sum_accounted += size;
		}
	}
}

TEST(committed, "promises to all processes and files in memory that are not Committed_AS")
{
	if (geteuid() != 0)
		SKIP("for root");
	long shared = 512 * 4; /* promised as a whole, whatever is used of it */
	char *p = OK(mmap(NULL, shared * 1024, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			  -1, 0));
	start_children();
	memset(p, 1, 100 * PAGE);
	sum_accounted = 0;
	for_each_process(add_accounted);
	long all = meminfo("Committed_AS"), files = meminfo("Shmem") + shared - 400;
	if (labs(all - sum_accounted - files) > SLACK * 4)
		FAIL("areas %ld kB and files %ld kB, but Committed_AS %ld kB", sum_accounted, files,
		     all);
	stop_children();
}
