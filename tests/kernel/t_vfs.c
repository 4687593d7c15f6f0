/* SPDX-License-Identifier: MIT */
/*
 * Names, mounts, archives: the file system layer in the running kernel, called without user memory.
 * Each error path of an operation is walked by failing its nth allocation.
 */
#include <drivers/n_tty.h>
#include <fs/seq_file.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <mm/failinject.h>
#include <mm/slab.h>
#include <tests/kernel/ktest.h>

#define DIR "/ktest.dir"

static int put_file(const char *name, const char *text)
{
	struct file *f = filp_open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
	ssize_t n;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	n = *text ? kernel_write(f, text, strlen(text), 0) : 0;
	fput(f);
	return n == (ssize_t)strlen(text) ? 0 : n < 0 ? (int)n : -EIO;
}

static bool file_is(const char *name, const char *text)
{
	struct file *f = filp_open(name, O_RDONLY, 0);
	char buf[64] = "";
	ssize_t n;

	if (IS_ERR(f))
		return false;
	n = kernel_read(f, buf, sizeof(buf) - 1, 0);
	fput(f);
	return n == (ssize_t)strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

static int stat_of(const char *name, struct kstat *st)
{
	struct path p;
	int err = path_lookup(AT_FDCWD, name, 0, &p);

	if (err)
		return err;
	err = vfs_getattr(&p, st);
	path_put(&p);
	return err;
}

static bool exists(const char *name)
{
	struct kstat st;

	return stat_of(name, &st) == 0;
}

struct names {
	struct dir_context ctx;
	unsigned int max, nr;
	char name[64][16];
};

static bool take_name(struct dir_context *ctx, const char *name, size_t len, u64 ino,
		      unsigned int type, loff_t next)
{
	struct names *n = container_of(ctx, struct names, ctx);

	(void)ino, (void)type, (void)next;
	if (n->nr == n->max)
		return false;
	memcpy(n->name[n->nr], name, len);
	n->name[n->nr++][len] = '\0';
	return true;
}

/* Up to max entries from f's position on. */
static void read_names(struct file *f, struct names *n, unsigned int max)
{
	n->ctx.emit = take_name;
	n->ctx.pos = f->pos;
	n->max = max;
	n->nr = 0;
	down_read(&f->inode->lock);
	f->ops->iterate(f, &n->ctx);
	up_read(&f->inode->lock);
	f->pos = n->ctx.pos;
}

KTEST(vfs, tree, "directories: link counts, sizes, names, removal of what is not empty")
{
	struct kstat st;

	CHECK_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), 0);
	EXPECT_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), -EEXIST);
	EXPECT_EQ(vfs_mkdir_path(AT_FDCWD, DIR "/sub/", 0755), 0);
	EXPECT_EQ(put_file(DIR "/sub/f", "hello"), 0);
	EXPECT(file_is(DIR "/sub/../sub/./f", "hello"));
	EXPECT_EQ(stat_of(DIR, &st), 0);
	EXPECT_EQ(st.nlink, 3);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR "/sub"), -ENOTEMPTY);
	EXPECT_EQ(vfs_unlink_path(AT_FDCWD, DIR "/sub"), -EISDIR);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR "/sub/f"), -ENOTDIR);
	EXPECT_EQ(vfs_unlink_path(AT_FDCWD, DIR "/sub/f/"), -ENOTDIR);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR "/sub/."), -EINVAL);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR "/sub/.."), -ENOTEMPTY);
	EXPECT_EQ(vfs_unlink_path(AT_FDCWD, DIR "/sub/f"), 0);
	EXPECT_EQ(vfs_unlink_path(AT_FDCWD, DIR "/sub/f"), -ENOENT);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR "/sub"), 0);
	EXPECT_EQ(stat_of(DIR, &st), 0);
	EXPECT_EQ(st.nlink, 2);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), 0);
	EXPECT(!exists(DIR));
}

