/* SPDX-License-Identifier: MIT */
/*
 * The arguments of execve, and the stack that a program finds them on.
 *
 * The strings are measured first, in the caller's space, so that the stack is made large enough and
 * E2BIG is known before anything is built; then they are copied, downwards:
 *
 *	stack, from the top	8 zero bytes
 *				path name (AT_EXECFN), environment strings, argument strings
 *				"x86_64", 16 random bytes
 *	(16-byte aligned)	auxv, 0, envp[], 0, argv[], argc	<- rsp
 *
 * Between the two another thread may change the strings: what was measured counts, and each string
 * ends there. Bytes reach the new space, which is not loaded, through mm_access(), a page at a time.
 */
#include <kernel/elf.h>
#include <kernel/exec.h>
#include <kernel/internal.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/random.h>
#include <kernel/lib/string.h>
#include <kernel/syscall.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>
#include <mm/vma.h>

#define MAX_ARG_STRLEN (32 * PAGE_SIZE) /* one string, with its NUL */
#define ARG_MAX_MIN    131072UL         /* what is allowed under any RLIMIT_STACK */
#define ARG_MAX_MAX    (6UL << 20)      /* three quarters of the usual stack */
#define STACK_SLACK    (128UL << 10)    /* mapped below the arguments at the start, as Linux */

/* ---- arguments --------------------------------------------------------------------------------- */

/* i-th pointer of the array: 0 with *str, -EFAULT. */
static int get_string_ptr(const struct arg_source *src, int i, const char **str)
{
	const char *const *slot = (const char *const *)src->vec + i;

	if (src->kernel) {
		*str = *slot;
		return 0;
	}
	return copy_from_user(str, slot, sizeof(*str)) ? -EFAULT : 0;
}

static int count_strings(const struct arg_source *src)
{
	const char *s;
	int n = 0, err;

	if (!src->vec)
		return 0;
	for (;; n++) {
		err = get_string_ptr(src, n, &s);
		if (err)
			return err;
		if (!s)
			return n;
		if ((size_t)n >= ARG_MAX_MAX / sizeof(s))
			return -E2BIG;
		if (n % 512 == 511) {
			if (fatal_signal_pending())
				return -ERESTARTNOHAND;
			cond_resched();
		}
	}
}

static int measure(struct arg *a, const char *str, bool kernel)
{
	long n = kernel ? (long)strlen(str) + 1 : strnlen_user(str, MAX_ARG_STRLEN);

	if (n == 0)
		return -EFAULT;
	if ((unsigned long)n > MAX_ARG_STRLEN)
		return -E2BIG;
	*a = (struct arg){.str = str, .len = (size_t)n, .kernel = kernel};
	return 0;
}

static int measure_strings(struct arg *args, const struct arg_source *src, int first, int n)
{
	const char *s;
	int err;

	for (int i = 0; i < n; i++) {
		err = get_string_ptr(src, first + i, &s);
		if (!err)
			err = s ? measure(&args[i], s, src->kernel) : -EFAULT;
		if (err)
			return err;
		if (i % 512 == 511)
			cond_resched();
	}
	return 0;
}

static size_t arg_limit(void)
{
	size_t limit = min(rlimit(RLIMIT_STACK) / 4, ARG_MAX_MAX);

	return max(limit, ARG_MAX_MIN);
}

static int check_size(struct exec *e)
{
	size_t limit = arg_limit(), pointers = (size_t)(e->argc + e->envc) * sizeof(u64);

	if (pointers >= limit)
		return -E2BIG;
	e->strings_len = strlen(e->filename) + 1;
	for (int i = 0; i < e->argc + e->envc; i++)
		e->strings_len += e->args[i].len;
	return e->strings_len > limit - pointers ? -E2BIG : 0;
}

