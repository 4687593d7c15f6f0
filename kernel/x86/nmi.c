/* SPDX-License-Identifier: MIT */
/*
 * Stopping other CPUs, whatever they do.
 *
 * A CPU that spins with interrupts off hears nothing but an NMI. Its handler says where the CPU was
 * and stays there, for good or until it is released. It prints nothing and takes no lock, since what
 * it interrupted may hold any: who asked reads the frame, and the stack below it, which stand still.
 *
 *	request		set by			back to NMI_NONE
 *	NMI_HOLD	cpu_hold(), from NONE	cpu_release(), or the asker itself when there was no answer
 *	NMI_STOP	smp_stop_others()	never
 *
 * NMIs do not nest, and one more is remembered: a CPU that is to be stopped while it is held sees the
 * request change.
 */
#include <kernel/lib/atomic.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/nmi.h>
#include <kernel/x86/percpu.h>
#include <kernel/x86/smp.h>
#include <kernel/x86/trapframe.h>
#include <kernel/x86/tsc.h>

#define ANSWER_MS 1000

enum nmi_request { NMI_NONE, NMI_HOLD, NMI_STOP };

static DEFINE_PER_CPU(u32, nmi_request);                    /* (a) enum nmi_request */
static DEFINE_PER_CPU(const struct trapframe *, nmi_frame); /* set by the CPU itself */
static u32 stopper;                                         /* the CPU that stops the others, + 1 */

bool nmi_dispatch(const struct trapframe *tf)
{
	u32 *request = this_cpu_ptr(&nmi_request);

	if (READ_ONCE(*request) == NMI_NONE)
		return false;
	smp_store_release(this_cpu_ptr(&nmi_frame), tf);
	for (u32 r; (r = READ_ONCE(*request)) != NMI_NONE;) {
		if (r == NMI_STOP)
			hlt();
		cpu_relax();
	}
	smp_store_release(this_cpu_ptr(&nmi_frame), NULL);
	return true;
}

const struct trapframe *cpu_frame(unsigned int cpu)
{
	return smp_load_acquire(per_cpu_ptr(&nmi_frame, cpu));
}

static bool change_request(unsigned int cpu, u32 from, u32 to)
{
	return __atomic_compare_exchange_n(per_cpu_ptr(&nmi_request, cpu), &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

const struct trapframe *cpu_hold(unsigned int cpu)
{
	if (!change_request(cpu, NMI_NONE, NMI_HOLD))
		return NULL;
	smp_send_nmi(cpu);
	for (int i = 0; i < ANSWER_MS * 10; i++) {
		if (cpu_frame(cpu))
			return cpu_frame(cpu);
		udelay(100);
	}
	cpu_release(cpu);
	return NULL;
}

void cpu_release(unsigned int cpu)
{
	(void)change_request(cpu, NMI_HOLD, NMI_NONE);
}

static bool all_stopped(void)
{
	for_each_cpu(cpu)
		if (cpu != smp_processor_id() && !cpu_frame(cpu))
			return false;
	return true;
}

void smp_stop_others(void)
{
	u32 self = smp_processor_id() + 1, none = 0;

	local_irq_disable();
	if (!__atomic_compare_exchange_n(&stopper, &none, self, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST)) {
		while (none != self)
			hlt(); /* until its NMI comes */
		return;
	}
	for_each_cpu(cpu)
		if (cpu != smp_processor_id())
			__atomic_store_n(per_cpu_ptr(&nmi_request, cpu), NMI_STOP,
					 __ATOMIC_SEQ_CST);
	smp_send_nmi_others();
	for (int i = 0; i < ANSWER_MS * 10 && !all_stopped(); i++)
		udelay(100);
}
