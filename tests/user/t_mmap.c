/* SPDX-License-Identifier: MIT */
/*
 * mmap: what is mapped, where, with which rights, and each way to be refused.
 */
#include "utest.h"

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void *map_at(void *addr, size_t len, int flags)
{
	return sys_mmap(addr, len, RW, ANON | flags, -1, 0);
}

/* A hole of n pages with nothing mapped for a page around it. */
static char *hole(size_t n)
{
	char *p = ut_map_prot((n + 2) * PAGE, PROT_NONE);

	OK(munmap(p, (n + 2) * PAGE));
	return p + PAGE;
}

TEST(anonymous_is_zero, "pages that a process had before shown to the next one")
{
	for (int round = 0; round < 4; round++) {
		size_t len = 256 * PAGE;
		unsigned char *p = ut_map(len);

		for (size_t i = 0; i < len; i++)
			if (p[i]) {
				FAIL("byte %zu is %#x", i, p[i]);
				return;
			}
		memset(p, 0xa5, len);
		OK(munmap(p, len));
	}
}

TEST(lengths, "a length that is rounded down, or that wraps round when rounded up")
{
	CHECK_ERRNO(map_at(NULL, 0, 0), EINVAL);
	CHECK_ERRNO(map_at(NULL, SIZE_MAX, 0), ENOMEM);
	CHECK_ERRNO(map_at(NULL, SIZE_MAX & ~(PAGE - 1), 0), ENOMEM);
	CHECK_ERRNO(map_at(NULL, 1UL << 47, 0), ENOMEM);
	CHECK_ERRNO(map_at(NULL, 1UL << 63, 0), ENOMEM);

	char *p = OK(map_at(NULL, 1, 0));
	p[PAGE - 1] = 1;
	CHECK_EQ(p[PAGE - 1], 1);
	char *q = OK(map_at(NULL, PAGE + 1, 0));
	q[2 * PAGE - 1] = 1;
	OK(munmap(p, 1));
	CHECK_FAULT(ut_read(p), SIGSEGV, SEGV_MAPERR, p);
	OK(munmap(q, PAGE + 1));
	CHECK_FAULT(ut_read(q + PAGE), SIGSEGV, SEGV_MAPERR, q + PAGE);
}

TEST(flags_required, "a map type that is neither shared nor private, or both")
{
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERRNO(mmap(NULL, PAGE, RW, 0, -1, 0), EBADF);
	/* 3 is MAP_SHARED_VALIDATE: a type of its own that anonymous memory does not know. */
	CHECK_ERRNO(mmap(NULL, PAGE, RW, 3 | MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERRNO(mmap(NULL, PAGE, RW, 4 | MAP_ANONYMOUS, -1, 0), EINVAL);
}

TEST(bad_descriptor, "a file mapping without a file")
{
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_SHARED, 99, 0), EBADF);
	/* and anonymous memory does not look at the descriptor */
	OK(mmap(NULL, PAGE, RW, ANON, 99, 0));
}

TEST(offset_alignment, "an offset that is not a whole page accepted")
{
	int fd = ut_file("f", "x", 1);

	CHECK_ERRNO(sys_mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 512), EINVAL);
	/* page number overflow: offset + length must not wrap */
	CHECK_ERRNO(syscall(SYS_mmap, NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, -PAGE),
		    EOVERFLOW);
	CHECK_ERRNO(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 1UL << 63),
		    EOVERFLOW);
}

TEST(file_rights, "a shared writable map of a file that is open for reading only")
{
	int ro, wo;

	close(ut_file("f", "data", 4));
	ro = OK(open("f", O_RDONLY));
	wo = OK(open("f", O_WRONLY));
	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0), EACCES);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, wo, 0), EACCES);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_WRITE, MAP_PRIVATE, wo, 0), EACCES);

	char *p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, ro, 0));
	p[0] = 'D';
	char c;
	OK(pread(ro, &c, 1, 0));
	CHECK_EQ(c, 'd');

	char *s = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0));
	CHECK_ERRNO(mprotect(s, PAGE, RW), EACCES);
}