KTEST(vfs, removed_dir, "a file created in a directory that is gone")
{
	struct file *d;

	CHECK_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), 0);
	d = filp_open(DIR, O_RDONLY | O_DIRECTORY, 0);
	EXPECT(!IS_ERR(d));
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), 0);
	if (!IS_ERR(d)) {
		char buf[64];

		EXPECT(d->path.dentry->unlinked);
		EXPECT(strcmp(d_path(&d->path, buf, sizeof(buf)), DIR " (deleted)") == 0);
		fput(d);
	}
	/* the name is free again */
	EXPECT_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), 0);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), 0);
}

KTEST(vfs, readdir_removal,
      "entries skipped or doubled when a directory is emptied while it is read")
{
	struct names *n = kmalloc(sizeof(*n), GFP_KERNEL);
	struct file *d;
	char name[32];
	int left = 40, seen = 0;

	CHECK(n);
	CHECK_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), 0);
	for (int i = 0; i < left; i++) {
		snprintf(name, sizeof(name), DIR "/%d", i);
		EXPECT_EQ(put_file(name, ""), 0);
	}
	d = filp_open(DIR, O_RDONLY | O_DIRECTORY, 0);
	if (EXPECT(!IS_ERR(d))) {
		do {
			read_names(d, n, 7);
			for (unsigned int i = 0; i < n->nr; i++) {
				if (n->name[i][0] == '.')
					continue;
				seen++;
				snprintf(name, sizeof(name), DIR "/%s", n->name[i]);
				EXPECT_EQ(vfs_unlink_path(AT_FDCWD, name), 0);
			}
		} while (n->nr);
		fput(d);
	}
	EXPECT_EQ(seen, left);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), 0);
	kfree(n);
}

KTEST(vfs, symlinks, "links in the middle and at the end, relative, absolute, in circles, 40 deep")
{
	char name[32], target[32];

	CHECK_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), 0);
	EXPECT_EQ(vfs_mkdir_path(AT_FDCWD, DIR "/d", 0755), 0);
	EXPECT_EQ(put_file(DIR "/d/f", "x"), 0);
	EXPECT_EQ(vfs_symlink_path(AT_FDCWD, "d", DIR "/rel"), 0);
	EXPECT_EQ(vfs_symlink_path(AT_FDCWD, DIR "/d/f", DIR "/abs"), 0);
	EXPECT_EQ(vfs_symlink_path(AT_FDCWD, "../ktest.dir/rel/", DIR "/dots"), 0);
	EXPECT_EQ(vfs_symlink_path(AT_FDCWD, "loop2", DIR "/loop1"), 0);
	EXPECT_EQ(vfs_symlink_path(AT_FDCWD, "loop1", DIR "/loop2"), 0);
	EXPECT(file_is(DIR "/rel/f", "x"));
	EXPECT(file_is(DIR "/abs", "x"));
	EXPECT(file_is(DIR "/dots/../dots/f", "x"));
	EXPECT(!file_is(DIR "/abs/", "x"));
	EXPECT_EQ(PTR_ERR(filp_open(DIR "/loop1", O_RDONLY, 0)), -ELOOP);
	EXPECT_EQ(PTR_ERR(filp_open(DIR "/abs", O_RDONLY | O_NOFOLLOW, 0)), -ELOOP);
	EXPECT_EQ(PTR_ERR(filp_open(DIR "/rel", O_RDONLY | O_CREAT | O_EXCL, 0)), -EEXIST);
	for (int i = 0; i <= 40; i++) { /* 0 -> 1 -> ... -> 40 -> d/f: from 0 it takes 41 links */
		snprintf(name, sizeof(name), DIR "/c%d", i);
		snprintf(target, sizeof(target), i < 40 ? "c%d" : "d/f", i + 1);
		EXPECT_EQ(vfs_symlink_path(AT_FDCWD, target, name), 0);
	}
	EXPECT(file_is(DIR "/c1", "x"));
	EXPECT_EQ(PTR_ERR(filp_open(DIR "/c0", O_RDONLY, 0)), -ELOOP);
	for (int i = 0; i <= 40; i++) {
		snprintf(name, sizeof(name), DIR "/c%d", i);
		EXPECT_EQ(vfs_unlink_path(AT_FDCWD, name), 0);
	}
	vfs_unlink_path(AT_FDCWD, DIR "/loop1");
	vfs_unlink_path(AT_FDCWD, DIR "/loop2");
	vfs_unlink_path(AT_FDCWD, DIR "/dots");
	vfs_unlink_path(AT_FDCWD, DIR "/abs");
	vfs_unlink_path(AT_FDCWD, DIR "/rel");
	vfs_unlink_path(AT_FDCWD, DIR "/d/f");
	vfs_rmdir_path(AT_FDCWD, DIR "/d");
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), 0);
}

