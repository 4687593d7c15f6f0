/* SPDX-License-Identifier: MIT */
/*
 * Translations that another processor still has.
 *
 * One thread, the watcher, reads (writes, calls) a page in a loop, alone on its processor. Another
 * takes the page away, or its rights, or puts another page there, and says so when the call has
 * returned. The watcher's first access after that must see the new state:
 *
 *	changer, CPU 0			watcher, CPU 1
 *	prepare the page		access it again and again: its translation is cached
 *	munmap(page)			  …
 *	done = round			done is seen; the next access must fault
 *
 * An access that succeeds as before went by a translation that should have been forgotten. The
 * watcher has nothing beside it on its processor, so little but the flush can empty its TLB, and
 * each round has a new chance: a kernel that sends no flush fails here, each time.
 */
#include "smp.h"

#include <sys/ipc.h>
#include <sys/shm.h>

enum { ROUNDS = 40 };
#define OLD   0x01d01d01dUL
#define NEW   0x4e774e774UL
#define HUGE  (2UL << 20)
#define UNMAP PROBE_FAULT(SIGSEGV, SEGV_MAPERR)
#define PROT  PROBE_FAULT(SIGSEGV, SEGV_ACCERR)

enum how { LOAD, STORE, CALL };

/* In memory that both share even where the watcher is another process. */
static struct {
	enum how how;
	void *page;
	int start, touched, done, seen; /* numbers of rounds; start < 0: the end */
	int cpu;                        /* where the watcher runs */
	struct probe last;              /* the watcher's first access after done */
} * w;

static struct probe look(void)
{
	switch (w->how) {
	case LOAD:
		return probe_load(w->page);
	case STORE:
		return probe_store(w->page, OLD);
	default:
		return probe_call(w->page);
	}
}

static void watch_round(int round)
{
	struct probe p = {0};

	for (;;) {
		int done = smp_get(&w->done);

		p = look();
		if (done == round)
			break;
		if (!p.fault)
			smp_set(&w->touched, round);
		if (smp_cpus() == 1)
			sched_yield();
	}
	w->last = p;
	w->cpu = smp_cpu();
	smp_set(&w->seen, round);
}

static void *watch(void *cpu)
{
	int round = 0;

	smp_pin((int)(long)cpu);
	for (;;) {
		smp_wait_until(smp_get(&w->start) != round);
		round = smp_get(&w->start);
		if (round < 0)
			return NULL;
		watch_round(round);
	}
}

struct kind {
	enum how how;
	void (*prepare)(void); /* sets w->page */
	void (*change)(void);
	unsigned long fault, value; /* what must be seen then */
	void (*tidy)(void);
};

static void one_round(const struct kind *k, int round)
{
	k->prepare();
	smp_set(&w->start, round);
	smp_wait_until(smp_get(&w->touched) == round);
	k->change();
	smp_set(&w->done, round);
	smp_wait_until(smp_get(&w->seen) == round);
}

static void change_rounds(const struct kind *k)
{
	int stale = 0, wrong = 0;

	for (int i = 1; smp_more(i, 10, ROUNDS); i++) {
		one_round(k, i);
		if (w->last.fault == k->fault && (k->fault || w->last.value == k->value))
			;
		else if (!w->last.fault && (k->how == STORE || w->last.value == OLD))
			stale++;
		else if (!wrong++)
			FAIL("round %d: fault %#lx, value %#lx, not %#lx, %#lx", i, w->last.fault,
			     w->last.value, k->fault, k->value);
		if (k->tidy)
			k->tidy();
	}
	smp_set(&w->start, -1);
	if (smp_cpus() > 1 && w->cpu == smp_cpu())
		FAIL("both threads ran on processor %d", w->cpu);
	if (stale)
		FAIL("%d accesses by a translation that was to be forgotten", stale);
}

static void start(enum how how)
{
	probe_start();
	w = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	w->how = how;
}

/* The watcher is a thread, or (other) a process that shares the page by an object. */
static void run(const struct kind *k)
{
	pthread_t t;

	start(k->how);
	smp_pin(0);
	t = smp_start(watch, (void *)1);
	change_rounds(k);
	smp_join(t);
}

/*
 * munmap and what else removes a page
 */
static void map_at(void *at, size_t len)
{
	w->page = OK(mmap(at, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0));
}

static void prepare_page(void)
{
	map_at(NULL, PAGE);
	*(unsigned long *)w->page = OLD;
}

static void drop_page(void)
{
	OK(munmap(w->page, PAGE));
}

TEST(munmap, "munmap: another processor reads the page that is gone")
{
	run(&(struct kind){LOAD, prepare_page, drop_page, UNMAP, 0, NULL});
}

static char *area; /* of several pages, where alignment or neighbours matter */

static void prepare_many(void)
{
	map_at(NULL, 1000 * PAGE);
	for (int i = 0; i < 1000; i++)
		((unsigned long *)w->page)[i * PAGE / 8] = OLD;
	area = w->page;
	w->page = area + 777 * PAGE;
}

