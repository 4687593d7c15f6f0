/* SPDX-License-Identifier: MIT */
/*
 * The virtual file system: inodes, directory entries, open files, descriptor tables, mounts.
 *
 * Simplified against Linux: a dentry is cached for as long as it is used or its file system keeps it
 * (tmpfs keeps all of its own: the dentry tree is the directory); proc makes its own on lookup.
 */
#pragma once

#include <kernel/lib/atomic.h>
#include <kernel/lib/list.h>
#include <kernel/lib/rbtree.h>
#include <kernel/sched/wait.h>
#include <kernel/sync/mutex.h>
#include <kernel/sync/spinlock.h>
#include <mm/filemap.h>

struct inode;
struct dentry;
struct file;
struct super_block;
struct mount;
struct poll_table;

#define S_IFMT        0170000
#define S_IFSOCK      0140000
#define S_IFLNK       0120000
#define S_IFREG       0100000
#define S_IFBLK       0060000
#define S_IFDIR       0040000
#define S_IFCHR       0020000
#define S_IFIFO       0010000
#define S_ISUID       04000
#define S_ISGID       02000
#define S_ISVTX       01000
#define S_ISDIR(m)    (((m)&S_IFMT) == S_IFDIR)
#define S_ISREG(m)    (((m)&S_IFMT) == S_IFREG)
#define S_ISLNK(m)    (((m)&S_IFMT) == S_IFLNK)
#define S_ISCHR(m)    (((m)&S_IFMT) == S_IFCHR)
#define S_ISBLK(m)    (((m)&S_IFMT) == S_IFBLK)
#define S_ISFIFO(m)   (((m)&S_IFMT) == S_IFIFO)
#define S_ISSOCK(m)   (((m)&S_IFMT) == S_IFSOCK)
#define DT_OF_MODE(m) (((m)&S_IFMT) >> 12) /* getdents64's d_type */

#define O_ACCMODE   03
#define O_RDONLY    0
#define O_WRONLY    1
#define O_RDWR      2
#define O_CREAT     0100
#define O_EXCL      0200
#define O_NOCTTY    0400
#define O_TRUNC     01000
#define O_APPEND    02000
#define O_NONBLOCK  04000
#define O_DSYNC     010000
#define O_DIRECT    040000
#define O_LARGEFILE 0100000
#define O_DIRECTORY 0200000
#define O_NOFOLLOW  0400000
#define O_NOATIME   01000000
#define O_CLOEXEC   02000000
#define O_SYNC      04010000
#define O_PATH      010000000
#define __O_TMPFILE 020000000

#define SEEK_SET  0
#define SEEK_CUR  1
#define SEEK_END  2
#define SEEK_DATA 3
#define SEEK_HOLE 4

/* Mount flags, of a mount or a super block (struct mount, mount(2)). */
#define MS_RDONLY      1UL
#define MS_NOSUID      2UL
#define MS_NODEV       4UL
#define MS_NOEXEC      8UL
#define MS_REMOUNT     32UL
#define MS_NOATIME     1024UL
#define MS_NODIRATIME  2048UL
#define MS_BIND        4096UL
#define MS_MOVE        8192UL
#define MS_PROPAGATION (15UL << 17) /* unbindable, private, slave, shared */
#define MS_RELATIME    (1UL << 21)
#define MS_STRICTATIME (1UL << 24)

#define MAX_LFS_FILESIZE INT64_MAX
#define MAX_RW_COUNT     0x7ffff000UL

struct timespec64 {
	s64 tv_sec, tv_nsec;
};

