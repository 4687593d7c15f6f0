/* SPDX-License-Identifier: MIT */
/*
 * Process groups, sessions, and the terminal that belongs to one.
 *
 * The tests with a terminal take the serial line as their controlling terminal, which works when
 * nobody else has it: under rdinit=/tests/run. From a shell they are skipped. What a user would
 * type is put into the line by TIOCSTI.
 */
#include "utest.h"

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>

#define PAUSE()                  \
	CHILD({                  \
		for (;;)         \
			pause(); \
	})

static void finish(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(setpgid_basic, "a group that a child does not inherit or cannot change")
{
	pid_t g = getpgrp();
	pid_t pid = CHILD({
		CHECK_EQ(getpgrp(), g);
		OK(setpgid(0, 0));
		CHECK_EQ(getpgrp(), getpid());
		OK(setpgid(0, g));
		CHECK_EQ(getpgid(0), g);
	});
	CHECK_EXIT(pid, 0);
}

TEST(setpgid_errors, "groups of strangers, of other sessions, of programs that exec'd")
{
	CHECK_ERRNO(setpgid(1, 0), ESRCH);
	CHECK_ERRNO(setpgid(0, -1), EINVAL);
	CHECK_ERRNO(setpgid(-1, 0), EINVAL);
	CHECK_ERRNO(setpgid(999999999, 0), ESRCH);
	CHECK_ERRNO(getpgid(999999999), ESRCH);
	CHECK_ERRNO(getsid(999999999), ESRCH);
	/* a group that does not exist */
	pid_t pid = PAUSE();
	CHECK_ERRNO(setpgid(pid, 999999999), EPERM);
	OK(setpgid(pid, pid));
	CHECK_EQ(getpgid(pid), pid);
	finish(pid);
	/* a child after exec */
	int fds[2];
	char c;
	OK(pipe2(fds, O_CLOEXEC));
	pid = CHILD({
		execl("/bin/sleep", "sleep", "100", NULL);
		_exit(9);
	});
	close(fds[1]);
	CHECK_EQ(read(fds[0], &c, 1), 0); /* exec has closed it */
	CHECK_ERRNO(setpgid(pid, pid), EACCES);
	finish(pid);
	/* a child in another session */
	OK(pipe(fds));
	pid = CHILD({
		OK(setsid());
		OK(write(fds[1], "x", 1));
		pause();
	});
	OK(read(fds[0], &c, 1));
	CHECK_ERRNO(setpgid(pid, getpgrp()), EPERM);
	finish(pid);
}

TEST(setsid_basic, "a session that is not new, or that a group leader may open")
{
	pid_t pid = CHILD({
		OK(setsid());
		CHECK_EQ(getsid(0), getpid());
		CHECK_EQ(getpgrp(), getpid());
		CHECK_ERRNO(setsid(), EPERM);
		CHECK_ERRNO(setpgid(0, 0), EPERM);
		CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
	});
	CHECK_EXIT(pid, 0);
	/* we are a group leader */
	CHECK_EQ(getpgrp(), getpid());
	CHECK_ERRNO(setsid(), EPERM);
}

TEST(kill_group, "a signal to a group that misses a member or hits a stranger")
{
	pid_t a = PAUSE(), b = PAUSE(), c = PAUSE();
	int st;

	OK(setpgid(a, a));
	OK(setpgid(b, a));
	OK(kill(-a, SIGTERM));
	CHECK_SIGNALED(a, SIGTERM);
	CHECK_SIGNALED(b, SIGTERM);
	CHECK_EQ(waitpid(c, &st, WNOHANG), 0);
	finish(c);
	CHECK_ERRNO(kill(-a, 0), ESRCH);
}

TEST(group_outlives_leader, "a group that goes with its leader")
{
	pid_t a = PAUSE(), b = PAUSE();

	OK(setpgid(a, a));
	OK(setpgid(b, a));
	finish(a);
	OK(kill(-a, 0));
	CHECK_EQ(getpgid(b), a);
	OK(kill(-a, SIGTERM));
	CHECK_SIGNALED(b, SIGTERM);
}

TEST(orphaned_stopped, "a group that is orphaned with a stopped member: SIGHUP, then SIGCONT")
{
	int fds[2], st;
	char c;

	OK(pipe(fds));
	pid_t pid = CHILD({
		OK(setsid());
		pid_t kid = OK(fork());
		if (kid == 0) {
			OK(setpgid(0, 0));
			close(fds[0]);
			raise(SIGSTOP);
			pause();
			_exit(0);
		}
		OK(waitpid(kid, &st, WUNTRACED));
		CHECK(WIFSTOPPED(st));
	});
	close(fds[1]);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(read(fds[0], &c, 1), 0); /* SIGHUP has ended it; else this hangs */
}

TEST(orphaned_tstp, "SIGTSTP that stops a member of an orphaned group for ever")
{
	pid_t pid = CHILD({
		OK(setsid()); /* its only member: orphaned */
		raise(SIGTSTP);
	});
	CHECK_EXIT(pid, 0);
}

/*
 * With a terminal
 */
static int tty;
static struct termios saved;

/* Becomes a session leader with the serial line as its terminal. */
static void take_tty(void)
{
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* the test's group is not ours any more */
	tty = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
	if (tty < 0)
		SKIP_LINUX("no /dev/ttyS0");
	if (ioctl(tty, TIOCSCTTY, 0) < 0)
		SKIP("the terminal belongs to another session");
	OK(tcgetattr(tty, &saved));
}

#define WITH_TTY(...)                                             \
	do {                                                      \
		pid_t ut_tty = CHILD({                            \
			take_tty();                               \
			__VA_ARGS__                               \
			tcsetattr(tty, TCSANOW, &saved);          \
		});                                               \
		int ut_st;                                        \
		OK(waitpid(ut_tty, &ut_st, 0));                   \
		if (WIFEXITED(ut_st) && WEXITSTATUS(ut_st) == 77) \
			_exit(77);                                \
		CHECK_EQ(ut_st, 0);                               \
	} while (0)

static void type(const char *s)
{
	for (; *s; s++)
		if (ioctl(tty, TIOCSTI, s) < 0)
			SKIP("TIOCSTI: %s", ut_errname(errno));
}

static void mode(tcflag_t off, tcflag_t on)
{
	struct termios t = saved;

	t.c_lflag = (t.c_lflag & ~(off | ECHO)) | on;
	OK(tcsetattr(tty, TCSANOW, &t));
}

TEST(controlling_tty,
     "a terminal without a session or foreground group, or /dev/tty without a terminal")
{
	WITH_TTY({
		CHECK_EQ(tcgetpgrp(tty), getpgrp());
		CHECK_EQ(tcgetsid(tty), getsid(0));
		int fd = OK(open("/dev/tty", O_RDWR));
		CHECK(isatty(fd));
		CHECK_EQ(tcgetpgrp(fd), getpgrp());
		signal(SIGTTOU, SIG_IGN); /* else it would stop */
		pid_t pid = CHILD({
			OK(setpgid(0, 0));
			CHECK_ERRNO(tcsetpgrp(tty, 999999999), ESRCH);
		});
		CHECK_EXIT(pid, 0);
		CHECK_ERRNO(tcsetpgrp(tty, 1), EPERM);
		CHECK_ERRNO(ioctl(1, TIOCGPGRP, &pid), ENOTTY);
		CHECK_ERRNO(ioctl(tty, TIOCGPGRP, BADPTR), EFAULT);
	});
}

TEST(foreground, "tcsetpgrp without effect, or allowed from the background")
{
	WITH_TTY({
		int st;
		pid_t pid = CHILD({
			OK(setpgid(0, 0));
			raise(SIGSTOP);
			CHECK_EQ(tcgetpgrp(tty), getpgrp());
			tcsetpgrp(tty, getppid());
		});
		OK(waitpid(pid, &st, WUNTRACED));
		OK(tcsetpgrp(tty, pid));
		CHECK_EQ(tcgetpgrp(tty), pid);
		OK(kill(pid, SIGCONT));
		CHECK_EXIT(pid, 0);
		/* from the background: SIGTTOU stops it */
		pid = CHILD({
			OK(setpgid(0, 0));
			tcsetpgrp(tty, getpgrp());
			_exit(5);
		});
		OK(waitpid(pid, &st, WUNTRACED));
		CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGTTOU);
		finish(pid);
	});
}

