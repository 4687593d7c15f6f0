/* SPDX-License-Identifier: MIT */
/*
 * /proc's files as files: read in pieces, at odd places, while what they tell of changes, by those
 * who may not, and after the process has gone. What the texts say is in t_proc and t_memstat.
 */
#include "utest.h"

#include <sched.h>
#include <sys/prctl.h>

static char text[1 << 18], other[1 << 18];

static char *pid_path(pid_t pid, const char *name)
{
	static char path[2][64];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[0]), "/proc/%d/%s", pid, name);
	return path[turn];
}

/* --- pieces ----------------------------------------------------------------------------------- */

/* The file n bytes at a time, from a new descriptor. */
static ssize_t slurp_by(const char *path, char *buf, size_t size, size_t n)
{
	int fd = OK(open(path, O_RDONLY));
	size_t len = 0;
	ssize_t r;

	while (len + n < size && (r = read(fd, buf + len, n)) > 0)
		len += r;
	close(fd);
	buf[len] = 0;
	return (ssize_t)len;
}

TEST(pieces, "a text that differs when it is read byte by byte, or at an offset")
{
	/* what does not change while one sleeping child is looked at; the last two have many areas */
	static const char *const files[] = {"stat",    "status", "statm",   "limits", "cmdline",
					    "environ", "comm",   "auxv",    "maps",   "smaps",
					    "cgroup",  "mounts", "syscall", "wchan"};
	char *p = ut_map(400 * PAGE);

	for (int i = 0; i < 400; i += 4)
		OK(mprotect(p + i * PAGE, PAGE, PROT_READ));
	pid_t pid = CHILD({ pause(); });
	ut_wait_state(pid, 'S');
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *path = pid_path(pid, files[i]);
		if (access(path, R_OK) < 0)
			continue;
		ssize_t n = slurp_by(path, text, sizeof(text), 65536);
		for (size_t step = 1; step <= 5001; step += 1250) {
			ssize_t len = slurp_by(path, other, sizeof(other), step);
			if (len != n || memcmp(text, other, n))
				FAIL("%s: %zd bytes, and %zd by pieces of %zu", path, n, len, step);
		}
		/* pread in any order; the position stays; behind the end there is nothing */
		int fd = OK(open(path, O_RDONLY));
		for (ssize_t at = n - 1; at >= 0; at -= n / 7 + 1) {
			char c = 0;
			CHECK_EQ(pread(fd, &c, 1, at), 1);
			CHECK_EQ(c, text[at]);
		}
		CHECK_EQ(pread(fd, other, 10, n), 0);
		CHECK_EQ(pread(fd, other, 10, n + 100000), 0);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
		close(fd);
	}
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(long_text, "a text of many pages that loses or repeats bytes where two pieces meet")
{
	static const size_t steps[] = {4096, 5000, 777, 65536};

	ssize_t n = slurp_by("/proc/kallsyms", text, 60000, 1);
	CHECK(n > 50000);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		ssize_t len = slurp_by("/proc/kallsyms", other, sizeof(other), steps[i]);
		CHECK(len >= n);
		CHECK(!memcmp(text, other, n));
	}
	int fd = OK(open("/proc/kallsyms", O_RDONLY));
	static const off_t at[] = {49000, 17, 30000, 4095, 4096, 4097};
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		CHECK_EQ(pread(fd, other, 40, at[i]), 40);
		CHECK(!memcmp(text + at[i], other, 40));
	}
}

TEST(seek, "lseek in a generated file: what it refuses, and where reading goes on")
{
	int fd = OK(open("/proc/self/maps", O_RDONLY));
	char c;

	ut_slurp("/proc/self/maps", text, sizeof(text));
	CHECK_EQ(lseek(fd, 20, SEEK_SET), 20);
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, text[20]);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 21);
	CHECK_EQ(lseek(fd, -11, SEEK_CUR), 10);
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, text[10]);
	CHECK_ERRNO(lseek(fd, 0, SEEK_END), EINVAL);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(fd, -100, SEEK_CUR), EINVAL);
	CHECK_ERRNO(lseek(fd, 0x7fffffffffffffff, SEEK_CUR), EINVAL); /* the sum is no position */
	CHECK_ERRNO(pread(fd, &c, 1, -1), EINVAL);
	CHECK_ERRNO(read(fd, BADPTR, 10), EFAULT);
}

