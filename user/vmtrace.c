/* SPDX-License-Identifier: MIT */
/*
 * vmtrace: runs a command, and shows what its memory did.
 *
 *	vmtrace [-s] [-a] [-b KB] [-e EVENTS] [-o FILE] COMMAND [ARGUMENT…]
 *
 *	-s	only the summary
 *	-a	not only the command and its children, but every process
 *	-e	these events, as names of /proc/vmtrace/events separated by commas ("all"; default: faults,
 *		from the command's exec on)
 *	-o	into FILE as the kernel wrote them, for scripts/timeline; without -e what that draws
 *	-b	kB of each CPU's ring (default 1024)
 *
 * A line for each fault: when (seconds from the first record), who, the address, what was wanted
 * (u user or k kernel; r w x), the case that it was, frame before -> frame after ("-" none, "zero" the
 * shared page of zeroes, "swap"), what the handler cost (ticks of the time-stamp counter; under
 * QEMU's -icount these are instructions), and the mapping. Its name is read from /proc/PID/maps when
 * the record is: a process that is gone by then has left only the address where it began.
 *
 * The ring is read all the time, so that little is lost; what was lost is said. Exits as COMMAND did.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIR   "/proc/vmtrace/"
#define BATCH 1024
#define DRAWN "fault,oom,kswapd_wake,kswapd_sleep,fork,exec,exit"

enum { LOST = 254, META = 255 };

struct record {
	uint64_t time_ns;
	uint32_t pid;
	uint8_t event, cpu, code, flags;
	uint64_t arg[6];
};

static struct {
	char name[16];
	unsigned long count, cost, most;
} cases[16];
static char events[256][160]; /* "name text" */
static unsigned long lost, shown, failed;
static uint64_t first_ns;
static int summary_only, out = -1;
static int begun; /* what is recorded is the command */
static pid_t child;

