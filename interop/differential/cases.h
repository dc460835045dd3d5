/* The cases of a file, and one line of output for each, whatever the library does with it: each is read in a child process.
 *
 * A case: its kind ('d' a datagram, 's' a stream), its length in four bytes, most significant first, and its bytes. */
#ifndef CASES_H
#define CASES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void put_word(const char *name, const char *text) {
  printf(" %s=", name);
  for (; text && *text; text++) {
    if (*text > ' ' && *text < 127 && *text != '%') putchar(*text);
    else printf("%%%02X", (unsigned char)*text);
  }
}

/* Length and FNV-1a hash. */
static void put_body(const char *body, size_t length) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (size_t at = 0; at < length; at++) hash = (hash ^ (unsigned char)body[at]) * 0x100000001b3ull;
  printf(" body=%zu:%016llx", length, (unsigned long long)hash);
}

typedef void read_case(char kind, char *bytes, size_t length);

static int read_cases(const char *path, read_case *read) {
  FILE *file = fopen(path, "rb");
  if (!file) { perror(path); return 1; }
  unsigned char head[5];
  for (unsigned long number = 0; fread(head, 1, 5, file) == 5; number++) {
    size_t length = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    char *bytes = calloc(1, length + 1);
    if (!bytes || fread(bytes, 1, length, file) != length) { fprintf(stderr, "%s is cut short\n", path); return 1; }
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) { perror("fork"); return 1; }
    if (child == 0) {
      alarm(5);
      printf("%lu", number);
      read((char)head[0], bytes, length);
      putchar('\n');
      fflush(stdout);
      _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) printf("%lu crashed signal=%d\n", number, WTERMSIG(status));
    free(bytes);
  }
  fclose(file);
  return 0;
}

#endif