/* --- changes between two reads ---------------------------------------------------------------- */

TEST(changes, "areas that maps shows twice, or leaves out, when others change between two reads")
{
	enum { AREAS = 400 };
	char *p = ut_map_prot(2 * AREAS * PAGE, PROT_NONE), line[256];
	unsigned long start, end, prev = 0;
	char seen[AREAS] = {0};
	size_t len = 0, step = 0;

	for (int i = 0; i < AREAS; i++)
		OK(mprotect(p + 2 * i * PAGE, PAGE, PROT_READ));
	int fd = OK(open("/proc/self/maps", O_RDONLY));
	for (ssize_t n; (n = OK(read(fd, other, 600))) > 0;) {
		for (ssize_t i = 0; i < n; i++) {
			if (len < sizeof(line) - 1)
				line[len++] = other[i];
			if (other[i] != '\n')
				continue;
			line[len] = 0;
			len = 0;
			CHECK_EQ(sscanf(line, "%lx-%lx", &start, &end), 2);
			if (end <= prev)
				FAIL("%sbegins behind %lx", line, prev);
			prev = end;
			if (start >= (uintptr_t)p && start < (uintptr_t)p + 2 * AREAS * PAGE)
				seen[(start - (uintptr_t)p) / PAGE / 2] |= line[17] == 'r' ||
									   strstr(line, " r--p");
		}
		/* even areas go one after another, or grow together with their neighbours */
		if (step < AREAS) {
			char *at = p + 2 * step * PAGE;
			if (step % 4)
				OK(munmap(at, PAGE));
			else
				OK(mprotect(at, PAGE, PROT_NONE));
			step += 2;
		}
	}
	for (int i = 1; i < AREAS; i += 2)
		if (!seen[i])
			FAIL("area %d was there all the time and is not shown", i);
}

/* --- who may ------------------------------------------------------------------------------------ */

