/* SPDX-License-Identifier: MIT */
/*
 * execve: what the new program is given, what it keeps, and what is refused.
 *
 * The program under exec is often this one again: "--dump" makes it print what it was given, one
 * item a line, to descriptor 9; "--code N" makes it exit with N.
 */
#include "utest.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

extern char **environ;

static void dump(int argc, char **argv)
{
	dprintf(9, "argc=%d\n", argc);
	for (int i = 0; i < argc; i++)
		dprintf(9, "argv[%d]=%s\n", i, argv[i]);
	for (char **e = environ; *e; e++)
		dprintf(9, "env=%s\n", *e);
	dprintf(9, "last=%d\n", argv[argc] == NULL);
	dprintf(9, "sp=%d\n", (int)((uintptr_t)(argv - 1) % 16));
}

int ut_helper(int argc, char **argv)
{
	if (argc == 1 && !*argv[0])
		return 55; /* started without arguments */
	if (argc < 2 || strncmp(argv[1], "--", 2))
		return -1;
	if (!strcmp(argv[1], "--code"))
		return argc > 2 ? atoi(argv[2]) : 0;
	if (!strcmp(argv[1], "--dump")) {
		dump(argc, argv);
		return 0;
	}
	if (!strcmp(argv[1], "--sigs")) {
		struct sigaction a, b;
		sigset_t set, pend;
		stack_t ss;

		sigaction(SIGUSR1, NULL, &a);
		sigaction(SIGUSR2, NULL, &b);
		sigprocmask(0, NULL, &set);
		sigpending(&pend);
		sigaltstack(NULL, &ss);
		dprintf(9, "usr1=%d usr2=%d blocked=%d pending=%d altstack=%d\n",
			a.sa_handler == SIG_DFL, b.sa_handler == SIG_IGN,
			sigismember(&set, SIGTERM), sigismember(&pend, SIGTERM),
			!(ss.ss_flags & SS_DISABLE));
		return 0;
	}
	if (!strcmp(argv[1], "--fd"))
		return fcntl(atoi(argv[2]), F_GETFD) >= 0 ? 10 : errno == EBADF ? 11 : 12;
	if (!strcmp(argv[1], "--count")) {
		size_t bytes = 0;

		for (int i = 0; i < argc; i++)
			bytes += strlen(argv[i]) + 1;
		dprintf(9, "argc=%d bytes=%zu\n", argc, bytes);
		return 0;
	}
	if (!strcmp(argv[1], "--ids")) {
		char line[256] = "", *comm;
		int n = ut_slurp("/proc/self/comm", line, sizeof(line));

		comm = n > 0 ? line : "?";
		comm[strcspn(comm, "\n")] = 0;
		dprintf(9, "pid=%d ppid=%d comm=%s\n", getpid(), getppid(), comm);
		return 0;
	}
	if (!strcmp(argv[1], "--random")) {
		const unsigned char *r = (void *)getauxval(AT_RANDOM);

		for (int i = 0; i < 16; i++)
			dprintf(9, "%02x", r[i]);
		dprintf(9, "\n");
		return 0;
	}
	if (!strcmp(argv[1], "--euid")) {
		dprintf(9, "%d %d %d %d secure=%ld dumpable=%d\n", getuid(), geteuid(), getgid(),
			getegid(), getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE));
		return 0;
	}
	if (!strcmp(argv[1], "--sleep")) {
		pause();
		return 0;
	}
	return 98;
}

static char self_path[512];

static char *self(void)
{
	ssize_t n = OK(readlink("/proc/self/exe", self_path, sizeof(self_path) - 1));

	self_path[n] = 0;
	return self_path;
}

/* Run it, and give what it wrote to descriptor 9. */
static int run(char *path, char **argv, char **env, char *out, size_t len)
{
	int fds[2], st;
	size_t n = 0;
	ssize_t r;

	OK(pipe(fds));
	pid_t pid = OK(fork());
	if (pid == 0) {
		if (fds[1] != 9) {
			dup2(fds[1], 9);
			close(fds[1]);
		}
		close(fds[0]);
		execve(path, argv, env);
		_exit(200 + (errno < 50 ? errno : 50));
	}
	close(fds[1]);
	while (n < len - 1 && (r = read(fds[0], out + n, len - 1 - n)) > 0)
		n += r;
	out[n] = 0;
	close(fds[0]);
	OK(waitpid(pid, &st, 0));
	return st;
}

/* 0, or the errno with which exec of the file was refused. */
static int exec_errno(const char *path)
{
	char *argv[] = {(char *)path, "--code", "0", NULL};
	char out[16];
	int st = run((char *)path, argv, environ, out, sizeof(out));

	return WIFEXITED(st) && WEXITSTATUS(st) > 200 ? WEXITSTATUS(st) - 200 : 0;
}

static int run_status(const char *path, char **argv)
{
	char out[16];

	return run((char *)path, argv, environ, out, sizeof(out));
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
	static char buf[65536];
	int in = OK(open(from, O_RDONLY)), out = OK(open(to, O_WRONLY | O_CREAT | O_TRUNC, 0777));
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		OK(write(out, buf, n));
	close(in);
	close(out);
	OK(chmod(to, mode));
}

