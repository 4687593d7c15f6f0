/* SPDX-License-Identifier: MIT */
/*
 * Terminals: the line discipline (termios(3), tty_ioctl(4)) between programs and a serial line.
 */
#pragma once

#include <kernel/lib/types.h>
#include <kernel/sched/wait.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>

#define NCCS 19
struct ktermios { /* the kernel's struct termios, as TCGETS passes it */
	u32 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[NCCS];
};
static_assert_size(struct ktermios, 36);

struct winsize {
	u16 ws_row, ws_col, ws_xpixel, ws_ypixel;
};

struct tty;
struct tty_driver {
	/* There is something to send: keep calling tty_tx_next(). tty->lock held, interrupts off. */
	void (*start_tx)(struct tty *tty);
	/* There is room for input again. Same context. */
	void (*unthrottle)(struct tty *tty);
	/* What only this kind of terminal knows; -ENOTTY. May be NULL. No locks held. */
	long (*ioctl)(unsigned int cmd, void __user *arg);
};

/* 4096 is Linux's N_TTY_BUF_SIZE: a canonical line has at most 4095 bytes. */
#define TTY_IN_SIZE  4096
#define TTY_OUT_SIZE 4096

struct tty {
	const struct tty_driver *driver; /* (c) */
	kdev_t dev;                      /* (c) */
	spinlock_t lock;                 /* (l) interrupts off */
	struct ktermios termios;         /* (l) */
	struct winsize winsize;          /* (l) */

	/* Input: [tail, canon_head) whole lines, [canon_head, head) the line being edited. In raw mode
	 * all of [tail, head) can be read. Free-running counters. */
	u8 in[TTY_IN_SIZE];                       /* (l) */
	unsigned long in_delim[TTY_IN_SIZE / 64]; /* (l) byte ends a line */
	u32 head, canon_head, tail;               /* (l) */
	bool throttled;                           /* (l) */
	bool lnext; /* (l) after VLNEXT: take the next byte as it is */

	u8 out[TTY_OUT_SIZE];              /* (l) */
	u32 out_head, out_tail;            /* (l) */
	unsigned int column, canon_column; /* (l) cursor; where the line being edited began */
	bool stopped;                      /* (l) by ^S */

	pid_t pgrp, session; /* (T) foreground group; session it controls; 0: none */
	struct wait_queue read_wait, write_wait;
	struct mutex read_lock, write_lock; /* one reader and one writer at a time */
};
/* (l) tty->lock  (T) tasklist_lock  (c) constant */

void tty_setup(struct tty *tty, const struct tty_driver *drv);

/* From the driver's interrupt handler: one received byte. False if there is no room: the driver holds
 * further input back until unthrottle(). */
bool tty_receive(struct tty *tty, u8 c);
/* Is there room? Sets throttled if not. */
bool tty_can_receive(struct tty *tty);
/* From the driver: the next byte to send; false if none (or stopped). */
bool tty_tx_next(struct tty *tty, u8 *c);
/* The same with tty->lock held, for a terminal's answers: they send no signals. */
void tty_receive_locked(struct tty *tty, u8 c);
/* A break on the line. */
void tty_hangup_char(struct tty *tty);

/* Registers a name in /dev for it; of several numbers the last is its own. */
void tty_register(struct tty *tty, const char *name, unsigned int major, unsigned int minor);
/* What /dev/console means. */
extern struct tty *console_tty;
