/* SPDX-License-Identifier: MIT */
/*
 * rseq: registration, the CPU's number, and sequences that a signal or another process interrupts.
 * membarrier: which commands there are, and in which order they are allowed.
 */
#include "utest.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <ucontext.h>

#define SIG       0x53053053u
#define OTHER_SIG 0x12345678u

struct rseq_area {
	uint32_t cpu_id_start, cpu_id;
	uint64_t rseq_cs;
	uint32_t flags, pad[3];
} __attribute__((aligned(32)));

static struct rseq_area area = {.cpu_id = -1};

static long sys_rseq(void *p, unsigned len, int flags, unsigned sig)
{
	return syscall(SYS_rseq, p, len, flags, sig);
}

static void registered(void)
{
	long r = sys_rseq(&area, sizeof(area), 0, SIG);

	if (r < 0 && errno == ENOSYS)
		ut_skip("ENOSYS: rseq");
	OK(r);
}

/* Counts down from n (0: for ever) in a restartable sequence: false if it was aborted. *ips: where it begins
 * and where it is aborted to. The table's fields that are not zero are added to what is right. */
static bool count_down(unsigned long n, unsigned long ips[2], unsigned long bad_table)
{
	unsigned long done, start, abort_to;

	asm volatile("	.pushsection .data.rseq_cs, \"aw\"\n"
		     "	.balign 32\n"
		     "3:	.long 0, 0\n"
		     "	.quad 1f, 2f - 1f, 4f\n"
		     "	.popsection\n"
		     "	lea 3b(%%rip), %[done]\n"
		     "	add %[bad], %[done]\n"
		     "	lea 1f(%%rip), %[start]\n"
		     "	lea 4f(%%rip), %[abort]\n"
		     "	mov %[start], (%[ips])\n"
		     "	mov %[abort], 8(%[ips])\n"
		     "	mov %[done], %[cs]\n"
		     "1:	dec %[n]\n"
		     "	jnz 1b\n"
		     "2:	mov $1, %[done]\n"
		     "	jmp 5f\n"
		     "	.byte 0x0f, 0xb9, 0x3d\n" /* ud1: the signature is its operand */
		     "	.long 0x53053053\n"
		     "4:	xor %[done], %[done]\n"
		     "5:\n"
		     : [done] "=&r"(done), [start] "=&r"(start), [abort] "=&r"(abort_to),
		       [n] "+r"(n), [cs] "=m"(area.rseq_cs)
		     : [ips] "r"(ips), [bad] "r"(bad_table)
		     : "memory", "cc");
	return done;
}

static int pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

TEST(registration, "two registrations, a wrong length or signature, one that cannot be ended")
{
	OK(pin(0));
	registered();
	CHECK_EQ(area.cpu_id, 0);
	CHECK_EQ(area.cpu_id_start, 0);
	CHECK_ERRNO(sys_rseq(&area, sizeof(area), 0, SIG), EBUSY);
	CHECK_ERRNO(sys_rseq(&area, sizeof(area), 0, OTHER_SIG), EPERM);
	CHECK_ERRNO(sys_rseq(&area, 64, 0, SIG), EINVAL);
	CHECK_ERRNO(sys_rseq(&area + 1, sizeof(area), 0, SIG), EINVAL);
	CHECK_ERRNO(sys_rseq(&area, sizeof(area), 2, SIG), EINVAL);
	CHECK_ERRNO(sys_rseq(&area, sizeof(area), 1, OTHER_SIG), EPERM);
	CHECK_ERRNO(sys_rseq(&area + 1, sizeof(area), 1, SIG), EINVAL);
	CHECK_ERRNO(sys_rseq(&area, 31, 1, SIG), EINVAL);
	OK(sys_rseq(&area, sizeof(area), 1, SIG));
	CHECK_EQ((int)area.cpu_id, -1);
	CHECK_ERRNO(sys_rseq(&area, sizeof(area), 1, SIG), EINVAL);
	CHECK_ERRNO(sys_rseq((char *)&area + 8, sizeof(area), 0, SIG), EINVAL);
	CHECK_ERRNO(sys_rseq(KERNPTR, sizeof(area), 0, SIG), EFAULT);
	registered();
}

TEST(undisturbed, "a sequence aborted though nothing happened")
{
	unsigned long ips[2];

	registered();
	for (int i = 0; i < 100; i++)
		if (count_down(10, ips, 0))
			return;
	FAIL("100 times 10 instructions, and not once through");
}

static volatile unsigned long handler_rip;

static void note_rip(int sig, siginfo_t *info, void *uc)
{
	(void)sig, (void)info;
	handler_rip = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
}

TEST(aborted_by_signal, "a sequence that goes on after a signal handler")
{
	struct sigaction sa = {.sa_sigaction = note_rip, .sa_flags = SA_SIGINFO};
	struct itimerval soon = {.it_value.tv_usec = 20000};
	unsigned long ips[2];

	registered();
	OK(sigaction(SIGALRM, &sa, NULL));
	OK(setitimer(ITIMER_REAL, &soon, NULL));
	/* Another process may abort it first: then again, until the handler has run. */
	while (!handler_rip)
		CHECK(!count_down(0, ips, 0));
	CHECK(handler_rip < ips[0] || handler_rip >= ips[1] - 7);
	CHECK_EQ(area.rseq_cs, 0);
}

