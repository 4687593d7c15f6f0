/* SPDX-License-Identifier: MIT */
/*
 * Memory and strings, with the C library's names where it has one; and numbers out of strings.
 */
#pragma once

#include <kernel/lib/types.h>

#ifdef OCTAVO_HOST
#include <string.h>
#include <strings.h>
#else
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strchrnul(const char *s, int c);
char *strstr(const char *s, const char *what);
size_t strcspn(const char *s, const char *reject);
char *strsep(char **s, const char *delim);
char *strcpy(char *dst, const char *src);

/* The compiler turns small, constant sizes into moves. */
#define memcpy(d, s, n)  __builtin_memcpy(d, s, n)
#define memmove(d, s, n) __builtin_memmove(d, s, n)
#define memset(d, c, n)  __builtin_memset(d, c, n)
#define memcmp(a, b, n)  __builtin_memcmp(a, b, n)
#define strlen(s)        __builtin_strlen(s)
#define strcmp(a, b)     __builtin_strcmp(a, b)
#endif

/* Whole pages; dst and src page aligned. */
void clear_page(void *page);
void copy_page(void *dst, const void *src);

/* The first byte that is not c, or NULL. */
void *memchr_inv(const void *s, int c, size_t n);

/* Copies and always terminates (n > 0). The length copied, or -E2BIG if src had to be cut. */
ssize_t strscpy(char *dst, const char *src, size_t n);
/* Cuts spaces off both ends, in place; returns the new start. */
char *strim(char *s);
static inline bool strstarts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static inline bool isspace_ascii(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}
static inline bool isdigit_ascii(char c)
{
	return c >= '0' && c <= '9';
}
static inline char tolower_ascii(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* The number at s and where it ended. base 0: 0x is hexadecimal, a leading 0 octal. No digits: 0,
 * *end = s. Overflow wraps (kstrto* and parse_* report it). */
unsigned long long simple_strtoull(const char *s, char **end, unsigned int base);
/* The whole string must be a number, but for one newline at its end. 0, -EINVAL or -ERANGE. */
int kstrtoull(const char *s, unsigned int base, unsigned long long *res) __must_check;
int kstrtol(const char *s, unsigned int base, long *res) __must_check;
int kstrtoll(const char *s, unsigned int base, long long *res) __must_check;
int kstrtouint(const char *s, unsigned int base, unsigned int *res) __must_check;
int kstrtoint(const char *s, unsigned int base, int *res) __must_check;
/* A number with an optional K, M, G, T, P or E (powers of 1024). */
unsigned long long memparse(const char *s, char **end);