static int mv(const char *a, const char *b, unsigned int flags)
{
	return vfs_rename_path(AT_FDCWD, a, AT_FDCWD, b, flags);
}

KTEST(vfs, rename, "rename onto files, directories, itself, into itself; exchange; link counts")
{
	struct kstat st;

	CHECK_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), 0);
	vfs_mkdir_path(AT_FDCWD, DIR "/a", 0755);
	vfs_mkdir_path(AT_FDCWD, DIR "/b", 0755);
	put_file(DIR "/a/f", "f");
	put_file(DIR "/g", "g");
	EXPECT_EQ(mv(DIR "/a", DIR "/a/x", 0), -EINVAL);
	EXPECT_EQ(mv(DIR "/a/f", DIR "/a", 0), -ENOTEMPTY);
	EXPECT_EQ(mv(DIR "/g", DIR "/b", 0), -EISDIR);
	EXPECT_EQ(mv(DIR "/b", DIR "/g", 0), -ENOTDIR);
	EXPECT_EQ(mv(DIR "/b", DIR "/a", 0), -ENOTEMPTY);
	EXPECT_EQ(mv(DIR "/g", DIR "/a/f", RENAME_NOREPLACE), -EEXIST);
	EXPECT_EQ(mv(DIR "/g", DIR "/h/", 0), -ENOTDIR);
	EXPECT_EQ(mv(DIR "/a", DIR "/b/a-name-that-is-longer-than-the-inline-space", 0), 0);
	EXPECT(file_is(DIR "/b/a-name-that-is-longer-than-the-inline-space/f", "f"));
	EXPECT_EQ(stat_of(DIR, &st), 0);
	EXPECT_EQ(st.nlink, 3);
	EXPECT_EQ(mv(DIR "/b/a-name-that-is-longer-than-the-inline-space", DIR "/b/..//a", 0), 0);
	EXPECT_EQ(mv(DIR "/a", DIR "/b", 0), 0); /* onto an empty directory */
	EXPECT_EQ(mv(DIR "/g", DIR "/b/f", 0), 0);
	EXPECT(file_is(DIR "/b/f", "g"));
	EXPECT_EQ(stat_of(DIR, &st), 0);
	EXPECT_EQ(st.nlink, 3);
	vfs_unlink_path(AT_FDCWD, DIR "/b/f");
	vfs_rmdir_path(AT_FDCWD, DIR "/b");
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), 0);
}

