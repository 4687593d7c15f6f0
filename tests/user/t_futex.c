/* SPDX-License-Identifier: MIT */
/*
 * futex: between processes, in shared memory (threads come with a later issue).
 */
#include "utest.h"

#define F_WAIT        0
#define F_WAKE        1
#define F_REQUEUE     3
#define F_CMP_REQUEUE 4
#define F_WAKE_OP     5
#define F_WAIT_BITSET 9
#define F_WAKE_BITSET 10
#define F_PRIVATE     128
#define F_REALTIME    256

static long futex(volatile int *u, int op, int val, const void *timeout, volatile int *u2, int val3)
{
	return syscall(SYS_futex, u, op, (long)val, timeout, u2, (long)val3);
}

static volatile int *shared(void)
{
	return OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

static pid_t waiter(volatile int *u, int bits)
{
	pid_t pid = CHILD({
		long r = futex(u, F_WAIT_BITSET, 0, NULL, NULL, bits);
		CHECK_EQ(r, 0);
	});

	ut_wait_state(pid, 'S');
	return pid;
}

/* The number of children that ended within a while. */
static int reap(int want)
{
	long start = ut_now_ms();
	int n = 0, st;

	while (n < want && ut_now_ms() - start < 10000)
		if (waitpid(-1, &st, WNOHANG) > 0)
			n += st == 0;
		else
			ut_msleep(2);
	ut_msleep(20);
	while (waitpid(-1, &st, WNOHANG) > 0)
		n++;
	return n;
}

TEST(value_changed, "a wait for a value that is not there any more")
{
	volatile int *u = shared();

	*u = 5;
	CHECK_ERRNO(futex(u, F_WAIT, 4, NULL, NULL, 0), EAGAIN);
	CHECK_ERRNO(futex(u, F_WAIT | F_PRIVATE, 4, NULL, NULL, 0), EAGAIN);
	CHECK_EQ(futex(u, F_WAKE, 1, NULL, NULL, 0), 0);
}

TEST(timeout, "a timeout that is too short, or never comes")
{
	volatile int *u = shared();
	struct timespec ts = {0, 60000000};

	long start = ut_now_ms();
	CHECK_ERRNO(futex(u, F_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
	CHECK(ut_now_ms() - start >= 59);
	CHECK_ERRNO(futex(u, F_WAIT | F_PRIVATE, 0, &ts, NULL, 0), ETIMEDOUT);
	/* BITSET: the time is absolute */
	OK(clock_gettime(CLOCK_MONOTONIC, &ts));
	CHECK_ERRNO(futex(u, F_WAIT_BITSET, 0, &ts, NULL, -1), ETIMEDOUT);
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	CHECK_ERRNO(futex(u, F_WAIT_BITSET | F_REALTIME, 0, &ts, NULL, -1), ETIMEDOUT);
	ts.tv_nsec = 1000000000;
	CHECK_ERRNO(futex(u, F_WAIT, 0, &ts, NULL, 0), EINVAL);
}

TEST(wake, "waiters not woken, or more than asked")
{
	volatile int *u = shared();

	for (int i = 0; i < 5; i++)
		waiter(u, -1);
	CHECK_EQ(futex(u, F_WAKE, 2, NULL, NULL, 0), 2);
	CHECK_EQ(reap(2), 2);
	CHECK_EQ(futex(u, F_WAKE, INT_MAX, NULL, NULL, 0), 3);
	CHECK_EQ(reap(3), 3);
}

TEST(two_addresses, "a wake on one word that wakes the waiter of another")
{
	volatile int *u = shared();
	pid_t pid = waiter(u, -1);

	CHECK_EQ(futex(u + 1, F_WAKE, 10, NULL, NULL, 0), 0);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	/* the same word seen at another address */
	int fd = ut_file("f", NULL, 0);
	OK(ftruncate(fd, PAGE));
	volatile int *a = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	volatile int *b = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	pid_t p2 = waiter(a + 3, -1);
	CHECK_EQ(futex(b + 3, F_WAKE, 10, NULL, NULL, 0), 1);
	CHECK_EXIT(p2, 0);
	CHECK_EQ(futex(u, F_WAKE, 10, NULL, NULL, 0), 1);
	CHECK_EXIT(pid, 0);
}

TEST(private_after_fork, "private memory: parent and child have different words after fork")
{
	volatile int *u = ut_map(PAGE);

	*u = 0;
	pid_t pid = CHILD({
		struct timespec ts = {0, 200000000};
		CHECK_ERRNO(futex(u, F_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
	});
	ut_wait_state(pid, 'S');
	CHECK_EQ(futex(u, F_WAKE, 10, NULL, NULL, 0), 0);
	CHECK_EXIT(pid, 0);
}

TEST(bitset, "bits that do not choose the waiter")
{
	volatile int *u = shared();
	pid_t a = waiter(u, 1), b = waiter(u, 2);

	CHECK_ERRNO(futex(u, F_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(u, F_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
	CHECK_EQ(futex(u, F_WAKE_BITSET, 10, NULL, NULL, 4), 0);
	CHECK_EQ(futex(u, F_WAKE_BITSET, 10, NULL, NULL, 2), 1);
	CHECK_EXIT(b, 0);
	CHECK_EQ(waitpid(a, NULL, WNOHANG), 0);
	CHECK_EQ(futex(u, F_WAKE, 10, NULL, NULL, 0), 1);
	CHECK_EXIT(a, 0);
}

/* FUTEX_WAKE_OP's argument: what becomes of the second word, and how its old value must compare. */
static int wake_op(int op, int arg, int cmp, int cmparg)
{
	return (int)((unsigned int)op << 28 | (unsigned int)cmp << 24 |
		     ((unsigned int)arg & 0xfff) << 12 | ((unsigned int)cmparg & 0xfff));
}

TEST(wake_op_value, "FUTEX_WAKE_OP that writes another value, or refuses the wrong things")
{
	static const struct {
		int op, arg, before, after;
	} ops[] = {{0, 5, 3, 5}, {1, 5, 3, 8}, {1, -1, 3, 2},    {2, 5, 3, 7},
		   {3, 5, 7, 2}, {4, 5, 3, 6}, {2 | 8, 4, 1, 17}};
	volatile int *u = shared();

	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		u[1] = ops[i].before;
		CHECK_EQ(futex(u, F_WAKE_OP, 1, (void *)1, u + 1,
			       wake_op(ops[i].op, ops[i].arg, 0, 0)),
			 0);
		CHECK_EQ(u[1], ops[i].after);
	}
	CHECK_ERRNO(futex(u, F_WAKE_OP, 1, (void *)1, u + 1, wake_op(5, 0, 0, 0)), ENOSYS);
	CHECK_ERRNO(futex(u, F_WAKE_OP, 1, (void *)1, BADPTR, wake_op(1, 0, 0, 0)), EFAULT);
	CHECK_ERRNO(futex(u, F_WAKE_OP, 1, (void *)1, (void *)((char *)u + 2), 0), EINVAL);
}

TEST(wake_op_compare, "FUTEX_WAKE_OP that wakes the second queue when it must not, or does not")
{
	/* an old value that does not compare with 0 as asked, and one that does */
	static const struct {
		int cmp, no, yes;
	} cmps[] = {{0, 1, 0}, {1, 0, 1}, {2, 0, -1}, {3, 1, 0}, {4, 0, 1}, {5, -1, 0}};
	volatile int *u = shared();

	for (unsigned int i = 0; i < sizeof(cmps) / sizeof(cmps[0]); i++) {
		u[1] = 0;
		waiter(u + 1, -1);
		u[1] = cmps[i].no;
		CHECK_EQ(futex(u, F_WAKE_OP, 1, (void *)1, u + 1, wake_op(1, 0, cmps[i].cmp, 0)),
			 0);
		u[1] = cmps[i].yes;
		CHECK_EQ(futex(u, F_WAKE_OP, 1, (void *)1, u + 1, wake_op(1, 0, cmps[i].cmp, 0)),
			 1);
		CHECK_EQ(reap(1), 1);
	}
	u[1] = 0;
	waiter(u, -1);
	waiter(u + 1, -1);
	/* an unknown comparison wakes nobody; "none" wakes one of each */
	CHECK_ERRNO(futex(u, F_WAKE_OP, 1, (void *)1, u + 1, wake_op(1, 0, 6, 0)), ENOSYS);
	CHECK_EQ(futex(u, F_WAKE_OP, 0, NULL, u + 1, wake_op(1, 0, 0, 0)), 2);
	CHECK_EQ(reap(2), 2);
}

TEST(requeue, "waiters moved to another word and lost, or not moved")
{
	volatile int *u = shared();

	for (int i = 0; i < 4; i++)
		waiter(u, -1);
	CHECK_ERRNO(syscall(SYS_futex, u, F_CMP_REQUEUE, 1L, 10L, u + 1, 7L), EAGAIN);
	CHECK_EQ(syscall(SYS_futex, u, F_CMP_REQUEUE, 1L, 2L, u + 1, 0L), 3);
	CHECK_EQ(reap(1), 1);
	CHECK_EQ(futex(u, F_WAKE, 10, NULL, NULL, 0), 1);
	CHECK_EQ(reap(1), 1);
	CHECK_EQ(futex(u + 1, F_WAKE, 10, NULL, NULL, 0), 2);
	CHECK_EQ(reap(2), 2);
}

TEST(signal_ends_wait, "a wait that a signal does not end")
{
	volatile int *u = shared();
	pid_t pid = CHILD({ futex(u, F_WAIT, 0, NULL, NULL, 0); });
	ut_wait_state(pid, 'S');
	OK(kill(pid, SIGTERM));
	CHECK_SIGNALED(pid, SIGTERM);
	CHECK_EQ(futex(u, F_WAKE, 10, NULL, NULL, 0), 0);
}

TEST(errors, "bad addresses and operations")
{
	volatile int *u = shared();

	CHECK_ERRNO(futex((void *)((char *)u + 1), F_WAIT, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex((void *)((char *)u + 2), F_WAKE, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(BADPTR, F_WAIT, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(NULL, F_WAIT, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(KERNPTR, F_WAIT, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(NONCANON, F_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(u, F_WAIT, 0, BADPTR, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(u, 77, 0, NULL, NULL, 0), ENOSYS);
	volatile int *untouched = ut_map(PAGE);
	CHECK_ERRNO(futex(untouched, F_WAIT, 1, NULL, NULL, 0), EAGAIN);
}

TEST(mutex, "a wake-up lost: four processes count under a lock made of a futex")
{
	enum { N = 4, ROUNDS = 2000 };
	volatile int *u = shared();
	pid_t pid[N];

	for (int i = 0; i < N; i++)
		pid[i] = CHILD({
			for (int k = 0; k < ROUNDS; k++) {
				int c = 0;
				if (!__atomic_compare_exchange_n(u, &c, 1, 0, __ATOMIC_SEQ_CST,
								 __ATOMIC_SEQ_CST))
					while (__atomic_exchange_n(u, 2, __ATOMIC_SEQ_CST) != 0)
						futex(u, F_WAIT, 2, NULL, NULL, 0);
				int v = u[16];
				if (k % 64 == 0)
					syscall(SYS_sched_yield);
				u[16] = v + 1;
				if (__atomic_exchange_n(u, 0, __ATOMIC_SEQ_CST) == 2)
					futex(u, F_WAKE, 1, NULL, NULL, 0);
			}
		});
	for (int i = 0; i < N; i++)
		CHECK_EXIT(pid[i], 0);
	CHECK_EQ(u[16], N * ROUNDS);
}

TEST(stopped_twice,
     "a wait with a timeout that ends when its process is stopped and continued twice")
{
	volatile int *u = shared();
	pid_t pid = CHILD({
		struct timespec ts = {0, 300000000};
		CHECK_ERRNO(futex(u, F_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
	});

	for (int i = 0; i < 3; i++) {
		ut_wait_state(pid, 'S');
		OK(kill(pid, SIGSTOP));
		ut_wait_state(pid, 'T');
		OK(kill(pid, SIGCONT));
	}
	CHECK_EXIT(pid, 0);
	/* What was to be restarted is over: a bare restart_syscall has nothing to do. */
	ut_msleep(1);
	CHECK_ERRNO(syscall(SYS_restart_syscall), EINTR);
	/* A relative time is never one of the wall clock. */
	struct timespec ts = {0, 1000000};
	CHECK_ERRNO(futex(u, F_WAIT | F_REALTIME, 0, &ts, NULL, 0), ENOSYS);
}

/* What the kernel reads when a thread dies: struct robust_list_head, and one lock in a list. */
struct robust {
	struct robust *next;
	long offset;
	void *pending;
	struct robust *self; /* the list: one entry */
	int word;
};

TEST(robust, "a lock of a dead thread that is not marked, or whose waiter sleeps on")
{
	struct robust *r = (struct robust *)shared();
	pid_t pid, w;
	int held;

	for (int pending = 0; pending < 2; pending++) {
		r->word = 0;
		pid = CHILD({
			r->next = pending ? r : (struct robust *)&r->self;
			r->self = r;
			r->offset = pending ? offsetof(struct robust, word) :
					      offsetof(struct robust, word) -
						      offsetof(struct robust, self);
			r->pending = pending ? r : NULL;
			OK(syscall(SYS_set_robust_list, r, 24));
			r->word = (int)(gettid() | (int)0x80000000);
			ut_msleep(100);
		});
		while (!(held = *(volatile int *)&r->word))
			ut_msleep(1);
		w = CHILD({ CHECK_EQ(futex(&r->word, F_WAIT, held, NULL, NULL, 0), 0); });
		CHECK_EXIT(pid, 0);
		CHECK_EQ(r->word, (int)0xc0000000);
		CHECK_EXIT(w, 0);
	}
	/* It had let go of the lock already, but died before it could wake the next. */
	r->word = 0;
	w = CHILD({ CHECK_EQ(futex(&r->word, F_WAIT, 0, NULL, NULL, 0), 0); });
	ut_wait_state(w, 'S');
	pid = CHILD({
		r->next = r;
		r->offset = offsetof(struct robust, word);
		r->pending = r;
		OK(syscall(SYS_set_robust_list, r, 24));
	});
	CHECK_EXIT(pid, 0);
	CHECK_EXIT(w, 0);
	CHECK_EQ(r->word, 0);
}
