/* SPDX-License-Identifier: MIT */
/*
 * Process 1: from a kernel thread to the first program.
 *
 * As on Linux: rdinit= (default /init) if it is there, then init=, then the usual places, and a
 * panic if none can be run. Words of the command line that the kernel does not know are for it:
 * name=value into the environment, words without a value (and all after "--") as arguments.
 */
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/cmdline.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/slab.h>

#define MAX_INIT_ARGS 32
#define MAX_INIT_ENVS 32
#define WORD_MAX      256

static const char *argv_init[MAX_INIT_ARGS + 2] = {"init"};
static const char *envp_init[MAX_INIT_ENVS + 3] = {"HOME=/", "TERM=linux"};

int init_thread(void *unused);

/* The kernel's own parameters; those with a dot before the = belong to its parts. */
static bool known_parameter(const char *word)
{
	static const char *const known[] = {
		"console",
		"earlycon",
		"earlyprintk",
		"rdinit",
		"init",
		"panic",
		"oops",
		"quiet",
		"debug",
		"loglevel",
		"ignore_loglevel",
		"mem",
		"memmap",
		"root",
		"rootfstype",
		"rootflags",
		"ro",
		"rw",
		"nosmp",
		"maxcpus",
		"ramdisk_size",
		"nr_cpus",
		"ktest",
		"initrd",
		"noinitrd",
		"nokaslr",
		"norandmaps",
		"noapic",
		"mitigations",
		"clocksource",
		"tsc",
		"acpi",
		"pci",
		"transparent_hugepage",
	};
	size_t len = strcspn(word, "=");

	if (memchr(word, '.', len))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strlen(known[i]) == len && strncmp(known[i], word, len) == 0)
			return true;
	return false;
}

/* A later value of the same name replaces the earlier one. */
static void add_env(const char *word)
{
	size_t name = strcspn(word, "=") + 1;

	for (int i = 0; i < MAX_INIT_ENVS + 2; i++) {
		if (envp_init[i] && strncmp(envp_init[i], word, name) != 0)
			continue;
		envp_init[i] = word;
		return;
	}
	panic("Too many boot env vars at `%s'", word);
}

static void add_arg(const char *word)
{
	int i = 1;

	while (i <= MAX_INIT_ARGS && argv_init[i])
		i++;
	if (i > MAX_INIT_ARGS)
		panic("Too many boot init vars at `%s'", word);
	argv_init[i] = word;
}

static void collect_words(void)
{
	char word[WORD_MAX];
	const char *pos = NULL;
	bool for_init;

	while (cmdline_next_word(&pos, word, sizeof(word), &for_init)) {
		char *copy;

		if (!for_init && known_parameter(word))
			continue;
		copy = kstrdup(word, GFP_KERNEL); /* for as long as the system runs */
		if (!copy)
			panic("no memory for init's arguments");
		if (!for_init && strchr(copy, '='))
			add_env(copy);
		else
			add_arg(copy);
	}
}

/* Descriptors 0, 1 and 2. */
static void open_console(void)
{
	struct file *f = filp_open("/dev/console", O_RDWR, 0);

	if (IS_ERR(f)) {
		pr_err("Warning: unable to open an initial console.\n");
		return;
	}
	for (int i = 0; i < 3; i++) {
		int fd = get_unused_fd(0, 0);

		if (fd < 0)
			break;
		fd_install(fd, get_file(f));
	}
	fput(f);
}

static int run_init(const char *path)
{
	int err;

	argv_init[0] = path;
	pr_info("Run %s as init process\n", path);
	err = kernel_execve(path, argv_init, envp_init);
	if (!err)
		thread_enter_user(current);
	return err;
}

static void try_init(const char *path)
{
	int err = run_init(path);

	if (err != -ENOENT)
		pr_err("Starting init: %s exists but couldn't execute it (error %d)\n", path, err);
}

/* rdinit= is asked for only if it is there: an initramfs may be no more than files. */
static bool rdinit_exists(const char *path)
{
	struct path p;

	if (path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p))
		return false;
	path_put(&p);
	return true;
}

int init_thread(void *unused __unused)
{
	struct task *t = current;
	char path[WORD_MAX] = "/init";
	int err;

	t->blocked = 0;
	t->files = files_alloc();
	if (!t->files)
		panic("no memory for init's descriptors");
	collect_words();
	open_console();
	cmdline_get("rdinit", path, sizeof(path));
	if (rdinit_exists(path)) {
		err = run_init(path);
		pr_err("Failed to execute %s (error %d)\n", path, err);
	} else {
		pr_warn("%s is not there: is there an initramfs?\n", path);
	}
	if (cmdline_get("init", path, sizeof(path))) {
		err = run_init(path);
		panic("Requested init %s failed (error %d).", path, err);
	}
	try_init("/sbin/init");
	try_init("/etc/init");
	try_init("/bin/init");
	try_init("/bin/sh");
	panic("No working init found.  Try passing init= option to kernel. "
	      "See Linux Documentation/admin-guide/init.rst for guidance.");
}
