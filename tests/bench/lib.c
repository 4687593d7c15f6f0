/* SPDX-License-Identifier: MIT */
/*
 * What the programs of tests/bench share. As process 1 they need no shell and no other program, so that
 * Linux and Octavo have the same little to do beside them.
 */
#include "bench.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

char *self;
int have_swap;

__attribute__((noinline)) void bench_reset(void)
{
	__asm__ volatile("" : : : "memory");
}

__attribute__((noinline)) void bench_begin(void)
{
	__asm__ volatile("" : : : "memory");
}

__attribute__((noinline)) void bench_end(void)
{
	__asm__ volatile("" : : : "memory");
}

uint64_t pagemap(const volatile void *p)
{
	static int fd = -1;
	uint64_t word;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	MUST(fd >= 0 && pread(fd, &word, 8, (uintptr_t)p / PAGE * 8) == 8);
	return word & (PM_SWAPPED | PM_PRESENT | ((1ull << PM_PFN_BITS) - 1));
}

long proc_kb(const char *file, const char *word)
{
	char text[8192], *line = text;
	int fd = open(file, O_RDONLY | O_CLOEXEC),
	    n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	MUST(n > 0);
	close(fd);
	text[n] = 0;
	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, word, strlen(word)) && line[strlen(word)] == ':')
			return atol(line + strlen(word) + 1);
	}
	return -1;
}

volatile char *map(size_t len, int fd, int flags)
{
	flags |= fd < 0 ? MAP_ANONYMOUS : 0;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	MUST(p != MAP_FAILED);
	return p;
}

void unmap(volatile char *p, size_t len)
{
	MUST(munmap((void *)p, len) == 0);
}

void write_pages(volatile char *p, size_t len, char c)
{
	for (size_t i = 0; i < len; i += PAGE)
		p[i] = c;
}

long read_pages(volatile char *p, size_t len)
{
	long sum = 0;

	for (size_t i = 0; i < len; i += PAGE)
		sum += p[i];
	return sum;
}

void reap(pid_t pid)
{
	int status;

	MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

/* --- process 1 ------------------------------------------------------------------------------------ */

/* Linux's ramdisk is a module; Octavo's is there if the command line asked for it. */
static void swap_on(void)
{
	struct header {
		char boot[1024];
		uint32_t version, last_page, bad_pages;
	} *header = (struct header *)map(PAGE, -1, MAP_PRIVATE);
	int module = open("/brd.ko", O_RDONLY | O_CLOEXEC);

	if (module >= 0) {
		MUST(syscall(SYS_finit_module, module, "rd_nr=1 rd_size=131072", 0) == 0);
		close(module);
	}
	int disk = open("/dev/ram0", O_RDWR | O_CLOEXEC);
	if (disk >= 0) {
		header->version = 1;
		header->last_page = lseek(disk, 0, SEEK_END) / PAGE - 1;
		memcpy((char *)header + PAGE - 10, "SWAPSPACE2", 10);
		MUST(pwrite(disk, header, PAGE, 0) == PAGE && fsync(disk) == 0 && close(disk) == 0);
		MUST(swapon("/dev/ram0", 0) == 0);
		have_swap = 1;
	}
	unmap((char *)header, PAGE);
}

void first_process(int seconds)
{
	struct timespec time = {.tv_sec = seconds};

	mkdir("/proc", 0755), mkdir("/dev", 0755), mkdir("/tmp", 01777);
	MUST(mount("proc", "/proc", "proc", 0, NULL) == 0);
	MUST(mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) == 0);
	MUST(mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0);
	swap_on();
	nanosleep(&time, NULL);

	pid_t child = fork();
	int status = 0;
	if (child == 0)
		return;
	MUST(child > 0 && waitpid(child, &status, 0) == child);
	printf("bench: %s\n", status ? "failed" : "done");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
