/* SPDX-License-Identifier: MIT */
/*
 * /proc/vmtrace: what is recorded, for whom, and what is said of what was lost.
 *
 * Each test asks for few events of processes of its own, and turns all off at its end (and again after
 * a failure, in the next one's start()).
 */
#include "utest.h"

#include <pthread.h>
#include <sched.h>

#define DIR  "/proc/vmtrace/"
#define LOST 254
#define META 255

struct record {
	uint64_t time_ns;
	uint32_t pid;
	uint8_t event, cpu, code, flags;
	uint64_t arg[6];
};

static struct record got[1 << 15];
static size_t count;
static char name_of[256][24], kind_of[16][24]; /* as the stream says */
static int in = -1;

static int try_write(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), err = 0;

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static void set(const char *file, const char *text)
{
	int err = try_write(file, text);

	if (err)
		FAIL("%s: %s: %s", file, text, ut_errname(err));
}

static void off(void)
{
	set(DIR "events", "none");
	set(DIR "pid", "all");
	set(DIR "buffer_size_kb", "0");
}

static void learn(const struct record *r)
{
	const char *text = (const char *)r->arg;

	if (r->code == 1 && r->flags == 0)
		snprintf(name_of[r->pid & 255], 24, "%.*s", (int)strcspn(text, " "), text);
	if (r->code == 2)
		snprintf(kind_of[r->pid & 15], 24, "%s", text);
}

/* What is in the rings goes to got[]. */
static void collect(void)
{
	ssize_t n;

	count = 0;
	while (count + 64 <= sizeof(got) / sizeof(*got) &&
	       (n = OK(read(in, got + count, 64 * sizeof(*got)))) > 0) {
		struct record *from = got + count, *end = from + n / (ssize_t)sizeof(*got);

		CHECK_EQ(n % (ssize_t)sizeof(*got), 0);
		for (; from < end; from++) {
			if (from->event == META)
				learn(from);
			else
				got[count++] = *from;
		}
	}
}

/* From here on the events of this process and of its children are recorded. */
static void start(const char *events)
{
	char pid[16];

	if (access(DIR, F_OK))
		SKIP("no /proc/vmtrace");
	set(DIR "events", "none");
	set(DIR "buffer_size_kb", "256");
	if (in < 0)
		in = OK(open(DIR "binary", O_RDONLY));
	collect();
	snprintf(pid, sizeof(pid), "%d", getpid());
	set(DIR "pid", pid);
	set(DIR "events", events);
}

static void stop(void)
{
	set(DIR "events", "none");
	collect();
	off();
}

/* The nth record of that event from pid (0: anybody), or NULL. */
static const struct record *find(const char *event, pid_t pid, int nth)
{
	for (size_t i = 0; i < count; i++)
		if (got[i].event != LOST && !strcmp(name_of[got[i].event], event) &&
		    (!pid || got[i].pid == (uint32_t)pid) && !nth--)
			return &got[i];
	return NULL;
}

/* The fault of this process at addr. */
static const struct record *fault_at(const volatile void *addr, int nth)
{
	const struct record *r;

	for (int i = 0; (r = find("fault", getpid(), i)); i++)
		if (r->arg[0] == (uintptr_t)addr && !nth--)
			return r;
	return NULL;
}

static void check_kind(const volatile void *addr, int nth, const char *kind)
{
	const struct record *r = fault_at(addr, nth);

	CHECK(r);
	if (r)
		CHECK_STR(kind_of[r->code & 15], kind);
}

static long number_in(const char *path, const char *word)
{
	static char text[32768];
	char *p;

	if (ut_slurp(path, text, sizeof(text)) < 0 || !(p = strstr(text, word)))
		return -1;
	return atol(p + strlen(word) + strspn(p + strlen(word), ": "));
}

/* --- the files --------------------------------------------------------------------------------- */

static void check_events(const char *on)
{
	char text[2048], list[512] = "";

	CHECK(ut_slurp(DIR "events", text, sizeof(text)) > 0);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		CHECK(*line == '+' || *line == '-');
		if (*line == '+')
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s ", line + 1);
	}
	CHECK_STR(list, on);
}

