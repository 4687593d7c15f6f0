/* SPDX-License-Identifier: MIT */
/*
 * Signal frames: how a handler is called on the user's stack, and how rt_sigreturn comes back.
 *
 *	high  | interrupted stack          |
 *	      | red zone, 128 bytes        |  leaf functions use it below rsp: skipped
 *	      | FPU state, 64-byte aligned |  XSAVE layout with Linux's magic words (x86/fpu.h)
 *	      | siginfo, ucontext          |
 *	rsp ->| return address = restorer  |  rsp + 8 is 16-byte aligned, as after a call
 *	low
 *
 * The layout is Linux's struct rt_sigframe: debuggers, unwinders and C libraries read it.
 *
 * What comes back through rt_sigreturn is the user's data and is not believed: selectors must be the
 * user's, only harmless flags are taken, the FPU state is checked by fpu_restore_from_user(). It goes
 * back by iretq, which refuses an rip that is not canonical (trap_rebuild_user_frame). Anything wrong
 * is a SIGSEGV.
 *
 * The frame is built in kernel memory and copied in one piece, with no lock held.
 */
#include <kernel/exec.h>
#include <kernel/internal.h>
#include <kernel/syscall.h>
#include <kernel/x86/fpu.h>
#include <kernel/x86/uaccess.h>

#define RED_ZONE 128

#define SS_ONSTACK    1
#define SS_DISABLE    2
#define SS_AUTODISARM (1U << 31)
#define MINSIGSTKSZ   2048 /* what sigaltstack accepts; a frame with AVX state needs more */

#define UC_FP_XSTATE         0x1
#define UC_SIGCONTEXT_SS     0x2
#define UC_STRICT_RESTORE_SS 0x4

struct user_stack { /* stack_t */
	u64 sp;
	s32 flags;
	u32 pad;
	u64 size;
};

struct sigcontext {
	u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip,
		rflags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2, fpstate, reserved[8];
};
static_assert_size(struct sigcontext, 256);

struct ucontext {
	u64 flags, link;
	struct user_stack stack;
	struct sigcontext mc;
	sigset_t sigmask;
};

struct rt_sigframe {
	u64 pretcode;
	struct ucontext uc;
	siginfo_t info;
};
static_assert_size(struct rt_sigframe, 440);

/* The flags a user may set: CF PF AF ZF SF TF DF OF RF AC. */
#define USER_RFLAGS 0x50dd5UL

/* ---- the alternate stack --------------------------------------------------------------- */

static bool on_altstack(const struct task *t, u64 sp)
{
	if (t->altstack.flags & (int)SS_AUTODISARM)
		return false;
	return sp > t->altstack.sp && sp - t->altstack.sp <= t->altstack.size;
}

static int altstack_state(const struct task *t, u64 sp)
{
	if (!t->altstack.size)
		return SS_DISABLE;
	return on_altstack(t, sp) ? SS_ONSTACK : 0;
}

static struct user_stack altstack_get(const struct task *t, u64 sp)
{
	return (struct user_stack){
		.sp = t->altstack.sp,
		.flags = altstack_state(t, sp) | (t->altstack.flags & (int)SS_AUTODISARM),
		.size = t->altstack.size,
	};
}