KTEST(vfs, mounts,
      "a mount that hides nothing, a busy one that goes, what is below that does not come back")
{
	struct path p, root;
	struct file *f;

	CHECK_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), 0);
	put_file(DIR "/below", "x");
	EXPECT_EQ(do_mount("t", DIR, "nosuchfs", 0, NULL), -ENODEV);
	EXPECT_EQ(do_mount("t", DIR, "tmpfs", 0, "size=16k,nr_inodes=4,mode=700"), 0);
	EXPECT(!exists(DIR "/below"));
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), -EBUSY);
	EXPECT_EQ(mv(DIR, DIR "2", 0), -EBUSY);
	EXPECT_EQ(path_lookup(AT_FDCWD, DIR "/..", LOOKUP_FOLLOW, &p), 0);
	get_fs_root(&root);
	EXPECT(p.dentry == root.dentry && p.mnt == root.mnt);
	path_put(&p);
	path_put(&root);
	EXPECT_EQ(put_file(DIR "/1", ""), 0);
	EXPECT_EQ(put_file(DIR "/2", ""), 0);
	EXPECT_EQ(put_file(DIR "/3", ""), 0);
	EXPECT_EQ(put_file(DIR "/4", ""), -ENOSPC); /* inodes, the root is one */
	EXPECT_EQ(mv(DIR "/1", "/ktest.file", 0), -EXDEV);
	f = filp_open(DIR "/1", O_RDWR, 0);
	if (EXPECT(!IS_ERR(f))) {
		char *page = kzalloc(PAGE_SIZE, GFP_KERNEL);
		loff_t pos = 0;

		while (page && kernel_write(f, page, PAGE_SIZE, pos) == (ssize_t)PAGE_SIZE)
			pos += PAGE_SIZE;
		EXPECT_EQ(pos, 4 * PAGE_SIZE);
		kfree(page);
		EXPECT_EQ(do_umount(DIR, 0), -EBUSY);
		fput(f);
	}
	EXPECT_EQ(do_mount("t", DIR, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	EXPECT_EQ(put_file(DIR "/5", ""), -EROFS);
	EXPECT_EQ(vfs_unlink_path(AT_FDCWD, DIR "/2"), -EROFS);
	EXPECT_EQ(do_mount(DIR, "/tmp-no-such", NULL, MS_BIND, NULL), -ENOENT);
	EXPECT_EQ(do_umount(DIR, 0), 0);
	EXPECT_EQ(do_umount(DIR, 0), -EINVAL);
	EXPECT(file_is(DIR "/below", "x"));
	vfs_unlink_path(AT_FDCWD, DIR "/below");
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), 0);
}

KTEST(vfs, lazy_umount,
      "MNT_DETACH: mounts above stay, or the memory of a tree with an open file is lost")
{
	struct file *f;

	CHECK_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), 0);
	EXPECT_EQ(do_mount("t", DIR, "tmpfs", 0, NULL), 0);
	EXPECT_EQ(vfs_mkdir_path(AT_FDCWD, DIR "/sub", 0755), 0);
	EXPECT_EQ(do_mount("t", DIR "/sub", "tmpfs", 0, NULL), 0);
	EXPECT_EQ(put_file(DIR "/sub/f", "kept"), 0);
	EXPECT_EQ(do_umount(DIR, 0), -EBUSY);
	f = filp_open(DIR "/sub/f", O_RDONLY, 0);
	EXPECT_EQ(do_umount(DIR, 2), 0);
	EXPECT(!exists(DIR "/sub"));
	if (EXPECT(!IS_ERR(f))) {
		char buf[8] = "";

		EXPECT_EQ(kernel_read(f, buf, 4, 0), 4);
		EXPECT(strcmp(buf, "kept") == 0);
		fput(f);
	}
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), 0);
}

/* --- failing allocations (injected in debug builds only) ---- */

#ifdef CONFIG_DEBUG
static int try_mkdir(void)
{
	return vfs_mkdir_path(AT_FDCWD, DIR "/an-entry-with-a-rather-long-name", 0755);
}
static int undo_mkdir(void)
{
	return vfs_rmdir_path(AT_FDCWD, DIR "/an-entry-with-a-rather-long-name");
}
static int try_file(void)
{
	return put_file(DIR "/l/file", "text");
}
static int undo_file(void)
{
	return vfs_unlink_path(AT_FDCWD, DIR "/file");
}
static int try_symlink(void)
{
	return vfs_symlink_path(AT_FDCWD, "somewhere", DIR "/link");
}
static int undo_symlink(void)
{
	return vfs_unlink_path(AT_FDCWD, DIR "/link");
}
static int try_rename(void)
{
	return mv(DIR "/old", DIR "/a-new-name-that-is-longer-than-inline", 0);
}
static int undo_rename(void)
{
	return mv(DIR "/a-new-name-that-is-longer-than-inline", DIR "/old", 0);
}
static int try_mount(void)
{
	return do_mount("none", DIR "/mnt", "tmpfs", 0, "size=1m");
}
static int undo_mount(void)
{
	return do_umount(DIR "/mnt", 0);
}

