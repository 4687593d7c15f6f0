/* SPDX-License-Identifier: MIT */
/*
 * Signals: masks, queues, handlers and their frames, default actions, waiting.
 */
#include "utest.h"

#include <ucontext.h>

static volatile sig_atomic_t count, last, order[16];
static volatile int code, value, uid;
static volatile pid_t from;

static void on(int sig)
{
	if (count < 16)
		order[count] = sig;
	count++;
	last = sig;
}

static void on_info(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	on(sig);
	code = si->si_code;
	value = si->si_value.sival_int;
	from = si->si_pid;
	uid = si->si_uid;
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

	OK(sigaction(sig, &sa, NULL));
}

static void handle_info(int sig, int flags)
{
	struct sigaction sa = {.sa_sigaction = on_info, .sa_flags = flags | SA_SIGINFO};

	OK(sigaction(sig, &sa, NULL));
}

static sigset_t set_of(int a, int b)
{
	sigset_t s;

	sigemptyset(&s);
	if (a)
		sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return s;
}

static void block(int a, int b)
{
	sigset_t s = set_of(a, b);

	OK(sigprocmask(SIG_BLOCK, &s, NULL));
}

static void unblock(int a, int b)
{
	sigset_t s = set_of(a, b);

	OK(sigprocmask(SIG_UNBLOCK, &s, NULL));
}

static int is_pending(int sig)
{
	sigset_t s;

	OK(sigpending(&s));
	return sigismember(&s, sig);
}

/* A child that sends us the signal after ms; it has to be reaped. */
static pid_t later(int sig, int ms)
{
	pid_t me = getpid();

	return CHILD({
		ut_msleep(ms);
		OK(kill(me, sig));
	});
}

TEST(delivery, "a signal to oneself that comes after kill has returned")
{
	handle_info(SIGUSR1, 0);
	OK(kill(getpid(), SIGUSR1));
	CHECK_EQ(count, 1);
	CHECK_EQ(code, SI_USER);
	CHECK_EQ(from, getpid());
	CHECK_EQ(uid, getuid());
	OK(raise(SIGUSR1));
	CHECK_EQ(count, 2);
	CHECK_EQ(code, SI_TKILL);
}

TEST(blocked, "a blocked signal delivered, lost, or delivered twice")
{
	handle(SIGUSR1, on, 0);
	block(SIGUSR1, 0);
	OK(raise(SIGUSR1));
	OK(raise(SIGUSR1));
	CHECK_EQ(count, 0);
	CHECK(is_pending(SIGUSR1));
	unblock(SIGUSR1, 0);
	CHECK_EQ(count, 1); /* one bit: they do not queue */
	CHECK(!is_pending(SIGUSR1));
}

TEST(realtime_queue, "real-time signals merged or out of order")
{
	handle_info(40, 0);
	block(40, 0);
	for (int i = 0; i < 5; i++)
		OK(sigqueue(getpid(), 40, (union sigval){.sival_int = 100 + i}));
	CHECK_EQ(count, 0);
	sigset_t s = set_of(40, 0);
	struct timespec zero = {0};
	siginfo_t si;
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(sigtimedwait(&s, &si, &zero), 40);
		CHECK_EQ(si.si_value.sival_int, 100 + i);
		CHECK_EQ(si.si_code, SI_QUEUE);
		CHECK_EQ(si.si_pid, getpid());
	}
	unblock(40, 0);
	CHECK_EQ(count, 2);
	CHECK_EQ(value, 104);
}

TEST(lowest_first, "pending signals not taken lowest number first")
{
	static const int sigs[] = {SIGTERM, SIGHUP, 50, SIGUSR2, 35, SIGUSR1};
	sigset_t all;
	siginfo_t si;

	sigfillset(&all);
	OK(sigprocmask(SIG_BLOCK, &all, NULL));
	for (int i = 0; i < 6; i++)
		OK(raise(sigs[i]));
	int prev = 0;
	for (int i = 0; i < 6; i++) {
		int sig = sigtimedwait(&all, &si, &(struct timespec){0});
		CHECK(sig > prev);
		prev = sig;
	}
	CHECK_ERRNO(sigtimedwait(&all, &si, &(struct timespec){0}), EAGAIN);
}

