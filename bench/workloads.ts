// What runs in the guest's shell. Every command prints a result that depends on nothing but its input, so that peers can be compared.

export type Group = 'integer' | 'system' | 'memory'

export interface Workload {
  readonly name: string
  readonly group: Group
  /** What it does, for the report. */
  readonly about: string
  /** `size` is the number of rounds or KiB; the quick run takes `quickSize`. */
  readonly size: number
  /** 0: not in the quick run. */
  readonly quickSize: number
  /** Done once in each guest, untimed. */
  prepare?(size: number): string
  command(size: number): string
}

/** The input of the compressors and hashes: busybox's own binary over and over, which is code and text, in tmpfs. */
export const dataKiB = 16384

export const setupCommands: readonly string[] = [
  `while cat /bin/busybox; do :; done 2>/dev/null | head -c ${dataKiB << 10} > /tmp/data`,
  // Page faults shall be of 4 KiB pages, whatever the kernel's default.
  'echo never > /sys/kernel/mm/transparent_hugepage/enabled; test -s /tmp/data',
]

const repeat = (rounds: number, body: string): string => `i=0; while [ $i -lt ${rounds} ]; do ${body}; i=$((i+1)); done; echo $i`
const take = (kib: number): string => `head -c ${kib << 10} /tmp/data`

export const workloads: readonly Workload[] = [
  {
    name: 'sha256sum',
    group: 'integer',
    about: 'SHA-256 of data in tmpfs (KiB)',
    size: dataKiB,
    quickSize: 4096,
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
  {
    name: 'syscall',
    group: 'system',
    about: 'read and write of one byte (rounds of both)',
    size: 200_000,
    quickSize: 40_000,
    command: (rounds) => `dd if=/dev/zero of=/dev/null bs=1 count=${rounds} 2>/dev/null`,
  },
  {
    name: 'page-fault',
    group: 'system',
    about: 'first touch of fresh memory in 4 KiB pages (MiB)',
    size: 256,
    quickSize: 64,
    command: (mib) => repeat(mib / 32, 'dd if=/dev/zero of=/dev/null bs=32M count=1 2>/dev/null'),
  },
  {
    name: 'fork',
    group: 'system',
    about: 'fork, exit and wait (rounds)',
    size: 1000,
    quickSize: 200,
    command: (rounds) => repeat(rounds, '( : )'),
  },
  {
    name: 'exec',
    group: 'system',
    about: 'fork, exec of a static binary, exit and wait (rounds)',
    size: 300,
    quickSize: 60,
    command: (rounds) => repeat(rounds, '/bin/busybox true'),
  },
  {
    name: 'context-switch',
    group: 'system',
    about: 'two shells pass a line to and fro through FIFOs (rounds)',
    size: 5000,
    quickSize: 1000,
    command: (rounds) =>
      'rm -f /tmp/a /tmp/b; mkfifo /tmp/a /tmp/b; (while read x; do echo $x; done < /tmp/a > /tmp/b & ' +
      `exec 3> /tmp/a 4< /tmp/b; ${repeat(rounds, 'echo $i >&3; read x <&4')}; exec 3>&- 4<&-; wait)`,
  },
  {
    name: 'memory',
    group: 'memory',
    about: 'write, copy and read twice this much in tmpfs (MiB): more than the last-level cache of 256 MiB holds',
    size: 160,
    quickSize: 0,
    command: (mib) =>
      `dd if=/dev/zero of=/tmp/big bs=1M count=${mib} 2>/dev/null; dd if=/tmp/big of=/run/big bs=1M 2>/dev/null; ` +
      'for f in /tmp/big /run/big; do dd if=$f of=/dev/null bs=1M 2>/dev/null; stat -c %s $f; rm $f; done',
  },
]
