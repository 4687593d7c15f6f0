/* SPDX-License-Identifier: MIT */
/*
 * The per-CPU areas' bookkeeping. The boot CPU's area is the load image of .data..percpu, which
 * boot/entry.S has put into GSBASE already. Before anything in it is written it is copied aside, for the
 * areas of the others.
 */
#include <kernel/lib/string.h>
#include <kernel/x86/percpu.h>

__section(".data..percpu..first") struct fixed_percpu_data fixed_percpu_data;
DEFINE_PER_CPU(unsigned long, this_cpu_off);
DEFINE_PER_CPU(unsigned int, cpu_number);

unsigned long __per_cpu_offset[NR_CPUS];
unsigned int nr_cpu_ids = 1;

extern char __per_cpu_load[], __per_cpu_image[], __per_cpu_end[];

size_t percpu_size(void)
{
	return (size_t)__per_cpu_end; /* linked at 0 */
}

void percpu_init(void)
{
	memcpy(__per_cpu_image, __per_cpu_load, percpu_size());
	__per_cpu_offset[0] = (unsigned long)__per_cpu_load;
	this_cpu_write(this_cpu_off, __per_cpu_offset[0]);
	this_cpu_write(cpu_number, 0);
}

void percpu_init_cpu(unsigned int cpu, void *area)
{
	memcpy(area, __per_cpu_image, percpu_size());
	__per_cpu_offset[cpu] = (unsigned long)area;
	*per_cpu_ptr(&this_cpu_off, cpu) = __per_cpu_offset[cpu];
	*per_cpu_ptr(&cpu_number, cpu) = cpu;
}
