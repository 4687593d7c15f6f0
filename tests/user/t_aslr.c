/* SPDX-License-Identifier: MIT */
/*
 * Where exec puts a program: at random, with as many bits as Linux has, or, if that is switched off,
 * where it lay last time.
 *
 * The programs are made by hand. Each stops itself, so that its parent can look at it in /proc: one
 * with a fixed address ("exec"), a position-independent one ("static"), and one with an interpreter
 * ("pie"; the interpreter is "ld").
 */
#include "utest.h"

#include <elf.h>
#include <sys/personality.h>

#define TOP      0x7ffffffff000UL /* the end of user memory */
#define PIE_BASE 0x555555554000UL
#define EXEC_AT  0x400000UL
#define MIB      (1UL << 20)
#define GIB      (1UL << 30)
#define GUARD    MIB /* below the stack: 256 pages */
#define RUNS     64

static void make(const char *name, int type, const char *interp)
{
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph[2];
		unsigned char code[24];
		char interp[8];
	} f = {
		.eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		       .e_type = type,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_phoff = offsetof(__typeof__(f), ph),
		       .e_ehsize = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = interp ? 2 : 1},
		.ph = {{.p_type = PT_LOAD,
			.p_flags = PF_R | PF_W |
				   PF_X, /* Linux clears what follows in an interpreter's page */
			.p_filesz = sizeof(f),
			.p_memsz = sizeof(f),
			.p_align = PAGE},
		       {.p_type = PT_INTERP,
			.p_flags = PF_R,
			.p_offset = offsetof(__typeof__(f), interp)}},
		/* kill(getpid(), SIGSTOP) */
		.code = {0xb8, 39, 0,    0,  0, 0x0f, 0x05, 0x89, 0xc7, 0xbe, 19,  0,
			 0,    0,  0xb8, 62, 0, 0,    0,    0x0f, 0x05, 0x0f, 0x0b},
	};

	f.ph[0].p_vaddr = type == ET_EXEC ? EXEC_AT : 0;
	f.eh.e_entry = f.ph[0].p_vaddr + offsetof(__typeof__(f), code);
	if (interp) {
		strcpy(f.interp, interp);
		f.ph[1].p_filesz = f.ph[1].p_memsz = strlen(interp) + 1;
	}
	close(ut_file(name, &f, sizeof(f)));
	OK(chmod(name, 0755));
}

static void make_all(void)
{
	make("exec", ET_EXEC, NULL);
	make("static", ET_DYN, NULL);
	make("ld", ET_DYN, NULL);
	make("pie", ET_DYN, "./ld");
}

/* What a run looked like. */
struct place {
	unsigned long image, interp_end, stack_end, sp, args, brk, flags, personality;
};

static unsigned long stat_field(const char *stat, int n)
{
	const char *p = strrchr(stat, ')') + 1;

	for (int i = 3; i < n; i++)
		p = strchr(p + 1, ' ');
	return strtoul(p, NULL, 10);
}

static struct place look(pid_t pid)
{
	static char buf[8192];
	struct place at = {0};
	char path[64];

	sprintf(path, "/proc/%d/maps", pid);
	OK(ut_slurp(path, buf, sizeof(buf)));
	for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long start, end;
		char *name = strrchr(line, ' ') + 1;

		REQUIRE(sscanf(line, "%lx-%lx", &start, &end) == 2);
		if (!strcmp(name, "[stack]"))
			at.stack_end = end;
		else if (strstr(name, "/ld"))
			at.interp_end = end;
		else if (strstr(name, "/pie") || strstr(name, "/static") || strstr(name, "/exec"))
			at.image = start;
	}
	sprintf(path, "/proc/%d/stat", pid);
	OK(ut_slurp(path, buf, sizeof(buf)));
	at.flags = stat_field(buf, 9);
	at.sp = stat_field(buf, 28);
	at.brk = stat_field(buf, 47);
	at.args = stat_field(buf, 48);
	sprintf(path, "/proc/%d/personality", pid);
	OK(ut_slurp(path, buf, sizeof(buf)));
	at.personality = strtoul(buf, NULL, 16);
	return at;
}

/* Runs it once: persona and the stack's limit are set before, unless they are 0; uid too. */
static struct place sample_as(const char *program, unsigned long persona, rlim_t stack, uid_t uid)
{
	int st;
	pid_t pid = CHILD({
		struct rlimit r = {stack, RLIM_INFINITY};

		if (stack)
			OK(setrlimit(RLIMIT_STACK, &r));
		if (uid)
			OK(setuid(uid));
		if (persona)
			OK(personality(persona));
		execl(program, program, NULL);
		FAIL("exec of %s: %s", program, strerror(errno));
	});

	OK(waitpid(pid, &st, WUNTRACED));
	REQUIRE(WIFSTOPPED(st));
	struct place at = look(pid);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
	return at;
}

