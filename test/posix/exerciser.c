/*
 * exerciser DIRECTORY OPERATIONS SEED: random operations on two files through several descriptors each, every byte
 * compared with an image in memory: what a file system may never get wrong, whatever it caches, delays or replicates.
 * The same seed does the same. At the first difference it prints the last operations and what differs, leaves the files
 * as they are, and exits with 1. In the manner of fsx (A. Tevanian's; the idea, not the code).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 2, DESCRIPTORS = 4, MAX_BYTES = 512 * 1024, BLOCK = 32 * 1024, PAGE = 4096, REMEMBERED = 60 };

/* Of each file: two that read and write, one that appends, one that reads. */
static const int flags_of[DESCRIPTORS] = { O_RDWR, O_RDWR, O_WRONLY | O_APPEND, O_RDONLY };

struct mapping {
	unsigned char *base;
	size_t bytes;
	unsigned char *at;
};

struct file {
	char path[4096];
	/* Kept over many operations, from `kept_from` on; it may reach beyond the end. */
	struct mapping kept;
	size_t kept_from;
	int fd[DESCRIPTORS];
	size_t size;
	unsigned char image[MAX_BYTES];
};

static struct file files[FILES];
static unsigned char scratch[MAX_BYTES + PAGE];
static char remembered[REMEMBERED][160];
static unsigned long operation;
static uint64_t state;

/* splitmix64 */
static uint64_t next(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t below(size_t limit) { return next() % limit; }
static int one_in(size_t n) { return below(n) == 0; }
static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* A place in a file, near the edge of a page or block as often as not. */
static size_t place(size_t limit)
{
	size_t at = below(limit + 1);
	if (one_in(2)) {
		size_t unit = one_in(2) ? BLOCK : PAGE;
		at = at / unit * unit;
		if (one_in(3) && at > 0)
			at -= 1 + below(3);
		else if (one_in(2))
			at += below(4);
	}
	return least(at, limit);
}

static size_t length(size_t limit)
{
	size_t n = one_in(4) ? below(3 * BLOCK) : one_in(3) ? PAGE * (1 + below(8)) : below(6000);
	return least(n + 1, limit);
}

static void note(const char *format, ...)
{
	char *line = remembered[operation % REMEMBERED];
	int n = snprintf(line, sizeof *remembered, "%lu ", operation);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line + n, sizeof *remembered - n, format, arguments);
	va_end(arguments);
}

static void tell_operations(void)
{
	unsigned long first = operation >= REMEMBERED ? operation - REMEMBERED + 1 : 0;
	fprintf(stderr, "the last operations:\n");
	for (unsigned long i = first; i <= operation; i++)
		fprintf(stderr, "  %s\n", remembered[i % REMEMBERED]);
}

static void fail(const char *format, ...)
{
	tell_operations();
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	exit(1);
}

/* A call that has to succeed. */
static long long must(long long result, const char *what)
{
	if (result < 0)
		fail("%s: %s", what, strerror(errno));
	return result;
}

static int index_of(struct file *f) { return f - files; }

static void compare(struct file *f, const unsigned char *found, size_t from, size_t n, const char *how)
{
	const unsigned char *expected = f->image + from;
	if (memcmp(found, expected, n) == 0)
		return;
	tell_operations();
	fprintf(stderr, "file %d differs when %s at %zu, %zu bytes (its size is %zu):\n", index_of(f), how, from, n, f->size);
	int told = 0;
	for (size_t i = 0; i < n && told < 12; i++) {
		if (found[i] == expected[i])
			continue;
		size_t end = i;
		while (end < n && found[end] != expected[end])
			end++;
		fprintf(stderr, "  %zu to %zu: expected", from + i, from + end);
		for (size_t j = i; j < end && j < i + 8; j++)
			fprintf(stderr, " %02x", expected[j]);
		fprintf(stderr, ", found");
		for (size_t j = i; j < end && j < i + 8; j++)
			fprintf(stderr, " %02x", found[j]);
		fprintf(stderr, "\n");
		told++;
		i = end;
	}
	exit(1);
}

static void open_descriptor(struct file *f, int which, int more)
{
	f->fd[which] = must(open(f->path, flags_of[which] | more, 0644), "open");
}

static int reader(struct file *f)
{
	static const int readers[] = { 0, 1, 3 };
	return f->fd[readers[below(3)]];
}

static int writer(struct file *f) { return f->fd[below(2)]; }

/* What a file that becomes so large has where it had nothing. */
static void resize(struct file *f, size_t size)
{
	if (size > f->size)
		memset(f->image + f->size, 0, size - f->size);
	f->size = size;
}

