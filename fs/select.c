/* SPDX-License-Identifier: MIT */
/*
 * poll(2), select(2) and their p-forms.
 *
 * A file's poll() names the wait queues that signal a change (poll_wait) and says what is ready. The
 * first round over all files queues an entry on each; the entries stay queued while the caller
 * sleeps and looks again. An entry's wake function notes `triggered` before it wakes the thread, and
 * the thread does not sleep if that is set: looking at a file may itself sleep and so lose a plain
 * wake-up, but never the note.
 *
 * The entries of up to 8 queues lie on the stack, more in chunks from kmalloc. Each holds a
 * reference on its file, as a descriptor may be closed by another thread meanwhile.
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

#define NR_STACK_ENTRIES 8
#define NR_CHUNK_ENTRIES 32

struct poll_entry {
	struct wait_entry we;
	struct wait_queue *wq;
	struct file *file;
	struct poll_table *table;
};

struct poll_chunk {
	struct poll_chunk *next;
	unsigned int nr;
	struct poll_entry entries[NR_CHUNK_ENTRIES];
};

struct poll_table {
	struct thread *thread;
	bool queueing;  /* first round */
	bool triggered; /* set by a waker */
	int error;      /* no memory for an entry */
	unsigned int nr;
	struct poll_entry entries[NR_STACK_ENTRIES];
	struct poll_chunk *chunks;
};

static bool poll_wake(struct wait_entry *we, unsigned long key __unused)
{
	struct poll_table *pt = container_of(we, struct poll_entry, we)->table;

	__atomic_store_n(&pt->triggered, true, __ATOMIC_SEQ_CST);
	return thread_wake(pt->thread);
}

static struct poll_entry *new_poll_entry(struct poll_table *pt)
{
	if (pt->nr < NR_STACK_ENTRIES)
		return &pt->entries[pt->nr++];
	if (!pt->chunks || pt->chunks->nr == NR_CHUNK_ENTRIES) {
		struct poll_chunk *c = kmalloc(sizeof(*c), GFP_KERNEL);

		if (!c)
			return NULL;
		c->nr = 0;
		c->next = pt->chunks;
		pt->chunks = c;
	}
	return &pt->chunks->entries[pt->chunks->nr++];
}

void poll_wait(struct file *f, struct wait_queue *wq, struct poll_table *pt)
{
	struct poll_entry *e;

	if (!pt || !pt->queueing)
		return;
	e = new_poll_entry(pt);
	if (!e) {
		pt->error = -ENOMEM;
		return;
	}
	wait_entry_init(&e->we, false);
	e->we.func = poll_wake;
	e->wq = wq;
	e->file = get_file(f);
	e->table = pt;
	add_wait_queue(wq, &e->we);
}

static u32 vfs_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return f->ops->poll(f, pt);
}

static void poll_start(struct poll_table *pt)
{
	pt->thread = current_thread();
	pt->queueing = true;
	pt->triggered = false;
	pt->error = 0;
	pt->nr = 0;
	pt->chunks = NULL;
}

static void unqueue(struct poll_entry *e, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		remove_wait_queue(e[i].wq, &e[i].we);
		fput(e[i].file);
	}
}

static void poll_end(struct poll_table *pt)
{
	unqueue(pt->entries, pt->nr);
	while (pt->chunks) {
		struct poll_chunk *c = pt->chunks;

		pt->chunks = c->next;
		unqueue(c->entries, c->nr);
		kfree(c);
	}
}

/* Sleeps until triggered, a signal, or the absolute time. True if the time is over. */
static bool poll_sleep(struct poll_table *pt, ktime_t expires)
{
	bool over = false;

	set_current_state(THREAD_INTERRUPTIBLE);
	if (!__atomic_load_n(&pt->triggered, __ATOMIC_SEQ_CST))
		over = schedule_timeout_until(expires) <= 0 && expires != KTIME_MAX;
	set_current_state(THREAD_RUNNING);
	__atomic_store_n(&pt->triggered, false, __ATOMIC_SEQ_CST);
	return over;
}

/* Looks with look(arg, pt) until something is ready: that number, 0 when the time is over, or
 * -errno (-EINTR for a signal). expires 0: only look. */
static int poll_loop(int (*look)(void *arg, struct poll_table *pt), void *arg, ktime_t expires)
{
	struct poll_table pt;
	bool over = expires == 0;
	int ready;

	poll_start(&pt);
	if (over)
		pt.queueing = false;
	for (;;) {
		ready = look(arg, &pt);
		pt.queueing = false;
		if (ready || over)
			break;
		ready = pt.error;
		if (ready)
			break;
		ready = signal_pending() ? -EINTR : 0;
		if (ready)
			break;
		over = poll_sleep(&pt, expires);
	}
	poll_end(&pt);
	return ready;
}

/* --- poll --------------------------------------------------------------------------------- */

struct pollfd {
	int fd;
	s16 events, revents;
};

