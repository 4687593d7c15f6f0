/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer on what a boot loader says: the real boot/bootinfo.c reads the input, as multiboot2
 * information (first byte even) or as a PVH start_info (odd), and the real mm/memblock.c takes the
 * memory map. Then memblock is asked: what it calls free has to be what the map calls RAM and
 * nothing else, page by page at the borders, and what it allocates lies in it.
 *
 * Multiboot2 information is an exact heap block, so that AddressSanitizer sees the first byte behind
 * it. PVH information holds addresses: the fuzzer has a 4 GiB "physical memory" with a hole behind.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boot/boot.h>
#include <kernel/lib/types.h>
#include <kernel/x86/pte.h>
#include <mm/memblock.h>

static uintptr_t physical_memory;
#undef BOOT_DIRECT_BASE
#define BOOT_DIRECT_BASE physical_memory
#include <boot/bootinfo.c>

static void fail(const char *what)
{
	fprintf(stderr, "not: %s\n", what);
	for (unsigned int i = 0; i < boot_info.nr_regions; i++)
		fprintf(stderr, "map: %#lx + %#lx: %u\n", boot_info.regions[i].base,
			boot_info.regions[i].len, boot_info.regions[i].type);
	abort();
}

#define FUZZ_CHECK(e)             \
	do {                      \
		if (!(e))         \
			fail(#e); \
	} while (0)

#define INFO_PADDR 0x10000u
#define SIZE_4G    (4UL << 30)

static jmp_buf out;

void kernel_main(void)
{
	longjmp(out, 1);
}

static char *machine_memory(void)
{
	static char *mem;

	if (!mem) {
		mem = mmap(NULL, SIZE_4G + 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		FUZZ_CHECK(mem != MAP_FAILED);
		mprotect(mem + SIZE_4G, 4096, PROT_NONE);
	}
	return mem;
}

static void boot(u32 magic)
{
	memset(&boot_info, 0, sizeof(boot_info));
	if (!setjmp(out))
		boot_main(magic, INFO_PADDR);
}

static void boot_multiboot2(const u8 *data, size_t size)
{
	u32 total = (u32)size;
	u8 *info;

	if (size < sizeof(struct mb2_info))
		return;
	info = malloc(size);
	memcpy(info, data, size);
	memcpy(info, &total, sizeof(total)); /* the one thing that is taken on trust */
	physical_memory = (uintptr_t)info - INFO_PADDR;
	boot(BOOT_MAGIC_MULTIBOOT2);
	free(info);
}

static void boot_with_pvh(const u8 *data, size_t size)
{
	char *mem = machine_memory();

	size = size < 65536 ? size : 65536;
	memcpy(mem + INFO_PADDR, data, size);
	physical_memory = (uintptr_t)mem;
	boot(BOOT_MAGIC_PVH);
	memset(mem + INFO_PADDR, 0, size);
}

/* Is the page RAM as memblock.h has it: inside of a RAM range, touched by no other? */
static bool page_is_ram(paddr_t page)
{
	bool ram = false;

	for (unsigned int i = 0; i < boot_info.nr_regions; i++) {
		const struct boot_region *r = &boot_info.regions[i];
		u64 end = r->len > ~0UL - r->base ? ~0UL : r->base + r->len;
		bool touched = r->base < page + 4096 && page < end;

		if (r->type != BOOT_REGION_RAM && touched)
			return false;
	}
	/* ranges may meet inside of a page: then it is not whole in either */
	for (unsigned int i = 0; i < boot_info.nr_regions && !ram; i++) {
		const struct boot_region *r = &boot_info.regions[i];
		u64 end = r->len > ~0UL - r->base ? ~0UL : r->base + r->len;

		ram = r->type == BOOT_REGION_RAM && r->base <= page && end >= page + 4096;
	}
	return ram;
}

static void register_map(void)
{
	memblock_reset();
	for (unsigned int i = 0; i < boot_info.nr_regions; i++)
		if (boot_info.regions[i].type == BOOT_REGION_RAM)
			memblock_add(boot_info.regions[i].base, boot_info.regions[i].len);
	for (unsigned int i = 0; i < boot_info.nr_regions; i++)
		if (boot_info.regions[i].type != BOOT_REGION_RAM)
			memblock_remove(boot_info.regions[i].base, boot_info.regions[i].len);
	if (boot_info.initrd_size)
		memblock_reserve(boot_info.initrd_paddr, boot_info.initrd_size);
}

static void check_ranges(void)
{
	paddr_t s, e, last = 0;
	size_t sum = 0;

	for (paddr_t from = 0; memblock_next_ram(from, &s, &e); from = e) {
		FUZZ_CHECK(s < e && (s > last || last == 0));
		FUZZ_CHECK(s % 4096 == 0 && e % 4096 == 0);
		FUZZ_CHECK(page_is_ram(s) && page_is_ram(e - 4096));
		/* the pages beside it belong to none, unless the address space ends */
		FUZZ_CHECK(s == 0 || !page_is_ram(s - 4096));
		FUZZ_CHECK(e >= ~0UL - 4 * 4096 || !page_is_ram(e));
		last = e;
		sum += e - s;
	}
	FUZZ_CHECK(memblock_memory_size(0, ~0UL) == sum);
	FUZZ_CHECK(memblock_free_size(0, ~0UL) <= sum);
	FUZZ_CHECK(memblock_memory_end() == last);
}

static void check_allocations(void)
{
	size_t free = memblock_free_size(0, ~0UL);

	memblock_set_ceiling(SIZE_4G);
	for (int i = 0; i < 20; i++) {
		size_t size = 4096UL << (i % 4), align = 4096UL << (i % 10);
		paddr_t at = memblock_alloc(size, align);

		if (!at)
			continue;
		FUZZ_CHECK(at % align == 0 && at + size <= SIZE_4G);
		FUZZ_CHECK(page_is_ram(at) && page_is_ram(at + size - 4096));
		free -= size;
		FUZZ_CHECK(memblock_free_size(0, ~0UL) == free);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] & 1)
		boot_with_pvh(data + 1, size - 1);
	else
		boot_multiboot2(data + 1, size - 1);
	FUZZ_CHECK(strlen(boot_info.cmdline) < BOOT_CMDLINE_SIZE);
	FUZZ_CHECK(strlen(boot_info.loader) < sizeof(boot_info.loader));
	FUZZ_CHECK(boot_info.nr_regions <= BOOT_MAX_REGIONS);
	register_map();
	check_ranges();
	check_allocations();
	return 0;
}
