/* SPDX-License-Identifier: MIT */
/*
 * run: runs the user tests, as an ordinary program or as the first process (rdinit=/tests/run).
 *
 * As pid 1 it first mounts what the tests need and in the end powers the machine off. It runs
 * every /tests/t_* in turn, or those that the kernel's command line names (utest=mmap,fork; one
 * case: utest=mmap.merge), or, started from a shell, those that its arguments name. Their lines
 * are passed on as they come and counted; a program that ends early, or that prints fewer results
 * than its plan said, counts as one failure. SWAP=MIB on the command line: /dev/ram0 becomes
 * swap before (on Linux by the module brd.ko, if the image has it). The
 * last line is
 *
 *	# utest: P passed, F failed, S skipped
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <termios.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIR_TESTS "/tests"

static int passed, failed, skipped;

/*
 * One program
 */
struct progress {
	int planned, seen; /* of the program that runs */
};

static void count_line(const char *line, struct progress *p)
{
	if (!strncmp(line, "1..", 3)) {
		p->planned = atoi(line + 3);
	} else if (!strncmp(line, "not ok ", 7)) {
		p->seen++;
		failed++;
	} else if (!strncmp(line, "ok ", 3)) {
		p->seen++;
		if (strstr(line, "# SKIP"))
			skipped++;
		else
			passed++;
	}
}

static void pass_on(const char *buf, size_t n)
{
	while (n) {
		ssize_t w = write(1, buf, n);

		if (w < 0 && errno != EINTR)
			return;
		if (w > 0) {
			buf += w;
			n -= w;
		}
	}
}

/* Cut the stream into lines; what is left of an unfinished one stays in line[]. */
static void feed(const char *buf, size_t n, char *line, size_t *len, size_t max, struct progress *p)
{
	for (size_t i = 0; i < n; i++) {
		if (buf[i] == '\n') {
			line[*len] = 0;
			count_line(line, p);
			*len = 0;
		} else if (*len < max - 1) {
			line[(*len)++] = buf[i];
		}
	}
}

/*
 * Read until the program has ended and the pipe is empty. Processes that a test left behind may
 * hold the pipe open for ever, so its end alone is not awaited. As pid 1 we also reap orphans.
 */
static int follow(int fd, pid_t pid, struct progress *p)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char buf[4096], line[512];
	int status = 0, done = 0;
	size_t len = 0;

	for (;;) {
		int ready = poll(&pfd, 1, done ? 0 : 100);
		ssize_t n = ready > 0 ? read(fd, buf, sizeof(buf)) : 0;

		if (n > 0) {
			pass_on(buf, n);
			feed(buf, n, line, &len, sizeof(line), p);
			continue;
		}
		if (done)
			return status;
		if (ready > 0 && n == 0) {
			/* End of file: nothing more to read, only to wait. */
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
			return status;
		}
		int st;
		pid_t r;
		while ((r = waitpid(-1, &st, WNOHANG)) > 0)
			if (r == pid) {
				status = st;
				done = 1;
			}
	}
}

/* System V segments outlive who made them (the fuzzer makes many): what one program left behind
 * counts as promised memory in the next one's sums. Only where the whole machine is ours. */
static void remove_segments(void)
{
	struct shmid_ds ds;

	for (int i = 0, id; getpid() == 1 && i < 4096; i++)
		if ((id = shmctl(i, SHM_STAT, &ds)) >= 0)
			shmctl(id, IPC_RMID, NULL);
}

static void run_program(const char *name, const char *test)
{
	struct progress p = {.planned = -1};
	char path[300];
	int fds[2], status;
	pid_t pid;

	snprintf(path, sizeof(path), DIR_TESTS "/%s", name);
	printf("# suite %s\n", strncmp(name, "t_", 2) ? name : name + 2);
	fflush(stdout);
	if (pipe(fds) < 0 || (pid = fork()) < 0) {
		printf("not ok 0 %s: %s\n", name, strerror(errno));
		failed++;
		return;
	}
	if (pid == 0) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		execl(path, path, test, NULL);
		printf("not ok 0 %s: %s\n", path, strerror(errno));
		fflush(stdout);
		_exit(127);
	}
	close(fds[1]);
	status = follow(fds[0], pid, &p);
	close(fds[0]);
	remove_segments();
	if (WIFSIGNALED(status) || p.planned != p.seen) {
		printf("not ok 0 %s: ended early (wait status %#x, %d of %d tests)\n", name, status,
		       p.seen, p.planned);
		failed++;
	}
}

/*
 * Which ones
 */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_suite(const struct dirent *d)
{
	return !strncmp(d->d_name, "t_", 2);
}

