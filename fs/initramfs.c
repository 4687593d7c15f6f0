/* SPDX-License-Identifier: MIT */
/*
 * Unpacks the initial RAM file system: cpio archives in the "newc" format (cpio(5)), one or several
 * behind each other with zeroes between, as a boot loader may concatenate them.
 *
 * An entry is a header of 110 ASCII bytes (13 numbers of 8 hexadecimal digits), the name, padding to
 * four bytes, the data, padding to four bytes. The name TRAILER!!! ends an archive. Files with
 * several names come as several entries with one inode number, the data with one of them, usually
 * the last; what has been seen is kept in a list until the archive ends.
 *
 * Everything is copied into the page cache; nothing points into the archive afterwards. Nothing in
 * it is trusted: every length is checked against what is left. Directory times are set at the end,
 * because entries change them.
 */
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <mm/slab.h>

#define HEADER_SIZE  110u
#define HEADER_WORDS 13

enum {
	H_INO,
	H_MODE,
	H_UID,
	H_GID,
	H_NLINK,
	H_MTIME,
	H_FILESIZE,
	H_MAJOR,
	H_MINOR,
	H_RMAJOR,
	H_RMINOR,
	H_NAMESIZE,
	H_CHECK
};

struct seen {
	struct seen *next;
	u64 key; /* of a hard link: inode number and device; of a directory: its time */
	kmode_t type;
	char name[];
};

struct unpack {
	const u8 *at;
	size_t left;
	size_t offset; /* of at in the whole, for messages */
	u32 h[HEADER_WORDS];
	const char *name; /* of the current entry, terminated */
	const u8 *data;
	struct seen *links, *dirs;
	unsigned long files;
	void (*consumed)(const void *upto); /* may be NULL */
};

static int bad(const struct unpack *u, const char *what)
{
	pr_err("initramfs: %s at offset %zu\n", what, u->offset);
	return -EINVAL;
}

static void skip(struct unpack *u, size_t n)
{
	u->at += n;
	u->left -= n;
	u->offset += n;
}

static int hex_word(const u8 *s, u32 *out)
{
	u32 v = 0;

	for (int i = 0; i < 8; i++) {
		char c = tolower_ascii((char)s[i]);

		if (isdigit_ascii(c))
			v = v << 4 | (u32)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (u32)(c - 'a' + 10);
		else
			return -EINVAL;
	}
	*out = v;
	return 0;
}

/* Reads header, name and data of the next entry. */
static int next_entry(struct unpack *u)
{
	size_t name_end, data_end;

	if (u->left < HEADER_SIZE)
		return bad(u, "the archive is cut off in a header");
	if (memcmp(u->at, "070701", 6) != 0 && memcmp(u->at, "070702", 6) != 0)
		return bad(u, memcmp(u->at, "070707", 6) == 0 ?
				      "this is the old cpio format, newc is needed" :
				      "no cpio header");
	for (int i = 0; i < HEADER_WORDS; i++)
		if (hex_word(u->at + 6 + 8 * i, &u->h[i]))
			return bad(u, "a header is no number");
	if (u->h[H_NAMESIZE] == 0 || u->h[H_NAMESIZE] > PATH_MAX)
		return bad(u, "a name is too long");
	name_end = ALIGN(HEADER_SIZE + (size_t)u->h[H_NAMESIZE], 4UL);
	data_end = name_end + u->h[H_FILESIZE];
	if (name_end > u->left || data_end > u->left)
		return bad(u, "the archive is cut off in a file");
	u->name = (const char *)u->at + HEADER_SIZE;
	if (u->name[u->h[H_NAMESIZE] - 1])
		return bad(u, "a name does not end");
	u->data = u->at + name_end;
	return 0;
}

static void end_entry(struct unpack *u)
{
	size_t n =
		ALIGN(ALIGN(HEADER_SIZE + (size_t)u->h[H_NAMESIZE], 4UL) + u->h[H_FILESIZE], 4UL);

	skip(u, min(n, u->left));
}

