/* SPDX-License-Identifier: MIT */
/*
 * The classic demonstration: cow, looked at with pmap -x at each of its steps. The four tables
 * have to show the heap with RSS 0, 10 MiB, 10 MiB shared, and 10 MiB private in the child.
 */
#include "utest.h"

enum { SLACK = 128, TEN = 10240 }; /* kB; the C library's own use of the area around it */

struct table {
	int pid;
	unsigned long at;      /* the buffer */
	long size, rss, dirty; /* its line of pmap -x */
	long sum, sum_rss;     /* the total line */
	long total, total_rss; /* what the lines add up to */
	long smaps_rss, pss, shared_dirty, private_dirty, anon;
};

static struct table tables[8];
static int ntables, parent_ok;

static long field(const char *line, const char *name)
{
	const char *p = strstr(line, name);

	return p ? strtol(p + strlen(name), NULL, 10) : -1;
}

static void parse(const char *line)
{
	struct table *t = &tables[ntables ? ntables - 1 : 0];
	unsigned long addr;
	long size, rss, dirty;
	char mode[8];
	int pid;

	if (strstr(line, "10 MiB at 0x") && ntables < 8) {
		t = &tables[ntables++];
		t->pid = (int)field(line, "pid ");
		t->at = strtoul(strstr(line, "at 0x") + 3, NULL, 16);
	} else if (sscanf(line, "%16lx %ld %ld %ld %5s", &addr, &size, &rss, &dirty, mode) == 5 &&
		   strlen(mode) == 5 && strlen(line) > 40 && line[16] == ' ') {
		t->total += size;
		t->total_rss += rss;
		if (t->at >= addr && t->at < addr + size * 1024) {
			t->size = size;
			t->rss = rss;
			t->dirty = dirty;
			CHECK_STR(mode, "rw---");
			CHECK(strstr(line, "[ anon ]") != NULL);
		}
	} else if (sscanf(line, "total kB %ld %ld", &size, &rss) == 2) {
		t->sum = size;
		t->sum_rss = rss;
	} else if (!strncmp(line, "smaps of", 8)) {
		t->smaps_rss = field(line, " Rss: ");
		t->pss = field(line, " Pss: ");
		t->shared_dirty = field(line, " Shared_Dirty: ");
		t->private_dirty = field(line, " Private_Dirty: ");
		t->anon = field(line, " Anonymous: ");
	} else if (sscanf(line, "%d:   %*s", &pid) == 1 && strstr(line, "cow -r")) {
		CHECK_EQ(pid, t->pid);
	} else if (strstr(line, "its memory is as it was")) {
		parent_ok = 1;
	}
}

static int near(long kb, long want)
{
	return kb >= want - 8 && kb <= want + SLACK;
}

#define NEAR(a, want)                                                            \
	do {                                                                     \
		if (!near(a, want))                                              \
			FAIL("%s is %ld kB, not about %d", #a, (long)(a), want); \
	} while (0)

TEST_MEM(tables, 64,
	 "memory that is there before it is touched, copied by fork, or not copied by a write")
{
	FILE *f = popen("cow -r", "r");
	char line[512];

	REQUIRE(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		parse(line);
	}
	CHECK_EQ(pclose(f), 0);
	CHECK_EQ(ntables, 4);
	CHECK(parent_ok);
	for (int i = 0; i < 4; i++) {
		CHECK(tables[i].size >= TEN);
		CHECK(tables[i].size <= TEN + SLACK);
		CHECK_EQ(tables[i].total, tables[i].sum);
		CHECK_EQ(tables[i].total_rss, tables[i].sum_rss);
	}
	NEAR(tables[0].rss, 0);
	NEAR(tables[0].anon, 0);
	for (int i = 1; i < 4; i++) {
		NEAR(tables[i].rss, TEN);
		NEAR(tables[i].dirty, TEN);
		NEAR(tables[i].smaps_rss, TEN);
		NEAR(tables[i].anon, TEN);
	}
	NEAR(tables[1].private_dirty, TEN);
	NEAR(tables[1].shared_dirty, 0);
	NEAR(tables[1].pss, TEN);
	NEAR(tables[2].shared_dirty, TEN);
	NEAR(tables[2].private_dirty, 0);
	NEAR(tables[2].pss, TEN / 2);
	NEAR(tables[3].private_dirty, TEN);
	NEAR(tables[3].shared_dirty, 0);
	NEAR(tables[3].pss, TEN);
	CHECK_EQ(tables[0].pid, tables[1].pid);
	CHECK_EQ(tables[2].pid, tables[3].pid);
	CHECK(tables[1].pid != tables[2].pid);
	CHECK_EQ(tables[0].at, tables[3].at);
}

TEST(plain, "pmap's plain table that does not add up to VmSize")
{
	char cmd[128], line[512], vsyscall[256];
	long sum = 0, total = -1, size = -1, kb;
	unsigned long addr;

	/* Both are taken while system() waits: this process's own stdio changes its mappings. */
	sprintf(cmd, "(pmap %d; grep VmSize /proc/%d/status) > out", getpid(), getpid());
	CHECK_EQ(system(cmd), 0);
	FILE *f = fopen("out", "r");
	REQUIRE(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%16lx %ldK", &addr, &kb) == 2 && line[16] == ' ')
			sum += kb;
		else if (sscanf(line, " total %ldK", &kb) == 1)
			total = kb;
		else
			sscanf(line, "VmSize: %ld", &size);
	}
	fclose(f);
	CHECK(total > 0);
	CHECK_EQ(sum, total);
	if (ut_maps_line(0, (void *)0xffffffffff600000, vsyscall, sizeof(vsyscall)))
		size += 4; /* Linux shows its vsyscall page, and does not count it */
	CHECK_EQ(total, size);
}

TEST_MEM(programs, 64, "vmdemo, mallocstress and forkbench that fail")
{
	CHECK_EQ(system("vmdemo > out"), 0);
	CHECK_EQ(system("mallocstress -p 2 -n 2000 -m 4 > out"), 0);
	CHECK_EQ(system("forkbench -n 5 > out"), 0);
	CHECK_EQ(system("hog -s 0 4 > out"), 0);
}