TEST(background_read, "a read from the background that takes input: SIGTTIN; ignored, EIO")
{
	WITH_TTY({
		int st;
		char c;
		pid_t pid = CHILD({
			OK(setpgid(0, 0));
			OK(read(tty, &c, 1));
		});
		OK(waitpid(pid, &st, WUNTRACED));
		CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGTTIN);
		finish(pid);
		pid = CHILD({
			OK(setpgid(0, 0));
			signal(SIGTTIN, SIG_IGN);
			CHECK_ERRNO(read(tty, &c, 1), EIO);
		});
		CHECK_EXIT(pid, 0);
	});
}

TEST(background_write, "TOSTOP: a write from the background stops; without it, it goes through")
{
	WITH_TTY({
		int st;
		pid_t pid = CHILD({
			OK(setpgid(0, 0));
			OK(write(tty, "\n", 1));
		});
		CHECK_EXIT(pid, 0);
		mode(0, TOSTOP);
		pid = CHILD({
			OK(setpgid(0, 0));
			OK(write(tty, "\n", 1));
		});
		OK(waitpid(pid, &st, WUNTRACED));
		CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGTTOU);
		finish(pid);
	});
}

TEST(hangup, "the foreground group not told (SIGHUP) when the session leader ends")
{
	int fds[2];
	char c = 0;

	OK(pipe(fds));
	pid_t pid = CHILD({
		take_tty();
		pid_t kid = OK(fork());
		if (kid == 0) {
			sigset_t s;
			sigemptyset(&s);
			sigaddset(&s, SIGHUP);
			sigprocmask(SIG_BLOCK, &s, NULL);
			OK(write(fds[1], "r", 1));
			siginfo_t si;
			if (sigtimedwait(&s, &si, &(struct timespec){10, 0}) == SIGHUP)
				OK(write(fds[1], "H", 1));
			if (open("/dev/tty", O_RDWR) < 0 && errno == ENXIO)
				OK(write(fds[1], "X", 1));
			_exit(0);
		}
		OK(read(fds[0], &c, 1));
		_exit(0);
	});
	close(fds[1]);
	int st;
	OK(waitpid(pid, &st, 0));
	if (WEXITSTATUS(st) == 77)
		_exit(77);
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(c, 'H');
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(c, 'X');
}