static int altstack_set(struct task *t, const struct user_stack *ss, u64 sp, u64 min_size)
{
	int mode = ss->flags & ~(int)SS_AUTODISARM;

	if (on_altstack(t, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->altstack = (struct stack_info){.flags = ss->flags};
		return 0;
	}
	if (ss->size < min_size)
		return -ENOMEM;
	t->altstack = (struct stack_info){.sp = ss->sp, .size = ss->size, .flags = ss->flags};
	return 0;
}

SYSCALL2(sigaltstack, const struct user_stack __user *, uss, struct user_stack __user *, uoss)
{
	struct task *t = current;
	struct user_stack ss, old = altstack_get(t, t->tf->rsp);
	int err;

	if (uss) {
		if (copy_from_user(&ss, uss, sizeof(ss)))
			return -EFAULT;
		err = altstack_set(t, &ss, t->tf->rsp, MINSIGSTKSZ);
		if (err)
			return err;
	}
	if (uoss && copy_to_user(uoss, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

size_t sigframe_max_size(void)
{
	/* 64 and 16: what the two alignments may waste */
	return ALIGN(sizeof(struct rt_sigframe) + 16 + fpu_sigframe_size() + 64, 16UL);
}

/* ---- out ----------------------------------------------------------------------------------- */

/* The frame's address and, above it, that of the FPU state; 0 if there is no room. */
static u64 frame_address(const struct k_sigaction *ka, const struct trapframe *tf, u64 *fpstate)
{
	struct task *t = current;
	u64 sp = tf->rsp - RED_ZONE;
	bool nested = on_altstack(t, tf->rsp), entering = false;

	if ((ka->flags & SA_ONSTACK) && altstack_state(t, tf->rsp) == 0) {
		sp = t->altstack.sp + t->altstack.size;
		entering = true;
	}
	sp = ALIGN_DOWN(sp - fpu_sigframe_size(), 64UL);
	*fpstate = sp;
	sp = ALIGN_DOWN(sp - sizeof(struct rt_sigframe), 16UL) - 8;
	if ((nested || entering) &&
	    (sp <= t->altstack.sp || sp - t->altstack.sp > t->altstack.size))
		return 0; /* the alternate stack is too small */
	return access_ok((void __user *)sp, sizeof(struct rt_sigframe)) ? sp : 0;
}

static void save_context(struct sigcontext *sc, const struct trapframe *tf, sigset_t oldmask,
			 u64 fpstate)
{
	const struct task *t = current;

	*sc = (struct sigcontext){
		.r8 = tf->r8,
		.r9 = tf->r9,
		.r10 = tf->r10,
		.r11 = tf->r11,
		.r12 = tf->r12,
		.r13 = tf->r13,
		.r14 = tf->r14,
		.r15 = tf->r15,
		.rdi = tf->rdi,
		.rsi = tf->rsi,
		.rbp = tf->rbp,
		.rbx = tf->rbx,
		.rdx = tf->rdx,
		.rax = tf->rax,
		.rcx = tf->rcx,
		.rsp = tf->rsp,
		.rip = tf->rip,
		.rflags = tf->rflags,
		.cs = (u16)tf->cs,
		.ss = (u16)tf->ss,
		.err = t->trap_err,
		.trapno = t->trap_nr,
		.cr2 = t->trap_cr2,
		.oldmask = oldmask,
		.fpstate = fpstate,
	};
}

int setup_rt_frame(struct ksignal *ks, sigset_t *oldset, struct trapframe *tf)
{
	struct task *t = current;
	struct rt_sigframe f; /* all of it is set: no padding */
	size_t fpsize = 0;
	u64 fpstate, sp = frame_address(&ks->ka, tf, &fpstate);

	if (!sp || !(ks->ka.flags & SA_RESTORER) || (u64)ks->ka.handler >= TASK_SIZE)
		return -EFAULT;
	if (fpu_save_to_user(t->thread.fpu, (void __user *)fpstate, &fpsize))
		return -EFAULT;
	f.pretcode = (u64)ks->ka.restorer;
	f.uc.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS |
		     (fpu_sigframe_size() > 512 ? UC_FP_XSTATE : 0);
	f.uc.link = 0;
	f.uc.stack = altstack_get(t, tf->rsp);
	save_context(&f.uc.mc, tf, *oldset, fpstate);
	f.uc.sigmask = *oldset;
	f.info = ks->info;
	if (copy_to_user((void __user *)sp, &f, sizeof(f)))
		return -EFAULT;
	if (t->altstack.flags & (int)SS_AUTODISARM)
		t->altstack = (struct stack_info){.flags = SS_DISABLE};

	tf->rdi = (u64)ks->sig;
	tf->rsi = sp + offsetof(struct rt_sigframe, info);
	tf->rdx = sp + offsetof(struct rt_sigframe, uc);
	tf->rax = 0; /* no vector registers are passed to a variadic handler */
	tf->rip = (u64)ks->ka.handler;
	tf->rsp = sp;
	tf->cs = USER_CS;
	tf->ss = USER_DS;
	tf->rflags &= ~(u64)(X86_EFLAGS_DF | X86_EFLAGS_TF | X86_EFLAGS_RF);
	tf_force_iret(tf);
	return 0;
}

/* ---- and back ------------------------------------------------------------------------------ */

static bool restore_registers(struct trapframe *tf, const struct ucontext *uc)
{
	const struct sigcontext *sc = &uc->mc;

	/* Frames from before ss was part of them do not ask for it. */
	if ((uc->flags & UC_STRICT_RESTORE_SS) && (sc->ss | 3) != USER_DS)
		return false;
	if ((sc->cs | 3) != USER_CS)
		return false;
	tf->r8 = sc->r8, tf->r9 = sc->r9, tf->r10 = sc->r10, tf->r11 = sc->r11;
	tf->r12 = sc->r12, tf->r13 = sc->r13, tf->r14 = sc->r14, tf->r15 = sc->r15;
	tf->rdi = sc->rdi, tf->rsi = sc->rsi, tf->rbp = sc->rbp, tf->rbx = sc->rbx;
	tf->rdx = sc->rdx, tf->rax = sc->rax, tf->rcx = sc->rcx, tf->rsp = sc->rsp;
	tf->rip = sc->rip;
	tf->cs = USER_CS;
	tf->ss = USER_DS;
	tf->rflags = (tf->rflags & ~USER_RFLAGS) | (sc->rflags & USER_RFLAGS);
	tf->orig_rax = (u64)-1;
	tf_force_iret(tf);
	work_set(current, TWORK_IRET);
	return true;
}

SYSCALL0(rt_sigreturn)
{
	struct task *t = current;
	struct trapframe *tf = t->tf;
	u64 frame = tf->rsp - 8; /* ret took the return address */
	struct ucontext uc;

	if (copy_from_user(&uc, (void __user *)(frame + offsetof(struct rt_sigframe, uc)),
			   sizeof(uc)))
		goto bad;
	set_current_blocked(uc.sigmask);
	if (!restore_registers(tf, &uc))
		goto bad;
	if (fpu_restore_from_user(t->thread.fpu, (void __user *)uc.mc.fpstate))
		goto bad;
	t->restart.fn = NULL;
	/* Leaving the alternate stack may change it; while still on it, or by nonsense, it stays. */
	(void)!altstack_set(t, &uc.stack, tf->rsp, 0);
	return (long)tf->rax;
bad:
	force_sig_info_kernel(SIGSEGV);
	return 0;
}
