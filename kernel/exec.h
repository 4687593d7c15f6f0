/* SPDX-License-Identifier: MIT */
/* Between exec.c (the call) and elf.c (the format). */
#pragma once

#include <kernel/lib/types.h>

struct file;
struct mm_struct;
struct elf64_phdr;

#define EXEC_HEAD_SIZE 256 /* of the file: tells #! from ELF */

struct elf_program {
	struct elf_image *image, *interp; /* headers, between elf_open() and elf_close() */
	struct file *interp_file;
	bool exec_stack;
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
