/* SPDX-License-Identifier: MIT */
/*
 * Memory and strings.
 *
 * memcpy and memset of any length are one `rep movsq`/`stosq` and a tail of up to 7 bytes: the cost
 * of a page is 512 iterations, whether or not the processor has fast byte strings (under -icount,
 * where each iteration counts as an instruction, byte strings would cost 4096). Small constant
 * sizes never get here: the compiler expands the builtins.
 *
 * Nothing here may be compiled into a call of itself: HIDE() keeps the compiler from recognising a
 * loop as memmove or strlen.
 */
#include <kernel/lib/errno.h>
#include <kernel/lib/string.h>

#define HIDE(var) __asm__("" : "+r"(var))

#ifndef OCTAVO_HOST

#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;
	size_t words = n / 8, tail = n % 8;

	if (words)
		__asm__ __volatile__("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
	if (tail)
		__asm__ __volatile__("rep movsb" : "+D"(d), "+S"(src), "+c"(tail) : : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	/* Each write forwards ends before what is still to be read, unless dst lies inside src. */
	if ((unsigned long)d - (unsigned long)s >= n)
		return memcpy(dst, src, n);
	while (n % 8) {
		n--;
		HIDE(n);
		d[n] = s[n];
	}
	for (; n; n -= 8) {
		u64 w;

		__builtin_memcpy(&w, s + n - 8, 8);
		HIDE(w);
		__builtin_memcpy(d + n - 8, &w, 8);
	}
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;
	u64 pattern = (u8)c * 0x0101010101010101ULL;
	size_t words = n / 8, tail = n % 8;

	if (words)
		__asm__ __volatile__("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	if (tail)
		__asm__ __volatile__("rep stosb" : "+D"(d), "+c"(tail) : "a"(pattern) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n >= 8; n -= 8, x += 8, y += 8) {
		u64 u, v;

		__builtin_memcpy(&u, x, 8);
		__builtin_memcpy(&v, y, 8);
		if (u != v)
			break;
	}
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const u8 *p = s; n; n--, p++)
		if (*p == (u8)c)
			return (void *)p;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p) {
		p++;
		HIDE(p);
	}
	return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i]) {
		i++;
		HIDE(i);
	}
	return i;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	while (n && *a && *a == *b)
		a++, b++, n--;
	return n ? (u8)*a - (u8)*b : 0;
}

char *strchrnul(const char *s, int c)
{
	while (*s && *s != (char)c)
		s++;
	return (char *)s;
}

char *strchr(const char *s, int c)
{
	s = strchrnul(s, c);
	return *s == (char)c ? (char *)s : NULL;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c)
			last = s;
	} while (*s++);
	return (char *)last;
}

char *strstr(const char *s, const char *what)
{
	size_t n = strlen(what);

	for (; *s || !n; s++)
		if (strncmp(s, what, n) == 0)
			return (char *)s;
	return NULL;
}

size_t strcspn(const char *s, const char *reject)
{
	size_t n = 0;

	while (s[n] && !strchr(reject, s[n]))
		n++;
	return n;
}

char *strsep(char **s, const char *delim)
{
	char *start = *s, *end;

	if (!start)
		return NULL;
	end = start + strcspn(start, delim);
	*s = *end ? end + 1 : NULL;
	*end = '\0';
	return start;
}

char *strcpy(char *dst, const char *src)
{
	char *d = dst;

	while ((*d++ = *src++))
		;
	return dst;
}

void clear_page(void *page)
{
	size_t words = 4096 / 8;

	__asm__ __volatile__("rep stosq" : "+D"(page), "+c"(words) : "a"(0UL) : "memory");
}

