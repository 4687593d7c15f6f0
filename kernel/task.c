/* SPDX-License-Identifier: MIT */
/*
 * The table of tasks and processes.
 *
 * Problem: find a thread, a process, a process group or a session by its number; keep a number from
 * being used again while any of the four still has it; let others look at a task that may exit.
 *
 * Idea: three hash tables of intrusive lists, all under tasklist_lock. A number is free when none of
 * the three knows it, so there is no bitmap to keep in step. A task enters the tables in the last
 * step of fork that can fail, and so never leaves them half made.
 *
 *	task     count = 1 (in the table) + 1 (its stack is in use) + those who looked it up
 *	process  count = 1 (in the table) + 1 for each task + those who looked it up
 *
 * The last reference frees. The one of the running stack is dropped in thread_dead(), by the thread
 * that runs next and in a place where nothing may sleep: if it is the last, the task goes on a list
 * that the next fork or wait frees.
 *
 * Locking: tasklist_lock (a spinlock, interrupts off), then siglock for what signals look at.
 *
 * Simplified: no pid namespaces, one lock for the whole table, no RCU: looking up costs the lock.
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/hash.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/random.h>
#include <kernel/lib/string.h>
#include <kernel/x86/fpu.h>
#include <mm/page_owner.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>

#define HASH_BITS 8 /* 256 lists: 4 KiB a table, ten entries a list with 2,500 processes */
#define HASH_SIZE (1u << HASH_BITS)

spinlock_t tasklist_lock = SPINLOCK_INIT(LOCK_TASK);
struct list_head all_processes = LIST_HEAD_INIT(all_processes);
struct process *init_process;
void (*tty_session_exit_hook)(struct process *leader);
void (*tty_info_hook)(const struct tty *tty, kdev_t *dev, pid_t *pgrp);

static struct list_head pid_hash[HASH_SIZE], pgrp_hash[HASH_SIZE], sid_hash[HASH_SIZE];
static pid_t last_pid = 1;    /* (T) 1 is kept for init */
static unsigned int nr_tasks; /* (T) */
static u64 total_forks;       /* (T) */
static struct kmem_cache *task_cache, *process_cache, *fpu_cache;

static struct task boot_task; /* pid 0, the idle thread */
struct process boot_process;  /* its process, the parent of kernel threads */

static spinlock_t dead_lock = SPINLOCK_INIT(LOCK_LEAF);
static LIST_HEAD(dead_tasks); /* (dead_lock) through task->pid_hash */

static unsigned int hash_id(pid_t id)
{
	return (unsigned int)id & (HASH_SIZE - 1);
}

/* ---- lookup ---------------------------------------------------------------------------- */

struct task *task_find_locked(pid_t tid)
{
	struct task *t;

	assert_spin_held(&tasklist_lock);
	list_for_each_entry(t, &pid_hash[hash_id(tid)], pid_hash)
		if (t->pid == tid)
			return t;
	return NULL;
}

struct process *process_find_locked(pid_t pid)
{
	struct task *t = task_find_locked(pid);

	return t && t->proc->pid == pid ? t->proc : NULL;
}

struct task *task_find_get(pid_t tid)
{
	guard_irq(&tasklist_lock);
	struct task *t = task_find_locked(tid);

	if (t)
		atomic_inc(&t->count);
	return t;
}

struct process *process_next_get(pid_t *pid)
{
	struct process *p;

	guard_irq(&tasklist_lock);
	list_for_each_entry(p, &all_processes, all_node) {
		if (p->pid >= *pid) {
			*pid = p->pid;
			atomic_inc(&p->count);
			return p;
		}
	}
	return NULL;
}

struct process *pgrp_first(pid_t pgid)
{
	struct process *p;

	assert_spin_held(&tasklist_lock);
	list_for_each_entry(p, &pgrp_hash[hash_id(pgid)], pgrp_node)
		if (p->pgid == pgid)
			return p;
	return NULL;
}

struct process *pgrp_next(struct process *p)
{
	const struct list_head *head = &pgrp_hash[hash_id(p->pgid)];
	pid_t pgid = p->pgid;
	struct list_head *pos;

