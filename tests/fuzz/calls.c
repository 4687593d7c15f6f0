/* SPDX-License-Identifier: MIT */
/*
 * The system-call fuzzer: millions of random calls whose arguments are of the right kind, mostly.
 *
 * A round is a small world: a tmpfs to be root in, three worker processes, an ordinary user's or
 * root's, who make some hundred calls each, at once, on the same files, pipes and memory. They fork,
 * make threads, signal each other, map and unmap under each other's reads. Then everything that is
 * left of the world ends, the structure checkers run over all of memory (/proc/octavo/ledger), and
 * nothing may be left: not a page, not an object of any cache.
 *
 * Everything follows from the seed, and under -icount the kernel's part does too: the same command
 * line gives the same calls, to the last interleaving. What goes wrong is named by seed and round; a
 * kernel that dies names the worker, whose name is its round. fuzz.verbose=1 logs each call before it
 * is made.
 *
 *	fuzz.seed=N  fuzz.calls=N (of all rounds)  fuzz.round=N (the first one)  fuzz.verbose=1
 */
#include "fuzz.h"

#include <dirent.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/sysmacros.h>

#define WORKERS   3
#define PER_ROUND 400 /* calls of one worker */
#define NOBODY    65534
#define ROUND_MS  300 /* of virtual time; then the world ends, whoever still sleeps */
#define LOG_FD    63
#define DIR_WORLD "/tmp/world"

/* ---- what the calls are made of ------------------------------------------------------------------ */

#define AREA_PAGES  16
#define ARENA_PAGES 64
#define MAX_PIDS    32
#define MAX_PID     65536

/* Shared by the processes of a round. */
static struct shared {
	pid_t pids[MAX_PIDS]; /* that they may signal and wait for */
	uint32_t next_pid;
	char memory[8192]; /* for futexes */
} * shared;

static uint64_t *made;  /* calls of the round; apart, where no argument leads to */
static char *area;      /* for arguments; a hole behind it */
static char *arena;     /* to be mapped, unmapped and changed */
static char *read_only; /* a page */
static int is_root, verbose, depth;

static const char *const names[] = {
	"f",
	"g",
	"d",
	"d/x",
	"d/y",
	".",
	"..",
	"l",
	"loop",
	"fifo",
	"prog",
	"script",
	"d/../f",
	"m",
	"m/z",
	"dev/null",
	"dev/zero",
	"dev/full",
	"dev/random",
	"dev/none",
	"dev/tty",
	"",
	"/",
	"no/such/name",
	"f/x",
	"proc",
	"proc/self",
	"proc/self/maps",
	"proc/self/mem",
	"proc/self/fd/3",
	"proc/self/exe",
	"proc/self/smaps",
	"proc/self/status",
	"proc/self/cwd/f",
	"proc/self/comm",
	"proc/self/clear_refs",
	"proc/self/pagemap",
	"proc/self/task",
	"proc/self/fdinfo/4",
	"proc/meminfo",
	"proc/slabinfo",
	"proc/1/maps",
	"proc/1/environ",
	"a-long-name-that-does-not-fit-where-short-names-do-and-needs-memory-of-its-own-to-be-kept",
};

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = {
		0,
		1,
		2,
		3,
		7,
		8,
		16,
		63,
		64,
		65,
		127,
		128,
		255,
		256,
		511,
		512,
		1000,
		1023,
		1024,
		4095,
		4096,
		4097,
		65535,
		65536,
		1 << 20,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		1UL << 32,
		1UL << 47,
		0x7ffffffff000,
		1UL << 62,
		~0UL >> 1,
		1UL << 63,
		~0UL - 4095,
		~0UL - 1,
		~0UL,
	};

	return chance(80) ? PICK(odd) : rnd();
}

static uint64_t bad_pointer(void)
{
	static const uint64_t bad[] = {
		0,
		1,
		0xfff,
		0x123456789000,
		0x7fffffffeffd,
		0x7ffffffff000,
		0x900000000000,
		0xffff7fffffffffff,
		0xffff888000100000,
		0xffffffff80100000,
		0xffffffffff600000,
		~0UL,
		~0UL - 7,
	};

	return PICK(bad);
}

#define ADDRESS(p) ((uint64_t)(uintptr_t)(p))
#define AREA_END   (ADDRESS(area) + AREA_PAGES * PAGE)

/* Room for some bytes; now and then there is none. */
static uint64_t pointer(void)
{
	switch (below(40)) {
	case 0:
		return bad_pointer();
	case 1:
		return ADDRESS(read_only) + below(PAGE);
	case 2: /* the last bytes before the hole */
		return AREA_END - below(64);
	case 3:
	case 4:
		return ADDRESS(arena) + below(ARENA_PAGES * PAGE);
	case 5:
		return ADDRESS(area) + below(AREA_PAGES * PAGE);
	default:
		return ADDRESS(area) + below((AREA_PAGES - 1) * PAGE / 8) * 8;
	}
}

