/* SPDX-License-Identifier: MIT */
/*
 * The OOM killer: when nothing is left to reclaim, one process is ended so that the others can go on.
 *
 *	allocator                        oom_reaper                    victim
 *	---------                        ----------                    ------
 *	reclaim: nothing
 *	out_of_memory
 *	  somebody is dying already? ──> wait
 *	  select by policy
 *	  report, SIGKILL ────────────────────────────────────────> exits, if nothing holds it
 *	  wait, a tick at a time         REAP_DELAY later: zap
 *	  | try again                    its private pages
 *	  v                              done: oom_skip, wake
 *
 * Problem 1: the victim may not be able to exit. It may sleep for a lock whose holder waits for memory.
 * So its memory is not waited for but taken: its private pages are zapped from outside, under its
 * mmap_lock for reading, while it still exists. From then on its space is unstable: a fault in it must
 * not find zeroes where there was something, so each entry that is empty gives SIGBUS. (The fault reads
 * the entry, then the mark; the reaper sets the mark, then clears entries.)
 *
 * Problem 2: killing too many. There is one victim at a time: until its space is gone, reaped or given
 * up (REAP_TRIES), whoever runs out of memory waits. Then oom_skip says that there is no more to be had
 * from it, and the next may be chosen.
 *
 * Problem 3: the exit itself needs memory. Its threads may use part of the reserves (thread->oom_victim);
 * one that is dying already and runs out of memory, or is chosen, is not killed but given the same right.
 *
 * Who is chosen is a policy, a function that gives points: vm.oom_policy is "badness", Linux's measure,
 * or "newest", the process that began last (what a fork bomb makes goes before what was there before).
 * Neither sees init, kernel threads, oom_score_adj -1000, and who shares a space with such.
 *
 * Locking: oom_trylock() is a mark that only one has; nobody waits for it but by oom_wait(). The caller
 * may hold any sleeping lock. The victim's fields are written before victim.mm, which the reaper takes
 * back to NULL. Its references are to the structure (mm->count), never to the space: it is torn down by
 * its own users, and the reaper finds it empty then.
 *
 * Simplified against Linux: no cgroups, cpusets and memory policies, so each shortage is the whole
 * machine's. The reaper comes after 20 ms, not two seconds.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/timer.h>
#include <kernel/sched/wait.h>
#include <mm/init.h>
#include <mm/oom.h>
#include <mm/pgtable.h>
#include <mm/trace.h>
#include <mm/vma.h>
#include <mm/vmstat.h>

/* What can exit by itself should: it also marks its robust futexes, which are in the memory that is
 * about to go. A megabyte takes an exit a third of a millisecond. */
#define REAP_DELAY (2 * TICK_NSEC)
/* Ticks that mmap_lock is waited for, whose holder may itself wait for memory: as long as Linux, 1 s. */
#define REAP_TRIES 100

#define K(pages) ((unsigned long)(pages) << (PAGE_SHIFT - 10))

int sysctl_panic_on_oom, sysctl_oom_kill_allocating_task, sysctl_oom_dump_tasks = 1;

static const struct oom_hooks *hooks; /* NULL: it is too early to kill */
static bool oom_busy;                 /* (a) */
static DEFINE_WAIT_QUEUE(oom_done);   /* for the end of a victim, and for a new one */
static struct oom_task victim;        /* mm (a): NULL: none; the rest is of its time */

void oom_register(const struct oom_hooks *h)
{
	hooks = h;
}

bool oom_trylock(void)
{
	return !__atomic_test_and_set(&oom_busy, __ATOMIC_ACQUIRE);
}

void oom_unlock(void)
{
	__atomic_clear(&oom_busy, __ATOMIC_RELEASE);
}

static void sleep_on_oom_done(ktime_t ns)
{
	struct wait_entry we;

	wait_entry_init(&we, false);
	prepare_to_wait(&oom_done, &we, THREAD_UNINTERRUPTIBLE);
	schedule_timeout_until(ktime_get() + ns);
	finish_wait(&oom_done, &we);
}

void oom_wait(void)
{
	sleep_on_oom_done(TICK_NSEC);
}

/* --- policy ---- */

long oom_badness(struct mm_struct *mm, int adj)
{
	long total = (long)(totalram_pages() + total_swap_pages);

	return (long)mm_rss(mm) + mm_counter_read(mm, MM_SWAP) +
	       atomic_long_read(&mm->pgtables_bytes) / (long)PAGE_SIZE + adj * (total / 1000);
}