TEST(not_mappable, "a directory, a pipe or a fifo mapped like a file")
{
	int dir = OK(open(".", O_RDONLY | O_DIRECTORY));
	int fds[2];

	OK(pipe(fds));
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
	CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fds[0], 0), ENODEV);
}

TEST(fixed_replaces, "MAP_FIXED that leaves a part of what was there before")
{
	char *p = ut_map(4 * PAGE);

	memset(p, 'o', 4 * PAGE);
	char *q = OK(map_at(p + PAGE, 2 * PAGE, MAP_FIXED));
	CHECK(q == p + PAGE);
	CHECK_EQ(p[0], 'o');
	CHECK_EQ(p[PAGE], 0);
	CHECK_EQ(p[3 * PAGE - 1], 0);
	CHECK_EQ(p[3 * PAGE], 'o');
}

TEST(fixed_alignment, "MAP_FIXED at an odd address rounded silently")
{
	char *p = hole(2);

	CHECK_ERRNO(map_at(p + 1, PAGE, MAP_FIXED), EINVAL);
	CHECK_ERRNO(map_at(p + 1, PAGE, MAP_FIXED_NOREPLACE), EINVAL);
	/* only a hint: rounded */
	char *q = OK(map_at(p + 1, PAGE, 0));
	CHECK_EQ((uintptr_t)q % PAGE, 0);
}

TEST(fixed_noreplace, "MAP_FIXED_NOREPLACE that overlaps something")
{
	char *p = hole(4);

	CHECK(OK(map_at(p + PAGE, PAGE, MAP_FIXED_NOREPLACE)) == p + PAGE);
	p[PAGE] = 'k';
	CHECK_ERRNO(map_at(p + PAGE, PAGE, MAP_FIXED_NOREPLACE), EEXIST);
	CHECK_ERRNO(map_at(p, 2 * PAGE, MAP_FIXED_NOREPLACE), EEXIST);
	CHECK_ERRNO(map_at(p, 4 * PAGE, MAP_FIXED_NOREPLACE), EEXIST);
	CHECK_EQ(p[PAGE], 'k');
	CHECK(OK(map_at(p, PAGE, MAP_FIXED_NOREPLACE)) == p);
	CHECK(OK(map_at(p + 2 * PAGE, PAGE, MAP_FIXED_NOREPLACE)) == p + 2 * PAGE);
}

TEST(hint, "a free hint that is ignored, a taken one that is obeyed")
{
	char *p = hole(2);

	CHECK(OK(map_at(p, PAGE, 0)) == p);
	p[0] = 'x';
	CHECK(OK(map_at(p, PAGE, 0)) != p);
	CHECK_EQ(p[0], 'x');
}

TEST(address_limits, "a mapping in the kernel's half or across its border")
{
	char *top = (char *)0x7ffffffff000;

	CHECK_ERRNO(map_at(top, PAGE, MAP_FIXED), ENOMEM);
	CHECK_ERRNO(map_at(top - PAGE, 2 * PAGE, MAP_FIXED), ENOMEM);
	CHECK_ERRNO(map_at(KERNPTR, PAGE, MAP_FIXED), ENOMEM);
	CHECK_ERRNO(map_at(NONCANON, PAGE, MAP_FIXED), ENOMEM);
	CHECK_ERRNO(map_at((void *)-PAGE, PAGE, MAP_FIXED), ENOMEM);
	/* as hints they only lead elsewhere */
	CHECK(OK(map_at(KERNPTR, PAGE, 0)) < (void *)top);
}

TEST(page_zero, "memory at NULL for an ordinary user")
{
	char buf[32];

	if (ut_slurp("/proc/sys/vm/mmap_min_addr", buf, sizeof(buf)) > 0 && atoi(buf) == 0)
		SKIP_LINUX("vm.mmap_min_addr is 0");
	pid_t pid = CHILD({
		OK(setuid(1000));
		CHECK_ERRNO(map_at(NULL, PAGE, MAP_FIXED), EPERM);
		CHECK_ERRNO(map_at((void *)PAGE, PAGE, MAP_FIXED), EPERM);
		/* a low hint is moved up */
		CHECK(OK(map_at((void *)PAGE, PAGE, 0)) >= (void *)65536);
	});
	CHECK_EXIT(pid, 0);
}

