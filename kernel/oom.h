/* SPDX-License-Identifier: MIT */
/* Processes and the OOM killer: mm/oom.h. */
#pragma once

#include <kernel/task.h>
#include <mm/oom.h>

void oom_init(void); /* before init runs */
/* t->mm comes with its count raised: mm_put(). */
void oom_describe(struct process *p, struct oom_task *t);
/* Sets oom_score_adj, of all who share the space too. legacy: by oom_adj. 0 or -EACCES. */
int oom_set_adj(struct process *p, int adj, bool legacy) __must_check;
