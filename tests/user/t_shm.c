/* SPDX-License-Identifier: MIT */
/*
 * Shared memory: anonymous, by a file in /dev/shm, by memfd_create, and System V's.
 */
#include "utest.h"

#include <sys/ipc.h>
#include <sys/shm.h>

#define RW (PROT_READ | PROT_WRITE)

TEST(fork_shares, "shared anonymous pages copied when written after fork")
{
	size_t n = 64;
	volatile unsigned *p = OK(mmap(NULL, n * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	p[0] = 1; /* some are there before the fork, most only after it */
	pid_t pid = CHILD({
		for (size_t i = 0; i < n; i += 2)
			p[i * 1024] = 100 + i;
	});
	for (size_t i = 1; i < n; i += 2)
		p[i * 1024] = 100 + i;
	CHECK_EXIT(pid, 0);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i * 1024], 100 + i);
}

TEST(rmap_counts, "Rss, Pss, Shared and Private of memory that two processes share")
{
	char *p = OK(mmap(NULL, 16 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	int go[2];
	char c;

	memset(p, 1, 16 * PAGE);
	CHECK_EQ(ut_smaps(0, p, "Rss"), 64);
	CHECK_EQ(ut_smaps(0, p, "Pss"), 64);
	CHECK_EQ(ut_smaps(0, p, "Private_Dirty"), 64);
	CHECK_EQ(ut_smaps(0, p, "Anonymous"), 0);
	OK(pipe(go));
	pid_t pid = CHILD({
		for (int i = 0; i < 16; i++)
			(void)*(volatile char *)(p + i * PAGE);
		OK(write(go[1], "x", 1));
		pause();
	});
	OK(read(go[0], &c, 1));
	CHECK_EQ(ut_smaps(0, p, "Rss"), 64);
	CHECK_EQ(ut_smaps(0, p, "Pss"), 32);
	CHECK_EQ(ut_smaps(0, p, "Shared_Dirty"), 64);
	CHECK_EQ(ut_smaps(pid, p, "Pss"), 32);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	CHECK_EQ(ut_smaps(0, p, "Pss"), 64);
	char line[256];
	REQUIRE(ut_maps_line(0, p, line, sizeof(line)));
	CHECK(strstr(line, " rw-s 00000000 ") && strstr(line, "/dev/zero (deleted)"));
}

TEST(unrelated, "a file in /dev/shm that strangers do not share")
{
	char name[64];

	sprintf(name, "/dev/shm/ut.%d", getpid());
	int fd = OK(open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
	OK(ftruncate(fd, 4 * PAGE));
	volatile int *p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	pid_t pid = CHILD({
		OK(munmap((void *)p, 4 * PAGE));
		int fd2 = OK(open(name, O_RDWR));
		volatile int *q = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd2, 0));
		q[2048] = 77;
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(p[2048], 77);
	OK(unlink(name));
	p[2049] = 78;
	CHECK_EQ(p[2049], 78);
}

TEST(memfd, "memfd_create: size, sharing, name, close-on-exec")
{
	int fd = (int)syscall(SYS_memfd_create, "my memory", 1 /* MFD_CLOEXEC */);

	if (fd < 0 && errno == ENOSYS)
		SKIP_LINUX("ENOSYS: memfd_create");
	REQUIRE(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	OK(ftruncate(fd, 2 * PAGE));
	char *p = OK(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
	char *q = OK(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
	p[PAGE] = 'm';
	CHECK_EQ(q[PAGE], 'm');
	char c;
	OK(pread(fd, &c, 1, PAGE));
	CHECK_EQ(c, 'm');
	char line[256];
	REQUIRE(ut_maps_line(0, p, line, sizeof(line)));
	CHECK(strstr(line, "/memfd:my memory (deleted)") != NULL);
	CHECK_ERRNO(syscall(SYS_memfd_create, "x", 0x8000), EINVAL);
	CHECK_ERRNO(syscall(SYS_memfd_create, BADPTR, 0), EFAULT);
}

TEST(memfd_sealed,
     "a file sealed against writing that cannot be shared for reading, or becomes writable")
{
	int fd = (int)syscall(SYS_memfd_create, "sealed", 2 /* MFD_ALLOW_SEALING */);
	char path[32];

	REQUIRE(fd >= 0);
	OK(ftruncate(fd, PAGE));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int ro = OK(open(path, O_RDONLY));
	char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	CHECK_ERRNO(fcntl(fd, 1033 /* F_ADD_SEALS */, 8 /* F_SEAL_WRITE */), EBUSY);
	OK(munmap(p, PAGE));
	p = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0));
	OK(fcntl(fd, 1033 /* F_ADD_SEALS */, 8 /* F_SEAL_WRITE */));
	CHECK_ERRNO(mprotect(p, PAGE, RW), EACCES);
	OK(munmap(p, PAGE));
	p = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0));
	CHECK_ERRNO(mprotect(p, PAGE, RW), EACCES);
	OK(munmap(p, PAGE));
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EPERM);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		SKIP_LINUX("Linux before 6.1.129 refuses this too");
	CHECK_ERRNO(mprotect(p, PAGE, RW), EACCES);
	p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	p[0] = 1;
}

TEST(over_commit, "a tmpfs page beyond the commit limit for which a process is killed")
{
	int fd = (int)syscall(SYS_memfd_create, "m", 0);
	volatile char *p;

	if (getuid() != 0)
		SKIP("for root");
	REQUIRE(fd >= 0);
	OK(ftruncate(fd, 4 * PAGE));
	p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	p[0] = 1;
	pid_t pid = CHILD(
		{ /* so that the limit is lifted even if it is killed */
		  ut_spew("/proc/sys/vm/overcommit_ratio", "0");
		  ut_spew("/proc/sys/vm/overcommit_memory", "2");
		  CHECK_ERRNO(pwrite(fd, "x", 1, PAGE), ENOSPC);
		  CHECK_FAULT(ut_write(p + 2 * PAGE), SIGBUS, BUS_ADRERR, (void *)(p + 2 * PAGE));
		  CHECK_FAULT(ut_read(p + 2 * PAGE), SIGBUS, BUS_ADRERR, (void *)(p + 2 * PAGE));
		  CHECK_NOFAULT(ut_write(p));
		});
	CHECK_EXIT(pid, 0);
	ut_spew("/proc/sys/vm/overcommit_memory", "0");
	ut_spew("/proc/sys/vm/overcommit_ratio", "50");
	CHECK_NOFAULT(ut_write(p + 2 * PAGE));
}

TEST_MEM(exit_order, 24, "shared pages freed with the first process that ends")
{
	volatile char *p = OK(mmap(NULL, 32 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	for (int i = 0; i < 20; i++) {
		pid_t pid = CHILD({
			for (int k = 0; k < 32; k++)
				p[k * PAGE]++;
		});
		CHECK_EXIT(pid, 0);
		char *other = ut_map(32 * PAGE);
		memset(other, 0xee, 32 * PAGE);
		OK(munmap(other, 32 * PAGE));
	}
	for (int k = 0; k < 32; k++)
		CHECK_EQ(p[k * PAGE], 20);
}

TEST(atomic_counter, "increments lost between processes: two frames for one shared page")
{
	volatile int *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		pid[i] = CHILD({
			for (int k = 0; k < 100000; k++)
				__atomic_fetch_add(p, 1, __ATOMIC_RELAXED);
		});
	for (int i = 0; i < 4; i++)
		CHECK_EXIT(pid[i], 0);
	CHECK_EQ(*p, 400000);
}

TEST(private_of_shared, "a private and a shared mapping of one file")
{
	int fd = ut_file("f", NULL, 0);

	OK(ftruncate(fd, PAGE));
	volatile char *s = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	volatile char *p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	s[0] = 's';
	CHECK_EQ(p[0], 's');
	p[1] = 'p';
	CHECK_EQ(s[1], 0);
	s[0] = 't';
	CHECK_EQ(p[0], 's'); /* it has its own page now */
	pid_t pid = CHILD({
		CHECK_EQ(p[1], 'p');
		p[1] = 'c';
		s[2] = 'c';
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(p[1], 'p');
	CHECK_EQ(s[2], 'c');
}

TEST_MEM(meminfo, 32, "Shmem in /proc/meminfo that does not count shared pages")
{
	char buf[8192];
	long before, after;

	OK(ut_slurp("/proc/meminfo", buf, sizeof(buf)));
	char *s = strstr(buf, "\nShmem:");
	REQUIRE(s != NULL);
	before = strtol(s + 7, NULL, 10);
	char *p = OK(mmap(NULL, 4 << 20, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	memset(p, 1, 4 << 20);
	OK(ut_slurp("/proc/meminfo", buf, sizeof(buf)));
	after = strtol(strstr(buf, "\nShmem:") + 7, NULL, 10);
	CHECK(after - before > 3500 && after - before < 4700);
	OK(munmap(p, 4 << 20));
	OK(ut_slurp("/proc/meminfo", buf, sizeof(buf)));
	after = strtol(strstr(buf, "\nShmem:") + 7, NULL, 10);
	CHECK(after - before < 600);
}

TEST(sysv, "System V segments: shmget, shmat, shmdt, removal")
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600);

	if (id < 0 && errno == ENOSYS)
		SKIP_LINUX("ENOSYS: shmget");
	REQUIRE(id >= 0);
	volatile char *p = OK(shmat(id, NULL, 0));
	pid_t pid = CHILD({ p[PAGE] = 'v'; });
	CHECK_EXIT(pid, 0);
	CHECK_EQ(p[PAGE], 'v');
	struct shmid_ds ds;
	OK(shmctl(id, IPC_STAT, &ds));
	CHECK_EQ(ds.shm_segsz, 3 * PAGE);
	CHECK_EQ(ds.shm_nattch, 1);
	OK(shmctl(id, IPC_RMID, NULL));
	CHECK_EQ(p[PAGE], 'v');
	OK(shmdt((void *)p));
	CHECK_ERRNO(shmat(id, NULL, 0), EINVAL);
}

#define ADD_SEALS 1033
#define GET_SEALS 1034

TEST(seals, "a sealed memfd that shrinks, grows, is written, mapped writable, or sealed again")
{
	int fd = OK(memfd_create("s", 2 /* MFD_ALLOW_SEALING */)), plain = OK(memfd_create("p", 0));
	char page[PAGE] = "text";

	CHECK_EQ(fcntl(plain, GET_SEALS), 1);
	CHECK_ERRNO(fcntl(plain, ADD_SEALS, 2), EPERM);
	CHECK_EQ(fcntl(fd, GET_SEALS), 0);
	CHECK_EQ(write(fd, page, PAGE), PAGE);
	OK(fcntl(fd, ADD_SEALS, 2 /* SHRINK */));
	CHECK_ERRNO(ftruncate(fd, 10), EPERM);
	OK(ftruncate(fd, 2 * PAGE));
	OK(fcntl(fd, ADD_SEALS, 4 /* GROW */));
	CHECK_ERRNO(ftruncate(fd, 3 * PAGE), EPERM);
	CHECK_ERRNO(pwrite(fd, page, 1, 2 * PAGE), EPERM);
	CHECK_ERRNO(syscall(SYS_fallocate, fd, 0, 0L, 3 * PAGE), EPERM);
	CHECK_EQ(pwrite(fd, page, 5, 0), 5);
	char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	CHECK_ERRNO(fcntl(fd, ADD_SEALS, 8 /* WRITE */), EBUSY);
	OK(munmap(p, PAGE));
	OK(fcntl(fd, ADD_SEALS, 8));
	CHECK_ERRNO(pwrite(fd, page, 1, 0), EPERM);
	CHECK_ERRNO(syscall(SYS_fallocate, fd, 3 /* PUNCH_HOLE */, 0L, PAGE), EPERM);
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EPERM);
	p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	CHECK_STR(p, "text");
	p[0] = 'n';
	p = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	CHECK_ERRNO(mprotect(p, PAGE, RW), EACCES);
	OK(fcntl(fd, ADD_SEALS, 1 /* SEAL */));
	CHECK_ERRNO(fcntl(fd, ADD_SEALS, 0x10), EPERM);
	CHECK_EQ(fcntl(fd, GET_SEALS), 15);
	CHECK_ERRNO(fcntl(0, GET_SEALS), EINVAL);
}
