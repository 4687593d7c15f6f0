/* SPDX-License-Identifier: MIT */
/*
 * bench: what each operation on memory costs.
 *
 *	bench [--wait SECONDS] [--once] [NAME...]	names alone: one line each
 *
 * `make bench` starts it as the first process where a tick of the TSC is one guest instruction, and
 * `make bench-linux` under Linux as well. Each operation runs until two rounds agree to 1 % (at most
 * ROUNDS), and the least counts: the first rounds pay for what the kernel then keeps at hand. Each
 * checks, outside of what is timed, that it did what it says: that pages were zero, private, shared,
 * swapped. --once is for `make profile`: one round to warm up, and one that is counted.
 */
#include "bench.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGES = 4096, BIG = 64 << 20, CALLS = 200, ROUNDS = 6 };
static const size_t LEN = (size_t)PAGES * PAGE;

/* --- what is checked ------------------------------------------------------------------------------ */

/* Each page holds `first` in its first byte and `rest` in the others. */
static void check_pages(volatile char *p, size_t len, char first, char rest)
{
	static char want[PAGE];

	memset(want, rest, PAGE);
	want[0] = first;
	for (size_t i = 0; i < len; i += PAGE)
		MUST(memcmp((char *)p + i, want, PAGE) == 0);
}

static void check_unmapped(volatile char *p, size_t len)
{
	unsigned char core;

	for (size_t i = 0; i < len; i += len - PAGE ? len - PAGE : PAGE)
		MUST(mincore((void *)(p + i), PAGE, &core) == -1 && errno == ENOMEM);
}

/* The kernel itself may not write there either. */
static void check_read_only(volatile char *p, int yes)
{
	long n = syscall(SYS_getrandom, p, 1, 0);

	MUST(yes ? n == -1 && errno == EFAULT : n == 1);
}

/* As many frames as pages, or one for all. */
static void check_frames(volatile char *p, size_t len, int own)
{
	uint64_t first = pagemap(p);

	MUST(first & PM_PRESENT);
	for (size_t i = PAGE; i < len; i += PAGE)
		MUST((pagemap(p + i) == first) == !own);
}

static volatile char *touched(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);

	write_pages(p, LEN, 1);
	return p;
}

/* --- memory --------------------------------------------------------------------------------------- */

static uint64_t null_syscall(void)
{
	pid_t parent = 0;
	uint64_t t = TICKS(for (int i = 0; i < CALLS; i++) parent = syscall(SYS_getppid));

	MUST(parent == getppid());
	return t;
}

static uint64_t anon_read_fault(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);
	long sum;
	uint64_t t = TICKS(sum = read_pages(p, LEN));

	MUST(sum == 0);
	check_pages(p, LEN, 0, 0);
	check_frames(p, LEN, 0);
	unmap(p, LEN);
	return t;
}

static uint64_t anon_write_fault(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);
	uint64_t t = TICKS(write_pages(p, LEN, 1));

	check_pages(p, LEN, 1, 0);
	check_frames(p, LEN, 1);
	unmap(p, LEN);
	return t;
}

static uint64_t zeropage_cow_fault(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);

	MUST(read_pages(p, LEN) == 0);
	uint64_t t = TICKS(write_pages(p, LEN, 1));
	check_pages(p, LEN, 1, 0);
	check_frames(p, LEN, 1);
	unmap(p, LEN);
	return t;
}

/* First write under MADV_HUGEPAGE; Linux has it off below 512 MiB, Octavo has none. */
static uint64_t thp_touch(void)
{
	volatile char *p = map(LEN + (2 << 20), -1, MAP_PRIVATE),
		      *q = (char *)(((uintptr_t)p + (2 << 20) - 1) & -(uintptr_t)(2 << 20));
	uint64_t t = 0;

	if (madvise((void *)q, LEN, MADV_HUGEPAGE) == 0) {
		t = TICKS(write_pages(q, LEN, 1));
		check_pages(q, LEN, 1, 0);
		if (proc_kb("/proc/self/smaps_rollup", "AnonHugePages") < (long)(LEN >> 10))
			t = 0;
	}
	unmap(p, LEN + (2 << 20));
	return t;
}

