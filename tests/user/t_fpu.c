/* SPDX-License-Identifier: MIT */
/*
 * The x87, SSE and AVX state of a process: nobody else's, and kept.
 */
#include "utest.h"

#include <ucontext.h>

static int have_avx(void)
{
	unsigned a = 1, b, c, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	if ((c & (3U << 27)) != (3U << 27)) /* OSXSAVE and AVX */
		return 0;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (a & 6) == 6;
}

static void load_xmm(const uint64_t v[32])
{
	__asm__ volatile(
		"movups 0(%0), %%xmm0; movups 16(%0), %%xmm1; movups 32(%0), %%xmm2\n"
		"movups 48(%0), %%xmm3; movups 64(%0), %%xmm4; movups 80(%0), %%xmm5\n"
		"movups 96(%0), %%xmm6; movups 112(%0), %%xmm7; movups 128(%0), %%xmm8\n"
		"movups 144(%0), %%xmm9; movups 160(%0), %%xmm10; movups 176(%0), %%xmm11\n"
		"movups 192(%0), %%xmm12; movups 208(%0), %%xmm13\n"
		"movups 224(%0), %%xmm14; movups 240(%0), %%xmm15\n"
		:
		: "r"(v)
		: "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
		  "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

#define STORE                                                                        \
	"movups %%xmm0, 0(%1); movups %%xmm1, 16(%1); movups %%xmm2, 32(%1)\n"       \
	"movups %%xmm3, 48(%1); movups %%xmm4, 64(%1); movups %%xmm5, 80(%1)\n"      \
	"movups %%xmm6, 96(%1); movups %%xmm7, 112(%1); movups %%xmm8, 128(%1)\n"    \
	"movups %%xmm9, 144(%1); movups %%xmm10, 160(%1); movups %%xmm11, 176(%1)\n" \
	"movups %%xmm12, 192(%1); movups %%xmm13, 208(%1)\n"                         \
	"movups %%xmm14, 224(%1); movups %%xmm15, 240(%1)\n"
#define LOAD                                                                         \
	"movups 0(%0), %%xmm0; movups 16(%0), %%xmm1; movups 32(%0), %%xmm2\n"       \
	"movups 48(%0), %%xmm3; movups 64(%0), %%xmm4; movups 80(%0), %%xmm5\n"      \
	"movups 96(%0), %%xmm6; movups 112(%0), %%xmm7; movups 128(%0), %%xmm8\n"    \
	"movups 144(%0), %%xmm9; movups 160(%0), %%xmm10; movups 176(%0), %%xmm11\n" \
	"movups 192(%0), %%xmm12; movups 208(%0), %%xmm13\n"                         \
	"movups 224(%0), %%xmm14; movups 240(%0), %%xmm15\n"
#define ALL_XMM                                                                                  \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
		"xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* Load all registers, spin, perhaps make a system call, store them: nothing may have changed. */
static int xmm_survives(uint64_t seed, long spin, long sysno)
{
	uint64_t in[32], out[32], *from = in, *to = out;

	for (int i = 0; i < 32; i++)
		in[i] = seed * 0x9e3779b97f4a7c15ULL + (uint64_t)i * 0x0123456789abcdefULL;
	__asm__ volatile(LOAD "1: dec %2; jnz 1b\n"
			      "test %3, %3; js 2f; syscall; 2:\n" STORE
			 : "+&r"(from), "+&r"(to), "+&r"(spin), "+&a"(sysno)
			 :
			 : "memory", "rcx", "r11", "cc", ALL_XMM);
	return !memcmp(in, out, sizeof(in));
}

TEST(context_switch, "SSE registers mixed between processes")
{
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		pid[i] = CHILD({
			for (int k = 0; k < 300; k++)
				if (!xmm_survives(getpid() + k, 20000,
						  k % 3 ? -1 : SYS_sched_yield)) {
					FAIL("lost in round %d", k);
					break;
				}
		});
	for (int i = 0; i < 4; i++)
		CHECK_EXIT(pid[i], 0);
}

TEST(avx, "the upper halves of the AVX registers lost")
{
	pid_t pid[3];

	if (!have_avx())
		SKIP("this CPU has no AVX");
	for (int i = 0; i < 3; i++)
		pid[i] = CHILD({
			uint64_t in[4] = {1, 2, 3, 0};
			uint64_t out[4];
			in[3] = getpid();
			for (int k = 0; k < 200; k++) {
				__asm__ volatile(
					"vmovups (%0), %%ymm5; vmovups (%0), %%ymm15\n"
					"mov $20000, %%rcx; 1: dec %%rcx; jnz 1b\n"
					"mov $24, %%eax; syscall\n"
					"vxorps %%ymm5, %%ymm15, %%ymm6; vptest %%ymm6, %%ymm6\n"
					"jz 2f; vxorps %%ymm5, %%ymm5, %%ymm5; 2:\n"
					"vmovups %%ymm5, (%1)\n"
					:
					: "r"(in), "r"(out)
					: "rax", "rcx", "r11", "memory", "xmm5", "xmm6", "xmm15");
				if (memcmp(in, out, sizeof(in))) {
					FAIL("lost in round %d", k);
					break;
				}
			}
		});
	for (int i = 0; i < 3; i++)
		CHECK_EXIT(pid[i], 0);
}

static volatile sig_atomic_t hits;

static void clobber(int sig)
{
	uint64_t v[32];

	(void)sig;
	for (int i = 0; i < 32; i++)
		v[i] = 0xdeaddeaddeaddeadULL;
	load_xmm(v);
	__asm__ volatile("fninit; fld1; fldpi");
	hits++;
}

TEST(signal, "registers that a handler has changed not put back")
{
	struct sigaction sa = {.sa_handler = clobber};
	struct itimerval it = {{0, 1000}, {0, 1000}};

	OK(sigaction(SIGALRM, &sa, NULL));
	OK(setitimer(ITIMER_REAL, &it, NULL));
	for (int k = 0; hits < 50; k++)
		if (!xmm_survives(k + 1, 20000, -1)) {
			FAIL("lost after %d signals", hits);
			break;
		}
}

TEST(fork, "the child without its parent's registers")
{
	uint64_t in[32], out[32], *from = in, *to = out;
	long r;

	for (int i = 0; i < 32; i++)
		in[i] = i * 0x1111111111111111ULL;
	__asm__ volatile(LOAD "syscall\n" STORE
			 : "+r"(from), "+r"(to), "=a"(r)
			 : "a"((long)SYS_fork)
			 : "memory", "rcx", "r11", ALL_XMM);
	REQUIRE(r >= 0);
	CHECK(!memcmp(in, out, sizeof(in)));
	if (r == 0)
		ut_child_exit();
	CHECK_EXIT(r, 0);
}

TEST(control_words, "MXCSR and the x87 control word lost at a switch")
{
	unsigned mx = 0x7f80, got = 0;
	unsigned short cw = 0x0f7f, gotcw = 0;

	__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mx), "m"(cw));
	pid_t pid = CHILD({
		unsigned v = 0;
		__asm__ volatile("stmxcsr %0" : "=m"(v));
		CHECK_EQ(v, 0x7f80);
		v = 0x1f80;
		__asm__ volatile("ldmxcsr %0" : : "m"(v));
	});
	CHECK_EXIT(pid, 0);
	ut_msleep(5);
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(got), "=m"(gotcw));
	CHECK_EQ(got, 0x7f80);
	CHECK_EQ(gotcw, 0x0f7f);
	mx = 0x1f80;
	cw = 0x37f;
	__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mx), "m"(cw));
}

