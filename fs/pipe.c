/* SPDX-License-Identifier: MIT */
/*
 * Pipes and FIFOs.
 *
 * A pipe is a ring of up to `size` buffers, each at most one page. head and tail only count up; the
 * slot is the count modulo size, so head - tail is how many are full. A write fills new pages, but
 * a short tail is appended to the last buffer if it fits there as a whole. Hence a write of up to
 * PIPE_BUF (4096, a page) bytes takes place in one piece or waits: it is never mixed with another.
 *
 *	tail                 head
 *	  v                    v
 *	| ..xxx | xxxxx | xx.. |      |      |
 *
 * A page that a reader has emptied is kept for the next write (spare), so that a ping-pong of small
 * messages allocates nothing.
 *
 * Locking: pipe->lock, a mutex, over everything including the copy from or to the user (LOCK_PIPE
 * is outside of mmap_lock; a fault never takes it). It is dropped to sleep. Writers wake readers
 * when the ring was empty, readers wake writers when it was full: others cannot be asleep.
 * fifo_lock guards inode->pipe and pipe->files, which say how long the pipe lives.
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/page.h>
#include <mm/slab.h>

#define PIPE_DEF_BUFFERS 16u /* 64 KiB */
#define PIPE_MAX_SIZE    (1u << 31)
#define FIONREAD         0x541b

unsigned int pipe_max_size = 1u << 20; /* /proc/sys/fs/pipe-max-size */

struct pipe_buf {
	struct page *page;
	u16 off, len;
};

struct pipe {
	struct mutex lock;
	struct wait_queue rd_wait, wr_wait;
	unsigned int head, tail;       /* (lock) */
	unsigned int size;             /* (lock) slots, a power of two */
	struct pipe_buf *bufs;         /* (lock) */
	struct page *spare;            /* (lock) */
	unsigned int readers, writers; /* (lock) open ends */
	unsigned int r_opens, w_opens; /* (lock) ever opened: what an opener of a FIFO waits for */
	unsigned int files;            /* (fifo_lock) open files */
};

static struct kmem_cache *pipe_cache;
static spinlock_t fifo_lock = SPINLOCK_INIT(LOCK_FS);

/* Whoever asks without the lock, to sleep if it is so, must not believe what never was: a wake-up comes
 * only when a ring that was empty, or full, is that no more. Both counts only grow; so if the one that
 * runs behind is read last (first), it was so when the first was read. */
static bool is_empty(const struct pipe *p)
{
	unsigned int tail = READ_ONCE(p->tail);

	return READ_ONCE(p->head) == tail;
}

static bool is_full(const struct pipe *p)
{
	unsigned int head = READ_ONCE(p->head);

	return (int)(head - READ_ONCE(p->tail)) >= (int)READ_ONCE(p->size);
}

static struct pipe_buf *slot(const struct pipe *p, unsigned int n)
{
	return &p->bufs[n & (p->size - 1)];
}

static struct pipe *pipe_alloc(void)
{
	struct pipe *p = kmem_cache_alloc(pipe_cache, GFP_KERNEL);

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->bufs = kcalloc(PIPE_DEF_BUFFERS, sizeof(*p->bufs), GFP_KERNEL);
	if (!p->bufs) {
		kmem_cache_free(pipe_cache, p);
		return NULL;
	}
	p->size = PIPE_DEF_BUFFERS;
	p->files = 1;
	mutex_init(&p->lock, LOCK_PIPE);
	wait_queue_init(&p->rd_wait);
	wait_queue_init(&p->wr_wait);
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (; p->tail != p->head; p->tail++)
		put_page(slot(p, p->tail)->page);
	if (p->spare)
		put_page(p->spare);
	kfree(p->bufs);
	kmem_cache_free(pipe_cache, p);
}

/* A file that used the inode's pipe is gone. */
static void pipe_put(struct inode *inode)
{
	struct pipe *p = inode->pipe;

	spin_lock(&fifo_lock);
	if (--p->files)
		p = NULL;
	else
		inode->pipe = NULL;
	spin_unlock(&fifo_lock);
	if (p)
		pipe_free(p);
}

/* --- user buffers ------------------------------------------------------------------------- */

