/* SPDX-License-Identifier: MIT */
/*
 * CURRICULUM: what the teaching material shows, done as a student would do it. One test a line that
 * no other suite covers; the number is the line's.
 */
#include "utest.h"

static char text[1 << 16];

static long number_after(const char *what)
{
	char *p = strstr(text, what);

	return p ? strtol(p + strlen(what), NULL, 10) : -1;
}

TEST(zones_2,
     "zones that do not begin at 0, 16 MiB and 4 GiB, or a machine with an empty one shown")
{
	long start, present;
	char name[16], *p;

	OK(ut_slurp("/proc/zoneinfo", text, sizeof(text)));
	for (p = strstr(text, "Node "); p; p = strstr(p + 1, "\nNode ")) {
		char *next = strstr(p + 1, "\nNode "), *at;
		if (sscanf(strstr(p, "zone"), "zone %15s", name) != 1)
			continue;
		at = strstr(p, "present ");
		present = at ? atol(at + 8) : 0;
		at = strstr(p, "start_pfn:");
		CHECK_EQ(present > 0, at && (!next || at < next));
		if (!present)
			continue;
		start = atol(at + 10);
		if (!strcmp(name, "DMA"))
			CHECK(start <= 1 && present <= 4096);
		else if (!strcmp(name, "DMA32"))
			CHECK(start == 4096 && present <= (1 << 20) - 4096);
		else if (!strcmp(name, "Normal"))
			CHECK_EQ(start, 1 << 20);
	}
	OK(ut_slurp("/proc/buddyinfo", text, sizeof(text)));
	CHECK(strstr(text, "Normal") || ut_memtotal() < 4096);
}

TEST_MEM(orders_3, 24, "pagetypeinfo: its head, one row a zone and type, pageblocks that add up")
{
	if (geteuid() != 0)
		SKIP("for root");
	OK(ut_slurp("/proc/pagetypeinfo", text, sizeof(text)));
	CHECK(!strncmp(
		text,
		"Page block order: 9\nPages per block:  512\n\nFree pages count per migrate type "
		"at order       0      1 ",
		96));
	static const char *const types[] = {"Unmovable", "Movable", "Reclaimable", "HighAtomic"};
	char row[64];
	for (int i = 0; i < 4; i++) {
		snprintf(row, sizeof(row), "\nNode    0, zone    DMA32, type %12s ", types[i]);
		CHECK(strstr(text, row) != NULL);
	}
	char *p = strstr(
		text,
		"\nNumber of blocks type     Unmovable      Movable  Reclaimable   HighAtomic ");
	REQUIRE(p != NULL);
	long blocks = 0;
	for (p = strstr(p, "zone "); p; p = strstr(p, "zone ")) {
		p += 5 + strspn(p + 5, " ");
		p += strcspn(p, " ");
		for (int i = 0; i < 4; i++)
			blocks += strtol(p, &p, 10);
	}
	CHECK(labs(blocks * 2 - (long)ut_memtotal()) <= 2 + (long)ut_memtotal() / 8);
}

TEST(slab_5, "a slabinfo that slabtop cannot read")
{
	long active, objs, size, per, pages;
	char name[64];
	int n = 0;

	if (geteuid() != 0)
		SKIP("for root");
	OK(ut_slurp("/proc/slabinfo", text, sizeof(text)));
	char *line = strtok(text, "\n");
	CHECK_STR(line, "slabinfo - version: 2.1");
	CHECK_STR(
		strtok(NULL, "\n"),
		"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : "
		"tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> "
		"<sharedavail>");
	while ((line = strtok(NULL, "\n")) != NULL) {
		if (sscanf(line, "%63s %ld %ld %ld %ld %ld : tunables", name, &active, &objs, &size,
			   &per, &pages) != 6 ||
		    active > objs || size <= 0 || per * size > pages * (long)PAGE)
			FAIL("\"%s\"", line);
		n++;
	}
	CHECK(n > 10);
}