/* Where data of n bytes lies for the kernel to read. */
static uint64_t data(const void *from, size_t n)
{
	uint64_t at = pointer();

	if (at >= ADDRESS(area) && at < AREA_END && n <= AREA_END - at)
		memcpy((void *)(uintptr_t)at, from, n);
	return at;
}

static uint64_t path(void)
{
	const char *name = PICK(names);

	return chance(97) ? data(name, strlen(name) + 1) : pointer();
}

static uint64_t times_pointer(void)
{
	uint64_t t[4];

	for (int i = 0; i < 4; i++)
		t[i] = chance(90) ? (i % 2 ? below(3000000) : 0) : odd_number();
	return data(t, sizeof(t));
}

static uint64_t words(void)
{
	uint64_t w[8];

	for (int i = 0; i < 8; i++)
		w[i] = chance(30) ? pointer() : chance(50) ? below(256) : odd_number();
	return data(w, sizeof(w));
}

static uint64_t iovec(void)
{
	struct iovec v[4];

	for (int i = 0; i < 4; i++)
		v[i] = (struct iovec){(void *)(uintptr_t)pointer(),
				      chance(95) ? below(2 * PAGE) : odd_number()};
	return data(v, sizeof(v));
}

static uint64_t pollfds(void)
{
	struct pollfd p[4];

	for (int i = 0; i < 4; i++)
		p[i] = (struct pollfd){.fd = (int)below(16) - 1, .events = (short)rnd()};
	return data(p, sizeof(p));
}

static uint64_t flags_of(const uint32_t *flags, size_t n)
{
	uint64_t v = 0;

	for (int i = 0; i < 3; i++)
		v |= flags[below(n)];
	return chance(97) ? v : v | 1UL << below(32);
}
#define FLAGS(...)                                          \
	({                                                  \
		static const uint32_t f_[] = {__VA_ARGS__}; \
		flags_of(f_, sizeof(f_) / sizeof(*f_));     \
	})
#define ONE_OF(...)                                         \
	({                                                  \
		static const uint64_t v_[] = {__VA_ARGS__}; \
		chance(97) ? PICK(v_) : odd_number();       \
	})

static uint64_t some_pid(void)
{
	switch (below(8)) {
	case 0:
		return (uint64_t)getpid();
	case 1:
		return 0;
	case 2: /* a group; its own, unless it never had one */
		return (uint64_t) - (long)shared->pids[below(MAX_PIDS)];
	default:
		return (uint64_t)shared->pids[below(MAX_PIDS)];
	}
}

static uint64_t a_signal(void)
{
	/* the end of the worker only now and then */
	static const uint8_t kind[] = {SIGUSR1,  SIGUSR2, SIGALRM, SIGCHLD, SIGCONT, SIGURG,
				       SIGWINCH, 34,      40,      64,      0};

	return chance(90) ? PICK(kind) : below(66);
}

static uint64_t signal_set(void)
{
	uint64_t set = rnd() & rnd();

	if (chance(90))
		set &= ~(1UL << (SIGALRM - 1));
	return data(&set, sizeof(set));
}

static uint64_t length(void)
{
	return chance(95) ? (1 + below(8)) * PAGE - (chance(10) ? below(PAGE) : 0) : odd_number();
}

static uint64_t map_address(void)
{
	if (chance(2))
		return chance(50) ? odd_number() & ~(PAGE - 1) : bad_pointer();
	return ADDRESS(arena) + below(ARENA_PAGES) * PAGE + (chance(3) ? below(PAGE) : 0);
}

/* Devices without danger: of others, whoever may make them would write to the console. */
static uint64_t device(void)
{
	return ONE_OF(makedev(1, 3), makedev(1, 5), makedev(1, 7), makedev(1, 8)) & 0x1ff;
}

/*
 * The letters of the table.
 *
 *	f descriptor	D directory's descriptor  p path	b memory		n size of it
 *	w words in memory	t times in memory	g signal set	8 its size		v iovec		V how many
 *	i small number	a any number		x flags		o offset		m mapping	l length
 *	R protection	A mmap's flags		d madvise	P pid			s signal	u user
 *	M mode		O open's flags		W whence	c fcntl			k ioctl		C clock
 *	r resource	z futex operation	y prctl		F pollfds		e device	q shared word
 *	T at's flags	E address of the world's memory	h file system	0 zero
 */
