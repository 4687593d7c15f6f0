/* SPDX-License-Identifier: MIT */
/*
 * Programs that mean harm: instructions that are the kernel's, states of the processor that the
 * kernel must not be entered with, and signal frames that nobody made. What comes of each is a
 * signal to the program, the one that Linux sends, and nothing else.
 */
#include "utest.h"

#include <asm/prctl.h>
#include <dirent.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/ucontext.h>

/* ---- one piece of code at a time --------------------------------------------------------- */

static sigjmp_buf back;
static volatile struct {
	int sig, code;
	uintptr_t addr;
} got;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	got.sig = sig;
	got.code = si->si_code;
	got.addr = (uintptr_t)si->si_addr;
	siglongjmp(back, 1);
}

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

static void catch_faults(void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t ss = {.ss_sp = ut_map(64 * 1024), .ss_size = 64 * 1024};

	OK(sigaltstack(&ss, NULL));
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		OK(sigaction(faults[i], &sa, NULL));
}

static char *code_page(const void *code, size_t n)
{
	static char *page;

	if (!page)
		page = ut_map_prot(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	memcpy(page, code, n);
	page[n] = (char)0xc3;
	return page;
}

static void run_code(const void *code, size_t n)
{
	void *p = code_page(code, n);

	got.sig = 0;
	if (sigsetjmp(back, 1) == 0)
		__asm__ __volatile__("subq $128, %%rsp\n\tcall *%0\n\taddq $128, %%rsp"
				     :
				     : "r"(p)
				     : "memory", "cc", "rax", "rbx", "rcx", "rdx", "rsi", "rdi",
				       "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15");
}

struct insn {
	const char *name;
	int n;
	unsigned char code[32];
	int sig, si_code;
	int addr; /* si_addr: 0, or 1: that of the instruction */
};

static void try_insns(const struct insn *t, size_t n)
{
	catch_faults(on_signal);
	for (; n--; t++) {
		run_code(t->code, (size_t)t->n);
		if (got.sig != t->sig || (t->sig && got.code != t->si_code) ||
		    (t->sig && got.addr != (t->addr ? (uintptr_t)code_page("", 0) : 0)))
			FAIL("%s: signal %d code %d addr %lx", t->name, got.sig, got.code,
			     (long)got.addr);
	}
}

#define GP SIGSEGV, SI_KERNEL, 0

/* No far returns: QEMU 7 reads their stack as the kernel, and Linux oopses. */
TEST(privileged, "an instruction of the kernel that a program may execute")
{
	static const struct insn t[] = {
		{"hlt", 1, {0xf4}, GP},
		{"cli", 1, {0xfa}, GP},
		{"sti", 1, {0xfb}, GP},
		{"in", 1, {0xec}, GP},
		{"out", 1, {0xee}, GP},
		{"in imm", 2, {0xe4, 0x80}, GP},
		{"ins", 1, {0x6c}, GP},
		{"outs", 1, {0x6e}, GP},
		{"rdmsr", 2, {0x0f, 0x32}, GP},
		{"wrmsr", 2, {0x0f, 0x30}, GP},
		{"rdpmc", 2, {0x0f, 0x33}, GP},
		{"mov cr0", 3, {0x0f, 0x20, 0xc0}, GP},
		{"mov to cr0", 3, {0x0f, 0x22, 0xc0}, GP},
		{"mov cr3", 3, {0x0f, 0x20, 0xd8}, GP},
		{"mov to cr3", 3, {0x0f, 0x22, 0xd8}, GP},
		{"mov to cr4", 3, {0x0f, 0x22, 0xe0}, GP},
		{"mov cr8", 4, {0x44, 0x0f, 0x20, 0xc0}, GP},
		{"mov dr7", 3, {0x0f, 0x21, 0xf8}, GP},
		{"mov to dr7", 3, {0x0f, 0x23, 0xf8}, GP},
		{"clts", 2, {0x0f, 0x06}, GP},
		{"invd", 2, {0x0f, 0x08}, GP},
		{"wbinvd", 2, {0x0f, 0x09}, GP},
		{"invlpg", 4, {0x0f, 0x01, 0x3c, 0x24}, GP},
		{"lgdt", 4, {0x0f, 0x01, 0x14, 0x24}, GP},
		{"lidt", 4, {0x0f, 0x01, 0x1c, 0x24}, GP},
		{"lldt", 3, {0x0f, 0x00, 0xd0}, GP},
		{"ltr", 3, {0x0f, 0x00, 0xd8}, GP},
		{"lmsw", 3, {0x0f, 0x01, 0xf0}, GP},
		{"xsetbv", 5, {0x31, 0xc9, 0x0f, 0x01, 0xd1}, SIGSEGV, SI_KERNEL, 0},
		{"swapgs", 3, {0x0f, 0x01, 0xf8}, GP},
		{"sysret", 2, {0x0f, 0x07}, GP},
		{"sysretq", 3, {0x48, 0x0f, 0x07}, GP},
		{"int 14", 2, {0xcd, 14}, GP},
		{"int 8", 2, {0xcd, 8}, GP},
		{"int 2", 2, {0xcd, 2}, GP},
		{"int 32", 2, {0xcd, 32}, GP},
		{"int 255", 2, {0xcd, 255}, GP},
		{"kernel data in ds", 7, {0x66, 0xb8, 0x18, 0x00, 0x8e, 0xd8, 0x90}, GP},
		{"null in ss", 4, {0x31, 0xc0, 0x8e, 0xd0}, GP},
		{"tss in es", 7, {0x66, 0xb8, 0x40, 0x00, 0x8e, 0xc0, 0x90}, GP},
		{"beyond the gdt in gs", 7, {0x66, 0xb8, 0xf8, 0xff, 0x8e, 0xe8, 0x90}, GP},
	};

	try_insns(t, sizeof(t) / sizeof(*t));
}

TEST(exceptions, "an exception that has the wrong signal, code or address")
{
	static const struct insn t[] = {
		{"ud2", 2, {0x0f, 0x0b}, SIGILL, ILL_ILLOPN, 1},
		{"into", 1, {0xce}, SIGILL, ILL_ILLOPN, 1},
		{"push es", 1, {0x06}, SIGILL, ILL_ILLOPN, 1},
		{"int3", 1, {0xcc}, SIGTRAP, SI_KERNEL, 0},
		{"int 3", 2, {0xcd, 3}, SIGTRAP, SI_KERNEL, 0},
		{"int 4", 2, {0xcd, 4}, GP},
		{"div by 0", 4, {0x31, 0xc9, 0xf7, 0xf1}, SIGFPE, FPE_INTDIV, 2},
		{"data segment in gs", 6, {0x66, 0xb8, 0x2b, 0x00, 0x8e, 0xe8}, 0, 0, 0},
		{"nothing", 1, {0x90}, 0, 0, 0},
	};
	static const struct insn *div = &t[6];

	try_insns(t, 6);
	run_code(div->code, 4);
	CHECK_EQ(got.sig, SIGFPE);
	CHECK_EQ(got.code, FPE_INTDIV);
	CHECK_EQ(got.addr, (uintptr_t)code_page("", 0) + 2);
	try_insns(t + 7, 2);
}

static void jump(uintptr_t to)
{
	unsigned char code[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};

	memcpy(code + 2, &to, 8);
	run_code(code, sizeof(code));
}

TEST(jumps, "a jump to where nobody may go that has the wrong end")
{
	static const uintptr_t nowhere[] = {0, 1, 0xfff, 0x7ffffffff000, 0x7fffffffffff};
	static const uintptr_t kernel[] = {0xffff888000000000, 0xffffffff81000000,
					   0xffffea0000000000, 0xfffffffffffff000, ~0UL};

	catch_faults(on_signal);
	for (size_t i = 0; i < 5; i++) {
		jump(nowhere[i]);
		CHECK_EQ(got.sig, SIGSEGV);
		CHECK_EQ(got.code, SEGV_MAPERR);
		CHECK_EQ(got.addr, nowhere[i]);
	}
	for (size_t i = 0; i < 5; i++) {
		jump(kernel[i]);
		CHECK_EQ(got.sig, SIGSEGV);
		CHECK_EQ(got.code, SEGV_MAPERR);
		CHECK_EQ(got.addr, kernel[i]);
	}
	jump(0x800000000000);
	CHECK_EQ(got.sig, SIGSEGV);
	CHECK_EQ(got.code, SI_KERNEL);
	jump(0xffff7fffffffffff);
	CHECK_EQ(got.sig, SIGSEGV);
	CHECK_EQ(got.code, SI_KERNEL);
	/* The page of vsyscalls, where there is one, cannot be read. */
	CHECK_FAULT(ut_read((void *)0xffffffffff600000), SIGSEGV, SEGV_MAPERR,
		    (void *)0xffffffffff600000);
}

/* ---- entering with a state of one's own ------------------------------------------------------ */

/* getpid() with these flags set and this stack: its result; *after: the flags behind it. */
static long syscall_with(uint64_t flags, uint64_t rsp, uint64_t *after)
{
	long ret = SYS_getpid;
	uint64_t out;

	__asm__ __volatile__("movq %%rsp, %%rbx\n\t"
			     "pushfq\n\t"
			     "orq %2, (%%rsp)\n\t"
			     "popfq\n\t"
			     "movq %3, %%rsp\n\t"
			     "syscall\n\t"
			     "movq %%rbx, %%rsp\n\t"
			     "pushfq\n\t"
			     "popq %1\n\t"
			     "pushfq\n\t"
			     "andq %4, (%%rsp)\n\t"
			     "popfq\n\t"
			     : "+a"(ret), "=&r"(out)
			     : "r"(flags), "r"(rsp), "r"(~(flags | 0x44400))
			     : "rbx", "rcx", "r11", "memory", "cc");
	if (after)
		*after = out;
	return ret;
}

TEST(flags, "a flag of the user that the kernel runs with, or that a system call loses")
{
	static const uint64_t flags[] = {0x400 /* DF */, 0x4000 /* NT */, 0x40000 /* AC */,
					 0x200000 /* ID */, 0x44ad5};
	uint64_t sp = (uint64_t)__builtin_frame_address(0) - 8192, after;

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		CHECK_EQ(syscall_with(flags[i], sp, &after), getpid());
		CHECK_EQ(after & flags[i], flags[i]);
	}
	/* Not the user's to set: IOPL, IF off, VM, RF do not stick. */
	CHECK_EQ(syscall_with(0x3000, sp, &after), getpid());
	CHECK_EQ(after & 0x3000, 0);
	CHECK_EQ(after & 0x200, 0x200);
}

