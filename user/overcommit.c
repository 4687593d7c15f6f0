/* SPDX-License-Identifier: MIT */
/*
 * overcommit: what a kernel promises, in each of the three modes of vm.overcommit_memory.
 *
 *	overcommit [-p PIECE]		(MiB, default 16)
 *
 *	0 heuristic	a request is refused only if it alone is more than all RAM and swap
 *	1 always	all is granted
 *	2 never		all promises together (Committed_AS) stay below CommitLimit = swap +
 *			overcommit_ratio % of RAM: malloc() fails, and no OOM killer need come
 *
 * In each mode a child asks for one piece of all RAM and swap and one of half as much again, then for
 * small ones until it is refused or has four times what there is, private and MAP_NORESERVE. None is
 * touched: Committed_AS grows, and not a page of memory is used. As root it sets the modes and restores
 * what it found, else it shows the present one.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"

#define MODE  "/proc/sys/vm/overcommit_memory"
#define RATIO "/proc/sys/vm/overcommit_ratio"

static long found = -1; /* the mode that was set */
static size_t piece = 16, total;

static long number(const char *path)
{
	FILE *f = fopen(path, "r");
	long n = -1;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/* Not by stdio: in mode 2 there may be no memory for its buffer. */
static int set_mode(long mode)
{
	int fd = open(MODE, O_WRONLY);
	char digit = '0' + mode;
	int ok = fd >= 0 && write(fd, &digit, 1) == 1;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void restore(void)
{
	if (found >= 0 && number(MODE) != found && !set_mode(found))
		perror("overcommit: the mode could not be restored");
}

static void on_signal(int sig)
{
	restore();
	_exit(128 + sig);
}

static long meminfo(const char *field)
{
	return proc_value("/proc/meminfo", field);
}

static void *ask(size_t mib, int flags)
{
	return mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
		    -1, 0);
}

static void in_one_piece(size_t mib)
{
	void *p = ask(mib, 0);

	printf("  one piece of %5zu MiB: %s\n", mib, p == MAP_FAILED ? "refused" : "granted");
	if (p != MAP_FAILED)
		munmap(p, mib << 20);
}

/* In a child of its own: what it got goes with it. */
static void in_pieces(const char *name, int flags)
{
	long before = meminfo("Committed_AS");
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		size_t have = 0;
		while (have < 4 * total && ask(piece, flags) != MAP_FAILED)
			have += piece;
		long with = meminfo("Committed_AS");
		printf("  %-13s pieces: %5zu MiB granted%s; Committed_AS %ld -> %ld MiB, MemFree %ld MiB\n",
		       name, have, have < 4 * total ? ", then refused" : " and no end",
		       before / 1024, with / 1024, meminfo("MemFree") / 1024);
		fflush(stdout);
		_exit(0); /* the mode is the parent's to restore */
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		printf("  %s pieces: the child did not end well\n", name);
}

static void show(long mode)
{
	static const char *const names[] = {"heuristic", "always", "never more than there is"};

	printf("\nmode %ld (%s): CommitLimit %ld MiB, Committed_AS %ld MiB\n", mode,
	       mode >= 0 && mode < 3 ? names[mode] : "?", meminfo("CommitLimit") / 1024,
	       meminfo("Committed_AS") / 1024);
	in_one_piece(total);
	in_one_piece(total + total / 2);
	in_pieces("private", 0);
	in_pieces("MAP_NORESERVE", MAP_NORESERVE);
	printf("  afterwards: Committed_AS %ld MiB\n", meminfo("Committed_AS") / 1024);
}

int main(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "p:")) != -1) {
		if (opt != 'p')
			return 1;
		piece = strtoul(optarg, NULL, 0);
	}
	if (!piece)
		return 1;
	found = number(MODE);
	if (found < 0) {
		printf("overcommit: there is no %s here\n", MODE);
		return 1;
	}
	total = (size_t)(meminfo("MemTotal") + meminfo("SwapTotal")) / 1024 + 1;
	printf("overcommit: %ld MiB of RAM, %ld MiB of swap; overcommit_ratio %ld; nothing of what is granted is touched\n",
	       meminfo("MemTotal") / 1024, meminfo("SwapTotal") / 1024, number(RATIO));
	atexit(restore);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	for (long mode = 0; mode <= 2; mode++) {
		if (set_mode(mode)) {
			show(mode);
		} else {
			printf("overcommit: only root may change the mode\n");
			show(found);
			break;
		}
	}
	restore();
	printf("\nthe mode is %ld again\n", number(MODE));
	return 0;
}