TEST(mask_calls, "sigprocmask: wrong set logic, bad how, SIGKILL and SIGSTOP blocked")
{
	sigset_t s, old;

	sigemptyset(&s);
	OK(sigprocmask(SIG_SETMASK, &s, NULL));
	block(SIGUSR1, SIGUSR2);
	unblock(SIGUSR2, 0);
	OK(sigprocmask(SIG_BLOCK, NULL, &old));
	CHECK(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, 17, &s, NULL, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &s, NULL, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, BADPTR, NULL, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, BADPTR, 8), EFAULT);
	uint64_t all = ~0ULL, now = 0;
	OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8));
	OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, 8));
	CHECK_EQ(now, ~0ULL & ~(1UL << (SIGKILL - 1)) & ~(1UL << (SIGSTOP - 1)));
}

TEST(action_calls, "sigaction: old action wrong, SIGKILL caught, bad numbers")
{
	struct sigaction sa = {.sa_handler = on, .sa_flags = SA_RESTART}, old;

	sa.sa_mask = set_of(SIGUSR2, 0);
	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sigaction(SIGUSR1, NULL, &old));
	CHECK(old.sa_handler == on);
	CHECK(old.sa_flags & SA_RESTART);
	CHECK(sigismember(&old.sa_mask, SIGUSR2));
	CHECK_ERRNO(sigaction(SIGKILL, &sa, NULL), EINVAL);
	CHECK_ERRNO(sigaction(SIGSTOP, &sa, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 16), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, BADPTR, NULL, 8), EFAULT);
	OK(sigaction(SIGKILL, NULL, &old));
	CHECK(old.sa_handler == SIG_DFL);
}

static volatile int nested, deepest;

static void nest(int sig)
{
	nested++;
	if (nested > deepest)
		deepest = nested;
	if (count++ < 2)
		raise(sig);
	nested--;
}

TEST(no_defer, "a handler entered again for its own signal, or not with SA_NODEFER")
{
	handle(SIGUSR1, nest, 0);
	OK(raise(SIGUSR1));
	CHECK_EQ(deepest, 1);
	CHECK_EQ(count, 3);
	deepest = count = 0;
	handle(SIGUSR1, nest, SA_NODEFER);
	OK(raise(SIGUSR1));
	CHECK_EQ(deepest, 3);
}

static void check_mask(int sig)
{
	sigset_t now;

	(void)sig;
	sigprocmask(SIG_BLOCK, NULL, &now);
	value = sigismember(&now, SIGUSR1) + 2 * sigismember(&now, SIGUSR2) +
		4 * sigismember(&now, SIGTERM);
	sigaddset(&now, SIGHUP);
	sigprocmask(SIG_SETMASK, &now, NULL); /* undone by the return */
}

TEST(handler_mask, "sa_mask not in force in the handler, or in force after it")
{
	struct sigaction sa = {.sa_handler = check_mask};
	sigset_t now;

	sa.sa_mask = set_of(SIGUSR2, 0);
	OK(sigaction(SIGUSR1, &sa, NULL));
	block(SIGTERM, 0);
	OK(raise(SIGUSR1));
	CHECK_EQ(value, 7);
	OK(sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2) &&
	      !sigismember(&now, SIGHUP) && sigismember(&now, SIGTERM));
}

TEST(resethand, "SA_RESETHAND that keeps the handler")
{
	struct sigaction old;

	handle(SIGUSR1, on, SA_RESETHAND);
	OK(raise(SIGUSR1));
	CHECK_EQ(count, 1);
	OK(sigaction(SIGUSR1, NULL, &old));
	CHECK(old.sa_handler == SIG_DFL);
}

TEST(restart, "read not resumed after SA_RESTART, or resumed without it")
{
	int fds[2];
	char c;

	OK(pipe(fds));
	handle(SIGUSR1, on, 0);
	pid_t pid = later(SIGUSR1, 60);
	CHECK_ERRNO(read(fds[0], &c, 1), EINTR);
	CHECK_EXIT(pid, 0);
	handle(SIGUSR1, on, SA_RESTART);
	pid_t me = getpid();
	pid = CHILD({
		ut_msleep(60);
		OK(kill(me, SIGUSR1));
		ut_msleep(60);
		OK(write(fds[1], "x", 1));
	});
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(count, 2);
	CHECK_EXIT(pid, 0);
}

