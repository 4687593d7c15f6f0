/* SPDX-License-Identifier: MIT */
/*
 * Several threads that change one address space at once.
 *
 * stress: each thread has an arena of pages, of which it says beforehand and afterwards what they
 * hold, page by page; only it changes them. All threads read and write everybody's pages. What they
 * find must be what the owner said, if it said the same before and after the access:
 *
 *	seq odd		in flux: anything may come
 *	seq even	what an access must do: fault (with which code), or read this value
 *
 * So a lost or stale translation, a page given to two, or a fault handled by the wrong area shows at
 * the page where it happens. The other tests end, copy or signal a process whose threads fault.
 */
#include "smp.h"

enum { THREADS = 8, ARENA = 64, LEAST = 10 };

/*
 * The checker
 */
enum what { NOTHING, NONE, READ, WRITE };

struct page {
	unsigned long seq; /* odd: its owner changes it */
	enum what what;
	unsigned long value;
};

struct arena {
	char *base;
	struct page pages[ARENA];
	unsigned long rand, tag;
	long read, refused; /* others' accesses to it that were checked */
};
static struct arena arenas[THREADS];
static int ready;

static void *page_of(struct arena *a, int i)
{
	return a->base + i * PAGE;
}

static unsigned long fault_of(enum what what, int store)
{
	if (what == NOTHING)
		return PROBE_FAULT(SIGSEGV, SEGV_MAPERR);
	if (what == NONE || (store && what == READ))
		return PROBE_FAULT(SIGSEGV, SEGV_ACCERR);
	return 0;
}

/* One access to somebody's page. Stores go to a word of the thread's own in that page. */
static void look_at(struct arena *a, int i, int me, int store)
{
	struct page *s = &a->pages[i];
	unsigned long seq = smp_get(&s->seq), value = smp_get(&s->value);
	unsigned long fault = fault_of(smp_get(&s->what), store);
	char *p = page_of(a, i);
	struct probe r = store ? probe_store(p + 64 + 8 * me, value) : probe_load(p);

	if ((seq & 1) || smp_get(&s->seq) != seq)
		return;
	if (r.fault != fault)
		FAIL("%s of page %d: fault %#lx, not %#lx", store ? "a store" : "a load", i,
		     r.fault, fault);
	else if (!fault && !store && r.value != value)
		FAIL("page %d: %#lx, not %#lx", i, r.value, value);
	smp_add(fault ? &a->refused : &a->read, 1);
}

/*
 * The owner's operations on n pages from i on
 */
static void turn_flux(struct arena *a, int i, int n)
{
	for (; n--; i++)
		smp_add(&a->pages[i].seq, 1);
}

static void set_state(struct arena *a, int i, enum what what, unsigned long value)
{
	smp_set(&a->pages[i].what, what);
	smp_set(&a->pages[i].value, value);
}