static int remember(struct seen **list, u64 key, kmode_t type, const char *name)
{
	size_t len = strlen(name);
	struct seen *s = kmalloc(sizeof(*s) + len + 1, GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	s->key = key;
	s->type = type;
	memcpy(s->name, name, len + 1);
	s->next = *list;
	*list = s;
	return 0;
}

static void forget(struct seen **list)
{
	while (*list) {
		struct seen *s = *list;

		*list = s->next;
		kfree(s);
	}
}

/* Owner, mode and time as the header says; the path is not followed. */
static int set_attributes(const struct unpack *u, const char *name)
{
	struct iattr a = {
		.valid = ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME,
		.mode = u->h[H_MODE] & 07777,
		.uid = u->h[H_UID],
		.gid = u->h[H_GID],
		.atime.tv_sec = u->h[H_MTIME],
		.mtime.tv_sec = u->h[H_MTIME],
	};
	struct path p;
	int err = path_lookup(AT_FDCWD, name, 0, &p);

	if (err)
		return err;
	err = notify_change(p.dentry, &a);
	path_put(&p);
	return err;
}

/* What is in the way: an entry of the same name from an earlier archive. */
static void make_way(const char *name, kmode_t mode)
{
	struct path p;

	if (path_lookup(AT_FDCWD, name, 0, &p))
		return;
	kmode_t old = p.dentry->inode->mode;

	path_put(&p);
	if ((old & S_IFMT) == (mode & S_IFMT) && (S_ISDIR(old) || S_ISREG(old)))
		return;
	if (S_ISDIR(old))
		vfs_rmdir_path(AT_FDCWD, name);
	else
		vfs_unlink_path(AT_FDCWD, name);
}

static int write_data(struct unpack *u)
{
	struct file *f = filp_open(u->name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t done = 0, n = u->h[H_FILESIZE];
	int err = 0;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	down_write(&f->inode->lock);
	while (done < n && !err) {
		ssize_t ret = filemap_write_kernel(&f->inode->mapping, (loff_t)done, u->data + done,
						   min(n - done, (size_t)1 << 20));

		if (ret <= 0)
			err = ret ? (int)ret : -EIO;
		else
			done += (size_t)ret;
	}
	up_write(&f->inode->lock);
	fput(f);
	return err;
}

/* A further name of a file that is there already: 1 if the entry was one. */
static int link_again(struct unpack *u)
{
	u64 key = (u64)u->h[H_INO] << 32 | (u->h[H_MAJOR] & 0xffff) << 16 |
		  (u->h[H_MINOR] & 0xffff);
	kmode_t type = u->h[H_MODE] & S_IFMT;
	struct seen *s = u->links;
	struct path old;
	int err;

	if (u->h[H_NLINK] < 2 || S_ISDIR(type))
		return 0;
	while (s && (s->key != key || s->type != type))
		s = s->next;
	if (!s)
		return remember(&u->links, key, type, u->name);
	err = path_lookup(AT_FDCWD, s->name, 0, &old);
	if (err)
		return err;
	vfs_unlink_path(AT_FDCWD, u->name);
	err = vfs_link_path(&old, AT_FDCWD, u->name);
	path_put(&old);
	if (!err && S_ISREG(type) && u->h[H_FILESIZE])
		err = write_data(u);
	return err ? err : 1;
}

static int make_symlink(struct unpack *u)
{
	size_t n = u->h[H_FILESIZE];
	char *target;
	int err;

	if (n == 0 || n >= PATH_MAX)
		return -EINVAL;
	target = kmalloc(n + 1, GFP_KERNEL);
	if (!target)
		return -ENOMEM;
	memcpy(target, u->data, n);
	target[n] = '\0';
	err = vfs_symlink_path(AT_FDCWD, target, u->name);
	kfree(target);
	return err;
}

static int make_entry(struct unpack *u)
{
	kmode_t mode = u->h[H_MODE];
	int err;

	make_way(u->name, mode);
	err = link_again(u);
	if (err)
		return err < 0 ? err : 0;
	switch (mode & S_IFMT) {
	case S_IFREG:
		err = write_data(u);
		break;
	case S_IFDIR:
		err = vfs_mkdir_path(AT_FDCWD, u->name, mode);
		if (err == -EEXIST)
			err = 0;
		if (!err)
			err = remember(&u->dirs, u->h[H_MTIME], S_IFDIR, u->name);
		break;
	case S_IFLNK:
		err = make_symlink(u);
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		err = vfs_mknod_path(AT_FDCWD, u->name, mode,
				     MKDEV(u->h[H_RMAJOR], u->h[H_RMINOR]));
		break;
	default:
		err = -EINVAL;
	}
	return err ? err : set_attributes(u, u->name);
}

/* One entry that cannot be made is named and left out; a shortage of memory ends it all. */
static int unpack_entry(struct unpack *u)
{
	int err = make_entry(u);

	if (err == -ENOMEM || err == -ENOSPC) {
		pr_err("initramfs: no room for %s (%u bytes)\n", u->name, u->h[H_FILESIZE]);
		return err;
	}
	if (err)
		pr_warn("initramfs: cannot make %s: error %d\n", u->name, -err);
	else
		u->files++;
	return 0;
}

static int unpack_all(struct unpack *u)
{
	while (u->left) {
		int err;

		if (*u->at == 0) { /* padding between archives */
			skip(u, 1);
			continue;
		}
		if (u->left >= 2 && u->at[0] == 0x1f && u->at[1] == 0x8b)
			return bad(u, "compressed initramfs (gzip) is not supported");
		if (u->left >= 6 && memcmp(u->at,
					   "\xfd"
					   "7zXZ",
					   6) == 0)
			return bad(u, "compressed initramfs (xz) is not supported");
		if (u->left >= 4 && memcmp(u->at, "\x28\xb5\x2f\xfd", 4) == 0)
			return bad(u, "compressed initramfs (zstd) is not supported");
		err = next_entry(u);
		if (err)
			return err;
		if (strcmp(u->name, "TRAILER!!!") == 0)
			forget(&u->links);
		else
			err = unpack_entry(u);
		if (err)
			return err;
		end_entry(u);
		if (u->consumed)
			u->consumed(u->at);
		cond_resched();
	}
	return 0;
}

static void set_directory_times(struct unpack *u)
{
	for (struct seen *s = u->dirs; s; s = s->next) {
		struct iattr a = {.valid = ATTR_MTIME, .mtime.tv_sec = (s64)s->key};
		struct path p;

		if (path_lookup(AT_FDCWD, s->name, 0, &p))
			continue;
		notify_change(p.dentry, &a);
		path_put(&p);
	}
}

/* As Linux's built-in archive: an initramfs without device files still finds a console. */
int initramfs_default(void)
{
	int err = vfs_mkdir_path(AT_FDCWD, "/dev", S_IFDIR | 0755);

	if (!err)
		err = vfs_mknod_path(AT_FDCWD, "/dev/console", S_IFCHR | 0600, MKDEV(5, 1));
	return err ? err : vfs_mkdir_path(AT_FDCWD, "/root", S_IFDIR | 0700);
}

int initramfs_unpack(const void *cpio, size_t size, void (*consumed)(const void *upto))
{
	struct unpack u = {.at = cpio, .left = size, .consumed = consumed};
	int err;

	if (!size)
		return bad(&u, "the archive is empty");
	err = unpack_all(&u);
	set_directory_times(&u);
	forget(&u.links);
	forget(&u.dirs);
	if (!err)
		pr_info("initramfs: %lu entries from %zu KiB\n", u.files, size >> 10);
	return err;
}
