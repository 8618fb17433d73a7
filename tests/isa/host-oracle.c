// Executes test cases on the host's own CPU: reads records of `struct input` from standard input, writes one `struct output` for each.
// A case is entered by returning from a signal handler with its registers in the signal frame, and left by the exception that it meets (INT3 at the
// latest: the code area is full of it). Layout of both records: host-oracle.ts.

#define _GNU_SOURCE
#include <asm/ldt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <ucontext.h>
#include <unistd.h>

#include "oracle-progress.h"

#define CODE 0x10000000ul
#define CODE_BYTES 0x2000
#define DATA 0x10010000ul
#define DATA_BYTES 0x4000
#define READ_ONLY 0x10018000ul
#define WINDOW 0x10011e00ul
#define WINDOW_BYTES 1024
#define CODE_MAX 640
#define TIMEOUT 0xfe

struct input {
  uint32_t length, offset, flags, mode;
  uint64_t gpr[16];
  uint64_t rflags, fs, gs, reserved;
  uint8_t code[CODE_MAX];
  uint8_t fx[512];
  // Upper halves of YMM registers.
  uint8_t upper[256];
  uint8_t window[WINDOW_BYTES];
};

struct output {
  uint32_t vector, error;
  uint64_t cr2;
  uint64_t gpr[16];
  uint64_t rip, rflags, fs, gs;
  // ES CS SS DS FS GS
  uint16_t selectors[8];
  uint8_t fx[512];
  uint8_t upper[256];
  uint8_t window[WINDOW_BYTES];
};

// RAX RCX RDX RBX RSP RBP RSI RDI R8 …
static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
#define LOCAL(n) ((n) * 8 + 7)
// SS and CS by mode; ES, DS, FS, GS of the two modes with local segments.
static const uint64_t code_and_stack[4] = {0x002b000000000033ul, 0x002b000000000023ul, (uint64_t)LOCAL(2) << 48 | LOCAL(0), (uint64_t)LOCAL(6) << 48 | LOCAL(4)};
static const uint16_t data_selectors[4] = {LOCAL(1), LOCAL(1), LOCAL(3), LOCAL(5)};

static struct input *inputs;
static struct output *outputs;
static size_t count, at, ticked = -1;
static int running;
static uint64_t own_fs, own_gs;
static sigjmp_buf finished;

static inline uint64_t read_fs(void) { uint64_t v; __asm__ volatile("rdfsbase %0" : "=r"(v)); return v; }
static inline uint64_t read_gs(void) { uint64_t v; __asm__ volatile("rdgsbase %0" : "=r"(v)); return v; }
static inline void write_fs(uint64_t v) { __asm__ volatile("wrfsbase %0" : : "r"(v)); }
static inline void write_gs(uint64_t v) { __asm__ volatile("wrgsbase %0" : : "r"(v)); }
#define SELECTOR(name) ({ uint16_t v; __asm__ volatile("mov %%" name ", %0" : "=r"(v)); v; })

static void load_selectors(uint16_t es, uint16_t ds, uint16_t fs, uint16_t gs) {
  __asm__ volatile("mov %0, %%es\n mov %1, %%ds\n mov %2, %%fs\n mov %3, %%gs" : : "r"(es), "r"(ds), "r"(fs), "r"(gs));
}

// Of the XSAVE image in a signal frame: the components that it has room for, those that it holds, and the upper halves of YMM registers.
#define ROOM(fp) (*(uint64_t *)((uint8_t *)(fp) + 472))
#define PRESENT(fp) (*(uint64_t *)((uint8_t *)(fp) + 512))
#define UPPER(fp) ((uint8_t *)(fp) + 576)
#define COMPONENT_YMM 4

static void collect(ucontext_t *uc, const uint16_t *selectors, uint64_t fs, uint64_t gs, int timeout) {
  struct output *o = &outputs[at];
  greg_t *g = uc->uc_mcontext.gregs;
  o->vector = timeout ? TIMEOUT : g[REG_TRAPNO];
  o->error = g[REG_ERR];
  o->cr2 = g[REG_TRAPNO] == 14 ? g[REG_CR2] : 0;
  for (int i = 0; i < 16; i++) o->gpr[i] = g[order[i]];
  o->rip = g[REG_RIP];
  o->rflags = g[REG_EFL];
  memcpy(o->selectors, selectors, 16);
  o->selectors[1] = g[REG_CSGSFS];
  o->selectors[2] = g[REG_CSGSFS] >> 48;
  o->fs = fs;
  o->gs = gs;
  memcpy(o->fx, uc->uc_mcontext.fpregs, 512);
  if (ROOM(uc->uc_mcontext.fpregs) & PRESENT(uc->uc_mcontext.fpregs) & COMPONENT_YMM) memcpy(o->upper, UPPER(uc->uc_mcontext.fpregs), 256);
  memcpy(o->window, (void *)WINDOW, WINDOW_BYTES);
  memset((void *)CODE, 0xcc, CODE_BYTES);
}

