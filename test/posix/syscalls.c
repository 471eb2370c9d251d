/*
 * System calls that Node has none of, one command a run: what it yields is on stdout; if it fails, the number of its
 * errno is, and the status is 1. Bytes are given and shown in hexadecimal. A further call is a function and a line of
 * the table.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/** Arguments after the command; what a call returns: below 0 it failed. */
typedef long command(char **args);

static unsigned char buffer[1 << 17];

/** Bytes in hexadecimal, or `=N`: N times the letter v. */
static size_t from_hex(const char *text, unsigned char *bytes) {
  if (text[0] == '=') {
    size_t repeated = strtoul(text + 1, NULL, 10);
    memset(bytes, 'v', repeated);
    return repeated;
  }
  size_t length = strlen(text) / 2;
  for (size_t i = 0; i < length; i++) sscanf(text + 2 * i, "%2hhx", &bytes[i]);
  return length;
}

static void show_hex(const unsigned char *bytes, long length) {
  for (long i = 0; i < length; i++) printf("%02x", bytes[i]);
  printf("\n");
}

/** The number at `index`, if there are so many arguments, else `otherwise`. */
static long number(char **args, int index, long otherwise) {
  for (int i = 0; i <= index; i++)
    if (args[i] == NULL) return otherwise;
  return strtol(args[index], NULL, 0);
}

/* PATH NAME HEX [FLAGS] */
static long set(int (*call)(const char *, const char *, const void *, size_t, int), char **args) {
  return call(args[0], args[1], buffer, from_hex(args[2], buffer), number(args, 3, 0));
}
static long do_setxattr(char **args) { return set(setxattr, args); }
static long do_lsetxattr(char **args) { return set(lsetxattr, args); }

/* PATH NAME [SIZE]: the value, or for size 0 its length */
static long get(ssize_t (*call)(const char *, const char *, void *, size_t), char **args) {
  size_t size = number(args, 2, 65536);
  ssize_t length = call(args[0], args[1], buffer, size);
  if (length < 0) return length;
  if (size == 0) printf("%zd\n", length);
  else show_hex(buffer, length);
  return 0;
}
static long do_getxattr(char **args) { return get(getxattr, args); }
static long do_lgetxattr(char **args) { return get(lgetxattr, args); }

/* PATH [SIZE]: names with a zero byte after each, or for size 0 their length */
static long list(ssize_t (*call)(const char *, char *, size_t), char **args) {
  size_t size = number(args, 1, 65536);
  ssize_t length = call(args[0], (char *)buffer, size);
  if (length < 0) return length;
  if (size == 0) printf("%zd\n", length);
  else show_hex(buffer, length);
  return 0;
}
static long do_listxattr(char **args) { return list(listxattr, args); }
static long do_llistxattr(char **args) { return list(llistxattr, args); }

/* PATH NAME */
static long do_removexattr(char **args) { return removexattr(args[0], args[1]); }
static long do_lremovexattr(char **args) { return lremovexattr(args[0], args[1]); }

/* PATH NAME HEX: opens and unlinks the file, sets the attribute and shows what it then is */
static long do_unlinked(char **args) {
  int fd = open(args[0], O_RDWR);
  if (fd < 0 || unlink(args[0]) < 0) return -1;
  if (fsetxattr(fd, args[1], buffer, from_hex(args[2], buffer), 0) < 0) return -1;
  ssize_t length = fgetxattr(fd, args[1], buffer, sizeof buffer);
  if (length >= 0) show_hex(buffer, length);
  return length;
}

/* PATH NAME HEX: writes a byte to the file and, while it is open, shows the attribute's length, or errno */
static long do_written(char **args) {
  int fd = open(args[0], O_WRONLY);
  if (fd < 0 || write(fd, "x", 1) != 1) return -1;
  return fgetxattr(fd, args[1], buffer, sizeof buffer);
}

/* PATH FLAGS [MODE] */
static long do_open(char **args) { return open(args[0], number(args, 1, 0), number(args, 2, 0)); }

/* PROGRAM [ARGUMENT]... */
static long do_exec(char **args) { return execvp(args[0], args); }

static command do_as;

static const struct {
  const char *name;
  int arguments;
  command *run;
} commands[] = {
    {"as", 3, do_as},
    {"exec", 1, do_exec},
    {"open", 2, do_open},
    {"setxattr", 3, do_setxattr},
    {"lsetxattr", 3, do_lsetxattr},
    {"getxattr", 2, do_getxattr},
    {"lgetxattr", 2, do_lgetxattr},
    {"listxattr", 1, do_listxattr},
    {"llistxattr", 1, do_llistxattr},
    {"removexattr", 2, do_removexattr},
    {"lremovexattr", 2, do_lremovexattr},
    {"unlinked", 3, do_unlinked},
    {"written", 2, do_written},
};

static void usage(const char *what) {
  fprintf(stderr, "syscalls: %s\n", what);
  exit(2);
}

static long run(char **words) {
  if (words[0] == NULL) usage("no command");
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (strcmp(words[0], commands[i].name) != 0) continue;
    for (int k = 1; k <= commands[i].arguments; k++)
      if (words[k] == NULL) usage("an argument is missing");
    return commands[i].run(words + 1);
  }
  usage("no such command");
  return -1;
}

/* UID GID[,GROUP]... COMMAND...: as that user, in these groups */
static long do_as(char **args) {
  gid_t groups[64];
  size_t count = 0;
  for (char *word = strtok(args[1], ","); word != NULL && count < 64; word = strtok(NULL, ","))
    groups[count++] = strtol(word, NULL, 10);
  if (setgroups(count, groups) < 0 || setgid(groups[0]) < 0 || setuid(strtol(args[0], NULL, 10)) < 0)
    usage("cannot become that user");
  return run(args + 2);
}

int main(int count, char **words) {
  (void)count;
  if (run(words + 1) >= 0) return 0;
  printf("%d\n", errno);
  return 1;
}