TEST(exec_keeps_out, "files opened before exec that look into the new program's memory")
{
	static const char *const files[] = {"maps", "smaps", "pagemap", "environ", "mem"};
	char before[160], after[160];
	int ready[2], fds[5];

	OK(pipe(ready));
	pid_t pid = CHILD({
		char c;
		read(ready[0], &c, 1);
		execl("/bin/sleep", "sleep", "1000", NULL);
	});
	for (int i = 0; i < 5; i++)
		fds[i] = OK(open(pid_path(pid, files[i]), O_RDONLY));
	CHECK(pread(fds[0], text, 100, 0) > 0);
	int auxv = OK(open(pid_path(pid, "auxv"), O_RDONLY));
	CHECK_EQ(pread(auxv, before, sizeof(before), 0), sizeof(before));
	CHECK_EQ(write(ready[1], "x", 1), 1);
	do
		ut_slurp(pid_path(pid, "cmdline"), text, sizeof(text));
	while (strcmp(text, "sleep"));
	ut_wait_state(pid, 'S');
	for (int i = 0; i < 5; i++) {
		off_t at = i == 2 ? 0x400000 / PAGE * 8 : i == 4 ? 0x400000 : 0;
		ssize_t n = pread(fds[i], text, 64, at);
		if (n != 0)
			FAIL("%s: read gives %zd", files[i], n);
	}
	CHECK_EQ(pread(auxv, after, sizeof(after), 0), sizeof(after));
	CHECK(!memcmp(before, after, sizeof(after)));
	/* a new descriptor looks at the new program */
	CHECK_EQ(slurp_by(pid_path(pid, "environ"), text, sizeof(text), 4096) > 0,
		 environ[0] != NULL);
	CHECK(slurp_by(pid_path(pid, "maps"), text, sizeof(text), 4096) > 0);
	CHECK(strstr(text, "/busybox") || strstr(text, "/sleep"));
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

/* --- who may not --------------------------------------------------------------------------------- */

static void become(uid_t uid)
{
	OK(setresgid(uid, uid, uid));
	OK(setresuid(uid, uid, uid));
}

TEST(rights, "files of another user's process, or root's files, opened by who may not")
{
	static const struct {
		const char *name;
		int flags, error; /* 0: may be opened */
	} files[] = {
		{"maps", O_RDONLY, EACCES},
		{"smaps", O_RDONLY, EACCES},
		{"smaps_rollup", O_RDONLY, EACCES},
		{"pagemap", O_RDONLY, EACCES},
		{"environ", O_RDONLY, EACCES},
		{"auxv", O_RDONLY, EACCES},
		{"mem", O_RDONLY, EACCES},
		{"mem", O_RDWR, EACCES},
		{"io", O_RDONLY, EACCES},
		{"stack", O_RDONLY, EACCES},
		{"syscall", O_RDONLY, EACCES},
		{"personality", O_RDONLY, EACCES},
		{"clear_refs", O_WRONLY, EACCES},
		{"comm", O_WRONLY, EACCES},
		{"oom_score_adj", O_WRONLY, EACCES},
		{"fd", O_RDONLY, EACCES},
		{"cwd/", O_RDONLY, EACCES},
		{"exe", O_RDONLY, EACCES},
		{"stat", O_RDONLY, 0},
		{"statm", O_RDONLY, 0},
		{"status", O_RDONLY, 0},
		{"cmdline", O_RDONLY, 0},
		{"comm", O_RDONLY, 0},
		{"limits", O_RDONLY, 0},
		{"oom_score", O_RDONLY, 0},
		{"oom_score_adj", O_RDONLY, 0},
		{"task", O_RDONLY, 0},
		{"wchan", O_RDONLY, 0},
		{"maps", O_WRONLY, EACCES},
		{"stat", O_RDWR, EACCES},
	};
	static const struct {
		const char *path;
		int flags, error;
	} roots[] = {
		{"/proc/kpagecount", O_RDONLY, EACCES},
		{"/proc/kpageflags", O_RDONLY, EACCES},
		{"/proc/slabinfo", O_RDONLY, EACCES},
		{"/proc/pagetypeinfo", O_RDONLY, EACCES},
		{"/proc/kmsg", O_RDONLY, EACCES},
		{"/proc/sysrq-trigger", O_WRONLY, EACCES},
		{"/proc/meminfo", O_WRONLY, EACCES},
		{"/proc/meminfo", O_RDONLY, 0},
		{"/proc/zoneinfo", O_RDONLY, 0},
		{"/proc/buddyinfo", O_RDONLY, 0},
		{"/proc/sys/vm/drop_caches", O_WRONLY, EACCES},
		{"/proc/sys/vm/overcommit_memory", O_WRONLY, EACCES},
		{"/proc/sys/vm/overcommit_memory", O_RDONLY, 0},
	};

	if (geteuid() != 0)
		SKIP("for root");
	pid_t owner = CHILD({
		become(1000);
		pause();
	});
	ut_wait_state(owner, 'S');
	pid_t pid = CHILD({
		become(1001);
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			const char *path = pid_path(owner, files[i].name);
			int fd = open(path, files[i].flags);
			if ((fd < 0 ? errno : 0) != files[i].error)
				FAIL("open(%s, %d): %s", path, files[i].flags, ut_errname(errno));
			if (fd >= 0)
				close(fd);
		}
		for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
			int fd = open(roots[i].path, roots[i].flags);
			if ((fd < 0 ? errno : 0) != roots[i].error)
				FAIL("open(%s, %d): %s", roots[i].path, roots[i].flags,
				     ut_errname(errno));
			if (fd >= 0)
				close(fd);
		}
		CHECK_ERRNO(readlink(pid_path(owner, "exe"), text, 100), EACCES);
		CHECK_ERRNO(readlink(pid_path(owner, "fd/0"), text, 100), EACCES);
		/* addresses and the place it sleeps at are hidden in what may be read */
		ut_slurp(pid_path(owner, "stat"), text, sizeof(text));
		char *at = strrchr(text, ')');
		unsigned long start_code = 9, start_stack = 9;
		CHECK_EQ(sscanf(at + 2,
				"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
				"%*d %*d %*d %*u %*u %*d %*u %lu %*u %lu",
				&start_code, &start_stack),
			 2);
		CHECK(start_code <= 1 && start_stack == 0);
		ut_slurp(pid_path(owner, "wchan"), text, sizeof(text));
		CHECK_STR(text, "0");
	});
	CHECK_EXIT(pid, 0);
	OK(kill(owner, SIGKILL));
	CHECK_SIGNALED(owner, SIGKILL);
}

