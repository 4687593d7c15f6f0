/* SPDX-License-Identifier: MIT */
/*
 * What a process is doing: stat, statm, status, limits, wchan, stack.
 *
 * proc(5) describes each field; the formats are Linux 6.1's. Where threads differ (signals, times)
 * the files of a process show its leader's or the sum, those of task/TID the thread's own.
 *
 * Locking: who is whose child and in which group is read under tasklist_lock, signals under siglock,
 * into a snapshot that is printed afterwards. Counters are read as they are.
 */
#include <fs/proc/proc.h>
#include <kernel/internal.h>
#include <kernel/lib/kallsyms.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/pgtable.h>

#define PF_FORKNOEXEC 0x40
#define PF_KTHREAD    0x00200000
#define PF_RANDOMIZE  0x00400000

struct snapshot {
	pid_t tid, tgid, ppid, pgrp, sid, tpgid;
	kdev_t tty_nr;
	int nr_threads;
	char state;
	sigset_t pending, shared, blocked, ignored, caught;
	unsigned int nr_sigqueue;
	struct rlimit rlim[RLIM_NLIMITS];
	int exit_signal, exit_code;
};

char proc_task_state(const struct task *t)
{
	if (t->exit_done || (t->proc->zombie && t->proc->leader == t))
		return 'Z';
	switch (READ_ONCE(t->thread.state)) {
	case THREAD_RUNNING:
		return 'R';
	case THREAD_INTERRUPTIBLE:
		return 'S';
	case THREAD_STOPPED:
		return 'T';
	case THREAD_DEAD:
		return 'Z';
	default:
		return 'D';
	}
}

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "R (running)";
	case 'S':
		return "S (sleeping)";
	case 'T':
		return "T (stopped)";
	case 'Z':
		return "Z (zombie)";
	default:
		return "D (disk sleep)";
	}
}

static void snapshot_signals(struct snapshot *s, const struct task *t)
{
	const struct process *p = t->proc;

	s->pending = t->pending.signal;
	s->shared = p->shared_pending.signal;
	s->blocked = t->blocked;
	for (int sig = 1; sig <= NSIG; sig++) {
		if (p->action[sig - 1].handler == SIG_IGN)
			s->ignored |= sigmask(sig);
		else if (p->action[sig - 1].handler != SIG_DFL)
			s->caught |= sigmask(sig);
	}
	s->nr_sigqueue = p->nr_sigqueue;
	memcpy(s->rlim, p->rlim, sizeof(s->rlim));
}

