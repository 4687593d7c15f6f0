/* SPDX-License-Identifier: MIT */
/*
 * The user's x87, SSE and AVX registers. The kernel uses none of them, so they change hands only at
 * a thread switch (eagerly), in fork, exec and signal frames. Only threads with thread->fpu have
 * any; the state of the running one is in the registers, the memory copy is stale.
 */
#pragma once

#include <kernel/lib/types.h>

struct fpu_state; /* fpu_state_size() bytes, FPU_STATE_ALIGN aligned; its owner allocates it */

#define FPU_STATE_ALIGN 64

/* Sets up the running CPU: CR4, XCR0. */
void fpu_init_cpu(void);
size_t fpu_state_size(void);

/* The state of a fresh program. */
void fpu_init_state(struct fpu_state *s);
/* The same for the running thread, whose state s is: memory and registers (exec). */
void fpu_reset(struct fpu_state *s);
/* dst becomes what the running thread, whose state s is, has in its registers (fork). */
void fpu_copy(struct fpu_state *dst, struct fpu_state *s);

void fpu_save(struct fpu_state *s);
void fpu_restore(const struct fpu_state *s);

/* Do signal frames hold an XSAVE area (UC_FP_XSTATE)? */
bool fpu_has_xsave(void);
/* Bytes in a signal frame, to be placed at a 64-byte aligned address; 0 if there is no FPU. */
size_t fpu_sigframe_size(void);
/* Writes the state of the running thread, whose s is, as Linux does: FXSAVE area with the magic in its software bytes,
 * XSAVE header and areas, second magic. *size: what was written. 0 or -EFAULT. Sleeps. */
int fpu_save_to_user(struct fpu_state *s, void __user *fpstate, size_t *size) __must_check;
/* Loads it back (sigreturn); NULL: a fresh state. Nothing a user can write there hurts: 0, -EFAULT, or
 * -EINVAL for what the processor would refuse. Sleeps. */
int fpu_restore_from_user(struct fpu_state *s, const void __user *fpstate) __must_check;

/* si_code of a SIGFPE for #MF (x87) and #XM (SSE). */
int fpu_exception_code(struct fpu_state *s, unsigned int vector);
