/* SPDX-License-Identifier: MIT */
/*
 * The distribution's procps, unmodified and dynamically linked, as a judge of /proc: what it prints
 * has to be what the files say. Each tool refuses, or shows as 0, what it cannot parse.
 */
#include "utest.h"

static char out[1 << 18], text[1 << 18];

/* A program of /usr/bin: its output, which stays in out. (The shell has applets of those names, and
 * takes them if it is not told where.) */
static const char *run(const char *fmt, ...)
{
	char cmd[512] = "/usr/bin/";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd + strlen(cmd), sizeof(cmd) - 32, fmt, ap);
	va_end(ap);
	strcat(cmd, " >out 2>err");
	setenv("COLUMNS", "200", 1);
	setenv("TERM", "dumb", 1);
	setenv("LC_ALL", "C", 1);
	int status = system(cmd);
	OK(ut_slurp("out", out, sizeof(out)));
	OK(ut_slurp("err", text, sizeof(text)));
	if (status || text[0])
		FAIL("%s: status %#x, it says \"%.200s\"", cmd, status, text);
	return out;
}

/* The number behind the first what in s. */
static long number(const char *s, const char *what)
{
	const char *p = strstr(s, what);

	if (!p)
		FAIL("\"%s\" is not in \"%.300s\"", what, s);
	return p ? strtol(p + strlen(what), NULL, 10) : -1;
}

static long meminfo(const char *name)
{
	char key[40];

	OK(ut_slurp("/proc/meminfo", text, sizeof(text)));
	snprintf(key, sizeof(key), "\n%s:", name);
	memmove(text + 1, text, strlen(text) + 1);
	text[0] = '\n';
	return number(text, key);
}

