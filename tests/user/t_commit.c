/* SPDX-License-Identifier: MIT */
/*
 * Overcommit: what is promised is counted exactly, and refused where the mode says so.
 *
 * Committed_AS has to be what all areas together promise that smaps marks with "ac", and what shared
 * memory does. The latter does not change here, so each step must change both sums alike. On Linux, where
 * others are at work, the test asks again.
 */
#include "utest.h"

#define MIB (1024 * 1024UL)
#define RW  (PROT_READ | PROT_WRITE)
#define AP  (MAP_PRIVATE | MAP_ANONYMOUS)

static char text[1 << 16];

static long meminfo(const char *name)
{
	return ut_number("/proc/meminfo", name);
}

/* kB of the accounted areas of all processes. Nothing here allocates: it would be counted, too. */
static long all_accounted(void)
{
	long sum = 0, size = 0;
	char path[32];
	int last;

	OK(ut_slurp("/proc/loadavg", text, sizeof(text)));
	last = atoi(strrchr(text, ' ')); /* the newest process */
	for (int pid = 1; pid <= last; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
		if (access(path, R_OK) || ut_slurp(path, text, sizeof(text)) <= 0)
			continue;
		for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
			if (!strncmp(line, "Size:", 5))
				size = atol(line + 5);
			if (!strncmp(line, "VmFlags:", 8) &&
			    memmem(line, strcspn(line, "\n"), " ac", 3))
				sum += size;
		}
	}
	return sum;
}

/* What Committed_AS has beyond the areas: shared memory. Twice the same, so nothing went on. */
static long others(void)
{
	long a, b = -1, n = 0;

	do {
		a = b;
		b = -all_accounted() + meminfo("Committed_AS");
	} while (a != b && ++n < 50);
	return b;
}

static long base;

