/* SPDX-License-Identifier: MIT */
/* Starting the other processors. */
#pragma once

/* Sets a page below 1 MiB aside, where they begin. With memblock, before mm_init_early(). */
void smp_reserve_trampoline(void);
/* Starts all that the firmware names, up to maxcpus=; from then on nr_cpu_ids says how many run. The
 * boot CPU, in a thread; sleeps. Gives the page back. */
void smp_init(void);
