/* SPDX-License-Identifier: MIT */
/*
 * The 8254 programmable interval timer, channel 0: to measure other clocks by, and the timer
 * interrupt of machines without a local APIC.
 */
#pragma once

#include <kernel/x86/cpu.h>

#define PIT_HZ      1193182ULL
#define PIT_IRQ     0
#define PIT_CH0     0x40
#define PIT_COMMAND 0x43

/* Lets channel 0 count down from 65536, again and again; its interrupt line is masked meanwhile. */
static inline void pit_start_counting(void)
{
	outb(PIT_COMMAND, 0x34); /* channel 0, both bytes, mode 2 */
	outb(PIT_CH0, 0);
	outb(PIT_CH0, 0);
}

static inline u16 pit_read(void)
{
	u8 lo;

	outb(PIT_COMMAND, 0x00); /* latch channel 0 */
	lo = inb(PIT_CH0);
	return (u16)(inb(PIT_CH0) << 8 | lo);
}

/* One interrupt after so many ticks (1 to 65536). */
static inline void pit_start_oneshot(u32 ticks)
{
	outb(PIT_COMMAND, 0x30); /* channel 0, both bytes, mode 0 */
	outb(PIT_CH0, (u8)ticks);
	outb(PIT_CH0, (u8)(ticks >> 8));
}

/* Silent: mode 0 that is never loaded. */
static inline void pit_stop(void)
{
	outb(PIT_COMMAND, 0x30);
}
