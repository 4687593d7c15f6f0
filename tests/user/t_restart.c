/* SPDX-License-Identifier: MIT */
/*
 * What a signal does to a call that waits (signal(7), "Interruption of system calls"): a table of all
 * calls that wait, each with a handler, with one installed with SA_RESTART, and stopped and
 * continued without a handler.
 */
#include "utest.h"

#include <linux/futex.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/select.h>

enum { EINTR_, AGAIN, GOES_ON }; /* fails with EINTR; starts anew; not interrupted */

static int pipe_fd[2], full_fd[2], lock_fd;
static int word;

static void handler(int sig)
{
	(void)sig;
}

static long do_read(void)
{
	char c;

	return read(pipe_fd[0], &c, 1);
}

static long do_readv(void)
{
	char c;
	struct iovec v = {&c, 1};

	return readv(pipe_fd[0], &v, 1);
}

static long do_write(void)
{
	char page[PAGE] = {0};

	return write(full_fd[1], page, sizeof(page));
}

static long do_wait4(void)
{
	return wait4(-1, NULL, 0, NULL);
}

static long do_waitid(void)
{
	siginfo_t si;

	return waitid(P_ALL, 0, &si, WEXITED);
}

static long do_futex(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static long do_futex_timeout(void)
{
	struct timespec ts = {100, 0};

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0);
}

static long do_nanosleep(void)
{
	struct timespec ts = {100, 0};

	return nanosleep(&ts, NULL);
}

static long do_sleep_until(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += 100;
	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static long do_poll(void)
{
	struct pollfd p = {pipe_fd[0], POLLIN, 0};

	return poll(&p, 1, -1);
}

static long do_poll_timeout(void)
{
	struct pollfd p = {pipe_fd[0], POLLIN, 0};

	return poll(&p, 1, 100000);
}

static long do_ppoll(void)
{
	struct pollfd p = {pipe_fd[0], POLLIN, 0};

	return ppoll(&p, 1, NULL, NULL);
}

static long do_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pipe_fd[0], &set);
	return select(pipe_fd[0] + 1, &set, NULL, NULL, NULL);
}

static long do_pselect(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pipe_fd[0], &set);
	return pselect(pipe_fd[0] + 1, &set, NULL, NULL, NULL, NULL);
}

static long do_pause(void)
{
	return pause();
}

static long do_sigsuspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	return sigsuspend(&none);
}

