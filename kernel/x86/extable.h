/* SPDX-License-Identifier: MIT */
/*
 * The exception table: instructions of the kernel that may fault on user (or unknown) memory, each
 * with the place to go on at. Two 32-bit distances an entry, each from its own address.
 */
#pragma once

#include <kernel/lib/types.h>

struct trapframe;

/* Within an asm statement: label names as strings. */
#define EX_TABLE_C(insn, fixup)              \
	".pushsection __ex_table, \"a\"\n\t" \
	".balign 4\n\t"                      \
	".long " insn " - .\n\t"             \
	".long " fixup " - .\n\t"            \
	".popsection\n"

/* The fixup of the instruction at rip, or 0. */
u64 extable_find(u64 rip);
/* Sends the frame to its fixup; false if it has none. */
bool extable_fixup(struct trapframe *tf);
