/* SPDX-License-Identifier: MIT */
/*
 * The per-CPU areas' bookkeeping. The boot CPU's area is the load image of .data..percpu, which
 * boot/entry.S has put into GSBASE already.
 */
#include <kernel/x86/percpu.h>

__section(".data..percpu..first") struct fixed_percpu_data fixed_percpu_data;
DEFINE_PER_CPU(unsigned long, this_cpu_off);
DEFINE_PER_CPU(unsigned int, cpu_number);

unsigned long __per_cpu_offset[NR_CPUS];
unsigned int nr_cpu_ids = 1;

extern char __per_cpu_load[];

void percpu_init(void)
{
	__per_cpu_offset[0] = (unsigned long)__per_cpu_load;
	this_cpu_write(this_cpu_off, __per_cpu_offset[0]);
	this_cpu_write(cpu_number, 0);
}