static long badness_points(const struct oom_task *t)
{
	return t->mm->oom_origin ? INT64_MAX : oom_badness(t->mm, t->adj);
}

static long newest_points(const struct oom_task *t)
{
	return t->start;
}

static const struct oom_policy policies[] = {
	{"badness", badness_points},
	{"newest", newest_points},
};
const struct oom_policy *oom_policy = &policies[0];

const struct oom_policy *oom_policy_nth(unsigned int n)
{
	return n < ARRAY_SIZE(policies) ? &policies[n] : NULL;
}

static void task_put(struct oom_task *t)
{
	if (t->mm)
		mm_put(t->mm);
	t->mm = NULL;
}

/* With a reference; ->mm NULL: there is none. */
static struct oom_task select_victim(void)
{
	struct oom_task best = {.mm = NULL}, t;
	long most = OOM_NEVER;

	for (pid_t pid = 1; hooks->next(pid, &t); pid = t.pid + 1) {
		long points = t.never || READ_ONCE(t.mm->oom_skip) ? OOM_NEVER :
								     oom_policy->points(&t);

		if (points == OOM_NEVER || points < most) {
			task_put(&t);
			continue;
		}
		task_put(&best);
		best = t;
		most = points;
	}
	return best;
}

/* --- the report ---- */

static void show_tasks(void)
{
	struct oom_task t;

	pr_info("Tasks state (memory values in pages):\n");
	pr_info("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n");
	for (pid_t pid = 1; hooks->next(pid, &t); pid = t.pid + 1) {
		pr_info("[%7d] %5u %5d %8lu %8lu %8ld %8ld         %5d %s\n", t.pid, t.uid, t.pid,
			t.mm->total_vm, mm_rss(t.mm), atomic_long_read(&t.mm->pgtables_bytes),
			mm_counter_read(t.mm, MM_SWAP), t.adj, t.comm);
		task_put(&t);
	}
}

/* chosen NULL: nobody. */
static void report(gfp_t gfp, int order, const struct oom_task *self, const struct oom_task *chosen)
{
	char names[GFP_NAMES_MAX];

	pr_warn("%s invoked oom-killer: gfp_mask=%#x(%s), order=%d, oom_score_adj=%d\n",
		current_thread()->comm, gfp, gfp_names(gfp, names), order, self->adj);
	hooks->show_self();
	show_mem();
	if (READ_ONCE(sysctl_oom_dump_tasks))
		show_tasks();
	if (chosen)
		pr_info("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,"
			"mems_allowed=0,global_oom,task_memcg=/,task=%s,pid=%d,uid=%u\n",
			chosen->comm, chosen->pid, chosen->uid);
}

/* At most ten in five seconds, as Linux: a report is a hundred lines. */
static bool may_report(void)
{
	static ktime_t since;
	static int n;

	if (ktime_get() - since > 5 * NSEC_PER_SEC) {
		since = ktime_get();
		n = 0;
	}
	return n++ < 10;
}

/* --- the kill ---- */

/* Takes over t's reference. */
static void hand_to_reaper(struct oom_task *t)
{
	struct mm_struct *mm = t->mm;

	t->mm = NULL;
	victim = *t;
	__atomic_store_n(&victim.mm, mm, __ATOMIC_RELEASE);
	wake_up_all(&oom_done);
}

static void kill_task(struct oom_task *t, const char *message)
{
	struct mm_struct *mm = t->mm;

	count_event(OOM_KILL);
	trace(OOM, t->pid, mm_rss(mm), mm_counter_read(mm, MM_SWAP), t->adj, nr_free_pages());
	hooks->kill(mm);
	pr_err("%s: Killed process %d (%s) total-vm:%lukB, anon-rss:%lukB, file-rss:%lukB, "
	       "shmem-rss:%lukB, UID:%u pgtables:%lukB oom_score_adj:%d\n",
	       message, t->pid, t->comm, K(mm->total_vm), K(mm_counter_read(mm, MM_ANON)),
	       K(mm_counter_read(mm, MM_FILE)), K(mm_counter_read(mm, MM_SHMEM)), t->uid,
	       atomic_long_read(&mm->pgtables_bytes) >> 10, t->adj);
	hand_to_reaper(t);
}

