/* SPDX-License-Identifier: MIT */
/*
 * Deliberate breakage, one kind a boot: octavo.crash=KIND. The test driver (scripts/testcases.py,
 * group crash) checks that each ends in the right report and the failing exit status; a kind that
 * comes back prints "crash survived" and passes the boot, which fails the test. From the prompt,
 * `echo KIND >/proc/octavo/crash` breaks the kernel in the context of the shell.
 */
#include <kernel/ktest_hook.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/cmdline.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/oom.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <kernel/task.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/reboot.h>
#include <kernel/x86/smp.h>
#include <mm/gfp.h>
#include <mm/mm.h>
#include <mm/slab.h>

static volatile int zero;

static __noinline int recurse(volatile char *above, int depth)
{
	volatile char frame[256];

	frame[0] = above[0];
	if (depth < 0)
		return 0;
	return recurse(frame, depth + 1) + frame[depth & 255];
}

static void crash_stack_overflow(void)
{
	char c = 1;

	recurse(&c, 0);
}

static void crash_null_read(void)
{
	volatile int *volatile p = (volatile int *)16;

	zero = *p;
}

static void crash_write_rodata(void)
{
	*(volatile char *)(unsigned long)"constant" = 'C';
}

/* The same bytes through the direct map, which must not be a way round. */
static void crash_write_text_alias(void)
{
	volatile u8 *alias = __va(__pa(crash_null_read));

	*alias = 0xc3;
}

static void crash_exec_data(void)
{
	static u8 code[] = {0xc3};
	void (*fn)(void) = (void (*)(void))(void *)code;

	fn();
}

static void crash_non_canonical(void)
{
	zero = *(volatile int *)0x8000000000000000UL;
}

static void crash_double_fault(void)
{
	/* A push to a stack that is not there faults, and so does delivering that fault. */
	__asm__ __volatile__("mov %0, %%rsp; push %%rax" : : "r"(0xffffa00000000000UL) : "memory");
}

static void crash_assert(void)
{
	assert(zero == 1);
}

static void crash_divide(void)
{
	/* Not in C: there UBSan stops it before the processor does. */
	__asm__ __volatile__("divl %0" : : "r"(zero), "a"(1), "d"(0));
}

static __noinline void smash(volatile char *buf, int n)
{
	for (int i = 0; i < n; i++)
		buf[i] = 'A';
}

static __noinline void crash_stack_smash(void)
{
	char buf[16];

	smash(buf, 32);
}

static void crash_page_double_free(void)
{
	struct page *p = alloc_page(GFP_KERNEL);

	free_page_struct(p);
	free_page_struct(p);
	drain_all_pages();
	page_alloc_check();
}

static void crash_page_use_after_free(void)
{
	char *p = get_free_page(GFP_KERNEL);

	free_page(p);
	*(volatile char *)(p + 100) = 1;
	for (int i = 0; i < 1000; i++)
		if (!alloc_page(GFP_KERNEL))
			break;
}

static void crash_slab_double_free(void)
{
	void *p = kmalloc(64, GFP_KERNEL);

	kfree(p);
	kfree(p);
	slab_check();
}

static void crash_slab_use_after_free(void)
{
	volatile char *p = kmalloc(64, GFP_KERNEL);

	kfree((void *)p);
	p[8] = 1;
	for (int i = 0; i < 1000; i++)
		kmalloc(64, GFP_KERNEL);
}

static void crash_slab_overflow(void)
{
	volatile char *p = kmalloc(64, GFP_KERNEL);

	p[64] = 1;
	kfree((void *)p);
}

static void crash_lock_order(void)
{
	static spinlock_t zone_like = SPINLOCK_INIT(LOCK_ZONE),
			  slab_like = SPINLOCK_INIT(LOCK_SLAB);

	spin_lock(&zone_like);
	spin_lock(&slab_like);
}

static void crash_lock_twice(void)
{
	static spinlock_t l = SPINLOCK_INIT(LOCK_PT);

	spin_lock(&l);
	spin_lock(&l);
}

static void crash_lock_not_held(void)
{
	static spinlock_t l = SPINLOCK_INIT(LOCK_PT);

	spin_unlock(&l);
}

static spinlock_t irq_lock = SPINLOCK_INIT(LOCK_PROC);

static void lock_timer_fn(struct timer *t __unused)
{
	guard_spin(&irq_lock);
}

static void take_irq_lock_in_handler(void)
{
	static struct timer timer;

	timer_init(&timer, lock_timer_fn);
	timer_start(&timer, ktime_get());
	while (READ_ONCE(timer.queued))
		cpu_relax();
}

/* Taken by a handler, then where that handler may come. */
static void crash_lock_irq(void)
{
	take_irq_lock_in_handler();
	guard_spin(&irq_lock);
}

/* The same for a lock that is waited for while a handler's is held. */
static void crash_lock_irq_inside(void)
{
	static spinlock_t inner = SPINLOCK_INIT(LOCK_LEAF);

	spin_lock(&inner);
	spin_unlock(&inner);
	take_irq_lock_in_handler();
	guard_irq(&irq_lock);
	spin_lock(&inner);
}

/* Waited for with interrupts off, then held while others are to answer an interrupt. */
static void crash_lock_call(void)
{
	static spinlock_t l = SPINLOCK_INIT(LOCK_PROC);

	spin_unlock_irqrestore(&l, spin_lock_irqsave(&l));
	spin_lock(&l);
	smp_call_mask(other_cpus(), NULL, NULL);
}

