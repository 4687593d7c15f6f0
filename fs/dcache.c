/* SPDX-License-Identifier: MIT */
/*
 * Directory entries: the tree of names.
 *
 * A dentry is one name in one directory. It holds a reference on its parent and on its inode, so
 * the way up to the root always exists. Two kinds live side by side:
 *
 *   pinned    (tmpfs, devtmpfs) entered by d_add() in its parent's tree with a reference of its
 *             own: the dentries are the directory, there is nothing behind them. d_delete() takes
 *             it out again.
 *   passing   (proc) made by a lookup for the one who asked, never found by another, freed by the
 *             last dput(). Nothing has to be revalidated when the process it shows is gone. One that
 *             is mounted on is entered like a pinned one, so that the mount is found.
 *
 * A parent finds a child through a red-black tree ordered by hash, then name. getdents walks the
 * list of pinned children, which is in order of a cookie that counts up and is never used again in
 * that directory: entries may come and go between two calls and none is skipped or shown twice.
 *
 * Locking: dcache_lock, one for all, guards names, trees, parents and mounts. A directory's tree
 * changes only with its inode's lock held for writing too, so a reader of the directory may hold
 * either. References are counted atomically; the last one is dropped under dcache_lock, so that a
 * dentry found in a tree under the lock always has one.
 *
 * Simplified against Linux: no negative dentries, no shrinking (pinned dentries are the file
 * system's data), no RCU walk.
 */
#include <fs/vfs.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/errno.h>
#include <kernel/lib/hash.h>
#include <kernel/lib/string.h>
#include <kernel/task.h>
#include <mm/slab.h>

spinlock_t dcache_lock = SPINLOCK_INIT(LOCK_DCACHE);
static struct kmem_cache *dentry_cache;

struct dentry *dget(struct dentry *d)
{
	atomic_inc(&d->count);
	return d;
}

static bool dec_unless_last(atomic_t *v)
{
	for (int old = atomic_read(v); old > 1; old = atomic_read(v))
		if (atomic_cmpxchg(v, old, old - 1))
			return true;
	return false;
}

static void unhash_locked(struct dentry *d)
{
	assert_spin_held(&dcache_lock);
	if (!d->hashed)
		return;
	rb_erase(&d->hash_node, &d->parent->child_tree);
	list_del(&d->child_node);
	d->hashed = false;
}

static int name_cmp(const struct dentry *d, u32 hash, const char *name, size_t len)
{
	if (d->hash != hash)
		return hash < d->hash ? -1 : 1;
	if (d->len != len)
		return len < d->len ? -1 : 1;
	return memcmp(name, d->name, len);
}

static void hash_locked(struct dentry *d)
{
	struct rb_node **link = &d->parent->child_tree.rb_node, *up = NULL;

	assert_spin_held(&dcache_lock);
	while (*link) {
		up = *link;
		int c = name_cmp(rb_entry(up, struct dentry, hash_node), d->hash, d->name, d->len);

		link = c < 0 ? &up->rb_left : &up->rb_right;
	}
	rb_link_node(&d->hash_node, up, link);
	rb_insert_color(&d->hash_node, &d->parent->child_tree);
	d->cookie = d->parent->next_cookie++;
	list_add_tail(&d->child_node, &d->parent->children);
	d->hashed = true;
}

static void dentry_free(struct dentry *d)
{
	assert(RB_EMPTY_ROOT(&d->child_tree) && !d->mounted);
	if (d->inode)
		inode_put(d->inode);
	if (d->name != d->name_inline)
		kfree(d->name);
	kmem_cache_free(dentry_cache, d);
}

void dput(struct dentry *d)
{
	while (d && !dec_unless_last(&d->count)) {
		struct dentry *parent = NULL;

		spin_lock(&dcache_lock);
		debug_assert(atomic_read(&d->count) > 0);
		if (!atomic_dec_and_test(&d->count)) {
			spin_unlock(&dcache_lock);
			return;
		}
		unhash_locked(d);
		if (d->parent != d)
			parent = d->parent;
		spin_unlock(&dcache_lock);
		dentry_free(d);
		d = parent;
	}
}

