/* SPDX-License-Identifier: MIT */
/*
 * The FPU's registers, in memory and in signal frames.
 *
 * In memory the state is the processor's XSAVE area in standard form (SDM vol. 1, 13.4):
 *
 *	0	FXSAVE area: x87, MXCSR, XMM; bytes 464.. are software's
 *	512	header: XSTATE_BV (what is not in its initial state), XCOMP_BV (0: standard form)
 *	576	upper halves of YMM
 *
 * and on processors without XSAVE its first 512 bytes alone. XCR0 is x87 | SSE | AVX, as far as
 * CPUID has them: no larger state, so signal frames stay small.
 *
 * A signal frame is the same area plus, as Linux has it, struct fpx_sw_bytes in the software bytes
 * and a second magic behind the area; a frame without them restores x87 and SSE only. What a
 * user may have written into a frame is checked before it is loaded (reserved MXCSR bits, unknown
 * features, any header byte that must be 0), so XRSTOR cannot fault; should it do so all the same,
 * the exception table turns that into a fresh state.
 *
 * A thread switch in the middle of any of these is harmless: it saves to the same memory and loads
 * from there again; where memory is newer than the registers (the three lines that load a state),
 * nothing sleeps, and the kernel is not preempted.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/extable.h>
#include <kernel/x86/fpu.h>
#include <kernel/x86/trapframe.h>
#include <kernel/x86/uaccess.h>

#define XFEATURE_FP  0x1UL
#define XFEATURE_SSE 0x2UL
#define XFEATURE_AVX 0x4UL

#define FXSAVE_SIZE       512
#define XSAVE_AVX_END     832 /* legacy, header, 256 bytes of YMM */
#define FP_XSTATE_MAGIC1  0x46505853u
#define FP_XSTATE_MAGIC2  0x46505845u
#define FPU_DEFAULT_FCW   0x37f
#define FPU_DEFAULT_MXCSR 0x1f80

struct fxsave_area {
	u16 fcw, fsw;
	u8 ftw, reserved;
	u16 fop;
	u64 fip, fdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[128];
	u8 xmm[256];
	u8 reserved2[48];
	struct fpx_sw_bytes {
		u32 magic1;
		u32 extended_size; /* of the frame with the second magic */
		u64 xfeatures;
		u32 xstate_size; /* of the area */
		u32 padding[7];
	} sw;
} __packed;
_Static_assert(sizeof(struct fxsave_area) == FXSAVE_SIZE, "SDM vol. 1, 10.5.1");

struct fpu_state {
	struct fxsave_area fx;
	u64 xstate_bv;
	u64 xcomp_bv;
	u64 header_reserved[6];
	u8 ymm_high[256];
} __packed __aligned(FPU_STATE_ALIGN);
_Static_assert(offsetof(struct fpu_state, ymm_high) == 576, "SDM vol. 1, 13.4.2");

static u64 xcr0; /* 0: FXSAVE only */
static size_t state_size = FXSAVE_SIZE;
static u32 mxcsr_mask = 0xffbf; /* SDM vol. 1, 11.6.6: what a mask of 0 means */

static void read_mxcsr_mask(void)
{
	struct fxsave_area fx __aligned(16);

	memset(&fx, 0, sizeof(fx));
	__asm__ __volatile__("fxsave64 %0" : "=m"(fx));
	if (fx.mxcsr_mask)
		mxcsr_mask = fx.mxcsr_mask;
}

void fpu_init_cpu(void)
{
	unsigned long cr4 = read_cr4() | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;

	if (cpu_has_xsave())
		cr4 |= X86_CR4_OSXSAVE;
	write_cr4(cr4);
	if (cpu_has_xsave()) {
		u64 features = XFEATURE_FP | XFEATURE_SSE;

		/* The offset of AVX's part is fixed in practice; without that, no AVX. */
		if (cpu_has_avx() && cpuid_count(0xd, 2).ebx == 576)
			features |= XFEATURE_AVX;
		xsetbv(0, features);
		/* Each CPU finds the same: those that run already never see less. */
		xcr0 = features;
		state_size = features & XFEATURE_AVX ? XSAVE_AVX_END : FXSAVE_SIZE + 64;
	}
	read_mxcsr_mask();
	__asm__ __volatile__("fninit");
}