static uint64_t argument(char kind)
{
	switch (kind) {
	case 'f':
		return chance(97) ? below(20) : odd_number();
	case 'D':
		return chance(70) ? (uint64_t)AT_FDCWD : below(20);
	case 'p':
		return path();
	case 'b':
		return pointer();
	case 'n':
		return chance(95) ? below(chance(80) ? 300 : 4 * PAGE) : odd_number();
	case 'w':
		return words();
	case 't':
		return chance(85) ? times_pointer() : 0;
	case 'g':
		return chance(90) ? signal_set() : 0;
	case '8':
		return chance(98) ? 8 : odd_number();
	case 'v':
		return iovec();
	case 'V':
		return chance(97) ? below(5) : odd_number();
	case 'i':
		return chance(95) ? below(16) : odd_number();
	case 'x':
		return chance(60) ? 0 : 1UL << below(32);
	case 'o':
		return chance(90) ? below(20 * PAGE) : odd_number();
	case 'm':
		return map_address();
	case 'l':
		return length();
	case 'R':
		return chance(97) ? below(8) : odd_number();
	case 'A':
		return (chance(30) ? MAP_SHARED : MAP_PRIVATE) | (chance(70) ? MAP_ANONYMOUS : 0) |
		       FLAGS(0, MAP_FIXED, MAP_FIXED, MAP_NORESERVE, MAP_POPULATE, MAP_GROWSDOWN,
			     MAP_LOCKED, MAP_FIXED_NOREPLACE, MAP_STACK);
	case 'd':
		return ONE_OF(0, 1, 2, 3, 4, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
			      25);
	case 'P':
		return some_pid();
	case 's':
		return a_signal();
	case 'u':
		return ONE_OF(0, 1, 1000, NOBODY, ~0U, ~0UL);
	case 'M':
		return chance(90) ? below(01000) : below(010000);
	case 'O':
		return below(3) | FLAGS(0, 0, O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND,
					O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH,
					O_NOATIME, O_SYNC);
	case 'W':
		return chance(97) ? below(6) : odd_number();
	case 'c':
		return ONE_OF(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 36, 37, 38, 1024, 1025,
			      1030, 1031, 1032, 1033, 1034);
	case 'k':
		return ONE_OF(0x5401, 0x5402, 0x5403, 0x5404, 0x540f, 0x5410, 0x5413, 0x5414,
			      0x541b, 0x5421, 0x5450, 0x5451, 0x5452);
	case 'C':
		return chance(95) ? below(12) : odd_number();
	case 'r':
		return chance(95) ? below(17) : odd_number();
	case 'z':
		return ONE_OF(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 128, 129, 131, 132, 133, 137, 138,
			      256 + 9);
	case 'y':
		return ONE_OF(1, 2, 3, 4, 5, 15, 16, 21, 22, 23, 29, 30, 35, 36, 37, 38, 39, 40);
	case 'F':
		return pollfds();
	case 'e':
		return device();
	case 'q':
		return ADDRESS(shared->memory) + below(16) * 4;
	case 'T':
		return ONE_OF(0, 0, 0x100, 0x200, 0x400, 0x1000);
	case 'E':
		return ADDRESS(shared->memory) + below(sizeof(shared->memory));
	case 'h': {
		static const char *const types[] = {"tmpfs", "proc", "sysfs", "none", "ext2"};
		const char *t = PICK(types);

		return data(t, strlen(t) + 1);
	}
	case 'a':
		return odd_number();
	default:
		return 0;
	}
}

/* root: made by root's workers too. Not here: what ends the machine, or changes what is not the
 * world's: reboot, the time, the log, names of the host, pids that are not the world's. */