TEST(events_file, "a bad word that changes something, a sign that is not seen")
{
	start("none");
	set(DIR "events", "cow fault\n");
	check_events("fault cow ");
	set(DIR "events", "+mmap,-fault");
	check_events("cow mmap ");
	set(DIR "events", "munmap");
	check_events("munmap ");
	CHECK_EQ(try_write(DIR "events", "cow no_such_event"), EINVAL);
	CHECK_EQ(try_write(DIR "events", "+cow -no_such_event"), EINVAL);
	CHECK_EQ(try_write(DIR "events", "+cow fault"), EINVAL);
	CHECK_EQ(try_write(DIR "events", "cow -fault"), EINVAL);
	CHECK_EQ(try_write(DIR "events", "faul"), EINVAL);
	CHECK_EQ(try_write(DIR "events", "+"), EINVAL);
	check_events("munmap ");
	set(DIR "events", "all");
	set(DIR "events", "-all");
	check_events("");
	set(DIR "events", "+all");
	set(DIR "events", "none");
	check_events("");
	off();
}

TEST(pid_file, "a number of nobody taken, a failed write that has changed the choice")
{
	char text[64], want[32];
	pid_t kid;

	start("none");
	snprintf(want, sizeof(want), "%d\n", getpid());
	ut_slurp(DIR "pid", text, sizeof(text));
	CHECK_STR(text, want);
	CHECK_EQ(try_write(DIR "pid", "nobody"), EINVAL);
	CHECK_EQ(try_write(DIR "pid", " "), EINVAL);
	CHECK_EQ(try_write(DIR "pid", "0"), EINVAL);
	CHECK_EQ(try_write(DIR "pid", "-1"), EINVAL);
	CHECK_EQ(try_write(DIR "pid", "4194300"), ESRCH);
	CHECK_EQ(try_write(DIR "pid", "1 4194300"), ESRCH);
	CHECK_EQ(try_write(DIR "pid", "2"), ESRCH); /* a kernel thread */
	CHECK_EQ(try_write(DIR "pid",
			   "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
		 EINVAL);
	ut_slurp(DIR "pid", text, sizeof(text));
	CHECK_STR(text, want);
	kid = CHILD(pause(););
	snprintf(want, sizeof(want), "%d\n%d\n", getpid(), kid); /* it was marked with its parent */
	ut_slurp(DIR "pid", text, sizeof(text));
	CHECK_STR(text, want);
	set(DIR "pid", "all");
	ut_slurp(DIR "pid", text, sizeof(text));
	CHECK_STR(text, "all\n");
	OK(kill(kid, SIGKILL));
	CHECK_SIGNALED(kid, SIGKILL);
	off();
}

TEST(size, "a size that cannot be and is taken, memory that stays when it is 0")
{
	long used;

	start("none");
	off();
	used = number_in("/proc/vmstat", "nr_vmalloc");
	set(DIR "buffer_size_kb", "400");
	CHECK_EQ(number_in(DIR "buffer_size_kb", ""), 400);
	CHECK_EQ(number_in("/proc/vmstat", "nr_vmalloc"),
		 used + 100 * sysconf(_SC_NPROCESSORS_ONLN));
	CHECK_EQ(try_write(DIR "buffer_size_kb", "4000000000"), ENOMEM);
	CHECK_EQ(try_write(DIR "buffer_size_kb", "5000000000"), EINVAL);
	CHECK_EQ(try_write(DIR "buffer_size_kb", "-1"), EINVAL);
	CHECK_EQ(try_write(DIR "buffer_size_kb", "many"), EINVAL);
	CHECK_EQ(number_in(DIR "buffer_size_kb", ""), 400);
	set(DIR "events", "fault");
	set(DIR "buffer_size_kb", "0");
	check_events(""); /* without rings nothing is on */
	CHECK_EQ(number_in("/proc/vmstat", "nr_vmalloc"), used);
	set(DIR "events", "fault");
	CHECK(number_in(DIR "buffer_size_kb", "") > 0);
	off();
	CHECK_EQ(number_in("/proc/vmstat", "nr_vmalloc"), used);
}

TEST(root_only, "a trace of others that anybody can read")
{
	static const char *const files[] = {"events", "pid",    "buffer_size_kb",
					    "trace",  "binary", "stats"};

	start("none");
	off();
	CHECK_EXIT(CHILD({
			   OK(setgid(12345));
			   OK(setuid(12345));
			   for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
				   char path[64];

				   snprintf(path, sizeof(path), DIR "%s", files[i]);
				   CHECK_ERRNO(open(path, O_RDONLY), EACCES);
				   CHECK_ERRNO(open(path, O_WRONLY), EACCES);
			   }
		   }),
		   0);
}