static void take_snapshot(struct snapshot *s, struct task *t)
{
	struct process *p = t->proc;
	unsigned long flags = spin_lock_irqsave(&tasklist_lock);

	*s = (struct snapshot){
		.tid = t->pid,
		.tgid = p->pid,
		.ppid = p->ppid,
		.pgrp = p->pgid,
		.sid = p->sid,
		.tpgid = -1,
		.nr_threads = p->nr_threads,
		.state = proc_task_state(t),
		.exit_signal = p->leader == t ? t->exit_signal : -1,
		.exit_code = p->zombie ? p->exit_code : t->exit_code,
	};
	if (p->tty && tty_info_hook)
		tty_info_hook(p->tty, &s->tty_nr, &s->tpgid);
	spin_lock(&p->siglock);
	snapshot_signals(s, t);
	spin_unlock(&p->siglock);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

static unsigned long text_pages(const struct mm_struct *mm)
{
	return (ALIGN(mm->end_code, PAGE_SIZE) - ALIGN_DOWN(mm->start_code, PAGE_SIZE)) >>
	       PAGE_SHIFT;
}

/* --- where a sleeping thread is ---------------------------------------------------------------- */

/* switch_to() leaves r15 r14 r13 r12 rbx rbp on the stack, then its return address. */
#define SWITCH_RBP 5

unsigned int proc_unwind_sleeper(const struct task *t, u64 addr[PROC_MAX_FRAMES])
{
	const struct thread *th = &t->thread;
	u64 lo = (u64)th->kstack, hi = lo + KSTACK_SIZE, fp = READ_ONCE(th->ksp), frame[2];
	unsigned int n = 0;

	if (READ_ONCE(th->on_cpu) || fp < lo || fp + (SWITCH_RBP + 2) * 8 > hi)
		return 0;
	for (fp += SWITCH_RBP * 8; n < PROC_MAX_FRAMES; fp = frame[0]) {
		if (fp < lo || fp + 16 > hi || fp % 8)
			break;
		if (copy_from_kernel_nofault(frame, (void *)fp, sizeof(frame)))
			break;
		if (!kallsyms_lookup(frame[1], NULL, NULL))
			break;
		addr[n++] = frame[1];
		if (frame[0] <= fp)
			break;
	}
	return n;
}

/* Functions that only sleep: the reason is in their caller. */
static bool is_sleep_function(const char *name)
{
	static const char *const prefixes[] = {"schedule",    "thread_start", "wait_",
					       "prepare_to_", "mutex_lock",   "down_",
					       "do_nanosleep"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strstarts(name, prefixes[i]))
			return true;
	return false;
}

/* The first of n frames that says why the task sleeps. */
static unsigned int skip_sleep_functions(const u64 *addr, unsigned int n)
{
	unsigned int i = 0;

	while (i < n && is_sleep_function(kallsyms_lookup(addr[i], NULL, NULL)))
		i++;
	return i;
}

static const char *sleeper_wchan(const struct task *t)
{
	u64 addr[PROC_MAX_FRAMES];
	unsigned int n = proc_unwind_sleeper(t, addr), i = skip_sleep_functions(addr, n);

	return i < n ? kallsyms_lookup(addr[i], NULL, NULL) : NULL;
}

int proc_wchan_show(struct seq_file *m, struct proc_inode *pi)
{
	const char *name = NULL;

	if (proc_may_access(pi->task) && READ_ONCE(pi->task->thread.state) != THREAD_RUNNING)
		name = sleeper_wchan(pi->task);
	seq_puts(m, name ? name : "0");
	return 0;
}

int proc_stack_show(struct seq_file *m, struct proc_inode *pi)
{
	u64 addr[PROC_MAX_FRAMES];
	unsigned int n;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	n = proc_unwind_sleeper(pi->task, addr);
	for (unsigned int i = skip_sleep_functions(addr, n); i < n; i++)
		seq_printf(m, "[<0>] %pS\n", (void *)addr[i]);
	return 0;
}

/* The call that a thread sleeps in, its arguments, and where the user's stack and code were. */
int proc_syscall_show(struct seq_file *m, struct proc_inode *pi)
{
	const struct task *t = pi->task;
	const struct trapframe *tf = READ_ONCE(t->tf);

	if (!tf || (t != current && READ_ONCE(t->thread.state) == THREAD_RUNNING))
		seq_puts(m, "running\n");
	else if (tf->vector != TRAP_SYSCALL && tf->vector != TRAP_FORCE_IRET)
		seq_printf(m, "-1 0x%lx 0x%lx\n", tf->rsp, tf->rip);
	else
		seq_printf(m, "%ld 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx\n",
			   (long)tf->orig_rax, tf->rdi, tf->rsi, tf->rdx, tf->r10, tf->r8, tf->r9,
			   tf->rsp, tf->rip);
	return 0;
}

/* --- stat --------------------------------------------------------------------------------------- */

static u64 ticks(u64 ns)
{
	return ns / TICK_NSEC;
}

static void stat_times(struct seq_file *m, struct proc_inode *pi)
{
	struct task *t = pi->task;
	struct process *p = t->proc;
	u64 min_flt = t->thread.min_flt, maj_flt = t->thread.maj_flt, cmin = 0, cmaj = 0;
	u64 utime, stime, cutime = 0, cstime = 0;

	if (pi->group) {
		process_faults(p, &min_flt, &maj_flt);
		process_cpu_ns(p, &utime, &stime);
		cmin = p->cmin_flt;
		cmaj = p->cmaj_flt;
		cutime = p->cutime_ns;
		cstime = p->cstime_ns;
	} else {
		task_cpu_ns(t, &utime, &stime);
	}
	seq_printf(m, " %lu %lu %lu %lu %lu %lu %lu %lu", min_flt, cmin, maj_flt, cmaj,
		   ticks(utime), ticks(stime), ticks(cutime), ticks(cstime));
}

/* vsize to startstack; and, at the end of the line, where data and arguments lie. */
static void stat_layout(struct seq_file *m, struct mm_struct *mm, const struct snapshot *s,
			bool open)
{
	seq_printf(m, " %lu %lu %lu", mm ? mm->total_vm << PAGE_SHIFT : 0, mm ? mm_rss(mm) : 0,
		   s->rlim[RLIMIT_RSS].cur);
	if (!mm)
		seq_puts(m, " 0 0 0");
	else if (!open)
		seq_puts(m, " 1 1 0");
	else
		seq_printf(m, " %lu %lu %lu", mm->start_code, mm->end_code, mm->start_stack);
	seq_puts(m, " 0 0"); /* esp, eip: not while it lives */
}

static void stat_data(struct seq_file *m, const struct mm_struct *mm, bool open)
{
	if (!mm || !open)
		seq_puts(m, " 0 0 0 0 0 0 0");
	else
		seq_printf(m, " %lu %lu %lu %lu %lu %lu %lu", mm->start_data, mm->end_data,
			   mm->start_brk, mm->arg_start, mm->arg_end, mm->env_start, mm->env_end);
}

unsigned int proc_task_flags(const struct task *t)
{
	if (t->thread.flags & THREAD_KTHREAD)
		return PF_KTHREAD;
	return (t->randomized ? PF_RANDOMIZE : 0) | (t->proc->did_exec ? 0 : PF_FORKNOEXEC);
}

int proc_stat_show(struct seq_file *m, struct proc_inode *pi)
{
	struct task *t = pi->task;
	struct process *p = t->proc;
	bool open = proc_may_access(t);
	struct mm_struct *mm __put(mm) = proc_get_mm(pi);
	struct snapshot s;

	take_snapshot(&s, t);
	seq_printf(m, "%d (%s) %c %d %d %d %lu %d %u", s.tid, t->thread.comm, s.state, s.ppid,
		   s.pgrp, s.sid, s.tty_nr, s.tpgid, proc_task_flags(t));
	stat_times(m, pi);
	seq_printf(m, " %d %d %d 0 %lu", 20 + t->thread.nice, t->thread.nice, s.nr_threads,
		   ticks((u64)p->start_time));
	stat_layout(m, mm, &s, open);
	seq_printf(m, " %lu %lu %lu %lu %d 0 0 %d %d 0 0 0 0 0", s.pending & 0x7fffffff,
		   s.blocked & 0x7fffffff, s.ignored & 0x7fffffff, s.caught & 0x7fffffff,
		   open && s.state != 'R', s.exit_signal, t->thread.cpu);
	stat_data(m, mm, open);
	seq_printf(m, " %d\n", open ? s.exit_code : 0);
	return 0;
}

int proc_statm_show(struct seq_file *m, struct proc_inode *pi)
{
	struct mm_struct *mm __put(mm) = proc_get_mm(pi);

	if (!mm) {
		seq_puts(m, "0 0 0 0 0 0 0\n");
		return 0;
	}
	unsigned long shared = mm_counter_read(mm, MM_FILE) + mm_counter_read(mm, MM_SHMEM);

	seq_printf(m, "%lu %lu %lu %lu 0 %lu 0\n", mm->total_vm,
		   shared + mm_counter_read(mm, MM_ANON), shared, text_pages(mm),
		   mm->data_vm + mm->stack_vm);
	return 0;
}

/* --- status ------------------------------------------------------------------------------------- */

static void status_ids(struct seq_file *m, const struct task *t)
{
	const struct cred *c = &t->cred;

	seq_printf(m, "TracerPid:\t0\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", c->uid,
		   c->euid, c->suid, c->fsuid, c->gid, c->egid, c->sgid, c->fsgid);
}

static void status_groups(struct seq_file *m, const struct task *t)
{
	int n = min(READ_ONCE(t->cred.ngroups), CRED_NGROUPS);

	seq_puts(m, "Groups:\t");
	for (int i = 0; i < n; i++)
		seq_printf(m, "%s%u", i ? " " : "", t->cred.groups[i]);
	seq_puts(m, " \n");
}

static void status_kb(struct seq_file *m, const char *label, unsigned long pages)
{
	seq_printf(m, "%s\t%8lu kB\n", label, pages << (PAGE_SHIFT - 10));
}

static void status_mem(struct seq_file *m, struct mm_struct *mm)
{
	unsigned long anon = mm_counter_read(mm, MM_ANON), file = mm_counter_read(mm, MM_FILE);
	unsigned long shmem = mm_counter_read(mm, MM_SHMEM), rss = anon + file + shmem;
	unsigned long text = min(text_pages(mm), mm->exec_vm);

	status_kb(m, "VmPeak:", max(mm->hiwater_vm, mm->total_vm));
	status_kb(m, "VmSize:", mm->total_vm);
	status_kb(m, "VmLck:", mm->locked_vm);
	status_kb(m, "VmPin:", 0);
	status_kb(m, "VmHWM:", max(mm->hiwater_rss, rss));
	status_kb(m, "VmRSS:", rss);
	status_kb(m, "RssAnon:", anon);
	status_kb(m, "RssFile:", file);
	status_kb(m, "RssShmem:", shmem);
	status_kb(m, "VmData:", mm->data_vm);
	status_kb(m, "VmStk:", mm->stack_vm);
	status_kb(m, "VmExe:", text);
	status_kb(m, "VmLib:", mm->exec_vm - text);
	status_kb(m, "VmPTE:", (unsigned long)atomic_long_read(&mm->pgtables_bytes) >> PAGE_SHIFT);
	status_kb(m, "VmSwap:", mm_counter_read(mm, MM_SWAP));
	seq_puts(m, "HugetlbPages:\t       0 kB\nCoreDumping:\t0\nTHP_enabled:\t0\n");
}

static void status_signals(struct seq_file *m, const struct snapshot *s)
{
	seq_printf(m, "Threads:\t%d\nSigQ:\t%u/%lu\n", s->nr_threads, s->nr_sigqueue,
		   s->rlim[RLIMIT_SIGPENDING].cur);
	seq_printf(m,
		   "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\n"
		   "SigCgt:\t%016lx\n",
		   s->pending, s->shared, s->blocked, s->ignored, s->caught);
}

static void status_caps(struct seq_file *m, const struct task *t)
{
	const struct capabilities *c = &t->cred.caps;

	seq_printf(m,
		   "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\n"
		   "CapAmb:\t%016lx\n",
		   c->inheritable, c->permitted, c->effective, c->bounding, 0UL);
	seq_printf(m, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n", t->no_new_privs);
	seq_puts(m, "Speculation_Store_Bypass:\tvulnerable\n"
		    "SpeculationIndirectBranch:\talways enabled\n");
}

/* "0-1,3" */
static void show_mask_list(struct seq_file *m, u64 mask)
{
	bool first = true;

	for (unsigned int i = 0; i < 64; i++) {
		unsigned int last = i;

		if (!(mask >> i & 1))
			continue;
		while (last < 63 && mask >> (last + 1) & 1)
			last++;
		seq_printf(m, last > i ? "%s%u-%u" : "%s%u", first ? "" : ",", i, last);
		first = false;
		i = last;
	}
}

static void status_cpus(struct seq_file *m, const struct task *t)
{
	u64 mask = t->thread.cpus_allowed & ((1UL << nr_cpu_ids) - 1);

	seq_printf(m, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", mask);
	show_mask_list(m, mask);
	seq_puts(m, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
	seq_printf(m, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
		   t->thread.nvcsw, t->thread.nivcsw);
}

static void status_head(struct seq_file *m, struct task *t, const struct snapshot *s)
{
	struct fs_struct *fs = task_get_fs(t);
	struct files_struct *files;
	unsigned long flags;
	unsigned int fdsize = 0;

	seq_puts(m, "Name:\t");
	seq_escape(m, t->thread.comm, "\n\\");
	seq_putc(m, '\n');
	if (fs) {
		seq_printf(m, "Umask:\t%04o\n", READ_ONCE(fs->umask));
		fs_put(fs);
	}
	seq_printf(m, "State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n",
		   state_name(s->state), s->tgid, s->tid, s->ppid);
	status_ids(m, t);
	flags = spin_lock_irqsave(&t->proc->siglock);
	files = t->files;
	fdsize = files ? files_size(files) : 0;
	spin_unlock_irqrestore(&t->proc->siglock, flags);
	seq_printf(m, "FDSize:\t%u\n", fdsize);
	status_groups(m, t);
	seq_printf(m, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", s->tgid, s->tid,
		   s->pgrp, s->sid);
}

int proc_status_show(struct seq_file *m, struct proc_inode *pi)
{
	struct mm_struct *mm __put(mm) = proc_get_mm(pi);
	struct snapshot s;

	take_snapshot(&s, pi->task);
	status_head(m, pi->task, &s);
	if (mm)
		status_mem(m, mm);
	status_signals(m, &s);
	status_caps(m, pi->task);
	status_cpus(m, pi->task);
	return 0;
}

/* --- limits -------------------------------------------------------------------------------------- */

static void show_limit(struct seq_file *m, unsigned long v)
{
	if (v == RLIM_INFINITY)
		seq_printf(m, "%-20s ", "unlimited");
	else
		seq_printf(m, "%-20lu ", v);
}

int proc_limits_show(struct seq_file *m, struct proc_inode *pi)
{
	static const struct {
		const char *name, *unit;
	} rows[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = {"Max cpu time", "seconds"},
		[RLIMIT_FSIZE] = {"Max file size", "bytes"},
		[RLIMIT_DATA] = {"Max data size", "bytes"},
		[RLIMIT_STACK] = {"Max stack size", "bytes"},
		[RLIMIT_CORE] = {"Max core file size", "bytes"},
		[RLIMIT_RSS] = {"Max resident set", "bytes"},
		[RLIMIT_NPROC] = {"Max processes", "processes"},
		[RLIMIT_NOFILE] = {"Max open files", "files"},
		[RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
		[RLIMIT_AS] = {"Max address space", "bytes"},
		[RLIMIT_LOCKS] = {"Max file locks", "locks"},
		[RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
		[RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
		[RLIMIT_NICE] = {"Max nice priority", NULL},
		[RLIMIT_RTPRIO] = {"Max realtime priority", NULL},
		[RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
	};
	struct snapshot s;

	take_snapshot(&s, pi->task);
	seq_printf(m, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		seq_printf(m, "%-25s ", rows[i].name);
		show_limit(m, s.rlim[i].cur);
		show_limit(m, s.rlim[i].max);
		if (rows[i].unit)
			seq_printf(m, "%-10s", rows[i].unit);
		seq_putc(m, '\n');
	}
	return 0;
}

/* --- io ------------------------------------------------------------------------------------------ */

static struct io_counts process_io(struct process *p)
{
	unsigned long flags = spin_lock_irqsave(&p->siglock);
	struct io_counts sum = p->io;
	struct task *t;

	list_for_each_entry(t, &p->threads, thread_node)
		if (!t->exit_done)
			io_counts_add(&sum, &t->io);
	spin_unlock_irqrestore(&p->siglock, flags);
	return sum;
}

/* With what children did that were waited for. What reached a disk is not known by process, and there is none yet. */
int proc_io_show(struct seq_file *m, struct proc_inode *pi)
{
	struct io_counts io = pi->group ? process_io(pi->task->proc) : pi->task->io;

	seq_printf(m,
		   "rchar: %lu\nwchar: %lu\nsyscr: %lu\nsyscw: %lu\nread_bytes: 0\n"
		   "write_bytes: 0\ncancelled_write_bytes: 0\n",
		   io.rchar, io.wchar, io.syscr, io.syscw);
	return 0;
}
