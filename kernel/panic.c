/* SPDX-License-Identifier: MIT */
/*
 * The kernel's last words: panic, oops, warnings, and what they print.
 *
 * Everything here may run with any lock held, on any stack and in any state of the data, so it
 * allocates nothing, takes no lock but the log's (which a report does not wait for for ever), and reads
 * memory that might be bad only through copy_from_kernel_nofault() or after checking bounds. A fault
 * inside an oops goes straight to the end. A panic first stops the other CPUs, by NMI: nobody
 * disturbs the report, and it says what they were doing.
 *
 * A backtrace follows the frame pointers (the kernel is built with them): rbp points to the saved
 * rbp, and above that is the return address. Each must lie in the stack that is being followed, and
 * above the one before. Through an interrupt the chain goes on in what was interrupted, since entry.S
 * leaves rbp alone for kernel mode (the instruction itself is in the frame that it made); it ends at the way in from user mode, where rbp is 0.
 */
#include <kernel/lib/bug.h>
#include <kernel/lib/cmdline.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/sched/sched.h>
#include <kernel/task.h>
#include <kernel/traps.h>
#include <kernel/x86/gdt.h>
#include <kernel/x86/irqflags.h>
#include <kernel/x86/nmi.h>
#include <kernel/x86/pte.h>
#include <kernel/x86/reboot.h>
#include <kernel/x86/tsc.h>
#include <kernel/x86/uaccess.h>
#include <mm/vmalloc.h>

#define MAX_FRAMES 32

void __stack_chk_fail(void) __noreturn;

extern char boot_stack[], boot_stack_top[];
extern const char __text_start[], __text_end[];
extern const char syscall_entry[], trap_stubs[]; /* kernel/x86/entry.S: from here to there */

static bool panicking; /* on the only CPU that still runs */
static unsigned int oops_count;

/* ---- backtrace ---- */

struct stack_range {
	u64 lo, hi;
};

static struct thread *thread_of(unsigned int cpu)
{
	return READ_ONCE(*per_cpu_ptr(&current_thread_ptr, cpu));
}

/* The stack that sp points into, of those the CPU can be on. */
static bool find_stack(unsigned int cpu, u64 sp, struct stack_range *r)
{
	const struct thread *t = thread_of(cpu);

	if (ist_stack_bounds(cpu, sp, &r->lo, &r->hi))
		return true;
	if (sp >= (u64)boot_stack && sp < (u64)boot_stack_top) {
		*r = (struct stack_range){(u64)boot_stack, (u64)boot_stack_top};
		return true;
	}
	if (t && t->kstack && sp >= (u64)t->kstack && sp < (u64)t->kstack + KSTACK_SIZE) {
		*r = (struct stack_range){(u64)t->kstack, (u64)t->kstack + KSTACK_SIZE};
		return true;
	}
	return false;
}

static bool is_kernel_text(u64 addr)
{
	return addr >= (u64)__text_start && addr < (u64)__text_end;
}

static bool is_entry_text(u64 addr)
{
	return addr >= (u64)syscall_entry && addr < (u64)trap_stubs;
}

/* A leaf function has no frame of its own, so the chain passes its caller by; the return address is
 * then on top of the stack, at sp (0: not known). */
static void show_possible_caller(enum log_level level, u64 sp, u64 rbp)
{
	u64 word, caller = 0;

	if (!sp || copy_from_kernel_nofault(&word, (void *)sp, sizeof(word)) ||
	    !is_kernel_text(word))
		return;
	if (copy_from_kernel_nofault(&caller, (void *)(rbp + 8), sizeof(caller)) || caller != word)
		printk(level, " ? %pS\n", (void *)(word - 1));
}

static void show_interrupted(enum log_level level, const struct trapframe *at)
{
	struct trapframe tf;

	if (copy_from_kernel_nofault(&tf, at, sizeof(tf)) || !is_kernel_text(tf.rip))
		return;
	printk(level, " %pS\n", (void *)tf.rip);
	show_possible_caller(level, tf.rsp, tf.rbp);
}

