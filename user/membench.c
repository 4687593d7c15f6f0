/* SPDX-License-Identifier: MIT */
/*
 * membench: what each operation on memory costs, in guest instructions.
 *
 *	membench [NAME...]	under `make bench`, where a tick of the TSC is one instruction
 *
 * Each operation runs until two rounds agree to 1 % (at most ROUNDS), and the least counts: the
 * first rounds pay for what the kernel then keeps at hand. Each checks that it did what it says.
 * Beside the figure stands that of Linux 6.1 (Debian's, mitigations=off), and how many times less
 * Octavo takes.
 */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 4096, BIG = 64 << 20, CALLS = 200, ROUNDS = 5 };
static const size_t LEN = (size_t)PAGES * PAGE;
static char *self;

static uint64_t ticks(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

#define TICKS(...)                          \
	({                                  \
		uint64_t ticks_0 = ticks(); \
		__VA_ARGS__;                \
		ticks() - ticks_0;          \
	})
#define MUST(cond)                                                            \
	do {                                                                  \
		if (!(cond)) {                                                \
			printf("membench: %s: %s failed\n", __func__, #cond); \
			exit(1);                                              \
		}                                                             \
	} while (0)

/* --- memory --------------------------------------------------------------------------------------- */

static volatile char *map(size_t len, int fd, int flags)
{
	flags |= fd < 0 ? MAP_ANONYMOUS : 0;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	MUST(p != MAP_FAILED);
	return p;
}

static void write_pages(volatile char *p, size_t len, char c)
{
	for (size_t i = 0; i < len; i += PAGE)
		p[i] = c;
}

/* The sum of each page's first byte. */
static long read_pages(volatile char *p, size_t len)
{
	long sum = 0;

	for (size_t i = 0; i < len; i += PAGE)
		sum += p[i];
	return sum;
}

static volatile char *touched(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);

	write_pages(p, LEN, 1);
	return p;
}

static void unmap(volatile char *p, size_t len)
{
	MUST(munmap((void *)p, len) == 0);
}

static double null_syscall(void)
{
	return TICKS(for (int i = 0; i < CALLS; i++) syscall(SYS_getppid)) / (double)CALLS;
}

static double anon_read_fault(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);
	uint64_t t = TICKS(MUST(read_pages(p, LEN) == 0));

	unmap(p, LEN);
	return t / (double)PAGES;
}

static double anon_write_fault(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);
	uint64_t t = TICKS(write_pages(p, LEN, 1));

	MUST(read_pages(p, LEN) == PAGES);
	unmap(p, LEN);
	return t / (double)PAGES;
}

static double zeropage_cow_fault(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);

	MUST(read_pages(p, LEN) == 0);
	uint64_t t = TICKS(write_pages(p, LEN, 1));
	MUST(read_pages(p, LEN) == PAGES);
	unmap(p, LEN);
	return t / (double)PAGES;
}

static double munmap_per_page(void)
{
	volatile char *p = touched();

	return TICKS(unmap(p, LEN)) / (double)PAGES;
}

static double dontneed_per_page(void)
{
	volatile char *p = touched();
	uint64_t t = TICKS(MUST(madvise((void *)p, LEN, MADV_DONTNEED) == 0));

	MUST(read_pages(p, LEN) == 0);
	unmap(p, LEN);
	return t / (double)PAGES;
}

static uint64_t ro_ticks, rw_ticks;

static void mprotect_both(void)
{
	volatile char *p = touched();

	ro_ticks = TICKS(MUST(mprotect((void *)p, LEN, PROT_READ) == 0));
	rw_ticks = TICKS(MUST(mprotect((void *)p, LEN, PROT_READ | PROT_WRITE) == 0));
	write_pages(p, LEN, 2);
	unmap(p, LEN);
}

static double mprotect_ro_per_page(void)
{
	mprotect_both();
	return ro_ticks / (double)PAGES;
}

static double mprotect_rw_per_page(void)
{
	mprotect_both();
	return rw_ticks / (double)PAGES;
}

static double mlock_per_page(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);
	unsigned char core[PAGES];
	uint64_t t = TICKS(MUST(mlock((void *)p, LEN) == 0));

	MUST(mincore((void *)p, LEN, core) == 0 && (core[0] & core[PAGES - 1] & 1));
	unmap(p, LEN);
	return t / (double)PAGES;
}

static double mmap_munmap(size_t len, int touch)
{
	uint64_t t = ticks();

	for (int i = 0; i < CALLS; i++) {
		volatile char *p = map(len, -1, MAP_PRIVATE);
		if (touch)
			*p = 1;
		unmap(p, len);
	}
	return (ticks() - t) / (double)CALLS;
}