TEST(stacks, "a system call that looks at the user's stack")
{
	static const uint64_t sps[] = {0,
				       1,
				       0x7ffffffff000,
				       0x800000000000,
				       0xffff7fffffffffff,
				       0xffff888000001000,
				       0xffffffff81000001,
				       ~0UL};

	for (size_t i = 0; i < sizeof(sps) / sizeof(*sps); i++)
		for (int times = 0; times < 20; times++)
			CHECK_EQ(syscall_with(0, sps[i], NULL), getpid());
}

static void fault_with_stack(uint64_t rsp)
{
	__asm__ __volatile__("movq %0, %%rsp\n\tud2" : : "r"(rsp) : "memory");
}

static void exit_77(int sig)
{
	(void)sig;
	_exit(77);
}

TEST(delivery, "a signal frame for a stack that cannot take it")
{
	static const uint64_t sps[] = {0,
				       1,
				       128,
				       0x1000,
				       0x800000000000,
				       0x800000000400,
				       0xffff7fffffffffff,
				       0xffff888000001000,
				       ~0UL};
	struct sigaction sa = {.sa_handler = exit_77};

	OK(sigaction(SIGILL, &sa, NULL));
	for (size_t i = 0; i < sizeof(sps) / sizeof(*sps); i++)
		CHECK_SIGNALED(CHILD({ fault_with_stack(sps[i]); }), SIGSEGV);
	/* The second signal has a stack of its own. */
	sa.sa_flags = SA_ONSTACK;
	stack_t ss = {.ss_sp = ut_map(64 * 1024), .ss_size = 64 * 1024};

	OK(sigaltstack(&ss, NULL));
	OK(sigaction(SIGSEGV, &sa, NULL));
	for (size_t i = 0; i < sizeof(sps) / sizeof(*sps); i++)
		CHECK_EXIT(CHILD({ fault_with_stack(sps[i]); }), 77);
}