TEST(arguments, "arguments or environment that do not arrive as they were")
{
	char *argv[] = {"name", "--dump", "", "two words", "-x", NULL};
	char *env[] = {"A=1", "EMPTY=", "noequals", NULL};
	char out[1024];

	CHECK_EQ(run(self(), argv, env, out, sizeof(out)), 0);
	CHECK_STR(out, "argc=5\nargv[0]=name\nargv[1]=--dump\nargv[2]=\nargv[3]=two words\n"
		       "argv[4]=-x\nenv=A=1\nenv=EMPTY=\nenv=noequals\nlast=1\nsp=0\n");
}

TEST(stack_alignment, "a stack pointer at entry that is not a multiple of 16, for any argc")
{
	for (int n = 2; n < 8; n++) {
		char *argv[10] = {"x", "--dump", "a", "b", "c", "d", "e", "f"}, out[1024];
		char *env[] = {"E=1", NULL};
		argv[n] = NULL;
		CHECK_EQ(run(self(), argv, env, out, sizeof(out)), 0);
		CHECK(strstr(out, "sp=0") != NULL);
	}
}

TEST(empty_environment, "a NULL environment or argument list that crashes")
{
	char *argv[] = {"x", "--dump", NULL};
	char out[1024], *none[] = {NULL};

	CHECK_EQ(run(self(), argv, none, out, sizeof(out)), 0);
	CHECK(strstr(out, "env=") == NULL);
	CHECK_EQ(run(self(), argv, NULL, out, sizeof(out)), 0);
	CHECK(strstr(out, "env=") == NULL);
	/* without arguments Linux passes one empty string */
	CHECK_EQ(run(self(), none, none, out, sizeof(out)), 55 << 8);
}

TEST_MEM(large_arguments, 24, "arguments over several pages: one lost, or a page mixed up")
{
	enum { N = 2000 };
	static char *argv[N + 3], text[N][40];
	char out[64];
	size_t bytes = strlen("x") + 1 + strlen("--count") + 1;

	argv[0] = "x";
	argv[1] = "--count";
	for (int i = 0; i < N; i++) {
		sprintf(text[i], "argument number %d of many", i);
		argv[i + 2] = text[i];
		bytes += strlen(text[i]) + 1;
	}
	CHECK_EQ(run(self(), argv, environ, out, sizeof(out)), 0);
	char want[64];
	snprintf(want, sizeof(want), "argc=%d bytes=%zu\n", N + 2, bytes);
	CHECK_STR(out, want);
}

TEST_MEM(too_large, 48, "E2BIG: one string over 128 KiB, or all over a quarter of the stack limit")
{
	char *one = malloc(131072 + 1), out[64];
	memset(one, 'a', 131072);
	one[131072] = 0;
	char *argv[] = {"x", "--count", one, NULL};
	int st = run(self(), argv, environ, out, sizeof(out));
	CHECK_EQ(WEXITSTATUS(st), 200 + E2BIG);
	one[131071] = 0; /* with its NUL just 128 KiB */
	st = run(self(), argv, environ, out, sizeof(out));
	CHECK_EQ(st, 0);

	char *many[70];
	one[100000] = 0;
	for (int i = 0; i < 69; i++)
		many[i] = one;
	many[0] = "x";
	many[1] = "--count";
	many[69] = NULL;
	OK(setrlimit(RLIMIT_STACK, &(struct rlimit){8 << 20, RLIM_INFINITY}));
	st = run(self(), many, environ, out, sizeof(out));
	CHECK_EQ(WEXITSTATUS(st), 200 + E2BIG);
	many[12] = NULL;
	st = run(self(), many, environ, out, sizeof(out));
	CHECK_EQ(st, 0);
}

TEST(auxv, "an auxiliary vector that lacks or misstates what libraries rely on")
{
	const Elf64_Ehdr *eh;

	CHECK_EQ(getauxval(AT_PAGESZ), PAGE);
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_EUID), geteuid());
	CHECK_EQ(getauxval(AT_GID), getgid());
	CHECK_EQ(getauxval(AT_EGID), getegid());
	CHECK_EQ(getauxval(AT_SECURE), 0);
	CHECK_EQ(getauxval(AT_CLKTCK), 100);
	CHECK_EQ(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK(getauxval(AT_PHNUM) > 1);
	CHECK(getauxval(AT_HWCAP) != 0);
	const Elf64_Phdr *ph = (void *)getauxval(AT_PHDR);
	REQUIRE(ph != NULL);
	eh = (void *)((uintptr_t)ph - sizeof(*eh));
	CHECK(!memcmp(eh->e_ident, ELFMAG, SELFMAG));
	CHECK_EQ(eh->e_phnum, getauxval(AT_PHNUM));
	CHECK(getauxval(AT_ENTRY) == eh->e_entry || eh->e_type == ET_DYN);
	const unsigned char *rnd = (void *)getauxval(AT_RANDOM);
	REQUIRE(rnd != NULL);
	unsigned sum = 0;
	for (int i = 0; i < 16; i++)
		sum |= rnd[i];
	CHECK(sum != 0);
	CHECK(getauxval(AT_EXECFN) && strstr((char *)getauxval(AT_EXECFN), "t_exec") != NULL);
	CHECK_STR((char *)getauxval(AT_PLATFORM), "x86_64");
}

