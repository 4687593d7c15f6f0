/* SPDX-License-Identifier: MIT */
/*
 * rseq(2) and membarrier(2): per-CPU data of programs, without locks and atomic instructions.
 *
 * A restartable sequence is a piece of code that works on the data of the CPU it runs on and ends in
 * one store, its commit. It is right if the thread stays on the CPU and nobody else runs there in
 * between. Nothing is done to make that so; a thread to which something happened inside the sequence
 * goes on at its abort address instead:
 *
 *	struct rseq (the thread's, registered)      struct rseq_cs (constant)
 *	  cpu_id_start, cpu_id  written here          start_ip, post_commit_offset
 *	  rseq_cs ------------------------------->    abort_ip; the 4 bytes before it: the signature
 *
 * A thread that has one registered finds TWORK_RSEQ set after each switch away (thread->switch_work)
 * and looks at rseq_cs before it is in user mode again; a signal looks before its frame is built.
 * The kernel follows pointers of the program here, so a bad one ends in SIGSEGV, and it jumps only to
 * an address that carries the signature of the registration.
 *
 * membarrier makes all threads of a space (or of the machine) pass a memory barrier: by an interrupt
 * of the other CPUs that have the space loaded. Who is not running has passed one when he was left,
 * and a CPU that loads the space later passes one after it has entered itself in mm->cpu_mask: if it
 * was not in there, it sees what the caller did before. The end of an interrupt also serialises the
 * instruction stream, as does loading CR3.
 */
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/smp.h>
#include <kernel/x86/uaccess.h>

#define RSEQ_UNREGISTER    1
#define RSEQ_UNINITIALIZED ((u32)-1)

struct rseq {
	u32 cpu_id_start, cpu_id;
	u64 rseq_cs;
	u32 flags, pad[3];
} __aligned(32);

struct rseq_cs {
	u32 version, flags;
	u64 start_ip, post_commit_offset, abort_ip;
};

static int put_cpu_id(struct rseq __user *r, u32 start, u32 id)
{
	return put_user(start, &r->cpu_id_start) || put_user(id, &r->cpu_id) ? -EFAULT : 0;
}

static bool sequence_valid(const struct rseq_cs *cs, u32 sig)
{
	u64 end;
	u32 found;

	if (cs->version || cs->flags || cs->start_ip >= TASK_SIZE || cs->abort_ip >= TASK_SIZE ||
	    __builtin_add_overflow(cs->start_ip, cs->post_commit_offset, &end) || end >= TASK_SIZE)
		return false;
	if (cs->abort_ip - cs->start_ip < cs->post_commit_offset)
		return false; /* the handler lies in the sequence */
	return !get_user(found, (const u32 __user *)(cs->abort_ip - sizeof(u32))) && found == sig;
}

/* Leaves the sequence in which the thread was interrupted, if it was in one. */
static int abort_sequence(struct task *t, struct trapframe *tf)
{
	struct rseq_cs cs;
	u64 ptr;

	if (get_user(ptr, &t->rseq->rseq_cs))
		return -EFAULT;
	if (!ptr)
		return 0;
	if (ptr >= TASK_SIZE || copy_from_user(&cs, (const void __user *)ptr, sizeof(cs)) ||
	    !sequence_valid(&cs, t->rseq_sig))
		return -EINVAL;
	if (put_user(0UL, &t->rseq->rseq_cs))
		return -EFAULT;
	if (tf->rip - cs.start_ip < cs.post_commit_offset)
		tf->rip = cs.abort_ip;
	return 0;
}

int rseq_signal(struct trapframe *tf)
{
	struct task *t = current;

	return t->rseq ? abort_sequence(t, tf) : 0;
}

void rseq_resume(struct trapframe *tf)
{
	struct task *t = current;
	u32 cpu = (u32)t->thread.cpu;

	work_clear(t, TWORK_RSEQ);
	if (t->rseq && (abort_sequence(t, tf) || put_cpu_id(t->rseq, cpu, cpu)))
		force_sigsegv(SIGSEGV);
}

void rseq_set(struct task *t, struct rseq __user *r, u32 sig)
{
	t->rseq = r;
	t->rseq_sig = sig;
	t->thread.switch_work = r ? TWORK_RSEQ : 0;
	if (r)
		work_set(t, TWORK_RSEQ);
	else
		work_clear(t, TWORK_RSEQ);
}

