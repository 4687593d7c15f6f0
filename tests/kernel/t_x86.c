/* SPDX-License-Identifier: MIT */
/* The machine: protections, clock, user access, FPU state. */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/fpu.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/pte.h>
#include <kernel/x86/tsc.h>
#include <kernel/x86/uaccess.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <tests/kernel/ktest.h>

KTEST(x86, control_registers, "a protection that the processor has and that is off")
{
	unsigned long cr4 = read_cr4();

	EXPECT(read_cr0() & X86_CR0_WP);
	EXPECT_EQ(!!(cr4 & X86_CR4_SMEP), cpu_has_smep());
	EXPECT_EQ(!!(cr4 & X86_CR4_SMAP), cpu_has_smap());
	EXPECT_EQ(!!(cr4 & X86_CR4_UMIP), cpu_has_umip());
	EXPECT_EQ(!!(cr4 & X86_CR4_PGE), cpu_has_pge());
	EXPECT_EQ(!!(rdmsr(MSR_EFER) & EFER_NXE), cpu_has_nx());
	EXPECT(!(local_save_flags() & 0x40000)); /* AC: SMAP is in force */
}

struct wx_walk {
	unsigned long leaves, writable, executable;
};

static void wx_leaf(struct wx_walk *w, vaddr_t va, pteval_t e, pteval_t above_nx, bool rw)
{
	bool x = cpu_has_nx() && !((e | above_nx) & _PAGE_NX);

	rw = rw && (e & _PAGE_RW);
	w->leaves++;
	w->writable += rw;
	w->executable += x;
	if (rw && x)
		ktest_fail(__FILE__, __LINE__, "%016lx is writable and executable (%016lx)", va, e);
	if (e & _PAGE_USER)
		ktest_fail(__FILE__, __LINE__, "%016lx is the user's (%016lx)", va, e);
}

/* level 3: a pud table ... 1: a pte table. */
static void wx_table(struct wx_walk *w, pteval_t table, int level, vaddr_t va, pteval_t nx, bool rw)
{
	const pteval_t *entry = phys_to_virt(table & PTE_PFN_MASK);
	unsigned int shift = PAGE_SHIFT + 9 * (unsigned int)(level - 1);

	for (unsigned int i = 0; i < PTRS_PER_TABLE; i++) {
		pteval_t e = entry[i];
		vaddr_t at = va + ((vaddr_t)i << shift);

		if (!(e & _PAGE_PRESENT))
			continue;
		if (level == 1 || (e & _PAGE_PSE))
			wx_leaf(w, at, e, nx, rw);
		else
			wx_table(w, e, level - 1, at, nx | (e & _PAGE_NX), rw && (e & _PAGE_RW));
	}
}

KTEST(x86, no_page_is_w_and_x, "kernel memory that could be written and then run")
{
	const pteval_t *pgd = phys_to_virt(read_cr3() & PTE_PFN_MASK);
	struct wx_walk w = {0, 0, 0};

	for (unsigned int i = KERNEL_PGD_BOUNDARY; i < PTRS_PER_TABLE; i++)
		if (pgd[i] & _PAGE_PRESENT)
			wx_table(&w, pgd[i], 3, (vaddr_t)i << PGDIR_SHIFT | 0xffff000000000000UL,
				 pgd[i] & _PAGE_NX, pgd[i] & _PAGE_RW);
	EXPECT(w.writable > 0);
	EXPECT(w.executable > 0 || !cpu_has_nx());
	EXPECT(w.leaves > w.executable);
}

KTEST(x86, clock, "time that stands still, runs back, or has another rate than the timer")
{
	ktime_t start = ktime_get(), now;

	for (int i = 0; i < 1000; i++) {
		now = ktime_get();
		CHECK(now >= start);
	}
	start = ktime_get();
	udelay(200);
	EXPECT(ktime_get() - start >= 200 * NSEC_PER_USEC);
	EXPECT(ns_to_tsc_ticks(NSEC_PER_SEC) / 1000 - tsc_khz < 2 ||
	       tsc_khz - ns_to_tsc_ticks(NSEC_PER_SEC) / 1000 < 2);
	start = ktime_get();
	set_current_state(THREAD_UNINTERRUPTIBLE);
	schedule_timeout_until(start + 3 * NSEC_PER_MSEC);
	now = ktime_get();
	EXPECT(now - start >= 3 * NSEC_PER_MSEC);
	EXPECT(now - start < 500 * NSEC_PER_MSEC);
}

