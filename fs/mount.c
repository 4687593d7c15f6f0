/* SPDX-License-Identifier: MIT */
/*
 * Super blocks, mounts, and the calls that change them.
 *
 * A super block is one file system; a mount shows it (or, by MS_BIND, a part of it) at a place. A
 * place is a dentry within another mount, as one directory may be visible in several. The walk goes
 * down through follow_mounts() when a dentry says that something is mounted on it, and up through
 * follow_up(). The last mount over a place wins; below it the older ones wait.
 *
 * References: a mount counts 1 while attached and 1 for each path (working directory, open file,
 * child mount) in it, so "busy" is a count. A super block counts its mounts; the last one takes the
 * whole tree of pinned dentries down.
 *
 * Locking: dcache_lock guards the list and the links between mounts. mount(2) and umount(2) take
 * place one at a time (mount_mutex): moving a mount looks first and acts later. Attaching also holds
 * the mountpoint's inode lock, so that the directory is not removed meanwhile. Nothing here is hot:
 * only follow_mounts() on a real mountpoint searches the list.
 *
 * Simplified against Linux: one namespace; propagation types are accepted and mean nothing; a
 * remount to read-only does not look for writers.
 */
#include <fs/internal.h>
#include <fs/tmpfs.h>
#include <fs/seq_file.h>
#include <fs/vfs.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>

#define MNT_FORCE       1
#define MNT_DETACH      2
#define MNT_EXPIRE      4
#define UMOUNT_NOFOLLOW 8

/* The flags that belong to the mount, not to the file system. */
#define MNT_FLAGS                                                                                  \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | \
	 MS_STRICTATIME)

struct list_head all_mounts = LIST_HEAD_INIT(all_mounts);
static struct file_system_type *filesystems;
static int last_mount_id; /* (d) */
static struct mutex mount_mutex;

/* --- file system types and super blocks --------------------------------------------------- */

/* At boot only: the list never shrinks and needs no lock. */
void register_filesystem(struct file_system_type *t)
{
	struct file_system_type **end = &filesystems;

	while (*end)
		end = &(*end)->next;
	t->next = NULL;
	*end = t;
}

const struct file_system_type *filesystem_next(const struct file_system_type *t)
{
	return t ? t->next : filesystems;
}

static const struct file_system_type *find_filesystem(const char *name)
{
	const struct file_system_type *t = filesystems;

	while (t && strcmp(t->name, name) != 0)
		t = t->next;
	return t;
}

struct super_block *sb_alloc(const struct file_system_type *t, const struct super_operations *ops)
{
	struct super_block *sb = kzalloc(sizeof(*sb), GFP_KERNEL);

	if (!sb)
		return NULL;
	sb->type = t;
	sb->ops = ops;
	sb->dev = get_anon_dev();
	atomic_set(&sb->count, 1);
	return sb;
}

void sb_get(struct super_block *sb)
{
	atomic_inc(&sb->count);
}

void sb_put(struct super_block *sb)
{
	if (!atomic_dec_and_test(&sb->count))
		return;
	if (sb->root)
		d_genocide(sb->root);
	if (sb->ops && sb->ops->kill_sb)
		sb->ops->kill_sb(sb);
	kfree(sb);
}

/* --- mounts ------------------------------------------------------------------------------- */

/* Eats sb's reference, on failure too. */
static struct mount *mount_alloc(struct super_block *sb, struct dentry *root, const char *source,
				 unsigned long flags)
{
	struct mount *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		goto no_mount;
	m->source = kstrdup(source && *source ? source : "none", GFP_KERNEL);
	if (!m->source)
		goto no_source;
	m->sb = sb;
	m->root = dget(root);
	m->flags = flags & MNT_FLAGS;
	if (!(m->flags & (MS_NOATIME | MS_STRICTATIME)))
		m->flags |= MS_RELATIME;
	list_init(&m->node);
	atomic_set(&m->count, 1);
	return m;

no_source:
	kfree(m);
no_mount:
	sb_put(sb);
	return NULL;
}

struct mount *mount_get(struct mount *m)
{
	atomic_inc(&m->count);
	return m;
}

