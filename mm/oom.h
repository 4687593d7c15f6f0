/* SPDX-License-Identifier: MIT */
/*
 * The OOM killer's interface: to the allocator, and to the table of processes, which mm does not know.
 */
#pragma once

#include <mm/mm.h>

#define OOM_SCORE_ADJ_MIN (-1000) /* never */
#define OOM_SCORE_ADJ_MAX 1000
#define OOM_NEVER         INT64_MIN

/* --- for the allocator ----------------------------------------------------------------------- */
/* One at a time; a kill goes on (oom_wait) until its memory is there. */
bool oom_trylock(void);
void oom_unlock(void);
/* Reclaim found nothing for this request. oom_trylock() held. True: somebody is giving memory up, so
 * wait and try again. False: nobody can, and the request may fail. */
bool out_of_memory(gfp_t gfp, int order) __must_check;
/* One process more goes, when the last victim has gone. False: there is none. Sleeps. */
bool oom_kill_by_hand(void) __must_check;
/* Until the victim's memory is there, a tick at most. Sleeps. */
void oom_wait(void);

/* --- from the table of processes (kernel/oom.c) ------------------------------------------------ */
struct oom_task {
	pid_t pid;
	u32 uid;
	int adj; /* oom_score_adj */
	ktime_t start;
	char comm[16];
	struct mm_struct *mm; /* its count is raised; NULL: has none */
	bool never;           /* init, a kernel thread, adj -1000, or shares its space with such */
	bool dying;           /* on its way out, and so are all who share its space */
};
struct oom_hooks {
	/* The next process that has a space, from pid on. Fills *t. False: none. */
	bool (*next)(pid_t from, struct oom_task *t);
	void (*self)(struct oom_task *t); /* the running one, whether or not it has a space */
	/* SIGKILL to all processes in mm; their threads may use the reserves. */
	void (*kill)(struct mm_struct *mm);
	void (*show_self)(void); /* CPU, process and backtrace into the log */
};
/* From here on a request that cannot be met kills. The caller then starts a thread in oom_reaper(). */
void oom_register(const struct oom_hooks *hooks);
int oom_reaper(void *unused);

/* --- policy ------------------------------------------------------------------------------------ */
struct oom_policy {
	const char *name;
	/* Who has most goes; the later of two with the same. */
	long (*points)(const struct oom_task *t);
};
/* The nth policy, or NULL; the first is the default. */
const struct oom_policy *oom_policy_nth(unsigned int n);
extern const struct oom_policy *oom_policy;
/* Linux's measure, in pages: memory and swap and tables, and adj thousandths of all there is. */
long oom_badness(struct mm_struct *mm, int adj);

extern int sysctl_panic_on_oom, sysctl_oom_kill_allocating_task, sysctl_oom_dump_tasks;