KTEST(x86, kernel_nofault, "a backtrace that faults on a bad pointer")
{
	u64 v = 0, good = 77;

	EXPECT_EQ(copy_from_kernel_nofault(&v, &good, sizeof(v)), 0);
	EXPECT_EQ(v, 77);
	EXPECT_EQ(copy_from_kernel_nofault(&v, (void *)0x1000, 8), 8);
	EXPECT_EQ(copy_from_kernel_nofault(&v, (void *)0x8000000000000000UL, 8), 8);
	EXPECT_EQ(copy_from_kernel_nofault(&v, (void *)0xffffa00000000000UL, 8), 8);
	EXPECT_EQ(copy_from_kernel_nofault(&v, (void *)(~0UL - 3), 8), 8);
}

/* PROT_READ | PROT_WRITE; MAP_PRIVATE | MAP_ANONYMOUS */
static vaddr_t map_user(size_t size)
{
	long addr = do_mmap(current_thread()->mm, NULL, 0, size, 3, 0x22, 0);

	return IS_ERR((void *)addr) ? 0 : (vaddr_t)addr;
}

static void uaccess_partial(void *arg)
{
	vaddr_t p = map_user(2 * PAGE_SIZE);
	char __user *end;
	char buf[64];

	(void)arg;
	CHECK(p);
	CHECK(do_munmap(current_thread()->mm, p + PAGE_SIZE, PAGE_SIZE) == 0);
	end = (char __user *)(p + PAGE_SIZE);

	memset(buf, 'x', sizeof(buf));
	for (size_t before = 0; before < 20; before++) {
		CHECK_EQ(copy_to_user(end - before, buf, 40), 40 - before);
		CHECK_EQ(copy_from_user(buf, end - before, 40), 40 - before);
		CHECK_EQ(clear_user(end - before, 33), 33 - before);
	}
	/* Above user space, and around its end. */
	EXPECT_EQ(copy_from_user(buf, (void __user *)PAGE_OFFSET, 8), 8);
	EXPECT_EQ(copy_from_user(buf, (void __user *)(TASK_SIZE - 4), 8), 8);
	EXPECT_EQ(copy_from_user(buf, (void __user *)~0UL, 2), 2);
	EXPECT_EQ(copy_to_user((void __user *)0x8000000000000000UL, buf, 1), 1);
}

KTEST(x86, uaccess_partial, "a copy that counts wrongly how far it came")
{
	ktest_with_mm(uaccess_partial, NULL);
}

static void uaccess_strings(void *arg)
{
	vaddr_t p = map_user(2 * PAGE_SIZE);
	char __user *end;
	char buf[64];

	(void)arg;
	CHECK(p);
	CHECK(do_munmap(current_thread()->mm, p + PAGE_SIZE, PAGE_SIZE) == 0);
	end = (char __user *)(p + PAGE_SIZE);

	CHECK_EQ(copy_to_user(end - 6, "hello", 6), 0);
	EXPECT_EQ(strncpy_from_user(buf, end - 6, sizeof(buf)), 5);
	EXPECT(strcmp(buf, "hello") == 0);
	EXPECT_EQ(strncpy_from_user(buf, end - 6, 3), 3);
	EXPECT_EQ(strnlen_user(end - 6, 100), 6);
	EXPECT(strnlen_user(end - 6, 3) > 3);
	CHECK_EQ(copy_to_user(end - 1, "!", 1), 0);
	EXPECT_EQ(strncpy_from_user(buf, end - 6, sizeof(buf)), -EFAULT);
	EXPECT_EQ(strnlen_user(end - 6, 100), 0);
	EXPECT_EQ(strncpy_from_user(buf, (char __user *)PAGE_OFFSET, 5), -EFAULT);
}

