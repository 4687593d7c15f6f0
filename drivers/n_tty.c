/* SPDX-License-Identifier: MIT */
/*
 * The line discipline: what a terminal does with bytes between the line and the program.
 *
 *	      line                    in[] (ring)                         program
 *	   c ------> receive: map, signal, edit ---> [ whole lines | edited line ] ---> read
 *	   <-- echo --+
 *	   <---------- out[] (ring) <--- post-process (NL -> CR NL, ...) <------------- write
 *
 * All of it runs under tty->lock, in the interrupt handler for input. Signals must be sent without
 * it (the task table's lock comes first): tty_receive() finds out which and sends after unlocking.
 *
 * In canonical mode a line of more than 4095 bytes loses what is beyond, as in Linux, since without
 * its newline no reader can make room. Otherwise input is held back in the UART when the ring is full.
 *
 * Simplified: no XOFF towards the sender (the UART's own flow control does it), no ECHOPRT, no
 * delays; erasing a multi-byte character takes IUTF8 into account but assumes one column for it.
 */
#include <drivers/n_tty.h>
#include <drivers/termios.h>
#include <kernel/signal.h>

#define IN_MASK  (TTY_IN_SIZE - 1)
#define DISABLED 0 /* a c_cc slot of 0 is switched off */

static bool l_flag(const struct tty *t, u32 f)
{
	return t->termios.c_lflag & f;
}

static bool i_flag(const struct tty *t, u32 f)
{
	return t->termios.c_iflag & f;
}

static bool is_cc(const struct tty *t, int which, u8 c)
{
	return c != DISABLED && t->termios.c_cc[which] == c;
}

/* ---- output ------------------------------------------------------------------------------ */

static u32 out_room(const struct tty *t)
{
	return TTY_OUT_SIZE - (t->out_head - t->out_tail);
}

static void out_byte(struct tty *t, u8 c)
{
	if (out_room(t))
		t->out[t->out_head++ % TTY_OUT_SIZE] = c;
}

static void track_column(struct tty *t, u8 c)
{
	if (c == '\r' || c == '\n')
		t->column = 0;
	else if (c == '\b')
		t->column -= t->column > 0;
	else if (c == '\t')
		t->column = (t->column | 7) + 1;
	else if (c >= ' ' && (c & 0xc0) != 0x80)
		t->column++;
}

/* A byte as OPOST has it. At most 8 bytes come of one (a tab). */
#define POST_MAX 8
static void out_post(struct tty *t, u8 c)
{
	u32 oflag = t->termios.c_oflag;

	if (oflag & OPOST) {
		if (c == '\n' && (oflag & ONLCR)) {
			out_byte(t, '\r');
		} else if (c == '\r' && (oflag & ONOCR) && t->column == 0) {
			return;
		} else if (c == '\r' && (oflag & OCRNL)) {
			c = '\n';
		} else if (c == '\t' && (oflag & TABDLY) == TABDLY) {
			for (unsigned int n = 8 - (t->column & 7); n; n--, t->column++)
				out_byte(t, ' ');
			return;
		}
	}
	track_column(t, c);
	out_byte(t, c);
}

size_t n_tty_write(struct tty *t, const u8 *buf, size_t n)
{
	size_t done = 0;

	assert_spin_held(&t->lock);
	while (done < n && out_room(t) >= POST_MAX)
		out_post(t, buf[done++]);
	if (done)
		t->driver->start_tx(t);
	return done;
}

bool n_tty_can_write(const struct tty *t)
{
	return out_room(t) >= POST_MAX;
}

bool tty_tx_next(struct tty *t, u8 *c)
{
	assert_spin_held(&t->lock);
	if (t->stopped || t->out_head == t->out_tail)
		return false;
	*c = t->out[t->out_tail++ % TTY_OUT_SIZE];
	/* Wake writers when half is free, so that each wake-up moves much. */
	if (t->out_head == t->out_tail || out_room(t) == TTY_OUT_SIZE / 2)
		wake_up_all(&t->write_wait);
	return true;
}