struct inode {
	u64 ino;
	kmode_t mode;                          /* (i) */
	u32 nlink;                             /* (i) */
	kuid_t uid;                            /* (i) */
	kgid_t gid;                            /* (i) */
	kdev_t rdev;                           /* (c) */
	struct timespec64 atime, mtime, ctime; /* (i) */
	struct address_space mapping;          /* size lives there */
	struct super_block *sb;                /* (c) */
	const struct inode_operations *ops;    /* (c) */
	const struct file_operations *fops;    /* (c) */
	struct rwsem lock;                     /* (i) LOCK_INODE */
	atomic_t count;
	atomic_t write_count;   /* > 0: open for writing; < 0: denied (it is being executed) */
	unsigned int seals;     /* (i) F_SEAL_* of a memfd */
	bool linkable;          /* (i) an O_TMPFILE: may be given a name though it has none */
	struct pipe *pipe;      /* (pipe's lock table) of a FIFO or pipe that is open */
	struct list_head locks; /* (file_lock_lock) struct file_lock: fcntl and flock */
	void *private;          /* the file system's */
};

struct dentry {
	char *name;            /* (d) name_inline or kmalloc'ed */
	u32 hash, len;         /* (d) of name */
	struct dentry *parent; /* (d) referenced; the dentry itself for a root */
	struct inode *inode; /* (d) referenced; NULL: negative (being created). Kept after unlink */
	struct list_head children;   /* (d) pinned ones, in order of cookie */
	struct list_head child_node; /* (d) */
	struct rb_node hash_node;    /* (d) in the parent's child_tree, by hash and name */
	struct rb_root child_tree;   /* (d) */
	u64 cookie;                  /* (d) position in the parent, for getdents: never reused */
	u64 next_cookie;             /* (d) for the next child */
	unsigned int mounted;        /* (d) how many mounts are on it */
	struct super_block *sb;      /* (c) */
	atomic_t count;
	bool hashed;   /* (d) in the parent's tree */
	bool unlinked; /* (d) removed from its directory */
	bool pseudo;   /* (c) belongs to no directory: pipes, memfd */
	char name_inline[31];
};
/* (i) inode->lock  (d) dcache_lock; to change: the directory's inode->lock too  (c) constant
 *
 * An inode's mode, uid, gid, nlink and times are read without a lock: each is one word and any
 * mixture was allowed a moment before or after. */

struct super_block {
	const struct file_system_type *type;
	const struct super_operations *ops;
	struct dentry *root;
	kdev_t dev;
	unsigned long flags; /* MS_* */
	void *private;
	atomic_t count;
};

struct mount {
	struct super_block *sb;    /* (c) referenced */
	struct dentry *root;       /* (c) referenced: the super block's, or a subtree (bind) */
	struct dentry *mountpoint; /* (d) referenced, in the parent mount; NULL for the root */
	struct mount *parent;      /* (d) referenced */
	struct list_head node;     /* (d) all mounts, in order */
	char *source;              /* (c) */
	unsigned long flags;       /* (d) MS_* of this mount */
	int id;                    /* (c) */
	atomic_t count;            /* 1 for being attached, 1 for each path in it */
};
extern struct list_head all_mounts; /* (d) in the order in which they were mounted */

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

struct file_system_type {
	const char *name;
	bool nodev;
	/* A new (or the shared) super block with its root, referenced. ERR_PTR on failure. */
	struct super_block *(*mount)(const struct file_system_type *t, const char *source,
				     const char *options);
	struct file_system_type *next; /* register_filesystem()'s */
};
void register_filesystem(struct file_system_type *t);
/* The list for /proc/filesystems: NULL gives the first. */
const struct file_system_type *filesystem_next(const struct file_system_type *t);

struct kstat {
	kdev_t dev, rdev;
	u64 ino;
	kmode_t mode;
	u32 nlink;
	kuid_t uid;
	kgid_t gid;
	loff_t size;
	u64 blocks; /* of 512 bytes */
	u32 blksize;
	struct timespec64 atime, mtime, ctime;
};

struct kstatfs { /* the ABI's struct statfs */
	s64 type, bsize;
	u64 blocks, bfree, bavail, files, ffree;
	s32 fsid[2];
	s64 namelen, frsize, flags, spare[4];
};

