/* SPDX-License-Identifier: MIT */
/*
 * Capabilities: what root gives up is gone, and what user ids and exec do to the sets.
 */
#include "utest.h"

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define ALL  0x1ffffffffffULL
#define B(c) (1ULL << (c))

/* In a child, so that the test itself keeps its rights. */
#define AS(...)                                     \
	do {                                        \
		pid_t ut_as = CHILD({__VA_ARGS__}); \
		CHECK_EXIT(ut_as, 0);               \
	} while (0)

struct sets {
	uint64_t eff, prm, inh;
};

static struct sets get(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];

	OK(syscall(SYS_capget, &h, d));
	return (struct sets){d[0].effective | (uint64_t)d[1].effective << 32,
			     d[0].permitted | (uint64_t)d[1].permitted << 32,
			     d[0].inheritable | (uint64_t)d[1].inheritable << 32};
}

static int set(uint64_t eff, uint64_t prm, uint64_t inh)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {
		{(uint32_t)eff, (uint32_t)prm, (uint32_t)inh},
		{(uint32_t)(eff >> 32), (uint32_t)(prm >> 32), (uint32_t)(inh >> 32)},
	};

	return (int)syscall(SYS_capset, &h, d);
}

/* Exits with 0 if exec has left the sets that argv[2] and argv[3] name. */
int ut_helper(int argc, char **argv)
{
	struct sets s = get();

	if (argc < 4 || strcmp(argv[1], "--sets"))
		return -1;
	return s.eff == strtoull(argv[2], NULL, 16) && s.prm == strtoull(argv[3], NULL, 16) ? 0 : 1;
}

static void check_sets(uint64_t eff, uint64_t prm)
{
	struct sets s = get();

	CHECK_EQ(s.eff, eff);
	CHECK_EQ(s.prm, prm);
}

static void check_exec(const char *eff, const char *prm)
{
	pid_t pid = CHILD({
		execl("/proc/self/exe", "x", "--sets", eff, prm, NULL);
		_exit(9);
	});

	CHECK_EXIT(pid, 0);
}

TEST(dropped, "a privilege that root gave up by capset and still has")
{
	AS({
		char *p = ut_map(4 * PAGE);
		int fd = ut_file("closed", "x", 1);

		OK(fchmod(fd, 0));
		OK(fchown(fd, 5, 5));
		struct rlimit r = {PAGE, PAGE};
		OK(setrlimit(RLIMIT_MEMLOCK, &r));
		OK(mlock(p, 2 * PAGE));
		OK(munlock(p, 2 * PAGE));
		OK(open("closed", O_RDWR));
		OK(set(ALL & ~B(CAP_IPC_LOCK), ALL & ~B(CAP_IPC_LOCK), 0));
		CHECK_ERRNO(mlock(p, 2 * PAGE), ENOMEM);
		OK(open("closed", O_RDWR));
		OK(set(B(CAP_DAC_READ_SEARCH), B(CAP_DAC_READ_SEARCH) | B(CAP_SYS_RESOURCE), 0));
		OK(open("closed", O_RDONLY));
		CHECK_ERRNO(open("closed", O_RDWR), EACCES);
		OK(set(0, B(CAP_SYS_RESOURCE), 0));
		CHECK_ERRNO(open("closed", O_RDONLY), EACCES);
		CHECK_ERRNO(chmod("closed", 0777), EPERM);
		CHECK_ERRNO(chown("closed", 0, 0), EPERM);
		CHECK_ERRNO(chroot("/"), EPERM);
		CHECK_ERRNO(mount("none", "/", "tmpfs", 0, NULL), EPERM);
		CHECK_ERRNO(setuid(7), EPERM);
		CHECK_ERRNO(setgid(7), EPERM);
		r.rlim_max = 2 * PAGE;
		CHECK_ERRNO(setrlimit(RLIMIT_MEMLOCK, &r), EPERM);
		OK(set(B(CAP_SYS_RESOURCE), B(CAP_SYS_RESOURCE), 0));
		OK(setrlimit(RLIMIT_MEMLOCK, &r));
	});
}

TEST(capset_rules, "a set that grows by capset")
{
	AS({
		OK(set(B(CAP_KILL), B(CAP_KILL) | B(CAP_CHOWN), 0));
		check_sets(B(CAP_KILL), B(CAP_KILL) | B(CAP_CHOWN));
		CHECK_ERRNO(set(B(CAP_KILL), B(CAP_KILL) | B(CAP_FOWNER), 0), EPERM);
		CHECK_ERRNO(set(B(CAP_FOWNER), B(CAP_KILL), 0), EPERM);
		CHECK_ERRNO(set(B(CAP_CHOWN), B(CAP_KILL), 0), EPERM);
		CHECK_ERRNO(set(0, 0, B(CAP_FOWNER)), EPERM);
		OK(set(B(CAP_CHOWN), B(CAP_CHOWN), B(CAP_KILL)));
		check_sets(B(CAP_CHOWN), B(CAP_CHOWN));
		CHECK_EQ(get().inh, B(CAP_KILL));
		struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, getppid()};
		struct __user_cap_data_struct d[2] = {{0, 0, 0}, {0, 0, 0}};
		CHECK_ERRNO(syscall(SYS_capset, &h, d), EPERM);
		h.version = 1;
		CHECK_ERRNO(syscall(SYS_capset, &h, d), EINVAL);
		CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	});
}

