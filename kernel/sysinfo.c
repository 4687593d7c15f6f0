/* SPDX-License-Identifier: MIT */
/* What the system says of itself: uname, sysinfo, random bytes, the CPU; and reboot. */
#include <drivers/block/block.h>
#include <kernel/internal.h>
#include <kernel/lib/bug.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/random.h>
#include <kernel/lib/string.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/utsname.h>
#include <kernel/version.h>
#include <kernel/x86/reboot.h>
#include <kernel/x86/uaccess.h>
#include <mm/page.h>
#include <mm/swap.h>
#include <mm/vmstat.h>

/* ---- uname --------------------------------------------------------------------------------- */

/* C libraries look at the release to decide what the kernel can do. */
struct utsname utsname = {
	.sysname = UTS_SYSNAME,
	.nodename = "octavo",
	.release = UTS_RELEASE,
	.version = UTS_VERSION,
	.machine = UTS_MACHINE,
	.domainname = "(none)",
};

SYSCALL1(uname, struct utsname __user *, u)
{
	return copy_to_user(u, &utsname, sizeof(utsname)) ? -EFAULT : 0;
}

static int set_name(char *field, const char __user *name, int len)
{
	char buf[UTS_LEN] = {0};

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || len > UTS_LEN - 1)
		return -EINVAL;
	if (copy_from_user(buf, name, (size_t)len))
		return -EFAULT;
	memcpy(field, buf, UTS_LEN);
	return 0;
}

SYSCALL2(sethostname, const char __user *, name, int, len)
{
	return set_name(utsname.nodename, name, len);
}
SYSCALL2(setdomainname, const char __user *, name, int, len)
{
	return set_name(utsname.domainname, name, len);
}

/* ---- sysinfo, getrandom, getcpu ---------------------------------------------------------------- */

struct sysinfo {
	s64 uptime;
	u64 loads[3];
	u64 totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs, pad;
	u64 totalhigh, freehigh;
	u32 mem_unit;
	u32 pad2;
};
static_assert_size(struct sysinfo, 112);

SYSCALL1(sysinfo, struct sysinfo __user *, u)
{
	struct sysinfo si = {0};
	unsigned long avg[3];

	si.uptime = (ktime_get() + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
	loadavg_get(avg);
	for (int i = 0; i < 3; i++)
		si.loads[i] = avg[i] << 5; /* << 16 in all */
	si.totalram = totalram_pages() << PAGE_SHIFT;
	si.freeram = nr_free_pages() << PAGE_SHIFT;
	si.sharedram = (u64)vmstat_item(NR_SHMEM) << PAGE_SHIFT;
	si.bufferram = (u64)nr_blockdev_pages() << PAGE_SHIFT;
	si.totalswap = total_swap_pages << PAGE_SHIFT;
	si.freeswap = nr_swap_pages() << PAGE_SHIFT;
	si.procs = (u16)min(nr_threads_all(), 65535u);
	si.mem_unit = 1;
	return copy_to_user(u, &si, sizeof(si)) ? -EFAULT : 0;
}

#define GRND_NONBLOCK 1
#define GRND_RANDOM   2
#define GRND_INSECURE 4

SYSCALL3(getrandom, char __user *, ubuf, size_t, n, unsigned int, flags)
{
	size_t done = 0;
	u8 buf[256];

	if (flags & ~(unsigned int)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	n = min(n, (size_t)INT32_MAX);
	while (done < n) {
		size_t part = min(n - done, sizeof(buf));

		get_random_bytes(buf, part);
		if (copy_to_user(ubuf + done, buf, part))
			return done ? (long)done : -EFAULT;
		done += part;
		if (done % PAGE_SIZE == 0) {
			if (signal_pending())
				break;
			cond_resched();
		}
	}
	return (long)done;
}

SYSCALL3(getcpu, u32 __user *, ucpu, u32 __user *, unode, void __user *, unused)
{
	u32 cpu = smp_processor_id(), node = 0;

	(void)unused;
	if ((ucpu && put_user(cpu, ucpu)) || (unode && put_user(node, unode)))
		return -EFAULT;
	return 0;
}

/* ---- reboot ------------------------------------------------------------------------------------ */

#define REBOOT_MAGIC1    0xfee1deadu
#define REBOOT_RESTART   0x01234567u
#define REBOOT_HALT      0xcdef0123u
#define REBOOT_CAD_ON    0x89abcdefu
#define REBOOT_CAD_OFF   0u
#define REBOOT_POWER_OFF 0x4321fedcu
#define REBOOT_RESTART2  0xa1b2c3d4u

static bool cad_restarts = true;

void ctrl_alt_del(void)
{
	if (!init_process || READ_ONCE(cad_restarts))
		machine_restart();
	send_sig_process(init_process, SIGINT, NULL);
}

static bool magic2_valid(u32 magic)
{
	return magic == 672274793 || magic == 85072278 || magic == 369367448 || magic == 537993216;
}

SYSCALL4(reboot, u32, magic1, u32, magic2, u32, cmd, const char __user *, arg)
{
	char command[256];

	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (magic1 != REBOOT_MAGIC1 || !magic2_valid(magic2))
		return -EINVAL;
	switch (cmd) {
	case REBOOT_CAD_ON:
	case REBOOT_CAD_OFF:
		WRITE_ONCE(cad_restarts, cmd == REBOOT_CAD_ON);
		return 0;
	case REBOOT_RESTART:
		pr_emerg("reboot: Restarting system\n");
		machine_restart();
	case REBOOT_RESTART2:
		if (strncpy_from_user(command, arg, sizeof(command) - 1) < 0)
			return -EFAULT;
		command[sizeof(command) - 1] = '\0';
		pr_emerg("reboot: Restarting system with command '%s'\n", command);
		machine_restart();
	case REBOOT_HALT:
		pr_emerg("reboot: System halted\n");
		machine_halt();
	case REBOOT_POWER_OFF:
		pr_emerg("reboot: Power down\n");
		machine_power_off();
	default:
		return -EINVAL;
	}
}