static volatile uint32_t magic1, magic2, xsize, xfsize;
static volatile uint64_t xfeatures, fpaddr;

static void look_at_frame(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	unsigned char *fp = (unsigned char *)uc->uc_mcontext.fpregs;

	(void)sig, (void)si;
	hits++;
	fpaddr = (uintptr_t)fp;
	if (!fp)
		return;
	/* struct _fpx_sw_bytes at byte 464 of the FXSAVE area */
	memcpy((void *)&magic1, fp + 464, 4);
	memcpy((void *)&xsize, fp + 468, 4);
	memcpy((void *)&xfeatures, fp + 472, 8);
	memcpy((void *)&xfsize, fp + 480, 4);
	if (magic1 == 0x46505853)
		memcpy((void *)&magic2, fp + xfsize, 4);
	/* a change of xmm3 in the frame is the program's xmm3 after the return */
	memset(fp + 160 + 3 * 16, 0x77, 16);
	if (magic1 == 0x46505853)
		fp[512] |= 2; /* XSTATE_BV: SSE is in use */
}

TEST(signal_frame, "a frame without the xstate magic, or whose changes are not taken")
{
	struct sigaction sa = {.sa_sigaction = look_at_frame, .sa_flags = SA_SIGINFO};
	uint64_t out[2] = {0};
	long ret = 0;

	OK(sigaction(SIGUSR1, &sa, NULL));
	__asm__ volatile("pxor %%xmm3, %%xmm3; syscall; movups %%xmm3, (%2)"
			 : "=a"(ret)
			 : "a"((long)SYS_kill), "r"(out), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "memory", "xmm3");
	CHECK_EQ(hits, 1);
	CHECK(fpaddr != 0);
	CHECK_EQ(fpaddr % 64, 0);
	CHECK_EQ(out[0], 0x7777777777777777);
	CHECK_EQ(out[1], 0x7777777777777777);
	unsigned a = 1, b, c, d;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	if (!(c & (1U << 27)))
		return; /* no XSAVE: the frame is plain FXSAVE */
	CHECK_EQ(magic1, 0x46505853);
	CHECK_EQ(magic2, 0x46505845);
	CHECK_EQ(xfeatures & 3, 3);
	CHECK_EQ(xsize, xfsize + 4);
}