static long rseq_unregister(struct task *t, struct rseq __user *r, u32 len, u32 sig)
{
	if (!t->rseq || t->rseq != r || len != sizeof(*r))
		return -EINVAL;
	if (t->rseq_sig != sig)
		return -EPERM;
	if (put_cpu_id(r, 0, RSEQ_UNINITIALIZED))
		return -EFAULT;
	rseq_set(t, NULL, 0);
	return 0;
}

SYSCALL4(rseq, struct rseq __user *, r, u32, len, int, flags, u32, sig)
{
	struct task *t = current;

	if (flags == RSEQ_UNREGISTER)
		return rseq_unregister(t, r, len, sig);
	if (flags)
		return -EINVAL;
	if (t->rseq) {
		if (t->rseq != r || len != sizeof(*r))
			return -EINVAL;
		return t->rseq_sig == sig ? -EBUSY : -EPERM;
	}
	if ((u64)r % sizeof(*r) || len != sizeof(*r))
		return -EINVAL;
	if (!r || !access_ok(r, len) || put_user(0UL, &r->rseq_cs))
		return -EFAULT;
	rseq_set(t, r, sig);
	return 0;
}

/* ---- membarrier ------------------------------------------------------------------------------ */

enum {
	MEMBARRIER_GLOBAL = 1,
	MEMBARRIER_GLOBAL_EXPEDITED = 2,
	MEMBARRIER_REGISTER_GLOBAL = 4,
	MEMBARRIER_PRIVATE = 8, /* and, two bits up each time, its forms that also serialise the */
	MEMBARRIER_PRIVATE_SYNC_CORE = 32, /* instruction stream, and that abort sequences */
	MEMBARRIER_PRIVATE_RSEQ = 128,
	MEMBARRIER_ALL = 511,
};
#define MEMBARRIER_FLAG_CPU 1u

/* In an interrupt, which is the barrier. */
static void barrier_here(void *abort_sequences)
{
	struct thread *t = current_thread();

	if (abort_sequences && t->switch_work)
		work_set(task_of(t), TWORK_RSEQ);
}

/* On the other CPUs of mask. */
static void barrier_there(u64 mask, bool abort_sequences)
{
	mask &= other_cpus();
	if (mask)
		smp_call_mask(mask, barrier_here, abort_sequences ? current : NULL);
}

static int barrier_private(u32 cmd, unsigned int flags, int cpu)
{
	struct mm_struct *mm = current_mm();
	u64 only = ~0UL;

	if (!(READ_ONCE(mm->membarrier) & cmd << 1))
		return -EPERM;
	if ((flags & MEMBARRIER_FLAG_CPU) && cpu >= 0)
		only = cpu < NR_CPUS ? BIT(cpu) : 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* see above: before cpu_mask is read */
	barrier_there(READ_ONCE(mm->cpu_mask) & only, cmd == MEMBARRIER_PRIVATE_RSEQ);
	if (cmd == MEMBARRIER_PRIVATE_SYNC_CORE)
		(void)cpuid_count(0, 0); /* this CPU, too: it may go on with another thread */
	return 0;
}

SYSCALL3(membarrier, int, cmd, unsigned int, flags, int, cpu)
{
	if (flags & ~(cmd == MEMBARRIER_PRIVATE_RSEQ ? MEMBARRIER_FLAG_CPU : 0))
		return -EINVAL;
	switch (cmd) {
	case 0: /* which are there? */
		return MEMBARRIER_ALL;
	case MEMBARRIER_GLOBAL:
	case MEMBARRIER_GLOBAL_EXPEDITED:
		barrier_there(~0UL, false);
		return 0;
	case MEMBARRIER_REGISTER_GLOBAL:
		return 0;
	case MEMBARRIER_PRIVATE << 1:
	case MEMBARRIER_PRIVATE_SYNC_CORE << 1:
	case MEMBARRIER_PRIVATE_RSEQ << 1:
		__atomic_fetch_or(&current_mm()->membarrier, (u32)cmd, __ATOMIC_SEQ_CST);
		return 0;
	case MEMBARRIER_PRIVATE:
	case MEMBARRIER_PRIVATE_SYNC_CORE:
	case MEMBARRIER_PRIVATE_RSEQ:
		return barrier_private((u32)cmd, flags, cpu);
	}
	return -EINVAL;
}