static void drop_many(void)
{
	OK(munmap(area, 1000 * PAGE));
}

TEST(munmap_many, "munmap of many pages: the full flush does not reach another processor")
{
	run(&(struct kind){LOAD, prepare_many, drop_many, UNMAP, 0, NULL});
}

static void prepare_table(void)
{
	if (!area)
		area = (char *)(((uintptr_t)ut_map_prot(4 * HUGE, PROT_NONE) + HUGE) & -HUGE);
	map_at(area, HUGE);
	*(unsigned long *)w->page = OLD;
}

static void drop_table(void)
{
	OK(munmap(area, HUGE));
}

TEST(tables, "a page table is freed and another processor still walks it")
{
	run(&(struct kind){LOAD, prepare_table, drop_table, UNMAP, 0, NULL});
}

static void map_over(void)
{
	map_at(w->page, PAGE);
}

TEST(map_fixed, "mmap over a page: another processor reads what was there")
{
	run(&(struct kind){LOAD, prepare_page, map_over, 0, 0, drop_page});
}

static char *heap;

static void prepare_heap(void)
{
	if (!heap)
		heap = (char *)syscall(SYS_brk, 0);
	w->page = (char *)(((uintptr_t)heap + PAGE - 1) & -PAGE);
	REQUIRE(syscall(SYS_brk, (char *)w->page + PAGE) == (long)((char *)w->page + PAGE));
	*(unsigned long *)w->page = OLD;
}

static void shrink_heap(void)
{
	REQUIRE(syscall(SYS_brk, heap) == (long)heap);
}

TEST(brk, "a heap that shrinks: another processor reads its end")
{
	run(&(struct kind){LOAD, prepare_heap, shrink_heap, UNMAP, 0, NULL});
}

static void prepare_segment(void)
{
	int id = OK(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600));

	w->page = OK(shmat(id, NULL, 0));
	OK(shmctl(id, IPC_RMID, NULL));
	*(unsigned long *)w->page = OLD;
}

static void detach(void)
{
	OK(shmdt(w->page));
}

TEST(shmdt, "shmdt: another processor reads the segment")
{
	run(&(struct kind){LOAD, prepare_segment, detach, UNMAP, 0, NULL});
}

static void dontneed(void)
{
	OK(madvise(w->page, PAGE, MADV_DONTNEED));
}

TEST(dontneed, "madvise(MADV_DONTNEED): another processor reads what was dropped")
{
	run(&(struct kind){LOAD, prepare_page, dontneed, 0, 0, drop_page});
}

/*
 * mremap
 */
static void *target;

static void prepare_move(void)
{
	if (!target)
		target = ut_map_prot(PAGE, PROT_NONE);
	prepare_page();
}

static void move(void)
{
	OK(mremap(w->page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target));
	CHECK_EQ(*(unsigned long *)target, OLD);
}

TEST(mremap, "mremap: another processor reads the page where it was")
{
	run(&(struct kind){LOAD, prepare_move, move, UNMAP, 0, NULL});
}

static void prepare_target(void)
{
	prepare_page();
	target = ut_map(PAGE);
	*(unsigned long *)target = NEW;
}

static void move_over(void)
{
	OK(mremap(target, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, w->page));
}

TEST(mremap_over, "mremap: another processor reads the page that stood at the new place")
{
	run(&(struct kind){LOAD, prepare_target, move_over, 0, NEW, drop_page});
}

static void prepare_pages(void)
{
	map_at(NULL, 2 * PAGE);
	area = w->page;
	w->page = area + PAGE;
	*(unsigned long *)w->page = OLD;
}

static void shrink(void)
{
	OK(mremap(area, 2 * PAGE, PAGE, 0));
}

static void drop_area(void)
{
	OK(munmap(area, PAGE));
}

TEST(mremap_shrink, "mremap to a smaller size: another processor reads beyond the end")
{
	run(&(struct kind){LOAD, prepare_pages, shrink, UNMAP, 0, drop_area});
}

static void move_table(void)
{
	OK(mremap(area, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + HUGE));
	CHECK_EQ(*(unsigned long *)(area + HUGE), OLD);
}

TEST(mremap_table, "mremap of a whole table: another processor reads by the old one")
{
	run(&(struct kind){LOAD, prepare_table, move_table, UNMAP, 0, NULL});
}

/*
 * mprotect
 */
static void protect_none(void)
{
	OK(mprotect(w->page, PAGE, PROT_NONE));
}

TEST(mprotect_none, "mprotect(PROT_NONE): another processor reads on")
{
	run(&(struct kind){LOAD, prepare_page, protect_none, PROT, 0, drop_page});
}

static void protect_read(void)
{
	OK(mprotect(w->page, PAGE, PROT_READ));
}

TEST(mprotect_read, "mprotect(PROT_READ): another processor writes on")
{
	run(&(struct kind){STORE, prepare_page, protect_read, PROT, 0, drop_page});
}