static uint64_t munmap_touched(void)
{
	volatile char *p = touched();
	uint64_t t = TICKS(unmap(p, LEN));

	check_unmapped(p, LEN);
	return t;
}

static uint64_t dontneed(void)
{
	volatile char *p = touched();
	uint64_t t = TICKS(MUST(madvise((void *)p, LEN, MADV_DONTNEED) == 0));

	for (size_t i = 0; i < LEN; i += PAGE)
		MUST(pagemap(p + i) == 0);
	check_pages(p, LEN, 0, 0);
	unmap(p, LEN);
	return t;
}

static uint64_t mprotect_ro(void)
{
	volatile char *p = touched();
	uint64_t t = TICKS(MUST(mprotect((void *)p, LEN, PROT_READ) == 0));

	check_read_only(p, 1);
	check_read_only(p + LEN - PAGE, 1);
	check_pages(p, LEN, 1, 0);
	unmap(p, LEN);
	return t;
}

static uint64_t mprotect_rw(void)
{
	volatile char *p = touched();

	MUST(mprotect((void *)p, LEN, PROT_READ) == 0);
	uint64_t t = TICKS(MUST(mprotect((void *)p, LEN, PROT_READ | PROT_WRITE) == 0));
	check_pages(p, LEN, 1, 0);
	check_read_only(p, 0);
	check_read_only(p + LEN - PAGE, 0);
	unmap(p, LEN);
	return t;
}

static uint64_t mlock_untouched(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);
	uint64_t t = TICKS(MUST(mlock((void *)p, LEN) == 0));

	MUST(proc_kb("/proc/self/status", "VmLck") == (long)(LEN >> 10));
	check_frames(p, LEN, 1);
	check_pages(p, LEN, 0, 0);
	unmap(p, LEN);
	return t;
}

static uint64_t mmap_munmap(size_t len, int touch)
{
	volatile char *p;
	uint64_t t = TICKS(for (int i = 0; i < CALLS; i++) {
		p = map(len, -1, MAP_PRIVATE);
		if (touch)
			*p = 1;
		unmap(p, len);
	});

	check_unmapped(p, len);
	return t;
}

static uint64_t mmap_munmap_1page(void)
{
	return mmap_munmap(PAGE, 0);
}

static uint64_t mmap_touch_munmap_1page(void)
{
	return mmap_munmap(PAGE, 1);
}

static uint64_t mmap_munmap_64M_untouched(void)
{
	return mmap_munmap(BIG, 0);
}

/* A mapping of one touched page, whose rights change as a whole. */
static uint64_t mprotect_1page(void)
{
	volatile char *p = map(PAGE, -1, MAP_PRIVATE);

	*p = 1;
	uint64_t t = TICKS(for (int i = 0; i < CALLS; i++) MUST(
		mprotect((void *)p, PAGE, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE) == 0));
	check_read_only(p, 1);
	check_pages(p, PAGE, 1, 0);
	unmap(p, PAGE);
	return t;
}

/* The middle one of three: two splits, and two merges when its rights come back. */
static uint64_t mprotect_middle_page(void)
{
	volatile char *p = map(3 * PAGE, -1, MAP_PRIVATE);
	uint64_t t = TICKS(for (int i = 0; i < CALLS; i++)
				   MUST(mprotect((void *)(p + PAGE), PAGE,
						 i & 1 ? PROT_READ : PROT_READ | PROT_WRITE) == 0));

	check_read_only(p + PAGE, 1);
	check_read_only(p, 0);
	check_read_only(p + 2 * PAGE, 0);
	unmap(p, 3 * PAGE);
	return t;
}

static volatile int repairs;

static void repair(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	repairs++;
	mprotect((void *)((uintptr_t)info->si_addr & -(uintptr_t)PAGE), PAGE,
		 PROT_READ | PROT_WRITE);
}