static const struct entry {
	short nr;
	const char *args;
	int weight;
	int not_root;
} table[] = {
	{SYS_read, "fbn", 4, 0},
	{SYS_write, "fbn", 4, 0},
	{SYS_open, "pOM", 4, 0},
	{SYS_close, "f", 3, 0},
	{SYS_stat, "pb", 1, 0},
	{SYS_fstat, "fb", 1, 0},
	{SYS_lstat, "pb", 1, 0},
	{SYS_poll, "FVi", 2, 0},
	{SYS_lseek, "foW", 2, 0},
	{SYS_mmap, "mlRAfo", 8, 0},
	{SYS_mprotect, "mlR", 5, 0},
	{SYS_munmap, "ml", 4, 0},
	{SYS_brk, "a", 1, 0},
	{SYS_rt_sigaction, "swb8", 1, 0},
	{SYS_rt_sigprocmask, "igb8", 1, 0},
	{SYS_ioctl, "fkb", 1, 0},
	{SYS_pread64, "fbno", 2, 0},
	{SYS_pwrite64, "fbno", 3, 0},
	{SYS_readv, "fvV", 2, 0},
	{SYS_writev, "fvV", 2, 0},
	{SYS_access, "pi", 1, 0},
	{SYS_pipe, "b", 2, 0},
	{SYS_select, "ibbbt", 1, 0},
	{SYS_sched_yield, "", 1, 0},
	{SYS_mremap, "mllim", 6, 0},
	{SYS_msync, "mli", 1, 0},
	{SYS_mincore, "mlb", 2, 0},
	{SYS_madvise, "mld", 6, 0},
	{SYS_dup, "f", 1, 0},
	{SYS_dup2, "ff", 1, 0},
	{SYS_nanosleep, "tb", 1, 0},
	{SYS_getitimer, "ib", 1, 0},
	{SYS_alarm, "i", 1, 0},
	{SYS_setitimer, "itb", 1, 0},
	{SYS_getpid, "", 1, 0},
	{SYS_sendfile, "ffbn", 2, 0},
	{SYS_wait4, "Pbib", 1, 0},
	{SYS_kill, "Ps", 2, 0},
	{SYS_uname, "b", 1, 0},
	{SYS_fcntl, "fcw", 4, 0},
	{SYS_flock, "fi", 1, 0},
	{SYS_fsync, "f", 1, 0},
	{SYS_fdatasync, "f", 1, 0},
	{SYS_truncate, "po", 2, 0},
	{SYS_ftruncate, "fo", 3, 0},
	{SYS_getcwd, "bn", 1, 0},
	{SYS_chdir, "p", 1, 0},
	{SYS_fchdir, "f", 1, 0},
	{SYS_rename, "pp", 3, 0},
	{SYS_mkdir, "pM", 2, 0},
	{SYS_rmdir, "p", 2, 0},
	{SYS_creat, "pM", 1, 0},
	{SYS_link, "pp", 2, 0},
	{SYS_unlink, "p", 2, 0},
	{SYS_symlink, "pp", 2, 0},
	{SYS_readlink, "pbn", 1, 0},
	{SYS_chmod, "pM", 1, 0},
	{SYS_fchmod, "fM", 1, 0},
	{SYS_chown, "puu", 1, 0},
	{SYS_fchown, "fuu", 1, 0},
	{SYS_lchown, "puu", 1, 0},
	{SYS_umask, "M", 1, 0},
	{SYS_gettimeofday, "bb", 1, 0},
	{SYS_getrlimit, "rb", 1, 0},
	{SYS_getrusage, "ib", 1, 0},
	{SYS_sysinfo, "b", 1, 0},
	{SYS_times, "b", 1, 0},
	{SYS_getuid, "", 1, 0},
	{SYS_setuid, "u", 1, 1},
	{SYS_setgid, "u", 1, 1},
	{SYS_setpgid, "PP", 1, 0},
	{SYS_getppid, "", 1, 0},
	{SYS_setsid, "", 1, 0},
	{SYS_setreuid, "uu", 1, 1},
	{SYS_setregid, "uu", 1, 1},
	{SYS_getgroups, "ib", 1, 0},
	{SYS_setgroups, "ib", 1, 0},
	{SYS_setresuid, "uuu", 1, 1},
	{SYS_getresuid, "bbb", 1, 0},
	{SYS_setresgid, "uuu", 1, 1},
	{SYS_getresgid, "bbb", 1, 0},
	{SYS_getpgid, "P", 1, 0},
	{SYS_setfsuid, "u", 1, 0},
	{SYS_setfsgid, "u", 1, 0},
	{SYS_getsid, "P", 1, 0},
	{SYS_capget, "ww", 1, 0},
	{SYS_capset, "ww", 1, 0},
	{SYS_rt_sigpending, "b8", 1, 0},
	{SYS_rt_sigtimedwait, "gbt8", 1, 0},
	{SYS_rt_sigqueueinfo, "Psw", 2, 0},
	{SYS_rt_sigsuspend, "g8", 1, 0},
	{SYS_sigaltstack, "wb", 1, 0},
	{SYS_utime, "pt", 1, 0},
	{SYS_mknod, "pMe", 1, 0},
	{SYS_personality, "a", 1, 0},
	{SYS_statfs, "pb", 1, 0},
	{SYS_fstatfs, "fb", 1, 0},
	{SYS_getpriority, "iP", 1, 0},
	{SYS_setpriority, "iPi", 1, 0},
	{SYS_sched_setparam, "Pw", 1, 0},
	{SYS_sched_getparam, "Pb", 1, 0},
	{SYS_sched_setscheduler, "Piw", 1, 0},
	{SYS_sched_getscheduler, "P", 1, 0},
	{SYS_sched_get_priority_max, "i", 1, 0},
	{SYS_sched_rr_get_interval, "Pb", 1, 0},
	{SYS_mlock, "ml", 2, 0},
	{SYS_munlock, "ml", 2, 0},
	{SYS_mlockall, "i", 1, 0},
	{SYS_munlockall, "", 1, 0},
	{SYS_prctl, "ybaaa", 2, 0},
	{SYS_setrlimit, "rw", 1, 1},
	{SYS_chroot, "p", 1, 1},
	{SYS_sync, "", 1, 0},
	{SYS_mount, "pphxw", 2, 0},
	{SYS_umount2, "pi", 2, 0},
	{SYS_sethostname, "bn", 1, 1},
	{SYS_gettid, "", 1, 0},
	{SYS_readahead, "fon", 1, 0},
	{SYS_getxattr, "ppbn", 1, 0},
	{SYS_tkill, "Ps", 1, 0},
	{SYS_time, "b", 1, 0},
	{SYS_futex, "qzitqi", 5, 0},
	{SYS_sched_setaffinity, "Pnw", 1, 0},
	{SYS_sched_getaffinity, "Pnb", 1, 0},
	{SYS_getdents64, "fbn", 3, 0},
	{SYS_set_tid_address, "b", 1, 0},
	{SYS_restart_syscall, "", 1, 0},
	{SYS_fadvise64, "foni", 1, 0},
	{SYS_clock_settime, "Ct", 1, 1},
	{SYS_clock_gettime, "Cb", 1, 0},
	{SYS_clock_getres, "Cb", 1, 0},
	{SYS_clock_nanosleep, "Citb", 1, 0},
	{SYS_tgkill, "PPs", 1, 0},
	{SYS_utimes, "pt", 1, 0},
	{SYS_waitid, "iPbib", 1, 0},
	{SYS_openat, "DpOM", 8, 0},
	{SYS_mkdirat, "DpM", 1, 0},
	{SYS_mknodat, "DpMe", 1, 0},
	{SYS_fchownat, "DpuuT", 1, 0},
	{SYS_futimesat, "Dpt", 1, 0},
	{SYS_newfstatat, "DpbT", 2, 0},
	{SYS_unlinkat, "DpT", 2, 0},
	{SYS_renameat, "DpDp", 1, 0},
	{SYS_linkat, "DpDpT", 2, 0},
	{SYS_symlinkat, "pDp", 1, 0},
	{SYS_readlinkat, "Dpbn", 1, 0},
	{SYS_fchmodat, "DpM", 1, 0},
	{SYS_faccessat, "Dpi", 1, 0},
	{SYS_pselect6, "ibbbtw", 1, 0},
	{SYS_ppoll, "FVtg8", 1, 0},
	{SYS_set_robust_list, "wn", 1, 0},
	{SYS_get_robust_list, "Pbb", 1, 0},
	{SYS_utimensat, "DptT", 1, 0},
	{SYS_fallocate, "fioo", 3, 0},
	{SYS_dup3, "ffO", 1, 0},
	{SYS_pipe2, "bO", 2, 0},
	{SYS_preadv, "fvVo", 1, 0},
	{SYS_pwritev, "fvVo", 1, 0},
	{SYS_rt_tgsigqueueinfo, "PPsw", 1, 0},
	{SYS_prlimit64, "Prwb", 1, 1},
	{SYS_syncfs, "f", 1, 0},
	{SYS_getcpu, "bb0", 1, 0},
	{SYS_renameat2, "DpDpi", 2, 0},
	{SYS_getrandom, "bni", 1, 0},
	{SYS_memfd_create, "pi", 2, 0},
	{SYS_mlock2, "mli", 1, 0},
	{SYS_statx, "DpTab", 1, 0},
	{SYS_close_range, "ffi", 1, 0},
	{SYS_faccessat2, "DpiT", 1, 0},
	{SYS_remap_file_pages, "ml0iA", 1, 0},
	{SYS_membarrier, "ii", 1, 0},
	{SYS_shmget, "ina", 1, 0},
	{SYS_shmat, "imi", 1, 0},
	{SYS_shmdt, "m", 1, 0},
	{SYS_shmctl, "iib", 1, 0},
	{SYS_eventfd2, "iO", 1, 0},
	{SYS_epoll_create1, "O", 1, 0},
	{SYS_epoll_ctl, "fifw", 1, 0},
	{SYS_epoll_wait, "fbii", 1, 0},
	{SYS_timer_create, "Cwb", 1, 0},
	{SYS_timer_settime, "iitb", 1, 0},
	{SYS_timer_delete, "i", 1, 0},
	{SYS_timerfd_create, "CO", 1, 0},
	{SYS_timerfd_settime, "fitb", 1, 0},
	{SYS_signalfd4, "fg8O", 1, 0},
	{SYS_splice, "fbfbni", 1, 0},
	{SYS_tee, "ffni", 1, 0},
	{SYS_copy_file_range, "fbfbni", 1, 0},
	{SYS_sync_file_range, "fooi", 1, 0},
	{SYS_preadv2, "fvVo0x", 1, 0},
	{SYS_pwritev2, "fvVo0x", 1, 0},
	{SYS_rseq, "bnia", 1, 0},
	{SYS_arch_prctl, "ab", 1, 0},
	{SYS_pause, "", 1, 0},
	{SYS_rt_sigreturn, "", 1, 0},
	{SYS_process_vm_readv, "PvVvV0", 1, 0},
	{SYS_process_vm_writev, "PvVvV0", 1, 0},
};

