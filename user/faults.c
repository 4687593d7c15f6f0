/* SPDX-License-Identifier: MIT */
/*
 * faults: one page fault of each kind, one after the other, to be looked at in gdb.
 *
 *	faults [-d DEVICE] [CASE...]
 *
 * The cases are named like the functions of mm/fault.c that handle them, without fault_; without
 * arguments all are run. The memory lies where AREA says, a MiB for each case, so that a breakpoint can
 * name an address. swap_in needs swap (make debug SWAP=16), shared_mkwrite a DEVICE that nobody else
 * uses (ramdisk.count=2 and -d /dev/ram1), spurious and migrating a second processor (SMP=2) and luck,
 * or a debugger that holds the first one: without them they say so.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define AREA 0x10000000UL
#define KEPT 16

static const char *device;
static unsigned int number; /* of the case */
static sigjmp_buf out;
static volatile int code;

static volatile char *map(int prot, int flags, int fd, size_t pages)
{
	void *p = mmap((void *)(AREA + ((size_t)number << 20)), pages * PAGE, prot,
		       flags | MAP_FIXED, fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static volatile char *anonymous(void)
{
	return map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 4);
}

static int file(void)
{
	char name[] = "/tmp/faultsXXXXXX";
	static char page[PAGE];
	int fd = mkstemp(name);

	memset(page, 'f', PAGE);
	if (fd < 0 || unlink(name) || write(fd, page, PAGE) != PAGE) {
		perror(name);
		exit(1);
	}
	return fd;
}

static char anon_read(void)
{
	return *anonymous();
}

static char anon_write(void)
{
	return *anonymous() = 1;
}

static char zero_cow(void)
{
	volatile char *p = anonymous();

	(void)*p;
	return *p = 1;
}

static char file_read(void)
{
	return *map(PROT_READ, MAP_PRIVATE, file(), 1);
}

static char file_cow(void)
{
	return *map(PROT_READ | PROT_WRITE, MAP_PRIVATE, file(), 1) = 'p';
}

static char shared_write(void)
{
	return *map(PROT_READ | PROT_WRITE, MAP_SHARED, file(), 1) = 's';
}

static char shared_mkwrite(void)
{
	volatile char *p;
	int fd;

	if (!device) {
		printf("  left out: no device (-d)\n");
		return 0;
	}
	fd = open(device, O_RDWR);
	if (fd < 0) {
		perror(device);
		exit(1);
	}
	p = map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, 1);
	(void)*p;
	return *p = 'm';
}

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		perror("sched_setaffinity");
}

static int second_processor(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("  left out: one processor\n");
		return 0;
	}
	on_cpu(0);
	return 1;
}

static volatile enum { STARTS, READY, GO, END } stage; /* of the second processor's thread */
static size_t pages;                                   /* that migrating() maps */

static void *writes(void *p)
{
	on_cpu(1);
	stage = READY;
	while (stage != GO)
		;
	*(volatile char *)p = '2';
	return NULL;
}

static void *reads(void *p)
{
	on_cpu(1);
	stage = READY;
	while (stage != END)
		for (size_t i = 0; i < pages; i += KEPT)
			(void)((volatile char *)p)[i * PAGE];
	return NULL;
}

static pthread_t start(void *(*run)(void *), volatile char *p)
{
	pthread_t thread;

	stage = STARTS;
	if (pthread_create(&thread, NULL, run, (void *)p)) {
		perror("pthread_create");
		exit(1);
	}
	while (stage != READY)
		;
	return thread;
}

/* Two processors write the same page at once: one makes it, the other finds it made. */
static char spurious(void)
{
	volatile char *p = anonymous();
	pthread_t thread;

	if (!second_processor())
		return 0;
	thread = start(writes, p);
	stage = GO;
	*p = '1';
	pthread_join(thread, NULL);
	return *p;
}

/* Of the memory that is free one page in KEPT stays: compaction moves those with the lower frames upwards,
 * while the other processor reads them all. */
