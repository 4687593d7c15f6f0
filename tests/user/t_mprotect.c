/* SPDX-License-Identifier: MIT */
/*
 * mprotect: rights that change under memory that is there, or not yet.
 */
#include "utest.h"

#define RW (PROT_READ | PROT_WRITE)

TEST(read_only, "a write that goes through after the right is gone (no flush)")
{
	char *p = ut_map(PAGE);

	p[0] = 'x';
	OK(mprotect(p, PAGE, PROT_READ));
	CHECK_EQ(p[0], 'x');
	CHECK_FAULT(ut_write(p), SIGSEGV, SEGV_ACCERR, p);
	OK(mprotect(p, PAGE, RW));
	p[0] = 'y';
	CHECK_EQ(p[0], 'y');
}

TEST(no_exec, "code that runs on after the right to is gone (no flush for that right alone)")
{
	unsigned char *p = ut_map_prot(PAGE, PROT_READ | PROT_WRITE);

	p[0] = 0xc3; /* ret */
	OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	CHECK_NOFAULT(ut_exec(p));
	CHECK_NOFAULT(ut_exec(p));
	OK(mprotect(p, PAGE, PROT_READ));
	CHECK_FAULT(ut_exec(p), SIGSEGV, SEGV_ACCERR, p);
	CHECK_NOFAULT(ut_read(p));
}

TEST(none_and_back, "contents lost while nobody may look")
{
	char *p = ut_map_alone(4 * PAGE);

	memset(p, 'k', 4 * PAGE);
	OK(mprotect(p, 4 * PAGE, PROT_NONE));
	CHECK_FAULT(ut_read(p + PAGE), SIGSEGV, SEGV_ACCERR, p + PAGE);
	CHECK_FAULT(ut_exec(p), SIGSEGV, SEGV_ACCERR, p);
	OK(mprotect(p, 4 * PAGE, PROT_READ));
	for (unsigned i = 0; i < 4 * PAGE; i += 512)
		CHECK_EQ(p[i], 'k');
	CHECK_EQ(ut_smaps(0, p, "Rss"), 16);
}

TEST(none_and_write, "a page under PROT_NONE that comes back writable though shared by fork")
{
	volatile char *p = ut_map(PAGE);

	p[0] = 'a';
	OK(mprotect((void *)p, PAGE, PROT_NONE));
	pid_t pid = CHILD({
		OK(mprotect((void *)p, PAGE, RW));
		p[0] = 'b';
		CHECK_EQ(p[0], 'b');
	});
	CHECK_EXIT(pid, 0);
	OK(mprotect((void *)p, PAGE, RW));
	CHECK_EQ(p[0], 'a');
}

TEST(untouched, "a right that is only put into tables that exist")
{
	char *p = ut_map(2 * PAGE);

	OK(mprotect(p, PAGE, PROT_READ));
	CHECK_FAULT(ut_write(p), SIGSEGV, SEGV_ACCERR, p);
	CHECK_NOFAULT(ut_read(p));
	CHECK_NOFAULT(ut_write(p + PAGE));
}

TEST(errors, "bad arguments accepted")
{
	char *p = ut_map(4 * PAGE);

	CHECK_ERRNO(sys_mprotect(p + 1, PAGE, PROT_READ), EINVAL);
	CHECK_ERRNO(sys_mprotect(p, PAGE, 0x40), EINVAL);
	CHECK_ERRNO(sys_mprotect(p, -PAGE, PROT_READ), ENOMEM);
	CHECK_ERRNO(sys_mprotect(KERNPTR, PAGE, PROT_READ), ENOMEM);
	OK(mprotect(p, 0, PROT_READ));
	CHECK_NOFAULT(ut_write(p));
	OK(sys_mprotect(p, 1, PROT_READ)); /* rounded up */
	CHECK_FAULT(ut_write(p + PAGE - 1), SIGSEGV, SEGV_ACCERR, p + PAGE - 1);
	/* only for areas that grow */
	CHECK_ERRNO(sys_mprotect(p, PAGE, PROT_READ | 0x01000000), EINVAL);
	CHECK_ERRNO(sys_mprotect(p, PAGE, 0x03000000), EINVAL);
}

TEST(hole, "a hole in the range: what lies before it is changed, and the result is ENOMEM")
{
	char *p = ut_map(4 * PAGE);

	OK(munmap(p + 2 * PAGE, PAGE));
	CHECK_ERRNO(mprotect(p, 4 * PAGE, PROT_READ), ENOMEM);
	CHECK_FAULT(ut_write(p), SIGSEGV, SEGV_ACCERR, p);
	CHECK_FAULT(ut_write(p + PAGE), SIGSEGV, SEGV_ACCERR, p + PAGE);
	CHECK_NOFAULT(ut_write(p + 3 * PAGE));
}

