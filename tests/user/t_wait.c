/* SPDX-License-Identifier: MIT */
/*
 * wait4 and waitid: which child, when, and what is told about it.
 */
#include "utest.h"

#include <sys/prctl.h>

#ifndef TEMP_FAILURE_RETRY
#define TEMP_FAILURE_RETRY(call)                    \
	({                                          \
		long r_;                            \
		do                                  \
			r_ = (call);                \
		while (r_ == -1 && errno == EINTR); \
		r_;                                 \
	})
#endif

#define FOREVER(...)             \
	CHILD({                  \
		__VA_ARGS__      \
		for (;;)         \
			pause(); \
	})

TEST(exit_codes, "an exit status that is cut or shifted")
{
	static const int codes[] = {0, 1, 42, 127, 128, 255, 256, 257, -1};

	for (unsigned i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		int st;
		pid_t pid = CHILD({ _exit(codes[i]); });
		CHECK_EQ(waitpid(pid, &st, 0), pid);
		CHECK_EQ(st, (codes[i] & 0xff) << 8);
	}
}

TEST(signals, "death by a signal told as an exit, or with the wrong number")
{
	static const int sigs[] = {SIGKILL, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGPIPE, 34, 64};

	for (unsigned i = 0; i < sizeof(sigs) / sizeof(*sigs); i++) {
		int st;
		pid_t pid = FOREVER();
		OK(kill(pid, sigs[i]));
		CHECK_EQ(waitpid(pid, &st, 0), pid);
		CHECK_EQ(st, sigs[i]);
	}
}

