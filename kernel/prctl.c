/* SPDX-License-Identifier: MIT */
/* What a process may change about itself: prctl, arch_prctl, personality. */
#include <kernel/internal.h>
#include <kernel/lib/string.h>
#include <kernel/syscall.h>
#include <kernel/x86/switch.h>
#include <kernel/x86/uaccess.h>

enum {
	PR_SET_PDEATHSIG = 1,
	PR_GET_PDEATHSIG = 2,
	PR_GET_DUMPABLE = 3,
	PR_SET_DUMPABLE = 4,
	PR_GET_KEEPCAPS = 7,
	PR_SET_KEEPCAPS = 8,
	PR_SET_NAME = 15,
	PR_GET_NAME = 16,
	PR_GET_SECCOMP = 21,
	PR_CAPBSET_READ = 23,
	PR_CAPBSET_DROP = 24,
	PR_GET_SECUREBITS = 27,
	PR_SET_TIMERSLACK = 29,
	PR_GET_TIMERSLACK = 30,
	PR_SET_CHILD_SUBREAPER = 36,
	PR_GET_CHILD_SUBREAPER = 37,
	PR_SET_NO_NEW_PRIVS = 38,
	PR_GET_NO_NEW_PRIVS = 39,
	PR_GET_TID_ADDRESS = 40,
	PR_SET_THP_DISABLE = 41,
	PR_GET_THP_DISABLE = 42,
};
#define TIMERSLACK_NS 50000

static int set_comm(const char __user *uname)
{
	char name[16] = {0};

	if (strncpy_from_user(name, uname, sizeof(name) - 1) < 0)
		return -EFAULT;
	name[sizeof(name) - 1] = '\0';
	memset(current->thread.comm, 0, sizeof(name));
	strscpy(current->thread.comm, name, sizeof(current->thread.comm));
	return 0;
}

static int get_comm(char __user *uname)
{
	char name[16] = {0};

	strscpy(name, current->thread.comm, sizeof(name));
	return copy_to_user(uname, name, sizeof(name)) ? -EFAULT : 0;
}

static int set_no_new_privs(unsigned long a2, unsigned long a3, unsigned long a4, unsigned long a5)
{
	if (a2 != 1 || a3 || a4 || a5)
		return -EINVAL;
	current->no_new_privs = true;
	return 0;
}

SYSCALL5(prctl, int, option, unsigned long, a2, unsigned long, a3, unsigned long, a4, unsigned long,
	 a5)
{
	struct task *t = current;
	struct process *p = t->proc;

	switch (option) {
	case PR_SET_PDEATHSIG:
		if (a2 > NSIG)
			return -EINVAL;
		t->pdeath_signal = (int)a2;
		return 0;
	case PR_GET_PDEATHSIG:
		return put_user(t->pdeath_signal, (int __user *)a2);
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_DUMPABLE:
		if (a2 > 1)
			return -EINVAL;
		p->dumpable = (int)a2;
		return 0;
	case PR_GET_SECCOMP:
	case PR_GET_SECUREBITS:
	case PR_SET_TIMERSLACK:
		return 0;
	case PR_SET_NAME:
		return set_comm((const char __user *)a2);
	case PR_GET_NAME:
		return get_comm((char __user *)a2);
	case PR_CAPBSET_READ:
		return a2 <= CAP_LAST ? (long)(t->cred.caps.bounding >> a2 & 1) : -EINVAL;
	case PR_CAPBSET_DROP:
		return cap_bounding_drop(a2);
	case PR_GET_KEEPCAPS:
		return t->cred.caps.keep;
	case PR_SET_KEEPCAPS:
		if (a2 > 1)
			return -EINVAL;
		t->cred.caps.keep = a2;
		return 0;
	case PR_GET_TIMERSLACK:
		return TIMERSLACK_NS;
	case PR_SET_CHILD_SUBREAPER:
		p->child_subreaper = a2;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_user((int)p->child_subreaper, (int __user *)a2);
	case PR_SET_NO_NEW_PRIVS:
		return set_no_new_privs(a2, a3, a4, a5);
	case PR_GET_NO_NEW_PRIVS:
		return a2 || a3 || a4 || a5 ? -EINVAL : t->no_new_privs;
	case PR_GET_TID_ADDRESS:
		return put_user(t->clear_child_tid, (pid_t __user * __user *)a2);
	case PR_SET_THP_DISABLE:
		return a3 || a4 || a5 ? -EINVAL : 0;
	case PR_GET_THP_DISABLE:
		return a2 || a3 || a4 || a5 ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

SYSCALL2(arch_prctl, int, code, unsigned long, addr)
{
	u64 fs, gs;

	user_bases_get(&fs, &gs);
	switch (code) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (addr >= TASK_SIZE)
			return -EPERM;
		if (code == ARCH_SET_FS)
			user_bases_set(addr, gs);
		else
			user_bases_set(fs, addr);
		return 0;
	case ARCH_GET_FS:
		return put_user(fs, (u64 __user *)addr);
	case ARCH_GET_GS:
		return put_user(gs, (u64 __user *)addr);
	default:
		return -EINVAL;
	}
}

SYSCALL1(personality, u32, persona)
{
	u32 old = current->personality;

	if (persona != 0xffffffff)
		current->personality = persona;
	return old;
}
