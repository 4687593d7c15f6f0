/* SPDX-License-Identifier: MIT */
/*
 * Restart, power off, halt.
 *
 * A real machine says in its ACPI tables how it is switched off; those are byte code, and reading
 * them is far from this kernel's subject. Tried here are the ports of the machines that QEMU has
 * (S5 with SLP_TYP 0, PIIX4 and ICH9), and otherwise the user is told.
 */
#include <kernel/lib/cmdline.h>
#include <kernel/lib/printk.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/nmi.h>
#include <kernel/x86/reboot.h>
#include <kernel/x86/tsc.h>

#define KBC_COMMAND          0x64
#define KBC_INPUT_FULL       0x02
#define KBC_PULSE_RESET      0xfe
#define PCI_RESET_PORT       0xcf9
#define QEMU_DEBUG_EXIT_PORT 0xf4
#define ACPI_SLEEP           0x2000

void qemu_exit(u8 code)
{
	outb(QEMU_DEBUG_EXIT_PORT, code);
}

void machine_halt(void)
{
	smp_stop_others();
	for (;;)
		hlt();
}

static void triple_fault(void)
{
	struct __packed {
		u16 limit;
		u64 base;
	} nothing = {0, 0};

	__asm__ __volatile__("lidt %0; int3" : : "m"(nothing));
}

void machine_restart(void)
{
	smp_stop_others();
	for (int i = 0; i < 1000 && (inb(KBC_COMMAND) & KBC_INPUT_FULL); i++)
		udelay(10);
	outb(KBC_COMMAND, KBC_PULSE_RESET);
	udelay(1000);
	outb(PCI_RESET_PORT, 0x02);
	udelay(50);
	outb(PCI_RESET_PORT, 0x06); /* a hard reset */
	udelay(1000);
	triple_fault();
	machine_halt();
}

/* Under test (octavo.test) QEMU's exit status says that the guest ended by its own will. */
void machine_power_off(void)
{
	smp_stop_others();
	if (cmdline_bool("octavo.test", false))
		qemu_exit(QEMU_EXIT_PASS);
	outw(0x604, ACPI_SLEEP);  /* q35, and i440fx since QEMU 2 */
	outw(0xb004, ACPI_SLEEP); /* older, and Bochs */
	udelay(100000);           /* a busy emulator goes on for a moment */
	pr_emerg("Power down: it is safe to switch off now; the system is halted.\n");
	machine_halt();
}
