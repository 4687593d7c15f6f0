/* SPDX-License-Identifier: MIT */
/*
 * What each call answers to each argument that it may refuse: a table of calls, arguments and
 * results (errno_cases.def). The results are those of Linux 6.1, where the same table runs.
 *
 * Each entry runs in a child of its own, with the same descriptors at the same numbers, the same
 * memory at the same addresses, and the same files in its working directory. U() entries run as
 * an ordinary user. An entry is one call, so a mistake is named by its line.
 */
#include "utest.h"

#include <linux/capability.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

#define OK_  0 /* the call succeeds, whatever it returns */
#define USER 1000

/* --- descriptors -------------------------------------------------------------------------- */

enum {
	RW = 50, /* "f" */
	RO,
	WO,
	APP,     /* "g", O_RDWR|O_APPEND */
	DIR,     /* "d" */
	PATHFD,  /* "f", O_PATH */
	DIRPATH, /* "d", O_PATH */
	PIPE_R,  /* O_NONBLOCK */
	PIPE_W,
	NUL, /* /dev/null */
	ZERO,
	PROC,     /* /proc/self/stat */
	MEM,      /* a memfd of 4096 bytes that can be sealed */
	SEALED,   /* one that is sealed against writing */
	GROWSEAL, /* 4 bytes, sealed against growing and shrinking */
	BROKEN,   /* a pipe that nobody reads */
	FULL,     /* a pipe that is full */
	LINKPATH, /* "link", O_PATH|O_NOFOLLOW */
	CLOSED = 77,
};

static void move_to(int want, int fd)
{
	OK(dup2(OK(fd), want));
	close(fd);
}

static int memfd(size_t size, int seals)
{
	int fd = OK(memfd_create("m", MFD_ALLOW_SEALING));

	OK(ftruncate(fd, size));
	OK(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static void make_descriptors(void)
{
	int p[2];

	move_to(RW, open("f", O_RDWR));
	move_to(RO, open("f", O_RDONLY));
	move_to(WO, open("f", O_WRONLY));
	move_to(APP, open("g", O_RDWR | O_APPEND));
	move_to(DIR, open("d", O_RDONLY));
	move_to(PATHFD, open("f", O_PATH));
	move_to(DIRPATH, open("d", O_PATH));
	move_to(LINKPATH, open("link", O_PATH | O_NOFOLLOW));
	move_to(NUL, open("/dev/null", O_RDWR));
	move_to(ZERO, open("/dev/zero", O_RDWR));
	move_to(PROC, open("/proc/self/stat", O_RDONLY));
	move_to(MEM, memfd(4096, 0));
	move_to(SEALED, memfd(4096, F_SEAL_WRITE));
	move_to(GROWSEAL, memfd(4, F_SEAL_GROW | F_SEAL_SHRINK));
	OK(pipe2(p, O_NONBLOCK));
	move_to(PIPE_R, p[0]);
	move_to(PIPE_W, p[1]);
	OK(pipe(p));
	close(p[0]);
	move_to(BROKEN, p[1]);
	OK(pipe2(p, O_NONBLOCK));
	while (write(p[1], p, 1) == 1)
		;
	move_to(FULL, p[1]); /* its reader stays open, too */
}

/* --- memory ------------------------------------------------------------------------------- */

#define BUF    0x10000000L /* 64 KiB, zeroes */
#define ROBUF  0x10100000L /* a page that can only be read */
#define NONE   0x10200000L /* nothing for 1 MiB */
#define SHRO   0x10400000L /* "f", shared, from a descriptor for reading */
#define SHRW   0x10410000L /* "f", shared, writable */
#define PRIVRO 0x10420000L /* "f", private, from a descriptor for reading */
#define KERN   0xffff888000100000L
#define NULL_  0L

#define RDWR (PROT_READ | PROT_WRITE)

static void map_at(long addr, size_t len, int prot, int flags, int fd)
{
	OK(mmap((void *)addr, len, prot, flags | MAP_FIXED_NOREPLACE, fd, 0));
}

static void make_memory(void)
{
	map_at(BUF, 16 * PAGE, RDWR, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map_at(ROBUF, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map_at(SHRO, PAGE, PROT_READ, MAP_SHARED, RO);
	map_at(SHRW, PAGE, RDWR, MAP_SHARED, RW);
	map_at(PRIVRO, PAGE, PROT_READ, MAP_PRIVATE, RO);
}

#define AT(object) ((long)&(object))

static struct timespec ts_0, ts_neg = {-1, 0}, ts_bign = {0, 1000000000}, ts_negn = {0, -1},
			     ts_max = {LONG_MAX, 0};
#define TS0    AT(ts_0)
#define TSNEG  AT(ts_neg)
#define TSBIGN AT(ts_bign)
#define TSNEGN AT(ts_negn)
#define TSMAX  AT(ts_max)
static struct timespec ts_two[2], ts_now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}},
				  ts_omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}},
				  ts_bad[2] = {{0, 0}, {0, 1000000000}};
