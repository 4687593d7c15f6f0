/* SPDX-License-Identifier: MIT */
/*
 * For tests of several threads on several processors. A program is one file, so all is here.
 *
 * Faults: utest.h's ut_read() serves one thread. Here an access is one instruction with a fixup: any
 * number of threads may fault at once, and none pays for a jump buffer.
 *
 *	struct probe r = probe_load(p);		r.fault is 0, and r.value is what was read
 *						or PROBE_FAULT(sig, si_code)
 */
#ifndef SMP_H
#define SMP_H

#include "utest.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

/*
 * Processors: the n-th of those that this program may use.
 */
static cpu_set_t smp_allowed;

static inline int smp_cpus(void)
{
	static int cpus;

	if (!cpus) { /* before anything is pinned */
		OK(sched_getaffinity(getpid(), sizeof(smp_allowed), &smp_allowed));
		cpus = CPU_COUNT(&smp_allowed);
	}
	return cpus;
}

static inline void smp_pin(int n)
{
	cpu_set_t set;
	int cpu = 0;

	for (n %= smp_cpus();; cpu++)
		if (CPU_ISSET(cpu, &smp_allowed) && n-- == 0)
			break;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	OK(syscall(SYS_sched_setaffinity, (int)gettid(), sizeof(set), &set));
}

/*
 * Accesses that may fault.
 */
struct probe {
	unsigned long value, fault;
};
#define PROBE_FAULT(sig, code) ((unsigned long)(sig) << 8 | (unsigned char)(code))

struct probe probe_load(const volatile void *p);
struct probe probe_store(volatile void *p, unsigned long v);
struct probe probe_call(const volatile void *p); /* code that returns a value */
extern const char probe_load_at[], probe_store_at[], probe_called[], probe_fixup[];

__asm__(".text\n"
	"probe_load:\n"
	"probe_load_at:	mov	(%rdi), %rax\n"
	"	xor	%edx, %edx\n"
	"	ret\n"
	"probe_store:\n"
	"probe_store_at: mov	%rsi, (%rdi)\n"
	"	xor	%edx, %edx\n"
	"	ret\n"
	"probe_call:\n"
	"	call	*%rdi\n"
	"probe_called:	xor	%edx, %edx\n"
	"probe_fixup:	ret\n");

static inline void probe_fault(int sig, siginfo_t *si, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t ip = (uintptr_t)regs[REG_RIP];

	if (ip == (uintptr_t)si->si_addr && *(uintptr_t *)regs[REG_RSP] == (uintptr_t)probe_called)
		regs[REG_RSP] += 8; /* probe_call()'s target */
	else if (ip != (uintptr_t)probe_load_at && ip != (uintptr_t)probe_store_at) {
		signal(sig, SIG_DFL);
		return;
	}
	regs[REG_RDX] = (greg_t)PROBE_FAULT(sig, si->si_code);
	regs[REG_RIP] = (greg_t)(uintptr_t)probe_fixup;
}

static inline void probe_start(void)
{
	struct sigaction sa = {.sa_sigaction = probe_fault, .sa_flags = SA_SIGINFO | SA_RESTART};

	smp_cpus();
	OK(sigaction(SIGSEGV, &sa, NULL));
	OK(sigaction(SIGBUS, &sa, NULL));
}

static inline int smp_cpu(void)
{
	unsigned cpu = 0;

	OK(syscall(SYS_getcpu, &cpu, NULL, NULL));
	return (int)cpu;
}

/* In a loop that waits for another thread. */
static inline void smp_relax(void)
{
	if (smp_cpus() > 1)
		__builtin_ia32_pause();
	else
		sched_yield();
}

/* The same where the other may have been put on this processor. */
#define smp_wait_until(cond)                               \
	do {                                               \
		for (unsigned smp_n = 1; !(cond); smp_n++) \
			if (smp_n % 1024)                  \
				smp_relax();               \
			else                               \
				sched_yield();             \
	} while (0)

/* A loop of many rounds, but fewer on a slow machine: most of them, or as many as five seconds have
 * (one processor, where time may be counted in instructions: a tenth), or at least so many. */
static inline int smp_more(int round, int least, int most)
{
	static long end; /* of the process's first loop */

	if (!end)
		end = ut_now_ms() + (smp_cpus() > 1 ? 5000 : 100);
	return round < most && (round < least || ut_now_ms() < end);
}

static inline pthread_t smp_start(void *(*fn)(void *), void *arg)
{
	pthread_t t;
	int err = pthread_create(&t, NULL, fn, arg);

	if (err) {
		FAIL("pthread_create: %s", ut_errname(err));
		ut_abort();
	}
	return t;
}

static inline void *smp_join(pthread_t t)
{
	void *ret = NULL;

	CHECK_EQ(pthread_join(t, &ret), 0);
	return ret;
}

/* A generator of one's own: xorshift. */
static inline unsigned smp_rand(unsigned long *state)
{
	unsigned long x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return (unsigned)(x >> 20);
}

#define smp_get(p)    __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define smp_set(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define smp_add(p, v) __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)

static inline long smp_futex(unsigned *p, int op, unsigned v, unsigned long v2, unsigned *q,
			     unsigned v3)
{
	return syscall(SYS_futex, p, op, v, v2, q, v3);
}

#endif