static void panic_if_wanted(gfp_t gfp, int order, const struct oom_task *self)
{
	int mode = READ_ONCE(sysctl_panic_on_oom);

	if (!mode || order < 0)
		return;
	report(gfp, order, self, NULL);
	panic("Out of memory: %s panic_on_oom is enabled",
	      mode == 2 ? "compulsory" : "system-wide");
}

static bool choose_and_kill(gfp_t gfp, int order, struct oom_task *self)
{
	const char *message = "Out of memory";
	struct oom_task t;

	panic_if_wanted(gfp, order, self);
	if (READ_ONCE(sysctl_oom_kill_allocating_task) && self->mm && !self->never) {
		message = "Out of memory (oom_kill_allocating_task)";
		t = *self;
		self->mm = NULL;
	} else {
		t = select_victim();
	}
	if (!t.mm) {
		report(gfp, order, self, NULL);
		pr_warn("Out of memory and no killable processes...\n");
		if (order >= 0)
			panic("System is deadlocked on memory");
		return false;
	}
	if (t.dying) { /* nobody needs to hear of it */
		hooks->kill(t.mm);
		hand_to_reaper(&t);
		return true;
	}
	if (may_report())
		report(gfp, order, self, &t);
	kill_task(&t, message);
	return true;
}

/* order -1: by hand. */
bool out_of_memory(gfp_t gfp, int order)
{
	struct oom_task self;
	bool ret = true;

	if (!hooks)
		return false;
	hooks->self(&self);
	if (self.mm && self.dying && !READ_ONCE(self.mm->oom_skip) && order >= 0) {
		/* Let it out, and wait for its memory before another has to go. */
		current_thread()->oom_victim = true;
		if (!READ_ONCE(victim.mm))
			hand_to_reaper(&self);
	} else if (READ_ONCE(victim.mm)) {
		/* On its way. */
	} else if (gfp & __GFP_FS) {
		ret = choose_and_kill(gfp, order, &self);
	} /* else reclaim was not allowed to do much: somebody else's may */
	task_put(&self);
	return ret;
}

bool oom_kill_by_hand(void)
{
	bool ret;

	while (!oom_trylock())
		oom_wait();
	while (READ_ONCE(victim.mm))
		oom_wait();
	ret = out_of_memory(GFP_KERNEL, -1);
	oom_unlock();
	return ret;
}

/* --- the reaper ---- */

/* mmap_lock held for reading. */
static void zap_private(struct mm_struct *mm)
{
	struct vm_area_struct *vma;

	WRITE_ONCE(mm->oom_unstable, true);
	smp_mb();
	for_each_vma(mm, vma)
		if (!(vma->flags & VM_SHARED))
			zap_vma_range(vma, vma->start, vma->end);
}

/* False: somebody holds the space. */
static bool reap(struct mm_struct *mm)
{
	bool gone;

	if (!down_read_trylock(&mm->mmap_lock))
		return false;
	gone = !vma_first(mm);
	if (!gone)
		zap_private(mm);
	up_read(&mm->mmap_lock);
	if (gone)
		return true;
	count_event(OOM_REAP);
	pr_info("oom_reaper: reaped process %d (%s), now anon-rss:%lukB, file-rss:%lukB, "
		"shmem-rss:%lukB\n",
		victim.pid, victim.comm, K(mm_counter_read(mm, MM_ANON)),
		K(mm_counter_read(mm, MM_FILE)), K(mm_counter_read(mm, MM_SHMEM)));
	return true;
}

static void reap_victim(struct mm_struct *mm)
{
	int tries = 0;

	sleep_on_oom_done(REAP_DELAY);
	while (!reap(mm) && ++tries < REAP_TRIES)
		sleep_on_oom_done(TICK_NSEC);
	if (tries == REAP_TRIES)
		pr_info("oom_reaper: unable to reap pid:%d (%s)\n", victim.pid, victim.comm);
	WRITE_ONCE(mm->oom_skip, true);
	__atomic_store_n(&victim.mm, NULL, __ATOMIC_RELEASE);
	wake_up_all(&oom_done);
	mm_put(mm);
}

int oom_reaper(void *unused __unused)
{
	for (;;) {
		(void)wait_event_interruptible(oom_done, READ_ONCE(victim.mm));
		reap_victim(victim.mm);
	}
	return 0;
}