void mount_put(struct mount *m)
{
	if (!m || !atomic_dec_and_test(&m->count))
		return;
	debug_assert(list_empty(&m->node) && !m->parent);
	dput(m->root);
	sb_put(m->sb);
	kfree(m->source);
	kfree(m);
}

/* The newest mount at p, or NULL. */
static struct mount *mount_at_locked(const struct path *p)
{
	struct mount *m;

	assert_spin_held(&dcache_lock);
	for (struct list_head *l = all_mounts.prev; l != &all_mounts; l = l->prev) {
		m = list_entry(l, struct mount, node);
		if (m->mountpoint == p->dentry && m->parent == p->mnt)
			return m;
	}
	return NULL;
}

bool follow_mounts(struct path *p)
{
	bool changed = false;

	while (READ_ONCE(p->dentry->mounted)) {
		struct path to = {NULL, NULL};

		spin_lock(&dcache_lock);
		to.mnt = mount_at_locked(p);
		if (to.mnt) {
			mount_get(to.mnt);
			to.dentry = dget(to.mnt->root);
		}
		spin_unlock(&dcache_lock);
		if (!to.mnt)
			break;
		path_put(p);
		*p = to;
		changed = true;
	}
	return changed;
}

bool follow_up(struct path *p)
{
	struct path to = {NULL, NULL};

	spin_lock(&dcache_lock);
	if (p->mnt->mountpoint) {
		to.mnt = mount_get(p->mnt->parent);
		to.dentry = dget(p->mnt->mountpoint);
	}
	spin_unlock(&dcache_lock);
	if (!to.mnt)
		return false;
	path_put(p);
	*p = to;
	return true;
}

/* The mount after m in all_mounts, referenced (m is put); NULL gives the first, and ends. */
static struct mount *mount_next(struct mount *m)
{
	struct mount *next = NULL;

	spin_lock(&dcache_lock);
	struct list_head *l = m ? m->node.next : all_mounts.next;
	if (l != &all_mounts && !(m && list_empty(&m->node)))
		next = mount_get(list_entry(l, struct mount, node));
	spin_unlock(&dcache_lock);
	mount_put(m);
	return next;
}

int mnt_want_write(const struct mount *mnt)
{
	return (mnt->flags | mnt->sb->flags) & MS_RDONLY ? -EROFS : 0;
}

/* Puts m on the place `at`, taking references of its own to it. */
static int mount_attach(struct mount *m, struct path *at)
{
	struct inode *dir = at->dentry->inode;
	int err = 0;

	if (S_ISDIR(dir->mode) != S_ISDIR(m->root->inode->mode))
		return -ENOTDIR;
	down_write(&dir->lock);
	spin_lock(&dcache_lock);
	if (at->dentry->unlinked) {
		err = -ENOENT;
	} else if (list_empty(&at->mnt->node)) {
		err = -EINVAL; /* in a mount that was detached: nobody would ever find it again */
	} else {
		m->parent = mount_get(at->mnt);
		m->mountpoint = dget(at->dentry);
		m->id = ++last_mount_id;
		d_pin_locked(at->dentry);
		list_add_tail(&m->node, &all_mounts);
	}
	spin_unlock(&dcache_lock);
	up_write(&dir->lock);
	return err;
}

/* Takes m off its place. The caller holds a reference besides the attached one. */
static void mount_detach(struct mount *m, int busy_above, int *err)
{
	struct mount *parent;
	struct dentry *at;
	bool unpin;

	spin_lock(&dcache_lock);
	if (list_empty(&m->node) || !m->parent)
		*err = -EINVAL;
	else if (busy_above && atomic_read(&m->count) > busy_above)
		*err = -EBUSY;
	if (*err) {
		spin_unlock(&dcache_lock);
		return;
	}
	parent = m->parent;
	at = m->mountpoint;
	m->parent = NULL;
	m->mountpoint = NULL;
	list_del(&m->node);
	unpin = d_unpin_locked(at);
	spin_unlock(&dcache_lock);
	if (unpin)
		dput(at);
	dput(at);
	mount_put(parent);
	mount_put(m);
}

/* A mount somewhere above m that has none above itself; NULL if m has none. */
static struct mount *topmost_above(struct mount *m)
{
	struct mount *top = m, *c;
	bool found;

