/* SPDX-License-Identifier: MIT */
/*
 * The machine's other files: stat, uptime, loadavg, cpuinfo, version, interrupts, devices ...
 *
 * A CPU's time: what it was idle is measured, and the rest of its life is split between user mode and
 * kernel in the ratio in which the ticks found them. The ratio moves, what was said does not go back: the
 * last split is kept (shown_lock), and a later one adds to each part or leaves it.
 */
#include <drivers/block/block.h>
#include <fs/proc/proc.h>
#include <kernel/lib/cmdline.h>
#include <kernel/lib/kallsyms.h>
#include <kernel/lib/string.h>
#include <kernel/utsname.h>
#include <kernel/version.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/ioapic.h>
#include <kernel/x86/irq.h>
#include <kernel/x86/smp.h>
#include <kernel/x86/tsc.h>
#include <mm/slab.h>

/* --- times --------------------------------------------------------------------------------------- */

struct cpu_times {
	u64 user, system, idle, iowait; /* in ticks of 10 ms */
};

static spinlock_t shown_lock = SPINLOCK_INIT(LOCK_PROC);
static struct cpu_times shown[NR_CPUS]; /* (shown_lock) in ns */

static struct cpu_times cpu_times_of(unsigned int cpu)
{
	u64 total = (u64)ktime_get(), iowait, idle = cpu_idle_ns(cpu, &iowait);
	struct cpu_times *last = &shown[cpu];
	u64 user, system, busy;

	iowait = min(iowait, total);
	idle = min(idle, total - iowait);
	busy = total - idle - iowait;
	cpu_busy_ns(cpu, &user, &system);
	user /= TICK_NSEC;
	system /= TICK_NSEC;
	u64 sum = user + system;

	spin_lock(&shown_lock);
	busy = max(busy, last->user + last->system); /* another reader came later and was faster */
	u64 user_ns = sum ? busy / sum * user + busy % sum * user / sum : 0;
	last->user = min(max(user_ns, last->user), busy - last->system);
	last->system = busy - last->user;
	last->idle = max(idle, last->idle);
	last->iowait = max(iowait, last->iowait);
	struct cpu_times t = {
		.user = last->user / TICK_NSEC,
		.system = last->system / TICK_NSEC,
		.idle = last->idle / TICK_NSEC,
		.iowait = last->iowait / TICK_NSEC,
	};
	spin_unlock(&shown_lock);
	return t;
}

static void show_cpu_times(struct seq_file *m, struct cpu_times t)
{
	seq_printf(m, " %lu 0 %lu %lu %lu 0 0 0 0 0\n", t.user, t.system, t.idle, t.iowait);
}

static unsigned int count_blocked(void)
{
	unsigned long flags = spin_lock_irqsave(&tasklist_lock);
	unsigned int n = 0;
	struct process *p;
	struct task *t;

	list_for_each_entry(p, &all_processes, all_node)
		list_for_each_entry(t, &p->threads, thread_node)
			n += !(t->thread.flags & THREAD_KTHREAD) &&
			     (READ_ONCE(t->thread.state) == THREAD_UNINTERRUPTIBLE ||
			      READ_ONCE(t->thread.state) == THREAD_KILLABLE);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return n;
}

int proc_kstat_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	struct cpu_times all = {};

	for_each_cpu(cpu) {
		struct cpu_times t = cpu_times_of(cpu);

		all.user += t.user;
		all.system += t.system;
		all.idle += t.idle;
		all.iowait += t.iowait;
	}
	seq_puts(m, "cpu ");
	show_cpu_times(m, all);
	for_each_cpu(cpu) {
		seq_printf(m, "cpu%u", cpu);
		show_cpu_times(m, cpu_times_of(cpu));
	}
	seq_printf(m, "intr %lu", irq_count_total());
	for (unsigned int irq = 0; irq < NR_IRQS; irq++)
		seq_printf(m, " %lu", irq_count(irq));
	seq_printf(m, "\nctxt %lu\nbtime %ld\nprocesses %lu\nprocs_running %lu\nprocs_blocked %u\n",
		   nr_context_switches(), (long)((ktime_get_real() - ktime_get()) / NSEC_PER_SEC),
		   nr_forks(), nr_running(), count_blocked());
	seq_puts(m, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

static void show_hundredths(struct seq_file *m, u64 ns, char end)
{
	u64 hundredths = ns / TICK_NSEC;

	seq_printf(m, "%lu.%02lu%c", hundredths / HZ, hundredths % HZ, end);
}

int proc_uptime_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	u64 idle = 0, iowait;

	for_each_cpu(cpu)
		idle += cpu_idle_ns(cpu, &iowait);
	show_hundredths(m, (u64)ktime_get(), ' ');
	show_hundredths(m, idle, '\n');
	return 0;
}

static unsigned int count_threads(void)
{
	unsigned long flags = spin_lock_irqsave(&tasklist_lock);
	unsigned int n = 0;
	struct process *p;

	list_for_each_entry(p, &all_processes, all_node)
		n += (unsigned int)p->nr_threads;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return n;
}

int proc_loadavg_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	const unsigned long one = 1UL << 11;
	unsigned long avg[3];

	loadavg_get(avg);
	for (int i = 0; i < 3; i++) {
		unsigned long v = avg[i] + one / 200; /* rounded to hundredths */

		seq_printf(m, "%lu.%02lu ", v / one, v % one * 100 / one);
	}
	seq_printf(m, "%lu/%u %d\n", nr_running(), count_threads(), last_pid_used());
	return 0;
}

/* --- what the machine is ----------------------------------------------------------------------------- */

