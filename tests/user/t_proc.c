/* SPDX-License-Identifier: MIT */
/*
 * /proc: every file in Linux's exact format, and numbers that agree with one another.
 *
 * Formats are extended regular expressions, one a line; a file has to have the lines in this
 * order, and no others unless the list ends with "*".
 */
#include "utest.h"

#include <regex.h>

static char text[1 << 18];

static int matches(const char *line, const char *pattern)
{
	regex_t re;
	int r;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB)) {
		FAIL("bad pattern %s", pattern);
		return 0;
	}
	r = regexec(&re, line, 0, NULL, 0);
	regfree(&re);
	return r == 0;
}

static void slurp(const char *path)
{
	if (ut_slurp(path, text, sizeof(text)) < 0) {
		FAIL("%s: %s", path, ut_errname(errno));
		ut_abort();
	}
}

/* Each line of the file against the pattern. */
static void check_every_line(const char *path, const char *pattern)
{
	slurp(path);
	int n = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n++)
		if (!matches(line, pattern)) {
			FAIL("%s: line \"%s\" is not like %s", path, line, pattern);
			return;
		}
	if (!n)
		FAIL("%s is empty", path);
}

/* The names, in this order; Linux may have others in between. */
static void check_fields(const char *path, const char *const *names, const char *rest)
{
	char pattern[256];
	size_t i = 0;

	slurp(path);
	for (char *line = strtok(text, "\n"); line && names[i]; line = strtok(NULL, "\n")) {
		size_t n = strlen(names[i]);
		if (strncmp(line, names[i], n) ||
		    strchr("abcdefghijklmnopqrstuvwxyz_", line[n] | 0x20))
			continue;
		snprintf(pattern, sizeof(pattern), "^%.*s%s$", (int)n,
			 "...................................", rest);
		if (!matches(line, pattern))
			FAIL("%s: \"%s\" is not like \"%s%s\"", path, line, names[i], rest);
		i++;
	}
	if (names[i])
		FAIL("%s: \"%s\" is missing, or not in its place", path, names[i]);
}

static long value_of(const char *name)
{
	size_t n = strlen(name);

	for (char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, name, n) && strchr(": \t", p[n]))
			return strtol(p + n + 1, NULL, 10);
	return -1;
}

TEST(meminfo, "/proc/meminfo: names, widths, and sums that do not add up")
{
	static const char *const names[] = {
		"MemTotal:",     "MemFree:",        "MemAvailable:", "Buffers:",
		"Cached:",       "SwapCached:",     "Active:",       "Inactive:",
		"Active(anon):", "Inactive(anon):", "Active(file):", "Inactive(file):",
		"Unevictable:",  "Mlocked:",        "SwapTotal:",    "SwapFree:",
		"Dirty:",        "Writeback:",      "AnonPages:",    "Mapped:",
		"Shmem:",        "KReclaimable:",   "Slab:",         "SReclaimable:",
		"SUnreclaim:",   "KernelStack:",    "PageTables:",   "CommitLimit:",
		"Committed_AS:", "VmallocTotal:",   "VmallocUsed:",  NULL};

	check_fields("/proc/meminfo", names, " +[0-9]+ kB");
	slurp("/proc/meminfo");
	long total = value_of("MemTotal"), free = value_of("MemFree");
	CHECK(total > 4000);
	CHECK(free > 0 && free < total);
	CHECK(value_of("MemAvailable") <= total);
	CHECK_EQ(value_of("Slab"), value_of("SReclaimable") + value_of("SUnreclaim"));
	CHECK_EQ(value_of("Active"), value_of("Active(anon)") + value_of("Active(file)"));
	CHECK_EQ(value_of("Inactive"), value_of("Inactive(anon)") + value_of("Inactive(file)"));
	slurp("/proc/meminfo");
	char first[64];
	snprintf(first, sizeof(first), "%.28s", text);
	CHECK(matches(first, "^MemTotal: +[0-9]+ kB\n?")); /* 28 characters a line */
	CHECK_EQ(strchr(text, '\n') - text, 27);
}