void copy_page(void *dst, const void *src)
{
	size_t words = 4096 / 8;

	__asm__ __volatile__("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
}

#else /* OCTAVO_HOST: in C, so that the sanitizers see it */

void clear_page(void *page)
{
	memset(page, 0, 4096);
}

void copy_page(void *dst, const void *src)
{
	memcpy(dst, src, 4096);
}

#endif

void *memchr_inv(const void *s, int c, size_t n)
{
	const u8 *p = s;
	u64 pattern = (u8)c * 0x0101010101010101ULL;

	for (; n >= 8; n -= 8, p += 8) {
		u64 w;

		__builtin_memcpy(&w, p, 8);
		if (w != pattern)
			break;
	}
	for (; n; n--, p++)
		if (*p != (u8)c)
			return (void *)p;
	return NULL;
}

ssize_t strscpy(char *dst, const char *src, size_t n)
{
	size_t i = 0;

	if (!n)
		return -E2BIG;
	for (; i < n - 1 && src[i]; i++)
		dst[i] = src[i];
	dst[i] = '\0';
	return src[i] ? -E2BIG : (ssize_t)i;
}

char *strim(char *s)
{
	size_t n;

	while (isspace_ascii(*s))
		s++;
	n = strlen(s);
	while (n && isspace_ascii(s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

/* ---- numbers ---- */

static unsigned int digit_value(char c)
{
	c = tolower_ascii(c);
	if (isdigit_ascii(c))
		return (unsigned int)(c - '0');
	return c >= 'a' && c <= 'z' ? (unsigned int)(c - 'a') + 10 : 99;
}

/* Skips a prefix and settles the base. */
static const char *number_base(const char *s, unsigned int *base)
{
	bool hex = s[0] == '0' && tolower_ascii(s[1]) == 'x' && digit_value(s[2]) < 16;

	if (*base == 0)
		*base = hex ? 16 : s[0] == '0' ? 8 : 10;
	return hex && *base == 16 ? s + 2 : s;
}

static const char *parse_digits(const char *s, unsigned int base, unsigned long long *res,
				bool *overflow)
{
	unsigned long long v = 0;
	unsigned int d;

	for (; (d = digit_value(*s)) < base; s++)
		*overflow |= __builtin_mul_overflow(v, base, &v) ||
			     __builtin_add_overflow(v, d, &v);
	*res = v;
	return s;
}

unsigned long long simple_strtoull(const char *s, char **end, unsigned int base)
{
	unsigned long long v;
	bool overflow = false;

	s = number_base(s, &base);
	s = parse_digits(s, base, &v, &overflow);
	if (end)
		*end = (char *)s;
	return v;
}

int kstrtoull(const char *s, unsigned int base, unsigned long long *res)
{
	unsigned long long v;
	bool overflow = false;
	const char *start;

	if (*s == '+')
		s++;
	start = s = number_base(s, &base);
	s = parse_digits(s, base, &v, &overflow);
	if (s == start)
		return -EINVAL;
	if (*s == '\n')
		s++;
	if (*s)
		return -EINVAL;
	if (overflow)
		return -ERANGE;
	*res = v;
	return 0;
}

int kstrtoll(const char *s, unsigned int base, long long *res)
{
	bool negative = *s == '-';
	unsigned long long v;
	int err = kstrtoull(s + negative, base, &v);

	if (err)
		return err;
	if (negative && s[1] == '+')
		return -EINVAL;
	if (v > (unsigned long long)INT64_MAX + negative)
		return -ERANGE;
	*res = (long long)(negative ? 0 - v : v);
	return 0;
}

int kstrtol(const char *s, unsigned int base, long *res)
{
	long long v;
	int err = kstrtoll(s, base, &v);

	if (!err)
		*res = v;
	return err;
}

int kstrtouint(const char *s, unsigned int base, unsigned int *res)
{
	unsigned long long v;
	int err = kstrtoull(s, base, &v);

	if (err)
		return err;
	if (v > UINT32_MAX)
		return -ERANGE;
	*res = (unsigned int)v;
	return 0;
}

int kstrtoint(const char *s, unsigned int base, int *res)
{
	long long v;
	int err = kstrtoll(s, base, &v);

	if (err)
		return err;
	if (v > INT32_MAX || v < INT32_MIN)
		return -ERANGE;
	*res = (int)v;
	return 0;
}

unsigned long long memparse(const char *s, char **end)
{
	static const char units[] = "kmgtpe";
	char *p;
	unsigned long long v = simple_strtoull(s, &p, 0);
	const char *unit = *p ? strchr(units, tolower_ascii(*p)) : NULL;

	if (unit && p != s) {
		v <<= 10 * (unit - units + 1);
		p++;
	}
	if (end)
		*end = p;
	return v;
}
