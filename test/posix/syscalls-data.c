/*
 * System calls on ranges of files that Node has no function for: one a run, by name. Prints what the call returned, or
 * the name of its errno. Offsets and lengths are decimal and may be negative; FILE may be followed by ":r", ":w" or
 * ":a" (O_RDONLY, O_WRONLY, O_WRONLY | O_APPEND) where it is not to be opened for reading and writing; "@3" is
 * descriptor 3.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

static int opened(char *file)
{
	if (file[0] == '@')
		return atoi(file + 1);
	int flags = O_RDWR;
	char *colon = strrchr(file, ':');
	if (colon != NULL && colon[1] != '\0' && colon[2] == '\0') {
		flags = colon[1] == 'r' ? O_RDONLY : colon[1] == 'w' ? O_WRONLY : O_WRONLY | O_APPEND;
		*colon = '\0';
	}
	int fd = open(file, flags);
	if (fd < 0 && errno == EISDIR)
		fd = open(file, O_RDONLY);
	if (fd < 0)
		die(file);
	return fd;
}

static int mode_named(const char *name)
{
	static const struct {
		const char *name;
		int mode;
	} modes[] = {
		{ "reserve", 0 },
		{ "keep", FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "zero", FALLOC_FL_ZERO_RANGE },
		{ "zero-keep", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
		{ "collapse", FALLOC_FL_COLLAPSE_RANGE },
		{ "insert", FALLOC_FL_INSERT_RANGE },
	};
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (strcmp(modes[i].name, name) == 0)
			return modes[i].mode;
	errno = EINVAL;
	die(name);
	return -1;
}

static long long number(const char *text) { return strtoll(text, NULL, 10); }

/* FILE MODE OFFSET LENGTH */
static long long do_fallocate(char **a) { return fallocate(opened(a[0]), mode_named(a[1]), number(a[2]), number(a[3])); }

/* FILE OFFSET LENGTH */
static long long do_posix_fallocate(char **a)
{
	errno = posix_fallocate(opened(a[0]), number(a[1]), number(a[2]));
	return errno == 0 ? 0 : -1;
}

/* FILE data|hole OFFSET */
static long long do_seek(char **a)
{
	return lseek(opened(a[0]), number(a[2]), strcmp(a[1], "data") == 0 ? SEEK_DATA : SEEK_HOLE);
}

/* FILE OFFSET TARGET OFFSET LENGTH: one call */
static long long do_copy(char **a)
{
	off_t from = number(a[1]), to = number(a[3]);
	return copy_file_range(opened(a[0]), &from, opened(a[2]), &to, number(a[4]), 0);
}

/* FILE OFFSET TARGET OFFSET LENGTH: call after call, until all is copied or the source ends */
static long long do_copy_all(char **a)
{
	int in = opened(a[0]), out = opened(a[2]);
	off_t from = number(a[1]), to = number(a[3]);
	long long left = number(a[4]), done = 0;
	while (left > 0) {
		ssize_t n = copy_file_range(in, &from, out, &to, left, 0);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += n;
		left -= n;
	}
	return done;
}

/* FILE OFFSET TEXT */
static long long do_write(char **a) { return pwrite(opened(a[0]), a[2], strlen(a[2]), number(a[1])); }

/* FILE SIZE */
static long long do_truncate(char **a) { return ftruncate(opened(a[0]), number(a[1])); }

/* FILE OFFSET TEXT: stores through a mapping that nobody has synced when SEEK_DATA is called from 0 */
static long long do_map_then_seek(char **a)
{
	int fd = opened(a[0]);
	off_t size = lseek(fd, 0, SEEK_END);
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	memcpy(map + number(a[1]), a[2], strlen(a[2]));
	return lseek(fd, 0, SEEK_DATA);
}

static const struct {
	const char *name;
	int arguments;
	long long (*call)(char **);
} calls[] = {
	{ "fallocate", 4, do_fallocate },
	{ "posix_fallocate", 3, do_posix_fallocate },
	{ "seek", 3, do_seek },
	{ "copy", 5, do_copy },
	{ "copy-all", 5, do_copy_all },
	{ "write", 3, do_write },
	{ "truncate", 2, do_truncate },
	{ "map-then-seek", 3, do_map_then_seek },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		if (argc < 2 || strcmp(calls[i].name, argv[1]) != 0 || argc - 2 != calls[i].arguments)
			continue;
		long long result = calls[i].call(argv + 2);
		if (result >= 0)
			printf("%lld\n", result);
		else
			printf("%s\n", strerrorname_np(errno));
		return 0;
	}
	fprintf(stderr, "syscalls-data CALL ARGUMENT...: no such call, or not so many arguments\n");
	return 2;
}