KTEST(vfs, no_memory,
      "an allocation that fails in the middle: another error, half a result, a leak")
{
	static const struct {
		int (*op)(void), (*undo)(void);
	} ops[] = {
		{try_mkdir, undo_mkdir},   {try_file, undo_file},   {try_symlink, undo_symlink},
		{try_rename, undo_rename}, {try_mount, undo_mount},
	};

	CHECK_EQ(vfs_mkdir_path(AT_FDCWD, DIR, 0755), 0);
	EXPECT_EQ(vfs_mkdir_path(AT_FDCWD, DIR "/mnt", 0755), 0);
	EXPECT_EQ(vfs_symlink_path(AT_FDCWD, DIR, DIR "/l"), 0);
	EXPECT_EQ(put_file(DIR "/old", ""), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		unsigned long n = 0, hits;
		int err;

		do {
			fail_inject_set(FAIL_SLAB, ++n, 1);
			err = ops[i].op();
			hits = fail_inject_hits();
			fail_inject_set(FAIL_SLAB, 0, 0);
			if (err)
				EXPECT_EQ(err, -ENOMEM);
			else
				EXPECT_EQ(ops[i].undo(), 0);
		} while (hits && n < 100 && !ktest_failed());
		EXPECT_EQ(err, 0);
	}
	vfs_unlink_path(AT_FDCWD, DIR "/file"); /* created, but not written */
	EXPECT_EQ(vfs_unlink_path(AT_FDCWD, DIR "/old"), 0);
	EXPECT_EQ(vfs_unlink_path(AT_FDCWD, DIR "/l"), 0);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR "/mnt"), 0);
	EXPECT_EQ(vfs_rmdir_path(AT_FDCWD, DIR), 0);
}
#endif

/* --- archives ---- */

struct cpio {
	char *buf;
	size_t n;
};

static void cpio_add(struct cpio *c, u32 ino, kmode_t mode, u32 nlink, const char *name,
		     const char *data)
{
	size_t len = strlen(name) + 1, size = strlen(data);

	c->n += (size_t)snprintf(c->buf + c->n, 111, /* 110 and the end */
				 "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ino,
				 mode, 1, 2, nlink, 1000000000, (u32)size, 0, 0, 5, 1, (u32)len, 0);
	memcpy(c->buf + c->n, name, len);
	c->n += len;
	while (c->n % 4)
		c->buf[c->n++] = 0;
	memcpy(c->buf + c->n, data, size);
	c->n += size;
	while (c->n % 4)
		c->buf[c->n++] = 0;
}

static bool cpio_make(struct cpio *c)
{
	c->buf = kzalloc(8192, GFP_KERNEL);
	c->n = 0;
	if (!c->buf)
		return false;
	cpio_add(c, 1, S_IFDIR | 01750, 2, "ktest.dir", "");
	cpio_add(c, 2, S_IFREG | 0600, 1, "ktest.dir/file", "contents");
	cpio_add(c, 3, S_IFREG | 0644, 2, "ktest.dir/name1", "");
	cpio_add(c, 3, S_IFREG | 0644, 2, "ktest.dir/name2", "shared");
	cpio_add(c, 4, S_IFLNK | 0777, 1, "ktest.dir/link", "file");
	cpio_add(c, 5, S_IFCHR | 0620, 1, "ktest.dir/dev", "");
	cpio_add(c, 0, 0, 1, "TRAILER!!!", "");
	memset(c->buf + c->n, 0, 512); /* padding, then another archive */
	c->n += 512;
	cpio_add(c, 2, S_IFREG | 0600, 1, "ktest.dir/file", "newer");
	cpio_add(c, 0, 0, 1, "TRAILER!!!", "");
	return true;
}

static void cpio_clean(void)
{
	static const char *const names[] = {"file", "name1", "name2", "link", "dev"};
	char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(name, sizeof(name), DIR "/%s", names[i]);
		vfs_unlink_path(AT_FDCWD, name);
	}
	vfs_rmdir_path(AT_FDCWD, DIR);
}