TEST(hidden_pfn, "page frame numbers shown to who is not root")
{
	if (geteuid() != 0)
		SKIP("for root");
	volatile char *p = ut_map(PAGE);
	p[0] = 1;
	CHECK(PM_PFN(ut_pagemap(p)) != 0);
	int fd = OK(open("/proc/self/pagemap", O_RDONLY));
	pid_t pid = CHILD({
		uint64_t e = 0;
		OK(prctl(PR_SET_DUMPABLE, 1));
		become(1000);
		OK(prctl(PR_SET_DUMPABLE, 1));
		p[0] = 2;
		e = ut_pagemap(p);
		CHECK(e & PM_PRESENT);
		CHECK_EQ(PM_PFN(e), 0);
		/* rights are those of when it was opened */
		CHECK_EQ(pread(fd, &e, 8, (uintptr_t)p / PAGE * 8), 8);
		CHECK(PM_PFN(e) != 0);
	});
	CHECK_EXIT(pid, 0);
}

TEST(refused, "writes that make no sense: to files to be read, or of what is no number")
{
	char c = 'x';

	if (geteuid() != 0)
		SKIP("for root");
	int fd = OK(open("/proc/self/clear_refs", O_WRONLY));
	CHECK_ERRNO(write(fd, "0\n", 2), EINVAL);
	CHECK_ERRNO(write(fd, "6\n", 2), EINVAL);
	CHECK_ERRNO(write(fd, "x\n", 2), EINVAL);
	CHECK_ERRNO(write(fd, "1 2", 3), EINVAL);
	CHECK_ERRNO(write(fd, BADPTR, 1), EFAULT);
	CHECK_EQ(write(fd, "1\n", 2), 2);
	CHECK_ERRNO(read(fd, &c, 1), EBADF);
	fd = OK(open("/proc/self/oom_score_adj", O_RDWR));
	CHECK_ERRNO(write(fd, "1001", 4), EINVAL);
	CHECK_ERRNO(write(fd, "-1001", 5), EINVAL);
	CHECK_ERRNO(write(fd, "y", 1), EINVAL);
	CHECK_EQ(write(fd, "500\n", 4), 4);
	CHECK_EQ(pread(fd, text, 10, 0), 4);
	CHECK(!memcmp(text, "500\n", 4));
	fd = OK(open("/proc/sys/vm/overcommit_memory", O_WRONLY));
	CHECK_ERRNO(write(fd, "3", 1), EINVAL);
	CHECK_ERRNO(write(fd, "-1", 2), EINVAL);
	CHECK_ERRNO(write(fd, "abc", 3), EINVAL);
	CHECK_ERRNO(write(fd, BADPTR, 3), EFAULT);
	fd = OK(open("/proc/sys/vm/drop_caches", O_WRONLY));
	CHECK_ERRNO(write(fd, "0", 1), EINVAL);
	CHECK_ERRNO(write(fd, "5", 1), EINVAL);
	/* text files cannot be written, and nothing can be made or removed */
	fd = OK(open("/proc/meminfo", O_RDWR));
	CHECK_ERRNO(write(fd, "1", 1), EIO);
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_ERRNO(mkdir("/proc/new", 0777), ENOENT);
	CHECK_ERRNO(open("/proc/new", O_CREAT | O_WRONLY, 0666), ENOENT);
	CHECK_ERRNO(unlink("/proc/meminfo"), EPERM);
	CHECK_ERRNO(chmod("/proc/self/stat", 0777), EPERM);
	CHECK_ERRNO(rename("/proc/meminfo", "/proc/minfo"), ENOENT);
}

