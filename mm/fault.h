/* SPDX-License-Identifier: MIT */
/*
 * The page-fault handler's interface (the cases are drawn in fault.c).
 */
#pragma once

#include <kernel/lib/errno.h>
#include <mm/mm.h>

/* What the hardware says of it has the same bits in its error code. */
#define FAULT_FLAG_PRESENT  0x01u /* the hardware saw a present entry */
#define FAULT_FLAG_WRITE    0x02u
#define FAULT_FLAG_USER     0x04u /* from user mode (else the kernel touched user memory) */
#define FAULT_FLAG_REMOTE   0x08u /* for another space (mm_access) */
#define FAULT_FLAG_INSTR    0x10u
#define FAULT_FLAG_KILLABLE 0x20u
#define FAULT_FLAG_FORCE    0x40u /* whatever the vma allows (swapoff; with no other access) */
#define FAULT_FLAG_AHEAD    0x80u /* fault_ahead()'s own */

/* The cases of fault.c's picture, as /proc/vmtrace names them. */
#define FAULT_KINDS(X)                                 \
	X(NONE, "none") /* it did not come that far */ \
	X(STACK_GROWTH, "stack_growth")                \
	X(ANON_READ, "anon_read")                      \
	X(ANON_WRITE, "anon_write")                    \
	X(BEYOND_EOF, "beyond_eof")                    \
	X(FILE_READ, "file_read")                      \
	X(FILE_COW, "file_cow")                        \
	X(SHARED_WRITE, "shared_write")                \
	X(SHARED_MKWRITE, "shared_mkwrite")            \
	X(SWAP_IN, "swap_in")                          \
	X(ZERO_COW, "zero_cow")                        \
	X(COW_REUSE, "cow_reuse")                      \
	X(COW_COPY, "cow_copy")                        \
	X(SPURIOUS, "spurious")                        \
	X(MIGRATING, "migrating")
#define X(id, name) FAULT_KIND_##id,
enum fault_kind { FAULT_KINDS(X) NR_FAULT_KINDS };
#undef X
extern const char *const fault_kind_name[NR_FAULT_KINDS];

enum vm_fault {
	VM_FAULT_DONE,  /* repaired: go on */
	VM_FAULT_MAJOR, /* repaired, with I/O */
	VM_FAULT_SIGSEGV_MAPERR,
	VM_FAULT_SIGSEGV_ACCERR,
	VM_FAULT_SIGBUS,  /* beyond the end of the file (BUS_ADRERR), or an I/O error */
	VM_FAULT_OOM,     /* no memory: the caller's policy (DESIGN 9.11) */
	VM_FAULT_SIGKILL, /* a fatal signal came while waiting */
	VM_FAULT_RETRY,   /* inside the fault handler only: locks were dropped, start again */
};
typedef enum vm_fault vm_fault_t;

/* Repairs the fault at addr, or tells why it cannot. Sleeps; no locks held, interrupts on. Counts
 * minor and major faults. */
vm_fault_t handle_mm_fault(struct mm_struct *mm, vaddr_t addr, unsigned int fault_flags);
/* The same for pages ahead of use, from the page *addr on, below TASK_SIZE: one at least, and with it what
 * of anonymous memory up to end is still untouched and in the same vma and table. *addr: behind the last. */
vm_fault_t fault_ahead(struct mm_struct *mm, vaddr_t *addr, vaddr_t end, unsigned int fault_flags);

/* What a fault on behalf of a call means to it: 0, -ENOMEM, -EINTR or -EFAULT. */
static inline int vm_fault_errno(vm_fault_t f)
{
	switch (f) {
	case VM_FAULT_DONE:
	case VM_FAULT_MAJOR:
		return 0;
	case VM_FAULT_OOM:
		return -ENOMEM;
	case VM_FAULT_SIGKILL:
		return -EINTR;
	default:
		return -EFAULT;
	}
}

/* Faults addr in (write: for writing, breaking copy-on-write) and returns its page, referenced, so
 * that it can be used through the direct map. ERR_PTR(-EFAULT, -ENOMEM, -EINTR). Sleeps, no locks
 * held. The zero page comes without an extra reference: give it back with put_faulted_page(). */
struct page *fault_in_page(struct mm_struct *mm, vaddr_t addr, bool write);
void put_faulted_page(struct page *page);
