/* SPDX-License-Identifier: MIT */
/*
 * What is left: names, random numbers, scheduling, prctl, calls that do not exist.
 */
#include "utest.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

TEST(uname_call, "a system name that programs do not accept")
{
	struct utsname u;

	OK(uname(&u));
	CHECK_STR(u.sysname, "Linux");
	CHECK_STR(u.machine, "x86_64");
	CHECK(!strncmp(u.release, "6.", 2));
	CHECK(u.version[0] != 0);
	CHECK_ERRNO(syscall(SYS_uname, BADPTR), EFAULT);
}

TEST(sysinfo_call, "sysinfo that disagrees with /proc/meminfo")
{
	struct sysinfo si;

	OK(sysinfo(&si));
	CHECK_EQ(si.mem_unit, 1);
	CHECK_EQ(si.totalram >> 20, ut_memtotal());
	CHECK(si.freeram > 0 && si.freeram < si.totalram);
	CHECK(si.procs > 0);
	CHECK(si.uptime < 100000000);
	CHECK_ERRNO(syscall(SYS_sysinfo, BADPTR), EFAULT);
}

TEST(getrandom_call, "random bytes that repeat or are zero")
{
	unsigned char a[256], b[256];

	CHECK_EQ(getrandom(a, sizeof(a), 0), 256);
	CHECK_EQ(getrandom(b, sizeof(b), GRND_NONBLOCK), 256);
	CHECK(memcmp(a, b, sizeof(a)));
	int ones = 0;
	for (int i = 0; i < 256; i++)
		ones += __builtin_popcount(a[i]);
	CHECK(ones > 800 && ones < 1250);
	CHECK_EQ(getrandom(a, 0, 0), 0);
	CHECK_ERRNO(getrandom(BADPTR, 16, 0), EFAULT);
	CHECK_ERRNO(getrandom(a, 16, 0x100), EINVAL);
}

TEST(unknown, "a call that does not exist and is not ENOSYS")
{
	static const long nr[] = {335, 400,     423, 470,        500,
				  999, 1000000, -1,  0x40000000, 0x7fffffff};

	for (unsigned i = 0; i < sizeof(nr) / sizeof(*nr); i++)
		CHECK_ERRNO(syscall(nr[i], 1L, 2L, 3L, 4L, 5L, 6L), ENOSYS);
	/* the number is 32 bits wide */
	CHECK_EQ(syscall(1L << 32 | SYS_getpid), getpid());
}

TEST(registers, "a system call that changes more than rax, rcx and r11")
{
	unsigned long in[11], out[11];

	for (int i = 0; i < 11; i++)
		in[i] = 0x1111111111111111UL * (i + 1);
	__asm__ volatile("push %%rbp; push %%rbx\n"
			 "mov 0(%%rax), %%rbx; mov 8(%%rax), %%rdx; mov 16(%%rax), %%rsi\n"
			 "mov 24(%%rax), %%rdi; mov 32(%%rax), %%r8; mov 40(%%rax), %%r9\n"
			 "mov 48(%%rax), %%r10; mov 56(%%rax), %%r12; mov 64(%%rax), %%r13\n"
			 "mov 72(%%rax), %%r14; mov 80(%%rax), %%rbp\n"
			 "push %%rcx; mov $110, %%eax; syscall; pop %%rcx\n"
			 "mov %%rbx, 0(%%rcx); mov %%rdx, 8(%%rcx); mov %%rsi, 16(%%rcx)\n"
			 "mov %%rdi, 24(%%rcx); mov %%r8, 32(%%rcx); mov %%r9, 40(%%rcx)\n"
			 "mov %%r10, 48(%%rcx); mov %%r12, 56(%%rcx); mov %%r13, 64(%%rcx)\n"
			 "mov %%r14, 72(%%rcx); mov %%rbp, 80(%%rcx)\n"
			 "pop %%rbx; pop %%rbp\n"
			 :
			 : "a"(in), "c"(out)
			 : "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
			   "memory");
	for (int i = 0; i < 11; i++)
		CHECK_EQ(out[i], in[i]);
}

