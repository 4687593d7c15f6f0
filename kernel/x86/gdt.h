/* SPDX-License-Identifier: MIT */
/* Segments and the task state: all that is left of them in 64-bit mode. */
#pragma once

#include <kernel/lib/types.h>
#include <kernel/x86/asm_offsets.h>

#define IST_STACK_SIZE 8192

/* Loads the running CPU's GDT and TSS. ist_stacks: IST_NR stacks, 16-byte aligned; NULL: the boot
 * CPU's own. kstack_top: as cpu_set_kstack(). */
void gdt_init_cpu(void *ist_stacks, u64 kstack_top);
/* Where entries from user mode start to push. */
void cpu_set_kstack(u64 kstack_top);
/* If addr is in an IST stack of that CPU: its bounds. For backtraces. */
bool ist_stack_bounds(unsigned int cpu, u64 addr, u64 *lo, u64 *hi);

void idt_init(void); /* fills the table once, before any CPU loads it */
void idt_load(void);
/* The syscall instruction's MSRs. */
void syscall_init_cpu(void);