KTEST(initramfs, contents, "owners, modes, times, hard links, devices, a second archive")
{
	struct kstat st, st2;
	struct cpio c;

	CHECK(cpio_make(&c));
	EXPECT_EQ(initramfs_unpack(c.buf, c.n, NULL), 0);
	EXPECT_EQ(stat_of(DIR, &st), 0);
	EXPECT_EQ(st.mode, S_IFDIR | 01750);
	EXPECT_EQ(st.uid, 1);
	EXPECT_EQ(st.gid, 2);
	EXPECT_EQ(st.mtime.tv_sec, 1000000000);
	EXPECT(file_is(DIR "/link", "newer"));
	EXPECT(file_is(DIR "/name1", "shared"));
	EXPECT_EQ(stat_of(DIR "/name1", &st), 0);
	EXPECT_EQ(stat_of(DIR "/name2", &st2), 0);
	EXPECT(st.ino == st2.ino && st.nlink == 2);
	EXPECT_EQ(stat_of(DIR "/dev", &st), 0);
	EXPECT_EQ(st.mode, S_IFCHR | 0620);
	EXPECT_EQ(st.rdev, MKDEV(5, 1));
	cpio_clean();
	EXPECT(!exists(DIR));
	kfree(c.buf);
}

KTEST(initramfs, damaged,
      "an archive cut anywhere or with bytes changed that crashes or hangs the kernel")
{
	struct cpio c;
	char *copy;

	CHECK(cpio_make(&c));
	EXPECT(initramfs_unpack(c.buf, 0, NULL) < 0);
	EXPECT(initramfs_unpack("\x1f\x8b\x08\0", 4, NULL) < 0);
	EXPECT(initramfs_unpack("070707000", 9, NULL) < 0);
	for (size_t n = 1; n < 900; n += 53) {
		/* a whole number of entries is a whole archive but for its end */
		initramfs_unpack(c.buf, n, NULL);
		cpio_clean();
	}
	copy = kmalloc(8192, GFP_KERNEL);
	for (int i = 0; copy && i < 50; i++) {
		memcpy(copy, c.buf, c.n);
		/* in headers: not the names, which must stay those that are removed */
		copy[6 + ktest_random_below(104)] = (char)('0' + ktest_random_below(10));
		initramfs_unpack(copy, c.n, NULL);
		cpio_clean();
	}
	kfree(copy);
	EXPECT(!exists(DIR));
	kfree(c.buf);
}

/* --- generated files ---- */

static int show_lines(struct seq_file *m, void *private)
{
	int *calls = private;

	(*calls)++;
	for (int i = 0; i < 2000; i++)
		seq_printf(m, "line %d of text\n", i);
	return 0;
}

static int show_error(struct seq_file *m, void *private)
{
	(void)private;
	seq_puts(m, "lost");
	return -ESRCH;
}

KTEST(seq_file, grows, "a text larger than a page that is cut, or a buffer that is not freed")
{
	struct file *f = kzalloc(sizeof(*f), GFP_KERNEL);
	struct seq_file *m;
	loff_t pos = 0;
	int calls = 0;

	CHECK(f);
	EXPECT_EQ(seq_open(f, show_lines, &calls), 0);
	/* a read of nothing generates, and copies nothing to the user that is not there */
	EXPECT_EQ(seq_read(f, NULL, 0, &pos), 0);
	m = f->private;
	EXPECT(calls > 1);
	EXPECT(m->valid && !m->overflow);
	EXPECT_EQ(m->count, 10 * 15 + 90 * 16 + 900 * 17 + 1000 * 18UL);
	EXPECT(memcmp(m->buf + m->count - 18, "line 1999 of text\n", 18) == 0);
	seq_release(f);
	EXPECT_EQ(seq_open(f, show_error, NULL), 0);
	EXPECT_EQ(seq_read(f, NULL, 0, &pos), -ESRCH);
	seq_release(f);
	kfree(f);
}

