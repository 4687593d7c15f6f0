/* SPDX-License-Identifier: MIT */
/* Other CPUs, stopped where they are: for panics, the watchdog, and the end of the machine. */
#pragma once

#include <kernel/lib/types.h>

struct trapframe;

/* The other CPUs stand still from here on; interrupts are off. Of several that call it the first
 * goes on, the others are among those that are stopped. It may call it again. Waits a second at most. */
void smp_stop_others(void);
/* Holds a running CPU until cpu_release(). Its frame, or NULL: it does not answer, or is stopped for good. */
const struct trapframe *cpu_hold(unsigned int cpu);
void cpu_release(unsigned int cpu);
/* Where a CPU that is held or stopped was; NULL: it is neither. */
const struct trapframe *cpu_frame(unsigned int cpu);

/* From trap_dispatch(). False: nobody had asked for this NMI. */
bool nmi_dispatch(const struct trapframe *tf);
