/* SPDX-License-Identifier: MIT */
/*
 * Starting the other processors (SDM vol. 3, 9.4: INIT, STARTUP, STARTUP).
 *
 * One after another, each with a per-CPU area, an idle thread and interrupt stacks made beforehand:
 *
 *	boot CPU			the other
 *	ap_boot = what it gets
 *	ap_boot.state = EXPECTED
 *	INIT, STARTUP -------------->	ap_entry.S: EXPECTED -> ARRIVED, or halt
 *					ap_main(): segments, traps, FPU, APIC, init_mm
 *					ARRIVED -> ONLINE
 *	nr_cpu_ids++			idle loop, its tick running
 *
 * A CPU's number is the order in which it answered, so that numbers have no holes: whatever is kept
 * for each CPU is an array of nr_cpu_ids. One that does not answer in a second is told to wait again
 * (INIT), reported, and what was made for it serves the next.
 *
 * Simplified: no CPU is taken offline again.
 */
#include <boot/boot.h>
#include <kernel/acpi.h>
#include <kernel/internal.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/cmdline.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/tick.h>
#include <kernel/smp.h>
#include <kernel/x86/apic.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/gdt.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/smp.h>
#include <kernel/x86/tsc.h>
#include <kernel/x86/x86.h>
#include <mm/init.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>

/* Real mode reaches 1 MiB, less the ISA hole. */
#define TRAMPOLINE_CEILING 0xa0000

/* After INIT 10 ms, between the two STARTUPs 200 us (SDM vol. 3, 9.4.4.1). */
#define INIT_DELAY_US    10000
#define STARTUP_DELAY_US 200
#define ANSWER_NS        NSEC_PER_SEC

_Static_assert(offsetof(struct ap_boot, state) == AP_BOOT_STATE &&
		       offsetof(struct ap_boot, apic_id) == AP_BOOT_APIC_ID &&
		       offsetof(struct ap_boot, cr3) == AP_BOOT_CR3 &&
		       offsetof(struct ap_boot, percpu) == AP_BOOT_PERCPU &&
		       offsetof(struct ap_boot, stack_top) == AP_BOOT_STACK_TOP,
	       "ap_entry.S");

struct ap_boot ap_boot;
static void *ap_ist_stacks;
static paddr_t trampoline;

void smp_reserve_trampoline(void)
{
	memblock_set_ceiling(TRAMPOLINE_CEILING);
	trampoline = memblock_alloc(PAGE_SIZE, PAGE_SIZE);
	memblock_set_ceiling(~0UL);
}

/* ---- what a CPU is given ---- */

struct cpu_parts {
	void *area, *ist_stacks;
	struct task *idle;
};

static bool parts_alloc(struct cpu_parts *parts)
{
	parts->area = kmalloc(percpu_size(), GFP_KERNEL);
	parts->ist_stacks = vmalloc(IST_NR * IST_STACK_SIZE);
	parts->idle = task_alloc();
	return parts->area && parts->ist_stacks && parts->idle;
}

static void parts_free(struct cpu_parts *parts)
{
	kfree(parts->area);
	vfree(parts->ist_stacks);
	if (parts->idle) {
		parts->idle->proc = NULL;
		parts->idle->fs = NULL;
		task_free(parts->idle);
	}
}

static void prepare(const struct cpu_parts *parts, unsigned int cpu, u8 id)
{
	percpu_init_cpu(cpu, parts->area);
	mm_init_cpu(cpu);
	idle_task_init(parts->idle, cpu);
	sched_init_cpu(cpu, &parts->idle->thread);
	cpu_apic_id[cpu] = id;
	ap_ist_stacks = parts->ist_stacks;
	ap_boot.apic_id = id;
	ap_boot.cr3 = __pa(init_mm.pgd);
	ap_boot.percpu = (u64)parts->area;
	ap_boot.stack_top = parts->idle->thread.kstack_top;
}

/* ---- starting one ---- */

