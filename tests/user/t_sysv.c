/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory: ids and keys, attaching, counting, rights, removal.
 */
#include "utest.h"

#include <sys/ipc.h>
#include <sys/shm.h>

#define SHM_FAILED ((void *)-1)
#ifndef SHM_DEST
#define SHM_DEST   01000
#define SHM_LOCKED 02000
#endif

static int segment(size_t size)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);

	if (id < 0 && errno == ENOSYS)
		ut_skip("ENOSYS: shmget");
	return OK(id);
}

static struct shmid_ds stat_of(int id)
{
	struct shmid_ds ds = {0};

	OK(shmctl(id, IPC_STAT, &ds));
	return ds;
}

static void as_user(uid_t uid)
{
	OK(setgid(uid));
	OK(setuid(uid));
}

TEST(keys, "a key that finds another segment, or none, or does not say EEXIST")
{
	key_t key = 0x4f435456;
	int id = shmget(key, 100, IPC_CREAT | IPC_EXCL | 0640);

	if (id < 0 && errno == ENOSYS)
		SKIP_LINUX("ENOSYS: shmget");
	OK(id);
	CHECK_EQ(shmget(key, 100, 0), id);
	CHECK_EQ(shmget(key, 0, 0600), id);
	CHECK_EQ(shmget(key, 50, IPC_CREAT), id);
	CHECK_ERRNO(shmget(key, 100, IPC_CREAT | IPC_EXCL), EEXIST);
	CHECK_ERRNO(shmget(key, 101, 0), EINVAL); /* not even rounded up */
	CHECK_ERRNO(shmget(key + 1, 100, 0), ENOENT);
	CHECK(shmget(IPC_PRIVATE, 100, 0) != id);
	struct shmid_ds ds = stat_of(id);
	CHECK_EQ(ds.shm_segsz, 100);
	CHECK_EQ(ds.shm_perm.mode, 0640);
	CHECK_EQ(ds.shm_perm.__key, key);
	CHECK_EQ(ds.shm_cpid, getpid());
	CHECK_EQ(ds.shm_lpid, 0);
	CHECK_EQ(ds.shm_atime, 0);
	CHECK_EQ(ds.shm_nattch, 0);
	OK(shmctl(id, IPC_RMID, NULL));
	CHECK_ERRNO(shmget(key, 100, 0), ENOENT);
	CHECK_ERRNO(shmctl(id, IPC_STAT, &ds), EINVAL);
	CHECK(OK(shmget(key, 100, IPC_CREAT | 0600)) != id);
	OK(shmctl(shmget(key, 0, 0), IPC_RMID, NULL));
}

TEST(sizes, "sizes of nothing and of too much")
{
	OK(shmctl(segment(1), IPC_RMID, NULL));
	CHECK_ERRNO(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600), EINVAL);
	CHECK_ERRNO(shmget(IPC_PRIVATE, (size_t)-1, IPC_CREAT | 0600), EINVAL);
	CHECK_ERRNO(shmget(IPC_PRIVATE, 1UL << 50, IPC_CREAT | 0600), ENOMEM);
	int id = OK(shmget(IPC_PRIVATE, 1UL << 40, IPC_CREAT | 010000 /* SHM_NORESERVE */ | 0600));
	char *p = OK(shmat(id, NULL, 0));
	p[(1UL << 40) - 1] = 1;
	OK(shmdt(p));
	OK(shmctl(id, IPC_RMID, NULL));
}

