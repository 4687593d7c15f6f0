/* SPDX-License-Identifier: MIT */
/*
 * cow: demand paging and copy-on-write, step by step.
 *
 *	1  malloc 10 MiB		promised, nothing behind it
 *	2  touch every page		now it is there: one fault a page
 *	3  fork				the child has it too, and not a page more is used
 *	4  the child writes		each written page is copied; now there are two
 *
 * Look from another shell at each step (pmap -x PID), or let the program do it:
 *
 *	cow [-p MIB] [-s SECONDS]	pause that long after each step (default 10 MiB, 20 s)
 *	cow -r [-p MIB]			run pmap -x at each step and do not pause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t mib = 10;
static int seconds = 20, run_pmap;
static char *memory;

/* What smaps says about the area that holds our memory. */
static void show_smaps(void)
{
	static const char *const fields[] = {
		"Rss:",           "Pss:",           "Shared_Clean:", "Shared_Dirty:",
		"Private_Clean:", "Private_Dirty:", "Anonymous:"};
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, here = 0;
	char line[512];

	printf("smaps of %p:", (void *)memory);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (unsigned long)memory >= start && (unsigned long)memory < end;
		for (size_t i = 0; here && i < sizeof(fields) / sizeof(*fields); i++)
			if (!strncmp(line, fields[i], strlen(fields[i])))
				printf(" %s %ld", fields[i],
				       strtol(line + strlen(fields[i]), NULL, 10));
	}
	printf(" (kB)\n");
	if (f)
		fclose(f);
}

static void pmap_self(void)
{
	char pid[16];
	pid_t kid;

	snprintf(pid, sizeof(pid), "%d", getpid());
	fflush(stdout);
	kid = vfork();
	if (kid == 0) {
		execlp("pmap", "pmap", "-x", pid, NULL);
		_exit(127);
	}
	waitpid(kid, NULL, 0);
}

static void step(const char *what)
{
	printf("%s: pid %d, %zu MiB at %p\n", what, getpid(), mib, (void *)memory);
	if (run_pmap) {
		pmap_self();
		show_smaps();
	}
	fflush(stdout);
	if (!run_pmap)
		sleep(seconds);
}

static void write_all(char c)
{
	for (size_t i = 0; i < mib << 20; i += 4096)
		memory[i] = c;
}

static void child(void)
{
	step("3 child, after fork");
	write_all('c');
	step("4 child, after writing");
	exit(0);
}

int main(int argc, char **argv)
{
	int opt, status;
	pid_t pid;

	while ((opt = getopt(argc, argv, "p:s:r")) != -1) {
		if (opt == 'p')
			mib = strtoul(optarg, NULL, 0);
		else if (opt == 's')
			seconds = atoi(optarg);
		else if (opt == 'r')
			run_pmap = 1;
		else
			return 1;
	}
	memory = malloc(mib << 20);
	if (!memory) {
		perror("malloc");
		return 1;
	}
	step("1 after malloc");
	write_all('p');
	step("2 after touching");
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return 1;
	}
	if (pid == 0)
		child();
	waitpid(pid, &status, 0);
	for (size_t i = 0; i < mib << 20; i += 4096)
		if (memory[i] != 'p') {
			printf("byte %zu of the parent has changed\n", i);
			return 1;
		}
	printf("5 parent: its memory is as it was\n");
	return status != 0;
}
