/* SPDX-License-Identifier: MIT */
/*
 * A small test library for programs that run on Octavo and on stock Linux alike.
 *
 * A test is a function declared by TEST(name, "the mistake that it is there to catch"). Each one
 * runs in a forked child of its own: in its own process group, in an empty directory of its own
 * under /tmp, for at most UT_SECONDS (or what that says in the environment). It fails when a CHECK
 * failed, in it or in any process that it forked, when it died of a signal, or when its time was
 * up. The output is TAP: a plan, one line a test, details in lines that begin with '#'.
 *
 *	CHECK(cond)		note a failure and go on
 *	CHECK_EQ(a, b)		the same for integers, with both values in the report
 *	CHECK_ERRNO(call, E)	the call has to return -1 and set errno to E
 *	OK(call)		the call has to succeed; its value; the test ends here if it does not
 *	CHILD { … }		a forked child that runs the block and exits; its pid: see CHILD below
 *	CHECK_EXIT(pid, n)	wait for the child and see that it exited with n
 *	CHECK_SIGNALED(pid, s)	the same for death by a signal
 *	SKIP("why")		end the test as skipped
 *	SKIP_LINUX("why")	the same where a Linux may lack something; on Octavo it is a failure
 *	NEEDS(call)		SKIP_LINUX if the call gives ENOSYS
 */
#ifndef UTEST_H
#define UTEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UT_SECONDS 100 /* less than the driver waits for a line */
#define PAGE       4096UL

/* What the C library's headers may be too old to know. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef SI_KERNEL
#define SI_KERNEL 0x80
#endif

struct ut_case {
	const char *name;
	const char *catches; /* the mistake that the test is there to catch */
	void (*run)(void);
	unsigned minmem; /* MiB of RAM without which the test makes no sense */
	struct ut_case *next;
};

void ut_register(struct ut_case *c);
extern unsigned ut_seconds; /* a constructor may change it */

