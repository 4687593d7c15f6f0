/* SPDX-License-Identifier: MIT */
/*
 * Files under several threads at once: descriptors that others close, pipes, names, locks, mounts,
 * attributes. With one processor most of the windows are closed; what is checked holds all the same.
 */
#include "smp.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

static atomic_bool stop;

/* --- descriptors ---- */

static struct flock whole = {.l_type = F_WRLCK};

static void *wait_for_lock(void *fd)
{
	long ret = fcntl((int)(long)fd, F_SETLKW, &whole);

	return (void *)(long)(ret ? errno : 0);
}

static void wait_sleeping_thread(void)
{
	char path[64], line[256] = "";
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	long tid = 0;

	while ((e = readdir(d)))
		if (atol(e->d_name) > tid)
			tid = atol(e->d_name);
	closedir(d);
	snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", tid);
	while (ut_slurp(path, line, sizeof(line)) > 0 && !strstr(line, ") S "))
		ut_msleep(1);
}

TEST(lock_of_a_closed_file,
     "a record lock that is set when its descriptor is closed stays for ever")
{
	int fd = ut_file("f", "x", 1), ready[2], go[2], other;
	char c;

	OK(pipe(ready));
	OK(pipe(go));
	pid_t pid = CHILD({
		int mine = OK(open("f", O_RDWR));

		OK(fcntl(mine, F_SETLK, &whole));
		OK(write(ready[1], "x", 1));
		OK(read(go[0], &c, 1));
	});

	OK(read(ready[0], &c, 1));
	pthread_t t = smp_start(wait_for_lock, (void *)(long)fd);
	wait_sleeping_thread();
	OK(close(fd));
	OK(write(go[1], "x", 1));
	CHECK_EQ((long)smp_join(t), EBADF);
	CHECK_EXIT(pid, 0);
	other = OK(open("f", O_RDWR));
	pid = CHILD({
		struct flock l = whole;

		OK(fcntl(other, F_GETLK, &l));
		CHECK_EQ(l.l_type, F_UNLCK);
	});
	CHECK_EXIT(pid, 0);
}

static int shared_fd;

static void *replace_fd(void *arg)
{
	int a = OK(open("a", O_RDONLY)), b = OK(open("b", O_RDONLY));

	while (!stop) {
		OK(dup2(a, shared_fd));
		OK(dup2(b, shared_fd));
		close(shared_fd);
	}
	close(a);
	close(b);
	return arg;
}

static void *use_fd(void *arg)
{
	long seen = 0;
	char c;

	while (!stop) {
		ssize_t n = pread(shared_fd, &c, 1, 0);

		if (n == 1)
			CHECK(c == 'A' || c == 'B');
		else
			CHECK(n == -1 && errno == EBADF);
		seen += n == 1;
		if (!arg)
			sched_yield();
	}
	return (void *)seen;
}

static void list_fds(pid_t pid)
{
	char path[64], target[64];
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *d = opendir(path);

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%.20s", pid, e->d_name);
		if (readlink(path, target, sizeof(target)) < 0)
			CHECK(errno == ENOENT || errno == EINVAL);
	}
	if (d)
		closedir(d);
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST(replaced_descriptor,
     "a file used after the descriptor was closed, or a hang of who looks at it")
{
	struct itimerval often = {{0, 1000}, {0, 1000}};
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	pid_t self = getpid();
	pthread_t t[4];

	close(ut_file("a", "A", 1));
	close(ut_file("b", "B", 1));
	shared_fd = 50;
	pid_t pid = CHILD({
		for (int i = 0; i < 15; i++)
			list_fds(self);
	});
	OK(sigaction(SIGALRM, &sa, NULL));
	OK(setitimer(ITIMER_REAL, &often, NULL));
	for (long i = 0; i < 4; i++)
		t[i] = smp_start(i < 2 ? replace_fd : use_fd, (void *)i);
	CHECK_EXIT(pid, 0);
	stop = true;
	for (int i = 0; i < 4; i++)
		smp_join(t[i]);
}

static void *toggle_nonblock(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		int on = i & 1;

		OK(ioctl(shared_fd, 0x5421, &on)); /* FIONBIO */
	}
	return arg;
}