static void spoil_frame(int sig, siginfo_t *si, void *ctx)
{
	unsigned char *fp = (unsigned char *)((ucontext_t *)ctx)->uc_mcontext.fpregs;

	(void)sig, (void)si;
	if (hits == 0)
		memset(fp + 512, 0xff, 64); /* the xsave header: all reserved bits */
	else if (hits == 1)
		memset(fp + 24, 0xff, 8); /* MXCSR and its mask */
	else if (hits == 2)
		memset(fp + 464, 0xff, 48); /* sizes and magic */
	else
		memset(fp, 0xff, 512);
}

TEST(spoiled_frame, "a signal frame with rubbish for a floating-point state that the kernel loads")
{
	struct sigaction sa = {.sa_sigaction = spoil_frame, .sa_flags = SA_SIGINFO};

	OK(sigaction(SIGUSR1, &sa, NULL));
	for (int i = 0; i < 4; i++) {
		int st;
		pid_t pid = CHILD({
			hits = i;
			raise(SIGUSR1);
		});
		OK(waitpid(pid, &st, 0));
		CHECK(st == 0 || (WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV));
	}
	CHECK(xmm_survives(5, 1000, SYS_getppid));
}

TEST(x87, "long double arithmetic across switches")
{
	pid_t pid[2];

	for (int i = 0; i < 2; i++)
		pid[i] = CHILD({
			volatile long double sum = 0;
			for (int k = 1; k < 200000; k++) {
				sum += 1.0L / ((long double)k * k);
				if (k % 20000 == 0)
					syscall(SYS_sched_yield);
			}
			CHECK(sum > 1.6449290L && sum < 1.6449291L);
		});
	for (int i = 0; i < 2; i++)
		CHECK_EXIT(pid[i], 0);
}

TEST(divide, "an unmasked SSE exception: SIGFPE with its code")
{
	pid_t pid = CHILD({
		unsigned mx = 0x1f80 & ~0x200U; /* unmask divide by zero */
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		__asm__ volatile("ldmxcsr %0; pxor %%xmm1, %%xmm1; mov $1, %%eax\n"
				 "cvtsi2sd %%eax, %%xmm0; divsd %%xmm1, %%xmm0"
				 :
				 : "m"(mx)
				 : "eax", "xmm0", "xmm1");
	});
	int st;
	OK(waitpid(pid, &st, 0));
	if (st == 0)
		SKIP("this machine does not trap (TCG)");
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGFPE);
}
