/* SPDX-License-Identifier: MIT */
/*
 * Interrupts between processors.
 *
 * A call. Each CPU has one request of its own: the function, and a mask of those who have still to
 * run it. It sets its bit in the word call_senders of each target and interrupts those whose word
 * was empty; a target takes the whole word and serves every CPU in it. So nothing is allocated,
 * there are no lists and no locks:
 *
 *	sender s			target t
 *	request[s] = {fn, arg, {t}}
 *	call_senders[t] |= s  --IPI-->	senders = xchg(call_senders[t], 0)
 *	while (request[s].waiting)	for each s: fn(arg); request[s].waiting &= ~t
 *
 * The sender waits with interrupts on: two CPUs that call each other serve each other. It spins for as
 * long as an answer usually takes; then it halts, and whoever answers last interrupts it. For where
 * there are more virtual CPUs than real ones, the CPU that is waited for may be the one whose turn it
 * would be: spinning on costs both a turn of the host's scheduler for each call.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/race.h>
#include <kernel/x86/apic.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/irq.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/smp.h>

struct call_request {
	void (*fn)(void *arg);
	void *arg;
	u64 waiting; /* (a) CPUs that have not run it yet */
	bool halted; /* (a) the sender sleeps until it is interrupted */
};
/* (a) atomic */

/* With all CPUs running an answer comes in a few microseconds; a round is 40 to 140 cycles. */
#define SPIN_ROUNDS 500

static DEFINE_PER_CPU(struct call_request, call_request);
static DEFINE_PER_CPU(u64, call_senders); /* (a) CPUs whose request names this one */
DEFINE_PER_CPU(u64, ipi_reschedule_count);
DEFINE_PER_CPU(u64, ipi_call_count);
u8 cpu_apic_id[NR_CPUS];
#ifdef CONFIG_DEBUG
void (*smp_call_check)(void);
#endif

void smp_send_reschedule(unsigned int cpu)
{
	apic_send(cpu_apic_id[cpu], APIC_RESCHEDULE_VECTOR);
}

void smp_send_nmi(unsigned int cpu)
{
	apic_send_nmi(cpu_apic_id[cpu]);
}

void smp_send_nmi_others(void)
{
	for_each_cpu(cpu)
		if (cpu != smp_processor_id())
			smp_send_nmi(cpu);
}

static bool answered(const struct call_request *r)
{
	return !__atomic_load_n(&r->waiting, __ATOMIC_SEQ_CST);
}

static void wait_for_answers(struct call_request *r)
{
	for (int i = 0; i < SPIN_ROUNDS; i++) {
		if (answered(r))
			return;
		cpu_relax();
	}
	__atomic_store_n(&r->halted, true, __ATOMIC_SEQ_CST);
	for (;;) {
		local_irq_disable();
		if (answered(r))
			break;
		safe_halt(); /* an interrupt that came after the look ends it at once */
	}
	local_irq_enable();
	__atomic_store_n(&r->halted, false, __ATOMIC_SEQ_CST);
}

void smp_call_mask(u64 mask, void (*fn)(void *arg), void *arg)
{
	struct call_request *r = this_cpu_ptr(&call_request);
	u64 self = BIT(smp_processor_id());

	debug_assert(!irqs_disabled() && !(mask & self) && !r->waiting);
#ifdef CONFIG_DEBUG
	if (smp_call_check)
		smp_call_check();
#endif
	r->fn = fn;
	r->arg = arg;
	__atomic_store_n(&r->waiting, mask, __ATOMIC_SEQ_CST);
	for_each_cpu(cpu) {
		if (!(mask & BIT(cpu)))
			continue;
		race_point();
		if (!__atomic_fetch_or(per_cpu_ptr(&call_senders, cpu), self, __ATOMIC_SEQ_CST))
			apic_send(cpu_apic_id[cpu], APIC_CALL_VECTOR);
	}
	wait_for_answers(r);
}

void smp_call_interrupt(void)
{
	u64 senders = __atomic_exchange_n(this_cpu_ptr(&call_senders), 0, __ATOMIC_SEQ_CST);
	u64 self = BIT(smp_processor_id());

	this_cpu_inc(ipi_call_count);
	race_point();
	for_each_cpu(cpu) {
		struct call_request *r = per_cpu_ptr(&call_request, cpu);

		if (!(senders & BIT(cpu)))
			continue;
		r->fn(r->arg);
		if (__atomic_and_fetch(&r->waiting, ~self, __ATOMIC_SEQ_CST) == 0 &&
		    __atomic_load_n(&r->halted, __ATOMIC_SEQ_CST))
			smp_send_reschedule(cpu);
	}
}
