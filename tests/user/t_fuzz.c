/* SPDX-License-Identifier: MIT */
/*
 * Random system calls and random programs. Nothing is expected of any one of them; the kernel has
 * to survive, to say nothing of bugs, and to have its memory back in the end.
 *
 * The sequences follow from the test's seed, so they repeat as far as the kernel does. Children run
 * them, a few hundred calls each: most soon lose a mapping or a descriptor that they need. A timer
 * ends calls that wait.
 */
#include "utest.h"

#include <elf.h>
#include <sys/klog.h>
#include <sys/prctl.h>

#define CALLS     450
#define PER_CHILD 150
#define NOBODY    65534

static uint64_t state;

static uint64_t rnd(void)
{
	state += 0x9e3779b97f4a7c15;
	uint64_t z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* ---- what the kernel is like before and after ---------------------------------------------- */

static long meminfo(const char *field)
{
	char buf[4096], *p;

	if (ut_slurp("/proc/meminfo", buf, sizeof(buf)) < 0 || !(p = strstr(buf, field)))
		return 0;
	return atol(p + strlen(field) + 1);
}

static long unused_kb(void)
{
	return meminfo("MemFree") + meminfo("\nCached") + meminfo("Buffers") +
	       meminfo("SReclaimable");
}

static int complaints(void)
{
	static const char *const words[] = {"BUG:", "Oops", "kernel BUG", "WARNING:", "UBSAN"};
	static char log[1 << 18];
	int n = klogctl(3, log, sizeof(log) - 1), found = 0;

	log[n > 0 ? n : 0] = 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		for (char *p = log; (p = strstr(p, words[i])); p++)
			found++;
	return found;
}

/* All that a child may have left behind: they are ours, by PR_SET_CHILD_SUBREAPER. */
static void end_descendants(void)
{
	pid_t killer = OK(fork());

	if (killer == 0) {
		if (setuid(NOBODY) == 0)
			kill(-1, SIGKILL);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
}

/* ---- random calls ----------------------------------------------------------------------------- */

static const char *const names[] = {"f",
				    "d",
				    ".",
				    "/tmp",
				    "d/x",
				    "/dev/null",
				    "/dev/zero",
				    "/proc/self/maps",
				    "/proc/self/mem",
				    "",
				    "/proc/self/fd/3",
				    "l",
				    "/dev/tty",
				    "..//.",
				    "/proc/self/exe"};
static char *area; /* four pages, the last one without rights */

static uint64_t random_arg(void)
{
	static const uint64_t odd[] = {0,
				       1,
				       2,
				       ~0UL,
				       0x7fffffff,
				       0x80000000,
				       0xffffffff,
				       1UL << 63,
				       ~0UL >> 1,
				       4096,
				       4095,
				       8,
				       64,
				       128,
				       0x7ffffffff000,
				       0x7fffffffeff8};

	switch (rnd() % 10) {
	case 0:
		return rnd();
	case 1:
		return odd[rnd() % (sizeof(odd) / sizeof(*odd))];
	case 2:
		return rnd() % 64;
	case 3:
		return 1UL << rnd() % 64;
	case 4:
		return (uint64_t)(uintptr_t)names[rnd() % (sizeof(names) / sizeof(*names))];
	case 5:
	case 6:
		return (uint64_t)(uintptr_t)area + rnd() % 512 * 8;
	case 7:
		return (uint64_t)(uintptr_t)area + rnd() % (4 * PAGE);
	case 8:
		return rnd() % 12; /* a descriptor */
	default:
		return (uint64_t)(uintptr_t)KERNPTR + rnd() % PAGE;
	}
}

static void fill_area(void)
{
	uint64_t *p = (uint64_t *)area;

	for (int i = 0; i < 16; i++)
		p[rnd() % (3 * PAGE / 8)] = random_arg();
}

/* What would end the test, or outlive it; of root also what touches others. */
static int spared(long nr, int root)
{
	switch (nr) {
	case SYS_exit:
	case SYS_exit_group:
	case SYS_rt_sigreturn:
	case SYS_vfork: /* returns twice on one stack */
	case SYS_pause:
		return 1;
	case SYS_fork:
	case SYS_clone:
	case SYS_clone3:
	case SYS_execve:
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
	case SYS_prlimit64:
	case SYS_reboot:
	case SYS_mount:
	case SYS_umount2:
	case SYS_settimeofday:
	case SYS_clock_settime:
	case SYS_clock_adjtime:
	case SYS_adjtimex:
	case SYS_syslog:
	case SYS_init_module:
	case SYS_delete_module:
	case SYS_kexec_load:
	case SYS_vhangup:
	case SYS_iopl:
	case SYS_ioperm:
	case SYS_quotactl:
	case SYS_swapon:
	case SYS_swapoff:
		return root;
	}
	return 0;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void prepare_child(int root)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval it = {{0, 3000}, {0, 3000}};
	struct rlimit as = {16 << 20, 16 << 20}, size = {1 << 16, 1 << 16}, nproc = {20, 20},
		      cpu = {5, 5}, nofile = {32, 32};
	int null = open("/dev/null", O_RDWR), p[2];

	for (int fd = 0; fd < 256; fd++)
		if (fd != null)
			close(fd);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	(void)!pipe(p);
	(void)!open("f", O_RDWR | O_CREAT, 0666);
	(void)!open(".", O_RDONLY);
	(void)!open("/dev/zero", O_RDWR);
	(void)!open("/proc/self/maps", O_RDONLY);
	setrlimit(RLIMIT_FSIZE, &size);
	setrlimit(RLIMIT_NPROC, &nproc);
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_NOFILE, &nofile);
	setrlimit(RLIMIT_AS, &as);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	if (root ? chroot(".") : setgid(NOBODY) || setuid(NOBODY))
		_exit(2);
}

static void random_calls(uint64_t seed, int root)
{
	pid_t me;

	state = seed;
	area = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(area + 3 * PAGE, PAGE, PROT_NONE);
	prepare_child(root);
	me = getpid();
	for (int i = 0; i < PER_CHILD; i++) {
		long nr = (long)(rnd() % CALLS);
		uint64_t a[6];

		for (int j = 0; j < 6; j++)
			a[j] = random_arg();
		if (i % 8 == 0)
			fill_area();
		if (!spared(nr, root))
			syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (syscall(SYS_getpid) != me)
			_exit(0);
	}
	_exit(0);
}

/* Waits for it, but not for ever. */
static void wait_a_while(pid_t pid)
{
	for (long end = ut_now_ms() + 1000; waitpid(pid, NULL, WNOHANG) == 0;) {
		if (ut_now_ms() > end)
			kill(pid, SIGKILL);
		ut_msleep(1);
	}
}

static void fuzz_calls(int children, uint64_t seed, int root)
{
	int bad = complaints();
	long before = 0;

	OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	OK(chmod(".", 0777));
	for (int i = 0; i < children; i++) {
		pid_t pid;

		if (i == children / 4)
			before = unused_kb(); /* caches are warm now */
		pid = OK(fork());
		if (pid == 0)
			random_calls(seed + (uint64_t)i, root);
		wait_a_while(pid);
		if (i % 16 == 15)
			end_descendants();
	}
	end_descendants();
	CHECK_EQ(complaints(), bad);
	long lost = before - unused_kb();
	if (lost > 12288)
		FAIL("%ld kB did not come back", lost);
}

/* More of them with scripts/test --long. */
static int times(int n)
{
	char cmdline[4096] = "";

	(void)ut_slurp("/proc/cmdline", cmdline, sizeof(cmdline));
	return strstr(cmdline, "ktest.long=1") ? 5 * n : n;
}

TEST_MEM(calls, 60, "a system call with random arguments that harms the kernel")
{
	fuzz_calls(times(500), 1, 0);
}

TEST_MEM(calls_of_root, 60, "a system call of root with random arguments that harms the kernel")
{
	fuzz_calls(times(200), 1000000, 1);
}

/* ---- random programs ---------------------------------------------------------------------------- */

struct program {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4];
	unsigned char code[16];
	char interp[16];
};

