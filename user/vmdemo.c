/* SPDX-License-Identifier: MIT */
/*
 * vmdemo: four kinds of page fault, with the count of faults and the frames behind the pages.
 *
 * The frame numbers come from /proc/self/pagemap, which shows them to root.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE 4096

static long faults_before;

static long faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt;
}

static uint64_t frame(const volatile void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8) != 8)
		entry = 0;
	close(fd);
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

static volatile char *anonymous(size_t pages)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static void title(const char *text)
{
	printf("\n%s\n", text);
	fflush(stdout);
	faults_before = faults();
}

/* Reading a fault count may itself fault for the first time; print it last. */
static void result(const char *text)
{
	printf("   %-44s %ld minor faults\n", text, faults() - faults_before);
	fflush(stdout);
	faults_before = faults();
}

static void zero_page(void)
{
	volatile char *p = anonymous(64);
	char sum = 0;

	title("1. Reading memory that was never written: one shared page of zeros");
	for (int i = 0; i < 64; i++)
		sum |= p[i * PAGE];
	result("64 pages read");
	printf("   frames of the first, second and last page: %#lx %#lx %#lx; their bytes: %d\n",
	       (long)frame(p), (long)frame(p + PAGE), (long)frame(p + 63 * PAGE), sum);
	faults_before = faults();
	p[PAGE] = 1;
	result("the second one written");
	printf("   frames now: %#lx %#lx %#lx\n", (long)frame(p), (long)frame(p + PAGE),
	       (long)frame(p + 63 * PAGE));
}

static void demand_zero(void)
{
	volatile char *p = anonymous(64);

	title("2. Writing memory for the first time: a zeroed page on demand");
	result("64 pages mapped");
	for (int i = 0; i < 64; i++)
		p[i * PAGE] = 1;
	result("64 pages written");
	for (int i = 0; i < 64; i++)
		p[i * PAGE] = 2;
	result("written again");
}

static volatile sig_atomic_t repaired;
static void *volatile faulted_at;
static volatile int fault_code;

static void repair(int sig, siginfo_t *si, void *context)
{
	(void)sig, (void)context;
	repaired++;
	faulted_at = si->si_addr;
	fault_code = si->si_code;
	mprotect((void *)((uintptr_t)si->si_addr & ~(uintptr_t)(PAGE - 1)), PAGE,
		 PROT_READ | PROT_WRITE);
}

static void segv(void)
{
	struct sigaction sa = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
	volatile char *p = anonymous(1);

	title("3. A forbidden write: SIGSEGV, and a handler that allows it");
	sigaction(SIGSEGV, &sa, NULL);
	p[100] = 'a';
	mprotect((void *)p, PAGE, PROT_READ);
	p[101] = 'b';
	printf("   written at %p, signal at %p with si_code %d (SEGV_ACCERR is %d), %d times\n",
	       (void *)(p + 101), faulted_at, fault_code, SEGV_ACCERR, repaired);
	printf("   after the handler has called mprotect the write went through: '%c'\n", p[101]);
	signal(SIGSEGV, SIG_DFL);
}

static long stack_kb(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kb = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmStk: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

__attribute__((noinline)) static int descend(int n)
{
	volatile char frame_on_stack[PAGE];

	frame_on_stack[0] = (char)n;
	return n ? descend(n - 1) + frame_on_stack[0] : 0;
}

static void stack_growth(void)
{
	long before = stack_kb();

	title("4. The stack grows by itself");
	descend(256);
	result("256 calls with a page each");
	printf("   VmStk was %ld kB and is %ld kB\n", before, stack_kb());
}

int main(void)
{
	printf("vmdemo: page size %ld, pid %d\n", sysconf(_SC_PAGESIZE), getpid());
	stack_kb(); /* so that the C library has its buffers */
	zero_page();
	demand_zero();
	segv();
	stack_growth();
	return 0;
}
