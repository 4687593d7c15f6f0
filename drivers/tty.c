/* SPDX-License-Identifier: MIT */
/*
 * Terminals as files: reading and writing through the line discipline (n_tty.c), the ioctls of
 * tty_ioctl(4), and job control.
 *
 * Job control: a session has at most one controlling terminal (process->tty), a terminal at most one
 * session, and of that session one process group is in the foreground. Only it may read; a
 * background group that tries gets SIGTTIN, or SIGTTOU when it changes the terminal (or writes with
 * TOSTOP on). These links are guarded by tasklist_lock, which comes before tty->lock.
 *
 * Readers hold read_lock over a whole read so that lines are not torn apart between two; writers
 * likewise. User memory is touched with neither spinlock held, through a small buffer on the stack.
 */
#include <drivers/n_tty.h>
#include <drivers/termios.h>
#include <drivers/tty.h>
#include <fs/vfs.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/signal.h>
#include <kernel/x86/uaccess.h>

#define CHUNK 256 /* bytes moved at a time; small enough for the stack, a screen line or three */

struct tty *console_tty;

static const struct ktermios default_termios = {
	.c_iflag = ICRNL | IXON,
	.c_oflag = OPOST | ONLCR,
	.c_cflag = B115200 | CS8 | CREAD | HUPCL,
	.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.c_cc = {[VINTR] = 3,
		 [VQUIT] = 034,
		 [VERASE] = 0177,
		 [VKILL] = 025,
		 [VEOF] = 4,
		 [VTIME] = 0,
		 [VMIN] = 1,
		 [VSTART] = 021,
		 [VSTOP] = 023,
		 [VSUSP] = 032,
		 [VREPRINT] = 022,
		 [VDISCARD] = 017,
		 [VWERASE] = 027,
		 [VLNEXT] = 026},
};

void tty_setup(struct tty *t, const struct tty_driver *drv)
{
	t->driver = drv;
	spin_lock_init(&t->lock, LOCK_DEVICE);
	t->termios = default_termios;
	t->winsize = (struct winsize){.ws_row = 24, .ws_col = 80};
	wait_queue_init(&t->read_wait);
	wait_queue_init(&t->write_wait);
	mutex_init(&t->read_lock, LOCK_TTY);
	mutex_init(&t->write_lock, LOCK_TTY);
}

/* ---- job control --------------------------------------------------------------------------- */

static bool is_controlling(const struct tty *t)
{
	return READ_ONCE(current->proc->tty) == t;
}

/* May the running process do to its terminal what only the foreground may? 0, -EIO, or
 * -ERESTARTSYS after its group was sent sig. */
static int check_foreground(struct tty *t, int sig)
{
	pid_t pgid = current->proc->pgid;

	if (!is_controlling(t) || READ_ONCE(t->pgrp) == pgid || READ_ONCE(t->pgrp) == 0)
		return 0;
	if (signal_ignored_or_blocked(sig))
		return sig == SIGTTIN ? -EIO : 0;
	if (is_orphaned_pgrp(pgid))
		return -EIO;
	send_sig_pgrp(pgid, sig);
	return -ERESTARTSYS;
}

/* tasklist_lock held. */
static void become_controlling(struct tty *t)
{
	struct process *p = current->proc;

	t->session = p->sid;
	t->pgrp = p->pgid;
	p->tty = t;
}

