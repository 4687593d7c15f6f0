/* SPDX-License-Identifier: MIT */
/*
 * Futexes: sleep until a word of user memory changes.
 *
 * Problem: a lock in user memory costs no system call while nobody has to wait. Who must wait tells
 * the kernel the value he saw; he may sleep only if the word still has it, and who changes the word
 * afterwards must find him.
 *
 * Idea: a hash table of queues, keyed by the word's identity. The waiter queues itself and compares
 * the word under the bucket's lock; the waker changes the word first and then takes the same lock:
 * one of the two sees the other.
 *
 *	key of a private word:	the mm and the address
 *	key of a shared word:	the file's mapping and the offset in it, so that it is the same from
 *				every space; words in private memory have private keys all the same
 *
 * A word that is not in memory cannot be read under a spinlock: it is tried with faults disabled,
 * and if that fails, faulted in without the lock, and all starts again.
 *
 * Locking: bucket locks, two of them in order of address (requeue). A waiter's bucket may change by
 * requeue: whoever wants to take it off looks at q->bucket again once it has the lock.
 *
 * Simplified: no priority inheritance.
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/hash.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

#define FUTEX_WAIT             0
#define FUTEX_WAKE             1
#define FUTEX_REQUEUE          3
#define FUTEX_CMP_REQUEUE      4
#define FUTEX_WAKE_OP          5
#define FUTEX_WAIT_BITSET      9
#define FUTEX_WAKE_BITSET      10
#define FUTEX_PRIVATE_FLAG     128
#define FUTEX_CLOCK_REALTIME   256
#define FUTEX_BITSET_MATCH_ANY 0xffffffffu

#define FUTEX_WAITERS     0x80000000u
#define FUTEX_OWNER_DIED  0x40000000u
#define FUTEX_TID_MASK    0x3fffffffu
#define ROBUST_LIST_LIMIT 2048 /* a list that goes in circles ends here */

#define HASH_BITS 7

struct futex_key {
	const void *object; /* mm, or mapping */
	u64 offset;
};

struct bucket {
	spinlock_t lock; /* LOCK_FUTEX */
	struct list_head waiters;
};

struct waiter {
	struct list_head link; /* (bucket) */
	struct futex_key key;  /* (bucket) */
	struct bucket *bucket; /* (bucket) NULL once it has been woken */
	struct thread *thread;
	u32 bitset;
};

static struct bucket buckets[1u << HASH_BITS];

void futex_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(buckets); i++) {
		spin_lock_init(&buckets[i].lock, LOCK_FUTEX);
		list_init(&buckets[i].waiters);
	}
}

static struct bucket *bucket_of(const struct futex_key *k)
{
	return &buckets[hash_long((unsigned long)k->object ^ k->offset * GOLDEN_RATIO_64,
				  HASH_BITS)];
}

static bool same_key(const struct futex_key *a, const struct futex_key *b)
{
	return a->object == b->object && a->offset == b->offset;
}

/* A word in a shared mapping is known by its place in the file. */
static int shared_key(struct mm_struct *mm, vaddr_t addr, struct futex_key *key)
{
	const struct vm_area_struct *vma;
	int err = -EFAULT;

	down_read(&mm->mmap_lock);
	vma = find_vma(mm, addr);
	if (vma && vma->start <= addr) {
		err = 0;
		if (vma->file && vma->file->mapping && (vma->flags & VM_MAYSHARE)) {
			key->object = vma->file->mapping;
			key->offset = (vma->pgoff << PAGE_SHIFT) + (addr - vma->start);
		}
	}
	up_read(&mm->mmap_lock);
	return err;
}

static int get_key(u32 __user *uaddr, bool shared, struct futex_key *key)
{
	vaddr_t addr = (vaddr_t)uaddr;

	if (addr % sizeof(u32))
		return -EINVAL;
	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	*key = (struct futex_key){.object = current_mm(), .offset = addr};
	return shared ? shared_key(current_mm(), addr, key) : 0;
}

