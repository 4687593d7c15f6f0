/* SPDX-License-Identifier: MIT */
/*
 * CPUID, asked once. Each protection is turned on only if the processor has it: setting a CR4 bit
 * that it lacks is a fault, which this early is a silent reset.
 */
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/lib/ticket_lock.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/fpu.h>
#include <kernel/x86/gdt.h>
#include <kernel/x86/irq.h>
#include <kernel/x86/percpu.h>
#include <kernel/x86/pte.h>
#include <kernel/x86/tsc.h>
#include <kernel/x86/x86.h>

extern char boot_stack_top[];

struct cpu_features cpu_features;
pteval_t pte_supported_mask = ~0UL;

/* The registers that feature flags come from, in the order in which Linux lists them. */
enum cpuid_word {
	CPUID_1_EDX,
	CPUID_EXT1_EDX,
	CPUID_1_ECX,
	CPUID_EXT1_ECX,
	CPUID_7_EBX,
	CPUID_D1_EAX,
	CPUID_7_ECX,
	NR_CPUID_WORDS,
};

static u32 words[NR_CPUID_WORDS];

/* Names as in Linux's /proc/cpuinfo, from bit 0 up; "-" has none. */
static const char *const flag_names[NR_CPUID_WORDS] = {
	[CPUID_1_EDX] = "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov "
			"pat pse36 - clflush - - - mmx fxsr sse sse2 ss ht",
	[CPUID_1_ECX] = "pni pclmulqdq - monitor - - - - - ssse3 - - fma cx16 - - - pcid - "
			"sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - "
			"avx f16c rdrand hypervisor",
	[CPUID_7_EBX] = "fsgsbase - - bmi1 - avx2 - smep bmi2 erms - - - - - - - - rdseed "
			"adx smap - - clflushopt clwb - - - - sha_ni",
	[CPUID_7_ECX] = "- - umip pku - - - - - - - - - - - - la57 - - - - - rdpid",
	[CPUID_EXT1_EDX] = "- - - - - - - - - - - syscall - - - - - - - - nx - mmxext - - - "
			   "pdpe1gb rdtscp - lm",
	[CPUID_EXT1_ECX] = "lahf_lm - - - - abm sse4a",
	[CPUID_D1_EAX] = "xsaveopt xsavec xgetbv1",
};

static bool has(enum cpuid_word word, unsigned int bit)
{
	return words[word] >> bit & 1;
}

static void read_words(void)
{
	struct cpuid_regs r = cpuid(1);

	words[CPUID_1_EDX] = r.edx;
	words[CPUID_1_ECX] = r.ecx;
	if (cpu_features.max_leaf >= 7) {
		r = cpuid(7);
		words[CPUID_7_EBX] = r.ebx;
		words[CPUID_7_ECX] = r.ecx;
	}
	if (cpu_features.max_leaf >= 0xd)
		words[CPUID_D1_EAX] = cpuid_count(0xd, 1).eax;
	if (cpu_features.max_ext_leaf >= 0x80000001) {
		r = cpuid(0x80000001);
		words[CPUID_EXT1_EDX] = r.edx;
		words[CPUID_EXT1_ECX] = r.ecx;
	}
}

static void read_identity(struct cpu_features *f)
{
	struct cpuid_regs r = cpuid(0);
	u32 sig;

	f->max_leaf = r.eax;
	memcpy(f->vendor, &r.ebx, 4);
	memcpy(f->vendor + 4, &r.edx, 4);
	memcpy(f->vendor + 8, &r.ecx, 4);

	sig = cpuid(1).eax;
	f->stepping = sig & 0xf;
	f->model = sig >> 4 & 0xf;
	f->family = sig >> 8 & 0xf;
	if (f->family == 0x6 || f->family == 0xf)
		f->model |= (sig >> 16 & 0xf) << 4;
	if (f->family == 0xf)
		f->family += sig >> 20 & 0xff;

	f->phys_bits = 36;
	f->virt_bits = 48;
	f->max_ext_leaf = cpuid(0x80000000).eax;
	if (f->max_ext_leaf >= 0x80000004)
		for (u32 i = 0; i < 3; i++) {
			r = cpuid(0x80000002 + i);
			memcpy(f->model_name + 16 * i, &r, 16);
		}
	memmove(f->model_name, strim(f->model_name), strlen(strim(f->model_name)) + 1);
	if (f->max_ext_leaf >= 0x80000008) {
		r = cpuid(0x80000008);
		f->phys_bits = r.eax & 0xff;
		f->virt_bits = r.eax >> 8 & 0xff;
	}
}

