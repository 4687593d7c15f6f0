/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer on initramfs archives: the real fs/initramfs.c unpacks the input into a toy of a file
 * system, a list of names. The toy reads every byte that it is given, so that AddressSanitizer sees
 * what lies outside of the archive; says no now and then, as a full or crossed file system does; and
 * checks that what it is asked for makes sense. After each entry the archive before it is
 * overwritten, as the kernel gives it back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#undef RENAME_NOREPLACE
#undef RENAME_EXCHANGE

#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <mm/slab.h>

#define FUZZ_CHECK(e)                                     \
	do {                                              \
		if (!(e)) {                               \
			fprintf(stderr, "not: %s\n", #e); \
			abort();                          \
		}                                         \
	} while (0)

#define NODES 64

static struct node {
	char name[PATH_MAX];
	bool used;
	struct inode inode;
	struct dentry dentry;
} nodes[NODES];
static int open_files, open_paths, allocations;
static unsigned int asked; /* how often the toy was asked for something: every so often it fails */
static unsigned int refuse_at;
static volatile u8 sink;

static bool refused(void)
{
	return refuse_at && ++asked % 64 == refuse_at % 64;
}

void *kmalloc(size_t size, gfp_t gfp)
{
	void *p = refused() ? NULL : malloc(size);

	(void)gfp;
	allocations += p != NULL;
	return p;
}

void kfree(const void *p)
{
	allocations -= p != NULL;
	free((void *)p);
}

static struct node *find(const char *name)
{
	FUZZ_CHECK(strlen(name) < PATH_MAX);
	for (int i = 0; i < NODES; i++)
		if (nodes[i].used && !strcmp(nodes[i].name, name))
			return &nodes[i];
	return NULL;
}

static int make(const char *name, kmode_t mode)
{
	if (refused())
		return -ENOSPC;
	if (find(name))
		return -EEXIST;
	for (int i = 0; i < NODES; i++) {
		struct node *n = &nodes[i];

		if (n->used)
			continue;
		n->used = true;
		strcpy(n->name, name);
		n->inode.mode = mode;
		n->dentry.inode = &n->inode;
		return 0;
	}
	return -ENOSPC;
}

int path_lookup(int dfd, const char *name, unsigned int flags, struct path *out)
{
	struct node *n = find(name);

	(void)dfd, (void)flags;
	if (!n)
		return -ENOENT;
	*out = (struct path){NULL, &n->dentry};
	open_paths++;
	return 0;
}

void path_put(const struct path *p)
{
	FUZZ_CHECK(p->dentry && open_paths > 0);
	open_paths--;
}

static int drop(const char *name, bool dir)
{
	struct node *n = find(name);

	if (!n)
		return -ENOENT;
	if (S_ISDIR(n->inode.mode) != dir)
		return dir ? -ENOTDIR : -EISDIR;
	n->used = false;
	return 0;
}

int vfs_unlink_path(int dfd, const char *name)
{
	(void)dfd;
	return drop(name, false);
}

int vfs_rmdir_path(int dfd, const char *name)
{
	(void)dfd;
	return drop(name, true);
}

int vfs_mkdir_path(int dfd, const char *name, kmode_t mode)
{
	(void)dfd;
	return make(name, S_IFDIR | (mode & 07777));
}

int vfs_mknod_path(int dfd, const char *name, kmode_t mode, kdev_t dev)
{
	(void)dfd, (void)dev;
	FUZZ_CHECK(S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode));
	return make(name, mode);
}

int vfs_symlink_path(int dfd, const char *target, const char *name)
{
	(void)dfd;
	FUZZ_CHECK(strlen(target) < PATH_MAX);
	return make(name, S_IFLNK | 0777);
}

int vfs_link_path(const struct path *old, int dfd, const char *name)
{
	(void)dfd;
	return S_ISDIR(old->dentry->inode->mode) ? -EPERM : make(name, old->dentry->inode->mode);
}

int notify_change(struct dentry *d, struct iattr *a)
{
	FUZZ_CHECK(d->inode && !(a->valid & ATTR_MODE && a->mode & ~07777u));
	return 0;
}

struct file *filp_open(const char *name, unsigned int flags, kmode_t mode)
{
	struct file *f;

	if (!find(name)) {
		int err = flags & O_CREAT ? make(name, S_IFREG | mode) : -ENOENT;

		if (err)
			return ERR_PTR(err);
	}
	if (!S_ISREG(find(name)->inode.mode))
		return ERR_PTR(-EISDIR);
	f = calloc(1, sizeof(*f));
	f->inode = &find(name)->inode;
	open_files++;
	return f;
}

void fput(struct file *f)
{
	open_files--;
	free(f);
}

ssize_t filemap_write_kernel(struct address_space *m, loff_t pos, const void *buf, size_t n)
{
	const u8 *p = buf;

	(void)m;
	FUZZ_CHECK(pos >= 0);
	if (refused())
		return -ENOSPC;
	for (size_t i = 0; i < n; i++)
		sink = p[i];
	return (ssize_t)n;
}

void down_write(struct rwsem *s)
{
	(void)s;
}
void up_write(struct rwsem *s)
{
	(void)s;
}
void schedule(void)
{
}
void printk(enum log_level level, const char *fmt, ...)
{
	char text[8192];
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
}

static u8 *archive, *given_back;

static void consumed(const void *upto)
{
	u8 *p = (u8 *)upto;

	FUZZ_CHECK(p >= given_back);
	memset(given_back, 0xaa, (size_t)(p - given_back));
	given_back = p;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	int err;

	if (size < 1)
		return 0;
	for (int i = 0; i < NODES; i++)
		nodes[i].used = false;
	asked = 0;
	refuse_at = data[0];
	archive = given_back = malloc(size - 1);
	memcpy(archive, data + 1, size - 1);
	err = initramfs_unpack(archive, size - 1, consumed);
	FUZZ_CHECK(err <= 0 && err >= -4095);
	FUZZ_CHECK(open_files == 0 && open_paths == 0 && allocations == 0);
	free(archive);
	return 0;
}
