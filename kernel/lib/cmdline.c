/* SPDX-License-Identifier: MIT */
/*
 * The kernel command line. Read where it stands, word by word, whenever someone asks: this happens
 * a few dozen times, all at boot.
 */
#include <kernel/lib/cmdline.h>
#include <kernel/lib/string.h>

static const char *line = "";

void cmdline_init(const char *cmdline)
{
	line = cmdline;
}

const char *boot_cmdline(void)
{
	return line;
}

/* A word ends at a space outside quotes; the quotes themselves are dropped. */
static const char *copy_word(const char *p, char *buf, size_t n)
{
	bool quoted = false;
	size_t len = 0;

	for (; *p && (quoted || !isspace_ascii(*p)); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (len + 1 < n)
			buf[len++] = *p;
	}
	if (n)
		buf[len] = '\0';
	return p;
}

bool cmdline_next_word(const char **pos, char *buf, size_t n, bool *for_init)
{
	const char *p = *pos;

	if (!p) {
		p = line;
		*for_init = false;
	}
	for (;;) {
		while (isspace_ascii(*p))
			p++;
		if (!*p)
			return false;
		if (*for_init || p[0] != '-' || p[1] != '-' || (p[2] && !isspace_ascii(p[2])))
			break;
		*for_init = true;
		p += 2;
	}
	*pos = copy_word(p, buf, n);
	return true;
}

/* If the word at p is key or key=..., its value's start, else NULL. */
static const char *match_key(const char *p, const char *key)
{
	size_t n = strlen(key);

	if (strncmp(p, key, n) != 0)
		return NULL;
	p += n;
	if (*p == '=')
		return p + 1;
	return !*p || isspace_ascii(*p) ? p : NULL;
}

bool cmdline_get(const char *key, char *buf, size_t n)
{
	const char *p = line, *found = NULL;

	for (;;) {
		const char *value;

		while (isspace_ascii(*p))
			p++;
		if (!*p || (p[0] == '-' && p[1] == '-' && (!p[2] || isspace_ascii(p[2]))))
			break;
		value = match_key(p, key);
		if (value)
			found = value;
		p = copy_word(p, NULL, 0);
	}
	if (found)
		copy_word(found, buf, n);
	return found != NULL;
}

long cmdline_long(const char *key, long def)
{
	char value[32];
	long v;

	return cmdline_get(key, value, sizeof(value)) && kstrtol(value, 0, &v) == 0 ? v : def;
}

u64 cmdline_size(const char *key, u64 def)
{
	char value[32], *end;
	u64 v;

	if (!cmdline_get(key, value, sizeof(value)))
		return def;
	v = memparse(value, &end);
	return end == value || *end ? def : v;
}

bool cmdline_bool(const char *key, bool def)
{
	char value[8];

	if (!cmdline_get(key, value, sizeof(value)))
		return def;
	return strcmp(value, "0") != 0 && strcmp(value, "n") != 0 && strcmp(value, "off") != 0 &&
	       strcmp(value, "no") != 0;
}
