/* SPDX-License-Identifier: MIT */
/*
 * User memory, seen from C: the range is checked, then usercopy.S does the access. What a faulting
 * access does is decided by the page-fault handler (kernel/traps.c), which looks at
 * pagefault_disabled for the _nofault forms, and at the exception table when the page cannot be had.
 */
#include <kernel/lib/bug.h>
#include <kernel/x86/extable.h>
#include <kernel/x86/pte.h>
#include <kernel/x86/trapframe.h>
#include <kernel/x86/uaccess.h>

DEFINE_PER_CPU(int, pagefault_disabled);

size_t __copy_user(void *dst, const void *src, size_t n);
size_t __clear_user(void *dst, size_t n);
size_t __copy_kernel(void *dst, const void *src, size_t n);
long __copy_user_string(char *dst, const char *src, long n);
long __user_string_length(const char *s, long n);
int __touch_read(const void *p);
int __touch_write(void *p);
int __cmpxchg_user_u32(u32 *p, u32 expect, u32 val, u32 *old);

/* The exception table is in the order of linking, not sorted: it has some twenty entries. */
struct extable_entry {
	s32 insn, fixup;
};
extern const struct extable_entry __start___ex_table[], __stop___ex_table[];

u64 extable_find(u64 rip)
{
	for (const struct extable_entry *e = __start___ex_table; e < __stop___ex_table; e++)
		if ((u64)&e->insn + (u64)(s64)e->insn == rip)
			return (u64)&e->fixup + (u64)(s64)e->fixup;
	return 0;
}

bool extable_fixup(struct trapframe *tf)
{
	u64 fixup = extable_find(tf->rip);

	if (fixup)
		tf->rip = fixup;
	return fixup != 0;
}

size_t copy_from_user(void *dst, const void __user *src, size_t n)
{
	might_sleep();
	return access_ok(src, n) ? __copy_user(dst, src, n) : n;
}

size_t copy_to_user(void __user *dst, const void *src, size_t n)
{
	might_sleep();
	return access_ok(dst, n) ? __copy_user(dst, src, n) : n;
}

size_t clear_user(void __user *dst, size_t n)
{
	might_sleep();
	return access_ok(dst, n) ? __clear_user(dst, n) : n;
}

size_t copy_from_user_nofault(void *dst, const void __user *src, size_t n)
{
	size_t left = n;

	if (access_ok(src, n)) {
		pagefault_disable();
		left = __copy_user(dst, src, n);
		pagefault_enable();
	}
	return left;
}

size_t copy_to_user_nofault(void __user *dst, const void *src, size_t n)
{
	size_t left = n;

	if (access_ok(dst, n)) {
		pagefault_disable();
		left = __copy_user(dst, src, n);
		pagefault_enable();
	}
	return left;
}

size_t copy_from_kernel_nofault(void *dst, const void *src, size_t n)
{
	unsigned long p = (unsigned long)src;

	if (p < PAGE_OFFSET || p + n < p || !vaddr_is_canonical(p))
		return n;
	return __copy_kernel(dst, src, n);
}

/* fn on one byte of every page that the range touches. */
static int touch_pages(const char __user *p, size_t n, bool write)
{
	const char __user *end = p + n;

	might_sleep();
	if (!access_ok(p, n))
		return -EFAULT;
	while (p < end) {
		if (write ? __touch_write((void *)p) : __touch_read(p))
			return -EFAULT;
		p = (const char __user *)(((unsigned long)p & PAGE_MASK) + PAGE_SIZE);
	}
	return 0;
}

int fault_in_readable(const void __user *p, size_t n)
{
	return touch_pages(p, n, false);
}

int fault_in_writeable(void __user *p, size_t n)
{
	return touch_pages(p, n, true);
}

long strncpy_from_user(char *dst, const char __user *src, long n)
{
	unsigned long room = TASK_SIZE - (unsigned long)src;
	long len;

	might_sleep();
	if (n <= 0)
		return 0;
	if ((unsigned long)src >= TASK_SIZE)
		return -EFAULT;
	len = __copy_user_string(dst, src, min(n, (long)room));
	/* A string that runs into the end of user space is a bad one. */
	return len == (long)room && len < n ? -EFAULT : len;
}

long strnlen_user(const char __user *s, long n)
{
	unsigned long room = TASK_SIZE - (unsigned long)s;
	long len;

	might_sleep();
	if ((unsigned long)s >= TASK_SIZE || n <= 0)
		return 0;
	len = __user_string_length(s, min(n, (long)room));
	return len > (long)room && len <= n ? 0 : len;
}

int cmpxchg_user_u32_nofault(u32 __user *p, u32 expect, u32 val, u32 *old)
{
	int err = -EFAULT;

	if (access_ok(p, sizeof(*p))) {
		pagefault_disable();
		err = __cmpxchg_user_u32(p, expect, val, old);
		pagefault_enable();
	}
	return err;
}

int get_user_u32_nofault(u32 *val, const u32 __user *p)
{
	return copy_from_user_nofault(val, p, sizeof(*val)) ? -EFAULT : 0;
}