#define ATTR_MODE       0x1u
#define ATTR_UID        0x2u
#define ATTR_GID        0x4u
#define ATTR_SIZE       0x8u
#define ATTR_ATIME      0x10u
#define ATTR_MTIME      0x20u
#define ATTR_CTIME      0x40u
#define ATTR_KILL_PRIVS 0x80u /* the set-id bits that a stranger's hand takes away */
struct iattr {
	unsigned int valid; /* ATTR_* */
	kmode_t mode;
	kuid_t uid;
	kgid_t gid;
	loff_t size;
	struct timespec64 atime, mtime, ctime;
};

struct iovec {
	void __user *base;
	size_t len;
};

struct super_operations {
	void (*evict_inode)(struct inode *inode); /* last reference gone and nlink 0, or umount */
	int (*statfs)(struct super_block *sb, struct kstatfs *st);
	void (*kill_sb)(struct super_block *sb); /* its tree is gone: free private. May be NULL */
	/* ",size=1024k" and the like; the length. May be NULL */
	int (*show_options)(struct super_block *sb, char *buf, size_t n);
	int (*remount)(struct super_block *sb, const char *options); /* may be NULL */
};

struct inode_operations { /* NULL: not possible there (EPERM, ENOTDIR ...) */
	/* The inode named in dir, referenced; NULL if none. dir->lock held. ERR_PTR. For file systems
	 * whose dentries are not all in memory (proc). */
	struct inode *(*lookup)(struct inode *dir, struct dentry *parent, const char *name);
	/* dir->lock held for write; dentry is the new, negative entry. On 0, dentry->inode is set. */
	int (*create)(struct inode *dir, struct dentry *d, kmode_t mode,
		      kdev_t rdev); /* any type but dir, link */
	int (*mkdir)(struct inode *dir, struct dentry *d, kmode_t mode);
	/* A file without a name (O_TMPFILE): d->inode is set, with nlink 0. */
	int (*tmpfile)(struct inode *dir, struct dentry *d, kmode_t mode);
	int (*symlink)(struct inode *dir, struct dentry *d, const char *target);
	int (*link)(struct inode *dir, struct dentry *d, struct inode *target);
	int (*unlink)(struct inode *dir, struct dentry *d);
	int (*rmdir)(struct inode *dir, struct dentry *d);
	int (*rename)(struct inode *old_dir, struct dentry *old, struct inode *new_dir,
		      struct dentry *new_);
	/* The same with RENAME_EXCHANGE: both exist. */
	int (*exchange)(struct inode *old_dir, struct dentry *old, struct inode *new_dir,
			struct dentry *new_);
	/* Target of a symbolic link into buf; length or -errno. */
	int (*readlink)(struct inode *inode, char *buf, size_t n);
	/* Magic links (/proc/PID/exe, fd/N): the place itself; takes references. */
	int (*get_link)(struct inode *inode, struct path *out);
	int (*setattr)(struct inode *inode, const struct iattr *attr); /* NULL: simple_setattr */
	int (*getattr)(struct inode *inode, struct kstat *st);         /* NULL: from the inode */
	int (*permission)(struct inode *inode, int mask);              /* NULL: generic */
};

struct dir_context {
	/* Returns false when the buffer is full: stop. type: DT_*. */
	bool (*emit)(struct dir_context *ctx, const char *name, size_t len, u64 ino,
		     unsigned int type, loff_t next);
	loff_t pos;
};

struct file_operations {
	int (*open)(struct inode *inode, struct file *f); /* may replace f->ops, set f->private */
	void (*release)(struct file *f);                  /* last close */
	ssize_t (*read)(struct file *f, void __user *buf, size_t n, loff_t *pos);
	ssize_t (*write)(struct file *f, const void __user *buf, size_t n, loff_t *pos);
	/* The parts of one readv/writev as one operation (total > 0, already checked), for files where
	 * that matters; NULL: read/write part by part. */
	ssize_t (*readv)(struct file *f, const struct iovec *iov, unsigned int nr, loff_t *pos);
	ssize_t (*writev)(struct file *f, const struct iovec *iov, unsigned int nr, loff_t *pos);
	/* From kernel memory, for sendfile(2); NULL: not a target. */
	ssize_t (*kwrite)(struct file *f, const void *buf, size_t n);
	loff_t (*llseek)(struct file *f, loff_t off,
			 int whence); /* NULL: generic by size; no_llseek: ESPIPE */
	int (*iterate)(struct file *f, struct dir_context *ctx); /* getdents64 */
	u32 (*poll)(struct file *f,
		    struct poll_table *pt); /* EPOLL-like bits; NULL: always ready */
	long (*ioctl)(struct file *f, unsigned int cmd, unsigned long arg);
	int (*mmap)(struct file *f, struct vm_area_struct *vma); /* veto; NULL: by mapping */
	int (*fsync)(struct file *f);
	int (*fallocate)(struct file *f, int mode, loff_t off, loff_t len);
	int (*flush)(struct file *f); /* each close */
};
extern const struct mappable_ops file_mappable_ops;