static double mmap_munmap_1page(void)
{
	return mmap_munmap(PAGE, 0);
}

static double mmap_touch_munmap_1page(void)
{
	return mmap_munmap(PAGE, 1);
}

static double mmap_munmap_64M_untouched(void)
{
	return mmap_munmap(BIG, 0);
}

static double mprotect_1page(void)
{
	volatile char *p = map(3 * PAGE, -1, MAP_PRIVATE);
	uint64_t t = ticks();

	for (int i = 0; i < CALLS; i++)
		MUST(mprotect((void *)(p + PAGE), PAGE,
			      i & 1 ? PROT_READ | PROT_WRITE : PROT_READ) == 0);
	t = ticks() - t;
	unmap(p, 3 * PAGE);
	return t / (double)CALLS;
}

static void repair(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	mprotect((void *)((uintptr_t)info->si_addr & -(uintptr_t)PAGE), PAGE,
		 PROT_READ | PROT_WRITE);
}

static double segv_handler_roundtrip(void)
{
	struct sigaction sa = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
	volatile char *p = map(PAGE, -1, MAP_PRIVATE);
	uint64_t t = 0;

	*p = 1;
	MUST(sigaction(SIGSEGV, &sa, NULL) == 0);
	for (int i = 0; i < CALLS; i++) {
		MUST(mprotect((void *)p, PAGE, PROT_READ) == 0);
		t += TICKS(*p = 2);
	}
	MUST(*p == 2);
	signal(SIGSEGV, SIG_DFL);
	unmap(p, PAGE);
	return t / (double)CALLS;
}

static double brk_grow_touch_shrink(void)
{
	uintptr_t end = (uintptr_t)syscall(SYS_brk, 0),
		  top = (end + 2 * PAGE - 1) & -(uintptr_t)PAGE;

	return TICKS(for (int i = 0; i < CALLS; i++) {
		       MUST((uintptr_t)syscall(SYS_brk, top) == top);
		       *(volatile char *)(top - PAGE) = 1;
		       MUST((uintptr_t)syscall(SYS_brk, end) == end);
	       }) /
	       (double)CALLS;
}

/* --- processes ------------------------------------------------------------------------------------ */

static void reap(pid_t pid)
{
	int status;

	MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static double fork_exit_wait_small(void)
{
	uint64_t t = ticks();

	for (int i = 0; i < CALLS; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		reap(pid);
	}
	return (ticks() - t) / (double)CALLS;
}

static uint64_t call_ticks, total_ticks;

static void fork_big(void)
{
	volatile char *p = map(BIG, -1, MAP_PRIVATE);
	pid_t pid;

	write_pages(p, BIG, 1);
	total_ticks = TICKS({
		call_ticks = TICKS(pid = fork(); if (pid == 0) _exit(0));
		reap(pid);
	});
	unmap(p, BIG);
}

static double fork_big_call_total(void)
{
	fork_big();
	return call_ticks;
}

static double fork_big_exit_wait_total(void)
{
	fork_big();
	return total_ticks;
}

static double cow_break_per_page(void)
{
	volatile char *p = touched();
	uint64_t *t = (uint64_t *)map(PAGE, -1, MAP_SHARED), ticks_taken;
	pid_t pid = fork();

	if (pid == 0) {
		*t = TICKS(write_pages(p, LEN, 2));
		_exit(0);
	}
	reap(pid);
	MUST(read_pages(p, LEN) == PAGES);
	ticks_taken = *t;
	unmap((char *)t, PAGE);
	unmap(p, LEN);
	return ticks_taken / (double)PAGES;
}

static double cow_reuse_per_page(void)
{
	volatile char *p = touched();
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	reap(pid);
	uint64_t t = TICKS(write_pages(p, LEN, 2));
	unmap(p, LEN);
	return t / (double)PAGES;
}

static double fork_exec_wait(void)
{
	uint64_t t = ticks();

	for (int i = 0; i < CALLS; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			execl(self, self, "-x", NULL);
			_exit(127);
		}
		reap(pid);
	}
	return (ticks() - t) / (double)CALLS;
}

static double pipe_pingpong_roundtrip(void)
{
	int there[2], back[2];
	char c = 'x';
	pid_t pid;

	MUST(pipe(there) == 0 && pipe(back) == 0);
	pid = fork();
	if (pid == 0) {
		close(there[1]);
		while (read(there[0], &c, 1) == 1)
			MUST(write(back[1], &c, 1) == 1);
		_exit(0);
	}
	uint64_t t = TICKS(for (int i = 0; i < CALLS; i++)
				   MUST(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1));
	close(there[1]), close(there[0]), close(back[0]), close(back[1]);
	reap(pid);
	return t / (double)CALLS;
}

