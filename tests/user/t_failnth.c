/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of every system call fails once.
 *
 * A debug build of Octavo lets a thread ask for it (/proc/self/fail-nth): the Nth page, slab object
 * or vmalloc area that it asks for is refused, or from the Nth on all are. Each scenario below is one
 * system call, made with N = 1, 2, ... until it has succeeded without a refusal. A call that fails has
 * to say ENOMEM (or what the table allows), and to have changed nothing that can be seen: the
 * directory, the mappings, the descriptors. In the end the ledger has to be what it was: no page and
 * no object lost.
 *
 * The window in which allocations count is three system calls in a row, without a look at memory
 * between them, so that a copy-on-write fault of the test's own is never what fails.
 */
#include "ledger.h"

#include <dirent.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#define FAIL_FD 200
#define MAX_N   400

static char *area;   /* AREA pages of memory that is there: buffers */
static char *window; /* shared with children: what came out of a call */
#define AREA 64

/* ---- one call with a failing allocation -------------------------------------------------------- */

struct call {
	long nr;
	long arg[6];
};

/* Layout known to the assembly. */
static struct armed {
	long arm[3], nr, arg[6], probe[4], disarm[3];
	long child_exits; /* a child that comes out of the call leaves at once, on whatever stack */
} armed;

#define ARGS3(at)                                                                 \
	"movq " #at "(%%rbx), %%rdi\n\tmovq " #at "+8(%%rbx), %%rsi\n\tmovq " #at \
	"+16(%%rbx), %%rdx\n\t"

static long armed_syscall(struct armed *a)
{
	long ret;

	__asm__ __volatile__("movl $1, %%eax\n\t" ARGS3(
				     0) "syscall\n\t"
					"movq 24(%%rbx), %%rax\n\t" ARGS3(
						32) "movq 56(%%rbx), %%r10\n\t"
						    "movq 64(%%rbx), %%r8\n\t"
						    "movq 72(%%rbx), %%r9\n\t"
						    "syscall\n\t"
						    "movq %%rax, %%r12\n\t"
						    "testq %%rax, %%rax\n\t"
						    "jnz 1f\n\t"
						    "cmpq $0, 136(%%rbx)\n\t"
						    "je 1f\n\t"
						    "movl $60, %%eax\n\t"
						    "xorl %%edi, %%edi\n\t"
						    "syscall\n"
						    "1:\tmovl $17, %%eax\n\t" ARGS3(
							    80) "movq 104(%%rbx), %%r10\n\t"
								"syscall\n\t"
								"movl $1, %%eax\n\t" ARGS3(
									112) "syscall\n\t"
									     "movq %%r12, %%rax\n\t"
			     : "=a"(ret)
			     : "b"(a)
			     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
			       "memory", "cc");
	return ret;
}

/* The call with the nth allocation failing; *left: 0 if one did fail. */
static long fail_call(const struct call *c, const char *how, int n, int child_exits, long *left)
{
	static char text[32];
	long ret;

	_Static_assert(offsetof(struct armed, child_exits) == 136, "as the assembly has it");
	snprintf(text, sizeof(text), how, n);
	armed = (struct armed){
		.arm = {FAIL_FD, (long)(uintptr_t)text, (long)strlen(text)},
		.nr = c->nr,
		.probe = {FAIL_FD, (long)(uintptr_t)window, 32, 0},
		.disarm = {FAIL_FD, (long)(uintptr_t) "0", 1},
		.child_exits = child_exits,
	};
	memcpy(armed.arg, c->arg, sizeof(armed.arg));
	memset(window, 0, 32);
	ret = armed_syscall(&armed);
	*left = atol(window);
	return ret;
}

/* ---- what must not change ----------------------------------------------------------------------- */

static char before[32768], after[32768];

static size_t add(char *buf, size_t at, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + at, sizeof(before) - at, fmt, ap);
	va_end(ap);
	return at + (size_t)n < sizeof(before) ? at + (size_t)n : sizeof(before) - 1;
}

static size_t add_directory(char *buf, size_t at)
{
	static char list[4096];
	int fd = OK(open(".", O_RDONLY | O_DIRECTORY));
	struct stat st;
	long n;

	while ((n = syscall(SYS_getdents64, fd, list, sizeof(list))) > 0)
		for (long i = 0; i < n;) {
			struct dirent *d = (void *)(list + i);

			i += d->d_reclen;
			if (d->d_name[0] == '.' || lstat(d->d_name, &st) < 0)
				continue;
			at = add(buf, at, "%s %lu %o %lu %ld %ld\n", d->d_name, (long)st.st_ino,
				 st.st_mode, (long)st.st_nlink, (long)st.st_size,
				 (long)st.st_blocks);
		}
	close(fd);
	return at;
}