TEST_MEM(meminfo_moves, 64, "MemFree and AnonPages that do not follow what programs do")
{
	size_t len = 16 << 20;
	long free, anon, taken = 0;
	char *p;

	/* Linux may still be freeing what a test before this one had */
	for (int i = 0; i < 10 && taken <= 15000; i++) {
		slurp("/proc/meminfo");
		free = value_of("MemFree"), anon = value_of("AnonPages");
		p = ut_map(len);
		memset(p, 1, len);
		slurp("/proc/meminfo");
		taken = free - value_of("MemFree");
		if (taken <= 15000)
			OK(munmap(p, len));
	}
	REQUIRE(taken > 15000);
	CHECK(value_of("AnonPages") - anon > 15000);
	OK(munmap(p, len));
	slurp("/proc/meminfo");
	CHECK(value_of("MemFree") > free - 8000);
	CHECK(value_of("AnonPages") - anon < 4000);
}

TEST(buddyinfo, "/proc/buddyinfo: zones, eleven orders, and a sum that is not MemFree")
{
	check_every_line("/proc/buddyinfo",
			 "^Node [0-9]+, zone +(DMA|DMA32|Normal|Movable)( +[0-9]+){11} ?$");
	slurp("/proc/buddyinfo");
	long pages = 0;
	for (char *p = text; *p; p = strchr(p, '\n') + 1) {
		char *q = strstr(p, "zone") + 4;
		q += strspn(q, " ");
		q += strcspn(q, " ");
		for (int order = 0; order < 11; order++)
			pages += strtol(q, &q, 10) << order;
	}
	slurp("/proc/meminfo");
	long free = value_of("MemFree") / 4;
	CHECK(pages <= free + 500 && pages >= free / 2);
}

TEST(zoneinfo, "/proc/zoneinfo: its lines and the sum of what zones manage")
{
	slurp("/proc/zoneinfo");
	long managed = 0, v;
	int zones = 0, mins = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		zones += matches(line, "^Node [0-9]+, zone +(DMA|DMA32|Normal|Movable|Device)$");
		mins += matches(line, "^        (min|low|high) +[0-9]+$");
		if (sscanf(line, "        managed %ld", &v) == 1)
			managed += v;
	}
	CHECK(zones >= 1);
	CHECK(mins >= zones * 3 - 6);
	CHECK(managed * 4 / 1024 >= (long)ut_memtotal() - 1);
	CHECK(managed * 4 / 1024 <= (long)ut_memtotal() + 1);
}

TEST(vmstat, "/proc/vmstat: names that tools read; counters that do not count")
{
	static const char *const names[] = {"nr_free_pages", "pgalloc_dma32", "pgfree",
					    "pgfault",       "pgmajfault",    NULL};

	check_every_line("/proc/vmstat", "^[a-z0-9_]+ [0-9]+$");
	slurp("/proc/vmstat");
	for (int i = 0; names[i]; i++)
		if (value_of(names[i]) < 0)
			FAIL("%s is missing", names[i]);
	long faults = value_of("pgfault");
	char *p = ut_map(200 * PAGE);
	for (int i = 0; i < 200; i++)
		p[i * PAGE] = 1;
	slurp("/proc/vmstat");
	CHECK(value_of("pgfault") - faults >= 200);
}

TEST(stat, "/proc/stat: cpu lines, and counters that stand")
{
	slurp("/proc/stat");
	CHECK(matches(strtok(text, "\n"), "^cpu  [0-9]+( [0-9]+){9}$"));
	CHECK(matches(strtok(NULL, "\n"), "^cpu0 [0-9]+( [0-9]+){9}$"));
	slurp("/proc/stat");
	CHECK(value_of("ctxt") > 0);
	CHECK(value_of("btime") > 1500000000);
	CHECK(value_of("procs_running") >= 1);
	CHECK(value_of("procs_blocked") >= 0);
	long forks = value_of("processes");
	CHECK(forks > 0);
	pid_t pid = CHILD({});
	CHECK_EXIT(pid, 0);
	slurp("/proc/stat");
	CHECK(value_of("processes") > forks);
}