static uint64_t segv_handler_roundtrip(void)
{
	struct sigaction sa = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
	volatile char *p = map(PAGE, -1, MAP_PRIVATE);
	uint64_t t = 0;

	*p = repairs = 0;
	MUST(sigaction(SIGSEGV, &sa, NULL) == 0);
	for (int i = 0; i < CALLS; i++) {
		MUST(mprotect((void *)p, PAGE, PROT_READ) == 0);
		t += TICKS(*p = i);
		MUST(*p == (char)i && repairs == i + 1);
	}
	signal(SIGSEGV, SIG_DFL);
	unmap(p, PAGE);
	return t;
}

static uint64_t brk_grow_touch_shrink(void)
{
	uintptr_t end = (uintptr_t)syscall(SYS_brk, 0),
		  top = (end + 2 * PAGE - 1) & -(uintptr_t)PAGE;
	volatile char *p = (volatile char *)(top - PAGE);
	uint64_t t = TICKS(for (int i = 0; i < CALLS; i++) {
		MUST((uintptr_t)syscall(SYS_brk, top) == top);
		*p = 1;
		MUST((uintptr_t)syscall(SYS_brk, end) == end);
	});

	if (end < top - PAGE + 1)
		check_unmapped(p, PAGE);
	MUST((uintptr_t)syscall(SYS_brk, top) == top);
	check_pages(p, PAGE, 0, 0);
	MUST((uintptr_t)syscall(SYS_brk, end) == end);
	return t;
}

/* --- processes ------------------------------------------------------------------------------------ */

static uint64_t fork_exit_wait_small(void)
{
	return TICKS(for (int i = 0; i < CALLS; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		reap(pid);
	});
}

static uint64_t fork_big_call(void)
{
	volatile char *p = map(BIG, -1, MAP_PRIVATE);
	pid_t pid;

	write_pages(p, BIG, 1);
	uint64_t t = TICKS(pid = fork(); if (pid == 0) _exit(read_pages(p, BIG) != BIG / PAGE));
	reap(pid);
	unmap(p, BIG);
	return t;
}

static uint64_t fork_big_exit_wait(void)
{
	volatile char *p = map(BIG, -1, MAP_PRIVATE);

	write_pages(p, BIG, 1);
	uint64_t t = TICKS({
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		reap(pid);
	});
	check_pages(p, BIG, 1, 0);
	unmap(p, BIG);
	return t;
}

static uint64_t cow_break(void)
{
	volatile char *p = touched();
	uint64_t *taken = (uint64_t *)map(PAGE, -1, MAP_SHARED), t, frame = pagemap(p);
	pid_t pid = fork();

	if (pid == 0) {
		*taken = TICKS(write_pages(p, LEN, 2));
		check_pages(p, LEN, 2, 0);
		_exit(0);
	}
	reap(pid);
	check_pages(p, LEN, 1, 0);
	MUST(pagemap(p) == frame);
	t = *taken;
	unmap((char *)taken, PAGE);
	unmap(p, LEN);
	return t;
}

static uint64_t cow_reuse(void)
{
	volatile char *p = touched();
	uint64_t first = pagemap(p), last = pagemap(p + LEN - PAGE);
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	reap(pid);
	uint64_t t = TICKS(write_pages(p, LEN, 2));
	check_pages(p, LEN, 2, 0);
	MUST(pagemap(p) == first && pagemap(p + LEN - PAGE) == last);
	unmap(p, LEN);
	return t;
}

static uint64_t fork_exec_wait(void)
{
	return TICKS(for (int i = 0; i < CALLS; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			execl(self, self, "-x", NULL);
			_exit(127);
		}
		reap(pid);
	});
}

static uint64_t pipe_pingpong(void)
{
	int there[2], back[2];
	char c = 'x';
	pid_t pid;

	MUST(pipe(there) == 0 && pipe(back) == 0);
	pid = fork();
	if (pid == 0) {
		close(there[1]);
		while (read(there[0], &c, 1) == 1) {
			c++;
			MUST(write(back[1], &c, 1) == 1);
		}
		_exit(0);
	}
	uint64_t t = TICKS(for (int i = 0; i < CALLS; i++)
				   MUST(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1));
	MUST(c == (char)('x' + CALLS));
	close(there[1]), close(there[0]), close(back[0]), close(back[1]);
	reap(pid);
	return t;
}

/* --- files ---------------------------------------------------------------------------------------- */

static char buffer[16 * PAGE];