static long set_controlling(struct tty *t, bool steal)
{
	unsigned long flags = spin_lock_irqsave(&tasklist_lock);
	struct process *p = current->proc, *q;
	long err = 0;

	if (p->pid != p->sid || p->tty) {
		err = p->tty == t && p->pid == p->sid ? 0 : -EPERM;
	} else if (t->session && t->session != p->sid) {
		if (steal && capable(CAP_SYS_ADMIN)) {
			list_for_each_entry(q, &all_processes, all_node)
				if (q->tty == t)
					q->tty = NULL;
		} else {
			err = -EPERM;
		}
	}
	if (!err && !p->tty)
		become_controlling(t);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

/* The running process gives its terminal up; a session leader takes it from its whole session. */
static void tty_disassociate(void)
{
	unsigned long flags = spin_lock_irqsave(&tasklist_lock);
	struct process *p = current->proc, *q;
	struct tty *t = p->tty;
	pid_t pgrp = 0;

	if (t && p->pid == p->sid) {
		pgrp = t->pgrp;
		t->session = t->pgrp = 0;
		list_for_each_entry(q, &all_processes, all_node)
			if (q->sid == p->sid)
				q->tty = NULL;
	}
	p->tty = NULL;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (pgrp) {
		send_sig_pgrp(pgrp, SIGHUP);
		send_sig_pgrp(pgrp, SIGCONT);
	}
}

static void session_exit(struct process *leader)
{
	assert(leader == current->proc);
	tty_disassociate();
}

/* ---- files --------------------------------------------------------------------------------- */

static struct tty *tty_of(struct file *f)
{
	return f->private;
}

static int tty_open(struct inode *inode, struct file *f)
{
	void *private = NULL;
	struct tty *t;

	if (!chrdev_lookup(inode->rdev, &private))
		return -ENXIO;
	t = private ? private : console_tty;
	if (!t)
		return -ENODEV;
	f->private = t;
	if (!(f->flags & O_NOCTTY) && !READ_ONCE(t->session))
		set_controlling(t, false); /* only a leader without one gets it; others just open */
	return 0;
}

/* /dev/tty: the controlling terminal of whoever opens it. */
static int current_tty_open(struct inode *inode __unused, struct file *f)
{
	f->private = READ_ONCE(current->proc->tty);
	return f->private ? 0 : -ENXIO;
}

/* Waits for input. *deadline: KTIME_MAX for none. 1: there is some; 0: timed out; -errno. */
static int wait_input(struct file *f, struct tty *t, ktime_t deadline)
{
	struct wait_entry we;
	int ret = 1;

	if (n_tty_readable(t))
		return 1;
	if (f->flags & O_NONBLOCK)
		return -EAGAIN;
	wait_entry_init(&we, false);
	for (;;) {
		prepare_to_wait(&t->read_wait, &we, THREAD_INTERRUPTIBLE);
		if (n_tty_readable(t))
			break;
		if (current_signal_pending()) {
			ret = -ERESTARTSYS;
			break;
		}
		if (schedule_timeout_until(deadline) <= 0) {
			ret = n_tty_readable(t) ? 1 : 0;
			break;
		}
	}
	finish_wait(&t->read_wait, &we);
	return ret;
}

static ktime_t raw_deadline(const struct tty *t)
{
	u8 time = t->termios.c_cc[VTIME];

	return time ? ktime_get() + time * 100 * NSEC_PER_MSEC : KTIME_MAX;
}

/* How long the next byte of a raw read may take, and whether it must be waited for at all: the four
 * cases of VMIN and VTIME in termios(3). */
static bool raw_wants_more(const struct tty *t, size_t done, ktime_t *deadline)
{
	u8 vmin = t->termios.c_cc[VMIN];

	*deadline = KTIME_MAX;
	if (vmin == 0) {
		*deadline = t->termios.c_cc[VTIME] ? raw_deadline(t) : 0;
		return done == 0;
	}
	if (done)
		*deadline = raw_deadline(t);
	return done < vmin;
}

static size_t take_input(struct tty *t, u8 *buf, size_t n, bool *line_end)
{
	unsigned long flags = spin_lock_irqsave(&t->lock);
	size_t got = n_tty_read(t, buf, n, line_end);

	spin_unlock_irqrestore(&t->lock, flags);
	return got;
}

static ssize_t read_loop(struct file *f, struct tty *t, u8 __user *ubuf, size_t n)
{
	bool line_end = false;
	size_t done = 0;
	int err = 0;

	while (done < n && !line_end) {
		bool canon = READ_ONCE(t->termios.c_lflag) & ICANON;
		ktime_t deadline = KTIME_MAX;
		u8 buf[CHUNK];
		size_t got;

		if (!n_tty_readable(t)) {
			if (canon ? done > 0 : !raw_wants_more(t, done, &deadline))
				break;
			if (deadline == 0)
				break;
			err = wait_input(f, t, deadline);
			if (err <= 0)
				break;
			err = check_foreground(t, SIGTTIN);
			if (err)
				break;
		}
		got = take_input(t, buf, min(n - done, sizeof(buf)), &line_end);
		if (copy_to_user(ubuf + done, buf, got)) {
			err = -EFAULT;
			break;
		}
		done += got;
	}
	return done ? (ssize_t)done : err;
}

static ssize_t tty_read(struct file *f, void __user *buf, size_t n, loff_t *pos __unused)
{
	struct tty *t = tty_of(f);
	ssize_t ret = check_foreground(t, SIGTTIN);

	if (ret)
		return ret;
	mutex_lock(&t->read_lock);
	ret = read_loop(f, t, buf, n);
	mutex_unlock(&t->read_lock);
	return ret;
}

static size_t put_output(struct tty *t, const u8 *buf, size_t n)
{
	unsigned long flags = spin_lock_irqsave(&t->lock);
	size_t put = n_tty_write(t, buf, n);

	spin_unlock_irqrestore(&t->lock, flags);
	return put;
}

/* All n bytes of a kernel buffer, or as many as fit before a signal or O_NONBLOCK ends it. */
static ssize_t write_chunk(struct file *f, struct tty *t, const u8 *buf, size_t n)
{
	size_t done = 0;

	for (;;) {
		int err;

		done += put_output(t, buf + done, n - done);
		if (done == n)
			return (ssize_t)done;
		if (f->flags & O_NONBLOCK)
			return done ? (ssize_t)done : -EAGAIN;
		err = wait_event_interruptible(t->write_wait, n_tty_can_write(t));
		if (err)
			return done ? (ssize_t)done : err;
	}
}

static ssize_t write_loop(struct file *f, struct tty *t, const u8 __user *ubuf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		u8 buf[CHUNK];
		size_t part = min(n - done, sizeof(buf));
		ssize_t put;

		if (copy_from_user(buf, ubuf + done, part))
			return done ? (ssize_t)done : -EFAULT;
		put = write_chunk(f, t, buf, part);
		if (put < 0)
			return done ? (ssize_t)done : put;
		done += (size_t)put;
		if ((size_t)put < part)
			break;
	}
	return (ssize_t)done;
}