/* ---- echo -------------------------------------------------------------------------------- */

static void echo_byte(struct tty *t, u8 c)
{
	if (l_flag(t, ECHOCTL) && (c < ' ' || c == 0x7f) && c != '\t' && c != '\n') {
		out_post(t, '^');
		out_post(t, c ^ 0x40);
	} else {
		out_post(t, c);
	}
}

static void echo(struct tty *t, u8 c)
{
	if (!l_flag(t, ECHO) && !(l_flag(t, ECHONL) && l_flag(t, ICANON) && c == '\n'))
		return;
	if (t->head == t->canon_head)
		t->canon_column = t->column;
	echo_byte(t, c);
	t->driver->start_tx(t);
}

/* ---- the line being edited --------------------------------------------------------------- */

static u8 in_at(const struct tty *t, u32 i)
{
	return t->in[i & IN_MASK];
}

static bool is_continuation(const struct tty *t, u8 c)
{
	return i_flag(t, IUTF8) && (c & 0xc0) == 0x80;
}

/* The column that the end of the edited line is in, computed from its beginning. */
static unsigned int edited_column(const struct tty *t)
{
	unsigned int col = t->canon_column;

	for (u32 i = t->canon_head; i != t->head; i++) {
		u8 c = in_at(t, i);

		if (c == '\t')
			col = (col | 7) + 1;
		else if (c < ' ' || c == 0x7f)
			col += l_flag(t, ECHOCTL) ? 2 : 0;
		else if (!is_continuation(t, c))
			col++;
	}
	return col;
}

static void erase_char(struct tty *t)
{
	unsigned int col;
	u8 c;

	if (t->head == t->canon_head)
		return;
	do
		c = in_at(t, --t->head);
	while (is_continuation(t, c) && t->head != t->canon_head);
	if (!l_flag(t, ECHO))
		return;
	if (!l_flag(t, ECHOE)) {
		echo_byte(t, t->termios.c_cc[VERASE]);
		return;
	}
	col = edited_column(t);
	while (t->column > col) {
		bool tab = c == '\t';

		out_post(t, '\b');
		if (!tab) {
			out_post(t, ' ');
			out_post(t, '\b');
		}
	}
}

static bool word_byte(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c >= 0x80;
}

static void erase_word(struct tty *t)
{
	while (t->head != t->canon_head && !word_byte(in_at(t, t->head - 1)))
		erase_char(t);
	while (t->head != t->canon_head && word_byte(in_at(t, t->head - 1)))
		erase_char(t);
}

static void kill_line(struct tty *t)
{
	if (l_flag(t, ECHO) && l_flag(t, ECHOE) && l_flag(t, ECHOKE)) {
		while (t->head != t->canon_head)
			erase_char(t);
		return;
	}
	t->head = t->canon_head;
	if (l_flag(t, ECHO)) {
		echo_byte(t, t->termios.c_cc[VKILL]);
		if (l_flag(t, ECHOK))
			out_post(t, '\n');
	}
}

static void reprint(struct tty *t)
{
	echo_byte(t, t->termios.c_cc[VREPRINT]);
	out_post(t, '\n');
	t->canon_column = t->column;
	for (u32 i = t->canon_head; i != t->head; i++)
		echo_byte(t, in_at(t, i));
}

/* True if c was an editing command. */
static bool edit(struct tty *t, u8 c)
{
	if (is_cc(t, VERASE, c))
		erase_char(t);
	else if (is_cc(t, VKILL, c))
		kill_line(t);
	else if (l_flag(t, IEXTEN) && is_cc(t, VWERASE, c))
		erase_word(t);
	else if (l_flag(t, IEXTEN) && l_flag(t, ECHO) && is_cc(t, VREPRINT, c))
		reprint(t);
	else
		return false;
	t->driver->start_tx(t);
	return true;
}

/* ---- input ------------------------------------------------------------------------------- */

static u32 in_used(const struct tty *t)
{
	return t->head - t->tail;
}