static void do_map(struct arena *a, int i, int n)
{
	OK(mmap(page_of(a, i), n * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	for (; n--; i++)
		set_state(a, i, WRITE, 0);
}

static void do_unmap(struct arena *a, int i, int n)
{
	OK(munmap(page_of(a, i), n * PAGE));
	for (; n--; i++)
		set_state(a, i, NOTHING, 0);
}

static void do_write(struct arena *a, int i, int n)
{
	for (; n--; i++)
		if (a->pages[i].what == WRITE) {
			*(volatile unsigned long *)page_of(a, i) = ++a->tag;
			set_state(a, i, WRITE, a->tag);
		}
}

static int all_mapped(struct arena *a, int i, int n)
{
	while (n--)
		if (a->pages[i++].what == NOTHING)
			return 0;
	return 1;
}

static void do_protect(struct arena *a, int i, int n)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
	enum what what = NONE + smp_rand(&a->rand) % 3;

	if (!all_mapped(a, i, n))
		return;
	OK(mprotect(page_of(a, i), n * PAGE, prots[what - NONE]));
	for (; n--; i++)
		set_state(a, i, what, a->pages[i].value);
}

static void do_drop(struct arena *a, int i, int n)
{
	if (!all_mapped(a, i, n))
		return;
	OK(madvise(page_of(a, i), n * PAGE, MADV_DONTNEED));
	for (; n--; i++)
		set_state(a, i, a->pages[i].what, 0);
}

static void do_move(struct arena *a, int i, int n)
{
	int to = smp_rand(&a->rand) % ARENA;

	if (a->pages[i].what == NOTHING)
		return;
	if (to >= i && to < i + n)
		return;
	turn_flux(a, to, 1);
	OK(mremap(page_of(a, i), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page_of(a, to)));
	set_state(a, to, a->pages[i].what, a->pages[i].value);
	set_state(a, i, NOTHING, 0);
	turn_flux(a, to, 1);
}

/* A child has its parent's pages as they were, whatever the other threads do meanwhile. */
static void do_fork(struct arena *a, int i, int n)
{
	(void)i, (void)n;
	if (smp_rand(&a->rand) % 16)
		return;
	pid_t pid = CHILD({
		for (int k = 0; k < ARENA; k++) {
			enum what what = a->pages[k].what;
			struct probe r = probe_load(page_of(a, k));
			CHECK_EQ(r.fault, fault_of(what, 0));
			if (!r.fault)
				CHECK_EQ(r.value, a->pages[k].value);
			if (what == WRITE)
				CHECK_EQ(probe_store(page_of(a, k), ~0UL).fault, 0);
		}
	});
	CHECK_EXIT(pid, 0);
}

static void *live(void *number)
{
	static void (*const ops[])(struct arena *, int, int) = {
		do_map,   do_write,   do_map,  do_write, do_write,
		do_unmap, do_protect, do_drop, do_move,  do_fork,
	};
	int me = (int)(long)number;
	struct arena *a = &arenas[me];

	smp_add(&ready, 1);
	smp_wait_until(smp_get(&ready) == THREADS);
	for (int step = 0; smp_more(step, LEAST, 1000); step++) {
		int i = smp_rand(&a->rand) % ARENA, n = 1 + smp_rand(&a->rand) % 8;

		n = n < ARENA - i ? n : ARENA - i;
		turn_flux(a, i, n);
		ops[smp_rand(&a->rand) % (sizeof(ops) / sizeof(*ops))](a, i, n);
		turn_flux(a, i, n);
		for (int k = 0; k < 8; k++)
			look_at(&arenas[smp_rand(&a->rand) % THREADS], smp_rand(&a->rand) % ARENA,
				me, k & 1);
	}
	return NULL;
}

TEST(stress, "threads that map, fault, protect, move and drop memory see what is not there")
{
	size_t len = (THREADS * ARENA + 1) * PAGE;
	char *base = ut_map_prot(len, PROT_NONE);
	pthread_t t[THREADS];
	long read = 0, refused = 0;

	probe_start();
	for (long i = 0; i < THREADS; i++) {
		arenas[i] = (struct arena){.rand = 77 + i, .tag = i << 24};
		arenas[i].base = base + i * ARENA * PAGE;
		for (int k = 0; k < ARENA; k++)
			arenas[i].pages[k].what = NONE;
	}
	for (long i = 0; i < THREADS; i++)
		t[i] = smp_start(live, (void *)i);
	/* the threads' stacks were mapped meanwhile: now nobody else maps, and holes stay holes */
	for (int i = 0; i < THREADS; i++) {
		smp_join(t[i]);
		read += arenas[i].read;
		refused += arenas[i].refused;
	}
	CHECK(read > 0);
	CHECK(refused > 0);
}

/*
 * Threads that fault all the time, in an area that one of them empties, for the tests below.
 */
enum { BUSY_PAGES = 64 };
static char *busy_area;
static unsigned long busy_rounds[THREADS];
static int busy_stop;

static void *fault_on(void *number)
{
	long me = (long)number;
	unsigned long rand = 99 + me;

	while (!smp_get(&busy_stop)) {
		int page = smp_rand(&rand) % BUSY_PAGES;
		unsigned long *p = (unsigned long *)(busy_area + page * PAGE) + me;
		unsigned long v = *(volatile unsigned long *)p;

		if (v && v != (unsigned long)page + 1)
			FAIL("page %d held %#lx", page, v);
		*(volatile unsigned long *)p = page + 1;
		if (smp_rand(&rand) % 4 == 0)
			OK(madvise(busy_area + page * PAGE, PAGE, MADV_DONTNEED));
		smp_add(&busy_rounds[me], 1);
	}
	return NULL;
}

static void start_busy(pthread_t *t, int n)
{
	busy_area = ut_map(BUSY_PAGES * PAGE);
	for (long i = 0; i < n; i++)
		t[i] = smp_start(fault_on, (void *)i);
	for (int i = 0; i < n; i++)
		smp_wait_until(smp_get(&busy_rounds[i]) > 0);
}

static void stop_busy(pthread_t *t, int n)
{
	smp_set(&busy_stop, 1);
	for (int i = 0; i < n; i++)
		smp_join(t[i]);
}

static void check_copy(void)
{
	static unsigned long copy[BUSY_PAGES][THREADS];

	for (int i = 0; i < BUSY_PAGES; i++) {
		memcpy(copy[i], busy_area + i * PAGE, sizeof(copy[i]));
		for (int k = 0; k < THREADS; k++)
			CHECK(copy[i][k] == 0 || copy[i][k] == (unsigned long)i + 1);
	}
	for (int i = 0; i < 4; i++)
		sched_yield();
	for (int i = 0; i < BUSY_PAGES; i++)
		CHECK(memcmp(copy[i], busy_area + i * PAGE, sizeof(copy[i])) == 0);
}

TEST(fork, "a child whose memory is torn, or that sees what threads write after fork")
{
	pthread_t t[THREADS];

	start_busy(t, THREADS);
	for (int i = 0; smp_more(i, 3, 20); i++)
		CHECK_EXIT(CHILD({ check_copy(); }), 0);
	stop_busy(t, THREADS);
}

TEST(exit_group, "a process that does not end while its threads fault, or ends with another status")
{
	for (int i = 0; smp_more(i, 3, 20); i++)
		CHECK_EXIT(CHILD({
				   pthread_t t[THREADS];
				   start_busy(t, THREADS);
				   _exit(40 + i);
			   }),
			   40 + i);
}

static void *exit_here(void *status)
{
	_exit((int)(long)status);
}

TEST(exit_thread, "exit_group by several threads at once, none of them the first")
{
	for (int i = 0; smp_more(i, 3, 20); i++)
		CHECK_EXIT(CHILD({
				   pthread_t t[THREADS];
				   start_busy(t, THREADS);
				   for (int k = 0; k < 3; k++)
					   smp_start(exit_here, (void *)33L);
				   for (;;)
					   pause();
			   }),
			   33);
}

TEST(killed, "a signal that ends a process whose threads fault: some live on")
{
	for (int i = 0; smp_more(i, 3, 20); i++) {
		int fds[2], st;
		char c;

		OK(pipe(fds));
		pid_t pid = CHILD({
			pthread_t t[THREADS];
			start_busy(t, THREADS);
			OK((int)write(fds[1], "", 1));
			for (;;)
				pause();
		});
		close(fds[1]);
		REQUIRE(read(fds[0], &c, 1) == 1);
		OK(kill(pid, i % 2 ? SIGKILL : SIGTERM));
		OK(waitpid(pid, &st, 0));
		CHECK(WIFSIGNALED(st));
		CHECK_EQ(read(fds[0], &c, 1), 0); /* and the last thread's descriptors are closed */
		close(fds[0]);
	}
}

static void *exec_here(void *command)
{
	char *argv[] = {"sh", "-c", command, NULL};

	execv("/bin/sh", argv);
	_exit(9);
}

TEST(exec, "exec by a thread that is not the first, while seven others fault")
{
	for (int i = 0; smp_more(i, 3, 10); i++) {
		char command[64];

		CHECK_EXIT(CHILD({
				   pthread_t t[THREADS];
				   snprintf(command, sizeof(command),
					    "test $$ = %d && test `ls /proc/$$/task | wc -l` = 1",
					    getpid());
				   start_busy(t, THREADS - 1);
				   smp_start(exec_here, command);
				   for (;;)
					   pause();
			   }),
			   0);
	}
}

/* A function of its own: vfork may clobber its caller's variables. */
static __attribute__((noinline)) pid_t vfork_true(void)
{
	static char *const argv[] = {"true", NULL};
	pid_t pid = vfork();

	if (pid == 0) {
		execv("/bin/true", argv);
		_exit(9);
	}
	return pid;
}

static void *vfork_here(void *arg)
{
	for (int i = 0; smp_more(i, 3, 10); i++)
		CHECK_EXIT(OK(vfork_true()), 0);
	return arg;
}

TEST(vfork, "vfork in several threads at once, while others fault")
{
	pthread_t t[THREADS], v[4];

	start_busy(t, 4);
	for (int i = 0; i < 4; i++)
		v[i] = smp_start(vfork_here, NULL);
	for (int i = 0; i < 4; i++)
		smp_join(v[i]);
	stop_busy(t, 4);
}

/*
 * Signals
 */
static long taken[THREADS];
static int numbers[THREADS];

static void take(int sig, siginfo_t *si, void *context)
{
	int me = si->si_value.sival_int;

	(void)sig, (void)context;
	if (gettid() != smp_get(&numbers[me]))
		FAIL("thread %d's signal in another", me);
	smp_add(&taken[me], 1);
}

static void *fault_numbered(void *number)
{
	smp_set(&numbers[(long)number], gettid());
	return fault_on(number);
}

TEST(signals, "a queued signal to a thread that faults: lost, twice, or in another thread")
{
	struct sigaction sa = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_RESTART};
	siginfo_t si = {.si_code = SI_QUEUE, .si_pid = getpid()};
	pthread_t t[THREADS];
	int each = 0;

	busy_area = ut_map(BUSY_PAGES * PAGE);
	OK(sigaction(SIGRTMIN + 1, &sa, NULL));
	for (long i = 0; i < THREADS; i++)
		t[i] = smp_start(fault_numbered, (void *)i);
	for (int i = 0; i < THREADS; i++)
		smp_wait_until(smp_get(&numbers[i]));
	for (; smp_more(each, 5, 500); each++)
		for (int i = 0; i < THREADS; i++) {
			si.si_value.sival_int = i;
			while (syscall(SYS_rt_tgsigqueueinfo, getpid(), numbers[i], SIGRTMIN + 1,
				       &si) < 0) {
				REQUIRE(errno == EAGAIN); /* the queue is full */
				sched_yield();
			}
		}
	for (int i = 0; i < THREADS; i++)
		smp_wait_until(smp_get(&taken[i]) >= each);
	stop_busy(t, THREADS);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(taken[i], each);
}