TEST(shared_anonymous, "shared anonymous memory that fork copies")
{
	volatile int *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	pid_t pid = CHILD({ *p = 4711; });
	CHECK_EXIT(pid, 0);
	CHECK_EQ(*p, 4711);
}

TEST(shared_file, "a shared mapping and read/write that see different bytes")
{
	int fd = ut_file("f", "hello", 5);
	char buf[8] = {0};

	OK(ftruncate(fd, 3 * PAGE));
	char *a = OK(mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0));
	char *b = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE));
	CHECK(!memcmp(a, "hello", 5));
	a[0] = 'j';
	OK(pread(fd, buf, 5, 0));
	CHECK_STR(buf, "jello");
	OK(pwrite(fd, "end", 3, 3 * PAGE - 3));
	CHECK(!memcmp(b + PAGE - 3, "end", 3));
	b = OK(mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	a[PAGE] = 'q';
	CHECK_EQ(b[PAGE], 'q'); /* a private page not yet written shows the file */
}

TEST(private_file, "a private write that reaches the file, or other private maps")
{
	int fd = ut_file("f", "hello", 5);
	char buf[8] = {0};
	char *a = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	char *b = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));

	a[0] = 'A';
	CHECK_EQ(b[0], 'h');
	OK(pread(fd, buf, 5, 0));
	CHECK_STR(buf, "hello");
	OK(pwrite(fd, "J", 1, 0));
	CHECK_EQ(a[0], 'A'); /* it is its own now */
	CHECK_EQ(b[0], 'J');
}

TEST(file_tail, "bytes behind the end of a file that are not zero, or that reach it")
{
	char *buf = malloc(PAGE);
	struct stat st;

	memset(buf, 'x', PAGE);
	int fd = ut_file("f", buf, PAGE);
	OK(ftruncate(fd, 100));
	char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	for (unsigned i = 100; i < PAGE; i++)
		if (p[i]) {
			FAIL("byte %u is %#x", i, p[i]);
			break;
		}
	p[200] = 'y';
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 100);
	CHECK_EQ(pread(fd, buf, PAGE, 0), 100);
	/* What was written behind the end must not show when the file grows again. */
	OK(munmap(p, PAGE));
	OK(ftruncate(fd, 50));
	OK(ftruncate(fd, PAGE));
	CHECK_EQ(pread(fd, buf, PAGE, 0), PAGE);
	CHECK_EQ(buf[49], 'x');
	CHECK_EQ(buf[60], 0);
	CHECK_EQ(buf[200], 0);
}

TEST(offset, "a mapping that starts at the wrong page of the file")
{
	int fd = ut_file("f", NULL, 0);

	for (int i = 0; i < 16; i++) {
		char page[PAGE];
		memset(page, 'a' + i, PAGE);
		OK(write(fd, page, PAGE));
	}
	for (int i = 0; i < 16; i++) {
		char *p = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, i * PAGE));
		CHECK_EQ(p[0], 'a' + i);
		CHECK_EQ(p[PAGE - 1], 'a' + i);
	}
	/* split, and the offset of the rear part is right */
	char *p = OK(mmap(NULL, 16 * PAGE, PROT_READ, MAP_SHARED, fd, 0));
	OK(munmap(p + 5 * PAGE, PAGE));
	CHECK_EQ(p[4 * PAGE], 'e');
	CHECK_EQ(p[6 * PAGE], 'g');
	char line[256];
	REQUIRE(ut_maps_line(0, p + 6 * PAGE, line, sizeof(line)));
	CHECK(strstr(line, " 00006000 ") != NULL);
}

TEST(survives_close, "a mapping that dies with its descriptor or its name")
{
	int fd = ut_file("f", "hello", 5);
	char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));

	close(fd);
	OK(unlink("f"));
	CHECK(!memcmp(p, "hello", 5));
	p[0] = 'j';
	CHECK_EQ(p[0], 'j');
	char line[256];
	REQUIRE(ut_maps_line(0, p, line, sizeof(line)));
	CHECK(strstr(line, "/f (deleted)") != NULL);
}

