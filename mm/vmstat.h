/* SPDX-License-Identifier: MIT */
/*
 * Counters. Items (NR_*) are levels, events only go up. Both are per-CPU deltas folded on reading,
 * so that counting costs one instruction.
 */
#pragma once

#include <kernel/lib/types.h>
#include <kernel/x86/percpu.h>

/* Names as /proc/vmstat prints them, in Linux's order, those that Linux lacks last; X(id, "name").
 * Items of the whole machine, in pages. */
#define VMSTAT_ITEMS(X)                                         \
	X(NR_INACTIVE_ANON, "nr_inactive_anon")                 \
	X(NR_ACTIVE_ANON, "nr_active_anon")                     \
	X(NR_INACTIVE_FILE, "nr_inactive_file")                 \
	X(NR_ACTIVE_FILE, "nr_active_file")                     \
	X(NR_UNEVICTABLE, "nr_unevictable")                     \
	X(NR_MLOCK, "nr_mlock")                                 \
	X(NR_SLAB_RECLAIMABLE, "nr_slab_reclaimable")           \
	X(NR_SLAB_UNRECLAIMABLE, "nr_slab_unreclaimable")       \
	X(WORKINGSET_NODES, "workingset_nodes")                 \
	X(WORKINGSET_REFAULT_ANON, "workingset_refault_anon")   \
	X(WORKINGSET_REFAULT_FILE, "workingset_refault_file")   \
	X(WORKINGSET_ACTIVATE_ANON, "workingset_activate_anon") \
	X(WORKINGSET_ACTIVATE_FILE, "workingset_activate_file") \
	X(WORKINGSET_RESTORE_ANON, "workingset_restore_anon")   \
	X(WORKINGSET_RESTORE_FILE, "workingset_restore_file")   \
	X(WORKINGSET_NODERECLAIM, "workingset_nodereclaim")     \
	X(NR_ANON_MAPPED, "nr_anon_pages")                      \
	X(NR_FILE_MAPPED, "nr_mapped")                          \
	X(NR_FILE_PAGES, "nr_file_pages")                       \
	X(NR_FILE_DIRTY, "nr_dirty")                            \
	X(NR_WRITEBACK, "nr_writeback")                         \
	X(NR_SHMEM, "nr_shmem")                                 \
	X(NR_KSTACK, "nr_kernel_stack")                         \
	X(NR_PAGETABLE, "nr_page_table_pages")                  \
	X(NR_SWAPCACHED, "nr_swapcached")                       \
	X(NR_VMALLOC, "nr_vmalloc")