	for (pos = p->pgrp_node.next; pos != head; pos = pos->next) {
		p = list_entry(pos, struct process, pgrp_node);
		if (p->pgid == pgid)
			return p;
	}
	return NULL;
}

bool pgrp_exists(pid_t pgid)
{
	return pgrp_first(pgid) != NULL;
}

static bool session_exists(pid_t sid)
{
	struct process *p;

	list_for_each_entry(p, &sid_hash[hash_id(sid)], sid_node)
		if (p->sid == sid)
			return true;
	return false;
}

/* ---- references -------------------------------------------------------------------------- */

void process_put(struct process *p)
{
	if (!atomic_dec_and_test(&p->count))
		return;
	assert(list_empty(&p->threads) && list_empty(&p->children));
	signals_release_pending(&p->shared_pending);
	for (sigset_t set = p->action_set; set; set &= set - 1)
		p->action[__builtin_ctzl(set)] = (struct k_sigaction){};
	kmem_cache_free(process_cache, p);
}

void task_free(struct task *t)
{
	struct process *p = t->proc;

	assert(!t->thread.mm && !t->files && !t->fs);
	signals_release_pending(&t->pending);
	if (t->thread.fpu)
		kmem_cache_free(fpu_cache, t->thread.fpu);
	kstack_free(t->thread.kstack);
	kmem_cache_free(task_cache, t);
	if (p)
		process_put(p);
}

void task_put(struct task *t)
{
	if (atomic_dec_and_test(&t->count))
		task_free(t);
}

#ifdef PAGE_OWNER
static void own_ids(int *pid, int *tgid)
{
	*pid = current->pid;
	*tgid = current->proc ? current->proc->pid : 0;
}
#endif

/* sched_hooks.thread_dead: the stack is free, but nothing here may sleep. */
static void thread_dead(struct thread *thread)
{
	struct task *t = task_of(thread);

	if (!atomic_dec_and_test(&t->count))
		return;
	guard_irq(&dead_lock);
	list_add_tail(&t->pid_hash, &dead_tasks);
}

void task_reap_dead(void)
{
	LIST_HEAD(list);
	struct task *t, *next;
	unsigned long flags;

	if (list_empty(&dead_tasks))
		return;
	flags = spin_lock_irqsave(&dead_lock);
	list_splice_tail(&dead_tasks, &list);
	spin_unlock_irqrestore(&dead_lock, flags);
	list_for_each_entry_safe(t, next, &list, pid_hash)
		task_free(t);
}

/* A task's mm stays while siglock is held: exit and exec change thread.mm under it. */
struct mm_struct *process_mm_locked(struct process *p)
{
	struct task *t;

	assert_spin_held(&p->siglock);
	list_for_each_entry(t, &p->threads, thread_node)
		if (t->thread.mm)
			return t->thread.mm;
	return NULL;
}

struct mm_struct *process_get_mm(struct process *p)
{
	guard_irq(&p->siglock);
	struct mm_struct *mm = process_mm_locked(p);

	if (mm)
		mm_get_user(mm);
	return mm;
}

struct files_struct *task_get_files(struct task *t)
{
	guard_irq(&t->proc->siglock);
	return t->files ? files_get(t->files) : NULL;
}

struct fs_struct *task_get_fs(struct task *t)
{
	guard_irq(&t->proc->siglock);
	return t->fs ? fs_get(t->fs) : NULL;
}

/* ---- birth --------------------------------------------------------------------------------- */

static void process_setup(struct process *p)
{
	atomic_set(&p->count, 1);
	list_init(&p->threads);
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->all_node);
	list_init(&p->pgrp_node);
	list_init(&p->sid_node);
	list_init(&p->shared_pending.queue);
	spin_lock_init(&p->siglock, LOCK_SIGHAND);
	wait_queue_init(&p->wait_child);
	timer_init(&p->real_timer, itimer_real_fn);
	p->dumpable = 1;
	p->start_time = ktime_get();
}

/* The actions are all zero in a free one, too: they are the bulk of it, and most are never set. */
static void process_construct(void *obj)
{
	memset(((struct process *)obj)->action, 0, sizeof(((struct process *)obj)->action));
}

/* Without rlim: the caller copies or clears it. */
struct process *process_alloc(void)
{
	struct process *p = kmem_cache_alloc(process_cache, GFP_KERNEL);
	const size_t after = offsetof(struct process, rlim) + sizeof(p->rlim);