static bool wait_for_state(u32 state, u64 ns)
{
	u64 end = rdtsc() + ns_to_tsc_ticks(ns);

	while (__atomic_load_n(&ap_boot.state, __ATOMIC_ACQUIRE) < state) {
		if ((s64)(rdtsc() - end) > 0)
			return false;
		cpu_relax();
	}
	return true;
}

static void send_startups(u8 id)
{
	apic_send_init(id);
	udelay(INIT_DELAY_US);
	for (int i = 0; i < 2; i++) {
		apic_send_startup(id, trampoline);
		if (wait_for_state(AP_ARRIVED, STARTUP_DELAY_US * NSEC_PER_USEC))
			return;
	}
}

/* True: it is online. */
static bool start_cpu(u8 id)
{
	u32 expected = AP_EXPECTED;

	__atomic_store_n(&ap_boot.state, AP_EXPECTED, __ATOMIC_SEQ_CST);
	if (cmdline_long("smp.mute", -1) != id) /* a fault to inject: one that hears nothing */
		send_startups(id);
	if (!wait_for_state(AP_ARRIVED, ANSWER_NS) &&
	    __atomic_compare_exchange_n(&ap_boot.state, &expected, AP_NONE, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST)) {
		apic_send_init(id);
		return false;
	}
	/* It has taken what was prepared, and is in C or nearly so. */
	while (!wait_for_state(AP_ONLINE, ANSWER_NS))
		pr_warn("smp: CPU %u (APIC id %u) has begun and does not come up\n", nr_cpu_ids,
			id);
	return true;
}

void ap_main(void)
{
	x86_init_cpu(ap_ist_stacks, current_thread()->kstack_top);
	apic_init_cpu();
	clockevent_init();
	__atomic_store_n(&ap_boot.state, AP_ONLINE, __ATOMIC_SEQ_CST);
	/* Nothing is addressed to this CPU before it is counted. */
	while (READ_ONCE(nr_cpu_ids) <= smp_processor_id())
		cpu_relax();
	local_irq_enable();
	cpu_idle();
}

/* ---- all of them ---- */

static void start_others(unsigned int max)
{
	struct cpu_parts parts = {0};

	for (unsigned int i = 0; i < acpi_madt.nr_cpus && nr_cpu_ids < max; i++) {
		u8 id = acpi_madt.apic_id[i];

		if (id == cpu_apic_id[0])
			continue;
		if (!parts.area && !parts_alloc(&parts)) {
			pr_warn("smp: no memory for another CPU\n");
			break;
		}
		prepare(&parts, nr_cpu_ids, id);
		if (!start_cpu(id)) {
			pr_warn("smp: CPU with APIC id %u does not answer\n", id);
			continue;
		}
		parts = (struct cpu_parts){0};
		smp_store_release(&nr_cpu_ids, nr_cpu_ids + 1);
	}
	parts_free(&parts);
}

void smp_init(void)
{
	unsigned int max = (unsigned int)cmdline_long("maxcpus", NR_CPUS);
	ktime_t start = ktime_get();
	size_t size = (size_t)(ap_trampoline_end - ap_trampoline);

#ifdef CONFIG_DEBUG
	smp_call_check = lock_check_call;
#endif
	max = min(max(max, 1u), (unsigned int)NR_CPUS);
	if (apic_present())
		cpu_apic_id[0] = apic_id();
	if (acpi_madt.nr_cpus_lost)
		pr_warn("smp: %u processors more than the %u that can be used\n",
			acpi_madt.nr_cpus_lost, NR_CPUS);
	if (acpi_madt.nr_cpus > 1 && max > 1) {
		if (!trampoline || !apic_present()) {
			pr_warn("smp: no page below 1 MiB, or no local APIC: one processor\n");
		} else {
			memcpy(__va(trampoline), ap_trampoline, size);
			start_others(max);
		}
	}
	if (trampoline)
		free_reserved_area(trampoline, trampoline + PAGE_SIZE);
	pr_info("smp: Brought up 1 node, %u CPU%s in %lu us\n", nr_cpu_ids,
		nr_cpu_ids > 1 ? "s" : "", (unsigned long)((ktime_get() - start) / NSEC_PER_USEC));
}