/* Tools themselves need memory while they look. */
#define CHECK_NEAR(a, b, slack)                                               \
	do {                                                                  \
		long ut_a = (a), ut_b = (b);                                  \
		if (labs(ut_a - ut_b) > (slack))                              \
			FAIL("%s is %ld, but %s is %ld", #a, ut_a, #b, ut_b); \
	} while (0)

/* The line that begins with what, without it. */
static char *line_of(const char *what)
{
	char *p = out;
	size_t n = strlen(what);

	while (p && strncmp(p, what, n)) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	if (!p) {
		FAIL("no line begins with \"%s\" in \"%.300s\"", what, out);
		ut_abort();
	}
	p[strcspn(p, "\n")] = 0;
	return p + n;
}

TEST(free, "free: another total, free, shared, cache or available than /proc/meminfo's")
{
	long total, used, mfree, shared, buffers, cache, available;

	run("free -k -w -l -t");
	CHECK_EQ(sscanf(line_of("Mem:"), "%ld %ld %ld %ld %ld %ld %ld", &total, &used, &mfree,
			&shared, &buffers, &cache, &available),
		 7);
	CHECK_EQ(total, meminfo("MemTotal"));
	CHECK_NEAR(mfree, meminfo("MemFree"), 8000);
	CHECK_NEAR(shared, meminfo("Shmem"), 512);
	CHECK_EQ(buffers, meminfo("Buffers"));
	CHECK_NEAR(cache, meminfo("Cached") + meminfo("SReclaimable"), 512);
	CHECK_NEAR(available, meminfo("MemAvailable"), 8000);
	CHECK(used > 0 && used < total);
	run("free -k -w -l -t");
	CHECK_EQ(sscanf(line_of("Swap:"), "%ld %ld", &total, &used), 2);
	CHECK_EQ(total, meminfo("SwapTotal"));
	run("free -h");
	CHECK(strstr(out, "Mem: ") != NULL);
}

TEST(vmstat, "vmstat: fields that it does not find in /proc/{stat,meminfo,vmstat,slabinfo}")
{
	long v[17], active, total, size, pages;

	run("vmstat -n");
	char *p = strrchr(out, '\n');
	while (p > out && p[-1] != '\n')
		p--;
	char *end = p;
	for (int i = 0; i < 17; i++) {
		v[i] = strtol(end, &p, 10);
		if (p == end)
			FAIL("field %d of \"%s\"", i + 1, end);
		end = p;
	}
	CHECK_NEAR(v[3], meminfo("MemFree"), 8000);
	CHECK_NEAR(v[5], meminfo("Cached") + meminfo("SReclaimable"), 512);
	CHECK(v[12] + v[13] + v[14] + v[15] + v[16] >= 98 &&
	      v[12] + v[13] + v[14] + v[15] + v[16] <= 102);
	run("vmstat -s");
	CHECK_EQ(strtol(out, NULL, 10), meminfo("MemTotal"));
	CHECK(strstr(out, " K free memory\n") && strstr(out, " pages swapped in\n") &&
	      strstr(out, " boot time\n"));
	OK(ut_slurp("/proc/stat", text, sizeof(text)));
	p = strstr(out, " forks\n");
	REQUIRE(p != NULL);
	while (p[-1] != '\n')
		p--;
	CHECK_NEAR(atol(p), number(text, "\nprocesses "), 4);
	run("vmstat -m");
	CHECK_EQ(sscanf(line_of("dentry "), "%ld %ld %ld %ld", &active, &total, &size, &pages), 4);
	OK(ut_slurp("/proc/slabinfo", text, sizeof(text)));
	p = strstr(text, "\ndentry ");
	REQUIRE(p != NULL);
	long now[4];
	CHECK_EQ(sscanf(p, " dentry %ld %ld %ld %ld", &now[0], &now[1], &now[2], &now[3]), 4);
	CHECK(active <= total && labs(total - now[1]) < 200);
	CHECK_EQ(size, now[2]);
	CHECK_EQ(pages, now[3]);
	run("vmstat -d");
	run("vmstat -f");
	CHECK(strstr(out, " forks\n") != NULL);
	run("vmstat -a -w -t");
}

TEST(ps, "ps: sizes, ids, states or times that differ from /proc/PID's")
{
	char *p = ut_map(300 * PAGE), comm[32], state[8];
	long pid, ppid, pgid, sid, vsz, rss, nlwp, min, etimes;

	memset(p, 1, 300 * PAGE);
	pid_t child = CHILD({ pause(); });
	ut_wait_state(child, 'S');
	run("ps -o comm,pid,vsz,rss -p %d", child);
	CHECK(!strncmp(out, "COMMAND ", 8) && strstr(out, " PID    VSZ   RSS\n"));
	CHECK_EQ(sscanf(strchr(out, '\n'), " %31s %ld %ld %ld", comm, &pid, &vsz, &rss), 4);
	CHECK_STR(comm, "t_procps");
	CHECK_EQ(pid, child);
	CHECK_EQ(vsz, ut_status(child, "VmSize"));
	CHECK_NEAR(rss, ut_status(child, "VmRSS"), 256);
	run("ps -o pid,ppid,pgid,sid,stat,nlwp,min_flt,etimes --no-headers -p %d", child);
	CHECK_EQ(sscanf(out, "%ld %ld %ld %ld %7s %ld %ld %ld", &pid, &ppid, &pgid, &sid, state,
			&nlwp, &min, &etimes),
		 8);
	CHECK_EQ(ppid, getpid());
	CHECK_EQ(pgid, getpgrp());
	CHECK_EQ(sid, getsid(0));
	CHECK_EQ(state[0], 'S');
	CHECK_EQ(nlwp, 1);
	CHECK(min > 0);
	CHECK(etimes >= 0 && etimes < 60);
	static const char *const others[] = {
		"aux",
		"-ef",
		"-eLf",
		"axjf",
		"alx",
		"-eo "
		"pid,tty,wchan:20,lstart,pmem,pcpu,nice,pri,sig,blocked,caught,ignored,label,"
		"psr,stackp,tty,user,uid,gid,group,time,cputimes,maj_flt,sz,size,drs,trs,args,environ"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		run("ps %s", others[i]);
		snprintf(text, sizeof(text), " %d ", child);
		if (!strstr(out, text) && i != 3)
			FAIL("ps %s does not list process %d: %.300s", others[i], child, out);
	}
	OK(kill(child, SIGSTOP));
	ut_wait_state(child, 'T');
	run("ps -o stat= -p %d", child);
	CHECK_EQ(out[0], 'T');
	OK(kill(child, SIGKILL));
	ut_wait_state(child, 'Z');
	run("ps -o stat=,args= -p %d", child);
	CHECK(!strncmp(out, "Z    [t_procps] <defunct>\n", 26));
	CHECK_SIGNALED(child, SIGKILL);
}

/* The sum of a field over /proc/PID/smaps, in kB. */
static long smaps_sum(pid_t pid, const char *field)
{
	char path[64], key[40];
	long sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	OK(ut_slurp(path, text, sizeof(text)));
	snprintf(key, sizeof(key), "\n%s:", field);
	for (char *p = text; (p = strstr(p, key)) != NULL; p++)
		sum += atol(p + strlen(key));
	return sum;
}

TEST(pmap, "pmap: totals that are not VmSize and the sums of smaps; fields that are missing")
{
	char *p = ut_map(300 * PAGE);
	long size, rss, dirty;

	memset(p, 1, 200 * PAGE);
	pid_t pid = CHILD({ pause(); });
	ut_wait_state(pid, 'S');
	/* Linux's vsyscall page is shown, and is in no sum but these */
	long extra = smaps_sum(pid, "Size") - ut_status(pid, "VmSize");
	run("pmap %d", pid);
	CHECK_EQ(number(out, "\n total "), ut_status(pid, "VmSize") + extra);
	run("pmap -x %d", pid);
	CHECK(strstr(out, "\nAddress           Kbytes     RSS   Dirty Mode  Mapping\n") != NULL);
	CHECK_EQ(sscanf(line_of("total kB"), "%ld %ld %ld", &size, &rss, &dirty), 3);
	CHECK_EQ(size, ut_status(pid, "VmSize") + extra);
	CHECK_EQ(rss, smaps_sum(pid, "Rss"));
	CHECK_EQ(dirty, smaps_sum(pid, "Shared_Dirty") + smaps_sum(pid, "Private_Dirty"));
	run("pmap -d %d", pid);
	CHECK_EQ(number(out, "\nmapped: "), ut_status(pid, "VmSize") + extra);
	run("pmap -XX %d", pid);
	static const char *const fields[] = {"Address",
					     "Perm",
					     "Offset",
					     "Device",
					     "Inode",
					     "Size",
					     "KernelPageSize",
					     "MMUPageSize",
					     "Rss",
					     "Pss",
					     "Shared_Clean",
					     "Shared_Dirty",
					     "Private_Clean",
					     "Private_Dirty",
					     "Referenced",
					     "Anonymous",
					     "LazyFree",
					     "AnonHugePages",
					     "ShmemPmdMapped",
					     "FilePmdMapped",
					     "Shared_Hugetlb",
					     "Private_Hugetlb",
					     "Swap",
					     "SwapPss",
					     "Locked",
					     "THPeligible",
					     "VmFlags",
					     "Mapping"};
	char *head = strchr(out, '\n'), *at = head;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char *next = strstr(at, fields[i]);
		if (!next || next > strchr(head + 1, '\n')) {
			FAIL("pmap -XX has no column %s in its place", fields[i]);
			break;
		}
		at = next;
	}
	/* the last line has the sums, in the order of the columns */
	at = strrchr(out, '=');
	REQUIRE(at != NULL && (at = strchr(at, '\n')) != NULL);
	long sum[6];
	CHECK_EQ(sscanf(at, "%ld %*d %*d %ld %ld %ld %ld", &sum[0], &sum[1], &sum[2], &sum[3],
			&sum[4]),
		 5);
	CHECK_EQ(sum[0], ut_status(pid, "VmSize") + extra);
	CHECK_EQ(sum[1], smaps_sum(pid, "Rss"));
	CHECK_EQ(sum[2], smaps_sum(pid, "Pss"));
	run("pmap -X -p %d", pid);
	CHECK(strstr(out, "/t_procps") != NULL);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(slabtop, "slabtop: totals that are not the sums of slabinfo")
{
	long active = 0, total = 0, a, b;

	run("slabtop -o");
	OK(ut_slurp("/proc/slabinfo", text, sizeof(text)));
	for (char *p = strchr(text, '\n'); p && (p = strchr(p + 1, '\n')) && p[1];)
		if (sscanf(p, " %*s %ld %ld", &a, &b) == 2)
			active += a, total += b;
	char *p = strstr(out, "Active / Total Objects (% used)");
	REQUIRE(p != NULL);
	CHECK_EQ(sscanf(strchr(p, ':'), ": %ld / %ld", &a, &b), 2);
	CHECK_NEAR(b, total, 1000);
	CHECK_NEAR(a, active, 1500);
	CHECK(strstr(out, "\n  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME") != NULL);
	CHECK(strstr(out, " dentry") && strstr(out, "kmalloc-"));
}

TEST(top, "top: its head and its rows")
{
	pid_t pid = CHILD({ pause(); });
	double total = 0, mfree = 0;

	run("top -b -n 1 -w 120");
	CHECK(!strncmp(out, "top - ", 6));
	CHECK(strstr(out, "load average: ") && strstr(out, "\nTasks: "));
	char *p = strstr(out, "MiB Mem :");
	REQUIRE(p != NULL);
	CHECK_EQ(sscanf(p, "MiB Mem : %lf total, %lf free", &total, &mfree), 2);
	CHECK_NEAR((long)(total * 1024), meminfo("MemTotal"), 103);
	CHECK_NEAR((long)(mfree * 1024), meminfo("MemFree"), 8000);
	snprintf(text, sizeof(text), " %d root ", pid);
	CHECK(strstr(out, text) != NULL);
	run("top -b -n 1 -H -p %d -o VIRT -e k", pid);
	CHECK(strstr(out, "t_procps") != NULL);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(others, "uptime, w, pgrep, pwdx, sysctl and lscpu that do not find what they look for")
{
	char line[64], *cwd = getcwd(NULL, 0);
	pid_t pid = CHILD({ pause(); });

	run("uptime");
	CHECK(strstr(out, " up ") && strstr(out, "load average: "));
	run("uptime -s");
	CHECK_EQ(strlen(out), 20);
	run("w -h");
	snprintf(line, sizeof(line), "%d\n", pid);
	run("pgrep -x t_procps");
	CHECK(strstr(out, line) != NULL);
	run("pgrep -P %d", getpid());
	CHECK(!strncmp(out, line, strlen(line)));
	run("pwdx %d", pid);
	CHECK(strstr(out, cwd) != NULL);
	run("../sbin/sysctl -n vm.overcommit_memory");
	CHECK_EQ(strlen(out), 2);
	run("../sbin/sysctl -w vm.swappiness=61");
	CHECK_STR(out, "vm.swappiness = 61\n");
	run("../sbin/sysctl -w vm.swappiness=60");
	if (access("/usr/bin/lscpu", X_OK) == 0) {
		run("lscpu");
		CHECK(strstr(out, "Architecture:") && strstr(out, "x86_64"));
		CHECK_EQ(number(out, "\nCPU(s):"), sysconf(_SC_NPROCESSORS_ONLN));
		CHECK_EQ(number(out, "Socket(s):"), 1);
		CHECK_EQ(number(out, "Thread(s) per core:"), 1);
		CHECK_EQ(number(out, "NUMA node(s):"), 1);
		run("lscpu -e");
		CHECK(strstr(out, "CPU NODE SOCKET CORE") != NULL);
	}
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

/* Where the area of libc with these rights begins. */
static void *libc_area(pid_t pid, const char *rights)
{
	unsigned long start = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	OK(ut_slurp(path, text, sizeof(text)));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, rights) && strstr(line, "/libc.so.6"))
			sscanf(line, "%lx", &start);
	return (void *)start;
}

TEST(libraries,
     "CURRICULUM 19: a library's text that two programs do not share, or data that they do")
{
	pid_t pid[2];

	for (int i = 0; i < 2; i++) {
		pid[i] = CHILD({
			OK(dup2(OK(open("/dev/null", O_RDWR)), 1));
			execl("/usr/bin/vmstat", "vmstat", "1000", NULL);
		});
	}
	for (int i = 0; i < 2; i++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/%d/syscall", pid[i]);
		do /* until it sleeps between two lines */
			OK(ut_slurp(path, text, sizeof(text)));
		while (atol(text) != SYS_clock_nanosleep && atol(text) != SYS_nanosleep);
	}
	for (int i = 0; i < 2; i++) {
		char *code = libc_area(pid[i], "r-xp"), *data = libc_area(pid[i], "rw-p");
		long rss = ut_smaps(pid[i], code, "Rss"), pss = ut_smaps(pid[i], code, "Pss");
		CHECK(rss >= 400 && pss * 10 < rss * 6);
		CHECK_EQ(ut_smaps(pid[i], code, "Anonymous"), 0);
		/* relocation has written it */
		CHECK(ut_smaps(pid[i], data, "Private_Dirty") > 0);
		CHECK_EQ(ut_smaps(pid[i], data, "Anonymous"),
			 ut_smaps(pid[i], data, "Private_Dirty"));
	}
	for (int i = 0; i < 2; i++) {
		OK(kill(pid[i], SIGKILL));
		CHECK_SIGNALED(pid[i], SIGKILL);
	}
}
