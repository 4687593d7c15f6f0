/* SPDX-License-Identifier: MIT */
/*
 * The programs of user/ that show a shortage: each does what it says, and its figures are right. What
 * needs swap is skipped without; it and the OOM killer are then at work here for real.
 */
#include "utest.h"

static char text[1 << 16];

/* Runs it, its output in text[]; the exit status, or -1 if it was killed. */
static int run(const char *command)
{
	char line[512];
	int status;

	snprintf(line, sizeof(line), "%s >out 2>&1", command);
	status = OK(system(line));
	OK(ut_slurp("out", text, sizeof(text)));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_run(const char *command, int status, const char *says)
{
	int got = run(command);

	if (got != status || !strstr(text, says)) {
		FAIL("\"%s\" ended with %d, not %d, or does not say \"%s\"", command, got, status,
		     says);
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			ut_note("%s", line);
	}
}

static long meminfo(const char *name)
{
	return ut_number("/proc/meminfo", name);
}

/* In a file that is nothing else. */
static long number_in(const char *path)
{
	char text[32];

	OK(ut_slurp(path, text, sizeof(text)));
	return atol(text);
}

static void need_swap(void)
{
	if (meminfo("SwapFree") < 64 << 10)
		SKIP("needs 64 MiB of swap: mkswap and swapon a device first");
}

static void need_root(void)
{
	if (geteuid() != 0)
		SKIP("for root");
}

TEST_MEM(hog, 24, "hog: pages it says that it has and has not")
{
	long rss, swap;
	char *p;

	check_run("hog -q -s 0 6", 0, "had 6 MiB");
	REQUIRE((p = strstr(text, "RSS ")) != NULL);
	REQUIRE(sscanf(p, "RSS %ld kB, swap %ld kB", &rss, &swap) == 2);
	CHECK(rss + swap >= 6 << 10);
	CHECK(rss + swap < 7 << 10);
}

TEST_MEM(thrash, 24, "thrash: a round that does not read back what the one before wrote")
{
	check_run("thrash -r 2 6", 0, "2 rounds, every byte was as it was written");
	check_run("thrash -R -r 2 -S 7 6", 0, "2 rounds, every byte was as it was written");
}

TEST(thrash_swap, "a working set larger than RAM that is not kept, or not by swap")
{
	char command[64];
	long in, major = 0;

	need_swap();
	in = ut_number("/proc/vmstat", "pswpin");
	snprintf(command, sizeof(command), "thrash -r 2 %ld", meminfo("MemAvailable") / 1024 + 24);
	check_run(command, 0, "every byte was as it was written");
	CHECK(ut_number("/proc/vmstat", "pswpin") - in > 2000);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (sscanf(line, "    2 %*f %*f %*d %ld", &major) == 1)
			break;
	CHECK(major > 100);
}

/* What locker says of step, beginning at its line's start. */
static void locker_line(const char *step, const char *result, long resident, long locked)
{
	char said[16];
	long r, l;
	char *p = strstr(text, step);

	if (!p || sscanf(p + 34, "%15s resident %ld VmLck %*d Locked %ld", said, &r, &l) != 3)
		FAIL("no line \"%s\"", step);
	else if (strcmp(said, result) || r != resident || l != locked)
		FAIL("%s: %s, %ld kB resident, %ld kB locked; not %s, %ld, %ld", step, said, r, l,
		     result, resident, locked);
}

TEST_MEM(locker, 24,
	 "locker: mlock in any form that pins too much or too little, or a limit ignored")
{
	need_root();
	check_run("locker 2", 0, "munlockall");
	locker_line("\na quarter touched" + 1, "ok", 512, 0);
	locker_line("mlock of half  ", "ok", 1024, 1024);
	locker_line("mlock of all  ", "ok", 2048, 2048);
	locker_line("munlock of all  ", "ok", 2048, 0);
	locker_line("new; mlock2(MLOCK_ONFAULT)", "ok", 0, 0);
	locker_line("new; mlockall(CURRENT | ONFAULT)", "ok", 0, 0);
	locker_line("new, untouched", "ok", 2048, 2048);
	REQUIRE(strstr(text, "As user 65534") != NULL);
	memmove(text, strstr(text, "As user 65534"), strlen(strstr(text, "As user 65534")) + 1);
	locker_line("mlock of half  ", "ok", 1024, 1024);
	locker_line("mlock of all  ", "ENOMEM", 1024, 1024);
	locker_line("mlock of one page", "EPERM", 2048, 0);
	locker_line("mlockall(MCL_CURRENT)", "ENOMEM", 1024, 1024);
}

TEST_MEM(forkbomb, 24, "forkbomb: one that is not bounded, or not gone afterwards")
{
	check_run("forkbomb -n 30 -u 0 -s 0", 0,
		  "30 killed here, 0 were dead before; all are gone");
	need_root();
	check_run("forkbomb -n 30 -u 12 -s 0", 0, "12 processes, forks that failed: 12 EAGAIN");
	CHECK(strstr(text, "12 killed here, 0 were dead before; all are gone") != NULL);
}

TEST_MEM(overcommit, 24, "overcommit: a mode that promises what it may not, or stays set")
{
	static const char mode[] = "/proc/sys/vm/overcommit_memory";
	long was = number_in(mode), limit, committed, all, granted = -1;
	char *p;

	need_root();
	check_run("overcommit", 0, "mode 2");
	CHECK_EQ(number_in(mode), was);
	all = (meminfo("MemTotal") + meminfo("SwapTotal")) / 1024;
	CHECK(strstr(text, "MiB: refused") < strstr(text, "mode 1"));
	p = strstr(text, "mode 1");
	CHECK(strstr(p, "MiB: refused") > strstr(p, "mode 2"));
	p = strstr(text, "mode 2");
	REQUIRE(sscanf(strstr(p, "CommitLimit"), "CommitLimit %ld MiB, Committed_AS %ld", &limit,
		       &committed) == 2);
	REQUIRE(sscanf(strstr(p, "private"), "private pieces: %ld", &granted) == 1);
	CHECK(granted + committed <= limit + 1);
	CHECK(granted + committed + 2 * 16 + all / 16 >= limit); /* less a reserve for others */
}

TEST(vmstat, "vmstat: columns that procps has otherwise, or figures that are not")
{
	unsigned long v[18];
	int lines = 0;

	check_run(
		"vmstat 0.1 3", 0,
		"procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n"
		" r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n");
	CHECK(!strstr(text, "does not count"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		int n = sscanf(
			line,
			"%lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu",
			v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7, v + 8, v + 9, v + 10,
			v + 11, v + 12, v + 13, v + 14, v + 15, v + 16, v + 17);
		if (n <= 0)
			continue;
		CHECK_EQ(n, 17);
		CHECK(v[3] <= (unsigned long)meminfo("MemTotal"));
		CHECK(v[12] + v[13] + v[14] + v[15] + v[16] <= 103);
		lines++;
	}
	CHECK_EQ(lines, 3);
}

TEST(oomriddle, "an OOM kill with swap free that locks do not explain; one without locks")
{
	need_root();
	if (meminfo("SwapFree") < 16 << 10) {
		check_run("oomriddle", 2, "no riddle without it");
		SKIP("needs 64 MiB of swap: mkswap and swapon a device first");
	}
	need_swap();
	check_run("oomriddle -u", 0, "No riddle");
	check_run("oomriddle", 0, "The answer: ");
	CHECK(strstr(text, "invoked oom-killer: gfp_mask=") != NULL);
	CHECK(strstr(text, "Free swap  = ") != NULL);
}