TEST(random_differs, "AT_RANDOM that gives each program the same bytes")
{
	char *argv[] = {"x", "--random", NULL}, a[64], b[64];

	CHECK_EQ(run(self(), argv, environ, a, sizeof(a)), 0);
	CHECK_EQ(run(self(), argv, environ, b, sizeof(b)), 0);
	CHECK_EQ(strlen(a), 33);
	CHECK(strcmp(a, b));
}

TEST(sh_script, "#! with and without an argument")
{
	char *argv[] = {"./script", "more", NULL}, out[1024], line[600], want[1200];

	snprintf(line, sizeof(line), "#!%s --dump\n", self());
	ut_spew("script", line);
	OK(chmod("script", 0755));
	char *none[] = {NULL};
	CHECK_EQ(run("./script", argv, none, out, sizeof(out)), 0);
	snprintf(want, sizeof(want),
		 "argc=4\nargv[0]=%s\nargv[1]=--dump\nargv[2]=./script\nargv[3]=more\n"
		 "last=1\nsp=0\n",
		 self_path);
	CHECK_STR(out, want);

	/* blanks around, several words: one argument */
	snprintf(line, sizeof(line), "#! \t %s --dump  a  b \t\n", self_path);
	ut_spew("script", line);
	argv[1] = NULL;
	int st = run("./script", argv, none, out, sizeof(out));
	CHECK(WIFEXITED(st));
	CHECK_EQ(WEXITSTATUS(st), 98); /* "--dump  a  b" is no option of ours */

	ut_spew("sh", "#!/bin/sh\nexit $#\n");
	OK(chmod("sh", 0755));
	char *three[] = {"sh", "a", "b", "c", NULL};
	CHECK_EQ(run("./sh", three, environ, out, sizeof(out)), 3 << 8);
}

TEST(script_nested, "a script whose interpreter is a script; and too many of them")
{
	char line[600], name[16], *argv[] = {"s", NULL};

	snprintf(line, sizeof(line), "#!/bin/sh\nexit 21\n");
	ut_spew("s0", line);
	OK(chmod("s0", 0755));
	char cwd[256];
	OK(getcwd(cwd, sizeof(cwd)) ? 0 : -1);
	for (int i = 1; i < 8; i++) {
		sprintf(name, "s%d", i);
		snprintf(line, sizeof(line), "#!%s/s%d\n", cwd, i - 1);
		ut_spew(name, line);
		OK(chmod(name, 0755));
	}
	CHECK_EQ(run_status("./s1", argv), 21 << 8);
	CHECK_EQ(run_status("./s4", argv), 21 << 8);
	CHECK_EQ(exec_errno("./s6"), ELOOP);
}

TEST(script_bad, "scripts with a missing or unusable interpreter")
{
	ut_spew("s", "#!/no/such/file\n");
	OK(chmod("s", 0755));
	CHECK_EQ(exec_errno("./s"), ENOENT);
	ut_spew("s", "#!\n");
	CHECK_EQ(exec_errno("./s"), ENOEXEC);
	ut_spew("s", "#!   \n");
	CHECK_EQ(exec_errno("./s"), ENOEXEC);
	ut_spew("s", "#!/tmp\n");
	CHECK_EQ(exec_errno("./s"), EACCES);
	/* an interpreter name that is cut by the length of the buffer */
	char line[600];
	memset(line, 'a', sizeof(line));
	memcpy(line, "#!/", 3);
	line[599] = 0;
	ut_spew("s", line);
	CHECK_EQ(exec_errno("./s"), ENOEXEC);
	/* without a newline at the end */
	ut_spew("s", "#!/bin/true");
	CHECK_EQ(exec_errno("./s"), 0);
}

TEST(refused, "files that are no programs, or that may not be run")
{
	ut_spew("empty", "");
	OK(chmod("empty", 0755));
	CHECK_EQ(exec_errno("./empty"), ENOEXEC);
	ut_spew("text", "just text\n");
	OK(chmod("text", 0755));
	CHECK_EQ(exec_errno("./text"), ENOEXEC);
	ut_spew("noexec", "#!/bin/true\n");
	CHECK_EQ(exec_errno("./noexec"), EACCES); /* root too */
	CHECK_EQ(exec_errno("."), EACCES);
	CHECK_EQ(exec_errno("./missing"), ENOENT);
	CHECK_EQ(exec_errno(""), ENOENT);
	CHECK_EQ(exec_errno("./text/x"), ENOTDIR);
	char longname[5000];
	memset(longname, 'n', sizeof(longname));
	longname[300] = 0;
	CHECK_EQ(exec_errno(longname), ENAMETOOLONG);
	OK(symlink("loop", "loop"));
	CHECK_EQ(exec_errno("./loop"), ELOOP);
}

