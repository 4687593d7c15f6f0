/* SPDX-License-Identifier: MIT */
/*
 * /proc's files as files: read in pieces, at odd places, while what they tell of changes, by those
 * who may not, and after the process has gone. What the texts say is in t_proc and t_memstat.
 */
#include "utest.h"

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
