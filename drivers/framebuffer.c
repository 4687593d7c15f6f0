/* SPDX-License-Identifier: MIT */
/*
 * A linear framebuffer of direct colour, as UEFI firmware sets one up and GRUB passes it on: the
 * terminal's cells drawn as glyphs of 8 x 16 pixels. Pixels are only written, never read: that would
 * cross the bus for each.
 *
 * The cursor is two lines at the foot of its cell. Drawing a cell wipes it out, so it is drawn anew
 * after whatever was printed.
 *
 * Simplified: what is beyond 160 x 64 cells stays black, and a framebuffer above 4 GiB is not used,
 * since the boot tables do not reach it.
 */
#include <boot/boot.h>
#include <drivers/font.h>
#include <drivers/screen.h>
#include <kernel/lib/printk.h>
#include <kernel/lib/string.h>
#include <kernel/x86/pte.h>

#define FB_TYPE_RGB  1 /* boot_framebuffer.type */
#define CURSOR_LINES 2

static unsigned int bytes; /* of a pixel */
static u32 palette[16];    /* as pixels */
static unsigned int cursor_x, cursor_y;

static u8 *pixel_at(unsigned int y, unsigned int x)
{
	return (u8 *)phys_to_virt(boot_info.fb.paddr) + y * boot_info.fb.pitch + x * bytes;
}

/* One line of a glyph. */
static void draw_line(u8 *to, u8 bits, u32 ink, u32 paper)
{
	for (unsigned int mask = 0x80; mask; mask >>= 1, to += bytes) {
		u32 pixel = bits & mask ? ink : paper;

		if (bytes == 4)
			*(volatile u32 *)to = pixel;
		else
			memcpy(to, &pixel, bytes);
	}
}

/* Lines [first, FONT_HEIGHT) of a cell. */
static void draw_cell(const struct vt *vt, unsigned int y, unsigned int x, unsigned int first,
		      bool inverse)
{
	cell_t c = vt->cells[y * vt->cols + x];
	u32 ink = palette[c >> 8 & 0x0f], paper = palette[c >> 12];

	for (unsigned int line = first; line < FONT_HEIGHT; line++)
		draw_line(pixel_at(y * FONT_HEIGHT + line, x * FONT_WIDTH),
			  font_glyphs[c & 0xff][line], inverse ? paper : ink,
			  inverse ? ink : paper);
}

static void fb_draw(struct vt *vt, unsigned int y, unsigned int x, unsigned int n)
{
	while (n--)
		draw_cell(vt, y, x++, 0, false);
}

static void fb_cursor(struct vt *vt)
{
	draw_cell(vt, cursor_y, cursor_x, 0, false);
	cursor_x = vt->pen.x;
	cursor_y = vt->pen.y;
	if (!vt->cursor_hidden)
		draw_cell(vt, cursor_y, cursor_x, FONT_HEIGHT - CURSOR_LINES, true);
}

static const struct vt_ops fb_ops = {.draw = fb_draw, .cursor = fb_cursor};

/* A level of 0 to 255 as a field of the pixel. */
static u32 field(const struct boot_colour_field *f, u32 level)
{
	return level >> (8 - f->size) << f->pos;
}

/* VGA's colours: a bit each for blue, green, red, and one for brightness; dark yellow is brown. */
static void make_palette(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(palette); i++) {
		u32 bright = i & 8 ? 0x55 : 0, level[3];

		for (u32 c = 0; c < 3; c++)
			level[c] = (i >> c & 1 ? 0xaa : 0) + bright;
		if (i == 6)
			level[1] = 0x55;
		palette[i] = field(&boot_info.fb.blue, level[0]) |
			     field(&boot_info.fb.green, level[1]) |
			     field(&boot_info.fb.red, level[2]);
	}
}

static bool usable(const struct boot_framebuffer *fb)
{
	return fb->type == FB_TYPE_RGB && fb->paddr && fb->bpp >= 15 && fb->bpp <= 32 &&
	       fb->width >= 2 * FONT_WIDTH && fb->height >= 2 * FONT_HEIGHT && fb->red.size <= 8 &&
	       fb->green.size <= 8 && fb->blue.size <= 8;
}

bool framebuffer_probe(struct vt *vt)
{
	struct boot_framebuffer *fb = &boot_info.fb;

	if (!usable(fb))
		return false;
	if (!font_present || fb->paddr + (u64)fb->pitch * fb->height > 4UL << 30) {
		pr_warn("screen: the framebuffer at 0x%lx is not used: %s\n",
			(unsigned long)fb->paddr,
			font_present ? "it is above 4 GiB" :
				       "this kernel was built without a font");
		return false;
	}
	bytes = (fb->bpp + 7u) / 8;
	make_palette();
	memset(phys_to_virt(fb->paddr), 0, (size_t)fb->pitch * fb->height);
	vt->ops = &fb_ops;
	vt->rows = min(fb->height / FONT_HEIGHT, (u32)VT_MAX_ROWS);
	vt->cols = min(fb->width / FONT_WIDTH, (u32)VT_MAX_COLS);
	return true;
}
