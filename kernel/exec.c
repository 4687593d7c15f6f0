/* SPDX-License-Identifier: MIT */
/*
 * execve and execveat: the running process gets a new program.
 *
 * Idea: the new address space is built aside, complete with program, interpreter, stack and
 * arguments, while the old one still runs: whatever goes wrong on the way (a bad header, no memory,
 * a bad pointer in argv) is an ordinary error of the call. Only then come the steps that cannot be
 * taken back, and none of them can fail:
 *
 *	arguments measure argv and envp
 *	resolve	  open the file; #! replaces it by its interpreter, up to five times over
 *	build	  a new mm: stack, segments mapped from the page cache (text is shared with all who
 *		  run it; nothing is read or copied but the page where .data ends and .bss begins)
 *	alone	  all other threads are killed and waited for
 *	commit	  the mm is exchanged, handlers, ids, descriptors and registers follow
 *
 * Against Linux: a load failure is an error of the call where Linux may already have to kill the
 * process. Where the stack and all else lie is drawn at random in mm/layout.c.
 */
#include <fs/vfs.h>
#include <kernel/exec.h>
#include <kernel/internal.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/syscall.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/fpu.h>
#include <kernel/x86/switch.h>
#include <mm/slab.h>
#include <mm/trace.h>
#include <mm/vma.h>

/* What a set-id program does not inherit: READ_IMPLIES_EXEC, ADDR_COMPAT_LAYOUT, MMAP_PAGE_ZERO, and */
#define ADDR_NO_RANDOMIZE  0x0040000
#define PER_CLEAR_ON_SETID (0x0400000 | 0x0200000 | 0x0100000 | ADDR_NO_RANDOMIZE)

/* ---- resolve: the file, and #! --------------------------------------------------------------- */

static void exec_close_file(struct exec *e)
{
	if (e->file)
		fput(e->file);
	e->file = NULL;
}

static int exec_open(struct exec *e, int dfd, const char *path, unsigned int lookup_flags)
{
	struct file *f = open_exec(dfd, path, lookup_flags);
	ssize_t n;
	int err;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	err = deny_write_access(f->inode);
	if (err) {
		fput(f);
		return err;
	}
	f->denies_write = true;
	exec_close_file(e);
	e->file = f;
	memset(e->head, 0, sizeof(e->head));
	n = kernel_read(f, e->head, sizeof(e->head), 0);
	return n < 0 ? (int)n : 0;
}

static int push_prefix(struct exec *e, const char *s, size_t len)
{
	char *copy = kmalloc(len + 1, GFP_KERNEL);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, s, len);
	copy[len] = '\0';
	e->prefix[e->nr_prefix++] = (struct arg){.str = copy, .len = len + 1, .kernel = true};
	return 0;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "#! interpreter [one argument, blanks and all]": sets the prefix; *interp points into it. */
static int parse_script(struct exec *e, const char *script, const char **interp)
{
	const char *p = e->head + 2, *end, *name, *name_end;
	size_t n = strnlen(p, sizeof(e->head) - 2);
	int err;

	end = memchr(p, '\n', n);
	if (!end)
		end = p + n;
	while (p < end && blank(*p))
		p++;
	while (end > p && blank(end[-1]))
		end--;
	for (name = p; p < end && !blank(*p);)
		p++;
	name_end = p;
	if (name == name_end)
		return -ENOEXEC;
	/* Cut off in the name itself? Then it is some other file's name. */
	if (name_end == e->head + sizeof(e->head))
		return -ENOEXEC;
	while (p < end && blank(*p))
		p++;
	/* In reverse: each level's words go in front of what is there. argv[0] becomes the path. */
	err = push_prefix(e, script, strlen(script));
	if (!err && p < end)
		err = push_prefix(e, p, (size_t)(end - p));
	if (!err)
		err = push_prefix(e, name, (size_t)(name_end - name));
	if (!err)
		*interp = e->prefix[e->nr_prefix - 1].str;
	return err;
}

/* A script's own name is the argument of the next level's interpreter: pushed once, there. */
static void pop_prefix(struct exec *e)
{
	kfree(e->prefix[--e->nr_prefix].str);
}

static int exec_resolve(struct exec *e)
{
	const char *path = e->filename;
	int err = exec_open(e, e->dfd, e->path, e->lookup_flags);

	for (int depth = 0; !err && e->head[0] == '#' && e->head[1] == '!'; depth++) {
		char *script;

		if (depth == MAX_INTERPRETERS)
			return -ELOOP;
		if (e->fd_name && !depth && fd_get_cloexec(e->dfd))
			return -ENOENT; /* the interpreter would not find it */
		script = kstrdup(path, GFP_KERNEL);
		if (!script)
			return -ENOMEM;
		if (depth)
			pop_prefix(e);
		err = parse_script(e, script, &path);
		kfree(script);
		if (!err)
			err = exec_open(e, AT_FDCWD, path, LOOKUP_FOLLOW);
	}
	if (!err)
		err = elf_open(&e->prog, e->file, e->head);
	return err;
}

