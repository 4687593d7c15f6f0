/* SPDX-License-Identifier: MIT */
/*
 * VGA's text mode: 80 x 25 cells at 0xb8000 in the form that the terminal keeps them in, and a cursor
 * that the hardware draws.
 *
 * It is only used as the firmware leaves it, never set: GRUB tells by its framebuffer tag, and behind
 * a PVH start the BIOS's data area does. Where the card is missing, its memory does not keep what is
 * written.
 */
#include <boot/boot.h>
#include <drivers/screen.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/pte.h>

#define VGA_MEMORY   0xb8000
#define VGA_COLS     80
#define VGA_ROWS     25
#define FB_TYPE_TEXT 2 /* boot_framebuffer.type */

#define CRTC_INDEX  0x3d4
#define CRTC_DATA   0x3d5
#define CURSOR_HIGH 14
#define CURSOR_LOW  15

/* BIOS data area: the mode, and how many columns it has. */
#define BDA_MODE  0x449
#define BDA_COLS  0x44a
#define MODE_TEXT 3

static volatile cell_t *vga_cell(unsigned int y, unsigned int x)
{
	return (volatile cell_t *)phys_to_virt(VGA_MEMORY) + y * VGA_COLS + x;
}

static void vga_draw(struct vt *vt, unsigned int y, unsigned int x, unsigned int n)
{
	volatile cell_t *to = vga_cell(y, x);
	const cell_t *from = vt->cells + y * VGA_COLS + x;

	while (n--)
		*to++ = *from++;
}

/* Hidden: where no cell is. */
static void vga_cursor(struct vt *vt)
{
	unsigned int at = vt->cursor_hidden ? VGA_ROWS * VGA_COLS :
					      vt->pen.y * VGA_COLS + vt->pen.x;

	outb(CRTC_INDEX, CURSOR_HIGH);
	outb(CRTC_DATA, (u8)(at >> 8));
	outb(CRTC_INDEX, CURSOR_LOW);
	outb(CRTC_DATA, (u8)at);
}

static const struct vt_ops vga_ops = {.draw = vga_draw, .cursor = vga_cursor};

static bool text_mode_is_set(void)
{
	if (boot_info.how == BOOT_MULTIBOOT2)
		return boot_info.fb.type == FB_TYPE_TEXT && boot_info.fb.paddr == VGA_MEMORY &&
		       boot_info.fb.width == VGA_COLS && boot_info.fb.height == VGA_ROWS;
	return *(const volatile u8 *)phys_to_virt(BDA_MODE) == MODE_TEXT &&
	       *(const volatile u16 *)phys_to_virt(BDA_COLS) == VGA_COLS;
}

static bool memory_keeps(cell_t value)
{
	*vga_cell(0, 0) = value;
	*vga_cell(0, 1) = (cell_t)~value;
	return *vga_cell(0, 0) == value;
}

bool vga_text_probe(struct vt *vt)
{
	if (!text_mode_is_set() || !memory_keeps(0x0755) || !memory_keeps(0x07aa))
		return false;
	boot_info.fb = (struct boot_framebuffer){.paddr = VGA_MEMORY,
						 .pitch = VGA_COLS * sizeof(cell_t),
						 .width = VGA_COLS,
						 .height = VGA_ROWS,
						 .type = FB_TYPE_TEXT};
	vt->ops = &vga_ops;
	vt->rows = VGA_ROWS;
	vt->cols = VGA_COLS;
	return true;
}