/* Calls that are made in their own way. */
enum { S_FORK = 1000, S_THREAD, S_EXEC, S_ANY, S_TOUCH, S_END };
static const struct entry special[] = {
	{S_FORK, "", 3, 0}, {S_THREAD, "", 3, 0}, {S_EXEC, "", 1, 0},
	{S_ANY, "", 3, 0},  {S_TOUCH, "", 6, 0},  {S_END, "", 0, 0},
};

static const struct entry *choose(void)
{
	static unsigned total;
	uint64_t n;

	if (!total) {
		for (size_t i = 0; i < N(table); i++)
			total += (unsigned)table[i].weight;
		for (size_t i = 0; i < N(special); i++)
			total += (unsigned)special[i].weight;
	}
	n = below(total);
	for (size_t i = 0; i < N(table); i++) {
		if (n < (unsigned)table[i].weight)
			return &table[i];
		n -= (unsigned)table[i].weight;
	}
	for (size_t i = 0;; i++) {
		if (n < (unsigned)special[i].weight)
			return &special[i];
		n -= (unsigned)special[i].weight;
	}
}

/* ---- making a call ---------------------------------------------------------------------------------- */

static void log_call(long nr, const uint64_t *a)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "fuzz %d: %ld(%lx, %lx, %lx, %lx, %lx, %lx)\n",
			 (int)getpid(), nr, (long)a[0], (long)a[1], (long)a[2], (long)a[3],
			 (long)a[4], (long)a[5]);

	if (write(LOG_FD, line, (size_t)n) < 0)
		return;
}

