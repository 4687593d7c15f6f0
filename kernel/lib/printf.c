/* SPDX-License-Identifier: MIT */
/*
 * Formatted text: one pass over the format, each conversion parsed into a struct spec and printed
 * into a bounded sink that counts on after it is full, as vsnprintf's result demands.
 *
 * Left out: floating point (the kernel has none), %n, and the wide characters.
 */
#include <kernel/lib/kallsyms.h>
#include <kernel/lib/printf.h>
#include <kernel/lib/string.h>

#ifndef OCTAVO_HOST

struct sink {
	char *buf;
	size_t size; /* of buf */
	size_t len;  /* of the text so far, written or not */
};

struct spec {
	bool left, zero, plus, space, alt, upper;
	int width;
	int precision;     /* -1: none */
	unsigned int size; /* of the integer argument in bytes */
};

static void put(struct sink *out, char c)
{
	if (out->len < out->size)
		out->buf[out->len] = c;
	out->len++;
}

static void pad(struct sink *out, char c, int n)
{
	while (n-- > 0)
		put(out, c);
}

static void put_string(struct sink *out, const struct spec *spec, const char *s, size_t n)
{
	int fill = spec->width - (int)n;

	if (!spec->left)
		pad(out, ' ', fill);
	for (size_t i = 0; i < n; i++)
		put(out, s[i]);
	if (spec->left)
		pad(out, ' ', fill);
}

/* sign: 0 or the character to print in front. */
static void put_number(struct sink *out, const struct spec *spec, u64 v, unsigned int base,
		       char sign)
{
	const char *digits = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24]; /* 22 octal digits */
	int n = 0, zeros, fill;
	const char *prefix = "";

	if (spec->alt && v)
		prefix = base == 8 ? "0" : base == 16 ? (spec->upper ? "0X" : "0x") : "";
	if (v || spec->precision != 0)
		do {
			text[n++] = digits[v % base];
			v /= base;
		} while (v);

	zeros = spec->precision > n ? spec->precision - n : 0;
	fill = spec->width - n - zeros - (sign != 0) - (int)strlen(prefix);
	if (spec->zero && !spec->left && spec->precision < 0 && fill > 0) {
		zeros = fill;
		fill = 0;
	}
	if (!spec->left)
		pad(out, ' ', fill);
	if (sign)
		put(out, sign);
	while (*prefix)
		put(out, *prefix++);
	pad(out, '0', zeros);
	while (n)
		put(out, text[--n]);
	if (spec->left)
		pad(out, ' ', fill);
}

static void put_symbol(struct sink *out, const struct spec *spec, unsigned long addr,
		       bool with_offset)
{
	unsigned long offset, size;
	const char *name = kallsyms_lookup(addr, &offset, &size);
	char text[96];
	int n;

	if (!name)
		n = scnprintf(text, sizeof(text), "0x%lx", addr);
	else if (with_offset)
		n = scnprintf(text, sizeof(text), "%s+0x%lx/0x%lx", name, offset, size);
	else
		n = scnprintf(text, sizeof(text), "%s", name);
	put_string(out, spec, text, (size_t)n);
}

/* Behind %p. Returns the format behind the letter that was used, if any. */
static const char *put_pointer(struct sink *out, struct spec *spec, const char *fmt,
			       unsigned long v)
{
	switch (*fmt) {
	case 'S':
	case 's':
		put_symbol(out, spec, v, *fmt == 'S');
		return fmt + 1;
	case 'x':
		fmt++;
		break;
	}
	spec->precision = 16;
	put_number(out, spec, v, 16, 0);
	return fmt;
}

static const char *parse_flags(struct spec *spec, const char *fmt)
{
	for (;; fmt++) {
		switch (*fmt) {
		case '-':
			spec->left = true;
			break;
		case '0':
			spec->zero = true;
			break;
		case '+':
			spec->plus = true;
			break;
		case ' ':
			spec->space = true;
			break;
		case '#':
			spec->alt = true;
			break;
		default:
			return fmt;
		}
	}
}

