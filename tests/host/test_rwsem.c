/* SPDX-License-Identifier: MIT */
/*
 * rwsem between real threads, one for each "processor".
 *
 * A vma is read-locked without a reference: found under a lock of the tree, released at any time
 * later, while a writer who has got the lock after that takes it out of the tree and frees it. So
 * must it be here; the address sanitizer sees a thread that touches what is gone. What a run finds
 * depends on the host, but what it finds is wrong.
 */
#include <pthread.h>
#include <stdlib.h>

#define sched_yield kernel_sched_yield /* not the host's */
#include <kernel/sched/wait.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <tests/host/host.h>
#undef sched_yield

#define READERS 4
#define STUCK   20000000 /* turns without a wake-up: seconds */

struct sched_hooks sched_hooks;
static struct thread threads[READERS + 1];

struct object {
	struct rwsem lock;
	long a, b; /* equal, but for a writer */
};
static struct ticket_lock tree;
static struct object *current_object; /* (tree) */
static bool stop;

/* --- what the lock stands on ---- */

void set_current_state(enum thread_state s)
{
	__atomic_store_n(&current_thread()->state, (int)s, __ATOMIC_SEQ_CST);
}
bool thread_wake_mask(struct thread *t, unsigned int mask)
{
	(void)mask;
	__atomic_store_n(&t->state, THREAD_RUNNING, __ATOMIC_SEQ_CST);
	return true;
}
void schedule(void)
{
	for (long turns = 0; READ_ONCE(current_thread()->state) != THREAD_RUNNING; turns++) {
		sched_yield();
		if (turns > STUCK)
			FAIL("a lost wake-up");
	}
}
void lock_check_acquire(enum lock_class cls, const void *lock, unsigned int how)
{
	(void)cls, (void)lock, (void)how;
}
void lock_check_release(enum lock_class cls, const void *lock, unsigned int how)
{
	(void)cls, (void)lock, (void)how;
}

/* --- the test ---- */

static void be_cpu(unsigned int cpu)
{
	host_cpu = cpu;
	this_cpu_write(current_thread_ptr, &threads[cpu]);
}

static void dawdle(unsigned int *seed)
{
	for (volatile int n = rand_r(seed) % 64; n > 0; n--)
		;
	if (rand_r(seed) % 16 == 0)
		sched_yield();
}

static struct object *find_and_lock(void)
{
	struct object *o;

	ticket_lock(&tree);
	o = current_object;
	if (o && !down_read_trylock(&o->lock))
		o = NULL;
	ticket_unlock(&tree);
	return o;
}

static void *reader(void *arg)
{
	unsigned int seed = (unsigned int)(unsigned long)arg;

	be_cpu(seed);
	while (!READ_ONCE(stop)) {
		struct object *o = find_and_lock();

		if (!o) {
			sched_yield();
			continue;
		}
		if (READ_ONCE(o->a) != READ_ONCE(o->b))
			FAIL("a reader inside with a writer");
		dawdle(&seed);
		up_read(&o->lock);
	}
	return NULL;
}

static void publish(struct object *o)
{
	ticket_lock(&tree);
	current_object = o;
	ticket_unlock(&tree);
}

static void one_life(unsigned int *seed)
{
	struct object *o = calloc(1, sizeof(*o));

	rwsem_init(&o->lock, LOCK_VMA);
	publish(o);
	for (int i = 0; i < 3; i++) {
		dawdle(seed);
		down_write(&o->lock);
		WRITE_ONCE(o->a, o->a + 1);
		dawdle(seed);
		WRITE_ONCE(o->b, o->b + 1);
		if (i == 2)
			publish(NULL);
		up_write(&o->lock);
	}
	CHECK_EQ(atomic_read(&o->lock.count), 0);
	free(o);
}

HOST_TEST(rwsem, freed_by_a_writer, "a reader that lets go and looks at the lock again")
{
	pthread_t t[READERS];
	unsigned int seed = 1;

	host_add_cpus(READERS + 1);
	be_cpu(0);
	for (unsigned long i = 0; i < READERS; i++)
		CHECK(!pthread_create(&t[i], NULL, reader, (void *)(i + 1)));
	for (unsigned long n = rounds(300000); n; n--)
		one_life(&seed);
	WRITE_ONCE(stop, true);
	for (int i = 0; i < READERS; i++)
		CHECK(!pthread_join(t[i], NULL));
}