/* ---- waking -------------------------------------------------------------------------------- */

/* The bucket's lock is held. The waiter cannot return (and its stack and task go) before it sees
 * bucket NULL, or gets the lock: so that is the last thing that is written. */
static void wake_waiter(struct waiter *w)
{
	assert_spin_held(&w->bucket->lock);
	list_del(&w->link);
	thread_wake(w->thread);
	__atomic_store_n(&w->bucket, NULL, __ATOMIC_RELEASE);
}

/* Wakes nr, and at least one. */
static int wake_locked(struct bucket *b, const struct futex_key *key, int nr, u32 bitset)
{
	struct waiter *w, *next;
	int woken = 0;

	assert_spin_held(&b->lock);
	list_for_each_entry_safe(w, next, &b->waiters, link) {
		if (!same_key(&w->key, key) || !(w->bitset & bitset))
			continue;
		wake_waiter(w);
		if (++woken >= nr)
			break;
	}
	return woken;
}

static int futex_wake(u32 __user *uaddr, bool shared, int nr, u32 bitset)
{
	struct futex_key key;
	struct bucket *b;
	int err = get_key(uaddr, shared, &key);

	if (err)
		return err;
	if (!bitset)
		return -EINVAL;
	b = bucket_of(&key);
	guard_spin(&b->lock);
	return wake_locked(b, &key, nr, bitset);
}

void futex_wake_addr(u32 __user *uaddr, int nr)
{
	(void)futex_wake(uaddr, true, nr, FUTEX_BITSET_MATCH_ANY);
}

/* ---- waiting ------------------------------------------------------------------------------- */

static struct bucket *lock_bucket_of_waiter(struct waiter *w)
{
	for (;;) {
		struct bucket *b = __atomic_load_n(&w->bucket, __ATOMIC_ACQUIRE);

		if (!b)
			return NULL;
		spin_lock(&b->lock);
		if (b == w->bucket)
			return b;
		spin_unlock(&b->lock);
	}
}

/* True: it was still queued, nobody woke it. */
static bool unqueue(struct waiter *w)
{
	struct bucket *b = lock_bucket_of_waiter(w);

	if (!b)
		return false;
	list_del(&w->link);
	w->bucket = NULL;
	spin_unlock(&b->lock);
	return true;
}

/* Queues w if the word is val. 0, -EAGAIN (it is not), -EFAULT. */
static int queue_if_equal(struct waiter *w, u32 __user *uaddr, bool shared, u32 val)
{
	struct bucket *b;
	u32 now;
	int err;

	for (;;) {
		err = get_key(uaddr, shared, &w->key);
		if (err)
			return err;
		b = bucket_of(&w->key);
		spin_lock(&b->lock);
		err = get_user_u32_nofault(&now, uaddr);
		if (!err && now == val) {
			w->bucket = b;
			list_add_tail(&w->link, &b->waiters);
			set_current_state(THREAD_INTERRUPTIBLE);
			spin_unlock(&b->lock);
			return 0;
		}
		spin_unlock(&b->lock);
		if (!err)
			return -EAGAIN;
		err = fault_in_readable(uaddr, sizeof(*uaddr));
		if (err)
			return err;
	}
}

/* expires: ktime_get() or KTIME_MAX. 0, -EAGAIN, -EFAULT, -ETIMEDOUT, -ERESTARTSYS. */
static int futex_wait(u32 __user *uaddr, bool shared, u32 val, ktime_t expires, u32 bitset)
{
	struct waiter w = {.thread = current_thread(), .bitset = bitset};
	ktime_t left = 1;
	int err;

	for (;;) {
		err = queue_if_equal(&w, uaddr, shared, val);
		if (err)
			return err;
		if (READ_ONCE(w.bucket))
			left = schedule_timeout_until(expires);
		set_current_state(THREAD_RUNNING);
		if (!unqueue(&w))
			return 0;
		if (left <= 0)
			return -ETIMEDOUT;
		if (signal_pending())
			return -ERESTARTSYS;
		/* Woken by something else: look at the word again. */
	}
}

