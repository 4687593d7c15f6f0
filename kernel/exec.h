/* SPDX-License-Identifier: MIT */
/* Between exec.c (the call), exec_stack.c (arguments and stack) and elf.c (the format). */
#pragma once

#include <kernel/task.h>
#include <kernel/x86/uaccess.h>

#define EXEC_HEAD_SIZE   256 /* of the file: tells #! from ELF */
#define MAX_INTERPRETERS 5   /* #! upon #! */

struct elf_program {
	struct elf_image *image, *interp; /* headers, between elf_open() and elf_close() */
	struct file *interp_file;
	bool exec_stack;
	int layout; /* LAYOUT_…: for elf_load() */
	/* set by elf_load() */
	vaddr_t entry;       /* the program's (AT_ENTRY) */
	vaddr_t start;       /* where the CPU begins: the interpreter's entry, or the program's */
	vaddr_t interp_base; /* AT_BASE */
	vaddr_t phdr_addr;   /* AT_PHDR */
	unsigned int phnum;
};

/* Reads and checks the headers of file and of its interpreter. 0, -ENOEXEC, -ENOMEM, or what opening
 * the interpreter gave. elf_close() in any case. */
int elf_open(struct elf_program *p, struct file *file, const char *head);
/* Maps both into mm, which already has its stack, and sets mm's layout fields. 0 or -errno. */
int elf_load(struct elf_program *p, struct mm_struct *mm, struct file *file);
void elf_close(struct elf_program *p);

/* sigframe.c: the most a signal frame takes from a stack (AT_MINSIGSTKSZ). */
size_t sigframe_max_size(void);

/* One string: the user's, or (scripts, init) the kernel's. */
struct arg {
	const char *str;
	size_t len; /* with the NUL; later: */
	vaddr_t addr;
	bool kernel;
};

struct exec {
	int dfd; /* as the call was given it */
	const char *path;
	unsigned int lookup_flags;
	char *fd_name;        /* kmalloc'ed: "/dev/fd/N/path" for one below an open directory */
	const char *filename; /* that, or path: what the program sees as its own name */
	struct file *file;    /* the program itself, after #! */
	char head[EXEC_HEAD_SIZE];
	struct arg prefix[2 * MAX_INTERPRETERS + 1]; /* of #!, the first one last */
	int nr_prefix;
	struct arg *args; /* argv, then envp: within args_room */
	struct arg *args_room;
	int argc, envc;
	size_t strings_len;
	struct mm_struct *mm;
	struct elf_program prog;
	struct cred cred;
	bool setid;
	u32 personality;
	vaddr_t stack_top, sp, execfn;
};

/* The arrays of the call: the user's, or the kernel's (init). */
struct arg_source {
	const void *vec;
	bool kernel;
};

/* exec_stack.c: what is asked for, measured; a stack of the right size; what it holds. 0 or -errno. */
int exec_arguments(struct exec *e, const struct arg_source *argv, const struct arg_source *envp);
int exec_add_prefix(struct exec *e);
int exec_map_stack(struct exec *e);
int exec_fill_stack(struct exec *e);
