/* SPDX-License-Identifier: MIT */
/*
 * From a path name to a place (path_resolution(7)), and who may go there.
 *
 * A walk holds one referenced place and the rest of the string. walk_parent() goes on until only
 * the last component is left, because what happens to that one depends on the call: open it, create
 * it, remove it, follow it or not. A symbolic link replaces the rest of the string by its target and
 * what remained, so a link in the middle and a link at the end are the same case, and no recursion
 * is needed. 40 links make ELOOP.
 *
 *	walk_begin -> walk_parent -> walk_last --(1: a link was followed)--> walk_parent -> ...
 *
 * `..` stops at the process's root and climbs from a mount's root to the place it is mounted on;
 * every step down looks whether something is mounted on what it found.
 *
 * Locking: none is held between steps; a directory may be renamed or removed under a walk, which
 * then goes on within what it references. dcache_lock is taken for each step (d_lookup); a file
 * system with a lookup() of its own is asked with the directory's lock held for reading.
 *
 * Simplified against Linux: no openat2 and its RESOLVE_ flags, no protected_symlinks.
 */
#include <fs/internal.h>
#include <fs/vfs.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

#define MAX_LINKS 40

/* --- names from the user ------------------------------------------------------------------ */

char *getname(const char __user *name, unsigned int lookup_flags)
{
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL);
	long len;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	len = strncpy_from_user(buf, name, PATH_MAX);
	if (len == PATH_MAX)
		len = -ENAMETOOLONG;
	else if (len == 0 && !(lookup_flags & LOOKUP_EMPTY))
		len = -ENOENT;
	if (len < 0) {
		kfree(buf);
		return ERR_PTR(len);
	}
	return buf;
}

void putname(char *name)
{
	kfree(name);
}

/* --- permission --------------------------------------------------------------------------- */

int generic_permission(struct inode *inode, int mask)
{
	const struct cred *c = &current->cred;
	kmode_t mode = inode->mode;

	if (c->fsuid == inode->uid)
		mode >>= 6;
	else if (in_group(inode->gid))
		mode >>= 3;
	if (((kmode_t)mask & ~mode & 7) == 0)
		return 0;
	/* All but to execute what nobody may execute. */
	if (capable(CAP_DAC_OVERRIDE) &&
	    (!(mask & MAY_EXEC) || S_ISDIR(inode->mode) || (inode->mode & 0111)))
		return 0;
	if (capable(CAP_DAC_READ_SEARCH) &&
	    (S_ISDIR(inode->mode) ? !(mask & MAY_WRITE) : !(mask & (MAY_WRITE | MAY_EXEC))))
		return 0;
	return -EACCES;
}

int inode_permission(struct inode *inode, int mask)
{
	if ((mask & MAY_WRITE) && inode->sb && (inode->sb->flags & MS_RDONLY) &&
	    (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode)))
		return -EROFS;
	if (inode->ops && inode->ops->permission)
		return inode->ops->permission(inode, mask);
	return generic_permission(inode, mask);
}

int may_create_in(const struct path *dir)
{
	if (dir->dentry->unlinked)
		return -ENOENT;
	return inode_permission(dir->dentry->inode, MAY_WRITE | MAY_EXEC);
}

/* In a sticky directory only the owners of the file and of the directory remove things. */
static bool sticky_forbids(const struct inode *dir, const struct inode *victim)
{
	kuid_t me = current->cred.fsuid;

	return (dir->mode & S_ISVTX) && me != victim->uid && me != dir->uid && !capable(CAP_FOWNER);
}

int may_delete(const struct path *dir, struct dentry *victim, bool is_dir)
{
	int err = inode_permission(dir->dentry->inode, MAY_WRITE | MAY_EXEC);

	if (err)
		return err;
	if (sticky_forbids(dir->dentry->inode, victim->inode))
		return -EPERM;
	if (is_dir && !S_ISDIR(victim->inode->mode))
		return -ENOTDIR;
	if (!is_dir && S_ISDIR(victim->inode->mode))
		return -EISDIR;
	if (dir->dentry->unlinked)
		return -ENOENT;
	return READ_ONCE(victim->mounted) ? -EBUSY : 0;
}

/* --- steps -------------------------------------------------------------------------------- */

/* The entry of that name, referenced; NULL if there is none. locked: the directory's lock is held. */
struct dentry *lookup_one(struct dentry *dir, const char *name, size_t len, bool locked)
{
	struct dentry *d = d_lookup(dir, name, len);
	struct inode *inode;

	if (d || !dir->inode->ops || !dir->inode->ops->lookup)
		return d;
	d = d_alloc(dir, name, len);
	if (!d)
		return ERR_PTR(-ENOMEM);
	if (!locked)
		down_read(&dir->inode->lock);
	inode = dir->inode->ops->lookup(dir->inode, dir, d->name);
	if (!locked)
		up_read(&dir->inode->lock);
	if (IS_ERR_OR_NULL(inode)) {
		dput(d);
		return inode ? ERR_PTR(PTR_ERR(inode)) : NULL;
	}
	d_set_inode(d, inode);
	return d;
}

static void walk_to(struct walk *w, struct path *to)
{
	path_put(&w->path);
	w->path = *to;
}

static void walk_up(struct walk *w)
{
	while (w->path.dentry != w->root.dentry || w->path.mnt != w->root.mnt) {
		struct dentry *d = w->path.dentry;

		if (d != w->path.mnt->root) {
			spin_lock(&dcache_lock);
			struct dentry *parent = dget(d->parent);
			spin_unlock(&dcache_lock);
			dput(d);
			w->path.dentry = parent;
			break;
		}
		if (!follow_up(&w->path))
			break;
	}
	follow_mounts(&w->path);
}

