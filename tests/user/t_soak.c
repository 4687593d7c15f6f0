/* SPDX-License-Identifier: MIT */
/*
 * Everything at once, for as long as the command line says (soak=600, seconds; else a few).
 *
 * Some programs of this folder run beside one another, chosen at random: threads that map and fault,
 * forks and execs, pipes, files, signals, futexes. Each has to pass as it does alone, and in the end
 * the kernel's memory has to be what it was before (Octavo tells, by owner).
 */
#include "ledger.h"
#include "smp.h"

enum { AT_ONCE = 4 };

/* Those that rest neither on the time that something takes nor on the whole machine's figures. */
static const char *const programs[][2] = {
	{"t_smp", "stress"},        {"t_smp", "stress"},       {"t_smp", "fork"},
	{"t_smp", "exit_group"},    {"t_smp", "exit_thread"},  {"t_smp", "killed"},
	{"t_smp", "exec"},          {"t_smp", "vfork"},        {"t_smp", "signals"},
	{"t_smp", "robust"},        {"t_smp", "munmap_stack"}, {"t_smp", "proc"},
	{"t_smpsync", "futex"},     {"t_smpsync", "ring"},     {"t_smpsync", "membarrier_private"},
	{"t_smpsync", "clock"},     {"t_tlb", "munmap"},       {"t_tlb", "cow_fork"},
	{"t_tlb", "truncate"},      {"t_tlb", "mremap_table"}, {"t_pthread", "mutexes"},
	{"t_pthread", "exec_race"}, {"t_pthread", "many"},     {"t_vmrandom", NULL},
	{"t_filerandom", NULL},     {"t_pipe", NULL},          {"t_mmap", NULL},
};
enum { PROGRAMS = sizeof(programs) / sizeof(*programs) };

static struct slot {
	pid_t pid;
	int program;
} slots[AT_ONCE];
static unsigned long runs;

static void out_name(char *buf, size_t len, const struct slot *s)
{
	snprintf(buf, len, "out%d", (int)(s - slots));
}

static void begin(struct slot *s, int program)
{
	char path[64], out[16];

	snprintf(path, sizeof(path), "/tests/%s", programs[program][0]);
	out_name(out, sizeof(out), s);
	s->program = program;
	s->pid = CHILD({
		int fd = OK(open(out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
		setpgid(0, 0);
		OK(dup2(fd, 1));
		OK(dup2(fd, 2));
		execl(path, path, programs[program][1], NULL);
		_exit(127);
	});
}

/* What the program said of its failure. */
static void tell(const struct slot *s, int st)
{
	static char text[16384];
	char out[16];

	out_name(out, sizeof(out), s);
	if (ut_slurp(out, text, sizeof(text)) < 0)
		*text = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, "ok ", 3) != 0)
			ut_note("%s", line[0] == '#' ? line + 2 : line);
	FAIL("%s %s: wait status %#x", programs[s->program][0],
	     programs[s->program][1] ? programs[s->program][1] : "", st);
}

static void end_one(void)
{
	int st;
	pid_t pid = OK(waitpid(-1, &st, 0));

	for (int i = 0; i < AT_ONCE; i++)
		if (slots[i].pid == pid) {
			slots[i].pid = 0;
			runs++;
			if (st)
				tell(&slots[i], st);
		}
}

static struct slot *free_slot(void)
{
	for (int i = 0; i < AT_ONCE; i++)
		if (!slots[i].pid)
			return &slots[i];
	return NULL;
}

static void end_all(void)
{
	for (int i = 0; i < AT_ONCE; i++)
		while (slots[i].pid)
			end_one();
	for (int i = 0; i < AT_ONCE; i++) {
		char out[16];
		out_name(out, sizeof(out), &slots[i]);
		unlink(out);
	}
}

static void soak(long until)
{
	unsigned long rand = 88172645463325252UL;
	long told = ut_now_ms();

	while (ut_now_ms() < until) {
		begin(free_slot(), (int)(smp_rand(&rand) % PROGRAMS));
		if (!free_slot())
			end_one();
		if (ut_now_ms() - told >= 20000) {
			told = ut_now_ms();
			ut_note("%lu programs have run, %ld s are left", runs,
				(until - told) / 1000);
		}
	}
	end_all();
}

static long seconds(void)
{
	char buf[4096] = "";
	char *p;

	ut_slurp("/proc/cmdline", buf, sizeof(buf));
	p = strstr(buf, " soak=");
	return p ? atol(p + 6) : smp_cpus() > 1 ? 5 : 0;
}

static __attribute__((constructor)) void more_time(void)
{
	ut_seconds = (unsigned)seconds() + 300; /* the last programs end by themselves */
}

TEST_MEM(everything, 120, "programs that disturb one another, memory lost, or a hang")
{
	static char was[LEDGER_SIZE];

	if (!seconds())
		SKIP("needs 2 processors");
	ut_msleep(300);
	OK(mlockall(MCL_CURRENT)); /* our own pages are there */
	OK(munlockall());
	soak(ut_now_ms() + 1000); /* what is made once and stays */
	ledger_still(was);
	soak(ut_now_ms() + seconds() * 1000);
	ledger_compare("a run", was);
	ut_note("%lu programs have run", runs);
}
