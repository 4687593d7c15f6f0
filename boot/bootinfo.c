/* SPDX-License-Identifier: MIT */
/*
 * Boot information: two loaders' formats in, one struct boot_info out.
 *
 * Problem. Multiboot2 hands over a list of tagged records and PVH a fixed structure with pointers,
 * both somewhere below 4 GiB, in memory that the map itself calls free. GRUB under UEFI even puts
 * it below 1 MiB. Whoever builds an allocator from the map would hand the map's own memory out.
 *
 * Idea. Copy everything out before anything is allocated. This code runs first, on the boot page
 * tables, whose direct map covers the first 4 GiB. It calls nothing: neither the console nor
 * the string functions have been set up, and an error is recorded rather than printed.
 *
 * Left out: ELF sections, network, APM, VBE and EFI tags: nobody here reads them.
 *
 * Formats: Multiboot2 Specification 2.0, section 3.6; xen/include/public/arch-x86/hvm/start_info.h.
 */
#include <boot/boot.h>
#include <stddef.h>

/* Loaders give byte addresses: QEMU's PVH module list is not even aligned to 8. */
#define UNALIGNED __attribute__((packed, aligned(1)))

struct boot_info boot_info;

void boot_main(uint32_t magic, uint32_t info);

static const void *boot_ptr(uint64_t paddr)
{
	return (const void *)(BOOT_DIRECT_BASE + paddr);
}

/* All early pointers must be reachable through the boot tables. */
static bool boot_reachable(uint64_t paddr)
{
	return paddr != 0 && paddr < (4ULL << 30);
}

/* How many bytes that is, from there on; no loader has more to say than fits an int. */
static unsigned int boot_room(uint64_t paddr)
{
	uint64_t room = (4ULL << 30) - paddr;

	return room < (1u << 30) ? (unsigned int)room : 1u << 30;
}

/* Copy a string of at most @max bytes into a buffer of @size; returns true if it had to be cut. */
static bool copy_string(char *dst, const char *src, unsigned int size, unsigned int max)
{
	unsigned int i;

	for (i = 0; i < max && src[i] && i < size - 1; i++)
		dst[i] = src[i];
	dst[i] = '\0';
	return i < max && src[i] != '\0';
}

static void add_region(uint64_t base, uint64_t len, uint32_t type)
{
	struct boot_region *r;

	if (len == 0)
		return;
	if (boot_info.nr_regions == BOOT_MAX_REGIONS) {
		boot_info.nr_regions_lost++;
		return;
	}
	r = &boot_info.regions[boot_info.nr_regions++];
	r->base = base;
	r->len = len;
	r->type = type;
}

static void set_initrd(uint64_t start, uint64_t size)
{
	if (boot_info.initrd_size || size == 0)
		return;
	boot_info.initrd_paddr = start;
	boot_info.initrd_size = size;
}

/* ---- multiboot2 ---- */

enum mb2_tag_type {
	MB2_END = 0,
	MB2_CMDLINE = 1,
	MB2_LOADER = 2,
	MB2_MODULE = 3,
	MB2_MMAP = 6,
	MB2_FRAMEBUFFER = 8,
	MB2_RSDP_OLD = 14,
	MB2_RSDP_NEW = 15,
};

struct mb2_info {
	uint32_t total_size;
	uint32_t reserved;
} UNALIGNED;

struct mb2_tag {
	uint32_t type;
	uint32_t size;
} UNALIGNED;

struct mb2_string {
	struct mb2_tag tag;
	char string[];
} UNALIGNED;

struct mb2_module {
	struct mb2_tag tag;
	uint32_t start, end;
	char string[];
} UNALIGNED;

struct mb2_mmap_entry {
	uint64_t base, len;
	uint32_t type;
	uint32_t reserved;
} UNALIGNED;

struct mb2_mmap {
	struct mb2_tag tag;
	uint32_t entry_size;
	uint32_t entry_version;
	uint8_t entries[];
} UNALIGNED;

struct mb2_framebuffer {
	struct mb2_tag tag;
	uint64_t paddr;
	uint32_t pitch, width, height;
	uint8_t bpp, type;
	uint16_t reserved; /* one byte in the specification, two in its header file and in GRUB */
	struct boot_colour_field red, green, blue; /* of type 1 */
} UNALIGNED;

struct mb2_rsdp {
	struct mb2_tag tag;
	uint8_t rsdp[];
} UNALIGNED;

static void mb2_mmap(const struct mb2_mmap *mmap)
{
	const uint8_t *p = mmap->entries;
	const uint8_t *end = (const uint8_t *)mmap + mmap->tag.size;

	if (mmap->entry_size < sizeof(struct mb2_mmap_entry))
		return;
	for (; (size_t)(end - p) >= mmap->entry_size; p += mmap->entry_size) {
		const struct mb2_mmap_entry *e = (const void *)p;

		add_region(e->base, e->len, e->type);
	}
}

/* The old root pointer is 20 bytes, the new one 36; the new one wins. */
static void mb2_rsdp(const struct mb2_rsdp *tag)
{
	uint32_t size = tag->tag.size - sizeof(struct mb2_tag);

	if (size > sizeof(boot_info.rsdp))
		size = sizeof(boot_info.rsdp);
	if (size <= boot_info.rsdp_size)
		return;
	for (uint32_t i = 0; i < size; i++)
		boot_info.rsdp[i] = tag->rsdp[i];
	boot_info.rsdp_size = size;
}

