/* SPDX-License-Identifier: MIT */
/*
 * Who a task acts as: user and group ids.
 *
 * Three of each: real (who started it), effective (what it may do), saved (what it may go back to);
 * and a fourth for files, which follows the effective one. Who has CAP_SETUID or CAP_SETGID may set
 * any; others only exchange those that they have. What user ids do to capabilities: capability.c.
 *
 * The running task changes its own credentials, and only those; others read them for permission
 * checks, where an old or a new value is equally right. C libraries set all threads one by one.
 */
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>

#define KEEP ((u32)-1) /* an argument of -1 leaves the id as it is */

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

bool user_owns_task(const struct task *t, int cap)
{
	kuid_t me = current->cred.euid;

	return t->proc == current->proc || capable(cap) || me == t->cred.uid || me == t->cred.euid;
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

static int put_ids(const struct ids *ids, u32 __user *r, u32 __user *e, u32 __user *s)
{
	return put_user(ids->real, r) || put_user(ids->effective, e) || put_user(ids->saved, s) ?
		       -EFAULT :
		       0;
}

SYSCALL3(getresuid, u32 __user *, r, u32 __user *, e, u32 __user *, s)
{
	return put_ids(&current->cred.user, r, e, s);
}
SYSCALL3(getresgid, u32 __user *, r, u32 __user *, e, u32 __user *, s)
{
	return put_ids(&current->cred.group, r, e, s);
}

/* ---- setting: the same rules for users and groups -------------------------------------------- */

static bool may_set(const struct ids *ids)
{
	return capable(ids == &current->cred.user ? CAP_SETUID : CAP_SETGID);
}

static int set_ids(struct ids *ids, u32 real, u32 effective, u32 saved)
{
	struct ids old = *ids;
	bool changed = real != ids->real || effective != ids->effective || saved != ids->saved;
	struct task *t = current;

	/* It may hold what its new owner must not see: proc_may_access() looks at this last. */
	if (changed)
		WRITE_ONCE(t->proc->dumpable, 0);
	barrier();
	*ids = (struct ids){real, effective, saved, effective};
	if (ids == &t->cred.user)
		caps_after_setuid(&t->cred, &old);
	if (!changed)
		return 0;
	if (t->thread.mm)
		caps_to_mm(&t->cred, t->thread.mm);
	t->pdeath_signal = 0;
	return 0;
}

static bool is_own(const struct ids *ids, u32 id)
{
	return id == KEEP || id == ids->real || id == ids->effective || id == ids->saved;
}

static int set_id(struct ids *ids, u32 id)
{
	if (id == KEEP)
		return -EINVAL;
	if (may_set(ids))
		return set_ids(ids, id, id, id);
	if (id != ids->real && id != ids->saved)
		return -EPERM;
	return set_ids(ids, ids->real, id, ids->saved);
}

static int set_real_effective(struct ids *ids, u32 r, u32 e)
{
	u32 real = r == KEEP ? ids->real : r, effective = e == KEEP ? ids->effective : e;
	/* The saved id follows when the real one is set, or the effective one leaves it. */
	bool saves = r != KEEP || (e != KEEP && e != ids->real);

	if (!may_set(ids) &&
	    ((real != ids->real && real != ids->effective) || !is_own(ids, effective)))
		return -EPERM;
	return set_ids(ids, real, effective, saves ? effective : ids->saved);
}

static int set_three(struct ids *ids, u32 r, u32 e, u32 s)
{
	if (!may_set(ids) && !(is_own(ids, r) && is_own(ids, e) && is_own(ids, s)))
		return -EPERM;
	return set_ids(ids, r == KEEP ? ids->real : r, e == KEEP ? ids->effective : e,
		       s == KEEP ? ids->saved : s);
}

static u32 set_files_id(struct ids *ids, u32 id)
{
	u32 old = ids->files;

	if (id == KEEP || !(may_set(ids) || is_own(ids, id)))
		return old;
	ids->files = id;
	if (ids == &current->cred.user)
		caps_after_setfsuid(&current->cred, old);
	return old;
}

SYSCALL1(setuid, kuid_t, uid)
{
	return set_id(&current->cred.user, uid);
}
SYSCALL1(setgid, kgid_t, gid)
{
	return set_id(&current->cred.group, gid);
}
SYSCALL2(setreuid, kuid_t, r, kuid_t, e)
{
	return set_real_effective(&current->cred.user, r, e);
}
SYSCALL2(setregid, kgid_t, r, kgid_t, e)
{
	return set_real_effective(&current->cred.group, r, e);
}
SYSCALL3(setresuid, kuid_t, r, kuid_t, e, kuid_t, s)
{
	return set_three(&current->cred.user, r, e, s);
}
SYSCALL3(setresgid, kgid_t, r, kgid_t, e, kgid_t, s)
{
	return set_three(&current->cred.group, r, e, s);
}
SYSCALL1(setfsuid, kuid_t, uid)
{
	return set_files_id(&current->cred.user, uid);
}
SYSCALL1(setfsgid, kgid_t, gid)
{
	return set_files_id(&current->cred.group, gid);
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

	if (!capable(CAP_SETGID))
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