TEST(bad_pointers, "exec with bad pointers: EFAULT, and the caller lives on")
{
	char *argv[] = {"x", NULL}, *bad[] = {"x", BADPTR, NULL};

	CHECK_ERRNO(syscall(SYS_execve, BADPTR, argv, environ), EFAULT);
	CHECK_ERRNO(syscall(SYS_execve, "/bin/true", BADPTR, environ), EFAULT);
	CHECK_ERRNO(syscall(SYS_execve, "/bin/true", argv, BADPTR), EFAULT);
	CHECK_ERRNO(syscall(SYS_execve, "/bin/true", bad, environ), EFAULT);
	CHECK_ERRNO(syscall(SYS_execve, "/bin/true", argv, bad), EFAULT);
	CHECK_ERRNO(syscall(SYS_execve, "/bin/true", KERNPTR, environ), EFAULT);
	CHECK_ERRNO(syscall(SYS_execve, "/bin/true", NONCANON, environ), EFAULT);
	/* an argument vector that runs into unmapped memory */
	char **p = ut_map_alone(PAGE);
	for (unsigned i = 0; i < PAGE / sizeof(*p); i++)
		p[i] = "x";
	CHECK_ERRNO(syscall(SYS_execve, "/bin/true", p, environ), EFAULT);
}

TEST(cloexec, "descriptors kept or closed against FD_CLOEXEC")
{
	int keep = OK(open("/dev/null", O_RDONLY));
	int drop = OK(open("/dev/null", O_RDONLY | O_CLOEXEC));
	int set = OK(open("/dev/null", O_RDONLY));
	char num[16], *argv[] = {"x", "--fd", num, NULL};

	OK(fcntl(set, F_SETFD, FD_CLOEXEC));
	sprintf(num, "%d", keep);
	CHECK_EQ(run_status(self(), argv), 10 << 8);
	sprintf(num, "%d", drop);
	CHECK_EQ(run_status(self(), argv), 11 << 8);
	sprintf(num, "%d", set);
	CHECK_EQ(run_status(self(), argv), 11 << 8);
	CHECK_EQ(fcntl(drop, F_GETFD), FD_CLOEXEC); /* here it is still open */
}

static void handler(int sig)
{
	(void)sig;
}

TEST(signals, "handlers kept; ignored, blocked or pending signals lost; an alternate stack kept")
{
	char *argv[] = {"x", "--sigs", NULL}, out[256];
	int fds[2];
	static char alt[16384];

	OK(pipe(fds));
	pid_t pid = CHILD({
		sigset_t set;
		signal(SIGUSR1, handler);
		signal(SIGUSR2, SIG_IGN);
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_BLOCK, &set, NULL);
		OK(sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = sizeof(alt)}, NULL));
		OK(raise(SIGTERM));
		OK(dup2(fds[1], 9));
		execv(self(), argv);
		_exit(99);
	});
	close(fds[1]);
	CHECK_EXIT(pid, 0);
	ssize_t n = OK(read(fds[0], out, sizeof(out) - 1));
	out[n] = 0;
	CHECK_STR(out, "usr1=1 usr2=1 blocked=1 pending=1 altstack=0\n");
}

TEST(same_process, "exec that changes the pid, or a command name that is not the file's")
{
	int fds[2];
	char out[256], want[256], *argv[] = {"anything", "--ids", NULL};

	copy_file(self(), "a_name_longer_than_fifteen", 0755);
	OK(pipe(fds));
	pid_t pid = CHILD({
		OK(dup2(fds[1], 9));
		execv("./a_name_longer_than_fifteen", argv);
		_exit(99);
	});
	close(fds[1]);
	CHECK_EXIT(pid, 0);
	ssize_t n = OK(read(fds[0], out, sizeof(out) - 1));
	out[n] = 0;
	snprintf(want, sizeof(want), "pid=%d ppid=%d comm=a_name_longer_t\n", pid, getpid());
	CHECK_STR(out, want);
}

TEST(keeps, "working directory, umask, limits or timers not kept")
{
	pid_t pid = CHILD({
		OK(mkdir("sub", 0755));
		OK(chdir("sub"));
		umask(027);
		OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){77, 88}));
		execl("/bin/sh", "sh", "-c",
		      "[ $(umask) = 0027 ] && [ $(ulimit -n) = 77 ] && "
		      "case $(pwd) in */sub) exit 0;; esac; exit 1",
		      NULL);
		_exit(99);
	});
	CHECK_EXIT(pid, 0);
	pid = CHILD({
		struct itimerval it = {.it_value = {0, 100000}};
		OK(setitimer(ITIMER_REAL, &it, NULL));
		execl(self(), "x", "--sleep", NULL);
		_exit(99);
	});
	CHECK_SIGNALED(pid, SIGALRM);
}