static long call(long nr, const uint64_t *a)
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	long ret;

	__atomic_fetch_add(made, 1, __ATOMIC_RELAXED);
	if (verbose)
		log_call(nr, a);
	__asm__ __volatile__("syscall"
			     : "=a"(ret)
			     : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			     : "rcx", "r11", "memory");
	return ret;
}

static void remember_pid(pid_t pid)
{
	shared->pids[__atomic_fetch_add(&shared->next_pid, 1, __ATOMIC_RELAXED) % MAX_PIDS] = pid;
}

static void many_calls(int n);

static void fork_child(void)
{
	static const uint64_t none[6];
	long pid;

	if (depth > 1)
		return;
	pid = call(SYS_fork, none);
	if (pid == 0) {
		depth++;
		state = state * 31 + 7;
		many_calls(30);
		_exit(0);
	}
	if (pid > 0)
		remember_pid((pid_t)pid);
}

static int thread_main(void *arg)
{
	(void)arg;
	many_calls(20);
	return 0;
}

#define SHARED (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND)

/* A thread, or a process with some of it shared. Its stack is never given back. */
static void make_thread(void)
{
	static char stacks[3][16384] __attribute__((aligned(16)));
	static int next;
	int flags = chance(60) ? SHARED | CLONE_THREAD :
				 (int)FLAGS(0, CLONE_FS, CLONE_FILES, CLONE_PARENT, CLONE_VFORK) |
					 SIGCHLD;
	int pid;

	if (depth > 1 || next >= 3)
		return;
	if (!(flags & CLONE_VM)) {
		uint64_t args[6] = {(uint64_t)flags};

		depth++;
		pid = (int)call(SYS_clone, args);
		if (pid == 0) {
			many_calls(20);
			_exit(0);
		}
		depth--;
	} else {
		__atomic_fetch_add(made, 1, __ATOMIC_RELAXED);
		pid = clone(thread_main, stacks[next++] + sizeof(stacks[0]), flags, NULL);
	}
	if (pid > 0)
		remember_pid(pid);
}

static void exec_something(void)
{
	uint64_t argv[4] = {ADDRESS("x"), pointer(), pointer(), 0};
	uint64_t args[6];
	long pid;

	if (depth > 1)
		return;
	if (chance(90))
		argv[chance(50) ? 1 : 2] = 0;
	args[0] = chance(60) ? ADDRESS(chance(50) ? "prog" : "script") : path();
	args[1] = chance(80) ? data(argv, sizeof(argv)) : pointer();
	args[2] = chance(80) ? 0 : pointer();
	pid = fork();
	if (pid == 0) {
		call(SYS_execve, args);
		_exit(0);
	}
	if (pid > 0)
		remember_pid((pid_t)pid);
}

/* Numbers that the table does not have, without arguments that could do harm. */
static void any_call(void)
{
	uint64_t a[6];
	long nr = (long)below(470);

	switch (nr) {
	case SYS_exit:
	case SYS_exit_group:
	case SYS_vfork:
	case SYS_fork:
	case SYS_clone:
	case SYS_clone3:
	case SYS_reboot:
	case SYS_syslog:
	case SYS_settimeofday:
	case SYS_clock_settime:
	case SYS_adjtimex:
	case SYS_sethostname:
	case SYS_setdomainname:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_setpriority:
	case SYS_prlimit64:
	case SYS_mknod:
	case SYS_mknodat:
	case SYS_swapon:
	case SYS_swapoff:
	case SYS_chroot: /* the way out of a root */
	case SYS_pivot_root:
		return;
	}
	for (int i = 0; i < 6; i++)
		a[i] = argument("fpbniamwxg"[below(10)]);
	call(nr, a);
}

static sigjmp_buf touched;
static volatile int touching;

static void on_fault(int sig)
{
	if (touching)
		siglongjmp(touched, 1);
	_exit(sig);
}