static struct place sample(const char *program, unsigned long persona, rlim_t stack)
{
	return sample_as(program, persona, stack, 0);
}

/* Every bit of the mask is set in some and clear in others, in about half of the runs each: fewer
 * than 10 of 64 happen once in 10^8. */
static void check_bits(const char *what, const unsigned long *v, unsigned long mask)
{
	for (int bit = 0; bit < 48; bit++) {
		int set = 0;

		for (int i = 0; i < RUNS; i++)
			set += v[i] >> bit & 1;
		if ((mask >> bit & 1) && (set < 10 || set > RUNS - 10))
			FAIL("%s: bit %d is set in %d of %d runs", what, bit, set, RUNS);
	}
}

static int distinct(const unsigned long *v)
{
	int n = 0;

	for (int i = 0; i < RUNS; i++) {
		int seen = 0;

		for (int j = 0; j < i; j++)
			seen |= v[j] == v[i];
		n += !seen;
	}
	return n;
}

static void check_range(const char *what, unsigned long v, unsigned long low, unsigned long high)
{
	if (v < low || v > high)
		FAIL("%s: %#lx is not in [%#lx, %#lx]", what, v, low, high);
}

#define PAGES(bits) (((1UL << (bits)) - 1) << 12)

TEST(bits, "bits of an address that do not vary, too few of them, or two places that move together")
{
	static unsigned long stack[RUNS], sp[RUNS], image[RUNS], interp[RUNS], brk[RUNS],
		diff[3][RUNS];

	make_all();
	for (int i = 0; i < RUNS; i++) {
		struct place at = sample("./pie", 0, 0);

		stack[i] = at.stack_end;
		sp[i] = at.sp;
		image[i] = at.image;
		interp[i] = at.interp_end;
		brk[i] = at.brk - at.image;
		diff[0][i] = at.stack_end - at.interp_end;
		diff[1][i] = at.interp_end - at.image;
		diff[2][i] = at.stack_end - at.sp;
	}
	check_bits("stack", stack, PAGES(22));
	check_bits("stack pointer", sp, 0xff0);
	check_bits("program", image, PAGES(28));
	check_bits("interpreter", interp, PAGES(28));
	check_bits("heap", brk, PAGES(18));
	/* two of 64 are the same: of 2^22 places once in 2000, of 2^18 once in 130 */
	CHECK(distinct(stack) >= RUNS - 3);
	CHECK(distinct(image) >= RUNS - 2);
	CHECK(distinct(interp) >= RUNS - 2);
	CHECK(distinct(brk) >= RUNS - 3);
	CHECK(distinct(diff[0]) >= RUNS - 2);
	CHECK(distinct(diff[1]) >= RUNS - 2);
	CHECK(distinct(diff[2]) >= RUNS - 16);
}

TEST(ranges, "a place out of its range, or not aligned")
{
	make_all();
	for (int i = 0; i < 16; i++) {
		struct place at = sample("./pie", 0, 0);

		check_range("stack", at.stack_end, TOP - 16 * GIB - 2 * PAGE, TOP);
		check_range("stack pointer", at.sp, at.stack_end - 3 * PAGE - 1024, at.stack_end);
		check_range("arguments", at.args, at.sp, at.stack_end);
		check_range("program", at.image, PIE_BASE, PIE_BASE + PAGES(28));
		check_range("heap", at.brk, at.image + PAGE, at.image + 2 * PAGE + GIB);
		/* the stack may grow to its limit of 8 MiB, whatever place it was given */
		check_range("interpreter", at.interp_end, TOP - 17 * GIB - PAGES(28),
			    TOP - 16 * GIB - 8 * MIB - GUARD);
		CHECK_EQ((at.stack_end | at.image | at.interp_end | at.brk) % PAGE, 0);
		CHECK_EQ(at.sp % 16, 0);
		CHECK(at.flags & 0x00400000); /* PF_RANDOMIZE */
	}
}

TEST(fixed_program, "a program with a fixed address that is moved, or a heap that is not behind it")
{
	struct place a, b;

	make_all();
	a = sample("./exec", 0, 0);
	b = sample("./exec", 0, 0);
	CHECK(a.image == EXEC_AT && b.image == EXEC_AT);
	CHECK(a.stack_end != b.stack_end);
	CHECK(a.brk != b.brk);
	check_range("heap", a.brk, EXEC_AT + PAGE, EXEC_AT + 2 * PAGE + GIB);
	check_range("heap", b.brk, EXEC_AT + PAGE, EXEC_AT + 2 * PAGE + GIB);
}

TEST(no_interpreter,
     "a static PIE among programs, where it is in the way of what it may load itself")
{
	make_all();
	for (int i = 0; i < 8; i++) {
		struct place at = sample("./static", 0, 0);

		check_range("program", at.image, TOP - 17 * GIB - PAGES(28), TOP - 16 * GIB);
		check_range("heap", at.brk, PIE_BASE + PAGE, PIE_BASE + PAGE + GIB);
	}
}