TEST(termios, "settings that do not come back as they were set")
{
	WITH_TTY({
		struct termios a = saved;
		struct termios b;
		CHECK(saved.c_lflag & ICANON);
		CHECK(saved.c_lflag & ISIG);
		CHECK(saved.c_oflag & OPOST);
		CHECK_EQ(saved.c_cc[VINTR], 3);
		CHECK_EQ(saved.c_cc[VEOF], 4);
		CHECK_EQ(saved.c_cc[VSUSP], 26);
		CHECK_EQ(saved.c_cc[VERASE], 127);
		a.c_lflag &= ~(ICANON | ECHO | ISIG);
		a.c_iflag &= ~ICRNL;
		a.c_oflag &= ~OPOST;
		a.c_cc[VMIN] = 3;
		a.c_cc[VTIME] = 2;
		OK(tcsetattr(tty, TCSADRAIN, &a));
		OK(tcgetattr(tty, &b));
		CHECK_EQ(b.c_lflag, a.c_lflag);
		CHECK_EQ(b.c_iflag, a.c_iflag);
		CHECK_EQ(b.c_oflag, a.c_oflag);
		CHECK_EQ(b.c_cc[VMIN], 3);
		CHECK_EQ(b.c_cc[VTIME], 2);
		OK(tcsetattr(tty, TCSAFLUSH, &saved));
		CHECK_ERRNO(ioctl(tty, TCGETS, BADPTR), EFAULT);
		CHECK_ERRNO(ioctl(tty, TCSETS, BADPTR), EFAULT);
		int fd = ut_file("f", NULL, 0);
		CHECK_ERRNO(tcgetattr(fd, &b), ENOTTY);
		CHECK(!isatty(fd));
	});
}

static volatile sig_atomic_t winch;

static void on_winch(int sig)
{
	(void)sig;
	winch++;
}

TEST(window_size, "a size that is not kept, or a change without SIGWINCH")
{
	WITH_TTY({
		struct winsize old;
		struct winsize w = {.ws_row = 33, .ws_col = 101};
		signal(SIGWINCH, on_winch);
		OK(ioctl(tty, TIOCGWINSZ, &old));
		OK(ioctl(tty, TIOCSWINSZ, &w));
		w.ws_row = 0;
		OK(ioctl(tty, TIOCGWINSZ, &w));
		CHECK_EQ(w.ws_row, 33);
		CHECK_EQ(w.ws_col, 101);
		CHECK_EQ(winch, 1);
		OK(ioctl(tty, TIOCSWINSZ, &w));
		CHECK_EQ(winch, 1);
		OK(ioctl(tty, TIOCSWINSZ, &old));
	});
}

static ssize_t input(char *buf, size_t len)
{
	memset(buf, 0, len);
	return OK(read(tty, buf, len - 1));
}

