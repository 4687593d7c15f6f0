/* SPDX-License-Identifier: MIT */
/*
 * Exceptions: from user mode they become signals, exactly those of Linux; from kernel mode they are
 * repaired (a page of user memory is brought in), or sent to a fixup (kernel/x86/extable.h), or they
 * are a bug and an oops.
 *
 *	page fault
 *	|-- by user mode
 *	|   |-- user address ..................... handle_mm_fault(), or what it says
 *	|   `-- kernel address ................... SIGSEGV, MAPERR (nothing there for a user)
 *	`-- by the kernel
 *	    |-- kernel address
 *	    |   |-- instruction in the table ..... fixup (reading an unknown address)
 *	    |   `-- else ......................... stack overflow, NX, read-only, not mapped: oops
 *	    `-- user address
 *	        |-- instruction not in the table . null pointer, SMEP, SMAP: oops
 *	        |-- faults disabled .............. fixup
 *	        `-- else ......................... handle_mm_fault(), or fixup
 *
 * All gates leave interrupts off. What may sleep turns them on first: faults from user mode, and
 * those of the kernel where they were on (they are, wherever user memory is touched and a fault may
 * be repaired).
 *
 * Two frames are not where they seem. An iretq to user mode that faults is the user's doing
 * (trap_rebuild_user_frame). A kernel stack that has run into its guard page cannot take the page
 * fault's frame either: the processor reports a double fault, on a stack of its own, with the
 * address in CR2.
 */
#include <kernel/acpi.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/cmdline.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/tick.h>
#include <kernel/signal.h>
#include <kernel/traps.h>
#include <kernel/x86/apic.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/extable.h>
#include <kernel/x86/fpu.h>
#include <kernel/x86/ioapic.h>
#include <kernel/x86/irq.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/nmi.h>
#include <kernel/x86/pte.h>
#include <kernel/x86/switch.h>
#include <kernel/x86/uaccess.h>
#include <kernel/x86/x86.h>
#include <mm/fault.h>
#include <mm/oom.h>
#include <mm/pgtable.h>
#include <mm/vmalloc.h>

#define DR6_STEP BIT(14)

static const char *const trap_names[] = {
	[X86_TRAP_DE] = "divide error",
	[X86_TRAP_DB] = "debug",
	[X86_TRAP_NMI] = "NMI",
	[X86_TRAP_BP] = "int3",
	[X86_TRAP_OF] = "overflow",
	[X86_TRAP_BR] = "bounds",
	[X86_TRAP_UD] = "invalid opcode",
	[X86_TRAP_NM] = "device not available",
	[X86_TRAP_DF] = "double fault",
	[X86_TRAP_TS] = "invalid TSS",
	[X86_TRAP_NP] = "segment not present",
	[X86_TRAP_SS] = "stack segment",
	[X86_TRAP_GP] = "general protection fault",
	[X86_TRAP_MF] = "x87 error",
	[X86_TRAP_AC] = "alignment check",
	[X86_TRAP_MC] = "machine check",
	[X86_TRAP_XM] = "SIMD error",
};

static const char *trap_name(u64 vector)
{
	const char *name = vector < ARRAY_SIZE(trap_names) ? trap_names[vector] : NULL;

	return name ? name : "unknown exception";
}

/* ---- page faults ---- */

static unsigned int fault_flags(u64 error)
{
	_Static_assert(FAULT_FLAG_PRESENT == PF_ERR_PRESENT && FAULT_FLAG_WRITE == PF_ERR_WRITE &&
			       FAULT_FLAG_USER == PF_ERR_USER && FAULT_FLAG_INSTR == PF_ERR_INSTR,
		       "fault_flags() takes them as they are");
	return ((unsigned int)error &
		(PF_ERR_PRESENT | PF_ERR_WRITE | PF_ERR_USER | PF_ERR_INSTR)) |
	       FAULT_FLAG_KILLABLE;
}