static void backtrace(enum log_level level, unsigned int cpu, u64 rip, u64 rbp, u64 sp)
{
	struct stack_range stack;

	printk(level, "Call Trace:\n");
	if (is_kernel_text(rip))
		printk(level, " %pS\n", (void *)rip);
	show_possible_caller(level, sp, rbp);
	for (int i = 0; i < MAX_FRAMES; i++) {
		u64 frame[2]; /* saved rbp, return address */

		if (rbp % 8 || !find_stack(cpu, rbp, &stack) || rbp + 16 > stack.hi ||
		    copy_from_kernel_nofault(frame, (void *)rbp, sizeof(frame)))
			break;
		if (!is_kernel_text(frame[1]))
			break;
		/* The call, not what follows it: that may be another function. */
		printk(level, " %pS\n", (void *)(frame[1] - 1));
		/* What was interrupted: entry.S called with the frame on top of the stack. */
		if (is_entry_text(frame[1]))
			show_interrupted(level, (const struct trapframe *)(rbp + sizeof(frame)));
		/* On the same stack only upwards; from an IST stack to another once. */
		if (frame[0] <= rbp && frame[0] >= stack.lo)
			break;
		rbp = frame[0];
	}
}

void __noinline dump_stack(enum log_level level)
{
	/* The caller's frame: this one's may be gone when backtrace() reads it. */
	backtrace(level, smp_processor_id(), (u64)__builtin_return_address(0),
		  *(u64 *)__builtin_frame_address(0), 0);
}

/* ---- registers, code, stack ---- */

static void show_code(const struct trapframe *tf)
{
	char text[200];
	int len = 0;

	for (int i = -16; i < 24; i++) {
		u8 byte;

		if (copy_from_kernel_nofault(&byte, (void *)(tf->rip + (u64)(s64)i), 1))
			len += scnprintf(text + len, sizeof(text) - (size_t)len, "?? ");
		else
			len += scnprintf(text + len, sizeof(text) - (size_t)len,
					 i == 0 ? "<%02x> " : "%02x ", byte);
	}
	pr_emerg("Code: %s\n", text);
}

static void show_stack(u64 sp)
{
	struct stack_range stack;

	if (!find_stack(smp_processor_id(), sp, &stack))
		return;
	pr_emerg("Stack:\n");
	for (int row = 0; row < 4; row++) {
		u64 words[4];
		u64 at = sp + (u64)row * sizeof(words);

		if (at + sizeof(words) > stack.hi ||
		    copy_from_kernel_nofault(words, (void *)at, sizeof(words)))
			break;
		pr_emerg(" %016lx %016lx %016lx %016lx\n", words[0], words[1], words[2], words[3]);
	}
}

/* Whose, and where. */
static void show_place(unsigned int cpu, const struct trapframe *tf)
{
	const struct thread *t = thread_of(cpu);

	pr_emerg("CPU: %u PID: %d Comm: %s\n", cpu,
		 t && t->kstack ? container_of(t, struct task, thread)->pid : 0, t ? t->comm : "?");
	if (!tf)
		pr_emerg("it does not answer\n");
	else if (user_mode(tf))
		pr_emerg("RIP: %04lx:0x%lx\n", tf->cs, tf->rip);
	else
		pr_emerg("RIP: %04lx:%pS\n", tf->cs, (void *)tf->rip);
}

void show_cpu(unsigned int cpu, const struct trapframe *tf)
{
	show_place(cpu, tf);
	if (tf && !user_mode(tf))
		backtrace(LOG_EMERG, cpu, tf->rip, tf->rbp, tf->rsp);
}

