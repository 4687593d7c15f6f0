/* SPDX-License-Identifier: MIT */
/*
 * Functions that the kernel calls once at boot, after memory, the scheduler and the VFS are up and
 * before init starts, in link order. For drivers and other parts that nobody else names.
 */
#pragma once

#include <kernel/lib/types.h>

typedef void (*initcall_t)(void);
#define initcall(fn) static const initcall_t __initcall_##fn __used __section(".initcalls") = fn