/* ---- build: ids and the space -------------------------------------------------------------------- */

/* Set-id bits count for the program itself (a script's are without effect). */
static void exec_creds(struct exec *e)
{
	const struct inode *inode = e->file->inode;
	kmode_t mode = READ_ONCE(inode->mode);
	struct cred *c = &e->cred;

	*c = current->cred;
	if (!(e->file->path.mnt->flags & MS_NOSUID) && !current->no_new_privs) {
		if (mode & S_ISUID)
			c->euid = inode->uid;
		if ((mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
			c->egid = inode->gid;
	}
	e->setid = c->euid != current->cred.euid || c->egid != current->cred.egid;
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	caps_at_exec(c);
}

/* A set-id program does not let its caller choose where it lies. */
static void exec_layout(struct exec *e)
{
	e->personality = current->personality;
	if (e->setid)
		e->personality &= ~(u32)PER_CLEAR_ON_SETID;
	e->prog.layout = e->personality & ADDR_NO_RANDOMIZE ? LAYOUT_FIXED :
							      READ_ONCE(sysctl_randomize_va_space);
	e->stack_top = layout_stack_top(e->prog.layout);
	layout_set_mmap_base(e->mm, e->prog.layout);
}

static int exec_build(struct exec *e)
{
	struct mm_struct *mm = mm_alloc();
	int err;

	if (!mm)
		return -ENOMEM;
	e->mm = mm;
	rlimits_to_mm(current->proc, mm);
	caps_to_mm(&e->cred, mm);
	exec_layout(e);
	err = exec_map_stack(e);
	if (!err)
		err = elf_load(&e->prog, mm, e->file);
	if (!err)
		err = exec_fill_stack(e);
	if (!err)
		mm->exe_file = file_mappable(get_file(e->file));
	return err;
}

/* ---- alone ----------------------------------------------------------------------------------------- */

static bool is_alone(struct process *p, struct task *t)
{
	guard_irq(&tasklist_lock);
	return p->nr_threads == 1 || (p->nr_threads == 2 && p->leader != t && p->leader->exit_done);
}

/* The last other thread is a leader that has exited: its number becomes ours. */
static void take_leadership(struct process *p, struct task *t)
{
	unsigned long irq = spin_lock_irqsave(&tasklist_lock);
	struct task *old = p->leader;

	task_unhash(old);
	task_change_pid(t, p->pid);
	spin_lock(&p->siglock);
	p->leader = t;
	spin_unlock(&p->siglock);
	t->exit_signal = SIGCHLD;
	spin_unlock_irqrestore(&tasklist_lock, irq);
	task_put(old);
}

/* Kills the other threads and waits until they are gone. 0, or -EAGAIN if this one is to die too. */
static int exec_alone(struct task *t)
{
	struct process *p = t->proc;
	struct task *other;
	unsigned long irq = spin_lock_irqsave(&p->siglock);
	int err;

	if (p->group_exit || p->group_exec) {
		spin_unlock_irqrestore(&p->siglock, irq);
		return -EAGAIN;
	}
	p->group_exec = t;
	p->group_stop_count = 0;
	list_for_each_entry(other, &p->threads, thread_node) {
		other->stop_pending = false;
		if (other == t || other->exiting)
			continue;
		other->pending.signal |= sigmask(SIGKILL);
		signal_wake_up(other, true);
	}
	spin_unlock_irqrestore(&p->siglock, irq);

	err = wait_event_killable(p->wait_child, is_alone(p, t)) ? -EAGAIN : 0;
	if (!err && p->leader != t)
		take_leadership(p, t);
	irq = spin_lock_irqsave(&p->siglock);
	p->group_exec = NULL;
	recalc_sigpending(t);
	spin_unlock_irqrestore(&p->siglock, irq);
	return err;
}

/* ---- commit ------------------------------------------------------------------------------------------ */

static void install_creds(struct exec *e, struct task *t)
{
	t->cred = e->cred;
	if (e->setid)
		t->pdeath_signal = 0;
	t->proc->dumpable =
		!(e->setid || e->cred.uid != e->cred.euid || e->cred.gid != e->cred.egid);
}

static void exchange_mm(struct exec *e, struct task *t)
{
	struct mm_struct *old = t->thread.mm;
	unsigned long irq;

	if (old)
		exit_mm_release(t);
	irq = spin_lock_irqsave(&t->proc->siglock);
	install_creds(e, t); /* in one step for who would look into the space (proc_pin_mm) */
	if (old)
		task_note_maxrss(t);
	rlimits_to_mm(t->proc, e->mm); /* prlimit() knew the old one until now */
	e->mm->trace_mark = old ? old->trace_mark : 0;
	mm_activate(e->mm);
	spin_unlock_irqrestore(&t->proc->siglock, irq);
	e->mm = NULL;
	if (old)
		mm_put_user(old);
}

static void set_comm(struct task *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	char name[16] = {0};

	strscpy(name, slash ? slash + 1 : path, sizeof(name));
	memcpy(t->thread.comm, name, sizeof(name));
	trace(EXEC, ((u64 *)name)[0], ((u64 *)name)[1]);
}

static void start_registers(struct exec *e, struct task *t)
{
	struct trapframe *tf = t->tf;

	user_bases_set(0, 0);
	fpu_reset(current->thread.fpu);
	memset(tf, 0, sizeof(*tf));
	tf->rip = e->prog.start;
	tf->rsp = e->sp;
	tf->cs = USER_CS;
	tf->ss = USER_DS;
	tf->rflags = X86_EFLAGS_IF | X86_EFLAGS_FIXED;
	tf->orig_rax = (u64)-1;
	tf_force_iret(tf);
	work_set(t, TWORK_IRET);
}

static void exec_commit(struct exec *e, struct task *t)
{
	exchange_mm(e, t);
	t->thread.flags &= ~(unsigned int)THREAD_KTHREAD;
	flush_signal_handlers(t->proc);
	t->altstack = (struct stack_info){0};
	t->restart.fn = NULL;
	t->set_child_tid = NULL;
	rseq_set(t, NULL, 0);
	t->trap_nr = t->trap_err = t->trap_cr2 = 0;
	t->exit_signal = SIGCHLD;
	t->personality = e->personality;
	t->randomized = e->prog.layout != LAYOUT_FIXED;
	set_comm(t, e->filename);
	t->proc->did_exec = true; /* before the end of a pipe tells that it has */
	files_close_on_exec(t->files);
	start_registers(e, t);
}

/* What the steps after exec_alone() need, while failing is still possible. */
static int exec_prepare(struct task *t)
{
	if (!t->thread.fpu) {
		struct fpu_state *fpu = fpu_state_alloc();

		if (!fpu)
			return -ENOMEM;
		fpu_init_state(fpu);
		local_irq_disable(); /* a switch would save registers that are not ours yet */
		t->thread.fpu = fpu;
		fpu_reset(current->thread.fpu);
		user_bases_set(0, 0);
		local_irq_enable();
	}
	return files_unshare();
}

static void exec_free(struct exec *e)
{
	elf_close(&e->prog);
	if (e->mm)
		mm_put_user(e->mm);
	exec_close_file(e);
	while (e->nr_prefix)
		pop_prefix(e);
	kvfree(e->args_room);
	kfree(e->fd_name);
	kfree(e);
}

/* What is found through a descriptor gets a name by which an interpreter can open it. */
static int exec_name(struct exec *e)
{
	size_t n = strlen(e->path) + 24;

	e->filename = e->path;
	if (e->dfd == AT_FDCWD || e->path[0] == '/')
		return 0;
	e->filename = e->fd_name = kmalloc(n, GFP_KERNEL);
	if (!e->fd_name)
		return -ENOMEM;
	scnprintf(e->fd_name, n, *e->path ? "/dev/fd/%d/%s" : "/dev/fd/%d", e->dfd, e->path);
	return 0;
}

static int exec_common(int dfd, const char *path, unsigned int lookup_flags,
		       const struct arg_source *argv, const struct arg_source *envp)
{
	struct exec *e = kzalloc(sizeof(*e), GFP_KERNEL);
	struct task *t = current;
	int err;

	if (!e)
		return -ENOMEM;
	e->dfd = dfd;
	e->path = path;
	e->lookup_flags = lookup_flags;
	t->in_execve = true;
	err = exec_name(e);
	if (!err)
		err = exec_arguments(e, argv, envp);
	if (!err)
		err = exec_resolve(e);
	if (!err)
		err = exec_add_prefix(e);
	if (!err) {
		exec_creds(e);
		err = exec_build(e);
	}
	if (!err)
		err = exec_prepare(t);
	if (!err)
		err = exec_alone(t);
	if (!err)
		exec_commit(e, t);
	t->in_execve = false;
	exec_free(e);
	return err;
}

int kernel_execve(const char *path, const char *const *argv, const char *const *envp)
{
	struct arg_source a = {argv, true}, v = {envp, true};

	return exec_common(AT_FDCWD, path, LOOKUP_FOLLOW, &a, &v);
}

SYSCALL5(execveat, int, dfd, const char __user *, upath, const char __user *const __user *, argv,
	 const char __user *const __user *, envp, int, flags)
{
	struct arg_source a = {.vec = argv}, v = {.vec = envp};
	char *path __put(name) = NULL;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	path = getname(upath, lookup_flags_of(flags));
	return IS_ERR(path) ? PTR_ERR(path) :
			      exec_common(dfd, path, lookup_flags_of(flags), &a, &v);
}