	if (!p)
		return NULL;
	memset(p, 0, offsetof(struct process, action));
	memset(&p->shared_pending, 0,
	       offsetof(struct process, rlim) - offsetof(struct process, shared_pending));
	memset((char *)p + after, 0, sizeof(*p) - after);
	process_setup(p);
	return p;
}

/* A different value for each thread, from one random number: chacha20 would be a tenth of fork's
 * cost. (splitmix64; a zero byte below stops string overruns.) */
static unsigned long new_canary(void)
{
	static u64 state;
	u64 z;

	if (unlikely(!state))
		state = get_random_u64() | 1;
	z = __atomic_add_fetch(&state, GOLDEN_RATIO_64, __ATOMIC_RELAXED);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31) & ~0xffUL;
}

static void task_setup(struct task *t)
{
	list_init(&t->thread_node);
	list_init(&t->pid_hash);
	list_init(&t->pending.queue);
	t->exit_signal = SIGCHLD;
	atomic_set(&t->count, 2);
}

struct task *task_alloc(void)
{
	struct task *t = kmem_cache_alloc(task_cache, GFP_KERNEL | __GFP_ZERO);

	if (!t)
		return NULL;
	t->thread.kstack = kstack_alloc(0);
	if (!t->thread.kstack) {
		kmem_cache_free(task_cache, t);
		return NULL;
	}
	task_setup(t);
	t->thread.canary = new_canary();
	t->tf = (struct trapframe *)((u64)t->thread.kstack + KSTACK_SIZE) - 1;
	return t;
}

/* Contents undefined. */
struct fpu_state *fpu_state_alloc(void)
{
	return kmem_cache_alloc(fpu_cache, GFP_KERNEL);
}

static bool pid_in_use(pid_t pid)
{
	return task_find_locked(pid) || pgrp_exists(pid) || session_exists(pid);
}

int sysctl_pid_max = 32768;

static pid_t pid_alloc(void)
{
	pid_t pid = last_pid, limit = READ_ONCE(sysctl_pid_max);

	for (int tries = 0; tries < limit; tries++) {
		if (++pid >= limit)
			pid = RESERVED_PIDS;
		if (!pid_in_use(pid)) {
			last_pid = pid;
			return pid;
		}
	}
	return 0;
}

void process_set_parent(struct process *p, struct process *parent)
{
	assert_spin_held(&tasklist_lock);
	list_del(&p->sibling);
	p->parent = parent;
	WRITE_ONCE(p->ppid, parent->pid);
	list_add_tail(&p->sibling, &parent->children);
}

void process_set_pgrp(struct process *p, pid_t pgid)
{
	assert_spin_held(&tasklist_lock);
	list_del(&p->pgrp_node);
	p->pgid = pgid;
	list_add_tail(&p->pgrp_node, &pgrp_hash[hash_id(pgid)]);
}

void process_set_session(struct process *p, pid_t sid)
{
	assert_spin_held(&tasklist_lock);
	list_del(&p->sid_node);
	p->sid = sid;
	list_add_tail(&p->sid_node, &sid_hash[hash_id(sid)]);
}

/* all_processes is in pid order; a new pid is nearly always the highest. */
static void insert_sorted(struct process *p)
{
	struct list_head *pos = all_processes.prev;

	while (pos != &all_processes && list_entry(pos, struct process, all_node)->pid > p->pid)
		pos = pos->prev;
	list_add(&p->all_node, pos);
}

static void publish_process(struct process *p, struct task *leader, struct process *parent)
{
	p->pid = leader->pid;
	p->leader = leader;
	process_set_parent(p, parent);
	process_set_pgrp(p, p->pgid);
	process_set_session(p, p->sid);
	insert_sorted(p);
}

int task_publish(struct task *t, struct process *parent, pid_t fixed_pid)
{
	struct process *p = t->proc;
	pid_t pid = fixed_pid ? fixed_pid : pid_alloc();

	assert_spin_held(&tasklist_lock);
	if (!pid)
		return -EAGAIN;
	guard_spin(&p->siglock);
	if (p == current->proc && signal_pending())
		return -ERESTARTNOINTR;
	t->pid = pid;
	t->thread.id = (u32)pid;
	if (parent)
		publish_process(p, t, parent);
	list_add_tail(&t->pid_hash, &pid_hash[hash_id(pid)]);
	list_add_tail(&t->thread_node, &p->threads);
	p->nr_threads++;
	atomic_inc(&p->live);
	nr_tasks++;
	total_forks++;
	return 0;
}

