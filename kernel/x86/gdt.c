/* SPDX-License-Identifier: MIT */
/*
 * GDT and TSS, one each a CPU.
 *
 *	0x10 kernel code   0x18 kernel data				(syscall)
 *	0x20 (user code 32)  0x28 user data  0x30 user code 64		(sysret)
 *	0x40 TSS
 *
 * The order is what syscall and sysret compute from MSR_STAR (SDM vol. 3, 5.8.8). The 32-bit slot is
 * left empty, so that no program can reach compatibility mode, where some processors have one more
 * system-call instruction. The TSS holds the
 * stack for entries from user mode and the IST stacks: for a double fault, because the usual stack
 * may be what is broken; for NMI and machine check, because they come at any instruction, also where
 * rsp is still the user's. No guard page lies between the IST stacks; the I/O bitmap is empty.
 */
#include <kernel/lib/string.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/gdt.h>
#include <kernel/x86/percpu.h>
#include <kernel/x86/trapframe.h>

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 iomap;
} __packed;

struct cpu_segments {
	u64 gdt[10];
	u64 pad; /* the TSS's 8-byte fields are at 4 modulo 8: this puts rsp0 where it is aligned */
	u32 pad2;
	struct tss tss;
	u8 *ist_stacks;
};

/* Accessed, writable, code or data, present; L for 64-bit code, D/B and G for the others. */
#define DESC_KERNEL_CS 0x00af9b000000ffffULL
#define DESC_KERNEL_DS 0x00cf93000000ffffULL
#define DESC_USER_DS   0x00cff3000000ffffULL
#define DESC_USER_CS   0x00affb000000ffffULL

static DEFINE_PER_CPU(struct cpu_segments, cpu_segments) __aligned(64);
DEFINE_PER_CPU(u64, cpu_kstack_top); /* entry.S: rsp for syscall_entry */
DEFINE_PER_CPU(u64, cpu_user_rsp);   /* entry.S: the user's, for an instruction or two */

static u8 boot_ist_stacks[IST_NR][IST_STACK_SIZE] __aligned(16);

void cpu_set_kstack(u64 kstack_top)
{
	this_cpu_write(cpu_kstack_top, kstack_top);
	this_cpu_write(cpu_segments.tss.rsp[0], kstack_top);
}

/* The area's address lies above where the processor starts to push: see trap_paranoid. */
static u64 prepare_ist_stack(u8 *stack)
{
	u64 *top = (u64 *)(stack + IST_STACK_SIZE);

	top[-2] = this_cpu_read(this_cpu_off);
	return (u64)(top - 2);
}

static void set_tss_descriptor(u64 *desc, u64 base)
{
	u64 limit = sizeof(struct tss) - 1;

	desc[0] = limit | (base & 0xffffff) << 16 | 0x89ULL << 40 | (base >> 24 & 0xff) << 56;
	desc[1] = base >> 32;
}

static void load_segments(const u64 *gdt, size_t size)
{
	struct __packed {
		u16 limit;
		u64 base;
	} gdtr = {(u16)(size - 1), (u64)gdt};

	__asm__ __volatile__("lgdt %0\n\t"
			     "pushq %1\n\t"
			     "leaq 1f(%%rip), %%rax\n\t"
			     "pushq %%rax\n\t"
			     "lretq\n"
			     "1:\n\t"
			     "movl %2, %%ds\n\t"
			     "movl %2, %%es\n\t"
			     "movl %2, %%ss\n\t"
			     :
			     : "m"(gdtr), "i"(KERNEL_CS), "r"(KERNEL_DS)
			     : "rax", "memory");
	__asm__ __volatile__("ltr %w0" : : "r"(TSS_SEL));
}

void gdt_init_cpu(void *ist_stacks, u64 kstack_top)
{
	struct cpu_segments *s = this_cpu_ptr(&cpu_segments);

	memset(s, 0, sizeof(*s));
	s->gdt[KERNEL_CS / 8] = DESC_KERNEL_CS;
	s->gdt[KERNEL_DS / 8] = DESC_KERNEL_DS;
	s->gdt[USER_DS / 8] = DESC_USER_DS;
	s->gdt[USER_CS / 8] = DESC_USER_CS;
	set_tss_descriptor(&s->gdt[TSS_SEL / 8], (u64)&s->tss);
	s->ist_stacks = ist_stacks ? ist_stacks : boot_ist_stacks;
	for (int i = 0; i < IST_NR; i++)
		s->tss.ist[i] = prepare_ist_stack(s->ist_stacks + i * IST_STACK_SIZE);
	s->tss.iomap = sizeof(struct tss);
	load_segments(s->gdt, sizeof(s->gdt));
	cpu_set_kstack(kstack_top);
}

bool ist_stack_bounds(unsigned int cpu, u64 addr, u64 *lo, u64 *hi)
{
	u64 base = (u64)per_cpu_ptr(&cpu_segments, cpu)->ist_stacks;

	if (!base || addr < base || addr >= base + IST_NR * IST_STACK_SIZE)
		return false;
	*lo = base + (addr - base) / IST_STACK_SIZE * IST_STACK_SIZE;
	*hi = *lo + IST_STACK_SIZE;
	return true;
}
