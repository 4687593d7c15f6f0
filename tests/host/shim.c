/* SPDX-License-Identifier: MIT */
/*
 * What kernel code needs to run as a program: per-CPU areas, the log, panic. All weak, so that a
 * test may bring its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kernel/lib/bug.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/race.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>
#include <kernel/sync/spinlock.h>
#include <kernel/x86/pte.h>
#include <kernel/x86/smp.h>
#include <mm/trace.h>
#include <tests/host/host.h>

__weak unsigned long host_page_offset, host_vmemmap_start, host_vmalloc_start, host_vmalloc_end;
__weak pteval_t pte_supported_mask = ~0UL;
__weak unsigned long host_tlb_flushes;
void (*host_tlb_hook)(vaddr_t va, bool all);

unsigned long __per_cpu_offset[NR_CPUS];
unsigned int nr_cpu_ids = 1;
__thread unsigned int host_cpu;
__weak DEFINE_PER_CPU(struct thread *, current_thread_ptr);
__weak DEFINE_PER_CPU(bool, need_resched_flag);
__weak DEFINE_PER_CPU(int, irq_depth);
__weak int console_loglevel = LOG_WARNING;
__weak bool race_enabled;

extern char __start_host_percpu[], __stop_host_percpu[];

void host_add_cpus(unsigned int nr)
{
	size_t size = (size_t)(__stop_host_percpu - __start_host_percpu);

	assert(nr <= NR_CPUS);
	for (; nr_cpu_ids < nr; nr_cpu_ids++) {
		char *area = aligned_alloc(64, ALIGN(size, 64UL));

		for (size_t i = 0; i < size; i++)
			area[i] = __start_host_percpu[i];
		__per_cpu_offset[nr_cpu_ids] =
			(unsigned long)area - (unsigned long)__start_host_percpu;
	}
}

/* One TLB is modelled: whoever is asked does it. */
__weak void smp_call_mask(u64 mask, void (*fn)(void *arg), void *arg)
{
	for (; mask; mask &= mask - 1)
		fn(arg);
}

void host_set_cpu(unsigned int cpu)
{
	struct thread *t = this_cpu_read(current_thread_ptr);

	assert(cpu < nr_cpu_ids);
	host_cpu = cpu;
	this_cpu_write(current_thread_ptr, t);
}

__weak void host_might_sleep(void)
{
	const struct thread *t = current_thread();

	if (t && t->nr_spin_held)
		panic("sleeping with %d spinlocks held", t->nr_spin_held);
}

__weak void race_delay(void)
{
}

__weak void vprintk(enum log_level level, const char *fmt, va_list ap)
{
	if (level >= (enum log_level)console_loglevel)
		return;
	printf("# ");
	vprintf(fmt, ap);
}

__weak void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(level, fmt, ap);
	va_end(ap);
}

/* A test that expects a panic runs it in a child and looks for this status and message. */
__weak void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# panic: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(HOST_PANIC_STATUS);
}

__weak void assert_failed(const char *expr, const char *file, int line, const char *func)
{
	panic("assertion %s failed at %s:%d (%s)", expr, file, line, func);
}

__weak void warn_slow(const char *file, int line, const char *fmt, ...)
{
	panic("warning at %s:%d: %s", file, line, fmt);
}

__weak ktime_t ktime_get(void)
{
	return 0;
}

/* Nothing is traced. */
__weak u32 trace_mask;
__weak void trace_record(enum trace_event event, u32 extra, const u64 arg[6])
{
	(void)event, (void)extra, (void)arg;
}