TEST(merge, "neighbours with the same rights that stay apart in maps")
{
	char *p = hole(6);

	OK(map_at(p, PAGE, MAP_FIXED));
	OK(map_at(p + 2 * PAGE, PAGE, MAP_FIXED));
	CHECK_EQ(ut_maps_count(p, p + 3 * PAGE), 2);
	OK(map_at(p + PAGE, PAGE, MAP_FIXED));
	CHECK_EQ(ut_maps_count(p, p + 3 * PAGE), 1);
	/* different rights or type: no merge */
	OK(mmap(p + 3 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));
	CHECK_EQ(ut_maps_count(p, p + 4 * PAGE), 2);
	OK(mmap(p + 4 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	CHECK_EQ(ut_maps_count(p, p + 5 * PAGE), 3);
	OK(munmap(p + PAGE, PAGE));
	CHECK_EQ(ut_maps_count(p, p + 5 * PAGE), 4);
}

TEST(merge_file, "file mappings merged across a gap in the file, or not merged without one")
{
	int fd = ut_file("f", NULL, 0);
	char *p = hole(4);

	OK(ftruncate(fd, 8 * PAGE));
	OK(mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0));
	OK(mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE));
	CHECK_EQ(ut_maps_count(p, p + 2 * PAGE), 1);
	OK(mmap(p + 2 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 5 * PAGE));
	CHECK_EQ(ut_maps_count(p, p + 3 * PAGE), 2);
}

TEST(populate, "MAP_POPULATE that leaves the faults for later")
{
	size_t n = 64;
	char *p = OK(map_at(ut_map_alone(n * PAGE), n * PAGE, MAP_FIXED | MAP_POPULATE));
	long before = ut_minflt();

	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = 1;
	CHECK(ut_minflt() - before < 4);
	CHECK_EQ(ut_smaps(0, p, "Rss"), (long)(n * 4));

	int fd = ut_file("f", NULL, 0);
	OK(ftruncate(fd, n * PAGE));
	p = OK(mmap(NULL, n * PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0));
	before = ut_minflt();
	for (size_t i = 0; i < n; i++)
		(void)*(volatile char *)(p + i * PAGE);
	CHECK(ut_minflt() - before < 4);
}

TEST(demand, "memory that costs something before it is touched")
{
	size_t n = 512;
	char *p = ut_map_alone(n * PAGE);
	long before;

	CHECK_EQ(ut_smaps(0, p, "Rss"), 0);
	before = ut_minflt();
	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = 1;
	CHECK(ut_minflt() - before >= (long)n);
	CHECK(ut_minflt() - before < (long)n + 8);
	CHECK_EQ(ut_smaps(0, p, "Rss"), (long)(n * 4));
	CHECK_EQ(ut_smaps(0, p, "Anonymous"), (long)(n * 4));
}

TEST(prot_none, "a PROT_NONE area that can be read")
{
	char *p = ut_map_prot(PAGE, PROT_NONE);

	CHECK_FAULT(ut_read(p), SIGSEGV, SEGV_ACCERR, p);
	CHECK_FAULT(ut_write(p), SIGSEGV, SEGV_ACCERR, p);
}

TEST(prot_write_only, "write-only memory: x86 cannot forbid the read")
{
	char *p = ut_map_prot(PAGE, PROT_WRITE);

	p[0] = 'w';
	CHECK_EQ(p[0], 'w');
}

TEST(exec_rights, "NX left off: data that runs")
{
	unsigned char *p = ut_map_prot(PAGE, RW);

	p[0] = 0xc3; /* ret */
	CHECK_FAULT(ut_exec(p), SIGSEGV, SEGV_ACCERR, p);
	OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	CHECK_NOFAULT(ut_exec(p));
	p = ut_map_prot(PAGE, RW | PROT_EXEC);
	p[0] = 0xc3;
	CHECK_NOFAULT(ut_exec(p));
	char line[256];
	REQUIRE(ut_maps_line(0, p, line, sizeof(line)));
	CHECK(strstr(line, " rwxp ") != NULL);
}

