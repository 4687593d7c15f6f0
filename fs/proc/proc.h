/* SPDX-License-Identifier: MIT */
/*
 * Trees of generated files: /proc, and with the same means /sys.
 *
 * A directory is a constant table of entries; inodes and dentries exist only while someone looks.
 */
#pragma once

#include <fs/seq_file.h>
#include <fs/vfs.h>
#include <kernel/task.h>

struct proc_inode;

/* One name in a table; a table ends with an entry without a name. What is NULL is not possible. */
struct proc_entry {
	const char *name;
	kmode_t mode; /* with the type */
	/* a directory: what is in it */
	const struct proc_entry *dir;
	/* a file: its text; 0 or -errno */
	int (*show)(struct seq_file *m, struct proc_inode *pi);
	/* a file: takes what was written, NUL-terminated, without white space at its end; 0 or -errno */
	int (*store)(struct proc_inode *pi, char *text);
	/* a symbolic link: its text into buf, the length or -errno; or the place itself, referenced */
	int (*readlink)(struct proc_inode *pi, char *buf, size_t n);
	int (*get_link)(struct proc_inode *pi, struct path *out);
	/* in place of what the tree would do: files and directories that are not made this way */
	const struct file_operations *fops;
	const struct inode_operations *iops;
	void *data;
	/* of /proc/PID: opened and followed only by who may look into the process */
	bool guarded;
	bool pins_mm; /* a text about the address space that there was when it was opened */
};

/* inode->private of all inodes here. */
struct proc_inode {
	const struct proc_entry *entry;
	struct task *task; /* referenced; NULL outside of /proc/PID */
	bool group;        /* shows the whole process, not one of its threads */
	int fd;            /* fd/N, fdinfo/N */
};

static inline struct proc_inode *proc_inode(const struct inode *inode)
{
	return inode->private;
}
static inline struct proc_inode *proc_file_inode(const struct file *f)
{
	return f->inode->private;
}

/* ---- tree.c: for file systems of this kind ---- */

/* A new super block whose root shows the table of e. ERR_PTR. */
struct super_block *proc_make_sb(const struct file_system_type *t, const struct proc_entry *e,
				 s64 magic);
/* A new inode for e, of task's directory or (NULL) of none. ERR_PTR(-ENOMEM). */
struct inode *proc_new_inode(struct super_block *sb, const struct proc_entry *e, struct task *task,
			     bool group, int fd);
u64 proc_ino(const struct proc_entry *e, const struct task *task, int fd);
struct inode *proc_lookup(struct inode *dir, struct dentry *parent, const char *name);
/* Emits "." and ".." and the table from ctx->pos on. False: the buffer is full. */
bool proc_emit_table(struct file *f, struct dir_context *ctx, const struct proc_entry *table);
/* Entries behind the table have positions from here on. */
#define PROC_POS_DYNAMIC 0x1000
/* Emits the entry named by the number id, at base + id. False: the buffer is full. */
bool proc_emit_id(struct dir_context *ctx, int id, u64 ino, kmode_t mode, loff_t base);
/* Number of the form that names here have: no leading zero. -1 if it is none. */
int proc_parse_id(const char *name);
int proc_setattr(struct inode *inode, const struct iattr *attr);
extern const struct inode_operations proc_dir_iops;

/* Rows of a table: a text file to read, one to write as well, one with operations of its own, a
 * directory. */
#define PROC_FILE(n, m, s)                                  \
	{                                                   \
		.name = n, .mode = S_IFREG | (m), .show = s \
	}
#define PROC_RW(n, s, w)                                                 \
	{                                                                \
		.name = n, .mode = S_IFREG | 0644, .show = s, .store = w \
	}
#define PROC_WO(n, w)                                         \
	{                                                     \
		.name = n, .mode = S_IFREG | 0200, .store = w \
	}
#define PROC_OPS(n, m, o)                                      \
	{                                                      \
		.name = n, .mode = S_IFREG | (m), .fops = &(o) \
	}
#define PROC_DIR(n, d)                                      \
	{                                                   \
		.name = n, .mode = S_IFDIR | 0555, .dir = d \
	}

/* ---- pid.c ---- */

extern const struct proc_entry proc_pid_entry;      /* the directory /proc/PID */
extern const struct proc_entry proc_task_entries[]; /* what is in /proc/PID/task/TID */
/* Still in the table of tasks? */
bool proc_task_alive(struct task *t);
/* May the running task look into t, as ptrace(2) would have it? */
bool proc_may_access(struct task *t);
/* The address space, with a use, or NULL: a zombie or a kernel thread. */
struct mm_struct *proc_get_mm(struct proc_inode *pi);
/* Sets *tid to the lowest thread id of p that is at least that. False: there is none. */
bool proc_next_tid(struct process *p, pid_t *tid);
/*
 * What a file says about an address space, it says about the one that its opener could look into: a
 * program that is executed later, perhaps with more rights, is not the same. The file keeps the
 * structure (mm_put), and a read takes a use of it, or gets NULL when nobody lives there any more.
 */
