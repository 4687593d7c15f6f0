/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables, as far as the machine's processors need them.
 *
 *	RSDP -> XSDT (64-bit pointers) or RSDT (32-bit) -> MADT: a list of records
 *
 * The root pointer comes from the loader (multiboot2: a copy of it; PVH: its address), or is found
 * in the BIOS's area on a 16-byte boundary. The tables lie in memory that the firmware's map calls
 * ACPI or reserved, which the direct map does not have: each is mapped while it is read.
 *
 * Nothing in a table is trusted: signature, checksum and length are looked at first, and a record
 * that does not fit ends the list. Without a good MADT there is one processor.
 *
 * Source: ACPI Specification 6.4, 5.2.5 (RSDP), 5.2.7, 5.2.8 (RSDT, XSDT), 5.2.12 (MADT).
 *
 * Simplified: no AML and so no namespace; x2APIC records are skipped, whose processors xAPIC mode
 * cannot address.
 */
#include <boot/boot.h>
#include <kernel/acpi.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <mm/pgtable.h>
#include <mm/vmalloc.h>

struct rsdp {
	char signature[8]; /* "RSD PTR " */
	u8 checksum;       /* of the first 20 bytes */
	char oem[6];
	u8 revision; /* 0: ends after rsdt */
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 checksum_all;
	u8 reserved[3];
} __packed;
#define RSDP_SIZE_OLD 20

struct table_header {
	char signature[4];
	u32 length; /* with the header */
	u8 revision, checksum;
	char oem[6], oem_table[8];
	u32 oem_revision, creator, creator_revision;
} __packed;
/* No table that is read here is nearly as large; a wild length is not mapped. */
#define TABLE_MAX (1u << 20)

struct madt {
	struct table_header header;
	u32 lapic;
	u32 flags;
	u8 records[];
} __packed;

enum madt_record_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_ADDRESS = 5,
};

struct madt_record {
	u8 type, length;
	union {
		struct {
			u8 processor, apic_id;
			u32 flags; /* bit 0: enabled */
		} __packed lapic;
		struct {
			u8 id, reserved;
			u32 address, gsi_base;
		} __packed ioapic;
		struct {
			u8 bus, irq;
			u32 gsi;
			u16 flags;
		} __packed override;
		struct {
			u16 reserved;
			u64 address;
		} __packed lapic_address;
	};
} __packed;
#define LAPIC_ENABLED 1u

/* Where a BIOS puts the root pointer (5.2.5.1): the first KiB of the extended data area, whose
 * segment is at 0x40e, or the ROM area. */
#define BIOS_EBDA_SEGMENT 0x40e
#define BIOS_ROM_START    0xe0000
#define BIOS_ROM_END      0x100000

struct acpi_madt acpi_madt;

static bool checksum_ok(const void *p, size_t n)
{
	const u8 *b = p;
	u8 sum = 0;

	while (n--)
		sum = (u8)(sum + *b++);
	return sum == 0;
}

static bool rsdp_ok(const struct rsdp *r)
{
	return !memcmp(r->signature, "RSD PTR ", 8) && checksum_ok(r, RSDP_SIZE_OLD);
}

/* ---- the root pointer ---- */

/* Copies it from physical memory, if there is one at pa. */
static bool read_rsdp(paddr_t pa, struct rsdp *out)
{
	const struct rsdp *r = ioremap(pa, sizeof(*r));
	bool ok = r && rsdp_ok(r);

	if (ok)
		*out = *r;
	iounmap((void *)r);
	return ok;
}

static bool search_rsdp(paddr_t start, paddr_t end, struct rsdp *out)
{
	const char *area = ioremap(start, end - start);
	bool found = false;

	for (size_t off = 0; area && !found && off + sizeof(*out) <= end - start; off += 16) {
		found = rsdp_ok((const void *)(area + off));
		if (found)
			memcpy(out, area + off, sizeof(*out));
	}
	iounmap((void *)area);
	return found;
}

static paddr_t ebda(void)
{
	const char *bda = ioremap(0, PAGE_SIZE);
	u16 segment = 0;

	if (bda)
		memcpy(&segment, bda + BIOS_EBDA_SEGMENT, sizeof(segment));
	iounmap((void *)bda);
	return (paddr_t)segment << 4;
}

