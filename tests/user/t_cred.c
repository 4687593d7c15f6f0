/* SPDX-License-Identifier: MIT */
/*
 * User and group ids, and what they permit.
 */
#include "utest.h"

#include <grp.h>
#include <sys/prctl.h>

/* In a child, so that the test itself stays root. The bare calls: musl's would do the same. */
#define AS(...)                                     \
	do {                                        \
		pid_t ut_as = CHILD({__VA_ARGS__}); \
		CHECK_EXIT(ut_as, 0);               \
	} while (0)

static void check_ids(long r, long e, long s)
{
	uid_t ru, eu, su;

	OK(getresuid(&ru, &eu, &su));
	CHECK_EQ(ru, r);
	CHECK_EQ(eu, e);
	CHECK_EQ(su, s);
	CHECK_EQ(getuid(), r);
	CHECK_EQ(geteuid(), e);
}

int ut_helper(int argc, char **argv)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (argc < 2 || strcmp(argv[1], "--ids"))
		return -1;
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return 2;
	return r == 1000 && e == 1001 && s == 1001 && rg == 55 && eg == 55 && sg == 55 ? 0 : 1;
}

TEST(setuid_root, "root's setuid that leaves a way back")
{
	if (getuid() != 0)
		SKIP("for root");
	AS({
		OK(syscall(SYS_setuid, 1000));
		check_ids(1000, 1000, 1000);
		CHECK_ERRNO(syscall(SYS_setuid, 0), EPERM);
		CHECK_ERRNO(syscall(SYS_setuid, 1001), EPERM);
		OK(syscall(SYS_setuid, 1000));
	});
}

TEST(seteuid, "the saved id: down and up again, but nowhere else")
{
	AS({
		OK(syscall(SYS_setresuid, -1, 1000, -1));
		check_ids(0, 1000, 0);
		CHECK_ERRNO(syscall(SYS_setresuid, -1, 1001, -1), EPERM);
		OK(syscall(SYS_setuid, 0));
		check_ids(0, 0, 0);
	});
	AS({
		OK(syscall(SYS_setresuid, 1000, 1001, 1002));
		check_ids(1000, 1001, 1002);
		OK(syscall(SYS_setresuid, 1002, 1000, 1001));
		check_ids(1002, 1000, 1001);
		CHECK_ERRNO(syscall(SYS_setresuid, 1003, -1, -1), EPERM);
		OK(syscall(SYS_setuid, 1001));
		check_ids(1002, 1001, 1001);
	});
	AS({
		OK(syscall(SYS_setreuid, 1000, 1001));
		check_ids(1000, 1001, 1001);
		OK(syscall(SYS_setreuid, 1001, 1000));
		check_ids(1001, 1000, 1000);
	});
	AS({
		OK(syscall(SYS_setreuid, -1, 1000));
		check_ids(0, 1000, 1000); /* the saved one follows when it is not the real one */
	});
}

TEST(groups, "group ids by the same rules, and the list of groups")
{
	AS({
		gid_t g[3] = {10, 20, 30};
		gid_t r;
		gid_t e;
		gid_t s;
		OK(syscall(SYS_setgroups, 3, g));
		memset(g, 0, sizeof(g));
		CHECK_EQ(getgroups(0, NULL), 3);
		CHECK_EQ(getgroups(3, g), 3);
		CHECK(g[0] == 10 && g[2] == 30);
		CHECK_ERRNO(getgroups(2, g), EINVAL);
		OK(syscall(SYS_setresgid, 100, 101, 102));
		OK(getresgid(&r, &e, &s));
		CHECK(r == 100 && e == 101 && s == 102);
		OK(syscall(SYS_setuid, 1000));
		CHECK_ERRNO(syscall(SYS_setgid, 0), EPERM);
		OK(syscall(SYS_setgid, 102));
		CHECK_EQ(getegid(), 102);
		CHECK_ERRNO(syscall(SYS_setgroups, 0, NULL), EPERM);
	});
	/* a supplementary group opens a file */
	close(ut_file("f", "x", 1));
	OK(chown("f", 0, 77));
	OK(chmod("f", 0640));
	AS({
		gid_t g = 77;
		OK(syscall(SYS_setgroups, 1, &g));
		OK(setgid(1000));
		OK(setuid(1000));
		OK(open("f", O_RDONLY));
		CHECK_ERRNO(open("f", O_WRONLY), EACCES);
	});
}

