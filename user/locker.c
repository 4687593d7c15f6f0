/* SPDX-License-Identifier: MIT */
/*
 * locker: what mlock(), mlock2(MLOCK_ONFAULT) and mlockall() do, and when they refuse.
 *
 *	locker [-s SECONDS] [MIB]	(default 4 MiB; -s: keep all locked at the end, to look at it)
 *
 * After each step it shows how much of the memory is resident, and three views of what is locked:
 * VmLck (this process's areas, resident or not), Locked of smaps (what of this area is locked and
 * resident, divided by its sharers), Mlocked of /proc/meminfo (pages of the whole machine that are on
 * the unevictable list). In the end a child without the right to lock at will meets RLIMIT_MEMLOCK:
 * ENOMEM when it asks for more than it may, EPERM when it may lock nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif
#define PAGE 4096

static size_t len = 4 << 20;
static char *memory;

/* Of a file in /proc a field in kB; in smaps, the field of the area that memory is in. */
static long field(const char *path, const char *name)
{
	FILE *f = fopen(path, "r");
	size_t n = strlen(name);
	int here = !strstr(path, "smaps");
	unsigned long from, to;
	char line[512];
	long kb = -1;

	while (f && kb < 0 && fgets(line, sizeof(line), f)) {
		if (strstr(path, "smaps") && sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (unsigned long)memory >= from && (unsigned long)memory < to;
		if (here && !strncmp(line, name, n) && line[n] == ':')
			kb = atol(line + n + 1);
	}
	if (f)
		fclose(f);
	return kb;
}

static void show(const char *what, int result)
{
	int err = errno;

	printf("%-34s %-7s resident %6ld  VmLck %6ld  Locked %6ld  Mlocked %6ld\n", what,
	       result == 0   ? "ok" :
	       err == EPERM  ? "EPERM" :
	       err == ENOMEM ? "ENOMEM" :
	       err == EAGAIN ? "EAGAIN" :
	       err == ENOSYS ? "ENOSYS" :
			       strerror(err),
	       field("/proc/self/smaps", "Rss"), field("/proc/self/status", "VmLck"),
	       field("/proc/self/smaps", "Locked"), field("/proc/meminfo", "Mlocked"));
	fflush(stdout);
}

static void touch(size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE)
		((volatile char *)memory)[at] = 1;
}

static int lock_on_fault(void)
{
	return (int)syscall(SYS_mlock2, memory, len, MLOCK_ONFAULT);
}

/* An area of its own, which merges with none beside it. */
static void map(void)
{
	char *p = mmap(NULL, len + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memory = p == MAP_FAILED ? p :
				   mmap(p + PAGE, len, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (memory == MAP_FAILED) {
		perror("locker: mmap");
		exit(1);
	}
}

static void renew(void)
{
	munmap(memory, len);
	map();
}

static void limits(void)
{
	struct rlimit half = {len / 2, len / 2}, none = {0, 0};

	if (setuid(65534) < 0)
		perror("locker: setuid");
	printf("\nAs user %d, RLIMIT_MEMLOCK %zu kB:\n", getuid(), len / 2048);
	if (setrlimit(RLIMIT_MEMLOCK, &half) < 0)
		perror("locker: setrlimit");
	show("mlock of half", mlock(memory, len / 2));
	show("mlock of all", mlock(memory, len));
	show("mlockall(MCL_CURRENT)", mlockall(MCL_CURRENT));
	show("munlock of all", munlock(memory, len));
	setrlimit(RLIMIT_MEMLOCK, &none);
	printf("RLIMIT_MEMLOCK 0:\n");
	show("mlock of one page", mlock(memory, PAGE));
	show("mlockall(MCL_CURRENT)", mlockall(MCL_CURRENT));
	show("munlockall", munlockall());
	exit(0);
}

static void steps(void)
{
	show("mapped", 0);
	touch(len / 4);
	show("a quarter touched", 0);
	show("mlock of half", mlock(memory, len / 2));
	show("munlock of a page in the middle", munlock(memory + len / 4, PAGE));
	show("mlock of all", mlock(memory, len));
	show("munlock of all", munlock(memory, len));
	renew();
	show("new; mlock2(MLOCK_ONFAULT)", lock_on_fault());
	touch(len / 4);
	show("a quarter touched", 0);
	show("munlockall", munlockall());
	renew();
	show("new; mlockall(CURRENT | ONFAULT)", mlockall(MCL_CURRENT | MCL_ONFAULT));
	touch(len / 4);
	show("a quarter touched", 0);
	show("mlockall(MCL_FUTURE)", mlockall(MCL_FUTURE));
	renew();
	show("new, untouched", 0);
	show("munlockall", munlockall());
}

int main(int argc, char **argv)
{
	int opt, seconds = 0;
	pid_t pid;

	while ((opt = getopt(argc, argv, "s:")) != -1) {
		if (opt != 's')
			return 1;
		seconds = atoi(optarg);
	}
	if (optind < argc)
		len = strtoul(argv[optind], NULL, 0) << 20;
	if (!len)
		return 1;
	map();
	printf("locker: pid %d, an area of %zu kB; all figures in kB\n", getpid(), len >> 10);
	steps();
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		limits();
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (seconds) {
		show("mlockall(CURRENT | FUTURE)", mlockall(MCL_CURRENT | MCL_FUTURE));
		sleep((unsigned)seconds);
	}
	return 0;
}
