// Says in a file, through a mapping that outlives the process, which record an oracle is at: oracle-process.ts reads it when the oracle does not end well.

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static volatile uint64_t *progress;

static void open_progress(const char *path) {
  int fd = path ? open(path, O_RDWR) : -1;
  void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) {
    perror("progress");
    exit(2);
  }
  progress = p;
}