static void check_fixed(const struct place *at)
{
	CHECK_EQ(at->stack_end, TOP);
	CHECK_EQ(at->image, PIE_BASE);
	CHECK_EQ(at->interp_end, TOP - 128 * MIB);
	CHECK_EQ(at->brk, PIE_BASE + PAGE);
	CHECK(!(at->flags & 0x00400000));
}

TEST(switched_off, "personality(ADDR_NO_RANDOMIZE) without effect, or lost at exec")
{
	struct place first, at;

	make_all();
	first = sample("./pie", ADDR_NO_RANDOMIZE, 0);
	check_fixed(&first);
	CHECK_EQ(first.personality, ADDR_NO_RANDOMIZE);
	for (int i = 0; i < 4; i++) {
		at = sample("./pie", ADDR_NO_RANDOMIZE, 0);
		CHECK_EQ(at.sp, first.sp);
		check_fixed(&at);
	}
	at = sample("./static", ADDR_NO_RANDOMIZE, 0);
	CHECK_EQ(at.image, TOP - 128 * MIB - PAGE);
	CHECK_EQ(at.brk, PIE_BASE + PAGE); /* out of the way of mappings and the stack */
	at = sample("./exec", ADDR_NO_RANDOMIZE, 0);
	CHECK_EQ(at.image, EXEC_AT);
	CHECK_EQ(at.brk, EXEC_AT + PAGE);
}

int ut_helper(int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], "--then"))
		return -1;
	execl(argv[2], argv[2], NULL);
	return 99;
}

TEST(switched_off_for_children, "a personality that does not last over fork and a second exec")
{
	char self[256] = "";
	int st;

	make_all();
	OK(readlink("/proc/self/exe", self, sizeof(self) - 1));
	OK(personality(ADDR_NO_RANDOMIZE));
	pid_t pid = CHILD({ execl(self, "x", "--then", "./pie", NULL); });
	OK(waitpid(pid, &st, WUNTRACED));
	REQUIRE(WIFSTOPPED(st));
	struct place at = look(pid);
	check_fixed(&at);
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}

#define SYSCTL "/proc/sys/kernel/randomize_va_space"

TEST(sysctl, "kernel.randomize_va_space without effect, or 1 taken for 2")
{
	struct place a, b;
	char was[16];

	make_all();
	OK(ut_slurp(SYSCTL, was, sizeof(was)));
	CHECK_STR(was, "2\n");
	ut_spew(SYSCTL, "0");
	a = sample("./pie", 0, 0);
	ut_spew(SYSCTL, "1");
	b = sample("./pie", 0, 0);
	ut_spew(SYSCTL, was);
	check_fixed(&a);
	CHECK_EQ(a.personality, 0);
	CHECK(b.stack_end != TOP || b.image != PIE_BASE);
	CHECK_EQ(b.brk, b.image + PAGE);
}

TEST(setuid_program, "a set-user-id program whose caller chooses that it is not randomised")
{
	struct place at;

	make_all();
	OK(chown("pie", 1001, 1001));
	OK(chmod("pie", 04755));
	OK(chmod(".", 0755));
	at = sample_as("./pie", ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS, 0, 1000);
	CHECK_EQ(at.personality, STICKY_TIMEOUTS);
	CHECK(at.stack_end != TOP || at.image != PIE_BASE);
}

TEST(stack_room, "mappings where the stack may grow, by its limit")
{
	struct place at;

	make_all();
	at = sample("./pie", ADDR_NO_RANDOMIZE, 64 * MIB);
	CHECK_EQ(at.interp_end, TOP - 128 * MIB);
	at = sample("./pie", ADDR_NO_RANDOMIZE, 4 * GIB);
	CHECK_EQ(at.interp_end, TOP - 4 * GIB - GUARD);
	at = sample("./pie", ADDR_NO_RANDOMIZE, RLIM_INFINITY);
	CHECK_EQ(at.interp_end, (TOP / 6 + PAGE - 1) & ~(PAGE - 1));
	CHECK_EQ(at.image, PIE_BASE); /* above the mappings */
	at = sample("./pie", 0, 4 * GIB);
	CHECK(at.interp_end <= at.stack_end - 4 * GIB - GUARD);
	at = sample("./pie", 0, RLIM_INFINITY);
	check_range("program", at.image, PIE_BASE, PIE_BASE + PAGES(28));
}

TEST(small_stack, "an exec that fails, or starts without room, as its stack's end is moved")
{
	make_all();
	for (int i = 0; i < 16; i++) {
		struct place at = sample("./exec", 0, 16 * PAGE);

		CHECK_EQ(at.sp % 16, 0);
		CHECK(at.args > at.sp);
	}
}
