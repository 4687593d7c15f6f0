/* SPDX-License-Identifier: MIT */
/*
 * The lock checker of debug builds.
 *
 * Problem: a deadlock shows only when two CPUs meet in it; a wrong order of locks is there in every
 * run. So every acquisition is checked against the one order that lock_class.h lists:
 *
 *  1. A lock may be taken only while all held ones are of an earlier class; two of one class only
 *     where class_nests() says so. A trylock cannot wait and is exempt.
 *  2. No lock is taken twice by one thread.
 *  3. A class that an interrupt handler takes must never be taken with interrupts on: the handler
 *     could come on the same CPU and wait for ever. Nor may one that is taken inside a lock of
 *     such a class: another CPU could hold the outer one and wait for the inner, whose holder here
 *     is interrupted by a handler that waits for the outer. Locks that the interrupted thread holds
 *     do not count for rule 1 inside the handler: rule 3 makes that safe.
 *  4. Nothing sleeps while a spinlock is held, in a handler, or with interrupts off (might_sleep()).
 *  5. A class that is held while other CPUs are called and waited for (smp_call_mask()) must never be
 *     waited for with interrupts off: the CPU that does would not answer.
 *  6. Who takes a lock releases it, and before it returns to user mode.
 *
 * Each thread records what it holds in itself; the per-class bits of rules 3 and 5 are set once and read
 * without a lock. Simplified against Linux's lockdep: the order is declared, not learned, so there
 * is no graph.
 */
#include <kernel/sched/sched.h>
#include <kernel/sync/spinlock.h>

#ifdef CONFIG_DEBUG

#define CLASS_IN_IRQ   0x1
#define CLASS_IRQS_ON  0x2
#define CLASS_IRQS_OFF 0x4
#define CLASS_IN_CALL  0x8
static u8 class_use[NR_LOCK_CLASSES];

/* Two locks of these classes may be held together; the order among them is stated where it is done. */
static bool class_nests(enum lock_class cls)
{
	return cls == LOCK_INODE || cls == LOCK_PT || cls == LOCK_PIPE || cls == LOCK_FUTEX ||
	       cls == LOCK_MMAP || cls == LOCK_VMA || cls == LOCK_ANON_VMA || cls == LOCK_PAGE ||
	       cls == LOCK_SIGHAND;
}

static void check_use(enum lock_class cls, u8 use)
{
	if ((READ_ONCE(class_use[cls]) & use) == use)
		return;
	use = __atomic_or_fetch(&class_use[cls], use, __ATOMIC_RELAXED);
	if ((use & (CLASS_IN_IRQ | CLASS_IRQS_ON)) == (CLASS_IN_IRQ | CLASS_IRQS_ON))
		panic("lock class %d is taken in an interrupt handler and with interrupts on", cls);
	if ((use & (CLASS_IN_CALL | CLASS_IRQS_OFF)) == (CLASS_IN_CALL | CLASS_IRQS_OFF))
		panic("lock class %d is waited for with interrupts off, and held while other CPUs "
		      "are called",
		      cls);
}

static bool holds_irq_lock(const struct thread *t)
{
	for (int i = 0; i < t->nr_held; i++)
		if (READ_ONCE(class_use[t->held[i].class]) & CLASS_IN_IRQ)
			return true;
	return false;
}

static void check_irq_use(const struct thread *t, enum lock_class cls, unsigned int how)
{
	u8 off = how & LOCK_TRY ? 0 : CLASS_IRQS_OFF;

	if (in_irq() || (off && holds_irq_lock(t)))
		check_use(cls, CLASS_IN_IRQ | off);
	else
		check_use(cls, irqs_disabled() ? off : CLASS_IRQS_ON);
}

void lock_check_call(void)
{
	const struct thread *t = current_thread();

	for (int i = 0; i < t->nr_held; i++)
		if (t->held[i].spin)
			check_use((enum lock_class)t->held[i].class, CLASS_IN_CALL);
}

static void check_order(const struct thread *t, enum lock_class cls, const void *lock)
{
	for (int i = in_irq() ? t->irq_held_base : 0; i < t->nr_held; i++) {
		const struct held_lock *h = &t->held[i];

		if (h->class > (int)cls || (h->class == (int)cls && !class_nests(cls)))
			panic("lock order: class %d (%pS %p) taken while class %d (%pS %p) is held",
			      cls, lock, lock, h->class, h->lock, h->lock);
	}
}

void lock_check_acquire(enum lock_class cls, const void *lock, unsigned int how)
{
	struct thread *t = current_thread();
	unsigned long flags;

	if (cls == LOCK_NONE || !t)
		return;
	for (int i = 0; i < t->nr_held; i++)
		if (t->held[i].lock == lock)
			panic("lock %pS %p of class %d is taken twice", lock, lock, cls);
	if (how & LOCK_SPIN)
		check_irq_use(t, cls, how);
	if (!(how & LOCK_TRY))
		check_order(t, cls, lock);
	if (t->nr_held == (int)ARRAY_SIZE(t->held))
		panic("more than %zu locks held", ARRAY_SIZE(t->held));
	/* An interrupt uses what lies above nr_held, and would write over an entry not yet counted. */
	flags = local_irq_save();
	t->held[t->nr_held++] = (struct held_lock){lock, (short)cls, how & LOCK_SPIN};
	if (how & LOCK_SPIN)
		t->nr_spin_held++;
	local_irq_restore(flags);
}

void lock_check_release(enum lock_class cls, const void *lock, unsigned int how)
{
	struct thread *t = current_thread();

	if (cls == LOCK_NONE || !t)
		return;
	for (int i = t->nr_held - 1; i >= 0; i--) {
		if (t->held[i].lock != lock)
			continue;
		for (; i < t->nr_held - 1; i++)
			t->held[i] = t->held[i + 1];
		barrier();
		t->nr_held--;
		if (how & LOCK_SPIN)
			t->nr_spin_held--;
		return;
	}
	panic("lock %pS %p of class %d is released but not held", lock, lock, cls);
}

void lock_check_none_held(void)
{
	const struct thread *t = current_thread();

	if (t->nr_held)
		panic("lock %pS %p of class %d is held at the end of a system call",
		      t->held[0].lock, t->held[0].lock, t->held[0].class);
}

bool lock_check_held(const void *lock)
{
	const struct thread *t = current_thread();

	if (!t)
		return true;
	for (int i = 0; i < t->nr_held; i++)
		if (t->held[i].lock == lock)
			return true;
	return false;
}

#endif