TEST(lost_flags, "a flag of an open file lost to who changes another")
{
	int fds[2], off = 0;

	OK(pipe(fds));
	shared_fd = fds[0];
	pthread_t t = smp_start(toggle_nonblock, NULL);
	for (int i = 0; i < 2000; i++)
		CHECK(fcntl(shared_fd, F_GETFL) >= 0);
	smp_join(t);
	CHECK_EQ(fcntl(shared_fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	OK(ioctl(shared_fd, 0x5421, &off));
	CHECK_EQ(fcntl(shared_fd, F_GETFL) & O_NONBLOCK, 0);
}

/* --- writes ---- */

enum { WRITERS = 4, RECORDS = 1000, RECORD = 24 };

static void *write_records(void *arg)
{
	char record[RECORD + 1];

	for (int i = 0; i < RECORDS; i++) {
		snprintf(record, sizeof(record), "%03ld:%06d:............\n", (long)arg, i);
		CHECK_EQ(write(shared_fd, record, RECORD), RECORD);
	}
	return NULL;
}

static void check_records(int fd)
{
	static char text[WRITERS * RECORDS * RECORD];
	int next[WRITERS] = {0}, bad = 0;

	CHECK_EQ(pread(fd, text, sizeof(text), 0), sizeof(text));
	for (size_t at = 0; at < sizeof(text); at += RECORD) {
		long who = atol(text + at);
		int n = atoi(text + at + 4);

		bad += who < 0 || who >= WRITERS || text[at + RECORD - 1] != '\n' ||
		       n != next[who]++;
	}
	CHECK_EQ(bad, 0);
}

static void run_writers(int flags)
{
	pthread_t t[WRITERS];
	struct stat st;

	shared_fd = OK(open("f", O_RDWR | O_CREAT | O_TRUNC | flags, 0600));
	for (long i = 0; i < WRITERS; i++)
		t[i] = smp_start(write_records, (void *)i);
	for (int i = 0; i < WRITERS; i++)
		smp_join(t[i]);
	OK(fstat(shared_fd, &st));
	CHECK_EQ(st.st_size, WRITERS * RECORDS * RECORD);
	check_records(shared_fd);
}

TEST(append, "records of several threads that append to a file lie over one another")
{
	run_writers(O_APPEND);
}

TEST(shared_position, "two writes through one open file at one position")
{
	run_writers(0);
}

static atomic_long filled;

static void *fill_mount(void *arg)
{
	char name[32], page[PAGE];

	memset(page, 1, sizeof(page));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "m/%ld.%d", (long)arg, i);
		int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

		CHECK(fd >= 0 || errno == ENOSPC);
		if (fd < 0)
			break;
		ssize_t n = write(fd, page, sizeof(page));

		CHECK(n == (ssize_t)PAGE || (n == -1 && errno == ENOSPC));
		filled += n > 0;
		close(fd);
		if (n < 0)
			break;
		if (i % 3 == 0) {
			filled--;
			OK(unlink(name));
		}
	}
	return NULL;
}

TEST(full_tmpfs, "a limited tmpfs that takes more than its size, or counts wrong")
{
	pthread_t t[WRITERS];

	OK(mkdir("m", 0700));
	if (mount("none", "m", "tmpfs", 0, "size=400k,nr_inodes=5000"))
		SKIP("cannot mount");
	for (long i = 0; i < WRITERS; i++)
		t[i] = smp_start(fill_mount, (void *)i);
	for (int i = 0; i < WRITERS; i++)
		smp_join(t[i]);
	CHECK(filled <= 100 && filled > 90);
	OK(umount("m"));
}

/* --- pipes ---- */

enum { MESSAGES = 1500 };
static int pipes[2];
static atomic_long taken;

static void *write_pages(void *arg)
{
	char page[PAGE];

	memset(page, 1, sizeof(page));
	for (int i = 0; i < MESSAGES; i++)
		CHECK_EQ(write(pipes[1], page, sizeof(page)), sizeof(page));
	return arg;
}

static void *read_pages(void *arg)
{
	char page[PAGE];
	ssize_t n;

	while ((n = read(pipes[0], page, sizeof(page))) > 0) {
		CHECK_EQ(n, sizeof(page));
		taken++;
	}
	CHECK_EQ(n, 0);
	return arg;
}