static void crash_sleep_atomic(void)
{
	static spinlock_t l = SPINLOCK_INIT(LOCK_PT);

	spin_lock(&l);
	schedule();
}

static void crash_kernel_touches_user(void)
{
	/* A mapped user page, read without the leave that copy_from_user() takes (SMAP). */
	struct mm_struct *mm = mm_alloc();
	long addr;

	mm_activate(mm);
	addr = do_mmap(mm, NULL, 0, PAGE_SIZE, 3, 0x22 | 0x8000, 0);
	zero = *(volatile int *)addr;
}

static void crash_undefined(void)
{
	volatile int i = INT32_MAX;

	i = i + 1; /* UBSan traps the signed overflow in debug builds */
	zero = i;
}

static void crash_panic(void)
{
	panic("on request");
}

/* Without a pause, at which an emulator leaves its fast path: two seconds of it are to be waited for. */
static void crash_softlockup(void)
{
	for (;;)
		barrier();
}

/* ---- on several CPUs ---- */

static ktime_t crash_time;

static void panic_at_time(void *unused __unused)
{
	while (ktime_get() < crash_time)
		cpu_relax();
	panic("on request, of several at once");
}

static void panic_timer_fn(struct timer *t __unused)
{
	panic_at_time(NULL);
}

/* The others do fn, in an interrupt, while a timer of this CPU panics. */
static void crash_beside(void (*fn)(void *arg))
{
	static struct timer timer;

	crash_time = ktime_get() + 100 * NSEC_PER_MSEC;
	timer_init(&timer, panic_timer_fn);
	timer_start(&timer, crash_time);
	smp_call_mask(other_cpus(), fn, NULL);
	for (;;)
		cpu_relax();
}

/* No process is there, so nobody can be killed. */
static void crash_oom_deadlock(void)
{
	oom_init();
	while (alloc_page(GFP_KERNEL))
		;
}

static void crash_panic_on_oom(void)
{
	sysctl_panic_on_oom = 1;
	crash_oom_deadlock();
}

static void crash_panic_on_oom_2(void)
{
	sysctl_panic_on_oom = 2;
	crash_oom_deadlock();
}

static void crash_panic_everywhere(void)
{
	crash_beside(panic_at_time);
}

static void print_for_ever(void *unused __unused)
{
	for (;;)
		pr_info("a line that another CPU prints\n");
}

static void crash_panic_among_printers(void)
{
	crash_beside(print_for_ever);
}

static void crash_hang(void)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static const struct crash {
	const char *name;
	void (*fn)(void);
} crashes[] = {
	{"stack_overflow", crash_stack_overflow},
	{"null_read", crash_null_read},
	{"write_rodata", crash_write_rodata},
	{"write_text_alias", crash_write_text_alias},
	{"exec_data", crash_exec_data},
	{"non_canonical", crash_non_canonical},
	{"double_fault", crash_double_fault},
	{"assert", crash_assert},
	{"divide", crash_divide},
	{"stack_smash", crash_stack_smash},
	{"page_double_free", crash_page_double_free},
	{"page_use_after_free", crash_page_use_after_free},
	{"slab_double_free", crash_slab_double_free},
	{"slab_use_after_free", crash_slab_use_after_free},
	{"slab_overflow", crash_slab_overflow},
	{"lock_order", crash_lock_order},
	{"lock_twice", crash_lock_twice},
	{"lock_not_held", crash_lock_not_held},
	{"lock_irq", crash_lock_irq},
	{"lock_irq_inside", crash_lock_irq_inside},
	{"lock_call", crash_lock_call},
	{"sleep_atomic", crash_sleep_atomic},
	{"kernel_touches_user", crash_kernel_touches_user},
	{"undefined", crash_undefined},
	{"panic", crash_panic},
	{"oom_deadlock", crash_oom_deadlock},
	{"panic_on_oom", crash_panic_on_oom},
	{"panic_on_oom_2", crash_panic_on_oom_2},
	{"softlockup", crash_softlockup},
	{"panic_everywhere", crash_panic_everywhere},
	{"panic_among_printers", crash_panic_among_printers},
	{"hang", crash_hang},
};

static int crash_thread(void *arg)
{
	const struct crash *c = arg;

	pr_notice("crash test: %s\n", c->name);
	c->fn();
	pr_notice("crash survived: %s\n", c->name);
	qemu_exit(QEMU_EXIT_PASS);
	return 0;
}

static const struct crash *find_crash(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		if (strcmp(crashes[i].name, name) == 0)
			return &crashes[i];
	return NULL;
}

/* In the context of the process that wrote to /proc/octavo/crash. */
static int crash_run(const char *name)
{
	const struct crash *c = find_crash(name);

	if (!c)
		return -ENOENT;
	c->fn();
	return 0;
}

static void crash_init(void)
{
	const struct crash *c;
	char name[32];

	crash_run_hook = crash_run;
	if (!cmdline_get("octavo.crash", name, sizeof(name)))
		return;
	c = find_crash(name);
	if (!c)
		panic("octavo.crash=%s: no such kind", name);
	if (IS_ERR(kthread_run(crash_thread, (void *)c, "crash")))
		panic("no memory for the crash thread");
	for (;;) {
		set_current_state(THREAD_UNINTERRUPTIBLE);
		schedule();
	}
}
initcall(crash_init);
