/* SPDX-License-Identifier: MIT */
/* The machine's initialisation, as kernel_main() calls it. */
#pragma once

/* First of all, without any memory: per-CPU area, CPUID, segments, traps, protections, FPU, clock. */
void x86_early_init(void);
/* The same for another CPU, on it. */
void x86_init_cpu(void *ist_stacks, u64 kstack_top);
/* kernel/traps.c: when ioremap() works: the timer interrupt. Interrupts may be turned on then. */
void x86_late_init(void);