TEST(no_children, "a wait without children that waits")
{
	CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(1, NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(getpid(), NULL, WNOHANG), ECHILD);
	CHECK_ERRNO(waitpid(0, NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(-12345, NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(-1, NULL, 0x40000), EINVAL);
	CHECK_ERRNO(waitpid(INT_MIN, NULL, 0), ESRCH);
}

TEST(nohang, "WNOHANG that waits, or reports a child that runs")
{
	int go[2], st = 4711;
	char c;

	OK(pipe(go));
	pid_t pid = CHILD({
		close(go[1]);
		OK(read(go[0], &c, 1));
	});
	CHECK_EQ(waitpid(pid, &st, WNOHANG), 0);
	CHECK_EQ(waitpid(-1, &st, WNOHANG), 0);
	CHECK_EQ(st, 4711);
	close(go[1]);
	CHECK_EXIT(pid, 0);
	CHECK_ERRNO(waitpid(pid, &st, WNOHANG), ECHILD);
}

TEST(choose, "a wait for one child that reaps another")
{
	pid_t a = CHILD({ _exit(1); });
	pid_t b = CHILD({ _exit(2); });
	pid_t c = CHILD({ _exit(3); });

	CHECK_EXIT(b, 2);
	CHECK_EXIT(c, 3);
	CHECK_EXIT(a, 1);
}

TEST(any, "a child that is reaped twice or never")
{
	enum { N = 20 };
	pid_t pid[N], r;
	int n = 0, st;

	for (int i = 0; i < N; i++)
		pid[i] = CHILD({ _exit(i); });
	while ((r = waitpid(-1, &st, 0)) > 0) {
		int i;
		for (i = 0; i < N && pid[i] != r; i++)
			;
		REQUIRE(i < N);
		CHECK_EQ(WEXITSTATUS(st), i);
		pid[i] = -1;
		n++;
	}
	CHECK_EQ(errno, ECHILD);
	CHECK_EQ(n, N);
}

TEST(by_group, "waitpid(0) and waitpid(-pgid) that do not look at the group")
{
	pid_t a = CHILD({
		OK(setpgid(0, 0));
		_exit(1);
	});
	setpgid(a, a);
	pid_t b = CHILD({ _exit(2); });
	int st;

	CHECK_EQ(waitpid(0, &st, 0), b);
	CHECK_ERRNO(waitpid(0, &st, 0), ECHILD);
	CHECK_EQ(waitpid(-a, &st, 0), a);
	CHECK_EQ(WEXITSTATUS(st), 1);
}

TEST(zombie, "a dead child that vanishes before it is waited for, or that can still be killed")
{
	pid_t pid = CHILD({ _exit(7); });

	ut_wait_state(pid, 'Z');
	OK(kill(pid, 0));
	OK(kill(pid, SIGKILL));
	CHECK_EXIT(pid, 7);
	CHECK_ERRNO(kill(pid, 0), ESRCH);
}

TEST(stopped, "WUNTRACED and WCONTINUED, each told once")
{
	pid_t pid = FOREVER();
	int st;

	OK(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &st, WUNTRACED), pid);
	CHECK(WIFSTOPPED(st));
	CHECK_EQ(WSTOPSIG(st), SIGSTOP);
	CHECK_EQ(waitpid(pid, &st, WUNTRACED | WNOHANG), 0);
	OK(kill(pid, SIGCONT));
	CHECK_EQ(waitpid(pid, &st, WCONTINUED), pid);
	CHECK_EQ(st, 0xffff);
	CHECK_EQ(waitpid(pid, &st, WCONTINUED | WUNTRACED | WNOHANG), 0);
	OK(kill(pid, SIGTSTP));
	CHECK_EQ(waitpid(pid, &st, WUNTRACED), pid);
	CHECK_EQ(WSTOPSIG(st), SIGTSTP);
	/* a stopped process does not die of SIGTERM before it goes on, of SIGKILL at once */
	OK(kill(pid, SIGTERM));
	ut_msleep(20);
	CHECK_EQ(waitpid(pid, &st, WNOHANG), 0);
	OK(kill(pid, SIGCONT));
	CHECK_SIGNALED(pid, SIGTERM);
	pid = FOREVER();
	OK(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &st, WUNTRACED), pid);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(stopped_plain, "a stopped child reported to a wait that did not ask")
{
	pid_t pid = FOREVER();
	int st;

	OK(kill(pid, SIGSTOP));
	ut_wait_state(pid, 'T');
	CHECK_EQ(waitpid(pid, &st, WNOHANG), 0);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(waitid_exited, "waitid's siginfo for an exit, a kill, a stop and a continue")
{
	siginfo_t si;

	pid_t pid = CHILD({ _exit(42); });
	memset(&si, 0xff, sizeof(si));
	OK(waitid(P_PID, pid, &si, WEXITED));
	CHECK_EQ(si.si_signo, SIGCHLD);
	CHECK_EQ(si.si_errno, 0);
	CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_uid, getuid());
	CHECK_EQ(si.si_status, 42);

	pid = FOREVER();
	OK(kill(pid, SIGSTOP));
	OK(waitid(P_PID, pid, &si, WSTOPPED));
	CHECK_EQ(si.si_code, CLD_STOPPED);
	CHECK_EQ(si.si_status, SIGSTOP);
	OK(kill(pid, SIGCONT));
	OK(waitid(P_ALL, 0, &si, WCONTINUED));
	CHECK_EQ(si.si_code, CLD_CONTINUED);
	CHECK_EQ(si.si_status, SIGCONT);
	OK(kill(pid, SIGKILL));
	OK(waitid(P_PGID, getpgrp(), &si, WEXITED));
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(si.si_status, SIGKILL);
}

TEST(waitid_nowait, "WNOWAIT that reaps")
{
	siginfo_t si;
	pid_t pid = CHILD({ _exit(1); });

	for (int i = 0; i < 3; i++) {
		OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
		CHECK_EQ(si.si_pid, pid);
	}
	CHECK_EXIT(pid, 1);
}

TEST(waitid_errors, "waitid's misuse; and WNOHANG that leaves si_pid as it was")
{
	siginfo_t si = {0};

	CHECK_ERRNO(waitid(P_ALL, 0, &si, 0), EINVAL);
	CHECK_ERRNO(waitid(P_ALL, 0, &si, WNOHANG), EINVAL);
	CHECK_ERRNO(waitid(99, 0, &si, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_PID, 0, &si, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_ALL, 0, &si, WEXITED), ECHILD);
	pid_t pid = FOREVER();
	memset(&si, 0xff, sizeof(si));
	OK(waitid(P_PID, pid, &si, WEXITED | WNOHANG));
	CHECK_EQ(si.si_signo, 0);
	CHECK_EQ(si.si_pid, 0);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(rusage, "the time and faults of a child that are not told, or not added up")
{
	struct rusage ru, before, after;
	int st;

	OK(getrusage(RUSAGE_CHILDREN, &before));
	pid_t pid = CHILD({
		char *p = ut_map(200 * PAGE);
		for (int i = 0; i < 200; i++)
			p[i * PAGE] = 1;
	});
	CHECK_EQ(wait4(pid, &st, 0, &ru), pid);
	CHECK(ru.ru_minflt >= 200);
	OK(getrusage(RUSAGE_CHILDREN, &after));
	CHECK(after.ru_minflt - before.ru_minflt >= 200);
	CHECK_EQ(syscall(SYS_waitid, P_ALL, 0, NULL, WEXITED, NULL), -1);
	before = after;
	pid = CHILD({
		pid_t kid = CHILD({
			char *p = ut_map(200 * PAGE);
			for (int i = 0; i < 200; i++)
				p[i * PAGE] = 1;
		});
		CHECK_EXIT(kid, 0);
	});
	CHECK_EXIT(pid, 0);
	OK(getrusage(RUSAGE_CHILDREN, &after));
	CHECK(after.ru_minflt - before.ru_minflt >= 200); /* a grandchild's, that was waited for */
}

TEST(orphans, "a grandchild whose parent died: its new parent is not pid 1")
{
	int fds[2], back[2];
	pid_t ids[2];
	char c;

	OK(pipe(fds));
	OK(pipe(back));
	pid_t pid = CHILD({
		pid_t kid = OK(fork());
		if (kid)
			_exit(0);
		close(back[1]);
		OK(read(back[0], &c, 1)); /* until the test has reaped our parent */
		ids[0] = getppid();
		ids[1] = getpid();
		OK(write(fds[1], ids, sizeof(ids)));
		_exit(0);
	});
	CHECK_EXIT(pid, 0);
	close(back[1]);
	CHECK_EQ(read(fds[0], ids, sizeof(ids)), sizeof(ids));
	CHECK(ids[0] != pid);
	CHECK_EQ(ids[0], 1);
	CHECK_ERRNO(waitpid(ids[1], NULL, 0), ECHILD);
}

TEST(subreaper, "PR_SET_CHILD_SUBREAPER: orphans come to us")
{
	NEEDS(prctl(PR_SET_CHILD_SUBREAPER, 1));
	int fds[2];
	pid_t kid;
	OK(pipe(fds));
	pid_t pid = CHILD({
		kid = OK(fork());
		if (kid == 0) {
			ut_msleep(50);
			_exit(9);
		}
		OK(write(fds[1], &kid, sizeof(kid)));
	});
	CHECK_EXIT(pid, 0);
	OK(read(fds[0], &kid, sizeof(kid)));
	CHECK_EXIT(kid, 9);
}

TEST(sigchld_ignored, "SIGCHLD ignored: no zombies, and wait ends with ECHILD")
{
	signal(SIGCHLD, SIG_IGN);
	pid_t pid = CHILD({ _exit(1); });
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
	CHECK_ERRNO(kill(pid, 0), ESRCH);
}

TEST(nocldwait, "SA_NOCLDWAIT without effect")
{
	struct sigaction sa = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
	OK(sigaction(SIGCHLD, &sa, NULL));
	pid_t pid = CHILD({ _exit(1); });
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
}

static volatile sig_atomic_t chld;
static volatile int chld_code, chld_status;
static volatile pid_t chld_pid;

static void on_chld(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	chld++;
	chld_code = si->si_code;
	chld_pid = si->si_pid;
	chld_status = si->si_status;
}

TEST(sigchld, "SIGCHLD with the wrong siginfo, and SA_NOCLDSTOP")
{
	struct sigaction sa = {.sa_sigaction = on_chld, .sa_flags = SA_SIGINFO};
	int st;

	OK(sigaction(SIGCHLD, &sa, NULL));
	pid_t pid = CHILD({ _exit(3); });
	CHECK_EXIT(pid, 3);
	CHECK_EQ(chld, 1);
	CHECK_EQ(chld_code, CLD_EXITED);
	CHECK_EQ(chld_pid, pid);
	CHECK_EQ(chld_status, 3);

	pid = FOREVER();
	OK(kill(pid, SIGSTOP));
	CHECK_EQ(TEMP_FAILURE_RETRY(waitpid(pid, &st, WUNTRACED)), pid);
	/* who stops can be waited for before it has told: on Linux, too */
	for (int i = 0; chld < 2 && i < 1000; i++)
		ut_msleep(1);
	CHECK_EQ(chld, 2);
	CHECK_EQ(chld_code, CLD_STOPPED);
	sa.sa_flags |= SA_NOCLDSTOP;
	OK(sigaction(SIGCHLD, &sa, NULL));
	OK(kill(pid, SIGCONT));
	CHECK_EQ(TEMP_FAILURE_RETRY(waitpid(pid, &st, WCONTINUED)), pid);
	CHECK_EQ(chld, 2);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	CHECK_EQ(chld, 3);
	CHECK_EQ(chld_code, CLD_KILLED);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(interrupted,
     "a wait that a signal does not end with EINTR, or that SA_RESTART does not resume")
{
	struct sigaction sa = {.sa_handler = nothing};
	struct itimerval it = {.it_value = {0, 50000}};

	OK(sigaction(SIGALRM, &sa, NULL));
	pid_t pid = CHILD({ ut_msleep(400); });
	OK(setitimer(ITIMER_REAL, &it, NULL));
	CHECK_ERRNO(waitpid(pid, NULL, 0), EINTR);
	sa.sa_flags = SA_RESTART;
	OK(sigaction(SIGALRM, &sa, NULL));
	OK(setitimer(ITIMER_REAL, &it, NULL));
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

TEST(pdeathsig, "PR_SET_PDEATHSIG that is not sent")
{
	int fds[2];
	char c;

	OK(pipe(fds));
	pid_t pid = CHILD({
		pid_t kid = OK(fork());
		if (kid == 0) {
			close(fds[0]);
			if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
				OK(write(fds[1], "n", 1));
			for (;;)
				pause();
		}
		ut_wait_state(kid, 'S');
		ut_msleep(20);
	});
	close(fds[1]);
	CHECK_EXIT(pid, 0);
	if (read(fds[0], &c, 1) == 1)
		SKIP_LINUX("PR_SET_PDEATHSIG is not there");
}