/* What lies in the arena is used as well: page faults of every kind. */
static void touch(void)
{
	volatile char *p = arena + below(ARENA_PAGES * PAGE);

	__atomic_fetch_add(made, 1, __ATOMIC_RELAXED);
	if (depth == 0 && sigsetjmp(touched, 1) == 0) {
		touching = 1;
		if (chance(50))
			*p = (char)rnd();
		else
			(void)*p;
	}
	touching = 0;
}

static void many_calls(int n)
{
	uint64_t a[6];

	while (n-- > 0) {
		const struct entry *e = choose();

		if (e->not_root && is_root)
			continue;
		switch (e->nr) {
		case S_FORK:
			fork_child();
			continue;
		case S_THREAD:
			make_thread();
			continue;
		case S_EXEC:
			exec_something();
			continue;
		case S_ANY:
			any_call();
			continue;
		case S_TOUCH:
			touch();
			continue;
		}
		memset(a, 0, sizeof(a));
		for (int i = 0; e->args[i]; i++)
			a[i] = argument(chance(99) ? e->args[i] : 'a');
		/* nobody outside of the world is to be signalled, whatever became of the argument */
		if (strchr(e->args, 'P'))
			for (int i = 0; e->args[i]; i++)
				if (e->args[i] == 'P')
					a[i] = some_pid();
		call(e->nr, a);
	}
}

/* ---- the world ---------------------------------------------------------------------------------------- */

/* mov $60, %eax; mov $33, %edi; syscall, as a program of one page */
static void write_program(void)
{
	static const unsigned char elf[] = {
		0x7f, 'E',  'L', 'F', 2, 1,  1,    0,   0, 0,  0, 0,    0,    0, 0,  0,  2,
		0,    62,   0,   1,   0, 0,  0,    120, 0, 64, 0, 0,    0,    0, 0,  64, 0,
		0,    0,    0,   0,   0, 0,  0,    0,   0, 0,  0, 0,    0,    0, 0,  0,  0,
		0,    64,   0,   56,  0, 1,  0,    0,   0, 0,  0, 0,    0,    1, 0,  0,  0,
		5,    0,    0,   0,   0, 0,  0,    0,   0, 0,  0, 0,    0,    0, 64, 0,  0,
		0,    0,    0,   0,   0, 64, 0,    0,   0, 0,  0, 132,  0,    0, 0,  0,  0,
		0,    0,    132, 0,   0, 0,  0,    0,   0, 0,  0, 16,   0,    0, 0,  0,  0,
		0,    0xb8, 60,  0,   0, 0,  0xbf, 33,  0, 0,  0, 0x0f, 0x05,
	};

	close(ut_file("prog", elf, sizeof(elf)));
	chmod("prog", 0755);
	ut_spew("script", "#!prog arg\n");
	chmod("script", 0755);
}

static void build_world(void)
{
	OK(mkdir(DIR_WORLD, 0755));
	OK(mount("world", DIR_WORLD, "tmpfs", 0, "size=4m,mode=777"));
	OK(chdir(DIR_WORLD));
	OK(mkdir("proc", 0755));
	OK(mkdir("dev", 0755));
	OK(mkdir("m", 0777));
	OK(mkdir("d", 0777));
	OK(mount("proc", "proc", "proc", 0, NULL));
	OK(mknod("dev/null", S_IFCHR | 0666, makedev(1, 3)));
	OK(mknod("dev/zero", S_IFCHR | 0666, makedev(1, 5)));
	OK(mknod("dev/full", S_IFCHR | 0666, makedev(1, 7)));
	OK(mknod("dev/random", S_IFCHR | 0666, makedev(1, 8)));
	OK(mkfifo("fifo", 0666));
	OK(symlink("f", "l"));
	OK(symlink("loop", "loop"));
	write_program();
	close(ut_file("f", "some text\n", 10));
	chmod("f", 0666);
	OK(chown(".", NOBODY, NOBODY));
}

/* Segments of System V shared memory last until somebody removes them. */
static void remove_segments(void)
{
	struct shmid_ds ds;
	int top = shmctl(0, SHM_INFO, (void *)&ds);

	for (int i = 0; i <= top; i++) {
		int id = shmctl(i, SHM_STAT, &ds);

		if (id >= 0)
			shmctl(id, IPC_RMID, NULL);
	}
}