TEST(restart_never, "calls that a handler interrupts whatever SA_RESTART says")
{
	struct pollfd pfd = {.fd = -1};

	handle(SIGUSR1, on, SA_RESTART);
	pid_t pid = later(SIGUSR1, 50);
	CHECK_ERRNO(pause(), EINTR);
	CHECK_EXIT(pid, 0);
	pid = later(SIGUSR1, 50);
	CHECK_ERRNO(poll(&pfd, 1, 5000), EINTR);
	CHECK_EXIT(pid, 0);
	pid = later(SIGUSR1, 50);
	CHECK_ERRNO(nanosleep(&(struct timespec){5, 0}, NULL), EINTR);
	CHECK_EXIT(pid, 0);
	pid = later(SIGUSR1, 50);
	sigset_t none;
	sigemptyset(&none);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_EXIT(pid, 0);
	pid = later(SIGUSR1, 50);
	sigset_t s = set_of(SIGUSR2, 0);
	/* the bare call: musl's tries again */
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &s, NULL, &(struct timespec){5, 0}, 8), EINTR);
	CHECK_EXIT(pid, 0);
}

TEST(ignored_does_not_interrupt,
     "a call ended by a signal that is ignored or only stops and goes on")
{
	signal(SIGUSR1, SIG_IGN);
	pid_t pid = later(SIGUSR1, 30);
	long start = ut_now_ms();
	OK(nanosleep(&(struct timespec){0, 150000000}, NULL));
	CHECK(ut_now_ms() - start >= 149);
	CHECK_EXIT(pid, 0);
	pid = later(SIGCHLD, 30); /* ignored by default */
	int fds[2];
	OK(pipe(fds));
	struct pollfd pfd = {.fd = fds[0], .events = POLLIN};
	CHECK_EQ(poll(&pfd, 1, 150), 0);
	CHECK_EXIT(pid, 0);
}

TEST(suspend, "sigsuspend that misses a signal pending already, or leaves its mask behind")
{
	sigset_t none, now;

	handle(SIGUSR1, on, 0);
	block(SIGUSR1, SIGUSR2);
	OK(raise(SIGUSR1));
	none = set_of(SIGUSR2, 0);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_EQ(count, 1);
	OK(sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGUSR2));
}

TEST(timedwait, "sigtimedwait: no timeout, wrong signal, no siginfo")
{
	sigset_t s = set_of(SIGUSR1, SIGUSR2);
	siginfo_t si;

	OK(sigprocmask(SIG_BLOCK, &s, NULL));
	long start = ut_now_ms();
	CHECK_ERRNO(sigtimedwait(&s, &si, &(struct timespec){0, 50000000}), EAGAIN);
	CHECK(ut_now_ms() - start >= 50);
	pid_t pid = later(SIGUSR2, 30);
	CHECK_EQ(sigwaitinfo(&s, &si), SIGUSR2);
	CHECK_EQ(si.si_signo, SIGUSR2);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_code, SI_USER);
	CHECK_EXIT(pid, 0);
	CHECK_ERRNO(sigtimedwait(&s, &si, &(struct timespec){0, -1}), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigtimedwait, &s, &si, NULL, 4), EINVAL);
}

/* 0: dies, 1: is ignored, 2: stops */
static void check_default(int sig, int what)
{
	int st;
	pid_t pid = CHILD({
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		for (;;)
			pause();
	});
	ut_wait_state(pid, 'S');
	OK(kill(pid, sig));
	if (what == 0) {
		CHECK_SIGNALED(pid, sig);
		return;
	}
	if (what == 2) {
		OK(waitpid(pid, &st, WUNTRACED));
		CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == sig);
	} else {
		ut_msleep(5);
		CHECK_EQ(waitpid(pid, &st, WNOHANG | WUNTRACED), 0);
	}
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(defaults, "a default action that is not the documented one, for each signal")
{
	static const int ignored[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH};
	static const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

	for (int sig = 1; sig <= 64; sig++) {
		int what = 0;

		if (sig == 32 || sig == 33 || sig == 34)
			continue; /* the C library's own */
		for (int i = 0; i < 4; i++)
			what = sig == ignored[i] ? 1 : sig == stops[i] ? 2 : what;
		check_default(sig, what);
	}
}

