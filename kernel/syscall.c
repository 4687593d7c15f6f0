/* SPDX-License-Identifier: MIT */
/*
 * From the system call's number to its function.
 *
 * The path of every call, in entry.S: one bound, one indirect call by syscall_table.S. A number without
 * a function is ENOSYS; the first program to ask for it is named in the log, so that a gap is seen.
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/printk.h>
#include <kernel/syscall.h>
#include <kernel/x86/asm_offsets.h>

enum { NR_SYSCALLS = ASM_NR_SYSCALLS };
long no_such_call(u32 nr);

#define S(nr, name)               long sys_##name(__SC_ARGS6);
#define OLD(nr, name, newer, ...) S(nr, name)
#include <kernel/syscall_list.h>
#undef OLD
#undef S

#define S(nr, name)
#define OLD(nr, name, newer, ...)                \
	long sys_##name(__SC_ARGS6)              \
	{                                        \
		__SC_UNUSED;                     \
		return sys_##newer(__VA_ARGS__); \
	}
#include <kernel/syscall_list.h>
#undef OLD
#undef S

static unsigned long reported[NR_SYSCALLS / 64];

long no_such_call(u32 nr)
{
	if (nr < NR_SYSCALLS && !test_and_set_bit(nr, reported))
		pr_info("%s[%d]: system call %u is not implemented\n", current->thread.comm,
			current->pid, nr);
	return -ENOSYS;
}