static void prepare_code(void)
{
	static const unsigned char code[] = {0xb8, 0x1d, 0xd0, 0xd0, 0x01, 0xc3}; /* mov eax; ret */

	map_at(NULL, PAGE);
	memcpy(w->page, code, sizeof(code));
	OK(mprotect(w->page, PAGE, PROT_READ | PROT_EXEC));
}

TEST(mprotect_exec, "mprotect without PROT_EXEC: another processor runs the page on")
{
	run(&(struct kind){CALL, prepare_code, protect_read, PROT, 0, drop_page});
}

/*
 * Copy on write
 */
static void prepare_zero(void)
{
	map_at(NULL, PAGE);
}

static void write_new(void)
{
	*(volatile unsigned long *)w->page = NEW;
}

TEST(zero_page, "the zero page is replaced: another processor reads zeros on")
{
	run(&(struct kind){LOAD, prepare_zero, write_new, 0, NEW, drop_page});
}

static pid_t child;

/* A child has the page too, so the next write copies it. */
static void prepare_shared(void)
{
	prepare_page();
	child = OK(fork());
	if (child == 0)
		for (;;)
			pause();
}

static void drop_child(void)
{
	kill(child, SIGKILL);
	CHECK_SIGNALED(child, SIGKILL);
	drop_page();
}

TEST(cow_break, "a page is copied on write: another processor reads the old one on")
{
	run(&(struct kind){LOAD, prepare_shared, write_new, 0, NEW, drop_child});
}

static void prepare_file(void)
{
	static unsigned long old = OLD;
	int fd = ut_file("private", &old, sizeof(old));

	w->page = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	close(fd);
}

TEST(cow_file, "a page of a file is copied on write: another processor reads the file's on")
{
	run(&(struct kind){LOAD, prepare_file, write_new, 0, NEW, drop_page});
}

/*
 * fork makes pages read-only while another processor writes them: not one of its later writes may
 * reach the child. It counts up, so that any of them shows.
 */
static volatile unsigned long *counter;
static int stop;

static void *count_up(void *arg)
{
	smp_pin(1);
	while (!smp_get(&stop)) {
		counter[0]++;
		if (smp_cpus() == 1)
			sched_yield();
	}
	return arg;
}

static void child_compares(void)
{
	unsigned long first = counter[0];
	int fd = OK(open("/dev/null", O_WRONLY));

	for (int i = 0; i < 2000; i++) {
		if (counter[0] != first)
			_exit(9);
		if (i % 100 == 0) /* so that the parent's processor runs, if it is the same one */
			sched_yield();
		if (write(fd, "", 1) < 0) /* time passes */
			_exit(8);
	}
	_exit(0);
}

TEST(cow_fork, "fork: another processor writes pages that the child shares now")
{
	int stale = 0, st;
	pthread_t t;

	start(LOAD);
	smp_pin(0);
	counter = ut_map(PAGE);
	t = smp_start(count_up, NULL);
	for (int i = 0; smp_more(i, 10, ROUNDS); i++) {
		unsigned long was = counter[0];

		smp_wait_until(counter[0] != was); /* it runs, and writes */
		pid_t pid = OK(fork());
		if (pid == 0)
			child_compares();
		OK(waitpid(pid, &st, 0));
		if (WIFEXITED(st) && WEXITSTATUS(st) == 9)
			stale++;
		else
			CHECK_EQ(st, 0);
	}
	smp_set(&stop, 1);
	smp_join(t);
	if (stale)
		FAIL("%d children saw what was written after fork", stale);
}

/*
 * Other spaces: the page belongs to a file that another process has mapped. Here the flush starts
 * from the page, by reverse mapping, as reclaim's and migration's will.
 */
static int fd;

static void prepare_object(void)
{
	static unsigned long old = OLD;

	OK(ftruncate(fd, PAGE));
	REQUIRE(pwrite(fd, &old, sizeof(old), 0) == sizeof(old));
}

static void cut_off(void)
{
	OK(ftruncate(fd, 0));
}

static void punch(void)
{
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
}

static void run_other(const struct kind *k)
{
	pid_t pid;

	start(LOAD);
	fd = OK((int)syscall(SYS_memfd_create, "watched", 0));
	OK(ftruncate(fd, PAGE));
	w->page = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	pid = CHILD({ watch((void *)1); });
	OK(munmap(w->page, PAGE));
	smp_pin(0);
	change_rounds(k);
	CHECK_EXIT(pid, 0);
}

TEST(truncate, "a file is cut off: another process reads the page that it had")
{
	unsigned long bus = PROBE_FAULT(SIGBUS, BUS_ADRERR);

	run_other(&(struct kind){LOAD, prepare_object, cut_off, bus, 0, NULL});
}

TEST(punch_hole, "a hole in a file: another process reads what was there")
{
	run_other(&(struct kind){LOAD, prepare_object, punch, 0, 0, NULL});
}