#define TSS      AT(ts_two)
#define TSS_NOW  AT(ts_now)
#define TSS_OMIT AT(ts_omit)
#define TSS_BAD  AT(ts_bad)
static struct timeval tv_0, tv_neg = {-1, 0}, tv_big = {0, 1000000}, tv_negu = {0, -1}, tv_two[2],
			    tv_bad[2] = {{0, 0}, {0, 1000000}};
#define TV0     AT(tv_0)
#define TVNEG   AT(tv_neg)
#define TVBIG   AT(tv_big)
#define TVNEGU  AT(tv_negu)
#define TVS     AT(tv_two)
#define TVS_BAD AT(tv_bad)
static struct itimerval itv_0, itv_bad = {{0, 0}, {0, 1000000}}, itv_neg = {{0, 0}, {-1, 0}},
			       itv_badi = {{0, 1000000}, {0, 0}};
#define ITV0     AT(itv_0)
#define ITV_BAD  AT(itv_bad)
#define ITV_NEG  AT(itv_neg)
#define ITV_BADI AT(itv_badi)
static int tz_bad[2] = {15 * 60 + 1, 0};
#define TZ_BAD AT(tz_bad)
static long long_0 = 0, long_neg = -1, long_max = LONG_MAX;
#define LONG0   AT(long_0)
#define LONGNEG AT(long_neg)
#define LONGMAX AT(long_max)
static int int_0, int_1 = 1;
#define INT0 AT(int_0)
#define INT1 AT(int_1)
static unsigned long mask_1[16] = {1}, mask_0[16], sig_set[2];
#define MASK1  AT(mask_1)
#define MASK0  AT(mask_0)
#define SIGSET AT(sig_set)
static struct iovec iov[2] = {{(void *)BUF, 3}, {(void *)(BUF + 100), 4}},
		    iov_badbase[2] = {{(void *)NONE, 3}, {(void *)BUF, 4}},
		    iov_neglen[2] = {{(void *)BUF, 3}, {(void *)BUF, -1L}},
		    iov_huge[2] = {{(void *)BUF, LONG_MAX}, {(void *)BUF, LONG_MAX}},
		    iov_kern[2] = {{(void *)BUF, 3}, {(void *)KERN, 4}}, iov_empty[2];
#define IOV         AT(iov)
#define IOV_BADBASE AT(iov_badbase)
#define IOV_NEGLEN  AT(iov_neglen)
#define IOV_HUGE    AT(iov_huge)
#define IOV_KERN    AT(iov_kern)
#define IOV_EMPTY   AT(iov_empty)
static struct flock fl_wr = {.l_type = F_WRLCK}, fl_rd = {.l_type = F_RDLCK},
		    fl_un = {.l_type = F_UNLCK}, fl_badtype = {.l_type = 7},
		    fl_badwhence = {.l_whence = 7}, fl_negstart = {.l_start = -1},
		    fl_neglen = {.l_len = -1}, fl_over = {.l_start = 2, .l_len = LONG_MAX},
		    fl_pid = {.l_type = F_RDLCK, .l_pid = 1};
#define FL_WR        AT(fl_wr)
#define FL_RD        AT(fl_rd)
#define FL_UN        AT(fl_un)
#define FL_BADTYPE   AT(fl_badtype)
#define FL_BADWHENCE AT(fl_badwhence)
#define FL_NEGSTART  AT(fl_negstart)
#define FL_NEGLEN    AT(fl_neglen)
#define FL_OVER      AT(fl_over)
#define FL_PID       AT(fl_pid)
static struct pollfd pfd = {PIPE_R, POLLIN, 0}, pfd_closed = {CLOSED, POLLIN, 0},
		     pfd_neg = {-1, POLLIN, 0}, pfd_file = {RO, POLLIN, 0};