TEST(altstack, "a handler not on the alternate stack; the stack's own rules")
{
	static char alt[32768];
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)}, old;

	OK(sigaltstack(NULL, &old));
	CHECK(old.ss_flags & SS_DISABLE);
	CHECK_ERRNO(sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = 100}, NULL), ENOMEM);
	CHECK_ERRNO(syscall(SYS_sigaltstack,
			    &(stack_t){.ss_sp = alt, .ss_size = 8192, .ss_flags = 99}, NULL),
		    EINVAL);
	OK(sigaltstack(&ss, NULL));
	OK(sigaltstack(NULL, &old));
	CHECK(old.ss_sp == alt && old.ss_size == sizeof(alt) && old.ss_flags == 0);
	OK(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
	OK(sigaltstack(NULL, &old));
	CHECK(old.ss_flags & SS_DISABLE);
}

static char alt2[32768];
static volatile int on_stack_flag, change_errno;
static volatile uintptr_t sp_seen;

static void on_altstack(int sig)
{
	stack_t ss;

	(void)sig;
	sp_seen = (uintptr_t)__builtin_frame_address(0);
	sigaltstack(NULL, &ss);
	on_stack_flag = ss.ss_flags;
	change_errno = sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL) < 0 ? errno : 0;
	if (count++ == 0)
		raise(SIGUSR2); /* nested on the same stack */
}

TEST(altstack_use, "SS_ONSTACK not told, the stack changed in use, a nested handler at its top")
{
	OK(sigaltstack(&(stack_t){.ss_sp = alt2, .ss_size = sizeof(alt2)}, NULL));
	handle(SIGUSR1, on_altstack, SA_ONSTACK);
	handle(SIGUSR2, on_altstack, SA_ONSTACK);
	OK(raise(SIGUSR1));
	CHECK_EQ(count, 2);
	CHECK(sp_seen > (uintptr_t)alt2 && sp_seen < (uintptr_t)alt2 + sizeof(alt2));
	CHECK_EQ(on_stack_flag, SS_ONSTACK);
	CHECK_EQ(change_errno, EPERM);
	handle(SIGUSR1, on_altstack, 0);
	OK(raise(SIGUSR1));
	CHECK(!(sp_seen > (uintptr_t)alt2 && sp_seen < (uintptr_t)alt2 + sizeof(alt2)));
}

static volatile long frame_align, frame_mask;

static void on_frame(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig, (void)si;
	/* at function entry rsp + 8 is a multiple of 16: the frame address is rsp after push */
	frame_align = (uintptr_t)__builtin_frame_address(0) % 16;
	frame_mask = sigismember(&uc->uc_sigmask, SIGTERM);
	uc->uc_mcontext.gregs[REG_R12] = 0x12121212;
	sigaddset(&uc->uc_sigmask, SIGHUP); /* becomes the mask after the return */
	count++;
}