static int new_file(void)
{
	int fd = open("/tmp/bench", O_RDWR | O_CREAT | O_TRUNC, 0600);

	MUST(fd >= 0 && unlink("/tmp/bench") == 0);
	memset(buffer, 1, sizeof(buffer));
	return fd;
}

static void fill(int fd)
{
	for (size_t n = 0; n < LEN; n += sizeof(buffer))
		MUST(write(fd, buffer, sizeof(buffer)) == sizeof(buffer));
}

static uint64_t file_write(void)
{
	int fd = new_file();
	uint64_t t = TICKS(fill(fd));

	MUST(lseek(fd, 0, SEEK_END) == (off_t)LEN);
	memset(buffer, 0, sizeof(buffer));
	MUST(pread(fd, buffer, sizeof(buffer), LEN - sizeof(buffer)) == sizeof(buffer));
	check_pages(buffer, sizeof(buffer), 1, 1);
	close(fd);
	return t;
}

static uint64_t file_read(void)
{
	int fd = new_file();
	long n = 0;

	fill(fd);
	lseek(fd, 0, SEEK_SET);
	memset(buffer, 0, sizeof(buffer));
	uint64_t t = TICKS(while (read(fd, buffer, sizeof(buffer)) == sizeof(buffer)) n++);
	MUST(n == (long)(LEN / sizeof(buffer)));
	check_pages(buffer, sizeof(buffer), 1, 1);
	close(fd);
	return t;
}

static uint64_t file_map_read(void)
{
	int fd = new_file();

	fill(fd);
	volatile char *p = map(LEN, fd, MAP_SHARED);
	long sum;
	uint64_t t = TICKS(sum = read_pages(p, LEN));
	MUST(sum == PAGES);
	check_pages(p, LEN, 1, 1);
	check_frames(p, LEN, 1);
	close(fd);
	unmap(p, LEN);
	return t;
}

static uint64_t file_private_cow(void)
{
	int fd = new_file();

	fill(fd);
	volatile char *p = map(LEN, fd, MAP_PRIVATE);
	uint64_t t = TICKS(write_pages(p, LEN, 2));
	check_pages(p, LEN, 2, 1);
	MUST(pread(fd, buffer, sizeof(buffer), 0) == sizeof(buffer));
	check_pages(buffer, sizeof(buffer), 1, 1);
	close(fd);
	unmap(p, LEN);
	return t;
}

/* --- swap ----------------------------------------------------------------------------------------- */

/* Twice as many bytes of each page as it has zeros, lest anyone take it for a page of zeros. */
static volatile char *swappable(void)
{
	volatile char *p = map(LEN, -1, MAP_PRIVATE);

	memset((char *)p, 3, LEN);
	write_pages(p, LEN, 1);
	return p;
}

static uint64_t page_out(volatile char *p)
{
	uint64_t t = TICKS(MUST(madvise((void *)p, LEN, MADV_PAGEOUT) == 0));

	for (size_t i = 0; i < LEN; i += PAGE)
		MUST(pagemap(p + i) & PM_SWAPPED);
	return t;
}

static uint64_t swap_out(void)
{
	if (!have_swap)
		return 0;
	volatile char *p = swappable();
	uint64_t t = page_out(p);

	check_pages(p, LEN, 1, 3);
	unmap(p, LEN);
	return t;
}

static uint64_t swap_in(void)
{
	long sum;

	if (!have_swap)
		return 0;
	volatile char *p = swappable();
	MUST(madvise((void *)p, LEN, MADV_PAGEOUT) == 0);
	for (size_t i = 0; i < LEN; i += PAGE)
		MUST(pagemap(p + i) & PM_SWAPPED);
	uint64_t t = TICKS(sum = read_pages(p, LEN));
	MUST(sum == PAGES);
	check_pages(p, LEN, 1, 3);
	check_frames(p, LEN, 1);
	unmap(p, LEN);
	return t;
}

/* --- the list ------------------------------------------------------------------------------------- */