/* What the workers have mounted below it goes too, and what they have put over it. */
static void end_world(void)
{
	OK(chdir("/"));
	remove_segments();
	while (umount2(DIR_WORLD, MNT_DETACH) == 0)
		;
	OK(rmdir(DIR_WORLD));
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void limit(int what, unsigned long value)
{
	struct rlimit rl = {value, value};

	OK(setrlimit(what, &rl));
}

static void become_worker(int number, uint64_t round)
{
	struct sigaction sa = {.sa_handler = on_alarm},
			 fault = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
	struct itimerval it = {{0, 2000}, {0, 2000}};
	int p[2], log = open("/dev/kmsg", O_WRONLY);
	char name[16];

	is_root = number == 0 && round % 2;
	OK(chroot("."));
	for (int fd = 0; fd < 256; fd++)
		if (fd != log)
			close(fd);
	if (verbose)
		dup2(log, LOG_FD);
	close(log);
	(void)!open("dev/null", O_RDWR);
	(void)!open("f", O_RDWR);
	(void)!open(".", O_RDONLY);
	(void)!open("dev/zero", O_RDWR);
	(void)!pipe2(p, O_NONBLOCK);
	(void)!pipe2(p, 0);
	(void)!open("fifo", O_RDWR | O_NONBLOCK);
	(void)!open("proc/self/maps", O_RDONLY);
	limit(RLIMIT_FSIZE, 1 << 20);
	limit(RLIMIT_NPROC, 24);
	limit(RLIMIT_NOFILE, 64);
	limit(RLIMIT_AS, 24 << 20);
	limit(RLIMIT_CPU, 5);
	snprintf(name, sizeof(name), "r%lu.%d", (unsigned long)round, number);
	prctl(PR_SET_NAME, name);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	setpgid(0, 0);
	if (!is_root && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		_exit(2);
}

/* fn for each process, without the C library's memory: ours must not change. */
static int for_each_process(int (*fn)(int pid, char *known), char *known)
{
	static char buf[4096];
	int fd = OK(open("/proc", O_RDONLY | O_DIRECTORY)), sum = 0;
	long n;

	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long i = 0; i < n;) {
			struct dirent *d = (void *)(buf + i);
			int pid = atoi(d->d_name);

			i += d->d_reclen;
			if (pid > 0 && pid < MAX_PID)
				sum += fn(pid, known);
		}
	close(fd);
	return sum;
}

static int note_known(int pid, char *known)
{
	known[pid] = 1;
	return 0;
}

/* Everybody who was not there when the fuzzer started. */
static int kill_stranger(int pid, char *known)
{
	if (known[pid])
		return 0;
	kill(pid, SIGKILL);
	return 1;
}

static void run_round(uint64_t seed, uint64_t round, char *known)
{
	long end = ut_now_ms() + ROUND_MS;
	int left = WORKERS;

	memset(shared->pids, 0, sizeof(shared->pids));
	for (int i = 0; i < MAX_PIDS; i++)
		shared->pids[i] = getpid() + 100000; /* nobody */
	build_world();
	for (int i = 0; i < WORKERS; i++) {
		pid_t pid = OK(fork());

		if (pid == 0) {
			state = (seed << 40) + (round << 8) + (uint64_t)i;
			become_worker(i, round);
			many_calls(PER_ROUND);
			_exit(0);
		}
		shared->pids[i] = pid;
	}
	while (left > 0 && ut_now_ms() < end) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		left = 0;
		for (int i = 0; i < WORKERS; i++)
			left += kill(shared->pids[i], 0) == 0;
		ut_msleep(1);
	}
	do {
		left = for_each_process(kill_stranger, known);
		while (waitpid(-1, NULL, left ? WNOHANG : 0) > 0)
			;
		if (left)
			ut_msleep(1);
	} while (left);
	end_world();
}

int main(void)
{
	static char known[MAX_PID];
	uint64_t seed = option("fuzz.seed=", 1), calls = option("fuzz.calls=", 60000);
	uint64_t first = option("fuzz.round=", 0), round = first;
	uint64_t total = 0, noted = 0;
	int bad = 0, check_every = calls > 200000 ? 8 : 2;

	printf("1..1\n");
	verbose = (int)option("fuzz.verbose=", 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	memset(shared, 0, sizeof(*shared));
	made = OK(mmap((void *)0x300000000000, PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	/* far from all else, which wrong lengths would take along */
	arena = OK(mmap((void *)0x200000000000, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	read_only = ut_map_prot(PAGE, PROT_READ);
	area = ut_map_alone(AREA_PAGES * PAGE);
	memset(area, 0, AREA_PAGES * PAGE);
	OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	for_each_process(note_known, known);
	for (; total < calls && !bad; round++) {
		*made = 0;
		run_round(seed, round, known);
		/* A wild length may empty the page of the counter: then the round counts less. */
		total += *made < WORKERS * PER_ROUND ? *made : WORKERS * PER_ROUND;
		if (round == first + 3) {
			ledger_begin();
		} else if (round > first + 3 && round % (uint64_t)check_every == 0) {
			bad = ledger_differs();
		}
		if (total - noted > 100000) {
			noted = total;
			ut_note("%lu calls, %lu rounds", (unsigned long)noted,
				(unsigned long)(round + 1 - first));
		}
	}
	ut_note("%lu calls in %lu rounds, the last one is %lu", (unsigned long)total,
		(unsigned long)(round - first), (unsigned long)(round - 1));
	if (bad)
		ut_note("again: fuzz.seed=%lu fuzz.calls=%lu fuzz.round=%lu", (unsigned long)seed,
			(unsigned long)calls, (unsigned long)first);
	printf("%sok 1 fuzz.calls\n", bad ? "not " : "");
	return bad;
}
