// Integer work: busybox's tools, and programs from Debian's packages.

import { dataKiB, repeat, take, type Workload } from './workload.js'

const busybox: readonly Workload[] = [
  {
    name: 'sha256sum',
    group: 'integer',
    about: 'SHA-256 of data in tmpfs (KiB)',
    size: dataKiB,
    quickSize: 3072,
    command: (kib) => `${take(kib)} | sha256sum`,
  },
  {
    name: 'gzip',
    group: 'integer',
    about: 'compress data in tmpfs (KiB), then check the size',
    size: 4096,
    quickSize: 1024,
    command: (kib) => `${take(kib)} | gzip -c | wc -c`,
  },
  {
    name: 'gunzip',
    group: 'integer',
    about: 'decompress what was made of the data (KiB) twelve times; gunzip checks the CRC itself',
    size: 2048,
    quickSize: 512,
    prepare: (kib) => `${take(kib)} | gzip -c > /tmp/z`,
    command: () => 'for n in 1 2 3 4 5 6 7 8 9 10 11 12; do cat /tmp/z; done | gunzip -c > /tmp/out && stat -c %s /tmp/out && rm /tmp/out',
  },
  {
    name: 'bzip2',
    group: 'integer',
    about: 'compress data in tmpfs (KiB)',
    size: 1024,
    quickSize: 256,
    command: (kib) => `${take(kib)} | bzip2 -c | wc -c`,
  },
  {
    name: 'awk',
    group: 'integer',
    about: "awk's interpreter: arithmetic in doubles and an associative array (rounds)",
    size: 200_000,
    quickSize: 40_000,
    command: (rounds) => `awk 'BEGIN{for(i=0;i<${rounds};i++){s=(s*31+i)%65521;a[i%1000]+=s};print s,a[7]}'`,
  },
  {
    name: 'shell-loop',
    group: 'integer',
    about: "a loop in the shell's own language (rounds)",
    size: 100_000,
    quickSize: 20_000,
    command: (rounds) => repeat(rounds, ':'),
  },
]

const debian: readonly Workload[] = [
  {
    name: 'xz',
    group: 'integer',
    about: 'compress data in tmpfs (KiB), level 3, then decompress it',
    size: 2048,
    quickSize: 384,
    command: (kib) => `${take(kib)} | /bench/xz -3 -T1 -c > /tmp/x && stat -c %s /tmp/x && /bench/xz -dc /tmp/x | wc -c && rm /tmp/x`,
  },
  {
    name: 'sqlite',
    group: 'integer',
    about: 'insert, index, join, sort and update a table in memory (rows)',
    size: 40_000,
    quickSize: 5000,
    command: (rows) => `/bench/sqlite3 -batch -cmd '.parameter set :rounds ${rows}' :memory: < /bench/mix.sql`,
  },
  {
    name: 'python',
    group: 'integer',
    about: "Python's interpreter: integers, strings, a dictionary, a sort, a sieve, long products (rounds)",
    size: 200_000,
    quickSize: 30_000,
    command: (rounds) => `/bench/python3 -I -S -B /bench/integer.py ${rounds}`,
  },
]

/** What `7z b` measures, with a fixed amount of work: its own benchmark runs for a time. */
const sevenZip: readonly Workload[] = [
  {
    name: '7zip-compress',
    group: '7-zip',
    about: 'LZMA on one thread, data in tmpfs (KiB)',
    size: 2048,
    quickSize: 256,
    command: (kib) =>
      `rm -f /tmp/a.7z; ${take(kib)} | /bench/7zz a -mmt1 -mx5 -si -bso0 -bsp0 /tmp/a.7z && /bench/7zz l -slt /tmp/a.7z | grep '^Packed Size'`,
  },
  {
    name: '7zip-decompress',
    group: '7-zip',
    about: 'decompress and check what was made of the data (KiB), twice',
    size: 8192,
    quickSize: 1536,
    prepare: (kib) => `rm -f /tmp/b.7z; ${take(kib)} | /bench/7zz a -mmt1 -mx1 -si -bso0 -bsp0 /tmp/b.7z`,
    command: () => 'for n in 1 2; do /bench/7zz x -mmt1 -so /tmp/b.7z | wc -c; done',
  },
]

export const integerWorkloads: readonly Workload[] = [...busybox, ...debian, ...sevenZip]
