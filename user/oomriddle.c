/* SPDX-License-Identifier: MIT */
/*
 * oomriddle: "The OOM killer came with 2 GB of swap free. Why?"
 *
 *	oomriddle [-u] [-n PROCESSES]
 *
 *	-u	the same without the lock: then there is no riddle, and all of it fits
 *	-n	by so many processes (default 3)
 *
 * Children take a little more memory together than there is RAM, far less than RAM and swap. Each has
 * called mlockall() before, as a database or a real-time program may: none of its pages can be swapped,
 * so swap is of no use to the one who looks for memory, and the OOM killer comes while it is empty.
 * The parent, which the killer spares (oom_score_adj -1000), shows what to look at: Mlocked and
 * Unevictable beside SwapFree, VmLck of each process, and in the killer's own report the line of the
 * node ("unevictable:") and "Free swap".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

enum { MOST = 16, PATIENCE = 120 };

static struct child {
	pid_t pid;
	long rss, locked, swap; /* as last seen, kB */
	int status;             /* of its end; -1: alive */
} children[MOST];
static int n = 3, unlocked, done_fds[2], log_fd;
static long share; /* MiB of one child */

static void show_machine(const char *when)
{
	static const char *const names[] = {"MemTotal", "MemFree",     "MemAvailable", "SwapTotal",
					    "SwapFree", "Unevictable", "Mlocked"};

	printf("%s:", when);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		printf(" %s %ld", names[i], proc_value("/proc/meminfo", names[i]) / 1024);
	printf(" (MiB)\n");
	fflush(stdout);
}

static void write_adj(const char *value)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "w");

	if (f) {
		fputs(value, f);
		fclose(f);
	}
}

static void grow(void)
{
	write_adj("0");
	if (!unlocked && mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
		fprintf(stderr, "oomriddle: mlockall: %s\n", strerror(errno));
		_exit(1);
	}
	for (long i = 0; i < share; i++) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
		if (p == MAP_FAILED) {
			fprintf(stderr, "oomriddle: mmap: %s\n", strerror(errno));
			_exit(2);
		}
		for (size_t at = 0; at < 1 << 20; at += 4096)
			p[at] = (char)i;
	}
	if (write(done_fds[1], "x", 1) != 1)
		_exit(3);
	for (;;)
		pause();
}

static void look_at_children(void)
{
	char path[64];

	for (int i = 0; i < n; i++) {
		struct child *c = &children[i];
		snprintf(path, sizeof(path), "/proc/%d/status", c->pid);
		long rss = proc_value(path, "VmRSS");
		if (c->status >= 0 || rss < 0)
			continue;
		c->rss = rss;
		c->locked = proc_value(path, "VmLck");
		c->swap = proc_value(path, "VmSwap");
	}
}

/* Until all have what they want, or died of it. The killed, or -1 if time was up. */
static int watch(void)
{
	int done = 0, ended = 0, killed = 0;
	time_t end = time(NULL) + PATIENCE;

	while (done + ended < n && time(NULL) < end) {
		struct pollfd p = {.fd = done_fds[0], .events = POLLIN};
		char c;
		int status;
		pid_t pid;

		look_at_children();
		if (poll(&p, 1, 50) > 0 && read(done_fds[0], &c, 1) == 1)
			done++;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			for (int i = 0; i < n; i++)
				if (children[i].pid == pid) {
					children[i].status = status;
					ended++;
					killed += WIFSIGNALED(status) &&
						  WTERMSIG(status) == SIGKILL;
				}
	}
	return done + ended < n ? -1 : killed;
}

static void show_children(void)
{
	for (int i = 0; i < n; i++) {
		const struct child *c = &children[i];
		printf("  pid %d: RSS %ld, VmLck %ld, VmSwap %ld MiB when last seen; ", c->pid,
		       c->rss / 1024, c->locked / 1024, c->swap / 1024);
		if (c->status < 0)
			printf("it has its %ld MiB\n", share);
		else if (WIFSIGNALED(c->status))
			printf("killed by signal %d%s\n", WTERMSIG(c->status),
			       WTERMSIG(c->status) == SIGKILL ? ": the OOM killer's" : "");
		else
			printf("exited with %d\n", WEXITSTATUS(c->status));
	}
}

