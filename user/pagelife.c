/* SPDX-License-Identifier: MIT */
/*
 * pagelife: what becomes of one page, from the promise to its end.
 *
 * A page of anonymous memory goes through most states that a page can have. After each step the program
 * prints what /proc/self/pagemap says of the address (the frame, or the slot of swap), and what
 * /proc/kpagecount and /proc/kpageflags say of the frame (for root). The page goes to swap only if there
 * is some.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGE 4096

/* linux/kernel-page-flags.h */
static const char *const flag_names[64] = {
	[0] = "locked",     [2] = "referenced",  [3] = "uptodate",     [4] = "dirty",
	[5] = "lru",        [6] = "active",      [7] = "slab",         [8] = "writeback",
	[9] = "reclaim",    [10] = "buddy",      [11] = "mmap",        [12] = "anon",
	[13] = "swapcache", [14] = "swapbacked", [18] = "unevictable", [24] = "zero_page",
	[26] = "pgtable",   [33] = "mlocked",
};

static volatile char *page;
static uint64_t frame; /* the last that was seen */

static uint64_t word(const char *path, uint64_t index)
{
	int fd = open(path, O_RDONLY);
	uint64_t w = 0;

	if (fd < 0 || pread(fd, &w, 8, (off_t)(index * 8)) != 8)
		w = 0;
	close(fd);
	return w;
}

static void show_frame(void)
{
	uint64_t flags = word("/proc/kpageflags", frame);

	printf(" frame %#lx, mapped by %lu:", (long)frame, (long)word("/proc/kpagecount", frame));
	for (int i = 0; i < 64; i++)
		if (flags >> i & 1 && flag_names[i])
			printf(" %s", flag_names[i]);
}

static void show(const char *step)
{
	uint64_t entry = word("/proc/self/pagemap", (uintptr_t)page / PAGE);

	printf("%-22s", step);
	if (entry >> 62 & 1)
		printf(" slot %lu of area %d;", (long)(entry >> 5 & ((1UL << 50) - 1)),
		       (int)(entry & 31));
	else if (!(entry >> 63))
		printf(frame ? " nothing;" : " nothing");
	if (entry >> 63)
		frame = entry & ((1UL << 55) - 1);
	if (frame)
		show_frame();
	printf("\n");
	fflush(stdout);
}

static void *map(size_t pages)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

/* With a child that has the page, too. */
static void share(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0)
		for (;;)
			pause();
	show("forked");
	*page = 2;
	show("written: a copy");
	kill(pid, 9);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	page = map(1);
	show("mapped");
	(void)*page;
	show("read");
	*page = 1;
	show("written");
	memset(map(64), 1, 64 * PAGE); /* a CPU tells the lists of its new pages many at a time */
	show("others written");
	share();
	if (mlock((void *)page, PAGE))
		perror("mlock");
	show("mlock");
	munlock((void *)page, PAGE);
	show("munlock");
	if (madvise((void *)page, PAGE, MADV_PAGEOUT))
		perror("MADV_PAGEOUT");
	show("MADV_PAGEOUT");
	if (*page != 2)
		printf("the page's content is lost\n");
	show("read");
	*page = 3;
	show("written");
	munmap((void *)page, PAGE);
	show("munmap");
	return 0;
}
