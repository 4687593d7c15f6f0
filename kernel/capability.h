/* SPDX-License-Identifier: MIT */
/*
 * Capabilities: root's power in pieces (capabilities(7)). The numbers are those of
 * <linux/capability.h>; named are those that something here asks for.
 */
#ifndef KERNEL_CAPABILITY_H
#define KERNEL_CAPABILITY_H

#include <kernel/lib/types.h>

enum {
	CAP_CHOWN = 0,
	CAP_DAC_OVERRIDE = 1,
	CAP_DAC_READ_SEARCH = 2,
	CAP_FOWNER = 3,
	CAP_FSETID = 4,
	CAP_KILL = 5,
	CAP_SETGID = 6,
	CAP_SETUID = 7,
	CAP_SETPCAP = 8,
	CAP_LINUX_IMMUTABLE = 9,
	CAP_IPC_LOCK = 14,
	CAP_IPC_OWNER = 15,
	CAP_SYS_CHROOT = 18,
	CAP_SYS_PTRACE = 19,
	CAP_SYS_ADMIN = 21,
	CAP_SYS_BOOT = 22,
	CAP_SYS_NICE = 23,
	CAP_SYS_RESOURCE = 24,
	CAP_SYS_TIME = 25,
	CAP_MKNOD = 27,
	CAP_MAC_OVERRIDE = 32,
	CAP_SYSLOG = 34,
	CAP_LAST = 40, /* CAP_CHECKPOINT_RESTORE */
};

typedef u64 capset_t; /* a set of them, by number */
#define CAP_FULL_SET ((2UL << CAP_LAST) - 1)

struct capabilities {
	capset_t effective;   /* what counts */
	capset_t permitted;   /* what may be made effective */
	capset_t inheritable; /* what a program of root's may get beyond the bound */
	capset_t bounding;    /* what a program of root's gets by exec */
	bool keep; /* PR_SET_KEEPCAPS: leaving user id 0 does not cost the permitted ones */
};

#endif
