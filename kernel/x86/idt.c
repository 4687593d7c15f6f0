/* SPDX-License-Identifier: MIT */
/*
 * The interrupt descriptor table: all 256 vectors lead to entry.S's stubs, as interrupt gates (IF
 * off on entry, so that CR2 is read before anything else can fault). Users may raise 3 (int3) and 4
 * (into) by instruction; any other int n of theirs is a #GP.
 */
#include <kernel/x86/cpu.h>
#include <kernel/x86/gdt.h>
#include <kernel/x86/trapframe.h>

struct idt_gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 type; /* present, DPL, 0xe: interrupt gate */
	u16 offset_mid;
	u32 offset_high;
	u32 reserved;
};
_Static_assert(sizeof(struct idt_gate) == 16, "SDM vol. 3, 6.14.1");

#define GATE_KERNEL 0x8e
#define GATE_USER   0xee
#define STUB_SIZE   16

static struct idt_gate idt[256] __aligned(4096);
extern const char trap_stubs[];
extern const char syscall_entry[];

static void set_gate(unsigned int vector, u8 type, u8 ist)
{
	u64 stub = (u64)trap_stubs + vector * STUB_SIZE;

	idt[vector] = (struct idt_gate){
		.offset_low = (u16)stub,
		.selector = KERNEL_CS,
		.ist = ist,
		.type = type,
		.offset_mid = (u16)(stub >> 16),
		.offset_high = (u32)(stub >> 32),
	};
}

void idt_init(void)
{
	for (unsigned int v = 0; v < 256; v++)
		set_gate(v, GATE_KERNEL, 0);
	set_gate(X86_TRAP_BP, GATE_USER, 0);
	set_gate(X86_TRAP_OF, GATE_USER, 0);
	set_gate(X86_TRAP_DF, GATE_KERNEL, IST_DF);
	set_gate(X86_TRAP_NMI, GATE_KERNEL, IST_NMI);
	set_gate(X86_TRAP_MC, GATE_KERNEL, IST_MC);
}

void idt_load(void)
{
	struct __packed {
		u16 limit;
		u64 base;
	} idtr = {sizeof(idt) - 1, (u64)idt};

	__asm__ __volatile__("lidt %0" : : "m"(idtr));
}

void syscall_init_cpu(void)
{
	wrmsr(MSR_STAR, (u64)USER_CS32 << 48 | (u64)KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	/* From compatibility mode, which the GDT has no segment for. */
	wrmsr(MSR_CSTAR, 0);
	wrmsr(MSR_SFMASK, X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_IOPL |
				  X86_EFLAGS_NT | X86_EFLAGS_AC | X86_EFLAGS_RF);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
}