TEST_MEM(memory_gone, 48, "memory of the old program that the new one can see or that is not freed")
{
	pid_t pid = CHILD({
		char *p = ut_map(8 << 20);
		memset(p, 'x', 8 << 20);
		execl(self(), "x", "--sleep", NULL);
		_exit(99);
	});
	long rss = 1 << 30;
	char comm[64];
	for (int i = 0; i < 2000; i++) {
		char path[64];
		sprintf(path, "/proc/%d/cmdline", pid);
		if (ut_slurp(path, comm, sizeof(comm)) > 0 && !strcmp(comm, "x"))
			break;
		ut_msleep(2);
	}
	ut_wait_state(pid, 'S');
	rss = ut_status(pid, "VmRSS");
	CHECK(rss > 0 && rss < 2048);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

/*
 * ELF files made by hand: a header, program headers, and code that exits with 42.
 */
struct tiny {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	unsigned char code[16];
};

static struct tiny tiny(void)
{
	struct tiny t = {
		.eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		       .e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_entry = 0x400000 + offsetof(struct tiny, code),
		       .e_phoff = offsetof(struct tiny, ph),
		       .e_ehsize = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 1},
		.ph = {{.p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_vaddr = 0x400000,
			.p_filesz = sizeof(struct tiny),
			.p_memsz = sizeof(struct tiny),
			.p_align = PAGE}},
		.code = {0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b},
	};

	return t;
}

static int run_tiny(const struct tiny *t)
{
	char *argv[] = {"tiny", NULL};
	int fd = OK(open("tiny", O_WRONLY | O_CREAT | O_TRUNC, 0755));

	OK(write(fd, t, sizeof(*t)));
	OK(close(fd));
	int st = run_status("./tiny", argv);
	return WIFEXITED(st) && WEXITSTATUS(st) > 200 ? -(WEXITSTATUS(st) - 200) : st;
}

TEST(elf_tiny, "the smallest program: one segment, no sections")
{
	struct tiny t = tiny();

	CHECK_EQ(run_tiny(&t), 42 << 8);
	t.eh.e_type = ET_DYN; /* position independent */
	t.eh.e_entry -= 0x400000;
	t.ph[0].p_vaddr = 0;
	CHECK_EQ(run_tiny(&t), 42 << 8);
}

TEST(elf_header, "headers that are wrong: ENOEXEC for each field that matters")
{
	struct tiny t;

#define WRONG(field, value)                                           \
	do {                                                          \
		t = tiny();                                           \
		t.field = value;                                      \
		int r = run_tiny(&t);                                 \
		if (r != -ENOEXEC)                                    \
			FAIL(#field " = " #value ": %d (%#x)", r, r); \
	} while (0)
	WRONG(eh.e_ident[0], 'x');
	WRONG(eh.e_ident[3], 'x');
	WRONG(eh.e_type, ET_REL);
	WRONG(eh.e_type, ET_CORE);
	WRONG(eh.e_machine, EM_AARCH64);
	WRONG(eh.e_phentsize, 32);
	WRONG(eh.e_phnum, 0);
	WRONG(eh.e_phnum, 5000);
}

TEST(elf_truncated, "a header or a table that ends with the file")
{
	struct tiny t = tiny();
	char *argv[] = {"tiny", NULL};

	for (size_t len = 4; len < sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr); len += 12) {
		int fd = OK(open("tiny", O_WRONLY | O_CREAT | O_TRUNC, 0755));
		OK(write(fd, &t, len));
		close(fd);
		int st = run_status("./tiny", argv);
		CHECK(WIFSIGNALED(st) || WEXITSTATUS(st) > 200);
	}
}

TEST(elf_segments, "segments in kernel memory, overlapping the end of user memory, or too long")
{
	struct tiny t;
	int r;

	t = tiny();
	t.ph[0].p_vaddr = 0xffff888000000000;
	r = run_tiny(&t);
	CHECK(r < 0 || WIFSIGNALED(r));
	t = tiny();
	t.ph[0].p_memsz = 1UL << 62;
	r = run_tiny(&t);
	CHECK(r < 0 || WIFSIGNALED(r));
	t = tiny();
	t.ph[0].p_memsz = 8; /* smaller than in the file */
	r = run_tiny(&t);
	CHECK(r < 0 || WIFSIGNALED(r));
	t = tiny();
	t.ph[0].p_offset = 1; /* not congruent to the address */
	r = run_tiny(&t);
	CHECK(r < 0 || WIFSIGNALED(r));
	t = tiny();
	t.eh.e_entry = 0xdead0000;
	r = run_tiny(&t);
	CHECK(WIFSIGNALED(r) && WTERMSIG(r) == SIGSEGV);
	t = tiny();
	t.eh.e_entry = 0xffffffff80000000;
	r = run_tiny(&t);
	CHECK(r < 0 || (WIFSIGNALED(r) && WTERMSIG(r) == SIGSEGV));
	t = tiny();
	t.ph[0].p_flags = PF_R; /* not executable */
	r = run_tiny(&t);
	CHECK(WIFSIGNALED(r) && WTERMSIG(r) == SIGSEGV);
}

