/* SPDX-License-Identifier: MIT */
/*
 * From the system call's number to its function.
 *
 * The path of every call, in entry.S: one bound, one load, one indirect call. A number without a
 * function is ENOSYS; the first program to ask for it is named in the log, so that a gap is seen.
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/printk.h>
#include <kernel/syscall.h>
#include <kernel/x86/asm_offsets.h>

typedef long (*syscall_fn)(__SC_ARGS6);

/* entry.S's own */
enum { NR_SYSCALLS = ASM_NR_SYSCALLS };
extern const syscall_fn syscall_table[];
long no_such_call(u32 nr);

#define S(nr, name) long sys_##name(__SC_ARGS6);
#define OLD(nr, name, newer, ...)
#include <kernel/syscall_list.h>
#undef OLD
#undef S

#define S(nr, name)
#define OLD(nr, name, newer, ...)                \
	static long sys_##name(__SC_ARGS6)       \
	{                                        \
		__SC_UNUSED;                     \
		return sys_##newer(__VA_ARGS__); \
	}
#include <kernel/syscall_list.h>
#undef OLD
#undef S

const syscall_fn syscall_table[NR_SYSCALLS] = {
#define S(nr, name)               [nr] = sys_##name,
#define OLD(nr, name, newer, ...) [nr] = sys_##name,
#include <kernel/syscall_list.h>
#undef OLD
#undef S
};

static unsigned long reported[NR_SYSCALLS / 64];

long no_such_call(u32 nr)
{
	if (nr < NR_SYSCALLS && !test_and_set_bit(nr, reported))
		pr_info("%s[%d]: system call %u is not implemented\n", current->thread.comm,
			current->pid, nr);
	return -ENOSYS;
}