/* --- files ---------------------------------------------------------------------------------------- */

static char buffer[16 * PAGE];
static uint64_t write_ticks;

static int new_file(void)
{
	int fd = open("/tmp/membench", O_RDWR | O_CREAT | O_TRUNC, 0600);

	MUST(fd >= 0 && unlink("/tmp/membench") == 0);
	memset(buffer, 1, sizeof(buffer));
	write_ticks = TICKS(for (size_t n = 0; n < LEN; n += sizeof(buffer))
				    MUST(write(fd, buffer, sizeof(buffer)) == sizeof(buffer)));
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static double file_write_per_page(void)
{
	close(new_file());
	return write_ticks / (double)PAGES;
}

static double file_read_per_page(void)
{
	int fd = new_file();

	memset(buffer, 0, sizeof(buffer));
	uint64_t t = TICKS(while (read(fd, buffer, sizeof(buffer)) == sizeof(buffer)));
	MUST(buffer[0] == 1);
	close(fd);
	return t / (double)PAGES;
}

static double file_map_read_fault(void)
{
	int fd = new_file();
	volatile char *p = map(LEN, fd, MAP_SHARED);
	uint64_t t = TICKS(MUST(read_pages(p, LEN) == PAGES));

	close(fd);
	unmap(p, LEN);
	return t / (double)PAGES;
}

static double file_private_cow_fault(void)
{
	int fd = new_file();
	volatile char *p = map(LEN, fd, MAP_PRIVATE);
	uint64_t t = TICKS(write_pages(p, LEN, 2));

	MUST(read(fd, buffer, PAGE) == PAGE && buffer[0] == 1 && p[0] == 2 && p[1] == 1);
	close(fd);
	unmap(p, LEN);
	return t / (double)PAGES;
}

/* --- the table ------------------------------------------------------------------------------------ */

#define OP(name, peer)            \
	{                         \
#name, name, peer \
	}
static const struct op {
	const char *name;
	double (*run)(void);
	double peer; /* Linux 6.1's figure */
} ops[] = {
	OP(null_syscall, 360),
	OP(anon_read_fault, 1258),
	OP(anon_write_fault, 3298),
	OP(zeropage_cow_fault, 3742),
	OP(munmap_per_page, 1248),
	OP(dontneed_per_page, 1244),
	OP(mprotect_ro_per_page, 133),
	OP(mprotect_rw_per_page, 194),
	OP(mlock_per_page, 3505),
	OP(mmap_munmap_1page, 10929),
	OP(mmap_touch_munmap_1page, 20903),
	OP(mmap_munmap_64M_untouched, 10972),
	OP(mprotect_1page, 2858),
	OP(segv_handler_roundtrip, 9151),
	OP(brk_grow_touch_shrink, 17025),
	OP(fork_exit_wait_small, 99775),
	OP(fork_big_call_total, 2244687),
	OP(fork_big_exit_wait_total, 6610534),
	OP(cow_break_per_page, 4499),
	OP(cow_reuse_per_page, 1379),
	OP(fork_exec_wait, 249712),
	OP(pipe_pingpong_roundtrip, 11094),
	OP(file_write_per_page, 4086),
	OP(file_read_per_page, 1731),
	OP(file_map_read_fault, 585),
	OP(file_private_cow_fault, 4421),
};

static double least(const struct op *op)
{
	double best = op->run(), t;

	for (int i = 1; i < ROUNDS; i++) {
		t = op->run();
		if (t > best * 0.99)
			return t < best ? t : best;
		best = t;
	}
	return best;
}

static int wanted(const char *name, char **names)
{
	int any = *names == NULL;

	for (; *names; names++)
		any |= !strcmp(*names, name);
	return any;
}

int main(int argc, char **argv)
{
	double logs = 0;
	int n = 0;

	if (argc > 1 && !strcmp(argv[1], "-x"))
		return 0; /* the program under exec */
	self = access(argv[0], X_OK) ? "/bin/membench" : argv[0];
	printf("%-28s %10s %10s %7s\n", "operation", "ticks", "Linux 6.1", "ratio");
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (!wanted(ops[i].name, argv + 1))
			continue;
		double t = least(&ops[i]);
		printf("%-28s %10.0f %10.0f %7.3f\n", ops[i].name, t, ops[i].peer, t / ops[i].peer);
		logs += log(t / ops[i].peer);
		n++;
	}
	printf("%-28s %10s %10s %7.3f\n", "geometric mean", "", "", n ? exp(logs / n) : 0);
	return 0;
}