struct dentry *d_alloc(struct dentry *parent, const char *name, size_t len)
{
	struct dentry *d = kmem_cache_alloc(dentry_cache, GFP_KERNEL);

	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->name = d->name_inline;
	if (len >= sizeof(d->name_inline)) {
		d->name = kmalloc(len + 1, GFP_KERNEL);
		if (!d->name) {
			kmem_cache_free(dentry_cache, d);
			return NULL;
		}
	}
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	d->len = (u32)len;
	d->hash = hash_bytes(name, len);
	d->parent = parent ? dget(parent) : d;
	d->sb = parent ? parent->sb : NULL;
	d->next_cookie = 2;
	list_init(&d->children);
	list_init(&d->child_node);
	atomic_set(&d->count, 1);
	return d;
}

struct dentry *d_make_root(struct super_block *sb, struct inode *inode)
{
	struct dentry *d = d_alloc(NULL, "/", 1);

	if (!d) {
		inode_put(inode);
		return NULL;
	}
	d->sb = sb;
	d->inode = inode;
	return d;
}

void d_set_inode(struct dentry *d, struct inode *inode)
{
	guard_spin(&dcache_lock);
	debug_assert(!d->inode);
	d->inode = inode;
}

void d_add(struct dentry *d, struct inode *inode)
{
	guard_spin(&dcache_lock);
	debug_assert(!d->inode && !d->hashed);
	d->inode = inode;
	atomic_inc(&d->count);
	hash_locked(d);
}

struct dentry *d_lookup(struct dentry *parent, const char *name, size_t len)
{
	u32 hash = hash_bytes(name, len);

	guard_spin(&dcache_lock);
	for (struct rb_node *n = parent->child_tree.rb_node; n;) {
		struct dentry *d = rb_entry(n, struct dentry, hash_node);
		int c = name_cmp(d, hash, name, len);

		if (c == 0)
			return dget(d);
		n = c < 0 ? n->rb_left : n->rb_right;
	}
	return NULL;
}

void d_delete(struct dentry *d)
{
	bool pinned;

	spin_lock(&dcache_lock);
	pinned = d->hashed;
	unhash_locked(d);
	d->unlinked = true;
	spin_unlock(&dcache_lock);
	if (pinned)
		dput(d);
}

/* A passing dentry that is mounted on must be found again: d_pin(); d_unpin() when it no more is. */
void d_pin_locked(struct dentry *d)
{
	assert_spin_held(&dcache_lock);
	if (d->mounted++ == 0 && !d->hashed && d->parent != d) {
		d->pseudo = true; /* pinned only for the mount's sake */
		atomic_inc(&d->count);
		hash_locked(d);
	}
}

/* True if the caller must dput() it once more, after the lock is dropped. */
bool d_unpin_locked(struct dentry *d)
{
	assert_spin_held(&dcache_lock);
	debug_assert(d->mounted > 0);
	if (--d->mounted || !d->pseudo)
		return false;
	d->pseudo = false;
	unhash_locked(d);
	return true;
}

static void swap_names(struct dentry *a, struct dentry *b)
{
	bool a_inline = a->name == a->name_inline, b_inline = b->name == b->name_inline;
	char *a_name = a->name, *b_name = b->name;

	for (size_t i = 0; i < sizeof(a->name_inline); i++)
		swap(a->name_inline[i], b->name_inline[i]);
	a->name = b_inline ? a->name_inline : b_name;
	b->name = a_inline ? b->name_inline : a_name;
	swap(a->hash, b->hash);
	swap(a->len, b->len);
	swap(a->parent, b->parent);
}

void d_move(struct dentry *old, struct dentry *target)
{
	guard_spin(&dcache_lock);
	debug_assert(old->hashed && !target->hashed);
	unhash_locked(old);
	swap_names(old, target);
	hash_locked(old);
}

void d_exchange(struct dentry *a, struct dentry *b)
{
	spin_lock(&dcache_lock);
	debug_assert(a->hashed && b->hashed);
	unhash_locked(a);
	unhash_locked(b);
	swap_names(a, b);
	hash_locked(a);
	hash_locked(b);
	spin_unlock(&dcache_lock);
}