/* An empty argv becomes {""}. In front there is room for the words of #! lines. */
int exec_arguments(struct exec *e, const struct arg_source *argv, const struct arg_source *envp)
{
	int argc = count_strings(argv), envc = argc < 0 ? 0 : count_strings(envp), err;

	if (argc < 0 || envc < 0)
		return argc < 0 ? argc : envc;
	e->argc = max(argc, 1);
	e->envc = envc;
	e->args_room =
		kvmalloc((ARRAY_SIZE(e->prefix) + (size_t)(e->argc + e->envc)) * sizeof(struct arg),
			 GFP_KERNEL);
	if (!e->args_room)
		return -ENOMEM;
	e->args = e->args_room + ARRAY_SIZE(e->prefix);
	if (!argc) {
		pr_warn("process '%s' launched '%s' with NULL argv: empty string added\n",
			current->thread.comm, e->filename);
		e->args[0] = (struct arg){.str = "", .len = 1, .kernel = true};
	}
	err = measure_strings(e->args, argv, 0, argc);
	if (!err)
		err = measure_strings(e->args + e->argc, envp, 0, envc);
	return err ? err : check_size(e);
}

/* argv[0] of a script is replaced by the words of its #! line. */
int exec_add_prefix(struct exec *e)
{
	if (!e->nr_prefix)
		return 0;
	e->args++;
	for (int i = 0; i < e->nr_prefix; i++)
		*--e->args = e->prefix[i];
	e->argc += e->nr_prefix - 1;
	return check_size(e);
}

/* ---- the stack -------------------------------------------------------------------------- */

/* Bytes are written downwards, gathered in a page before they go into the new space. */
struct stack_writer {
	struct mm_struct *mm;
	vaddr_t p;       /* what is written so far begins here */
	vaddr_t flushed; /* and from here on it is in the space */
	char *page;      /* the page of p, bytes [p, flushed) valid */
};

static int writer_flush(struct stack_writer *w)
{
	size_t n = w->flushed - w->p;

	if (n && mm_access(w->mm, w->p, w->page + (w->p & ~PAGE_MASK), n, true) != n)
		return -ENOMEM;
	w->flushed = w->p;
	return 0;
}

/* The last n bytes that still fit into the page of the byte below p. */
static char *writer_room(struct stack_writer *w, size_t *n)
{
	size_t room = ((w->p - 1) & ~PAGE_MASK) + 1;

	*n = min(*n, room);
	return w->page + room - *n;
}

static int push_string(struct stack_writer *w, struct arg *a)
{
	size_t left = a->len, n;

	while (left) {
		char *dst;
		int err;

		if (IS_ALIGNED(w->p, PAGE_SIZE)) {
			err = writer_flush(w);
			if (err)
				return err;
		}
		n = left;
		dst = writer_room(w, &n);
		left -= n;
		if (a->kernel)
			memcpy(dst, a->str + left, n);
		else if (copy_from_user(dst, a->str + left, n))
			return -EFAULT;
		w->p -= n;
		/* Another thread may have written over the NUL since it was measured. */
		if (left + n == a->len)
			dst[n - 1] = '\0';
	}
	a->addr = w->p;
	return 0;
}

static int put_strings(struct exec *e, struct stack_writer *w)
{
	struct arg name = {.str = e->filename, .len = strlen(e->filename) + 1, .kernel = true};
	int err = push_string(w, &name);

	e->execfn = name.addr;
	e->mm->env_end = w->p;
	for (int i = e->argc + e->envc - 1; !err && i >= 0; i--) {
		if (i == e->argc - 1)
			e->mm->env_start = e->mm->arg_end = w->p;
		err = push_string(w, &e->args[i]);
	}
	if (!e->envc)
		e->mm->env_start = e->mm->env_end;
	e->mm->arg_start = w->p;
	return err ? err : writer_flush(w);
}

static void put_aux(u64 **aux, u64 tag, u64 value)
{
	*(*aux)++ = tag;
	*(*aux)++ = value;
}

#define NR_AUX 20