/* --- after the end -------------------------------------------------------------------------------- */

TEST(gone, "files of a process that has ended and was waited for while they were open")
{
	static const struct {
		const char *name;
		int error; /* 0: reads as empty */
	} files[] = {
		{"stat", ESRCH},          {"statm", ESRCH},        {"status", ESRCH},
		{"limits", ESRCH},        {"cmdline", ESRCH},      {"comm", ESRCH},
		{"maps", ESRCH},          {"smaps", ESRCH},        {"io", ESRCH},
		{"wchan", ESRCH},         {"syscall", ESRCH},      {"oom_score", ESRCH},
		{"pagemap", 0},           {"environ", 0},          {"mem", 0},
		{"oom_score_adj", ESRCH}, {"smaps_rollup", ESRCH},
	};
	enum { N = sizeof(files) / sizeof(files[0]) };
	int fds[N];
	pid_t pid = CHILD({ pause(); });

	ut_wait_state(pid, 'S');
	for (int i = 0; i < N; i++)
		fds[i] = OK(open(pid_path(pid, files[i].name), O_RDONLY));
	int refs = open(pid_path(pid, "clear_refs"), O_WRONLY);
	int dir = OK(open(pid_path(pid, ""), O_RDONLY | O_DIRECTORY));
	int task = OK(open(pid_path(pid, "task"), O_RDONLY | O_DIRECTORY));
	int fdfd = OK(open(pid_path(pid, "fd"), O_RDONLY | O_DIRECTORY));
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	for (int i = 0; i < N; i++) {
		errno = 0;
		ssize_t n = pread(fds[i], text, 64, i == 12 ? 0x400000 / PAGE * 8 : 0);
		if (files[i].error ? n != -1 || errno != files[i].error : n != 0)
			FAIL("%s: read gives %zd, %s", files[i].name, n, ut_errname(errno));
	}
	CHECK_ERRNO(write(refs, "1", 1), ESRCH);
	CHECK_ERRNO(openat(dir, "stat", O_RDONLY), ESRCH);
	CHECK_ERRNO(syscall(SYS_getdents64, dir, text, 1000), ENOENT);
	CHECK_ERRNO(syscall(SYS_getdents64, task, text, 1000), ENOENT);
	CHECK_ERRNO(syscall(SYS_getdents64, fdfd, text, 1000), ENOENT);
	CHECK_ERRNO(open(pid_path(pid, "stat"), O_RDONLY), ENOENT);
}

TEST(zombie, "files of a process that has ended and was not waited for yet")
{
	pid_t pid = CHILD({ _exit(3); });

	ut_wait_state(pid, 'Z');
	CHECK(slurp_by(pid_path(pid, "stat"), text, sizeof(text), 1000) > 0);
	CHECK(strstr(text, ") Z ") != NULL);
	CHECK(slurp_by(pid_path(pid, "status"), text, sizeof(text), 1000) > 0);
	CHECK(strstr(text, "\nState:\tZ (zombie)\n") != NULL);
	CHECK(strstr(text, "VmSize") == NULL);
	slurp_by(pid_path(pid, "statm"), text, sizeof(text), 1000);
	CHECK_STR(text, "0 0 0 0 0 0 0\n");
	static const char *const empty[] = {"maps", "smaps", "cmdline", "environ", "pagemap"};
	for (int i = 0; i < 5; i++)
		CHECK_EQ(slurp_by(pid_path(pid, empty[i]), text, sizeof(text), 1000), 0);
	int fd = OK(open(pid_path(pid, "smaps_rollup"), O_RDONLY));
	CHECK_ERRNO(read(fd, text, 100), ESRCH);
	CHECK_ERRNO(readlink(pid_path(pid, "exe"), text, 100), ENOENT);
	CHECK_ERRNO(readlink(pid_path(pid, "cwd"), text, 100), ENOENT);
	CHECK_EXIT(pid, 3);
}

/* --- files about one thread, and about the machine ------------------------------------------------ */