static const char *parse_count(const char *fmt, int *count)
{
	*count = 0;
	while (isdigit_ascii(*fmt))
		*count = *count * 10 + (*fmt++ - '0');
	return fmt;
}

static const char *parse_length(struct spec *spec, const char *fmt)
{
	spec->size = sizeof(int);
	switch (*fmt) {
	case 'h':
		spec->size = fmt[1] == 'h' ? 1 : 2;
		return fmt + (fmt[1] == 'h' ? 2 : 1);
	case 'l':
		spec->size = 8;
		return fmt + (fmt[1] == 'l' ? 2 : 1);
	case 'z':
	case 'j':
	case 't':
		spec->size = 8;
		return fmt + 1;
	}
	return fmt;
}

static u64 narrow(u64 v, unsigned int size, bool is_signed)
{
	unsigned int shift = 64 - 8 * size;

	return is_signed ? (u64)((s64)(v << shift) >> shift) : v << shift >> shift;
}

static void put_integer(struct sink *out, struct spec *spec, char conv, u64 v)
{
	bool is_signed = conv == 'd' || conv == 'i';
	char sign = 0;

	v = narrow(v, spec->size, is_signed);
	if (is_signed) {
		sign = (s64)v < 0 ? '-' : spec->plus ? '+' : spec->space ? ' ' : 0;
		if ((s64)v < 0)
			v = 0 - v;
	}
	spec->upper = conv == 'X';
	put_number(out, spec, v, conv == 'o' ? 8 : (conv | 0x20) == 'x' ? 16 : 10, sign);
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct sink out = {buf, size, 0};

	while (*fmt) {
		struct spec spec = {.precision = -1};
		const char *s;
		char c;

		if (*fmt != '%') {
			put(&out, *fmt++);
			continue;
		}
		fmt = parse_flags(&spec, fmt + 1);
		if (*fmt == '*') {
			spec.width = va_arg(ap, int);
			if (spec.width < 0) {
				spec.left = true;
				spec.width = -spec.width;
			}
			fmt++;
		} else {
			fmt = parse_count(fmt, &spec.width);
		}
		if (*fmt == '.' && fmt[1] == '*') {
			spec.precision = va_arg(ap, int);
			fmt += 2;
		} else if (*fmt == '.') {
			fmt = parse_count(fmt + 1, &spec.precision);
		}
		fmt = parse_length(&spec, fmt);

		c = *fmt;
		if (c)
			fmt++;
		switch (c) {
		case 'd':
		case 'i':
		case 'u':
		case 'o':
		case 'x':
		case 'X':
			put_integer(&out, &spec, c,
				    spec.size == 8 ? va_arg(ap, u64) : va_arg(ap, unsigned int));
			break;
		case 'c':
			put_string(&out, &spec, (char[]){(char)va_arg(ap, int)}, 1);
			break;
		case 's':
			s = va_arg(ap, const char *);
			if (!s)
				s = "(null)";
			put_string(&out, &spec, s,
				   spec.precision >= 0 ? strnlen(s, (size_t)spec.precision) :
							 strlen(s));
			break;
		case 'p':
			fmt = put_pointer(&out, &spec, fmt, va_arg(ap, unsigned long));
			break;
		case '%':
			put(&out, '%');
			break;
		default: /* a mistake: show it, as the arguments cannot be trusted any more */
			put(&out, '%');
			if (c)
				put(&out, c);
			break;
		}
	}
	if (size)
		buf[out.len < size ? out.len : size - 1] = '\0';
	return (int)out.len;
}

int snprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return len;
}

#endif /* !OCTAVO_HOST */

int vscnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	int len = vsnprintf(buf, n, fmt, ap);

	if (!n)
		return 0;
	return (size_t)len < n ? len : (int)n - 1;
}

int scnprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vscnprintf(buf, n, fmt, ap);
	va_end(ap);
	return len;
}