TEST(flags_kept, "the arithmetic flags lost, or the interrupt flag let through")
{
	unsigned long f;

	__asm__ volatile("stc; mov $110, %%eax; syscall; pushfq; pop %0"
			 : "=r"(f)::"rax", "rcx", "r11");
	CHECK(f & 1);
	CHECK(f & 0x200);
	__asm__ volatile("mov $0x203a00, %%rax; or $0x202, %%rax; push %%rax; popfq; pushfq; pop %0"
			 : "=r"(f)::"rax", "cc");
	CHECK_EQ(f & 0x3000, 0); /* IOPL stays 0 */
}

TEST(prctl_calls, "prctl: name, dumpable, no-new-privileges, unknown options")
{
	char name[17] = "";

	OK(prctl(PR_SET_NAME, "a name that is long"));
	OK(prctl(PR_GET_NAME, name));
	CHECK_STR(name, "a name that is ");
	char buf[64];
	OK(ut_slurp("/proc/self/comm", buf, sizeof(buf)));
	CHECK_STR(buf, "a name that is \n");
	CHECK_ERRNO(prctl(9999, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_NAME, BADPTR), EFAULT);
	int r = prctl(PR_GET_DUMPABLE);
	CHECK(r == 1 || (r == -1 && errno == EINVAL));
}

TEST(arch_prctl_calls, "FS and GS bases: set, read, refused when not canonical, kept by fork")
{
	unsigned long fs, gs = 0;
	static unsigned long area[2] = {0, 0x1234};

	OK(syscall(SYS_arch_prctl, 0x1003 /* GET_FS */, &fs));
	CHECK(fs != 0);
	CHECK_ERRNO(syscall(SYS_arch_prctl, 0x1002 /* SET_FS */, 0xffff800000000000UL), EPERM);
	CHECK_ERRNO(syscall(SYS_arch_prctl, 0x1001 /* SET_GS */, 0x0000800000000000UL), EPERM);
	CHECK_ERRNO(syscall(SYS_arch_prctl, 0x1003, BADPTR), EFAULT);
	CHECK_ERRNO(syscall(SYS_arch_prctl, 0x7777, 0), EINVAL);
	OK(syscall(SYS_arch_prctl, 0x1001, area));
	__asm__ volatile("mov %%gs:8, %0" : "=r"(gs));
	CHECK_EQ(gs, 0x1234);
	pid_t pid = CHILD({
		__asm__ volatile("mov %%gs:8, %0" : "=r"(gs));
		CHECK_EQ(gs, 0x1234);
		OK(syscall(SYS_arch_prctl, 0x1001, 0));
	});
	CHECK_EXIT(pid, 0);
	ut_msleep(5);
	__asm__ volatile("mov %%gs:8, %0" : "=r"(gs));
	CHECK_EQ(gs, 0x1234);
}

TEST(sched, "affinity, yield, priorities, cpu number")
{
	unsigned long mask[16] = {0};
	unsigned cpu = 999, node = 999;

	long n = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	CHECK(n >= 8 && n % 8 == 0);
	CHECK(mask[0] & 1);
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 1, mask), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 999999999, sizeof(mask), mask), ESRCH);
	OK(syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask));
	unsigned long none[16] = {0};
	CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0, sizeof(none), none), EINVAL);
	OK(sched_yield());
	OK(syscall(SYS_getcpu, &cpu, &node, NULL));
	CHECK(cpu < 64 && node < 64);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
	OK(setpriority(PRIO_PROCESS, 0, 7));
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7);
	CHECK_ERRNO(getpriority(9, 0), EINVAL);
	CHECK_ERRNO(getpriority(PRIO_PROCESS, 999999999), ESRCH);
	pid_t pid = CHILD({
		CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7);
		OK(setuid(1000));
		CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, -5), EACCES);
	});
	CHECK_EXIT(pid, 0);
}

