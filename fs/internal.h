/* SPDX-License-Identifier: MIT */
/*
 * What the files of fs/ share among themselves only.
 */
#pragma once

#include <fs/vfs.h>

/* dcache.c */
void d_pin_locked(struct dentry *d);
bool d_unpin_locked(struct dentry *d);
/* old takes target's place and name, target old's; target is in no tree. */
void d_move(struct dentry *old, struct dentry *target);
void d_exchange(struct dentry *a, struct dentry *b); /* each takes the other's place and name */
bool d_is_ancestor(struct dentry *above, struct dentry *d); /* or the same */
void d_genocide(struct dentry *root); /* unpins a whole tree; eats the root's reference */
char *path_from_root(const struct path *p, const struct path *root, char *buf, size_t n,
		     bool *reached);

/* namei.c: a path being walked. */
struct walk {
	struct path root; /* referenced: the process's root */
	struct path path; /* referenced: how far it has come */
	const char *rest; /* what is still to be walked */
	char *link;       /* kmalloc'ed: rest lies in it, when a symbolic link has been followed */
	const char *last; /* the last component, not walked yet; not terminated */
	size_t last_len;  /* 0: there is none ("/", "") */
	bool slash;       /* it was followed by slashes: must be a directory */
	bool dir_only;    /* a link on the way asked for that, too */
	unsigned int flags; /* LOOKUP_* */
	int links;
};
int walk_begin(struct walk *w, int dfd, const char *name, unsigned int flags);
int walk_parent(struct walk *w); /* up to the last component */
/* Walks the last component; 1: it was a link that has been followed, walk_parent() again. */
int walk_last(struct walk *w, bool follow);
void walk_end(struct walk *w);
/* Is there no last component, or only "." or ".."? */
static inline bool walk_last_is_dot(const struct walk *w)
{
	return w->last_len == 0 || (w->last[0] == '.' && w->last_len == 1) ||
	       (w->last[0] == '.' && w->last[1] == '.' && w->last_len == 2);
}
struct dentry *lookup_one(struct dentry *dir, const char *name, size_t len, bool locked);
kmode_t masked(kmode_t mode); /* less the umask */
int may_create_in(const struct path *dir);
int may_delete(const struct path *dir, struct dentry *victim, bool is_dir);
void dirops_init(void);

/* open.c, file_table.c */
extern struct super_block pseudo_sb; /* of files that have no file system: pipes */
/* One for file_open_path(), so that nothing is created and then cannot be opened. NULL on shortage. */
struct file *file_alloc_empty(void);
void file_free_empty(struct file *f); /* NULL is fine */
/* Opens the place (O_PATH: only names it) as f, an empty one or NULL (ENOMEM); eats f, also on failure.
 * No permission is checked here. */
struct file *file_open_path(struct file *f, const struct path *p, unsigned int flags);
int fd_of_new_file(struct file *f, unsigned int flags);              /* eats f, also on failure */
int fd_dup(struct file *f, int from, unsigned int flags);            /* takes its own reference */
int fd_replace(struct file *f, unsigned int fd, unsigned int flags); /* dup2 */
void fd_close_range(unsigned int first, unsigned int last, bool cloexec);
int fd_set_cloexec(int fd, bool on);

/* locks.c */
long fcntl_getlk(struct file *f, void __user *arg, bool ofd);
long fcntl_setlk(int fd, struct file *f, void __user *arg, bool wait, bool ofd);

/* select.c, stat.c ... */
int copy_path_at(int dfd, const char __user *name, unsigned int lookup_flags, struct path *out);
void touch_mtime(struct inode *i); /* mtime and ctime: now */
/* RLIMIT_FSIZE for a file that grows to size: 0, or -EFBIG and SIGXFSZ. */
int check_size_limit(const struct inode *i, loff_t size);