static long do_futex_wait(u32 __user *uaddr, bool shared, u32 val, ktime_t expires, u32 bitset);

static long futex_wait_restart(struct restart_block *rb)
{
	return do_futex_wait((u32 __user *)rb->arg[0], rb->arg[3], (u32)rb->arg[1],
			     (ktime_t)rb->arg[2], (u32)rb->arg[4]);
}

static long do_futex_wait(u32 __user *uaddr, bool shared, u32 val, ktime_t expires, u32 bitset)
{
	int err;

	if (!bitset)
		return -EINVAL;
	err = futex_wait(uaddr, shared, val, expires, bitset);
	if (err != -ERESTARTSYS || expires == KTIME_MAX)
		return err;
	/* A restarted call would begin its time anew: go on by restart_syscall. */
	current->restart = (struct restart_block){
		.fn = futex_wait_restart,
		.arg = {(u64)uaddr, val, (u64)expires, shared, bitset},
	};
	return -ERESTART_RESTARTBLOCK;
}

/* ---- two words ----------------------------------------------------------------------------- */

struct pair {
	u32 __user *uaddr[2];
	struct futex_key key[2];
	struct bucket *b[2];
};

static void unlock_pair(const struct pair *p)
{
	spin_unlock(&p->b[0]->lock);
	if (p->b[0] != p->b[1])
		spin_unlock(&p->b[1]->lock);
}

/* Both queues locked, and op's result if it is not negative (its access is done with faults
 * disabled); or an error, nothing locked. *value is op's; touched: which word it accesses. */
static int lock_pair(struct pair *p, bool shared, int (*op)(u32 __user *uaddr, u32 *value),
		     u32 *value, int touched)
{
	for (;;) {
		int err = get_key(p->uaddr[0], shared, &p->key[0]);

		if (!err)
			err = get_key(p->uaddr[1], shared, &p->key[1]);
		if (err)
			return err;
		p->b[0] = bucket_of(&p->key[0]);
		p->b[1] = bucket_of(&p->key[1]);
		spin_lock(&min(p->b[0], p->b[1])->lock);
		if (p->b[0] != p->b[1])
			spin_lock(&max(p->b[0], p->b[1])->lock);
		err = op(p->uaddr[touched], value);
		if (err >= 0)
			return err;
		unlock_pair(p);
		if (err == -EFAULT)
			err = touched ? fault_in_writeable(p->uaddr[1], sizeof(u32)) :
					fault_in_readable(p->uaddr[0], sizeof(u32));
		if (err)
			return err;
	}
}

/* Wakes nr_wake, moves up to nr_move more to the second word. Both locks are held. */
static int requeue_locked(const struct pair *p, int nr_wake, int nr_move)
{
	struct waiter *w, *next;
	int n = 0;

	assert_spin_held(&p->b[0]->lock);
	assert_spin_held(&p->b[1]->lock);
	list_for_each_entry_safe(w, next, &p->b[0]->waiters, link) {
		if (!same_key(&w->key, &p->key[0]))
			continue;
		if (n >= nr_wake + nr_move)
			break;
		if (n++ < nr_wake) {
			wake_waiter(w);
			continue;
		}
		if (p->b[0] != p->b[1]) {
			list_move_tail(&w->link, &p->b[1]->waiters);
			__atomic_store_n(&w->bucket, p->b[1], __ATOMIC_RELEASE);
		}
		w->key = p->key[1];
	}
	return n;
}

static int op_none(u32 __user *uaddr __unused, u32 *value __unused)
{
	return 0;
}

static int op_read(u32 __user *uaddr, u32 *value)
{
	return get_user_u32_nofault(value, uaddr);
}

