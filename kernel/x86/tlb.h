/* SPDX-License-Identifier: MIT */
/* The running CPU's TLB. What other CPUs hold is mm/tlb's business. */
#pragma once

#include <kernel/x86/cpu.h>
#include <kernel/x86/pte.h>

/* Also drops a global entry, and the paging-structure caches. */
static inline void tlb_flush_local_page(vaddr_t va)
{
	invlpg(va);
}
/* All but global entries. */
static inline void tlb_flush_local_all(void)
{
	write_cr3(read_cr3());
}
/* Global entries too: needed after a change of kernel mappings. */
static inline void tlb_flush_local_global(void)
{
	unsigned long cr4 = read_cr4();

	if (cr4 & X86_CR4_PGE) {
		write_cr4(cr4 & ~X86_CR4_PGE);
		write_cr4(cr4);
	} else {
		tlb_flush_local_all();
	}
}
