/* SPDX-License-Identifier: MIT */
/*
 * Threads, as the C library makes them: what pthread programs rest on.
 */
#include "utest.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

enum { N = 8 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;

static void start(pthread_t *t, void *(*fn)(void *), void *arg)
{
	int err = pthread_create(t, NULL, fn, arg);

	if (err) {
		FAIL("pthread_create: %s", ut_errname(err));
		ut_abort();
	}
}

static void *join(pthread_t t)
{
	void *ret = NULL;

	CHECK_EQ(pthread_join(t, &ret), 0);
	return ret;
}

static void *count(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		long v = counter;
		if (i % 32 == 0)
			sched_yield();
		counter = v + 1;
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

TEST(mutexes, "counts lost under a mutex, or a thread's result lost")
{
	pthread_t t[N];

	for (long i = 0; i < N; i++)
		start(&t[i], count, (void *)i);
	for (long i = 0; i < N; i++)
		CHECK_EQ((long)join(t[i]), i);
	CHECK_EQ(counter, N * 2000);
}

static int turn;

static void *take_turns(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != me)
			pthread_cond_wait(&cond, &mutex);
		turn = (me + 1) % N;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

TEST(condition, "a wake-up of a condition variable lost, or a timed wait that never ends")
{
	pthread_t t[N];
	struct timespec ts;

	for (long i = 0; i < N; i++)
		start(&t[i], take_turns, (void *)i);
	for (int i = 0; i < N; i++)
		join(t[i]);
	CHECK_EQ(turn, 0);
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_nsec -= 1000000000, ts.tv_sec++;
	pthread_mutex_lock(&mutex);
	CHECK_EQ(pthread_cond_timedwait(&cond, &mutex, &ts), ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

static pthread_barrier_t barrier;
static int rounds[N];

static void *meet(void *arg)
{
	for (int i = 0; i < 50; i++) {
		rounds[(long)arg] = i;
		pthread_barrier_wait(&barrier);
		for (int k = 0; k < N; k++)
			CHECK_EQ(rounds[k], i);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

TEST(barriers, "a barrier that lets one through early")
{
	pthread_t t[N];

	CHECK_EQ(pthread_barrier_init(&barrier, NULL, N), 0);
	for (long i = 0; i < N; i++)
		start(&t[i], meet, (void *)i);
	for (int i = 0; i < N; i++)
		join(t[i]);
}

static __thread long mine = 41;
static pthread_key_t key;
static int destroyed;

static void destroy(void *p)
{
	destroyed += *(int *)p;
}

static void *own(void *arg)
{
	static int one = 1;

	CHECK_EQ(mine, 41);
	mine = (long)arg;
	pthread_setspecific(key, &one);
	for (int i = 0; i < 20; i++) {
		sched_yield();
		CHECK_EQ(mine, (long)arg);
	}
	CHECK(gettid() != getpid());
	return NULL;
}

TEST(tls, "thread-local memory that is shared, or lost in a switch")
{
	pthread_t t[N];

	CHECK_EQ(pthread_key_create(&key, destroy), 0);
	for (long i = 0; i < N; i++)
		start(&t[i], own, (void *)(i + 100));
	for (int i = 0; i < N; i++)
		join(t[i]);
	CHECK_EQ(mine, 41);
	CHECK_EQ(destroyed, N);
}

static sem_t sem;

static void *wait_for_ever(void *arg)
{
	sem_post(&sem);
	if (arg)
		for (;;)
			pause();
	pthread_mutex_lock(&mutex);
	pthread_cond_wait(&cond, &mutex);
	return NULL;
}

static void *spin(void *arg)
{
	(void)arg;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	sem_post(&sem);
	for (;;)
		;
	return NULL;
}

TEST(cancel, "a thread that waits or spins and cannot be cancelled")
{
	pthread_t t[2];

	sem_init(&sem, 0, 0);
	start(&t[0], wait_for_ever, (void *)1);
	start(&t[1], spin, NULL);
	sem_wait(&sem);
	sem_wait(&sem);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_cancel(t[i]), 0);
		CHECK(join(t[i]) == PTHREAD_CANCELED);
	}
}

static void *die_with_it(void *m)
{
	CHECK_EQ(pthread_mutex_lock(m), 0);
	return NULL;
}

TEST(robust, "a lock whose owner has died that nobody gets, in a thread or a process")
{
	struct {
		pthread_mutex_t m;
	} *s = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pthread_mutexattr_t a;
	pthread_t t;

	pthread_mutexattr_init(&a);
	CHECK_EQ(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST), 0);
	CHECK_EQ(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_mutex_init(&s->m, &a), 0);
	start(&t, die_with_it, &s->m);
	join(t);
	CHECK_EQ(pthread_mutex_lock(&s->m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(&s->m), 0);
	CHECK_EQ(pthread_mutex_unlock(&s->m), 0);
	CHECK_SIGNALED(CHILD({
			       CHECK_EQ(pthread_mutex_lock(&s->m), 0);
			       kill(getpid(), SIGKILL);
		       }),
		       SIGKILL);
	CHECK_EQ(pthread_mutex_lock(&s->m), EOWNERDEAD);
}

static void *exit_later(void *arg)
{
	ut_msleep(30);
	if (arg)
		exit((int)(long)arg);
	return NULL;
}

TEST(main_exits, "a process that ends with its first thread")
{
	/* Not with pthread_exit() in the last one, too: in a forked child musl then waits for ever. */
	CHECK_EXIT(CHILD({
			   pthread_t t;
			   start(&t, exit_later, (void *)17);
			   pthread_exit(NULL);
		   }),
		   17);
	CHECK_SIGNALED(CHILD({
			       pthread_t t;
			       start(&t, wait_for_ever, (void *)1);
			       ut_msleep(5);
			       kill(getpid(), SIGTERM);
			       for (;;)
				       pause();
		       }),
		       SIGTERM);
}

static void *do_exec(void *arg)
{
	char *argv[] = {"sh", "-c", arg, NULL};

	execv("/bin/sh", argv);
	return NULL;
}

TEST(exec, "exec by a thread: the others live on, or the process has a new number")
{
	for (int first = 0; first < 2; first++) {
		char cmd[64];

		CHECK_EXIT(CHILD({
				   pthread_t t[N];
				   /* the number is the process's, and one thread is left */
				   snprintf(cmd, sizeof(cmd),
					    "test $$ = %d && test `ls /proc/$$/task | wc -l` = 1",
					    getpid());
				   for (int i = 0; i < N - 1; i++)
					   start(&t[i], i % 2 ? spin : wait_for_ever, (void *)1);
				   if (first)
					   do_exec(cmd);
				   start(&t[N - 1], do_exec, cmd);
				   for (;;)
					   pause();
			   }),
			   0);
	}
}

static void *exec_too(void *arg)
{
	pthread_barrier_wait(&barrier);
	return do_exec(arg);
}

TEST(exec_race, "several threads that exec at once: none or two of them win")
{
	for (int i = 0; i < 10; i++)
		CHECK_EXIT(CHILD({
				   pthread_t t;
				   pthread_barrier_init(&barrier, NULL, 4);
				   for (int k = 0; k < 3; k++)
					   start(&t, exec_too, "exit 5");
				   exec_too("exit 5");
			   }),
			   5);
}

static void *fork_in_thread(void *arg)
{
	(void)arg;
	CHECK_EXIT(CHILD({ CHECK_EQ(gettid(), getpid()); }), 0);
	return NULL;
}

TEST(forks, "fork in a thread: more than that thread in the child")
{
	pthread_t t[N];

	for (int i = 0; i < N; i++)
		start(&t[i], fork_in_thread, NULL);
	for (int i = 0; i < N; i++)
		join(t[i]);
}

static volatile sig_atomic_t taken_by;

static void note_thread(int sig)
{
	(void)sig;
	taken_by = gettid();
}

static void *take_signals(void *tid)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	*(volatile int *)tid = gettid();
	while (!taken_by)
		ut_msleep(1);
	return NULL;
}

TEST(signals, "a signal to the process that no thread takes, though one does not block it")
{
	volatile int tid = 0;
	sigset_t set;
	pthread_t t;

	signal(SIGUSR1, note_thread);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	start(&t, take_signals, (void *)&tid);
	while (!tid)
		ut_msleep(1);
	OK(kill(getpid(), SIGUSR1));
	join(t);
	CHECK_EQ(taken_by, tid);
}

TEST(stop_all, "a stop that leaves a thread running")
{
	volatile long *n = (volatile long *)OK(
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t pid = OK(fork());
	long seen;
	int st;

	if (pid == 0) {
		pthread_t t;
		start(&t, wait_for_ever, (void *)1);
		start(&t, exit_later, NULL);
		for (;;)
			++*n;
	}
	ut_msleep(20);
	OK(kill(pid, SIGSTOP));
	OK(waitpid(pid, &st, WUNTRACED));
	CHECK(WIFSTOPPED(st));
	seen = *n;
	ut_msleep(60);
	CHECK_EQ(*n, seen);
	OK(kill(pid, SIGCONT));
	ut_msleep(60);
	CHECK(*n > seen);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

static void *quick(void *arg)
{
	return arg;
}

TEST(many, "threads that leak: stacks, numbers, or memory")
{
	for (int i = 0; i < 1000; i++) {
		pthread_t t;
		start(&t, quick, NULL);
		if (i % 2)
			join(t);
		else
			pthread_detach(t);
	}
	for (int i = 0; i < 1000 && ut_status(getpid(), "Threads") != 1; i++)
		ut_msleep(1);
	CHECK_EQ(ut_status(getpid(), "Threads"), 1);
}

static long thread_faults(void)
{
	struct rusage ru;

	OK(getrusage(RUSAGE_THREAD, &ru));
	return ru.ru_minflt;
}

static void *touch_64(void *p)
{
	long before = thread_faults();

	for (size_t i = 0; i < 64; i++)
		((volatile char *)p)[i * PAGE] = 1;
	return (void *)(thread_faults() - before);
}

TEST(rusage_thread, "the faults of one thread counted for another, or lost with it")
{
	char *p = ut_map(64 * PAGE);
	long own, all = ut_minflt();
	void *its;
	pthread_t t;

	own = thread_faults();
	CHECK_EQ(pthread_create(&t, NULL, touch_64, p), 0);
	CHECK_EQ(pthread_join(t, &its), 0);
	own = thread_faults() - own;
	all = ut_minflt() - all;
	CHECK((long)its >= 64 && (long)its < 80);
	CHECK(own < 40);
	CHECK(all >= (long)its); /* also after the thread has ended */
}
