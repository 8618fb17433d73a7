// Runs one instruction at a time on the host CPU with a given state, for vector.test.ts.
// stdin and stdout carry arrays of the records below; a signal ends the instruction and its trap number is reported.

#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "oracle-progress.h"

struct record {
  uint8_t code[16];     // padded by the caller with RET
  uint64_t gpr[4];      // 0x10 RAX, RCX, RDX, RSI
  uint64_t flags;       // 0x30
  uint32_t offset;      // 0x38 of the memory operand in `memory`
  uint32_t trap;        // 0x3c result: vector + 1, 0 = none
  uint8_t fx[512];      // 0x40, FXSAVE image
  uint8_t memory[64];   // 0x240
  uint8_t upper[256];   // 0x280, upper halves of YMM registers, where the CPU has them
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct record) == 0x380, "size of a record");

extern void run(struct record *record, void *code, uint8_t *operand);
extern char run_ended[];
int has_avx;

__asm__(
    ".globl run\n.globl run_ended\n"
    "run:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rdi, %r15\n  mov %rsi, %r14\n  mov %rdx, %rbx\n  mov %rdx, %rdi\n"
    "  fxrstor64 0x40(%r15)\n"
    "  cmpl $0, has_avx(%rip)\n  je 1f\n"
    "  vinsertf128 $1, 0x280(%r15), %ymm0, %ymm0\n"
    "  vinsertf128 $1, 0x290(%r15), %ymm1, %ymm1\n"
    "  vinsertf128 $1, 0x2a0(%r15), %ymm2, %ymm2\n"
    "  vinsertf128 $1, 0x2b0(%r15), %ymm3, %ymm3\n"
    "  vinsertf128 $1, 0x2c0(%r15), %ymm4, %ymm4\n"
    "  vinsertf128 $1, 0x2d0(%r15), %ymm5, %ymm5\n"
    "  vinsertf128 $1, 0x2e0(%r15), %ymm6, %ymm6\n"
    "  vinsertf128 $1, 0x2f0(%r15), %ymm7, %ymm7\n"
    "  vinsertf128 $1, 0x300(%r15), %ymm8, %ymm8\n"
    "  vinsertf128 $1, 0x310(%r15), %ymm9, %ymm9\n"
    "  vinsertf128 $1, 0x320(%r15), %ymm10, %ymm10\n"
    "  vinsertf128 $1, 0x330(%r15), %ymm11, %ymm11\n"
    "  vinsertf128 $1, 0x340(%r15), %ymm12, %ymm12\n"
    "  vinsertf128 $1, 0x350(%r15), %ymm13, %ymm13\n"
    "  vinsertf128 $1, 0x360(%r15), %ymm14, %ymm14\n"
    "  vinsertf128 $1, 0x370(%r15), %ymm15, %ymm15\n"
    "1:\n"
    "  mov 0x10(%r15), %rax\n  mov 0x18(%r15), %rcx\n  mov 0x20(%r15), %rdx\n  mov 0x28(%r15), %rsi\n"
    "  push 0x30(%r15)\n  popfq\n"
    "  call *%r14\n"
    "run_ended:\n"
    "  pushfq\n  pop 0x30(%r15)\n"
    "  fxsave64 0x40(%r15)\n"
    "  cmpl $0, has_avx(%rip)\n  je 1f\n"
    "  vextractf128 $1, %ymm0, 0x280(%r15)\n"
    "  vextractf128 $1, %ymm1, 0x290(%r15)\n"
    "  vextractf128 $1, %ymm2, 0x2a0(%r15)\n"
    "  vextractf128 $1, %ymm3, 0x2b0(%r15)\n"
    "  vextractf128 $1, %ymm4, 0x2c0(%r15)\n"
    "  vextractf128 $1, %ymm5, 0x2d0(%r15)\n"
    "  vextractf128 $1, %ymm6, 0x2e0(%r15)\n"
    "  vextractf128 $1, %ymm7, 0x2f0(%r15)\n"
    "  vextractf128 $1, %ymm8, 0x300(%r15)\n"
    "  vextractf128 $1, %ymm9, 0x310(%r15)\n"
    "  vextractf128 $1, %ymm10, 0x320(%r15)\n"
    "  vextractf128 $1, %ymm11, 0x330(%r15)\n"
    "  vextractf128 $1, %ymm12, 0x340(%r15)\n"
    "  vextractf128 $1, %ymm13, 0x350(%r15)\n"
    "  vextractf128 $1, %ymm14, 0x360(%r15)\n"
    "  vextractf128 $1, %ymm15, 0x370(%r15)\n"
    "  vzeroupper\n"
    "1:\n"
    "  mov %rax, 0x10(%r15)\n  mov %rcx, 0x18(%r15)\n  mov %rdx, 0x20(%r15)\n  mov %rsi, 0x28(%r15)\n"
    "  cld\n  fninit\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n");

static volatile uint32_t trap;
static uint8_t *code;
#define CODE_BYTES 4096

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)info;
  ucontext_t *u = context;
  uintptr_t rip = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
  // Only the instruction under test may fault. A state that the CPU does not take faults before it, and to go on from there would never end.
  if (rip - (uintptr_t)code >= CODE_BYTES) {
    dprintf(2, "exception %d outside the instruction\n", (int)u->uc_mcontext.gregs[REG_TRAPNO]);
    _exit(4);
  }
  trap = (uint32_t)u->uc_mcontext.gregs[REG_TRAPNO] + 1;
  u->uc_mcontext.gregs[REG_RIP] = (greg_t)run_ended;
  u->uc_mcontext.gregs[REG_RSP] += 8;
}

int main(int argc, char **argv) {
  open_progress(argc > 1 ? argv[1] : NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  const int signals[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  code = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) return 2;
  has_avx = __builtin_cpu_supports("avx");
  static struct record record;
  uint8_t *memory = aligned_alloc(64, 64);
  while (fread(&record, sizeof record, 1, stdin) == 1) {
    memcpy(code, record.code, 16);
    memcpy(memory, record.memory, 64);
    trap = 0;
    run(&record, code, memory + record.offset);
    record.trap = trap;
    memcpy(record.memory, memory, 64);
    if (fwrite(&record, sizeof record, 1, stdout) != 1) return 3;
    ++*progress;
  }
  return 0;
}