#define PFD        AT(pfd)
#define PFD_CLOSED AT(pfd_closed)
#define PFD_NEG    AT(pfd_neg)
#define PFD_FILE   AT(pfd_file)
static unsigned long fds_pipe[16] = {1UL << PIPE_R}, fds_closed[16] = {0, 1UL << (CLOSED - 64)};
#define FDS_PIPE   AT(fds_pipe)
#define FDS_CLOSED AT(fds_closed)
static struct rlimit rl_low = {16, 4096}, rl_inf = {RLIM_INFINITY, RLIM_INFINITY}, rl_bad = {2, 1};
#define RL_LOW AT(rl_low)
#define RL_INF AT(rl_inf)
#define RL_BAD AT(rl_bad)
static siginfo_t si_queue = {.si_signo = SIGCONT, .si_code = SI_QUEUE},
		 si_user = {.si_signo = SIGCONT, .si_code = SI_USER},
		 si_tkill = {.si_signo = SIGCONT, .si_code = SI_TKILL};
#define SIGINFO_QUEUE AT(si_queue)
#define SIGINFO_USER  AT(si_user)
#define SIGINFO_TKILL AT(si_tkill)
static long sig_act[4];
#define SIGACT AT(sig_act)
static stack_t ss_ok = {(void *)BUF, 0, 65536}, ss_small = {(void *)BUF, 0, 100},
	       ss_badflag = {(void *)BUF, 4, 65536}, ss_off = {0, SS_DISABLE, 0},
	       ss_auto = {(void *)BUF, 1 << 31, 65536};
#define SS_OK      AT(ss_ok)
#define SS_SMALL   AT(ss_small)
#define SS_BADFLAG AT(ss_badflag)
#define SS_OFF     AT(ss_off)
#define SS_AUTO    AT(ss_auto)
static struct __user_cap_header_struct cap_hdr = {_LINUX_CAPABILITY_VERSION_3, 0},
				       cap_bad = {0x1234, 0},
				       cap_pid = {_LINUX_CAPABILITY_VERSION_3, 999999};
#define CAPHDR     AT(cap_hdr)
#define CAPHDR_BAD AT(cap_bad)
#define CAPHDR_PID AT(cap_pid)
static char *argv_ok[] = {"x", NULL}, *argv_bad[] = {(char *)NONE, NULL}, *envp_ok[] = {NULL};
#define ARGV     AT(argv_ok)
#define ARGV_BAD AT(argv_bad)
#define ENVP     AT(envp_ok)
static unsigned long clone_args0[11] = {[0] = 1UL << 50};
#define CLONE_ARGS0 AT(clone_args0)
static char long_name[257], long_path[4097], long_249[250], long_250[251];
#define LONGNAME AT(long_name)
#define LONGPATH AT(long_path)
#define LONG249  AT(long_249)
#define LONG250  AT(long_250)
static char pids[3]; /* their addresses stand for the pids that are known only then */
#define SELF   AT(pids[0])
#define PARENT AT(pids[1])
#define SID    AT(pids[2])

/* --- files -------------------------------------------------------------------------------- */

static void file(const char *name, int mode, int owner)
{
	int fd = OK(open(name, O_CREAT | O_WRONLY | O_NONBLOCK, 0600));

	OK(write(fd, long_path, 100));
	OK(fchmod(fd, mode));
	OK(fchown(fd, owner, owner));
	close(fd);
}

static void dir(const char *name, int mode)
{
	OK(mkdir(name, 0700));
	OK(chmod(name, mode));
}