static bool find_rsdp(struct rsdp *out)
{
	paddr_t data = ebda();

	if (boot_info.rsdp_size >= RSDP_SIZE_OLD) {
		memset(out, 0, sizeof(*out));
		memcpy(out, boot_info.rsdp, min((size_t)boot_info.rsdp_size, sizeof(*out)));
		if (rsdp_ok(out))
			return true;
	}
	if (boot_info.rsdp_paddr && read_rsdp(boot_info.rsdp_paddr, out))
		return true;
	if (data >= 0x400 && data < BIOS_ROM_START && search_rsdp(data, data + 1024, out))
		return true;
	return search_rsdp(BIOS_ROM_START, BIOS_ROM_END, out);
}

/* ---- tables ---- */

/* Maps a table whole, or NULL. iounmap() it. */
static void *map_table(paddr_t pa)
{
	struct table_header *h = pa ? ioremap(pa, sizeof(*h)) : NULL;
	u32 length = h ? h->length : 0;

	iounmap(h);
	if (length < sizeof(*h) || length > TABLE_MAX)
		return NULL;
	h = ioremap(pa, length);
	if (h && checksum_ok(h, length))
		return h;
	iounmap(h);
	return NULL;
}

/* The nth pointer of the root table, 0 behind the last. */
static paddr_t root_entry(const struct table_header *root, bool wide, unsigned int n)
{
	size_t size = wide ? sizeof(u64) : sizeof(u32), off = sizeof(*root) + n * size;
	u64 pa = 0;

	if (off + size <= root->length)
		memcpy(&pa, (const char *)root + off, size);
	return pa;
}

static void *find_table(const struct rsdp *rsdp, const char *signature)
{
	bool wide = rsdp->revision >= 2 && rsdp->xsdt && checksum_ok(rsdp, sizeof(*rsdp));
	struct table_header *root = map_table(wide ? rsdp->xsdt : rsdp->rsdt), *t = NULL;
	paddr_t pa;

	for (unsigned int n = 0; root && (pa = root_entry(root, wide, n)); n++) {
		t = map_table(pa);
		if (t && !memcmp(t->signature, signature, sizeof(t->signature)))
			break;
		iounmap(t);
		t = NULL;
	}
	iounmap(root);
	return t;
}

/* ---- the MADT ---- */

static void add_cpu(u8 apic_id)
{
	if (acpi_madt.nr_cpus < NR_CPUS)
		acpi_madt.apic_id[acpi_madt.nr_cpus++] = apic_id;
	else
		acpi_madt.nr_cpus_lost++;
}

static void read_record(const struct madt_record *r)
{
	switch (r->type) {
	case MADT_LAPIC:
		if (r->length >= 8 && (r->lapic.flags & LAPIC_ENABLED))
			add_cpu(r->lapic.apic_id);
		break;
	case MADT_IOAPIC: /* the ISA lines are those of the first */
		if (r->length >= 12 && (!acpi_madt.ioapic || !r->ioapic.gsi_base)) {
			acpi_madt.ioapic = r->ioapic.address;
			acpi_madt.ioapic_gsi_base = r->ioapic.gsi_base;
		}
		break;
	case MADT_OVERRIDE:
		if (r->length >= 10 && r->override.irq < ACPI_ISA_IRQS) {
			acpi_madt.isa[r->override.irq].gsi = r->override.gsi;
			acpi_madt.isa[r->override.irq].flags = r->override.flags;
		}
		break;
	case MADT_LAPIC_ADDRESS:
		if (r->length >= 12)
			acpi_madt.lapic = r->lapic_address.address;
		break;
	}
}

static void read_madt(const struct madt *m)
{
	const u8 *p = m->records, *end = (const u8 *)m + m->header.length;

	acpi_madt.lapic = m->lapic;
	for (u32 irq = 0; irq < ACPI_ISA_IRQS; irq++)
		acpi_madt.isa[irq].gsi = irq;
	while (end - p >= 2 && p[1] >= 2 && p[1] <= end - p) {
		read_record((const void *)p);
		p += p[1];
	}
}

void acpi_init(void)
{
	struct madt *m = NULL;
	struct rsdp rsdp;

	if (find_rsdp(&rsdp))
		m = find_table(&rsdp, "APIC");
	if (m && m->header.length >= sizeof(*m)) {
		read_madt(m);
		acpi_madt.found = true;
	}
	iounmap(m);
	if (!acpi_madt.found)
		pr_info("ACPI: no MADT: one processor\n");
	else
		pr_info("ACPI: %u processors, local APICs at 0x%lx, I/O APIC at 0x%lx\n",
			acpi_madt.nr_cpus, (unsigned long)acpi_madt.lapic,
			(unsigned long)acpi_madt.ioapic);
}