#define CPU_FLAGS_SIZE 2048

static void show_cpu(struct seq_file *m, unsigned int cpu, const char *flags)
{
	const struct cpu_features *c = &cpu_features;

	seq_printf(m, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", cpu,
		   c->vendor, c->family, c->model);
	seq_printf(m, "model name\t: %s\nstepping\t: %u\n",
		   c->model_name[0] ? c->model_name : "unknown", c->stepping);
	seq_printf(m, "cpu MHz\t\t: %lu.%03lu\nphysical id\t: 0\nsiblings\t: %u\n", tsc_khz / 1000,
		   tsc_khz % 1000, nr_cpu_ids);
	seq_printf(m, "core id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\ninitial apicid\t: %u\n",
		   cpu, nr_cpu_ids, cpu_apic_id[cpu], cpu_apic_id[cpu]);
	seq_printf(m, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n",
		   c->max_leaf);
	seq_printf(m, "flags\t\t: %s\nbugs\t\t:\nbogomips\t: %lu.%02lu\n", flags, tsc_khz / 500,
		   tsc_khz / 5 % 100);
	seq_printf(m, "clflush size\t: %u\ncache_alignment\t: 64\n",
		   (cpuid(1).ebx >> 8 & 0xff) * 8);
	seq_printf(m, "address sizes\t: %u bits physical, %u bits virtual\npower management:\n\n",
		   c->phys_bits, c->virt_bits);
}

int proc_cpuinfo_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	char *flags = kmalloc(CPU_FLAGS_SIZE, GFP_KERNEL);

	if (!flags)
		return -ENOMEM;
	cpu_flags_string(flags, CPU_FLAGS_SIZE);
	for_each_cpu(cpu)
		show_cpu(m, cpu, strim(flags));
	kfree(flags);
	return 0;
}

int proc_version_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, "%s version %s (octavo@octavo) (%s) %s\n", utsname.sysname, utsname.release,
		   UTS_COMPILER, utsname.version);
	return 0;
}

int proc_kcmdline_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_puts(m, boot_cmdline());
	seq_putc(m, '\n');
	return 0;
}

int proc_filesystems_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	for (const struct file_system_type *t = filesystem_next(NULL); t; t = filesystem_next(t))
		seq_printf(m, "%s\t%s\n", t->nodev ? "nodev" : "", t->name);
	return 0;
}

/* Linux has it, and programs open it; there are no modules to list. */
int proc_nothing_show(struct seq_file *m __unused, struct proc_inode *pi __unused)
{
	return 0;
}

static u64 reschedule_count(unsigned int cpu)
{
	return READ_ONCE(*per_cpu_ptr(&ipi_reschedule_count, cpu));
}

static u64 call_count(unsigned int cpu)
{
	return READ_ONCE(*per_cpu_ptr(&ipi_call_count, cpu));
}

static void show_irq_counts(struct seq_file *m, const char *name, u64 (*count)(unsigned int cpu),
			    const char *what)
{
	seq_printf(m, "%s: ", name);
	for_each_cpu(cpu)
		seq_printf(m, "%10lu ", count(cpu));
	seq_printf(m, "  %s interrupts\n", what);
}

int proc_interrupts_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	seq_printf(m, "%11s", "");
	for_each_cpu(cpu)
		seq_printf(m, "CPU%-8u", cpu);
	seq_putc(m, '\n');
	for (unsigned int irq = 0; irq < NR_IRQS; irq++) {
		if (!irq_count(irq))
			continue;
		seq_printf(m, "%3u: ", irq);
		for_each_cpu(cpu) /* all lines come to the boot CPU */
			seq_printf(m, "%10lu ", cpu ? 0 : irq_count(irq));
		if (ioapic_present())
			seq_printf(m, "  IO-APIC %3u-%-8s  %s\n", ioapic_pin(irq),
				   ioapic_is_level(irq) ? "fasteoi" : "edge", irq_name(irq));
		else
			seq_printf(m, "   XT-PIC  %s\n", irq_name(irq));
	}
	show_irq_counts(m, "LOC", timer_irq_count, "Local timer");
	show_irq_counts(m, "RES", reschedule_count, "Rescheduling");
	show_irq_counts(m, "CAL", call_count, "Function call");
	seq_printf(m, "ERR: %10lu\n", spurious_irq_count());
	return 0;
}

/* Linux's names of the drivers for the numbers that are used here, and a device of each. */
int proc_devices_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	static const struct {
		unsigned int major, minor;
		const char *name;
	} drivers[] = {
		{1, 3, "mem"},   {4, 0, "/dev/vc/0"}, {4, 1, "tty"},
		{4, 64, "ttyS"}, {5, 0, "/dev/tty"},  {5, 1, "/dev/console"},
	};

	seq_puts(m, "Character devices:\n");
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (chrdev_lookup(MKDEV(drivers[i].major, drivers[i].minor), NULL))
			seq_printf(m, "%3u %s\n", drivers[i].major, drivers[i].name);
	seq_puts(m, "\nBlock devices:\n");
	if (blkdev_get(MKDEV(1, 0)))
		seq_puts(m, "  1 ramdisk\n");
	return 0;
}

int proc_kallsyms_show(struct seq_file *m, struct proc_inode *pi __unused)
{
	unsigned long addr;
	const char *name;

	for (u32 i = (u32)m->cursor; (name = kallsyms_get(i, &addr)) != NULL; i++) {
		seq_printf(m, "%016lx T %s\n", capable(CAP_SYSLOG) ? addr : 0, name);
		if (!seq_mark(m, i + 1))
			break;
	}
	return 0;
}
