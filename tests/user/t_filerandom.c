/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a few files against a model of them in memory: write, read, append, truncate,
 * fallocate and its holes, mappings shared and private, sendfile, rename, link, unlink while open. After
 * each operation its result is compared, and now and then everything: names, link counts, sizes and
 * bytes, by read and through a mapping.
 *
 * The sequence follows from the seed: a failure names the seed and the step.
 */
#include "utest.h"

#include <dirent.h>
#include <sys/sendfile.h>

#define FILES    4 /* files that may exist, by number; a number is an inode's */
#define NAMES    6
#define MAX_SIZE (24 * PAGE)
#define FIRST    0 /* fallocate modes */
#define KEEP     1
#define PUNCH    3

/* What a file should be. It lives as long as a name or a descriptor leads to it. */
static struct model {
	unsigned char bytes[MAX_SIZE];
	size_t size;
	int links, fd; /* -1: not open */
	unsigned char *map;
} file[FILES];
static int name_of[NAMES]; /* the file's number, -1: no such name */
static unsigned step;
static unsigned char buf[MAX_SIZE];

static const char *const names[NAMES] = {"a",     "b",     "c",
					 "sub/a", "sub/b", "sub/a-longer-name-than-others"};

static unsigned below(unsigned n)
{
	return ut_rand() % n;
}

