/* SPDX-License-Identifier: MIT */
/*
 * Who a task acts as: user and group ids.
 *
 * Three of each: real (who started it), effective (what it may do), saved (what it may go back to);
 * and a fourth for files, which follows the effective one. Root (euid 0) may set any; others only
 * exchange those that they have. "Capabilities" are: euid 0 has all of them, nobody else has any.
 *
 * The running task changes its own credentials, and only those; others read them for permission
 * checks, where an old or a new value is equally right. C libraries set all threads one by one.
 */
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

#define KEEP ((u32)-1) /* an argument of -1 leaves the id as it is */

void creds_changed(void)
{
	struct task *t = current;
	struct mm_struct *mm = current_mm();

	if (mm)
		mm->may_lock = capable();
	t->proc->dumpable = 0; /* it may hold what its new owner must not see */
}

bool in_group(kgid_t gid)
{
	const struct cred *c = &current->cred;

	if (gid == c->fsgid)
		return true;
	for (int i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

bool user_owns_process(struct process *p)
{
	const struct cred *c = &current->cred, *t = &p->leader->cred;

	return p == current->proc || c->euid == 0 || c->euid == t->uid || c->euid == t->euid;
}

/* ---- reading --------------------------------------------------------------------------------- */

SYSCALL0(getuid)
{
	return current->cred.uid;
}
SYSCALL0(geteuid)
{
	return current->cred.euid;
}
SYSCALL0(getgid)
{
	return current->cred.gid;
}
SYSCALL0(getegid)
{
	return current->cred.egid;
}

static int put_three(u32 __user *a, u32 va, u32 __user *b, u32 vb, u32 __user *c, u32 vc)
{
	return put_user(va, a) || put_user(vb, b) || put_user(vc, c) ? -EFAULT : 0;
}

SYSCALL3(getresuid, u32 __user *, r, u32 __user *, e, u32 __user *, s)
{
	const struct cred *c = &current->cred;

	return put_three(r, c->uid, e, c->euid, s, c->suid);
}
SYSCALL3(getresgid, u32 __user *, r, u32 __user *, e, u32 __user *, s)
{
	const struct cred *c = &current->cred;

	return put_three(r, c->gid, e, c->egid, s, c->sgid);
}

/* ---- users ------------------------------------------------------------------------------------- */

static int set_uids(kuid_t uid, kuid_t euid, kuid_t suid)
{
	struct cred *c = &current->cred;
	bool changed = uid != c->uid || euid != c->euid || suid != c->suid;

	c->uid = uid;
	c->euid = c->fsuid = euid;
	c->suid = suid;
	if (changed)
		creds_changed();
	return 0;
}

SYSCALL1(setuid, kuid_t, uid)
{
	const struct cred *c = &current->cred;

	if (uid == KEEP)
		return -EINVAL;
	if (capable())
		return set_uids(uid, uid, uid);
	if (uid != c->uid && uid != c->suid)
		return -EPERM;
	return set_uids(c->uid, uid, c->suid);
}

SYSCALL2(setreuid, kuid_t, ruid, kuid_t, euid)
{
	const struct cred *c = &current->cred;
	kuid_t nr = ruid == KEEP ? c->uid : ruid, ne = euid == KEEP ? c->euid : euid;

	if (!capable()) {
		if (nr != c->uid && nr != c->euid)
			return -EPERM;
		if (ne != c->uid && ne != c->euid && ne != c->suid)
			return -EPERM;
	}
	/* The saved id follows when the real one is set, or the effective one leaves it. */
	return set_uids(nr, ne, ruid != KEEP || (euid != KEEP && euid != c->uid) ? ne : c->suid);
}

static bool one_of(u32 id, u32 a, u32 b, u32 c)
{
	return id == KEEP || id == a || id == b || id == c;
}

SYSCALL3(setresuid, kuid_t, ruid, kuid_t, euid, kuid_t, suid)
{
	const struct cred *c = &current->cred;

	if (!capable() &&
	    !(one_of(ruid, c->uid, c->euid, c->suid) && one_of(euid, c->uid, c->euid, c->suid) &&
	      one_of(suid, c->uid, c->euid, c->suid)))
		return -EPERM;
	return set_uids(ruid == KEEP ? c->uid : ruid, euid == KEEP ? c->euid : euid,
			suid == KEEP ? c->suid : suid);
}

SYSCALL1(setfsuid, kuid_t, uid)
{
	struct cred *c = &current->cred;
	kuid_t old = c->fsuid;

	if (uid != KEEP && (capable() || one_of(uid, c->uid, c->euid, c->suid) || uid == old))
		c->fsuid = uid;
	return old;
}

/* ---- groups ------------------------------------------------------------------------------------ */

static int set_gids(kgid_t gid, kgid_t egid, kgid_t sgid)
{
	struct cred *c = &current->cred;
	bool changed = gid != c->gid || egid != c->egid || sgid != c->sgid;

	c->gid = gid;
	c->egid = c->fsgid = egid;
	c->sgid = sgid;
	if (changed)
		creds_changed();
	return 0;
}

SYSCALL1(setgid, kgid_t, gid)
{
	const struct cred *c = &current->cred;

	if (gid == KEEP)
		return -EINVAL;
	if (capable())
		return set_gids(gid, gid, gid);
	if (gid != c->gid && gid != c->sgid)
		return -EPERM;
	return set_gids(c->gid, gid, c->sgid);
}

SYSCALL2(setregid, kgid_t, rgid, kgid_t, egid)
{
	const struct cred *c = &current->cred;
	kgid_t nr = rgid == KEEP ? c->gid : rgid, ne = egid == KEEP ? c->egid : egid;

	if (!capable()) {
		if (nr != c->gid && nr != c->egid)
			return -EPERM;
		if (ne != c->gid && ne != c->egid && ne != c->sgid)
			return -EPERM;
	}
	return set_gids(nr, ne, rgid != KEEP || (egid != KEEP && egid != c->gid) ? ne : c->sgid);
}

SYSCALL3(setresgid, kgid_t, rgid, kgid_t, egid, kgid_t, sgid)
{
	const struct cred *c = &current->cred;

	if (!capable() &&
	    !(one_of(rgid, c->gid, c->egid, c->sgid) && one_of(egid, c->gid, c->egid, c->sgid) &&
	      one_of(sgid, c->gid, c->egid, c->sgid)))
		return -EPERM;
	return set_gids(rgid == KEEP ? c->gid : rgid, egid == KEEP ? c->egid : egid,
			sgid == KEEP ? c->sgid : sgid);
}

SYSCALL1(setfsgid, kgid_t, gid)
{
	struct cred *c = &current->cred;
	kgid_t old = c->fsgid;

	if (gid != KEEP && (capable() || one_of(gid, c->gid, c->egid, c->sgid) || gid == old))
		c->fsgid = gid;
	return old;
}

SYSCALL2(getgroups, int, n, kgid_t __user *, list)
{
	const struct cred *c = &current->cred;

	if (n < 0 || (n && n < c->ngroups))
		return -EINVAL;
	if (n && copy_to_user(list, c->groups, (size_t)c->ngroups * sizeof(kgid_t)))
		return -EFAULT;
	return c->ngroups;
}

SYSCALL2(setgroups, int, n, const kgid_t __user *, list)
{
	struct cred *c = &current->cred;
	kgid_t groups[CRED_NGROUPS];

	if (!capable())
		return -EPERM;
	if ((unsigned int)n > CRED_NGROUPS)
		return -EINVAL;
	if (copy_from_user(groups, list, (size_t)n * sizeof(kgid_t)))
		return -EFAULT;
	for (int i = 0; i < n; i++)
		c->groups[i] = groups[i];
	c->ngroups = n;
	return 0;
}

/* ---- capabilities, as far as "root has them all" goes ---------------------------------------- */

#define CAP_VERSION_1 0x19980330u
#define CAP_VERSION_2 0x20071026u
#define CAP_VERSION_3 0x20080522u
#define CAP_ALL       0x1ffffffffffUL /* Linux 6.1 has 41 */

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
		return put_user(CAP_VERSION_3, &uhead->version) ? -EFAULT : -EINVAL;
	}
}

SYSCALL2(capget, struct cap_header __user *, uhead, struct cap_data __user *, udata)
{
	struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};
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
	if (t->cred.euid == 0) {
		data[0].effective = data[0].permitted = (u32)CAP_ALL;
		data[1].effective = data[1].permitted = (u32)(CAP_ALL >> 32);
	}
	task_put(t);
	if (!udata)
		return 0;
	return copy_to_user(udata, data, (size_t)n * sizeof(data[0])) ? -EFAULT : 0;
}

/* Nobody gains any here; that root gives some up is accepted without effect. */
SYSCALL2(capset, struct cap_header __user *, uhead, const struct cap_data __user *, udata)
{
	struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};
	struct cap_header head;
	int n = cap_version(uhead, &head);

	if (n < 0)
		return n;
	if (head.pid && head.pid != current->pid)
		return -EPERM;
	if (copy_from_user(data, udata, (size_t)n * sizeof(data[0])))
		return -EFAULT;
	if ((data[0].effective & ~data[0].permitted) || (data[1].effective & ~data[1].permitted))
		return -EPERM;
	if (!capable() && (data[0].permitted || data[1].permitted || data[0].effective))
		return -EPERM;
	return 0;
}