bool d_is_empty(struct dentry *dir)
{
	guard_spin(&dcache_lock);
	return list_empty(&dir->children);
}

bool d_is_ancestor(struct dentry *above, struct dentry *d)
{
	guard_spin(&dcache_lock);
	while (d != above && d->parent != d)
		d = d->parent;
	return d == above;
}

void d_genocide(struct dentry *root)
{
	struct dentry *d = root;

	for (;;) {
		spin_lock(&dcache_lock);
		while (!list_empty(&d->children))
			d = list_first_entry(&d->children, struct dentry, child_node);
		spin_unlock(&dcache_lock);
		if (d == root)
			break;
		struct dentry *parent = d->parent;

		d_delete(d);
		d = parent;
	}
	dput(root);
}

bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
	struct dentry *d = f->path.dentry;

	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, d->inode->ino, DT_OF_MODE(S_IFDIR), 1))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		spin_lock(&dcache_lock);
		u64 ino = d->parent->inode->ino;
		spin_unlock(&dcache_lock);
		if (!ctx->emit(ctx, "..", 2, ino, DT_OF_MODE(S_IFDIR), 2))
			return false;
		ctx->pos = 2;
	}
	return true;
}

int dcache_readdir(struct file *f, struct dir_context *ctx)
{
	struct dentry *d;

	if (!dir_emit_dots(f, ctx))
		return 0;
	/* The list stands still: the caller holds the directory's lock for reading. */
	list_for_each_entry(d, &f->path.dentry->children, child_node) {
		if (d->cookie < (u64)ctx->pos)
			continue;
		if (!ctx->emit(ctx, d->name, d->len, d->inode->ino, DT_OF_MODE(d->inode->mode),
			       (loff_t)d->cookie + 1))
			return 0;
		ctx->pos = (loff_t)d->cookie + 1;
	}
	return 0;
}

/* Puts a component before *at, within [buf, *at). */
static bool prepend(char *buf, char **at, const char *s, size_t len)
{
	if ((size_t)(*at - buf) < len)
		return false;
	*at -= len;
	memcpy(*at, s, len);
	return true;
}

/* Where p is seen from root; false in *reached if root is not above it. */
static char *path_locked(struct path p, const struct path *root, char *buf, char *at, bool *reached)
{
	bool any = false;

	*reached = true;
	while (p.dentry != root->dentry || p.mnt != root->mnt) {
		if (p.dentry == p.mnt->root && p.mnt->mountpoint) {
			p = (struct path){p.mnt->parent, p.mnt->mountpoint};
			continue;
		}
		if (p.dentry == p.mnt->root || p.dentry->parent == p.dentry) {
			*reached = false;
			break;
		}
		if (!prepend(buf, &at, p.dentry->name, p.dentry->len) || !prepend(buf, &at, "/", 1))
			return ERR_PTR(-ENAMETOOLONG);
		any = true;
		p.dentry = p.dentry->parent;
	}
	if (!any && !prepend(buf, &at, "/", 1))
		return ERR_PTR(-ENAMETOOLONG);
	return at;
}

char *path_from_root(const struct path *p, const struct path *root, char *buf, size_t n,
		     bool *reached)
{
	struct dentry *d = p->dentry;
	char *at = buf + n;

	guard_spin(&dcache_lock);
	if (!prepend(buf, &at, "", 1) || (d->unlinked && !prepend(buf, &at, " (deleted)", 10)))
		return ERR_PTR(-ENAMETOOLONG);
	if (d->parent != d || !d->pseudo)
		return path_locked(*p, root, buf, at, reached);
	*reached = true;
	return prepend(buf, &at, d->name, d->len) ? at : ERR_PTR(-ENAMETOOLONG);
}

char *d_path(const struct path *p, char *buf, size_t n)
{
	struct path root;
	bool reached;

	get_fs_root(&root);
	char *s = path_from_root(p, &root, buf, n, &reached);
	path_put(&root);
	return s;
}

void dcache_init(void)
{
	dentry_cache = kmem_cache_create("dentry", sizeof(struct dentry), 0,
					 SLAB_RECLAIM_ACCOUNT | SLAB_PANIC, NULL);
}