#define STEP_CHECK(cond)                                       \
	do {                                                   \
		if (!(cond))                                   \
			FAIL("step %u: not: %s", step, #cond); \
	} while (0)

static int new_file(void)
{
	for (int i = 0; i < FILES; i++)
		if (file[i].links == 0 && file[i].fd < 0)
			return i;
	return -1;
}

static int open_one(void)
{
	int start = (int)below(FILES);

	for (int i = 0; i < FILES; i++)
		if (file[(start + i) % FILES].fd >= 0)
			return (start + i) % FILES;
	return -1;
}

static void grow(struct model *m, size_t size)
{
	if (size > m->size) {
		memset(m->bytes + m->size, 0, size - m->size);
		m->size = size;
	}
}

/* ---- names ----------------------------------------------------------------------------------- */

static void do_create(void)
{
	unsigned n = below(NAMES);
	int f = name_of[n], fd = open(names[n], O_RDWR | O_CREAT, 0644);

	if (f < 0) {
		f = new_file();
		if (f < 0) { /* more than the model has room for */
			STEP_CHECK(fd >= 0 && unlink(names[n]) == 0);
			close(fd);
			return;
		}
		file[f].size = 0;
		file[f].links = 1;
		name_of[n] = f;
	}
	STEP_CHECK(fd >= 0);
	if (file[f].fd >= 0)
		close(fd);
	else
		file[f].fd = fd;
}

static void forget_name(unsigned n)
{
	if (name_of[n] >= 0)
		file[name_of[n]].links--;
	name_of[n] = -1;
}

static void do_unlink(void)
{
	unsigned n = below(NAMES);
	int r = unlink(names[n]);

	STEP_CHECK(name_of[n] < 0 ? r == -1 && errno == ENOENT : r == 0);
	forget_name(n);
}

static void do_link(void)
{
	unsigned from = below(NAMES), to = below(NAMES);
	int r = link(names[from], names[to]);

	if (name_of[from] < 0) {
		STEP_CHECK(r == -1 && errno == ENOENT);
	} else if (name_of[to] >= 0) {
		STEP_CHECK(r == -1 && errno == EEXIST);
	} else {
		STEP_CHECK(r == 0);
		name_of[to] = name_of[from];
		file[name_of[to]].links++;
	}
}

static void do_rename(void)
{
	unsigned from = below(NAMES), to = below(NAMES);
	int r = rename(names[from], names[to]);

	if (name_of[from] < 0) {
		STEP_CHECK(r == -1 && errno == ENOENT);
		return;
	}
	STEP_CHECK(r == 0);
	if (name_of[from] == name_of[to])
		return; /* two names of one file: both stay */
	forget_name(to);
	name_of[to] = name_of[from];
	name_of[from] = -1;
}

static void do_close(void)
{
	int f = open_one();

	if (f < 0)
		return;
	if (file[f].map)
		OK(munmap(file[f].map, MAX_SIZE));
	file[f].map = NULL;
	OK(close(file[f].fd));
	file[f].fd = -1;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static size_t some_length(size_t at)
{
	size_t n = below(3) ? below(300) : below(4 * PAGE);

	return at + n > MAX_SIZE ? MAX_SIZE - at : n;
}

static size_t some_offset(void)
{
	size_t at = below(MAX_SIZE);

	return below(4) ? at : at & ~(PAGE - 1);
}

static void fill(size_t n)
{
	unsigned char c = (unsigned char)(1 + below(255));

	for (size_t i = 0; i < n; i++)
		buf[i] = (unsigned char)(c + i * 7);
}

static void do_write(struct model *m)
{
	size_t at = below(5) ? some_offset() : m->size, n;

	if (at > MAX_SIZE)
		return;
	n = some_length(at);
	fill(n);
	if (below(4) == 0) {
		struct iovec v[2] = {{buf, n / 3}, {buf + n / 3, n - n / 3}};

		STEP_CHECK(pwritev(m->fd, v, 2, (off_t)at) == (ssize_t)n);
	} else {
		STEP_CHECK(pwrite(m->fd, buf, n, (off_t)at) == (ssize_t)n);
	}
	if (n == 0)
		return;
	grow(m, at + n);
	memcpy(m->bytes + at, buf, n);
}

static void do_read(struct model *m)
{
	size_t at = some_offset(), n = some_length(at);
	size_t want = at >= m->size ? 0 : n < m->size - at ? n : m->size - at;

	memset(buf, 0x77, n);
	STEP_CHECK(pread(m->fd, buf, n, (off_t)at) == (ssize_t)want);
	STEP_CHECK(!memcmp(buf, m->bytes + at, want));
}

static void do_truncate(struct model *m)
{
	size_t to = below(3) ? some_offset() : below(2) ? 0 : m->size / 2;

	STEP_CHECK(ftruncate(m->fd, (off_t)to) == 0);
	grow(m, to);
	m->size = to;
}

static void do_fallocate(struct model *m)
{
	static const int modes[] = {FIRST, KEEP, PUNCH};
	int mode = modes[below(3)];
	size_t at = some_offset(), n = some_length(at);
	int r = fallocate(m->fd, mode, (off_t)at, (off_t)n);

	if (n == 0) {
		STEP_CHECK(r == -1 && errno == EINVAL);
		return;
	}
	STEP_CHECK(r == 0);
	if (mode == FIRST)
		grow(m, at + n);
	if (mode == PUNCH && at < m->size)
		memset(m->bytes + at, 0, at + n < m->size ? n : m->size - at);
}

/* Through a mapping that stays, over whatever happens to the file. */
static void do_map_access(struct model *m)
{
	size_t at, n;

	if (!m->map)
		m->map = OK(mmap(NULL, MAX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0));
	if (m->size == 0)
		return;
	at = below((unsigned)m->size);
	n = some_length(at);
	n = n < m->size - at ? n : m->size - at;
	STEP_CHECK(!memcmp(m->map + at, m->bytes + at, n));
	if (below(2)) {
		fill(n);
		memcpy(m->map + at, buf, n);
		memcpy(m->bytes + at, buf, n);
	}
}

/* A private mapping shows the file, and keeps what is written to itself. */
static void do_private(struct model *m)
{
	unsigned char *p = OK(mmap(NULL, MAX_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, m->fd, 0));

	if (m->size) {
		size_t at = below((unsigned)m->size);

		STEP_CHECK(p[at] == m->bytes[at]);
		p[at] = (unsigned char)~p[at];
		STEP_CHECK(!memcmp(p, m->bytes, at));
	}
	OK(munmap(p, MAX_SIZE));
}

static void do_sendfile(struct model *m)
{
	struct model *to = &file[open_one()];
	size_t at = some_offset(), n = some_length(at);
	size_t want = at >= m->size ? 0 : n < m->size - at ? n : m->size - at;
	off_t from = (off_t)at;

	if (to == m)
		return;
	OK(lseek(to->fd, 0, SEEK_SET));
	STEP_CHECK(sendfile(to->fd, m->fd, &from, n) == (ssize_t)want);
	STEP_CHECK((size_t)from == at + want);
	grow(to, want);
	memcpy(to->bytes, m->bytes + at, want);
}

/* ---- everything ------------------------------------------------------------------------------- */

static void check_file(const struct model *m, int fd)
{
	struct stat st;

	OK(fstat(fd, &st));
	STEP_CHECK((size_t)st.st_size == m->size && (int)st.st_nlink == m->links);
	memset(buf, 0x77, sizeof(buf));
	STEP_CHECK(pread(fd, buf, MAX_SIZE, 0) == (ssize_t)m->size);
	STEP_CHECK(!memcmp(buf, m->bytes, m->size));
	if (m->map)
		STEP_CHECK(!memcmp(m->map, m->bytes, m->size));
}

static void check_all(void)
{
	for (int i = 0; i < FILES; i++)
		if (file[i].fd >= 0)
			check_file(&file[i], file[i].fd);
	for (int n = 0; n < NAMES; n++) {
		int fd = open(names[n], O_RDONLY);

		STEP_CHECK((fd >= 0) == (name_of[n] >= 0));
		if (fd < 0)
			continue;
		check_file(&file[name_of[n]], fd);
		close(fd);
	}
}

static void one_step(void)
{
	static void (*const on_names[])(void) = {do_create, do_create, do_unlink,
						 do_link,   do_rename, do_close};
	static void (*const on_bytes[])(struct model *) = {
		do_write,     do_write,      do_write,   do_read,     do_truncate,
		do_fallocate, do_map_access, do_private, do_sendfile,
	};
	int f = open_one();

	if (f < 0 || below(4) == 0)
		on_names[below(6)]();
	else
		on_bytes[below(9)](&file[f]);
}

static void run(const char *dir, unsigned seed, unsigned steps)
{
	OK(mkdir(dir, 0755));
	OK(chdir(dir));
	OK(mkdir("sub", 0755));
	for (int i = 0; i < FILES; i++)
		file[i] = (struct model){.fd = -1};
	for (int i = 0; i < NAMES; i++)
		name_of[i] = -1;
	for (unsigned i = 0; i < seed * 1000; i++)
		ut_rand();
	for (step = 0; step < steps; step++) {
		one_step();
		if (step % 64 == 63)
			check_all();
	}
	check_all();
}

TEST_MEM(tmpfs, 24, "a byte, a size or a name of a file that is not what it was made")
{
	for (unsigned seed = 1; seed <= 4; seed++) {
		char dir[16];

		snprintf(dir, sizeof(dir), "seed-%u", seed);
		pid_t pid = CHILD({ run(dir, seed, 1500); });
		CHECK_EXIT(pid, 0);
	}
}