TEST(reading, "a part of a record, one lost by a bad pointer, a stream without its names")
{
	char *p = ut_map(64 * PAGE);
	struct record r[4];
	int fd, kinds = 0;

	start("fault");
	for (int i = 0; i < 20; i++)
		p[(size_t)i * PAGE] = 1;
	set(DIR "events", "none");
	fd = OK(open(DIR "binary", O_RDONLY));
	CHECK_ERRNO(read(fd, r, 63), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO(read(fd, BADPTR, 64), EFAULT);
	CHECK_EQ(read(fd, r, 127), 64);
	CHECK(r[0].event == META && r[0].code == 0 && !memcmp(r[0].arg, "OCTTRACE", 8));
	CHECK_EQ(r[0].arg[1], 1);
	CHECK(r[0].arg[2] > 1000);
	CHECK_EQ(r[0].arg[3], PAGE);
	CHECK_EQ(r[0].arg[4], sysconf(_SC_NPROCESSORS_ONLN));
	while (OK(read(fd, r, 64)) == 64 && r[0].event == META)
		kinds += r[0].code == 2;
	CHECK_EQ(kinds, 15);
	/* r[0] is the first of the faults, and a failed read of the next leaves it where it is */
	CHECK_ERRNO(read(fd, BADPTR, 64), EFAULT);
	int seen = r[0].event != META && r[0].arg[0] == (uintptr_t)p;
	while (OK(read(fd, r, sizeof(r) - 1)) == 3 * 64)
		for (int i = 0; i < 3; i++)
			seen += r[i].arg[0] >= (uintptr_t)p &&
				r[i].arg[0] < (uintptr_t)p + 64 * PAGE;
	CHECK(seen >= 18 && seen <= 20); /* the last one or two may have come alone */
	close(fd);
	off();
}

TEST(text, "a line that is no line, an argument of another event")
{
	char *p = ut_map(4 * PAGE), *line, *save;
	static char text[1 << 16];
	char want[128];
	size_t len = 0;
	ssize_t n;
	int fd, found = 0;

	start("fault madvise");
	p[PAGE] = 1;
	OK(madvise(p, 2 * PAGE, MADV_DONTNEED));
	set(DIR "events", "none");
	fd = OK(open(DIR "trace", O_RDONLY));
	while ((n = OK(read(fd, text + len, 37))) > 0) /* pieces need not be lines */
		len += (size_t)n;
	close(fd);
	text[len] = 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned pid, cpu, s, ns, words = 0;
		char event[20];
		int at = 0;

		CHECK_EQ(sscanf(line, "%u [%u] %u.%9u: %19[a-z_]: %n", &pid, &cpu, &s, &ns, event,
				&at),
			 5);
		for (char *w = line + at; (w = strchr(w, '=')); w++)
			words++;
		CHECK_EQ(words, strcmp(event, "fault") ? 4 : 11);
		snprintf(want, sizeof(want),
			 "fault: addr=%#lx case=anon_write by=user access=write pte=0->0x",
			 (unsigned long)p + PAGE);
		found |= strstr(line, want) && strstr(line, " result=done ") ? 1 : 0;
		snprintf(want, sizeof(want), "madvise: addr=%#lx len=0x2000 advice=4 ret=0",
			 (unsigned long)p);
		found |= strstr(line, want) ? 2 : 0;
	}
	CHECK_EQ(found, 3);
	off();
}