TEST(aborted_by_preemption, "a sequence that goes on after another process had the CPU")
{
	unsigned long ips[2];

	registered();
	OK(pin(0));
	pid_t pid = CHILD({
		for (;;)
			;
	});
	CHECK(!count_down(1UL << 36, ips, 0));
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(migration, "the number of a processor that the thread has left")
{
	registered();
	for (int i = 0; i < 100; i++) {
		if (pin(i % 3))
			continue;
		REQUIRE(area.cpu_id == (uint32_t)i % 3);
		REQUIRE(area.cpu_id_start == (uint32_t)i % 3);
		REQUIRE(sched_getcpu() == i % 3);
	}
}

static volatile int aborts, over;

static void *in_a_sequence(void *arg)
{
	unsigned long ips[2];

	OK(pin(1));
	registered();
	while (!over)
		aborts += !count_down(1UL << 24, ips, 0);
	OK(sys_rseq(&area, sizeof(area), 1, SIG));
	return arg;
}

TEST(aborted_by_barrier, "a sequence on another processor that goes on after membarrier")
{
	pthread_t t;

	if (pin(1))
		SKIP("one processor");
	OK(pin(0));
	NEEDS(syscall(SYS_membarrier, 256, 0, 0));
	CHECK_EQ(pthread_create(&t, NULL, in_a_sequence, NULL), 0);
	while (!aborts) /* by the first of them */
		OK(syscall(SYS_membarrier, 128, 0, 0));
	for (int i = 0; i < 20; i++) {
		int before = aborts;

		ut_msleep(1);
		OK(syscall(SYS_membarrier, 128, i % 2, 1));
		for (int k = 0; k < 1000 && aborts == before; k++)
			sched_yield();
	}
	CHECK(aborts >= 10);
	over = 1;
	pthread_join(t, NULL);
}

TEST(outside, "an abort of what is no longer in its sequence")
{
	unsigned long ips[2];

	registered();
	while (!count_down(10, ips, 0)) /* leaves rseq_cs set */
		;
	/* The first switch to another thread has it looked at and taken away; on a busy host a short
	 * sleep may be over before it begins. */
	for (int i = 0; i < 1000 && area.rseq_cs; i++)
		ut_msleep(1);
	CHECK_EQ(area.rseq_cs, 0);
}

TEST(bad_sequences, "a jump to where no signature is, or a pointer into the kernel followed")
{
	struct itimerval soon = {.it_value.tv_usec = 20000};
	struct sigaction sa = {.sa_sigaction = note_rip, .sa_flags = SA_SIGINFO};
	unsigned long ips[2];

	registered();
	/* Where nothing else wants the processor, a signal has the sequence looked at. */
	OK(sigaction(SIGALRM, &sa, NULL));
	CHECK_SIGNALED(CHILD({ /* beside the table */
			       OK(setitimer(ITIMER_REAL, &soon, NULL));
			       count_down(0, ips, 4);
		       }),
		       SIGSEGV);
	CHECK_SIGNALED(CHILD({
			       area.rseq_cs = (uint64_t)KERNPTR;
			       for (;;)
				       ut_msleep(1);
		       }),
		       SIGSEGV);
	CHECK_SIGNALED(CHILD({
			       OK(sys_rseq(&area, sizeof(area), 1, SIG));
			       OK(sys_rseq(&area, sizeof(area), 0, OTHER_SIG));
			       OK(setitimer(ITIMER_REAL, &soon, NULL));
			       count_down(0, ips, 0);
		       }),
		       SIGSEGV);
	CHECK_SIGNALED(CHILD({ /* the registered area itself is gone */
			       struct rseq_area *a = ut_map(PAGE);
			       OK(sys_rseq(&area, sizeof(area), 1, SIG));
			       OK(sys_rseq(a, sizeof(*a), 0, SIG));
			       OK(munmap(a, PAGE));
			       for (;;)
				       ut_msleep(1);
		       }),
		       SIGSEGV);
}

TEST(inherited, "a registration lost by fork or kept by exec")
{
	registered();
	CHECK_EXIT(CHILD({ CHECK_ERRNO(sys_rseq(&area, sizeof(area), 0, SIG), EBUSY); }), 0);
	CHECK_EXIT(CHILD({ execl("/bin/true", "true", NULL); }), 0);
}

TEST(membarrier, "a barrier without its registration, or a command that is not there")
{
	long all = syscall(SYS_membarrier, 0, 0, 0);

	if (all < 0 && errno == ENOSYS)
		SKIP_LINUX("ENOSYS: membarrier");
	for (int bit = 8; bit <= 128; bit <<= 2) {
		if (!(all & bit))
			continue;
		CHECK_ERRNO(syscall(SYS_membarrier, bit, 0, 0), EPERM);
		OK(syscall(SYS_membarrier, bit << 1, 0, 0));
		OK(syscall(SYS_membarrier, bit, 0, 0));
		CHECK_EXIT(CHILD({ OK(syscall(SYS_membarrier, bit, 0, 0)); }), 0);
	}
	OK(syscall(SYS_membarrier, 1, 0, 0));
	OK(syscall(SYS_membarrier, 4, 0, 0));
	OK(syscall(SYS_membarrier, 2, 0, 0));
	CHECK_EQ(all & 0x1ff, 0x1ff);
	CHECK_ERRNO(syscall(SYS_membarrier, 0, 1, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_membarrier, 1, 1, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_membarrier, 3, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_membarrier, -1, 0, 0), EINVAL);
}
