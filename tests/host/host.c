/* SPDX-License-Identifier: MIT */
/* Runs the registered cases, each in a child, and prints TAP. See host.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tests/host/host.h>

static struct host_test *tests, **tests_end = &tests;
static u64 seed = 1;
static bool longer;

void host_test_register(struct host_test *t)
{
	*tests_end = t;
	tests_end = &t->next;
}

/* xorshift64*: short, and the same everywhere. */
u64 rnd64(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1dULL;
}

unsigned long rounds(unsigned long n)
{
	return longer ? n * 10 : n;
}

void host_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# %s:%d: ", file, line);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(1);
}

/* Runs fn in a child whose output goes to fd (-1: ours); its status as a shell has it. */
static int run_child(void (*fn)(void), int fd)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (fd >= 0)
			dup2(fd, STDOUT_FILENO);
		fn();
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		FAIL("fork failed");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void host_check_panics(void (*fn)(void), const char *what)
{
	char text[4096];
	int fds[2], status;
	ssize_t n;

	CHECK(pipe(fds) == 0);
	status = run_child(fn, fds[1]);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	text[n > 0 ? n : 0] = '\0';
	if (status != HOST_PANIC_STATUS || !strstr(text, what))
		FAIL("expected a panic with \"%s\", got status %d and: %s", what, status, text);
}

int main(int argc, char **argv)
{
	const char *s = getenv("SEED"), *l = getenv("LONG");
	int nr = 0, failed = 0, n = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	longer = l && *l && *l != '0';
	for (struct host_test *t = tests; t; t = t->next)
		n += argc < 2 || !strcmp(t->name, argv[1]);
	printf("TAP version 13\n1..%d\n", n);
	for (struct host_test *t = tests; t; t = t->next) {
		int status;

		if (argc >= 2 && strcmp(t->name, argv[1]))
			continue;
		seed = s ? strtoull(s, NULL, 0) * 2 + 1 : 1;
		status = run_child(t->fn, -1);
		if (status) {
			failed++;
			printf("# status %d; would catch: %s\n", status, t->catches);
			printf("# again: SEED=%s %s %s\n", s ? s : "0", argv[0], t->name);
		}
		printf("%sok %d %s.%s\n", status ? "not " : "", ++nr, t->suite, t->name);
	}
	return failed != 0;
}