TEST(elf_bss, "bss that is not zero: in the last page of the file's data, and behind it")
{
	struct tiny t = tiny();
	/* lea bss(%rip): add up all bytes from the end of the file part; exit(sum != 0) */
	static const unsigned char code[] = {
		0x31, 0xff,                   /* xor edi, edi */
		0xbe, 0x00, 0x11, 0x60, 0x00, /* mov esi, 0x601100 */
		0xb9, 0x00, 0x20, 0x00, 0x00, /* mov ecx, 0x2000 */
		0x0a, 0x06, 0x48, 0xff, 0xc6, /* l: or al, [rsi]; inc rsi */
		0xe2, 0xf9,                   /* loop l */
		0x0f, 0xb6, 0xf8,             /* movzx edi, al */
		0xb8, 60,   0,    0,    0,    0x0f, 0x05,
	};
	static char file[3 * PAGE];
	char *argv[] = {"b", NULL};

	memset(file, 0xee, sizeof(file));
	t.eh.e_phnum = 2;
	t.eh.e_entry = 0x400200;
	t.ph[0].p_filesz = t.ph[0].p_memsz = 0x300;
	t.ph[1] = (Elf64_Phdr){.p_type = PT_LOAD,
			       .p_flags = PF_R | PF_W,
			       .p_offset = 0x1000,
			       .p_vaddr = 0x601000,
			       .p_filesz = 0x100,
			       .p_memsz = 0x2200,
			       .p_align = PAGE};
	memcpy(file, &t, sizeof(t));
	memcpy(file + 0x200, "\x31\xc0", 2); /* xor eax, eax */
	memcpy(file + 0x202, code, sizeof(code));
	int fd = OK(open("b", O_WRONLY | O_CREAT | O_TRUNC, 0755));
	OK(write(fd, file, sizeof(file)));
	close(fd);
	CHECK_EQ(run_status("./b", argv), 0);
}

TEST(elf_interp, "PT_INTERP: the interpreter runs; a missing one is ENOENT")
{
	static char file[PAGE];
	struct tiny t = tiny();
	char *argv[] = {"i", NULL};
	char cwd[200], path[256];

	OK(getcwd(cwd, sizeof(cwd)) ? 0 : -1);
	/* the interpreter: a position-independent program that exits with 42 */
	struct tiny in = tiny();
	in.eh.e_type = ET_DYN;
	in.eh.e_entry -= 0x400000;
	in.ph[0].p_vaddr = 0;
	in.ph[0].p_flags = PF_R | PF_W | PF_X; /* Linux clears the rest of its last page */
	int fd = OK(open("interp", O_WRONLY | O_CREAT | O_TRUNC, 0755));
	OK(write(fd, &in, sizeof(in)));
	close(fd);

	snprintf(path, sizeof(path), "%s/interp", cwd);
	t.eh.e_phnum = 2;
	t.ph[1] = t.ph[0];
	t.ph[1].p_filesz = t.ph[1].p_memsz = PAGE;
	t.ph[0] = (Elf64_Phdr){.p_type = PT_INTERP,
			       .p_flags = PF_R,
			       .p_offset = 0x200,
			       .p_vaddr = 0x400200,
			       .p_filesz = strlen(path) + 1,
			       .p_memsz = strlen(path) + 1};
	t.code[1] = 7; /* were it run itself, it would exit with 7 */
	memcpy(file, &t, sizeof(t));
	strcpy(file + 0x200, path);
	fd = OK(open("i", O_WRONLY | O_CREAT | O_TRUNC, 0755));
	OK(write(fd, file, sizeof(file)));
	close(fd);
	CHECK_EQ(run_status("./i", argv), 42 << 8);
	OK(unlink("interp"));
	CHECK_EQ(exec_errno("./i"), ENOENT);
	ut_spew("interp", "no ELF");
	OK(chmod("interp", 0755));
	int e = exec_errno("./i");
	CHECK(e == ELIBBAD || e == EIO || e == ENOEXEC || e == 50);
	/* a name that is not terminated */
	((Elf64_Phdr *)(file + offsetof(struct tiny, ph)))->p_filesz--;
	fd = OK(open("i", O_WRONLY | O_CREAT | O_TRUNC, 0755));
	OK(write(fd, file, sizeof(file)));
	close(fd);
	CHECK_EQ(exec_errno("./i"), ENOEXEC);
}

TEST(elf_stack_flags, "PT_GNU_STACK that asks for an executable stack, or none")
{
	char line[256];
	int x = 0;

	REQUIRE(ut_maps_line(0, &x, line, sizeof(line)));
	CHECK(strstr(line, " rw-p ") != NULL);
	CHECK(strstr(line, "[stack]") != NULL);
}

/*
 * An entry point that looks at what it was given: exits with 1 if a general register is not 0, with 2
 * if a vector register is not, with 4 if MXCSR is not the usual.
 */