static long do_sigtimedwait(void)
{
	struct timespec ts = {100, 0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return syscall(SYS_rt_sigtimedwait, &set, NULL, &ts, 8); /* musl tries again */
}

static long do_flock(void)
{
	return flock(OK(open("lock", O_RDWR)), LOCK_EX);
}

static long do_setlkw(void)
{
	struct flock l = {.l_type = F_WRLCK};

	return fcntl(lock_fd, F_SETLKW, &l);
}

static long do_open_fifo(void)
{
	return open("fifo", O_RDONLY);
}

static const struct {
	const char *name;
	long (*call)(void);
	int plain, restart, stop; /* by a handler; by one with SA_RESTART; by SIGSTOP and SIGCONT */
} calls[] = {
	{"read", do_read, EINTR_, AGAIN, GOES_ON},
	{"readv", do_readv, EINTR_, AGAIN, GOES_ON},
	{"write", do_write, EINTR_, AGAIN, GOES_ON},
	{"wait4", do_wait4, EINTR_, AGAIN, GOES_ON},
	{"waitid", do_waitid, EINTR_, AGAIN, GOES_ON},
	{"futex", do_futex, EINTR_, AGAIN, GOES_ON},
	{"futex with a timeout", do_futex_timeout, EINTR_, EINTR_, GOES_ON},
	{"nanosleep", do_nanosleep, EINTR_, EINTR_, GOES_ON},
	{"clock_nanosleep until", do_sleep_until, EINTR_, EINTR_, GOES_ON},
	{"poll", do_poll, EINTR_, EINTR_, GOES_ON},
	{"poll with a timeout", do_poll_timeout, EINTR_, EINTR_, GOES_ON},
	{"ppoll", do_ppoll, EINTR_, EINTR_, GOES_ON},
	{"select", do_select, EINTR_, EINTR_, GOES_ON},
	{"pselect", do_pselect, EINTR_, EINTR_, GOES_ON},
	{"pause", do_pause, EINTR_, EINTR_, GOES_ON},
	{"sigsuspend", do_sigsuspend, EINTR_, EINTR_, GOES_ON},
	{"sigtimedwait", do_sigtimedwait, EINTR_, EINTR_, EINTR_},
	{"flock", do_flock, EINTR_, AGAIN, GOES_ON},
	{"fcntl F_SETLKW", do_setlkw, EINTR_, AGAIN, GOES_ON},
	{"open of a FIFO", do_open_fifo, EINTR_, AGAIN, GOES_ON},
};

/* In a child: the call must not end but by EINTR, which then is its exit status. */
static void wait_in_call(long (*call)(void), int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	OK(sigaction(SIGUSR1, &sa, NULL));
	if (call == do_wait4 || call == do_waitid) {
		if (fork() == 0) { /* somebody to wait for */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
	}
	errno = 0;
	_exit(call() == -1 ? errno : 0);
}

static void try_call(size_t i, int flags, bool stop, int want)
{
	pid_t pid = OK(fork());
	int status, how = GOES_ON;

	if (pid == 0)
		wait_in_call(calls[i].call, flags);
	/* Twice: what starts anew must do so after the second one, too. */
	for (int k = 0; k < 2 && how != EINTR_; k++) {
		ut_wait_state(pid, 'S');
		if (stop) {
			OK(kill(pid, SIGSTOP));
			ut_wait_state(pid, 'T');
		}
		OK(kill(pid, stop ? SIGCONT : SIGUSR1));
		for (int n = 0; n < 20; n++) {
			ut_msleep(1);
			if (waitpid(pid, &status, WNOHANG) == pid) {
				how = WIFEXITED(status) && WEXITSTATUS(status) == EINTR ? EINTR_ :
											  -1;
				break;
			}
		}
		if (how < 0)
			break;
	}
	if ((how == GOES_ON) != (want != EINTR_) || how < 0)
		FAIL("%s: %s with %s%s", calls[i].name,
		     how == EINTR_  ? "EINTR" :
		     how == GOES_ON ? "still waits" :
				      "ended otherwise",
		     stop ? "SIGCONT" : "a handler", flags & SA_RESTART ? " and SA_RESTART" : "");
	if (how == GOES_ON) {
		OK(kill(pid, SIGKILL));
		OK(waitpid(pid, &status, 0));
	}
}

static void set_up(void)
{
	struct flock l = {.l_type = F_WRLCK};

	OK(pipe(pipe_fd));
	OK(pipe(full_fd));
	OK(fcntl(full_fd[1], F_SETFL, O_NONBLOCK));
	while (write(full_fd[1], &word, 1) == 1)
		;
	OK(fcntl(full_fd[1], F_SETFL, 0));
	OK(mkfifo("fifo", 0600));
	lock_fd = OK(open("lock", O_CREAT | O_RDWR, 0600));
	OK(flock(lock_fd, LOCK_EX));
	OK(fcntl(lock_fd, F_SETLK, &l));
}

TEST(plain, "a waiting call that a handler does not end, or ends with something else than EINTR")
{
	set_up();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		try_call(i, 0, false, calls[i].plain);
}

TEST(restart, "SA_RESTART without effect, or for a call that is never restarted")
{
	set_up();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		try_call(i, SA_RESTART, false, calls[i].restart);
}

TEST(stop, "a waiting call that ends when the process is stopped and continued")
{
	set_up();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		try_call(i, 0, true, calls[i].stop);
}