TEST(split_merge, "areas that do not split, or that stay split when they are equal again")
{
	char *p = ut_map_prot(10 * PAGE, PROT_NONE);

	OK(munmap(p, 10 * PAGE));
	p += PAGE;
	OK(mmap(p, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	CHECK_EQ(ut_maps_count(p, p + 8 * PAGE), 1);
	OK(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
	CHECK_EQ(ut_maps_count(p, p + 8 * PAGE), 3);
	OK(mprotect(p + 3 * PAGE, PAGE, PROT_READ));
	CHECK_EQ(ut_maps_count(p, p + 8 * PAGE), 3);
	OK(mprotect(p, PAGE, PROT_READ));
	CHECK_EQ(ut_maps_count(p, p + 8 * PAGE), 4);
	OK(mprotect(p, 8 * PAGE, RW));
	CHECK_EQ(ut_maps_count(p, p + 8 * PAGE), 1);
}

TEST(data, "constants and code that can be written")
{
	static const char text[] = "constant";

	CHECK_FAULT(ut_write((void *)text), SIGSEGV, SEGV_ACCERR, (void *)text);
	void *code = (void *)(uintptr_t)ut_note;
	CHECK_FAULT(ut_write(code), SIGSEGV, SEGV_ACCERR, code);
	/* after mprotect a private copy is written, and only that */
	void *page = (void *)((uintptr_t)text & ~(PAGE - 1));
	OK(mprotect(page, PAGE, RW));
	pid_t pid = CHILD({ ((volatile char *)text)[0] = 'C'; });
	CHECK_EXIT(pid, 0);
	CHECK_EQ(((volatile const char *)text)[0], 'c');
}

TEST(cow_stays, "mprotect to writable that hands out a page shared by fork")
{
	volatile char *p = ut_map(PAGE);
	int go[2];
	char c;

	p[0] = 'p';
	OK(pipe(go));
	pid_t pid = CHILD({
		close(go[1]);
		CHECK_EQ(read(go[0], &c, 1), 0);
		CHECK_EQ(p[0], 'p');
	});
	close(go[0]);
	OK(mprotect((void *)p, PAGE, PROT_READ));
	OK(mprotect((void *)p, PAGE, RW));
	p[0] = 'w';
	close(go[1]);
	CHECK_EXIT(pid, 0);
}

TEST(zero_page, "mprotect to writable that hands out the zero page")
{
	volatile char *p = ut_map(2 * PAGE);

	(void)p[0];
	(void)p[PAGE];
	OK(mprotect((void *)p, 2 * PAGE, PROT_READ));
	OK(mprotect((void *)p, 2 * PAGE, RW));
	p[0] = 'z';
	CHECK_EQ(p[PAGE], 0);
	volatile char *q = ut_map(PAGE);
	CHECK_EQ(q[0], 0);
}

TEST(file_private, "a private file page written in the cache after mprotect")
{
	int fd = ut_file("f", "file", 4);
	char *p = OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	char c;

	CHECK_EQ(p[0], 'f');
	OK(mprotect(p, PAGE, RW));
	p[0] = 'F';
	OK(pread(fd, &c, 1, 0));
	CHECK_EQ(c, 'f');
}

TEST(random_rights, "a page whose right is not that of its area, after many random changes")
{
	enum { N = 32 };
	static const int rights[] = {PROT_NONE, PROT_READ, RW, PROT_READ | PROT_EXEC};
	int have[N];
	char *p = ut_map(N * PAGE);

	for (int i = 0; i < N; i++)
		have[i] = RW;
	for (int step = 0; step < 300; step++) {
		int from = ut_rand() % N, n = 1 + ut_rand() % (N - from);
		int prot = rights[ut_rand() % 4];

		OK(mprotect(p + from * PAGE, n * PAGE, prot));
		for (int i = from; i < from + n; i++)
			have[i] = prot;
		int i = ut_rand() % N;
		char *q = p + i * PAGE;
		struct ut_fault r = ut_read(q), w = ut_write(q);
		if (!r.sig != !!(have[i] & PROT_READ) || !w.sig != !!(have[i] & PROT_WRITE)) {
			FAIL("step %d page %d: rights %#x, read %s, write %s", step, i, have[i],
			     r.sig ? "faults" : "works", w.sig ? "faults" : "works");
			return;
		}
	}
}