struct cursor {
	const struct iovec *iov;
	unsigned int nr;
	size_t off;         /* within *iov */
	const char *kernel; /* instead of iov: kernel memory (sendfile) */
};

/* Copies n bytes; returns how many before a bad address. */
static __noinline size_t copy_parts_slow(struct cursor *c, char *kbuf, size_t n, bool to_user)
{
	size_t done = 0;

	if (c->kernel) {
		memcpy(kbuf, c->kernel, n);
		c->kernel += n;
		return n;
	}
	while (done < n) {
		size_t len = min(n - done, c->iov->len - c->off);
		char __user *u = (char __user *)c->iov->base + c->off;
		size_t left = to_user ? copy_to_user(u, kbuf + done, len) :
					copy_from_user(kbuf + done, u, len);

		done += len - left;
		c->off += len - left;
		if (left)
			break;
		if (c->off == c->iov->len && c->nr > 1) {
			c->iov++;
			c->nr--;
			c->off = 0;
		}
	}
	return done;
}

/* The same; nearly always there is one part. */
static __always_inline size_t copy_parts(struct cursor *c, char *kbuf, size_t n, bool to_user)
{
	char __user *u;
	size_t left;

	if (unlikely(c->kernel || n > c->iov->len - c->off))
		return copy_parts_slow(c, kbuf, n, to_user);
	u = (char __user *)c->iov->base + c->off;
	left = to_user ? copy_to_user(u, kbuf, n) : copy_from_user(kbuf, u, n);
	c->off += n - left;
	return n - left;
}

static size_t total_of(const struct iovec *iov, unsigned int nr)
{
	size_t n = 0;

	for (unsigned int i = 0; i < nr; i++)
		n += iov[i].len;
	return n;
}

/* --- reading ------------------------------------------------------------------------------ */

static void release_page(struct pipe *p, struct page *page)
{
	if (!p->spare)
		p->spare = page;
	else
		put_page(page);
}

/* Takes what is there, up to n bytes. -EFAULT if nothing could be copied. *was_full is set if a slot
 * of a full ring came free. */
static ssize_t drain_locked(struct pipe *p, struct cursor *c, size_t n, bool *was_full)
{
	size_t done = 0;

	while (done < n && !is_empty(p)) {
		struct pipe_buf *b = slot(p, p->tail);
		size_t len = min(n - done, (size_t)b->len);
		size_t got = copy_parts(c, (char *)page_address(b->page) + b->off, len, true);

		done += got;
		b->off += (u16)got;
		b->len -= (u16)got;
		if (got < len)
			return done ? (ssize_t)done : -EFAULT;
		if (b->len)
			break;
		*was_full |= is_full(p);
		release_page(p, b->page);
		WRITE_ONCE(p->tail, p->tail + 1);
	}
	return (ssize_t)done;
}

static ssize_t pipe_read_cursor(struct file *f, struct cursor *c, size_t n)
{
	struct pipe *p = f->inode->pipe;
	bool was_full = false, eof;
	ssize_t ret;

	while (n) {
		if (is_empty(p) && READ_ONCE(p->writers)) {
			if (f->flags & O_NONBLOCK)
				return -EAGAIN;
			ret = wait_event_interruptible(p->rd_wait,
						       !is_empty(p) || !READ_ONCE(p->writers));
			if (ret)
				return ret;
		}
		mutex_lock(&p->lock);
		ret = drain_locked(p, c, n, &was_full);
		eof = !ret && !p->writers;
		mutex_unlock(&p->lock);
		if (was_full)
			wake_up_key(&p->wr_wait, 0, POLLOUT);
		if (ret || eof)
			return ret;
	}
	return 0;
}

static ssize_t pipe_readv(struct file *f, const struct iovec *iov, unsigned int nr,
			  loff_t *pos __unused)
{
	struct cursor c = {.iov = iov, .nr = nr};

	return pipe_read_cursor(f, &c, total_of(iov, nr));
}

static ssize_t pipe_read(struct file *f, void __user *buf, size_t n, loff_t *pos __unused)
{
	struct iovec iov = {buf, n};
	struct cursor c = {.iov = &iov, .nr = 1};

	return pipe_read_cursor(f, &c, n);
}