static void make_files(void)
{
	dir("d", 0755);
	dir("d/sub", 0755);
	dir("empty", 0755);
	dir("full", 0755);
	dir("shut", 0700);
	dir("open", 0777);
	dir("closed", 0755);
	dir("closed/s", 0755);
	dir("sticky", 01777);
	dir("sticky/s", 0755);
	dir("xdir", 0755);
	dir("ro", 0755);
	dir("mnt", 0755);
	file("f", 0644, 0);
	file("g", 0644, 0);
	file("mine", 0644, USER);
	file("secret", 0600, 0);
	file("text", 0755, 0);
	file("full/x", 0644, 0);
	file("shut/x", 0644, 0);
	file("open/x", 0644, 0);
	file("open/w", 0666, 0);
	file("closed/x", 0644, 0);
	file("sticky/x", 0644, 0);
	file("sticky/mine", 0644, USER);
	OK(symlink("f", "link"));
	OK(symlink("d", "dlink"));
	OK(symlink("absent", "dang"));
	OK(symlink("loop", "loop"));
	OK(mkfifo("fifo", 0644));
	OK(mount("none", "mnt", "tmpfs", 0, NULL));
	OK(mount("none", "ro", "tmpfs", 0, NULL));
	file("ro/x", 0644, 0);
	OK(mount("none", "ro", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL));
}

static void remove_tree(const char *name)
{
	char command[64];

	while (umount2("mnt", MNT_DETACH) == 0 || umount2("ro", MNT_DETACH) == 0)
		;
	OK(chdir(".."));
	snprintf(command, sizeof(command), "rm -rf %s", name);
	CHECK_EQ(system(command), 0);
}

/* --- running ------------------------------------------------------------------------------ */

struct entry {
	short nr, want, line;
	bool user;
	const char *text;
	long arg[6];
};

static long value_of(long arg, pid_t parent)
{
	if (arg == SELF)
		return getpid();
	if (arg == PARENT)
		return parent;
	return arg == SID ? getsid(0) : arg;
}

/* In the child: the result, as an errno or 0. */
static void run_entry(const struct entry *e, pid_t parent, volatile int *result)
{
	long a[6];

	for (int i = 0; i < 6; i++)
		a[i] = value_of(e->arg[i], parent);
	if (e->user) {
		OK(setgid(USER));
		OK(setuid(USER));
	}
	alarm(2);
	*result = 0;
	long r = syscall(e->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	*result = r == -1 && !(e->nr == SYS_getpriority && !errno) ? errno : 0;
	syscall(SYS_exit_group, 0);
}

static void run_table(const struct entry *e, size_t n, bool fresh)
{
	volatile int *result = OK(mmap(NULL, PAGE, RDWR, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t parent = getpid();

	memset(long_name, 'n', sizeof(long_name) - 1);
	memset(long_path, '/', sizeof(long_path) - 1);
	memset(long_249, 'm', sizeof(long_249) - 1);
	memset(long_250, 'm', sizeof(long_250) - 1);
	OK(chmod(".", 0755));
	for (size_t i = 0; i < n; i++, e++) {
		if (i == 0 || fresh) {
			dir("w", 0755);
			OK(chdir("w"));
			make_files();
			if (i == 0) {
				make_descriptors();
				make_memory();
			}
		}
		*result = -1;
		pid_t pid = OK(fork());
		if (pid == 0)
			run_entry(e, parent, result);
		int status;
		OK(waitpid(pid, &status, 0));
		if (WIFSIGNALED(status))
			*result = -WTERMSIG(status);
		if (*result != e->want)
			ut_fail("errno_cases.def", e->line, "%s%s gives %s%s, not %s", e->text,
				e->user ? " as a user" : "",
				*result < 0 ? ut_signame(-*result) : ut_errname(*result), "",
				ut_errname(e->want));
		if (fresh || i == n - 1)
			remove_tree("w");
	}
}

#define ARGS(a, b, c, d, e, f, ...)                                              \
	{                                                                        \
		(long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f) \
	}
/* The name is pasted here, before what headers define under it is put in its place. */
#define E(want, call, ...)           \
	{SYS_##call,                 \
	 want,                       \
	 __LINE__,                   \
	 false,                      \
	 #call "(" #__VA_ARGS__ ")", \
	 ARGS(__VA_ARGS__, 0, 0, 0, 0, 0, 0)},
#define U(want, call, ...)           \
	{SYS_##call,                 \
	 want,                       \
	 __LINE__,                   \
	 true,                       \
	 #call "(" #__VA_ARGS__ ")", \
	 ARGS(__VA_ARGS__, 0, 0, 0, 0, 0, 0)},

#include "errno_cases.def"
