/* SPDX-License-Identifier: MIT */
/*
 * /proc/sysrq-trigger: a letter, and the kernel says into its log how it is, or ends. The letters are
 * Linux's (Documentation/admin-guide/sysrq.rst); there is no key for them.
 */
#include <fs/proc/proc.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/printk.h>
#include <kernel/x86/reboot.h>
#include <mm/init.h>
#include <mm/oom.h>

static void show_memory(void)
{
	pr_info("sysrq: Show Memory\n");
	show_mem();
}

static void kill_one(void)
{
	pr_info("sysrq: Manual OOM execution\n");
	if (!oom_kill_by_hand())
		pr_info("OOM request ignored. No task eligible\n");
}

static void show_task(struct task *t)
{
	u64 addr[PROC_MAX_FRAMES];
	unsigned int n = proc_unwind_sleeper(t, addr);

	pr_info("task:%-15s state:%c stack:%-5d pid:%-5d ppid:%-6d flags:0x%08x\n", t->thread.comm,
		proc_task_state(t), 0, t->pid, t->proc->ppid, proc_task_flags(t));
	pr_info("Call Trace:\n <TASK>\n");
	for (unsigned int i = 0; i < n; i++)
		pr_info(" %pS\n", (void *)addr[i]);
	pr_info(" </TASK>\n");
}

static void show_tasks(void)
{
	struct process *p;

	pr_info("sysrq: Show State\n");
	for (pid_t pid = 1; (p = process_next_get(&pid)) != NULL; pid++) {
		for (pid_t tid = 1; proc_next_tid(p, &tid); tid++) {
			struct task *t = task_find_get(tid);

			if (!t)
				continue;
			show_task(t);
			task_put(t);
		}
		process_put(p);
	}
}

static void emergency_sync(void)
{
	pr_info("sysrq: Emergency Sync\n"); /* there is no disk */
}

static void restart(void)
{
	pr_emerg("sysrq: Resetting\n");
	machine_restart();
}

static void power_off(void)
{
	pr_emerg("sysrq: Power Off\n");
	machine_power_off();
}

static void crash(void)
{
	panic("sysrq triggered crash\n");
}

int proc_sysrq_store(struct proc_inode *pi __unused, char *text)
{
	static void (*const action['z' + 1])(void) = {
		['b'] = restart,   ['c'] = crash,          ['f'] = kill_one,   ['m'] = show_memory,
		['o'] = power_off, ['s'] = emergency_sync, ['t'] = show_tasks,
	};
	unsigned char key = (unsigned char)text[0];

	if (key < ARRAY_SIZE(action) && action[key])
		action[key]();
	else
		pr_info("sysrq: HELP : reboot(b) crash(c) memory-full-oom-kill(f) show-memory-usage(m) poweroff(o) sync(s) "
			"show-task-states(t)\n");
	return 0;
}