	spin_lock(&dcache_lock);
	do {
		found = false;
		list_for_each_entry(c, &all_mounts, node) {
			if (c->parent == top) {
				top = c;
				found = true;
				break;
			}
		}
	} while (found);
	if (top != m)
		mount_get(top);
	spin_unlock(&dcache_lock);
	return top == m ? NULL : top;
}

/* MNT_DETACH: m and all above it leave the tree; each goes when its last user does. */
static void mount_detach_all(struct mount *m, int *err)
{
	struct mount *top;

	while (!*err && (top = topmost_above(m))) {
		mount_detach(top, 0, err);
		mount_put(top);
	}
	if (!*err)
		mount_detach(m, 0, err);
}

/* --- mount(2) ----------------------------------------------------------------------------- */

static int mount_new(const char *source, struct path *at, const char *type, unsigned long flags,
		     const char *options)
{
	const struct file_system_type *t = type ? find_filesystem(type) : NULL;
	struct super_block *sb;
	struct mount *m;
	int err;

	if (!type)
		return -EINVAL;
	if (!t)
		return -ENODEV;
	sb = t->mount(t, source, options);
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	if (flags & MS_RDONLY)
		sb->flags |= MS_RDONLY;
	if (at->dentry == at->mnt->root && at->mnt->sb == sb) {
		sb_put(sb);
		return -EBUSY;
	}
	m = mount_alloc(sb, sb->root, source, flags);
	if (!m)
		return -ENOMEM;
	err = mount_attach(m, at);
	if (err)
		mount_put(m);
	return err;
}

static int source_lookup(const char *source, struct path *from)
{
	if (!source || !*source)
		return -EINVAL;
	return path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, from);
}

static int mount_bind(const char *source, struct path *at)
{
	struct path from __put(path) = {};
	struct mount *m;
	int err = source_lookup(source, &from);

	if (err)
		return err;
	sb_get(from.mnt->sb);
	m = mount_alloc(from.mnt->sb, from.dentry, from.mnt->source, from.mnt->flags);
	err = m ? mount_attach(m, at) : -ENOMEM;
	if (err)
		mount_put(m);
	return err;
}

/* Is m at or below `above`? */
static bool mount_is_below(const struct mount *m, const struct mount *above)
{
	bool below;

	spin_lock(&dcache_lock);
	while (m && m != above)
		m = m->parent;
	below = m;
	spin_unlock(&dcache_lock);
	return below;
}

static int mount_move(const char *source, struct path *at)
{
	struct path from __put(path) = {};
	struct path old __put(path) = {};
	struct mount *m;
	int err = source_lookup(source, &from);

	if (err)
		return err;
	m = from.mnt;
	old = from;
	path_get(&old);
	if (from.dentry != m->root || !follow_up(&old) ||
	    S_ISDIR(m->root->inode->mode) != S_ISDIR(at->dentry->inode->mode))
		return -EINVAL;
	if (mount_is_below(at->mnt, m))
		return -ELOOP;
	mount_get(m); /* detaching drops the one for being attached, attaching does not take it */
	mount_detach(m, 0, &err);
	if (!err)
		err = mount_attach(m, at);
	else
		mount_put(m);
	if (err == -ENOENT && mount_attach(m, &old))
		mount_put(m); /* neither place is left */
	return err;
}

static int mount_change(struct path *at, unsigned long flags, const char *options)
{
	struct super_block *sb = at->mnt->sb;
	int err = 0;

	if (at->dentry != at->mnt->root)
		return -EINVAL;
	if (!(flags & MS_BIND)) {
		if (sb->ops && sb->ops->remount && options)
			err = sb->ops->remount(sb, options);
		if (err)
			return err;
		sb->flags = (sb->flags & ~MS_RDONLY) | (flags & MS_RDONLY);
	}
	flags &= MNT_FLAGS;
	if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
		flags |= MS_RELATIME;
	spin_lock(&dcache_lock);
	at->mnt->flags = flags;
	spin_unlock(&dcache_lock);
	return 0;
}