/* cmp NULL: unconditionally. */
static int futex_requeue(u32 __user *uaddr1, u32 __user *uaddr2, bool shared, int nr_wake,
			 int nr_move, const u32 *cmp)
{
	struct pair p = {.uaddr = {uaddr1, uaddr2}};
	u32 now;
	int ret;

	if (nr_wake < 0 || nr_move < 0)
		return -EINVAL;
	ret = lock_pair(&p, shared, cmp ? op_read : op_none, &now, 0);
	if (ret)
		return ret;
	if (cmp && now != *cmp)
		ret = -EAGAIN;
	else
		ret = requeue_locked(&p, nr_wake, min(nr_move, INT32_MAX - nr_wake));
	unlock_pair(&p);
	return ret;
}

/* FUTEX_WAKE_OP: op | arg_is_shift << 3 (bits 28-31), cmp (24-27), oparg (12-23), cmparg (0-11). */
static int op_value(u32 encoded, u32 old, u32 *new_)
{
	s32 oparg = (s32)(encoded << 8) >> 20;
	u32 op = encoded >> 28;

	if (op & 8)
		oparg = (s32)(1u << (oparg & 31));
	switch (op & 7) {
	case 0:
		*new_ = (u32)oparg;
		return 0;
	case 1:
		*new_ = old + (u32)oparg;
		return 0;
	case 2:
		*new_ = old | (u32)oparg;
		return 0;
	case 3:
		*new_ = old & ~(u32)oparg;
		return 0;
	case 4:
		*new_ = old ^ (u32)oparg;
		return 0;
	default:
		return -ENOSYS;
	}
}

static int op_compare(u32 encoded, u32 old)
{
	s32 arg = (s32)(encoded << 20) >> 20, v = (s32)old;

	switch (encoded >> 24 & 15) {
	case 0:
		return v == arg;
	case 1:
		return v != arg;
	case 2:
		return v < arg;
	case 3:
		return v <= arg;
	case 4:
		return v > arg;
	case 5:
		return v >= arg;
	default:
		return -ENOSYS;
	}
}

/* Changes the word. 1: the old value compares as asked, 0: it does not; -ENOSYS, -EFAULT. */
static int op_change(u32 __user *uaddr, u32 *encoded)
{
	u32 old, new_, seen;
	int err = get_user_u32_nofault(&old, uaddr);

	while (!err) {
		err = op_value(*encoded, old, &new_);
		if (!err)
			err = cmpxchg_user_u32_nofault(uaddr, old, new_, &seen);
		if (err || seen == old)
			break;
		old = seen;
	}
	return err ? err : op_compare(*encoded, old);
}

static int futex_wake_op(u32 __user *uaddr1, u32 __user *uaddr2, bool shared, int nr1, int nr2,
			 u32 encoded)
{
	struct pair p = {.uaddr = {uaddr1, uaddr2}};
	int matches = lock_pair(&p, shared, op_change, &encoded, 1), ret;

	if (matches < 0)
		return matches;
	ret = wake_locked(p.b[0], &p.key[0], nr1, FUTEX_BITSET_MATCH_ANY);
	if (matches)
		ret += wake_locked(p.b[1], &p.key[1], nr2, FUTEX_BITSET_MATCH_ANY);
	unlock_pair(&p);
	return ret;
}

/* ---- the calls ----------------------------------------------------------------------------- */

/* FUTEX_WAIT's time is relative, WAIT_BITSET's absolute; both become ktime_get() time. */
static int get_timeout(const struct timespec64 __user *uts, int cmd, bool realtime,
		       ktime_t *expires)
{
	int err;

	if (cmd == FUTEX_WAIT || !uts)
		return get_user_deadline(uts, expires);
	err = get_user_ktime(uts, expires);
	if (!err && realtime && *expires != KTIME_MAX)
		*expires = max(*expires - (ktime_get_real() - ktime_get()), (ktime_t)0);
	return err;
}

