/* SPDX-License-Identifier: MIT */
/*
 * The machine's counters: one array per CPU, written with one instruction, summed on reading.
 *
 * A sum is not a snapshot: while CPUs count, it may mix older and newer values, and a level whose +1
 * was counted on one CPU and whose -1 on another may momentarily come out below 0; it is shown as 0.
 */
#include <mm/vmstat.h>

DEFINE_PER_CPU(struct vmstat_cpu, vmstat_cpu);

#define X(id, name) [id] = name,
const char *const vmstat_item_name[NR_VMSTAT_ITEMS] = {VMSTAT_ITEMS(X)};
const char *const vmstat_event_name[NR_VMSTAT_EVENTS] = {VMSTAT_EVENTS(X)};
#undef X

unsigned long vmstat_item(enum vmstat_item i)
{
	long sum = 0;

	for_each_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(&vmstat_cpu, cpu)->item[i]);
	return sum > 0 ? (unsigned long)sum : 0;
}

unsigned long vmstat_event(enum vmstat_event e)
{
	unsigned long sum = 0;

	for_each_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(&vmstat_cpu, cpu)->event[e]);
	return sum;
}