/* --- writing ------------------------------------------------------------------------------ */

/* Appends the odd bytes of a write to the last buffer, if they fit as a whole. */
static ssize_t append_locked(struct pipe *p, struct cursor *c, size_t n)
{
	size_t odd = n % PAGE_SIZE;
	struct pipe_buf *b;
	size_t got;

	if (!odd || is_empty(p))
		return 0;
	b = slot(p, p->head - 1);
	if (b->off + b->len + odd > PAGE_SIZE)
		return 0;
	got = copy_parts(c, (char *)page_address(b->page) + b->off + b->len, odd, false);
	/* Nothing is appended by halves: the reader would see a torn write. */
	if (got < odd)
		return -EFAULT;
	b->len += (u16)odd;
	return (ssize_t)odd;
}

/* Fills free slots from the user's n bytes. What fits, or -errno if nothing did. */
static ssize_t fill_locked(struct pipe *p, struct cursor *c, size_t n)
{
	size_t done = 0;

	while (done < n && !is_full(p)) {
		size_t len = min(n - done, (size_t)PAGE_SIZE);
		struct page *page = p->spare ? p->spare : alloc_page(GFP_USER);

		p->spare = NULL;
		if (!page)
			return done ? (ssize_t)done : -ENOMEM;
		size_t got = copy_parts(c, page_address(page), len, false);

		if (!got) {
			release_page(p, page);
			return done ? (ssize_t)done : -EFAULT;
		}
		*slot(p, p->head) = (struct pipe_buf){page, 0, (u16)got};
		WRITE_ONCE(p->head, p->head + 1);
		done += got;
		if (got < len)
			break;
	}
	return (ssize_t)done;
}

static ssize_t broken_pipe(ssize_t done)
{
	send_sig_task(current, SIGPIPE, NULL);
	return done ? done : -EPIPE;
}

static ssize_t pipe_write_cursor(struct file *f, struct cursor *c, size_t n)
{
	struct pipe *p = f->inode->pipe;
	bool was_empty;
	ssize_t done = 0, ret;

	if (!n)
		return 0;
	mutex_lock(&p->lock);
	was_empty = is_empty(p);
	ret = p->readers ? append_locked(p, c, n) : 0;
	while (ret >= 0) {
		done += ret;
		if ((size_t)done == n)
			break;
		if (!p->readers) {
			ret = broken_pipe(done);
			break;
		}
		if (!is_full(p)) {
			size_t want = n - (size_t)done;

			ret = fill_locked(p, c, want);
			if (ret <= 0 || (size_t)ret == want || !is_full(p)) {
				done += ret > 0 ? ret : 0;
				break; /* all, or as far as memory and addresses went */
			}
			continue;
		}
		ret = -EAGAIN;
		if (f->flags & O_NONBLOCK)
			break;
		mutex_unlock(&p->lock);
		if (was_empty)
			wake_up_key(&p->rd_wait, 0, POLLIN);
		ret = wait_event_interruptible(p->wr_wait, !is_full(p) || !READ_ONCE(p->readers));
		mutex_lock(&p->lock);
		was_empty = is_empty(p);
	}
	mutex_unlock(&p->lock);
	if (was_empty && done)
		wake_up_key(&p->rd_wait, 0, POLLIN);
	return done ? done : ret;
}

static ssize_t pipe_writev(struct file *f, const struct iovec *iov, unsigned int nr,
			   loff_t *pos __unused)
{
	struct cursor c = {.iov = iov, .nr = nr};

	return pipe_write_cursor(f, &c, total_of(iov, nr));
}

static ssize_t pipe_write(struct file *f, const void __user *buf, size_t n, loff_t *pos)
{
	struct iovec iov = {(void __user *)buf, n};

	return pipe_writev(f, &iov, 1, pos);
}

static ssize_t pipe_kwrite(struct file *f, const void *buf, size_t n)
{
	struct cursor c = {.kernel = buf};

	return pipe_write_cursor(f, &c, n);
}