void task_change_pid(struct task *t, pid_t pid)
{
	assert_spin_held(&tasklist_lock);
	list_del(&t->pid_hash);
	t->pid = pid;
	t->thread.id = (u32)pid;
	list_add_tail(&t->pid_hash, &pid_hash[hash_id(pid)]);
}

/* ---- death --------------------------------------------------------------------------------- */

void task_unhash(struct task *t)
{
	struct process *p = t->proc;

	assert_spin_held(&tasklist_lock);
	list_del(&t->pid_hash);
	nr_tasks--;
	guard_spin(&p->siglock);
	list_del(&t->thread_node);
	p->nr_threads--;
}

void process_release(struct process *p)
{
	assert(p->zombie && p->nr_threads == 1);
	task_unhash(p->leader);
	list_del(&p->sibling);
	list_del(&p->all_node);
	list_del(&p->pgrp_node);
	list_del(&p->sid_node);
}

unsigned int nr_threads_all(void)
{
	return READ_ONCE(nr_tasks);
}

u64 nr_forks(void)
{
	return READ_ONCE(total_forks);
}

pid_t last_pid_used(void)
{
	return READ_ONCE(last_pid);
}

/* An eighth of memory at most for kernel stacks, as Linux; 20 are always allowed. */
unsigned int max_threads(void)
{
	unsigned long n = totalram_pages() / (8 * (KSTACK_SIZE / PAGE_SIZE));

	return (unsigned int)min(max(n, 20UL), (unsigned long)PID_MAX_LIMIT);
}

/* ---- boot ------------------------------------------------------------------------------------ */

static void boot_process_init(void)
{
	process_setup(&boot_process);
	boot_process.leader = &boot_task;
	list_add_tail(&boot_task.thread_node, &boot_process.threads);
	boot_process.nr_threads = 1;
	atomic_set(&boot_process.live, 1);
	/* Kernel threads are its children and nobody waits for them. */
	boot_process.action[SIGCHLD - 1].handler = SIG_IGN;
	boot_process.action_set = sigmask(SIGCHLD);
	rlimits_init(&boot_process);
}

void idle_task_init(struct task *t, unsigned int cpu)
{
	t->proc = &boot_process;
	t->fs = &init_fs;
	t->blocked = ~0UL;
	t->cred.caps = root_caps;
	t->thread.flags = THREAD_KTHREAD;
	t->thread.kstack_top = (u64)t->thread.kstack + KSTACK_SIZE;
	scnprintf(t->thread.comm, sizeof(t->thread.comm), "swapper/%u", cpu);
}

void task_init(void)
{
	for (unsigned int i = 0; i < HASH_SIZE; i++) {
		list_init(&pid_hash[i]);
		list_init(&pgrp_hash[i]);
		list_init(&sid_hash[i]);
	}
	task_cache = kmem_cache_create("task_struct", sizeof(struct task), 0, SLAB_PANIC, NULL);
	process_cache = kmem_cache_create("signal_cache", sizeof(struct process), 0, SLAB_PANIC,
					  process_construct);
	fpu_cache = kmem_cache_create("fpu_state", fpu_state_size(), 64, SLAB_PANIC, NULL);
	signal_init();
	futex_init();
	sched_adopt_boot_thread(&boot_task.thread);
	task_setup(&boot_task);
	boot_task.proc = &boot_process;
	boot_task.fs = &init_fs;
	boot_task.blocked = ~0UL;
	boot_task.cred.caps = root_caps;
	boot_task.thread.flags |= THREAD_KTHREAD;
	boot_process_init();
	sched_hooks.switch_mm = mm_switch;
	sched_hooks.thread_dead = thread_dead;
	sched_hooks.signal_pending = signal_pending_task;
	sched_hooks.tick = task_tick;
#ifdef PAGE_OWNER
	page_owner_ids = own_ids;
#endif
}