KTEST(x86, uaccess_strings, "a user string that runs off its page")
{
	ktest_with_mm(uaccess_strings, NULL);
}

static void uaccess_nofault(void *arg)
{
	vaddr_t p = map_user(PAGE_SIZE);
	u32 __user *word = (u32 __user *)p;
	u32 v;

	(void)arg;
	CHECK(p);
	EXPECT_EQ(copy_from_user_nofault(&v, word, 4), 4); /* never touched */
	EXPECT_EQ(get_user_u32_nofault(&v, word), -EFAULT);
	EXPECT_EQ(fault_in_readable(word, 4), 0);
	EXPECT_EQ(copy_from_user_nofault(&v, word, 4), 0);
	EXPECT_EQ(copy_to_user_nofault(word, &v, 4), 4); /* the zero page is read-only */
	EXPECT_EQ(fault_in_writeable(word, 4), 0);
	EXPECT_EQ(copy_to_user_nofault(word, &v, 4), 0);
	EXPECT_EQ(cmpxchg_user_u32_nofault(word, 0, 5, &v), 0);
	EXPECT_EQ(v, 0);
	EXPECT_EQ(cmpxchg_user_u32_nofault(word, 0, 6, &v), 0);
	EXPECT_EQ(v, 5);
	EXPECT_EQ(fault_in_readable((void __user *)(p + PAGE_SIZE), 1), -EFAULT);
}

KTEST(x86, uaccess_nofault, "a copy under a lock that would sleep")
{
	ktest_with_mm(uaccess_nofault, NULL);
}

static void fpu_frames(void *arg)
{
	vaddr_t p = map_user(PAGE_SIZE);
	void __user *frame = (void __user *)p;
	struct fpu_state *s = arg;
	size_t size;
	u64 bad = ~0UL;
	u32 bad_mxcsr = ~0u;

	CHECK(p);
	fpu_init_state(s);
	CHECK_EQ(fpu_save_to_user(s, frame, &size), 0);
	EXPECT_EQ(size, fpu_sigframe_size());
	EXPECT_EQ(fpu_restore_from_user(s, frame), 0);
	EXPECT_EQ(fpu_restore_from_user(s, NULL), 0);
	EXPECT_EQ(fpu_restore_from_user(s, (void __user *)(p + PAGE_SIZE)), -EFAULT);

	CHECK_EQ(copy_to_user((void __user *)(p + 24), &bad_mxcsr, 4), 0);
	EXPECT_EQ(fpu_restore_from_user(s, frame), -EINVAL);
	if (fpu_has_xsave()) {
		CHECK_EQ(fpu_save_to_user(s, frame, &size), 0);
		CHECK_EQ(copy_to_user((void __user *)(p + 520), &bad, 8), 0); /* XCOMP_BV */
		EXPECT_EQ(fpu_restore_from_user(s, frame), -EINVAL);
		CHECK_EQ(fpu_save_to_user(s, frame, &size), 0);
		CHECK_EQ(copy_to_user((void __user *)(p + 512), &bad, 8), 0); /* XSTATE_BV */
		EXPECT_EQ(fpu_restore_from_user(s, frame), -EINVAL); /* XRSTOR would fault */
	}
	/* Any bytes at all: refused or taken, never a fault of the kernel. */
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(fpu_save_to_user(s, frame, &size), 0);
		for (int j = 0; j < 4; j++) {
			u64 junk = ktest_random();

			CHECK_EQ(copy_to_user((void __user *)(p + ktest_random_below(830)), &junk,
					      8),
				 0);
		}
		if (fpu_restore_from_user(s, frame) != 0)
			fpu_reset(s);
	}
	fpu_reset(s);
}

KTEST(x86, fpu_frames, "a signal frame that makes XRSTOR fault, or is not what was saved")
{
	void *mem = kmalloc(fpu_state_size() + FPU_STATE_ALIGN, GFP_KERNEL);

	CHECK(mem);
	ktest_with_mm(fpu_frames, (void *)ALIGN((unsigned long)mem, FPU_STATE_ALIGN));
	kfree(mem);
}
