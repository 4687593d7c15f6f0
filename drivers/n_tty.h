/* SPDX-License-Identifier: MIT */
/* The line discipline's side towards tty.c. All with tty->lock held. */
#pragma once

#include <drivers/tty.h>

/* Takes up to n bytes into the output ring; how many. */
size_t n_tty_write(struct tty *t, const u8 *buf, size_t n);
bool n_tty_can_write(const struct tty *t);
/* Gives up to n bytes; in canonical mode of one line: *line_end says that its end was among them
 * (true with 0 bytes: end of file). */
size_t n_tty_read(struct tty *t, u8 *buf, size_t n, bool *line_end);
size_t n_tty_readable(const struct tty *t);
void n_tty_flush_input(struct tty *t);
void n_tty_flush_output(struct tty *t);
void n_tty_unthrottle(struct tty *t);
void n_tty_stop(struct tty *t);
void n_tty_start(struct tty *t);
void n_tty_set_termios(struct tty *t, const struct ktermios *new_);