TEST(attach_addresses, "an address that is not aligned, rounded, taken, or replaced")
{
	int id = segment(3 * PAGE);
	char *free3 = ut_map_alone(3 * PAGE);

	CHECK_ERRNO(shmat(id, free3, 0), EINVAL); /* something is there */
	CHECK_ERRNO(shmat(id, NULL, SHM_REMAP), EINVAL);
	CHECK_ERRNO(shmat(id, free3 + 1, SHM_REMAP), EINVAL);
	CHECK(OK(shmat(id, free3, SHM_REMAP)) == free3);
	OK(shmdt(free3));
	CHECK_ERRNO(shmat(id, free3 + 8, 0), EINVAL);
	CHECK(OK(shmat(id, free3 + 8, SHM_RND)) == free3);
	CHECK_ERRNO(shmdt(free3 + 8), EINVAL);
	CHECK_ERRNO(shmdt(free3 + PAGE), EINVAL); /* not where it begins */
	OK(shmdt(free3));
	CHECK_ERRNO(shmdt(free3), EINVAL);
	CHECK_ERRNO(shmat(id + 1, NULL, 0), EINVAL);
	CHECK_ERRNO(shmat(-1, NULL, 0), EINVAL);
	CHECK_ERRNO(shmdt(ut_map(PAGE)), EINVAL); /* memory, but no segment */
	OK(shmctl(id, IPC_RMID, NULL));
}

TEST(rights_of_pages, "a read-only attachment that can be written, or made so")
{
	int id = segment(PAGE);
	char *rw = OK(shmat(id, NULL, 0)), *ro = OK(shmat(id, NULL, SHM_RDONLY));
	char line[256];

	strcpy(rw, "both");
	CHECK_STR(ro, "both");
	CHECK_FAULT(ut_write(ro), SIGSEGV, SEGV_ACCERR, ro);
	CHECK_ERRNO(mprotect(ro, PAGE, PROT_READ | PROT_WRITE), EACCES);
	REQUIRE(ut_maps_line(0, ro, line, sizeof(line)));
	CHECK(strstr(line, " r--s 00000000 ") && strstr(line, "/SYSV00000000 (deleted)"));
	REQUIRE(ut_maps_line(0, rw, line, sizeof(line)));
	CHECK(strstr(line, " rw-s 00000000 "));
	char *x = OK(shmat(id, NULL, SHM_EXEC));
	REQUIRE(ut_maps_line(0, x, line, sizeof(line)));
	CHECK(strstr(line, " rwxs 00000000 "));
	OK(shmctl(id, IPC_RMID, NULL));
}

TEST(counting, "attachments that fork, exit, unmapping and splitting do not count")
{
	int id = segment(4 * PAGE), go[2], back[2];
	char *p = OK(shmat(id, NULL, 0)), c;

	OK(pipe(go));
	OK(pipe(back));
	CHECK_EQ(stat_of(id).shm_nattch, 1);
	CHECK_EQ(stat_of(id).shm_lpid, getpid());
	pid_t pid = CHILD({
		OK(write(back[1], "x", 1));
		OK(read(go[0], &c, 1));
		OK(shmdt(p));
		OK(write(back[1], "x", 1));
		OK(read(go[0], &c, 1));
		OK(shmat(id, NULL, 0));
	});
	OK(read(back[0], &c, 1));
	CHECK_EQ(stat_of(id).shm_nattch, 2);
	CHECK_EQ(stat_of(id).shm_dtime, 0);
	OK(write(go[1], "x", 1));
	OK(read(back[0], &c, 1));
	CHECK_EQ(stat_of(id).shm_nattch, 1);
	CHECK_EQ(stat_of(id).shm_lpid, pid);
	CHECK(stat_of(id).shm_dtime != 0);
	OK(write(go[1], "x", 1));
	CHECK_EXIT(pid, 0);
	CHECK_EQ(stat_of(id).shm_nattch, 1);
	OK(mprotect(p + PAGE, PAGE, PROT_READ)); /* three parts */
	CHECK_EQ(stat_of(id).shm_nattch, 3);
	OK(munmap(p, PAGE));
	CHECK_EQ(stat_of(id).shm_nattch, 2);
	OK(shmdt(p)); /* its beginning is gone; the rest is found all the same */
	CHECK_EQ(stat_of(id).shm_nattch, 0);
	CHECK_FAULT(ut_read(p + 2 * PAGE), SIGSEGV, SEGV_MAPERR, p + 2 * PAGE);
	OK(shmctl(id, IPC_RMID, NULL));
}