TEST(pipe_wakeups, "a reader or writer of a pipe that sleeps while there is something for it")
{
	pthread_t w[2], r[3];

	OK(pipe(pipes));
	OK(fcntl(pipes[0], F_SETPIPE_SZ, 2 * PAGE));
	for (int i = 0; i < 3; i++)
		r[i] = smp_start(read_pages, NULL);
	for (int i = 0; i < 2; i++)
		w[i] = smp_start(write_pages, NULL);
	for (int i = 0; i < 50; i++) {
		OK(fcntl(pipes[0], F_SETPIPE_SZ, 8 * PAGE));
		if (fcntl(pipes[0], F_SETPIPE_SZ, 2 * PAGE) < 0)
			CHECK_EQ(errno, EBUSY);
		sched_yield();
	}
	for (int i = 0; i < 2; i++)
		smp_join(w[i]);
	OK(close(pipes[1]));
	for (int i = 0; i < 3; i++)
		smp_join(r[i]);
	CHECK_EQ(taken, 2 * MESSAGES);
}

static void *poll_pages(void *arg)
{
	struct pollfd p = {.fd = pipes[0], .events = POLLIN};
	char page[PAGE];

	for (;;) {
		CHECK_EQ(poll(&p, 1, -1), 1);
		ssize_t n = read(pipes[0], page, sizeof(page));

		if (n > 0)
			taken++;
		else if (n == 0)
			return arg;
		else
			CHECK_EQ(errno, EAGAIN);
	}
}

TEST(poll_wakeups, "a poll that sleeps on although there is something to read")
{
	pthread_t w[2], r[2];

	OK(pipe(pipes));
	OK(fcntl(pipes[0], F_SETFL, O_NONBLOCK));
	for (int i = 0; i < 2; i++)
		r[i] = smp_start(poll_pages, NULL);
	for (int i = 0; i < 2; i++)
		w[i] = smp_start(write_pages, NULL);
	for (int i = 0; i < 2; i++)
		smp_join(w[i]);
	OK(close(pipes[1]));
	for (int i = 0; i < 2; i++)
		smp_join(r[i]);
	CHECK_EQ(taken, 2 * MESSAGES);
}

static void *open_fifo(void *arg)
{
	for (int i = 0; i < 2000; i++)
		OK(close(OK(open("fifo", O_RDWR))));
	return arg;
}

TEST(fifo_opens, "a FIFO that cannot be opened just when another closes it")
{
	OK(mkfifo("fifo", 0600));
	pthread_t a = smp_start(open_fifo, NULL), b = smp_start(open_fifo, NULL);

	smp_join(a);
	smp_join(b);
}

/* --- names ---- */

static void *exchange_names(void *arg)
{
	while (!stop) {
		OK(rename("d/x", "e/x"));
		OK(rename("e/x", "d/x"));
		OK(rename("d/dir", "e/dir"));
		OK(rename("e/dir", "d/dir"));
	}
	return arg;
}

static void *fill_and_remove(void *arg)
{
	while (!stop) {
		mkdir("d/dir/sub", 0700);
		int fd = open("d/dir/sub/f", O_CREAT | O_RDWR, 0600);

		if (fd >= 0)
			close(fd);
		unlink("d/dir/sub/f");
		if (arg && rmdir("d/dir/sub"))
			CHECK(errno == ENOENT || errno == ENOTEMPTY);
	}
	return NULL;
}

static void *look_up(void *arg)
{
	char cwd[256];
	struct stat st;

	while (!stop) {
		if (stat("d/../e/../d/dir/sub/../../x", &st))
			CHECK(errno == ENOENT);
		if (stat("e/dir/sub/f", &st))
			CHECK(errno == ENOENT);
		CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	}
	return arg;
}