TEST(frame, "the frame: alignment, saved mask, and registers that are restored from it")
{
	struct sigaction sa = {.sa_sigaction = on_frame, .sa_flags = SA_SIGINFO};
	sigset_t now;
	long r12 = 0;

	block(SIGTERM, 0);
	OK(sigaction(SIGUSR1, &sa, NULL));
	__asm__ volatile("mov $5, %%r12; syscall; mov %%r12, %0"
			 : "=m"(r12)
			 : "a"((long)SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "r12", "memory");
	CHECK_EQ(count, 1);
	CHECK_EQ(r12, 0x12121212);
	CHECK_EQ(frame_align, 0);
	CHECK_EQ(frame_mask, 1);
	OK(sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(sigismember(&now, SIGHUP));
}

TEST(registers_kept, "a register or flag that an asynchronous handler clobbers")
{
	struct itimerval it = {{0, 1000}, {0, 1000}};
	unsigned long bad = 0;

	handle(SIGALRM, on, SA_RESTART);
	OK(setitimer(ITIMER_REAL, &it, NULL));
	while (count < 100 && !bad)
		__asm__ volatile("mov $1000, %%rcx\n"
				 "mov $0x1111111111111111, %%rax; mov %%rax, %%rbx\n"
				 "lea 1(%%rax), %%rdx; lea 2(%%rax), %%rsi; lea 3(%%rax), %%rdi\n"
				 "lea 4(%%rax), %%r8; lea 5(%%rax), %%r9; lea 6(%%rax), %%r10\n"
				 "lea 7(%%rax), %%r11; lea 8(%%rax), %%r12; lea 9(%%rax), %%r13\n"
				 "lea 10(%%rax), %%r14; lea 11(%%rax), %%r15\n"
				 "1: cmp %%rax, %%rbx; jne 2f\n"
				 "dec %%rcx; jnz 1b\n"
				 "sub %%rax, %%rdx; sub %%rax, %%rsi; sub %%rax, %%rdi\n"
				 "sub %%rax, %%r8; sub %%rax, %%r9; sub %%rax, %%r10\n"
				 "sub %%rax, %%r11; sub %%rax, %%r12; sub %%rax, %%r13\n"
				 "sub %%rax, %%r14; sub %%rax, %%r15\n"
				 "add %%rdx, %%rsi; add %%rsi, %%rdi; add %%rdi, %%r8\n"
				 "add %%r8, %%r9; add %%r9, %%r10; add %%r10, %%r11\n"
				 "add %%r11, %%r12; add %%r12, %%r13; add %%r13, %%r14\n"
				 "add %%r14, %%r15; cmp $66, %%r15; je 3f\n"
				 "2: movq $1, %0\n"
				 "3:\n"
				 : "+m"(bad)
				 :
				 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
				   "r11", "r12", "r13", "r14", "r15", "cc");
	CHECK_EQ(bad, 0);
	CHECK(count >= 100);
}

static volatile uintptr_t bad_field;

static void on_evil(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig, (void)si;
	switch (bad_field) {
	case 1:
		uc->uc_mcontext.gregs[REG_RIP] = 0xffffffff81000000;
		break;
	case 2:
		uc->uc_mcontext.gregs[REG_RIP] = 0x0000800000000000;
		break;
	case 3:
		uc->uc_mcontext.gregs[REG_CSGSFS] = 0x10; /* the kernel's code segment */
		break;
	case 4:
		uc->uc_mcontext.gregs[REG_RSP] = 0xffff888000000000;
		break;
	case 5:
		uc->uc_mcontext.fpregs = KERNPTR;
		break;
	case 6:
		uc->uc_mcontext.fpregs = NONCANON;
		break;
	case 7:
		uc->uc_mcontext.gregs[REG_EFL] |= 0x3200; /* IOPL 3, interrupts as they like */
		break;
	case 8:
		((uint32_t *)uc->uc_mcontext.fpregs)[6] = 0xffffffff; /* reserved MXCSR bits */
		break;
	}
}

TEST(evil_return, "a sigreturn frame that takes the kernel's rights or crashes it")
{
	struct sigaction sa = {.sa_sigaction = on_evil, .sa_flags = SA_SIGINFO};

	OK(sigaction(SIGUSR1, &sa, NULL));
	for (int i = 1; i <= 6; i++) {
		pid_t pid = CHILD({
			bad_field = i;
			raise(SIGUSR1);
			*(volatile char *)NULL = 0; /* case 4 may live until it uses its stack */
		});
		CHECK_SIGNALED(pid, SIGSEGV);
	}
	pid_t pid = CHILD({
		bad_field = 7;
		raise(SIGUSR1);
		unsigned long fl;
		__asm__ volatile("pushfq; pop %0" : "=r"(fl));
		CHECK_EQ(fl & 0x3000, 0);
		CHECK_EQ(fl & 0x200, 0x200);
	});
	CHECK_EXIT(pid, 0);
	int st;
	pid = CHILD({
		bad_field = 8;
		raise(SIGUSR1);
	});
	OK(waitpid(pid, &st, 0)); /* killed or cleaned, but the machine goes on */
	pid = CHILD({
		__asm__ volatile("mov $0, %%rsp; mov $15, %%eax; syscall" ::: "rax", "memory");
	});
	CHECK_SIGNALED(pid, SIGSEGV);
	pid = CHILD({
		__asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall" ::"r"(KERNPTR) : "rax");
	});
	CHECK_SIGNALED(pid, SIGSEGV);
}

static void skip_ud2(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si;
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] += 2;
}

TEST(red_zone,
     "a frame over the 128 bytes below the stack pointer, which are the interrupted function's")
{
	struct sigaction sa = {.sa_sigaction = skip_ud2, .sa_flags = SA_SIGINFO};
	long bad;

	OK(sigaction(SIGILL, &sa, NULL));
	__asm__ volatile("sub $1024, %%rsp\n" /* away from what the compiler keeps there */
			 "mov $-16, %%rcx; 1: mov %%rcx, (%%rsp, %%rcx, 8); inc %%rcx; jnz 1b\n"
			 "ud2\n"
			 "xor %0, %0; mov $-16, %%rcx\n"
			 "1: cmp %%rcx, (%%rsp, %%rcx, 8); je 2f; inc %0; 2: inc %%rcx; jnz 1b\n"
			 "add $1024, %%rsp"
			 : "=&r"(bad)
			 :
			 : "rcx", "cc", "memory");
	CHECK_EQ(bad, 0);
}

TEST(queue_limit, "more queued signals than RLIMIT_SIGPENDING allows, or fewer")
{
	pid_t pid = CHILD({
		struct rlimit r = {3, 3};
		union sigval v = {.sival_int = 1};
		sigset_t set;

		OK(setuid(4242)); /* Linux counts by user */
		OK(setrlimit(RLIMIT_SIGPENDING, &r));
		sigemptyset(&set);
		sigaddset(&set, SIGRTMIN);
		sigaddset(&set, SIGUSR1);
		OK(sigprocmask(SIG_BLOCK, &set, NULL));
		for (int i = 0; i < 3; i++)
			OK(sigqueue(getpid(), SIGRTMIN, v));
		CHECK_ERRNO(sigqueue(getpid(), SIGRTMIN, v), EAGAIN);
		OK(kill(getpid(), SIGUSR1)); /* the bit alone */
		for (int i = 0; i < 4; i++)
			CHECK(sigwaitinfo(&set, NULL) == (i ? SIGRTMIN : SIGUSR1));
		OK(sigqueue(getpid(), SIGRTMIN, v));
	});
	CHECK_EXIT(pid, 0);
}

TEST(kill_targets, "kill's targets and errors")
{
	CHECK_ERRNO(kill(getpid(), 65), EINVAL);
	CHECK_ERRNO(kill(getpid(), -1), EINVAL);
	CHECK_ERRNO(kill(4194304 * 100, 0), ESRCH);
	CHECK_ERRNO(kill(-4194000, 0), ESRCH);
	OK(kill(getpid(), 0));
	OK(kill(0, 0));
	handle(SIGUSR1, on, 0);
	pid_t a = CHILD({
		OK(setpgid(0, 0));
		pid_t kid = CHILD({ ut_msleep(10000); });
		CHECK_SIGNALED(kid, SIGUSR2);
		signal(SIGUSR2, SIG_IGN);
	});
	setpgid(a, a);
	ut_wait_state(a, 'S');
	ut_msleep(30);
	OK(kill(-a, SIGUSR2));
	CHECK_SIGNALED(a, SIGUSR2);
	CHECK_EQ(count, 0); /* not to our group */
	CHECK_ERRNO(syscall(SYS_tgkill, getpid(), 999999999, SIGUSR1), ESRCH);
	CHECK_ERRNO(syscall(SYS_tgkill, -1, getpid(), SIGUSR1), EINVAL);
	OK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
	CHECK_EQ(count, 1);
	OK(syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR1));
	CHECK_EQ(count, 2);
}

