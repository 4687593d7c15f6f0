/* SPDX-License-Identifier: MIT */
/*
 * The local APICs (SDM vol. 3, chapter 11).
 *
 * The boot CPU's LINT0 is set to ExtINT ("virtual wire"), so that the 8259s work as without it. The
 * timer runs in one-shot mode at the bus clock divided by 16; the rate is measured against the time-stamp
 * counter for a millisecond, which is exact enough: whoever the interrupt is for reads the clock,
 * and one that came early just arms again. All CPUs' timers run at the rate that the first was measured at.
 */
#include <kernel/lib/printk.h>
#include <kernel/x86/apic.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/irq.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/tsc.h>

#define APIC_ID            0x020
#define APIC_TPR           0x080
#define APIC_EOI           0x0b0
#define APIC_SVR           0x0f0
#define APIC_ICR_LOW       0x300
#define APIC_ICR_HIGH      0x310
#define APIC_LVT_TIMER     0x320
#define APIC_LVT_LINT0     0x350
#define APIC_LVT_LINT1     0x360
#define APIC_LVT_ERROR     0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE  0x3e0

#define SVR_ENABLE       0x100
#define LVT_MASKED       0x10000
#define LVT_EXTINT       0x700
#define LVT_NMI          0x400
#define DIVIDE_BY_16     0x3
#define ICR_NMI          0x400
#define ICR_INIT         0x500
#define ICR_STARTUP      0x600
#define ICR_PENDING      0x1000
#define ICR_ASSERT       0x4000
#define ICR_LEVEL        0x8000
#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_ADDR   0x000ffffffffff000UL

#define CALIBRATION_NS NSEC_PER_MSEC

static volatile u32 *apic;
static u64 timer_khz; /* after the divider */

static u32 apic_read(unsigned int reg)
{
	return apic[reg / 4];
}

static void apic_write(unsigned int reg, u32 v)
{
	apic[reg / 4] = v;
}

bool apic_present(void)
{
	return apic != NULL;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

static u64 measure_timer_khz(void)
{
	u64 start, elapsed, ticks;

	apic_write(APIC_TIMER_INITIAL, ~0u);
	start = rdtsc();
	while (rdtsc() - start < ns_to_tsc_ticks(CALIBRATION_NS))
		cpu_relax();
	ticks = ~0u - apic_read(APIC_TIMER_CURRENT);
	elapsed = rdtsc() - start;
	apic_write(APIC_TIMER_INITIAL, 0);
	return ticks * tsc_khz / elapsed;
}

paddr_t apic_paddr(void)
{
	return cpu_has_apic() ? rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDR : 0;
}

static void enable(u32 lint0)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, SVR_ENABLE | APIC_SPURIOUS_VECTOR);
	apic_write(APIC_LVT_LINT0, lint0);
	apic_write(APIC_LVT_LINT1, LVT_NMI);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_16);
}

void apic_init(void *regs)
{
	apic = regs;
	enable(LVT_EXTINT);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | APIC_TIMER_VECTOR);
	timer_khz = measure_timer_khz();
	apic_write(APIC_LVT_TIMER, APIC_TIMER_VECTOR);
	pr_info("apic: timer %lu kHz\n", (unsigned long)timer_khz * 16);
}

void apic_init_cpu(void)
{
	enable(LVT_MASKED);
	apic_write(APIC_LVT_TIMER, APIC_TIMER_VECTOR);
}

void apic_mask_extint(void)
{
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
}

u8 apic_id(void)
{
	return (u8)(apic_read(APIC_ID) >> 24);
}

/* The two halves of the register are one thing: no handler may come in between. */
static void send(u8 id, u32 what)
{
	unsigned long flags = local_irq_save();

	apic_write(APIC_ICR_HIGH, (u32)id << 24);
	apic_write(APIC_ICR_LOW, what);
	while (apic_read(APIC_ICR_LOW) & ICR_PENDING)
		cpu_relax();
	local_irq_restore(flags);
}

void apic_send(u8 id, u8 vector)
{
	send(id, vector | ICR_ASSERT);
}

void apic_send_nmi(u8 id)
{
	send(id, ICR_NMI | ICR_ASSERT);
}

void apic_send_init(u8 id)
{
	send(id, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
	send(id, ICR_INIT | ICR_LEVEL);
}

void apic_send_startup(u8 id, paddr_t page)
{
	send(id, ICR_STARTUP | ICR_ASSERT | (u32)(page >> 12));
}

void apic_timer_start(u64 ns)
{
	u64 ticks = 0;

	if (ns) {
		/* Longer ones are cut: the interrupt then finds nothing due and arms again. */
		ticks = min(ns, (u64)NSEC_PER_SEC) * timer_khz / 1000000 + 1;
		ticks = min(ticks, (u64)UINT32_MAX);
	}
	apic_write(APIC_TIMER_INITIAL, (u32)ticks);
}