TEST(all_rights, "rights of a page that are not those asked for, as far as x86 can give them")
{
	int fd = ut_file("ret", "\xc3", 1);

	OK(ftruncate(fd, PAGE));
	for (int i = 0; i < 32; i++) {
		int prot = i % 8, type = i & 8 ? MAP_SHARED : MAP_PRIVATE;
		int later = i & 16; /* changed after the page is there */
		char *p = OK(mmap(NULL, PAGE, later ? RW : prot, type, fd, 0));

		if (later) {
			p[1] = 1;
			OK(mprotect(p, PAGE, prot));
		}
		struct ut_fault r = ut_read(p), x = ut_exec(p), w = ut_write(p + 100);
		/* what can be written can be read; and executed, but for Linux's protection keys */
		if ((!r.sig != !!prot && prot != PROT_EXEC) || !w.sig != !!(prot & PROT_WRITE) ||
		    !x.sig != !!(prot & PROT_EXEC))
			FAIL("rights %#x, %s: read %s, write %s, execute %s", prot,
			     type == MAP_SHARED ? "shared" : "private", ut_signame(r.sig),
			     ut_signame(w.sig), ut_signame(x.sig));
		OK(munmap(p, PAGE));
	}
}

TEST(growsdown, "a MAP_GROWSDOWN area that does not grow, or grows into its neighbour")
{
	/* A gap of 256 pages (stack_guard_gap) to the next area below has to stay. */
	char *p = hole(2048);
	char *top = p + 2048 * PAGE;
	char *low = OK(mmap(top - PAGE, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0));

	for (int i = 1; i <= 64; i++)
		CHECK_NOFAULT(ut_write(low - i * PAGE));
	CHECK_EQ(ut_maps_count(low - 64 * PAGE, top), 1);
	char line[256];
	REQUIRE(ut_maps_line(0, top - PAGE, line, sizeof(line)));
	CHECK_EQ(strtoul(line, NULL, 16), (uintptr_t)(low - 64 * PAGE));

	/* a neighbour below: growth ends 256 pages above it */
	char *nb = low - (64 + 300) * PAGE;
	OK(mmap(nb, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	CHECK_NOFAULT(ut_write(nb + 260 * PAGE));
	CHECK_FAULT(ut_write(nb + 200 * PAGE), SIGSEGV, SEGV_MAPERR, nb + 200 * PAGE);
}

TEST(rlimit_as, "RLIMIT_AS that does not hold")
{
	pid_t pid = CHILD({
		char buf[256];
		ut_slurp("/proc/self/statm", buf, sizeof(buf));
		unsigned long now = strtoul(buf, NULL, 10) * PAGE;
		struct rlimit rl = {now + 64 * PAGE, RLIM_INFINITY};
		OK(setrlimit(RLIMIT_AS, &rl));
		CHECK_ERRNO(map_at(NULL, 65 * PAGE, 0), ENOMEM);
		char *p = OK(map_at(NULL, 60 * PAGE, 0));
		CHECK_ERRNO(map_at(NULL, 16 * PAGE, 0), ENOMEM);
		/* replacing counts what goes */
		OK(map_at(p, 60 * PAGE, MAP_FIXED));
		OK(munmap(p, 60 * PAGE));
		OK(map_at(NULL, 60 * PAGE, 0));
	});
	CHECK_EXIT(pid, 0);
}

TEST(rlimit_data, "RLIMIT_DATA that knows only brk")
{
	pid_t pid = CHILD({
		long data = ut_status(0, "VmData") * 1024;
		struct rlimit rl = {data + 64 * PAGE, RLIM_INFINITY};
		OK(setrlimit(RLIMIT_DATA, &rl));
		CHECK_ERRNO(map_at(NULL, 128 * PAGE, 0), ENOMEM);
		/* read-only and shared memory is not data */
		OK(mmap(NULL, 128 * PAGE, PROT_READ, ANON, -1, 0));
		OK(mmap(NULL, 128 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	});
	CHECK_EXIT(pid, 0);
}

TEST(dev_zero, "/dev/zero mapped: private as anonymous memory, shared as shared")
{
	int fd = OK(open("/dev/zero", O_RDWR));
	char *p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	volatile char *s = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));

	CHECK_EQ(p[0], 0);
	p[0] = 1;
	pid_t pid = CHILD({ s[1] = 'c'; });
	CHECK_EXIT(pid, 0);
	CHECK_EQ(s[1], 'c');
	CHECK_EQ(s[0], 0);
}

TEST(dev_null, "/dev/null mapped")
{
	int fd = OK(open("/dev/null", O_RDWR));

	CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), ENODEV);
}