TEST(names, "a walk through directories that are renamed and removed meanwhile")
{
	void *(*const fn[])(void *) = {exchange_names, fill_and_remove, fill_and_remove, look_up};
	struct stat st;
	pthread_t t[4];

	OK(mkdir("d", 0700));
	OK(mkdir("e", 0700));
	OK(mkdir("d/dir", 0700));
	close(ut_file("d/x", "x", 1));
	for (long i = 0; i < 4; i++)
		t[i] = smp_start(fn[i], (void *)(i & 1));
	ut_msleep(300);
	stop = true;
	for (int i = 0; i < 4; i++)
		smp_join(t[i]);
	unlink("d/dir/sub/f");
	rmdir("d/dir/sub");
	OK(stat("d/dir", &st));
	CHECK_EQ(st.st_nlink, 2);
	OK(stat("d", &st));
	CHECK_EQ(st.st_nlink, 3);
	OK(rmdir("d/dir"));
	OK(unlink("d/x"));
	OK(rmdir("d"));
	OK(rmdir("e"));
}

static void *mount_and_move(void *arg)
{
	const char *mine = arg, *other = strcmp(mine, "m1") ? "m1/d" : "m2/d";

	while (!stop) {
		mount(mine, other, NULL, MS_MOVE, NULL); /* into the other one */
		mount(other, mine, NULL, MS_MOVE, NULL);
		if (!mount("none", mine, "tmpfs", 0, "size=64k"))
			umount2(mine, MNT_DETACH);
	}
	return NULL;
}

static void *read_mounts(void *arg)
{
	static char text[1 << 16];

	while (!stop)
		CHECK(ut_slurp("/proc/self/mountinfo", text, sizeof(text)) > 0);
	return arg;
}

TEST(mounts, "two mounts moved into each other, or a list of mounts that reads one that is gone")
{
	const char *places[] = {"m1", "m2"};
	pthread_t t[3];

	for (int i = 0; i < 2; i++) {
		char dir[8];

		OK(mkdir(places[i], 0700));
		if (mount("none", places[i], "tmpfs", 0, "size=64k"))
			SKIP("cannot mount");
		OK(mount("none", places[i], NULL, MS_PRIVATE, NULL));
		snprintf(dir, sizeof(dir), "%s/d", places[i]);
		OK(mkdir(dir, 0700));
	}
	t[0] = smp_start(mount_and_move, "m1");
	t[1] = smp_start(mount_and_move, "m2");
	t[2] = smp_start(read_mounts, NULL);
	ut_msleep(300);
	stop = true;
	for (int i = 0; i < 3; i++)
		smp_join(t[i]);
	for (int i = 0; i < 2; i++)
		while (!umount2(places[i], MNT_DETACH))
			;
}

/* --- attributes ---- */

TEST(owner, "a mode set by who has ceased to be the file's owner")
{
	struct stat st;
	int bad = 0;

	if (geteuid())
		SKIP("not root");
	OK(chmod(".", 0777));
	close(ut_file("f", "x", 1));
	pid_t pid = CHILD({
		OK(setuid(1000));
		for (;;)
			chmod("f", 04755);
	});

	for (int i = 0; i < 3000; i++) {
		OK(chown("f", 1000, 0));
		if (i % 64 == 0)
			sched_yield();
		OK(chown("f", 0, 0));
		OK(stat("f", &st));
		bad += (st.st_mode & S_ISUID) != 0;
	}
	CHECK_EQ(bad, 0);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

/* --- seals ---- */

static void *write_memfd(void *arg)
{
	unsigned long n = 0;

	while (pwrite(shared_fd, &n, sizeof(n), 0) == sizeof(n))
		n++;
	CHECK_EQ(errno, EPERM);
	return arg;
}

TEST(seal_against_writers, "a sealed memfd that changes")
{
	unsigned long a, b;

	for (int i = 0; i < 20; i++) {
		shared_fd = OK(memfd_create("x", MFD_ALLOW_SEALING));
		OK(ftruncate(shared_fd, PAGE));
		pthread_t t = smp_start(write_memfd, NULL);

		for (int k = 0; k < i % 4; k++)
			sched_yield();
		OK(fcntl(shared_fd, F_ADD_SEALS, F_SEAL_WRITE));
		OK(pread(shared_fd, &a, sizeof(a), 0));
		sched_yield();
		smp_join(t);
		OK(pread(shared_fd, &b, sizeof(b), 0));
		CHECK_EQ(a, b);
		OK(close(shared_fd));
	}
}