static void make_auxv(const struct exec *e, u64 *auxv, vaddr_t random, vaddr_t platform)
{
	const struct elf_program *prog = &e->prog;
	u64 *a = auxv;

	put_aux(&a, AT_MINSIGSTKSZ, sigframe_max_size());
	put_aux(&a, AT_HWCAP, cpuid(1).edx);
	put_aux(&a, AT_PAGESZ, PAGE_SIZE);
	put_aux(&a, AT_CLKTCK, HZ);
	put_aux(&a, AT_PHDR, prog->phdr_addr);
	put_aux(&a, AT_PHENT, sizeof(struct elf64_phdr));
	put_aux(&a, AT_PHNUM, prog->phnum);
	put_aux(&a, AT_BASE, prog->interp_base);
	put_aux(&a, AT_FLAGS, 0);
	put_aux(&a, AT_ENTRY, prog->entry);
	put_aux(&a, AT_UID, e->cred.uid);
	put_aux(&a, AT_EUID, e->cred.euid);
	put_aux(&a, AT_GID, e->cred.gid);
	put_aux(&a, AT_EGID, e->cred.egid);
	put_aux(&a, AT_SECURE, e->cred.uid != e->cred.euid || e->cred.gid != e->cred.egid);
	put_aux(&a, AT_RANDOM, random);
	put_aux(&a, AT_HWCAP2, cpu_has_fsgsbase() ? 2 : 0);
	put_aux(&a, AT_EXECFN, e->execfn);
	put_aux(&a, AT_PLATFORM, platform);
	put_aux(&a, AT_NULL, 0);
	assert(a == auxv + 2 * NR_AUX);
}

/* argc, argv[], 0, envp[], 0, auxv, and what auxv points to: below the strings. */
static int put_pointers(struct exec *e, vaddr_t below)
{
	/* 3: argc and two zeroes */
	size_t n = 3 + (size_t)e->argc + (size_t)e->envc + 2 * NR_AUX, bytes = n * sizeof(u64);
	const size_t random = 16, platform = 8;
	u64 *table, *t;
	int err = 0;

	below = layout_stack_pointer(below, e->prog.layout);
	e->sp = ALIGN_DOWN(below - bytes - random - platform, 16UL);
	table = t = kvmalloc(bytes + random + platform, GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	make_auxv(e, e->mm->auxv, e->sp + bytes, e->sp + bytes + random);
	*t++ = (u64)e->argc;
	for (int i = 0; i < e->argc; i++)
		*t++ = e->args[i].addr;
	*t++ = 0;
	for (int i = 0; i < e->envc; i++)
		*t++ = e->args[e->argc + i].addr;
	*t++ = 0;
	memcpy(t, e->mm->auxv, 2 * NR_AUX * sizeof(u64));
	get_random_bytes(table + n, random);
	memcpy((char *)(table + n) + random, "x86_64\0", platform);
	bytes += random + platform;
	if (mm_access(e->mm, e->sp, table, bytes, true) != bytes)
		err = -ENOMEM;
	kvfree(table);
	e->mm->start_stack = e->sp;
	return err;
}

int exec_map_stack(struct exec *e)
{
	size_t fixed = PAGE_ALIGN(e->strings_len + 8), pointers = (size_t)(e->argc + e->envc) * 8;
	size_t slack = min(STACK_SLACK, ALIGN_DOWN(rlimit(RLIMIT_STACK), PAGE_SIZE));
	long err;

	pointers += layout_stack_slack(e->prog.layout);
	slack = max(slack, PAGE_ALIGN(pointers + PAGE_SIZE)); /* auxv and the like: below a page */
	err = mm_map_stack(e->mm, e->stack_top, fixed + slack, e->prog.exec_stack);
	return err < 0 ? (int)err : 0;
}

int exec_fill_stack(struct exec *e)
{
	struct stack_writer w = {.mm = e->mm, .p = e->stack_top - 8, .flushed = e->stack_top - 8};
	int err;

	w.page = get_free_page(GFP_KERNEL);
	if (!w.page)
		return -ENOMEM;
	err = put_strings(e, &w);
	free_page(w.page);
	return err ? err : put_pointers(e, w.p);
}
