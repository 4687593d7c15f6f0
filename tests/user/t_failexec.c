/* SPDX-License-Identifier: MIT */
/*
 * Allocations that fail where there is nobody to tell: in execve, beyond the point of no return, and in
 * page faults. The rest is t_failnth.c's; each of both runs with N = 1, 2, ... until none fails.
 */
#include "ledger.h"

#define FAIL_FD 200
#define MAX_N   400
#define RW      (PROT_READ | PROT_WRITE)
#define AP      (MAP_PRIVATE | MAP_ANONYMOUS)

static char *area; /* two pages that are there */

static void set_up(void)
{
	sigset_t all;
	int fd;

	if (access("/proc/self/fail-nth", F_OK) < 0)
		SKIP("no fault injection");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	area = ut_map(2 * PAGE);
	memset(area, 0, 2 * PAGE);
	OK(mlockall(MCL_CURRENT)); /* no page becomes the program's own later on */
	OK(munlockall());
	fd = ut_file("f", area, 2 * PAGE);
	CHECK_EQ(dup2(fd, 3), 3);
	if (fd != 3)
		close(fd);
}

static int is_armed(void);

/* Programs that are executed ask how far the countdown is, and leave. */
int ut_helper(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "helper"))
		return -1;
	return is_armed() ? 42 : 43;
}

static void arm(int n)
{
	int fd = OK(open("/proc/self/fail-nth", O_RDWR));
	char text[32];

	OK(dup2(fd, FAIL_FD));
	close(fd);
	snprintf(text, sizeof(text), "%d", n);
	OK(write(FAIL_FD, text, strlen(text)));
}

static int is_armed(void)
{
	char text[32] = "";

	return pread(FAIL_FD, text, sizeof(text) - 1, 0) > 0 && atol(text) > 0;
}

/* The wait status of a child that executes it; it goes on counting in the new program. */
static int exec_with(char *const argv[], int n)
{
	int status = 0;
	pid_t pid = OK(fork());

	if (pid == 0) {
		int null = OK(open("/dev/null", O_WRONLY));

		dup2(null, 1);
		dup2(null, 2);
		arm(n);
		execve(argv[0], argv, environ);
		status = errno;
		if (write(FAIL_FD, "0", 1) < 0)
			_exit(46);
		_exit(status == ENOMEM ? 44 : 128 + status);
	}
	OK(waitpid(pid, &status, 0));
	return status;
}

/* N as far as max, or until the program exits with good. */
static void walk_exec(char *const argv[], int max, int good)
{
	static char was[LEDGER_SIZE];
	int failed = 0, n, status;

	for (int warm = 1; warm >= 0; warm--) {
		for (n = 1; n < max; n++) {
			status = exec_with(argv, n);
			if (WIFEXITED(status) && WEXITSTATUS(status) == good)
				break;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 44)
				failed++;
			else if (WIFEXITED(status) && WEXITSTATUS(status) > 127)
				FAIL("%s, allocation %d: %s", argv[0], n,
				     ut_errname(WEXITSTATUS(status) - 128));
		}
		CHECK(failed > 5);
		if (!warm)
			ledger_compare(argv[0], was);
		ledger_still(was);
	}
	CHECK(good < 0 || n < max);
}

TEST_MEM(execve, 128, "an execve that loses memory, or comes back to a program that is gone")
{
	char *helper[] = {"/proc/self/exe", "helper", NULL};
	char *dynamic[] = {"/tests/dyn/g_hello", NULL};

	set_up();
	ut_spew("script", "#!/tests/t_failexec helper\n");
	chmod("script", 0755);
	walk_exec(helper, MAX_N, 42);
	walk_exec((char *[]){"./script", NULL}, MAX_N, 42);
	if (access(dynamic[0], X_OK) == 0)
		walk_exec(dynamic, 120, -1);
}

static volatile int handled;

static void on_usr1(int sig)
{
	handled += sig == SIGUSR1;
}

/* A call that is refused ends the child: this is about faults. */
#define MAY_FAIL(call)                        \
	({                                    \
		__typeof__(call) r_ = (call); \
		if ((long)r_ == -1)           \
			_exit(43);            \
		r_;                           \
	})

/* Page faults of each kind, and a signal's frame on a stack that is not there yet. */
static void fault_everywhere(char *cow)
{
	stack_t ss = {.ss_sp = MAY_FAIL(mmap((void *)0x500000000000, 64 * 1024, RW, AP, -1, 0)),
		      .ss_size = 64 * 1024};
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
	char *anon = MAY_FAIL(mmap((void *)0x600000000000, 4 * PAGE, RW, AP, -1, 0));
	char *file = MAY_FAIL(mmap((void *)0x610000000000, 2 * PAGE, RW, MAP_SHARED, 3, 0));
	char *mine = MAY_FAIL(mmap((void *)0x620000000000, 2 * PAGE, RW, MAP_PRIVATE, 3, 0));

	CHECK(anon[0] == 0 && anon[PAGE] == 0);
	anon[PAGE] = anon[2 * PAGE] = cow[0] = cow[PAGE] = 1;
	CHECK(file[0] == 0 && mine[0] == 0);
	file[PAGE] = mine[PAGE] = 0;
	MAY_FAIL(sigaltstack(&ss, NULL));
	MAY_FAIL(sigaction(SIGUSR1, &sa, NULL));
	raise(SIGUSR1);
	CHECK_EQ(handled, 1);
}

/* Where the kernel reaches for the program's stack and gets none, it is SIGSEGV, as on Linux. */
TEST_MEM(faults, 128, "a page fault without a page that is not tried again, or that loses one")
{
	static char was[LEDGER_SIZE];
	sigset_t usr1;
	int n, status;

	set_up();
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	for (int warm = 1; warm >= 0; warm--) {
		for (n = 1; n < MAX_N; n++) {
			pid_t pid = OK(fork());

			if (pid == 0) {
				arm(n);
				fault_everywhere(area);
				_exit(is_armed() ? 42 : 43);
			}
			OK(waitpid(pid, &status, 0));
			if (WIFEXITED(status) && WEXITSTATUS(status) == 42)
				break;
			if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) &&
			    !(WIFEXITED(status) && WEXITSTATUS(status) == 43))
				FAIL("allocation %d: status %#x", n, status);
		}
		/* Some 25; fewer where a CPU has page tables in stock from another child. */
		CHECK(n > 10 && n < MAX_N);
		if (!warm)
			ledger_compare("a page fault", was);
		ledger_still(was);
	}
}
