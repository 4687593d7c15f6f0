/* SPDX-License-Identifier: MIT */
/*
 * Trace records: what memory management decided, when, and for whom (DESIGN.md decision 4).
 *
 * An event is a row of the table below: its id, its name under /proc/vmtrace, the text that its
 * arguments make (printf's; all of them are u64), at most six of them. A new one is a new row, and
 *
 *	trace(EVICT, pfn, swap);
 *
 * where it happens, with any lock held, in any context but an NMI. While the event is off that is one
 * branch, which is not taken; the arguments are evaluated only when it is on.
 */
#pragma once

#include <kernel/lib/bug.h>
#include <kernel/lib/types.h>

struct mm_struct;
struct mutex;

/* pfn, old, new: frames. free: pages in the machine. ret: what the system call returned. */
#define TRACE_EVENTS(X)                                                                              \
	/* flags: FAULT_FLAG_*; code: its case, and << 4 the one it began with, if it had to start \
	 * again; cost: ticks of the handler, and << 56 its enum vm_fault; memory: trace_memory() */ \
	X(FAULT, "fault", "addr=%#lx pte=%#lx->%#lx vma=%#lx cost=%#lx memory=%#lx")                 \
	X(COW, "cow", "addr=%#lx old=%#lx new=%#lx")                                                 \
	X(ALLOC_SLOW, "alloc_slow", "order=%lu gfp=%#lx free=%lu")                                   \
	X(ALLOC_FALLBACK, "alloc_fallback", "pfn=%#lx order=%lu wanted=%lu from=%lu")                \
	X(RECLAIM, "reclaim", "zone=%lu list=%lu scan=%lu freed=%lu priority=%lu free=%lu")          \
	X(EVICT, "evict", "pfn=%#lx anon=%lu")                                                       \
	X(SWAP_OUT, "swap_out", "pfn=%#lx swap=%#lx")                                                \
	X(SWAP_IN, "swap_in", "swap=%#lx pages=%lu")                                                 \
	X(KSWAPD_WAKE, "kswapd_wake", "free=%lu")                                                    \
	X(KSWAPD_SLEEP, "kswapd_sleep", "free=%lu")                                                  \
	X(COMPACT, "compact", "zone=%lu order=%lu moved=%lu result=%ld")                             \
	X(SHOOTDOWN, "shootdown", "start=%#lx end=%#lx cpus=%#lx")                                   \
	X(OOM, "oom", "victim=%lu rss=%lu swap=%lu adj=%ld free=%lu")                                \
	X(MMAP, "mmap", "addr=%#lx len=%#lx prot=%#lx flags=%#lx fd=%ld ret=%#lx")                   \
	X(MUNMAP, "munmap", "addr=%#lx len=%#lx ret=%ld")                                            \
	X(MPROTECT, "mprotect", "addr=%#lx len=%#lx prot=%#lx ret=%ld")                              \
	X(MREMAP, "mremap", "addr=%#lx old_len=%#lx new_len=%#lx flags=%#lx ret=%#lx")               \
	X(BRK, "brk", "addr=%#lx ret=%#lx")                                                          \
	X(MADVISE, "madvise", "addr=%#lx len=%#lx advice=%ld ret=%ld")                               \
	X(MLOCK, "mlock", "addr=%#lx len=%#lx flags=%#lx ret=%ld")                                   \
	X(MUNLOCK, "munlock", "addr=%#lx len=%#lx ret=%ld")                                          \
	X(FORK, "fork", "child=%lu flags=%#lx")                                                      \
	X(EXEC, "exec", "name=%.16s") /* its bytes in args 0 and 1 */                                \
	X(EXIT, "exit", "status=%#lx rss=%lu swap=%lu")

#define X(id, name, text) TRACE_##id,
enum trace_event { TRACE_EVENTS(X) NR_TRACE_EVENTS, TRACE_LOST = 0xfe, TRACE_META = 0xff };
#undef X

/* LOST: args[0] records of this CPU were overwritten before this one. META: fs/proc/vmtrace.c. */
struct trace_record {
	u64 time_ns; /* ktime_get() */
	u32 pid;     /* whose thread; 0: a CPU's idle thread */
	u8 event;    /* enum trace_event */
	u8 cpu;
	u8 code, flags; /* the event's own */
	u64 arg[6];
};
static_assert_size(struct trace_record, 64);

extern u32 trace_mask; /* BIT(event): on */

/* Not READ_ONCE(): the one instruction that tests a bit in memory will do. */
#define trace_on(id) unlikely((trace_mask & BIT(TRACE_##id)) != 0)
#define trace(id, ...)                                                      \
	do {                                                                \
		if (trace_on(id))                                           \
			trace_record(TRACE_##id, 0, (u64[6]){__VA_ARGS__}); \
	} while (0)

/* extra: code, and flags << 8. */
void trace_record(enum trace_event event, u32 extra, const u64 arg[6]);
/* Free pages of the machine (24 bits), pages of mm in memory (20) and in swap (20), from bit 0 up. */
u64 trace_memory(struct mm_struct *mm);

/* ---- for fs/proc/vmtrace.c; trace_control is held ---- */

#define TRACE_DEFAULT_KB 512UL

extern struct mutex trace_control;

/* Turns events on and off; makes rings if there are none. -ENOMEM: nothing has changed. */
int trace_set_mask(u32 mask) __must_check;
/* New, empty rings of kb each; 0: no rings, and no event is on. -ENOMEM: nothing has changed. */
int trace_set_size(unsigned long kb) __must_check;
unsigned long trace_size_kb(void);
/* Who is recorded: all (filter 0), or whose mm->trace_mark is this. Kernel threads and the OOM killer
 * always are. */
extern u32 trace_filter;
/* The oldest record, which is taken away, or a LOST one; in the order of time over all CPUs, up to a
 * moment that the caller took from ktime_get(). False: no more. */
bool trace_next(ktime_t until, struct trace_record *r);
/* Since the rings were made. */
void trace_stats(unsigned int cpu, u64 *written, u64 *lost, u64 *waiting);
