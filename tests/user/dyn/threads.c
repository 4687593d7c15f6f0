/* SPDX-License-Identifier: MIT */
/* Threads as glibc makes them: mutex, condition, barrier, thread-local memory, cancel, once, rwlock. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { N = 8, ROUNDS = 1000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_barrier_t barrier;
static pthread_spinlock_t spin;
static pthread_key_t key;
static long counter, spun, both[2], begun, destroyed, cleaned;
static int turn;
static __thread long mine = 41;

static void run_all(const char *what, void *(*fn)(void *))
{
	pthread_t t[N];
	void *ret;
	long sum = 0;

	for (long i = 0; i < N; i++)
		if (pthread_create(&t[i], NULL, fn, (void *)i))
			exit(2);
	for (int i = 0; i < N; i++) {
		if (pthread_join(t[i], &ret))
			exit(3);
		sum += (long)ret;
	}
	printf("%s: sum %ld\n", what, sum);
}

static void *count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		pthread_spin_lock(&spin);
		spun++;
		pthread_spin_unlock(&spin);
	}
	return arg;
}

static void *take_turns(void *arg)
{
	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != (int)(long)arg)
			pthread_cond_wait(&cond, &mutex);
		turn = (turn + 1) % N;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static int rounds[N];

static void *meet(void *arg)
{
	long wrong = 0;

	for (int i = 0; i < 50; i++) {
		rounds[(long)arg] = i;
		pthread_barrier_wait(&barrier);
		for (int k = 0; k < N; k++)
			wrong += rounds[k] != i;
		pthread_barrier_wait(&barrier);
	}
	return (void *)wrong;
}

static void *read_write(void *arg)
{
	long wrong = 0;

	for (int i = 0; i < ROUNDS / 4; i++) {
		if (((long)arg + i) % 4 == 0) {
			pthread_rwlock_wrlock(&rwlock);
			both[0]++;
			both[1]++;
		} else {
			pthread_rwlock_rdlock(&rwlock);
			wrong += both[0] != both[1];
		}
		pthread_rwlock_unlock(&rwlock);
	}
	return (void *)wrong;
}

static void begin(void)
{
	begun++;
}

static void destroy(void *p)
{
	__atomic_fetch_add(&destroyed, (long)p, __ATOMIC_SEQ_CST);
}

static void *own(void *arg)
{
	char *p = NULL;

	pthread_once(&once, begin);
	pthread_setspecific(key, (void *)1);
	mine += (long)arg;
	for (int i = 0; i < 100; i++) { /* each thread has an arena of its own */
		free(p);
		p = malloc(1000 + i);
		memset(p, (int)(long)arg, 1000 + i);
		if (i % 10 == 0)
			sched_yield();
		if (p[999] != (char)(long)arg)
			abort();
	}
	free(p);
	return (void *)mine;
}

static void cleanup(void *arg)
{
	cleaned += (long)arg;
	pthread_mutex_unlock(&mutex);
}

static void *wait_for_ever(void *sem)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(cleanup, (void *)1);
	sem_post(sem);
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *spin_for_ever(void *sem)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	sem_post(sem);
	for (;;)
		;
	return NULL;
}

static void cancel(void)
{
	void *(*const fns[])(void *) = {wait_for_ever, spin_for_ever};
	void *ret[2];
	pthread_t t[2];
	sem_t sem;

	sem_init(&sem, 0, 0);
	for (int i = 0; i < 2; i++) {
		pthread_create(&t[i], NULL, fns[i], &sem);
		sem_wait(&sem);
	}
	for (int i = 0; i < 2; i++) {
		pthread_cancel(t[i]);
		pthread_join(t[i], &ret[i]);
	}
	printf("cancel: %d %d, cleaned up %ld\n", ret[0] == PTHREAD_CANCELED,
	       ret[1] == PTHREAD_CANCELED, cleaned);
}

static void timeout(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += (ts.tv_nsec += 20000000) / 1000000000;
	ts.tv_nsec %= 1000000000;
	pthread_mutex_lock(&mutex);
	printf("timed wait: %s\n",
	       pthread_cond_timedwait(&cond, &mutex, &ts) == ETIMEDOUT ? "timed out" : "woken");
	pthread_mutex_unlock(&mutex);
}

int main(void)
{
	pthread_barrier_init(&barrier, NULL, N);
	pthread_spin_init(&spin, 0);
	pthread_key_create(&key, destroy);
	run_all("mutex", count);
	printf("counted %ld and %ld\n", counter, spun);
	run_all("condition", take_turns);
	run_all("barrier", meet);
	run_all("rwlock", read_write);
	printf("written %ld\n", both[0]);
	run_all("own", own);
	printf("once %ld, destroyed %ld, main's %ld\n", begun, destroyed, mine);
	cancel();
	timeout();
	return 0;
}