static const struct program good = {
	.eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	       .e_type = ET_EXEC,
	       .e_machine = EM_X86_64,
	       .e_version = EV_CURRENT,
	       .e_entry = 0x400000 + offsetof(struct program, code),
	       .e_phoff = offsetof(struct program, ph),
	       .e_ehsize = sizeof(Elf64_Ehdr),
	       .e_phentsize = sizeof(Elf64_Phdr),
	       .e_phnum = 3},
	.ph = {{PT_LOAD, PF_R | PF_X, 0, 0x400000, 0x400000, sizeof(struct program),
		sizeof(struct program), PAGE},
	       {PT_LOAD, PF_R | PF_W, 0, 0x402000, 0x402000, 64, 0x3000, PAGE},
	       {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16},
	       {PT_INTERP, PF_R, offsetof(struct program, interp), 0x400000, 0x400000, 8, 8, 1}},
	/* mov $60, %eax; mov $33, %edi; syscall */
	.code = {0xb8, 60, 0, 0, 0, 0xbf, 33, 0, 0, 0, 0x0f, 0x05},
	.interp = "./other",
};

static void write_program(const char *name, const struct program *p)
{
	int fd = OK(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755));

	CHECK_EQ(write(fd, p, sizeof(*p)), sizeof(*p));
	close(fd);
}