/* 0, -EACCES, -ESRCH. *mm may be NULL. */
int proc_pin_mm(struct proc_inode *pi, struct mm_struct **mm);
void proc_unpin_mm(struct mm_struct *mm);
static inline struct mm_struct *proc_use_mm(struct mm_struct *pinned)
{
	return pinned && atomic_inc_not_zero(&pinned->users) ? pinned : NULL;
}
/* open() and release() with the space in f->private. */
int proc_mm_open(struct inode *inode, struct file *f);
void proc_mm_release(struct file *f);
static inline void __put_mm(struct mm_struct **mm)
{
	if (*mm)
		mm_put_user(*mm);
}

int proc_stat_show(struct seq_file *m, struct proc_inode *pi); /* status.c */
int proc_status_show(struct seq_file *m, struct proc_inode *pi);
int proc_statm_show(struct seq_file *m, struct proc_inode *pi);
int proc_limits_show(struct seq_file *m, struct proc_inode *pi);
int proc_oom_score_show(struct seq_file *m, struct proc_inode *pi);
int proc_oom_score_adj_show(struct seq_file *m, struct proc_inode *pi);
int proc_oom_score_adj_store(struct proc_inode *pi, char *text);
int proc_oom_adj_show(struct seq_file *m, struct proc_inode *pi);
int proc_oom_adj_store(struct proc_inode *pi, char *text);
int proc_wchan_show(struct seq_file *m, struct proc_inode *pi);
int proc_stack_show(struct seq_file *m, struct proc_inode *pi);
int proc_syscall_show(struct seq_file *m, struct proc_inode *pi);
int proc_io_show(struct seq_file *m, struct proc_inode *pi);
char proc_task_state(const struct task *t);
unsigned int proc_task_flags(const struct task *t); /* PF_* */
#define PROC_MAX_FRAMES 24
/* Return addresses on t's stack from the innermost on; how many. The thread may start to run
 * meanwhile: every read is checked, and what comes out then is merely wrong. */
unsigned int proc_unwind_sleeper(const struct task *t, u64 addr[PROC_MAX_FRAMES]);
int proc_maps_show(struct seq_file *m, struct proc_inode *pi); /* maps.c */
int proc_smaps_show(struct seq_file *m, struct proc_inode *pi);
int proc_smaps_rollup_show(struct seq_file *m, struct proc_inode *pi);
int proc_clear_refs_store(struct proc_inode *pi, char *text);
extern const struct file_operations proc_pagemap_fops;
extern const struct file_operations proc_cmdline_fops, proc_environ_fops, proc_auxv_fops,
	proc_mem_fops;
extern const struct inode_operations proc_fd_iops; /* fd.c; data: the entry of each descriptor */
extern const struct file_operations proc_fd_fops;
extern const struct proc_entry proc_fd_link_entry, proc_fdinfo_entry;

/* ---- the files of /proc itself ---- */

int proc_meminfo_show(struct seq_file *m, struct proc_inode *pi); /* mem.c */
int proc_buddyinfo_show(struct seq_file *m, struct proc_inode *pi);
int proc_zoneinfo_show(struct seq_file *m, struct proc_inode *pi);
int proc_pagetypeinfo_show(struct seq_file *m, struct proc_inode *pi);
int proc_vmstat_show(struct seq_file *m, struct proc_inode *pi);
int proc_slabinfo_show(struct seq_file *m, struct proc_inode *pi);
int proc_swaps_show(struct seq_file *m, struct proc_inode *pi);
int proc_node_vmstat_show(struct seq_file *m, struct proc_inode *pi); /* without the events */
int proc_iomem_show(struct seq_file *m, struct proc_inode *pi);
extern const struct file_operations proc_kpagecount_fops, proc_kpageflags_fops; /* frames.c */
extern const struct file_operations proc_frames_fops;

int proc_kstat_show(struct seq_file *m, struct proc_inode *pi); /* stat.c */
int proc_uptime_show(struct seq_file *m, struct proc_inode *pi);
int proc_loadavg_show(struct seq_file *m, struct proc_inode *pi);
int proc_cpuinfo_show(struct seq_file *m, struct proc_inode *pi);
int proc_version_show(struct seq_file *m, struct proc_inode *pi);
int proc_kcmdline_show(struct seq_file *m, struct proc_inode *pi);
int proc_filesystems_show(struct seq_file *m, struct proc_inode *pi);
int proc_nothing_show(struct seq_file *m, struct proc_inode *pi);
int proc_interrupts_show(struct seq_file *m, struct proc_inode *pi);
int proc_kallsyms_show(struct seq_file *m, struct proc_inode *pi);
int proc_devices_show(struct seq_file *m, struct proc_inode *pi);
int proc_partitions_show(struct seq_file *m, struct proc_inode *pi); /* drivers/block/info.c */
int proc_diskstats_show(struct seq_file *m, struct proc_inode *pi);
int proc_sysrq_store(struct proc_inode *pi, char *text);

extern const struct proc_entry proc_sys_entries[];     /* sys.c */
extern const struct proc_entry proc_octavo_entries[];  /* octavo.c */
extern const struct proc_entry proc_vmtrace_entries[]; /* vmtrace.c */
extern const struct file_operations proc_fail_nth_fops, proc_ledger_fops,
	proc_stain_fops;                            /* debug.c */
extern const struct file_operations proc_kmsg_fops; /* drivers/kmsg.c */

/* drivers/block/info.c: tables of /sys that grow with each disk; ramdisk.c: its parameters */
extern struct proc_entry block_virtual_entries[], block_name_entries[], block_number_entries[];
extern const struct proc_entry ramdisk_param_entries[];