static char migrating(void)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY);
	struct sysinfo info;
	pthread_t thread;
	volatile char *p;

	if (!second_processor())
		return 0;
	sysinfo(&info);
	pages = info.freeram * info.mem_unit / PAGE / 4 * 3 / KEPT * KEPT;
	p = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, pages);
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 'm';
	for (size_t i = 0; i < pages; i += KEPT)
		madvise((void *)(p + (i + 1) * PAGE), (KEPT - 1) * PAGE, MADV_DONTNEED);
	thread = start(reads, p);
	if (write(fd, "1", 1) != 1)
		perror("compact_memory");
	stage = END;
	pthread_join(thread, NULL);
	close(fd);
	return *p;
}

static void in_child(volatile char *p)
{
	pid_t kid;
	int status;

	fflush(stdout);
	kid = fork();
	if (kid == 0) {
		*p = 'c';
		_exit(0);
	}
	waitpid(kid, &status, 0);
}

static char cow_copy(void)
{
	volatile char *p = anonymous();

	*p = 'p';
	in_child(p);
	return *p;
}

/* When the child is gone, the page is the parent's alone again. */
static char cow_reuse(void)
{
	volatile char *p = anonymous();

	*p = 'p';
	in_child(p + PAGE);
	return *p = 'r';
}

static char swap_in(void)
{
	volatile char *p = anonymous();

	*p = 's';
	if (madvise((void *)p, PAGE, MADV_PAGEOUT))
		perror("madvise");
	return *p;
}

static __attribute__((noinline)) char stack_growth(void)
{
	volatile char below[64 * PAGE];

	return below[0] = 1;
}

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	code = info->si_code;
	siglongjmp(out, sig);
}

static char attempt(volatile char *p, int write)
{
	int sig = sigsetjmp(out, 1);

	if (!sig)
		return write ? (*p = 1) : *p;
	printf("  signal %d, code %d\n", sig, code);
	return 0;
}

static char accerr(void)
{
	return attempt(map(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1), 1);
}

static char maperr(void)
{
	volatile char *p = anonymous();

	munmap((void *)p, 4 * PAGE);
	return attempt(p, 0);
}

static char beyond_eof(void)
{
	return attempt(map(PROT_READ, MAP_PRIVATE, file(), 2) + PAGE, 0);
}

/* The kernel reads memory that is not there yet: a fault like the program's own. */
static char kernel_read(void)
{
	volatile char *p = anonymous();
	int fd[2];

	if (pipe(fd) || write(fd[1], (void *)p, 1) != 1)
		perror("pipe");
	close(fd[0]);
	close(fd[1]);
	return 0;
}

/* And memory that will never be there: EFAULT. */
static char fixup(void)
{
	volatile char *p = anonymous();
	int fd[2];

	munmap((void *)p, 4 * PAGE);
	if (pipe(fd))
		perror("pipe");
	if (write(fd[1], (void *)p, 1) < 0)
		perror("  write");
	close(fd[0]);
	close(fd[1]);
	return 0;
}

static const struct {
	const char *name;
	char (*run)(void);
} cases[] = {
	{"anon_read", anon_read},
	{"anon_write", anon_write},
	{"zero_cow", zero_cow},
	{"file_read", file_read},
	{"file_cow", file_cow},
	{"shared_write", shared_write},
	{"shared_mkwrite", shared_mkwrite},
	{"cow_copy", cow_copy},
	{"cow_reuse", cow_reuse},
	{"swap_in", swap_in},
	{"stack_growth", stack_growth},
	{"accerr", accerr},
	{"maperr", maperr},
	{"beyond_eof", beyond_eof},
	{"kernel_read", kernel_read},
	{"fixup", fixup},
	{"spurious", spurious},
	{"migrating", migrating},
};

static int chosen(int argc, char **argv, const char *name)
{
	for (int i = optind; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return optind == argc;
}

static long faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt + ru.ru_majflt;
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	int opt;

	while ((opt = getopt(argc, argv, "d:")) != -1) {
		if (opt != 'd')
			return 1;
		device = optarg;
	}
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	for (number = 0; number < sizeof(cases) / sizeof(*cases); number++) {
		long before;

		if (!chosen(argc, argv, cases[number].name))
			continue;
		printf("%s at %#lx\n", cases[number].name, AREA + ((size_t)number << 20));
		fflush(stdout);
		before = faults();
		cases[number].run();
		printf("  %ld faults\n", faults() - before);
	}
	return 0;
}
