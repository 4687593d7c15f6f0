/* SPDX-License-Identifier: MIT */
/*
 * forkbomb: every process forks, and so do its children; bounded, and cleaned up afterwards.
 *
 *	forkbomb [-n PROCESSES] [-u LIMIT] [-m MIB] [-s SECONDS]
 *
 *	-n	no more than that in all (default 100)
 *	-u	as user nobody with RLIMIT_NPROC set: fork() fails with EAGAIN there (0: none; default:
 *		40). Root is not bound by the limit, so without -u only -n holds it
 *	-m	each process touches so much memory, too: then it is the OOM killer's
 *	-s	let it stand so long (default 1)
 *
 * All of them are one process group, which is how the bomb is defused: one kill() for all. The
 * program itself stands outside with oom_score_adj -1000 (for root) and tells what it sees.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
	long started, eagain, enomem; /* processes; forks that failed */
	long touched, died;           /* MiB; processes that others ended */
} * bomb;
static long most = 100, limit = 40, mib, seconds = 1;

static void count(long *what, long n)
{
	__atomic_add_fetch(what, n, __ATOMIC_SEQ_CST);
}

static void touch(void)
{
	for (long i = 0; i < mib; i++) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
		for (size_t at = 0; p != MAP_FAILED && at < 1 << 20; at += 4096)
			p[at] = 1;
		count(&bomb->touched, 1);
	}
}

static void explode(void)
{
	pid_t pid;

	touch();
	for (;;) {
		if (__atomic_add_fetch(&bomb->started, 1, __ATOMIC_SEQ_CST) > most)
			break;
		pid = fork();
		if (pid == 0)
			touch();
		if (pid < 0) {
			count(errno == EAGAIN ? &bomb->eagain : &bomb->enomem, 1);
			break;
		}
	}
	count(&bomb->started, -1);
	for (;;)
		pause();
}

/* A child of one of them has ended, which none does by itself. */
static void on_child(int sig)
{
	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		count(&bomb->died, 1);
}

static void light(void)
{
	struct rlimit r = {(rlim_t)limit, (rlim_t)limit};
	FILE *f = fopen("/proc/self/oom_score_adj", "w");

	if (f) {
		fputs("0", f);
		fclose(f);
	}
	setpgid(0, 0);
	signal(SIGCHLD, on_child);
	if (limit) {
		if (setrlimit(RLIMIT_NPROC, &r) < 0)
			perror("forkbomb: setrlimit");
		if (setuid(65534) < 0)
			perror("forkbomb: setuid");
	}
	explode();
}

/* Processes of the machine, by /proc/loadavg's "running/all". */
static long threads(void)
{
	FILE *f = fopen("/proc/loadavg", "r");
	long n = -1;

	if (f && fscanf(f, "%*f %*f %*f %*d/%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

static void protect(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "w");

	if (f) {
		fputs("-1000", f);
		fclose(f); /* as another user than root: EACCES, and no harm */
	}
	/* orphans of the bomb come to us, not to init: then we know when they are gone */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void report(const char *when)
{
	printf("forkbomb: %-7s %3ld threads in the machine; the bomb: %ld processes, forks that failed: %ld EAGAIN, %ld ENOMEM\n",
	       when, threads(), bomb->started, bomb->eagain, bomb->enomem);
	fflush(stdout);
}

/* Until nothing changes any more: all have what they want, or are dead. */
static void watch(void)
{
	long was = -1, is = 0;
	time_t end = time(NULL) + 60;

	while (was != is && time(NULL) < end) {
		was = is;
		usleep(mib ? 1000000 : 300000);
		is = bomb->started + bomb->eagain + bomb->enomem + bomb->touched;
	}
	report("there:");
	sleep((unsigned)seconds);
}

static int defuse(pid_t group)
{
	int reaped = 0;
	time_t end = time(NULL) + 30;

	on_child(0); /* whose parents died are ours */
	do {
		kill(-group, SIGKILL);
		usleep(1000);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			reaped++;
	} while (kill(-group, 0) == 0 && time(NULL) < end);
	if (kill(-group, 0) < 0)
		bomb->started = 0;
	report("after:");
	printf("forkbomb: %d killed here, %ld were dead before; %s\n", reaped, bomb->died,
	       kill(-group, 0) < 0 ? "all are gone" : "FAILED: some are still there");
	return kill(-group, 0) == 0;
}

int main(int argc, char **argv)
{
	pid_t group;
	int opt;

	while ((opt = getopt(argc, argv, "n:u:m:s:")) != -1) {
		if (opt == 'n')
			most = atol(optarg);
		else if (opt == 'u')
			limit = atol(optarg);
		else if (opt == 'm')
			mib = atol(optarg);
		else if (opt == 's')
			seconds = atol(optarg);
		else
			return 1;
	}
	bomb = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bomb == MAP_FAILED || most < 1) {
		fprintf(stderr,
			"usage: forkbomb [-n PROCESSES] [-u LIMIT] [-m MIB] [-s SECONDS]\n");
		return 1;
	}
	protect();
	report("before:");
	bomb->started = 1; /* its first */
	group = fork();
	if (group == 0)
		light();
	if (group < 0) {
		perror("forkbomb: fork");
		return 1;
	}
	setpgid(group, group);
	watch();
	return defuse(group);
}