/* Records of 10 bytes; each call sees that they have changed meanwhile. */
static int show_records(struct seq_file *m, void *private)
{
	int *calls = private;

	(*calls)++;
	for (u64 i = m->cursor; i < 2000; i++) {
		seq_printf(m, "%4d %4lu\n", *calls, i);
		if (!seq_mark(m, i + 1))
			break;
	}
	return 0;
}

static int show_long_record(struct seq_file *m, void *private)
{
	(void)private;
	for (u64 rec = m->cursor; rec < 2; rec++) {
		for (int i = 0; i < 3 * (int)PAGE_SIZE; i++)
			seq_putc(m, (char)('a' + rec));
		if (!seq_mark(m, rec + 1))
			break;
	}
	return 0;
}

KTEST(seq_file, records, "a long text that is kept whole, or loses a record between two pieces")
{
	const size_t piece = PAGE_SIZE / 10 * 10;
	struct file *f = kzalloc(sizeof(*f), GFP_KERNEL);
	struct seq_file *m;
	int calls = 0;

	CHECK(f);
	EXPECT_EQ(seq_open(f, show_records, &calls), 0);
	m = seq_of_file(f);
	for (loff_t pos = 0; pos < 20000; pos += 10) {
		char record[16];

		EXPECT_EQ(seq_read(f, NULL, 0, &pos), 0);
		EXPECT(pos >= m->from && pos + 10 <= m->from + (loff_t)m->count);
		scnprintf(record, sizeof(record), " %4lu\n", (unsigned long)pos / 10);
		EXPECT(memcmp(m->buf + (pos - m->from) + 4, record, 6) == 0);
		EXPECT_EQ(m->size, PAGE_SIZE);
	}
	EXPECT_EQ(calls, DIV_ROUND_UP(20000, piece));
	/* back, then far on, then behind the end */
	for (int i = 0; i < 3; i++) {
		loff_t pos = (loff_t[]){15, 19999, 30000}[i];

		EXPECT_EQ(seq_read(f, NULL, 0, &pos), 0);
		EXPECT_EQ(m->from, i == 0 ? 0 : (loff_t)(20000 / piece * piece));
	}
	seq_release(f);
	/* a record larger than a page grows the buffer, and the next does not repeat it */
	EXPECT_EQ(seq_open(f, show_long_record, NULL), 0);
	m = seq_of_file(f);
	for (loff_t pos = 0; pos < 6 * (loff_t)PAGE_SIZE; pos += PAGE_SIZE / 2) {
		EXPECT_EQ(seq_read(f, NULL, 0, &pos), 0);
		EXPECT_EQ(m->buf[pos - m->from], pos < 3 * (loff_t)PAGE_SIZE ? 'a' : 'b');
	}
	seq_release(f);
	kfree(f);
}

/* --- terminals ---- */

static bool told_of_room;

static void fake_start_tx(struct tty *t)
{
	u8 c;

	while (tty_tx_next(t, &c))
		;
}

static void fake_unthrottle(struct tty *t __unused)
{
	told_of_room = true;
}

static void take(struct tty *t, size_t n)
{
	bool line_end;
	u8 c;

	guard_irq(&t->lock);
	while (n--)
		EXPECT_EQ(n_tty_read(t, &c, 1, &line_end), 1);
}

KTEST(tty, held_back, "a line whose input was held back and that is never told of room again")
{
	static const struct tty_driver driver = {.start_tx = fake_start_tx,
						 .unthrottle = fake_unthrottle};
	struct tty *t = kzalloc(sizeof(*t), GFP_KERNEL);
	size_t n = 0;

	CHECK(t);
	told_of_room = false;
	tty_setup(t, &driver);
	t->termios.c_lflag = 0;
	while (n <= TTY_IN_SIZE && tty_receive(t, 'x'))
		n++;
	EXPECT_EQ(n, TTY_IN_SIZE - 1);
	take(t, 10);
	EXPECT(!told_of_room);
	EXPECT(tty_receive(t, 'y')); /* not from the line: TIOCSTI */
	take(t, n - 9);
	EXPECT(told_of_room);
	kfree(t);
}