static int run_program(void)
{
	struct itimerval it = {{0, 0}, {0, 20000}};
	int status = 0;
	pid_t pid = OK(fork());

	if (pid == 0) {
		char *argv[] = {"p", NULL};

		signal(SIGALRM, SIG_DFL);
		setitimer(ITIMER_REAL, &it, NULL);
		execve("p", argv, argv + 1);
		_exit(34);
	}
	OK(waitpid(pid, &status, 0));
	return status;
}

static void mutate(struct program *p)
{
	static const uint64_t values[] = {
		0,          1,           0xfff,     0x1000,         0x1001,         0x7fffffff,
		0x80000000, 0xffffffff,  1UL << 47, 0x7ffffffff000, 0x7fffffffe000, 1UL << 63,
		~0UL,       ~0UL - 4095, 0x400000,  0x402000};
	unsigned char *b = (unsigned char *)p;

	for (int n = 1 + (int)(rnd() % 3); n--;) {
		size_t at = rnd() % (offsetof(struct program, code) - 8);
		uint64_t v = values[rnd() % (sizeof(values) / sizeof(*values))];

		if (rnd() % 3 == 0)
			b[at] ^= (unsigned char)(1 << rnd() % 8);
		else if (at < sizeof(p->eh) && rnd() % 2)
			memcpy(b + (at & ~1UL), &v, 2);
		else
			memcpy(b + (at & ~7UL), &v, 8);
	}
}

TEST_MEM(programs, 60, "an ELF file with random headers that harms the kernel")
{
	int bad = complaints(), ran = 0;
	long before = 0;

	state = 7;
	write_program("p", &good);
	CHECK_EQ(WEXITSTATUS(run_program()), 33);
	for (int i = 0; i < 1000; i++) {
		struct program p = good, other = good;

		if (i == 100)
			before = unused_kb();
		p.eh.e_phnum = rnd() % 4 ? 3 : 4;
		p.eh.e_type = other.eh.e_type = rnd() % 3 ? ET_EXEC : ET_DYN;
		mutate(&p);
		mutate(&other);
		write_program("p", &p);
		write_program("other", &other);
		ran += run_program() == 33 << 8;
	}
	write_program("p", &good);
	CHECK_EQ(WEXITSTATUS(run_program()), 33);
	CHECK(ran > 50 && ran < 950); /* else the changes are too wild, or nowhere */
	CHECK_EQ(complaints(), bad);
	long lost = before - unused_kb();
	if (lost > 8192)
		FAIL("%ld kB did not come back", lost);
}
