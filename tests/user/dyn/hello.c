/* SPDX-License-Identifier: MIT */
/*
 * A program of the host's own C library: compiled static, static PIE and dynamically linked, it
 * prints the same. With an argument it waits for its input to end before it goes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Thread_local int tls = 42;
static int constructed;

__attribute__((constructor)) static void construct(void)
{
	constructed = 1;
}

static void at_exit(void)
{
	puts("atexit: done");
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void sorting(void)
{
	int v[] = {5, 3, 9, 1, 7};

	qsort(v, 5, sizeof(*v), by_value);
	printf("qsort: %d %d %d %d %d\n", v[0], v[1], v[2], v[3], v[4]);
}

static void memory(void)
{
	char *small = malloc(100), *large = malloc(3 << 20);

	memset(small, 1, 100);
	memset(large, 2, 3 << 20);
	large = realloc(large, 5 << 20);
	printf("malloc: %d %d\n", small[99], large[(3 << 20) - 1]);
	free(small);
	free(large);
}

static void child(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		tls = 7;
		_exit(tls);
	}
	waitpid(pid, &status, 0);
	printf("fork: child %d, parent's tls %d\n", WEXITSTATUS(status), tls);
}

int main(int argc, char **argv)
{
	struct utsname u;
	char text[64];

	atexit(at_exit);
	setlocale(LC_ALL, "");
	printf("hello, %d argument%s, constructor %d\n", argc, argc == 1 ? "" : "s", constructed);
	sorting();
	memory();
	child();
	uname(&u);
	printf("uname: %s %s\n", u.sysname, u.machine);
	errno = 0;
	access("/no/such/file", F_OK);
	printf("errno: %s\n", strerror(errno));
	time_t t = 86400 * 365;
	strftime(text, sizeof(text), "%Y-%m-%d", gmtime(&t));
	printf("strftime: %s\n", text);
	printf("printf: %5.2f %#x %-6s| %zu\n", 3.14159, 48879, "left", (size_t)1 << 40);
	if (argc > 1 && !strcmp(argv[1], "--wait")) {
		fflush(stdout);
		while (getchar() != EOF)
			;
	}
	return 0;
}
