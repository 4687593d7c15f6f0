/* SPDX-License-Identifier: MIT */
/*
 * When memory runs out: who is killed, who is not, and that the machine goes on.
 *
 * Sizes follow from MemAvailable, so that the tests need little time on a small machine and mean the same
 * on a larger one. What is said of it, and why else somebody may be killed: t_oomreport.c.
 */
#include "oom.h"

#include <pthread.h>
#include <sched.h>

TEST_MEM(runaway, 48, "no kill, or one that is not counted, or the wrong process")
{
	long before = kills();
	pid_t pid = CHILD({
		set_adj(0);
		run_away();
	});

	CHECK_SIGNALED(pid, SIGKILL);
	CHECK_EQ(kills(), before + 1);
	check_machine();
}

TEST_MEM(large_and_small, 48, "many small processes that go before the one that has the memory")
{
	size_t room = available(), small = 16 * PAGE;
	int count = (int)(room / 2 / (small + 64 * 1024)), dead = 0;
	pid_t large, grower, *pid;

	if (count > 200)
		count = 200;
	pid = calloc((size_t)count, sizeof(*pid));
	for (int i = 0; i < count; i++)
		pid[i] = holder(small, 0);
	room = available();
	large = holder(room * 6 / 10, 0);
	grower = CHILD({
		set_adj(0);
		touch(reserve(room / 2), room / 2, NULL);
	});
	CHECK_SIGNALED(large, SIGKILL);
	CHECK_EXIT(grower, 0);
	for (int i = 0; i < count; i++) {
		dead += !alive(pid[i]);
		end(pid[i]);
	}
	CHECK_EQ(dead, 0);
	free(pid);
	check_machine();
}

TEST_MEM(adj, 48, "oom_score_adj that is not minded: -1000 killed, or +1000 kept")
{
	size_t room = available();
	pid_t never = holder(room * 45 / 100, -1000), first = holder(room / 10, 1000);
	pid_t grower = CHILD({
		set_adj(0);
		touch(reserve(room * 48 / 100), room * 48 / 100, NULL);
	});

	CHECK_SIGNALED(first, SIGKILL);
	CHECK_EXIT(grower, 0);
	CHECK(alive(never));
	end(never);
	check_machine();
}

TEST_MEM(blocked_in_pipe, 48, "a victim that sleeps in read(2) and is waited for for ever")
{
	volatile size_t *done = shared_words();
	size_t room = available();
	int fds[2];
	pid_t large, grower;

	OK(pipe(fds));
	large = CHILD({
		char c;
		set_adj(0);
		touch(reserve(room * 6 / 10), room * 6 / 10, done);
		(void)!read(fds[0], &c, 1);
	});
	wait_for(done, room * 6 / 10 / PAGE * PAGE);
	grower = CHILD({
		set_adj(0);
		touch(reserve(room / 2), room / 2, NULL);
	});
	CHECK_SIGNALED(large, SIGKILL);
	CHECK_EXIT(grower, 0);
	check_machine();
}

/* What makes a read of a disk take long, as long as it is open. Octavo's own. */
static void slow_disk(const char *us)
{
	int fd = open("/sys/module/ramdisk/parameters/delay_us", O_WRONLY);

	if (fd < 0)
		SKIP("no disk that can be slow");
	OK(write(fd, us, strlen(us)));
	close(fd);
}

static char state_of(pid_t pid)
{
	char path[32], text[512] = "";
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	ut_slurp(path, text, sizeof(text));
	p = strrchr(text, ')');
	return p ? p[2] : '?';
}

/* A child that holds len bytes, shared or private, and then sleeps where no signal wakes it: in the read of
 * a page that takes a second. */
