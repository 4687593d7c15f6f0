/* SPDX-License-Identifier: MIT */
/*
 * The OOM killer's report, its files, and the kill for a block that is not to be had.
 */
#include "oom.h"

#include <sys/prctl.h>

/* Linux's report, line by line, with the level of each: what Linux 6.1 printed. */
static const struct {
	int level;
	const char *text;
} wanted[] = {
	{4, "t_oomreport invoked oom-killer: gfp_mask=0x"},
	{4, "order=0, oom_score_adj=0"},
	{4, "CPU: "},
	{4, "Call Trace:"},
	{4, "Mem-Info:"},
	{4, "active_anon:"},
	{4, " sec_pagetables:0 bounce:0"},
	{4, " kernel_misc_reclaimable:0"},
	{4, "Node 0 active_anon:"},
	{4, "Node 0 DMA free:"},
	{4, "lowmem_reserve[]: 0 "},
	{4, "Node 0 DMA32 free:"},
	{4, "lowmem_reserve[]: 0 "},
	{4, "Node 0 DMA: "},
	{4, "Node 0 DMA32: "},
	{4, " total pagecache pages"},
	{4, " pages in swap cache"},
	{4, "Free swap  = "},
	{4, "Total swap = "},
	{4, " pages RAM"},
	{4, "0 pages HighMem/MovableOnly"},
	{4, " pages reserved"},
	{6, "Tasks state (memory values in pages):"},
	{6, "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"},
	{6,
	 "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
	 "task_memcg=/"},
	{3, "Out of memory: Killed process "},
};
#define N_WANTED (int)(sizeof(wanted) / sizeof(wanted[0]))

/* The names that have to stand in one line in this order, each before its colon. */
static const char *const node_fields[] = {
	"active_anon",  "inactive_anon",  "active_file",    "inactive_file",
	"unevictable",  "isolated(anon)", "isolated(file)", "mapped",
	"dirty",        "writeback",      "shmem",          "writeback_tmp",
	"kernel_stack", "pagetables",     "sec_pagetables", NULL,
};
static const char *const zone_fields[] = {
	"free",        "boost",
	"min",         "low",
	"high",        "reserved_highatomic",
	"active_anon", "inactive_anon",
	"active_file", "inactive_file",
	"unevictable", "writepending",
	"present",     "managed",
	"mlocked",     "bounce",
	"free_pcp",    "local_pcp",
	"free_cma",    NULL,
};

static void check_fields(const char *line, const char *const *name)
{
	for (; *name; name++) {
		char field[64];

		snprintf(field, sizeof(field), " %s:", *name);
		line = strstr(line, field);
		if (!line) {
			FAIL("no %s, or not in its place", *name);
			return;
		}
	}
}

struct report {
	int seen;          /* of the wanted lines */
	int levels;        /* that are wrong */
	int tasks;         /* header lines of the table of tasks */
	int task, verdict; /* that name the victim */
	long rss, pgtables;
	int pid;
};

static void report_line(struct report *r, const char *record)
{
	const char *text = strchr(record, ';');
	int pid, tgid, level = atoi(record) & 7;
	long vm, rss, pgtables, swapents;
	unsigned uid;
	char name[64];

	if (!text++)
		return;
	while (r->seen < N_WANTED && strstr(text, wanted[r->seen].text)) {
		if (level != wanted[r->seen].level) {
			FAIL("level %d: %.80s", level, text);
			r->levels++;
		}
		r->seen++;
	}
	if (!strncmp(text, "Node 0 active_anon:", 19))
		check_fields(text, node_fields);
	if (!strncmp(text, "Node 0 DMA free:", 16))
		check_fields(text, zone_fields);
	r->tasks += !strncmp(text, "Tasks state", 11);
	if (sscanf(text, "[%d] %u %d %ld %ld %ld %ld", &pid, &uid, &tgid, &vm, &rss, &pgtables,
		   &swapents) == 7 &&
	    pid == r->pid) {
		CHECK_EQ(tgid, pid);
		CHECK(vm >= rss && rss > 1000);
		r->rss = rss;
		r->pgtables = pgtables;
	}
	snprintf(name, sizeof(name), "task=t_oomreport,pid=%d,uid=0", r->pid);
	r->task += strstr(text, name) != NULL;
	snprintf(name, sizeof(name), "Killed process %d (t_oomreport) total-vm:", r->pid);
	r->verdict += strstr(text, name) != NULL;
}