struct file {
	struct mappable mappable; /* what mm knows of it */
	struct path path;
	struct inode *inode;
	const struct file_operations *ops;
	unsigned int flags; /* O_* */
	bool can_read, can_write;
	atomic_t count;
	loff_t pos; /* (pos_lock) */
	struct mutex pos_lock;
	void *private;
	bool private_flag; /* beside private */
	bool wrote;        /* holds a write access of the inode (put_write_access) */
	bool denies_write; /* exec: nobody may write it meanwhile (allow_write_access) */
};
static inline struct file *file_of_mappable(struct mappable *m)
{
	return container_of(m, struct file, mappable);
}
static inline struct mappable *file_mappable(struct file *f)
{
	return &f->mappable;
}

/* --- open files and descriptors (fs/file_table.c) ----------------------------------------- */
/* A path from the user, kmalloc'ed: ERR_PTR(-EFAULT, -ENAMETOOLONG, -ENOENT if it is empty without
 * LOOKUP_EMPTY, -ENOMEM). Free with putname(). */
char *getname(const char __user *name, unsigned int lookup_flags);
void putname(char *name);
void path_get(const struct path *p);
void path_put(const struct path *p);
struct file *fget(int fd);     /* referenced, or NULL (EBADF); not O_PATH */
struct file *fget_raw(int fd); /* O_PATH too */
void fput(struct file *f);     /* sleeps */
static inline struct file *get_file(struct file *f)
{
	atomic_inc(&f->count);
	return f;
}
/* Lowest free descriptor >= from below RLIMIT_NOFILE, reserved: fd, -EMFILE, -ENOMEM. */
/* Given up at the end of the scope: struct file *f __put(file) = fget(fd). Nothing happens where there
 * is none (NULL, an error, a path never looked up). */
#define __put(what) __cleanup(__put_##what)
static inline void __put_file(struct file **f)
{
	if (!IS_ERR_OR_NULL(*f))
		fput(*f);
}
static inline void __put_name(char **name)
{
	if (!IS_ERR(*name))
		putname(*name);
}
static inline void __put_path(struct path *p)
{
	if (p->mnt)
		path_put(p);
}
int get_unused_fd(int from, unsigned int flags);
void put_unused_fd(int fd);
void fd_install(int fd, struct file *f); /* eats the reference */
int close_fd(int fd);
int fd_get_cloexec(int fd); /* or -EBADF */
struct files_struct *files_alloc(void);
struct files_struct *files_dup(struct files_struct *old); /* fork; ERR_PTR */
struct files_struct *files_get(struct files_struct *f);   /* CLONE_FILES */
void files_put(struct files_struct *f);                   /* the last one closes all */
void files_close_on_exec(struct files_struct *f);
int files_unshare(void); /* exec: own table if shared */
/* For /proc/PID/fd: the file at fd >= *fd in another process's table, referenced; *fd set. */
struct file *files_next(struct files_struct *files, int *fd);
/* The same without a reference: what /proc prints of it. A table that is only pinned may have lost its
 * users, and with them all files. Any context but interrupts. */
void files_pin(struct files_struct *files);
void files_unpin(struct files_struct *files);
struct fd_info {
	bool can_read, can_write;
	unsigned int flags; /* O_*, with O_CLOEXEC of the descriptor */
	loff_t pos;
	u64 ino;
	int mnt_id;
};
bool files_peek(struct files_struct *files, int *fd, struct fd_info *info);
unsigned int files_size(struct files_struct *files); /* entries it has room for */