static size_t add_descriptors(char *buf, size_t at)
{
	for (int fd = 0; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			at = add(buf, at, "%d %x %lx %ld\n", fd, fcntl(fd, F_GETFD),
				 (long)fcntl(fd, F_GETFL), (long)lseek(fd, 0, SEEK_CUR));
	return at;
}

/* All that can be seen of the process and its directory, as text. */
static void look(char *buf)
{
	ssize_t n = ut_slurp("/proc/self/maps", buf, sizeof(before) / 2);
	size_t at = n > 0 ? (size_t)n : 0;

	at = add_directory(buf, at);
	add_descriptors(buf, at);
}

static void say_difference(const char *name)
{
	const char *a = before, *b = after;

	while (*a && *a == *b)
		a++, b++;
	while (a > before && a[-1] != '\n')
		a--, b--;
	FAIL("%s failed, and yet: was \"%.*s\", is \"%.*s\"", name, (int)strcspn(a, "\n"), a,
	     (int)strcspn(b, "\n"), b);
}

/* ---- scenarios ------------------------------------------------------------------------------------ */

struct scenario {
	const char *name;
	void (*prepare)(struct call *c); /* before each call; not looked at */
	void (*undo)(long ret);          /* after a success */
	void (*clean)(void);             /* after each call */
	int also;                        /* another errno that is right */
	int partial;                     /* a failure may leave the first part done, as on Linux */
	int child;
};

static void set(struct call *c, long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	*c = (struct call){nr, {a0, a1, a2, a3, a4, a5}};
}
#define P(p) ((long)(uintptr_t)(p))

static long done; /* of the last success, for undo and clean */
static int fd_a, fd_b;
static char *mem;

static void close_ret(long ret)
{
	close((int)ret);
}

static void close_two(void)
{
	close(fd_a);
	close(fd_b);
}

static void reap(long ret)
{
	(void)ret;
	while (waitpid(-1, NULL, __WALL) > 0)
		;
}

#define CALL(id, nr, ...)                              \
	static void p_##id(struct call *c)             \
	{                                              \
		*c = (struct call){nr, {__VA_ARGS__}}; \
	}
#define UNDO(id, ...)                \
	static void u_##id(long ret) \
	{                            \
		(void)ret;           \
		__VA_ARGS__;         \
	}

static const char long_name[] =
	"a-name-that-is-much-too-long-to-find-room-inside-of-a-directory-entry-"
	"or-an-inode-itself-so-that-it-needs-memory-of-its-own";

CALL(open_create, SYS_openat, AT_FDCWD, P("new"), O_CREAT | O_RDWR, 0644)
UNDO(open_create, close((int)ret); OK(unlink("new")))
CALL(open_create_long, SYS_openat, AT_FDCWD, P(long_name), O_CREAT | O_RDWR, 0644)
UNDO(open_create_long, close((int)ret); OK(unlink(long_name)))
CALL(open, SYS_openat, AT_FDCWD, P("f"), O_RDWR)
CALL(open_trunc, SYS_openat, AT_FDCWD, P("f"), O_RDWR | O_APPEND)
CALL(open_dir, SYS_openat, AT_FDCWD, P("."), O_RDONLY)
CALL(open_path, SYS_openat, AT_FDCWD, P("/proc/self/exe"), 010000000 /* O_PATH */)
CALL(open_null, SYS_openat, AT_FDCWD, P("/dev/null"), O_RDWR)
CALL(open_tty, SYS_openat, AT_FDCWD, P("/dev/ttyS0"), O_RDWR | O_NOCTTY | O_NONBLOCK)
CALL(open_kmsg, SYS_openat, AT_FDCWD, P("/dev/kmsg"), O_RDONLY | O_NONBLOCK)
CALL(open_fifo, SYS_openat, AT_FDCWD, P("fifo"), O_RDWR)
CALL(open_proc, SYS_openat, AT_FDCWD, P("/proc/self/maps"), O_RDONLY)
CALL(open_pagemap, SYS_openat, AT_FDCWD, P("/proc/self/pagemap"), O_RDONLY)
CALL(open_task, SYS_openat, AT_FDCWD, P("/proc/self/task/../fd/"), O_RDONLY)
CALL(open_sys, SYS_openat, AT_FDCWD, P("/sys/devices/system/cpu/online"), O_RDONLY)
CALL(open_ktest, SYS_openat, AT_FDCWD, P("/proc/octavo/ktest"), O_RDWR)
CALL(mkdir, SYS_mkdir, P("new"), 0755)
UNDO(mkdir, OK(rmdir("new")))
CALL(mknod, SYS_mknod, P("new"), S_IFIFO | 0600, 0)
UNDO(unlink_new, OK(unlink("new")))
CALL(symlink, SYS_symlink, P("f"), P("new"))
CALL(symlink_long, SYS_symlink, P(long_name), P("new"))
CALL(link, SYS_link, P("f"), P("new"))
CALL(rename, SYS_rename, P("f"), P("new"))
UNDO(rename, OK(rename("new", "f")))
CALL(rename_long, SYS_rename, P("f"), P(long_name))
UNDO(rename_long, OK(rename(long_name, "f")))
CALL(rename_dir, SYS_rename, P("d"), P("e"))
UNDO(rename_dir, OK(rename("e", "d")))
static void p_rename_over(struct call *c)
{
	close(ut_file("g", "g", 1));
	set(c, SYS_rename, P("g"), P("h"), 0, 0, 0, 0);
}
UNDO(rename_over, )
CALL(unlink, SYS_unlink, P("f2"))
UNDO(unlink, close(ut_file("f2", "x", 1)); done = 1)
CALL(rmdir, SYS_rmdir, P("d2"))
UNDO(rmdir, OK(mkdir("d2", 0755)))
CALL(readlink, SYS_readlink, P("l"), P(area), 100)
CALL(readlink_exe, SYS_readlink, P("/proc/self/exe"), P(area), 100)
CALL(readlink_cwd, SYS_readlink, P("/proc/self/cwd"), P(area), 100)
CALL(getcwd, SYS_getcwd, P(area), 4096)
CALL(chdir, SYS_chdir, P("."))
CALL(stat_deep, SYS_stat, P("d/../d/../d/../l"), P(area))
CALL(access, SYS_access, P("f"), 4)
CALL(chmod, SYS_chmod, P("f"), 0644)
CALL(chown, SYS_chown, P("f"), 0, 0)
CALL(utimensat, SYS_utimensat, AT_FDCWD, P("f"), 0, 0)
CALL(statfs, SYS_statfs, P("f"), P(area))
CALL(statx, SYS_statx, AT_FDCWD, P("f"), 0, 0x7ff, P(area))
CALL(truncate_up, SYS_truncate, P("f"), 1 << 20)
CALL(truncate_cut, SYS_truncate, P("f"), 5000)
UNDO(truncate, OK(truncate("f", 8192)))
CALL(getxattr, SYS_getxattr, P("f"), P("user.x"), P(area), 10)

static void p_getdents(struct call *c)
{
	fd_a = OK(open("many", O_RDONLY));
	fd_b = -1;
	set(c, SYS_getdents64, fd_a, P(area), 32768, 0, 0, 0);
}
static void p_getdents_proc(struct call *c)
{
	fd_a = OK(open("/proc", O_RDONLY));
	fd_b = OK(open("/proc/self/fd", O_RDONLY));
	set(c, SYS_getdents64, fd_b, P(area), 32768, 0, 0, 0);
}
UNDO(nothing, )

/* -- reading and writing */

static void file_call(struct call *c, long nr, long a1, long a2, long a3, long a4)
{
	fd_a = OK(open("w", O_RDWR | O_CREAT | O_TRUNC, 0644));
	fd_b = -1;
	set(c, nr, fd_a, a1, a2, a3, a4, 0);
}
static void p_write(struct call *c)
{
	file_call(c, SYS_write, P(area), 100, 0, 0);
}
static void p_write_big(struct call *c)
{
	file_call(c, SYS_write, P(area), 10 * PAGE, 0, 0);
}
static void p_pwrite_far(struct call *c)
{
	file_call(c, SYS_pwrite64, P(area), 100, 1L << 36, 0);
}
static void p_fallocate(struct call *c)
{
	file_call(c, SYS_fallocate, 0, 0, 10 * PAGE, 0);
}
static void p_punch(struct call *c)
{
	file_call(c, SYS_fallocate, 3 /* KEEP_SIZE | PUNCH_HOLE */, 100, 9 * PAGE, 0);
	CHECK_EQ(write(fd_a, area, 10 * PAGE), 10 * PAGE);
}
static void p_read_hole(struct call *c)
{
	file_call(c, SYS_pread64, P(area), 10 * PAGE, 0, 0);
	OK(ftruncate(fd_a, 20 * PAGE));
}
static void p_ftruncate_part(struct call *c)
{
	file_call(c, SYS_ftruncate, 5 * PAGE + 7, 0, 0, 0);
	CHECK_EQ(write(fd_a, area, 10 * PAGE), 10 * PAGE);
}
static void vectors(void)
{
	struct iovec *v = (void *)(area + 32 * PAGE);

	for (int i = 0; i < 100; i++)
		v[i] = (struct iovec){area + 100 * i, 100};
}
static void p_writev(struct call *c)
{
	vectors();
	file_call(c, SYS_writev, P(area + 32 * PAGE), 100, 0, 0);
}
static void p_readv(struct call *c)
{
	vectors();
	file_call(c, SYS_readv, P(area + 32 * PAGE), 100, 0, 0);
	CHECK_EQ(write(fd_a, area, 2 * PAGE), 2 * PAGE);
	lseek(fd_a, 0, SEEK_SET);
}
static void p_sendfile(struct call *c)
{
	file_call(c, SYS_sendfile, 0, 0, 0, 0);
	fd_b = OK(open("f", O_RDONLY));
	c->arg[1] = fd_b;
	c->arg[3] = 8192;
}
static void c_file(void)
{
	close_two();
	unlink("w");
}
/* What was written is there, and nothing but. */
static void u_written(long ret)
{
	struct stat st;

	OK(fstat(fd_a, &st));
	CHECK_EQ(st.st_size, ret);
}

/* -- pipes, descriptors, waiting */

CALL(pipe, SYS_pipe2, P(area), 0)
UNDO(pipe, close(((int *)area)[0]); close(((int *)area)[1]))
CALL(memfd, SYS_memfd_create, P("name"), 0)
CALL(dup_far, SYS_fcntl, FAIL_FD, F_DUPFD, 300)
CALL(dup2_far, SYS_dup2, FAIL_FD, 900)
static void p_pipe_write(struct call *c)
{
	int p[2];

	OK(pipe2(p, O_NONBLOCK));
	fd_a = p[0];
	fd_b = p[1];
	set(c, SYS_write, fd_b, P(area), 9 * PAGE, 0, 0, 0);
}
static void u_pipe_written(long ret)
{
	CHECK_EQ(read(fd_a, area + 16 * PAGE, 16 * PAGE), ret);
}
static void p_pipe_size(struct call *c)
{
	p_pipe_write(c);
	set(c, SYS_fcntl, fd_b, F_SETPIPE_SZ, 1 << 19, 0, 0, 0);
}
static void p_setlk(struct call *c)
{
	struct flock *l = (void *)area;

	fd_a = OK(open("f", O_RDWR));
	fd_b = OK(open("f", O_RDWR));
	*l = (struct flock){.l_type = F_WRLCK, .l_start = 0, .l_len = 100};
	OK(fcntl(fd_a, F_SETLK, l));
	/* a hole in the middle: one lock becomes two */
	*l = (struct flock){.l_type = F_UNLCK, .l_start = 10, .l_len = 10};
	set(c, SYS_fcntl, fd_a, F_SETLK, P(area), 0, 0, 0);
}
static void p_flock(struct call *c)
{
	fd_a = OK(open("f", O_RDWR));
	fd_b = -1;
	set(c, SYS_flock, fd_a, 2, 0, 0, 0, 0);
}
static void p_poll(struct call *c)
{
	struct pollfd *p = (void *)area;

	for (int i = 0; i < 600; i++)
		p[i] = (struct pollfd){.fd = i % 2 ? 1 : FAIL_FD, .events = POLLIN};
	set(c, SYS_poll, P(area), 600, 0, 0, 0, 0);
}
CALL(select, SYS_select, 1000, P(area + 8192), P(area + 8320), P(area + 8448), P(area + 8576))
static void p_poll_wait(struct call *c)
{
	struct pollfd *p = (void *)area;

	p_pipe_write(c);
	for (int i = 0; i < 600; i++)
		p[i] = (struct pollfd){.fd = fd_a, .events = POLLIN};
	set(c, SYS_poll, P(area), 600, 1, 0, 0, 0);
}
CALL(eventfd, SYS_eventfd2, 0, 0)
CALL(epoll_create, SYS_epoll_create1, 0)
static void p_epoll_add(struct call *c)
{
	int p[2];

	OK(pipe2(p, O_NONBLOCK));
	close(p[1]);
	fd_a = p[0];
	fd_b = epoll_create1(0);
	*(struct epoll_event *)area = (struct epoll_event){.events = EPOLLIN};
	set(c, SYS_epoll_ctl, fd_b, EPOLL_CTL_ADD, fd_a, P(area), 0, 0);
}
CALL(timerfd, SYS_timerfd_create, CLOCK_MONOTONIC, 0)
CALL(signalfd, SYS_signalfd4, -1, P(area), 8, 0)
CALL(mount, SYS_mount, P("none"), P("d"), P("tmpfs"), 0, 0)
CALL(mount_proc, SYS_mount, P("none"), P("d"), P("proc"), 0, 0)
CALL(mount_sysfs, SYS_mount, P("none"), P("d"), P("sysfs"), 0, 0)
CALL(mount_dev, SYS_mount, P("none"), P("d"), P("devtmpfs"), 0, 0)
CALL(mount_options, SYS_mount, P("none"), P("d"), P("tmpfs"), 0, P("size=1m,mode=700"))
CALL(mount_bind, SYS_mount, P("d2"), P("d"), 0, MS_BIND, 0)
UNDO(mount, OK(umount("d")))
static void p_umount(struct call *c)
{
	OK(mount("none", "d", "tmpfs", 0, NULL));
	set(c, SYS_umount2, P("d"), 0, 0, 0, 0, 0);
}
static void c_umount(void)
{
	umount2("d", 0);
}
CALL(sync, SYS_sync, 0)

static const struct scenario files[] = {
	{"open, creating", p_open_create, u_open_create, NULL, 0, 0, 0},
	{"open, creating a long name", p_open_create_long, u_open_create_long, NULL, 0, 0, 0},
	{"open", p_open, close_ret, NULL, 0, 0, 0},
	{"open, appending", p_open_trunc, close_ret, NULL, 0, 0, 0},
	{"open a directory", p_open_dir, close_ret, NULL, 0, 0, 0},
	{"open O_PATH", p_open_path, close_ret, NULL, 0, 0, 0},
	{"open /dev/null", p_open_null, close_ret, NULL, 0, 0, 0},
	{"open /dev/ttyS0", p_open_tty, close_ret, NULL, 0, 0, 0},
	{"open /dev/kmsg", p_open_kmsg, close_ret, NULL, 0, 0, 0},
	{"open a FIFO", p_open_fifo, close_ret, NULL, 0, 0, 0},
	{"open /proc/self/maps", p_open_proc, close_ret, NULL, 0, 0, 0},
	{"open /proc/self/pagemap", p_open_pagemap, close_ret, NULL, 0, 0, 0},
	{"open /proc/self/fd", p_open_task, close_ret, NULL, 0, 0, 0},
	{"open in /sys", p_open_sys, close_ret, NULL, 0, 0, 0},
	{"open /proc/octavo/ktest", p_open_ktest, close_ret, NULL, 0, 0, 0},
	{"mkdir", p_mkdir, u_mkdir, NULL, 0, 0, 0},
	{"mknod", p_mknod, u_unlink_new, NULL, 0, 0, 0},
	{"symlink", p_symlink, u_unlink_new, NULL, 0, 0, 0},
	{"symlink, long", p_symlink_long, u_unlink_new, NULL, 0, 0, 0},
	{"link", p_link, u_unlink_new, NULL, 0, 0, 0},
	{"rename", p_rename, u_rename, NULL, 0, 0, 0},
	{"rename to a long name", p_rename_long, u_rename_long, NULL, 0, 0, 0},
	{"rename a directory", p_rename_dir, u_rename_dir, NULL, 0, 0, 0},
	{"rename over a file", p_rename_over, u_rename_over, NULL, 0, 0, 0},
	{"unlink", p_unlink, u_unlink, NULL, 0, 0, 0},
	{"rmdir", p_rmdir, u_rmdir, NULL, 0, 0, 0},
	{"readlink", p_readlink, u_nothing, NULL, 0, 0, 0},
	{"readlink /proc/self/exe", p_readlink_exe, u_nothing, NULL, 0, 0, 0},
	{"readlink /proc/self/cwd", p_readlink_cwd, u_nothing, NULL, 0, 0, 0},
	{"getcwd", p_getcwd, u_nothing, NULL, 0, 0, 0},
	{"chdir", p_chdir, u_nothing, NULL, 0, 0, 0},
	{"stat", p_stat_deep, u_nothing, NULL, 0, 0, 0},
	{"access", p_access, u_nothing, NULL, 0, 0, 0},
	{"chmod", p_chmod, u_nothing, NULL, 0, 0, 0},
	{"chown", p_chown, u_nothing, NULL, 0, 0, 0},
	{"utimensat", p_utimensat, u_nothing, NULL, 0, 0, 0},
	{"statfs", p_statfs, u_nothing, NULL, 0, 0, 0},
	{"statx", p_statx, u_nothing, NULL, 0, 0, 0},
	{"truncate, longer", p_truncate_up, u_truncate, NULL, 0, 0, 0},
	{"truncate, shorter", p_truncate_cut, u_truncate, NULL, 0, 0, 0},
	{"getxattr", p_getxattr, u_nothing, NULL, EOPNOTSUPP, 0, 0},
	{"getdents64", p_getdents, u_nothing, close_two, 0, 0, 0},
	{"getdents64 of /proc", p_getdents_proc, u_nothing, close_two, 0, 0, 0},
	{"sync", p_sync, u_nothing, NULL, 0, 0, 0},
	{"mount tmpfs", p_mount, u_mount, NULL, 0, 0, 0},
	{"mount tmpfs with options", p_mount_options, u_mount, NULL, 0, 0, 0},
	{"mount proc", p_mount_proc, u_mount, NULL, 0, 0, 0},
	{"mount sysfs", p_mount_sysfs, u_mount, NULL, 0, 0, 0},
	{"mount devtmpfs", p_mount_dev, u_mount, NULL, 0, 0, 0},
	{"mount --bind", p_mount_bind, u_mount, NULL, 0, 0, 0},
	{"umount2", p_umount, u_nothing, c_umount, 0, 0, 0},
};

static const struct scenario io[] = {
	{"write", p_write, u_written, c_file, 0, 0, 0},
	{"write of ten pages", p_write_big, u_written, c_file, 0, 0, 0},
	{"pwrite far behind the end", p_pwrite_far, u_nothing, c_file, 0, 0, 0},
	{"fallocate", p_fallocate, u_nothing, c_file, 0, 0, 0},
	{"fallocate a hole", p_punch, u_nothing, c_file, 0, 1, 0},
	{"read of a hole", p_read_hole, u_nothing, c_file, 0, 0, 0},
	{"ftruncate inside a page", p_ftruncate_part, u_nothing, c_file, 0, 0, 0},
	{"writev", p_writev, u_written, c_file, 0, 0, 0},
	{"readv", p_readv, u_nothing, c_file, 0, 0, 0},
	{"sendfile", p_sendfile, u_written, c_file, 0, 0, 0},
	{"pipe2", p_pipe, u_pipe, NULL, 0, 0, 0},
	{"memfd_create", p_memfd, close_ret, NULL, 0, 0, 0},
	{"F_DUPFD beyond the table", p_dup_far, close_ret, NULL, EMFILE, 0, 0},
	{"dup2 beyond the table", p_dup2_far, close_ret, NULL, EMFILE, 0, 0},
	{"write to a pipe", p_pipe_write, u_pipe_written, close_two, 0, 0, 0},
	{"F_SETPIPE_SZ", p_pipe_size, u_nothing, close_two, 0, 0, 0},
	{"F_SETLK that splits a lock", p_setlk, u_nothing, close_two, ENOLCK, 0, 0},
	{"flock", p_flock, u_nothing, close_two, ENOLCK, 0, 0},
	{"poll of many", p_poll, u_nothing, NULL, 0, 0, 0},
	{"poll of many that waits", p_poll_wait, u_nothing, close_two, 0, 0, 0},
	{"select of many", p_select, u_nothing, NULL, 0, 0, 0},
	{"eventfd2", p_eventfd, close_ret, NULL, ENOSYS, 0, 0},
	{"epoll_create1", p_epoll_create, close_ret, NULL, ENOSYS, 0, 0},
	{"epoll_ctl", p_epoll_add, u_nothing, close_two, ENOSYS, 0, 0},
	{"timerfd_create", p_timerfd, close_ret, NULL, ENOSYS, 0, 0},
	{"signalfd4", p_signalfd, close_ret, NULL, ENOSYS, 0, 0},
};

/* -- generated files: read from the first byte, and again far on */

static void read_call(struct call *c, const char *path, off_t at)
{
	fd_a = OK(open(path, O_RDONLY));
	fd_b = -1;
	set(c, SYS_pread64, fd_a, P(area), 32768, at, 0, 0);
}
#define READ(id, path, at)                      \
	static void p_proc_##id(struct call *c) \
	{                                       \
		read_call(c, path, at);         \
	}
READ(maps, "/proc/self/maps", 0)
READ(smaps, "/proc/self/smaps", 0)
READ(rollup, "/proc/self/smaps_rollup", 0)
READ(pagemap, "/proc/self/pagemap", 0)
READ(status, "/proc/self/status", 0)
READ(stat, "/proc/self/stat", 0)
READ(cmdline, "/proc/self/cmdline", 0)
READ(environ, "/proc/self/environ", 0)
READ(limits, "/proc/self/limits", 0)
READ(mountinfo, "/proc/self/mountinfo", 0)
READ(zoneinfo, "/proc/zoneinfo", 0)
READ(cpuinfo, "/proc/cpuinfo", 0)
READ(slabinfo, "/proc/slabinfo", 0)
READ(kallsyms, "/proc/kallsyms", 0)
READ(frames, "/proc/octavo/frames", 0)
READ(kallsyms_far, "/proc/kallsyms", 30000)

/* There is text, if nothing is said against it. */
UNDO(read, CHECK(ret > 0))

static const struct scenario generated[] = {
	{"read /proc/self/maps", p_proc_maps, u_read, close_two, 0, 0, 0},
	{"read /proc/self/smaps", p_proc_smaps, u_read, close_two, 0, 0, 0},
	{"read /proc/self/smaps_rollup", p_proc_rollup, u_read, close_two, 0, 0, 0},
	{"read /proc/self/pagemap", p_proc_pagemap, u_read, close_two, 0, 0, 0},
	{"read /proc/self/status", p_proc_status, u_read, close_two, 0, 0, 0},
	{"read /proc/self/stat", p_proc_stat, u_read, close_two, 0, 0, 0},
	{"read /proc/self/cmdline", p_proc_cmdline, u_read, close_two, 0, 0, 0},
	{"read /proc/self/environ", p_proc_environ, u_read, close_two, 0, 0, 0},
	{"read /proc/self/limits", p_proc_limits, u_read, close_two, 0, 0, 0},
	{"read /proc/self/mountinfo", p_proc_mountinfo, u_read, close_two, 0, 0, 0},
	{"read /proc/zoneinfo", p_proc_zoneinfo, u_read, close_two, 0, 0, 0},
	{"read /proc/cpuinfo", p_proc_cpuinfo, u_read, close_two, 0, 0, 0},
	{"read /proc/slabinfo", p_proc_slabinfo, u_read, close_two, 0, 0, 0},
	{"read /proc/kallsyms", p_proc_kallsyms, u_read, close_two, 0, 0, 0},
	{"read /proc/octavo/frames", p_proc_frames, u_read, close_two, 0, 0, 0},
	{"read /proc/kallsyms, far on", p_proc_kallsyms_far, u_read, close_two, 0, 0, 0},
};

/* -- memory: mem is ten pages, all there, a hole of ten pages behind it */

static void p_mem(void)
{
	char *p = ut_map_prot(20 * PAGE, PROT_NONE);

	mem = mmap(p, 10 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		   -1, 0);
	memset(mem, 1, 10 * PAGE);
	OK(munmap(p + 10 * PAGE, 10 * PAGE));
}
static void c_mem(void)
{
	OK(munmap(mem, 20 * PAGE));
}
#define MEM_CALL(id, nr, ...)                          \
	static void p_##id(struct call *c)             \
	{                                              \
		p_mem();                               \
		*c = (struct call){nr, {__VA_ARGS__}}; \
	}
#define RW (PROT_READ | PROT_WRITE)
#define AP (MAP_PRIVATE | MAP_ANONYMOUS)

MEM_CALL(mmap, SYS_mmap, P(mem + 12 * PAGE), 4 * PAGE, RW, AP | MAP_FIXED, -1, 0)
MEM_CALL(mmap_shared, SYS_mmap, P(mem + 12 * PAGE), 4 * PAGE, RW,
	 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
MEM_CALL(mmap_file, SYS_mmap, P(mem + 12 * PAGE), 2 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, 3, 0)
MEM_CALL(mmap_populate, SYS_mmap, P(mem + 12 * PAGE), 4 * PAGE, RW, AP | MAP_FIXED | MAP_POPULATE,
	 -1, 0)
MEM_CALL(mmap_over, SYS_mmap, P(mem + 3 * PAGE), 2 * PAGE, PROT_READ, AP | MAP_FIXED, -1, 0)
MEM_CALL(mmap_merge, SYS_mmap, P(mem + 10 * PAGE), 2 * PAGE, RW, AP | MAP_FIXED, -1, 0)
MEM_CALL(munmap_middle, SYS_munmap, P(mem + 3 * PAGE), 2 * PAGE)
MEM_CALL(munmap_end, SYS_munmap, P(mem + 8 * PAGE), 2 * PAGE)
MEM_CALL(mprotect_middle, SYS_mprotect, P(mem + 3 * PAGE), 2 * PAGE, PROT_READ)
MEM_CALL(mprotect_all, SYS_mprotect, P(mem), 10 * PAGE, PROT_NONE)
MEM_CALL(mremap_grow, SYS_mremap, P(mem), 10 * PAGE, 14 * PAGE, 0)
MEM_CALL(mremap_move, SYS_mremap, P(mem + 2 * PAGE), 2 * PAGE, 4 * PAGE, 3, P(mem + 12 * PAGE))
MEM_CALL(mremap_over, SYS_mremap, P(mem + 2 * PAGE), 2 * PAGE, 2 * PAGE, 3, P(mem + 6 * PAGE))
MEM_CALL(mremap_dontunmap, SYS_mremap, P(mem), 10 * PAGE, 10 * PAGE, 5 | 2, P(mem + 10 * PAGE))
MEM_CALL(mremap_shrink, SYS_mremap, P(mem), 10 * PAGE, 3 * PAGE, 0)
MEM_CALL(dontfork, SYS_madvise, P(mem + 3 * PAGE), 2 * PAGE, MADV_DONTFORK)
MEM_CALL(dontneed, SYS_madvise, P(mem + 3 * PAGE), 2 * PAGE, MADV_DONTNEED)
MEM_CALL(willneed, SYS_madvise, P(mem), 10 * PAGE, MADV_WILLNEED)
MEM_CALL(mlock_middle, SYS_mlock, P(mem + 3 * PAGE), 2 * PAGE)
MEM_CALL(mincore, SYS_mincore, P(mem), 10 * PAGE, P(area))
MEM_CALL(msync, SYS_msync, P(mem), 10 * PAGE, MS_SYNC)
static void p_remap_file_pages(struct call *c)
{
	p_mem();
	mmap(mem, 10 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	set(c, SYS_remap_file_pages, P(mem + 3 * PAGE), 2 * PAGE, 0, 0, 0, 0);
}
static void p_populate(struct call *c)
{
	p_mem();
	OK(madvise(mem, 10 * PAGE, MADV_DONTNEED));
	set(c, SYS_madvise, P(mem), 10 * PAGE, MADV_POPULATE_WRITE, 0, 0, 0);
}
static void p_populate_far(struct call *c)
{
	p_populate(c);
	/* where there are no tables yet */
	OK(munmap(mem, 20 * PAGE));
	mem = OK(mmap((void *)0x600000000000, 10 * PAGE, RW, AP | MAP_FIXED, -1, 0));
	c->arg[0] = P(mem);
}
static void p_populate_file(struct call *c)
{
	mem = OK(mmap((void *)0x600000000000, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, 3, 0));
	set(c, SYS_madvise, P(mem), 2 * PAGE, MADV_POPULATE_WRITE, 0, 0, 0);
}
static char *brk_now;
static void p_brk(struct call *c)
{
	brk_now = (char *)syscall(SYS_brk, 0);
	set(c, SYS_brk, P(brk_now + 4 * PAGE), 0, 0, 0, 0, 0);
}
static void c_brk(void)
{
	syscall(SYS_brk, brk_now);
}
static void c_munlockall(void)
{
	OK(munlockall());
}
CALL(mlockall, SYS_mlockall, MCL_CURRENT)

static const struct scenario memory[] = {
	{"mmap", p_mmap, u_nothing, c_mem, 0, 0, 0},
	{"mmap shared", p_mmap_shared, u_nothing, c_mem, 0, 0, 0},
	{"mmap a file", p_mmap_file, u_nothing, c_mem, 0, 0, 0},
	{"mmap MAP_POPULATE", p_mmap_populate, u_nothing, c_mem, 0, 0, 0},
	{"mmap over the middle", p_mmap_over, u_nothing, c_mem, 0, 1, 0},
	{"mmap beside", p_mmap_merge, u_nothing, c_mem, 0, 0, 0},
	{"munmap the middle", p_munmap_middle, u_nothing, c_mem, 0, 0, 0},
	{"munmap the end", p_munmap_end, u_nothing, c_mem, 0, 0, 0},
	{"mprotect the middle", p_mprotect_middle, u_nothing, c_mem, 0, 0, 0},
	{"mprotect", p_mprotect_all, u_nothing, c_mem, 0, 0, 0},
	{"mremap, growing", p_mremap_grow, u_nothing, c_mem, 0, 0, 0},
	{"mremap, moving", p_mremap_move, u_nothing, c_mem, 0, 0, 0},
	{"mremap over", p_mremap_over, u_nothing, c_mem, 0, 1, 0},
	{"mremap MREMAP_DONTUNMAP", p_mremap_dontunmap, u_nothing, c_mem, 0, 0, 0},
	{"mremap, shrinking", p_mremap_shrink, u_nothing, c_mem, 0, 0, 0},
	{"madvise MADV_DONTFORK", p_dontfork, u_nothing, c_mem, EAGAIN, 0, 0},
	{"madvise MADV_DONTNEED", p_dontneed, u_nothing, c_mem, EAGAIN, 0, 0},
	{"madvise MADV_WILLNEED", p_willneed, u_nothing, c_mem, EBADF, 0, 0},
	{"madvise MADV_POPULATE_WRITE", p_populate, u_nothing, c_mem, EAGAIN, 0, 0},
	{"madvise MADV_POPULATE_WRITE, new tables", p_populate_far, u_nothing, c_mem, EAGAIN, 0, 0},
	{"madvise MADV_POPULATE_WRITE of a file", p_populate_file, u_nothing, c_mem, EAGAIN, 0, 0},
	{"mlock", p_mlock_middle, u_nothing, c_mem, EAGAIN, 0, 0},
	{"mlockall", p_mlockall, u_nothing, c_munlockall, EAGAIN, 1, 0},
	{"mincore", p_mincore, u_nothing, c_mem, EAGAIN, 0, 0},
	{"msync", p_msync, u_nothing, c_mem, 0, 0, 0},
	{"remap_file_pages", p_remap_file_pages, u_nothing, c_mem, 0, 1, 0},
	{"brk", p_brk, u_nothing, c_brk, 0, 0, 0},
};

/* -- processes, signals, time */

static void p_fork(struct call *c)
{
	p_mem();
	set(c, SYS_fork, 0, 0, 0, 0, 0, 0);
}
static void p_vfork(struct call *c)
{
	p_mem();
	set(c, SYS_vfork, 0, 0, 0, 0, 0, 0);
}
#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
static void p_thread(struct call *c)
{
	int *tid = (int *)(window + 64);

	*tid = 1;
	/* its end clears *tid */
	set(c, SYS_clone, THREAD | CLONE_CHILD_CLEARTID, P(area + 64 * PAGE), 0, P(tid), 0, 0);
}
static void u_thread(long ret)
{
	volatile int *tid = (int *)(window + 64);

	(void)ret;
	while (*tid)
		syscall(SYS_futex, tid, FUTEX_WAIT, 1, NULL, NULL, 0);
}
static void p_clone3(struct call *c)
{
	uint64_t *args = (uint64_t *)area;

	memset(args, 0, 88);
	args[4] = SIGCHLD;
	set(c, SYS_clone3, P(args), 88, 0, 0, 0, 0);
}
CALL(setgroups, SYS_setgroups, 2, P(area))
CALL(sigqueue, SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 3, P(area))
CALL(kill, SYS_kill, getpid(), SIGRTMIN + 3)
CALL(kill_plain, SYS_kill, getpid(), SIGUSR1)
static void p_siginfo(struct call *c)
{
	siginfo_t *si = (void *)area;

	memset(si, 0, sizeof(*si));
	si->si_code = SI_QUEUE;
	p_sigqueue(c);
}
CALL(timer_create, SYS_timer_create, CLOCK_MONOTONIC, 0, P(area))
UNDO(timer_create, OK(syscall(SYS_timer_delete, *(int *)area)))
static void p_setitimer(struct call *c)
{
	struct itimerval *it = (void *)area;

	*it = (struct itimerval){{0, 0}, {1000, 0}};
	set(c, SYS_setitimer, ITIMER_REAL, P(it), 0, 0, 0, 0);
}
static void p_futex(struct call *c)
{
	struct timespec *ts = (void *)(area + 64);

	*(int *)area = 7;
	*ts = (struct timespec){0, 1000};
	set(c, SYS_futex, P(area), FUTEX_WAIT, 7, P(ts), 0, 0);
}
static void p_nanosleep(struct call *c)
{
	struct timespec *ts = (void *)(area + 64);

	*ts = (struct timespec){0, 1000};
	set(c, SYS_nanosleep, P(ts), 0, 0, 0, 0, 0);
}
static void p_wait(struct call *c)
{
	pid_t pid = OK(fork());

	if (pid == 0)
		_exit(3);
	set(c, SYS_wait4, pid, P(area), 0, P(area + 64), 0, 0);
}
static void c_reap(void)
{
	reap(0);
}
CALL(sethostname, SYS_sethostname, P("host"), 4)
CALL(syslog, SYS_syslog, 3, P(area), 4096)

static const struct scenario processes[] = {
	{"fork", p_fork, reap, c_mem, EAGAIN, 0, 1},
	{"vfork", p_vfork, reap, c_mem, EAGAIN, 0, 1},
	{"clone of a thread", p_thread, u_thread, NULL, EAGAIN, 0, 1},
	{"clone3", p_clone3, reap, NULL, EAGAIN, 0, 1},
	{"wait4", p_wait, u_nothing, c_reap, 0, 0, 0},
	{"setgroups", p_setgroups, u_nothing, NULL, 0, 0, 0},
	{"rt_sigqueueinfo", p_siginfo, u_nothing, take_signals, EAGAIN, 0, 0},
	{"kill, real-time", p_kill, u_nothing, take_signals, EAGAIN, 0, 0},
	{"kill", p_kill_plain, u_nothing, take_signals, EAGAIN, 0, 0},
	{"timer_create", p_timer_create, u_timer_create, take_signals, EAGAIN, 0, 0},
	{"setitimer", p_setitimer, u_nothing, NULL, 0, 0, 0},
	{"futex wait", p_futex, u_nothing, NULL, ETIMEDOUT, 0, 0},
	{"nanosleep", p_nanosleep, u_nothing, NULL, 0, 0, 0},
	{"sethostname", p_sethostname, u_nothing, NULL, 0, 0, 0},
	{"syslog", p_syslog, u_nothing, NULL, 0, 0, 0},
};

/* ---- the walk ------------------------------------------------------------------------------------- */

static int no_such_call(const struct scenario *s)
{
	struct call c;
	long left, ret;

	s->prepare(&c);
	ret = fail_call(&c, "%d", 0, s->child, &left);
	if (ret >= 0)
		s->undo(ret);
	if (s->clean)
		s->clean();
	return ret == -ENOSYS;
}

static int is_failure(const struct scenario *s, long ret)
{
	/* brk answers with the end that it was before */
	if (s->prepare == p_brk)
		return ret == P(brk_now);
	return ret < 0 && ret > -4096;
}

/* The nth allocation of the scenario's call fails. 0: it had fewer. */
static int one_call(const struct scenario *s, const char *how, int n)
{
	struct call c;
	long left, ret;

	s->prepare(&c);
	look(before);
	ret = fail_call(&c, how, n, s->child, &left);
	if (!is_failure(s, ret)) {
		s->undo(ret);
	} else if (left == 0) {
		if (ret < 0 && ret > -4096 && ret != -ENOMEM && ret != -s->also)
			FAIL("%s with "
			     "%s: %s",
			     s->name, how, ut_errname((int)-ret));
		look(after);
		if (!s->partial && strcmp(before, after))
			say_difference(s->name);
	} else if (ret != -s->also) {
		FAIL("%s, without a failure: %s", s->name, ut_errname((int)-ret));
	}
	if (s->clean)
		s->clean();
	return left == 0;
}

static void walk(const struct scenario *s, const char *how)
{
	int n = 1;

	while (one_call(s, how, n))
		if (++n > MAX_N) {
			FAIL("%s: still fails at allocation %d", s->name, n);
			break;
		}
}

/* So that no page becomes the program's own later on. */
static void touch_everything(void)
{
	volatile char stack[64 * 1024];

	for (size_t i = 0; i < sizeof(stack); i += 512)
		stack[i] = 0;
	OK(mlockall(MCL_CURRENT));
	OK(munlockall());
}

static void set_up(void)
{
	struct rlimit files = {1024, 1024};
	sigset_t all;
	int fd;

	if ((fd = open("/proc/self/fail-nth", O_RDWR)) < 0) {
		CHECK(access("/sys/kernel/debug/page_owner", F_OK) < 0); /* no debug build */
		SKIP("no fault injection");
	}
	OK(dup2(fd, FAIL_FD));
	close(fd);
	OK(setrlimit(RLIMIT_NOFILE, &files));
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	area = ut_map(AREA * PAGE);
	memset(area, 0, AREA * PAGE);
	window = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(window, 0, PAGE);
	touch_everything();
	fd = ut_file("f", area, 8192);
	CHECK_EQ(dup2(fd, 3), 3);
	if (fd != 3)
		close(fd);
	close(ut_file("f2", "x", 1));
	OK(mkdir("d", 0755));
	OK(mkdir("d2", 0755));
	OK(mkdir("many", 0755));
	OK(symlink("f", "l"));
	OK(mkfifo("fifo", 0600));
	for (int i = 0; i < 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "many/file-number-%d", i);
		close(ut_file(name, "", 0));
	}
}

static void walk_all(const struct scenario *s, size_t n)
{
	static const char *const how[] = {"%d page", "%d slab", "%d vmalloc", "%d+"};
	static char was[LEDGER_SIZE];
	char missing[64] = {0};

	set_up();
	/* caches and tables grow once */
	for (size_t i = 0; i < n; i++)
		missing[i] = (char)no_such_call(&s[i]);
	look(before);
	ledger_still(was);
	for (size_t i = 0; i < n; i++) {
		if (missing[i])
			continue;
		for (size_t h = 0; h < sizeof(how) / sizeof(*how); h++)
			walk(&s[i], how[h]);
		ledger_compare(s[i].name, was);
	}
}

#define N(a) (sizeof(a) / sizeof((a)[0]))

TEST_MEM(files, 128, "a call on files that loses memory, or half succeeds, when memory is short")
{
	walk_all(files, N(files));
}

TEST_MEM(generated, 128, "the same of files whose text is made when they are read")
{
	walk_all(generated, N(generated));
}

TEST_MEM(io, 128, "the same of reading, writing, descriptors and waiting")
{
	walk_all(io, N(io));
}

TEST_MEM(memory, 128, "the same of mappings")
{
	walk_all(memory, N(memory));
}

TEST_MEM(processes, 128, "the same of processes, signals and time")
{
	walk_all(processes, N(processes));
}

/* ---- files of /proc --------------------------------------------------------------------------------- */

static const char *const proc_files[] = {
	"self/maps",    "self/smaps",    "self/smaps_rollup", "self/status",    "self/stat",
	"self/statm",   "self/limits",   "self/mounts",       "self/mountinfo", "self/environ",
	"self/auxv",    "self/cmdline",  "self/wchan",        "self/stack",     "self/oom_score",
	"self/io",      "self/fdinfo/3", "meminfo",           "buddyinfo",      "zoneinfo",
	"pagetypeinfo", "vmstat",        "slabinfo",          "stat",           "cpuinfo",
	"filesystems",  "interrupts",    "kallsyms",          "swaps",          "loadavg",
	"uptime",       "version",       "sys/vm/swappiness", "self/pagemap",   "kpagecount",
	"self/mem",
};
static const char *proc_file;

static void p_proc_read(struct call *c)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s", proc_file);
	fd_a = open(path, O_RDONLY);
	fd_b = -1;
	/* self/mem at an address where there is something */
	set(c, SYS_pread64, fd_a, P(area), 16384, strcmp(proc_file, "self/mem") ? 0 : P(window), 0,
	    0);
}

TEST_MEM(proc, 128, "the same of files under /proc that make their text when it is read")
{
	static char was[LEDGER_SIZE];

	set_up();
	for (int warm = 1; warm >= 0; warm--) {
		for (size_t i = 0; i < N(proc_files); i++) {
			/* a stack may have nothing to show */
			int empty = !strcmp(proc_files[i], "self/stack");
			struct scenario s = {proc_files[i],
					     p_proc_read,
					     empty ? u_nothing : u_read,
					     close_two,
					     EIO,
					     0,
					     0};

			proc_file = proc_files[i];
			walk(&s, "%d");
			if (!warm)
				ledger_compare(s.name, was);
		}
		ledger_still(was);
	}
}
