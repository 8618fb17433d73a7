// Loops of vector and floating-point code, compiled for a bare core (bench/vector-loops.ts). Each runs `rounds` rounds of about the same work.

#include <emmintrin.h>
#include <stdint.h>

static __m128i bytes[128];
static double doubles[256], others[256];
static float singles[512];
static int32_t words[512];
static uint32_t state[16];

volatile double result;
volatile uint64_t sum;

// 2 KiB searched for a byte that is not there, 16 at a time: memchr
static void search(long rounds) {
  while (rounds--) {
    __m128i wanted = _mm_set1_epi8((char)rounds | 1);
    for (int n = 0; n < 128; n++) {
      if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128(&bytes[n]), wanted))) sum++;
    }
  }
}

// ChaCha20 quarter rounds on rows of four words
static __m128i rotated(__m128i x, int n) { return _mm_or_si128(_mm_slli_epi32(x, n), _mm_srli_epi32(x, 32 - n)); }
static void chacha(long rounds) {
  __m128i a = _mm_loadu_si128((__m128i *)state), b = _mm_loadu_si128((__m128i *)state + 1), c = _mm_loadu_si128((__m128i *)state + 2), d = _mm_set1_epi32(7);
  rounds *= 32;
  while (rounds--) {
    a = _mm_add_epi32(a, b);
    d = rotated(_mm_xor_si128(d, a), 16);
    c = _mm_add_epi32(c, d);
    b = rotated(_mm_xor_si128(b, c), 12);
    a = _mm_add_epi32(a, b);
    d = rotated(_mm_xor_si128(d, a), 8);
    c = _mm_add_epi32(c, d);
    b = rotated(_mm_xor_si128(b, c), 7);
    b = _mm_shuffle_epi32(b, 0x39);
    c = _mm_shuffle_epi32(c, 0x4e);
    d = _mm_shuffle_epi32(d, 0x93);
  }
  _mm_storeu_si128((__m128i *)state, _mm_xor_si128(_mm_xor_si128(a, b), _mm_xor_si128(c, d)));
}

// int32 multiply and add over 2 KiB, as a compiler makes vectors of it
__attribute__((optimize("O3"))) static void integers(long rounds) {
  while (rounds--) {
    for (int n = 0; n < 512; n++) words[n] = words[n] * 3 + (words[n] >> 5) + (int)rounds;
  }
}

// dot product of 256 doubles, in order
static void dot(long rounds) {
  double s = 0;
  while (rounds--) {
    for (int n = 0; n < 256; n++) s += doubles[n] * others[n];
    s *= 0.5;
  }
  result = s;
}

// y = a x + y over 256 doubles and 512 floats, as vectors
__attribute__((optimize("O3"))) static void packed(long rounds) {
  while (rounds--) {
    for (int n = 0; n < 256; n++) others[n] = others[n] * 0.999 + doubles[n];
    for (int n = 0; n < 512; n++) singles[n] = singles[n] * 0.5f + 1.25f;
  }
}

// the Mandelbrot set: scalar doubles, compared
static void mandelbrot(long rounds) {
  long inside = 0;
  for (long n = 0; n < rounds; n++) {
    double cr = -1.5 + (double)(n & 63) / 32, ci = (double)(n >> 6 & 31) / 32 - 0.5, x = 0, y = 0;
    int k = 0;
    while (k < 200 && x * x + y * y < 4) {
      double t = x * x - y * y + cr;
      y = 2 * x * y + ci;
      x = t;
      k++;
    }
    inside += k;
  }
  sum = inside;
}

// integer and double back and forth, square roots and quotients
static void convert(long rounds) {
  double s = 1;
  rounds *= 64;
  for (long n = 1; n <= rounds; n++) {
    double x = (double)(int)n;
    s += __builtin_sqrt(x) / (x + 1) - (double)(int64_t)(x * 0.25);
    if (s < -1e9) s += 2e9;
  }
  result = s;
}

// sums of whole numbers in doubles: no result is inexact
static void exact(long rounds) {
  double s = 0;
  while (rounds--) {
    for (int n = 0; n < 256; n++) s = s * 2 - (double)n > 1000 ? 3 : s + 1;
  }
  result = s;
}

__attribute__((section(".text.start"))) void start(long rounds, long which) {
  for (int n = 0; n < 256; n++) doubles[n] = 1 + n * 0.37, others[n] = 2 - n * 0.003;
  for (int n = 0; n < 512; n++) singles[n] = n * 0.5f, words[n] = n * 77;
  static void (*const loops[])(long) = { search, chacha, integers, dot, packed, mandelbrot, convert, exact };
  if (which == 7) {
    unsigned control = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(control));
  }
  loops[which](rounds);
  __asm__ volatile("int3");
}