/* Runs of 3 ms, of which the ticks see some, now in the program and now in the kernel. */
static void work_a_little(int in_kernel)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (volatile int i = 0; !in_kernel && i < 20000; i++)
			;
		for (int i = 0; in_kernel && i < 200; i++)
			getppid();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < 3000000);
}

TEST(stat_forward, "/proc/stat: a CPU's user, system or idle time that runs backwards")
{
	unsigned long was[5] = {0}, is[5];

	for (int i = 0; i < 120; i++) {
		work_a_little(i / 20 % 2);
		ut_msleep(2);
		slurp("/proc/stat");
		REQUIRE(sscanf(text, "cpu %lu %lu %lu %lu %lu", &is[0], &is[1], &is[2], &is[3],
			       &is[4]) == 5);
		for (int k = 0; k < 4; k++)
			CHECK(is[k] >= was[k]);
		memcpy(was, is, sizeof(was));
	}
}

TEST(small_files, "/proc/{uptime,loadavg,version,cmdline,filesystems,mounts}")
{
	check_every_line("/proc/uptime", "^[0-9]+\\.[0-9]{2} [0-9]+\\.[0-9]{2}$");
	check_every_line(
		"/proc/loadavg",
		"^[0-9]+\\.[0-9]{2} [0-9]+\\.[0-9]{2} [0-9]+\\.[0-9]{2} [0-9]+/[0-9]+ [0-9]+$");
	check_every_line("/proc/version", "^Linux version 6\\..*$");
	slurp("/proc/cmdline");
	CHECK(text[0] && text[strlen(text) - 1] == '\n' &&
	      strchr(text, '\n') == text + strlen(text) - 1);
	check_every_line("/proc/filesystems", "^(nodev)?\t[a-z0-9_]+$");
	slurp("/proc/filesystems");
	CHECK(strstr(text, "nodev\tproc\n") && strstr(text, "nodev\ttmpfs\n") &&
	      strstr(text, "nodev\tsysfs\n") && strstr(text, "nodev\tdevtmpfs\n"));
	check_every_line("/proc/mounts", "^[^ ]+ /[^ ]* [a-z0-9_]+ (rw|ro)(,[^ ]*)? 0 0$");
	slurp("/proc/mounts");
	CHECK(strstr(text, " /proc proc ") && strstr(text, " /tmp tmpfs "));
	slurp("/proc/cpuinfo");
	CHECK(!strncmp(text, "processor\t: 0\n", 14));
	CHECK(strstr(text, "\nmodel name\t: ") && strstr(text, "\nflags\t\t: ") &&
	      strstr(text, "\nvendor_id\t: "));
}

TEST(maps, "/proc/self/maps: format, order, names")
{
	unsigned long s, e, prev = 0;

	check_every_line("/proc/self/maps",
			 "^[0-9a-f]{8,16}-[0-9a-f]{8,16} [r-][w-][x-][ps] [0-9a-f]{8,} "
			 "[0-9a-f]{2,}:[0-9a-f]{2,} [0-9]+ *(/.*|\\[.*\\])?$");
	slurp("/proc/self/maps");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		CHECK_EQ(sscanf(line, "%lx-%lx", &s, &e), 2);
		CHECK(s < e && s >= prev && s % PAGE == 0 && e % PAGE == 0);
		/* a name begins in column 73 */
		char *name = strpbrk(line, "/[");
		if (name)
			CHECK_EQ(name - line, 73);
		prev = e;
	}
	slurp("/proc/self/maps");
	CHECK(strstr(text, "/t_proc\n") && strstr(text, "[stack]\n"));
}