void cpufeature_init(void)
{
	struct cpu_features *f = &cpu_features;

	read_identity(f);
	read_words();
	f->hwcap = words[CPUID_1_EDX];
	f->nx = has(CPUID_EXT1_EDX, 20);
	f->syscall = has(CPUID_EXT1_EDX, 11);
	f->pdpe1gb = has(CPUID_EXT1_EDX, 26);
	f->pge = has(CPUID_1_EDX, 13);
	f->apic = has(CPUID_1_EDX, 9);
	f->fxsr = has(CPUID_1_EDX, 24);
	f->xsave = has(CPUID_1_ECX, 26);
	f->avx = has(CPUID_1_ECX, 28) && f->xsave;
	f->tsc_deadline = has(CPUID_1_ECX, 24);
	f->rdrand = has(CPUID_1_ECX, 30);
	f->hypervisor = has(CPUID_1_ECX, 31);
	ticket_line = !f->hypervisor;
	f->xsaveopt = has(CPUID_D1_EAX, 0) && f->xsave;
	f->fsgsbase = has(CPUID_7_EBX, 0);
	f->smep = has(CPUID_7_EBX, 7);
	f->erms = has(CPUID_7_EBX, 9);
	f->smap = has(CPUID_7_EBX, 20);
	f->umip = has(CPUID_7_ECX, 2);

	if (!f->nx)
		pte_supported_mask &= ~_PAGE_NX;
	if (!f->pge)
		pte_supported_mask &= ~_PAGE_GLOBAL;
}

void cpufeature_enable(void)
{
	const struct cpu_features *f = &cpu_features;
	unsigned long cr4 = read_cr4();

	write_cr0((read_cr0() | X86_CR0_WP | X86_CR0_NE | X86_CR0_MP | X86_CR0_AM) &
		  ~(X86_CR0_EM | X86_CR0_TS));
	cr4 |= f->pge ? X86_CR4_PGE : 0;
	cr4 |= f->smep ? X86_CR4_SMEP : 0;
	cr4 |= f->smap ? X86_CR4_SMAP : 0;
	cr4 |= f->umip ? X86_CR4_UMIP : 0;
	cr4 |= f->fsgsbase ? X86_CR4_FSGSBASE : 0;
	write_cr4(cr4);
}

int cpu_flags_string(char *buf, size_t n)
{
	int len = 0;

	if (n)
		buf[0] = '\0';
	for (enum cpuid_word w = 0; w < NR_CPUID_WORDS; w++) {
		const char *name = flag_names[w];

		for (unsigned int bit = 0; *name; bit++) {
			size_t width = strcspn(name, " ");

			if (*name != '-' && has(w, bit))
				len += scnprintf(buf + len, n - (size_t)len, "%s%.*s",
						 len ? " " : "", (int)width, name);
			name += width + (name[width] != '\0');
		}
	}
	return len;
}

/* ---- stac and clac ---- */

struct smap_site {
	u64 addr;
	u64 insn; /* three bytes */
};
extern const struct smap_site smap_sites_entry[], smap_sites_entry_end[];
extern const struct smap_site smap_sites_usercopy[], smap_sites_usercopy_end[];

/* Text is still writable: the boot page tables know no protection. */
static void smap_patch(const struct smap_site *site, const struct smap_site *end)
{
	for (; site < end; site++)
		memcpy((void *)site->addr, &site->insn, 3);
}

void x86_early_init(void)
{
	percpu_init();
	cpufeature_init();
	if (cpu_has_smap()) {
		smap_patch(smap_sites_entry, smap_sites_entry_end);
		smap_patch(smap_sites_usercopy, smap_sites_usercopy_end);
	}
	idt_init();
	x86_init_cpu(NULL, (u64)boot_stack_top);
	pic_init();
	tsc_init();
}

void x86_init_cpu(void *ist_stacks, u64 kstack_top)
{
	gdt_init_cpu(ist_stacks, kstack_top);
	idt_load();
	syscall_init_cpu();
	cpufeature_enable();
	fpu_init_cpu();
}