int do_mount(const char *source, const char *target, const char *type, unsigned long flags,
	     const char *options)
{
	struct path at;
	int err = path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &at);

	if (err)
		return err;
	if ((flags & 0xffff0000UL) == 0xC0ED0000UL) /* the old magic number */
		flags &= 0xffff;
	mutex_lock(&mount_mutex);
	if (!capable(CAP_SYS_ADMIN))
		err = -EPERM;
	else if (flags & MS_REMOUNT)
		err = mount_change(&at, flags, options);
	else if (flags & MS_BIND)
		err = mount_bind(source, &at);
	else if (flags & MS_PROPAGATION)
		err = at.dentry == at.mnt->root ? 0 : -EINVAL;
	else if (flags & MS_MOVE)
		err = mount_move(source, &at);
	else
		err = mount_new(source, &at, type, flags, options);
	mutex_unlock(&mount_mutex);
	path_put(&at);
	return err;
}

/* A string of at most a page from the user; NULL stays NULL. */
static char *copy_mount_string(const char __user *s)
{
	char *buf;
	long len;

	if (!s)
		return NULL;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	len = strncpy_from_user(buf, s, PATH_MAX);
	if (len < 0 || len == PATH_MAX) {
		kfree(buf);
		return ERR_PTR(len < 0 ? len : -EINVAL);
	}
	return buf;
}

/* The data argument need not be a string, nor readable for a whole page. */
static char *copy_mount_options(const void __user *data)
{
	char *buf;
	size_t left;

	if (!data)
		return NULL;
	buf = kzalloc(PAGE_SIZE, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	left = copy_from_user(buf, data, PAGE_SIZE - 1);
	if (left == PAGE_SIZE - 1) {
		kfree(buf);
		return ERR_PTR(-EFAULT);
	}
	buf[PAGE_SIZE - 1 - left] = '\0';
	return buf;
}

SYSCALL5(mount, const char __user *, source, const char __user *, target, const char __user *, type,
	 unsigned long, flags, const void __user *, data)
{
	char *ktype __put(name) = copy_mount_string(type);
	char *ksource __put(name) = copy_mount_string(source);
	char *koptions __put(name) = copy_mount_options(data);
	char *ktarget __put(name) = NULL;

	if (IS_ERR(ktype))
		return PTR_ERR(ktype);
	if (IS_ERR(ksource))
		return PTR_ERR(ksource);
	if (IS_ERR(koptions))
		return PTR_ERR(koptions);
	ktarget = getname(target, 0);
	return IS_ERR(ktarget) ? PTR_ERR(ktarget) :
				 do_mount(ksource, ktarget, ktype, flags, koptions);
}

static int umount_mount(struct mount *m, int flags)
{
	int err = 0;

	if (!m->parent)
		return -EINVAL; /* the root */
	if (flags & MNT_EXPIRE)
		return flags & (MNT_FORCE | MNT_DETACH) ? -EINVAL : -EAGAIN;
	if (flags & MNT_DETACH)
		mount_detach_all(m, &err);
	else /* busy: more than its attachment and the caller's reference */
		mount_detach(m, 2, &err);
	return err;
}

int do_umount(const char *target, int flags)
{
	struct path p;
	struct mount *m;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	err = path_lookup(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	m = mount_get(p.mnt);
	if (!capable(CAP_SYS_ADMIN))
		err = -EPERM;
	else if (p.dentry != m->root)
		err = -EINVAL;
	path_put(&p);
	if (!err) {
		guard_mutex(&mount_mutex);
		err = umount_mount(m, flags);
	}
	mount_put(m);
	return err;
}

SYSCALL2(umount2, const char __user *, target, int, flags)
{
	char *name __put(name) = getname(target, 0);

	return IS_ERR(name) ? PTR_ERR(name) : do_umount(name, flags);
}

/* --- /proc/mounts ------------------------------------------------------------------------- */

static const struct {
	unsigned long flag;
	const char *name;
} mount_flag_names[] = {
	{MS_NOSUID, ",nosuid"},   {MS_NODEV, ",nodev"},           {MS_NOEXEC, ",noexec"},
	{MS_NOATIME, ",noatime"}, {MS_NODIRATIME, ",nodiratime"}, {MS_RELATIME, ",relatime"},
};

static void show_mount_flags(struct seq_file *s, const struct mount *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(mount_flag_names); i++)
		if (m->flags & mount_flag_names[i].flag)
			seq_puts(s, mount_flag_names[i].name);
}

static void show_sb_options(struct seq_file *s, struct super_block *sb)
{
	char buf[128];

	if (sb->ops && sb->ops->show_options && sb->ops->show_options(sb, buf, sizeof(buf)) > 0)
		seq_puts(s, buf);
}

/* The place of m as the running task sees it, into buf; NULL if it does not. */
static const char *mount_place(struct mount *m, char *buf, size_t n)
{
	struct path root, p = {m, m->root};
	bool reached = false;

	get_fs_root(&root);
	const char *s = path_from_root(&p, &root, buf, n, &reached);
	path_put(&root);
	return IS_ERR(s) || !reached ? NULL : s;
}

static int show_all_mounts(struct seq_file *s,
			   void (*show)(struct seq_file *, struct mount *, const char *place))
{
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL);

	if (!buf)
		return -ENOMEM;
	for (struct mount *m = mount_next(NULL); m; m = mount_next(m)) {
		const char *place = mount_place(m, buf, PATH_MAX);

		if (place)
			show(s, m, place);
	}
	kfree(buf);
	return 0;
}