/* What the log says of the kill of a runaway. */
static struct report killed_runaway(void)
{
	struct report r = {0};
	char *record;
	int fd;

	ut_msleep(6000); /* reports are rationed: ten in five seconds */
	fd = ut_kmsg();
	r.pid = CHILD({
		set_adj(0);
		run_away();
	});
	CHECK_SIGNALED(r.pid, SIGKILL);
	while ((record = ut_kmsg_next(fd)) != NULL)
		report_line(&r, record);
	close(fd);
	return r;
}

TEST_MEM(report, 48, "a report that misses a part, or names another than was killed")
{
	struct report r = killed_runaway();

	if (r.seen < N_WANTED)
		FAIL("no line with \"%s\" in its place", wanted[r.seen].text);
	CHECK_EQ(r.levels, 0);
	CHECK_EQ(r.tasks, 1);
	CHECK_EQ(r.task, 1);
	CHECK_EQ(r.verdict, 1);
	CHECK(r.rss > 1000 && r.pgtables > 4096);
}

TEST_MEM(dump_tasks, 48, "vm.oom_dump_tasks that is not minded")
{
	struct report r;

	ut_spew("/proc/sys/vm/oom_dump_tasks", "0");
	r = killed_runaway();
	ut_spew("/proc/sys/vm/oom_dump_tasks", "1");
	CHECK_EQ(r.tasks, 0);
	CHECK_EQ(r.rss, 0);
	CHECK_EQ(r.verdict, 1);
}

/* --- a block of 2^3 pages ---- */

#define TABLE (2 * MIB) /* what a page of the tables maps */

/* A child that has nearly all memory in page tables, which cannot move, and gives most back: one of
 * STRIDE stays. Between them is much memory, but in small pieces. */
