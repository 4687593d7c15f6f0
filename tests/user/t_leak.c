/* SPDX-License-Identifier: MIT */
/*
 * Nothing of the kernel's memory, or of others', reaches a program.
 *
 * Memory that is freed is filled with a marker first: by a process that writes 0xa5 all over what it
 * has, files included, and ends. (A debug build of Octavo fills what is freed with markers of its own,
 * and /proc/octavo/stain fills the kernel's stack.) Then new memory is looked at in every form that
 * it takes: it has to be zero where nobody has written, and what the kernel has written, as frames of
 * signals, directory entries and texts, has to be free of markers and of kernel addresses.
 * Structures that calls fill are looked at in t_badptr.
 */
#include "utest.h"

#include <dirent.h>
#include <sys/auxv.h>
#include <sys/shm.h>
#include <ucontext.h>

#define MARK  0xa5
#define PAGES 512

static int stain_fd = -1;

/* All that is free now was somebody's. */
static void mark_free_memory(void)
{
	pid_t pid = CHILD({
		char *p = ut_map(2 * PAGES * PAGE);
		int fd = ut_file("marks", "", 0);

		memset(p, MARK, 2 * PAGES * PAGE);
		for (int i = 0; i < PAGES / 4; i++)
			CHECK_EQ(write(fd, p, 4 * PAGE), 4 * PAGE);
	});

	CHECK_EXIT(pid, 0);
	OK(unlink("marks"));
	stain_fd = open("/proc/octavo/stain", O_WRONLY);
}

static void stain(void)
{
	if (stain_fd >= 0)
		CHECK_EQ(write(stain_fd, "", 1), 1);
}

static void check_zero(const char *what, const void *start, size_t n)
{
	const unsigned char *p = start;

	for (size_t i = 0; i < n; i++)
		if (p[i]) {
			FAIL("%s: byte %zu of %zu is %#x", what, i, n, p[i]);
			return;
		}
}

/* Three bytes of a marker, or a word that is an address of the kernel's. */
static void check_clean(const char *what, const void *start, size_t n)
{
	static const unsigned char markers[] = {MARK, 0x6b, 0xaa};
	const unsigned char *p = start;
	uint64_t word;

	for (size_t i = 0; i + 8 <= n; i++) {
		for (size_t m = 0; m < sizeof(markers); m++)
			if (p[i] == markers[m] && p[i + 1] == markers[m] &&
			    p[i + 2] == markers[m]) {
				FAIL("%s: a marker %#x at byte %zu of %zu", what, markers[m], i, n);
				return;
			}
		memcpy(&word, p + i, 8);
		if (((uintptr_t)p + i) % 8 == 0 &&
		    ((word >= 0xffff888000000000 && word < 0xffffffff00000000) ||
		     (word >= 0xffffffff80000000 && word < 0xffffffffa0000000))) {
			FAIL("%s: %#lx at byte %zu of %zu", what, (long)word, i, n);
			return;
		}
	}
}

