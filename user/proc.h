/* SPDX-License-Identifier: MIT */
/*
 * What the programs here read of /proc.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line "name value" or "name: value kB" of a file; -1 if there is none. */
static inline long proc_value(const char *path, const char *name)
{
	FILE *f = fopen(path, "r");
	size_t n = strlen(name);
	char line[256];
	long v = -1;

	while (f && v < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, n) && strchr(": ", line[n]))
			v = atol(line + n + 1);
	if (f)
		fclose(f);
	return v;
}
