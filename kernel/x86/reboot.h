/* SPDX-License-Identifier: MIT */
/* The machine's ends. Nothing is flushed here: whoever calls has done that. */
#pragma once

#include <kernel/lib/types.h>

void machine_restart(void) __noreturn;
void machine_power_off(void) __noreturn;
void machine_halt(void) __noreturn;

#define QEMU_EXIT_PASS 0x10 /* QEMU's exit status is then 33 */
#define QEMU_EXIT_FAIL 0x11 /* 35 */
/* Ends QEMU with status (code << 1) | 1 if it has the isa-debug-exit device; otherwise returns. */
void qemu_exit(u8 code);