/* Who is dying gets no page, or one was refused on purpose: others wait in the allocator until they have
 * one. So either the fault is tried again, not at once, or the process goes. */
static void out_of_memory_in_fault(void)
{
	if (fatal_signal_pending())
		return;
	pr_warn("Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF\n");
	oom_wait();
}

/* What the user gets for a fault that was not repaired. */
static __noinline void signal_for_fault(vm_fault_t result, vaddr_t addr)
{
	void __user *where = (void __user *)addr;

	switch (result) {
	case VM_FAULT_DONE:
	case VM_FAULT_MAJOR:
	case VM_FAULT_SIGKILL: /* pending already */
	case VM_FAULT_RETRY:   /* never leaves handle_mm_fault() */
		break;
	case VM_FAULT_SIGSEGV_MAPERR:
		force_sig_fault(SIGSEGV, SEGV_MAPERR, where);
		break;
	case VM_FAULT_SIGSEGV_ACCERR:
		force_sig_fault(SIGSEGV, SEGV_ACCERR, where);
		break;
	case VM_FAULT_SIGBUS:
		force_sig_fault(SIGBUS, BUS_ADRERR, where);
		break;
	case VM_FAULT_OOM:
		out_of_memory_in_fault();
		break;
	}
}

/* From user mode, but nothing that a page could repair. */
static void bad_user_page_fault(struct trapframe *tf, vaddr_t addr)
{
	local_irq_enable();
	tf->error |= PF_ERR_PRESENT; /* what the kernel has mapped where is not told (Linux, too) */
	if (tf->error & PF_ERR_RSVD)
		oops(tf, "BUG: reserved bit set in a page table, at %lx", addr);
	/* The processor's own access for an instruction of the user (a descriptor; in QEMU 7 also the
	 * stack of a far return). */
	if (!(tf->error & PF_ERR_USER))
		force_sig_info_kernel(SIGSEGV);
	else
		force_sig_fault(SIGSEGV, SEGV_MAPERR, (void __user *)addr);
}

static void __noreturn kernel_fault_oops(struct trapframe *tf, vaddr_t addr)
{
	if (is_stack_overflow(addr))
		oops(tf, "kernel stack overflow (%lx is in the guard page)", addr);
	if (tf->error & PF_ERR_RSVD)
		oops(tf, "BUG: reserved bit set in a page table, at %lx", addr);
	if (tf->error & PF_ERR_INSTR)
		oops(tf,
		     addr < TASK_SIZE ? "kernel tried to execute user memory (SMEP) at %lx" :
		     tf->error & PF_ERR_PRESENT ?
					"kernel tried to execute NX-protected page at %lx" :
					"BUG: unable to handle kernel instruction fetch at %lx",
		     addr);
	if (addr < PAGE_SIZE)
		oops(tf, "BUG: kernel NULL pointer dereference, address: %lx", addr);
	if (addr < TASK_SIZE && cpu_has_smap() && !(tf->rflags & X86_EFLAGS_AC))
		oops(tf, "BUG: kernel access to user memory outside uaccess (SMAP), address: %lx",
		     addr);
	if (addr >= TASK_SIZE && (tf->error & PF_ERR_PRESENT) && (tf->error & PF_ERR_WRITE))
		oops(tf, "BUG: kernel write to read-only memory, address: %lx", addr);
	oops(tf, "BUG: unable to handle page fault for address: %lx", addr);
}

/* The kernel touched user memory, by an instruction that has a fixup. */
static void uaccess_page_fault(struct trapframe *tf, vaddr_t addr)
{
	struct thread *t = current_thread();
	vm_fault_t result;

	if (this_cpu_read(pagefault_disabled) || !t->mm || !(tf->rflags & X86_EFLAGS_IF) ||
	    in_irq()) {
		extable_fixup(tf);
		return;
	}
	local_irq_enable();
	result = handle_mm_fault(t->mm, addr, fault_flags(tf->error));
	local_irq_disable();
	if (result <= VM_FAULT_MAJOR)
		return;
	extable_fixup(tf); /* without memory, too: EFAULT, as on Linux */
}

