/*
 * Floating-point kernels of the kinds that BYTE's benchmark has, small and self-contained: float-kernels NAME ROUNDS prints a result that depends on
 * nothing else. Nine digits are printed: the last bits of libm's functions differ between its variants with and without FMA.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned seed = 12345;

/* In [0, 1). */
static double chance(void)
{
  seed = seed * 1664525u + 1013904223u;
  return (seed >> 8) / 16777216.0;
}

/* Fourier coefficients of (x + 1)^x on [0, 2], by the trapezoid rule. */
static double fourier(int rounds)
{
  double sum = 0;
  for (int n = 1; n <= rounds; n++) {
    double a = 0, b = 0;
    for (int i = 0; i <= 200; i++) {
      double x = i / 100.0, weight = i == 0 || i == 200 ? 0.5 : 1, f = pow(x + 1, x);
      a += weight * f * cos(n * M_PI * x);
      b += weight * f * sin(n * M_PI * x);
    }
    sum += (a * a + b * b) / 10000;
  }
  return sum;
}

enum { SIZE = 100 };

/* Gaussian elimination with partial pivoting: solves SIZE equations, `rounds` times. */
static double lu(int rounds)
{
  static double a[SIZE][SIZE + 1];
  double sum = 0;
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < SIZE; i++)
      for (int j = 0; j <= SIZE; j++) a[i][j] = chance() - 0.5;
    for (int k = 0; k < SIZE; k++) {
      int pivot = k;
      for (int i = k + 1; i < SIZE; i++)
        if (fabs(a[i][k]) > fabs(a[pivot][k])) pivot = i;
      for (int j = k; j <= SIZE; j++) {
        double kept = a[k][j];
        a[k][j] = a[pivot][j];
        a[pivot][j] = kept;
      }
      for (int i = k + 1; i < SIZE; i++) {
        double factor = a[i][k] / a[k][k];
        for (int j = k; j <= SIZE; j++) a[i][j] -= factor * a[k][j];
      }
    }
    for (int i = SIZE - 1; i >= 0; i--) {
      for (int j = i + 1; j < SIZE; j++) a[i][SIZE] -= a[i][j] * a[j][SIZE];
      a[i][SIZE] /= a[i][i];
    }
    sum += a[0][SIZE] > 0 ? 1 : -1;
  }
  return sum + a[SIZE / 2][SIZE];
}

enum { INPUTS = 35, HIDDEN = 16, OUTPUTS = 8, PATTERNS = 26 };

/* Back propagation in a network of three layers. */
static double neural(int rounds)
{
  static double in[PATTERNS][INPUTS], want[PATTERNS][OUTPUTS], w1[HIDDEN][INPUTS], w2[OUTPUTS][HIDDEN];
  double error = 0;
  for (int p = 0; p < PATTERNS; p++) {
    for (int i = 0; i < INPUTS; i++) in[p][i] = chance() < 0.5 ? 0.1 : 0.9;
    for (int o = 0; o < OUTPUTS; o++) want[p][o] = (p >> (o % 5)) & 1 ? 0.9 : 0.1;
  }
  for (int h = 0; h < HIDDEN; h++)
    for (int i = 0; i < INPUTS; i++) w1[h][i] = chance() - 0.5;
  for (int o = 0; o < OUTPUTS; o++)
    for (int h = 0; h < HIDDEN; h++) w2[o][h] = chance() - 0.5;
  for (int round = 0; round < rounds; round++) {
    error = 0;
    for (int p = 0; p < PATTERNS; p++) {
      double hidden[HIDDEN], out[OUTPUTS], delta[OUTPUTS];
      for (int h = 0; h < HIDDEN; h++) {
        double sum = 0;
        for (int i = 0; i < INPUTS; i++) sum += w1[h][i] * in[p][i];
        hidden[h] = 1 / (1 + exp(-sum));
      }
      for (int o = 0; o < OUTPUTS; o++) {
        double sum = 0;
        for (int h = 0; h < HIDDEN; h++) sum += w2[o][h] * hidden[h];
        out[o] = 1 / (1 + exp(-sum));
        delta[o] = (want[p][o] - out[o]) * out[o] * (1 - out[o]);
        error += (want[p][o] - out[o]) * (want[p][o] - out[o]);
      }
      for (int h = 0; h < HIDDEN; h++) {
        double sum = 0;
        for (int o = 0; o < OUTPUTS; o++) {
          sum += delta[o] * w2[o][h];
          w2[o][h] += 0.2 * delta[o] * hidden[h];
        }
        sum *= 0.2 * hidden[h] * (1 - hidden[h]);
        for (int i = 0; i < INPUTS; i++) w1[h][i] += sum * in[p][i];
      }
    }
  }
  /* Learning magnifies the last bits: fewer digits are safe. */
  return floor(error * 1e4 + 0.5) / 1e4;
}