static const struct op {
	const char *name;
	uint64_t (*run)(void); /* 0: this kernel has it not */
	int units;             /* what the ticks are divided by */
} ops[] = {
	{"null_syscall", null_syscall, CALLS},
	{"anon_read_fault", anon_read_fault, PAGES},
	{"anon_write_fault", anon_write_fault, PAGES},
	{"zeropage_cow_fault", zeropage_cow_fault, PAGES},
	{"thp_touch_per_4k", thp_touch, PAGES},
	{"munmap_per_page", munmap_touched, PAGES},
	{"dontneed_per_page", dontneed, PAGES},
	{"mprotect_ro_per_page", mprotect_ro, PAGES},
	{"mprotect_rw_per_page", mprotect_rw, PAGES},
	{"mlock_per_page", mlock_untouched, PAGES},
	{"mmap_munmap_1page", mmap_munmap_1page, CALLS},
	{"mmap_touch_munmap_1page", mmap_touch_munmap_1page, CALLS},
	{"mmap_munmap_64M_untouched", mmap_munmap_64M_untouched, CALLS},
	{"mprotect_1page", mprotect_1page, CALLS},
	{"mprotect_middle_page", mprotect_middle_page, CALLS},
	{"segv_handler_roundtrip", segv_handler_roundtrip, CALLS},
	{"brk_grow_touch_shrink", brk_grow_touch_shrink, CALLS},
	{"fork_exit_wait_small", fork_exit_wait_small, CALLS},
	{"fork_big_call_total", fork_big_call, 1},
	{"fork_big_exit_wait_total", fork_big_exit_wait, 1},
	{"cow_break_per_page", cow_break, PAGES},
	{"cow_reuse_per_page", cow_reuse, PAGES},
	{"fork_exec_wait", fork_exec_wait, CALLS},
	{"pipe_pingpong_roundtrip", pipe_pingpong, CALLS},
	{"file_write_per_page", file_write, PAGES},
	{"file_read_per_page", file_read, PAGES},
	{"file_map_read_fault", file_map_read, PAGES},
	{"file_private_cow_fault", file_private_cow, PAGES},
	{"swap_out_per_page", swap_out, PAGES},
	{"swap_in_per_page", swap_in, PAGES},
};
enum { OPS = sizeof(ops) / sizeof(ops[0]) };

static uint64_t least(const struct op *op)
{
	uint64_t best = op->run(), t;

	for (int i = 1; i < ROUNDS; i++) {
		t = op->run();
		if (t > best - best / 100)
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

/* What is known of the whole machine: how much RAM it offers, and when it was up. */
static void whole_machine(void)
{
	enum { LOG = 1 << 20 };
	char *log = (char *)map(LOG, -1, MAP_PRIVATE), *line;
	int n = klogctl(3, log, LOG - 1);

	line = strstr(log, " as init process");

	printf("bench: MemTotal %ld\n", proc_kb("/proc/meminfo", "MemTotal"));
	while (n > 0 && line && line > log && line[-1] != '\n')
		line--;
	if (n > 0 && line && (line = strchr(line, '[')))
		printf("bench: boot %.6f\n", atof(line + 1));
	unmap(log, LOG);
}

int main(int argc, char **argv)
{
	int seconds = 0, once = 0, status = 0;

	if (argc > 1 && !strcmp(argv[1], "-x"))
		return 0; /* the program under exec */
	self = argv[0];
	for (argv++; *argv && **argv == '-'; argv++) {
		if (!strcmp(*argv, "--wait") && argv[1])
			seconds = atoi(*++argv);
		else if (!strcmp(*argv, "--once"))
			once = 1;
	}
	if (getpid() == 1) {
		first_process(seconds);
		whole_machine();
	}
	for (char **name = argv; *name; name++) {
		int i = 0;

		while (i < OPS && strcmp(ops[i].name, *name))
			i++;
		if (i == OPS)
			status = printf("bench: no operation %s\n", *name);
	}
	for (int i = 0; i < OPS; i++) {
		if (!wanted(ops[i].name, argv))
			continue;
		if (once) {
			ops[i].run();
			bench_reset(); /* that was to warm up */
		}
		uint64_t t = once ? ops[i].run() : least(&ops[i]);
		printf("bench: %s %llu %d\n", ops[i].name, (unsigned long long)t, ops[i].units);
	}
	return !!status;
}