/* New bytes in `scratch`: of this operation only, or zeros, which a file system may treat otherwise. */
static void fresh(size_t n)
{
	if (one_in(8)) {
		memset(scratch, 0, n);
		return;
	}
	uint64_t bytes = next() | 0x0101010101010101u;
	for (size_t i = 0; i < n; i += 8, bytes += 0x0100000001u * (2 * operation + 1))
		memcpy(scratch + i, &bytes, 8);
}

/* The operations. */

static void do_read(struct file *f)
{
	size_t from = place(f->size + PAGE), n = length(MAX_BYTES);
	note("read file %d at %zu, %zu bytes", index_of(f), from, n);
	size_t expected = from < f->size ? least(n, f->size - from) : 0;
	size_t got = must(pread(reader(f), scratch, n, from), "pread");
	if (got != expected)
		fail("pread: %zu bytes instead of %zu", got, expected);
	compare(f, scratch, from, got, "read");
}

static void do_write(struct file *f)
{
	size_t from = place(one_in(3) ? MAX_BYTES - 1 : least(f->size, MAX_BYTES - 1)), n = length(MAX_BYTES - from);
	note("write file %d at %zu, %zu bytes", index_of(f), from, n);
	fresh(n);
	if ((size_t)must(pwrite(writer(f), scratch, n, from), "pwrite") != n)
		fail("pwrite: short");
	if (from + n > f->size)
		resize(f, from + n);
	memcpy(f->image + from, scratch, n);
}

static void do_append(struct file *f)
{
	size_t n = length(MAX_BYTES);
	if (f->size + n > MAX_BYTES)
		return note("append: no room");
	note("append to file %d at %zu, %zu bytes", index_of(f), f->size, n);
	fresh(n);
	if ((size_t)must(write(f->fd[2], scratch, n), "write") != n)
		fail("write: short");
	size_t from = f->size;
	resize(f, from + n);
	memcpy(f->image + from, scratch, n);
}

static void do_truncate(struct file *f)
{
	size_t size = one_in(8) ? 0 : place(MAX_BYTES);
	note("truncate file %d from %zu to %zu", index_of(f), f->size, size);
	if (one_in(2))
		must(ftruncate(writer(f), size), "ftruncate");
	else
		must(truncate(f->path, size), "truncate");
	resize(f, size);
}

static void do_allocate(struct file *f)
{
	static const struct {
		const char *name;
		int mode;
	} kinds[] = {
		{ "reserve", 0 },
		{ "reserve (keep size)", FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "zero", FALLOC_FL_ZERO_RANGE },
		{ "zero (keep size)", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
	};
	size_t kind = below(6), from = place(MAX_BYTES - 1), n = length(MAX_BYTES - from);
	int mode = kinds[kind].mode;
	note("%s file %d at %zu, %zu bytes", kinds[kind].name, index_of(f), from, n);
	must(fallocate(f->fd[one_in(4) ? 2 : below(2)], mode, from, n), "fallocate");
	if (!(mode & FALLOC_FL_KEEP_SIZE) && from + n > f->size)
		resize(f, from + n);
	if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) && from < f->size)
		memset(f->image + from, 0, least(n, f->size - from));
}

static void do_copy(struct file *f)
{
	struct file *to = &files[below(FILES)];
	size_t from = place(f->size), at = place(MAX_BYTES - 1), n = length(MAX_BYTES - at);
	size_t expected = from < f->size ? least(n, f->size - from) : 0;
	if (f == to && from < at + n && at < from + n)
		return note("copy: would overlap");
	note("copy file %d at %zu to file %d at %zu, %zu bytes", index_of(f), from, index_of(to), at, n);
	off_t in = from, out = at;
	int source = reader(f), target = writer(to);
	size_t done = 0;
	for (size_t got = 1; done < expected && got > 0; done += got)
		got = must(copy_file_range(source, &in, target, &out, n - done, 0), "copy_file_range");
	if (done != expected)
		fail("copy_file_range: %zu bytes instead of %zu", done, expected);
	memcpy(scratch, f->image + from, expected);
	if (expected > 0 && at + expected > to->size)
		resize(to, at + expected);
	memcpy(to->image + at, scratch, expected);
}

