/* SPDX-License-Identifier: MIT */
/*
 * Faults: every kind, what the handler is told, and what it can repair. The frames behind the
 * pages are looked at through /proc/self/pagemap (as root).
 */
#include "utest.h"

#include <ucontext.h>

#define RW (PROT_READ | PROT_WRITE)

static uint64_t pfn(const volatile void *p)
{
	uint64_t e = ut_pagemap(p);

	return e & PM_PRESENT ? PM_PFN(e) : 0;
}

TEST(maperr, "SIGSEGV for unmapped memory: code and address")
{
	char *p = ut_map(PAGE);

	OK(munmap(p, PAGE));
	CHECK_FAULT(ut_read(p + 123), SIGSEGV, SEGV_MAPERR, p + 123);
	CHECK_FAULT(ut_write(p + 4095), SIGSEGV, SEGV_MAPERR, p + 4095);
	CHECK_FAULT(ut_exec(p), SIGSEGV, SEGV_MAPERR, p);
	CHECK_FAULT(ut_read(NULL), SIGSEGV, SEGV_MAPERR, NULL);
	CHECK_FAULT(ut_read((void *)16), SIGSEGV, SEGV_MAPERR, (void *)16);
	CHECK_FAULT(ut_read(BADPTR), SIGSEGV, SEGV_MAPERR, BADPTR);
}

TEST(accerr, "SIGSEGV for a missing right: code and address")
{
	char *p = ut_map(PAGE);

	OK(mprotect(p, PAGE, PROT_READ));
	CHECK_FAULT(ut_write(p + 8), SIGSEGV, SEGV_ACCERR, p + 8);
	(void)*(volatile char *)p;
	CHECK_FAULT(ut_write(p + 9), SIGSEGV, SEGV_ACCERR, p + 9);
	CHECK_FAULT(ut_exec(p), SIGSEGV, SEGV_ACCERR, p);
	OK(mprotect(p, PAGE, PROT_NONE));
	CHECK_FAULT(ut_read(p + 7), SIGSEGV, SEGV_ACCERR, p + 7);
}

TEST(kernel_addresses, "kernel memory that a program can reach, or whose presence it can tell")
{
	static const uintptr_t at[] = {0xffff800000000000, 0xffff888000000000, 0xffff888000100000,
				       0xffffea0000000000, 0xffffffff80000000, 0xffffffff80100000,
				       0xffffffff81000000, 0xfffffffffffff000, 0xffffffffffffffff};

	for (unsigned i = 0; i < sizeof(at) / sizeof(*at); i++) {
		struct ut_fault f = ut_read((void *)at[i]);
		CHECK_FAULT(f, SIGSEGV, SEGV_MAPERR, (void *)at[i]);
		CHECK_EQ(f.err, 5); /* user, and as if mapped, whether it is or not */
		CHECK_FAULT(ut_write((void *)at[i]), SIGSEGV, SEGV_MAPERR, (void *)at[i]);
		CHECK_FAULT(ut_exec((void *)at[i]), SIGSEGV, SEGV_MAPERR, (void *)at[i]);
	}
}

TEST(non_canonical, "a general protection fault that is told as a page fault")
{
	CHECK_FAULT(ut_read((void *)0x0000800000000000), SIGSEGV, SI_KERNEL, NULL);
	CHECK_FAULT(ut_write(NONCANON), SIGSEGV, SI_KERNEL, NULL);
	CHECK_FAULT(ut_read((void *)0xffff7fffffffffff), SIGSEGV, SI_KERNEL, NULL);
	CHECK_FAULT(ut_read((void *)0x4141414141414141), SIGSEGV, SI_KERNEL, NULL);
	/* the last page below the border is canonical, and never mapped */
	CHECK_FAULT(ut_read((void *)0x00007ffffffff000), SIGSEGV, SEGV_MAPERR,
		    (void *)0x00007ffffffff000);
}

TEST(privileged, "an instruction for the kernel alone: SIGSEGV with SI_KERNEL")
{
	unsigned char *p = ut_map(PAGE);
	static const unsigned char code[][4] = {
		{0xf4, 0xc3},             /* hlt */
		{0xfa, 0xc3},             /* cli */
		{0x0f, 0x20, 0xd8, 0xc3}, /* mov %cr3, %rax */
		{0xe4, 0x60, 0xc3},       /* in $0x60, %al */
		{0xcd, 0x0e, 0xc3},       /* int $14: the page fault's own gate */
		{0xcd, 0x81, 0xc3},
	};

	OK(mprotect(p, PAGE, RW | PROT_EXEC));
	for (unsigned i = 0; i < sizeof(code) / sizeof(*code); i++) {
		memcpy(p, code[i], 4);
		CHECK_FAULT(ut_exec(p), SIGSEGV, SI_KERNEL, NULL);
	}
}

