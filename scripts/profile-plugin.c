/* SPDX-License-Identifier: MIT */
/*
 * A QEMU TCG plugin: which function executes how many instructions, called from where (scripts/profile).
 *
 *	-plugin FILE.so,symbols=FILE,out=FILE
 *
 * symbols: lines of "ADDRESS FUNCTION ENTRY", sorted; the function is a number, ENTRY says whether its
 * first instruction is there. The first three functions are marks: counting begins after 0, ends at 1,
 * and forgets at 2. out: lines of "NODE PARENT FUNCTION SELF CALLS", one for each different stack.
 *
 * Nobody tells a plugin about calls, so the stack is followed by addresses: a function's first
 * instruction is a call (or a tail call), any other place in another function is a return to where that
 * function stands in the stack. If it does not stand there, then somebody else goes on, after a switch
 * of tasks or a signal, and a new stack begins. A loop that jumps to its function's first instruction
 * would be taken for a call; one instruction that repeats (rep) is not.
 *
 * Every instruction calls back, so that one that faults in the middle of a block is not counted with
 * what would have followed. One CPU.
 *
 * Distributions do not ship qemu-plugin.h; these declarations are those of its documented interface.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
					   void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *,
					    void (*)(unsigned int, void *),
					    enum qemu_plugin_cb_flags, void *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { BEGIN, END, RESET, SYMBOLS = 1 << 16, NODES = 1 << 18, DEPTH = 128 };

static struct symbol {
	uint64_t address;
	uint32_t function, entry;
} symbols[SYMBOLS];
static int count;

static struct node {
	uint32_t parent, function, child, next;
	uint64_t self, calls;
} nodes[NODES]; /* 0 is the root */
static uint32_t used = 1, here;
static uint64_t last_address;
static const char *out;
static int counting;

static uint32_t child_of(uint32_t parent, uint32_t function)
{
	for (uint32_t n = nodes[parent].child; n; n = nodes[n].next)
		if (nodes[n].function == function)
			return n;
	if (used == NODES)
		abort();
	nodes[used] = (struct node){.parent = parent, .function = function,
				    .next = nodes[parent].child};
	return nodes[parent].child = used++;
}

static int depth(uint32_t n)
{
	int d = 0;

	for (; n; n = nodes[n].parent)
		d++;
	return d;
}

static uint32_t returned_to(uint32_t function)
{
	for (uint32_t n = here; n; n = nodes[n].parent)
		if (nodes[n].function == function)
			return n;
	return child_of(0, function);
}

static void executed(unsigned int cpu, void *data)
{
	const struct symbol *s = data;
	uint64_t again = last_address;

	(void)cpu;
	last_address = s->address;
	if (s->function == RESET)
		used = 1, here = 0, memset(nodes, 0, sizeof(nodes[0]));
	if (s->function <= RESET) {
		counting = s->function == BEGIN ? 1 : 0;
		return;
	}
	if (!counting)
		return;
	if (s->entry && again != s->address) {
		here = child_of(depth(here) < DEPTH ? here : 0, s->function);
		nodes[here].calls++;
	} else if (nodes[here].function != s->function || !here) {
		here = returned_to(s->function);
	}
	nodes[here].self++;
}

/* What the callback of the instruction at this address is told. */
static struct symbol *place(uint64_t address)
{
	int low = 0, high = count;

	while (low < high) {
		int middle = (low + high) / 2;
		if (symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	struct symbol *s = malloc(sizeof(*s)); /* as long as the translation, which is for ever */
	if (!s)
		abort();
	*s = low ? symbols[low - 1] : (struct symbol){.function = RESET + 1};
	s->entry = low && s->entry && s->address == address;
	s->address = address;
	return s;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, QEMU_PLUGIN_CB_NO_REGS,
						       place(qemu_plugin_insn_vaddr(insn)));
	}
}

static void ended(qemu_plugin_id_t id, void *data)
{
	FILE *f = fopen(out, "w");

	(void)id, (void)data;
	for (uint32_t n = 1; f && n < used; n++)
		fprintf(f, "%u %u %u %llu %llu\n", n, nodes[n].parent, nodes[n].function,
			(unsigned long long)nodes[n].self, (unsigned long long)nodes[n].calls);
	if (f)
		fclose(f);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	unsigned long long address;
	FILE *f = NULL;

	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "symbols=", 8))
			f = fopen(argv[i] + 8, "r");
		else if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
	}
	if (!f || !out)
		return -1;
	while (count < SYMBOLS && fscanf(f, "%llx %u %u", &address, &symbols[count].function,
					 &symbols[count].entry) == 3)
		symbols[count++].address = address;
	fclose(f);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