TEST(maps_long, "a maps file larger than a page that loses or repeats lines between reads")
{
	size_t n = 700;
	char *p = ut_map_prot(2 * n * PAGE, PROT_NONE);

	for (size_t i = 0; i < n; i++)
		OK(mprotect(p + 2 * i * PAGE, PAGE, PROT_READ));
	CHECK_EQ(ut_maps_count(p, p + 2 * n * PAGE), (long)(2 * n));
	/* byte by byte it is the same text */
	int fd = OK(open("/proc/self/maps", O_RDONLY));
	unsigned long s, e, prev = 0;
	char line[256];
	size_t len = 0, lines = 0;
	char c;
	while (read(fd, &c, 1) == 1 && lines < 300) {
		line[len++] = c;
		if (c != '\n')
			continue;
		line[len] = 0;
		CHECK_EQ(sscanf(line, "%lx-%lx", &s, &e), 2);
		CHECK(s >= prev);
		prev = e;
		len = 0;
		lines++;
	}
	CHECK_EQ(lines, 300);
}

static const char *const smaps_fields[] = {"Size:",
					   "KernelPageSize:",
					   "MMUPageSize:",
					   "Rss:",
					   "Pss:",
					   "Shared_Clean:",
					   "Shared_Dirty:",
					   "Private_Clean:",
					   "Private_Dirty:",
					   "Referenced:",
					   "Anonymous:",
					   "LazyFree:",
					   "AnonHugePages:",
					   "ShmemPmdMapped:",
					   "FilePmdMapped:",
					   "Shared_Hugetlb:",
					   "Private_Hugetlb:",
					   "Swap:",
					   "SwapPss:",
					   "Locked:",
					   NULL};

TEST(smaps, "/proc/self/smaps: the fields of each area, and their sums")
{
	check_fields("/proc/self/smaps", smaps_fields, " +[0-9]+ kB");
	char *p = ut_map_alone(64 * PAGE);
	memset(p, 1, 32 * PAGE);
	CHECK_EQ(ut_smaps(0, p, "Size"), 256);
	CHECK_EQ(ut_smaps(0, p, "KernelPageSize"), 4);
	CHECK_EQ(ut_smaps(0, p, "MMUPageSize"), 4);
	CHECK_EQ(ut_smaps(0, p, "Rss"), 128);
	CHECK_EQ(ut_smaps(0, p, "Pss"), 128);
	CHECK_EQ(ut_smaps(0, p, "Private_Dirty"), 128);
	CHECK_EQ(ut_smaps(0, p, "Anonymous"), 128);
	CHECK_EQ(ut_smaps(0, p, "Shared_Dirty"), 0);
	CHECK_EQ(ut_smaps(0, p, "Swap"), 0);
	CHECK_EQ(ut_smaps(0, p, "Locked"), 0);
	slurp("/proc/self/smaps");
	CHECK(strstr(text, "\nVmFlags: rd wr mr mw me ") != NULL);
	CHECK(strstr(text, "\nRss:                 128 kB\n") != NULL);
	/* a clean file page */
	CHECK(ut_smaps(0, (void *)(uintptr_t)slurp, "Rss") > 0);
	CHECK_EQ(ut_smaps(0, (void *)(uintptr_t)slurp, "Anonymous"), 0);
}

TEST(identities, "maps, smaps, statm, status and pagemap that tell different sizes")
{
	char *p = ut_map_alone(100 * PAGE);
	memset(p, 1, 60 * PAGE);
	int fd = ut_file("f", NULL, 0);
	OK(ftruncate(fd, 50 * PAGE));
	char *m = OK(mmap(NULL, 50 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	memset(m, 1, 20 * PAGE);

	/* sums over smaps, without the vsyscall page, which is nobody's */
	long size = 0, rss = 0, v;
	unsigned long s, e;
	slurp("/proc/self/smaps");
	int counted = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "%lx-%lx ", &s, &e) == 2) {
			counted = s < 0x800000000000;
			size += counted ? (long)(e - s) / 1024 : 0;
		}
		if (counted && sscanf(line, "Rss: %ld kB", &v) == 1)
			rss += v;
	}
	CHECK_EQ(ut_status(0, "VmSize"), size);
	slurp("/proc/self/statm");
	long t, r, sh, tx, l, d, z;
	CHECK_EQ(sscanf(text, "%ld %ld %ld %ld %ld %ld %ld", &t, &r, &sh, &tx, &l, &d, &z), 7);
	CHECK_EQ(t * 4, size);
	/* Linux counts residents in batches of 64 a task */
	CHECK(labs(r * 4 - rss) <= 768);
	CHECK(sh * 4 >= 80 - 256);
	CHECK(l == 0 && z == 0);
	long vmrss = ut_status(0, "VmRSS");
	CHECK(labs(vmrss - rss) <= 768);
	CHECK_EQ(ut_status(0, "RssAnon") + ut_status(0, "RssFile") + ut_status(0, "RssShmem"),
		 ut_status(0, "VmRSS"));
	CHECK(labs(ut_status(0, "RssShmem") - 80) <= 256);
	/* pagemap has a present entry for each resident page */
	long present = 0;
	for (int i = 0; i < 100; i++)
		present += !!(ut_pagemap(p + i * PAGE) & PM_PRESENT);
	CHECK_EQ(present, 60);
	CHECK_EQ(ut_smaps(0, p, "Rss"), 240);
	CHECK(ut_pagemap(m) & PM_FILE);
	CHECK(!(ut_pagemap(p) & PM_FILE));
	CHECK(ut_pagemap(p) & PM_EXCL);
	CHECK_EQ(ut_pagemap(p) & PM_SWAP, 0);
}