void show_regs(const struct trapframe *tf)
{
	show_place(smp_processor_id(), tf);
	pr_emerg("RSP: %04lx:%016lx EFLAGS: %08lx vector: %lu error: %04lx\n", tf->ss, tf->rsp,
		 tf->rflags, tf->vector, tf->error);
	pr_emerg("RAX: %016lx RBX: %016lx RCX: %016lx\n", tf->rax, tf->rbx, tf->rcx);
	pr_emerg("RDX: %016lx RSI: %016lx RDI: %016lx\n", tf->rdx, tf->rsi, tf->rdi);
	pr_emerg("RBP: %016lx R08: %016lx R09: %016lx\n", tf->rbp, tf->r8, tf->r9);
	pr_emerg("R10: %016lx R11: %016lx R12: %016lx\n", tf->r10, tf->r11, tf->r12);
	pr_emerg("R13: %016lx R14: %016lx R15: %016lx\n", tf->r13, tf->r14, tf->r15);
	pr_emerg("CR0: %016lx CR2: %016lx CR3: %016lx CR4: %016lx\n", read_cr0(), read_cr2(),
		 read_cr3(), read_cr4());
	if (user_mode(tf))
		return;
	show_code(tf);
	show_stack(tf->rsp);
	backtrace(LOG_EMERG, smp_processor_id(), tf->rip, tf->rbp, tf->rsp);
}

/* ---- page tables ---- */

static void print_entry(const char *level, unsigned int index, u64 e, bool leaf)
{
	pr_emerg("  %s[%3u] = %016lx%s%s%s%s%s%s%s%s\n", level, index, (unsigned long)e,
		 e & _PAGE_PRESENT  ? " present" :
		 e & _PAGE_PROTNONE ? " protnone" :
				      " not-present",
		 e & _PAGE_RW ? " rw" : " ro", e & _PAGE_USER ? " user" : " kernel",
		 e & _PAGE_ACCESSED ? " accessed" : "", e & _PAGE_DIRTY ? " dirty" : "",
		 e & _PAGE_GLOBAL ? " global" : "", e & _PAGE_NX ? " nx" : "",
		 leaf ? " -> page" : "");
}

/* Reads an entry of the table at physical address table. False: the walk ends here. */
static bool walk_level(const char *level, u64 table, unsigned int index, bool last, u64 *entry)
{
	u64 *p = (u64 *)phys_to_virt(table & PTE_PFN_MASK) + index;
	bool leaf;

	if (copy_from_kernel_nofault(entry, p, sizeof(*entry))) {
		pr_emerg("  %s: the table at %016lx cannot be read\n", level, (unsigned long)table);
		return false;
	}
	if (!*entry) {
		pr_emerg("  %s[%3u] = 0: nothing mapped\n", level, index);
		return false;
	}
	leaf = last || ((*entry & _PAGE_PSE) && (*entry & _PAGE_PRESENT) && level[1] != 'g');
	print_entry(level, index, *entry, leaf && (*entry & _PAGE_PRESENT));
	return (*entry & _PAGE_PRESENT) && !leaf;
}

void show_page_walk(vaddr_t addr)
{
	u64 e = read_cr3();

	pr_emerg("Page walk of %016lx, from %016lx:\n", addr, (unsigned long)(e & PTE_PFN_MASK));
	if (!vaddr_is_canonical(addr)) {
		pr_emerg("  not a canonical address\n");
		return;
	}
	if (walk_level("pgd", e, pgd_index(addr), false, &e) &&
	    walk_level("pud", e, pud_index(addr), false, &e) &&
	    walk_level("pmd", e, pmd_index(addr), false, &e))
		walk_level("pte", e, pte_index(addr), true, &e);
}

bool is_stack_overflow(vaddr_t addr)
{
	const struct thread *t = current_thread();

	if (t && t->kstack && addr < (u64)t->kstack && addr >= (u64)t->kstack - PAGE_SIZE)
		return true;
	return kstack_guard_hit(addr) != NULL;
}

static void show_fault(const struct trapframe *tf)
{
	vaddr_t addr = read_cr2();

	pr_emerg("#PF: %s %s in %s mode\n", tf->error & PF_ERR_USER ? "user" : "supervisor",
		 tf->error & PF_ERR_INSTR ? "instruction fetch" :
		 tf->error & PF_ERR_WRITE ? "write access" :
					    "read access",
		 user_mode(tf) ? "user" : "kernel");
	pr_emerg("#PF: error_code(0x%04lx) - %s\n", tf->error,
		 tf->error & PF_ERR_RSVD    ? "reserved bit violation" :
		 tf->error & PF_ERR_PRESENT ? "permissions violation" :
					      "not-present page");
	show_page_walk(addr);
}