#define VMSTAT_EVENTS(X)                                             \
	X(PGPGIN, "pgpgin")                                          \
	X(PGPGOUT, "pgpgout")                                        \
	X(PSWPIN, "pswpin")                                          \
	X(PSWPOUT, "pswpout")                                        \
	X(PGALLOC_DMA, "pgalloc_dma")                                \
	X(PGALLOC_DMA32, "pgalloc_dma32")                            \
	X(PGALLOC_NORMAL, "pgalloc_normal")                          \
	X(PGFREE, "pgfree")                                          \
	X(PGFAULT, "pgfault")                                        \
	X(PGMAJFAULT, "pgmajfault")                                  \
	X(ALLOCSTALL_DMA, "allocstall_dma")                          \
	X(ALLOCSTALL_DMA32, "allocstall_dma32")                      \
	X(ALLOCSTALL_NORMAL, "allocstall_normal")                    \
	X(PGACTIVATE, "pgactivate")                                  \
	X(PGDEACTIVATE, "pgdeactivate")                              \
	X(PGSTEAL_KSWAPD, "pgsteal_kswapd")                          \
	X(PGSTEAL_DIRECT, "pgsteal_direct")                          \
	X(PGSCAN_KSWAPD, "pgscan_kswapd")                            \
	X(PGSCAN_DIRECT, "pgscan_direct")                            \
	X(PGSCAN_ANON, "pgscan_anon")                                \
	X(PGSCAN_FILE, "pgscan_file")                                \
	X(PGSTEAL_ANON, "pgsteal_anon")                              \
	X(PGSTEAL_FILE, "pgsteal_file")                              \
	X(PAGEOUTRUN, "pageoutrun")                                  \
	X(PGROTATED, "pgrotated")                                    \
	X(OOM_KILL, "oom_kill")                                      \
	X(PGMIGRATE_SUCCESS, "pgmigrate_success")                    \
	X(PGMIGRATE_FAIL, "pgmigrate_fail")                          \
	X(COMPACT_MIGRATE_SCANNED, "compact_migrate_scanned")        \
	X(COMPACT_FREE_SCANNED, "compact_free_scanned")              \
	X(COMPACT_ISOLATED, "compact_isolated")                      \
	X(COMPACT_STALL, "compact_stall")                            \
	X(COMPACT_FAIL, "compact_fail")                              \
	X(COMPACT_SUCCESS, "compact_success")                        \
	X(UNEVICTABLE_PGCULLED, "unevictable_pgs_culled")            \
	X(UNEVICTABLE_PGRESCUED, "unevictable_pgs_rescued")          \
	X(UNEVICTABLE_PGMLOCKED, "unevictable_pgs_mlocked")          \
	X(UNEVICTABLE_PGMUNLOCKED, "unevictable_pgs_munlocked")      \
	X(UNEVICTABLE_PGCLEARED, "unevictable_pgs_cleared")          \
	X(TLB_REMOTE_FLUSH, "nr_tlb_remote_flush")                   \
	X(TLB_REMOTE_FLUSH_RECEIVED, "nr_tlb_remote_flush_received") \
	X(TLB_LOCAL_FLUSH_ALL, "nr_tlb_local_flush_all")             \
	X(TLB_LOCAL_FLUSH_ONE, "nr_tlb_local_flush_one")             \
	X(SWAP_RA, "swap_ra")                                        \
	X(SWAP_RA_HIT, "swap_ra_hit")                                \
	X(PGALLOC_FALLBACK, "pgalloc_fallback")                      \
	X(COW_COPY, "cow_copy")                                      \
	X(COW_REUSE, "cow_reuse")                                    \
	X(ZERO_PAGE_MAP, "zero_page_map")                            \
	X(STACK_GROW, "stack_grow")                                  \
	X(FAULT_SPURIOUS, "fault_spurious")                          \
	X(FAULT_RETRY, "fault_retry")                                \
	X(OOM_REAP, "oom_reap")                                      \
	X(PGSTEAL_TWO_LIST, "pgsteal_two_list")                      \
	X(PGSTEAL_CLOCK, "pgsteal_clock")                            \
	X(PGSTEAL_FIFO, "pgsteal_fifo")                              \
	X(PGSTEAL_AGING, "pgsteal_aging")

#define X(id, name) id,
enum vmstat_item { VMSTAT_ITEMS(X) NR_VMSTAT_ITEMS };
enum vmstat_event { VMSTAT_EVENTS(X) NR_VMSTAT_EVENTS };
#undef X

struct vmstat_cpu {
	long item[NR_VMSTAT_ITEMS];
	unsigned long event[NR_VMSTAT_EVENTS];
};
DECLARE_PER_CPU(struct vmstat_cpu, vmstat_cpu);

static inline void mod_vmstat(enum vmstat_item i, long delta)
{
	this_cpu_add(vmstat_cpu.item[i], delta);
}
static inline void count_event(enum vmstat_event e)
{
	this_cpu_inc(vmstat_cpu.event[e]);
}
static inline void count_events(enum vmstat_event e, unsigned long n)
{
	this_cpu_add(vmstat_cpu.event[e], n);
}
unsigned long vmstat_item(enum vmstat_item i); /* summed; never below 0 */
unsigned long vmstat_event(enum vmstat_event e);
extern const char *const vmstat_item_name[NR_VMSTAT_ITEMS];
extern const char *const vmstat_event_name[NR_VMSTAT_EVENTS];
