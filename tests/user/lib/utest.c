/* SPDX-License-Identifier: MIT */
/*
 * The test library: see utest.h for what it offers.
 *
 * The parent of a test keeps nothing in memory shared with it, since memory is what is being
 * tested. A failed CHECK, in whatever process, writes a byte to a pipe whose descriptor stands
 * above those that a test would count on; a skip writes its reason there. The parent reads it
 * after the test has ended.
 *
 *	t_foo				all tests of the program
 *	t_foo -l			list names and purposes
 *	t_foo NAME…			only these
 */
#include "utest.h"

#include <ftw.h>

#define FAILURES_SHOWN 20  /* of a process: a loop may find the same again and again */
#define REPORT_FD      250 /* below any sensible RLIMIT_NOFILE, above what a test opens */

unsigned ut_seconds = UT_SECONDS;
static struct ut_case *cases, **cases_end = &cases;
static const char *suite;
static int report_fd = -1;
static int failures; /* of this process */
static volatile pid_t running;
static volatile sig_atomic_t timed_out;

void ut_register(struct ut_case *c)
{
	*cases_end = c;
	cases_end = &c->next;
}

/* One write a line, so that the lines of several processes do not mix. */
static void say(const char *prefix, const char *fmt, va_list ap)
{
	char line[1024];
	int n = snprintf(line, sizeof(line) - 1, "%s", prefix);
	int m = vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);

	n += m < (int)sizeof(line) - 2 - n ? m : (int)sizeof(line) - 2 - n;
	line[n++] = '\n';
	if (write(1, line, n) < 0)
		_exit(3);
}

void ut_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("# ", fmt, ap);
	va_end(ap);
}

static void report(const char *text, size_t len)
{
	if (report_fd >= 0 && write(report_fd, text, len) < 0 && errno != EAGAIN)
		_exit(3);
}

void ut_fail(const char *file, int line, const char *fmt, ...)
{
	char where[128];
	const char *base = strrchr(file, '/');
	int saved = errno;
	va_list ap;

	snprintf(where, sizeof(where), "# %s:%d: ", base ? base + 1 : file, line);
	va_start(ap, fmt);
	if (__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED) < FAILURES_SHOWN)
		say(where, fmt, ap);
	va_end(ap);
	report("F", 1);
	errno = saved;
}

void ut_abort(void)
{
	_exit(1);
}

void ut_child_exit(void)
{
	_exit(failures ? 1 : 0);
}

void ut_skip(const char *fmt, ...)
{
	char why[256] = "S";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why + 1, sizeof(why) - 1, fmt, ap);
	va_end(ap);
	report(why, strlen(why));
	_exit(failures ? 1 : 77);
}

#define E(x) [x] = #x
static const char *const errnames[] = {
	E(EPERM),      E(ENOENT),    E(ESRCH),     E(EINTR),  E(EIO),     E(ENXIO),
	E(E2BIG),      E(ENOEXEC),   E(EBADF),     E(ECHILD), E(EAGAIN),  E(ENOMEM),
	E(EACCES),     E(EFAULT),    E(ENOTBLK),   E(EBUSY),  E(EEXIST),  E(EXDEV),
	E(ENODEV),     E(ENOTDIR),   E(EISDIR),    E(EINVAL), E(ENFILE),  E(EMFILE),
	E(ENOTTY),     E(ETXTBSY),   E(EFBIG),     E(ENOSPC), E(ESPIPE),  E(EROFS),
	E(EMLINK),     E(EPIPE),     E(EDOM),      E(ERANGE), E(EDEADLK), E(ENAMETOOLONG),
	E(ENOLCK),     E(ENOSYS),    E(ENOTEMPTY), E(ELOOP),  E(ENODATA), E(EOVERFLOW),
	E(EOPNOTSUPP), E(ETIMEDOUT), E(ENOTSOCK),
};

const char *ut_errname(int e)
{
	static char buf[16];

	if (e == 0)
		return "success";
	if (e > 0 && e < (int)(sizeof(errnames) / sizeof(errnames[0])) && errnames[e])
		return errnames[e];
	snprintf(buf, sizeof(buf), "errno %d", e);
	return buf;
}