TEST(setuid, "capabilities kept by who leaves user id 0, or not taken back by who returns")
{
	AS({
		OK(syscall(SYS_setresuid, -1, 1000, -1));
		check_sets(0, ALL);
		OK(syscall(SYS_setresuid, -1, 0, -1));
		check_sets(ALL, ALL);
		OK(syscall(SYS_setresuid, 1000, 1000, 1000));
		check_sets(0, 0);
	});
	AS({
		CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
		OK(prctl(PR_SET_KEEPCAPS, 1));
		CHECK_ERRNO(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
		OK(syscall(SYS_setresuid, 1000, 1000, 1000));
		check_sets(0, ALL);
		OK(set(B(CAP_SETUID), ALL, 0));
		OK(syscall(SYS_setresuid, 1001, 1002, 1003));
		check_exec("0", "0");
	});
	AS({
		const uint64_t fs = B(CAP_CHOWN) | B(CAP_DAC_OVERRIDE) | B(CAP_DAC_READ_SEARCH) |
				    B(CAP_FOWNER) | B(CAP_FSETID) | B(CAP_LINUX_IMMUTABLE) |
				    B(CAP_MKNOD) | B(CAP_MAC_OVERRIDE);
		CHECK_EQ(syscall(SYS_setfsuid, 1000), 0);
		check_sets(ALL & ~fs, ALL);
		CHECK_EQ(syscall(SYS_setfsuid, 0), 1000);
		check_sets(ALL, ALL);
	});
}

TEST(exec, "sets of a program that root starts")
{
	check_exec("1ffffffffff", "1ffffffffff");
	AS({
		OK(set(0, 0, 0));
		check_exec("1ffffffffff", "1ffffffffff");
	});
	AS({
		CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_KILL), 1);
		OK(prctl(PR_CAPBSET_DROP, CAP_KILL));
		CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_KILL), 0);
		CHECK_ERRNO(prctl(PR_CAPBSET_DROP, 63), EINVAL);
		check_sets(ALL, ALL);
		check_exec("1ffffffffdf", "1ffffffffdf");
		OK(set(B(CAP_SETUID), ALL, 0));
		CHECK_ERRNO(prctl(PR_CAPBSET_DROP, CAP_CHOWN), EPERM);
		OK(syscall(SYS_setresuid, -1, 1000, -1));
		/* user id 0, effective 1000: permitted, not in force */
		check_exec("0", "1ffffffffdf");
	});
}

TEST(access, "access(2) by the capabilities of the effective user")
{
	AS({
		int fd = ut_file("secret", "x", 1);

		OK(fchmod(fd, 0));
		OK(access("secret", R_OK | W_OK));
		CHECK_ERRNO(access("secret", X_OK), EACCES);
		OK(syscall(SYS_setresuid, 1000, 0, 0));
		CHECK_ERRNO(access("secret", R_OK), EACCES);
		OK(open("secret", O_RDWR));
		OK(faccessat(AT_FDCWD, "secret", R_OK, AT_EACCESS));
		check_sets(ALL, ALL);
	});
}

TEST(status, "the sets in /proc/PID/status")
{
	AS({
		char buf[4096];
		const char *p;

		OK(set(B(CAP_KILL), B(CAP_KILL) | B(CAP_CHOWN), B(CAP_CHOWN)));
		REQUIRE(ut_slurp("/proc/self/status", buf, sizeof(buf)) > 0);
		p = strstr(buf, "CapInh:");
		REQUIRE(p);
		CHECK(!strncmp(p,
			       "CapInh:\t0000000000000001\nCapPrm:\t0000000000000021\n"
			       "CapEff:\t0000000000000020\nCapBnd:\t000001ffffffffff\n"
			       "CapAmb:\t0000000000000000\n",
			       5 * 25));
	});
}

TEST(proc_of_root, "/proc files of a process that has more rights than who looks")
{
	pid_t pid = CHILD({ pause(); });
	char path[64];
	char buf[64];

	sprintf(path, "/proc/%d/environ", pid);
	ut_wait_state(pid, 'S');
	AS({
		OK(set(0, 0, 0));
		CHECK(ut_slurp(path, buf, sizeof(buf)) < 0);
	});
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}
