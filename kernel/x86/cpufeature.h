/* SPDX-License-Identifier: MIT */
/* What the processor can do, asked once at boot. */
#pragma once

#include <kernel/lib/types.h>

struct cpu_features {
	bool nx, pge, smep, smap, umip, fsgsbase, pdpe1gb, erms, rdrand, apic, tsc_deadline;
	bool fxsr, xsave, xsaveopt, avx, hypervisor, syscall;

	char vendor[13]; /* "GenuineIntel" */
	char model_name[49];
	unsigned int family, model, stepping;
	unsigned int phys_bits, virt_bits;
	unsigned int max_leaf, max_ext_leaf;
	u32 hwcap; /* AT_HWCAP: CPUID 1 edx */
};
extern struct cpu_features cpu_features;

#define __DEFINE_CPU_HAS(name)                  \
	static inline bool cpu_has_##name(void) \
	{                                       \
		return cpu_features.name;       \
	}
__DEFINE_CPU_HAS(nx)
__DEFINE_CPU_HAS(pge)
__DEFINE_CPU_HAS(smep)
__DEFINE_CPU_HAS(smap)
__DEFINE_CPU_HAS(umip)
__DEFINE_CPU_HAS(fsgsbase)
__DEFINE_CPU_HAS(pdpe1gb)
__DEFINE_CPU_HAS(erms)
__DEFINE_CPU_HAS(rdrand)
__DEFINE_CPU_HAS(apic)
__DEFINE_CPU_HAS(fxsr)
__DEFINE_CPU_HAS(xsave)
__DEFINE_CPU_HAS(xsaveopt)
__DEFINE_CPU_HAS(avx)
#undef __DEFINE_CPU_HAS

/* Fills cpu_features and pte_supported_mask. */
void cpufeature_init(void);
/* Turns on in the running CPU what there is: CR0.WP, CR4's PGE SMEP SMAP UMIP FSGSBASE. */
void cpufeature_enable(void);
/* The names of all features, as the "flags" line of /proc/cpuinfo. Returns the length written. */
int cpu_flags_string(char *buf, size_t n);