struct poll_set {
	struct pollfd *fds;
	unsigned int nr;
};

static u16 poll_one(const struct pollfd *p, struct poll_table *pt)
{
	struct file *f;
	u32 ready;

	if (p->fd < 0)
		return 0;
	f = fget(p->fd);
	if (!f)
		return POLLNVAL;
	ready = vfs_poll(f, pt) & ((u16)p->events | POLLERR | POLLHUP);
	fput(f);
	return (u16)ready;
}

static int poll_look(void *arg, struct poll_table *pt)
{
	struct poll_set *set = arg;
	int ready = 0;

	for (unsigned int i = 0; i < set->nr; i++) {
		set->fds[i].revents = (s16)poll_one(&set->fds[i], pt);
		if (set->fds[i].revents) {
			ready++;
			pt->queueing = false; /* will not sleep */
		}
	}
	return ready;
}

static int copy_revents(struct pollfd __user *ufds, const struct poll_set *set)
{
	for (unsigned int i = 0; i < set->nr; i++)
		/* By bytes: the array need not be aligned. */
		if (put_user(set->fds[i].revents,
			     (short __user *)((char __user *)(ufds + i) +
					      offsetof(struct pollfd, revents))))
			return -EFAULT;
	return 0;
}

static long poll_fds(struct pollfd __user *ufds, unsigned int nr, ktime_t expires)
{
	struct pollfd fast[NR_STACK_ENTRIES];
	struct poll_set set = {fast, nr};
	long ret;

	if (nr > rlimit(RLIMIT_NOFILE))
		return -EINVAL;
	if (nr > ARRAY_SIZE(fast)) {
		set.fds = kvmalloc(nr * sizeof(*set.fds), GFP_KERNEL);
		if (!set.fds)
			return -ENOMEM;
	}
	ret = -EFAULT;
	if (!copy_from_user(set.fds, ufds, nr * sizeof(*set.fds))) {
		ret = poll_loop(poll_look, &set, expires);
		if (ret >= 0 && copy_revents(ufds, &set))
			ret = -EFAULT;
	}
	if (set.fds != fast)
		kvfree(set.fds);
	return ret;
}

static long poll_restart(struct restart_block *rb)
{
	long ret = poll_fds((struct pollfd __user *)rb->arg[0], (unsigned int)rb->arg[1],
			    (ktime_t)rb->arg[2]);

	if (ret != -EINTR)
		return ret;
	rb->fn = poll_restart; /* after a stop it goes on, until the same time */
	return -ERESTART_RESTARTBLOCK;
}

SYSCALL3(poll, struct pollfd __user *, ufds, unsigned int, nr, int, timeout_ms)
{
	ktime_t expires = timeout_ms < 0 ? KTIME_MAX : deadline_after(timeout_ms * NSEC_PER_MSEC);
	struct restart_block *rb = &current->restart;

	rb->arg[0] = (u64)ufds;
	rb->arg[1] = nr;
	rb->arg[2] = (u64)expires;
	return poll_restart(rb);
}

/* --- times -------------------------------------------------------------------------------- */

/* Tells how much was left (select in units of 1000 ns); a read-only timespec is no reason to fail.
 * Then the old signal mask is back, unless a handler shall run under the temporary one first. */
static long finish_timed(long ret, struct timespec64 __user *uts, ktime_t expires, bool masked,
			 int unit)
{
	if (ret == -EINTR)
		ret = -ERESTARTNOHAND;
	else if (masked)
		restore_saved_sigmask();
	if (uts && expires != KTIME_MAX) {
		struct timespec64 left = ns_to_timespec64(max(expires - ktime_get(), (ktime_t)0));

		left.tv_nsec /= unit;
		if (copy_to_user(uts, &left, sizeof(left)) && ret == -ERESTARTNOHAND)
			ret = -EINTR; /* it could not be restarted with what is left */
	}
	return ret;
}

SYSCALL5(ppoll, struct pollfd __user *, ufds, unsigned int, nr, struct timespec64 __user *, uts,
	 const sigset_t __user *, mask, size_t, mask_size)
{
	ktime_t expires;
	long ret = get_user_deadline(uts, &expires);

	if (!ret && mask)
		ret = set_user_sigmask(mask, mask_size);
	if (ret)
		return ret;
	return finish_timed(poll_fds(ufds, nr, expires), uts, expires, mask, 1);
}

/* --- select ------------------------------------------------------------------------------- */

#define SELECT_IN  (POLLIN | POLLRDNORM | POLLHUP | POLLERR)
#define SELECT_OUT (POLLOUT | POLLWRNORM | POLLERR)
#define SELECT_EX  POLLPRI

struct select_set {
	unsigned int nr, words;
	unsigned long *in, *out, *ex;    /* asked */
	unsigned long *rin, *rout, *rex; /* ready */
};