static ssize_t tty_write(struct file *f, const void __user *buf, size_t n, loff_t *pos __unused)
{
	struct tty *t = tty_of(f);
	ssize_t ret;

	if (READ_ONCE(t->termios.c_lflag) & TOSTOP) {
		ret = check_foreground(t, SIGTTOU);
		if (ret)
			return ret;
	}
	mutex_lock(&t->write_lock);
	ret = write_loop(f, t, buf, n);
	mutex_unlock(&t->write_lock);
	return ret;
}

static u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty *t = tty_of(f);
	u32 mask = 0;

	poll_wait(f, &t->read_wait, pt);
	poll_wait(f, &t->write_wait, pt);
	if (n_tty_readable(t))
		mask |= POLLIN | POLLRDNORM;
	if (n_tty_can_write(t))
		mask |= POLLOUT | POLLWRNORM;
	return mask;
}

/* ---- ioctl --------------------------------------------------------------------------------- */

/* With the lock: a driver that has taken the last bytes holds it until they are out. */
static bool is_drained(struct tty *t)
{
	guard_irq(&t->lock);
	return t->out_head == t->out_tail;
}

static int wait_drained(struct tty *t)
{
	return wait_event_interruptible(t->write_wait, is_drained(t));
}

static long get_termios(struct tty *t, void __user *arg)
{
	unsigned long flags = spin_lock_irqsave(&t->lock);
	struct ktermios kt = t->termios;

	spin_unlock_irqrestore(&t->lock, flags);
	return copy_to_user(arg, &kt, sizeof(kt)) ? -EFAULT : 0;
}

