/** Each has its goal (`goals.ts`). */
export type Group = 'integer' | '7-zip' | 'float' | 'system' | 'memory'

/** Runs in the guest's shell. Its command prints a result that depends on nothing but its input, so that peers can be compared. */
export interface Workload {
  readonly name: string
  readonly group: Group
  /** What it does, for the report. */
  readonly about: string
  /** `size` is the number of rounds or KiB; the quick run takes `quickSize`. */
  readonly size: number
  /** 0: not in the quick run. */
  readonly quickSize: number
  /** Program that it needs and that cannot be had everywhere (`guest/programs.ts`). */
  readonly needs?: string
  /** Done once in each guest, untimed. */
  prepare?(size: number): string
  command(size: number): string
}

/** The input of the compressors and hashes: 64-bit busybox's binary over and over, which is code and text, in tmpfs; on 32-bit guests too. */
export const dataKiB = 16384

export const setupCommands: readonly string[] = [
  `while cat /bench/seed; do :; done 2>/dev/null | head -c ${dataKiB << 10} > /tmp/data`,
  // Page faults shall be of 4 KiB pages, whatever the kernel's default.
  'echo never > /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null; test -s /tmp/data',
]

/** Shell: so many KiB of the data on standard output. */
export const take = (kib: number): string => `head -c ${kib << 10} /tmp/data`

/** Shell: `body` so many times, then the number. */
export const repeat = (rounds: number, body: string): string => `i=0; while [ $i -lt ${rounds} ]; do ${body}; i=$((i+1)); done; echo $i`
