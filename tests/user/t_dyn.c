/* SPDX-License-Identifier: MIT */
/*
 * Programs of another C library: glibc, static and through its dynamic linker.
 */
#include "utest.h"

#define DIR_DYN "/tests/dyn/"

static const char hello[] = "hello, 1 argument, constructor 1\n"
			    "qsort: 1 3 5 7 9\n"
			    "malloc: 1 2\n"
			    "fork: child 7, parent's tls 42\n"
			    "uname: Linux x86_64\n"
			    "errno: No such file or directory\n"
			    "strftime: 1971-01-01\n"
			    "printf:  3.14 0xbeef left  | 1099511627776\n"
			    "atexit: done\n";

static void check_output(const char *name, const char *want)
{
	char cmd[128], buf[4096];

	snprintf(cmd, sizeof(cmd), DIR_DYN "%s", name);
	if (access(cmd, X_OK) < 0)
		SKIP("%s is not in the image", cmd);
	strcat(cmd, " > out 2>&1");
	int st = system(cmd);
	CHECK_EQ(st, 0);
	OK(ut_slurp("out", buf, sizeof(buf)));
	CHECK_STR(buf, want);
}

TEST_MEM(static_glibc, 48, "a static glibc program that does not start, or ends early")
{
	check_output("g_static", hello);
}

TEST_MEM(static_pie, 48, "a static PIE that is not relocated")
{
	check_output("g_static_pie", hello);
}

TEST_MEM(dynamic_pie, 48, "a dynamically linked PIE: interpreter, auxv, libraries mapped")
{
	check_output("g_hello", hello);
}

TEST_MEM(dynamic_exec, 48, "a dynamically linked program at a fixed address")
{
	check_output("g_hello_nopie", hello);
}

TEST_MEM(math, 48, "libm with its choice of routines by CPU, and much malloc")
{
	check_output("g_math", "pi 3.1415926536\n"
			       "sin 0.841471 cos 0.540302 tan 1.557408\n"
			       "exp 2.718282 log 2.302585 pow 1.414\n"
			       "integral 1.77245385, sqrt(pi) 1.77245385\n"
			       "sum of squares 4999.8335\n"
			       "long double 1.414213562373095049\n");
}

static const char threads[] = "mutex: sum 28\n"
			      "counted 8000 and 8000\n"
			      "condition: sum 28\n"
			      "barrier: sum 0\n"
			      "rwlock: sum 0\n"
			      "written 500\n"
			      "own: sum 356\n"
			      "once 1, destroyed 8, main's 41\n"
			      "cancel: 1 1, cleaned up 1\n"
			      "timed wait: timed out\n";

TEST_MEM(static_threads, 48, "glibc's threads: locks, conditions, barriers, own memory, cancel")
{
	check_output("g_static_threads", threads);
}

TEST_MEM(dynamic_threads, 48, "the same with the dynamic linker: thread-local memory of libraries")
{
	check_output("g_threads", threads);
}

static pid_t start_waiting(int *in)
{
	int to[2], from[2];
	char buf[4096];
	size_t n = 0;

	OK(pipe2(to, O_CLOEXEC));
	OK(pipe2(from, O_CLOEXEC));
	pid_t pid = CHILD({
		OK(dup2(to[0], 0));
		OK(dup2(from[1], 1));
		execl(DIR_DYN "g_hello", "g_hello", "--wait", NULL);
		_exit(9);
	});
	close(to[0]);
	close(from[1]);
	/* until its last line is out: it waits now */
	while (n < sizeof(buf) - 1) {
		ssize_t r = OK(read(from[0], buf + n, sizeof(buf) - 1 - n));
		n += r;
		buf[n] = 0;
		if (r == 0 || strstr(buf, "printf: "))
			break;
	}
	*in = to[1];
	return pid;
}

static unsigned long area_of(pid_t pid, const char *name, const char *rights)
{
	char path[64];
	static char text[65536];

	sprintf(path, "/proc/%d/maps", pid);
	ut_slurp(path, text, sizeof(text));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, name) && strstr(line, rights))
			return strtoul(line, NULL, 16);
	return 0;
}

TEST_MEM(shared_library, 48,
	 "library code that each process has for itself, or data that they share")
{
	int in[2];
	pid_t pid[2];
	unsigned long text[2], data[2];

	if (access(DIR_DYN "g_hello", X_OK) < 0)
		SKIP("g_hello is not in the image");
	for (int i = 0; i < 2; i++) {
		pid[i] = start_waiting(&in[i]);
		text[i] = area_of(pid[i], "libc.so.6", " r-xp ");
		data[i] = area_of(pid[i], "libc.so.6", " rw-p ");
	}
	CHECK(text[0] && text[1] && data[0] && data[1]);
	int shared = 0, mixed = 0;
	for (int i = 0; i < 64; i++) {
		uint64_t a = ut_pagemap_of(pid[0], (void *)(text[0] + i * PAGE));
		uint64_t b = ut_pagemap_of(pid[1], (void *)(text[1] + i * PAGE));
		if ((a & PM_PRESENT) && (b & PM_PRESENT)) {
			shared += PM_PFN(a) == PM_PFN(b);
			mixed += PM_PFN(a) != PM_PFN(b);
		}
	}
	CHECK(shared > 0);
	CHECK_EQ(mixed, 0);
	uint64_t a = ut_pagemap_of(pid[0], (void *)data[0]);
	uint64_t b = ut_pagemap_of(pid[1], (void *)data[1]);
	if ((a & PM_PRESENT) && (b & PM_PRESENT))
		CHECK(PM_PFN(a) != PM_PFN(b) || (a & PM_FILE));
	/* the dynamic linker has written the table of the library: private copies */
	CHECK(ut_smaps(pid[0], (void *)data[0], "Private_Dirty") > 0);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		CHECK_EXIT(pid[i], 0);
	}
}

TEST_MEM(ldso_by_hand, 48, "the dynamic linker started as a program of its own")
{
	if (access(DIR_DYN "g_math", X_OK) < 0)
		SKIP("g_math is not in the image");
	CHECK_EQ(system("/lib64/ld-linux-x86-64.so.2 " DIR_DYN "g_math > out 2>&1"), 0);
	CHECK_EQ(system("/lib64/ld-linux-x86-64.so.2 --list " DIR_DYN "g_math | grep -q libm.so.6"),
		 0);
}