TEST(lost, "records that are lost and not counted")
{
	char *p = ut_map(400 * PAGE);
	unsigned long lost = 0;
	long written = 0;
	char text[1024];

	start("none");
	set(DIR "buffer_size_kb", "4"); /* 64 records */
	set(DIR "events", "fault");
	for (size_t i = 0; i < 400; i++)
		p[i * PAGE] = 1;
	set(DIR "events", "none");
	ut_slurp(DIR "stats", text, sizeof(text));
	for (char *s = text; (s = strstr(s, "written ")); s++)
		written += atol(s + 8);
	collect();
	for (size_t i = 0; i < count; i++)
		lost += got[i].event == LOST ? got[i].arg[0] : 0;
	CHECK(written >= 400);
	CHECK(lost > 0);
	for (size_t i = 0; i < count; i++)
		lost += got[i].event != LOST;
	CHECK_EQ(lost, written);
	CHECK(fault_at(p + 399 * PAGE, 0)); /* the newest are those that stay */
	off();
}

/* --- what is recorded ---------------------------------------------------------------------------- */

static __attribute__((noinline)) void use_stack(int depth)
{
	volatile char below[PAGE];

	below[0] = 1;
	if (depth)
		use_stack(depth - below[0]);
	below[1] = below[0];
}

TEST(fault_cases, "a fault under another's name, or with frames that are not its own")
{
	volatile char *p = ut_map_alone(8 * PAGE), *shared, *private, x;
	int fd = ut_file("data", "", 0);
	const struct record *r;

	OK(ftruncate(fd, 4 * PAGE));
	private = OK(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	shared = OK(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	for (int i = 0; i < 4; i++)
		CHECK(pwrite(fd, "x", 1, (off_t)((size_t)i * PAGE)) == 1);
	start("fault cow");
	x = p[8];
	p[8] = 1;
	p[PAGE + 8] = 1;
	CHECK_EXIT(CHILD({ p[PAGE + 8] = 2; }), 0);
	p[PAGE + 8] = 3; /* alone again */
	x = private[0];
	private[0] = 1;
	private[PAGE] = 1;
	shared[2 * PAGE] = 1;
	(void)x;
	CHECK_FAULT(ut_read(shared + 5 * PAGE), SIGBUS, BUS_ADRERR, (void *)(shared + 5 * PAGE));
	use_stack(64);
	CHECK_FAULT(ut_write((char *)BADPTR), SIGSEGV, SEGV_MAPERR, BADPTR);
	stop();
	check_kind(p + 8, 0, "anon_read");
	check_kind(p + 8, 1, "zero_cow");
	check_kind(p + PAGE + 8, 0, "anon_write");
	check_kind(p + PAGE + 8, 1, "cow_reuse");
	check_kind(private, 0, "file_read");
	check_kind(private, 1, "cow_copy");
	/* Whether it was mapped around the first depends on what was in the cache. */
	r = fault_at(private + PAGE, 0);
	CHECK(r && (!strcmp(kind_of[r->code & 15], "cow_copy") ||
		    !strcmp(kind_of[r->code & 15], "file_cow")));
	check_kind(shared + 2 * PAGE, 0, "shared_write");
	check_kind(shared + 5 * PAGE, 0, "beyond_eof");
	check_kind(BADPTR, 0, "none");
	int grown = 0;
	for (int i = 0; (r = find("fault", getpid(), i)); i++)
		grown += !strcmp(kind_of[r->code >> 4], "stack_growth");
	CHECK(grown > 0);
	r = fault_at(p + 8, 1);
	if (r) {
		CHECK_EQ(r->arg[2] >> 12 & 0xffffffff, PM_PFN(ut_pagemap(p)));
		CHECK(r->arg[1] != r->arg[2]);
		CHECK_EQ(r->arg[3], (uintptr_t)p);
		CHECK_EQ(r->arg[4] >> 56, 0);
		CHECK((r->arg[4] << 8) > 0);
		CHECK_EQ(r->flags & 6, 6); /* user, write */
	}
	r = fault_at(BADPTR, 0);
	CHECK(r && r->arg[4] >> 56 == 2);
	r = fault_at(p + PAGE + 8, 1);
	CHECK(r && r->arg[1] >> 12 == (r->arg[2] & ~0xfffUL) >> 12 && r->arg[1] != r->arg[2]);
	CHECK(find("cow", 0, 0));
}

TEST(calls, "a call that is not recorded, or with other arguments")
{
	char *p, *q;
	void *brk0;
	pid_t kid;

	start("mmap munmap mprotect mremap brk madvise mlock munlock fork exit exec");
	brk0 = (void *)syscall(SYS_brk, 0);
	p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mprotect(p, PAGE, PROT_READ));
	OK(mlock(p, 2 * PAGE));
	OK(munlock(p, 2 * PAGE));
	OK(madvise(p, PAGE, MADV_WILLNEED));
	q = OK(mremap(p + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	CHECK_ERRNO(munmap(p + 1, PAGE), EINVAL);
	kid = CHILD({
		execl("/bin/busybox", "busybox", "sh", "-c", "exit 7", NULL);
		FAIL("exec");
	});
	CHECK_EXIT(kid, 7);
	p[3 * PAGE] = 1;
	stop();
	const struct record *r = find("mmap", getpid(), 0);
	CHECK(r && r->arg[0] == 0 && r->arg[1] == 4 * PAGE && r->arg[2] == 3 && r->arg[3] == 0x22 &&
	      r->arg[5] == (uintptr_t)p);
	r = find("mprotect", getpid(), 0);
	CHECK(r && r->arg[0] == (uintptr_t)p && r->arg[1] == PAGE && r->arg[2] == 1 &&
	      r->arg[3] == 0);
	r = find("mlock", getpid(), 0);
	CHECK(r && r->arg[0] == (uintptr_t)p && r->arg[1] == 2 * PAGE && r->arg[3] == 0);
	r = find("munlock", getpid(), 0);
	CHECK(r && r->arg[0] == (uintptr_t)p && r->arg[1] == 2 * PAGE);
	r = find("madvise", getpid(), 0);
	CHECK(r && r->arg[0] == (uintptr_t)p && r->arg[2] == MADV_WILLNEED);
	r = find("mremap", getpid(), 0);
	CHECK(r && r->arg[0] == (uintptr_t)p + PAGE && r->arg[2] == 2 * PAGE &&
	      r->arg[4] == (uintptr_t)q);
	r = find("munmap", getpid(), 0);
	CHECK(r && r->arg[0] == (uintptr_t)p + 1 && (long)r->arg[2] == -EINVAL);
	r = find("brk", getpid(), 0);
	CHECK(r && r->arg[0] == 0 && r->arg[1] == (uintptr_t)brk0);
	r = find("fork", getpid(), 0);
	CHECK(r && r->arg[0] == (uint64_t)kid);
	r = find("exec", kid, 0);
	CHECK(r && !strcmp((const char *)r->arg, "busybox"));
	r = find("exit", kid, 0);
	CHECK(r && r->arg[0] == 7 << 8);
	CHECK(!find("fault", 0, 0)); /* nobody asked for it */
	CHECK(!find("cow", 0, 0));
}

TEST(filter, "another's records, or a child lost by fork or exec")
{
	int go[2], back[2];
	pid_t stranger, kid;
	char c;

	OK(pipe(go));
	OK(pipe(back));
	if (access(DIR, F_OK))
		SKIP("no /proc/vmtrace");
	set(DIR "pid", "all");
	stranger = CHILD({
		CHECK(read(go[0], &c, 1) == 1);
		*(volatile char *)ut_map(PAGE) = 1;
		CHECK(write(back[1], "", 1) == 1);
	});
	start("fault exec");
	CHECK(write(go[1], "", 1) == 1);
	CHECK(read(back[0], &c, 1) == 1);
	CHECK_EXIT(stranger, 0);
	kid = CHILD({
		pid_t grandchild = CHILD({ execl("/bin/busybox", "busybox", "true", NULL); });

		CHECK_EXIT(grandchild, 0);
		OK(write(back[1], &grandchild, sizeof(grandchild)));
	});
	CHECK_EXIT(kid, 0);
	stop();
	CHECK(!find("fault", stranger, 0));
	CHECK(find("fault", kid, 0));
	pid_t grandchild = 0;
	CHECK_EQ(read(back[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	const struct record *r = find("exec", grandchild, 0);
	CHECK(r);
	/* and in the new program's space, too */
	int after = 0;
	for (const struct record *f = r; f && f < got + count; f++)
		after += f->pid == (uint32_t)grandchild && !strcmp(name_of[f->event], "fault");
	CHECK(after > 0);
	/* Everybody: the stranger's turn. */
	start("fault");
	set(DIR "pid", "all");
	OK(pipe(go));
	stranger = CHILD({ *(volatile char *)ut_map(PAGE) = 1; });
	CHECK_EXIT(stranger, 0);
	stop();
	CHECK(find("fault", stranger, 0));
}

TEST(oom, "a verdict that is not recorded because the victim is another's")
{
	pid_t victim = CHILD({
		ut_spew("/proc/self/oom_score_adj", "1000");
		pause();
	});
	const struct record *r;

	start("oom");
	set(DIR "pid", "1");
	ut_wait_state(victim, 'S');
	ut_spew("/proc/sysrq-trigger", "f");
	CHECK_SIGNALED(victim, SIGKILL);
	stop();
	r = find("oom", 0, 0);
	CHECK(r && r->arg[0] == (uint64_t)victim && r->arg[3] == 1000);
}

static volatile int spinning, enough;

static void *spin(void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(1, &set);
	OK(sched_setaffinity(0, sizeof(set), &set));
	spinning = 1;
	while (!enough)
		__asm__ volatile("pause");
	return arg;
}

TEST(shootdown, "CPUs that are told to forget, and no record of it")
{
	char *p = ut_map_alone(4 * PAGE);
	const struct record *r;
	cpu_set_t set;
	pthread_t t;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP("needs two processors");
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	OK(sched_setaffinity(0, sizeof(set), &set));
	p[0] = p[PAGE] = 1;
	CHECK_EQ(pthread_create(&t, NULL, spin, NULL), 0);
	while (!spinning)
		sched_yield();
	start("shootdown");
	OK(mprotect(p, 2 * PAGE, PROT_READ));
	stop();
	enough = 1;
	CHECK_EQ(pthread_join(t, NULL), 0);
	r = find("shootdown", getpid(), 0);
	CHECK(r && r->arg[0] == (uintptr_t)p && r->arg[1] == (uintptr_t)p + 2 * PAGE &&
	      r->arg[2] == 2);
}

TEST(swap, "a page that goes and comes back unseen")
{
	volatile char *p = ut_map_alone(4 * PAGE);

	if (number_in("/proc/meminfo", "SwapTotal") <= 0)
		SKIP("no swap (SWAP=MiB)");
	p[8] = 1;
	start("fault swap_in swap_out evict");
	OK(madvise((void *)p, 4 * PAGE, MADV_PAGEOUT));
	for (int i = 0; i < 100 && !(ut_pagemap(p) & PM_SWAP); i++)
		ut_msleep(1);
	if (!(ut_pagemap(p) & PM_SWAP))
		SKIP("it would not go");
	OK(madvise((void *)p, 4 * PAGE, MADV_PAGEOUT));
	p[8]++;
	stop();
	const struct record *out = find("swap_out", getpid(), 0), *r = fault_at(p + 8, 0);
	CHECK(out && r);
	if (r) {
		CHECK_STR(kind_of[(r->code >> 4 ? r->code >> 4 : r->code) & 15], "swap_in");
		CHECK(r->arg[1] && !(r->arg[1] & 1) && (r->arg[2] & 1));
	}
}

TEST(shortage, "reclaim that leaves no record, or kswapd's left out as nobody asked for it")
{
	size_t len = (size_t)(number_in("/proc/meminfo", "MemAvailable") + 16384) * 1024;
	const struct record *r;
	char *p;

	if (number_in("/proc/meminfo", "SwapFree") < 32768 || ut_memtotal() > 128)
		SKIP("needs swap, and no more than 128 MiB (SWAP=MiB)");
	p = ut_map(len);
	start("kswapd_wake kswapd_sleep reclaim alloc_slow evict");
	set(DIR "buffer_size_kb", "1024");
	for (size_t at = 0; at < len; at += PAGE)
		p[at] = 1;
	OK(munmap(p, len));
	for (int i = 0; i < 100 && number_in("/proc/stat", "procs_running") > 1; i++)
		ut_msleep(10);
	stop();
	CHECK(find("kswapd_wake", 0, 0));
	CHECK(find("kswapd_sleep", 0, 0));
	CHECK(find("alloc_slow", getpid(), 0));
	CHECK(find("evict", 0, 0));
	r = find("reclaim", 0, 0);
	CHECK(r && r->arg[0] < 3 && r->arg[1] < 4 && r->arg[4] <= 12);
}

/* --- at once ------------------------------------------------------------------------------------- */

TEST(threads, "a torn record while several write and one reads")
{
	enum { WRITERS = 3 };
	unsigned long faults = 0, lost = 0;
	uint64_t last = 0;
	int left = WRITERS;

	start("madvise");
	set(DIR "buffer_size_kb", "16");
	for (int i = 0; i < WRITERS; i++)
		CHILD({
			char *p = ut_map(PAGE);

			for (int n = 0; n < 3000; n++)
				OK(madvise(p, PAGE, MADV_NORMAL));
		});
	while (left) {
		left -= waitpid(-1, NULL, WNOHANG) > 0;
		collect();
		for (size_t i = 0; i < count; i++) {
			CHECK(got[i].time_ns >= last);
			last = got[i].time_ns;
			if (got[i].event == LOST) {
				lost += got[i].arg[0];
				continue;
			}
			CHECK_STR(name_of[got[i].event], "madvise");
			CHECK(got[i].arg[1] == PAGE && got[i].arg[2] == 0 && got[i].arg[3] == 0 &&
			      got[i].arg[4] == 0);
			faults++;
		}
	}
	collect();
	for (size_t i = 0; i < count; i++)
		if (got[i].event == LOST)
			lost += got[i].arg[0];
		else
			faults++;
	CHECK_EQ(faults + lost, WRITERS * 3000);
	off();
}

/* --- vmtrace(1) ---------------------------------------------------------------------------------- */

TEST(program, "a command traced wrongly, or with another exit status")
{
	static char text[1 << 18];
	long n = 0, faults = 0;
	size_t len = 0;
	int out[2];
	ssize_t r;
	pid_t pid;

	if (access("/bin/vmtrace", X_OK) || access(DIR, F_OK))
		SKIP("no vmtrace");
	OK(pipe(out));
	pid = CHILD({
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]);
		close(out[1]);
		execl("/bin/vmtrace", "vmtrace", "/bin/busybox", "sh", "-c", "exit 3", NULL);
	});
	close(out[1]);
	while (len + 1 < sizeof(text) && (r = read(out[0], text + len, sizeof(text) - len - 1)) > 0)
		len += (size_t)r;
	CHECK_EXIT(pid, 3);
	CHECK(!strstr(text, "lost"));
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		n += *line == ' ' && !!memmem(line, strcspn(line, "\n"), " -> ", 4);
	}
	CHECK(sscanf(strstr(text, "\nall ") ? strstr(text, "\nall ") : "", "\nall %ld", &faults) ==
	      1);
	CHECK(faults > 20);
	CHECK_EQ(n, faults);
	CHECK(strstr(text, " exec busybox\n"));
	CHECK(strstr(text, "anon_write"));
	CHECK(strstr(text, "file_read"));
	CHECK_EQ(number_in(DIR "buffer_size_kb", ""), 0); /* it has tidied up */
}
