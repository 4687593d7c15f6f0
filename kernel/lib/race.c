/* SPDX-License-Identifier: MIT */
/*
 * race=SEED: random short delays.
 *
 * Problem: two CPUs must meet within a few instructions for a missing lock to show.
 *
 * Idea: make those instructions last. One race point in eight waits for up to 256 rounds, about as
 * long as a lock is held; one in some thousand for up to 16,000, long enough for the others to start
 * and end whatever they do. Each CPU draws from a sequence of its own, given by the seed: another seed
 * is another set of delays. Under -icount a seed repeats exactly; several CPUs take turns there, and
 * the pause at the end of a delay is what gives the turn to another.
 *
 * Called with any lock held, in interrupts and with them off. One that comes between the reading and
 * the writing of the state draws the same number; that is no harm.
 */
#include <kernel/lib/cmdline.h>
#include <kernel/lib/hash.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/race.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/percpu.h>

#ifdef CONFIG_DEBUG

bool race_enabled;
static u32 race_seed;
static DEFINE_PER_CPU(u32, race_state);

void race_delay(void)
{
	u32 x = this_cpu_read(race_state), rounds;

	if (!x)
		x = (u32)hash_long((race_seed + 1UL) * NR_CPUS + smp_processor_id(), 32) | 1;
	x ^= x << 13; /* xorshift32 (Marsaglia 2003) */
	x ^= x >> 17;
	x ^= x << 5;
	this_cpu_write(race_state, x);
	if (x % 8)
		return;
	rounds = x >> 8 & 0xff;
	if ((x >> 16) % 256 == 0)
		rounds *= 64;
	while (rounds--)
		barrier();
	cpu_relax();
}

void race_init(void)
{
	if (!cmdline_get("race", NULL, 0))
		return;
	race_seed = (u32)cmdline_long("race", 1);
	race_enabled = true;
	pr_info("race: delays at locks and atomics, seed %u\n", race_seed);
}

#else

void race_init(void)
{
	if (cmdline_get("race", NULL, 0))
		pr_warn("race=: only a debug build has these delays\n");
}

#endif