TEST(pagemap_file, "/proc/self/pagemap read at odd offsets or lengths")
{
	int fd = OK(open("/proc/self/pagemap", O_RDONLY));
	uint64_t v[64];
	volatile char *p = ut_map_alone(64 * PAGE);

	for (int i = 0; i < 64; i += 2)
		p[i * PAGE] = 1;
	off_t at = (uintptr_t)p / PAGE * 8;
	CHECK_EQ(pread(fd, v, sizeof(v), at), sizeof(v));
	for (int i = 0; i < 64; i++)
		CHECK_EQ(!!(v[i] & PM_PRESENT), i % 2 == 0);
	CHECK_ERRNO(pread(fd, v, 8, at + 1), EINVAL);
	CHECK_ERRNO(pread(fd, v, 7, at), EINVAL);
	CHECK_ERRNO(pread(fd, BADPTR, 8, at), EFAULT);
	CHECK_EQ(pread(fd, v, 8, 0), 8);
	CHECK_EQ(v[0], 0);
}

TEST(pid_stat, "/proc/PID/stat: 52 fields in their places")
{
	pid_t pid = CHILD({ pause(); });
	char path[64], comm[64], state;
	int rpid, ppid, pgrp, sid;

	ut_wait_state(pid, 'S');
	sprintf(path, "/proc/%d/stat", pid);
	check_every_line(path, "^[0-9]+ \\(.*\\) [RSDTZ]( -?[0-9]+){49}$");
	slurp(path);
	CHECK_EQ(sscanf(text, "%d (%63[^)]) %c %d %d %d", &rpid, comm, &state, &ppid, &pgrp, &sid),
		 6);
	CHECK_EQ(rpid, pid);
	CHECK_STR(comm, "t_proc");
	CHECK_EQ(state, 'S');
	CHECK_EQ(ppid, getpid());
	CHECK_EQ(pgrp, getpgrp());
	CHECK_EQ(sid, getsid(0));
	OK(kill(pid, SIGSTOP));
	ut_wait_state(pid, 'T');
	OK(kill(pid, SIGKILL));
	ut_wait_state(pid, 'Z');
	CHECK_SIGNALED(pid, SIGKILL);
	CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
	/* fields 10 (minflt), 14 and 15 (times), 20 (threads), 23 (vsize), 24 (rss) */
	slurp("/proc/self/stat");
	char *f[60] = {0};
	int n = 2;
	for (char *q = strtok(strrchr(text, ')') + 2, " "); q && n < 59; q = strtok(NULL, " "))
		f[++n] = q;
	CHECK_EQ(n, 52);
	CHECK(atol(f[10]) > 0);
	CHECK_EQ(atol(f[20]), 1);
	CHECK(atol(f[24]) > 10);
	CHECK(atol(f[18]) == 20 && atol(f[19]) == 0);
	CHECK_EQ(atol(f[23]) / 1024, ut_status(0, "VmSize"));
}