/* What of the kernel's report answers the question; of later kills, who. */
static int telling(const char *text, int kills)
{
	if (strstr(text, "Killed process"))
		return 1;
	return !kills && (strstr(text, "invoked oom-killer") || strstr(text, "Free swap") ||
			  strstr(text, "Total swap") ||
			  (!strncmp(text, "Node ", 5) && strstr(text, "unevictable:")));
}

static void show_log(void)
{
	char record[1024];
	int lines = 0, kills = 0;
	ssize_t len;

	printf("From the kernel's log:\n");
	while ((len = read(log_fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		char *text;
		if (len < 0) /* overwritten before it was read */
			continue;
		record[len] = 0;
		record[strcspn(record, "\n")] = 0;
		text = strchr(record, ';');
		if (!text || !telling(text + 1, kills))
			continue;
		printf("  %s\n", text + 1);
		lines++;
		kills += strstr(text, "Killed process") != NULL;
	}
	if (!lines)
		printf("  nothing about it\n");
}

static void answer(int killed, long swap_free)
{
	if (killed < 0)
		printf("After %d s not all had their memory, and none was killed.\n", PATIENCE);
	else if (!killed && unlocked)
		printf("No riddle: what did not fit into RAM went to swap, and all have what they want.\n");
	else if (!killed)
		printf("Nobody was killed: there was more memory than it seemed.\n");
	else if (unlocked)
		printf("Killed without a lock: RAM and swap together were too little.\n");
	else
		printf("The answer: %d killed with %ld MiB of swap free, since every page that could have gone\n"
		       "there was locked. Memory that is Mlocked counts as Unevictable; swap cannot help it.\n",
		       killed, swap_free);
}

static int set_up(void)
{
	long ram = proc_value("/proc/meminfo", "MemAvailable") / 1024;
	long swap = proc_value("/proc/meminfo", "SwapFree") / 1024;
	long extra = swap / 4 < ram / 3 + 8 ? swap / 4 : ram / 3 + 8;

	if (swap < 16) {
		printf("oomriddle: %ld MiB of swap free: no riddle without it (mkswap /dev/ram0; swapon /dev/ram0)\n",
		       swap);
		return -1;
	}
	if (!unlocked && geteuid() != 0)
		printf("oomriddle: only root may lock so much: see RLIMIT_MEMLOCK in locker\n");
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log_fd < 0 || lseek(log_fd, 0, SEEK_END) < 0 || pipe(done_fds) < 0)
		perror("oomriddle");
	share = (ram + extra) / n + 1;
	printf("oomriddle: %d processes of %ld MiB each, %s; available: %ld MiB of RAM, %ld MiB of swap\n",
	       n, share, unlocked ? "not locked" : "locked by mlockall()", ram, swap);
	return 0;
}

int main(int argc, char **argv)
{
	long swap_free = 0;
	int opt, killed;

	while ((opt = getopt(argc, argv, "un:")) != -1) {
		if (opt == 'u')
			unlocked = 1;
		else if (opt == 'n')
			n = atoi(optarg);
		else
			return 1;
	}
	if (n < 1 || n > MOST) {
		fprintf(stderr, "usage: oomriddle [-u] [-n PROCESSES, at most %d]\n", MOST);
		return 1;
	}
	if (set_up() < 0)
		return 2;
	write_adj("-1000");
	show_machine("Before");
	for (int i = 0; i < n; i++) {
		children[i].status = -1;
		children[i].pid = fork();
		if (children[i].pid == 0)
			grow();
	}
	killed = watch();
	swap_free = proc_value("/proc/meminfo", "SwapFree") / 1024;
	show_machine("Now");
	show_children();
	if (killed && !unlocked)
		show_log();
	answer(killed, swap_free);
	for (int i = 0; i < n; i++)
		if (children[i].pid > 0 && children[i].status < 0) {
			kill(children[i].pid, SIGKILL);
			waitpid(children[i].pid, NULL, 0);
		}
	show_machine("After");
	return unlocked ? killed != 0 : killed < 1;
}