/* --- the rest ----------------------------------------------------------------------------- */

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->inode->pipe;
	u32 events = 0;

	if (f->can_read)
		poll_wait(f, &p->rd_wait, pt);
	if (f->can_write)
		poll_wait(f, &p->wr_wait, pt);
	mutex_lock(&p->lock);
	if (f->can_read) {
		if (!is_empty(p))
			events |= POLLIN | POLLRDNORM;
		/* A FIFO that no writer has opened since is not hung up. */
		if (!p->writers && f->private != (void *)(unsigned long)p->w_opens)
			events |= POLLHUP;
	}
	if (f->can_write) {
		if (!is_full(p))
			events |= POLLOUT | POLLWRNORM;
		if (!p->readers)
			events |= POLLERR;
	}
	mutex_unlock(&p->lock);
	return events;
}

static long pipe_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	struct pipe *p = f->inode->pipe;
	int bytes = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&p->lock);
	for (unsigned int n = p->tail; n != p->head; n++)
		bytes += slot(p, n)->len;
	mutex_unlock(&p->lock);
	return put_user(bytes, (int __user *)arg);
}

static void close_end(struct pipe *p, bool reader, bool writer)
{
	bool half;

	mutex_lock(&p->lock);
	p->readers -= reader;
	p->writers -= writer;
	half = !p->readers != !p->writers;
	mutex_unlock(&p->lock);
	if (half) { /* the other side shall see it */
		wake_up_key(&p->rd_wait, 0, POLLHUP);
		wake_up_key(&p->wr_wait, 0, POLLERR);
	}
}

static void pipe_release(struct file *f)
{
	close_end(f->inode->pipe, f->can_read, f->can_write);
	pipe_put(f->inode);
}

const struct file_operations pipe_fops = {
	.release = pipe_release,
	.read = pipe_read,
	.write = pipe_write,
	.readv = pipe_readv,
	.writev = pipe_writev,
	.kwrite = pipe_kwrite,
	.llseek = no_llseek,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
};

long pipe_get_size(struct file *f)
{
	return f->inode->pipe && f->ops == &pipe_fops ? (long)(f->inode->pipe->size * PAGE_SIZE) :
							-EBADF;
}

static long resize_locked(struct pipe *p, unsigned int slots)
{
	unsigned int used = p->head - p->tail;
	struct pipe_buf *bufs;

	if (used > slots)
		return -EBUSY;
	bufs = kcalloc(slots, sizeof(*bufs), GFP_KERNEL);
	if (!bufs)
		return -ENOMEM;
	for (unsigned int n = p->tail; n != p->head; n++)
		bufs[n & (slots - 1)] = *slot(p, n);
	kfree(p->bufs);
	p->bufs = bufs;
	WRITE_ONCE(p->size, slots);
	return (long)(slots * PAGE_SIZE);
}

long pipe_set_size(struct file *f, unsigned long size)
{
	struct pipe *p = f->inode->pipe;
	unsigned long slots = 1;
	bool grown;
	long ret;

	if (!p || f->ops != &pipe_fops)
		return -EBADF;
	if (size > PIPE_MAX_SIZE)
		return -EINVAL;
	while (slots * PAGE_SIZE < size)
		slots *= 2;
	mutex_lock(&p->lock);
	grown = slots > p->size;
	if (grown && slots * PAGE_SIZE > pipe_max_size && !capable(CAP_SYS_RESOURCE))
		ret = -EPERM;
	else
		ret = resize_locked(p, (unsigned int)slots);
	mutex_unlock(&p->lock);
	if (grown && ret > 0)
		wake_up_key(&p->wr_wait, 0, POLLOUT);
	return ret;
}

/* --- FIFOs -------------------------------------------------------------------------------- */

/* The inode's pipe, made if this is the first open. */
static struct pipe *fifo_get(struct inode *inode)
{
	struct pipe *fresh = pipe_alloc(), *p;

	spin_lock(&fifo_lock);
	p = inode->pipe;
	if (p) {
		p->files++;
	} else {
		p = inode->pipe = fresh;
		fresh = NULL;
	}
	spin_unlock(&fifo_lock);
	if (fresh)
		pipe_free(fresh);
	return p;
}

/* Sleeps until the other side has been opened once more; p->lock is dropped meanwhile. */
static int wait_for_partner(struct pipe *p, const unsigned int *opens)
{
	unsigned int seen = *opens;

	mutex_unlock(&p->lock);
	int err = wait_event_interruptible(p->rd_wait, READ_ONCE(*opens) != seen);
	mutex_lock(&p->lock);
	return err;
}