/* A file that is no path's (pipes, memfd, shared memory). inode's reference is eaten. ERR_PTR. */
struct file *file_alloc_pseudo(struct inode *inode, const char *name, unsigned int flags,
			       const struct file_operations *ops);

/* A file without a file system, in memory (memfd, System V); seals: F_SEAL_*. ERR_PTR. */
struct file *shmem_file(const char *name, loff_t size, unsigned int seals);
/* Another open file of what f is, for f's path. NULL on shortage. */
struct file *file_alloc(const struct path *p, unsigned int flags,
			const struct file_operations *ops);

/* Text that is being executed is not written, and the other way round: 0 or -ETXTBSY. */
int deny_write_access(struct inode *inode) __must_check;
void allow_write_access(struct inode *inode);
int get_write_access(struct inode *inode) __must_check;
void put_write_access(struct inode *inode);

/* --- cwd, root, umask (fs/fs_struct.c) ----------------------------------------------------- */
struct fs_struct {
	atomic_t count;
	spinlock_t lock;
	struct path root, pwd;
	kmode_t umask;
};
struct fs_struct *fs_dup(struct fs_struct *old);
struct fs_struct *fs_get(struct fs_struct *f);
void fs_put(struct fs_struct *f);
extern struct fs_struct init_fs;
struct fs_struct *current_fs(void); /* the running task's; init_fs for kernel threads at boot */
/* A reference to one of fs's two places; to the running task's. */
void fs_get_place(struct fs_struct *fs, const struct path *place, struct path *out);
void get_fs_root(struct path *out);
void get_fs_pwd(struct path *out);

