/* SPDX-License-Identifier: MIT */
/*
 * Character devices: who drives which number, and /dev.
 *
 * A driver registers a number, a name and its operations. The name appears in devtmpfs, a tmpfs of
 * which there is only one: every mount of it shows the same tree, and a node that is registered
 * later appears in it at once. Any node of that number anywhere (mknod) opens the same device.
 *
 * Block devices have their own register (drivers/block/block.c) and only their nodes here.
 *
 * Devices are never unregistered; the list is read without a lock after an entry was published.
 */
#include <fs/internal.h>
#include <fs/tmpfs.h>
#include <fs/vfs.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/slab.h>

struct chrdev {
	kdev_t dev;
	const char *name; /* the caller's constant */
	kmode_t mode;
	const struct file_operations *fops;
	void *private;
	struct chrdev *next;
};

static struct chrdev *chrdevs;
static spinlock_t chrdev_lock = SPINLOCK_INIT(LOCK_FS); /* to add */
static struct super_block *dev_sb;

static const struct chrdev *find_chrdev(kdev_t dev)
{
	const struct chrdev *c = smp_load_acquire(&chrdevs);

	while (c && c->dev != dev)
		c = c->next;
	return c;
}

const struct file_operations *chrdev_lookup(kdev_t dev, void **private)
{
	const struct chrdev *c = find_chrdev(dev);

	if (!c)
		return NULL;
	if (private)
		*private = c->private;
	return c->fops;
}

/* "name" or "dir/name". */
int devtmpfs_add(const char *name, kmode_t mode, kdev_t dev)
{
	const char *slash = strchr(name, '/');
	struct dentry *dir;
	int err;

	if (!slash)
		return tmpfs_add_node(dev_sb->root, name, strlen(name), mode, dev);
	err = tmpfs_add_node(dev_sb->root, name, (size_t)(slash - name), S_IFDIR | 0755, 0);
	if (err && err != -EEXIST)
		return err;
	dir = d_lookup(dev_sb->root, name, (size_t)(slash - name));
	if (!dir)
		return -ENOENT;
	err = tmpfs_add_node(dir, slash + 1, strlen(slash + 1), mode, dev);
	dput(dir);
	return err;
}

int chrdev_register(unsigned int major, unsigned int minor, const char *name, kmode_t mode,
		    const struct file_operations *fops, void *private)
{
	struct chrdev *c = kmalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return -ENOMEM;
	*c = (struct chrdev){
		MKDEV(major, minor), name, S_IFCHR | (mode & 0777), fops, private, NULL};
	spin_lock(&chrdev_lock);
	if (find_chrdev(c->dev)) {
		spin_unlock(&chrdev_lock);
		kfree(c);
		return -EBUSY;
	}
	c->next = chrdevs;
	smp_store_release(&chrdevs, c);
	spin_unlock(&chrdev_lock);
	return dev_sb ? devtmpfs_add(c->name, c->mode, c->dev) : 0;
}

static int chrdev_open(struct inode *inode, struct file *f)
{
	const struct chrdev *c = find_chrdev(inode->rdev);

	if (!c)
		return -ENXIO;
	f->ops = c->fops;
	f->private = c->private;
	return f->ops->open ? f->ops->open(inode, f) : 0;
}

const struct file_operations chrdev_fops = {
	.open = chrdev_open,
};

static struct super_block *devtmpfs_mount(const struct file_system_type *t __unused,
					  const char *source __unused, const char *options __unused)
{
	sb_get(dev_sb);
	return dev_sb;
}

static struct file_system_type devtmpfs_type = {
	.name = "devtmpfs",
	.nodev = true,
	.mount = devtmpfs_mount,
};

void devtmpfs_init(void)
{
	struct super_block *sb = tmpfs_mount_options(&devtmpfs_type, "mode=0755");

	if (IS_ERR(sb))
		panic("cannot make devtmpfs: error %ld\n", PTR_ERR(sb));
	dev_sb = sb;
	register_filesystem(&devtmpfs_type);
	for (const struct chrdev *c = chrdevs; c; c = c->next)
		if (devtmpfs_add(c->name, c->mode, c->dev))
			pr_warn("devtmpfs: cannot make %s\n", c->name);
}
