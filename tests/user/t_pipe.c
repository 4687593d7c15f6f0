/* SPDX-License-Identifier: MIT */
/*
 * Pipes, and waiting for them with poll and select.
 */
#include "utest.h"

#include <sys/ioctl.h>
#include <sys/select.h>

static int r, w;

static void make(int flags)
{
	int fds[2];

	OK(pipe2(fds, flags));
	r = fds[0];
	w = fds[1];
}

TEST(basic, "bytes lost, doubled or out of order; an end that is not told")
{
	char buf[32];

	make(0);
	CHECK_EQ(write(w, "hello", 5), 5);
	CHECK_EQ(read(r, buf, 2), 2);
	CHECK(!memcmp(buf, "he", 2));
	CHECK_EQ(write(w, "world", 5), 5);
	CHECK_EQ(read(r, buf, sizeof(buf)), 8);
	CHECK(!memcmp(buf, "lloworld", 8));
	close(w);
	CHECK_EQ(read(r, buf, sizeof(buf)), 0);
	CHECK_EQ(read(r, buf, sizeof(buf)), 0);
}

TEST(wrong_end, "reading the writing end")
{
	char c;

	make(0);
	CHECK_ERRNO(write(r, "x", 1), EBADF);
	CHECK_ERRNO(read(w, &c, 1), EBADF);
	CHECK_ERRNO(lseek(r, 0, SEEK_CUR), ESPIPE);
	CHECK_ERRNO(pread(r, &c, 1, 0), ESPIPE);
	CHECK_ERRNO(pwrite(w, &c, 1, 0), ESPIPE);
	CHECK_ERRNO(ftruncate(w, 0), EINVAL);
}