size_t fpu_state_size(void)
{
	return ALIGN(state_size, (size_t)FPU_STATE_ALIGN);
}

void fpu_save(struct fpu_state *s)
{
	if (cpu_has_xsaveopt())
		__asm__ __volatile__("xsaveopt64 (%0)" : : "r"(s), "a"(~0u), "d"(~0u) : "memory");
	else if (xcr0)
		__asm__ __volatile__("xsave64 (%0)" : : "r"(s), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ __volatile__("fxsave64 (%0)" : : "r"(s) : "memory");
}

/* False if the processor refused the state. */
static bool try_restore(const struct fpu_state *s)
{
	if (xcr0)
		__asm__ goto("1: xrstor64 (%0)\n" EX_TABLE_C("1b", "%l3")
			     :
			     : "r"(s), "a"(~0u), "d"(~0u)
			     : "memory"
			     : fault);
	else
		__asm__ goto("1: fxrstor64 (%0)\n" EX_TABLE_C("1b", "%l1")
			     :
			     : "r"(s)
			     : "memory"
			     : fault);
	return true;
fault:
	return false;
}

void fpu_restore(const struct fpu_state *s)
{
	try_restore(s); /* it was checked when it came from a user */
}

void fpu_init_state(struct fpu_state *s)
{
	memset(s, 0, state_size);
	s->fx.fcw = FPU_DEFAULT_FCW;
	s->fx.mxcsr = FPU_DEFAULT_MXCSR;
	/* XSTATE_BV 0: everything in its initial state. MXCSR is loaded all the same. */
}

void fpu_reset(struct fpu_state *s)
{
	fpu_init_state(s);
	fpu_restore(s);
}

void fpu_copy(struct fpu_state *dst, struct fpu_state *s)
{
	fpu_save(s);
	memcpy(dst, s, state_size);
}

/* ---- signal frames ---- */

bool fpu_has_xsave(void)
{
	return xcr0 != 0;
}

size_t fpu_sigframe_size(void)
{
	return xcr0 ? state_size + sizeof(u32) : FXSAVE_SIZE;
}

/*
 * XSAVEOPT leaves parts in their initial state unwritten; a frame must show them as they are. An
 * unset bit means: fill in the initial value.
 */
static void fill_init_state(struct fpu_state *s)
{
	if (!xcr0)
		return;
	if (!(s->xstate_bv & XFEATURE_FP)) {
		memset(&s->fx, 0, offsetof(struct fxsave_area, mxcsr));
		s->fx.fcw = FPU_DEFAULT_FCW;
		memset(s->fx.st, 0, sizeof(s->fx.st));
	}
	if (!(s->xstate_bv & XFEATURE_SSE))
		memset(s->fx.xmm, 0, sizeof(s->fx.xmm));
	if ((xcr0 & XFEATURE_AVX) && !(s->xstate_bv & XFEATURE_AVX))
		memset(s->ymm_high, 0, sizeof(s->ymm_high));
}

int fpu_save_to_user(struct fpu_state *s, void __user *fpstate, size_t *size)
{
	u32 magic2 = FP_XSTATE_MAGIC2;
	int err = 0;

	fpu_save(s);
	fill_init_state(s);
	/* A program may change what it finds in the frame without knowing of the bits. */
	if (xcr0)
		s->xstate_bv |= XFEATURE_FP | XFEATURE_SSE;
	memset(&s->fx.sw, 0, sizeof(s->fx.sw));
	if (xcr0) {
		s->fx.sw.magic1 = FP_XSTATE_MAGIC1;
		s->fx.sw.extended_size = (u32)fpu_sigframe_size();
		s->fx.sw.xfeatures = xcr0;
		s->fx.sw.xstate_size = (u32)state_size;
		if (copy_to_user((char __user *)fpstate + state_size, &magic2, sizeof(magic2)))
			err = -EFAULT;
	}
	if (copy_to_user(fpstate, s, state_size))
		err = -EFAULT;
	*size = fpu_sigframe_size();
	return err;
}

/* How much of a frame to believe: the whole area if both magics and the sizes are right. */
static int frame_size(const void __user *fpstate, const struct fpx_sw_bytes *sw, size_t *size)
{
	u32 magic2;

	*size = FXSAVE_SIZE;
	if (!xcr0 || sw->magic1 != FP_XSTATE_MAGIC1 || sw->xstate_size < FXSAVE_SIZE + 64 ||
	    sw->xstate_size > state_size || sw->extended_size < sw->xstate_size + sizeof(u32))
		return 0;
	if (copy_from_user(&magic2, (const char __user *)fpstate + sw->xstate_size, sizeof(magic2)))
		return -EFAULT;
	if (magic2 == FP_XSTATE_MAGIC2)
		*size = sw->xstate_size;
	return 0;
}

/* What XRSTOR would fault on is an error; features beyond what the frame holds start afresh. */
static int check_state(struct fpu_state *s, size_t size)
{
	u64 bad = s->xcomp_bv | (s->xstate_bv & ~xcr0);

	if (s->fx.mxcsr & ~mxcsr_mask)
		return -EINVAL;
	if (!xcr0)
		return 0;
	if (size == FXSAVE_SIZE) {
		s->xstate_bv = XFEATURE_FP | XFEATURE_SSE;
		s->xcomp_bv = 0;
		memset(s->header_reserved, 0, sizeof(s->header_reserved));
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(s->header_reserved); i++)
		bad |= s->header_reserved[i];
	if (bad)
		return -EINVAL;
	if (size < XSAVE_AVX_END)
		s->xstate_bv &= ~XFEATURE_AVX;
	return 0;
}

int fpu_restore_from_user(struct fpu_state *s, const void __user *fpstate)
{
	/* Aside: until it is checked and complete, the thread's own state stays. */
	struct fpu_state new_;
	struct fpx_sw_bytes sw;
	size_t size;
	int err;

	if (!fpstate) {
		fpu_reset(s);
		return 0;
	}
	if (copy_from_user(&sw, (const char __user *)fpstate + offsetof(struct fxsave_area, sw),
			   sizeof(sw)))
		return -EFAULT;
	err = frame_size(fpstate, &sw, &size);
	if (err)
		return err;
	/* FXRSTOR and XRSTOR, which this stands for, want it aligned. */
	if ((u64)fpstate & (size == FXSAVE_SIZE ? 15 : 63))
		return -EINVAL;
	if (copy_from_user(&new_, fpstate, size))
		return -EFAULT;
	if (size < sizeof(new_))
		memset((char *)&new_ + size, 0, sizeof(new_) - size);
	err = check_state(&new_, size);
	if (err)
		return err;
	if (!try_restore(&new_)) {
		fpu_reset(s);
		return -EINVAL;
	}
	return 0;
}

/* ---- exceptions ---- */

#define FPE_FLTDIV 3
#define FPE_FLTOVF 4
#define FPE_FLTUND 5
#define FPE_FLTRES 6
#define FPE_FLTINV 7

/* Status bits IE DE ZE OE UE PE, less the masked ones; the order of tests is Linux's. */
int fpu_exception_code(struct fpu_state *s, unsigned int vector)
{
	unsigned int err;

	fpu_save(s);
	/* An FXSAVE image's x87 part is valid: an exception is pending, so it is not initial. */
	if (vector == X86_TRAP_MF)
		err = s->fx.fsw & ~s->fx.fcw;
	else
		err = s->fx.mxcsr & ~(s->fx.mxcsr >> 7);

	if (err & 0x01)
		return FPE_FLTINV;
	if (err & 0x04)
		return FPE_FLTDIV;
	if (err & 0x08)
		return FPE_FLTOVF;
	if (err & 0x12)
		return FPE_FLTUND;
	if (err & 0x20)
		return FPE_FLTRES;
	return 0;
}
