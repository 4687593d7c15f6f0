/* SPDX-License-Identifier: MIT */
/*
 * Every lock's class, in the order in which they may be taken: while a lock is held, only locks of
 * a later class may be acquired. This list is the lock order of the whole kernel (DESIGN.md 9.2).
 *
 * Two locks of one class may be held together only where lock_class_nests() allows it (page-table
 * locks of two spaces at fork, pipe ends, ...), in the order that the code there states.
 * Trylocks are exempt from the order, as they cannot wait.
 */
#pragma once

enum lock_class {
	LOCK_NONE, /* not checked: locks of the checker, the log and the consoles themselves */
	/* outermost: sleeping locks of the file systems and of processes */
	LOCK_TTY,
	LOCK_PIPE,
	LOCK_FILE_POS, /* struct file's position */
	LOCK_KTEST,    /* one run of the in-kernel tests */
	LOCK_SWAPON,   /* swapon(2) and swapoff(2), one at a time */
	LOCK_VFS_RENAME,
	LOCK_MOUNT, /* mount(2) and umount(2), one at a time */
	LOCK_INODE, /* inode->lock: directory contents, size changes, writes (nests: parent, child) */
	LOCK_EXEC, /* serialises exec of one process with readers of its mm */
	/* mm */
	LOCK_MMAP,   /* mm->mmap_lock */
	LOCK_VMA,    /* vma->lock */
	LOCK_BLKDEV, /* who opened and claimed a block device (its last close writes pages out) */
	LOCK_PAGE,   /* the page lock bit */
	LOCK_I_MMAP, /* mapping->i_mmap_lock */
	LOCK_ANON_VMA,
	/* spin: the task table. The OOM killer comes with any sleeping lock held. */
	LOCK_TASK,
	LOCK_VMA_TREE,     /* mm->tree_lock, the short lock around a lookup */
	LOCK_PGD,          /* mm->pgd_lock: attaching tables above the PTE level */
	LOCK_PT,           /* page-table lock, in the table's struct page (nests: fork, move) */
	LOCK_MAPPING_TREE, /* mapping->tree_lock */
	LOCK_SWAP,
	LOCK_LRU,
	LOCK_FUTEX,     /* hash bucket (nests: requeue, by address) */
	LOCK_SIGHAND,   /* spin: a process's signal state */
	LOCK_FILES,     /* spin: a descriptor table */
	LOCK_FS,        /* spin: cwd, root, umask */
	LOCK_DCACHE,    /* spin: names */
	LOCK_DEVICE,    /* spin: a driver's own state */
	LOCK_PROC,      /* spin: small tables of /proc and drivers, a disk's queue and figures */
	LOCK_VMAP,      /* the vmalloc area's tree */
	LOCK_SLAB_LIST, /* list of all caches */
	LOCK_SLAB_CPU,  /* one CPU's objects of a cache */
	LOCK_SLAB,      /* one cache's node lists */
	LOCK_PCP,       /* one CPU's free pages of a zone */
	LOCK_ZONE,
	LOCK_WAITQ, /* a wait queue */
	LOCK_TIMER,
	LOCK_RQ,       /* a CPU's run queue (nests: by CPU number) */
	LOCK_SIGQUEUE, /* spare sigqueues */
	LOCK_LEAF,     /* nothing is ever taken inside, but to leave a trace */
	LOCK_TRACE,    /* a CPU's ring of trace records */
	NR_LOCK_CLASSES
};