TEST(isolation_7, "one process's memory that another can change at the same address")
{
	volatile int *p = ut_map(PAGE);

	*p = 1;
	pid_t pid = CHILD({
		*p = 2;
		CHECK_EQ(*p, 2);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(*p, 1);
	CHECK_FAULT(ut_read(KERNPTR), SIGSEGV, SEGV_MAPERR, KERNPTR);
}

TEST(soft_dirty_10, "clear_refs and the soft-dirty bit: which pages were written since")
{
	char *p = ut_map_alone(4 * PAGE);

	memset(p, 1, 4 * PAGE);
	CHECK((ut_pagemap(p) >> 55 & 1) == 1);
	ut_spew("/proc/self/clear_refs", "4");
	if (ut_pagemap(p) >> 55 & 1)
		SKIP_LINUX("a kernel without CONFIG_MEM_SOFT_DIRTY");
	p[PAGE] = 2;
	for (int i = 0; i < 4; i++)
		CHECK_EQ(ut_pagemap(p + i * PAGE) >> 55 & 1, i == 1);
}

TEST(soft_dirty_shared,
     "a write to a shared page that soft-dirty misses after mprotect, or when read first")
{
	int fd = ut_file("soft_dirty", "", 0);

	OK(ftruncate(fd, 2 * PAGE));
	char *p = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	p[0] = 1;
	ut_spew("/proc/self/clear_refs", "4");
	if (ut_pagemap(p) >> 55 & 1)
		SKIP_LINUX("a kernel without CONFIG_MEM_SOFT_DIRTY");
	OK(mprotect(p, 2 * PAGE, PROT_READ));
	OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE));
	ut_read(p + PAGE);
	CHECK_EQ(ut_pagemap(p) >> 55 & 1, 0);
	CHECK_EQ(ut_pagemap(p + PAGE) >> 55 & 1, 0);
	p[0] = 2;
	p[PAGE] = 2;
	CHECK_EQ(ut_pagemap(p) >> 55 & 1, 1);
	CHECK_EQ(ut_pagemap(p + PAGE) >> 55 & 1, 1);
	/* a change of rights is no change of what was written */
	OK(mprotect(p, PAGE, PROT_READ));
	CHECK_EQ(ut_pagemap(p) >> 55 & 1, 1);
	OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	CHECK_EQ(ut_pagemap(p) >> 55 & 1, 1);
}