TEST(permission_classes, "rights of a class that is not the caller's: owner, group, others")
{
	static const struct {
		mode_t mode;
		uid_t uid;
		gid_t gid;
		int may;
	} cases[] = {
		{0400, 1000, 60, 1}, {0044, 1000, 60, 0}, {0004, 1000, 50, 0}, {0040, 1000, 50, 0},
		{0040, 1001, 50, 1}, {0404, 1001, 50, 0}, {0004, 1001, 60, 1}, {0440, 1001, 60, 0},
		{0040, 1001, 55, 1}, {0404, 1001, 55, 0},
	};
	gid_t more[] = {55};

	OK(chmod(".", 0755));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[16];

		sprintf(name, "f%zu", i);
		close(ut_file(name, "x", 1));
		OK(chown(name, cases[i].uid, cases[i].gid));
		OK(chmod(name, cases[i].mode));
	}
	AS({
		OK(setgroups(1, more));
		OK(setgid(50));
		OK(setuid(1000));
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			char name[16];

			sprintf(name, "f%zu", i);
			if ((open(name, O_RDONLY) >= 0) != cases[i].may)
				FAIL("%04o of %d:%d read as 1000:50, also in 55", cases[i].mode,
				     cases[i].uid, cases[i].gid);
		}
	});
}

TEST(kill_permission, "signals between users")
{
	int fds[2];
	char c;

	OK(pipe(fds));
	pid_t victim = CHILD({
		OK(setuid(1000));
		OK(write(fds[1], "x", 1));
		for (;;)
			pause();
	});
	OK(read(fds[0], &c, 1));
	AS({
		OK(setuid(1001));
		CHECK_ERRNO(kill(victim, SIGTERM), EPERM);
		CHECK_ERRNO(kill(victim, 0), EPERM);
		CHECK_ERRNO(kill(1, SIGTERM), EPERM);
	});
	AS({
		/* the real id counts, and the target's saved one */
		OK(syscall(SYS_setresuid, 1000, 1002, 1002));
		OK(kill(victim, 0));
	});
	AS({
		OK(setuid(1000));
		OK(kill(victim, SIGTERM));
	});
	CHECK_SIGNALED(victim, SIGTERM);
}

TEST(cont_in_session, "SIGCONT within one session, whatever the users")
{
	int fds[2];
	char c;

	OK(pipe(fds));
	pid_t victim = CHILD({
		OK(setuid(1000));
		OK(write(fds[1], "x", 1));
		for (;;)
			pause();
	});
	OK(read(fds[0], &c, 1));
	AS({
		OK(setuid(1001));
		OK(kill(victim, SIGCONT));
	});
	OK(kill(victim, SIGKILL));
	CHECK_SIGNALED(victim, SIGKILL);
}

TEST(inherit, "ids that fork or exec change")
{
	AS({
		OK(setgid(55));
		OK(syscall(SYS_setresuid, 1000, 1001, 1002));
		AS({ check_ids(1000, 1001, 1002); });
		/* exec: the saved id becomes the effective one */
		execl("/proc/self/exe", "x", "--ids", NULL);
		_exit(9);
	});
}

TEST(root_only, "calls for root alone that an ordinary user may use")
{
	AS({
		OK(setuid(1000));
		CHECK_ERRNO(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x4321fedc, 0), EPERM);
		CHECK_ERRNO(syscall(SYS_sethostname, "x", 1), EPERM);
		CHECK_ERRNO(syscall(SYS_mknod, "null", S_IFCHR | 0666, 0x103), EPERM);
		CHECK_ERRNO(chroot("/"), EPERM);
		struct timespec ts;
		OK(clock_gettime(CLOCK_REALTIME, &ts));
		CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts), EPERM);
	});
}

TEST(pagemap_hidden, "frame numbers that an ordinary user sees")
{
	volatile char *p = ut_map(PAGE);
	*p = 1;
	CHECK(PM_PFN(ut_pagemap(p)) != 0);
	AS({
		OK(setuid(1000));
		/* As on Linux: after setuid /proc/self/pagemap cannot be opened, or hides the frames */
		int fd = open("/proc/self/pagemap", O_RDONLY);
		uint64_t e = 0;
		if (fd >= 0 && pread(fd, &e, 8, (uintptr_t)p / PAGE * 8) == 8)
			CHECK_EQ(PM_PFN(e), 0);
	});
}

TEST(proc_owner, "/proc files of another user: environ and the like are closed")
{
	pid_t pid = CHILD({ pause(); });
	char path[64];

	ut_wait_state(pid, 'S');
	AS({
		OK(setuid(1000));
		char buf[64];
		sprintf(path, "/proc/%d/environ", pid);
		CHECK(ut_slurp(path, buf, sizeof(buf)) <= 0);
		sprintf(path, "/proc/%d/maps", pid);
		CHECK(ut_slurp(path, buf, sizeof(buf)) <= 0);
		sprintf(path, "/proc/%d/stat", pid);
		CHECK(ut_slurp(path, buf, sizeof(buf)) > 0);
		sprintf(path, "/proc/%d/cmdline", pid);
		CHECK(ut_slurp(path, buf, sizeof(buf)) > 0);
	});
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

TEST(pdeathsig_dropped, "a death signal that outlives a change of user")
{
	int sig = -1;

	CHECK_EXIT(CHILD({
			   OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
			   OK(seteuid(1000));
			   OK(prctl(PR_GET_PDEATHSIG, &sig));
			   CHECK_EQ(sig, 0);
		   }),
		   0);
}
