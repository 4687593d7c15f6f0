/* SPDX-License-Identifier: MIT */
/*
 * System calls: sys_NAME() takes the ABI's arguments as they come in registers and returns a
 * result or -errno. kernel/syscall_list.h names them all with their numbers; whoever implements one
 * adds its line there, and the prototype follows from the line: long sys_NAME(unsigned long × 6),
 * of which an implementation declares through SYSCALLn the ones it uses, with their real types.
 */
#pragma once

#include <kernel/lib/types.h>
#include <kernel/x86/trapframe.h>

/* SYSCALL3(read, int, fd, void __user *, buf, size_t, n) { ... } defines sys_read(). The arguments
 * arrive as longs and are converted, so that no upper half of a register is trusted. */
#define __SC_ARGS6  long a1, long a2, long a3, long a4, long a5, long a6
#define __SC_UNUSED (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6
#define __SYSCALL(name, params, args)      \
	static long do_sys_##name params;  \
	long sys_##name(__SC_ARGS6);       \
	long sys_##name(__SC_ARGS6)        \
	{                                  \
		__SC_UNUSED;               \
		return do_sys_##name args; \
	}                                  \
	static __always_inline long do_sys_##name params
#define SYSCALL0(name)                 __SYSCALL(name, (void), ())
#define SYSCALL1(name, t1, n1)         __SYSCALL(name, (t1 n1), ((t1)a1))
#define SYSCALL2(name, t1, n1, t2, n2) __SYSCALL(name, (t1 n1, t2 n2), ((t1)a1, (t2)a2))
#define SYSCALL3(name, t1, n1, t2, n2, t3, n3) \
	__SYSCALL(name, (t1 n1, t2 n2, t3 n3), ((t1)a1, (t2)a2, (t3)a3))
#define SYSCALL4(name, t1, n1, t2, n2, t3, n3, t4, n4) \
	__SYSCALL(name, (t1 n1, t2 n2, t3 n3, t4 n4), ((t1)a1, (t2)a2, (t3)a3, (t4)a4))
#define SYSCALL5(name, t1, n1, t2, n2, t3, n3, t4, n4, t5, n5) \
	__SYSCALL(name, (t1 n1, t2 n2, t3 n3, t4 n4, t5 n5),   \
		  ((t1)a1, (t2)a2, (t3)a3, (t4)a4, (t5)a5))
#define SYSCALL6(name, t1, n1, t2, n2, t3, n3, t4, n4, t5, n5, t6, n6) \
	__SYSCALL(name, (t1 n1, t2 n2, t3 n3, t4 n4, t5 n5, t6 n6),    \
		  ((t1)a1, (t2)a2, (t3)a3, (t4)a4, (t5)a5, (t6)a6))