static long io_count(const char *name)
{
	ut_slurp("/proc/self/io", text, sizeof(text));
	char *p = strstr(text, name);
	return p ? atol(p + strlen(name)) : -1;
}

TEST(io,
     "/proc/PID/io that does not count the bytes and calls of all threads and waited-for children")
{
	int fds[2];
	char buf[1000] = "";

	OK(pipe(fds));
	long rchar = io_count("rchar: "), wchar = io_count("\nwchar: ");
	long syscr = io_count("\nsyscr: "), syscw = io_count("\nsyscw: ");
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(write(fds[1], buf, 1000), 1000);
		struct iovec iov[2] = {{buf, 300}, {buf, 200}};
		CHECK_EQ(readv(fds[0], iov, 2), 500);
		CHECK_EQ(read(fds[0], buf, 500), 500);
	}
	pid_t pid = CHILD({
		CHECK_EQ(write(fds[1], buf, 77), 77);
		_exit(0);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(io_count("\nwchar: ") - wchar, 3077);
	CHECK_EQ(io_count("\nsyscw: ") - syscw, 4);
	/* what reading the file itself cost, twice a time: its text, and the end of it */
	long each = strlen(text);
	long reads = io_count("rchar: ") - rchar;
	CHECK(reads >= 3000 + 4 * each && reads < 3000 + 7 * each + 100);
	CHECK_EQ(io_count("\nsyscr: ") - syscr, 6 + 2 * 5);
}

TEST(syscall_file, "/proc/PID/syscall: another number, arguments or place than the call slept in")
{
	int fds[2];
	static char buf[32];
	unsigned long nr, arg[6], sp, ip;

	OK(pipe(fds));
	pid_t pid = CHILD({ read(fds[0], buf, 32); });
	ut_wait_state(pid, 'S');
	ut_slurp(pid_path(pid, "syscall"), text, sizeof(text));
	CHECK_EQ(sscanf(text, "%lu 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx\n", &nr, &arg[0],
			&arg[1], &arg[2], &arg[3], &arg[4], &arg[5], &sp, &ip),
		 9);
	CHECK_EQ(nr, SYS_read);
	CHECK_EQ(arg[0], fds[0]);
	CHECK_EQ(arg[1], (uintptr_t)buf);
	CHECK_EQ(arg[2], 32);
	CHECK(ut_maps_line(pid, (void *)sp, text, sizeof(text)) && strstr(text, "rw-p"));
	CHECK(ut_maps_line(pid, (void *)ip, text, sizeof(text)) && strstr(text, "r-xp"));
	OK(kill(pid, SIGSTOP));
	ut_wait_state(pid, 'T');
	CHECK(slurp_by(pid_path(pid, "syscall"), text, sizeof(text), 1000) > 0);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	int fd = OK(open("/proc/self/syscall", O_RDONLY));
	CHECK(read(fd, text, sizeof(text)) > 0);
	CHECK_EQ(sscanf(text, "%lu 0x%lx 0x%lx 0x%lx ", &nr, &arg[0], &arg[1], &arg[2]), 4);
	CHECK(nr == SYS_read && arg[0] == (unsigned long)fd && arg[2] == sizeof(text));
	/* for as long as it takes to be seen: it does not sleep at all */
	pid = CHILD({
		for (;;)
			;
	});
	ut_wait_state(pid, 'R');
	slurp_by(pid_path(pid, "syscall"), text, sizeof(text), 1000);
	CHECK_STR(text, "running\n");
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

/* --- the log -------------------------------------------------------------------------------------- */

TEST(kmsg_stream, "/proc/kmsg and syslog(2): records read twice, cut wrongly, or not at all")
{
	if (geteuid() != 0)
		SKIP("for root");
	int log = OK(open("/dev/kmsg", O_WRONLY)),
	    fd = OK(open("/proc/kmsg", O_RDONLY | O_NONBLOCK));
	while (read(fd, text, sizeof(text)) > 0)
		;
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(syscall(SYS_syslog, 9, NULL, 0), 0);
	CHECK_EQ(write(log, "<5>stream one\n", 14), 14);
	CHECK_EQ(write(log, "<5>stream two\n", 14), 14);
	struct pollfd pfd = {fd, POLLIN, 0};
	CHECK_EQ(poll(&pfd, 1, 1000), 1);
	long unread = syscall(SYS_syslog, 9, NULL, 0);
	CHECK(unread > 40 && unread < 100);
	/* two readers share it, and a short read leaves the rest */
	CHECK_EQ(read(fd, other, 3), 3);
	long n = 3, r;
	while (n < 1000 && !strstr(other, "two\n") &&
	       (r = syscall(SYS_syslog, 2, other + n, 7)) > 0)
		n += r, other[n] = 0;
	CHECK_EQ(n, unread);
	CHECK(!strncmp(other, "<13>[", 5));
	char *second = strchr(other, '\n');
	REQUIRE(second != NULL);
	CHECK(!memcmp(second - 10, "stream one", 10));
	CHECK(!strncmp(second + 1, "<13>[", 5));
	CHECK(strstr(second, "] stream two\n") != NULL);
	CHECK_EQ(syscall(SYS_syslog, 9, NULL, 0), 0);
	CHECK_ERRNO(read(fd, text, 10), EAGAIN);
	CHECK_EQ(poll(&pfd, 1, 0), 0);
	/* a reader that waits is woken */
	pid_t pid = CHILD({
		CHECK(syscall(SYS_syslog, 2, text, 100) > 10);
		CHECK(strstr(text, "three") != NULL);
	});
	ut_wait_state(pid, 'S');
	CHECK_EQ(write(log, "<5>stream three\n", 16), 16);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(write(log, "<5>four\n", 8), 8);
	CHECK_ERRNO(read(fd, BADPTR, 10), EFAULT);
	CHECK_ERRNO(syscall(SYS_syslog, 2, NULL, 10), EINVAL);
	CHECK_ERRNO(syscall(SYS_syslog, 2, text, -1), EINVAL);
}

/* The log's text since fd was placed at its end. */
static void read_log(int fd)
{
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1024 &&
	       ((n = read(fd, text + len, 1024)) > 0 || (n < 0 && errno == EPIPE)))
		len += n > 0 ? (size_t)n : 0;
	text[len] = 0;
}

TEST(sysrq, "sysrq-trigger: a report on memory or tasks that lacks what it is read for")
{
	if (geteuid() != 0)
		SKIP("for root");
	int fd = OK(open("/dev/kmsg", O_RDONLY | O_NONBLOCK)), trigger;
	trigger = OK(open("/proc/sysrq-trigger", O_WRONLY));
	OK(lseek(fd, 0, SEEK_END));
	CHECK_EQ(write(trigger, "m", 1), 1);
	read_log(fd);
	static const char *const memory[] = {"sysrq: Show Memory",
					     "Mem-Info:",
					     "active_anon:",
					     "slab_reclaimable:",
					     "free:",
					     "Node 0 DMA",
					     " min:",
					     "present:",
					     "lowmem_reserve[]:",
					     "Node 0 DMA",
					     "*4kB",
					     "*4096kB",
					     "kB\n",
					     "pagecache pages",
					     "Free swap",
					     "pages RAM",
					     "pages reserved"};
	char *at = text;
	for (size_t i = 0; at && i < sizeof(memory) / sizeof(memory[0]); i++) {
		at = strstr(at, memory[i]);
		if (!at)
			FAIL("the report on memory has no \"%s\", or not in its place", memory[i]);
	}
	pid_t pid = CHILD({ pause(); });
	ut_wait_state(pid, 'S');
	OK(lseek(fd, 0, SEEK_END));
	CHECK_EQ(write(trigger, "t\n", 2), 2);
	read_log(fd);
	char line[100];
	snprintf(line, sizeof(line), "task:t_procfile      state:S stack:");
	CHECK(strstr(text, line) != NULL);
	snprintf(line, sizeof(line), " pid:%-5d ppid:%-6d flags:0x", pid, getpid());
	CHECK(strstr(text, line) != NULL);
	CHECK(strstr(text, "Call Trace:") != NULL);
	OK(lseek(fd, 0, SEEK_END));
	CHECK_EQ(write(trigger, "?", 1), 1);
	read_log(fd);
	CHECK(strstr(text, "sysrq: HELP : ") != NULL);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(last_user, "the reader of a text as the last one to hold the memory and files of a process")
{
	size_t len = 512 * PAGE;

	for (int i = 0; i < 6; i++) {
		pid_t pid = CHILD({
			int fd = ut_file("gone", NULL, 0);
			OK(ftruncate(fd, len));
			char *p = OK(mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
			memset(p, 1, len);
			OK(unlink("gone"));
			close(fd);
			for (int k = 0; k < 32; k++)
				OK(mprotect(p + k * 16 * PAGE, PAGE, PROT_READ));
			pause();
		});
		ut_wait_state(pid, 'S');
		/* it is killed while others are in the middle of looking at it */
		pid_t reader[3];
		static const char *const files[] = {"smaps", "smaps_rollup", "maps"};
		for (int k = 0; k < 3; k++)
			reader[k] = CHILD({
				int fd = open(pid_path(pid, files[k]), O_RDONLY);
				do
					lseek(fd, 0, SEEK_SET);
				while (fd >= 0 && read(fd, text, sizeof(text)) > 0);
			});
		for (int k = 0; k < 2 * i; k++)
			sched_yield();
		OK(kill(pid, SIGKILL));
		CHECK_SIGNALED(pid, SIGKILL);
		for (int k = 0; k < 3; k++)
			CHECK_EXIT(reader[k], 0);
	}
}

TEST(opened_before, "memory that is gone, in a text that was opened while it was there")
{
	pid_t pid = CHILD({ pause(); });
	int maps = OK(open(pid_path(pid, "maps"), O_RDONLY));
	int smaps = OK(open(pid_path(pid, "smaps"), O_RDONLY));
	int rollup = OK(open(pid_path(pid, "smaps_rollup"), O_RDONLY));

	CHECK(read(maps, text, sizeof(text)) > 100);
	OK(kill(pid, SIGKILL));
	ut_wait_state(pid, 'Z');
	for (int pass = 0; pass < 2; pass++) {
		CHECK_EQ(pread(maps, text, sizeof(text), 0), 0);
		CHECK_EQ(read(smaps, text, sizeof(text)), 0);
		CHECK_ERRNO(read(rollup, text, sizeof(text)), ESRCH);
	}
	CHECK_SIGNALED(pid, SIGKILL);
	CHECK_ERRNO(pread(maps, text, sizeof(text), 0), ESRCH);
	CHECK_ERRNO(read(smaps, text, sizeof(text)), ESRCH);
}

TEST(pid_max, "kernel.pid_max: new numbers beyond it, or limits that are not Linux's")
{
	char was[32], limit[32];
	int wrapped = 0;

	if (geteuid() != 0)
		SKIP("for root");
	int fd = OK(open("/proc/sys/kernel/pid_max", O_RDWR));
	ssize_t n = OK(read(fd, was, sizeof(was)));
	CHECK_ERRNO(pwrite(fd, "300", 3, 0), EINVAL);
	CHECK_ERRNO(pwrite(fd, "4194305", 7, 0), EINVAL);
	CHECK_EQ(pwrite(fd, "4194304", 7, 0), 7);
	pid_t last = CHILD({}), max = last < 310 ? 320 : last + 10;
	CHECK_EXIT(last, 0);
	snprintf(limit, sizeof(limit), "%d", max);
	CHECK_EQ(pwrite(fd, limit, strlen(limit), 0), (ssize_t)strlen(limit));
	for (int i = 0; i < 340; i++) {
		pid_t pid = CHILD({});
		if (pid >= max)
			FAIL("a new process is number %d", pid);
		if (pid < last) {
			wrapped++;
			CHECK(pid >= 300); /* those below are for who starts the machine */
		}
		last = pid;
		CHECK_EXIT(pid, 0);
	}
	CHECK(wrapped > 0);
	CHECK_EQ(pwrite(fd, was, n, 0), n);
}
