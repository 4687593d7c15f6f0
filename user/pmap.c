/* SPDX-License-Identifier: MIT */
/*
 * pmap: the areas of a process's address space, as procps prints them.
 *
 *	pmap PID…		address, size, rights, what is mapped
 *	pmap -x PID…		and how much of it is resident, and how much of that is dirty
 *
 * It is a reader of /proc/PID/smaps: a line with the address range and rights opens each area,
 * lines "Field:  N kB" follow.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct area {
	unsigned long start, end;
	char rights[8]; /* rwxp or rwxs */
	char name[256];
	unsigned long rss, dirty; /* kB */
};

static unsigned long total, total_rss, total_dirty;

static FILE *open_proc(const char *pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	return fopen(path, "r");
}

/* The command line with blanks for the NULs between its words; a kernel thread has only a name. */
static void print_title(const char *pid)
{
	char text[512] = "";
	FILE *f = open_proc(pid, "cmdline");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	while (n && !text[n - 1])
		n--;
	for (size_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	if (!n && (f = open_proc(pid, "comm"))) {
		text[0] = '[';
		if (fgets(text + 1, sizeof(text) - 2, f))
			text[strcspn(text, "\n")] = 0;
		strcat(text, "]");
		fclose(f);
	}
	printf("%s:   %s\n", pid, text);
}

static const char *mapping_name(const struct area *a)
{
	const char *slash = strrchr(a->name, '/');

	if (slash)
		return slash + 1;
	return strcmp(a->name, "[stack]") ? "  [ anon ]" : "  [ stack ]";
}

static void print_area(const struct area *a, int extended)
{
	unsigned long size = (a->end - a->start) / 1024;
	char mode[6] = "-----";

	memcpy(mode, a->rights, 3);
	if (a->rights[3] == 's')
		mode[3] = 's';
	if (extended)
		printf("%016lx %7lu %7lu %7lu %s %s\n", a->start, size, a->rss, a->dirty, mode,
		       mapping_name(a));
	else
		printf("%016lx %6luK %s %s\n", a->start, size, mode, mapping_name(a));
	total += size;
	total_rss += a->rss;
	total_dirty += a->dirty;
}

/* Fills in an area from its opening line; 0 if it is not one. */
static int parse_area(const char *line, struct area *a)
{
	int name = 0;

	*a = (struct area){0};
	if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &a->start, &a->end, a->rights, &name) < 3)
		return 0;
	snprintf(a->name, sizeof(a->name), "%s", line + name);
	a->name[strcspn(a->name, "\n")] = 0;
	return 1;
}

static void parse_field(const char *line, struct area *a)
{
	unsigned long kb;

	if (sscanf(line, "Rss: %lu", &kb) == 1)
		a->rss = kb;
	else if (sscanf(line, "Shared_Dirty: %lu", &kb) == 1 ||
		 sscanf(line, "Private_Dirty: %lu", &kb) == 1)
		a->dirty += kb;
}

static int show(const char *pid, int extended)
{
	FILE *f = open_proc(pid, "smaps");
	struct area a = {0}, next;
	char line[512];

	if (!f) {
		fprintf(stderr, "pmap: %s: %s\n", pid, strerror(errno));
		return 42;
	}
	total = total_rss = total_dirty = 0;
	print_title(pid);
	if (extended)
		printf("%-16s  Kbytes     RSS   Dirty Mode  Mapping\n", "Address");
	while (fgets(line, sizeof(line), f)) {
		/* field names begin with a capital, addresses are in small hexadecimal digits */
		if (line[0] >= 'A' && line[0] <= 'Z') {
			parse_field(line, &a);
		} else if (parse_area(line, &next)) {
			if (a.end)
				print_area(&a, extended);
			a = next;
		}
	}
	if (a.end)
		print_area(&a, extended);
	fclose(f);
	if (extended)
		printf("---------------- ------- ------- ------- \ntotal kB %15lu %7lu %7lu\n",
		       total, total_rss, total_dirty);
	else
		printf(" total %16luK\n", total);
	return 0;
}

int main(int argc, char **argv)
{
	int extended = 0, opt, bad = 0;

	while ((opt = getopt(argc, argv, "x")) != -1) {
		if (opt != 'x')
			return 1;
		extended = 1;
	}
	if (optind == argc) {
		fprintf(stderr, "usage: pmap [-x] PID...\n");
		return 1;
	}
	for (int i = optind; i < argc; i++) {
		const char *pid = argv[i];

		if (!strncmp(pid, "/proc/", 6))
			pid += 6;
		int r = show(pid, extended);
		bad = r ? r : bad;
	}
	return bad;
}