#define TEST_MEM(id, mib, what)                                                 \
	static void test_##id(void);                                            \
	static struct ut_case ut_case_##id = {#id, what, test_##id, mib, NULL}; \
	__attribute__((constructor)) static void ut_reg_##id(void)              \
	{                                                                       \
		ut_register(&ut_case_##id);                                     \
	}                                                                       \
	static void test_##id(void)
#define TEST(id, what) TEST_MEM(id, 0, what)

/* Reports. ut_fail() returns, ut_abort() ends the calling process as failed. */
void ut_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void ut_abort(void) __attribute__((noreturn));
void ut_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void ut_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *ut_errname(int e);
const char *ut_signame(int sig);

#define SKIP(...) ut_skip(__VA_ARGS__)
#define SKIP_LINUX(why)                                 \
	do {                                            \
		if (!ut_octavo())                       \
			ut_skip("%s", why);             \
		ut_fail(__FILE__, __LINE__, "%s", why); \
		ut_abort();                             \
	} while (0)
#define FAIL(...) ut_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(cond)                                               \
	do {                                                      \
		if (!(cond))                                      \
			ut_fail(__FILE__, __LINE__, "%s", #cond); \
	} while (0)
#define REQUIRE(cond)                                             \
	do {                                                      \
		if (!(cond)) {                                    \
			ut_fail(__FILE__, __LINE__, "%s", #cond); \
			ut_abort();                               \
		}                                                 \
	} while (0)
#define CHECK_EQ(a, b)  ut_check_eq(__FILE__, __LINE__, #a, #b, (long)(a), (long)(b))
#define CHECK_STR(a, b) ut_check_str(__FILE__, __LINE__, #a, a, b)
/* The casts make one macro serve calls that return int, ssize_t and void * (MAP_FAILED is -1). */
#define CHECK_ERRNO(call, e)                                               \
	({                                                                 \
		errno = 0;                                                 \
		long ut_r = (long)(call);                                  \
		ut_check_errno(__FILE__, __LINE__, #call, ut_r, errno, e); \
	})
#define OK(call)                                                     \
	({                                                           \
		errno = 0;                                           \
		__typeof__(call) ut_r = (call);                      \
		ut_ok(__FILE__, __LINE__, #call, (long)ut_r, errno); \
		ut_r;                                                \
	})
#define NEEDS(call)                                        \
	do {                                               \
		errno = 0;                                 \
		if ((long)(call) == -1 && errno == ENOSYS) \
			SKIP_LINUX("ENOSYS: " #call);      \
	} while (0)

void ut_check_eq(const char *file, int line, const char *as, const char *bs, long a, long b);
void ut_check_str(const char *file, int line, const char *as, const char *a, const char *b);
void ut_check_errno(const char *file, int line, const char *call, long r, int err, int want);
void ut_ok(const char *file, int line, const char *call, long r, int err);

/*
 * pid_t pid = CHILD({ statements });
 * The child runs the statements and exits with 0, or with 1 if a CHECK failed in it.
 */
#define CHILD(...)                         \
	({                                 \
		pid_t ut_pid = OK(fork()); \
		if (ut_pid == 0) {         \
			__VA_ARGS__        \
			ut_child_exit();   \
		}                          \
		ut_pid;                    \
	})
void ut_child_exit(void) __attribute__((noreturn));
void ut_check_exit(const char *file, int line, pid_t pid, int code);
void ut_check_signaled(const char *file, int line, pid_t pid, int sig);
#define CHECK_EXIT(pid, code)    ut_check_exit(__FILE__, __LINE__, pid, code)
#define CHECK_SIGNALED(pid, sig) ut_check_signaled(__FILE__, __LINE__, pid, sig)

/* What an access to memory led to. sig is 0 if it went through. */
struct ut_fault {
	int sig;
	int code;
	void *addr;
	long err; /* the page fault's error code */
};
struct ut_fault ut_read(const volatile void *p);
struct ut_fault ut_write(volatile void *p);
struct ut_fault ut_exec(void *p);
void ut_check_fault(const char *file, int line, const char *what, struct ut_fault f, int sig,
		    int code, void *addr);
#define CHECK_FAULT(access, sig, code, addr) \
	ut_check_fault(__FILE__, __LINE__, #access, access, sig, code, addr)
#define CHECK_NOFAULT(access) ut_check_fault(__FILE__, __LINE__, #access, access, 0, 0, NULL)

/* Memory and what /proc says about it. */
void *ut_map(size_t len);                    /* anonymous private read-write */
void *ut_map_prot(size_t len, int prot);     /* the same with other rights */
uint64_t ut_pagemap(const volatile void *p); /* this process's entry, 0 if it cannot be read */
uint64_t ut_pagemap_of(pid_t pid, const volatile void *p);
#define PM_PFN(e)  ((e) & ((1ULL << 55) - 1))
#define PM_PRESENT (1ULL << 63)
#define PM_SWAP    (1ULL << 62)
#define PM_FILE    (1ULL << 61)
#define PM_EXCL    (1ULL << 56)
void *ut_map_alone(size_t len); /* ut_map between two guard pages: it merges with nothing */
/* The bare calls: musl rounds, checks and changes errno on its own. */
#define sys_mmap(a, l, p, f, d, o) ((void *)syscall(SYS_mmap, a, l, p, f, d, o))
#define sys_mprotect(a, l, p)      syscall(SYS_mprotect, a, l, p)
int ut_maps_line(pid_t pid, const volatile void *p, char *buf, size_t len); /* 0: no such area */
int ut_maps_count(const volatile void *from, const volatile void *to);      /* areas that overlap */
long ut_smaps(pid_t pid, const volatile void *p, const char *field);        /* kB, -1 if absent */
long ut_status(pid_t pid, const char *field); /* a number of /proc/PID/status, -1 if absent */
long ut_number(const char *path, const char *field); /* behind "field:" or "field ", or -1 */
long ut_minflt(void);
long ut_majflt(void);
unsigned long ut_memtotal(void); /* MiB */
int ut_octavo(void);             /* running on Octavo? */

/* Files, processes, time. */
int ut_file(const char *name, const void *data, size_t len); /* create; an open descriptor */
ssize_t ut_slurp(const char *path, char *buf, size_t len);   /* NUL-terminated; -1 on error */
void ut_spew(const char *path, const char *text);
int ut_kmsg(void);                         /* the kernel's log from here on, without waiting */
char *ut_kmsg_next(int fd);                /* its next record, NULL: that was all */
void ut_wait_state(pid_t pid, char state); /* until /proc/PID/stat shows the state */
void ut_msleep(long ms);
long ut_now_ms(void); /* CLOCK_MONOTONIC */
uint32_t ut_rand(void);
#define BADPTR   ((void *)0x0000123456789000UL) /* never mapped, canonical */
#define KERNPTR  ((void *)0xffff888000100000UL)
#define NONCANON ((void *)0x0000900000000000UL)

#endif
