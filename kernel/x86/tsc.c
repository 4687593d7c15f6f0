/* SPDX-License-Identifier: MIT */
/*
 * The frequency of the time-stamp counter.
 *
 * The processor may say it (CPUID 0x15: crystal and ratio), or a hypervisor (leaf 0x40000010);
 * otherwise the counter is compared with the PIT, whose 1193182 Hz are the same on every PC. The PIT
 * ticks every 838 ns only, so the moments of two of its ticks are caught: read until the count
 * changes, and note the time-stamp counter on both sides. The best of several such catches at the
 * beginning and at the end of 10 ms are within some ten nanoseconds: a few parts in a million. A
 * result that close to a multiple of 10 MHz is taken for it: virtual counters are such (QEMU's
 * -icount: exactly 1 GHz), and the error is within what was measured anyway.
 *
 * Assumed: the counter is invariant and the same on all CPUs, as it is on any 64-bit processor of
 * the last fifteen years and in any virtual machine worth the name.
 */
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/pit.h>
#include <kernel/x86/tsc.h>

#define CALIBRATION_TICKS 11932 /* of the PIT: 10 ms */
#define CATCHES           8

u64 tsc_khz;
u64 tsc_base;
u64 tsc_mult;
static u64 ticks_mult; /* ticks = (ns * ticks_mult) >> 32 */

/* A PIT tick, and when it was: between tsc - error and tsc. */
struct tick_catch {
	u64 tsc;
	u64 error;
	u16 count;
};

static struct tick_catch catch_tick(void)
{
	struct tick_catch c;
	u16 start = pit_read(), now;
	u64 before, after = rdtsc();

	do {
		before = after;
		now = pit_read();
		after = rdtsc();
	} while (now == start);
	c.tsc = after;
	c.error = after - before;
	c.count = now;
	return c;
}

static struct tick_catch best_catch(void)
{
	struct tick_catch best = catch_tick();

	for (int i = 1; i < CATCHES; i++) {
		struct tick_catch c = catch_tick();

		if (c.error < best.error)
			best = c;
	}
	return best;
}

static u64 khz_by_pit(void)
{
	struct tick_catch a, b;
	u64 ticks;

	pit_start_counting();
	a = best_catch();
	while ((u16)(a.count - pit_read()) < CALIBRATION_TICKS)
		cpu_relax();
	b = best_catch();
	ticks = (u16)(a.count - b.count); /* it counts down, 65536 ticks a turn: 55 ms */
	return (b.tsc - a.tsc) * PIT_HZ / ticks / 1000;
}

static u64 snap(u64 khz)
{
	u64 round = (khz + 5000) / 10000 * 10000;
	u64 off = khz > round ? khz - round : round - khz;

	return off <= khz / 20000 ? round : khz;
}

static u64 khz_by_cpuid(void)
{
	struct cpuid_regs r;

	if (cpu_features.max_leaf >= 0x15) {
		r = cpuid(0x15);
		if (r.eax && r.ebx && r.ecx)
			return (u64)r.ecx * r.ebx / r.eax / 1000;
	}
	if (cpu_features.hypervisor && cpuid(0x40000000).eax >= 0x40000010 &&
	    cpuid(0x40000000).eax < 0x40010000)
		return cpuid(0x40000010).eax;
	return 0;
}

void tsc_init(void)
{
	tsc_khz = khz_by_cpuid();
	if (tsc_khz < 100000 || tsc_khz > 20000000)
		tsc_khz = snap(khz_by_pit());
	tsc_mult = (1000000ULL << 32) / tsc_khz;
	ticks_mult = (tsc_khz << 32) / 1000000;
	tsc_base = rdtsc();
}

u64 ns_to_tsc_ticks(u64 ns)
{
	return (u64)(((unsigned __int128)ns * ticks_mult) >> 32);
}

void udelay(u64 usec)
{
	u64 end = rdtsc() + ns_to_tsc_ticks(usec * NSEC_PER_USEC);
	s64 left;

	/* An emulator leaves its fast path at each rdtsc and pause: most of a long delay is counted down in
	 * between. A round takes about a tick, on no processor less than an eighth of one. */
	while ((left = (s64)(end - rdtsc())) > 0) {
		for (u64 rounds = (u64)left / 8; rounds; rounds--)
			barrier();
		cpu_relax();
	}
}
