/* SPDX-License-Identifier: MIT */
/*
 * The order in which the kernel comes up.
 *
 *	boot/entry.S	long mode, first page tables, a stack
 *	boot_main()	what the loader said -> boot_info
 *	kernel_main()	processor, log, memory, time, tasks, files; then the boot thread
 *			becomes CPU 0's idle thread
 *	boot_thread()	everything that may sleep: the other processors, initcalls, the initramfs;
 *			then either the in-kernel tests (ktest=) or pid 1
 */
#include <boot/boot.h>
#include <drivers/block/ramdisk.h>
#include <drivers/screen.h>
#include <drivers/serial.h>
#include <fs/vfs.h>
#include <kernel/acpi.h>
#include <kernel/ktest_hook.h>
#include <kernel/lib/cmdline.h>
#include <kernel/lib/init.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/race.h>
#include <kernel/lib/string.h>
#include <kernel/oom.h>
#include <kernel/sched/sched.h>
#include <kernel/sched/timer.h>
#include <kernel/smp.h>
#include <kernel/task.h>
#include <kernel/version.h>
#include <kernel/x86/reboot.h>
#include <kernel/x86/rtc.h>
#include <kernel/x86/x86.h>
#include <mm/init.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/vmscan.h>
#include <mm/page_alloc.h>

int (*ktest_run_hook)(const char *filter, u64 seed, bool shuffle, int repeat, ktest_out_fn *out,
		      void *arg);
int (*crash_run_hook)(const char *kind);

extern const initcall_t __start___initcalls[], __stop___initcalls[];

static u64 log_clock(void)
{
	return (u64)ktime_get();
}

/* loglevel=N: what is more important than N is printed; quiet: only errors; debug: all. */
static void set_loglevel(void)
{
	console_loglevel = LOG_DEBUG;
	if (cmdline_bool("quiet", false))
		console_loglevel = LOG_WARNING;
	if (cmdline_bool("debug", false))
		console_loglevel = LOG_DEBUG + 1;
	console_loglevel = (int)cmdline_long("loglevel", console_loglevel);
}

static void print_boot_info(void)
{
	pr_notice("Octavo version %s (%s) %s\n", UTS_RELEASE, UTS_COMPILER, UTS_VERSION);
	pr_info("Command line: %s\n", boot_info.cmdline);
	if (boot_info.cmdline_cut)
		pr_warn("The command line is longer than %d bytes and was cut\n",
			BOOT_CMDLINE_SIZE);
	pr_info("Started by %s, %s\n", boot_info.loader,
		boot_info.how == BOOT_PVH ? "PVH" : "multiboot2");
	pr_info("BIOS-provided physical RAM map:\n");
	for (unsigned int i = 0; i < boot_info.nr_regions; i++) {
		const struct boot_region *r = &boot_info.regions[i];

		pr_info("BIOS-e820: [mem 0x%016lx-0x%016lx] %s\n", (unsigned long)r->base,
			(unsigned long)(r->base + r->len - 1),
			r->type == BOOT_REGION_RAM  ? "usable" :
			r->type == BOOT_REGION_ACPI ? "ACPI data" :
			r->type == BOOT_REGION_NVS  ? "ACPI NVS" :
						      "reserved");
	}
	if (boot_info.nr_regions_lost)
		pr_warn("%u memory regions are ignored\n", boot_info.nr_regions_lost);
}

/* What is not RAM wins over what is; the ISA hole is never RAM, whatever a loader says. */
static void register_memory(void)
{
	for (unsigned int i = 0; i < boot_info.nr_regions; i++)
		if (boot_info.regions[i].type == BOOT_REGION_RAM)
			memblock_add(boot_info.regions[i].base, boot_info.regions[i].len);
	for (unsigned int i = 0; i < boot_info.nr_regions; i++)
		if (boot_info.regions[i].type != BOOT_REGION_RAM)
			memblock_remove(boot_info.regions[i].base, boot_info.regions[i].len);
	memblock_remove(0xa0000, 0x60000);
	if (memblock_memory_end() > OWNER_REACH)
		pr_warn("RAM above %lu GiB is not used\n", OWNER_REACH >> 30);
	memblock_remove(OWNER_REACH, ~0UL);
	memblock_set_limit(cmdline_size("mem", 0));
	if (boot_info.initrd_size)
		memblock_reserve(boot_info.initrd_paddr, boot_info.initrd_size);
}