/* Maps the pages of `n` bytes from `from` on. */
static struct mapping map(int fd, size_t from, size_t n, int protection)
{
	size_t start = from / PAGE * PAGE;
	struct mapping m = { .bytes = from + n - start };
	m.base = mmap(NULL, m.bytes, protection, MAP_SHARED, fd, start);
	if (m.base == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	m.at = m.base + (from - start);
	return m;
}

/* The rest of a file's last page is zeros, whatever was there before. */
static void check_tail(struct file *f, struct mapping m, size_t end)
{
	if (end != f->size || end % PAGE == 0)
		return;
	for (size_t i = end % PAGE; i < PAGE; i++)
		if (m.base[(m.bytes - 1) / PAGE * PAGE + i] != 0)
			fail("byte %zu of the last page, beyond the end, is not 0", i);
}

static void do_map_read(struct file *f)
{
	if (f->size == 0)
		return note("map: empty");
	size_t from = place(f->size - 1), n = length(f->size - from);
	note("read file %d through a mapping at %zu, %zu bytes", index_of(f), from, n);
	struct mapping m = map(reader(f), from, n, PROT_READ);
	compare(f, m.at, from, n, "read through a mapping");
	check_tail(f, m, from + n);
	must(munmap(m.base, m.bytes), "munmap");
}

static void do_map_write(struct file *f)
{
	if (f->size == 0)
		return note("map: empty");
	size_t from = place(f->size - 1), n = length(f->size - from);
	int sync = below(4), look = one_in(3);
	note("write file %d through a mapping at %zu, %zu bytes, %s%s", index_of(f), from, n,
	     sync == 0 ? "synced" : sync == 1 ? "synced some time" : "not synced", look ? ", and read" : "");
	struct mapping m = map(writer(f), from, n, PROT_READ | PROT_WRITE);
	fresh(n);
	memcpy(m.at, scratch, n);
	memcpy(f->image + from, scratch, n);
	if (sync < 2)
		must(msync(m.base, m.bytes, sync == 0 ? MS_SYNC : MS_ASYNC), "msync");
	if (look) {
		if ((size_t)must(pread(reader(f), scratch, n, from), "pread") != n)
			fail("pread of what is mapped: short");
		compare(f, scratch, from, n, "read while mapped");
	}
	check_tail(f, m, from + n);
	must(munmap(m.base, m.bytes), "munmap");
}

/* Data and holes, one after the other, make the file, and the holes are zeros. */
static void check_holes(struct file *f)
{
	int fd = reader(f);
	for (off_t at = 0, size = f->size; at < size;) {
		off_t data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			fail("SEEK_DATA from %lld: %s", (long long)at, strerror(errno));
		off_t end = data < 0 ? size : data;
		if (end < at || end > size)
			fail("SEEK_DATA from %lld: %lld", (long long)at, (long long)end);
		memset(scratch, 0, end - at);
		compare(f, scratch, at, end - at, "said to have a hole");
		if (end == size)
			break;
		at = must(lseek(fd, end, SEEK_HOLE), "SEEK_HOLE");
		if (at <= end || at > size)
			fail("SEEK_HOLE from %lld: %lld", (long long)end, (long long)at);
	}
}

/* What is stored through a mapping is in the file at once, and what is changed otherwise is in the mapping. */
static void do_kept_mapping(struct file *f)
{
	if (f->kept.base == NULL) {
		f->kept_from = place(MAX_BYTES - PAGE) / PAGE * PAGE;
		note("map file %d from %zu on", index_of(f), f->kept_from);
		f->kept = map(writer(f), f->kept_from, least(4 * BLOCK, MAX_BYTES - f->kept_from), PROT_READ | PROT_WRITE);
		return;
	}
	if (one_in(5)) {
		note("unmap file %d", index_of(f));
		must(munmap(f->kept.base, f->kept.bytes), "munmap");
		f->kept.base = NULL;
		return;
	}
	if (f->size <= f->kept_from)
		return note("map: beyond the end");
	size_t there = least(f->kept.bytes, f->size - f->kept_from), at = place(there - 1), n = length(there - at);
	size_t from = f->kept_from + at;
	if (one_in(2)) {
		note("read file %d through its old mapping at %zu, %zu bytes", index_of(f), from, n);
		compare(f, f->kept.base + at, from, n, "read through an old mapping");
		return;
	}
	int look = one_in(3);
	note("write file %d through its old mapping at %zu, %zu bytes%s", index_of(f), from, n, look ? ", and seek" : "");
	fresh(n);
	memcpy(f->kept.base + at, scratch, n);
	memcpy(f->image + from, scratch, n);
	if (look)
		check_holes(f);
}

static void do_sync(struct file *f)
{
	int which = below(DESCRIPTORS), data = one_in(2);
	note("%s file %d by descriptor %d", data ? "fdatasync" : "fsync", index_of(f), which);
	must(data ? fdatasync(f->fd[which]) : fsync(f->fd[which]), "fsync");
}

static void do_reopen(struct file *f)
{
	int which = below(DESCRIPTORS), cut = one_in(12) && which < 2;
	note("reopen descriptor %d of file %d%s", which, index_of(f), cut ? " with O_TRUNC" : "");
	must(close(f->fd[which]), "close");
	open_descriptor(f, which, cut ? O_TRUNC : 0);
	if (cut)
		resize(f, 0);
}

static void do_reopen_all(struct file *f)
{
	note("close all descriptors of file %d, and open them", index_of(f));
	for (int i = 0; i < DESCRIPTORS; i++)
		must(close(f->fd[i]), "close");
	for (int i = 0; i < DESCRIPTORS; i++)
		open_descriptor(f, i, 0);
}

/* Clean pages are dropped: what is read next comes from below. */
static void do_forget(struct file *f)
{
	note("forget the pages of file %d", index_of(f));
	errno = posix_fadvise(f->fd[3], 0, 0, POSIX_FADV_DONTNEED);
	must(-errno, "posix_fadvise");
}

static void do_stat(struct file *f)
{
	struct stat by_fd, by_path;
	note("stat file %d", index_of(f));
	must(fstat(f->fd[below(DESCRIPTORS)], &by_fd), "fstat");
	must(stat(f->path, &by_path), "stat");
	if ((size_t)by_fd.st_size != f->size || (size_t)by_path.st_size != f->size)
		fail("size %lld and %lld instead of %zu", (long long)by_fd.st_size, (long long)by_path.st_size, f->size);
	if (lseek(f->fd[3], 0, SEEK_END) != (off_t)f->size)
		fail("SEEK_END is not at %zu", f->size);
}

static void do_seek(struct file *f)
{
	note("data and holes of file %d", index_of(f));
	check_holes(f);
}

static void verify(struct file *f)
{
	int fd = must(open(f->path, O_RDONLY), "open");
	size_t got = must(pread(fd, scratch, MAX_BYTES, 0), "pread");
	if (got != f->size)
		fail("file %d has %zu bytes instead of %zu", index_of(f), got, f->size);
	compare(f, scratch, 0, got, "read as a whole");
	must(close(fd), "close");
}

static void do_verify(struct file *f)
{
	note("read all of file %d through a new descriptor", index_of(f));
	verify(f);
}

static const struct {
	const char *name;
	int weight;
	void (*perform)(struct file *);
} kinds[] = {
	{ "write", 22, do_write },
	{ "read", 18, do_read },
	{ "append", 4, do_append },
	{ "truncate", 8, do_truncate },
	{ "fallocate", 14, do_allocate },
	{ "copy", 9, do_copy },
	{ "map read", 6, do_map_read },
	{ "map write", 9, do_map_write },
	{ "kept mapping", 9, do_kept_mapping },
	{ "sync", 2, do_sync },
	{ "reopen", 4, do_reopen },
	{ "reopen all", 1, do_reopen_all },
	{ "forget", 4, do_forget },
	{ "stat", 4, do_stat },
	{ "seek", 4, do_seek },
	{ "verify", 2, do_verify },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "exerciser DIRECTORY OPERATIONS SEED\n");
		return 2;
	}
	unsigned long operations = strtoul(argv[2], NULL, 10), counts[KINDS] = { 0 };
	state = strtoull(argv[3], NULL, 10);
	note("begin");
	for (int i = 0; i < FILES; i++) {
		snprintf(files[i].path, sizeof files[i].path, "%s/exercised-%d", argv[1], i);
		files[i].fd[0] = must(open(files[i].path, O_RDWR | O_CREAT | O_EXCL, 0644), "create");
		for (int j = 1; j < DESCRIPTORS; j++)
			open_descriptor(&files[i], j, 0);
	}
	int weights = 0;
	for (int i = 0; i < KINDS; i++)
		weights += kinds[i].weight;
	for (operation = 1; operation <= operations; operation++) {
		int pick = below(weights), kind = 0;
		while ((pick -= kinds[kind].weight) >= 0)
			kind++;
		counts[kind]++;
		kinds[kind].perform(&files[below(FILES)]);
		if (operation % 10000 == 0) {
			printf("%lu\n", operation);
			fflush(stdout);
		}
	}
	for (int i = 0; i < FILES; i++) {
		if (files[i].kept.base != NULL)
			must(munmap(files[i].kept.base, files[i].kept.bytes), "munmap");
		for (int j = 0; j < DESCRIPTORS; j++)
			must(close(files[i].fd[j]), "close");
		verify(&files[i]);
		must(unlink(files[i].path), "unlink");
	}
	printf("%lu operations agree:", operations);
	for (int i = 0; i < KINDS; i++)
		printf(" %s %lu%s", kinds[i].name, counts[i], i + 1 < KINDS ? "," : "\n");
	return 0;
}