/* ---- single steps ---------------------------------------------------------------------------- */

static volatile int steps, in_code;
__attribute__((used)) static volatile uintptr_t code_lo, code_hi;

static void on_step(int sig, siginfo_t *si, void *context)
{
	uintptr_t rip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)si;
	steps++;
	in_code += rip >= code_lo && rip <= code_hi;
}

TEST(single_step, "a step over a system call that is lost, taken twice, or lands in the kernel")
{
	struct sigaction sa = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	long ret = SYS_getpid;

	OK(sigaction(SIGTRAP, &sa, NULL));
	__asm__ __volatile__("leaq 1f(%%rip), %%rcx\n\t"
			     "movq %%rcx, code_lo(%%rip)\n\t"
			     "leaq 2f(%%rip), %%rcx\n\t"
			     "movq %%rcx, code_hi(%%rip)\n\t"
			     "subq $128, %%rsp\n\t"
			     "pushfq\n\t"
			     "orq $0x100, (%%rsp)\n\t"
			     "popfq\n"
			     "1:\tnop\n\t"
			     "nop\n\t"
			     "syscall\n\t"
			     "nop\n\t"
			     "nop\n\t"
			     "pushfq\n\t"
			     "andq $~0x100, (%%rsp)\n\t"
			     "popfq\n"
			     "2:\tnop\n\t"
			     "addq $128, %%rsp"
			     : "+a"(ret)
			     :
			     : "rcx", "r11", "memory", "cc");
	CHECK_EQ(ret, getpid());
	CHECK_EQ(steps, in_code);
	CHECK(steps >= 7 && steps <= 8); /* the one behind syscall is the processor's choice */
}