#define STEP(what)                                               \
	do {                                                     \
		what;                                            \
		long now_ = others();                            \
		if (now_ != base)                                \
			FAIL("%s: %+ld kB", #what, now_ - base); \
	} while (0)

static int grow(int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	return n ? grow(n - 1) + frame[0] : 0;
}

TEST(exact, "a promise that is counted twice, not at all, or not taken back")
{
	volatile char *p, *q;
	char *brk;
	pid_t pid;
	int fd = ut_file("file", "x", 1);

	OK(ftruncate(fd, 1 << 20));
	base = others();
	STEP(p = OK(mmap(NULL, 4 * MIB, RW, AP, -1, 0)));
	STEP(q = OK(mmap(NULL, 4 * MIB, PROT_READ, AP, -1, 0)));
	STEP(OK(sys_mprotect((char *)q + MIB, MIB, RW)));
	STEP(OK(sys_mprotect((char *)q, 4 * MIB, RW)));
	STEP(OK(sys_mprotect((char *)q, 2 * MIB, PROT_READ))); /* what was promised stays */
	STEP(OK(munmap((char *)q + MIB / 2, MIB)));
	STEP(p = OK(mremap((char *)p, 4 * MIB, 9 * MIB, MREMAP_MAYMOVE)));
	STEP(p = OK(mremap((char *)p, 9 * MIB, 3 * MIB, 0)));
	STEP(OK(mmap(NULL, 4 * MIB, RW, AP | MAP_NORESERVE, -1, 0)));
	STEP(OK(mmap(NULL, MIB, RW, MAP_PRIVATE, fd, 0)));
	STEP(OK(mmap(NULL, MIB, RW, MAP_SHARED, fd, 0)));
	STEP(OK(mmap((char *)p + MIB, MIB, RW, AP | MAP_FIXED, -1, 0)));
	STEP(brk = (char *)syscall(SYS_brk, 0));
	STEP(syscall(SYS_brk, brk + 3 * MIB));
	STEP(syscall(SYS_brk, brk + MIB));
	STEP(grow(300));
	STEP(OK(madvise((char *)p, MIB, MADV_DONTFORK)));
	STEP(pid = CHILD({
		     OK(munmap((char *)p + MIB, MIB));
		     pause();
	     }));
	STEP(ut_wait_state(pid, 'S'));
	STEP(kill(pid, SIGKILL); CHECK_SIGNALED(pid, SIGKILL));
	STEP(CHECK_ERRNO(mmap((void *)123, MIB, RW, AP | MAP_FIXED, -1, 0), EINVAL));
	STEP(CHECK_ERRNO(mmap(NULL, 1UL << 46, RW, AP, -1, 0), ENOMEM));
	STEP(CHECK_ERRNO(mremap((char *)p, MIB, 1UL << 46, MREMAP_MAYMOVE), ENOMEM));
}

static void set(const char *name, long v)
{
	char path[64], number[32];

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
	snprintf(number, sizeof(number), "%ld", v);
	ut_spew(path, number);
}

static long get(const char *name)
{
	char path[64], number[32] = "";

	snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
	OK(ut_slurp(path, number, sizeof(number)));
	return atol(number);
}

TEST(limit, "CommitLimit by ratio and by kbytes: the one that was written last")
{
	long ratio = get("overcommit_ratio"), total, swap;

	total = meminfo("MemTotal");
	swap = meminfo("SwapTotal");
	set("overcommit_ratio", 80);
	CHECK(labs(meminfo("CommitLimit") - (total * 80 / 100 + swap)) <= 4);
	CHECK_EQ(get("overcommit_kbytes"), 0);
	set("overcommit_kbytes", 12345 * 4);
	CHECK_EQ(meminfo("CommitLimit"), 12345 * 4 + swap);
	CHECK_EQ(get("overcommit_ratio"), 0);
	set("overcommit_ratio", ratio);
	CHECK_EQ(get("overcommit_kbytes"), 0);
}

/* May so many MiB more be promised? */
static int may(size_t mib)
{
	void *p = mmap(NULL, mib * MIB, RW, AP, -1, 0);

	if (p == MAP_FAILED) {
		CHECK_EQ(errno, ENOMEM);
		return 0;
	}
	OK(munmap(p, mib * MIB));
	return 1;
}

TEST(modes, "a mode that refuses what it should not, or promises without end")
{
	long ram = meminfo("MemTotal") / 1024, swap = meminfo("SwapTotal") / 1024;
	long ratio = get("overcommit_ratio"), admin = get("admin_reserve_kbytes");
	long user = get("user_reserve_kbytes"), used;
	pid_t pid;

	CHECK(admin > 0 && admin <= 8192 && user > 0 && user <= 131072);
	CHECK(!may((size_t)(ram + swap + 2)));
	CHECK(may((size_t)(ram + swap - 2)));
	set("overcommit_memory", 1);
	CHECK(may((size_t)(2 * (ram + swap))));
	used = meminfo("Committed_AS") / 1024 + 1;
	if (swap > used) { /* a limit cannot be less than swap */
		OK(mmap(NULL, (size_t)(swap - used) * MIB, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		used = meminfo("Committed_AS") / 1024 + 1;
	}
	set("overcommit_kbytes", (used - swap + 64) * 1024);
	set("user_reserve_kbytes", 0);
	set("overcommit_memory", 2);
	CHECK(may(60));
	CHECK(!may(68));
	/* MAP_NORESERVE does not help; what is only read is not promised */
	CHECK_ERRNO(mmap(NULL, 68 * MIB, RW, AP | MAP_NORESERVE, -1, 0), ENOMEM);
	OK(munmap(OK(mmap(NULL, 68 * MIB, PROT_READ, AP, -1, 0)), 68 * MIB));
	/* what is kept for root, others do not get */
	set("admin_reserve_kbytes", 32 * 1024);
	CHECK(may(60));
	pid = CHILD({
		OK(setuid(1000));
		CHECK(may(24));
		CHECK(!may(40));
	});
	CHECK_EXIT(pid, 0);
	set("admin_reserve_kbytes", admin);
	/* a large process leaves a part for others */
	set("user_reserve_kbytes", 16 * 1024);
	pid = CHILD({
		OK(mmap(NULL, 1024 * MIB, PROT_READ, AP, -1, 0));
		CHECK(may(40));
		CHECK(!may(56));
	});
	CHECK_EXIT(pid, 0);
	set("overcommit_memory", 0);
	set("user_reserve_kbytes", user);
	set("overcommit_ratio", ratio);
}