TEST(sigbus, "beyond the end of a mapped file: SIGBUS, BUS_ADRERR, the address")
{
	int fd = ut_file("f", "x", 1);
	char *p = OK(mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0));
	char *q = OK(mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0));

	CHECK_NOFAULT(ut_read(p + PAGE - 1));
	CHECK_FAULT(ut_read(p + PAGE), SIGBUS, BUS_ADRERR, p + PAGE);
	CHECK_FAULT(ut_write(p + 2 * PAGE + 5), SIGBUS, BUS_ADRERR, p + 2 * PAGE + 5);
	CHECK_FAULT(ut_read(q + PAGE), SIGBUS, BUS_ADRERR, q + PAGE);
	CHECK_FAULT(ut_write(q + PAGE), SIGBUS, BUS_ADRERR, q + PAGE);
	/* the file grows: the memory is there */
	OK(ftruncate(fd, 2 * PAGE));
	CHECK_NOFAULT(ut_write(p + PAGE));
	CHECK_FAULT(ut_read(p + 2 * PAGE), SIGBUS, BUS_ADRERR, p + 2 * PAGE);
	/* and shrinks: what was mapped goes */
	OK(ftruncate(fd, 0));
	CHECK_FAULT(ut_read(p), SIGBUS, BUS_ADRERR, p);
	CHECK_FAULT(ut_read(p + PAGE), SIGBUS, BUS_ADRERR, p + PAGE);
}

TEST(sigbus_private_copy, "truncation that spares, or must not spare, private copies")
{
	int fd = ut_file("f", "x", 1);
	char *p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));

	p[0] = 'c';
	OK(ftruncate(fd, 0));
	CHECK_FAULT(ut_read(p), SIGBUS, BUS_ADRERR, p); /* Linux drops the private copies as well */
}