#define S(x) [x] = #x
static const char *const signames[] = {
	S(SIGHUP),  S(SIGINT),  S(SIGQUIT), S(SIGILL),  S(SIGTRAP), S(SIGABRT),
	S(SIGBUS),  S(SIGFPE),  S(SIGKILL), S(SIGUSR1), S(SIGSEGV), S(SIGUSR2),
	S(SIGPIPE), S(SIGALRM), S(SIGTERM), S(SIGCHLD), S(SIGCONT), S(SIGSTOP),
	S(SIGTSTP), S(SIGTTIN), S(SIGTTOU), S(SIGXCPU), S(SIGXFSZ), S(SIGSYS),
};

const char *ut_signame(int sig)
{
	static char buf[16];

	if (sig > 0 && sig < (int)(sizeof(signames) / sizeof(signames[0])) && signames[sig])
		return signames[sig];
	snprintf(buf, sizeof(buf), "signal %d", sig);
	return buf;
}

void ut_check_eq(const char *file, int line, const char *as, const char *bs, long a, long b)
{
	if (a != b)
		ut_fail(file, line, "%s is %ld (%#lx), not %s = %ld (%#lx)", as, a, a, bs, b, b);
}

void ut_check_str(const char *file, int line, const char *as, const char *a, const char *b)
{
	if (!a || strcmp(a, b))
		ut_fail(file, line, "%s is \"%s\", not \"%s\"", as, a ? a : "(null)", b);
}

void ut_check_errno(const char *file, int line, const char *call, long r, int err, int want)
{
	if (r != -1)
		ut_fail(file, line, "%s returned %ld (%#lx), not -1 with %s", call, r, r,
			ut_errname(want));
	else if (err != want)
		ut_fail(file, line, "%s failed with errno %d (%s), not %s", call, err,
			strerror(err), ut_errname(want));
}

void ut_ok(const char *file, int line, const char *call, long r, int err)
{
	if (r != -1)
		return;
	ut_fail(file, line, "%s failed: %s", call, ut_errname(err));
	ut_abort();
}

static pid_t wait_for(pid_t pid, int *status)
{
	pid_t r;

	do {
		r = waitpid(pid, status, 0);
	} while (r < 0 && errno == EINTR);
	return r;
}

static void describe(int status, char *buf, size_t len)
{
	if (WIFEXITED(status))
		snprintf(buf, len, "exited with %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		snprintf(buf, len, "was killed by %s", ut_signame(WTERMSIG(status)));
	else
		snprintf(buf, len, "has wait status %#x", status);
}

void ut_check_exit(const char *file, int line, pid_t pid, int code)
{
	char how[64];
	int status;

	if (wait_for(pid, &status) != pid) {
		ut_fail(file, line, "waitpid: %s", ut_errname(errno));
	} else if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
		describe(status, how, sizeof(how));
		ut_fail(file, line, "the child %s, not: exited with %d", how, code);
	}
}

void ut_check_signaled(const char *file, int line, pid_t pid, int sig)
{
	char how[64];
	int status;

	if (wait_for(pid, &status) != pid) {
		ut_fail(file, line, "waitpid: %s", ut_errname(errno));
	} else if (!WIFSIGNALED(status) || WTERMSIG(status) != sig) {
		describe(status, how, sizeof(how));
		ut_fail(file, line, "the child %s, not: killed by %s", how, ut_signame(sig));
	}
}

/*
 * Faults on purpose
 */
static sigjmp_buf fault_jmp;
static struct ut_fault fault;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	fault.err = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_ERR];
	fault.sig = sig;
	fault.code = si->si_code;
	fault.addr = si->si_addr;
	siglongjmp(fault_jmp, 1);
}

enum access { READ, WRITE, EXEC };

static struct ut_fault access_memory(volatile char *p, enum access how)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	struct sigaction segv, bus, ill;

	sigemptyset(&sa.sa_mask);
	sigaction(SIGSEGV, &sa, &segv);
	sigaction(SIGBUS, &sa, &bus);
	sigaction(SIGILL, &sa, &ill);
	fault = (struct ut_fault){0};
	if (sigsetjmp(fault_jmp, 1) == 0) {
		if (how == READ)
			(void)*p;
		else if (how == WRITE)
			*p = *p + 0; /* a read and a write: the value stays */
		else
			((void (*)(void))(uintptr_t)p)();
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGILL, &ill, NULL);
	return fault;
}