/* ---- segment bases --------------------------------------------------------------------------- */

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

TEST(bases, "a base that is not canonical in FS or GS, where the kernel would fault on it")
{
	static const uint64_t bad[] = {0x800000000000, 0xffff7fffffffffff, 0xffff888000000000,
				       0x7ffffffff000, ~0UL};
	char *stack = ut_map(16 * PAGE);
	uint64_t gs;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_ERRNO(syscall(SYS_arch_prctl, ARCH_SET_FS, bad[i]), EPERM);
		CHECK_ERRNO(syscall(SYS_arch_prctl, ARCH_SET_GS, bad[i]), EPERM);
		CHECK_ERRNO(clone(nothing, stack + 16 * PAGE, CLONE_VM | CLONE_SETTLS | SIGCHLD,
				  NULL, NULL, (void *)bad[i]),
			    EPERM);
	}
	OK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123456789000));
	ut_msleep(20);
	OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	CHECK_EQ(gs, 0x123456789000);
}

TEST(gs_of_the_kernel, "an entry that tells by the sign of GS whose base it is")
{
	uint64_t kernel = 0xffffffff81000000, gs = 0;

	if (!(getauxval(AT_HWCAP2) & 2))
		SKIP("no FSGSBASE");
	CHECK_SIGNALED(CHILD({
			       __asm__ __volatile__("wrgsbase %0" : : "r"(kernel));
			       for (int i = 0; i < 3; i++) {
				       volatile char *p = ut_map(PAGE);
				       *p = 1; /* a fault */
				       ut_msleep(5);
			       }
			       for (volatile long i = 0; i < 3000000; i++)
				       ; /* ticks */
			       __asm__ __volatile__("rdgsbase %0" : "=r"(gs));
			       CHECK_EQ(gs, kernel);
			       *(volatile int *)BADPTR = 1;
		       }),
		       SIGSEGV);
}

/* ---- forged frames ---------------------------------------------------------------------------- */

static void (*forge)(ucontext_t *uc);

static void on_usr1(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)si;
	forge(context);
}

