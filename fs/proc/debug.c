/* SPDX-License-Identifier: MIT */
/*
 * What only debug builds have in /proc, for test programs:
 *
 *	PID/fail-nth	"N": the Nth allocation from now on of the writer fails, as in Linux with
 *			CONFIG_FAULT_INJECTION; "N+": that and all behind it; "N page", "N slab",
 *			"N vmalloc", "N+ page" ...: counting only those.
 *			Reads tell how far away it is; 0: it has failed, or none is to. Neither reading
 *			nor writing allocates, so with the file kept open one call is counted exactly.
 *	octavo/ledger	opening it runs the structure checkers over all of memory and each address
 *			space, and gives back what is only kept for speed; the text says whose every
 *			page is (DESIGN.md 9.13), and how many objects each cache has given out. Before
 *			and after what leaves nothing behind, it is the same.
 *	octavo/stain	a write fills the writer's kernel stack, below where it stands, with 0xa5: what
 *			its next call gives away of its stack is then seen.
 */
#include <fs/proc/proc.h>

#ifdef CONFIG_DEBUG
#include <kernel/lib/errno.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>
#include <kernel/x86/uaccess.h>
#include <mm/failinject.h>
#include <mm/page_alloc.h>
#include <mm/pgtable.h>
#include <mm/slab.h>

#define FAIL_TEXT_MAX 32

static unsigned int fail_classes(const char *word)
{
	static const char *const names[NR_FAIL_CLASSES] = {"page", "slab", "vmalloc"};

	if (!*word)
		return FAIL_ANY;
	for (unsigned int c = 0; c < NR_FAIL_CLASSES; c++)
		if (!strcmp(word, names[c]))
			return 1u << c;
	return 0;
}

/* The countdown belongs to the thread itself. */
static bool is_own(struct file *f)
{
	return proc_file_inode(f)->task == current;
}

static ssize_t fail_nth_write(struct file *f, const void __user *ubuf, size_t n,
			      loff_t *pos __unused)
{
	char text[FAIL_TEXT_MAX], *number, *word;
	unsigned int nth, classes;
	bool all;

	if (!is_own(f))
		return -EPERM;
	if (n >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, ubuf, n))
		return -EFAULT;
	text[n] = '\0';
	number = strim(text);
	word = number + strcspn(number, " ");
	if (*word)
		*word++ = '\0';
	all = strlen(number) && number[strlen(number) - 1] == '+';
	if (all)
		number[strlen(number) - 1] = '\0';
	classes = fail_classes(word);
	if (!classes || kstrtouint(number, 0, &nth))
		return -EINVAL;
	fail_inject_arm(classes, nth, all ? -1UL : 1);
	return (ssize_t)n;
}

static ssize_t fail_nth_read(struct file *f, void __user *ubuf, size_t n, loff_t *pos)
{
	char text[FAIL_TEXT_MAX];
	size_t len;

	if (!is_own(f))
		return -EPERM;
	len = (size_t)snprintf(text, sizeof(text), "%lu\n", fail_inject_left());
	if ((size_t)*pos >= len)
		return 0;
	n = min(n, len - (size_t)*pos);
	if (copy_to_user(ubuf, text + *pos, n))
		return -EFAULT;
	*pos += (loff_t)n;
	return (ssize_t)n;
}

const struct file_operations proc_fail_nth_fops = {
	.read = fail_nth_read,
	.write = fail_nth_write,
	.llseek = seq_lseek,
};

static int show_cache(const struct slab_stats *s, void *m)
{
	seq_printf(m, "%s %lu\n", s->name, s->active_objs);
	return 0;
}

static int ledger_show(struct seq_file *m, void *private __unused)
{
	struct ledger l;

	ledger_read(&l);
	seq_printf(m, "total %lu\nfree %lu\nslab %lu\ntable %lu\nkstack %lu\nvmalloc %lu\n",
		   l.total, l.free + l.pcp, l.slab, l.table, l.kstack, l.vmalloc);
	seq_printf(m, "anon %lu\nfile %lu\nshmem %lu\nkernel %lu\n", l.anon, l.file, l.shmem,
		   l.kernel);
	return slab_for_each(show_cache, m);
}

static void check_spaces(void)
{
	struct process *p;
	struct mm_struct *mm;

	for (pid_t pid = 1; (p = process_next_get(&pid)); pid++) {
		mm = process_get_mm(p);
		process_put(p);
		if (!mm)
			continue;
		down_write(&mm->mmap_lock);
		mm_validate(mm);
		pgtable_check(mm);
		up_write(&mm->mmap_lock);
		mm_put_user(mm);
		cond_resched();
	}
}

static int ledger_open(struct inode *inode __unused, struct file *f)
{
	check_spaces();
	page_alloc_check();
	slab_check();
	task_reap_dead();
	signals_settle();
	ledger_settle();
	return seq_open(f, ledger_show, NULL);
}

static __noinline void stain_stack(void)
{
	char below[KSTACK_SIZE / 2];

	memset(below, 0xa5, sizeof(below));
	__asm__ __volatile__("" : : "r"(below) : "memory");
}

static ssize_t stain_write(struct file *f __unused, const void __user *ubuf __unused, size_t n,
			   loff_t *pos __unused)
{
	stain_stack();
	return (ssize_t)n;
}

const struct file_operations proc_stain_fops = {.write = stain_write};

const struct file_operations proc_ledger_fops = {
	.open = ledger_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release,
};
#endif
