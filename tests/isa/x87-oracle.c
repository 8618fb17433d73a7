// The host CPU as an oracle. Reads fixed-size records from standard input, runs each on the real SSE or x87 unit, and writes records back.
//   sse-oracle:  in  { op u32, mxcsr u32, a u64, b u64 }                        out { result u64, mxcsr u32, fault u32 }
//   x87-oracle:  in  { code u8[16], image u8[108], rflags u32, memory u8[128] } out { image u8[108], rflags u32, memory u8[128], rax u64, fault u64 }
#include <immintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "oracle-progress.h"

static sigjmp_buf escape;
static volatile uint32_t fault_mxcsr;

static void on_signal(int sig, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  (void)info;
  fault_mxcsr = u->uc_mcontext.fpregs->mxcsr;
  siglongjmp(escape, sig);
}

struct sse_in { uint32_t op, mxcsr; uint64_t a, b; };
struct sse_out { uint64_t result; uint32_t mxcsr, fault; };

#define S(insn) __asm__ volatile("ldmxcsr %2\n\t" insn " %1, %0\n\tstmxcsr %2" : "+x"(x), "+x"(y), "+m"(m) : : "cc")
#define R(insn) __asm__ volatile("ldmxcsr %2\n\t" insn " %1, %0\n\tstmxcsr %2" : "=r"(r), "+x"(x), "+m"(m) : : "cc")
#define R32(insn) do { uint32_t t; __asm__ volatile("ldmxcsr %2\n\t" insn " %1, %0\n\tstmxcsr %2" : "=r"(t), "+x"(x), "+m"(m)); r = t; } while (0)
#define I(insn) __asm__ volatile("ldmxcsr %2\n\t" insn " %1, %0\n\tstmxcsr %2" : "+x"(x), "+r"(a), "+m"(m) : : "cc")
#define C(insn) do { uint64_t z, c, p; __asm__ volatile("ldmxcsr %5\n\t" insn " %4, %3\n\tmov $0, %0\n\tmov $0, %1\n\tmov $0, %2\n\tsetz %b0\n\tsetc %b1\n\tsetp %b2\n\tstmxcsr %5" \
  : "=&r"(z), "=&r"(c), "=&r"(p), "+x"(x), "+x"(y), "+m"(m) : : "cc"); r = p ? 2 : z ? 0 : c ? ~0ull : 1; } while (0)
#define X(insn) do { S(insn); _mm_storel_epi64((__m128i *)&r, _mm_castps_si128(x)); } while (0)
#define I32(insn) do { uint32_t t = (uint32_t)b; __asm__ volatile("ldmxcsr %2\n\t" insn " %1, %0\n\tstmxcsr %2" : "+x"(x), "+r"(t), "+m"(m)); _mm_storel_epi64((__m128i *)&r, _mm_castps_si128(x)); } while (0)
#define Y(insn) do { I(insn); _mm_storel_epi64((__m128i *)&r, _mm_castps_si128(x)); } while (0)
#define ROUND(k) case 100 + k: X("roundss $" #k ","); break; case 116 + k: X("roundsd $" #k ","); break;

static uint64_t sse(uint32_t op, uint64_t a, uint64_t b, uint32_t *mxcsr) {
  uint64_t r = 0;
  uint32_t m = *mxcsr;
  __m128 x = _mm_castsi128_ps(_mm_cvtsi64_si128(a)), y = _mm_castsi128_ps(_mm_cvtsi64_si128(b));
  switch (op) {
  case 0: X("addss"); break;  case 1: X("subss"); break;  case 2: X("mulss"); break;  case 3: X("divss"); break;
  case 4: X("sqrtss"); break; case 5: X("minss"); break;  case 6: X("maxss"); break;  case 7: C("comiss"); break; case 8: C("ucomiss"); break;
  case 10: X("addsd"); break; case 11: X("subsd"); break; case 12: X("mulsd"); break; case 13: X("divsd"); break;
  case 14: X("sqrtsd"); break; case 15: X("minsd"); break; case 16: X("maxsd"); break; case 17: C("comisd"); break; case 18: C("ucomisd"); break;
  case 20: x = y; X("cvtss2sd"); break; case 21: x = y; X("cvtsd2ss"); break;
  case 30: x = y; R32("cvtss2si"); break;
  case 31: x = y; R32("cvttss2si"); break;
  case 32: x = y; R("cvtss2siq"); break;
  case 33: x = y; R("cvttss2siq"); break;
  case 34: x = y; R32("cvtsd2si"); break;
  case 35: x = y; R32("cvttsd2si"); break;
  case 36: x = y; R("cvtsd2siq"); break;
  case 37: x = y; R("cvttsd2siq"); break;
  case 40: I32("cvtsi2ssl"); break;
  case 41: a = b; Y("cvtsi2ssq"); break;
  case 42: I32("cvtsi2sdl"); break;
  case 43: a = b; Y("cvtsi2sdq"); break;
  ROUND(0) ROUND(1) ROUND(2) ROUND(3) ROUND(4) ROUND(8) ROUND(12)
  }
  *mxcsr = m;
  return r;
}

static void run_sse(void) {
  struct sse_in in;
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    struct sse_out out = {0, 0, 0};
    volatile int sig = sigsetjmp(escape, 1);
    if (!sig) {
      uint32_t m = in.mxcsr;
      out.result = sse(in.op, in.a, in.b, &m);
      out.mxcsr = m;
    } else {
      out.mxcsr = fault_mxcsr;
      out.fault = sig;
    }
    _mm_setcsr(0x1f80);
    fwrite(&out, sizeof out, 1, stdout);
    ++*progress;
  }
}

struct x87_record { uint8_t image[108]; uint32_t rflags; uint8_t memory[128]; };

static uint8_t *page;

static uint64_t execute(struct x87_record *r) {
  uint64_t rax = 0x1122334455667788;
  __asm__ volatile(
      "frstor (%[r])\n\t"
      "sub $256, %%rsp\n\t"
      "mov 108(%[r]), %%ecx\n\t"
      "push %%rcx\n\t"
      "popfq\n\t"
      "mov %[r], %%r12\n\t"
      "call *%[code]\n\t"
      "pushfq\n\t"
      "pop %%rcx\n\t"
      "fnsave (%%r12)\n\t"
      "mov %%ecx, 108(%%r12)\n\t"
      "add $256, %%rsp\n\t"
      : "+a"(rax)
      : [r] "S"(r), [code] "D"(page), "b"(r->memory)
      : "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
  return rax;
}

static void run_x87(void) {
  uint8_t code[16];
  struct x87_record r;
  page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  while (fread(code, sizeof code, 1, stdin) == 1 && fread(&r, sizeof r, 1, stdin) == 1) {
    memcpy(page, code, sizeof code);
    page[sizeof code] = 0xc3;
    uint64_t rax = 0;
    uint64_t sig = (uint64_t)sigsetjmp(escape, 1);
    if (!sig) rax = execute(&r);
    else __asm__ volatile("fninit");
    fwrite(&r, sizeof r, 1, stdout);
    fwrite(&rax, 8, 1, stdout);
    fwrite(&sig, 8, 1, stdout);
    ++*progress;
  }
}

int main(int argc, char **argv) {
  open_progress(argc > 1 ? argv[1] : NULL);
  static char stack[65536];
  stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaltstack(&alternative, 0);
  sigaction(SIGFPE, &action, 0);
  sigaction(SIGILL, &action, 0);
  sigaction(SIGSEGV, &action, 0);
  if (argc > 2 && !strcmp(argv[2], "sse")) run_sse();
  else run_x87();
  return 0;
}