extern char probe_entry[];
__asm__(".text\n"
	"probe_entry:\n"
	"or %rax, %rbx; or %rcx, %rbx; or %rdx, %rbx; or %rsi, %rbx; or %rdi, %rbx; or %rbp, %rbx\n"
	"or %r8, %rbx; or %r9, %rbx; or %r10, %rbx; or %r11, %rbx; or %r12, %rbx; or %r13, %rbx\n"
	"or %r14, %rbx; or %r15, %rbx\n"
	"por %xmm1, %xmm0; por %xmm2, %xmm0; por %xmm3, %xmm0; por %xmm4, %xmm0; por %xmm5, %xmm0\n"
	"por %xmm6, %xmm0; por %xmm7, %xmm0; por %xmm8, %xmm0; por %xmm9, %xmm0\n"
	"por %xmm10, %xmm0; por %xmm11, %xmm0; por %xmm12, %xmm0; por %xmm13, %xmm0\n"
	"por %xmm14, %xmm0; por %xmm15, %xmm0\n"
	"xor %edi, %edi\n"
	"test %rbx, %rbx; jz 1f; or $1, %edi; 1:\n"
	"movq %xmm0, %rax; psrldq $8, %xmm0; movq %xmm0, %rdx; or %rdx, %rax; jz 1f; or $2, %edi; 1:\n"
	"stmxcsr -8(%rsp); cmpl $0x1f80, -8(%rsp); je 1f; or $4, %edi; 1:\n"
	"mov $60, %eax; syscall\n");

/* execve with something in every register. */
static void exec_with_full_registers(const char *path)
{
	static char *const argv[] = {"probe", NULL};
	unsigned mxcsr = 0x5f80;

	__asm__ volatile("ldmxcsr %0\n"
			 "pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm1; movaps %%xmm0, %%xmm5\n"
			 "movaps %%xmm0, %%xmm8; movaps %%xmm0, %%xmm15\n"
			 "mov $-1, %%rbx; mov $-1, %%r8; mov $-1, %%r9; mov $-1, %%r10\n"
			 "mov $-1, %%r12; mov $-1, %%r13; mov $-1, %%r14; mov $-1, %%r15\n"
			 "syscall"
			 :
			 : "m"(mxcsr), "a"(SYS_execve), "D"(path), "S"(argv), "d"(environ)
			 : "memory", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
			   "r15", "xmm0", "xmm1", "xmm5", "xmm8", "xmm15");
	_exit(99);
}

TEST(registers, "a new program that finds the old one's registers")
{
	Elf64_Ehdr eh;

	copy_file(self(), "probe", 0755);
	int fd = OK(open("probe", O_RDWR));
	CHECK_EQ(read(fd, &eh, sizeof(eh)), sizeof(eh));
	eh.e_entry += (uintptr_t)probe_entry - getauxval(AT_ENTRY);
	CHECK_EQ(pwrite(fd, &eh, sizeof(eh), 0), sizeof(eh));
	OK(close(fd));
	pid_t pid = CHILD({ exec_with_full_registers("./probe"); });
	CHECK_EXIT(pid, 0);
}