TEST(canonical, "lines: erase, kill, end of file, a read shorter than the line")
{
	WITH_TTY({
		char buf[64];
		mode(0, 0);
		type("hello\n");
		CHECK_EQ(input(buf, sizeof(buf)), 6);
		CHECK_STR(buf, "hello\n");
		type("abX\x7f"
		     "c\n");
		input(buf, sizeof(buf));
		CHECK_STR(buf, "abc\n");
		type("junk\x15good\r"); /* ^U; CR becomes NL */
		input(buf, sizeof(buf));
		CHECK_STR(buf, "good\n");
		type("two words\x17"
		     "w\n"); /* ^W */
		input(buf, sizeof(buf));
		CHECK_STR(buf, "two w\n");
		type("\x04");
		CHECK_EQ(input(buf, sizeof(buf)), 0);
		type("part\x04");
		CHECK_EQ(input(buf, sizeof(buf)), 4);
		CHECK_STR(buf, "part");
		type("one\ntwo\n");
		CHECK_EQ(input(buf, sizeof(buf)), 4);
		CHECK_EQ(input(buf, 3), 2);
		CHECK_STR(buf, "tw");
		int n = 0;
		OK(ioctl(tty, FIONREAD, &n));
		CHECK_EQ(n, 2);
		CHECK_EQ(input(buf, sizeof(buf)), 2);
		CHECK_STR(buf, "o\n");
		type("\x16\x03\n"); /* ^V ^C: literal */
		input(buf, sizeof(buf));
		CHECK_STR(buf, "\x03\n");
	});
}

TEST(no_line_yet,
     "a canonical read that returns, or poll that is ready, before the line is complete")
{
	WITH_TTY({
		struct pollfd pfd = {.fd = tty, .events = POLLIN};
		char buf[16];
		mode(0, 0);
		tcflush(tty, TCIFLUSH);
		CHECK_EQ(poll(&pfd, 1, 0), 0);
		type("ab");
		CHECK_EQ(poll(&pfd, 1, 20), 0);
		OK(fcntl(tty, F_SETFL, O_RDWR | O_NONBLOCK));
		CHECK_ERRNO(read(tty, buf, 5), EAGAIN);
		OK(fcntl(tty, F_SETFL, O_RDWR));
		type("\n");
		CHECK_EQ(poll(&pfd, 1, 1000), 1);
		CHECK_EQ(pfd.revents, POLLIN);
		CHECK_EQ(input(buf, sizeof(buf)), 3);
		type("drop me");
		OK(tcflush(tty, TCIFLUSH));
		type("x\n");
		CHECK_EQ(input(buf, sizeof(buf)), 2);
	});
}

TEST(raw, "bytes changed or held back without ICANON; VMIN and VTIME")
{
	WITH_TTY({
		struct termios t = saved;
		char buf[16];
		t.c_lflag &= ~(ICANON | ECHO | ISIG | IEXTEN);
		t.c_iflag = 0;
		t.c_cc[VMIN] = 1;
		t.c_cc[VTIME] = 0;
		OK(tcsetattr(tty, TCSANOW, &t));
		type("\x03\r\x7f\x04");
		CHECK_EQ(input(buf, sizeof(buf)), 4);
		CHECK_STR(buf, "\x03\r\x7f\x04");
		t.c_cc[VMIN] = 0;
		OK(tcsetattr(tty, TCSANOW, &t));
		CHECK_EQ(input(buf, sizeof(buf)), 0);
		t.c_cc[VTIME] = 1;
		OK(tcsetattr(tty, TCSANOW, &t));
		long start = ut_now_ms();
		CHECK_EQ(input(buf, sizeof(buf)), 0);
		CHECK(ut_now_ms() - start >= 90);
	});
}

TEST(signal_keys, "Ctrl-C, Ctrl-\\ and Ctrl-Z that do not reach the foreground group")
{
	static const struct {
		const char *key;
		int sig;
	} keys[] = {
		{"\x03", SIGINT},
		{"\x1c", SIGQUIT},
		{"\x1a", SIGTSTP},
	};

	WITH_TTY({
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGTTOU, SIG_IGN);
		tcdrain(tty); /* a signal's key drops what is not sent yet: the last result */
		mode(0, 0);
		for (int i = 0; i < 3; i++) {
			int st;
			pid_t pid = CHILD({
				OK(setpgid(0, 0));
				for (;;)
					pause();
			});
			setpgid(pid, pid);
			OK(tcsetpgrp(tty, pid));
			ut_wait_state(pid, 'S');
			type(keys[i].key);
			OK(waitpid(pid, &st, WUNTRACED));
			if (keys[i].sig == SIGTSTP) {
				CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGTSTP);
				finish(pid);
			} else {
				CHECK(WIFSIGNALED(st) && WTERMSIG(st) == keys[i].sig);
			}
			OK(tcsetpgrp(tty, getpgrp()));
		}
	});
}