/* A child that returns through a frame that forge() has been at: its wait status. */
static int forged(void (*fn)(ucontext_t *))
{
	struct sigaction sa = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO};
	int status = -1;
	pid_t pid;

	forge = fn;
	pid = OK(fork());
	if (pid == 0) {
		sigaction(SIGUSR1, &sa, NULL);
		raise(SIGUSR1);
		_exit(0);
	}
	/* Whatever was made of its registers, it may as well run for ever. */
	for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms++) {
		if (ms == 50)
			kill(pid, SIGKILL);
		ut_msleep(1);
	}
	return status;
}

#define REG(uc, r) ((uc)->uc_mcontext.gregs[REG_##r])
#define FP(uc)     ((char *)(uc)->uc_mcontext.fpregs)
/* cs gs fs ss, 16 bits each */
static void set_selector(ucontext_t *uc, int shift, uint64_t sel)
{
	REG(uc, CSGSFS) = (long)(((uint64_t)REG(uc, CSGSFS) & ~(0xffffUL << shift)) | sel << shift);
}

static void f_nothing(ucontext_t *uc)
{
	(void)uc;
}
static void f_cs_kernel(ucontext_t *uc)
{
	set_selector(uc, 0, 0x10);
}
static void f_cs_data(ucontext_t *uc)
{
	set_selector(uc, 0, 0x2b);
}
static void f_cs_null(ucontext_t *uc)
{
	set_selector(uc, 0, 0);
}
static void f_cs_beyond(ucontext_t *uc)
{
	set_selector(uc, 0, 0xfffb);
}
static void f_ss_null(ucontext_t *uc)
{
	set_selector(uc, 48, 0);
}
static void f_ss_code(ucontext_t *uc)
{
	set_selector(uc, 48, 0x33);
}
static void f_ss_not_strict(ucontext_t *uc)
{
	uc->uc_flags &= ~4UL;
	set_selector(uc, 48, 0);
}
static void f_rip_kernel(ucontext_t *uc)
{
	REG(uc, RIP) = (long)0xffffffff81000000;
}
static void f_rip_noncanon(ucontext_t *uc)
{
	REG(uc, RIP) = (long)NONCANON;
}
static void f_rsp_noncanon(ucontext_t *uc)
{
	REG(uc, RSP) = (long)NONCANON;
}
static void f_fp_null(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs = NULL;
}
static void f_fp_kernel(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs = KERNPTR;
}
static void f_fp_unmapped(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs = BADPTR;
}
static void f_fp_xcomp(ucontext_t *uc)
{
	memset(FP(uc) + 520, 0xff, 8);
}
static void f_fp_reserved(ucontext_t *uc)
{
	memset(FP(uc) + 528, 0xff, 48);
}
static void f_fp_features(ucontext_t *uc)
{
	memset(FP(uc) + 512, 0xff, 8);
}
static void f_fp_no_magic(ucontext_t *uc)
{
	memset(FP(uc) + 464, 0, 48);
}
static void f_mxcsr(ucontext_t *uc)
{
	uint32_t reserved = 0xffff0000;

	memcpy(FP(uc) + 24, &reserved, 4);
}
static void f_fp_unaligned(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs = (void *)(FP(uc) + 8);
}
static void f_fp_cut(ucontext_t *uc)
{
	char *p = ut_map_alone(PAGE); /* what follows is a hole */

	memcpy(p + PAGE - 512, FP(uc), 512);
	uc->uc_mcontext.fpregs = (void *)(p + PAGE - 512);
}
static void f_rip_vsyscall(ucontext_t *uc)
{
	REG(uc, RIP) = (long)0xffffffffff600000;
}
static void f_rip_null(ucontext_t *uc)
{
	REG(uc, RIP) = 0;
}
static void f_trap_flag(ucontext_t *uc)
{
	REG(uc, EFL) |= 0x100;
}
static void f_altstack(ucontext_t *uc)
{
	memset(&uc->uc_stack, 0x5a, sizeof(uc->uc_stack));
}
static void f_flags(ucontext_t *uc)
{
	REG(uc, EFL) |= 0x3fb400; /* DF IOPL NT RF VM AC VIF VIP ID */
	REG(uc, EFL) &= ~0x200L;
	REG(uc, EFL) &= ~0x400L;
}