/* The target's text, with room for the rest of the walk behind it. */
static char *read_link(struct inode *inode, size_t room)
{
	char *buf;
	int n;

	if (!inode->ops || !inode->ops->readlink)
		return ERR_PTR(-EINVAL);
	buf = kmalloc(PATH_MAX + room, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	n = inode->ops->readlink(inode, buf, PATH_MAX - 1);
	if (n <= 0) {
		kfree(buf);
		return ERR_PTR(n ? n : -ENOENT);
	}
	buf[n] = '\0';
	return buf;
}

/* Follows the symbolic link `at`. */
static int walk_link(struct walk *w, const struct path *at)
{
	struct inode *inode = at->dentry->inode;
	struct path to;
	char *text;

	if (++w->links > MAX_LINKS)
		return -ELOOP;
	if (inode->ops && inode->ops->get_link) {
		int err = inode->ops->get_link(inode, &to);

		if (!err)
			walk_to(w, &to);
		return err;
	}
	size_t rest_len = strlen(w->rest);
	text = read_link(inode, rest_len + 2);
	if (IS_ERR(text))
		return (int)PTR_ERR(text);
	if (rest_len) {
		size_t len = strlen(text);

		text[len] = '/';
		memcpy(text + len + 1, w->rest, rest_len + 1);
	}
	if (*text == '/') {
		to = w->root;
		path_get(&to);
		walk_to(w, &to);
	}
	kfree(w->link);
	w->link = text;
	w->rest = text;
	return 0;
}

/* One component; w->rest is already behind it. 1: it was a link and has been followed. */
static int walk_step(struct walk *w, const char *name, size_t len, bool follow)
{
	struct path next;
	int err;

	if (name[0] == '.' && len == 1)
		return 0;
	if (name[0] == '.' && name[1] == '.' && len == 2) {
		walk_up(w);
		return 0;
	}
	next.dentry = lookup_one(w->path.dentry, name, len, false);
	if (IS_ERR_OR_NULL(next.dentry))
		return next.dentry ? (int)PTR_ERR(next.dentry) : -ENOENT;
	next.mnt = mount_get(w->path.mnt);
	follow_mounts(&next);
	if (follow && S_ISLNK(next.dentry->inode->mode)) {
		err = walk_link(w, &next);
		path_put(&next);
		return err ? err : 1;
	}
	walk_to(w, &next);
	return 0;
}

int walk_begin(struct walk *w, int dfd, const char *name, unsigned int flags)
{
	struct file *f;

	*w = (struct walk){.rest = name, .flags = flags};
	if (*name != '/' && dfd != AT_FDCWD) {
		f = fget_raw(dfd);
		if (!f)
			return -EBADF;
		if (*name && !S_ISDIR(f->inode->mode)) {
			fput(f);
			return -ENOTDIR;
		}
		w->path = f->path;
		path_get(&w->path);
		fput(f);
		get_fs_root(&w->root);
		return 0;
	}
	get_fs_root(&w->root);
	if (*name == '/') {
		w->path = w->root;
		path_get(&w->path);
	} else {
		get_fs_pwd(&w->path);
	}
	return 0;
}

void walk_end(struct walk *w)
{
	kfree(w->link);
	path_put(&w->path);
	path_put(&w->root);
}

int walk_parent(struct walk *w)
{
	for (;;) {
		const char *s = w->rest, *end, *next;
		struct inode *inode = w->path.dentry->inode;
		int err;

		while (*s == '/')
			s++;
		w->last = s;
		w->last_len = 0;
		w->slash = false;
		if (!*s)
			return 0;
		if (!S_ISDIR(inode->mode))
			return -ENOTDIR;
		err = inode_permission(inode, MAY_EXEC);
		if (err)
			return err;
		end = strchrnul(s, '/');
		if (end - s > NAME_MAX)
			return -ENAMETOOLONG;
		for (next = end; *next == '/'; next++)
			;
		w->rest = next;
		if (!*next) {
			w->last_len = (size_t)(end - s);
			w->slash = *end == '/';
			return 0;
		}
		err = walk_step(w, s, (size_t)(end - s), true);
		if (err < 0)
			return err;
	}
}

int walk_last(struct walk *w, bool follow)
{
	if (w->slash)
		w->dir_only = true;
	if (w->last_len) {
		int err = walk_step(w, w->last, w->last_len, follow || w->slash);

		if (err)
			return err;
	}
	if ((w->dir_only || (w->flags & LOOKUP_DIRECTORY)) && !S_ISDIR(w->path.dentry->inode->mode))
		return -ENOTDIR;
	return 0;
}

int path_lookup(int dfd, const char *name, unsigned int lookup_flags, struct path *out)
{
	struct walk w;
	int err = walk_begin(&w, dfd, name, lookup_flags);

	if (err)
		return err;
	do {
		err = walk_parent(&w);
		if (!err)
			err = walk_last(&w, lookup_flags & LOOKUP_FOLLOW);
	} while (err > 0);
	if (!err) {
		*out = w.path;
		path_get(out);
	}
	walk_end(&w);
	return err;
}

int copy_path_at(int dfd, const char __user *uname, unsigned int lookup_flags, struct path *out)
{
	char *name = getname(uname, lookup_flags);
	int err;

	if (IS_ERR(name))
		return (int)PTR_ERR(name);
	err = path_lookup(dfd, name, lookup_flags, out);
	putname(name);
	return err;
}