/*
 * Robust locks: each thread dies with the lock, the next one hears of it.
 */
static pthread_mutex_t robust;
static long deaths;

static void *die_with_it(void *arg)
{
	int err = pthread_mutex_lock(&robust);

	if (err == EOWNERDEAD) {
		deaths++;
		CHECK_EQ(pthread_mutex_consistent(&robust), 0);
	} else {
		CHECK_EQ(err, 0);
	}
	return arg;
}

TEST(robust, "a lock of a thread that died: its waiter sleeps on, or does not hear of it")
{
	pthread_mutexattr_t attr;
	pthread_t t[THREADS];
	int each = 0;

	pthread_mutexattr_init(&attr);
	CHECK_EQ(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
	CHECK_EQ(pthread_mutex_init(&robust, &attr), 0);
	for (; smp_more(each, 3, 40); each++) {
		for (int i = 0; i < THREADS; i++)
			t[i] = smp_start(die_with_it, NULL);
		for (int i = 0; i < THREADS; i++)
			smp_join(t[i]);
	}
	CHECK_EQ(deaths, THREADS * each - 1);
}

/*
 * A stack that goes away under its thread
 */
static int on_stack;

static void *use_stack(void *arg)
{
	volatile unsigned char frame[256] = {0};

	smp_pin(1);
	for (unsigned i = 0;; i++) {
		frame[i % 256]++;
		smp_set(&on_stack, 1);
		if (smp_cpus() == 1)
			sched_yield();
	}
	return arg;
}

TEST(munmap_stack, "a thread that runs on without its stack")
{
	for (int i = 0; smp_more(i, 3, 10); i++)
		CHECK_SIGNALED(CHILD({
				       size_t len = 16 * PAGE;
				       char *stack = ut_map(len);
				       pthread_attr_t attr;
				       pthread_t t;
				       smp_cpus();
				       smp_pin(0);
				       pthread_attr_init(&attr);
				       pthread_attr_setstack(&attr, stack, len);
				       REQUIRE(pthread_create(&t, &attr, use_stack, NULL) == 0);
				       smp_wait_until(smp_get(&on_stack));
				       OK(munmap(stack, len));
				       for (;;)
					       pause();
			       }),
			       SIGSEGV);
}

/*
 * /proc, while threads map and unmap
 */
static void *map_on(void *number)
{
	unsigned long rand = 5 + (long)number;

	while (!smp_get(&busy_stop)) {
		size_t len = (1 + smp_rand(&rand) % 16) * PAGE;
		char *p = ut_map(len);

		*(volatile char *)p = 1;
		OK(mprotect(p, PAGE, PROT_READ));
		OK(munmap(p, len));
		smp_add(&busy_rounds[(long)number], 1);
	}
	return NULL;
}

static void check_maps(const char *text, unsigned long fixed)
{
	unsigned long start, end, last = 0;
	int found = 0;

	for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
		if (sscanf(p, "%lx-%lx", &start, &end) != 2)
			FAIL("not a line of maps: %.40s", p);
		else if (start < last || end <= start)
			FAIL("%lx-%lx after %lx", start, end, last);
		found |= start <= fixed && end >= fixed + 4 * PAGE;
		last = end;
		if (!strchr(p, '\n'))
			return;
	}
	CHECK(found);
}

TEST(proc, "maps out of order, an area that is missing, or figures of another")
{
	char *fixed = ut_map_alone(4 * PAGE);
	static char text[65536];
	pthread_t t[4];

	memset(fixed, 1, 2 * PAGE);
	for (long i = 0; i < 4; i++)
		t[i] = smp_start(map_on, (void *)i);
	for (int i = 0; i < 4; i++)
		smp_wait_until(smp_get(&busy_rounds[i]) > 0);
	for (int i = 0; smp_more(i, 2, 100); i++) {
		CHECK(ut_slurp("/proc/self/maps", text, sizeof(text)) > 0);
		check_maps(text, (uintptr_t)fixed);
		CHECK_EQ(ut_smaps(0, fixed, "Size"), 16);
		CHECK_EQ(ut_smaps(0, fixed, "Rss"), 8);
		CHECK(ut_pagemap(fixed) & PM_PRESENT);
		CHECK(!(ut_pagemap(fixed + 3 * PAGE) & PM_PRESENT));
	}
	stop_busy(t, 4);
}