TEST(flags, "pipe2's flags lost, or unknown ones accepted")
{
	int fds[2];

	make(O_NONBLOCK | O_CLOEXEC);
	CHECK_EQ(fcntl(r, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(r, F_GETFL), O_RDONLY | O_NONBLOCK);
	CHECK_EQ(fcntl(w, F_GETFL), O_WRONLY | O_NONBLOCK);
	CHECK_ERRNO(pipe2(fds, 0x8), EINVAL);
	CHECK_ERRNO(syscall(SYS_pipe2, BADPTR, 0), EFAULT);
	/* a failed pipe takes no descriptors */
	int a = OK(dup(0));
	CHECK_ERRNO(syscall(SYS_pipe, BADPTR), EFAULT);
	close(a);
	CHECK_EQ(OK(dup(0)), a);
	struct stat st;
	OK(fstat(r, &st));
	CHECK(S_ISFIFO(st.st_mode));
}

TEST(capacity, "a pipe that holds less than 64 KiB, or without end")
{
	static char buf[65536];
	size_t n = 0;
	ssize_t k;

	make(O_NONBLOCK);
	while ((k = write(w, buf, 4096)) > 0)
		n += k;
	CHECK_ERRNO(write(w, buf, 1), EAGAIN);
	CHECK_EQ(n, 65536);
	CHECK_EQ(read(r, buf, 4096), 4096);
	CHECK_EQ(write(w, buf, 4096), 4096);
	CHECK_ERRNO(write(w, buf, 4096), EAGAIN);
	int left;
	OK(ioctl(r, FIONREAD, &left));
	CHECK_EQ(left, 65536);
}

TEST(partial_nonblock, "a large write that is all or nothing")
{
	static char buf[100000];

	make(O_NONBLOCK);
	CHECK_EQ(write(w, buf, sizeof(buf)), 65536);
	CHECK_EQ(read(r, buf, 5000), 5000);
	/* up to PIPE_BUF: whole or not at all */
	make(O_NONBLOCK);
	CHECK_EQ(write(w, buf, 65536 - 100), 65536 - 100);
	CHECK_ERRNO(write(w, buf, 4096), EAGAIN);
}

TEST(empty_nonblock, "a read of nothing that waits or says end of file")
{
	char c;

	make(O_NONBLOCK);
	CHECK_ERRNO(read(r, &c, 1), EAGAIN);
	CHECK_EQ(read(r, &c, 0), 0);
	CHECK_EQ(write(w, &c, 0), 0);
	CHECK_ERRNO(read(r, &c, 1), EAGAIN);
	close(w);
	CHECK_EQ(read(r, &c, 1), 0);
}

TEST(append, "a small write put behind the last one, over the end of its page")
{
	static char buf[PAGE], in[PAGE];

	for (int round = 0; round < 32; round++) {
		make(0);
		memset(buf, 'a' + round % 26, sizeof(buf));
		CHECK_EQ(write(w, buf, 4000), 4000);
		CHECK_EQ(read(r, in, 3000), 3000);
		CHECK_EQ(write(w, buf, 90), 90);   /* fits */
		CHECK_EQ(write(w, buf, 700), 700); /* does not, though so much has been read */
		CHECK_EQ(read(r, in, sizeof(in)), 1090 + 700);
		CHECK(!memcmp(in, buf, 1790));
	}
	/* What lies behind such a page is as it was: free pages are looked at when they are handed out. */
	char *p = ut_map(4 << 20);
	for (size_t i = 0; i < 4 << 20; i += PAGE)
		CHECK_EQ(p[i], 0);
}

TEST_MEM(blocking, 24, "a full pipe that loses bytes, a reader that is not woken")
{
	enum { TOTAL = 1 << 20 };
	static unsigned char buf[7919];

	make(0);
	pid_t pid = CHILD({
		close(r);
		unsigned at = 0;
		while (at < TOTAL) {
			size_t len = 1 + (at * 31) % sizeof(buf);
			if (len > TOTAL - at)
				len = TOTAL - at;
			for (size_t i = 0; i < len; i++)
				buf[i] = (at + i) * 7 >> 3;
			CHECK_EQ(write(w, buf, len), len);
			at += len;
		}
	});
	close(w);
	unsigned at = 0;
	ssize_t n;
	while ((n = read(r, buf, 1 + (at * 17) % sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != (unsigned char)((at + i) * 7 >> 3)) {
				FAIL("byte %zu", at + i);
				return;
			}
		at += n;
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(at, TOTAL);
	CHECK_EXIT(pid, 0);
}

TEST(atomic, "writes up to PIPE_BUF of several processes mixed")
{
	enum { N = 4, ROUNDS = 100, LEN = 4096 };
	static unsigned char buf[LEN];
	int seen[N] = {0};
	pid_t pid[N];

	make(0);
	for (int i = 0; i < N; i++)
		pid[i] = CHILD({
			memset(buf, i + 1, LEN);
			for (int k = 0; k < ROUNDS; k++)
				CHECK_EQ(write(w, buf, LEN - i * 100), LEN - i * 100);
		});
	close(w);
	FILE *f = fdopen(r, "r");
	int c;
	while ((c = getc(f)) != EOF) {
		REQUIRE(c >= 1 && c <= N);
		size_t rest = LEN - (c - 1) * 100 - 1;
		REQUIRE(fread(buf, 1, rest, f) == rest);
		for (size_t i = 0; i < rest; i++)
			if (buf[i] != c) {
				FAIL("a write of %d is mixed with one of %d", c, buf[i]);
				ut_abort();
			}
		seen[c - 1]++;
	}
	for (int i = 0; i < N; i++) {
		CHECK_EQ(seen[i], ROUNDS);
		CHECK_EXIT(pid[i], 0);
	}
}

TEST(sigpipe, "a write without readers that succeeds or waits")
{
	pid_t pid = CHILD({
		make(0);
		close(r);
		OK(write(w, "x", 1));
	});
	CHECK_SIGNALED(pid, SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	make(0);
	close(r);
	CHECK_ERRNO(write(w, "x", 1), EPIPE);
	/* a writer that waits in a full pipe is woken when the last reader goes */
	make(0);
	pid = CHILD({
		static char big[200000];
		close(r);
		ssize_t n = write(w, big, sizeof(big));
		CHECK(n == 65536 || (n == -1 && errno == EPIPE));
		CHECK_ERRNO(write(w, big, 1), EPIPE);
	});
	close(w);
	ut_wait_state(pid, 'S');
	close(r);
	CHECK_EXIT(pid, 0);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(interrupted_write, "a write that a signal ends after some bytes: their number, not EINTR")
{
	make(0);
	pid_t pid = CHILD({
		static char big[100000];
		struct itimerval it = {.it_value = {0, 50000}};
		struct sigaction sa = {.sa_handler = nothing};
		OK(sigaction(SIGALRM, &sa, NULL));
		OK(setitimer(ITIMER_REAL, &it, NULL));
		CHECK_EQ(write(w, big, sizeof(big)), 65536);
	});
	CHECK_EXIT(pid, 0);
}

TEST(vectors, "readv and writev with empty parts, too many, or too long")
{
	char a[4], b[4] = "";
	struct iovec out[4] = {{"ab", 2}, {NULL, 0}, {"cd", 2}, {"e", 1}};
	struct iovec in[3] = {{a, 3}, {NULL, 0}, {b, 3}};

	make(0);
	CHECK_EQ(writev(w, out, 4), 5);
	CHECK_EQ(readv(r, in, 3), 5);
	CHECK(!memcmp(a, "abc", 3) && !memcmp(b, "de", 2));
	CHECK_ERRNO(writev(w, out, -1), EINVAL);
	CHECK_ERRNO(writev(w, out, 1025), EINVAL);
	CHECK_EQ(writev(w, out, 0), 0);
	out[0].iov_len = (size_t)-1;
	CHECK_ERRNO(writev(w, out, 2), EINVAL);
	CHECK_ERRNO(writev(w, BADPTR, 2), EFAULT);
	struct iovec bad[2] = {{"ok", 2}, {BADPTR, 4}};
	ssize_t n = writev(w, bad, 2);
	CHECK(n == 2 || (n == -1 && errno == EFAULT));
}

TEST(poll_states, "poll's answers for an empty, full, half closed and bad pipe")
{
	static char buf[65536];
	struct pollfd p[2];

	make(O_NONBLOCK);
	p[0] = (struct pollfd){.fd = r, .events = POLLIN};
	p[1] = (struct pollfd){.fd = w, .events = POLLOUT};
	CHECK_EQ(poll(p, 2, 0), 1);
	CHECK_EQ(p[0].revents, 0);
	CHECK_EQ(p[1].revents, POLLOUT);
	OK(write(w, buf, 65536));
	CHECK_EQ(poll(p, 2, 0), 1);
	CHECK_EQ(p[0].revents, POLLIN);
	CHECK_EQ(p[1].revents, 0);
	close(w);
	p[1].fd = -1;
	CHECK_EQ(poll(p, 2, 0), 1);
	CHECK_EQ(p[0].revents, POLLIN | POLLHUP);
	while (read(r, buf, sizeof(buf)) > 0)
		;
	CHECK_EQ(poll(p, 2, 0), 1);
	CHECK_EQ(p[0].revents, POLLHUP);
	close(r);
	CHECK_EQ(poll(p, 1, 0), 1);
	CHECK_EQ(p[0].revents, POLLNVAL);
	make(0);
	close(r);
	p[0] = (struct pollfd){.fd = w, .events = POLLOUT};
	CHECK_EQ(poll(p, 1, 0), 1);
	CHECK_EQ(p[0].revents, POLLOUT | POLLERR);
}

TEST(poll_waits, "poll that is not woken, wakes too early, or ignores its time")
{
	struct pollfd p;
	char c;

	make(0);
	p = (struct pollfd){.fd = r, .events = POLLIN};
	long start = ut_now_ms();
	CHECK_EQ(poll(&p, 1, 80), 0);
	CHECK(ut_now_ms() - start >= 79);
	pid_t pid = CHILD({
		ut_msleep(50);
		OK(write(w, "x", 1));
		ut_msleep(200);
	});
	close(w);
	CHECK_EQ(poll(&p, 1, 20000), 1);
	CHECK_EQ(p.revents & ~POLLHUP, POLLIN); /* on a slow host the writer is gone by now */
	OK(read(r, &c, 1));
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents, POLLHUP);
	CHECK_EXIT(pid, 0);
	CHECK_EQ(poll(NULL, 0, 30), 0);
	CHECK_ERRNO(syscall(SYS_poll, BADPTR, 1, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_poll, &p, 100000000, 0), EINVAL);
}

TEST(poll_files, "regular files and directories: always ready")
{
	struct pollfd p[2];

	p[0] = (struct pollfd){.fd = ut_file("f", NULL, 0), .events = POLLIN | POLLOUT};
	p[1] = (struct pollfd){.fd = OK(open("/dev/null", O_RDWR)), .events = POLLIN | POLLOUT};
	CHECK_EQ(poll(p, 2, 0), 2);
	CHECK_EQ(p[0].revents, POLLIN | POLLOUT);
	CHECK_EQ(p[1].revents, POLLIN | POLLOUT);
}

TEST(select_sets, "select's sets, counts and rest of the time")
{
	fd_set in, out;
	struct timeval tv = {0, 50000};
	char c;

	make(0);
	FD_ZERO(&in);
	FD_SET(r, &in);
	/* the bare call: only the kernel writes the rest of the time */
	CHECK_EQ(syscall(SYS_select, r + 1, &in, NULL, NULL, &tv), 0);
	CHECK(!FD_ISSET(r, &in));
	CHECK(tv.tv_sec == 0 && tv.tv_usec == 0);
	OK(write(w, "x", 1));
	FD_SET(r, &in);
	FD_ZERO(&out);
	FD_SET(w, &out);
	tv.tv_sec = 10;
	CHECK_EQ(syscall(SYS_select, (r > w ? r : w) + 1, &in, &out, NULL, &tv), 2);
	CHECK(FD_ISSET(r, &in) && FD_ISSET(w, &out));
	CHECK(tv.tv_sec >= 9);
	OK(read(r, &c, 1));
	close(w);
	FD_ZERO(&in);
	FD_SET(r, &in);
	CHECK_EQ(select(r + 1, &in, NULL, NULL, NULL), 1); /* end of file is readable */
	close(r);
	FD_SET(r, &in);
	CHECK_ERRNO(select(r + 1, &in, NULL, NULL, &tv), EBADF);
	CHECK_ERRNO(select(-1, &in, NULL, NULL, &tv), EINVAL);
	tv.tv_sec = -1;
	CHECK_ERRNO(syscall(SYS_select, 0, NULL, NULL, NULL, &tv), EINVAL);
	tv = (struct timeval){0x7fffffffffffffff, 1000000}; /* the sum is no time */
	CHECK_ERRNO(syscall(SYS_select, 0, NULL, NULL, NULL, &tv), EINVAL);
	CHECK_ERRNO(syscall(SYS_select, 10, BADPTR, NULL, NULL, NULL), EFAULT);
	tv = (struct timeval){0, 20000};
	CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
}

TEST(ppoll_mask, "ppoll and pselect whose mask is not in force while they wait, or stays")
{
	sigset_t none, usr, now;
	struct pollfd p;

	make(0);
	p = (struct pollfd){.fd = r, .events = POLLIN};
	signal(SIGUSR1, nothing);
	sigemptyset(&none);
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &usr, NULL));
	OK(raise(SIGUSR1));
	NEEDS(ppoll(&p, 1, &(struct timespec){0, 0}, &usr));
	CHECK_ERRNO(ppoll(&p, 1, &(struct timespec){5, 0}, &none), EINTR);
	OK(sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(sigismember(&now, SIGUSR1));
	OK(raise(SIGUSR1));
	fd_set in;
	FD_ZERO(&in);
	FD_SET(r, &in);
	CHECK_ERRNO(pselect(r + 1, &in, NULL, NULL, &(struct timespec){5, 0}, &none), EINTR);
}

TEST(pingpong, "a wake-up lost: ten thousand bytes there and back")
{
	int a[2], b[2];
	char c = 0;

	OK(pipe(a));
	OK(pipe(b));
	pid_t pid = CHILD({
		close(a[1]);
		close(b[0]);
		while (read(a[0], &c, 1) == 1)
			OK(write(b[1], &c, 1));
	});
	close(a[0]);
	close(b[1]);
	for (int i = 0; i < 10000; i++) {
		c = i;
		if (write(a[1], &c, 1) != 1 || read(b[0], &c, 1) != 1 || c != (char)i) {
			FAIL("round %d", i);
			break;
		}
	}
	close(a[1]);
	CHECK_EXIT(pid, 0);
}

TEST(shell_line, "a pipeline of real programs")
{
	int st = system("seq 1 5000 | sort -rn | head -n 3 | tr '\\n' ' ' > out");
	char buf[64];

	CHECK_EQ(st, 0);
	OK(ut_slurp("out", buf, sizeof(buf)));
	CHECK_STR(buf, "5000 4999 4998 ");
}

TEST(fifo, "a named pipe: open that does not wait for the other side")
{
	if (mkfifo("p", 0644) < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL))
		SKIP("no named pipes: %s", ut_errname(errno));
	CHECK_ERRNO(open("p", O_WRONLY | O_NONBLOCK), ENXIO);
	int nb = OK(open("p", O_RDONLY | O_NONBLOCK));
	close(nb);
	pid_t pid = CHILD({
		int fd = OK(open("p", O_WRONLY));
		OK(write(fd, "through", 7));
	});
	char buf[16];
	int fd = OK(open("p", O_RDONLY));
	CHECK_EQ(read(fd, buf, sizeof(buf)), 7);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
	CHECK_EXIT(pid, 0);
}

TEST(select_times, "a timeval taken that is negative, or whose parts overflow together")
{
	struct timeval t = {LONG_MAX, 1000000};

	CHECK_ERRNO(syscall(SYS_select, 0, NULL, NULL, NULL, &t), EINVAL);
	t = (struct timeval){1, -1};
	CHECK_ERRNO(syscall(SYS_select, 0, NULL, NULL, NULL, &t), EINVAL);
	t = (struct timeval){-1, 0};
	CHECK_ERRNO(syscall(SYS_select, 0, NULL, NULL, NULL, &t), EINVAL);
	t = (struct timeval){0, 2500};
	CHECK_EQ(syscall(SYS_select, 0, NULL, NULL, NULL, &t), 0);
	CHECK(t.tv_sec == 0 && t.tv_usec == 0);
}
