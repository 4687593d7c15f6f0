/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU variables.
 *
 * They are linked at address 0 up (section .data..percpu): a variable's address is its offset in a
 * CPU's area, and GSBASE holds the area's address while the CPU runs in the kernel. So
 * this_cpu_read(x) is one instruction, mov %gs:x. The boot CPU's area is the section's load image
 * itself; the areas of others begin as copies of what it was at first.
 *
 * The area begins with fixed_percpu_data, because the compiler's stack protector reads the canary
 * at %gs:40.
 */
#pragma once

#include <kernel/lib/types.h>

#define NR_CPUS 16

#define DEFINE_PER_CPU(type, name)  __section(".data..percpu") __typeof__(type) name
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name

struct fixed_percpu_data {
	char pad[40];
	unsigned long stack_canary; /* of the running thread */
};
extern struct fixed_percpu_data fixed_percpu_data;

DECLARE_PER_CPU(unsigned long, this_cpu_off); /* GSBASE, as a number */
DECLARE_PER_CPU(unsigned int, cpu_number);

extern unsigned long __per_cpu_offset[NR_CPUS];
extern unsigned int nr_cpu_ids; /* CPUs that run: 0 to nr_cpu_ids - 1; grows while they are started */

/* Reads and writes of 1, 2, 4 or 8 bytes. They name the running CPU in one instruction, so they
 * need no protection against being moved; a read and a later write do. */
#define this_cpu_read(var)                                                     \
	({                                                                     \
		__typeof__(var) _v;                                            \
		__asm__ __volatile__("mov %%gs:%1, %0" : "=r"(_v) : "m"(var)); \
		_v;                                                            \
	})
#define this_cpu_write(var, val)                                               \
	do {                                                                   \
		__typeof__(var) _v = (val);                                    \
		__asm__ __volatile__("mov %1, %%gs:%0" : "=m"(var) : "r"(_v)); \
	} while (0)
/* Adds to a 4- or 8-byte counter; atomic against interrupts of this CPU. */
#define this_cpu_add(var, val)                                                                   \
	do {                                                                                     \
		__typeof__(var) _v = (val);                                                      \
		_Static_assert(sizeof(_v) == 4 || sizeof(_v) == 8, "a counter");                 \
		if (sizeof(_v) == 8)                                                             \
			__asm__ __volatile__("addq %1, %%gs:%0" : "+m"(var) : "er"(_v) : "cc");  \
		else                                                                             \
			__asm__ __volatile__("addl %k1, %%gs:%0" : "+m"(var) : "ir"(_v) : "cc"); \
	} while (0)
#define this_cpu_inc(var) this_cpu_add(var, 1)
#define this_cpu_dec(var) this_cpu_add(var, -1)

/* The running CPU's copy. The caller cannot be moved meanwhile (the kernel is not preempted, so: it
 * does not sleep). */
#define this_cpu_ptr(ptr)     ((__typeof__(ptr))((unsigned long)(ptr) + this_cpu_read(this_cpu_off)))
#define per_cpu_ptr(ptr, cpu) ((__typeof__(ptr))((unsigned long)(ptr) + __per_cpu_offset[cpu]))

static inline unsigned int smp_processor_id(void)
{
	return this_cpu_read(cpu_number);
}

static inline unsigned long fixed_percpu_canary(void)
{
	return this_cpu_read(fixed_percpu_data.stack_canary);
}

#define for_each_cpu(cpu) for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++)

/* The boot CPU's area: before anything else in C. */
void percpu_init(void);
size_t percpu_size(void);
/* Another's, percpu_size() bytes at area, before it is started. */
void percpu_init_cpu(unsigned int cpu, void *area);
