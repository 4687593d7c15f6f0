/* SPDX-License-Identifier: MIT */
/*
 * ktest: runs the kernel's own tests from the prompt.
 *
 *	ktest			all of them
 *	ktest SUITE.CASE…	these (SUITE or SUITE.* for a whole suite)
 *
 * Each name is written to /proc/octavo/ktest, and what the tests print (KTAP) is read back from
 * the same descriptor until its end. Exits with 1 if a test failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KTEST "/proc/octavo/ktest"

/* Looks for results as the text goes by; a line may come in pieces. */
static int count_failures(const char *buf, ssize_t n)
{
	static char line[256];
	static size_t len;
	int failed = 0;

	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != '\n') {
			if (len < sizeof(line) - 1)
				line[len++] = buf[i];
			continue;
		}
		line[len] = 0;
		failed += !strncmp(line + strspn(line, " "), "not ok ", 7);
		len = 0;
	}
	return failed;
}

static int run(const char *name)
{
	int fd = open(KTEST, O_RDWR), failed = 0;
	char buf[1024];
	ssize_t n;

	if (fd < 0 || write(fd, name, strlen(name)) < 0) {
		fprintf(stderr, "ktest: %s: %s\n", name, strerror(errno));
		return 1;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		fwrite(buf, 1, (size_t)n, stdout);
		failed += count_failures(buf, n);
	}
	if (n < 0) {
		fprintf(stderr, "ktest: %s: %s\n", KTEST, strerror(errno));
		failed++;
	}
	close(fd);
	fflush(stdout);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc < 2)
		return run("all") != 0;
	for (int i = 1; i < argc; i++)
		failed += run(argv[i]);
	return failed != 0;
}