TEST(text_shared, "text pages that each process has for itself")
{
	const char *code = (void *)(uintptr_t)ut_helper;
	uint64_t mine = ut_pagemap(code);

	if (getuid() != 0 || !(mine & PM_PRESENT))
		SKIP("frame numbers are for root");
	pid_t pid = CHILD({
		execl("/proc/self/exe", "x", "--sleep", NULL);
		_exit(99);
	});
	char comm[64], path[64];
	sprintf(path, "/proc/%d/cmdline", pid);
	for (int i = 0; i < 2000 && !(ut_slurp(path, comm, sizeof(comm)) > 0 && !strcmp(comm, "x"));
	     i++)
		ut_msleep(2);
	ut_wait_state(pid, 'S');
	uint64_t theirs = ut_pagemap_of(pid, code);
	CHECK(theirs & PM_PRESENT);
	CHECK_EQ(PM_PFN(theirs), PM_PFN(mine));
	CHECK(theirs & PM_FILE);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(busy_text, "a file that is open for writing run all the same: ETXTBSY")
{
	copy_file(self(), "t", 0755);
	int fd = OK(open("t", O_WRONLY));
	CHECK_EQ(exec_errno("./t"), ETXTBSY);
	close(fd);
	CHECK_EQ(exec_errno("./t"), 0);
}

TEST(unlinked, "a program whose file is gone while it runs")
{
	char link[300], path[64];

	copy_file(self(), "gone", 0755);
	pid_t pid = CHILD({
		execl("./gone", "x", "--sleep", NULL);
		_exit(99);
	});
	sprintf(path, "/proc/%d/cmdline", pid);
	char comm[64];
	for (int i = 0; i < 2000 && !(ut_slurp(path, comm, sizeof(comm)) > 0 && !strcmp(comm, "x"));
	     i++)
		ut_msleep(2);
	OK(unlink("gone"));
	sprintf(path, "/proc/%d/exe", pid);
	ssize_t n = OK(readlink(path, link, sizeof(link) - 1));
	link[n] = 0;
	CHECK(strstr(link, "/gone (deleted)") != NULL);
	OK(kill(pid, SIGTERM));
	CHECK_SIGNALED(pid, SIGTERM);
}

TEST(execveat, "execveat by descriptor")
{
	char *argv[] = {"x", "--code", "33", NULL};
	pid_t pid = CHILD({
		int fd = OK(open(self(), O_RDONLY));
		syscall(SYS_execveat, fd, "", argv, environ, 0x1000 /* AT_EMPTY_PATH */);
		_exit(errno == ENOSYS ? 250 : 99);
	});
	int st;
	OK(waitpid(pid, &st, 0));
	if (WEXITSTATUS(st) == 250)
		SKIP_LINUX("ENOSYS: execveat");
	CHECK_EQ(st, 33 << 8);
}

TEST(not_readable, "a program that may be run but not read")
{
	copy_file(self(), "xonly", 0711);
	OK(chown("xonly", 0, 0));
	OK(chmod("xonly", 0711));
	char *argv[] = {"x", "--code", "5", NULL};
	pid_t pid = CHILD({
		OK(setgid(1000));
		OK(setuid(1000));
		CHECK_ERRNO(open("xonly", O_RDONLY), EACCES);
		CHECK_EQ(run_status("./xonly", argv), 5 << 8);
	});
	CHECK_EXIT(pid, 0);
	OK(chmod("xonly", 0700));
	pid = CHILD({
		OK(setuid(1000));
		CHECK_EQ(exec_errno("./xonly"), EACCES);
	});
	CHECK_EXIT(pid, 0);
}

TEST(setuid_bit, "set-user-id files: effective ids of the file, AT_SECURE, closed to their caller")
{
	copy_file("/proc/self/exe", "suid", 0755);
	OK(chown("suid", 4321, 4322));
	OK(chmod("suid", 06755));
	char out[128], *argv[] = {"suid", "--euid", NULL};
	pid_t pid = CHILD({
		OK(setgid(1000));
		OK(setuid(1000));
		CHECK_EQ(run("./suid", argv, environ, out, sizeof(out)), 0);
		CHECK_STR(out, "1000 4321 1000 4322 secure=1 dumpable=0\n");
	});
	CHECK_EXIT(pid, 0);
}

static long execat(int dfd, const char *path, int flags)
{
	char *argv[] = {"sh", "-c", "exit 7", NULL}, *envp[] = {NULL};

	return syscall(SYS_execveat, dfd, path, argv, envp, flags);
}

TEST(execveat_names,
     "a program named by a descriptor, relative to one, or behind a link not followed")
{
	int dir = OK(open("/bin", O_RDONLY | O_DIRECTORY));
	int sh = OK(open("/bin/sh", O_RDONLY)), path = OK(open("/bin/sh", O_PATH | O_CLOEXEC));

	NEEDS(execat(-1, "sh", 0x8000));
	CHECK_EXIT(CHILD({ OK(execat(dir, "sh", 0)); }), 7);
	CHECK_EXIT(CHILD({ OK(execat(-1, "/bin/sh", 0)); }), 7);
	CHECK_EXIT(CHILD({ OK(execat(sh, "", AT_EMPTY_PATH)); }), 7);
	CHECK_EXIT(CHILD({ OK(execat(path, "", AT_EMPTY_PATH)); }), 7);
	CHECK_ERRNO(execat(sh, "", 0), ENOENT);
	CHECK_ERRNO(execat(dir, "absent", 0), ENOENT);
	CHECK_ERRNO(execat(-1, "sh", 0), EBADF);
	CHECK_ERRNO(execat(sh, "sh", 0), ENOTDIR);
	CHECK_ERRNO(execat(dir, "", AT_EMPTY_PATH), EACCES);
	CHECK_ERRNO(execat(dir, "sh", 1), EINVAL);
	OK(symlink("/bin/sh", "link"));
	CHECK_EXIT(CHILD({ OK(execat(AT_FDCWD, "link", 0)); }), 7);
	CHECK_ERRNO(execat(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW), ELOOP);
}

TEST(execveat_script, "a script run by descriptor: its interpreter must be able to open it")
{
	int fd = ut_file("script", "#!/bin/sh\nexit 9\n", 17);

	NEEDS(execat(-1, "sh", 0x8000));
	if (symlink("/proc/self/fd", "/dev/fd"))
		CHECK_EQ(errno, EEXIST);
	OK(fchmod(fd, 0755));
	OK(close(fd));
	fd = OK(open("script", O_RDONLY));
	CHECK_EXIT(CHILD({ OK(execat(fd, "", AT_EMPTY_PATH)); }), 9);
	CHECK_EXIT(CHILD({ OK(execat(OK(open(".", O_RDONLY)), "script", 0)); }), 9);
	OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
	CHECK_ERRNO(execat(fd, "", AT_EMPTY_PATH), ENOENT);
}