struct ut_fault ut_read(const volatile void *p)
{
	return access_memory((volatile char *)p, READ);
}

struct ut_fault ut_write(volatile void *p)
{
	return access_memory(p, WRITE);
}

struct ut_fault ut_exec(void *p)
{
	return access_memory(p, EXEC);
}

void ut_check_fault(const char *file, int line, const char *what, struct ut_fault f, int sig,
		    int code, void *addr)
{
	if (f.sig != sig)
		ut_fail(file, line, "%s: %s, not %s", what, f.sig ? ut_signame(f.sig) : "no fault",
			sig ? ut_signame(sig) : "no fault");
	else if (sig && f.code != code)
		ut_fail(file, line, "%s: si_code %d, not %d", what, f.code, code);
	else if (sig && f.addr != addr)
		ut_fail(file, line, "%s: si_addr %p, not %p", what, f.addr, addr);
}

/*
 * Memory, and what /proc says about it
 */
void *ut_map_prot(size_t len, int prot)
{
	return OK(mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

void *ut_map(size_t len)
{
	return ut_map_prot(len, PROT_READ | PROT_WRITE);
}

void *ut_map_alone(size_t len)
{
	char *p = ut_map_prot(len + 2 * PAGE, PROT_NONE);

	len = (len + PAGE - 1) & ~(PAGE - 1);
	return OK(mmap(p + PAGE, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

static void proc_path(char *buf, size_t len, pid_t pid, const char *file)
{
	if (pid)
		snprintf(buf, len, "/proc/%d/%s", pid, file);
	else
		snprintf(buf, len, "/proc/self/%s", file);
}

uint64_t ut_pagemap_of(pid_t pid, const volatile void *p)
{
	uint64_t e = 0;
	char path[64];
	int fd;

	proc_path(path, sizeof(path), pid, "pagemap");
	fd = OK(open(path, O_RDONLY | O_CLOEXEC));
	if (pread(fd, &e, 8, (uintptr_t)p / PAGE * 8) != 8)
		e = 0;
	close(fd);
	return e;
}

uint64_t ut_pagemap(const volatile void *p)
{
	return ut_pagemap_of(0, p);
}

/*
 * Lines of a file, without the C library's buffers: what is looked at must not change by looking.
 */
static struct {
	int fd;
	size_t at, n;
	char buf[4096];
} reader;

static void open_lines(const char *path)
{
	reader.fd = open(path, O_RDONLY | O_CLOEXEC);
	reader.at = reader.n = 0;
	if (reader.fd < 0) {
		ut_fail(__FILE__, __LINE__, "%s: %s", path, ut_errname(errno));
		ut_abort();
	}
}

static int next_char(void)
{
	if (reader.at == reader.n) {
		ssize_t n = read(reader.fd, reader.buf, sizeof(reader.buf));

		reader.at = 0;
		reader.n = n > 0 ? n : 0;
		if (n <= 0)
			return -1;
	}
	return (unsigned char)reader.buf[reader.at++];
}

/* The next line without its end; 0 at the end of the file. */
static int next_line(char *line, size_t len)
{
	size_t n = 0;
	int c;

	while ((c = next_char()) >= 0 && c != '\n')
		if (n < len - 1)
			line[n++] = c;
	line[n] = 0;
	return c >= 0 || n > 0;
}

static void close_lines(void)
{
	close(reader.fd);
}

/* Both files have lines "start-end rights …" that open an area. */
static void open_areas(pid_t pid, const char *file)
{
	char path[64];

	proc_path(path, sizeof(path), pid, file);
	open_lines(path);
}

static int area_line(const char *line, unsigned long *start, unsigned long *end)
{
	return sscanf(line, "%lx-%lx ", start, end) == 2;
}

int ut_maps_line(pid_t pid, const volatile void *p, char *buf, size_t len)
{
	unsigned long s, e;
	int found = 0;

	open_areas(pid, "maps");
	while (!found && next_line(buf, len))
		found = area_line(buf, &s, &e) && (uintptr_t)p >= s && (uintptr_t)p < e;
	close_lines();
	return found;
}

int ut_maps_count(const volatile void *from, const volatile void *to)
{
	unsigned long s, e;
	char line[512];
	int n = 0;

	open_areas(0, "maps");
	while (next_line(line, sizeof(line)))
		if (area_line(line, &s, &e) && s < (uintptr_t)to && e > (uintptr_t)from)
			n++;
	close_lines();
	return n;
}

long ut_smaps(pid_t pid, const volatile void *p, const char *field)
{
	size_t n = strlen(field);
	unsigned long s, e;
	long value = -1;
	char line[512];
	int here = 0;

	open_areas(pid, "smaps");
	while (next_line(line, sizeof(line))) {
		if (line[0] < 'A' || line[0] > 'Z') {
			if (area_line(line, &s, &e))
				here = (uintptr_t)p >= s && (uintptr_t)p < e;
		} else if (here && !strncmp(line, field, n) && line[n] == ':') {
			value = strtol(line + n + 1, NULL, 10);
			break;
		}
	}
	close_lines();
	return value;
}

long ut_number(const char *path, const char *field)
{
	size_t n = strlen(field);
	char line[512];
	long value = -1;

	open_lines(path);
	while (next_line(line, sizeof(line)))
		if (!strncmp(line, field, n) && (line[n] == ':' || line[n] == ' ')) {
			value = strtol(line + n + 1, NULL, 10);
			break;
		}
	close_lines();
	return value;
}

long ut_status(pid_t pid, const char *field)
{
	char path[64];

	proc_path(path, sizeof(path), pid, "status");
	return ut_number(path, field);
}

int ut_octavo(void)
{
	return access("/proc/octavo", F_OK) == 0;
}

unsigned long ut_memtotal(void)
{
	char buf[128];

	/* Without /proc nothing is known: then every test runs. */
	if (ut_slurp("/proc/meminfo", buf, sizeof(buf)) <= 0 || strncmp(buf, "MemTotal:", 9))
		return ULONG_MAX;
	return strtoul(buf + 9, NULL, 10) / 1024;
}

long ut_minflt(void)
{
	struct rusage ru;

	OK(getrusage(RUSAGE_SELF, &ru));
	return ru.ru_minflt;
}

long ut_majflt(void)
{
	struct rusage ru;

	OK(getrusage(RUSAGE_SELF, &ru));
	return ru.ru_majflt;
}

/*
 * Files, processes, time
 */
int ut_file(const char *name, const void *data, size_t len)
{
	int fd = OK(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));

	if (len && write(fd, data, len) != (ssize_t)len) {
		ut_fail(__FILE__, __LINE__, "write to %s: %s", name, ut_errname(errno));
		ut_abort();
	}
	return fd;
}

ssize_t ut_slurp(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t r;

	if (fd < 0)
		return -1;
	while (n < len - 1 && (r = read(fd, buf + n, len - 1 - n)) > 0)
		n += r;
	close(fd);
	buf[n] = 0;
	return (ssize_t)n;
}

void ut_spew(const char *path, const char *text)
{
	close(ut_file(path, text, strlen(text)));
}

int ut_kmsg(void)
{
	int fd = OK(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));

	OK(lseek(fd, 0, SEEK_END));
	return fd;
}

char *ut_kmsg_next(int fd)
{
	static char record[8192];
	ssize_t n;

	while ((n = read(fd, record, sizeof(record) - 1)) < 0 && errno == EPIPE)
		; /* some were overwritten */
	record[n > 0 ? n : 0] = 0;
	return n > 0 ? record : NULL;
}

void ut_wait_state(pid_t pid, char state)
{
	char path[64], buf[512];
	char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (;;) {
		if (ut_slurp(path, buf, sizeof(buf)) > 0 && (p = strrchr(buf, ')')) &&
		    p[2] == state)
			return;
		ut_msleep(2);
	}
}

void ut_msleep(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

long ut_now_ms(void)
{
	struct timespec ts;

	OK(clock_gettime(CLOCK_MONOTONIC, &ts));
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint32_t ut_rand(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15;

	x = x * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(x >> 33);
}

/*
 * The runner
 */
static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	if (type == FTW_D || type == FTW_DP)
		rmdir(path);
	else
		unlink(path);
	return 0;
}

static void on_timeout(int sig)
{
	(void)sig;
	timed_out = 1;
	if (running > 0) {
		kill(-running, SIGKILL);
		kill(running, SIGKILL);
	}
}

static void run_child(struct ut_case *c, const char *dir)
{
	setpgid(0, 0);
	signal(SIGALRM, SIG_DFL);
	if (mkdir(dir, 0777) < 0 || chmod(dir, 0777) < 0 || chdir(dir) < 0)
		ut_note("%s: %s", dir, ut_errname(errno));
	c->run();
	ut_child_exit();
}

/* What the test's processes wrote to the pipe: failed?, and the reason of a skip. */
static int read_report(int fd, char *why, size_t len)
{
	char buf[512];
	int failed = 0;
	ssize_t n;

	*why = 0;
	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = 0;
		failed |= buf[0] == 'F';
		char *s = strchr(buf, 'S');
		if (s && !*why)
			snprintf(why, len, "%s", s + 1);
	}
	return failed;
}

/* 0 passed, 1 failed, 2 skipped */
static int run_case(struct ut_case *c, int number)
{
	char dir[64], how[64], why[256];
	int fds[2], status = 0, failed;
	pid_t pid;

	if (c->minmem && ut_memtotal() < c->minmem) {
		printf("ok %d %s.%s # SKIP needs %u MiB of RAM\n", number, suite, c->name,
		       c->minmem);
		return 2;
	}
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
		return 1;
	report_fd = fcntl(fds[1], F_DUPFD_CLOEXEC, REPORT_FD);
	close(fds[1]);
	int in = fcntl(fds[0], F_DUPFD_CLOEXEC, REPORT_FD);
	close(fds[0]);
	snprintf(dir, sizeof(dir), "/tmp/ut.%d.%s", getpid(), c->name);

	fflush(stdout);
	timed_out = 0;
	pid = fork();
	if (pid == 0)
		run_child(c, dir);
	if (pid < 0) {
		snprintf(how, sizeof(how), "could not fork: %s", ut_errname(errno));
		failed = 1;
	} else {
		setpgid(pid, pid);
		running = pid;
		alarm(ut_seconds);
		wait_for(pid, &status);
		alarm(0);
		running = 0;
		kill(-pid, SIGKILL); /* what it left behind */
		describe(status, how, sizeof(how));
		failed = !WIFEXITED(status) ||
			 (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 77);
	}
	failed |= read_report(in, why, sizeof(why));
	close(in);
	close(report_fd);
	report_fd = -1;
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	if (failed) {
		if (timed_out)
			ut_note("%s.%s: not done after %u s", suite, c->name, ut_seconds);
		else if (pid < 0 || WIFSIGNALED(status))
			ut_note("%s.%s: %s", suite, c->name, how);
		ut_note("it is there to catch: %s", c->catches);
		printf("not ok %d %s.%s\n", number, suite, c->name);
		return 1;
	}
	if (WEXITSTATUS(status) == 77) {
		printf("ok %d %s.%s # SKIP %s\n", number, suite, c->name, why);
		return 2;
	}
	printf("ok %d %s.%s\n", number, suite, c->name);
	return 0;
}

static int wanted(const struct ut_case *c, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], c->name))
			return 1;
	return argc < 2;
}