static void die(const char *what)
{
	fprintf(stderr, "vmtrace: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int try_control(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);
	int ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static void finish(void)
{
	try_control(DIR "events", "none");
	try_control(DIR "buffer_size_kb", "0");
	try_control(DIR "pid", "all");
}

static void control(const char *file, const char *text)
{
	if (!try_control(file, text)) {
		fprintf(stderr, "vmtrace: %s: %s: %s\n", file, text, strerror(errno));
		if (child > 0)
			kill(child, SIGKILL);
		finish();
		exit(1);
	}
}

/* --- mappings ---- */

static struct vma {
	uint32_t pid;
	unsigned long start;
	char name[48];
} vmas[256];
static unsigned int next_vma;

static void read_maps(uint32_t pid)
{
	char path[32], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		struct vma *v = &vmas[next_vma++ % 256];
		int at = 0;

		v->pid = pid;
		v->name[0] = 0;
		sscanf(line, "%lx-%*x %*s %*s %*s %*s %n", &v->start, &at);
		line[strcspn(line, "\n")] = 0;
		snprintf(v->name, sizeof(v->name), "%s", at && line[at] ? line + at : "[anon]");
	}
	if (f)
		fclose(f);
}

static const char *find_vma(uint32_t pid, unsigned long start)
{
	for (int i = 0; i < 256; i++)
		if (vmas[i].pid == pid && vmas[i].start == start && start)
			return vmas[i].name;
	return NULL;
}

static const char *vma_name(uint32_t pid, unsigned long start)
{
	static char number[32];
	const char *name = find_vma(pid, start);

	if (!name && start) {
		read_maps(pid);
		name = find_vma(pid, start);
	}
	snprintf(number, sizeof(number), start ? "%#lx" : "?", start);
	return name ? name : number;
}

/* --- records ---- */

static const char *frame(uint64_t pte, char *buf)
{
	if (!pte)
		return "-";
	if (!(pte & 0x101))
		return "swap";
	if (pte & 0x200)
		return "zero";
	sprintf(buf, "%#lx", (unsigned long)(pte >> 12 & 0xffffffffffUL));
	return buf;
}

static void fault(const struct record *r)
{
	unsigned long cost = r->arg[4] << 8 >> 8;
	unsigned int kind = r->code & 15, began = r->code >> 4;
	char name[40], from[20], to[20], address[20];

	cases[kind].count++;
	cases[kind].cost += cost;
	if (cost > cases[kind].most)
		cases[kind].most = cost;
	failed += r->arg[4] >> 56 > 1;
	if (summary_only)
		return;
	snprintf(address, sizeof(address), "%#lx", (unsigned long)r->arg[0]);
	snprintf(name, sizeof(name), "%s%s%s", began ? cases[began].name : "", began ? "," : "",
		 cases[kind].name);
	printf("%10.6f %5u %14s %c%c %-15s %7s -> %-7s %7lu %s\n",
	       (double)(r->time_ns - first_ns) / 1e9, r->pid, address, r->flags & 4 ? 'u' : 'k',
	       r->flags & 0x02 ? 'w' :
	       r->flags & 0x10 ? 'x' :
				 'r',
	       name, frame(r->arg[1], from), frame(r->arg[2], to), cost,
	       vma_name(r->pid, r->arg[3]));
}

static void meta(const struct record *r)
{
	const char *part = (const char *)r->arg;
	char *text = events[r->pid & 255];

	if (r->code == 1)
		snprintf(text + strlen(text), sizeof(events[0]) - strlen(text), "%.48s", part);
	else if (r->code == 2)
		snprintf(cases[r->pid & 15].name, sizeof(cases[0].name), "%.15s", part);
}

static void other(const struct record *r)
{
	const char *text = events[r->event], *arguments = strchr(text, ' ');
	size_t n = strcspn(text, " ");

	if (summary_only)
		return;
	printf("%10.6f %5u %.*s ", (double)(r->time_ns - first_ns) / 1e9, r->pid, (int)n, text);
	if (!strncmp(text, "exec ", 5))
		printf("%.16s", (const char *)r->arg);
	else if (arguments) /* the kernel's own text: %lu, %ld and %#lx */
		printf(arguments + 1, r->arg[0], r->arg[1], r->arg[2], r->arg[3], r->arg[4],
		       r->arg[5]);
	putchar('\n');
}

static void record(const struct record *r)
{
	if (r->event == META) {
		meta(r);
		return;
	}
	if (!begun && r->pid == (uint32_t)child && r->event != LOST) {
		begun = !strncmp(events[r->event], "exec ", 5);
		if (!begun)
			return; /* our own, between fork and exec */
	}
	if (!shown++)
		first_ns = r->time_ns;
	if (r->event == LOST)
		lost += r->arg[0];
	else if (!strncmp(events[r->event], "fault ", 6))
		fault(r);
	else
		other(r);
}

/* False: nothing was there. */
static int drain(int fd)
{
	static struct record batch[BATCH];
	ssize_t n = read(fd, batch, sizeof(batch));

	if (n < 0)
		die(DIR "binary");
	for (size_t i = 0; i < (size_t)n / sizeof(*batch); i++)
		if (out < 0 || batch[i].event == LOST)
			record(&batch[i]);
		else if (batch[i].event != META)
			shown++;
	if (out >= 0 && write(out, batch, (size_t)n) != n)
		die("writing the trace");
	return n > 0;
}

static void summary(void)
{
	unsigned long count = 0, cost = 0;

	if (out < 0)
		fprintf(stderr, "%-15s %9s %12s %9s %9s\n", "case", "faults", "cost", "mean",
			"most");
	for (int i = 0; i < 16; i++) {
		if (!cases[i].count)
			continue;
		fprintf(stderr, "%-15s %9lu %12lu %9lu %9lu\n", cases[i].name, cases[i].count,
			cases[i].cost, cases[i].cost / cases[i].count, cases[i].most);
		count += cases[i].count;
		cost += cases[i].cost;
	}
	if (out < 0)
		fprintf(stderr, "%-15s %9lu %12lu %9lu\n", "all", count, cost,
			count ? cost / count : 0);
	else
		fprintf(stderr, "vmtrace: %lu records written\n", shown);
	if (failed)
		fprintf(stderr, "%lu of them could not be repaired\n", failed);
	if (lost)
		fprintf(stderr, "vmtrace: %lu records were lost (-b for a larger ring)\n", lost);
}

/* --- the command ---- */

/* It waits for a byte from the descriptor that comes back. */
static int start(char **argv)
{
	int go[2];
	char c;

	if (pipe(go))
		die("pipe");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(127);
		close(go[0]);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	close(go[0]);
	return go[1];
}

static void forward(int sig)
{
	kill(child, sig);
}

/* Reads until the command has ended and nothing is left: its status. Often, while mappings are there to
 * be asked for their names; where nobody asks, seldom, so as not to be in the way of what is measured. */
static int follow(int fd)
{
	int status, ended = 0, rounds = 0;

	for (;;) {
		if (drain(fd))
			continue;
		if (ended)
			return status;
		ended = waitpid(child, &status, WNOHANG) == child;
		if (ended)
			control(DIR "events", "none");
		else
			usleep(out >= 0 ? 10000 : rounds++ < 100 ? 30 : 500);
	}
}

static void usage(void)
{
	fprintf(stderr, "usage: vmtrace [-s] [-a] [-b KB] [-e EVENTS] [-o FILE] COMMAND...\n");
	exit(1);
}

int main(int argc, char **argv)
{
	const char *what = NULL, *kb = "1024", *file = NULL;
	int opt, fd, go, status, everyone = 0;
	char pid[16];

	while ((opt = getopt(argc, argv, "+sae:o:b:")) != -1) {
		if (opt == 's')
			summary_only = 1;
		else if (opt == 'a')
			everyone = 1;
		else if (opt == 'e')
			what = optarg;
		else if (opt == 'o')
			file = optarg;
		else if (opt == 'b')
			kb = optarg;
		else
			usage();
	}
	if (optind >= argc)
		usage();
	fd = open(DIR "binary", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(DIR "binary");
	if (file &&
	    (out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600)) < 0)
		die(file);
	go = start(argv + optind);
	setpriority(PRIO_PROCESS, 0, -20); /* so that it has its turn while the command runs */
	signal(SIGINT, SIG_IGN);           /* the command has it from the terminal */
	signal(SIGTERM, forward);
	snprintf(pid, sizeof(pid), "%d", child);
	control(DIR "buffer_size_kb", kb);
	control(DIR "pid", everyone ? "all" : pid);
	begun = what != NULL;
	control(DIR "events", what ? what : file ? DRAWN : "fault,exec");
	if (write(go, "", 1) != 1)
		die("pipe");
	close(go);
	status = follow(fd);
	fflush(stdout);
	summary();
	finish();
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
