/* SPDX-License-Identifier: MIT */
/* struct rusage of the ABI (getrusage(2), wait4(2)). */
#pragma once

#include <kernel/task.h>

struct rusage {
	s64 utime_sec, utime_usec, stime_sec, stime_usec;
	s64 maxrss; /* kB */
	s64 ixrss, idrss, isrss;
	s64 minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
static_assert_size(struct rusage, 144);

/* The process with the children it has waited for (wait4's view of a child). */
void process_rusage(struct process *p, struct rusage *ru);