#define EITHER (-1) /* SIGSEGV or nothing */

TEST(sigreturn, "a forged signal frame that is believed, or a harmless one that is not")
{
	static const struct {
		const char *name;
		void (*fn)(ucontext_t *);
		int sig;
	} t[] = {
		{"nothing", f_nothing, 0},
		{"cs of the kernel", f_cs_kernel, SIGSEGV},
		{"cs is data", f_cs_data, SIGSEGV},
		{"cs null", f_cs_null, SIGSEGV},
		{"cs beyond the gdt", f_cs_beyond, SIGSEGV},
		{"ss null", f_ss_null, SIGSEGV},
		{"ss is code", f_ss_code, SIGSEGV},
		{"ss null, not strict", f_ss_not_strict, 0},
		{"rip in the kernel", f_rip_kernel, SIGSEGV},
		{"rip not canonical", f_rip_noncanon, SIGSEGV},
		{"rsp not canonical", f_rsp_noncanon, SIGSEGV},
		{"no fpu state", f_fp_null, 0},
		{"fpu state in the kernel", f_fp_kernel, SIGSEGV},
		{"fpu state nowhere", f_fp_unmapped, SIGSEGV},
		{"xcomp_bv", f_fp_xcomp, SIGSEGV},
		{"reserved header", f_fp_reserved, SIGSEGV},
		{"unknown features", f_fp_features, SIGSEGV},
		{"no magic", f_fp_no_magic, 0},
		{"reserved bits of MXCSR", f_mxcsr, EITHER}, /* TCG's XRSTOR takes them */
		{"fpu state not aligned", f_fp_unaligned, SIGSEGV},
		{"fpu state cut by a hole", f_fp_cut, SIGSEGV},
		{"rip in the page of vsyscalls", f_rip_vsyscall, SIGSEGV},
		{"rip null", f_rip_null, SIGSEGV},
		{"single step", f_trap_flag, SIGTRAP},
		{"altstack", f_altstack, 0},
		{"flags", f_flags, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		int status = forged(t[i].fn);

		if (t[i].sig == EITHER)
			continue;
		if (t[i].sig ? !WIFSIGNALED(status) || WTERMSIG(status) != t[i].sig :
			       !WIFEXITED(status) || WEXITSTATUS(status))
			FAIL("%s: wait status %#x", t[i].name, status);
	}
}

static void bad_rip_seen(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	_exit(REG(uc, RIP) == (long)NONCANON && REG(uc, R15) == 0x15 && !si->si_addr ? 0 : 1);
}

static void f_rip_watched(ucontext_t *uc)
{
	struct sigaction sa = {.sa_sigaction = bad_rip_seen, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &sa, NULL);
	REG(uc, RIP) = (long)NONCANON;
	REG(uc, R15) = 0x15;
}

TEST(sigreturn_rip, "a jump to no canonical address by sigreturn, told as a fault somewhere else")
{
	CHECK_EQ(forged(f_rip_watched), 0);
}

static uint32_t frame_seed;

static void f_random(ucontext_t *uc)
{
	for (int i = 1 + (int)(frame_seed % 4); i-- > 0;) {
		char *p = (frame_seed >> 4) & 1 ? FP(uc) : (char *)uc;
		size_t n = p == (char *)uc ? sizeof(*uc) - 128 : 836;

		frame_seed = frame_seed * 1664525 + 1013904223;
		p[(frame_seed >> 8) % n] ^= (char)(1 << (frame_seed >> 28 & 7));
	}
}

TEST(sigreturn_random, "a signal frame with random bits flipped that harms the kernel")
{
	for (int i = 0; i < 300; i++) {
		frame_seed = ut_rand();
		(void)forged(f_random);
	}
	CHECK_EQ(forged(f_nothing), 0);
}

TEST(sigreturn_bare, "rt_sigreturn where there is no frame")
{
	static const uint64_t sps[] = {0,   8, 0x7ffffffff000, 0x800000000000, 0xffff888000001000,
				       ~0UL};

	for (size_t i = 0; i < sizeof(sps) / sizeof(*sps); i++)
		CHECK_SIGNALED(CHILD({
				       __asm__ __volatile__("movq %1, %%rsp\n\tsyscall"
							    :
							    : "a"((long)SYS_rt_sigreturn),
							      "r"(sps[i])
							    : "memory", "rcx", "r11");
			       }),
			       SIGSEGV);
}

/* ---- more than there is time for --------------------------------------------------------------- */

TEST(timer_storm, "an interval timer so short that nothing else gets done")
{
	struct itimerval it = {{0, 1}, {0, 1}};
	long start = ut_now_ms();
	pid_t pid;

	signal(SIGALRM, SIG_IGN);
	OK(setitimer(ITIMER_REAL, &it, NULL));
	pid = CHILD({
		for (volatile int i = 0; i < 100000; i++)
			;
	});
	CHECK_EXIT(pid, 0);
	for (volatile int i = 0; i < 100000; i++)
		;
	it = (struct itimerval){{0, 0}, {0, 0}};
	OK(setitimer(ITIMER_REAL, &it, NULL));
	CHECK(ut_now_ms() - start < 20000);
}

/* ---- more processes than there may be ----------------------------------------------------------- */

static void bomb(void)
{
	for (int i = 0; i < 200; i++)
		(void)!fork();
}

/* Processes of a user. */
static int count_of(uid_t uid)
{
	DIR *d = opendir("/proc");
	char path[300];
	struct dirent *e;
	struct stat st;
	int n = 0;

	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s", e->d_name);
		n += atoi(e->d_name) > 0 && stat(path, &st) == 0 && st.st_uid == uid;
	}
	closedir(d);
	return n;
}