/* --- paths (fs/namei.c) ---------------------------------------------------------------------- */
#define AT_FDCWD            (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR        0x200
#define AT_SYMLINK_FOLLOW   0x400
#define AT_EACCESS          0x200
#define AT_EMPTY_PATH       0x1000
#define PATH_MAX            4096
#define NAME_MAX            255
#define LOOKUP_FOLLOW       0x1
#define LOOKUP_DIRECTORY    0x2
#define LOOKUP_EMPTY        0x4
/* AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH as LOOKUP_*. */
static inline unsigned int lookup_flags_of(int at_flags)
{
	return (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
	       (at_flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
}

/* Resolves to a referenced path; path_put() it. */
int path_lookup(int dfd, const char *name, unsigned int lookup_flags, struct path *out);
/* The kernel's own open: ERR_PTR on failure. */
struct file *filp_open(const char *name, unsigned int flags, kmode_t mode);
/* For exec: opens for reading, requires x permission and a regular file (EACCES), not noexec mount. */
struct file *open_exec(int dfd, const char *name, unsigned int lookup_flags);
/* Counts a transfer, or an attempt, for /proc/PID/io; ret. */
ssize_t count_io(ssize_t ret, bool write);
ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t pos);
/* The path's name from the process root in buf (from its end): pointer into buf or ERR_PTR(-ENAMETOOLONG);
 * " (deleted)" appended when unlinked. */
char *d_path(const struct path *p, char *buf, size_t n);
#define MAY_EXEC  1
#define MAY_WRITE 2
#define MAY_READ  4
int inode_permission(struct inode *inode, int mask);   /* by the running task's fsuid/fsgid */
int generic_permission(struct inode *inode, int mask); /* without asking ops->permission */
/* Changes attributes, with the checks of chmod, chown, utimensat, truncate done by the caller. */
int notify_change(struct dentry *d, struct iattr *attr);
/* A write or a change of owner takes the set-id bits away (not for root's writes). i->lock held. */
int file_remove_privs(struct inode *inode);
/* 0, or -EROFS if this mount or its file system is read-only. */
int mnt_want_write(const struct mount *mnt);
int vfs_getattr(const struct path *p, struct kstat *st);
#define FALLOC_FL_KEEP_SIZE  1
#define FALLOC_FL_PUNCH_HOLE 2
long vfs_fallocate(struct file *f, int mode, loff_t off, loff_t len);

/* Of memfd files (memfd_create(2), fcntl(2)). */
#define F_SEAL_SEAL         0x1u
#define F_SEAL_SHRINK       0x2u
#define F_SEAL_GROW         0x4u
#define F_SEAL_WRITE        0x8u
#define F_SEAL_FUTURE_WRITE 0x10u

/* For the kernel itself (initramfs): make one thing at a path, as the running task. */
int vfs_mknod_path(int dfd, const char *name, kmode_t mode, kdev_t rdev);
int vfs_mkdir_path(int dfd, const char *name, kmode_t mode);
int vfs_symlink_path(int dfd, const char *target, const char *name);
int vfs_link_path(const struct path *old, int dfd, const char *name);
#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE  2u
int vfs_rename_path(int odfd, const char *old, int ndfd, const char *new_, unsigned int flags);
int vfs_unlink_path(int dfd, const char *name);
int vfs_rmdir_path(int dfd, const char *name);

/* --- dentries (fs/dcache.c) ------------------------------------------------------------------- */
extern spinlock_t dcache_lock; /* LOCK_DCACHE */
struct dentry *dget(struct dentry *d);
void dput(struct dentry *d); /* sleeps when it is the last */
static inline void __put_dentry(struct dentry **d)
{
	dput(*d);
}
/* A dentry for name in parent, count 1, in no tree yet, without inode. NULL on shortage. */
struct dentry *d_alloc(struct dentry *parent, const char *name, size_t len);
/* The root of a new super block. Eats the inode's reference, on failure too. */
struct dentry *d_make_root(struct super_block *sb, struct inode *inode);
/* Gives d its inode (eats the reference) and enters it in its directory for good, for file systems
 * whose directories are their dentries. The directory's lock is held for writing. */
void d_add(struct dentry *d, struct inode *inode);
/* Gives d its inode only (proc). Eats the reference. */
void d_set_inode(struct dentry *d, struct inode *inode);
/* The child of that name in the tree, referenced, or NULL. */
struct dentry *d_lookup(struct dentry *parent, const char *name, size_t len);
/* Takes d out of its directory: users keep it, marked unlinked. */
void d_delete(struct dentry *d);
bool d_is_empty(struct dentry *dir); /* no pinned children */
/* iterate() for directories whose entries are pinned dentries. */
int dcache_readdir(struct file *f, struct dir_context *ctx);
bool dir_emit_dots(struct file *f, struct dir_context *ctx); /* pos 0 and 1; false: buffer full */

/* --- super blocks and mounts (fs/mount.c) ------------------------------------------------------ */
struct super_block *sb_alloc(const struct file_system_type *t, const struct super_operations *ops);
void sb_get(struct super_block *sb);
void sb_put(struct super_block *sb); /* the last one frees its dentries and inodes */
struct mount *mount_get(struct mount *m);
void mount_put(struct mount *m);
/* Another mount on p? Then goes to its root (and so on). True if p changed. */
bool follow_mounts(struct path *p);
/* Up from a mount's root to the place it is mounted on. False at the top. */
bool follow_up(struct path *p);
/* Text for /proc/mounts and /proc/PID/mountinfo, as the running task sees it. */
struct seq_file;
int mounts_show(struct seq_file *m, void *unused);
int mountinfo_show(struct seq_file *m, void *unused);
/* The kernel's own mount(2). */
int do_mount(const char *source, const char *target, const char *type, unsigned long flags,
	     const char *options);
int do_umount(const char *target, int flags);

/* --- poll (fs/select.c) ---------------------------------------------------------------------- */
#define POLLIN     0x001
#define POLLPRI    0x002
#define POLLOUT    0x004
#define POLLERR    0x008
#define POLLHUP    0x010
#define POLLNVAL   0x020
#define POLLRDNORM 0x040
#define POLLWRNORM 0x100
/* A driver's poll() calls this for each queue that signals a change, then returns what is ready now. */
void poll_wait(struct file *f, struct wait_queue *wq, struct poll_table *pt);

/* --- reading and writing (fs/read_write.c) ----------------------------------------------------- */
ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos);
/* Of files in the page cache. */
ssize_t generic_file_read(struct file *f, void __user *buf, size_t n, loff_t *pos);
ssize_t generic_file_writev(struct file *f, const struct iovec *iov, unsigned int nr, loff_t *pos);
ssize_t generic_file_write(struct file *f, const void __user *buf, size_t n, loff_t *pos);
void file_accessed(struct file *f); /* relatime */
struct timespec64 current_time(void);
struct timespec64 ns_to_timespec64(ktime_t ns);

