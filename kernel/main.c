/* SPDX-License-Identifier: MIT */
/*
 * Placeholder: the first line of the kernel.
 */
#include <boot/boot.h>

static inline void outb(unsigned short port, unsigned char value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void print(const char *s)
{
	for (; *s; s++)
		outb(0x3f8, *s);
}

static bool contains(const char *s, const char *word)
{
	for (; *s; s++) {
		unsigned int i;

		for (i = 0; word[i] && s[i] == word[i]; i++)
			;
		if (!word[i])
			return true;
	}
	return false;
}

void kernel_main(void)
{
	print("Octavo: ");
	print(boot_info.loader);
	print(", command line: ");
	print(boot_info.cmdline);
	print(boot_info.initrd_size ? ", initrd\r\n" : ", no initrd\r\n");
	if (contains(boot_info.cmdline, "octavo.exit"))
		outb(0xf4, 0x10);
	for (;;)
		__asm__ volatile("cli; hlt");
}