TEST(removal, "a segment that ends while it is attached, or stays when the last one leaves")
{
	int id = segment(PAGE);
	char *p = OK(shmat(id, NULL, 0));
	struct shmid_ds ds;

	OK(shmctl(id, IPC_RMID, NULL));
	ds = stat_of(id);
	CHECK_EQ(ds.shm_perm.mode, 0600 | SHM_DEST);
	CHECK_EQ(ds.shm_perm.__key, IPC_PRIVATE);
	strcpy(p, "still here");
	char *q = OK(shmat(id, NULL, 0));
	CHECK_STR(q, "still here");
	OK(shmdt(p));
	CHECK_EQ(stat_of(id).shm_nattch, 1);
	OK(shmdt(q));
	CHECK_ERRNO(shmctl(id, IPC_STAT, &ds), EINVAL);
	CHECK_ERRNO(shmctl(id, IPC_RMID, NULL), EINVAL);

	id = segment(PAGE);
	pid_t pid = CHILD({
		OK(shmat(id, NULL, 0));
		OK(shmctl(id, IPC_RMID, NULL));
	});
	CHECK_EXIT(pid, 0);
	CHECK_ERRNO(shmctl(id, IPC_STAT, &ds), EINVAL); /* its exit was the last detaching */
}

TEST(exec_detaches, "an attachment that survives exec")
{
	int id = segment(PAGE);

	OK(shmat(id, NULL, 0));
	pid_t pid = CHILD({
		CHECK_EQ(stat_of(id).shm_nattch, 2);
		execl("/bin/true", "true", NULL);
	});
	CHECK_EXIT(pid, 0);
	CHECK_EQ(stat_of(id).shm_nattch, 1);
	OK(shmctl(id, IPC_RMID, NULL));
}

TEST(zeroed, "memory of a segment that is gone seen in the next")
{
	for (int i = 0; i < 3; i++) {
		int id = segment(16 * PAGE);
		char *p = OK(shmat(id, NULL, 0));

		for (size_t k = 0; k < 16 * PAGE; k += 64)
			CHECK_EQ(p[k], 0);
		memset(p, 0x5a, 16 * PAGE);
		OK(shmctl(id, IPC_RMID, NULL));
		OK(shmdt(p));
	}
}

TEST(permissions, "a segment of someone else read, written, changed or removed")
{
	int id = segment(PAGE), readable = OK(shmget(IPC_PRIVATE, PAGE, 0644));
	struct shmid_ds ds = stat_of(id);

	CHECK_EXIT(CHILD({
			   as_user(1000);
			   CHECK_ERRNO(shmat(id, NULL, 0), EACCES);
			   CHECK_ERRNO(shmat(id, NULL, SHM_RDONLY), EACCES);
			   CHECK_ERRNO(shmctl(id, IPC_STAT, &ds), EACCES);
			   CHECK_ERRNO(shmctl(id, IPC_SET, &ds), EPERM);
			   CHECK_ERRNO(shmctl(id, IPC_RMID, NULL), EPERM);
			   CHECK_ERRNO(shmctl(id, SHM_LOCK, NULL), EPERM);
			   OK(shmat(readable, NULL, SHM_RDONLY));
			   CHECK_ERRNO(shmat(readable, NULL, 0), EACCES);
			   CHECK_ERRNO(shmat(readable, NULL, SHM_RDONLY | SHM_EXEC), EACCES);
			   OK(shmctl(readable, IPC_STAT, &ds));
		   }),
		   0);
	ds.shm_perm.uid = 1000;
	ds.shm_perm.gid = 1000;
	ds.shm_perm.mode = 0600;
	OK(shmctl(id, IPC_SET, &ds));
	CHECK_EQ(stat_of(id).shm_perm.cuid, 0);
	CHECK(stat_of(id).shm_ctime != 0);
	CHECK_EXIT(CHILD({
			   as_user(1000);
			   OK(shmat(id, NULL, 0));
			   OK(shmctl(id, SHM_LOCK, NULL));
			   CHECK_EQ(stat_of(id).shm_perm.mode, 0600 | SHM_LOCKED);
			   OK(shmctl(id, SHM_UNLOCK, NULL));
			   OK(shmctl(id, IPC_RMID, NULL));
		   }),
		   0);
	OK(shmctl(readable, IPC_RMID, NULL));
}

