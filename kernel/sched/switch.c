/* SPDX-License-Identifier: MIT */
/*
 * What changes with the thread besides the stack: where entries from user mode put their frames
 * (TSS.rsp0 and a per-CPU word for syscall), the FPU, and the user's FS and GS bases. Kernel
 * threads have neither FPU state nor bases: what the last user left simply stays loaded, to be
 * replaced by the next user's, and it was saved when that one was left.
 */
#include <kernel/sched/sched.h>
#include <kernel/x86/asm_offsets.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/fpu.h>
#include <kernel/x86/gdt.h>
#include <kernel/x86/switch.h>

#define CHECK_TF(reg, off) _Static_assert(offsetof(struct trapframe, reg) == (off), #reg)
CHECK_TF(r15, TF_R15);
CHECK_TF(r14, TF_R14);
CHECK_TF(r13, TF_R13);
CHECK_TF(r12, TF_R12);
CHECK_TF(rbp, TF_RBP);
CHECK_TF(rbx, TF_RBX);
CHECK_TF(r11, TF_R11);
CHECK_TF(r10, TF_R10);
CHECK_TF(r9, TF_R9);
CHECK_TF(r8, TF_R8);
CHECK_TF(rax, TF_RAX);
CHECK_TF(rcx, TF_RCX);
CHECK_TF(rdx, TF_RDX);
CHECK_TF(rsi, TF_RSI);
CHECK_TF(rdi, TF_RDI);
CHECK_TF(orig_rax, TF_ORIG_RAX);
CHECK_TF(vector, TF_VECTOR);
CHECK_TF(error, TF_ERROR);
CHECK_TF(rip, TF_RIP);
CHECK_TF(cs, TF_CS);
CHECK_TF(rflags, TF_RFLAGS);
CHECK_TF(rsp, TF_RSP);
CHECK_TF(ss, TF_SS);
_Static_assert(sizeof(struct trapframe) == TF_SIZE, "struct trapframe");
_Static_assert(offsetof(struct thread, ksp) == THREAD_KSP, "thread.ksp");
_Static_assert(offsetof(struct thread, canary) == THREAD_CANARY, "thread.canary");
_Static_assert(offsetof(struct thread, work) == THREAD_WORK, "thread.work");
_Static_assert(TWORK_IRET == ASM_TWORK_IRET, "in the lowest byte, as all of them");
_Static_assert(offsetof(struct fixed_percpu_data, stack_canary) == PERCPU_CANARY, "canary");
_Static_assert(TRAP_SYSCALL == ASM_TRAP_SYSCALL && KERNEL_DS == ASM_KERNEL_DS &&
		       USER_DS == ASM_USER_DS && USER_CS == ASM_USER_CS,
	       "asm_offsets.h repeats trapframe.h");

void switch_cpu_state(struct thread *prev, struct thread *next);
void thread_start(void);

/* While in the kernel, the user's GS base waits in KERNEL_GS_BASE. */
void user_bases_get(u64 *fsbase, u64 *gsbase)
{
	*fsbase = cpu_has_fsgsbase() ? rdfsbase() : rdmsr(MSR_FS_BASE);
	*gsbase = rdmsr(MSR_KERNEL_GS_BASE);
}

void user_bases_set(u64 fsbase, u64 gsbase)
{
	if (cpu_has_fsgsbase())
		wrfsbase(fsbase);
	else
		wrmsr(MSR_FS_BASE, fsbase);
	wrmsr(MSR_KERNEL_GS_BASE, gsbase);
}

/* From switch_to(), still on prev's stack. */
void switch_cpu_state(struct thread *prev, struct thread *next)
{
	if (prev->fpu) {
		user_bases_get(&prev->fsbase, &prev->gsbase);
		fpu_save(prev->fpu);
	}
	if (next->fpu) {
		user_bases_set(next->fsbase, next->gsbase);
		fpu_restore(next->fpu);
	}
	cpu_set_kstack(next->kstack_top);
}

u64 switch_initial_frame(u64 kstack_top, void (*fn)(void *arg), void *arg)
{
	struct initial_frame {
		u64 r15, r14, r13, r12, rbx, rbp; /* as switch_to pops them */
		u64 rip;
		u64 end[2]; /* a caller of 0: the backtrace ends */
	} *frame = (struct initial_frame *)(kstack_top - sizeof(struct trapframe)) - 1;

	*frame = (struct initial_frame){
		.r12 = (u64)arg,
		.rbx = (u64)fn,
		.rip = (u64)thread_start,
	};
	return (u64)frame;
}