static void in_put(struct tty *t, u8 c, bool delim)
{
	u32 i = t->head & IN_MASK;

	t->in[i] = c;
	if (delim)
		__set_bit(i, t->in_delim);
	else
		__clear_bit(i, t->in_delim);
	t->head++;
}

static void finish_line(struct tty *t, u8 c)
{
	in_put(t, c, true);
	t->canon_head = t->head;
	wake_up_all(&t->read_wait);
}

/* One place is kept for the newline that ends an overlong line. */
static void receive_canon(struct tty *t, u8 c)
{
	if (!t->lnext && edit(t, c))
		return;
	if (!t->lnext && is_cc(t, VEOF, c)) {
		finish_line(t, DISABLED); /* a mark that read() takes but does not return */
		return;
	}
	if (!t->lnext &&
	    (c == '\n' || is_cc(t, VEOL, c) || (l_flag(t, IEXTEN) && is_cc(t, VEOL2, c)))) {
		echo(t, c);
		finish_line(t, c);
		return;
	}
	if (in_used(t) >= TTY_IN_SIZE - 1) {
		if (i_flag(t, IMAXBEL))
			out_byte(t, '\a');
		return;
	}
	echo(t, c);
	in_put(t, c, false);
}

static void receive_raw(struct tty *t, u8 c)
{
	if (in_used(t) >= TTY_IN_SIZE)
		return;
	echo(t, c);
	in_put(t, c, false);
	t->canon_head = t->head;
	wake_up_all(&t->read_wait);
}

void n_tty_flush_input(struct tty *t)
{
	assert_spin_held(&t->lock);
	t->head = t->canon_head = t->tail = 0;
	n_tty_unthrottle(t);
}

void n_tty_flush_output(struct tty *t)
{
	assert_spin_held(&t->lock);
	t->out_tail = t->out_head;
	wake_up_all(&t->write_wait);
}

/* The signal that c asks for, or 0. */
static int signal_of(struct tty *t, u8 c)
{
	if (!l_flag(t, ISIG))
		return 0;
	return is_cc(t, VINTR, c) ? SIGINT :
	       is_cc(t, VQUIT, c) ? SIGQUIT :
	       is_cc(t, VSUSP, c) ? SIGTSTP :
				    0;
}

static void signal_char(struct tty *t, u8 c)
{
	if (!l_flag(t, NOFLSH)) {
		n_tty_flush_input(t);
		n_tty_flush_output(t);
	}
	if (l_flag(t, ECHO)) {
		echo_byte(t, c);
		t->driver->start_tx(t);
	}
	n_tty_start(t);
}

void n_tty_stop(struct tty *t)
{
	t->stopped = true;
}

void n_tty_start(struct tty *t)
{
	if (!t->stopped)
		return;
	t->stopped = false;
	t->driver->start_tx(t);
}

/* True if c only stopped or started the output. */
static bool flow_control(struct tty *t, u8 c)
{
	if (!i_flag(t, IXON))
		return false;
	if (is_cc(t, VSTART, c)) {
		n_tty_start(t);
		return true;
	}
	if (is_cc(t, VSTOP, c)) {
		n_tty_stop(t);
		return true;
	}
	if (t->stopped && i_flag(t, IXANY))
		n_tty_start(t);
	return false;
}

/* Returns the signal to send. */
static int receive_locked(struct tty *t, u8 c)
{
	int sig;

	if (i_flag(t, ISTRIP))
		c &= 0x7f;
	if (t->lnext) {
		l_flag(t, ICANON) ? receive_canon(t, c) : receive_raw(t, c);
		t->lnext = false;
		return 0;
	}
	if (flow_control(t, c))
		return 0;
	sig = signal_of(t, c);
	if (sig) {
		signal_char(t, c);
		return sig;
	}
	if (c == '\r' && i_flag(t, IGNCR))
		return 0;
	if (c == '\r' && i_flag(t, ICRNL))
		c = '\n';
	else if (c == '\n' && i_flag(t, INLCR))
		c = '\r';
	if (l_flag(t, ICANON) && l_flag(t, IEXTEN) && is_cc(t, VLNEXT, c)) {
		t->lnext = true;
		return 0;
	}
	l_flag(t, ICANON) ? receive_canon(t, c) : receive_raw(t, c);
	return 0;
}

