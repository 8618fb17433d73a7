// Floating point, and OpenSSL with and without the processor's AES.

import { take, type Workload } from './workload.js'

/** Kernels of guest/float-kernels.c, with their rounds. */
const kernels: readonly (readonly [name: string, about: string, rounds: number, quick: number])[] = [
  ['fourier', 'Fourier coefficients: sin, cos, pow', 1500, 300],
  ['lu', 'linear equations by Gaussian elimination', 400, 60],
  ['neural', 'back propagation in a small network', 1500, 250],
  ['fft', 'Fourier transform of 1024 points there and back', 3000, 500],
  ['nbody', 'bodies that attract each other: square roots and divisions', 600_000, 100_000],
  ['saxpy', 'sums of vectors in single precision', 30_000, 5000],
]

const compiled = kernels.map(([name, about, size, quickSize]): Workload => ({
  name,
  group: 'float',
  about: `${about} (rounds)`,
  size,
  quickSize,
  needs: 'float-kernels',
  command: (rounds) => `/bench/float-kernels ${name} ${rounds}`,
}))

const key = '-K 000102030405060708090a0b0c0d0e0f -iv 101112131415161718191a1b1c1d1e1f'
const openssl = 'OPENSSL_CONF=/dev/null /bench/openssl'

export const floatWorkloads: readonly Workload[] = [
  ...compiled,
  {
    name: 'python-float',
    group: 'float',
    about: "Python's interpreter on floats (points a side)",
    size: 120,
    quickSize: 40,
    command: (points) => `/bench/python3 -I -S -B /bench/float.py ${points}`,
  },
  {
    name: 'openssl-aes',
    group: 'float',
    about: 'AES-128 in CBC and CTR mode of data in tmpfs (KiB), then SHA-512 of both',
    size: 8192,
    quickSize: 1024,
    command: (kib) =>
      `${['cbc', 'ctr'].map((mode) => `${take(kib)} | ${openssl} enc -aes-128-${mode} ${key} -out /tmp/${mode}`).join(' && ')} && ` +
      `cat /tmp/cbc /tmp/ctr | ${openssl} dgst -sha512 && rm /tmp/cbc /tmp/ctr`,
  },
  {
    name: 'openssl-prime',
    group: 'float',
    about: 'whether the Mersenne number 2^1279 - 1 is prime: products of long numbers, no AES (times)',
    size: 4,
    quickSize: 1,
    command: (times) => `p=$(printf '%0319d' 0 | tr 0 F); for n in $(seq ${times}); do ${openssl} prime -hex 7$p | tail -c 10; done`,
  },
  {
    name: 'openssl-chacha',
    group: 'float',
    about: 'ChaCha20 of data in tmpfs (KiB), then BLAKE2: neither has instructions of its own',
    size: 8192,
    quickSize: 1024,
    command: (kib) =>
      `${take(kib)} | ${openssl} enc -chacha20 -K ${'0123456789abcdef'.repeat(4)} -iv ${'1'.repeat(32)} | ${openssl} dgst -blake2b512`,
  },
]