static void enter(ucontext_t *uc) {
  struct input *c = &inputs[at];
  greg_t *g = uc->uc_mcontext.gregs;
  memcpy((void *)(CODE + c->offset), c->code, c->length);
  memset((void *)DATA, 0, DATA_BYTES);
  memcpy((void *)WINDOW, c->window, WINDOW_BYTES);
  for (int i = 0; i < 16; i++) g[order[i]] = c->gpr[i];
  g[REG_RIP] = c->mode < 2 ? CODE + c->offset : c->offset;
  g[REG_EFL] = c->rflags | (c->flags & 1 ? 0x100 : 0);
  g[REG_CSGSFS] = code_and_stack[c->mode];
  memcpy(uc->uc_mcontext.fpregs, c->fx, 416);
  // The state components x87 and SSE are not in their initial state: XSTATE_BV of the XSAVE header behind the legacy area.
  PRESENT(uc->uc_mcontext.fpregs) |= 3;
  if (ROOM(uc->uc_mcontext.fpregs) & COMPONENT_YMM) {
    PRESENT(uc->uc_mcontext.fpregs) |= COMPONENT_YMM;
    memcpy(UPPER(uc->uc_mcontext.fpregs), c->upper, 256);
  }
  if (c->mode >= 2) {
    load_selectors(data_selectors[0], data_selectors[1], data_selectors[2], data_selectors[3]);
    return;
  }
  write_gs(c->gs);
  write_fs(c->fs);
}

static void on_signal(int number, siginfo_t *info, void *context) {
  // What a case may have left behind in EFLAGS: AC, ID and NT, which the return from the handler would keep.
  __asm__ volatile("pushfq\n andl $0xffdbbfff, (%%rsp)\n popfq" ::: "cc", "memory");
  uint64_t fs = read_fs(), gs = read_gs();
  const uint16_t selectors[8] = {SELECTOR("es"), 0, 0, SELECTOR("ds"), SELECTOR("fs"), SELECTOR("gs"), 0, 0};
  load_selectors(0x2b, 0x2b, 0, 0);
  write_fs(own_fs);
  write_gs(own_gs);
  (void)info;
  if (running) {
    if (number == SIGPROF && ticked != at) {
      ticked = at;
      load_selectors(selectors[0], selectors[3], selectors[4], selectors[5]);
      write_gs(gs);
      write_fs(fs);
      return;
    }
    collect(context, selectors, fs, gs, number == SIGPROF);
    *progress = ++at;
  } else if (number == SIGPROF) return;
  running = 1;
  if (at == count) siglongjmp(finished, 1);
  enter(context);
}

static void *area(uint64_t address, size_t bytes, int protection) {
  void *p = mmap((void *)address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p != (void *)address) {
    perror("mmap");
    exit(2);
  }
  return p;
}

static void *read_all(size_t *bytes) {
  size_t room = 1 << 20, n = 0;
  char *p = malloc(room);
  for (;;) {
    ssize_t got = read(0, p + n, room - n);
    if (got <= 0) break;
    n += got;
    if (n == room) p = realloc(p, room *= 2);
  }
  *bytes = n;
  return p;
}

// localSegments of state.ts.
static void local_segment(unsigned index, unsigned base, unsigned limit, int big, int contents, int read_only, int in_pages, int absent) {
  struct user_desc d = {.entry_number = index, .base_addr = base, .limit = limit, .seg_32bit = big, .contents = contents,
                        .read_exec_only = read_only, .limit_in_pages = in_pages, .seg_not_present = absent, .useable = 1};
  // Without it the cases in those modes cannot be entered, and say so.
  syscall(SYS_modify_ldt, 0x11, &d, sizeof d);
}

static void local_segments(void) {
  local_segment(0, CODE, CODE_BYTES - 1, 0, 2, 0, 0, 0);
  local_segment(1, DATA, 0x23ff, 0, 0, 0, 0, 0);
  local_segment(2, DATA, 0x23ff, 0, 0, 0, 0, 0);
  local_segment(3, DATA, 0x1dff, 0, 1, 0, 0, 0);
  local_segment(4, CODE, CODE_BYTES - 1, 1, 2, 0, 0, 0);
  local_segment(5, DATA, 3, 0, 0, 1, 1, 0);
  local_segment(6, DATA, 0x23ff, 1, 0, 0, 0, 0);
  local_segment(7, DATA, 0x23ff, 0, 0, 0, 0, 1);
}

int main(int argc, char **argv) {
  open_progress(argc > 1 ? argv[1] : NULL);
  size_t bytes;
  memset(area(CODE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC), 0xcc, CODE_BYTES);
  local_segments();
  area(DATA, DATA_BYTES, PROT_READ | PROT_WRITE);
  (void)*(volatile char *)area(READ_ONLY, 0x1000, PROT_READ);
  memset((void *)DATA, 0, DATA_BYTES);
  inputs = read_all(&bytes);
  count = bytes / sizeof(struct input);
  outputs = calloc(count + 1, sizeof(struct output));
  static char stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, 0);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGPROF};
  for (int i = 0; i < 6; i++) sigaction(numbers[i], &action, 0);
  own_fs = read_fs();
  own_gs = read_gs();
  // In time of the processor: on a busy machine a case may wait.
  struct itimerval tick = {{0, 20000}, {0, 20000}};
  setitimer(ITIMER_PROF, &tick, 0);
  if (!sigsetjmp(finished, 1)) __asm__ volatile("int3");
  running = 0;
  tick.it_value.tv_usec = tick.it_interval.tv_usec = 0;
  setitimer(ITIMER_PROF, &tick, 0);
  for (size_t done = 0, all = count * sizeof(struct output); done < all;) {
    ssize_t n = write(1, (char *)outputs + done, all - done);
    if (n <= 0) return 3;
    done += n;
  }
  return 0;
}