TEST(other_traps, "divide error, invalid opcode, breakpoint: signal, code and address")
{
	unsigned char *p = ut_map(PAGE);
	struct ut_fault f;

	OK(mprotect(p, PAGE, RW | PROT_EXEC));
	memcpy(p, "\x0f\x0b\xc3", 3); /* ud2 */
	f = ut_exec(p);
	CHECK_EQ(f.sig, SIGILL);
	CHECK_EQ(f.code, ILL_ILLOPN);
	CHECK(f.addr == p);
	pid_t pid = CHILD({
		OK(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
		__asm__ volatile("xorl %%ecx, %%ecx; movl $1, %%eax; cltd; idivl %%ecx" ::
					 : "eax", "ecx", "edx");
	});
	CHECK_SIGNALED(pid, SIGFPE);
	pid = CHILD({ __asm__ volatile("int3"); });
	CHECK_SIGNALED(pid, SIGTRAP);
	pid = CHILD({ *(volatile int *)BADPTR = 1; });
	CHECK_SIGNALED(pid, SIGSEGV);
}

static void *repair_page;
static volatile int repairs;
static volatile uintptr_t seen_rip, seen_cr2, seen_err, seen_trapno;

static void repair(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	if (++repairs > 4)
		_exit(9);
	seen_rip = uc->uc_mcontext.gregs[REG_RIP];
	seen_cr2 = uc->uc_mcontext.gregs[REG_CR2];
	seen_err = uc->uc_mcontext.gregs[REG_ERR];
	seen_trapno = uc->uc_mcontext.gregs[REG_TRAPNO];
	repair_page = (void *)((uintptr_t)si->si_addr & ~(PAGE - 1));
	mmap(repair_page, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void catch_with(void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};

	OK(sigaction(SIGSEGV, &sa, NULL));
}

TEST(repair, "a handler that mends the mapping and returns: the instruction does not run again")
{
	volatile long *p = ut_map_prot(PAGE, PROT_NONE);

	catch_with(repair, 0);
	p[5] = 42;
	CHECK_EQ(repairs, 1);
	CHECK_EQ(p[5], 42);
	CHECK_EQ(seen_cr2, (uintptr_t)&p[5]);
	CHECK_EQ(seen_trapno, 14);
	/* user | write; on a page that is not there */
	CHECK_EQ(seen_err, 6);
	CHECK(seen_rip != 0);
	OK(mprotect((void *)p, PAGE, PROT_READ));
	p[6] = 43;
	CHECK_EQ(repairs, 2);
	CHECK_EQ(p[6], 43);
	CHECK_EQ(seen_err, 7);
}

static void skip_insn(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig, (void)si;
	repairs++;
	uc->uc_mcontext.gregs[REG_RIP] += 3; /* mov (%rdi), %rax */
	uc->uc_mcontext.gregs[REG_RAX] = 0x1234;
}

TEST(registers, "changes that a handler makes to the saved registers are lost")
{
	long v = 0;

	catch_with(skip_insn, 0);
	__asm__ volatile("mov (%%rdi), %%rax" : "=a"(v) : "D"(BADPTR), "a"(1L));
	CHECK_EQ(repairs, 1);
	CHECK_EQ(v, 0x1234);
}

TEST(ignored, "SIGSEGV ignored or blocked: the process must die, not loop")
{
	pid_t pid = CHILD({
		signal(SIGSEGV, SIG_IGN);
		*(volatile int *)BADPTR = 1;
	});
	CHECK_SIGNALED(pid, SIGSEGV);
	pid = CHILD({
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGSEGV);
		catch_with(repair, 0);
		OK(sigprocmask(SIG_BLOCK, &set, NULL));
		*(volatile int *)BADPTR = 1;
	});
	CHECK_SIGNALED(pid, SIGSEGV);
}

static void fault_again(int sig, siginfo_t *si, void *ctx)
{
	(void)sig, (void)si, (void)ctx;
	*(volatile int *)BADPTR = 2;
}

TEST(fault_in_handler, "a fault inside the handler of the same signal: death, not recursion")
{
	pid_t pid = CHILD({
		catch_with(fault_again, 0);
		*(volatile int *)BADPTR = 1;
	});
	CHECK_SIGNALED(pid, SIGSEGV);
}

static char alt[32768];
static volatile uintptr_t handler_sp;
static sigjmp_buf out;

static void on_alt(int sig, siginfo_t *si, void *ctx)
{
	(void)si, (void)ctx;
	handler_sp = (uintptr_t)__builtin_frame_address(0);
	repairs = sig;
	siglongjmp(out, 1);
}

__attribute__((noinline)) static int deep(int n)
{
	volatile char frame[1024];

	frame[0] = n;
	if (n < 0)
		return 0; /* never, but the compiler cannot know */
	return deep(n + 1) + frame[0];
}

TEST(stack_overflow, "a stack without an end, or an overflow that cannot be caught")
{
	struct rlimit rl;
	OK(getrlimit(RLIMIT_STACK, &rl));
	rl.rlim_cur = 512 << 10;
	OK(setrlimit(RLIMIT_STACK, &rl));
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)};
	OK(sigaltstack(&ss, NULL));
	catch_with(on_alt, SA_ONSTACK);
	if (sigsetjmp(out, 1) == 0)
		deep(0);
	CHECK_EQ(repairs, SIGSEGV);
	CHECK(handler_sp >= (uintptr_t)alt && handler_sp < (uintptr_t)alt + sizeof(alt));
	char line[256];
	REQUIRE(ut_maps_line(0, &line, line, sizeof(line)));
	unsigned long s, e;
	sscanf(line, "%lx-%lx", &s, &e);
	CHECK(strstr(line, "[stack]") != NULL);
	CHECK(e - s <= 512 << 10);
	CHECK(e - s > 256 << 10);
}

TEST(stack_overflow_no_altstack, "an overflow whose signal has no room: the process dies")
{
	pid_t pid = CHILD({
		OK(setrlimit(RLIMIT_STACK, &(struct rlimit){256 << 10, RLIM_INFINITY}));
		catch_with(on_alt, 0);
		if (sigsetjmp(out, 1) == 0)
			deep(0);
	});
	CHECK_SIGNALED(pid, SIGSEGV);
}

static void touch_below(long bytes)
{
	volatile char *sp = __builtin_frame_address(0);

	sp[-bytes] = 1;
}

TEST(stack_growth, "a stack that does not grow on demand, or grows by a far jump beyond its limit")
{
	long before = ut_status(0, "VmStk");

	touch_below(1 << 20);
	CHECK(ut_status(0, "VmStk") >= before + 800);
	struct rlimit rl;
	OK(getrlimit(RLIMIT_STACK, &rl));
	pid_t pid = CHILD({ touch_below(rl.rlim_cur + (1 << 20)); });
	if (rl.rlim_cur != RLIM_INFINITY)
		CHECK_SIGNALED(pid, SIGSEGV);
}