TEST(cont_stop_cancel, "SIGCONT that leaves a pending stop, a stop that leaves a pending SIGCONT")
{
	block(SIGCONT, SIGTSTP);
	handle(SIGCONT, on, 0);
	OK(raise(SIGTSTP));
	CHECK(is_pending(SIGTSTP));
	OK(raise(SIGCONT));
	CHECK(!is_pending(SIGTSTP));
	CHECK(is_pending(SIGCONT));
	OK(raise(SIGTSTP));
	CHECK(!is_pending(SIGCONT));
	CHECK(is_pending(SIGTSTP));
	OK(raise(SIGCONT));
	unblock(SIGCONT, SIGTSTP);
	CHECK_EQ(count, 1);
}

TEST(ignore_discards, "a pending signal that survives being ignored")
{
	block(SIGUSR1, 0);
	OK(raise(SIGUSR1));
	CHECK(is_pending(SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	CHECK(!is_pending(SIGUSR1));
	handle(SIGUSR1, on, 0);
	unblock(SIGUSR1, 0);
	CHECK_EQ(count, 0);
}

TEST(stop_continue, "a stopped process that runs, or a SIGCONT handler that does not")
{
	volatile int *n =
		OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	int st;

	pid_t pid = CHILD({
		for (;;)
			++*n;
	});
	while (*n < 1000)
		ut_msleep(1);
	OK(kill(pid, SIGSTOP));
	OK(waitpid(pid, &st, WUNTRACED));
	int a = *n;
	ut_msleep(60);
	CHECK_EQ(*n, a);
	OK(kill(pid, SIGCONT));
	long start = ut_now_ms();
	while (*n == a && ut_now_ms() - start < 20000)
		ut_msleep(1);
	CHECK(*n != a);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(sleep_across_stop, "a sleep that ends early, or never, when stopped and continued")
{
	int st;
	pid_t pid = CHILD({
		long start = ut_now_ms();
		OK(nanosleep(&(struct timespec){0, 200000000}, NULL));
		CHECK(ut_now_ms() - start >= 199);
	});
	ut_wait_state(pid, 'S');
	OK(kill(pid, SIGSTOP));
	OK(waitpid(pid, &st, WUNTRACED));
	OK(kill(pid, SIGCONT));
	CHECK_EXIT(pid, 0);
}

TEST(many, "a stack or queue that fills: ten thousand signals between two processes")
{
	handle(SIGUSR1, on, 0);
	pid_t me = getpid();
	pid_t pid = CHILD({
		for (int i = 0; i < 10000; i++)
			OK(kill(me, SIGUSR1));
	});
	int st;
	while (waitpid(pid, &st, 0) < 0)
		;
	CHECK_EQ(st, 0);
	CHECK(count > 0);
}

TEST(nested_deep, "200 handlers inside one another")
{
	handle(SIGUSR1, nest, SA_NODEFER);
	count = -198;
	OK(raise(SIGUSR1));
	CHECK_EQ(deepest, 201);
	CHECK_EQ(nested, 0);
}

static volatile sig_atomic_t jumped;
static sigjmp_buf env;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(env, ++jumped);
}

TEST(jump_out, "a handler left by siglongjmp a thousand times")
{
	handle(SIGUSR1, jump, 0);
	if (sigsetjmp(env, 1) < 1000)
		raise(SIGUSR1);
	CHECK_EQ(jumped, 1000);
}

TEST(setcontext_flags, "the direction and trap flags of the interrupted code in the handler")
{
	handle(SIGUSR1, on, 0);
	long pid = getpid();
	unsigned long fl = 0;
	__asm__ volatile("std; syscall; pushfq; pop %0; cld"
			 : "=r"(fl)
			 : "a"((long)SYS_kill), "D"(pid), "S"((long)SIGUSR1)
			 : "rcx", "r11", "memory");
	CHECK_EQ(count, 1);
	CHECK(fl & 0x400); /* what was set before is set again */
}

TEST(siginfo_segv_queue, "rt_sigqueueinfo that forges a signal from the kernel to another process")
{
	siginfo_t si = {.si_code = SI_USER};
	pid_t pid = CHILD({ pause(); });

	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si), EPERM);
	si.si_code = SI_QUEUE;
	OK(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si));
	CHECK_SIGNALED(pid, SIGUSR1);
}