static long set_termios(struct tty *t, void __user *arg, bool drain, bool flush)
{
	struct ktermios kt;
	unsigned long flags;
	int err = check_foreground(t, SIGTTOU);

	if (err)
		return err;
	if (copy_from_user(&kt, arg, sizeof(kt)))
		return -EFAULT;
	err = drain ? wait_drained(t) : 0;
	if (err)
		return err;
	flags = spin_lock_irqsave(&t->lock);
	if (flush)
		n_tty_flush_input(t);
	n_tty_set_termios(t, &kt);
	spin_unlock_irqrestore(&t->lock, flags);
	return 0;
}

static long get_winsize(struct tty *t, void __user *arg)
{
	unsigned long flags = spin_lock_irqsave(&t->lock);
	struct winsize ws = t->winsize;

	spin_unlock_irqrestore(&t->lock, flags);
	return copy_to_user(arg, &ws, sizeof(ws)) ? -EFAULT : 0;
}

static long set_winsize(struct tty *t, void __user *arg)
{
	struct winsize ws;
	unsigned long flags;
	bool changed;

	if (copy_from_user(&ws, arg, sizeof(ws)))
		return -EFAULT;
	flags = spin_lock_irqsave(&t->lock);
	changed = memcmp(&ws, &t->winsize, sizeof(ws)) != 0;
	t->winsize = ws;
	spin_unlock_irqrestore(&t->lock, flags);
	if (changed && READ_ONCE(t->pgrp))
		send_sig_pgrp(READ_ONCE(t->pgrp), SIGWINCH);
	return 0;
}

/* The session of a process group; 0 if the number is a process's, but no group's; -ESRCH. With
 * tasklist_lock held. */
static pid_t session_of_pgrp(pid_t pgrp)
{
	pid_t found = -ESRCH;
	struct process *p;

	list_for_each_entry(p, &all_processes, all_node) {
		if (p->pgid == pgrp)
			return p->sid;
		if (p->pid == pgrp)
			found = 0;
	}
	return found;
}

