/* SPDX-License-Identifier: MIT */
/*
 * Random programs: ELF files with some of their bytes changed, executed. Static ones of two kinds,
 * position-independent ones, ones with an interpreter (which is random too), files that are cut or
 * that have program headers beyond their end, scripts with random first lines. Whatever comes of it,
 * a refusal, a signal, or the right exit status, the kernel has to survive and to have all of its
 * memory back.
 *
 *	fuzz.seed=N  fuzz.programs=N  fuzz.program=N (the first one)
 */
#include "fuzz.h"

#include <elf.h>

#define CHECK_EVERY 500

struct program {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[6];
	unsigned char code[16];
	char interp[16];
	uint64_t note[4];
};

static const struct program good = {
	.eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	       .e_type = ET_EXEC,
	       .e_machine = EM_X86_64,
	       .e_version = EV_CURRENT,
	       .e_entry = 0x400000 + offsetof(struct program, code),
	       .e_phoff = offsetof(struct program, ph),
	       .e_ehsize = sizeof(Elf64_Ehdr),
	       .e_phentsize = sizeof(Elf64_Phdr),
	       .e_phnum = 3},
	.ph = {{PT_LOAD, PF_R | PF_X, 0, 0x400000, 0x400000, sizeof(struct program),
		sizeof(struct program), PAGE},
	       {PT_LOAD, PF_R | PF_W, 0, 0x402000, 0x402000, 64, 0x3000, PAGE},
	       {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16},
	       {PT_INTERP, PF_R, offsetof(struct program, interp), 0x400000, 0x400000, 8, 8, 1},
	       {PT_PHDR, PF_R, offsetof(struct program, ph), 0x400040, 0x400040, 336, 336, 8},
	       {PT_LOAD, PF_R, 0x1000, 0x406000, 0x406000, 0x800, 0x1800, PAGE}},
	/* mov $60, %eax; mov $33, %edi; syscall */
	.code = {0xb8, 60, 0, 0, 0, 0xbf, 33, 0, 0, 0, 0x0f, 0x05},
	.interp = "./other",
};

static void write_program(const char *name, const struct program *p, size_t n)
{
	int fd = OK(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755));

	CHECK_EQ(write(fd, p, n), n);
	if (below(2))
		OK(ftruncate(fd, (off_t)(n + below(0x2000))));
	close(fd);
}

/* Its wait status; a program that runs for ever does not. */
static int run_program(uint64_t number)
{
	struct itimerval it = {{0, 0}, {0, 20000}};
	int status = 0;
	pid_t pid = OK(fork());

	if (pid == 0) {
		char name[16], *argv[] = {name, "argument", NULL};
		struct rlimit as = {64 << 20, 64 << 20}, core = {0, 0};

		snprintf(name, sizeof(name), "e%lu", (unsigned long)number);
		prctl(PR_SET_NAME, name);
		signal(SIGALRM, SIG_DFL);
		setitimer(ITIMER_REAL, &it, NULL);
		setrlimit(RLIMIT_AS, &as);
		setrlimit(RLIMIT_CORE, &core);
		execve("p", argv, argv + 2);
		_exit(34);
	}
	OK(waitpid(pid, &status, 0));
	return status;
}

static void mutate(struct program *p)
{
	static const uint64_t values[] = {
		0,          1,           0xfff,     0x1000,         0x1001,         0x7fffffff,
		0x80000000, 0xffffffff,  1UL << 47, 0x7ffffffff000, 0x7fffffffe000, 1UL << 63,
		~0UL,       ~0UL - 4095, 0x400000,  0x402000,       0x7ffffffde000, 0x400fff,
	};
	unsigned char *b = (unsigned char *)p;

	for (int n = 1 + (int)below(3); n--;) {
		size_t at = below(offsetof(struct program, code) - 8);
		uint64_t v = PICK(values);

		switch (below(6)) {
		case 0:
		case 1:
			b[at] ^= (unsigned char)(1 << below(8));
			break;
		case 2: /* a program header becomes another */
			p->ph[below(6)].p_type = (uint32_t)below(9);
			break;
		case 3: /* half words of the file header */
			memcpy(b + (at % sizeof(p->eh) & ~1UL), &v, 2);
			break;
		default:
			memcpy(b + (at & ~7UL), &v, 8);
		}
	}
}

static void make_shape(struct program *p)
{
	p->eh.e_phnum = (uint16_t)PICK(((const int[]){3, 3, 4, 4, 6}));
	p->eh.e_type = below(3) ? ET_EXEC : ET_DYN;
	if (below(4) == 0) /* based at 0, as those that may lie anywhere are */
		for (int i = 0; i < 6; i++)
			p->ph[i].p_vaddr -= 0x400000 * (p->ph[i].p_vaddr != 0);
}

static void write_script(void)
{
	char line[300];
	int n = snprintf(line, sizeof(line), "#!%s%s", below(2) ? "./" : " ",
			 below(3) ? "p" : "other");

	while (n < 290 && below(8))
		line[n++] = (char)PICK(((const char[]){' ', '\t', 'x', '/', 0, '\n', (char)0xff}));
	line[n++] = '\n';
	close(ut_file(below(2) ? "p" : "other", line, (size_t)n));
}

static void one_program(uint64_t seed, uint64_t number, int *ran)
{
	struct program p = good, other = good;

	state = (seed << 40) + number;
	make_shape(&p);
	make_shape(&other);
	mutate(&p);
	if (below(2))
		mutate(&other);
	unlink("p");
	unlink("other");
	write_program("p", &p, below(20) ? sizeof(p) : below(sizeof(p)));
	write_program("other", &other, below(20) ? sizeof(other) : below(sizeof(other)));
	if (below(30) == 0) {
		write_script();
		chmod("p", 0755);
		chmod("other", 0755);
	}
	*ran += run_program(number) == 33 << 8;
}

int main(void)
{
	uint64_t seed = option("fuzz.seed=", 1), programs = option("fuzz.programs=", 1500);
	uint64_t first = option("fuzz.program=", 0), i;
	int ran = 0, bad = 0;

	printf("1..1\n");
	OK(mkdir("/tmp/elf", 0755));
	OK(chdir("/tmp/elf"));
	for (i = first; i < first + programs && !bad; i++) {
		one_program(seed, i, &ran);
		if (i == first + 50)
			ledger_begin();
		else if (i > first + 50 && i % CHECK_EVERY == 0)
			bad = ledger_differs();
		if (i % 2000 == 1999)
			ut_note("%lu programs", (unsigned long)(i + 1 - first));
	}
	bad |= ledger_differs();
	write_program("p", &good, sizeof(good));
	if (run_program(i) != 33 << 8 ||
	    (programs > 500 && ((uint64_t)ran < programs / 20 || (uint64_t)ran == programs))) {
		ut_note("%d of %lu programs ran", ran, (unsigned long)programs);
		bad = 1;
	}
	if (bad)
		ut_note("again: fuzz.seed=%lu fuzz.programs=%lu fuzz.program=%lu",
			(unsigned long)seed, (unsigned long)programs, (unsigned long)first);
	OK(chdir("/"));
	unlink("/tmp/elf/p");
	unlink("/tmp/elf/other");
	rmdir("/tmp/elf");
	ut_note("%d of %lu programs ran to their end", ran, (unsigned long)programs);
	printf("%sok 1 fuzz.elf\n", bad ? "not " : "");
	return bad;
}
