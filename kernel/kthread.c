/* SPDX-License-Identifier: MIT */
/*
 * Kernel threads, and the one that becomes init.
 *
 * Each is a process of its own, a child of pid 0, without an address space and with all signals
 * blocked. The function that it starts with ends it by returning, or leaves by kernel_execve().
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/slab.h>

struct kthread_start {
	int (*fn)(void *arg);
	void *arg;
};

static void kthread_entry(void *p)
{
	struct kthread_start start = *(struct kthread_start *)p;

	kfree(p);
	start.fn(start.arg);
	do_exit(0);
}

static void kthread_init_task(struct task *t, struct process *p, const char *name)
{
	t->proc = p;
	atomic_inc(&p->count);
	t->thread.flags = THREAD_KTHREAD;
	t->thread.cpus_allowed = ~0UL;
	t->blocked = ~0UL;
	t->cred.caps = root_caps;
	strscpy(t->thread.comm, name, sizeof(t->thread.comm));
	t->fs = fs_get(&init_fs);
	p->leader = t;
	rlimits_init(p);
}

/* fixed_pid: 1 for init, else 0. */
static struct task *kthread_create(int (*fn)(void *arg), void *arg, const char *name,
				   pid_t fixed_pid)
{
	struct kthread_start *start = kmalloc(sizeof(*start), GFP_KERNEL);
	struct process *p = process_alloc();
	struct task *t = task_alloc();
	unsigned long flags;
	int err;

	if (!start || !p || !t)
		goto nomem;
	*start = (struct kthread_start){fn, arg};
	kthread_init_task(t, p, name);
	thread_init(&t->thread, kthread_entry, start);
	flags = spin_lock_irqsave(&tasklist_lock);
	err = task_publish(t, &boot_process, fixed_pid);
	if (!err && fixed_pid == 1) {
		init_process = p;
		p->unkillable = true;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (!err)
		return t;
	fs_put(t->fs);
	t->fs = NULL;
nomem:
	if (t)
		task_free(t);
	if (p)
		process_put(p);
	kfree(start);
	return ERR_PTR(t && p ? -EAGAIN : -ENOMEM);
}

struct task *kthread_run(int (*fn)(void *arg), void *arg, const char *fmt, ...)
{
	struct task *t;
	char name[16];
	va_list ap;

	va_start(ap, fmt);
	vscnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	t = kthread_create(fn, arg, name, 0);
	if (!IS_ERR(t))
		thread_wake(&t->thread);
	return IS_ERR(t) ? ERR_PTR(-ENOMEM) : t;
}

int init_thread(void *unused); /* init.c */

void start_init(void)
{
	struct task *t = kthread_create(init_thread, NULL, "init", 1);

	if (IS_ERR(t))
		panic("no memory for init");
	thread_wake(&t->thread);
}
