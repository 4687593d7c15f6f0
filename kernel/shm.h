/* SPDX-License-Identifier: MIT */
/* System V shared memory: what /proc shows of it. */
#pragma once

#include <kernel/lib/types.h>

struct seq_file;
struct proc_inode;

/* /proc/sys/kernel: the largest segment (bytes), all of them (pages), their number. */
extern unsigned long shm_max, shm_all;
extern int shm_mni;
int shm_show(struct seq_file *m, struct proc_inode *unused);