static void mb2_framebuffer(const struct mb2_framebuffer *tag)
{
	boot_info.fb.paddr = tag->paddr;
	boot_info.fb.pitch = tag->pitch;
	boot_info.fb.width = tag->width;
	boot_info.fb.height = tag->height;
	boot_info.fb.bpp = tag->bpp;
	boot_info.fb.type = tag->type;
	if (tag->tag.size >= sizeof(*tag)) {
		boot_info.fb.red = tag->red;
		boot_info.fb.green = tag->green;
		boot_info.fb.blue = tag->blue;
	}
}

static unsigned int string_max(const struct mb2_string *s)
{
	return s->tag.size - (unsigned int)sizeof(*s);
}

/* What a tag must have to be looked at. */
static uint32_t mb2_least_size(uint32_t type)
{
	switch (type) {
	case MB2_MODULE:
		return sizeof(struct mb2_module);
	case MB2_MMAP:
		return sizeof(struct mb2_mmap);
	case MB2_FRAMEBUFFER:
		return sizeof(struct mb2_framebuffer);
	default:
		return sizeof(struct mb2_tag);
	}
}

static void mb2_tag(const struct mb2_tag *tag)
{
	const struct mb2_string *string = (const void *)tag;
	const struct mb2_module *module = (const void *)tag;

	switch (tag->type) {
	case MB2_CMDLINE:
		boot_info.cmdline_cut = copy_string(boot_info.cmdline, string->string,
						    BOOT_CMDLINE_SIZE, string_max(string));
		break;
	case MB2_LOADER:
		copy_string(boot_info.loader, string->string, sizeof(boot_info.loader),
			    string_max(string));
		break;
	case MB2_MODULE:
		if (module->end > module->start)
			set_initrd(module->start, module->end - module->start);
		break;
	case MB2_MMAP:
		mb2_mmap((const void *)tag);
		break;
	case MB2_FRAMEBUFFER:
		mb2_framebuffer((const void *)tag);
		break;
	case MB2_RSDP_OLD:
	case MB2_RSDP_NEW:
		mb2_rsdp((const void *)tag);
		break;
	}
}

static void parse_multiboot2(uint32_t paddr)
{
	const struct mb2_info *info = boot_ptr(paddr);
	const uint8_t *p = (const uint8_t *)(info + 1);
	const uint8_t *end = (const uint8_t *)info + info->total_size;

	while (p < end && (size_t)(end - p) >= sizeof(struct mb2_tag)) {
		const struct mb2_tag *tag = (const void *)p;

		if (tag->type == MB2_END || tag->size < sizeof(*tag) ||
		    tag->size > (size_t)(end - p))
			break;
		if (tag->size >= mb2_least_size(tag->type))
			mb2_tag(tag);
		p += ((size_t)tag->size + 7) & ~7UL;
	}
}

/* ---- PVH ---- */

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	/* from version 1 on */
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
} UNALIGNED;

struct pvh_module {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
} UNALIGNED;

struct pvh_memmap_entry {
	uint64_t base, len;
	uint32_t type;
	uint32_t reserved;
} UNALIGNED;

/* A table of more entries than this is no table. */
#define PVH_MEMMAP_MAX 65536

static bool boot_room_for(uint64_t paddr, uint64_t size)
{
	return boot_reachable(paddr) && size <= boot_room(paddr);
}

static void parse_pvh(uint32_t paddr)
{
	const struct pvh_start_info *info = boot_ptr(paddr);

	copy_string(boot_info.loader, "PVH", sizeof(boot_info.loader), 4);
	if (info->magic != BOOT_MAGIC_PVH)
		return;
	if (boot_reachable(info->cmdline_paddr))
		boot_info.cmdline_cut =
			copy_string(boot_info.cmdline, boot_ptr(info->cmdline_paddr),
				    BOOT_CMDLINE_SIZE, boot_room(info->cmdline_paddr));
	if (info->nr_modules && boot_room_for(info->modlist_paddr, sizeof(struct pvh_module))) {
		const struct pvh_module *mod = boot_ptr(info->modlist_paddr);

		set_initrd(mod->paddr, mod->size);
	}
	boot_info.rsdp_paddr = info->rsdp_paddr;
	if (info->version >= 1 && info->memmap_entries <= PVH_MEMMAP_MAX &&
	    boot_room_for(info->memmap_paddr,
			  info->memmap_entries * sizeof(struct pvh_memmap_entry))) {
		const struct pvh_memmap_entry *e = boot_ptr(info->memmap_paddr);

		for (uint32_t i = 0; i < info->memmap_entries; i++)
			add_region(e[i].base, e[i].len, e[i].type);
	}
}

/* From entry.S: high half, boot stack, per-CPU area reachable, interrupts off. */
void boot_main(uint32_t magic, uint32_t info)
{
	if (magic == BOOT_MAGIC_PVH) {
		boot_info.how = BOOT_PVH;
		parse_pvh(info);
	} else if (magic == BOOT_MAGIC_MULTIBOOT2) {
		boot_info.how = BOOT_MULTIBOOT2;
		parse_multiboot2(info);
	}
	kernel_main();
}