static int select_one(struct select_set *s, unsigned int fd, struct poll_table *pt)
{
	bool in = test_bit(fd, s->in), out = test_bit(fd, s->out), ex = test_bit(fd, s->ex);
	struct file *f;
	int ready = 0;
	u32 events;

	f = fget((int)fd);
	if (!f)
		return -EBADF;
	events = vfs_poll(f, pt);
	fput(f);
	if (in && (events & SELECT_IN)) {
		__set_bit(fd, s->rin);
		ready++;
	}
	if (out && (events & SELECT_OUT)) {
		__set_bit(fd, s->rout);
		ready++;
	}
	if (ex && (events & SELECT_EX)) {
		__set_bit(fd, s->rex);
		ready++;
	}
	return ready;
}

static int select_look(void *arg, struct poll_table *pt)
{
	struct select_set *s = arg;
	int ready = 0;

	for (unsigned int w = 0; w < s->words; w++) {
		unsigned long asked = s->in[w] | s->out[w] | s->ex[w];

		for (; asked; asked &= asked - 1) {
			unsigned int fd = w * 64 + (unsigned int)__builtin_ctzl(asked);
			int ret = fd < s->nr ? select_one(s, fd, pt) : 0;

			if (ret < 0)
				return ret;
			if (ret)
				pt->queueing = false;
			ready += ret;
		}
	}
	return ready;
}

/* The user's sets are whole words, as long as nr asks for. */
static int get_fd_set(unsigned long *set, const void __user *uset, unsigned int words)
{
	memset(set, 0, words * 8);
	return uset && copy_from_user(set, uset, words * 8) ? -EFAULT : 0;
}

static int put_fd_set(void __user *uset, const unsigned long *set, unsigned int words)
{
	return uset && copy_to_user(uset, set, words * 8) ? -EFAULT : 0;
}

static long do_select(int nr, void __user *uin, void __user *uout, void __user *uex,
		      ktime_t expires)
{
	unsigned long fast[6 * 4], *bits = fast, limit = rlimit(RLIMIT_NOFILE);
	struct select_set s;
	long ret;

	if (nr < 0)
		return -EINVAL;
	s.nr = (unsigned int)nr;
	if (s.nr > limit)
		s.nr = (unsigned int)limit; /* none above can be open */
	s.words = DIV_ROUND_UP(s.nr, 64u);
	if (s.words > 4) {
		bits = kvmalloc(s.words * 6UL * 8, GFP_KERNEL);
		if (!bits)
			return -ENOMEM;
	}
	s.in = bits;
	s.out = s.in + s.words;
	s.ex = s.out + s.words;
	s.rin = s.ex + s.words;
	s.rout = s.rin + s.words;
	s.rex = s.rout + s.words;
	ret = -EFAULT;
	if (get_fd_set(s.in, uin, s.words) || get_fd_set(s.out, uout, s.words) ||
	    get_fd_set(s.ex, uex, s.words))
		goto out;
	memset(s.rin, 0, s.words * 3UL * 8);
	ret = poll_loop(select_look, &s, expires);
	if (ret >= 0 && (put_fd_set(uin, s.rin, s.words) || put_fd_set(uout, s.rout, s.words) ||
			 put_fd_set(uex, s.rex, s.words)))
		ret = -EFAULT;
out:
	if (bits != fast)
		kvfree(bits);
	return ret;
}

SYSCALL5(select, int, nr, void __user *, in, void __user *, out, void __user *, ex,
	 struct timespec64 __user *, utv)
{
	ktime_t expires = KTIME_MAX;
	struct timespec64 ts;
	int err;

	if (utv) {
		/* A timeval: microseconds, which may be more than a second's. */
		if (copy_from_user(&ts, utv, sizeof(ts)))
			return -EFAULT;
		if (__builtin_add_overflow(ts.tv_sec, ts.tv_nsec / 1000000, &ts.tv_sec))
			return -EINVAL;
		ts.tv_nsec = ts.tv_nsec % 1000000 * NSEC_PER_USEC;
		err = timespec_to_ktime(&ts, &expires);
		if (err)
			return err;
		expires = deadline_after(expires);
	}
	return finish_timed(do_select(nr, in, out, ex, expires), utv, expires, false,
			    NSEC_PER_USEC);
}

SYSCALL6(pselect6, int, nr, void __user *, in, void __user *, out, void __user *, ex,
	 struct timespec64 __user *, uts, void __user *, usig)
{
	struct {
		const sigset_t __user *mask;
		size_t size;
	} sig = {NULL, 0};
	ktime_t expires;
	long ret;

	if (usig && copy_from_user(&sig, usig, sizeof(sig)))
		return -EFAULT;
	ret = get_user_deadline(uts, &expires);
	if (!ret && sig.mask)
		ret = set_user_sigmask(sig.mask, sig.size);
	if (ret)
		return ret;
	return finish_timed(do_select(nr, in, out, ex, expires), uts, expires, sig.mask, 1);
}