TEST(fork_bomb, "a fork bomb that makes more processes than RLIMIT_NPROC, or that nobody survives")
{
	pid_t pid = CHILD({
		OK(setrlimit(RLIMIT_NPROC, &(struct rlimit){30, 30}));
		OK(setpgid(0, 0));
		OK(setuid(4711));
		bomb();
		pause();
	});

	for (int i = 0; i < 20 && count_of(4711) < 30; i++)
		ut_msleep(10);
	CHECK_EQ(count_of(4711), 30);
	/* others go on */
	CHECK_EXIT(CHILD({}), 0);
	OK(kill(-pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	for (int i = 0; i < 100 && count_of(4711); i++)
		ut_msleep(10);
	CHECK_EQ(count_of(4711), 0);
}

/* ---- the stack's guard ---------------------------------------------------------------------------- */

static int depth;

static __attribute__((noinline)) int recurse(volatile char *above)
{
	volatile char here[2048];

	here[0] = *above;
	depth++;
	return depth < 1 << 20 ? recurse(here) + here[0] : 0;
}

TEST(stack_overflow, "a stack that grows into what lies below it, or without an end")
{
	pid_t pid = CHILD({
		char c = 0;

		OK(setrlimit(RLIMIT_STACK, &(struct rlimit){256 << 10, 256 << 10}));
		recurse(&c);
	});

	CHECK_SIGNALED(pid, SIGSEGV);
	/* a jump over the guard into a neighbour's memory: there has to be a gap */
	pid = CHILD({
		char *sp = __builtin_frame_address(0);
		char *below_it = (char *)((uintptr_t)sp & ~(PAGE - 1)) - 64 * PAGE;

		OK(mmap(below_it, PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		CHECK_FAULT(ut_write(below_it + PAGE), SIGSEGV, SEGV_MAPERR, below_it + PAGE);
	});
	CHECK_EXIT(pid, 0);
}

TEST(page_zero, "a page at address 0, which a NULL of the kernel's would lead to")
{
	CHECK_FAULT(ut_read((void *)8), SIGSEGV, SEGV_MAPERR, (void *)8);
	pid_t pid = CHILD({
		OK(setuid(4711));
		CHECK_ERRNO(sys_mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			    EPERM);
		CHECK_ERRNO(sys_mmap((void *)0x8000, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			    EPERM);
		/* a hint is moved up */
		CHECK((uintptr_t)sys_mmap((void *)0x1000, PAGE, PROT_READ,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) >= 65536);
	});
	CHECK_EXIT(pid, 0);
}