/* --- helpers for file systems (fs/libfs.c) --------------------------------------------------- */
struct inode *inode_alloc(struct super_block *sb, kmode_t mode); /* count 1, ino set; NULL */
void inode_get(struct inode *i);
void inode_put(struct inode *i); /* sleeps when it is the last */
/* Sets fops of a device node, FIFO or socket. */
void init_special_inode(struct inode *i, kmode_t mode, kdev_t rdev);
/* New files belong to fsuid, and to fsgid or a setgid directory's group; mode is adjusted. */
void inode_init_owner(struct inode *i, const struct inode *dir, kmode_t mode);
int simple_setattr(struct inode *i, const struct iattr *attr);
void fill_kstat(struct inode *i, struct kstat *st);  /* what getattr starts with */
extern const struct file_operations simple_dir_fops; /* dcache_readdir */
kdev_t get_anon_dev(void);
#define MAJOR(dev) ((unsigned int)(((dev) >> 8) & 0xfff))
#define MINOR(dev) ((unsigned int)(((dev)&0xff) | (((dev) >> 12) & 0xfff00)))
loff_t no_llseek(struct file *f, loff_t off, int whence);
loff_t generic_llseek(struct file *f, loff_t off, int whence);
loff_t dir_llseek(struct file *f, loff_t off, int whence);

/* Devices (fs/devtmpfs.c): registers a character device; its node appears in every devtmpfs. */
int chrdev_register(unsigned int major, unsigned int minor, const char *name, kmode_t mode,
		    const struct file_operations *fops, void *private);
/* A device's node in devtmpfs: mode with S_IFCHR or S_IFBLK. 0 or -errno. */
int devtmpfs_add(const char *name, kmode_t mode, kdev_t dev);
const struct file_operations *chrdev_lookup(kdev_t dev, void **private);
#define MKDEV(ma, mi) ((kdev_t)(((kdev_t)(ma) << 8) | (mi)))

void vfs_init(void); /* caches, root tmpfs mounted, init_fs set */
/* Makes /dev/console and /root in the empty root. */
int initramfs_default(void) __must_check;
/* Afterwards: / may grow to half of RAM, or, if the initramfs took more, by half of what is free. */
void vfs_limit_root(void);
/* Into /: 0 or -errno with a log line. consumed(upto), unless NULL, is told after each entry that
 * nothing before upto will be looked at again. */
int initramfs_unpack(const void *cpio, size_t size, void (*consumed)(const void *upto));

/* Inside fs/: called by vfs_init() in this order. */
void dcache_init(void);
void inode_init(void);
void file_table_init(void);
void tmpfs_init(void);
void pipe_init(void);
void devtmpfs_init(void);
void mem_devices_init(void);
struct super_block *tmpfs_mount_options(const struct file_system_type *t, const char *options);
extern const struct file_operations pipe_fops, fifo_fops, chrdev_fops, no_dev_fops;
extern const struct address_space_operations tmpfs_aops;
void file_locks_release(struct file *f);                              /* flock: last close */
void posix_locks_release(struct file *f, struct files_struct *owner); /* each close */
long tmpfs_get_seals(struct file *f);
long tmpfs_add_seals(struct file *f, unsigned int seals);
extern unsigned int pipe_max_size; /* /proc/sys/fs/pipe-max-size */
long pipe_get_size(struct file *f);
long pipe_set_size(struct file *f, unsigned long size);