static long set_pgrp(struct tty *t, pid_t __user *arg)
{
	unsigned long flags;
	pid_t pgrp, sid;
	long err = check_foreground(t, SIGTTOU);

	if (err)
		return err == -EIO ? -ENOTTY : err;
	if (get_user(pgrp, arg))
		return -EFAULT;
	if (pgrp < 0)
		return -EINVAL;
	flags = spin_lock_irqsave(&tasklist_lock);
	sid = session_of_pgrp(pgrp);
	if (current->proc->tty != t || t->session != current->proc->sid)
		err = -ENOTTY;
	else if (sid < 0)
		err = sid;
	else if (sid != current->proc->sid)
		err = -EPERM;
	else
		t->pgrp = pgrp;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

static long flush_queues(struct tty *t, unsigned long which)
{
	unsigned long flags;
	int err = check_foreground(t, SIGTTOU);

	if (err)
		return err;
	if (which > TCIOFLUSH)
		return -EINVAL;
	flags = spin_lock_irqsave(&t->lock);
	if (which != TCOFLUSH)
		n_tty_flush_input(t);
	if (which != TCIFLUSH)
		n_tty_flush_output(t);
	spin_unlock_irqrestore(&t->lock, flags);
	return 0;
}

static long flow(struct tty *t, unsigned long what)
{
	unsigned long flags;
	int err = check_foreground(t, SIGTTOU);

	if (err)
		return err;
	if (what > TCION)
		return -EINVAL;
	flags = spin_lock_irqsave(&t->lock);
	if (what == TCOOFF)
		n_tty_stop(t);
	else if (what == TCOON)
		n_tty_start(t);
	spin_unlock_irqrestore(&t->lock, flags);
	return 0;
}

/* TIOCSTI: as if c had been typed. On one's own terminal, or by root. */
static long fake_input(struct tty *t, const u8 __user *arg)
{
	u8 c;

	if (!is_controlling(t) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(c, arg))
		return -EFAULT;
	(void)tty_receive(t, c); /* without room it is lost, as on Linux */
	return 0;
}

static long put_count(struct tty *t, int __user *arg, bool input)
{
	unsigned long flags = spin_lock_irqsave(&t->lock);
	int n = input ? (int)n_tty_readable(t) : (int)(t->out_head - t->out_tail);

	spin_unlock_irqrestore(&t->lock, flags);
	return put_user(n, arg);
}

static long tty_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct tty *t = tty_of(f);
	void __user *p = (void __user *)arg;
	int err;

	switch (cmd) {
	case TCGETS:
		return get_termios(t, p);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(t, p, cmd != TCSETS, cmd == TCSETSF);
	case TIOCGWINSZ:
		return get_winsize(t, p);
	case TIOCSWINSZ:
		return set_winsize(t, p);
	case TIOCGPGRP:
		return is_controlling(t) ? put_user(READ_ONCE(t->pgrp), (pid_t __user *)p) :
					   -ENOTTY;
	case TIOCSPGRP:
		return set_pgrp(t, p);
	case TIOCGSID:
		return is_controlling(t) ? put_user(READ_ONCE(t->session), (pid_t __user *)p) :
					   -ENOTTY;
	case TIOCSCTTY:
		return set_controlling(t, arg == 1);
	case TIOCSTI:
		return fake_input(t, p);
	case TIOCNOTTY:
		if (!is_controlling(t))
			return -ENOTTY;
		tty_disassociate();
		return 0;
	case TCFLSH:
		return flush_queues(t, arg);
	case TCXONC:
		return flow(t, arg);
	case TCSBRK:
	case TCSBRKP: /* a break is not sent: there is nobody on the line to see it */
		err = check_foreground(t, SIGTTOU);
		return err ? err : wait_drained(t);
	case FIONREAD:
		return put_count(t, p, true);
	case TIOCOUTQ:
		return put_count(t, p, false);
	default:
		return t->driver->ioctl ? t->driver->ioctl(cmd, p) : -ENOTTY;
	}
}

static const struct file_operations tty_fops = {
	.open = tty_open,
	.read = tty_read,
	.write = tty_write,
	.llseek = no_llseek,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
};

static const struct file_operations current_tty_fops = {
	.open = current_tty_open,
	.read = tty_read,
	.write = tty_write,
	.llseek = no_llseek,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
};

/* tty_info_hook. */
static void tty_info(const struct tty *t, kdev_t *dev, pid_t *pgrp)
{
	*dev = t->dev;
	*pgrp = t->pgrp;
}

/* /dev/console is the last of console= that is there, without any the first that is registered. */
void tty_register(struct tty *t, const char *name, unsigned int major, unsigned int minor)
{
	bool last;

	t->dev = MKDEV(major, minor);
	if (chrdev_register(major, minor, name, 0600, &tty_fops, t))
		pr_err("tty: %s cannot be registered\n", name);
	if ((console_named(name, &last) && last) || !console_tty)
		console_tty = t;
}

static void tty_init(void)
{
	if (chrdev_register(5, 0, "tty", 0666, &current_tty_fops, NULL) ||
	    chrdev_register(5, 1, "console", 0600, &tty_fops, NULL))
		pr_err("tty: /dev/tty or /dev/console cannot be registered\n");
	tty_session_exit_hook = session_exit;
	tty_info_hook = tty_info;
}
initcall(tty_init);