enum { POINTS = 1024 };

/* Fast Fourier transform there and back again. */
static double fft(int rounds)
{
  static double re[POINTS], im[POINTS];
  for (int i = 0; i < POINTS; i++) re[i] = chance(), im[i] = 0;
  for (int round = 0; round < rounds; round++) {
    double sign = round & 1 ? 1 : -1;
    for (int i = 1, j = 0; i < POINTS; i++) {
      int bit = POINTS >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        double r = re[i], m = im[i];
        re[i] = re[j], im[i] = im[j];
        re[j] = r, im[j] = m;
      }
    }
    for (int length = 2; length <= POINTS; length <<= 1) {
      double wr = cos(2 * M_PI / length), wi = sign * sin(2 * M_PI / length);
      for (int i = 0; i < POINTS; i += length) {
        double ur = 1, ui = 0;
        for (int k = i; k < i + length / 2; k++) {
          int l = k + length / 2;
          double tr = re[l] * ur - im[l] * ui, ti = re[l] * ui + im[l] * ur, next = ur * wr - ui * wi;
          re[l] = re[k] - tr, im[l] = im[k] - ti;
          re[k] += tr, im[k] += ti;
          ui = ur * wi + ui * wr, ur = next;
        }
      }
    }
    if (sign > 0)
      for (int i = 0; i < POINTS; i++) re[i] /= POINTS, im[i] /= POINTS;
  }
  return re[1] + re[POINTS / 2];
}

/* Five bodies that attract each other. */
static double nbody(int rounds)
{
  double x[5][3], v[5][3], mass[5];
  for (int i = 0; i < 5; i++) {
    mass[i] = i == 0 ? 40 : 0.01 + chance() / 50;
    for (int c = 0; c < 3; c++) x[i][c] = i * 5 * (chance() + 0.5), v[i][c] = i == 0 ? 0 : chance() * 2 - 1;
  }
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < 5; i++)
      for (int j = i + 1; j < 5; j++) {
        double d[3], square = 0.01;
        for (int c = 0; c < 3; c++) d[c] = x[i][c] - x[j][c], square += d[c] * d[c];
        double pull = 0.001 / (square * sqrt(square));
        for (int c = 0; c < 3; c++) v[i][c] -= d[c] * mass[j] * pull, v[j][c] += d[c] * mass[i] * pull;
      }
    for (int i = 0; i < 5; i++)
      for (int c = 0; c < 3; c++) x[i][c] += 0.001 * v[i][c];
  }
  double energy = 0;
  for (int i = 0; i < 5; i++)
    for (int c = 0; c < 3; c++) energy += 0.5 * mass[i] * v[i][c] * v[i][c];
  return energy;
}

/* Single precision, which compilers turn into vectors: y += a x, and a stencil. */
static double saxpy(int rounds)
{
  static float x[4096], y[4096];
  for (int i = 0; i < 4096; i++) x[i] = chance(), y[i] = chance();
  for (int round = 0; round < rounds; round++) {
    float a = (round & 1 ? -0.5f : 0.5f);
    for (int i = 0; i < 4096; i++) y[i] += a * x[i];
    for (int i = 1; i < 4095; i++) x[i] = 0.25f * x[i - 1] + 0.5f * x[i] + 0.25f * x[i + 1];
  }
  double sum = 0;
  for (int i = 0; i < 4096; i++) sum += y[i];
  return floor(sum * 100 + 0.5) / 100;
}

int main(int count, char **words)
{
  static const struct { const char *name; double (*run)(int); } kernels[] = {
    { "fourier", fourier }, { "lu", lu }, { "neural", neural }, { "fft", fft }, { "nbody", nbody }, { "saxpy", saxpy },
  };
  for (unsigned i = 0; count == 3 && i < sizeof kernels / sizeof *kernels; i++)
    if (!strcmp(words[1], kernels[i].name)) {
      printf("%.9g\n", kernels[i].run(atoi(words[2])));
      return 0;
    }
  return 2;
}