TEST_MEM(rusage_self, 48, "getrusage: a peak that is not one, bad arguments")
{
	struct rusage ru;

	char *p = ut_map(8 << 20);
	memset(p, 1, 8 << 20);
	OK(munmap(p, 8 << 20));
	OK(getrusage(RUSAGE_SELF, &ru));
	CHECK(ru.ru_maxrss >= 8000 && ru.ru_maxrss < 200000);
	CHECK_ERRNO(syscall(SYS_getrusage, 77, &ru), EINVAL);
	CHECK_ERRNO(syscall(SYS_getrusage, RUSAGE_SELF, BADPTR), EFAULT);
	CHECK(ut_status(0, "VmHWM") >= 8000);
	CHECK(ut_status(0, "VmPeak") >= ut_status(0, "VmSize") + 8000);
}

TEST(personality_call, "personality: what setarch asks for")
{
	long p = syscall(SYS_personality, 0xffffffffUL);

	NEEDS(p);
	CHECK_EQ(p, 0);
	OK(syscall(SYS_personality, 0x0040000));
	CHECK_EQ(syscall(SYS_personality, 0xffffffffUL), 0x0040000);
}

TEST(ids, "pid, tid and the calls that start every program")
{
	CHECK_EQ(syscall(SYS_gettid), getpid());
	CHECK_EQ(syscall(SYS_set_tid_address, NULL), getpid());
	void *head = NULL;
	size_t len = 0;
	long r = syscall(SYS_get_robust_list, 0, &head, &len);
	CHECK(r == 0 || errno == ENOSYS);
	CHECK_ERRNO(syscall(SYS_set_robust_list, NULL, 7), EINVAL);
}

TEST(hostname, "sethostname without effect")
{
	struct utsname u;
	char old[65];

	OK(uname(&u));
	strcpy(old, u.nodename);
	NEEDS(syscall(SYS_sethostname, "octavo-test", 11));
	OK(uname(&u));
	CHECK_STR(u.nodename, "octavo-test");
	OK(syscall(SYS_sethostname, old, strlen(old)));
	CHECK_ERRNO(syscall(SYS_sethostname, "x", 65), EINVAL);
}

TEST(getdents_proc, "/proc that does not list the process")
{
	char name[32];
	struct stat st;

	sprintf(name, "/proc/%d", getpid());
	OK(stat(name, &st));
	CHECK(S_ISDIR(st.st_mode));
	CHECK_EQ(system("ls /proc | grep -q '^1$'"), 0);
	char link[32];
	ssize_t n = OK(readlink("/proc/self", link, sizeof(link) - 1));
	link[n] = 0;
	CHECK_EQ(atoi(link), getpid());
}

TEST(membarrier, "membarrier refused though it was announced")
{
	long q = syscall(SYS_membarrier, 0, 0, 0);

	if (q < 0 && errno == ENOSYS)
		SKIP_LINUX("ENOSYS: membarrier");
	CHECK(q >= 0);
}

TEST(vdso, "AT_SYSINFO_EHDR that is no ELF image, if it is there")
{
	/* Reads of the clock through the C library have to work with it or without it. */
	struct timespec ts;
	for (int i = 0; i < 1000; i++)
		OK(clock_gettime(CLOCK_MONOTONIC, &ts));
}

TEST(int80, "the 32-bit gate: not there, and not a way round any check")
{
	int st;
	pid_t pid = CHILD({
		long r = 20; /* getpid of i386 */
		__asm__ volatile("int $0x80" : "+a"(r)::"memory", "r8", "r9", "r10", "r11");
		_exit(r == getpid() ? 1 : 2);
	});
	OK(waitpid(pid, &st, 0));
	CHECK(WIFEXITED(st) || WTERMSIG(st) == SIGSEGV);
}