SYSCALL6(futex, u32 __user *, uaddr, int, op, u32, val, const struct timespec64 __user *, uts,
	 u32 __user *, uaddr2, u32, val3)
{
	int cmd = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), err;
	bool shared = !(op & FUTEX_PRIVATE_FLAG);
	ktime_t expires = KTIME_MAX;

	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	if (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET) {
		err = get_timeout(uts, cmd, op & FUTEX_CLOCK_REALTIME, &expires);
		if (err)
			return err;
	}
	switch (cmd) {
	case FUTEX_WAIT:
		return do_futex_wait(uaddr, shared, val, expires, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return do_futex_wait(uaddr, shared, val, expires, val3);
	case FUTEX_WAKE:
		return futex_wake(uaddr, shared, (int)val, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(uaddr, shared, (int)val, val3);
	case FUTEX_REQUEUE:
		return futex_requeue(uaddr, uaddr2, shared, (int)val, (int)(long)uts, NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(uaddr, uaddr2, shared, (int)val, (int)(long)uts, &val3);
	case FUTEX_WAKE_OP:
		return futex_wake_op(uaddr, uaddr2, shared, (int)val, (int)(long)uts, val3);
	default:
		return -ENOSYS;
	}
}

/* ---- robust lists: locks held by a thread that exits ----------------------------------------- */

struct robust_list_head { /* the user's */
	u64 next;
	s64 futex_offset;
	u64 pending;
};

SYSCALL2(set_robust_list, void __user *, head, size_t, len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	current->robust_len = len;
	return 0;
}

SYSCALL3(get_robust_list, pid_t, pid, u64 __user *, uhead, size_t __user *, ulen)
{
	struct task *t = pid ? task_find_get(pid) : current;
	u64 head;

	if (!t)
		return -ESRCH;
	head = (u64)t->robust_list;
	if (pid) {
		bool mine = user_owns_task(t, CAP_SYS_PTRACE);

		task_put(t);
		if (!mine)
			return -EPERM;
	}
	if (put_user(sizeof(struct robust_list_head), ulen) || put_user(head, uhead))
		return -EFAULT;
	return 0;
}

/* The lock word: if this thread holds it, it is marked and one waiter gets its turn. A pending one
 * that is 0 has been unlocked, and perhaps its waiter not yet woken. */
static void owner_died(u32 __user *uaddr, bool pending)
{
	u32 old, seen;

	if ((unsigned long)uaddr % sizeof(u32) || get_user(old, uaddr))
		return;
	if (pending && !old)
		futex_wake_addr(uaddr, 1);
	while ((old & FUTEX_TID_MASK) == (u32)current->pid) {
		if (cmpxchg_user_u32_nofault(uaddr, old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED,
					     &seen)) {
			if (fault_in_writeable(uaddr, sizeof(*uaddr)))
				return;
			continue;
		}
		if (seen == old) {
			if (old & FUTEX_WAITERS)
				futex_wake_addr(uaddr, 1);
			return;
		}
		old = seen;
	}
}

void exit_robust_list(struct task *t)
{
	struct robust_list_head head;
	u64 entry, next;

	if (copy_from_user(&head, t->robust_list, sizeof(head)))
		return;
	entry = head.next;
	for (int i = 0; entry != (u64)t->robust_list && i < ROBUST_LIST_LIMIT; i++) {
		/* Read on before waking: the entry may be gone then. Bit 0 marks a PI lock. */
		if (get_user(next, (u64 __user *)(entry & ~1UL)))
			return;
		if (entry != head.pending)
			owner_died((u32 __user *)((entry & ~1UL) + (u64)head.futex_offset), false);
		entry = next;
		cond_resched();
	}
	if (head.pending)
		owner_died((u32 __user *)((head.pending & ~1UL) + (u64)head.futex_offset), true);
}