TEST(address_limit_11, "ulimit -v: an address space beyond RLIMIT_AS")
{
	pid_t pid = CHILD({
		struct rlimit r = {ut_status(0, "VmSize") * 1024 + (4 << 20), RLIM_INFINITY};
		OK(setrlimit(RLIMIT_AS, &r));
		CHECK_ERRNO(mmap(NULL, 8 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
			    ENOMEM);
		OK(mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		long end = syscall(SYS_brk, 0);
		CHECK_EQ(syscall(SYS_brk, end + (8 << 20)), end);
	});
	CHECK_EXIT(pid, 0);
}

extern char end[];
static char in_bss[PAGE];

TEST(layout_12, "text, data, bss, heap, mappings, stack, arguments and environment out of order")
{
	static int in_data = 1;
	int on_stack;
	char line[256];
	char *heap = (char *)syscall(SYS_brk, 0), *map = ut_map(PAGE);

	CHECK((char *)(uintptr_t)ut_map < (char *)&in_data);
	CHECK((char *)&in_data < in_bss);
	CHECK(&in_bss[0] < &end[0] && &end[0] <= heap);
	CHECK(heap < map && map < (char *)&on_stack);
	CHECK((char *)&on_stack < (char *)environ && (char *)environ < environ[0]);
	CHECK(ut_maps_line(0, (void *)(uintptr_t)ut_map, line, sizeof(line)) &&
	      strstr(line, " r-xp "));
	CHECK(ut_maps_line(0, &in_data, line, sizeof(line)) && strstr(line, " rw-p "));
	CHECK(ut_maps_line(0, &on_stack, line, sizeof(line)) && strstr(line, "[stack]"));
	/* the auxiliary vector lies where /proc/PID/auxv has it from: AT_PAGESZ is there */
	unsigned long av[64] = {0};
	int fd = OK(open("/proc/self/auxv", O_RDONLY)), found = 0;
	ssize_t n = OK(read(fd, av, sizeof(av)));
	for (int i = 0; i + 1 < n / 8 && av[i]; i += 2)
		found |= av[i] == 6 && av[i + 1] == PAGE;
	CHECK(found);
}

TEST_MEM(malloc_13, 48, "10 MiB of malloc that cost memory before they are touched")
{
	size_t len = 10 << 20;
	long size = ut_status(0, "VmSize"), rss = ut_status(0, "RssAnon");
	volatile char *p = malloc(len);

	REQUIRE(p != NULL);
	CHECK(labs(ut_status(0, "VmSize") - size - 10240) < 64);
	CHECK(ut_status(0, "RssAnon") - rss < 512);
	for (size_t i = 0; i < len; i += PAGE)
		p[i] = 1;
	CHECK(labs(ut_status(0, "RssAnon") - rss - 10240) < 1024); /* Linux counts in batches */
	free((void *)p);
	CHECK(ut_status(0, "RssAnon") - rss < 1024);
}

TEST(zero_page_14, "reads of untouched memory: all one frame, no memory; the write gets its own")
{
	char *p = ut_map_alone(512 * PAGE);
	long sum = 0;

	for (int i = 0; i < 512; i++)
		sum += ((volatile char *)p)[i * PAGE];
	CHECK_EQ(sum, 0);
	CHECK_EQ(ut_smaps(0, p, "Rss"), 0);
	if (geteuid() == 0)
		CHECK_EQ(PM_PFN(ut_pagemap(p)), PM_PFN(ut_pagemap(p + 511 * PAGE)));
	p[100 * PAGE] = 1;
	CHECK_EQ(ut_smaps(0, p, "Rss"), 4);
	CHECK(ut_pagemap(p) != ut_pagemap(p + 100 * PAGE));
}

TEST(time_15, "busybox time -v that reports no page faults, or no memory")
{
	CHECK_EQ(system("busybox time -v sh -c 'exit 3' 2> out"), 3 << 8);
	OK(ut_slurp("out", text, sizeof(text)));
	CHECK(number_after("Minor (reclaiming a frame) page faults: ") >= 10);
	CHECK_EQ(number_after("Major (requiring I/O) page faults: "), 0);
	CHECK(number_after("Maximum resident set size (kbytes): ") >= 100);
	CHECK_EQ(number_after("Exit status: "), 3);
	/* what is asked of a child: 256 pages are 256 faults more */
	long before = ut_minflt();
	char *p = ut_map(256 * PAGE);
	for (int i = 0; i < 256; i++)
		p[i * PAGE] = 1;
	long faults = ut_minflt() - before;
	CHECK(faults >= 256 && faults < 256 + 8);
}

TEST_MEM(exec_18, 48, "fork and exec that need more memory than the new program")
{
	size_t len = 16 << 20;
	char *p = ut_map(len);
	struct rusage r;

	memset(p, 1, len);
	long faults = ut_minflt();
	for (int i = 0; i < 5; i++) {
		pid_t pid = CHILD({ execl("/bin/busybox", "true", NULL); });
		CHECK_EXIT(pid, 0);
	}
	OK(getrusage(RUSAGE_CHILDREN, &r));
	CHECK(r.ru_minflt < 5 * 400); /* no copy of 4096 pages */
	CHECK(ut_minflt() - faults < 400);
	CHECK_EQ(p[0] + p[len - 1], 2);
}

TEST_MEM(cache_22, 24,
	 "the page cache: /proc/meminfo does not show a file, or drop_caches loses it")
{
	static char buf[1 << 16];
	int fd = ut_file("f", NULL, 0);

	memset(buf, 7, sizeof(buf));
	OK(ut_slurp("/proc/meminfo", text, sizeof(text)));
	long cached = number_after("\nCached:");
	for (int i = 0; i < 64; i++)
		CHECK_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	OK(ut_slurp("/proc/meminfo", text, sizeof(text)));
	CHECK(labs(number_after("\nCached:") - cached - 4096) <= 256);
	if (geteuid() == 0)
		CHECK_EQ(system("echo 3 > /proc/sys/vm/drop_caches"), 0);
	/* a mapped page and a read page are the same page */
	char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	CHECK_EQ(p[0], 7);
	p[0] = 9;
	CHECK_EQ(pread(fd, buf, 1, 0), 1);
	CHECK_EQ(buf[0], 9);
}

/* Lines of the kernel log since the descriptor was placed at its end. */
static int log_has(int fd, const char *what)
{
	char record[1024];
	ssize_t n;
	int found = 0;

	while ((n = read(fd, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		record[n > 0 ? n : 0] = '\0';
		found |= strstr(record, what) != NULL;
	}
	return found;
}

TEST(kmsg, "/dev/kmsg: level and facility of what a program writes")
{
	char record[256];

	if (geteuid() != 0)
		SKIP("for root");
	int fd = OK(open("/dev/kmsg", O_RDWR | O_NONBLOCK));
	static const struct {
		const char *text, *head;
	} tests[] = {{"utest: plain\n", "12,"},
		     {"<3>utest: error\n", "11,"},
		     {"<30>utest: daemon\n", "30,"}};
	for (int i = 0; i < 3; i++) {
		OK(lseek(fd, 0, SEEK_END));
		CHECK_EQ(write(fd, tests[i].text, strlen(tests[i].text)), strlen(tests[i].text));
		ssize_t n = OK(read(fd, record, sizeof(record) - 1));
		record[n] = '\0';
		if (strncmp(record, tests[i].head, 3) || !strstr(record, ";utest: "))
			FAIL("\"%s\" is read as \"%s\"", tests[i].text, record);
	}
	CHECK_ERRNO(read(fd, record, sizeof(record)), EAGAIN);
}

TEST_MEM(oom_32, 64, "a process that takes all memory: it dies, the log says so, the rest lives")
{
	if (geteuid() != 0)
		SKIP("for root");
	int fd = OK(open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
	OK(lseek(fd, 0, SEEK_END));
	pid_t pid = CHILD({
		char *p;
		ut_spew("/proc/self/oom_score_adj", "1000");
		for (;;)
			if ((p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED)
				for (int i = 0; i < 256; i++)
					p[i * PAGE] = 1;
	});
	CHECK_SIGNALED(pid, SIGKILL);
	char line[64];
	sprintf(line, "Out of memory: Killed process %d (", pid);
	CHECK(log_has(fd, line));
	OK(ut_slurp("/proc/meminfo", text, sizeof(text)));
	CHECK(number_after("MemFree:") > number_after("MemTotal:") / 4);
	char *p = ut_map(4 << 20);
	memset(p, 1, 4 << 20);
}
