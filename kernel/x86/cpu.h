/* SPDX-License-Identifier: MIT */
/* One inline function an instruction that C cannot say, and the registers' bits. */
#pragma once

#include <kernel/lib/types.h>

#define X86_CR0_WP (1UL << 16)
#define X86_CR0_MP (1UL << 1)
#define X86_CR0_EM (1UL << 2)
#define X86_CR0_TS (1UL << 3)
#define X86_CR0_NE (1UL << 5)
#define X86_CR0_AM (1UL << 18)

#define X86_CR4_PGE        (1UL << 7)
#define X86_CR4_OSFXSR     (1UL << 9)
#define X86_CR4_OSXMMEXCPT (1UL << 10)
#define X86_CR4_UMIP       (1UL << 11)
#define X86_CR4_FSGSBASE   (1UL << 16)
#define X86_CR4_OSXSAVE    (1UL << 18)
#define X86_CR4_SMEP       (1UL << 20)
#define X86_CR4_SMAP       (1UL << 21)

#define MSR_APIC_BASE      0x1b
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define EFER_SCE (1UL << 0)
#define EFER_NXE (1UL << 11)

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ __volatile__("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ __volatile__("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

struct cpuid_regs {
	u32 eax, ebx, ecx, edx;
};
static inline struct cpuid_regs cpuid_count(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r;

	__asm__ __volatile__("cpuid"
			     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			     : "a"(leaf), "c"(subleaf));
	return r;
}
static inline struct cpuid_regs cpuid(u32 leaf)
{
	return cpuid_count(leaf, 0);
}

#define __DEFINE_CR(n)                                                             \
	static inline unsigned long read_cr##n(void)                               \
	{                                                                          \
		unsigned long v;                                                   \
		__asm__ __volatile__("mov %%cr" #n ", %0" : "=r"(v) : : "memory"); \
		return v;                                                          \
	}                                                                          \
	static inline void write_cr##n(unsigned long v)                            \
	{                                                                          \
		__asm__ __volatile__("mov %0, %%cr" #n : : "r"(v) : "memory");     \
	}
__DEFINE_CR(0)
__DEFINE_CR(2)
__DEFINE_CR(3)
__DEFINE_CR(4)
#undef __DEFINE_CR

static inline unsigned long read_dr6(void)
{
	unsigned long v;

	__asm__ __volatile__("mov %%db6, %0" : "=r"(v));
	return v;
}
static inline void write_dr6(unsigned long v)
{
	__asm__ __volatile__("mov %0, %%db6" : : "r"(v));
}

static inline void outb(u16 port, u8 v)
{
	__asm__ __volatile__("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline void outw(u16 port, u16 v)
{
	__asm__ __volatile__("outw %0, %1" : : "a"(v), "Nd"(port));
}
static inline void outl(u16 port, u32 v)
{
	__asm__ __volatile__("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ __volatile__("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline u16 inw(u16 port)
{
	u16 v;

	__asm__ __volatile__("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline u32 inl(u16 port)
{
	u32 v;

	__asm__ __volatile__("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
/* About a microsecond: an unused port's write. Old devices need it between commands. */
static inline void io_delay(void)
{
	outb(0x80, 0);
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ __volatile__("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}
static inline void cpu_relax(void)
{
	__asm__ __volatile__("pause" : : : "memory");
}
static inline void hlt(void)
{
	__asm__ __volatile__("hlt" : : : "memory");
}
/* Interrupts on and halt in one step: an interrupt that was pending ends the halt. */
static inline void safe_halt(void)
{
	__asm__ __volatile__("sti; hlt" : : : "memory");
}
static inline void invlpg(vaddr_t va)
{
	__asm__ __volatile__("invlpg (%0)" : : "r"(va) : "memory");
}
static inline u64 xgetbv(u32 reg)
{
	u32 lo, hi;

	__asm__ __volatile__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(reg));
	return (u64)hi << 32 | lo;
}
static inline void xsetbv(u32 reg, u64 v)
{
	__asm__ __volatile__("xsetbv" : : "c"(reg), "a"((u32)v), "d"((u32)(v >> 32)));
}
/* With CR4.FSGSBASE only. */
static inline u64 rdfsbase(void)
{
	u64 v;

	__asm__ __volatile__("rdfsbase %0" : "=r"(v));
	return v;
}
static inline void wrfsbase(u64 v)
{
	__asm__ __volatile__("wrfsbase %0" : : "r"(v));
}
