/* SPDX-License-Identifier: MIT */
/*
 * What becomes of capabilities: given up by capset, lost with user id 0, got back by exec.
 *
 * A task has a set in force (effective) out of those that it may have (permitted). User id 0 stands
 * for all of them: leaving it drops them, and exec by root fills the sets anew, up to the bounding
 * set. Files carry none here, and there are no ambient ones; so a program of anybody else has none.
 *
 * Like ids they are the running task's own and changed by it alone.
 */
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

/* What follows the file-system user id rather than the effective one. */
#define CAP_FS_SET                                                                             \
	(BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | \
	 BIT(CAP_FSETID) | BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_MKNOD) | BIT(CAP_MAC_OVERRIDE))

const struct capabilities root_caps = {
	.effective = CAP_FULL_SET,
	.permitted = CAP_FULL_SET,
	.bounding = CAP_FULL_SET,
};

static bool any_is_root(const struct ids *ids)
{
	return ids->real == 0 || ids->effective == 0 || ids->saved == 0;
}

void caps_after_setuid(struct cred *c, const struct ids *old)
{
	if (any_is_root(old) && !any_is_root(&c->user) && !c->caps.keep)
		c->caps.permitted = c->caps.effective = 0;
	if (old->effective == 0 && c->euid != 0)
		c->caps.effective = 0;
	if (old->effective != 0 && c->euid == 0)
		c->caps.effective = c->caps.permitted;
}

void caps_after_setfsuid(struct cred *c, kuid_t old)
{
	if (old == 0 && c->fsuid != 0)
		c->caps.effective &= ~CAP_FS_SET;
	if (old != 0 && c->fsuid == 0)
		c->caps.effective |= CAP_FS_SET & c->caps.permitted;
}

void caps_for_access(struct cred *c)
{
	c->caps.effective = c->uid == 0 ? c->caps.permitted : 0;
}

void caps_at_exec(struct cred *c)
{
	struct capabilities *caps = &c->caps;
	bool root = c->uid == 0 || c->euid == 0;

	caps->permitted = root ? caps->inheritable | caps->bounding : 0;
	caps->effective = c->euid == 0 ? caps->permitted : 0;
	caps->keep = false;
}

void caps_to_mm(const struct cred *c, struct mm_struct *mm)
{
	mm->may_lock = c->caps.effective & BIT(CAP_IPC_LOCK);
	mm->may_use_reserve = c->caps.effective & BIT(CAP_SYS_ADMIN);
}

int cap_bounding_drop(unsigned long cap)
{
	if (!capable(CAP_SETPCAP))
		return -EPERM;
	if (cap > CAP_LAST)
		return -EINVAL;
	current->cred.caps.bounding &= ~BIT(cap);
	return 0;
}

/* ---- capget, capset -------------------------------------------------------------------------- */

#define CAP_VERSION_1 0x19980330u
#define CAP_VERSION_2 0x20071026u
#define CAP_VERSION_3 0x20080522u

struct cap_header {
	u32 version;
	s32 pid;
};
struct cap_data {
	u32 effective, permitted, inheritable;
};

/* Elements of cap_data that the header's version has; -EINVAL after telling which one is right. */
static int cap_version(struct cap_header __user *uhead, struct cap_header *head)
{
	if (copy_from_user(head, uhead, sizeof(*head)))
		return -EFAULT;
	switch (head->version) {
	case CAP_VERSION_1:
		return 1;
	case CAP_VERSION_2:
	case CAP_VERSION_3:
		return 2;
	default:
		return put_user(CAP_VERSION_3, (u32 __user *)uhead) ? -EFAULT : -EINVAL;
	}
}

SYSCALL2(capget, struct cap_header __user *, uhead, struct cap_data __user *, udata)
{
	struct cap_data data[2];
	struct capabilities caps;
	struct cap_header head;
	struct task *t;
	int n = cap_version(uhead, &head);

	if (n < 0)
		return n == -EINVAL && !udata ? 0 : n;
	if (head.pid < 0)
		return -EINVAL;
	t = task_find_get(head.pid ? head.pid : current->pid);
	if (!t)
		return -ESRCH;
	caps = t->cred.caps;
	task_put(t);
	for (int i = 0; i < 2; i++)
		data[i] = (struct cap_data){(u32)(caps.effective >> 32 * i),
					    (u32)(caps.permitted >> 32 * i),
					    (u32)(caps.inheritable >> 32 * i)};
	if (!udata)
		return 0;
	return copy_to_user(udata, data, (size_t)n * sizeof(data[0])) ? -EFAULT : 0;
}

static bool subset(capset_t a, capset_t of)
{
	return !(a & ~of);
}

static int set_caps(const struct capabilities *n)
{
	struct capabilities *c = &current->cred.caps;

	if (!capable(CAP_SETPCAP) && !subset(n->inheritable, c->inheritable | c->permitted))
		return -EPERM;
	if (!subset(n->inheritable, c->inheritable | c->bounding) ||
	    !subset(n->permitted, c->permitted) || !subset(n->effective, n->permitted))
		return -EPERM;
	c->effective = n->effective;
	c->permitted = n->permitted;
	c->inheritable = n->inheritable;
	caps_to_mm(&current->cred, current_mm());
	return 0;
}

SYSCALL2(capset, struct cap_header __user *, uhead, const struct cap_data __user *, udata)
{
	struct cap_data d[2] = {{0, 0, 0}, {0, 0, 0}};
	struct capabilities new_ = {0};
	struct cap_header head;
	int n = cap_version(uhead, &head);

	if (n < 0)
		return n;
	if (head.pid && head.pid != current->pid)
		return -EPERM;
	if (copy_from_user(d, udata, (size_t)n * sizeof(d[0])))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		new_.effective |= (capset_t)d[i].effective << 32 * i & CAP_FULL_SET;
		new_.permitted |= (capset_t)d[i].permitted << 32 * i & CAP_FULL_SET;
		new_.inheritable |= (capset_t)d[i].inheritable << 32 * i & CAP_FULL_SET;
	}
	return set_caps(&new_);
}
