/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU variables on the host: a section that shim.c copies for each CPU but the first. A test
 * chooses the "running" CPU with host_set_cpu(), each of its threads for itself.
 */
#pragma once

#include <kernel/lib/types.h>

#define NR_CPUS 16

#define DEFINE_PER_CPU(type, name)  __section("host_percpu") __typeof__(type) name
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name

extern unsigned long __per_cpu_offset[NR_CPUS];
extern unsigned int nr_cpu_ids;
extern __thread unsigned int host_cpu;

/* The compiler must not conclude from &variable that the result points into it. */
#define per_cpu_ptr(ptr, cpu)                                  \
	({                                                     \
		unsigned long _p;                              \
		__asm__("" : "=r"(_p) : "0"(ptr));             \
		(__typeof__(ptr))(_p + __per_cpu_offset[cpu]); \
	})
#define this_cpu_ptr(ptr)        per_cpu_ptr(ptr, host_cpu)
#define this_cpu_read(var)       (*this_cpu_ptr(&(var)))
#define this_cpu_write(var, val) ((void)(*this_cpu_ptr(&(var)) = (val)))
#define this_cpu_add(var, val)   ((void)(*this_cpu_ptr(&(var)) += (val)))
#define this_cpu_inc(var)        this_cpu_add(var, 1)
#define this_cpu_dec(var)        this_cpu_add(var, -1)

static inline unsigned int smp_processor_id(void)
{
	return host_cpu;
}

#define for_each_cpu(cpu) for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++)