TEST(stack_growth_in_kernel, "a system call that writes below the stack's present end")
{
	char *sp = __builtin_frame_address(0);
	char *buf = (char *)(((uintptr_t)sp - (512 << 10)) & ~(PAGE - 1));
	int fd = OK(open("/dev/zero", O_RDONLY));

	CHECK_EQ(syscall(SYS_read, fd, buf, 100), 100);
	CHECK_EQ(buf[99], 0);
}

TEST(zero_page, "reads of untouched memory that cost a frame each")
{
	volatile char *p = ut_map_alone(8 * PAGE);

	if (getuid() != 0)
		SKIP("frame numbers are for root");
	long rss = ut_smaps(0, p, "Rss");
	for (int i = 0; i < 4; i++)
		CHECK_EQ(p[i * PAGE], 0);
	uint64_t zero = pfn(p);
	CHECK(zero != 0);
	for (int i = 1; i < 4; i++)
		CHECK_EQ(pfn(p + i * PAGE), zero);
	CHECK_EQ(ut_smaps(0, p, "Rss"), rss); /* the zero page is nobody's memory */
	p[PAGE] = 1;
	CHECK(pfn(p + PAGE) != zero);
	CHECK(pfn(p + PAGE) != 0);
	CHECK_EQ(pfn(p), zero);
	CHECK_EQ(p[0], 0);
	CHECK_EQ(p[PAGE + 1], 0);
	/* another area, another process: the same frame */
	volatile char *q = ut_map_alone(PAGE);
	CHECK_EQ(q[0], 0);
	CHECK_EQ(pfn(q), zero);
	pid_t pid = CHILD({
		volatile char *r = ut_map_alone(PAGE);
		CHECK_EQ(r[0], 0);
		CHECK_EQ(pfn(r), zero);
		p[0] = 9;
		CHECK(pfn(p) != zero);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(pfn(p), zero);
	CHECK_EQ(p[0], 0);
}

TEST(write_after_read, "a first write after a read: one more fault, own zeroed page")
{
	volatile unsigned char *p = ut_map_alone(PAGE);
	long before;

	CHECK_EQ(p[100], 0);
	before = ut_minflt();
	p[100] = 1;
	CHECK_EQ(ut_minflt() - before, 1);
	for (unsigned i = 0; i < PAGE; i++)
		if (p[i] != (i == 100)) {
			FAIL("byte %u is %#x", i, p[i]);
			break;
		}
}

TEST(cow_break, "a written page that stays shared, or an unwritten one that is copied")
{
	volatile char *p = ut_map_alone(4 * PAGE);
	int up[2], down[2];
	char c;

	if (getuid() != 0)
		SKIP("frame numbers are for root");
	memset((void *)p, 'a', 4 * PAGE);
	OK(pipe(up));
	OK(pipe(down));
	pid_t pid = CHILD({
		uint64_t was[4];
		for (int i = 0; i < 4; i++)
			was[i] = pfn(p + i * PAGE);
		OK(write(up[1], was, sizeof(was)));
		OK(read(down[0], &c, 1));
		p[PAGE] = 'c';
		CHECK(pfn(p + PAGE) != was[1]);
		CHECK_EQ(pfn(p), was[0]);
		CHECK_EQ(pfn(p + 2 * PAGE), was[2]);
		CHECK_EQ(p[PAGE + 1], 'a');
	});
	uint64_t child[4];
	CHECK_EQ(read(up[0], child, sizeof(child)), sizeof(child));
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(pfn(p + i * PAGE), child[i]);
		CHECK(!(ut_pagemap(p + i * PAGE) & PM_EXCL));
	}
	OK(write(down[1], "g", 1));
	CHECK_EXIT(pid, 0);
	CHECK_EQ(p[PAGE], 'a');
	/* The child is gone: the page is ours alone and is written in place. */
	CHECK(ut_pagemap(p) & PM_EXCL);
	long before = ut_minflt();
	p[0] = 'p';
	CHECK_EQ(ut_minflt() - before, 1);
	CHECK_EQ(pfn(p), child[0]);
	CHECK_EQ(pfn(p + PAGE), child[1]);
}

TEST(cow_parent_first, "the parent writes first: the child keeps the old bytes and frame")
{
	volatile char *p = ut_map_alone(PAGE);
	int go[2];
	char c;

	p[0] = 'o';
	uint64_t was = pfn(p);
	OK(pipe(go));
	pid_t pid = CHILD({
		close(go[1]);
		CHECK_EQ(read(go[0], &c, 1), 0);
		CHECK_EQ(p[0], 'o');
		CHECK_EQ(pfn(p), was);
		p[0] = 'c'; /* reuse */
		CHECK_EQ(pfn(p), was);
	});
	close(go[0]);
	p[0] = 'n';
	CHECK(pfn(p) != was || was == 0);
	close(go[1]);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(p[0], 'n');
}

TEST(cow_by_kernel, "a system call that writes into a page shared by fork, through its back")
{
	char *p = ut_map_alone(PAGE);
	int fd = OK(open("/dev/zero", O_RDONLY)), go[2];
	char c;

	memset(p, 'k', PAGE);
	OK(pipe(go));
	pid_t pid = CHILD({
		close(go[1]);
		CHECK_EQ(read(go[0], &c, 1), 0);
		CHECK_EQ(p[0], 'k');
		CHECK_EQ(p[100], 'k');
	});
	close(go[0]);
	CHECK_EQ(read(fd, p, 50), 50);
	CHECK_EQ(p[0], 0);
	CHECK_EQ(p[50], 'k');
	close(go[1]);
	CHECK_EXIT(pid, 0);
}

TEST(zero_by_kernel, "a system call that writes into the zero page")
{
	char *p = ut_map_alone(2 * PAGE);
	int fd = ut_file("f", "ZZZZ", 4);

	CHECK_EQ(*(volatile char *)p, 0);
	CHECK_EQ(*(volatile char *)(p + PAGE), 0);
	CHECK_EQ(pread(fd, p, 4, 0), 4);
	CHECK_EQ(p[0], 'Z');
	CHECK_EQ(p[PAGE], 0);
	char *q = ut_map_alone(PAGE);
	CHECK_EQ(*(volatile char *)q, 0);
}

TEST(across_pages, "one access over two pages of which the second is missing")
{
	char *p = ut_map_alone(3 * PAGE);

	OK(munmap(p + 2 * PAGE, PAGE));
	volatile uint64_t *q = (volatile uint64_t *)(p + PAGE - 4);
	*q = 0x1122334455667788;
	CHECK_EQ(*q, 0x1122334455667788);
	catch_with(repair, 0);
	q = (volatile uint64_t *)(p + 2 * PAGE - 4);
	*q = 0x99;
	CHECK_EQ(repairs, 1);
	CHECK_EQ(seen_cr2, (uintptr_t)p + 2 * PAGE); /* the byte that was missing */
	CHECK_EQ(*q, 0x99);
}

TEST(fault_counts, "minor faults that are not counted, or counted twice")
{
	size_t n = 200;
	volatile char *p = ut_map_alone(n * PAGE);
	long before = ut_minflt(), major = ut_majflt();

	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = 1;
	CHECK_EQ(ut_minflt() - before, (long)n);
	before = ut_minflt();
	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = 2;
	CHECK_EQ(ut_minflt() - before, 0);
	CHECK_EQ(ut_majflt(), major);
}

TEST(code_in_shared_file, "a program that is overwritten while it runs: ETXTBSY")
{
	static char path[300];

	OK(readlink("/proc/self/exe", path, sizeof(path) - 1));
	CHECK_ERRNO(open(path, O_RDWR), ETXTBSY);
	CHECK_ERRNO(truncate(path, 10), ETXTBSY);
}

TEST_MEM(many_areas, 48, "faults that find the wrong area among thousands")
{
	size_t n = 4000;
	char *p = ut_map_prot(2 * n * PAGE, PROT_NONE);

	for (size_t i = 0; i < n; i++)
		OK(mprotect(p + 2 * i * PAGE, PAGE, RW));
	for (size_t i = 0; i < n; i++)
		*(size_t *)(p + 2 * i * PAGE) = i;
	for (size_t i = 0; i < n; i++)
		if (*(size_t *)(p + 2 * i * PAGE) != i) {
			FAIL("area %zu", i);
			break;
		}
	for (size_t i = 0; i < n; i += 379)
		CHECK_FAULT(ut_read(p + (2 * i + 1) * PAGE), SIGSEGV, SEGV_ACCERR,
			    p + (2 * i + 1) * PAGE);
}

TEST(string_ops, "a repeated string instruction that faults on its way and starts from the front")
{
	size_t n = 16 * PAGE;
	unsigned char *src = ut_map_alone(n), *dst = ut_map_alone(n);
	void *d = dst, *s = src;
	size_t c = n;

	for (size_t i = 0; i < n; i++)
		src[i] = i * 31 >> 3;
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(c) : : "memory");
	CHECK(d == dst + n);
	CHECK(!memcmp(src, dst, n));
}
