/* SPDX-License-Identifier: MIT */
/*
 * mallocstress: processes and threads that allocate, fill, move, check and free blocks of random sizes.
 *
 *	mallocstress [-p PROCESSES] [-t THREADS] [-n STEPS] [-m MIB] [-S SEED]
 *
 * Each block is filled with a pattern made of its address, its length and a number of its own; a
 * page that was lost, mixed up, shared by mistake or not zeroed shows when the block is checked.
 * Every thousand steps a thread forks a child that checks what it inherited, changes it, and
 * goes. Exits with 0 when nothing was wrong.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 256

struct block {
	uint64_t *p;
	size_t words;
	uint64_t key;
};

static __thread struct block blocks[BLOCKS];
static __thread size_t held;
static __thread uint64_t seed = 1;
static size_t limit = 8 << 20; /* bytes of one thread */
static int steps = 5000;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Mostly small, sometimes a megabyte: so that the heap and mmap are both in use. */
static size_t random_words(void)
{
	return 1 + rnd() % (1ULL << (4 + rnd() % 14));
}

static uint64_t pattern(const struct block *b, size_t i)
{
	return (b->key + i) * 0x9e3779b97f4a7c15ULL;
}

static void fill(struct block *b, size_t from)
{
	for (size_t i = from; i < b->words; i++)
		b->p[i] = pattern(b, i);
}

static void check(const struct block *b, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (b->p[i] != pattern(b, i)) {
			printf("pid %d: word %zu of the block of %zu words at %p is %#lx, not %#lx\n",
			       getpid(), i, b->words, (void *)b->p, (unsigned long)b->p[i],
			       (unsigned long)pattern(b, i));
			exit(1);
		}
}

static void allocate(struct block *b)
{
	size_t words = random_words();
	int zeroed = rnd() & 1;

	if (held + words * 8 > limit)
		return;
	b->p = zeroed ? calloc(words, 8) : malloc(words * 8);
	if (!b->p)
		return; /* being refused is not being wrong */
	for (size_t i = 0; zeroed && i < words; i++)
		if (b->p[i]) {
			printf("pid %d: calloc gave %#lx\n", getpid(), (unsigned long)b->p[i]);
			exit(1);
		}
	b->words = words;
	b->key = rnd();
	held += words * 8;
	fill(b, 0);
}

static void release(struct block *b)
{
	check(b, b->words);
	free(b->p);
	held -= b->words * 8;
	b->p = NULL;
}

static void resize(struct block *b)
{
	size_t old = b->words, words = random_words();
	uint64_t *p;

	if (held - old * 8 + words * 8 > limit || !(p = realloc(b->p, words * 8)))
		return;
	held += words * 8 - old * 8;
	b->p = p;
	b->words = words;
	check(b, old < words ? old : words);
	fill(b, old < words ? old : words);
}

static void fork_and_check(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		for (int i = 0; i < BLOCKS; i++)
			if (blocks[i].p) {
				check(&blocks[i], blocks[i].words);
				blocks[i].key = rnd();
				fill(&blocks[i], 0);
			}
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0) {
		printf("pid %d: a child found an error (wait status %#x)\n", getpid(), status);
		exit(1);
	}
}

static void stress(void)
{
	for (int i = 0; i < steps; i++) {
		struct block *b = &blocks[rnd() % BLOCKS];

		if (!b->p)
			allocate(b);
		else if (rnd() % 3 == 0)
			resize(b);
		else
			release(b);
		if (i % 1000 == 999)
			fork_and_check();
	}
	for (int i = 0; i < BLOCKS; i++)
		if (blocks[i].p)
			release(&blocks[i]);
}

static void *run_thread(void *arg)
{
	seed = *(uint64_t *)arg;
	stress();
	return NULL;
}

/* A process with so many threads, the first of which it is itself. */
static void run_process(uint64_t first, int threads)
{
	struct {
		pthread_t id;
		uint64_t seed;
	} *t = calloc((size_t)threads, sizeof(*t));

	for (int i = 0; t && i < threads; i++) {
		t[i].seed = (first + (uint64_t)i * 1000) * 0x9e3779b97f4a7c15ULL | 1;
		if (i && pthread_create(&t[i].id, NULL, run_thread, &t[i].seed)) {
			perror("pthread_create");
			exit(1);
		}
	}
	if (!t)
		exit(1);
	run_thread(&t[0].seed);
	for (int i = 1; i < threads; i++)
		pthread_join(t[i].id, NULL);
	exit(0);
}

int main(int argc, char **argv)
{
	int processes = 2, threads = 1, opt, status, bad = 0;

	while ((opt = getopt(argc, argv, "p:t:n:m:S:")) != -1) {
		if (opt == 'p')
			processes = atoi(optarg);
		else if (opt == 't')
			threads = atoi(optarg);
		else if (opt == 'n')
			steps = atoi(optarg);
		else if (opt == 'm')
			limit = strtoul(optarg, NULL, 0) << 20;
		else if (opt == 'S')
			seed = strtoul(optarg, NULL, 0);
		else
			return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	if (threads < 1)
		return 1;
	printf("mallocstress: %d processes of %d threads, %d steps each, at most %zu MiB each, seed %lu\n",
	       processes, threads, steps, limit >> 20, (unsigned long)seed);
	for (int i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid == 0)
			run_process(seed + (uint64_t)i, threads);
		if (pid < 0) {
			perror("fork");
			bad = 1;
		}
	}
	while (wait(&status) > 0)
		bad |= status != 0;
	printf("mallocstress: %s\n", bad ? "FAILED" : "all blocks were as they should be");
	return bad;
}