TEST(comm_escape, "a command name with blanks and brackets in stat and status")
{
	int fd = open("/proc/self/comm", O_WRONLY);

	if (fd < 0)
		SKIP_LINUX("/proc/self/comm cannot be written");
	OK(write(fd, "a) (b\n", 5));
	slurp("/proc/self/stat");
	CHECK(strstr(text, " (a) (b) R ") != NULL);
	check_every_line("/proc/self/stat", "^[0-9]+ \\(.*\\) R( -?[0-9]+){49}$");
}

TEST(pid_status, "/proc/PID/status: names, tabs, values")
{
	static const char *const lines[] = {"^Name:\tt_proc$",
					    "^Umask:\t0022$",
					    "^State:\tR \\(running\\)$",
					    "^Tgid:\t[0-9]+$",
					    "^Pid:\t[0-9]+$",
					    "^PPid:\t[0-9]+$",
					    "^Uid:\t0\t0\t0\t0$",
					    "^Gid:\t0\t0\t0\t0$",
					    "^FDSize:\t[0-9]+$",
					    "^VmPeak:\t *[0-9]+ kB$",
					    "^VmSize:\t *[0-9]+ kB$",
					    "^VmLck:\t *[0-9]+ kB$",
					    "^VmHWM:\t *[0-9]+ kB$",
					    "^VmRSS:\t *[0-9]+ kB$",
					    "^RssAnon:\t *[0-9]+ kB$",
					    "^RssFile:\t *[0-9]+ kB$",
					    "^RssShmem:\t *[0-9]+ kB$",
					    "^VmData:\t *[0-9]+ kB$",
					    "^VmStk:\t *[0-9]+ kB$",
					    "^VmExe:\t *[0-9]+ kB$",
					    "^VmLib:\t *[0-9]+ kB$",
					    "^VmPTE:\t *[0-9]+ kB$",
					    "^VmSwap:\t *[0-9]+ kB$",
					    "^Threads:\t1$",
					    "^SigQ:\t[0-9]+/[0-9]+$",
					    "^SigPnd:\t[0-9a-f]{16}$",
					    "^ShdPnd:\t[0-9a-f]{16}$",
					    "^SigBlk:\t0000000000000200$",
					    "^SigIgn:\t[0-9a-f]{13}[8-9a-f][0-9a-f]{2}$",
					    "^SigCgt:\t[0-9a-f]{16}$",
					    "^voluntary_ctxt_switches:\t[0-9]+$",
					    "^nonvoluntary_ctxt_switches:\t[0-9]+$",
					    NULL};
	sigset_t set;
	size_t i = 0;

	umask(022);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR2, SIG_IGN);
	if (getuid() != 0)
		SKIP("for root");
	slurp("/proc/self/status");
	for (char *line = strtok(text, "\n"); line && lines[i]; line = strtok(NULL, "\n"))
		if (matches(line, lines[i]))
			i++;
	if (lines[i])
		FAIL("/proc/self/status: no line like %s, or not in its place", lines[i]);
}

TEST(pid_links, "/proc/PID/{exe,cwd,root,fd}")
{
	char link[512], path[64];

	ssize_t n = OK(readlink("/proc/self/exe", link, sizeof(link) - 1));
	link[n] = 0;
	CHECK(strstr(link, "/t_proc") != NULL);
	n = OK(readlink("/proc/self/cwd", link, sizeof(link) - 1));
	link[n] = 0;
	CHECK(strstr(link, "/tmp/ut.") == link);
	n = OK(readlink("/proc/self/root", link, sizeof(link) - 1));
	CHECK(n == 1 && link[0] == '/');
	int fd = ut_file("open_file", "content", 7);
	sprintf(path, "/proc/self/fd/%d", fd);
	n = OK(readlink(path, link, sizeof(link) - 1));
	link[n] = 0;
	CHECK(strstr(link, "/open_file") != NULL);
	char c;
	int again = OK(open(path, O_RDONLY)); /* a new description: offset 0 */
	OK(read(again, &c, 1));
	CHECK_EQ(c, 'c');
	OK(unlink("open_file"));
	n = OK(readlink(path, link, sizeof(link) - 1));
	link[n] = 0;
	CHECK(strstr(link, "/open_file (deleted)") != NULL);
	int fds[2];
	OK(pipe(fds));
	sprintf(path, "/proc/self/fd/%d", fds[0]);
	n = OK(readlink(path, link, sizeof(link) - 1));
	link[n] = 0;
	CHECK(matches(link, "^pipe:\\[[0-9]+\\]$"));
	CHECK_ERRNO(readlink("/proc/self/fd/99", link, 10), ENOENT);
}

