/* SPDX-License-Identifier: MIT */
/*
 * vmstat: what the machine's memory does, a line each so many seconds; columns as procps has them.
 *
 *	vmstat [-n] [SECONDS [COUNT]]
 *
 *	procs	r running or able to, b waiting for a device
 *	memory	kB: swpd in swap, free, buff and cache in the page cache (with slabs that can go)
 *	swap	kB a second: si swapped in, so swapped out
 *	io	kB a second from (bi) and to (bo) block devices
 *	system	interrupts (in) and context switches (cs) a second
 *	cpu	per cent: us in programs, sy in the kernel, id idle, wa idle with I/O under way, st stolen
 *
 * The first line counts from the boot on, each other one from the line before. -n: one heading only.
 * What a kernel does not count is shown as 0, and named once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SWPIN, SWPOUT, PGIN, PGOUT, INTR, CTXT, US, NI, SY, ID, WA, IRQ, SOFT, ST, COUNTERS };

static char text[1 << 16];

static void slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = 0;
	if (f)
		fclose(f);
}

/* The number behind a line's first word; 0 where there is no such line. */
static unsigned long value(const char *name)
{
	static char missing[256];
	size_t n = strlen(name);

	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, n) && strchr(": ", line[n]) && line[n])
			return strtoul(line + n + 1, NULL, 10);
	}
	if (!strstr(missing, name) && strlen(missing) + n + 2 < sizeof(missing)) {
		strcat(strcat(missing, " "), name);
		fprintf(stderr, "vmstat: this kernel does not count %s\n", name);
	}
	return 0;
}

static void heading(void)
{
	printf("procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n"
	       " r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n");
}

/* A share of the ticks in per cent, rounded. */
static unsigned long percent(unsigned long part, unsigned long all)
{
	return all ? (100 * part + all / 2) / all : 0;
}

static void line(double seconds)
{
	static unsigned long was[COUNTERS];
	unsigned long is[COUNTERS], d[COUNTERS], ticks = 0, running, blocked;
	double kb = (double)sysconf(_SC_PAGESIZE) / 1024;

	slurp("/proc/stat");
	sscanf(text, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &is[US], &is[NI], &is[SY], &is[ID],
	       &is[WA], &is[IRQ], &is[SOFT], &is[ST]);
	is[INTR] = value("intr");
	is[CTXT] = value("ctxt");
	running = value("procs_running");
	blocked = value("procs_blocked");
	slurp("/proc/vmstat");
	is[SWPIN] = value("pswpin");
	is[SWPOUT] = value("pswpout");
	is[PGIN] = value("pgpgin");
	is[PGOUT] = value("pgpgout");
	for (int i = 0; i < COUNTERS; i++) {
		d[i] = is[i] - was[i];
		was[i] = is[i];
	}
	for (int i = US; i <= ST; i++)
		ticks += d[i];
	slurp("/proc/meminfo");
	printf("%2lu %2lu %6lu %6lu %6lu %6lu", running ? running - 1 : 0, blocked,
	       value("SwapTotal") - value("SwapFree"), value("MemFree"), value("Buffers"),
	       value("Cached") + value("SReclaimable"));
	printf(" %4.0f %4.0f %5.0f %5.0f %4.0f %4.0f", (double)d[SWPIN] * kb / seconds,
	       (double)d[SWPOUT] * kb / seconds, (double)d[PGIN] / seconds,
	       (double)d[PGOUT] / seconds, (double)d[INTR] / seconds, (double)d[CTXT] / seconds);
	printf(" %2lu %2lu %2lu %2lu %2lu\n", percent(d[US] + d[NI], ticks),
	       percent(d[SY] + d[IRQ] + d[SOFT], ticks), percent(d[ID], ticks),
	       percent(d[WA], ticks), percent(d[ST], ticks));
	fflush(stdout);
}

static double now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int once = 0, opt;
	double seconds, last;
	long count;

	while ((opt = getopt(argc, argv, "n")) != -1) {
		if (opt != 'n') {
			fprintf(stderr, "usage: vmstat [-n] [SECONDS [COUNT]]\n");
			return 1;
		}
		once = 1;
	}
	seconds = optind < argc ? atof(argv[optind]) : 0;
	count = optind + 1 < argc ? atol(argv[optind + 1]) : seconds > 0 ? -1 : 1;
	heading();
	last = now(CLOCK_MONOTONIC);
	line(now(CLOCK_BOOTTIME));
	for (long n = 1; seconds > 0 && n != count; n++) {
		usleep((useconds_t)(seconds * 1e6));
		double t = now(CLOCK_MONOTONIC);
		if (!once && n % 22 == 0)
			heading();
		line(t - last);
		last = t;
	}
	return 0;
}