static void kernel_page_fault(struct trapframe *tf, vaddr_t addr)
{
	bool has_fixup = extable_find(tf->rip) != 0;

	if (!has_fixup || (tf->error & (PF_ERR_RSVD | PF_ERR_INSTR)))
		kernel_fault_oops(tf, addr);
	if (addr >= TASK_SIZE)
		extable_fixup(tf);
	else
		uaccess_page_fault(tf, addr);
}

static __noinline void unusual_page_fault(struct trapframe *tf, vaddr_t addr)
{
	if (user_mode(tf))
		bad_user_page_fault(tf, addr);
	else
		kernel_page_fault(tf, addr);
}

void page_fault(struct trapframe *tf)
{
	const u64 usual = PF_ERR_PRESENT | PF_ERR_WRITE | PF_ERR_INSTR;
	vaddr_t addr = read_cr2();
	vm_fault_t result;

	if (unlikely((tf->error & ~usual) != PF_ERR_USER)) {
		unusual_page_fault(tf, addr);
		return;
	}
	local_irq_enable();
	result = handle_mm_fault(current_thread()->mm, addr, fault_flags(tf->error));
	if (likely(result <= VM_FAULT_MAJOR))
		return;
	if (addr >= TASK_SIZE)
		bad_user_page_fault(tf, addr);
	else
		signal_for_fault(result, addr);
}

/* ---- other exceptions ---- */

/* Has the processor stepped (TF), or met a breakpoint register? Nobody sets those. */
static void user_debug_trap(struct trapframe *tf)
{
	unsigned long dr6 = read_dr6();

	write_dr6(0);
	/* Linux clears a user's single-step flag only for a debugger. */
	force_sig_fault(SIGTRAP, dr6 & DR6_STEP ? TRAP_TRACE : TRAP_BRKPT, (void __user *)tf->rip);
}

static void user_trap(struct trapframe *tf)
{
	void __user *rip = (void __user *)tf->rip;

	local_irq_enable();
	switch (tf->vector) {
	case X86_TRAP_DE:
		force_sig_fault(SIGFPE, FPE_INTDIV, rip);
		break;
	case X86_TRAP_DB:
		user_debug_trap(tf);
		break;
	case X86_TRAP_BP:
		force_sig_info_kernel(SIGTRAP);
		break;
	case X86_TRAP_UD:
		force_sig_fault(SIGILL, ILL_ILLOPN, rip);
		break;
	case X86_TRAP_MF:
	case X86_TRAP_XM: {
		int code = fpu_exception_code(current_thread()->fpu, (unsigned int)tf->vector);

		/* Without a code nothing is pending any more: a handler has repaired it. */
		if (code)
			force_sig_fault(SIGFPE, code, rip);
		break;
	}
	case X86_TRAP_NP:
	case X86_TRAP_SS:
		force_sig_info_kernel(SIGBUS);
		break;
	case X86_TRAP_AC:
		force_sig_fault(SIGBUS, BUS_ADRALN, NULL);
		break;
	case X86_TRAP_OF:
	case X86_TRAP_BR:
	case X86_TRAP_TS:
	case X86_TRAP_GP:
	default:
		force_sig_info_kernel(SIGSEGV);
		break;
	}
}

/* ud1 and ud2 are what assert() and UBSan's traps compile to. */
static void __noreturn kernel_invalid_opcode(struct trapframe *tf)
{
	u8 insn[4] = {0};

	if (copy_from_kernel_nofault(insn, (const void *)tf->rip, sizeof(insn)) < sizeof(insn) &&
	    insn[0] == 0x0f && insn[1] == 0x0b)
		oops(tf, "kernel BUG: a sanitizer check failed (ud2)");
	/* clang: ud1 with the kind of check as displacement of an address */
	if ((insn[0] == 0x67 && insn[1] == 0x0f && insn[2] == 0xb9) ||
	    (insn[0] == 0x0f && insn[1] == 0xb9))
		oops(tf, "kernel BUG: a sanitizer check failed (ud1)");
	oops(tf, "invalid opcode");
}