TEST(info, "IPC_INFO, SHM_INFO, SHM_STAT and /proc/sysvipc/shm against each other")
{
	int id = segment(5 * PAGE), at = -1, max;
	char *p = OK(shmat(id, NULL, 0)), text[4096], *line = text;
	struct shminfo si;
	struct shm_info in;
	struct shmid_ds ds;

	p[0] = p[PAGE] = 1;
	max = OK(shmctl(0, IPC_INFO, (void *)&si));
	CHECK_EQ(si.shmmin, 1);
	CHECK_EQ(si.shmmni, 4096);
	CHECK_EQ(OK(shmctl(0, SHM_INFO, (void *)&in)), max);
	CHECK(in.used_ids >= 1);
	CHECK(in.shm_tot >= 5);
	CHECK(in.shm_rss >= 2);
	for (int i = 0; i <= max; i++)
		if (shmctl(i, SHM_STAT, &ds) == id)
			at = i;
	CHECK(at >= 0);
	CHECK_EQ(OK(shmctl(at, 15 /* SHM_STAT_ANY */, &ds)), id);
	CHECK_EQ(ds.shm_segsz, 5 * PAGE);
	CHECK_ERRNO(shmctl(max + 1, SHM_STAT, &ds), EINVAL);
	REQUIRE(ut_slurp("/proc/sysvipc/shm", text, sizeof(text)) > 0);
	CHECK(strncmp(text, "       key      shmid perms                  size  cpid", 55) == 0);
	int found = 0, key, shmid, perms, cpid, lpid, nattch;
	long size;
	while ((line = strchr(line, '\n')) && *++line)
		if (sscanf(line, "%d %d %o %ld %d %d %d", &key, &shmid, &perms, &size, &cpid, &lpid,
			   &nattch) == 7 &&
		    shmid == id) {
			found++;
			CHECK_EQ(perms, 0600);
			CHECK_EQ(size, 5 * PAGE);
			CHECK_EQ(cpid, getpid());
			CHECK_EQ(nattch, 1);
		}
	CHECK_EQ(found, 1);
	CHECK_ERRNO(shmctl(id, 99, &ds), EINVAL);
	CHECK_ERRNO(shmctl(id, -1, &ds), EINVAL);
	CHECK_ERRNO(shmctl(-1, IPC_STAT, &ds), EINVAL);
	CHECK_ERRNO(shmctl(id, IPC_STAT, BADPTR), EFAULT);
	CHECK_ERRNO(shmctl(id, IPC_SET, BADPTR), EFAULT);
	OK(shmctl(id, IPC_RMID, NULL));
}

TEST(limits, "more segments, or larger ones, than /proc/sys/kernel allows")
{
	int id = segment(PAGE);

	ut_spew("/proc/sys/kernel/shmmni", "1");
	CHECK_ERRNO(shmget(IPC_PRIVATE, PAGE, 0600), ENOSPC);
	ut_spew("/proc/sys/kernel/shmmni", "4096");
	ut_spew("/proc/sys/kernel/shmmax", "8192");
	CHECK_ERRNO(shmget(IPC_PRIVATE, 8193, 0600), EINVAL);
	ut_spew("/proc/sys/kernel/shmmax", "9223372036854775807");
	ut_spew("/proc/sys/kernel/shmall", "8");
	CHECK_ERRNO(shmget(IPC_PRIVATE, 9 * PAGE, 0600), ENOSPC);
	ut_spew("/proc/sys/kernel/shmall", "9223372036854775807");
	OK(shmctl(id, IPC_RMID, NULL));
}