void tty_receive_locked(struct tty *t, u8 c)
{
	assert_spin_held(&t->lock);
	(void)receive_locked(t, c);
}

static void signal_foreground(struct tty *t, int sig)
{
	pid_t pgrp = READ_ONCE(t->pgrp);

	if (sig && pgrp)
		send_sig_pgrp(pgrp, sig);
}

/* A full ring holds input back, unless only more input can complete the line in it. */
bool tty_can_receive(struct tty *t)
{
	unsigned long flags = spin_lock_irqsave(&t->lock);
	bool room = in_used(t) < TTY_IN_SIZE - 1 || (l_flag(t, ICANON) && t->canon_head == t->tail);

	/* Only who makes room takes it back, as the driver has to be told. */
	t->throttled |= !room;
	spin_unlock_irqrestore(&t->lock, flags);
	return room;
}

bool tty_receive(struct tty *t, u8 c)
{
	unsigned long flags;
	int sig;

	if (!tty_can_receive(t))
		return false;
	flags = spin_lock_irqsave(&t->lock);
	sig = receive_locked(t, c);
	spin_unlock_irqrestore(&t->lock, flags);
	signal_foreground(t, sig);
	return true;
}

void tty_hangup_char(struct tty *t)
{
	u32 iflag = READ_ONCE(t->termios.c_iflag);

	if (iflag & IGNBRK)
		return;
	if (iflag & BRKINT)
		signal_foreground(t, SIGINT);
	else
		tty_receive(t, 0);
}

void n_tty_unthrottle(struct tty *t)
{
	if (t->throttled && in_used(t) < TTY_IN_SIZE / 2) {
		t->throttled = false;
		t->driver->unthrottle(t);
	}
}

/* ---- reading ----------------------------------------------------------------------------- */

size_t n_tty_readable(const struct tty *t)
{
	return l_flag(t, ICANON) ? t->canon_head - t->tail : in_used(t);
}

/* Up to n bytes of one line. *line_end: the line's end was reached. */
static size_t read_canon(struct tty *t, u8 *buf, size_t n, bool *line_end)
{
	size_t done = 0;

	while (t->tail != t->canon_head) {
		u8 c = in_at(t, t->tail);
		bool delim = test_bit(t->tail & IN_MASK, t->in_delim);

		if (delim && c == DISABLED) { /* end of file: taken even with a full buffer */
			t->tail++;
			*line_end = true;
			break;
		}
		if (done == n)
			break;
		buf[done++] = c;
		t->tail++;
		if (delim) {
			*line_end = true;
			break;
		}
	}
	return done;
}

size_t n_tty_read(struct tty *t, u8 *buf, size_t n, bool *line_end)
{
	size_t done = 0;

	assert_spin_held(&t->lock);
	*line_end = false;
	if (l_flag(t, ICANON)) {
		done = read_canon(t, buf, n, line_end);
	} else {
		while (done < n && t->tail != t->head)
			buf[done++] = in_at(t, t->tail++);
		t->canon_head = t->head;
	}
	n_tty_unthrottle(t);
	return done;
}

/* Between canonical and raw mode nothing that was typed is lost: the edited line becomes readable when
 * leaving canonical mode, and what is unread counts as one line when entering it. */
void n_tty_set_termios(struct tty *t, const struct ktermios *new_)
{
	bool was = l_flag(t, ICANON);

	assert_spin_held(&t->lock);
	t->termios = *new_;
	if (was != l_flag(t, ICANON)) {
		if (!was && t->head != t->tail)
			__set_bit((t->head - 1) & IN_MASK, t->in_delim);
		t->canon_head = t->head;
		t->lnext = false;
		wake_up_all(&t->read_wait);
	}
	if (!(t->termios.c_iflag & IXON))
		n_tty_start(t);
}