static void kernel_trap(struct trapframe *tf)
{
	switch (tf->vector) {
	case X86_TRAP_DB: /* left over from a user's single step through syscall or the like */
		write_dr6(0);
		tf->rflags &= ~(u64)X86_EFLAGS_TF;
		return;
	case X86_TRAP_UD:
		kernel_invalid_opcode(tf);
	case X86_TRAP_GP:
	case X86_TRAP_SS:
	case X86_TRAP_MF:
	case X86_TRAP_XM:
	case X86_TRAP_AC:
		if (extable_fixup(tf))
			return;
		break;
	}
	oops(tf, "%s: %04lx", trap_name(tf->vector), (unsigned long)tf->error);
}

static void __noreturn double_fault(struct trapframe *tf)
{
	vaddr_t cr2 = read_cr2();

	printk_report_begin(false);
	console_loglevel = LOG_DEBUG;
	if (is_stack_overflow(cr2) || is_stack_overflow(tf->rsp - 8))
		pr_emerg("kernel stack overflow (double fault, rsp %016lx)\n",
			 (unsigned long)tf->rsp);
	pr_emerg("PANIC: double fault, error_code: 0x%lx, CR2: %016lx\n", (unsigned long)tf->error,
		 cr2);
	show_page_walk(cr2);
	show_regs(tf);
	panic("double fault");
}

void trap_dispatch(struct trapframe *tf)
{
	if (likely(tf->vector >= IRQ_VECTOR_BASE)) {
		irq_enter();
		irq_dispatch(tf);
		irq_exit();
	} else if (tf->vector == X86_TRAP_DF) {
		double_fault(tf);
	} else if (tf->vector == X86_TRAP_NMI) {
		if (!nmi_dispatch(tf))
			pr_warn("NMI received, ignored\n");
	} else if (tf->vector == X86_TRAP_MC) {
		printk_report_begin(false);
		show_regs(tf);
		panic("machine check");
	} else if (user_mode(tf)) {
		user_trap(tf);
	} else {
		kernel_trap(tf);
	}
}

/*
 * When iretq to user mode faults, the user's registers are loaded already, and so saved in the
 * fault's frame; rip to ss still lie where iretq wanted to take them, at the top of the stack, which
 * is their place in the frame to be rebuilt. (The frame that entered the kernel was there.)
 */
struct trapframe *trap_rebuild_user_frame(struct trapframe *fault)
{
	struct trapframe *tf = user_frame(current_thread()->kstack_top);

	memmove(tf, fault, offsetof(struct trapframe, rip));
	/* A stack fault of iretq is about the user's selectors: #GP, as Linux has it. */
	tf->vector = X86_TRAP_GP;
	return tf;
}

static void use_ioapic(void)
{
	void *regs = ioremap(acpi_madt.ioapic, PAGE_SIZE);
	struct ioapic_line line[NR_IRQS];

	for (unsigned int irq = 0; irq < NR_IRQS; irq++)
		line[irq] = (struct ioapic_line){
			.pin = acpi_madt.isa[irq].gsi - acpi_madt.ioapic_gsi_base,
			.flags = acpi_madt.isa[irq].flags,
		};
	if (regs)
		irq_use_ioapic(regs, line);
}

void x86_late_init(void)
{
	paddr_t pa = apic_paddr();
	void *regs = pa ? ioremap(pa, PAGE_SIZE) : NULL;

	if (regs)
		apic_init(regs);
	else if (pa)
		pr_warn("apic: no memory to map its registers\n");
	if (regs && acpi_madt.ioapic && !cmdline_bool("noapic", false))
		use_ioapic();
	clockevent_init();
}