TEST_MEM(max_map_count, 64,
	 "areas without end: a process that eats the kernel's memory by splitting")
{
	size_t n = 66000;
	char *p = mmap(NULL, 2 * n * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	size_t i;

	REQUIRE(p != MAP_FAILED);
	for (i = 0; i < n; i++)
		if (mprotect(p + 2 * i * PAGE, PAGE, PROT_READ) < 0)
			break;
	CHECK(i < n);
	CHECK_EQ(errno, ENOMEM);
	CHECK(i > 32000 && i < 33000); /* two areas each, 65530 in all */
	/* unmapping the middle of one would make one more; the whole goes */
	CHECK_ERRNO(munmap(p + 2 * n * PAGE - 8 * PAGE, PAGE), ENOMEM);
	OK(munmap(p, 2 * n * PAGE));
}

TEST_MEM(many_sizes, 32, "an area lost, doubled or wrong after many maps and unmaps of random size")
{
	enum { N = 64 };
	static struct {
		unsigned char *p;
		size_t pages;
		unsigned char tag;
	} m[N];
	int total = 0;

	for (int step = 0; step < 4000; step++) {
		int i = ut_rand() % N;

		if (!m[i].p) {
			m[i].pages = 1 + ut_rand() % 32;
			m[i].tag = 1 + ut_rand() % 255;
			m[i].p = ut_map(m[i].pages * PAGE);
			for (size_t k = 0; k < m[i].pages; k++) {
				if (m[i].p[k * PAGE])
					FAIL("page %zu not zero", k);
				m[i].p[k * PAGE] = m[i].tag;
			}
			total++;
			continue;
		}
		for (size_t k = 0; k < m[i].pages; k++)
			if (m[i].p[k * PAGE] != m[i].tag) {
				FAIL("step %d: page %zu has %#x, not %#x", step, k,
				     m[i].p[k * PAGE], m[i].tag);
				return;
			}
		OK(munmap(m[i].p, m[i].pages * PAGE));
		m[i].p = NULL;
	}
	CHECK(total > 1000);
}

TEST(sync_flags, "MAP_SHARED_VALIDATE taking flags it cannot keep, or refusing known ones")
{
	int fd = ut_file("f", NULL, 0);

	OK(ftruncate(fd, PAGE));
	CHECK_ERRNO(mmap(NULL, PAGE, RW, 3 | 0x800000, fd, 0), EOPNOTSUPP);
	OK(mmap(NULL, PAGE, RW, 3 | MAP_NORESERVE, fd, 0));
	/* old programs pass these, and they mean nothing */
	OK(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_DENYWRITE | MAP_EXECUTABLE, fd, 0));
	OK(mmap(NULL, PAGE, RW, ANON | MAP_STACK, -1, 0));
}

TEST_MEM(huge_sparse, 48, "page tables that leak or mix when memory is touched far apart")
{
	size_t span = 1UL << 38; /* 256 GiB: many tables of every level */
	char *p = mmap(NULL, span, RW, ANON | MAP_NORESERVE, -1, 0);

	REQUIRE(p != MAP_FAILED);
	for (size_t off = 0; off < span; off += 1UL << 30)
		*(size_t *)(p + off) = off ^ 0x5a;
	for (size_t off = 0; off < span; off += 1UL << 30)
		if (*(size_t *)(p + off) != (off ^ 0x5a)) {
			FAIL("at %#zx: %#zx", off, *(size_t *)(p + off));
			break;
		}
	long pte = ut_status(0, "VmPTE");
	CHECK(pte >=
	      2048); /* 256 touched places: 256 tables and as many directories, shared by none */
	OK(munmap(p, span));
	CHECK(ut_status(0, "VmPTE") < 256);
}