#define STRIDE 6
static pid_t scatter(void)
{
	volatile size_t *done = shared_words();
	size_t free = meminfo("MemFree"), n = (free - free / 16 - 2 * MIB) / PAGE;
	pid_t pid = CHILD({
		volatile char *p = OK(mmap(NULL, n * TABLE, PROT_READ,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
		set_adj(0);
		for (size_t i = 0; i < n; i++)
			(void)p[i * TABLE];
		for (size_t i = 0; i + STRIDE <= n; i += STRIDE)
			OK(munmap((void *)(p + i * TABLE), (STRIDE - 1) * TABLE));
		*done = 1;
		for (;;)
			pause();
	});

	wait_for(done, 1);
	OK(munmap((void *)done, PAGE));
	return pid;
}

/* Pipes take blocks of the order for their slots, and keep them, until somebody has been killed for one.
 * How much memory was free then. */
static size_t take_blocks(void)
{
	int slots = ut_octavo() ? 2048 : 512; /* of 16 bytes; 40 on Linux */
	struct rlimit rl = {4096, 4096};
	long before = kills();
	size_t left = 0;
	int fds[2];

	OK(setrlimit(RLIMIT_NOFILE, &rl));
	for (int i = 0; i < 4000 && kills() == before; i++) {
		OK(pipe(fds));
		close(fds[0]);
		left = meminfo("MemFree");
		OK(fcntl(fds[1], F_SETPIPE_SZ, slots * (int)PAGE));
	}
	CHECK_EQ(kills(), before + 1);
	return left;
}

static void kill_for_block(void)
{
	size_t before = meminfo("MemFree");
	int log = ut_kmsg(), asked = 0, named = 0;
	pid_t victim = scatter(), taker;
	char *record, name[64];

	taker = CHILD({
		set_adj(0);
		CHECK(take_blocks() > before / 4); /* it was not for want of pages */
	});
	CHECK_EXIT(taker, 0);
	CHECK_SIGNALED(victim, SIGKILL);
	snprintf(name, sizeof(name), "Killed process %d (t_oomreport)", victim);
	while ((record = ut_kmsg_next(log)) != NULL) {
		asked += strstr(record, "t_oomreport invoked oom-killer: gfp_mask=0x") &&
			 strstr(record, "(GFP_KERNEL") && strstr(record, "__GFP_ZERO") &&
			 strstr(record, "__GFP_COMP") &&
			 strstr(record, "), order=3, oom_score_adj=0");
		named += strstr(record, name) != NULL;
	}
	close(log);
	CHECK_EQ(asked, 1);
	CHECK_EQ(named, 1);
}

TEST_MEM(order_3, 48,
	 "a block that fails for ever with much memory free, a wrong victim, or pages lost")
{
	static char was[8192], is[8192];

	/* Who has been killed counts no more when his pages are gone, and the tables go after them. */
	if (!ut_octavo())
		SKIP("Linux may choose another while the first one's tables are being freed");
	if (ut_memtotal() > 280)
		SKIP("so many tables take their time");
	memset(is, 1, sizeof(is)); /* so that its pages are there */
	ut_msleep(6000);           /* as above */
	kill_for_block();
	ut_msleep(250);
	ut_slurp("/proc/octavo/ledger", was, sizeof(was));
	kill_for_block();
	ut_msleep(250);
	is[0] = 0;
	ut_slurp("/proc/octavo/ledger", is, sizeof(is));
	check_ledger(was, is, 16);
	check_machine();
}

/* --- /proc ---- */

static long oom_file(const char *name)
{
	char path[64], text[32] = "";

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	OK(ut_slurp(path, text, sizeof(text)));
	return atol(text);
}

static void write_errno(const char *path, const char *text, int err)
{
	int fd = OK(open(path, O_WRONLY));

	if (err)
		CHECK_ERRNO(write(fd, text, strlen(text)), err);
	else
		CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
	close(fd);
}

TEST(files, "oom_score_adj, oom_adj and oom_score: values, bounds, rights, inheritance")
{
	static const char adj[] = "/proc/self/oom_score_adj", old[] = "/proc/self/oom_adj";
	long base;

	set_adj(0);
	base = oom_file("oom_score");
	CHECK(base > 600 && base < 1400);
	set_adj(1000);
	CHECK_EQ(oom_file("oom_adj"), 15);
	CHECK(oom_file("oom_score") > base + 500); /* 667, less what a small machine rounds off */
	set_adj(-1000);
	CHECK_EQ(oom_file("oom_adj"), -17);
	CHECK_EQ(oom_file("oom_score"), 0);
	set_adj(500);
	CHECK_EQ(oom_file("oom_adj"), 8);
	write_errno(adj, "1001", EINVAL);
	write_errno(adj, "-1001", EINVAL);
	write_errno(adj, "x", EINVAL);
	write_errno(old, "15", 0);
	CHECK_EQ(oom_file("oom_score_adj"), 1000);
	write_errno(old, "-17", 0);
	CHECK_EQ(oom_file("oom_score_adj"), -1000);
	write_errno(old, "-8", 0);
	CHECK_EQ(oom_file("oom_score_adj"), -470);
	write_errno(old, "16", EINVAL);
	write_errno(old, "-18", EINVAL);
	set_adj(100);
	CHECK_EXIT(CHILD({
			   CHECK_EQ(oom_file("oom_score_adj"), 100);
			   OK(setuid(1000));
			   OK(prctl(PR_SET_DUMPABLE, 1)); /* its files are its own */
			   write_errno(adj, "300", 0);
			   write_errno(adj, "100", 0); /* as low as root had it */
			   write_errno(adj, "99", EACCES);
			   write_errno(old, "0", EACCES);
		   }),
		   0);
}