TEST_MEM(new_pages, 48, "a new page of memory with somebody's bytes in it")
{
	char *p;
	int id;

	mark_free_memory();
	p = ut_map(PAGES * PAGE);
	check_zero("private memory, read", p, PAGES * PAGE / 2);
	for (int i = PAGES / 2; i < PAGES; i++) {
		p[(size_t)i * PAGE + 8] = 0;
		check_zero("private memory, written", p + (size_t)i * PAGE, PAGE);
	}
	OK(munmap(p, PAGES * PAGE));
	mark_free_memory();
	p = OK(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	check_zero("shared memory", p, PAGES * PAGE);
	p = OK(mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
	check_zero("memory made at once", p, 64 * PAGE);
	p = (char *)syscall(SYS_brk, 0);
	syscall(SYS_brk, p + 64 * PAGE);
	check_zero("the heap", p + (-(uintptr_t)p % PAGE), 63 * PAGE);
	p = ut_map(PAGE);
	memset(p, MARK, PAGE);
	p = OK(mremap(p, PAGE, 64 * PAGE, MREMAP_MAYMOVE));
	check_zero("memory that has grown", p + PAGE, 63 * PAGE);
	id = shmget(IPC_PRIVATE, 64 * PAGE, 0600);
	if (id >= 0) {
		p = OK(shmat(id, NULL, 0));
		shmctl(id, IPC_RMID, NULL);
		check_zero("a segment of shared memory", p, 64 * PAGE);
	}
}

TEST_MEM(dropped_pages, 48, "memory that was given up and keeps its bytes")
{
	char *p = ut_map(64 * PAGE);

	memset(p, MARK, 64 * PAGE);
	OK(madvise(p, 32 * PAGE, MADV_DONTNEED));
	check_zero("after MADV_DONTNEED", p, 32 * PAGE);
	OK(munmap(p + 32 * PAGE, 32 * PAGE));
	CHECK(sys_mmap(p + 32 * PAGE, 32 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	check_zero("mapped again", p + 32 * PAGE, 32 * PAGE);
}

static __attribute__((noinline)) void look_at_stack(void)
{
	char deep[256 * 1024], *p;

	__asm__ __volatile__("" : "=r"(p) : "0"(deep)); /* what nobody wrote is what is asked for */
	check_zero("the stack", p + 16384, 128 * 1024);
}

TEST_MEM(new_stack, 48, "pages of a stack that grows with somebody's bytes in them")
{
	mark_free_memory();
	look_at_stack();
}

TEST_MEM(files, 48, "a hole, a tail or an end of a file with somebody's bytes in it")
{
	static char buf[64 * PAGE];
	char *p;
	int fd;

	mark_free_memory();
	fd = ut_file("f", "start", 5);
	OK(ftruncate(fd, 64 * PAGE));
	CHECK_EQ(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	check_zero("a hole, read", buf + 5, sizeof(buf) - 5);
	CHECK_EQ(pwrite(fd, "x", 1, 10 * PAGE + 100), 1);
	p = OK(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	check_zero("around a byte", p + 10 * PAGE, 100);
	check_zero("around a byte", p + 10 * PAGE + 101, PAGE - 101);
	check_zero("a hole, mapped", p + 20 * PAGE, 44 * PAGE);
	/* what is cut off does not come back (what is written behind the end may, on Linux) */
	memset(p, MARK, 64 * PAGE);
	OK(ftruncate(fd, 3 * PAGE + 7));
	OK(ftruncate(fd, 64 * PAGE));
	check_zero("cut off and grown again", p + 3 * PAGE + 7, 61 * PAGE - 7);
	OK(ftruncate(fd, 5));
	CHECK_EQ(pwrite(fd, "x", 1, 2000), 1);
	CHECK_EQ(pread(fd, buf, PAGE, 0), 2001);
	check_zero("between the old end and a write", buf + 5, 1995);
	mark_free_memory();
	if (fallocate(fd, 0, PAGE, 32 * PAGE) == 0) {
		CHECK_EQ(pread(fd, buf, 32 * PAGE, PAGE), 32 * PAGE);
		check_zero("pages set aside", buf, 32 * PAGE);
	}
	close(fd);
	fd = OK((int)syscall(SYS_memfd_create, "m", 0));
	OK(ftruncate(fd, 8 * PAGE));
	CHECK_EQ(pread(fd, buf, 8 * PAGE, 0), 8 * PAGE);
	check_zero("a memfd", buf, 8 * PAGE);
}

/* ---- what the kernel writes ------------------------------------------------------------------- */

static volatile int seen;

static void look_at_frame(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	char *fp = (char *)uc->uc_mcontext.fpregs;

	seen++;
	check_clean("siginfo", si, sizeof(*si));
	/* the kernel's part: it is shorter than musl's, whose own behind it is never written */
	check_clean("ucontext", uc, offsetof(ucontext_t, uc_sigmask) + 8);
	/* x87, SSE and AVX; further behind, Linux leaves gaps as they are */
	check_clean("the state of the FPU", fp, 832);
	(void)sig;
}

static void look_at_fault(int sig, siginfo_t *si, void *context)
{
	look_at_frame(sig, si, context);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2; /* behind ud2 */
}

TEST_MEM(signal_frames, 24,
	 "a signal's frame or siginfo with bytes that the kernel has not written")
{
	struct sigaction sa = {.sa_sigaction = look_at_frame, .sa_flags = SA_SIGINFO};
	struct itimerval it = {{0, 0}, {0, 1000}};
	union sigval v = {.sival_int = 7};
	int fds[2];

	mark_free_memory();
	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sigaction(SIGCHLD, &sa, NULL));
	OK(sigaction(SIGALRM, &sa, NULL));
	OK(sigaction(SIGPIPE, &sa, NULL));
	stain();
	raise(SIGUSR1);
	stain();
	kill(getpid(), SIGUSR1);
	stain();
	sigqueue(getpid(), SIGUSR1, v);
	CHECK_EQ(seen, 3);
	CHECK_EXIT(CHILD({}), 0);
	stain();
	OK(setitimer(ITIMER_REAL, &it, NULL));
	while (seen < 5)
		stain();
	OK(pipe(fds));
	close(fds[0]);
	stain();
	CHECK_ERRNO(write(fds[1], "x", 1), EPIPE);
	CHECK_EQ(seen, 6);
	sa.sa_sigaction = look_at_fault;
	OK(sigaction(SIGILL, &sa, NULL));
	stain();
	__asm__ __volatile__("ud2");
	CHECK_EQ(seen, 7);
}

TEST_MEM(siginfos, 24,
	 "a siginfo that sigtimedwait or waitid gives out with bytes that are not its own")
{
	struct timespec none = {0, 0};
	siginfo_t si;
	sigset_t s;

	mark_free_memory();
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s, NULL);
	for (int i = 0; i < 2; i++) {
		memset(&si, 0x11, sizeof(si));
		if (i == 0)
			raise(SIGUSR1);
		else
			kill(getpid(), SIGUSR1);
		stain();
		CHECK_EQ(sigtimedwait(&s, &si, &none), SIGUSR1);
		check_clean("sigtimedwait", &si, sizeof(si));
	}
	memset(&si, 0x11, sizeof(si));
	(void)!CHILD({});
	stain();
	OK(waitid(P_ALL, 0, &si, WEXITED));
	check_clean("waitid", &si, sizeof(si));
	memset(&si, 0x11, sizeof(si));
	CHECK_EQ(sigtimedwait(&s, &si, &none), SIGCHLD);
	check_clean("SIGCHLD", &si, sizeof(si));
}

TEST_MEM(directories, 24, "a directory entry's tail, or a link's text, with bytes of the kernel's")
{
	static const char *const dirs[] = {".", "/", "/proc", "/proc/self/fd", "/dev", "/sys"};
	static char buf[8192];

	mark_free_memory();
	for (int i = 1; i < 40; i++) {
		char name[64] = "";

		memset(name, 'n', (size_t)i);
		close(ut_file(name, "", 0));
	}
	OK(symlink("target", "link"));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		int fd = OK(open(dirs[i], O_RDONLY | O_DIRECTORY));
		long n;

		do {
			stain();
			memset(buf, 0x11, sizeof(buf));
			n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
			CHECK(n >= 0);
			check_clean(dirs[i], buf, n > 0 ? (size_t)n : 0);
		} while (n > 0);
		close(fd);
	}
	memset(buf, 0x11, sizeof(buf));
	stain();
	CHECK_EQ(readlink("link", buf, sizeof(buf)), 6);
	CHECK(buf[6] == 0x11 && buf[100] == 0x11);
	memset(buf, 0x11, sizeof(buf));
	stain();
	CHECK(getcwd(buf, sizeof(buf)) == buf);
	for (size_t i = strlen(buf) + 1; i < 300; i++)
		CHECK_EQ(buf[i], 0x11);
}

TEST_MEM(texts, 24, "a file of /proc with bytes that are no text")
{
	static const char *const files[] = {
		"/proc/self/maps",    "/proc/self/smaps",   "/proc/self/status",
		"/proc/self/stat",    "/proc/self/limits",  "/proc/self/auxv",
		"/proc/self/cmdline", "/proc/self/environ", "/proc/self/mountinfo",
		"/proc/meminfo",      "/proc/vmstat",       "/proc/zoneinfo",
		"/proc/slabinfo",     "/proc/cpuinfo",      "/proc/self/pagemap",
	};
	static char buf[65536];

	mark_free_memory();
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		int fd = open(files[i], O_RDONLY);
		ssize_t n;

		if (fd < 0)
			continue;
		stain();
		n = read(fd, buf, sizeof(buf));
		check_clean(files[i], buf, n > 0 ? (size_t)n : 0);
		close(fd);
	}
}

/* ---- a new program ---------------------------------------------------------------------------- */

static char bss[3 * PAGE];

/* The start of a program: what exec has put there, and nothing else. */
int ut_helper(int argc, char **argv)
{
	extern char **environ;
	char *end = NULL;

	if (argc < 2 || strcmp(argv[1], "helper"))
		return -1;
	check_zero("the program's own zeroes", bss, sizeof(bss));
	/* behind the last string, the file's name, there is nothing but the end of the stack */
	end = (char *)getauxval(AT_EXECFN);
	end += strlen(end) + 1;
	check_zero("the top of the stack", end, -(uintptr_t)end % PAGE);
	check_clean("the vectors", argv, (size_t)((char *)*environ - (char *)argv));
	return 42;
}

TEST_MEM(new_program, 48, "a program that starts with somebody's bytes in its zeroes or its stack")
{
	char *argv[] = {"t_leak", "helper", NULL}, *env[] = {"A=b", NULL};
	pid_t pid;

	mark_free_memory();
	pid = CHILD({ execve("/proc/self/exe", argv, env); });
	CHECK_EXIT(pid, 42);
}