static const char mount_escapes[] = " \t\n\\";

static void mounts_show_one(struct seq_file *s, struct mount *m, const char *place)
{
	seq_escape(s, m->source, mount_escapes);
	seq_putc(s, ' ');
	seq_escape(s, place, mount_escapes);
	seq_printf(s, " %s %s", m->sb->type->name, mnt_want_write(m) ? "ro" : "rw");
	show_mount_flags(s, m);
	show_sb_options(s, m->sb);
	seq_puts(s, " 0 0\n");
}

static void mountinfo_show_one(struct seq_file *s, struct mount *m, const char *place)
{
	spin_lock(&dcache_lock);
	int parent = m->parent ? m->parent->id : m->id;
	spin_unlock(&dcache_lock);

	seq_printf(s, "%d %d %u:%u / ", m->id, parent, MAJOR(m->sb->dev), MINOR(m->sb->dev));
	seq_escape(s, place, mount_escapes);
	seq_puts(s, m->flags & MS_RDONLY ? " ro" : " rw");
	show_mount_flags(s, m);
	seq_printf(s, " - %s ", m->sb->type->name);
	seq_escape(s, m->source, mount_escapes);
	seq_puts(s, m->sb->flags & MS_RDONLY ? " ro" : " rw");
	show_sb_options(s, m->sb);
	seq_putc(s, '\n');
}

int mounts_show(struct seq_file *s, void *unused __unused)
{
	return show_all_mounts(s, mounts_show_one);
}

int mountinfo_show(struct seq_file *s, void *unused __unused)
{
	return show_all_mounts(s, mountinfo_show_one);
}

/* --- boot --------------------------------------------------------------------------------- */

static struct super_block *rootfs_mount(const struct file_system_type *t,
					const char *source __unused, const char *options)
{
	return tmpfs_mount_options(t, options);
}

static struct file_system_type rootfs_type = {
	.name = "rootfs",
	.nodev = true,
	.mount = rootfs_mount,
};

void vfs_limit_root(void)
{
	tmpfs_default_limits(init_fs.root.mnt->sb);
}

static void mount_root(void)
{
	/* No limit before the initramfs is in: see vfs_limit_root(). */
	struct super_block *sb = rootfs_type.mount(&rootfs_type, "rootfs", "size=0,nr_inodes=0");
	struct mount *m = IS_ERR(sb) ? NULL : mount_alloc(sb, sb->root, "rootfs", 0);

	if (!m)
		panic("cannot mount the root file system: out of memory\n");
	m->id = ++last_mount_id;
	list_add_tail(&m->node, &all_mounts);
	init_fs.root = (struct path){m, m->root};
	init_fs.pwd = init_fs.root;
	path_get(&init_fs.root);
	path_get(&init_fs.pwd);
}

void vfs_init(void)
{
	mutex_init(&mount_mutex, LOCK_MOUNT);
	dcache_init();
	inode_init();
	dirops_init();
	file_table_init();
	register_filesystem(&rootfs_type);
	tmpfs_init();
	pipe_init();
	mount_root();
	devtmpfs_init();
	mem_devices_init();
}