/* A test program may be started as a helper of its own tests: see ut_helper in t_exec.c. */
__attribute__((weak)) int ut_helper(int argc, char **argv)
{
	(void)argc, (void)argv;
	return -1;
}

/* Weak: a program with a main of its own (run.c) is linked with this file too. */
__attribute__((weak)) int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_timeout};
	int n = 0, count[3] = {0};
	const char *seconds =
		getenv("UT_SECONDS"); /* on the kernel's command line, for a slow host */
	struct ut_case *c;

	int helper = ut_helper(argc, argv);
	if (helper >= 0)
		return helper;
	if (seconds && (unsigned)atoi(seconds) > ut_seconds)
		ut_seconds = (unsigned)atoi(seconds);
	suite = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	if (!strncmp(suite, "t_", 2))
		suite += 2;
	if (argc > 1 && !strcmp(argv[1], "-l")) {
		for (c = cases; c; c = c->next)
			printf("%s.%s: %s\n", suite, c->name, c->catches);
		return 0;
	}
	sigaction(SIGALRM, &sa, NULL);
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	for (c = cases; c; c = c->next)
		n += wanted(c, argc, argv);
	printf("1..%d\n", n);
	n = 0;
	for (c = cases; c; c = c->next)
		if (wanted(c, argc, argv))
			count[run_case(c, ++n)]++;
	fflush(stdout);
	return count[1] ? 1 : 0;
}