/* ---- ends ---- */

/* The first CPU to come here has the word, the others stop; a fault on the way ends it all. */
static void panic_enter(void)
{
	smp_stop_others();
	if (panicking) {
		qemu_exit(QEMU_EXIT_FAIL);
		machine_restart();
	}
	panicking = true;
	printk_report_begin(true);
}

static bool under_test(void)
{
	return cmdline_bool("octavo.test", false) || cmdline_get("ktest", NULL, 0);
}

/* panic=N: restart after N seconds; negative: at once; 0 or none: stop for ever. */
static void __noreturn panic_end(void)
{
	long timeout = cmdline_long("panic", 0);

	if (under_test())
		qemu_exit(QEMU_EXIT_FAIL);
	if (timeout > 0) {
		pr_emerg("Rebooting in %ld seconds..\n", timeout);
		for (long i = 0; i < timeout * 1000; i++)
			udelay(1000);
	}
	if (timeout)
		machine_restart();
	machine_halt();
}

static void __noreturn vpanic(const char *fmt, va_list ap, bool trace)
{
	static char text[256];

	panic_enter();
	console_loglevel = LOG_DEBUG;
	vscnprintf(text, sizeof(text), fmt, ap);
	pr_emerg("Kernel panic - not syncing: %s\n", text);
	if (trace)
		dump_stack(LOG_EMERG);
	for_each_cpu(cpu)
		if (cpu != smp_processor_id())
			show_cpu(cpu, cpu_frame(cpu));
	pr_emerg("---[ end Kernel panic - not syncing: %s ]---\n", text);
	panic_end();
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpanic(fmt, ap, true);
}

static void __noreturn panic_after_oops(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpanic(fmt, ap, false);
}

/* No process can be blamed, or the user prefers to stop. */
static bool oops_is_fatal(void)
{
	const struct thread *t = current_thread();
	char mode[8];

	/* A lock that it holds would never be released (debug builds count them). */
	if (in_irq() || !t || !t->mm || !t->kstack || t->nr_spin_held || current->proc->pid == 1)
		return true;
	if (cmdline_get("oops", mode, sizeof(mode)))
		return strcmp(mode, "panic") == 0;
	return under_test();
}

void oops(struct trapframe *tf, const char *fmt, ...)
{
	static char text[160];
	int loglevel;
	va_list ap;

	local_irq_disable();
	if (panicking)
		panic_enter(); /* a fault while panicking: does not return */
	printk_report_begin(false);
	loglevel = console_loglevel;
	console_loglevel = LOG_DEBUG;
	va_start(ap, fmt);
	vscnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pr_emerg("%s\n", text);
	if (tf->vector == X86_TRAP_PF)
		show_fault(tf);
	pr_emerg("Oops: %04lx [#%u]\n", tf->error, ++oops_count);
	show_regs(tf);
	pr_emerg("---[ end trace ]---\n");
	if (oops_is_fatal())
		panic_after_oops("%s",
				 in_irq() ? "Fatal exception in interrupt" : "Fatal exception");
	console_loglevel = loglevel;
	printk_report_end();
	local_irq_enable();
	do_exit_oops();
}

void warn_slow(const char *file, int line, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vscnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pr_warn("------------[ cut here ]------------\n");
	pr_warn("WARNING: at %s:%d: %s\n", file, line, text);
	dump_stack(LOG_WARNING);
	pr_warn("---[ end trace ]---\n");
	if (under_test())
		panic("WARNING under test");
}

void assert_failed(const char *expr, const char *file, int line, const char *func)
{
	panic("assertion failed: %s, at %s:%d in %s()", expr, file, line, func);
}

/* The compiler's stack protector found the canary changed. */
void __stack_chk_fail(void)
{
	panic("stack-protector: Kernel stack is corrupted in: %pS", __builtin_return_address(0));
}