static int fifo_open_locked(struct pipe *p, struct file *f)
{
	if (f->can_write && !f->can_read && (f->flags & O_NONBLOCK) && !p->readers)
		return -ENXIO;
	if (f->can_read) {
		p->r_opens++;
		p->readers++;
	}
	if (f->can_write) {
		p->w_opens++;
		p->writers++;
	}
	wake_up_all(&p->rd_wait);
	wake_up_all(&p->wr_wait);
	if (f->can_read && f->can_write)
		return 0;
	if (f->can_read && !p->writers) {
		if (f->flags & O_NONBLOCK) {
			f->private = (void *)(unsigned long)p->w_opens;
			return 0;
		}
		return wait_for_partner(p, &p->w_opens);
	}
	if (f->can_write && !p->readers)
		return wait_for_partner(p, &p->r_opens);
	return 0;
}

static int fifo_open(struct inode *inode, struct file *f)
{
	struct pipe *p = fifo_get(inode);
	int err;

	if (!p)
		return -ENOMEM;
	mutex_lock(&p->lock);
	err = fifo_open_locked(p, f);
	mutex_unlock(&p->lock);
	if (err) {
		if (err != -ENXIO)
			close_end(p, f->can_read, f->can_write);
		pipe_put(inode);
		return err;
	}
	f->ops = &pipe_fops;
	return 0;
}

const struct file_operations fifo_fops = {
	.open = fifo_open,
	.llseek = no_llseek,
};

/* --- pipe(2) ------------------------------------------------------------------------------ */

static struct inode *pipe_inode(void)
{
	struct inode *inode = inode_alloc(&pseudo_sb, S_IFIFO | 0600);

	if (!inode)
		return NULL;
	inode->uid = current->cred.fsuid;
	inode->gid = current->cred.fsgid;
	inode->fops = &fifo_fops;
	inode->pipe = pipe_alloc();
	if (!inode->pipe) {
		inode_put(inode);
		return NULL;
	}
	return inode;
}

static int make_pipe(struct file *ends[2], unsigned int flags)
{
	struct inode *inode = pipe_inode();
	char name[32];

	if (!inode)
		return -ENOMEM;
	struct pipe *p = inode->pipe;

	snprintf(name, sizeof(name), "pipe:[%lu]", (unsigned long)inode->ino);
	inode_get(inode); /* over the failures below */
	ends[0] = file_alloc_pseudo(inode, name, O_RDONLY | (flags & O_NONBLOCK), &pipe_fops);
	if (IS_ERR(ends[0])) {
		pipe_put(inode);
		inode_put(inode);
		return -ENOMEM;
	}
	p->readers = p->writers = p->files = 1;
	p->r_opens = p->w_opens = 1;
	ends[1] = file_alloc(&ends[0]->path, O_WRONLY | (flags & O_NONBLOCK), &pipe_fops);
	if (!ends[1]) {
		p->writers = 0;
		fput(ends[0]);
	} else {
		p->files = 2;
	}
	inode_put(inode);
	return ends[1] ? 0 : -ENOMEM;
}

SYSCALL2(pipe2, int __user *, ufds, unsigned int, flags)
{
	struct file *ends[2];
	int fds[2], err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	err = make_pipe(ends, flags);
	if (err)
		return err;
	fds[0] = err = get_unused_fd(0, flags);
	if (err < 0)
		goto put_ends;
	fds[1] = err = get_unused_fd(0, flags);
	if (err < 0)
		goto put_fd0;
	err = -EFAULT;
	if (copy_to_user(ufds, fds, sizeof(fds)))
		goto put_fd1;
	fd_install(fds[0], ends[0]);
	fd_install(fds[1], ends[1]);
	return 0;

put_fd1:
	put_unused_fd(fds[1]);
put_fd0:
	put_unused_fd(fds[0]);
put_ends:
	fput(ends[0]);
	fput(ends[1]);
	return err;
}

void pipe_init(void)
{
	pipe_cache = kmem_cache_create("pipe", sizeof(struct pipe), 0, SLAB_PANIC, NULL);
}