TEST(cmdline_environ, "/proc/PID/{cmdline,environ,comm}: NULs, several pages, another's")
{
	pid_t pid = CHILD({
		char *argv[] = {"/bin/sleep", "100", NULL};
		char *env[] = {"ONE=1", "TWO=2", NULL};
		execve(argv[0], argv, env);
		_exit(9);
	});
	char path[64];
	ssize_t n = 0;

	sprintf(path, "/proc/%d/comm", pid);
	for (int i = 0; i < 2000; i++) {
		ut_slurp(path, text, sizeof(text));
		if (!strcmp(text, "sleep\n"))
			break;
		ut_msleep(2);
	}
	CHECK_STR(text, "sleep\n");
	/* exec names the process before it builds the new stack: the arguments appear later */
	sprintf(path, "/proc/%d/cmdline", pid);
	for (int i = 0; i < 2000; i++) {
		n = ut_slurp(path, text, sizeof(text));
		if (n)
			break;
		ut_msleep(2);
	}
	CHECK_EQ(n, 15);
	CHECK(!memcmp(text,
		      "/bin/sleep\0"
		      "100\0",
		      15));
	sprintf(path, "/proc/%d/environ", pid);
	n = ut_slurp(path, text, sizeof(text));
	CHECK_EQ(n, 12);
	CHECK(!memcmp(text, "ONE=1\0TWO=2\0", 12));
	sprintf(path, "/proc/%d/exe", pid);
	n = OK(readlink(path, text, 100));
	text[n] = 0;
	CHECK(strstr(text, "/busybox") || strstr(text, "/sleep"));
	OK(kill(pid, SIGKILL));
	ut_wait_state(pid, 'Z');
	sprintf(path, "/proc/%d/cmdline", pid);
	CHECK_EQ(ut_slurp(path, text, sizeof(text)), 0);
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(fd_dir, "/proc/self/fd that lists closed descriptors, or lacks open ones")
{
	int a = OK(dup(0)), b = OK(dup2(0, 77));

	(void)a;
	close(b);
	OK(dup2(0, 78));
	/* what system() itself had open for a moment may be gone before ls looks at it */
	CHECK_EQ(system("ls /proc/$PPID/fd > out 2> /dev/null; true"), 0);
	ut_slurp("out", text, sizeof(text));
	CHECK(strstr(text, "78\n") != NULL);
	CHECK(strstr(text, "77\n") == NULL);
}

TEST(tools, "ps, top, free, pidof, uptime and mount of busybox that cannot read /proc")
{
	CHECK_EQ(system("ps | grep -q t_proc"), 0);
	CHECK_EQ(system("ps -o pid,ppid,vsz,rss,stat,comm | grep -q t_proc"), 0);
	CHECK_EQ(system("free | grep -q '^Mem: *[0-9]'"), 0);
	CHECK_EQ(system("top -b -n 1 | grep -q '^Mem: *[0-9]'"), 0);
	CHECK_EQ(system("uptime | grep -q 'load average'"), 0);
	CHECK_EQ(system("mount | grep -q 'proc on /proc type proc'"), 0);
	CHECK_EQ(system("df > out 2>&1"), 0);
	CHECK_EQ(system("pidof t_proc > out"), 0);
}

TEST(gone, "files of a process that has ended while they were open")
{
	pid_t pid = CHILD({ pause(); });
	char path[64];

	sprintf(path, "/proc/%d/maps", pid);
	int maps = OK(open(path, O_RDONLY));
	sprintf(path, "/proc/%d/status", pid);
	int status = OK(open(path, O_RDONLY));
	sprintf(path, "/proc/%d", pid);
	int dir = OK(open(path, O_RDONLY | O_DIRECTORY));
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	CHECK(read(maps, text, 100) <= 0);
	CHECK_ERRNO(read(status, text, 100), ESRCH);
	CHECK_ERRNO(openat(dir, "stat", O_RDONLY), ESRCH);
	CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
}

TEST(sysctls, "/proc/sys files that tools and test programs read")
{
	check_every_line("/proc/sys/kernel/pid_max", "^[0-9]+$");
	check_every_line("/proc/sys/kernel/osrelease", "^6\\..*$");
	check_every_line("/proc/sys/vm/overcommit_memory", "^[012]$");
	check_every_line("/proc/sys/vm/max_map_count", "^[0-9]+$");
	check_every_line("/proc/sys/vm/min_free_kbytes", "^[0-9]+$");
	int fd = OK(open("/proc/sys/vm/drop_caches", O_WRONLY));
	CHECK_EQ(write(fd, "3\n", 2), 2);
}

TEST(sysctl_rights, "what a sysctl's mode allows nobody, allowed to root")
{
	CHECK_ERRNO(open("/proc/sys/vm/drop_caches", O_RDONLY), EACCES);
	CHECK_ERRNO(open("/proc/sys/vm/drop_caches", O_RDWR), EACCES);
	CHECK_ERRNO(open("/proc/sys/vm/compact_memory", O_RDONLY), EACCES);
	CHECK_ERRNO(open("/proc/sys/kernel/osrelease", O_WRONLY), EACCES);
	CHECK_ERRNO(open("/proc/sys/kernel/version", O_RDWR), EACCES);
	if (geteuid() == 0)
		close(OK(open("/proc/sys/vm/overcommit_memory", O_RDWR)));
}

TEST(fdinfo, "/proc/PID/fdinfo: lines, position, flags, mode")
{
	char path[64];
	struct stat st;
	int fd = ut_file("f", "content", 7);

	OK(lseek(fd, 3, SEEK_SET));
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	check_every_line(path, "^(pos|flags|mnt_id|ino):\t[0-9]+$");
	slurp(path);
	CHECK_EQ(value_of("pos"), 3);
	CHECK(!strncmp(strchr(text, '\n'), "\nflags:\t0100002\n", 16));
	OK(fstat(fd, &st));
	CHECK_EQ(value_of("ino"), st.st_ino);
	OK(stat(path, &st));
	CHECK_EQ(st.st_mode & 07777, 0444);
}

TEST(node_counters, "the node's counters in vmstat and zoneinfo out of Linux's order")
{
	static const char *const names[] = {"nr_inactive_anon",
					    "nr_active_anon",
					    "nr_inactive_file",
					    "nr_active_file",
					    "nr_unevictable",
					    "nr_slab_reclaimable",
					    "nr_slab_unreclaimable",
					    "nr_anon_pages",
					    "nr_mapped",
					    "nr_file_pages",
					    "nr_dirty",
					    "nr_writeback",
					    "nr_shmem",
					    "nr_kernel_stack",
					    "nr_page_table_pages",
					    "nr_swapcached",
					    NULL};
	static const char *const events[] = {"pgpgin",  "pgpgout",     "pswpin",
					     "pswpout", "pgalloc_dma", "pgfree",
					     "pgfault", "pgmajfault",  NULL};
	char line[64];

	for (int pass = 0; pass < 3; pass++) {
		const char *const *name = pass == 2 ? events : names;
		slurp(pass == 1 ? "/proc/zoneinfo" : "/proc/vmstat");
		for (char *at = text; *name; name++) {
			snprintf(line, sizeof(line), pass == 1 ? "\n      %-12s " : "\n%s ", *name);
			char *next = strstr(at, line);
			if (!next) {
				FAIL("%s is missing, or not in its place", *name);
				break;
			}
			at = next;
		}
	}
}