static void run_all(void)
{
	struct dirent **list;
	int n = scandir(DIR_TESTS, &list, is_suite, by_name);

	if (n <= 0) {
		printf("not ok 0 no programs in " DIR_TESTS "\n");
		failed++;
	}
	for (int i = 0; i < n; i++)
		run_program(list[i]->d_name, NULL);
}

/* "mmap" or "mmap.merge"; "fuzz/calls" is a program elsewhere below /tests. */
static void run_named(const char *name)
{
	char program[280];
	char *dot;

	snprintf(program, sizeof(program), "%s%s", strchr(name, '/') ? "" : "t_", name);
	dot = strchr(program, '.');
	if (dot)
		*dot++ = 0;
	run_program(program, dot);
}

/* What follows the word on the kernel's command line, or NULL. */
static char *cmdline(const char *word)
{
	static char buf[4096];
	FILE *f = fopen("/proc/cmdline", "r");
	char *p;

	if (!f)
		return NULL;
	p = fgets(buf, sizeof(buf), f) ? strstr(buf, word) : NULL;
	fclose(f);
	if (!p)
		return NULL;
	p += strlen(word);
	p[strcspn(p, " \n")] = 0;
	return p;
}

static int run_cmdline(void)
{
	char *p = cmdline("utest="), *name, *save;

	if (!p)
		return 0;
	if (!strcmp(p, "all"))
		return 0;
	for (name = strtok_r(p, ",", &save); name; name = strtok_r(NULL, ",", &save))
		run_named(name);
	return 1;
}

/*
 * uprint=1 on the command line: run the demonstration programs too, with '|' before each line of
 * theirs. Whoever compares two kernels (scripts/oracle) compares these lines.
 */
static void print_programs(void)
{
	static const char *const programs[] = {"vmdemo", "cow -r", "mallocstress -n 1000"};
	char cmd[128];

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		printf("|== %s\n", programs[i]);
		fflush(stdout);
		snprintf(cmd, sizeof(cmd), "%s 2>&1 | sed 's/^/|/'", programs[i]);
		if (system(cmd) != 0)
			printf("|failed\n");
	}
}

/*
 * As pid 1
 */
static void mount_one(const char *type, const char *dir, unsigned long flags, const char *data)
{
	mkdir(dir, 0755);
	if (mount(type, dir, type, flags, data) < 0 && errno != EBUSY)
		printf("# mount %s on %s: %s\n", type, dir, strerror(errno));
}

static void start_machine(void)
{
	mount_one("proc", "/proc", 0, NULL);
	mount_one("sysfs", "/sys", 0, NULL);
	mount_one("devtmpfs", "/dev", 0, NULL);
	mount_one("tmpfs", "/tmp", 0, "mode=1777");
	mount_one("tmpfs", "/dev/shm", 0, "mode=1777");
	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
	setenv("HOME", "/", 1);
	chdir("/");
}

/*
 * Linux's ramdisk takes its memory when a block is first written, which reclaim would do: all of it is
 * written before, past the page cache. Octavo's is set aside at boot.
 */
static void load_brd(int module)
{
	static char block[65536] __attribute__((aligned(4096)));
	char options[64];
	int fd;

	snprintf(options, sizeof(options), "rd_nr=2 rd_size=%ld", atol(getenv("SWAP")) << 10);
	if (syscall(SYS_finit_module, module, options, 0) < 0 ||
	    (fd = open("/dev/ram0", O_WRONLY | O_DIRECT | O_CLOEXEC)) < 0) {
		printf("# brd.ko: %s\n", strerror(errno));
		return;
	}
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

static void start_swap(void)
{
	int module = open("/brd.ko", O_RDONLY | O_CLOEXEC);

	if (module >= 0) {
		load_brd(module);
		close(module);
	}
	mlockall(MCL_CURRENT | MCL_FUTURE); /* if the device is faulty, that is not our end */
	if (system("mkswap /dev/ram0 >/dev/null && swapon /dev/ram0") != 0) {
		printf("not ok 0 no swap on /dev/ram0\n");
		failed++;
	}
	unsetenv("SWAP");
}

int main(int argc, char **argv)
{
	int first = getpid() == 1;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	if (first)
		start_machine();
	printf("TAP version 13\n");
	if (first && getenv("SWAP"))
		start_swap();
	if (!first && argc > 1)
		for (int i = 1; i < argc; i++)
			run_named(argv[i]);
	else if (!first || !run_cmdline())
		run_all();
	if (first && cmdline("uprint=1"))
		print_programs();
	printf("# utest: %d passed, %d failed, %d skipped\n", passed, failed, skipped);
	fflush(stdout);
	if (first) {
		tcdrain(STDOUT_FILENO); /* before the log says that it is over */
		sync();
		reboot(RB_POWER_OFF);
		for (;;)
			pause();
	}
	return failed ? 1 : 0;
}