static pid_t sleeper(size_t len, int flags)
{
	volatile size_t *done = shared_words();
	pid_t pid = CHILD({
		static char block[16 * PAGE];
		int fd = OK(open("/dev/ram1", O_RDONLY));
		set_adj(0);
		touch(OK(mmap(NULL, len, PROT_READ | PROT_WRITE,
			      flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
		      len, done);
		(void)!read(fd, block, sizeof(block));
		pause();
	});

	wait_for(done, len);
	for (int i = 0; i < 1000 && state_of(pid) != 'D'; i++)
		ut_msleep(1);
	CHECK_EQ(state_of(pid), 'D');
	return pid;
}

static void drop_caches(void)
{
	int fd = OK(open("/proc/sys/vm/drop_caches", O_WRONLY));

	OK(write(fd, "1", 1));
	close(fd);
}

/* Address spaces, those included that somebody has not let go of. */
static long spaces(void)
{
	return ut_number("/proc/slabinfo", "mm_struct");
}

TEST_MEM(
	reaper, 48,
	"the memory of a victim that cannot exit, waited for until it can; or its space kept for ever")
{
	size_t len = available() * 6 / 10 / PAGE * PAGE;
	long reaped = ut_number("/proc/vmstat", "oom_reap"), before = kills(), had = spaces();
	pid_t large, grower;

	if (access("/dev/ram1", R_OK))
		SKIP("needs a second disk: ramdisk.count=2");
	drop_caches();
	slow_disk("1000000");
	large = sleeper(len, MAP_PRIVATE);
	grower = CHILD({
		set_adj(0);
		touch(reserve(len), len, NULL);
	});
	CHECK_EXIT(grower, 0);
	CHECK_EQ(state_of(large), 'D'); /* still */
	CHECK_EQ(ut_number("/proc/vmstat", "oom_reap"), reaped + 1);
	CHECK_EQ(kills(), before + 1);
	slow_disk("0");
	CHECK_SIGNALED(large, SIGKILL);
	check_machine();
	for (int i = 0; i < 200 && spaces() > had; i++)
		ut_msleep(10);
	CHECK(spaces() <= had || !ut_octavo());
}

TEST_MEM(nothing_to_reap, 48,
	 "a victim of which nothing can be had, chosen again and again until it can exit")
{
	size_t len = available() * 6 / 10 / PAGE * PAGE;
	long before = kills();
	pid_t large, grower;

	if (access("/dev/ram1", R_OK))
		SKIP("needs a second disk: ramdisk.count=2");
	drop_caches();
	slow_disk("1000000");
	large = sleeper(len, MAP_SHARED);
	grower = CHILD({
		set_adj(0);
		touch(reserve(len), len, NULL);
	});
	CHECK_SIGNALED(grower, SIGKILL);
	CHECK_EQ(state_of(large), 'D');
	CHECK_EQ(kills(), before + 2);
	slow_disk("0");
	CHECK_SIGNALED(large, SIGKILL);
	check_machine();
}

TEST_MEM(reaped_in_write, 48, "zeroes written to a file in place of what the reaper has taken")
{
	static char block[2 * PAGE];
	volatile size_t *done = shared_words();
	size_t len = available() * 6 / 10 / PAGE * PAGE;
	int fd = open("/dev/ram1", O_RDWR);
	pid_t large, grower;

	if (fd < 0)
		SKIP("needs a second disk: ramdisk.count=2");
	memset(block, 0x33, sizeof(block));
	CHECK_EQ(pwrite(fd, block, sizeof(block), 0), (long)sizeof(block));
	OK(fsync(fd));
	drop_caches();
	slow_disk("1000000");
	large = CHILD({
		char *p = reserve(len);
		set_adj(0);
		touch(p, len, done);
		(void)!pwrite(fd, p, 100, 1000); /* has to read the page first */
		pause();
	});
	wait_for(done, len);
	for (int i = 0; i < 1000 && state_of(large) != 'D'; i++)
		ut_msleep(1);
	CHECK_EQ(state_of(large), 'D');
	grower = CHILD({
		set_adj(0);
		touch(reserve(len), len, NULL);
	});
	CHECK_EXIT(grower, 0);
	CHECK_SIGNALED(large, SIGKILL);
	slow_disk("0");
	CHECK_EQ(pread(fd, block, 200, 950), 200);
	for (int i = 0; i < 200; i++)
		REQUIRE(block[i] == 0x33);
	close(fd);
	check_machine();
}

TEST_MEM(kernel_memory, 48,
	 "a system call that says ENOMEM instead of waiting for what a victim had")
{
	size_t room = meminfo("MemAvailable"), len = room * 6 / 10 / PAGE * PAGE;
	volatile size_t *done = shared_words();
	long before = kills();
	pid_t first, grower;

	first = CHILD({ /* swap does not help */
			set_adj(1000);
			OK(mlock(reserve(len), len));
			done[0] = 1;
			for (;;)
				pause();
	});
	wait_for(done, 1);
	grower = CHILD({
		static char block[MIB];
		set_adj(0);
		memset(block, 1, sizeof(block));
		for (size_t n = 0; n < room && kills() == before; n += MIB) {
			int fds[2];
			OK(pipe2(fds, O_NONBLOCK));
			OK(fcntl(fds[1], F_SETPIPE_SZ, MIB));
			CHECK_EQ(write(fds[1], block, MIB), (long)MIB);
		}
	});
	CHECK_EXIT(grower, 0);
	CHECK_SIGNALED(first, SIGKILL);
	CHECK_EQ(kills(), before + 1);
	check_machine();
}

TEST_MEM(dying, 48, "a kill of another, or one that is counted, while the largest is dying already")
{
	size_t len = available() * 6 / 10 / PAGE * PAGE;
	long before = kills();
	pid_t large, small, grower;

	if (access("/dev/ram1", R_OK))
		SKIP("needs a second disk: ramdisk.count=2");
	drop_caches();
	slow_disk("1000000");
	large = sleeper(len, MAP_PRIVATE);
	small = holder(len / 6, 0);
	OK(kill(large, SIGKILL));
	grower = CHILD({
		set_adj(0);
		touch(reserve(len), len, NULL);
	});
	CHECK_EXIT(grower, 0);
	CHECK_EQ(state_of(large), 'D');
	CHECK(alive(small));
	CHECK_EQ(kills(), before);
	slow_disk("0");
	CHECK_SIGNALED(large, SIGKILL);
	end(small);
	check_machine();
}

TEST_MEM(vfork_parent, 48, "a vfork's child that is the victim alone, or a parent that outlives it")
{
	volatile size_t *word = shared_words();
	long before = kills();
	pid_t parent = CHILD({
		set_adj(0);
		if (vfork() == 0) {
			word[0] = (size_t)getpid();
			for (;;) {
				char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
				for (size_t at = 0; p != MAP_FAILED && at < MIB; at += PAGE)
					p[at] = 1;
			}
		}
	});

	CHECK_SIGNALED(parent, SIGKILL);
	for (int i = 0; i < 200 && kill((pid_t)word[0], 0) == 0; i++)
		ut_msleep(10);
	CHECK_ERRNO(kill((pid_t)word[0], 0), ESRCH);
	CHECK_EQ(kills(), before + 1);
	check_machine();
}

/* Memory that is locked is the victim's as any other; and what is shared goes with its last user. */
TEST_MEM(all_locked, 48, "a hang, a panic or an evicted page where all memory is locked")
{
	size_t total = meminfo("MemAvailable"), len = total * 6 / 10 / PAGE * PAGE,
	       kept = total / 10 / PAGE * PAGE;
	char *p = reserve(kept);
	long locked = ut_number("/proc/meminfo", "Mlocked"), before = kills();
	pid_t large, grower;

	memset(p, 0x5a, kept);
	OK(mlock(p, kept));
	large = CHILD({
		set_adj(0);
		OK(mlock(reserve(len), len));
		for (;;)
			pause();
	});
	for (int i = 0; i < 2000; i++) {
		if (ut_number("/proc/meminfo", "Mlocked") - locked >= (long)(len + kept) / 1024)
			break;
		ut_msleep(1);
	}
	grower = CHILD({
		set_adj(0);
		OK(mlock(reserve(total / 2), total / 2));
	});
	CHECK_SIGNALED(large, SIGKILL);
	CHECK_EXIT(grower, 0);
	CHECK_EQ(kills(), before + 1);
	for (size_t at = 0; at < kept; at += PAGE)
		if (!(ut_pagemap(p + at) & PM_PRESENT) || p[at] != 0x5a) {
			FAIL("a locked page has gone");
			break;
		}
	OK(munmap(p, kept));
	for (int i = 0; i < 100 && ut_number("/proc/meminfo", "Mlocked") != locked; i++)
		ut_msleep(10);
	CHECK_EQ(ut_number("/proc/meminfo", "Mlocked"), locked);
	check_machine();
}

/* Threads that all run out of memory at once, in two processes. */
static void *thread_touches(void *arg)
{
	size_t len = *(size_t *)arg;

	touch(reserve(len), len, NULL);
	return NULL;
}

TEST_MEM(two_threaded, 48, "a second kill while the first victim's threads are still going")
{
	size_t room = available(), part = room * 6 / 10 / 4, less = room / 2 / 4;
	volatile size_t *word = shared_words();
	long before = kills();
	pid_t large, grower;

	large = CHILD({
		pthread_t t[4];
		set_adj(0);
		for (int i = 0; i < 4; i++)
			CHECK_EQ(pthread_create(&t[i], NULL, thread_touches, &part), 0);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
		word[0] = 1;
		for (;;)
			pause();
	});
	wait_for(word, 1);
	grower = CHILD({
		pthread_t t[4];
		set_adj(0);
		for (int i = 0; i < 4; i++)
			CHECK_EQ(pthread_create(&t[i], NULL, thread_touches, &less), 0);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	});
	CHECK_SIGNALED(large, SIGKILL);
	CHECK_EXIT(grower, 0);
	CHECK_EQ(kills(), before + 1);
	check_machine();
}

static void *thread_grows(void *arg)
{
	(void)arg;
	run_away();
	return NULL;
}

TEST_MEM(threads, 48, "a victim of which only the thread that asked dies")
{
	long before = kills();
	pid_t pid = CHILD({
		pthread_t t[4];
		int fds[2];
		char c;
		set_adj(0);
		OK(pipe(fds));
		for (int i = 0; i < 4; i++)
			CHECK_EQ(pthread_create(&t[i], NULL, thread_grows, NULL), 0);
		(void)!read(fds[0], &c, 1);
	});

	CHECK_SIGNALED(pid, SIGKILL);
	CHECK_EQ(kills(), before + 1);
	check_machine();
}

/* A process of its own in the same space. */
static int sharer_waits(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

TEST_MEM(shared_space, 48, "a process that shares the victim's memory and keeps it")
{
	volatile size_t *words = shared_words();
	pid_t pid = CHILD({
		static char stack[16384] __attribute__((aligned(16)));
		set_adj(0);
		words[0] = (size_t)OK(
			clone(sharer_waits, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL));
		run_away();
	});

	CHECK_SIGNALED(pid, SIGKILL);
	/* It is nobody's child now, and somebody has reaped it. */
	for (int i = 0; i < 200 && kill((pid_t)words[0], 0) == 0; i++)
		ut_msleep(10);
	CHECK_ERRNO(kill((pid_t)words[0], 0), ESRCH);
	check_machine();
}

TEST_MEM(in_the_kernel, 48,
	 "a system call that says ENOMEM or EFAULT instead of waiting for memory")
{
	pid_t reader = CHILD({
		int fd = OK(open("/dev/zero", O_RDONLY));
		set_adj(0);
		for (;;)
			CHECK_EQ(read(fd, reserve(4 * MIB), 4 * MIB), (long)(4 * MIB));
	});

	CHECK_SIGNALED(reader, SIGKILL);
	pid_t populate = CHILD({
		set_adj(0);
		for (;;)
			OK(mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE, -1, 0));
	});
	CHECK_SIGNALED(populate, SIGKILL);
	pid_t locker = CHILD({
		set_adj(0);
		for (;;)
			OK(mlock(reserve(4 * MIB), 4 * MIB));
	});
	CHECK_SIGNALED(locker, SIGKILL);
	check_machine();
}

TEST_MEM(fork_bomb, 48, "processes that come faster than they are killed: a hang, or init gone")
{
	volatile size_t *words = shared_words();
	size_t most = 200,
	       share = available() / 100 & -PAGE; /* so many would need all of it twice */
	pid_t bomb;

	bomb = CHILD({
		OK(setpgid(0, 0));
		set_adj(0);
		for (;;) {
			if (__atomic_add_fetch(&words[0], 1, __ATOMIC_SEQ_CST) > most)
				break;
			if (fork() < 0)
				ut_msleep(1);
			touch(reserve(share), share, NULL);
		}
		__atomic_add_fetch(&words[1], 1, __ATOMIC_SEQ_CST);
		for (;;)
			pause();
	});
	/* or all are dead before */
	for (int i = 0; i < 10000 && *words < most; i++)
		ut_msleep(1);
	ut_msleep(100);
	kill(-bomb, SIGKILL);
	CHECK_SIGNALED(bomb, SIGKILL);
	for (int i = 0; i < 500 && kill(-bomb, 0) == 0; i++) {
		kill(-bomb, SIGKILL);
		ut_msleep(10);
	}
	CHECK_ERRNO(kill(-bomb, 0), ESRCH);
	CHECK(kills() > 0);
	check_machine();
}

TEST_MEM(fifty, 48, "kills that each cost some memory for good")
{
	static char was[8192], is[8192];
	long before = kills(), rounds = available() > 100 * MIB ? 10 : 50;

	memset(is, 1, sizeof(is)); /* so that its pages are there */
	for (int i = -1; i < rounds; i++) {
		pid_t pid = CHILD({
			set_adj(0);
			run_away();
		});

		CHECK_SIGNALED(pid, SIGKILL);
		if (i == -1) {
			ut_msleep(250);
			ut_slurp("/proc/octavo/ledger", was, sizeof(was));
		}
	}
	CHECK_EQ(kills(), before + rounds + 1);
	ut_msleep(250);
	is[0] = '\0';
	ut_slurp("/proc/octavo/ledger", is, sizeof(is));
	check_ledger(was, is, rounds / 2);
	check_machine();
}

TEST_MEM(starved_victim, 48, "a victim that gets no processor, and whose memory is waited for")
{
	volatile size_t *done = shared_words();
	size_t room = available();
	pid_t large, grower;
	long start;

	large = CHILD({
		set_adj(0);
		touch(reserve(room * 6 / 10), room * 6 / 10, done);
		OK(setpriority(PRIO_PROCESS, 0, 19));
		for (;;)
			;
	});
	wait_for(done, room * 6 / 10 / PAGE * PAGE);
	OK(setpriority(PRIO_PROCESS, 0, -20));
	start = ut_now_ms();
	grower = CHILD({
		set_adj(0);
		touch(reserve(room / 2), room / 2, NULL);
	});
	CHECK_EXIT(grower, 0);
	CHECK(ut_now_ms() - start < 10000);
	OK(setpriority(PRIO_PROCESS, 0, 0));
	CHECK_SIGNALED(large, SIGKILL);
	check_machine();
}

TEST_MEM(kill_allocating_task, 48, "vm.oom_kill_allocating_task that is not minded")
{
	size_t room = available();
	pid_t large = holder(room * 6 / 10, 0), grower;

	ut_spew("/proc/sys/vm/oom_kill_allocating_task", "1");
	grower = CHILD({
		set_adj(0);
		touch(reserve(room / 2), room / 2, NULL);
	});
	CHECK_SIGNALED(grower, SIGKILL);
	CHECK(alive(large));
	grower = CHILD({ /* must not be killed: so the largest, as ever */
			 set_adj(-1000);
			 touch(reserve(room / 2), room / 2, NULL);
	});
	CHECK_EXIT(grower, 0);
	CHECK_SIGNALED(large, SIGKILL);
	ut_spew("/proc/sys/vm/oom_kill_allocating_task", "0");
	check_machine();
}

TEST_MEM(newest, 48, "vm.oom_policy newest that kills an older process, or a bad name taken")
{
	static const char path[] = "/proc/sys/vm/oom_policy";
	char text[64] = "";
	pid_t large, grower;
	size_t room = available();
	int fd;

	if (!ut_octavo())
		SKIP("Octavo's own");
	fd = OK(open(path, O_WRONLY));
	CHECK_ERRNO(write(fd, "oldest", 6), EINVAL);
	close(fd);
	ut_spew(path, "newest");
	OK(ut_slurp(path, text, sizeof(text)));
	CHECK_STR(text, "badness [newest]\n");
	large = holder(room * 6 / 10, 0);
	ut_msleep(10);
	grower = CHILD({
		set_adj(0);
		touch(reserve(room / 2), room / 2, NULL);
	});
	CHECK_SIGNALED(grower, SIGKILL);
	ut_spew(path, "badness");
	CHECK(alive(large));
	end(large);
	check_machine();
}

TEST_MEM(sysrq, 48,
	 "sysrq f that kills nobody, or the wrong one, or the machine, or waits for no victim")
{
	size_t room = available();
	pid_t large = holder(room / 2, 0), next = holder(room / 4, 0);

	ut_spew("/proc/sys/vm/panic_on_oom", "2"); /* that memory is short nobody has said */
	ut_spew("/proc/sysrq-trigger", "f");
	ut_spew("/proc/sysrq-trigger", "f");
	ut_spew("/proc/sys/vm/panic_on_oom", "0");
	CHECK_SIGNALED(large, SIGKILL);
	CHECK_SIGNALED(next, SIGKILL);
	check_machine();
}

TEST_MEM(slow_swap, 48, "a kill while swap has room, because it is slow")
{
	static const char path[] = "/sys/module/ramdisk/parameters/delay_us";
	size_t len = meminfo("MemAvailable") + meminfo("SwapFree") / 2 / PAGE * PAGE;
	long before = kills();
	pid_t pid;

	if (meminfo("SwapFree") < 32 * MIB)
		SKIP("no swap of 32 MiB");
	if (ut_octavo())
		ut_spew(path, "200");
	pid = CHILD({
		char *p = reserve(len);
		set_adj(0);
		touch(p, len, NULL);
		touch(p, len, NULL);
	});
	CHECK_EXIT(pid, 0);
	if (ut_octavo())
		ut_spew(path, "0");
	CHECK_EQ(kills(), before);
}

TEST_MEM(swap_full, 48, "a kill before swap is full, or slots that a victim keeps")
{
	size_t room = meminfo("SwapFree");
	long before = kills(), out = ut_number("/proc/vmstat", "pswpout");
	pid_t pid;

	if (room < 32 * MIB)
		SKIP("no swap of 32 MiB");
	pid = CHILD({
		set_adj(0);
		run_away();
	});
	CHECK_SIGNALED(pid, SIGKILL);
	CHECK_EQ(kills(), before + 1);
	out = ut_number("/proc/vmstat", "pswpout") - out;
	CHECK(out >= (long)(room / PAGE * 9 / 10));
	for (int i = 0; i < 200 && meminfo("SwapFree") < room - MIB; i++)
		ut_msleep(10);
	CHECK(meminfo("SwapFree") >= room - MIB);
	check_machine();
}