static paddr_t initrd_left; /* what lies before it has been given back */
static unsigned long initrd_pages_freed;

/* While it is unpacked: a small machine has no room for the archive and all of its files. */
static void free_initrd_upto(const void *upto)
{
	paddr_t end = ALIGN_DOWN(__pa(upto), PAGE_SIZE);

	if (end <= initrd_left)
		return;
	initrd_pages_freed += free_reserved_area(initrd_left, end);
	initrd_left = end;
}

static void load_initramfs(void)
{
	paddr_t pa = boot_info.initrd_paddr;
	size_t size = boot_info.initrd_size;

	if (initramfs_default())
		panic("No memory for the root file system");
	if (!size) {
		pr_warn("No initramfs arrived: give -initrd FILE to QEMU, or module2 in grub.cfg "
			"(GRUB drops a module that does not fit into RAM)\n");
		return;
	}
	pr_info("Unpacking initramfs of %zu kB\n", size / 1024);
	initrd_left = pa;
	if (initramfs_unpack(__va(pa), size, free_initrd_upto))
		pr_err("The initramfs was not unpacked completely\n");
	free_initrd_upto(__va(pa + size));
	vfs_limit_root();
	pr_info("Freeing initrd memory: %lukB\n", initrd_pages_freed * (PAGE_SIZE / 1024));
}

static void do_initcalls(void)
{
	for (const initcall_t *fn = __start___initcalls; fn < __stop___initcalls; fn++)
		(*fn)();
}

static void ktest_print(void *arg __unused, const char *s, size_t n)
{
	console_puts(s, n);
}

/* ktest=FILTER: run the in-kernel tests and leave QEMU with the result. */
static void run_ktests(void)
{
	static char filter[256];
	int err;

	if (!cmdline_get("ktest", filter, sizeof(filter)))
		return;
	if (!ktest_run_hook)
		panic("ktest= given, but this kernel has no tests in it");
	oom_init();
	err = ktest_run_hook(*filter ? filter : "all", (u64)cmdline_long("ktest.seed", 1),
			     cmdline_bool("ktest.shuffle", false),
			     (int)cmdline_long("ktest.repeat", 1), ktest_print, NULL);
	qemu_exit(err ? QEMU_EXIT_FAIL : QEMU_EXIT_PASS);
	machine_power_off();
}

static int boot_thread(void *arg __unused)
{
	smp_init();
	do_initcalls();
	if (IS_ERR(kthread_run(kswapd, NULL, "kswapd0")))
		panic("No memory for kswapd");
	run_ktests();
	load_initramfs();
	mm_print_usage();
	oom_init(); /* while there is no process, a shortage is for the caller to report */
	start_init();
	return 0;
}

void kernel_main(void)
{
	paddr_t screen;
	size_t screen_size;

	x86_early_init();
	cmdline_init(boot_info.cmdline);
	serial_early_init();
	screen_early_init();
	set_loglevel();
	print_boot_info();
	race_init();
	screen = screen_memory(&screen_size);
	register_memory();
	memblock_remove(screen, screen_size); /* whatever the map says */
	sched_init();
	smp_reserve_trampoline();
	ramdisk_reserve();
	mm_init_early(screen, screen_size);
	mm_init_caches();
	acpi_init();
	x86_late_init();
	printk_set_clock(log_clock);
	timekeeping_init(rtc_read());
	task_init();
	vfs_init();
	local_irq_enable();
	if (IS_ERR(kthread_run(boot_thread, NULL, "kernel_boot")))
		panic("No memory for the init thread");
	cpu_idle();
}
