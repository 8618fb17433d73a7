/* What a kernel does for programs, over and over: system-loops NAME ROUNDS. Every loop counts what it has done and prints that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int syscalls(int rounds)
{
  int done = 0;
  long parent = syscall(SYS_getppid);
  for (int i = 0; i < rounds; i++) done += syscall(SYS_getppid) == parent;
  return done;
}

/* One byte through a pipe and back out of it: the read and write paths. */
static int pipes(int rounds)
{
  int ends[2], done = 0;
  char byte = 'x';
  if (pipe(ends)) return -1;
  for (int i = 0; i < rounds; i++) done += write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1;
  return done;
}

enum { PAGES = 256, PAGE = 4096 };

/* Fresh anonymous memory, touched page by page and given back. */
static int faults(int rounds)
{
  int done = 0;
  for (int i = 0; i < rounds; i++) {
    char *memory = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -1;
    for (int page = 0; page < PAGES; page++) memory[page * PAGE] = 1;
    for (int page = 0; page < PAGES; page++) done += memory[page * PAGE];
    munmap(memory, PAGES * PAGE);
  }
  return done;
}

/* Two processes hand a byte to and fro. */
static int switches(int rounds)
{
  int there[2], back[2], done = 0;
  char byte = 'x';
  if (pipe(there) || pipe(back)) return -1;
  pid_t child = fork();
  if (child == 0) {
    close(there[1]);
    while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) {}
    _exit(0);
  }
  for (int i = 0; i < rounds; i++) done += write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1;
  close(there[1]);
  waitpid(child, 0, 0);
  return done;
}

static int forks(int rounds)
{
  int done = 0;
  for (int i = 0; i < rounds; i++) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) _exit(7);
    done += waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7;
  }
  return done;
}

/* fork and exec of this program itself, which then does nothing. */
static int execs(int rounds)
{
  int done = 0;
  for (int i = 0; i < rounds; i++) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
      execl("/proc/self/exe", "nothing", (char *)0);
      _exit(1);
    }
    done += waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 2;
  }
  return done;
}

int main(int count, char **words)
{
  static const struct { const char *name; int (*run)(int); } loops[] = {
    { "syscalls", syscalls }, { "pipes", pipes }, { "faults", faults }, { "switches", switches }, { "forks", forks }, { "execs", execs },
  };
  for (unsigned i = 0; count == 3 && i < sizeof loops / sizeof *loops; i++)
    if (!strcmp(words[1], loops[i].name)) {
      printf("%d\n", loops[i].run(atoi(words[2])));
      return 0;
    }
  return 2;
}
